"""A supervisor keeps nothing of a child that is gone."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from actors import Actor
from actors._core.life import Phase
from supervisors import SupervisorRef, child, dynamic_supervisor, supervisor, tasks
from tests.supervisors.cast import PATIENCE, Play, deaf, running, states, worker
from tests.support import World, in_loop


class Big:
    """What would be noticed if it stayed."""


class Holder(Actor):
    """Has an argument."""

    def __init__(self, big: Big) -> None:
        self.big = big


async def gone(w: World, *seen: weakref.ref[Big]) -> bool:
    """Whether these are gone, after everything has happened that takes no time."""
    await w.advance(0)  # the clock forgets timers that were cancelled when it moves
    gc.collect()
    return all(each() is None for each in seen)


def plain(_: Big) -> Big:
    """A task in a thread."""
    return Big()


async def waiting(_: Big) -> Big:
    """A task on the loop."""
    await asyncio.sleep(0)
    return Big()


@pytest.mark.parametrize("function", [plain, waiting])
@in_loop
async def test_of_a_task_neither_arguments_nor_result_are_kept(function: Callable[[Big], Any]) -> None:
    """Nor those of the last one."""
    async with running(tasks("root")) as (w, root):
        big = Big()
        result = await root.run(function, big)
        seen = weakref.ref(big), weakref.ref(result)
        del big, result
        while await states(root):
            await w.settle()
        assert await gone(w, *seen)


@in_loop
async def test_of_a_task_nothing_is_kept_while_its_thread_has_yet_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is held where it has made its last report: how long it takes to end depends on the system."""
    gate = threading.Event()
    async with running(tasks("root")) as (w, root):
        report = w.runtime.control_call

        def held(function: Callable[..., object], *args: object) -> None:
            last = any(cell.phase is Phase.LEAVING for cell in w.runtime.cells.values())
            report(function, *args)
            del function, args
            if last and not w.runtime.on_loop_thread:
                gate.wait(PATIENCE)

        monkeypatch.setattr(w.runtime, "control_call", held)
        big = Big()
        result = await root.run(plain, big)
        seen = weakref.ref(big), weakref.ref(result)
        del big, result
        while await states(root):
            await w.settle()
        kept = not await gone(w, *seen)
        gate.set()
        assert not kept


async def _started(root: SupervisorRef, what: Callable[[Big], Any]) -> tuple[str, weakref.ref[Big]]:
    big = Big()
    ref = await root.start_child(what(big))
    return ref.path.rpartition("/")[2], weakref.ref(big)


@in_loop
async def test_the_arguments_of_a_child_that_was_deleted_are_not_kept() -> None:
    """Nor those of the child started last."""
    async with running(supervisor("root")) as (w, root):
        id, seen = await _started(root, lambda big: child("a", Holder, args=(big,)))
        await root.terminate_child(id)
        await root.delete_child(id)
        assert await gone(w, seen)


@in_loop
async def test_the_arguments_of_an_instance_that_was_terminated_are_not_kept() -> None:
    """Before the time is over that it was given to stop."""
    async with running(dynamic_supervisor("root", child("t", Holder))) as (w, root):
        id, seen = await _started(root, lambda big: (big,))
        await root.terminate_child(id)
        assert await gone(w, seen)
        assert w.clock.pending == 0


@in_loop
async def test_terminated_instances_leave_no_timer_and_no_cell_behind() -> None:
    """However many there are within the time that each was given to stop."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t"))) as (w, root):
        cells = []
        for _ in range(2000):
            ref = await root.start_child()
            cells.append(weakref.ref(ref._cell))
            await root.terminate_child(ref.path.rpartition("/")[2])
        del ref
        await w.settle()
        gc.collect()
        assert [each for each in cells if each() is not None] == []
        assert w.clock.pending == 0


@in_loop
async def test_instances_that_stop_together_share_one_timer() -> None:
    """Rule 6: it is gone with the last of them, and kills those that stay too long."""
    play = Play()
    tree = supervisor("root", dynamic_supervisor("pool", worker(play, "t", shutdown=4)))
    async with running(tree) as (w, root):
        pool = root.supervisor("pool")
        for _ in range(3):
            await pool.start_child()
        play.stops["1"], play.stops["2"] = play.held, deaf
        stopped = root.terminate_child("pool")
        await w.settle()
        assert (w.clock.pending, stopped.done()) == (1, False)
        play.gate.set()
        await w.settle()
        assert (w.clock.pending, stopped.done()) == (1, False)
        await w.advance(4)
        await w.advance(1)  # the runtime's own grace for a hook that does not end
        assert (w.clock.pending, stopped.done()) == (0, True)


@in_loop
async def test_a_killed_supervisor_leaves_no_timer_of_its_instances() -> None:
    """Rule 20: what is gone is not killed late."""
    play = Play()
    play.stops["1"] = deaf
    tree = supervisor("root", dynamic_supervisor("pool", worker(play, "t"), backoff=None))
    async with running(tree) as (w, root):
        await root.supervisor("pool").start_child()
        root.supervisor("pool").terminate_child("1")
        await w.settle()
        root.child("pool").kill()
        await w.settle()
        await w.advance(1)
        assert w.clock.pending == 0
