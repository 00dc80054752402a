"""`run(scenario, seed)` -> Run: simulate one or several seeds of a scenario and keep what they leave behind."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from sim.market import Market
from sim.parameters import RunSettings
from sim.quarters import quarter_label, quarter_number
from sim.records import LENSES, POPULATIONS, REPLICATION_COLUMN, Records
from sim.runs.results import TABLES, Run, RunInfo, ShareCube
from sim.runs.workers import Failure, Tick, describe_failure, map_tasks
from sim.scenario import Scenario, require_scenario
from sim.streams import checked_seed
from sim.threads import undisturbed

LONGEST_RUN = 400  # quarters

Progress = Callable[[int, str], None]
"""Called with (seed, quarter) after each simulated quarter; from other threads when there are several workers."""


class RunError(RuntimeError):
    """No seed finished."""


@dataclass(frozen=True)
class _Job:
    """One replication, as it travels to a worker."""

    market: type[Market]
    scenario: Scenario
    seed: int
    enterprises: int
    quarters: tuple[str, ...]


def _simulate(job: _Job, tick: Tick) -> Records:
    """Run one replication to its last quarter."""
    market = job.market(job.scenario, seed=job.seed, enterprises=job.enterprises, until=job.quarters[-1])
    with undisturbed():  # between quarters too
        for quarter in job.quarters:
            market.step()
            tick((job.seed, quarter))
    records: Records = market.records
    return records


def settings(scenario: Scenario, until: str | None = None, enterprises: int | None = None) -> RunSettings:
    """The scenario's length and size with what the caller changes. Raises ValueError saying what is wrong."""
    given = {"until": until, "enterprises": enterprises}
    changes = {name: value for name, value in given.items() if value is not None}
    try:
        result = RunSettings.model_validate({**scenario.parameters.run.model_dump(), **changes})
    except ValidationError as error:
        first = error.errors()[0]
        what = "write a quarter such as 2032Q4" if first["loc"] == ("until",) else first["msg"].lower()
        raise ValueError(f"{first['loc'][0]}: {what}, not {first['input']!r}") from None
    length = quarter_number(result.until) - quarter_number(result.first_quarter) + 1
    if length < 1:
        raise ValueError(f"until: {result.until} is before the scenario's first quarter {result.first_quarter}")
    if length > LONGEST_RUN:
        raise ValueError(f"until: {result.until} makes {length} quarters, at most {LONGEST_RUN} are possible")
    return result


def _quarters(span: RunSettings) -> tuple[str, ...]:
    return tuple(map(quarter_label, range(quarter_number(span.first_quarter), quarter_number(span.until) + 1)))


def _seed_list(seed: int | None, seeds: Iterable[int] | None) -> tuple[int, ...]:
    """The seeds asked for; 1 when nothing is said. Raises ValueError for none, twice the same, or what is no seed."""
    if seed is not None and seeds is not None:
        raise ValueError("give either seed or seeds")
    if seeds is None:
        chosen: tuple[int, ...] = (1 if seed is None else checked_seed(seed),)
    else:
        chosen = tuple(map(checked_seed, seeds))
    if not chosen:
        raise ValueError("seeds: at least one is needed")
    if len(set(chosen)) < len(chosen):
        raise ValueError("seeds: one of them stands there twice")
    return chosen


def run(
    scenario: Scenario,
    seed: int | None = None,
    *,
    seeds: Iterable[int] | None = None,
    workers: int = 1,
    until: str | None = None,
    enterprises: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Simulate a scenario with one seed (1 unless said otherwise) or several; the result does not depend on `workers`.

    until: last quarter, such as 2032Q4; enterprises: how many are simulated; both else as the scenario says.
    A seed that fails is left out, named in `Run.failures` and in a warning. Raises ValueError for arguments that make
    no sense, TypeError for what is no scenario and RunError when every seed failed.
    """
    require_scenario(scenario)
    chosen = _seed_list(seed, seeds)
    if workers < 1:
        raise ValueError(f"workers: at least 1 is needed, not {workers}")
    span = settings(scenario, until, enterprises)
    quarters = _quarters(span)
    started = time.perf_counter()
    jobs = [_Job(Market, scenario, each, span.enterprises, quarters) for each in chosen]
    outcomes = _outcomes(jobs, min(workers, len(jobs)), progress)
    kept = [(each, outcome) for each in chosen if isinstance(outcome := outcomes[each], Records)]
    failures = {each: outcome for each in chosen if isinstance(outcome := outcomes[each], Failure)}
    if not kept:
        raise RunError(f"no seed finished; seed {chosen[0]}: {failures[chosen[0]].reason}\n{failures[chosen[0]].trace}")
    if failures:
        warnings.warn(f"{len(failures)} of {len(chosen)} seeds failed: {', '.join(map(str, failures))}", stacklevel=2)
    info = RunInfo(
        enterprises=span.enterprises,
        workers=workers,
        wall_time_seconds=time.perf_counter() - started,
        failures={each: failure.reason for each, failure in failures.items()},
    )
    return _assemble(scenario, kept, info)


def _outcomes(jobs: Sequence[_Job], workers: int, progress: Progress | None) -> dict[int, Records | Failure]:
    """What each seed left behind, here or in worker processes."""

    def tick(content: Any) -> None:
        if progress is not None:
            progress(*content)

    if workers > 1:
        return {jobs[position].seed: outcome for position, outcome in map_tasks(_simulate, jobs, workers, tick)}
    found: dict[int, Records | Failure] = {}
    for job in jobs:
        try:
            found[job.seed] = _simulate(job, tick)
        except Exception as error:  # whatever goes wrong with one seed must not cost the others
            found[job.seed] = describe_failure(error)
    return found


def _assemble(scenario: Scenario, kept: Sequence[tuple[int, Records]], info: RunInfo) -> Run:
    """The tables of all seeds under one another, in order of the seeds."""
    seeds = tuple(seed for seed, _ in kept)
    per_seed = [records.tables() for _, records in kept]
    tables = {name: _stacked(seeds, [tables[name] for tables in per_seed]) for name in TABLES}
    first = kept[0][1]
    values = np.stack([records.shares for _, records in kept])
    cube = ShareCube(values, first.quarters[: values.shape[1]], tuple(POPULATIONS), LENSES, first.keys)
    return Run(scenario, seeds, tables, cube, info)


def _stacked(seeds: Sequence[int], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    stacked = pd.concat(frames, ignore_index=True)
    replication = np.repeat(np.array(seeds, dtype=np.int64), [len(frame) for frame in frames])
    stacked.insert(0, REPLICATION_COLUMN.name, replication)
    return stacked
