"""Dated changes of parameters: policy, crises, breakthroughs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from sim.parameters import Parameters, Shock
from sim.quarters import quarter_number


class ShockError(ValueError):
    """A shock names a key that does not exist or a change that the schema refuses."""


@dataclass(frozen=True)
class Change:
    """A number that moved: the shock that began, the value before and after."""

    shock: Shock
    before: Any
    after: Any


class Calendar:
    """The shocks of a scenario and what the numbers they touch would be without them.

    A number's value in a quarter follows from its undisturbed value and the shocks then in force, in order of their
    start: one that sets a value replaces it, one with a factor multiplies it. So shocks may overlap and end in any
    order. Raises ShockError for a key that does not exist, a factor on what is no number, or a value the schema
    refuses in some quarter.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.shocks = sorted(parameters.shocks, key=lambda shock: quarter_number(shock.quarter))
        self.undisturbed = {shock.key: value_at(parameters, shock.key) for shock in self.shocks}
        for shock in self.shocks:
            number = self.undisturbed[shock.key]
            if shock.factor is not None and (isinstance(number, bool) or not isinstance(number, (int, float))):
                raise ShockError(f"shock '{shock.title}': {shock.key} is not a number, so it can't be multiplied")
        turns = sorted({q for shock in self.shocks for q in _span(shock) if q is not None})
        for key in self.undisturbed:
            holder, last = _holder(parameters, key)
            trial = holder.copy() if isinstance(holder, dict) else holder.model_copy()
            for quarter in turns:
                _assign(trial, last, self.value(key, quarter), key)

    def apply(self, parameters: Parameters, quarter: int) -> list[Change]:
        """Set every number the calendar touches to its value in `quarter`, in place; the changes that begin then."""
        before = {key: value_at(parameters, key) for key in self.undisturbed}
        for key in self.undisturbed:
            after = self.value(key, quarter)
            if after != before[key]:
                _assign(*_holder(parameters, key), after, key)
        starting = [shock for shock in self.shocks if quarter_number(shock.quarter) == quarter]
        return [Change(shock, before[shock.key], value_at(parameters, shock.key)) for shock in starting]

    def value(self, key: str, quarter: int) -> Any:
        """The value of a number in a quarter under the shocks then in force."""
        value = self.undisturbed[key]
        for shock in self.shocks:
            if shock.key == key and _in_force(shock, quarter):
                value = shock.value if shock.factor is None else value * shock.factor
        return value


def _span(shock: Shock) -> tuple[int, int | None]:
    """First quarter in force and the first no more; None: for good."""
    start = quarter_number(shock.quarter)
    return start, None if shock.quarters is None else start + shock.quarters


def _in_force(shock: Shock, quarter: int) -> bool:
    start, end = _span(shock)
    return start <= quarter and (end is None or quarter < end)


def value_at(parameters: Parameters, key: str) -> Any:
    """The value at a dotted key. Raises ShockError when there is none."""
    holder, last = _holder(parameters, key)
    return holder[last] if isinstance(holder, dict) else getattr(holder, last)


def _holder(parameters: Parameters, key: str) -> tuple[Any, str]:
    """The section or table that holds the last part of a dotted key."""
    node: Any = parameters
    parts = key.split(".")
    for i, part in enumerate(parts):
        known = node if isinstance(node, dict) else type(node).model_fields if isinstance(node, BaseModel) else ()
        if part not in known:
            raise ShockError(f"shock key '{key}': '{'.'.join(parts[: i + 1])}' does not exist")
        if i < len(parts) - 1:
            node = node[part] if isinstance(node, dict) else getattr(node, part)
    return node, parts[-1]


def _assign(holder: Any, last: str, value: Any, key: str) -> None:
    """Change one value of a section or table in place; assignment validates it against the schema."""
    if isinstance(holder, dict):
        if type(holder[last]) is not type(value):
            raise ShockError(f"shock key '{key}': {value!r} is no {type(holder[last]).__name__}")
        holder[last] = value
        return
    if isinstance(value, float) and isinstance(getattr(holder, last), int) and value.is_integer():
        value = int(value)
    try:
        setattr(holder, last, value)
    except ValidationError as error:
        raise ShockError(f"shock key '{key}': {value!r} is refused: {error.errors()[0]['msg']}") from error
