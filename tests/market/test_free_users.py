"""Free users: what they cost, whom they bring, and what a lab short of cash does with them."""

from __future__ import annotations

import pytest

from sim.market import Market
from sim.markets import invoices
from sim.reputation import move_seats
from sim.scenario import Scenario
from tests.market.worlds import altered, begin_quarter, off, steps


def settled(market: Market) -> Market:
    """The market with buyers' and consumers' invoices of a quarter paid, and the labs' own still to come."""
    begin_quarter(market, "settle_invoices")
    for lab in market.roster:
        lab.accounts.revenue, lab.accounts.cost = {}, {}
    invoices.settle_seats(market)
    return market


def test_free_users_are_served_at_the_labs_cost(baseline: Scenario) -> None:
    """On top of who pays, also where nobody pays yet. Kills: free users that cost nothing, or by paying seats."""
    market = steps(Market(baseline, 1, 100, "2025Q2"), 3)
    market.lab["cohere"].seat_share, market.lab["cohere"].free_use = 0.0, 0.3
    settled(market)
    s = market.parameters.seats
    for lab in market.active_labs:
        paid, free = (market.trends.seat_market * part * 0.25 for part in (lab.seat_share, lab.free_use))
        cost = s.serving_share * (paid + s.free_users_per_payer * s.free_serving_share * free)
        assert lab.accounts.cost.get("serving", 0.0) == pytest.approx(cost, rel=1e-12)
    assert market.lab["cohere"].accounts.cost["serving"] > 0.0


def test_a_lab_short_of_cash_loses_reach(baseline: Scenario) -> None:
    """Who is out of money offers nothing for free and keeps a goal of one user in eleven; its free users are gone.

    Kills: a cut without loss, one for labs that a parent pays, one without free users.
    """
    market = steps(Market(baseline, 1, 100, "2025Q2"), 3)
    market.settle_invoices()
    lab, labs = market.lab["openai"], market.active_labs
    drain(market, lab.account)
    for backed in (x for x in labs if x.backed):
        drain(market, backed.account)
    offers = dict(zip((x.id for x in labs), invoices.free_offers(market), strict=True))
    assert offers["openai"] == pytest.approx(0.0, abs=1e-9)
    assert {offers[x.id] for x in labs if x.backed} == {1.0}
    shares = []
    for offer in (1.0, 0.0):
        lab.seat_share = 0.0
        move_seats(labs, market.parameters.seats, True, [offer if x is lab else 1.0 for x in labs])
        shares.append((lab.seat_share, lab.free_use))
    (usual, free), (cut, none) = shares
    part = free / (free + 11.0 * (1.0 - free))
    assert cut / usual == pytest.approx(part / free, rel=1e-9)
    assert free > 0.1 and none == 0.0
    market.parameters.switches.free_users = False
    assert set(invoices.free_offers(market)) == {1.0}


def drain(market: Market, account: int) -> None:
    """Take all of an account's cash."""
    market.journal.pay("opening_balance", account, market.rest_of_world, float(market.journal.cash[account]))


def test_off_users_pay_or_do_not_come(baseline: Scenario) -> None:
    """Serving costs of seats are the payers' alone. Kills: free users that stay without their switch."""
    market = settled(steps(Market(altered(baseline, off("free_users")), 1, 100, "2025Q2"), 3))
    s = market.parameters.seats
    for lab in market.active_labs:
        paid = market.trends.seat_market * lab.seat_share * 0.25
        assert lab.accounts.cost.get("serving", 0.0) == pytest.approx(s.serving_share * paid, rel=1e-12)
