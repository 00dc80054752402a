"""Dilution, estates, runway, insolvency."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from sim.economics.finance import dilute, estate_waterfall, insolvency_time, post_money, runway_quarters, tied_parts

CLAIMS = st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 3)), min_size=1, max_size=12)


def test_stakes_after_a_round_still_sum_to_one_with_the_buyer() -> None:
    """30 on 120 post. Kills: fraction of pre-money sold instead of post-money."""
    sold = 30.0 / post_money(90.0, 30.0)
    old = dilute([0.6, 0.4], sold)
    np.testing.assert_allclose(old, [0.45, 0.3], rtol=1e-14)
    assert old.sum() + sold == pytest.approx(1.0)


def test_compute_is_bought_from_holders_by_stake() -> None:
    """Up to all of it. Kills: equal parts, more than everything, a tie without a stake."""
    np.testing.assert_allclose(tied_parts([0.1, 0.2, 0.0], 2.0), [0.2, 0.4, 0.0], rtol=1e-14)
    np.testing.assert_allclose(tied_parts([0.1, 0.3], 5.0), [0.25, 0.75], rtol=1e-14)
    assert tied_parts([0.4], 0.0) == [0.0]


@pytest.mark.parametrize("sold", [-0.1, 1.0, math.nan])
def test_selling_less_than_nothing_or_everything_is_refused(sold: float) -> None:
    """Kills: the check."""
    with pytest.raises(ValueError, match="sold_fraction"):
        dilute([1.0], sold)


@pytest.mark.parametrize("stakes", [[60.0, 40.0], [0.7, 0.4], [-0.1, 0.5], [math.nan], 1.1, [[0.5, 0.5], [0.9, 0.2]]])
def test_stakes_that_are_no_parts_of_a_company_are_refused(stakes: list[float]) -> None:
    """Kills: per cent, a sum above 1, a short position, NaN, and the sum taken over companies instead of holders."""
    with pytest.raises(ValueError, match="stakes are parts of a company"):
        dilute(stakes, 0.2)
    np.testing.assert_allclose(dilute([[0.5, 0.5], [0.9, 0.1]], 0.5), [[0.25, 0.25], [0.45, 0.05]])


@given(st.floats(0, 4e9), CLAIMS)
def test_waterfall_conserves_money_and_keeps_order(estate: float, book: list[tuple[float, int]]) -> None:
    """Kills: money made or lost, more paid than claimed, a junior paid before a senior is whole, unequal equals."""
    claims, rank = np.array([c for c, _ in book]), np.array([r for _, r in book])
    paid = estate_waterfall(estate, claims, rank)
    np.testing.assert_allclose(paid.sum(), min(estate, claims.sum()), rtol=1e-12, atol=1e-6)
    assert np.all(paid >= 0)
    assert np.all(paid <= claims * (1 + 1e-12))
    for r in set(rank.tolist()):
        if np.any(paid[rank == r] < claims[rank == r] * (1 - 1e-9)):
            assert not np.any(paid[rank > r] > 1e-6)
            rates = paid[(rank == r) & (claims > 1.0)] / claims[(rank == r) & (claims > 1.0)]
            assert rates.size == 0 or np.ptp(rates) < 1e-9


def test_waterfall_refuses_what_has_no_meaning() -> None:
    """Kills: either check."""
    with pytest.raises(ValueError, match="negative"):
        estate_waterfall(-1.0, [1.0], [0])
    with pytest.raises(ValueError, match="same length"):
        estate_waterfall(1.0, [1.0, 2.0], [0])


def test_runway() -> None:
    """Kills: inf lost for a lab that earns."""
    np.testing.assert_array_equal(runway_quarters([100.0, 100.0, 0.0], [20.0, -5.0, 10.0]), [5.0, np.inf, 0.0])


@given(st.floats(0, 5e3), st.floats(0, 2e3), st.floats(1, 2e3), st.floats(0.3, 4))
def test_cash_is_nought_at_insolvency_and_never_below_before(
    cash: float, revenue: float, cost: float, growth: float
) -> None:
    """Cash by numerical integration. Kills: another root, inf where money does end, an end that never comes."""
    end = insolvency_time(cash, revenue, cost, growth)

    def cash_at(time: float) -> float:
        area = quad(lambda t: cost * growth**t, 0, time, epsabs=1e-10, limit=200)[0]
        return cash + revenue * time - area

    scale = 1e-7 * (1 + cash + (revenue + cost) * (end if math.isfinite(end) else 20.0))
    if math.isinf(end):
        assert all(cash_at(t) >= -scale for t in np.linspace(0, 20, 21))
    else:
        assert abs(cash_at(end)) <= scale
        assert all(cash_at(f * end) >= -scale for f in (0.2, 0.5, 0.8))


def test_insolvency_at_the_edges() -> None:
    """Kills: growth 1 dividing by ln 1, a lab without money living on, a safe one dying, bad input accepted."""
    assert insolvency_time(100.0, 30.0, 50.0, 1.0) == pytest.approx(5.0)
    assert insolvency_time(100.0, 50.0, 50.0, 1.0) == math.inf
    assert insolvency_time(0.0, 10.0, 50.0, 2.4) == 0.0
    assert insolvency_time(100.0, 60.0, 50.0, 0.9) == math.inf
    assert insolvency_time(100.0, 0.0, 0.0, 2.4) == math.inf
    assert insolvency_time(1000.0, 0.0, 50.0, 0.9) == math.inf
    assert 0 < insolvency_time(0.0, 60.0, 50.0, 2.4) < 1
    with pytest.raises(ValueError, match="negative"):
        insolvency_time(-1.0, 1.0, 1.0, 2.0)
