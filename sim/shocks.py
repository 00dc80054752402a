"""Dated changes of parameters: policy, crises, breakthroughs."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from sim.parameters import Parameters, Shock, Tier
from sim.quarters import quarter_number

# States of the first day: the market is built from them once, so changing them later would move nothing.
FIRST_DAY = (
    "run.*",
    "installed_base.*",
    "community.*",
    "investors.*.dry_powder",
    "funding.initial_*",
    "technology.*_initial",
    "technology.frontier_before_start",
    "technology.serving_cost_initial",
    "seats.market_initial",
    "demand.tooling_initial",
    "demand.taste_*",
    "switches.persistent_tastes",
    "workloads.*.threshold",
    "workloads.*.other_cost",
    "workloads.*.budget",
    "segments.*.firms",
    "segments.*.workload_budget",
    "segments.*.sigma",
    "segments.*.workloads_*",
    "segments.*.*_initial",
    "segments.*.talent",
    "segments.*.privacy",
    "segments.*.strategic",
    "segments.*.regions*",
    "segments.*.mix*",
    "labs.*.entry",
    "labs.*.cash",
    "labs.*.debt",
    "labs.*.capability",
    "labs.*.first_run",
    "labs.*.research_budget",
    "labs.*.brand",
    "labs.*.seats_initial",
    "labs.*.ownership",
    "labs.*.parent",
    "labs.*.region",
    "labs.*.rounds",
)


class ShockError(ValueError):
    """A shock names a key that does not exist or a change that the schema refuses."""


@dataclass(frozen=True)
class Change:
    """A number that moved: the shock that began or ended, the value before and after."""

    shock: Shock
    before: Any
    after: Any
    ends: bool = False

    @property
    def said(self) -> str:
        """What changed, in words."""
        title = f"end of {self.shock.title}" if self.ends else self.shock.title
        return f"{self.before} -> {self.after} ({title})"


class Calendar:
    """The shocks of a scenario and what the numbers they touch would be without them.

    A number's value in a quarter follows from its undisturbed value and the shocks then in force, in order of their
    start: one that sets a value replaces it, one with a factor multiplies it. So shocks may overlap and end in any
    order. Raises ShockError for the first of `shock_faults`.
    """

    def __init__(self, parameters: Parameters) -> None:
        for path, reason in shock_faults(parameters):
            raise ShockError(f"{'.'.join(map(str, path))}: {reason}")
        self.shocks = _in_order(parameters)
        self.undisturbed = {shock.key: value_at(parameters, shock.key) for shock in self.shocks}

    def apply(self, parameters: Parameters, quarter: int) -> list[Change]:
        """Set every number the calendar touches to its value in `quarter`, in place.

        Returns the changes of the shocks that begin then, and of those that ended.
        """
        before = {key: value_at(parameters, key) for key in self.undisturbed}
        for key in self.undisturbed:
            after = self.value(key, quarter)
            if after != before[key]:
                _assign(*_holder(parameters, key), after, key)
        turning = [(shock, ends) for ends in (True, False) for shock in self.shocks if _span(shock)[ends] == quarter]
        return [Change(shock, before[shock.key], value_at(parameters, shock.key), ends) for shock, ends in turning]

    def in_force(self, quarter: int) -> set[str]:
        """The keys on which some shock acts in a quarter."""
        return {shock.key for shock in self.shocks if _in_force(shock, quarter)}

    def value(self, key: str, quarter: int) -> Any:
        """The value of a number in a quarter under the shocks then in force."""
        return _value(self.shocks, key, self.undisturbed[key], quarter)


def shock_faults(parameters: Parameters) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the shocks of a scenario, as (path of the key at fault, reason).

    A key that does not exist or is a state of the first day, a factor on what is no number, a value that the schema
    refuses in some quarter.
    """
    faults: list[tuple[tuple[str | int, ...], str]] = []
    for position, shock in enumerate(parameters.shocks):
        try:
            _check(parameters, shock)
        except ShockError as error:
            faults.append((("shocks", position, "key"), str(error)))
    return faults


def _check(parameters: Parameters, shock: Shock) -> None:
    """Raise ShockError unless the shock's key can move and takes an allowed value in every quarter."""
    if any(fnmatchcase(shock.key, pattern) for pattern in FIRST_DAY):
        raise ShockError(f"{shock.key} is a state of the first day and moves nothing later; change what moves it")
    before = value_at(parameters, shock.key)
    if shock.factor is not None and (isinstance(before, bool) or not isinstance(before, (int, float))):
        raise ShockError(f"{shock.key} is not a number, so it can't be multiplied")
    holder, last = _holder(parameters, shock.key)
    trial = holder.copy() if isinstance(holder, dict) else holder.model_copy()
    together = [other for other in _in_order(parameters) if other.key == shock.key]
    for quarter in sorted({q for other in together for q in _span(other) if q is not None}):
        _assign(trial, last, _value(together, shock.key, before, quarter), shock.key)


def _in_order(parameters: Parameters) -> list[Shock]:
    """Shocks by their start, those of one quarter as they stand in the scenario."""
    return sorted(parameters.shocks, key=lambda shock: quarter_number(shock.quarter))


def _value(shocks: list[Shock], key: str, undisturbed: Any, quarter: int) -> Any:
    value = undisturbed
    for shock in shocks:
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


def licensed(key: str) -> tuple[str, Tier] | None:
    """The lab and the tier whose licence a dotted key sets; None for any other key."""
    section, *_, last = parts = key.split(".")
    return (parts[1], cast(Tier, parts[3])) if section == "labs" and last == "licence" else None


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
            near = get_close_matches(part, known, 1)
            hint = f"; did you mean '{'.'.join([*parts[:i], near[0], *parts[i + 1 :]])}'?" if near else ""
            raise ShockError(f"'{'.'.join(parts[: i + 1])}' does not exist{hint}")
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
