"""Serving, hosting and budgets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from sim.economics.costs import (
    budget_index,
    hosted_cost,
    integrator_engaged,
    private_deployment_cost,
    scale_of_fixed_cost,
    seat_serving_cost,
    self_hosted_cost,
    self_hosting_break_even,
    serving_cost,
)


def test_serving_cost_grows_with_the_root_of_compute() -> None:
    """100x the compute: 10x the cost; progress and efficiency divide. Kills: no root, efficiency multiplied."""
    assert serving_cost(12.0, 0.0, 1.0, 1.0) == 12.0
    assert serving_cost(12.0, 2.0, 3.2, 1.25) == pytest.approx(30.0, rel=1e-14)


def test_self_hosted_cost_by_hand() -> None:
    """1/0.25 + (120 k + 100 k x 1.5 x 0.4)/90 k. Kills: talent for 1 - talent, premium dropped, wrong utilisation."""
    np.testing.assert_allclose(self_hosted_cost(1.0, 0.25, 120e3, 100e3, 0.5, 0.6, [90e3, 0.0]), [6.0, np.inf])


@given(st.floats(0.1, 50), st.floats(0.01, 5), st.floats(0.05, 1), st.floats(0, 1))
def test_self_hosting_breaks_even_where_the_costs_meet(
    price: float, serving: float, utilisation: float, talent: float
) -> None:
    """Kills: the two functions disagreeing, a finite volume where the API always wins."""
    volume = float(self_hosting_break_even(price, serving, utilisation, 120e3, 90e3, 0.3, talent))
    if price > serving / utilisation:
        own = self_hosted_cost(serving, utilisation, 120e3, 90e3, 0.3, talent, volume)
        np.testing.assert_allclose(own, price, rtol=1e-9)
    else:
        assert volume == np.inf


def test_fringe_and_private_deployment() -> None:
    """Kills: margin on price instead of cost, fee multiplied."""
    assert hosted_cost(2.0, 0.3) == pytest.approx(2.6)
    assert private_deployment_cost(5.0, 1.5) == pytest.approx(6.5)


@pytest.mark.parametrize("decay", [0.25, 0.0])
def test_budget_integrates_its_growth_rate(decay: float) -> None:
    """Against numerical integration. Kills: rate used without integrating, floor decaying too, decay = 0 dividing."""
    area, _ = quad(lambda t: 0.71 * np.exp(-decay * t) + 0.1, 0, 4.0, epsabs=1e-13)
    np.testing.assert_allclose(budget_index(0.71, decay, 0.1, 4.0), np.exp(area), rtol=1e-11)


def test_small_deployments_avoid_part_of_the_fixed_cost() -> None:
    """Kills: scale above the full cost, avoided part for the rest."""
    np.testing.assert_allclose(scale_of_fixed_cost([0.0, 50.0, 100.0, 900.0], 100.0, 0.8), [0.2, 0.6, 1.0, 1.0])


def test_an_integrator_is_engaged_where_talent_is_short() -> None:
    """Relief 0.5 x 300 k x (1 - talent) against 0.4 x 120 k. Kills: talent instead of its lack, fee ignored."""
    np.testing.assert_array_equal(integrator_engaged(300e3, 120e3, [0.5, 0.1], 0.4), [True, False])


def test_serving_seats_by_hand() -> None:
    """A quarter of 80 and ten free users at 4 % of it each. Kills: free users at a payer's cost, by paying seats."""
    assert seat_serving_cost(80.0, 100.0, 0.25, 10.0, 0.04) == pytest.approx(0.25 * (80.0 + 0.4 * 100.0))
    assert seat_serving_cost(80.0, 100.0, 0.25, 0.0, 0.04) == 20.0
