"""The operation under way: the children that a supervisor stops and starts one after another.

There is at most one. A group restart is an operation (rules 6, 7 and 12), and so are the supervisor's own start, the
start of children by an API call, and a change of specs. Later causes merge into it. Its phases: stop one by one in
reverse order, wait until the longest delay of the failed members is over, start one by one in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count

from supervisors._engine.children import Child


class Operation:
    """The children that will stop and those that will start. A child leaves by its own flags: `goal` is cleared,
    `queued` is false.
    """

    def __init__(self) -> None:
        self._tie = count()
        self._stop: list[tuple[int, int, Child]] = []
        self._start: list[tuple[int, int, Child]] = []
        self.stopping: Child | None = None
        self.starting: Child | None = None
        self.started: list[Child] = []
        """The children that the current attempt has started, without those that a request asked for. Under one_for_all
        they stop again when a start fails (rule 15).
        """
        self.updated: set[Child] = set()
        """The children that an update starts and no group restart."""
        self.token: int | None = None
        """The timer of the wait under way."""
        self.delayed = False
        """A member failed and the operation has not waited for its delay yet."""
        self.requests: list[tuple[object, object]] = []
        """Requests to answer at the end, each with its value."""

    @property
    def busy(self) -> bool:
        """Whether it waits for a child to stop or to start."""
        return self.stopping is not None or self.starting is not None

    def add(self, stop: Iterable[Child] = (), start: Iterable[Child] = ()) -> None:
        """Adds members. Those to stop have a goal; those to start are queued."""
        for child in stop:
            if child is self.starting:
                self.starting = None
            heapq.heappush(self._stop, (-child.position, next(self._tie), child))
        for child in start:
            child.queued = True
            heapq.heappush(self._start, (child.position, next(self._tie), child))

    def reorder(self) -> None:
        """Sorts the queued starts by the new start order."""
        self._start = [(child.position, next(self._tie), child) for _, _, child in self._start if child.queued]
        heapq.heapify(self._start)

    def next_to_stop(self) -> Child | None:
        """Pops the child to stop next: the last in order."""
        while self._stop:
            child = heapq.heappop(self._stop)[2]
            if child.goal is not None and child.live:
                return child
        return None

    def next_to_start(self) -> Child | None:
        """Pops the child to start next: the first in order."""
        while self._start:
            child = heapq.heappop(self._start)[2]
            if child.queued:
                return child
        return None

    def next_before_the_wait(self) -> Child | None:
        """Pops the child to start next, but only if the first child not started by a request was added by an update and
        has no delay.
        """
        unasked = [child for child in self.to_start() if child.starter is None]
        first = min(unasked, key=lambda child: child.position, default=None)
        return self.next_to_start() if first in self.updated and first.due is None else None

    def to_start(self) -> list[Child]:
        """The children that will start, each once: a child that was queued again has two entries."""
        return list(dict.fromkeys(child for _, _, child in self._start if child.queued))

    def until(self) -> float | None:
        """When the longest delay of the failed members is over (rule 12); None without a delay."""
        if not self.delayed:
            return None
        dues = [child.due for child in self.to_start() if child.due is not None]
        self.delayed = bool(dues)
        return max(dues, default=None)

    def show_due(self) -> None:
        """Shows the common due time at each failed member as soon as it is known (rule 13)."""
        until = self.until()
        if until is not None:
            for child in self.to_start():
                if child.due is not None:
                    child.until = until

    def leave(self, child: Child) -> None:
        """The edge has reported this child: the operation does not wait for it any more."""
        if self.stopping is child:
            self.stopping = None
        if self.starting is child:
            self.starting = None
