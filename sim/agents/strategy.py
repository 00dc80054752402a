"""What a lab decides to be: race, follow, specialise, serve or stop, by what each is worth to it in USD a year."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sim.agents.lab import Lab
from sim.economics.strategy import chance_within, choice_chances, gap_at_run_share, giving_up_hazard
from sim.parameters import STRATEGIES, Strategy
from sim.quarters import DT, QUARTERS_PER_YEAR

if TYPE_CHECKING:
    from sim.market import Market

STOP: Literal["stop"] = "stop"
LARGEST_CORRECTION = 3.0  # nobody takes one good year for more than a threefold of the expected


@dataclass(frozen=True)
class Position:
    """A strategy as a lab sees it: the run it aims at (USD a year), R&D it would cost, what it earns, in USD a year,
    and what it is worth all told; -inf when out of reach."""

    strategy: Strategy
    run: float
    cost: float
    earnings: float
    option: float
    value: float


def target_run(market: Market, lab: Lab, strategy: Strategy) -> float:
    """Final runs a lab of this strategy aims at, USD a year: racers at X*, others at a part of the leading run."""
    p, s = lab.parameters, market.parameters.strategy
    if not market.parameters.switches.strategy_choice:
        return p.target_share * market.trends.training_cost
    usual = {
        "frontier": 1.0,
        "follower": s.follower_share,
        "specialist": s.specialist_share,
        "services": s.services_share,
    }[strategy]
    share = p.target_share if strategy == p.strategy else usual
    return share * (market.trends.training_cost if strategy == "frontier" else market.outlook.race)


def positions(market: Market, lab: Lab) -> list[Position]:
    """Every strategy beside the others, before the cost of changing."""
    known, means = experience(market, lab), lab.affordable_budget()
    return [position(market, lab, strategy, known, means) for strategy in STRATEGIES]


def position(market: Market, lab: Lab, strategy: Strategy, known: float, means: float) -> Position:
    """What a strategy would bring and cost a year, over the planning horizon.

    `known` is the lab's experience so far, `means` the R&D it can pay, USD a year.
    """
    p, s, outlook = market.parameters, market.parameters.strategy, market.outlook
    per_run = lab.budget_per_run()
    wanted = max(target_run(market, lab, strategy), p.costs.minimum_run)
    run = min(
        wanted, means / per_run, max(outlook.leading_run, lab.plan.capacity) * p.costs.budget_ratchet**QUARTERS_PER_YEAR
    )
    needed = min(wanted, outlook.race) if strategy == "frontier" else wanted
    if run < s.within_reach * needed or run <= 0.0:
        return Position(strategy, run, run * per_run, 0.0, 0.0, -math.inf)
    gap = expected_gap(market, lab, run)
    later = (1.0 + max(0.0, outlook.growth)) ** (s.horizon / 2.0)
    sold = known * selling(market, lab, strategy, gap) + seat_profit(market, lab, gap)
    earnings = later * lab.kept_of_sales() * sold
    option = s.yearly_return * outlook.option(gap, run / outlook.race, p) + own_use(market, lab, gap)
    cost = run * per_run
    return Position(strategy, run, cost, earnings, option, earnings + option - cost)


def expected_gap(market: Market, lab: Lab, run: float) -> float:
    """Gap to the best, OOM, that a lab expects when it trains at this run."""
    now = max(lab.plan.capacity, market.parameters.costs.minimum_run)
    t, s = market.parameters.technology, market.parameters.switches
    copied = t.distillation if s.distillation else 0.0
    return max(0.0, gap_at_run_share(market.outlook.gap(lab), now, run, copied))


def selling(market: Market, lab: Lab, strategy: Strategy, gap: float) -> float:
    """Gross profit, USD a year, on its tiers under their licences; a services lab sells support on open weights."""
    p, rate, total = market.parameters, lab.services_rate_as(strategy), 0.0
    for tier, licence in sorted(lab.stance.items()):
        behind = gap + (p.technology.small_lag if tier == "small" else 0.0)
        total += market.outlook.earning(lab, tier, licence, behind, rate, p)
    return total


def experience(market: Market, lab: Lab) -> float:
    """What the lab earned over what it would have expected to earn as it is; 1 before it has sold for a year.

    Nobody believes for long in customers who never came: habit, distrust and contracts keep many from a new seller.
    """
    if market.quarter - lab.entry < QUARTERS_PER_YEAR:
        return 1.0
    expected = selling(market, lab, lab.strategy, market.outlook.gap(lab))
    return min(LARGEST_CORRECTION, market.outlook.earned(lab) / expected) if expected > 0.0 else 1.0


def seat_profit(market: Market, lab: Lab, gap: float) -> float:
    """Gross profit on subscriptions, USD a year, if they follow quality."""
    p = market.parameters.seats
    sold = market.trends.seat_market * lab.seat_share * market.parameters.switches.seats
    return sold * (1.0 - p.serving_share) * math.exp(-p.quality_weight * (gap - market.outlook.gap(lab)))


def own_use(market: Market, lab: Lab, gap: float) -> float:
    """What good models of its own bring an owner's other business, USD a year: in its products, and free for all."""
    free = sum(lab.complement(tier) for tier, licence in lab.stance.items() if licence != "closed")
    return (lab.own_use + free) * math.exp(-market.parameters.strategy.quality_weight * gap)


