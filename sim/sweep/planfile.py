"""The text of a plan, read against its schema: what a plan may say, and every fault of it with line and key.

Nothing here looks at a scenario; `sim.sweep.plan` holds what was read against those the plan names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import Field, ValidationError, field_validator, model_validator

from sim.parameters import Parameters, Quarter, RunSettings, Section, choice, number
from sim.records import COLUMNS
from sim.scenario import SHIPPED, Problem
from sim.scenario.complaints import validated
from sim.scenario.lines import KeyPath, TomlDocument, TomlError, read_toml
from sim.scenario.schema import Shape, follow, nearest
from sim.scenario.tree import Findings, Reader, Table, Value, plain, shown
from sim.sweep.factors import Scalar

PLANS = SHIPPED / "plans"
MOST_POINTS = 1_000_000
LARGEST_FIRST_SEED = 1_000_000_000
FEWEST_LEVELS = 2  # of a range: one would be its middle alone

Design = Literal["grid", "sobol", "latin", "list", "one-at-a-time"]
Distribution = Literal["uniform", "log-uniform", "normal", "triangular"]

FORMS = "{ low, high }, { low, mode, high }, { mean, sd } or { values }"
# What a distribution is made of; `distribution` itself is only needed to tell log-uniform from uniform.
_MADE_OF: dict[frozenset[str], tuple[str, ...]] = {
    frozenset({"low", "high"}): ("uniform", "log-uniform"),
    frozenset({"low", "mode", "high"}): ("triangular",),
    frozenset({"mean", "sd"}): ("normal",),
    frozenset({"values"}): (),
}
_BOUNDS = RunSettings.model_fields["enterprises"].metadata
_LEAST, _MOST = (getattr(bound, end) for end in ("ge", "le") for bound in _BOUNDS if hasattr(bound, end))
_FACTORS = "factors"
_POINTS = "points"


class FactorEntry(Section):
    """One factor as a plan writes it."""

    low: float | None = number("-", "smallest value", default=None)
    mode: float | None = number("-", "most likely value", default=None)
    high: float | None = number("-", "largest value", default=None)
    mean: float | None = number("-", "mean of a normal distribution, before truncation", default=None)
    sd: float | None = number("-", "its standard deviation", default=None)
    values: list[bool | int | float | str] | None = choice("the values themselves", default=None)
    distribution: Distribution | None = choice("shape between low and high", default=None)
    levels: int | None = number("count", "steps in a grid", FEWEST_LEVELS, 1000, default=None)
    source: str | None = choice("why this range: fact id or assumption", default=None)

    @property
    def kind(self) -> str:
        """`values`, or the name of the distribution."""
        possible = _MADE_OF[self.given()]
        return "values" if not possible else self.distribution or possible[0]

    def given(self) -> frozenset[str]:
        """The names of the numbers it gives."""
        parts = frozenset().union(*_MADE_OF)
        return frozenset(part for part in parts if getattr(self, part) is not None)

    @model_validator(mode="after")
    def _one_form(self) -> FactorEntry:
        faults = list(_form_faults(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Record(Section):
    """What a sweep keeps of each run."""

    tables: list[str] = choice("tables of the run folder to keep", default=["market", "shares"])

    @field_validator("tables")
    @classmethod
    def _known_tables(cls, names: list[str]) -> list[str]:
        _require_names(names)
        for name in names:
            if name not in COLUMNS:
                guess = nearest(name, COLUMNS)
                hint = f"did you mean '{guess}'?" if guess else f"there are {', '.join(COLUMNS)}"
                raise ValueError(f"no table '{name}', {hint}")
        return names


class PlanEntry(Section):
    """A plan as its file writes it; the rows of `[[points]]` are read apart."""

    title: str | None = choice("what the sweep is called", default=None)
    scenarios: list[str] = choice("shipped scenarios, or files beside the plan")
    design: Design = choice("how the points are laid")
    points: int | None = number("count", "points of a sobol or latin design", 1, MOST_POINTS, default=None)
    levels: int | None = number(
        "count", "steps in a grid of factors that give no own", FEWEST_LEVELS, 1000, default=None
    )
    design_seed: int = number("-", "seed of the design's own draws, apart from the runs' luck", 0, 2**31, default=1)
    replications: int = number("count", "runs of each point", 1, 10_000, default=1)
    seed: int = number("-", "seed of the first replication; the others follow", 0, LARGEST_FIRST_SEED, default=1)
    common_random_numbers: bool = choice("replication i has the same luck at every point", default=True)
    until: Quarter | None = choice("last quarter of every run; absent: the scenarios'", default=None)
    enterprises: int | None = number(
        "count", "simulated enterprises; absent: the scenarios'", _LEAST, _MOST, default=None
    )
    record: Record = Field(default_factory=Record, description="what is kept of each run")
    factors: dict[str, FactorEntry] = choice("what varies, by dotted key", default={})

    @field_validator("scenarios")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        _require_names(names)
        return names


@dataclass(frozen=True)
class PlanFile:
    """A plan's file: what it says as far as that is sound, and what is wrong with it.

    entry is None where something is wrong at the top; `factors` and `scenarios` hold what could be read even then, so
    that all faults of a plan come at once. `rows` are the `[[points]]` of a list.
    """

    path: Path
    label: str
    text: str
    document: TomlDocument
    entry: PlanEntry | None
    scenarios: tuple[str, ...]
    factors: Mapping[str, FactorEntry]
    rows: tuple[Mapping[str, Scalar], ...]
    findings: Findings

    def fail(self, path: KeyPath, reason: str) -> None:
        """Note a fault of a key of the plan."""
        key = ".".join(str(part) for part in path)
        self.findings.problems.append(Problem(self.label, self.document.line(path), key, reason))


def find_plan(name_or_path: str | Path, folder: Path = PLANS) -> tuple[Path, str] | Problem:
    """The file of a shipped plan's name or a path, and how messages call it; a problem where there is neither."""
    text = str(name_or_path)
    shipped = {path.stem: path for path in folder.glob("*.toml")}
    if isinstance(name_or_path, str) and text in shipped:
        return shipped[text], f"{folder.parent.name}/{folder.name}/{text}.toml"
    path = Path(text)
    if text and "\0" not in text and path.exists():
        return path, text
    guess = nearest(path.stem, shipped)
    hint = f"; did you mean '{guess}'?" if guess else f"; shipped are {', '.join(sorted(shipped)) or 'none'}"
    return Problem(text[:200] or "(no name)", 0, "", f"no such plan or file{hint}")


