"""Faults planted in rounds, exits and mergers: share register and journal together find each one and name it."""

import math

import pytest

from sim.audit import IdentityError, check_equity, check_quarter, require_identities
from sim.equity import Register
from sim.journal import GATE, REST_OF_WORLD, Journal
from tests.faults import plants

NAMES = (REST_OF_WORLD, "cloud", "staff", "amazon", "openai", "mistral", "adept", "stability", "a16z", "microsoft")
LABS = ("openai", "mistral", "adept", "stability")
STAKES = {"founders": 0.75, "a16z": 0.25}


def small_market():
    """Quarter 1: openai raises 100, stability is wound down, amazon acqui-hires adept, openai merges with mistral."""
    journal = Journal(NAMES)
    account = journal.account
    register = Register(
        {lab: account[lab] for lab in LABS},
        {fund: account[fund] for fund in ("a16z", "microsoft")},
        {"treasury:amazon": account["amazon"]},
    )
    for lab in LABS:
        register.found(lab, STAKES)
    journal.begin(0)
    register.begin(0)
    for name in ("amazon", "openai", "mistral", "adept", "a16z", "microsoft"):
        journal.pay("opening_balance", REST_OF_WORLD, name, 500.0)
    journal.pay("opening_balance", REST_OF_WORLD, "stability", 50.0)
    journal.owe("trade_debt", "stability", "cloud", 90.0)
    journal.owe("trade_debt", "mistral", "cloud", 30.0)
    raise_money(journal, register, "mistral", cash=60.0, credit=40.0)
    require_identities(journal, 0, register)
    journal.begin(1)
    register.begin(1)
    raise_money(journal, register, "openai", cash=75.0, credit=25.0)
    wind_down_stability(journal, register)
    acquihire_adept(journal, register)
    merge_mistral(journal, register)
    journal.pay("capital_call", REST_OF_WORLD, "a16z", 10.0)
    journal.pay("fund_distribution", "a16z", REST_OF_WORLD, 50.0)
    return journal, register


def raise_money(journal, register, lab, cash, credit):
    journal.pay("equity", "a16z", lab, cash)
    journal.grant_credit("microsoft", lab, credit)
    assert register.issue(lab, 900.0, {"a16z": cash, "microsoft": credit}) == 1000.0


def wind_down_stability(journal, register):
    journal.recover("stability", "cloud", 50.0)
    journal.forgive("write_off", "stability", "cloud", 40.0)
    journal.close_account("stability")
    register.retire("stability", {}, journal.account["stability"])


def acquihire_adept(journal, register):
    """Amazon pays 200 for the licence; adept's own cash goes to its holders."""
    for purpose, payer, usd in (("distribution", "adept", 500.0), ("licence_fee", "amazon", 200.0)):
        shares = register.by_stake("adept", usd)
        journal.pay(purpose, payer, REST_OF_WORLD, shares["founders"])
        journal.pay(purpose, payer, "a16z", shares["a16z"])
        register.pay_out("adept", shares, journal.account[payer])
    journal.close_account("adept")
    register.retire("adept", {}, journal.account["amazon"])


def merge_mistral(journal, register):
    """Openai, worth 1,000, takes over mistral for 200 in stock, with its cash, debt and credits."""
    assert journal.assume_debt("mistral", "openai") == 30.0
    assert journal.transfer_credit("mistral", "openai") == 40.0
    journal.pay("cash_acquired", "mistral", "openai", float(journal.cash[journal.account["mistral"]]))
    journal.close_account("mistral")
    assert register.swap("mistral", "openai", 200.0, 1000.0) == 1200.0


def broken(journal, register):
    quarter = register.quarter
    residuals = [*check_quarter(journal, quarter), *check_equity(register, journal, quarter)]
    return {r.name: r for r in residuals if r.broken}


def test_the_market_without_faults_passes():
    """Kills: an audit that cries wolf, which would make every test below pass."""
    journal, register = small_market()
    assert broken(journal, register) == {}
    assert len(require_identities(journal, 1, register)) == len(require_identities(journal, 1)) + 7
    assert journal.claims("openai") == {journal.account["cloud"]: 30.0}
    assert journal.credit("openai") == 65.0
    assert register.stakes("openai")["founders"] == pytest.approx(0.75 * 0.9 / 1.2 + 0.75 * 0.9 * 0.2 / 1.2)
    journal.begin(2)
    register.begin(2)
    require_identities(journal, 2, register)


