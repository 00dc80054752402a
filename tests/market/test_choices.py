"""Who runs models himself, and the life of a workload: pilots, graduation, contracts, upgrades, models that end."""

from collections.abc import Callable

import numpy as np
import pytest

from sim.agents.lab import EXITED
from sim.market import Market
from sim.markets.menu import API, EDGE, SELF
from sim.parameters import MODES, REGIONS, WORKLOADS, Parameters
from sim.population import EDGE_TYPE, NO_MODEL, PILOT, PRODUCTION
from sim.scenario import Scenario
from tests.market.worlds import altered, begin_quarter, broke, finish_quarter, off, put, put_each, run_of, steps

# ---- who runs models himself


@pytest.fixture(scope="module")
def shop(dated_history: Scenario) -> Market:
    """Spring 2025 with 1,500 enterprises, all their workloads in production and about to choose for the first time."""
    market = steps(Market(dated_history, 1, 1_500, "2025Q4"), 9)
    begin_quarter(market, "enterprises_choose")
    w = market.population.workloads
    w.stage[:] = PRODUCTION
    w.lab[:], w.mode[:], w.model[:] = -1, -1, NO_MODEL
    return market


def in_house(market: Market) -> float:
    """Share of workloads that would run weights in house, the edge left out; the same draws in every call."""
    w = market.population.workloads
    draws = market.streams.block("test/choice", 0, w.count)
    offer = market.decide(np.arange(w.count), market.conditions(), np.ones(w.count), draws)
    return float((market.menu.mode[offer[offer != NO_MODEL]] == SELF).mean())


LEVELS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
TRAITS: dict[str, tuple[Callable[[Market], np.ndarray], np.ndarray]] = {
    "volume": (lambda m: m.population.workloads.budget, np.array([1e3, 1e4, 1e5, 1e6])),
    "privacy": (lambda m: m.population.enterprises.privacy, LEVELS),
    "talent": (lambda m: m.population.enterprises.talent, LEVELS),
}


@pytest.mark.parametrize("trait", TRAITS)
def test_self_hosting_rises_with_volume_talent_and_privacy(trait: str, shop: Market) -> None:
    """The same buyers with the same luck, one trait set to a level for all: more of them run weights in house.

    Kills: fixed costs that grow with volume, exposure or operations burden with the wrong sign, talent not used.
    """
    column, levels = TRAITS[trait]
    kept = column(shop).copy()
    shares = []
    for level in levels:
        column(shop)[:] = level
        shares.append(in_house(shop))
    column(shop)[:] = kept
    assert (np.diff(shares) > 0.003).all(), shares


def test_self_hosting_rises_with_volume_and_privacy_in_the_market(baseline: Scenario) -> None:
    """Whole runs until 2025Q4: budgets twenty-five times as large, privacy needs of .9 instead of .1.

    Kills: the same mutants where prices, peers and going prices answer.
    """

    def own(*edits: object) -> float:
        market = run_of(altered(baseline, *edits), 600, "2025Q4").tables()["market"]  # type: ignore[arg-type]
        return float(market.self_hosted_share.iloc[-4:].mean())

    def budgets(factor: float) -> Callable[..., None]:
        def edit(p: object) -> None:
            for segment in p.segments.values():  # type: ignore[attr-defined]
                segment.workload_budget *= factor

        return edit

    assert own(budgets(5.0)) > own(budgets(0.2)) + 0.005
    assert own(put_each("segments", privacy=0.9)) > own(put_each("segments", privacy=0.1)) + 0.002


def test_large_budgets_are_run_in_house_more_often_than_small_ones(baseline: Scenario) -> None:
    """Within one market, by quartile of budget. Kills: the deployment's scale taken from the segment's mean."""
    market = steps(Market(baseline, 2, 1_500, "2026Q4"), 14)
    u, w = market.usage, market.population.workloads
    rows = u.production & (u.kind != EDGE_TYPE)
    budget = w.budget[u.row[rows]]
    own = u.mode[rows] == SELF
    low, high = np.quantile(budget, [0.25, 0.75])
    assert own[budget >= high].mean() > own[budget <= low].mean() + 0.02


@pytest.mark.parametrize("seed", [1, 2])
def test_modal_choices(seed: int, baseline: Scenario) -> None:
    """Until 2024Q4 pilots run at a first-party API first of all in every quarter, edge work on open weights.

    Edge work is counted by head over all quarters (there are few of them and their weights differ). Kills: tastes and
    exposures that meet the wrong side, an edge that needs a line.
    """
    market = Market(baseline, seed, 1_500, "2024Q4")
    edge_open = []
    while market.quarter <= market.last_quarter:
        market.step()
        u = market.usage
        pilots, edge = ~u.production, u.production & (u.kind == EDGE_TYPE)
        by_mode = np.bincount(u.mode[pilots], u.weight[pilots], 5)
        assert by_mode.argmax() == API, (market.label, by_mode)
        edge_open.append(market.catalogue.is_open[u.model[edge]])
    assert np.concatenate(edge_open).mean() > 0.85


