"""What can be seen of an actor, also of a busy one, and suspending it."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from actors import Actor, Crashed, Down, MessageHandled, Shutdown
from actors.testing import simulation
from supervisors import child, start, supervisor
from tests.actors.cast import PATIENCE, Host, Player, blocking, crash, ends, forever, seen_by, stage
from tests.support import in_loop


@in_loop
async def test_a_busy_actor_answers_for_its_status_state_and_statistics() -> None:
    """Guards the view into an actor that waits: nothing of it goes through its mailbox."""
    async with stage() as w:
        other, ref = await w.runtime.spawn(Player), await w.runtime.spawn(Player, name="n")
        await ref.call("before")
        ref.tell(lambda _: other.call(forever, timeout=None))
        ref.tell("waits")
        ref.link(other)
        down = ref.monitor()
        await w.settle()
        status = ref.status()
        assert (status.path, status.state, status.incarnation) == (ref.path, "running", 1)
        assert (status.handling, status.waiting_for, status.queued) == ("function", other.path, 1)
        assert (status.links, status.monitors, status.host, status.actor_class) == (1, 1, "loop", Player)
        assert ref.state() == {"seen": ["before"]}
        assert ref.statistics().handled == 2
        ref.kill()
        await down


@in_loop
async def test_an_actor_stuck_in_its_thread_answers_for_its_status() -> None:
    """Guards the view into code that blocks."""
    async with stage() as w:
        gate, entered = threading.Event(), threading.Event()
        ref = await w.runtime.spawn(Player, host="thread")
        answer = ref.ask(blocking(entered, gate), block=False)
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        assert (ref.status().handling, ref.status().host) == ("function", "thread")
        gate.set()
        await answer


@in_loop
async def test_the_state_of_an_actor_is_always_one_of_five() -> None:
    """Guards what people read: starting, running, stopping, down, stopped."""
    async with stage() as w:
        gate = asyncio.Event()

        class Slow(Player):
            async def on_start(self) -> None:  # type: ignore[override]
                await gate.wait()

            async def on_stop(self) -> None:  # type: ignore[override]
                gate.clear()
                await gate.wait()

        starting = w.runtime.spawn(Slow, name="n")
        await w.settle()
        ref: Any = w.runtime.whereis("n")
        seen = [ref.status().state]
        gate.set()
        await starting
        seen.append(ref.status().state)
        stopped = ref.stop(block=False)
        await w.settle()
        seen.append(ref.status().state)
        gate.set()
        await stopped
        seen.append(ref.status().state)
        assert seen == ["starting", "running", "stopping", "stopped"]
        async with start(supervisor("root", child("a", Player)), runtime=w.runtime) as root:
            root.child("a").kill()
            await w.settle()
            assert root.child("a").status().state == "down"


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_suspended_actor_takes_no_message_until_it_is_resumed(host: str) -> None:
    """Guards suspend: user and system messages wait, in their order; nothing is lost."""
    async with stage() as w:
        ref, watched = await w.runtime.spawn(Player, host=host), await w.runtime.spawn(Player)
        await ref.call(lambda self: self.monitor(watched))
        ref.suspend()
        await w.settle()
        ref.tell(1)
        watched.kill()
        await w.settle()
        assert ref.status().suspended
        assert seen_by(ref) == []
        ref.resume()
        await ref.call(2)
        seen: Any = seen_by(ref)
        assert [type(message) for message in seen] == [Down, int, int]


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_the_order_to_stop_and_a_kill_get_through_to_a_suspended_actor(host: str) -> None:
    """Guards shutdown against a forgotten `resume`."""
    async with stage() as w:
        for end in ends(lambda ref: ref.stop(block=False, drain=False), lambda ref: ref.kill()):
            ref = await w.runtime.spawn(Player, host=host)
            ref.suspend()
            await w.settle()
            ended = ref.ended()
            end(ref)
            await ended
            assert ref.status().state == "stopped"


@in_loop
async def test_a_trace_holds_the_last_messages_and_no_more() -> None:
    """Guards the bounded memory of what an actor did, with type, outcome and incarnation."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Player, backoff=None)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        ref.tell("untraced")
        ref.trace(3)
        await w.settle()
        for number in range(4):
            ref.tell(number)
        ref.tell(crash(ValueError()))
        await ref.call(lambda _: asyncio.sleep(0))
        last = [(each.message_type, each.outcome, each.incarnation) for each in ref.last_messages()]
        assert last == [("int", "done", 1), ("function", "failed", 1), ("function", "done", 2)]
        ref.trace(0)
        await w.settle()
        assert ref.last_messages() == []


