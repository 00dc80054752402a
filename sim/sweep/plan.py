"""A sweep plan: PLAN.toml -> Plan, held against the scenarios it names before anything runs.

What a plan may say is in `planfile.py`, what its factors draw in `factors.py`, where its points lie in `design.py`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError

from sim.parameters import Parameters
from sim.runs import settings
from sim.scenario import SHIPPED, Problem, Scenario, ScenarioError, load_scenario, override_scenario
from sim.scenario.complaints import wrong
from sim.scenario.lines import KeyPath
from sim.scenario.schema import Shape, follow, nearest
from sim.streams import LARGEST_SEED
from sim.sweep import design
from sim.sweep.factors import Factor, Form, LogUniform, Normal, Scalar, Triangular, Uniform, Values
from sim.sweep.planfile import MOST_POINTS, Design, FactorEntry, PlanEntry, PlanFile, find_plan, read_plan

_SEEDS = ("seed", "seeds", "replication", "replications", "run.seed", "run.seeds", "run.replications")
_MOST_SHOWN = 4


class PlanError(ScenarioError):
    """A plan that cannot be used. `problems` lists its faults as those of a scenario."""


@dataclass(frozen=True)
class Point:
    """One setting of the factors in one scenario.

    number: 0.. over the whole sweep, scenario by scenario, row by row; scenario: as in the plan; row: of the design,
    the same in every scenario; values: by dotted key, every factor's (one that the row leaves alone: the scenario's).
    """

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
    """A plan that was read and found sound.

    first_seed: the first replication's number; until: last quarter of every run; enterprises: None where the scenarios
    say; tables: what is kept of each run; warnings: what is allowed and worth a thought; bases: the scenarios as they
    stand, by name; hash: SHA-256 of `document()`.
    """

    path: Path
    text: str = field(repr=False)
    title: str
    scenarios: tuple[str, ...]
    design: str
    design_seed: int
    factors: Mapping[str, Factor]
    replications: int
    first_seed: int
    common_random_numbers: bool
    until: str
    enterprises: int | None
    tables: tuple[str, ...]
    points: tuple[Point, ...] = field(repr=False)
    warnings: tuple[str, ...]
    bases: Mapping[str, Scenario] = field(repr=False, compare=False)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what decides the results."""
        return _digest(self.document())

    @property
    def run_count(self) -> int:
        """Runs asked for: points times replications."""
        return len(self.points) * self.replications

    def runs(self) -> Iterator[Replicate]:
        """Every run of the plan, point by point, then replication by replication."""
        for point in self.points:
            for replication in range(self.first_seed, self.first_seed + self.replications):
                yield Replicate(point.number, replication, self._seed(replication, point.number))

    def scenario_of(self, point: Point) -> Scenario:
        """The scenario of a point, resolved. Raises ScenarioError where the values do not go together."""
        return override_scenario(self.bases[point.scenario], point.values, origin=f"point {point.number}")

    def document(self) -> dict[str, Any]:
        """What decides the plan's results, as JSON knows it: titles, sources, comments and the order of factors leave
        it alone; the values of the scenarios and of the points are in it as digests.
        """
        return {
            "scenarios": {name: _digest(_values(scenario)) for name, scenario in self.bases.items()},
            "order": list(self.scenarios),
            "design": self.design,
            "design_seed": self.design_seed,
            "factors": {key: self.factors[key].document() for key in sorted(self.factors)},
            "points": {"count": len(self.points), "digest": _digest([[x.scenario, x.values] for x in self.points])},
            "replications": self.replications,
            "seed": self.first_seed,
            "common_random_numbers": self.common_random_numbers,
            "until": self.until,
            "enterprises": self.enterprises,
            "tables": sorted(self.tables),
        }

    def describe(self) -> dict[str, Any]:
        """The plan for a reader, as JSON knows it: its factors with unit, meaning and source, and how much it asks."""
        return {
            "plan": str(self.path),
            "title": self.title,
            "scenarios": list(self.scenarios),
            "design": self.design,
            "factors": {key: _described(factor) for key, factor in self.factors.items()},
            "points": len(self.points),
            "replications": self.replications,
            "runs": self.run_count,
            "first_seed": self.first_seed,
            "common_random_numbers": self.common_random_numbers,
            "until": self.until,
            "enterprises": self.enterprises,
            "tables": list(self.tables),
            "hash": self.hash,
            "warnings": list(self.warnings),
        }

    def summary(self) -> str:
        """`describe` as a few lines of text."""
        luck = "the same luck at every point" if self.common_random_numbers else "its own luck at every point"
        size = f", {self.enterprises:,} enterprises" if self.enterprises is not None else ""
        points = counted(len(self.points) // len(self.scenarios), "point")
        lines = [
            self.title,
            f"scenarios     {', '.join(self.scenarios)}",
            f"design        {self.design}, {points} in each scenario",
            *(f"factor        {key} = {_words(factor)}" for key, factor in self.factors.items()),
            f"replications  {self.replications:,} from seed {self.first_seed}, {luck}",
            f"until         {self.until}{size}",
            f"tables        {', '.join(self.tables)}",
            f"runs          {self.run_count:,}",
            *(f"warning       {warning}" for warning in self.warnings),
        ]
        return "\n".join(lines)

    def _seed(self, replication: int, point: int) -> int:
        if self.common_random_numbers:
            return replication
        return int.from_bytes(hashlib.sha256(f"{replication}/{point}".encode()).digest()[:8], "big") & LARGEST_SEED


def load_plan(name_or_path: str | Path, *, until: str | None = None, enterprises: int | None = None) -> Plan:
    """The shipped plan of that name or the plan at a path; `until` and `enterprises` replace what it says.

    Every value a factor can take is held against the bounds of the scenarios' schema, and in each scenario the points
    at the factors' ends are resolved. Raises PlanError with every fault found.
    """
    found = find_plan(name_or_path)
    if isinstance(found, Problem):
        raise PlanError([found])
    file = read_plan(*found)
    if isinstance(file, Problem):
        raise PlanError([file])
    bases = dict(_bases(file))
    factors = dict(_listed(file, bases) if file.rows else _ranged(file, bases))
    rows = _rows_of(file, factors)
    entry = file.entry
    span = _span(file, bases, until, enterprises)
    if file.findings.problems or entry is None or span is None:
        raise PlanError(_in_order(file))
    plan = Plan(
        path=file.path,
        text=file.text,
        title=entry.title or file.path.stem,
        scenarios=tuple(entry.scenarios),
        design=entry.design,
        design_seed=entry.design_seed,
        factors=factors,
        replications=entry.replications,
        first_seed=entry.seed,
        common_random_numbers=entry.common_random_numbers,
        until=span[0],
        enterprises=span[1],
        tables=tuple(entry.record.tables),
        points=tuple(_points(entry.scenarios, rows, bases, tuple(factors))),
        warnings=tuple(_warnings(entry, factors, bases)),
        bases=bases,
    )
    _try_ends(plan, rows, file)
    if file.findings.problems:
        raise PlanError(_in_order(file))
    return plan


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed between two plans' documents, a line each: `replications: before 8 -> now 16`; none for the same."""
    before, after = _flat(old), _flat(new)
    lines = [
        f"{key}: before {_said(before.get(key))} -> now {_said(after.get(key))}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]
    told = [line for line in lines if not line.startswith("points.")]
    if lines and not told:
        told = ["points: the design now gives other values (a row changed, or another version of scipy drew them)"]
    return told


def counted(count: int, noun: str) -> str:
    """`1 run`, `1,008 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


# ---- the plan against its scenarios ----


def _bases(file: PlanFile) -> Iterator[tuple[str, Scenario]]:
    """The scenarios that the plan names: shipped ones, or files beside it. Faults are noted."""
    shipped = {path.stem for path in SHIPPED.glob("*.toml")}
    for position, name in enumerate(file.scenarios):
        beside = file.path.parent / name
        try:
            yield name, load_scenario(beside if name not in shipped and beside.is_file() else name)
        except ScenarioError as error:
            known = [problem.reason for problem in error.problems if problem.file == name and not problem.line]
            if known:
                file.fail(("scenarios", position), f"'{name}': {known[0]}")
            else:
                file.findings.problems += error.problems


def _span(
    file: PlanFile, bases: Mapping[str, Scenario], until: str | None, enterprises: int | None
) -> tuple[str, int | None] | None:
    """Last quarter of every run and number of enterprises (None: the scenarios'); None where the plan has faults."""
    faulty = {problem.key for problem in file.findings.problems}
    said = {key: value for key, value in file.document.tree.items() if key not in faulty}
    if not bases or "until" in faulty:
        return None
    given = {key for key, value in (("until", until), ("enterprises", enterprises)) if value is not None}
    until = until if "until" in given else said.get("until")
    enterprises = enterprises if "enterprises" in given else said.get("enterprises")
    found = set()
    for base in bases.values():
        try:
            found.add(settings(base, until, enterprises).until)
        except ValueError as error:
            key, _, reason = str(error).partition(": ")
            if key in given:
                file.findings.problems.append(Problem("overrides", 0, key, reason))
            else:
                file.fail((key,), reason)
            return None
    if len(found) > 1:
        file.fail(("until",), f"the scenarios end at {' and '.join(sorted(found))}; give one last quarter for all runs")
        return None
    return found.pop(), enterprises


def _ranged(file: PlanFile, bases: Mapping[str, Scenario]) -> Iterator[tuple[str, Factor]]:
    """The factors of `[factors]` that are sound. Faults are noted."""
    design_name, levels = _said_at_top(file)
    for key, entry in file.factors.items():
        path: KeyPath = ("factors", key)
        reason = _key_fault(key, bases) or _form_fault(key, entry)
        if reason:
            file.fail(path, reason)
            continue
        faults = [*_level_faults(entry, design_name, levels), *_bound_faults(key, entry)]
        for name, fault in faults:
            file.fail((*path, name), fault)
        if not faults:
            whole = _shape(key).annotation is int
            yield key, Factor(key, _form(key, entry), whole, entry.levels, entry.source or "")


def _listed(file: PlanFile, bases: Mapping[str, Scenario]) -> Iterator[tuple[str, Factor]]:
    """The factors of `[[points]]`, each with the values it takes there. Faults are noted."""
    for key in dict.fromkeys(key for row in file.rows for key in row):
        first = next(i for i, row in enumerate(file.rows) if key in row)
        reason = _key_fault(key, bases)
        if reason:
            file.fail(("points", first, key), reason)
            continue
        values = {i: _typed(key, row[key]) for i, row in enumerate(file.rows) if key in row}
        for i, (_, fault) in values.items():
            if fault:
                file.fail(("points", i, key), fault)
        yield key, Factor(key, Values(tuple(dict.fromkeys(value for value, _ in values.values()))), False, None, "")


def _said_at_top(file: PlanFile) -> tuple[str, int | None]:
    """Design and levels, also of a plan with faults elsewhere."""
    tree = file.document.tree
    levels = tree.get("levels")
    return str(tree.get("design", "")), levels if isinstance(levels, int) else None


def _key_fault(key: str, bases: Mapping[str, Scenario]) -> str:
    """Why `key` can be no factor in these scenarios; empty where it can."""
    if key in _SEEDS:
        return (
            "the seed is never a factor: every point has the same seeds; give their number with replications, the "
            "first with seed"
        )
    if key.split(".")[0] == "run":
        return "length and size are the same for all runs; give until and enterprises at the top of the plan"
    shape = follow(Parameters, key.split("."))
    lacking = [name for name, base in bases.items() if key not in base.provenance]
    if shape is None or (shape.kind == "leaf" and len(lacking) == len(bases) > 0):
        guess = nearest(key, next(iter(bases.values())).provenance) if bases else None
        return "no such key in the scenario" + (f"; did you mean '{guess}'?" if guess else "")
    if shape.kind != "leaf":
        return "is a table of the scenario; a factor is one number, switch or text of it"
    if _is_list(shape):
        return "is a list; a factor is one number, switch or text"
    return f"no such key in scenario '{lacking[0]}'" if lacking else ""


def _form_fault(key: str, entry: FactorEntry) -> str:
    shape = _shape(key)
    if entry.kind == "values" or shape.annotation in (int, float) or float in get_args(shape.annotation):
        return ""
    example = "true, false" if shape.annotation is bool else "..."
    return f"expected {shape.expected}, which has no range; give {{ values = [{example}] }}"


def _level_faults(entry: FactorEntry, design_name: str, levels: int | None) -> Iterator[tuple[str, str]]:
    if design_name == "grid" and entry.kind != "values" and entry.levels is None and levels is None:
        yield "levels", "a grid needs them, here or at the top of the plan, or 'values' in place of the range"
    if design_name in get_args(Design) and design_name != "grid" and entry.levels is not None:
        yield "levels", f"a design '{design_name}' has none, leave it out"


def _bound_faults(key: str, entry: FactorEntry) -> Iterator[tuple[str, str]]:
    """Name and fault of each number that lies outside what the scenario allows."""
    for name in ("low", "high"):
        value = getattr(entry, name)
        if value is not None and (fault := _typed(key, value)[1]):
            yield name, fault
    for name in ("mode", "mean"):  # which need not be whole for whole numbers
        value = getattr(entry, name)
        low, high = _limits(_shape(key))
        if value is not None and not low <= value <= high:
            yield name, wrong(_shape(key), value, ())
    for value in entry.values or ():
        if fault := _typed(key, value)[1]:
            yield "values", fault


def _form(key: str, entry: FactorEntry) -> Form | Values:
    """The distribution of a sound factor; a normal one ends at the bounds of the key."""
    if entry.values is not None:
        return Values(tuple(_typed(key, value)[0] for value in entry.values))
    if entry.mean is not None and entry.sd is not None:
        return Normal(entry.mean, entry.sd, *_limits(_shape(key)))
    assert entry.low is not None and entry.high is not None
    if entry.mode is not None:
        return Triangular(entry.low, entry.mode, entry.high)
    return LogUniform(entry.low, entry.high) if entry.kind == "log-uniform" else Uniform(entry.low, entry.high)


# ---- one key of the schema ----


def _shape(key: str) -> Shape:
    shape = follow(Parameters, key.split("."))
    assert shape is not None
    return shape


def _is_list(shape: Shape) -> bool:
    return str(shape.annotation).startswith("list")


def _limits(shape: Shape) -> tuple[float, float]:
    """The inclusive bounds of a number; infinite where it has none."""
    low = [float(x.ge) for x in shape.constraints if hasattr(x, "ge")]
    high = [float(x.le) for x in shape.constraints if hasattr(x, "le")]
    return max(low, default=-math.inf), min(high, default=math.inf)


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    annotation: Any = _shape(key).annotation
    for constraint in _shape(key).constraints:
        annotation = Annotated[annotation, constraint]
    return TypeAdapter(annotation)


def _typed(key: str, value: Scalar) -> tuple[Scalar, str]:
    """`value` in the type of its key, and why it cannot be that key's (empty where it can)."""
    if isinstance(value, float) and value.is_integer() and _shape(key).annotation is int:
        value = int(value)
    try:
        return _adapter(key).validate_json(json.dumps(value), strict=True), ""
    except ValidationError:
        return value, wrong(_shape(key), value, ())


# ---- points ----


def _rows_of(file: PlanFile, factors: Mapping[str, Factor]) -> list[design.Row]:
    """The rows of the design; none where the plan has faults."""
    entry = file.entry
    if entry is None or file.findings.problems:
        return []
    if entry.design == "list":
        return [{key: _typed(key, row[key])[0] for key in factors} for row in file.rows]
    chosen = [factors[key] for key in sorted(factors)]  # so that the order in the file moves no point
    sizes = {
        "grid": lambda: design.grid_size(chosen, entry.levels),
        "one-at-a-time": lambda: 1 + sum(len(factor.ends()) for factor in chosen),
    }
    size = sizes[entry.design]() if entry.design in sizes else entry.points or 0
    if size * len(entry.scenarios) > MOST_POINTS:
        file.fail(("design",), f"makes {size * len(entry.scenarios):,} points, at most {MOST_POINTS:,} are possible")
        return []
    return _drawn(entry, chosen)


def _drawn(entry: PlanEntry, factors: Sequence[Factor]) -> list[design.Row]:
    if entry.design == "grid":
        return design.grid(factors, entry.levels)
    if entry.design == "one-at-a-time":
        return design.one_at_a_time(factors)
    draw = design.sobol if entry.design == "sobol" else design.latin
    return draw(factors, entry.points or 0, entry.design_seed)


def _points(
    scenarios: Sequence[str], rows: Sequence[design.Row], bases: Mapping[str, Scenario], keys: Sequence[str]
) -> Iterator[Point]:
    for s, name in enumerate(scenarios):
        base = {key: bases[name].provenance[key].value for key in keys}
        for i, row in enumerate(rows):
            yield Point(s * len(rows) + i, name, i, design.filled(row, base))  # in the plan's order, not the design's


def _try_ends(plan: Plan, rows: Sequence[design.Row], file: PlanFile) -> None:
    """Resolve, in each scenario, the points where factors are at their ends, and note those that do not hold."""
    for position in range(len(plan.scenarios)):
        for row in design.telling(rows):
            point = plan.points[position * len(rows) + row]
            try:
                plan.scenario_of(point)
            except ScenarioError as error:
                first = error.problems[0]
                where = ("points", row) if file.rows else ("factors",)
                what = ": ".join(part for part in (first.key, first.reason) if part)
                file.fail(where, f"point {point.number} of '{point.scenario}' ({_setting(point)}) is refused: {what}")
                break  # one point of a scenario says it; its neighbours would repeat it


def _setting(point: Point) -> str:
    shown = [f"{key} = {json.dumps(value)}" for key, value in point.values.items()]
    return ", ".join(shown[:_MOST_SHOWN] + ["..."] * (len(shown) > _MOST_SHOWN))


def _warnings(entry: PlanEntry, factors: Mapping[str, Factor], bases: Mapping[str, Scenario]) -> Iterator[str]:
    """What is allowed and yet probably not meant."""
    if entry.design == "sobol" and not design.is_balanced(entry.points or 0):
        yield f"points: a sobol design is balanced for a power of two only (64, 128, 256, ...), not for {entry.points}"
    for name, base in bases.items():
        for shock in base.parameters.shocks:
            if shock.key in factors and shock.value is not None:
                span = f"for {shock.quarters} quarters" if shock.quarters is not None else "for good"
                yield f"factors.{shock.key}: a shock of '{name}' sets it from {shock.quarter} {span}"


# ---- documents ----


def _digest(content: Any) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _values(scenario: Scenario) -> dict[str, Any]:
    return {key: entry.value for key, entry in scenario.provenance.items()}


def _described(factor: Factor) -> dict[str, Any]:
    shape = _shape(factor.key)
    return {**factor.document(), "unit": shape.unit, "meaning": shape.meaning, "source": factor.source}


def _words(factor: Factor) -> str:
    """`log-uniform, low 1.5, high 3.5 (x per year)`."""
    parts = [
        str(value) if key == "distribution" else f"{key} {_plain(value)}" for key, value in factor.document().items()
    ]
    unit = _shape(factor.key).unit
    return ", ".join(parts) + (f" ({unit})" if unit not in ("", "-") else "")


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value)


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document by lines of a difference: a factor is one entry, as are a scenario's values."""
    flat: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            flat.update({f"{key}.{inner}": content for inner, content in value.items()})
        else:
            flat[key] = value
    return flat


def _said(value: Any) -> str:
    """A part of a document as a reader sees it: digests short, what is not there as absent."""
    if value is None:
        return "absent"
    if isinstance(value, str) and len(value) == hashlib.sha256().digest_size * 2:
        return f"values {value[:8]}"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {json.dumps(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


def _in_order(file: PlanFile) -> list[Problem]:
    """The plan's own problems by line, then those of the scenarios it names."""
    return sorted(file.findings.problems, key=lambda problem: (problem.file != file.label, problem.line))
