"""Stories of labs: every number of a story is reckoned again from the tables, and the words carry those numbers."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from analysis import explain
from analysis.figures.reading import dollars
from sim.quarters import quarter_number
from sim.runs import run


def tables_of(result, *more):
    shares = result.shares("api_spend", "lab").stack().rename("share")
    tidy = shares.rename_axis([*shares.index.names[:-1], "key"]).reset_index()
    tidy = tidy.assign(by="lab", lens="api_spend", population="all")
    wanted = ("labs", "events", "stakes", "investments", *more)
    return {name: result.table(name) for name in wanted} | {"shares": tidy}


@pytest.fixture(scope="module")
def tables(controlled):
    read = tables_of(controlled)
    index = {
        "rows": read["labs"].set_index(["replication", "lab", "quarter"]).sort_index(),
        "api_share": read["shares"].set_index(["replication", "quarter", "key"])["share"],
    }
    return read | index  # the story knows nothing of the last two, which only the tests look into


def exits(tables, kinds=explain.EXITS):
    events = tables["events"]
    return [(row.replication, row.lab, row.kind) for row in events[events["kind"].isin(kinds)].itertuples()]


def row_of(tables, lab, seed, quarter):
    return tables["rows"].loc[(seed, lab, quarter)]


def share_of(tables, lab, seed, quarter):
    return tables["api_share"].get((seed, quarter, lab))


def check_state(tables, lab, seed, state):
    row = row_of(tables, lab, seed, state.quarter)
    assert state.status == row["status"] and state.cash_usd == row["cash_usd"]
    assert state.burn_usd == pytest.approx(row["cost_usd"] - row["revenue_usd"] - row["parent_transfer_usd"])
    runway = row["runway_quarters"]
    assert state.runway_quarters == (None if np.isnan(runway) else runway)
    assert state.api_share == share_of(tables, lab, seed, state.quarter)


def test_every_number_of_every_story_can_be_reckoned_again(tables):
    """All labs of all seeds. Kills: another seed's rows, a shifted quarter, a state after the end."""
    assert explain.HORIZONS == (2, 4)
    told = 0
    labs = tables["labs"].drop_duplicates(["replication", "lab"])
    for seed, lab in zip(labs["replication"], labs["lab"], strict=True):
        try:
            story = explain.story(tables, lab, seed)
        except explain.ExplainError as error:
            assert "never entered" in str(error)
            continue
        told += 1
        gone = labs_of(tables, lab, seed, "exited")
        for step in story.steps:
            at = quarter_number(step.last_quarter)
            expected = [at + h for h in (0, *explain.HORIZONS)]
            last = quarter_number(gone[0] if gone else "2028Q4")
            wanted = sorted({min(e, last) for e in expected if gone or e <= last})
            assert [quarter_number(state.quarter) for state in step.after] == wanted, (lab, step)
            for state in step.after:
                check_state(tables, lab, seed, state)
            if step.before is not None:
                assert quarter_number(step.before.quarter) == quarter_number(step.quarter) - 1
                check_state(tables, lab, seed, step.before)
        check_state(tables, lab, seed, story.ending.last)
    assert told > 80


def labs_of(tables, lab, seed, status):
    labs = tables["labs"]
    rows = labs[(labs["lab"] == lab) & (labs["replication"] == seed) & (labs["status"] == status)]
    return sorted(rows["quarter"])


def test_decisions_carry_the_numbers_they_saw(tables):
    """Kills: numbers of another event, events left out, an order other than that of the ledger."""
    events = tables["events"]
    for seed, lab, _ in exits(tables):
        mine = events[(events["replication"] == seed) & (events["lab"] == lab) & (events["kind"] != "release")]
        story = explain.story(tables, lab, seed)
        steps = [step for step in story.steps if step.kind != "release" and step.role == "subject"]
        assert [(s.quarter, s.kind, s.cause, s.amount_usd, s.numbers) for s in steps] == [
            (r.quarter, r.kind, r.cause, r.amount_usd, json.loads(r.numbers)) for r in mine.itertuples()
        ]
        text = " ".join(explain.as_text(story).split())
        for row in mine.itertuples():
            assert f"why: {row.cause}." in text
            for name, value in json.loads(row.numbers).items():
                assert f"{explain.label_text(name)} {explain.value_text(name, value)}" in text


