"""Named random streams: a draw depends on the run's seed, the stream's name and the quarter, never on call order.

So one more lab, another worker count or another order of agents changes nobody else's luck, and two scenarios
that share a seed share their luck (common random numbers), which cancels noise in their difference.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import DTypeLike, NDArray

STRATA = 32  # neighbours that share a stratified block; a power of two
ORDERS = 4096  # random orders of the strata to draw from, each in any rotation: much faster than shuffling every block
LARGEST_SEED = 2**63 - 1  # tables keep seeds in 64 bits
POOL = 4  # words of entropy that a seed sequence keeps
MIXING, STATE = (0x43B0D7E5, 0x931E8875), (0x8B51F9DD, 0x58F38DED)  # start and factor of the two series of hashes
LEFT, RIGHT = np.uint32(0xCA01F9DD), np.uint32(0x4973F715)
HALF = np.uint32(16)  # bits of a word

Words = NDArray[np.uint32]
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


class Seeded(ISeedSequence):
    """A seed sequence whose state is known already: four 64-bit words, all that a PCG64 asks for."""

    def __init__(self, state: NDArray[np.uint64]) -> None:
        self._state = state

    def generate_state(self, n_words: int, dtype: DTypeLike = np.uint64) -> NDArray[np.uint64]:
        """The state. Raises ValueError for another number or type of words."""
        if n_words != self._state.size or dtype != np.uint64:
            raise ValueError(f"four 64-bit words are known here, not {n_words} of type {dtype}")
        return self._state


class Streams:
    """The random streams of one run.

    A population draws one block per purpose and quarter, row i being agent i's draw; a lab owns the stream
    ``lab/<lab id>/<purpose>``. A longer block begins with the shorter one, so newcomers appended at the end leave
    everybody else's draws alone.

    seed: the run's seed, a whole number from 0 to 2^63 - 1 (ValueError otherwise).
    """

    def __init__(self, seed: int) -> None:
        self.seed = checked_seed(seed)
        self._keys: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._foreseen: dict[tuple[int, int], Seeded] = {}

    def foresee(self, names: Iterable[str], quarters: Sequence[int] = (0,)) -> None:
        """Make the seeds of these streams in one go, for each of the quarters: quicker, and no draw is another.

        Raises ValueError for two names with the same key (rename one of them).
        """
        keys = list(product([self._key(name) for name in names], quarters))
        self._foreseen.update(zip(keys, map(Seeded, states(self.seed, keys)), strict=True))

    def generator(self, name: str, quarter: int = 0) -> np.random.Generator:
        """A fresh generator at the start of stream `name` in `quarter` (>= 0); asking twice gives the same draws.

        Raises ValueError for a negative quarter, or for two names with the same key (rename one of them).
        """
        key = self._key(name)
        if quarter < 0:
            raise ValueError(f"stream {name!r}: quarter must be >= 0, not {quarter}")
        sequence: Any = self._foreseen.get((key, quarter))  # NumPy's types know no seed sequence but its own
        if sequence is None:
            sequence = np.random.SeedSequence(self.seed, spawn_key=(key, quarter))
        return np.random.Generator(np.random.PCG64DXSM(sequence))

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

    def normal(self, name: str, quarter: int, size: Size) -> NDArray[np.float64]:
        """Standard normal draws (mean 0, variance 1), float64, shape `size`."""
        return self.generator(name, quarter).standard_normal(size)

    def _key(self, name: str) -> int:
        """The 32-bit key of a name; refuses a collision, which would make two mechanisms share their luck."""
        if name in self._keys:
            return self._keys[name]
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


# ---- many seeds in one go


def states(seed: int, keys: Sequence[tuple[int, int]]) -> NDArray[np.uint64]:
    """State, shape (keys, 4), of `SeedSequence(seed, spawn_key=key)` for each key: two numbers below 2^32.

    A run asks for some 1,700 streams of a draw or two; made one by one, seeds would cost more than draws. The algorithm
    (O'Neill 2015) is fixed by NumPy for good. seed: from 0 to 2^128 - 1.
    """
    entropy = np.empty((POOL + 2, len(keys)), np.uint32)
    entropy[:POOL] = [[seed >> 32 * place & 0xFFFFFFFF] for place in range(POOL)]
    entropy[POOL:] = np.array(keys, np.uint32).reshape(-1, 2).T
    hashed = _hashes(*MIXING)
    pool = [hashed(word) for word in entropy[:POOL]]
    for source, target in permutations(range(POOL), 2):
        pool[target] = _mixed(pool[target], hashed(pool[source]))
    for word in entropy[POOL:]:
        pool = [_mixed(part, hashed(word)) for part in pool]
    hashed = _hashes(*STATE)
    words = np.stack([hashed(pool[place % POOL]) for place in range(2 * POOL)], axis=1)
    return words.astype("<u4").view("<u8").astype(np.uint64, copy=False)


def _hashes(start: int, factor: int) -> Callable[[Words], Words]:
    """A hash of words that is another one at each call."""
    constant = start

    def hashed(word: Words) -> Words:
        nonlocal constant
        word = word ^ np.uint32(constant)
        constant = constant * factor & 0xFFFFFFFF
        return _folded(word * np.uint32(constant))

    return hashed


def _mixed(one: Words, other: Words) -> Words:
    return _folded(one * LEFT - other * RIGHT)


def _folded(word: Words) -> Words:
    return np.asarray(word ^ (word >> HALF))
