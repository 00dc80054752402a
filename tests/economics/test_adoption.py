"""Bass diffusion step and arrival probabilities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from sim.economics.adoption import arrival_probability, bass_share, bass_step, free_offer, users_reached

P, Q = st.floats(0, 0.5), st.floats(0, 2)


@given(st.floats(0, 1), P, Q, st.floats(0.1, 1), st.floats(0, 5))
def test_two_half_steps_are_one(share: float, p: float, q: float, ceiling: float, dt: float) -> None:
    """Also from above the ceiling. Kills: Euler, ceiling left out of the imitation term."""
    twice = bass_step(bass_step(share, p, q, ceiling, dt / 2), p, q, ceiling, dt / 2)
    np.testing.assert_allclose(twice, bass_step(share, p, q, ceiling, dt), rtol=1e-10, atol=1e-13)


@given(st.floats(0, 1), P, Q, st.floats(0, 5))
def test_adoption_rises_and_stays_below_its_ceiling(part: float, p: float, q: float, dt: float) -> None:
    """Kills: overshoot."""
    after = float(bass_step(0.9 * part, p, q, 0.9, dt))
    assert 0.9 * part - 1e-12 <= after <= 0.9 + 1e-12


def test_step_agrees_with_an_ode_solver() -> None:
    """dF/dt = (p + q F/m)(m - F) from 0.2 with ceiling 0.9. Kills: q F instead of q F/m (0.04 apart)."""
    p, q, m = 0.026, 0.75, 0.9
    solution = solve_ivp(lambda _t, f: (p + q * f / m) * (m - f), (0, 2.5), [0.2], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(bass_step(0.2, p, q, m, 2.5), solution.y[0, -1], rtol=1e-9)


def test_share_from_nobody_and_degenerate_cases() -> None:
    """Kills: 0/0 for p = 0, for p = q = 0, and a start elsewhere than at zero."""
    np.testing.assert_allclose(bass_share([0.0, 1e6], 0.03, 0.38), [0.0, 1.0])
    assert bass_share(5.0, 0.0, 0.38) == 0.0
    assert bass_step(0.3, 0.0, 0.0, 0.9, 5.0) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="ceiling"):
        bass_step(0.1, 0.03, 0.38, 0.0, 1.0)


@pytest.mark.parametrize("years", [-1.0, [0.0, -0.1], float("nan")])
def test_years_before_the_start_are_refused(years: float | list[float]) -> None:
    """Kills: a negative share of adopters."""
    with pytest.raises(ValueError, match="years are counted from the start"):
        bass_share(years, 0.03, 0.38)


def test_quarters_of_a_hazard_make_a_year() -> None:
    """1 - (1 - x)^4 = h. Kills: h dt."""
    quarter = arrival_probability([0.0, 0.55, 1.0], 0.25)
    np.testing.assert_allclose(1 - (1 - quarter) ** 4, [0.0, 0.55, 1.0], rtol=1e-13)
    assert quarter[1] > 0.55 / 4


def test_users_of_a_lab_that_cuts_its_free_use() -> None:
    """One in eleven is left without any. Kills: payers lost with the free users, n + 1 for n, an offer above usual."""
    np.testing.assert_allclose([users_reached(x, 10.0) for x in (0.0, 0.5, 1.0)], [1 / 11, 6 / 11, 1.0], rtol=1e-14)
    assert [users_reached(x, 0.0) for x in (0.0, 0.7)] == [1.0, 1.0], "no free users: nothing to lose"


def test_free_use_is_cut_as_cash_runs_out() -> None:
    """Kills: more than the usual for the rich, an offer below none, a cut for who has enough."""
    assert [free_offer(x, 3.0) for x in (-1.0, 0.0, 1.5, 3.0, np.inf)] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert free_offer(0.0, 0.0) == 1.0
