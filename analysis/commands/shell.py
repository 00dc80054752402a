"""What the parts of the command line share: exit codes, options, the error of bad input, how text gets out."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

DONE, FAILED, INVALID, FAILED_RUNS, INTERRUPTED = 0, 1, 2, 3, 130
PIPED_WIDTH = 120  # columns of a table that goes to a file or a pipe

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; one per processor when left out.")]
Until = Annotated[str | None, typer.Option(metavar="QUARTER", help="Last quarter, such as 2032Q4.")]
Enterprises = Annotated[int | None, typer.Option(metavar="N", help="How many enterprises are simulated.")]


class InputError(Exception):
    """The user's input cannot be used; the message says why, in one to three lines."""


def console(stream: Any) -> Console:
    """A console that is as wide as the terminal, or as a page where there is none."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH, markup=False, highlight=False)


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def say(text: str) -> None:
    """A message on standard error."""
    print(text, file=sys.stderr)


def table_of(*headings: str) -> Table:
    """An empty table for a console: numbers to the right of the first column."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    return table


def seed_text(seeds: Sequence[int]) -> str:
    """The seeds in words."""
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} replications, seeds {seeds[0]}-{seeds[-1]}"


def nearest(name: str, known: Mapping[str, object]) -> str:
    """The end of a message on an unknown name: the one that was meant, or all that are known."""
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known)}"
