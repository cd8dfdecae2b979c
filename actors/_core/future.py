"""A future that can be awaited on any loop and waited for in any thread."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Sequence
from contextvars import ContextVar
from threading import Lock
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, cast

import pykka

from actors._core.clock import check_timeout
from actors._core.waits import Link, Wait, Wanted, begin_wait
from actors._user_code.reporting import contain
from actors.errors import BlockingCallError, DeadlockError, lost
from actors.reasons import ExitReason, RuntimeLost

T = TypeVar("T")
M = TypeVar("M")
J = TypeVar("J")
R = TypeVar("R")

_TRACEBACK = BaseException.__dict__["__traceback__"]
"""Reads the traceback of an exception without code of its class."""
ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class Parking(Protocol):
    """Blocks the calling thread until a future settles; the simulation has its own."""

    def __call__(self, future: Future[Any], timeout: float | None, /) -> bool: ...


def park_thread(future: Future[Any], timeout: float | None) -> bool:
    """Blocks the calling thread until `future` is done or `timeout` seconds have passed; returns whether it is done."""
    bell = threading.Lock()
    bell.acquire()

    def ring(_: Future[Any]) -> None:
        bell.release()

    future.add_done_callback(ring)
    rung = bell.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
    if not rung:
        future.remove_done_callback(ring)
    return rung


class Future(pykka.Future[T], Generic[T]):
    """A pykka future that does not block the event loop when awaited.

    `get()` blocks the calling thread and raises `BlockingCallError` at once on a thread that runs an event loop.
    `await` suspends the coroutine, on whichever loop it runs. Settling a future twice raises `queue.Full`, as in pykka.

    A handler gets a `DeadlockError` at once if the actor that must settle the future waits, directly or not, for the
    actor of this handler.
    """

    _pending: Pending[T] | None = None
    """Held by an actor, if this is a future of the end of that actor."""
    _traceback: TracebackType | None = None
    """That of the exception when the future was settled: a `get` that raises it adds frames, and none of them stays."""

    def __init__(self, park: Parking = park_thread, about: Link | None = None, wanted: Wanted = Wanted.ANSWER) -> None:
        super().__init__()
        self._park = park
        self._about = about
        self._wanted = wanted
        self._wait: Wait | None = None
        self._lock = Lock()  # by this name it is a real one in a simulation, too, without a look at who asks
        self._done = False
        self._cancelled = False
        self._value: T | None = None
        self._exception: BaseException | None = None
        self._callbacks: list[Callable[[Future[T]], object]] = []

    def done(self) -> bool:
        """Whether there is a value or an exception."""
        return self._done

    def _settle(self, value: T | None, exception: BaseException | None) -> None:
        with self._lock:
            if self._done or self._get_hook is not None:
                raise queue.Full
            self._value = value
            if exception is not None:
                self._exception = exception
                self._traceback = _TRACEBACK.__get__(exception)
            self._done = True
            callbacks, self._callbacks = self._callbacks, []
            if self._pending is not None:
                self._pending.hold(None)
                self._pending = None
        for callback in callbacks:
            contain("a callback of a future failed", callback, self)

    def set(self, value: T | None = None) -> None:
        """Settles the future with a value. From any thread. Raises `queue.Full` if it is settled."""
        self._settle(value, None)

    def set_result(self, result: T) -> None:
        """Settles the future with a value; the same as `set`, under the name that asyncio uses."""
        self._settle(result, None)

    def set_exception(self, exc_info: ExcInfo | BaseException | None = None) -> None:
        """Settles the future with an exception: the given one, that of a `sys.exc_info()` triple, or the one being
        handled. From any thread. Raises `queue.Full` if the future is settled.
        """
        if isinstance(exc_info, BaseException):
            self._settle(None, exc_info)
            return
        kind, value, traceback = exc_info or sys.exc_info()
        if value is None:
            if kind is None:
                raise TypeError("set_exception() without an exception needs to be called while one is handled")
            value = kind()
        self._settle(None, value.with_traceback(traceback))

    def add_done_callback(self, callback: Callable[[Future[T]], object]) -> None:
        """Calls `callback(self)` once: at once if the future is done, otherwise in the thread that settles it. An
        exception of the callback is logged in both cases.
        """
        with self._lock:
            if not self._done:
                self._callbacks.append(callback)
                if self._pending is not None:
                    self._pending.hold(self)
                return
        contain("a callback of a future failed", callback, self)

    def remove_done_callback(self, callback: Callable[[Future[T]], object]) -> None:
        """Removes a callback. Does nothing if it is not there. From any thread."""
        with self._lock, contextlib.suppress(ValueError):
            self._callbacks.remove(callback)
            if self._pending is not None and not self._callbacks:
                self._pending.hold(None)

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Lets `get()` call `func(timeout)` for the value, as in pykka. Awaiting such a future calls it in a worker
        thread.
        """
        if self._done:
            raise queue.Full
        self._hook_lock = threading.RLock()
        super().set_get_hook(func)

    def get(self, *, timeout: float | None = None) -> T:
        """Waits for the value, for at most `timeout` seconds (`None`: for ever).

        Raises:
            BlockingCallError: on a thread that runs an event loop
            DeadlockError: the actor that must settle it waits, directly or not, for the actor that calls this
            pykka.Timeout: the future was not settled in time
            ValueError: `timeout` is neither None nor a number >= 0
            BaseException: the exception the future was settled with
        """
        if timeout is not None:
            check_timeout(timeout, "future.get()")
        if self._get_hook is not None:
            return self._from_hook(timeout)
        if not self._done:
            refuse_on_loop("future.get()", "`await future`")
            wait = self._begin_wait()
            try:
                if not self._park(self, timeout):
                    raise pykka.Timeout(f"{timeout} seconds")
            finally:
                if wait is not None:
                    wait.end()
        return self._outcome()

    def _from_hook(self, timeout: float | None) -> T:
        """The value of the hook, which is called until it has returned one, in one thread at a time."""
        if not self._hook_lock.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            raise pykka.Timeout(f"{timeout} seconds")
        try:
            return super().get(timeout=timeout)
        finally:
            self._hook_lock.release()

    def concerns(self, link: Link, wanted: Wanted = Wanted.ANSWER) -> None:
        """Names the actor that settles it, if that is known only now. A handler that waits already waits for it."""
        self._about, self._wanted = link, wanted
        wait = self._wait
        if wait is not None:
            wait.turn_to(link)

    def _begin_wait(self) -> Wait | None:
        wait = self._wait = None if self._about is None else begin_wait(self._about, self._wanted, self)
        return wait

    def _outcome(self) -> T:
        if self._exception is not None:
            raise BaseException.with_traceback(self._exception, self._traceback)
        return cast("T", self._value)

    def __await__(self) -> Generator[Any, None, T]:
        loop = asyncio.get_running_loop()
        if self._get_hook is not None:
            return (yield from loop.run_in_executor(None, self.get).__await__())
        if not self._done:
            waiter: asyncio.Future[None] = loop.create_future()
            wait = self._begin_wait()

            def wake(_: Future[T]) -> None:
                _wake(loop, waiter)

            self.add_done_callback(wake)
            try:
                yield from waiter
            except BaseException:  # no longer awaited
                self.remove_done_callback(wake)
                raise
            finally:
                if wait is not None:
                    wait.end()
        return self._outcome()

    __iter__ = __await__

    def map(self, func: Callable[[T], M]) -> Future[M]:
        """A future of `func(value)`. `func` runs once, where the new future is first waited for, in a thread or on an
        event loop. What it returns or raises is the outcome for every waiter.
        """
        return DerivedFuture(self._park, (self,), func)

    def filter(self: Future[Iterable[J]], func: Callable[[J], bool]) -> Future[Iterable[J]]:
        """A future of the items of the value for which `func(item)` is true."""
        return self.map(lambda items: [item for item in items if func(item)])

    def reduce(self: Future[Iterable[J]], func: Callable[[R, J], R], *args: R) -> Future[R]:
        """A future of `functools.reduce(func, value, *args)`."""
        return self.map(lambda items: functools.reduce(func, items, *args))

    def join(self: Future[Any], *futures: pykka.Future[Any]) -> Future[Iterable[Any]]:
        """A future of the list of the values of this future and the given ones."""
        return DerivedFuture(self._park, (self, *futures), lambda *values: list(values))

    def __repr__(self) -> str:
        state = "pending" if not self._done else "failed" if self._exception is not None else "done"
        return f"<actors.Future {state}>"


