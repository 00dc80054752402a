"""What moves by itself: the price of staying on trend, hardware, serving, wages, talent, tooling, budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim.economics.technology import trend_cost
from sim.parameters import Parameters
from sim.quarters import DT


@dataclass
class Trends:
    """Levels at the present quarter; growth is integrated, so a dated change of a rate bends a path and never jumps.

    `training_cost` X* in USD, `talent_gain` and `tooling` in 0-1, `research_reference` and `seat_market` USD a year,
    all others relative to the first quarter; `years` since the start.
    """

    training_cost: float
    research_reference: float
    seat_market: float
    tooling: float
    flop_per_usd: float = 1.0
    serving: float = 1.0
    serving_step: float = 1.0
    wage: float = 1.0
    deflator: float = 1.0
    talent_gain: float = 0.0
    budget: float = 1.0
    fixed_cost: float = 1.0
    other_cost: float = 1.0
    parent_cap: float = 1.0
    years: float = 0.0

    @classmethod
    def at_start(cls, p: Parameters) -> Trends:
        """Levels in the first quarter."""
        return cls(
            training_cost=p.technology.training_cost_initial,
            research_reference=p.technology.research_staff_reference,
            seat_market=p.seats.market_initial,
            tooling=p.demand.tooling_initial,
        )

    def advance(self, p: Parameters, common_work: float = 1.0) -> None:
        """Move every trend by a quarter at today's rates; `common_work` scales what users of open weights build."""
        t, d = p.technology, p.demand
        self.training_cost = math.exp(float(trend_cost(math.log(self.training_cost), t.training_cost_growth, DT)))
        self.research_reference *= t.research_difficulty_growth**DT
        self.flop_per_usd *= t.flop_per_usd_growth**DT
        self.serving_step = t.serving_progress**DT
        self.serving *= self.serving_step
        self.wage *= p.costs.wage_growth**DT
        self.deflator *= t.inflation**DT
        self.fixed_cost /= p.hosting.fixed_cost_progress**DT
        self.other_cost /= d.other_cost_progress**DT
        self.parent_cap *= p.funding.parent_cap_growth**DT
        if p.switches.diffusion:
            self.talent_gain += (1.0 - self.talent_gain) * -math.expm1(-d.talent_growth * DT)
            self.tooling += (1.0 - self.tooling) * -math.expm1(-d.tooling_growth * common_work * DT)
        if p.switches.budget_growth:
            self.budget *= math.exp(self._fading(d.budget_growth, d.budget_growth_decay, d.budget_growth_floor) * DT)
        s = p.seats
        self.seat_market *= math.exp(self._fading(s.growth_initial, s.growth_decay, s.growth_floor) * DT)
        self.years += DT

    def skill_premium(self, p: Parameters) -> float:
        """What skills in open models earn beyond others, as a fraction: it fades as they spread, and rises with pay."""
        return p.hosting.skill_premium * (1.0 - self.talent_gain) * self.wage / self.deflator

    def _fading(self, first: float, decay: float, floor: float) -> float:
        """Mean log growth over the coming quarter of a rate that fades exponentially to a floor, per year."""
        faded = first * math.exp(-decay * self.years)
        return floor + faded * (1.0 if decay == 0.0 else -math.expm1(-decay * DT) / (decay * DT))
