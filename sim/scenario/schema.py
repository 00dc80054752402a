"""What a pydantic schema says about a scenario file: the shape of each key, its unit, bounds and meaning.

Nothing here knows a particular parameter: the functions take the class that describes a file.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

_NOUNS = {float: "a number", int: "a whole number", bool: "true or false", str: "text", dict: "a table"}
_PLURALS = {float: "numbers", int: "whole numbers", bool: "true or false", str: "texts"}
_SUGGESTION_CUTOFF = 0.7
_LONGEST_SUGGESTED = 80
_SHORTEST_KIN = 4  # letters: shorter keys stand inside too many others
_QUARTER_ENDING = "Q[1-4]$"  # how the pattern of a quarter ends
_QUARTER = "a quarter such as 2032Q4"


class Described(NamedTuple):
    """One leaf of a schema: dotted key (`*` stands for any name or row), unit, bounds and meaning, as text."""

    key: str
    unit: str
    bounds: str
    meaning: str


@dataclass(frozen=True)
class Shape:
    """The form of a value: section (fixed keys), table (free or listed keys), rows (a list of sections) or leaf.

    `model` belongs to sections and rows, `item` and `names` (the allowed keys; empty for any) to tables,
    `annotation` and `constraints` to leaves; `unit` and `meaning` are those of the field.
    """

    kind: Literal["section", "table", "rows", "leaf"]
    model: type[BaseModel] | None = None
    item: Shape | None = None
    names: tuple[str, ...] = ()
    annotation: Any = None
    constraints: tuple[Any, ...] = ()
    unit: str = ""
    meaning: str = ""

    @property
    def bounds(self) -> str:
        """The leaf's limits in words: `from 1 to 10`, `one of us, eu`, `at least 0`; empty where there are none."""
        choices = _choices(self.annotation)
        if choices:
            return "one of " + ", ".join(choices)
        return _range_text(self.constraints)

    @property
    def expected(self) -> str:
        """What the leaf wants, for an error message: `a number from 1 to 10 (x per year)`."""
        if self.kind != "leaf":
            form = "a list of tables" if self.kind == "rows" else "a table"
            return f"{form} ({self.meaning})" if self.meaning else form
        unit = f"({self.unit})" if self.unit not in ("", "-") else ""
        if str(_limit(self.constraints, "pattern")).endswith(_QUARTER_ENDING):
            return _QUARTER
        noun = "" if _choices(self.annotation) else _noun(self.annotation)
        return " ".join(part for part in (noun, self.bounds, unit) if part)


@cache
def shapes(model: type[BaseModel]) -> dict[str, Shape]:
    """The shape of each field of `model`, in its order."""
    return {name: _field_shape(info) for name, info in model.model_fields.items()}


def follow(model: type[BaseModel], parts: Sequence[str | int]) -> Shape | None:
    """The shape under a path of keys, rows by index; None where the schema has no such key."""
    shape: Shape | None = Shape("section", model=model)
    for part in parts:
        if shape is None or shape.kind == "leaf":
            return None
        shape = step(shape, part)
    return shape


def step(shape: Shape, part: str | int) -> Shape | None:
    """The shape one key below `shape`; None where the schema has no such key."""
    if shape.kind == "section" and shape.model is not None:
        return shapes(shape.model).get(str(part))
    if shape.kind == "table":
        return shape.item if not shape.names or part in shape.names else None
    if shape.kind == "rows":
        return Shape("section", model=shape.model) if str(part).isdecimal() else None
    return None


def describe(model: type[BaseModel]) -> Iterator[Described]:
    """Every leaf of `model` in the order of its classes, as (dotted key pattern, unit, bounds, meaning)."""
    for name, shape in shapes(model).items():
        yield from _describe(name, shape)


def describe_key(model: type[BaseModel], key: str) -> Described | None:
    """The unit, bounds and meaning of one dotted key such as `labs.openai.cash`; None where it is no leaf."""
    shape = follow(model, key.split("."))
    return None if shape is None or shape.kind != "leaf" else Described(key, shape.unit, shape.bounds, shape.meaning)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, letter case aside; None where none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    found = difflib.get_close_matches(word[:_LONGEST_SUGGESTED].casefold(), by_folded, n=1, cutoff=_SUGGESTION_CUTOFF)
    return by_folded[found[0]] if found else None


def nearest_sibling(word: str, siblings: Iterable[str]) -> str | None:
    """The sibling most like `word`, else one that it begins with or begins (`entry` for `entry_quarter`), else one
    that stands inside it or around it; the longest where there are several, None where there is none.
    """
    known, folded = list(siblings), word.casefold()
    close = nearest(word, known)
    if close is not None or len(folded) < _SHORTEST_KIN:
        return close
    long = sorted((name for name in known if len(name) >= _SHORTEST_KIN), key=len, reverse=True)
    beginning = [name for name in long if folded.startswith(name.casefold()) or name.casefold().startswith(folded)]
    inside = [name for name in long if name.casefold() in folded or folded in name.casefold()]
    return next(iter(beginning + inside), None)


