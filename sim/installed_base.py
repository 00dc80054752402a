"""The installed base: what enterprises ran on the day before the first quarter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.markets.menu import API, EDGE, HOSTED, SELF, Catalogue
from sim.parameters import REGIONS, Parameters
from sim.population import EDGE_TYPE, PRODUCTION, Population
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
