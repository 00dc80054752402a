"""One market, many yardsticks: the shares of a quarter under every lens, by every key, for every population."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sim.downloads import Pulls
from sim.markets.menu import Catalogue
from sim.markets.model_market import Usage
from sim.parameters import REGIONS, TIERS
from sim.population import Population
from sim.records import BY, LENSES, POPULATIONS, ShareKeys

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Yardstick:
    """The fixed part of the measurement: whom each population counts, and where labs stand on the key axis.

    `stratum` numbers each enterprise's segment and region, `counted` (populations, strata) says 1 where a population
    counts a stratum; `members` (populations, enterprises) holds weights where counted, else 0. `of_lab` gives key
    positions by the labs' positions (the community last); "region_and_openness" those of closed weights, open ones' by
    "open_region".
    """

    keys: ShareKeys
    stratum: Ints
    counted: Floats
    members: Floats
    of_lab: dict[str, Ints]
    openness: Ints  # closed, open
    tier: Ints  # flagship, small
    segment: Ints

    @classmethod
    def of(
        cls,
        population: Population,
        keys: ShareKeys,
        labs: tuple[str, ...],
        owners: tuple[str, ...],
        homes: tuple[str, ...],
    ) -> Yardstick:
        """Membership of a population of enterprises in the populations that are reported, and the keys of its labs."""
        e = population.enterprises
        segments = [[name in p.segments for name in population.segment_names] for p in POPULATIONS.values()]
        regions = [[name in p.regions for name in REGIONS] for p in POPULATIONS.values()]
        counted = np.array(segments, np.float64)[:, :, None] * np.array(regions, np.float64)[:, None, :]
        counted = counted.reshape(len(POPULATIONS), -1)
        stratum = e.segment.astype(np.int64) * len(REGIONS) + e.region

        def positions(by: str, names: Iterable[str]) -> Ints:
            return np.array([keys.position(by, name) for name in names], np.int64)

        return cls(
            keys=keys,
            stratum=stratum,
            counted=counted,
            members=counted[:, stratum] * e.weight,
            of_lab={
                "lab": positions("lab", labs),
                "owner": positions("owner", owners),
                "region": positions("region", homes),
                "closed_region": positions("region_and_openness", (f"{home}_closed" for home in homes)),
                "open_region": positions("region_and_openness", (f"{home}_open" for home in homes)),
            },
            openness=positions("openness", ("closed", "open")),
            tier=positions("tier", TIERS),
            segment=positions("segment", population.segment_names),
        )

    def by_segment(self, by_stratum: Floats) -> Floats:
        """Sums (..., population, segment) of what a population counts, from sums whose last axis is the stratum."""
        counted = by_stratum * self.counted
        by_region = counted.reshape(*counted.shape[:-1], len(self.segment), len(REGIONS))  # as strata are numbered
        return np.asarray(by_region.sum(axis=-1))

    def owned_by(self, owners: Iterable[str]) -> Yardstick:
        """The same measure after a change of hands; `owners` by the labs' positions."""
        at = np.array([self.keys.position("owner", name) for name in owners], np.int64)
        return self if np.array_equal(at, self.of_lab["owner"]) else replace(self, of_lab=self.of_lab | {"owner": at})


def model_keys(catalogue: Catalogue, stick: Yardstick) -> dict[str, Ints]:
    """Position on the key axis of every model in the catalogue, for each `by` that is a property of the model."""
    lab, is_open, at = catalogue.lab, catalogue.is_open, stick.of_lab
    return {
        "lab": at["lab"][lab],
        "owner": at["owner"][lab],
        "openness": stick.openness[is_open.astype(np.int64)],
        "tier": stick.tier[catalogue.tier],
        "region": at["region"][lab],
        "region_and_openness": np.where(is_open, at["open_region"][lab], at["closed_region"][lab]),
    }


def share_block(usage: Usage, catalogue: Catalogue, population: Population, stick: Yardstick, pulls: Pulls) -> Floats:
    """Shares (population, lens, key) of the quarter, 0-1; NaN where nothing is counted.

    Flows and deployments are sums over workloads. An enterprise is an adopter of every key it runs; its primary vendor
    is the key with most of its spending (the first of equals). Pilots count as use and spending, not as deployments.
    Downloads are pulls of open weights by developer of the weights.
    """
    of_model = model_keys(catalogue, stick)
    flows = flow_totals(usage, pulls, stick, of_model)
    developer = list(POPULATIONS).index("developer")
    flows["developer_tokens"] = flows["tokens"][[developer] * len(POPULATIONS)]
    flows["adopters"], flows["primary_vendor"] = _reach(usage, population.enterprises.weight, stick, of_model)
    return _normalised(np.stack([flows[lens] for lens in LENSES], axis=1), usage, stick)


