"""Named random streams: a draw depends on the run's seed, the stream's name and the quarter, never on call order.

So one more lab, another worker count or another order of agents changes nobody else's luck, and two scenarios
that share a seed share their luck (common random numbers), which cancels noise in their difference.
"""

from __future__ import annotations

import operator
import zlib
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

STRATA = 32  # neighbours that share a stratified block; a power of two
ORDERS = 4096  # random orders of the strata to draw from, each in any rotation: much faster than shuffling every block
LARGEST_SEED = 2**63 - 1  # tables keep seeds in 64 bits
_WORD = 2**32 - 1
_BELOW_ALL = 2.0**-30  # half the step between two draws of `even`: stands for a draw of 0, whose quantile is infinite

Size = int | tuple[int, ...]
UniformType = type[np.float32] | type[np.float64]


def checked_seed(seed: int) -> int:
    """The seed itself. Raises ValueError unless it is a whole number from 0 to 2^63 - 1."""
    try:
        whole = operator.index(seed)
    except TypeError:
        whole = -1
    if not 0 <= whole <= LARGEST_SEED:
        raise ValueError(f"a seed must be a whole number from 0 to 2^63 - 1, not {seed!r}")
    return whole


class Streams:
    """The random streams of one run.

    A population draws one block per purpose and quarter, row i being agent i's draw; a lab owns the stream
    ``lab/<lab id>/<purpose>``. A longer block begins with the shorter one, so newcomers appended at the end leave
    everybody else's draws alone.

    seed: the run's seed, a whole number from 0 to 2^63 - 1 (ValueError otherwise).
    """

    def __init__(self, seed: int) -> None:
        self.seed = checked_seed(seed)
        self._entropy = [self.seed & _WORD, self.seed >> 32, 0, 0]  # as SeedSequence lays it out before its spawn key
        self._keys: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def generator(self, name: str, quarter: int = 0) -> np.random.Generator:
        """A fresh generator at the start of stream `name` in `quarter` (>= 0); asking twice gives the same draws.

        Raises ValueError for a negative quarter, or for two names with the same key (rename one of them).
        """
        key = self._keys.get(name)
        if key is None:
            key = self._register(name)
        if quarter < 0:
            raise ValueError(f"stream {name!r}: quarter must be >= 0, not {quarter}")
        words = np.array([*self._entropy, key, quarter], np.uint32)  # = spawn_key (key, quarter), but quicker
        return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(words)))

    def block(self, name: str, quarter: int, size: Size, dtype: UniformType = np.float32) -> NDArray[np.floating]:
        """Uniform draws in [0, 1), shape `size`, float32 (24 random bits, so never rounded up to 1) or float64.

        For two-dimensional blocks the first axis is the agent.
        """
        generator = self.generator(name, quarter)
        return generator.random(size, dtype=dtype)

    def even(self, name: str, quarter: int, size: int) -> NDArray[np.float64]:
        """Uniform draws in [0, 1), one per agent, that fill it evenly along the agents' order.

        Every 32 neighbours take one draw from each of 32 equal strata in random order (stratified sampling; Cochran
        1977). An agent's draw is uniform and independent from quarter to quarter and name to name; neighbours' draws
        repel each other, so sums over similar agents vary less between seeds than with independent draws.
        """
        rows = -(-size // STRATA)
        generator = self.generator(name, quarter)
        which = generator.integers(ORDERS, size=rows)
        shift = generator.integers(STRATA, size=(rows, 1), dtype=np.uint8)
        strata = (_orders().take(which, axis=0) + shift) & np.uint8(STRATA - 1)  # the rest after division by STRATA
        within = generator.random((rows, STRATA), dtype=np.float32)
        return np.asarray((np.add(strata, within, dtype=np.float64) / STRATA).ravel()[:size])

    def even_normal(self, name: str, quarter: int, size: int) -> NDArray[np.float64]:
        """Standard normal draws, one per agent, that fill the distribution evenly (see `even`); all finite."""
        return np.asarray(ndtri(np.maximum(self.even(name, quarter, size), _BELOW_ALL)))

    def normal(self, name: str, quarter: int, size: Size) -> NDArray[np.float64]:
        """Standard normal draws (mean 0, variance 1), float64, shape `size`."""
        return self.generator(name, quarter).standard_normal(size)

    def _register(self, name: str) -> int:
        """The 32-bit key of a name; refuses a collision, which would make two mechanisms share their luck."""
        key = zlib.crc32(name.encode())
        other = self._names.setdefault(key, name)
        if other != name:
            raise ValueError(f"streams {name!r} and {other!r} have the same key: rename one of them")
        self._keys[name] = key
        return key


@cache
def _orders() -> NDArray[np.uint8]:
    """The orders of strata, shape (ORDERS, STRATA): the same in every run."""
    generator = np.random.Generator(np.random.PCG64DXSM(STRATA))
    return generator.permuted(np.tile(np.arange(STRATA, dtype=np.uint8), (ORDERS, 1)), axis=1)
