"""Incidents: how often models in use do harm."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def faults_left(years: ArrayLike, scrutiny: ArrayLike) -> FloatArray:
    """Part (0-1) of the faults of released weights still in them after ``years``: e^(-s t).

    ``scrutiny`` s (per year) is the rate at which whoever reads the weights finds a fault, each alike (Jelinski and
    Moranda 1972 with many faults); 0 for closed weights, which outsiders cannot read.
    """
    return np.asarray(np.exp(-np.asarray(scrutiny, dtype=np.float64) * np.asarray(years)))


def incident_hazard(per_year: float, safety: ArrayLike, exposure: ArrayLike) -> FloatArray:
    """Hazard of an incident per year: rate x (1 - safety) x exposure.

    ``per_year`` is that of a lab that takes no care and whose models, faults and all, do all the work; ``safety`` (0-1)
    its care, ``exposure`` (0-1) the part of all work done by its models, each weighed by the faults left in it.
    """
    return np.asarray(per_year * (1.0 - np.asarray(safety, dtype=np.float64)) * np.asarray(exposure))
