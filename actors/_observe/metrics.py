"""The metrics sink: lifecycle events and the state of the actors as Prometheus metrics.

Nothing here is on the path of a message. What an event tells (starts, exits) is counted when it happens;
what the cells count anyway (messages, seconds, waiting messages) is added up when somebody scrapes, in the
scraping thread.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors._core.cell import State
from actors._name import NAME
from actors.events import Abandoned, Exited, LifecycleEvent, LoopBlocked, Quarantined, Started, StartFailed

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime

_STATES = tuple(state.value for state in State if state is not State.CLOSED)

_COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "starts": ("Incarnations that came up.", ("actor",)),
    "restarts": ("Incarnations that came up after the first of their actor.", ("actor",)),
    "start_failures": ("Incarnations that did not come up, by the class of the reason.", ("actor", "reason")),
    "exits": ("Incarnations that ended, by the class of the reason.", ("actor", "reason")),
    "quarantined": ("Messages put aside because they crashed their actor too often.", ("actor",)),
    "abandoned": ("Threads and coroutines left behind because they did not end when killed.", ("what",)),
    "loop_blocked": ("Turns that held the event loop longer than the watchdog allows.", ("actor",)),
}
"""What events are counted for: name, help and labels of each counter."""

Labels = tuple[str, ...]


class Metrics(Collector):
    """A Prometheus collector for one runtime, in the registry it is given; the global registry is never
    touched.

    A label `actor` is the qualified name of the actor's class: classes of one name share their series.
    Event counters begin when the sink is made, everything else covers the whole life of the runtime;
    counters only grow.

    A scrape runs `collect` in the scraping thread, without stopping the loop, in time linear in the number
    of live actors. Each number is read once; the numbers of one scrape may be some messages apart from each
    other.
    """

    def __init__(self, runtime: Runtime, registry: CollectorRegistry, *, namespace: str = NAME) -> None:
        """Registers with `registry` and begins to count.

        Raises:
            ValueError: the registry has metrics of this namespace already; give each runtime a registry or
                a namespace of its own
        """
        self._runtime = runtime
        self._registry = registry
        self._namespace = namespace
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Labels]] = {name: Counter() for name in _COUNTERS}
        self._highest: dict[str, dict[Labels, float]] = {}
        registry.register(self)
        self._subscription = runtime.events.subscribe(
            self._count, Started, StartFailed, Exited, Quarantined, Abandoned, LoopBlocked
        )
        self._closed = False

    def close(self) -> None:
        """Counts nothing more and takes every series out of the registry. May be called twice."""
        if not self._closed:
            self._closed = True
            self._subscription.cancel()
            self._registry.unregister(self)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self, event: LifecycleEvent) -> None:
        with self._lock:
            match event:
                case Started(actor_class=kind, incarnation=incarnation):
                    self._counts["starts"][(kind.__qualname__,)] += 1
                    if incarnation > 1:
                        self._counts["restarts"][(kind.__qualname__,)] += 1
                case StartFailed(actor_class=kind, reason=reason):
                    self._counts["start_failures"][kind.__qualname__, reason.kind] += 1
                case Exited(actor_class=kind, reason=reason):
                    self._counts["exits"][kind.__qualname__, reason.kind] += 1
                case Abandoned(what=what):
                    self._counts["abandoned"][(what,)] += 1
                case Quarantined(path=path):
                    self._counts["quarantined"][(self._class_at(path),)] += 1
                case LoopBlocked(path=path):
                    self._counts["loop_blocked"][(self._class_at(path),)] += 1

    def _class_at(self, path: str) -> str:
        cell = self._runtime.cells.get(path)
        return cell.props.kind.actor_class.__qualname__ if cell is not None else "unknown"

    # Scraping

    def describe(self) -> Iterable[Metric]:
        """The families without samples, by which the registry sees collisions of names."""
        return [*self._event_families({}), *self._cell_families(_Sums())]

    def collect(self) -> Iterator[Metric]:
        """All families with their samples. Called by the registry, in the thread that scrapes."""
        with self._lock:
            counts = {name: dict(counter) for name, counter in self._counts.items()}
        yield from self._event_families(counts)
        yield from self._cell_families(self._sums())

    def _event_families(self, counts: Mapping[str, Mapping[Labels, float]]) -> Iterator[Metric]:
        for name, (text, labels) in _COUNTERS.items():
            yield self._counter(name, text, labels, counts.get(name, {}))

    def _cell_families(self, sums: _Sums) -> Iterator[Metric]:
        yield self._counter("messages_handled", "Messages a handler was given.", ("actor",), sums.handled)
        text = "Time in handlers, waiting included, in seconds."
        yield self._counter("handler_seconds", text, ("actor",), sums.seconds)
        yield self._counter("dead_letters", "Messages that no actor handled.", ("reason",), sums.dead_letters)
        text = "Actors, by the state of their present incarnation; down is between two of them."
        yield self._gauge("actors", text, ("actor", "state"), sums.states)
        yield self._gauge("mailbox_messages", "Messages that wait, in all actors.", ("actor",), sums.queued)
        text = "Messages that wait for the actor with the most of them."
        yield self._gauge("mailbox_messages_max", text, ("actor",), sums.longest)

    def _sums(self) -> _Sums:
        # What closed actors did is read before the cells: one that closes in between is then missing for
        # this scrape, not counted twice.
        sums = _Sums()
        for kind, totals in self._runtime.totals.copy().items():
            sums.know(kind.__qualname__)
            sums.handled[(kind.__qualname__,)] += totals["handled"]
            sums.seconds[(kind.__qualname__,)] += totals["seconds"]
        for cell in self._runtime.cells.copy().values():
            label = cell.props.kind.actor_class.__qualname__
            sums.know(label)
            queued = len(cell.queue) + len(cell.urgent or ())
            sums.handled[(label,)] += cell.handled
            sums.seconds[(label,)] += cell.seconds
            sums.queued[(label,)] += queued
            sums.longest[(label,)] = max(sums.longest[(label,)], queued)
            if cell.state is not State.CLOSED:
                sums.states[label, cell.state.value] += 1
        for reason, count in self._runtime.events.dead_letters.copy().items():
            sums.dead_letters[(reason,)] = count
        self._never_less("handled", sums.handled)
        self._never_less("seconds", sums.seconds)
        return sums

    def _never_less(self, name: str, now: dict[Labels, float]) -> None:
        """A counter must not fall, not even by what was just on its way from a cell to the totals."""
        with self._lock:
            highest = self._highest.setdefault(name, {})
            for labels, value in now.items():
                highest[labels] = max(value, highest.get(labels, 0))
            now.update(highest)

    def _counter(
        self, name: str, text: str, labels: tuple[str, ...], values: Mapping[Labels, float]
    ) -> CounterMetricFamily:
        family = CounterMetricFamily(f"{self._namespace}_{name}", text, labels=labels)
        for key, value in sorted(values.items()):
            family.add_metric(key, value)
        return family

    def _gauge(
        self, name: str, text: str, labels: tuple[str, ...], values: Mapping[Labels, float]
    ) -> GaugeMetricFamily:
        family = GaugeMetricFamily(f"{self._namespace}_{name}", text, labels=labels)
        for key, value in sorted(values.items()):
            family.add_metric(key, value)
        return family


class _Sums:
    """What one scrape adds up, by labels."""

    def __init__(self) -> None:
        self.handled: dict[Labels, float] = {}
        self.seconds: dict[Labels, float] = {}
        self.queued: dict[Labels, float] = {}
        self.longest: dict[Labels, float] = {}
        self.states: dict[Labels, float] = {}
        self.dead_letters: dict[Labels, float] = {}

    def know(self, label: str) -> None:
        """A class that ever had an actor keeps its series: a gauge that falls to 0 must say so."""
        for each in (self.handled, self.seconds, self.queued, self.longest):
            each.setdefault((label,), 0)
        for state in _STATES:
            self.states.setdefault((label, state), 0)
