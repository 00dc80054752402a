"""Measures of change against the tables and the journal they sum up; they move nobody."""

from __future__ import annotations

import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sim.downloads import pulls_of
from sim.economics.community import derivative_stock
from sim.journal import PURPOSES, Journal
from sim.journal.books import LONG
from sim.market import Market
from sim.markets.menu import EDGE, HOSTED, PILOT, SELF
from sim.parameters import Parameters
from sim.quarters import DT
from sim.records import LENSES, POPULATIONS, Records
from sim.records.chronicle import Posts, switches_of
from sim.records.flows import flows_of
from sim.records.observation import COST_COLUMNS, REVENUE_COLUMNS
from sim.scenario import Scenario
from tests.market.worlds import altered, differences, off, put, run_of, steps

Tables = dict[str, pd.DataFrame]
BACKERS = ("alibaba", "amazon", "google", "microsoft", "nvidia", "softbank", "tencent")


@pytest.fixture(scope="module")
def run(baseline: Scenario) -> Records:
    """400 enterprises until 2028Q4, seed 3: exits, mergers and new labs are in it."""
    return run_of(baseline, 400, "2028Q4", 3)


@pytest.fixture(scope="module")
def tables(run: Records) -> Tables:
    """Its tables."""
    return run.tables()


# ---- downloads


def test_only_open_weights_are_downloaded(run: Records) -> None:
    """Kills: pulls of closed models, or trials that go to them."""
    downloads = run.shares[:, 0, LENSES.index("downloads")]
    assert (downloads[:, run.keys.position("openness", "open")] == 1.0).all()
    closed = [run.keys.position("region_and_openness", f"{region}_closed") for region in ("us", "eu", "china")]
    assert (downloads[:, closed] == 0.0).all()
    modes = dict(zip(run.keys.keys("mode"), downloads[:, run.keys.index("mode")].T, strict=True))
    assert modes["api"].max() == modes["private"].max() == 0.0 < modes["edge"].max()


def test_the_lens_and_the_columns_count_the_same_pulls(run: Records, tables: Tables) -> None:
    """Share of each lab x the market's downloads = the lab's. Kills: hosts or trials left out of one of them."""
    market, labs = tables["market"].set_index("quarter"), tables["labs"].pivot(index="quarter", columns="lab")
    shares = run.shares[:, 0, LENSES.index("downloads"), run.keys.index("lab")]
    for lab, share in zip(run.keys.keys("lab"), shares.T, strict=True):
        if lab in labs["downloads"]:
            np.testing.assert_allclose(
                labs["downloads"][lab].fillna(0.0), share * market.downloads, rtol=1e-9, atol=1e-6
            )
    assert (labs["downloads"].sum(axis=1) < market.downloads).all()  # the community's old weights have theirs


def test_derivatives_grow_with_the_labs_downloads(tables: Tables, baseline: Scenario) -> None:
    """Stepped from the downloads column. Kills: a stock without decay, of all labs for each, one quarter behind."""
    p = baseline.parameters.community
    meta = tables["labs"].query("lab == 'meta'")
    stock = 0.0
    for pulls, derivatives in zip(meta.downloads, meta.derivatives, strict=True):
        stock = float(derivative_stock(stock, pulls, p.derivatives_per_pull, p.derivative_life, DT))
        assert derivatives == pytest.approx(stock, rel=1e-12)
    by_quarter = tables["labs"].groupby("quarter").derivatives.sum()
    assert (by_quarter.to_numpy() <= tables["market"].derivatives.to_numpy()).all()


