"""Children that start in stages."""

from __future__ import annotations

import pytest

from actors import Actor, Started
from actors.testing import simulation
from supervisors import SpecError, child, supervisor
from teams.recipes import staged


class Worker(Actor):
    """Works, or fails when it is told."""

    def on_receive(self, message: object) -> object:
        if message == "fail":
            raise OSError
        return message


def starts(sim_events: list[Started]) -> list[tuple[str, float]]:
    """Which worker started when."""
    return [(event.path.rpartition("/")[2], event.at) for event in sim_events if event.actor_class is Worker]


def test_children_start_in_stages_and_so_they_do_when_all_start_again() -> None:
    """Guards the start of a tree and a restart by its strategy."""
    seen: list[Started] = []
    with simulation() as sim:
        sim.runtime.events.subscribe(seen.append, Started)
        workers = [child(f"w{number}", Worker, backoff=None) for number in range(5)]
        root = sim.start(supervisor("root", *staged(*workers, at_once=2, every=10), strategy="one_for_all"))
        expected = [("w0", 0.0), ("w1", 0.0), ("w2", 10.0), ("w3", 10.0), ("w4", 20.0)]
        assert starts(seen) == expected
        assert root.child("w4").ask("x") == "x"
        seen.clear()
        root.child("w0").tell("fail")
        sim.advance(100)
        assert starts(seen) == [(name, at + 20.0) for name, at in expected]


def test_two_groups_in_one_supervisor_are_staged_each_on_its_own() -> None:
    """Guards the ids of the pauses, which are children of that supervisor, too."""
    seen: list[Started] = []
    with simulation() as sim:
        sim.runtime.events.subscribe(seen.append, Started)
        first, second = ([child(f"{group}{number}", Worker) for number in range(2)] for group in "ab")
        sim.start(supervisor("root", *staged(*first, at_once=1, every=10), *staged(*second, at_once=1, every=5)))
        assert starts(seen) == [("a0", 0.0), ("a1", 10.0), ("b0", 10.0), ("b1", 15.0)]


def test_a_child_that_restarts_alone_does_not_wait_for_a_pause() -> None:
    """Guards the tree's view of the pauses."""
    with simulation() as sim:
        workers = [child(f"w{number}", Worker, backoff=None) for number in range(2)]
        root = sim.start(supervisor("root", *staged(*workers, at_once=1, every=10)))
        assert [(info.id, info.state.value) for info in root.which_children().get()] == [
            ("w0", "running"),
            ("pause-before-w1", "running"),
            ("w1", "running"),
        ]
        future = root.child("w0").ask("fail", block=False)
        sim.settle()
        assert future.done()
        assert root.child("w0").incarnation == 2
        assert sim.now == 10.0


def test_staged_names_all_its_faults_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        staged("w0", at_once=0, every=-1)  # type: ignore[arg-type]
    assert len(caught.value.faults) == 3
