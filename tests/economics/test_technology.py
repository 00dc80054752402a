"""Training cost, capability, knowledge and gaps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from sim.economics.technology import (
    built_on,
    capability,
    capability_at_work,
    capability_gap,
    diffused,
    effective_compute_oom,
    gap_months,
    knowledge_step,
    research_drift,
    trend_cost,
    worth_releasing,
)

LEVEL, DRIFT, RATE = st.floats(-3, 3), st.floats(-2, 2), st.floats(0, 4)
DT = st.floats(0, 3)


def test_trend_cost_is_integrated_over_a_change_of_growth() -> None:
    """2.4x for a year, then 1.5x for half a year. Kills: log10, growth added instead of its log."""
    log_cost = trend_cost(trend_cost(math.log(42e6), 2.4, 1.0), 1.5, 0.5)
    np.testing.assert_allclose(np.exp(log_cost), 42e6 * 2.4 * 1.5**0.5, rtol=1e-13)
    with pytest.raises(ValueError, match="factor"):
        trend_cost(0.0, 0.0, 1.0)


def test_effective_compute() -> None:
    """Kills: index divided, natural log; no spend is -inf without a warning."""
    found = [effective_compute_oom(spend, 2.0, 42.0) for spend in (420.0, 42.0, 0.0)]
    np.testing.assert_allclose(found, [1.30103, 0.30103, -np.inf], 1e-5)


@given(LEVEL, LEVEL, LEVEL, st.floats(0, 1))
def test_distillation_helps_followers_and_never_carries_them_past(
    hardware: float, knowledge: float, best: float, distillation: float
) -> None:
    """Kills: distillation that pulls a leader down, or that overshoots."""
    q = capability(hardware, knowledge, best, distillation, 0.0)
    assert hardware + knowledge - 1e-12 <= q <= max(best, hardware + knowledge) + 1e-12


def test_capability_by_hand() -> None:
    """Kills: noise inside the distilled distance."""
    assert capability(1.0, 0.5, 2.5, 0.5, 0.1) == pytest.approx(2.1, rel=1e-14)
    assert capability(3.0, 0.5, 2.5, 0.5, -0.1) == pytest.approx(3.4, rel=1e-14)


def test_research_is_concave_in_staff() -> None:
    """Kills: concavity left out, staff ratio inverted."""
    found = [research_drift(0.6, staff, 100.0, 0.5) for staff in (0.0, 100.0, 400.0)]
    np.testing.assert_allclose(found, [0.0, 0.6, 1.2], rtol=1e-14)


@given(LEVEL, DRIFT, LEVEL, LEVEL, RATE, RATE, DT)
def test_two_half_steps_of_knowledge_are_one(
    a: float, own: float, public: float, leaked: float, kp: float, kl: float, dt: float
) -> None:
    """Kills: Euler, a kink crossed without noticing, time left over after a kink."""
    half = knowledge_step(a, own, public, leaked, kp, kl, dt / 2)
    twice = knowledge_step(half, own, public, leaked, kp, kl, dt / 2)
    np.testing.assert_allclose(twice, knowledge_step(a, own, public, leaked, kp, kl, dt), rtol=1e-10, atol=1e-10)


@given(LEVEL, LEVEL, LEVEL, RATE, RATE, DT)
def test_copying_alone_never_overtakes(a: float, public: float, leaked: float, kp: float, kl: float, dt: float) -> None:
    """Kills: catch-up without max(0, .), both terms adding up past the source."""
    after = float(knowledge_step(a, 0.0, public, leaked, kp, kl, dt))
    assert a <= after <= max(a, public, leaked)


def test_knowledge_agrees_with_an_ode_solver_through_every_regime() -> None:
    """40 random labs at once against Runge-Kutta at 1e-11. Kills: any wrong rate or order of kinks."""
    rng = np.random.default_rng(4)
    a, own = rng.normal(0, 1, 40), rng.normal(0.3, 0.8, 40)
    public, leaked = rng.normal(0.3, 1, 40), rng.normal(0.3, 1, 40)
    kp, kl = rng.uniform(0, 3, 40) * (rng.random(40) < 0.8), rng.uniform(0, 3, 40)

    def flow(_t: float, x: np.ndarray) -> np.ndarray:
        return own + kp * np.maximum(0, public - x) + kl * np.maximum(0, leaked - x)

    oracle = solve_ivp(flow, (0, 2.0), a, rtol=1e-11, atol=1e-12, max_step=0.01).y[:, -1]
    np.testing.assert_allclose(knowledge_step(a, own, public, leaked, kp, kl, 2.0), oracle, atol=1e-7)


def test_knowledge_refuses_negative_time_and_rates() -> None:
    """Kills: the check."""
    with pytest.raises(ValueError, match="negative"):
        knowledge_step(0.0, 0.0, 0.0, 0.0, -0.1, 0.0, 1.0)


def test_gap_without_catch_up_grows_by_the_drift() -> None:
    """The limit k = 0. Kills: division by zero."""
    np.testing.assert_allclose(capability_gap(1.0, 0.5, 0.0, 3), [1.0, 1.5, 2.0, 2.5])


def test_a_slower_frontier_narrows_the_gap() -> None:
    """Kills: drift with the wrong sign in the fixed point."""
    assert capability_gap(4.0, 0.5, 0.25, 40)[-1] < capability_gap(4.0, 1.0, 0.25, 40)[-1] == pytest.approx(4, abs=1e-3)
    with pytest.raises(ValueError, match="negative"):
        capability_gap(1.0, 1.0, -0.1, 3)


def test_gap_in_months_looks_back_to_the_first_closed_model_as_good() -> None:
    """Kills: last instead of first, strictly greater, releases of the future, order of the list assumed."""
    times, q = [2024.5, 2023.0, 2025.5, 2023.75], [2.0, 0.5, 3.0, 1.0]
    assert gap_months(times, q, 2025.0, 1.0) == pytest.approx(15.0)
    assert gap_months(times, q, 2025.0, 1.1) == pytest.approx(6.0)
    assert math.isnan(gap_months(times, q, 2025.0, 2.5))
    assert math.isnan(gap_months([], [], 2025.0, 0.0))


def test_a_run_continued_from_a_base_by_hand() -> None:
    """Equal to its base with half of it added: 1.5 times the compute. Kills: sums of OOM, the base's part added.

    Without a base the run is what it was, bit by bit; nothing added leaves the better of the two.
    """
    wanted = [1.0 + math.log10(1.5), 1.0 + math.log10(1.05), 3.0]
    np.testing.assert_allclose([built_on(own, 1.0, 0.5) for own in (1.0, 0.0, 3.0)], wanted, rtol=1e-14)
    assert built_on(0.123456789, -math.inf, 0.5) == 0.123456789 == built_on(0.123456789, -math.inf, 0.0)
    assert [built_on(own, 1.5, 0.0) for own in (1.0, 2.0)] == [1.5, 2.0]


@given(LEVEL, LEVEL, st.floats(0, 1))
def test_nobody_ends_below_the_base_or_the_own_run(own: float, base: float, added: float) -> None:
    """And at most the sum of both computes. Kills: a base that drags down a better run, compute from nowhere."""
    q = built_on(own, base, added)
    assert max(own, base) - 1e-12 <= q <= math.log10(10**own + 10**base) + 1e-12


def test_methods_halve_their_distance_in_the_half_life() -> None:
    """Kills: a speed per step, levels that fall to the best, growth of the best itself."""
    half = math.log(2.0)
    np.testing.assert_allclose(diffused([0.0, 2.0, 3.0], 2.0, half, 1.0), [1.0, 0.0, 0.0])
    np.testing.assert_allclose(diffused(0.0, 2.0, half, 2.0), 1.5)
    assert (diffused([0.0, 1.0], 5.0, 0.0, 1.0) == 0.0).all()


def test_a_release_must_bring_its_gain() -> None:
    """Kills: a gain that need not be exceeded, a first model that is held back."""
    assert [worth_releasing(q, 1.0, 0.25) for q in (1.2, 1.25, 1.3)] == [False, False, True]
    assert worth_releasing(-9.0, -math.inf, 0.25)


def test_a_specialists_model_is_ahead_at_its_own_work_alone() -> None:
    """Kills: a gain at every type, at the last type for who has none, on the wrong axis."""
    at = capability_at_work([1.0, 2.0, 3.0], [1, -1, 0], 2, 0.3)
    np.testing.assert_allclose(at, [[1.0, 2.0, 3.3], [1.3, 2.0, 3.0]], rtol=1e-14)
    np.testing.assert_array_equal(capability_at_work([1.0, 2.0], [0, 1], 2, 0.0), [[1.0, 2.0], [1.0, 2.0]])
