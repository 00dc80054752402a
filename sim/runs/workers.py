"""Seeds on several processes: plain child interpreters that are fed over pipes.

`multiprocessing` would re-import the user's script (every script would need a `__main__` guard) or fork a process that
has threads; and its pool loses all work when one process is killed. Here a dead worker costs the seed it was on.
A message is a pickle on a private pipe; nothing pickled ever touches a disk.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

BLAS_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

# The terminal's interrupt is the parent's to handle, from the first moment: imports take a while.
SERVE = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from sim.runs.workers import serve; serve({idle})"
GRACE = 10.0  # seconds a child has beyond the time limit to say itself where it hangs

Tick = Callable[[Any], None]
Task = Callable[[Any, Tick], Any]
FailureKind = Literal["failed", "timeout", "died"]


@dataclass(frozen=True)
class Failure:
    """Why a task gave no result: one line, and the full trace for whoever looks for the fault.

    kind: failed (it raised), timeout (it ran beyond its time limit) or died (its process ended under it).
    """

    reason: str
    trace: str = ""
    kind: FailureKind = "failed"


def describe_failure(error: BaseException) -> Failure:
    """An exception as a failure: its type and message, and where it was raised."""
    message = " ".join(str(error).split())
    return Failure(f"{type(error).__name__}: {message}"[:500], "".join(traceback.format_exception(error)))


class Worker:
    """One child interpreter. idle: seconds without a task after which it ends by itself; None for never."""

    def __init__(self, idle: float | None = None) -> None:
        paths = [str(Path(__file__).resolve().parent.parent.parent), *(path for path in sys.path if path)]
        environment = {**os.environ, **dict.fromkeys(BLAS_THREADS, "1"), "PYTHONPATH": os.pathsep.join(paths)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", SERVE.format(idle=idle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def call(self, task: Task, argument: object, tick: Tick, limit: float | None = None) -> Any:
        """The task's result, or a Failure: also when the child dies or takes longer than `limit` seconds."""
        assert self._process.stdin is not None and self._process.stdout is not None
        late = threading.Event()
        guard = threading.Timer((limit or 0.0) + GRACE, self._give_up, (late,))
        guard.daemon = True
        if limit is not None:
            guard.start()
        try:
            pickle.dump((task, argument, limit), self._process.stdin)
            self._process.stdin.flush()
            while True:
                kind, content = pickle.load(self._process.stdout)
                if kind == "tick":
                    tick(content)
                    continue
                if kind == "last":
                    self._process.wait(GRACE)
                return content
        except (EOFError, OSError, pickle.UnpicklingError):
            code = self._process.wait()
            if late.is_set() and limit is not None:
                return Failure(_too_long(limit), kind="timeout")
            return Failure(f"the worker process died (exit code {code})", kind="died")
        finally:
            guard.cancel()

    def _give_up(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the child at once and let go of its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # the child was gone before the last message reached it
                    pipe.close()


class Crew:
    """Child interpreters, one to each thread that calls; replaced when they die, all ended together."""

    def __init__(self, idle: float | None = None) -> None:
        self._idle = idle
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._all: list[Worker] = []
        self._ended = False

    def call(self, task: Task, argument: object, tick: Tick, limit: float | None = None) -> Any:
        """The task's result or a Failure, from the child of this thread. Raises RuntimeError after `end`."""
        worker: Worker | None = getattr(self._mine, "worker", None)
        if worker is None or not worker.alive:
            worker = self._mine.worker = self._hire(worker)
        return worker.call(task, argument, tick, limit)

    def _hire(self, gone: Worker | None) -> Worker:
        with self._lock:
            if self._ended:
                raise RuntimeError("the workers have been ended")
            if gone is not None:
                self._all.remove(gone)
                gone.stop()
            self._all.append(Worker(self._idle))
            return self._all[-1]

    def end(self) -> None:
        """End all children at once."""
        with self._lock:
            self._ended = True
            for worker in self._all:
                worker.stop()


def map_tasks(task: Task, arguments: Sequence[Any], workers: int, tick: Tick) -> Iterator[tuple[int, Any]]:
    """(position, result or Failure) of `task(argument, tick)` for each argument, as they finish.

    task and arguments are picklable; what the task hands to its `tick` arrives at ours (called from other threads).
    Leaving the loop early, by an interrupt too, ends the workers at once.
    """
    crew = Crew()
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


def _too_long(limit: float) -> str:
    return f"took longer than the time limit of {limit:g} s"


class _Answers:
    """The way back to the parent. Each task is answered once, and no message is torn by another thread's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered = False
        self._file = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)  # a stray print must not end up between the messages

    def begin(self) -> None:
        with self._lock:
            self._answered = False

    def tick(self, content: object) -> None:
        with self._lock:
            self._send("tick", content)

    def result(self, content: object) -> None:
        with self._lock:
            if not self._answered:
                self._answered = True
                self._send("result", content)

    def last(self, content: object) -> None:
        """Answer and end this process, unless the task has just been answered."""
        with self._lock:
            if not self._answered:
                self._send("last", content)
                os._exit(1)

    def _send(self, kind: str, content: object) -> None:
        pickle.dump((kind, content), self._file)
        self._file.flush()


def serve(idle: float | None = None) -> None:
    """Work off tasks from standard input until it closes, or for `idle` seconds none comes."""
    answers = _Answers()
    tasks: queue.SimpleQueue[tuple[Task, object, float | None]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    main = threading.get_ident()
    while True:
        try:
            task, argument, limit = tasks.get(timeout=idle)
        except queue.Empty:
            return
        answers.begin()
        guard = threading.Timer(limit or 0.0, _report_hang, (main, limit, answers))
        guard.daemon = True
        if limit is not None:
            guard.start()
        answers.result(_attempt(task, argument, answers.tick))
        guard.cancel()


def _receive(tasks: queue.SimpleQueue[tuple[Task, object, float | None]]) -> None:
    """Take tasks in. When the parent is gone this process ends too, in the midst of a run that hangs as well."""
    while True:
        try:
            tasks.put(pickle.load(sys.stdin.buffer))
        except (EOFError, OSError):
            os._exit(0)
        except Exception as error:  # a task that cannot be unpickled here fails as a task
            tasks.put((_raise, error, None))


def _raise(error: Any, tick: Tick) -> None:
    del tick
    raise error


def _report_hang(main: int, limit: float, answers: _Answers) -> None:
    """Tell the parent where the main thread is, and end."""
    frame = sys._current_frames().get(main)
    trace = "".join(traceback.format_stack(frame)) if frame is not None else ""
    answers.last(Failure(_too_long(limit), trace, "timeout"))


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def single_blas_thread() -> None:
    """One thread for linear algebra in this process too; has effect only before numpy is imported."""
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))
