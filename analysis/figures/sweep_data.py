"""What the figures of a sweep show, as tables: each point's measure and leader, cells of a phase map, which factors
matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.compare import Measure, measure_of
from analysis.figures.canvas import Floats
from analysis.figures.comparison import title_of
from analysis.figures.reading import dollars
from sim.parameters import COMMUNITY, Parameters
from sim.scenario.schema import follow
from sim.sweep import Sweep

DRAWN = ("hhi", "open_share", "active_labs")
LISTED = 12  # a factor with at most so many values has a row or column of the map for each; others are cut into bins
FEWEST, MOST = 2, 8  # bins
IN_A_CELL = 4  # points wanted, where a factor is cut into bins
MOST_PANELS = 12  # factors or scenarios on one page
VALUE = "value"
UNDECIDED = "undecided"  # in the place of a leader


@dataclass(frozen=True)
class View:
    """A sweep seen through one measure in one quarter.

    table: a row for each point that is compared: point, scenario, factors, value, low, high (median, 10 and 90 % over
    the replications), leader (the owner that leads in more than half of them, UNDECIDED without one; None where it is
    not known).
    """

    sweep: Sweep
    measure: Measure
    quarter: str
    table: pd.DataFrame

    @property
    def title(self) -> str:
        """The measure in the words of a heading."""
        return title_of(self.measure).replace(", % of", " share of").removesuffix(", %")

    @property
    def shown(self) -> list[str]:
        """Scenarios of which there is anything to show, at most as many as a page holds."""
        known = set(self.table["scenario"])
        return [name for name in self.sweep.scenarios if name in known][:MOST_PANELS]

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The name for people of each owner."""
        labs = self.sweep.scenario().parameters.labs
        return {**{lab: entry.name for lab, entry in labs.items()}, COMMUNITY: "old open weights"}

    @cached_property
    def effects(self) -> Mapping[str, float]:
        """How much of the measure each factor explains alone (0-1), the largest first."""
        found = {name: self._effect(name) for name in self.sweep.factors}
        return dict(sorted(found.items(), key=lambda entry: -entry[1]))

    def _effect(self, factor: str) -> float:
        parts = self.table.groupby("scenario", sort=False)
        return float(np.mean([correlation_ratio(cut(part[factor]).codes, part[VALUE]) for _, part in parts] or [0.0]))


def view(sweep: Sweep, measure: str, quarter: str | None = None) -> View:
    """Each point's measure in a quarter, the last when None. Raises ValueError for what the sweep does not have."""
    when = sweep.quarters[-1] if quarter is None else quarter
    bands = sweep.bands(measure, (0.1, 0.5, 0.9), ("point",), when).droplevel("quarter")
    values = bands.rename(columns={0.1: "low", 0.5: VALUE, 0.9: "high"})[[VALUE, "low", "high", "runs"]]
    table = sweep.points.merge(values, left_on="point", right_index=True)
    return View(sweep, measure_of(measure), when, table.assign(leader=table["point"].map(leaders(sweep, when))))


def leaders(sweep: Sweep, quarter: str) -> dict[int, str]:
    """The owner that leads in more than half of a point's runs that are compared, UNDECIDED where nobody does."""
    if "market" not in sweep.tables:
        return {}
    balance = sweep.balance
    where = {"quarter": quarter, "point": balance.points, "replication": balance.replications}
    rows = sweep.table("market", ["leader"], where).dropna(subset="leader")
    return {int(point): majority(found) for point, found in rows.groupby("point")["leader"]}


def majority(found: pd.Series) -> str:
    """What more than half of the entries are, UNDECIDED without such a majority."""
    counts = found.value_counts()
    return str(counts.index[0]) if 2 * counts.iloc[0] > len(found) else UNDECIDED


# ---- cells ----


@dataclass(frozen=True)
class Cut:
    """A factor cut into cells. codes: each point's cell; ticks: positions in cells (cell i reaches from i to i + 1) and
    their labels: middles of cells for values of their own (whole), else the edges between bins.
    """

    codes: np.ndarray
    count: int
    ticks: Sequence[float]
    labels: Sequence[str]
    whole: bool


def cuts(table: pd.DataFrame, first: str, second: str) -> tuple[Cut, Cut]:
    """The cells of two factors, so many that a cell where both are cut into bins has four points of a scenario."""
    room = table.groupby("scenario").size().max() / IN_A_CELL
    across, up = cut(table[first]), cut(table[second])
    if not across.whole:
        across = cut(table[first], _bins(room / up.count if up.whole else np.sqrt(room)))
    if not up.whole:
        up = cut(table[second], _bins(room / across.count))
    return across, up


def _bins(wanted: float) -> int:
    return int(min(max(wanted, FEWEST), MOST))


