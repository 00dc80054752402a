"""Patterns of consolidation over many seeds: what the market for money and control brings forth, and what it does not.

`python -m analysis.patterns --into docs/patterns.md` runs the baseline with and without parents' transfers and the
worlds of Sutton (1991), writes the tables between the marks of the page and the numbers beside it, as JSON. Nothing is
fitted and no parameter of the baseline is changed; `--drawn` writes the page from the kept numbers without a run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import pages
from sim import __version__
from sim.quarters import quarter_number
from sim.records import counted_as
from sim.runs import run
from sim.runs.results import Run
from sim.scenario import Scenario, load_scenario

Floats = NDArray[np.float64]

BASELINE = "baseline"
MARKS = ("<!-- generated: patterns -->", "<!-- end of patterns -->")
NORMAL_95 = 1.96  # standard errors on either side of a 95 % interval

# What the patterns are held against.
EXITS_BY, EXITS_WITHIN = "2025Q4", (1.0, 6.0)
OPEN_PART_AT, OPEN_PART_WITHIN = "2024Q3", (0.15, 0.45)
SURVIVORS_AT = ("2030Q4", "2032Q4")
SUTTON_AT, SUTTON_BOUND = "2030Q4", 1.25  # a fourfold market brings fewer more labs than this, or more

LARGER = 4.0
MARKET = ("segments.*.firms", "seats.market_initial")
GIANTS = ("funding.parent_cap", "labs.*.own_use", "labs.*.tiers.*.complement")
PURSES = ("investors.*.dry_powder",)
FOUNDERS = ("founding.rate",)
COSTS: dict[str, dict[str, object]] = {"endogenous": {}, "fixed": {"technology.training_cost_growth": 1.0}}
ROOM: dict[str, object] = {"founding.places": 60}  # enough that no world runs out of places for new labs
FEWER_FOUNDERS = 0.1  # of the founding rate of the baseline

COUNTS = ("active", "backed", "named", "founded", "foundings", "exits")
SIZES = ("record_b_usd", "revenue_b_usd")


class PatternsError(ValueError):
    """The runs or kept numbers cannot be used, or the page has no place for the tables."""


@dataclass(frozen=True)
class Variant:
    """A pair of worlds, small and large.

    `both` is set in both, `grows` goes with the market in the large one, `rarer` is FEWER_FOUNDERS times as large in
    both (`grows` and `rarer` are patterns of dotted keys).
    """

    words: str
    both: Mapping[str, object]
    grows: tuple[str, ...] = ()
    rarer: tuple[str, ...] = ()


SHIPPED = "shipped"
VARIANTS: dict[str, Variant] = {
    SHIPPED: Variant("as the baseline is", {}),
    "no_transfers": Variant("parents pay nothing", {"switches.parent_transfers": False}),
    "giants": Variant("giants' means and uses x4 too", {}, GIANTS),
    "money": Variant("giants' and investors' means x4 too", {}, GIANTS + PURSES),
    "founders": Variant("founders a tenth as frequent", {}, (), FOUNDERS),
    "both": Variant("giants' and investors' means x4, founders a tenth as frequent", {}, GIANTS + PURSES, FOUNDERS),
}

World = dict[str, list[float]]
"""Numbers of a world at SUTTON_AT, by seed: COUNTS, and SIZES in B USD (record run; revenue of active labs a year)."""


@dataclass(frozen=True)
class Numbers:
    """All that the page says, each list by seed. Survivors: {with/without transfers: {quarter: labs}}.

    enterprises: simulated in the baseline, and in the worlds of Sutton's test.
    """

    version: str
    scenario: str
    seeds: int
    enterprises: tuple[int, int]
    exits: list[float]
    giants_gone: list[float]
    giants_in_debt: list[float]
    open_part: list[float]
    survivors: dict[str, dict[str, list[float]]]
    giants_left: dict[str, list[float]]
    events: dict[str, dict[str, float]]
    worlds: dict[str, World]


# ---- what is read from a run; each of shape (seeds,)


def exits_and_rescues(result: Run) -> Floats:
    """Sub-scale labs that exited or were rescued up to the end of EXITS_BY."""
    market = result.table("market")
    early = market[market["quarter"].map(quarter_number) <= quarter_number(EXITS_BY)]
    return _by_seed(result, early.groupby("replication")["subscale_exits_and_rescues"].sum())


def giants_gone(result: Run) -> Floats:
    """Giants' labs that ever exited."""
    labs = _giants(result)
    return _by_seed(result, labs[labs["status"] == "exited"].groupby("replication")["lab"].nunique())


