"""Seeds on several processes: plain child interpreters that are fed over pipes.

`multiprocessing` would re-import the user's script (every script would need a `__main__` guard) or fork a process that
has threads; and its pool loses all work when one process is killed. Here a dead worker costs the seed it was on.
A message is a pickle on a private pipe; nothing pickled ever touches a disk.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLAS_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

# The terminal's interrupt is the parent's to handle, from the first moment: imports take a while.
SERVE = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from sim.runs.workers import serve; serve()"

Tick = Callable[[Any], None]
Task = Callable[[Any, Tick], Any]


@dataclass(frozen=True)
class Failure:
    """Why a task gave no result: one line, and the full trace for whoever looks for the fault."""

    reason: str
    trace: str = ""


def describe_failure(error: BaseException) -> Failure:
    """An exception as a failure: its type and message, and where it was raised."""
    message = " ".join(str(error).split())
    return Failure(f"{type(error).__name__}: {message}"[:500], "".join(traceback.format_exception(error)))


class _Worker:
    """One child interpreter."""

    def __init__(self) -> None:
        paths = [str(Path(__file__).resolve().parent.parent.parent), *(path for path in sys.path if path)]
        environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, "1"), "PYTHONPATH": os.pathsep.join(paths)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def call(self, task: Task, argument: object, tick: Tick) -> Any:
        """The task's result, or a Failure: also when the child dies."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            pickle.dump((task, argument), self._process.stdin)
            self._process.stdin.flush()
            while True:
                kind, content = pickle.load(self._process.stdout)
                if kind != "tick":
                    return content
                tick(content)
        except (EOFError, OSError, pickle.UnpicklingError):
            return Failure(f"the worker process died (exit code {self._process.wait()})")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End the child at once and let go of its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # the child was gone before the last message reached it
                    pipe.close()


class _Crew:
    """The workers of one call of `map_tasks`, one to a thread; replaced when they die, all ended together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._all: list[_Worker] = []
        self._ended = False

    def call(self, task: Task, argument: object, tick: Tick) -> Any:
        worker: _Worker | None = getattr(self._mine, "worker", None)
        if worker is None or not worker.alive:
            worker = self._mine.worker = self._hire()
        return worker.call(task, argument, tick)

    def _hire(self) -> _Worker:
        with self._lock:
            if self._ended:
                raise RuntimeError("the workers have been ended")
            self._all.append(_Worker())
            return self._all[-1]

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for worker in self._all:
                worker.stop()


def map_tasks(task: Task, arguments: Sequence[Any], workers: int, tick: Tick) -> Iterator[tuple[int, Any]]:
    """(position, result or Failure) of `task(argument, tick)` for each argument, as they finish.

    task and arguments are picklable; what the task hands to its `tick` arrives at ours (called from other threads).
    Leaving the loop early, by an interrupt too, ends the workers at once.
    """
    crew = _Crew()
    pool = ThreadPoolExecutor(workers)
    try:
        waiting: dict[Future[Any], int] = {
            pool.submit(crew.call, task, argument, tick): position for position, argument in enumerate(arguments)
        }
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        crew.end()
        pool.shutdown(wait=True)


def _attempt(task: Task, argument: object, tick: Tick) -> Any:
    try:
        return task(argument, tick)
    except Exception as error:  # whatever goes wrong with one seed must not cost the others
        return describe_failure(error)


def serve() -> None:
    """Work off tasks from standard input until it closes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print must not end up between the messages

    def send(kind: str, content: object) -> None:
        pickle.dump((kind, content), answers)
        answers.flush()

    while True:
        try:
            task, argument = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        send("result", _attempt(task, argument, lambda content: send("tick", content)))


def single_blas_thread() -> None:
    """One thread for linear algebra in this process too; has effect only before numpy is imported."""
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
