"""Concentration, turnover, movement of prices, buyers and money: pure functions of columns.

Shares are fractions of one market, one number per lab (or per owner), summing to 1.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Members = NDArray[np.bool_] | Collection[int]

LENSES: tuple[str, ...] = (
    "api_spend",
    "total_spend",
    "tokens",
    "deployments",
    "adopters",
    "primary_vendor",
    "developer_tokens",
    "downloads",
)
OVERLAPPING_LENSES: frozenset[str] = frozenset({"adopters"})  # one buyer counts for several labs: no sum of 1
BY: tuple[str, ...] = (
    "lab",
    "owner",
    "openness",
    "tier",
    "region",
    "segment",
    "region_and_openness",
    "workload",
    "mode",
)
POPULATIONS: tuple[str, ...] = ("all", "enterprise", "large", "developer", "us_firms")
_FIRMS = ("large_regulated", "large", "mid_market", "small", "developer")
POPULATION_SEGMENTS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "all": (*_FIRMS, "public_sector"),
        "enterprise": ("large_regulated", "large", "mid_market", "public_sector"),
        "large": ("large_regulated", "large"),
        "developer": ("developer",),
        "us_firms": _FIRMS,  # firms by count, so no public bodies
    }
)
POPULATION_REGIONS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType({"us_firms": ("us",)})  # others: all

NOTICEABLE = 0.02  # difference in quality (0-1) that buyers see: 51 wins in 100 blind comparisons
_TOLERANCE = 1e-9  # how far shares may be from summing to 1


def hhi(shares: ArrayLike) -> float:
    """Herfindahl-Hirschman index, 10,000 x sum of squared shares: 0-10,000 (Hirschman 1945, Herfindahl 1950).

    shares: shape (n,), fractions summing to 1. NaN when there are none or all are NaN (no market); ValueError when
    they are negative, partly NaN or don't sum to 1.
    """
    return _hhi(_checked(shares))


def concentration_ratio(shares: ArrayLike, k: int) -> float:
    """CRk: joint share of the k largest, 0-1. Shares and errors as for `hhi`; ValueError unless k >= 1."""
    if k < 1:
        raise ValueError(f"a concentration ratio needs k >= 1, not {k}")
    s = _checked(shares)
    return float(np.sort(s)[::-1][:k].sum()) if s.size else float("nan")


def effective_number(shares: ArrayLike) -> float:
    """Number of equally large firms with the same HHI, 1 / sum of squared shares (Adelman 1969). As for `hhi`."""
    return 1e4 / hhi(shares)


def entropy(shares: ArrayLike) -> float:
    """Entropy -sum s ln s in nats, 0 for a monopoly, ln n for n equal firms (Theil 1967). As for `hhi`."""
    s = _checked(shares)
    held = s[s > 0.0]
    return -math.fsum((held * np.log(held)).tolist()) + 0.0 if s.size else float("nan")


def pooled(shares: ArrayLike, owner: Sequence[Hashable] | NDArray[np.generic]) -> Floats:
    """Shares by owner, in order of first appearance: labs under common control count as one.

    shares and owner: shape (n,), one owner id per lab. ValueError when the lengths differ.
    """
    s = np.asarray(shares, dtype=np.float64)
    return _by_number(s, _numbered(owner, len(s)))


def share_turnover(before: ArrayLike, after: ArrayLike) -> float:
    """Share that changed hands, half the sum of absolute share changes, 0-1 (Hymer and Pashigian 1962).

    before, after: shape (n,), the same labs in the same order; ValueError when the lengths differ.
    """
    s, t = _checked(before), _checked(after)
    if s.shape != t.shape:
        raise ValueError(f"{len(s)} shares before but {len(t)} after: give the same labs, absent ones with share 0")
    return float(np.abs(t - s).sum() / 2.0) if s.size else float("nan")


def leader_turnover(leaders: Sequence[Hashable]) -> float:
    """Fraction of the steps from one quarter to the next in which the leader changed, 0-1.

    leaders: the leading lab's id per quarter, None where there is no market (such quarters are skipped). NaN when
    fewer than two quarters have a leader.
    """
    known = [leader for leader in leaders if leader is not None]
    return leader_changes(leaders) / (len(known) - 1) if len(known) > 1 else float("nan")


def leader_changes(leaders: Sequence[Hashable]) -> int:
    """How often the leader changed from one quarter to the next; leaders as for `leader_turnover`."""
    known = [leader for leader in leaders if leader is not None]
    return sum(old != new for old, new in zip(known, known[1:], strict=False))


def price_volatility(before: ArrayLike, after: ArrayLike, volume: ArrayLike) -> float:
    """Volume-weighted mean of |ln p_after - ln p_before| over the products on sale in both quarters, log points.

    before, after: prices (n,) of the same products in one money, NaN where a product was not on sale; volume (n,) >= 0.
    NaN when no product on sale in both has a volume. ValueError for prices that are not positive or negative volumes.
    """
    p, q, w = (np.asarray(column, dtype=np.float64) for column in (before, after, volume))
    if (p <= 0.0).any() or (q <= 0.0).any() or (w < 0.0).any():
        raise ValueError("prices must be positive and volumes not negative")
    both = np.isfinite(p) & np.isfinite(q) & (w > 0.0)
    if not both.any():
        return float("nan")
    return _sum(w[both] * np.abs(np.log(q[both] / p[both]))) / _sum(w[both])


def noticeable_lag(years: ArrayLike, quality: ArrayLike, now: float, open_quality: ArrayLike) -> Floats:
    """Months for which closed models have done each type of work noticeably better than the best open one does now.

    years (n,): when closed models were released; quality (n, types), 0-1: how well they do the work as it is today;
    open_quality (types,): the same of the best open model at `now` (year). The look-back lag of `gap_months` for those
    who do not see differences below NOTICEABLE: the same lag in capability is none where quality is saturated. 0 where
    no closed model is noticeably better.
    """
    times, closed, opened = (np.asarray(column, dtype=np.float64) for column in (years, quality, open_quality))
    better = (closed > opened + NOTICEABLE) & (times <= now)[:, None]
    first = np.where(better, times[:, None], now).min(axis=0, initial=now)
    return np.asarray(12.0 * (now - first))


def transitions(before: ArrayLike, after: ArrayLike, parties: int, values: Sequence[Floats]) -> list[Floats]:
    """Sums of each of the values by (party before, party after), each of shape (parties, parties).

    before, after: whole numbers from 0 to parties - 1, shape (n,), where each thing was and is; values: (n,) each.
    """
    cell = np.asarray(before, dtype=np.int64) * parties + np.asarray(after, dtype=np.int64)
    shape = (parties, parties)
    return [np.asarray(np.bincount(cell, value, parties**2), np.float64).reshape(shape) for value in values]


def returned_cash(outstanding: Floats, shared: Floats, bought: Floats) -> Floats:
    """Investors' cash that comes back to them in a quarter, USD, shape (investors, labs).

    outstanding (investors, labs): cash put in so far that has not come back yet; shared (investors, labs): the
    quarter's revenue shares; bought (investors, labs): compute that a lab paid in cash and is tied to buy of this
    investor, whatever else it buys of others. No more comes back than is outstanding, and no dollar twice.
    """
    return np.minimum(shared + bought, outstanding)


def hhi_change_by_cause(
    before: ArrayLike,
    after: ArrayLike,
    owner_before: Sequence[Hashable] | NDArray[np.generic],
    owner_after: Sequence[Hashable] | NDArray[np.generic],
    exited: Members,
    entered: Members,
) -> dict[str, float]:
    """Exact split of the change in HHI (by owner, 0-10,000) into mergers, exits, entry and reallocation.

    One step after the other, each measured where the last one ended:
    mergers: the old shares under the new owners;
    exits: what exited labs lose goes to the others pro rata (open weights that outlive a lab keep their share);
    entry: entrants take their new share from the others pro rata;
    reallocation: the rest of the way to the new shares.

    before, after: shape (n,), shares of the same labs, absent ones 0. owner_*: one owner id per lab. exited, entered:
    boolean masks of shape (n,) or collections of positions. Returns mergers, exits, entry, reallocation and total,
    the first four summing to the last within rounding; all NaN when there is no market before or after. Raises
    ValueError as `hhi` does, or when lengths differ.
    """
    s, t = _checked(before), _checked(after)
    if not s.size or not t.size:
        return dict.fromkeys(("mergers", "exits", "entry", "reallocation", "total"), float("nan"))
    if s.shape != t.shape:
        raise ValueError(f"{len(s)} shares before but {len(t)} after: give the same labs, absent ones with share 0")
    leaving, arriving = _mask(exited, len(s)), _mask(entered, len(s))
    without_exits = _with_shares(s, leaving, np.minimum(s, t))
    with_entry = _with_shares(without_exits, arriving, t)
    now = _numbered(owner_after, len(s))
    levels = [_hhi(pooled(s, owner_before))]
    levels += [_hhi(_by_number(shares, now)) for shares in (s, without_exits, with_entry, t)]
    steps = (level - last for last, level in pairwise(levels))
    by_cause = dict(zip(("mergers", "exits", "entry", "reallocation"), steps, strict=True))
    return by_cause | {"total": levels[-1] - levels[0]}


def _hhi(shares: Floats) -> float:
    return 1e4 * _sum(shares * shares) if shares.size else float("nan")


def _checked(shares: ArrayLike) -> Floats:
    """The shares as an array, empty when there is no market; ValueError when they aren't shares of one market."""
    s = np.asarray(shares, dtype=np.float64)
    if s.ndim != 1:
        raise ValueError(f"shares must be one-dimensional, one per lab, not of shape {s.shape}")
    values = s.tolist()
    if all(map(math.isnan, values)):
        return s[:0]
    if any(map(math.isnan, values)):
        raise ValueError("some shares are NaN: give absent labs the share 0")
    if min(values) < 0.0:
        raise ValueError(f"share {int(s.argmin())} is negative ({s.min()})")
    total = math.fsum(values)
    if not abs(total - 1.0) <= _TOLERANCE:
        raise ValueError(f"shares sum to {total!r}, not 1: divide them by their sum (percentages by 100)")
    return s


