"""The parts of a team as it comes and goes: its coordinator and its runs are there only while it is up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from teams._actors import ActorRef, ExitReason, Started


class Awaited:
    """A part of a team that somebody wants to reach, and what becomes of that: one of three calls, once."""

    def __init__(
        self,
        team: ActorRef[Any],
        part: str,
        there: Callable[[ActorRef[Any]], object],
        gone: Callable[[ExitReason], object],
        until: float | None = None,
        late: Callable[[], object] | None = None,
    ) -> None:
        """`there` is called when there is such a part: at once in this thread, or, while the team is being started
        again, as soon as it is up. `gone` when the team is gone for good first, and `late` when it is `until`, by the
        clock of the runtime. The latter three on the loop thread.
        """
        self._cell = team._cell
        self._runtime = self._cell.runtime
        self._path = f"{team.path}/{part}"
        self._there, self._gone, self._until, self._late = there, gone, until, late
        self._over = False
        found = self._runtime.find(self._path)
        if found is not None:
            there(found)
        elif self._cell.closed:
            gone(self._cell.reason)
        else:
            self._runtime.control_call(self._wait)

    def _wait(self) -> None:
        runtime = self._runtime
        self._subscription = runtime.events.subscribe(self._heard, Started)
        self._timer = None if self._until is None else runtime.clock.call_at(self._until, self._too_late)
        runtime.when_closed(self._cell, self._ended)
        if not self._over:
            self._look()

    def _heard(self, event: Started) -> None:
        if event.path == self._path:
            self._look()

    def _look(self) -> None:
        found = self._runtime.find(self._path)
        if found is not None and self._settle():
            self._there(found)

    def _ended(self, reason: ExitReason) -> None:
        if self._settle():
            self._gone(reason)

    def _too_late(self) -> None:
        if self._settle() and self._late is not None:
            self._late()

    def _settle(self) -> bool:
        """Whether this is the first that happens."""
        first, self._over = not self._over, True
        self._subscription.cancel()
        if self._timer is not None:
            self._timer.cancel()
        return first
