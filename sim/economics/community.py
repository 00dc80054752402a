"""What people make of open weights: which releases get tried, and the derivatives that grow out of downloads."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def trial_interest(quality: ArrayLike, age: ArrayLike, half_life: float) -> FloatArray:
    """Chance that a team looking for open weights tries each of them, shape (types, models), 0-1.

    A team looks the more, the better the best open model does its work: the chances of a type sum to the best quality
    on offer. They are shared out by quality and freshness, w = y 2^(-age / half_life), since attention is limited and
    goes to what is new. ``quality`` y (types, models) in 0-1, ``age`` (models,) and ``half_life`` in the same unit of
    time. Raises ValueError unless half_life > 0 and no age is negative.
    """
    y, years = np.asarray(quality, dtype=np.float64), np.asarray(age, dtype=np.float64)
    if half_life <= 0 or (years < 0).any():
        raise ValueError("the half-life must be positive and no age negative")
    weight = y * 0.5 ** (years / half_life)
    whole = weight.sum(axis=1, keepdims=True)
    best = y.max(axis=1, keepdims=True, initial=0.0)
    return np.asarray(best * weight / np.where(whole > 0.0, whole, 1.0))


def derivative_stock(stock: ArrayLike, pulls: ArrayLike, per_pull: float, life: float, dt: float) -> FloatArray:
    """Derivatives in use after ``dt`` years: exact solution of dD/dt = a P - D / T with a constant inflow.

    ``stock`` D (count), ``pulls`` downloads within the step (so P = pulls / dt), ``per_pull`` a derivatives made per
    download, ``life`` T years for which a derivative is used. The fixed point is a P T; without pulls the stock decays
    by e^(-dt / T). Raises ValueError unless life > 0 and the others are not negative.
    """
    before, flow = np.asarray(stock, dtype=np.float64), np.asarray(pulls, dtype=np.float64)
    if life <= 0 or dt <= 0 or per_pull < 0 or (before < 0).any() or (flow < 0).any():
        raise ValueError("life and dt must be positive, stock, pulls and per_pull not negative")
    gone = -np.expm1(-dt / life)
    return np.asarray(before * (1.0 - gone) + per_pull * flow / dt * life * gone)


def ecosystem_depth(derivatives: ArrayLike, half: float) -> FloatArray:
    """How much of what buyers might need the derivatives cover, 0-1: D / (D + D_half).

    Saturating: the first adapters, quantised versions and tools help most (each improvement benefits all, but the next
    is less often the one that was missing). ``half`` is the stock that covers half. Raises ValueError for a negative
    stock or a half that is not positive.
    """
    stock = np.asarray(derivatives, dtype=np.float64)
    if half <= 0 or (stock < 0).any():
        raise ValueError("half must be positive and no stock negative")
    return np.asarray(stock / (stock + half))
