"""What is different for an actor in a process of its own (docs/reference/processes.md, "What differs")."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from actors import ActorRef, MessageHandled, Started
from supervisors import SupervisorGaveUp, child, start, supervisor
from tests.actors.place.cast import Performer, fail, leave, noting, pid, placed, placing, stage, tree
from tests.support import in_loop


class Hearing(Performer):
    """Notes which actors start, as far as it hears of them."""

    def on_start(self) -> None:
        self.subscribe(Started)

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Started):
            self.notes.append(message.path)
            return None
        return super().on_receive(message)


def begin_one(actor: Any) -> None:
    actor.spawn(Performer)


def heard(actor: Any) -> list[object]:
    return list(actor.notes)


def tell_itself(actor: Any, messages: list[Callable[[Any], Any]]) -> None:
    for message in messages:
        actor.ref.tell(message)


def counters(_: Any, ref: ActorRef) -> tuple[int, int]:
    return ref.status().queued, ref.statistics().handled


@in_loop
async def test_the_state_of_an_actor_in_a_process_is_not_shown() -> None:
    async with tree(placed(), child("b", Performer)) as (_, root):
        assert await root.child("a").call(noting("x")) == await root.child("b").call(noting("x"))
        assert root.child("a").state() == {}
        assert root.child("b").state()["notes"] == ["x"]


@in_loop
async def test_a_subscription_inside_hears_of_its_process_alone() -> None:
    async with tree(placed(start=Hearing)) as (s, root):
        a = root.child("a")
        outside = await s.runtime.spawn(Performer)
        await a.call(begin_one)
        while not [path for path in await a.call(heard) if path.startswith("root/a/")]:
            pass
        assert outside.path not in await a.call(heard)
        assert outside.path in [event.path for event in s.seen(Started)]


@in_loop
async def test_inside_nothing_is_known_of_the_counters_of_others() -> None:
    async with tree(placed(), child("b", Performer)) as (_, root):
        b = root.child("b")
        await b.call(noting("x"))
        assert b.statistics().handled == 1
        assert await root.child("a").call(partial(counters, ref=b)) == (0, 0)


@in_loop
async def test_what_an_actor_told_itself_is_lost_with_its_process() -> None:
    async with tree(placed()) as (_, root):
        a = root.child("a")
        before = await a.call(pid)
        down = a.monitor()
        a.tell(partial(tell_itself, messages=[leave, noting("after")]))
        await down
        assert await a.call(pid) != before
        assert await a.call(heard) == []


def tell_b(actor: Any) -> None:
    actor.sibling("b").tell("inside")


@in_loop
async def test_only_what_the_program_sent_is_published_as_handled() -> None:
    spec = supervisor("crawl", child("a", Performer), child("b", Performer), host=placing(), backoff=None)
    async with stage() as s, start(supervisor("root", spec), runtime=s.runtime) as root:
        handled: list[object] = []
        s.runtime.events.subscribe(lambda event: handled.append(event.message), MessageHandled)
        b = root.child("crawl/b")
        await root.child("crawl/a").call(tell_b)
        await b.call("outside")
        while b.statistics().handled < 2:
            await asyncio.sleep(0.001)
        assert handled.count("outside") == 1
        assert "inside" not in handled


@in_loop
async def test_a_root_in_a_process_that_gives_up_names_no_restarts() -> None:
    spec = supervisor("crawl", child("a", Performer, backoff=None), host=placing(), max_restarts=0)
    with pytest.raises(SupervisorGaveUp) as gave_up:
        async with stage() as s, start(spec, runtime=s.runtime) as root:
            root.child("a").tell(fail)
            await root.ended()
    assert gave_up.value.ledger == ()
