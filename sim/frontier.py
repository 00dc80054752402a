"""The state of the art: who has taught whom, what is public, how far open models are behind closed ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import ReleasedModel
from sim.economics.technology import gap_months
from sim.parameters import Parameters
from sim.quarters import DT, decimal_year, quarter_number

Floats = NDArray[np.float64]
Time = TypeVar("Time", int, float)  # quarter or decimal year


@dataclass
class Frontier:
    """Record releases so far and the public stock of knowledge K (OOM).

    `closed` are (decimal year, capability) of closed releases, those before the first quarter included, `past` are
    (quarter, capability) of all; both leave out releases that an earlier one equals. `waiting` are open releases whose
    knowledge is not public yet, as (quarter it becomes so, knowledge).
    """

    public_knowledge: float
    closed: list[tuple[float, float]] = field(default_factory=list)
    past: list[tuple[int, float]] = field(default_factory=list)
    waiting: list[tuple[int, float]] = field(default_factory=list)
    record_run: float = 0.0
    record_run_2023: float = 0.0  # the dearest run in 2023 USD

    @classmethod
    def at_start(cls, parameters: Parameters) -> Frontier:
        """The closed models of the years before the first quarter."""
        t = parameters.technology
        before = quarter_number(parameters.run.first_quarter) - t.leak_delay - t.distillation_delay
        return cls(
            public_knowledge=t.public_knowledge_initial,
            closed=[(m.year, m.capability) for m in t.frontier_before_start],
            past=[(before, m.capability) for m in t.frontier_before_start],
        )

    def register(self, model: ReleasedModel, parameters: Parameters, deflator: float) -> None:
        """Note a release: the record of training cost, the closed frontier, knowledge on its way to the public."""
        self.record_run = max(self.record_run, model.run_usd)
        self.record_run_2023 = max(self.record_run_2023, model.run_usd / deflator)
        _note(self.past, model.born, model.base_capability)
        if model.is_open:
            self.waiting.append((model.born + parameters.technology.leak_delay, model.knowledge))
        else:
            _note(self.closed, decimal_year(model.born), model.base_capability)

    def teacher(self, quarter: int, delay: int) -> float:
        """Capability of the best model served for at least `delay` quarters; -inf when there is none."""
        return max((q for born, q in self.past if quarter - born >= delay), default=float("-inf"))

    def publish(self, quarter: int, parameters: Parameters, open_flagships: int, common_work: float = 1.0) -> None:
        """A quarter's growth of public knowledge: open releases come of age, the community adds its part.

        Each open release lifts K by part of what it knows more; the community works at full rate when five or more
        open flagships are there to work on, faster the more use them (`common_work`).
        """
        t, s = parameters.technology, parameters.switches
        if not s.public_knowledge:
            return
        for _, knowledge in (entry for entry in self.waiting if entry[0] <= quarter):
            self.public_knowledge += t.public_absorption * max(0.0, knowledge - self.public_knowledge)
        self.waiting = [entry for entry in self.waiting if entry[0] > quarter]
        if s.community:
            busy = min(1.0, open_flagships / COMMUNITY_FULL)
            self.public_knowledge += t.community_knowledge_rate * common_work * busy * DT

    def lag_months(self, quarter: int, open_capability: float) -> float:
        """Months since the first closed model that had what the best open one has at the quarter's end.

        0 when no closed model has had it yet: the open one leads.
        """
        releases = np.array(self.closed).reshape(-1, 2)
        lag = gap_months(releases[:, 0], releases[:, 1], decimal_year(quarter + 1), open_capability)
        return 0.0 if math.isnan(lag) else lag


def _note(releases: list[tuple[Time, float]], when: Time, capability: float) -> None:
    """Append a release unless an earlier one is as good; such a one is most often among the last."""
    if not any(q >= capability and earlier <= when for earlier, q in reversed(releases)):
        releases.append((when, capability))


COMMUNITY_FULL = 5.0  # open flagships that keep the whole community busy


def leaked_knowledge(models: Sequence[ReleasedModel], quarter: int, delay: int) -> float:
    """Knowledge embodied in the best model served for at least `delay` quarters; -inf when there is none."""
    return max((m.knowledge for m in models if quarter - m.born >= delay), default=float("-inf"))


def served_capability(models: Sequence[ReleasedModel], quarter: int, parameters: Parameters) -> Floats:
    """Capability today: open weights gain what the community adds after release, G (1 - e^(-age / T))."""
    t = parameters.technology
    gain = t.community_model_gain if parameters.switches.community else 0.0
    base = np.array([m.base_capability for m in models])
    age = np.array([(quarter - m.born) * DT for m in models])
    is_open = np.array([m.is_open for m in models], bool)
    return np.where(is_open, base - gain * np.expm1(-age / t.community_gain_years), base)
