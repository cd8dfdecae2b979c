"""Futures of an actor's end: one that is dropped, or whose wait is over, leaves nothing with an actor that lives on."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from actors import Actor, ActorRef, Future, Runtime
from actors.testing import simulation
from tests.actors.cast import Player, script, stage
from tests.support import in_loop

FUTURES = [pytest.param(lambda ref: ref.monitor(), id="monitor"), pytest.param(lambda ref: ref.ended(), id="ended")]
Make = Callable[[ActorRef[Any]], Future[Any]]


def entries(ref: ActorRef[Any]) -> int:
    """How many futures, monitors and callbacks the actor and its runtime hold of its end."""
    gc.collect()
    return ref.status().monitors + len(ref.runtime._closing.get(ref._cell, {}))


@pytest.mark.parametrize("make", FUTURES)
@in_loop
async def test_a_future_of_the_end_that_is_dropped_is_forgotten(make: Make) -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Actor)
        for _ in range(10):
            make(ref)
        assert entries(ref) == 0
        kept = make(ref)
        assert entries(ref) == 1
        ref.kill()
        await kept


@pytest.mark.parametrize("make", FUTURES)
@in_loop
async def test_a_wait_for_the_end_that_is_cancelled_is_forgotten(make: Make) -> None:
    """Guards `asyncio.wait_for(ref.ended(), ...)` in a loop, and a waiter that is cancelled."""
    async with stage() as w:
        ref = await w.runtime.spawn(Actor)

        async def wait() -> Any:
            return await make(ref)

        for _ in range(10):
            waiter = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            assert entries(ref) == 1
            waiter.cancel()
            await asyncio.wait([waiter])
            del waiter
        assert entries(ref) == 0


@pytest.mark.parametrize("make", FUTURES)
@in_loop
async def test_a_callback_is_called_though_its_future_is_dropped(make: Make) -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Actor)
        told: list[str] = []
        make(ref).add_done_callback(lambda _: told.append("callback"))
        make(ref).map(lambda _: told.append("never asked for"))
        waiter = asyncio.ensure_future(make(ref).map(lambda _: told.append("awaited")).join())
        await asyncio.sleep(0)
        assert entries(ref) == 2
        ref.kill()
        await waiter
        assert sorted(told) == ["awaited", "callback"]
        assert entries(ref) == 0


@pytest.mark.parametrize("make", FUTURES)
@in_loop
async def test_a_future_of_the_end_does_not_outlive_it(make: Make) -> None:
    async with stage() as w:
        ref = await w.runtime.spawn(Actor)
        future = make(ref)
        seen = weakref.ref(future)
        future.add_done_callback(lambda _: None)
        ref.kill()
        await future
        del future
        assert seen() is None  # without the garbage collector


def test_waits_in_a_thread_that_time_out_leave_nothing() -> None:
    """Guards `while ref.wait(0.1) is None`, and the callbacks of a future that is polled."""
    with script() as runtime:
        ref = runtime.spawn(Actor).get()
        for _ in range(10):
            assert ref.wait(timeout=0) is None
        polled = ref.monitor()
        for _ in range(10):
            with pytest.raises(pykka.Timeout):
                polled.get(timeout=0)
        asked = runtime.spawn(Player).get()  # what was asked of the loop before is done
        assert asked.is_alive()
        assert polled._callbacks == []
        del polled
        assert entries(ref) == 0


def test_waits_that_time_out_in_a_simulation_leave_nothing() -> None:
    with simulation() as sim:
        ref = sim.spawn(Actor)
        for _ in range(10):
            assert ref.wait(timeout=1) is None
        sim.settle()
        assert entries(ref) == 0
        ended = ref.ended()
        ref.kill()
        assert ended.get() == ref.wait()


def test_a_wait_that_ends_with_the_actor_tells_the_reason() -> None:
    with Runtime(log=False, watchdog=None) as runtime:
        ref = runtime.spawn(Actor).get()
        ref.kill()
        assert ref.wait(timeout=10) == ref.ended().get()
