"""`moatsim compare`: scenarios or run folders against the first one, under the same luck."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.commands.inputs import (
    RUNS,
    load_all,
    overrides_of,
    refuse_spans,
    run_folders,
    scenario_names,
    seed_range,
)
from analysis.commands.run import run_one
from analysis.commands.shell import (
    FAILED,
    FAILED_RUNS,
    Enterprises,
    InputError,
    Json,
    Until,
    Workers,
    console,
    print_json,
    say,
    seed_text,
    table_of,
)

if TYPE_CHECKING:
    from analysis.compare import Comparison
    from sim.runs.results import Run
    from sim.scenario import Scenario

COMPARED_SEEDS = 20  # replications of each scenario in a comparison


def compare(
    arguments: Annotated[
        list[str], typer.Argument(metavar="A B [C...]", help="Shipped names, paths or run folders; A is the reference.")
    ],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value in all; may be repeated.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="First seed; 1, or as in the folders given.")] = None,
    replications: Annotated[
        int | None, typer.Option(min=1, help=f"How many seeds; {COMPARED_SEEDS}, or as in the folders given.")
    ] = None,
    until: Until = None,
    enterprises: Enterprises = None,
    workers: Workers = None,
    measures: Annotated[
        list[str] | None,
        typer.Option("--measure", metavar="NAME", help="Print and draw only this measure; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where everything goes; ./runs/compare-A-B when left out.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write the tables of the runs as CSV too.")] = False,
    as_json: Json = False,
) -> None:
    """Compare scenarios or run folders with the first one, on the same seeds: where and by how much they differ."""
    from sim.runs.workers import processors, single_blas_thread

    single_blas_thread()  # before numpy is imported: the same bits here as in the workers
    from analysis import compare as comparing
    from analysis.figures.comparison import draw_into

    given: dict[str, Any] = {"--seed": seed, "--replications": replications, "--until": until}
    given |= {"--enterprises": enterprises, "--set": changes}
    with _refused():
        names = comparing.known_measures(measures or [])
        plan = _plan_comparison(arguments, given, out)
    runs, reports = _compared_runs(plan, workers or processors(), csv)
    if len(runs) < 2 or plan.labels[arguments[0]] not in runs:
        say("moatsim: nothing is left to compare")
        raise typer.Exit(FAILED)
    with _refused():
        notes = comparing.version_notes(map(Path, plan.opened), bool(plan.scenarios))
        comparison = comparing.compare(runs, notes, names)
        if few := comparing.few_seeds(comparison.seeds):
            say(f"moatsim: {few}")
        shown = comparing.shown_measures(comparison, names)
    document = comparing.as_document(comparison, shown)
    files = comparing.save(comparison, plan.place, document)
    figures = draw_into(plan.place, comparison, names, {label: result.scenario for label, result in runs.items()})
    if as_json:
        places = {"files": [str(path) for path in files], "figures": [str(path) for path in figures]}
        print_json(document | places | {"runs": reports})
    else:
        _print_comparison(comparison, shown)
        print(f"tables in {plan.place}: {', '.join(path.name for path in files)}")
        print(f"figure: {figures[0]} (and the same as .svg)")
        for report in reports:
            print(f"run of {report['scenario']}: {report['folder']}")
    if len(runs) < len(arguments) or any(report["status"] != "complete" for report in reports):
        raise typer.Exit(FAILED_RUNS)


@contextmanager
def _refused() -> Iterator[None]:
    """What cannot be compared is bad input."""
    from analysis.compare import CompareError

    try:
        yield
    except CompareError as error:
        raise InputError(str(error)) from None


@dataclass(frozen=True)
class _Plan:
    """What is compared: labels by argument, opened run folders, scenarios with their run folders, seeds, where to."""

    labels: Mapping[str, str]
    opened: Mapping[str, Run]
    scenarios: Mapping[str, tuple[Scenario, Path]]
    seeds: Sequence[int]
    place: Path


def _plan_comparison(arguments: Sequence[str], given: Mapping[str, Any], out: Path | None) -> _Plan:
    """Everything that can be refused before anything runs. Raises InputError, CompareError, ScenarioError, FolderError.

    given: options by name, None where left out; then seeds, horizon and size are those of the first folder, if any.
    """
    from analysis.compare import common_seeds, open_checked, refuse_other

    if len(arguments) < 2:
        raise InputError("name two or more scenarios or run folders; the first is the reference")
    names = scenario_names(arguments, False)
    opened = {name: open_checked(Path(name)) for name in names if _is_folder(name)}
    scenarios = [name for name in names if name not in opened]
    if not scenarios and (useless := [option for option, value in given.items() if value is not None]):
        raise InputError(f"{useless[0]} is for scenarios, but only run folders are compared")
    first = next(iter(opened.values()), None)
    loaded = dict(zip(scenarios, load_all(scenarios, _compared_overrides(given, first)), strict=True))
    seeds = _compared_seeds(given, first)
    titles = {name: (opened[name].scenario if name in opened else loaded[name]).name for name in names}
    several = {title for title in titles.values() if list(titles.values()).count(title) > 1}
    labels = {name: name if title in several else title for name, title in titles.items()}
    common_seeds({labels[name]: opened[name].seeds if name in opened else seeds for name in names})
    place = out or RUNS / _comparison_name(list(titles.values()))
    refuse_other(place)
    folders = _folders_below(place, [scenario.name for scenario in loaded.values()], opened)
    return _Plan(
        labels,
        opened,
        {name: (loaded[name], folder) for name, folder in zip(scenarios, folders, strict=True)},
        seeds,
        place,
    )


def _is_folder(name: str) -> bool:
    """Whether an argument names a folder; a shipped scenario's name is that scenario whatever lies here."""
    from sim.scenario import shipped_scenarios

    return Path(name).is_dir() and name not in {entry.name for entry in shipped_scenarios()}


