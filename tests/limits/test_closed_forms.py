"""Limiting cases with a closed form: every pure function against the textbook, to 1e-10, and against printed digits.

The closed forms are worked out here without the function under test. The table in docs/limits.md lists them all.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import lambertw
from scipy.stats import norm

from sim.economics.adoption import bass_share
from sim.economics.costs import self_hosted_cost, self_hosting_break_even
from sim.economics.demand import choice_probabilities, lock_in_threshold, peer_fixed_point, switching_path
from sim.economics.finance import dilute, estate_waterfall, insolvency_time
from sim.economics.pricing import BelievedDemand, LogPrice, bertrand_nash, best_response, merger_screen
from sim.economics.technology import capability_gap
from sim.measures import hhi

GATE = 1e-10
PRINTED = 5.1e-7  # six printed digits, rounded
SIGMAS = 4.5


def expect(actual: object, closed_form: object, printed: object) -> None:
    """Compare with the closed form at the gate and, as a check on that, with the published six digits."""
    np.testing.assert_allclose(actual, closed_form, rtol=GATE, atol=GATE)
    np.testing.assert_allclose(closed_form, printed, rtol=0, atol=PRINTED)


def test_multinomial_logit() -> None:
    """Kills: outside option dropped, utilities not exponentiated, wrong axis."""
    odds = [math.exp(u) for u in (1, 0.5, 0, -0.5)]
    closed = [o / (1 + sum(odds)) for o in odds]
    expect(choice_probabilities([1, 0.5, 0, -0.5, 0])[:4], closed, [0.389800, 0.236426, 0.143399, 0.086976])


def test_nested_logit() -> None:
    """Kills: inclusive value not scaled by lambda, utilities not divided by lambda, nests mixed up."""
    lam, nests = 0.5, [[1, 0.5], [0.8, 0.2], [0]]
    inside = [[math.exp(u / lam) for u in nest] for nest in nests]
    total = sum(sum(nest) ** lam for nest in inside)
    closed = [o / sum(nest) * sum(nest) ** lam / total for nest in inside for o in nest]
    labels = ["closed", "closed", "open", "open", "none"]
    actual = choice_probabilities([1, 0.5, 0.8, 0.2, 0], nest=labels, dissimilarity=lam)
    expect(actual, closed, [0.345970, 0.127275, 0.290424, 0.087474, 0.148857])


def bertrand_by_aggregate(firms: list[list[tuple[float, float]]], alpha: float) -> tuple[list[float], list[float]]:
    """Nocke and Schutz (2018): with A = 1 + sum of e^u each firm's markup (times alpha) solves m (1 - T e^-m / A) = 1,
    T = sum of e^(a - alpha c) over its products, and A is the one number at which these markups reproduce it.
    """
    types = [sum(math.exp(a - alpha * c) for a, c in firm) for firm in firms]

    def markup(t: float, aggregate: float) -> float:
        return float(brentq(lambda m: m * (1 - t * math.exp(-m) / aggregate) - 1, 1, 1 + t, xtol=1e-15, rtol=1e-15))

    def excess(log_a: float) -> float:
        a = math.exp(log_a)
        return math.log(1 + sum(t * math.exp(-markup(t, a)) for t in types)) - log_a

    aggregate = math.exp(brentq(excess, 0.0, math.log(1 + sum(types)), xtol=1e-15, rtol=1e-15))
    prices = [c + markup(t, aggregate) / alpha for t, firm in zip(types, firms, strict=True) for _, c in firm]
    appeals = [a for firm in firms for a, _ in firm]
    return prices, [math.exp(a - alpha * p) / aggregate for a, p in zip(appeals, prices, strict=True)]


PRODUCTS = [(2.0, 1.0), (1.5, 0.8), (1.0, 0.5)]


def test_bertrand_nash_of_three_firms() -> None:
    """Kills: markup without the own share, outside option ignored, fixed point stopped early."""
    prices, shares = bertrand_nash([a for a, _ in PRODUCTS], [c for _, c in PRODUCTS], 1.0)
    closed_prices, closed_shares = bertrand_by_aggregate([[p] for p in PRODUCTS], 1.0)
    expect(prices, closed_prices, [2.344023, 2.059875, 1.714621])
    expect(shares, closed_shares, [0.255965, 0.206270, 0.176698])


def test_bertrand_nash_after_a_merger() -> None:
    """Kills: owner ignored, cannibalised profit of the other product left out."""
    prices, shares = bertrand_nash([a for a, _ in PRODUCTS], [c for _, c in PRODUCTS], 1.0, owner=["m", "m", "c"])
    closed_prices, closed_shares = bertrand_by_aggregate([PRODUCTS[:2], PRODUCTS[2:]], 1.0)
    expect(prices, closed_prices, [2.629319, 2.429319, 1.746011])
    np.testing.assert_allclose(shares, closed_shares, rtol=GATE)


def test_bertrand_nash_symmetric_without_outside_option() -> None:
    """Markup n / ((n - 1) alpha) (Anderson, de Palma and Thisse 1992). Kills: alpha lost, outside option left in."""
    prices, shares = bertrand_nash([1.0] * 4, [0.3] * 4, 2.0, outside_option=False)
    expect(prices - 0.3, [4 / (3 * 2.0)] * 4, [0.666667] * 4)
    np.testing.assert_allclose(shares, 0.25, rtol=GATE)


@pytest.mark.parametrize(("beta", "other", "usage", "exposure"), [(2.5, 0.0, 0.06, 0.8), (3.0, 2.0, 0.0, 1.0)])
def test_log_price_of_an_atomistic_product(beta: float, other: float, usage: float, exposure: float) -> None:
    """A product with vanishing share: p = c eta/(eta - 1), eta = e + x beta, or (x beta c + c0)/(x beta - 1) at e = 0.

    Kills: exposure or usage elasticity left out of the elasticity, other cost left out of the slope.
    """
    cost, eta = 4.0, usage + exposure * beta
    closed = (exposure * beta * cost + other) / (exposure * beta - 1) if usage == 0 else cost * eta / (eta - 1)
    form, none = LogPrice(beta, other, usage), np.zeros((1, 2))
    one = np.array([cost])
    demand = BelievedDemand(one, none, np.array([1.0, 3.0]), np.zeros(1, dtype=np.intp), form, exposure, None)
    np.testing.assert_allclose(best_response(one * 3, demand)[0], closed, rtol=GATE)


def test_log_price_of_a_monopolist_against_an_outside_good() -> None:
    """c0 = 0, e = 0: the share s solves s = k p^-beta / (1 + k p^-beta) with p = c / (1 - 1/(beta (1 - s))).

    Kills: shares held fixed while the firm searches, outside share dropped.
    """
    beta, cost, pull = 3.0, 2.0, 5.0

    def share(p: float) -> float:
        return pull * p**-beta / (1 + pull * p**-beta)

    def condition(p: float) -> float:  # Lerner index = 1 / own elasticity
        return (p - cost) / p - 1 / (beta * (1 - share(p)))

    closed = brentq(condition, cost * 1.01, 100.0, xtol=1e-14, rtol=1e-15)
    start = np.array([2.5])
    shares = np.array([[share(2.5)]])
    demand = BelievedDemand(
        np.array([cost]), shares, np.ones(1), np.zeros(1, dtype=np.intp), LogPrice(beta, 0.0, 0.0), 1.0, None
    )
    best = start
    for _ in range(3):  # each call is settled to 1e-8 of a price; restarting from there polishes it to rounding
        best = best_response(best, replace(demand, shares=np.array([[share(best[0])]])))[0]
    np.testing.assert_allclose(best, closed, rtol=GATE)


def test_merger_screen() -> None:
    """Change is 2 a b (0-10,000). Kills: factor 2 lost, scale of 1 instead of 10,000."""
    screen = merger_screen([0.4, 0.3, 0.2, 0.1], 0, 2)
    np.testing.assert_allclose(screen, (3000.0, 4600.0, 1600.0), rtol=GATE)


def test_bass_diffusion() -> None:
    """Kills: p and q swapped, exponent p only, share of the remaining instead of all."""
    p, q = 0.03, 0.38
    closed = [(1 - math.exp(-(p + q) * t)) / (1 + q / p * math.exp(-(p + q) * t)) for t in (5, 10)]
    expect(bass_share([5, 10], p, q), closed, [0.331199, 0.812803])


def test_re_choice_approaches_the_logit_target() -> None:
    """target + (s0 - target) 0.85^t. Kills: rate and 1 - rate swapped, one step too many or too few."""
    odds = np.exp([1.0, 0.5, 0.0])
    target, start = odds / odds.sum(), np.array([0.7, 0.2, 0.1])
    path = switching_path(start, np.tile(target, (3, 1)), 0.15, 12)
    closed = [target + (start - target) * 0.85**t for t in range(13)]
    np.testing.assert_allclose(path, closed, rtol=GATE)
    expect(path[-1], closed[-1], [0.534007, 0.291948, 0.174045])


def test_gap_approaches_its_fixed_point() -> None:
    """v/k + (G0 - v/k) e^(-kt). Kills: Euler step (4.200226), catch-up applied before drift, path shifted by one."""
    path = capability_gap(6.0, 1.0, 0.25, 8)
    closed = [4.0 + 2.0 * math.exp(-0.25 * t) for t in range(9)]
    np.testing.assert_allclose(path, closed, rtol=GATE)
    expect(path[-1], closed[-1], 4.270671)


def test_insolvency_date_under_growing_costs() -> None:
    """cash + R t = c0 (g^t - 1)/ln g, solved by the Lambert W function: lower branch, costs 2.4x a year.

    Kills: cost rate taken instead of its integral, growth used as a rate, the wrong root (t = 0).
    """
    cash, revenue, cost, growth = 900.0, 300.0, 200.0, 2.4
    rate = math.log(growth)
    fund = cash + cost / rate
    w = lambertw(-cost / revenue * math.exp(-rate * fund / revenue), k=-1).real
    closed = -w / rate - fund / revenue
    np.testing.assert_allclose(insolvency_time(cash, revenue, cost, growth), closed, rtol=GATE)
    no_revenue = math.log(1 + cash * rate / cost) / rate
    np.testing.assert_allclose(insolvency_time(cash, 0.0, cost, growth), no_revenue, rtol=GATE)


def test_dilution_over_five_rounds() -> None:
    """0.8^5. Kills: stakes reduced by addition, the sold part kept instead of the rest."""
    stake = np.array([1.0])
    for _ in range(5):
        stake = dilute(stake, 0.2)
    expect(stake, [0.8**5], [0.32768])


def test_creditor_waterfall() -> None:
    """Estate 120: senior 80 in full, juniors 60 and 30 share 40 two to one. Kills: pro rata over all, order lost."""
    np.testing.assert_allclose(estate_waterfall(120.0, [60, 80, 30], [1, 0, 1]), [80 / 3, 80, 40 / 3], rtol=GATE)


def test_peer_lock_in_threshold_of_two_labs() -> None:
    """Two labs: s = 1/(1 + e^(-gamma (2s - 1))). Below gamma = 2 only s = 1/2, above it a lopsided pair of solutions.

    Kills: threshold 1 or 4 (slope of the logistic forgotten), feedback on the odds instead of the share.
    """
    assert lock_in_threshold(2) == 2.0
    np.testing.assert_allclose(peer_fixed_point([0.9, 0.1], [0, 0], 0.97 * lock_in_threshold(2)), 0.5, atol=1e-9)
    gamma = 1.03 * lock_in_threshold(2)
    closed = brentq(lambda s: s - 1 / (1 + math.exp(-gamma * (2 * s - 1))), 0.55, 0.999, xtol=1e-15, rtol=1e-15)
    np.testing.assert_allclose(peer_fixed_point([0.51, 0.49], [0, 0], gamma), [closed, 1 - closed], rtol=GATE)


def gate_moments(draws: np.ndarray, mean: float, variance: float) -> None:
    """Mean and variance of independent draws within 4.5 standard errors; the fourth moment is the sample's own."""
    n, centred = draws.size, draws - draws.mean()
    assert abs(draws.mean() - mean) < SIGMAS * math.sqrt(variance / n)
    spread = math.sqrt(((centred**4).mean() - variance**2) / n)
    assert abs(draws.var(ddof=1) - variance) < SIGMAS * spread


