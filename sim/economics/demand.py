"""What buyers choose and how much they use: logit and nested logit, quality, price terms, re-choice, peers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logsumexp

FloatArray = NDArray[np.float64]


def choice_probabilities(utility: ArrayLike, nest: ArrayLike | None = None, dissimilarity: float = 1.0) -> FloatArray:
    """Multinomial or nested logit probabilities, same shape as ``utility``; the last axis holds the alternatives.

    ``utility`` in logit units; -inf marks an alternative as unavailable; the outside option is one of the columns.
    ``nest`` gives one label (integer or string) per alternative and ``dissimilarity`` lambda in (0, 1] is shared by
    all nests: P_j = e^(u_j/lambda - I_n) e^(lambda I_n) / sum_m e^(lambda I_m), I_n = ln sum_(i in n) e^(u_i/lambda)
    (McFadden 1978); lambda = 1 or no nest is the multinomial logit (McFadden 1974). Raises ValueError for NaN, +inf, a
    lambda out of range, labels that do not match, or a chooser without any available alternative.
    """
    u = np.asarray(utility, dtype=np.float64)
    _check_utility(u)
    if not 0.0 < dissimilarity <= 1.0:
        raise ValueError(f"dissimilarity is {dissimilarity}; choose it above 0 and at most 1 (1 = plain logit)")
    if nest is None:
        return np.asarray(np.exp(u - logsumexp(u, axis=-1, keepdims=True)))
    labels = np.asarray(nest)
    if labels.shape != u.shape[-1:]:
        raise ValueError(f"nest has shape {labels.shape}; give one label for each of the {u.shape[-1]} alternatives")
    return _nested(u / dissimilarity, np.unique(labels, return_inverse=True)[1], dissimilarity)


def _check_utility(u: FloatArray) -> None:
    if u.ndim == 0 or u.shape[-1] == 0:
        raise ValueError("utility needs at least one alternative on its last axis; add the outside option")
    if np.any(np.isnan(u)) or np.any(np.isposinf(u)):
        raise ValueError("utility holds NaN or +inf; use -inf for an alternative that is not available")
    if np.any(np.all(np.isneginf(u), axis=-1)):
        raise ValueError("a chooser has no available alternative; add an outside option with finite utility")


def _nested(scaled: FloatArray, nest: NDArray[np.intp], dissimilarity: float) -> FloatArray:
    """Nested logit from utilities already divided by lambda and nests numbered from 0."""
    members = [nest == n for n in range(int(nest.max()) + 1)]
    inclusive = np.stack([logsumexp(scaled[..., m], axis=-1) for m in members], axis=-1)
    nest_value = dissimilarity * inclusive
    log_nest = nest_value - logsumexp(nest_value, axis=-1, keepdims=True)
    # An empty nest has inclusive value -inf; any finite stand-in gives its members e^(-inf) = 0 instead of NaN.
    within = scaled - np.where(np.isneginf(inclusive), 0.0, inclusive)[..., nest]
    return np.asarray(np.exp(within + log_nest[..., nest]))


def quality(q: ArrayLike, threshold: ArrayLike, tau: ArrayLike) -> FloatArray:
    """Success of a model of capability q (OOM) at a task that needs ``threshold`` (OOM): logistic((q - theta) / tau).

    ``tau`` (OOM) is how gradual the transition is; the result lies in 0-1.
    """
    return np.asarray(expit((np.asarray(q, dtype=np.float64) - np.asarray(threshold)) / np.asarray(tau)))


def cost_disutility(cost: ArrayLike, other_cost: ArrayLike, going_price: ArrayLike) -> FloatArray:
    """Log price term f = ln((cost + c0) / r), dimensionless; utility falls by beta f.

    ``cost`` is the effective cost of the mode, ``other_cost`` c0 > 0 the task's other cost and ``going_price`` r the
    price usual for the type, all in USD per Mtok; c0 keeps a free model from being infinitely attractive.
    """
    total = np.asarray(cost, dtype=np.float64) + np.asarray(other_cost)
    return np.asarray(np.log(total / np.asarray(going_price)))


def switching_path(shares0: ArrayLike, target_probs_given_incumbent: ArrayLike, rate: float, steps: int) -> FloatArray:
    """Installed shares when each period a fraction ``rate`` (0-1) chooses anew: s <- (1 - rate) s + rate s P.

    ``shares0`` has shape (n,); P has shape (n, n), row i the choice probabilities of those whose incumbent is i (one
    row of shape (n,) stands for all when switching costs nothing). Returns shape (steps + 1, n), first row shares0.
    Without switching cost the path is target + (shares0 - target) (1 - rate)^t. Raises ValueError for rate outside 0-1.
    """
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate is {rate}; it is the fraction that chooses anew in a period, between 0 and 1")
    start = np.asarray(shares0, dtype=np.float64)
    chosen = np.broadcast_to(np.asarray(target_probs_given_incumbent, dtype=np.float64), (start.size, start.size))
    path = np.empty((steps + 1, start.size))
    path[0] = start
    for t in range(steps):
        path[t + 1] = (1.0 - rate) * path[t] + rate * (path[t] @ chosen)
    return path


def lock_in_threshold(n_labs: int) -> float:
    """Strength gamma of linear peer feedback (U = gamma x share) above which equal labs cannot stay equal: n.

    At s = 1/n the logit response has slope gamma/n in every direction that keeps the sum, so equality is unstable
    beyond gamma = n (Brock and Durlauf 2001: 2 for two alternatives). With three or more labs lopsided equilibria
    already coexist with the equal one somewhat below n. Raises ValueError below two labs.
    """
    if n_labs < 2:
        raise ValueError("lock-in needs at least two labs")
    return float(n_labs)


def peer_fixed_point(share0: ArrayLike, appeal: ArrayLike, gamma: float) -> FloatArray:
    """Shares, shape (n,), at which s = logit(appeal + gamma s) settles when it starts from ``share0``.

    ``appeal`` in logit units, ``gamma`` >= 0 in logit per unit of share. Which of several equilibria is reached depends
    on the start: that is lock-in. Raises ValueError for negative gamma and ArithmeticError if the response has not
    settled, as happens only at the threshold itself (see ``lock_in_threshold``).
    """
    if gamma < 0:
        raise ValueError("gamma must not be negative; peers attract")
    share = np.asarray(share0, dtype=np.float64)
    for _ in range(100_000):
        response = choice_probabilities(np.asarray(appeal) + gamma * share)
        if float(np.max(np.abs(response - share))) < 1e-15:
            return response
        share = response
    raise ArithmeticError(f"peer feedback {gamma} has not settled; move gamma away from the lock-in threshold")


def usage_volume(
    budget_usd: ArrayLike, price: ArrayLike, going_price: ArrayLike, own_elasticity: ArrayLike
) -> FloatArray:
    """Mtok used when a budget meets a price: budget / r x (price / r)^(-e).

    ``budget_usd`` is what the workload would spend at the going price r (USD per Mtok), e the own-usage elasticity: at
    e = 1 the budget is spent whatever the price, below 1 a cheaper model lowers the bill.
    """
    going = np.asarray(going_price, dtype=np.float64)
    return np.asarray(np.asarray(budget_usd) / going * (np.asarray(price) / going) ** -np.asarray(own_elasticity))


def usage_spend(
    budget_usd: ArrayLike, price: ArrayLike, going_price: ArrayLike, own_elasticity: ArrayLike
) -> FloatArray:
    """USD spent when a budget meets a price: price x ``usage_volume`` = budget x (price / r)^(1 - e)."""
    ratio = np.asarray(price, dtype=np.float64) / np.asarray(going_price)
    return np.asarray(np.asarray(budget_usd) * ratio ** (1.0 - np.asarray(own_elasticity)))


def going_price(
    budgets: ArrayLike, prices: ArrayLike, own_elasticity: float, market: NDArray[np.integer]
) -> FloatArray:
    """Price r of each market at which what is spent is just the sum of budgets; NaN for a market without a budget.

    ``budgets`` and ``prices`` (above 0) are of shape (n,), ``market`` numbers from 0. Spending b (p / r)^(1 - e) sums
    to the budgets at r = (sum b p^(1 - e) / sum b)^(1 / (1 - e)), a budget-weighted power mean, in the unit of prices;
    so total spending follows budgets whoever chooses what, and a cheaper choice of some raises what others spend.
    """
    b, power = np.asarray(budgets, dtype=np.float64), 1.0 - own_elasticity
    spent = np.bincount(market, b * np.asarray(prices) ** power)
    with np.errstate(invalid="ignore"):
        return np.asarray((spent / np.bincount(market, b)) ** (1.0 / power))
