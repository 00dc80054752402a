"""What a million tokens costs: to serve, to buy in each mode of deployment, and the buyer's budget for it."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def serving_cost(base_usd_per_mtok: float, compute_oom: float, progress_index: float, efficiency: float) -> float:
    """Cost of serving, USD per Mtok: base x sqrt(training compute relative to the reference) / (progress x efficiency).

    Compute-optimal models grow in parameters, hence in FLOP per token, with the square root of training compute
    (Hoffmann et al. 2022). ``compute_oom`` is log10 of that compute relative to the reference model;
    ``progress_index`` (hardware and inference progress since the reference day) and ``efficiency`` (of this lab) are
    factors above 0.
    """
    root = math.pow(10.0, compute_oom / 2.0)
    return base_usd_per_mtok * root / (progress_index * efficiency)


def _running_a_host(
    fixed_usd_per_year: ArrayLike, staff_usd_per_year: ArrayLike, skill_premium: ArrayLike, talent: ArrayLike
) -> FloatArray:
    """Yearly cost of running one's own models apart from compute, USD: infrastructure plus the staff still to hire."""
    hired = np.asarray(staff_usd_per_year, dtype=np.float64) * (1.0 + np.asarray(skill_premium))
    return np.asarray(np.asarray(fixed_usd_per_year) + hired * (1.0 - np.asarray(talent)))


def self_hosted_cost(
    serving: ArrayLike,
    utilisation: ArrayLike,
    fixed_usd_per_year: ArrayLike,
    staff_usd_per_year: ArrayLike,
    skill_premium: ArrayLike,
    talent: ArrayLike,
    volume_mtok_per_year: ArrayLike,
) -> FloatArray:
    """Cost of open weights on one's own machines, USD per Mtok: c / u + (fixed + staff (1 + premium)(1 - talent)) / V.

    ``serving`` is the cost at full load (USD per Mtok) and ``utilisation`` u in (0, 1] the part of the hours paid that
    does work; fixed and staff in USD per year, the wage premium of open-model skills as a fraction, ``talent`` (0-1)
    the part of the staff the enterprise has anyway, V in Mtok per year (inf at V = 0). All broadcast.
    """
    overhead = _running_a_host(fixed_usd_per_year, staff_usd_per_year, skill_premium, talent)
    with np.errstate(divide="ignore"):
        return np.asarray(np.asarray(serving) / np.asarray(utilisation) + overhead / np.asarray(volume_mtok_per_year))


def hosted_cost(serving: ArrayLike, margin: ArrayLike) -> FloatArray:
    """Price of the competitive hosting fringe, USD per Mtok: serving cost x (1 + margin)."""
    return np.asarray(np.asarray(serving, dtype=np.float64) * (1.0 + np.asarray(margin)))


def private_deployment_cost(price: ArrayLike, fee: ArrayLike) -> FloatArray:
    """Closed weights in the buyer's own cloud, USD per Mtok: the API price plus a fee per Mtok."""
    return np.asarray(np.asarray(price, dtype=np.float64) + np.asarray(fee))


def self_hosting_break_even(
    api_price: ArrayLike,
    serving: ArrayLike,
    utilisation: ArrayLike,
    fixed: ArrayLike,
    staff: ArrayLike,
    premium: ArrayLike,
    talent: ArrayLike,
) -> FloatArray:
    """Volume in Mtok per year at which self-hosting costs as much as the API; larger users gain by hosting themselves.

    Arguments as in ``self_hosted_cost``, ``api_price`` in USD per Mtok. Infinite when the API undercuts even the
    running compute c / u, so that no volume is large enough.
    """
    saving = np.asarray(api_price, dtype=np.float64) - np.asarray(serving) / np.asarray(utilisation)
    overhead = _running_a_host(fixed, staff, premium, talent)
    return np.where(saving > 0, overhead / np.where(saving > 0, saving, 1.0), np.inf)


def budget_index(growth: ArrayLike, decay: ArrayLike, floor_growth: ArrayLike, years: ArrayLike) -> FloatArray:
    """Budget relative to year 0 when its log growth rate is growth e^(-decay t) + floor_growth per year.

    The integral is growth (1 - e^(-decay t)) / decay + floor_growth t; with decay = 0 growth never slows.
    """
    rate, time = np.broadcast_arrays(np.asarray(decay, dtype=np.float64), np.asarray(years, dtype=np.float64))
    safe = np.where(rate > 0, rate, 1.0)
    spent = np.where(rate > 0, -np.expm1(-safe * time) / safe, time)
    return np.asarray(np.exp(np.asarray(growth) * spent + np.asarray(floor_growth) * time))


def seat_serving_cost(paid: float, free: float, share: float, free_per_payer: float, free_share: float) -> float:
    """Cost of serving subscribers and free users, USD: share x (paid + n x f x free).

    ``paid`` is subscription revenue (USD), of which serving who pays costs ``share`` (0-1); ``free`` what those who pay
    would pay if the lab had as large a part of them as it has of free users (USD). There are ``free_per_payer`` n of
    these for each that pays, and one costs ``free_share`` f of what one who pays does.
    """
    return share * (paid + free_per_payer * free_share * free)


def scale_of_fixed_cost(budget: ArrayLike, reference: ArrayLike, avoided: ArrayLike) -> FloatArray:
    """Part of the full fixed cost of an own deployment that a workload of this budget needs, 1 - avoided .. 1.

    ``budget`` and ``reference`` in USD per year; from the reference on the fixed cost is borne in full, below it the
    part ``avoided`` (0-1) shrinks with the budget.
    """
    relative = np.minimum(1.0, np.asarray(budget, dtype=np.float64) / np.asarray(reference))
    return np.asarray(1.0 - np.asarray(avoided) * (1.0 - relative))


def integrator_engaged(
    staff_usd_per_year: ArrayLike, fixed_usd_per_year: ArrayLike, relief: ArrayLike, fee: ArrayLike
) -> NDArray[np.bool_]:
    """Whether a system integrator is cheaper than hiring what it supplies: relief x staff > fee x infrastructure.

    ``staff`` (USD per year, premium included) is what a buyer without talent would hire, ``relief`` (0-1) the part of
    it that the integrator supplies, ``fee`` its price over the infrastructure bill. Both go with the talent that is
    missing, so talent does not enter.
    """
    return np.asarray(np.asarray(relief) * np.asarray(staff_usd_per_year) > np.asarray(fee) * fixed_usd_per_year)
