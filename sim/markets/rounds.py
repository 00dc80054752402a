"""New money into a lab: investors call what they lack, pay in cash and compute credits, and get new shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.agents.lab import Lab

if TYPE_CHECKING:
    from sim.market import Market


def hold_round(
    market: Market, lab: Lab, pre_money: float, paid: Mapping[str, float], in_compute: Mapping[str, float]
) -> float:
    """Investors pay (USD by id), part of it (0-1 by id) in compute credits; returns the post-money value."""
    journal = market.journal
    money = {name: amount for name, amount in sorted(paid.items()) if amount > 0.0}
    for name, amount in money.items():
        investor = market.investor[name]
        credit = amount * in_compute[name]
        investor.call(max(0.0, amount - credit - investor.cash))
        journal.pay("equity", investor.account, lab.account, amount - credit)
        if credit > 0.0:
            journal.grant_credit(investor.account, lab.account, credit)
        investor.note(lab, amount, credit)
    raised = sum(money.values())
    lab.valuation = market.register.issue(lab.id, pre_money, money)
    lab.accounts.funding += raised
    market.funding_so_far[lab.parameters.creed] += raised
    market.note_stakes(lab)
    lab.last_round = market.quarter
    lab.unsold = 0
    lab.spend_at_last_round = market.api_spend
    return lab.valuation
