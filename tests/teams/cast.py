"""What the tests of teams share."""

from __future__ import annotations

from actors.testing import Simulation
from supervisors import ChildStartError, SupervisorSpec
from teams import TeamRef


def begun(sim: Simulation, spec: SupervisorSpec) -> TeamRef | None:
    """The team, up; None when a fault kept it from starting, which is an answer, too."""
    try:
        root = sim.start(spec)
    except ChildStartError:
        return None
    assert isinstance(root, TeamRef)
    return root
