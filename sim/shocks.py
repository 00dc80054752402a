"""Dated changes of parameters: policy, crises, breakthroughs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from sim.parameters import Parameters, Shock
from sim.quarters import quarter_number


class ShockError(ValueError):
    """A shock names a key that does not exist or a change that the schema refuses."""


@dataclass(frozen=True)
class Change:
    """A number that moved: dotted key, value before and after."""

    shock: Shock
    before: Any
    after: Any


def value_at(parameters: Parameters, key: str) -> Any:
    """The value at a dotted key. Raises ShockError when there is none."""
    holder, last = _holder(parameters, key)
    return holder[last] if isinstance(holder, dict) else getattr(holder, last)


def apply(parameters: Parameters, quarter: int, lifted: dict[int, Any]) -> list[Change]:
    """Start and end the shocks of a quarter, in place; `lifted` keeps what passing shocks must put back.

    A passing shock that multiplies is divided out at its end, so that overlapping shocks on one key do not undo each
    other; one that sets a value restores the value it found. Returns the changes that began.
    """
    changes = []
    for position, shock in enumerate(parameters.shocks):
        start = quarter_number(shock.quarter)
        if shock.quarters is not None and quarter == start + shock.quarters and position in lifted:
            found = lifted.pop(position)
            _set(parameters, shock.key, found if shock.factor is None else value_at(parameters, shock.key) / found)
        if quarter == start:
            before = value_at(parameters, shock.key)
            after = shock.value if shock.factor is None else before * shock.factor
            if shock.quarters is not None:
                lifted[position] = before if shock.factor is None else shock.factor
            _set(parameters, shock.key, after)
            changes.append(Change(shock, before, after))
    return changes


def check(parameters: Parameters) -> None:
    """Refuse shocks whose key does not exist or whose value breaks a bound, before the run begins (ShockError)."""
    trial = parameters.model_copy(deep=True)
    for shock in trial.shocks:
        before = value_at(trial, shock.key)
        if shock.factor is not None and (isinstance(before, bool) or not isinstance(before, (int, float))):
            raise ShockError(f"shock '{shock.title}': {shock.key} is not a number, so it can't be multiplied")
        _set(trial, shock.key, shock.value if shock.factor is None else before * shock.factor)


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


def _set(parameters: Parameters, key: str, value: Any) -> None:
    holder, last = _holder(parameters, key)
    if isinstance(holder, dict):
        holder[last] = value
        return
    if isinstance(value, float) and isinstance(getattr(holder, last), int) and value.is_integer():
        value = int(value)
    try:
        setattr(holder, last, value)
    except ValueError as error:
        raise ShockError(f"shock key '{key}': {value!r} is refused: {error}") from error
