"""A state machine drives a simulated tree and asks the oracles at its end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from actors import Crashed
from actors.testing import InjectedCrash, InvariantBroken, SimulationError, SimulationMachine, WrongUse, simulation
from actors.testing._sim.observations import Exited
from supervisors import child, supervisor
from tests.actors.testing.cast import Counter, counters

FEW = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)


class Nested(SimulationMachine):
    """Two levels, and budgets that hold for a while."""

    def tree(self) -> Any:
        below = supervisor("below", child("c", Counter), max_restarts=3)
        return supervisor("root", child("a", Counter), child("b", Counter), below, max_restarts=20)


def test_the_usual_rules_find_nothing_wrong_with_a_sound_tree() -> None:
    """Tell, crash, kill, requests and time, in any order: no oracle speaks."""
    run_state_machine_as_test(Nested, settings=FEW)


def test_an_invariant_of_your_own_is_checked_after_every_rule() -> None:
    """What a machine adds is judged with the rest, and shrinks to the rules that are needed."""

    class Fragile(Nested):
        @invariant()
        def nothing_was_restarted(self) -> None:
            if any(cell.incarnation > 1 for cell in self.sim.runtime.cells.values()):
                raise InvariantBroken(self.sim.now, "something was restarted")

    with pytest.raises(InvariantBroken) as caught:
        run_state_machine_as_test(Fragile, settings=FEW)
    notes = "\n".join(caught.value.__notes__)
    assert "last seen:" in notes
    assert "--sim-replay" not in notes


def test_a_machine_without_a_tree_says_so() -> None:
    """An error that names what is missing, and a simulation that is taken down."""
    with pytest.raises(WrongUse, match="define `def tree"):
        SimulationMachine()
    with simulation():
        pass


def test_a_crash_from_outside_is_a_crash_like_any_other() -> None:
    """The supervisor restarts, and the reason says who did it."""
    with simulation() as sim:
        root = sim.start(counters("a"))
        sim.crash("root/a")
        sim.advance(1)
        assert root.child("a").ask("x") == 1
        (reason,) = [each.reason for each in sim.observations if isinstance(each, Exited)]
        assert isinstance(reason, Crashed)
        assert isinstance(reason.exception, InjectedCrash)
        with pytest.raises(SimulationError, match=r"there is no such actor \(actors: root, root/a\)"):
            sim.crash("root/z")
        assert [str(ref.path) for ref in sim.actors("root/*")] == ["root/a"]