def test_the_error_says_whose_shares_are_wrong():
    """Kills: the register left out of the error that stops a run; an error that doesn't say shares or USD."""
    journal, register = small_market()
    plants.keep_stake(register, "openai", "founders", 0.75)
    with pytest.raises(IdentityError, match=r"cap tables sum to 1 is off by 0\.\d+ of the shares .* at openai"):
        require_identities(journal, 1, register)
    require_identities(journal, 1)


def another_credit(journal, register):
    journal.grant_credit("microsoft", "openai", 25.0)


def another_merger_payment(journal, register):
    journal.pay("purchase", "openai", "a16z", 50.0)


def raise_without_shares(journal, register):
    journal.pay("equity", "a16z", "openai", 5.0)


def pay_staff_from_fund(journal, register):
    journal.settle("staff", "a16z", "staff", 5.0)


def keep_dead_labs_shares(journal, register):
    """As if `retire` had been forgotten for stability."""
    table = plants.take_back(register, "stability")
    assert table.outstanding == 1.0


TABLES = {"cap tables sum to 1", "share register roll-forward"}
DEAD = {"nothing moves at a closed account", "nothing is left at a closed account"}
ISSUED = {"shares issued = cash and credits paid"}
PROCEEDS = {"proceeds of shares = payments"}

