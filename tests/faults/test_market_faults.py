"""Accounting faults planted in a running market: its own audit stops the run in that quarter and says where."""

from collections.abc import Callable

import pytest

from sim.audit import IdentityError
from sim.journal import Journal, Ledger
from sim.market import Market
from sim.markets import invoices
from sim.scenario import Scenario, load_scenario
from tests.faults import plants
from tests.market.worlds import altered, begin_quarter, broke, finish_quarter, off, steps

Plant = Callable[[Journal], None]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """The baseline in which AI21 has no money, no backer and no credit: it is wound down in the first quarter."""
    return altered(load_scenario("baseline"), broke("ai21"), off("trade_debt", "funding_market"))


def after_two_quarters(scenario: Scenario) -> Market:
    """A small market in its third quarter, everything of it done but the audit."""
    market = steps(Market(scenario, 1, 100, "2024Q4"), 2)
    assert market.lab["ai21"].status == "exited"
    begin_quarter(market, "check_identities")
    return market


def drop_invoice(journal: Journal) -> None:
    """The largest batch of invoices for API use is lost; the payments stay."""
    plants.drop(journal, Ledger.BILLED, "api")


def largest_seller(market: Market) -> str:
    """Account of the lab with the highest revenue of the quarter."""
    return f"lab:{max(market.roster, key=lambda lab: lab.accounts.total_revenue).id}"


def test_the_market_without_faults_goes_on(scenario: Scenario) -> None:
    """Kills: an audit that cries wolf, a planted fault that is none."""
    market = after_two_quarters(scenario)
    finish_quarter(market, "check_identities")
    market.step()
    assert market.label == "2024Q1"


FAULTS: dict[str, tuple[Plant, str]] = {
    "a dollar leaks into a lab": (lambda j: plants.leak_dollar(j, "lab:openai"), "cash"),
    "a dollar leaks into a buyer": (lambda j: plants.leak_dollar(j, "enterprise/7"), "cash"),
    "a dollar changes hands unposted": (lambda j: plants.misroute_dollar(j, "lab:google", "lab:openai"), "roll|cash"),
    "a dollar is printed": (lambda j: plants.create_money(j, "lab:openai"), "total cash is constant"),
    "a buyer pays an invoice twice": (lambda j: plants.pay_invoice_again(j, "api"), "invoices by pay"),
    "a host is paid twice": (lambda j: plants.pay_invoice_again(j, "hosting"), "invoices by pay"),
    "a lab pays its compute twice": (lambda j: plants.pay_invoice_again(j, "training"), "invoices by pay"),
    "a dead lab sells": (
        lambda j: plants.bill_closed_account(j, "enterprise/0", "lab:ai21", 1.0),
        "nothing moves at a closed account.*ai21",
    ),
    "a dead lab borrows": (lambda j: j.owe("trade_debt", "lab:ai21", "cloud", 1.0), "closed account.*ai21"),
    "an invoice is lost": (drop_invoice, "invoices by pay"),
    "credits are granted twice": (
        lambda j: plants.count_credit_twice(j, "investor:microsoft", "lab:openai", 1.0),
        "credit roll-forward",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_stops_the_market_in_its_quarter(fault: str, scenario: Scenario) -> None:
    """Kills: an audit left out of the step, running totals, an eye on labs only, a mere warning."""
    plant, message = FAULTS[fault]
    market = after_two_quarters(scenario)
    plant(market.journal)
    with pytest.raises(IdentityError, match=message):
        finish_quarter(market, "check_identities")
    assert market.label == "2023Q3"
    assert len(market.records.tables()["market"]) == 2, "a quarter whose books are wrong is not recorded"


def test_a_leak_between_two_steps_is_found_by_the_next(scenario: Scenario) -> None:
    """Kills: opening balances read from the live accounts, which would forgive what happened since the last audit."""
    market = steps(Market(scenario, 1, 100, "2024Q4"), 1)
    plants.leak_dollar(market.journal, largest_seller(market))
    with pytest.raises(IdentityError, match="2023Q2|cash"):
        market.step()


def test_a_market_that_bills_the_dead_is_stopped(scenario: Scenario) -> None:
    """The market's own invoices, once more for a lab that was wound down. Kills: an exit the journal ignores."""
    market = steps(Market(scenario, 1, 100, "2024Q4"), 2)
    begin_quarter(market, "settle_invoices")
    invoices.settle_lab(market, market.lab["ai21"])
    with pytest.raises(IdentityError, match="closed account.*ai21"):
        finish_quarter(market, "settle_invoices")
