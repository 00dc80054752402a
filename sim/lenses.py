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

    `members` (populations, enterprises) holds each enterprise's weight where it is counted, else 0.
    """

    keys: ShareKeys
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
        rows = []
        for counted in POPULATIONS.values():
            segment = np.array([name in counted.segments for name in population.segment_names])[e.segment]
            region = np.array([name in counted.regions for name in REGIONS])[e.region]
            rows.append(np.where(segment & region, e.weight, 0.0))
        return cls(keys, np.stack(rows), labs, owners, homes)


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
    keys, n_pop = stick.keys, len(POPULATIONS)
    block = np.full((n_pop, len(LENSES), len(keys)), np.nan)
    position = {by: row[usage.model] for by, row in model_keys(catalogue, stick).items()}
    position["segment"] = _offset(keys, "segment", population.segment_names)[population.workloads.segment[usage.row]]
    position["workload"] = keys.index("workload").start + usage.kind.astype(np.int64)
    position["mode"] = keys.index("mode").start + usage.mode.astype(np.int64)
    flows = flow_totals(usage, stick, position)
    developer = list(POPULATIONS).index("developer")
    for lens, name in enumerate(LENSES):
        if name in ("adopters", "primary_vendor"):
            continue
        totals = flows["tokens" if name == "developer_tokens" else name]
        block[:, lens] = totals[developer] if name == "developer_tokens" else totals
    block[:, LENSES.index("adopters")], block[:, LENSES.index("primary_vendor")] = _reach(usage, stick, position)
    return _normalised(block, usage, stick)


def flow_totals(usage: Usage, stick: Yardstick, position: dict[str, Ints]) -> dict[str, Floats]:
    """Sums (population, key) of each flow lens."""
    member = stick.members[:, usage.enterprise] > 0.0
    values = {
        "api_spend": usage.api_spend,
        "total_spend": usage.spend,
        "tokens": usage.tokens,
        "deployments": np.where(usage.production, usage.weight, 0.0),
    }
    size = len(stick.keys)
    totals = {name: np.zeros((member.shape[0], size)) for name in values}
    for column in position.values():
        for name, value in values.items():
            for i in range(member.shape[0]):
                totals[name][i] += np.bincount(column[member[i]], value[member[i]], size)
    return totals


def _reach(usage: Usage, stick: Yardstick, position: dict[str, Ints]) -> tuple[Floats, Floats]:
    """Weighted counts (population, key) of enterprises that use a key, and of those for whom it is the first."""
    size, count = len(stick.keys), stick.members.shape[1]
    used = np.zeros((stick.members.shape[0], size))
    first = np.zeros_like(used)
    spend = usage.spend
    for by, column in position.items():
        part = stick.keys.index(by)
        width = part.stop - part.start
        table = np.bincount(usage.enterprise * width + column - part.start, spend, count * width).reshape(count, width)
        used[:, part] = stick.members @ (table > 0.0)
        best = table.argmax(axis=1)
        buying = table[np.arange(count), best] > 0.0
        for i, weight in enumerate(stick.members):
            first[i, part] = np.bincount(best[buying], weight[buying], width)
    return used, first


def _normalised(block: Floats, usage: Usage, stick: Yardstick) -> Floats:
    """Divide by each `by`'s total; adopters by the number of enterprises that use anything."""
    adopting = np.zeros(stick.members.shape[1], bool)
    adopting[usage.enterprise] = True
    adopters = stick.members @ adopting
    overlap = LENSES.index("adopters")
    for by in {by for by, _ in stick.keys.pairs}:
        part = stick.keys.index(by)
        total = block[:, :, part].sum(axis=2)
        total[:, overlap] = adopters
        block[:, :, part] /= np.where(total > 0.0, total, np.nan)[:, :, None]
    return block


def _offset(keys: ShareKeys, by: str, names: tuple[str, ...]) -> Ints:
    return np.array([keys.position(by, name) for name in names], np.int64)
