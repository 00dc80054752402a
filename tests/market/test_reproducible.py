"""The same seed gives the same bits whatever else changes: workers, order, length, onlookers, a lab nobody wants."""

import random

import numpy as np
import pytest

from sim.agents.enterprise import Enterprise
from sim.agents.lab import Lab
from sim.market import Market
from sim.markets.founding import PLACE
from sim.parameters import Parameters
from sim.records import Records
from sim.runs import run
from sim.runs.results import TABLES
from sim.scenario import Scenario
from tests.market.worlds import altered, differences, ghost, off, put, run_of, steps


def test_the_same_seed_gives_the_same_bits(baseline: Scenario, ten_quarters: Records) -> None:
    """All tables, events' causes included. Kills: a draw from the clock, the process or the hash of a string."""
    assert differences(ten_quarters, run_of(baseline)) == []


def test_a_market_before_it_in_the_process_changes_nothing(baseline: Scenario, ten_quarters: Records) -> None:
    """Kills: state in modules or shared parameters: a shock that stays, a cache by id."""
    other = Market(baseline, 7, 150, "2023Q4")
    market = Market(baseline, 1, 300, "2025Q2")
    while market.quarter <= market.last_quarter:
        if other.quarter <= other.last_quarter:
            other.step()
        market.step()
    assert differences(ten_quarters, market.records) == []


def test_another_seed_gives_other_luck(baseline: Scenario, ten_quarters: Records) -> None:
    """Of buyers and of labs. Kills: a stream that ignores the seed."""
    other = run_of(baseline, seed=2)
    assert not np.array_equal(ten_quarters.shares, other.shares, equal_nan=True)
    releases = [r.tables()["events"].query("kind == 'release'").cause for r in (ten_quarters, other)]
    assert set(releases[0]) != set(releases[1])


def test_two_workers_give_the_bits_of_one(baseline: Scenario) -> None:
    """Kills: workers that share a stream, seeds dealt by worker, rows in order of arrival."""
    one, two = (run(baseline, seeds=[3, 1, 2], workers=n, until="2023Q4", enterprises=150) for n in (1, 2))
    for table in TABLES:
        assert one.table(table).equals(two.table(table)), table
    assert one.cube.values.tobytes() == two.cube.values.tobytes()


def _shuffled(table: dict[str, object]) -> dict[str, object]:
    names = list(table)
    random.Random(5).shuffle(names)
    return {name: table[name] for name in names}


@pytest.mark.parametrize("table", ["labs", "investors", "workloads", "modes", "regions"])
def test_order_in_the_scenario_file_changes_nothing(table: str, baseline: Scenario, ten_quarters: Records) -> None:
    """Kills: sums or rounds in order of the file, ids by position in the file."""

    def shuffle(p: Parameters) -> None:
        setattr(p, table, _shuffled(getattr(p, table)))
        assert list(getattr(p, table)) != list(getattr(baseline.parameters, table))

    assert differences(ten_quarters, run_of(altered(baseline, shuffle))) == []


def test_order_of_agents_changes_nothing(baseline: Scenario, ten_quarters: Records) -> None:
    """Mesa's agent sets shuffled before every quarter. Kills: a market that walks through an AgentSet."""
    market = Market(baseline, 1, 300, "2025Q2")
    while market.quarter <= market.last_quarter:
        for agents in (market.agents, market.labs, market.investors):
            agents.shuffle(inplace=True)
        market.step()
    assert differences(ten_quarters, market.records) == []


def test_looking_at_enterprises_midway_changes_nothing(baseline: Scenario, ten_quarters: Records) -> None:
    """Kills: agents made on first use that draw, or that the market then steps."""
    market = steps(Market(baseline, 1, 300, "2025Q2"), 4)
    assert len(market.enterprises) == 300
    assert all(isinstance(agent, Enterprise) for agent in market.enterprises)
    market.enterprises.shuffle(inplace=True)
    market.run()
    assert differences(ten_quarters, market.records) == []
    assert len(market.labs) == len(baseline.parameters.labs) + baseline.parameters.founding.places
    assert all(isinstance(agent, Lab) for agent in market.labs)


def test_a_long_run_begins_with_the_short_one(baseline: Scenario) -> None:
    """Quarters 1 to 20 of a run of 40 are the run of 20. Kills: plans, draws or records that know the end."""
    short, long = (run_of(baseline, 150, until) for until in ("2027Q4", "2032Q4"))
    for name, table in short.tables().items():
        whole = long.tables()[name]
        begun = whole[whole.quarter <= "2027Q4"].reset_index(drop=True)
        assert table.equals(begun), name
    assert np.array_equal(short.shares, long.shares[:20], equal_nan=True)


@pytest.mark.parametrize("name", ["aaa", "mmm", "zzz"])
def test_a_lab_nobody_wants_and_that_spends_nothing_changes_nothing(
    name: str, baseline: Scenario, ten_quarters: Records
) -> None:
    """First, middle or last in order of id, it moves no bit of any other row; only the audit's rounding is left out.

    Kills: pairwise sums over labs, streams by position, model ids given to models that are not served, an equal part of
    anything by the number of labs.
    """
    with_ghost = run_of(altered(baseline, ghost(name)))
    assert differences(ten_quarters, with_ghost, without_lab=name) == []
    rows = with_ghost.tables()["labs"].query("lab == @name")
    assert (rows[["cash_usd", "cost_usd", "revenue_usd", "models_served"]] == 0.0).all(axis=None)


def test_places_that_nobody_takes_change_nothing(baseline: Scenario) -> None:
    """Room for founders in a market without founders moves no bit of any row of the others.

    Kills: streams or sums by position, a place that counts as a lab, bids or is bid for before it is taken.
    """
    none, room = (run_of(altered(baseline, edit)) for edit in (off("founding"), put("founding", rate=0.0)))
    assert len(room.keys.keys("lab")) == len(none.keys.keys("lab")) + baseline.parameters.founding.places
    assert differences(none, room, without_lab=PLACE) == []
    assert not room.tables()["labs"].lab.str.startswith(PLACE).any()


def test_a_lab_that_enters_after_the_end_changes_nothing(baseline: Scenario, ten_quarters: Records) -> None:
    """Kills: money of a founder of the future in today's market."""

    def later(p: Parameters) -> None:
        ghost("later")(p)
        p.labs["later"].entry, p.labs["later"].cash = "2090Q1", 1e9

    assert differences(ten_quarters, run_of(altered(baseline, later)), without_lab="later") == []


def test_more_enterprises_leave_labs_luck_alone(baseline: Scenario) -> None:
    """Who releases in the first three quarters, before budgets follow sales, is the same with 100 and 200 enterprises.

    Kills: one stream for labs and buyers.
    """

    def releases(enterprises: int) -> list[tuple[str, str]]:
        events = run_of(baseline, enterprises, "2023Q3").tables()["events"].query("kind == 'release'")
        return list(zip(events.quarter, events.lab, strict=True))

    assert len(releases(100)) > 10
    assert releases(100) == releases(200)
