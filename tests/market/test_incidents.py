"""Incidents: who has them, what they cost, and that nothing else moves."""

from __future__ import annotations

import numpy as np
import pytest

from sim.market import Market
from sim.markets.incidents import exposures_to_faults, have_incidents
from sim.parameters import Parameters
from sim.scenario import Scenario
from tests.market.deals import events
from tests.market.worlds import Edit, altered, begin_quarter, off, put, put_each, steps

OFTEN = put("brand", incident_rate=50.0)


def test_exposure_is_use_weighed_by_faults(baseline: Scenario) -> None:
    """Recomputed workload by workload. Kills: pilots, closed weights that are mended, age in quarters, use by model."""
    market = steps(Market(altered(baseline, put("brand", scrutiny=0.8)), 1, 200, "2025Q2"), 6)
    usage, c = market.usage, market.catalogue
    at_risk, whole = dict.fromkeys(range(len(market.roster) + 1), 0.0), 0.0
    for row in np.flatnonzero(usage.production):
        model = c.models[usage.model[row]]
        mended = 0.8 * (market.quarter - model.born) / 4.0 if model.is_open else 0.0
        at_risk[model.position] += usage.weight[row] * np.exp(-mended)
        whole += usage.weight[row]
    expected = [at_risk[i] / whole for i in range(len(market.roster) + 1)]
    np.testing.assert_allclose(exposures_to_faults(market), expected, rtol=1e-9)
    assert 0.3 < sum(expected) < 1.0


def test_an_incident_costs_brand_and_is_told(baseline: Scenario) -> None:
    """By the loss, once, with what was at work. Kills: a loss for all, a loss untold, numbers of another lab."""
    market = steps(Market(altered(baseline, OFTEN, put("brand", incident_loss=0.7)), 1, 200, "2025Q2"), 3)
    begin_quarter(market, "investors_fund_labs")
    told = events(market, "shock")
    told = told[(told.lab != "") & (told.quarter == market.label)]
    assert 0 < len(told) < len(market.active_labs) and set(told.what) == {"incident"}
    exposure = exposures_to_faults(market)
    for row in told.itertuples():
        lab = market.lab[row.lab]
        assert row.brand_logit == pytest.approx(lab.brand, rel=1e-5)
        assert row.safety == lab.parameters.safety
        assert row.exposure == pytest.approx(exposure[lab.position], rel=1e-5)
        hazard = 50.0 * (1.0 - lab.parameters.safety) * exposure[lab.position]
        assert row.hazard_per_year == pytest.approx(hazard, rel=1e-5)
    before = {lab.id: lab.brand for lab in market.active_labs}
    have_incidents(market)  # the same draws again: the same labs
    fell = {lab.id for lab in market.active_labs if lab.brand != before[lab.id]}
    assert fell == set(told.lab)
    assert all(market.lab[name].brand == pytest.approx(before[name] - 0.7) for name in fell)


def safe(level: float) -> Edit:
    """Every lab takes as much care."""
    return put_each("labs", safety=level)


def count(scenario: Scenario, *edits: Edit) -> int:
    """Incidents in ten quarters."""
    told = Market(altered(scenario, *edits), 1, 200, "2025Q2").run().tables()["events"]
    return int(((told.kind == "shock") & (told.lab != "")).sum())


def test_care_prevents_incidents(baseline: Scenario) -> None:
    """None at a full safety record. Kills: care without effect, its sign."""
    assert count(baseline, OFTEN, safe(0.0)) > 1.5 * count(baseline, OFTEN, safe(0.6)) > 0
    assert count(baseline, OFTEN, safe(1.0)) == 0


def test_scrutiny_makes_open_weights_safer(baseline: Scenario) -> None:
    """Labs of open weights have fewer at a higher rate. Kills: scrutiny that nobody reads."""

    def opened(p: Parameters) -> None:
        p.switches.release_choice = False
        for lab in p.labs.values():
            for tier in lab.tiers.values():
                tier.licence = "open"

    some, none = (count(baseline, OFTEN, opened, put("brand", scrutiny=s)) for s in (3.0, 0.0))
    assert none > 1.3 * some


def test_off_nobody_has_incidents(baseline: Scenario) -> None:
    """Kills: a switch nobody reads."""
    assert count(baseline, OFTEN, off("incidents")) == 0
