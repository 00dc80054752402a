"""What people make of open weights: closed forms and hand-computed cases."""

import math

import numpy as np
import pytest

from sim.economics.community import derivative_stock, ecosystem_depth, trial_interest


def test_interest_goes_to_what_is_good_and_new():
    """Qualities 0.8 and 0.4, the better one half-life old: weights 0.4 and 0.4, of the best quality 0.8 each half.

    Kills: no fading, fading by e instead of 2, shares that sum to 1 however bad the models are."""
    assert trial_interest([[0.8, 0.4]], [2.0, 0.0], 2.0).tolist() == [pytest.approx([0.4, 0.4], rel=1e-15)]


def test_interest_sums_to_the_best_quality_of_each_type():
    """Kills: sums over types instead of models; the mean quality for the best."""
    y = np.array([[0.1, 0.7, 0.3], [0.9, 0.2, 0.5]])
    interest = trial_interest(y, [0.0, 5.0, 1.0], 3.0)
    np.testing.assert_allclose(interest.sum(axis=1), [0.7, 0.9], rtol=1e-14)
    assert (np.argsort(interest[0]) == [0, 2, 1]).all() or interest[0, 1] < interest[0, 2]


def test_no_open_model_no_interest():
    """Kills: 0 / 0."""
    assert trial_interest(np.zeros((2, 0)), [], 1.0).shape == (2, 0)
    assert trial_interest([[0.0, 0.0]], [0.0, 1.0], 1.0).tolist() == [[0.0, 0.0]]


def test_derivatives_settle_where_as_many_are_made_as_given_up():
    """Fixed point a P T = 0.01 x 400 a year x 2 years. Kills: pulls a quarter taken for pulls a year, no decay."""
    stock = derivative_stock(8.0, 100.0, 0.01, 2.0, 0.25)
    assert float(stock) == pytest.approx(8.0, rel=1e-14)


def test_derivatives_decay_without_pulls_and_step_exactly():
    """Half a year in one step or in two. Kills: an Euler step, decay of what is new only."""
    assert float(derivative_stock(5.0, 0.0, 0.1, 2.0, 0.5)) == pytest.approx(5.0 * math.exp(-0.25), rel=1e-14)
    once = derivative_stock(5.0, 80.0, 0.1, 2.0, 0.5)
    twice = derivative_stock(derivative_stock(5.0, 40.0, 0.1, 2.0, 0.25), 40.0, 0.1, 2.0, 0.25)
    assert float(once) == pytest.approx(float(twice), rel=1e-14)
    assert derivative_stock([0.0, 0.0], [10.0, 20.0], 0.1, 1e9, 0.25).tolist() == pytest.approx([1.0, 2.0], rel=1e-8)


def test_depth_of_the_ecosystem_saturates():
    """Kills: a linear gain; half in the numerator."""
    assert ecosystem_depth([0.0, 3.0, 9.0], 3.0).tolist() == [0.0, 0.5, 0.75]


@pytest.mark.parametrize(
    "call",
    [
        lambda: trial_interest([[0.5]], [0.0], 0.0),
        lambda: trial_interest([[0.5]], [-1.0], 1.0),
        lambda: derivative_stock(-1.0, 0.0, 0.1, 1.0, 0.25),
        lambda: derivative_stock(1.0, -1.0, 0.1, 1.0, 0.25),
        lambda: derivative_stock(1.0, 0.0, 0.1, 0.0, 0.25),
        lambda: ecosystem_depth(-1.0, 1.0),
        lambda: ecosystem_depth(1.0, 0.0),
    ],
)
def test_nonsense_is_refused(call):
    """Kills: a missing check."""
    with pytest.raises(ValueError, match="negative"):
        call()
