"""More than one message under way to a process: they are handled in order, and none is lost with the process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from actors import Actor, ActorRef, DeadLetter, Lost, ManualClock, PlaceLost, Quarantined, Redelivered
from actors._place.link import FrameLink
from supervisors import child
from tests.actors.place import cast
from tests.actors.place.cast import (
    AsyncPerformer,
    Door,
    Listener,
    Performer,
    ThreadPerformer,
    noting,
    pid,
    placed,
    placing,
    stage,
    tree,
)
from tests.support import in_loop


class Recorder(Actor):
    """Tells `to` what it handles, and ends its process over a message that begins with `die`."""

    def __init__(self, to: Any) -> None:
        self.to = to

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, str) and message.startswith("die"):
            os._exit(9)
        self.to.tell(message)
        return message


@in_loop
async def test_messages_are_handled_in_order_and_a_stop_waits_for_them() -> None:
    async with stage() as s:
        a = await s.runtime.spawn(Performer, host=placing(prefetch=8))
        for number in range(100):
            a.tell(noting(number))
        assert await a.call(cast.notes) == list(range(100))
        assert a.statistics().handled == 101


@in_loop
async def test_what_waits_in_a_process_that_ends_is_handled_next_in_order() -> None:
    """Guards guarantee 3: messages that no handler has begun with return to the queue, in their order."""
    async with tree(placed(host=placing(prefetch=8))) as (s, root):
        a = root.child("a")
        a.tell(noting(0))
        a.tell(cast.leave)
        for number in range(1, 30):
            a.tell(noting(number))
        assert await a.call(cast.notes) == list(range(1, 30))
        assert a.incarnation == 2
        assert [(letter.message, letter.reason) for letter in s.seen(DeadLetter)] == [(cast.leave, "lost")]


@pytest.mark.parametrize("start", [Performer, ThreadPerformer])
@in_loop
async def test_what_a_handler_has_told_is_sent_before_the_next_one(start: type[Actor]) -> None:
    """The next one may end the process, and that it has begun says that the last message was handled."""
    async with tree(placed(start=start, host=placing(prefetch=2)), child("to", Listener)) as (s, root):
        a, to = root.child("a"), root.child("to")
        for round in range(10):
            a.tell(partial(cast.flood, to=to, count=5))
            a.tell(cast.leave)
            assert await a.call("there again") == "there again"
            assert await to.call(cast.heard) == list(range(5)) * (round + 1)
        assert {letter.message for letter in s.seen(DeadLetter)} == {cast.leave}


def flood_unwritten(self: Any, to: ActorRef[Any], count: int) -> None:
    """Tells numbers, and returns when the loop has sent them: only who asks for it has something written."""
    FrameLink._flush = lambda self: None  # type: ignore[method-assign]  # of this process alone, which ends next
    cast.flood(self, to, count)
    while to._cell.queue:
        passed = threading.Event()
        self._cell.runtime.control_call(passed.set)
        passed.wait()


@in_loop
async def test_what_a_thread_has_told_is_written_before_its_next_message() -> None:
    """It was sent on the loop, which has not come to write it."""
    kinds = placed(start=ThreadPerformer, host=placing(prefetch=2))
    async with tree(kinds, child("to", Listener)) as (_, root):
        a, to = root.child("a"), root.child("to")
        a.tell(partial(flood_unwritten, to=to, count=5))
        a.tell(cast.leave)
        assert await a.call("there again") == "there again"
        assert await to.call(cast.heard) == list(range(5))


def tell_large(self: Any, to: ActorRef[Any], size: int) -> None:
    """Tells more bytes than a socket takes at once."""
    to.tell(bytes(size))


@pytest.mark.parametrize("start", [Performer, ThreadPerformer])
@in_loop
async def test_a_large_message_is_written_whole_before_the_next_one(start: type[Actor]) -> None:
    """The program reads it while the process waits; the next message ends the process."""
    size = 8 << 20
    async with tree(placed(start=start, host=placing(prefetch=2)), child("to", Listener)) as (_, root):
        a, to = root.child("a"), root.child("to")
        a.tell(partial(tell_large, to=to, size=size))
        a.tell(cast.leave)
        assert await a.call("there again") == "there again"
        assert [len(message) for message in await to.call(cast.heard)] == [size]


@in_loop
async def test_only_the_message_that_did_it_counts_as_the_cause() -> None:
    async with tree(placed(host=placing(prefetch=8), redeliver=1)) as (s, root):
        a = root.child("a")
        asked = [a.ask(number, block=False) for number in range(3)]
        a.tell(cast.segfault)
        asked += [a.ask(number, block=False) for number in range(3, 6)]
        assert [await each for each in asked] == list(range(6))
        assert [event.message for event in s.seen(Redelivered, Quarantined)] == [cast.segfault] * 2
        assert a.incarnation == 3


@in_loop
async def test_an_exception_leaves_what_waits_behind_it_to_the_next_incarnation() -> None:
    async with tree(placed(host=placing(prefetch=8))) as (_, root):
        a = root.child("a")
        a.tell(cast.fail)
        for number in range(20):
            a.tell(noting(number))
        assert await a.call(cast.notes) == list(range(20))
        assert a.incarnation == 2


@in_loop
async def test_questions_that_wait_behind_a_crash_are_answered_by_the_next() -> None:
    async with tree(placed(host=placing(prefetch=8))) as (s, root):
        a = root.child("a")
        a.tell(cast.fail)
        asked = [a.ask(number, block=False) for number in range(5)]
        assert [await each for each in asked] == list(range(5))
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["crashed"]


@in_loop
async def test_a_kill_refuses_what_has_begun_and_keeps_what_waits(tmp_path: Path) -> None:
    door = Door(tmp_path)
    async with tree(placed(host=placing(prefetch=8))) as (s, root):
        a = root.child("a")
        await a.call(pid)
        spinning = door.then(cast.spin)
        a.tell(spinning)
        for number in range(5):
            a.tell(noting(number))
        await door.opened()
        a.kill()
        assert await a.call(cast.notes) == list(range(5))
        assert [(letter.message, letter.reason) for letter in s.seen(DeadLetter)] == [(spinning, "killed")]


@in_loop
async def test_a_handler_timeout_counts_from_the_beginning_of_its_handler(tmp_path: Path) -> None:
    """Guards messages that wait behind others in the process."""
    clock = ManualClock()
    doors, gates = [Door(tmp_path, f"door{n}") for n in (1, 2)], [Door(tmp_path, f"gate{n}") for n in (1, 2)]
    async with stage(clock=lambda _: clock) as s:
        a = await s.runtime.spawn(Performer, host=placing(prefetch=8), handler_timeout=10)
        for door, gate in zip(doors, gates, strict=True):
            a.tell(door.then(gate.wait))
        for door, gate in zip(doors, gates, strict=True):
            await door.opened()
            clock.advance(9)
            gate.open()
        assert await a.call("alive") == "alive"


@in_loop
async def test_askers_of_concurrent_handlers_are_all_told_of_the_end(tmp_path: Path) -> None:
    door = Door(tmp_path)
    async with tree(placed(start=AsyncPerformer)) as (_, root):
        a = root.child("a")
        first = await a.call(pid)
        waiting = [a.ask(cast.wait_long, block=False) for _ in range(2)]
        last = a.ask(door.then(cast.wait_long), block=False)
        await door.opened()
        down = a.monitor()
        os.kill(first, signal.SIGKILL)
        assert isinstance((await down).reason, Lost)
        for each in [*waiting, last]:
            with pytest.raises(PlaceLost):
                await each


@settings(max_examples=6, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
@given(
    st.integers(1, 8),
    st.lists(st.booleans(), min_size=1, max_size=25).filter(lambda deaths: sum(deaths) < 4),
)
def test_every_message_is_handled_or_refused_whatever_ends_the_process(prefetch: int, deaths: list[bool]) -> None:
    """Conservation: sent = handled + dead letters; and the receiver hears them in the order in which they were sent."""
    asyncio.run(_conserve(prefetch, deaths))


async def _conserve(prefetch: int, deaths: list[bool]) -> None:
    async with tree(child("listener", Listener), max_restarts=None) as (s, root):
        listener = root.child("listener")
        spec = placed("a", Recorder, args=(listener,), host=placing(prefetch=prefetch))
        a = await root.start_child(spec)
        sent = [f"die {number}" if dies else number for number, dies in enumerate(deaths)]
        for each in sent:
            a.tell(each)
        await a.call("last")
        heard = [each for each in await listener.call(cast.heard) if each != "last"]
        lost = [letter.message for letter in s.seen(DeadLetter) if letter.reason == "lost"]
        assert heard == [each for each in sent if isinstance(each, int)]
        assert lost == [each for each in sent if isinstance(each, str)]
        assert a.incarnation == 1 + sum(deaths)
