"""The way from the baseline to a scenario, and where a measure crosses a value on it."""

import math

import pytest

from analysis.reach import ReachError, along, crossing
from sim.scenario import load_scenario
from sim.shocks import Calendar


def test_the_way_leads_from_the_baseline_to_the_file_and_beyond() -> None:
    """Half way is the middle of each value and the root of each factor. Kills: the baseline's shocks moved too."""
    scenario, base = load_scenario("efficiency-shock"), load_scenario("baseline")
    inherited = len(base.parameters.shocks)
    for part in (0.0, 0.5, 1.0, 2.0):
        moved = along(scenario, part).parameters.shocks
        for row, stated in zip(moved[inherited:], scenario.parameters.shocks[inherited:], strict=True):
            if stated.factor is not None:
                assert row.factor == pytest.approx(stated.factor**part)
        assert moved[:inherited] == base.parameters.shocks
    hosted = [row.value for row in along(load_scenario("open-majority"), 0.5).parameters.shocks if "hosted" in row.key]
    full = [row.value for row in load_scenario("open-majority").parameters.shocks if "hosted" in row.key]
    before = [base.parameters.modes[mode].accountability for mode in ("hosted", "self_hosted")]
    assert hosted[:2] == pytest.approx([0.5 * (a + b) for a, b in zip(before, full, strict=False)])
    Calendar(along(load_scenario("open-majority"), 2.0).parameters)


def test_what_is_no_number_has_no_way() -> None:
    """Kills: half a licence."""
    with pytest.raises(ReachError, match="no number"):
        along(load_scenario("giant-closes-weights"), 0.5)
    with pytest.raises(ReachError, match="only dated changes"):
        along(load_scenario("cost-growth-3.1x"), 0.5)


def test_the_crossing_of_a_known_curve() -> None:
    """Rising and falling, to within a sixty-fourth of the way. Kills: the wrong half kept."""
    assert crossing(lambda x: x**2, 0.49, 0.0, 1.0) == pytest.approx(0.7, abs=1 / 64)
    assert crossing(lambda x: math.exp(-x), 0.5, 0.0, 2.0) == pytest.approx(math.log(2.0), abs=2 / 64)
    with pytest.raises(ReachError, match="not on the way"):
        crossing(lambda x: x, 3.0, 0.0, 2.0)
