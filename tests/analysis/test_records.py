"""Records: declared columns, exact rows, cheap recording."""

from __future__ import annotations

import pickle
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import sim
from sim import runs
from sim.records import BY, COLUMNS, EVENT_KINDS, LENSES, POPULATIONS, Event, Records, ShareKeys, Words, share_keys

CONTRACT = {
    "market": """quarter hhi cr1 cr3 cr4 effective_labs open_share gap_months gap_elo record_training_cost_usd
        record_training_cost_2023usd api_spend_usd api_spend_enterprise_usd total_spend_usd tokens_mtok active_labs
        adoption adoption_us_firms price_of_2023q1_frontier_quality closed_flagship_price_usd_per_mtok
        subscale_exits_and_rescues share_of_large_enterprises_with_5_or_more_models""",
    "shares": "quarter population lens by key share",
    "labs": """quarter lab cash_usd runway_quarters revenue_usd training_usd capability_oom release_policy strategy
        valuation_usd loss_over_revenue status""",
    "funding": "quarter open_share_of_private_funding",
    "events": "quarter kind lab counterparty amount_usd cause",
    "switches": "quarter from from_openness to to_openness workloads sold spend_usd",
    "flows": "quarter payer payee purpose means usd",
}


def full_row(table, **values):
    row = {column.name: "x" if column.kind == "text" else 1 for column in COLUMNS[table]}
    return row | {"quarter": "2023Q1"} | values


@pytest.fixture
def records(scenario):
    return Records(["2023Q1", "2023Q2"], share_keys(scenario.parameters))


@pytest.mark.parametrize("table", sorted(CONTRACT))
def test_the_contract_s_columns_exist_once_with_unit_and_meaning(table):
    """Kills: a column renamed, declared twice, or without a unit."""
    names = [column.name for column in COLUMNS[table]]
    assert set(CONTRACT[table].split()) <= set(names)
    assert len(names) == len(set(names))
    assert all(column.unit and column.meaning for column in COLUMNS[table])


@pytest.mark.parametrize(
    ("method", "table"), [("market_row", "market"), ("lab_row", "labs"), ("funding_row", "funding")]
)
def test_a_row_has_exactly_the_declared_columns(records, method, table):
    """Kills: silently dropping an unknown column, or filling in a missing one."""
    row = full_row(table)
    getattr(records, method)(row)
    last = COLUMNS[table][-1].name
    with pytest.raises(KeyError, match="unknown column surprise"):
        getattr(records, method)(row | {"surprise": 1})
    del row[last]
    with pytest.raises(KeyError, match=f"missing column {last}"):
        getattr(records, method)(row)
    assert len(records.tables()[table]) == 1


def test_whole_columns_are_rows_one_under_the_other(records):
    """Kills: a second quarter that replaces the first, columns in another order than declared, a column left out."""
    words = ("a", "b", "c")
    text = {name: Words(np.array(codes), words) for name, codes in {"payer": [0, 1], "payee": [2, 0]}.items()}
    pieces = text | {"purpose": Words(np.array([1, 1]), ("api", "equity")), "means": Words(np.zeros(2, int), ("cash",))}
    for at, usd in ((0, 1.0), (1, 5.0)):
        quarter = Words(np.array([at, at]), records.quarters)
        records.columns("flows", pieces | {"quarter": quarter, "usd": np.array([usd, usd + 1.0])})
    flows = records.tables()["flows"]
    assert list(flows.columns) == [column.name for column in COLUMNS["flows"]]
    assert flows.quarter.tolist() == ["2023Q1", "2023Q1", "2023Q2", "2023Q2"]
    assert flows.usd.tolist() == [1.0, 2.0, 5.0, 6.0]
    assert (flows.payer + flows.payee + flows.purpose + flows.means).tolist() == ["acequitycash", "baequitycash"] * 2
    empty = Records(["2023Q1"], records.keys).tables()["flows"]
    assert (empty.dtypes == flows.dtypes).all()
    with pytest.raises(KeyError, match="missing column quarter, usd"):
        records.columns("flows", pieces)


def test_null_and_infinity_survive(records):
    """Kills: None as 0, and runway inf turned into null."""
    records.lab_row(full_row("labs", loss_over_revenue=None, runway_quarters=float("inf")))
    labs = records.tables()["labs"]
    assert labs["loss_over_revenue"].isna().all()
    assert np.isposinf(labs["runway_quarters"]).all()


def test_empty_tables_keep_columns_and_types(records):
    """Kills: a frame without rows that loses its columns, or whose numbers become objects."""
    for name, data in records.tables().items():
        assert list(data.columns) == [column.name for column in COLUMNS[name]]
        assert all(data[c.name].dtype.kind in "fi" for c in COLUMNS[name] if c.kind != "text")


