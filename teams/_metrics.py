"""The metrics sink of teams: their events, and what their coordinators know, as Prometheus metrics.

| what the documents name | metric, with `letitcrash_team_` before it |
|---|---|
| utilisation | `busy_seconds_total` by member, over `capacity` |
| waiting time | `waiting_seconds` (histogram) |
| throughput, failure rate | `work_total` by outcome, `runs_total` by outcome |
| response time | `work_seconds` (histogram) |
| time to recover | `recovery_seconds` (histogram): from the end of an incarnation to the start of the next |
| message latency | `event_latency_seconds` (histogram): from publishing to the end of the handler, less its time |
| deadlock frequency | `deadlocks_total` |
| resource contention | `resource_waits_total` |
| conflict rate | `conflicts_total` by kind |
| all else | `events_total` by the name of the event |

Counters and histograms only grow, and begin when the sink is made; a rate is the difference of two scrapes. Nothing is
sampled: what an event tells is counted when it happens, what a coordinator shows (`_dispatch.view`) is read at each
scrape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from prometheus_client import CollectorRegistry

from actors.spi import (
    NAME,
    Crashed,
    DeadlockError,
    Descriptions,
    EventMetrics,
    Exited,
    Labels,
    LifecycleEvent,
    MessageHandled,
    Runtime,
    Started,
)
from teams._dispatch.coordinator import Coordinator
from teams._dispatch.view import TeamView
from teams._team_ref import TeamRef
from teams.errors import RunCancelled
from teams.events import (
    HandedOff,
    HandoffReturned,
    MemberLeft,
    MemberLost,
    RunEnded,
    TeamEvent,
    WorkBegan,
    WorkEnded,
    WorkGivenUp,
    WorkRetried,
)
from teams.protocols.events import ConflictResolved
from teams.resilience.events import ResourcesGranted


@dataclass(frozen=True, slots=True)
class Health:
    """How a team does. Work is counted since the sink was made."""

    done: int
    """Pieces of work with a result."""
    failed: int
    """Pieces of work that ended without a result."""
    active: int
    """Pieces of work that a member has begun."""
    waiting: int
    """Pieces of work that wait for a member to be free."""
    members: int
    """Slots whose member runs now."""
    slots: int
    """All slots."""
    average_response_time: float | None
    """Seconds from giving work to the team to its end; None: no work has ended yet."""

    @property
    def success_rate(self) -> float | None:
        """The part of the ended work that has a result, 0 to 1; None: no work has ended yet."""
        ended = self.done + self.failed
        return self.done / ended if ended else None


class TeamMetrics(EventMetrics):
    """A Prometheus collector for all teams of one runtime, in the registry it is given; the global registry is never
    touched.

    A team is labelled with its path, a member with the id of its slot. `events=True` also measures the latency of
    events on topics, which makes the runtime publish an event for every message that is handled.
    """

    COUNTERS: ClassVar[Descriptions] = {
        "work": ("Pieces of work that ended, by outcome: done or failed.", ("team", "member", "outcome")),
        "retries": ("Pieces of work that were tried again after a crash.", ("team", "member")),
        "handoffs": ("Handoffs, by outcome: taken or returned.", ("team", "outcome")),
        "runs": ("Runs of patterns that ended, by outcome: done, failed or cancelled.", ("team", "outcome")),
        "deadlocks": ("Members that crashed because their call would have closed a circle.", ("team", "member")),
        "resource_waits": ("Grants of resources that had to wait.", ("resources",)),
        "conflicts": ("Conflicts of members that were resolved, by kind.", ("kind",)),
        "events": ("Events of teams, by name.", ("event",)),
    }
    HISTOGRAMS: ClassVar[Descriptions] = {
        "waiting_seconds": ("From giving work to the team to its first beginning, in seconds.", ("team",)),
        "work_seconds": ("From giving work to the team to its end, in seconds.", ("team",)),
        "recovery_seconds": ("From the unexpected end of a member to its next incarnation, in seconds.", ("team",)),
        "event_latency_seconds": ("From publishing an event to a handler beginning with it, in seconds.", ("member",)),
    }
    SCRAPED_COUNTERS: ClassVar[Descriptions] = {
        "busy_seconds": ("Time members spent in their work, waiting included, in seconds.", ("team", "member")),
    }
    SCRAPED_GAUGES: ClassVar[Descriptions] = {
        "capacity": ("Pieces of work a member may have at once.", ("team", "member")),
        "capacity_reserved": ("Pieces of work that a member has now.", ("team", "member")),
    }
    BUCKETS = (0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
    """From a function that answers at once to an agent that thinks."""

    def __init__(
        self, runtime: Runtime, registry: CollectorRegistry, *, namespace: str = NAME, events: bool = False
    ) -> None:
        """Registers with `registry` and begins to count.

        Raises:
            ValueError: the registry has metrics of this namespace already
        """
        self._down: dict[str, float] = {}
        """When members ended that have not started again, by path."""
        kinds = (TeamEvent, Exited, Started, *((MessageHandled,) if events else ()))
        super().__init__(runtime, registry, f"{namespace}_team", kinds)

    # What events tell

    def count(self, event: LifecycleEvent) -> None:
        if isinstance(event, TeamEvent):
            self.add("events", event.name)
            self._count_team(event)
        else:
            self._count_member(event)

    def _count_team(self, event: TeamEvent) -> None:
        team = event.path
        match event:
            case WorkBegan(waited=waited, attempt=1):
                self.observe("waiting_seconds", team, waited)
            case WorkEnded(member=member, seconds=seconds):
                outcome = "failed" if isinstance(event, WorkGivenUp) else "done"
                self.add("work", team, member or "", outcome)
                self.observe("work_seconds", team, seconds)
            case WorkRetried(member=member):
                self.add("retries", team, member)
            case HandedOff():
                self.add("handoffs", team, "taken")
            case HandoffReturned():
                self.add("handoffs", team, "returned")
            case RunEnded(error=error):
                outcome = "done" if error is None else "cancelled" if isinstance(error, RunCancelled) else "failed"
                self.add("runs", team.rpartition("/runs/")[0] or team.rpartition("/")[0], outcome)
            case MemberLost(member=member) | MemberLeft(member=member):
                self._down.pop(f"{team}/members/{member}", None)
            case ConflictResolved(kind=kind):
                self.add("conflicts", kind)
            case ResourcesGranted(waited=waited) if waited > 0:
                self.add("resource_waits", team)
            case _:
                pass

    def _count_member(self, event: LifecycleEvent) -> None:
        if isinstance(event, MessageHandled):
            published = getattr(event.message, "at", None)
            if isinstance(published, float):
                self.observe("event_latency_seconds", event.path, max(0.0, event.at - event.seconds - published))
            return
        team, _, member = event.path.rpartition("/members/")
        if not team or not self._is_team(team):
            return
        if isinstance(event, Exited) and not event.reason.expected:
            self._down[event.path] = event.at
            if isinstance(event.reason, Crashed) and isinstance(event.reason.exception, DeadlockError):
                self.add("deadlocks", team, member)
        elif isinstance(event, Started):
            since = self._down.pop(event.path, None)
            if since is not None:
                self.observe("recovery_seconds", team, event.at - since)

    def _is_team(self, path: str) -> bool:
        found = self._runtime.find(f"{path}/coordinator")
        return found is not None and found.actor_class is Coordinator

    # What coordinators know

    def health(self, team: TeamRef | str) -> Health:
        """How the team does, by its ref or path. Of a team that has terminated, only what was counted is left."""
        path = team if isinstance(team, str) else team.path
        view = self._views().get(path)
        done, failed = (int(self.counted("work", team=path, outcome=outcome)) for outcome in ("done", "failed"))
        average = self.spent("work_seconds", team=path) / (done + failed) if done + failed else None
        active, waiting = view.works if view is not None else (0, 0)
        slots = view.slots.values() if view is not None else ()
        running = sum(slot.ref is not None and slot.ref.is_alive() for slot in slots)
        return Health(done, failed, active, waiting, running, len(slots), average)

    def _views(self) -> dict[str, TeamView]:
        """The public view of each team, by its path."""
        found: dict[str, TeamView] = {}
        for path, cell in self._runtime.cells.copy().items():
            view = cell.ref.view()
            if isinstance(view, TeamView):
                found[path.rpartition("/")[0]] = view
        return found

    def scrape(self) -> dict[str, dict[Labels, float]]:
        capacity: dict[Labels, float] = {}
        reserved: dict[Labels, float] = {}
        busy: dict[Labels, float] = {}
        now = self._runtime.now()
        for team, view in self._views().items():
            for id, slot in view.slots.items():
                labels = (team, id)
                capacity[labels], reserved[labels] = slot.capacity, slot.reserved
                spent = slot.ref.statistics().seconds if slot.ref is not None else 0.0
                busy[labels] = spent + slot.working * now - slot.since
        return {
            "busy_seconds": self.never_less("busy_seconds", busy),
            "capacity": capacity,
            "capacity_reserved": reserved,
        }
