"""The market for researchers: people leave labs that pay less and carry part of what they know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.economics.talent import carried_knowledge, leaving, war_intensity
from sim.quarters import DT

if TYPE_CHECKING:
    from sim.agents.lab import Lab
    from sim.market import Market


def move_staff(market: Market, labs: Sequence[Lab]) -> None:
    """A quarter's moves between labs at work: who gains people learns, who loses them has posts to fill.

    Heads follow what spending would pay at the going wage with the time it takes to hire. Pay per head, over that wage,
    is the rest of spending: who grows fast pays more until it has hired, who cuts pays less.
    """
    c, t = market.parameters.costs, market.parameters.technology
    labs = [lab for lab in labs if lab.staff_spending > 0.0]
    if not labs:
        return
    wage, at_once = market.trends.wage, c.hiring_years == 0.0
    spending = np.array([lab.staff_spending for lab in labs])
    paid_for = (spending / wage).tolist()  # heads at the going wage
    for lab, heads in zip(labs, paid_for, strict=True):
        lab.heads = heads if at_once or lab.heads == 0.0 else lab.heads
    pay = spending / (wage * np.array([lab.heads for lab in labs]))
    mobility = t.staff_mobility * war_intensity(c.wage_growth, c.usual_wage_growth)
    vacant = np.minimum(1.0, c.vacancy_years * leaving(pay, spending, mobility))
    known = np.array([lab.knowledge for lab in labs])
    gained = carried_knowledge(known, pay, mobility, market.parameters.control.staff_knowledge, DT)
    hired = 1.0 if at_once else -math.expm1(-DT / c.hiring_years)
    for lab, heads, empty, more in zip(labs, paid_for, vacant.tolist(), gained.tolist(), strict=True):
        lab.vacant, lab.knowledge = empty, lab.knowledge + more
        lab.heads += hired * (heads - lab.heads)
