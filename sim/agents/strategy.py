"""What a lab decides to be: race, follow, specialise, serve or stop, by what each is worth to it in USD a year."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.agents.bases import continued
from sim.agents.lab import STOP, Lab, Sale
from sim.economics.costs import seat_serving_cost
from sim.economics.strategy import chance_within, choice_chances, drawn_from, gap_at_run_share, giving_up_hazard
from sim.parameters import STRATEGIES, WORKLOADS, Strategy, WorkloadType
from sim.quarters import DT, QUARTERS_PER_YEAR
from sim.words import dollars

if TYPE_CHECKING:
    from sim.market import Market

Floats = NDArray[np.float64]

LARGEST_CORRECTION = 3.0  # nobody takes one good year for more than a threefold of the expected


class Position(NamedTuple):
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


class Today(NamedTuple):
    """What a lab knows of itself whatever it will be: its gap to the best (OOM), its experience and the part of gross
    profit it keeps (fractions); in USD a year the largest run it can pay and build up to in a year and, of models as
    good as today's, the profit on seats and what they bring its owner's other business as the best."""

    gap: float
    known: float
    kept: float
    largest_run: float
    seats: float
    own_use: float

    @classmethod
    def of(cls, market: Market, lab: Lab, means: float) -> Today:
        """The lab as it is, with R&D of `means` (USD a year) that it can pay."""
        free = sum(lab.complement(tier) for tier, licence in lab.stance.items() if licence != "closed")
        return cls(
            gap=market.outlook.gap(lab),
            known=experience(market, lab),
            kept=lab.kept_of_sales(),
            largest_run=min(means / lab.budget_per_run(), built_within_a_year(market, lab)),
            seats=seat_profit(market, lab),
            own_use=lab.own_use + free,
        )


def built_within_a_year(market: Market, lab: Lab) -> float:
    """Run, USD a year, that grows out of the largest one, or its own, by no more than a ratchet each quarter."""
    ratchet = market.parameters.costs.budget_ratchet**QUARTERS_PER_YEAR
    return max(market.outlook.leading_run, lab.plan.capacity) * ratchet


def positions(market: Market, lab: Lab, means: float) -> list[Position]:
    """Every strategy beside the others, before the cost of changing; `means`: R&D that the lab can pay, USD a year."""
    today = Today.of(market, lab, means)
    return [position(market, lab, strategy, today) for strategy in STRATEGIES]


def position(market: Market, lab: Lab, strategy: Strategy, today: Today) -> Position:
    """What a strategy would bring and cost a year, over the planning horizon."""
    p, s, outlook = market.parameters, market.parameters.strategy, market.outlook
    per_run = lab.budget_per_run()
    wanted = max(target_run(market, lab, strategy), p.costs.minimum_run)
    run = min(wanted, today.largest_run)
    needed = min(wanted, outlook.race) if strategy == "frontier" else wanted
    if run < s.within_reach * needed or run <= 0.0:
        return Position(strategy, run, run * per_run, 0.0, 0.0, -math.inf)
    gap = expected_gap(market, lab, run, today.gap)
    later = (1.0 + max(0.0, outlook.growth)) ** (s.horizon / 2.0)
    seats = today.seats * math.exp(-p.seats.quality_weight * (gap - today.gap))
    earnings = later * today.kept * (today.known * selling(market, lab, strategy, gap) + seats)
    own_use = today.own_use * math.exp(-s.quality_weight * gap)
    option = s.yearly_return * outlook.option(gap, run / outlook.race, p) + own_use
    cost = run * per_run
    return Position(strategy, run, cost, earnings, option, earnings + option - cost)


def expected_gap(market: Market, lab: Lab, run: float, today: float) -> float:
    """Gap to the best, OOM, that a lab expects when it trains at this run, from the gap of `today`."""
    now = max(lab.plan.capacity, market.parameters.costs.minimum_run)
    t, s = market.parameters.technology, market.parameters.switches
    copied = t.distillation if s.distillation else 0.0
    gap = max(0.0, gap_at_run_share(today, now, run, copied))
    return max(0.0, market.outlook.best - continued(lab, market.outlook.best - gap, "flagship")[0])


def selling(market: Market, lab: Lab, strategy: Strategy, gap: float) -> float:
    """Gross profit, USD a year, on its tiers under their licences; a services lab sells support on open weights."""
    p, rate, total = market.parameters, lab.services_rate_as(strategy), 0.0
    gap -= edge_of(market, lab) if strategy == "specialist" else 0.0
    for tier, licence in lab.stance.items():
        behind = gap + (p.technology.small_lag if tier == "small" else 0.0)
        total += market.outlook.earning(lab, tier, licence, behind, rate, p)
    return total


def earned_by_type(market: Market, lab: Lab) -> Floats:
    """What buyers paid last quarter for the lab's models in production by type of work, USD: to it and to hosts."""
    return np.asarray(market.outlook.sales[lab.position])