def read_plan(path: Path, label: str) -> PlanFile | Problem:
    """The plan at `path` with its faults, or the one problem of a file that is no TOML."""
    try:
        raw = read_toml(path)
        document = _with_dotted_keys(raw)
        text = path.read_text(encoding="utf-8")
    except TomlError as error:
        return Problem(label, error.line, "", error.reason.replace("a scenario file", "a plan"))
    if not raw.tree:
        return Problem(label, 1, "", "is empty; a plan names at least scenarios and a design")
    findings = Findings()
    reader = Reader(label, "", document, PlanEntry, {}, findings)
    tree, rows = _tree(document.tree, reader)
    entry = cast(PlanEntry | None, validated(tree, PlanEntry, [label], findings))
    return PlanFile(
        path=path,
        label=label,
        text=text,
        document=document,
        entry=entry if not findings.problems else None,
        scenarios=_texts(tree.get("scenarios")),
        factors=dict(_sound_factors(tree)),
        rows=rows,
        findings=findings,
    )


def _tree(raw: Mapping[str, Any], reader: Reader) -> tuple[Table, tuple[Mapping[str, Scalar], ...]]:
    """The values of a plan with their lines, and the rows of `[[points]]`."""
    listed = isinstance(raw.get(_POINTS), list)
    apart = {_FACTORS, *([_POINTS] if listed else [])}
    for key in (key for key in PlanEntry.model_fields if key != "record" and key not in apart):
        if isinstance(raw.get(key), Mapping):  # not even as { value, source }, which a scenario's leaf may be
            reader.fail((key,), "expected a bare value, was given a table")
            apart.add(key)
    tree = reader.section(PlanEntry, {key: value for key, value in raw.items() if key not in apart}, ())
    factors = raw.get(_FACTORS, {})
    if isinstance(factors, Mapping):
        tree[_FACTORS] = {key: node for key, value in factors.items() if (node := _factor(key, value, reader))}
    else:
        reader.fail((_FACTORS,), f"expected a table of factors by dotted key, was given {shown(factors)}")
    for key, reason in _design_faults(raw):
        reader.fail((key,), reason, (key if key in raw else "design",))
    return tree, _rows(raw[_POINTS], reader) if listed and raw.get("design") == "list" else ()


