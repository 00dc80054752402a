"""`moatsim sweep PLAN`, `sweep status DIR`, `sweep retry DIR`. Heavy modules are imported inside the commands."""

from __future__ import annotations

import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from analysis.commands.inputs import RUNS
from analysis.commands.shell import (
    FAILED,
    FAILED_RUNS,
    INVALID,
    Enterprises,
    InputError,
    Json,
    Until,
    Workers,
    console,
    print_json,
    say,
)

if TYPE_CHECKING:
    from sim.sweep import Plan, Progress, SweepReport
    from sim.sweep.status import SweepStatus

SWEEPS = RUNS / "sweeps"  # where sweeps go unless --out says otherwise
SAID_EVERY = 30.0  # seconds between two lines of progress where there is no terminal
RUN = "run"


class _SweepCommands(TyperGroup):
    """The commands; what is none of them is a plan."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args:
            ctx.fail("name a plan, or say what to do: moatsim sweep PLAN.toml, sweep status DIR, sweep retry DIR")
        if args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """What a plan takes stands with the commands: most who ask for help have a plan to run."""
        from sim.sweep.planfile import PLANS

        options = [param for param in self.commands[RUN].get_params(ctx) if param.param_type_name == "option"]
        shipped = [
            (path.stem, tomllib.loads(path.read_text("utf-8"))["title"]) for path in sorted(PLANS.glob("*.toml"))
        ]
        with formatter.section("Plans"):
            formatter.write_dl([("PLAN.toml", "A file of your own"), *shipped])
        with formatter.section("Options of a plan"):
            formatter.write_dl([record for option in options if (record := option.get_help_record(ctx))])
        self.format_commands(ctx, formatter)


sweep_app = typer.Typer(
    cls=_SweepCommands,
    rich_markup_mode=None,
    subcommand_metavar="PLAN | status DIR | retry DIR",
    help="Make the runs of a plan: moatsim sweep PLAN. The same line again takes up where it ended.",
)

OnCluster = Annotated[
    str | None, typer.Option("--executor", metavar="dask://HOST:PORT", help="Make the runs on a Dask cluster.")
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit", metavar="SECONDS", help="A run that takes longer counts as hanging; 50 times the expected."
    ),
]


@sweep_app.command(RUN)
def run_plan(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A shipped plan's name or a path.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Sweep folder; ./runs/sweeps/NAME when left out.")
    ] = None,
    workers: Workers = None,
    executor: OnCluster = None,
    until: Until = None,
    enterprises: Enterprises = None,
    time_limit: TimeLimit = None,
    as_json: Json = False,
) -> None:
    """Make the runs of a plan; the word run may be left out."""
    from sim.runs.workers import single_blas_thread

    single_blas_thread()  # before numpy is imported: the same bits here as in the workers
    from sim.sweep import load_plan, run_sweep
    from sim.sweep.runner import Means

    if workers is not None and executor is not None:
        raise InputError("give --workers or --executor, not both: a cluster has its own workers")
    loaded = load_plan(plan, until=until, enterprises=enterprises)
    folder = out or SWEEPS / loaded.path.stem
    with _refused(folder):
        Means(workers, executor, time_limit)  # what cannot be is refused before anything is announced
    (say if as_json else print)(_announcement(loaded, folder, workers, executor))
    with _refused(folder), _shown() as progress:
        report = run_sweep(
            loaded,
            folder,
            workers=workers,
            executor=executor,
            progress=progress,
            time_limit=time_limit,
            command=["moatsim", *sys.argv[1:]],
        )
    _conclude(report, as_json)


@sweep_app.command()
def retry(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A sweep folder.")],
    workers: Workers = None,
    executor: OnCluster = None,
    time_limit: TimeLimit = None,
    as_json: Json = False,
) -> None:
    """Make the failed runs of a sweep again, and those it has not come to."""
    from sim.runs.workers import single_blas_thread

    single_blas_thread()
    from sim.sweep import retry_sweep

    with _refused(folder), _shown() as progress:
        report = retry_sweep(folder, workers=workers, executor=executor, progress=progress, time_limit=time_limit)
    _conclude(report, as_json)


@sweep_app.command()
def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A sweep folder, also one at work.")],
    as_json: Json = False,
) -> None:
    """How far a sweep is: rate, failures, time left."""
    from sim.sweep.status import sweep_status

    found = sweep_status(folder)
    if as_json:
        print_json(_status_document(found))
    else:
        print("\n".join(_status_lines(found)))


# ---- figures ----


def _drawn(report: SweepReport) -> list[Path]:
    """The figures of a sweep that came to its end, drawn anew when there is anything new."""
    from sim.runs.folder import FIGURES

    there = sorted((report.path / FIGURES).glob("*.png"))
    if there and not report.made:
        return there
    try:
        return draw_sweep(report.path)
    except NothingToDrawError:
        return []


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep: its manifest says so or, for want of one, a list of points."""
    from sim.runs.folder import FolderError, read_manifest
    from sim.sweep.store import KIND
    from sim.sweep.work import POINTS

    try:
        read_manifest(folder, KIND)
    except FolderError:
        return (folder / POINTS).is_file()
    return True


