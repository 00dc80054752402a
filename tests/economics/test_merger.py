"""Merger review by US guidelines, bargaining over a price, and creditors who forgive."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from sim.economics.merger import Thresholds, bargained_price, relief_accepted, review

US = Thresholds(level=1800.0, change=100.0, share=0.3)


def close(measured: float, expected: float) -> None:
    np.testing.assert_allclose(measured, expected, rtol=1e-10, atol=1e-300)


def market(*shares: float, others: int = 400) -> list[float]:
    """The named shares, and the rest in the hands of so many that it hardly counts."""
    return [*shares, *[(1.0 - sum(shares)) / others] * others]


@pytest.mark.parametrize(
    ("shares", "harmful"),
    [
        ((0.1, 0.1, 0.4), True),  # HHI above 1,800 by 200
        ((0.1, 0.04, 0.4), False),  # above, but by 80 only
        ((0.1, 0.1, 0.2), False),  # by 200, but HHI at 800
        ((0.25, 0.06, 0.0), True),  # HHI near 960, but 31 % together and a change of 300
        ((0.25, 0.04, 0.0), False),  # 29 % together
        ((0.31, 0.01, 0.0), False),  # 32 % together, but a change of 62
    ],
)
def test_the_us_guidelines(shares: tuple[float, ...], harmful: bool) -> None:
    """Kills: level or change alone, a share of 30 % without a change, the level before, and for or."""
    found = review(market(*shares), 0, 1, US)
    assert found.presumed_harmful is harmful
    close(found.change, 2.0 * shares[0] * shares[1] * 1e4)
    close(found.after, found.before + found.change)
    close(found.before, 1e4 * sum(s * s for s in market(*shares)))
    close(found.share, shares[0] + shares[1])


def test_the_level_is_the_one_after_the_merger() -> None:
    """1,700 before, 1,900 after. Kills: the level before."""
    rest = math.sqrt(0.17 - 0.02)
    found = review(market(0.1, 0.1, rest, others=10**5), 0, 1, US)
    assert found.before < 1800.0 < found.after
    assert found.presumed_harmful


def test_thresholds_themselves_are_no_harm() -> None:
    """Above means above. Kills: at least."""
    at = review([0.25, 0.25, 0.5], 0, 1, Thresholds(level=5000.0, change=100.0, share=0.5))
    assert (at.after, at.share) == (5000.0, 0.5)
    assert not at.presumed_harmful
    assert not review([0.25, 0.25, 0.5], 0, 1, Thresholds(level=0.0, change=1250.0, share=1.0)).presumed_harmful


@given(st.floats(1.0, 1e10), st.floats(0.0, 1.0), st.floats(0.05, 0.95))
def test_the_price_is_nashs(worth: float, part: float, seller: float) -> None:
    """It maximises (price - least)^a (worth - price)^(1 - a). Kills: the buyer's part, a part of the whole price."""
    least = part * 0.9 * worth
    price = bargained_price(worth, least, seller)
    assert least <= price <= worth

    def loss(x: float) -> float:
        return -(seller * math.log(x) + (1.0 - seller) * math.log1p(-x))

    best = minimize_scalar(loss, bounds=(1e-9, 1.0 - 1e-9), method="bounded", options={"xatol": 1e-10}).x
    np.testing.assert_allclose((price - least) / (worth - least), best, atol=1e-6)


def test_no_sale_below_what_holders_ask() -> None:
    """Kills: a price without a surplus. A surplus of nothing still makes a deal."""
    assert math.isnan(bargained_price(9.0, 10.0, 0.4))
    assert bargained_price(10.0, 10.0, 0.4) == 10.0
    assert bargained_price(20.0, 10.0, 0.0) == 10.0
    assert bargained_price(20.0, 10.0, 1.0) == 20.0
    assert bargained_price(20.0, 0.0, 0.4) == 8.0


@pytest.mark.parametrize(
    ("estate", "accepted"), [(0.0, True), (9.9, True), (10.1, False), (100.0, False), (1e9, False)]
)
def test_creditors_forgive_when_what_is_left_beats_the_estate(estate: float, accepted: bool) -> None:
    """100 owed, 80 % forgiven, an even chance that the rest is paid: 10. Kills: what is forgiven paid, no chance."""
    assert relief_accepted(100.0, 0.8, estate, 0.5) is accepted


def test_creditors_count_no_more_of_an_estate_than_their_claims() -> None:
    """Nothing forgiven by a lab that is sure to pay costs nothing. Kills: an estate above the claims that counts."""
    assert relief_accepted(100.0, 0.0, 1e9, 1.0)
    assert relief_accepted(100.0, 0.75, 12.5, 0.5), "as much as now is enough"
    assert not relief_accepted(100.0, 0.0, 1e9, 0.99)
