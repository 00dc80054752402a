"""The same market decided enterprise by enterprise: slow, plain, and what the population kernel is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.agents.enterprise import Enterprise
from sim.choice import Conditions
from sim.market import Market

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PlainMarket(Market):
    """A market in which every due workload is decided by `Enterprise.choose`."""

    def decide(self, due: Ints, seen: Conditions, switching: Floats, draws: Floats) -> Ints:
        """Positions on the menu that the due workloads choose, one by one."""
        agents: list[Enterprise] = list(self.enterprises)
        owner = self.population.workloads.enterprise
        chosen = [
            agents[owner[row]].choose(int(row), self.menu, seen, float(scale), float(draw))
            for row, scale, draw in zip(due, switching, draws, strict=True)
        ]
        return np.array(chosen, np.int64)