def _compared_overrides(given: Mapping[str, Any], first: Run | None) -> dict[str, object]:
    """Changes to the scenarios; horizon and size as in the run folder they are compared with."""
    until, enterprises = given["--until"], given["--enterprises"]
    if first is not None:
        until = until or first.quarters[-1]
        enterprises = enterprises or first.info.enterprises
    span = {"run.until": until, "run.enterprises": enterprises}
    return overrides_of(given["--set"] or []) | {key: value for key, value in span.items() if value is not None}


def _compared_seeds(given: Mapping[str, Any], first: Run | None) -> Sequence[int]:
    """Seeds of the scenarios: those asked for, else those of the run folder they are compared with."""
    seed, count = given["--seed"], given["--replications"]
    if first is not None and seed is None:
        return first.seeds[:count]
    return seed_range(1 if seed is None else seed, count or COMPARED_SEEDS)


def _comparison_name(names: Sequence[str]) -> str:
    """The name of the folder of a comparison."""
    shown = names if len(names) <= 3 else [names[0], f"{len(names) - 1}-others"]
    return "-".join(["compare", *shown])


def _folders_below(place: Path, names: Sequence[str], opened: Mapping[str, Run]) -> list[Path]:
    """A run folder below `place` for each scenario. Raises as `run_folders`, and for one that is itself compared."""
    if not names:
        return []
    folders = run_folders(names, place if len(names) > 1 else place / names[0])
    read = {Path(name).resolve() for name in opened}
    lost = [folder for folder in folders if folder.resolve() in read]
    if lost:
        raise InputError(f"{lost[0]} is compared and would be written over; choose another folder with --out")
    return folders


def _compared_runs(plan: _Plan, workers: int, csv: bool) -> tuple[dict[str, Run], list[dict[str, Any]]]:
    """The runs by label, in the order of the arguments, and what was run for them; a run that failed is missing."""
    from sim.runs.results import open_run

    refuse_spans(scenario for scenario, _ in plan.scenarios.values())
    runs, reports = {}, []
    for name, label in plan.labels.items():
        if name in plan.opened:
            runs[label] = plan.opened[name]
            continue
        scenario, folder = plan.scenarios[name]
        report = run_one(scenario, plan.seeds, workers, folder, csv)
        if report is None:
            continue
        runs[label] = open_run(folder)
        reports.append({key: report[key] for key in ("scenario", "status", "folder", "wall_time_seconds")})
    return runs, reports


def _print_comparison(comparison: Comparison, names: Sequence[str]) -> None:
    """Each pair's measures at a few quarters, its events, and where its paths part."""
    from analysis.compare import (
        EVENT_HEADINGS,
        HEADINGS,
        PARTING_RULE,
        event_rows,
        few_seeds,
        first_words,
        summary_rows,
    )

    quarters = comparison.quarters
    print(f"\nreference {comparison.reference}: {seed_text(comparison.seeds)}, {quarters[0]} to {quarters[-1]}")
    for note in comparison.notes:
        if note != few_seeds(comparison.seeds):  # said on standard error
            print(f"note: {note}")
    screen = console(sys.stdout)
    for scenario in comparison.scenarios:
        print(f"\n{scenario} less {comparison.reference}, mean over the replications with its 95 % interval")
        for headings, rows in (
            (HEADINGS, summary_rows(comparison, scenario, names)),
            (EVENT_HEADINGS, event_rows(comparison, scenario)),
        ):
            table = table_of(*headings)
            for row in rows:
                table.add_row(*row)
            screen.print(table)
        print(first_words(comparison.first[scenario]))
    print(f"\n{PARTING_RULE}")
