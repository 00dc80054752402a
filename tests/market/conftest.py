"""The baseline and runs of it that several tests read; none of them may change what it reads."""

import pytest

from sim.market import Market
from sim.records import Records
from sim.scenario import Scenario, load_scenario


@pytest.fixture(scope="session")
def baseline() -> Scenario:
    """The shipped baseline; tests copy its parameters before they change them."""
    return load_scenario("baseline")


@pytest.fixture(scope="session")
def dated_history() -> Scenario:
    """The market for models alone: dated rounds and licences, nobody is sold or founded."""
    return load_scenario("dated-history")


@pytest.fixture(scope="session")
def ten_quarters(baseline: Scenario) -> Records:
    """300 enterprises until 2025Q2, seed 1: the yardstick of what an edit changes."""
    return Market(baseline, 1, 300, "2025Q2").run()