def planning_due(market: Market, lab: Lab) -> bool:
    """Whether the lab plans this quarter: every so many quarters from its entry on."""
    interval = market.parameters.strategy.planning_interval
    return market.quarter > lab.entry and (market.quarter - lab.entry) % interval == 0


def choose_strategy(market: Market, lab: Lab) -> tuple[Strategy | Literal["stop"], list[Position]]:
    """The strategy, or `stop`, a lab chooses, and what it saw; an independent may stop, a backed lab goes on."""
    s = market.parameters.strategy
    seen = positions(market, lab)
    values = np.array([x.value for x in seen])
    finite = values[np.isfinite(values)]
    stop = -math.inf if lab.backed else 0.0  # nothing earned, nothing spent: the cash is there either way
    stake = np.abs(finite).max(initial=0.0)
    values = values - s.inertia * stake * np.array([x.strategy != lab.strategy for x in seen])
    options = np.append(values, stop)
    if not np.isfinite(options).any():
        return lab.strategy, seen
    luck = lab.fortune("strategy")
    drawn = int(np.searchsorted(np.cumsum(choice_chances(options, s.intensity)), luck, side="right"))
    return STRATEGIES[drawn] if drawn < len(STRATEGIES) else STOP, seen


def gives_up(market: Market, lab: Lab) -> float:
    """Hazard per year with which the founders of an independent lab look for a buyer."""
    s, a = market.parameters.strategy, lab.accounts
    if lab.backed or not market.parameters.switches.giving_up or a.total_cost <= 0.0:
        return 0.0
    share, cover = market.outlook.run_share(lab), a.total_revenue / a.total_cost
    return giving_up_hazard(share, cover, s.giving_up_rate, s.lost_race, s.safe_cover)


def gives_up_now(market: Market, lab: Lab) -> bool:
    """Whether the founders look for a buyer from this quarter on."""
    hazard = gives_up(market, lab)
    if hazard <= 0.0:
        return False
    return lab.fortune("giving_up") < chance_within(hazard, DT)


def reconsider(market: Market, lab: Lab) -> None:
    """In its planning round a lab may change its strategy or stop; founders may give up at any time."""
    lab.for_sale = lab.for_sale and not planning_due(market, lab)
    if market.parameters.switches.strategy_choice and planning_due(market, lab):
        chosen, seen = choose_strategy(market, lab)
        lab.for_sale = chosen == STOP
        lab.why_for_sale = "no strategy was worth its cost"
        if chosen != STOP and chosen != lab.strategy:
            change_strategy(market, lab, chosen, seen)
    if not lab.for_sale and gives_up_now(market, lab):
        a = lab.accounts
        lab.for_sale = True
        lab.why_for_sale = (
            f"founders saw {market.outlook.run_share(lab):.0%} of the price of the race within reach and "
            f"{a.total_revenue / a.total_cost:.0%} of cost earned"
        )


def change_strategy(market: Market, lab: Lab, chosen: Strategy, seen: list[Position]) -> None:
    """Turn to another strategy, and say what each was expected to be worth."""
    worth = {x.strategy: x.value for x in seen if math.isfinite(x.value)}
    compared = ", ".join(f"{name} {value:.3g}" for name, value in worth.items())
    cause = f"{lab.strategy} -> {chosen}: expected USD a year of {compared}"
    lab.strategy = chosen
    market.event("pivot", lab.id, cause=cause, numbers={f"{name}_usd_per_year": v for name, v in worth.items()})
