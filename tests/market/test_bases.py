"""Runs that begin from the open weights of others: who may, from what, and what comes of it."""

from __future__ import annotations

import dataclasses
import math

import pytest

from sim.agents.bases import OpenWeights, continued, inherited
from sim.agents.lab import ReleasedModel
from sim.market import Market
from sim.scenario import Scenario
from tests.market.worlds import altered, put, steps


@pytest.fixture(scope="module")
def market(baseline: Scenario) -> Market:
    """Three years of the baseline; tests only read it."""
    return steps(Market(baseline, 1, 100, "2026Q4"), 12)


def everything(market: Market) -> list[ReleasedModel]:
    """Every model ever released that somebody still serves."""
    return [*market.community_models, *(m for lab in market.roster for m in lab.models)]


def test_who_builds_on_others_ends_no_lower(market: Market) -> None:
    """Releases from a base are at least as good as some open weights of that lab and tier, and cost as much to serve.

    Kills: a base that drags down, one of another tier, a copy of a large model as cheap as a small run's.
    """
    built = [m for m in everything(market) if m.built_on]
    assert len(built) > 5
    delay = market.parameters.technology.base_delay
    for model in built:
        shelf = market.open_weights.best_first[model.tier]
        there = [b for b in shelf if b.born <= model.born - delay and b is not model]
        best = max(there, key=lambda b: b.base_capability if b.lab != model.lab else -math.inf)
        assert model.built_on != model.lab
        assert model.base_capability >= best.base_capability or best.licence == "open_threshold"
        assert model.compute_oom >= min(b.compute_oom for b in there if b.lab == model.built_on)


def test_the_best_base_is_open_old_enough_and_anothers(market: Market) -> None:
    """Kills: own weights as base, weights too young, giants on weights with a user threshold."""
    giant, start_up = market.lab["google"], market.lab["mistral"]
    pattern = next(m for m in everything(market) if m.is_open and m.tier == "flagship")

    def weights(**changes: object) -> ReleasedModel:
        return dataclasses.replace(pattern, tier="flagship", lab="meta", licence="open", born=8, **changes)

    shelf = OpenWeights()
    for model in (
        weights(id=1, base_capability=5.0),
        dataclasses.replace(weights(id=2, base_capability=6.0), licence="open_threshold"),
        dataclasses.replace(weights(id=3, base_capability=7.0), lab="mistral"),
        dataclasses.replace(weights(id=4, base_capability=8.0), born=9),
        dataclasses.replace(weights(id=5, base_capability=9.0), licence="closed"),
    ):
        shelf.add(model)

    def best(lab: object, by: int) -> int | None:
        found = shelf.base_for(lab, "flagship", by)
        return None if found is None else found.id

    assert (best(start_up, 9), best(start_up, 8), best(giant, 8), best(start_up, 7)) == (4, 2, 3, None)
    assert shelf.base_for(start_up, "small", 9) is None


def test_a_base_helps_who_is_behind_and_nobody_who_leads(market: Market) -> None:
    """Kills: leaders who gain, followers who do not, a base named where it was not used."""
    lab = market.lab["mistral"]
    base = market.open_weights.base_for(lab, "flagship", market.quarter - market.parameters.technology.base_delay)
    assert base is not None
    assert continued(lab, base.base_capability + 1.0, "flagship") == (base.base_capability + 1.0, None)
    whole, used = continued(lab, base.base_capability, "flagship")
    added = math.log10(1.0 + market.parameters.technology.base_added)
    assert used is base and whole == pytest.approx(base.base_capability + added)
    whole, used = continued(lab, base.base_capability - 3.0, "flagship")
    assert used is base and whole == pytest.approx(base.base_capability, abs=1e-3)


def test_a_user_threshold_is_inherited(market: Market) -> None:
    """Open weights on a base with a threshold carry it; closed ones are closed. Kills: a licence that gets lost."""
    pattern = next(m for m in everything(market) if m.is_open)
    bound = dataclasses.replace(pattern, licence="open_threshold")
    assert (inherited("open", bound), inherited("closed", bound)) == ("open_threshold", "closed")
    assert (inherited("open", None), inherited("open", dataclasses.replace(pattern, licence="open"))) == (
        "open",
        "open",
    )


def test_export_controls_are_bypassed_on_open_weights(baseline: Scenario) -> None:
    """Dear compute costs Chinese labs less capability where they can build on open weights (S4-25, S4-27).

    Kills: a base that only those with cheap compute can use.
    """

    def best_in_china(*edits: object) -> float:
        market = steps(Market(altered(baseline, put("technology", run_noise=0.0), *edits), 1, 100, "2026Q4"), 14)
        return max(x.best_capability for x in market.active_labs if x.parameters.region == "china")

    def dear(p: object) -> None:
        p.regions["china"].compute_cost = 10.0

    alone = put("switches", open_bases=False)
    assert best_in_china() - best_in_china(dear) < best_in_china(alone) - best_in_china(alone, dear) - 0.1
