"""Measures of change: what this quarter was compared with the last, and what has added up. Reads the market only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.downloads import Pulls
from sim.economics.demand import quality
from sim.markets.menu import API, HOSTED, Catalogue
from sim.markets.model_market import Usage
from sim.measures import leader_changes, noticeable_lag, price_volatility, transitions
from sim.parameters import COMMUNITY, MODES, WORKLOADS
from sim.quarters import decimal_year
from sim.records import Words
from sim.records.flows import BUYERS, Backing, Columns, flows_of

if TYPE_CHECKING:
    from sim.market import Market

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NONE = "none"  # runs no model in production
CAMPS = ("closed", "open")
STAGES = 2  # in production or not: the last bit of a post
BULK = WORKLOADS.index("bulk")


class Trade(NamedTuple):
    """The quarter's models by row: price of closed ones by API and of open ones at a host (NaN where not sold), Mtok
    sold there; `id` are their ids, `row_of` gives the row of an id, -1 when gone."""

    id: Ints
    row_of: NDArray[np.int32]
    closed_price: Floats
    hosted_price: Floats
    closed_volume: Floats
    hosted_volume: Floats

    @classmethod
    def of(cls, usage: Usage, catalogue: Catalogue) -> Trade:
        """What was on sale and what was sold."""
        c, ids = catalogue, model_ids(catalogue)
        cell = usage.model * len(MODES) + usage.mode
        sold = np.asarray(np.bincount(cell, usage.tokens, ids.size * len(MODES)), np.float64).reshape(-1, len(MODES))
        posted = c.unit_cost[BULK]
        closed = np.where(c.is_open, np.nan, posted[:, API])
        return cls(ids, c.row_of, closed, posted[:, HOSTED], sold[:, API], sold[:, HOSTED])


@dataclass(frozen=True)
class Posts:
    """What runs in each workload slot, as one number: (model id x modes + mode) x 2, + 1 in production; 0 for nothing
    (ids are counted from 1 here). `party` says for each such number whose model, open or closed, is in production: lab
    position x 2, + 1 if open; `none` for a pilot and for nothing."""

    of_slot: NDArray[np.int32]
    party: NDArray[np.int32]
    none: int

    @classmethod
    def of(cls, usage: Usage, catalogue: Catalogue, slots: int, none: int) -> tuple[Posts, NDArray[np.int32]]:
        """The posts of a quarter by slot, and by entry of the usage; `none` is twice the number of labs."""
        number = model_ids(catalogue) + 1
        party = np.full((catalogue.row_of.size + 1, len(MODES), STAGES), none, np.int32)
        party[number, :, -1] = (catalogue.lab * 2 + catalogue.is_open)[:, None]
        first = (number * len(MODES) * STAGES).astype(np.int32)
        within = usage.mode * np.int8(STAGES) + usage.production
        at_entry = first.take(usage.model) + within
        of_slot = np.zeros(slots, np.int32)
        of_slot[usage.row] = at_entry
        return cls(of_slot, party.ravel(), none), at_entry


class News(NamedTuple):
    """What the chronicle says of a quarter: pulls, columns of the market, of each lab by position, whole tables."""

    pulls: Pulls
    market: dict[str, Any]
    labs: dict[str, list[float]]
    tables: dict[str, Columns]


@dataclass
class Chronicle:
    """What the measures of change remember: last quarter's posts and trade, and what has added up so far.

    `parties` are the names of the parties of `Posts`,
    `accounts` those of the journal's accounts, the enterprises last.
    """

    posts: Posts
    trade: Trade
    leaders: list[str | None]
    backing: Backing
    parties: tuple[str, ...]
    accounts: tuple[str, ...]

    @classmethod
    def of(cls, market: Market) -> Chronicle:
        """The day before the first quarter."""
        usage, c = market.usage, market.catalogue
        names = [lab.id for lab in market.roster] + [COMMUNITY]
        known = market.journal.account
        backers = [i.account for i in market.investor.values() if i.parameters.kind == "corporate"]
        return cls(
            posts=Posts.of(usage, c, market.population.workloads.count, 2 * len(names))[0],
            trade=Trade.of(usage, c),
            leaders=[],
            backing=Backing.of(len(known) + 1, backers, [lab.account for lab in market.roster]),
            parties=(*(name for name in names for _ in CAMPS), NONE),
            accounts=(*sorted(known, key=lambda name: known[name]), BUYERS),
        )

    def write(self, market: Market) -> News:
        """The quarter against the last, which it replaces in memory."""
        usage, c, w = market.usage, market.catalogue, market.population.workloads
        posts, now = Posts.of(usage, c, w.count, self.posts.none)
        before, trade = self.posts.of_slot.take(usage.row), Trade.of(usage, c)
        flows = flows_of(market.journal.movements(), len(self.accounts))
        circular, share = self.backing.come_round(flows, tied_purchases(market))
        columns = volatility(self.trade, trade) | lags(market)
        columns |= {"circular_money_usd": circular, "circular_share": share}
        made = {"downloads": market.commons.downloads, "derivatives": market.commons.derivatives}
        columns |= {name: float(np.cumsum(by_lab)[-1]) for name, by_lab in made.items()}
        switches = switches_of((self.posts, posts), (before, now), usage, w.weight)
        label = Words(np.array([market.quarter - market.first_quarter]), market.records.quarters)
        tables = {"switches": switches.table(label, self.parties), "flows": flows.table(label, self.accounts)}
        self.posts, self.trade = posts, trade
        return News(market.pulls, columns, {name: by_lab.tolist() for name, by_lab in made.items()}, tables)

    def lead(self, leader: str) -> dict[str, Any]:
        """Who sells most by API ('' for nobody), whether it is another than before, how often that has been so."""
        before = leader_changes(self.leaders)
        first = leader == "" or not any(self.leaders)
        self.leaders.append(leader or None)
        changes = leader_changes(self.leaders)
        changed = float("nan") if first else float(changes - before)
        return {"leader": leader, "leader_changed": changed, "leader_changes": changes}


def tied_purchases(market: Market) -> list[tuple[int, int, float]]:
    """Accounts of the seller and of the lab, USD of compute that the lab bought of it this quarter as its holder."""
    return [
        (investor.account, market.lab[name].account, usd)
        for investor in market.investor.values()
        for name, usd in investor.tied.items()
    ]


def model_ids(catalogue: Catalogue) -> Ints:
    """Ids of the models of the catalogue."""
    return np.array([m.id for m in catalogue.models], np.int64)


def lags(market: Market) -> dict[str, float]:
    """Lag of the best open model in each type of work, months; nan while one camp serves none."""
    c, p = market.catalogue, market.parameters
    lag = np.full(len(WORKLOADS), np.nan)
    if c.is_open.any() and not c.is_open.all():
        releases = np.array(market.frontier.closed).reshape(-1, 2)
        tau = np.array([p.workloads[name].tau for name in WORKLOADS])
        today = quality(releases[:, 1, None], market.theta, tau)
        best = c.quality[:, c.is_open].max(axis=1)
        lag = noticeable_lag(releases[:, 0], today, decimal_year(market.quarter + 1), best)
    return {f"lag_months_{name}": months for name, months in zip(WORKLOADS, lag.tolist(), strict=True)}


def volatility(before: Trade, after: Trade) -> dict[str, float]:
    """Price volatility of closed models by API and of open ones at hosts, weighted by the volume of both quarters."""
    new = after.row_of[before.id]
    old, new = np.flatnonzero(new >= 0), new[new >= 0]

    def of(price: tuple[Floats, Floats], volume: tuple[Floats, Floats]) -> float:
        return price_volatility(price[0][old], price[1][new], 0.5 * (volume[0][old] + volume[1][new]))

    return {
        "price_volatility_closed": of(
            (before.closed_price, after.closed_price), (before.closed_volume, after.closed_volume)
        ),
        "price_volatility_open": of(
            (before.hosted_price, after.hosted_price), (before.hosted_volume, after.hosted_volume)
        ),
    }


class Switches(NamedTuple):
    """Sums by (party before, party now), those with workloads: how many, those sold with their model, USD spent now."""

    before: Ints
    after: Ints
    workloads: Floats
    sold: Floats
    spend: Floats

    def table(self, quarter: Words, parties: Sequence[str]) -> Columns:
        """Columns of the table `switches`; `quarter` is one word, `parties` are the names by position."""
        camps = (*CAMPS * (len(parties) // len(CAMPS)), NONE)
        return {
            "quarter": Words(quarter.codes.repeat(self.before.size), quarter.words),
            "from": Words(self.before, parties),
            "from_openness": Words(self.before, camps),
            "to": Words(self.after, parties),
            "to_openness": Words(self.after, camps),
            "workloads": self.workloads,
            "sold": self.sold,
            "spend_usd": self.spend,
        }


def switches_of(
    posts: tuple[Posts, Posts], entries: tuple[NDArray[np.int32], NDArray[np.int32]], usage: Usage, weight: Floats
) -> Switches:
    """Where production workloads came from and went between two quarters.

    `posts` of last quarter and this one, `entries` the same for the entries of this quarter's usage; `weight` of every
    slot. A slot that runs nothing now, but did, has gone to none.
    """
    old, none = posts[0], posts[0].none
    was, party = old.party.take(entries[0]), posts[1].party.take(entries[1])
    workloads, spend = transitions(was, party, none + 1, (usage.weight, usage.spend))
    moved = np.flatnonzero((was != party) & (was != none) & (party != none))
    model_was, model_is = (entry.take(moved) // (STAGES * len(MODES)) for entry in entries)
    same = moved.compress(model_was == model_is)
    (sold,) = transitions(was.take(same), party.take(same), none + 1, (usage.weight.take(same),))
    left = np.flatnonzero((posts[1].of_slot == 0) & (old.of_slot != 0))
    workloads[:, none] += np.bincount(old.party[old.of_slot[left]], weight[left], none + 1)
    workloads[none, none] = 0.0  # pilots
    spend[:, none] = 0.0
    there = np.flatnonzero(workloads)
    return Switches(*np.divmod(there, none + 1), workloads.take(there), sold.take(there), spend.take(there))
