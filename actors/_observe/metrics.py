"""The metrics sink: lifecycle events and the state of the actors as Prometheus metrics.

Nothing here is on the path of a message. Events (starts, exits) are counted when they happen. What the cells count
anyway (messages, seconds, waiting messages) is added up at each scrape, in the scraping thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from actors._core.loop import State
from actors._name import NAME
from actors._observe.series import Descriptions, EventMetrics, Labels
from actors.events import Abandoned, Exited, LifecycleEvent, LoopBlocked, Quarantined, Started, StartFailed

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime

_LIVE_STATES = tuple(state.value for state in State if state is not State.CLOSED)


class Metrics(EventMetrics):
    """A Prometheus collector for one runtime, in the registry it is given; the global registry is never
    touched.

    A label `actor` is the qualified name of the actor's class: classes of one name share their series.
    Event counters begin when the sink is made, everything else covers the whole life of the runtime;
    counters only grow.

    A scrape runs `collect` in the scraping thread, without stopping the loop, in time linear in the number
    of live actors. Each number is read once; the numbers of one scrape may be some messages apart from each
    other.
    """

    COUNTERS: ClassVar[Descriptions] = {
        "starts": ("Incarnations that came up.", ("actor",)),
        "restarts": ("Incarnations that came up after the first of their actor.", ("actor",)),
        "start_failures": ("Incarnations that did not come up, by the class of the reason.", ("actor", "reason")),
        "exits": ("Incarnations that ended, by the class of the reason.", ("actor", "reason")),
        "quarantined": ("Messages put aside because they crashed their actor too often.", ("actor",)),
        "abandoned": ("Threads and coroutines left behind because they did not end when killed.", ("what",)),
        "loop_blocked": ("Turns that held the event loop longer than the watchdog allows.", ("actor",)),
    }

    def __init__(self, runtime: Runtime, registry: CollectorRegistry, *, namespace: str = NAME) -> None:
        """Registers with `registry` and begins to count.

        Raises:
            ValueError: the registry has metrics of this namespace already; give each runtime a registry or
                a namespace of its own
        """
        self._lock = threading.Lock()
        self._highest: dict[str, dict[Labels, float]] = {}
        events = (Started, StartFailed, Exited, Quarantined, Abandoned, LoopBlocked)
        super().__init__(runtime, registry, namespace, events)

    def count(self, event: LifecycleEvent) -> None:
        match event:
            case Started(actor_class=kind, incarnation=incarnation):
                self.add("starts", kind.__qualname__)
                if incarnation > 1:
                    self.add("restarts", kind.__qualname__)
            case StartFailed(actor_class=kind, reason=reason):
                self.add("start_failures", kind.__qualname__, reason.kind)
            case Exited(actor_class=kind, reason=reason):
                self.add("exits", kind.__qualname__, reason.kind)
            case Abandoned(what=what):
                self.add("abandoned", what)
            case Quarantined(path=path):
                self.add("quarantined", self._class_at(path))
            case LoopBlocked(path=path):
                self.add("loop_blocked", self._class_at(path))

    def _class_at(self, path: str) -> str:
        cell = self._runtime.cells.get(path)
        return cell.props.kind.actor_class.__qualname__ if cell is not None else "unknown"

    def scraped(self) -> Iterable[Metric]:
        sums, actor = self._sums(), ("actor",)
        yield self.counter("messages_handled", "Messages a handler was given.", actor, sums.handled)
        yield self.counter("handler_seconds", "Time in handlers, waiting included, in seconds.", actor, sums.seconds)
        yield self.counter("dead_letters", "Messages that no actor handled.", ("reason",), sums.dead_letters)
        text = "Actors, by the state of their present incarnation; down is between two of them."
        yield self.gauge("actors", text, ("actor", "state"), sums.states)
        yield self.gauge("mailbox_messages", "Messages that wait, in all actors.", actor, sums.queued)
        text = "Messages that wait for the actor with the most of them."
        yield self.gauge("mailbox_messages_max", text, actor, sums.longest)

    def _sums(self) -> _Sums:
        # What closed actors did is read before the cells: one that closes in between is then missing for
        # this scrape, not counted twice.
        sums = _Sums()
        for kind, totals in self._runtime.totals.copy().items():
            label = (kind.__qualname__,)
            sums.know(kind.__qualname__)
            sums.handled[label] += totals["handled"]
            sums.seconds[label] += totals["seconds"]
        for cell in self._runtime.cells.copy().values():
            name = cell.props.kind.actor_class.__qualname__
            label = (name,)
            sums.know(name)
            queued = len(cell.queue) + len(cell.urgent or ())
            sums.handled[label] += cell.handled
            sums.seconds[label] += cell.seconds
            sums.queued[label] += queued
            sums.longest[label] = max(sums.longest[label], queued)
            if cell.state is not State.CLOSED:
                sums.states[name, cell.state.value] += 1
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
        for state in _LIVE_STATES:
            self.states.setdefault((label, state), 0)
