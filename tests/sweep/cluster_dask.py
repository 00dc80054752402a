"""A sweep on a real Dask cluster: a scheduler and two workers with nannies, processes of their own, over TCP.

Run by `make test-extras`, which installs the extra `dask`; not collected with the other tests.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import sweep_markets
from distributed import Client

from sim.sweep import SweepError, run_sweep

HERE = Path(__file__).resolve().parent


@contextmanager
def started_cluster(place):
    """A scheduler with two workers of one thread, nannies watching over them: its address and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [str(HERE.parent.parent), str(HERE.parent / "analysis"), str(HERE)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-m", *words], env=environment, cwd=place, stdout=subprocess.DEVNULL, stderr=log
        )

    with (place / "log").open("w") as log:
        address = f"tcp://127.0.0.1:{port}"
        scheduler = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        worker = ("distributed.cli.dask_worker", address, "--nanny", "--nthreads", "1", "--no-dashboard")
        started = [start(*scheduler), start(*worker), start(*worker)]
        try:
            with Client(address, timeout="60s") as client:
                client.wait_for_workers(2, timeout=60)
            yield f"127.0.0.1:{port}", started[0]
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(30)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The address of a cluster that all tests share."""
    with started_cluster(tmp_path_factory.mktemp("cluster")) as (address, _):
        yield address


@pytest.fixture
def new_cluster(tmp_path):
    """A cluster to be spoilt, when it is called."""
    return lambda: started_cluster(tmp_path)


@pytest.fixture
def whole(market, plan, tmp_path):
    """The same sweep on one local worker."""
    market(sweep_markets.SlowMarket)
    run_sweep(plan(12), tmp_path / "whole", workers=1)
    return tmp_path / "whole"


def test_a_cluster_makes_the_same_tables(whole, children, plan, tmp_path, cluster, alike):
    """Kills: runs on a cluster that differ in a bit, are lost or made twice; tables written by the workers."""
    report = run_sweep(plan(12), tmp_path / "a", executor=f"dask://{cluster}")
    assert (report.made, report.failed) == (36, 0)
    alike.same(whole, tmp_path / "a")


def test_a_killed_worker_costs_nothing(whole, children, plan, tmp_path, cluster, alike):
    """A worker is killed with -9 midway. Kills: its runs lost, recorded twice, or said to have failed."""
    killed = []

    def kill(at):
        if not killed and at.made >= 4:
            with Client(f"tcp://{cluster}", set_as_default=False) as client:
                killed.append(min(client.run(os.getpid).values()))
            os.kill(killed[0], signal.SIGKILL)

    report = run_sweep(plan(12), tmp_path / "a", executor=f"dask://{cluster}", progress=kill)
    assert killed
    assert (report.made, report.ok, report.failed) == (36, 36, 0)
    alike.same(whole, tmp_path / "a")


def test_a_deadly_run_harms_no_worker(market, children, plan, tmp_path, cluster):
    """Kills: a run that takes workers of the cluster down, or holds them for ever."""
    market(sweep_markets.DeadlyMarket)
    report = run_sweep(plan(4), tmp_path / "a", executor=f"dask://{cluster}", time_limit=5.0)
    assert (report.ok, report.failed) == (6, 6)
    table = pd.read_parquet(tmp_path / "a" / "runs.parquet")
    assert list(table["status"]) == ["ok", "died", "timeout", "ok"] * 3


def test_an_interrupt_leaves_a_sweep_that_goes_on_elsewhere(whole, children, plan, tmp_path, cluster, alike):
    """Kills: a driver that waits for the cluster when interrupted; a sweep bound to where it began."""
    left = []

    def leave(at):
        if at.made >= 3:
            left.append(time.monotonic())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan(12), tmp_path / "a", executor=f"dask://{cluster}", progress=leave)
    assert time.monotonic() - left[0] < 2.0
    assert run_sweep(plan(12), tmp_path / "a", workers=1).made <= 33
    alike.same(whole, tmp_path / "a")


def test_a_scheduler_that_is_gone_ends_the_sweep(whole, children, plan, tmp_path, new_cluster, alike, monkeypatch):
    """The scheduler is killed midway. Kills: a driver that waits for ever, runs never made taken for failed ones."""
    monkeypatch.setattr("sim.sweep.executors._PATIENCE", "2s")
    refused = pytest.raises(SweepError, match=r"takes no more runs \((.|\n)*the same command goes on")
    with new_cluster() as (address, scheduler), refused:
        run_sweep(
            plan(12),
            tmp_path / "a",
            executor=f"dask://{address}",
            progress=lambda at: scheduler.kill() if at.made == 4 else None,
        )
    report = run_sweep(plan(12), tmp_path / "a", workers=1)
    assert 0 < report.made <= 32 and report.failed == 0
    alike.same(whole, tmp_path / "a")


def test_no_cluster_is_said_so(market, plan, tmp_path, monkeypatch):
    """Kills: a trace, or a wait without end, for an address where nobody listens."""
    monkeypatch.setattr("sim.sweep.executors._PATIENCE", "1s")
    with pytest.raises(SweepError, match=r"no Dask scheduler answers at 127\.0\.0\.1:9"):
        run_sweep(plan(), tmp_path / "a", executor="dask://127.0.0.1:9")
