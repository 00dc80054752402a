"""Simulated against published: every target of `targets.toml` computed from a run, with its distance and its band.

`python -m analysis.score` runs the baseline and prints the table as Markdown. Nothing here changes a parameter.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.quarters import QUARTERS_PER_YEAR, quarter_label, quarter_number
from sim.runs import run
from sim.runs.results import Run
from sim.scenario import load_scenario

Floats = NDArray[np.float64]

TARGETS = Path(__file__).resolve().parent / "targets.toml"
TOP_LABS = 5  # a sub-scale lab is independent and outside these by trailing-year revenue
SUBSCALE = "sub-scale labs"
# Measures that are ratios of flows: summed over a year as numerator over denominator, never as a mean of quarters.
RATIOS = {"loss_over_revenue": (("cost_usd", "revenue_usd"), "revenue_usd")}  # (plus, minus), over


class TargetError(ValueError):
    """A target asks for something that cannot be computed."""


@dataclass(frozen=True)
class Target:
    """One published number. `statistic` as in the header of targets.toml; `band` bounds the simulated value."""

    name: str
    measure: str
    value: float
    band: tuple[float, float]
    statistic: str
    quarters: tuple[str, ...]
    source: tuple[str, ...]
    lens: str = ""
    by: str = ""
    key: str = ""
    population: str = ""

    @property
    def group(self) -> str:
        """The first part of the name; a group passes when all its targets pass."""
        return self.name.split(".")[0]


def load_targets(path: Path = TARGETS) -> list[Target]:
    """The targets of a file, in its order. Raises TargetError for one without quarters or year."""
    tree = tomllib.loads(path.read_text(encoding="utf-8"))
    return [_target(f"{group}.{name}", entry) for group, entries in tree.items() for name, entry in entries.items()]


def _target(name: str, entry: dict[str, Any]) -> Target:
    low, high = entry["band"]
    return Target(
        name=name,
        measure=entry["measure"],
        value=float(entry["value"]),
        band=(float(low), float(high)),
        statistic=entry.get("statistic", "point"),
        quarters=_quarters(name, entry),
        source=tuple(entry["source"]),
        lens=entry.get("lens", ""),
        by=entry.get("by", ""),
        key=entry.get("key", ""),
        population=entry.get("population", ""),
    )


def _quarters(name: str, entry: dict[str, Any]) -> tuple[str, ...]:
    """The quarters a target speaks of: a year, a single one, or both ends of a range and all between."""
    if "year" in entry:
        return tuple(f"{entry['year']}Q{quarter}" for quarter in range(1, QUARTERS_PER_YEAR + 1))
    given = entry.get("quarters", [])
    if not given:
        raise TargetError(f"{name}: give 'quarters' or 'year'")
    return tuple(quarter_label(q) for q in range(quarter_number(given[0]), quarter_number(given[-1]) + 1))


# ---- what a run has to say: one row for each seed, one column for each quarter ----


def series(result: Run, target: Target) -> Floats:
    """The measure by seed and quarter of the target, shape (seeds, quarters); nan where it is not defined.

    Raises TargetError when the run does not reach the quarters or has no such measure.
    """
    missing = [quarter for quarter in target.quarters if quarter not in result.quarters]
    if missing:
        raise TargetError(f"{target.name}: the run has no {missing[0]}; run until {target.quarters[-1]}")
    at = [result.quarters.index(quarter) for quarter in target.quarters]
    if target.measure == "share":
        shares = result.shares(target.lens, target.by, target.population)
        if target.key not in shares.columns:
            raise TargetError(f"{target.name}: the run has no {target.by} '{target.key}'")
        return shares[target.key].to_numpy(np.float64).reshape(len(result.seeds), -1)[:, at]
    return _column(result, target, target.measure)[:, at]


def _column(result: Run, target: Target, column: str) -> Floats:
    """A column of the labs (when the target names one), market or funding table by seed and quarter."""
    if target.key:
        labs = result.table("labs")
        return _by_seed(result, labs[labs["lab"] == target.key], column)
    for table in ("market", "funding"):
        if column in result.table(table).columns:
            return _by_seed(result, result.table(table), column)
    raise TargetError(f"{target.name}: no table has a column '{column}'")


def _by_seed(result: Run, frame: pd.DataFrame, column: str) -> Floats:
    wide = frame.pivot(index="replication", columns="quarter", values=column)
    return wide.reindex(index=list(result.seeds), columns=list(result.quarters)).to_numpy(np.float64)


def flow_ratio(frame: pd.DataFrame, measure: str) -> Floats:
    """A ratio of yearly flows for each row of `frame` (columns of the labs table summed over a year).

    Without a denominator the loss is without measure: inf, or nan when there is no loss either.
    """
    (plus, minus), over = RATIOS[measure]
    loss = frame[plus].to_numpy(np.float64) - frame[minus].to_numpy(np.float64)
    whole = frame[over].to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(loss / whole)


def yearly_flows(result: Run, quarters: Sequence[str]) -> pd.DataFrame:
    """Revenue and cost of each lab over the quarters, USD, one row a seed and lab that was active in one of them."""
    labs = result.table("labs")
    during = labs[labs["quarter"].isin(quarters)]
    sums = during.groupby(["replication", "lab"])[["revenue_usd", "cost_usd"]].sum()
    active = (during["status"] == "active").groupby([during["replication"], during["lab"]]).any()
    ownership = during.groupby(["replication", "lab"])["ownership"].last()
    return sums.assign(ownership=ownership)[active].reset_index()


def subscale_labs(flows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the labs that are independent and outside the top five of all labs by the year's revenue, by seed."""
    ordered = flows.sort_values(["replication", "revenue_usd", "lab"], ascending=[True, False, True])
    rank = ordered.groupby("replication").cumcount()
    return ordered[(rank >= TOP_LABS) & (ordered["ownership"] == "independent")]


