"""The stream of a run, for its readers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from actors.spi import Future
from teams._journal.rows import ENDED
from teams.workflows._engine.messages import AwaitNews, RunNews, StopReading
from teams.workflows._run.reader import RunReader
from teams.workflows._run.stream_events import StreamEvent

T = TypeVar("T")


class AskDesk(Protocol):
    """Asks the desk of an engine: a future of what `then` makes of the answer."""

    def __call__(self, message: object, then: Callable[[Any], T]) -> Future[T]: ...


class RunStream:
    """The events of a run, from its beginning or after an event, until the run has ended. Made by `WorkflowRun.stream`.

    Use it with `async for`, or with `for` in a thread, which it blocks. One task or thread at a time reads it. The
    engine has a waiter for it while a reader waits for the next event, and nothing else: a loop may be left at any
    event, and a task that waits may be cancelled.

    A reader may get an event late, when the process that plays the run is another one or the store is away. It gets
    every event once; a new stream with `since=` goes on after the last event that was seen.
    """

    __slots__ = ("_ask", "_last", "_over", "_reader", "_ready", "_run", "_since")

    def __init__(self, ask: AskDesk, run: str, since: int, reader: RunReader) -> None:
        if type(since) is not int or since < 0:
            raise ValueError(f"stream of {run}: since must be the seq of an event, or 0, got {since!r}")
        self._ask = ask
        self._run = run
        self._since = since
        self._reader = reader
        self._last = 0
        """The number of the last entry that was read."""
        self._ready: deque[StreamEvent] = deque()
        self._over = False

    def __aiter__(self) -> RunStream:
        return self

    async def __anext__(self) -> StreamEvent:
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            future = self._ask(AwaitNews(self._run, self._last, self), self._take)
            try:
                await future
            finally:
                self._leave(future)
        return self._ready.popleft()

    def __iter__(self) -> RunStream:
        return self

    def __next__(self) -> StreamEvent:
        while not self._ready:
            if self._over:
                raise StopIteration
            future = self._ask(AwaitNews(self._run, self._last, self), self._take)
            try:
                future.get()
            finally:
                self._leave(future)
        return self._ready.popleft()

    def _take(self, news: RunNews | None) -> None:
        """What is new. On the loop thread, before the future settles that the reader waits for."""
        if news is None:
            return  # it has left
        self._reader.use(news.graph)
        for entry in news.entries:
            self._last = entry.seq
            self._ready.extend(each for each in self._reader.read(entry, news.row) if each.seq > self._since)
        self._over = news.row.state in ENDED and self._last >= news.row.seq

    def _leave(self, future: Future[None]) -> None:
        """The reader does not wait any more: if it was interrupted, the desk forgets it."""
        if not future.done():
            self._ask(StopReading(self._run, self), lambda _: None)

    def __repr__(self) -> str:
        return f"<RunStream {self._run}>"
