"""Adoption, the gap, the date of insolvency and prices of the market itself, against their closed forms."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from sim.economics.adoption import bass_share
from sim.economics.demand import choice_probabilities
from sim.economics.finance import insolvency_time
from sim.economics.technology import capability_gap
from sim.market import Market
from sim.parameters import Parameters
from sim.quarters import DT
from sim.scenario import Scenario
from tests.limits.bare_market import bare, capability_for, market_of, series


def test_adoption_by_segment_is_bass(baseline: Scenario) -> None:
    """Every segment from nobody: the adopted share is m F(t) with its own speed, and whole enterprises follow it.

    Kills: an Euler step, a step skipped in the first quarter, speed applied to p alone, adopters by weight or by a
    fresh draw each quarter instead of by rank.
    """
    p = bare(baseline, {"only": {}})
    p.switches.adoption = True
    segments = {
        name: s.model_copy(update={"adopted_initial": 0.0, "workloads_min": 1, "workloads_max": 1})
        for name, s in baseline.parameters.segments.items()
    }
    market = market_of(baseline, p.model_copy(update={"segments": segments}), 600)
    path = series(market, lambda m: m.population.adoption.copy())
    e, d = market.population.enterprises, p.demand
    for i, s in enumerate(segments.values()):
        years = np.arange(len(path)) * DT
        bass = s.adoption_ceiling * bass_share(years, d.innovation * s.adoption_speed, d.imitation * s.adoption_speed)
        np.testing.assert_allclose(path[:, i], bass, rtol=1e-10, atol=1e-15)
        mine = e.segment == i
        weight = e.weight[mine] / e.weight[mine].sum()
        assert abs(weight @ e.adopted[mine] - bass[-1]) <= 6 * weight.max()  # ranks fill 0-1 evenly, not exactly


def two_labs_that_learn(baseline: Scenario) -> Parameters:
    """A leader that researches and a follower that only learns from what leaks; hardware stands still, nobody buys.

    Runs are of a quarter, a quarter of X*, so that 0 of knowledge gives log10(1/4) of capability.
    """
    labs = {
        "leader": {"capability": math.log10(DT), "research_budget": 1e9, "target_share": 1.0},
        "lurker": {"capability": math.log10(DT) - 2.0},
    }
    p = bare(baseline, labs)
    p.switches.training = p.switches.leakage = True
    p.workloads["bulk"].base = -50.0
    t, c = p.technology, p.costs
    t.training_cost_growth = t.flop_per_usd_growth = t.research_difficulty_growth = c.wage_growth = 1.0
    t.leak_delay, t.minimum_interval, t.flagship_interval = 0, 1, 1.0
    t.private_leakage, t.research_rate, t.research_concavity = 0.25, 2.0, 1.0
    c.build_out_lag, c.minimum_run, c.energy_share = 0.0, 0.0, 0.0
    # The leader's budget never moves: X* is worth what it already spends, built at once; staff is the reference staff.
    t.training_cost_initial = 1e9 * (1.0 - c.staff_share) / c.research_compute_multiple
    t.research_staff_reference = 1e9 * c.staff_share
    for lab in p.labs.values():
        lab.first_run = t.training_cost_initial * DT  # what a quarter puts into a run
    return p


def test_the_gap_of_two_labs_settles_at_v_over_k(baseline: Scenario) -> None:
    """Research v = 2 OOM a year against leakage k = 0.25: the engine's gap follows its own recursion exactly.

    What leaks within a quarter is what the leader's models knew when it began, so G <- G e^(-k dt) + v dt, whose fixed
    point v dt / (1 - e^(-k dt)) lies k dt / 2 = 3 % above the continuous v/k. From the third quarter on, when the
    leader has begun to release one model a quarter. Kills: leakage of what is not yet served, a learning rate per
    quarter, a leader that loses what leaks.
    """
    v, k = 2.0, 0.25
    market = market_of(baseline, two_labs_that_learn(baseline), 60, "2062Q4")
    gap = series(market, lambda m: m.lab["leader"].knowledge - m.lab["lurker"].knowledge)
    assert gap[0] == pytest.approx(2.0)
    gap = gap[2:]
    recursion = [gap[0]]
    for _ in gap[1:]:
        recursion.append(recursion[-1] * math.exp(-k * DT) + v * DT)
    np.testing.assert_allclose(gap, recursion, rtol=1e-10)
    continuous = capability_gap(gap[0], v * DT, k * DT, len(gap) - 1)
    np.testing.assert_allclose(gap, continuous, rtol=k * DT / 2 + 0.001)
    assert gap[-1] == pytest.approx(v * DT / -math.expm1(-k * DT), rel=1e-3)


def spender(baseline: Scenario, cash: float, cost: float, revenue: float) -> Market:
    """A market of that lab alone."""
    return market_of(baseline, spender_of(baseline, cash, cost, revenue), 60)


def spender_of(baseline: Scenario, cash: float, cost: float, revenue: float) -> Parameters:
    """A lab without customers whose R&D grows 2.4x a year from `cost` and whose subscriptions stay at `revenue`, USD a
    year. Suppliers give no credit.
    """
    growth = 2.4**DT
    lab = {
        "cash": cash,
        "research_budget": cost / growth,  # the first plan already is a quarter's growth higher
        "target_share": 5.0,
        "seats_initial": 1.0,
        "seat_presence": 1.0,
    }
    p = bare(baseline, {"spender": lab})
    p.switches.training = p.switches.seats = True
    p.workloads["bulk"].base = -50.0
    p.costs.budget_ratchet, p.costs.build_out_lag, p.costs.sales_share = growth, 0.0, 0.0
    p.technology.training_cost_initial = 1e10
    s = p.seats
    s.market_initial, s.growth_initial, s.growth_floor, s.serving_share, s.turnover = revenue, 0.0, 0.0, 0.0, 0.0
    return p


def test_presence_of_a_lab_with_steady_profit(baseline: Scenario) -> None:
    """K <- K e^(-d dt) + s R (1 - e^(-d dt)) / (d reference), presence K^e, towards (s R / (d reference))^e.

    With subscriptions of R a year, a part s of them put into applications that lose d a year; from the capital behind
    the presence given. Kills: an Euler step, depreciation by the quarter, spending of the quarter lost, e for 1/e.
    """
    part, d, e, reference, revenue = 0.2, 0.6, 0.5, 1e8, 9e8
    p = spender_of(baseline, 1e12, 2e8, revenue)
    p.switches.applications, p.costs.wage_growth, p.labs["spender"].seat_presence = True, 1.0, 0.3
    a = p.applications
    a.part, a.depreciation, a.elasticity, a.reference = part, d, e, reference
    path = series(market_of(baseline, p, 60, "2029Q4"), lambda m: m.lab["spender"].presence)
    level, kept = part * revenue / (d * reference), np.exp(-d * DT * np.arange(len(path)))
    np.testing.assert_allclose(path, (level + (0.3 ** (1.0 / e) - level) * kept) ** e, rtol=1e-10)
    assert path[-1] == pytest.approx(level**e, rel=0.01)


def cash_while_alive(market: Market) -> list[float]:
    """The lab's cash at the end of each quarter before the one in which it was wound down."""
    path = []
    while market.lab["spender"].status == "active":
        market.step()
        path.append(float(market.journal.cash[market.account_of["spender"]]))
    return path[:-1]


