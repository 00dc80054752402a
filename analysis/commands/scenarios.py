"""`moatsim check`, `show`, `scenarios`, `schema`: what a scenario file says, and whether it may."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.commands.inputs import load_all
from analysis.commands.shell import INVALID, Json, print_json

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.scenario.tree import Problem

SHOWN_CHANGES = 6  # of a scenario, in the list of scenarios


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Scenario files, or shipped names.")],
    as_json: Json = False,
) -> None:
    """Validate scenario files; every fault as file:line: key: reason."""
    from sim.scenario import ScenarioError, load_scenario

    results: list[dict[str, Any]] = []
    for file in files:
        try:
            scenario = load_scenario(file)
        except ScenarioError as error:
            results.append({"file": file, "ok": False, "problems": [_problem(p) for p in error.problems]})
            if not as_json:
                print("\n".join(map(str, error.problems)))
        else:
            results.append({"file": file, "ok": True, "title": scenario.title, "problems": []})
            if not as_json:
                print(f"{file}: ok")
    if as_json:
        print_json({"files": results})
    if not all(result["ok"] for result in results):
        raise typer.Exit(INVALID)


def show(
    scenario: Annotated[str, typer.Argument(help="Shipped name or path.")],
    diff: Annotated[str | None, typer.Option("--diff", metavar="OTHER", help="Only what differs from OTHER.")] = None,
    as_json: Json = False,
) -> None:
    """Print the resolved scenario: each value with its unit, source and file."""
    first, *others = load_all([scenario, *([diff] if diff else [])], {})
    rows = _differences(first, others[0]) if others else _values(first)
    if as_json:
        print_json({"scenario": first.name, "title": first.title, "hash": first.hash, "values": rows})
    elif not rows:
        print(f"{scenario} and {diff} have the same values")
    else:
        headings = {"value": first.name, "other": others[0].name} if others else {}
        print("\n".join(_aligned(rows, headings)))


def scenarios(as_json: Json = False) -> None:
    """List the shipped scenarios: title, thesis and what they change."""
    from sim.scenario import shipped_scenarios

    shipped = shipped_scenarios()
    changes = _changes_of_shipped([entry.name for entry in shipped])
    if as_json:
        print_json(
            {
                "scenarios": [
                    {"name": s.name, "title": s.title, "thesis": s.thesis, "changes": changes[s.name]} for s in shipped
                ]
            }
        )
        return
    for entry in shipped:
        print(f"{entry.name}: {entry.title}")
        print(textwrap.fill(entry.thesis, 100, initial_indent="    ", subsequent_indent="    "))
        print("\n".join(f"    - {line}" for line in change_lines(changes[entry.name])) + "\n")


def schema(as_json: Json = False) -> None:
    """Print the JSON Schema of a scenario file, for editors."""
    from sim.scenario import json_schema

    del as_json  # the schema is one JSON document either way
    print_json(json_schema())


def _problem(problem: Problem) -> dict[str, Any]:
    return {"file": problem.file, "line": problem.line, "key": problem.key, "reason": problem.reason}


def _values(scenario: Scenario) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": entry.value,
            "unit": _unit(key),
            "file": f"{entry.file}:{entry.line}" if entry.line else entry.file,
            "source": entry.source,
        }
        for key, entry in scenario.provenance.items()
    ]


def _differences(scenario: Scenario, other: Scenario) -> list[dict[str, Any]]:
    from sim.scenario import diff

    return [{"key": key, "value": a, "other": b, "unit": _unit(key)} for key, a, b in diff(scenario, other)]


def _unit(key: str) -> str:
    from sim.parameters import Parameters
    from sim.scenario.schema import follow

    parts = [int(part) if part.isdigit() else part for part in key.split(".")]
    shape = follow(Parameters, parts)
    return shape.unit if shape is not None else ""


def _changes_of_shipped(names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """What each shipped scenario changes against the first one, the baseline: values, then dated shocks."""
    from sim.scenario import diff

    baseline, *_ = loaded = load_all(names, {})
    known = baseline.parameters.shocks
    return {
        scenario.name: [
            *(
                {"key": key, "from": a, "to": b}
                for key, a, b in diff(baseline, scenario)
                if not key.startswith("shocks.")
            ),
            *({"shock": shock.model_dump()} for shock in scenario.parameters.shocks if shock not in known),
        ]
        for scenario in loaded
    }


def change_lines(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first changes in words, and how many more there are."""
    shown = [_change_line(change) for change in changes[:SHOWN_CHANGES]]
    more = [f"and {len(changes) - SHOWN_CHANGES} more"] if len(changes) > SHOWN_CHANGES else []
    return [*shown, *more] or ["every value with its source; the others change this one"]


def _change_line(change: Mapping[str, Any]) -> str:
    if "shock" not in change:
        return f"{change['key']}: {_short(change['from'])} -> {_short(change['to'])}"
    shock = change["shock"]
    effect = f"x {_short(shock['factor'])}" if shock["factor"] is not None else f"-> {_short(shock['value'])}"
    length = f" for {shock['quarters']} quarters" if shock["quarters"] else ""
    return f"{shock['quarter']}{length}: {shock['key']} {effect}"


def _short(value: object) -> str:
    """A value in few characters."""
    if value is None:
        return "(absent)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def _aligned(rows: Sequence[Mapping[str, Any]], headings: Mapping[str, str]) -> Iterator[str]:
    """Rows as lines of aligned columns under their names, or the headings given for them."""
    names = list(rows[0])
    cells = [
        [headings.get(name, name) for name in names],
        *([_short_or_whole(name, row[name]) for name in names] for row in rows),
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def _short_or_whole(name: str, value: object) -> str:
    return str(value) if name in ("key", "source", "file") else _short(value)
