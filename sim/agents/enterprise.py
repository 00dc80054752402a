"""Enterprises as agents: a view of the population's columns, made when someone asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mesa

if TYPE_CHECKING:
    from sim.market import Market


class Enterprise(mesa.Agent):
    """One simulated enterprise; state stays in the population's columns at `index`."""

    model: Market

    def __init__(self, market: Market, index: int) -> None:
        super().__init__(market)
        self.index = index