@pytest.mark.parametrize("cash, cost, revenue", [(500e6, 200e6, 0.0), (2e9, 200e6, 100e6), (100e6, 300e6, 290e6)])
def test_insolvency_date_under_growing_costs(baseline: Scenario, cash: float, cost: float, revenue: float) -> None:
    """A lab with fixed revenue and costs growing 2.4x a year has the cash, and goes under in the quarter, the sums say.

    With quarterly bills cash is short in the first n with cash + n R dt < c dt (g^n - 1)/(g - 1), g = 2.4^dt; the
    continuous date lies within a quarter and a half of it. Kills: cash allowed below zero, a bill skipped, growth
    applied twice or from the second quarter, a year's grace.
    """
    g = 2.4**DT
    path = cash_while_alive(spender(baseline, cash, cost, revenue))
    alive = len(path)
    balance = [cash + DT * (n * revenue - cost * (g**n - 1.0) / (g - 1.0)) for n in range(1, 41)]
    assert alive == next(n for n, left in enumerate(balance) if left < 0.0)
    np.testing.assert_allclose(path, balance[:alive], rtol=1e-9)
    assert abs((alive + 1) * DT - insolvency_time(cash, revenue, cost, 2.4)) < 1.5 * DT


BETA, OTHER, HORIZON = 8.0, 1.0, 8


def priced(baseline: Scenario, contract: int, buyers: int) -> Market:
    """Three labs of different worth and cost that go all the way to their best response every quarter."""
    labs = {
        "fine": {"capability": capability_for(6.0), "serving_efficiency": 0.9},
        "good": {"capability": capability_for(5.5), "serving_efficiency": 1.0},
        "poor": {"capability": capability_for(5.0), "serving_efficiency": 1.1},
    }
    p = bare(baseline, labs, contract)
    p.switches.pricing = True
    p.demand.price_sensitivity = BETA
    p.pricing.adjustment, p.pricing.minimum_elasticity, p.pricing.horizon = 1.0, 1.001, HORIZON
    p.pricing.price_floor, p.pricing.conduct = 1.0, 1.0
    return market_of(baseline, p, buyers)