FAULTS = {
    "equity not diluted": (
        lambda j, r: plants.keep_stake(r, "openai", "founders", 0.75),
        TABLES,
        "openai",
        0.75 - 0.75 * 0.9 * 1.2 / 1.2,
    ),
    "shares that nobody holds": (
        lambda j, r: plants.inflate_total(r, "openai", 1.25),
        TABLES,
        "openai",
        0.2,
    ),
    "shares from nowhere": (
        lambda j, r: plants.grant_shares(r, "openai", "a16z", 4 / 3),
        {"share register roll-forward"},
        "openai",
        0.5,
    ),
    "shares sold below the price": (
        lambda j, r: plants.sell_below_price(r, "openai"),
        {"post-money = pre-money + investment"},
        "openai",
        20.0,
    ),
    "buyers mixed up": (
        lambda j, r: plants.mix_up_buyers(r, "openai"),
        {"post-money = pre-money + investment"},
        "openai",
        50.0,
    ),
    "money without shares": (raise_without_shares, ISSUED, "a16z -> openai", 5.0),
    "credit granted twice in the books": (another_credit, ISSUED, "microsoft -> openai", 25.0),
    "credit counted twice in the ledger": (
        lambda j, r: (
            plants.count_credit_twice(j, "microsoft", "openai", 25.0),
            r.issue("openai", 900.0, {"microsoft": 25.0}),
        ),
        {"credit roll-forward", "credits are assets"},
        "microsoft -> openai",
        25.0,
    ),
    "credit of a merged lab counted twice": (
        lambda j, r: plants.take_over_credit_twice(j, "microsoft", "openai", 40.0),
        {"credits received = credits transferred"},
        "microsoft",
        40.0,
    ),
    "debt lost in a merger": (
        lambda j, r: plants.lose_debt_in_merger(j),
        {"debt assumed = debt transferred"},
        "cloud",
        30.0,
    ),
    "debt kept in a merger": (
        lambda j, r: plants.keep_debt_in_merger(j),
        {"debt assumed = debt transferred", "recovered + written off = claims"},
        "mistral",
        30.0,
    ),
    "recovery dropped": (
        lambda j, r: plants.drop_recovery_of_debt(j, "stability"),
        {"debt paid in cash falls as much", "recovered + written off = claims"},
        "stability",
        50.0,
    ),
    "acquirer pays twice": (
        lambda j, r: plants.pay_invoice_again(j, "licence_fee"),
        PROCEEDS,
        "amazon -> rest_of_world",
        150.0,
    ),
    "price paid in cash and in stock": (another_merger_payment, PROCEEDS, "openai -> a16z", 50.0),
    "holder skipped": (lambda j, r: plants.skip_payment(j, "licence_fee", "a16z"), PROCEEDS, "amazon -> a16z", 50.0),
    "holder of an estate skipped": (
        lambda j, r: plants.skip_payment(j, "distribution", "a16z"),
        PROCEEDS | {"nothing is left at a closed account"},
        "adept",
        125.0,
    ),
    "dead lab billed": (lambda j, r: plants.bill_closed_account(j, "cloud", "adept", 5.0), DEAD, "adept", 10.0),
    "dead lab keeps its shareholders": (
        keep_dead_labs_shares,
        {"share register roll-forward", "an exited lab has no shareholders"},
        "stability",
        1.0,
    ),
    "fund pays for what is no investment": (pay_staff_from_fund, {"fund roll-forward"}, "a16z", 5.0),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_breaks_its_identities_and_no_other(fault):
    """Kills: an identity dropped, one that repeats what the register was told, or one blurred with its neighbours."""
    plant, identities, agent, size = FAULTS[fault]
    journal, register = small_market()
    plant(journal, register)
    found = broken(journal, register)
    assert set(found) == identities
    assert any(agent in r.agent for r in found.values())
    assert max(r.residual for r in found.values()) == pytest.approx(size)


def test_new_shares_that_were_forgotten_are_found():
    """A round's money comes in and is noted, but the old holders keep all."""
    journal, register = small_market()
    journal.begin(2)
    register.begin(2)
    raise_money(journal, register, "openai", cash=50.0, credit=50.0)
    plants.forget_new_shares(register, "openai")
    assert set(broken(journal, register)) == {"share register roll-forward"}


def test_a_stake_that_is_no_number_is_found():
    """Kills: a NaN that passes every comparison, or hides behind a gap of zero."""
    journal, register = small_market()
    plants.keep_stake(register, "openai", "founders", math.nan)
    assert set(broken(journal, register)) == TABLES


def test_the_gate_counts_what_labs_are_worth():
    """A round at 1e15 USD is rounded to a tenth of a dollar in a journal of thousands. Kills: a gate of cash alone."""
    journal, register = small_market()
    for gate in {r.gate for r in check_equity(register, journal, 1) if r.unit == "USD"}:
        assert gate == pytest.approx(check_quarter(journal, 1)[0].gate + GATE * 1200.0)
    journal.begin(2)
    register.begin(2)
    post = register.issue("openai", 1e15 / 3, {"a16z": 7.0, "microsoft": 1.1})
    journal.pay("equity", "a16z", "openai", 7.0)
    journal.pay("equity", "microsoft", "openai", 1.1)
    found = check_equity(register, journal, 2)
    assert {r.name for r in found if r.broken} == set()
    assert {r.gate for r in found if r.unit == "USD"} == {check_quarter(journal, 2)[0].gate + GATE * post}


def test_credits_must_lapse_with_their_holder():
    """Kills: an issuer that goes on owing compute to a lab that is gone."""
    for lapse in (True, False):
        journal, register = small_market()
        journal.begin(2)
        register.begin(2)
        journal.grant_credit("microsoft", "openai", 25.0)
        register.issue("openai", 75.0, {"microsoft": 25.0})
        journal.recover("openai", "cloud", 30.0)
        cash = float(journal.cash[journal.account["openai"]])
        left = dict.fromkeys(register.stakes("openai"), 0.0) | {"a16z": cash}
        journal.pay("distribution", "openai", "a16z", cash)
        if lapse:
            assert journal.lapse_credit("openai") == 90.0
        journal.close_account("openai")
        register.retire("openai", left, journal.account["openai"])
        found = [(r.name, r.agent, r.residual) for r in broken(journal, register).values()]
        assert found == ([] if lapse else [("nothing is left at a closed account", "openai", 90.0)])


def test_the_register_must_be_in_the_quarter_it_is_audited_for():
    """Kills: last quarter's entries held against this quarter's payments."""
    journal, register = small_market()
    journal.begin(2)
    with pytest.raises(ValueError, match="the share register is in quarter 1, not 2"):
        check_equity(register, journal, 2)
