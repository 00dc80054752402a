"""What the README shows works: its code runs, its scenario loads, its links lead somewhere, its table is whole."""

import re
from pathlib import Path

import pytest

from analysis import pages, readme, score
from analysis.figures.sweep_data import DRAWN
from sim import load_scenario
from sim.records import BY, LENSES, POPULATIONS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "docs/model.md", "docs/limits.md", "docs/sweeps.md", "scenarios/README.md")


def block(language: str) -> str:
    """The one fenced block of a language."""
    found = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return found[0]


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    """Kills: a renamed method, argument or lens in the first code a visitor copies. One seed, one year."""
    quick = block("python").replace("overrides={", 'overrides={"run.enterprises": 300, ')
    quick = quick.replace("range(1, 5), workers=2", "[1]").replace('"2026Q4"', '"2023Q4"')
    assert quick.count("300") == 1 and "[1]" in quick and "2023Q4" in quick
    monkeypatch.chdir(tmp_path)
    exec(compile(quick, "README.md", "exec"), {})  # noqa: S102
    assert (tmp_path / "runs" / "dearer" / "market.parquet").exists()


def test_the_scenario_of_the_readme_loads(tmp_path):
    """Kills: a renamed key in the first file a visitor writes."""
    (tmp_path / "mine.toml").write_text(block("toml"), encoding="utf-8")
    parameters = load_scenario(tmp_path / "mine.toml").parameters
    assert parameters.technology.training_cost_growth == 3.0
    assert parameters.shocks[-1].factor == 0.5


def test_lenses_keys_and_populations_are_named():
    """Kills: a lens that the README forgets or invents."""
    table = README.split("| lens | counts |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \| ", table, re.MULTILINE)) == set(LENSES)
    assert not [name for name in (*BY, *POPULATIONS) if f"`{name}`" not in README]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """Kills: a link to a file that moved, or to a heading that was renamed."""
    place = ROOT / page
    for link in re.findall(r"\]\(([^)]+)\)", place.read_text(encoding="utf-8")):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = place.parent / path if path else place
        assert target.exists(), f"{page}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}, f"{page}: {link}"


def score_rows() -> list[tuple[str, bool]]:
    """(target, in its band) of the score table, in order."""
    table = next(found[0] for found in pages.MARKED.finditer(README) if found["name"] == "score")
    found = re.findall(r"^\| (\w+\.\w+) \| .* \| (yes|\*\*no\*\*) \| ", table, re.MULTILINE)
    return [(name, answer == "yes") for name, answer in found]


def test_the_score_table_is_of_the_targets():
    """Kills: a table made before targets.toml was extended, or a miss taken out by hand."""
    rows = score_rows()
    assert [name for name, _ in rows] == [target.name for target in score.load_targets()]
    assert f"{sum(inside for _, inside in rows)} of {len(rows)} targets in their band" in README


def test_every_miss_is_talked_about_and_nothing_else():
    """Kills: a group that misses its band and is passed over in silence; an excuse for one that fits by now."""
    text = README.split("What misses, and why")[1].split("\n## ")[0]
    bullets = "".join(line for line in text.splitlines() if line.startswith("- **"))
    missed = {name.split(".")[0] for name, inside in score_rows() if not inside}
    assert set(re.findall(r"\*\*(\w+)\*\*", bullets)) == missed, "rewrite the paragraph on misses in README.md"


def test_every_part_that_the_tool_writes_is_there():
    """Kills: a mark that was edited away, so that `make readme` leaves old numbers standing."""
    parts = {found["name"]: found[0] for found in pages.MARKED.finditer(README)}
    assert set(parts) == {"maps", "findings", "score"}
    assert len(re.findall(r"^- \*\*", parts["findings"], re.MULTILINE)) == 6
    assert parts["maps"].count("\n| ") == 2 + len(DRAWN)
    assert all((ROOT / "docs" / "img" / f"{name}.png").exists() for name in (*readme.FIGURES, readme.MAPS))


def test_nothing_is_left_to_fill_in():
    """Kills: a placeholder that went out with the page."""
    assert not re.findall(r"^(FINDINGS|MISSES|TODO|TBD)\b", README, re.MULTILINE)
