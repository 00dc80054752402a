"""A run folder on disk: safe against crashes, against a second writer and against destroying what is not ours."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sim.records import Column, Kind

try:
    import fcntl
except ImportError:  # Windows has none; there the folder is not protected against a second writer
    fcntl = None  # type: ignore[assignment]

MANIFEST = "manifest.json"
RESOLVED = "scenario.resolved.toml"
SUMMARY = "summary.json"
FIGURES = "figures"
KIND = "moatsim run"
_LOCK = ".lock"

_ARROW_TYPES: dict[Kind, pa.DataType] = {"number": pa.float64(), "count": pa.int64(), "text": pa.string()}


class FolderError(OSError):
    """The folder cannot be used: it holds something else, or it is not a finished run folder."""


class FolderBusyError(FolderError):
    """Another process is writing the folder."""


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, make it durable, then put it in place in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # a full disk, say, names no file by itself
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON document in one step; NaN and infinity are refused because JSON has neither."""
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step."""
    write_atomic(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def arrow_schema(columns: tuple[Column, ...], metadata: dict[str, str]) -> pa.Schema:
    """The Arrow schema of a table: each column carries its unit and meaning."""
    fields = [pa.field(c.name, _ARROW_TYPES[c.kind], metadata={"unit": c.unit, "meaning": c.meaning}) for c in columns]
    return pa.schema(fields, metadata=metadata)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step."""
    write_atomic(path, lambda temporary: _write_bytes(temporary, content))


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def write_parquet(path: Path, schema: pa.Schema, batches: Iterator[pa.Table]) -> None:
    """Write the batches, one row group each, as one Parquet file in one step."""

    def write(temporary: Path) -> None:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(batch)

    write_atomic(path, write)


def read_manifest(folder: Path, kind: str = KIND) -> dict[str, Any]:
    """The manifest of a folder of that kind. Raises FolderError when there is none of ours."""
    what = f"{kind.split()[-1]} folder"
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FolderError(f"{folder} is not a {what}: it has no {MANIFEST}") from None
    except NotADirectoryError:
        raise FolderError(f"{folder} is a file; name the folder that {kind} wrote") from None
    except (OSError, ValueError) as error:
        raise FolderError(f"{folder / MANIFEST} cannot be read: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        raise FolderError(f"{folder} is not a {what}: its {MANIFEST} was not written by {kind}")
    return manifest


def refuse_foreign(folder: Path, kind: str = KIND) -> None:
    """Raise FolderError unless the folder is absent, empty or one of ours of that kind."""
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir():
        raise FolderError(f"{folder} exists and is not a folder")
    if not any(entry.name != _LOCK and not is_temporary(entry) for entry in folder.iterdir()):
        return
    try:
        read_manifest(folder, kind)
    except FolderError:
        raise FolderError(f"{folder} holds other files and is left alone; choose another folder with --out") from None


def is_temporary(path: Path) -> bool:
    """Whether a file is what a killed process left of a write in one step."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


@contextmanager
def locked(folder: Path, what: str = "run") -> Iterator[None]:
    """Hold the folder's lock. Raises FolderBusyError naming the process that holds it; `what` is being written."""
    path = folder / _LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise FolderBusyError(f"{folder} is being written by another {what}{_of_process(path)}") from None
        # The holder before us removes the file on leaving; a lock on a removed file protects nothing.
        if path.exists() and os.path.samestat(os.fstat(descriptor), os.stat(path)):
            break
        os.close(descriptor)
    try:
        with suppress(OSError):  # a full disk: the lock holds without its holder's name
            os.truncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} on {platform.node()}".encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _of_process(lock: Path) -> str:
    """Who holds a lock, in words; empty where it does not say."""
    try:
        holder = lock.read_text(encoding="utf-8")
    except OSError:
        return ""
    return f" (process {holder})" if holder else ""


def holder(folder: Path) -> str | None:
    """The process that writes a folder now, such as `4711 on host`; None when nobody does."""
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.read(descriptor, 200).decode(errors="replace") or "unknown"
    finally:
        os.close(descriptor)
    return None


class RunFolder:
    """The right to write one run folder, held while a run is computed and saved.

    On entering: refuses what is not ours, takes the lock and, where no run stands yet, writes a manifest with status
    running. When the run ends without having been saved, what was made for it is removed and a run that stood there
    before stays as it was.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self._manifest = {"kind": KIND, "status": "running", **manifest}
        self._saved = False

    def __enter__(self) -> RunFolder:
        refuse_foreign(self.path)
        self._made = _missing_parents(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = locked(self.path)
        self._lock.__enter__()
        self._had_manifest = (self.path / MANIFEST).exists()
        if not self._had_manifest:
            write_json(self.path / MANIFEST, self._manifest)
        return self

    def begin(self) -> None:
        """The tables are about to be replaced: from here until the last manifest the folder counts as running."""
        self._saved = True
        write_json(self.path / MANIFEST, self._manifest)
        stale = [self.path.glob("*.csv"), *((self.path / FIGURES).glob(f"*.{kind}") for kind in ("png", "svg"))]
        for path in chain.from_iterable(stale):  # they would show the run before this one
            path.unlink()

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the last manifest: everything it vouches for is on disk."""
        write_json(self.path / MANIFEST, {**self._manifest, **manifest})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._saved and not self._had_manifest:
            (self.path / MANIFEST).unlink(missing_ok=True)
        self._lock.__exit__(None, None, None)
        if not self._saved:
            for folder in self._made:
                with suppress(OSError):  # somebody has put something there
                    folder.rmdir()


def _missing_parents(path: Path) -> list[Path]:
    """The folders that `mkdir -p` would make, the deepest first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]
