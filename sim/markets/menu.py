"""What is on offer this quarter, as columns: the models served, and each model in each mode it can be bought in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.agents.lab import ReleasedModel
from sim.economics.costs import hosted_cost, private_deployment_cost
from sim.economics.demand import quality
from sim.economics.technology import capability_at_work
from sim.parameters import MODES, WORKLOADS, Parameters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

API, PRIVATE, HOSTED, SELF, EDGE = range(len(MODES))
PILOT = WORKLOADS.index("pilot")


def self_run(mode: NDArray[np.integer]) -> Flags:
    """Whether the buyer runs the weights itself: on own servers or at the edge."""
    return np.asarray((mode == SELF) | (mode == EDGE))


@dataclass(frozen=True)
class Catalogue:
    """Every model that somebody serves or runs this quarter, one row each, in order of release.

    `unit_cost` is USD per Mtok to the buyer, shape (types, models, modes), without the fixed cost of running it
    oneself; nan where the mode is not sold. `quality` is y by type and model.
    """

    models: tuple[ReleasedModel, ...]
    lab: Ints
    region: Ints
    tier: Ints  # 0 flagship, 1 small
    is_open: Flags
    threshold: Flags
    capability: Floats
    serving: Floats
    price: Floats
    quality: Floats
    unit_cost: Floats
    row_of: NDArray[np.int32]  # model id -> row, -1 when gone
    successor: Ints  # row of the newest model of the same lab, tier and openness: itself when it is the newest

    def cost_of(self, kind: NDArray[np.integer] | int, model: NDArray[np.integer], mode: NDArray[np.integer]) -> Floats:
        """`unit_cost` of each of many uses, given by type, row of the model and mode."""
        _, models, modes = self.unit_cost.shape
        cell = (kind * np.int64(models) + model) * modes + mode  # of the flattened array: quicker than three axes
        return np.asarray(self.unit_cost.take(cell))


@dataclass(frozen=True)
class Menu:
    """What a buyer may choose: row `model` of the catalogue in `mode`; closed weights first, then open ones."""

    catalogue: Catalogue
    model: Ints
    mode: Ints
    lab: Ints
    labs: Ints  # those on the menu, each once, in order
    closed: int  # how many of the offers are closed

    @property
    def size(self) -> int:
        """Number of offers."""
        return int(self.model.size)


def catalogue_of(
    models: Sequence[ReleasedModel],
    homes: Sequence[int],
    capability: Floats,
    theta: Floats,
    parameters: Parameters,
    released: int,
) -> Catalogue:
    """Columns of the models served of those `released` so far.

    `theta` is what each type of work needs this quarter, `homes` the region of each lab by position.
    """
    lab = np.array([m.position for m in models], np.int64)
    price = np.array([m.price for m in models])
    abroad = np.array([m.compute_cost for m in models])  # hosts and buyers pay for compute what others pay
    serving = np.array([m.serving for m in models])
    api = np.array([m.api for m in models])
    private = np.array([m.private for m in models])
    is_open = np.array([m.is_open for m in models])
    small = np.array([m.tier == "small" for m in models])
    tau = np.array([parameters.workloads[name].tau for name in WORKLOADS])
    row_of = np.full(released + 1, -1, np.int32)  # the last entry serves "no model", -1
    row_of[[m.id for m in models]] = np.arange(len(models))
    lines = [(m.lab, m.tier, m.is_open) for m in models]
    newest = {line: row for row, line in enumerate(lines)}
    return Catalogue(
        models=tuple(models),
        lab=lab,
        region=np.array(homes, np.int64)[lab],
        tier=small.astype(np.int64),
        is_open=is_open,
        threshold=np.array([m.licence == "open_threshold" for m in models]),
        capability=capability,
        serving=serving,
        price=price,
        quality=quality(_at_work(models, capability, parameters), theta[:, None], tau[:, None]),
        unit_cost=_unit_cost(price, serving / abroad, small, (api, private, is_open), parameters),
        row_of=row_of,
        successor=np.array([newest[line] for line in lines], np.int64),
    )


def _at_work(models: Sequence[ReleasedModel], capability: Floats, parameters: Parameters) -> Floats:
    """Capability (OOM) by type of work and model."""
    gain = parameters.technology.speciality_gain * parameters.switches.specialities
    made_for = [-1 if m.speciality is None else WORKLOADS.index(m.speciality) for m in models]
    return capability_at_work(capability, made_for, len(WORKLOADS), gain)


def _unit_cost(
    price: Floats, serving: Floats, small: Flags, sold: tuple[Flags, Flags, Flags], parameters: Parameters
) -> Floats:
    """USD per Mtok by type, model and mode; nan where a mode is not sold. `sold`: by API, privately, as weights."""
    api, private, weights = sold
    h, s = parameters.hosting, parameters.switches
    cost = np.full((len(WORKLOADS), price.size, len(MODES)), np.nan)
    cost[:, :, API] = np.where(api, price, np.nan)
    if s.free_tier:
        cost[PILOT, :, API] *= np.where(small, 1.0 - parameters.pricing.free_tier_share, 1.0)
    if s.private_deployment:
        cost[:, :, PRIVATE] = np.where(private, private_deployment_cost(price, price * h.private_fee), np.nan)
    if s.hosting_fringe:
        cost[:, :, HOSTED] = np.where(weights, hosted_cost(serving, h.host_margin), np.nan)
    if s.self_hosting:
        cost[:, :, SELF] = np.where(weights, serving / h.utilisation, np.nan)
        cost[:, :, EDGE] = np.where(weights & small, 0.0, np.nan)
    return cost


def menu_of(catalogue: Catalogue) -> Menu:
    """All models that nothing newer of their lab supersedes, in every mode that is sold."""
    sold = ~np.isnan(catalogue.unit_cost[0])
    newest = np.array([not m.superseded for m in catalogue.models], bool)
    model, mode = np.nonzero(sold & newest[:, None])
    order = np.lexsort((mode, model, catalogue.lab[model], catalogue.is_open[model]))
    model, mode = model[order], mode[order]
    lab = catalogue.lab[model]
    return Menu(catalogue, model, mode, lab, np.flatnonzero(np.bincount(lab)), int((~catalogue.is_open[model]).sum()))
