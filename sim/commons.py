"""The commons of open models in a run: how mature it is and how many work on it."""

from __future__ import annotations

from dataclasses import dataclass

from sim.economics.commons import matured, pace
from sim.parameters import Parameters
from sim.quarters import DT


@dataclass
class Commons:
    """`maturity` 0-1 of tests, governance, adapted versions; `pace` of common work beside the reference."""

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
