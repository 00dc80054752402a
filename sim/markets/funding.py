"""The market for money: labs short of runway ask, investors bid, every round of the quarter clears at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.agents.bases import continued
from sim.agents.lab import NOT_ENTERED, Lab
from sim.economics.valuation import Cleared, clear_round, conviction, inflow, mood_step, step_towards
from sim.markets.rounds import hold_round
from sim.quarters import DT, QUARTERS_PER_YEAR
from sim.words import dollars

if TYPE_CHECKING:
    from sim.market import Market

Floats = NDArray[np.float64]


def transfer_cap(market: Market, lab: Lab) -> float:
    """Largest transfer of the lab's parent or state, USD a year; it grows with the parent's own business."""
    f = market.parameters.funding
    if not market.parameters.switches.parent_transfers or not lab.backed:
        return 0.0
    return lab.parameters.transfer_cap * f.parent_cap * market.trends.parent_cap


def transfer(market: Market, lab: Lab, costs: float) -> None:
    """A parent pays what its lab's costs and debts exceed its cash, and tops it up to the target runway."""
    cap = transfer_cap(market, lab) * DT
    if cap <= 0.0:
        return
    journal = market.journal
    keep = market.parameters.funding.target_runway_years * max(0.0, lab.accounts.burn) / DT
    need = costs + keep + journal.debt(lab.account) - float(journal.cash[lab.account])
    amount = min(cap, max(0.0, need))
    treasury = market.account_of[f"treasury:{lab.parameters.parent or lab.id}"]
    journal.pay("treasury_receipts", market.rest_of_world, treasury, amount)
    journal.pay("parent_transfer", treasury, lab.account, amount)
    lab.accounts.transfer = amount


# ---- investors' side: mood, new commitments, marks


def move_mood(market: Market) -> None:
    """Investors' log mood follows the industry's growth beyond the normal one, with news."""
    c = market.parameters.capital
    if not market.parameters.switches.mood:
        return
    surprise = math.log1p(max(-0.9, market.outlook.growth)) - c.normal_growth
    news = c.mood_luck * float(market.streams.generator("investors/news", market.quarter).standard_normal())
    market.mood = mood_step(market.mood, surprise, c.mood_gain, c.mood_persistence, news)


def raise_commitments(market: Market) -> None:
    """Investors' own backers promise new money, the more the better the industry does."""
    c, first = market.parameters.capital, market.industry_revenue[0]
    index = market.industry_revenue[-1] / first if first > 0.0 else 1.0
    climate = c.climate * math.exp(market.mood)
    for investor in market.investor.values():
        purse = investor.parameters.dry_powder
        investor.uncalled *= math.exp(-DT / c.commitment_life)
        investor.uncalled += inflow(purse, c.inflow, index, c.inflow_elasticity, climate, DT)


def mark_books(market: Market) -> None:
    """Marks of private labs follow what they are worth to somebody without convictions, in today's mood."""
    c = market.parameters.capital
    for lab in market.roster:
        if lab.active and not lab.backed and lab.last_round < market.quarter:  # a round agreed before sets today's mark
            worth = market.outlook.value(lab, market.parameters) * math.exp(market.mood)
            lab.valuation = step_towards(lab.valuation, worth, c.mark_speed) if worth > 0.0 else lab.valuation


# ---- labs' side


@dataclass(frozen=True)
class Ask:
    """What a lab asks for and why: USD, its worth to somebody without convictions, planned burn and runway at it."""

    lab: Lab
    amount: float
    worth: float
    runway: float
    burn: float


def asks(market: Market) -> list[Ask]:
    """Every lab that asks for money this quarter, in order of id: those short of runway, and founders of new labs."""
    return [ask for lab in market.roster if (ask := ask_of(market, lab)) is not None]


