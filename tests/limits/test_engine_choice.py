"""The choice kernel and the market that uses it against the logit: one shot, many quarters, concentration."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from sim.choice import pick_offer
from sim.economics.demand import choice_probabilities
from sim.measures import hhi
from sim.population import NO_MODEL
from sim.scenario import Scenario
from tests.limits.bare_market import bare, capability_for, lab_counts, market_of, series

SIGMAS = 4.5


def gate_moments(draws: np.ndarray, mean: float, variance: float) -> None:
    """Mean and variance of independent draws within 4.5 standard errors; the fourth moment is the sample's own."""
    n, centred = draws.size, draws - draws.mean()
    assert abs(draws.mean() - mean) < SIGMAS * math.sqrt(variance / n)
    spread = math.sqrt(((centred**4).mean() - variance**2) / n)
    assert abs(draws.var(ddof=1) - variance) < SIGMAS * spread


def kernel_counts(utility: list[float], closed: int, dissimilarity: float, shape: tuple[int, int]) -> np.ndarray:
    """How many of shape[1] buyers take each offer, and none (last column), in each of shape[0] batches."""
    buyers = shape[0] * shape[1]
    columns = np.repeat(np.array(utility[:-1], np.float32)[:, None], buyers, axis=1)
    uniform = np.random.default_rng(20231).random(buyers, dtype=np.float32)
    taken = pick_offer(columns, np.full(buyers, utility[-1], np.float32), closed, dissimilarity, uniform)
    taken = np.where(taken == NO_MODEL, len(utility) - 1, taken).reshape(shape)
    return np.stack([(taken == j).sum(axis=1) for j in range(len(utility))], axis=1)


KERNEL_CASES = {
    "logit": ([1.0, 0.5, 0.0, -0.5, 0.0], 2, 1.0),
    "nested": ([1.0, 0.5, 0.8, 0.2, 0.0], 2, 0.5),
    "closed only": ([1.0, 0.5, 0.0], 2, 0.5),
    "open only": ([1.0, 0.5, 0.0], 0, 0.5),
    "far apart": ([60.0, 59.0, 58.0, 57.0, 56.0], 2, 0.6),
}


@pytest.mark.parametrize("case", KERNEL_CASES)
def test_kernel_draws_follow_the_logit(case: str, sample: Callable[[int, int], int]) -> None:
    """Mean and variance of each offer's takers are binomial with the (nested) logit's chance, at 4.5 sigma.

    With 2,000 batches of 100 buyers (20,000 in full) the smallest effects caught are 0.5 (0.16) percentage points of a
    share of one half and 15 % (4.6 %) of its variance. Kills: dissimilarity applied once instead of twice, nests split
    one row off, the outside option inside a nest, the last offer never taken, utilities that overflow.
    """
    utility, closed, dissimilarity = KERNEL_CASES[case]
    nest = ["closed"] * closed + ["open"] * (len(utility) - 1 - closed) + ["none"]
    chance = choice_probabilities(utility, nest=nest, dissimilarity=dissimilarity)
    counts = kernel_counts(utility, closed, dissimilarity, (sample(20_000, 2_000), 100))
    for taken, p in zip(counts.T, chance, strict=True):
        gate_moments(taken, 100 * p, 100 * p * (1 - p))


def test_a_utility_that_is_no_number_is_refused() -> None:
    """Kills: a buyer with one broken number who silently goes without a model for ever."""
    utility = np.zeros((3, 4), np.float32)
    utility[1, 2] = np.nan
    with pytest.raises(FloatingPointError, match="not numbers: 1$"):
        pick_offer(utility, np.zeros(4, np.float32), 2, 0.5, np.full(4, 0.5))


