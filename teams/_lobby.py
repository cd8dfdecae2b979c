"""Whoever wants something of a team that is being started again: its coordinator and its runs are there only while it
is up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from teams._actors import ActorRef, Cell, ExitReason, Started, Subscription, TimerHandle


@dataclass(eq=False, slots=True)
class Guest:
    """Somebody who waits for a part of a team, and what is called in the end: one of the three, once."""

    there: Callable[[ActorRef[Any]], object]
    gone: Callable[[ExitReason], object]
    late: Callable[[], object] | None = None
    timer: TimerHandle | None = None


def meet(team: ActorRef[Any], part: str, guest: Guest, until: float | None = None) -> None:
    """Calls `guest.there` with a part of the team: at once in this thread if there is one, or, while the team is being
    started again, as soon as that part is up. `guest.gone` if the team is gone for good first, and `guest.late` when it
    is `until`, by the clock of the runtime; these, and what is called later, on the loop thread.
    """
    cell = team._cell
    found = cell.runtime.find(f"{team.path}/{part}")
    if found is not None:
        guest.there(found)
    elif cell.closed:
        guest.gone(cell.reason)
    else:
        cell.runtime.control_call(_enter, cell, part, guest, until)


def _enter(cell: Cell, part: str, guest: Guest, until: float | None) -> None:
    found = cell.runtime.find(f"{cell.path}/{part}")
    if found is not None:
        guest.there(found)
    elif cell.closed:
        guest.gone(cell.reason)
    else:
        if cell.kept is None:
            cell.kept = {}
        if Lobby not in cell.kept:
            cell.kept[Lobby] = Lobby(cell)
        cell.kept[Lobby].admit(f"{cell.path}/{part}", guest, until)


class Lobby:
    """The guests of one team. It listens only while there are any. On the loop thread."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._guests: dict[str, dict[Guest, None]] = {}
        """By the path of what they wait for, in the order they came."""
        self._subscription: Subscription | None = None
        cell.runtime.when_closed(cell, self._closed)

    def admit(self, path: str, guest: Guest, until: float | None) -> None:
        """One more waits."""
        runtime = self._cell.runtime
        if self._subscription is None:
            self._subscription = runtime.events.subscribe(self._heard, Started)
        self._guests.setdefault(path, {})[guest] = None
        if until is not None:
            guest.timer = runtime.clock.call_at(until, partial(self._too_late, path, guest))

    def _heard(self, event: Started) -> None:
        found = self._cell.runtime.find(event.path) if event.path in self._guests else None
        if found is not None:
            for guest in self._let_go(event.path):
                guest.there(found)

    def _closed(self, reason: ExitReason) -> None:
        for path in list(self._guests):
            for guest in self._let_go(path):
                guest.gone(reason)

    def _too_late(self, path: str, guest: Guest) -> None:
        del self._guests[path][guest]
        if not self._guests[path]:
            self._let_go(path)
        if guest.late is not None:
            guest.late()

    def _let_go(self, path: str) -> Iterable[Guest]:
        guests = self._guests.pop(path)
        for guest in guests:
            if guest.timer is not None:
                guest.timer.cancel()
        if not self._guests and self._subscription is not None:
            self._subscription.cancel()
            self._subscription = None
        return guests
