"""The scenarios that come with the program, under the real schema: sources, completeness, speed."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sim.parameters import Parameters
from sim.scenario import (
    SHIPPED,
    Scenario,
    ScenarioError,
    describe,
    describe_key,
    diff,
    json_schema,
    load_scenario,
    shipped_scenarios,
)

NAMES = [entry.name for entry in shipped_scenarios()]


@pytest.fixture(scope="module")
def baseline() -> Scenario:
    return load_scenario("baseline")


@pytest.fixture(scope="module")
def facts() -> set[str]:
    with (SHIPPED / "facts.csv").open(encoding="utf-8", newline="") as stream:
        return {row["id"] for row in csv.DictReader(stream)}


def source_fault(source: str, facts: set[str]) -> str:
    """Why `source` is neither an assumption with its reason nor ids of facts (and a note after a semicolon)."""
    if source.startswith("assumption: "):
        return "" if len(source) > len("assumption: ") else "no reason"
    unknown = [name for name in re.split(r"\s*,\s*", source.partition(";")[0].strip()) if name not in facts]
    return f"no such fact: {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_number_has_a_source(name: str, facts: set[str]) -> None:
    """Kills the mutant scenario with a bare number or with a source that nobody can look up."""
    scenario = load_scenario(name)
    assert scenario.title
    assert scenario.thesis
    faults = [
        f"{entry.file}:{entry.line}: {key}: {fault}"
        for key, entry in scenario.provenance.items()
        if isinstance(entry.value, int | float | list) and (fault := source_fault(entry.source, facts))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("source", ["given in x.toml", "S0-04, S9-99", "assumption: ", "S0-04 and more", ""])
def test_a_source_that_is_none_is_seen(source: str, facts: set[str]) -> None:
    """Kills the mutant check that accepts any text."""
    assert source_fault(source, facts)
    assert not source_fault("S0-04, P-076; by eye", facts)


def test_the_resolved_baseline_is_the_baseline(baseline: Scenario, tmp_path: Path) -> None:
    """Kills the mutant writer that cannot write what the real schema holds."""
    path = tmp_path / "scenario.resolved.toml"
    path.write_text(baseline.to_toml(), encoding="utf-8")
    again = load_scenario(path)
    assert again.hash == baseline.hash
    assert {key: entry.source for key, entry in again.provenance.items()} == {
        key: entry.source for key, entry in baseline.provenance.items()
    }


def test_an_override_reaches_the_parameters(baseline: Scenario) -> None:
    """Kills the mutant that changes the record of a value but not the value."""
    changed = load_scenario("baseline", overrides={"technology.training_cost_growth": 3.0, "switches.peers": False})
    assert changed.parameters.technology.training_cost_growth == 3.0
    assert changed.parameters.switches.peers is False
    assert {key for key, _, _ in diff(baseline, changed)} == {"technology.training_cost_growth", "switches.peers"}


def test_every_parameter_is_described(baseline: Scenario) -> None:
    """Kills the mutant parameter without a unit, bounds (numbers) or a meaning."""
    rows = list(describe(Parameters))
    assert len(rows) > 200
    assert not [row.key for row in rows if not (row.unit and row.meaning)]
    assert not [key for key in baseline.provenance if describe_key(Parameters, key) is None]
    numbers = [key for key, entry in baseline.provenance.items() if type(entry.value) in (int, float)]
    unbounded = {re.sub(r"\.\d+\.", ".*.", key) for key in numbers if not describe_key(Parameters, key).bounds}  # type: ignore[union-attr]
    assert unbounded <= {"shocks.*.value"}  # what a shock may set depends on its key


def test_a_user_learns_the_nearest_key(tmp_path: Path) -> None:
    """Kills the mutant whose suggestions do not know the real schema."""
    path = tmp_path / "mine.toml"
    path.write_text('extends = "baseline"\ntraining_cost_growth = 3\n[technology]\ntraining_cost_grwth = 3\n')
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (2, "training_cost_growth"),
        (4, "technology.training_cost_grwth"),
    ]
    assert str(caught.value).count("did you mean 'technology.training_cost_growth'?") == 2


def test_references_between_tables_name_their_key(tmp_path: Path) -> None:
    """Kills the mutant that reports what does not fit together without a line."""
    path = tmp_path / "mine.toml"
    path.write_text('extends = "baseline"\nremove = ["labs.cohere", "investors.thrive"]\n')
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    keys = {problem.key for problem in caught.value.problems}
    assert "installed_base.shares.cohere" in keys
    assert all(problem.line for problem in caught.value.problems)


def test_the_json_schema_knows_every_section() -> None:
    """Kills the mutant that leaves a section out, or fails on a type of the real schema."""
    properties = json_schema()["properties"]
    assert set(Parameters.model_fields) <= set(properties)
    growth = properties["technology"]["properties"]["training_cost_growth"]["anyOf"]
    assert growth[1]["properties"]["value"] == growth[0]


def test_a_check_waits_for_no_heavy_library() -> None:
    """Kills the import that makes `moatsim check` wait for numpy, pandas or mesa."""
    code = "import sys, sim.scenario; print([name for name in ('numpy', 'pandas', 'mesa') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=SHIPPED.parent, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
