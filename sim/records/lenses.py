"""One market, many yardsticks: the shares of a quarter under every lens, by every key, for every population."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sim.markets.menu import Catalogue
from sim.markets.model_market import Usage
from sim.parameters import REGIONS, TIERS
from sim.population import Population
from sim.records import LENSES, POPULATIONS, ShareKeys

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


    def owned_by(self, owners: Iterable[str]) -> Yardstick:
        """The same measure after a change of hands; `owners` by the labs' positions."""
        at = np.array([self.keys.position("owner", name) for name in owners], np.int64)
        return replace(self, of_lab=self.of_lab | {"owner": at})


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


def share_block(usage: Usage, catalogue: Catalogue, population: Population, stick: Yardstick) -> Floats:
    """Shares (population, lens, key) of the quarter, 0-1; NaN where nothing is counted.

    Flows and deployments are sums over workloads. An enterprise is an adopter of every key it runs; its primary vendor
    is the key with most of its spending (the first of equals). Pilots count as use and spending, not as deployments.
    """
    keys = stick.keys
    of_model = model_keys(catalogue, stick)
    position = {by: row[usage.model] for by, row in of_model.items()}
    position["segment"] = stick.segment[population.workloads.segment[usage.row]]
    position["workload"] = keys.index("workload").start + usage.kind.astype(np.int64)
    position["mode"] = keys.index("mode").start + usage.mode.astype(np.int64)
    flows = flow_totals(usage, stick, of_model, position)
    developer = flows["tokens"][list(POPULATIONS).index("developer")]
    flows["developer_tokens"] = np.broadcast_to(developer, (len(POPULATIONS), len(keys)))
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
    direct = {by: stick.keys.index(by) for by in position if by not in of_model}
    for name, value in values.items():
        table = np.bincount(stratum * models + usage.model, value, strata * models).reshape(strata, models)
        by_model = stick.counted @ table
        for column in of_model.values():
            np.add.at(totals[name].T, column, by_model.T)
        for by, part in direct.items():
            width = part.stop - part.start
            cell = stratum * width + position[by] - part.start
            totals[name][:, part] = stick.counted @ np.bincount(cell, value, strata * width).reshape(strata, width)
    return totals


def _reach(usage: Usage, weight: Floats, stick: Yardstick, position: dict[str, Ints]) -> tuple[Floats, Floats]:
    """Weighted counts (population, key) of enterprises that use a key, and of those for whom it is the first."""
    strata, size = stick.counted.shape[1], len(stick.keys)
    used = np.zeros((stick.counted.shape[0], size))
    first = np.zeros_like(used)
    alone = np.unique(stick.of_lab["owner"]).size == stick.of_lab["owner"].size  # nobody owns two labs
    count = weight.size
    for by, column in position.items():
        if by == "owner" and alone:
            for table in (used, first):
                table[:, stick.of_lab["owner"]] = table[:, stick.of_lab["lab"]]
            continue
        part = stick.keys.index(by)
        width = part.stop - part.start
        if by == "segment":  # an enterprise is of one segment
            continue
        cell = (column - part.start) * count + usage.enterprise
        uses = np.bincount(cell, minlength=width * count).reshape(width, count) > 0
        used[:, part] = stick.members @ uses.T
        paid = np.bincount(cell, usage.spend, width * count).astype(np.float64, copy=False)
        top = _largest(paid.reshape(width, count))
        whole = np.where(uses.any(axis=0), weight, 0.0)
        tops = np.bincount(stick.stratum * width + top, whole, strata * width).reshape(strata, width)
        first[:, part] = stick.counted @ tops
    using = np.where(np.bincount(usage.enterprise, minlength=count) > 0, weight, 0.0)
    whole = np.bincount(stick.stratum // len(REGIONS) * strata + stick.stratum, using, len(stick.segment) * strata)
    for table in (used, first):
        table[:, stick.segment] = stick.counted @ whole.reshape(-1, strata).T
    return used, first


def _largest(table: Floats) -> Ints:
    """Row of the (first) largest entry of each column; faster than argmax along the first axis."""
    largest, row = table[0].copy(), np.zeros(table.shape[1], np.int64)
    for i in range(1, table.shape[0]):
        row[table[i] > largest] = i
        np.maximum(largest, table[i], out=largest)
    return row


def _normalised(block: Floats, usage: Usage, stick: Yardstick) -> Floats:
    """Divide by each `by`'s total; adopters by the number of enterprises that use anything."""
    adopting = np.zeros(stick.members.shape[1], bool)
    adopting[usage.enterprise] = True
    adopters = stick.members @ adopting
    overlap = LENSES.index("adopters")
    for by in dict(stick.keys.pairs):
        part = stick.keys.index(by)
        total = np.cumsum(block[:, :, part], axis=2)[:, :, -1]  # in key order: an empty lab must not move the last bit
        total[:, overlap] = adopters
        block[:, :, part] /= np.where(total > 0.0, total, np.nan)[:, :, None]
    return block
