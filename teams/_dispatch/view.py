"""What a team shows of itself to every thread, so that others need not read the memory of its coordinator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from actors.spi import ActorRef
from teams._members.target import Can


class SeatView(NamedTuple):
    """One seat, as it was when it last changed."""

    ref: ActorRef[Any] | None
    """Its member; None while it has none."""
    capacity: int
    reserved: int
    """How many pieces of work it has, begun or not."""
    working: int
    """How many of them it has begun."""
    since: float
    """The sum of the times these began, by the runtime's clock in seconds."""


class TeamView:
    """The published view of a coordinator: it alone writes here, and every thread may read.

    There is no lock that the event loop would have to wait for. Every value is immutable and is replaced as a whole, by
    one operation on one dictionary or attribute; readers look up one value or copy a dictionary. CPython does each of
    these in one step, with and without a GIL.
    """

    def __init__(self) -> None:
        self._seats: dict[str, SeatView] = {}
        self._able: dict[str | Can, int] = {}
        """How many seats that are not leaving can do what is addressed so; no entry where there is none."""
        self._halted: str | None = None
        self._works = (0, 0)

    # Read by every thread

    @property
    def halted(self) -> str | None:
        """Why the kill switch was thrown; None: it was not."""
        return self._halted

    @property
    def works(self) -> tuple[int, int]:
        """How many pieces of work members are at, and how many wait."""
        return self._works

    @property
    def seats(self) -> dict[str, SeatView]:
        """A copy of the seats, by id."""
        return self._seats.copy()

    def knows(self, whom: str | Can) -> bool:
        """Whether there is a member that can do what is addressed so."""
        return whom in self._able

    # Written by the coordinator

    def come(self, id: str, groups: Iterable[str | Can], seat: SeatView) -> None:
        """A seat is new."""
        self._seats[id] = seat
        for group in groups:
            self._able[group] = self._able.get(group, 0) + 1

    def show(self, id: str, seat: SeatView) -> None:
        """A seat has changed."""
        self._seats[id] = seat

    def leave(self, groups: Iterable[str | Can]) -> None:
        """A seat of these groups gets no new work."""
        for group in groups:
            left = self._able[group] - 1
            if left:
                self._able[group] = left
            else:
                del self._able[group]

    def go(self, id: str, groups: Iterable[str | Can]) -> None:
        """A seat is not there any more; `groups` are those it was able for until now."""
        self.leave(groups)
        del self._seats[id]

    def halt(self, reason: str | None) -> None:
        """The kill switch was thrown, or put back."""
        self._halted = reason

    def count(self, working: int, waiting: int) -> None:
        """What becomes of work."""
        self._works = (working, waiting)
