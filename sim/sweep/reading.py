"""`open_sweep(folder)`: a sweep's points, runs, tables and measures, also of one that is at work or was broken off."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sim.quarters import quarter_label, quarter_number
from sim.records.names import Named, named
from sim.runs import settings
from sim.runs.folder import FolderError
from sim.scenario import Scenario, ScenarioError, load_scenario
from sim.sweep.balance import Balance, balanced
from sim.sweep.ledger import RunRow
from sim.sweep.manifest import MENDS, read_manifest
from sim.sweep.snapshot import Snapshot, take_snapshot
from sim.sweep.status import SweepStatus, sweep_status
from sim.sweep.store import PENDING, RUN_COLUMNS
from sim.sweep.work import POINTS, RUNS

POPULATION = "all"  # whose shares a measure of the shares table is
QUANTILES = (0.1, 0.5, 0.9)
LISTED = 16  # a factor with more values than this is sorted into bins
BINS = 10  # at most
POINTS_IN_A_BIN = 8  # at least
_PLACE = ["point", "replication"]
_VALUE = "value"
_ALONE = "one-at-a-time"

Filters: TypeAlias = "pc.Expression | Mapping[str, Any] | None"
"""Which rows are wanted: an Arrow expression, or a value or a collection of values by name of column or factor."""


def open_sweep(folder: str | Path) -> Sweep:
    """The sweep of a folder as it is now. Raises FolderError when there is none or a file of it is gone or damaged.

    Nothing but its points, its outcomes and the runs that are in no shard yet is read before it is asked for. Open it
    again to see how it has gone on.
    """
    path = Path(folder)
    status = sweep_status(path)
    manifest = read_manifest(path)
    points = _listed(path / POINTS, manifest["points"], ["point", "scenario"])
    runs = _listed(path / RUNS, manifest["runs"], [column.name for column in RUN_COLUMNS])
    order = runs.sort_values(["replication", "point"]).index  # of the runs' indices (see sim.sweep.work)
    snapshot = take_snapshot(path, manifest)
    return Sweep(path, manifest, status, points, _with_outcomes(runs, order, snapshot.rows), order, snapshot)


def _listed(file: Path, count: int, columns: Collection[str]) -> pd.DataFrame:
    """A table of so many rows, with these columns at least. Raises FolderError when it is not what it was."""
    try:
        found: pd.DataFrame = pq.read_table(file).to_pandas()
    except (OSError, ValueError) as error:
        raise FolderError(f"{file} is damaged: {' '.join(str(error).split())}; {MENDS}") from None
    if len(found) != count or not set(columns) <= set(found.columns):
        raise FolderError(f"{file} is damaged: it has other rows or columns than the sweep began with; {MENDS}")
    return found


def _with_outcomes(runs: pd.DataFrame, order: pd.Index[Any], rows: Mapping[int, RunRow]) -> pd.DataFrame:
    """The table of runs with what the folder knows by now: runs.parquet lags behind while a sweep is at work."""
    pending = RunRow(PENDING, float("nan"))
    found = [rows.get(index, pending) for index in range(len(runs))]
    for name in ("status", "error", "seconds", "trace"):
        runs[name] = pd.Series([getattr(row, name) for row in found], index=order)
    return runs


@dataclass(frozen=True)
class Sweep:
    """A sweep as it was when it was opened.

    points: a row for each point (point, scenario, a column for each factor, null where the scenario's value stands);
    runs: a row for each run asked for, by point and replication (columns: RUN_COLUMNS in sim.sweep.store), those that
    have not ended with status pending; status: how far it is; manifest: what is known of how it was made.
    """

    path: Path
    manifest: Mapping[str, Any] = field(repr=False)
    status: SweepStatus
    points: pd.DataFrame = field(repr=False)
    runs: pd.DataFrame = field(repr=False)
    _order: pd.Index[Any] = field(repr=False)
    _snapshot: Snapshot = field(repr=False)

    # ---- what was asked for ----

    @property
    def title(self) -> str:
        """The plan's."""
        return str(self.manifest["title"])

    @property
    def plan(self) -> Mapping[str, Any]:
        """What decided the results, as JSON knows it: design, factors, replications, span, digests of the scenarios."""
        return dict(self.manifest["plan"])

    @property
    def factors(self) -> tuple[str, ...]:
        """Dotted keys that the plan varies, in the plan's order, which is that of the columns of points."""
        return tuple(str(name) for name in self.points.columns if name not in ("point", "scenario"))

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of the scenarios, in the plan's order."""
        return tuple(self.manifest["scenarios"])

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that were kept of each run."""
        return tuple(self.manifest["tables"])

    def scenario(self, name: str | None = None) -> Scenario:
        """A scenario as the sweep began with it, before factors; the first one when none is named.

        Raises ValueError for a name that is not in `scenarios`, FolderError when the folder's copy is damaged.
        """
        wanted = self.scenarios[0] if name is None else _known("scenario", name, self.scenarios)
        file = self.path / self.manifest["scenarios"][wanted]["file"]
        try:
            return load_scenario(file)
        except (OSError, ScenarioError) as error:
            raise FolderError(f"{file} is damaged: {' '.join(str(error).split())}") from None

    @cached_property
    def quarters(self) -> tuple[str, ...]:
        """Every quarter of a run. Raises FolderError when the folder's copy of the scenario is damaged."""
        span = settings(self.scenario(), self.manifest["until"])
        return tuple(map(quarter_label, range(quarter_number(span.first_quarter), quarter_number(span.until) + 1)))

    # ---- which runs count ----

    @cached_property
    def balance(self) -> Balance:
        """The runs that can be compared by now: the same replications at each point (see sim.sweep.balance)."""
        states = self.runs.pivot(index="point", columns="replication", values="status")
        values = states.to_numpy()
        return balanced(values != PENDING, values == "ok", [int(name) for name in states.columns])

    def complete_points(self) -> pd.DataFrame:
        """The points every replication of which has given a result."""
        good = (self.runs["status"] == "ok").groupby(self.runs["point"]).all()
        return self.points[self.points["point"].isin(good.index[good])]

    # ---- tables ----

    def dataset(self, table: str) -> ds.Dataset:
        """A table of all runs as an Arrow dataset: nothing is read before somebody scans it (polars and DuckDB can).

        Raises ValueError for a table that the sweep did not keep.
        """
        _known("table", table, self.tables)
        places = self.runs.loc[self._order, _PLACE]
        return self._snapshot.dataset(table, list(places.itertuples(index=False, name=None)))

    def table(
        self, name: str, columns: Iterable[str] | None = None, filters: Filters = None, factors: bool = False
    ) -> pd.DataFrame:
        """Rows of a table, by point and replication; only the columns and row groups that are needed are read.

        columns: of the table, or `scenario` and factors, which are then joined (all of them with `factors`); point and
        replication always come first. filters: {"quarter": "2026Q4", "scenario": ["baseline"]}, or an Arrow expression
        over the columns of the table. Raises ValueError for names that do not exist, FolderError for a damaged part.
        """
        dataset = self.dataset(name)
        known = [field.name for field in dataset.schema]
        settings_ = [column for column in self.points.columns if column != "point"]
        asked = [_known("column", column, (*known, *settings_)) for column in (known if columns is None else columns)]
        kept = list(dict.fromkeys([*_PLACE, *(column for column in asked if column in known)]))
        joined = settings_ if factors else [column for column in asked if column in settings_]
        chosen = self._filter(filters, known)
        try:
            rows: pd.DataFrame = dataset.to_table(columns=kept, filter=chosen).to_pandas()
        except (OSError, pa.ArrowException):
            self._snapshot.refuse_damaged(name)
            raise
        if joined:
            found = self.points.set_index("point")[joined].loc[rows["point"]]
            for position, column in enumerate(joined):
                rows.insert(len(_PLACE) + position, column, found[column].to_numpy())
        return rows

    def _filter(self, filters: Filters, known: Sequence[str]) -> pc.Expression | None:
        """The filter as Arrow knows it: what is said of scenario and factors becomes a choice of points."""
        if filters is None or isinstance(filters, pc.Expression):
            return filters
        parts = []
        points = pd.Series(True, index=self.points.index)
        for name, wanted in filters.items():
            values = list(wanted) if isinstance(wanted, Collection) and not isinstance(wanted, str) else [wanted]
            if _known("column", name, (*known, *self.points.columns)) in known:
                one = len(values) == 1 and values[0] is not None  # which is faster to compare with
                parts.append(pc.field(name) == values[0] if one else pc.field(name).isin(values))
            else:
                points &= self.points[name].isin(values)
        if not points.all():
            parts.append(pc.field("point").isin(self.points.loc[points, "point"].tolist()))
        condition = parts[0] if parts else None
        for part in parts[1:]:
            condition = condition & part
        return condition

    # ---- measures ----

    def measure(
        self, name: str, quarters: Iterable[str] | str | None = None, balanced_only: bool = True
    ) -> pd.DataFrame:
        """A measure of each run by quarter: point, replication, quarter, value; NaN where there is none.

        name: as in sim.records.names (`hhi`, `share.api_spend.open`, `events_so_far.merger`), shares of all buyers;
        quarters: those wanted, else all; balanced_only: only runs that can be compared (see `balance`). Raises
        ValueError for an unknown measure or quarter, and for one whose table was not kept.
        """
        found = named(name)
        wanted = self._quarters(quarters)
        rows = self._series(found, wanted)
        if balanced_only and self.balance.runs < len(self.runs):
            rows = rows[rows["point"].isin(self.balance.points) & rows["replication"].isin(self.balance.replications)]
        rows = rows[rows["quarter"].isin(wanted)].sort_values([*_PLACE, "quarter"], ignore_index=True)
        return rows.astype({_VALUE: float})

    def _quarters(self, quarters: Iterable[str] | str | None) -> list[str]:
        if quarters is None:
            return list(self.quarters)
        chosen = [quarters] if isinstance(quarters, str) else list(quarters)
        return [_known("quarter", quarter, self.quarters) for quarter in chosen]

    def _series(self, found: Named, quarters: list[str]) -> pd.DataFrame:
        """point, replication, quarter, value of every run that gave a result."""
        match found.table:
            case "shares":
                label = {"population": POPULATION, "lens": found.what, "by": found.by, "key": found.key}
                rows = self.table("shares", ["quarter", "share"], {**label, **_when(quarters, self.quarters)})
                if rows.empty and len(self._good()):
                    raise ValueError(f"no run has shares of '{found.key}' by {found.by}")
                return rows.astype({"quarter": "str"}).rename(columns={"share": _VALUE})
            case "events":
                return self._events_so_far(found.what)
            case "so_far":
                rows = self.table("market", ["quarter", found.what]).sort_values([*_PLACE, "quarter"])
                rows[found.what] = rows.groupby(_PLACE)[found.what].transform(
                    lambda values: values.cumsum(skipna=False)
                )
                return rows.rename(columns={found.what: _VALUE})
            case table:
                rows = self.table(table, ["quarter", found.what], _when(quarters, self.quarters))
                return rows.rename(columns={found.what: _VALUE})

    def _good(self) -> pd.DataFrame:
        """point and replication of the runs that gave a result."""
        return self.runs.loc[self.runs["status"] == "ok", _PLACE]

    def _events_so_far(self, kind: str) -> pd.DataFrame:
        """How many events of a kind each run has had by quarter; runs without any have 0."""
        rows = self.table("events", ["quarter"], {"kind": kind})
        counts = rows.groupby([*_PLACE, "quarter"]).size().rename(_VALUE).reset_index()
        every = self._good().merge(pd.Series(self.quarters, name="quarter"), how="cross")
        every = every.merge(counts, how="left", on=[*_PLACE, "quarter"]).fillna({_VALUE: 0})
        every[_VALUE] = every.groupby(_PLACE)[_VALUE].cumsum()
        return every

    def bands(
        self,
        measure: str,
        quantiles: Sequence[float] = QUANTILES,
        by: Sequence[str] = ("point",),
        quarters: Iterable[str] | str | None = None,
        balanced_only: bool = True,
    ) -> pd.DataFrame:
        """Quantiles of a measure over runs by quarter; index: `by` and quarter, a column for each quantile, and runs.

        by: what is told apart: point, scenario, replication, factors; over all else the quantiles are taken. runs: how
        many have the number in that quarter. Raises ValueError as `measure` does.
        """
        groups = [by] if isinstance(by, str) else list(by)
        rows = self.placed(self.measure(measure, quarters, balanced_only), groups)
        return _quantiles(rows, [*groups, "quarter"], quantiles)

    def placed(self, rows: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
        """Rows that have a point, with columns for scenario and factors of these names."""
        wanted = [_known("column", name, (*_PLACE, *self.points.columns)) for name in names]
        missing = [name for name in wanted if name not in rows.columns]
        return rows.merge(self.points[["point", *missing]], on="point") if missing else rows

    def response(
        self,
        factor: str,
        measure: str,
        quarter: str | None = None,
        quantiles: Sequence[float] = QUANTILES,
        balanced_only: bool = True,
    ) -> pd.DataFrame:
        """Quantiles of a measure over runs by a factor's value, for each scenario, in one quarter (the last if None).

        Columns: scenario, value, low, high, points, runs, a column for each quantile. A factor with more than 16 values
        is sorted into up to ten bins of as many points from low to high, value their median. The quantiles are taken
        over luck and all other factors; of a plan one-at-a-time over luck, the others as they are at its base point.
        """
        if factor not in self.factors:
            _known("factor", factor, self.factors)
        when = self.quarters[-1] if quarter is None else quarter
        points = self.points[["point", "scenario", factor]].rename(columns={factor: _VALUE + "_of"})
        points = points[self._alone(factor)].merge(_bins(points[_VALUE + "_of"]), left_index=True, right_index=True)
        rows = self.measure(measure, when, balanced_only).merge(points, on="point")
        groups = ["scenario", "bin"]
        found = _quantiles(rows, groups, quantiles)
        counted = rows.dropna(subset=_VALUE).drop_duplicates("point").groupby(groups)
        found.insert(0, "points", counted.size().reindex(found.index, fill_value=0))
        ends = points.groupby("bin").agg(value=("middle", "first"), low=("low", "first"), high=("high", "first"))
        found = ends.join(found.reset_index("scenario")).reset_index(drop=True)
        found["scenario"] = pd.Categorical(found["scenario"], self.scenarios)
        front = ["scenario", _VALUE, "low", "high"]
        found = found.sort_values(["scenario", "low"], kind="stable", ignore_index=True)
        return found.astype({"scenario": "str"})[[*front, *(name for name in found.columns if name not in front)]]

    def _alone(self, factor: str) -> pd.Series[bool]:
        """Points at which a plan one-at-a-time has moved no other factor than this; every point of another plan."""
        alone = pd.Series(True, index=self.points.index)
        if self.plan["design"] == _ALONE:
            base = self.points.groupby("scenario").transform("first")
            for other in self.factors:
                if other != factor:
                    alone &= (self.points[other] == base[other]) | (self.points[other].isna() & base[other].isna())
        return alone


def _when(wanted: list[str], every: Sequence[str]) -> dict[str, list[str]]:
    """A filter by quarter, where one is needed."""
    return {"quarter": wanted} if set(wanted) < set(every) else {}


def _bins(values: pd.Series[Any]) -> pd.DataFrame:
    """bin, low, middle, high of each point's value: the value itself where there are few, else equally full bins."""
    codes, listed = pd.factorize(values, sort=True)
    if len(listed) <= LISTED or values.dtype.kind not in "fi":
        return pd.DataFrame({"bin": codes, "low": values, "middle": values, "high": values}, index=values.index)
    ranks = values.rank(method="average", pct=True)
    count = min(BINS, max(len(listed) // POINTS_IN_A_BIN, 2))
    bins = pd.Series(np.ceil(ranks * count).astype(int) - 1, index=values.index, name="bin")
    found = values.groupby(bins).agg(low="min", middle="median", high="max")
    placed: pd.DataFrame = found.loc[bins].set_axis(values.index).assign(bin=bins)
    return placed


def _quantiles(rows: pd.DataFrame, groups: list[str], quantiles: Sequence[float]) -> pd.DataFrame:
    """Quantiles of `value` by groups, and how many rows have one."""
    if not all(0.0 <= q <= 1.0 for q in quantiles):
        raise ValueError(f"quantiles: give numbers from 0 to 1, not {', '.join(map(str, quantiles))}")
    grouped = rows.groupby(groups, sort=True, observed=True, dropna=False)[_VALUE]
    return pd.concat([grouped.count(), *(grouped.quantile(q) for q in quantiles)], axis=1, keys=["runs", *quantiles])


def _known(what: str, name: str, known: Iterable[str]) -> str:
    """The name itself when it is known. Raises ValueError with the nearest one and all of them."""
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    near = difflib.get_close_matches(str(name), names, 1, 0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"
    raise ValueError(f"this sweep has no {what} '{name}'; {hint}")