def test_text_has_the_states_that_followed(tables):
    """Kills: before and after exchanged, quarters for years, a share as a fraction."""
    seed, lab, _ = exits(tables)[0]
    story = explain.story(tables, lab, seed)
    text = explain.as_text(story)
    for step in story.steps:
        if step.kind == "release":
            continue
        for state in step.after:
            line = next(x for x in text.splitlines() if x.strip().startswith(f"{state.quarter}, "))
            if state.status == "exited":
                assert any(x.endswith(": gone") and state.quarter in x for x in text.splitlines())
                continue
            assert f"cash {dollars(state.cash_usd)}" in text and "% of API spend" in line
            assert f"{state.quarter}, " in text


def test_proceeds_are_stakes_times_the_amount(tables):
    """Kills: the first cap table instead of the last; proceeds made up for a wind-down that does not tell them."""
    paying = exits(tables, explain.PAYING_EXITS)
    assert paying
    for seed, lab, _ in paying:
        ending = explain.story(tables, lab, seed).ending
        stakes = tables["stakes"]
        mine = stakes[(stakes["replication"] == seed) & (stakes["lab"] == lab)]
        last = mine[mine["quarter"] == mine["quarter"].max()].set_index("holder")["stake"]
        assert ending.proceeds_usd == pytest.approx((last * ending.amount_usd).to_dict())
        assert sum(ending.proceeds_usd.values()) == pytest.approx(1.8e8)
        text = " ".join(explain.as_text(explain.story(tables, lab, seed)).split())
        founders = f"founders {dollars(last['founders'] * 1.8e8)} ({100 * last['founders']:.1f} %)"
        assert founders in text and "Of $180 m the shareholders got" in text
    for seed, lab, _ in exits(tables, ("winddown",)):
        story = explain.story(tables, lab, seed)
        assert story.ending.proceeds_usd is None
        if story.ending.stakes:
            assert "what they got is not on record" in " ".join(explain.as_text(story).split())


@pytest.mark.parametrize(("paid", "words"), [(5e6, "Of $5 m the shareholders got: founders"), (0.0, "got nothing")])
def test_an_exit_that_tells_what_shareholders_got_is_believed(tables, paid, words):
    """Kills: debts of a wind-down called proceeds; zero called unknown; the licence fee instead of what arrived."""
    events = tables["events"].copy()
    seed, lab, kind = next(e for e in exits(tables) if e[1] in set(tables["stakes"]["lab"]))
    at = (events["replication"] == seed) & (events["lab"] == lab) & (events["kind"] == kind)
    events.loc[at, "numbers"] = json.dumps({explain.PROCEEDS: paid})
    story = explain.story({**tables, "events": events}, lab, seed)
    assert sum(story.ending.proceeds_usd.values()) == pytest.approx(paid)
    assert words in " ".join(explain.as_text(story).split())


def test_releases_between_decisions_are_one_line(tables):
    """Kills: a line for each release; releases folded across a decision; the last capability instead of the best."""
    seed = int(tables["labs"]["replication"].iloc[0])
    story = explain.story(tables, "openai", seed)
    kinds = [step.kind for step in story.steps]
    assert all(not (a == b == "release") for a, b in zip(kinds, kinds[1:], strict=False))
    events = tables["events"]
    mine = events[(events["replication"] == seed) & (events["lab"] == "openai")]
    assert sum(step.count for step in story.steps if step.kind == "release") == (mine["kind"] == "release").sum()
    base = next(step for step in story.steps if step.kind == "release")
    levels = [1.5, 2.5, 2.0]
    row = [replace(base, count=1, numbers={"capability_oom": x, "licence": f"closed/{x > 2}"}) for x in levels]
    (folded,) = explain.fold_releases(row)
    assert folded.count == 3 and folded.numbers == {"capability_oom": 2.5, "licence": "closed/False, closed/True"}
    assert "made 3 releases; best model 2.5 OOM, flagship/small weights closed/F" in explain.step_lines(folded)[0]


