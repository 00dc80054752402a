"""Diffusion among enterprises (Bass 1969) and probabilities over parts of a year."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def bass_share(years: ArrayLike, innovation: ArrayLike, imitation: ArrayLike) -> FloatArray:
    """Share of eventual adopters that has adopted ``years`` after a start from nobody (Bass 1969).

    F(t) = (1 - e^(-(p+q)t)) / (1 + (q/p) e^(-(p+q)t)), innovation p and imitation q per year, result 0-1.
    Raises ValueError for years before the start, NaN or negative p, q.
    """
    if not np.all(np.asarray(years, dtype=np.float64) >= 0):
        raise ValueError("years are counted from the start: give numbers of at least 0")
    return bass_step(0.0, innovation, imitation, 1.0, years)


def free_offer(runway: float, enough: float) -> float:
    """Free use that a lab offers over the usual (0-1): all with ``enough`` runway (quarters), less in proportion."""
    return 1.0 if runway >= enough else max(0.0, runway / enough)


def users_reached(offer: float, free_per_payer: float) -> float:
    """Users of a lab that offers the part ``offer`` (0-1) of the usual free use, over those at the usual one.

    (1 + n offer) / (1 + n) with ``free_per_payer`` n free users for each that pays: who pays is drawn from all users
    alike, so that without free users (n = 0) nothing is lost by offering none.
    """
    return (1.0 + free_per_payer * offer) / (1.0 + free_per_payer)


def bass_step(
    share: ArrayLike, innovation: ArrayLike, imitation: ArrayLike, ceiling: ArrayLike, dt: ArrayLike
) -> FloatArray:
    """Adopters' share of all after ``dt`` years: exact solution of dF/dt = (p + q F/m)(m - F) from any start.

    ``share`` F and ``ceiling`` m > 0 are fractions of all enterprises, p and q are per year. (1 - f)/(p + q f) with
    f = F/m decays at rate p + q; solved for f without dividing by p, so p = 0 (pure imitation) works too. A share above
    the ceiling falls towards it. Raises ValueError for negative p, q or a ceiling that is not positive.
    """
    p, q = np.asarray(innovation, dtype=np.float64), np.asarray(imitation, dtype=np.float64)
    m = np.asarray(ceiling, dtype=np.float64)
    if np.any(p < 0) or np.any(q < 0) or np.any(m <= 0):
        raise ValueError("innovation and imitation must not be negative and the ceiling must be above 0")
    f = np.asarray(share, dtype=np.float64) / m
    lost = -np.expm1(-(p + q) * np.asarray(dt, dtype=np.float64))
    top = p * lost + f * (q + p * (1.0 - lost))
    bottom = p + q * (1.0 - lost) + q * f * lost
    still = bottom <= 0  # neither innovation nor imitation: nobody moves
    return np.asarray(m * np.where(still, f, top / np.where(still, 1.0, bottom)))


def arrival_probability(annual_probability: ArrayLike, dt: ArrayLike) -> FloatArray:
    """Probability of at least one arrival in ``dt`` years given that of a whole year h: 1 - (1 - h)^dt."""
    return np.asarray(1.0 - (1.0 - np.asarray(annual_probability, dtype=np.float64)) ** np.asarray(dt))
