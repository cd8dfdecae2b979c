"""The idle timeout: a message to an actor that has handled none for some time."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, IdleTimeout, NotAnActor, prioritized
from actors.testing import simulation
from supervisors import child, supervisor
from tests.actors.cast import AsyncPlayer, Host, Player, crash, ends, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]


class Idler(Player):
    """Notes when it was idle."""

    idle_timeout: ClassVar[float | None] = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.idle: list[float] = []

    def on_receive(self, message: Any) -> Any:
        if message in (IdleTimeout(), "idle"):
            self.idle.append(self.runtime.now())
            return None
        return super().on_receive(message)


class Later(Idler):
    """Sets the timeout itself."""

    idle_timeout = None


class SlowIdler(AsyncPlayer):
    """Its handlers may wait."""

    idle_timeout = 2.0

    async def on_receive(self, message: Any) -> Any:
        if message == IdleTimeout():
            self.seen.append(self.runtime.now())
            return None
        return await super().on_receive(message)


def idle(ref: Any) -> list[float]:
    """When the actor was told that it is idle."""
    found: list[float] = ref.state()["idle"]
    return found


@pytest.mark.parametrize("host", HOSTS)
def test_an_actor_that_handles_no_message_is_told_so_again_and_again(host: Host) -> None:
    with simulation() as sim:
        ref = sim.spawn(Idler, host=host)
        sim.run(until=7)
        assert idle(ref) == [2, 4, 6]


@given(st.lists(st.sampled_from([0.5, 1.0, 1.5, 2.5, 5.0]), min_size=1, max_size=15), st.sampled_from(HOSTS))
def test_the_time_begins_at_the_end_of_the_last_handler(pauses: list[float], host: Host) -> None:
    """Exactly: whatever the pauses between messages are, and not only to the next time that something looks."""
    with simulation() as sim:
        ref = sim.spawn(Idler, host=host)
        expected: list[float] = []
        for pause in pauses:
            last = sim.now
            ref.tell("x")
            sim.advance(pause)
            expected += [last + 2 * times for times in range(1, 10) if 2 * times <= pause]
        assert idle(ref) == expected


def test_an_actor_is_not_idle_while_a_handler_is_under_way() -> None:
    with simulation() as sim:
        ref = sim.spawn(SlowIdler)

        async def slow(_: Any) -> None:
            await asyncio.sleep(5)

        ref.tell(slow)
        sim.run(until=7.5)
        assert ref.state()["seen"] == [7.0]


def test_an_actor_is_not_idle_while_a_message_waits() -> None:
    """Guards a suspended actor: what waits is handled first, and the time begins after it."""
    with simulation() as sim:
        ref = sim.spawn(Idler)
        ref.suspend()
        ref.tell("waits")
        sim.run(until=7)
        assert idle(ref) == []
        ref.resume()
        sim.run(until=9.5)
        assert idle(ref) == [9.0]


def test_a_tick_behind_a_message_is_taken_back() -> None:
    """The tick waits first, then a message goes ahead of it: the actor was not idle when it comes to the tick."""
    with simulation() as sim:
        ref = sim.spawn(Idler, mailbox=prioritized(lambda message: message == IdleTimeout()))
        ref.suspend()
        sim.run(until=2.5)
        ref.tell("ahead")
        ref.resume()
        sim.settle()
        assert (idle(ref), ref.state()["seen"]) == ([], ["ahead"])
        assert sim.runtime.events.dead_letters == {}


def test_messages_of_the_system_lane_do_not_count() -> None:
    with simulation() as sim:
        ref, other = sim.spawn(Idler), sim.spawn(Player)
        ref.ask(lambda self: self.monitor(other))
        sim.run(until=1)
        other.kill()
        sim.run(until=3)
        assert idle(ref) == [2.0]


@pytest.mark.parametrize("host", HOSTS)
def test_an_actor_sets_changes_and_ends_its_idle_timeout(host: Host) -> None:
    with simulation() as sim:
        ref = sim.spawn(Later, host=host)
        sim.run(until=10)
        ref.ask(lambda self: self.set_idle_timeout(3, "idle"))
        sim.run(until=13.5)
        ref.ask(lambda self: self.set_idle_timeout(1))
        sim.run(until=15)
        ref.ask(lambda self: self.set_idle_timeout(None))
        sim.run(until=30)
        assert idle(ref) == [13.0, 14.5]


def test_a_constructor_may_turn_the_timeout_of_its_class_off() -> None:
    class Never(Idler):
        def __init__(self) -> None:
            super().__init__()
            self.set_idle_timeout(None)

    with simulation() as sim:
        ref = sim.spawn(Never)
        sim.run(until=10)
        assert idle(ref) == []


def test_the_next_incarnation_has_the_timeout_of_its_class() -> None:
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Idler, backoff=None))).child("a")
        ref.ask(lambda self: self.set_idle_timeout(0.5))
        sim.run(until=1)
        ref.tell(crash(OSError()))
        sim.run(until=4)
        assert (ref.incarnation, idle(ref)) == (2, [3.0])


def test_a_message_of_a_burst_sets_no_timer() -> None:
    """The cost: one timer, whatever is handled."""
    with simulation() as sim:
        ref = sim.spawn(Idler)
        made: list[float] = []
        clock, call_at = sim.runtime.clock, sim.runtime.clock.call_at

        def counted(when: float, then: Any) -> Any:
            made.append(when)
            return call_at(when, then)

        clock.call_at = counted  # type: ignore[method-assign]
        for _ in range(200):
            ref.tell("x")
        sim.settle()
        assert made == []
        sim.run(until=2.5)
        assert len(made) == 1


def test_an_actor_without_an_idle_timeout_notes_no_handler() -> None:
    """The cost of those that do not use it: nothing, and nothing again once it is off."""
    with simulation() as sim:
        ref = sim.spawn(Later)
        ref.tell("x")
        sim.settle()
        assert (ref._cell.noted, ref._cell.possessions) == (False, None)
        ref.ask(lambda self: self.set_idle_timeout(1))
        assert ref._cell.noted
        ref.ask(lambda self: self.set_idle_timeout(None))
        assert not ref._cell.noted


@in_loop
async def test_an_idle_timeout_leaves_no_timer_behind() -> None:
    """`stage` looks for timers that are left."""
    async with stage() as w:
        for end in ends(
            lambda ref: ref.kill(), lambda ref: ref.stop(block=False), lambda ref: ref.tell(crash(OSError()))
        ):
            ref = await w.runtime.spawn(Idler)
            await w.advance(3)
            end(ref)
        await w.settle()


BAD: list[Any] = [0, -1, "2", True, float("nan")]


@pytest.mark.parametrize("seconds", BAD, ids=repr)
def test_an_idle_timeout_that_is_no_time_is_refused(seconds: Any) -> None:
    with simulation() as sim:
        with pytest.raises(NotAnActor, match="idle_timeout must be a number of seconds > 0, or None"):
            sim.spawn(type("Bad", (Actor,), {"idle_timeout": seconds}))
        ref = sim.spawn(Player)
        with pytest.raises(ValueError, match="seconds must be a number > 0"):
            ref.ask(lambda self: self.set_idle_timeout(seconds))