def test_expected_hhi_of_independent_choosers_in_the_kernel(sample: Callable[[int, int], int]) -> None:
    """E[HHI] = H + (10,000 - H)/N and its variance, now with the kernel's draws, at 4.5 sigma.

    4,000 markets (40,000 in full) of 60 choosers catch 22 (6.9) of 2,690 points in the mean and 12 % (3.9 %) in the
    variance. Kills: buyers who share a draw, which leaves every mean share right and concentration wrong.
    """
    n, utility = 60, [1.0, 0.5, 0.0, -0.5, 0.0]
    p = choice_probabilities(utility)
    s2, s3 = (p**2).sum(), (p**3).sum()
    agreeing = 4 * n * (n - 1) * (n - 2) * (s3 - s2**2) + 2 * n * (n - 1) * (s2 - s2**2)
    counts = kernel_counts(utility, 2, 1.0, (sample(40_000, 4_000), n))
    simulated = np.array([hhi(row / n) for row in counts])
    gate_moments(simulated, 10_000 * (s2 + (1 - s2) / n), 1e8 * agreeing / n**4)


DELTA = {"first": 6.0, "second": 5.5, "third": 5.0}  # differences 1, 0.5, 0
INSTALLED = {"first": 0.1, "second": 0.2, "third": 0.7}


def re_choosing(baseline: Scenario, contract: int, until: str, enterprises: int) -> np.ndarray:
    """Counts (quarters + 1, labs) when nothing but the logit moves buyers; labs in order of id, as in DELTA."""
    p = bare(baseline, {name: {"capability": capability_for(u)} for name, u in DELTA.items()}, contract)
    p.installed_base.shares = INSTALLED
    counts = series(market_of(baseline, p, enterprises, until), lab_counts)
    assert (counts.sum(axis=1) == enterprises).all()
    return counts


def test_buyers_who_choose_every_quarter_are_draws_of_the_logit(
    baseline: Scenario, sample: Callable[[int, int], int]
) -> None:
    """Contracts of a quarter: shares are at the logit target from the first quarter on, closer than independent draws.

    Draws of one quarter repel each other, so the variance is gated from above, at a quarter of the binomial's. With 40
    quarters of 5,000 (50,000 in full) buyers the mean at 4.5 binomial sigma catches 0.5 (0.16) percentage points in a
    share. Kills: contracts of two quarters, luck that repeats from quarter to quarter, independent draws in place of
    even ones, a switch that leaves habit, brand, taste or price in the utility.
    """
    buyers = sample(50_000, 5_000)
    counts = re_choosing(baseline, 1, "2032Q4", buyers)[1:]
    assert np.diff(counts, axis=0).any(axis=1).mean() > 0.5  # totals hardly move, but move
    chance = choice_probabilities(list(DELTA.values()))
    for taken, p in zip(counts.T, chance, strict=True):
        binomial = buyers * p * (1 - p)
        assert abs(taken.mean() - buyers * p) <= SIGMAS * np.sqrt(binomial / taken.size)
        assert 0.0 < taken.var() < binomial / 4.0


def test_staggered_contracts_approach_the_logit_target_in_equal_steps(
    baseline: Scenario, sample: Callable[[int, int], int]
) -> None:
    """Contracts of four quarters: s_t = s_0 + min(t, 4)/4 (target - s_0), the engine's form of the re-choice law.

    At 4.5 sigma 5,000 (50,000 in full) buyers catch 3.2 (1.0) percentage points after a year. Kills: contracts that
    all end at once or never, first contracts not cut short.
    """
    buyers = sample(50_000, 5_000)
    counts = re_choosing(baseline, 4, "2024Q4", buyers)
    target = choice_probabilities(list(DELTA.values()))
    for t, row in enumerate(counts):
        renewed = min(t, 4) / 4
        expected = counts[0] + renewed * (buyers * target - counts[0])
        # choices of those renewed, and which of the installed base they were
        variance = buyers * renewed * (target * (1 - target) + (1 - renewed) * counts[0] / buyers)
        assert (np.abs(row - expected) <= SIGMAS * np.sqrt(variance) + 1).all(), (t, row, expected)
