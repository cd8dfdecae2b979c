"""Tasks that actors start: they end with their incarnation, and one that exits ends its actor, not the event loop.

A task that code of an actor creates belongs to the incarnation to which that code belongs. If it raises and nothing
takes its exception, that is an event.

asyncio lets `SystemExit` and `KeyboardInterrupt` out of a task and through the loop, which ends it for every actor. A
task that was created by code of an actor keeps them: the code that awaits the task gets the exception. If none awaits
it, the actor crashes.
"""

from __future__ import annotations

import asyncio
from asyncio.events import Handle
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from actors._core.current import Owner, begin_in, message_of, owner_in
from actors._core.life import ABSENT, CAN_CRASH, STARTS
from actors._core.outcomes import crash
from actors._user_code.interrupts import is_interrupt, on_its_way

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.envelope import Envelope
    from actors._core.owned import Owned

Exits = (SystemExit, KeyboardInterrupt)
"""The exceptions that asyncio lets out of the loop."""
PASSES = 4
"""How many passes of the loop something may take to begin to wait for a task that has just ended."""
LOOK_AGAIN = 1.0
"""Seconds between two looks whether the exception of a task was taken, while the handler that began it may do so."""
TaskFactory = Callable[..., asyncio.Future[Any]]
_NOT_WAITING = (set, list, dict, WeakSet, ModuleType)


class TaskGuard:
    """A task factory that guards the tasks of actors. All other tasks are left to the factory that was set before."""

    def __init__(self, previous: TaskFactory | None) -> None:
        self.previous = previous
        self.users = 0
        """How many runtimes use this loop."""

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Future[Any]:
        context: Context | None = options.get("context")
        owner = owner_in(copy_context() if context is None else context)
        cell = owner.cell
        if cell is None or not asyncio.iscoroutine(coro):  # asyncio refuses what is not one
            return self._make(loop, coro, options)
        if context is None and owner.message is None and (message := message_of(cell)) is not None:
            # A plain handler has no context of its own for the message: the task must know where it began.
            context, owner = copy_context(), owner._replace(message=message)
            begin_in(context, cell, message)
            return context.run(self._guarded, loop, coro, owner, options)
        return self._guarded(loop, coro, owner, options)

    def _guarded(
        self, loop: asyncio.AbstractEventLoop, coro: Any, owner: Owner, options: dict[str, Any]
    ) -> asyncio.Future[Any]:
        cell, owned = owner.cell, None
        assert cell is not None
        if owner.incarnation == cell.incarnation and cell.phase not in ABSENT:
            owned = cell.possess().owns()
        guarded = _Guarded(coro, owner, owned)
        task = self._make(loop, guarded, options)
        if owned is not None and not task.done():
            owned.tasks[guarded] = task  # type: ignore[assignment]
        return task

    def _make(self, loop: asyncio.AbstractEventLoop, coro: Any, options: dict[str, Any]) -> asyncio.Future[Any]:
        if self.previous is None:
            return asyncio.Task(coro, loop=loop, **options)
        return self.previous(loop, coro, **options)


def guard_tasks(loop: asyncio.AbstractEventLoop) -> TaskGuard:
    """Guards the tasks of the loop until `unguard_tasks`. A task factory of the user's stays in use."""
    factory: Any = loop.get_task_factory()
    guard = factory if isinstance(factory, TaskGuard) else TaskGuard(factory)
    if guard is not factory:
        loop.set_task_factory(guard)
    guard.users += 1
    return guard


def unguard_tasks(loop: asyncio.AbstractEventLoop, guard: TaskGuard) -> None:
    """Takes the guard back, after the last runtime that used it, unless another factory was set on top of it."""
    guard.users -= 1
    if not guard.users and loop.get_task_factory() is guard:
        loop.set_task_factory(guard.previous)