# ---- statistics: from (seeds, quarters) to one number for each seed ----


def _annual_factor(values: Floats) -> Floats:
    years = (values.shape[1] - 1) / QUARTERS_PER_YEAR
    return np.asarray((values[:, 0] / values[:, -1]) ** (1.0 / years))


def _median(values: Floats) -> Floats:
    """Median over the quarters in which the measure is defined."""
    return np.array([np.median(row[np.isfinite(row)]) if np.isfinite(row).any() else np.nan for row in values])


PER_SEED: dict[str, Callable[[Floats], Floats]] = {
    "point": lambda values: values[:, -1],
    "annualised": lambda values: QUARTERS_PER_YEAR * values[:, -1],
    "calendar_year_sum": lambda values: values.sum(axis=1),
    "calendar_year_mean": lambda values: values.mean(axis=1),
    "mean": lambda values: values.mean(axis=1),
    "median_over_quarters": _median,
    "annual_factor": _annual_factor,
    "run_maximum_median": lambda values: np.fmax.reduce(values, axis=1),
    "run_minimum_median": lambda values: np.fmin.reduce(values, axis=1),
    # The columns of the funding table count from the start and include the initial stock.
    "cumulative_since_start_plus_initial_stock": lambda values: values[:, -1],
}
OVER_SEEDS: dict[str, Callable[[Floats], Any]] = {"run_maximum_median": np.median, "run_minimum_median": np.median}


def values_by_seed(result: Run, target: Target) -> Floats:
    """The target's statistic in each seed, shape (seeds,). Raises TargetError when it cannot be computed."""
    if target.statistic == "calendar_year_ratio_median":
        if target.population != SUBSCALE:
            raise TargetError(f"{target.name}: {target.statistic} is for the population '{SUBSCALE}'")
        small = subscale_labs(yearly_flows(result, target.quarters))
        ratio = pd.Series(flow_ratio(small, target.measure)).groupby(small["replication"].to_numpy())
        return np.asarray(ratio.median().reindex(list(result.seeds)), dtype=np.float64)
    if target.statistic == "calendar_year_ratio":
        flows = yearly_flows(result, target.quarters)
        mine = flows[flows["lab"] == target.key].set_index("replication").reindex(list(result.seeds))
        return flow_ratio(mine, target.measure)
    if target.statistic not in PER_SEED:
        raise TargetError(f"{target.name}: unknown statistic '{target.statistic}'")
    return PER_SEED[target.statistic](series(result, target))


