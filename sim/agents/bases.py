"""Open weights as a base for others' runs: what is there, and who may build on it."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim.economics.technology import built_on
from sim.parameters import Licence, Tier

if TYPE_CHECKING:
    from sim.agents.lab import Lab, ReleasedModel


@dataclass
class OpenWeights:
    """Open weights released so far by tier, the most capable first: once out they stay out."""

    best_first: dict[Tier, list[ReleasedModel]] = field(default_factory=lambda: {"flagship": [], "small": []})

    def add(self, model: ReleasedModel) -> None:
        """Note a release; closed ones are nobody's base."""
        if model.is_open:
            insort(self.best_first[model.tier], model, key=lambda m: (-m.base_capability, m.id))

    def base_for(self, lab: Lab, tier: Tier, born_by: int) -> ReleasedModel | None:
        """The best open weights of others that were out by a quarter; a user threshold keeps giants off them."""
        giant = lab.parameters.ownership == "giant"
        for model in self.best_first[tier]:
            if model.lab != lab.id and model.born <= born_by and not (giant and model.licence == "open_threshold"):
                return model
        return None


def continued(lab: Lab, own: float, tier: Tier) -> tuple[float, ReleasedModel | None]:
    """Capability of a lab's run that is worth `own` (OOM) alone, and the open weights it had better begin from."""
    market = lab.model
    t = market.parameters.technology
    if not market.parameters.switches.open_bases:
        return own, None
    base = market.open_weights.base_for(lab, tier, market.quarter - t.base_delay)
    if base is None:
        return own, None
    whole = built_on(own, base.base_capability, t.base_added)
    return (whole, base) if whole > own else (own, None)


def inherited(licence: Licence, base: ReleasedModel | None) -> Licence:
    """The licence of weights built on others': open ones keep the user threshold of their base."""
    under_threshold = base is not None and base.licence == "open_threshold"
    return "open_threshold" if under_threshold and licence == "open" else licence
