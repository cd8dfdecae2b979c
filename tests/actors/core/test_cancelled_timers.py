"""A cancelled timer is never heard of: neither handled nor a dead letter, whatever waits already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors import Actor, NamedTimeout, StateMachine, bounded, prioritized
from actors.testing import simulation
from supervisors import child, supervisor
from tests.actors.cast import Player, crash, seen_by, stage
from tests.support import World, in_loop

Set = Callable[[Any], Any]
TIMERS: list[Any] = [
    pytest.param(lambda actor: actor.tell_after(1, "tick"), id="tell_after"),
    pytest.param(lambda actor: actor.tell_every(1, "tick"), id="tell_every"),
]
MAILBOXES = [None, bounded(5), prioritized(lambda _: 0.0), prioritized(lambda _: 0.0, capacity=5, policy="drop_oldest")]


async def tick_waits(w: World, mailbox: Any, set_timer: Set) -> tuple[Any, Any]:
    """A suspended player in whose mailbox a tick of the timer waits, and that timer."""
    made: list[Any] = []
    ref = await w.runtime.spawn(Player, mailbox=mailbox)
    ref.tell(lambda actor: made.append(set_timer(actor)))
    await w.settle()
    ref.suspend()
    await w.advance(1)
    assert ref.status().queued == 1
    return ref, made[0]


@pytest.mark.parametrize("mailbox", MAILBOXES, ids=["plain", "bounded", "priority", "both"])
@pytest.mark.parametrize("set_timer", TIMERS)
@in_loop
async def test_a_tick_that_waits_is_not_handled_once_its_timer_is_cancelled(set_timer: Set, mailbox: Any) -> None:
    async with stage() as w:
        ref, timer = await tick_waits(w, mailbox, set_timer)
        timer.cancel()
        ref.resume()
        ref.tell("next")
        await w.advance(5)
        assert (seen_by(ref), w.dead_letters) == (["next"], [])


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("set_timer", TIMERS)
@in_loop
async def test_a_cancelled_tick_is_no_dead_letter_when_its_actor_ends(set_timer: Set, cancelled: bool) -> None:
    async with stage() as w:
        ref, timer = await tick_waits(w, None, set_timer)
        if cancelled:
            timer.cancel()
        ref.kill()
        await w.settle()
        assert w.dead_letters == ([] if cancelled else [("closed", "tick")])


@in_loop
async def test_a_tick_that_is_being_handled_has_come() -> None:
    """Guards the report of a crash: the handler cancels its own timer, and raises."""

    def tick(actor: Any) -> None:
        actor.timer.cancel()
        raise OSError

    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        ref.tell(lambda actor: setattr(actor, "timer", actor.tell_every(1, tick)))
        await w.advance(1)
        assert w.dead_letters == [("crashed", tick)]
        assert not ref.is_alive()


@in_loop
async def test_a_tick_that_was_stashed_has_come() -> None:
    class Later(Player):
        timer: Any

        def on_receive(self, message: Any) -> Any:
            if message == "tick" and not self.seen:
                self.seen.append("stashed")
                self.timer.cancel()
                self.stash()
                self.unstash()
                return None
            return super().on_receive(message)

    async with stage() as w:
        ref = await w.runtime.spawn(Later)
        ref.tell(lambda actor: setattr(actor, "timer", actor.tell_after(1, "tick")))
        await w.advance(1)
        assert seen_by(ref) == ["stashed", "tick"]


class Machine(StateMachine):
    """Notes its named timeouts."""

    states = ("only",)
    initial = "only"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.seen.append(message)
        return None


@in_loop
async def test_a_timeout_of_a_machine_that_is_taken_back_is_never_heard_of() -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Machine)
        ref.tell(lambda machine: machine.named_timeout("a", 1))
        ref.tell(lambda machine: machine.named_timeout("b", 1))
        await w.settle()
        ref.suspend()
        await w.settle()
        ref.tell(lambda machine: machine.named_timeout("b", None))
        await w.advance(1)
        ref.resume()
        await w.settle()
        assert seen_by(ref) == [NamedTimeout("a")]
        assert w.dead_letters == []


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_tick_of_an_earlier_incarnation_is_stale_unless_cancelled(cancelled: bool) -> None:
    """Guards the journal of a simulation as well: the tick is no lost message."""
    timers: list[Any] = []
    with simulation() as sim:
        ref = sim.start(supervisor("root", child("a", Player, backoff=None))).child("a")
        ref.tell(lambda actor: timers.append(actor.tell_after(1, "tick")))
        sim.settle()
        ref.suspend()
        ref.tell(crash(OSError()))
        sim.advance(1)
        assert ref.status().queued == 2
        if cancelled:
            timers[0].cancel()
        ref.resume()
        sim.settle()
        assert ref.incarnation == 2
        assert sim.runtime.events.dead_letters == {"crashed": 1} | ({} if cancelled else {"stale_timer": 1})


@in_loop
async def test_a_timer_is_cancelled_in_silence_after_its_message_was_handled() -> None:
    async with stage() as w:
        made: list[Any] = []
        ref = await w.runtime.spawn(Player)
        ref.tell(lambda actor: made.append(actor.tell_after(1, "tick")))
        await w.advance(1)
        assert not made[0].active
        made[0].cancel()
        made[0].cancel()
        assert (seen_by(ref), w.dead_letters) == (["tick"], [])
        (await w.runtime.spawn(Actor)).kill()
