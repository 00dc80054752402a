"""Where the runs of a sweep are made: child interpreters of this process, or whatever executor is given.

Either way each run has a child interpreter around it, so that one that hangs or kills its process harms no other: in
an executor's worker (a process pool's, a Dask cluster's) that child is the worker's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from typing import Any

from sim.runs.workers import Crew, Failure
from sim.sweep.identity import model_version
from sim.sweep.jobs import Job, Outcome, failed, simulate
from sim.sweep.store import SweepError

ATTEMPTS = 3  # of a run whose process dies: it need not be the run's fault
DASK = "dask://"
_IDLE = 60.0  # seconds after which the child of an executor's worker ends when no run comes
_PATIENCE = "20s"  # for a scheduler that does not answer

Batch = tuple[Job, ...]
Submit = Callable[[Batch], "Future[list[Outcome]]"]


class ModelMismatchError(SweepError):
    """A worker has another version of the model than the driver."""


@dataclass(frozen=True)
class Place:
    """Somewhere to make runs. submit: takes a batch, gives a future; width: how many batches it works on at once.

    own: whether it is made of children of this process, which get single runs and end with it; alive: False when no
    batch that is out will ever come back.
    """

    submit: Submit
    width: int
    own: bool
    alive: Callable[[], bool] = lambda: True


@contextmanager
def local_place(workers: int, limit: float) -> Iterator[Place]:
    """Child interpreters of this process, ended at once when the block is left."""
    crew = Crew()
    pool = ThreadPoolExecutor(workers)
    try:
        yield Place(lambda batch: pool.submit(_make, crew, batch, limit), workers, True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        crew.end()
        pool.shutdown(wait=True)


@contextmanager
def executor_place(executor: Executor, width: int | None, limit: float) -> Iterator[Place]:
    """Any executor of concurrent.futures, which stays the caller's. width: of a process or thread pool when None."""
    task = partial(make_batch, limit=limit, version=model_version())
    yield Place(partial(executor.submit, task), width or getattr(executor, "_max_workers", None) or 1, False)


def dask_package() -> Any:
    """The package that speaks to a Dask cluster. Raises SweepError where it is not installed."""
    try:
        return import_module("distributed")
    except ModuleNotFoundError:
        raise SweepError("a Dask cluster needs the package distributed: pip install 'moatsim[dask]'") from None


@contextmanager
def dask_place(address: str, limit: float) -> Iterator[Place]:
    """The workers of a Dask cluster, by the scheduler's address. Raises SweepError when there is none."""
    distributed = dask_package()
    scheduler = address.removeprefix(DASK)
    try:
        client = distributed.Client(f"tcp://{scheduler}", timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"no Dask scheduler answers at {scheduler}: {' '.join(str(error).split())[:200]}") from None
    try:
        width = sum(client.nthreads().values())
        if not width:
            raise SweepError(f"the Dask scheduler at {scheduler} has no workers; start some with dask worker")
        with executor_place(client.get_executor(pure=False, retries=ATTEMPTS), width, limit) as place:
            # a client that lost its scheduler for _PATIENCE closes, and leaves the futures made meanwhile as they are
            yield replace(place, alive=lambda: client.status != "closed")
    finally:
        client.close(timeout=1)


def make_batch(batch: Batch, limit: float, version: str) -> list[Outcome]:
    """Make the runs of a batch in a worker of an executor. Raises ModelMismatchError where the model is another."""
    if model_version() != version:
        raise ModelMismatchError(f"a worker has the model {model_version()}, this sweep is of {version}; install that")
    return _make(_crew(), batch, limit)


@cache
def _crew() -> Crew:
    """The children of this process of an executor; they stay from batch to batch."""
    return Crew(_IDLE)


def _make(crew: Crew, batch: Sequence[Job], limit: float) -> list[Outcome]:
    return [_attempt(crew, job, limit) for job in batch]


def _attempt(crew: Crew, job: Job, limit: float) -> Outcome:
    """Make one run; whatever happens to it becomes its outcome."""
    started = time.perf_counter()
    answer: Any = Failure("was not tried", kind="died")
    for _ in range(ATTEMPTS):
        answer = crew.call(simulate, job, _silent, limit)
        if not isinstance(answer, Failure) or answer.kind != "died":
            break
    if isinstance(answer, Outcome):
        return answer
    return failed(job.index, answer, time.perf_counter() - started)


def _silent(content: object) -> None:
    del content
