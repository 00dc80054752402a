"""Faults planted in rounds, sales and ends of labs of a running market: its audit stops the run and names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sim.agents.lab import Sale
from sim.audit import IdentityError
from sim.market import Market
from sim.scenario import Scenario, load_scenario
from tests.faults import plants
from tests.market.deals import EAGER, distress, events, ready
from tests.market.worlds import begin_quarter, finish_quarter, off, put

Plant = Callable[[Market], None]
DEBT = 100e6


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """The shipped baseline."""
    return load_scenario("baseline")


def rescued(market: Market) -> None:
    """Inflection raises money, part of it in compute credits."""
    lab = market.lab["inflection"]
    market.register.issue(lab.id, 900e6, {"nvidia": 60e6, "thrive": 40e6})
    for name, usd, credit in (("nvidia", 60e6, 24e6), ("thrive", 40e6, 0.0)):
        investor = market.investor[name]
        investor.call(usd)
        market.journal.pay("equity", investor.account, lab.account, usd - credit)
        market.journal.grant_credit(investor.account, lab.account, credit)


@pytest.fixture
def after_deals(scenario: Scenario) -> Iterator[Market]:
    """A quarter done but the audit: a round, a team hired from a lab in debt, a lab bought for cash, one wound down."""
    sold = put("control", reservation=0.0)
    market = ready(scenario, EAGER, sold, off("merger_review", "mood"))
    rescued(market)
    market.journal.owe("trade_debt", market.lab["adept"].account, market.account_of["cloud"], DEBT)
    market.parameters.switches.mergers = False
    market.lab["adept"].sale = Sale(market.quarter, "a test wants it")
    market.labs_change_hands()
    market.parameters.switches.mergers, market.parameters.switches.acquihires = True, False
    market.parameters.control.buyer_size = 100.0
    market.lab["cohere"].sale = Sale(market.quarter, "a test wants it")
    distress(market, "ai21", debt=1e12, cash=50e6)
    market.lab["ai21"].round_failed = False
    market.labs_change_hands()
    told = {(row.kind, row.lab) for row in events(market, "acquihire", "merger", "winddown").itertuples()}
    assert told == {("acquihire", "adept"), ("merger", "cohere"), ("winddown", "ai21")}
    yield market


def test_the_market_without_faults_goes_on(after_deals: Market) -> None:
    """Kills: an audit that cries wolf, which would make every test below pass."""
    finish_quarter(after_deals, "check_identities")
    after_deals.step()
    assert after_deals.journal.debt("lab:adept") == after_deals.journal.debt("lab:ai21") == 0.0


def undiluted(market: Market) -> None:
    """Founders keep the part of inflection they had before the round."""
    stakes = market.lab["inflection"].stakes
    plants.keep_stake(market.register, "inflection", "founders", stakes["founders"] / 0.9)


def forgotten(market: Market) -> None:
    """The round's money comes in, and its shares are never issued."""
    plants.forget_new_shares(market.register, "inflection")


def credit_counted_twice(market: Market) -> None:
    """A grant of compute credits is booked twice and posted once."""
    plants.count_credit_twice(market.journal, "investor:nvidia", "lab:inflection", 5e6)


def credit_granted_twice(market: Market) -> None:
    """A grant of compute credits, properly posted, that bought no shares."""
    market.journal.grant_credit("investor:nvidia", "lab:inflection", 5e6)


def recovery_dropped(market: Market) -> None:
    """AI21's estate paid the cloud, but the cloud's claim did not fall."""
    plants.drop_recovery_of_debt(market.journal, "lab:ai21")


def fee_paid_twice(market: Market) -> None:
    plants.pay_invoice_again(market.journal, "licence_fee")


def price_paid_twice(market: Market) -> None:
    plants.pay_invoice_again(market.journal, "purchase")


def holder_skipped(market: Market) -> None:
    """A fund that held a part of adept gets nothing of the fee."""
    holders = [e.holder for e in market.register.entries(market.quarter) if (e.lab, e.kind) == ("adept", "proceeds")]
    name = next(holder for holder in holders if holder in market.investor)
    plants.skip_payment(market.journal, "licence_fee", f"investor:{name}")


def dead_lab_billed(lab: str) -> Plant:
    """A lab that is gone sells to a buyer, invoice and payment in order."""

    def plant(market: Market) -> None:
        plants.bill_closed_account(market.journal, "enterprise/0", f"lab:{lab}", 1.0)

    return plant


def dead_lab_pays(market: Market) -> None:
    """A lab that was wound down still pays its staff."""
    market.journal.settle("staff", "lab:ai21", "staff", 1.0)


def dead_lab_keeps_holders(market: Market) -> None:
    plants.take_back(market.register, "adept")


def dead_lab_raises(market: Market) -> None:
    """Money for a lab that is gone."""
    market.journal.pay("equity", "investor:thrive", "lab:adept", 1.0)


FAULTS: dict[str, tuple[Plant, str]] = {
    "equity not diluted": (undiluted, "cap tables sum to 1 .* at inflection"),
    "new shares forgotten": (forgotten, "share register roll-forward .* at inflection"),
    "compute credit counted twice": (
        credit_counted_twice,
        "credit roll-forward .* at investor:nvidia -> lab:inflection",
    ),
    "compute credit granted twice": (
        credit_granted_twice,
        "shares issued = cash and credits paid .* at investor:nvidia -> lab:inflection",
    ),
    "recovery dropped": (recovery_dropped, r"recovered \+ written off = claims .* at lab:ai21"),
    "licence fee paid twice": (fee_paid_twice, "proceeds of shares = payments .* at treasury:"),
    "price of a takeover paid twice": (price_paid_twice, "proceeds of shares = payments .* at treasury:"),
    "a holder skipped": (holder_skipped, "proceeds of shares = payments .* -> investor:"),
    "a hired team's lab billed": (dead_lab_billed("adept"), "nothing moves at a closed account .* at lab:adept"),
    "a lab taken over billed": (dead_lab_billed("cohere"), "nothing moves at a closed account .* at lab:cohere"),
    "a lab wound down billed": (dead_lab_billed("ai21"), "nothing moves at a closed account .* at lab:ai21"),
    "a dead lab pays": (dead_lab_pays, "nothing moves at a closed account .* at lab:ai21"),
    "a dead lab raises money": (dead_lab_raises, "nothing moves at a closed account .* at lab:adept"),
    "a dead lab keeps its holders": (dead_lab_keeps_holders, "an exited lab has no shareholders .* at adept"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_stops_the_market_and_is_named(fault: str, after_deals: Market) -> None:
    """Kills: an identity dropped, an audit without the share register, a market that goes on."""
    plant, message = FAULTS[fault]
    plant(after_deals)
    with pytest.raises(IdentityError, match=message):
        finish_quarter(after_deals, "check_identities")
    assert len(after_deals.records.tables()["market"]) == 4, "a quarter whose books are wrong is not recorded"


@pytest.mark.parametrize("lab", ["adept", "cohere", "ai21"])
def test_the_dead_are_not_billed_in_later_quarters_either(lab: str, after_deals: Market) -> None:
    """Kills: closed accounts forgotten when the next quarter's books open."""
    finish_quarter(after_deals, "check_identities")
    begin_quarter(after_deals, "check_identities")
    dead_lab_billed(lab)(after_deals)
    with pytest.raises(IdentityError, match=f"nothing moves at a closed account .* at lab:{lab}"):
        finish_quarter(after_deals, "check_identities")
