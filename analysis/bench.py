"""How long a run takes and where the time goes: `make bench`.

Ratios are measured side by side in one process, alternating, because machines differ and drift. Nothing here is a test.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from sim.market import Market
from sim.plain import PlainMarket
from sim.runs import run
from sim.runs.workers import processors
from sim.scenario import Scenario, load_scenario, override_scenario

VERBS = (
    "open_books",
    "apply_shocks_and_advance_trends",
    "labs_plan_and_train",
    "labs_release_and_retire",
    "labs_post_prices",
    "enterprises_adopt",
    "enterprises_choose",
    "settle_invoices",
    "investors_fund_labs",
    "labs_change_hands",
    "check_identities",
    "record",
)
RUNS = 5
PLAIN_ENTERPRISES = 500
PLAIN_QUARTERS = 16
COST, DEARER = "technology.serving_cost_initial", 1.05  # the change whose effect is told from luck
PAIRS, PAIRED_ENTERPRISES, YEARS = 24, 1_000, ("2024Q4", "2026Q4", "2028Q4")
PAIRED = ("total_spend_usd", "api_spend_usd", "hhi", "open_share", "best_closed_oom")


class Stopwatch:
    """CPU seconds by name."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed under a name."""

        def timed(*arguments: Any) -> Any:
            start = time.process_time()
            try:
                return function(*arguments)
            finally:
                self.seconds[name] += time.process_time() - start

        return timed


class TimedMarket(Market):
    """A market that counts its decisions and times the kernel."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.watch = Stopwatch()
        self.decisions = 0
        self.cells = 0
        for verb in VERBS:
            setattr(self, verb, self.watch.around(verb, getattr(self, verb)))
        super().__init__(*arguments, **options)

    def decide(self, due: Any, seen: Any, switching: Any, draws: Any) -> Any:
        """The kernel, timed; offers are counted to give ns per cell."""
        self.decisions += len(due)
        self.cells += len(due) * self.menu.size
        return self.watch.around("kernel", super().decide)(due, seen, switching, draws)


class Rivals(PlainMarket):
    """Kernel and per-agent rule on the same decisions of the same market, timed alternately."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.watch = Stopwatch()
        self.decisions = 0
        self.different = 0
        super().__init__(*arguments, **options)

    def decide(self, due: Any, seen: Any, switching: Any, draws: Any) -> Any:
        """Both answers; the kernel's is used."""
        kernel = self.watch.around("kernel", super(PlainMarket, self).decide)(due, seen, switching, draws)
        plain = self.watch.around("agents", super().decide)(due, seen, switching, draws)
        self.decisions += len(due)
        self.different += int(np.count_nonzero(kernel != plain))
        return kernel


def timed_runs(scenario: Scenario) -> tuple[list[float], TimedMarket]:
    """Wall seconds of whole runs, build included, and the last market."""
    seconds = []
    market = TimedMarket(scenario, seed=0)
    market.run()  # warm-up
    for seed in range(1, RUNS + 1):
        start = time.perf_counter()
        market = TimedMarket(scenario, seed=seed)
        market.run()
        seconds.append(time.perf_counter() - start)
    return seconds, market


def peak_megabytes(scenario: Scenario) -> float:
    """Largest memory that one run allocates above what imports hold."""
    tracemalloc.start()
    Market(scenario, seed=1).run()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def variance_ratios(scenario: Scenario) -> dict[str, list[float]]:
    """Variance of a difference of worlds with luck of their own over that with the same luck, by measure and year.

    The worlds differ by serving being dearer by a twentieth. With own luck the variance is the sum of both worlds'.
    """
    value = scenario.parameters.technology.serving_cost_initial
    worlds = (scenario, override_scenario(scenario, {COST: DEARER * value}))
    seeds = range(1, PAIRS + 1)
    plain, dear = (
        run(world, seeds=seeds, workers=processors(), until=YEARS[-1], enterprises=PAIRED_ENTERPRISES).market
        for world in worlds
    )
    found = {}
    for name in PAIRED:
        a, b = (table[name].unstack("replication").loc[list(YEARS)].to_numpy(float) for table in (plain, dear))
        own = a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)
        found[name] = (own / (a - b).var(axis=1, ddof=1)).tolist()
    return found


def loop_speed() -> float:
    """Seconds of a plain Python loop of five million additions: what this machine is worth today."""
    start = time.perf_counter()
    total = 0
    for i in range(5_000_000):
        total += i
    return time.perf_counter() - start


def main() -> None:
    """Print the measurements."""
    scenario = load_scenario("baseline")
    p = scenario.parameters.run
    print(f"this machine: 5 million additions in a Python loop take {loop_speed():.2f} s")
    seconds, market = timed_runs(scenario)
    quarters = len(market.records.quarters)
    print(f"one run ({p.enterprises} enterprises, {quarters} quarters), wall seconds on one core, {RUNS} runs:")
    print(f"  median {statistics.median(seconds):.3f}   min {min(seconds):.3f}   max {max(seconds):.3f}")
    print("phases of the last run, CPU ms:")
    for verb in VERBS:
        print(f"  {verb:34s}{1e3 * market.watch.seconds[verb]:8.1f}")
    kernel = market.watch.seconds["kernel"]
    print(
        f"choice kernel: {market.decisions} decisions over {market.cells / market.decisions:.0f} offers, "
        f"{1e9 * kernel / market.decisions:.0f} ns per decision, {1e9 * kernel / market.cells:.1f} ns per offer seen"
    )
    print(f"memory of one run above imports: {peak_megabytes(scenario):.0f} MB")
    until = market.records.quarters[PLAIN_QUARTERS - 1]
    rivals = Rivals(scenario, seed=1, enterprises=PLAIN_ENTERPRISES, until=until)
    rivals.run()
    agents, fast = rivals.watch.seconds["agents"], rivals.watch.seconds["kernel"]
    print(
        f"per-agent rule against kernel, same {rivals.decisions} decisions of one market of {PLAIN_ENTERPRISES}: "
        f"{1e6 * agents / rivals.decisions:.0f} us against {1e6 * fast / rivals.decisions:.1f} us, "
        f"ratio {agents / fast:.0f}, {rivals.different} different"
    )
    print(f"common random numbers: variance of a difference, own luck over same luck, serving {DEARER - 1:.0%} dearer")
    print(f"  {PAIRS} seeds, {PAIRED_ENTERPRISES} enterprises; in {', '.join(YEARS)}:")
    for name, ratios in variance_ratios(scenario).items():
        print(f"  {name:34s}" + "".join(f"{ratio:8.1f}" for ratio in ratios))


if __name__ == "__main__":
    main()