def simulated(result: Run, target: Target) -> float:
    """The one number to compare: ensemble mean (median where the statistic says so) over the seeds that have it."""
    values = values_by_seed(result, target)
    defined = values[~np.isnan(values)]
    over = OVER_SEEDS.get(target.statistic, np.mean)
    return float(over(defined)) if defined.size else float("nan")


def distance(target: Target, value: float) -> float:
    """z = (simulated - published) / half the band's width."""
    low, high = target.band
    return (value - target.value) / ((high - low) / 2.0)


def score(result: Run, targets: Sequence[Target] | None = None) -> pd.DataFrame:
    """Every target against a run, one row each, in the order of targets.toml.

    Columns: target, measure, value (published), low and high (the band), simulated, z, pass, source. A measure that
    no seed has is nan and does not pass. Raises TargetError for a run that ends too early.
    """
    rows = []
    for target in load_targets() if targets is None else targets:
        value = simulated(result, target)
        low, high = target.band
        rows.append(
            {
                "target": target.name,
                "measure": describe(target),
                "value": target.value,
                "low": low,
                "high": high,
                "simulated": value,
                "z": distance(target, value),
                "pass": bool(low <= value <= high),
                "source": ", ".join(target.source),
            }
        )
    return pd.DataFrame(rows)


def groups(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether each group passes: all its targets do. `table` is what `score` returns."""
    return table.groupby(table["target"].str.split(".").str[0], sort=False)["pass"].all()


def describe(target: Target) -> str:
    """What is measured, in words: measure, lens, key, population, statistic, quarters."""
    what = f"{target.lens} share of {target.key}" if target.measure == "share" else target.measure
    if target.key and target.measure != "share":
        what += f" of {target.key}"
    where = f", population {target.population}" if target.population not in ("", "all") else ""
    how = "" if target.statistic == "point" else f", {target.statistic.replace('_', ' ')}"
    first, last = target.quarters[0], target.quarters[-1]
    when = first if first == last else first[:4] if _whole_year(target.quarters) else f"{first} to {last}"
    return f"{what}{where}{how}, {when}"


def _whole_year(quarters: Sequence[str]) -> bool:
    return len(quarters) == QUARTERS_PER_YEAR and {q[:4] for q in quarters} == {quarters[0][:4]}


# ---- as text ----


def markdown(table: pd.DataFrame) -> str:
    """The score as a Markdown table, groups that pass counted in the last line."""
    lines = [
        "| target | measure | published | band | simulated | z | in band | source |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        band = f"{_number(row['low'])} to {_number(row['high'])}"
        inside = "yes" if row["pass"] else "**no**"
        lines.append(
            f"| {row['target']} | {row['measure']} | {_number(row['value'])} | {band} | {_number(row['simulated'])} "
            f"| {row['z']:+.1f} | {inside} | {row['source']} |"
        )
    passed = groups(table)
    return "\n".join(
        [
            *lines,
            "",
            f"{int(table['pass'].sum())} of {len(table)} targets in their band, "
            f"{int(passed.sum())} of {len(passed)} groups whole: {', '.join(passed[passed].index) or 'none'}.",
        ]
    )


def _number(value: float) -> str:
    """Three digits with a unit of size: 42 M, 3.5 B, 0.19."""
    for size, letter in ((1e9, " B"), (1e6, " M")):
        if np.isfinite(value) and abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a scenario as far as the targets reach and print its score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("scenario", nargs="?", default="baseline", help="shipped name or path (baseline)")
    parser.add_argument("--seeds", type=int, default=50, help="seeds 1..N (50)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    given = parser.parse_args(arguments)
    targets = load_targets()
    until = quarter_label(max(quarter_number(target.quarters[-1]) for target in targets))
    result = run(load_scenario(given.scenario), seeds=range(1, given.seeds + 1), workers=given.workers, until=until)
    print(markdown(score(result, targets)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
