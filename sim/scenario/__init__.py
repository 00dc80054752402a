"""Scenario files: TOML in, one validated set of parameters out, every value with its source.

A file names what it extends and gives only what differs: tables merge key by key, a value replaces the inherited one,
`[[shocks]]` adds a row and `shocks = [...]` replaces the list, `remove = ["labs.openai"]` drops an inherited entry.
All faults of a file come at once, each with its line.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

from pydantic import BaseModel

from sim.parameters import Parameters
from sim.scenario.complaints import complain, validated
from sim.scenario.expects import EXPECTS, Expectation, read_expectations, unseen
from sim.scenario.lines import MAX_BYTES, KeyPath, TomlDocument, TomlError, parse_toml, read_toml
from sim.scenario.schema import Described, describe, describe_key, follow, json_schema_of, nearest, shapes, step
from sim.scenario.tree import (
    Findings,
    Node,
    Problem,
    Reader,
    ScenarioError,
    Table,
    Value,
    below,
    dotted,
    leaves,
    merge,
    shown,
)
from sim.shocks import shock_faults

__all__ = [
    "MODEL_VERSION",
    "SHIPPED",
    "Described",
    "Expectation",
    "Problem",
    "Provenance",
    "Scenario",
    "ScenarioError",
    "ShippedScenario",
    "describe",
    "describe_key",
    "diff",
    "hashed_values",
    "json_schema",
    "load_scenario",
    "override_scenario",
    "parse_override",
    "require_scenario",
    "shipped_scenarios",
]

# Part of every scenario's hash: raise it whenever the same scenario and seed give other numbers than before.
MODEL_VERSION = "1"

# The shipped scenarios lie beside the package, in a clone as in an installed wheel.
SHIPPED = Path(__file__).resolve().parent.parent.parent / "scenarios"

LONGEST_CHAIN = 10
LONGEST_TITLE = 200
LONGEST_THESIS = 2_000
LONGEST_SOURCE = 500
COMMAND_LINE = "--set"  # what the command line calls overrides

_META = ("title", "thesis", "source", "extends", "remove", EXPECTS)
_BARE_WORD = re.compile(r"[^\s\[\]{}=,\"'#\x00-\x1f][^\[\]{}=,\"'#\x00-\x1f]*")
_DOTTED_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_SHIPPED_NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
_ESCAPING = re.compile(r"[\\\x00]|(^|/)\.\.(/|$)")


class ShippedScenario(NamedTuple):
    """A scenario that comes with the program."""

    name: str
    title: str
    thesis: str
    path: Path


@dataclass(frozen=True)
class Provenance:
    """A resolved value, its source (fact ids, `assumption: why` or `given in FILE`), file and line (0: no line)."""

    value: Any
    source: str
    file: str
    line: int


@dataclass(frozen=True)
class Scenario:
    """A resolved scenario. `provenance` and the hash go by dotted key, rows of a list by their index from 0.

    `hash` is the SHA-256 of the resolved values and the model version: titles, sources and file names leave it alone.
    `files` are those that were read, the most general first.
    """

    name: str
    title: str
    thesis: str
    source: str
    expects: tuple[Expectation, ...]
    parameters: Parameters
    provenance: dict[str, Provenance] = field(repr=False)
    hash: str
    files: tuple[Path, ...]
    tree: Table = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Scenario '{self.name}': {self.title}>"

    def to_toml(self) -> str:
        """The resolved scenario as a TOML file of its own, each value with its source; it has the same hash."""
        head = [f"title = {_toml(self.title)}"]
        head += [f"{key} = {_toml(text)}" for key, text in (("thesis", self.thesis), ("source", self.source)) if text]
        if self.expects:
            rows = [[f"{key} = {_toml(text)}" for key, text in asdict(x).items() if text] for x in self.expects]
            head += [f"{EXPECTS} = [", *(f"  {{ {', '.join(row)} }}," for row in rows), "]"]
        values = {key: entry.value for key, entry in self.provenance.items()}
        return "\n".join([*head, *_table_lines(self.tree, (), values)]) + "\n"


@dataclass(frozen=True)
class _File:
    """A scenario file that was read: `label` is how messages name it."""

    path: Path
    label: str
    document: TomlDocument


def load_scenario(
    name_or_path: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    schema: type[BaseModel] = Parameters,
    folder: Path = SHIPPED,
    origin: str = "overrides",
) -> Scenario:
    """Load a shipped scenario by name or any scenario file by path, and lay `overrides` (dotted key to value) over it.

    `schema` and `folder` (of the shipped scenarios) serve tests; `origin` is what messages and sources call the
    overrides. Raises ScenarioError with every fault found.
    """
    path, label = _find(name_or_path, folder)
    findings = Findings()
    files = _chain(path, label, folder, findings)
    tree: Table = {}
    for file in files:
        tree = _laid_over(tree, file, schema, findings)
    said = _said(files[-1], schema, findings)
    for key, raw in (overrides or {}).items():
        _override(tree, key, raw, Reader(origin, f"given in {origin}", None, schema, tree, findings))
    labels = [file.label for file in files]
    parameters = _judged(tree, schema, labels, findings, said["expects"])
    return _scenario(path.stem, said, tuple(file.path for file in files), tree, parameters)


def override_scenario(scenario: Scenario, overrides: Mapping[str, object], *, origin: str = "overrides") -> Scenario:
    """`scenario` with `overrides` (dotted key to value) laid over it: `load_scenario` without reading files again.

    `origin` is what messages and sources call the overrides. Raises ScenarioError with every fault found.
    """
    findings = Findings()
    tree = cast(Table, _copied(scenario.tree))
    for key, raw in overrides.items():
        _override(tree, key, raw, Reader(origin, f"given in {origin}", None, Parameters, tree, findings))
    labels = [str(path) for path in scenario.files]
    parameters = _judged(tree, Parameters, labels, findings, scenario.expects)
    said = _Said(title=scenario.title, thesis=scenario.thesis, source=scenario.source, expects=scenario.expects)
    return _scenario(scenario.name, said, scenario.files, tree, parameters)


def require_scenario(given: object) -> None:
    """Raise TypeError, saying how to mend it, unless `given` is a scenario."""
    if not isinstance(given, Scenario):
        name = given if isinstance(given, str | Path) else "baseline"
        raise TypeError(f"give a scenario: load_scenario({str(name)!r})")


def parse_override(text: str) -> tuple[str, object]:
    """Split `technology.training_cost_growth=3` into key and value, read as TOML; a bare word is a text.

    Raises ScenarioError where there is no key, no value or a value that is neither TOML nor a bare word.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or _DOTTED_KEY.fullmatch(key) is None:
        reason = "write KEY=VALUE, as in technology.training_cost_growth=3"
        raise ScenarioError([Problem(COMMAND_LINE, 0, key[:80], reason)])
    if not value:
        raise ScenarioError([Problem(COMMAND_LINE, 0, key, "the value is missing")])
    try:
        tree = parse_toml(f"value = {value}").tree
    except TomlError as error:
        if _BARE_WORD.fullmatch(value) and len(value) <= LONGEST_TITLE:
            return key, value
        raise ScenarioError([Problem(COMMAND_LINE, 0, key, f"not a TOML value: {error.reason}")]) from None
    if set(tree) != {"value"}:
        raise ScenarioError([Problem(COMMAND_LINE, 0, key, "one value on one line is expected")])
    return key, tree["value"]


