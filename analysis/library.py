"""The shipped scenarios put to the test: what each file expects, against the baseline with the same seeds.

`python -m analysis.library --into docs/scenarios.md` runs every shipped scenario and writes verdicts and paired
differences into the page. It changes no parameter and no expectation.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from analysis import pages
from analysis.paired import Estimate, Floats, estimate, reader
from sim.quarters import QUARTERS_PER_YEAR, quarter_label, quarter_number
from sim.records.names import named
from sim.runs import run
from sim.runs.results import Run
from sim.scenario import Expectation, Scenario, load_scenario, shipped_scenarios

BASELINE = "baseline"
UNTIL = "2032Q4"
LATER = ("2028Q4", "2032Q4")  # quarters of the tables of differences
MARKS = ("<!-- generated: library -->", "<!-- end of library -->")

# Shown for every scenario, whatever it expects: heading -> measures.
TABLES: tuple[tuple[str, ...], ...] = (
    ("share.deployments.open", "share.total_spend.open", "share.api_spend.open", "share.tokens.open"),
    ("hhi", "cr3", "gap_elo", "gap_months", "record_training_cost_usd", "api_spend_usd"),
    ("active_labs", "independent_labs", "so_far.subscale_exits_and_rescues", "self_hosted_share"),
)

Verdict = Literal["holds", "not clear", "opposite"]


class LibraryError(ValueError):
    """The runs cannot be compared, or the page has no place for the tables."""


@dataclass(frozen=True)
class Finding:
    """What came of an expectation: mean of the baseline, mean difference with its 95 % interval, and the verdict."""

    scenario: str
    expected: Expectation
    reference: float
    difference: float
    low: float
    high: float
    verdict: Verdict


def trailing_year(values: Floats, quarters: Sequence[str], at: str) -> Floats:
    """Mean of the four quarters that end with `at`, for each seed: releases make single quarters jump.

    values: shape (seeds, quarters). Raises LibraryError when the run does not hold all four quarters.
    """
    last = quarter_number(at)
    wanted = [quarter_label(q) for q in range(last - QUARTERS_PER_YEAR + 1, last + 1)]
    missing = [quarter for quarter in wanted if quarter not in quarters]
    if missing:
        raise LibraryError(f"the run has no {missing[0]}")
    return np.asarray(values[:, [quarters.index(quarter) for quarter in wanted]].mean(axis=1))


def compared(scenario: Run, baseline: Run, measure: str, at: str) -> Estimate:
    """The paired difference of a measure in the year that ends with `at`. Raises LibraryError for other seeds."""
    if scenario.seeds != baseline.seeds:
        raise LibraryError(f"seeds {scenario.seeds} and {baseline.seeds} differ")
    read = reader(named(measure))
    ours, theirs = (trailing_year(read(r), r.quarters, at)[:, None] for r in (scenario, baseline))
    return estimate(ours, theirs)


def judged(expected: Expectation, low: float, high: float) -> Verdict:
    """Whether the 95 % interval of the difference lies wholly on the expected side of nothing, on the other, or not."""
    up, down = low > 0.0, high < 0.0
    if up or down:
        return "holds" if up == (expected.sign == "+") else "opposite"
    return "not clear"


def findings(scenario: Scenario, result: Run, baseline: Run) -> Iterator[Finding]:
    """Each expectation of a scenario, judged."""
    for expected in scenario.expects:
        found = compared(result, baseline, expected.measure, expected.quarter)
        low, high = float(found.low[0]), float(found.high[0])
        yield Finding(
            scenario.name,
            expected,
            float(found.reference[0]),
            float(found.difference[0]),
            low,
            high,
            judged(expected, low, high),
        )


# ---- as text ----


def number(value: float) -> str:
    """Three digits, large money in B."""
    size = abs(value)
    if size >= 1e8:
        return f"{value / 1e9:,.3g} B"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"


def signed(value: float) -> str:
    """The same with its sign."""
    return ("+" if value > 0.0 else "") + number(value)


def verdict_table(found: Sequence[Finding]) -> str:
    """A row for each expectation."""
    lines = _head(["scenario", "expects", "year to", "baseline", "difference (95 % interval)", "verdict"])
    for f in found:
        said = f.verdict if f.verdict == "holds" else f"**{f.verdict}**"
        gap = f"{signed(f.difference)} ({signed(f.low)} to {signed(f.high)})"
        expects = f"`{f.expected.measure}` {f.expected.sign}"
        lines.append(_row([f"`{f.scenario}`", expects, f.expected.quarter, number(f.reference), gap, said]))
    return "\n".join(lines)


def difference_table(runs: Mapping[str, Run], measures: Sequence[str]) -> str:
    """Levels of the baseline, then each scenario's paired differences in both years; in brackets where not clear."""
    baseline = runs[BASELINE]
    lines = _head(["scenario", *(f"`{name}`" for name in measures)])
    own = [[compared(baseline, baseline, name, at) for at in LATER] for name in measures]
    lines.append(_row(["*baseline*", *(" / ".join(number(float(e.reference[0])) for e in each) for each in own)]))
    for name, result in runs.items():
        if name == BASELINE:
            continue
        cells = [" / ".join(_cell(compared(result, baseline, m, at)) for at in LATER) for m in measures]
        lines.append(_row([f"`{name}`", *cells]))
    return "\n".join(lines)


def _cell(found: Estimate) -> str:
    text = signed(float(found.difference[0]))
    return text if found.low[0] > 0.0 or found.high[0] < 0.0 else f"({text})"


def _head(headings: Sequence[str]) -> list[str]:
    return [_row(headings), "|" + "---|" * len(headings)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def markdown(runs: Mapping[str, Run], found: Sequence[Finding]) -> str:
    """How many expectations hold, the verdicts, then the tables of differences."""
    result, kept = runs[BASELINE], sum(f.verdict == "holds" for f in found)
    against = sum(f.verdict == "opposite" for f in found)
    head = (
        f"{kept} of {len(found)} expected signs hold, {against} come out opposite, the rest are not clear. Seeds "
        f"{result.seeds[0]}-{result.seeds[-1]}, {result.info.enterprises:,} enterprises."
    )
    return "\n\n".join([head, verdict_table(found), *(difference_table(runs, names) for names in TABLES)])


def run_all(seeds: int, enterprises: int, workers: int, names: Sequence[str] = ()) -> dict[str, Run]:
    """The baseline and every other shipped scenario (or those named) with seeds 1..`seeds`, one after the other."""
    chosen = [entry.name for entry in shipped_scenarios() if not names or entry.name in (BASELINE, *names)]
    return {
        name: run(load_scenario(name), seeds=range(1, seeds + 1), until=UNTIL, enterprises=enterprises, workers=workers)
        for name in chosen
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shipped scenarios and print or place the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="shipped scenarios (all)")
    parser.add_argument("--seeds", type=int, default=40, help="seeds 1..N (40)")
    parser.add_argument("--enterprises", type=int, default=1000, help="simulated enterprises (1000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one per processor)")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write the tables between the marks of a page")
    given = parser.parse_args(arguments)
    runs = run_all(given.seeds, given.enterprises, given.workers, given.names)
    found = [f for name in runs for f in findings(load_scenario(name), runs[name], runs[BASELINE])]
    text = markdown(runs, found)
    if given.into is None:
        print(text)
    else:
        page = given.into.read_text(encoding="utf-8")
        given.into.write_text(pages.placed(f"\n{text}\n", page, MARKS, LibraryError), encoding="utf-8")
        verdicts = {" ".join((f.scenario, f.expected.measure, f.expected.quarter)): f.verdict for f in found}
        given.into.with_suffix(".json").write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
