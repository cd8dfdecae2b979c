"""The time limits of runs. The wall clock may be set, and waiting for people does not count: so each limit is looked at
once a second, by one timer for all runs of an engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context

from actors.spi import Clock, TimerHandle
from teams._runs.state import RunState
from teams.workflows._run.keeper import LOOK, DurableKeeper
from teams.workflows.errors import RunTimeout


class Looks:
    """Calls functions once a second, by one timer, which is the code of no actor. On the loop thread."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._context = Context()
        self._calls: dict[Callable[[], object], None] = {}
        self._timer: TimerHandle | None = None

    def add(self, call: Callable[[], object]) -> None:
        """Calls it from now on, for the first time within a second."""
        self._calls[call] = None
        if self._timer is None:
            self._timer = self._context.run(self.clock.call_at, self.clock.now() + LOOK, self._look)

    def discard(self, call: Callable[[], object]) -> None:
        """Does not call it any more."""
        self._calls.pop(call, None)
        if not self._calls and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._context.run(self.clock.call_at, self.clock.now() + LOOK, self._look)
        for call in list(self._calls):
            call()


class Deadline:
    """Ends a run that has not ended in time, in the task that enters."""

    def __init__(self, record: RunState, keeper: DurableKeeper, looks: Looks) -> None:
        self._record = record
        self._keeper = keeper
        self._looks = looks
        self._task = asyncio.current_task()
        self._timer: TimerHandle | None = None
        self._over = False

    async def __aenter__(self) -> None:
        if self._keeper.left() is not None:
            self._looks.add(self._look)
            self._look()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._looks.discard(self._look)
        if self._timer is not None:
            self._timer.cancel()
        if self._over and isinstance(error, asyncio.CancelledError) and self._record.cancelled is None:
            assert self._task is not None
            self._task.uncancel()
            raise RunTimeout(self._record.id, self._record.partial)

    def _look(self) -> None:
        left = self._keeper.left()
        if left is None or self._over:
            return
        if left <= 0:
            assert self._task is not None
            self._over = True
            self._task.cancel()
        elif left < LOOK and self._timer is None:
            clock = self._looks.clock
            self._timer = clock.call_at(clock.now() + left, self._due)

    def _due(self) -> None:
        self._timer = None
        self._look()
