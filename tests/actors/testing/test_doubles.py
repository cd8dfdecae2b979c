"""The doubles work in a plain test and in a simulation; nothing in them polls or sleeps."""

from __future__ import annotations

import pytest

from actors import ActorRef, Exited, Runtime
from actors.testing import Inbox, ManualClock, Probe, simulation, wait_until
from tests.support import in_loop, world


@in_loop
async def test_a_probe_keeps_what_it_receives() -> None:
    """In order, whoever sent it."""
    inbox = Inbox()
    async with world() as w:
        ref = await w.runtime.spawn(Probe, args=[inbox])
        kept = inbox.holds(3)
        for number in range(3):
            ref.tell(number)
        assert await kept == [0, 1, 2]
        assert inbox.messages == [0, 1, 2]
        assert await inbox.holds(2) == [0, 1, 2]


@in_loop
async def test_a_probe_answers_by_type_and_raises_what_is_an_exception() -> None:
    """A double for a service: what it says, and how it fails."""
    inbox = Inbox({str: "yes", int: ValueError("no numbers")})
    async with world() as w:
        ref = await w.runtime.spawn(Probe, args=[inbox])
        assert await ref.call("?") == "yes"
        assert await ref.call(b"?") is None
        with pytest.raises(ValueError, match="no numbers"):
            await ref.call(1)


def test_a_probe_answers_from_a_function_and_counts_by_class_in_threads() -> None:
    """The same in a plain blocking test: futures are waited for, and nothing sleeps."""
    inbox = Inbox(lambda message: message * 2)
    with Runtime(log=False) as runtime:
        ref: ActorRef[Probe] = runtime.spawn(Probe, args=[inbox]).get(timeout=10)
        assert ref.ask(21, timeout=10) == 42
        ref.tell("x")
        assert inbox.got(str).get(timeout=10) == [21, "x"]


def test_waiting_for_an_event_settles_with_the_one_that_is_meant() -> None:
    """The predicate chooses; asked before, heard when it comes."""
    with Runtime(log=False) as runtime:
        runtime.spawn(Probe, args=[Inbox()], name="a").get(timeout=10).stop(block=False)
        ended = wait_until(runtime, Exited, lambda event: event.path == "b")
        runtime.spawn(Probe, args=[Inbox()], name="b").get(timeout=10).stop(block=False)
        assert ended.get(timeout=10).path == "b"


def test_a_predicate_that_raises_is_raised_to_the_waiting_test() -> None:
    """A mistake in the test is no hang."""
    with Runtime(log=False) as runtime:
        ended = wait_until(runtime.events, Exited, lambda event: event.nonsense)  # type: ignore[attr-defined]
        runtime.spawn(Probe, args=[Inbox()], name="b").get(timeout=10).stop(block=False)
        with pytest.raises(AttributeError, match="nonsense"):
            ended.get(timeout=10)


def test_doubles_wait_in_virtual_time_inside_a_simulation() -> None:
    """The futures block as the simulation does: time passes, and no thread is held."""
    inbox = Inbox()
    with simulation() as sim:
        ref = sim.spawn(Probe, args=[inbox], name="probe")
        sim.workload(ref.tell, n=3, every=5.0)
        assert inbox.holds(3).get() == [0, 1, 2]
        assert sim.now == 10.0
        ended = wait_until(sim.runtime, Exited)
        ref.kill()
        assert ended.get().path == "probe"
    assert inbox.starts == 1


def test_the_manual_clock_is_at_hand() -> None:
    """One import for everything a test of time needs."""
    clock = ManualClock()
    rung: list[float] = []
    clock.call_at(1.0, lambda: rung.append(clock.now()))
    clock.advance(2.0)
    assert rung == [1.0]