class NothingToDrawError(InputError):
    """A sweep has nothing that a figure could show."""


def draw_sweep(folder: Path, kinds: list[str] | None = None, measures: list[str] | None = None) -> list[Path]:
    """Draw a sweep's figures into its folder; the paths written, at least one. Raises InputError for what it cannot
    draw, NothingToDrawError when that is all.
    """
    from analysis.figures.sweeps import KINDS, draw_all, possible
    from sim.runs.folder import FIGURES
    from sim.sweep import open_sweep

    sweep = open_sweep(folder)
    if not (sweep.runs["status"] == "ok").any():
        raise NothingToDrawError(f"{folder}: nothing to draw: no run has given a result")
    for kind in kinds or []:
        if kind not in KINDS:
            raise InputError(f"--figure: a sweep has no figure '{kind}', but {', '.join(KINDS)}")
        if not possible(sweep, kind):
            raise InputError(f"--figure: {folder} has not got what {kind} shows ({sweep.balance.why})")
    try:
        paths = draw_all(sweep, folder / FIGURES, kinds, measures)
    except ValueError as error:
        if not measures:
            raise
        raise InputError(f"--measure: {error}") from None
    if not paths:
        raise NothingToDrawError(
            f"{folder}: nothing to draw: no run has a value of these measures; name one with --measure"
        )
    return paths


# ---- before ----


def _announcement(plan: Plan, folder: Path, workers: int | None, executor: str | None) -> str:
    """The plan, and what it will take."""
    from sim.runs.workers import processors
    from sim.sweep.estimate import bytes_per_run, default_time_limit, seconds_per_run, seconds_per_sweep
    from sim.sweep.work import work_of

    work = work_of(plan)
    count = 1 if executor else workers or processors()
    by = "by one worker of the cluster" if executor else f"by {count} worker{'s' if count > 1 else ''}"
    return "\n".join(
        [
            plan.summary(),
            f"time          about {_duration(seconds_per_sweep(work, count))} {by}, at "
            f"{seconds_per_run(work):.2g} s a run; one that takes {default_time_limit(work):,.0f} s counts as hanging",
            f"disk          about {_size(bytes_per_run(work) * len(work.runs))}",
            f"folder        {folder}",
        ]
    )


# ---- meanwhile ----


@contextmanager
def _refused(folder: Path) -> Iterator[None]:
    """Errors of a sweep as the command line's."""
    from sim.runs.folder import FolderBusyError, FolderError
    from sim.sweep.store import ChangedError, SweepError

    try:
        yield
    except ValueError as error:
        if not str(error).startswith(("executor", "workers", "time_limit")):
            raise
        raise InputError(str(error)) from None
    except SweepError as error:
        say(f"moatsim: {error}")
        raise typer.Exit(INVALID if isinstance(error, ChangedError) else FAILED) from None
    except FolderBusyError as error:
        raise InputError(str(error)) from None
    except FolderError:
        raise
    except OSError as error:
        say(f"moatsim: {error.filename or folder}: {error.strerror or error}")
        if is_sweep(folder):
            say("what is done is safe; when the cause is gone, the same command goes on from there")
        else:
            say("nothing was begun; mend the cause and give the same command, or choose another folder with --out")
        raise typer.Exit(FAILED) from None


@contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Progress on standard error: a bar on a terminal, else a line now and then."""
    screen = console(sys.stderr)
    if not screen.is_terminal:
        yield _Lines()
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(BarColumn(), TextColumn("{task.description}"), console=screen, transient=True) as bar:
        task = bar.add_task("the first runs", total=None)
        yield lambda at: bar.update(task, completed=at.done, total=at.total, description=_words(at))


class _Lines:
    """Says how far it is, now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, at: Progress) -> None:
        if time.monotonic() - self._said >= SAID_EVERY:
            self._said = time.monotonic()
            say(_words(at))


def _words(at: Progress) -> str:
    from sim.sweep.plan import counted

    left = f", {_duration(at.left)} left" if at.left is not None else ""
    return f"{at.done:,} of {counted(at.total, 'run')}, {at.failed:,} failed, {at.rate:.2g} a second{left}"


# ---- afterwards ----


def _conclude(report: SweepReport, as_json: bool) -> None:
    from sim.sweep.plan import counted

    for note in report.notes:
        say(f"moatsim: {note}")
    with _refused(report.path):
        figures = _drawn(report)
    if as_json:
        print_json(
            {
                "folder": str(report.path),
                "status": report.status,
                "runs": report.total,
                "ok": report.ok,
                "failed": report.failed,
                "made": report.made,
                "seconds": report.seconds,
                "notes": list(report.notes),
                "figures": [str(path) for path in figures],
            }
        )
    else:
        made = counted(report.made, "run")
        print(f"{made} in {_duration(report.seconds)}; {report.ok:,} of {report.total:,} gave a result")
        print(f"tables in {report.path}" + (f", figures in {figures[0].parent}" if figures else ""))
    if report.failed:
        from sim.sweep.status import sweep_status

        failed = counted(report.failed, "run")
        say(f"moatsim: {failed} failed; runs.parquet has trace and command, 'sweep retry' makes failed runs again")
        for failure in sweep_status(report.path, shown=3).failures:
            say(f"  run {failure.index}: {failure.status}: {failure.error}")
        raise typer.Exit(FAILED_RUNS)


def _status_lines(found: SweepStatus) -> Iterator[str]:
    by = f", by process {found.writer}" if found.writer else ""
    yield f"{found.title}: {found.status}{by}"
    yield f"runs          {found.done:,} of {found.total:,} ended, {found.failed:,} failed"
    if found.rate is not None:
        yield f"rate          {found.rate:.2g} runs a second"
    if found.left is not None:
        yield f"left          {_duration(found.left)}"
    for failure in found.failures:
        yield f"run {failure.index}: {failure.status}: {failure.error}"
    if found.lost:
        others = f", and of {len(found.lost) - 1:,} more parts" if len(found.lost) > 1 else ""
        advice = "" if found.writer else "; the same moatsim sweep command makes these runs again"
        yield f"gone or of another size: {found.lost[0]}{others}{advice}"


def _status_document(found: SweepStatus) -> dict[str, Any]:
    return {
        "folder": str(found.path),
        "title": found.title,
        "status": found.status,
        "runs": found.total,
        "done": found.done,
        "failed": found.failed,
        "counts": dict(found.counts),
        "rate_per_second": found.rate,
        "seconds_left": found.left,
        "writer": found.writer,
        "failures": [{"run": x.index, "status": x.status, "error": x.error} for x in found.failures],
        "lost": [str(path) for path in found.lost],
    }


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _size(count: float) -> str:
    if count < 1e6:
        return f"{count / 1e3:.0f} kB"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
