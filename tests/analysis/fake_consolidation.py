"""Stand-in tables of money and control on top of a stand-in run: rounds, cap tables, exits, entrants, causes of HHI.

Plausible and consistent where a test recomputes them: stakes sum to 1, value = stake x post-money, a lab's mark drifts
away from it by an own rate, a round's amount is the sum of its investments, the four causes sum to the change of HHI.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from sim.runs.results import Run

BACKERS = (
    *("a16z", "sequoia", "thrive", "founders_fund", "lightspeed", "microsoft", "nvidia", "amazon", "softbank"),
    *("gulf_sovereign", "french_state", "other_venture", "general_catalyst"),
)
GIANTS = ("microsoft", "google", "amazon", "nvidia")
FATES = ("winddown", "acquihire", "merger")


class WiderRun(Run):
    """A run with tables that this version of `Run` may not know yet."""

    def table(self, name):
        return self._tables[name]


class History:
    """The money and control of one seed, written quarter by quarter."""

    def __init__(self, seed, labs, quarters):
        self.rng = np.random.default_rng([seed, 7])
        self.seed, self.quarters, self.labs = seed, quarters, labs
        self.rows = {"events": [], "investments": [], "stakes": []}
        self.stakes = {}
        self.post = {}
        self.drift = {}

    def event(self, quarter, kind, lab, counterparty="", amount=0.0, cause="", **numbers):
        row = {"replication": self.seed, "quarter": quarter, "kind": kind, "lab": lab, "counterparty": counterparty}
        self.rows["events"].append(row | {"amount_usd": amount, "cause": cause, "numbers": json.dumps(numbers)})

    def note_stakes(self, quarter, lab):
        for holder, stake in self.stakes[lab].items():
            self.rows["stakes"].append(
                {
                    "replication": self.seed,
                    "quarter": quarter,
                    "lab": lab,
                    "holder": holder,
                    "stake": stake,
                    "value_usd": stake * self.post[lab],
                }
            )

    def found(self, quarter, lab):
        self.stakes[lab] = {"founders": 0.8, "staff": 0.2}
        self.post[lab] = 5e7
        self.drift[lab] = float(self.rng.uniform(0.8, 1.25))  # a quarter
        self.note_stakes(quarter, lab)

    def round(self, quarter, lab, creed, age):
        amount = 4e7 * np.exp(0.14 * age + self.rng.normal(0, 0.8))
        pre = 4 * amount
        chosen = self.rng.choice(BACKERS, 3, replace=False)
        self.stakes[lab] = {holder: stake * 0.8 for holder, stake in self.stakes[lab].items()}
        for backer, part in zip(sorted(chosen), (0.5, 0.3, 0.2), strict=True):
            self.stakes[lab][backer] = self.stakes[lab].get(backer, 0.0) + 0.2 * part
            credit = 0.4 * part * amount if backer in GIANTS else 0.0
            row = {"replication": self.seed, "quarter": quarter, "investor": backer, "lab": lab, "creed": creed}
            self.rows["investments"].append(row | {"amount_usd": part * amount, "credit_usd": credit})
        self.post[lab] = pre + amount
        self.note_stakes(quarter, lab)
        numbers = {"pre_money_usd": pre, "ask_usd": 1.2 * amount, "bids_usd": 1.1 * amount, "runway_quarters": 1.7}
        self.event(quarter, "round", lab, str(sorted(chosen)[0]), amount, "runway is short and bids clear", **numbers)


def _mark(history, labs):
    """The marks of one seed's labs: post-money when the cap table changes, drifting from then on."""
    changed = {(row["lab"], row["quarter"]): 0.0 for row in history.rows["stakes"]}
    for row in history.rows["stakes"]:
        changed[row["lab"], row["quarter"]] += row["value_usd"]
    labs["valuation_usd"] = np.nan
    for lab in history.stakes:
        mark = np.nan
        for quarter in history.quarters:
            mark = changed.get((lab, quarter), mark * history.drift[lab])
            labs.loc[(labs["lab"] == lab) & (labs["quarter"] == quarter), "valuation_usd"] = mark
    return labs


def with_control(result, exits=True):
    """The run with investments, stakes, numbers of events, exits, entrants and the split of HHI."""
    labs = _labs(result)
    histories = []
    for seed in result.seeds:
        mine = labs[labs["replication"] == seed]
        history = History(seed, mine, list(result.quarters))
        labs.loc[mine.index] = _mark(history, _live(history, mine.copy(), exits))
        histories.append(history)
    tables = {name: result.table(name) for name in ("funding",)} | {"labs": labs, "market": _market(result)}
    for name in ("events", "investments", "stakes"):
        tables[name] = pd.DataFrame([row for history in histories for row in history.rows[name]])
    tables["events"] = tables["events"].sort_values(["replication", "quarter"], kind="stable", ignore_index=True)
    return WiderRun(result.scenario, result.seeds, tables, result.cube, result.info)


