"""Contests for profit, choice with bounded rationality, giving up."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.strategy import (
    attraction,
    chance_within,
    choice_chances,
    closes_down,
    contest_share,
    drawn_from,
    gap_at_run_share,
    giving_up_hazard,
    market_reach,
)

WORTH = st.lists(st.floats(-1e10, 1e10), min_size=1, max_size=6)


def close(measured: object, expected: object) -> None:
    np.testing.assert_allclose(np.asarray(measured, float), np.asarray(expected, float), rtol=1e-10, atol=1e-12)


def test_attraction_by_hand() -> None:
    """Kills: a gap that attracts, brand that repels, reach as a power, reach left out."""
    close(attraction(1.0, 0.5, 1.5), math.exp(-1.0))
    close(attraction(np.array([0.0, -1.0]), 0.0, 1.5, 0.5), [0.5, 0.5 * math.exp(1.5)])


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=8))
def test_parts_of_a_contest_sum_to_one(pulls: list[float]) -> None:
    """Kills: own pull counted among the rivals', shares of rivals alone."""
    whole = sum(pulls)
    close(sum(contest_share(own, whole - own) for own in pulls), 1.0)


def test_a_contest_by_hand() -> None:
    """Kills: own over rivals, a division by nothing."""
    assert contest_share(1.0, 3.0) == 0.25
    assert contest_share(1.0, 0.0) == 1.0
    assert contest_share(0.0, 0.0) == contest_share(0.0, 1.0) == 0.0


def test_a_tenth_of_the_run_is_an_order_of_magnitude_less_what_is_copied() -> None:
    """Kills: natural logarithms, a gap that closes when the run shrinks, distillation that widens it."""
    close(gap_at_run_share(0.3, 1.0, 0.1, 0.0), 1.3)
    close(gap_at_run_share(0.3, 1.0, 0.1, 0.6), 0.7)
    close(gap_at_run_share(0.3, 0.1, 1.0, 0.0), -0.7)
    assert gap_at_run_share(0.3, 0.2, 0.2, 0.5) == 0.3


# ---- choice


def test_chances_by_hand() -> None:
    """The largest stake is the unit: 15 x (2 / 2) and 15 x (1 / 2). Kills: stakes by sum, by range, or in USD."""
    close(choice_chances([2e9, 1e9], 15.0)[1], 1.0 / (1.0 + math.exp(7.5)))
    close(choice_chances([1e9, -2e9], 4.0)[1], 1.0 / (1.0 + math.exp(4.0 * 1.5)))
    assert choice_chances([-math.inf, 5.0], 3.0).tolist() == [0.0, 1.0]
    close(choice_chances([0.0, 0.0, -math.inf], 3.0), [0.5, 0.5, 0.0])


@given(WORTH, st.integers(0, 2))
def test_without_intensity_chance_decides_among_what_is_within_reach(worth: list[float], beyond: int) -> None:
    """Kills: an intensity that is never nought, options out of reach that are chosen."""
    chances = choice_chances([*worth, *[-math.inf] * beyond], 0.0)
    close(chances, [1.0 / len(worth)] * len(worth) + [0.0] * beyond)


@given(WORTH)
def test_with_great_intensity_the_best_is_taken(worth: list[float]) -> None:
    """At 1e6 anything better by 1e-4 of the stake wins. Kills: the worst chosen, an overflow of the exponential."""
    first, *others = sorted((v / (max(map(abs, worth)) or 1.0) for v in worth), reverse=True)
    chances = choice_chances(worth, 1e6)
    close(chances.sum(), 1.0)
    if all(first - other > 1e-4 for other in others):
        assert chances[int(np.argmax(worth))] > 1.0 - 1e-10


@given(WORTH, st.floats(0.0, 200.0), st.floats(1e-3, 1e3))
def test_chances_are_free_of_the_unit_of_money(worth: list[float], intensity: float, unit: float) -> None:
    """Kills: any intensity per USD."""
    tiny = [0.0 if abs(v) < 1.0 else v for v in worth]
    np.testing.assert_allclose(
        choice_chances([unit * v for v in tiny], intensity), choice_chances(tiny, intensity), rtol=1e-9, atol=1e-12
    )


def test_a_choice_of_nothing_is_refused() -> None:
    """Kills: NaN chances."""
    for nothing in ([], [-math.inf], [math.nan, -math.inf]):
        with pytest.raises(ValueError, match="no option is within reach"):
            choice_chances(nothing, 1.0)


# ---- giving up


@pytest.mark.parametrize(
    ("run_share", "cover", "hazard"),
    [
        (0.0, 0.0, 0.22),
        (0.115, 0.0, 0.11),
        (0.0, 0.2, 0.22 * 0.4),
        (0.115, 0.2, 0.11 * 0.4),
        (0.23, 0.0, 0.0),
        (1.0, 0.0, 0.0),
        (0.0, 1 / 3, 0.0),
        (0.0, 5.0, 0.0),
        (1.0, 5.0, 0.0),
    ],
)
def test_founders_doubt_a_lost_race_that_does_not_pay(run_share: float, cover: float, hazard: float) -> None:
    """Kills: either doubt alone, their sum, two doubts below zero that make a hazard, cost over revenue upside down."""
    close(giving_up_hazard(run_share, cover, 0.22, 0.23, 3.0), hazard)


@given(st.floats(0.0, 20.0), st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_hazards_compound_whatever_the_steps(hazard: float, one: float, other: float) -> None:
    """Kills: h x t, a chance above 1, quarters that do not add up to a year."""
    survived = (1.0 - chance_within(hazard, one)) * (1.0 - chance_within(hazard, other))
    close(1.0 - survived, chance_within(hazard, one + other))
    close(chance_within(math.log(2.0), 1.0), 0.5)
    assert chance_within(0.0, 1.0) == 0.0
    close(chance_within(1e-15, 1.0) / 1e-15, 1.0)


def test_patience_ends_after_so_many_quarters_unless_sales_carry() -> None:
    """At the patience, not before; from 1 / safe cover on never. Kills: one off, a condition dropped."""
    assert [closes_down(n, 4, 0.1, 4.0) for n in range(3, 6)] == [False, True, True]
    assert closes_down(4, 4, 0.249, 4.0) and not closes_down(10_000, 4, 0.25, 4.0)
    assert not closes_down(10_000, 4, 0.3, 4.0)


def test_a_draw_falls_on_its_option() -> None:
    """Edges belong to the next option, rounding below 1 to the last. Kills: the wrong side, a position past the end."""
    edges = [0.25, 0.25, 0.75, 1.0 - 1e-12]
    assert [drawn_from(edges, luck) for luck in (0.0, 0.24, 0.25, 0.5, 0.75, 1.0 - 1e-13)] == [0, 0, 2, 2, 3, 3]


def test_reach_by_hand() -> None:
    """Two regions of 0.6 and 0.4; the second bans the first origin and distrusts the second by 0.5.

    Half of open weights' use is in house, where 0.4 of distrust remains: 1 - 0.5 x 0.7. Kills: a ban of open weights,
    distrust that openness takes away whole or not at all, weights of origins in place of buyers.
    """
    distrust, banned = [[0.0, 0.0], [0.2, 0.5]], [[False, False], [True, False]]
    close(market_reach(distrust, banned, [0.6, 0.4], 0.5, 0.4), [[0.6, 0.8], [0.6 + 0.4 * 0.86, 0.6 + 0.4 * 0.65]])
    hosted = market_reach(distrust, np.zeros((2, 2)), [0.6, 0.4], 0.0, 0.4)
    close(hosted[0], hosted[1])  # in nobody's house and without a ban open weights reach what closed ones do
