"""`moatsim sweep`: what is said, where, and with which exit code."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest
import sweep_markets

from analysis.commands import sweep
from sim.runs.folder import locked


@pytest.fixture
def program(command_line, monkeypatch, market):
    monkeypatch.setattr(sweep, "draw_sweep", lambda folder: [])  # tests/analysis draws
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


def test_one_run_is_one_run(program, plan):
    """Kills: 1 runs, 1 points."""
    path = plan(1)
    path.write_text(path.read_text().replace("[2.0, 2.5, 3.0]", "[2.0]"))
    assert program("sweep", path, "--workers", 1) == 0
    assert "grid, 1 point in each scenario" in program.out and "1 run in" in program.out
    assert not re.search(r"\b1 (runs|points)\b", program.out)


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
        (("sweep", plan(4, name="four.toml"), "--out", "a"), "replications: before 3 -> now 4"),
        (("sweep", plan(3), "--out", "b"), "left alone"),
        (("sweep", plan(3), "--out", "c", "--executor", "http://x"), "expected dask://HOST:PORT"),
        (("sweep", plan(3), "--out", "c", "--time-limit", 0), "a number of seconds above 0"),
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
        assert "c" not in words or program.out == ""
    assert not (tmp_path / "c").exists()


def test_a_changed_plan_is_told_in_two_lines(program, plan, tmp_path):
    """Kills: what is changed and what to do run together into one line; numbers of which nobody knows which is old."""
    assert program("sweep", plan(), "--out", "a", "--workers", 1) == 0
    assert program("sweep", plan(4), "--out", "a", "--workers", 1) == 2
    first, second = program.err.strip().splitlines()
    assert first.endswith("replications: before 3 -> now 4;") and second.startswith("go back to what it began with")


def test_a_second_writer_is_refused(program, whole, plan):
    """Kills: an exit code that says the sweep broke down, where nobody has touched anything."""
    with locked(whole, "sweep"):
        for words in (("sweep", plan(), "--out", whole), ("sweep", "retry", whole)):
            assert program(*words) == 2
            assert f"being written by another sweep (process {os.getpid()} on " in program.err


def test_damage_is_named_with_what_mends_it(program, whole):
    """Kills: a sweep that is interrupted and does not say why; a damaged sweep that is taken for a run folder."""
    lost = whole / "market" / "part-000001.parquet"
    lost.unlink()
    assert program("sweep", "status", whole) == 0
    advice = "the same moatsim sweep command makes these runs again"
    assert program.out.splitlines()[-1] == f"gone or of another size: {lost}; {advice}"
    assert program("sweep", "status", whole, "--json") == 0
    assert json.loads(program.out)["lost"] == [str(lost)]
    manifest = whole / "manifest.json"
    manifest.write_text(manifest.read_text()[:100])
    assert sweep.is_sweep(whole)
    assert program("sweep", "status", whole) == 2
    assert "manifest.json is damaged" in program.err and "the same moatsim sweep command mends it" in program.err


def test_a_folder_that_cannot_be_made_holds_nothing(program, plan, tmp_path):
    """Kills: a promise that what is done is safe where nothing was begun."""
    (tmp_path / "file").touch()
    assert program("sweep", plan(), "--out", tmp_path / "file" / "a", "--workers", 1) == 1
    told = program.err.strip().splitlines()
    assert told[0] == f"moatsim: {tmp_path / 'file' / 'a'}: Not a directory"
    assert told[1].startswith("nothing was begun;") and "safe" not in program.err


def test_a_cluster_needs_its_package(program, plan, tmp_path, monkeypatch):
    """Kills: a ModuleNotFoundError where one line would do; a folder left behind by a sweep that cannot begin."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert program("sweep", plan(), "--out", "a", "--executor", "dask://localhost:1") == 1
    assert "pip install 'moatsim[dask]'" in program.err and program.out == ""
    assert not (tmp_path / "a").exists()


def test_help_names_the_three_uses(program):
    """Kills: a help that hides how a plan is given, what it takes and which there are."""
    assert program("sweep", "--help") == 0
    for words in ("moatsim sweep PLAN", "PLAN.toml", "status", "retry", "cost-growth-by-catch-up"):
        assert words in program.out
    for option in ("--out", "--workers", "--executor", "--until", "--enterprises", "--time-limit", "--json", "--help"):
        assert f"  {option}" in program.out or f", {option}" in program.out