def giants_in_debt(result: Run) -> Floats:
    """Giants' labs that ever ended a quarter with more trade debt than cash."""
    labs = _giants(result)
    return _by_seed(result, labs[labs["debt_usd"] > labs["cash_usd"]].groupby("replication")["lab"].nunique())


def giants_left(result: Run) -> Floats:
    """Giants' labs that are active in the last quarter."""
    labs = _giants(result)
    left = labs[(labs["quarter"] == result.quarters[-1]) & (labs["status"] == "active")]
    return _by_seed(result, left.groupby("replication").size())


def _giants(result: Run) -> pd.DataFrame:
    labs = result.table("labs")
    return labs[labs["ownership"] == "giant"]


def open_part(result: Run) -> Floats:
    """Part (0-1) of private funding since 2020, the initial stock included, that open labs had by OPEN_PART_AT."""
    funding = result.table("funding")
    now = funding[funding["quarter"] == OPEN_PART_AT]
    return _by_seed(result, now.set_index("replication")["open_share_of_private_funding"])


def survivors(result: Run, quarter: str) -> Floats:
    """Active independent labs in a quarter."""
    market = result.table("market")
    return _by_seed(result, market[market["quarter"] == quarter].set_index("replication")["independent_labs"])


def _by_seed(result: Run, values: pd.Series) -> Floats:
    """Values by replication, in order of the seeds; 0 for a seed that has none."""
    return values.reindex(list(result.seeds), fill_value=0).to_numpy(np.float64)


def events_by_year(result: Run) -> dict[str, dict[str, float]]:
    """Mean number of events of a year over the seeds, {kind: {year: events}}, shocks by what they are; most first."""
    events = result.table("events")
    years = events["quarter"].str[:4]
    table = events.groupby([counted_as(events).rename("kind"), years]).size().unstack(fill_value=0) / len(result.seeds)
    ordered = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    return {str(kind): {str(y): float(n) for y, n in row.items()} for kind, row in ordered.iterrows()}


def world_of(result: Run) -> World:
    """The numbers of a world in the last quarter of its run; who was founded in the run is no named lab."""
    labs, events, last = result.table("labs"), result.table("events"), result.quarters[-1]
    active = labs[(labs["quarter"] == last) & (labs["status"] == "active")]
    backed, named = active["ownership"] != "independent", active["lab"].isin(_named(result.scenario))
    born, ended = events["kind"] == "entry", events["kind"].isin(["winddown", "acquihire", "merger"])
    record = result.table("market").query("quarter == @last").set_index("replication")["record_training_cost_usd"]
    rows = {
        "active": active,
        "backed": active[backed],
        "named": active[named & ~backed],
        "founded": active[~named],
        "foundings": events[born & ~events["lab"].isin(_named(result.scenario))],
        "exits": events[ended],
    }
    found = {name: _by_seed(result, kept.groupby("replication").size()).tolist() for name, kept in rows.items()}
    revenue = 4e-9 * active.groupby("replication")["revenue_usd"].sum()
    found["record_b_usd"] = (1e-9 * _by_seed(result, record)).tolist()
    found["revenue_b_usd"] = _by_seed(result, revenue).tolist()
    return found


def _named(scenario: Scenario) -> list[str]:
    return list(scenario.parameters.labs)


# ---- the worlds


def scaled(scenario: Scenario, patterns: Sequence[str], factor: float) -> dict[str, object]:
    """Overrides that multiply every value whose dotted key fits one of the patterns.

    Raises PatternsError for a pattern that fits nothing, for then nothing would grow and nobody would notice.
    """
    found: dict[str, object] = {}
    for pattern in patterns:
        keys = [key for key in scenario.provenance if fnmatchcase(key, pattern)]
        if not keys:
            raise PatternsError(f"the scenario has no parameter {pattern}")
        found |= {key: factor * scenario.provenance[key].value for key in keys}
    return found


def overrides(base: Scenario, variant: Variant, cost: str, factor: float) -> dict[str, object]:
    """What makes a world of the baseline `base`; `factor` is the size of its market."""
    sizes = {} if factor == 1.0 else scaled(base, MARKET + variant.grows, factor)
    rarer = scaled(base, variant.rarer, FEWER_FOUNDERS)
    return {**ROOM, **sizes, **rarer, **COSTS[cost], **variant.both}


def world_name(variant: str, cost: str, factor: float) -> str:
    """The name of a world in the kept numbers. Small worlds that differ in nothing share one."""
    ours = VARIANTS[variant]
    same = next(v for v, other in VARIANTS.items() if (other.both, other.rarer) == (ours.both, ours.rarer))
    return f"{variant if factor != 1.0 else same} {cost} x{factor:.0f}"


