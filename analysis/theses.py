"""The theses of the shipped scenarios put to the test: each against the baseline with the same seeds.

`python -m analysis.theses --into docs/scenarios.md` runs every shipped scenario and writes the paired differences,
with a verdict on each claim of a thesis, into the page. It changes no parameter.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis import pages
from analysis.paired import Floats, Read, column, difference, share, so_far, standard_error, table_column
from sim.quarters import QUARTERS_PER_YEAR, quarter_label, quarter_number
from sim.runs import run
from sim.runs.results import Run
from sim.scenario import load_scenario, shipped_scenarios

BASELINE = "baseline"
QUARTERS = ("2028Q4", "2032Q4")
ERRORS = 2.0  # a difference counts when it exceeds so many of its standard errors over the seeds
MARKS = ("<!-- generated: theses -->", "<!-- end of theses -->")


class ThesesError(ValueError):
    """The runs cannot be compared, or the page has no place for the tables."""


@dataclass(frozen=True)
class Measure:
    """How a number is read from a run and two runs are compared.

    `read` gives it by seed and quarter, shape (seeds, quarters); a difference is printed in `unit` after multiplying
    by `scale`, or in per cent of the baseline where `relative`; one below `notable` is too small to speak of.
    """

    heading: str
    unit: str
    read: Read
    notable: float
    scale: float = 1.0
    relative: bool = False
    digits: int = 0


def private_funding(result: Run) -> Floats:
    """Private funding of all labs so far, the initial stock included, USD."""
    camps = (table_column("funding", f"cumulative_{camp}_usd")(result) for camp in ("open", "closed"))
    return np.asarray(sum(camps))


def _points(heading: str, read: Read) -> Measure:
    """A share in percentage points."""
    return Measure(heading, "pp", read, notable=1.0, scale=100.0, digits=1)


def _per_cent(heading: str, name: str) -> Measure:
    """A column of the market table, compared in per cent."""
    return Measure(heading, "%", column(name), notable=5.0, relative=True)


def _count(heading: str, read: Read) -> Measure:
    """A number of labs or of what happened to them."""
    return Measure(heading, "count", read, notable=0.5, digits=1)


MEASURES: dict[str, Measure] = {
    "open": _points("open, deployments", share("deployments", "openness", "open", "enterprise")),
    "open_spend": _points("open, API spend", share("api_spend", "openness", "open", "all")),
    "hhi": Measure("HHI", "points", column("hhi"), notable=50.0),
    "gap": Measure("gap", "Elo", column("gap_elo"), notable=10.0),
    "record": _per_cent("record training cost", "record_training_cost_usd"),
    "self_hosted": _points("self-hosted, deployments", share("deployments", "mode", "self_hosted", "enterprise")),
    "lag": Measure("gap", "months", column("gap_months"), notable=1.0, digits=1),
    "frontier": Measure("best closed model", "OOM", column("best_closed_oom"), notable=0.1, digits=2),
    "price": _per_cent("going price, customer-facing work", "going_price_customer_facing"),
    "spend": _per_cent("API spend", "api_spend_usd"),
    "leaders": _points("top three, API spend", column("cr3")),
    "europe": _points("European labs, deployments", share("deployments", "region", "eu", "enterprise")),
    "china": _points("Chinese labs, deployments", share("deployments", "region", "china", "enterprise")),
    "labs": _count("active labs", column("active_labs")),
    "independent": _count("independent labs", column("independent_labs")),
    "exits": _count("exits and rescues so far", so_far("acquihire", "merger", "winddown", "restructuring")),
    "entries": _count("labs entered so far", so_far("entry")),
    "blocked": _count("deals blocked so far", so_far("blocked_merger")),
    "funding": Measure("private funding so far", "%", private_funding, notable=5.0, relative=True),
    "open_funding": _points(
        "open labs, private funding so far", table_column("funding", "open_share_of_private_funding")
    ),
}
TABLES: tuple[tuple[str, ...], ...] = (
    ("open", "open_spend", "hhi", "gap", "record", "self_hosted"),
    ("lag", "frontier", "price", "spend", "leaders", "europe", "china"),
    ("labs", "independent", "exits", "entries", "blocked", "funding", "open_funding"),
)
# Scenarios that make no claim: worlds to compare with.
REFERENCES: tuple[str, ...] = ("dated_history",)
# What each thesis says should happen: +1 more, -1 less than in the baseline.
CLAIMS: dict[str, Mapping[str, int]] = {
    "slow_frontier": {"frontier": -1, "gap": -1, "lag": -1, "open": +1},
    "fast_costs": {"record": +1, "hhi": +1, "gap": +1, "labs": -1, "exits": +1},
    "no_moats": {"gap": -1, "hhi": -1, "price": -1, "open": +1},
    "interface_wins": {"open": -1, "leaders": +1, "hhi": +1},
    "tooling_matures": {"self_hosted": +1, "open": +1},
    "giants_close": {"gap": +1, "lag": +1, "open": -1},
    "efficiency_shock": {"price": -1, "hhi": -1, "open": +1, "exits": -1},
    "price_war": {"price": -1, "spend": -1, "open": -1, "labs": -1, "exits": +1},
    "sovereignty": {"open": +1, "europe": +1},
    "export_controls": {"china": -1, "open": -1},
    "talent_war": {"frontier": -1, "gap": -1},
    "agents_frontier": {"gap": +1, "lag": +1, "spend": +1, "open_spend": -1},
    "funding_winter": {"funding": -1, "exits": +1, "independent": -1, "hhi": +1},
    "no_parent_subsidy": {"gap": +1, "lag": +1, "open": -1, "labs": -1},
    "strict_review": {"blocked": +1, "independent": +1, "hhi": -1},
}


def trailing_year(values: Floats, quarters: Sequence[str], at: str) -> Floats:
    """Mean of the four quarters that end with `at`, for each seed.

    values: shape (seeds, quarters). Raises ThesesError when the run does not hold all four quarters.
    """
    last = quarter_number(at)
    wanted = [quarter_label(q) for q in range(last - QUARTERS_PER_YEAR + 1, last + 1)]
    missing = [quarter for quarter in wanted if quarter not in quarters]
    if missing:
        raise ThesesError(f"the run has no {missing[0]}")
    return np.asarray(values[:, [quarters.index(quarter) for quarter in wanted]].mean(axis=1))


def paired_difference(scenario: Run, baseline: Run, measure: Measure, at: str) -> Floats:
    """Scenario less baseline, seed by seed, in the unit of the measure; shape (seeds,).

    Raises ThesesError when the seeds differ, for then luck would not cancel.
    """
    if scenario.seeds != baseline.seeds:
        raise ThesesError(f"seeds {scenario.seeds} and {baseline.seeds} differ")
    ours, theirs = (trailing_year(measure.read(r), r.quarters, at) for r in (scenario, baseline))
    return measure.scale * difference(ours, theirs, measure.relative)


def is_clear(found: Floats) -> bool:
    """Whether the mean difference exceeds twice its standard error over the seeds."""
    error = float(standard_error(found)) if found.size > 1 else 0.0
    return bool(abs(found.mean()) >= ERRORS * error)


def verdict(found: Floats, expected: int, notable: float) -> str:
    """`yes` or `opposite` when the difference is clear and large enough to speak of, else `no`."""
    towards = expected * float(found.mean())
    if not is_clear(found) or abs(towards) < notable:
        return "no"
    return "yes" if towards > 0.0 else "**opposite**"


# ---- as text ----


def cell(found: Floats, digits: int) -> str:
    """Mean difference with its sign, in brackets when it is not clear."""
    rounded = round(float(found.mean()), digits)
    text = f"{rounded:+.{digits}f}" if rounded else f"{0.0:.{digits}f}"
    return text if is_clear(found) else f"({text})"


def level(values: Floats, measure: Measure) -> str:
    """Mean over the seeds: shares in per cent, large money in B USD, all else as the tables hold it."""
    mean = float(values.mean()) * measure.scale
    return f"{mean / 1e9:.2f} B" if mean >= 1e8 else f"{mean:.0f}" if mean >= 100 else f"{mean:.1f}"


def differences(runs: Mapping[str, Run], names: Sequence[str]) -> str:
    """A table of some measures: levels of the baseline, then each scenario's paired differences at both dates."""
    baseline, measures = runs[BASELINE], [MEASURES[name] for name in names]
    heads = [f"{m.heading}, {m.unit}" for m in measures]
    levels = [[level(trailing_year(m.read(baseline), baseline.quarters, at), m) for at in QUARTERS] for m in measures]
    lines = [*_head(["scenario", *heads]), _row(["*baseline, level*", *map(" / ".join, levels)])]
    for name, result in runs.items():
        if name != BASELINE:
            found = [
                " / ".join(cell(paired_difference(result, baseline, m, at), m.digits) for at in QUARTERS)
                for m in measures
            ]
            lines.append(_row([f"`{name}`", *found]))
    return "\n".join(lines)


