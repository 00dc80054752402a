"""How often models in use do harm."""

import numpy as np

from sim.economics.safety import faults_left, incident_hazard


def test_faults_of_released_weights_are_mended() -> None:
    """Half in ln 2 / s years, none of closed weights (s = 0). Kills: faults that grow, a rate per quarter."""
    np.testing.assert_allclose(faults_left([0.0, np.log(2) / 0.3, 9.0], [0.3, 0.3, 0.0]), [1.0, 0.5, 1.0], rtol=1e-14)


def test_hazard_by_hand() -> None:
    """2 a year x 0.4 x 0.25. Kills: care that harms, use that protects, a hazard without use."""
    hazards = incident_hazard(2.0, [0.6, 1.0, 0.0, 0.6], [0.25, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(hazards, [0.2, 0.0, 2.0, 0.0], rtol=1e-14)
