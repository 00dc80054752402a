"""The points of a design: which values the factors take together. Pure; the same seed gives the same points."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from sim.streams import Streams
from sim.sweep.factors import Factor, Scalar

Row = dict[str, Scalar]


def grid(factors: Sequence[Factor], levels: int | None) -> list[Row]:
    """Every combination of the factors' values, the last factor fastest; `levels` for ranges that give no own."""
    return [_row(factors, values) for values in itertools.product(*(factor.grid(levels) for factor in factors))]


def grid_size(factors: Sequence[Factor], levels: int | None) -> int:
    """How many points `grid` has."""
    return math.prod(len(factor.grid(levels)) for factor in factors)


def sobol(factors: Sequence[Factor], count: int, seed: int) -> list[Row]:
    """`count` points of a scrambled Sobol sequence (Sobol 1967; Matousek 1998); balanced for a power of two."""
    generator = Streams(seed).generator("sweep/sobol")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a number that is no power of two: the plan says it itself
        cube = qmc.Sobol(len(factors), scramble=True, seed=generator).random(count)
    return _from_cube(factors, cube)


def latin(factors: Sequence[Factor], count: int, seed: int) -> list[Row]:
    """`count` points of which each `count`-th part of every factor's distribution holds one (McKay et al. 1979)."""
    generator = Streams(seed).generator("sweep/latin")
    return _from_cube(factors, qmc.LatinHypercube(len(factors), seed=generator).random(count))


def one_at_a_time(factors: Sequence[Factor]) -> list[Row]:
    """The base point, an empty row, then for each factor its low and high (or each value) alone."""
    return [{}, *({factor.key: value} for factor in factors for value in factor.ends())]


def telling(rows: Sequence[Row]) -> list[int]:
    """Positions of rows that take every factor to its ends: the first and last row with its smallest and its largest
    number, and a row for each text and switch position. In a grid they are its corners and more.
    """
    found: set[int] = set()
    for key in dict.fromkeys(key for row in rows for key in row):
        holders = [i for i, row in enumerate(rows) if key in row]
        values = [rows[i][key] for i in holders]
        numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        for value in (min(values), max(values)) if numeric else dict.fromkeys(values):
            hits = [i for i in holders if rows[i][key] == value]
            found |= {hits[0], hits[-1]}
    return sorted(found or set(range(min(len(rows), 1))))


def is_balanced(count: int) -> bool:
    """True for a power of two."""
    return count & (count - 1) == 0


def _from_cube(factors: Sequence[Factor], cube: NDArray[np.float64]) -> list[Row]:
    """Rows for points of the unit cube, shape (points, factors)."""
    return [_row(factors, [factor.at(float(u)) for factor, u in zip(factors, point, strict=True)]) for point in cube]


def _row(factors: Sequence[Factor], values: Sequence[Scalar]) -> Row:
    return {factor.key: value for factor, value in zip(factors, values, strict=True)}


def filled(row: Mapping[str, Scalar], base: Mapping[str, Scalar]) -> Row:
    """`row` with the values of `base` for keys that it leaves alone, in the order of `base`."""
    return {key: row.get(key, value) for key, value in base.items()}
