"""Incidents: models in use do harm now and then, and whoever made them loses its good name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import Lab
from sim.economics.safety import faults_left, incident_hazard
from sim.economics.strategy import chance_within
from sim.quarters import DT

if TYPE_CHECKING:
    from sim.market import Market


def have_incidents(market: Market) -> None:
    """Each lab's incident of the quarter, or none: the more its models are used and the less care it takes."""
    if not market.parameters.switches.incidents:
        return
    rate, exposure = market.parameters.brand.incident_rate, exposures_to_faults(market)
    hazards = incident_hazard(rate, market.lab_column("safety"), exposure).tolist()
    for lab in market.active_labs:
        hazard = hazards[lab.position]
        if hazard > 0.0 and lab.fortune("incident") < chance_within(hazard, DT):
            suffer(market, lab, float(exposure[lab.position]), hazard)


def exposures_to_faults(market: Market) -> NDArray[np.float64]:
    """By lab position: part (0-1) of all work in production on its models, weighed by the faults left in each."""
    usage, c, scrutiny = market.usage, market.catalogue, market.parameters.brand.scrutiny
    used = np.bincount(usage.model, usage.working, len(c.models))
    years = np.array([market.quarter - m.born for m in c.models]) * DT
    faults = used * faults_left(years, np.where(c.is_open, scrutiny, 0.0))
    whole = float(used.sum())
    return np.bincount(c.lab, faults / whole if whole > 0.0 else faults, len(market.roster) + 1).astype(np.float64)


def suffer(market: Market, lab: Lab, exposure: float, hazard: float) -> None:
    """An incident: the lab's brand falls at once; the ledger says what was at work."""
    loss = market.parameters.brand.incident_loss
    lab.brand -= loss
    safety = lab.parameters.safety
    said = f"incident in use: brand falls by {loss:.2f} to {lab.brand:.2f} logit; {exposure:.0%} of all work at risk"
    said += f", safety record {safety:.2f}; a year has {hazard:.2f} such incidents on average"
    numbers = {"exposure": exposure, "safety": safety, "hazard_per_year": hazard, "brand_logit": lab.brand}
    market.event("shock", lab.id, "", 0.0, said, numbers, "incident")
