"""The results of many tasks with a bound, one after another: what `map` of a task supervisor returns."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

from actors.spi import ActorCrashed, Cell, Future, Parking, refuse_on_loop, shown
from supervisors._specs.start_kind import task_fault
from supervisors._supervisor.task import TaskFuture
from supervisors._supervisor.waits import OPEN, Open
from supervisors.errors import SpecError, SpecFault, TaskCancelled

R = TypeVar("R")

OnTaskFailure = Literal["raise", "yield"]
"""Whether the exception of a task is raised at its place, or is the result of its item."""

_AHEAD = 2
"""How many times `limit` items are taken ahead of the reader, so that one slow item does not hold up the others."""


class TaskResults(Generic[R]):
    """The results of `map`, for `async for` on any event loop, and for `for` in a thread.

    Tasks start when the reader asks for a result. At most `limit` run at once, and at most `2 * limit` items are taken
    ahead of the reader. One reader at a time.

    The end of the reading terminates the tasks that still run: a failure that is raised, `aclose()` or `close()`, the
    end of an `async with` or `with` block, and the collection of this object, as after a `break`. In an actor the end
    of the incarnation that called `map` terminates them as well.
    """

    def __init__(self, stream: Stream, failures: OnTaskFailure) -> None:
        self._stream = stream
        self._failures = failures
        weakref.finalize(self, stream.close).atexit = False

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        """The next result. Raises the exception of a task that failed, unless failures are results."""
        with self._stream.reading():
            while (step := self._stream.step()) is not None:
                if isinstance(step, TaskFuture):
                    break
                await step
        if step is None:
            raise StopAsyncIteration
        try:
            result: R = self._result(step)
        except Exception:
            await self.aclose()
            raise
        return result

    def __iter__(self) -> Iterator[R]:
        return self

    def __next__(self) -> R:
        """The next result; blocks this thread. Raises the exception of a task that failed, unless failures are results,
        and `BlockingCallError` on a thread that runs an event loop.
        """
        refuse_on_loop("`for` over the results of map()", "`async for`")
        with self._stream.reading():
            while (step := self._stream.step()) is not None:
                if isinstance(step, TaskFuture):
                    break
                step.get()
        if step is None:
            raise StopIteration
        try:
            result: R = self._result(step)
        except Exception:
            self.close()
            raise
        return result

    def _result(self, future: TaskFuture[Any]) -> Any:
        try:
            return future.get()
        except Exception as error:
            if self._failures == "yield":
                return error
            if isinstance(error, StopAsyncIteration):  # it would end the loop of the reader in silence
                raise ActorCrashed(self._stream.path, error) from error
            raise

    async def aclose(self) -> None:
        """Terminates the tasks that run, and waits for their end. The iteration is over."""
        for future in self._stream.close():
            with contextlib.suppress(Exception):  # its result has no reader any more
                await future

    def close(self) -> None:
        """The same, and blocks this thread meanwhile."""
        for future in self._stream.close():
            with contextlib.suppress(Exception):
                future.get()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Stream:
    """The tasks of one `map`. The reader calls `step`; futures of tasks report from any thread."""

    def __init__(
        self,
        path: str,
        start: Callable[[Any], TaskFuture[Any]],
        items: Iterable[Any],
        limit: int,
        ordered: bool,
        park: Parking,
    ) -> None:
        self.path = path
        self._start = start
        self._items: Iterator[Any] | None = iter(items)
        self._limit = limit
        self._ordered = ordered
        self._park = park
        # Reentrant: a collected reader closes the stream in whatever this thread is doing.
        self._lock = threading.RLock()
        self._running: dict[int, TaskFuture[Any]] = {}
        self._finished: dict[int, TaskFuture[Any]] = {}
        self._order: deque[int] = deque()
        """The numbers of the tasks whose results have not been read, in the order in which they are read."""
        self._taken = 0
        self._bell: Future[None] | None = None
        self._closed = False
        self._read = False
        self._cut = False
        """Whether the incarnation that called `map` has ended."""
        self.on_close: Callable[[], object] | None = None
        """Called once, when nothing runs any more or the stream is closed."""

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Holds the place of the one reader. Closes the stream when the items raise."""
        with self._lock:
            if self._read:
                raise RuntimeError(f"the results of {self.path}.map() are being read already: one reader at a time")
            self._read = True
        try:
            yield
        finally:
            self._read = False

    def step(self) -> TaskFuture[Any] | Future[None] | None:
        """What the reader does next: the task whose result it gets, or a future to wait for before it asks again. None:
        there are no more results. Raises `TaskCancelled` once the incarnation that called `map` has ended.
        """
        if self._cut:
            raise TaskCancelled(self.path)
        try:
            self._fill()
        except BaseException:
            self.close()
            raise
        with self._lock:
            number = self._next()
            if number is not None:
                self._order.remove(number)
                return self._finished.pop(number)
            if self._closed or not self._running:
                self.close()
                return None
            bell = self._bell = Future(self._park)
            head = self._running[self._order[0]] if self._ordered or len(self._running) == 1 else None
        if head is not None:
            bell.concerns(AwaitedTask(self.path, head))
        return bell

    def _next(self) -> int | None:
        """The number of the result to read next, if it is there."""
        if not self._order:
            return None
        if self._ordered:
            return self._order[0] if self._order[0] in self._finished else None
        return next(iter(self._finished), None)

    def _fill(self) -> None:
        """Starts tasks while there is room."""
        while self._items is not None and not self._closed:
            if len(self._running) >= self._limit or len(self._order) >= _AHEAD * self._limit:
                return
            try:
                item = next(self._items)
            except StopIteration:
                self._items = None
                return
            self._begin(item)

    def _begin(self, item: object) -> None:
        number, self._taken = self._taken, self._taken + 1
        future = self._start(item)
        with self._lock:
            self._running[number] = future
            self._order.append(number)
            closed = self._closed
        future.add_done_callback(partial(self._done, number))
        if closed:
            future.cancel()

    def _done(self, number: int, _: Future[Any]) -> None:
        with self._lock:
            self._finished[number] = self._running.pop(number)
            bell, self._bell = self._bell, None
        if bell is not None:
            bell.set()

    def cut(self) -> None:
        """The incarnation that called `map` has ended: a reader elsewhere must not take that for the last result."""
        with self._lock:
            self._cut = not self._closed
        self.close()

    def close(self) -> list[TaskFuture[Any]]:
        """Orders the end of the tasks that run, and returns their futures. Nothing is read any more. From any thread;
        without effect if it is closed.
        """
        with self._lock:
            if self._closed:
                return []
            self._closed, self._items = True, None
            running = list(self._running.values())
            self._order.clear()
            self._finished.clear()
            bell, self._bell = self._bell, None
            on_close, self.on_close = self.on_close, None
        for future in running:
            future.cancel()
        if bell is not None:
            bell.set()
        if on_close is not None:
            on_close()
        return running


