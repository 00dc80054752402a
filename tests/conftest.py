"""Options and fixtures that every test may use."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from analysis import cli

# The fast profile repeats the same examples on every run, so that a failure in `make test` is never a matter of luck.
settings.register_profile("fast", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=500, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`: whole samples instead of the fixed small ones (what `make test-all` passes)."""
    parser.addoption("--full", action="store_true", default=False, help="run statistical checks on their whole sample")


def pytest_configure(config: pytest.Config) -> None:
    """Pick how many examples property tests try; undo that background jobs of a script are deaf to Ctrl-C."""
    settings.load_profile("full" if config.getoption("--full") else "fast")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # inherited: the programs that tests interrupt would be too
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def sample(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Return `sample(n_full, n_fast)`: the sample size of this run, n_full under `--full`, else n_fast."""
    full = bool(request.config.getoption("--full"))
    return lambda n_full, n_fast: n_full if full else n_fast


class Shell:
    """Runs the program in this process; .out and .err are what it said."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> object:
        self.monkeypatch.setattr(sys, "argv", ["moatsim", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        self.out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.out + self.err
        return left.value.code


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    """The command line in an empty folder: called with words, gives the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # the program sets BLAS variables
    return Shell(monkeypatch, capsys)
