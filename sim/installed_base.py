"""The day before the first quarter: what enterprises ran, what it cost, and the old weights of the community."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import ReleasedModel
from sim.markets.menu import API, EDGE, HOSTED, SELF, Catalogue
from sim.parameters import COMMUNITY, REGIONS, WORKLOADS, Parameters
from sim.population import EDGE_TYPE, PRODUCTION, Population
from sim.quarters import QUARTERS_PER_YEAR
from sim.streams import Streams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SKILLED = 0.5  # talent from which the first users of open weights ran them themselves


def install(
    population: Population, catalogue: Catalogue, parameters: Parameters, streams: Streams, quarter: int
) -> None:
    """Fill part of the first adopters' slots with production workloads, their models drawn by installed shares.

    Contract ends are spread evenly over the contract length. Edge work runs small open weights only.
    """
    w, e = population.workloads, population.enterprises
    filled = np.array([s.in_production_initial for s in population.segments])
    rows = np.flatnonzero(
        e.adopted[w.enterprise] & (streams.even("installed_base/filled", 0, w.count) < filled[w.segment])
    )
    w.stage[rows] = PRODUCTION
    luck = streams.even("installed_base/model", 0, rows.size)
    timing = streams.even("installed_base/timing", 0, rows.size)
    edge = w.type[rows] == EDGE_TYPE
    at_edge_share = float(w.weight[rows[edge]].sum() / max(w.weight[rows].sum(), 1e-300))
    for region in range(len(REGIONS)):
        for at_edge in (False, True):
            here = np.flatnonzero((w.region[rows] == region) & (edge == at_edge))
            weights = _weights(catalogue, parameters, region, at_edge, at_edge_share)
            if here.size == 0 or weights.sum() <= 0.0:
                continue
            cumulative = np.cumsum(weights) / weights.sum()
            chosen = np.minimum(np.searchsorted(cumulative, luck[here], side="right"), weights.size - 1)
            _start(population, catalogue, rows[here], chosen, at_edge)
    ends = quarter + np.floor(timing * population.contract(rows)).astype(np.int32)
    w.due[rows] = ends


def _weights(catalogue: Catalogue, parameters: Parameters, region: int, at_edge: bool, at_edge_share: float) -> Floats:
    """Chance of each model in a region: its lab's installed share, split over its models, with a bias for home.

    The bias shifts shares between labs, not between open and closed; the edge runs open weights only, so elsewhere they
    get what is left of their installed share.
    """
    base, is_open = parameters.installed_base, catalogue.is_open
    share = np.array([base.shares.get(m.lab, 0.0) for m in catalogue.models])
    share = share / np.bincount(catalogue.lab)[catalogue.lab]
    local = share * np.where(catalogue.region == region, base.home_bias, 1.0)
    if REGIONS[region] == "china":
        local *= np.where(is_open | (catalogue.region == region), 1.0, base.closed_china)
    if at_edge:
        return np.asarray(local * ~np.isnan(catalogue.unit_cost[0, :, EDGE]))
    opened = max(0.0, float(share[is_open].sum()) - at_edge_share)
    for camp, total in ((is_open, opened), (~is_open, float(share[~is_open].sum()))):
        local[camp] *= total / max(float(local[camp].sum()), 1e-300)
    return local


def _start(population: Population, catalogue: Catalogue, rows: Ints, chosen: Ints, at_edge: bool) -> None:
    w, e = population.workloads, population.enterprises
    skilled = e.talent[w.enterprise[rows]] > SKILLED
    can = ~np.isnan(catalogue.unit_cost[0, chosen])
    open_mode = np.where(skilled & can[:, SELF] | ~can[:, HOSTED], SELF, HOSTED)
    w.model[rows] = np.array([m.id for m in catalogue.models])[chosen]
    w.lab[rows] = catalogue.lab[chosen]
    w.mode[rows] = EDGE if at_edge else np.where(catalogue.is_open[chosen], open_mode, API)


def community_model(parameters: Parameters, model_id: int, position: int, first_quarter: int) -> ReleasedModel:
    """Old open weights that no lab earns on; the community stands after the labs."""
    p = parameters.community
    return ReleasedModel(
        id=model_id,
        lab=COMMUNITY,
        position=position,
        tier="small",
        licence="open",
        api=False,
        private=False,
        compute_cost=1.0,
        born=first_quarter - QUARTERS_PER_YEAR,
        base_capability=p.capability,
        knowledge=parameters.technology.public_knowledge_initial,
        run_usd=0.0,
        compute_oom=0.0,
        serving=p.serving_cost,
        price=0.0,
    )


def first_going_prices(population: Population, catalogue: Catalogue) -> Floats:
    """USD per Mtok: budget-weighted price of what the installed base runs, by type; the mean where nothing runs."""
    w, c = population.workloads, catalogue
    rows = np.flatnonzero(w.running)
    cost = np.nan_to_num(c.unit_cost[w.type[rows], c.row_of[w.model[rows]], w.mode[rows]])
    budget = w.budget[rows] * w.weight[rows] * (cost > 0.0)
    whole = np.bincount(w.type[rows], budget, len(WORKLOADS))
    paid = np.bincount(w.type[rows], budget * cost, len(WORKLOADS))
    prices = c.price[c.price > 0.0]
    mean = paid.sum() / whole.sum() if whole.sum() > 0 else float(np.mean(prices)) if prices.size else 1.0
    return np.where(whole > 0.0, paid / np.where(whole > 0.0, whole, 1.0), mean)
