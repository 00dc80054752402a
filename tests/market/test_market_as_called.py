"""The market as its caller meets it: what it refuses, how it prints, what it says of labs that are not there."""

import gc
import weakref

import numpy as np
import pytest

from sim.agents.lab import ACTIVE, EXITED, NOT_ENTERED
from sim.market import Market
from sim.records import Records
from sim.records.chronicle import News
from sim.records.observation import lab_rows
from sim.scenario import Scenario


@pytest.fixture(scope="module")
def ended(baseline: Scenario) -> Market:
    """A market at the end of its only quarter."""
    market = Market(baseline, 2**63 - 1, 60, "2023Q1")
    market.run()
    return market


def test_a_name_or_a_bad_seed_is_refused_with_advice(baseline: Scenario) -> None:
    """Kills: an AttributeError deep inside, an overflow of the generator, a fraction cut off."""
    with pytest.raises(TypeError, match=r"give a scenario: load_scenario\('talent-war'\)"):
        Market("talent-war")  # type: ignore[arg-type]
    for seed in (-1, 2**63, 1.5):
        with pytest.raises(ValueError, match="a seed must be a whole number from 0 to"):
            Market(baseline, seed)  # type: ignore[arg-type]


def test_after_the_last_quarter_there_is_no_step(ended: Market) -> None:
    """Kills: an IndexError of the records, or a step that changes the market before it fails."""
    posted = ended.journal.cash.copy()
    with pytest.raises(RuntimeError, match="the run ended in 2023Q1"):
        ended.step()
    np.testing.assert_array_equal(ended.journal.cash, posted)


def test_a_market_that_nobody_holds_is_forgotten(baseline: Scenario) -> None:
    """Kills: Mesa's count of agents by model (before 3.5), by which a sweep's worker grew by 15 MB a run."""
    market = Market(baseline, seed=1, enterprises=100, until="2023Q1")
    assert [lab.unique_id for lab in market.roster[:2]] == [1, 2] and len(market.enterprises) == 100
    market.run()
    gone = weakref.ref(market)
    del market
    gc.collect()
    assert gone() is None


def test_market_and_enterprise_print_in_one_short_line(ended: Market) -> None:
    """Kills: an address in memory instead of what it is."""
    assert repr(ended) == "<Market of 'baseline', seed 9223372036854775807, 2023Q2>"
    first = next(iter(ended.enterprises))
    assert repr(first) == f"<Enterprise 0 {first.segment}, {first.region}>"


def test_only_active_labs_have_a_runway(ten_quarters: Records) -> None:
    """Kills: inf for a lab that has not entered or is no more, null for one that earns."""
    labs = ten_quarters.tables()["labs"]
    active = labs["status"] == ACTIVE
    assert set(labs["status"]) == {NOT_ENTERED, ACTIVE, EXITED}
    assert labs.loc[~active, "runway_quarters"].isna().all()
    assert labs.loc[active, "runway_quarters"].notna().all()


def test_a_lab_that_has_gone_has_no_runway(ended: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kills: inf for a lab without burn because it is no more."""
    monkeypatch.setattr(ended.lab["openai"], "status", EXITED)
    nothing = News(ended.pulls, {}, {}, {})
    runway = {row["lab"]: row["runway_quarters"] for row in lab_rows(ended, nothing)}
    assert runway["openai"] is None
    assert runway["anthropic"] is not None
