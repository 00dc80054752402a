"""The baseline scenario, loaded once."""

import pytest

from sim.scenario import Scenario, load_scenario


@pytest.fixture(scope="session")
def baseline() -> Scenario:
    """The shipped baseline; tests copy its parameters before they change them."""
    return load_scenario("baseline")
