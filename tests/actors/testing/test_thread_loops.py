"""The `async` code of an actor on a thread runs on an event loop of that thread, in a simulation as without one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorRef, Future, Runtime
from actors.testing import DeadlockFailure, FenceError, portfolio, simulation
from supervisors import child, supervisor, tasks
from tests.actors.testing.cast import Counter, Echo, Sleepy

Body = Callable[["OnThread", Any], Awaitable[object]]


class OnThread(Actor):
    """Does in a coroutine on its thread what it is told to."""

    host = "thread"

    async def on_receive(self, message: tuple[Body, Any]) -> object:
        body, argument = message
        return await body(self, argument)


class Plain(Actor):
    """Runs an event loop of its own in a plain handler."""

    host = "thread"

    def on_receive(self, seconds: float) -> object:
        return asyncio.run(asyncio.sleep(seconds, time.monotonic()))


async def call_itself(actor: OnThread, other: Any) -> object:
    return await actor.ref.call("x", timeout=60)


async def call_another(actor: OnThread, other: Any) -> object:
    return await other.call("x")


async def ask_another(actor: OnThread, other: Any) -> object:
    return other.ask("x")


async def wait_for_a_future(actor: OnThread, other: Any) -> object:
    return Future[object]().get(timeout=5)


async def await_another(actor: OnThread, other: Any) -> object:
    return await other.ask("x", block=False)


async def block_in_a_thread(actor: OnThread, other: Any) -> object:
    return await asyncio.to_thread(other.ask, "x")


async def several_at_once(actor: OnThread, other: Any) -> object:
    return await asyncio.gather(other.call("x"), other.call("y"))


async def end_by_a_task(actor: OnThread, other: Any) -> object:
    async def leave() -> None:
        raise SystemExit(3)

    return await asyncio.gather(leave(), asyncio.sleep(0))


async def say_which_loop(actor: OnThread, other: Any) -> object:
    return asyncio.get_running_loop() is actor.runtime.loop


BODIES = (
    call_itself,
    call_another,
    ask_another,
    wait_for_a_future,
    await_another,
    block_in_a_thread,
    several_at_once,
    end_by_a_task,
    say_which_loop,
)


def outcome(asked: Callable[[], object]) -> object:
    """The answer, or the type of what it raises."""
    try:
        return asked()
    except Exception as error:  # noqa: BLE001 - compared by its type
        return type(error)


@pytest.mark.parametrize("body", BODIES)
def test_async_code_on_a_thread_does_the_same_as_without_a_simulation(body: Body) -> None:
    """Answers and errors alike: what may block blocks, what is refused is refused, a cycle is found at once."""
    with Runtime(log=False, watchdog=None) as runtime:
        actor, other = runtime.spawn(OnThread).get(), runtime.spawn(Echo).get()
        real = outcome(lambda: actor.ask((body, other)))
    with simulation() as sim:
        actor, other = sim.spawn(OnThread), sim.spawn(Echo)
        assert outcome(lambda: actor.ask((body, other))) == real
        assert sim.now == 0.0


def test_a_coroutine_that_blocks_a_thread_holds_up_its_own_loop_alone() -> None:
    """Its own tasks wait for it, as in a real thread; everybody else goes on."""

    async def block(actor: OnThread, other: Any) -> object:
        ticks = []

        async def tick() -> None:
            await asyncio.sleep(1)
            ticks.append(time.monotonic())

        task = asyncio.create_task(tick())
        await asyncio.sleep(0)
        time.sleep(5)  # noqa: TID251 - virtual
        await task
        return ticks

    with simulation() as sim:
        actor, other = sim.spawn(OnThread), sim.spawn(Sleepy)
        answer = actor.ask((block, None), block=False)
        assert other.ask("x") == "x"
        assert sim.now == 1.0
        assert answer.get() == [5.0]


@pytest.mark.parametrize("seconds", [1.0, 100_000.0])
def test_a_plain_function_under_tasks_may_block_in_a_simulation(seconds: float) -> None:
    """As without one: virtual time passes, for longer than a real selector may wait, too."""
    with simulation() as sim:
        sim.start(tasks("jobs")).run(time.sleep, seconds).get()  # noqa: TID251 - virtual
        assert sim.now == seconds


def test_a_plain_handler_may_run_an_event_loop_of_its_own() -> None:
    """`asyncio.run` in a thread of its own, which is how plain code calls async libraries."""
    with simulation() as sim:
        assert sim.spawn(Plain).ask(2.5) == 0.0
        assert sim.now == 2.5


def test_two_loops_in_two_threads_do_not_see_each_other() -> None:
    """Which loop runs, which task is current and where generators are closed is each thread's own."""
    seen: list[str] = []

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            for number in range(3):
                await asyncio.sleep(1)
                yield number
        finally:
            seen.append(f"{name} closes at {time.monotonic():g} in {asyncio.get_running_loop() is loops[name]}")

    async def work(actor: OnThread, name: str) -> object:
        loops[name] = asyncio.get_running_loop()
        task = asyncio.current_task()
        generator = numbers(name)
        async for number in generator:
            time.sleep(number)  # noqa: TID251 - virtual
            assert asyncio.current_task() is task
            assert asyncio.get_running_loop() is loops[name]
            if number == 1:
                break
        del generator
        await asyncio.sleep(0)
        return threading.current_thread()

    loops: dict[str, object] = {}
    with simulation() as sim:
        answers = [sim.spawn(OnThread).ask((work, name), block=False) for name in "ab"]
        one, two = (each.get() for each in answers)
        assert one is not two
        assert loops["a"] is not loops["b"]
    assert seen == ["a closes at 3 in True", "b closes at 3 in True"]