def _factor(key: str, raw: Any, reader: Reader) -> Table | None:
    path = (_FACTORS, key)
    if isinstance(raw, Mapping) and raw:
        return reader.section(FactorEntry, raw, path)
    reader.fail(path, f"expected {FORMS}, was given {shown(raw) if raw != {} else 'nothing'}")
    return None


def _rows(raw: Sequence[Any], reader: Reader) -> tuple[Mapping[str, Scalar], ...]:
    """The rows of a list whose every row gives a value to every key that any row gives."""
    keys = list(dict.fromkeys(key for row in raw if isinstance(row, Mapping) for key in row))
    rows = []
    for i, row in enumerate(raw):
        if not isinstance(row, Mapping):
            reader.fail((_POINTS, i), f"expected a row of values by dotted key, was given {shown(row)}")
            continue
        for key in (key for key in keys if key not in row):
            reader.fail((_POINTS, i), f"gives no value for '{key}', as other points do")
        nodes = {key: reader.node(Shape("leaf"), value, (_POINTS, i, key)) for key, value in row.items()}
        rows.append({key: node.value for key, node in nodes.items() if isinstance(node, Value)})
    return tuple(rows)


def _texts(node: object) -> tuple[str, ...]:
    """The texts of a list, each once."""
    items = node.value if isinstance(node, Value) and isinstance(node.value, list) else []
    return tuple(dict.fromkeys(item for item in items if isinstance(item, str)))


def _sound_factors(tree: Table) -> Iterator[tuple[str, FactorEntry]]:
    factors = tree.get(_FACTORS)
    for key, table in factors.items() if isinstance(factors, dict) else ():
        try:
            yield key, FactorEntry.model_validate_json(json.dumps(plain(table)))
        except ValidationError:
            continue  # what is wrong with it has been noted


# ---- what does not fit together ----


def _form_faults(entry: FactorEntry) -> Iterator[str]:
    """What is wrong with a factor's numbers among themselves."""
    given = entry.given()
    if given not in _MADE_OF:
        yield f"give {FORMS}, not {', '.join(sorted(given)) or 'nothing of these'}"
        return
    if entry.distribution is not None and entry.distribution not in _MADE_OF[given]:
        parts = next((", ".join(sorted(key)) for key, names in _MADE_OF.items() if entry.distribution in names), "")
        yield f"distribution: {entry.distribution} is made of {parts}"
    if entry.values is not None:
        yield from _value_faults(entry.values)
        if entry.levels is not None:
            yield "levels: the values are the levels; leave it out"
    if entry.sd is not None and entry.sd <= 0.0:
        yield f"sd: expected a number above 0, was given {entry.sd:g}"
    if entry.low is not None and entry.high is not None:
        yield from _range_faults(entry, entry.low, entry.high)


def _range_faults(entry: FactorEntry, low: float, high: float) -> Iterator[str]:
    if low >= high:
        yield f"low: must be below high, {low:g} is not below {high:g}"
    elif entry.mode is not None and not low <= entry.mode <= high:
        yield f"mode: must lie from low to high, {entry.mode:g} does not"
    if entry.distribution == "log-uniform" and low <= 0.0:
        yield f"low: a log-uniform factor is above 0, was given {low:g}"