def _labs(result):
    """The labs table with different numbers of entrants in each seed."""
    labs = result.table("labs")
    parts = [labs]
    for seed in result.seeds:
        model = labs[(labs["replication"] == seed) & (labs["lab"] == "cohere")]
        for number in range(1, 5 + seed % 3):
            entrant = f"entrant_{number:02d}"
            parts.append(model.assign(lab=entrant, name=f"Entrant {number}", owner=entrant, status="not_entered"))
    return pd.concat(parts, ignore_index=True)


def _live(history, labs, exits):
    """Fill the lives of one seed's labs: status, strategy, runway, money."""
    rng, quarters = history.rng, history.quarters
    first = labs["lab"].drop_duplicates()
    for lab in first:
        rows = labs["lab"] == lab
        status = labs.loc[rows, "status"].to_numpy().copy()
        independent = (labs.loc[rows, "ownership"] == "independent").iloc[0]
        entry = int(np.argmax(status == "active")) if (status == "active").any() else len(quarters)
        if lab.startswith("entrant"):
            entry = 2 + int(rng.integers(0, len(quarters)))
            status[entry:] = "active"
        if entry >= len(quarters):
            continue
        end = len(quarters)
        gone = labs.loc[rows, "status"].to_numpy() == "exited"
        if gone.any():
            end = int(gone.argmax())
            status[end:] = "active"
        if exits and independent and lab not in ("openai", "anthropic", "stability") and rng.random() < 0.45:
            end = int(rng.integers(entry + 1, len(quarters) + 6))
        if end < len(quarters) and exits:
            status[end:] = "exited"
        labs.loc[rows, "status"] = status
        racing = lab in ("openai", "google", "anthropic", "xai")
        strategy = np.array(["frontier" if racing else "follower"] * len(status), dtype=object)
        pivot = entry + int(rng.integers(3, 30))
        strategy[pivot:] = rng.choice(["specialist", "services"])
        labs.loc[rows, "strategy"] = strategy
        _tell(history, lab, entry, min(end, len(quarters)), pivot, independent, status)
        time = np.arange(len(status))
        runway = np.where(independent, np.clip(8 + 6 * np.sin(time / 3 + len(lab)) - 0.1 * time, 0.2, 40), np.inf)
        labs.loc[rows, "runway_quarters"] = np.where(status == "active", runway, np.nan)
        labs.loc[rows, "cash_usd"] = 1e8 * np.clip(runway, 0, 20) * (status == "active")
        labs.loc[rows, "parent_transfer_usd"] = 0.0 if independent else 4e7
        labs.loc[rows, "cost_usd"] = 1.4e8 * (1 + 0.03 * time) * (status == "active")
    return labs


def _tell(history, lab, entry, end, pivot, independent, status):
    quarters, rng = history.quarters, history.rng
    if entry > 0:
        history.event(quarters[entry], "entry", lab, cause="the market grew and money was easy", growth_share=0.4)
    creed = "open" if len(lab) % 3 == 0 else "closed"
    if independent:
        history.found(quarters[entry], lab)
    for t in range(entry, min(end, len(quarters))):
        if (t - entry) % 3 == 1:
            history.event(quarters[t], "release", lab, "flagship", cause="a run is ready", capability_oom=0.2 * t)
        if independent and (t - entry) % 7 == 2:
            if rng.random() < 0.2:
                history.event(quarters[t], "failed_round", lab, cause="bids below the ask", ask_usd=3e8, bids_usd=2e7)
            else:
                history.round(quarters[t], lab, creed, t)
        if t == pivot:
            history.event(quarters[t], "pivot", lab, "services", cause="the race costs more", value_usd_per_year=2e7)
        if t == entry + 9 and len(lab) % 2:
            kind = rng.choice(["open", "close", "paywall", "restructuring", "blocked_merger"])
            history.event(quarters[t], str(kind), lab, cause="it pays more", gain_usd_per_year=3.1e7)
    if "exited" in status:
        fate = str(rng.choice(FATES)) if independent else "winddown"
        buyer = "" if fate == "winddown" else str(rng.choice(GIANTS[:3]))
        amount = 1.8e8 if buyer else 0.0
        history.event(
            quarters[end], fate, lab, buyer, amount, "runway is gone and nobody bids", runway_quarters=0.4,
            burn_usd_per_year=3.1e8, hhi_before=1840.0, hhi_change=12.5,
        )  # fmt: skip


def _market(result):
    """The market table with a split of the change of HHI: its parts sum to the change."""
    market = result.table("market").copy()
    change = market.groupby("replication")["hhi"].diff()
    for number, cause in enumerate(("mergers", "exits", "entry")):
        rng = np.random.default_rng(number)
        size = 30 * (rng.random(len(market)) < 0.15) * (-1 if cause == "entry" else 1)
        market[f"hhi_change_{cause}"] = np.where(change.isna(), np.nan, size)
    known = market[["hhi_change_mergers", "hhi_change_exits", "hhi_change_entry"]].sum(axis=1)
    market["hhi_change_reallocation"] = change - known
    return market
