"""What builds up slowly around a lab: its brand and its seats in applications."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sim.agents.lab import Lab
from sim.economics.adoption import users_reached
from sim.parameters import Applications, Brand, Seats
from sim.quarters import DT


def stock_step(stock: float, gain: float, decay: float) -> float:
    """A stock after a quarter of d stock/dt = gain - decay x stock (exact); gain and decay per year."""
    if decay == 0.0:
        return stock + gain * DT
    level = gain / decay
    return level + (stock - level) * math.exp(-decay * DT)


def move_brands(labs: Sequence[Lab], brand: Brand) -> None:
    """Brand is built by quality near the best, a safety record and distribution, and fades."""
    capability = [lab.best_capability for lab in labs]
    best = max(capability, default=0.0)
    for lab, own in zip(labs, capability, strict=True):
        gain = brand.quality_gain * math.exp((own - best) / brand.quality_scale)
        gain += brand.safety_gain * lab.parameters.safety + brand.distribution_gain * lab.parameters.distribution
        lab.brand = stock_step(lab.brand, gain, brand.decay)


def fade_brands(labs: Sequence[Lab], brand: Brand) -> None:
    """The brand of a lab that has gone only fades; its open weights still carry it."""
    for lab in labs:
        lab.brand = stock_step(lab.brand, 0.0, brand.decay)


def build_applications(labs: Sequence[Lab], p: Applications, wage: float) -> None:
    """What labs spent on applications this quarter, at today's `wage` (1 on the first day), adds to what they own,
    which grows old."""
    for lab in labs:
        lab.take_given_presence()
        spent = lab.accounts.cost.get("applications", 0.0) / wage / DT  # USD a year
        lab.applications = stock_step(lab.applications, spent / p.reference, p.depreciation)


def move_seats(labs: Sequence[Lab], seats: Seats, branded: bool, offers: Sequence[float]) -> None:
    """Users follow presence, quality and brand, subscriptions follow users with a lag; what no lab held at the start is
    shared out too. `offers` is each lab's free use over the usual (0-1)."""
    capability = [lab.best_capability for lab in labs]
    best = max(capability, default=0.0)
    pull = [
        lab.presence * math.exp(seats.quality_weight * (own - best) + seats.brand_weight * lab.brand * branded)
        for lab, own in zip(labs, capability, strict=True)
    ]
    users = [x * users_reached(o, seats.free_users_per_payer) for x, o in zip(pull, offers, strict=True)]
    drawn, whole = sum(pull), sum(users)
    follow = -math.expm1(-seats.turnover * DT)
    for lab, attraction, offer, reached in zip(labs, pull, offers, users, strict=True):
        lab.free_use = offer * attraction / drawn if drawn > 0.0 else 0.0
        goal = reached / whole if whole > 0.0 else 0.0
        lab.seat_share += follow * (goal - lab.seat_share)
