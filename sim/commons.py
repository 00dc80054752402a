"""The commons of open models in a run: how mature it is, how many work on it, and the derivatives they make."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.economics.commons import arrival_pace, matured, pace
from sim.economics.community import derivative_stock, ecosystem_depth
from sim.parameters import CommunityParameters, Parameters
from sim.quarters import DT

Floats = NDArray[np.float64]


@dataclass
class Commons:
    """`derivatives` of each lab's open weights by position, the old ones of nobody last, and the quarter's `downloads`;
    `maturity` 0-1 of tests and governance; `pace` of common work beside the reference."""

    derivatives: Floats
    downloads: Floats = field(default_factory=lambda: np.zeros(0))
    maturity: float = 0.0
    pace: float = 1.0

    def advance(self, p: Parameters, open_share: float) -> None:
        """A quarter's work of those who ran open weights; `open_share` of deployments in the last quarter, 0-1."""
        c = p.commons
        if not p.switches.commons:
            self.maturity, self.pace = 0.0, 1.0
            return
        activity = open_share / c.reference_share
        self.maturity = matured(self.maturity, c.maturing, activity, DT)
        self.pace = pace(activity, c.feedback)

    def derive(self, downloads: Floats, p: CommunityParameters) -> None:
        """A quarter's downloads by lab become derivatives; old ones fall out of use."""
        self.downloads = downloads
        self.derivatives = derivative_stock(self.derivatives, downloads, p.derivatives_per_pull, p.derivative_life, DT)

    def arrival_pace(self, p: Parameters) -> float:
        """Rate at which firms find work for models over that without a commons."""
        return arrival_pace(self.depth(p), p.commons.new_uses * p.switches.new_uses)

    def depth(self, p: Parameters) -> float:
        """How much of what buyers might need the derivatives in use cover, 0-1; 0 without a commons."""
        whole = float(np.cumsum(self.derivatives)[-1])  # in order of labs
        return float(ecosystem_depth(whole, p.commons.derivatives_half)) if p.switches.commons else 0.0