def test_best_capability_comes_from_the_labs_when_the_event_does_not_tell_it(tables):
    """Kills: a release without a capability because its event has no numbers."""
    bare = tables["events"].assign(numbers="")
    story = explain.story({**tables, "events": bare}, "openai", None)
    release = next(step for step in story.steps if step.kind == "release")
    row = row_of(tables, "openai", story.replication, release.last_quarter)
    assert release.numbers == {"capability_oom": row["capability_oom"], "licence": row["release_policy"]}


def test_an_acquirer_has_its_deals_in_its_story(tables):
    """Kills: a giant's story without what it bought; the target's step told as the buyer's own end."""
    events = tables["events"]
    deals = events[events["kind"].isin(explain.PAYING_EXITS)]
    deal = next(d for d in deals.itertuples() if d.counterparty in set(tables["labs"]["lab"]))
    story = explain.story(tables, deal.counterparty, deal.replication)
    step = next(s for s in story.steps if s.counterparty == deal.lab and s.kind == deal.kind)
    assert step.role == "counterparty"
    assert step.what.startswith(("hired away the team of", "took over")) and dollars(deal.amount_usd) in step.what
    assert story.ending.kind == "alive"


def test_a_giant_buys_for_its_lab_and_a_spin_out_is_told_on_both_sides(tables):
    """Kills: deals under the parent's id lost for its lab; the origin of an entrant left out."""
    events = tables["events"].copy()
    first = int(events["replication"].iloc[0])
    row = events[(events["replication"] == first) & (events["kind"] == "round")].index[0]
    target, quarter = events.loc[row, "lab"], events.loc[row, "quarter"]
    events.loc[row, ["kind", "counterparty"]] = ["acquihire", "high_flyer"]
    story = explain.story({**tables, "events": events}, "deepseek", first)
    step = next(s for s in story.steps if s.role == "counterparty" and s.quarter == quarter)
    assert (step.kind, step.counterparty) == ("acquihire", target) and "hired away the team of" in step.what
    events.loc[row, ["kind", "counterparty"]] = ["entry", "openai"]
    changed = {**tables, "events": events}
    told = [s.what for s in explain.story(changed, "openai", first).steps if s.role == "counterparty"]
    assert any("spin out of it" in what for what in told)
    assert any(s.what.endswith("spun out of OpenAI") for s in explain.story(changed, target, first).steps)


def test_before_entry_a_lab_is_not_gone(tables):
    """A founder's first round comes before its first model. Kills: "gone" for a lab that has yet to come."""
    events, labs = tables["events"].copy(), tables["labs"]
    late = labs[(labs["status"] == "active") & (labs["quarter"] == "2024Q1")]
    early = labs[(labs["status"] == "not_entered") & (labs["quarter"] == "2023Q4")]
    both = early.merge(late, on=["replication", "lab"])
    seed, lab = int(both["replication"].iloc[0]), both["lab"].iloc[0]
    row = events[(events["replication"] == seed) & (events["lab"] == lab)].index[0]
    events.loc[row, ["quarter", "kind"]] = ["2023Q3", "round"]
    text = explain.as_text(explain.story({**tables, "events": events}, lab, seed))
    assert "2023Q3, at its end: not yet in the market" in text and "2023Q3, at its end: gone" not in text


