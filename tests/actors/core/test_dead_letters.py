"""Dead letters: a message nobody handled is an event with a reason, counted, and its asker is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import (
    Actor,
    ActorCrashed,
    ActorDeadError,
    CallTimeout,
    DeadLetter,
    MailboxSpec,
    MessageHandled,
    Started,
    UnhandledMessage,
)
from supervisors import child, start, supervisor
from tests.actors.cast import Player, crash, ends, forever, seen_by, stage
from tests.support import in_loop


@in_loop
async def test_a_message_to_an_actor_that_is_gone_is_given_back() -> None:
    """Guards the sender's message: tell, ask, call, send and proxy raise the error that holds it."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        ended = ref.ended()
        await ref.stop(block=False)

        async def ask() -> Any:
            return await ref.ask("m", block=False)

        async def tell() -> None:
            ref.tell("m")

        for attempt in (tell(), ask(), ref.call("m"), ref.send("m")):
            with pytest.raises(ActorDeadError) as caught:
                await attempt
            assert (caught.value.path, caught.value.reason, caught.value.undelivered) == (ref.path, await ended, "m")
        with pytest.raises(ActorDeadError):
            ref.proxy()


@in_loop
async def test_what_waits_at_the_end_is_dead_letters_and_its_askers_are_told() -> None:
    """Guards pykka's silent loss, and its asker that waits for ever."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        ref.suspend()
        await w.settle()
        ref.tell(1)
        answer = ref.ask(2, block=False)
        ref.kill()
        with pytest.raises(ActorDeadError):
            await answer
        assert w.dead_letters == [("closed", 1), ("closed", 2)]


@in_loop
async def test_two_orders_to_stop_make_no_dead_letter() -> None:
    """Guards the list against requests of the runtime's own."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        stops = [ref.stop(block=False), ref.stop(block=False)]
        assert [await stop for stop in stops] == [True, True]
        assert w.dead_letters == []


@in_loop
async def test_a_message_without_handler_is_a_dead_letter_and_its_askers_error() -> None:
    """Guards against a message that vanishes because a handler is missing; the actor lives on."""

    class Deaf(Actor):
        pass

    async with stage() as w:
        ref = await w.runtime.spawn(Deaf)
        ref.tell("told")
        with pytest.raises(UnhandledMessage, match="str"):
            await ref.call("asked")
        assert w.dead_letters == [("unhandled", "told"), ("unhandled", "asked")]
        assert ref.is_alive()


@in_loop
async def test_a_declared_answer_without_a_question_is_a_dead_letter() -> None:
    """Guards a told message that fails with an exception the class calls an answer."""

    class Careful(Player):
        answers = (ValueError,)

    async with stage() as w:
        ref = await w.runtime.spawn(Careful)
        message = crash(ValueError("no"))
        ref.tell(message)
        with pytest.raises(ValueError, match="no"):
            await ref.call(message)
        assert w.dead_letters == [("unheard", message)]
        assert ref.is_alive()