def test_events_are_of_a_known_kind(records):
    """Kills: no validation of the kind, a shock that does not say which, another kind that says it is one."""
    with pytest.raises(ValueError, match="unknown event kind 'bankrupt'"):
        Event("2023Q1", "bankrupt", "openai")
    for kind, what in (("shock", ""), ("shock", "end"), ("merger", "incident"), ("merger", "sale")):
        with pytest.raises(ValueError, match=f"an event '{kind}' cannot be '{what}'"):
            Event("2023Q1", kind, "openai", what=what)
    for kind in EVENT_KINDS:
        what = "begins" if kind == "shock" else ""
        told = Event("2023Q1", kind, "openai", amount_usd=2.0, cause="because", numbers='{"debt_usd": 1.0}', what=what)
        records.event(told)
    events = records.tables()["events"]
    assert list(events["kind"]) == list(EVENT_KINDS)
    assert list(events.iloc[0]) == ["2023Q1", "release", "openai", "", 2.0, "because", '{"debt_usd": 1.0}', ""]
    assert Event("2023Q1", "release", "openai").numbers == "{}"


def test_share_blocks_keep_their_place(records):
    """Kills: swapped axes in the tidy table."""
    block = np.arange(len(POPULATIONS) * len(LENSES) * len(records.keys), dtype=float)
    block = block.reshape(len(POPULATIONS), len(LENSES), len(records.keys))
    records.share_block(-block)
    records.share_block(block)
    tidy = records.share_table()
    assert len(tidy) == 2 * block.size
    chosen = tidy.query(
        "quarter == '2023Q2' and population == 'large' and lens == 'tokens' and by == 'mode' and key == 'edge'"
    )
    place = (list(POPULATIONS).index("large"), LENSES.index("tokens"), records.keys.position("mode", "edge"))
    assert chosen["share"].tolist() == [block[place]]
    with pytest.raises(ValueError, match="shape"):
        records.share_block(block[:, :, 1:])
    with pytest.raises(IndexError):
        records.share_block(block)


def test_the_vocabulary_is_contiguous_and_complete(scenario):
    """Kills: a lab without a key, an owner that is only a parent left out, keys of one `by` scattered."""
    keys = share_keys(scenario.parameters)
    assert {by for by, _ in keys.pairs} == set(BY)
    assert keys.keys("lab") == (*sorted(scenario.parameters.labs), "community")
    parents = {lab.parent for lab in scenario.parameters.labs.values() if lab.parent}
    assert parents <= set(keys.keys("owner"))
    for by in BY:
        where = keys.index(by)
        assert [keys.position(by, key) for key in keys.keys(by)] == list(range(where.start, where.stop))
    with pytest.raises(ValueError, match="side by side"):
        ShareKeys((("lab", "a"), ("mode", "b"), ("lab", "c"))).index("lab")


def test_recording_a_run_is_cheap(scenario):
    """40 quarters x 26 labs under 15 ms (best of five). Kills: a data frame built per row."""
    quarters = [f"{year}Q{quarter}" for year in range(2023, 2033) for quarter in range(1, 5)]
    keys = share_keys(scenario.parameters)
    market, lab, funding = (full_row(table) for table in ("market", "labs", "funding"))
    block = np.zeros((len(POPULATIONS), len(LENSES), len(keys)))
    event = Event("2023Q1", "release", "openai")

    def record():
        start = time.perf_counter()
        records = Records(quarters, keys)
        for _ in quarters:
            records.market_row(market)
            records.funding_row(funding)
            records.share_block(block)
            for _ in range(26):
                records.lab_row(lab)
                records.event(event)
        return time.perf_counter() - start

    assert min(record() for _ in range(5)) < 0.015


def test_records_travel_between_processes(records):
    """Kills: an attribute that does not pickle."""
    records.market_row(full_row("market"))
    copy = pickle.loads(pickle.dumps(records))
    assert copy.tables()["market"].equals(records.tables()["market"])
    assert copy.keys == records.keys


def test_the_package_names_are_what_they_say():
    """Kills: a submodule `sim.run` that hides the function `run`; a version that differs from the package's."""
    # runs.py is imported by now (conftest): a submodule of the function's name would have taken its place
    assert callable(sim.run) and sim.run is runs.run
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        sim.nonsense  # noqa: B018
    pyproject = Path(sim.__file__).parent.parent / "pyproject.toml"
    assert sim.__version__ == tomllib.loads(pyproject.read_text())["project"]["version"]
