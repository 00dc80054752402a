"""Names of runs: what changes them, and what does not."""

from __future__ import annotations

import pytest

from sim import load_scenario
from sim.scenario import override_scenario
from sim.sweep import identity, load_plan
from sim.sweep.identity import Fingerprint, model_version, run_id, sweep_id


@pytest.mark.parametrize("name", ["cost-growth-by-catch-up", "what-decides-open-share"])
def test_a_fingerprint_is_the_hash_of_the_resolved_scenario(name):
    """Kills: a value that is hashed in another form than the schema gives it, or left out."""
    plan = load_plan(name)
    for scenario in plan.scenarios:
        prints = Fingerprint(plan.bases[scenario])
        for point in [point for point in plan.points if point.scenario == scenario][::37]:
            assert prints.of(point.values) == plan.scenario_of(point).hash


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"technology.training_cost_growth": 3},
        {"switches.training": False},
        {"run.enterprises": 300},
        {"labs.openai.name": "Open"},
        {"labs.openai.rounds.0.amount": 1},
    ],
)
def test_a_fingerprint_knows_every_kind_of_value(values):
    """Kills: 3 hashed apart from 3.0; a switch, a count, a text or a row of a list hashed wrongly."""
    base = load_scenario("baseline")
    assert Fingerprint(base).of(values) == override_scenario(base, values).hash


def test_values_that_cannot_be_have_a_name_too():
    """Kills: a sweep that ends because one point is no scenario; two of them under one name."""
    prints = Fingerprint(load_scenario("baseline"))
    names = {prints.of({"technology.no_such_key": value}) for value in (1, 2)} | {prints.of({"no_such_key": 1})}
    assert len(names) == 2
    assert prints.of({}) not in names


def test_a_run_is_named_by_all_that_decides_it():
    """Kills: a name that leaves out scenario, seed, horizon, size or model."""
    names = {
        run_id("a", 1, ("2023Q4", 300), "v"),
        run_id("b", 1, ("2023Q4", 300), "v"),
        run_id("a", 2, ("2023Q4", 300), "v"),
        run_id("a", 1, ("2024Q4", 300), "v"),
        run_id("a", 1, ("2023Q4", None), "v"),
        run_id("a", 1, ("2023Q4", 300), "w"),
    }
    assert len(names) == 6


def test_a_sweep_is_named_by_plan_model_and_size_of_its_parts():
    """Kills: results found under the name of another plan or model, or cut into other parts."""
    assert len({sweep_id("a", "v", 50), sweep_id("b", "v", 50), sweep_id("a", "w", 50), sweep_id("a", "v", 40)}) == 4


def test_the_model_is_its_sources_save_those_that_keep_runs(tmp_path, monkeypatch):
    """Kills: a version blind to a changed formula; one that a change of the store, or of line ends, moves."""
    for name in ("market.py", "economics/costs.py", "sweep/store.py", "runs/folder.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x = 1\n")
    monkeypatch.setattr(identity, "_SOURCES", tmp_path)

    def version_with(name, text):
        (tmp_path / name).write_bytes(text)
        return model_version.__wrapped__()

    before = model_version.__wrapped__()
    assert version_with("sweep/store.py", b"x = 2\n") == version_with("runs/folder.py", b"x = 2\n") == before
    assert version_with("market.py", b"x = 1\r\n") == before
    assert version_with("economics/costs.py", b"x = 2\n") != before
