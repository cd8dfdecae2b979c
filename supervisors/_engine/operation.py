"""The operation under way: what a supervisor stops and starts one after another.

There is at most one. A group restart is one (rules 6, 7 and 12), and so are the supervisor's own start, the
children an API call starts, and a change of specs; what arrives meanwhile merges into it. Its phases are
those of a group restart: stop one by one in reverse order, wait until the longest delay of those that failed
is over, start one by one in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import count

from supervisors._engine.child import Child


class Operation:
    """Who is to stop and who is to start. A child leaves by its own flags: `goal` is cleared, `queued` is
    false.
    """

    def __init__(self) -> None:
        self._tie = count()
        self._stop: list[tuple[int, int, Child]] = []
        self._start: list[tuple[int, int, Child]] = []
        self.stopping: Child | None = None
        self.starting: Child | None = None
        self.started: list[Child] = []
        """What the current attempt has brought up: one_for_all stops it again when a start fails (rule 15). Not what a
        request had started meanwhile.
        """
        self.updated: set[Child] = set()
        """What an update starts, and no group restart."""
        self.token: int | None = None
        """The timer of the wait under way."""
        self.delayed = False
        """Some member failed and its delay has not been waited for yet."""
        self.requests: list[tuple[object, object]] = []
        """Requests to answer at the end, each with its value."""

    @property
    def busy(self) -> bool:
        """Whether it waits for a child to stop or to start."""
        return self.stopping is not None or self.starting is not None

    def add(self, stop: Iterable[Child] = (), start: Iterable[Child] = ()) -> None:
        """More members. Those to stop have a goal; those to start are queued."""
        for child in stop:
            if child is self.starting:
                self.starting = None
            heapq.heappush(self._stop, (-child.position, next(self._tie), child))
        for child in start:
            child.queued = True
            heapq.heappush(self._start, (child.position, next(self._tie), child))

    def reorder(self) -> None:
        """The start order has changed: sorts what waits to start by it."""
        self._start = [(child.position, next(self._tie), child) for _, _, child in self._start if child.queued]
        heapq.heapify(self._start)

    def next_to_stop(self) -> Child | None:
        """Takes the last in order of those still to be stopped."""
        while self._stop:
            child = heapq.heappop(self._stop)[2]
            if child.goal is not None and child.live:
                return child
        return None

    def next_to_start(self) -> Child | None:
        """Takes the first in order of those still to be started."""
        while self._start:
            child = heapq.heappop(self._start)[2]
            if child.queued:
                return child
        return None

    def next_before_the_wait(self) -> Child | None:
        """Takes the first in order of those to be started, if the first that no request asks for is one that an update
        starts and has no delay to wait for.
        """
        unasked = [child for child in self.to_start() if child.starter is None]
        first = min(unasked, key=lambda child: child.position, default=None)
        return self.next_to_start() if first in self.updated and first.due is None else None

    def to_start(self) -> list[Child]:
        """Those still to be started. Each once: one that was started out of turn and queued again has two entries."""
        return list(dict.fromkeys(child for _, _, child in self._start if child.queued))

    def until(self) -> float | None:
        """When the longest delay of the failed members is over (rule 12); None when none has to be waited
        for.
        """
        if not self.delayed:
            return None
        dues = [child.due for child in self.to_start() if child.due is not None]
        self.delayed = bool(dues)
        return max(dues, default=None)