def run_worlds(seeds: int, diagnosed: int, enterprises: int, workers: int) -> dict[str, World]:
    """Every world of Sutton's test until SUTTON_AT: the baseline's with all seeds, the others with fewer."""
    found: dict[str, World] = {}
    base = load_scenario(BASELINE)
    for name, variant in VARIANTS.items():
        for cost in COSTS:
            for factor in (1.0, LARGER):
                key = world_name(name, cost, factor)
                if key in found:
                    continue
                scenario = load_scenario(BASELINE, overrides(base, variant, cost, factor))
                chosen = range(1, (seeds if name == SHIPPED else min(seeds, diagnosed)) + 1)
                done = run(scenario, seeds=chosen, until=SUTTON_AT, enterprises=enterprises, workers=workers)
                found[key] = world_of(done)
                print(f"{key}: {np.mean(found[key]['active']):.1f} labs", file=sys.stderr)
    return found


def measure(seeds: int, diagnosed: int, enterprises: tuple[int, int], workers: int) -> Numbers:
    """All numbers. enterprises: simulated in the baseline, and in the worlds of Sutton's test."""
    scenario = load_scenario(BASELINE)
    starved = load_scenario(BASELINE, VARIANTS["no_transfers"].both)
    paid, unpaid = (
        run(s, seeds=range(1, seeds + 1), until=SURVIVORS_AT[-1], enterprises=enterprises[0], workers=workers)
        for s in (scenario, starved)
    )
    sides = {"with": paid, "without": unpaid}
    return Numbers(
        version=__version__,
        scenario=scenario.hash,
        seeds=seeds,
        enterprises=enterprises,
        exits=exits_and_rescues(paid).tolist(),
        giants_gone=giants_gone(paid).tolist(),
        giants_in_debt=giants_in_debt(paid).tolist(),
        open_part=open_part(paid).tolist(),
        survivors={side: {q: survivors(r, q).tolist() for q in SURVIVORS_AT} for side, r in sides.items()},
        giants_left={side: giants_left(r).tolist() for side, r in sides.items()},
        events=events_by_year(paid),
        worlds=run_worlds(seeds, diagnosed, enterprises[1], workers),
    )


# ---- statistics


def mean_interval(values: Floats) -> tuple[float, float, float]:
    """Mean and its 95 % interval over the seeds (normal)."""
    error = NORMAL_95 * float(values.std(ddof=1)) / float(np.sqrt(values.size)) if values.size > 1 else 0.0
    mean = float(values.mean())
    return mean, mean - error, mean + error


def ratio_interval(large: Floats, small: Floats) -> tuple[float, float, float]:
    """Ratio of two means over the same seeds and its 95 % interval, by linearisation (Cochran 1977, sec. 6.4)."""
    if large.shape != small.shape:
        raise PatternsError(f"{large.size} and {small.size} seeds cannot be paired")
    ratio = float(large.mean() / small.mean())
    _, low, high = mean_interval((large - ratio * small) / small.mean())
    return ratio, ratio + low, ratio + high


def part_within(values: Floats, bounds: tuple[float, float]) -> float:
    """Part (0-1) of the seeds within the bounds, both included."""
    return float(((values >= bounds[0]) & (values <= bounds[1])).mean())


def sutton_ratio(numbers: Numbers, variant: str, cost: str, count: str = "active") -> tuple[float, float, float]:
    """Labs in the fourfold market over labs in the small one, with its 95 % interval, on the seeds both have."""
    large, small = (np.array(numbers.worlds[world_name(variant, cost, f)][count]) for f in (LARGER, 1.0))
    both = min(large.size, small.size)
    return ratio_interval(large[:both], small[:both])


def sutton_holds(ratio: float, cost: str) -> bool:
    """Whether more labs than the bound come with a fixed cost, or fewer with an endogenous one."""
    return ratio < SUTTON_BOUND if cost == "endogenous" else ratio > SUTTON_BOUND


def failures(numbers: Numbers) -> list[str]:
    """The patterns expected of the baseline that do not show, by the means over the seeds: exits, giants, open, and
    Sutton's under an endogenous and a fixed cost."""
    shown = {
        "exits": EXITS_WITHIN[0] <= float(np.mean(numbers.exits)) <= EXITS_WITHIN[1],
        "giants": not any(numbers.giants_gone),
        "open": OPEN_PART_WITHIN[0] <= float(np.mean(numbers.open_part)) <= OPEN_PART_WITHIN[1],
        **{cost: sutton_holds(sutton_ratio(numbers, SHIPPED, cost)[0], cost) for cost in COSTS},
    }
    return [name for name, holds in shown.items() if not holds]


