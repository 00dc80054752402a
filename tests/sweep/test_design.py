"""Designs: which points they have, how evenly they lie, that the same seed gives the same points."""

import numpy as np
import pytest

from sim.sweep import design
from sim.sweep.factors import Factor, Scalar, Uniform, Values


def factors(count: int) -> list[Factor]:
    return [Factor(f"x{i}", Uniform(0.0, 1.0), False, None, "") for i in range(count)]


def columns(rows: list[design.Row]) -> np.ndarray:
    return np.array([list(row.values()) for row in rows], dtype=float)


def test_a_grid_is_every_combination_the_last_factor_fastest() -> None:
    """Kills a zip in place of the product, and the order turned round."""
    chosen = [Factor("a", Values((1, 2)), False, None, ""), Factor("b", Values((True, False)), False, None, "")]
    rows = design.grid(chosen, None)
    assert [tuple(row.values()) for row in rows] == [(1, True), (1, False), (2, True), (2, False)]
    assert design.grid_size(chosen, None) == 4


def test_a_grid_without_factors_is_the_scenario_itself() -> None:
    """Kills the mutant that runs nothing where a plan only compares scenarios."""
    assert design.grid([], None) == [{}]


def test_a_sobol_design_is_balanced() -> None:
    """Kills plain random draws: each sixteenth of each factor holds a sixteenth of 64 points, in every dimension."""
    cube = columns(design.sobol(factors(12), 64, seed=1))
    counts = [np.histogram(cube[:, i], bins=16, range=(0.0, 1.0))[0].tolist() for i in range(12)]
    assert counts == [[4] * 16] * 12


def test_a_sobol_design_is_balanced_in_pairs() -> None:
    """Kills the mutant that gives all factors the same column: each quarter of the first square holds a quarter."""
    cube = columns(design.sobol(factors(2), 64, seed=1))
    assert np.histogram2d(cube[:, 0], cube[:, 1], bins=2, range=[[0, 1], [0, 1]])[0].tolist() == [[16, 16], [16, 16]]


def test_a_latin_design_has_one_point_in_each_part() -> None:
    """Kills plain random draws."""
    cube = columns(design.latin(factors(3), 50, seed=1))
    assert np.sort((cube * 50).astype(int), axis=0).tolist() == [[i] * 3 for i in range(50)]


@pytest.mark.parametrize("draw", [design.sobol, design.latin])
def test_the_seed_decides_the_points(draw: object) -> None:
    """Kills an unseeded draw, and a seed that is not used."""
    assert callable(draw)
    assert draw(factors(3), 8, 1) == draw(factors(3), 8, 1) != draw(factors(3), 8, 2)


@pytest.mark.parametrize("count", [3, 100])
def test_a_number_that_is_no_power_of_two_draws_without_a_library_warning(count: int) -> None:
    """Kills the mutant that lets scipy's own warning through beside the plan's."""
    assert len(design.sobol(factors(2), count, 1)) == count
    assert not design.is_balanced(count)
    assert design.is_balanced(64)


def test_one_at_a_time_moves_one_factor_from_the_base() -> None:
    """Kills the mutant that forgets the base point or moves two factors together."""
    chosen = [*factors(1), Factor("s", Values(("a", "b")), False, None, "")]
    assert design.one_at_a_time(chosen) == [{}, {"x0": 0.0}, {"x0": 1.0}, {"s": "a"}, {"s": "b"}]


def test_a_row_is_filled_with_the_base() -> None:
    """Kills the mutant that lets the base overrule the row."""
    assert design.filled({"b": 5}, {"a": 1, "b": 2}) == {"a": 1, "b": 5}


def test_telling_rows_of_a_grid_are_its_corners() -> None:
    """Kills the mutant that looks at one factor's ends only where the others are small."""
    chosen = [Factor(name, Values((1, 2, 3)), False, None, "") for name in "ab"]
    rows = design.grid(chosen, None)
    corners = [tuple(rows[i].values()) for i in design.telling(rows)]
    assert {(1, 1), (1, 3), (3, 1), (3, 3)} <= set(corners)
    assert (2, 2) not in corners


def test_telling_rows_try_every_text_and_switch() -> None:
    """Kills the mutant that compares switches or texts as if they were numbers."""
    values: list[Scalar] = [True, False, True]
    rows: list[design.Row] = [{"s": value, "t": text} for value, text in zip(values, "xyz", strict=True)]
    assert design.telling(rows) == [0, 1, 2]
    assert design.telling([{}]) == [0]