class AwaitedTask:
    """The wait of a reader for one task, as a link in the chain of waits."""

    __slots__ = ("_future", "path")

    def __init__(self, path: str, future: TaskFuture[Any]) -> None:
        self.path = path
        self._future = future

    @property
    def waiting(self) -> tuple[Cell, Open] | None:
        """The task, once it has a cell."""
        cell = self._future.cell
        return None if cell is None or self._future.done() else (cell, OPEN)


def map_faults(
    path: str, function: object, items: object, limit: object, ordered: object, failures: object, is_tasks: bool
) -> None:
    """Raises SpecError with every fault of the arguments of `map`."""
    problems = []
    if not is_tasks:
        problems.append("this is not a task supervisor: build one with tasks()")
    if not callable(function):
        problems.append(f"function: must be callable, got {shown(function, 60)}")
    elif (problem := task_fault(function)) is not None:
        problems.append(problem)
    if hasattr(items, "__aiter__"):
        problems.append(f"items: must be iterable without await, got {shown(items, 60)}. Collect them in a list first")
    elif not isinstance(items, Iterable):
        problems.append(f"items: must be iterable, got {shown(items, 60)}")
    if type(limit) is not int or limit < 1:
        problems.append(f"limit: must be an integer >= 1, got {shown(limit, 60)}")
    if not isinstance(ordered, bool):
        problems.append(f"ordered: must be True or False, got {shown(ordered, 60)}")
    if not (isinstance(failures, str) and failures in ("raise", "yield")):
        problems.append(f"failures: must be 'raise' or 'yield', got {shown(failures, 60)}")
    if problems:
        raise SpecError([SpecFault(f"{path}.map()", problem) for problem in problems])
