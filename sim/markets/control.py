"""Who controls what, and who goes: for now, wind-down of labs beyond their credit limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.agents.lab import EXITED, Lab
from sim.economics.finance import estate_waterfall
from sim.quarters import QUARTERS_PER_YEAR
from sim.records import Event

if TYPE_CHECKING:
    from sim.market import Market

STAFF_SENIORITY, SUPPLIER_SENIORITY = 0, 1  # wages before suppliers


def credit_limit(market: Market, lab: Lab) -> float:
    """Trade debt that suppliers allow, USD: a span of the lab's costs, with a floor; 0 when suppliers give none."""
    c = market.parameters.costs
    if not market.parameters.switches.trade_debt:
        return 0.0
    return max(c.credit_floor, c.credit_limit_years * lab.accounts.total_cost * QUARTERS_PER_YEAR)


def beyond_credit(market: Market, lab: Lab) -> bool:
    """Whether the lab's trade debt is above its limit."""
    return market.journal.debt(lab.account) > credit_limit(market, lab)


def exits(market: Market) -> None:
    """Wind down every lab beyond its credit limit."""
    for lab in market.roster:
        if lab.active and beyond_credit(market, lab):
            wind_down(market, lab)


def wind_down(market: Market, lab: Lab) -> None:
    """Settle the estate by seniority and close the books; closed models end, open weights live on without their lab."""
    journal = market.journal
    debt, limit, burn = journal.debt(lab.account), credit_limit(market, lab), lab.accounts.burn
    claims = journal.claims(lab.account)
    creditors = sorted(claims)
    staff = market.account_of["staff"]
    seniority = np.array([STAFF_SENIORITY if c == staff else SUPPLIER_SENIORITY for c in creditors])
    owed = np.array([claims[c] for c in creditors])
    estate = max(0.0, float(journal.cash[lab.account]))
    recovered = estate_waterfall(estate, owed, seniority) if creditors else owed
    for creditor, paid in zip(creditors, recovered, strict=True):
        journal.recover(lab.account, creditor, float(paid))
        journal.forgive("write_off", lab.account, creditor, journal.claims(lab.account).get(creditor, 0.0))
    distribute(market, lab)
    journal.close_account(lab.account)
    lab.status = EXITED
    lab.seat_share = 0.0
    market.retire_models(lab)
    if market.subscale(lab):
        market.exits_and_rescues += 1
    cause = (
        f"trade debt {debt:.4g} USD above the limit of {limit:.4g} USD at a burn of "
        f"{burn * QUARTERS_PER_YEAR:.4g} USD a year; creditors recovered {float(recovered.sum()):.4g} USD"
    )
    market.records.event(Event(market.label, "winddown", lab.id, "", debt, cause))


def distribute(market: Market, lab: Lab) -> None:
    """What is left in an estate goes to the shareholders by stake, or to the parent or state."""
    journal = market.journal
    left = float(journal.cash[lab.account])
    if left <= 0.0:
        return
    if not lab.stakes:
        journal.pay("distribution", lab.account, market.account_of[f"treasury:{lab.parameters.parent or lab.id}"], left)
        return
    for name, stake in sorted(lab.stakes.items()):
        if name in market.investor:
            journal.pay("distribution", lab.account, market.investor[name].account, left * stake)
    journal.pay("distribution", lab.account, market.rest_of_world, max(0.0, float(journal.cash[lab.account])))
