"""Tasks: functions that run as children."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from types import CoroutineType
from typing import Any, NamedTuple, TypeVar

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    Cell,
    Crashed,
    ExitReason,
    Future,
    Normal,
    RuntimeStopped,
    gone,
    settle_failure,
)
from supervisors._specs.spec import TaskCall
from supervisors.errors import TaskCancelled

T = TypeVar("T")


class TaskFuture(Future[T]):
    """The future of a task: what `run` of a task supervisor returns. `cancel` ends the task."""

    _task: Promise | None = None

    @property
    def cell(self) -> Cell | None:
        """The cell of the task, once it has one."""
        return None if self._task is None else self._task.cell

    def cancel(self) -> bool:
        """Terminates the task. Returns whether it had no result yet; otherwise it does nothing. From any thread; does
        not wait.

        The future raises `TaskCancelled` when the task is gone. An `async` function gets a `CancelledError` at its
        `await`, and has the `kill_grace` of the runtime, in seconds, to clean up. If it returns a value all the same,
        that is the result. A plain function cannot be interrupted: it has the `task_shutdown` of its supervisor to
        return, and then its thread is left behind. A task that waits for its restart is not restarted.
        """
        if self._task is None or self.done():
            return False
        self._task.cancel()
        return True


class Promise:
    """A function and the future of its result. It outlives the incarnations that try it."""

    def __init__(
        self,
        supervisor: ActorRef[Any],
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> None:
        self.supervisor = supervisor
        self.future: TaskFuture[Any] = TaskFuture(supervisor.runtime.park, supervisor._cell)
        self.future._task = self
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.cell: Cell | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """Ends the task. From any thread."""
        self.cancelled = True
        with contextlib.suppress(ActorDeadError, RuntimeStopped):  # the task has ended with its supervisor
            self.supervisor.tell(CancelTask(self))

    @property
    def host(self) -> str:
        """The host: the event loop for a coroutine function; a thread for any other function, which may block."""
        return "loop" if inspect.iscoroutinefunction(inspect.unwrap(self.function)) else "thread"

    def __call__(self) -> object:
        return self.function(*self.args, **self.kwargs)

    def keep(self, result: object) -> None:
        """The function has returned."""
        if not self.future.done():
            self.future.set(result)

    def broken(self, path: str, reason: ExitReason) -> None:
        """The task will not be tried again. Without a result, its last exit is the answer. An exception that would end
        the caller, such as `SystemExit`, is the cause of an `ActorCrashed`.
        """
        if self.cancelled:
            settle_failure(self.future, self.cancellation(path, reason), path)
        elif isinstance(reason, Crashed):
            settle_failure(self.future, reason.exception, path)
        elif not self.future.done():
            function = partial(self.function, **self.kwargs) if self.kwargs else self.function
            self.future.set_exception(gone(path, reason, TaskCall(function, self.args)))

    def cancellation(self, path: str, reason: ExitReason | None = None) -> TaskCancelled:
        """The error of a future that was cancelled. An exception of the task stands behind it."""
        error = TaskCancelled(path)
        if isinstance(reason, Crashed):
            error.__cause__ = reason.exception
        return error

    def refused(self, started: Future[Any]) -> None:
        """The supervisor has answered. If it refused to start the task, its error is the answer."""
        try:
            started.get()
        except Exception as error:  # noqa: BLE001 - the caller gets any error
            if not self.future.done():
                self.future.set_exception(error)


class CancelTask(NamedTuple):
    """End the task of this promise."""

    promise: Promise


class Task(Actor):
    """The actor of a task. It starts at once; then the function runs, before any message, and ends the actor."""

    def __init__(self, promise: Promise) -> None:
        self.promise = promise

    def on_continue(self) -> Awaitable[None] | None:
        # A plain function in a thread may block, and may ask: no event loop runs around it.
        result = self.promise()
        if type(result) is CoroutineType:
            return self._end_with(result)
        self._end(result)
        return None

    async def _end_with(self, work: Coroutine[Any, Any, Any]) -> None:
        self._end(await work)

    def _end(self, result: Any) -> None:
        self.promise.keep(result)
        self._cell.leave(Normal())