def test_expected_hhi_of_independent_choosers(sample: Callable[[int, int], int]) -> None:
    """E[HHI] = H + (10,000 - H)/N, and its variance from pairs and triples that agree, at 4.5 sigma.

    With 4,000 draws (40,000 in full) of N = 60 choosers the smallest effects caught are 22 (6.9) HHI points in the mean
    and 12 % (3.9 %) in the variance. Kills: choices that are not independent, shares over N - 1, HHI without squares.
    """
    n, draws = 60, sample(40_000, 4_000)
    p = choice_probabilities([1.0, 0.5, 0.0, -0.5, 0.0])
    s2, s3 = (p**2).sum(), (p**3).sum()
    mean = 10_000 * (s2 + (1 - s2) / n)
    agreeing = 4 * n * (n - 1) * (n - 2) * (s3 - s2**2) + 2 * n * (n - 1) * (s2 - s2**2)
    uniform = np.random.default_rng(20230).random((draws, n))
    choices = np.searchsorted(np.cumsum(p)[:-1], uniform)
    simulated = np.array([hhi(np.bincount(row, minlength=p.size) / n) for row in choices])
    gate_moments(simulated, mean, 1e8 * agreeing / n**4)


def test_share_of_self_hosters_under_lognormal_volumes(sample: Callable[[int, int], int]) -> None:
    """Volumes lognormal: 1 - Phi((ln V* - mu)/sigma) host themselves, V* the break-even volume, at 4.5 sigma.

    With 2,000 batches (20,000 in full) of 200 users the smallest effects caught are 0.35 (0.11) percentage points in
    the mean share and 14 % (4.5 %) in its variance. Kills: utilisation or talent on the wrong side.
    """
    cost = {"utilisation": 0.35, "skill_premium": 0.5, "talent": 0.4}
    serving, price, fixed, staff, mu, sigma, users = 1.0, 8.0, 120e3, 150e3, 11.0, 1.2, 200
    star = (fixed + staff * 1.5 * 0.6) / (price - serving / 0.35)
    np.testing.assert_allclose(self_hosting_break_even(price, serving, 0.35, fixed, staff, 0.5, 0.4), star, rtol=GATE)
    chance = float(norm.sf((math.log(star) - mu) / sigma))
    volumes = np.random.default_rng(209).lognormal(mu, sigma, (sample(20_000, 2_000), users))
    own = self_hosted_cost(
        serving, fixed_usd_per_year=fixed, staff_usd_per_year=staff, volume_mtok_per_year=volumes, **cost
    )
    gate_moments((own < price).mean(axis=1), chance, chance * (1 - chance) / users)
