"""Scenarios compared with a reference on the same seeds: paired differences, events, and where the paths part.

Every number of a comparison is in one tidy table (`TABLE`): market measures, the open share under every lens, and the
events so far, for each quarter. `analysis.paired` has the statistics, `analysis.figures.comparison` the figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from analysis.paired import (
    CONFIDENCE,
    LASTING,
    Estimate,
    Floats,
    Read,
    column,
    estimate,
    parting,
    reader,
    share,
    so_far,
)
from sim import __version__
from sim.records import COLUMNS, EVENT_COUNTS, LENSES, QUARTER_COLUMN, SHOCKS, Column
from sim.records.names import EVENTS, FUNDING, SHARE, SO_FAR, named
from sim.runs.folder import MANIFEST, FolderError, arrow_schema, read_manifest, write_atomic, write_json, write_parquet
from sim.runs.results import TABLES, Run, open_run

KIND = "moatsim comparison"
NAME = "compare"  # of the files: compare.parquet, .csv, .json, .png, .svg
SUFFIXES = (".parquet", ".csv", ".json", ".png", ".svg")
POPULATION = "all"
FEWEST_SEEDS = 5  # with fewer, a spread estimated from so few differences is itself mostly luck
CHECKS = ("identity_residual_usd", "identity_gate_usd")  # rounding of the accounts, no measure of the market
YEAR_ENDS = ("2026Q4", "2028Q4")  # shown beside the last quarter

# Printed unless --measure says otherwise.
SHOWN: tuple[str, ...] = (
    *("hhi", "cr3", "open_share", "share.deployments.open", "share.tokens.open"),
    *("gap_months", "gap_elo", "active_labs", "adoption", "closed_flagship_price_usd_per_mtok"),
    *("record_training_cost_usd", "api_spend_usd", "total_spend_usd"),
)

_AS = "as the measure"
TABLE: tuple[Column, ...] = (
    Column("scenario", "-", "what is compared", "text"),
    Column("reference", "-", "what it is compared with", "text"),
    Column("measure", "-", "a column of the market table, share, or events_so_far", "text"),
    Column("lens", "-", "what a share counts, population all; empty for others", "text"),
    Column("key", "-", "whose share (open), or the kind of event; empty for others", "text"),
    QUARTER_COLUMN,
    Column("mean_reference", _AS, "mean of the reference over the n replications"),
    Column("mean", _AS, "mean of the scenario over the n replications"),
    Column("difference", _AS, "mean of scenario less reference, replication by replication"),
    Column("low", _AS, "lower end of the 95 % interval of the difference (Student's t); null when n < 2"),
    Column("high", _AS, "upper end of the same"),
    Column("n", "count", "replications in which both have the number", "count"),
)
_NUMBERS = ("mean_reference", "mean", "difference", "low", "high", "n")


class CompareError(ValueError):
    """These runs cannot be compared; the message says why."""


@dataclass(frozen=True)
class Measure:
    """A number that is compared: its place in the table, its unit, and how it is read from a run."""

    measure: str
    lens: str
    key: str
    unit: str
    read: Read

    @property
    def name(self) -> str:
        """What --measure calls it, such as hhi, share.tokens.open or events_so_far.merger."""
        return ".".join(part for part in (self.measure, self.lens, self.key) if part)


@dataclass(frozen=True)
class Parting:
    """The quarter from which a measure's interval excludes 0 for LASTING quarters in a row.

    state: `parts` (at `quarter`), `never`, or `unknown` when fewer than LASTING quarters have an interval.
    """

    state: str
    quarter: str | None = None


@dataclass(frozen=True)
class FirstDifference:
    """The first quarter in which any recorded number differs, exactly; `numbers` are its columns (table.column)."""

    quarter: str
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """What came of comparing runs: the tidy table (columns of TABLE) and what is read from it.

    partings: by scenario, then by the name of the measure; first: by scenario, None where the runs are identical.
    """

    reference: str
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]
    quarters: tuple[str, ...]
    measures: tuple[Measure, ...]
    table: pd.DataFrame
    partings: Mapping[str, Mapping[str, Parting]]
    first: Mapping[str, FirstDifference | None]
    notes: tuple[str, ...]

    def measure(self, name: str) -> Measure:
        """The measure of this name. Raises CompareError when the runs do not have it."""
        found = next((measure for measure in self.measures if measure.name == name), None)
        if found is None:
            raise CompareError(f"these runs do not have the measure '{name}'")
        return found

    def rows(self, scenario: str, measure: Measure) -> pd.DataFrame:
        """The rows of one measure of one pair, index quarter."""
        place = {"scenario": scenario, "measure": measure.measure, "lens": measure.lens, "key": measure.key}
        chosen = np.logical_and.reduce([(self.table[name] == value).to_numpy() for name, value in place.items()])
        return self.table[chosen].set_index("quarter")


# ---- what is compared ----


def all_measures() -> dict[str, Measure]:
    """Every measure by its name: numbers of the market table, open shares by lens, events so far by kind."""
    market = [
        Measure(c.name, "", "", c.unit, column(c.name))
        for c in COLUMNS["market"]
        if c.kind != "text" and c.name not in CHECKS
    ]
    shares = [Measure(SHARE, lens, "open", "0-1", share(lens, "openness", "open", POPULATION)) for lens in LENSES]
    events = [Measure(EVENTS, "", kind, "count", so_far(kind)) for kind in EVENT_COUNTS]
    return {measure.name: measure for measure in (*market, *shares, *events)}


def measure_of(name: str) -> Measure:
    """The measure of a name, those that are compared only when asked for included. Raises ValueError for none."""
    usual = all_measures().get(name)
    if usual is not None:
        return usual
    found = named(name)
    unit = {c.name: c.unit for c in (*COLUMNS["market"], *COLUMNS["funding"])}.get(found.what, "0-1")
    if found.table == "shares":
        return Measure(SHARE, found.what, f"{found.by}.{found.key}", unit, reader(found, POPULATION))
    return Measure(found.table, "", found.what, unit, reader(found))


def known_measures(names: Iterable[str]) -> tuple[str, ...]:
    """The names themselves, each once. Raises CompareError for an unknown one, naming the nearest."""
    for name in names:
        try:
            measure_of(name)
        except ValueError as error:
            raise CompareError(f"--measure: {error}") from None
    return tuple(dict.fromkeys(names))


def _has(result: Run, measure: Measure) -> bool:
    """Whether a run holds the measure; an earlier version may not have recorded it."""
    if measure.measure == EVENTS and measure.key in SHOCKS.values():
        return "what" in result.table("events").columns
    if measure.measure in (EVENTS, FUNDING, SO_FAR):
        return True
    return measure.lens in result.cube.lenses if measure.lens else measure.measure in result.table("market").columns


def common_seeds(seeds: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """The seeds that all have, in order. Raises CompareError when there is none."""
    common = tuple(sorted(set.intersection(*map(set, seeds.values()))))
    if not common:
        have = "; ".join(f"{name} has {in_words(found)}" for name, found in seeds.items())
        raise CompareError(f"no common replications, and only the same seeds can be compared: {have}")
    return common


def in_words(seeds: Sequence[int]) -> str:
    """Seeds in few words."""
    if not seeds:
        return "none"
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    whole = list(seeds) == list(range(seeds[0], seeds[-1] + 1))
    return f"seeds {seeds[0]}-{seeds[-1]}" if whole else f"{len(seeds)} seeds from {seeds[0]} to {seeds[-1]}"


def _common_quarters(runs: Mapping[str, Run]) -> tuple[str, ...]:
    shared = set.intersection(*(set(result.quarters) for result in runs.values()))
    if not shared:
        spans = "; ".join(f"{name} has {_span(result)}" for name, result in runs.items())
        raise CompareError(f"no common quarters: {spans}")
    return tuple(sorted(shared))


def _span(result: Run) -> str:
    return f"{result.quarters[0]} to {result.quarters[-1]}" if result.quarters else "no quarter"


def _notes(runs: Mapping[str, Run], seeds: Sequence[int], quarters: Sequence[str]) -> Iterator[str]:
    """What a reader must know about how comparable the runs are."""
    left_out = {name: set(result.seeds) - set(seeds) for name, result in runs.items()}
    if any(left_out.values()):
        have = "; ".join(f"{name} has {in_words(result.seeds)}" for name, result in runs.items())
        yield f"only the {len(seeds)} common replications are compared: {have}"
    if len({result.quarters for result in runs.values()}) > 1:
        spans = "; ".join(f"{name} has {_span(result)}" for name, result in runs.items())
        yield f"horizons differ, {quarters[0]} to {quarters[-1]} are compared: {spans}"
    if len({result.info.enterprises for result in runs.values()}) > 1:
        sizes = "; ".join(f"{name} has {result.info.enterprises:,}" for name, result in runs.items())
        yield f"numbers of enterprises differ, so luck does not cancel in full: {sizes}"
    if few := few_seeds(seeds):
        yield few


def few_seeds(seeds: Sequence[int]) -> str:
    """Why intervals over these seeds mean nothing or little; empty when there are FEWEST_SEEDS or more."""
    if len(seeds) == 1:
        return "one replication: no intervals, and no measure can be said to part"
    if len(seeds) < FEWEST_SEEDS:
        return (
            f"only {len(seeds)} replications: the 95 % intervals mean little and paths seem to part or meet by chance; "
            f"compare {FEWEST_SEEDS} or more (--replications)"
        )
    return ""


# ---- comparing ----


def compare(runs: Mapping[str, Run], notes: Iterable[str] = (), wanted: Iterable[str] = ()) -> Comparison:
    """Compare every run with the first one, the reference, on the seeds and quarters that all have.

    notes: what else a reader must know; wanted: names of measures beside the usual ones. Raises CompareError with fewer
    than two runs, no common seed or no common quarter.
    """
    if len(runs) < 2:
        raise CompareError("a comparison needs a reference and at least one other")
    reference, *others = runs
    seeds = common_seeds({name: result.seeds for name, result in runs.items()})
    quarters = _common_quarters(runs)
    every = all_measures() | {name: measure_of(name) for name in wanted}
    measures = tuple(m for m in every.values() if all(_has(result, m) for result in runs.values()))
    base = [_levels(runs[reference], m, seeds, quarters) for m in measures]
    frames, partings = [], {}
    for name in others:
        estimates = [
            estimate(_levels(runs[name], m, seeds, quarters), theirs) for m, theirs in zip(measures, base, strict=True)
        ]
        frames.append(_tidy((name, reference), measures, quarters, estimates))
        partings[name] = {m.name: parting_of(e, quarters) for m, e in zip(measures, estimates, strict=True)}
    return Comparison(
        reference,
        tuple(others),
        seeds,
        quarters,
        measures,
        pd.concat(frames, ignore_index=True),
        partings,
        {name: first_difference(runs[name], runs[reference], seeds, quarters) for name in others},
        (*_notes(runs, seeds, quarters), *notes),
    )


def _levels(result: Run, measure: Measure, seeds: Sequence[int], quarters: Sequence[str]) -> Floats:
    """A measure by seed and quarter."""
    rows = [result.seeds.index(seed) for seed in seeds]
    columns = [result.quarters.index(quarter) for quarter in quarters]
    return measure.read(result)[np.ix_(rows, columns)]


def _tidy(
    pair: tuple[str, str], measures: Sequence[Measure], quarters: Sequence[str], estimates: Sequence[Estimate]
) -> pd.DataFrame:
    """The rows of one pair, measure by measure and quarter by quarter."""
    span = len(quarters)
    return pd.DataFrame(
        {
            "scenario": pair[0],
            "reference": pair[1],
            "measure": np.repeat([m.measure for m in measures], span),
            "lens": np.repeat([m.lens for m in measures], span),
            "key": np.repeat([m.key for m in measures], span),
            "quarter": list(quarters) * len(measures),
            "mean_reference": np.concatenate([e.reference for e in estimates]),
            "mean": np.concatenate([e.scenario for e in estimates]),
            "difference": np.concatenate([e.difference for e in estimates]),
            "low": np.concatenate([e.low for e in estimates]),
            "high": np.concatenate([e.high for e in estimates]),
            "n": np.concatenate([e.n for e in estimates]),
        }
    )


def parting_of(found: Estimate, quarters: Sequence[str]) -> Parting:
    """Where a measure parts: from the first quarter whose interval excludes 0 for LASTING quarters in a row."""
    if np.isfinite(found.low).sum() < LASTING:
        return Parting("unknown")
    at = parting(found.low, found.high)
    return Parting("never") if at is None else Parting("parts", quarters[at])


# ---- the first number that differs ----

# What names a row within a seed and quarter; a table that is not here has one row.
_IDS: dict[str, tuple[str, ...]] = {
    "labs": ("lab",),
    "events": ("kind", "lab", "counterparty"),
    "investors": ("investor",),
    "investments": ("investor", "lab"),
    "stakes": ("lab", "holder"),
}


def first_difference(
    scenario: Run, reference: Run, seeds: Sequence[int], quarters: Sequence[str]
) -> FirstDifference | None:
    """The first quarter in which any recorded number of any table differs in any of the seeds; None when none does.

    Equality is exact. What only one side has (a lab, an event) differs as soon as it has a number; a lab that the other
    does not know counts from its entry. Residuals of the accounts are no number of the market and are passed over.
    """
    found: dict[str, int] = dict(_shares_that_differ(scenario, reference, seeds, quarters))
    for name in TABLES:
        pair = [_rows(result, name, seeds, quarters) for result in (scenario, reference)]
        for number, quarter in _numbers_that_differ(name, *_known_labs(name, *pair)):
            found[number] = quarters.index(quarter)
    if not found:
        return None
    earliest = min(found.values())
    declared = [f"{table}.{c.name}" for table, columns in COLUMNS.items() for c in columns]
    declared += [f"shares.{lens}" for lens in LENSES]
    numbers = sorted((number for number, at in found.items() if at == earliest), key=declared.index)
    return FirstDifference(quarters[earliest], tuple(numbers))


def _rows(result: Run, name: str, seeds: Sequence[int], quarters: Sequence[str]) -> pd.DataFrame:
    table = result.table(name)
    return table[table["replication"].isin(seeds) & table["quarter"].isin(quarters)]


def _known_labs(name: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables of labs without those that only one knows and that have not entered: they have no numbers yet."""
    if name != "labs":
        return ours, theirs
    both = set(ours["lab"]) & set(theirs["lab"])
    kept = [t[t["lab"].isin(both) | (t["status"] != "not_entered")] for t in (ours, theirs)]
    return kept[0], kept[1]


