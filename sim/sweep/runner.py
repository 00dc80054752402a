"""`run_sweep(plan, folder)`: make the runs of a plan and keep them, to be broken off and taken up at any moment."""

from __future__ import annotations

import math
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sim.runs.workers import Failure, processors
from sim.sweep.estimate import default_time_limit, seconds_per_run
from sim.sweep.executors import (
    ATTEMPTS,
    DASK,
    Place,
    dask_package,
    dask_place,
    executor_place,
    local_place,
)
from sim.sweep.jobs import Outcome, failed
from sim.sweep.plan import Plan, load_plan
from sim.sweep.store import Store, SweepError
from sim.sweep.work import Work, work_of

_DASK_ADDRESS = re.compile(rf"{re.escape(DASK)}\S+:\d+")
_BATCH_SECONDS = 10.0  # of work in a batch for an executor: enough that its overhead does not count
_LONGEST_BATCH = 20  # runs
_RUNS_IN_FLIGHT = 400  # at most about so many outcomes wait in memory for the disk
_LOOK_SECONDS = 2.0  # between two looks at what `wait` is not told of: batches cancelled, a scheduler gone
_REFRESH_SECONDS = 30.0  # between two writes of the table of runs, at least
_REFRESH_COST = 50  # and so many times what a write takes