def _value_faults(values: Sequence[Scalar]) -> Iterator[str]:
    if not values:
        yield "values: at least one is needed"
    yield from (f"values: {json.dumps(value)} stands there twice" for value in _twice(values))


def _require_names(names: Sequence[str]) -> None:
    """Raise ValueError for an empty list, or for a name that stands there twice."""
    if not names:
        raise ValueError("at least one is needed")
    for name in _twice(names):
        raise ValueError(f"'{name}' stands there twice")


def _design_faults(raw: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key and reason where a plan says what its design has no use for, or does not say what it needs.

    Judged on the text as it stands, so that it comes with the faults of single keys.
    """
    name, points = raw.get("design"), raw.get(_POINTS)
    sampled, listed = name in ("sobol", "latin"), isinstance(points, list)
    if name not in get_args(Design):
        return  # which has been noted
    if sampled and points is None:
        yield _POINTS, f"a {name} design needs their number, such as points = 64"
    if not sampled and points is not None and not listed:
        yield _POINTS, f"a design '{name}' makes its own, leave it out"
    if name != "list" and listed:
        yield _POINTS, 'rows of [[points]] belong to design = "list"'
    if name == "list" and not (listed and points):
        yield _POINTS, "a list needs rows, [[points]]"
    if name != "grid" and "levels" in raw:
        yield "levels", f"a design '{name}' has none, leave it out"
    if name not in ("sobol", "latin") and "design_seed" in raw:
        yield "design_seed", f"a design '{name}' draws nothing, leave it out"
    if name == "list" and raw.get(_FACTORS):
        yield _FACTORS, "a list takes its values from [[points]], leave it out"
    if name not in ("grid", "list") and not raw.get(_FACTORS):
        yield _FACTORS, f"a design '{name}' needs at least one"


def _twice(values: Sequence[Scalar]) -> list[Scalar]:
    """What stands in a list more than once; true and 1 are two things."""
    counted = Counter((isinstance(value, bool), value) for value in values)
    return [value for (_, value), count in counted.items() if count > 1]


# ---- dotted keys ----


def _with_dotted_keys(document: TomlDocument) -> TomlDocument:
    """The document with each factor, and each value of a point, under its dotted key, quoted in the text or not."""
    tree, lines = dict(document.tree), dict(document.lines)
    if isinstance(tree.get(_FACTORS), Mapping):
        tree[_FACTORS] = _flattened(tree[_FACTORS], (_FACTORS,), lines)
    if isinstance(tree.get(_POINTS), list):
        rows = enumerate(tree[_POINTS])
        tree[_POINTS] = [_flattened(x, (_POINTS, i), lines) if isinstance(x, Mapping) else x for i, x in rows]
    return replace(document, tree=tree, lines=lines)


def _flattened(table: Mapping[str, Any], at: KeyPath, lines: dict[KeyPath, int]) -> dict[str, Any]:
    """`table` by dotted keys; `lines` gains the lines under them."""
    flat: dict[str, Any] = {}
    for path, value in _branches(table, ()):
        key = ".".join(path)
        if key in flat:
            raise TomlError(lines.get((*at, *path), 0), f"'{key}' stands there twice")
        flat[key] = value
        if len(path) > 1:
            here = (*at, *path)
            found = {old: line for old, line in lines.items() if old[: len(here)] == here}
            lines.update({(*at, key, *old[len(here) :]): line for old, line in found.items()})
    return flat


def _branches(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The entries of nested tables that spell a dotted key, each with its path."""
    for name, value in table.items():
        here = (*path, name)
        shape = follow(Parameters, ".".join(here).split("."))
        if isinstance(value, Mapping) and shape is not None and shape.kind != "leaf" and not _is_factor(value):
            yield from _branches(value, here)
        else:
            yield here, value


def _is_factor(table: Mapping[str, Any]) -> bool:
    """True for `{ low = 1, high = 2 }` and its like, as against a table of factors or of values."""
    return any(key in FactorEntry.model_fields and not isinstance(value, Mapping) for key, value in table.items())
