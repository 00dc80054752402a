"""The sentences of the README that the tool writes."""

import re

import numpy as np
import pytest

from analysis import readme
from sim.records import LENSES


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1842.7, 2, "1,800"), (0.01834, 2, "0.018"), (4.04, 2, "4.0"), (26.0, 2, "26"), (0.0, 2, "0"), (-0.5, 1, "-0.5")],
)
def test_numbers_are_short(value, digits, text):
    """Kills: decimals counted instead of digits, exponents, lost thousands."""
    assert readme.short(value, digits) == text


def test_spread_is_median_and_deciles():
    """Kills: mean for median, quartiles for deciles, a scale that is forgotten."""
    assert readme.spread(np.arange(11.0)) == "5.0 (1.0 to 9.0)"
    assert readme.spread(np.arange(11.0), scale=0.1) == "0.50 (0.10 to 0.90)"


@pytest.mark.parametrize(("after", "word"), [(8.9, "falls"), (11.1, "rises"), (10.9, "stays about where it is")])
def test_a_move_is_more_than_a_tenth(after, word):
    """Kills: a direction turned round, noise called a move."""
    assert readme.moves(np.array([10.0]), np.array([after])) == word


def test_findings_follow_the_run(several):
    """Kills: numbers of another quarter, seed or column. Four seeds of the stand-in market, to 2025Q4."""
    text = readme.findings(several)
    assert text.count("\n- **") == 6 and "nan" not in text
    assert "Medians of 4 seeds" in text and "2025Q4" in text
    market = several.table("market")
    for quarter in ("2024Q4", "2025Q4"):
        assert readme.spread(market.loc[market["quarter"] == quarter, "hhi"].to_numpy()) in text
    shares = several.shares("tokens", "openness")["open"]
    median = shares[shares.index.get_level_values("quarter") == "2024Q4"].median()
    assert f"{100 * median:.0f} % of tokens" in text


def test_every_lens_has_words():
    """Downloads aside, which are open by definition. Kills: a new lens that the page leaves out."""
    assert set(readme.LENS_WORDS) == set(LENSES) - {"downloads"}


def test_only_marked_parts_change():
    """Kills: a page that loses its text, a part written into another's place."""
    page = "a\n<!-- generated: findings -->\nold\n<!-- end -->\nb\n<!-- generated: score -->\n<!-- end -->\nc\n"
    new = readme.rendered(page, {"findings": "F\n", "score": "S\n"})
    assert re.sub(r"[FS]\n", "", new) == page.replace("old\n", "")
    assert new.index("F") < new.index("b\n") < new.index("S\n")


def test_figures_are_pictures_only(several, tmp_path):
    """Kills: a figure that is not drawn, or vector copies left in the repository."""
    readme.save_figures(several, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.png" for name in readme.FIGURES)
