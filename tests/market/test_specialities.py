"""Specialists: better at one type of work, which they choose by what they earn."""

from __future__ import annotations

import numpy as np
import pytest

from sim.agents import strategy
from sim.agents.strategy import earned_by_type, edge_of, niche_of, take_up
from sim.economics.demand import quality
from sim.market import Market
from sim.parameters import WORKLOADS, Parameters
from sim.scenario import Scenario
from tests.market.worlds import altered, off, put, steps


def named(p: Parameters) -> None:
    """Cohere is a specialist for bulk work."""
    p.labs["cohere"].speciality = "bulk"


def test_a_specialist_is_better_at_its_own_work_alone(baseline: Scenario) -> None:
    """By the gain in OOM, small models too. Kills: a gain at all work, for every lab, for other strategies."""
    market = steps(Market(altered(baseline, named, put("technology", speciality_gain=0.4)), 1, 100, "2025Q2"), 4)
    c, theta = market.catalogue, market.theta
    tau = np.array([market.parameters.workloads[name].tau for name in WORKLOADS])
    special = [i for i, m in enumerate(c.models) if m.lab == "cohere"]
    assert special and all(c.models[i].speciality == "bulk" for i in special)
    for i, model in enumerate(c.models):
        at = np.array([0.4 * (name == model.speciality) for name in WORKLOADS])
        np.testing.assert_allclose(c.quality[:, i], quality(c.capability[i] + at, theta, tau), rtol=1e-12)
    assert {m.speciality for m in c.models if m.lab == "openai"} == {None}


def test_who_turns_specialist_takes_what_earns_most(baseline: Scenario) -> None:
    """Recomputed from the usage; one it was given stays. Kills: pilots, others' sales, the largest by tokens."""
    market = steps(Market(baseline, 1, 300, "2025Q2"), 4)
    lab, usage = market.lab["anthropic"], market.usage
    earned = dict.fromkeys(WORKLOADS, 0.0)
    for row in range(usage.row.size):
        if usage.production[row] and market.catalogue.models[usage.model[row]].lab == "anthropic":
            paid = usage.first_party[row] + usage.hosting[row] + usage.services[row]
            earned[WORKLOADS[usage.kind[row]]] += paid
    best = max(earned, key=lambda name: earned[name])
    assert niche_of(lab, earned_by_type(market, lab)) == best != "pilot"
    gain = market.parameters.technology.speciality_gain
    assert edge_of(market, lab) == pytest.approx(gain * earned[best] / sum(earned.values()), rel=1e-12)
    assert lab.speciality is None
    take_up(market, lab, "specialist")
    assert (lab.strategy, lab.speciality) == ("specialist", best)
    lab.parameters.speciality = "edge"
    assert niche_of(lab, earned_by_type(market, lab)) == lab.speciality == "edge"


def test_a_pivot_says_in_what(baseline: Scenario) -> None:
    """Kills: a speciality nobody is told of, or told of where it makes no difference."""
    market = Market(baseline, 1, 300, "2027Q4")
    pivots = market.run().tables()["events"].query("kind == 'pivot'").cause
    turned = pivots[pivots.str.contains("-> specialist")]
    assert turned.str.contains("specialises in").any()
    assert not pivots[~pivots.str.contains("-> specialist")].str.contains("specialises in").any()
    assert strategy.said_niche(market, market.lab["cohere"], "specialist") == "; specialises in confidential"
    market.parameters.switches.specialities = False
    assert strategy.said_niche(market, market.lab["cohere"], "specialist") == ""


def test_a_gain_brings_buyers_of_that_work(baseline: Scenario) -> None:
    """Cohere's part of bulk work rises with its gain there. Kills: quality that no buyer sees."""

    def part(*edits: object) -> float:
        market = Market(altered(baseline, named, *edits), 1, 1000, "2024Q4")
        market.run()
        usage = market.usage
        bulk = usage.production & (usage.kind == WORKLOADS.index("bulk"))
        mine = market.catalogue.lab[usage.model] == market.lab["cohere"].position
        return float(usage.weight[bulk & mine].sum() / usage.weight[bulk].sum())

    assert part(put("technology", speciality_gain=1.5)) > 1.3 * part(off("specialities"))


def test_off_no_model_has_a_speciality_that_counts(baseline: Scenario) -> None:
    """Kills: a gain without its switch."""
    market = Market(altered(baseline, off("specialities")), 1, 100, "2024Q2")
    market.run()
    assert edge_of(market, market.lab["cohere"]) == 0.0
    tau = np.array([market.parameters.workloads[name].tau for name in WORKLOADS])
    expected = quality(market.catalogue.capability[None, :], market.theta[:, None], tau[:, None])
    np.testing.assert_array_equal(market.catalogue.quality, expected)
