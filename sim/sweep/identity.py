"""What makes a run the run it is: the resolved scenario, the seed, the span and the version of the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sim import __version__
from sim.scenario import MODEL_VERSION, Scenario, ScenarioError, hashed_values, override_scenario

_SOURCES = Path(__file__).resolve().parent.parent
_ONLY_HANDLE_RUNS = ("runs", "sweep")  # packages of sim that start, keep and read runs, and decide no number in them

Span = tuple[str, int | None]
"""Last quarter of a run, and how many enterprises it has; None for as many as the scenario says."""


@cache
def model_version() -> str:
    """The package's version and the first 12 digits of the SHA-256 of the sources that decide a run's numbers."""
    found = hashlib.sha256()
    for path in sorted(_SOURCES.rglob("*.py")):
        name = path.relative_to(_SOURCES)
        if name.parts[0] not in _ONLY_HANDLE_RUNS:
            text = "\n".join(path.read_text(encoding="utf-8").splitlines())
            found.update(f"{name.as_posix()}\0{text}\0".encode())
    return f"{__version__}+{found.hexdigest()[:12]}"


def run_id(scenario_hash: str, seed: int, span: Span, version: str) -> str:
    """The name of a run, 32 hexadecimal digits: two runs with the same name have the same results."""
    canonical = json.dumps([scenario_hash, seed, *span, version])
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def sweep_id(plan_hash: str, version: str, shard_runs: int) -> str:
    """The name of what a sweep has to do, 16 hexadecimal digits: what it made is found under this name alone."""
    canonical = json.dumps([plan_hash, version, shard_runs])
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class Fingerprint:
    """Hashes of a scenario under many sets of values, without resolving each: about a hundred times faster.

    `of(values)` is the hash that `override_scenario(base, values)` has.
    """

    def __init__(self, base: Scenario) -> None:
        self._base = base
        self._values = hashed_values(base)
        self._pieces = {key: _piece(key, value) for key, value in sorted(self._values.items())}

    def of(self, values: Mapping[str, object]) -> str:
        """The hash of the scenario with these values (by dotted key)."""
        if all(map(self._is_plain, values, values.values())):
            return self._digest(values)
        try:
            return override_scenario(self._base, values).hash
        except ScenarioError as error:  # the run itself will say so; here it only needs a name of its own
            return hashlib.sha256(f"{self._base.hash}{error}".encode()).hexdigest()

    def _is_plain(self, key: str, value: object) -> bool:
        """Whether the value stands in the base scenario, as the same kind of value."""
        kind = type(self._values.get(key))
        return kind in (bool, str, int) and type(value) is kind or kind is float and type(value) in (float, int)

    def _digest(self, values: Mapping[str, Any]) -> str:
        pieces = dict(self._pieces)
        for key, value in values.items():
            pieces[key] = _piece(key, float(value) if isinstance(self._values[key], float) else value)
        canonical = f"[{json.dumps(MODEL_VERSION)},{{{','.join(pieces.values())}}}]"
        return hashlib.sha256(canonical.encode()).hexdigest()


def _piece(key: str, value: object) -> str:
    return f"{json.dumps(key)}:{json.dumps(value, sort_keys=True, separators=(',', ':'))}"
