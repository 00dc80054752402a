"""The rules of the house, read from the syntax tree: who may import whom, what economics may do, how long is too long.

Each rule is a small function from a parsed module to its breaches; `test_every_rule_bites` plants a breach of each
and would fail if a rule went blind. The rules walk whatever files exist, so a new module is under them at once.
"""

import ast
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("sim", "analysis")

# The bottom of the house: these know nobody of ours (economics may import economics).
BOTTOM = ("sim.economics", "sim.journal", "sim.streams", "sim.parameters")
PURE_LIBRARIES = {"numpy", "scipy"} | {
    *(
        "__future__",
        "abc",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "itertools",
        "math",
        "operator",
        "typing",
    ),
}
CLI, COMMANDS = "analysis.cli", "analysis.commands"
DRAWING = {"matplotlib", "seaborn", "plotly", "altair"}
READ_OR_WRITE = {"open", "print", "input", "eval", "exec", "breakpoint"}
ARRAY_FILES = {"load", "save", "savez", "savez_compressed", "savetxt", "loadtxt", "genfromtxt"} | {
    *("fromfile", "tofile", "memmap"),
}
DRAWS = {"random", "rvs", "default_rng", "random_state", "qmc"}
LONGEST_FUNCTION = 60
MOST_PARAMETERS = 8  # the aim is 6; beyond 8 a function wants a dataclass


@dataclass(frozen=True)
class Module:
    """One source file: dotted name, whether it is a package's `__init__`, source text and syntax tree."""

    name: str
    package: bool
    text: str

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)


@dataclass(frozen=True)
class Import:
    """One import statement: the dotted names it may mean, its line, whether in a function or for type checkers only."""

    targets: tuple[str, ...]
    line: int
    lazy: bool
    typing_only: bool


def module_of(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if package else parts), package, path.read_text(encoding="utf-8"))


@cache
def modules() -> tuple[Module, ...]:
    return tuple(module_of(path) for folder in OURS for path in sorted((ROOT / folder).rglob("*.py")))


def targets_of(node: ast.Import | ast.ImportFrom, module: Module) -> tuple[str, ...]:
    """Dotted names that an import may mean: `from sim import journal` may mean `sim` or `sim.journal`."""
    if isinstance(node, ast.Import):
        return tuple(alias.name for alias in node.names)
    base = node.module or ""
    if node.level:
        parts = module.name.split(".")
        kept = parts[: len(parts) - node.level + (1 if module.package else 0)]
        base = ".".join([*kept, *([base] if base else [])])
    return (base, *(f"{base}.{alias.name}" for alias in node.names))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def imports_of(module: Module) -> Iterator[Import]:
    def walk(node: ast.AST, lazy: bool, typing_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield Import(targets_of(child, module), child.lineno, lazy, typing_only)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, lazy or inside, typing_only or is_type_checking(child))

    yield from walk(module.tree, False, False)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# ---- the rules: a module in, its breaches out, each as "line: what" ----


def bottom_knows_nobody(module: Module) -> Iterator[str]:
    """Economics, journal, streams and parameters import nobody of ours, save each its own package."""
    home = next((bottom for bottom in BOTTOM if within(module.name, bottom)), None)
    if home is None:
        return
    for found in imports_of(module):
        ours = [name for name in found.targets if any(within(name, root) for root in OURS)]
        # `from sim import economics`: the bare parent `sim` is only the way to the child.
        if ours and not any(within(name, home) for name in ours):
            yield f"{found.line}: {home} imports {ours[-1]}"


def sim_is_the_world(module: Module) -> Iterator[str]:
    """`sim` imports nothing from `analysis` and draws nothing."""
    if not within(module.name, "sim"):
        return
    for found in imports_of(module):
        for name in found.targets:
            if name.split(".")[0] in DRAWING | {"analysis", "tests"}:
                yield f"{found.line}: sim imports {name}"


def cli_sits_on_top(module: Module) -> Iterator[str]:
    """Nobody imports the command line but itself: `cli` its commands, and these one another."""
    if module.name == CLI:
        return
    above = (CLI,) if within(module.name, COMMANDS) else (CLI, COMMANDS)
    for found in imports_of(module):
        if any(within(name, roof) for name in found.targets for roof in above):
            yield f"{found.line}: {module.name} imports {found.targets[0]}"


