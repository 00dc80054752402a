"""A stand-in for the market: quick, plausible tables by random walk, so that what reads runs is tested on its own."""

from __future__ import annotations

import os
import signal

import numpy as np

from sim import measures
from sim.parameters import COMMUNITY, MODES, SEGMENTS, WORKLOADS
from sim.quarters import quarter_label, quarter_number
from sim.records import COLUMNS, LENSES, POPULATIONS, Event, Records, share_keys

SIZE = {"openai": 2.5, "anthropic": 1.6, "google": 1.5, "meta": 0.8, "deepseek": 0.6, "alibaba": 0.5, "mistral": 0.3}


class FakeMarket:
    """Looks like sim.market.Market to whoever runs it."""

    def __init__(self, scenario, seed=1, enterprises=None, until=None):
        parameters = scenario.parameters
        first = quarter_number(parameters.run.first_quarter)
        last = quarter_number(until or parameters.run.until)
        self.quarters = [quarter_label(number) for number in range(first, last + 1)]
        self.labs = dict(sorted(parameters.labs.items()))
        self.keys = share_keys(parameters)
        self.records = Records(self.quarters, self.keys)
        self.rng = np.random.default_rng(seed)
        self.appeal = np.array([SIZE.get(lab, -0.7) for lab in [*self.labs, COMMUNITY]])
        self.open = np.array([lab.creed == "open" for lab in self.labs.values()] + [True])
        self.t = 0
        self.seed = seed

    def step(self):
        quarter = self.quarters[self.t]
        self.appeal = self.appeal + self.rng.normal(0, 0.15, len(self.appeal))
        shares = np.exp(self.appeal) / np.exp(self.appeal).sum()
        self._shares(shares)
        self._market(quarter, shares)
        for i, (lab_id, lab) in enumerate(self.labs.items()):
            self._lab(quarter, lab_id, lab, shares[i])
        self._funding(quarter)
        if self.t % 3 == 0:
            self.records.event(Event(quarter, "release", "openai", "model-x", 0.0, "capability 0.4 OOM above the last"))
        self.t += 1

    def _shares(self, shares):
        owners = [lab.parent or lab_id for lab_id, lab in self.labs.items()] + [COMMUNITY]
        regions = [lab.region for lab in self.labs.values()] + ["other"]
        block = np.zeros((len(POPULATIONS), len(LENSES), len(self.keys)))
        for ell in range(len(LENSES)):
            weight = shares * np.where(self.open, 1 + 0.5 * ell, 1)
            weight = weight / weight.sum()
            for i, lab in enumerate([*self.labs, COMMUNITY]):
                kind = "open" if self.open[i] else "closed"
                for by, key in (
                    ("lab", lab),
                    ("owner", owners[i]),
                    ("openness", kind),
                    ("region", regions[i]),
                    ("region_and_openness", f"{regions[i]}_{kind}"),
                ):
                    block[:, ell, self.keys.position(by, key)] += weight[i]
            for by, keys in (
                ("tier", ("flagship", "small")),
                ("segment", SEGMENTS),
                ("workload", WORKLOADS),
                ("mode", MODES),
            ):
                block[:, ell, self.keys.index(by)] = 1 / len(keys)
        self.records.share_block(block)

    def _market(self, quarter, shares):
        t = self.t
        row = {c.name: "openai" if c.kind == "text" else 1 for c in COLUMNS["market"]}
        gap = 0.7 * np.exp(-0.03 * t) + self.rng.normal(0, 0.05)
        owner = self.records._shares[t, 0, 0, self.keys.index("owner")]
        cost = 4.2e7 * 2.2 ** (t / 4)
        row |= {
            "quarter": quarter,
            "hhi": measures.hhi(owner),
            "cr1": measures.concentration_ratio(owner, 1),
            "cr3": measures.concentration_ratio(owner, 3),
            "cr4": measures.concentration_ratio(owner, 4),
            "effective_labs": measures.effective_number(owner),
            "open_share": shares[self.open].sum(),
            "gap_oom": gap,
            "gap_elo": 180 * gap,
            "gap_months": np.nan if t == 0 else 12 * gap,
            "record_training_cost_usd": cost,
            "record_training_cost_2023usd": cost / 1.02 ** (t / 4),
            "trend_training_cost_usd": 4.2e7 * 2.4 ** (t / 4),
            "trend_training_cost_2023usd": 4.2e7 * 2.4 ** (t / 4) / 1.02 ** (t / 4),
            "api_spend_usd": 2e8 * 1.1**t,
            "active_labs": 20,
            "price_of_2023q1_frontier_quality": 30 * 12 ** (-t / 4) + 1e-3,
            "closed_flagship_price_usd_per_mtok": 30 * 1.3 ** (-t / 4),
            "cheapest_hosted_price_usd_per_mtok": 2 * 1.5 ** (-t / 4),
        }
        self.records.market_row(row)

    def _lab(self, quarter, lab_id, lab, share):
        row = {c.name: "x" if c.kind == "text" else 1 for c in COLUMNS["labs"]}
        entered = quarter >= lab.entry
        gone = lab_id == "stability" and self.t > 6
        if quarter == lab.entry:
            self.records.event(Event(quarter, "entry", lab_id))
        if lab_id == "stability" and self.t == 7:
            self.records.event(Event(quarter, "winddown", lab_id, cause="runway 0.4 quarters"))
        for round_ in lab.rounds:
            if round_.quarter == quarter:
                self.records.event(Event(quarter, "round", lab_id, "several", round_.amount))
        row |= {
            "quarter": quarter,
            "lab": lab_id,
            "name": lab.name,
            "region": lab.region,
            "owner": lab.parent or lab_id,
            "ownership": lab.ownership,
            "status": "exited" if gone else "active" if entered else "not_entered",
            "runway_quarters": np.inf if lab.parent else 8 + 6 * np.sin(self.t / 3 + len(lab_id)),
            "revenue_usd": 2e8 * share,
            "loss_over_revenue": None,
        }
        self.records.lab_row(row)

    def _funding(self, quarter):
        row = {c.name: 1e9 for c in COLUMNS["funding"]}
        self.records.funding_row(row | {"quarter": quarter, "open_share_of_private_funding": 0.3})


class FailingMarket(FakeMarket):
    """Fails on even seeds in its third quarter."""

    def step(self):
        if self.t == 2 and self.seed % 2 == 0:
            raise FloatingPointError("2023Q3, lab openai: price is NaN")
        super().step()


class DyingMarket(FakeMarket):
    """Takes its whole process down on seed 3."""

    def step(self):
        if self.t == 2 and self.seed == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        super().step()


class TalkingMarket(FakeMarket):
    """Prints while it runs."""

    def step(self):
        print("hello from a worker", flush=True)
        super().step()
