"""State machines: messages that are postponed, and timeouts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import (
    EventTimeout,
    MailboxSpec,
    NamedTimeout,
    StateMachine,
    StateTimeout,
    bounded,
    during,
    entering,
    handles,
)
from supervisors import child, start, supervisor
from tests.actors.state_machine.door import Do, Door, Entrance, Knock, Pull, Push, Turn, a_door, state
from tests.support import in_loop, world

# Postponed messages


@in_loop
async def test_postponed_messages_are_retried_in_order_and_keep_their_askers() -> None:
    """Guards the order: postponed ones first, oldest first, ahead of what arrived later."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Turn())
        log.clear()
        pushed = asyncio.ensure_future(ref.call(Push()))
        pulled = asyncio.ensure_future(ref.call(Pull()))
        await w.settle()
        assert not pushed.done()
        ref.tell(Turn())
        ref.tell(Knock())
        assert (await pushed, await pulled) == ("opened", "closed")
        await w.settle()
        assert log == ["postponed", "postponed", "turn", "enter closed", "push", "enter open", "pull",
                       "enter closed", "knock someone"]  # fmt: skip


@in_loop
async def test_a_message_postponed_again_keeps_its_place() -> None:
    """Guards that a change of state which does not help changes no order."""

    class Queueing(StateMachine):
        states = ("a", "b", "c")
        initial = "a"

        def __init__(self, log: list[Any]) -> None:
            self.log = log

        @during("a", "b")
        def later(self, message: Knock) -> None:
            self.postpone()

        @during("c")
        def now(self, message: Knock) -> None:
            self.log.append(message.who)

        @handles
        def do(self, message: Do) -> None:
            message.what(self)

    async with world() as w:
        ref, log = await a_door(w, Queueing)
        for step in (Knock(who="1"), Knock(who="2"), Do(what=lambda m: m.goto("b")), Knock(who="3"),
                     Do(what=lambda m: m.goto("c")), Knock(who="4")):  # fmt: skip
            ref.tell(step)
        await w.settle()
        assert log == ["1", "2", "3", "4"]


@in_loop
async def test_a_handler_that_postpones_and_leaves_retries_in_the_new_state() -> None:
    """Guards that the two compose, and that postponing twice is postponing once."""
    async with world() as w:
        ref, _ = await a_door(w)

        def unlock_first(door: Entrance) -> str:
            if door.state is Door.OPEN:
                return f"handled in {door.state.name}"
            door.postpone()
            door.postpone()
            door.goto(Door.OPEN)
            return "no answer"

        assert await ref.call(Do(what=unlock_first)) == "handled in OPEN"
        await w.settle()
        assert ref.statistics().handled == 3  # on_continue, the first try, the second


@in_loop
async def test_an_async_handler_can_postpone() -> None:
    """Guards that the message put aside is the handler's own, after it had to wait."""
    async with world() as w:
        ref, _ = await a_door(w)

        async def wait_and_postpone(door: Entrance) -> str:
            await asyncio.sleep(0)
            if door.state is Door.OPEN:
                return "at last"
            door.postpone()
            return "no answer"

        answer = asyncio.ensure_future(ref.call(Do(what=wait_and_postpone)))
        await w.settle()
        await ref.call(Push())
        assert await answer == "at last"


@in_loop
async def test_a_handler_that_raises_has_no_effect_on_state_queue_or_timeouts() -> None:
    """Guards that a machine that survives an exception is where it was."""

    class Patient(Entrance):
        answers = (ValueError,)

    def fail(door: Entrance) -> None:
        door.goto(Door.OPEN, timeout=1)
        door.postpone()
        raise ValueError("no")

    async def fail_later(door: Entrance) -> None:
        await asyncio.sleep(0)
        fail(door)

    async with world() as w:
        ref, _ = await a_door(w, Patient)
        for what in (fail, fail_later):
            with pytest.raises(ValueError, match="no"):
                await ref.call(Do(what=what))
        await ref.call(Knock())
        assert (state(ref), ref.status().stashed, ref.status().timers) == (Door.CLOSED, 0, 0)