def test_the_edge_is_for_edge_work_alone(baseline: Scenario) -> None:
    """Kills: an edge offer shown to all types, which are cheaper there."""
    market = steps(Market(baseline, 1, 600, "2026Q4"), 14)
    at_edge = market.usage.mode == EDGE
    assert at_edge.any()
    assert (market.usage.kind[at_edge] == WORKLOADS.index("edge")).all()


# ---- the life of a workload


def test_graduates_choose_again_and_sign_for_longer(baseline: Scenario) -> None:
    """Every pilot that graduates is due at once, chooses by its type in production and signs a production contract.

    Pilots sign for three quarters here. Kills: graduates that keep the contract, pilots chosen by their later type.
    """
    market = steps(Market(altered(baseline, put("demand", pilot_contract=3)), 1, 600, "2024Q4"), 4)
    begin_quarter(market, "enterprises_choose")
    w, graduates = market.population.workloads, market.graduates
    assert graduates.size > 10
    assert (w.stage[graduates] == PRODUCTION).all()
    assert (w.chosen_type(graduates) == w.type[graduates]).all()
    pilots = np.flatnonzero(w.stage == PILOT)
    assert (w.chosen_type(pilots) == WORKLOADS.index("pilot")).all()
    assert np.isin(graduates, market.population.due_rows(market.quarter)).all()
    market.enterprises_choose()
    served = graduates[w.model[graduates] != NO_MODEL]
    contract = np.array([s.contract for s in market.population.segments])[w.segment[served]]
    assert (w.due[served] == market.quarter + contract).all()


def test_contracts_are_staggered(baseline: Scenario) -> None:
    """Of the installed base an equal part is due each quarter of the contract; later between a sixth and two fifths.

    By enterprise, contracts of four quarters; half of a quarter's due are graduates' first contracts, so later cohorts
    differ. Kills: contracts that all end in January, contracts cut to a year's end.
    """
    market = Market(baseline, 1, 2_000, "2025Q4")
    w = market.population.workloads
    length = np.array([s.contract for s in market.population.segments])[w.segment]
    base = w.running & (length == 4)
    due = np.bincount(w.due[base] - market.first_quarter, minlength=4) / base.sum()
    np.testing.assert_allclose(due, 0.25, atol=0.05)
    steps(market, 12)
    settled = w.running & (length == 4) & (w.stage == PRODUCTION)
    ahead = np.bincount(w.due[settled] - market.quarter, minlength=4) / settled.sum()
    assert ahead.size == 4
    assert ((ahead > 1 / 6) & (ahead < 0.4)).all(), ahead


def _successors(market: Market) -> np.ndarray:
    """Who serves the customers of each lab, by position: itself or, when this quarter took it over, its buyer."""
    heirs = [x if x.successor is None or x.status != EXITED else x.successor for x in market.roster]
    return np.array([x.position for x in heirs] + [len(heirs)])


def test_under_contract_nothing_changes_but_the_model(baseline: Scenario) -> None:
    """Workloads not due keep lab, mode and date; some take a newer model of their lab and tier, and only a better one.

    Who takes a lab over takes its customers over. Better at an API: value x quality - beta log(price + c0) higher,
    worked out here. Kills: upgrades across labs or tiers, to a dearer model for nothing, to the oldest instead of the
    newest, customers of a lab that was sold who stay behind.
    """
    market = steps(Market(baseline, 1, 1_500, "2025Q4"), 5)
    moved = 0
    for _ in range(4):
        begin_quarter(market, "enterprises_choose")
        w, c, p = market.population.workloads, market.catalogue, market.parameters
        due = market.population.due_rows(market.quarter)
        settled = np.setdiff1d(np.flatnonzero(w.running), due)
        still_sold = ~np.isnan(c.unit_cost[0, c.row_of[w.model[settled]], w.mode[settled]])
        settled = settled[(c.row_of[w.model[settled]] >= 0) & still_sold]  # others lose their model and must choose
        before = [column[settled].copy() for column in (w.lab, w.mode, w.due, w.model)]
        seen = market.conditions()
        finish_quarter(market, "enterprises_choose")
        assert (w.lab[settled] == _successors(market)[before[0]]).all()
        for column, old in zip((w.mode, w.due), before[1:3], strict=True):
            assert (column[settled] == old).all()
        changed = np.flatnonzero(w.model[settled] != before[3])
        moved += changed.size
        rows = settled[changed]
        old, new = c.row_of[before[3][changed]], c.row_of[w.model[rows]]
        assert (c.lab[old] == c.lab[new]).all()
        assert (c.tier[old] == c.tier[new]).all()
        assert (c.successor[new] == new).all()
        api = np.flatnonzero(w.mode[rows] == API)
        kind = w.chosen_type(rows)[api]
        value = np.array([p.workloads[name].value for name in WORKLOADS])[kind]
        beta = p.demand.price_sensitivity * np.array([s.price_sensitivity for s in market.population.segments])
        cost = [c.unit_cost[kind, m[api], API] + seen.other_cost[kind] for m in (old, new)]
        gain = value * (c.quality[kind, new[api]] - c.quality[kind, old[api]])
        gain -= beta[w.segment[rows[api]]] * np.log(cost[1] / cost[0])
        assert (gain > 0.0).all()
    assert moved > 20


