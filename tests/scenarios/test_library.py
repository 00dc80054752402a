"""The shipped scenarios beside the baseline: they run, keep the accounts, spare history and push where they say."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analysis import library
from analysis.paired import reader
from sim.quarters import quarter_number
from sim.records.names import named
from sim.runs import run
from sim.runs.results import Run
from sim.scenario import Expectation, diff, load_scenario, shipped_scenarios

ROOT = Path(__file__).resolve().parents[2]
NAMES = [entry.name for entry in shipped_scenarios() if entry.name != library.BASELINE]
REFERENCES = ("dated-history",)  # worlds to compare with, which claim nothing
LIBRARY = (
    *("closed-consolidation", "open-infrastructure", "sticky-interface", "tradeoff-hybrid", "open-majority"),
    *("tiered-convergence", "race-to-the-bottom", "frontier-slowdown", "efficiency-shock", "giant-closes-weights"),
    *("no-parent-subsidy", "funding-winter", "compute-crunch", "export-controls", "sovereign-europe"),
    *("strict-merger-review", "open-weight-limits", "talent-diffusion", "small-models-suffice"),
    *("cost-growth-3.1x", "cost-growth-2.0x"),
)
LAST_FACT = quarter_number("2025Q1")  # later changes are invented and must say so


@cache
def short_run(name: str) -> Run:
    """Seed 1, 300 enterprises, long enough for every dated change to have begun."""
    return run(load_scenario(name), seed=1, enterprises=300, until="2027Q2")


@cache
def two_runs(name: str) -> Run:
    """Seeds 1 and 2, 300 enterprises, to the first date of the tables."""
    return run(load_scenario(name), seeds=(1, 2), enterprises=300, until=library.LATER[0])


def changes(name: str) -> list[tuple[str, object]]:
    """Keys that differ from the baseline, with the scenario's value."""
    return [(key, after) for key, _, after in diff(load_scenario(library.BASELINE), load_scenario(name))]


def is_dated(key: str) -> bool:
    return key.startswith("shocks.") or ".rounds." in key


def first_change(name: str) -> int:
    """The quarter from which the scenario differs from the baseline."""
    rows = changes(name)
    if not all(is_dated(key) for key, _ in rows):
        return quarter_number(load_scenario(name).parameters.run.first_quarter)
    return min(quarter_number(str(after)) for key, after in rows if key.endswith(".quarter"))


def test_every_scenario_expects_something_or_is_a_reference() -> None:
    """Kills the shipped file without an expectation to test, a source or a thesis."""
    for name in NAMES:
        scenario = load_scenario(name)
        assert bool(scenario.expects) is (name not in REFERENCES), name
        assert bool(scenario.source) is (name not in REFERENCES), name
        assert all(x.quarter <= library.UNTIL for x in scenario.expects), name


def test_the_library_has_every_thesis_of_the_seeds() -> None:
    """Kills the thesis that lost its file."""
    assert set(LIBRARY) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_after_the_facts_is_called_hypothetical(name: str) -> None:
    """Kills the file that changes nothing, names no seed, or passes off a later event as a fact."""
    scenario = load_scenario(name)
    assert changes(name)
    assert any(f"({group}" in scenario.thesis for group in ("S0", "S1", "S2", "S3", "S4"))
    inherited = load_scenario(library.BASELINE).parameters.shocks
    assert scenario.parameters.shocks[: len(inherited)] == inherited
    later = [row for row in scenario.parameters.shocks[len(inherited) :] if quarter_number(row.quarter) > LAST_FACT]
    assert all(row.source.startswith("assumption: hypothetical") for row in later)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_leaves_history_alone(name: str) -> None:
    """Kills the shock that breaks an identity, acts before its date, or never acts.

    Before the first change every number of the market is the baseline's, bit for bit: same seed, same luck.
    """
    market, before = (short_run(n).market for n in (name, library.BASELINE))
    assert np.isfinite(market["api_spend_usd"]).all()
    assert (market["identity_residual_usd"] <= market["identity_gate_usd"]).all()
    numbers = market.select_dtypes("number").columns.drop(["identity_residual_usd", "identity_gate_usd"])
    same = [
        np.array_equal(market.loc[quarter, numbers].to_numpy(), before.loc[quarter, numbers].to_numpy(), equal_nan=True)
        for quarter in market.index
    ]
    start = first_change(name)
    assert all(same[i] for i, quarter in enumerate(market.index) if quarter_number(quarter) < start)
    assert not same[-1]


