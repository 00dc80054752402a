"""One run of a sweep: as it travels to a worker, what comes back, and how that is kept in one file.

A job carries its base scenario, so that a worker needs no file of the user's; an outcome carries tables as Arrow
streams, so that nothing pickled touches a disk.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from typing import Any, Literal

import pyarrow as pa

from sim.market import Market
from sim.quarters import quarter_number
from sim.records import COLUMNS
from sim.runs import settings
from sim.runs.folder import arrow_schema
from sim.runs.workers import Failure, Tick
from sim.scenario import Scenario, override_scenario
from sim.threads import undisturbed

Status = Literal["ok", "failed", "timeout", "died"]

_MAGIC = b"moatrun1"
_HEAD = struct.Struct("<32sI")  # SHA-256 of all that follows the hash, length of the header
_LABELS = ("quarter", "population", "lens", "by", "key")  # of the shares: few words, many rows
_SCENARIOS_KEPT = 8  # base scenarios that a worker holds unpacked


@dataclass(frozen=True)
class Study:
    """What many runs have in common: the base scenario (packed by `pack_scenario`), the span and the tables wanted."""

    market: type[Market]
    scenario: bytes = field(repr=False)
    until: str
    enterprises: int | None
    tables: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """One run to be made: its place in the sweep, the values of its point and its seed."""

    index: int
    study: Study
    values: tuple[tuple[str, Any], ...]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What became of a run. tables: Arrow streams by name, empty unless ok; seconds: its wall time."""

    index: int
    status: Status = "ok"
    seconds: float = 0.0
    error: str = ""
    trace: str = ""
    tables: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def pack(self) -> bytes:
        """The outcome as the content of a file, with a hash by which damage is seen."""
        head = {name: value for name, value in asdict(self).items() if name != "tables"}
        lengths = {name: len(content) for name, content in self.tables.items()}
        header = json.dumps({**head, "tables": lengths}).encode()
        rest = b"".join([struct.pack("<I", len(header)), header, *self.tables.values()])
        return _MAGIC + hashlib.sha256(rest).digest() + rest

    @staticmethod
    def unpack(content: bytes) -> Outcome:
        """The outcome of a file's content. Raises ValueError when it is damaged."""
        start = len(_MAGIC) + _HEAD.size
        if len(content) < start or not content.startswith(_MAGIC):
            raise ValueError("not the outcome of a run")
        digest, length = _HEAD.unpack_from(content, len(_MAGIC))
        if hashlib.sha256(memoryview(content)[len(_MAGIC) + len(digest) :]).digest() != digest:
            raise ValueError("damaged")
        head = json.loads(content[start : start + length])
        tables, position = {}, start + length
        for name, size in head.pop("tables").items():
            tables[name] = content[position : position + size]
            position += size
        return Outcome(**head, tables=tables)


def pack_scenario(scenario: Scenario) -> bytes:
    """A scenario for the way to a worker (some 70 kB)."""
    return zlib.compress(pickle.dumps(scenario))


@lru_cache(maxsize=_SCENARIOS_KEPT)
def _unpacked(packed: bytes) -> Scenario:
    scenario: Scenario = pickle.loads(zlib.decompress(packed))
    return scenario


@lru_cache(maxsize=1)
def _scenario(packed: bytes, values: tuple[tuple[str, Any], ...]) -> Scenario:
    """The scenario of a point; the next replication often has the same."""
    return override_scenario(_unpacked(packed), dict(values))


def simulate(job: Job, tick: Tick) -> Outcome:
    """Make one run, in a worker."""
    del tick
    started = time.perf_counter()
    study = job.study
    scenario = _scenario(study.scenario, job.values)
    span = settings(scenario, study.until, study.enterprises)
    market = study.market(scenario, seed=job.seed, enterprises=span.enterprises, until=span.until)
    with undisturbed():  # between quarters too
        for _ in range(quarter_number(span.first_quarter), quarter_number(span.until) + 1):
            market.step()
    tables = {name: table_stream(pa.Table.from_pandas(market.records.table(name)), name) for name in study.tables}
    return Outcome(job.index, seconds=round(time.perf_counter() - started, 3), tables=tables)


def failed(index: int, failure: Failure, seconds: float) -> Outcome:
    """The outcome of a run that gave no result."""
    return Outcome(index, failure.kind, round(seconds, 3), failure.reason, failure.trace)


@cache
def table_schema(name: str) -> pa.Schema:
    """The columns of a run's table as a sweep keeps them: those of a run folder, the shares' labels by dictionary."""
    schema = arrow_schema(COLUMNS[name], {})
    if name != "shares":
        return schema
    for position, column in enumerate(schema):
        if column.name in _LABELS:
            schema = schema.set(position, column.with_type(pa.dictionary(pa.int32(), pa.string())))
    return schema


def table_stream(table: pa.Table, name: str) -> bytes:
    """A table as an Arrow stream, under the schema of its name."""
    schema = table_schema(name).remove_metadata()
    table = table.select(schema.names).replace_schema_metadata(None)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table.cast(schema))
    return sink.getvalue()


def read_stream(content: bytes) -> pa.Table:
    """The table of an Arrow stream."""
    return pa.ipc.open_stream(content).read_all()
