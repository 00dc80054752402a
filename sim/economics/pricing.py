"""Prices: multi-product logit best responses, Bertrand-Nash equilibrium, merger screen.

One first-order condition serves all of it. Firm f sells products j in submarkets k to M_k customers (times the scale of
their use); a fraction x of them is due and chooses anew, the rest is locked in and only uses more or less:

    profit_f = sum_k M_k sum_(j in f) [(1 - x) s_jk + x s_jk(p)] (p_j - c_j) v_j(p_j)

with logit shares s, price disutility phi_k(p) and use per customer v(p). Setting its derivative to zero and dividing
by the volume sold gives, with W_jk the product's volume by submarket (normalised) and Pi_fk the firm's profit per
customer,

    1 - e (p - c)/p  =  x sum_k W_jk phi'_k(p) [ (p - c) - Pi_fk / v_j ]

(e the elasticity of use): a price rise earns on what is sold and loses the due buyers' margin, less what those who
leave bring to the firm's other products. Solved for p with the right side's Pi held, it is the zeta markup map of
Morrow and Skerlos (2011), of which a best response is a fixed point; since Pi is at its maximum there, the map is flat
at the solution and a few evaluations suffice. One linear submarket gives the textbook p = c + 1/alpha + Pi.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.economics.demand import choice_probabilities

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

_BEST_RESPONSE_TOLERANCE = 1e-8  # of a price, relative: far below what a posted price shows
_BEST_RESPONSE_ROUNDS = 1_000
_POSTING_TOLERANCE = 1e-5  # for posting: below any price unit in use
_POSTING_ROUNDS = 3  # nearly settles a typical market, and the rest of the way is gone next quarter; bounds the time
_FIRST_STEP_BOUND = 5.0  # step sizes by trial: fewest rounds over random markets
_SMALLEST_STEP = 0.3
_LARGEST_EXPONENT = 500.0  # a share odds ratio of e^500 is already certainty; more would overflow
_SMALLEST_SHARE = 1e-200  # of customers: used by nobody, and a divisor any smaller would overflow
_SMALLEST_SLOPE = 1e-300  # all due buyers priced out: only the locked are left, and their best price is beyond any
_NASH_TOLERANCE = 1e-13  # residual of the first-order condition relative to the price scale
_NASH_ROUNDS = 20_000


class PriceForm(Protocol):
    """How buyers feel a price (disutility phi_k(p), use v(p)) and which price solves the first-order condition then."""

    def disutility(self, price: FloatArray) -> FloatArray:
        """phi_k(p) in logit units: prices of shape (J,) -> (J, K) or (J, 1)."""

    def slope(self, price: FloatArray) -> FloatArray:
        """phi'_k(p), logit units per USD/Mtok: prices of shape (J,) -> (J, K) or (J, 1)."""

    def volume(self, price: FloatArray) -> FloatArray:
        """Use per customer v(p), up to a factor that does not depend on the product: (J,) -> (J,)."""

    def price_at(self, price: FloatArray, cost: FloatArray, mix: FloatArray, profit: FloatArray) -> FloatArray:
        """Price (J,) that solves the first-order condition; ``mix`` = x W, ``profit`` = Pi_fk / v_j, both (J, K)."""


@dataclass(frozen=True)
class LinearPrice:
    """Textbook price term alpha p (alpha in logit units per USD/Mtok, scalar or one per submarket); use is constant."""

    alpha: float | FloatArray

    def disutility(self, price: FloatArray) -> FloatArray:
        """See ``PriceForm``."""
        return np.asarray(self.alpha * price[:, None])

    def slope(self, price: FloatArray) -> FloatArray:
        """See ``PriceForm``."""
        return np.asarray(self.alpha + np.zeros((price.size, 1)))

    def volume(self, price: FloatArray) -> FloatArray:
        """See ``PriceForm``."""
        return np.ones(price.shape)

    def price_at(self, price: FloatArray, cost: FloatArray, mix: FloatArray, profit: FloatArray) -> FloatArray:
        """Textbook p = c + 1/slope + slope-weighted Pi; see ``PriceForm``."""
        pull = mix * self.alpha
        steepness = np.maximum(np.einsum("jk->j", pull), _SMALLEST_SLOPE)
        return np.asarray(cost + (1.0 + np.einsum("jk,jk->j", pull, profit)) / steepness)


