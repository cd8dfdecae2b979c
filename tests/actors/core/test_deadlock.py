"""Cycles of actors that wait for each other: an error at once that names the chain, not a timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ActorRef, DeadlockError
from tests.actors.cast import AsyncPlayer, Player, stage
from tests.support import in_loop


def passing_on(chain: list[ActorRef[Any]], threads: set[ActorRef[Any]], found: list[Any]) -> Callable[[Any], Any]:
    """A message that calls the next of the chain with the same kind of message; who gets the error notes it."""

    async def on_loop(_: Any) -> str:
        if not chain:
            return "end"
        try:
            return str(await chain[0].call(passing_on(chain[1:], threads, found)))
        except DeadlockError as error:
            found.append(error.chain)
            return "cycle"

    def in_thread(_: Any) -> str:
        if not chain:
            return "end"
        try:
            return str(chain[0].ask(passing_on(chain[1:], threads, found)))
        except DeadlockError as error:
            found.append(error.chain)
            return "cycle"

    def act(self: Any) -> Any:
        return in_thread(self) if self.ref in threads else on_loop(self)

    return act


@settings(max_examples=40)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=7), st.sets(st.integers(0, 3)))
@in_loop
async def test_a_call_that_closes_a_cycle_raises_at_once_and_names_the_chain(
    path: list[int], threaded: set[int]
) -> None:
    """Guards any chain of calls through loop and threads: the first that comes back to an actor that waits is
    refused.
    """
    async with stage() as w:
        cast = [await w.runtime.spawn(Player, host="thread" if n in threaded else "loop") for n in range(4)]
        threads = {cast[n] for n in threaded}
        found: list[Any] = []
        answer = await cast[path[0]].call(passing_on([cast[n] for n in path[1:]], threads, found), timeout=None)
        walked: list[int] = []
        for step in path:
            if step in walked:
                names = [cast[n].path for n in walked[walked.index(step) :]]
                closer = cast[walked[-1]].path
                assert answer == "cycle"
                assert len(found) == 1
                assert found[0] == (closer, *names)
                return
            walked.append(step)
        assert answer == "end"
        assert found == []


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_call_to_itself_is_a_cycle_of_one(host: str) -> None:
    """Guards the shortest cycle: it would wait for the message that comes after it."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player, host=host)
        with pytest.raises(DeadlockError) as caught:
            await ref.call(lambda self: self.ref.ask("me") if host == "thread" else self.ref.call("me"))
        assert caught.value.chain == (ref.path, ref.path)
        assert "concurrency" in str(caught.value)


@in_loop
async def test_mutual_calls_at_the_same_time_give_one_of_the_two_an_error() -> None:
    """Guards the race: both ask each other in the same moment, on any pair of hosts."""
    async with stage() as w:
        for hosts in (("loop", "loop"), ("loop", "thread"), ("thread", "thread")):
            pair = [await w.runtime.spawn(AsyncPlayer, host=host) for host in hosts]
            outcomes: list[str] = []

            def ask_other(other: ActorRef[Any], outcomes: list[str] = outcomes) -> Callable[[Any], Any]:
                async def act(_: Any) -> None:
                    try:
                        await other.call("question", timeout=None)
                        outcomes.append("answered")
                    except DeadlockError:
                        outcomes.append("deadlock")

                return act

            asked = [pair[n].ask(ask_other(pair[1 - n]), block=False, timeout=None) for n in (0, 1)]
            for each in asked:
                await each
            assert outcomes.count("answered") >= 1 or outcomes == ["deadlock", "deadlock"]
            assert len(outcomes) == 2


@in_loop
async def test_an_actor_that_allows_concurrency_may_be_called_back() -> None:
    """Guards against refusing what would be answered."""

    class Wide(Player):
        concurrency = 2

    async with stage() as w:
        wide, other = await w.runtime.spawn(Wide), await w.runtime.spawn(Player)
        assert await wide.call(lambda _: other.call(lambda _: wide.call("back"))) == "back"


@in_loop
async def test_a_task_that_a_handler_started_may_call_back() -> None:
    """Guards work beside the handler: only what the handler itself awaits closes a cycle."""
    async with stage() as w:
        one, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)
        tasks: list[asyncio.Task[Any]] = []

        async def spawn_task(_: Any) -> None:
            tasks.append(asyncio.create_task(other.call(lambda _: one.call("back"))))

        await one.call(spawn_task)
        assert await tasks[0] == "back"


@in_loop
async def test_a_call_that_is_over_blocks_no_other_call() -> None:
    """Guards the bookkeeping: who has been answered, has given up or has been cancelled waits for nobody."""
    async with stage() as w:
        one, other = await w.runtime.spawn(Player), await w.runtime.spawn(Player)

        async def give_up(_: Any) -> None:
            asking = asyncio.ensure_future(other.call("x"))
            await asking
            for _ in range(2):
                try:
                    await other.call(lambda _: asyncio.sleep(60), timeout=0)
                except TimeoutError:
                    pass

        await one.call(give_up)
        assert one.status().waiting_for is None
        other.kill()
        third = await w.runtime.spawn(Player)
        assert await third.call(lambda _: one.call("fine")) == "fine"