class _Guarded(Coroutine[Any, Any, Any]):
    """The coroutine of a task. Its exit becomes the exception of the task and goes no further. Its end takes the task
    from those of its incarnation.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any], owner: Owner, owned: Owned | None) -> None:
        self._coroutine = coroutine
        self._owner = owner
        self._owned = owned

    def send(self, value: Any, /) -> Any:
        try:
            return self._coroutine.send(value)
        except StopIteration:
            self._forget()
            raise
        except Exits as error:
            return self._end(error)
        except BaseException as error:
            self._failed(error)
            raise

    def throw(self, *error: Any) -> Any:
        try:
            return self._coroutine.throw(*error)
        except StopIteration:
            self._forget()
            raise
        except Exits as exit:
            return self._end(exit)
        except BaseException as raised:
            self._failed(raised)
            raise

    def close(self) -> None:
        self._forget()
        self._coroutine.close()

    def _forget(self) -> None:
        if self._owned is not None:
            self._owned.tasks.pop(self, None)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)  # cr_frame and the like, for debuggers of tasks

    def _failed(self, error: BaseException) -> None:
        """The task ends by this exception. What takes it later is not known yet."""
        self._forget()
        task: Any = asyncio.current_task()
        if task is None or isinstance(error, asyncio.CancelledError | GeneratorExit) or _is_awaited(task):
            return
        if self._owned is not None:
            self._owned.looks[self] = partial(self._conclude, task)
        task.get_loop().call_soon(self._look, task, PASSES)

    def _look(self, task: Any, passes: int) -> None:
        """Nothing waited for the task when it raised. While the handler or hook that began it is under way, that may
        still take the exception.
        """
        loop, owned = task.get_loop(), self._owned
        if owned is not None and self not in owned.looks:
            return  # the incarnation is gone
        if task._log_traceback and passes:
            loop.call_soon(self._look, task, passes - 1)
        elif task._log_traceback and owned is not None and self._may_be_awaited():
            timer = loop.call_later(LOOK_AGAIN, self._look, task, 0)
            owned.looks[self] = partial(self._conclude, task, timer)
        else:
            self._conclude(task)

    def _conclude(self, task: Any, timer: asyncio.TimerHandle | None = None) -> None:
        """Publishes the exception of the task, unless it was taken."""
        if timer is not None:
            timer.cancel()
        if self._owned is not None:
            self._owned.looks.pop(self, None)
        if task._log_traceback:
            cell = self._owner.cell
            assert cell is not None
            cell.runtime.uncaught(cell.path, f"task {task.get_name()!r}", task.exception())

    def _may_be_awaited(self) -> bool:
        cell, incarnation, message = self._owner
        if cell is None or cell.incarnation != incarnation:
            return False
        if message is None:
            return cell.phase in STARTS
        return any(each is message for each in cell.host.under_way(cell))

    def _end(self, error: BaseException) -> Any:
        self._forget()
        task: Any = asyncio.current_task()
        if is_interrupt(error):
            on_its_way(error)  # asyncio raises it through the loop
            raise error
        if task is None:
            raise error
        loop = task.get_loop()
        if not _is_awaited(task):
            loop.call_soon(self._judge, task, PASSES)
        # The task is done here, with this exception; asyncio itself would raise it through the loop as well.
        asyncio.Future.set_exception(task, error)
        return _Never(loop)

    def _judge(self, task: Any, passes: int) -> None:
        """Nothing waited for the task when it ended. What was about to has taken its exception by now, or else the
        actor crashes by it.
        """
        if not task._log_traceback:
            return
        if passes:
            task.get_loop().call_soon(self._judge, task, passes - 1)
        else:
            where = f"task {task.get_name()!r}"
            assert self._owner.cell is not None
            self._owner.cell.runtime.escaped(task.exception(), self._owner, where)


def _is_awaited(task: Any) -> bool:
    """Whether something waits for the task, rather than notes that it is done, as `set.discard` does."""
    callbacks = [each[0] for each in task._callbacks or ()]
    return any(not isinstance(getattr(each, "__self__", None), _NOT_WAITING) for each in callbacks)


class _Never:
    """The future that a task which has ended waits for. It holds nothing, and nothing wakes the task again."""

    _asyncio_future_blocking = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: object, *, context: object = None) -> None:
        """Nothing ever calls it."""

    def cancel(self, msg: object = None) -> bool:
        """It cannot be cancelled."""
        return False


def crash_by_task(cell: Cell, incarnation: int, error: BaseException, message: Envelope | None) -> bool:
    """A task or callback of the incarnation has raised an exit: it crashes. Returns False, and does nothing, when the
    incarnation is not there, or is a supervisor, which no callback of the user's may end.

    The crash counts against the message in whose handler that began, if it is under way; where that is not known,
    against the one that is. Otherwise the message would come again, and crash again, without end.
    """
    if incarnation != cell.incarnation or cell.props.kind.manages_lifecycle or cell.phase not in CAN_CRASH:
        return False
    under_way = cell.host.under_way(cell)
    if message is None and len(under_way) == 1:
        message = under_way[0]
    crash(cell, message if any(each is message for each in under_way) else None, error)
    return True


def owner_of(error: BaseException) -> Owner | None:
    """The owner of the callback that let this error out of the loop. None: it came out of no callback."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code is Handle._run.__code__:
            return owner_in(trace.tb_frame.f_locals["self"]._context)
        trace = trace.tb_next
    return None