def test_a_model_that_is_withdrawn_forces_its_users_to_choose(baseline: Scenario) -> None:
    """Nobody runs what nobody serves: users of a retired closed model choose in the quarter it goes, contract or not.

    Kills: models that live on in contracts, users who wait until their contract ends, a new choice a quarter later.
    """
    market = steps(Market(baseline, 1, 2_500, "2026Q4"), 6)
    forced = 0
    for _ in range(8):
        w = market.population.workloads
        ran, contract = w.model.copy(), w.due.copy()
        begin_quarter(market, "enterprises_choose")
        served = {m.id for m in market.catalogue.models}
        lost = np.flatnonzero((ran != NO_MODEL) & ~np.isin(ran, list(served)) & (w.stage != 0))
        finish_quarter(market, "enterprises_choose")
        assert np.isin(w.model[w.running], list(served)).all()
        lasts = np.where(w.model[lost] == NO_MODEL, 1, market.population.contract(lost))
        assert (w.due[lost] == market.quarter - 1 + lasts).all()
        forced += int((contract[lost] > market.quarter - 1).sum())
    assert forced >= 3


def test_open_weights_outlive_their_lab(baseline: Scenario) -> None:
    """After Stability's end its weights are on the shelf at hosts and in house, keep users and win new ones.

    Kills: models that die with the lab, a dead lab's API left on sale, users who must leave.
    """
    market = Market(altered(baseline, broke("stability"), off("mergers")), 1, 3_000, "2027Q4")
    lab, w = market.lab["stability"], market.population.workloads
    while lab.status != EXITED:
        market.step()
    left = [m for m in market.community_models if m.lab == "stability"]
    assert left and all(m.is_open and not m.api for m in left)
    ids = [m.id for m in left]
    users = np.isin(w.model, ids)
    bound = np.flatnonzero(users & (w.mode != API) & (w.stage == PRODUCTION) & (w.due > market.quarter))
    assert bound.size > 3
    steps(market, 1)
    assert np.isin(w.model[bound], ids).all()
    on_sale = np.flatnonzero(market.menu.lab == lab.position)
    assert on_sale.size > 0
    assert (market.menu.mode[on_sale] != API).all()
    steps(market, 3)
    assert (np.isin(w.model, ids) & ~users).any()


def test_a_closed_model_dies_with_its_lab(dated_history: Scenario) -> None:
    """Users of a closed lab that is wound down run something else, or nothing, in the next quarter, as newcomers.

    Kills: a dead lab that still serves, users who go on paying loyalty to it.
    """
    market = Market(altered(dated_history, broke("cohere")), 1, 1_500, "2027Q4")
    lab, w = market.lab["cohere"], market.population.workloads
    while lab.status != EXITED:
        market.step()
    users = np.flatnonzero(w.lab == lab.position)
    assert users.size > 5
    assert not any(m.lab == "cohere" for m in market.community_models)
    loyal = []

    def decide(due: np.ndarray, *rest: object) -> np.ndarray:
        loyal.append((w.lab[due] == lab.position).any())
        return Market.decide(market, due, *rest)  # type: ignore[arg-type]

    market.decide = decide  # type: ignore[method-assign]
    steps(market, 1)
    assert loyal == [False]
    assert not (w.lab == lab.position).any()
    assert (w.model[users] != NO_MODEL).mean() > 0.9


def test_a_ban_bars_a_lab_and_not_its_open_weights(baseline: Scenario) -> None:
    """European buyers under a ban of Chinese labs, after contracts have ended. Kills: a ban nobody keeps to, one that
    reaches weights at hosts and in house, one that binds other buyers."""

    def ban(p: Parameters) -> None:
        p.regions["eu"].banned = {"china": True}
        p.regions["eu"].distrust = {}  # nothing but the ban holds them off

    market = steps(Market(altered(baseline, ban), 1, 600), 10)
    w, c, usage = market.population.workloads, market.catalogue, market.usage
    chinese = np.array([REGIONS[c.region[m]] == "china" for m in usage.model])
    european = w.region[usage.row] == REGIONS.index("eu")
    own_weights = c.is_open[usage.model] & (usage.mode != MODES.index("api"))
    assert (chinese & european & own_weights).any()
    assert not (chinese & european & ~own_weights).any()
    assert (chinese & ~european & ~own_weights).any()
