"""The promises of a dispatcher: the work under way, its owners, and the queues of waiting work.

It outlives crashes and kills of the coordinator. Nothing here waits, sends or starts anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from teams._dispatch.roster import Roster, Slot
from teams._dispatch.view import TeamView
from teams._dispatch.work import Reservation, Work, WorkState
from teams._members.target import Can

QueuedWork = tuple[float, int, Work]
"""One piece of work that waits: the most urgent has the least value, and of these the one that came first."""


class DispatchState:
    """The roster, the work, and the queue of work for each target."""

    def __init__(self) -> None:
        self.roster: Roster
        self.view = TeamView(self._count)
        """The public view of the state."""
        self.works: dict[str, Work] = {}
        self.reservations: dict[Reservation, None] = {}
        """The work that members have and the roster counts as reserved, wanted or not."""
        self.runs: dict[str, dict[str, Work]] = {}
        """Those of each run that has not ended, by the same ids."""
        self.paused = False
        self.halted: str | None = None
        """Why the kill switch was thrown."""
        self.queues: dict[str | Can, list[QueuedWork]] = {}
        """The work that waits, a heap for each target."""
        self._arrivals = 0
        self._working = 0
        """How much work has not ended and is with a member."""
        self._open = 0
        """How much work has not ended."""

    def _count(self) -> tuple[int, int]:
        """How many pieces of work members have begun, and how many wait. In any thread: one that comes between the two
        numbers is a moment late.
        """
        working = self._working
        return working, max(0, self._open - working)

    def next_arrival(self) -> int:
        """A number that grows with each piece of work."""
        self._arrivals += 1
        return self._arrivals

    def take(self, work: Work) -> None:
        """Takes new work in."""
        self.works[work.id] = work
        if work.run is not None:
            self.runs.setdefault(work.run, {})[work.id] = work
        self._open += 1

    def move(self, work: Work, state: WorkState) -> None:
        """The work enters another state."""
        self._working += (state == "working") - (work.state == "working")
        self._open -= state == "ended"
        work.state = state

    def wait(self, work: Work, ageing: float) -> None:
        """Queues work. The longer it has waited, the more its priority counts: one level for every `ageing`
        seconds. That grows alike for all, so the order of two pieces of work never changes while they wait.
        """
        urgency = work.entered / ageing - work.priority
        heappush(self.queues.setdefault(work.target, []), (urgency, work.arrival, work))

    def next_for(self, slot: Slot) -> Work | None:
        """Takes the most urgent piece of work that this slot can do out of its queue."""
        best: QueuedWork | None = None
        for target in slot.targets:
            head = self._head(target, slot)
            if head is not None and (best is None or head[:2] < best[:2]):
                best = head
        if best is None:
            return None
        self._drop(best)
        return best[2]

    def _head(self, target: str | Can, slot: Slot) -> QueuedWork | None:
        queue = self.queues.get(target)
        if queue is None:
            return None
        aside = []
        found = None
        while queue:
            entry = queue[0]
            work = entry[2]
            if not (work.waits and work.target == target):
                heappop(queue)
            elif slot.id not in work.barred:
                found = entry
                break
            else:
                aside.append(heappop(queue))
        for entry in aside:
            heappush(queue, entry)
        if not queue:
            del self.queues[target]
        return found

    def _drop(self, entry: QueuedWork) -> None:
        target = entry[2].target
        queue = self.queues[target]
        if queue[0] is entry:
            heappop(queue)
        else:
            queue.remove(entry)
            heapify(queue)
        if not queue:
            del self.queues[target]

    def stranded(self, targets: Iterable[str | Can] | None = None) -> list[Work]:
        """Work that waits for one of these targets, by default for any, and that no member may have; in the order it
        came.
        """
        found: dict[Work, None] = {}
        for target in list(self.queues) if targets is None else targets:
            known = self.roster.knows(target)
            for _, _, work in self.queues.get(target, ()):
                if work.waits and work.target == target and not (known and self.may_be_done(work)):
                    found[work] = None
        return sorted(found, key=lambda work: work.arrival)

    def may_be_done(self, work: Work) -> bool:
        """Whether a member of its target may have it."""
        barred = work.barred
        return any(slot.id not in barred for slot in self.roster.able(work.target))

    def take_all(self) -> list[Work]:
        """Takes all that waits, the most urgent first."""
        entries = sorted(
            entry
            for target, queue in self.queues.items()
            for entry in queue
            if entry[2].waits and entry[2].target == target
        )
        self.queues.clear()
        return [work for _, _, work in entries]

    def of_run(self, run: str) -> list[Work]:
        """All work of a run that has not ended."""
        return [work for work in self.runs.get(run, {}).values() if work.state != "ended"]

    def forget(self, work: Work) -> None:
        """The outcome of the work is not asked for any more."""
        self.works.pop(work.id, None)
        if work.run is not None and (same := self.runs.get(work.run)) is not None:
            same.pop(work.id, None)

    def forget_run(self, run: str) -> None:
        """A run has ended: the outcomes of its work are not asked for any more."""
        for id in self.runs.pop(run, ()):
            self.works.pop(id, None)
