"""Markets that misbehave, for the tests of sweeps; `fake_market` is that of the tests of runs."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from fake_market import FakeMarket

FAULT = "MOATSIM_TEST_FAULT"  # while this file exists, FlakyMarket fails on even seeds


class FailingMarket(FakeMarket):
    """Fails on seed 2."""

    def step(self):
        if self.seed == 2:
            raise FloatingPointError("2023Q1, lab openai: price is NaN")
        super().step()


class DeadlyMarket(FakeMarket):
    """Takes its process down on seed 2 and never ends on seed 3."""

    def step(self):
        if self.seed == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.seed == 3:
            time.sleep(3600)
        super().step()


class FlakyMarket(FakeMarket):
    """Fails on even seeds as long as a file exists."""

    def step(self):
        if self.seed % 2 == 0 and Path(os.environ[FAULT]).exists():
            raise FloatingPointError("2023Q1, lab openai: price is NaN")
        super().step()


class SlowMarket(FakeMarket):
    """Takes a twentieth of a second longer for each quarter."""

    def step(self):
        time.sleep(0.05)
        super().step()
