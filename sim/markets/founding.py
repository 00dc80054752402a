"""New labs: founders come forward when the industry grows and investors are in the mood, and need a first round."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from sim.agents.bases import continued
from sim.agents.lab import UNKNOWN_DATE, Lab
from sim.economics.strategy import chance_within, drawn_from
from sim.parameters import Creed, LabParameters, Parameters, Region, TierPolicy
from sim.quarters import DT
from sim.streams import Streams

if TYPE_CHECKING:
    from sim.market import Market

PLACE = "entrant_"  # ids of labs founded in the run


def places(p: Parameters, streams: Streams) -> dict[str, LabParameters]:
    """The labs that can be founded in a run, with home and creed; what they begin with is settled on the day."""
    f = p.founding
    if not (p.switches.founding and p.switches.funding_market):  # founders need money
        return {}
    draws = streams.generator("founding/places").random((f.places, 2))
    regions: list[Region] = sorted(f.regions)
    edges = np.cumsum([f.regions[name] for name in regions])
    found = {}
    for i, (where, creed) in enumerate(draws.tolist(), 1):
        region = regions[drawn_from(edges, where)]
        found[f"{PLACE}{i:02d}"] = _place(p, i, region, "open" if creed < f.open_creed else "closed")
    return found


def _place(p: Parameters, number: int, region: Region, creed: Creed) -> LabParameters:
    """A lab nobody has founded yet: neither loved nor shunned, one flagship and one small model by its creed."""
    first = p.run.first_quarter
    policy = TierPolicy(licence="open" if creed == "open" else "closed", start=first, api=True, complement=0.0)
    return LabParameters(
        name=f"Entrant {number}",
        region=region,
        ownership="independent",
        creed=creed,
        strategy="follower",
        entry=UNKNOWN_DATE,
        cash=0.0,
        debt=0.0,
        research_budget=0.0,
        target_share=p.strategy.follower_share,
        capability=0.0,
        first_run=p.costs.minimum_run,
        serving_efficiency=1.0,
        brand=0.0,
        safety=0.3,
        cloud_share=0.0,
        distribution=0.0,
        seat_presence=0.0,
        seats_initial=0.0,
        conduct=1.0,
        services_rate=0.0,
        private_deployment=False,
        transfer_cap=0.0,
        own_use=0.0,
        open_ceiling=1000.0,
        tiers={"flagship": policy, "small": policy.model_copy()},
        repeat_rounds=False,
    )


def come_forward(market: Market) -> None:
    """Founders of a new lab may come forward; they ask for their first money next quarter."""
    f = market.parameters.founding
    free = [lab for lab in market.roster if lab.id.startswith(PLACE) and lab.is_free]
    if not free:
        return
    growth = (1.0 + max(-0.9, market.outlook.growth)) / math.exp(market.parameters.capital.normal_growth)
    luck = market.streams.generator("founding", market.quarter)
    lab = min(free, key=lambda place: place.fortune("founding"))
    hazard = f.rate * growth**f.growth_elasticity * math.exp(f.mood_elasticity * market.mood)
    hazard *= (prospect(market, lab) / f.usual_prospect) ** f.prospect_elasticity
    if luck.random() >= chance_within(hazard, DT):
        return
    spins_out = luck.random() < f.spin_out
    origin = _origin(market, lab, float(luck.random())) if spins_out else None
    propose(market, lab, origin)


def first_run(market: Market) -> float:
    """Run of a new lab's first model, USD a year."""
    share = market.parameters.founding.run_share
    return max(share * market.outlook.race, market.parameters.costs.minimum_run)


def prospect(market: Market, lab: Lab) -> float:
    """What a lab that knows what is public would earn over the cost of its research: free entry."""
    run, earned = first_run(market), 0.0
    capability = continued(lab, lab.capability_after(run, market.frontier.public_knowledge), "flagship")[0]
    for tier, licence in sorted(lab.stance.items()):
        behind = market.outlook.best - capability + market.parameters.technology.small_lag * (tier == "small")
        earned += market.outlook.earning(lab, tier, licence, behind, lab.parameters.services_rate, market.parameters)
    return earned / (run * lab.budget_per_run())


def _origin(market: Market, lab: Lab, luck: float) -> Lab | None:
    """The lab of the same region whose people leave, by the size of its research staff."""
    kin = [x for x in market.active_labs if x.parameters.region == lab.parameters.region]
    whole = sum(x.staff_spending for x in kin)
    if whole <= 0.0:
        return None
    edges = np.cumsum([x.staff_spending for x in kin]) / whole
    return kin[drawn_from(edges, luck)]


def propose(market: Market, lab: Lab, origin: Lab | None) -> None:
    """What founders bring and what their first model would be."""
    f, public = market.parameters.founding, market.frontier.public_knowledge
    known = public if origin is None else public + f.knowledge_taken * max(0.0, origin.knowledge - public)
    lab.begin(known, first_run(market), "" if origin is None else origin.id)