# sd of one paired difference (8 seeds, 1,000 enterprises): self-hosted share about 0.014, best closed model 0.14 OOM,
# independent labs about 1.0. The mean of two seeds is 6 sigma or more from none: a lost mechanism (difference 0) is
# caught, and one at half of its strength.
@pytest.mark.parametrize(
    ("name", "measure", "sign", "least"),
    [
        ("open-infrastructure", "share.deployments.open", +1, 0.015),
        ("frontier-slowdown", "best_closed_oom", -1, 0.4),
        ("open-weight-limits", "gap_oom", +1, 0.3),
    ],
)
def test_robust_directions(name: str, measure: str, sign: int, least: float) -> None:
    """Kills the dated change that is recorded as an event but not felt by whoever should feel it."""
    read = reader(named(measure))
    ours, theirs = (
        library.trailing_year(read(r), r.quarters, library.LATER[0]) for r in (two_runs(name), two_runs("baseline"))
    )
    assert (sign * (ours - theirs) > 0.0).all(), ours - theirs
    assert sign * (ours - theirs).mean() > least, ours - theirs


def test_dated_licences_bind() -> None:
    """Kills the decree that the next release of the tier forgets, now that labs choose their licences."""
    name, giants = "giant-closes-weights", ["meta", "nvidia", "alibaba"]
    labs = two_runs(name).table("labs")
    flagship = labs["release_policy"].str.partition("/")[0]
    dated = [row.quarter for row in load_scenario(name).parameters.shocks if row.key.endswith("flagship.licence")]
    since = labs["lab"].isin(giants) & (labs["status"] == "active") & (labs["quarter"] >= max(dated))
    assert set(flagship[since]) == {"closed"}
    before = labs["lab"].isin(giants) & (labs["status"] == "active") & (labs["quarter"] < min(dated))
    assert not set(flagship[before]) <= {"closed"}


# ---- how it is judged


def test_a_year_is_the_mean_of_its_quarters() -> None:
    """Kills: the wrong four quarters, a year that is not there."""
    quarters = [f"{year}Q{q}" for year in (2027, 2028) for q in (1, 2, 3, 4)]
    values = np.array([[9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 4.0, 5.0], [0.0] * 4 + [1.0] * 4])
    assert library.trailing_year(values, quarters, "2028Q4").tolist() == [3.0, 1.0]
    with pytest.raises(library.LibraryError, match="2026Q4"):
        library.trailing_year(values, quarters, "2027Q3")


def test_differences_are_paired_by_seed() -> None:
    """A scenario against itself is nothing, other seeds are refused. Kills: unpaired means."""
    one = two_runs(library.BASELINE)
    found = library.compared(one, one, "hhi", library.LATER[0])
    assert (found.difference[0], found.low[0], found.high[0], found.n[0]) == (0.0, 0.0, 0.0, 2)
    with pytest.raises(library.LibraryError, match="differ"):
        library.compared(one, short_run(library.BASELINE), "hhi", "2025Q4")


@pytest.mark.parametrize(
    ("sign", "low", "high", "verdict"),
    [
        ("+", 0.1, 0.3, "holds"),
        ("-", 0.1, 0.3, "opposite"),
        ("-", -0.3, -0.1, "holds"),
        ("+", -0.3, -0.1, "opposite"),
        ("+", -0.1, 0.3, "not clear"),
        ("-", 0.0, 0.3, "not clear"),
        ("+", float("nan"), float("nan"), "not clear"),
    ],
)
def test_an_expectation_holds_when_its_interval_does(sign: str, low: float, high: float, verdict: str) -> None:
    """Kills: a mean of the right sign taken for a finding, a sign turned round."""
    assert library.judged(Expectation("hhi", "2030Q4", sign), low, high) == verdict


@pytest.mark.parametrize(
    "measure",
    [
        "hhi",
        "so_far.subscale_exits_and_rescues",
        "funding.funding_usd",
        "events_so_far.release",
        "share.tokens.region.us",
    ],
)
def test_every_kind_of_measure_is_read(measure: str) -> None:
    """By seed and quarter; what adds up never falls. Kills: a kind of name that no reader knows, seeds mixed up."""
    one = short_run(library.BASELINE)
    values = reader(named(measure))(one)
    assert values.shape == (1, len(one.quarters))
    assert np.isfinite(values).all()
    if "so_far" in measure:
        assert (np.diff(values) >= 0.0).all() and values[0, -1] > values[0, 0]


def test_the_page_is_of_the_files() -> None:
    """Every expectation of every file has a verdict in the page, and none else. Kills: a file without verdict."""
    page = json.loads((ROOT / "docs" / "scenarios.json").read_text(encoding="utf-8"))
    expected = {f"{name} {x.measure} {x.quarter}" for name in NAMES for x in load_scenario(name).expects}
    assert set(page) == expected
    assert set(page.values()) <= {"holds", "not clear", "opposite"}


def test_surprises_stand_in_the_readme() -> None:
    """An expected sign that comes out the other way is named, with its scenario. Kills: a miss passed over."""
    page = json.loads((ROOT / "docs" / "scenarios.json").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, measure, _ in (key.split() for key, verdict in page.items() if verdict != "holds"):
        assert any(f"`{name}`" in line and f"`{measure}`" in line for line in readme.splitlines()), (name, measure)
