"""`moatsim sweep`: what is said, where, and with which exit code."""

from __future__ import annotations

import json
import sys

import pytest
import sweep_markets

from analysis import sweep_cli


@pytest.fixture
def program(command_line, monkeypatch, market):
    monkeypatch.setattr(sweep_cli, "draw_sweep", lambda folder: [])  # tests/analysis draws
    return command_line


def test_a_sweep_is_announced_made_and_resumed(program, plan, tmp_path):
    """Kills: no word of runs, time and disk before; a plan that needs another word; a default folder elsewhere."""
    assert program("sweep", plan(), "--workers", 1) == 0
    for words in ("runs          9", "by 1 worker,", "disk          about", "folder        runs/sweeps/plan"):
        assert words in program.out
    assert program.out.index("disk") < program.out.index("9 of 9 gave a result")
    assert (tmp_path / "runs" / "sweeps" / "plan" / "points.parquet").exists()
    assert program("sweep", "run", plan(), "--workers", 1) == 0
    assert "0 runs in" in program.out


def test_options_may_come_first_and_json_is_alone_on_stdout(program, plan, tmp_path):
    """Kills: a group that takes the options of a plan for its own; words between the JSON."""
    assert program("sweep", "--json", "--workers", 1, "--out", tmp_path / "a", "--until", "2023Q1", plan()) == 0
    report = json.loads(program.out)
    assert (report["status"], report["runs"], report["made"], report["failed"]) == ("complete", 9, 9, 0)
    assert "disk" in program.err
    assert program("sweep", "status", tmp_path / "a", "--json") == 0
    found = json.loads(program.out)
    assert (found["status"], found["done"], found["failed"], found["writer"]) == ("complete", 9, 0, None)


def test_failed_runs_are_told_and_repeated(program, plan, market, tmp_path, monkeypatch):
    """Kills: exit 0 with failed runs; a retry that changes nothing; errors kept to oneself."""
    (tmp_path / "fault").touch()
    monkeypatch.setenv(sweep_markets.FAULT, str(tmp_path / "fault"))
    market(sweep_markets.FlakyMarket)
    assert program("sweep", plan(), "--out", "a", "--workers", 1) == 3
    assert "3 runs failed" in program.err
    assert "price is NaN" in program.err
    assert program("sweep", "status", "a") == 0
    assert "partial" in program.out
    assert "9 of 9 ended, 3 failed" in program.out
    assert program("sweep", "retry", "a", "--workers", 1) == 3
    (tmp_path / "fault").unlink()
    assert program("sweep", "retry", "a", "--workers", 1, "--json") == 0
    assert json.loads(program.out)["made"] == 3


def test_what_cannot_be_is_refused(program, plan, tmp_path, monkeypatch):
    """Kills: another exit code than 2 for bad input; more than three lines."""
    assert program("sweep", plan(), "--out", "a", "--workers", 1) == 0
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").touch()
    bad = tmp_path / "bad.toml"
    bad.write_text(plan().read_text().replace("training_cost_growth", "training_cost_grwth"))
    for words, message in (
        (("sweep", plan(4, name="four.toml"), "--out", "a"), "replications: 3 -> 4"),
        (("sweep", plan(3), "--out", "b"), "left alone"),
        (("sweep", plan(3), "--out", "c", "--executor", "ray://x:1"), "expected dask://HOST:PORT"),
        (("sweep", plan(3), "--out", "c", "--executor", "dask://x:1", "--workers", 2), "not both"),
        (("sweep", bad), "did you mean"),
        (("sweep", "nope.toml"), "nope.toml"),
        (("sweep",), "name a plan"),
        (("sweep", "status", "nowhere"), "not a sweep folder"),
        (("sweep", "retry", "b"), "not a sweep folder"),
    ):
        assert program(*words) == 2, words
        assert message in program.err
        assert len(program.err.strip().splitlines()) <= 3
    assert not (tmp_path / "c").exists()


def test_a_cluster_needs_its_package(program, plan, monkeypatch):
    """Kills: a ModuleNotFoundError where one line would do."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert program("sweep", plan(), "--out", "a", "--executor", "dask://localhost:1") == 1
    assert "pip install 'moatsim[dask]'" in program.err


def test_help_names_the_three_uses(program):
    """Kills: a help that hides how a plan is given."""
    assert program("sweep", "--help") == 0
    for words in ("PLAN.toml", "status", "retry"):
        assert words in program.out
