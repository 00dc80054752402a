"""The commons of open models: what users build for each other, and how it grows with their number."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def matured(maturity: float, rate: float, activity: float, years: float) -> float:
    """Maturity (0-1) after a time: what is missing shrinks at rate x activity, 1 - (1 - m) e^(-rate activity t).

    ``activity`` is use of open weights over the reference at which ``rate`` (per year) holds, so that each user's work
    serves all others (network effects: Katz and Shapiro 1985); nobody's use matures nothing.
    """
    return 1.0 - (1.0 - maturity) * math.exp(-rate * activity * years)


def pace(activity: float, feedback: float) -> float:
    """How fast common tools and knowledge grow beside the reference: activity^feedback; 1 without feedback."""
    return activity**feedback if feedback > 0.0 else 1.0


def arrival_pace(depth: float, new_uses: float) -> float:
    """Rate at which firms find work for models over that without a commons: 1 + new_uses x depth.

    New uses are recombinations of what is there for all to build on (Weitzman 1998); ``depth`` in 0-1 is how much of
    it there is, ``new_uses`` how much more is found where nothing is missing.
    """
    return 1.0 + new_uses * depth


def supplemented(own: ArrayLike, common: float, maturity: float) -> FloatArray:
    """What a mature commons makes of a quality in 0-1: own + common x maturity of what is missing (of any shape)."""
    already = np.asarray(own, dtype=np.float64)
    return np.asarray(already + common * maturity * (1.0 - already))