class DerivedFuture(Future[M]):
    """A future of a function of the values of other futures. The function runs once, where the future is first waited
    for; another thread that waits meanwhile waits for that.
    """

    def __init__(self, park: Parking, sources: Sequence[pykka.Future[Any]], func: Callable[..., M]) -> None:
        super().__init__(park)
        self._sources = sources
        self._func = func
        self._claimed = False

    def _settle(self, value: M | None, exception: BaseException | None) -> None:
        raise queue.Full  # its value comes from elsewhere

    def set_get_hook(self, func: Callable[[float | None], M]) -> None:
        """Raises `queue.Full`: the future has its function."""
        raise queue.Full

    def get(self, *, timeout: float | None = None) -> M:
        """The same as `Future.get`. `timeout` bounds the wait for each of the other futures, as in pykka, and the wait
        for a thread that runs the function.
        """
        if timeout is not None:
            check_timeout(timeout, "future.get()")
        if not self._done:
            values = [each.get(timeout=timeout) for each in self._sources]
            if self._claim():
                self._compute(values)
        return super().get(timeout=timeout)

    def __await__(self) -> Generator[Any, None, M]:
        if not self._done:
            values = []
            for each in self._sources:
                values.append((yield from each.__await__()))
            if self._claim():
                self._compute(values)
        return (yield from super().__await__())

    __iter__ = __await__

    def _claim(self) -> bool:
        """Whether this code runs the function. Raises `DeadlockError` if this code is that function."""
        with self._lock:
            if not self._claimed:
                self._claimed = True
                return True
        if self in _computing.get():
            raise DeadlockError(("a mapped future", "its function", "the same future"))
        return False

    def _compute(self, values: Iterable[Any]) -> None:
        token = _computing.set((*_computing.get(), self))
        try:
            value, error = self._func(*values), None
        except BaseException as raised:  # noqa: BLE001 - it is the outcome of the future
            value, error = None, raised
        finally:
            _computing.reset(token)
        super()._settle(value, error)
        self._sources = ()


