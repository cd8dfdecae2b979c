"""Futures: awaited on any loop, waited for in any thread, settled once."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import BlockingCallError, DeadlockError, Future
from tests.actors.cast import PATIENCE
from tests.support import in_loop


@contextlib.contextmanager
def frequent_switches() -> Iterator[None]:
    """Makes threads interleave as often as the interpreter allows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@settings(max_examples=30)
@given(setters=st.integers(1, 6), getters=st.integers(0, 4), watchers=st.integers(0, 4))
def test_a_future_is_settled_exactly_once_whatever_the_thread_interleaving(
    setters: int, getters: int, watchers: int
) -> None:
    """Guards the race of an answer with a deadline: one wins, the others hear so, everyone sees the same value."""
    future: Future[int] = Future()
    start = threading.Barrier(setters + getters + watchers)
    told: list[int] = []

    def put(number: int) -> bool:
        start.wait(PATIENCE)
        try:
            future.set(number)
        except queue.Full:
            return False
        return True

    def get() -> int:
        start.wait(PATIENCE)
        return future.get(timeout=PATIENCE)

    def watch() -> None:
        start.wait(PATIENCE)
        future.add_done_callback(lambda done: told.append(done.get()))

    with frequent_switches(), ThreadPoolExecutor(setters + getters + watchers) as pool:
        puts = [pool.submit(put, number) for number in range(setters)]
        gets = [pool.submit(get) for _ in range(getters)]
        for done in [pool.submit(watch) for _ in range(watchers)]:
            done.result(PATIENCE)
        winners = [number for number, done in enumerate(puts) if done.result(PATIENCE)]
        values = {done.result(PATIENCE) for done in gets}
    assert len(winners) == 1
    assert values <= set(winners)
    assert told == winners * watchers


def test_a_future_settled_twice_raises_full_as_in_pykka() -> None:
    """Guards code written for pykka, and the first value."""
    future: Future[int] = Future()
    future.set(1)
    with pytest.raises(queue.Full):
        future.set(2)
    with pytest.raises(queue.Full):
        future.set_exception(ValueError())
    assert future.get() == 1


def test_get_gives_up_after_its_timeout_with_pykkas_error() -> None:
    """Guards a thread against waiting for ever."""
    with pytest.raises(pykka.Timeout):
        Future[int]().get(timeout=0)


@in_loop
async def test_get_on_the_thread_of_a_loop_raises_and_says_what_to_write() -> None:
    """Guards the loop against being blocked; pykka blocks it."""
    with pytest.raises(BlockingCallError, match="await"):
        Future[int]().get()


@in_loop
async def test_get_of_a_settled_future_is_allowed_on_a_loop() -> None:
    """Guards callbacks: nothing blocks, so nothing is refused."""
    future: Future[int] = Future()
    future.set(4)
    assert future.get() == 4


@in_loop
async def test_a_future_can_be_awaited_on_several_loops_at_once() -> None:
    """Guards `await` against belonging to one loop."""
    future: Future[str] = Future()

    async def wait() -> str:
        return await future

    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(lambda: asyncio.run(wait())) for _ in range(2)]
        here = asyncio.create_task(wait())
        await asyncio.sleep(0)
        future.set("news")
        assert await here == "news"
        assert [other.result(PATIENCE) for other in others] == ["news", "news"]


@in_loop
async def test_settling_a_future_whose_loop_has_closed_does_no_harm() -> None:
    """Guards an actor that answers somebody who went away."""
    future: Future[int] = Future()

    async def lose_patience() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_wait(future), 0)

    await asyncio.to_thread(lambda: asyncio.run(lose_patience()))
    future.set(1)
    assert await future == 1


async def _wait(future: Future[int]) -> int:
    return await future


@in_loop
async def test_cancelling_one_who_awaits_leaves_the_future_to_the_others() -> None:
    """Guards shared futures: they are not asyncio's, which a cancellation settles."""
    future: Future[int] = Future()
    impatient, patient = asyncio.create_task(_wait(future)), asyncio.create_task(_wait(future))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    future.set(3)
    assert await patient == 3
    assert impatient.cancelled()


def test_an_exception_is_raised_at_everyone_who_waits() -> None:
    """Guards the error path, in pykka's form and in the short one."""
    for error in (KeyError("k"), (KeyError, KeyError("k"), None)):
        future: Future[int] = Future()
        future.set_exception(error)
        with pytest.raises(KeyError):
            future.get()


def test_set_exception_without_one_takes_the_one_being_handled() -> None:
    """Guards pykka's third form."""
    future: Future[int] = Future()
    try:
        raise KeyError("handled")
    except KeyError:
        future.set_exception()
    with pytest.raises(KeyError, match="handled"):
        future.get()
    with pytest.raises(TypeError):
        Future[int]().set_exception()


