"""The share register: shares are counted, so that dilution, mergers and exits follow by themselves."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.economics.finance import dilute
from sim.equity import Register

LABS = {"openai": 1, "mistral": 2, "adept": 3}
TREASURY = 9


def register_with(**founders):
    """A register in quarter 0 whose labs (default: openai) are held by founders alone."""
    register = Register(LABS, {"a16z": 4, "microsoft": 5}, {"treasury:google": 6})
    for lab, holders in (founders or {"openai": {"founders": 1.0}}).items():
        register.found(lab, holders)
    register.begin(0)
    return register


def tables_agree(register):
    """Live tables are what opening tables and entries say, to the last bit."""
    return dict(register.tables) == dict(register.rolled())


# ---- rounds


def test_five_rounds_of_a_fifth_leave_the_founder_0_32768():
    """Kills: dilution by amount / pre-money, stakes of earlier backers kept, shares priced at post-money."""
    register = register_with()
    for number in range(5):
        assert register.issue("openai", 80.0 * 10**number, {"a16z": 20.0 * 10**number}) == 100.0 * 10**number
    stakes = register.stakes("openai")
    assert stakes["founders"] == pytest.approx(0.32768, rel=1e-14)
    assert stakes["founders"] == pytest.approx(float(dilute([1.0], 0.2)[0]) ** 5, rel=1e-14)
    assert stakes["a16z"] == pytest.approx(1.0 - 0.32768, rel=1e-14)
    assert tables_agree(register)


def test_pre_and_post_money():
    """Kills: post = pre, investors' stake over pre-money, two investors' stakes swapped."""
    register = register_with()
    assert register.issue("openai", 300.0, {"microsoft": 75.0, "a16z": 25.0}) == 400.0
    assert register.stakes("openai") == pytest.approx({"a16z": 0.0625, "founders": 0.75, "microsoft": 0.1875})
    (round_,) = register.rounds
    assert (round_.lab, round_.pre_money, round_.invested) == ("openai", 300.0, 100.0)
    assert round_.shares_after / round_.shares_before == pytest.approx(4.0 / 3.0)


def test_a_down_round_dilutes_more():
    """Kills: a price that follows the last round. 400 after the first; then 100 at 100 pre-money is half of it."""
    register = register_with()
    register.issue("openai", 300.0, {"a16z": 100.0})
    register.issue("openai", 100.0, {"microsoft": 100.0})
    assert register.stakes("openai") == pytest.approx({"a16z": 0.125, "founders": 0.375, "microsoft": 0.5})


def test_a_holder_who_buys_again_holds_both_lots():
    """Kills: the second purchase replacing the first."""
    register = register_with()
    register.issue("openai", 100.0, {"a16z": 100.0})
    register.issue("openai", 200.0, {"a16z": 200.0})
    assert register.stakes("openai") == pytest.approx({"a16z": 0.75, "founders": 0.25})


def test_the_order_in_which_buyers_are_named_changes_no_bit():
    one, other = register_with(), register_with()
    paid = {"a16z": 0.1, "microsoft": 0.2, "founders": 0.3, "angels": 0.7}
    values = [r.issue("openai", 3.3, p) for r, p in ((one, paid), (other, dict(reversed(paid.items()))))]
    assert values[0] == values[1]
    assert list(one.stakes("openai").items()) == list(other.stakes("openai").items())
    assert one.entries(0) == other.entries(0)


ROUNDS = st.lists(
    st.tuples(st.floats(1e3, 1e12), st.dictionaries(st.sampled_from("abcdef"), st.floats(1.0, 1e12), min_size=1)),
    max_size=30,
)


@given(rounds=ROUNDS)
def test_stakes_sum_to_one_whatever_is_sold(rounds):
    """To 1e-12 after thirty rounds of any size. Kills: a total that drifts away from the holders' shares."""
    register = register_with()
    for quarter, (pre_money, paid) in enumerate(rounds, start=1):
        register.begin(quarter)
        before = register.stakes("openai")
        post = register.issue("openai", pre_money, paid)
        after = register.stakes("openai")
        assert sum(after.values()) == pytest.approx(1.0, abs=1e-12)
        for holder, stake in after.items():
            expected = (before.get(holder, 0.0) * pre_money + paid.get(holder, 0.0)) / post
            assert stake == pytest.approx(expected, rel=1e-9, abs=1e-15)
        assert tables_agree(register)


# ---- mergers and exits


def test_a_stock_swap_keeps_everybodys_value():
    """300 of mistral into openai worth 900: each holder is worth after what it was worth before, 1,200 in all.

    Kills: new shares priced at post-money, the acquirer's holders not diluted, a target's holder forgotten.
    """
    register = register_with(openai={"founders": 0.6, "a16z": 0.4}, mistral={"guillaume": 0.5, "a16z": 0.5})
    before = {"founders": 540.0, "a16z": 360.0 + 150.0, "guillaume": 150.0}
    assert register.swap("mistral", "openai", 300.0, 900.0) == 1200.0
    stakes = register.stakes("openai")
    assert {holder: stake * 1200.0 for holder, stake in stakes.items()} == pytest.approx(before)
    assert sum(stakes.values()) == pytest.approx(1.0, abs=1e-12)
    assert register.stakes("mistral") == {}
    assert set(register.tables) == {"openai"}
    assert tables_agree(register)