def verdicts(runs: Mapping[str, Run]) -> str:
    """A table of every claim: what was expected, the paired differences, and whether the model shows it."""
    lines = _head(["scenario", "claim", *QUARTERS, *(f"shows by {at[:4]}?" for at in QUARTERS)])
    for name in (name for name in runs if name in CLAIMS):
        for key, expected in CLAIMS[name].items():
            m = MEASURES[key]
            found = [paired_difference(runs[name], runs[BASELINE], m, at) for at in QUARTERS]
            claim = f"{m.heading}: {'more' if expected > 0 else 'less'}"
            cells = [f"{cell(d, m.digits)} {m.unit}" for d in found]
            lines.append(_row([f"`{name}`", claim, *cells, *(verdict(d, expected, m.notable) for d in found)]))
    return "\n".join(lines)


def _head(headings: Sequence[str]) -> list[str]:
    return [_row(headings), "|" + "---|" * len(headings)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def markdown(runs: Mapping[str, Run]) -> str:
    """The verdicts, then the tables of differences."""
    result = runs[BASELINE]
    sample = f"Seeds {result.seeds[0]}-{result.seeds[-1]}, {result.info.enterprises:,} enterprises."
    return "\n\n".join([verdicts(runs), *(differences(runs, names) for names in TABLES), sample])


def run_all(seeds: int, enterprises: int, workers: int, names: Sequence[str] = ()) -> dict[str, Run]:
    """The baseline and every other shipped scenario (or those named) with seeds 1..`seeds`, one after the other."""
    chosen = [entry.name for entry in shipped_scenarios() if not names or entry.name in (BASELINE, *names)]
    return {
        name: run(
            load_scenario(name),
            seeds=range(1, seeds + 1),
            until=QUARTERS[-1],
            enterprises=enterprises,
            workers=workers,
        )
        for name in chosen
    }


def placed(text: str, page: str) -> str:
    """The page with `text` between its marks. Raises ThesesError when it has none."""
    return pages.placed(f"\n{text}\n", page, MARKS, ThesesError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shipped scenarios and print or place the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="shipped scenarios (all)")
    parser.add_argument("--seeds", type=int, default=16, help="seeds 1..N (16)")
    parser.add_argument("--enterprises", type=int, default=2000, help="simulated enterprises (2000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one per processor)")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write the tables between the marks of a page")
    given = parser.parse_args(arguments)
    text = markdown(run_all(given.seeds, given.enterprises, given.workers, given.names))
    if given.into is None:
        print(text)
    else:
        given.into.write_text(placed(text, given.into.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
