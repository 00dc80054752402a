"""The commons of open models: maturity, pace, and what they supply."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.commons import arrival_pace, matured, pace, supplemented

unit = st.floats(0.0, 1.0)


def test_maturity_by_hand() -> None:
    """Half as much use, half as fast: 1 - 0.8 e^(-0.1 x 0.5 x 4). Kills: activity left out, growth from nothing."""
    assert matured(0.2, 0.1, 0.5, 4.0) == pytest.approx(1.0 - 0.8 * math.exp(-0.2), rel=1e-15)


@given(unit, st.floats(0.0, 5.0), st.floats(0.0, 10.0), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_maturity_composes_and_needs_users(m: float, rate: float, activity: float, a: float, b: float) -> None:
    """Two steps are one of their length, it stays in 0-1 and never falls. Kills: Euler steps, growth without users."""
    one = matured(m, rate, activity, a + b)
    assert matured(matured(m, rate, activity, a), rate, activity, b) == pytest.approx(one, abs=1e-12)
    assert m - 1e-15 <= one <= 1.0
    assert matured(m, rate, 0.0, a) == pytest.approx(m, abs=1e-15)


def test_pace_is_an_elasticity() -> None:
    """At the reference 1, without feedback 1 whatever the use, else a power. Kills: nobody's work without feedback."""
    assert pace(1.0, 0.7) == 1.0 == pace(0.0, 0.0) == pace(9.0, 0.0)
    assert pace(4.0, 0.5) == pytest.approx(2.0, rel=1e-15)
    assert pace(0.0, 0.5) == 0.0


@given(unit, unit, unit)
def test_a_mature_commons_supplies_its_part_of_what_is_missing(own: float, common: float, maturity: float) -> None:
    """Between what is there and the whole, nothing of what is there already. Kills: sums above 1, own left out."""
    found = float(supplemented(own, common, maturity))
    assert own - 1e-15 <= found <= 1.0 + 1e-15
    assert found == pytest.approx(1.0 - (1.0 - own) * (1.0 - common * maturity), abs=1e-12)
    np.testing.assert_array_equal(supplemented([0.0, 1.0], 0.5, 0.5), [0.25, 1.0])


def test_new_uses_come_faster_the_deeper_the_commons():
    """As before without a commons or without the mechanism, half as fast again at full depth and a strength of a half.

    Kills: a pace that is 0 without a commons, one that adds depth itself.
    """
    assert arrival_pace(0.0, 0.5) == arrival_pace(0.7, 0.0) == 1.0
    assert arrival_pace(1.0, 0.5) == 1.5
    assert arrival_pace(0.4, 0.5) == pytest.approx(1.2, rel=1e-15)