@dataclass(frozen=True)
class LogPrice:
    """Production price term beta ln(p + c0), use proportional to p^-e, so that spend goes with p^(1 - e).

    ``beta`` (scalar or one per submarket), ``other_cost`` c0 >= 0 (USD/Mtok, scalar or one per submarket),
    ``usage_elasticity`` e >= 0 (scalar).
    """

    beta: float | FloatArray
    other_cost: float | FloatArray
    usage_elasticity: float

    def disutility(self, price: FloatArray) -> FloatArray:
        """See ``PriceForm``."""
        return np.asarray(self.beta * np.log(price[:, None] + self.other_cost))

    def slope(self, price: FloatArray) -> FloatArray:
        """See ``PriceForm``."""
        return np.asarray(self.beta / (price[:, None] + self.other_cost))

    def volume(self, price: FloatArray) -> FloatArray:
        """See ``PriceForm``."""
        return np.asarray(price**-self.usage_elasticity)

    def price_at(self, price: FloatArray, cost: FloatArray, mix: FloatArray, profit: FloatArray) -> FloatArray:
        """Exact for one c0; with several c0_k their slope-weighted mean C is taken at ``price`` and found by iterating.

        With B the mean of x beta and Pi the slope-weighted profit, 1 - e (p - c)/p = B (p - c - Pi)/(p + C) is a
        quadratic in p with one positive root if e + B > 1; otherwise profit rises without end and p is inf.
        """
        e = self.usage_elasticity
        pull = mix * self.slope(price)
        steepness = np.maximum(np.einsum("jk->j", pull), _SMALLEST_SLOPE)
        mean_profit = np.einsum("jk,jk->j", pull, profit) / steepness
        strength = np.einsum("jk,jk->j", mix, np.broadcast_to(self.beta, mix.shape))
        other = np.maximum(0.0, strength / steepness - price)
        excess = e + strength - 1.0
        linear = other * (1.0 - e) + e * cost + strength * (cost + mean_profit)
        bounded = np.where(excess > 0, excess, 1.0)
        root = (linear + np.sqrt(linear * linear + 4.0 * bounded * e * cost * other)) / (2.0 * bounded)
        return np.where(excess > 0, root, np.inf)


@dataclass(frozen=True)
class BelievedDemand:
    """What the labs believe about J products in K submarkets when they set prices: last quarter's market.

    ``cost`` (J,) USD/Mtok; ``shares`` (J, K) of each submarket's customers, 0-1, what is missing to 1 in a column
    belongs to the outside and to sellers that do not respond; ``weights`` (K,) customers times scale of use in any
    common unit (with spend budget_k (p / r_k)^(1 - e) that is customers x budget_k x r_k^(e - 1)); ``owner`` (J,)
    integers from 0, one per firm; ``form`` the price form; ``exposure`` x in (0, 1], scalar or (J,) equal within a
    firm: the part of customers that the lab expects to choose anew within its planning horizon;
    ``minimum_elasticity`` > 1, or None: labs never believe demand to be less elastic, which caps the price at
    c eps / (eps - 1) and needs costs above 0. Raises ValueError for shapes that do not fit or values out of range.
    """

    cost: FloatArray
    shares: FloatArray
    weights: FloatArray
    owner: IntArray
    form: PriceForm
    exposure: float | FloatArray
    minimum_elasticity: float | None

    def __post_init__(self) -> None:
        if self.shares.shape != (self.cost.size, self.weights.size) or self.owner.shape != self.cost.shape:
            raise ValueError(
                f"shares {self.shares.shape}, cost {self.cost.shape}, weights {self.weights.shape} and owner "
                f"{self.owner.shape} do not fit; give shares as (products, submarkets)"
            )
        if self.minimum_elasticity is not None and not (self.minimum_elasticity > 1.0 and np.all(self.cost > 0)):
            raise ValueError("an elasticity floor must be above 1 and needs costs above 0; None means no floor")

    @cached_property
    def cells(self) -> IntArray:
        """Position of each product's firm and submarket among all firms' submarkets, shape (J, K)."""
        return np.asarray(self.owner[:, None] * self.weights.size + np.arange(self.weights.size))


class MergerScreen(NamedTuple):
    """HHI (0-10,000) before and after a merger at unchanged shares, and the change."""

    before: float
    after: float
    change: float


def lerner_index(price: ArrayLike, cost: ArrayLike) -> FloatArray:
    """Markup as a share of the price, (p - c) / p (Lerner 1934); prices above 0."""
    p = np.asarray(price, dtype=np.float64)
    return np.asarray((p - np.asarray(cost)) / p)


