"""A sweep plan: PLAN.toml -> Plan."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.scenario import Scenario, ScenarioError, load_scenario
from sim.streams import LARGEST_SEED
from sim.sweep.factors import Factor, Scalar, Values


class PlanError(ScenarioError):
    """A plan that cannot be used. `problems` lists its faults as those of a scenario."""


@dataclass(frozen=True)
class Point:
    """One setting of the factors in one scenario; `row` of the design is the same in every scenario."""

    number: int
    scenario: str
    row: int
    values: Mapping[str, Scalar]


@dataclass(frozen=True)
class Replicate:
    """One run asked for: the point's number, the replication (first seed + i) and the seed of its luck."""

    point: int
    replication: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """A plan that was read and found sound."""

    path: Path
    text: str = field(repr=False)
    title: str
    scenarios: tuple[str, ...]
    design: str
    factors: Mapping[str, Factor]
    replications: int
    first_seed: int
    common_random_numbers: bool
    until: str
    enterprises: int | None
    tables: tuple[str, ...]
    points: tuple[Point, ...] = field(repr=False)
    hash: str

    def runs(self) -> Iterator[Replicate]:
        """Every run of the plan, point by point, then seed by seed."""
        for point in self.points:
            for replication in range(self.first_seed, self.first_seed + self.replications):
                yield Replicate(point.number, replication, self._seed(replication, point.number))

    def scenario_of(self, point: Point) -> Scenario:
        """The scenario of a point, resolved."""
        return load_scenario(point.scenario, overrides=point.values)

    def document(self) -> dict[str, Any]:
        """What decides the plan's results, as JSON knows it: titles, comments and the order of keys leave it alone."""
        return {
            "scenarios": list(self.scenarios),
            "design": self.design,
            "factors": {key: self.factors[key].document() for key in sorted(self.factors)},
            "replications": self.replications,
            "seed": self.first_seed,
            "common_random_numbers": self.common_random_numbers,
            "until": self.until,
            "enterprises": self.enterprises,
            "tables": list(self.tables),
        }

    def _seed(self, replication: int, point: int) -> int:
        if self.common_random_numbers:
            return replication
        return int.from_bytes(hashlib.sha256(f"{replication}/{point}".encode()).digest()[:8]) & LARGEST_SEED


def load_plan(path: str | Path, *, until: str | None = None, enterprises: int | None = None) -> Plan:
    """Read a plan (so far: designs grid and list, unchecked)."""
    file = Path(path)
    text = file.read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    rows = raw["points"] if isinstance(raw.get("points"), list) else []
    listed = {key: [row[key] for row in rows] for key in (rows[0] if rows else ())}
    forms = {key: entry["values"] for key, entry in raw.get("factors", {}).items()} or listed
    factors = {key: Factor(key, Values(tuple(values)), False, None, "") for key, values in forms.items()}
    if not rows:
        rows = [
            dict(zip(factors, values, strict=True))
            for values in itertools.product(*(x.grid(None) for x in factors.values()))
        ]
    scenarios = tuple(raw["scenarios"])
    points = tuple(
        Point(number, scenario, row, values)
        for number, (scenario, (row, values)) in enumerate(itertools.product(scenarios, enumerate(rows)))
    )
    base = load_scenario(scenarios[0])
    canonical = json.dumps(raw, sort_keys=True) + str(until) + str(enterprises)
    return Plan(
        path=file,
        text=text,
        title=raw.get("title", file.stem),
        scenarios=scenarios,
        design=raw["design"],
        factors=factors,
        replications=raw.get("replications", 1),
        first_seed=raw.get("seed", 1),
        common_random_numbers=raw.get("common_random_numbers", True),
        until=until or raw.get("until") or base.parameters.run.until,
        enterprises=enterprises if enterprises is not None else raw.get("enterprises"),
        tables=tuple(raw.get("record", {}).get("tables", ("market", "shares"))),
        points=points,
        hash=hashlib.sha256(canonical.encode()).hexdigest(),
    )
