"""What a sweep folder holds at one moment, also while another process writes it: outcomes of runs, and their tables.

Only what the ledger vouches for and what stands sound in the spool is taken; every run counts once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from sim.runs.folder import FolderError
from sim.sweep.jobs import Outcome, read_stream
from sim.sweep.ledger import RunRow, digest, lacking, part_file, read_ledger
from sim.sweep.manifest import MENDS
from sim.sweep.store import named_by, placed, row_of, shard_schema, spooled

_LOOKS = 5  # at a folder that changes meanwhile


@dataclass(frozen=True)
class Snapshot:
    """A folder at one moment. rows: what became of each run that ended, by index; files: SHA-256 of shards, by table.

    loose: outcomes that are in no shard yet, kept in memory, because the writer takes their files away.
    """

    rows: Mapping[int, RunRow]
    files: Mapping[str, Mapping[Path, str]]
    loose: Sequence[Outcome] = field(repr=False)

    def dataset(self, table: str, places: Sequence[tuple[int, int]]) -> ds.Dataset:
        """A table of all runs, lazily. places: point and replication of each run, by index."""
        schema = shard_schema(table)
        whole = ds.dataset([str(path) for path in self.files[table]], schema=schema, format="parquet")
        loose = [
            placed(read_stream(outcome.tables[table]), places[outcome.index], schema)
            for outcome in self.loose
            if table in outcome.tables
        ]
        return ds.dataset([whole, ds.dataset(pa.concat_tables(loose))]) if loose else whole

    def refuse_damaged(self, table: str) -> None:
        """Raise FolderError, which names the file, when a shard of a table has not the bytes it was written with."""
        for path, sha256 in self.files[table].items():
            if digest(path) != sha256:
                raise _damaged(path)


def take_snapshot(folder: Path, manifest: Mapping[str, Any]) -> Snapshot:
    """What the folder holds now. A run that moves from the spool to a shard meanwhile is seen in one of them.

    Raises FolderError when a shard is gone or cut short.
    """
    sweep, size = named_by(manifest), manifest["shard_runs"]
    for _ in range(_LOOKS):
        before = read_ledger(folder, sweep)
        loose = list(spooled(folder, sweep))
        ledger = read_ledger(folder, sweep)
        lost = next((path for row in ledger.values() if (path := lacking(folder, row))), None)
        if ledger.keys() == before.keys() and lost is None:
            break
    if lost is not None:
        raise _damaged(lost)
    loose = [outcome for outcome in loose if outcome.index // size not in ledger]
    rows = {outcome.index: row_of(outcome) for outcome in loose}
    for shard, row in ledger.items():
        rows.update(enumerate(row.runs, start=shard * size))
    files = {
        table: {
            part_file(folder, table, n): row.files[table].sha256
            for n, row in sorted(ledger.items())
            if table in row.files
        }
        for table in manifest["tables"]
    }
    return Snapshot(rows, files, loose)


def _damaged(path: Path) -> FolderError:
    return FolderError(f"{path} is damaged or gone; {MENDS}")