def _firm_sums(values: FloatArray, cells: IntArray) -> FloatArray:
    """Sum of each product's firm, back on its products: (J, K) -> (J, K); ``cells`` as in ``BelievedDemand``.

    ``bincount`` adds in product order, so another firm's products never change the last bit of this one's sum.
    """
    total = np.bincount(cells.ravel(), weights=values.ravel())
    return np.asarray(total.take(cells), np.float64)


def markup_target(price: FloatArray, demand: BelievedDemand) -> tuple[FloatArray, BoolArray]:
    """Price (J,) that solves each product's first-order condition, given ``demand.shares`` as the shares at ``price``.

    The cannibalised profit Pi and the volume mix W are those at the current prices; a fixed point is a best response of
    every firm. Also returns whether the elasticity floor holds the price down. A product that nobody uses yet is
    priced at the limit of a vanishing share, spread over the submarkets by their weights.
    Raises ArithmeticError if profit would grow without end and no floor is set.
    """
    return _target(price, demand.shares, demand.shares, demand)


def _target(
    price: FloatArray, chosen: FloatArray, served: FloatArray, demand: BelievedDemand
) -> tuple[FloatArray, BoolArray]:
    """``markup_target`` with the due customers' shares (``chosen``) told apart from those of all (``served``)."""
    volume = demand.form.volume(price)[:, None]
    profit = _firm_sums(chosen * ((price - demand.cost)[:, None] * volume), demand.cells) / volume
    sold = np.einsum("jk,k->j", served, demand.weights)
    unused = sold <= _SMALLEST_SHARE * demand.weights.sum()
    mix = chosen * demand.weights
    if unused.any():
        mix[unused], sold[unused] = demand.weights, demand.weights.sum()
    mix *= (demand.exposure / sold)[:, None]
    target = demand.form.price_at(price, demand.cost, mix, profit)
    return _floored(target, demand)


def _floored(target: FloatArray, demand: BelievedDemand) -> tuple[FloatArray, BoolArray]:
    """Cap prices where the believed elasticity would fall below its floor."""
    floor = demand.minimum_elasticity
    if floor is None:
        if not np.all(np.isfinite(target)):
            raise ArithmeticError(
                "no finite best price: demand is too inelastic (a log price needs usage_elasticity + exposure x beta "
                "above 1); raise beta or exposure, or set minimum_elasticity"
            )
        return target, np.zeros(target.shape, dtype=np.bool_)
    cap = demand.cost * (floor / (floor - 1.0))
    return np.minimum(target, cap), target >= cap


def best_response(prices: FloatArray, demand: BelievedDemand) -> tuple[FloatArray, BoolArray]:
    """Each firm's profit-maximising prices (J,) while all others keep ``prices``, and whether the floor holds.

    ``demand.shares`` are last quarter's, at ``prices``; due customers react to the firm's own new prices by the logit,
    s'_jk ~ s_jk exp(phi_k(p_j) - phi_k(p'_j)), against rivals and outside held fixed. Where profit has several local
    maxima the one uphill from the present price is found. Raises ArithmeticError if the search does not settle.
    """
    best, at_floor, settled = _climb(prices, demand, _BEST_RESPONSE_ROUNDS, _BEST_RESPONSE_TOLERANCE)
    if not settled:
        raise ArithmeticError("best-response prices have not settled; set an elasticity floor or raise the exposure")
    return best, at_floor


def _climb(
    prices: FloatArray, demand: BelievedDemand, rounds: int, tolerance: float
) -> tuple[FloatArray, BoolArray, bool]:
    """Iterate the markup map on each firm's own prices with secant steps; also tells whether it settled in ``rounds``.

    The map's change has the sign of the profit gradient, so every step is uphill. A firm that has settled stays put:
    how many rounds others need must not show in its prices.
    """
    before = demand.form.disutility(prices)
    rest = np.maximum(0.0, 1.0 - _firm_sums(demand.shares, demand.cells)) + np.finfo(np.float64).tiny
    exposure = np.reshape(demand.exposure, (-1, 1))
    trial, step, bound, last = (
        prices,
        np.ones(prices.shape),
        np.full(prices.shape, _FIRST_STEP_BOUND),
        np.zeros(prices.shape),
    )
    for _ in range(rounds):
        odds = np.exp(np.minimum(before - demand.form.disutility(trial), _LARGEST_EXPONENT))
        drawn = demand.shares * odds
        chosen = drawn / (rest + _firm_sums(drawn, demand.cells))
        target, at_floor = _target(trial, chosen, demand.shares + exposure * (chosen - demand.shares), demand)
        change = target - trial
        unsettled = np.bincount(demand.owner, np.abs(change) >= tolerance * target)[demand.owner] > 0
        if not unsettled.any():
            return target, at_floor, True
        step, bound = _secant_step(step, change, last, bound)
        # No best response sells below cost; a long secant step could, and even ask for a negative price.
        trial, last = np.where(unsettled, np.maximum(trial + step * change, demand.cost), trial), change
    return target, at_floor, False