def ask_of(market: Market, lab: Lab) -> Ask | None:
    """Burn for the target runway, and what research would grow by as far as shares can be sold for it.

    None for who needs or gets no private money.
    """
    c = market.parameters.capital
    if lab.proposed:
        return first_ask(market, lab)
    if lab.backed or not lab.active or lab.for_sale or market.quarter - lab.last_ask < c.between_rounds:
        return None
    burn = max(0.0, lab.accounts.burn * QUARTERS_PER_YEAR)
    growth = growth_of_research(market, lab)
    planned = burn + growth
    cash = float(market.journal.cash[lab.account]) + market.journal.credit(lab.account)
    runway = cash / planned * QUARTERS_PER_YEAR if planned > 0.0 else math.inf
    if runway >= c.runway_trigger * QUARTERS_PER_YEAR:
        return None
    added = growth / (lab.budget_per_run() * market.outlook.race)
    worth = market.outlook.value(lab, market.parameters, added)  # with the money it asks for
    short = market.journal.debt(lab.account) - cash
    price = worth * market.outlook.compute_premium(lab, worth, market.parameters)
    sellable = price * math.exp(market.mood) * c.largest_dilution
    amount = max(c.runway_target * burn + short, min(c.runway_target * planned + short, sellable))
    return Ask(lab, amount, worth, runway, planned) if amount > 0.0 else None


def growth_of_research(market: Market, lab: Lab) -> float:
    """What the lab would spend more than today, USD a year, on average until the next round, on the way to its aim."""
    c, costs = market.parameters.capital, market.parameters.costs
    aim = max(lab.target_run, costs.minimum_run) * lab.budget_per_run()
    if aim <= lab.plan.budget:
        return 0.0
    quarters = np.arange(1.0, c.runway_target / DT + 1.0)
    path = np.minimum(aim, lab.plan.budget * costs.budget_ratchet**quarters)
    return max(0.0, built_out(path - lab.plan.budget, costs.build_out_lag, costs.staff_share))


def built_out(wanted: Floats, lag: float, staff: float) -> float:
    """Mean of a path of wanted spending (USD a year, by quarter) of which all but staff follows with the build-out."""
    follow = 1.0 if lag == 0.0 else -math.expm1(-DT / lag)
    built, total = 0.0, 0.0
    for goal in wanted.tolist():
        built += follow * (goal - built)
        total += staff * goal + (1.0 - staff) * built
    return total / wanted.size


def first_ask(market: Market, lab: Lab) -> Ask:
    """A new lab asks for its first model and the target runway; the team alone is worth what giants pay for teams."""
    burn = lab.plan.budget
    amount = market.parameters.capital.runway_target * burn + lab.parameters.first_run
    t, s = market.parameters.technology, market.parameters.switches
    behind = max(0.0, market.outlook.best - lab.parameters.capability)
    distilled = market.outlook.best - behind * (1.0 - t.distillation * s.distillation)  # everybody distils
    gap = max(0.0, market.outlook.best - continued(lab, distilled, "flagship")[0])
    team = market.parameters.control.team_years * lab.staff_spending * s.acquihires
    worth = market.outlook.option(gap, lab.plan.capacity / market.outlook.race, market.parameters) + team
    return Ask(lab, amount, worth, 0.0, burn)


# ---- bids


def values(market: Market, wanted: list[Ask]) -> Floats:
    """What each lab that asks is worth to each investor, USD, shape (investors, asks), with the money it asks for:
    conviction, distance, herd, mood, opinion and compute sold to it tilt it."""
    p, c, s = market.parameters, market.parameters.capital, market.parameters.switches
    labs, investors = [ask.lab for ask in wanted], [investor.parameters for investor in market.investor.values()]
    tilt = np.tile([math.log(max(ask.worth, 1.0)) + market.mood for ask in wanted], (len(investors), 1))
    if s.conviction:
        theses, hedges = np.array([[i.thesis] for i in investors]), np.array([[i.hedging] for i in investors])
        tilt += conviction(theses, [lab.creed for lab in labs], hedges, c.conviction)
    if s.herd:
        tilt += c.herd * np.array([math.log(max(lab.last_demand, 1.0)) for lab in labs])
    homes = [lab.parameters.region for lab in labs]
    felt = {name: [region.distrust.get(home, 0.0) for home in homes] for name, region in p.regions.items()}
    tilt -= c.abroad * np.array([felt[i.region] for i in investors])
    tilt += c.home * np.array([[i.kind == "sovereign" and i.region == home for home in homes] for i in investors])
    opinions = np.array([[investor.opinion(lab.id) for lab in labs] for investor in market.investor.values()])
    profits = np.column_stack([market.outlook.compute_profit(ask.lab, ask.worth, p) for ask in wanted])
    return np.exp(tilt + c.opinion * opinions + np.log1p(profits))


