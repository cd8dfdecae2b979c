"""Task supervisors: one function each, under supervision, with its result."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from actors import Actor, ActorCrashed, ActorDeadError, Future, Killed
from supervisors import MaxChildren, SpecError, constant, process, start, supervisor, tasks
from supervisors._specs.spec import TaskCall
from tests.supervisors.cast import failing, hang, running, states
from tests.support import in_loop


async def double(number: int, *, plus: int = 0) -> int:
    """A coroutine function: it runs on the loop."""
    await asyncio.sleep(0)
    return 2 * number + plus


def triple(number: int) -> tuple[int, str]:
    """A plain function: it may block, so it runs in a thread."""
    return 3 * number, threading.current_thread().name


async def fails() -> None:
    """Raises."""
    raise LookupError("lost")


def interrupt() -> None:
    """As Ctrl-C would."""
    raise KeyboardInterrupt


async def held(number: int, more: int) -> None:
    """Waits for nothing that could come."""
    await hang()


async def leaves() -> None:
    """Ends the program, in a coroutine."""
    sys.exit("enough")


@in_loop
async def test_a_coroutine_function_gives_its_result() -> None:
    """Positional and keyword arguments reach it; the task is gone afterwards."""
    async with running(tasks("root")) as (w, root):
        assert await root.run(double, 4, plus=1) == 9
        await w.settle()
        assert await states(root) == {}


def yields(number: int = 0) -> Iterator[int]:
    """Calling it runs nothing."""
    yield number


async def yields_async(number: int = 0) -> AsyncIterator[int]:
    """The same."""
    yield number


class Yielding:
    """An object whose call is one."""

    def __call__(self, number: int = 0) -> Iterator[int]:
        yield number


@functools.wraps(yields)
def collected(number: int = 0) -> list[int]:
    """Runs a generator."""
    return list(yields(number))


@pytest.mark.parametrize("function", [yields, yields_async, functools.partial(yields_async, 1), Yielding()])
@pytest.mark.parametrize("host", [None, process()])
@in_loop
async def test_a_generator_function_is_refused_where_it_is_given(host: Any, function: Any) -> None:
    """Its task would end at once, with a result of which nothing has run."""
    words = "is a generator function, and calling it would run nothing: return a list, or loop in a plain or"
    async with running(tasks("root", host=host)) as (_, root):
        for call in (root.run, root.run_tied, lambda each: root.map(each, [1])):
            with pytest.raises(SpecError, match=words):
                call(function)
        with pytest.raises(SpecError, match=words):
            await root.start_child(TaskCall(function))  # type: ignore[call-overload]
        assert await states(root) == {}


@in_loop
async def test_a_function_that_wraps_a_generator_function_is_run() -> None:
    async with running(tasks("root")) as (_, root):
        assert await root.run(collected, 3) == [3]


@in_loop
async def test_a_plain_function_runs_in_a_thread_of_its_own() -> None:
    """It may block without harm to the loop."""
    async with running(tasks("root")) as (_, root):
        result, thread = await root.run(triple, 4)
        assert result == 12
        assert thread.startswith("letitcrash:root/")


@in_loop
async def test_a_task_that_raises_gives_its_exception_to_its_caller() -> None:
    """It is temporary unless told otherwise, so the supervisor and the other tasks go on."""
    async with running(tasks("root", max_restarts=0)) as (w, root):
        with pytest.raises(LookupError, match="lost"):
            await root.run(fails)
        assert await root.run(double, 1) == 2
        await w.settle()
        assert await states(root) == {}


@in_loop
async def test_a_task_may_be_restarted_until_it_succeeds() -> None:
    """`task_restart`: the future settles with the result of the last attempt."""
    act = failing(2)
    tree = tasks("root", task_restart="transient", task_backoff=constant(5))
    async with running(tree) as (w, root):

        async def flaky() -> str:
            act(None)
            return "done"

        result = root.run(flaky)
        await w.advance(5)
        assert not result.done()
        await w.advance(5)
        assert await result == "done"
        await w.settle()
        assert await states(root) == {}


@in_loop
async def test_a_task_that_exhausts_the_budget_gives_its_last_exception() -> None:
    """The supervisor gives up, and no caller waits for ever."""
    async with running(tasks("root", task_restart="transient", task_backoff=None, max_restarts=2)) as (_, root):
        with pytest.raises((LookupError, ActorDeadError)):
            await root.run(fails)
        await root.ended()


@in_loop
async def test_a_task_that_is_terminated_does_not_leave_its_asker_waiting() -> None:
    """The answer is that it is gone."""
    async with running(tasks("root", task_shutdown=1)) as (w, root):
        result = root.run(hang)
        await w.settle()
        gone = root.terminate_child("1")
        await w.advance(1)
        await gone
        with pytest.raises(ActorDeadError):
            await result


@pytest.mark.parametrize("how", ["stop", "kill"])
@in_loop
async def test_the_end_of_the_supervisor_settles_every_task(how: str) -> None:
    """Those that run and those that are asked for afterwards."""
    async with running(tasks("root", task_shutdown="brutal_kill")) as (w, root):
        results: list[Future[Any]] = [root.run(hang) for _ in range(3)]
        await w.settle()
        if how == "stop":
            root.stop(block=False)
        else:
            root.kill()
        await root.ended()
        results.append(root.run(double, 1))
        for result in results:
            with pytest.raises(ActorDeadError):
                await result


@in_loop
async def test_a_task_supervisor_may_be_full() -> None:
    """A later caller gets the error from the future of the result."""
    async with running(tasks("root", max_children=1, task_shutdown="brutal_kill")) as (w, root):
        first = root.run(hang)
        await w.settle()
        with pytest.raises(MaxChildren):
            await root.run(double, 1)
        await root.terminate_child("1")
        with pytest.raises(ActorDeadError):
            await first


@pytest.mark.parametrize("what", [None, 7, "double"], ids=repr)
@in_loop
async def test_what_cannot_be_called_is_an_error_of_the_task(what: Any) -> None:
    """And of no other callers."""
    async with running(tasks("root")) as (_, root):
        with pytest.raises(TypeError):
            await root.run(what)
        assert await root.run(double, 1) == 2


@in_loop
async def test_a_task_supervisor_in_a_tree_is_one_child() -> None:
    """Its tasks are told to stop with it, and many run at once."""
    async with running(supervisor("root", tasks("jobs"))) as (_, root):
        jobs = root.supervisor("jobs")
        found = [await each for each in [jobs.run(double, number) for number in range(50)]]
        assert found == [2 * number for number in range(50)]


@in_loop
async def test_run_on_another_kind_of_supervisor_is_an_error() -> None:
    """From the future; nothing runs."""
    async with running(supervisor("root")) as (_, root):
        with pytest.raises(ValueError, match="start_child takes a spec"):
            await root.run(double, 1)


def test_results_are_waited_for_in_any_thread() -> None:
    """`.get()` does what `await` does."""
    with start(tasks("root"), log=False) as root:
        assert root.run(double, 21).get(timeout=10) == 42
        assert root.run(triple, 1).get(timeout=10)[0] == 3
        with pytest.raises(LookupError):
            root.run(fails).get(timeout=10)


@pytest.mark.parametrize(
    "leave",
    [sys.exit, lambda: sys.exit(3), interrupt, leaves],
    ids=["exit", "code", "interrupt", "async"],
)
@in_loop
async def test_a_task_that_would_end_its_asker_is_the_cause_of_an_actor_crashed(leave: Any) -> None:
    """`SystemExit` and its like end the task alone."""
    async with running(tasks("root")) as (w, root):
        with pytest.raises(ActorCrashed) as caught:
            await root.run(leave)
        assert isinstance(caught.value.cause, SystemExit | KeyboardInterrupt)
        assert await root.run(double, 1) == 2


@in_loop
async def test_a_task_that_is_killed_gives_its_call_back() -> None:
    """Rule 23: with why it is gone."""
    async with running(tasks("root")) as (w, root):
        waiting = root.run(held, 7, more=8)
        await w.settle()
        (info,) = await root.which_children()
        root.child(info.id).kill()
        with pytest.raises(ActorDeadError) as caught:
            await waiting
        assert isinstance(caught.value.reason, Killed)
        call = caught.value.undelivered
        assert isinstance(call, TaskCall)
        assert call.args == (7,)


def asks(ref: Any) -> object:
    """A plain function that blocks on an answer."""
    return ref.ask("which", timeout=5)


class Answers(Actor):
    def on_receive(self, message: object) -> object:
        return message


@in_loop
async def test_a_plain_function_may_ask() -> None:
    """It runs in a thread, so it may block."""
    async with running(tasks("root")) as (w, root):
        ref = await w.runtime.spawn(Answers)
        assert await root.run(asks, ref) == "which"