def test_creditors_who_lost_money_leave_shareholders_nothing(tables):
    """Kills: proceeds unknown where seniority tells them; nothing told where creditors were paid in full."""
    events = tables["events"].copy()
    seed, lab, _ = next(e for e in exits(tables, ("winddown",)) if e[1] in set(tables["stakes"]["lab"]))
    at = (events["replication"] == seed) & (events["lab"] == lab) & (events["kind"] == "winddown")
    for recovered, expected in ((2e7, 0.0), (3e7, None)):
        events.loc[at, "numbers"] = json.dumps({"debt_usd": 3e7, "recovered_usd": recovered})
        proceeds = explain.story({**tables, "events": events}, lab, seed).ending.proceeds_usd
        assert (None if proceeds is None else sum(proceeds.values())) == expected


def test_head_says_who_it_is(tables):
    """Kills: the state at the start called that of the end; a giant's lab called independent."""
    seed, lab, _ = exits(tables)[0]
    head = explain.head_text(explain.story(tables, lab, seed).head, seed)
    assert head.endswith("2028Q4: exited.") and f"({lab}), replication {seed}" in head and "independent" in head
    google = explain.story(tables, "google").head
    assert (google.owner, google.ownership, google.there_from_the_start) == ("google", "giant", True)
    assert "owned by Google (giant)" in explain.head_text(google, 4)


def test_a_quarter_has_its_events_and_the_whole_row_before_and_after(tables):
    """Kills: the row of another quarter; before and after exchanged; columns left out."""
    seed, lab, kind = exits(tables)[0]
    quarter = labs_of(tables, lab, seed, "exited")[0]
    told = explain.moment(tables, lab, quarter, seed)
    assert [step.kind for step in told.steps][-1] == kind and {step.quarter for step in told.steps} == {quarter}
    after = row_of(tables, lab, seed, quarter)
    assert set(told.after) == set(after.index) - {"name"} == set(told.before)
    assert told.after["status"] == "exited" and told.before["status"] == "active"
    assert told.before["cash_usd"] != told.after["cash_usd"] == after["cash_usd"]
    text = explain.moment_text(told)
    assert re.search(r"^status +active +exited", text, re.M) and re.search(r"^cash_usd .* USD$", text, re.M)
    first = explain.moment(tables, "openai", "2023Q1", seed)
    assert first.before is None and "No event in this quarter." in explain.moment_text(first)