def _secant_step(
    step: FloatArray, change: FloatArray, last: FloatArray, bound: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Next step of each product as a multiple of the map's change: secant rule within a trust bound, and that bound.

    A step of ``step`` x ``last`` altered the change from ``last`` to ``change``; where it would vanish, were the map
    straight, is step x last / (last - change). The bound grows while the direction holds (a near monopolist's map
    climbs only 1/alpha at a time) and halves where it turns (a price between two segments' best prices).
    """
    bound = bound * np.where(change * last < 0, 0.5, 1.2)
    bend = last - change
    curved = bend * last > 0
    secant = np.where(curved, step * last / np.where(curved, bend, 1.0), np.where(last == 0, 1.0, bound))
    return np.minimum(np.maximum(secant, _SMALLEST_STEP), bound), bound


def posted_prices(
    prices: FloatArray, demand: BelievedDemand, adjustment: float | FloatArray
) -> tuple[FloatArray, BoolArray]:
    """New list prices (J,), all firms at once from last quarter's market: old x (best response / old)^adjustment.

    ``prices`` (J,) > 0 in USD/Mtok; ``adjustment`` in 0-1 is the part of the way (in logs) moved this quarter, scalar
    or one per product. Also returns for which products the elasticity floor holds the best response. A lab thinks
    through a limited number of rounds; a price still climbing then goes on from there next quarter.
    """
    best, at_floor, _settled = _climb(prices, demand, _POSTING_ROUNDS, _POSTING_TOLERANCE)
    return prices * (best / prices) ** adjustment, at_floor


def bertrand_nash(
    appeal: ArrayLike,
    marginal_cost: ArrayLike,
    price_sensitivity: float,
    owner: Sequence[Hashable] | NDArray[np.generic] | None = None,
    outside_option: bool = True,
    fixed_price: ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Bertrand-Nash equilibrium of the multinomial logit with utility appeal - alpha p: prices and shares, shape (J,).

    ``appeal`` (logit units) and ``marginal_cost`` (USD/Mtok) one per product, ``price_sensitivity`` alpha > 0 (logit
    per USD/Mtok), ``owner`` one id per product (None: every product its own firm), ``outside_option`` whether buyers
    may take none at utility 0, ``fixed_price`` prices that do not respond, NaN where the price is free. The equilibrium
    exists and is unique (Caplin and Nalebuff 1991); it is the fixed point of ``markup_target``, found by Newton steps
    on p - c = 1/alpha + Pi_f(p) and, where those do not help, by the map itself, which climbs to it from below.
    Raises ValueError for arguments that do not fit or a market without equilibrium (one owner of everything that buyers
    must buy) and ArithmeticError if prices do not settle.
    """
    fixed = np.full(np.shape(appeal), np.nan) if fixed_price is None else np.asarray(fixed_price, dtype=np.float64)
    market = _linear_market(appeal, marginal_cost, price_sensitivity, owner, outside_option)
    if market.value.shape != fixed.shape:
        raise ValueError("fixed_price needs one value per product, NaN where the price is free")
    market = replace(market, free=np.isnan(fixed))
    if not outside_option and market.free.all() and np.unique(market.demand.owner).size == 1:
        raise ValueError("one owner sells all that buyers can take: no finite price; set outside_option=True")
    prices = np.where(market.free, market.demand.cost + 1.0 / price_sensitivity, fixed)
    prices = _settle(prices, market)
    return prices, market.shares(prices)


@dataclass(frozen=True)
class _LinearMarket:
    """A linear-price logit market: product values, costs and owners (in ``demand``), and which prices respond."""

    value: FloatArray
    alpha: float
    outside: bool
    demand: BelievedDemand
    free: BoolArray

    def shares(self, prices: FloatArray) -> FloatArray:
        utility = self.value - self.alpha * prices
        options = np.append(utility, 0.0) if self.outside else utility
        return choice_probabilities(options)[: prices.size]

    def residual(self, prices: FloatArray) -> FloatArray:
        """How far each free price is from its first-order condition."""
        demand = replace(self.demand, shares=self.shares(prices)[:, None])
        return np.where(self.free, markup_target(prices, demand)[0] - prices, 0.0)

    def newton(self, prices: FloatArray, residual: FloatArray) -> FloatArray:
        """One Newton step on p - c - 1/alpha - Pi_f(p); d Pi_f / dp_j = s_j (own (1 - alpha h_j) + alpha Pi_f)."""
        s, h = self.shares(prices), prices - self.demand.cost
        own = self.demand.owner[:, None] == self.demand.owner[None, :]
        profit = own @ (s * h)
        slope = s * (own * (1.0 - self.alpha * h) + self.alpha * profit[:, None])
        system = np.eye(prices.size) - slope * self.free * self.free[:, None]
        try:
            step = np.linalg.solve(system, residual)
        except np.linalg.LinAlgError:
            step = residual
        farthest = 100.0 / self.alpha  # a nearly singular system points anywhere
        return np.asarray(prices + np.clip(step, -farthest, farthest))


def _linear_market(
    appeal: ArrayLike,
    marginal_cost: ArrayLike,
    alpha: float,
    owner: Sequence[Hashable] | NDArray[np.generic] | None,
    outside: bool,
) -> _LinearMarket:
    value, cost = np.asarray(appeal, dtype=np.float64), np.asarray(marginal_cost, dtype=np.float64)
    if value.ndim != 1 or value.size == 0 or cost.shape != value.shape:
        raise ValueError(f"appeal {value.shape} and marginal_cost {cost.shape} must be lists of one value per product")
    if not (np.all(np.isfinite(value)) and np.all(np.isfinite(cost)) and 0.0 < alpha < np.inf):
        raise ValueError("appeal and marginal_cost must be finite and price_sensitivity above 0")
    names = list(range(value.size)) if owner is None else list(owner)
    if len(names) != value.size:
        raise ValueError(f"owner has {len(names)} ids for {value.size} products; give one id per product")
    numbers = {name: n for n, name in enumerate(dict.fromkeys(names))}
    firm = np.array([numbers[name] for name in names], dtype=np.intp)
    start = np.zeros((value.size, 1))
    demand = BelievedDemand(cost, start, np.ones(1), firm, LinearPrice(alpha), 1.0, None)
    return _LinearMarket(value, alpha, outside, demand, np.ones(value.shape, dtype=np.bool_))


def _settle(prices: FloatArray, market: _LinearMarket) -> FloatArray:
    """Iterate to the fixed point: a Newton step where it halves the residual at least, else the markup map."""
    residual = market.residual(prices)
    for _ in range(_NASH_ROUNDS):
        error = float(np.max(np.abs(residual)))
        if error <= _NASH_TOLERANCE * (1.0 / market.alpha + float(np.max(np.abs(prices)))):
            return prices
        newton = market.newton(prices, residual)
        attempt = market.residual(newton)
        if float(np.max(np.abs(attempt))) < 0.5 * error:
            prices, residual = newton, attempt
        else:
            prices = prices + residual
            residual = market.residual(prices)
    raise ArithmeticError("prices have not settled; scale money so that 1 / price_sensitivity is near typical prices")


def merger_screen(shares: ArrayLike, a: int, b: int) -> MergerScreen:
    """HHI (0-10,000) before and after firms at positions ``a`` and ``b`` merge at unchanged shares (0-1), and change.

    The change is 2 s_a s_b 10,000, the figure of merger guidelines. Raises ValueError for one firm named twice,
    positions out of range, a share outside 0-1 or shares that sum to more than 1.
    """
    s = np.asarray(shares, dtype=np.float64)
    if not (np.all(s >= 0) and s.sum() <= 1.0 + 1e-9):
        raise ValueError("shares are parts of the market: give numbers from 0 to 1 that sum to at most 1, not per cent")
    if a == b or not (0 <= a < s.size and 0 <= b < s.size):
        raise ValueError(f"a and b must be two different positions between 0 and {s.size - 1}")
    before = 10_000.0 * float((s * s).sum())
    change = 20_000.0 * float(s[a]) * float(s[b])
    return MergerScreen(before, before + change, change)