def test_proceeds_are_noted_with_their_payer_and_the_register_ends():
    """A licence fee from a treasury, what is left from the lab itself. Kills: one payer overwriting the other."""
    register = register_with(adept={"founders": 0.75, "a16z": 0.25})
    assert register.by_stake("adept", 80.0) == {"a16z": 20.0, "founders": 60.0}
    register.pay_out("adept", register.by_stake("adept", 80.0), LABS["adept"])
    register.retire("adept", {"founders": 300.0, "a16z": 100.0}, TREASURY)
    noted = [(e.holder, e.usd, e.payer) for e in register.entries(0) if e.kind == "proceeds"]
    own, treasury = LABS["adept"], TREASURY
    assert noted == [
        ("a16z", 20.0, own),
        ("founders", 60.0, own),
        ("a16z", 100.0, treasury),
        ("founders", 300.0, treasury),
    ]
    assert register.stakes("adept") == {}
    assert "adept" not in register.tables
    assert tables_agree(register)


# ---- quarters


def test_entries_stay_with_their_quarter():
    """Kills: a quarter's entries lost, shown again in the next, or changed by the reader."""
    register = register_with()
    register.issue("openai", 10.0, {"a16z": 1.0})
    register.begin(3)
    assert register.entries(3) == []
    assert register.rounds == ()
    register.found("mistral", {"founders": 0.5, "a16z": 0.5})
    register.entries(3).clear()
    assert [(e.kind, e.holder) for e in register.entries(3)] == [("founded", "a16z"), ("founded", "founders")]
    assert [(e.quarter, e.kind, e.lab, e.holder, e.usd) for e in register.entries(0)] == [
        (0, "issued", "openai", "a16z", 1.0)
    ]
    assert tables_agree(register)


def test_opening_tables_come_from_the_entries_and_not_from_the_live_ones():
    """Kills: a quarter that begins with whatever was tampered with before."""
    register = register_with()
    register.tables["openai"].shares["founders"] = 0.5
    register.begin(1)
    assert register.rolled()["openai"].shares == {"founders": 1.0}
    assert not tables_agree(register)


def test_founding_stakes_are_parts_of_a_whole():
    """Thirds written with ten digits sum to 1. Kills: stakes that keep the rounding of their file."""
    register = register_with(openai=dict.fromkeys(("a", "b", "c"), 0.3333333333))
    assert sum(register.stakes("openai").values()) == pytest.approx(1.0, abs=1e-12)


def test_accounts_of_holders():
    """Funds and parents have accounts of their own; people are the rest of the world."""
    register = register_with()
    assert [register.account_of(name, 0) for name in ("a16z", "treasury:google", "founders")] == [4, 6, 0]


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda r: r.found("openai", {"a16z": 1.0}), "openai has had a share register already"),
        (lambda r: r.found("adept", {"a16z": 0.5}), "sum to 0.5: they must sum to 1"),
        (lambda r: r.found("adept", {"a16z": 1.5, "founders": -0.5}), "stakes in adept of founders is -0.5"),
        (lambda r: r.found("adept", {}), "nobody is named"),
        (lambda r: r.found("xai", {"a16z": 1.0}), "xai has no account"),
        (lambda r: r.issue("openai", 0.0, {"a16z": 1.0}), "pre-money of openai is 0.0"),
        (lambda r: r.issue("openai", math.nan, {"a16z": 1.0}), "pre-money of openai is nan"),
        (lambda r: r.issue("openai", 1.0, {"a16z": 1.0, "microsoft": 0.0}), "of microsoft is 0.0"),
        (lambda r: r.issue("openai", 1.0, {"a16z": math.inf}), "of a16z is inf"),
        (lambda r: r.issue("openai", 1.0, {}), "nobody is named"),
        (lambda r: r.issue("adept", 1.0, {"a16z": 1.0}), "adept has no share register$"),
        (lambda r: r.swap("openai", "openai", 1.0, 1.0), "can't take itself over"),
        (lambda r: r.swap("mistral", "openai", 0.0, 1.0), "is 0.0: it must be positive"),
        (lambda r: r.swap("mistral", "adept", 1.0, 1.0), "adept has no share register"),
        (lambda r: r.pay_out("openai", {"a16z": 1.0}, TREASURY), "a16z holds no share of openai"),
        (lambda r: r.retire("openai", {"founders": -1.0}, TREASURY), "proceeds of founders from openai are -1.0"),
        (lambda r: r.retire("openai", {"founders": math.inf}, TREASURY), "proceeds of founders from openai are inf"),
        (lambda r: r.stakes("adept"), "adept has no share register"),
        (lambda r: r.entries(7), "no quarter 7"),
        (lambda r: r.begin(0), "quarter 0 can't begin after quarter 0"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(call, reason):
    register = register_with(openai={"founders": 1.0}, mistral={"founders": 1.0})
    with pytest.raises(ValueError, match=reason):
        call(register)
    assert register.entries(0) == []
    assert register.stakes("openai") == register.stakes("mistral") == {"founders": 1.0}
    assert tables_agree(register)


def test_an_ended_register_stays_ended():
    """Kills: a dead lab that raises money, is paid out or founded again."""
    register = register_with()
    register.retire("openai", {}, TREASURY)
    for call in (
        lambda: register.issue("openai", 1.0, {"a16z": 1.0}),
        lambda: register.pay_out("openai", {}, TREASURY),
        lambda: register.retire("openai", {}, TREASURY),
    ):
        with pytest.raises(ValueError, match="no share register any more"):
            call()
    with pytest.raises(ValueError, match="has had a share register already"):
        register.found("openai", {"a16z": 1.0})


def test_only_founding_comes_before_the_first_quarter():
    register = Register(LABS, {}, {})
    register.found("openai", {"founders": 1.0})
    for call in (
        lambda: register.issue("openai", 1.0, {"a16z": 1.0}),
        lambda: register.retire("openai", {"founders": 1.0}, TREASURY),
    ):
        with pytest.raises(ValueError, match="no quarter has begun"):
            call()
    assert register.quarter is None
    register.begin(5)
    assert register.entries(5) == []
    assert register.stakes("openai") == {"founders": 1.0}
