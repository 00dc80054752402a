"""A scenario being put together: values with their sources, read against a schema and merged file over file."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel

from sim.scenario.lines import KeyPath, TomlDocument
from sim.scenario.schema import Shape, describe, nearest, nearest_sibling, shapes

MOST_PROBLEMS = 50
MOST_ENTRIES = 500
LONGEST_TEXT = 1_000
LONGEST_LIST_NESTING = 4
LARGEST_INTEGER = 2**63

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Control characters and lone surrogates would break the one-line messages and the resolved file.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Problem:
    """One fault of a scenario: where (line 0: nowhere in particular), the dotted key and what is wrong."""

    file: str
    line: int
    key: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return one_line(": ".join(part for part in (place, self.key, self.reason) if part))


class ScenarioError(ValueError):
    """A scenario that cannot be used. `problems` lists its faults, at most 50 and one that counts the rest."""

    def __init__(self, problems: list[Problem]) -> None:
        unique = list(dict.fromkeys(problems))
        self.problems = unique[:MOST_PROBLEMS]
        if len(unique) > MOST_PROBLEMS:
            first = unique[MOST_PROBLEMS]
            self.problems.append(Problem(first.file, first.line, "...", f"and {len(unique) - MOST_PROBLEMS:,} more"))
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[ScenarioError], tuple[list[Problem]]]:
        """Travel between processes whole: by default an exception is rebuilt from its text alone."""
        return type(self), (self.problems,)


@dataclass(frozen=True)
class Value:
    """A leaf and where it came from."""

    value: Any
    source: str
    file: str
    line: int


Node: TypeAlias = "Value | dict[str, Node] | list[Node]"
Table: TypeAlias = dict[str, Node]


class AddedRows(list["Node"]):
    """Rows to be added to those inherited, not to replace them."""


def dotted(path: KeyPath) -> str:
    """`labs.openai.cash` for its path."""
    return ".".join(map(str, path))


def one_line(text: str) -> str:
    """`text` with line breaks and other control characters spelled out."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text.replace("\n", "\\n").replace("\t", " "))


def shown(value: Any) -> str:
    """A value as an error message shows it: short, with its kind where that may be the fault."""
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) or abs(value) < LARGEST_INTEGER else "a huge whole number"
    if isinstance(value, str):
        return f"the text '{value if len(value) <= _LONGEST_SHOWN else value[:_LONGEST_SHOWN] + '...'}'"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, datetime.date | datetime.time):
        return f"the date or time {value}"
    return f"a {type(value).__name__}"


def leaves(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Value]]:
    """Every value below `node` with its path."""
    if isinstance(node, Value):
        yield path, node
    else:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(child, (*path, key))


def plain(node: Node) -> Any:
    """The bare values of `node` as tables and lists."""
    if isinstance(node, Value):
        return node.value
    if isinstance(node, dict):
        return {key: plain(child) for key, child in node.items()}
    return [plain(child) for child in node]


def merge(parent: Node, child: Node) -> Node:
    """`child` laid over `parent`: tables key by key, added rows after the old ones; all else replaces the old."""
    if isinstance(parent, list) and isinstance(child, AddedRows):
        return [*parent, *child]
    if not (isinstance(parent, dict) and isinstance(child, dict)):
        return child
    merged = dict(parent)
    for key, node in child.items():
        merged[key] = merge(parent[key], node) if key in parent else node
    return merged


def below(tree: Node | None, parts: Iterable[str | int]) -> Node | None:
    """The node under a path of keys, rows by index; None where there is none."""
    for part in parts:
        if isinstance(tree, list) and str(part).isdecimal() and int(part) < len(tree):
            tree = tree[int(part)]
        else:
            tree = tree.get(str(part)) if isinstance(tree, dict) else None
    return tree


@dataclass
class Findings:
    """What reading a chain of files brings to light besides the values themselves."""

    problems: list[Problem] = field(default_factory=list)
    failed: set[KeyPath] = field(default_factory=set)  # keys left out of the tree because they are already reported
    guessed: set[KeyPath] = field(default_factory=set)  # keys that an unknown key was probably meant to be
    incomplete: bool = False  # the file that this one extends could not be found
    places: dict[KeyPath, tuple[str, int]] = field(default_factory=dict)  # tables: the last file that opens them


