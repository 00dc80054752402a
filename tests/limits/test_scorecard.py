"""docs/limits.md and the limit tests name each other."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCORECARD = HERE.parents[1] / "docs" / "limits.md"


def functions(path: Path) -> set[str]:
    """Names of the tests of one file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")}


def named() -> set[tuple[str, str]]:
    """(file, test) pairs that the scorecard names."""
    return set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", SCORECARD.read_text(encoding="utf-8")))


def test_every_test_named_in_the_scorecard_exists() -> None:
    """Kills: a limit that the table claims and nobody checks any more."""
    assert named()
    missing = [pair for pair in named() if pair[1] not in functions(HERE / pair[0])]
    assert not missing


def test_every_closed_form_stands_in_the_scorecard() -> None:
    """Kills: a limit added without its line in the table."""
    for name in ("test_closed_forms.py", "test_money_and_control.py"):
        assert functions(HERE / name) == {test for file, test in named() if file == name}