@in_loop
async def test_postponed_messages_survive_a_crash_and_the_crashing_one_does_not() -> None:
    """Guards supervision rule 26 for postponed messages, and rule 27 for one that postponed and crashed."""
    tree = supervisor("root", child("door", Entrance, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")
        await ref.call(Turn())
        pushed = asyncio.ensure_future(ref.call(Push()))
        await w.settle()

        def postpone_and_crash(door: Entrance) -> None:
            door.postpone()
            raise RuntimeError("boom")

        ref.tell(Do(what=postpone_and_crash))
        assert await pushed == "opened"
        assert ref.incarnation == 2
        assert [reason for reason, _ in w.dead_letters] == ["crashed"]


# Timeouts


@in_loop
async def test_the_state_timeout_comes_once_unless_the_state_changes() -> None:
    """Guards goto(timeout=) and its cancellation by leaving the state."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Do(what=lambda door: door.goto(Door.OPEN, timeout=5)))
        log.clear()
        await w.advance(4.9)
        assert log == []
        await w.advance(0.2)
        assert log == [StateTimeout(Door.OPEN)]
        await ref.call(Do(what=lambda door: door.goto(Door.LOCKED, timeout=5)))
        await ref.call(Turn())
        log.clear()
        await w.advance(60)
        assert log == []


@in_loop
async def test_a_state_timeout_set_with_a_transition_is_the_new_states() -> None:
    """Guards that the order of goto and state_timeout in a handler does not matter."""
    async with world() as w:
        ref, log = await a_door(w)

        def set_and_go(door: Entrance) -> None:
            door.state_timeout(5, Knock(who="time"))
            door.goto(Door.OPEN)

        await ref.call(Do(what=set_and_go))
        await w.advance(5)
        assert log[-1] == "knock time"


@in_loop
async def test_an_enter_action_can_set_the_state_timeout() -> None:
    """Guards the usual way to limit the stay in a state however it was entered."""

    class Closer(Entrance):
        @entering(Door.OPEN)
        def note_open(self) -> None:
            self.state_timeout(3)

        @during(Door.OPEN)
        def close(self, message: StateTimeout) -> None:
            self.goto(Door.CLOSED)

    async with world() as w:
        ref, _ = await a_door(w, Closer)
        await ref.call(Push())
        await w.advance(3)
        assert state(ref) is Door.CLOSED


@in_loop
async def test_setting_a_timeout_replaces_it_and_none_takes_it_back() -> None:
    """Guards that there is one timeout of each kind and name."""
    async with world() as w:
        ref, log = await a_door(w)
        log.clear()

        def set_all(delay: float | None) -> Do:
            def act(door: Entrance) -> None:
                door.state_timeout(delay)
                door.named_timeout("n", delay)

            return Do(what=act)

        for delay in (1, 2):
            await ref.call(set_all(delay))
        await w.advance(1.5)
        assert log == []
        await w.advance(0.5)
        assert sorted(map(str, log)) == sorted(map(str, [StateTimeout(Door.CLOSED), NamedTimeout("n")]))
        log.clear()
        await ref.call(set_all(1))
        await ref.call(set_all(None))
        await w.advance(5)
        assert log == []


@in_loop
async def test_named_timeouts_survive_changes_of_state() -> None:
    """Guards that only taking it back or setting it anew ends a named timeout."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Do(what=lambda door: door.named_timeout("a", 5)))
        await ref.call(Do(what=lambda door: door.named_timeout("b", 6, Knock(who="b"))))
        await ref.call(Push())
        log.clear()
        await w.advance(10)
        assert log == [NamedTimeout("a"), "knock b"]


@in_loop
async def test_the_event_timeout_ends_with_the_next_message() -> None:
    """Guards that it comes when nothing is handled, and not otherwise."""
    async with world() as w:
        ref, log = await a_door(w)
        arm = Do(what=lambda door: door.event_timeout(5))
        await ref.call(arm)
        await w.advance(4)
        await ref.call(Knock())
        log.clear()
        await w.advance(10)
        assert log == []
        await ref.call(arm)
        await w.advance(5)
        assert log == [EventTimeout(Door.CLOSED)]


@in_loop
async def test_an_ended_timeout_does_not_come_even_from_the_mailbox() -> None:
    """Guards the race between a message that changes the state and the timeout right behind it."""
    async with world() as w:
        ref, log = await a_door(w)
        await ref.call(Do(what=lambda door: door.state_timeout(5)))
        log.clear()
        ref.suspend()
        await w.settle()
        ref.tell(Push())
        await w.advance(5)
        assert ref.status().queued == 2
        ref.resume()
        await w.settle()
        assert log == ["push", "enter open"]
        assert w.dead_letters == []


@in_loop
async def test_a_postponed_timeout_has_come_and_is_retried() -> None:
    """Guards that the change of state which retries it does not end it."""

    class Deferring(Entrance):
        @during(Door.CLOSED)
        def later(self, message: StateTimeout) -> None:
            self.postpone()

    async with world() as w:
        ref, log = await a_door(w, Deferring)
        await ref.call(Do(what=lambda door: door.state_timeout(1)))
        await w.advance(1)
        log.clear()
        await ref.call(Push())
        await w.settle()
        assert log == ["push", "enter open", StateTimeout(Door.CLOSED)]


@in_loop
async def test_timeouts_end_with_their_incarnation() -> None:
    """Guards that a new incarnation hears of no timeout of the last one."""
    log: list[Any] = []
    tree = supervisor("root", child("door", Entrance, args={"log": log}, backoff=None))
    async with world() as w, start(tree, runtime=w.runtime) as root:
        ref = root.child("door")

        def arm(door: Entrance) -> None:
            door.state_timeout(5)
            door.event_timeout(5)
            door.named_timeout("n", 5)

        await ref.call(Do(what=arm))
        ref.kill()
        await w.settle()
        assert ref.incarnation == 2
        log.clear()
        await w.advance(60)
        assert log == []


@in_loop
async def test_a_timeout_that_finds_the_mailbox_full_goes_to_its_front() -> None:
    """Guards that a bound cannot keep a machine in a state for ever."""
    async with world() as w:
        ref, log = await a_door(w, mailbox=bounded(1))
        await ref.call(Do(what=lambda door: door.state_timeout(5)))
        log.clear()
        ref.suspend()
        await w.settle()
        ref.tell(Knock())
        await w.advance(5)
        ref.resume()
        await w.settle()
        assert log == [StateTimeout(Door.CLOSED), "knock someone"]


@in_loop
async def test_a_priority_mailbox_ranks_the_message_of_a_timeout() -> None:
    """Guards that the priority function sees the user's message and nothing of ours."""
    ranked: list[object] = []

    def rank(message: object) -> float:
        ranked.append(message)
        return 0

    async with world() as w:
        ref, log = await a_door(w, mailbox=MailboxSpec(priority=rank))
        await ref.call(Do(what=lambda door: door.state_timeout(5, Knock(who="time"))))
        await w.advance(5)
        assert ranked[-1] == Knock(who="time")
        assert log[-1] == "knock time"


@pytest.mark.parametrize("delay", [-1.0, float("nan")])
@in_loop
async def test_a_timeout_needs_seconds_from_zero(delay: float) -> None:
    """Guards the check of delays."""
    async with world() as w:
        ref, _ = await a_door(w)

        def check(door: Entrance) -> None:
            with pytest.raises(ValueError, match="seconds must be a number >= 0"):
                door.goto(Door.OPEN, timeout=delay)
            with pytest.raises(ValueError, match="seconds must be a number >= 0"):
                door.event_timeout(delay)
            with pytest.raises(ValueError, match="seconds must be a number >= 0"):
                door.named_timeout("n", delay)

        await ref.call(Do(what=check))
        assert state(ref) is Door.CLOSED