def cut(values: pd.Series, bins: int = MOST) -> Cut:
    """Cells of a factor: one for each value where there are few, else bins that hold equally many points."""
    codes, listed = pd.factorize(values, sort=True)
    if len(listed) <= LISTED or values.dtype.kind not in "fi":
        return Cut(codes, len(listed), [i + 0.5 for i in range(len(listed))], list(map(plain, listed)), True)
    edges = np.quantile(values.to_numpy(np.float64), np.linspace(0, 1, bins + 1))
    codes = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
    return Cut(codes, bins, list(range(bins + 1)), list(map(plain, edges)), False)


def plain(value: object) -> str:
    """A factor's value as it stands on an axis or in a table."""
    if isinstance(value, bool | np.bool_):
        return "on" if value else "off"
    if isinstance(value, str) or value is None:
        return str(value or "-")
    number = float(value)  # type: ignore[arg-type]
    if abs(number) >= 1e4:
        return dollars(number).replace("$", "")
    return f"{number:.3g}"


def factor_words(key: str) -> str:
    """A factor in the words of an axis, with its unit."""
    shape = follow(Parameters, key.split("."))
    name = " ".join(key.split(".")[1:] or [key]).replace("_", " ")
    unit = shape.unit if shape is not None else ""
    return name if unit in ("", "-") else f"{name}, {unit}"


def short_words(key: str) -> str:
    """A factor in words, without its unit."""
    return factor_words(key).split(",")[0]


@dataclass(frozen=True)
class Cells:
    """A phase map of one scenario, shape (rows, columns): rows are the second factor's cells, columns the first's.

    value: median over the points of a cell, NaN without any; leader: who leads at more than half of its points,
    UNDECIDED when nobody does, None without a point.
    """

    value: Floats
    leader: np.ndarray
    points: np.ndarray


def cells(table: pd.DataFrame, across: Cut, up: Cut) -> Cells:
    """The phase map of the points of one scenario, whose cells are given by their positions in the cuts."""
    shape = up.count, across.count
    value, leader, count = np.full(shape, np.nan), np.full(shape, None, object), np.zeros(shape, np.int64)
    for (row, column), part in table.groupby([up.codes, across.codes]):
        value[row, column] = part[VALUE].median()
        count[row, column] = part[VALUE].notna().sum()
        known = part["leader"].dropna()
        leader[row, column] = None if known.empty else majority(known)
    return Cells(value, leader, count)


def regions(leader: np.ndarray) -> list[tuple[str, list[tuple[int, int]]]]:
    """Cells that touch and have the same leader, as (leader, cells), in reading order."""
    found, seen = [], np.zeros(leader.shape, bool)
    for start in np.ndindex(*leader.shape):
        if seen[start] or leader[start] is None:
            continue
        region, stack = [], [start]
        seen[start] = True
        while stack:
            row, column = stack.pop()
            region.append((row, column))
            for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                inside = 0 <= near[0] < leader.shape[0] and 0 <= near[1] < leader.shape[1]
                if inside and not seen[near] and leader[near] == leader[start]:
                    seen[near] = True
                    stack.append(near)
        found.append((str(leader[start]), sorted(region)))
    return found


def widest_run(region: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    """The longest unbroken row of cells of a region, of equals the one nearest its middle: (row, first, length)."""
    middle = float(np.mean([row for row, _ in region]))
    runs: list[tuple[int, int, int]] = []
    for row, column in region:
        if runs and runs[-1][0] == row and runs[-1][1] + runs[-1][2] == column:
            runs[-1] = (row, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((row, column, 1))
    return max(runs, key=lambda run: (run[2], -abs(run[0] - middle)))


# ---- which factors matter ----


def correlation_ratio(groups: np.ndarray, values: pd.Series) -> float:
    """How much of the variance lies between groups, corrected for chance, 0-1: epsilon squared (Kelley 1935)."""
    known = values.notna().to_numpy()
    y, g = values.to_numpy(np.float64)[known], np.asarray(groups)[known]
    labels, group = np.unique(g, return_inverse=True)
    n, k = len(y), len(labels)
    total = float(((y - y.mean()) ** 2).sum()) if n else 0.0
    if n <= k or total <= 0.0:
        return 0.0
    means = np.bincount(group, y) / np.bincount(group)
    within = float(((y - means[group]) ** 2).sum())
    return max(0.0, 1.0 - within / (n - k) / (total / (n - 1)))


def main_factors(seen: View, count: int) -> list[str]:
    """The factors that explain most and take more than one value, as many as asked for, in the plan's order."""
    several = [name for name in seen.effects if seen.table[name].nunique() > 1]
    chosen = several[:count]
    return [name for name in seen.sweep.factors if name in chosen]
