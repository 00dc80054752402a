"""Forms of a factor: quantile functions against an independent library, ends, steps of a grid, whole numbers."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim.sweep.factors import Factor, Form, LogUniform, Normal, Triangular, Uniform, Values

U = np.linspace(0.001, 0.999, 41)

REFERENCES = [
    (Uniform(1.5, 3.5), stats.uniform(1.5, 2.0)),
    (LogUniform(0.02, 1.28), stats.loguniform(0.02, 1.28)),
    (Normal(1.0, 0.4, 0.0, 10.0), stats.truncnorm(-2.5, 22.5, loc=1.0, scale=0.4)),
    (Normal(0.9, 0.4, 0.0, 1.0), stats.truncnorm(-2.25, 0.25, loc=0.9, scale=0.4)),
    (Normal(3.0, 2.0, -math.inf, math.inf), stats.norm(3.0, 2.0)),
    (Triangular(2.0, 2.4, 3.1), stats.triang(0.4 / 1.1, loc=2.0, scale=1.1)),
    (Triangular(0.0, 0.0, 2.0), stats.triang(0.0, loc=0.0, scale=2.0)),
    (Triangular(0.0, 2.0, 2.0), stats.triang(1.0, loc=0.0, scale=2.0)),
]


def factor(form: Form | Values, whole: bool = False, levels: int | None = None) -> Factor:
    return Factor("technology.some", form, whole, levels, "")


@pytest.mark.parametrize(("form", "reference"), REFERENCES, ids=lambda x: repr(x)[:40])
def test_a_quantile_is_that_of_the_distribution(form: Form, reference: stats.rv_continuous) -> None:
    """Kills: clipping in place of truncation, a log base mixed up, the triangle's branches swapped at the mode."""
    assert [form.quantile(u) for u in U] == pytest.approx(list(reference.ppf(U)), rel=1e-9, abs=1e-12)


@given(st.floats(0.0, 1.0, exclude_max=True), st.sampled_from([form for form, _ in REFERENCES[:4]]))
def test_a_value_never_leaves_its_range(u: float, form: Form) -> None:
    """Kills the mutant that lets twelve digits, or a power's rounding, step over an end."""
    assert form.low <= factor(form).at(u) <= form.high


def test_a_range_whose_ends_have_many_digits_keeps_them() -> None:
    """Kills rounding to twelve digits without regard to the ends: 0.1234567890123 would become smaller than itself."""
    form = Uniform(0.12345678901234, 0.2)
    assert factor(form).at(0.0) == form.low


def test_values_have_twelve_digits() -> None:
    """Kills the mutant that keeps last bits, by which two machines would compute one point twice."""
    assert factor(Uniform(0.0, 1.0), levels=11).grid(None)[3] == 0.3


def test_whole_numbers_are_equally_likely() -> None:
    """Kills rounding to the nearest whole number, which gives the ends half of the others' probability."""
    drawn = Counter(factor(Uniform(1.0, 4.0), whole=True).at((i + 0.5) / 400) for i in range(400))
    assert drawn == {1: 100, 2: 100, 3: 100, 4: 100}
    assert all(type(value) is int for value in drawn)


@pytest.mark.parametrize("form", [LogUniform(1.0, 12.0), Triangular(0.0, 3.0, 12.0), Normal(3.0, 2.0, 0.0, 12.0)])
def test_whole_numbers_stay_whole_under_every_form(form: Form) -> None:
    """Kills the mutant that hands a fraction to a key that takes whole numbers."""
    assert all(type(factor(form, whole=True).at(float(u))) is int for u in U)


def test_listed_values_share_the_unit_interval_equally() -> None:
    """Kills u * (n - 1), which never draws the last one, and an index of n at u close to 1."""
    switch = factor(Values((True, False, "x")))
    assert [switch.at(u) for u in (0.0, 0.33, 0.34, 0.66, 0.67, math.nextafter(1.0, 0.0))] == [
        *(True, True, False, False),
        *("x", "x"),
    ]


def test_steps_of_a_grid_include_the_ends() -> None:
    """Kills the mutant that leaves out the last step or spaces a log-uniform factor evenly."""
    assert factor(Uniform(1.5, 3.5), levels=9).grid(None) == (1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5)
    assert factor(LogUniform(0.02, 1.28)).grid(7) == (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28)
    assert factor(Triangular(0.0, 1.0, 4.0)).grid(3) == (0.0, 2.0, 4.0)


def test_own_levels_go_before_the_plans() -> None:
    """Kills the mutant that prefers the plan's number of levels."""
    assert factor(Uniform(0.0, 1.0), levels=2).grid(5) == (0.0, 1.0)


def test_steps_of_a_normal_are_middles_of_equal_parts() -> None:
    """Kills the mutant that steps from bound to bound, far out in the tails."""
    steps = factor(Normal(0.0, 1.0, -math.inf, math.inf)).grid(4)
    assert steps == pytest.approx(list(stats.norm.ppf([0.125, 0.375, 0.625, 0.875])))


def test_coinciding_whole_steps_are_one() -> None:
    """Kills the mutant that repeats a point of a grid."""
    assert factor(Uniform(1.0, 3.0), whole=True).grid(9) == (1, 2, 3)


def test_ends_are_what_one_at_a_time_tries() -> None:
    """Kills the mutant that takes the bounds of the key for the ends of a normal factor."""
    assert factor(Uniform(1.0, 2.0)).ends() == (1.0, 2.0)
    assert factor(Normal(1.0, 0.1, 0.0, 10.0)).ends() == pytest.approx((0.835515, 1.164485), abs=1e-6)
    assert factor(Values(("a", "b", "c"))).ends() == ("a", "b", "c")
