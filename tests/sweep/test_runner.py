"""run_sweep: the same tables whoever makes the runs in whatever order; one bad run harms no other."""

from __future__ import annotations

import random
import shlex
import shutil
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import fake_market
import numpy as np
import pandas as pd
import pytest
import sweep_markets
from inline_crew import Inline

from sim import load_scenario, run, runs
from sim.records import tidy_shares
from sim.sweep import SweepError, load_plan, retry_sweep, run_sweep
from sim.sweep import executors as places
from sim.sweep import plan as plan_module


class Shuffled(Executor):
    """Takes runs in any order, one at a time."""

    def __init__(self, seed):
        self.pool, self.luck, self.waiting = ThreadPoolExecutor(1), random.Random(seed), []

    def submit(self, function, /, *arguments, **options):
        future = Future()
        self.waiting.append((future, function, arguments, options))
        self.pool.submit(self.one)
        return future

    def one(self):
        future, function, arguments, options = self.waiting.pop(self.luck.randrange(len(self.waiting)))
        if future.set_running_or_notify_cancel():
            future.set_result(function(*arguments, **options))


class Losing(Shuffled):
    """Loses the third and sixth batch, as a cluster loses a worker."""

    lost = 0

    def one(self):
        self.lost += 1
        if self.lost in (3, 6):
            self.waiting.pop(0)[0].set_exception(RuntimeError("lost worker"))
        else:
            super().one()


def test_nobody_can_tell_who_made_the_runs(whole, children, plan, tmp_path, alike, monkeypatch):
    """Kills: tables in order of finishing; a worker that gets another point, seed or span."""
    with ProcessPoolExecutor(1) as executor:
        run_sweep(plan(), tmp_path / "pool", executor=executor)
    monkeypatch.setattr(places, "Crew", Inline)
    run_sweep(plan(), tmp_path / "shuffled", executor=Shuffled(1), workers=4)
    for name in ("shuffled", "pool"):
        alike.same(whole, tmp_path / name)


def test_tables_are_those_of_the_runs(whole):
    """Kills: rows under the wrong point or replication, columns of one run under the head of another."""
    points = pd.read_parquet(whole / "points.parquet")
    market, shares, events = (pd.read_parquet(whole / table) for table in ("market", "shares", "events"))
    key = "technology.training_cost_growth"
    assert list(points[key]) == [2.0, 2.5, 3.0]
    assert list(points["scenario"]) == ["baseline"] * 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "Market", fake_market.FakeMarket)
        for point, growth in zip(points["point"], points[key], strict=True):
            alone = run(load_scenario("baseline", {key: growth}), seed=3, until="2023Q2", enterprises=300)
            for name, table in (("market", market), ("events", events)):
                rows = table[(table["point"] == point) & (table["replication"] == 3)]
                wanted = alone.table(name).assign(replication=3)
                pd.testing.assert_frame_equal(
                    rows.drop(columns="point").reset_index(drop=True), wanted, check_dtype=False
                )
            rows = shares[(shares["point"] == point) & (shares["replication"] == 3)]
            wanted = tidy_shares(alone.cube.values[0], alone.quarters, alone.cube.keys)
            np.testing.assert_array_equal(rows["share"], wanted["share"])
            assert list(rows["key"].astype(str)) == list(wanted["key"].astype(str))
    assert len(market) == 3 * 3 * 2


def test_runs_are_listed_with_their_names(whole):
    """Kills: a run missing from runs.parquet or there twice; a status or seed of another run."""
    table = pd.read_parquet(whole / "runs.parquet")
    assert [tuple(row) for row in table[["point", "replication", "seed"]].to_numpy()] == [
        (point, seed, seed) for point in range(3) for seed in (1, 2, 3)
    ]
    assert table["run_id"].is_unique
    assert set(table["status"]) == {"ok"}
    assert (table["seconds"] > 0).all()
    assert table["command"][4] == (
        "moatsim run baseline --set technology.training_cost_growth=2.5 --seed 2 --replications 1 --until 2023Q2 "
        "--enterprises 300"
    )


