"""Hosts: where incarnations run, and fairness between the actors of one loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from actors import Actor, Shutdown
from actors._hosts.loop import PASS
from tests.actors.cast import PATIENCE, AsyncPlayer, Player, ends, join_threads, left_behind, own_threads, script, stage
from tests.support import in_loop


class Echo(Actor):
    """Says in which thread it is."""

    def __init__(self) -> None:
        self.threads = [threading.get_ident()]

    def on_start(self) -> None:
        self.threads.append(threading.get_ident())

    def on_receive(self, message: Any) -> list[int]:
        return [*self.threads, threading.get_ident()]


@in_loop
async def test_a_loop_actor_runs_wholly_on_the_thread_of_the_loop() -> None:
    """Guards state that is shared with the rest of an asyncio program."""
    async with stage() as w:
        ref = await w.runtime.spawn(Echo)
        assert set(await ref.call(1)) == {threading.get_ident()}
        assert set(await asyncio.to_thread(ref.ask, 1)) == {threading.get_ident()}


@in_loop
async def test_a_thread_actor_runs_wholly_on_one_thread_of_its_own() -> None:
    """Guards code that blocks, and the starter: construction too runs over there."""
    async with stage() as w:
        one, two = [await w.runtime.spawn(Echo, host="thread") for _ in range(2)]
        threads = set(await one.call(1)), set(await two.call(1))
        assert len(threads[0]) == len(threads[1]) == 1
        assert len(threads[0] | threads[1] | {threading.get_ident()}) == 3


@in_loop
async def test_the_class_says_where_it_runs_unless_the_spawner_does() -> None:
    """Guards the precedence of `host`."""

    class Blocking(Echo):
        host = "thread"

    async with stage() as w:
        assert (await w.runtime.spawn(Blocking)).status().host == "thread"
        assert (await w.runtime.spawn(Blocking, host="loop")).status().host == "loop"


def test_an_endless_actor_starves_neither_other_actors_nor_its_stop() -> None:
    """Guards fairness, on either host: an endless conversation with itself is one of many, and can be ended."""
    for host in ("loop", "thread"):
        with script() as runtime:

            class Talker(Actor):
                def on_receive(self, message: Any) -> None:
                    self.ref.tell(message)

            talkers = [runtime.spawn(Talker, host=host).get() for _ in range(2)]
            other = runtime.spawn(Player).get()
            for talker in talkers:
                talker.tell("again")
            for number in range(20):
                assert other.ask(number, timeout=PATIENCE) == number
            ended = talkers[0].ended()
            talkers[0].stop(block=False, drain=False)
            assert isinstance(ended.get(timeout=PATIENCE), Shutdown)
            assert talkers[1].is_alive()


def test_an_endless_actor_starves_no_coroutine_of_the_loop() -> None:
    """Guards the rest of an application: sockets, timers and tasks get their turns."""
    with script() as runtime:

        class Talker(Actor):
            def on_receive(self, message: Any) -> None:
                self.ref.tell(message)

        runtime.spawn(Talker).get().tell("again")

        async def elsewhere() -> str:
            for _ in range(10):
                await asyncio.sleep(0.001)
            return "fine"

        assert asyncio.run_coroutine_threadsafe(elsewhere(), runtime.loop).result(PATIENCE) == "fine"


def test_a_pass_of_the_loop_is_longer_than_the_switch_interval() -> None:
    """Guards other threads: who waits for the interpreter insists only after that time without a release."""
    assert sys.getswitchinterval() * 2 <= PASS


@in_loop
async def test_two_actors_that_talk_for_ever_leave_room_for_a_caller_on_the_loop() -> None:
    """Guards callers that run the target at once: that must not pull them into somebody else's endless work."""
    async with stage() as w:
        one, two = [await w.runtime.spawn(Player) for _ in range(2)]

        def ping(other: Any) -> Any:
            return lambda self: other.tell(ping(self.ref))

        one.tell(ping(two))
        third = await w.runtime.spawn(Player)
        for number in range(50):
            assert await third.call(number) == number
        one.kill()
        two.kill()
        await w.settle()


@in_loop
async def test_a_long_queue_of_one_actor_does_not_keep_the_others_waiting() -> None:
    """Guards the slice: a long queue is worked off in parts, with others in between."""
    async with stage() as w:
        order: list[str] = []
        long, short = [await w.runtime.spawn(Player) for _ in range(2)]
        for _ in range(1000):
            long.tell(lambda _: order.append("long"))
        short.tell(lambda _: order.append("short"))
        await w.settle()
        assert len(order) == 1001
        assert order.index("short") < 200


@pytest.mark.parametrize("cls", [Player, AsyncPlayer])
def test_threads_end_with_their_actors(cls: type[Player]) -> None:
    """Guards against threads that pile up: after a stop, a kill and a crash."""
    with script() as runtime:
        for end in ends(lambda ref: ref.stop(), lambda ref: ref.kill(), lambda ref: ref.tell(_raise)):
            ref = runtime.spawn(cls, host="thread").get()
            (thread,) = [each for each in own_threads(runtime) if each.name.endswith(ref.path)]
            end(ref)
            ref.wait(timeout=PATIENCE)
            thread.join(PATIENCE)
            assert not thread.is_alive()


def _raise(_: Any) -> None:
    raise ValueError


@in_loop
async def test_many_waiting_handlers_leave_no_task_behind() -> None:
    """Guards the pool of tasks: a burst does not leave a thousand of them, a stop leaves none."""
    async with stage() as w:
        gate = asyncio.Event()
        refs = [await w.runtime.spawn(Player) for _ in range(300)]
        answers = [ref.ask(lambda _: gate.wait(), block=False) for ref in refs]
        await w.settle()
        assert len(asyncio.all_tasks()) > 300
        gate.set()
        for answer in answers:
            await answer
        await w.settle()
        assert len(asyncio.all_tasks()) < 50


@in_loop
async def test_nothing_is_left_of_actors_that_end_while_the_runtime_goes_on() -> None:
    """Guards long-running services: cells, names, timers, threads and watchers of the dead are gone."""
    async with stage(default_timeout=None) as w:
        keeper = await w.runtime.spawn(Player)
        for round_ in range(20):
            ref = await w.runtime.spawn(Player, name="n", host="thread" if round_ % 4 == 0 else "loop")
            await ref.call(lambda self: (self.register("own"), self.join("g"), self.tell_after(100, "x")))
            await keeper.call(lambda self, ref=ref: (self.monitor(ref), self.link(ref)))
            await ref.stop(block=False)
        await w.settle()
        assert list(w.runtime.cells.values()) == [keeper._cell]
        assert keeper.status().links == 0
        assert w.clock.pending == 0
        await keeper.stop(block=False)
        await asyncio.to_thread(join_threads, w.runtime)
        found = left_behind(w.runtime)
        found.pop("carriers", None)  # idle ones are kept for the next handler
        assert found == {}
