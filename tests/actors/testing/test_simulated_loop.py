"""The loop of a simulation is an event loop of asyncio: what code asks of one, it does, or refuses by name.

`python -m benchmarks.anyio_suite` runs the test suite of anyio on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import sys
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor
from actors.testing import DeadlockFailure, FenceError, LoopFailure, Simulation, simulation
from actors.testing._sim.loop import LOOKUPS, REFUSED, SimLoop
from actors.testing._sim.strand_loop import StrandLoop


class Runs(Actor):
    """Awaits what it is told to, on the loop."""

    async def on_receive(self, message: Callable[[], Awaitable[object]]) -> object:
        return await message()


class RunsOnThread(Runs):
    """The same on the loop of a thread of its own."""

    host = "thread"


def pause(seconds: float) -> None:
    time.sleep(seconds)  # noqa: TID251 - virtual


BOTH = pytest.mark.parametrize("actor", [Runs, RunsOnThread])


def asked(actor: type[Runs], body: Callable[[], Awaitable[object]], sim: Simulation) -> object:
    return sim.spawn(actor).ask(body, timeout=1000)


def of_asyncio() -> list[str]:
    """The public methods of a loop that asyncio makes on this platform, where one has a body."""
    real = asyncio.SelectorEventLoop
    return [name for name, each in inspect.getmembers(real, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("loop_class", [SimLoop, StrandLoop])
def test_every_method_of_an_asyncio_loop_is_done_or_refused(loop_class: type) -> None:
    """None is left to the abstract class, which raises an untyped `NotImplementedError`."""
    left = [
        name for name in of_asyncio() if getattr(loop_class, name) is getattr(asyncio.AbstractEventLoop, name, None)
    ]
    assert left == []
    assert set(REFUSED) | set(LOOKUPS) <= set(of_asyncio())


@BOTH
@pytest.mark.parametrize("name", [*REFUSED, *LOOKUPS])
def test_a_method_that_needs_the_world_outside_is_refused_by_name(name: str, actor: type[Runs]) -> None:
    """The error says the method, and ends the run."""

    async def call() -> None:
        with contextlib.suppress(FenceError):
            getattr(asyncio.get_running_loop(), name)()

    with simulation() as sim, pytest.raises(FenceError) as caught:
        asked(actor, call, sim)
    assert caught.value.call == f"loop.{name}()"


@BOTH
def test_a_task_factory_is_asked_as_asyncio_asks_it(actor: type[Runs]) -> None:
    """With the loop, the coroutine, and a context where one was given; the name is set afterwards."""
    made: list[dict[str, object]] = []

    def factory(loop: Any, coro: Any, **options: Any) -> Any:
        made.append(options)
        return asyncio.Task(coro, loop=loop, **options)

    async def call() -> object:
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        loop.set_task_factory(factory)
        try:
            task = asyncio.create_task(asyncio.sleep(1, "x"), name="")
            assert task.get_name() == ""
            return await task
        finally:
            loop.set_task_factory(before)

    with simulation() as sim:
        assert asked(actor, call, sim) == "x"
    if sys.version_info < (3, 13):
        assert made == [{}]


@BOTH
def test_an_exception_handler_hears_of_what_a_callback_raises(actor: type[Runs]) -> None:
    """As with asyncio; what it hears is no failure of the run then."""
    heard: list[object] = []

    async def call() -> object:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: heard.append(context["exception"]))
        assert loop.get_exception_handler() is not None
        error = KeyError("x")
        loop.call_exception_handler({"message": "m", "exception": error})
        loop.set_exception_handler(None)
        return heard == [error]

    with simulation() as sim:
        assert asked(actor, call, sim) is True


@BOTH
def test_without_a_handler_what_a_callback_raises_fails_the_run(actor: type[Runs]) -> None:
    """Nothing is lost in silence."""

    async def call() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "m", "exception": KeyError("x")})

    with pytest.raises(LoopFailure, match="KeyError"), simulation() as sim:
        asked(actor, call, sim)


@BOTH
def test_debug_mode_is_kept_and_takes_no_step(actor: type[Runs]) -> None:
    """Tasks then remember where they were made."""

    async def call() -> object:
        loop: Any = asyncio.get_running_loop()
        loop.set_debug(True)
        task: Any = asyncio.create_task(asyncio.sleep(0))
        await task
        debugged = loop.get_debug(), bool(task._source_traceback)
        loop.set_debug(False)
        return debugged, loop.get_debug()

    with simulation() as sim:
        assert asked(actor, call, sim) == ((True, True), False)


@BOTH
def test_a_generator_that_is_dropped_is_closed_on_its_loop(actor: type[Runs]) -> None:
    """What its `finally` awaits is awaited."""
    seen: list[object] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(3)
            seen.append(time.monotonic())

    async def call() -> None:
        async for _ in numbers():
            break
        await asyncio.sleep(10)

    with simulation() as sim:
        asked(actor, call, sim)
    assert seen == [3.0]


def test_a_generator_that_is_left_is_closed_at_the_end() -> None:
    """Those that wait on their way are given up, as by a runtime that stops: none counts as an orphan."""
    seen: list[str] = []

    async def numbers(name: str, wait: float) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            seen.append(name)
            await asyncio.sleep(wait)

    kept = [numbers("kept", 0), numbers("waits", 5)]

    async def call() -> None:
        for each in kept:
            await anext(each)
        await anext(numbers("dropped", 100))

    with simulation() as sim:
        sim.spawn(Runs).ask(call)
    assert sorted(seen) == ["dropped", "kept", "waits"]


@BOTH
def test_a_pool_of_threads_has_as_many_threads_as_it_says(actor: type[Runs]) -> None:
    """Five calls of one second by two threads take three seconds; without a pool each has a thread of its own."""

    async def call() -> object:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as pool:
            await asyncio.gather(*(loop.run_in_executor(pool, pause, 1) for _ in range(5)))
        pooled = time.monotonic()
        await asyncio.gather(*(asyncio.to_thread(pause, 1) for _ in range(5)))
        return pooled, time.monotonic()

    with simulation() as sim:
        assert asked(actor, call, sim) == (3.0, 4.0)


POOL = ThreadPoolExecutor(2)


@BOTH
def test_a_pool_from_before_gives_its_calls_simulated_threads(actor: type[Runs]) -> None:
    """Its own threads would be real ones."""

    async def call() -> object:
        await asyncio.gather(
            *(asyncio.get_running_loop().run_in_executor(POOL, pause, 1) for _ in range(5)),
        )
        return time.monotonic()

    with simulation() as sim:
        assert asked(actor, call, sim) == 1.0


@BOTH
def test_the_end_of_the_default_executor_waits_for_its_threads(actor: type[Runs]) -> None:
    """And none is started afterwards, as with asyncio."""

    async def call() -> object:
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(None, pause, 2)
        await loop.shutdown_default_executor()
        assert future.done() or time.monotonic() == 2.0
        with pytest.raises(RuntimeError, match="shutdown"):
            loop.run_in_executor(None, print)
        return time.monotonic()

    with simulation() as sim:
        assert asked(actor, call, sim) == 2.0


def test_the_test_itself_may_drive_the_loop_as_a_runner_does() -> None:
    """In virtual time; a future that nothing settles is a deadlock, and no hang."""

    async def later() -> float:
        await asyncio.sleep(60)
        return time.monotonic()

    with simulation() as sim:
        loop = sim.loop
        assert loop.run_until_complete(later()) == 60.0
        loop.call_later(5, loop.stop)
        loop.run_forever()
        assert sim.now == 65.0
        with pytest.raises(DeadlockFailure, match="waits for a future"):
            loop.run_until_complete(loop.create_future())
        with pytest.raises(SystemExit):
            loop.run_until_complete(leave())


async def leave() -> None:
    raise SystemExit(3)


def test_a_closed_loop_says_so() -> None:
    """What is given to it afterwards would be lost."""
    with simulation() as sim:
        loop = sim.loop
    coroutine = asyncio.sleep(1)
    for refused in (
        lambda: loop.call_soon(print),
        lambda: loop.call_later(1, print),
        lambda: loop.call_soon_threadsafe(print),
        lambda: loop.create_task(coroutine),
        lambda: loop.run_until_complete(coroutine),
        lambda: loop.run_in_executor(None, print),
    ):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            refused()
    coroutine.close()


def test_what_a_finished_task_holds_is_free() -> None:
    """The loop remembers its tasks without keeping them."""

    class Large:
        """Something that takes much memory."""

    kept: list[weakref.ref[Large]] = []

    async def result() -> Large:
        large = Large()
        kept.append(weakref.ref(large))
        return large

    async def call() -> object:
        await asyncio.sleep(0)  # the first future of a handler is kept until its end
        await asyncio.create_task(result())
        await asyncio.sleep(1)
        return kept[0]() is None

    with simulation() as sim:
        assert sim.spawn(Runs).ask(call) is True
    gc.collect()


Step = Callable[[list[object]], Coroutine[Any, Any, object]]


async def sleeps(seen: list[object]) -> None:
    await asyncio.sleep(1)
    seen.append("slept")


async def times_out(seen: list[object]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await asyncio.sleep(9)
    seen.append("timed out")


async def groups(seen: list[object]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeps(seen))
        group.create_task(times_out(seen))
    seen.append("grouped")


async def fails(seen: list[object]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(sleeps(seen))
            group.create_task(asyncio.wait_for(asyncio.Event().wait(), 0.1))
    except* TimeoutError as errors:
        seen.append(len(errors.exceptions))


async def cancels(seen: list[object]) -> None:
    task = asyncio.create_task(sleeps(seen))
    await asyncio.sleep(0)
    task.cancel()
    seen.append(await asyncio.gather(task, return_exceptions=True))


async def queues(seen: list[object]) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def put() -> None:
        for number in range(3):
            await queue.put(number)

    task = asyncio.create_task(put())
    seen.extend([await queue.get() for _ in range(3)])
    await task


async def blocks(seen: list[object]) -> None:
    seen.append(await asyncio.to_thread(lambda: 7))


async def shields(seen: list[object]) -> None:
    inner = asyncio.ensure_future(sleeps(seen))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(inner), 0.2)
    seen.append("gave up")
    await inner


STEPS: list[Step] = [sleeps, times_out, groups, fails, cancels, queues, blocks, shields]


class Quick(asyncio.SelectorEventLoop):
    """A real loop whose clock moves by jumps to the next timer: the test neither waits nor depends on speed."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0

    def time(self) -> float:
        return self.jumped

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Without a time limit, which would be over at once."""
        await super().shutdown_default_executor()

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.jumped += max(0.0, self._scheduled[0]._when - self.time())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=6))
def test_asyncio_code_sees_the_same_on_a_real_loop(steps: list[Step]) -> None:
    """In the same order, one after another."""

    async def all_of(seen: list[object]) -> str:
        for step in steps:
            await step(seen)
        return repr(seen)

    with asyncio.Runner(loop_factory=Quick) as runner:
        real = runner.run(all_of([]))
    with simulation() as sim:
        assert sim.spawn(Runs).ask(lambda: all_of([]), timeout=1000) == real
        assert sim.spawn(RunsOnThread).ask(lambda: all_of([]), timeout=1000) == real
