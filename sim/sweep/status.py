"""How far a sweep is, from its folder alone, also while another process writes it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.runs.folder import FolderError, holder
from sim.sweep.manifest import PREPARING, read_manifest
from sim.sweep.store import read_rows


@dataclass(frozen=True)
class Failed:
    """A run that gave no result: its index in the sweep, status and error."""

    index: int
    status: str
    error: str


@dataclass(frozen=True)
class SweepStatus:
    """How far a sweep is.

    status: running, interrupted (also when its process was killed or tables are gone), partial (some failed) or
    complete, by what the folder holds rather than by what its manifest says; counts: of the runs that ended, by status;
    rate: runs a second of this session or the last; left: seconds until the end at that
    rate, None when nothing runs or nothing ended yet; writer: the process at work; failures: the first few; lost: files
    of tables that are gone or of another size (the first of each shard), whose runs the same command makes again.
    """

    path: Path
    title: str
    status: str
    total: int
    counts: Mapping[str, int]
    rate: float | None
    left: float | None
    writer: str | None
    failures: tuple[Failed, ...]
    lost: tuple[Path, ...]

    @property
    def done(self) -> int:
        """Runs that ended."""
        return sum(self.counts.values())

    @property
    def failed(self) -> int:
        """Runs that ended without a result."""
        return self.done - self.counts.get("ok", 0)


def sweep_status(folder: str | Path, shown: int = 5) -> SweepStatus:
    """Read how far the sweep of a folder is, with its first `shown` failures. Raises FolderError when it is none.

    A run has ended when its tables are there, with the size they were written with; their bytes are not read.
    """
    path = Path(folder)
    manifest = read_manifest(path)
    writer = holder(path)
    if manifest["status"] == PREPARING:
        raise FolderError(f"{path}: the sweep has not begun yet")
    rows, lost = read_rows(path, manifest)
    failures = [Failed(index, row.status, row.error) for index, row in sorted(rows.items()) if row.status != "ok"]
    if len(rows) == manifest["runs"] and manifest["status"] in ("complete", "partial"):
        status = "partial" if failures else "complete"
    else:
        status = "interrupted" if writer is None else "running"
    rate = _rate(manifest["sessions"], len(rows), running=writer is not None)
    left = (manifest["runs"] - len(rows)) / rate if rate and writer is not None else None
    return SweepStatus(
        path=path,
        title=manifest["title"],
        status=status,
        total=manifest["runs"],
        counts=dict(Counter(row.status for row in rows.values())),
        rate=rate,
        left=left,
        writer=writer,
        failures=tuple(failures[:shown]),
        lost=tuple(lost),
    )


def _rate(sessions: list[dict[str, float]], done: int, running: bool) -> float | None:
    """Runs a second of the last session; None when it is not known."""
    if not sessions:
        return None
    last = sessions[-1]
    seconds = time.time() - last["clock"] if running else last.get("seconds", 0.0)
    made = done - last["ended_before"]
    return made / seconds if seconds > 0 and made > 0 else None
