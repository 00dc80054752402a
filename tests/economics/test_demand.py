"""Choice probabilities, price terms, re-choice, peers, usage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.economics.demand import (
    choice_probabilities,
    cost_disutility,
    lock_in_threshold,
    peer_fixed_point,
    quality,
    switching_path,
    usage_spend,
    usage_volume,
)

UTILITIES = arrays(np.float64, (3, 5), elements=st.floats(-700, 700))
NESTS = st.lists(st.sampled_from("abc"), min_size=5, max_size=5)
LAMBDAS = st.floats(0.05, 1.0)


@given(UTILITIES, NESTS, LAMBDAS)
def test_probabilities_sum_to_one(utility: np.ndarray, nest: list[str], dissimilarity: float) -> None:
    """Kills: overflow without log-sum-exp, a nest counted twice."""
    p = choice_probabilities(utility, nest, dissimilarity)
    assert np.all((p >= 0) & (p <= 1 + 1e-12))
    np.testing.assert_allclose(p.sum(axis=-1), 1.0, rtol=1e-12)


@given(UTILITIES, NESTS, LAMBDAS, st.floats(-50, 50))
def test_only_utility_differences_matter(utility: np.ndarray, nest: list[str], lam: float, constant: float) -> None:
    """Kills: a hidden outside option of utility 0."""
    p = choice_probabilities(utility, nest, lam)
    np.testing.assert_allclose(choice_probabilities(utility + constant, nest, lam), p, rtol=1e-9, atol=1e-11)


@given(UTILITIES, NESTS)
def test_unit_dissimilarity_is_the_multinomial_logit(utility: np.ndarray, nest: list[str]) -> None:
    """Kills: nest weights that do not vanish at lambda = 1."""
    np.testing.assert_allclose(
        choice_probabilities(utility, nest, 1.0), choice_probabilities(utility), rtol=1e-9, atol=1e-12
    )


@given(UTILITIES, st.permutations(range(5)), LAMBDAS)
def test_order_and_names_of_alternatives_do_not_matter(utility: np.ndarray, order: list[int], lam: float) -> None:
    """Kills: nests matched by position, labels sorted differently from utilities."""
    nest, renamed = [3, 3, 7, 7, 9], np.array(["z", "z", "m", "m", "a"])
    p = choice_probabilities(utility, nest, lam)
    again = choice_probabilities(utility[:, order], renamed[order], lam)
    np.testing.assert_allclose(again, p[:, order], rtol=1e-10, atol=1e-13)


def test_unavailable_alternatives_and_empty_nests_get_nothing() -> None:
    """Kills: NaN from -inf minus -inf when a whole nest is unavailable."""
    p = choice_probabilities([[-np.inf, -np.inf, 1.0, 0.0], [0.0, -np.inf, -np.inf, -np.inf]], list("aabb"), 0.5)
    closed = 1 / (1 + math.exp(-2.0))
    np.testing.assert_allclose(p, [[0, 0, closed, 1 - closed], [1, 0, 0, 0]], atol=1e-15)


@pytest.mark.parametrize(
    ("utility", "nest", "lam", "words"),
    [
        ([1.0, np.nan], None, 1.0, "NaN"),
        ([1.0, np.inf], None, 1.0, "inf"),
        ([1.0, 0.0], None, 0.0, "dissimilarity"),
        ([1.0, 0.0], None, 1.5, "dissimilarity"),
        ([1.0, 0.0], None, math.nan, "dissimilarity"),
        ([[1.0, 0.0], [-np.inf, -np.inf]], None, 1.0, "no available"),
        ([1.0, 0.0], ["a"], 0.5, "label"),
        ([], None, 1.0, "at least one"),
    ],
)
def test_bad_input_is_refused(utility: list, nest: list | None, lam: float, words: str) -> None:
    """Kills: a check that was dropped (each case is one)."""
    with pytest.raises(ValueError, match=words):
        choice_probabilities(utility, nest, lam)


def test_quality_is_a_half_at_the_threshold_and_saturates() -> None:
    """Kills: tau multiplied instead of divided, sign of q - theta."""
    np.testing.assert_allclose(quality([2.0, 2.9, 99.0], 2.0, 0.45), [0.5, 1 / (1 + math.exp(-2)), 1.0], rtol=1e-14)


def test_price_term_is_zero_at_the_going_price_and_free_is_finite() -> None:
    """Kills: other cost left out (a free model would be infinitely attractive)."""
    np.testing.assert_allclose(cost_disutility([8.0, 0.0], 2.0, 10.0), [0.0, math.log(0.2)], atol=1e-15)


def test_switching_costs_slow_the_leaver_only() -> None:
    """With a matrix P the path is s (I(1-r) + rP)^t. Kills: P transposed."""
    p = np.array([[0.9, 0.1], [0.4, 0.6]])
    step = 0.75 * np.eye(2) + 0.25 * p
    path = switching_path([0.5, 0.5], p, 0.25, 6)
    np.testing.assert_allclose(path[-1], np.array([0.5, 0.5]) @ np.linalg.matrix_power(step, 6), rtol=1e-13)
    assert path.shape == (7, 2)


def test_one_target_row_serves_all_incumbents() -> None:
    """Kills: the row read as a column."""
    path = switching_path([1.0, 0.0], [0.3, 0.7], 1.0, 1)
    np.testing.assert_allclose(path[-1], [0.3, 0.7])


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_rate_outside_zero_and_one_is_refused(rate: float) -> None:
    """Kills: the check on the rate."""
    with pytest.raises(ValueError, match="rate"):
        switching_path([1.0], [1.0], rate, 1)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_equality_breaks_above_the_threshold_only(n: int) -> None:
    """Linear stability for n labs. Kills: a threshold that is not n."""
    nudge = np.full(n, (1 - 1e-6) / n) + 1e-6 * np.eye(n)[0]
    held = peer_fixed_point(nudge, np.zeros(n), 0.98 * lock_in_threshold(n))
    lost = peer_fixed_point(nudge, np.zeros(n), 1.02 * lock_in_threshold(n))
    assert abs(held[0] - 1 / n) < 1e-6
    assert lost[0] - 1 / n > 0.05


def test_lock_in_refuses_what_has_no_meaning() -> None:
    """Kills: either check."""
    with pytest.raises(ValueError, match="two labs"):
        lock_in_threshold(1)
    with pytest.raises(ValueError, match="gamma"):
        peer_fixed_point([0.5, 0.5], [0.0, 0.0], -1.0)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.floats(0, 2))
def test_spend_is_price_times_volume(price: float, going: float, elasticity: float) -> None:
    """Kills: elasticity with the wrong sign, going price missing."""
    volume, spend = usage_volume(500.0, price, going, elasticity), usage_spend(500.0, price, going, elasticity)
    np.testing.assert_allclose(spend, price * volume, rtol=1e-11)
    np.testing.assert_allclose(usage_spend(500.0, going, going, elasticity), 500.0, rtol=1e-12)


def test_volume_answers_a_price_cut_with_its_elasticity() -> None:
    """d ln volume / d ln price = -e. Kills: exponent 1 - e on tokens."""
    ratio = usage_volume(1.0, 5.0, 10.0, 0.06) / usage_volume(1.0, 10.0, 10.0, 0.06)
    np.testing.assert_allclose(np.log(ratio) / np.log(0.5), -0.06, rtol=1e-12)
