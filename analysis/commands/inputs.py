"""What was given on the command line, as the program knows it: scenarios, seeds, changes, folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.commands.shell import InputError

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.scenario.tree import Problem

RUNS = Path("runs")  # where runs go unless --out says otherwise


def scenario_names(names: Sequence[str], everything: bool) -> list[str]:
    """The scenarios named, and all shipped ones if wanted. Raises InputError for none, or for one named twice."""
    from sim.scenario import shipped_scenarios

    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"scenario '{twice[0]}' is named twice; name it once")
    shipped = [entry.name for entry in shipped_scenarios()] if everything else []
    wanted = list(dict.fromkeys([*names, *shipped]))
    if not wanted:
        raise InputError("name a scenario, or --all for every shipped one; 'moatsim scenarios' lists them")
    return wanted


def seed_range(first: int, count: int) -> range:
    """The seeds of the replications. Raises InputError for one beyond the largest."""
    from sim.streams import LARGEST_SEED

    if first + count - 1 > LARGEST_SEED:
        raise InputError(
            f"--seed: seeds are whole numbers from 0 to {LARGEST_SEED} (2^63 - 1); "
            f"{count} {'replication' if count == 1 else 'replications'} from {first} on would go beyond"
        )
    return range(first, first + count)


def overrides_of(changes: Sequence[str]) -> dict[str, object]:
    """Values by dotted key from KEY=VALUE. Raises ScenarioError for what is none."""
    from sim.scenario import parse_override

    return dict(parse_override(change) for change in changes)


def load_all(names: Sequence[str], overrides: Mapping[str, object]) -> list[Scenario]:
    """Load the scenarios. Raises ScenarioError with the faults of all of them."""
    from sim.scenario import COMMAND_LINE, ScenarioError, load_scenario

    loaded, problems = [], []
    for name in names:
        try:
            loaded.append(load_scenario(name, overrides, origin=COMMAND_LINE))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError([_as_typed(problem) for problem in problems])
    return loaded


def _as_typed(problem: Problem) -> Problem:
    """Name the option the user typed, where the command line set a value by an option of its own."""
    from sim.scenario import COMMAND_LINE

    options = {"run.until": "--until", "run.enterprises": "--enterprises"}
    if problem.file == COMMAND_LINE and problem.key in options:
        return replace(problem, file=options[problem.key], key="")
    return problem


def refuse_spans(scenarios: Iterable[Scenario]) -> None:
    """Raise InputError for the first scenario whose quarters cannot be run."""
    from sim.runs import settings

    for scenario in scenarios:
        try:
            settings(scenario)
        except ValueError as error:
            raise InputError(str(error)) from None


def run_folders(names: Sequence[str], out: Path | None) -> list[Path]:
    """A folder for each scenario. Raises InputError when two would share one, FolderError for one that is not ours."""
    from sim.runs.folder import refuse_foreign

    if out is not None and len(names) == 1:
        folders = [out]
    else:
        folders = [(out or RUNS) / name for name in names]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"two scenarios are called '{twice[0]}' and would share a folder; run them one by one")
    for folder in folders:
        refuse_foreign(folder)
    return folders