def test_what_a_thread_leaves_behind_ends_with_it_in_order() -> None:
    """Tasks it forgot are cancelled in the order in which they were made, and generators are closed."""
    ended: list[str] = []

    async def forgotten(name: str) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(name)

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.append("numbers")

    kept: list[object] = []

    async def leave(actor: OnThread, other: Any) -> None:
        kept.extend(asyncio.create_task(forgotten(str(number))) for number in range(9))
        generator = numbers()
        kept.append(generator)
        await anext(generator)

    with simulation() as sim:
        sim.spawn(OnThread).ask((leave, None))
        assert ended == []
    assert ended == [*map(str, range(9)), "numbers"]


def test_a_socket_of_a_threads_own_loop_is_refused_by_name() -> None:
    """The fence is the same on either loop."""

    async def connect(actor: OnThread, other: Any) -> None:
        await asyncio.open_connection("localhost", 80)

    with simulation() as sim:
        sim.spawn(OnThread).tell((connect, None))
        with pytest.raises(FenceError, match=r"loop.create_connection\(\)"):
            sim.settle()


def test_a_coroutine_on_a_thread_that_is_never_woken_is_a_deadlock() -> None:
    """Nothing can run, no timer is set, and the report says which thread waits."""

    async def wait(actor: OnThread, other: Any) -> None:
        await asyncio.get_running_loop().create_future()

    with simulation(default_timeout=None) as sim:
        actor = sim.spawn(OnThread, name="waits", shutdown=1.0)
        with pytest.raises(DeadlockFailure, match="waits #1 waits for its event loop"):
            actor.ask((wait, None))


async def mixed(actor: OnThread, others: list[ActorRef[Any]]) -> object:
    """Waits in every way there is."""
    first = asyncio.create_task(others[0].call("x"))
    await asyncio.to_thread(others[1].ask, "y")
    async with asyncio.timeout(5):
        await asyncio.sleep(0.5)
    return await first


@given(st.integers(0, 2**16), st.integers(0, 8))
def test_a_run_with_loops_in_threads_repeats(seed: int, search: int) -> None:
    """Under every way to search, to the last step."""

    def run() -> str:
        with simulation(seed=seed, search=portfolio(9, seed)[search], default_timeout=None) as sim:
            root = sim.start(supervisor("root", *(child(name, OnThread) for name in "ab"), child("c", Counter)))
            a, b, c = (root.child(name) for name in "abc")
            answers = [each.ask((mixed, [c, c]), block=False) for each in (a, b)]
            for each in answers:
                each.get()
        return sim.trace_hash

    assert run() == run()
