"""Sweeps that are killed, by processes of their own: nothing is lost, nothing is made twice."""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from sim.sweep import run_sweep
from sim.sweep.status import sweep_status


def children_of(process):
    """Ids of the child processes of a process (Linux)."""
    return [
        int(child) for task in Path(f"/proc/{process}/task").glob("*/children") for child in task.read_text().split()
    ]


def wait_for(condition, seconds=60.0):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.02)


def done(folder):
    """Runs of a sweep that are safe on disk; 0 where there is none yet."""
    try:
        return sweep_status(folder).done
    except OSError:
        return 0


def kill_and_resume(drive, words, folder, luck, kills, market="SlowMarket", shard_runs=4):
    """Start the sweep again and again, killing it or one of its workers after a while, until it has ended."""
    for _ in range(kills):
        process = drive(market, *words, shard_runs=shard_runs)
        before = done(folder)
        wait_for(lambda process=process, before=before: process.poll() is not None or done(folder) > before)
        time.sleep(luck.uniform(0.0, 0.5))
        workers = children_of(process.pid) if process.poll() is None else []
        if workers and luck.random() < 0.5:
            os.kill(luck.choice(workers), signal.SIGKILL)
            time.sleep(luck.uniform(0.0, 0.5))
        process.kill()
        process.communicate()
        wait_for(lambda workers=workers: not any(Path(f"/proc/{worker}/stat").exists() for worker in workers))
    process = drive(market, *words, shard_runs=shard_runs)
    out, err = process.communicate(timeout=3600)
    assert process.returncode == 0, err
    assert "damaged" not in err


class AWorkerToo(random.Random):
    """Luck by which a worker is always killed before its parent."""

    def random(self):
        return super().random() / 2


def test_a_killed_sweep_goes_on(market, plan, drive, tmp_path, alike):
    """Kills: a run lost or doubled by SIGKILL of parent or worker; workers that outlive their parent; tables in order
    of finishing on two workers, or in an order that hangs on the hashes of strings.
    """
    file, folder = plan(5), tmp_path / "killed"
    run_sweep(file, tmp_path / "whole", workers=1)
    words = ("sweep", file, "--out", folder, "--workers", 2)
    kill_and_resume(drive, words, folder, AWorkerToo(5), kills=1)
    alike.same(tmp_path / "whole", folder)


def test_an_interrupt_ends_within_two_seconds(whole, plan, drive, tmp_path, alike):
    """Kills: an interrupt that waits for runs under way, prints a trace, or leaves a folder that cannot go on."""
    file, folder = plan(), tmp_path / "a"
    process = drive("SlowMarket", "sweep", file, "--out", folder, "--workers", 1)
    wait_for(lambda: done(folder) > 0)
    workers = children_of(process.pid)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - started < 2.0
    assert "interrupted" in err
    assert "Traceback" not in err
    assert workers and not any(Path(f"/proc/{worker}/stat").exists() for worker in workers)
    assert sweep_status(folder).status == "interrupted"
    run_sweep(file, folder, workers=1)
    alike.same(whole, folder)


def test_a_file_that_may_not_grow_is_named(whole, plan, drive, tmp_path, alike):
    """RLIMIT_FSIZE stands for a full disk. Kills: a trace, an exit of 0, a folder that cannot go on."""
    file, folder = plan(), tmp_path / "a"
    limit = 20_000
    process = drive(
        "FakeMarket",
        *("sweep", file, "--out", folder, "--workers", 1),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "File too large" in err
    assert str(folder) in err
    assert "Traceback" not in err
    assert run_sweep(file, folder, workers=1).status == "complete"
    alike.same(whole, folder)


FULL = """
title = "four hundred runs of the market itself"
scenarios = ["baseline"]
replications = {replications}
until = "2023Q2"
enterprises = 300
design = "grid"
[factors]
"technology.training_cost_growth" = {{ values = [2.0, 2.5, 3.0, 3.5] }}
"technology.public_diffusion" = {{ values = [0.1, 0.2, 0.3, 0.4, 0.5] }}
[record]
tables = ["market", "shares", "events"]
"""


@pytest.mark.statistical
def test_four_hundred_runs_survive_fifty_kills(plan, drive, tmp_path, alike):
    """Fifty kills at random moments of a sweep of 400. Kills: any run lost or doubled, at odds of 1 in 400 and more."""
    file, folder, whole = plan(20, FULL), tmp_path / "killed", tmp_path / "whole"
    process = drive("Market", "sweep", file, "--out", whole, "--workers", 2, shard_runs=50)
    process.communicate()
    words = ("sweep", file, "--out", folder, "--workers", 2)
    kill_and_resume(drive, words, folder, random.Random(11), kills=50, market="Market", shard_runs=50)
    alike.same(whole, folder)