@in_loop
async def test_an_answer_that_comes_too_late_is_a_dead_letter() -> None:
    """Guards results: what was worked out for an asker that left is not lost in silence."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        gate = asyncio.Event()

        async def slow(_: Any) -> str:
            await gate.wait()
            return "result"

        asking = asyncio.create_task(ref.call(slow, timeout=1))
        await w.advance(1.1)
        with pytest.raises(CallTimeout):
            await asking
        gate.set()
        await w.settle()
        assert w.dead_letters == [("late_reply", "result")]


@in_loop
async def test_a_message_whose_deadline_passed_in_the_queue_is_not_handled() -> None:
    """Guards against work nobody waits for; to the very tick of the deadline."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        ref.suspend()
        await w.settle()
        asking = [asyncio.create_task(ref.call(n, timeout=1)) for n in range(2)]
        asked = ref.ask(2, block=False, timeout=1)
        await w.advance(1)
        ref.resume()
        await w.settle()
        for each in asking:
            with pytest.raises(CallTimeout):
                await each
        with pytest.raises(CallTimeout):
            await asked
        assert seen_by(ref) == []
        assert sorted(w.dead_letters) == [("expired", 0), ("expired", 1), ("expired", 2)]


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_message_that_crashed_its_actor_is_a_dead_letter_with_the_crash(host: str) -> None:
    """Guards rule 27: by default it is not handed out again."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host=host)
        message = crash(ValueError("x"))
        down = ref.monitor()
        ref.tell(message)
        await down
        (letter,) = w.seen(DeadLetter)
        assert (letter.reason, letter.message, str(letter.error)) == ("crashed", message, "x")


@in_loop
async def test_messages_whose_handlers_are_cut_off_are_dead_letters() -> None:
    """Guards handlers beside the one that crashed, and those that a kill ends; their askers are told."""

    class Wide(Player):
        concurrency = 3

    async with stage() as w:
        acts = ends(lambda ref: ref.kill(), lambda ref: ref.tell(crash(ValueError("beside it"))))
        for end, why in zip(acts, ("killed", "crashed.*beside it"), strict=True):
            ref = await w.runtime.spawn(Wide)
            ref.tell(forever)
            answer = ref.ask(forever, block=False)
            await w.settle()
            end(ref)
            with pytest.raises(ActorDeadError, match=f"terminated .{why}"):
                await answer
            await w.settle()
            killed = [message for reason, message in w.dead_letters if reason == "killed"]
            assert killed == [forever, forever]
            w.events.clear()


@in_loop
async def test_a_handler_that_cancels_itself_in_a_stop_crashes_its_actor_alone() -> None:
    """Guards the account of a cut-off: it is for those whom a crash beside them ends, not for a stop in order."""

    async def cancels_itself(_: object) -> None:
        await gate.wait()
        raise asyncio.CancelledError

    async with stage() as w:
        gate = asyncio.Event()
        ref = await w.runtime.spawn(Player)
        answer = ref.ask(cancels_itself, block=False)
        await w.settle()
        ref.stop(block=False, drain=False)
        await w.settle()
        gate.set()
        with pytest.raises(ActorCrashed):
            await answer


@in_loop
async def test_dead_letters_are_counted_by_reason_and_the_counts_only_grow() -> None:
    """Guards metrics that are read without a subscription."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        ref.tell(crash(ValueError()))
        ref.tell(1)
        await w.settle()
        assert w.runtime.events.dead_letters == {"crashed": 1, "closed": 1}


@in_loop
async def test_a_dead_letter_names_the_sender() -> None:
    """Guards the search for who lost a message."""
    async with stage() as w:
        sender, ref = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        ref.suspend()
        await sender.call(lambda _: ref.tell(1))
        ref.kill()
        await w.settle()
        (letter,) = w.seen(DeadLetter)
        assert (letter.sender, letter.path) == (sender.path, ref.path)


@in_loop
async def test_a_restart_that_drops_the_queue_makes_dead_letters_of_it() -> None:
    """Guards rule 26, OTP's way: what waited is dropped, aloud."""
    async with stage() as w:
        tree = supervisor("root", child("a", Player, mailbox=MailboxSpec(on_restart="drop"), backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            ref.tell(crash(ValueError()))
            ref.tell(1)
            await w.settle()
            assert seen_by(ref) == []
            assert [reason for reason, _ in w.dead_letters] == ["crashed", "dropped"]


@in_loop
async def test_a_sink_that_raises_keeps_nothing_from_the_others() -> None:
    """Guards the stream: a broken sink is logged, the publisher and the other sinks go on."""
    async with stage() as w:
        w.runtime.events.subscribe(lambda _: 1 / 0)
        later: list[Any] = []
        subscription = w.runtime.events.subscribe(later.append, Started)
        await w.runtime.spawn(Player)
        subscription.cancel()
        subscription.cancel()
        await w.runtime.spawn(Player)
        assert len(later) == 1


@in_loop
async def test_every_handled_message_is_an_event_for_those_who_ask_for_it() -> None:
    """Guards the one event on the hot path: published while somebody names it, with its outcome, and to nobody else."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.call("before")
        handled: list[MessageHandled] = []
        subscription = w.runtime.events.subscribe(handled.append, MessageHandled)
        await ref.call("seen")
        await ref.call(lambda _: asyncio.sleep(0))
        ref.tell(crash(ValueError()))
        await w.settle()
        subscription.cancel()
        assert [event.outcome for event in handled] == ["done", "done", "failed"]
        assert handled[0].message == "seen"
        assert w.seen(MessageHandled) == []


@in_loop
async def test_an_actor_can_subscribe_to_events_as_messages() -> None:
    """Guards actors that watch the rest, such as one that keeps the dead letters."""
    async with stage() as w:
        keeper, victim = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        subscription = await keeper.call(lambda self: self.subscribe(DeadLetter))
        victim.tell(crash(ValueError()))
        await w.settle()
        subscription.cancel()
        assert [type(event) for event in seen_by(keeper)] == [DeadLetter]