@in_loop
async def test_statistics_only_grow_and_uptime_is_of_the_present_incarnation() -> None:
    """Guards counters that survive restarts, and the time in handlers, waiting included."""
    async with (
        stage() as w,
        start(supervisor("root", child("a", Player, backoff=None)), runtime=w.runtime) as root,
    ):
        ref = root.child("a")
        await w.advance(5)
        assert ref.statistics().uptime == 5
        gate = asyncio.Event()
        answer = ref.ask(lambda _: gate.wait(), block=False)
        await w.advance(2)
        gate.set()
        await answer
        assert ref.statistics().seconds == 2
        ref.tell(crash(ValueError()))
        await w.advance(3)
        statistics = ref.statistics()
        assert (statistics.handled, statistics.crashes, statistics.restarts) == (2, 1, 1)
        assert (statistics.uptime, statistics.seconds) == (3, 2)


@in_loop
async def test_children_show_in_the_status_of_an_actor_and_are_found_by_path() -> None:
    """Guards the view of a tree, and that one actor has one ref."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, name="top")
        below = await ref.call(lambda self: _await(self.spawn(Player, name="below")))
        assert ref.status().children == ("below",)
        assert w.runtime.find("top/below") is below
        assert w.runtime.find("top/nobody") is None
        ref.kill()
        await w.settle()
        assert w.runtime.find("top/below") is None


async def _await(awaitable: Any) -> Any:
    return await awaitable


class Unlucky(Player):
    """Its first incarnations fail as they are told."""

    def __init__(self, fail: dict[int, str]) -> None:
        super().__init__()
        self.how = fail.get(self.incarnation, "")
        if self.how == "constructor":
            raise OSError

    def on_start(self) -> None:
        if self.how == "on_start":
            raise OSError

    def on_continue(self) -> None:
        if self.how == "on_continue":
            raise OSError

    def on_stop(self) -> None:
        if self.how == "on_stop":
            raise OSError


@pytest.mark.parametrize("host", ["loop", "thread"])
def test_the_crashes_of_an_actor_count_every_end_by_an_exception(host: Host) -> None:
    """Of a constructor, a hook, a handler, a link, an own exit; not a kill, and not an orderly end."""
    with simulation() as sim:
        fails = {2: "constructor", 3: "on_start", 4: "on_continue", 6: "on_stop"}
        spec = child("a", Unlucky, args=[fails], host=host, backoff=None, max_restarts=None)
        ref = sim.start(supervisor("root", spec, max_restarts=None)).child("a")
        other = sim.spawn(Player)
        counts = []

        def link(self: Any) -> None:
            self.link(other)
            other.tell(crash(OSError()))

        for act in (
            crash(OSError()),  # and the three starts after it
            link,
            lambda self: self.exit(Shutdown("done")),  # on_stop raises
            lambda self: self.exit(Crashed(OSError())),
            lambda self: self.exit(Shutdown("done")),
            lambda self: self.ref.kill(),
        ):
            ref.tell(act)
            sim.settle()
            statistics = ref.statistics()
            counts.append((statistics.crashes, statistics.restarts))
        assert counts == [(4, 4), (5, 5), (6, 6), (7, 7), (7, 8), (7, 9)]


class Tough(Actor):
    """Answers, refuses, and survives, with a plain handler and with one that is a coroutine."""

    answers = (KeyError,)
    resumes = (OSError,)

    async def later(self, message: object) -> object:
        return self.at_once(message)

    def at_once(self, message: object) -> object:
        if isinstance(message, Exception):
            raise message
        return message

    def on_receive(self, message: tuple[bool, object]) -> object:
        waits, what = message
        return self.later(what) if waits else self.at_once(what)


@in_loop
async def test_a_trace_has_what_is_sent_after_it_whichever_thread_is_first() -> None:
    """Guards the first message: the thread of the actor takes it before the loop goes on."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host="thread")
        await w.settle()
        ref.trace(9)
        asked = ref.ask("first", block=False)
        while not asked.done():
            os.sched_yield()  # and not the loop
        assert [line.message_type for line in ref.last_messages()] == ["str"]
        ref.trace(0)
        assert ref.last_messages() == []


@pytest.mark.parametrize("host", ["loop", "thread"])
@pytest.mark.parametrize("waits", [False, True], ids=["plain", "coroutine"])
@pytest.mark.parametrize("what", ["value", KeyError("no"), OSError("disk")], ids=["value", "answers", "resumes"])
@in_loop
async def test_who_hears_the_answer_finds_its_message_counted(host: Host, waits: bool, what: object) -> None:
    """Guards an asker in another thread, which may look before the actor goes on: a callback stands in for it."""
    async with stage() as w:
        ref = await w.runtime.spawn(Tough, host=host)
        events: list[MessageHandled] = []
        w.runtime.events.subscribe(events.append, MessageHandled)
        ref.trace(9)
        await ref.call((False, "before"))
        found: list[object] = []

        def look(_: object) -> None:
            counted = ref.statistics()
            found.extend((counted.handled, counted.resumed, len(ref.last_messages()), len(events)))

        def ask() -> None:
            ref.ask((waits, what), block=False).add_done_callback(look)

        ref.suspend()
        await asyncio.to_thread(ask)
        ref.resume()
        await ref.call((False, "after"))
        assert found == [2, int(isinstance(what, OSError)), 2, 2]
