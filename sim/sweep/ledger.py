"""The ledger of a sweep: one line for each shard of tables that is safe on disk, with the outcomes of its runs.

Lines are only ever added, each under its own check sum and with the name of the sweep it belongs to; of a shard that
was written again the last line counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LEDGER = "ledger.jsonl"
_CHECK = 16  # hexadecimal digits of the check sum before each line
_HASHED_AT_ONCE = 1 << 20  # bytes


@dataclass(frozen=True)
class RunRow:
    """What is known of a run that ended: status, wall time in seconds, error in one line and its trace."""

    status: str
    seconds: float = 0.0
    error: str = ""
    trace: str = ""


@dataclass(frozen=True)
class Part:
    """The file of a table of a shard: its bytes and their SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class ShardRow:
    """A line of the ledger. sweep: whose it is (sim.sweep.identity.sweep_id); runs: in the order of the sweep; files:
    by table; open: written again since.
    """

    sweep: str
    shard: int
    runs: tuple[RunRow, ...] = ()
    files: Mapping[str, Part] = field(default_factory=dict)
    open: bool = False

    def line(self) -> str:
        """The row as text, its check sum first."""
        text = json.dumps(asdict(self), separators=(",", ":"))
        return f"{_check(text)} {text}\n"

    @staticmethod
    def read(line: str) -> ShardRow | None:
        """The row of a line; None when the line is torn or damaged."""
        check, _, text = line.partition(" ")
        if not text.endswith("\n") or _check(text[:-1]) != check:
            return None
        content: dict[str, Any] = json.loads(text)
        runs = tuple(RunRow(**row) for row in content["runs"])
        return ShardRow(**{**content, "runs": runs, "files": {k: Part(**v) for k, v in content["files"].items()}})


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_CHECK]


def part_file(folder: Path, table: str, shard: int) -> Path:
    """Where the rows that a shard has in a table stand."""
    return folder / table / f"part-{shard:06}.parquet"


def lacking(folder: Path, row: ShardRow) -> Path | None:
    """The first file of a shard that is gone or has another size; None when all are there."""
    for table, part in row.files.items():
        path = part_file(folder, table, row.shard)
        try:
            if path.stat().st_size != part.size:
                return path
        except OSError:
            return path
    return None


def digest(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while content := file.read(_HASHED_AT_ONCE):
                found.update(content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.hexdigest()


def read_ledger(folder: Path, sweep: str) -> dict[int, ShardRow]:
    """The last sound row of each closed shard of that sweep. Lines torn or damaged count as never written."""
    rows: dict[int, ShardRow] = {}
    for row in ledger_rows(folder):
        if row.sweep != sweep:
            continue
        if row.open:
            rows.pop(row.shard, None)
        else:
            rows[row.shard] = row
    return rows


def ledger_rows(folder: Path) -> Iterator[ShardRow]:
    """Every sound row, of whatever sweep."""
    try:
        with (folder / LEDGER).open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line in file:
                row = ShardRow.read(line)
                if row is not None:
                    yield row
    except (FileNotFoundError, NotADirectoryError):
        return


def append(folder: Path, row: ShardRow) -> None:
    """Add a row and make it durable. On an error (a full disk) the ledger is as it was before."""
    path = folder / LEDGER
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        length = os.fstat(descriptor).st_size
        torn = length > 0 and os.pread(descriptor, 1, length - 1) != b"\n"
        try:
            _write_whole(descriptor, (("\n" if torn else "") + row.line()).encode())
            os.fsync(descriptor)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(descriptor, length)
            raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(descriptor)


def _write_whole(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
