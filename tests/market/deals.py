"""Deals on demand: markets brought to the point where labs change hands, with a lab put up for sale or in distress."""

from __future__ import annotations

import json
from functools import cache
from typing import NamedTuple

import pandas as pd

from sim.agents.lab import Lab, Sale
from sim.market import Market
from sim.parameters import Parameters
from sim.records import Records
from sim.scenario import Scenario, load_scenario
from tests.market.worlds import Edit, altered, begin_quarter, finish_quarter, off, put, steps

# Every giant is ready at any time, and nothing but what a test does puts a lab on the market or bids up its value.
EAGER = put("control", appetite=20.0, team_spread=0.0, reach=1e13)
CALM = off(
    "strategy_choice", "giving_up", "founding", "restructuring", "compute_for_equity", "specialities", "standing"
)


def review_by(level: float, change: float, share: float, failing_firm: bool = False) -> Edit:
    """An edit that gives every region the same merger thresholds."""

    def edit(p: Parameters) -> None:
        for region in p.regions.values():
            region.merger_level, region.merger_change, region.merger_share = level, change, share
            region.failing_firm = failing_firm

    return edit


@cache
def long_run(seed: int) -> tuple[Market, Records]:
    """The baseline to 2030Q4 with 200 enterprises; tests only read it."""
    market = Market(load_scenario("baseline"), seed, 200, "2030Q4")
    return market, market.run()


def ready(scenario: Scenario, *edits: Edit, quarters: int = 4, seed: int = 1, enterprises: int = 200) -> Market:
    """A market in which `quarters` have passed and the next is done but for labs changing hands."""
    market = steps(Market(altered(scenario, CALM, *edits), seed, enterprises), quarters)
    begin_quarter(market, "labs_change_hands")
    for lab in market.roster:
        lab.sale, lab.distressed, lab.round_failed = None, 0, False
    return market


def sell(market: Market, lab_id: str) -> Lab:
    """Put a lab up for sale and end the quarter, the audit included."""
    lab = market.lab[lab_id]
    lab.sale = Sale(market.quarter, "a test wants it")
    finish_quarter(market, "labs_change_hands")
    return lab


def distress(market: Market, lab_id: str, debt: float = 0.0, cash: float = 0.0) -> Lab:
    """Take a lab's money but for `cash`, by properly posted payments, let it owe `debt` and have failed in a round."""
    lab, journal = market.lab[lab_id], market.journal
    have = float(journal.cash[lab.account])
    journal.pay("opening_balance", lab.account, market.rest_of_world, max(0.0, have - cash))
    journal.pay("opening_balance", market.rest_of_world, lab.account, max(0.0, cash - have))
    journal.owe("trade_debt", lab.account, market.account_of["cloud"], debt)
    lab.round_failed, lab.last_ask = True, market.quarter
    return lab


def events(market: Market | Records, *kinds: str, lab: str = "") -> pd.DataFrame:
    """The ledger's events of some kinds (of one lab), with the numbers the decision saw as columns."""
    records = market.records if isinstance(market, Market) else market
    found = records.tables()["events"]
    found = found[found.kind.isin(kinds) & ((found.lab == lab) | (not lab))].reset_index(drop=True)
    numbers = [json.loads(text) if text else {} for text in found.numbers]
    return pd.concat([found.drop(columns="numbers"), pd.DataFrame(numbers, index=found.index)], axis=1)


class Payments(NamedTuple):
    """Cash of a purpose in the last quarter, USD: by payee, and who paid."""

    by_payee: dict[str, float]
    payers: set[str]


def payments(market: Market, purpose: str) -> Payments:
    """What was paid for a purpose in the quarter that has just ended, or that runs."""
    flows = market.journal.flows(market.register.quarter)
    flows = flows[(flows.purpose == purpose) & (flows.ledger == "cash")]
    return Payments(flows.groupby("payee").amount_usd.sum().to_dict(), set(flows.payer))
