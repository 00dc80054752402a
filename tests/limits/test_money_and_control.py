"""Money and control against closed forms: the pure functions, and the market with little else switched on."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from sim.agents.lab import Sale
from sim.agents.strategy import gives_up_now
from sim.economics.finance import dilute, post_money
from sim.economics.merger import Thresholds, bargained_price, relief_accepted, review
from sim.economics.release import chance_of_opening, complement_value
from sim.economics.strategy import attraction, chance_within, choice_chances, contest_share
from sim.economics.valuation import (
    clear_round,
    mood_step,
    option_value,
    revenue_multiple,
    step_towards,
    weighted_median,
)
from sim.market import Market
from sim.scenario import Scenario
from tests.limits.bare_market import bare, market_of

GATE = 1e-10
SIGMAS = 4.5
US_2023 = Thresholds(level=1800.0, change=100.0, share=0.3)


def close(measured: object, expected: object) -> None:
    """Relative residual within the gate of the closed forms."""
    np.testing.assert_allclose(np.asarray(measured, float), np.asarray(expected, float), rtol=GATE, atol=0.0)


# ---- pure functions


@pytest.mark.parametrize(
    ("ask", "binding"), [(30.0, "ask"), (90.0, "bids"), (200.0, "dilution")], ids=["ask", "bids", "dilution"]
)
def test_price_and_size_of_a_round(ask: float, binding: str) -> None:
    """Ten investors agree on V = 400: min(ask, bids, V d / (1 - d)) is raised and buys raised / (V + raised).

    Kills: pre- and post-money swapped, the cap on pre-money, money that is not shared by bid.
    """
    bids = np.arange(1.0, 11.0) * (1.2 if binding == "bids" else 100.0)
    cleared = clear_round(ask, np.full(10, 400.0), bids, 0.2, 0.41)
    raised = {"ask": ask, "bids": 66.0, "dilution": 400.0 * 0.25}[binding]
    close(cleared.amount, raised)
    close(cleared.paid, raised * np.arange(1.0, 11.0) / 55.0)
    sold = cleared.amount / post_money(cleared.pre_money, cleared.amount)
    close(sold, {"ask": 30.0 / 430.0, "bids": 66.0 / 466.0, "dilution": 0.2}[binding])
    close(dilute([0.7, 0.3], sold).sum() + sold, 1.0)


def test_bid_weighted_median_of_a_ladder() -> None:
    """Values 1 .. n with bids 1 .. n: the first k with k (k + 1) >= n (n + 1) / 2, in any order. Kills: by head."""
    for n in (1, 2, 7, 100, 1001):
        ladder = np.random.default_rng(n).permutation(np.arange(1.0, n + 1.0))
        least = math.ceil((math.sqrt(1.0 + 2.0 * n * (n + 1.0)) - 1.0) / 2.0 - 1e-9)
        assert weighted_median(ladder, ladder) == least


def test_value_of_a_lab() -> None:
    """Elasticities: d ln multiple / d ln (1 + g), d ln option / d gap and d ln run share are the parameters."""
    for g in (0.1, 0.5, 1.7):
        close(math.log(revenue_multiple(g, 6.0, 1.5, 1e9) / 6.0) / math.log1p(g), 1.5)
    for gap, share in ((0.3, 0.5), (2.0, 0.01)):
        close(-math.log(option_value(1.0, gap, 1.0, 2.2, 0.4)) / gap, 2.2)
        close(math.log(option_value(1.0, 0.0, share, 2.2, 0.4)) / math.log(share), 0.4)


def test_a_contest_of_exponential_pulls_is_the_logit() -> None:
    """own / (own + rivals) of reach e^(brand - w gap) = e^u / sum e^u, u = ln reach + brand - w gap."""
    gap, brand, reach = np.array([0.0, 0.4, 2.0]), np.array([0.2, 0.9, -1.0]), np.array([1.0, 0.5, 0.9])
    pull = attraction(gap, brand, 1.5, reach)
    utility = np.log(reach) + brand - 1.5 * gap
    expected = np.exp(utility) / np.exp(utility).sum()
    close([contest_share(own, pull.sum() - own) for own in pull.tolist()], expected)


def test_bounded_rationality_between_a_coin_and_the_best() -> None:
    """Two options: 1 / (1 + e^(-l (v1 - v2) / max)); intensity 0 gives 1 / n, infinity the best."""
    for intensity in (0.1, 1.0, 15.0):
        chances = choice_chances([3e9, -1e9], intensity)
        close(chances[0], 1.0 / (1.0 + math.exp(-intensity * 4.0 / 3.0)))
    close(choice_chances([3e9, -1e9, 0.0, -math.inf], 0.0), [1 / 3, 1 / 3, 1 / 3, 0.0])
    assert choice_chances([3e9, 2.9e9, 0.0], 1e5).tolist() == [1.0, 0.0, 0.0]


def test_mood_is_a_first_order_autoregression() -> None:
    """m_n = p^n m_0 + gain s (1 - p^n) / (1 - p) + sum of p^k luck; without surprise and luck it fades to nought."""
    p, gain, s, mood, fading = 0.8, 0.15, 0.4, 0.7, 0.7
    luck = np.random.default_rng(4).normal(size=40)
    for n in range(1, 41):
        mood, fading = mood_step(mood, s, gain, p, float(luck[n - 1])), mood_step(fading, 0.0, gain, p, 0.0)
        past = (p ** np.arange(n)[::-1] * luck[:n]).sum()
        np.testing.assert_allclose(mood, p**n * 0.7 + gain * s * (1 - p**n) / (1 - p) + past, rtol=GATE, atol=GATE)
        close(fading, p**n * 0.7)


def test_marks_approach_value_geometrically() -> None:
    """ln(mark / value) shrinks by 1 - speed a quarter."""
    mark = 100.0
    for n in range(1, 30):
        mark = step_towards(mark, 900.0, 0.25)
        np.testing.assert_allclose(math.log(mark / 900.0), 0.75**n * math.log(1.0 / 9.0), rtol=GATE, atol=1e-12)


def test_hazards_compound_over_quarters() -> None:
    """n quarters at a yearly hazard h: 1 - e^(-h n / 4)."""
    for h in (0.01, 0.22, 3.0):
        close(1.0 - (1.0 - chance_within(h, 0.25)) ** 12, -math.expm1(-3.0 * h))


def test_opening_breaks_even_where_the_lean_says() -> None:
    """Chance 1/2 at (open - closed) / (open + closed) = -lean / intensity; a complement rivals match is halved."""
    for lean in (-3.0, 0.0, 1.0):
        relative = -lean / 5.0
        opening, closing = 1e9 * (1.0 + relative), 1e9 * (1.0 - relative)
        close(chance_of_opening(opening, closing, 5.0, lean, 0.0), 0.5)
    close(complement_value(6e9, 0.0, 0.3, 1e9), 3e9)
    close(complement_value(6e9, 0.0, 0.3, 12e9), 1.5e9)


def test_us_guidelines_for_equal_firms() -> None:
    """A merger of two of N equal firms: HHI 10,000 (N + 2) / N^2, change 20,000 / N^2; harm is presumed up to N = 7."""
    for n in range(2, 16):
        found = review(np.full(n, 1.0 / n), 0, n - 1, US_2023)
        close(found.after, 1e4 * (n + 2) / n**2)
        close(found.change, 2e4 / n**2)
        assert found.presumed_harmful is (n <= 7)


def test_the_bargained_price_splits_the_surplus() -> None:
    """p = r + a (v - r), so that a / (p - r) = (1 - a) / (v - p); Nash 1950."""
    for part in (0.1, 0.4, 0.5, 0.9):
        price = bargained_price(100.0, 20.0, part)
        close(part / (price - 20.0), (1.0 - part) / (100.0 - price))


def test_relief_breaks_even_where_hope_equals_the_estate() -> None:
    """Creditors forgive up to 1 - estate / (claims x survival)."""
    for estate, survival in ((10.0, 0.5), (30.0, 0.8), (0.0, 0.3)):
        most = 1.0 - estate / (100.0 * survival)
        assert relief_accepted(100.0, most - 1e-9, estate, survival)
        assert not relief_accepted(100.0, most + 1e-9, estate, survival)


# ---- the market


def static_market(scenario: Scenario, *switches: str) -> Market:
    """Four labs with 40, 30, 20 and 10 % of the buyers, none of whom ever chooses again, and these switches on."""
    p = bare(scenario, {name: {} for name in "abcd"}, contract=40)
    p.installed_base.shares = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}
    p.control.reservation = p.control.synergy = 0.0
    for name in switches:
        setattr(p.switches, name, True)
    market = market_of(scenario, p, 500, until="2024Q4")
    market.population.workloads.due[:] = 10**6
    return market


@pytest.mark.parametrize(("buyer", "target"), [("a", "b"), ("a", "d"), ("b", "c")])
def test_a_merger_in_a_static_market_changes_hhi_by_twice_the_product(
    buyer: str, target: str, scenario_without: Callable[..., Market]
) -> None:
    """2 s_i s_j x 10,000 in that quarter, by mergers alone, and nothing in any other.

    Kills: the split booked a quarter late, under exits or reallocation; customers who move; two labs of one owner
    counted as two.
    """
    market = scenario_without("mergers")
    market.step()
    market.step()
    for name, lab in market.lab.items():
        lab.valuation = 1e15 if name == buyer else 1e9
    market.lab[target].sale = Sale(market.quarter, "a test wants it")
    for _ in range(3):
        market.step()
    table = market.records.tables()["market"]
    keys = market.records.keys
    share = dict(zip(keys.keys("lab"), market.records.shares[0, 0, 0, keys.index("lab")].tolist(), strict=True))
    assert 0.02 < share[target] < share[buyer]
    jump = 2e4 * share[buyer] * share[target]
    np.testing.assert_allclose(table.hhi.diff()[1:], [0.0, jump, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(table.hhi_change_mergers[1:], [0.0, jump, 0.0, 0.0], atol=1e-9)
    for cause in ("exits", "entry", "reallocation"):
        np.testing.assert_allclose(table[f"hhi_change_{cause}"][1:], 0.0, atol=1e-9)
    assert market.records.tables()["events"].query("kind == 'merger'").counterparty.to_list() == [buyer]


@pytest.fixture
def scenario_without(baseline: Scenario) -> Callable[..., Market]:
    """The static market of the baseline with some switches on."""
    return lambda *switches: static_market(baseline, *switches)


def test_mood_fades_in_the_market(baseline: Scenario) -> None:
    """ln mood = p^n m_0 without gain and luck. Kills: a mood moved twice a quarter, or by what is switched off."""
    p = bare(baseline, {"a": {}})
    p.switches.funding_market = p.switches.mood = True
    p.capital.mood_gain = p.capital.mood_luck = 0.0
    market = market_of(baseline, p, 50, until="2024Q4")
    market.mood = 0.7
    mood = market.run().tables()["market"].investor_mood
    close(np.log(mood), 0.7 * p.capital.mood_persistence ** np.arange(1, len(mood) + 1))


def test_commitments_lapse_in_the_market(baseline: Scenario) -> None:
    """Uncalled money of a fund in a closed market for money: U e^(-t / life). Kills: lapsing twice, or by quarter."""
    p = bare(baseline, {"a": {}})
    p.switches.funding_market = True
    p.capital.climate = 0.0
    market = market_of(baseline, p, 50, until="2024Q4")
    for investor in market.investor.values():
        investor.uncalled = 1e9
    market.run()
    for investor in market.investor.values():
        close(investor.uncalled, 1e9 * math.exp(-2.0 / p.capital.commitment_life))


def test_founders_give_up_at_their_hazard(baseline: Scenario, sample: Callable[[int, int], int]) -> None:
    """Labs with no part in the race and no cover: 1 - e^(-h / 4) of them a quarter, independent of each other.

    4.5 sigma of the binomial: 40 labs over 8 quarters (full sample 40) catch a chance that is off by 12 points (5.5).
    """
    p = bare(baseline, {f"lab{i:02d}": {} for i in range(40)})
    p.switches.giving_up = True
    p.strategy.giving_up_rate, p.strategy.safe_cover = 2.0, 0.0
    market = market_of(baseline, p, 400)
    market.step()
    quarters, first, gone = sample(39, 8), market.quarter, 0
    for i in range(quarters):
        market.quarter = first + i
        gone += sum(gives_up_now(market, lab) for lab in market.roster)
    draws, chance = 40 * quarters, -math.expm1(-0.5)
    assert all(lab.accounts.total_cost > 0.0 for lab in market.roster)
    assert abs(gone / draws - chance) < SIGMAS * math.sqrt(chance * (1.0 - chance) / draws)
