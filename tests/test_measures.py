"""Concentration, turnover and the split of an HHI change: hand-computed cases and exact properties."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sim.measures import (
    BY,
    LENSES,
    NOTICEABLE,
    OVERLAPPING_LENSES,
    POPULATION_REGIONS,
    POPULATION_SEGMENTS,
    POPULATIONS,
    concentration_ratio,
    effective_number,
    entropy,
    hhi,
    hhi_change_by_cause,
    leader_changes,
    leader_turnover,
    noticeable_lag,
    pooled,
    price_volatility,
    returned_cash,
    share_turnover,
    transitions,
)

CAUSES = ("mergers", "exits", "entry", "reallocation")


def shares_of(size):
    weights = st.lists(st.floats(0.001, 1.0), min_size=size, max_size=size)
    return weights.map(lambda w: np.array(w) / np.sum(w))


def test_hand_computed_market():
    """40, 30, 20, 10 %: HHI 1600+900+400+100. Kills: shares not squared, 0-1 scale, ratio of the smallest firms."""
    shares = [0.1, 0.4, 0.2, 0.3]
    assert hhi(shares) == pytest.approx(3000.0, abs=1e-9)
    assert [concentration_ratio(shares, k) for k in (1, 3, 4, 9)] == pytest.approx([0.4, 0.9, 1.0, 1.0])
    assert effective_number(shares) == pytest.approx(10 / 3)
    assert entropy(shares) == pytest.approx(1.2798542258336676)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_equal_firms(n):
    """Closed forms of n equal firms; a firm with share 0 changes nothing. Kills: log base 2 or 10, 0 ln 0 = NaN."""
    shares = np.append(np.full(n, 1 / n), 0.0)
    assert hhi(shares) == pytest.approx(10_000 / n)
    assert effective_number(shares) == pytest.approx(n)
    assert entropy(shares) == pytest.approx(math.log(n), abs=1e-12)
    assert concentration_ratio(shares, 1) == pytest.approx(1 / n)


@pytest.mark.parametrize("shares", [[], [math.nan, math.nan]])
def test_no_market_is_nan(shares):
    """Kills: a market without sales reported as perfectly competitive (0)."""
    assert all(math.isnan(measure(shares)) for measure in (hhi, effective_number, entropy))
    assert math.isnan(concentration_ratio(shares, 3))


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ([40.0, 60.0], "percentages by 100"),
        ([0.5, 0.5 + 2e-9], "divide them by their sum"),
        ([0.0, 0.0], "sum to"),
        ([0.5, math.nan, 0.5], "some shares are NaN"),
        ([1.2, -0.2], "share 1 is negative"),
        ([math.inf, 0.0], "sum to"),
        ([[0.5, 0.5]], "one-dimensional"),
    ],
)
def test_what_is_no_market_share_is_refused(shares, reason):
    for measure in (hhi, effective_number, entropy, lambda s: concentration_ratio(s, 1)):
        with pytest.raises(ValueError, match=reason):
            measure(shares)


def test_sum_is_checked_at_1e9_and_ratio_needs_a_firm():
    """Kills: a tolerance of 0, which rounding breaks."""
    assert hhi([0.5, 0.5 + 5e-10]) == pytest.approx(5000.0)
    with pytest.raises(ValueError, match="k >= 1, not 0"):
        concentration_ratio([1.0], 0)


def test_labs_under_common_control_count_as_one():
    """Kills: pooling by position or by equality of neighbours only."""
    assert pooled([0.1, 0.2, 0.3, 0.4], ["a", "b", "a", "c"]) == pytest.approx([0.4, 0.2, 0.4])
    assert pooled([0.5, 0.5], np.array([7, 7])) == pytest.approx([1.0])
    with pytest.raises(ValueError, match="2 shares but 1 owners"):
        pooled([0.5, 0.5], ["a"])


def test_turnover():
    """Kills: sum without the half; counting reversals once; quarters without a market counted as changes."""
    assert share_turnover([0.6, 0.4, 0.0], [0.5, 0.3, 0.2]) == pytest.approx(0.2)
    assert leader_turnover(["a", "a", "b", "a", "a"]) == pytest.approx(0.5)
    assert leader_turnover(["a", None, "a"]) == 0.0
    assert math.isnan(leader_turnover([None, "a"]))
    with pytest.raises(ValueError, match="absent ones with share 0"):
        share_turnover([1.0], [0.5, 0.5])


def split(before, after, **changes):
    n = len(before)
    given_ = {"owner_before": range(n), "owner_after": range(n), "exited": set(), "entered": set()} | changes
    return hhi_change_by_cause(
        before, after, list(given_["owner_before"]), list(given_["owner_after"]), given_["exited"], given_["entered"]
    )


def only(cause, amount):
    return pytest.approx({c: amount * (c in (cause, "total")) for c in (*CAUSES, "total")}, abs=1e-9)


def test_pure_merger():
    """50, 30, 20 %, the last two merge: +2 x 30 x 20 = 1200. Kills: old owners used for the merger step."""
    assert split([0.5, 0.3, 0.2], [0.5, 0.3, 0.2], owner_after=[0, 1, 1]) == only("mergers", 1200.0)


def test_pure_exit():
    """50, 30, 20 %, the last exits and the others grow by a quarter: 62.5^2 + 37.5^2 - 3800. Kills: equal split."""
    assert split([0.5, 0.3, 0.2], [0.625, 0.375, 0.0], exited={2}) == only("exits", 62.5**2 + 37.5**2 - 3800)


def test_pure_entry():
    """60, 40 % and an entrant of 25 %: 45^2 + 30^2 + 25^2 - 5200. Kills: entry measured on the old shares."""
    assert split([0.6, 0.4, 0.0], [0.45, 0.3, 0.25], entered={2}) == only("entry", 45**2 + 30**2 + 25**2 - 5200)


def test_pure_reallocation():
    assert split([0.6, 0.4], [0.5, 0.5]) == only("reallocation", -200.0)


def test_open_weights_that_outlive_their_lab_are_no_exit_and_return():
    """An exited lab keeps 10 of its 20 %. Kills: its share set to 0 by exits and handed back by reallocation."""
    after = [0.5 * 0.9 / 0.8, 0.3 * 0.9 / 0.8, 0.1]
    change = 1e4 * float(np.square(after).sum()) - 3800
    assert split([0.5, 0.3, 0.2], after, exited={2}) == only("exits", change)


def test_masks_lists_of_booleans_and_positions_say_the_same():
    """Kills: a list of booleans read as positions 0 and 1."""
    before, after = [0.5, 0.3, 0.2, 0.0], [0.6, 0.0, 0.3, 0.1]
    ways = [({1}, [3]), (np.array([0, 1, 0, 0], bool), np.array([0, 0, 0, 1], bool))]
    ways.append(([False, True, False, False], [False, False, False, True]))
    splits = [split(before, after, exited=exited, entered=entered) for exited, entered in ways]
    assert splits[0] == splits[1] == splits[2]
    assert splits[0]["exits"] != 0.0 and splits[0]["entry"] != 0.0
    with pytest.raises(ValueError, match="run from 0 to 3"):
        split(before, after, exited={4})
    with pytest.raises(ValueError, match="doesn't fit 4 labs"):
        split(before, after, exited=np.array([True]))


def test_split_of_no_market_and_of_different_labs():
    assert all(math.isnan(v) for v in split([math.nan, math.nan], [0.5, 0.5]).values())
    with pytest.raises(ValueError, match="absent ones with share 0"):
        hhi_change_by_cause([1.0], [0.5, 0.5], [0], [0, 1], set(), set())


@given(
    before=shares_of(6),
    after=shares_of(6),
    owners=st.lists(st.integers(0, 2), min_size=12, max_size=12),
    groups=st.lists(st.sampled_from(["stays", "exits", "enters"]), min_size=6, max_size=6),
)
@example(before=np.full(6, 1 / 6), after=np.full(6, 1 / 6), owners=list(range(6)) * 2, groups=["exits"] * 6)
@example(before=np.full(6, 1 / 6), after=np.full(6, 1 / 6), owners=list(range(6)) * 2, groups=["enters"] * 6)
def test_causes_sum_to_the_change_exactly(before, after, owners, groups):
    """Whatever happens at once, also everybody leaving. Kills: any step measured from another base than the last."""
    exited = np.array([g == "exits" for g in groups])
    entered = np.array([g == "enters" for g in groups])
    parts = hhi_change_by_cause(before, after, owners[:6], owners[6:], exited, entered)
    change = hhi(pooled(after, owners[6:])) - hhi(pooled(before, owners[:6]))
    assert math.isfinite(change)
    assert parts["total"] == pytest.approx(change, abs=1e-9)
    assert math.fsum(parts[cause] for cause in CAUSES) == pytest.approx(change, abs=1e-9)


def test_changes_of_the_leader_are_counted():
    """a a b (none) b a: two changes in four steps. Kills: a quarter without a market as a change, pairs one apart."""
    leaders = ["a", "a", "b", None, "b", "a"]
    assert leader_changes(leaders) == 2
    assert leader_turnover(leaders) == 0.5
    assert leader_changes([]) == leader_changes([None, "a", None]) == 0


def test_price_volatility_by_hand():
    """Doubled at volume 1, halved at volume 3, new and gone ones left out: ln 2. Kills: signed changes that cancel,
    simple instead of log changes, a product that was not on sale before."""
    before, after = [1.0, 4.0, math.nan, 2.0], [2.0, 2.0, 5.0, math.nan]
    assert price_volatility(before, after, [1.0, 3.0, 9.0, 9.0]) == pytest.approx(math.log(2.0), rel=1e-15)


def test_price_volatility_weighs_volume():
    """Three quarters of the volume stand still. Kills: a plain mean over products, a sum."""
    assert price_volatility([1.0, 1.0], [1.0, math.e], [3.0, 1.0]) == pytest.approx(0.25, rel=1e-15)


def test_price_volatility_of_nothing_and_of_nonsense():
    """Kills: 0 where nothing was compared; a price of 0 that becomes infinite."""
    assert math.isnan(price_volatility([math.nan, 1.0], [1.0, 1.0], [1.0, 0.0]))
    for bad in (([0.0], [1.0], [1.0]), ([1.0], [-1.0], [1.0]), ([1.0], [1.0], [-1.0])):
        with pytest.raises(ValueError, match="positive"):
            price_volatility(*bad)


def test_lag_of_each_type_of_work_by_hand():
    """Closed models of 2023.0, 2023.5 and 2024.0, now 2024.25. First type: the second passed the open one: 9 months;
    second: as good within the noticeable: 0; third: the first model is ahead already: 15. Kills: the last better model
    instead of the first, differences nobody sees counted, months as years."""
    quality = [[0.2, 0.97, 0.9], [0.6, 0.98, 0.9], [0.9, 0.99, 0.9]]
    lag = noticeable_lag([2023.0, 2023.5, 2024.0], quality, 2024.25, [0.5, 0.99 - NOTICEABLE / 2, 0.1])
    assert lag.tolist() == [9.0, 0.0, 15.0]


def test_lag_knows_no_later_and_no_model():
    """Kills: a release after now that counts; an empty history that breaks."""
    assert noticeable_lag([2025.0], [[1.0]], 2024.0, [0.1]).tolist() == [0.0]
    assert noticeable_lag([], np.zeros((0, 2)), 2024.0, [0.1, 0.2]).tolist() == [0.0, 0.0]


def test_transitions_by_hand():
    """Kills: from and to swapped, values added to one another, a party without moves left out."""
    counts, spend = transitions([0, 0, 1, 1], [0, 2, 2, 2], 3, (np.array([1.0, 2.0, 4.0, 8.0]), np.full(4, 0.5)))
    assert counts.tolist() == [[1.0, 0.0, 2.0], [0.0, 0.0, 12.0], [0.0, 0.0, 0.0]]
    assert spend.tolist() == [[0.5, 0.0, 0.5], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_returned_cash_by_hand():
    """Backers have 100, 60, 50 and 40 outstanding; 10 and 100 come as revenue shares, the second's only up to 60. Of
    the first the lab has bought compute for 45, of the fourth, who put in 40, for 70; of the third none. Kills: more
    back than was put in, a dollar back twice, a backer of whom nothing was bought paid for compute."""
    back = returned_cash(
        np.array([[100.0], [60.0], [50.0], [40.0]]),
        np.array([[10.0], [100.0], [0.0], [15.0]]),
        np.array([[45.0], [0.0], [0.0], [70.0]]),
    )
    assert back.tolist() == [[55.0], [60.0], [0.0], [40.0]]


def test_names_of_the_contract():
    """Kills: a lens or population dropped or renamed."""
    spend_and_use = ("api_spend", "total_spend", "tokens", "deployments")
    assert (*spend_and_use, "adopters", "primary_vendor", "developer_tokens", "downloads") == LENSES
    assert set(BY) == {
        *("lab", "owner", "openness", "tier", "region", "segment", "region_and_openness", "workload", "mode")
    }
    assert set(POPULATION_SEGMENTS) == set(POPULATIONS) == {"all", "enterprise", "large", "developer", "us_firms"}
    assert set(POPULATION_SEGMENTS["enterprise"]) == {"large", "large_regulated", "mid_market", "public_sector"}
    assert set(POPULATION_SEGMENTS["large"]) == {"large", "large_regulated"}
    assert len(POPULATION_SEGMENTS["all"]) == 6
    assert dict(POPULATION_REGIONS) == {"us_firms": ("us",)}
    assert set(LENSES) >= OVERLAPPING_LENSES == {"adopters"}
