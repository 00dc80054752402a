"""What a training dollar buys each lab, how methods and people move, and when a finished run goes on sale."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim.agents.staff import move_staff
from sim.market import Market
from sim.parameters import Parameters, Shock
from sim.scenario import Scenario
from tests.market.worlds import altered, off, put, steps

BREAKTHROUGH = "2023Q3"


def breakthrough(p: Parameters) -> None:
    """From the third quarter on a training dollar buys one lab four times the compute."""
    shock = Shock(
        quarter=BREAKTHROUGH, key="labs.zhipu.training_efficiency", value=4.0, title="cheap", source="assumption"
    )
    p.shocks = [*p.shocks, shock]


def compute_per_usd(market: Market) -> dict[str, float]:
    """Compute of the run in progress over what it cost, by lab at work."""
    return {lab.id: lab.plan.run.compute / lab.plan.run.usd for lab in market.active_labs if lab.plan.run.usd > 0.0}


def test_a_breakthrough_is_one_labs_unless_methods_spread(baseline: Scenario) -> None:
    """Without diffusion its runs are worth four times as much and nobody else's change; with it others follow.

    Kills: an efficiency of everybody, one that moves no run, methods that spread from the past or to the leader.
    """
    quiet = steps(Market(altered(baseline, off("efficiency_diffusion")), 1, 100, "2025Q4"), 3)
    alone = steps(Market(altered(baseline, off("efficiency_diffusion"), breakthrough), 1, 100, "2025Q4"), 3)
    spread = steps(Market(altered(baseline, breakthrough), 1, 100, "2025Q4"), 3)
    before, own, shared = (compute_per_usd(market) for market in (quiet, alone, spread))
    assert own == before, "better methods make models better, not larger and dearer to serve"
    assert {lab.id for lab in alone.roster if lab.methods} == {"zhipu"}
    assert alone.lab["zhipu"].methods == pytest.approx(math.log10(4.0))
    speed = baseline.parameters.technology.efficiency_diffusion
    follower = math.log(4.0) * -math.expm1(-speed / 4.0)
    assert spread.lab["mistral"].log_efficiency == pytest.approx(follower)
    assert spread.lab["zhipu"].log_efficiency == pytest.approx(math.log(4.0))
    assert shared["zhipu"] == own["zhipu"]


def test_founders_know_what_has_spread(baseline: Scenario) -> None:
    """Who enters later has taken methods over too. Kills: diffusion among those at work only."""
    market = steps(Market(altered(baseline, breakthrough), 1, 100, "2025Q4"), 8)
    levels = np.array([lab.log_efficiency for lab in market.roster if lab.id != "zhipu"])
    assert levels.min() == levels.max() > 0.3


def test_training_goes_on_until_a_release_is_worth_it(baseline: Scenario) -> None:
    """Every release beats what it replaces by the bar; a higher bar means fewer of them, later, after larger runs.

    Kills: a bar nobody minds, a run that is lost when it falls short of it.
    """

    def told(bar: float) -> int:
        market = Market(altered(baseline, put("technology", release_gain=bar)), 1, 100, "2025Q4")
        best: dict[tuple[str, str], float] = {}
        released = 0
        while market.quarter <= market.last_quarter:
            before = {id(m) for lab in market.roster for m in lab.models}
            spent = {lab.id: lab.plan.run.usd for lab in market.roster}
            market.step()
            for lab in market.active_labs:
                for m in lab.models:
                    if id(m) in before:
                        continue
                    served = best.get((lab.id, m.tier), -math.inf)
                    taken_over = any(x.successor is lab for x in market.roster)
                    assert taken_over or m.base_capability > served + bar
                    best[lab.id, m.tier] = max(served, m.base_capability)
                    released += 1
                    if m.run_usd > 0.0 and math.isfinite(served):
                        assert taken_over or m.run_usd >= spent[lab.id]
        return released

    assert told(0.6) < 0.8 * told(0.0)


def test_people_follow_money_and_carry_what_they_know(baseline: Scenario) -> None:
    """The leader in knowledge cuts its staff, a rich lab hires: it learns, the leader has empty posts for a while.

    Kills: knowledge that moves against pay, a loss of posts that lasts, research that does not feel it.
    """
    market = steps(Market(altered(baseline, off("strategy_choice")), 1, 100, "2025Q4"), 4)
    leader = max(market.active_labs, key=lambda lab: lab.knowledge)
    poacher = min((x for x in market.active_labs if x is not leader), key=lambda lab: lab.knowledge)
    for lab in market.active_labs:
        lab.heads = lab.staff_spending / market.trends.wage
    leader.heads, poacher.heads = 2.0 * leader.heads, 0.5 * poacher.heads
    known, others = (leader.knowledge, poacher.knowledge), market.active_labs
    move_staff(market, others)
    gap = known[0] - known[1]
    speed = baseline.parameters.technology.staff_mobility * 0.75
    part = baseline.parameters.control.staff_knowledge
    assert leader.knowledge == known[0]
    assert poacher.knowledge - known[1] == pytest.approx(part * gap * -math.expm1(-speed / 4.0))
    assert leader.vacant > 0.0 == poacher.vacant
    per_head = leader.research_rate() / leader.heads**baseline.parameters.technology.research_concavity
    for _ in range(40):
        move_staff(market, others)
    assert leader.vacant < 1e-3
    assert leader.research_rate() / leader.heads**baseline.parameters.technology.research_concavity > per_head


def test_money_for_staff_is_heads_or_pay_and_never_both(baseline: Scenario) -> None:
    """A doubled budget pays the same heads double, then twice the heads the going wage: heads x pay = spending.

    A rise of the going wage is no better pay. Where hiring takes no time research is that of a world in which nobody
    moves. Kills: a budget that counts at once as heads in research and as pay in moving, heads in nominal USD.
    """
    market = steps(Market(altered(baseline, off("strategy_choice")), 1, 100, "2025Q4"), 4)
    labs, p, wage = market.active_labs, market.parameters, market.trends.wage
    lab = labs[0]
    for other in labs:
        other.heads, other.vacant = other.staff_spending / wage, 0.0
    p.technology.staff_mobility = 0.0
    before, heads = lab.research_rate(), lab.heads
    lab.plan.budget *= 2.0
    assert lab.research_rate() == before
    move_staff(market, labs)
    assert lab.heads == pytest.approx(heads * (2.0 - math.exp(-0.25 / p.costs.hiring_years)), rel=1e-12)
    for _ in range(80):
        move_staff(market, labs)
    assert lab.research_rate() == pytest.approx(before * 2.0**p.technology.research_concavity, rel=1e-6)
    p.technology.staff_mobility, market.trends.wage, p.costs.hiring_years = 0.5, 3.0 * wage, 0.0
    for other in labs:
        other.heads = other.staff_spending / market.trends.wage
    move_staff(market, labs)
    assert max(other.vacant for other in labs) < 1e-9
    with_moves = [other.research_rate() for other in labs]
    p.switches.staff_moves = False
    assert with_moves == pytest.approx([other.research_rate() for other in labs], rel=1e-9)


def test_a_talent_war_moves_people_faster(baseline: Scenario) -> None:
    """Pay that rises with the square of the usual growth: twice the rate. Kills: a war that only costs money."""

    def empty_posts(growth: float) -> float:
        market = steps(Market(altered(baseline, off("strategy_choice")), 1, 100, "2025Q4"), 4)
        market.parameters.costs.wage_growth = growth
        move_staff(market, market.active_labs)
        return sum(lab.vacant for lab in market.active_labs)

    usual = baseline.parameters.costs.usual_wage_growth
    assert empty_posts(usual**2) == pytest.approx(2.0 * empty_posts(usual)) and empty_posts(1.0) == 0.0
