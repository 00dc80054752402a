"""What a sweep has to do, taken from a plan or from the folder of a sweep that was begun: points, runs, their names."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.market import Market
from sim.runs.folder import FolderError, write_parquet, write_text
from sim.scenario import SHIPPED, Scenario, ScenarioError, load_scenario
from sim.sweep.identity import Fingerprint, model_version, run_id
from sim.sweep.jobs import Job, Study, pack_scenario
from sim.sweep.plan import Plan, Replicate

POINTS = "points.parquet"
RUNS = "runs.parquet"
SCENARIOS = "scenarios"
SHARD_RUNS = 50  # runs whose tables share a file


@dataclass(frozen=True)
class Setting:
    """One point: the scenario's name in the plan and the values laid over it."""

    scenario: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Work:
    """All points and runs of a sweep. document, hash: of the plan; bases: scenarios by their name in the plan.

    runs stand in the order in which they are made: the first replication of every point, then the second, so that a
    sweep cut short has something of each point. A run's index is its place in it.
    """

    title: str
    document: Mapping[str, Any]
    hash: str
    bases: Mapping[str, Scenario]
    points: Sequence[Setting]
    runs: Sequence[Replicate]
    until: str
    enterprises: int | None
    tables: tuple[str, ...]
    market: type[Market] = field(repr=False)

    @cached_property
    def ids(self) -> list[str]:
        """The name of each run (see sim.sweep.identity), by index."""
        prints = {name: Fingerprint(base) for name, base in self.bases.items()}
        hashes = [prints[point.scenario].of(point.values) for point in self.points]
        span, version = (self.until, self.enterprises), model_version()
        return [run_id(hashes[run.point], run.seed, span, version) for run in self.runs]

    @cached_property
    def _studies(self) -> dict[str, Study]:
        return {
            name: Study(self.market, pack_scenario(base), self.until, self.enterprises, self.tables)
            for name, base in self.bases.items()
        }

    def job(self, index: int) -> Job:
        """The run of that index, ready to be sent to a worker."""
        run = self.runs[index]
        point = self.points[run.point]
        return Job(index, self._studies[point.scenario], tuple(point.values.items()), run.seed)

    @cached_property
    def files(self) -> dict[str, str]:
        """Where the sweep folder keeps each scenario, by its name in the plan."""
        bases = self.bases.items()
        return {name: f"{SCENARIOS}/{number:02}-{base.name}.toml" for number, (name, base) in enumerate(bases)}

    @cached_property
    def _shipped(self) -> frozenset[str]:
        return frozenset(path.stem for path in SHIPPED.glob("*.toml"))

    def command(self, index: int) -> str:
        """The command line that makes the run of that index again, alone.

        A file of the user's is named as the sweep keeps it, so such a line is for the sweep's folder.
        """
        run = self.runs[index]
        point = self.points[run.point]
        changes = [part for key, value in point.values.items() for part in ("--set", f"{key}={json.dumps(value)}")]
        size = [] if self.enterprises is None else ["--enterprises", str(self.enterprises)]
        scenario = point.scenario if point.scenario in self._shipped else self.files[point.scenario]
        words = ["moatsim", "run", scenario, *changes, "--seed", str(run.seed), "--replications", "1"]
        return shlex.join([*words, "--until", self.until, *size])


def work_of(plan: Plan) -> Work:
    """What a plan asks for."""
    runs = sorted(plan.runs(), key=lambda run: (run.replication, run.point))
    return Work(
        title=plan.title,
        document=plan.document(),
        hash=plan.hash,
        bases=dict(plan.bases),
        points=[Setting(point.scenario, dict(point.values)) for point in plan.points],
        runs=runs,
        until=plan.until,
        enterprises=plan.enterprises,
        tables=plan.tables,
        market=Market,
    )


def write_work(work: Work, folder: Path) -> dict[str, Any]:
    """Write points and base scenarios; what the manifest says of the work, from which `read_work` finds it again."""
    (folder / SCENARIOS).mkdir(exist_ok=True)
    scenarios = {}
    for name, base in work.bases.items():
        write_text(folder / work.files[name], base.to_toml())
        scenarios[name] = {"hash": base.hash, "file": work.files[name]}
    table = _points_table(work.points)
    write_parquet(folder / POINTS, table.schema, iter([table]))
    return {
        "title": work.title,
        "plan": dict(work.document),
        "plan_hash": work.hash,
        "scenarios": scenarios,
        "points": len(work.points),
        "runs": len(work.runs),
        "until": work.until,
        "enterprises": work.enterprises,
        "tables": list(work.tables),
    }


def _points_table(points: Sequence[Setting]) -> pa.Table:
    """point, scenario, a column for each factor (null where a point leaves the scenario's value)."""
    keys = dict.fromkeys(key for point in points for key in point.values)
    columns: dict[str, Any] = {
        "point": pa.array(np.arange(len(points), dtype=np.int64)),
        "scenario": pa.array([point.scenario for point in points], pa.string()),
    }
    return pa.table(columns | {key: pa.array([point.values.get(key) for point in points]) for key in keys})


def read_work(folder: Path, manifest: Mapping[str, Any]) -> Work:
    """The work of a sweep that was begun. Raises FolderError when the folder is damaged."""
    try:
        bases = {
            name: replace(load_scenario(folder / entry["file"]), name=Path(name).stem)
            for name, entry in manifest["scenarios"].items()
        }
        rows = pq.read_table(folder / POINTS).drop_columns("point").to_pylist()
        runs = pq.read_table(folder / RUNS, columns=["point", "replication", "seed"]).to_pylist()
    except (OSError, KeyError, ValueError, ScenarioError) as error:
        raise FolderError(f"{folder} is damaged: {' '.join(str(error).split())}") from None
    changed = [name for name, base in bases.items() if base.hash != manifest["scenarios"][name]["hash"]]
    if changed:
        file = folder / manifest["scenarios"][changed[0]]["file"]
        raise FolderError(f"{file} is not what the sweep began with: its values or the model have changed since")
    return Work(
        title=manifest["title"],
        document=manifest["plan"],
        hash=manifest["plan_hash"],
        bases=bases,
        points=[_setting(row) for row in rows],
        runs=sorted((Replicate(**row) for row in runs), key=lambda run: (run.replication, run.point)),
        until=manifest["until"],
        enterprises=manifest["enterprises"],
        tables=tuple(manifest["tables"]),
        market=Market,
    )


def _setting(row: Mapping[str, Any]) -> Setting:
    values = {key: value for key, value in row.items() if key != "scenario" and value is not None}
    return Setting(row["scenario"], values)
