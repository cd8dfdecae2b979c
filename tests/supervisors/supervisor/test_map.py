"""Many tasks with a bound: `map`, the tie of a task to its caller, and the end of one task by its future."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorCrashed,
    ActorDeadError,
    ActorRef,
    BlockingCallError,
    DeadlockError,
    NotInRuntime,
    handles,
)
from actors.testing import simulation
from supervisors import (
    MaxChildren,
    SpecError,
    TaskCancelled,
    TaskFuture,
    TaskResults,
    child,
    constant,
    start,
    supervisor,
    tasks,
)
from tests.supervisors.cast import failing, hang, running, states
from tests.support import in_loop


class Concurrency:
    """Functions that count how many of them run at once."""

    def __init__(self) -> None:
        self.now = self.most = self.begun = 0
        self.ended: list[int] = []

    async def nap(self, seconds: float) -> float:
        """Takes so many seconds."""
        self.begun += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.now -= 1
        return seconds


async def double(number: int) -> int:
    """A coroutine function."""
    return 2 * number


def triple(number: int) -> int:
    """A plain function, which runs in a thread."""
    return 3 * number


async def odd_fails(number: int) -> int:
    """Raises for odd numbers."""
    if number % 2:
        raise LookupError(str(number))
    return number


async def held(_: object) -> None:
    """Waits for nothing that could come."""
    await hang()


@in_loop
async def test_map_gives_the_results_in_the_order_of_the_items() -> None:
    """Of coroutine functions and of plain ones."""
    async with running(tasks("root")) as (w, root):
        assert [each async for each in root.map(double, range(20))] == [2 * number for number in range(20)]
        assert [each async for each in root.map(double, [])] == []
        await w.settle()
        assert await states(root) == {}
        assert [each async for each in root.map(triple, range(5), limit=2)] == [0, 3, 6, 9, 12]


def test_map_gives_results_to_a_loop_in_a_thread() -> None:
    """`for` does what `async for` does."""
    with start(tasks("root"), log=False) as root:
        assert list(root.map(double, range(20), limit=3)) == [2 * number for number in range(20)]
        with root.map(triple, range(3)) as results:
            assert next(results) == 0
        assert list(results) == []


@given(
    st.lists(st.integers(0, 5), max_size=12), st.integers(1, 4), st.booleans(), st.lists(st.integers(0, 3), max_size=12)
)
def test_no_more_tasks_run_at_once_than_the_limit(
    naps: list[int], limit: int, ordered: bool, pauses: list[int]
) -> None:
    """However slow the reader is; and what is taken ahead of it is bounded, too."""
    counts, taken, ahead = Concurrency(), [0], [0]

    def items() -> Iterator[float]:
        for nap in naps:
            taken[0] += 1
            yield float(nap)

    with simulation() as sim:
        root: Any = sim.start(tasks("root", max_restarts=None))
        found: list[float] = []

        async def read() -> None:
            async for each in root.map(counts.nap, items(), limit=limit, ordered=ordered):
                found.append(each)
                ahead[0] = max(ahead[0], taken[0] - len(found))
                await asyncio.sleep(pauses[len(found) - 1] if len(found) <= len(pauses) else 0)

        reader = sim.loop.create_task(read())
        sim.advance(200)
        assert reader.done()
        assert counts.most <= limit
        assert ahead[0] <= 2 * limit
        assert found == [float(nap) for nap in naps] if ordered else sorted(found) == sorted(map(float, naps))


class Collector(Actor):
    """Reads results in a thread of its own."""

    host = "thread"

    def on_receive(self, jobs: Any) -> Any:
        return list(jobs.map(triple, range(5), limit=2)), sum(jobs.map(double, range(5), ordered=False))


def test_an_actor_in_a_thread_reads_results_under_the_simulation() -> None:
    """`for` blocks the thread of the actor, and nothing else."""
    with simulation() as sim:
        root: Any = sim.start(supervisor("root", tasks("jobs"), child("c", Collector)))
        answer = root.child("c").ask(root.child("jobs"), block=False)
        sim.advance(10)
        assert answer.get() == ([0, 3, 6, 9, 12], 20)


@in_loop
async def test_without_an_order_results_come_as_they_are_ready() -> None:
    """A slow item does not hold up the others."""
    async with running(tasks("root")) as (w, root):
        gate = asyncio.Event()

        async def slow_first(number: int) -> int:
            if number == 0:
                await gate.wait()
            return number

        found = []
        async for each in root.map(slow_first, range(6), limit=2, ordered=False):
            found.append(each)
            if len(found) == 5:
                gate.set()
        assert found[-1] == 0
        assert sorted(found) == list(range(6))


@in_loop
async def test_a_failure_is_raised_at_its_place_and_ends_the_iteration() -> None:
    """What still runs is terminated, and no further item is taken."""
    async with running(tasks("root")) as (w, root):

        async def one_fails(number: int) -> int:
            if number == 1:
                raise LookupError("lost")
            if number > 1:
                await hang()
            return number

        results = root.map(one_fails, range(100), limit=3)
        assert await anext(results) == 0
        with pytest.raises(LookupError, match="lost"):
            await anext(results)
        assert await states(root) == {}
        with pytest.raises(StopAsyncIteration):
            await anext(results)


@in_loop
async def test_a_failure_may_be_a_result() -> None:
    """`failures="yield"`: the exception, at the place of its item."""
    async with running(tasks("root")) as (_, root):
        found = [each async for each in root.map(odd_fails, range(4), failures="yield")]
        assert [str(each) if isinstance(each, LookupError) else each for each in found] == [0, "1", 2, "3"]


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, KeyboardInterrupt, GeneratorExit])
@in_loop
async def test_an_exception_that_would_end_the_loop_of_the_reader_is_told(error: type[BaseException]) -> None:
    """Guards against a loop that ends in silence before the last item."""
    async with running(tasks("root")) as (_, root):

        def fails(number: int) -> int:
            raise error("too early")

        with pytest.raises(ActorCrashed):
            await anext(root.map(fails, range(3)))


@in_loop
async def test_a_task_of_map_is_supervised() -> None:
    """`task_restart`: it is tried again, and the reader waits for it."""
    act = failing(2)
    async with running(tasks("root", task_restart="transient", task_backoff=None)) as (_, root):

        async def flaky(number: int) -> int:
            act(None)
            return number

        assert [each async for each in root.map(flaky, range(3), limit=1)] == [0, 1, 2]


@pytest.mark.parametrize("how", ["block", "aclose", "break", "drop"])
@in_loop
async def test_the_end_of_the_reading_terminates_the_tasks(how: str) -> None:
    """In whichever way the reader stops early."""
    async with running(tasks("root")) as (w, root):

        async def first_is_quick(number: int) -> int:
            if number:
                await hang()
            return number

        results: TaskResults[int] | None = root.map(first_is_quick, range(10), limit=4)
        assert results is not None
        if how == "block":
            async with results:
                assert await anext(results) == 0
        elif how == "aclose":
            assert await anext(results) == 0
            await results.aclose()
        elif how == "break":
            results = None
            async for each in root.map(first_is_quick, range(10), limit=4):
                assert each == 0
                break
        else:
            assert await anext(results) == 0
            results = None
        gc.collect()
        await w.settle()
        assert await states(root) == {}


@in_loop
async def test_a_reader_that_is_cancelled_leaves_no_task() -> None:
    """Guards `asyncio.timeout` around the loop."""
    async with running(tasks("root")) as (w, root):

        async def read() -> None:
            async with root.map(held, range(10)) as results:
                async for _ in results:
                    raise AssertionError("there is no result")

        reader = asyncio.ensure_future(read())
        await w.settle()
        assert len(await states(root)) == 8
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert await states(root) == {}


@in_loop
async def test_items_that_raise_end_the_iteration_with_their_exception() -> None:
    """And the tasks that run are terminated."""
    async with running(tasks("root")) as (w, root):

        def items() -> Iterator[int]:
            yield 1
            raise OSError("the file is gone")

        results = root.map(held, items(), limit=4)
        with pytest.raises(OSError, match="the file is gone"):
            await anext(results)
        await w.settle()
        assert await states(root) == {}


@in_loop
async def test_two_readers_of_the_same_results_are_refused() -> None:
    """As of an async generator: one of the two would never wake up."""
    async with running(tasks("root")) as (w, root):
        results = root.map(held, range(3))
        first = asyncio.ensure_future(anext(results))
        await w.settle()
        with pytest.raises(RuntimeError, match="one reader at a time"):
            await anext(results)
        await results.aclose()
        with pytest.raises(StopAsyncIteration):
            await first


@in_loop
async def test_a_full_task_supervisor_is_a_failure_of_the_item() -> None:
    """`max_children` bounds all callers together."""
    async with running(tasks("root", max_children=2)) as (w, root):
        with pytest.raises(MaxChildren):
            async for _ in root.map(held, range(3), ordered=False):
                raise AssertionError("there is no result")


@in_loop
async def test_the_end_of_the_supervisor_ends_the_reading_with_an_error() -> None:
    """No reader waits for ever."""
    async with running(tasks("root", task_shutdown="brutal_kill")) as (w, root):
        reader = asyncio.ensure_future(anext(root.map(held, range(3))))
        await w.settle()
        root.stop(block=False)
        with pytest.raises(ActorDeadError):
            await reader


@in_loop
async def test_every_fault_of_the_arguments_of_map_comes_at_once() -> None:
    """Before anything starts."""
    async with running(supervisor("root", tasks("jobs"))) as (_, root):
        wrong: Any = {"limit": 0, "ordered": 1, "failures": "ignore"}
        with pytest.raises(SpecError) as caught:
            root.map(7, 8, **wrong)  # type: ignore[call-overload]
        told = [fault.message.partition(":")[0] for fault in caught.value.faults]
        assert told == ["this is not a task supervisor", "function", "items", "limit", "ordered", "failures"]
        assert {fault.path for fault in caught.value.faults} == {"root.map()"}

        async def stream() -> Any:
            yield 1

        with pytest.raises(SpecError, match="without await"):
            root.supervisor("jobs").map(double, stream())


# The end of one task


@in_loop
async def test_cancel_of_a_future_ends_its_task_and_no_other() -> None:
    """The coroutine is cancelled at once, whatever the `task_shutdown`; its `finally` runs."""
    async with running(tasks("root", task_shutdown=60)) as (w, root):
        cleaned: list[str] = []

        async def work() -> None:
            try:
                await hang()
            finally:
                cleaned.append("yes")

        one, other = root.run(work), root.run(work)
        await w.settle()
        assert one.cancel()
        with pytest.raises(TaskCancelled) as caught:
            await one
        assert caught.value.path == "root/1"
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        assert cleaned == ["yes"]
        assert await states(root) == {"2": "running"}
        assert not one.cancel()
        other.cancel()


@in_loop
async def test_cancel_before_the_task_began_keeps_it_from_running() -> None:
    """As in asyncio."""
    async with running(tasks("root")) as (w, root):
        ran: list[int] = []

        async def work() -> None:
            ran.append(1)

        future = root.run(work)
        future.cancel()
        with pytest.raises(TaskCancelled):
            await future
        await w.settle()
        assert ran == []
        assert await states(root) == {}


@in_loop
async def test_cancel_of_a_task_that_waits_for_its_restart_ends_it() -> None:
    """The exception of its last attempt stands behind the error."""
    async with running(tasks("root", task_restart="permanent", task_backoff=constant(60))) as (w, root):
        future = root.run(odd_fails, 1)
        await w.settle()
        future.cancel()
        with pytest.raises(TaskCancelled) as caught:
            await future
        assert isinstance(caught.value.__cause__, LookupError)
        assert await states(root) == {}


@in_loop
async def test_a_task_that_returns_though_it_is_cancelled_has_a_result() -> None:
    """A coroutine may catch the cancellation, and say what it has."""
    async with running(tasks("root")) as (w, root):

        async def stubborn() -> str:
            try:
                await hang()
            except asyncio.CancelledError:
                return "so far"
            return "all"

        future: TaskFuture[str] = root.run(stubborn)
        await w.settle()
        assert future.cancel()
        assert await future == "so far"
        assert not future.cancel()


def test_cancel_of_a_plain_function_leaves_its_thread_behind_in_time() -> None:
    """It cannot be interrupted: the supervisor waits for `task_shutdown`, and no longer."""
    gate, began = threading.Event(), threading.Event()

    def block() -> None:
        began.set()
        gate.wait(60)

    with start(tasks("root", task_shutdown=0.01), log=False, kill_grace=0.01) as root:
        future = root.run(block)
        assert began.wait(60)
        assert future.cancel()
        with pytest.raises(TaskCancelled):
            future.get(timeout=60)
        gate.set()


# The tie to the caller


class Boss(Actor):
    """Has tasks done."""

    def __init__(self, jobs: list[ActorRef[Any]]) -> None:
        self.jobs = jobs
        self.results: Any = None

    @handles
    async def act(self, message: str) -> Any:
        jobs: Any = self.jobs[0]
        match message:
            case "tied":
                jobs.run_tied(hang)
            case "free":
                jobs.run(hang)
            case "map":
                self.results = jobs.map(held, range(3))
                await anext(self.results)
            case "quick":
                return await jobs.run_tied(double, 4)
            case "fail":
                raise ValueError("fail")
            case "cycle":
                return [each async for each in jobs.map(self.ask_back, [1])]
        return None

    async def ask_back(self, _: int) -> Any:
        """Waits for the actor that waits for it."""
        return await self.ref.call("quick")


@pytest.mark.parametrize("end", ["crash", "kill", "stop"])
@pytest.mark.parametrize("what", ["tied", "map"])
@in_loop
async def test_a_tied_task_ends_with_the_incarnation_of_its_caller(what: str, end: str) -> None:
    """By a crash, a kill or a stop; a task that is not tied goes on."""
    refs: list[ActorRef[Any]] = []
    tree = supervisor("root", tasks("jobs"), child("boss", Boss, args=(refs,), backoff=None, shutdown="brutal_kill"))
    async with running(tree) as (w, root):
        jobs = root.supervisor("jobs")
        refs.append(jobs)
        boss = root.child("boss")
        boss.tell("free")
        boss.tell(what)
        await w.settle()
        assert len(await states(jobs)) == (2 if what == "tied" else 4)
        if end == "crash" and what == "tied":
            boss.tell("fail")
        elif end == "stop":
            await root.terminate_child("boss")
        else:
            boss.kill()
        await w.settle()
        assert list(await states(jobs)) == ["1"]
        jobs.child("1").kill()


@in_loop
async def test_a_tied_task_that_is_done_leaves_nothing_with_its_caller() -> None:
    """Guards an actor that has run a million of them."""
    refs: list[ActorRef[Any]] = []
    tree = supervisor("root", tasks("jobs"), child("boss", Boss, args=(refs,)))
    async with running(tree) as (w, root):
        refs.append(root.child("jobs"))
        boss = root.child("boss")
        assert await boss.call("quick") == 8
        await w.settle()
        possessions = boss._cell.possessions
        assert possessions is not None
        assert possessions._tied == {}


@in_loop
async def test_a_tie_outside_of_an_actor_is_an_error() -> None:
    """There is nothing to tie the task to."""
    async with running(tasks("root")) as (w, root):
        with pytest.raises(NotInRuntime, match="run_tied"):
            root.run_tied(hang)
        await w.settle()
        assert await states(root) == {}


@in_loop
async def test_a_task_of_map_that_waits_for_its_reader_gets_a_deadlock_error() -> None:
    """At once, and not at a deadline."""
    refs: list[ActorRef[Any]] = []
    tree = supervisor("root", tasks("jobs"), child("boss", Boss, args=(refs,)))
    async with running(tree) as (_, root):
        refs.append(root.child("jobs"))
        with pytest.raises(DeadlockError):
            await root.child("boss").call("cycle")


@in_loop
async def test_results_read_by_for_on_a_loop_name_async_for_and_begin_nothing() -> None:
    """Guards the reader from advice that does not fit: the results are not a future."""
    async with running(tasks("root")) as (_, root):
        begun: list[int] = []
        results = root.map(begun.append, range(3), limit=2)
        with pytest.raises(BlockingCallError, match=r"`for` over the results of map\(\).*write `async for` instead"):
            list(results)
        assert begun == []
        assert [each async for each in results] == [None] * 3
