"""The population kernel and the per-agent rule are the same rule: choice for choice, under the same draws."""

from collections.abc import Callable

import numpy as np

from sim.market import Market
from sim.plain import PlainMarket
from sim.scenario import Scenario

ROUNDING = 1e-5  # of a draw: utilities of the kernel are float32


class BothRules(PlainMarket):
    """A market that decides by the kernel and asks `Enterprise.choose` about every decision."""

    decisions = 0

    def decide(self, due, seen, switching, draws):
        """The kernel's choices; where the plain rule differs, the draw must stand on the border between the two."""
        kernel = Market.decide(self, due, seen, switching, draws)
        plain = super().decide(due, seen, switching, draws)
        self.decisions += due.size
        for i in np.flatnonzero(kernel != plain):
            agent = list(self.enterprises)[self.population.workloads.enterprise[due[i]]]
            near = [
                agent.choose(int(due[i]), self.menu, seen, float(switching[i]), float(draws[i]) + step)
                for step in (-ROUNDING, ROUNDING)
            ]
            assert kernel[i] in near, (self.label, int(due[i]), int(kernel[i]), int(plain[i]), float(draws[i]))
        return kernel


def test_kernel_and_agents_choose_alike(baseline: Scenario, sample: Callable[[int, int], int]) -> None:
    """500 enterprises, the whole run with --full, two years else. Kills: a term of utility in one rule only, a wrong
    sign or weight, another order of offers or nests, switching costs or own servers that only one of them knows.
    """
    until = f"{sample(2032, 2024)}Q4"
    market = BothRules(baseline, seed=1, enterprises=500, until=until)
    market.run()
    assert market.decisions > sample(15_000, 1_900)
