"""The shipped scenarios beside the baseline: they run, keep the accounts, spare history and push where they say."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from analysis import theses
from sim.quarters import quarter_number
from sim.runs import run
from sim.runs.results import TABLES, Run
from sim.scenario import diff, load_scenario, shipped_scenarios

NAMES = [entry.name for entry in shipped_scenarios() if entry.name != theses.BASELINE]
LAST_FACT = quarter_number("2025Q1")  # later changes are invented and must say so


@cache
def short_run(name: str) -> Run:
    """Seed 1, 300 enterprises, long enough for every dated change to have begun."""
    return run(load_scenario(name), seed=1, enterprises=300, until="2026Q2")


@cache
def two_runs(name: str) -> Run:
    """Seeds 1 and 2, 300 enterprises, to the first date of the tables."""
    return run(load_scenario(name), seeds=(1, 2), enterprises=300, until=theses.QUARTERS[0])


def changes(name: str) -> list[tuple[str, object]]:
    """Keys that differ from the baseline, with the scenario's value."""
    return [(key, after) for key, _, after in diff(load_scenario(theses.BASELINE), load_scenario(name))]


def is_dated(key: str) -> bool:
    return key.startswith("shocks.") or ".rounds." in key


def first_change(name: str) -> int:
    """The quarter from which the scenario differs from the baseline."""
    rows = changes(name)
    if not all(is_dated(key) for key, _ in rows):
        return quarter_number(load_scenario(name).parameters.run.first_quarter)
    return min(quarter_number(str(after)) for key, after in rows if key.endswith(".quarter"))


def test_every_scenario_makes_a_claim_or_is_a_reference() -> None:
    """Kills the shipped file without a claim to test, and the claim left behind by a deleted file."""
    assert sorted([*theses.CLAIMS, *theses.REFERENCES]) == NAMES
    assert {key for claims in theses.CLAIMS.values() for key in claims} <= set(theses.MEASURES)
    assert {sign for claims in theses.CLAIMS.values() for sign in claims.values()} == {-1, 1}


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_after_the_facts_is_called_hypothetical(name: str) -> None:
    """Kills the file that changes nothing, names no seed, or passes off a later event as a fact."""
    scenario = load_scenario(name)
    assert changes(name)
    assert any(f"({group}" in scenario.thesis for group in ("S0", "S1", "S2", "S3", "S4"))
    inherited = load_scenario(theses.BASELINE).parameters.shocks
    assert scenario.parameters.shocks[: len(inherited)] == inherited
    later = [row for row in scenario.parameters.shocks[len(inherited) :] if quarter_number(row.quarter) > LAST_FACT]
    assert all(row.source.startswith("assumption: hypothetical") for row in later)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_leaves_history_alone(name: str) -> None:
    """Kills the shock that breaks an identity, acts before its date, or never acts.

    Before the first change every number of the market is the baseline's, bit for bit: same seed, same luck.
    """
    market, before = (short_run(n).market for n in (name, theses.BASELINE))
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


# sd of one paired difference (8 seeds, 500 enterprises): self-hosted 0.6 pp about 6.3, frontier 0.14 OOM about -0.8,
# independent labs 0.7 about 2.3. The mean of two seeds is 4.5 sigma or more from none, 8 for the first two: a lost
# mechanism (difference 0) is caught, for the first two also one at half of its strength.
@pytest.mark.parametrize(
    ("name", "key", "sign", "least"),
    [
        ("tooling_matures", "self_hosted", +1, 3.0),
        ("slow_frontier", "frontier", -1, 0.4),
        ("strict_review", "independent", +1, 1.0),
    ],
)
def test_robust_directions(name: str, key: str, sign: int, least: float) -> None:
    """Kills the dated change that is recorded as an event but not felt by whoever should feel it."""
    found = theses.paired_difference(
        two_runs(name), two_runs(theses.BASELINE), theses.MEASURES[key], theses.QUARTERS[0]
    )
    assert (sign * found > 0.0).all(), found
    assert sign * found.mean() > least, found


def test_dated_licences_bind() -> None:
    """Kills the decree that the next release of the tier forgets, now that labs choose their licences."""
    name, giants = "giants_close", ["meta", "nvidia", "alibaba"]
    labs = two_runs(name).table("labs")
    flagship = labs["release_policy"].str.partition("/")[0]
    since = labs["lab"].isin(giants) & (labs["status"] == "active") & (labs["quarter"] >= "2026Q1")
    assert set(flagship[since]) == {"closed"}
    before = labs["lab"].isin(giants) & (labs["status"] == "active") & (labs["quarter"] < "2026Q1")
    assert not set(flagship[before]) <= {"closed"}


def test_a_round_agreed_beforehand_is_held() -> None:
    """Kills the dated round of public money that the market for money passes over."""
    result = two_runs("sovereignty")
    labs, events = result.table("labs"), result.table("events")
    able = labs[(labs["lab"] == "mistral") & (labs["quarter"] == "2025Q4") & (labs["status"] == "active")]
    at = (events["lab"] == "mistral") & (events["quarter"] == "2025Q4") & (events["kind"] == "round")
    held = events[at & (events["amount_usd"] == 4e9)]
    assert len(able) > 0
    assert sorted(held["replication"]) == sorted(able["replication"])
    assert set(held["counterparty"]) == {"french_state"}


# ---- how differences are computed and judged ----


