"""Functions that run as children: those of a spec, and the tasks of a task supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from actors.spi import (
    NO_MESSAGES,
    Actor,
    ActorDeadError,
    ActorRef,
    Cell,
    Crashed,
    ExitReason,
    Future,
    ProcessSpec,
    RuntimeStopped,
    finish,
    gone,
    pack_call,
    settle_failure,
    stop_requested,
    when_told_to_stop,
)
from supervisors._specs.resolve import misfit
from supervisors._specs.spec import BaseSpec, ChildSpec, TaskCall
from supervisors.errors import SpecError, SpecFault, TaskCancelled

if TYPE_CHECKING:
    from actors.spi import PooledCall, ProcessPool

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
        return, and then its thread is left behind. A function in a process of a pool ends with its process, which is
        killed at once. A task that waits for its restart is not restarted.
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
        self.call: PooledCall | None = None
        """The call as it is sent to a process; None: it runs in this one."""
        self.pool: ProcessPool | None = None
        self.cancelled = False

    def pack(self) -> None:
        """Makes the call ready for a process. From any thread. Raises `NotSendable`."""
        if self.call is None:
            self.call = pack_call(self.supervisor.path, self.function, self.args, self.kwargs)

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


def has_process(template: object) -> bool:
    """Whether the tasks of this template run in processes."""
    return isinstance(template, ChildSpec) and isinstance(template.host, ProcessSpec)


class CancelTask(NamedTuple):
    """End the task of this promise."""

    promise: Promise


class FunctionActor(Actor):
    """The actor of a function. It starts at once; then the function runs and ends the actor."""

    def work(self) -> object:
        """Calls the function."""
        raise NotImplementedError

    def returned(self, result: Any) -> None:
        """The function has returned."""

    def on_continue(self) -> Awaitable[None] | None:
        # A plain function in a thread may block, and may ask: no event loop runs around it.
        result = self.work()
        if type(result) is CoroutineType:
            return self.complete(result)
        self._end(result)
        return None

    async def complete(self, work: Coroutine[Any, Any, Any]) -> None:
        """Awaits what the function does."""
        self._end(await work)

    def _end(self, result: Any) -> None:
        self.returned(result)
        finish(self)


class Task(FunctionActor):
    """The actor of a task: a function whose caller waits for the result."""

    def __init__(self, promise: Promise) -> None:
        self.promise = promise

    def work(self) -> object:
        return self.promise()

    def returned(self, result: Any) -> None:
        self.promise.keep(result)


class PooledTask(Task):
    """The actor of a task whose function runs in a process of a pool. It runs on the loop, and waits for that."""

    def work(self) -> object:
        pool, call = self.promise.pool, self.promise.call
        assert pool is not None
        assert call is not None
        return pool.run(self, self.promise.function, call)


class FunctionChild(FunctionActor):
    """The actor of a child whose spec starts a function. The order to stop cancels one that is a coroutine."""

    mailbox = NO_MESSAGES

    def __init__(self, function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        problem = misfit(function, kwargs or args)
        if problem is not None:
            raise SpecError([SpecFault(self.path, problem)])
        self.function = function
        self.args = args
        self.kwargs = kwargs

    def work(self) -> object:
        return self.function(*self.args, **self.kwargs)

    def returned(self, result: Any) -> None:
        """Raises SpecError for a result that shows that the function was not meant to be run."""
        if isinstance(result, BaseSpec):
            problem = f"start: {_name(self.function)} returned the spec {result.id!r}: call it to build the tree"
        elif hasattr(type(result), "__aenter__"):
            problem = (
                f"start: {_name(self.function)} returned an asynchronous context manager: give its class, or a "
                "functools.partial of it, or an @asynccontextmanager function"
            )
        else:
            return
        raise SpecError([SpecFault(self.path, problem)])

    async def complete(self, work: Coroutine[Any, Any, Any]) -> None:
        """Awaits the function; the order to stop cancels it."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel() -> None:
            if asyncio._get_running_loop() is loop:
                task.cancel()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        forget = when_told_to_stop(self, cancel)
        try:
            result = await work
        except asyncio.CancelledError:
            if stop_requested():
                return
            raise
        finally:
            forget()
        self._end(result)


class BlockingFunctionChild(FunctionChild):
    """The same for a plain function in a process of its own, where it has a thread: the process hears the order to stop
    while it runs.
    """

    host = "thread"


def _name(function: object) -> str:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))
