"""The sweep folder: what is safe on disk, and the order in which it gets there.

A run that ends is kept at once in a file of its own (`spool/`). When all runs of a shard have ended their tables are
written, in the order of the sweep, as one Parquet file for each table; then the ledger gets its row; then the files of
the runs go. So the bytes of a shard do not depend on who finished first, and whatever moment a kill picks, a run that
ended is either in the spool or in a shard that the ledger vouches for by hash. Both name the sweep they belong to
(`sweep_id`), so no other plan takes them for its own, whatever the manifest says, and a damaged manifest costs nothing.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim.records import REPLICATION_COLUMN, Column
from sim.runs.folder import (
    MANIFEST,
    FolderError,
    arrow_schema,
    is_temporary,
    locked,
    refuse_foreign,
    write_bytes,
    write_json,
    write_parquet,
)
from sim.runs.results import now, provenance
from sim.sweep.identity import model_version, sweep_id
from sim.sweep.jobs import Outcome, read_stream, table_schema, table_stream
from sim.sweep.ledger import (
    LEDGER,
    Part,
    RunRow,
    ShardRow,
    append,
    digest,
    lacking,
    ledger_rows,
    part_file,
    read_ledger,
)
from sim.sweep.manifest import KIND, MENDS, PREPARING, DamagedError, read_manifest
from sim.sweep.plan import difference
from sim.sweep.work import RUNS, SHARD_RUNS, Work, read_work, write_work

SPOOL = "spool"
PENDING = "pending"
_SPOOLED = re.compile(r"(\d{9})-([0-9a-f]{16})\.run")  # index of the run, sweep it belongs to
_SHOWN = 2  # differences named when a changed plan is refused

POINT_COLUMN = Column("point", "-", "point of the sweep: its row in points.parquet", "count")
RUN_COLUMNS: tuple[Column, ...] = (
    Column("run_id", "-", "hash of resolved scenario, seed, span and model version: the same for the same run", "text"),
    POINT_COLUMN,
    Column("replication", "-", "number of the replication, the same at every point", "count"),
    Column("seed", "-", "seed of the run; the replication under common random numbers", "count"),
    Column("status", "-", "ok, failed (it raised), timeout, died (its process did) or pending", "text"),
    Column("error", "-", "why it gave no result; empty for one that did", "text"),
    Column("seconds", "s", "wall time; 0 where the result was taken from a run with the same run_id"),
    Column("trace", "-", "where it raised or hung", "text"),
    Column("command", "-", "the command line that makes the run again, alone, typed in the sweep's folder", "text"),
)


class SweepError(RuntimeError):
    """The sweep cannot go on; the message says why and what to do, in one to three lines."""


class ChangedError(SweepError):
    """The folder holds a sweep of another plan or another version of the model."""


class Store:
    """The right to write a sweep folder, held while its runs are made (use with `with`).

    Entering refuses what is not ours, a second writer and a sweep of another plan or model; it finds by hash what is
    safe and drops the rest. `notes` says what was found damaged. Raises SweepError, FolderError and OSError.
    """

    def __init__(self, path: Path, work: Work | None, command: Sequence[str] = ()) -> None:
        self.path = path
        self.notes: list[str] = []
        self._given = work
        self._command = list(command)
        self._exit = ExitStack()
        self._manifest: dict[str, Any] = {}
        self._in_session = False

    def __enter__(self) -> Store:
        self._refuse_foreign()
        self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.enter_context(locked(self.path, "sweep"))
            if self._given is None:
                self._take_up()
                self._find()
            else:
                self._begin(self._given)
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.__exit__(kind, error, trace)

    # ---- what there is ----

    def _refuse_foreign(self) -> None:
        """Raise FolderError for a folder that is not a sweep's; one with results is, whatever its manifest says."""
        if self._given is not None and any(_sweeps_in(self.path)):
            return
        try:
            read_manifest(self.path)
        except FolderError as error:
            if self._given is None:
                raise
            if isinstance(error, DamagedError):
                raise FolderError(f"{error.damage}, and no run has ended there; choose another folder") from None
            refuse_foreign(self.path, KIND)

    def _take_up(self) -> None:
        """Open the sweep that stands here, from its folder alone."""
        manifest = read_manifest(self.path)
        if manifest["status"] == PREPARING:
            raise SweepError(f"{self.path}: the sweep never began; start it with moatsim sweep PLAN --out")
        self._refuse_change(manifest, None)
        self._manifest = manifest
        self.work = _work_in(self.path, manifest)
        self.shard_runs: int = manifest["shard_runs"]
        self._sweep = self._name(self.work, self.shard_runs)
        if set(_sweeps_in(self.path)) - {self._sweep}:
            raise FolderError(f"{self.path / MANIFEST} and {LEDGER} are not of the same sweep; {MENDS}")

    def _begin(self, work: Work) -> None:
        """Open the sweep of a plan that stands here, or make the folder of a new one."""
        manifest = self._usable()
        there = set(_sweeps_in(self.path))
        sizes = [manifest["shard_runs"], SHARD_RUNS] if manifest else [SHARD_RUNS]
        self.shard_runs = next((size for size in sizes if self._name(work, size) in there), sizes[0])
        self._sweep = self._name(work, self.shard_runs)
        if manifest and self._sweep not in there:
            self._refuse_change(manifest, work)
        if there - {self._sweep}:
            raise ChangedError(
                f"{self.path} holds results of another plan or another version of the model, its {LEDGER} says;\n"
                "choose another folder with --out"
            )
        self.work = work
        self._prepare(manifest)

    def _usable(self) -> dict[str, Any]:
        """The manifest; empty of a new folder, or where the results alone say whose they are."""
        try:
            manifest = read_manifest(self.path)
        except FolderError as error:  # what is not ours was refused before
            if isinstance(error, DamagedError):
                self.notes.append(f"{error.damage}; it is written anew")
            return {}
        return {} if manifest["status"] == PREPARING else manifest

    def _prepare(self, manifest: Mapping[str, Any]) -> None:
        """Write down what the plan says, over whatever stood there, and find what is safe of its runs."""
        head = {"kind": KIND, "status": PREPARING, "title": self.work.title}
        if not manifest:
            write_json(self.path / MANIFEST, head)
        began = {**provenance(), "command": self._command, "started": now(), "sessions": []}
        found = write_work(self.work, self.path)
        about = {"shard_runs": self.shard_runs, "model_version": model_version()}
        self._manifest = {**head, **began, **manifest, **found, **about}
        self._find()
        if not manifest:
            self.refresh()
            self._write_manifest("running")

    def _refuse_change(self, manifest: Mapping[str, Any], work: Work | None) -> None:
        lines = difference(manifest["plan"], work.document) if work is not None else []
        if manifest["model_version"] != model_version():
            lines = [*lines, f"model: before {manifest['model_version']} -> now {model_version()}"]
        if lines:
            more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
            raise ChangedError(
                f"{self.path} holds a sweep that was begun otherwise: {'; '.join(lines[:_SHOWN])}{more};\n"
                "go back to what it began with, or choose another folder with --out"
            )

    @staticmethod
    def _name(work: Work, shard_runs: int) -> str:
        return sweep_id(work.hash, model_version(), shard_runs)

    def _find(self) -> None:
        """What is safe: shards whose files have their hashes, then sound files of the spool."""
        self._states: list[str | None] = [None] * len(self.work.runs)
        self._counts: Counter[str] = Counter()
        self._rows: dict[int, ShardRow] = {}
        self._drop_temporary()
        for shard, row in read_ledger(self.path, self._sweep).items():
            self._take_shard(shard, row)
        self._drop_strays()
        (self.path / SPOOL).mkdir(exist_ok=True)
        for path in sorted((self.path / SPOOL).glob("*.run")):
            self._take_spooled(path)
        for shard in range(self._shards):
            self._close_if_complete(shard)

    def _take_shard(self, shard: int, row: ShardRow) -> None:
        indices = self._indices(shard)
        damaged = [table for table, part in row.files.items() if digest(self._file(table, shard)) != part.sha256]
        if damaged or len(row.runs) != len(indices):
            where = self._file(damaged[0], shard) if damaged else self.path
            self.notes.append(f"{where} is damaged; its {len(indices)} runs are made again")
            # or whoever reads meanwhile would take them as made
            append(self.path, ShardRow(self._sweep, shard, open=True))
            return
        self._rows[shard] = ShardRow(self._sweep, shard, files=row.files)
        for index, run in zip(indices, row.runs, strict=True):
            self._set(index, run.status)

    def _take_spooled(self, path: Path) -> None:
        name = _SPOOLED.fullmatch(path.name)
        index = int(name[1]) if name else -1
        if not 0 <= index < len(self._states) or index // self.shard_runs in self._rows:
            path.unlink()
            return
        try:
            self._set(index, self._spooled(index).status)
        except ValueError:
            self.notes.append(f"{path} is damaged; its run is made again")
            path.unlink()

    def _drop_temporary(self) -> None:
        folders = [self.path, self.path / SPOOL, *(self.path / table for table in self.work.tables)]
        for path in [path for folder in folders if folder.is_dir() for path in folder.iterdir()]:
            if is_temporary(path):
                path.unlink(missing_ok=True)

    def _drop_strays(self) -> None:
        """Remove shards that no row vouches for: a reader would take them at their word."""
        for table in self.work.tables:
            kept = {self._file(table, shard) for shard, row in self._rows.items() if table in row.files}
            for path in set((self.path / table).glob("*.parquet")) - kept:
                path.unlink()

    # ---- questions ----

    @property
    def _shards(self) -> int:
        return -(-len(self.work.runs) // self.shard_runs)

    def missing(self) -> list[int]:
        """Indices of the runs that have not ended, in the order of the sweep."""
        return [index for index, state in enumerate(self._states) if state is None]

    def count(self, *states: str) -> int:
        """How many runs ended so; all that ended when none is named."""
        return sum(self._counts[state] for state in states) if states else self._counts.total()

    @property
    def failures(self) -> int:
        """Runs that ended without a result."""
        return self.count() - self.count("ok")

    @property
    def total(self) -> int:
        """How many runs the sweep has."""
        return len(self._states)

    def _set(self, index: int, state: str | None) -> None:
        before = self._states[index]
        if before is not None:
            self._counts[before] -= 1
        if state is not None:
            self._counts[state] += 1
        self._states[index] = state

    def outcome(self, index: int) -> Outcome | None:
        """What a run that ended well left behind, wherever it is kept; None for another."""
        if self._states[index] != "ok":
            return None
        shard = index // self.shard_runs
        if shard not in self._rows:
            return self._spooled(index)
        return next(found for found in self._read_shard(shard) if found.index == index)

    # ---- changes ----

    def session(self, workers: int | str) -> None:
        """Note that runs are made from now on, by how many."""
        entry = {"started": now(), "workers": workers, "ended_before": self.count(), "clock": time.time()}
        self._in_session = True
        self._manifest["sessions"] = [*self._manifest["sessions"], {**entry, "versions": provenance()["versions"]}]
        self._write_manifest("running")

    def record(self, outcome: Outcome) -> None:
        """Make the outcome of a run durable, and its shard when it was the last one missing."""
        if self._states[outcome.index] is not None:
            return
        write_bytes(self._spool_file(outcome.index), outcome.pack())
        self._set(outcome.index, outcome.status)
        self._close_if_complete(outcome.index // self.shard_runs)

    def reopen_failed(self) -> int:
        """Take the failed runs as not made; how many there are."""
        failed = [index for index, state in enumerate(self._states) if state not in (None, "ok")]
        for shard in sorted({index // self.shard_runs for index in failed} & set(self._rows)):
            for outcome in self._read_shard(shard):
                write_bytes(self._spool_file(outcome.index), outcome.pack())
            append(self.path, ShardRow(self._sweep, shard, open=True))
            del self._rows[shard]
        for index in failed:
            self._spool_file(index).unlink(missing_ok=True)
            self._set(index, None)
        return len(failed)

    def refresh(self) -> None:
        """Bring the table of runs up to date, for whoever reads the folder meanwhile."""
        self._write_runs(read_rows(self.path, self._manifest)[0])

    def finish(self, seconds: float) -> None:
        """Write down how far the sweep has come, after `seconds` of this session."""
        self.refresh()
        sessions = self._manifest["sessions"]
        if self._in_session:
            sessions[-1] = {**sessions[-1], "seconds": round(seconds, 3), "ended": now()}
        whole = self.count() == len(self._states)
        if whole:
            with suppress(OSError):  # somebody put something there
                (self.path / SPOOL).rmdir()
        self._write_manifest("interrupted" if not whole else "partial" if self.failures else "complete")

    # ---- shards ----

    def _close_if_complete(self, shard: int) -> None:
        indices = self._indices(shard)
        if shard in self._rows or any(self._states[index] is None for index in indices):
            return
        outcomes = [self._spooled(index) for index in indices]
        files = {}
        for table in self.work.tables:
            content = self._shard_bytes(table, outcomes)
            if content is not None:
                (self.path / table).mkdir(exist_ok=True)
                write_bytes(self._file(table, shard), content)
                files[table] = Part(len(content), hashlib.sha256(content).hexdigest())
        runs = tuple(map(row_of, outcomes))
        append(self.path, ShardRow(self._sweep, shard, runs, files))
        self._rows[shard] = ShardRow(self._sweep, shard, files=files)
        for index in indices:
            self._spool_file(index).unlink(missing_ok=True)

    def _shard_bytes(self, table: str, outcomes: Iterable[Outcome]) -> bytes | None:
        """The rows of a table as a Parquet file, those of one run after those of another; None without any run."""
        schema, runs = shard_schema(table), self.work.runs
        kept = [outcome for outcome in outcomes if table in outcome.tables]
        if not kept:
            return None
        batches: Iterator[pa.Table] = (
            placed(read_stream(x.tables[table]), (runs[x.index].point, runs[x.index].replication), schema) for x in kept
        )
        if table != "shares":  # a run has so many shares that it is worth a row group of its own, and memory for one
            batches = iter([pa.concat_tables(batches)])
        sink = io.BytesIO()
        labels = [field.name for field in schema if not pa.types.is_floating(field.type)]
        with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=labels) as writer:
            for batch in batches:
                writer.write_table(batch, row_group_size=max(1, batch.num_rows))
        return sink.getvalue()

    def _read_shard(self, shard: int) -> Iterator[Outcome]:
        """The outcomes of the runs of a closed shard that ended well."""
        rows = read_ledger(self.path, self._sweep)[shard]
        tables = {table: pq.read_table(self._file(table, shard)) for table in rows.files}
        for index, row in zip(self._indices(shard), rows.runs, strict=True):
            if row.status == "ok":
                found = {table: table_stream(self._of_run(content, index), table) for table, content in tables.items()}
                yield Outcome(index, "ok", row.seconds, tables=found)

    def _of_run(self, table: pa.Table, index: int) -> pa.Table:
        run = self.work.runs[index]
        here = pc.and_(pc.equal(table["point"], run.point), pc.equal(table["replication"], run.replication))
        return table.filter(here)

    # ---- files ----

    def _indices(self, shard: int) -> range:
        first = shard * self.shard_runs
        return range(first, min(first + self.shard_runs, len(self.work.runs)))

    def _file(self, table: str, shard: int) -> Path:
        return part_file(self.path, table, shard)

    def _spool_file(self, index: int) -> Path:
        return self.path / SPOOL / f"{index:09}-{self._sweep}.run"

    def _spooled(self, index: int) -> Outcome:
        found = Outcome.unpack(self._spool_file(index).read_bytes())
        if found.index != index:
            raise ValueError("the outcome of another run")
        return found

    def _write_manifest(self, status: str) -> None:
        self._manifest["status"] = status
        write_json(self.path / MANIFEST, self._manifest)

    def _write_runs(self, rows: Mapping[int, RunRow]) -> None:
        """The table of runs, by point and replication."""
        runs, ids = self.work.runs, self.work.ids
        order = sorted(range(len(runs)), key=lambda index: (runs[index].point, runs[index].replication))
        pending = RunRow(PENDING, float("nan"))
        found = [rows.get(index, pending) for index in order]
        columns = [
            [ids[index] for index in order],
            [runs[index].point for index in order],
            [runs[index].replication for index in order],
            [runs[index].seed for index in order],
            [row.status for row in found],
            [row.error for row in found],
            [row.seconds for row in found],
            [row.trace for row in found],
            [self.work.command(index) for index in order],
        ]
        schema = arrow_schema(RUN_COLUMNS, {})
        arrays = [pa.array(column, field.type, from_pandas=True) for column, field in zip(columns, schema, strict=True)]
        write_parquet(self.path / RUNS, schema, iter([pa.Table.from_arrays(arrays, schema=schema)]))


def named_by(manifest: Mapping[str, Any]) -> str:
    """The name under which the results of a manifest's sweep are found (see sim.sweep.identity.sweep_id)."""
    return sweep_id(manifest["plan_hash"], manifest["model_version"], manifest["shard_runs"])


def spooled(folder: Path, sweep: str) -> Iterator[Outcome]:
    """The sound outcomes of a sweep that are in no shard yet, by index; also while another process writes them."""
    for path in sorted((folder / SPOOL).glob(f"*-{sweep}.run")):
        try:
            yield Outcome.unpack(path.read_bytes())
        except (OSError, ValueError):  # it went into a shard just now, or is damaged
            continue


def row_of(outcome: Outcome) -> RunRow:
    """What the ledger says of a run."""
    return RunRow(outcome.status, outcome.seconds, outcome.error, outcome.trace)


def _sweeps_in(folder: Path) -> Iterator[str]:
    """The name of the sweep that each result in a folder belongs to: nothing in a new one, one name as a rule."""
    yield from (row.sweep for row in ledger_rows(folder))
    loose = (_SPOOLED.fullmatch(path.name) for path in (folder / SPOOL).glob("*.run"))
    yield from (name[2] for name in loose if name)


def _work_in(folder: Path, manifest: Mapping[str, Any]) -> Work:
    """The work of a sweep that was begun. Raises FolderError when its points do not make the runs that it lists."""
    try:
        work = read_work(folder, manifest)
        rows = pq.read_table(folder / RUNS, columns=["replication", "point", "run_id"]).to_pylist()
        names = [row["run_id"] for row in sorted(rows, key=lambda row: (row["replication"], row["point"]))]
        same = names == work.ids and len(names) == manifest["runs"]
    except FolderError as error:
        raise FolderError(f"{error}; {MENDS}") from None
    except (KeyError, IndexError, TypeError, ValueError):  # other columns, other points
        same = False
    if not same:
        raise FolderError(f"{folder} is damaged: its points and runs are not those it began with; {MENDS}")
    return work


def read_rows(folder: Path, manifest: Mapping[str, Any]) -> tuple[dict[int, RunRow], list[Path]]:
    """What became of each run that ended, by index, and files gone or of another size, whose runs have not ended.

    Also while another process writes the folder.
    """
    sweep = named_by(manifest)
    rows = {found.index: row_of(found) for found in spooled(folder, sweep)}  # first: runs move from here to the ledger
    lost = []
    for shard, row in read_ledger(folder, sweep).items():
        if gone := lacking(folder, row):
            lost.append(gone)
        else:
            rows.update(enumerate(row.runs, start=shard * manifest["shard_runs"]))
    return rows, lost


def shard_schema(table: str) -> pa.Schema:
    """The columns of a table of a sweep: point, replication and those of the run folder. Raises KeyError for none."""
    return pa.schema([*arrow_schema((POINT_COLUMN, REPLICATION_COLUMN), {}), *table_schema(table)])


def placed(rows: pa.Table, place: tuple[int, int], schema: pa.Schema) -> pa.Table:
    """The rows of a run with its place, point and replication, before them."""
    numbers = [pa.array(np.full(rows.num_rows, number, dtype=np.int64)) for number in place]
    return pa.Table.from_arrays([*numbers, *rows.columns], schema=schema)
