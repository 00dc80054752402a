"""One market, many yardsticks: the shares of a quarter under every lens, by every key, for every population."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.markets.menu import Catalogue
from sim.markets.model_market import Usage
from sim.parameters import REGIONS
from sim.population import Population
from sim.records import LENSES, POPULATIONS, ShareKeys

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Yardstick:
    """The fixed part of the measurement: which enterprises each population counts, and where the labs' keys stand.

    `stratum` numbers each enterprise's segment and whether it is in the US, `counted` (populations, strata) says 1 where
    a population counts a stratum; `members` (populations, enterprises) holds weights where counted, else 0.
    """

    keys: ShareKeys
    stratum: Ints
    counted: Floats
    members: Floats
    lab_keys: tuple[str, ...]  # by position; the community last
    owner_keys: tuple[str, ...]
    region_keys: tuple[str, ...]

    @classmethod
    def of(
        cls, population: Population, keys: ShareKeys, labs: tuple[str, ...], owners: tuple[str, ...], homes: tuple[str, ...]
    ) -> Yardstick:
        """Membership of a population of enterprises in the populations that are reported."""
        e = population.enterprises
        segments = np.array(
            [[name in p.segments for name in population.segment_names] for p in POPULATIONS.values()], np.float64
        )
        regions = np.array([[name in p.regions for name in REGIONS] for p in POPULATIONS.values()], np.float64)
        counted = (segments[:, :, None] * regions[:, None, :]).reshape(len(POPULATIONS), -1)
        stratum = e.segment.astype(np.int64) * len(REGIONS) + e.region
        return cls(keys, stratum, counted, counted[:, stratum] * e.weight, labs, owners, homes)


def model_keys(catalogue: Catalogue, stick: Yardstick) -> dict[str, Ints]:
    """Position on the key axis of every model in the catalogue, for each `by` that is a property of the model."""
    keys = stick.keys
    openness = ["open" if flag else "closed" for flag in catalogue.is_open]
    labels = {
        "lab": [stick.lab_keys[i] for i in catalogue.lab],
        "owner": [stick.owner_keys[i] for i in catalogue.lab],
        "openness": openness,
        "tier": ["small" if tier else "flagship" for tier in catalogue.tier],
        "region": [stick.region_keys[i] for i in catalogue.lab],
    }
    labels["region_and_openness"] = [f"{r}_{o}" for r, o in zip(labels["region"], openness, strict=True)]
    return {by: np.array([keys.position(by, name) for name in names], np.int64) for by, names in labels.items()}


def share_block(usage: Usage, catalogue: Catalogue, population: Population, stick: Yardstick) -> Floats:
    """Shares (population, lens, key) of the quarter, 0-1; NaN where nothing is counted.

    Flows and deployments are sums over workloads. An enterprise is an adopter of every key it runs; its primary vendor
    is the key with most of its spending (the first of equals). Pilots count as use and spending, not as deployments.
    """
    keys = stick.keys
    of_model = model_keys(catalogue, stick)
    position = {by: row[usage.model] for by, row in of_model.items()}
    position["segment"] = _offset(keys, "segment", population.segment_names)[population.workloads.segment[usage.row]]
    position["workload"] = keys.index("workload").start + usage.kind.astype(np.int64)
    position["mode"] = keys.index("mode").start + usage.mode.astype(np.int64)
    flows = flow_totals(usage, stick, of_model, position)
    flows["developer_tokens"] = np.broadcast_to(flows["tokens"][list(POPULATIONS).index("developer")], (len(POPULATIONS), len(keys)))
    flows["adopters"], flows["primary_vendor"] = _reach(usage, population.enterprises.weight, stick, position)
    return _normalised(np.stack([flows[lens] for lens in LENSES], axis=1), usage, stick)


def flow_totals(
    usage: Usage, stick: Yardstick, of_model: dict[str, Ints], position: dict[str, Ints]
) -> dict[str, Floats]:
    """Sums (population, key) of each flow lens: by stratum and model first, then by what a model is."""
    values = {
        "api_spend": usage.api_spend,
        "total_spend": usage.spend,
        "tokens": usage.tokens,
        "deployments": np.where(usage.production, usage.weight, 0.0),
    }
    strata, size = stick.counted.shape[1], len(stick.keys)
    stratum = stick.stratum[usage.enterprise]
    models = next(iter(of_model.values())).size
    totals = {name: np.zeros((stick.counted.shape[0], size)) for name in values}
    direct = [position[by] for by in position if by not in of_model]
    for name, value in values.items():
        table = np.bincount(stratum * models + usage.model, value, strata * models).reshape(strata, models)
        by_model = stick.counted @ table
        for column in of_model.values():
            np.add.at(totals[name].T, column, by_model.T)
        for column in direct:
            table = np.bincount(stratum * size + column, value, strata * size).reshape(strata, size)
            totals[name] += stick.counted @ table
    return totals


def _reach(usage: Usage, weight: Floats, stick: Yardstick, position: dict[str, Ints]) -> tuple[Floats, Floats]:
    """Weighted counts (population, key) of enterprises that use a key, and of those for whom it is the first."""
    strata, size = stick.counted.shape[1], len(stick.keys)
    used = np.zeros((stick.counted.shape[0], size))
    first = np.zeros_like(used)
    spend = usage.spend
    for by, column in position.items():
        part = stick.keys.index(by)
        width = part.stop - part.start
        pair = usage.enterprise * np.int64(width) + (column - part.start)
        paid = np.bincount(pair, spend)
        pairs = np.flatnonzero(paid > 0.0)  # much faster on flags than on numbers
        who, key = np.divmod(pairs, width)
        cell = stick.stratum[who] * width + key
        used[:, part] = stick.counted @ np.bincount(cell, weight[who], strata * width).reshape(strata, width)
        starts = np.flatnonzero(np.diff(who, prepend=-1))
        most = np.repeat(np.maximum.reduceat(paid[pairs], starts), np.diff(starts, append=who.size)) if who.size else paid
        ahead = np.flatnonzero(paid[pairs] == most)
        ahead = ahead[np.flatnonzero(np.diff(who[ahead], prepend=-1))]
        tops = np.bincount(cell[ahead], weight[who[ahead]], strata * width).reshape(strata, width)
        first[:, part] = stick.counted @ tops
    return used, first


def _normalised(block: Floats, usage: Usage, stick: Yardstick) -> Floats:
    """Divide by each `by`'s total; adopters by the number of enterprises that use anything."""
    adopting = np.zeros(stick.members.shape[1], bool)
    adopting[usage.enterprise] = True
    adopters = stick.members @ adopting
    overlap = LENSES.index("adopters")
    for by in dict(stick.keys.pairs):
        part = stick.keys.index(by)
        total = block[:, :, part].sum(axis=2)
        total[:, overlap] = adopters
        block[:, :, part] /= np.where(total > 0.0, total, np.nan)[:, :, None]
    return block


def _offset(keys: ShareKeys, by: str, names: tuple[str, ...]) -> Ints:
    return np.array([keys.position(by, name) for name in names], np.int64)