@dataclass
class Reader:
    """Reads the raw tables of one file (or of the overrides) against a schema, noting every fault on the way."""

    file: str
    unsourced: str  # the source of a bare value
    document: TomlDocument | None  # None for overrides, which have no lines
    schema: type[BaseModel]
    inherited: Table
    findings: Findings
    shifts: dict[KeyPath, int] = field(default_factory=dict)  # list -> number of rows it inherits

    def section(self, model: type[BaseModel], raw: Mapping[str, Any], path: KeyPath, row: str | None = None) -> Table:
        """The table of a section; `row` is the source that covers all its values when it is a row of a list."""
        self._open(path)
        known = shapes(model)
        result: Table = {}
        for key, inner in raw.items():
            here = (*path, str(key))
            if key not in known:
                self.unknown(here, known)
                continue
            node = self.node(known[key], inner, here, row)
            if node is not None:
                result[key] = node
        return result

    def node(self, shape: Shape, raw: Any, path: KeyPath, row: str | None = None) -> Node | None:
        """The node of any shape; None (and a problem) where `raw` does not have that shape at all."""
        if shape.kind == "leaf":
            return self._leaf(shape, raw, path, row)
        if shape.kind == "rows":
            return self._rows(shape, raw, path)
        if not isinstance(raw, Mapping):
            self.fail(path, f"expected {shape.expected}, was given {shown(raw)}")
            return None
        if shape.model is not None:
            return self.section(shape.model, raw, path, row)
        return self._table(shape, raw, path, row)

    def fail(self, path: KeyPath, reason: str, at: KeyPath | None = None) -> None:
        """Note a fault of the key `path` that stands on the line of `at` (default: of the key)."""
        self.findings.problems.append(Problem(self.file, self.line(at or path), dotted(path), reason))
        self.findings.failed.add(path)

    def line(self, path: KeyPath) -> int:
        """The line of a key, whose rows count from the first inherited one, in this file, where they count from 0."""
        if self.document is None:
            return 0
        own = list(path)
        for position, part in enumerate(path):
            if isinstance(part, int):
                own[position] = part - self.shifts.get(path[:position], 0)
        return self.document.line(tuple(own))

    def unknown(self, path: KeyPath, siblings: Mapping[str, Any]) -> None:
        """Note an unknown key with the nearest known one."""
        if len(self.findings.problems) >= MOST_PROBLEMS:
            self.fail(path, "unknown key")  # this message will not be shown, and looking for a near one takes time
            return
        sibling = nearest_sibling(str(path[-1]), siblings)
        guess = self._elsewhere(str(path[-1])) if sibling is None else dotted((*path[:-1], sibling))
        self.fail(path, "unknown key" + (f"; did you mean '{guess}'?" if guess else ""))
        if sibling is not None:
            self.findings.guessed.add((*path[:-1], sibling))

    def text(self, raw: Any, path: KeyPath, longest: int) -> str | None:
        """A non-empty text of one file, such as a title or a source; None (and a problem) where it is not."""
        if not isinstance(raw, str) or not raw.strip():
            self.fail(path, f"expected a text that is not empty, was given {shown(raw)}")
            return None
        reason = _text_fault(raw, longest)
        if reason is not None:
            self.fail(path, reason)
            return None
        return raw

    def _open(self, path: KeyPath) -> None:
        self.findings.places[path] = (self.file, self.line(path))

    def _elsewhere(self, word: str) -> str | None:
        """The dotted key, anywhere in the schema, whose last part is most like `word`."""
        last_parts: dict[str, str] = {}
        for row in describe(self.schema):
            last_parts.setdefault(row.key.rsplit(".", 1)[-1], row.key.replace("*", "NAME"))
        close = nearest(word, last_parts)
        return last_parts[close] if close is not None else None

    def _table(self, shape: Shape, raw: Mapping[str, Any], path: KeyPath, row: str | None) -> Node | None:
        """A table with free or listed keys; one of leaves may as a whole be `{ value = { ... }, source = "..." }`."""
        self._open(path)
        assert shape.item is not None
        if shape.item.kind == "leaf" and isinstance(raw.get("value"), Mapping) and set(raw) == {"value", "source"}:
            row = self.text(raw["source"], (*path, "source"), LONGEST_TEXT)
            raw = raw["value"]
        if len(raw) > MOST_ENTRIES:
            self.fail(path, f"has {len(raw):,} entries; the most allowed is {MOST_ENTRIES}")
            return None
        result: Table = {}
        for key, inner in raw.items():
            here = (*path, str(key))
            if not isinstance(key, str) or (shape.names and key not in shape.names):
                self.unknown(here, dict.fromkeys(shape.names))
            elif _NAME.fullmatch(key) is None:
                self.fail(here, "a name is made of letters, digits, '_' and '-', 64 at most")
            else:
                node = self.node(shape.item, inner, here, row)
                if node is not None:
                    result[key] = node
        return result

    def _rows(self, shape: Shape, raw: Any, path: KeyPath) -> Node | None:
        self._open(path)
        assert shape.model is not None
        if not isinstance(raw, list | tuple) or not all(isinstance(row, Mapping) for row in raw):
            self.fail(path, f"expected {shape.expected}, was given {shown(raw)}")
            return None
        if len(raw) > MOST_ENTRIES:
            self.fail(path, f"has {len(raw):,} rows; the most allowed is {MOST_ENTRIES}")
            return None
        if self.document is None or path not in self.document.added:
            return [self._row(shape.model, dict(row), (*path, index)) for index, row in enumerate(raw)]
        old = below(self.inherited, path)
        self.shifts[path] = len(old) if isinstance(old, list) else 0
        return AddedRows(
            self._row(shape.model, dict(row), (*path, index)) for index, row in enumerate(raw, self.shifts[path])
        )

    def _row(self, model: type[BaseModel], raw: dict[str, Any], path: KeyPath) -> Table:
        """A row: bare values, one `source` for all of them, which is also a field where the schema has one."""
        place = (*path, "source")
        given = self.text(raw.pop("source"), place, LONGEST_TEXT) if "source" in raw else None
        source = given or self.unsourced
        result = self.section(model, raw, path, source)
        if "source" in shapes(model):
            result["source"] = Value(source, source, self.file, self.line(place))
        return result

    def _leaf(self, shape: Shape, raw: Any, path: KeyPath, row: str | None) -> Node | None:
        source = row or self.unsourced
        at = path
        if isinstance(raw, Mapping):
            if row is not None or not {"value", "source"} & set(raw):
                hint = "; where one 'source' covers all, values are bare" if row is not None else ""
                self.fail(path, f"expected {shape.expected}, was given a table{hint}")
                return None
            given = self._source_of_pair(raw, path)
            if given is None:
                return None
            source, raw, at = given, raw["value"], (*path, "value")
        fault = _fault(raw)
        if fault is not None:
            self.fail(path, f"expected {shape.expected}, {fault}", at)
            return None
        return Value(_builtin(raw), source, self.file, self.line(at))

    def _source_of_pair(self, raw: Mapping[str, Any], path: KeyPath) -> str | None:
        """The source of `{ value, source }`, which must have these two keys and no other."""
        extra = sorted(map(str, set(raw) - {"value", "source"}))
        for key in extra:
            self.fail((*path, key), "unknown key; a value carries 'value' and 'source' and nothing else")
        for key in ("value", "source"):
            if key not in raw:
                self.fail(path, f"'{key}' is missing; write {{ value = ..., source = \"...\" }} or the bare value")
        if extra or len(raw) != 2:
            self.findings.failed.add(path)
            return None
        source = self.text(raw["source"], (*path, "source"), LONGEST_TEXT)
        if source is None:
            self.findings.failed.add(path)
        return source


