"""The children of one supervisor in start order, with counts that are updated on every change.

No operation on one child looks at the others: a dynamic supervisor may have 100,000.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from supervisors._engine.budget import UpClock
from supervisors._engine.child import ALIVE, DOWN, Child, ChildCounts, ChildState, window_of
from supervisors._specs.spec import Spec


class Children:
    """Children by id, in start order."""

    def __init__(self, numbers: Mapping[str, int] | None = None) -> None:
        """`numbers` has the last incarnation by id, from an earlier life of the supervisor: the next one continues."""
        self._numbers = numbers or {}
        self.by_id: dict[str, Child] = {}
        self._states: Counter[ChildState] = Counter()
        self._supervisors = 0
        self._significant: set[str] = set()
        self._next_position = 0
        self._retired = 0
        self._order: list[Child] | None = None
        """The start order as a list, made when first needed. The order of `by_id` is the same."""

    def __len__(self) -> int:
        return len(self.by_id)

    def __iter__(self) -> Iterator[Child]:
        return iter(self.by_id.values())

    def order(self) -> Sequence[Child]:
        """The start order. Do not change the list; it is stale after the next change of the children."""
        if self._order is None:
            self._order = list(self.by_id.values())
        return self._order

    def place(self, child: Child) -> int:
        """The index of the child in the start order, in logarithmic time."""
        return bisect_left(self.order(), child.position, key=attrgetter("position"))

    def get(self, id: object) -> Child | None:
        """The child with this id, or None (also for an id that is not a string)."""
        return self.by_id.get(id) if isinstance(id, str) else None

    def add(self, id: str, spec: Spec, now: float, *, fresh_id: bool = False) -> Child:
        """A new child at the end of the order, not started yet.

        Its incarnations are numbered from 1, or from above those of every removed child, because an id may be used
        again: a late notice of the old child must not be taken for one of the new. `fresh_id`: the id was never used.
        """
        number = 0 if fresh_id else max(self._retired, self._numbers.get(id, 0))
        own = spec.own_restarts
        child = Child(id, spec, self._position(), UpClock(now), own, window_of(own), number, spec)
        self.by_id[id] = child
        if self._order is not None:
            self._order.append(child)
        self._count(child, +1)
        return child

    def remove(self, child: Child, now: float, *, fresh_id: bool = False) -> None:
        """Forgets the child. Its entries in the window age by the clock from now on (rule 8)."""
        self._count(child, -1)
        if self._order is not None:
            del self._order[self.place(child)]
        del self.by_id[child.id]
        child.clock.resume(now)
        if not fresh_id:
            self._retired = max(self._retired, child.incarnation)

    def enter(self, child: Child, state: ChildState, now: float) -> None:
        """Changes the visible state of a child, and starts or stops its clock (rule 8). A child that is told to stop
        during its start was not up.
        """
        self._states[child.state] -= 1
        self._states[state] += 1
        child.state = state
        if state in DOWN or (state is ChildState.STOPPING and child.up_since is None):
            child.clock.pause(now)
        else:
            child.clock.resume(now)
        if child.spec.significant:
            self._watch(child)

    def adopt(self, child: Child, spec: Spec) -> None:
        """Gives a child another spec with the same id. A changed budget of its own starts empty."""
        self._count(child, -1)
        own = spec.own_restarts
        if own != child.own_budget:
            child.own_budget, child.window, child.stalled = own, window_of(own), 0
        child.spec = spec
        self._count(child, +1)

    def reorder(self, ids: Iterable[str]) -> None:
        """Sets the start order. Children that are not named are being removed, and come before the others."""
        named = [self.by_id[id] for id in ids]
        staying = set(named)
        leaving = {child.id: child for child in self if child not in staying}
        for child in named:
            child.position = self._position()
        self.by_id = leaving | {child.id: child for child in named}
        self._order = None

    def significant_alive(self) -> int:
        """The number of significant children that run or will run again (rule 21)."""
        return len(self._significant)

    def counts(self) -> ChildCounts:
        """The children counted."""
        return ChildCounts(
            specs=len(self),
            active=self._states[ChildState.RUNNING],
            supervisors=self._supervisors,
            workers=len(self) - self._supervisors,
            states={state: self._states[state] for state in ChildState},
        )

    def _position(self) -> int:
        self._next_position += 1
        return self._next_position

    def _count(self, child: Child, step: int) -> None:
        self._states[child.state] += step
        self._supervisors += step * child.spec.is_supervisor
        if child.spec.significant and step > 0:
            self._watch(child)
        else:
            self._significant.discard(child.id)

    def _watch(self, child: Child) -> None:
        if child.state in ALIVE:
            self._significant.add(child.id)
        else:
            self._significant.discard(child.id)
