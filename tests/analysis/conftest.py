"""Runs made by the stand-in market of fake_market.py, shared by the tests of what reads runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # worker processes look for fake_market there too

import fake_consolidation
import fake_market

from sim import load_scenario, runs


@pytest.fixture(scope="session")
def scenario():
    return load_scenario("baseline")


@pytest.fixture
def market(monkeypatch):
    """Let `run` use another market: market(FakeMarket)."""

    def use(kind):
        monkeypatch.setattr(runs, "Market", kind)

    use(fake_market.FakeMarket)
    return use


def _run(scenario, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "Market", fake_market.FakeMarket)
        return runs.run(scenario, **options)


@pytest.fixture(scope="session")
def several(scenario):
    """Four seeds, three years."""
    return _run(scenario, seeds=range(4, 8), until="2025Q4")


@pytest.fixture(scope="session")
def single(scenario):
    """One seed, three years."""
    return _run(scenario, seed=4, until="2025Q4")


@pytest.fixture(scope="session")
def moment(scenario):
    """One seed, one quarter."""
    return _run(scenario, seed=4, until="2023Q1")


@pytest.fixture(scope="session")
def controlled(scenario):
    """Four seeds, six years, with money and control: rounds, stakes, exits, entrants, causes of HHI."""
    return fake_consolidation.with_control(_run(scenario, seeds=range(4, 8), until="2028Q4"))


@pytest.fixture(scope="session")
def quiet(scenario):
    """As `controlled` with one seed in which no lab exits."""
    return fake_consolidation.with_control(_run(scenario, seed=4, until="2028Q4"), exits=False)


@pytest.fixture
def program(command_line, market):
    """The command line on the stand-in market."""
    return command_line
