"""Named random streams: a draw depends on the run's seed, the stream's name and the quarter, never on call order.

So one more lab, another worker count or another order of agents changes nobody else's luck, and two scenarios
that share a seed share their luck (common random numbers), which cancels noise in their difference.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

LARGEST_QUOTIENT, QUOTIENTS = 6, 8  # of the continued fraction of a step that fills the interval evenly

Size = int | tuple[int, ...]
UniformType = type[np.float32] | type[np.float64]


class Streams:
    """The random streams of one run.

    A population draws one block per purpose and quarter, row i being agent i's draw; a lab owns the stream
    ``lab/<lab id>/<purpose>``. A longer block begins with the shorter one, so newcomers appended at the end leave
    everybody else's draws alone.

    seed: the run's seed, an integer >= 0 (ValueError otherwise).
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"a seed must be a whole number >= 0, not {seed}")
        self.seed = seed
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
        sequence = np.random.SeedSequence(self.seed, spawn_key=(key, quarter))
        return np.random.Generator(np.random.PCG64DXSM(sequence))

    def block(self, name: str, quarter: int, size: Size, dtype: UniformType = np.float32) -> NDArray[np.floating]:
        """Uniform draws in [0, 1), shape `size`, float32 (24 random bits, so never rounded up to 1) or float64.

        For two-dimensional blocks the first axis is the agent.
        """
        generator = self.generator(name, quarter)
        return generator.random(size, dtype=dtype)

    def even(self, name: str, quarter: int, size: int) -> NDArray[np.float64]:
        """Uniform draws in [0, 1), one per agent, that fill it evenly along the agents' order: (u + i a) mod 1.

        Shift u and step a are drawn per name and quarter, so each agent's draw is uniform, and independent from quarter
        to quarter and name to name; among agents of one quarter draws repel each other, so that any stretch of similar
        agents gets a fair sample and sums vary far less between seeds than with independent draws (a rotation sample
        along a Kronecker sequence; Niederreiter 1992).
        """
        generator = self.generator(name, quarter)
        shift, step = generator.random(2)
        while not _badly_approximable(step):
            step = generator.random()
        return np.asarray((shift + np.arange(size) * step) % 1.0)

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


def _badly_approximable(step: float) -> bool:
    """Whether a number in (0, 1) stays away from simple fractions: small partial quotients in its continued fraction."""
    rest = step
    for _ in range(QUOTIENTS):
        if rest * LARGEST_QUOTIENT <= 1.0:
            return False
        rest = 1.0 / rest % 1.0
    return True
