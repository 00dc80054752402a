"""docs/model.md and the code say the same, in both directions."""

import ast
import csv
import re
from functools import cache
from pathlib import Path

import pytest

from analysis import modeldoc
from sim import load_scenario
from sim.journal import PURPOSES
from sim.parameters import Parameters, Switches
from sim.records import BY, COLUMNS, EVENT_KINDS, LENSES, POPULATIONS
from sim.scenario.schema import describe

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
WRITTEN = modeldoc.MARKED.sub("", PAGE)  # what people wrote: everything but the generated tables
REMEDY = "run `make docs` and commit docs/model.md"


def section(title: str) -> str:
    """The text under the heading that contains `title`, up to the next heading of that level."""
    found = re.search(rf"^(##+) [^\n]*{re.escape(title)}[^\n]*\n(.*?)(?=^\1 |\Z)", WRITTEN, re.MULTILINE | re.DOTALL)
    assert found, f"no heading with '{title}'"
    return found[2]


@cache
def syntax(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


# ---- parameters and columns ----


@pytest.fixture(scope="module")
def baseline():
    return load_scenario("baseline")


def test_generated_tables_are_up_to_date(baseline):
    """Kills: a parameter, bound, unit, meaning, baseline value or column changed without the page."""
    assert modeldoc.rendered(PAGE, baseline) == PAGE, REMEDY


def test_every_parameter_stands_in_the_page_and_the_reverse():
    """Kills: a parameter left out of the tables; a row whose parameter is gone; a row twice."""
    wanted = [modeldoc.written_key(row.key) for row in describe(Parameters)]
    assert sorted(modeldoc.rows(PAGE, "parameters")) == sorted(wanted), REMEDY
    assert not [key for key in wanted if "*" in key], "a keyed table without a placeholder in analysis/modeldoc.py"


def test_every_column_stands_in_the_page_and_the_reverse():
    """Kills: an output column without unit and meaning in the page; a described column that no table has."""
    wanted = [name for table in COLUMNS.values() for name in ("replication", *(column.name for column in table))]
    assert list(modeldoc.rows(PAGE, "columns")) == wanted, REMEDY


def test_generated_rows_say_something():
    """Kills: a parameter or column declared with an empty unit or meaning."""
    cells = [line.strip("|\n").split(" | ") for line in PAGE.splitlines() if re.match(r"\| `[a-z0-9_.<>]+` \|", line)]
    assert len(cells) > 200
    assert not [row[0] for row in cells if not all(cell.strip() for cell in row)]


def test_keys_in_the_text_exist():
    """Kills: a dotted key in the text that was renamed in the schema."""
    keys = {modeldoc.written_key(row.key) for row in describe(Parameters)}
    whole = keys | {key.rsplit(".", n)[0] for key in keys for n in (1, 2, 3)} | {f"{key}.*" for key in ("labs.<lab>",)}
    sections = "|".join(Parameters.model_fields)
    named = set(re.findall(rf"`((?:{sections})\.[\w.<>*]+)`", WRITTEN))
    assert len(named) > 40
    assert not named - whole


def test_columns_in_the_text_exist():
    """Kills: a column in section 8 that was renamed in the tables."""
    columns = {column.name for table in COLUMNS.values() for column in table}
    named = set(re.findall(r"`((?:gap|quality_gap|price_of|closed_flagship|products_at)_\w+)`", WRITTEN))
    assert {"gap_oom", "gap_elo", "gap_months", "products_at_price_floor"} <= named
    assert not named - columns


# ---- mechanisms ----


@pytest.mark.parametrize("switch", Switches.model_fields)
def test_every_switch_is_described_in_a_submodel(switch):
    """Kills: a mechanism that can be switched off and is not described."""
    assert f"`switches.{switch}`" in section("7 Submodels")


def test_submodels_say_where_they_live():
    """Kills: a submodel without function, code or table that a reader could open."""
    parts = re.split(r"^### ", section("7 Submodels"), flags=re.MULTILINE)[1:]
    assert len(parts) >= 15
    place = re.compile(r"`(sim\.economics\.|sim/|Lab\.|Market\.)")
    assert not [part.split("\n")[0] for part in parts if not place.search(part)]


def steps() -> list[str]:
    """The verbs of Market.step, in order."""
    market = next(n for n in syntax("sim/market.py").body if isinstance(n, ast.ClassDef) and n.name == "Market")
    step = next(n for n in market.body if isinstance(n, ast.FunctionDef) and n.name == "step")
    calls = [n.value.func for n in ast.walk(step) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    return [c.attr for c in sorted(calls, key=lambda call: call.lineno) if isinstance(c, ast.Attribute)]


def test_the_schedule_is_that_of_the_code():
    """Kills: a verb added, dropped or moved in Market.step and not in the page."""
    schedule = re.findall(r"^\| (\d+) \| `(\w+)` \| ", section("3 Process"), re.MULTILINE)
    assert [verb for _, verb in schedule] == steps()
    assert [int(number) for number, _ in schedule] == list(range(1, len(schedule) + 1))


def economics() -> dict[str, set[str]]:
    """Public functions of each module of sim.economics."""
    files = sorted((ROOT / "sim" / "economics").glob("*.py"))
    found = {}
    for file in files:
        body = syntax(f"sim/economics/{file.name}").body
        found[file.stem] = {n.name for n in body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")}
    return found


def test_pure_functions_are_named_and_exist():
    """Kills: a formula in the code that the page does not name; a function the page names and nobody has."""
    named = set(re.findall(r"`sim\.economics\.(\w+)\.(\w+)`", WRITTEN))
    there = {(module, name) for module, names in economics().items() for name in names}
    assert named == there


def test_files_and_methods_named_in_the_page_exist():
    """Kills: a moved module or a renamed method."""
    paths = set(re.findall(r"`((?:sim|analysis|scenarios|tests|docs)/[\w/.]+)`", WRITTEN))
    assert len(paths) > 10
    assert not [path for path in paths if not (ROOT / path).exists()]
    homes = {"Market": "market", "Lab": "agents/lab", "Investor": "agents/investor", "Outlook": "outlook"}
    for name, file in (homes | {"Calendar": "shocks"}).items():
        holder = next(n for n in syntax(f"sim/{file}.py").body if isinstance(n, ast.ClassDef) and n.name == name)
        methods = {n.name for n in holder.body if isinstance(n, ast.FunctionDef)}
        assert not set(re.findall(rf"`{name}\.(\w+)(?:\(\))?`", WRITTEN)) - methods


def test_limiting_cases_named_in_the_page_exist():
    """Kills: a limit that the page claims and no test checks."""
    named = set(re.findall(r"`(?:(\w+)/)?(test_\w+\.py)::(test_\w+)`", WRITTEN))
    assert len(named) > 30
    for folder, file, test in named:
        place = f"tests/{folder or 'limits'}/{file}"
        assert test in {n.name for n in syntax(place).body if isinstance(n, ast.FunctionDef)}, f"{place}::{test}"


# ---- events, lenses, facts ----


def functions() -> list[ast.FunctionDef]:
    """Every function of sim."""
    trees = [syntax(str(path.relative_to(ROOT))) for path in sorted((ROOT / "sim").rglob("*.py"))]
    return [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]


def texts(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def event_calls(function: ast.FunctionDef) -> list[ast.Call]:
    """Calls of a function that write into the ledger."""
    calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
    return [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "event" and len(c.args) > 1]


def kinds(function: ast.FunctionDef, first: ast.expr) -> set[str]:
    """The kinds an event may have: a text, or what a name or a function of sim stands for."""
    if isinstance(first, ast.Name):
        values = [n.value for n in ast.walk(function) if isinstance(n, ast.Assign) and first.id in names(n)]
        return set().union(*(kinds(function, value) for value in values))
    if isinstance(first, ast.Call) and isinstance(first.func, ast.Name):
        called = next(f for f in functions() if f.name == first.func.id)
        returned = [n for n in ast.walk(called) if isinstance(n, ast.Return)]
        return set().union(*(texts(n) for n in returned)) & set(EVENT_KINDS)
    return texts(first)


def names(assignment: ast.Assign) -> set[str]:
    return {target.id for target in assignment.targets if isinstance(target, ast.Name)}


def emitted() -> dict[str, set[str]]:
    """The kinds of events that each function of sim writes."""
    found: dict[str, set[str]] = {}
    for function in functions():
        for call in event_calls(function):
            found.setdefault(function.name, set()).update(kinds(function, call.args[0]))
    return found


def ledger() -> list[tuple[set[str], str, set[str]]]:
    """The rows of the page's table of events: kinds, the function that writes them, names of the numbers."""
    part = section("8 What is measured").split("**Events.**")[1]
    rows = re.findall(r"^\| (`[\w`, ]+`) \| [^|]+ \| `(?:\w+\.)?(\w+)`[^|]* \| ([^|]+) \|$", part, re.MULTILINE)
    return [(set(re.findall(r"\w+", cell)), by, set(re.findall(r"`(\w+)`", numbers))) for cell, by, numbers in rows]


def test_every_event_kind_is_documented_with_its_writer():
    """Kills: a kind that nobody writes any more, one that the page leaves out or says somebody else writes."""
    written: dict[str, set[str]] = {}
    for documented, by, _ in ledger():
        written.setdefault(by, set()).update(documented)
    assert written == emitted()
    assert set().union(*written.values()) == set(EVENT_KINDS)


def test_functions_stand_where_the_page_says():
    """Kills: a decision that moved to another file."""
    places = re.findall(r"`(\w+)` in `(sim/[\w/]+\.py)`", WRITTEN)
    assert len(places) > 8
    for name, path in places:
        assert name in {n.name for n in ast.walk(syntax(path)) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}, path


def test_numbers_of_events_are_documented():
    """Kills: a number in the ledger that the page leaves out, renames or invents."""
    documented: dict[str, set[str]] = {}
    for _, by, numbers in ledger():
        documented.setdefault(by, set()).update(numbers)
    for function in (f for f in functions() if event_calls(f)):
        dicts = [n for n in ast.walk(function) if isinstance(n, ast.Dict)]
        keys = {k.value for d in dicts for k in d.keys if isinstance(k, ast.Constant)}
        assert documented[function.name] == keys, function.name


def test_every_purpose_of_a_payment_stands_in_the_page_and_the_reverse():
    """Kills: a payment without a description; a purpose called unused that somebody posts, or the reverse."""
    assert list(modeldoc.rows(PAGE, "payments")) == [purpose.name for purpose in PURPOSES], REMEDY
    sentence = re.search(r"nobody posts\s(.+?)\syet", section("8 What is measured"), re.DOTALL)
    posting = {text for f in functions() if f.name != "__init__" for text in texts(f)}
    tables = {t for n in syntax("sim/markets/invoices.py").body if isinstance(n, ast.Assign) for t in texts(n)}
    unused = {purpose.name for purpose in PURPOSES} - posting - tables
    assert sentence and set(re.findall(r"`(\w+)`", sentence[1])) == unused


def test_lenses_and_populations_are_documented():
    """Kills: a lens, a division or a population that comes without a description."""
    text = section("8 What is measured")
    lenses = re.findall(r"^\| `(\w+)` \| ", text.split("**Concentration**")[0], re.MULTILINE)
    assert set(lenses) == set(LENSES)
    assert not [name for name in (*BY, *POPULATIONS) if f"`{name}`" not in text]


def test_facts_cited_in_the_page_exist():
    """Kills: a mistyped fact id."""
    with (ROOT / "scenarios" / "facts.csv").open(encoding="utf-8", newline="") as file:
        known = {row["id"] for row in csv.DictReader(file)}
    cited = set(re.findall(r"\b(?:S\d-\d\d|P-\d\d\d)\b", WRITTEN))
    assert len(cited) > 15
    assert not cited - known


def test_odd_sections_are_there():
    """Kills: a part of the protocol dropped in an edit."""
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    wanted = ("Purpose", "Entities", "Process", "Design concepts", "Initialization", "Input data", "Submodels")
    assert [h for h in headings if any(w in h for w in wanted)] == headings[: len(wanted)]
    for concept in [
        "Emergence",
        "Adaptation",
        "Objectives",
        "Learning",
        "Prediction",
        "Sensing",
        "Interaction",
        "Stochasticity",
        "Collectives",
    ]:
        assert f"**{concept}.**" in section("4 Design concepts")


def test_links_within_the_page_have_a_heading():
    """Kills: a renamed heading that a link still points to."""
    headings = {
        re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    }
    assert not [anchor for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE) if anchor not in headings]