def _numbered(owner: Sequence[Hashable] | NDArray[np.generic], labs: int) -> NDArray[np.int64]:
    """The owner of each lab as a number, in order of first appearance; ValueError unless there is one per lab."""
    owners = owner.tolist() if isinstance(owner, np.ndarray) else list(owner)
    if len(owners) != labs:
        raise ValueError(f"{labs} shares but {len(owners)} owners: give one owner id per lab")
    number = {name: i for i, name in enumerate(dict.fromkeys(owners))}
    return np.array([number[name] for name in owners], np.int64)


def _by_number(shares: Floats, number: NDArray[np.int64]) -> Floats:
    return np.asarray(np.bincount(number, shares), np.float64)


def _mask(members: Members, length: int) -> NDArray[np.bool_]:
    """A boolean mask from a mask or from positions; ValueError when it doesn't fit `length` labs."""
    given = members if isinstance(members, np.ndarray) else np.array(list(members))
    if given.dtype == np.bool_:
        if given.shape != (length,):
            raise ValueError(f"a mask of shape {given.shape} doesn't fit {length} labs")
        return given
    positions = [int(position) for position in given]
    if any(not 0 <= position < length for position in positions):
        raise ValueError(f"positions of labs run from 0 to {length - 1}, not {sorted(positions)}")
    mask = np.zeros(length, dtype=np.bool_)
    mask[positions] = True
    return mask


def _with_shares(shares: Floats, members: NDArray[np.bool_], new: Floats) -> Floats:
    """Shares when the members' become `new` and the others give or take pro rata.

    Where the others have nothing to scale, the step can't be told from reallocation and nothing changes.
    """
    others = _sum(shares[~members])
    if others <= 0.0:
        return shares
    scaled = shares * ((1.0 - _sum(new[members])) / others)
    return np.where(members, new, scaled)


def _sum(values: Floats) -> float:
    """The exact sum, so that one more empty lab never moves the last bit."""
    return math.fsum(values.tolist())