def pulls_with(market: Market, **numbers: float) -> np.ndarray:
    """Pulls (type, mode) of everybody in the present quarter of a market that has chosen, with only these numbers."""
    chronicle, usage, c = market.chronicle, market.usage, market.catalogue
    now = Posts.of(usage, c, market.population.workloads.count, chronicle.posts.none)[1]
    moved = (chronicle.posts.of_slot[usage.row] // 2) != now // 2
    none = dict.fromkeys(("start_pulls", "hosted_pulls", "trial_pulls"), 0.0)
    p = market.parameters.community.model_copy(update=none | numbers)
    stick = market.yardstick
    pulls = pulls_of(usage, c, moved, (stick.stratum, stick.counted.shape[1]), market.quarter, p)
    assert pulls.by_model.sum() == pytest.approx(pulls.by_use.sum(), rel=1e-12)
    assert (pulls.by_model[:, ~c.is_open] == 0.0).all()
    return pulls.by_use.sum(axis=0)


@pytest.fixture(scope="module")
def chosen(baseline: Scenario) -> tuple[Market, pd.DataFrame]:
    """A market in which buyers have just chosen, and each running workload's model and mode then and before."""
    market = steps(Market(baseline, 1, 400, "2025Q4"), 7)
    w = market.population.workloads
    before = pd.DataFrame({"model": w.model.copy(), "mode": w.mode.copy()})
    for verb in ("open_books", "apply_shocks_and_advance_trends", "labs_plan_and_train", "labs_release_and_retire"):
        getattr(market, verb)()
    for verb in ("labs_post_prices", "enterprises_adopt", "enterprises_choose"):
        getattr(market, verb)()
    now = pd.DataFrame({"model": w.model, "mode": w.mode, "weight": w.weight, "runs": w.running})
    return market, pd.concat([now, before.add_suffix("_before")], axis=1)


def test_every_start_on_own_machines_is_pulled(chosen: tuple[Market, pd.DataFrame]) -> None:
    """Another model or another mode, by hand from the columns. Kills: upgrades or moves of mode that pull nothing,
    weights that run on pulled anew every quarter, simulated instead of represented workloads."""
    market, w = chosen
    fresh = w[w.runs & ((w.model != w.model_before) | (w["mode"] != w.mode_before))]
    pulls = pulls_with(market, start_pulls=3.0)
    for mode in (SELF, EDGE):
        wanted = 3.0 * fresh.weight[fresh["mode"] == mode].sum()
        assert 0.0 < pulls[:, mode].sum() == pytest.approx(wanted, rel=1e-12)
    assert pulls.sum() == pytest.approx(pulls[:, [SELF, EDGE]].sum(), rel=1e-15)


def test_a_pilot_that_goes_live_as_it_is_pulls_nothing(baseline: Scenario) -> None:
    """The column `downloads` of pulls at starts alone, quarter by quarter by hand, graduates that keep model and mode
    among them. Kills: a change of stage counted as a start, the place of the quarter before last remembered."""
    edit = put("community", start_pulls=3.0, hosted_pulls=3.0, trial_pulls=0.0)
    market = Market(altered(baseline, edit), 1, 1000, "2025Q4")
    w, stayed, wanted = market.population.workloads, 0, []
    for _ in range(6):
        model, mode, stage = w.model.copy(), w.mode.copy(), w.stage.copy()
        market.step()
        pulled = w.running & np.isin(w.mode, (HOSTED, SELF, EDGE))
        same = (w.model == model) & (w.mode == mode)
        stayed += np.count_nonzero(pulled & same & (w.stage != stage))
        wanted.append(3.0 * w.weight[pulled & ~same].sum())
    assert market.records.tables()["market"].downloads.tolist() == pytest.approx(wanted, rel=1e-12)
    assert stayed > 0


def test_hosts_pull_for_who_starts_there(chosen: tuple[Market, pd.DataFrame]) -> None:
    """Kills: hosted starts counted as own machines, or by all that is hosted."""
    market, w = chosen
    fresh = w[w.runs & ((w.model != w.model_before) | (w["mode"] != w.mode_before)) & (w["mode"] == HOSTED)]
    pulls = pulls_with(market, hosted_pulls=0.5)
    assert 0.0 < pulls.sum() == pytest.approx(0.5 * fresh.weight.sum(), rel=1e-12)


def test_teams_try_what_is_good_for_their_work(chosen: tuple[Market, pd.DataFrame]) -> None:
    """A pilot's trials are its weight x the best open quality. Kills: production teams that try as often as pilots,
    trials of models nobody can use, trials booked in another mode."""
    market, _ = chosen
    usage, c = market.usage, market.catalogue
    pulls = pulls_with(market, trial_pulls=2.0, production_trials=0.0)
    best = c.quality[PILOT, c.is_open].max()
    assert pulls[PILOT, SELF] == pytest.approx(2.0 * best * usage.weight[~usage.production].sum(), rel=1e-12)
    assert pulls.sum() == pulls[PILOT, SELF] > 0.0
    more = pulls_with(market, trial_pulls=2.0, production_trials=0.25)
    assert (more[PILOT + 1 :, SELF] > 0.0).all()


def test_downloads_move_nobody_but_by_the_commons(baseline: Scenario) -> None:
    """Without a commons other numbers change downloads and derivatives and no other bit. Kills: a measure that draws
    luck, changes a column it reads, or feeds anything else."""
    edit = put("community", start_pulls=1.0, hosted_pulls=9.0, trial_pulls=7.0, freshness=9.0, derivative_life=9.0)
    ten_quarters, other = (run_of(altered(baseline, off("commons"), *more)) for more in ((), (edit,)))
    named = {f"{table}.{column}" for table in ("market", "labs") for column in ("downloads", "derivatives")}
    assert set(differences(ten_quarters, other)) == named | {"shares.share"}
    kept = [i for i, lens in enumerate(LENSES) if lens != "downloads"]
    assert np.array_equal(ten_quarters.shares[:, :, kept], other.shares[:, :, kept], equal_nan=True)


# ---- prices, lags, leader


def test_price_volatility_is_that_of_the_posted_prices(baseline: Scenario) -> None:
    """By hand from the catalogues of two quarters. Kills: open models among closed ones, today's weights only, the
    price of a mode that is not sold."""
    market = steps(Market(baseline, 1, 300, "2025Q4"), 6)
    old, sold = market.catalogue, tokens_by_model(market)
    market.step()
    now, after = market.catalogue, tokens_by_model(market)
    before = dict(zip((m.id for m in old.models), old.price.tolist(), strict=True))
    moved = weight = 0.0
    for model, price in zip(now.models, now.price.tolist(), strict=True):
        if model.id in before and not model.is_open and model.api:
            volume = 0.5 * (sold.get((model.id, "api"), 0.0) + after.get((model.id, "api"), 0.0))
            moved += volume * abs(math.log(price / before[model.id]))
            weight += volume
    row = market.records.tables()["market"].iloc[-1]
    assert row.price_volatility_closed == pytest.approx(moved / weight, rel=1e-12)
    assert row.price_volatility_open == pytest.approx(math.log(market.trends.serving_step), rel=1e-9)


def tokens_by_model(market: Market) -> dict[tuple[int, str], float]:
    """Mtok of the quarter by model id and mode."""
    found: dict[tuple[int, str], float] = defaultdict(float)
    u, names = market.usage, ("api", "private", "hosted", "self_hosted", "edge")
    for model, mode, tokens in zip(u.model.tolist(), u.mode.tolist(), u.tokens.tolist(), strict=True):
        found[market.catalogue.models[model].id, names[mode]] += tokens
    return found


def test_the_same_gap_lags_less_where_quality_is_saturated(tables: Tables) -> None:
    """No type lags longer than capability does; bulk work is soon good enough, complex work is not. Kills: lags that
    are the gap for every type, types in another order than their names."""
    market = tables["market"]
    lag = market[[column for column in market if column.startswith("lag_months_")]]
    assert (lag.le(market.gap_months + 1e-9, axis=0)).all().all()
    behind = market[market.quality_gap_complex_reasoning > 0.05]
    assert (behind.lag_months_complex_reasoning > 0.0).all() and len(behind) > 3
    assert (market.quality_gap_bulk[market.lag_months_bulk == 0.0] <= 0.02 + 1e-12).all()
    assert market.lag_months_bulk.mean() < 0.5 * market.lag_months_complex_reasoning.mean()


def test_changes_of_the_leader_follow_the_leaders(baseline: Scenario) -> None:
    """Over worlds in which the lead changes hands. Kills: changes counted by lab, the first leader as a change."""
    seen = 0
    for seed in (1, 2, 3):
        market = run_of(baseline, 200, "2030Q4", seed).tables()["market"]
        changed = (market.leader != market.leader.shift()).astype(float)
        assert market.leader_changed.iloc[1:].tolist() == changed.iloc[1:].tolist()
        assert math.isnan(market.leader_changed.iloc[0]) and market.leader_changes.iloc[0] == 0
        assert market.leader_changes.iloc[1:].tolist() == changed.iloc[1:].cumsum().tolist()
        seen += int(market.leader_changes.iloc[-1])
    assert seen > 0


# ---- switching


def test_rows_are_last_quarter_and_columns_this_one(run: Records, tables: Tables) -> None:
    """Deployments by developer and by openness. Kills: from and to swapped, pilots counted, workloads that ended or
    came left out, a slot counted twice."""
    total = tables["market"].deployments.to_numpy()
    deployments = run.shares[:, 0, LENSES.index("deployments")] * total[:, None]
    for by, side in (("lab", ""), ("openness", "_openness")):
        into = tables["switches"].pivot_table("workloads", "quarter", f"to{side}", "sum", 0.0)
        out = tables["switches"].pivot_table("workloads", "quarter", f"from{side}", "sum", 0.0)
        for key in run.keys.keys(by):
            now = deployments[:, run.keys.position(by, key)]
            column, row = (frame[key] if key in frame else np.zeros(len(now)) for frame in (into, out))
            np.testing.assert_allclose(column, now, rtol=1e-9, atol=1e-6)
            np.testing.assert_allclose(row[1:], now[:-1], rtol=1e-9, atol=1e-6)


def test_the_first_row_is_the_installed_base(baseline: Scenario) -> None:
    """Kills: a first quarter in which everything comes from nowhere."""
    market = Market(baseline, 1, 300, "2023Q4")
    usage, c = market.usage, market.catalogue
    base = np.bincount(c.lab[usage.model], usage.weight * usage.production, len(market.roster) + 1)
    market.step()
    switches = market.records.tables()["switches"].groupby("from").workloads.sum()
    for lab in market.roster:
        assert switches.get(lab.id, 0.0) == pytest.approx(base[lab.position], rel=1e-12)
    assert switches["community"] == pytest.approx(base[-1], rel=1e-12)


def test_spending_stands_where_it_goes(baseline: Scenario) -> None:
    """Kills: last quarter's spending, pilots' spending, spending by enterprise."""
    market = steps(Market(baseline, 1, 300, "2025Q4"), 5)
    u = market.usage
    last = market.records.tables()["switches"].query(f"quarter == '{market.records.quarters[4]}'")
    assert last.spend_usd.sum() == pytest.approx(u.spend[u.production].sum(), rel=1e-12)
    assert last.spend_usd[last.to == "none"].sum() == 0.0
    lab = market.lab["openai"].position
    mine = u.production & (market.catalogue.lab[u.model] == lab)
    assert last.spend_usd[last.to == "openai"].sum() == pytest.approx(u.spend[mine].sum(), rel=1e-12)


def test_customers_sold_with_their_lab_did_not_choose(baseline: Scenario) -> None:
    """Models and customers of one lab go to another between two quarters. Kills: a takeover that looks like a wave of
    switching, workloads that stay with their vendor counted as sold."""
    market = steps(Market(baseline, 1, 300, "2025Q4"), 4)
    served = {model.id for model in market.lab["cohere"].models}
    market.hand_over(market.lab["cohere"], market.lab["google"])
    usage, models = market.usage, market.catalogue.models
    at_stake = usage.weight[usage.production & np.array([m.id in served for m in models])[usage.model]].sum()
    steps(market, 2)
    switches = market.records.tables()["switches"]
    moved = switches[(switches["from"] == "cohere") & (switches.to == "google")].set_index("quarter")
    assert moved.index.unique().tolist() == [market.records.quarters[4]]
    assert 0.0 < moved.sold.sum() <= min(at_stake, moved.workloads.sum()) * (1.0 + 1e-12)
    assert (switches.sold <= switches.workloads).all()
    assert (switches.sold[switches["from"] == switches.to] == 0.0).all()


def test_switches_by_hand() -> None:
    """One model of the first lab, closed, in three slots: production that becomes a pilot, that ends, that begins.

    Kills: a pilot's spending among production's, what ended lost, a weight of another slot."""
    pilot, production, none = 10, 11, 4
    party = np.full(20, none, np.int32)
    party[production] = 0
    old = Posts(np.array([production, production, 0], np.int32), party, none)
    new = Posts(np.array([pilot, 0, production], np.int32), party, none)
    usage = SimpleNamespace(row=np.array([0, 2]), weight=np.array([1.0, 4.0]), spend=np.array([7.0, 5.0]))
    entries = old.of_slot[usage.row], new.of_slot[usage.row]
    found = switches_of((old, new), entries, usage, np.array([1.0, 2.0, 4.0]))  # type: ignore[arg-type]
    rows = list(zip(*(column.tolist() for column in found), strict=True))
    assert rows == [(0, none, 3.0, 0.0, 0.0), (none, 0, 4.0, 0.0, 5.0)]


# ---- who pays whom


def test_flows_of_labs_are_their_accounts(tables: Tables) -> None:
    """Cash in less cash out is the change of a lab's cash, in every quarter. Kills: a purpose left out, credits counted
    as cash, rows of two quarters mixed, payer and payee swapped."""
    flows = tables["flows"].query("means == 'cash'")
    labs = tables["labs"].pivot(index="quarter", columns="lab", values="cash_usd")
    into = flows.pivot_table("usd", "quarter", "payee", "sum", 0.0)
    out = flows.pivot_table("usd", "quarter", "payer", "sum", 0.0)
    for lab in labs:
        name = f"lab:{lab}"
        net = pd.Series(0.0, labs.index)
        gross = pd.Series(1.0, labs.index)
        for sign, side in ((1.0, into), (-1.0, out)):
            if name in side:
                net, gross = net + sign * side[name], gross + side[name]
        change = labs[lab].fillna(0.0).diff().fillna(labs[lab].fillna(0.0).iloc[0])
        assert ((change - net).abs() <= 1e-9 * (gross + labs[lab].fillna(0.0).abs())).all(), lab


def test_flows_to_labs_are_their_revenue_lines(tables: Tables) -> None:
    """Each purpose of the labs' income, and what they paid is at most what it cost. Kills: enterprises left out or
    counted by batch, purposes under another name."""
    flows = tables["flows"].set_index(["quarter", "purpose"])
    labs = tables["labs"]
    for columns, side in ((REVENUE_COLUMNS, "payee"), (COST_COLUMNS, "payer")):
        for column, purpose in columns.items():
            if purpose not in flows.index.get_level_values("purpose"):
                assert (labs[column] == 0.0).all()
                continue
            paid = flows.xs(purpose, level="purpose").groupby(["quarter", side]).usd.sum()
            booked = labs.set_index(["quarter", "lab"])[column]
            for (quarter, lab), amount in booked[booked > 0.0].items():
                got = paid.get((quarter, f"lab:{lab}"), 0.0)
                if side == "payee":
                    assert got == pytest.approx(amount, rel=1e-9)
                else:
                    assert got <= amount * (1.0 + 1e-9) or purpose == "training"  # a founder's first run is paid before


def test_every_purpose_sums_to_what_the_journal_says(baseline: Scenario) -> None:
    """In the quarter, before the journal sums up. Kills: long batches summed wrongly, one side of them lost."""
    market = steps(Market(baseline, 1, 4000, "2024Q4"), 2)
    quarter = market.quarter - 1
    flows = market.records.tables()["flows"].query(f"quarter == '{market.records.quarters[1]}'")
    by_purpose = flows.groupby("purpose").usd.sum()
    assert any(b.amount.size >= LONG for b in market.journal.books(quarter).batches)
    for purpose in PURPOSES:
        if purpose.line == "non_cash" and purpose.name not in ("compute_credit_grant", "compute_credit_used"):
            assert purpose.name not in by_purpose
            continue
        wanted = market.journal.total(purpose.name, quarter)
        assert by_purpose.get(purpose.name, 0.0) == pytest.approx(wanted, rel=1e-12)
    bought = flows.query("payer == 'enterprises' and purpose == 'api'").set_index("payee").usd
    for lab in market.roster:
        wanted = market.journal.total("api", quarter, payee=f"lab:{lab.id}")
        assert bought.get(f"lab:{lab.id}", 0.0) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("buyers", [3, LONG + 500])
def test_the_enterprises_are_one_party_however_many(buyers: int) -> None:
    """Short and long batches to them, from them to one and to several. Kills: a shortcut for long ones that differs."""
    journal = Journal(["rest_of_world", "cloud", "lab:a", "lab:b"])
    firms = journal.open_accounts("enterprise", buyers)
    journal.begin(0)
    journal.pay("customer_receipts", "rest_of_world", firms, np.full(buyers, 10.0))
    journal.settle("infrastructure", firms, np.full(buyers, 1), np.full(buyers, 2.0))
    sellers = np.where(np.arange(buyers) % 3 == 0, 2, 3)
    journal.settle("api", firms, sellers, np.full(buyers, 1.0))
    journal.settle("serving", "lab:a", "cloud", 0.5)
    journal.settle("serving", "lab:a", "cloud", 0.25)
    journal.pay("supplier_sweep", "cloud", "rest_of_world", 0.0)
    names = ("world", "cloud", "a", "b", "firms")
    flows = flows_of(journal.movements(), 5)
    rows = {
        (PURPOSES[purpose].name, names[payer], names[payee]): usd
        for purpose, payer, payee, usd in zip(*(column.tolist() for column in flows), strict=True)
    }
    third = -(-buyers // 3)
    assert rows == {
        ("customer_receipts", "world", "firms"): 10.0 * buyers,
        ("infrastructure", "firms", "cloud"): 2.0 * buyers,
        ("api", "firms", "a"): float(third),
        ("api", "firms", "b"): float(buyers - third),
        ("serving", "a", "cloud"): 0.75,
    }


def test_no_postings_no_flows() -> None:
    """Kills: a quarter without money that breaks."""
    journal = Journal(["rest_of_world"])
    journal.begin(0)
    assert flows_of(journal.movements(), 2).usd.size == 0


def tied(scenario: Scenario, lab: str, holders: dict[str, dict[str, float]], paid: float) -> dict[str, float]:
    """Of what a lab paid for training, USD, what it had to buy of each holder that sells compute but its owner."""
    p = scenario.parameters
    owner = p.labs[lab].parent if lab in p.labs else None
    part = {
        name: p.capital.tied_compute * stake
        for name, stake in holders.get(lab, {}).items()
        if name in p.investors and p.investors[name].pays_in_compute > 0.0 and name != owner
    }
    return {name: paid * x / max(1.0, sum(part.values())) for name, x in part.items()}


def test_circular_money_by_hand_from_the_flows(tables: Tables, baseline: Scenario) -> None:
    """Credits drawn, and cash by investor and lab until it is back, as revenue share or for what the lab is tied to buy
    of it. Kills: cash that returns twice or in the quarter it is paid, a lab's whole bill, serving included, taken for
    its backers', venture funds counted, credits counted when they are granted."""
    outstanding: dict[tuple[str, str], float] = defaultdict(float)
    market = tables["market"].set_index("quarter")
    holders: dict[str, dict[str, float]] = {}
    for quarter, rows in tables["flows"].groupby("quarter"):
        after = {
            str(lab): dict(zip(table.holder, table.stake, strict=True))
            for lab, table in tables["stakes"].query("quarter == @quarter").groupby("lab")
        }
        before = {lab: held for lab, held in after.items() if lab.startswith("entrant_")} | holders  # money comes first
        circular = rows.query("purpose == 'compute_credit_used'").usd.sum()
        back: dict[tuple[str, str], float] = defaultdict(float)
        for row in rows.query("purpose == 'revenue_share'").itertuples():
            back[row.payee, row.payer] += row.usd
        bought: dict[str, float] = defaultdict(float)
        for row in rows.query("purpose == 'training'").itertuples():
            for name, usd in tied(baseline, row.payer.removeprefix("lab:"), before, row.usd).items():
                back[f"investor:{name}", row.payer] += usd
                bought[f"investor:{name}"] += usd
        for seller, usd in rows.query("purpose == 'credit_redemption'").groupby("payer").usd.sum().items():
            bought[seller] += usd
        margins = rows.query("purpose == 'compute_margin'").groupby("payee").usd.sum().to_dict()
        if holders:  # in the first quarter the table has no stakes of the day before
            assert margins == pytest.approx(
                {seller: baseline.parameters.capital.credit_margin * usd for seller, usd in bought.items()}, rel=1e-9
            )
        back = defaultdict(float, {pair: min(usd, outstanding[pair]) for pair, usd in back.items()})
        circular += sum(back.values())
        assert market.circular_money_usd[quarter] == pytest.approx(circular, rel=1e-9, abs=1e-3), quarter
        for pair, usd in back.items():
            outstanding[pair] -= usd
        for row in rows.query("purpose == 'equity'").itertuples():
            if row.payer.removeprefix("investor:") in BACKERS:
                outstanding[row.payer, row.payee] += row.usd
        holders |= after
    assert (market.circular_share.dropna().between(0.0, 1.0)).all()
    assert market.circular_share.max() > 0.1


def test_without_corporate_investors_no_money_comes_round(baseline: Scenario) -> None:
    """Kills: what parents or venture funds pay taken for circular."""

    def no_corporates(p: Parameters) -> None:
        for name in BACKERS:
            p.investors[name].kind = "venture"
            p.investors[name].pays_in_compute = 0.0

    market = run_of(altered(baseline, no_corporates), 200, "2025Q4").tables()["market"]
    assert (market.circular_money_usd == 0.0).all()
    assert (market.circular_share.iloc[1:] == 0.0).all()


def test_every_population_has_downloads(run: Records) -> None:
    """By their own choices: developers try more small models than regulated firms. Kills: one block copied to all."""
    downloads = run.shares[:, :, LENSES.index("downloads"), run.keys.index("lab")]
    names = list(POPULATIONS)
    assert not np.array_equal(downloads[:, names.index("large")], downloads[:, names.index("developer")])
