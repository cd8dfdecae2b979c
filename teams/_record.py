"""The record of a run: its journal, its events and its result. It outlives the actor that plays the pattern."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from teams._actors import Future, Parking
from teams._errors import RunCancelled
from teams._events import RunEvent
from teams._pattern import Pattern
from teams._work import Outcome

EVENTS = 1_000
"""How many of the last events a record keeps for those who come late."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: steps, those of patterns inside included."""

    done: int
    failed: int
    under_way: tuple[str, ...]


@dataclass(eq=False, slots=True)
class Record:
    """All there is to know of a run."""

    id: str
    pattern: Pattern
    value: object
    future: Future[Any]
    park: Parking
    journal: dict[str, Outcome] = field(default_factory=dict)
    """How each step that has ended did so, by its name."""
    emitted: set[str] = field(default_factory=set)
    under_way: dict[str, float] = field(default_factory=dict)
    """Steps that have begun, and when."""
    began: float | None = None
    cancelled: str | None = None
    """Why nobody wants the result any more."""
    task: asyncio.Task[Any] | None = None
    ended: bool = False
    _events: deque[RunEvent] = field(default_factory=lambda: deque(maxlen=EVENTS))
    _count: int = 0
    _waiters: list[Future[None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def partial(self) -> dict[str, object]:
        """The results of the steps that are done, by name."""
        return {name: outcome.value for name, outcome in list(self.journal.items()) if outcome.error is None}

    @property
    def progress(self) -> Progress:
        """How far it is."""
        outcomes = list(self.journal.values())
        failed = sum(outcome.error is not None for outcome in outcomes)
        return Progress(len(outcomes) - failed, failed, tuple(self.under_way))

    def tell(self, event: RunEvent) -> None:
        """Something happened. On the loop thread."""
        with self._lock:
            self._events.append(event)
            self._count += 1
        self._wake()

    def settle(self, outcome: Outcome) -> None:
        """The run has ended. The first outcome counts."""
        if self.future.done():
            return
        self.ended = True
        if outcome.error is not None:
            self.future.set_exception(outcome.error)
        else:
            self.future.set(outcome.value)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set(None)

    def since(self, index: int) -> tuple[list[RunEvent], int, Future[None] | None]:
        """The events from `index` on that are still kept, the next index, and what to wait for if there are none."""
        with self._lock:
            oldest = self._count - len(self._events)
            new = list(self._events)[max(0, index - oldest) :]
            if new or self.ended:
                return new, self._count, None
            waiter: Future[None] = Future(self.park)
            self._waiters.append(waiter)
            return [], self._count, waiter


class RunHandle:
    """A run, for whoever asked for it: await it for the result, or `.get(timeout=...)` in a thread.

    Raises `RunFailed` or `RunCancelled`, which have what was done by then, or `ActorDeadError` when the team is gone.
    """

    def __init__(self, record: Record, cancel: Callable[[str], None]) -> None:
        self._record = record
        self._cancel = cancel

    @property
    def id(self) -> str:
        """The name of the run, as its events have it."""
        return self._record.id

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self._record.future.done()

    @property
    def partial(self) -> dict[str, object]:
        """The results of the steps that are done by now, by name."""
        return self._record.partial

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._record.progress

    def get(self, *, timeout: float | None = None) -> Any:
        """Waits for the result in a thread, for at most `timeout` seconds. Raises `pykka.Timeout` after that."""
        return self._record.future.get(timeout=timeout)

    def __await__(self) -> Any:
        return self._record.future.__await__()

    def cancel(self, reason: str = "cancel() was called") -> None:
        """Ends the run and calls off all that it started."""
        self._cancel(reason)

    async def events(self) -> AsyncIterator[RunEvent]:
        """What happens in the run, from its beginning until it has ended. At most the last 1,000 events wait for one
        who is late.
        """
        index = 0
        while True:
            new, index, waiter = self._record.since(index)
            for event in new:
                yield event
            if waiter is not None:
                await waiter
            elif not new:
                return

    def stream(self) -> Iterator[RunEvent]:
        """The same in a thread, which blocks meanwhile."""
        index = 0
        while True:
            new, index, waiter = self._record.since(index)
            yield from new
            if waiter is not None:
                waiter.get()
            elif not new:
                return

    def __repr__(self) -> str:
        return f"<RunHandle {self.id}: {self.progress}>"


def cancelled(record: Record) -> RunCancelled:
    """The error of a run that was cancelled."""
    return RunCancelled(record.id, record.cancelled or "", record.partial)