def test_the_command_of_a_scenario_file_names_the_sweeps_own_copy(market, plan, tmp_path, monkeypatch):
    """Kills: a command that finds its scenario beside the plan only, or another scenario; one lost on resuming."""
    monkeypatch.setattr(plan_module, "load_scenario", load_scenario)
    (tmp_path / "plans").mkdir()
    for name, value in (("mine one", 0.3), ("talent-war", 0.4)):
        text = f'extends = "baseline"\n[technology]\ndistillation = {value}\n'
        (tmp_path / "plans" / f"{name}.toml").write_text(text)
    text = ONE_POINT.replace('["baseline"]', '["mine one.toml", "talent-war.toml", "talent-war"]')
    path = plan(text=text.replace("replications = 4", "replications = 1"), name="plans/plan.toml")
    run_sweep(path, tmp_path / "a", workers=1)
    table = pd.read_parquet(tmp_path / "a" / "runs.parquet")
    words = [shlex.split(command) for command in table["command"]]
    names = [run_words[2] for run_words in words]
    assert names == ["scenarios/00-mine one.toml", "scenarios/01-talent-war.toml", "talent-war"]
    bases = load_plan(path).bases
    shutil.rmtree(tmp_path / "plans")  # the sweep's folder is all that is needed
    monkeypatch.chdir(tmp_path / "a")
    assert [load_scenario(name).hash for name in names] == [base.hash for base in bases.values()]
    retry_sweep(tmp_path / "a", workers=1)
    pd.testing.assert_series_equal(pd.read_parquet("runs.parquet")["command"], table["command"])


def test_a_second_call_repeats_nothing(whole, plan, alike, market):
    """Kills: a resume that starts again (this market would fail)."""
    before = alike.shards(whole)
    market(sweep_markets.FailingMarket)
    report = run_sweep(plan(), whole)
    assert (report.made, report.ok, report.status) == (0, 9, "complete")
    assert alike.shards(whole) == before


def test_an_interrupt_leaves_what_is_done(whole, plan, tmp_path, alike):
    """Kills: a run repeated after an interrupt, or lost; an order of runs that gives some points none."""
    seen = []

    def impatient(at):
        seen.append(at)
        if at.made == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan(), tmp_path / "a", workers=1, progress=impatient)
    table = pd.read_parquet(tmp_path / "a" / "runs.parquet")
    assert sorted(table["status"]) == ["ok"] * 5 + ["pending"] * 4
    assert set(table[table["status"] == "ok"]["point"]) == {0, 1, 2}
    report = run_sweep(plan(), tmp_path / "a", workers=1)
    assert report.made == 4
    assert [at.done for at in seen] == [1, 2, 3, 4, 5]
    alike.same(whole, tmp_path / "a")


def test_runs_that_raise_become_rows(market, plan, tmp_path):
    """Kills: a sweep that one bad run ends; a row without status, error, trace, seed or command."""
    market(sweep_markets.FailingMarket)
    report = run_sweep(plan(), tmp_path / "a", workers=1)
    assert (report.ok, report.failed, report.status) == (6, 3, "partial")
    table = pd.read_parquet(tmp_path / "a" / "runs.parquet")
    bad = table[table["seed"] == 2]
    assert set(bad["status"]) == {"failed"}
    assert set(table[table["seed"] != 2]["status"]) == {"ok"}
    assert (bad["error"] == "FloatingPointError: 2023Q1, lab openai: price is NaN").all()
    assert bad["trace"].str.contains("sweep_markets.py", regex=False).all()
    assert bad["command"].str.contains("--seed 2 ").all()
    assert set(pd.read_parquet(tmp_path / "a" / "market")["replication"]) == {1, 3}