def shipped_scenarios(folder: Path = SHIPPED) -> list[ShippedScenario]:
    """The scenarios that come with the program, the baseline first, then by name. Raises ScenarioError."""
    found = []
    for path in sorted(folder.glob("*.toml"), key=lambda path: (path.stem != "baseline", path.stem)):
        tree = _read(path, _shipped_label(path)).document.tree
        found.append(ShippedScenario(path.stem, str(tree.get("title", path.stem)), str(tree.get("thesis", "")), path))
    return found


def diff(a: Scenario, b: Scenario) -> list[tuple[str, Any, Any]]:
    """Keys whose values differ between two scenarios, with both values; None where a scenario lacks the key."""
    left, right = _flat(a.parameters), _flat(b.parameters)
    keys = [*left, *(key for key in right if key not in left)]
    rows = {key.partition(".")[0] for key in keys if "." in key}  # of which the other side may have none
    changed = [key for key in keys if left.get(key) != right.get(key) and key not in rows]
    return [(key, left.get(key), right.get(key)) for key in changed]


def hashed_values(scenario: Scenario) -> dict[str, Any]:
    """Dotted key to value, rows by index: what the scenario's hash is taken of, besides the model version."""
    return _flat(scenario.parameters)


def json_schema(schema: type[BaseModel] = Parameters) -> dict[str, Any]:
    """JSON Schema of a scenario file for editors: each leaf bare or with its source, nothing required."""
    texts = {
        "title": "what the scenario is called",
        "thesis": "what it claims about the world",
        "source": "where the thesis comes from",
        "extends": "a shipped scenario, or a file in the same folder, that this one changes",
    }
    top: dict[str, Any] = {name: {"type": "string", "description": text} for name, text in texts.items()}
    top["remove"] = {
        "type": "array",
        "items": {"type": "string"},
        "description": 'inherited entries to drop, as in ["labs.openai"]',
    }
    row = {"measure": {"type": "string"}, "quarter": {"type": "string"}, "sign": {"enum": ["+", "-"]}}
    top[EXPECTS] = {
        "type": "array",
        "items": {"type": "object", "properties": {**row, "why": {"type": "string"}}, "required": list(row)},
        "description": "signs of differences from the baseline that the thesis expects",
    }
    return json_schema_of(schema, top)