def niche_of(lab: Lab, earned: Floats) -> WorkloadType | None:
    """The work a lab specialises in: its own, else the type that `earned` it most; none for who earns nothing."""
    return lab.speciality or (WORKLOADS[int(earned.argmax())] if earned.sum() > 0.0 else None)


def edge_of(market: Market, lab: Lab) -> float:
    """OOM by which a specialist expects to be better on average over what it earns on today."""
    gain = market.parameters.technology.speciality_gain * market.parameters.switches.specialities
    if gain == 0.0:
        return 0.0
    earned = earned_by_type(market, lab)
    niche, whole = niche_of(lab, earned), float(earned.sum())
    return gain * float(earned[WORKLOADS.index(niche)]) / whole if niche and whole > 0.0 else 0.0


def take_up(market: Market, lab: Lab, strategy: Strategy) -> None:
    """A lab turns to a strategy; who specialises does so in what earns it most."""
    if strategy == "specialist" and lab.strategy != "specialist":
        lab.niche = niche_of(lab, earned_by_type(market, lab))
    lab.strategy = strategy


def experience(market: Market, lab: Lab) -> float:
    """What the lab earned over what it would have expected to earn as it is; 1 before it has sold for a year.

    Nobody believes for long in customers who never came: habit, distrust and contracts keep many from a new seller.
    """
    if market.quarter - lab.entry < QUARTERS_PER_YEAR:
        return 1.0
    expected = selling(market, lab, lab.strategy, market.outlook.gap(lab))
    return min(LARGEST_CORRECTION, market.outlook.earned(lab) / expected) if expected > 0.0 else 1.0


def seat_profit(market: Market, lab: Lab) -> float:
    """Gross profit on subscriptions today, USD a year."""
    p, s = market.parameters.seats, market.parameters.switches
    sold, free = (market.trends.seat_market * part * s.seats for part in (lab.seat_share, lab.free_use * s.free_users))
    return sold - seat_serving_cost(sold, free, p.serving_share, p.free_users_per_payer, p.free_serving_share)


def planning_due(market: Market, lab: Lab) -> bool:
    """Whether the lab plans this quarter: every so many quarters from its entry on."""
    interval = market.parameters.strategy.planning_interval
    return market.quarter > lab.entry and (market.quarter - lab.entry) % interval == 0


class Choice(NamedTuple):
    """What a lab chose in its planning round: the positions it compared, what another one than its own must be worth
    more before it changes (USD a year), and the chance (0-1) of what it chose."""

    chosen: Strategy | Literal["stop"]
    seen: tuple[Position, ...]
    inertia: float
    chance: float


def choose_strategy(market: Market, lab: Lab, means: float) -> Choice:
    """The strategy, or `stop`, a lab chooses, and what it saw; an independent may stop, a backed lab goes on."""
    s = market.parameters.strategy
    if not market.parameters.switches.strategy_choice:
        return Choice(lab.strategy, (), 0.0, 1.0)
    seen = tuple(positions(market, lab, means))
    inertia = s.inertia * max([abs(x.value) for x in seen if x.value > -math.inf], default=0.0)
    stop = -math.inf if lab.backed else 0.0  # nothing earned, nothing spent: the cash is there either way
    options = [*(x.value - inertia * (x.strategy != lab.strategy) for x in seen), stop]
    if max(options) == -math.inf:
        return Choice(lab.strategy, seen, inertia, 1.0)
    chances = choice_chances(options, s.intensity)
    drawn = drawn_from(chances.cumsum(), lab.fortune("strategy"))
    return Choice((*STRATEGIES, STOP)[drawn], seen, inertia, float(chances[drawn]))