def test_runs_that_hang_or_kill_become_rows(market, children, plan, tmp_path, monkeypatch):
    """Seed 2 kills its process, seed 3 hangs. Kills: a sweep held up or ended by either; a row without its reason."""
    market(sweep_markets.DeadlyMarket)
    monkeypatch.setattr(places, "ATTEMPTS", 1)  # each costs a child
    report = run_sweep(plan(text=ONE_POINT), tmp_path / "a", workers=1, time_limit=4.0)
    assert (report.ok, report.failed) == (2, 2)
    table = pd.read_parquet(tmp_path / "a" / "runs.parquet").set_index("seed")
    assert list(table["status"]) == ["ok", "died", "timeout", "ok"]
    assert "the worker process died" in table["error"][2]
    assert table["error"][3] == "took longer than the time limit of 4 s"
    assert "sweep_markets.py" in table["trace"][3]


def test_retry_makes_the_failed_runs_only(whole, market, plan, tmp_path, monkeypatch, alike):
    """Kills: a retry that repeats good runs, leaves failed rows behind, or moves rows of the good ones."""
    fault = tmp_path / "fault"
    fault.touch()
    monkeypatch.setenv(sweep_markets.FAULT, str(fault))
    market(sweep_markets.FlakyMarket)
    assert run_sweep(plan(), tmp_path / "a", workers=1).failed == 3
    assert run_sweep(plan(), tmp_path / "a", workers=1).made == 0
    assert retry_sweep(tmp_path / "a", workers=1).failed == 3
    fault.unlink()
    report = retry_sweep(tmp_path / "a", workers=1)
    assert (report.made, report.ok, report.status) == (3, 9, "complete")
    alike.same(whole, tmp_path / "a")


ONE_POINT = """
title = "one point"
scenarios = ["baseline"]
replications = 4
until = "2023Q2"
design = "list"
[[points]]
"technology.training_cost_growth" = 2.0
"""

TWICE = """
title = "two points alike"
scenarios = ["baseline"]
replications = {replications}
until = "2023Q2"
design = "list"
[[points]]
"technology.training_cost_growth" = 2.0
[[points]]
"technology.training_cost_growth" = 3.0
[[points]]
"technology.training_cost_growth" = 2.0
"""


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_runs_of_the_same_name_are_made_once(market, plan, tmp_path, stop):
    """Kills: a run made twice, its rows missing at one of its points; a copy lost by an interrupt at any moment."""
    made = []

    def watching(at):
        made.append(at.done)
        if len(made) == stop:
            raise KeyboardInterrupt

    file = plan(2, TWICE)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(file, tmp_path / "a", workers=1, progress=watching)
    run_sweep(file, tmp_path / "a", workers=1, progress=lambda at: made.append(at.done))
    assert len(made) == 4
    table = pd.read_parquet(tmp_path / "a" / "runs.parquet")
    assert (table["run_id"][:2].to_numpy() == table["run_id"][4:].to_numpy()).all()
    assert table["run_id"].nunique() == 4
    assert list(table["seconds"] > 0) == [True] * 4 + [False] * 2
    rows = pd.read_parquet(tmp_path / "a" / "market")
    assert len(rows) == 6 * 2
    first, third = (rows[rows["point"] == point].drop(columns="point").reset_index(drop=True) for point in (0, 2))
    pd.testing.assert_frame_equal(first, third)


def test_a_lost_batch_goes_again(whole, plan, tmp_path, alike):
    """Kills: runs of a lost worker forgotten, or recorded twice."""
    run_sweep(plan(), tmp_path / "a", executor=Losing(1), workers=2)
    alike.same(whole, tmp_path / "a")


def test_what_is_always_lost_has_died(market, plan, tmp_path):
    """Kills: a sweep that tries for ever."""

    class Broken(Executor):
        def submit(self, function, /, *arguments, **options):
            future = Future()
            future.set_exception(RuntimeError("lost worker"))
            return future

    assert run_sweep(plan(), tmp_path / "a", executor=Broken()).failed == 9
    table = pd.read_parquet(tmp_path / "a" / "runs.parquet")
    assert set(table["status"]) == {"died"}
    assert table["error"].str.contains("lost worker").all()


