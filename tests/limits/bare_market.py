"""A market with every mechanism switched off, to which a limiting case adds the one it is about."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sim.market import Market
from sim.parameters import LabParameters, Parameters, SegmentParameters, TierPolicy
from sim.scenario import Scenario

TYPE = "bulk"  # the one type of work
SEGMENT = "mid_market"  # the one segment
WIDTH = 1.0  # tau, OOM
VALUE = 10.0  # logit for full quality


# Weights of utility that no switch removes.
UNSWITCHED = (
    "assurance",
    "privacy",
    "customisation",
    "control",
    "stability",
    "latency",
    "transparency",
    "operations",
    "strategic_open_lean",
)


def bare_lab(template: LabParameters, **changes: object) -> LabParameters:
    """An independent lab that spends nothing, sells one closed flagship at its API and has money for ever."""
    flagship = TierPolicy(licence="closed", start="2023Q1", api=True, complement=0.0)
    plain = {
        "ownership": "independent",
        "parent": None,
        "entry": "2023Q1",
        "cash": 1e12,
        "debt": 0.0,
        "research_budget": 0.0,
        "target_share": 0.0,
        "capability": 0.0,
        "first_run": 42.2e6,
        "serving_efficiency": 1.0,
        "brand": 0.0,
        "seats_initial": 0.0,
        "tiers": {"flagship": flagship},
        "rounds": [],
        "repeat_rounds": False,
        "revenue_share": None,
        "own_use": 0.0,
    }
    return template.model_copy(update={**plain, **changes})


def bare_segment(template: SegmentParameters, contract: int) -> SegmentParameters:
    """Enterprises of one size in one region, all adopters, each with one workload of one type in production."""
    plain = {
        "sigma": 0.0,
        "workloads_min": 1,
        "workloads_max": 1,
        "adopted_initial": 1.0,
        "adoption_ceiling": 1.0,
        "in_production_initial": 1.0,
        "price_sensitivity": 1.0,
        "contract": contract,
        "regions": {"us": 1.0},
        "mix": {TYPE: 1.0},
    }
    return template.model_copy(update=plain)


def bare(scenario: Scenario, labs: dict[str, dict[str, object]], contract: int = 1) -> Parameters:
    """The scenario's parameters with all switches off, one segment, one type of work and the given labs.

    Utility of a lab's model is VALUE x quality less beta times the log of its cost relative to the going one; all labs
    charge the same mark-up over the same cost, which never changes, unless a test gives them others.
    """
    p = scenario.parameters.model_copy(deep=True)
    for name in type(p.switches).model_fields:
        setattr(p.switches, name, False)
    for name in UNSWITCHED:
        setattr(p.demand, name, 0.0)
    p.demand.other_cost_progress = 1.0
    p.technology.serving_progress = 1.0
    p.workloads[TYPE] = p.workloads[TYPE].model_copy(
        update={
            "value": VALUE,
            "base": 30.0,
            "threshold": 0.0,
            "threshold_growth": 0.0,
            "tau": WIDTH,
            "other_cost": 1.0,
        }
    )
    template = p.labs["openai"]
    share = p.installed_base.model_copy(update={"shares": {name: 1.0 / len(labs) for name in labs}, "home_bias": 1.0})
    return p.model_copy(
        update={
            "labs": {name: bare_lab(template, **changes) for name, changes in labs.items()},
            "segments": {SEGMENT: bare_segment(p.segments[SEGMENT], contract)},
            "installed_base": share,
            "shocks": [],
        }
    )


def capability_for(utility: float) -> float:
    """Capability, OOM, of a model that is worth `utility` (0 to VALUE) in the bare market."""
    y = utility / VALUE
    return WIDTH * float(np.log(y / (1.0 - y)))


def market_of(scenario: Scenario, p: Parameters, enterprises: int, until: str = "2032Q4", seed: int = 1) -> Market:
    """A market of these parameters, validated as if they had stood in a file."""
    return Market(replace(scenario, parameters=Parameters.model_validate(p.model_dump())), seed, enterprises, until)


def series(market: Market, look: Callable[[Market], object]) -> np.ndarray:
    """Step the market to its end; what `look` sees at the start and after each quarter."""
    seen = [look(market)]
    while market.quarter <= market.last_quarter:
        market.step()
        seen.append(look(market))
    return np.array(seen)


def lab_counts(market: Market) -> np.ndarray:
    """Workloads that run each lab's model, by the lab's position."""
    w = market.population.workloads
    return np.bincount(w.lab[w.running], minlength=len(market.roster))
