"""What a factor of a sweep may be: a distribution over the values of one key, with its quantile function.

Each form maps a number u of the unit interval to a value, so that a design is drawn once in the unit cube and means the
same under every form: equal steps of u are equal probabilities.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from scipy.special import ndtr, ndtri

Scalar = float | int | bool | str

DIGITS = 12


class Form(Protocol):
    """A distribution of numbers from low to high."""

    @property
    def name(self) -> str:
        """What a plan calls it."""

    @property
    def low(self) -> float:
        """No value is smaller."""

    @property
    def high(self) -> float:
        """No value is larger."""

    def quantile(self, u: float) -> float:
        """The value below which a part u (0-1) of the distribution lies."""

    def steps(self, count: int) -> list[float]:
        """`count` values that cover the distribution from end to end, for a grid."""

    def ends(self) -> tuple[float, float]:
        """What the design one-at-a-time calls low and high."""

    def document(self) -> dict[str, Any]:
        """The numbers that define it."""


@dataclass(frozen=True)
class _Between(ABC):
    """Even on some scale from low to high."""

    low: float
    high: float
    name: ClassVar[str]

    @abstractmethod
    def quantile(self, u: float) -> float:
        """The value below which the part u (0-1) lies."""

    def steps(self, count: int) -> list[float]:
        """Equal steps on the scale, ends included."""
        return [self.quantile(u) for u in _even(count)]

    def ends(self) -> tuple[float, float]:
        """Low and high."""
        return self.low, self.high

    def document(self) -> dict[str, Any]:
        """Name, low and high."""
        return {"distribution": self.name, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Uniform(_Between):
    """Every value from low to high is as likely as another."""

    name = "uniform"

    def quantile(self, u: float) -> float:
        """low + u (high - low)."""
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform(_Between):
    """The logarithm is uniform: doubling is as likely from 1 to 2 as from 2 to 4. 0 < low < high."""

    name = "log-uniform"

    def quantile(self, u: float) -> float:
        """low (high / low)^u, never outside the ends by rounding."""
        return min(max(float(self.low * (self.high / self.low) ** u), self.low), self.high)


@dataclass(frozen=True)
class Normal:
    """Normal with mean and standard deviation sd, truncated to [low, high], the bounds of the key (either may be inf).

    Truncated, not clipped: no mass piles up on a bound.
    """

    mean: float
    sd: float
    low: float
    high: float
    name = "normal"

    def quantile(self, u: float) -> float:
        """The inverse of the truncated distribution function: mean + sd Phi^-1(Phi(a) + u (Phi(b) - Phi(a)))."""
        below, above = (float(ndtr((end - self.mean) / self.sd)) for end in (self.low, self.high))
        z = float(ndtri(below + u * (above - below)))
        return min(max(self.mean + self.sd * z, self.low), self.high)

    def steps(self, count: int) -> list[float]:
        """The middles of `count` parts of equal probability: the tails have no ends to stand on."""
        return [self.quantile((i + 0.5) / count) for i in range(count)]

    def ends(self) -> tuple[float, float]:
        """The 5 % and the 95 % point."""
        return self.quantile(0.05), self.quantile(0.95)

    def document(self) -> dict[str, Any]:
        """Name, mean and sd; the truncation follows from the key."""
        return {"distribution": self.name, "mean": self.mean, "sd": self.sd}


@dataclass(frozen=True)
class Triangular:
    """Most likely at mode, falling off in straight lines to low and high. low <= mode <= high, low < high."""

    low: float
    mode: float
    high: float
    name = "triangular"

    def quantile(self, u: float) -> float:
        """low + sqrt(u w (mode - low)) up to the mode, high - sqrt((1 - u) w (high - mode)) above; w = high - low."""
        width = self.high - self.low
        if u * width <= self.mode - self.low:
            return self.low + math.sqrt(u * width * (self.mode - self.low))
        return self.high - math.sqrt((1.0 - u) * width * (self.high - self.mode))

    def steps(self, count: int) -> list[float]:
        """Equal steps, ends included."""
        return Uniform(self.low, self.high).steps(count)

    def ends(self) -> tuple[float, float]:
        """Low and high."""
        return self.low, self.high

    def document(self) -> dict[str, Any]:
        """Name, low, mode and high."""
        return {"distribution": self.name, "low": self.low, "mode": self.mode, "high": self.high}


@dataclass(frozen=True)
class Values:
    """Listed values, each as likely as another; in a grid each of them once."""

    values: tuple[Scalar, ...]
    name = "values"

    def document(self) -> dict[str, Any]:
        """The values in their order."""
        return {"values": list(self.values)}


@dataclass(frozen=True)
class Factor:
    """What a plan varies: a key of the scenario, how it is distributed and whether it takes whole numbers only.

    levels: how many steps it takes in a grid (None where the plan does not say); source: why this range (may be empty).
    """

    key: str
    form: Form | Values
    whole: bool
    levels: int | None
    source: str

    def at(self, u: float) -> Scalar:
        """The value for u in [0, 1): equal parts of u for each listed value, and for whole numbers of a uniform."""
        form = self.form
        if isinstance(form, Values):
            return form.values[min(int(u * len(form.values)), len(form.values) - 1)]
        if self.whole and isinstance(form, Uniform):
            return min(int(form.low + math.floor(u * (form.high - form.low + 1.0))), int(form.high))
        return self._typed(form.quantile(u))

    def grid(self, count: int | None) -> tuple[Scalar, ...]:
        """The values of a grid: those listed, else `count` steps (fewer where whole numbers coincide)."""
        if isinstance(self.form, Values):
            return self.form.values
        return tuple(dict.fromkeys(self._typed(value) for value in self.form.steps(self.levels or count or 0)))

    def ends(self) -> tuple[Scalar, ...]:
        """The values that the design one-at-a-time tries: low and high, or every value listed."""
        if isinstance(self.form, Values):
            return self.form.values
        return tuple(dict.fromkeys(self._typed(value) for value in self.form.ends()))

    def document(self) -> dict[str, Any]:
        """What decides the factor's values, as JSON knows it."""
        return {**self.form.document(), **({} if self.levels is None else {"levels": self.levels})}

    def _typed(self, value: float) -> Scalar:
        """A whole number, or one of twelve digits, so that two machines' last bits make no two points."""
        assert not isinstance(self.form, Values)
        if self.whole:
            return round(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.form.low), self.form.high)


def _even(count: int) -> Sequence[float]:
    """`count` numbers from 0 to 1 in equal steps; at least two."""
    return [i / (count - 1) for i in range(count)]
