"""Labs build applications: who pays, what presence comes of it, and what developers think of a vendor who does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.agents.lab import Lab
from sim.journal import CODE, Ledger
from sim.market import Market
from sim.markets import estate, invoices
from sim.quarters import DT
from sim.scenario import Scenario
from tests.market.worlds import altered, begin_quarter, both, off, put, run_of, steps

STILL = put("applications", part=0.0, depreciation=0.0)  # nothing built, nothing lost


def test_presence_stays_as_given_where_nothing_is_built_or_lost(baseline: Scenario) -> None:
    """At any elasticity, a dated change of it included; and seats are those of a world without the mechanism.

    Kills: a stock that starts elsewhere, a change of the scenario that adds capital without the power of it.
    """
    markets = [Market(altered(baseline, edit), 1, 100) for edit in (STILL, off("applications"))]
    for market in markets:
        steps(market, 3)
        market.parameters.labs["anthropic"].seat_presence = 0.5
        market.parameters.labs["microsoft"].seat_presence = 0.1
        steps(market, 3)
    here, there = markets
    assert here.lab["anthropic"].presence == pytest.approx(0.5, rel=1e-12)
    assert all(lab.presence == pytest.approx(lab.parameters.seat_presence, rel=1e-12) for lab in here.active_labs)
    assert all(lab.accounts.cost.get("applications", 0.0) == 0.0 for lab in here.roster)
    assert there.lab["microsoft"].presence == 0.1


def test_labs_pay_their_builders_out_of_profit(baseline: Scenario) -> None:
    """A part of gross profit, from the lab to staff in the journal, a cost of the lab, and presence that grows by it.

    Kills: a cost without payment, a payment that no account shows, a part of revenue, capital at nominal wages.
    """
    market = steps(Market(baseline, 1, 100), 5)
    lab, p = market.lab["openai"], market.parameters.applications
    before = lab.applications
    begin_quarter(market, "investors_fund_labs")
    a, rows = lab.accounts, market.journal.books(market.quarter).of(Ledger.CASH, CODE["applications"])
    spent = p.part * (a.total_revenue - a.cost["serving"])
    paid = sum(float(b.amount[b.payer == lab.account].sum()) for b in rows)
    assert a.cost["applications"] == pytest.approx(spent, rel=1e-12)
    assert paid == pytest.approx(spent, rel=1e-12)
    assert {int(x) for b in rows for x in b.payee} == {market.account_of["staff"]}
    kept = math.exp(-p.depreciation * DT)
    built = spent / DT / market.trends.wage / p.reference * (1.0 - kept) / p.depreciation
    assert lab.applications == pytest.approx(before * kept + built, rel=1e-12)


def bill(market: Market, lab: Lab) -> float:
    """What the lab is billed for applications this quarter, USD."""
    return {purpose: amount for purpose, _, amount in invoices.lab_invoices(market, lab)}.get("applications", 0.0)


def test_nobody_builds_on_debt_and_parents_keep_up_what_they_gave(baseline: Scenario) -> None:
    """A lab out of cash builds nothing; a giant's without sales as much as wears out, unless its parent pays nothing.

    Kills: applications owed to staff, upkeep by independents, by parents without means.
    """
    market = steps(Market(baseline, 1, 100), 3)
    p, openai, meta = market.parameters.applications, market.lab["openai"], market.lab["meta"]
    openai.accounts.revenue, openai.accounts.cost = {"api": 1e9}, {}
    assert bill(market, openai) == pytest.approx(p.part * 1e9, rel=1e-12)
    cash = float(market.journal.cash[openai.account])
    market.journal.pay("opening_balance", openai.account, market.rest_of_world, cash)
    assert bill(market, openai) == 0.0
    given = p.reference * meta.parameters.seat_presence ** (1.0 / p.elasticity)
    for lab in (meta, market.lab["character_ai"]):
        lab.accounts.revenue, lab.accounts.cost = {}, {}
    assert bill(market, meta) == pytest.approx(p.depreciation * given * market.trends.wage * DT, rel=1e-9)
    assert bill(market, market.lab["character_ai"]) == 0.0
    market.parameters.funding.parent_cap = 0.0
    market.journal.pay("opening_balance", meta.account, market.rest_of_world, float(market.journal.cash[meta.account]))
    assert bill(market, meta) == 0.0


def test_who_sells_gains_seats_by_building(baseline: Scenario) -> None:
    """With half of profit put in, labs that began without any presence have seats; a dreamer without sales loses his.

    Kills: presence that only fades, spending that buys nothing, everybody's presence growing alike.
    """
    idle, keen = (steps(Market(altered(baseline, put("applications", part=x)), 1, 300), 10) for x in (0.0, 0.5))
    assert idle.lab["cohere"].presence == idle.lab["cohere"].seat_share == 0.0
    assert keen.lab["cohere"].presence > 0.02 and keen.lab["cohere"].seat_share > 0.0
    for name in ("openai", "anthropic", "google"):
        assert keen.lab[name].presence > idle.lab[name].presence
    assert idle.lab["openai"].presence < 1.0 < keen.lab["openai"].presence
    assert keen.lab["xai"].presence / keen.lab["openai"].presence < 0.1


def test_developers_shun_a_vendor_who_competes_with_them(baseline: Scenario) -> None:
    """In their segment the vendor with the seats loses as nowhere else. Kills: a sign, all segments alike."""

    def shares(rivalry: float) -> np.ndarray:
        """Of the vendor with most seats in production work, by segment, after six quarters."""
        market = steps(Market(altered(baseline, put("applications", rivalry=rivalry)), 1, 1500), 6)
        return np.asarray(market.peers[:, market.lab["openai"].position])

    fond, wary = shares(0.0), shares(8.0)
    names = list(Market(baseline, 1, 100).population.segment_names)
    developers = names.index("developer")
    assert wary[developers] < 0.7 * fond[developers]
    others = [i for i in range(len(names)) if i != developers]
    assert (wary[others] > 0.8 * fond[others]).all()


def test_applications_go_to_who_takes_a_lab_over(baseline: Scenario) -> None:
    """Kills: applications that vanish in a merger, or stay with the lab that is no more."""
    market = steps(Market(baseline, 1, 100), 3)
    lab, buyer = market.lab["character_ai"], market.lab["anthropic"]
    joint = lab.applications + buyer.applications
    assert lab.applications > 0.0
    estate.absorb(market, lab, buyer)
    assert buyer.applications == pytest.approx(joint, rel=1e-15)
    assert lab.applications == 0.0


def test_the_table_of_labs_shows_what_was_built(baseline: Scenario) -> None:
    """A cost line that is part of cost_usd, and presence of labs at work alone. Kills: a column nobody fills."""
    labs = run_of(altered(baseline, both()), 100, "2023Q4").tables()["labs"]
    lines = ["serving_usd", "training_usd", "staff_usd", "sales_usd", "applications_usd", "interest_usd"]
    np.testing.assert_allclose(labs[[*lines, "revenue_share_usd"]].sum(axis=1), labs.cost_usd, rtol=1e-9, atol=1.0)
    last = labs[labs.quarter == "2023Q4"].set_index("lab")
    assert last.applications_usd["openai"] > 0.0 and last.presence["openai"] > 0.5
    assert (last.presence[last.status != "active"] == 0.0).all()
