"""Staff that moves: pay gaps, leaving, what is carried."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.talent import carried_knowledge, leaving, outbid, war_intensity

PAY = st.lists(st.floats(0.1, 10.0), min_size=1, max_size=6)


def test_a_talent_war_is_pay_that_rises_faster_than_usual() -> None:
    """The usual growth is intensity 1, its square 2, none 0, falling pay 0. Kills: ratios of growth, negative moves."""
    assert [war_intensity(g, 1.1) for g in (1.1, 1.21, 1.0, 0.9)] == pytest.approx([1.0, 2.0, 0.0, 0.0])


def test_nobody_moves_for_less() -> None:
    """Half the pay is a gap of a half, one way only. Kills: rows and columns swapped, gaps below nought."""
    np.testing.assert_allclose(outbid([1.0, 2.0]), [[0.0, 0.5], [0.0, 0.0]])


def test_who_leaves_by_hand() -> None:
    """Three quarters of the posts are at a lab that pays double. Kills: own size as weight, sizes unscaled."""
    np.testing.assert_allclose(leaving([1.0, 2.0], [1.0, 3.0], 0.4), [0.4 * 0.75 * 0.5, 0.0])


@given(PAY, st.floats(0.0, 5.0))
def test_the_best_payer_loses_nobody_and_nobody_more_than_all_who_would(pay: list[float], mobility: float) -> None:
    """Kills: people who leave the top, rates beyond the mobility."""
    rate = leaving(pay, np.ones(len(pay)), mobility)
    assert rate[int(np.argmax(pay))] == 0.0
    assert (rate >= 0.0).all() and (rate <= mobility + 1e-12).all()


def test_knowledge_moves_with_pay_and_never_past_its_source() -> None:
    """Half of what the lab left knows more, at once where mobility is endless; equal pay moves nothing.

    Kills: knowledge that flows to who pays less, sums over sources, losses at the source.
    """
    gain = carried_knowledge([1.0, 0.8, 0.0], [1.0, 1.0, 2.0], 1e9, 0.5, 0.25)
    np.testing.assert_allclose(gain, [0.0, 0.0, 0.5])
    assert (carried_knowledge([1.0, 0.0], [2.0, 1.0], 1e9, 0.5, 0.25) == 0.0).all()
    assert (carried_knowledge([1.0, 0.0], [1.0, 1.0], 1e9, 0.5, 0.25) == 0.0).all()
    slow = carried_knowledge([1.0, 0.0], [1.0, 2.0], 0.4, 1.0, 0.25)
    np.testing.assert_allclose(slow, [0.0, -math.expm1(-0.4 * 0.5 * 0.25)])
