"""The command line `moatsim`. Heavy modules are imported inside the commands, so that `--help` answers at once."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from analysis.shell import DONE, FAILED, FAILED_RUNS, INTERRUPTED, INVALID, InputError, Json
from analysis.shell import console as _console
from analysis.shell import print_json as _print_json
from analysis.shell import say as _say
from analysis.sweep_cli import sweep_app
from sim import __version__

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.compare import Comparison
    from sim.runs.results import Run
    from sim.scenario import Scenario
    from sim.scenario.tree import Problem

RUNS = Path("runs")  # where runs go unless --out says otherwise
COMPARED_SEEDS = 20  # replications of each scenario in a comparison
SHOWN_CHANGES = 6  # of a scenario, in the list of scenarios
TRACE = "MOATSIM_TRACE"  # environment variable: print the trace of an unexpected error

# Names of commands to come.
RESERVED = (
    *("report", "score", "backtest"),
    *("fit", "posterior", "sensitivity", "discover", "app"),
)


class _Commands(TyperGroup):
    """The commands; names that later versions will use are refused as such, without a guess at what was meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in RESERVED:
            ctx.fail(f"'{args[0]}' is not in this version")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="moatsim",
    cls=_Commands,
    help="Project who wins the market for foundation models, open or closed, and how concentrated it gets.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(sweep_app, name="sweep")

# ---- commands ----


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"moatsim {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


