"""What a failed run says of itself, and that it says the same after it was taken down."""

from __future__ import annotations

import pytest

from actors import Actor
from actors.testing import (
    Crash,
    Demote,
    FaultPlan,
    InvariantBroken,
    LoopFailure,
    Replay,
    Schedule,
    Simulation,
    SimulationError,
    Strategy,
    simulation,
)
from tests.actors.testing.cast import Counter, counters


def fail(sim: Simulation) -> str:
    """Fails while actors still have messages; returns the report."""
    with pytest.raises(InvariantBroken) as caught, sim:
        root = sim.start(counters("a", "b"))
        for _ in range(5):
            root.child("a").tell("x")
            root.child("b").tell("x")
        steps = sim.loop.steps + 4
        sim.always("few steps", lambda: sim.loop.steps < steps)
        sim.run(until=1)
    (note,) = caught.value.__notes__
    return note


def test_a_failed_run_is_frozen_at_its_failure() -> None:
    """Taking it down adds steps: none of them is in the schedule, the trace or the fingerprint afterwards."""
    sim = simulation(search=Strategy("random", 3))
    note = fail(sim)
    kept = Replay.decode(note.split("--sim-replay ")[1].split()[0])
    assert kept.schedule == sim.schedule
    assert kept.trace_hash == sim.trace_hash
    assert len(sim.trace) == sim.steps < sim.loop.steps
    again = simulation(schedule=sim.schedule)
    fail(again)
    assert again.trace_hash == sim.trace_hash


def test_a_search_that_was_not_recorded_says_so() -> None:
    """No "first come, first served" of a run that was not, and no example that would show something else."""
    note = fail(simulation(search=Strategy("pct3", 5), record=False))
    assert "schedule: search pct3(seed=5), not recorded" in note
    assert "@example" not in note
    assert "record=True" in note


def test_times_are_shown_to_the_nanosecond() -> None:
    """The edges of a restart window must not look all the same."""
    failure = InvariantBroken(7.500000001, "closed")
    assert "7.500000001 s" in str(failure)


def test_always_ends_with_the_block() -> None:
    """Everything is stopped at the end of a good run, and no predicate is asked about that."""
    with simulation() as sim:
        desk = sim.spawn(Counter, name="desk")
        sim.always("the desk is open", desk.is_alive)
        sim.run(until=1)
    assert not desk.is_alive()


def test_a_stop_behind_a_message_that_crashes_is_no_lost_message() -> None:
    """A request to stop, to one who is gone meanwhile, has come true."""

    class Fragile(Actor):
        def on_receive(self, message: object) -> None:
            raise ValueError(message)

    with simulation() as sim:
        ref = sim.spawn(Fragile, name="a")
        ref.tell("x")
        ref.stop(block=False)
        sim.run(until=1)
        assert not ref.is_alive()


def test_the_report_names_what_did_not_happen() -> None:
    """A fault that did not fire, and a move whose step never came, did nothing for the failure."""
    note = fail(simulation(FaultPlan(Crash("root/b", nth=9)), Schedule(Demote("root/a", 99)), strict=False))
    assert "Crash(path='root/b', nth=9, times=1) did not fire" in note
    assert "Demote(path='root/a', step=99)   (its step never came)" in note


class Unshowable(Exception):
    """Raises in place of saying what it is."""

    def __str__(self) -> str:
        raise KeyError("no text")

    __repr__ = __str__


class Breaking(Actor):
    """Breaks by an exception that cannot be shown."""

    def on_receive(self, message: object) -> None:
        raise Unshowable


def test_an_exception_that_cannot_be_shown_has_its_report() -> None:
    """Its own text fails, and nothing else: the failure stays what it is, and its report is whole."""
    with pytest.raises(Unshowable) as caught, simulation() as sim:
        sim.spawn(Breaking, name="a").tell("x")
        sim.run(until=1)
        raise Unshowable
    (note,) = caught.value.__notes__
    assert note.startswith("Unshowable at 1 virtual seconds")
    assert "it cannot be shown" in note
    assert "--sim-replay" in note


def test_a_predicate_that_raises_what_cannot_be_shown_is_named() -> None:
    """The error says whose predicate it was and what sort of exception."""

    def breaks() -> bool:
        raise Unshowable

    says = r"always\('tidy'\) raised Unshowable\(it cannot be shown\)"
    with pytest.raises(SimulationError, match=says), simulation() as sim:
        sim.always("tidy", breaks)


def test_what_a_callback_raises_on_the_loop_need_not_be_showable() -> None:
    """The oracle speaks, and not the exception's own text."""

    def breaks() -> None:
        raise Unshowable

    with pytest.raises(LoopFailure, match="it cannot be shown"), simulation() as sim:
        sim.loop.call_soon(breaks)
        sim.run(until=1)
