"""What the README says in numbers: figures, findings and the score, made by the tool itself.

`python -m analysis.readme` (`make readme`) runs the baseline and rewrites what stands between the marks of README.md;
with `--sweep DIR` it draws the phase maps of the core experiment from a finished sweep instead.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import score
from analysis.figures.canvas import save_page
from analysis.figures.sweep_data import DRAWN, VALUE, View, factor_words, plain, short_words, view
from analysis.figures.sweep_words import amount, over_replications, sentence
from analysis.figures.sweeps import draw_overview
from analysis.pages import parts, rendered
from analysis.plots import draw_all
from sim.quarters import quarter_label, quarter_number
from sim.runs import run
from sim.runs.results import Run
from sim.scenario import load_scenario
from sim.sweep import open_sweep

Floats = NDArray[np.float64]

ROOT = Path(__file__).resolve().parent.parent
PAGE, IMAGES = ROOT / "README.md", ROOT / "docs" / "img"
FIGURES = ("market_share_by_lab", "lenses", "timeline")
CORE, MAPS = "cost-growth-by-catch-up", "phase_maps"  # the shipped plan of the core experiment and its picture
SEEDS, SCORED_SEEDS = 20, 50
LARGE = 0.05  # share from which an owner is named
EARLY = "2024Q4"
ENDS = {
    "acquihire": "teams hired away by a giant",
    "merger": "takeovers",
    "winddown": "wind-downs",
    "restructuring": "rescues",
}
LENS_WORDS = {
    "api_spend": "API spend",
    "total_spend": "total spend",
    "tokens": "tokens",
    "deployments": "deployments",
    "adopters": "enterprises using any",
    "primary_vendor": "primary vendors",
    "developer_tokens": "developers' tokens",
}


def at(result: Run, column: str, quarter: str) -> Floats:
    """A column of the market table in one quarter, one value a seed, the defined ones only."""
    market = result.table("market")
    values = market.loc[market["quarter"] == quarter, column].to_numpy(np.float64)
    return np.asarray(values[np.isfinite(values)])


def spread(values: Floats, digits: int = 2, scale: float = 1.0) -> str:
    """Median and 10-90 % range of seeds, to so many significant digits."""
    low, middle, high = (short(x * scale, digits) for x in np.quantile(values, (0.1, 0.5, 0.9)).tolist())
    return f"{middle} ({low} to {high})"


def short(value: float, digits: int = 2) -> str:
    """A number to so many significant digits, without exponent."""
    if value == 0.0 or not math.isfinite(value):
        return f"{value:g}"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, places):,.{max(places, 0)}f}"


def moves(before: Floats, after: Floats) -> str:
    """Falls, rises or stays, by the medians; a tenth counts as a move."""
    first, last = float(np.median(before)), float(np.median(after))
    return "stays about where it is" if abs(last - first) <= 0.1 * abs(first) else "falls" if last < first else "rises"


def concentration(result: Run, last: str) -> str:
    """Who is large at the end, and how concentration moves from the end of 2024."""
    before, after = at(result, "hhi", EARLY), at(result, "hhi", last)
    table = result.shares("api_spend", "owner")
    shares = table[table.index.get_level_values("quarter") == last].median().sort_values(ascending=False)
    names: dict[object, str] = {
        lab.parent or lab_id: lab.name for lab_id, lab in result.scenario.parameters.labs.items()
    }
    large = [f"{names.get(owner, owner)} {100 * share:.0f} %" for owner, share in shares.items() if share >= LARGE]
    return (
        f"**Concentration {moves(before, after)} after 2024.** The HHI of API spend by owner goes from "
        f"{spread(before)} in {EARLY} to {spread(after)} in {last}; then {', '.join(large)} of API spend, "
        f"the others below {100 * LARGE:.0f} % each."
    )


def race(result: Run, last: str) -> str:
    """Training cost against the distance of open models."""
    cost = [at(result, "record_training_cost_usd", quarter) for quarter in (EARLY, last)]
    lag = [at(result, "gap_months", quarter) for quarter in (EARLY, last)]
    part = cost[1] / at(result, "trend_training_cost_usd", last)
    market = result.table("market")
    leads = float((market["gap_oom"] < 0.0).mean())
    return (
        f"**Cost against catch-up.** The record training run goes from {spread(cost[0], scale=1e-9)} to "
        f"{spread(cost[1], scale=1e-9)} B USD, {short(100 * float(np.median(part)))} % of what staying on trend would "
        f"cost by then. The best open model is {spread(lag[0])} months behind in {EARLY} and "
        f"{spread(lag[1])} in {last}; it leads in {100 * leads:.0f} % of all quarters."
    )


def yardsticks(result: Run) -> str:
    """The share of open weights under every lens."""
    found = {}
    for lens in LENS_WORDS:
        shares = result.shares(lens, "openness")["open"]
        found[lens] = float(shares[shares.index.get_level_values("quarter") == EARLY].median())
    ordered = sorted(found, key=lambda lens: found[lens])
    listed = ", ".join(f"{100 * found[lens]:.0f} % of {LENS_WORDS[lens]}" for lens in ordered)
    return f"**How open the market is depends on what is counted.** Open weights have, in {EARLY}: {listed}."


def prices(result: Run, last: str) -> str:
    """Two price declines: of a fixed quality and of the flagship of the day."""
    fixed = [at(result, "price_of_2023q1_frontier_quality", quarter) for quarter in ("2023Q2", EARLY, last)]
    flagship = [at(result, "closed_flagship_price_usd_per_mtok", quarter) for quarter in ("2023Q2", EARLY, last)]
    path = [", ".join(short(float(np.median(values))) for values in side) for side in (fixed, flagship)]
    return (
        f"**Yesterday's quality and today's.** What the best model of 2023Q1 could do costs {path[0]} USD per "
        f"Mtok in 2023Q2, {EARLY} and {last}; closed flagships of the day {path[1]}."
    )


def survival(result: Run, last: str) -> str:
    """Who is left, and how the others ended."""
    seeds = len(result.seeds)
    labs, events = result.table("labs"), result.table("events")
    there = labs[(labs["quarter"] == last) & (labs["status"] == "active")]
    independent = (there["ownership"] == "independent").sum() / seeds
    a_run = {kind: (events["kind"] == kind).sum() / seeds for kind in ENDS}
    ends = ", ".join(f"{short(a_run[kind])} {words}" for kind, words in ENDS.items())
    early = result.table("market")
    exits = early[early["quarter"] <= "2025Q4"].groupby("replication")["subscale_exits_and_rescues"].sum()
    return (
        f"**Few independent labs last.** {len(there) / seeds:.0f} labs are active in {last}, {short(independent)} of "
        f"them independent. A run sees {ends}; by the end of 2025 {spread(exits.to_numpy(np.float64))} sub-scale labs "
        "have exited or been rescued. Giants go on as long as their parents pay."
    )


def money(result: Run, last: str) -> str:
    """What investors put in, and into which camp."""
    funding = result.table("funding")
    then = funding[funding["quarter"] == last]
    total = (then["cumulative_open_usd"] + then["cumulative_closed_usd"]).to_numpy(np.float64)
    early = funding.loc[funding["quarter"] == "2024Q3", "open_share_of_private_funding"].to_numpy(np.float64)
    part = then["open_share_of_private_funding"].to_numpy(np.float64)
    return (
        f"**Money follows the leaders.** Private labs have raised {spread(total, scale=1e-9)} B USD by {last}; labs "
        f"that preach open models have {spread(early, scale=100)} % of it by 2024Q3 and {spread(part, scale=100)} % by "
        f"{last}."
    )


def findings(result: Run) -> str:
    """The findings as a Markdown list."""
    last = result.quarters[-1]
    parts = [
        concentration(result, last),
        race(result, last),
        yardsticks(result),
        prices(result, last),
        survival(result, last),
        money(result, last),
    ]
    head = f"Medians of {len(result.seeds)} seeds, 10-90 % of them in brackets, scenario {result.scenario.name}:\n\n"
    return head + "".join(f"- {part}\n" for part in parts)


def scored(result: Run) -> str:
    """The score table and what it was made from."""
    return f"{score.markdown(score.score(result))} Seeds {result.seeds[0]}-{result.seeds[-1]}.\n"


def mapped(views: Sequence[View]) -> str:
    """The picture of the core experiment and a table: where measures end along its first factor, what explains them."""
    seen = views[0]
    factors = seen.sweep.factors
    along = factor_words(factors[0]).replace(", ", " (") + ")"
    low, high = (plain(end) for end in ends(seen.table[factors[0]]))
    head = [f"{along} from {low} to {high}", *seen.shown, *(f"explained by {short_words(key)}" for key in factors)]
    rows = [
        [sentence(one.title), *along_first(one), *(f"{100 * one.effects[key]:.0f} %" for key in factors)]
        for one in views
    ]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
    return (
        f"![Phase maps: {seen.sweep.title}](docs/img/{MAPS}.png)\n\n"
        f"{seen.sweep.balance.runs:,} runs (`moatsim sweep {CORE}`), {over_replications(seen)} in each cell, "
        f"{seen.quarter}:\n\n{table}\n"
    )


def along_first(seen: View) -> list[str]:
    """A measure's median at the lowest and the highest value of the first factor, in each scenario."""
    first = seen.sweep.factors[0]
    return [
        " to ".join(
            amount(float(table.loc[table[first] == end, VALUE].median()), seen.measure.unit)
            for end in ends(table[first])
        )
        for table in (seen.table[seen.table["scenario"] == name] for name in seen.shown)
    ]