@pytest.mark.parametrize(
    ("lab", "replication", "quarter", "message"),
    [
        ("opnai", None, None, "nearest: openai"),
        ("qqqq", None, None, "known: adept"),
        ("openai", 99, None, "no replication 99; the run has 4, 5, 6, 7"),
        ("openai", None, "2031Q1", "openai has no quarter '2031Q1'; its rows go from 2023Q1 to 2028Q4"),
        ("openai", None, "soon", "no quarter 'soon'"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(tables, lab, replication, quarter, message):
    """Kills: a KeyError, an empty story for a misspelt lab."""
    with pytest.raises(explain.ExplainError, match=re.escape(message)):
        if quarter is None:
            explain.story(tables, lab, replication)
        else:
            explain.moment(tables, lab, quarter, replication)


def test_a_lab_that_never_entered_has_no_story(tables):
    """Kills: a story of nothing."""
    labs = tables["labs"].copy()
    labs.loc[labs["lab"] == "tii", "status"] = "not_entered"
    with pytest.raises(explain.ExplainError, match="never entered"):
        explain.story({**tables, "labs": labs}, "tii")


def test_a_run_without_money_and_control_still_has_stories(tables):
    """Only labs and events without numbers. Kills: a story that needs tables of this version."""
    few = {"labs": tables["labs"], "events": tables["events"].drop(columns="numbers")}
    seed, lab, _ = exits(tables)[0]
    text = explain.as_text(explain.story(few, lab, seed))
    assert "saw:" not in text and "API spend" not in text and "why:" in text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("burn_usd_per_year", 3.1e8, "burn $310 m a year"),
        ("runway_quarters", 1.7, "runway 1.7 quarters"),
        ("runway_quarters", np.inf, "runway no limit"),
        ("pre_money_usd", 2e9, "pre money $2 bn"),
        ("value_usd_per_year", -4e7, "value -$40 m a year"),
        ("hhi_before", 1840.0, "HHI before 1,840"),
        ("hhi_change", -12.5, "HHI change -12.5"),
        ("capability_oom", 2.34, "capability 2.3 OOM"),
        ("sold_share", 0.2, "sold share 20.0 %"),
        ("success_probability", 0.031, "success probability 3.1 %"),
        ("price_usd_per_mtok", 2.5, "price $2.5 per Mtok"),
        ("revenue_multiple", 12.0, "revenue 12.0 x"),
        ("bidders", 3.0, "bidders 3"),
        ("demand_over_ask", 7.988, "demand over ask 7.99"),
        ("run_share_of_race", 0.1576, "run share of race 15.8 %"),
        ("knowledge_oom", -0.01, "knowledge 0.0 OOM"),
        ("runway_quarters", None, "runway no limit"),
        ("allowed", True, "allowed yes"),
        ("acquirer", "google", "acquirer google"),
        ("gap_months", None, "gap not defined"),
    ],
)
def test_numbers_are_written_with_the_unit_in_their_name(name, value, text):
    """Kills: a rate without its year, a share as a fraction, a minus behind the dollar sign."""
    assert f"{explain.label_text(name)} {explain.value_text(name, value)}" == text


def test_lines_do_not_break_a_number_from_its_unit():
    """Kills: a line that begins with % or bn; lines that are never broken."""
    for length in range(10, 90):
        lines = explain._wrapped("x" * length + " 27.5 % of $180 m; cash $1.2 bn and so on and on and on for long", 80)
        assert not any(re.match(r"\s*(%|m;|bn)", line) for line in lines)
        assert len(lines) > 1 and all(len(line) <= 80 + 12 for line in lines[1:])  # 12: a number with its unit


def test_json_is_plain_and_says_infinity(tables):
    """Kills: Infinity or NaN in JSON, numpy numbers, tuples lost."""
    story = explain.as_json(explain.story(tables, "google"))
    text = json.dumps(story, allow_nan=False)
    assert '"runway_quarters": "inf"' in text and story["head"]["lab"] == "google"
    seed, lab, _ = exits(tables)[0]
    told = json.loads(json.dumps(explain.as_json(explain.story(tables, lab, seed)), allow_nan=False))
    assert told["ending"]["kind"] in explain.EXITS and told["steps"][-1]["numbers"]["runway_quarters"] == 0.4
    quarter = labs_of(tables, lab, seed, "exited")[0]
    json.dumps(explain.as_json(explain.moment(tables, lab, quarter, seed)), allow_nan=False)


@pytest.fixture(scope="module")
def real(scenario):
    """The real market, 600 enterprises, six years: its tables."""
    result = run(scenario, seed=1, enterprises=600, until="2028Q4")
    read = tables_of(result, "investors")
    shares = read["shares"].assign(replication=1)
    return read | {
        "shares": shares,
        "rows": read["labs"].set_index(["replication", "lab", "quarter"]).sort_index(),
        "api_share": shares.set_index(["replication", "quarter", "key"])["share"],
    }


def test_the_story_of_the_first_lab_to_exit_reads_true(real):
    """A baseline run: each number of the text out of the tables, and holders' money against the investors' books.

    Kills: states of another quarter, numbers of another event, proceeds that investors did not receive.
    """
    events = real["events"]
    ends = events[events["kind"].isin(explain.EXITS)]
    assert len(ends), "a baseline run of six years has exits"
    lab, quarter = ends["lab"].iloc[0], ends["quarter"].iloc[0]
    story = explain.story(real, lab)
    text = " ".join(explain.as_text(story).split())
    for step in story.steps:
        for state in [*([step.before] if step.before else []), *step.after]:
            check_state(real, lab, 1, state)
            if state.status == "active" and step.kind != "release":
                row = real["rows"].loc[(1, lab, state.quarter)]
                burn = row["cost_usd"] - row["revenue_usd"] - row["parent_transfer_usd"]
                share = 100 * share_of(real, lab, 1, state.quarter)
                words = f"{'burn' if burn >= 0 else 'surplus'} {dollars(abs(burn))} a quarter, {share:.1f} % of API"
                assert f"cash {dollars(row['cash_usd'])}, {words}" in text
    for row in events[(events["lab"] == lab) & (events["kind"] != "release")].itertuples():
        assert row.cause.rstrip(".") in text
        for name, value in json.loads(row.numbers).items():
            assert f"{explain.label_text(name)} {explain.value_text(name, value)}" in text
    assert story.ending.quarter == quarter and f"{story.head.name} ended in {quarter}" in text


def test_holders_got_what_the_stories_say(real):
    """Quarters in which labs were sold for cash or wound up, and none for shares: stories against investors' books.

    Kills: the licence fee without the cash that was left, a holder skipped, stakes of another quarter.
    """
    books = real["investors"].pivot(index="quarter", columns="investor", values="proceeds_usd").sort_index()
    received = books.diff().fillna(books)
    ends = real["events"][real["events"]["kind"].isin(explain.EXITS)]
    compared = 0
    for quarter, rows in ends.groupby("quarter"):
        endings = [explain.story(real, lab).ending for lab in rows["lab"]]
        if rows["cause"].str.contains("in shares").any() or any(e.proceeds_usd is None for e in endings):
            continue
        told = {}
        for ending in endings:
            for holder, usd in ending.proceeds_usd.items():
                told[holder] = told.get(holder, 0.0) + usd
        for investor in received.columns:
            assert told.get(investor, 0.0) == pytest.approx(received.loc[quarter, investor], rel=1e-4, abs=1e3)
        compared += 1
    assert compared


def test_stand_in_tables_are_consistent(tables):
    """What the other tests stand on. Kills: stakes that do not sum to 1, rounds that are not their investments."""
    stakes = tables["stakes"].groupby(["replication", "lab", "quarter"])["stake"].sum()
    np.testing.assert_allclose(stakes, 1.0)
    rounds = tables["events"].query("kind == 'round'").set_index(["replication", "lab", "quarter"])["amount_usd"]
    paid = tables["investments"].groupby(["replication", "lab", "quarter"])["amount_usd"].sum()
    np.testing.assert_allclose(rounds.sort_index(), paid.sort_index())


def test_tables_are_read_from_a_folder(several, tmp_path):
    """Kills: shares of another lens; a table that an old folder does not have taken for damage."""
    folder = several.save(tmp_path / "run")
    tables = explain.read_tables(folder)
    assert {"labs", "events", "shares"} <= set(tables)
    assert explain._names(tables)["a16z"] == "Andreessen Horowitz" and explain._names(tables)["nvidia"] == "Nvidia"
    story = explain.story(tables, "stability", 5)
    assert story.ending.kind == "winddown" and story.ending.quarter == "2024Q4"
    state = story.steps[-1].before
    expected = several.shares("api_spend", "lab").loc[(5, state.quarter), "stability"]
    assert state.api_share == pytest.approx(expected)


def test_a_folder_without_events_says_what_to_do(several, tmp_path):
    """Kills: a traceback; advice without the command."""
    folder = several.save(tmp_path / "run")
    (folder / "events.parquet").unlink()
    with pytest.raises(explain.ExplainError, match="moatsim run baseline --out"):
        explain.read_tables(folder)
    with pytest.raises(explain.FolderError, match="not a run folder"):
        explain.read_tables(tmp_path)
