"""Small sweeps of the stand-in market of the tests of runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "analysis"))  # worker processes look for the stand-ins there too
sys.path.insert(0, str(Path(__file__).parent))

import fake_market
from inline_crew import Inline

from sim.runs import workers
from sim.scenario import load_scenario
from sim.sweep import executors, run_sweep, store, work
from sim.sweep import plan as plan_module

HERE = Path(__file__).resolve().parent
PLAN = """
title = "a small sweep"
scenarios = ["baseline"]
replications = {replications}
until = "2023Q2"
enterprises = 300
design = "grid"
[factors]
"technology.training_cost_growth" = {{ values = [2.0, 2.5, 3.0] }}
[record]
tables = ["market", "shares", "events"]
"""


@pytest.fixture
def market(monkeypatch):
    """Let sweeps use another market, in this process, and shards of four runs: market(kind)."""

    def use(kind):
        monkeypatch.setattr(work, "Market", kind)

    monkeypatch.setattr(store, "SHARD_RUNS", 4)
    monkeypatch.setattr(executors, "Crew", Inline)
    executors._crew.cache_clear()
    use(fake_market.FakeMarket)
    yield use
    executors._crew.cache_clear()


@pytest.fixture(autouse=True)
def _scenarios_read_once(monkeypatch):
    """Scenario files are read once for all tests of sweeps: reading is tested elsewhere."""
    monkeypatch.setattr(plan_module, "load_scenario", scenario_named)


@cache
def scenario_named(name):
    return load_scenario(name)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A plan's file and its sweep on one worker, made once: nine runs in shards of four."""
    place = tmp_path_factory.mktemp("undisturbed")
    (place / "plan.toml").write_text(PLAN.format(replications=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "SHARD_RUNS", 4)
        patch.setattr(executors, "Crew", Inline)
        patch.setattr(work, "Market", fake_market.FakeMarket)
        run_sweep(place / "plan.toml", place / "whole", workers=1)
    return place


@pytest.fixture
def whole(market, undisturbed, tmp_path):
    """A copy of the undisturbed sweep, its plan beside it."""
    shutil.copy(undisturbed / "plan.toml", tmp_path)
    return shutil.copytree(undisturbed / "whole", tmp_path / "whole")


@pytest.fixture
def children(market, monkeypatch):
    """Let runs be made by child interpreters after all; use it after `market`."""
    monkeypatch.setattr(executors, "Crew", workers.Crew)


@pytest.fixture
def plan(tmp_path):
    """A plan of three points and `replications` each, as a file."""

    def write(replications=3, text=PLAN, name="plan.toml"):
        path = tmp_path / name
        path.write_text(text.format(replications=replications))
        return path

    return write


def shards(folder):
    """The bytes of every table of a sweep, by file."""
    found = sorted(path for path in Path(folder).rglob("*.parquet") if path.name != work.RUNS)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def runs(folder):
    """The table of runs without what a clock says."""
    return pd.read_parquet(Path(folder) / work.RUNS).drop(columns=["seconds", "trace"])


def same(a, b):
    """Assert that two sweep folders hold the same, bit for bit."""
    assert list(shards(a)) == list(shards(b))
    assert shards(a) == shards(b)
    pd.testing.assert_frame_equal(runs(a), runs(b))


@pytest.fixture
def alike():
    """The function `same`, and those it uses."""
    return type("Alike", (), {"same": staticmethod(same), "shards": staticmethod(shards), "runs": staticmethod(runs)})


@pytest.fixture
def drive(tmp_path):
    """Start the command line as a process of its own: drive(MARKET, *words), in a folder of its own."""
    started = []

    def start(market, *words, shard_runs=4, **options):
        command = [sys.executable, str(HERE / "drive.py"), market, str(shard_runs), *map(str, words)]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "77"},  # another than ours
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