def bids(market: Market, worth: Floats) -> Floats:
    """USD each investor offers each lab: part of its dry powder, less in a cold climate, split by the labs' worth.

    Credits cost who sells compute less than what they buy, so that the same purse offers more.
    """
    ticket = market.parameters.capital.ticket * min(1.0, market.parameters.capital.climate)
    costs = np.array([1.0 - i.margin * i.part_in_compute for i in market.investor.values()])
    purse = np.array([i.dry_powder * i.parameters.risk_tolerance * ticket for i in market.investor.values()]) / costs
    whole = np.cumsum(worth, axis=1)[:, -1:]  # in order of labs
    return np.asarray(purse[:, None] * worth / whole)


def hold_rounds(market: Market) -> None:
    """All asks of the quarter, all bids, all rounds: everybody decides on the same state, then money moves."""
    c = market.parameters.capital
    move_mood(market)
    raise_commitments(market)
    mark_books(market)
    wanted = asks(market)
    if not wanted:
        return
    worth = values(market, wanted)
    before = np.maximum(0.0, worth - [ask.amount for ask in wanted])  # pre-money: the race costs what is asked for
    offered = bids(market, worth)
    rounds = [
        clear_round(ask.amount, before[:, i], offered[:, i], c.largest_dilution, c.smallest_fill)
        for i, ask in enumerate(wanted)
    ]
    for ask, cleared in zip(wanted, rounds, strict=True):
        settle_round(market, ask, cleared)


def settle_round(market: Market, ask: Ask, cleared: Cleared) -> None:
    """Money and shares of one round, or its failure, with the numbers that decided."""
    lab = ask.lab
    lab.last_ask, lab.last_demand, lab.round_failed = market.quarter, cleared.coverage, cleared.failed
    numbers = {
        "ask_usd": ask.amount,
        "planned_runway_quarters": ask.runway,
        "planned_burn_usd_per_year": ask.burn,
        "worth_usd": ask.worth,
        "pre_money_usd": cleared.pre_money,
        "demand_over_ask": cleared.coverage,
        "mood": math.exp(market.mood),
    }
    said = (
        f"money for {ask.runway:.1f} quarters at a planned burn of {dollars(ask.burn)} a year; asked for "
        f"{dollars(ask.amount)}"
    )
    if cleared.failed:
        why = f"bids came to {cleared.coverage:.0%} of it"
        if cleared.coverage >= market.parameters.capital.smallest_fill:
            why += ", for more of the lab than may be sold at once"
        market.event("failed_round", lab.id, "", 0.0, f"{said}; {why}", numbers)
        if lab.status == NOT_ENTERED:
            market.withdraw(lab)
        return
    before = lab.valuation
    paid = {name: usd for name, usd in zip(market.investor, cleared.paid.tolist(), strict=True) if usd > 0.0}
    stakes_before = lab.stakes
    in_compute = {name: market.investor[name].part_in_compute for name in paid}
    post = hold_round(market, lab, cleared.pre_money, paid, in_compute)
    claim_revenue(market, lab, stakes_before)
    if lab.status == NOT_ENTERED:
        market.found(lab)
    numbers |= {"post_money_usd": post, "sold_fraction": cleared.amount / post, "marked_before_usd": before}
    lead = max(paid, key=lambda name: paid[name])
    word = "down round, " if cleared.pre_money < before else ""
    said += f"; {word}{dollars(cleared.amount)} at {dollars(cleared.pre_money)} before the money"
    market.event("round", lab.id, lead, cleared.amount, said, numbers)


def claim_revenue(market: Market, lab: Lab, before: dict[str, float]) -> None:
    """Corporates with compute to give take a part of revenue with the stakes they buy, up to what a lab can promise."""
    c = market.parameters.capital
    for name, stake in lab.stakes.items():
        investor = market.investor.get(name)
        if investor is None or investor.parameters.kind != "corporate" or not investor.has_compute:
            continue
        room = c.revenue_claim_cap - sum(lab.claims.values())
        bought = max(0.0, stake - before.get(name, 0.0))
        added = min(max(0.0, room), c.revenue_claim * bought)
        if added > 0.0:
            lab.claims[name] = lab.claims.get(name, 0.0) + added
