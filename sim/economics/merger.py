"""Merger review: the level of concentration and its change against a region's thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.economics.pricing import merger_screen


@dataclass(frozen=True)
class Thresholds:
    """A presumption of harm: HHI after the merger above ``level`` with a change above ``change`` (both 0-10,000), or a
    joint share above ``share`` (0-1) with such a change."""

    level: float
    change: float
    share: float


@dataclass(frozen=True)
class Review:
    """What a regulator sees: HHI before and after and its change (0-10,000), the joint share, and its presumption."""

    before: float
    after: float
    change: float
    share: float
    presumed_harmful: bool


def review(shares: ArrayLike, a: int, b: int, limits: Thresholds) -> Review:
    """The screen of a merger of the firms at positions a and b of ``shares`` (0-1, sum at most 1).

    The US Merger Guidelines (DOJ, FTC 2023, guideline 1) presume harm above 1,800 with a change above 100, or above a
    share of 30 % with such a change. Raises ValueError as `merger_screen` does.
    """
    screen = merger_screen(shares, a, b)
    joint = float(np.asarray(shares, dtype=np.float64)[[a, b]].sum())
    large = screen.after > limits.level or joint > limits.share
    return Review(screen.before, screen.after, screen.change, joint, large and screen.change > limits.change)


def bargained_price(value_to_buyer: float, reservation: float, seller_part: float) -> float:
    """Price of a sale, USD: the reservation plus the seller's part (0-1) of a surplus (Nash 1950); nan if none."""
    surplus = value_to_buyer - reservation
    return reservation + seller_part * surplus if surplus >= 0.0 else float("nan")


def relief_accepted(claims: float, forgiven: float, estate: float, survival: float) -> bool:
    """Whether creditors forgive the part ``forgiven`` (0-1): what is left, times the chance of payment, is worth no
    less than their part of the estate now (Bulow and Shoven 1978). Claims and estate in USD."""
    return (1.0 - forgiven) * claims * survival >= min(estate, claims)
