"""The enterprises and their workloads as columns: who they are, what they have running, how workloads live and die.

An enterprise stands for many: strata of the size distribution with conditional means, allocated by firm count and by
spending, so that totals and shares do not depend on how many are simulated and no stratum is a whale. State lives in
columns (struct of arrays); an `Enterprise` agent is a view made when someone asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from sim.economics.adoption import arrival_probability
from sim.parameters import MODES, REGIONS, SEGMENTS, WORKLOADS, Parameters
from sim.quarters import DT
from sim.streams import Streams

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

EMPTY, PILOT, PRODUCTION = 0, 1, 2  # stages of a workload slot
NO_MODEL = -1
PILOT_TYPE = WORKLOADS.index("pilot")
EDGE_TYPE = WORKLOADS.index("edge")
SELF_HOSTED = MODES.index("self_hosted")
BETA_CONCENTRATION = 4.0  # spread of talent and privacy around their segment's mean: Beta(4 m, 4 (1 - m))


def allocate(total: int, firms: Floats, spending: Floats) -> Ints:
    """Simulated enterprises per segment: half by firm count, half by spending (largest remainder), at least one."""
    wanted = total * 0.5 * (firms / firms.sum() + spending / spending.sum())
    counts = np.maximum(1, np.floor(wanted)).astype(np.int64)
    order = np.argsort(-(wanted - np.floor(wanted)), kind="stable")
    counts[order[: max(0, total - int(counts.sum()))]] += 1
    return np.asarray(counts)


@cache
def size_strata(count: int, sigma: float) -> tuple[Floats, Floats]:
    """Share of firms and mean relative size of `count` strata of a lognormal of mean 1 and log-sd `sigma`; read-only.

    Strata hold equal parts of the average of the firm and the spending distribution, so that none holds more than
    2 / count of either; their means are exact, so that firms sum to 1 and firms x size sums to 1.
    """
    grid = np.linspace(-9.0, 9.0 + sigma, 20_001)
    mixed = 0.5 * (ndtr(grid) + ndtr(grid - sigma))
    edges = np.interp(np.arange(1, count) / count, mixed, grid)
    below = np.concatenate(([0.0], ndtr(edges), [1.0]))
    spent = np.concatenate(([0.0], ndtr(edges - sigma), [1.0]))
    firms = np.diff(below)
    size = np.diff(spent) / firms
    firms.flags.writeable = size.flags.writeable = False  # the same for all seeds of a scenario
    return firms, size


def early_ranks(position: Floats) -> tuple[Floats, Floats]:
    """Adoption rank of stratum positions in [0, 1), and the weight that makes ranks uniform: mean 1, 0.5 .. 1.5.

    Early adopters are few and make the market of the first years, so they are sampled twice as densely as the average
    and the last ones less: rank (v + v^2) / 2 has density 1 / (0.5 + v) (importance sampling).
    """
    return (position + position**2) / 2.0, 0.5 + position


def pick(shares: Mapping[Any, float], names: tuple[str, ...], uniform: Floats) -> NDArray[np.int8]:
    """Index into `names` drawn with the given shares by inverse CDF."""
    cumulative = np.cumsum([shares.get(name, 0.0) for name in names])
    cumulative /= cumulative[-1]
    index = np.searchsorted(cumulative, uniform, side="right")
    return np.minimum(index, len(names) - 1).astype(np.int8)


@dataclass
class Enterprises:
    """Columns of length N. `weight` real firms each, `size` budget relative to the segment's mean firm, `rank` the
    adoption share of the segment at which it adopts, `talent`, `privacy` in 0-1, `taste` for openness (logit)."""

    segment: NDArray[np.int8]
    region: NDArray[np.int8]
    weight: Floats
    size: Floats
    talent: Single
    privacy: Single
    strategic: Flags
    taste: Single
    rank: Floats
    adopted: Flags
    slots: Ints  # first slot of each enterprise, and one past the last of all: length N + 1

    @property
    def count(self) -> int:
        """How many are simulated."""
        return int(self.segment.size)


@dataclass
class Workloads:
    """Columns of length W, ordered by enterprise. `model` and `mode` are what runs it (model -1: nothing), `lab` the
    position of that model's lab, `due` the quarter in which the contract ends, `moved_in` whether it moved to own
    servers this quarter, `budget` USD a year in production at first-quarter prices of one represented firm."""

    enterprise: NDArray[np.int32]
    segment: NDArray[np.int8]
    region: NDArray[np.int8]
    weight: Floats
    type: NDArray[np.int8]
    stage: NDArray[np.int8]
    model: NDArray[np.int32]
    lab: NDArray[np.int16]
    mode: NDArray[np.int8]
    due: NDArray[np.int32]
    moved_in: Flags
    budget: Floats

    @property
    def count(self) -> int:
        """How many slots there are, filled or not."""
        return int(self.enterprise.size)

    @property
    def running(self) -> Flags:
        """Workloads that run a model, pilots included."""
        return np.asarray((self.stage != EMPTY) & (self.model != NO_MODEL))

    def chosen_type(self, rows: Ints) -> NDArray[np.int8]:
        """Type that governs the choice: a pilot is a type of its own until it graduates."""
        return np.where(self.stage.take(rows) == PILOT, np.int8(PILOT_TYPE), self.type.take(rows))


class Population:
    """Enterprises, workloads and the adoption curve of each segment."""

    def __init__(self, parameters: Parameters, streams: Streams, count: int) -> None:
        self.parameters = parameters
        self.streams = streams
        self.segment_names = tuple(name for name in SEGMENTS if name in parameters.segments)
        self.segments = tuple(parameters.segments[name] for name in self.segment_names)
        self.enterprises = self._enterprises(count)
        self.workloads = self._workloads()
        self.adoption = np.array([s.adopted_initial for s in self.segments])

    def _enterprises(self, count: int) -> Enterprises:
        segments = self.segments
        firms = np.array([s.firms for s in segments])
        slots = np.array([0.5 * (s.workloads_min + s.workloads_max) for s in segments])
        counts = allocate(count, firms, firms * slots * np.array([s.workload_budget for s in segments]))
        parts: dict[str, list[NDArray[np.generic]]] = {}

        def even(segment_name: str, trait: str, size: int) -> Floats:
            return self.streams.even(f"enterprises/{segment_name}/{trait}", 0, size)

        for i, (name, segment, n) in enumerate(zip(self.segment_names, segments, counts, strict=True)):
            share, size = size_strata(int(n), segment.sigma)
            rank, weight = early_ranks(even(name, "rank", int(n)))
            weight = share * weight
            columns: dict[str, NDArray[np.generic]] = {
                "segment": np.full(n, i, np.int8),
                "region": pick(segment.regions, REGIONS, even(name, "region", int(n))),
                "weight": segment.firms * weight / weight.sum(),
                "size": size,
                "talent": _beta(even(name, "talent", int(n)), segment.talent),
                "privacy": _beta(even(name, "privacy", int(n)), segment.privacy),
                "strategic": even(name, "strategic", int(n)) < segment.strategic,
                "taste": self.streams.even_normal(f"enterprises/{name}/taste", 0, int(n)).astype(np.float32),
                "rank": rank,
                "slots": np.floor(
                    segment.workloads_min
                    + even(name, "slots", int(n)) * (segment.workloads_max - segment.workloads_min + 1)
                ).astype(np.int64),
            }
            for key, column in columns.items():
                parts.setdefault(key, []).append(column)
        whole = {key: np.concatenate(columns) for key, columns in parts.items()}
        taste = self.parameters.demand.taste_openness if self.parameters.switches.persistent_tastes else 0.0
        adopted = whole["rank"] < np.array([s.adopted_initial for s in segments])[whole["segment"]]
        first = np.concatenate(([0], np.cumsum(whole.pop("slots"))))
        whole["taste"] = whole["taste"] * np.float32(taste)
        return Enterprises(**whole, adopted=adopted, slots=first)

    def _workloads(self) -> Workloads:
        e = self.enterprises
        enterprise = np.repeat(np.arange(e.count, dtype=np.int32), np.diff(e.slots))
        segment = e.segment[enterprise]
        kind = np.zeros(enterprise.size, np.int8)
        budget = np.zeros(enterprise.size)
        relative = np.array([self.parameters.workloads[name].budget for name in WORKLOADS])
        for i, (name, s) in enumerate(zip(self.segment_names, self.segments, strict=True)):
            mine = np.flatnonzero(segment == i)
            kind[mine] = pick(s.mix, WORKLOADS, self.streams.even(f"workloads/{name}/type", 0, mine.size))
            mean = sum(s.mix.get(name, 0.0) * relative[k] for k, name in enumerate(WORKLOADS))
            usual = 0.5 * (s.workloads_min + s.workloads_max)  # a firm's budget goes with its size, not with its slots
            part = usual / np.diff(e.slots)[enterprise[mine]]
            budget[mine] = s.workload_budget * part * e.size[enterprise[mine]] * relative[kind[mine]] / mean
        count = enterprise.size
        return Workloads(
            enterprise=enterprise,
            segment=segment,
            region=e.region[enterprise],
            weight=e.weight[enterprise],
            type=kind,
            stage=np.zeros(count, np.int8),
            model=np.full(count, NO_MODEL, np.int32),
            lab=np.full(count, -1, np.int16),
            mode=np.full(count, -1, np.int8),
            due=np.zeros(count, np.int32),
            moved_in=np.zeros(count, bool),
            budget=budget,
        )

    def contract(self, rows: Ints) -> Ints:
        """Contract length in quarters of the given workloads at their present stage."""
        production = np.array([s.contract for s in self.segments]).take(self.workloads.segment.take(rows))
        return np.where(self.workloads.stage.take(rows) == PILOT, self.parameters.demand.pilot_contract, production)

    # ---- a quarter in the life of workloads

    def adopt(self, quarter: int, new_shares: Floats) -> None:
        """Enterprises whose rank the adoption share of their segment has passed adopt; their first workload begins."""
        e = self.enterprises
        self.adoption = new_shares
        newcomers = np.flatnonzero(~e.adopted & (e.rank < new_shares.take(e.segment)))
        e.adopted[newcomers] = True
        self._begin(e.slots[newcomers], quarter)

    def arrive(self, quarter: int, draw: Floats, pace: float) -> None:
        """Empty slots of adopters become pilots with the annual probability `demand.workload_arrival` at a `pace` of 1.

        `draw`: the quarter's luck of each slot; empty slots and running pilots are never the same, so one draw serves.
        """
        w = self.workloads
        chance = arrival_probability(self.parameters.demand.workload_arrival, pace * DT)
        lucky = np.flatnonzero((w.stage == EMPTY) & (draw < chance))
        self._begin(lucky[self.enterprises.adopted[w.enterprise[lucky]]], quarter)

    def _begin(self, rows: Ints, quarter: int) -> None:
        w = self.workloads
        rows = rows[w.stage[rows] == EMPTY]
        w.stage[rows] = PILOT if self.parameters.switches.pilots else PRODUCTION
        w.due[rows] = quarter

    def graduate(self, quarter: int, draw: Floats) -> Ints:
        """Pilots that go into production (due at once) or are given up; returns the rows of the graduates."""
        d, w = self.parameters.demand, self.workloads
        pilots = (w.stage == PILOT) & (w.model != NO_MODEL)
        up = arrival_probability(d.graduation, DT)
        out = arrival_probability(d.pilot_end, DT)
        graduates = np.flatnonzero(pilots & (draw < up))
        ended = np.flatnonzero(pilots & (draw >= up) & (draw < up + out))
        w.stage[graduates] = PRODUCTION
        w.due[graduates] = quarter
        w.stage[ended] = EMPTY
        self.drop(ended)
        return graduates

    def drop(self, rows: Ints) -> None:
        """Forget what the workloads ran (their slot's stage stays)."""
        w = self.workloads
        w.model[rows] = NO_MODEL
        w.lab[rows] = -1
        w.mode[rows] = -1

    def due_rows(self, quarter: int) -> Ints:
        """Workloads whose contract ends this quarter, that run nothing, or whose model has gone."""
        w = self.workloads
        return np.flatnonzero((w.stage != EMPTY) & ((w.due <= quarter) | (w.model == NO_MODEL)))

    def assign(self, rows: Ints, model: Ints, lab: Ints, mode: Ints, quarter: int) -> None:
        """Write down choices and sign until the end of the contract; a workload left without a model asks again."""
        w = self.workloads
        w.moved_in[:] = False
        w.moved_in[rows] = (mode == SELF_HOSTED) & (w.mode.take(rows) != SELF_HOSTED)
        w.model[rows] = model
        w.lab[rows] = lab
        w.mode[rows] = mode
        w.due[rows] = quarter + np.where(model == NO_MODEL, 1, self.contract(rows))

    # ---- money and effort of workloads

    def yearly_budget(self, rows: Ints, index: float) -> Floats:
        """USD a year of one represented firm's workloads: base budget x `index`, a pilot's being a part of it."""
        pilots = self.workloads.stage.take(rows) == PILOT
        scale = np.where(pilots, self.parameters.demand.pilot_budget, 1.0)
        return np.asarray(self.workloads.budget.take(rows) * scale * index)


def _beta(uniform: Floats, mean: float) -> Single:
    """Beta quantiles with the given mean; a mean of 0 or 1 is itself."""
    if mean in (0.0, 1.0):
        return np.full(uniform.size, mean, np.float32)
    a, b = BETA_CONCENTRATION * mean, BETA_CONCENTRATION * (1.0 - mean)
    return np.asarray(betaincinv(a, b, uniform).astype(np.float32))


def vendor_tastes(parameters: Parameters, streams: Streams, labs: Sequence[str], count: int) -> NDArray[np.float32]:
    """Lasting tastes (labs, enterprises), logit; each lab draws from its own stream, the community leaves cold."""
    tastes = np.zeros((len(labs) + 1, count), np.float32)
    if parameters.switches.persistent_tastes:
        for position, lab in enumerate(labs):
            tastes[position] = parameters.demand.taste_vendor * streams.even_normal(f"lab/{lab}/taste", 0, count)
    return tastes
