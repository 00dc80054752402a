"""What a sweep will take: seconds and bytes of one run, from measured constants, before anything runs."""

from __future__ import annotations

from sim.quarters import quarter_number
from sim.sweep.work import Work

# Measured on one core of a 2-core cloud server with the baseline: seconds a quarter, and more for each enterprise.
SECONDS_PER_QUARTER = 0.036
SECONDS_PER_ENTERPRISE = 2.4e-6
# Bytes a quarter of each table in a shard of 50 runs.
BYTES_PER_QUARTER = {"market": 900, "labs": 5_200, "shares": 13_500, "funding": 80, "events": 1_100}
BYTES_OF_OTHERS = 3_000  # a quarter of a table that is not named above
LEAST_LIMIT = 300.0  # seconds
LIMIT_FACTOR = 50  # a run that takes this many times what it should hangs


def seconds_per_run(work: Work) -> float:
    """Wall time of one run on one worker."""
    return max(_quarters(work) * (SECONDS_PER_QUARTER + SECONDS_PER_ENTERPRISE * _enterprises(work)), 0.01)


def bytes_per_run(work: Work) -> float:
    """What one run's tables take on disk."""
    return _quarters(work) * sum(BYTES_PER_QUARTER.get(table, BYTES_OF_OTHERS) for table in work.tables)


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