def nash(worth: np.ndarray, cost: np.ndarray, beta: float) -> np.ndarray:
    """Prices at which each lab answers the others under log price without elastic use: p + c0 = b (1 - s)(p - c),
    with b the weight of price in the demand it believes exposed.
    """

    price = 2.0 * cost
    for _ in range(2_000):
        share = choice_probabilities(worth - BETA * np.log(price + OTHER))
        wanted = (beta * (1.0 - share) * cost + OTHER) / (beta * (1.0 - share) - 1.0)
        wanted = np.where(wanted > cost, wanted, 10.0 * price)  # upwards where demand is inelastic
        price = np.sqrt(price * wanted)
    np.testing.assert_allclose(price + OTHER, beta * (1.0 - share) * (price - cost), rtol=1e-10)
    return price


@pytest.mark.parametrize("contract, exposed", [(1, 1.0), (4, 1.0 - 1.5 / HORIZON)])
def test_prices_settle_at_the_nash_equilibrium(
    contract: int, exposed: float, baseline: Scenario, sample: Callable[[int, int], int]
) -> None:
    """Labs that see only last quarter's sales find the Nash prices of the log form; mean of 28 quarters within 0.2 %.

    With contracts of four quarters customers wait 1.5 quarters on average, which leaves that much less of the horizon
    of eight exposed. Quarterly scatter comes from 10,000 (100,000 in full) buyers' luck. Kills: a mark-up on the wrong
    cost, the share left out of the elasticity (7 % and more), rivals' sales, locked customers counted as exposed (2 %).
    """
    market = priced(baseline, contract, sample(100_000, 10_000))
    names = sorted(market.lab)
    path = series(market, lambda m: [m.lab[name].models[0].price for name in names])[12:]
    cost = np.array([market.lab[name].models[0].serving for name in names])
    worth = np.array([{"fine": 6.0, "good": 5.5, "poor": 5.0}[name] for name in names])
    expected = nash(worth, cost, exposed * BETA)
    np.testing.assert_allclose(np.exp(np.log(path).mean(axis=0)), expected, rtol=0.002)
    alone = (exposed * BETA * cost + OTHER) / (exposed * BETA - 1.0)
    assert (expected > 1.05 * alone).all()  # market power is large enough to be seen by the gate


def test_a_lab_alone_against_the_edge_of_its_market_charges_the_monopoly_price(baseline: Scenario) -> None:
    """Two labs, one of which nobody wants: the other's price rises until its own elasticity reaches the floor.

    With next to no rival its believed elasticity is b (1 - s) p/(p + c0) -> the floor e: p = c e/(e - 1). Kills: a
    floor applied to beta rather than to the price, or not at all.
    """
    labs = {"alone": {"capability": capability_for(9.0)}, "unloved": {"capability": -9.0}}
    p = bare(baseline, labs)
    p.switches.pricing = True
    p.demand.price_sensitivity = 1.5
    p.pricing.adjustment, p.pricing.minimum_elasticity = 1.0, 1.25
    p.pricing.price_floor, p.pricing.conduct = 1.0, 1.0
    market = market_of(baseline, p, 500)
    market.run()
    model = market.lab["alone"].models[0]
    assert model.price == pytest.approx(model.serving * 1.25 / 0.25, rel=1e-6)


def test_with_every_switch_off_labs_sell_or_fail_and_nothing_else_happens(baseline: Scenario) -> None:
    """Two labs sell for ever what they had, a third one ends that nobody gives credit; no investor moves.

    Kills: a mechanism of money or control that its switch does not remove, places for founders in every market.
    """
    labs: dict[str, dict[str, object]] = {"one": {}, "two": {}, "poor": {"cash": 0.0, "debt": 1e9}}
    market = market_of(baseline, bare(baseline, labs), 60)
    tables = market.run().tables()
    events = tables["events"]
    first = [("release", lab) for lab in sorted(labs)]  # with what they enter
    assert sorted(zip(events.kind, events.lab, strict=True)) == [*first, ("winddown", "poor")]
    assert set(tables["labs"].lab) == set(labs) == {lab.id for lab in market.roster}
    assert len(tables["investments"]) == 0
    assert (tables["market"].investor_mood == 1.0).all()
    assert (tables["investors"].query("called_usd + invested_usd + proceeds_usd != 0.0")).empty
    last = tables["labs"].query("quarter == '2032Q4'").set_index("lab")
    assert list(last.strategy) == [baseline.parameters.labs["openai"].strategy] * 3
    assert set(last.release_policy) == {"closed/-"}
