"""What investors think a lab is worth, new money, mood, and how a round clears."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sim.economics.valuation import (
    clear_round,
    compute_return,
    conviction,
    inflow,
    mood_step,
    option_value,
    revenue_multiple,
    standing,
    step_towards,
    weighted_median,
)

MONEY = st.floats(1e3, 1e12)
BOOK = st.lists(st.tuples(MONEY, MONEY), min_size=1, max_size=9, unique_by=lambda row: row[0])


def close(measured: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(measured, float), np.asarray(expected, float), rtol=1e-10, atol=1e-300)


# ---- value


@pytest.mark.parametrize(("growth", "multiple"), [(0.0, 6.0), (1.0, 6.0 * 2.0**1.5), (3.0, 48.0), (8.0, 60.0)])
def test_the_multiple_of_revenue_by_hand(growth: float, multiple: float) -> None:
    """Kills: growth instead of 1 + growth, growth in per cent, no cap, a cap on growth."""
    close(revenue_multiple(growth, 6.0, 1.5, 60.0), multiple)


@given(st.floats(-1.0, 5.0), st.floats(-1.0, 5.0))
def test_faster_growth_is_worth_no_less(one: float, other: float) -> None:
    """Kills: a power of a negative number, a multiple that falls. A lab that lost all revenue is worth no multiple."""
    slow, fast = sorted((one, other))
    assert 0.0 <= revenue_multiple(slow, 6.0, 1.5, 60.0) <= revenue_multiple(fast, 6.0, 1.5, 60.0) <= 60.0
    assert revenue_multiple(-1.0, 6.0, 1.5, 60.0) == revenue_multiple(-2.0, 6.0, 1.5, 60.0) == 0.0


def test_the_option_on_the_race_by_hand() -> None:
    """Kills: decades instead of e-folds, the elasticity on the gap, a gap or share outside its range that counts."""
    close(option_value(10e9, 1.0, 0.25, 2.0, 0.5), 10e9 * math.exp(-2.0) / 2.0)
    assert option_value(10e9, 0.0, 1.0, 2.0, 0.5) == 10e9
    assert option_value(10e9, -3.0, 7.0, 2.0, 0.5) == 10e9, "nobody is worth more than leading"
    assert option_value(10e9, 0.0, 0.0, 2.0, 0.5) == option_value(10e9, math.inf, 1.0, 2.0, 0.5) == 0.0


def test_what_compute_brings_back_by_hand() -> None:
    """Kills: sales instead of the profit on them, a stake counted twice, more sales than was paid in."""
    close(compute_return([0.5, 0.0], 2.0, 1e8, 1e9, [0.4, 0.4]), [0.4 * 0.7, 0.4 * 0.2])
    close(compute_return(0.5, 2.0, 1e12, 1e9, 0.4), 0.4)
    close(compute_return([0.0, 0.5], 0.0, 1e8, 1e9, [0.4, 0.0]), [0.0, 0.0])


@given(st.floats(0.0, 5.0), st.floats(0.01, 1.0), st.floats(0.01, 0.5))
def test_the_option_falls_with_both_gaps_and_scales_with_the_prize(gap: float, share: float, more: float) -> None:
    """Kills: an option that ignores the gap, the part of the run the lab can pay, or the size of the industry."""
    here = option_value(1e9, gap, share, 2.2, 0.4)
    assert option_value(1e9, gap + more, share, 2.2, 0.4) < here
    assert option_value(1e9, gap, share * (1.0 - more), 2.2, 0.4) < here
    close(option_value(1e12, gap, share, 2.2, 0.4), 1e3 * here)


def test_conviction_takes_sides_and_hedging_takes_none() -> None:
    """Kills: thesis and creed added, hedging that strengthens, a tilt of the undecided."""
    close(conviction([-1.0, 0.0, 1.0], 1.0, 0.0, 0.8), [-0.8, 0.0, 0.8])
    close(conviction([-1.0, 0.0, 1.0], -1.0, 0.0, 0.8), [0.8, 0.0, -0.8])
    close(conviction([0.6, 0.6, 0.6], 1.0, [0.0, 0.5, 1.0], 0.8), [0.48, 0.24, 0.0])


def test_a_name_counts_until_a_record_takes_its_place() -> None:
    """Kills: successes that do not add up, a name for ever or for nobody, one before the lab's first day that counts
    for more.
    """
    close(standing(3, 0.45, 0.0, 4.0), 1.35)
    close(standing(3, 0.45, 4.0, 4.0), 1.35 / math.e)
    close(standing(2, 0.45, -1.0, 4.0), 0.9)
    assert standing(0, 0.45, 0.0, 4.0) == standing(3, 0.0, 0.0, 4.0) == standing(3, 0.45, 1e6, 4.0) == 0.0


def test_new_money_chases_success() -> None:
    """Kills: an elasticity on the wrong factor, a winter that adds, time left out."""
    close(inflow(1e9, 0.3, 1.0, 1.5, 1.0, 0.25), 75e6)
    close(inflow(1e9, 0.3, 2.0, 1.5, 1.0, 0.25), 75e6 * 2.0**1.5)
    close(inflow(1e9, 0.3, 2.0, 1.5, 0.1, 0.25), 7.5e6 * 2.0**1.5)
    assert inflow(1e9, 0.3, 0.0, 1.5, 1.0, 0.25) == 0.0


# ---- median


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 9)), min_size=1, max_size=9))
def test_the_weighted_median_is_the_lower_median_of_the_repeated_list(book: list[tuple[int, int]]) -> None:
    """Kills: the plain median, the mean, the upper median, weights left unsorted."""
    spread = sorted(value for value, weight in book for _ in range(weight))
    found = weighted_median([v for v, _ in book], [w for _, w in book])
    if spread:
        assert found == spread[(len(spread) - 1) // 2]
    else:
        assert math.isnan(found)
    assert math.isnan(weighted_median([], []))


# ---- rounds


def test_a_round_bid_for_fourfold_is_cut_pro_rata() -> None:
    """Ask 100; bids 100, 300 and 100 at 500, 800 and 900: the median is 800 and who says 500 stays out.

    Kills: a price at the mean or at the best value, an unwilling investor who pays, the largest bid first.
    """
    cleared = clear_round(100.0, [500.0, 800.0, 900.0], [100.0, 300.0, 100.0], 0.5, 0.4)
    assert cleared.pre_money == 800.0
    close(cleared.paid, [0.0, 75.0, 25.0])
    close(cleared.coverage, 4.0)
    close(cleared.amount, 100.0)
    assert not cleared.failed


def test_a_round_bid_for_by_half_takes_all_of_it() -> None:
    """Kills: an undersubscribed round scaled up to the ask, or failed though it reached the least fill."""
    cleared = clear_round(100.0, [500.0, 500.0], [20.0, 30.0], 0.5, 0.5)
    close(cleared.paid, [20.0, 30.0])
    close(cleared.coverage, 0.5)
    assert not cleared.failed


def test_no_more_is_sold_than_the_largest_dilution() -> None:
    """Pre-money 300 and at most a quarter: 100. Kills: a quarter of pre-money, a cap on the ask alone."""
    cleared = clear_round(250.0, [300.0, 300.0], [600.0, 200.0], 0.25, 0.4)
    close(cleared.paid, [75.0, 25.0])
    close(cleared.amount / (cleared.pre_money + cleared.amount), 0.25)
    close(cleared.coverage, 800.0 / 250.0)


@pytest.mark.parametrize(
    ("ask", "bid", "failed"), [(100.0, 41.0, False), (100.0, 40.9, True), (0.0, 41.0, True), (100.0, 0.0, True)]
)
def test_a_round_fails_below_the_least_fill(ask: float, bid: float, failed: bool) -> None:
    """Kills: the fill measured on demand after the cap or on pre-money, a strict bound, money for no ask."""
    cleared = clear_round(ask, [1e3, 1e3], [bid, 0.0], 0.2, 0.41)
    assert cleared.failed is failed
    assert (cleared.amount == 0.0) is failed


def test_a_round_capped_below_the_least_fill_fails_too() -> None:
    """Ask 100 at a value of 100 and at most a fifth: 25 is less than 41. Kills: the fill measured on demand."""
    cleared = clear_round(100.0, [100.0], [1e6], 0.2, 0.41)
    assert cleared.failed
    close(cleared.coverage, 1e4)


def test_a_lab_worth_less_than_it_asks_for_gets_no_price() -> None:
    """Kills: a round at a pre-money of zero, which would divide by it."""
    cleared = clear_round(100.0, [0.0, 0.0, 500.0], [50.0, 50.0, 20.0], 0.2, 0.4)
    assert cleared.failed
    assert math.isnan(cleared.pre_money)


@given(BOOK, st.floats(1e3, 1e12), st.floats(1e-3, 1e3))
def test_a_round_is_free_of_the_unit_of_money(book: list[tuple[float, float]], ask: float, unit: float) -> None:
    """Kills: any amount in USD inside the clearing. Fill 0, so that no rounding can tip a round over the edge."""
    values, bids = np.array(book).T
    one = clear_round(ask, values, bids, 0.2, 0.0)
    other = clear_round(unit * ask, unit * values, unit * bids, 0.2, 0.0)
    assume(np.abs(np.cumsum(bids[np.argsort(values)]) / bids.sum() - 0.5).min() > 1e-9)
    close(other.pre_money, unit * one.pre_money)
    close(other.paid, unit * one.paid)
    close(other.coverage, one.coverage)


@given(BOOK, st.floats(1e3, 1e12), st.randoms(use_true_random=False))
def test_the_order_of_investors_does_not_matter(book: list[tuple[float, float]], ask: float, luck: object) -> None:
    """Kills: first come, first served."""
    order = list(range(len(book)))
    luck.shuffle(order)
    values, bids = np.array(book).T
    assume(np.abs(np.cumsum(bids[np.argsort(values)]) / bids.sum() - 0.5).min() > 1e-9)
    one, other = (clear_round(ask, values[i], bids[i], 0.2, 0.0) for i in (slice(None), order))
    assert one.pre_money == other.pre_money
    close(other.paid, one.paid[order])
    close(other.coverage, one.coverage)


@given(BOOK, st.floats(1e3, 1e12), st.floats(0.01, 0.9), st.floats(0.0, 1.0))
def test_what_every_round_keeps_to(book: list[tuple[float, float]], ask: float, most: float, fill: float) -> None:
    """Kills: more raised than asked, bid, or sold at most; an unwilling payer; a willing investor left out."""
    values, bids = np.array(book).T
    cleared = clear_round(ask, values, bids, most, fill)
    least = min(ask, bids.sum(), cleared.pre_money * most / (1.0 - most))
    assert cleared.amount <= least * (1.0 + 1e-12)
    assert (cleared.paid <= bids * (1.0 + 1e-12)).all()
    assert cleared.pre_money in values
    assert not cleared.paid[values < cleared.pre_money].any()
    part = (cleared.paid / bids)[values >= cleared.pre_money]
    close(part, np.full(part.size, part[0]))
    assert cleared.failed == (cleared.amount < fill * ask * (1.0 - 1e-12)) or cleared.amount == 0.0


@pytest.mark.parametrize(
    ("ask", "values", "bids"),
    [
        (-1.0, [1.0], [1.0]),
        (math.nan, [1.0], [1.0]),
        (1.0, [math.inf], [1.0]),
        (1.0, [-1.0], [1.0]),
        (1.0, [1.0], [-1.0]),
        (1.0, [1.0, 2.0], [1.0]),
    ],
)
def test_a_round_of_nonsense_is_refused(ask: float, values: list[float], bids: list[float]) -> None:
    """Kills: each check."""
    with pytest.raises(ValueError, match="values and bids must"):
        clear_round(ask, values, bids, 0.2, 0.4)


# ---- marks and mood


def test_a_mark_closes_part_of_the_log_distance() -> None:
    """Kills: arithmetic steps, a mark that never gets there or jumps, a first mark of zero."""
    close(step_towards(100.0, 400.0, 0.5), 200.0)
    close(step_towards(400.0, 100.0, 0.5), 200.0)
    assert step_towards(100.0, 400.0, 0.0) == 100.0
    close(step_towards(100.0, 400.0, 1.0), 400.0)
    assert step_towards(0.0, 400.0, 0.25) == 400.0
    assert step_towards(100.0, 0.0, 0.25) == step_towards(100.0, -5.0, 0.25) == 0.0


def test_mood_follows_surprise_and_luck() -> None:
    """Kills: the gain on mood, persistence on news, a sign."""
    close(mood_step(0.5, 0.2, 0.15, 0.8, -0.1), 0.4 + 0.03 - 0.1)
    assert mood_step(0.0, 0.0, 0.15, 0.8, 0.0) == 0.0