def imports_stand_at_the_top(module: Module) -> Iterator[str]:
    """No import inside a function, save in the command line and in package `__init__`s (lazy, for a quick --help)."""
    if module.package or module.name == CLI or within(module.name, COMMANDS):
        return
    for found in imports_of(module):
        if found.lazy:
            yield f"{found.line}: import of {found.targets[0]} inside a function"


def economics_imports_only_maths(module: Module) -> Iterator[str]:
    """Economics imports numpy, scipy, each other and the plain parts of the standard library."""
    if not within(module.name, "sim.economics"):
        return
    for found in imports_of(module):
        name = found.targets[-1]
        if name.split(".")[0] not in PURE_LIBRARIES | {"sim"}:
            yield f"{found.line}: economics imports {name}"


def economics_is_pure(module: Module) -> Iterator[str]:
    """Economics neither reads, writes, prints, draws nor keeps state."""
    if not within(module.name, "sim.economics"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in READ_OR_WRITE:
            yield f"{node.lineno}: calls {node.func.id}"
        if isinstance(node, ast.Attribute) and node.attr in ARRAY_FILES | DRAWS:
            yield f"{node.lineno}: uses {ast.unparse(node)}"
    for found in imports_of(module):
        if any(part in DRAWS for name in found.targets for part in name.split(".")):
            yield f"{found.line}: imports {found.targets[-1]}"


def randomness_has_one_door(module: Module) -> Iterator[str]:
    """Draws come from `sim.streams`, by name: no agent-order dependent `model.random`, no generator made elsewhere."""
    if not within(module.name, "sim"):
        return
    for found in imports_of(module):
        if found.targets[0] == "random":
            yield f"{found.line}: imports random"
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Attribute):
            continue
        text = ast.unparse(node)
        if node.attr == "random" and re.search(r"(^|\.)(self|model|market|agent)$", ast.unparse(node.value)):
            yield f"{node.lineno}: {text} depends on call order"
        made = re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", text)
        if made and made[1] != "Generator" and module.name != "sim.streams":
            yield f"{node.lineno}: {text} outside sim.streams"


def no_bare_except(module: Module) -> Iterator[str]:
    """An except names what it catches."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"{node.lineno}: bare except"


def no_globals(module: Module) -> Iterator[str]:
    """No function rebinds a module's name."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield f"{node.lineno}: global {', '.join(node.names)}"


def functions_stay_short(module: Module) -> Iterator[str]:
    """No function over 60 lines, its docstring not counted."""
    for node in functions(module):
        first = node.body[0]
        docstring = first if ast.get_docstring(node, clean=False) is not None else None
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if docstring is not None:
            length -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
        if length > LONGEST_FUNCTION:
            yield f"{node.lineno}: {node.name} has {length} lines, at most {LONGEST_FUNCTION}"


def parameters_stay_few(module: Module) -> Iterator[str]:
    """No `**kwargs` and few parameters in `sim` (the command line's options are parameters of another kind)."""
    if not within(module.name, "sim"):
        return
    for node in functions(module):
        arguments = node.args
        named = [
            a for a in arguments.posonlyargs + arguments.args + arguments.kwonlyargs if a.arg not in {"self", "cls"}
        ]
        if arguments.kwarg is not None:
            yield f"{node.lineno}: {node.name} takes **{arguments.kwarg.arg}"
        if len(named) > MOST_PARAMETERS:
            yield f"{node.lineno}: {node.name} has {len(named)} parameters, at most {MOST_PARAMETERS}"


Rule = Callable[[Module], Iterator[str]]
RULES: tuple[Rule, ...] = (
    bottom_knows_nobody,
    sim_is_the_world,
    cli_sits_on_top,
    imports_stand_at_the_top,
    economics_imports_only_maths,
    economics_is_pure,
    randomness_has_one_door,
    no_bare_except,
    no_globals,
    functions_stay_short,
    parameters_stay_few,
)


