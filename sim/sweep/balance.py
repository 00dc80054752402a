"""Which runs of a sweep may be compared while some are missing, so that no point is judged by luck others did not have.

Pure functions of which runs have ended and how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Balance:
    """The runs that are compared: every one of `replications` at every one of `points`.

    left_out: points that have no such runs; every_point: False when they merely have not been reached yet, so that
    what is summed up over points does not stand for the whole design; why: the rule, in words.
    """

    points: tuple[int, ...]
    replications: tuple[int, ...]
    left_out: tuple[int, ...]
    every_point: bool
    why: str

    @property
    def runs(self) -> int:
        """How many runs are compared."""
        return len(self.points) * len(self.replications)


def balanced(ended: NDArray[np.bool_], good: NDArray[np.bool_], replications: Sequence[int]) -> Balance:
    """The runs that are compared, of those that have ended (with a result where good), shape (points, replications).

    Points are compared under the same replications, because with common random numbers that is the same luck. So a
    replication counts when it gave a result at every point. Where runs have failed, it may keep more runs to leave out
    their points instead and count each replication that has ended everywhere; the rule that keeps more is taken. Before
    a single replication has ended everywhere, the points that have the commonest one stand for themselves.
    """
    whole = good.all(axis=0)
    through = ended.all(axis=0)
    sound = good[:, through].all(axis=1)
    everywhere = np.ones(len(good), dtype=bool)
    if whole.any() and whole.sum() * len(good) >= through.sum() * sound.sum():
        return _chosen(everywhere, whole, replications, True)
    if through.any() and sound.any():
        return _chosen(sound, through, replications, True)
    first = np.zeros_like(whole)
    if good.any():
        first[good.sum(axis=0).argmax()] = True
    return _chosen(good[:, first].any(axis=1), first, replications, False)


def _chosen(points: ArrayLike, columns: ArrayLike, replications: Sequence[int], every_point: bool) -> Balance:
    kept = tuple(int(i) for i in np.flatnonzero(points))
    left_out = tuple(int(i) for i in np.flatnonzero(np.logical_not(points)))
    names = tuple(replications[int(i)] for i in np.flatnonzero(columns))
    return Balance(kept, names, left_out, every_point, _why(len(kept), len(left_out), len(names), every_point))


def _why(points: int, left_out: int, replications: int, every_point: bool) -> str:
    total = points + left_out
    runs = f"replication{'s' if replications > 1 else ''}"
    if points == 0:
        return "no run has given a result yet"
    if not every_point:
        return f"{points:,} of {total:,} points, one replication of each; the others are still to come"
    if left_out:
        return f"{replications:,} {runs} at {points:,} of {total:,} points; a run failed at each of the others"
    return f"{replications:,} {runs}" + (f", the same at every one of the {total:,} points" if total > 1 else "")