# ---- finding and reading the files ----


def _find(name_or_path: str | Path, folder: Path) -> tuple[Path, str]:
    """The file of a shipped name or a path, and how messages call it. Raises ScenarioError where there is neither."""
    text = os.fspath(name_or_path)
    shipped = {path.stem: path for path in folder.glob("*.toml")}
    if isinstance(name_or_path, str) and text in shipped:
        return shipped[text], _shipped_label(shipped[text])
    path = Path(text)
    if text and "\0" not in text and os.path.lexists(path):
        return path, text
    guess = nearest(Path(text).stem, shipped)
    hint = f"; did you mean '{guess}'?" if guess else f"; shipped are {', '.join(sorted(shipped)) or 'none'}"
    raise ScenarioError([Problem(text[:200] or "(no name)", 0, "", f"no such scenario or file{hint}")])


def _shipped_label(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _read(path: Path, label: str) -> _File:
    try:
        return _File(path, label, read_toml(path))
    except TomlError as error:
        raise ScenarioError([Problem(label, error.line, "", error.reason)]) from None


def _chain(path: Path, label: str, folder: Path, findings: Findings) -> list[_File]:
    """The file and all that it extends, the most general first. A bad `extends` is noted and ends the chain."""
    chain: list[_File] = []
    while True:
        file = _read(path, label)
        chain.append(file)
        if not file.document.tree:
            raise ScenarioError([Problem(label, 1, "", 'is empty; start from extends = "baseline"')])
        wanted = file.document.tree.get("extends")
        if wanted is None:
            break
        reason, path, label = _parent(wanted, file, folder)
        reason = reason or _chain_fault(chain, path)
        if reason:
            line = file.document.line(("extends",))
            findings.problems.append(Problem(file.label, line, "extends", reason))
            findings.incomplete = True
            break
    return chain[::-1]


def _chain_fault(chain: list[_File], path: Path) -> str:
    """Why the chain of files may not go on to `path`; empty where it may."""
    real = path.resolve()
    if any(file.path.resolve() == real for file in chain):
        return "goes round in a circle: " + " -> ".join([*(file.path.name for file in chain), path.name])
    if len(chain) >= LONGEST_CHAIN:
        return f"a chain of more than {LONGEST_CHAIN} files"
    if sum(file.document.size for file in chain) + path.stat().st_size > MAX_BYTES:
        return f"the files of the chain are together larger than {MAX_BYTES:,} bytes"
    return ""


def _parent(wanted: object, file: _File, folder: Path) -> tuple[str, Path, str]:
    """Reason why not (or empty), path and label of the file that `file` extends."""
    if not isinstance(wanted, str) or not wanted.strip():
        return f"expected the name of a scenario or of a file, was given {shown(wanted)}", file.path, ""
    shipped = folder / f"{wanted}.toml"
    if _SHIPPED_NAME.fullmatch(wanted) and len(wanted) <= LONGEST_TITLE and shipped.is_file():
        return "", shipped, _shipped_label(shipped)
    home = file.path.parent
    refused = "must name a shipped scenario or a file in the folder of this one"
    if _ESCAPING.search(wanted) or len(wanted) > LONGEST_TITLE or Path(wanted).is_absolute():
        return refused, file.path, ""
    beside = home / wanted
    if not beside.is_file():
        guess = nearest(Path(wanted).stem, [path.stem for path in folder.glob("*.toml")])
        return f"no scenario or file '{wanted}'" + (f"; did you mean '{guess}'?" if guess else ""), file.path, ""
    if not beside.resolve().is_relative_to(home.resolve()):
        return f"{refused} (a link leads elsewhere)", file.path, ""
    label = str(Path(file.label).parent / wanted)
    return "", beside, label


# ---- laying file over file ----


def _laid_over(tree: Table, file: _File, schema: type[BaseModel], findings: Findings) -> Table:
    """`tree` changed by one file: first what it removes, then what it gives."""
    reader = Reader(file.label, f"given in {file.path.name}", file.document, schema, tree, findings)
    raw = {key: value for key, value in file.document.tree.items() if key not in _META}
    if "remove" in file.document.tree:
        _remove(tree, file.document.tree["remove"], schema, reader)
    known = {**shapes(schema), **dict.fromkeys(_META)}
    for key in [key for key in raw if key not in known]:
        reader.unknown((key,), known)
        del raw[key]
    return cast(Table, merge(tree, reader.section(schema, raw, ())))


def _remove(tree: Table, wanted: object, schema: type[BaseModel], reader: Reader) -> None:
    if not isinstance(wanted, list) or not all(isinstance(key, str) for key in wanted):
        reader.fail(("remove",), 'expected a list of keys such as ["labs.openai"]')
        return
    for index, key in enumerate(wanted):
        *parents, name = key.split(".")
        table, above, shape = below(tree, parents), follow(schema, parents), follow(schema, key.split("."))
        if not isinstance(table, dict) or name not in table or above is None or shape is None:
            guess = nearest(key, _entries(tree, schema))
            hint = f"; did you mean '{guess}'?" if guess else ""
            reader.fail(("remove",), f"'{key}' is nothing that this file inherits{hint}", ("remove", index))
        elif shape.kind == "rows":
            table[name] = []
        elif above.kind == "table":
            del table[name]
        else:
            reader.fail(("remove",), f"'{key}' is needed: only entries of a table can be dropped", ("remove", index))


def _entries(tree: Table, schema: type[BaseModel]) -> Iterator[str]:
    """Dotted keys of everything `remove` may name."""
    paths = {path[:length] for path, _ in leaves(tree) for length in range(1, len(path) + 1)}
    for path in sorted(paths, key=str):
        shape = follow(schema, path[:-1])
        if shape is not None and shape.kind == "table":
            yield dotted(path)


class _Said(TypedDict):
    """What a file says of itself."""

    title: str
    thesis: str
    source: str
    expects: tuple[Expectation, ...]


def _said(file: _File, schema: type[BaseModel], findings: Findings) -> _Said:
    """Title (the file's name where it gives none), thesis, its source and what it expects, of the file itself."""
    reader = Reader(file.label, "", file.document, schema, {}, findings)
    tree = file.document.tree
    title = reader.text(tree["title"], ("title",), LONGEST_TITLE) if "title" in tree else file.path.stem
    thesis = reader.text(tree["thesis"], ("thesis",), LONGEST_THESIS) if "thesis" in tree else ""
    source = reader.text(tree["source"], ("source",), LONGEST_SOURCE) if "source" in tree else ""
    expects: tuple[Expectation, ...] = ()
    if EXPECTS in tree:
        from sim.records.names import named  # a check of a file without expectations need not wait for numpy

        expects = read_expectations(tree[EXPECTS], reader, named)
    return {"title": title or "", "thesis": thesis or "", "source": source or "", "expects": expects}


def _override(tree: Table, key: str, raw: object, reader: Reader) -> None:
    """Lay one value over `tree` in place, as a file that gave it would; new rows or labs need a whole table."""
    schema, parts = reader.schema, str(key).split(".")
    *parents, last = parts
    holder = _holder(tree, parents, schema)
    above = follow(schema, parents)
    shape = step(above, last) if above is not None and holder is not None else None
    place: str | int = int(last) if isinstance(holder, list) and last.isdecimal() else last
    entry_is_new = isinstance(holder, dict) and place not in holder and above is not None and above.kind == "table"
    row_is_missing = isinstance(holder, list) and not (isinstance(place, int) and place < len(holder))
    if shape is None or row_is_missing or (entry_is_new and shape.kind == "section" and not isinstance(raw, Mapping)):
        guess = nearest(str(key), _addresses(tree))
        reader.fail(tuple(parts), "unknown key" + (f"; did you mean '{guess}'?" if guess else ""))
        return
    _put(holder, place, reader.node(shape, raw, tuple(parts), _row_source(reader, parents, schema)))


def _holder(tree: Table, parents: list[str], schema: type[BaseModel]) -> Node | None:
    """The table or list that holds the last key; sections that no file has opened yet are opened."""
    node: Node | None = tree
    for depth, part in enumerate(parents):
        shape = follow(schema, parents[: depth + 1])
        known = shape is not None and follow(schema, parents[:depth]) is not None
        if isinstance(node, dict) and part not in node and known and _is_fixed(schema, parents[:depth]):
            node[part] = {}
        node = below(node, [part])
    return node if isinstance(node, dict | list) else None


def _is_fixed(schema: type[BaseModel], parts: list[str]) -> bool:
    shape = follow(schema, parts)
    return shape is not None and shape.kind == "section"


def _row_source(reader: Reader, parents: list[str], schema: type[BaseModel]) -> str | None:
    """The source of a value inside a row (rows take bare values); None outside rows."""
    inside = any((shape := follow(schema, parents[:depth])) and shape.kind == "rows" for depth in range(len(parents)))
    return reader.unsourced if inside else None


def _put(holder: Node | None, place: str | int, node: Node | None) -> None:
    if node is None:
        return
    if isinstance(holder, dict):
        old = holder.get(str(place))
        holder[str(place)] = node if old is None else merge(old, node)
    elif isinstance(holder, list) and isinstance(place, int):
        holder[place] = merge(holder[place], node)


def _addresses(tree: Table) -> list[str]:
    return [dotted(path) for path, _ in leaves(tree)]


def _in_file_order(problems: list[Problem], labels: list[str]) -> list[Problem]:
    """Problems of the general files first, in order of lines; those without a file last."""
    rank = {label: position for position, label in enumerate(labels)}
    return sorted(problems, key=lambda problem: (rank.get(problem.file, len(rank)), problem.line))


# ---- what a scenario amounts to ----


def _judged(
    tree: Table, schema: type[BaseModel], labels: list[str], findings: Findings, expects: tuple[Expectation, ...]
) -> BaseModel:
    """The parameters of `tree`. Raises ScenarioError with all faults noted so far and those found here."""
    parameters = validated(tree, schema, labels, findings)
    if isinstance(parameters, Parameters):
        faults = [*shock_faults(parameters), *unseen(expects, parameters)]
        complain(tree, schema, labels, findings, faults)
    if findings.problems or parameters is None:
        raise ScenarioError(_in_file_order(findings.problems, labels))
    return parameters


def _scenario(name: str, said: _Said, files: tuple[Path, ...], tree: Table, parameters: BaseModel) -> Scenario:
    flat = _flat(parameters)
    return Scenario(
        name=name,
        **said,
        parameters=cast(Parameters, parameters),
        provenance={key: Provenance(flat[key], *entry) for key, entry in _sources(tree) if key in flat},
        hash=_hash(flat),
        files=files,
        tree=tree,
    )


def _copied(node: Node) -> Node:
    """A tree of its own; the values, which never change, are shared."""
    if isinstance(node, dict):
        return {key: _copied(child) for key, child in node.items()}
    return [_copied(child) for child in node] if isinstance(node, list) else node


def _flat(parameters: BaseModel) -> dict[str, Any]:
    """Dotted key to value, rows by index; absent options and the sources of rows are left out."""
    return {dotted(path): value for path, value in _items(parameters.model_dump(mode="json"), (), False)}


def _items(value: Any, path: KeyPath, in_row: bool) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if inner is not None and not (in_row and key == "source"):
                yield from _items(inner, (*path, key), False)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _items(item, (*path, index), True)
    else:
        yield path, value


def _sources(tree: Table) -> Iterator[tuple[str, tuple[str, str, int]]]:
    for path, leaf in leaves(tree):
        yield dotted(path), (leaf.source, leaf.file, leaf.line)


def _hash(flat: dict[str, Any]) -> str:
    canonical = json.dumps([MODEL_VERSION, flat], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


# ---- writing TOML ----


def _toml(value: Any) -> str:
    """A value in TOML; long lists over several lines."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # JSON's escapes are TOML's
    if isinstance(value, list):
        items = [_toml(item) for item in value]
        short = "[" + ", ".join(items) + "]"
        return short if len(short) <= 100 else "[\n    " + ",\n    ".join(items) + ",\n]"
    return repr(value)


def _table_lines(table: Table, path: KeyPath, values: Mapping[str, Any], row: bool = False) -> Iterator[str]:
    """The lines of a table: its own values first, then the tables and rows below it."""
    for key, node in table.items():
        if isinstance(node, Value):
            yield _leaf_line(key, node, values.get(dotted((*path, key)), node.value), row)
        elif node == []:
            yield f"{key} = []"
    for key, node in table.items():
        here = (*path, key)
        header = ".".join(str(part) for part in here if isinstance(part, str))
        if isinstance(node, dict):
            yield from ["", f"[{header}]", *_table_lines(node, here, values, row)]
        elif isinstance(node, list):
            for index, entry in enumerate(node):
                yield from ["", f"[[{header}]]", *_row_lines(cast(Table, entry), (*here, index), values)]


def _row_lines(row: Table, path: KeyPath, values: Mapping[str, Any]) -> Iterator[str]:
    if "source" not in row:
        yield from (f"source = {_toml(leaf.source)}" for _, leaf in list(leaves(row))[:1])
    yield from _table_lines(row, path, values, row=True)


def _leaf_line(key: str, leaf: Value, value: Any, row: bool) -> str:
    if row:
        return f"{key} = {_toml(value)}"
    return f"{key} = {{ value = {_toml(value)}, source = {_toml(leaf.source)} }}"