# ---- as text


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([_row(heads), "|" + "---|" * len(heads), *map(_row, rows)])


def spread(values: Floats, digits: int = 1, scale: float = 1.0) -> str:
    """Mean, and 10-90 % of the seeds."""
    low, high = (scale * float(x) for x in np.quantile(values, (0.1, 0.9)))
    return f"{scale * float(values.mean()):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def interval(found: tuple[float, float, float], digits: int = 2, sign: str = "") -> str:
    """A number and its 95 % interval."""
    return f"{found[0]:{sign}.{digits}f} ± {found[2] - found[0]:.{digits}f}"


def verdict(holds: bool) -> str:
    """`holds` or `**fails**`."""
    return "holds" if holds else "**fails**"


def patterns_table(numbers: Numbers) -> str:
    """The patterns expected of the baseline."""
    exits, part = np.array(numbers.exits), np.array(numbers.open_part)
    lost, owing = np.array(numbers.giants_gone), np.array(numbers.giants_in_debt)
    low, high = (100.0 * x for x in OPEN_PART_WITHIN)
    failed = failures(numbers)
    rows = [
        [
            f"sub-scale labs that exit or are rescued by {EXITS_BY}",
            f"{EXITS_WITHIN[0]:.0f} to {EXITS_WITHIN[1]:.0f}",
            spread(exits),
            f"{part_within(exits, EXITS_WITHIN):.0%}",
            verdict("exits" not in failed),
        ],
        [
            f"giants' labs wound down or sold by {SURVIVORS_AT[-1]}",
            "none",
            spread(lost),
            f"{part_within(lost, (0.0, 0.0)):.0%}",
            verdict("giants" not in failed),
        ],
        [
            "giants' labs that owe suppliers more than their own cash at the end of some quarter",
            "",
            spread(owing),
            f"{part_within(owing, (0.0, 0.0)):.0%} none",
            "reported",
        ],
        [
            f"open part of private funding since 2020, {OPEN_PART_AT}",
            f"{low:.0f} to {high:.0f} %",
            spread(part, 1, 100.0) + " %",
            f"{part_within(part, OPEN_PART_WITHIN):.0%}",
            verdict("open" not in failed),
        ],
        *([*_sutton_row(numbers, cost), verdict(cost not in failed)] for cost in COSTS),
    ]
    return _table(["pattern", "expected", "mean (10-90 % of seeds)", "seeds within", "verdict"], rows)


def _sutton_row(numbers: Numbers, cost: str) -> list[str]:
    more = 100.0 * (SUTTON_BOUND - 1.0)
    expected = f"{'less' if cost == 'endogenous' else 'more'} than {more:.0f} %"
    ratio, low, _ = sutton_ratio(numbers, SHIPPED, cost)
    shown = f"{100.0 * (ratio - 1.0):+.0f} % ± {100.0 * (ratio - low):.0f} (95 % interval)"
    return [f"labs in a fourfold market, {cost} training cost (Sutton 1991)", expected, shown, ""]


def transfers_table(numbers: Numbers) -> str:
    """Surviving labs with and without parents' transfers, paired on the seeds."""
    paid, unpaid = numbers.survivors["with"], numbers.survivors["without"]
    rows = [_compared(f"independent labs, {q}", paid[q], unpaid[q]) for q in SURVIVORS_AT]
    left = numbers.giants_left
    rows.append(_compared(f"giants' labs, {SURVIVORS_AT[-1]}", left["with"], left["without"]))
    return _table(["active", "with transfers", "without", "what transfers add, 95 % interval"], rows)


def _compared(name: str, ours: Sequence[float], theirs: Sequence[float]) -> list[str]:
    a, b = np.array(ours), np.array(theirs)
    return [name, spread(a), spread(b), interval(mean_interval(a - b), 1, "+")]


def sutton_table(numbers: Numbers) -> str:
    """Active labs in small and large worlds of every variant, the independent ones among them, and the ratio."""
    rows = []
    for name, variant in VARIANTS.items():
        for cost in COSTS:
            small, large = (numbers.worlds[world_name(name, cost, f)] for f in (1.0, LARGER))
            both = min(len(small["active"]), len(large["active"]))
            means = [_labs(world, both) for world in (small, large)]
            found = sutton_ratio(numbers, name, cost)
            clear = "" if found[1] > SUTTON_BOUND or found[2] < SUTTON_BOUND else ", not clear"
            shown = verdict(sutton_holds(found[0], cost)) + clear
            rows.append([variant.words, cost, *means, interval(found), shown, f"{both}"])
    heads = ["worlds", "training cost", "labs, x1", "labs, x4", "ratio, 95 % interval", "pattern", "seeds"]
    return _table(heads, rows)