def test_the_year_that_ends_with_a_quarter() -> None:
    """Kills the mean of the calendar year's wrong end, of too many quarters, or over the seeds."""
    quarters = ["2028Q1", "2028Q2", "2028Q3", "2028Q4", "2029Q1"]
    values = np.array([[1.0, 2.0, 3.0, 6.0, 100.0], [0.0, 0.0, 0.0, 4.0, 100.0]])
    assert theses.trailing_year(values, quarters, "2028Q4").tolist() == [3.0, 1.0]
    with pytest.raises(theses.ThesesError, match="2027Q4"):
        theses.trailing_year(values, quarters, "2028Q3")


def with_hhi(value: float) -> Run:
    """A short run of the baseline in which the index has always been `value`."""
    one = short_run(theses.BASELINE)
    tables = {name: one.table(name) for name in TABLES}
    return Run(one.scenario, one.seeds, {**tables, "market": tables["market"].assign(hhi=value)}, one.cube, one.info)


def test_differences_are_paired() -> None:
    """Kills a difference of unequal seeds, of the wrong sign, and per cent of the scenario instead of the baseline."""
    scenario, base = with_hhi(3000.0), with_hhi(2000.0)
    points = theses.Measure("hhi", "points", theses.column("hhi"), notable=1.0)
    per_cent = theses.Measure("hhi", "%", theses.column("hhi"), notable=1.0, relative=True)
    assert theses.paired_difference(scenario, base, points, "2026Q1").tolist() == [1000.0]
    assert theses.paired_difference(scenario, base, per_cent, "2026Q1").tolist() == [50.0]
    with pytest.raises(theses.ThesesError, match="differ"):
        theses.paired_difference(two_runs(theses.BASELINE), base, points, "2026Q1")


def with_table(name: str, **columns: object) -> Run:
    """A short run of the baseline whose table of this name holds only these columns."""
    one = short_run(theses.BASELINE)
    tables = {known: one.table(known) for known in TABLES}
    tables[name] = pd.DataFrame({"replication": one.seeds[0], **columns})
    return Run(one.scenario, one.seeds, tables, one.cube, one.info)


def test_events_are_counted_so_far() -> None:
    """Kills the count of a quarter's events only, of other kinds, or that skips quarters without events."""
    quarters = ["2023Q2", "2023Q2", "2023Q3", "2024Q1"]
    result = with_table("events", quarter=quarters, kind=["merger", "winddown", "round", "merger"])
    found = theses.so_far("merger", "winddown")(result)
    assert found.shape == (1, len(result.quarters))
    assert found[0, :6].tolist() == [0.0, 2.0, 2.0, 2.0, 3.0, 3.0]
    assert found[0, -1] == 3.0


def test_private_funding_is_of_both_camps() -> None:
    """Kills the sum that forgets a camp, or counts what was raised so far once more."""
    quarters = short_run(theses.BASELINE).quarters
    path = np.arange(len(quarters), dtype=float)
    funding = with_table("funding", quarter=quarters, cumulative_open_usd=path, cumulative_closed_usd=10.0 * path)
    assert theses.private_funding(funding).tolist() == [(11.0 * path).tolist()]


@pytest.mark.parametrize(
    ("difference", "expected", "found"),
    [
        ([2.0, 2.2], +1, "yes"),
        ([2.0, 2.2], -1, "**opposite**"),
        ([-2.0, -2.2], -1, "yes"),
        ([0.4, 0.5], +1, "no"),  # clear, but too small to speak of
        ([-4.0, 9.0], +1, "no"),  # large, but within the noise
    ],
)
def test_a_verdict_needs_a_clear_and_large_difference(difference: list[float], expected: int, found: str) -> None:
    """Kills the verdict that forgets the sign, the size or the noise."""
    assert theses.verdict(np.array(difference), expected, notable=1.0) == found


def test_cells_say_what_is_not_clear() -> None:
    """Kills the cell without sign, with a signed zero, or without brackets around noise."""
    assert theses.cell(np.array([2.0, 2.2]), 1) == "+2.1"
    assert theses.cell(np.array([-0.01, -0.01]), 1) == "0.0"
    assert theses.cell(np.array([-4.0, 9.0]), 0) == "(+2)"


def test_the_page_keeps_what_is_written_by_hand() -> None:
    """Kills the writer that loses the text around the tables or writes into a page without marks."""
    page = f"above\n{theses.MARKS[0]}\nold\n{theses.MARKS[1]}\nbelow\n"
    assert theses.placed("new", page) == page.replace("old", "new")
    with pytest.raises(theses.ThesesError, match="no place"):
        theses.placed("new", "no marks")


def test_the_tables_hold_every_scenario_and_claim() -> None:
    """Kills the table that leaves out a scenario, a claim or a measure, or judges a world that claims nothing."""
    runs = {name: two_runs(name) for name in (theses.BASELINE, "giants_close", *theses.REFERENCES)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theses, "QUARTERS", ("2027Q4", theses.QUARTERS[0]))
        text = theses.markdown(runs)
    assert text.count("| `giants_close` |") == len(theses.CLAIMS["giants_close"]) + len(theses.TABLES)
    assert [text.count(f"| `{name}` |") for name in theses.REFERENCES] == [len(theses.TABLES)]
    assert all(f"{measure.heading}, {measure.unit}" in text for measure in theses.MEASURES.values())
    assert "Seeds 1-2, 300 enterprises." in text
