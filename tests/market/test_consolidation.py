"""What consolidation adds up to: HHI by cause, owners, and every mechanism switched on in every shipped scenario."""

from __future__ import annotations

import numpy as np
import pytest

from sim.agents.lab import EXITED
from sim.market import Market
from sim.parameters import Parameters
from sim.records import LENSES, POPULATIONS, Records
from sim.scenario import Scenario, load_scenario, shipped_scenarios
from tests.market.deals import events, long_run
from tests.market.worlds import altered, off, put, run_of

CAUSES = [f"hhi_change_{cause}" for cause in ("mergers", "exits", "entry", "reallocation")]
ALL, API_SPEND = list(POPULATIONS).index("all"), LENSES.index("api_spend")


@pytest.fixture(scope="module", params=[1, 2])
def whole(request: pytest.FixtureRequest) -> tuple[Market, Records]:
    """The baseline to 2030Q4 and what it leaves behind."""
    return long_run(request.param)


def test_causes_sum_to_the_change_of_hhi(whole: tuple[Market, Records]) -> None:
    """To 1e-9 every quarter. Kills: a cause left out or measured from another quarter's shares or owners."""
    table = whole[1].tables()["market"]
    np.testing.assert_allclose(table[CAUSES].sum(axis=1)[1:], table.hhi.diff()[1:], atol=1e-9)
    assert table[CAUSES].iloc[0].isna().all()
    assert not table[CAUSES][1:].isna().any(axis=None)


def test_each_cause_moves_when_it_happens_and_only_then(whole: tuple[Market, Records]) -> None:
    """Mergers in quarters of mergers, entry in those of entry. Kills: takeovers booked as exits, entry told late."""
    records = whole[1]
    table = records.tables()["market"].set_index("quarter")
    merged, entered = set(events(records, "merger").quarter), set(events(records, "entry").quarter)
    assert len(merged) > 1
    for quarter, row in table[1:].iterrows():
        assert abs(row.hhi_change_mergers) < 1e-9 or quarter in merged
        assert abs(row.hhi_change_entry) < 1e-9 or quarter in entered
    assert (table.hhi_change_mergers[1:] > -1e-9).all(), "a merger alone never lowers HHI"
    assert table.hhi_change_mergers[1:].max() > 1e-6


def test_mergers_count_last_quarters_shares_under_todays_owners(whole: tuple[Market, Records]) -> None:
    """Recomputed from shares and owners. Kills: shares of the same quarter, or of labs that were one already."""
    market, records = whole
    keys, table = records.keys, records.tables()["market"]
    share = records.shares[:, ALL, API_SPEND, keys.index("lab")]
    owners = records.tables()["labs"].pivot(index="quarter", columns="lab", values="owner")
    for at in range(1, len(records.quarters)):
        before, after = ({n: o.get(n, n) for n in keys.keys("lab")} for o in (_row(owners, at - 1), _row(owners, at)))
        levels = [sum(v * v for v in _pooled(share[at - 1], keys.keys("lab"), who).values()) for who in (before, after)]
        assert table.hhi_change_mergers[at] == pytest.approx(1e4 * (levels[1] - levels[0]), abs=1e-9)
    assert market.quarter - 1 == market.last_quarter


def _row(owners: object, at: int) -> dict[str, str]:
    return owners.iloc[at].dropna().to_dict()  # type: ignore[attr-defined]


def _pooled(share: np.ndarray, names: tuple[str, ...], owner: dict[str, str]) -> dict[str, float]:
    pools: dict[str, float] = {}
    for name, part in zip(names, share.tolist(), strict=True):
        pools[owner[name]] = pools.get(owner[name], 0.0) + part
    return pools


def test_who_was_taken_over_belongs_to_the_last_buyer(whole: tuple[Market, Records]) -> None:
    """Along chains of takeovers, in table and market. Kills: an owner that is gone itself."""
    market, records = whole
    last = records.tables()["labs"].drop_duplicates("lab", keep="last").set_index("lab").owner
    sold = events(records, "merger")
    for deal in sold.itertuples():
        end = market.lab[deal.counterparty]
        while end.successor is not None:
            end = end.successor
        assert last[deal.lab] == end.owner == market.lab[deal.lab].owner
    for lab in market.roster:
        assert (lab.successor is not None) == (lab.id in set(sold.lab))
        assert lab.status == EXITED or lab.successor is None


def test_active_labs_are_who_sells_and_lives(whole: tuple[Market, Records]) -> None:
    """Kills: dead labs, or founders who still build, counted as active."""
    tables = whole[1].tables()
    labs = tables["labs"]
    active = labs[(labs.status == "active") & (labs.models_served > 0)].groupby("quarter")
    counted = tables["market"].set_index("quarter")
    assert (active.size() == counted.active_labs).all()
    assert (active.ownership.apply(lambda x: (x == "independent").sum()) == counted.independent_labs).all()


def everything(p: Parameters) -> None:
    """Every mechanism on; of the two regimes of funding, the market."""
    for name in type(p.switches).model_fields:
        setattr(p.switches, name, name != "exogenous_rounds")


@pytest.mark.parametrize("name", [scenario.name for scenario in shipped_scenarios()])
def test_identities_hold_with_everything_on_in_every_scenario(name: str) -> None:
    """Ten quarters, 300 enterprises, labs sold at any price to eager giants; the market stops at a broken identity.

    Kills: a deal that some scenario's rules, regions or shocks let slip out of the books.
    """
    edit = put("control", reservation=0.0, appetite=20.0), put("strategy", giving_up_rate=2.0)
    records = run_of(altered(load_scenario(name), everything, *edit), 300, "2025Q2")
    table = records.tables()["market"]
    assert len(table) == 10
    assert (table.identity_residual_usd <= table.identity_gate_usd).all()
    np.testing.assert_allclose(table[CAUSES].sum(axis=1)[1:], table.hhi.diff()[1:], atol=1e-9)
    assert not events(records, "round").empty
    assert not events(records, "acquihire", "merger").empty


def test_consolidation_takes_a_market_for_control(baseline: Scenario) -> None:
    """Fewer independents with it than without. Kills: sales that leave labs as they were."""
    without = run_of(altered(baseline, off("acquihires", "mergers", "founding")), 100, "2027Q4")
    with_it = run_of(altered(baseline, off("founding")), 100, "2027Q4")
    left = [r.tables()["market"].independent_labs.iloc[-1] for r in (with_it, without)]
    assert left[0] < left[1]
