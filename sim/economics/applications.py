"""Forward integration: what labs put into applications of their own, and the presence among users that it buys."""

from __future__ import annotations


def application_spending(profit: float, part: float, upkeep: float, payable: float) -> float:
    """What a lab puts into its applications, USD: ``part`` (0-1) of its gross ``profit``, within what is ``payable``.

    A constant part is what is best for whoever sells through what it builds, as with advertising (Dorfman and Steiner
    1954). Who is kept by a parent spends at least the ``upkeep`` of what its parent has. All in USD of one period.
    """
    return min(max(part * max(0.0, profit), upkeep), max(0.0, payable))


def presence_of(capital: float, elasticity: float) -> float:
    """Presence among users (1: the leader's on the first day) of application capital K: K^e.

    ``capital`` is over that behind a presence of 1, ``elasticity`` e in 0-1: decreasing returns.
    """
    return float(capital**elasticity)


def capital_behind(presence: float, elasticity: float) -> float:
    """The application capital, over that behind a presence of 1, that buys a presence: the inverse, presence^(1/e)."""
    return float(presence ** (1.0 / elasticity))