def _builtin(raw: Any) -> Any:
    """A plain Python value for a NumPy scalar or a tuple; any other value as it is."""
    if isinstance(raw, tuple | list):
        return [_builtin(item) for item in raw]
    return raw.item() if _is_array_scalar(raw) else raw


def _is_array_scalar(raw: Any) -> bool:
    return getattr(raw, "ndim", None) == 0 and hasattr(raw, "item")


def _text_fault(raw: str, longest: int) -> str | None:
    if len(raw) > longest:
        return f"text of {len(raw):,} characters; the most allowed is {longest:,}"
    return "text with control characters" if _UNPRINTABLE.search(raw) else None


def _fault(raw: Any, nesting: int = 0) -> str | None:
    """Why no leaf can have the value `raw` (the rest of a sentence); None for values that the schema is to judge."""
    if _is_array_scalar(raw):
        raw = raw.item()
    if isinstance(raw, list | tuple):
        if nesting >= LONGEST_LIST_NESTING:
            return "was given lists in lists"
        return next((fault for item in raw if (fault := _fault(item, nesting + 1))), None)
    if isinstance(raw, float) and not math.isfinite(raw):
        return f"was given {raw} (not a finite number; beyond 1.8e308 a number is read as inf)"
    if isinstance(raw, int) and abs(raw) >= LARGEST_INTEGER:
        return "was given a whole number of 2^63 or more"
    if isinstance(raw, str):
        return _text_fault(raw, LONGEST_TEXT)
    return None if isinstance(raw, bool | int | float) else f"was given {shown(raw)}"
