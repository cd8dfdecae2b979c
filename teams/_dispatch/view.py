"""The public view of a team, for every thread: other code need not read the memory of its coordinator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from actors.spi import ActorRef
from teams._members.target import Can


class SlotView(NamedTuple):
    """One slot, as it was when it last changed."""

    ref: ActorRef[Any] | None
    """Its member; None while it has none."""
    capacity: int
    reserved: int
    """How many pieces of work it has, begun or not."""
    working: int
    """How many of them it has begun."""
    since: float
    """The sum of the times these began, by the runtime's clock in seconds."""


class TeamCapacity(NamedTuple):
    """How much the members of a team do at once, and how much of it is in use."""

    reserved: int
    capacity: int

    @property
    def load(self) -> float:
        """Which part is in use, from 0 to 1. Without capacity: 0."""
        return self.reserved / self.capacity if self.capacity else 0.0

    @property
    def free(self) -> int:
        """How many are free."""
        return self.capacity - self.reserved


class TeamView:
    """The published view of a coordinator: it alone writes here, and every thread may read.

    It needs no lock that the event loop might wait for. Every value is immutable and is replaced as a whole, by one
    operation on one dictionary or attribute; readers look up one value or copy a dictionary. CPython does each of
    these in one step, with and without a GIL.
    """

    def __init__(self, works: Callable[[], tuple[int, int]]) -> None:
        """`works` says how many pieces of work members have begun, and how many wait; in any thread."""
        self.halted: str | None = None
        """Why the kill switch was thrown; None: it was not."""
        self._works = works
        self._slots: dict[str, SlotView] = {}
        self._able: dict[str | Can, int] = {}
        """By target, how many slots that are not leaving belong to it; no entry where there are none."""

    # Read by every thread

    @property
    def works(self) -> tuple[int, int]:
        """How many pieces of work members have begun, and how many wait."""
        return self._works()

    @property
    def slots(self) -> dict[str, SlotView]:
        """A copy of the slots, by id."""
        return self._slots.copy()

    @property
    def targets(self) -> tuple[str | Can, ...]:
        """Every id, role and capability that work may go to."""
        return tuple(self._able.copy())

    @property
    def capacity(self) -> TeamCapacity:
        """The capacity of all slots that have a member, as they are now."""
        slots = [each for each in self.slots.values() if each.ref is not None]
        return TeamCapacity(sum(each.reserved for each in slots), sum(each.capacity for each in slots))

    def knows(self, target: str | Can) -> bool:
        """Whether the team has a member of this id, role or capability."""
        return target in self._able

    # Written by the coordinator

    def come(self, targets: Iterable[str | Can]) -> None:
        """A slot of these targets is new."""
        for target in targets:
            self._able[target] = self._able.get(target, 0) + 1

    def show(self, id: str, slot: SlotView) -> None:
        """A slot is new, or has changed."""
        self._slots[id] = slot

    def leave(self, targets: Iterable[str | Can]) -> None:
        """A slot of these targets gets no new work."""
        for target in targets:
            left = self._able[target] - 1
            if left:
                self._able[target] = left
            else:
                del self._able[target]

    def go(self, id: str, targets: Iterable[str | Can]) -> None:
        """A slot was removed; `targets` are those it belonged to until now."""
        self.leave(targets)
        del self._slots[id]
