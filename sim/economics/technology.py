"""Training cost, effective compute, private and public knowledge, and the gap between two frontiers."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def trend_cost(log_cost: ArrayLike, annual_growth: ArrayLike, dt: float) -> FloatArray:
    """Natural log of the cost of training on trend after ``dt`` years: ln X <- ln X + ln(g) dt.

    ``log_cost`` is ln USD and ``annual_growth`` the factor g per year (2.4 = costs 2.4x as much each year). Growth is
    integrated, so a dated change of g bends the path and never makes it jump (Cottier et al. 2024 for g).
    """
    growth = np.asarray(annual_growth, dtype=np.float64)
    if (growth <= 0).any():
        raise ValueError("annual_growth is a factor per year and must be above 0; write 2.4 for growth of 140 % a year")
    return np.asarray(log_cost, dtype=np.float64) + np.log(growth) * dt


def effective_compute_oom(spend_usd: float, flop_per_usd_index: float, reference_spend_usd: float) -> float:
    """Orders of magnitude of training compute above the reference run: log10(spend x FLOP per USD / reference).

    Spends in USD, the index is FLOP per USD relative to the day of the reference run. No spend gives -inf.
    """
    hardware = spend_usd * flop_per_usd_index / reference_spend_usd
    return float(np.log10(hardware)) if hardware > 0.0 else -math.inf


def capability(hardware_oom: float, knowledge: float, best_served: float, distillation: float, noise: float) -> float:
    """Capability q of a finished run, in OOM of effective compute above the reference model.

    q0 = hardware + knowledge is what the lab builds alone; distilling the best model served closes the share
    ``distillation`` (0-1) of the distance up to it, never beyond; ``noise`` (OOM) is the luck of the run.
    """
    alone = hardware_oom + knowledge
    return alone + distillation * max(0.0, best_served - alone) + noise


def built_on(own: float, base: float, added: float) -> float:
    """Capability of a run that may begin from open weights: max(own, log10(10^base + added 10^own)), in OOM.

    ``own`` is what the run is worth from nothing and ``base`` the capability of the weights (-inf: none). Training
    continued adds the part ``added`` (0-1) of the run's effective compute to that in the base, the rest repeats or
    overwrites what is there (continued pre-training; Gururangan et al. 2020). Who is far ahead of all open weights
    trains from nothing; nobody who can use a base ends below it.
    """
    top = max(own, base)
    together = 10.0 ** (base - top) + added * 10.0 ** (own - top)
    return max(own, top + math.log10(together)) if together > 0.0 else own


def diffused(level: ArrayLike, best: ArrayLike, speed: ArrayLike, dt: float) -> FloatArray:
    """What a level of technique (log) gains in ``dt`` years towards the best: (1 - e^(-speed dt)) (best - level)+.

    Catching up in proportion to the distance (Nelson and Phelps 1966); ``speed`` per year, 0 leaves everybody where he
    is. Who is best gains nothing.
    """
    behind = np.maximum(0.0, np.asarray(best, dtype=np.float64) - np.asarray(level))
    return np.asarray(-np.expm1(-np.asarray(speed) * dt) * behind)


def worth_releasing(capability_oom: float, served: float, gain: float) -> bool:
    """Whether a finished run goes on sale: it beats what the lab serves in the tier by more than a release costs.

    All in OOM; ``gain`` is the improvement that pays for tests, launch and the trouble of users who move; ``served``
    is -inf where the lab serves nothing yet.
    """
    return capability_oom > served + gain


def capability_at_work(q: ArrayLike, speciality: ArrayLike, types: int, gain: float) -> FloatArray:
    """Capability (OOM) by type of work, shape (types, models): a specialist's model is ahead by ``gain`` at its own.

    ``q`` is each model's capability (OOM), ``speciality`` the position of the type it was made for, below 0 for none.
    """
    at = np.arange(types)[:, None] == np.asarray(speciality)[None, :]
    return np.asarray(np.asarray(q, dtype=np.float64)[None, :] + gain * at)


def research_drift(own_rate: float, staff: float, staff_reference: float, concavity: float) -> float:
    """Private knowledge a lab adds, OOM per year: own_rate (staff / staff_reference)^concavity.

    ``concavity`` in (0, 1): researchers step on each other's toes (Jones 1995). No staff, no drift.
    """
    return float(own_rate * np.power(staff / staff_reference, concavity))


def _elapsed(rate: FloatArray, time: FloatArray) -> FloatArray:
    """Integral of e^(-rate u) du from 0 to ``time``: how far a unit initial speed carries (``time`` at rate 0)."""
    safe = np.where(rate > 0, rate, 1.0)
    return np.where(rate > 0, -np.expm1(-safe * np.where(rate > 0, time, 0.0)) / safe, time)


def _time_to_reach(distance: FloatArray, speed: FloatArray, rate: FloatArray) -> FloatArray:
    """Years until A + speed (1 - e^(-rate t)) / rate has covered ``distance`` (same sign as speed); inf if never."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        straight = distance / speed
        curved = -np.log1p(np.maximum(-rate * straight, -1.0)) / rate
    time = np.where(rate > 0, curved, straight)
    return np.where(np.isfinite(distance) & (speed != 0), time, np.inf)


