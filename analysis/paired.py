"""Two runs with the same seeds, seed by seed: what is read from each, their difference, and how sure it is.

With common random numbers (the same seeds) the luck that two scenarios share cancels in their difference, so the
interval of the difference is far narrower than that of either level (Law 2015, Simulation Modeling and Analysis, 11.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from sim.records import counted_as
from sim.records.names import Named
from sim.runs.results import Run

Floats = NDArray[np.float64]
Read = Callable[[Run], Floats]
"""Reads a number from a run by seed and quarter, shape (seeds, quarters), NaN where there is none."""

CONFIDENCE = 0.95
LASTING = 4  # quarters in a row in which the interval excludes zero before paths are said to have parted


# ---- reading a run ----


def share(lens: str, by: str, key: str, population: str) -> Read:
    """Reads a share, 0-1."""
    return lambda result: _grid(result, result.shares(lens=lens, by=by, population=population)[key].to_numpy())


def column(name: str) -> Read:
    """Reads a column of the market table."""
    return table_column("market", name)


def table_column(table: str, name: str) -> Read:
    """Reads a column of a table that has one row for each seed and quarter."""
    return lambda result: _grid(result, result.table(table)[name].to_numpy())


def so_far(*kinds: str) -> Read:
    """Reads how many events there have been that count under these names of EVENT_COUNTS."""

    def read(result: Run) -> Floats:
        events = result.table("events")
        happened = events[counted_as(events).isin(kinds)].groupby(["replication", "quarter"]).size()
        every = pd.MultiIndex.from_product([result.seeds, result.quarters])
        return _grid(result, happened.reindex(every, fill_value=0).to_numpy()).cumsum(axis=1)

    return read


def added_up(name: str) -> Read:
    """Reads a column of the market table added up from the first quarter on."""
    return lambda result: column(name)(result).cumsum(axis=1)


def reader(measure: Named, population: str = "all") -> Read:
    """Reads a measure by its name; shares are those of a population."""
    match measure.table:
        case "market":
            return column(measure.what)
        case "so_far":
            return added_up(measure.what)
        case "funding":
            return table_column("funding", measure.what)
        case "events":
            return so_far(measure.what)
        case "shares":
            return share(measure.what, measure.by, measure.key, population)


def _grid(result: Run, values: NDArray[np.generic]) -> Floats:
    return values.astype(np.float64).reshape(len(result.seeds), len(result.quarters))


# ---- the difference and its interval ----


def difference(ours: ArrayLike, theirs: ArrayLike, relative: bool = False) -> Floats:
    """Ours less theirs, seed by seed, in the same shape; in per cent of theirs where `relative`."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    return np.asarray(100.0 * (a / b - 1.0) if relative else a - b)


def standard_error(differences: ArrayLike) -> Floats:
    """Standard error of the mean over the seeds, which are the first axis; NaN with fewer than two.

    What is not finite is no observation. Shape: that of `differences` without its first axis.
    """
    values = np.asarray(differences, dtype=np.float64)
    counted = np.isfinite(values)
    n = counted.sum(axis=0)
    squares = np.where(counted, np.where(counted, values, 0.0) - _mean(values, counted), 0.0) ** 2
    return np.sqrt(_over(_over(squares.sum(axis=0), n - 1), n))


@dataclass(frozen=True)
class Estimate:
    """Means over the seeds that have the number in both runs, by quarter; each of shape (quarters,).

    reference, scenario: means of the levels; difference: scenario less reference; low, high: its 95 % interval, NaN
    with fewer than two seeds; n: how many seeds have the number in both runs. Means are NaN where n is 0.
    """

    reference: Floats
    scenario: Floats
    difference: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]


def estimate(scenario: ArrayLike, reference: ArrayLike) -> Estimate:
    """The mean paired difference by quarter with its interval, from levels of shape (seeds, quarters).

    Row i of both is of the same seed. A seed counts in the quarters in which both have a finite number. The interval is
    Student's t (1908): mean +- t(0.975, n - 1) x sd / sqrt(n). Raises ValueError when the shapes differ.
    """
    ours, theirs = np.asarray(scenario, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if ours.ndim != 2 or ours.shape != theirs.shape:
        raise ValueError(f"levels must have one shape (seeds, quarters), not {ours.shape} and {theirs.shape}")
    both = np.isfinite(ours) & np.isfinite(theirs)
    gaps = difference(np.where(both, ours, np.nan), np.where(both, theirs, np.nan))
    n = both.sum(axis=0)
    mean = _mean(gaps, both)
    # One seed has no degree of freedom; its standard error is NaN already.
    reach = stdtrit(np.maximum(n - 1, 1), 0.5 + CONFIDENCE / 2) * standard_error(gaps)
    return Estimate(_mean(theirs, both), _mean(ours, both), mean, mean - reach, mean + reach, n.astype(np.int64))


def _mean(values: Floats, counted: NDArray[np.bool_]) -> Floats:
    """Mean over the seeds of what counts; NaN where nothing does."""
    return _over(np.where(counted, values, 0.0).sum(axis=0), counted.sum(axis=0))


def _over(sums: ArrayLike, counts: ArrayLike) -> Floats:
    """Sums over counts; NaN where the count is not positive."""
    top, bottom = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    return np.asarray(np.where(bottom > 0.0, top, np.nan) / np.where(bottom > 0.0, bottom, 1.0))


# ---- where paths part ----


def parting(low: ArrayLike, high: ArrayLike, lasting: int = LASTING) -> int | None:
    """Position of the first quarter from which the interval excludes 0 for `lasting` quarters in a row; None without.

    low, high: ends of the interval by quarter, shape (quarters,). An interval that touches 0 does not exclude it, and
    neither does one that is missing (NaN): both end a row. A row that the last quarter cuts short does not count.
    """
    lowest, highest = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    row = 0
    for position, excludes in enumerate((lowest > 0.0) | (highest < 0.0)):
        row = row + 1 if excludes else 0
        if row == lasting:
            return position - lasting + 1
    return None