def test_a_broken_executor_ends_the_sweep_and_loses_nothing(whole, plan, tmp_path, alike):
    """Kills: a broken pool taken for failed runs; a sweep that cannot go on elsewhere."""
    pool = ThreadPoolExecutor(1)
    with pytest.raises(SweepError, match=r"takes no more runs .*the same command goes on"):
        run_sweep(plan(), tmp_path / "a", executor=pool, progress=lambda at: pool.shutdown(wait=False))
    report = run_sweep(plan(), tmp_path / "a", workers=1)
    assert report.made < 9
    alike.same(whole, tmp_path / "a")


class Forgetting(Executor):
    """Cancels its third batch without a word to whoever waits, as a Dask client does; then perhaps takes no more."""

    def __init__(self, last):
        self.taken, self.last = 0, last

    def submit(self, function, /, *arguments, **options):
        self.taken += 1
        future = Future()
        if self.taken == 3:
            future.cancel()
        elif self.taken > self.last:
            raise LookupError("no scheduler")
        else:
            future.set_result(function(*arguments, **options))
        return future


def test_a_cancelled_batch_goes_again(whole, plan, tmp_path, alike, monkeypatch):
    """Kills: a driver that waits for ever for a batch that was cancelled."""
    monkeypatch.setattr("sim.sweep.runner._LOOK_SECONDS", 0.05)
    assert run_sweep(plan(), tmp_path / "a", executor=Forgetting(99), workers=2).ok == 9
    alike.same(whole, tmp_path / "a")


def test_a_cluster_that_is_gone_ends_the_sweep_and_loses_nothing(whole, plan, tmp_path, alike, monkeypatch):
    """Kills: a trace for an exception of the cluster's own; runs that were never made taken for failed ones."""
    monkeypatch.setattr("sim.sweep.runner._LOOK_SECONDS", 0.05)
    with pytest.raises(SweepError, match=r"takes no more runs \(LookupError: no scheduler\)"):
        run_sweep(plan(), tmp_path / "a", executor=Forgetting(5), workers=1)
    assert set(pd.read_parquet(tmp_path / "a" / "runs.parquet")["status"]) == {"ok", "pending"}
    run_sweep(plan(), tmp_path / "a", workers=1)
    alike.same(whole, tmp_path / "a")


def test_another_model_at_a_worker_is_refused(market, plan, tmp_path, monkeypatch):
    """Kills: runs of two models in one sweep."""
    monkeypatch.setattr(places, "model_version", iter(["a", *["b"] * 99]).__next__)
    with pytest.raises(SweepError, match="a worker has the model b, this sweep is of a"), ThreadPoolExecutor(1) as pool:
        run_sweep(plan(), tmp_path / "a", executor=pool)


def test_few_runs_are_under_way(market, plan, tmp_path):
    """Memory stays flat. Kills: all runs submitted at once."""
    waiting, most = set(), []

    class Counting(Shuffled):
        def submit(self, function, /, *arguments, **options):
            future = super().submit(function, *arguments, **options)
            waiting.add(future)
            most.append(sum(not each.done() for each in waiting))
            return future

    run_sweep(plan(5), tmp_path / "a", executor=Counting(1), workers=2)
    assert max(most) <= 5 < 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: at least 1 is needed, not 0"),
        ({"time_limit": 0.0}, "time_limit: a number of seconds above 0"),
        ({"time_limit": float("inf")}, "time_limit"),
        ({"executor": "ray://a:1"}, "executor: expected dask://HOST:PORT, not 'ray://a:1'"),
        ({"executor": "dask://"}, "executor: expected dask://HOST:PORT"),
        ({"executor": "dask://host"}, "executor: expected dask://HOST:PORT"),
    ],
)
def test_means_that_make_no_sense_are_refused(plan, tmp_path, options, message):
    """Kills: each check left out, or made after the folder was begun."""
    with pytest.raises(ValueError, match=message):
        run_sweep(load_plan(plan()), tmp_path / "a", **options)
    assert not (tmp_path / "a").exists()