@app.command("run")
def run_command(
    scenarios: Annotated[
        list[str] | None, typer.Argument(metavar="SCENARIO...", help="Shipped names or paths.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All shipped scenarios.")] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="First seed: seeds N, N+1, ... are run.")] = 1,
    replications: Annotated[
        int | None, typer.Option(min=1, help="How many seeds; as the scenario says when left out.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="QUARTER", help="Last quarter, such as 2032Q4.")] = None,
    enterprises: Annotated[int | None, typer.Option(metavar="N", help="How many enterprises are simulated.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per processor when left out.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; DIR/NAME for several; ./runs/NAME when left out.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write the tables as CSV too.")] = False,
    as_json: Json = False,
) -> None:
    """Run scenarios: tables, figures and a summary in a folder for each."""
    names = _scenario_names(scenarios or [], everything)
    given = {"run.until": until, "run.enterprises": enterprises}
    overrides = _overrides(changes or []) | {key: value for key, value in given.items() if value is not None}
    loaded = _load_all(names, overrides)
    folders = _run_folders([scenario.name for scenario in loaded], out)

    from sim.runs.workers import single_blas_thread

    single_blas_thread()  # before numpy is imported: the same bits here as in the workers
    from sim.runs import RunError, settings

    for scenario in loaded:
        try:
            settings(scenario)
        except ValueError as error:
            raise InputError(str(error)) from None
    seeds = [_seeds(seed, replications or scenario.parameters.run.replications) for scenario in loaded]
    reports, failed = [], False
    for scenario, each, folder in zip(loaded, seeds, folders, strict=True):
        try:
            report = _run_one(scenario, each, workers or _processors(), folder, csv)
        except RunError as error:
            _say(f"moatsim: {scenario.name}: {str(error).splitlines()[0]}")
            failed = True
            continue
        failed = failed or report["status"] != "complete"
        reports.append(report)
        if not as_json:
            _print_report(report)
    if as_json:
        _print_json({"runs": reports})
    if failed:
        raise typer.Exit(FAILED_RUNS if reports else FAILED)


@app.command()
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
        _print_json({"files": results})
    if not all(result["ok"] for result in results):
        raise typer.Exit(INVALID)


@app.command()
def show(
    scenario: Annotated[str, typer.Argument(help="Shipped name or path.")],
    diff: Annotated[str | None, typer.Option("--diff", metavar="OTHER", help="Only what differs from OTHER.")] = None,
    as_json: Json = False,
) -> None:
    """Print the resolved scenario: each value with its unit, source and file."""
    first, *others = _load_all([scenario, *([diff] if diff else [])], {})
    rows = _differences(first, others[0]) if others else _values(first)
    if as_json:
        _print_json({"scenario": first.name, "title": first.title, "hash": first.hash, "values": rows})
    elif not rows:
        print(f"{scenario} and {diff} have the same values")
    else:
        headings = {"value": first.name, "other": others[0].name} if others else {}
        print("\n".join(_aligned(rows, headings)))


@app.command()
def scenarios(as_json: Json = False) -> None:
    """List the shipped scenarios: title, thesis and what they change."""
    from sim.scenario import shipped_scenarios

    shipped = shipped_scenarios()
    changes = _changes_of_shipped([entry.name for entry in shipped])
    if as_json:
        _print_json(
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
        print("\n".join(f"    - {line}" for line in _change_lines(changes[entry.name])) + "\n")


@app.command()
def schema(as_json: Json = False) -> None:
    """Print the JSON Schema of a scenario file, for editors."""
    from sim.scenario import json_schema

    del as_json  # the schema is one JSON document either way
    _print_json(json_schema())


@app.command()
def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder, or a sweep folder, also one at work.")],
    figure: Annotated[
        list[str] | None, typer.Option("--figure", metavar="NAME", help="Only this figure; may be repeated.")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", metavar="NAME", help="Of a sweep: draw this measure; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw the figures of a run folder or a sweep folder again."""
    from analysis.sweep_cli import draw_sweep, is_sweep
    from sim.runs.folder import FIGURES as SUBFOLDER
    from sim.runs.results import open_run

    if is_sweep(folder):
        paths = draw_sweep(folder, figure, measure)
    else:
        from analysis.plots import FIGURES, draw_all

        if measure:
            raise InputError(f"--measure: {folder} is no sweep folder; its figures have measures of their own")
        unknown = [name for name in figure or [] if name not in FIGURES]
        if unknown:
            raise InputError(f"--figure: no figure '{unknown[0]}'{_nearest(unknown[0], FIGURES)}")
        paths = draw_all(open_run(folder), folder / SUBFOLDER, figure or None)
    if as_json:
        _print_json({"figures": [str(path) for path in paths]})
    else:
        print("\n".join(str(path) for path in paths))


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    lab: Annotated[str, typer.Option("--lab", metavar="ID", help="The lab whose story is told.")],
    quarter: Annotated[
        str | None,
        typer.Option("--quarter", metavar="Q", help="Only this quarter, with the lab's row before and after."),
    ] = None,
    replication: Annotated[
        int | None, typer.Option("--replication", metavar="N", help="Seed; the first of the run when left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell a lab's story: each decision, the numbers it saw, and what followed."""
    from analysis import explain as tell

    try:
        tables = tell.read_tables(folder)
        if quarter is None:
            told = tell.story(tables, lab, replication)
            text = tell.as_text
        else:
            told = tell.moment(tables, lab, quarter, replication)
            text = tell.moment_text
    except tell.ExplainError as error:
        raise InputError(str(error)) from None
    if as_json:
        _print_json(tell.as_json(told))
    else:
        print(text(told))


@app.command()
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
    until: Annotated[str | None, typer.Option(metavar="QUARTER", help="Last quarter, such as 2032Q4.")] = None,
    enterprises: Annotated[int | None, typer.Option(metavar="N", help="How many enterprises are simulated.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one per processor when left out.")] = None,
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
    from sim.runs.workers import single_blas_thread

    single_blas_thread()  # before numpy is imported: the same bits here as in the workers
    from analysis import compare as comparing
    from analysis.compare_figure import draw_into

    given: dict[str, Any] = {"--seed": seed, "--replications": replications, "--until": until}
    given |= {"--enterprises": enterprises, "--set": changes}
    with _refused():
        names = comparing.known_measures(measures or [])
        plan = _plan_comparison(arguments, given, out)
    runs, reports = _compared_runs(plan, workers or _processors(), csv)
    if len(runs) < 2 or plan.labels[arguments[0]] not in runs:
        _say("moatsim: nothing is left to compare")
        raise typer.Exit(FAILED)
    with _refused():
        notes = comparing.version_notes(map(Path, plan.opened), bool(plan.scenarios))
        comparison = comparing.compare(runs, notes, names)
        if few := comparing.few_seeds(comparison.seeds):
            _say(f"moatsim: {few}")
        shown = comparing.shown_measures(comparison, names)
    document = comparing.as_document(comparison, shown)
    files = comparing.save(comparison, plan.place, document)
    figures = draw_into(plan.place, comparison, names, {label: result.scenario for label, result in runs.items()})
    if as_json:
        places = {"files": [str(path) for path in files], "figures": [str(path) for path in figures]}
        _print_json(document | places | {"runs": reports})
    else:
        _print_comparison(comparison, shown)
        print(f"tables in {plan.place}: {', '.join(path.name for path in files)}")
        print(f"figure: {figures[0]} (and the same as .svg)")
        for report in reports:
            print(f"run of {report['scenario']}: {report['folder']}")
    if len(runs) < len(arguments) or any(report["status"] != "complete" for report in reports):
        raise typer.Exit(FAILED_RUNS)


# ---- input ----


def _scenario_names(names: Sequence[str], everything: bool) -> list[str]:
    from sim.scenario import shipped_scenarios

    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"scenario '{twice[0]}' is named twice; name it once")
    shipped = [entry.name for entry in shipped_scenarios()] if everything else []
    wanted = list(dict.fromkeys([*names, *shipped]))
    if not wanted:
        raise InputError("name a scenario, or --all for every shipped one; 'moatsim scenarios' lists them")
    return wanted


def _seeds(first: int, count: int) -> range:
    """The seeds of the replications. Raises InputError for one beyond the largest."""
    from sim.streams import LARGEST_SEED

    if first + count - 1 > LARGEST_SEED:
        raise InputError(
            f"--seed: seeds are whole numbers from 0 to {LARGEST_SEED} (2^63 - 1); "
            f"{count} {'replication' if count == 1 else 'replications'} from {first} on would go beyond"
        )
    return range(first, first + count)


def _overrides(changes: Sequence[str]) -> dict[str, object]:
    from sim.scenario import parse_override

    return dict(parse_override(change) for change in changes)


def _load_all(names: Sequence[str], overrides: Mapping[str, object]) -> list[Scenario]:
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


def _run_folders(names: Sequence[str], out: Path | None) -> list[Path]:
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


def _processors() -> int:
    from sim.runs.workers import processors

    return processors()


def _nearest(name: str, known: Mapping[str, object]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"


# ---- comparing ----


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
    names = _scenario_names(arguments, False)
    opened = {name: open_checked(Path(name)) for name in names if _is_folder(name)}
    scenarios = [name for name in names if name not in opened]
    if not scenarios and (useless := [option for option, value in given.items() if value is not None]):
        raise InputError(f"{useless[0]} is for scenarios, but only run folders are compared")
    first = next(iter(opened.values()), None)
    loaded = dict(zip(scenarios, _load_all(scenarios, _compared_overrides(given, first)), strict=True))
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
    return _overrides(given["--set"] or []) | {key: value for key, value in span.items() if value is not None}


def _compared_seeds(given: Mapping[str, Any], first: Run | None) -> Sequence[int]:
    """Seeds of the scenarios: those asked for, else those of the run folder they are compared with."""
    seed, count = given["--seed"], given["--replications"]
    if first is not None and seed is None:
        return first.seeds[:count]
    return _seeds(1 if seed is None else seed, count or COMPARED_SEEDS)


def _comparison_name(names: Sequence[str]) -> str:
    """The name of the folder of a comparison."""
    shown = names if len(names) <= 3 else [names[0], f"{len(names) - 1}-others"]
    return "-".join(["compare", *shown])


def _folders_below(place: Path, names: Sequence[str], opened: Mapping[str, Run]) -> list[Path]:
    """A run folder below `place` for each scenario. Raises as `_run_folders`, and for one that is itself compared."""
    if not names:
        return []
    folders = _run_folders(names, place if len(names) > 1 else place / names[0])
    read = {Path(name).resolve() for name in opened}
    lost = [folder for folder in folders if folder.resolve() in read]
    if lost:
        raise InputError(f"{lost[0]} is compared and would be written over; choose another folder with --out")
    return folders


def _compared_runs(plan: _Plan, workers: int, csv: bool) -> tuple[dict[str, Run], list[dict[str, Any]]]:
    """The runs by label, in the order of the arguments, and what was run for them; a run that failed is missing."""
    from sim.runs import RunError, settings
    from sim.runs.results import open_run

    for scenario, _ in plan.scenarios.values():
        try:
            settings(scenario)
        except ValueError as error:
            raise InputError(str(error)) from None
    runs, reports = {}, []
    for name, label in plan.labels.items():
        if name in plan.opened:
            runs[label] = plan.opened[name]
            continue
        scenario, folder = plan.scenarios[name]
        try:
            report = _run_one(scenario, plan.seeds, workers, folder, csv)
        except RunError as error:
            _say(f"moatsim: {scenario.name}: {str(error).splitlines()[0]}")
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
    print(f"\nreference {comparison.reference}: {_seed_text(comparison.seeds)}, {quarters[0]} to {quarters[-1]}")
    for note in comparison.notes:
        if note != few_seeds(comparison.seeds):  # said on standard error
            print(f"note: {note}")
    console = _console(sys.stdout)
    for scenario in comparison.scenarios:
        print(f"\n{scenario} less {comparison.reference}, mean over the replications with its 95 % interval")
        for headings, rows in (
            (HEADINGS, summary_rows(comparison, scenario, names)),
            (EVENT_HEADINGS, event_rows(comparison, scenario)),
        ):
            table = _table(*headings)
            for row in rows:
                table.add_row(*row)
            console.print(table)
        print(first_words(comparison.first[scenario]))
    print(f"\n{PARTING_RULE}")


# ---- running ----


def _run_one(scenario: Scenario, seeds: Sequence[int], workers: int, folder: Path, csv: bool) -> dict[str, Any]:
    """Run one scenario into its folder and say what came of it."""
    from analysis.plots import draw_all
    from sim.runs import run
    from sim.runs.folder import FIGURES, RunFolder
    from sim.runs.results import manifest_head

    with RunFolder(folder, manifest_head(scenario, seeds, ["moatsim", *sys.argv[1:]])) as claimed:
        with _progress(scenario, len(seeds)) as tick, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # failed seeds are named below
            result = run(scenario, seeds=seeds, workers=min(workers, len(seeds)), progress=tick)
        result.save_into(claimed, csv)
        figures = draw_all(result, folder / FIGURES)
    for seed, reason in result.failures.items():
        _say(f"moatsim: {scenario.name}: seed {seed} failed: {reason}")
    return _report(result, folder, figures)


def _report(result: Run, folder: Path, figures: Sequence[Path]) -> dict[str, Any]:
    return {
        "scenario": result.scenario.name,
        "status": "partial" if result.failures else "complete",
        "folder": str(folder),
        "wall_time_seconds": round(result.info.wall_time_seconds, 3),
        "tables": sorted(str(path) for pattern in ("*.parquet", "*.csv") for path in folder.glob(pattern)),
        "figures": [str(path) for path in figures],
        "summary": result.summary(),
    }


@contextmanager
def _progress(scenario: Scenario, count: int) -> Iterator[Any]:
    """A progress bar on standard error that ticks every simulated quarter; silent when nobody watches."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from sim.quarters import quarter_number

    span = scenario.parameters.run
    quarters = quarter_number(span.until) - quarter_number(span.first_quarter) + 1
    console = _console(sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}/" + f"{count} replications, {{task.fields[at]}}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(scenario.name, total=count * quarters, done=0, at=span.first_quarter)
        finished = 0

        def tick(seed: int, quarter: str) -> None:
            nonlocal finished
            finished += quarter == span.until
            bar.update(task, advance=1, done=finished, at=f"seed {seed}, {quarter}")

        yield tick


# ---- output ----


def _print_report(report: Mapping[str, Any]) -> None:
    summary = report["summary"]
    seeds = summary["seeds"]
    several = len(seeds) > 1
    print(f"\n{summary['title']} ({report['scenario']}): {_seed_text(seeds)}, {report['wall_time_seconds']:.1f} s")
    quarters = list(next(iter(summary["measures"].values())))
    table = _table("median (10-90 % of seeds)" if several else "one seed", *quarters)
    for name, values in summary["measures"].items():
        label, form = _MEASURES[name]
        table.add_row(label, *(_cell(values[quarter], form, several) for quarter in quarters))
    _console(sys.stdout).print(table)
    print(_leaders(summary["api_spend_shares_by_owner"], quarters[-1]))
    folder = Path(report["folder"])
    print(f"\ntables in {folder}: {', '.join(Path(path).name for path in report['tables'])}")
    print(f"figures in {folder / 'figures'} (and the same as .svg):")
    for path in report["figures"]:
        if path.endswith(".png"):
            print(f"  {path}")


def _leaders(shares: Mapping[str, Mapping[str, float | None]], quarter: str) -> str:
    """The largest owners in words."""
    largest = [f"{owner} {_percent(share['median'] or 0.0)} %" for owner, share in list(shares.items())[:6]]
    return f"share of API spend in {quarter}, median: {', '.join(largest)}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f}"


def _billions(value: float) -> str:
    """US dollars in billions, about three significant digits."""
    billions = value / 1e9
    digits = 3 if abs(billions) < 1 else 2 if abs(billions) < 10 else 1 if abs(billions) < 100 else 0
    return f"{billions:,.{digits}f}"


_MEASURES = {
    "hhi": ("HHI of API spend by owner", lambda value: f"{value:,.0f}"),
    "cr3": ("largest three's share, %", _percent),
    "open_share": ("open share of API spend, %", _percent),
    "gap_months": ("open behind closed, months", lambda value: f"{value:.1f}"),
    "record_training_cost_usd": ("record training run, USD bn", _billions),
    "active_labs": ("active labs", lambda value: f"{value:.0f}"),
    "api_spend_usd": ("API spend a quarter, USD bn", _billions),
}


def _cell(spread: Mapping[str, float | None], form: Any, several: bool) -> str:
    if spread["median"] is None:
        return "-"
    if not several:
        return str(form(spread["median"]))
    return f"{form(spread['median'])} ({form(spread['p10'])}-{form(spread['p90'])})"


def _seed_text(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} replications, seeds {seeds[0]}-{seeds[-1]}"


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

    baseline, *_ = loaded = _load_all(names, {})
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


def _change_lines(changes: Sequence[Mapping[str, Any]]) -> list[str]:
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


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    return table


# ---- entry ----


def main() -> None:
    """Run the command line and exit with its code: 0, 1 failed, 2 invalid input, 3 failed runs, 130 interrupted."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone; keep Python from complaining again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    except Exception as error:  # never a traceback: whatever it is becomes a message and a code
        code = _report_error(error)
    if code == INTERRUPTED:
        _say("moatsim: interrupted")
    sys.exit(code if isinstance(code, int) else DONE)


def _report_error(error: Exception) -> int:
    """Print an error in one to three lines; the exit code it stands for."""
    from sim.runs.folder import FolderBusyError, FolderError
    from sim.scenario import ScenarioError

    if hasattr(error, "format_message"):  # a usage error of the command-line parser
        _say(f"moatsim: {error.format_message()}")
        _say(f"try '{error.ctx.command_path} --help'" if getattr(error, "ctx", None) else "try 'moatsim --help'")
        return INVALID
    if isinstance(error, ScenarioError):
        _say("\n".join(map(str, error.problems)))
        return INVALID
    _say(f"moatsim: {_one_line(error)}")
    if isinstance(error, InputError):
        return INVALID
    if isinstance(error, FolderError):
        return FAILED if isinstance(error, FolderBusyError) else INVALID
    if not isinstance(error, OSError) and os.environ.get(TRACE):
        traceback.print_exception(error)
    return FAILED


def _one_line(error: Exception) -> str:
    from sim.runs.folder import FolderError

    text = " ".join(str(error).split())
    if isinstance(error, (InputError, FolderError)):
        return text
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else text
    return f"unexpected {type(error).__name__}: {text} (set {TRACE}=1 to see where)"


if __name__ == "__main__":
    main()
