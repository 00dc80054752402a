"""Open or closed: the worth of a complement, the harm to rivals, and the chance of opening."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.release import OpenOrClosed, chance_of_opening, complement_value, rivals_harm


def close(measured: float, expected: float) -> None:
    np.testing.assert_allclose(measured, expected, rtol=1e-10, atol=1e-300)


def test_a_complement_by_hand() -> None:
    """Worth 8 a year: half of it when rivals' open models are as good, all of it far ahead, none far behind.

    Kills: the sign of the lead, a scale that multiplies, a complement that stays whole whatever others release.
    """
    assert complement_value(8.0, 0.0, 0.3, 1.0) == 4.0
    close(complement_value(8.0, 0.3 * math.log(3.0), 0.3, 1.0), 6.0)
    close(complement_value(8.0, -0.3 * math.log(3.0), 0.3, 1.0), 2.0)
    assert complement_value(8.0, math.inf, 0.3, 1.0) == 8.0, "nobody else has open models"
    assert complement_value(8.0, -math.inf, 0.3, 1.0) == 0.0


def test_a_run_dearer_than_the_complement_eats_it() -> None:
    """Worth 8, next run 16: half of it. Kills: a run below the worth that counts, worth less run, run over worth."""
    close(complement_value(8.0, math.inf, 0.3, 16.0), 4.0)
    assert complement_value(8.0, math.inf, 0.3, 8.0) == complement_value(8.0, math.inf, 0.3, 0.0) == 8.0
    assert complement_value(0.0, 0.0, 0.3, 0.0) == complement_value(0.0, 0.0, 0.3, 5.0) == 0.0


@given(st.floats(1e6, 1e12), st.floats(-3.0, 3.0), st.floats(0.0, 2.0), st.floats(1.0, 1e13), st.floats(1.0, 100.0))
def test_as_long_as_it_helps(worth: float, lead: float, more: float, run: float, dearer: float) -> None:
    """Rivals' better open models and dearer runs lower it; it never exceeds its worth and scales with money.

    Kills: either factor left out or upside down, an amount in USD inside.
    """
    here = complement_value(worth, lead, 0.3, run)
    assert 0.0 <= here <= worth
    assert complement_value(worth, lead - more, 0.3, run) <= here
    assert complement_value(worth, lead, 0.3, dearer * run) <= here
    close(complement_value(1e3 * worth, lead, 0.3, 1e3 * run), 1e3 * here)


def test_harm_to_rivals_by_hand() -> None:
    """Kills: a factor left out."""
    close(rivals_harm(2e9, 0.1, 0.05), 1e7)


def test_every_line_counts_once() -> None:
    """Kills: a line of the decision that is left out, counted twice or stands on the other side."""
    lines = OpenOrClosed(closed_margin=1.0, open_margin=2.0, community=4.0, talent=8.0, complement=16.0, harm=32.0)
    assert lines.of_closing == 1.0
    assert lines.of_opening == 62.0


def test_the_chance_of_opening_by_hand() -> None:
    """3 open against 1 closed: logistic(5 x 2/4 + lean). Kills: USD, a relative difference to one side, a sign."""
    close(chance_of_opening(3.0, 1.0, 5.0, 0.0, 0.0), 1.0 / (1.0 + math.exp(-2.5)))
    close(chance_of_opening(3.0, 1.0, 5.0, 1.0, -3.0), 1.0 / (1.0 + math.exp(-0.5)))
    close(chance_of_opening(1.0, 1.0, 5.0, 1.0, 0.0), 1.0 / (1.0 + math.exp(-1.0)))
    close(chance_of_opening(0.0, 0.0, 5.0, 0.0, 3.0), 1.0 / (1.0 + math.exp(-3.0)))
    close(chance_of_opening(1.0, -3.0, 5.0, 0.0, 0.0), 1.0 / (1.0 + math.exp(-5.0)))


@given(st.floats(1.0, 1e12), st.floats(1.0, 1e12), st.floats(-4.0, 4.0), st.floats(1e-3, 1e3))
def test_opening_and_closing_are_mirror_images(opening: float, closing: float, lean: float, unit: float) -> None:
    """Kills: a built-in lean, an intensity per USD, a chance that falls when opening is worth more."""
    chance = chance_of_opening(opening, closing, 5.0, lean, 0.0)
    close(chance + chance_of_opening(closing, opening, 5.0, -lean, 0.0), 1.0)
    close(chance_of_opening(unit * opening, unit * closing, 5.0, 0.0, lean), chance)
    assert chance_of_opening(2.0 * opening, closing, 5.0, lean, 0.0) >= chance
    assert chance_of_opening(opening, closing, 0.0, lean, 0.0) == chance_of_opening(0.0, 0.0, 5.0, lean, 0.0)
