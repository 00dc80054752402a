"""Where labs' money comes from: dated rounds and their repetition, and transfers from parents and states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sim.agents.lab import Lab
from sim.economics.finance import dilute, post_money
from sim.quarters import DT, QUARTERS_PER_YEAR, quarter_number
from sim.records import Event

if TYPE_CHECKING:
    from sim.market import Market


def transfer_cap(market: Market, lab: Lab) -> float:
    """Largest transfer of the lab's parent or state, USD a year; it grows with the parent's own business."""
    f = market.parameters.funding
    if not market.parameters.switches.parent_transfers or not lab.backed:
        return 0.0
    return lab.parameters.transfer_cap * f.parent_cap * market.trends.parent_cap


def transfer(market: Market, lab: Lab, costs: float) -> None:
    """A parent pays what its lab's costs exceed its cash, and tops up the cash to the target runway, up to the cap."""
    cap = transfer_cap(market, lab) * DT
    if cap <= 0.0:
        return
    journal = market.journal
    keep = market.parameters.funding.target_runway_years * max(0.0, lab.accounts.burn) / DT
    need = costs + keep - float(journal.cash[lab.account])
    amount = min(cap, max(0.0, need))
    treasury = market.account_of[f"treasury:{lab.parameters.parent or lab.id}"]
    journal.pay("treasury_receipts", market.rest_of_world, treasury, amount)
    journal.pay("parent_transfer", treasury, lab.account, amount)
    lab.accounts.transfer = amount


def fund(market: Market) -> None:
    """The rounds of the quarter, lab by lab in order of id."""
    if not market.parameters.switches.exogenous_rounds:
        return
    for lab in market.roster:
        if not lab.active:
            continue
        dated = [r for r in lab.parameters.rounds if quarter_number(r.quarter) == market.quarter]
        for row in dated:
            hold_round(market, lab, row.amount, row.pre_money, row.investors, row.credit_share)
        if not dated and repetition_due(market, lab):
            repeat_round(market, lab)


def repetition_due(market: Market, lab: Lab) -> bool:
    """Whether the schedule repeats: after the last dated round (or entry), every so many quarters."""
    if not lab.parameters.repeat_rounds or lab.parameters.ownership != "independent":
        return False
    dated = [quarter_number(r.quarter) for r in lab.parameters.rounds]
    if dated and market.quarter <= max(dated):
        return False
    last = max(lab.last_round, lab.entry)
    return market.quarter - last >= market.parameters.funding.repeat_interval


def repeat_round(market: Market, lab: Lab) -> None:
    """Money for a span of burn, scaled by how far API spending has grown since the lab's last round."""
    f = market.parameters.funding
    burn = max(0.0, lab.accounts.burn) * QUARTERS_PER_YEAR
    before = lab.spend_at_last_round or market.api_spend
    growth = market.api_spend / before if before > 0 else 1.0
    amount = f.repeat_burn_years * burn * float(np.clip(growth, 1.0 / f.repeat_growth_cap, f.repeat_growth_cap))
    if amount <= 0.0:
        return
    holders = {name: stake for name, stake in sorted(lab.stakes.items()) if name in market.investor}
    backers = holders or {name: 1.0 for name, i in sorted(market.investor.items()) if i.parameters.kind == "venture"}
    if not backers:
        return
    whole = sum(backers.values())
    shares = {name: stake / whole for name, stake in backers.items()}
    hold_round(market, lab, amount, amount / f.repeat_dilution - amount, shares, 0.0)


def hold_round(
    market: Market, lab: Lab, amount: float, pre_money: float, shares: Mapping[str, float], credit_share: float
) -> None:
    """New money into a lab: investors call what they lack, pay in cash and credits, and the cap table is diluted."""
    journal = market.journal
    post = float(post_money(pre_money, amount))
    for name, share in sorted(shares.items()):
        investor = market.investor[name]
        part = amount * share
        credit = part * investor.compute_share(credit_share)
        call = max(0.0, part - credit - investor.dry_powder)
        journal.pay("capital_call", market.rest_of_world, investor.account, call)
        journal.pay("equity", investor.account, lab.account, part - credit)
        journal.grant_credit(investor.account, lab.account, credit)
        investor.called += call
        investor.invested += part
        investor.granted += credit
    sold = amount / post
    names = sorted(lab.stakes)
    kept = dilute(np.array([lab.stakes[n] for n in names]), sold)
    lab.stakes = dict(zip(names, (float(x) for x in kept), strict=True))
    for name, share in sorted(shares.items()):
        lab.stakes[name] = lab.stakes.get(name, 0.0) + sold * share
    for name in lab.stakes:
        if name in market.investor:
            market.investor[name].holdings[lab.id] = lab.stakes[name]
    lab.valuation = post
    lab.accounts.funding += amount
    market.funding_so_far[lab.parameters.creed] += amount
    lab.last_round = market.quarter
    lab.spend_at_last_round = market.api_spend
    lead = max(sorted(shares), key=lambda name: shares[name])
    cause = (
        f"pre-money {pre_money:.4g} USD, {sold:.1%} sold, burn {lab.accounts.burn * QUARTERS_PER_YEAR:.4g} USD a year"
    )
    market.records.event(Event(market.label, "round", lab.id, lead, amount, cause))
