"""Best responses, posted prices, Bertrand-Nash equilibrium, merger screen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.demand import choice_probabilities
from sim.economics.pricing import (
    BelievedDemand,
    LinearPrice,
    LogPrice,
    PriceForm,
    bertrand_nash,
    best_response,
    lerner_index,
    markup_target,
    merger_screen,
    posted_prices,
)

SEEDS = st.integers(0, 2**32 - 1)
OTHER = np.array([0.05, 0.2, 0.5, 1.0])
FORMS: list[PriceForm] = [
    LinearPrice(0.4),
    LogPrice(3.5, OTHER, 0.06),
    LogPrice(np.array([2.0, 3.0, 2.5, 4.0]), 0.5, 0.4),
]


def market(
    rng: np.random.Generator, form: PriceForm, floor: float | None = 1.1, exposure: float = 0.7
) -> tuple[np.ndarray, BelievedDemand]:
    """Prices and believed demand of 24 products of 10 firms in 4 submarkets, shares by logit at those prices."""
    cost = np.exp(rng.normal(0.5, 0.8, 24))
    prices = cost * np.exp(rng.uniform(0, 1, 24))
    utility = rng.normal(0, 1.5, (24, 4)) - form.disutility(prices)
    shares = choice_probabilities(np.vstack([utility, np.zeros((1, 4))]).T).T[:24]
    owner = np.concatenate([np.arange(10), rng.integers(0, 10, 14)])
    return prices, BelievedDemand(cost, shares, np.exp(rng.normal(0, 1, 4)), owner, form, exposure, floor)


def believed_profit(new: np.ndarray, old: np.ndarray, demand: BelievedDemand, firm: int) -> float:
    """Profit of a firm at ``new`` own prices, rivals at ``old``; locked customers stay, due ones choose.

    Written product by product from the definition, as an independent check on the first-order conditions.
    """
    own = np.flatnonzero(demand.owner == firm)
    total = 0.0
    for k, customers in enumerate(demand.weights):
        felt_old, felt_new = (
            demand.form.disutility(p)[:, min(k, demand.form.disutility(p).shape[1] - 1)] for p in (old, new)
        )
        odds = {j: demand.shares[j, k] * np.exp(felt_old[j] - felt_new[j]) for j in own}
        everyone = 1.0 - demand.shares[own, k].sum() + sum(odds.values())
        for j in own:
            share = (1 - demand.exposure) * demand.shares[j, k] + demand.exposure * odds[j] / everyone
            total += customers * share * (new[j] - demand.cost[j]) * demand.form.volume(new)[j]
    return float(total)


@pytest.mark.parametrize("form", FORMS, ids=["linear", "log", "log-by-segment"])
def test_no_firm_gains_by_leaving_its_best_response(form: PriceForm) -> None:
    """Tries other prices on the profit from its definition: one product at a time, and several at once.

    Kills: cannibalisation left out, exposure on the wrong term, usage elasticity dropped, mix by customers instead of
    volume, rivals allowed to react.
    """
    rng = np.random.default_rng(11)
    for _ in range(5):
        prices, demand = market(rng, form)
        best, at_floor = best_response(prices, demand)
        for firm in range(10):
            top = believed_profit(np.where(demand.owner == firm, best, prices), prices, demand, firm)
            for factor in [*(1 + s * d for s in (-1, 1) for d in (1e-3, 0.02)), None]:
                move = np.exp(rng.normal(0, 0.01, 24)) if factor is None else np.full(24, factor)
                move = np.where(at_floor, np.minimum(move, 1.0), move)
                which = (demand.owner == firm) & (rng.random(24) < 0.7)
                other = np.where(which, best * move, np.where(demand.owner == firm, best, prices))
                assert believed_profit(other, prices, demand, firm) <= top * (1 + 1e-12)


@pytest.mark.parametrize("form", FORMS, ids=["linear", "log", "log-by-segment"])
def test_profit_is_flat_at_the_best_response(form: PriceForm) -> None:
    """Central difference of log profit below 1e-5 (a markup 1 % off gives 1e-3 to 1e-2). Kills: loose tolerance."""
    prices, demand = market(np.random.default_rng(5), form, exposure=0.9)
    best, at_floor = best_response(prices, demand)
    assert at_floor.mean() < 0.3
    for j in np.flatnonzero(~at_floor):
        firm = int(demand.owner[j])
        base = np.where(demand.owner == firm, best, prices)
        up, down = (np.where(np.arange(24) == j, base * (1 + s * 1e-4), base) for s in (1, -1))
        profit = [believed_profit(p, prices, demand, firm) for p in (up, down)]
        assert abs(profit[0] - profit[1]) / (2e-4 * sum(profit) / 2) < 1e-5


def test_markup_target_of_one_linear_submarket_is_the_textbook_rule() -> None:
    """p = c + 1/(x alpha) + sum of own s (p - c). Kills: profit of rivals included, exposure ignored."""
    prices, cost = np.array([4.0, 5.0, 6.0]), np.array([1.0, 2.0, 3.0])
    shares = np.array([[0.2], [0.3], [0.1]])
    demand = BelievedDemand(cost, shares, np.ones(1), np.array([0, 0, 1]), LinearPrice(0.5), 0.8, None)
    target, at_floor = markup_target(prices, demand)
    np.testing.assert_allclose(target, cost + 2.5 + np.array([1.5, 1.5, 0.3]), rtol=1e-14)
    assert not at_floor.any()


def test_equilibrium_is_where_posted_prices_rest() -> None:
    """The market's pricing, linear, with full adjustment, repeated with fresh shares, ends at ``bertrand_nash``.

    Kills: two different codes for the market and the limit.
    """
    appeal, cost = np.array([2.0, 1.5, 1.0, 0.2]), np.array([1.0, 0.8, 0.5, 0.4])
    owner, form = np.array([0, 0, 1, 2]), LinearPrice(1.0)
    prices = cost + 0.1
    for _ in range(60):
        shares = choice_probabilities(np.append(appeal - prices, 0.0))[:4, None]
        prices, _ = posted_prices(prices, BelievedDemand(cost, shares, np.ones(1), owner, form, 1.0, None), 1.0)
    np.testing.assert_allclose(prices, bertrand_nash(appeal, cost, 1.0, owner)[0], rtol=1e-9)


def test_adjustment_moves_part_way_in_logs() -> None:
    """Kills: part of the way in levels, direction reversed."""
    prices, demand = market(np.random.default_rng(2), FORMS[1])
    full, half, none = (posted_prices(prices, demand, a)[0] for a in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(half, np.sqrt(prices * full), rtol=1e-12)
    np.testing.assert_array_equal(none, prices)


@given(SEEDS)
def test_prices_do_not_show_firms_whose_demand_did_not_change(seed: int) -> None:
    """Without one firm (its customers gone to the outside), and with a new one that nobody wants: same bits.

    Kills: sums in an order that depends on other firms, rounds of thinking that depend on them.
    """
    rng = np.random.default_rng(seed)
    prices, demand = market(rng, FORMS[int(rng.integers(0, 3))])
    posted, _ = posted_prices(prices, demand, 0.5)
    keep = demand.owner != demand.owner[0]
    fewer = replace(
        demand,
        cost=demand.cost[keep],
        shares=demand.shares[keep],
        owner=np.unique(demand.owner[keep], return_inverse=True)[1],
    )
    np.testing.assert_array_equal(posted_prices(prices[keep], fewer, 0.5)[0], posted[keep])
    more = replace(
        demand,
        cost=np.append(demand.cost, 3.0),
        shares=np.vstack([demand.shares, np.zeros(4)]),
        owner=np.append(demand.owner, 10),
    )
    np.testing.assert_array_equal(posted_prices(np.append(prices, 9.0), more, 0.5)[0][:24], posted)


@given(SEEDS)
def test_best_responses_settle_at_or_above_cost_and_under_the_cap(seed: int) -> None:
    """Concentrated random markets, any exposure. Kills: cycles, prices below cost, NaN, the cap not applied."""
    rng = np.random.default_rng(seed)
    form = FORMS[int(rng.integers(0, 3))]
    shares = rng.dirichlet(np.full(25, 0.1), 4).T[:24]
    cost = np.exp(rng.normal(0, 1.5, 24))
    demand = BelievedDemand(
        cost, shares, np.exp(rng.normal(0, 2, 4)), rng.integers(0, 8, 24), form, rng.uniform(0.1, 1), 1.1
    )
    best, at_floor = best_response(cost * np.exp(rng.normal(0.5, 1, 24)), demand)
    assert np.all((best >= cost) & (best <= 11 * cost * (1 + 1e-12)))
    np.testing.assert_array_equal(at_floor, best >= 11 * cost * (1 - 1e-12))


def test_hard_cases_of_the_best_response_settle() -> None:
    """Markets drawn like those that a plain or merely damped iteration left unsettled: prices between two segments'
    optima (few due customers, linear) and near monopolists that the map lifts by 1/alpha at a time.

    Kills: a fixed step bound, plain iteration.
    """
    for seed in [*range(60), 331, 362, 456, 566]:  # 22 and the last four cycle unless steps shrink
        rng = np.random.default_rng(seed)
        shares = rng.dirichlet(np.append(np.full(50, 0.05), 1.0), 6).T[:50]
        cost, owner = np.exp(rng.normal(0, 1.5, 50)), rng.integers(0, 20, 50)
        form, weights = LinearPrice(rng.uniform(4, 10)), np.exp(rng.normal(0, 2, 6))
        demand = BelievedDemand(cost, shares, weights, owner, form, rng.uniform(0.2, 0.8), 1.1)
        best, _ = best_response(cost * np.exp(rng.normal(0.5, 0.7, 50)), demand)
        assert np.all(best >= cost)


def test_prices_recover_from_selling_far_below_cost() -> None:
    """A flagship sold at a hundredth of its cost, beside a cheap small model of the same firm.

    Kills: starting the search at a loss, where the loss avoided by diverting users asks for a negative price.
    """
    cost, prices = np.array([50.0, 0.1]), np.array([0.5, 0.3])
    shares, owner = np.array([[0.8, 0.7], [0.1, 0.2]]), np.zeros(2, dtype=np.intp)
    demand = BelievedDemand(cost, shares, np.ones(2), owner, LogPrice(3.0, 0.0, 0.0), 0.9, 1.1)
    best, _ = best_response(prices, demand)
    assert np.all(best > cost)


def test_floor_binds_for_locked_in_customers_and_not_for_free_ones() -> None:
    """Few due customers: e + x beta = 0.56 < 1, profit rises without end, the cap holds. All due: it does not bind.

    Kills: exposure ignored, flag stuck, cap c eps instead of c eps/(eps - 1).
    """
    prices, demand = market(np.random.default_rng(8), LogPrice(2.5, 0.0, 0.06), floor=1.25, exposure=0.2)
    best, at_floor = best_response(prices, demand)
    assert at_floor.all()
    np.testing.assert_allclose(best, 5.0 * demand.cost, rtol=1e-12)
    lone = replace(demand, exposure=1.0, shares=demand.shares * 1e-3)
    assert not best_response(prices, lone)[1].any()
    with pytest.raises(ArithmeticError, match="minimum_elasticity"):
        best_response(prices, replace(demand, minimum_elasticity=None))


def test_new_model_is_priced_at_the_limit_of_a_small_share() -> None:
    """Zero share in every submarket: the same price as with a share of 1e-12. Kills: 0/0, a jump at zero."""
    prices, demand = market(np.random.default_rng(3), FORMS[1])
    nobody, hardly = demand.shares.copy(), demand.shares.copy()
    nobody[5], hardly[5] = 0.0, 1e-12
    prices[5] = best_response(prices, replace(demand, shares=hardly))[0][5]
    first = markup_target(prices, replace(demand, shares=nobody))[0][5]
    np.testing.assert_allclose(first, markup_target(prices, replace(demand, shares=hardly))[0][5], rtol=1e-9)


def test_multi_product_firm_charges_more_than_rivals_would() -> None:
    """In one submarket (with several, a shifted mix may lower one price). Kills: owner ignored in posted prices."""
    prices, demand = market(np.random.default_rng(21), LogPrice(2.5, 0.5, 0.06), exposure=1.0)
    demand = replace(demand, shares=demand.shares[:, :1], weights=np.ones(1))
    alone = replace(demand, owner=np.arange(24))
    assert np.all(best_response(prices, demand)[0] >= best_response(prices, alone)[0] * (1 - 1e-9))


@pytest.mark.parametrize("form", FORMS, ids=["linear", "log", "log-by-segment"])
def test_slope_is_the_derivative_of_disutility(form: PriceForm) -> None:
    """Kills: other cost missing from either."""
    p = np.array([0.3, 2.0, 40.0])
    numeric = (form.disutility(p + 1e-5) - form.disutility(p - 1e-5)) / 2e-5
    np.testing.assert_allclose(numeric, np.broadcast_to(form.slope(p), numeric.shape), rtol=1e-6)


def test_demand_that_does_not_fit_is_refused() -> None:
    """Kills: any of the checks."""
    _, demand = market(np.random.default_rng(0), FORMS[0])
    with pytest.raises(ValueError, match="products, submarkets"):
        replace(demand, weights=np.ones(5))
    with pytest.raises(ValueError, match="floor"):
        replace(demand, minimum_elasticity=1.0)
    with pytest.raises(ValueError, match="floor"):
        replace(demand, cost=np.zeros(24))


def random_equilibrium(seed: int) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, bool]:
    """Appeal, cost, alpha, owner, outside option of a random market with up to 50 products."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 51))
    owner = rng.integers(0, max(1, n // 3) + 1, n)
    outside = bool(rng.random() < 0.7) or np.unique(owner).size == 1
    alpha = float(10 ** rng.uniform(-2, 1))
    return rng.normal(0, 4, n), np.exp(rng.normal(0, 1, n)) / alpha, alpha, owner, outside


@given(SEEDS)
def test_equilibrium_satisfies_the_first_order_conditions(seed: int) -> None:
    """p - c - 1/alpha - Pi_f relative to the price below 1e-10, up to 50 products. Kills: false convergence."""
    appeal, cost, alpha, owner, outside = random_equilibrium(seed)
    prices, shares = bertrand_nash(appeal, cost, alpha, owner, outside)
    odds = np.exp(appeal - alpha * prices - (appeal - alpha * prices).max())
    rest = np.exp(-(appeal - alpha * prices).max()) if outside else 0.0
    np.testing.assert_allclose(shares, odds / (odds.sum() + rest), rtol=1e-9)
    profit = np.array([(shares * (prices - cost))[owner == f].sum() for f in owner])
    np.testing.assert_allclose((prices - cost - 1 / alpha - profit) / prices, 0.0, atol=1e-10)


@given(SEEDS)
def test_a_higher_own_cost_does_not_raise_the_own_share(seed: int) -> None:
    """Kills: cost with the wrong sign."""
    appeal, cost, alpha, owner, outside = random_equilibrium(seed)
    j = seed % cost.size
    dearer = cost + np.where(np.arange(cost.size) == j, 0.3 / alpha, 0.0)
    before, after = (bertrand_nash(appeal, c, alpha, owner, outside)[1][j] for c in (cost, dearer))
    assert after <= before * (1 + 1e-9)


@given(SEEDS, st.floats(1e-3, 1e9))
def test_the_unit_of_money_does_not_matter(seed: int, unit: float) -> None:
    """Kills: tolerances in absolute money."""
    appeal, cost, alpha, owner, outside = random_equilibrium(seed)
    prices, shares = bertrand_nash(appeal, cost, alpha, owner, outside)
    scaled, again = bertrand_nash(appeal, cost * unit, alpha / unit, owner, outside)
    np.testing.assert_allclose(scaled, prices * unit, rtol=1e-9)
    np.testing.assert_allclose(again, shares, rtol=1e-8)


def test_merging_raises_every_price() -> None:
    """Kills: rivals' prices not responding in the same direction (strategic complements)."""
    appeal, cost = [2.0, 1.5, 1.0], [1.0, 0.8, 0.5]
    assert np.all(bertrand_nash(appeal, cost, 1.0, ["a", "a", "b"])[0] > bertrand_nash(appeal, cost, 1.0)[0])


def test_fixed_prices_stay_and_others_respond_to_them() -> None:
    """A fringe at cost plus margin caps a rival. Kills: fixed prices moved, NaN taken for a price."""
    appeal, cost = [1.0, 1.0], [1.0, 1.0]
    prices, shares = bertrand_nash(appeal, cost, 1.0, fixed_price=[1.1, np.nan], outside_option=False)
    assert prices[0] == 1.1
    assert prices[1] - 1.0 == pytest.approx(1 / (1 - shares[1]), rel=1e-12)
    dear, _ = bertrand_nash(appeal, cost, 1.0, fixed_price=[9.0, np.nan], outside_option=False)
    assert dear[1] > prices[1]
    alone, _ = bertrand_nash(appeal, cost, 1.0, owner=["a", "a"], fixed_price=[3.0, np.nan], outside_option=False)
    assert np.isfinite(alone).all()


@pytest.mark.parametrize("gap", [50.0, 700.0])
def test_overwhelming_lead_still_has_an_equilibrium(gap: float) -> None:
    """Residual of the leader's condition. Kills: singular Newton step, giving up where the map climbs slowly."""
    prices, shares = bertrand_nash([gap, 0.0], [1.0, 1.0], 1.0, outside_option=False)
    np.testing.assert_allclose((prices - 1.0) * (1 - shares), 1.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0, 2.0], [1.0], 1.0), "one value per product"),
        (([np.nan], [1.0], 1.0), "finite"),
        (([1.0], [1.0], 0.0), "price_sensitivity"),
        (([1.0, 1.0], [1.0, 1.0], 1.0, ["a"]), "owner"),
        (([1.0, 1.0], [1.0, 1.0], 1.0, ["a", "a"], False), "outside_option"),
        (([1.0], [1.0], 1.0, None, True, [1.0, 2.0]), "fixed_price"),
    ],
)
def test_markets_without_meaning_are_refused(arguments: tuple, words: str) -> None:
    """Kills: a check that was dropped (each case is one)."""
    with pytest.raises(ValueError, match=words):
        bertrand_nash(*arguments)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9), SEEDS)
def test_merger_screen_agrees_with_summing_the_two(raw: list[float], seed: int) -> None:
    """Kills: change not equal to after minus before."""
    shares = np.array(raw) / max(sum(raw), 1e-9)
    a, b = np.random.default_rng(seed).choice(shares.size, 2, replace=False)
    merged = np.delete(shares, b)
    merged[a - (b < a)] += shares[b]
    screen = merger_screen(shares, int(a), int(b))
    np.testing.assert_allclose(screen.after, 1e4 * (merged**2).sum(), rtol=1e-10, atol=1e-9)
    with pytest.raises(ValueError, match="different"):
        merger_screen(shares, int(a), int(a))


@pytest.mark.parametrize("shares", [[40.0, 60.0], [0.7, 0.4], [-0.1, 0.5], [np.nan, 0.5]])
def test_merger_screen_refuses_what_are_no_shares(shares: list[float]) -> None:
    """Kills: per cent, a sum above 1, a negative share, NaN."""
    with pytest.raises(ValueError, match="shares are parts of the market"):
        merger_screen(shares, 0, 1)


def test_lerner_index() -> None:
    """Kills: markup over cost."""
    np.testing.assert_allclose(lerner_index([4.0, 5.0], [1.0, 5.0]), [0.75, 0.0])
