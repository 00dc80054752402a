"""What investors and labs carry from quarter to quarter: purses, opinions, promises, beliefs, licences under orders."""

import pytest

from sim.agents.investor import Investor
from sim.market import Market
from sim.markets.estate import take_over_claims
from sim.parameters import Parameters, Shock
from sim.scenario import Scenario
from tests.market.deals import EAGER, payments, ready, sell
from tests.market.worlds import Edit, altered, begin_quarter, differences, run_of, steps


def idle_investor(name: str) -> Edit:
    """An edit that adds a fund without money or appetite."""

    def edit(p: Parameters) -> None:
        fund = p.investors["a16z"].model_copy(deep=True)
        fund.dry_powder = fund.risk_tolerance = 0.0
        p.investors = {**p.investors, name: fund}

    return edit


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_an_idle_investor_changes_nothing(name: str, baseline: Scenario) -> None:
    """Ten quarters, all tables but its own rows. Kills: opinions drawn in one row for all, luck by position."""
    with_it = run_of(altered(baseline, idle_investor(name)))
    changed = [column for column in differences(run_of(baseline), with_it) if not column.startswith("investors")]
    assert changed == []
    rows = with_it.tables()["investors"].query(f"investor == '{name}'")
    assert (rows[["dry_powder_usd", "invested_usd", "marked_usd"]] == 0.0).to_numpy().all()


def test_compute_promised_is_money_spoken_for(baseline: Scenario) -> None:
    """Dry powder = cash + uncalled - cost of the credits that labs hold.

    Kills: credits that cost nothing, or their list price, or are counted twice.
    """
    market = steps(Market(baseline, 1, 200, "2025Q4"), 6)
    begin_quarter(market, "labs_change_hands")
    giver: Investor = max(market.investor.values(), key=lambda i: market.journal.credit_granted(i.account))
    cost = 1.0 - market.parameters.capital.credit_margin
    outstanding = cost * market.journal.credit_granted(giver.account)
    assert outstanding > 0.0
    assert giver.dry_powder == pytest.approx(max(0.0, giver.cash + giver.uncalled - outstanding), rel=1e-12)
    giver.uncalled += outstanding + 1e9
    free = giver.dry_powder
    market.journal.grant_credit(giver.account, market.lab["cohere"].account, 1e8)
    assert giver.dry_powder == pytest.approx(free - cost * 1e8, rel=1e-12)


def test_a_fund_passes_proceeds_on_and_a_corporate_keeps_them(baseline: Scenario) -> None:
    """After a sale. Kills: proceeds that swell a fund's purse for ever, a corporate that gives its money away."""
    market = ready(baseline, EAGER, quarters=6)
    funds = {i.id: i.cash for i in market.investor.values()}
    lab = sell(market, "inflection")
    assert lab.status == "exited"
    passed = payments(market, "fund_distribution")
    received = {name: i.proceeds for name, i in market.investor.items() if i.proceeds > 0.0}
    assert received
    for name, usd in received.items():
        investor = market.investor[name]
        kept = 0.0 if investor.parameters.kind != "corporate" else usd
        assert investor.cash - funds[name] == pytest.approx(kept, abs=1e-3)
    given = sum(usd for name, usd in received.items() if market.investor[name].parameters.kind != "corporate")
    assert sum(passed.by_payee.values()) == pytest.approx(given, rel=1e-9)


def test_promised_parts_of_revenue_are_worth_the_same_after_a_takeover(baseline: Scenario) -> None:
    """Each backer's USD a year stay. Kills: promises that vanish, that are added up unscaled."""
    market = steps(Market(baseline, 1, 200, "2025Q4"), 6)
    lab, buyer = market.lab["cohere"], market.lab["openai"]
    lab.claims, buyer.claims = {"nvidia": 0.2, "microsoft": 0.1}, {"microsoft": 0.2}
    sales = {x.id: x.revenue_rate for x in (lab, buyer)}
    before = {"nvidia": 0.2 * sales["cohere"], "microsoft": 0.1 * sales["cohere"] + 0.2 * sales["openai"]}
    take_over_claims(lab, buyer)
    after = {name: rate * (sales["cohere"] + sales["openai"]) for name, rate in buyer.claims.items()}
    assert after == pytest.approx(before, rel=1e-12)


def test_somebody_may_sell_what_all_others_give_away(baseline: Scenario) -> None:
    """Closing is worth something where nobody sells closed weights. Kills: beliefs confined to pools that exist."""
    market = steps(Market(baseline, 1, 200, "2025Q4"), 6)
    outlook, lab = market.outlook, market.lab["meta"]
    outlook.margin[:, 0] = 0.0
    assert float(outlook.running.sum()) > 0.0
    near, far = (outlook.earning(lab, "flagship", "closed", gap, 0.0, market.parameters) for gap in (0.0, 1.0))
    assert near > far > 0.0


def test_a_dated_licence_binds_for_its_time_and_no_longer(dated_history: Scenario) -> None:
    """Four quarters of open flagships at OpenAI. Kills: orders that never end, a stance that stays as ordered."""
    order = Shock(
        quarter="2024Q1",
        key="labs.openai.tiers.flagship.licence",
        value="open",
        quarters=4,
        title="the weights are out",
        source="assumption: a test",
    )

    def edit(p: Parameters) -> None:
        p.shocks = [*p.shocks, order]

    market = Market(altered(dated_history, edit), 1, 100, "2025Q4")
    lab, stance, bound = market.lab["openai"], [], []
    while market.quarter <= market.last_quarter:
        market.step()
        stance.append(lab.stance["flagship"])
        bound.append("flagship" in lab.decreed)
    assert stance == ["closed"] * 4 + ["open"] * 4 + ["closed"] * 4
    assert bound == [False] * 4 + [True] * 4 + [False] * 4
