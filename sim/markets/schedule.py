"""Exogenous funding: the dated rounds of the scenario and their repetition, the regime without a market for money."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sim.agents.lab import Lab
from sim.markets.rounds import hold_round
from sim.parameters import Round
from sim.quarters import QUARTERS_PER_YEAR, quarter_number
from sim.words import dollars

if TYPE_CHECKING:
    from sim.market import Market


def hold_scheduled_rounds(market: Market) -> None:
    """Rounds agreed before the first quarter; on a schedule all dated ones and their repetition."""
    scheduled = market.parameters.switches.exogenous_rounds
    for lab in market.roster:
        if not lab.active:
            continue
        dated = dated_rounds(market, lab, scheduled)
        for row in dated:
            why = "agreed before the start" if row.agreed else "on the schedule"
            _hold(market, lab, row, why)
        if scheduled and not dated and repetition_due(market, lab):
            repeat_round(market, lab)


def dated_rounds(market: Market, lab: Lab, scheduled: bool) -> list[Round]:
    """The scenario's rounds of this lab and quarter: all of them on a schedule, else those agreed beforehand."""
    today = [r for r in lab.parameters.rounds if quarter_number(r.quarter) == market.quarter]
    return today if scheduled else [r for r in today if r.agreed]


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
    pre_money = amount / f.repeat_dilution - amount
    again = Round.model_construct(amount=amount, pre_money=pre_money, investors=shares, credit_share=0.0)
    _hold(market, lab, again, "the schedule repeats")


def _hold(market: Market, lab: Lab, row: Round, why: str) -> None:
    burn, shares = lab.accounts.burn * QUARTERS_PER_YEAR, row.investors
    credit = row.credit_share * market.parameters.switches.compute_for_equity
    in_compute = {name: credit * market.investor[name].has_compute for name in shares}
    paid = {name: row.amount * part for name, part in shares.items()}
    lacked = -sum(market.investor[name].co_invested for name in shares)
    post = hold_round(market, lab, row.pre_money, paid, in_compute)
    lacked += sum(market.investor[name].co_invested for name in shares)
    lead, sold = max(sorted(shares), key=lambda name: shares[name]), row.amount / post
    cause = f"{why}: {sold:.1%} sold at {dollars(row.pre_money)} before the money, burn {dollars(burn)} a year"
    if lacked > 0.0:
        cause += f"; outside co-investors put in {dollars(lacked)} that the investors' own backers had not promised"
    numbers = {
        "pre_money_usd": row.pre_money,
        "post_money_usd": post,
        "sold_fraction": sold,
        "burn_usd_per_year": burn,
        "co_invested_usd": lacked,
    }
    market.event("round", lab.id, lead, row.amount, cause, numbers)