def name_of(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    breaches = [f"{module.name}:{breach}" for module in modules() for breach in rule(module)]
    assert not breaches, f"{rule.__doc__}\n" + "\n".join(breaches)


PLANTED: tuple[tuple[Rule, str, str], ...] = (
    (bottom_knows_nobody, "sim.economics.demand", "from sim import market"),
    (bottom_knows_nobody, "sim.economics.demand", "from ..journal import Journal"),
    (bottom_knows_nobody, "sim.journal", "import sim.parameters"),
    (bottom_knows_nobody, "sim.streams", "def f():\n    from sim.economics import costs"),
    (sim_is_the_world, "sim.market", "from analysis import plots"),
    (sim_is_the_world, "sim.records", "import matplotlib.pyplot as plt"),
    (cli_sits_on_top, "analysis.plots", "from analysis.cli import main"),
    (cli_sits_on_top, "analysis.plots", "from analysis.commands.shell import say"),
    (cli_sits_on_top, "analysis.commands.run", "from analysis.cli import app"),
    (imports_stand_at_the_top, "sim.market", "def f():\n    import numpy"),
    (
        imports_stand_at_the_top,
        "sim.market",
        "class A:\n    def f(self):\n        if 1:\n            import sim",
    ),
    (economics_imports_only_maths, "sim.economics.costs", "import pandas as pd"),
    (economics_imports_only_maths, "sim.economics.costs", "from pathlib import Path"),
    (economics_is_pure, "sim.economics.costs", "print(1)"),
    (economics_is_pure, "sim.economics.costs", "import numpy as np\nnp.save('a', 1)"),
    (economics_is_pure, "sim.economics.costs", "import numpy as np\nx = np.random.default_rng(1)"),
    (economics_is_pure, "sim.economics.costs", "from numpy import random"),
    (randomness_has_one_door, "sim.agents.lab", "x = self.model.random.choice([1])"),
    (randomness_has_one_door, "sim.agents.lab", "x = self.random.choice([1])"),
    (randomness_has_one_door, "sim.agents.lab", "import random"),
    (randomness_has_one_door, "sim.population", "import numpy as np\nx = np.random.default_rng(1)"),
    (no_bare_except, "analysis.cli", "try:\n    x = 1\nexcept:\n    pass"),
    (no_globals, "sim.market", "x = 1\ndef f():\n    global x\n    x = 2"),
    (functions_stay_short, "sim.market", "def f():\n" + "    x = 1\n" * 60),
    (parameters_stay_few, "sim.market", "def f(**options): ..."),
    (parameters_stay_few, "sim.market", "def f(a, b, c, d, e, f, g, *, h, i): ..."),
)


@pytest.mark.parametrize(
    ("rule", "where", "text"), PLANTED, ids=[f"{case[0].__name__}-{i}" for i, case in enumerate(PLANTED)]
)
def test_every_rule_bites(rule: Rule, where: str, text: str) -> None:
    """Kills the mutant of each rule that lets a planted breach pass."""
    assert list(rule(Module(where, False, text)))


ALLOWED: tuple[tuple[Rule, Module], ...] = (
    (
        bottom_knows_nobody,
        Module("sim.economics.a", False, "from sim.economics import demand\nfrom .costs import a"),
    ),
    (bottom_knows_nobody, Module("sim.market", False, "from sim.journal import Journal")),
    (imports_stand_at_the_top, Module("sim", True, "def __getattr__(name):\n    from sim.run import run")),
    (imports_stand_at_the_top, Module("analysis.cli", False, "def main():\n    from analysis import plots")),
    (
        imports_stand_at_the_top,
        Module("analysis.commands.sweep", False, "def main():\n    from sim.sweep import runner"),
    ),
    (randomness_has_one_door, Module("sim.population", False, "def f(g: np.random.Generator): return g.random(3)")),
    (randomness_has_one_door, Module("sim.streams", False, "x = np.random.PCG64DXSM(1)")),
    (
        functions_stay_short,
        Module("sim.market", False, 'def f():\n    """' + "a\n" * 60 + '"""\n' + "    1\n" * 59),
    ),
)


@pytest.mark.parametrize(("rule", "module"), ALLOWED, ids=[f"{case[0].__name__}-{i}" for i, case in enumerate(ALLOWED)])
def test_no_rule_forbids_what_is_allowed(rule: Rule, module: Module) -> None:
    """Kills the mutant of a rule that refuses everything."""
    assert not list(rule(module))


# ---- no import cycle ----


def import_graph(everything: tuple[Module, ...]) -> dict[str, set[str]]:
    """Edges between our modules that exist when a module is loaded: lazy and type-checking imports make none."""
    known = {module.name for module in everything}
    graph: dict[str, set[str]] = {module.name: set() for module in everything}
    for module in everything:
        for found in imports_of(module):
            hits = [name for name in found.targets if name in known and name != module.name]
            if not (found.lazy or found.typing_only):
                # `from sim import journal` needs the child; the bare package only if no child is meant.
                graph[module.name] |= set(hits[1:] or hits)
    return graph


def find_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Some cycle of the graph as the list of names along it, or an empty list."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for following in sorted(graph[name]):
            if cycle := visit(following, [*path, name]):
                return cycle
        done.add(name)
        return []

    return next((cycle for name in sorted(graph) if (cycle := visit(name, []))), [])


def test_imports_point_one_way() -> None:
    cycle = find_cycle(import_graph(modules()))
    assert not cycle, "import cycle: " + " -> ".join(cycle)


def test_a_planted_cycle_is_found() -> None:
    """Kills the mutant that misses a cycle of length three, and the one that counts lazy or type-checking imports."""
    texts = {"sim.a": "from sim import b", "sim.b": "from sim.c import f", "sim.c": "import sim.a"}
    assert find_cycle(import_graph(tuple(Module(name, False, text) for name, text in texts.items())))
    texts["sim.c"] = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sim.a\ndef f():\n    import sim.a"
    assert not find_cycle(import_graph(tuple(Module(name, False, text) for name, text in texts.items())))


# ---- the tree as a whole ----


def project_files() -> list[Path]:
    """Text files of the project: what git knows or would add; all source files where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        paths = [ROOT / name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for folder in (*OURS, "scenarios", "tests", "docs") for path in (ROOT / folder).rglob("*")]
    return [path for path in paths if path.is_file() and path.suffix not in {".png", ".parquet", ".pdf", ".gz"}]


# Written in pieces, so that this file does not breach its own rule. A path inside a URL or a longer path is no breach.
MACHINE_PATH = re.compile(
    r"(?<![\w./:$}-])/(?:" + "|".join(["work", "tmp", "root", "home", "Users", "opt", "mnt"]) + r")/[\w.-]"
    r"|[A-Z]:\\\\?Users"
    r"|\.\./sha" + "red/"
)


def test_no_file_names_a_machine_path() -> None:
    """A path of somebody's machine works nowhere else."""
    breaches = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in project_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if (match := MACHINE_PATH.search(line))
    ]
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("text", ["see /ho" + "me/ann/runs", "'/t" + "mp/x'", "file at ../sha" + "red/facts"])
def test_a_machine_path_is_seen(text: str) -> None:
    """Kills the mutant whose pattern matches nothing."""
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["https://example.org/home/page", "docs/home/index", "and/or", "work/ life"])
def test_a_url_is_no_machine_path(text: str) -> None:
    """Kills the mutant whose pattern matches any slash."""
    assert not MACHINE_PATH.search(text)


def dodges_of(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "xfail", "importorskip"}:
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    """A test that does not run, or whose failure is fine, guards nothing."""
    breaches = [
        f"{path.relative_to(ROOT)}:{dodge}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for dodge in dodges_of(path.read_text(encoding="utf-8"))
    ]
    assert not breaches, "\n".join(breaches)
    assert list(dodges_of("@pytest.mark.xfail\ndef test_a(): ..."))


def test_constraints_pin_every_dependency() -> None:
    """Kills the mutant that adds a dependency and forgets constraints.txt, which ends repeatable installs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].strip() for line in lines if "==" in line}
    names = {re.split(r"[<>=\[~! ]", requirement)[0].lower() for requirement in wanted}
    assert names <= pinned, f"not in constraints.txt: {sorted(names - pinned)}"
