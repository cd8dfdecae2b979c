"""The hooks of a life, in their order: those of the start and those of the end. On the host of the cell.

A hook that is not a coroutine runs without a task, as a plain handler does: each function here runs hooks up to the
first that is a coroutine, and returns what is left of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from actors._core.life import BEING_KILLED
from actors.events import HookFailed
from actors.reasons import Crashed, ExitReason

if TYPE_CHECKING:
    from actors._core.cell import Cell

Rest = Coroutine[Any, Any, None] | None
"""The hooks that are left."""
NOTHING = object()
"""Stands for a value that was not carried over."""


def start(cell: Cell) -> Rest:
    """`on_start`."""
    started = cell.actor.on_start()
    if type(started) is CoroutineType:
        return _started(cell, started)
    if cell.runtime.observer is not None:
        cell.runtime.observer.hook(cell, "on_start")
    return None


async def _started(cell: Cell, started: Coroutine[Any, Any, object]) -> None:
    await started
    if cell.runtime.observer is not None:
        cell.runtime.observer.hook(cell, "on_start")


def restore(cell: Cell, carried: object) -> Rest:
    """`on_restore` with the value that the last incarnation has carried over, then `on_start`."""
    if cell.runtime.observer is not None:
        cell.runtime.observer.hook(cell, "on_restore")
    restored = cell.actor.on_restore(carried)
    return _restored(cell, restored) if type(restored) is CoroutineType else start(cell)


async def _restored(cell: Cell, restored: Coroutine[Any, Any, object]) -> None:
    await restored
    rest = start(cell)
    if rest is not None:
        await rest


def carry_over(cell: Cell, reason: ExitReason) -> Rest:
    """`carry_over`, whose value the cell takes for the next incarnation, then the last hook."""
    try:
        if cell.runtime.observer is not None:
            cell.runtime.observer.hook(cell, "carry_over")
        carried = cell.actor.carry_over(reason)
        if type(carried) is CoroutineType:
            return _carried_over(cell, carried, reason)
        cell.carry(carried)
    except BaseException as raised:
        _failed(cell, "carry_over", reason, raised)
        raise
    return end(cell, reason)


async def _carried_over(cell: Cell, carried: Coroutine[Any, Any, object], reason: ExitReason) -> None:
    try:
        cell.carry(await carried)
    except BaseException as raised:
        _failed(cell, "carry_over", reason, raised)
        raise
    rest = end(cell, reason)
    if rest is not None:
        await rest


def observed_farewell(cell: Cell, reason: ExitReason) -> Rest:
    """The hooks of the end, for a runtime with an observer."""
    if cell.runtime.observer is not None:
        cell.runtime.observer.hook(cell, "end")
    return cell.kind.farewell(cell, reason)


def end(cell: Cell, reason: ExitReason) -> Rest:
    """The last hook: `on_failure` after a crash, `on_stop` otherwise."""
    hook = "on_failure" if isinstance(reason, Crashed) else "on_stop"
    try:
        if isinstance(reason, Crashed):
            error = reason.exception
            done = cell.actor.on_failure(type(error), error, error.__traceback__)
        else:
            done = cell.actor.on_stop()
        if type(done) is CoroutineType:
            return _ended(cell, done, hook, reason)
        if cell.runtime.observer is not None:
            cell.runtime.observer.hook(cell, hook)
    except BaseException as raised:
        _failed(cell, hook, reason, raised)
        raise
    return None


async def _ended(cell: Cell, done: Coroutine[Any, Any, object], hook: str, reason: ExitReason) -> None:
    try:
        await done
        if cell.runtime.observer is not None:
            cell.runtime.observer.hook(cell, hook)
    except BaseException as raised:
        _failed(cell, hook, reason, raised)
        raise


def _failed(cell: Cell, hook: str, reason: ExitReason, raised: BaseException) -> None:
    """What a hook of the end raises is the reason of the exit, or else an event."""
    unheard = isinstance(reason, Crashed) or cell.phase in BEING_KILLED
    if unheard and not isinstance(raised, asyncio.CancelledError | GeneratorExit):
        failed = HookFailed(cell.path, cell.runtime.now(), cell.incarnation, hook, raised)
        cell.runtime.events.publish(failed)
