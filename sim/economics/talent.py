"""Staff that moves: who is outbid, how many leave, what they carry."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def war_intensity(wage_growth: float, usual_growth: float) -> float:
    """How much faster than usual people move: log growth of pay over the usual one, 0 where pay does not rise.

    Both are factors per year, the usual one above 1. New offers are made at today's wage, contracts are older: the gap
    that makes people move is in proportion to how fast pay rises.
    """
    return max(0.0, math.log(wage_growth) / math.log(usual_growth))


def outbid(pay: ArrayLike) -> FloatArray:
    """Pay gap (0-1) between labs, shape (from, to): (1 - pay of the one / pay of the other)+.

    ``pay`` per head (any unit, above 0), shape (labs,). Nobody moves for less.
    """
    offered = np.asarray(pay, dtype=np.float64)
    return np.asarray(np.maximum(0.0, 1.0 - offered[:, None] / offered[None, :]))


def leaving(pay: ArrayLike, size: ArrayLike, mobility: float) -> FloatArray:
    """Rate per year at which people leave each lab: mobility x sum over others of their part of the posts x pay gap.

    ``size`` (any unit) is what labs spend on staff, their weight among who hires; ``mobility`` per year the rate at
    which everybody would go to who pays infinitely more. On-the-job search (Burdett and Mortensen 1998).
    """
    whole = np.asarray(size, dtype=np.float64)
    return np.asarray(mobility * (outbid(pay) @ (whole / whole.sum())))


def carried_knowledge(knowledge: ArrayLike, pay: ArrayLike, mobility: float, part: float, dt: float) -> FloatArray:
    """Knowledge (OOM) that each lab gains in ``dt`` years with people it hires away, shape (labs,).

    From lab j to i: part x (1 - e^(-mobility gap_ji dt)) x (A_j - A_i)+; knowledge is not used up by who shares it, so
    the best source counts, not the sum, and who is left keeps what it knows (Arrow 1962). ``part`` (0-1) is what
    people who move can use elsewhere.
    """
    level = np.asarray(knowledge, dtype=np.float64)
    lead = np.maximum(0.0, level[:, None] - level[None, :])
    moved = -np.expm1(-mobility * outbid(pay) * dt)
    return np.asarray(part * (moved * lead).max(axis=0, initial=0.0))
