"""`moatsim run`: scenarios into run folders, with progress while it lasts and a table at the end."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis.commands.inputs import load_all, overrides_of, refuse_spans, run_folders, scenario_names, seed_range
from analysis.commands.shell import (
    FAILED,
    FAILED_RUNS,
    Enterprises,
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
    from sim.runs.results import Run
    from sim.scenario import Scenario


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
    until: Until = None,
    enterprises: Enterprises = None,
    workers: Workers = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; DIR/NAME for several; ./runs/NAME when left out.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write the tables as CSV too.")] = False,
    as_json: Json = False,
) -> None:
    """Run scenarios: tables, figures and a summary in a folder for each."""
    names = scenario_names(scenarios or [], everything)
    given = {"run.until": until, "run.enterprises": enterprises}
    overrides = overrides_of(changes or []) | {key: value for key, value in given.items() if value is not None}
    loaded = load_all(names, overrides)
    folders = run_folders([scenario.name for scenario in loaded], out)

    from sim.runs.workers import processors, single_blas_thread

    single_blas_thread()  # before numpy is imported: the same bits here as in the workers
    refuse_spans(loaded)
    seeds = [seed_range(seed, replications or scenario.parameters.run.replications) for scenario in loaded]
    reports, failed = [], False
    for scenario, each, folder in zip(loaded, seeds, folders, strict=True):
        report = run_one(scenario, each, workers or processors(), folder, csv)
        if report is None:
            failed = True
            continue
        failed = failed or report["status"] != "complete"
        reports.append(report)
        if not as_json:
            _print_report(report)
    if as_json:
        print_json({"runs": reports})
    if failed:
        raise typer.Exit(FAILED_RUNS if reports else FAILED)


def run_one(scenario: Scenario, seeds: Sequence[int], workers: int, folder: Path, csv: bool) -> dict[str, Any] | None:
    """Run one scenario into its folder: what came of it, or None, with a message, when no seed gave a result."""
    from analysis.plots import draw_all
    from sim.runs import RunError, run
    from sim.runs.folder import FIGURES, RunFolder
    from sim.runs.results import manifest_head

    try:
        with RunFolder(folder, manifest_head(scenario, seeds, ["moatsim", *sys.argv[1:]])) as claimed:
            with _progress(scenario, len(seeds)) as tick, warnings.catch_warnings():
                warnings.simplefilter("ignore")  # failed seeds are named below
                result = run(scenario, seeds=seeds, workers=min(workers, len(seeds)), progress=tick)
            result.save_into(claimed, csv)
            figures = draw_all(result, folder / FIGURES)
    except RunError as error:
        say(f"moatsim: {scenario.name}: {str(error).splitlines()[0]}")
        return None
    for seed, reason in result.failures.items():
        say(f"moatsim: {scenario.name}: seed {seed} failed: {reason}")
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
    screen = console(sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}/" + f"{count} replications, {{task.fields[at]}}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(scenario.name, total=count * quarters, done=0, at=span.first_quarter)
        finished = 0

        def tick(seed: int, quarter: str) -> None:
            nonlocal finished
            finished += quarter == span.until
            bar.update(task, advance=1, done=finished, at=f"seed {seed}, {quarter}")

        yield tick


def _print_report(report: Mapping[str, Any]) -> None:
    summary = report["summary"]
    seeds = summary["seeds"]
    several = len(seeds) > 1
    print(f"\n{summary['title']} ({report['scenario']}): {seed_text(seeds)}, {report['wall_time_seconds']:.1f} s")
    quarters = list(next(iter(summary["measures"].values())))
    table = table_of("median (10-90 % of seeds)" if several else "one seed", *quarters)
    for name, values in summary["measures"].items():
        label, form = _MEASURES[name]
        table.add_row(label, *(_cell(values[quarter], form, several) for quarter in quarters))
    console(sys.stdout).print(table)
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