_computing: ContextVar[tuple[DerivedFuture[Any], ...]] = ContextVar("computing_futures", default=())
"""The futures whose functions the running code belongs to."""


class Pending(Generic[T]):
    """Held by an actor for a future of its end: holds the future itself only while a callback waits for it.

    So a future that is dropped, whose wait timed out or was cancelled, leaves nothing with an actor that lives on.
    """

    __slots__ = ("_dropped", "_future", "_held")

    def __init__(self, future: Future[T]) -> None:
        self._future = weakref.ref(future, self._is_dropped)
        self._held: Future[T] | None = None
        self._dropped: Callable[[], object] | None = None
        future._pending = self

    def hold(self, future: Future[T] | None) -> None:
        """Keeps the future alive, or no longer. The future calls this."""
        self._held = future

    def when_dropped(self, then: Callable[[], object]) -> None:
        """Calls `then` when the future has been collected, in the thread that collects it; at once if it is
        collected already.
        """
        self._dropped = then
        if self._future() is None:
            then()

    def conclude(self, reason: ExitReason, value: T) -> None:
        """Settles the future, if there is still one."""
        future = self._future()
        if future is not None:
            conclude(future, reason, value)

    def _is_dropped(self, _: object) -> None:
        if self._dropped is not None:
            self._dropped()


def _wake(loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
    def settle() -> None:
        if not waiter.done():
            waiter.set_result(None)

    if asyncio._get_running_loop() is loop:
        settle()
    else:
        with contextlib.suppress(RuntimeError):  # nothing waits on a closed loop
            loop.call_soon_threadsafe(settle)


def conclude(future: Future[T], reason: ExitReason, value: T) -> None:
    """Settles a future of the end of an actor, unless it is settled: with the value, or, when the actor is gone with
    its runtime, with `RuntimeStopped`.
    """
    with contextlib.suppress(queue.Full):
        if isinstance(reason, RuntimeLost):
            future.set_exception(lost(reason))
        else:
            future.set(value)


async def until_settled(future: Future[T]) -> T:
    """Waits for a future whatever cancels the task meanwhile, and however often: the first cancellation is raised when
    the future is settled, in place of its outcome. `Task.cancelling` stays as the callers of `cancel` made it.
    """
    cancellation: asyncio.CancelledError | None = None
    try:
        while not future.done():
            try:
                await future
            except asyncio.CancelledError as error:
                cancellation = cancellation or error
            except Exception:  # the outcome; or the future cannot be awaited here
                if cancellation is None or not future.done():
                    raise
        if cancellation is not None:
            raise cancellation
    finally:
        del cancellation  # its traceback holds this frame
    return await future


def refuse_on_loop(what: str, instead: str) -> None:
    """Raises `BlockingCallError` when this thread runs an event loop."""
    if asyncio._get_running_loop() is not None:
        raise BlockingCallError(what, instead)
