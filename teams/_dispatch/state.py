"""The coordinator's book: everything a team has promised to somebody. It outlives crashes and kills of the coordinator.

Nothing here waits, sends or starts anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple

from actors.spi import ActorRef, Reply, TimerHandle
from teams._dispatch.roster import Roster, Slot
from teams._dispatch.view import TeamView
from teams._dispatch.work import Receipt, Report, Work, WorkState
from teams._members.member import Member
from teams._members.target import Can


class PendingRequest(Report):
    """Something a supervisor, or the topics, were asked to do for the team."""

    __slots__ = ("change", "child", "then")

    def __init__(
        self,
        coordinator: ActorRef[Any],
        then: Callable[[Any, PendingRequest], object],
        child: str,
        change: Change | None = None,
    ) -> None:
        super().__init__(coordinator)
        self.then = then
        """What the coordinator does when it is answered: a function of its class, which any incarnation can call."""
        self.child = child
        self.change = change
        """What it is a part of."""

    @property
    def message(self) -> Returned:
        """What the coordinator is told."""
        return Returned(self)


class Returned(NamedTuple):
    """To the coordinator: an errand is done."""

    errand: PendingRequest


class Change:
    """A change of the team under way. It is complete when the last of its errands has come back."""

    __slots__ = ("about", "error", "left", "replies")

    def __init__(self, reply: Reply | None, about: object, left: int = 0) -> None:
        self.about = about
        """What is given back when the team terminates first."""
        self.replies = [reply] if reply is not None else []
        self.left = left
        """Errands that are still to come back."""
        self.error: BaseException | None = None


class Joining(Change):
    """A member comes in."""

    __slots__ = ("member",)

    def __init__(self, reply: Reply | None, member: Member) -> None:
        super().__init__(reply, member, len(member.specs))
        self.member = member


class Leaving(Change):
    """Members leave."""

    __slots__ = ("seats", "sent")

    def __init__(self, reply: Reply | None, seats: Sequence[str]) -> None:
        super().__init__(reply, tuple(seats), len(seats))
        self.seats = tuple(seats)
        self.sent: set[str] = set()
        """Those of them whose end is under way."""


class Switching(Change):
    """The kill switch is thrown, or put back."""

    __slots__ = ("reason",)

    def __init__(self, reply: Reply | None, reason: str | None) -> None:
        super().__init__(reply, reason)
        self.reason = reason
        """Why it is thrown; None: it is put back."""


class CoordinatorState:
    """Who is in the team, what is to be done, who has it and who waits for it."""

    def __init__(self) -> None:
        self.roster: Roster
        self.view = TeamView()
        """What others see of all this."""
        self.works: dict[str, Work] = {}
        self.receipts: dict[Receipt, None] = {}
        """What members have and the roster counts as reserved, wanted or not."""
        self.ended: dict[str, list[str]] = {}
        """Work that has ended, by the run whose end it waits for."""
        self.changes: list[Change] = []
        self.errands: dict[PendingRequest, None] = {}
        self.looks: dict[str, TimerHandle] = {}
        """Members that are being started and are looked for again."""
        self.left: set[str] = set()
        """Members that the team was made with and that left."""
        self.paused = False
        self.halted: str | None = None
        """Why the kill switch was thrown."""
        self.down: list[str] = []
        """The children of the team that were stopped then."""
        self.open = False
        self._arrivals = 0
        self._working = 0
        """How much work has not ended, and members are at it."""
        self._open = 0
        """How much work has not ended."""
        self._waiting: dict[str | Can, list[tuple[float, int, Work]]] = {}

    def throw(self) -> Switching | None:
        """The halt or reset whose turn it is: they are done one after another."""
        return next((change for change in self.changes if isinstance(change, Switching)), None)

    def next_arrival(self) -> int:
        """A number that grows with each piece of work."""
        self._arrivals += 1
        return self._arrivals

    def take(self, work: Work) -> None:
        """Takes new work in."""
        self.works[work.id] = work
        self._open += 1
        self.view.count(self._working, self._open - self._working)

    def move(self, work: Work, state: WorkState) -> None:
        """The work enters another state."""
        self._working += (state == "working") - (work.state == "working")
        self._open -= state == "ended"
        work.state = state
        self.view.count(self._working, self._open - self._working)

    def wait(self, work: Work, ageing: float) -> None:
        """Puts work in line. The longer it has waited, the more its priority counts: one level for every `ageing`
        seconds. That grows alike for all, so the order of two pieces of work never changes while they wait.
        """
        group = self._group(work)
        heappush(self._waiting.setdefault(group, []), (work.entered / ageing - work.priority, work.arrival, work))

    def waiting_for(self, seat: Slot) -> Work | None:
        """Takes the most urgent piece of work that this seat can do out of its line."""
        best: tuple[float, int, Work] | None = None
        for group in seat.groups:
            head = self._head(group, seat)
            if head is not None and (best is None or head[:2] < best[:2]):
                best = head
        if best is None:
            return None
        self._drop(best)
        return best[2]

    def _head(self, group: str | Can, seat: Slot) -> tuple[float, int, Work] | None:
        line = self._waiting.get(group)
        if line is None:
            return None
        aside = []
        found = None
        while line:
            entry = line[0]
            if not self._waits(entry[2], group):
                heappop(line)
            elif may_have(entry[2], seat):
                found = entry
                break
            else:
                aside.append(heappop(line))
        for entry in aside:
            heappush(line, entry)
        if not line:
            del self._waiting[group]
        return found

    def _drop(self, entry: tuple[float, int, Work]) -> None:
        group = self._group(entry[2])
        line = self._waiting[group]
        if line[0] is entry:
            heappop(line)
        else:
            line.remove(entry)
            heapify(line)
        if not line:
            del self._waiting[group]

    @staticmethod
    def _group(work: Work) -> str | Can:
        return work.handoff.to if work.state == "offered" and work.handoff is not None else work.to

    def _waits(self, work: Work, group: str | Can) -> bool:
        return (
            work.receipt is None
            and work.again is None
            and work.state in ("waiting", "offered")
            and self._group(work) == group
        )

    def stranded(self, groups: Iterable[str | Can] | None = None) -> list[Work]:
        """Work that waits for one of these groups, by default for any, of which no member is left that may have it; in
        the order it came.
        """
        found: dict[Work, None] = {}
        for group in list(self._waiting) if groups is None else groups:
            known = self.roster.knows(group)
            for _, _, work in self._waiting.get(group, ()):
                if self._waits(work, group) and not (known and self._left(work, group)):
                    found[work] = None
        return sorted(found, key=lambda work: work.arrival)

    def _left(self, work: Work, group: str | Can) -> bool:
        if work.state == "waiting" and not work.excluded:
            return True
        return any(may_have(work, seat) for seat in self.roster.able(group))

    def all_waiting(self) -> list[Work]:
        """All that is in line, the most urgent first; the lines are empty afterwards."""
        entries = sorted(entry for line in self._waiting.values() for entry in line)
        groups = {id(work): group for group, line in self._waiting.items() for _, _, work in line}
        self._waiting.clear()
        return [work for _, _, work in entries if self._waits(work, groups[id(work)])]

    def of_run(self, run: str) -> list[Work]:
        """All work of a run that has not ended."""
        return [work for work in self.works.values() if work.run == run and work.state != "ended"]

    def forget(self, run: str) -> None:
        """A run has ended: nobody asks for its outcomes any more."""
        for id in self.ended.pop(run, ()):
            self.works.pop(id, None)


def may_have(work: Work, seat: Slot) -> bool:
    """Whether this seat may get the work: not one that declined it, and no handoff back to one that had it."""
    return seat.id not in work.excluded and not (work.state == "offered" and seat.id in work.chain)
