"""How far one must go: the point on the way from the baseline to a scenario where a measure reaches a value.

`python -m analysis.reach open-majority share.deployments.open 0.7 2032Q4` moves every dated change of the scenario
together, 0 the baseline, 1 the file, and finds by bisection where the mean over the seeds crosses the value.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from analysis.library import BASELINE, trailing_year
from analysis.paired import reader
from sim.records.names import named
from sim.runs import run
from sim.scenario import Scenario, diff, load_scenario
from sim.shocks import value_at

STEPS = 6  # bisections of the way: to within a sixtieth of it
FURTHEST = 2.0


class ReachError(ValueError):
    """The way does not lead there."""


def along(scenario: Scenario, part: float) -> Scenario:
    """The scenario with each dated value `part` of the way from the baseline's, factors as powers.

    Raises ReachError for a change that is no number.
    """
    whole = load_scenario(BASELINE)
    for key, _, _ in diff(whole, scenario):
        if not key.startswith("shocks"):
            raise ReachError(f"{key} differs from the first day on: only dated changes have a way")
    baseline = whole.parameters
    moved = scenario.parameters.model_copy(deep=True)
    for row in moved.shocks[len(baseline.shocks) :]:
        if row.factor is not None:
            row.factor = row.factor**part
            continue
        before = value_at(baseline, row.key)
        if isinstance(before, bool) or not isinstance(before, float | int) or not isinstance(row.value, float | int):
            raise ReachError(f"{row.key} is no number: there is no way towards it")
        row.value = before + part * (row.value - before)
    return Scenario(**{**vars(scenario), "parameters": moved})


def crossing(value: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Where a value that moves one way over low..high crosses `wanted`, by bisection. Raises ReachError if nowhere."""
    first, last = value(low), value(high)
    if not min(first, last) <= wanted <= max(first, last):
        raise ReachError(f"from {first:.3g} to {last:.3g}: {wanted:g} is not on the way")
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        here = value(middle)
        if (here < wanted) == (first < wanted):
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, saying each point that was tried."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("scenario", help="shipped name or path")
    parser.add_argument("measure", help="a name of sim.records.names, such as share.deployments.open")
    parser.add_argument("value", type=float)
    parser.add_argument("quarter", help="the year that ends so")
    parser.add_argument("--seeds", type=int, default=12, help="seeds 101..100+N (12): others than those that judge it")
    parser.add_argument("--enterprises", type=int, default=1000, help="simulated enterprises (1000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one per processor)")
    given = parser.parse_args(arguments)
    scenario, read = load_scenario(given.scenario), reader(named(given.measure))

    def level(part: float) -> float:
        result = run(
            along(scenario, part), seeds=range(101, 101 + given.seeds), until=given.quarter,
            enterprises=given.enterprises, workers=given.workers,
        )  # fmt: skip
        mean = float(trailing_year(read(result), result.quarters, given.quarter).mean())
        print(f"{part:.3f} of the way: {mean:.3f}", file=sys.stderr, flush=True)
        return mean

    print(f"{crossing(level, given.value, 0.0, FURTHEST):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
