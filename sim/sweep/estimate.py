"""What a sweep will take: seconds and bytes, from measured constants, before anything runs."""

from __future__ import annotations

from sim.quarters import quarter_number
from sim.sweep.work import Work

# Measured on one core of a 2-core cloud server with the baseline: seconds until workers are up (they start side by
# side), to build a market and its tables, for each quarter, and more in each quarter for each enterprise.
SECONDS_TO_START = 2.0
SECONDS_PER_RUN = 0.08
SECONDS_PER_QUARTER = 0.022
SECONDS_PER_ENTERPRISE = 7e-7
# Bytes a quarter and run of each table, in shards of several runs of 5,000 enterprises.
BYTES_PER_QUARTER = {
    "market": 480,
    "shares": 15_500,
    "labs": 4_200,
    "funding": 90,
    "events": 1_100,
    "investors": 530,
    "investments": 350,
    "stakes": 790,
    "switches": 4_100,
    "flows": 2_200,
}
LEAST_LIMIT = 300.0  # seconds
LIMIT_FACTOR = 50  # a run that takes this many times what it should hangs


def seconds_per_run(work: Work) -> float:
    """Wall time of one run on one worker."""
    return SECONDS_PER_RUN + _quarters(work) * (SECONDS_PER_QUARTER + SECONDS_PER_ENTERPRISE * _enterprises(work))


def seconds_per_sweep(work: Work, workers: int) -> float:
    """Wall time of all runs on so many workers, each with a processor of its own."""
    return SECONDS_TO_START + -(-len(work.runs) // workers) * seconds_per_run(work)


def bytes_per_run(work: Work) -> float:
    """What one run's tables take on disk."""
    return _quarters(work) * sum(BYTES_PER_QUARTER[table] for table in work.tables)


def default_time_limit(work: Work) -> float:
    """Seconds after which a run counts as hanging: 50 times what a run should take, and at least 300."""
    return max(LEAST_LIMIT, LIMIT_FACTOR * seconds_per_run(work))


def _quarters(work: Work) -> int:
    first = min(base.parameters.run.first_quarter for base in work.bases.values())
    return quarter_number(work.until) - quarter_number(first) + 1


def _enterprises(work: Work) -> int:
    if work.enterprises is not None:
        return work.enterprises
    return max(base.parameters.run.enterprises for base in work.bases.values())
