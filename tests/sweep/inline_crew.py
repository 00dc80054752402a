"""Workers that are no processes, for the tests of sweeps."""

from __future__ import annotations

from sim.runs.workers import describe_failure


class Inline:
    """A crew that makes runs in this process: a child takes seconds to start."""

    def __init__(self, idle=None):
        self.ended = False

    def call(self, task, argument, tick, limit=None):
        try:
            return task(argument, tick)
        except Exception as error:
            return describe_failure(error)

    def end(self):
        self.ended = True