def _labs(world: World, seeds: int) -> str:
    """Mean number of labs of the first seeds, and of the independent ones among them."""
    active, backed = (np.array(world[name][:seeds]) for name in ("active", "backed"))
    return f"{active.mean():.1f} ({(active - backed).mean():.1f})"


def composition_table(numbers: Numbers) -> str:
    """Who the labs of the four worlds are, as means over the seeds, and how large race and market are."""
    heads = ["at the end of 2030, mean", *(f"{cost}, x{f:.0f}" for cost in COSTS for f in (1.0, LARGER))]
    words = {
        "backed": "active labs of giants and states",
        "named": "active independent labs of the scenario",
        "founded": "active labs founded in the run",
        "foundings": "labs founded in the run",
        "exits": "labs that left",
        "record_b_usd": "record training run, B USD",
        "revenue_b_usd": "revenue of all labs, B USD a year",
    }
    worlds = [numbers.worlds[world_name(SHIPPED, cost, f)] for cost in COSTS for f in (1.0, LARGER)]
    digits = {name: 1 if name in COUNTS else 2 for name in words}
    rows = [[text, *(f"{np.mean(w[name]):.{digits[name]}f}" for w in worlds)] for name, text in words.items()]
    return _table(heads, rows)


def events_table(numbers: Numbers) -> str:
    """Events of each kind by year, means over the seeds."""
    years = sorted({year for row in numbers.events.values() for year in row})
    rows = [
        [kind.replace("_", " "), *(f"{row.get(y, 0.0):.1f}" for y in years), f"{sum(row.values()):.1f}"]
        for kind, row in numbers.events.items()
    ]
    return _table(["kind", *years, "all"], rows)


def markdown(numbers: Numbers) -> str:
    """All tables, with what they were made from."""
    made = (
        f"Made with moatsim {numbers.version}, baseline {numbers.scenario[:12]}, seeds 1-{numbers.seeds}, "
        f"{numbers.enterprises[0]:,} enterprises ({numbers.enterprises[1]:,} in Sutton's worlds)."
    )
    parts = {
        "## Patterns of the baseline": patterns_table(numbers),
        "## What parents' transfers do": transfers_table(numbers),
        "## Labs in a fourfold market (in brackets: independent ones)": sutton_table(numbers),
        "### Who these labs are (worlds as the baseline is)": composition_table(numbers),
        "## A typical run: events a year, mean over the seeds": events_table(numbers),
    }
    return "\n\n".join([made, *(f"{head}\n\n{table}" for head, table in parts.items())])


def placed(text: str, page: str) -> str:
    """The page with `text` between its marks. Raises PatternsError when it has none."""
    return pages.placed(f"\n\n{text}\n\n", page, MARKS, PatternsError)


# ---- the kept numbers


def kept(page: Path) -> Path:
    """Where the numbers of a page are kept."""
    return page.with_suffix(".json")


def save(numbers: Numbers, path: Path) -> None:
    """Write the numbers as JSON, one entry a line."""
    entries = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in asdict(numbers).items())
    path.write_text(f"{{\n{entries}\n}}\n", encoding="utf-8")


def load(path: Path) -> Numbers:
    """The numbers that a page was made from. Raises PatternsError when they are not what this version keeps."""
    try:
        return Numbers(**json.loads(path.read_text(encoding="utf-8")))
    except (TypeError, json.JSONDecodeError) as error:
        raise PatternsError(f"{path.name} does not hold the numbers of a page: {error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything and print or place the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=50, help="seeds 1..N (50)")
    parser.add_argument("--diagnosed", type=int, default=10, help="seeds 1..N of the worlds that ask why (10)")
    parser.add_argument("--enterprises", type=int, nargs=2, default=(1000, 800), help="baseline, Sutton (1000 800)")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--into", type=Path, metavar="FILE", help="write tables between the marks of a page, and JSON")
    parser.add_argument("--drawn", action="store_true", help="draw the tables from the page's JSON; no run")
    given = parser.parse_args(arguments)
    if given.drawn and given.into is None:
        parser.error("--drawn needs --into FILE")
    numbers = (
        load(kept(given.into))
        if given.drawn
        else measure(given.seeds, given.diagnosed, (given.enterprises[0], given.enterprises[1]), given.workers)
    )
    if given.into is None:
        print(markdown(numbers))
        return 0
    given.into.write_text(placed(markdown(numbers), given.into.read_text(encoding="utf-8")), encoding="utf-8")
    save(numbers, kept(given.into))
    return 0


if __name__ == "__main__":
    sys.exit(main())