def gives_up(market: Market, lab: Lab) -> float:
    """Hazard per year with which the founders of an independent lab look for a buyer."""
    s, a = market.parameters.strategy, lab.accounts
    if lab.backed or not market.parameters.switches.giving_up or a.total_cost <= 0.0:
        return 0.0
    return giving_up_hazard(market.outlook.run_share(lab), a.cover, s.giving_up_rate, s.lost_race, s.safe_cover)


def gives_up_now(market: Market, lab: Lab) -> bool:
    """Whether the founders look for a buyer from this quarter on."""
    hazard = gives_up(market, lab)
    return hazard > 0.0 and lab.fortune("giving_up") < chance_within(hazard, DT)


def reconsider(market: Market, lab: Lab, means: float) -> None:
    """In its planning round a lab may change its strategy or stop, within its means (R&D, USD a year); founders may
    give up at any time."""
    if planning_due(market, lab):
        turn(market, lab, choose_strategy(market, lab, means))
    if not lab.for_sale and gives_up_now(market, lab):
        give_up(market, lab)


def turn(market: Market, lab: Lab, choice: Choice) -> None:
    """Do what was chosen, and say what each strategy was expected to be worth. Who goes on is no longer for sale."""
    held = lab.course
    if choice.chosen == STOP:
        lab.sale = lab.sale or Sale(market.quarter, why_stop(lab.strategy, choice))
    else:
        take_up(market, lab, choice.chosen)
        lab.sale = None
    if choice.chosen != held:
        say_turn(market, lab, held, choice)


def why_stop(held: str, choice: Choice) -> str:
    """Why a lab looks for a buyer, in words: what its best strategy was worth beside the trouble of changing."""
    net = {x.strategy: x.value - choice.inertia * (x.strategy != held) for x in choice.seen}
    best = max(choice.seen, key=lambda x: net[x.strategy])
    if best.value == -math.inf:
        return "no strategy was within reach"
    if best.value <= 0.0:
        return f"its best strategy, {best.strategy}, was expected to lose {dollars(-best.value)} a year"
    if net[best.strategy] <= 0.0:
        return (
            f"its best strategy, {best.strategy}, was worth {dollars(best.value)} a year, less than the "
            f"{dollars(choice.inertia)} that a change must bring"
        )
    return (
        f"it chose so at a chance of {choice.chance:.0%}: its best strategy, {best.strategy}, was worth "
        f"{dollars(best.value)} a year"
    )


def say_turn(market: Market, lab: Lab, held: str, choice: Choice) -> None:
    """The event of a change of strategy; what is out of reach has no number."""
    worth = {x.strategy: x.value for x in choice.seen}
    said = [f"{name} {dollars(v) if math.isfinite(v) else 'out of reach'}" for name, v in worth.items()]
    cause = f"{held} -> {choice.chosen}"
    if worth:
        cause += f": expected a year of {', '.join(said)}"
        cause += ", of stopping nothing" if not lab.backed else ""
        cause += (
            f"; another strategy must be worth {dollars(choice.inertia)} more; this had a chance of {choice.chance:.0%}"
        )
    else:
        cause += ": found no buyer until its next planning round"
    cause += said_niche(market, lab, choice.chosen)
    numbers = {f"{name}_usd_per_year": v for name, v in worth.items() if math.isfinite(v)}
    numbers |= {"inertia_usd_per_year": choice.inertia, "chosen_probability": choice.chance}
    market.event("pivot", lab.id, cause=cause, numbers=numbers)


def said_niche(market: Market, lab: Lab, chosen: str) -> str:
    """What a lab that turns specialist will be best at, in words."""
    p = market.parameters
    special = chosen == "specialist" and p.switches.specialities and p.technology.speciality_gain > 0.0
    return f"; specialises in {lab.speciality.replace('_', ' ')}" if special and lab.speciality else ""


def give_up(market: Market, lab: Lab) -> None:
    """The founders look for a buyer, and say what they saw."""
    share, cover = market.outlook.run_share(lab), lab.accounts.cover
    chance = chance_within(gives_up(market, lab), DT)
    why = f"founders saw {share:.0%} of the price of the race within reach, {cover:.0%} of last quarter's cost earned"
    lab.sale = Sale(market.quarter, why)
    said = f"{lab.strategy} -> stop: {why}; giving up in such a quarter has a chance of {chance:.0%}"
    numbers = {"run_share_of_race": share, "revenue_over_cost": cover, "chosen_probability": chance}
    market.event("pivot", lab.id, cause=said, numbers=numbers)
