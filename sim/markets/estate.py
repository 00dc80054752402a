"""How a lab ends: its estate is settled by seniority, its team or all of it goes to another, its holders are paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.agents.lab import EXITED, Lab
from sim.economics.finance import estate_waterfall

if TYPE_CHECKING:
    from sim.market import Market

STAFF_SENIORITY, SUPPLIER_SENIORITY = 0, 1  # wages before suppliers


def settle_estate(market: Market, lab: Lab) -> float:
    """Creditors recover what cash there is, by seniority; the rest of their claims is written off. Returns USD paid."""
    journal = market.journal
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
    journal.lapse_credit(lab.account)
    return float(recovered.sum())


def pay_holders(market: Market, lab: Lab, purpose: str, payer: int, amount: float) -> None:
    """Who holds a lab is paid by stake: investors and parents on their accounts, founders outside them.

    The largest holder comes last and gets what is left, so that rounding leaves nothing with the payer.
    """
    paid, left = market.register.by_stake(lab.id, amount), amount
    *others, largest = sorted(paid, key=lambda name: (paid[name], name))
    for name in others:
        left -= paid[name]
    paid[largest] = max(0.0, left)
    for name in [*others, largest]:
        market.journal.pay(purpose, payer, market.holder_account(name), paid[name])
        if name in market.investor:
            market.investor[name].receive(paid[name])
    market.register.pay_out(lab.id, paid, payer)


def wind_down(market: Market, lab: Lab) -> tuple[float, float]:
    """Settle the estate, give holders what is left, close the books; returns what creditors and holders got, USD."""
    recovered = settle_estate(market, lab)
    left = max(0.0, float(market.journal.cash[lab.account]))
    pay_holders(market, lab, "distribution", lab.account, left)
    market.register.retire(lab.id, {}, lab.account)
    close(market, lab)
    return recovered, left


def hire_team(market: Market, lab: Lab, giant: Lab, fee: float) -> None:
    """A giant hires the team: it pays the debts and a licence fee to the holders; the rest is wound down."""
    journal = market.journal
    treasury = _fill_treasury(market, giant, fee + journal.debt(lab.account))
    journal.assume_debt(lab.account, treasury)
    for creditor, owed in journal.claims(treasury).items():
        journal.repay(treasury, creditor, owed)
    pay_holders(market, lab, "licence_fee", treasury, fee)
    teach(market, lab, giant)
    wind_down(market, lab)


def buy(market: Market, lab: Lab, giant: Lab, price: float) -> None:
    """A giant buys the lab for cash: customers, models, people, money and debts."""
    treasury = _fill_treasury(market, giant, price)
    pay_holders(market, lab, "purchase", treasury, price)
    market.register.retire(lab.id, {}, treasury)
    absorb(market, lab, giant)


def _fill_treasury(market: Market, giant: Lab, amount: float) -> int:
    """A giant finds the money for a purchase in its other business; returns the account."""
    treasury = market.account_of[f"treasury:{giant.owner}"]
    market.journal.pay("treasury_receipts", market.rest_of_world, treasury, amount)
    return treasury


def merge(market: Market, lab: Lab, buyer: Lab, price: float) -> None:
    """An independent lab takes another over for new shares of its own."""
    buyer.valuation = market.register.swap(lab.id, buyer.id, price, max(buyer.valuation, price))
    market.note_stakes(buyer)
    absorb(market, lab, buyer)


def absorb(market: Market, lab: Lab, buyer: Lab) -> None:
    """Money, debts, credits, customers, models, seats, applications and knowledge of a lab become its buyer's."""
    journal = market.journal
    journal.pay("cash_acquired", lab.account, buyer.account, max(0.0, float(journal.cash[lab.account])))
    journal.assume_debt(lab.account, buyer.account)
    journal.transfer_credit(lab.account, buyer.account)
    take_over_claims(lab, buyer)
    teach(market, lab, buyer)
    buyer.seat_share += lab.seat_share
    buyer.applications += lab.applications
    market.hand_over(lab, buyer)
    lab.successor = buyer
    close(market, lab)


def take_over_claims(lab: Lab, buyer: Lab) -> None:
    """Backers' parts of the target's revenue become parts of the joint revenue that are worth the same today."""
    joint = lab.revenue_rate + buyer.revenue_rate
    if joint <= 0.0:
        return
    for claims, weight in ((buyer.claims, buyer.revenue_rate / joint), (lab.claims, lab.revenue_rate / joint)):
        for name in claims:
            claims[name] *= weight
    for name, rate in lab.claims.items():
        buyer.claims[name] = buyer.claims.get(name, 0.0) + rate


def teach(market: Market, lab: Lab, buyer: Lab) -> None:
    """Part of what a team knows beyond its new colleagues moves with it."""
    lead = max(0.0, lab.knowledge - buyer.knowledge)
    buyer.knowledge += market.parameters.control.staff_knowledge * lead


def close(market: Market, lab: Lab) -> None:
    """The lab is no more: closed models end, open weights live on without it."""
    market.journal.close_account(lab.account)
    market.note_stakes(lab)
    lab.status = EXITED
    lab.seat_share = lab.applications = 0.0
    lab.valuation = 0.0
    market.retire_models(lab)