@dataclass(frozen=True)
class Progress:
    """How far a sweep is. done, failed: of all `total` runs; made: in this session, in `seconds`."""

    done: int
    failed: int
    total: int
    made: int
    seconds: float

    @property
    def rate(self) -> float:
        """Runs a second in this session."""
        return self.made / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the end at this rate; None before the first run."""
        return (self.total - self.done) / self.rate if self.made else None


@dataclass(frozen=True)
class SweepReport:
    """What came of a call. made: runs that ended in it; notes: what was found damaged, and remade."""

    path: Path
    total: int
    ok: int
    failed: int
    made: int
    seconds: float
    notes: tuple[str, ...]

    @property
    def status(self) -> str:
        """complete, or partial when some run has failed."""
        return "partial" if self.failed else "complete"


@dataclass(frozen=True)
class Means:
    """By what runs are made. executor: a concurrent.futures one or dask://HOST:PORT, else child interpreters;

    workers: how many at once (processors when None); time_limit: seconds a run may take (sim.sweep.estimate when None).
    """

    workers: int | None = None
    executor: Executor | str | None = None
    time_limit: float | None = None
    progress: Callable[[Progress], None] | None = None
    command: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers: at least 1 is needed, not {self.workers}")
        if self.time_limit is not None and not 0 < self.time_limit < math.inf:
            raise ValueError(f"time_limit: a number of seconds above 0 is needed, not {self.time_limit}")
        if isinstance(self.executor, str):
            if not _DASK_ADDRESS.fullmatch(self.executor):
                raise ValueError(f"executor: expected dask://HOST:PORT, not '{self.executor}'")
            dask_package()  # before a folder is touched

    def place(self, work: Work) -> AbstractContextManager[Place]:
        """Where the runs are made."""
        limit = self.time_limit or default_time_limit(work)
        if self.executor is None:
            return local_place(self.workers or processors(), limit)
        if isinstance(self.executor, str):
            return dask_place(self.executor, limit)
        return executor_place(self.executor, self.workers, limit)


def run_sweep(
    plan: Plan | str | Path,
    folder: str | Path,
    *,
    workers: int | None = None,
    executor: Executor | str | None = None,
    progress: Callable[[Progress], None] | None = None,
    time_limit: float | None = None,
    command: Sequence[str] = (),
) -> SweepReport:
    """Make all runs of a plan that the folder does not hold yet; the same call again takes up where this one ended.

    workers: processes (one per processor when None); executor: any of concurrent.futures, or "dask://HOST:PORT";
    progress: called after each run; time_limit: seconds after which a run counts as hanging. A run that fails is a row
    of runs.parquet and harms no other. Raises SweepError (a changed plan, another model), FolderError (somebody else's
    folder), FolderBusyError (a second writer) and OSError (a full disk), each naming the path.
    """
    means = Means(workers, executor, time_limit, progress, command)
    work = work_of(plan if isinstance(plan, Plan) else load_plan(plan))
    with Store(Path(folder), work, command) as store:
        return _carry_out(store, means)


def retry_sweep(
    folder: str | Path,
    *,
    workers: int | None = None,
    executor: Executor | str | None = None,
    progress: Callable[[Progress], None] | None = None,
    time_limit: float | None = None,
) -> SweepReport:
    """Make the failed runs of a sweep again (and those not made yet), from its folder alone. Raises as `run_sweep`."""
    means = Means(workers, executor, time_limit, progress)
    with Store(Path(folder), None) as store:
        store.reopen_failed()
        return _carry_out(store, means)


def _carry_out(store: Store, means: Means) -> SweepReport:
    """Make what is missing; on an interrupt leave everything as it is safe on disk."""
    started = time.perf_counter()
    before = store.count()
    missing = store.missing()
    try:
        if missing:
            with means.place(store.work) as place:
                store.session(place.width)
                _Driver(store, place, means).drive(missing)
    except OSError:  # a full disk: nothing more can be written
        raise
    except BaseException:
        with suppress(OSError):
            store.finish(time.perf_counter() - started)
        raise
    seconds = time.perf_counter() - started
    store.finish(seconds)
    made = store.count() - before
    return SweepReport(
        store.path, store.total, store.count("ok"), store.failures, made, round(seconds, 3), tuple(store.notes)
    )


class _Driver:
    """Sends runs out, takes outcomes in and hands them to the store. Few are under way at a time: memory stays flat."""

    def __init__(self, store: Store, place: Place, means: Means) -> None:
        self._store = store
        self._place = place
        self._means = means
        self._started = time.perf_counter()
        self._before = store.count()
        self._refreshed, self._refresh_cost = self._started, 0.0
        self._losses: Counter[int] = Counter()
        self._copies: dict[int, list[int]] = {}
        self._queue: deque[tuple[int, ...]] = deque()

    def drive(self, missing: Sequence[int]) -> None:
        """Make these runs."""
        self._queue.extend(self._batches(self._first_of_each(missing)))
        under_way: dict[Future[list[Outcome]], tuple[int, ...]] = {}
        try:
            while self._queue or under_way:
                self._send(under_way)
                wait(under_way, _LOOK_SECONDS, FIRST_COMPLETED)
                if not self._place.alive():
                    raise self._ended("the scheduler is gone")
                for future in [future for future in under_way if future.done()]:
                    self._take(future, under_way.pop(future))
                self._refresh()
        finally:
            for future in under_way if self._place.alive() else ():
                future.cancel()

    def _first_of_each(self, missing: Sequence[int]) -> list[int]:
        """The runs to make: one of those that have the same name, and none whose result is there already."""
        ids = self._store.work.ids
        groups: defaultdict[str, list[int]] = defaultdict(list)
        for index in missing:
            groups[ids[index]].append(index)
        lacking = set(missing)
        for index, name in enumerate(ids):
            if name in groups and index not in lacking:
                outcome = self._store.outcome(index)
                if outcome is not None:
                    self._record_copies(outcome, groups.pop(name))
        self._copies = {first: rest for first, *rest in groups.values() if rest}
        return [group[0] for group in groups.values()]

    def _batches(self, indices: Sequence[int]) -> Iterator[tuple[int, ...]]:
        length = 1
        if not self._place.own:
            by_time = int(_BATCH_SECONDS / seconds_per_run(self._store.work))
            by_memory = _RUNS_IN_FLIGHT // (2 * self._place.width)
            by_share = len(indices) // (4 * self._place.width)  # so that all end at about the same time
            length = max(1, min(_LONGEST_BATCH, by_time, by_memory, by_share))
        for start in range(0, len(indices), length):
            yield tuple(indices[start : start + length])

    def _send(self, under_way: dict[Future[list[Outcome]], tuple[int, ...]]) -> None:
        while self._queue and len(under_way) < 2 * self._place.width + 1:
            batch = self._queue.popleft()
            jobs = tuple(self._store.work.job(index) for index in batch)
            try:
                future = self._place.submit(jobs)
            except Exception as error:  # a broken pool, a client whose scheduler is gone: each has its own
                raise self._ended(_words(error)) from None
            under_way[future] = batch

    def _ended(self, why: str) -> SweepError:
        return SweepError(
            f"the executor takes no more runs ({why}); what is done is safe in {self._store.path}, "
            "the same command goes on from there"
        )

    def _take(self, future: Future[list[Outcome]], batch: tuple[int, ...]) -> None:
        try:
            outcomes = future.result()
        except SweepError:
            raise
        except (ImportError, AttributeError) as error:
            raise SweepError(f"a worker cannot make runs; install this moatsim there ({_words(error)})") from None
        except (Exception, CancelledError) as error:
            self._lost(batch, error)
            return
        for outcome in outcomes:
            self._store.record(outcome)
            self._record_copies(outcome, self._copies.pop(outcome.index, []))
            self._tell()

    def _record_copies(self, outcome: Outcome, indices: Sequence[int]) -> None:
        for index in indices:
            self._store.record(replace(outcome, index=index, seconds=0.0))

    def _lost(self, batch: tuple[int, ...], error: BaseException) -> None:
        """The executor lost a batch: its runs go again, one by one, and one that is lost time and again has died."""
        for index in batch:
            self._losses[index] += 1
            if len(batch) == 1 and self._losses[index] >= ATTEMPTS:
                outcome = failed(index, Failure(f"its worker was lost: {_words(error)}", kind="died"), 0.0)
                self._store.record(outcome)
                self._record_copies(outcome, self._copies.pop(index, []))
                self._tell()
            else:
                self._queue.appendleft((index,))

    def _tell(self) -> None:
        if self._means.progress is not None:
            store = self._store
            done, seconds = store.count(), time.perf_counter() - self._started
            self._means.progress(Progress(done, store.failures, store.total, done - self._before, seconds))

    def _refresh(self) -> None:
        started = time.perf_counter()
        if started - self._refreshed > max(_REFRESH_SECONDS, _REFRESH_COST * self._refresh_cost):
            self._store.refresh()
            self._refreshed = time.perf_counter()
            self._refresh_cost = self._refreshed - started


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