def knowledge_step(
    knowledge: ArrayLike,
    own_drift: ArrayLike,
    public_stock: ArrayLike,
    best_leaked: ArrayLike,
    k_public: ArrayLike,
    k_leak: ArrayLike,
    dt: float,
) -> FloatArray:
    """Private knowledge A (OOM) after ``dt`` years, one value per lab: the exact solution of

        dA/dt = own + k_public max(0, K - A) + k_leak max(0, A_best - A)

    with the public stock K and the best leaked knowledge A_best (OOM) constant within the step; own drift in OOM per
    year, k's per year. The right side is linear between K and A_best, so the path is followed from kink to kink: A
    moves one way only and meets each kink at most once, hence three pieces. All arguments broadcast. Copying alone
    (own = 0) approaches max(K, A_best) and never passes it. Raises ValueError for negative dt or k.
    """
    if dt < 0 or np.any(np.asarray(k_public) < 0) or np.any(np.asarray(k_leak) < 0):
        raise ValueError("dt, k_public and k_leak must not be negative")
    level, own, public, leaked, kp, kl = (
        np.asarray(x, dtype=np.float64) for x in (knowledge, own_drift, public_stock, best_leaked, k_public, k_leak)
    )
    left = np.asarray(float(dt))
    for _piece in range(3):
        speed = own + kp * np.maximum(0.0, public - level) + kl * np.maximum(0.0, leaked - level)
        rate = kp * _below(level, public, speed) + kl * _below(level, leaked, speed)
        kink = _next_kink(level, public, leaked, speed)
        reach = _time_to_reach(kink - level, speed, rate)
        moved = level + speed * _elapsed(rate, np.minimum(left, reach))
        level = np.where(reach <= left, kink, moved)
        left = np.maximum(0.0, left - reach)
        if not left.any():
            break
    return np.asarray(level)


def _below(level: FloatArray, source: FloatArray, speed: FloatArray) -> NDArray[np.bool_]:
    """Whether copying from ``source`` is switched on in the piece ahead (at the kink itself the direction decides)."""
    return np.asarray((level < source) | ((level == source) & (speed < 0)))


def _next_kink(level: FloatArray, public: FloatArray, leaked: FloatArray, speed: FloatArray) -> FloatArray:
    """The nearest of K and A_best strictly ahead in the direction of motion; infinite if none is."""
    ahead = [
        np.where(np.sign(source - level) * speed > 0, np.abs(source - level), np.inf) for source in (public, leaked)
    ]
    nearest_public = ahead[0] <= ahead[1]
    distance = np.where(nearest_public, ahead[0], ahead[1])
    return np.where(np.isinf(distance), np.inf, np.where(nearest_public, public, leaked))


def capability_gap(gap0: float, drift: float, catch_up: float, steps: int) -> FloatArray:
    """Path of the gap G between leader and follower, shape (steps + 1,), first element ``gap0``.

    Each step is the exact solution over one period of dG/dt = v - k G: G <- v/k + (G - v/k) e^(-k), with ``drift`` v
    (OOM per period, the leader's lead in speed) and ``catch_up`` k (per period); k = 0 gives G + v. The fixed point is
    v/k. Raises ValueError for negative catch_up or steps.
    """
    if catch_up < 0 or steps < 0:
        raise ValueError("catch_up and steps must not be negative")
    time = np.arange(steps + 1, dtype=np.float64)
    return gap0 * np.exp(-catch_up * time) + drift * _elapsed(np.full(time.shape, float(catch_up)), time)


def gap_months(quarter_times_closed: ArrayLike, closed_frontier_q: ArrayLike, now: float, open_q: float) -> float:
    """Look-back lag in months: time since the first closed release that was as good as the best open model is now.

    ``quarter_times_closed`` (years) and ``closed_frontier_q`` (OOM) list the closed releases in any order, one element
    each; releases after ``now`` are ignored. NaN when no closed model has ever reached ``open_q``.
    """
    times = np.asarray(quarter_times_closed, dtype=np.float64)
    reached = times[(np.asarray(closed_frontier_q, dtype=np.float64) >= open_q) & (times <= now)]
    return 12.0 * (now - float(reached.min())) if reached.size else float("nan")
