"""The metrics sink of teams: their events, and what their coordinators know, as Prometheus metrics.

| what the documents name | metric, with `letitcrash_team_` before it |
|---|---|
| utilisation | `busy_seconds_total` by member, over `seats` |
| waiting time | `waiting_seconds` (histogram) |
| throughput, failure rate | `work_total` by outcome, `runs_total` by outcome |
| response time | `work_seconds` (histogram) |
| time to recover | `recovery_seconds` (histogram): from the end of an incarnation to the start of the next |
| message latency | `event_latency_seconds` (histogram): from publishing to the end of the handler, less its time |
| deadlock frequency | `deadlocks_total` |
| resource contention | `resource_waits_total` |
| conflict rate | `conflicts_total` by kind |
| all else | `events_total` by the name of the event |

Counters and histograms only grow, and begin when the sink is made; who wants a rate subtracts. Nothing is sampled: what
an event tells is counted when it happens, what a coordinator shows (`_dispatch.view`) is read at each scrape.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.spi import NAME, Crashed, DeadlockError, Exited, LifecycleEvent, MessageHandled, Runtime, Started
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

BUCKETS = (0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the histograms, in seconds: from a function that answers at once to an agent that thinks."""

_COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "work": ("Pieces of work that ended, by outcome: done or failed.", ("team", "member", "outcome")),
    "retries": ("Pieces of work that were tried again after a crash.", ("team", "member")),
    "handoffs": ("Handoffs, by outcome: taken or returned.", ("team", "outcome")),
    "runs": ("Runs of patterns that ended, by outcome: done, failed or cancelled.", ("team", "outcome")),
    "deadlocks": ("Members that crashed because their call would have closed a circle.", ("team", "member")),
    "resource_waits": ("Grants of resources that had to wait.", ("resources",)),
    "conflicts": ("Conflicts of members that were resolved, by kind.", ("kind",)),
    "events": ("Events of teams, by name.", ("event",)),
}
_HISTOGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "waiting_seconds": ("From giving work to the team to its first beginning, in seconds.", ("team",)),
    "work_seconds": ("From giving work to the team to its end, in seconds.", ("team",)),
    "recovery_seconds": ("From the unexpected end of a member to its next incarnation, in seconds.", ("team",)),
    "event_latency_seconds": ("From publishing an event to a handler beginning with it, in seconds.", ("member",)),
}

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """How a team does. Counted since the sink was made."""

    done: int
    """Pieces of work with a result."""
    failed: int
    """Pieces of work that ended without."""
    active: int
    """Those that somebody works on now."""
    waiting: int
    """Those that wait for somebody to be free."""
    members: int
    """Seats whose member runs now."""
    seats: int
    """Seats there are."""
    average_response_time: float | None
    """Seconds from giving work to the team to its end; None: nothing has ended yet."""

    @property
    def success_rate(self) -> float | None:
        """The part of the work that has ended well, from 0 to 1; None: nothing has ended yet."""
        ended = self.done + self.failed
        return self.done / ended if ended else None


