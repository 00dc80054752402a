"""What a sweep folder holds at one moment, also while another process writes it: outcomes of runs, and their tables.

Only what the ledger vouches for and what stands sound in the spool is taken; every run counts once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from sim.runs.folder import is_temporary
from sim.sweep.jobs import Outcome, read_stream
from sim.sweep.ledger import RunRow, ShardRow, read_ledger
from sim.sweep.store import SPOOL, placed, shard_schema

_LOOKS = 5  # at a folder whose ledger grows meanwhile


@dataclass(frozen=True)
class Snapshot:
    """A folder at one moment. rows: what became of each run that ended, by index; files: shards, by table.

    loose: outcomes that are in no shard yet, kept in memory, because the writer takes their files away.
    """

    rows: Mapping[int, RunRow]
    files: Mapping[str, Sequence[Path]]
    loose: Sequence[Outcome] = field(repr=False)

    def dataset(self, table: str, places: Sequence[tuple[int, int]]) -> ds.Dataset:
        """A table of all runs, lazily. places: point and replication of each run, by index."""
        schema = shard_schema(table)
        whole = ds.dataset([str(path) for path in self.files.get(table, ())], schema=schema, format="parquet")
        loose = [
            placed(read_stream(outcome.tables[table]), places[outcome.index], schema)
            for outcome in self.loose
            if table in outcome.tables
        ]
        return ds.dataset([whole, ds.dataset(pa.concat_tables(loose))]) if loose else whole


def take_snapshot(folder: Path, manifest: Mapping[str, Any]) -> Snapshot:
    """What the folder holds now. A run that moves from the spool to a shard meanwhile is seen in one of them."""
    for _ in range(_LOOKS):
        before = read_ledger(folder)
        loose = list(_spooled(folder / SPOOL))
        ledger = read_ledger(folder)
        if ledger.keys() == before.keys():
            break
    size = manifest["shard_runs"]
    loose = [outcome for outcome in loose if outcome.index // size not in ledger]
    rows = {outcome.index: RunRow(outcome.status, outcome.seconds, outcome.error, outcome.trace) for outcome in loose}
    for shard, row in ledger.items():
        rows.update(enumerate(row.runs, start=shard * size))
    files = {table: list(_shard_files(folder / table, table, ledger)) for table in manifest["tables"]}
    return Snapshot(rows, files, loose)


def _spooled(spool: Path) -> Iterator[Outcome]:
    """The outcomes in the spool that are sound."""
    for path in sorted(spool.glob("*")):
        if is_temporary(path):
            continue
        try:
            yield Outcome.unpack(path.read_bytes())
        except (OSError, ValueError):  # it went into a shard just now, or is damaged
            continue


def _shard_files(folder: Path, table: str, ledger: Mapping[int, ShardRow]) -> Iterator[Path]:
    """The files of a table that the ledger vouches for, in the order of the sweep."""
    for path in sorted(folder.glob("*.parquet")):
        number = path.stem.rpartition("-")[2]
        row = ledger.get(int(number)) if number.isdecimal() else None
        if row is not None and table in row.files:
            yield path