def _numbers_that_differ(name: str, ours: pd.DataFrame, theirs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """(table.column, first quarter in which it differs) of the numbers of a table that do."""
    shared = [
        c.name
        for c in COLUMNS[name]
        if (c.kind != "text" or c.name == "numbers")  # what a decision saw is kept as text
        and c.name not in CHECKS
        and {c.name} <= set(ours.columns) & set(theirs.columns)
    ]
    a, b = (_keyed(table, ["replication", "quarter", *_IDS.get(name, ())])[shared] for table in (ours, theirs))
    every = a.index.union(b.index)
    a, b = a.reindex(every), b.reindex(every)
    quarter = every.get_level_values("quarter").to_numpy()
    for number in shared:
        differs = ((a[number] != b[number]) & ~(a[number].isna() & b[number].isna())).to_numpy()
        if differs.any():
            yield f"{name}.{number}", min(quarter[differs])


def _keyed(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The table with an index that names each row: its keys, and which of those with the same keys it is."""
    named = table.assign(**{key: table[key].fillna("") for key in keys if table[key].isna().any()})
    return named.assign(which=named.groupby(keys, observed=True).cumcount()).set_index([*keys, "which"])


def _shares_that_differ(
    scenario: Run, reference: Run, seeds: Sequence[int], quarters: Sequence[str]
) -> Iterator[tuple[str, int]]:
    """(shares.LENS, position of the first quarter in which it differs) of the lenses that do."""
    pairs = sorted({*scenario.cube.keys.pairs, *reference.cube.keys.pairs})
    for lens in (lens for lens in scenario.cube.lenses if lens in reference.cube.lenses):
        a, b = (_lens(result, lens, pairs, seeds, quarters) for result in (scenario, reference))
        differs = ((a != b) & ~(np.isnan(a) & np.isnan(b))).any(axis=(0, 2, 3))
        if differs.any():
            yield f"shares.{lens}", int(differs.argmax())


def _lens(
    result: Run, lens: str, pairs: Sequence[tuple[str, str]], seeds: Sequence[int], quarters: Sequence[str]
) -> Floats:
    """Shares under a lens, shape (seeds, quarters, populations, pairs); a key that the run does not know has none."""
    cube = result.cube
    at = {pair: position for position, pair in enumerate(cube.keys.pairs)}
    values = cube.values[[result.seeds.index(seed) for seed in seeds]][:, [cube.quarters.index(q) for q in quarters]]
    values = values[:, :, :, cube.lenses.index(lens)]
    # Without the key its share is zero, as it is of a lab that is known and has not entered; null where none counts.
    none: NDArray[np.float64] = np.where(np.isnan(values).all(axis=-1, keepdims=True), np.nan, 0.0)
    parts = [values[..., at[pair], None] if pair in at else none for pair in pairs]
    return np.concatenate(parts, axis=-1)


# ---- runs on disk ----


def open_checked(path: Path) -> Run:
    """Open a run folder whose tables fit together. Raises sim.runs.folder.FolderError when it is none or damaged."""
    try:
        result = open_run(path)
        rows = len(result.table("market"))
    except (KeyError, TypeError) as error:
        raise FolderError(f"{path} is damaged: {error} is missing") from error
    if rows != len(result.seeds) * len(result.quarters):
        raise FolderError(f"{path} is damaged: market.parquet has {rows} rows, not one for each seed and quarter")
    return result


def refuse_other(folder: Path) -> None:
    """Raise FolderError unless a comparison may be written here: what it would replace must be one of ours."""
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} exists and is not a folder")
    if (folder / MANIFEST).exists():
        raise FolderError(f"{folder} holds a run; choose another folder with --out")
    taken = [f"{NAME}{suffix}" for suffix in SUFFIXES if (folder / f"{NAME}{suffix}").exists()]
    if taken and not _is_ours(folder / f"{NAME}.json"):
        raise FolderError(f"{folder / taken[0]} is not of a comparison and is left alone; choose another --out")


def _is_ours(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def version_notes(folders: Iterable[Path], running: bool) -> Iterator[str]:
    """Says so when the run folders are of different versions of moatsim; running: whether this one is among them."""
    versions = {__version__} if running else set()
    for folder in folders:
        written = read_manifest(folder).get("versions")
        versions.add(str(written.get("moatsim", "unknown")) if isinstance(written, dict) else "unknown")
    if len(versions) > 1:
        yield f"the runs are of different versions of moatsim ({', '.join(sorted(versions))}), which may differ as well"


def save(comparison: Comparison, folder: Path, document: dict[str, Any]) -> list[Path]:
    """Write the table as Parquet and CSV and the document as JSON; the paths written, the JSON last."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet, csv, summary = (folder / f"{NAME}{suffix}" for suffix in SUFFIXES[:3])
    schema = arrow_schema(TABLE, {"moatsim": __version__})
    batch = pa.Table.from_pandas(comparison.table, preserve_index=False).replace_schema_metadata(None)
    cast = batch.cast(schema.remove_metadata())
    write_parquet(parquet, schema, iter([pa.Table.from_arrays(cast.columns, schema=schema)]))
    write_atomic(csv, lambda temporary: comparison.table.to_csv(temporary, index=False))
    write_json(summary, document)
    return [parquet, csv, summary]


# ---- in words and as JSON ----


def shown_measures(comparison: Comparison, names: Sequence[str]) -> tuple[str, ...]:
    """The names to show: those given, which the runs must have, or those of SHOWN that they have."""
    if names:
        return tuple(comparison.measure(name).name for name in names)
    have = {measure.name for measure in comparison.measures}
    return tuple(name for name in SHOWN if name in have)


def shown_quarters(quarters: Sequence[str]) -> tuple[str, ...]:
    """One or two year ends inside the horizon, then the last quarter."""
    return (*(quarter for quarter in YEAR_ENDS if quarter in quarters[:-1]), quarters[-1])


def as_document(comparison: Comparison, names: Sequence[str]) -> dict[str, Any]:
    """The comparison as JSON: some measures at a few quarters, events, and for every measure where it parts."""
    return {
        "kind": KIND,
        "version": __version__,
        "reference": comparison.reference,
        "scenarios": list(comparison.scenarios),
        "seeds": list(comparison.seeds),
        "quarters": [comparison.quarters[0], comparison.quarters[-1]],
        "confidence": CONFIDENCE,
        "lasting_quarters": LASTING,
        "notes": list(comparison.notes),
        "pairs": [_pair_document(comparison, name, names) for name in comparison.scenarios],
    }


def _pair_document(comparison: Comparison, scenario: str, names: Sequence[str]) -> dict[str, Any]:
    first = comparison.first[scenario]
    at = shown_quarters(comparison.quarters)
    events = [m for m in comparison.measures if m.measure == EVENTS]
    return {
        "scenario": scenario,
        "first_difference": None if first is None else {"quarter": first.quarter, "numbers": list(first.numbers)},
        "measures": [_measure_document(comparison, scenario, comparison.measure(name), at) for name in names],
        "events": [_measure_document(comparison, scenario, m, at[-1:]) for m in events],
        "partings": {
            name: {"state": p.state, "quarter": p.quarter} for name, p in comparison.partings[scenario].items()
        },
    }


def _measure_document(comparison: Comparison, scenario: str, measure: Measure, at: Sequence[str]) -> dict[str, Any]:
    rows = comparison.rows(scenario, measure)
    found = comparison.partings[scenario][measure.name]
    return {
        "name": measure.name,
        "unit": measure.unit,
        "parts": {"state": found.state, "quarter": found.quarter},
        "at": {quarter: {name: _plain(rows.loc[quarter, name]) for name in _NUMBERS} for quarter in at},
    }


def _plain(value: Any) -> float | int | None:
    """A number as JSON has it: null for what is missing."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    return float(value) if math.isfinite(value) else None


PARTING_RULE = (
    f"parts from: first quarter from which the interval excludes 0 for at least {LASTING} quarters in a row (paths "
    "may meet again); differences of shares are in percentage points"
)
EVENT_HEADINGS = ("events so far, by kind", "reference", "scenario", "difference", "95 % interval", "parts from")
HEADINGS = ("measure", "quarter", "reference", "scenario", "difference", "95 % interval", "parts from")


def summary_rows(comparison: Comparison, scenario: str, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Lines of the printed table (columns of HEADINGS): each measure at a few quarters, and where it parts."""
    lines: list[tuple[str, ...]] = []
    for measure in map(comparison.measure, names):
        rows = comparison.rows(scenario, measure).loc[list(shown_quarters(comparison.quarters))]
        parts = parting_words(comparison.partings[scenario][measure.name])
        for number, (quarter, row) in enumerate(rows.iterrows()):
            name, when = ("", "") if number else (measure_words(measure), parts)
            lines.append((name, str(quarter), *_cells(row, measure.unit), when))
    return lines


def event_rows(comparison: Comparison, scenario: str) -> list[tuple[str, ...]]:
    """Lines of the printed table of events a run: kind, reference, scenario, difference, interval, where it parts."""
    lines: list[tuple[str, ...]] = []
    for measure in (m for m in comparison.measures if m.measure == EVENTS):
        last = comparison.rows(scenario, measure).iloc[-1]
        if last["mean_reference"] or last["mean"]:
            parts = parting_words(comparison.partings[scenario][measure.name])
            lines.append((measure.key, *_cells(last, measure.unit), parts))
    return lines


def _cells(row: pd.Series[Any], unit: str) -> tuple[str, str, str, str]:
    """Levels, difference and interval of a row in words."""
    levels = [in_unit(row[name], unit) for name in ("mean_reference", "mean")]
    gaps = [in_unit(row[name], unit) for name in ("difference", "low", "high")]
    digits = min(_digits(gaps), _digits(levels) + 2)
    low, high = (figures(value, digits, signed=True) for value in gaps[1:])
    interval = f"{low} to {high}" if math.isfinite(gaps[1]) else "-"
    shown = [figures(level, _digits(levels)) for level in levels]
    return shown[0], shown[1], figures(gaps[0], digits, signed=True), interval


def in_unit(value: float, unit: str) -> float:
    """The number as it is printed: shares in per cent, money in billions, all else as it is."""
    return value * factor_of(unit)


def factor_of(unit: str) -> float:
    """What a number in this unit is multiplied by before it is printed."""
    return 100.0 if unit == "0-1" else 1e-9 if is_money(unit) else 1.0


def is_money(unit: str) -> bool:
    """Whether a unit is an amount of money, and no price."""
    return unit.startswith(("USD", "2023 USD")) and "Mtok" not in unit


def measure_words(measure: Measure) -> str:
    """A measure's name with the unit in which it is printed."""
    unit = (
        "%"
        if measure.unit == "0-1"
        else measure.unit.removesuffix(" per quarter").replace("USD", "USD bn")
        if is_money(measure.unit)
        else ""
    )
    return ", ".join(part for part in (measure.name, unit) if part)


def parting_words(found: Parting) -> str:
    """Where a measure parts, for a table."""
    return {"parts": found.quarter or "", "never": "never", "unknown": "-"}[found.state]


def _digits(values: Sequence[float]) -> int:
    """Digits after the point that show the largest of the values with three figures."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 0 if largest == 0.0 else min(max(2 - math.floor(math.log10(largest)), 0), 6)


def figures(value: float, digits: int, signed: bool = False) -> str:
    """A number with so many digits after the point; a dash for none, and no sign on zero."""
    if not math.isfinite(value):
        return "-"
    rounded = round(float(value), digits)
    if rounded == 0.0:
        return "0"
    return f"{rounded:+,.{digits}f}" if signed else f"{rounded:,.{digits}f}"


def first_words(found: FirstDifference | None) -> str:
    """The first number that differs, in words."""
    if found is None:
        return "no recorded number differs: in these replications and quarters the runs are identical"
    more = f" and {len(found.numbers) - 3} more" if len(found.numbers) > 3 else ""
    return f"first recorded number to differ: {found.quarter}, {', '.join(found.numbers[:3])}{more}"