@dataclass(slots=True)
class _Histogram:
    """Counts by bucket, and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        bounds, so_far = [*map(str, BUCKETS), "+Inf"], 0
        found: list[tuple[str, float]] = []
        for bound, count in zip(bounds, self.counts, strict=True):
            so_far += count
            found.append((bound, so_far))
        return found


class TeamMetrics(Collector):
    """A Prometheus collector for all teams of one runtime, in the registry it is given; the global registry is never
    touched.

    A team is labelled with its path, a member with the id of its seat. `events=True` also measures the latency of
    events on topics, which makes the runtime publish an event for every message that is handled.
    """

    def __init__(
        self,
        runtime: Runtime,
        registry: CollectorRegistry,
        *,
        namespace: str = NAME,
        events: bool = False,
    ) -> None:
        """Registers with `registry` and begins to count.

        Raises:
            ValueError: the registry has metrics of this namespace already
        """
        self._runtime = runtime
        self._registry = registry
        self._prefix = f"{namespace}_team"
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Labels]] = {name: Counter() for name in _COUNTERS}
        self._histograms: dict[str, dict[Labels, _Histogram]] = {name: {} for name in _HISTOGRAMS}
        self._down: dict[str, float] = {}
        """Since when members are between two incarnations, by path."""
        self._busy: dict[Labels, float] = {}
        """The most that was ever told of each member: a counter must not fall."""
        registry.register(self)
        kinds = (TeamEvent, Exited, Started, *((MessageHandled,) if events else ()))
        self._subscription = runtime.events.subscribe(self._count, *kinds)
        self._closed = False

    def close(self) -> None:
        """Counts nothing more and takes every series out of the registry. May be called twice."""
        if not self._closed:
            self._closed = True
            self._subscription.cancel()
            self._registry.unregister(self)

    def __enter__(self) -> TeamMetrics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What events tell

    def _count(self, event: LifecycleEvent) -> None:
        with self._lock:
            if isinstance(event, TeamEvent):
                self._counts["events"][(event.name,)] += 1
                self._count_team(event)
            else:
                self._count_member(event)

    def _count_team(self, event: TeamEvent) -> None:
        counts, team = self._counts, event.path
        match event:
            case WorkBegan(waited=waited, attempt=1):
                self._measure("waiting_seconds", team, waited)
            case WorkEnded(member=member, seconds=seconds):
                outcome = "failed" if isinstance(event, WorkGivenUp) else "done"
                counts["work"][team, member or "", outcome] += 1
                self._measure("work_seconds", team, seconds)
            case WorkRetried(member=member):
                counts["retries"][team, member] += 1
            case HandedOff():
                counts["handoffs"][team, "taken"] += 1
            case HandoffReturned():
                counts["handoffs"][team, "returned"] += 1
            case RunEnded(error=error):
                outcome = "done" if error is None else "cancelled" if isinstance(error, RunCancelled) else "failed"
                team = team.rpartition("/runs/")[0] or team.rpartition("/")[0]
                counts["runs"][team, outcome] += 1
            case MemberLost(member=member) | MemberLeft(member=member):
                self._down.pop(f"{team}/members/{member}", None)
            case ConflictResolved(kind=kind):
                counts["conflicts"][(kind,)] += 1
            case ResourcesGranted(waited=waited) if waited > 0:
                counts["resource_waits"][(event.path,)] += 1
            case _:
                pass

    def _count_member(self, event: LifecycleEvent) -> None:
        if isinstance(event, MessageHandled):
            published = getattr(event.message, "at", None)
            if isinstance(published, float):
                self._measure("event_latency_seconds", event.path, max(0.0, event.at - event.seconds - published))
            return
        team, _, member = event.path.rpartition("/members/")
        if not team or not self._is_team(team):
            return
        if isinstance(event, Exited) and not event.reason.expected:
            self._down[event.path] = event.at
            if isinstance(event.reason, Crashed) and isinstance(event.reason.exception, DeadlockError):
                self._counts["deadlocks"][team, member] += 1
        elif isinstance(event, Started):
            since = self._down.pop(event.path, None)
            if since is not None:
                self._measure("recovery_seconds", team, event.at - since)

    def _measure(self, name: str, label: str, seconds: float) -> None:
        self._histograms[name].setdefault((label,), _Histogram()).add(seconds)

    def _is_team(self, path: str) -> bool:
        found = self._runtime.find(f"{path}/coordinator")
        return found is not None and found.actor_class is Coordinator

    # What coordinators know

    def health(self, team: TeamRef | str) -> Health:
        """How the team does, by its ref or path. Of a team that is gone, only what was counted is left."""
        path = team if isinstance(team, str) else team.path
        view = self._views().get(path)
        with self._lock:
            ended = {labels[1:]: count for labels, count in self._counts["work"].items() if labels[0] == path}
            spent = self._histograms["work_seconds"].get((path,))
            done = sum(count for (_, outcome), count in ended.items() if outcome == "done")
            failed = sum(ended.values()) - done
            average = spent.total / sum(spent.counts) if spent is not None else None
        active, waiting = view.works if view is not None else (0, 0)
        seats = view.slots.values() if view is not None else ()
        running = sum(seat.ref is not None and seat.ref.is_alive() for seat in seats)
        return Health(done, failed, active, waiting, running, len(seats), average)

    def _views(self) -> dict[str, TeamView]:
        """What each team shows of itself, by its path."""
        found: dict[str, TeamView] = {}
        for path, cell in self._runtime.cells.copy().items():
            view = cell.ref.view()
            if isinstance(view, TeamView):
                found[path.rpartition("/")[0]] = view
        return found

    # Scraping

    def describe(self) -> Iterable[Metric]:
        """The families without samples, by which the registry sees collisions of names."""
        return list(self._families({}, {}, {}, {}))

    def collect(self) -> Iterator[Metric]:
        """All families with their samples. Called by the registry, in the thread that scrapes."""
        seats, reserved, busy = self._now()
        with self._lock:
            for labels, seconds in busy.items():
                self._busy[labels] = max(seconds, self._busy.get(labels, 0.0))
            families = list(self._families(self._counts, self._busy, seats, reserved))
        yield from families

    def _now(self) -> tuple[dict[Labels, float], dict[Labels, float], dict[Labels, float]]:
        """Seats, those reserved and the busy seconds of every member."""
        seats: dict[Labels, float] = {}
        reserved: dict[Labels, float] = {}
        busy: dict[Labels, float] = {}
        now = self._runtime.now()
        for team, view in self._views().items():
            for id, seat in view.slots.items():
                labels = (team, id)
                seats[labels], reserved[labels] = seat.capacity, seat.reserved
                spent = seat.ref.statistics().seconds if seat.ref is not None else 0.0
                busy[labels] = spent + seat.working * now - seat.since
        return seats, reserved, busy

    def _families(
        self,
        counts: Mapping[str, Mapping[Labels, float]],
        busy: Mapping[Labels, float],
        seats: Mapping[Labels, float],
        reserved: Mapping[Labels, float],
    ) -> Iterator[Metric]:
        for name, (text, names) in _COUNTERS.items():
            yield self._filled(CounterMetricFamily(f"{self._prefix}_{name}", text, labels=names), counts.get(name, {}))
        for name, (text, names) in _HISTOGRAMS.items():
            family = HistogramMetricFamily(f"{self._prefix}_{name}", text, labels=names)
            for labels, each in sorted(self._histograms[name].items()) if counts else ():
                family.add_metric(labels, each.cumulated(), each.total)
            yield family
        members = ("team", "member")
        text = "Time members spent in their work, waiting included, in seconds."
        yield self._filled(CounterMetricFamily(f"{self._prefix}_busy_seconds", text, labels=members), busy)
        text = "Pieces of work a member may have at once."
        yield self._filled(GaugeMetricFamily(f"{self._prefix}_seats", text, labels=members), seats)
        text = "Pieces of work that a member has now."
        yield self._filled(GaugeMetricFamily(f"{self._prefix}_seats_reserved", text, labels=members), reserved)

    def _filled(
        self, family: CounterMetricFamily | GaugeMetricFamily, values: Mapping[Labels, float]
    ) -> CounterMetricFamily | GaugeMetricFamily:
        for labels, value in sorted(values.items()):
            family.add_metric(labels, value)
        return family
