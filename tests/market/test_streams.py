"""Random streams: the same key gives the same draws, and nothing else does."""

import zlib

import numpy as np
import pytest
from scipy.special import ndtri

from sim.streams import Streams


@pytest.mark.parametrize("seed", [0, 5, 2**32, 2**63 - 1])
def test_draws_match_the_stated_construction(seed):
    """Kills: Python's hash() (differs between processes), another bit generator, the quarter left out of the key, the
    words of a long seed in the wrong order."""
    key = (zlib.crc32(b"taste"), 7)
    expected = np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=key)))
    drawn = Streams(seed).block("taste", 7, (4, 3))
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, expected.random((4, 3), dtype=np.float32))


def test_call_order_and_other_streams_change_nothing():
    """Kills: one shared generator, whose state depends on who drew before."""
    alone = Streams(1).block("choice", 3, 50)
    busy = Streams(1)
    for quarter in range(5):
        busy.normal("lab/openai/run", quarter, 10)
        busy.block("arrival", quarter, 99)
    np.testing.assert_array_equal(busy.block("choice", 3, 50), alone)
    np.testing.assert_array_equal(busy.block("choice", 3, 50), alone)


@pytest.mark.parametrize(
    "other", [(2, "choice", 3), (1, "choices", 3), (1, "choice", 4)], ids=["seed", "name", "quarter"]
)
def test_another_seed_name_or_quarter_gives_other_draws(other):
    """Kills: seed, name or quarter dropped from the key."""
    seed, name, quarter = other
    mine, theirs = Streams(1).block("choice", 3, 50), Streams(seed).block(name, quarter, 50)
    assert not np.isin(mine, theirs).any()


@pytest.mark.parametrize("size", [(100, 1000), ((100, 4), (1000, 4))])
def test_a_longer_block_begins_with_the_shorter_one(size):
    """Kills: drawing column by column, or a key that holds the size: newcomers would change everybody's luck."""
    short, long = size
    for draw in (Streams(9).block, Streams(9).normal):
        np.testing.assert_array_equal(draw("taste", 0, long)[:100], draw("taste", 0, short))


def test_float32_uniforms_lie_on_a_grid_below_one():
    """Kills: float64 draws cast to float32, of which one in 34 million becomes 1 and chooses no offer."""
    drawn = Streams(3).block("choice", 0, 200_000)
    steps = drawn.astype(np.float64) * 2**24
    assert (steps == np.round(steps)).all()
    assert steps.min() >= 0
    assert steps.max() <= 2**24 - 1
    assert Streams(3).block("choice", 0, 2, np.float64).dtype == np.float64


def test_uniforms_and_normals_have_their_moments():
    """4.5 sigma on n = 200,000: catches a mean off by 0.003 (uniform) or 0.010, a variance off by 0.9 % or 1.4 %."""
    n = 200_000
    uniform = Streams(11).block("choice", 2, n, np.float64)
    normal = Streams(11).normal("taste", 2, n)
    assert abs(uniform.mean() - 0.5) < 4.5 * np.sqrt(1 / 12 / n)
    assert abs(uniform.var() - 1 / 12) < 4.5 * np.sqrt(1 / 180 / n)
    assert abs(normal.mean()) < 4.5 / np.sqrt(n)
    assert abs(normal.var() - 1) < 4.5 * np.sqrt(2 / n)


def test_neighbouring_streams_are_uncorrelated():
    """4.5 sigma on n = 100,000: catches a correlation of 0.015 between labs, seeds or quarters next to each other."""
    n = 100_000
    blocks = [
        Streams(seed).normal(name, quarter, n)
        for seed, name, quarter in [(0, "lab/meta/run", 0), (1, "lab/meta/run", 0), (0, "lab/xai/run", 0)]
    ]
    blocks.append(Streams(0).normal("lab/meta/run", 1, n))
    correlations = np.corrcoef(blocks)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 4.5 / np.sqrt(n)


def test_names_with_the_same_key_are_refused():
    """'plumless' and 'buckeroo' share a CRC-32. Kills: two mechanisms silently sharing their luck."""
    streams = Streams(0)
    streams.generator("plumless")
    with pytest.raises(ValueError, match="'buckeroo' and 'plumless' have the same key"):
        streams.generator("buckeroo")
    assert streams.generator("plumless").random() == Streams(0).generator("plumless").random()


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "7", None])
def test_what_is_no_seed_is_refused(seed):
    """Kills: either bound (tables keep seeds in 64 bits), a fraction cut off, a text read as a number."""
    with pytest.raises(ValueError, match=r"seed must be a whole number from 0 to 2\^63 - 1, not "):
        Streams(seed)


def test_the_largest_seed_is_one():
    """Kills: a bound one too low."""
    assert Streams(2**63 - 1).seed == 2**63 - 1


def test_negative_quarter_is_refused():
    """Kills: the check."""
    with pytest.raises(ValueError, match="'taste': quarter must be >= 0, not -2"):
        Streams(0).block("taste", -2, 3)


def test_normal_draws_are_finite_where_a_uniform_one_is_zero() -> None:
    """One of 500 million uniform draws is 0, whose normal quantile is -inf: a taste of which utilities are no numbers.

    Kills: an infinite taste, which left a buyer of seed 2005 without a model for ever.
    """
    streams, name, agents = Streams(2005), "lab/google/taste", 5_000
    uniform, normal = streams.even(name, 0, agents), streams.even_normal(name, 0, agents)
    assert (uniform == 0.0).sum() == 1
    assert np.isfinite(normal).all() and normal.argmin() == uniform.argmin()
    np.testing.assert_array_equal(normal[uniform > 0.0], ndtri(uniform[uniform > 0.0]))
