"""New labs: founders come forward, need a first round, build, and enter."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from sim.agents.lab import ACTIVE, NOT_ENTERED, UNKNOWN_DATE, Lab
from sim.economics.strategy import chance_within
from sim.market import Market
from sim.markets import founding
from sim.markets.founding import PLACE
from sim.quarters import quarter_label
from sim.records import Records
from sim.scenario import Scenario
from tests.market.deals import events
from tests.market.worlds import Edit, altered, off, put, run_of, steps

OFTEN = put("founding", rate=20.0)
SIGMA = 4.5


def founded(scenario: Scenario, *edits: Edit, quarters: int = 3) -> Market:
    """A market in which some quarters have passed, each a good one for founders."""
    return steps(Market(altered(scenario, OFTEN, *edits), 1, 100), quarters)


def places(market: Market) -> list[Lab]:
    """Labs founded in the run, and places for them."""
    return [lab for lab in market.roster if lab.id.startswith(PLACE)]


def entrants(records: Records) -> dict[str, str]:
    """Quarter of entry by lab founded in the run."""
    told = events(records, "entry")
    return {row.lab: row.quarter for row in told.itertuples() if row.lab.startswith(PLACE)}


@pytest.fixture(scope="module")
def lively(baseline: Scenario) -> tuple[Market, Records]:
    """Five years in which somebody founds a lab in nearly every quarter."""
    market = Market(altered(baseline, OFTEN), 1, 100, "2027Q4")
    return market, market.run()


def test_who_finds_no_first_round_never_enters(baseline: Scenario) -> None:
    """Founders come forward and ask, nobody bids. Kills: entry without money, a place lost to founders who gave up."""
    market = Market(altered(baseline, OFTEN, put("capital", ticket=0.0)), 1, 100, "2026Q4")
    records = market.run()
    refused = events(records, "failed_round")
    refused = refused[refused.lab.str.startswith(PLACE)]
    assert len(refused) > 8
    assert entrants(records) == {}
    assert len([lab for lab in places(market) if lab.is_free or lab.proposed]) == len(places(market))
    assert all(lab.parameters.entry == UNKNOWN_DATE for lab in places(market))
    assert not records.tables()["labs"].lab.str.startswith(PLACE).any()


def test_who_finds_one_enters_after_the_time_to_build(lively: tuple[Market, Records]) -> None:
    """With the round's money less its first run, and sells nothing before. Kills: entry at once, never, a free run.

    The first round is the quarter after founders came forward; the lab stands in the tables from it on.
    """
    market, records = lively
    at, labs = {q: i for i, q in enumerate(records.quarters)}, records.tables()["labs"].set_index(["lab", "quarter"])
    entered = entrants(records)
    assert len(entered) > 3
    rounds = events(records, "round").groupby("lab")
    for lab, quarter in entered.items():
        first = rounds.get_group(lab).iloc[0]
        assert at[quarter] - at[first.quarter] == market.parameters.founding.build_time
        waiting = labs.loc[lab].loc[first.quarter : quarter].iloc[:-1]
        assert (waiting.status == NOT_ENTERED).all()
        assert (waiting.revenue_usd == 0.0).all()
        opened = labs.loc[lab, quarter]
        assert opened.status == ACTIVE
        assert opened.models_served >= 1
        told = events(records, "entry", lab=lab).iloc[0]
        credit = labs.loc[lab].compute_credit_usd[waiting.index[-1]]
        assert told.cash_usd + credit + told.first_run_usd == pytest.approx(first.amount_usd, rel=1e-5)


def test_a_first_round_leaves_founders_the_rest(lively: tuple[Market, Records]) -> None:
    """Kills: a register of a new lab that belongs to investors alone, or to founders alone."""
    tables = lively[1].tables()
    stakes = tables["stakes"].set_index(["lab", "quarter", "holder"]).stake
    for row in events(lively[1], "round").drop_duplicates("lab").itertuples():
        if row.lab.startswith(PLACE):
            assert stakes[row.lab, row.quarter, "founders"] == pytest.approx(1.0 - row.sold_fraction, rel=1e-5)


def test_spin_outs_take_part_of_the_lead_and_others_what_is_public(baseline: Scenario) -> None:
    """Kills: founders who know all or nothing, a spin-out from nowhere or from abroad."""
    market = founded(baseline, off("founding"))
    lab = market.lab["mistral"]  # not yet entered: a place like any other
    public, origin = market.frontier.public_knowledge, market.lab["openai"]
    for source, known in ((None, public), (origin, public + 0.6 * (origin.knowledge - public))):
        market.parameters.founding.knowledge_taken = 0.6
        assert origin.knowledge > public
        founding.propose(market, lab, source)
        assert lab.parameters.capability == pytest.approx(lab.capability_after(lab.parameters.first_run, known))
        assert lab.origin == (source.id if source else "")
        assert lab.proposed
    origin.knowledge = public - 1.0
    founding.propose(market, lab, origin)
    assert lab.parameters.capability == pytest.approx(lab.capability_after(lab.parameters.first_run, public))
    kin = {founding._origin(market, lab, luck).id for luck in np.linspace(0.0, 1.0 - 1e-12, 50)}
    assert kin == {x.id for x in market.active_labs if x.parameters.region == "eu"}


def test_nobody_enters_ahead_of_the_field(lively: tuple[Market, Records]) -> None:
    """Kills: founders who know more than those they left."""
    tables = lively[1].tables()["labs"]
    known = tables.pivot(index="quarter", columns="lab", values="knowledge_oom")
    new = [name for name in known if name.startswith(PLACE)]
    for lab, quarter in entrants(lively[1]).items():
        assert known.loc[quarter, lab] <= known.drop(columns=new).loc[quarter].max() + 1e-9


def counted(market: Market, mood: float, growth: float, draws: int) -> tuple[float, float]:
    """Part of many quarters in which founders come forward, and the chance that they should."""
    f, c = market.parameters.founding, market.parameters.capital
    object.__setattr__(market.outlook, "growth", growth)
    market.mood, now, hits = mood, market.quarter, 0
    for i in range(draws):
        market.quarter = now + i
        founding.come_forward(market)
        came = [lab for lab in places(market) if lab.proposed]
        hits += len(came)
        for lab in came:
            lab.proposed = False
    market.quarter = now
    hazard = f.rate * ((1.0 + growth) / math.exp(c.normal_growth)) ** f.growth_elasticity
    return hits / draws, chance_within(hazard * math.exp(f.mood_elasticity * mood), 0.25)


def test_foundings_follow_growth_and_mood(baseline: Scenario, sample: Callable[[int, int], int]) -> None:
    """At 4.5 sigma of the binomial: 400 draws catch a chance that is off by 11 points (full sample, 690: 9).

    Kills: mood or growth left out or upside down, a yearly hazard taken as a quarterly chance.
    """
    edit = put("founding", rate=0.6, growth_elasticity=1.0, mood_elasticity=2.0, prospect_elasticity=0.0)
    market, draws = steps(Market(altered(baseline, edit), 1, 100, "2199Q4"), 1), sample(690, 400)
    chances = []
    for mood, growth in ((0.0, math.expm1(0.35)), (0.7, math.expm1(0.35)), (0.0, 3.0), (-0.7, 0.0)):
        found, chance = counted(market, mood, growth, draws)
        assert abs(found - chance) <= SIGMA * math.sqrt(chance * (1.0 - chance) / draws)
        chances.append(chance)
    assert chances[0] == pytest.approx(-math.expm1(-0.15))
    assert chances[1] > chances[0] and chances[2] > chances[0] > chances[3]


def test_there_are_no_more_labs_than_places(baseline: Scenario) -> None:
    """Kills: a place taken twice, founders without a place."""
    records = run_of(altered(baseline, OFTEN, put("founding", places=2)), 100, "2027Q4")
    assert len(entrants(records)) <= 2
    assert records.tables()["labs"].lab.str.startswith(PLACE).any()


def test_founding_off_has_no_places(baseline: Scenario) -> None:
    """And a rate of nought no founders. Kills: places, and with them streams, that stay."""
    assert places(Market(altered(baseline, OFTEN, off("founding")), 1, 50)) == []
    idle = run_of(altered(baseline, put("founding", rate=0.0)), 50, "2026Q4")
    assert not idle.tables()["events"].lab.str.startswith(PLACE).any()


def test_places_are_spread_by_region_and_creed(baseline: Scenario) -> None:
    """All in one region when it has all the weight. Kills: creed or region read off the wrong draw."""
    edit = put("founding", places=60, regions={"us": 0.25, "eu": 0.75}, open_creed=0.4)
    labs = places(Market(altered(baseline, edit), 1, 50))
    assert len(labs) == 60
    europe = sum(lab.parameters.region == "eu" for lab in labs) / 60
    opened = sum(lab.parameters.creed == "open" for lab in labs) / 60
    assert {lab.parameters.region for lab in labs} == {"us", "eu"}
    assert abs(europe - 0.75) < SIGMA * math.sqrt(0.75 * 0.25 / 60)
    assert abs(opened - 0.4) < SIGMA * math.sqrt(0.4 * 0.6 / 60)
    for lab in labs:
        licence = "open" if lab.parameters.creed == "open" else "closed"
        assert {policy.licence for policy in lab.parameters.tiers.values()} == {licence}
    assert quarter_label(labs[0].entry) == UNKNOWN_DATE
