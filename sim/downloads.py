"""Downloads: who pulls open weights in a quarter, and why. Derivatives grow out of it (`sim.commons`)."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.economics.community import trial_interest
from sim.markets.menu import HOSTED, PILOT, SELF, Catalogue, self_run
from sim.markets.model_market import Usage
from sim.parameters import MODES, WORKLOADS, CommunityParameters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Pulls(NamedTuple):
    """The quarter's pulls of open weights, for all firms that the simulated ones stand for.

    By stratum (segment and region) of who pulls: of each model of the catalogue (strata, models), and for each type of
    work and mode (strata, types, modes).
    """

    by_model: Floats
    by_use: Floats


def pulls_of(
    usage: Usage, catalogue: Catalogue, moved: Flags, strata: tuple[Ints, int], quarter: int, p: CommunityParameters
) -> Pulls:
    """Pulls of a quarter.

    A workload pulls when it starts to run weights on own machines, and its host when it starts there: after a new
    choice, a move or an upgrade; `moved` says for each entry of the usage whether its model or mode is another than a
    quarter ago. Besides, every team that runs any model, most of all in a pilot, tries open weights, which counts as
    a run on own machines. `strata`: that of each enterprise and how many there are.
    """
    stratum, count = strata[0].take(usage.enterprise), strata[1]
    kinds, modes, models = len(WORKLOADS), len(MODES), catalogue.lab.size
    at = np.flatnonzero(moved & (usage.mode >= HOSTED))
    mode, place = usage.mode.take(at), stratum.take(at)
    amount = np.where(self_run(mode), p.start_pulls, p.hosted_pulls) * usage.weight.take(at)
    started = _sums(place * models + usage.model.take(at), amount, (count, models))
    by_use = _sums((place * kinds + usage.kind.take(at)) * modes + mode, amount, (count, kinds, modes))
    often = np.full(kinds, p.trial_pulls * p.production_trials)
    often[PILOT] = p.trial_pulls
    looking = often * _sums(stratum * kinds + usage.kind, usage.weight, (count, kinds))
    interest = _interest(catalogue, quarter, p.freshness)
    by_use[:, :, SELF] += looking * interest.sum(axis=1)
    return Pulls(started + looking @ interest, by_use)


def _interest(catalogue: Catalogue, quarter: int, half_life: float) -> Floats:
    """Chance (types, models) that a team which looks for open weights tries a model; 0 for closed ones."""
    interest = np.zeros(catalogue.quality.shape)
    opened = np.flatnonzero(catalogue.is_open)
    age = quarter - np.array([m.born for m in catalogue.models if m.is_open], np.float64)
    interest[:, opened] = trial_interest(catalogue.quality[:, opened], age, half_life)
    return interest


def _sums(cell: Ints, amount: Floats, shape: tuple[int, ...]) -> Floats:
    return np.asarray(np.bincount(cell, amount, prod(shape)), np.float64).reshape(shape)
