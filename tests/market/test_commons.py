"""The commons in a market, and what buyers see of skills, air gaps and ties."""

from __future__ import annotations

import numpy as np

from sim.choice import CONFIDENTIAL, own_hosting
from sim.market import Market
from sim.parameters import MODES
from sim.scenario import Scenario
from tests.market.worlds import Edit, altered, off, put, steps


def test_more_users_mature_the_commons_faster(baseline: Scenario) -> None:
    """Against a world in which nobody wants open weights. Kills: maturity by the calendar, users not counted."""
    here = steps(Market(baseline, 1, 200), 8)
    there = steps(Market(altered(baseline, put("demand", legal_risk=20.0)), 1, 200), 8)
    assert there.open_use < 0.5 * here.open_use
    assert 0.0 < there.commons.maturity < 0.7 * here.commons.maturity < 1.0
    assert there.trends.tooling < here.trends.tooling
    assert there.commons.derivatives.sum() < here.commons.derivatives.sum()
    none = steps(Market(altered(baseline, off("commons")), 1, 200), 8)
    assert (none.commons.maturity, none.commons.pace, none.commons.depth(none.parameters)) == (0.0, 1.0, 0.0)
    assert none.commons.derivatives.sum() > 0.0, "they are counted all the same"


def test_the_burden_of_operations_never_ends_by_itself(baseline: Scenario) -> None:
    """Missing talent x missing tooling: small when either is, gone when one is. Kills: a difference cut off at 0."""
    market = steps(Market(baseline, 1, 200), 4)
    w = market.population.workloads
    rows = np.flatnonzero(w.running)
    budget, seen = market.population.yearly_budget(rows, 1.0), market.conditions()
    own = own_hosting(market.population, rows, budget, seen)
    np.testing.assert_allclose(own.burden, own.missing * (1.0 - seen.tooling), rtol=1e-12)
    assert (own.burden[own.missing > 0.0] > 0.0).all()


def test_air_gapped_work_runs_in_house_or_nowhere(baseline: Scenario) -> None:
    """Confidential workloads of the most careful after contracts have ended. Kills: a bar that is only a price."""
    market = steps(Market(altered(baseline, put("demand", air_gap=0.5)), 1, 400), 10)
    w, e = market.population.workloads, market.population.enterprises
    careful = (w.type == CONFIDENTIAL) & (w.stage == 2) & (e.privacy[w.enterprise] > 0.5)
    chosen = np.flatnonzero(careful & w.running)
    outside = [MODES.index(name) for name in ("api", "private", "hosted")]
    assert chosen.size > 20
    assert not np.isin(w.mode[chosen], outside).any()
    free = np.flatnonzero((w.type == CONFIDENTIAL) & (w.stage == 2) & ~careful & w.running)
    assert np.isin(w.mode[free], outside).any()


def test_open_weights_tie_less(baseline: Scenario) -> None:
    """The dislike of depending counts spending on open weights in part. Kills: none of it, all of it."""
    for part in (0.0, 0.3, 1.0):
        market = steps(Market(altered(baseline, put("demand", open_dependence=part)), 1, 200), 2)
        usage, c = market.usage, market.catalogue
        seller = c.lab[usage.model]
        sold = seller < len(market.roster)
        total = np.bincount(usage.enterprise[sold], usage.spend[sold], market.population.enterprises.count)
        expected = market.tastes.astype(np.float64).copy()
        tied = np.where(c.is_open[usage.model], part, 1.0) * market.parameters.demand.dependence
        cost = tied * usage.spend / np.where(total > 0.0, total, 1.0)[usage.enterprise]
        np.subtract.at(expected, (seller[sold], usage.enterprise[sold]), cost[sold])
        np.testing.assert_allclose(market.standing, expected, atol=2e-6)


def test_a_deeper_commons_brings_work_sooner(baseline: Scenario) -> None:
    """Slots filled after five quarters, under the same luck; none sooner where derivatives are of no use.

    Kills: a sign, arrivals that depend on the switch and not on the depth, a pace per slot once filled.
    """

    def filled(*edits: Edit) -> int:
        return int(np.count_nonzero(steps(Market(altered(baseline, *edits), 1, 300), 5).population.workloads.stage))

    slow, fast = (filled(put("commons", new_uses=x, derivatives_half=1.0)) for x in (0.0, 4.0))
    assert fast > 1.1 * slow
    assert filled(put("commons", new_uses=4.0, derivatives_half=1e9)) < 1.01 * slow
    assert filled(put("commons", new_uses=4.0, derivatives_half=1.0), off("commons")) == filled(off("commons"))


def test_the_rate_of_arrival_goes_with_the_pace(baseline: Scenario) -> None:
    """At a pace of 2 the part of empty slots that fill in a quarter is 1 - (1 - h)^(1/2), of a year's h.

    Kills: a chance that is doubled instead of the rate, pace left out.
    """
    for pace in (1.0, 2.0):
        population = Market(baseline, 1, 300).population
        population.enterprises.adopted[:] = True
        empty = np.flatnonzero(population.workloads.stage == 0)
        draw = np.ones(population.workloads.count)
        draw[empty] = (np.arange(empty.size) + 0.5) / empty.size
        population.arrive(population.workloads.due[0] + 1, draw, pace)
        came = np.count_nonzero(population.workloads.stage[empty]) / empty.size
        h = baseline.parameters.demand.workload_arrival
        np.testing.assert_allclose(came, 1.0 - (1.0 - h) ** (pace / 4.0), atol=1.0 / empty.size)
