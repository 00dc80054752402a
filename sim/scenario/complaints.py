"""What the schema holds against a scenario, as file, line, key, what was expected and what was given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from sim.scenario.lines import KeyPath
from sim.scenario.schema import Shape, follow, nearest
from sim.scenario.tree import Findings, Node, Problem, Table, Value, below, dotted, plain, shown

MANY_MISSING = 5

_NAMED_KEY = re.compile(r"([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(:?) ")


Faults = Iterable[tuple[KeyPath, str]]


def validated(tree: Table, schema: type[BaseModel], files: list[str], findings: Findings) -> BaseModel | None:
    """The parameters of `tree`, or None and every complaint of the schema as a problem with its place.

    `files` are the names of the files read, the scenario's own last. Where a file could not be found whose values this
    scenario extends (`findings.incomplete`), keys that are missing or do not fit together are nobody's fault.
    """
    try:
        # JSON is the one form in which strict validation still takes the names of an Enum as text.
        return schema.model_validate_json(json.dumps(plain(tree)))
    except ValidationError as error:
        complaints = [cast(Mapping[str, Any], entry) for entry in error.errors(include_url=False, include_input=False)]
    judge = _Judge(tree, schema, files, findings)
    missing: dict[KeyPath, list[str]] = {}
    for complaint in complaints:
        path: KeyPath = tuple(complaint["loc"])
        if judge.is_consequence(complaint["type"], path):
            continue
        if complaint["type"] == "missing":
            missing.setdefault(path[:-1], []).append(str(path[-1]))
        elif not findings.incomplete or complaint["type"] != "value_error":
            findings.problems += judge.problems(complaint, path)
    if not findings.incomplete:
        for path, names in missing.items():
            findings.problems += judge.missing(path, names)
    return None


def complain(tree: Table, schema: type[BaseModel], files: list[str], findings: Findings, faults: Faults) -> None:
    """Note faults found outside the schema, each a path of keys and a reason, as problems with their places."""
    judge = _Judge(tree, schema, files, findings)
    findings.problems += [judge.problem(path, reason) for path, reason in faults]


@dataclass(frozen=True)
class _Judge:
    """Turns the schema's complaints into problems that name file, line, key and what was expected."""

    tree: Table
    schema: type[BaseModel]
    files: list[str]
    findings: Findings

    def is_consequence(self, kind: str, path: KeyPath) -> bool:
        """True where the complaint only follows from a fault already noted."""
        failed = self.findings.failed
        if kind == "missing" and path in self.findings.guessed:
            return True
        if any(path[:length] in failed for length in range(1, len(path) + 1)):
            return True
        return kind == "value_error" and any(other[: len(path)] == path for other in failed)

    def problems(self, complaint: Mapping[str, Any], path: KeyPath) -> Iterator[Problem]:
        """The problems of one complaint; a validator may have put several into one message."""
        if complaint["type"] == "value_error":
            for message in _messages(str(complaint["ctx"]["error"])):
                yield self._validator_problem(path, message)
            return
        key, rest = self._split(path)
        shape = follow(self.schema, key)
        node = below(self.tree, key)
        if "[key]" in rest:
            yield self.problem((*key, *rest[:-1]), f"not a possible name: {_uncapitalised(complaint['msg'])}")
        elif shape is not None and shape.kind == "leaf" and isinstance(node, Value):
            yield self.problem(key, wrong(shape, node.value, rest))
        else:
            yield self.problem(key, _uncapitalised(complaint["msg"]))

    def missing(self, path: KeyPath, names: list[str]) -> Iterator[Problem]:
        """One problem for each missing key of a table, or one for all where there are many."""
        advice = '; extends = "baseline" would supply them' if not path and len(self.files) == 1 else ""
        if len(names) > MANY_MISSING:
            some = ", ".join(names[:3])
            guess = nearest(str(path[-1]), self._other_names(path)) if path else None
            hint = f"; did you mean '{dotted((*path[:-1], guess))}'?" if guess else advice
            yield self.problem(path, f"{len(names)} required keys are missing ({some}, ...){hint}")
            return
        for name in names:
            shape = follow(self.schema, (*path, name))
            meant = f"{shape.meaning}; " if shape is not None and shape.kind == "leaf" else ""
            wanted = f": {meant}expected {shape.expected}" if shape is not None else ""
            yield self.problem((*path, name), f"required key is missing{wanted}")

    def _other_names(self, path: KeyPath) -> list[str]:
        table = below(self.tree, path[:-1])
        return [name for name in table if name != path[-1]] if isinstance(table, dict) else []

    def _validator_problem(self, path: KeyPath, message: str) -> Problem:
        """A validator's message; where it opens with a key below `path`, the problem is that key's."""
        found = _NAMED_KEY.match(message)
        if found is not None:
            named = (*path, *found[1].split("."))
            if follow(self.schema, named) is not None:
                return self.problem(named, message[found.end() :] if found[2] else message)
        return self.problem(path, message)

    def problem(self, path: KeyPath, reason: str) -> Problem:
        """A reason to complain about a key, with its place."""
        file, line = self._place(path)
        return Problem(file, line, dotted(path), reason)

    def _place(self, path: KeyPath) -> tuple[str, int]:
        """File and line of a key, or of the nearest table around it."""
        for length in range(len(path), 0, -1):
            node = below(self.tree, path[:length])
            if isinstance(node, Value):
                return node.file, node.line
            place = self.findings.places.get(tuple(path[:length]))
            if place is not None:
                return place
        return self.files[-1], 1

    def _split(self, path: KeyPath) -> tuple[KeyPath, KeyPath]:
        """The part of a complaint's path that is a key of the tree, and the rest (items, members of a union)."""
        node: Node | None = self.tree
        for length, part in enumerate(path):
            node = below(node, [part]) if not isinstance(node, Value) else None
            if node is None:
                return path[:length], path[length:]
        return path, ()


def wrong(shape: Shape, value: Any, rest: KeyPath) -> str:
    """What a leaf expected and what it was given; for a list, which item (`rest` begins with its index) is at fault."""
    if isinstance(value, list) and rest and isinstance(rest[0], int) and rest[0] < len(value):
        return f"expected {shape.expected}, item {rest[0] + 1} is {shown(value[rest[0]])}"
    choices = shape.bounds.removeprefix("one of ").split(", ") if shape.bounds.startswith("one of ") else []
    guess = nearest(value, choices) if isinstance(value, str) else None
    return f"expected {shape.expected}, was given {shown(value)}" + (f"; did you mean '{guess}'?" if guess else "")


def _messages(text: str) -> list[str]:
    """The separate complaints of a validator, where each names its key as `key: reason`."""
    parts = text.split("; ")
    return parts if all(": " in part for part in parts) else [text]


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]