def flow_totals(usage: Usage, pulls: Pulls, stick: Yardstick, of_model: dict[str, Ints]) -> dict[str, Floats]:
    """Sums (population, key) of each flow lens: by stratum first, then over the strata that a population counts.

    `of_model` says where on the key axis each model stands. Downloads come summed by stratum already, as `pulls`.
    """
    values = {
        "api_spend": usage.api_spend,
        "total_spend": usage.spend,
        "tokens": usage.tokens,
        "deployments": usage.working,
    }
    strata, models = stick.counted.shape[1], of_model["lab"].size
    stratum = stick.stratum.take(usage.enterprise)

    def table(part: NDArray[np.integer], width: int, downloads: Floats) -> Floats:
        """Sums (lens, stratum, part), where `part` says to which of `width` parts each entry of `usage` belongs."""
        cell = stratum * width + part
        sums = [np.bincount(cell, value, strata * width) for value in values.values()]
        return np.stack([*sums, downloads.ravel()]).reshape(-1, strata, width)

    modes, kinds = stick.keys.index("mode"), stick.keys.index("workload")
    width = modes.stop - modes.start
    use = usage.kind * np.int64(width) + usage.mode
    by_use = table(use, width * (kinds.stop - kinds.start), pulls.by_use)
    totals = _by_key(table(usage.model, models, pulls.by_model), by_use, stick, of_model)
    return dict(zip((*values, "downloads"), totals, strict=True))


def _by_key(by_model: Floats, by_use: Floats, stick: Yardstick, of_model: dict[str, Ints]) -> Floats:
    """Sums (lens, population, key) from those by (lens, stratum, model) and (lens, stratum, type of work x mode)."""
    is_of = np.zeros((by_model.shape[-1], len(stick.keys)))  # 1 where a model counts for a key
    for column in of_model.values():
        is_of[np.arange(by_model.shape[-1]), column] = 1.0
    totals = np.asarray(stick.counted @ by_model @ is_of)
    kinds, modes = stick.keys.index("workload"), stick.keys.index("mode")
    totals[:, :, stick.segment] = stick.by_segment(by_use.sum(axis=-1)[:, None, :])
    by_use = (stick.counted @ by_use).reshape(*totals.shape[:2], -1, modes.stop - modes.start)
    totals[:, :, kinds], totals[:, :, modes] = by_use.sum(axis=-1), by_use.sum(axis=-2)
    return totals


def _within(usage: Usage, keys: ShareKeys, of_model: dict[str, Ints]) -> dict[str, tuple[Ints, NDArray[np.integer]]]:
    """For each `by`, positions on the key axis and which of them each entry of `usage` has.

    Left out are keys without a model, which have no users, and owners while each of them sells for one lab only.
    """
    within: dict[str, tuple[Ints, NDArray[np.integer]]] = {
        by: (np.arange(keys.index(by).start, keys.index(by).stop), column)
        for by, column in (("workload", usage.kind), ("mode", usage.mode))
    }
    for by, column in of_model.items():
        there = np.bincount(column) > 0
        part = np.flatnonzero(there)
        if by != "owner" or part.size < within["lab"][0].size:
            within[by] = part, (np.cumsum(there) - 1).take(column).take(usage.model)
    return within


def _reach(usage: Usage, weight: Floats, stick: Yardstick, of_model: dict[str, Ints]) -> tuple[Floats, Floats]:
    """Weighted counts (population, key) of enterprises that use a key, and of those for whom it is the first."""
    enterprise, buyer = usage.buyers, np.cumsum(usage.begins) - 1
    weight, stratum = weight.take(enterprise), stick.stratum.take(enterprise)
    strata = stick.counted.shape[1]
    used, first = tables = np.zeros((2, strata, len(stick.keys)))
    to_stratum = stratum - np.arange(enterprise.size)  # what a buyer's number lacks to be its stratum's

    def sums(cell: Ints, weight: Floats, width: int) -> Floats:
        """Weights by stratum and key, out of cells that number these pairs."""
        return np.asarray(np.bincount(cell, weight, strata * width).reshape(strata, width), np.float64)

    within = _within(usage, stick.keys, of_model)
    for part, key in within.values():
        width = part.size
        cell = buyer * width + key
        uses = np.zeros(enterprise.size * width, bool)
        uses[cell] = True
        pair = np.flatnonzero(uses)
        of = pair // width
        used[:, part] = sums(pair + (to_stratum * width).take(of), weight.take(of), width)
        spending = np.bincount(cell, usage.spend, uses.size).reshape(-1, width)
        first[:, part] = sums(stratum * width + spending.argmax(axis=1), weight, width)
    if "owner" not in within:
        tables[:, :, of_model["owner"]] = tables[:, :, of_model["lab"]]
    counts = (stick.counted[:, :, None] * tables[:, None]).sum(axis=2)  # a product's bits follow the number of labs
    buyers = np.asarray(np.bincount(stratum, weight, strata), np.float64)
    counts[:, :, stick.segment] = stick.by_segment(buyers)  # an enterprise is of one segment
    return counts[0], counts[1]


def _normalised(block: Floats, usage: Usage, stick: Yardstick) -> Floats:
    """Divide by each `by`'s total; adopters by the number of enterprises that use anything."""
    adopting = np.zeros(stick.members.shape[1], bool)
    adopting[usage.buyers] = True
    totals = np.empty_like(block)
    for by in BY:
        part = stick.keys.index(by)
        totals[:, :, part] = np.cumsum(block[:, :, part], axis=2)[:, :, -1:]  # in key order: an empty lab moves no bit
    totals[:, LENSES.index("adopters")] = (stick.members @ adopting)[:, None]
    return np.divide(block, totals, out=np.full_like(block, np.nan), where=totals > 0.0)
