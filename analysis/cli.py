"""The command line `moatsim`: its commands (analysis.commands), and what becomes of their errors."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from analysis.commands.compare import compare
from analysis.commands.read import explain, plot
from analysis.commands.run import run_command
from analysis.commands.scenarios import check, scenarios, schema, show
from analysis.commands.shell import DONE, FAILED, INTERRUPTED, INVALID, InputError, say
from analysis.commands.sweep import sweep_app
from sim import __version__

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

app.command("run")(run_command)
for command in (check, show, scenarios, schema, plot, explain, compare):
    app.command()(command)
app.add_typer(sweep_app, name="sweep")


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
        say("moatsim: interrupted")
    sys.exit(code if isinstance(code, int) else DONE)


def _report_error(error: Exception) -> int:
    """Print an error in one to three lines; the exit code it stands for."""
    from sim.runs.folder import FolderBusyError, FolderError
    from sim.scenario import ScenarioError

    if hasattr(error, "format_message"):  # a usage error of the command-line parser
        say(f"moatsim: {error.format_message()}")
        say(f"try '{error.ctx.command_path} --help'" if getattr(error, "ctx", None) else "try 'moatsim --help'")
        return INVALID
    if isinstance(error, ScenarioError):
        say("\n".join(map(str, error.problems)))
        return INVALID
    say(f"moatsim: {_one_line(error)}")
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