@given(st.lists(st.integers(), min_size=1, max_size=8))
def test_map_filter_reduce_and_join_give_the_same_blocking_and_awaited(numbers: list[int]) -> None:
    """Guards pykka's derived futures in both forms of waiting."""
    future: Future[Any] = Future()
    future.set(numbers)
    derived: list[Future[Any]] = [
        future.map(len),
        future.filter(lambda each: each > 0),
        future.reduce(lambda left, right: left + right, 0),
        future.join(future),
    ]

    async def wait() -> list[object]:
        return [await each for each in derived]

    expected = [len(numbers), [each for each in numbers if each > 0], sum(numbers), [numbers, numbers]]
    assert [each.get() for each in derived] == expected
    assert asyncio.run(wait()) == expected


class Mapped:
    """A function of a mapped future that notes how often it runs, and waits until it may end."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.runs = 0
        self.entered, self.gate = threading.Event(), threading.Event()
        self.error = error

    def __call__(self, value: int) -> int:
        self.runs += 1
        self.entered.set()
        self.gate.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return value + 1


@settings(max_examples=20, deadline=None)
@given(getters=st.integers(1, 6), waiters=st.integers(0, 3), fails=st.booleans(), hook=st.booleans())
def test_the_function_of_a_mapped_future_runs_once(getters: int, waiters: int, fails: bool, hook: bool) -> None:
    """Guards functions with effects, whoever waits: threads, coroutines of several loops, and all of them again."""
    source: Future[int] = Future()
    function = Mapped(ValueError("mapped") if fails and not hook else None)
    function.gate.set()
    mapped: Future[int]
    if hook:
        mapped = Future()
        mapped.set_get_hook(lambda timeout: function(source.get(timeout=timeout)))
    else:
        mapped = source.map(function)
    start = threading.Barrier(getters + waiters)

    def get() -> int:
        start.wait(PATIENCE)
        return mapped.get(timeout=PATIENCE)

    async def awaited() -> int:
        return await mapped

    def wait() -> int:
        start.wait(PATIENCE)
        return asyncio.run(awaited())

    with frequent_switches(), ThreadPoolExecutor(getters + waiters) as pool:
        done = [pool.submit(get) for _ in range(getters)] + [pool.submit(wait) for _ in range(waiters)]
        source.set(1)
        found = [each.exception(PATIENCE) or each.result(PATIENCE) for each in done]
    assert set(found) == {function.error or 2}
    assert function.runs == 1
    if function.error is None:
        assert mapped.get() == 2
    assert function.runs == 1


def test_a_timeout_bounds_the_wait_for_the_function_of_a_mapped_future() -> None:
    """Guards a thread that comes while another one runs the function: it does not run it again, nor wait for ever."""
    function = Mapped()
    mapped = settled(1).map(function)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(mapped.get)
        assert function.entered.wait(PATIENCE)
        with pytest.raises(pykka.Timeout):
            mapped.get(timeout=0)
        assert not mapped.done()
        function.gate.set()
        assert first.result(PATIENCE) == 2
    assert (mapped.get(), mapped.done(), function.runs) == (2, True, 1)


def test_a_mapped_future_is_not_settled_from_outside() -> None:
    """Guards its value, as pykka does for a future with a hook."""
    mapped = settled(1).map(str)
    with pytest.raises(queue.Full):
        mapped.set("2")
    with pytest.raises(queue.Full):
        mapped.set_exception(ValueError())
    with pytest.raises(queue.Full):
        mapped.set_get_hook(lambda _: "2")
    assert mapped.get() == "1"


def test_a_function_that_waits_for_its_own_future_is_a_deadlock_error() -> None:
    """Guards the thread that computes: it does not wait for itself."""
    mapped: Future[Any] = settled(1).map(lambda _: mapped.get())
    with pytest.raises(DeadlockError):
        mapped.get(timeout=PATIENCE)


@in_loop
async def test_the_traceback_of_an_exception_does_not_grow_with_each_get() -> None:
    """Guards memory, and logs: each waiter adds its own frames to those of the handler, and to no others."""
    future: Future[int] = Future()
    try:
        raise ValueError("handler")
    except ValueError as error:
        future.set_exception(error)
    mapped = future.map(str)
    lengths = []
    for _ in range(3):
        for each in (future, mapped):
            with pytest.raises(ValueError, match="handler") as caught:
                each.get()
            lengths.append(len(caught.traceback))
            with pytest.raises(ValueError, match="handler") as caught:
                await each
            lengths.append(len(caught.traceback))
    assert lengths == lengths[:4] * 3
    assert max(lengths) < 10


def settled(value: int) -> Future[int]:
    """A future with this value."""
    future: Future[int] = Future()
    future.set(value)
    return future
