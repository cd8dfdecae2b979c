"""The block of `start` is left when its tree has stopped, whoever cancels the task of the block, and however often.

asyncio cancels a task once for each call; anyio cancels it again at every step until it has left the scope.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from actors import Actor, Runtime
from supervisors import SupervisorSpec, child, start, supervisor
from tests.supervisors.cast import PATIENCE
from tests.support import in_loop

SILENT: dict[str, Any] = {"log": False, "watchdog": None}
STEPS = 20
"""How many steps of the loop the stop of an actor takes."""


class Slow(Actor):
    """Needs several steps of the loop to stop, and writes down that it has."""

    def __init__(self, stopped: list[str]) -> None:
        self.stopped = stopped

    def on_stop(self) -> Any:  # not `async def`, which a checker that knows pykka's hooks does not take
        return self._slowly()

    async def _slowly(self) -> None:
        for _ in range(STEPS):
            await asyncio.sleep(0)
        self.stopped.append(self.path)


def tree(stopped: list[str]) -> SupervisorSpec:
    """Two actors that stop slowly."""
    return supervisor("root", child("a", Slow, args=(stopped,)), child("b", Slow, args=(stopped,)))


IN_ORDER = ["root/b", "root/a"]
owners = pytest.mark.parametrize("given", [False, True], ids=["own-runtime", "given-runtime"])


@asynccontextmanager
async def started(stopped: list[str], given: bool) -> AsyncIterator[None]:
    """The tree in a runtime of its own, or in a given one; on leaving, whether it was stopped is written down."""
    runtime = await Runtime(**SILENT).__aenter__() if given else None
    try:
        async with start(tree(stopped), runtime, **({} if given else SILENT)):
            yield
    finally:
        stopped.append("left")
        if runtime is not None:
            await runtime.__aexit__(None, None, None)


def cancellations() -> int:
    """How many cancellations of the running task are not answered."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@owners
@in_loop
async def test_a_second_cancellation_does_not_cut_the_ordered_stop_short(given: bool) -> None:
    """Of any number: each is made at a step of the stop, and the block is left after the last actor."""
    stopped: list[str] = []
    entered = asyncio.Event()

    async def service() -> None:
        async with started(stopped, given):
            entered.set()
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(service())
    await entered.wait()
    made = 0
    while not task.done():
        made += task.cancel(f"{made}")
        await asyncio.sleep(0)
    assert stopped == [*IN_ORDER, "left"]
    assert task.cancelled()
    assert made > STEPS
    assert task.cancelling() == made


@owners
@in_loop
async def test_a_cancel_scope_of_anyio_is_left_when_the_tree_has_stopped(given: bool) -> None:
    """The scope cancels at every step, and takes all of its cancellations back."""
    stopped: list[str] = []
    with anyio.move_on_after(PATIENCE) as scope:
        async with started(stopped, given):
            scope.cancel()
            await anyio.sleep_forever()
    assert stopped == [*IN_ORDER, "left"]
    assert scope.cancelled_caught
    assert cancellations() == 0


@owners
@in_loop
async def test_a_task_group_of_anyio_ends_when_the_tree_has_stopped(given: bool) -> None:
    """A sibling fails, and the group raises its error alone."""
    stopped: list[str] = []
    entered = anyio.Event()

    async def service() -> None:
        async with started(stopped, given):
            entered.set()
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(service)
            await entered.wait()
            raise LookupError("sibling")
    assert [type(each) for each in caught.value.exceptions] == [LookupError]
    assert stopped == [*IN_ORDER, "left"]
    assert cancellations() == 0


@owners
@in_loop
async def test_a_cancellation_during_the_stop_is_raised_after_it(given: bool) -> None:
    """Also if the body had ended by itself: the one who cancels is answered."""
    stopped: list[str] = []
    leaving = asyncio.Event()

    async def service() -> None:
        async with started(stopped, given):
            leaving.set()

    task = asyncio.create_task(service())
    await leaving.wait()
    task.cancel("mine")
    with pytest.raises(asyncio.CancelledError, match="mine"):
        await task
    assert stopped == [*IN_ORDER, "left"]


@owners
@in_loop
async def test_a_timeout_around_the_block_is_told_after_the_stop(given: bool) -> None:
    """The count of cancellations stays right for `asyncio.timeout` and `asyncio.TaskGroup`."""
    stopped: list[str] = []
    entered = asyncio.Event()

    async def service() -> None:
        async with started(stopped, given):
            entered.set()
            await asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(PATIENCE) as limit, started(stopped, given):
            limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.get_running_loop().create_future()
    assert stopped == [*IN_ORDER, "left"]
    assert cancellations() == 0
    stopped.clear()
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(service())
            await entered.wait()
            raise LookupError("sibling")
    assert stopped == [*IN_ORDER, "left"]
    assert cancellations() == 0


@in_loop
async def test_the_block_of_a_runtime_is_left_when_its_actors_have_stopped() -> None:
    """Without a supervisor, too."""
    stopped: list[str] = []
    with anyio.CancelScope() as scope:
        async with Runtime(**SILENT) as runtime:
            await runtime.spawn(Slow, args=(stopped,))
            scope.cancel()
            await anyio.sleep_forever()
    assert len(stopped) == 1
    assert not runtime.running
    assert runtime.stop().done()
