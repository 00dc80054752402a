"""Open or closed: what opening a model is worth beside closing it, in USD a year."""

from __future__ import annotations

import math
from typing import NamedTuple


def complement_value(worth: float, lead: float, scale: float, next_run: float) -> float:
    """What a cheaper complement brings its owner, USD a year: worth x logistic(lead / scale) x min(1, worth / run).

    ``worth`` (USD a year) is what the complement would bring if only this lab made it free; ``lead`` (OOM) is how far
    its model is ahead of the best open one of others: where rivals' open models are as good, half of the worth comes
    without it, and less where they are better; ``next_run`` (USD a year) is what staying there costs: beyond the worth
    of the complement, opening helps ever less (Gans and Stern 2003 on complementary assets; seed 000: "as long as it's
    helping us").
    """
    needed = 0.5 * (1.0 + math.tanh(0.5 * lead / scale))  # the logistic, which cannot overflow in this form
    return worth * needed * (worth / next_run if next_run > worth else 1.0)


def rivals_harm(rivals_profit: float, taken: float, returned: float) -> float:
    """What an owner gains when a free model takes profit from closed rivals, USD a year.

    ``rivals_profit`` (USD a year) x the part ``taken`` (0-1) by the free model x the part ``returned`` (0-1) of what
    rivals lose that comes back to the owner, as weaker competition in its other business.
    """
    return rivals_profit * taken * returned


class OpenOrClosed(NamedTuple):
    """USD a year of each line of the decision, as the lab sees it on the day of a release."""

    closed_margin: float
    open_margin: float
    community: float
    talent: float
    complement: float
    harm: float

    @property
    def of_opening(self) -> float:
        """USD a year of open weights."""
        return self.open_margin + self.community + self.talent + self.complement + self.harm

    @property
    def of_closing(self) -> float:
        """USD a year of closed weights."""
        return self.closed_margin


def chance_of_opening(opening: float, closing: float, intensity: float, creed: float, inertia: float) -> float:
    """Chance (0-1) that weights are opened: logistic(intensity x (opening - closing) / (|opening| + |closing|) + lean).

    The difference is relative, so chances are free of the unit of money; ``creed`` and ``inertia`` (logit, signed: open
    positive) are the only free weights. No stakes at all leave the lean to decide.
    """
    whole = abs(opening) + abs(closing)
    relative = (opening - closing) / whole if whole > 0.0 else 0.0
    return 0.5 * (1.0 + math.tanh(0.5 * (intensity * relative + creed + inertia)))