def json_schema_of(model: type[BaseModel], top: dict[str, Any]) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a file of `model` with the extra top-level properties `top`.

    A leaf is the bare value or a table of `value` and `source`. No key is required: a file may extend another.
    """
    schema = _section_schema(model, bare=False)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "properties": {**top, **schema["properties"]},
    }


def _field_shape(info: FieldInfo) -> Shape:
    extra = info.json_schema_extra
    unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
    return _shape(info.annotation, tuple(info.metadata), unit, info.description or "")


def _shape(annotation: Any, constraints: tuple[Any, ...], unit: str, meaning: str) -> Shape:
    annotation, constraints = _unwrapped(annotation, constraints)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape("section", model=annotation, unit=unit, meaning=meaning or _first_line(annotation))
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        item = _shape(arguments[1], constraints, unit, meaning)
        return Shape("table", item=item, names=_choices(_unwrapped(arguments[0], ())[0]), unit=unit, meaning=meaning)
    if get_origin(annotation) is list and isinstance(arguments[0], type) and issubclass(arguments[0], BaseModel):
        return Shape("rows", model=arguments[0], unit=unit, meaning=meaning)
    return Shape("leaf", annotation=annotation, constraints=constraints, unit=unit, meaning=meaning)


def _unwrapped(annotation: Any, constraints: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """The type inside `X | None` and `Annotated[X, ...]`, with the constraints found on the way."""
    if get_origin(annotation) is Annotated:
        inner, *found = get_args(annotation)
        for entry in found:
            constraints = (*constraints, *(entry.metadata if isinstance(entry, FieldInfo) else (entry,)))
        return _unwrapped(inner, constraints)
    if _is_union(annotation):
        members = [member for member in get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return _unwrapped(members[0], constraints)
    return annotation, constraints


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


def _choices(annotation: Any) -> tuple[str, ...]:
    """The allowed texts of a Literal or of an Enum; empty for another type."""
    if get_origin(annotation) is Literal:
        return tuple(str(choice) for choice in get_args(annotation))
    members = getattr(annotation, "__members__", None)
    return tuple(str(member.value) for member in members.values()) if members else ()


def _noun(annotation: Any) -> str:
    if _is_union(annotation):
        return " or ".join(_noun(member) for member in get_args(annotation) if member is not type(None))
    if get_origin(annotation) is list:
        inner = _unwrapped(get_args(annotation)[0], ())[0]
        return f"a list of {_PLURALS.get(inner, 'values')}"
    return _NOUNS.get(annotation, "a value")


def _limit(constraints: tuple[Any, ...], *names: str) -> Any:
    for constraint in constraints:
        for name in names:
            found = getattr(constraint, name, None)
            if found is not None:
                return found
    return None


def _range_text(constraints: tuple[Any, ...]) -> str:
    low, high = _limit(constraints, "ge"), _limit(constraints, "le")
    above, below = _limit(constraints, "gt"), _limit(constraints, "lt")
    pattern = _limit(constraints, "pattern")
    parts = []
    if low is not None and high is not None:
        parts.append(f"from {low:,.10g} to {high:,.10g}")
    else:
        parts += [f"at least {low:,.10g}"] if low is not None else []
        parts += [f"at most {high:,.10g}"] if high is not None else []
    parts += [f"above {above:,.10g}"] if above is not None else []
    parts += [f"below {below:,.10g}"] if below is not None else []
    parts += [f"of the form {pattern}"] if pattern is not None else []
    return " and ".join(parts)


def _describe(key: str, shape: Shape) -> Iterator[Described]:
    if shape.kind == "leaf":
        yield Described(key, shape.unit, shape.bounds, shape.meaning)
    elif shape.kind == "table" and shape.item is not None:
        yield from _describe(f"{key}.*", shape.item)
    elif shape.model is not None:
        prefix = f"{key}.*" if shape.kind == "rows" else key
        for name, inner in shapes(shape.model).items():
            yield from _describe(f"{prefix}.{name}", inner)


def _section_schema(model: type[BaseModel], bare: bool) -> dict[str, Any]:
    properties = {name: _schema(shape, bare) for name, shape in shapes(model).items()}
    if bare:
        properties.setdefault("source", {"type": "string", "minLength": 1})
    table = {"type": "object", "description": _first_line(model), "properties": properties}
    return {**table, "additionalProperties": False}


def _schema(shape: Shape, bare: bool) -> dict[str, Any]:
    if shape.kind == "section" and shape.model is not None:
        return _section_schema(shape.model, bare)
    if shape.kind == "rows" and shape.model is not None:
        return {"type": "array", "description": shape.meaning, "items": _section_schema(shape.model, bare=True)}
    if shape.item is not None:
        return _table_schema(shape, shape.item, bare)
    leaf = _leaf_schema(shape)
    return leaf if bare else _sourced(leaf, shape.meaning)


def _table_schema(shape: Shape, item: Shape, bare: bool) -> dict[str, Any]:
    names = {"propertyNames": {"enum": list(shape.names)}} if shape.names else {}
    table = {"type": "object", "description": shape.meaning, **names, "additionalProperties": _schema(item, bare)}
    if bare or item.kind != "leaf":
        return table
    whole = {"type": "object", **names, "additionalProperties": _leaf_schema(replace(item, meaning=""))}
    return {"description": shape.meaning, "anyOf": [table, _value_and_source(whole)]}


def _sourced(leaf: dict[str, Any], meaning: str) -> dict[str, Any]:
    inner = {key: value for key, value in leaf.items() if key != "description"}
    return {"description": meaning, "anyOf": [inner, _value_and_source(inner)]}


def _value_and_source(value: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"value": value, "source": {"type": "string", "minLength": 1}},
        "required": ["value", "source"],
        "additionalProperties": False,
    }


def _leaf_schema(shape: Shape) -> dict[str, Any]:
    annotation: Any = shape.annotation
    for constraint in shape.constraints:
        annotation = Annotated[annotation, constraint]
    unit = f" [{shape.unit}]" if shape.unit not in ("", "-") else ""
    return {"description": f"{shape.meaning}{unit}", **TypeAdapter(annotation).json_schema()}
