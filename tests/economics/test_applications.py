"""What labs put into applications, and the presence it buys: hand-computed cases."""

import pytest

from sim.economics.applications import application_spending, capital_behind, presence_of


def test_spending_is_a_part_of_profit_between_upkeep_and_means():
    """Of 100 a tenth; of a loss nothing, but what keeps up a parent's own; never more than can be paid, nor below 0.

    Kills: a part of revenue that loses money, an upkeep that comes on top, spending out of debt.
    """
    assert application_spending(100.0, 0.1, 0.0, 1e9) == pytest.approx(10.0, rel=1e-15)
    assert application_spending(-50.0, 0.1, 0.0, 1e9) == 0.0
    assert application_spending(-50.0, 0.1, 4.0, 1e9) == 4.0
    assert application_spending(100.0, 0.1, 4.0, 1e9) == pytest.approx(10.0, rel=1e-15)
    assert application_spending(100.0, 0.1, 40.0, 7.0) == 7.0
    assert application_spending(100.0, 0.1, 4.0, -3.0) == 0.0


def test_twice_the_capital_buys_less_than_twice_the_presence():
    """2^e, 1 at the reference, none for none. Kills: constant returns, presence without any application."""
    assert presence_of(2.0, 0.5) / presence_of(1.0, 0.5) == pytest.approx(2.0**0.5, rel=1e-15)
    assert presence_of(1.0, 0.7) == 1.0
    assert presence_of(0.0, 0.7) == 0.0


@pytest.mark.parametrize("elasticity", [0.1, 0.5, 0.7, 1.0])
def test_given_presence_is_that_of_the_capital_behind_it(elasticity):
    """Kills: an inverse with e for 1/e, which would change what a scenario gives on the first day."""
    for presence in (0.0, 0.04, 0.35, 1.0, 3.0):
        assert presence_of(capital_behind(presence, elasticity), elasticity) == pytest.approx(presence, rel=1e-13)