def ends(values: pd.Series) -> tuple[float, float]:
    """The lowest and the highest."""
    return float(values.min()), float(values.max())


def save_figures(result: Run, folder: Path) -> None:
    """The README's figures as PNG."""
    keep_png(draw_all(result, folder, FIGURES))


def keep_png(paths: Sequence[Path]) -> None:
    """Remove the other files of each figure: one picture is enough for a page."""
    for path in paths:
        if path.suffix != ".png":
            path.unlink()


def of_baseline(workers: int) -> dict[str, str]:
    """Run the baseline whole, and as far as the targets reach with more seeds: findings and score, and its figures."""
    scenario = load_scenario("baseline")
    until = quarter_label(max(quarter_number(target.quarters[-1]) for target in score.load_targets()))
    whole = run(scenario, seeds=range(1, SEEDS + 1), workers=workers)
    start = run(scenario, seeds=range(1, SCORED_SEEDS + 1), workers=workers, until=until)
    save_figures(whole, IMAGES)
    return {"findings": findings(whole), "score": scored(start)}


def of_sweep(folder: Path) -> dict[str, str]:
    """Read the sweep of the core experiment: its phase maps, and what they say."""
    sweep = open_sweep(folder)
    views = [view(sweep, name) for name in DRAWN]
    keep_png(save_page(draw_overview(views), IMAGES, MAPS))
    return {"maps": mapped(views)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and its figures anew: those of the baseline, or those of the sweep that is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    parser.add_argument("--sweep", type=Path, help="folder of the core experiment: draw its phase maps, run nothing")
    given = parser.parse_args(arguments)
    page = PAGE.read_text(encoding="utf-8")
    written = of_baseline(given.workers) if given.sweep is None else of_sweep(given.sweep)
    PAGE.write_text(rendered(page, parts(page) | written), encoding="utf-8")
    print(f"{PAGE.name} written anew: {', '.join(written)} and figures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
