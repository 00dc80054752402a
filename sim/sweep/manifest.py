"""The manifest of a sweep folder: held against what it must say, in one place, before anybody believes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sim.runs import folder as files
from sim.runs.folder import MANIFEST, FolderError

KIND = "moatsim sweep"
PREPARING = "preparing"  # status of a folder whose first files are being written
MENDS = "the same moatsim sweep command mends it"


class DamagedError(FolderError):
    """The manifest is damaged; `damage` says where and how, the message also what to do."""

    def __init__(self, damage: str) -> None:
        super().__init__(f"{damage}; {MENDS} and keeps the runs that ended")
        self.damage = damage


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Points(_Entry):
    count: int


class _Plan(_Entry):
    order: list[str]
    design: str
    points: _Points
    replications: int
    common_random_numbers: bool
    until: str
    enterprises: int | None
    tables: list[str]


class _Scenario(_Entry):
    hash: str
    file: str


class _Session(_Entry):
    clock: float
    ended_before: int
    seconds: float = 0.0


class _Manifest(_Entry):
    """What is read of a manifest by anybody; the rest is for people."""

    status: Literal["running", "interrupted", "partial", "complete"]
    title: str
    plan: _Plan
    plan_hash: str
    scenarios: dict[str, _Scenario]
    points: int
    runs: int
    until: str
    enterprises: int | None
    tables: list[str]
    shard_runs: int = Field(ge=1)
    model_version: str
    sessions: list[_Session]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a sweep folder; one that is being prepared has a status and no more.

    Raises DamagedError for what is not as it was written, FolderError when the folder is no sweep's.
    """
    file = folder / MANIFEST
    try:
        json.loads(file.read_bytes())
    except ValueError as error:
        raise DamagedError(f"{file} is damaged: no JSON: {error}") from None
    except OSError:
        pass  # it says so in its own words
    manifest = files.read_manifest(folder, KIND)
    if manifest.get("status") == PREPARING:
        return manifest
    try:
        wrong = _contradiction(_Manifest.model_validate(manifest))
    except ValidationError as error:
        first = error.errors()[0]
        wrong = f"{'.'.join(map(str, first['loc']))}: {first['msg'][0].lower()}{first['msg'][1:]}"
    if wrong:
        raise DamagedError(f"{file} is damaged: {wrong}")
    return manifest


def _contradiction(manifest: _Manifest) -> str:
    """The first key that says something else than the plan beside it; empty when none does."""
    plan = manifest.plan
    pairs: dict[str, tuple[object, object]] = {
        "scenarios": (sorted(manifest.scenarios), sorted(plan.order)),
        "points": (manifest.points, plan.points.count),
        "runs": (manifest.runs, plan.points.count * plan.replications),
        "until": (manifest.until, plan.until),
        "enterprises": (manifest.enterprises, plan.enterprises),
        "tables": (sorted(manifest.tables), sorted(plan.tables)),
    }
    return next((f"{key}: {said}, its plan has {meant}" for key, (said, meant) in pairs.items() if said != meant), "")
