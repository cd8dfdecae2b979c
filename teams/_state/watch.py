"""Watches: the changes of a shared state, read by code outside of it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, NamedTuple, Self

from actors.spi import ActorError, Future, Runtime
from teams.errors import WatchOverrun


class Change(NamedTuple):
    """A change, as a watcher gets it."""

    key: str
    value: Any
    """None after a delete."""
    version: int
    deleted: bool = False


class Watch(AsyncIterator[Change]):
    """The changes of a state, for one reader: `async for change in watch`, or `watch.get(timeout)` in a thread.

    It ends when it is cancelled. It raises `WatchOverrun` when the reader fell behind, and `ActorDeadError` when the
    state has terminated; what came before is read first.
    """

    def __init__(self, path: str, runtime: Runtime, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._runtime = runtime
        # Both are touched on the runtime's loop thread only.
        self._waiting: deque[Change | ActorError | None] = deque()
        self._asked: Future[Change | None] | None = None
        self._next: Future[Change | None] | None = None
        """The future that the reader waits for; a reader that gave up waiting finds it here again."""
        self._over = False

    def deliver(self, change: Change) -> bool:
        """Takes a change for the reader. Returns whether more are wanted. On the loop thread."""
        if not self._over and len(self._waiting) >= self._limit:
            self.end(WatchOverrun(self._path, self._limit))
        if not self._over:
            self._put(change)
        return not self._over

    def end(self, error: ActorError | None) -> None:
        """Nothing follows but this. On the loop thread."""
        if not self._over:
            self._over = True
            self._put(error)

    def cancel(self) -> None:
        """Ends the watch. May be called twice, and from any thread."""
        self._runtime.on_loop(lambda: self.end(None))

    def _put(self, what: Change | ActorError | None) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            self._waiting.append(what)
        else:
            self._hand_over(asked, what)

    def _hand_over(self, asked: Future[Change | None], what: Change | ActorError | None) -> None:
        if isinstance(what, Change):
            asked.set(what)
            return
        self._waiting.appendleft(what)  # a further read finds the end again
        if what is None:
            asked.set(None)
        else:
            asked.set_exception(what)

    def _ask(self, future: Future[Change | None]) -> None:
        if self._waiting:
            self._hand_over(future, self._waiting.popleft())
        else:
            self._asked = future

    def _request(self) -> Future[Change | None]:
        if self._next is None:
            self._next = Future(self._runtime.park)
            self._runtime.on_loop(partial(self._ask, self._next))
        return self._next

    async def __anext__(self) -> Change:
        future = self._request()
        try:
            change = await future
        finally:
            if future.done():
                self._next = None
        if change is None:
            raise StopAsyncIteration
        return change

    def get(self, timeout: float | None = None) -> Change | None:
        """Waits for the next change, in a thread; None: the watch was cancelled.

        Raises:
            pykka.Timeout: there was none within `timeout` seconds
        """
        future = self._request()
        try:
            return future.get(timeout=timeout)
        finally:
            if future.done():
                self._next = None

    def __aiter__(self) -> Self:
        return self
