"""`moatsim plot` and `moatsim explain`: what a folder of results shows and tells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.commands.shell import InputError, Json, nearest, print_json
from analysis.commands.sweep import draw_sweep, is_sweep


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
            raise InputError(f"--figure: no figure '{unknown[0]}'{nearest(unknown[0], FIGURES)}")
        paths = draw_all(open_run(folder), folder / SUBFOLDER, figure or None)
    if as_json:
        print_json({"figures": [str(path) for path in paths]})
    else:
        print("\n".join(str(path) for path in paths))


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
        print_json(tell.as_json(told))
    else:
        print(text(told))
