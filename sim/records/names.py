"""Measures by name: one number of a run by quarter, as scenario files, comparisons and scripts call it.

- `hhi`: a column of the market table
- `share.LENS.open`: open models' share under a lens; `share.LENS.BY.KEY`: any key's, as in `share.tokens.region.eu`
- `events_so_far.KIND`: how many events of a kind there have been since the first quarter; `shock` counts dated changes
  that begin, `shock_end` those that end, `incident` incidents of labs
- `so_far.COLUMN`: a column of the market table added up from the first quarter on
- `funding.COLUMN`: a column of the funding table
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import Literal

from sim.parameters import MODES, REGIONS, SEGMENTS, TIERS, WORKLOADS
from sim.records import BY, EVENT_COUNTS, FUNDING_COLUMNS, LENSES, MARKET_COLUMNS, Column

# Keys of axes that are the same in every scenario; labs and owners are the scenario's.
CLOSED_AXES: dict[str, tuple[str, ...]] = {
    "openness": ("closed", "open"),
    "tier": TIERS,
    "region": REGIONS,
    "segment": SEGMENTS,
    "workload": WORKLOADS,
    "mode": MODES,
}
SHARE, EVENTS, SO_FAR, FUNDING = "share", "events_so_far", "so_far", "funding"


@dataclass(frozen=True)
class Named:
    """Where a measure is read: the column, lens or kind of event, and for a share the axis and the key on it."""

    table: Literal["market", "so_far", "funding", "shares", "events"]
    what: str
    by: str = ""
    key: str = ""

    @property
    def name(self) -> str:
        """What it is called."""
        if self.table == "shares":
            return ".".join((SHARE, self.what, *(() if self.by == "openness" else (self.by,)), self.key))
        family = {"market": "", "so_far": f"{SO_FAR}.", "funding": f"{FUNDING}.", "events": f"{EVENTS}."}
        return family[self.table] + self.what


def named(name: str) -> Named:
    """The measure of this name. Raises ValueError, naming the nearest, when there is none."""
    family, _, rest = name.partition(".")
    if family == EVENTS:
        return Named("events", _known("kind of event", rest, EVENT_COUNTS))
    if family == SO_FAR:
        return Named("so_far", _known("measure", rest, _numbers(MARKET_COLUMNS)))
    if family == FUNDING:
        return Named("funding", _known("column of the funding table", rest, _numbers(FUNDING_COLUMNS)))
    if family == SHARE:
        lens, _, key = rest.partition(".")
        by, _, last = key.partition(".")
        if not last:
            by, last = "openness", key
        found = Named("shares", _known("lens", lens, LENSES), _known("axis", by, BY), last)
        return found if by not in CLOSED_AXES else replace(found, key=_known("key", last, CLOSED_AXES[by]))
    return Named("market", _known("measure", name, (*_numbers(MARKET_COLUMNS), SHARE, EVENTS, SO_FAR, FUNDING)))


def _numbers(columns: tuple[Column, ...]) -> tuple[str, ...]:
    return tuple(column.name for column in columns if column.kind != "text")


def _known(what: str, name: str, known: tuple[str, ...]) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'?" if near else f"such as {', '.join(known[:4])}"
    raise ValueError(f"no {what} '{name}'; {hint}")
