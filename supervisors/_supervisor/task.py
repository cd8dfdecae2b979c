"""Tasks: functions that run as children."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from types import CoroutineType
from typing import Any

from actors.spi import Actor, Crashed, ExitReason, Future, Normal, gone, settle_failure
from supervisors._specs.spec import TaskCall


class Promise:
    """A function and the future of its result. It outlives the incarnations that try it."""

    def __init__(
        self,
        future: Future[Any],
        function: Callable[..., object],
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> None:
        self.future = future
        self.function = function
        self.args = args
        self.kwargs = kwargs

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
        if isinstance(reason, Crashed):
            settle_failure(self.future, reason.exception, path)
        elif not self.future.done():
            function = partial(self.function, **self.kwargs) if self.kwargs else self.function
            self.future.set_exception(gone(path, reason, TaskCall(function, self.args)))

    def refused(self, started: Future[Any]) -> None:
        """The supervisor has answered. If it refused to start the task, its error is the answer."""
        try:
            started.get()
        except Exception as error:  # noqa: BLE001 - the caller gets any error
            if not self.future.done():
                self.future.set_exception(error)


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
