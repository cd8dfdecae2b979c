"""The stream of a run, for its readers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from actors.spi import Future
from teams._journal.rows import ENDED, JournalEntry, RunRow
from teams.workflows._engine.messages import AwaitNews, RunNews, StopReading
from teams.workflows._run.hidden import NOTE, Hidden
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

    __slots__ = ("_ask", "_entries", "_hidden", "_last", "_notes", "_reader", "_ready", "_row", "_run", "_since")

    def __init__(self, ask: AskDesk, run: str, since: int, reader: RunReader) -> None:
        if type(since) is not int or since < 0:
            raise ValueError(f"stream of {run}: since must be the seq of an event, or 0, got {since!r}")
        self._ask = ask
        self._run = run
        self._since = since
        self._reader = reader
        self._row: RunRow | None = None
        self._entries: deque[JournalEntry] = deque()
        """Those that are not read."""
        self._hidden = Hidden()
        self._notes: list[JournalEntry] = []
        """The entries so far that say what is not shown."""
        self._last = 0
        """The number of the last entry that was read."""
        self._ready: deque[StreamEvent] = deque()

    def __aiter__(self) -> RunStream:
        return self

    async def __anext__(self) -> StreamEvent:
        while not self._has_next():
            if self._is_over():
                raise StopAsyncIteration
            future = self._news()
            try:
                self._take(await future)
            finally:
                self._leave(future)
        return self._ready.popleft()

    def __iter__(self) -> RunStream:
        return self

    def __next__(self) -> StreamEvent:
        while not self._has_next():
            if self._is_over():
                raise StopIteration
            future = self._news()
            try:
                self._take(future.get())
            finally:
                self._leave(future)
        return self._ready.popleft()

    def _has_next(self) -> bool:
        """Whether there is an event. Reads entries until there is one, in the thread of the reader."""
        while not self._ready and self._entries:
            entry = self._entries.popleft()
            self._last = entry.seq
            assert self._row is not None
            if entry.kind == "kept" and entry.step.endswith(NOTE):
                self._notes.append(entry)
            entry = self._hidden.entry(entry)
            self._ready.extend(each for each in self._reader.read(entry, self._row) if each.seq > self._since)
        return bool(self._ready)

    def _is_over(self) -> bool:
        row = self._row
        return row is not None and row.state in ENDED and self._last >= row.seq

    def _news(self) -> Future[RunNews]:
        return self._ask(AwaitNews(self._run, self._last, self), _same)

    def _take(self, news: RunNews) -> None:
        self._row = news.row
        self._reader.use(news.graph)
        self._hidden = news.hidden
        self._hidden.entries(self._notes)
        self._entries.extend(news.entries)

    def _leave(self, future: Future[RunNews]) -> None:
        """The reader does not wait any more: if it was interrupted, the desk forgets it."""
        if not future.done():
            self._ask(StopReading(self._run, self), _same)

    def __repr__(self) -> str:
        return f"<RunStream {self._run}>"


def _same(answer: Any) -> Any:
    return answer
