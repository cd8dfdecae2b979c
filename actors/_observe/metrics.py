"""The metrics sink: lifecycle events and the state of the actors as Prometheus metrics.

Nothing here is on the path of a message. Events (starts, exits) are counted when they happen. The counts that the
cells keep anyway (messages, seconds, waiting messages) are added up at each scrape, in the scraping thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from prometheus_client import CollectorRegistry

from actors._core.introspection import queued_for
from actors._core.life import State
from actors._name import NAME
from actors._observe.series import Descriptions, EventMetrics, Labels
from actors.events import Abandoned, Exited, LifecycleEvent, LoopBlocked, Quarantined, Started, StartFailed, Survived

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
        "survived": ("Exceptions of handlers after which the actor went on (`Actor.resumes`).", ("actor",)),
        "quarantined": ("Messages put aside because they crashed their actor too often.", ("actor",)),
        "abandoned": ("Threads and coroutines left behind because they did not end when killed.", ("what",)),
        "loop_blocked": ("Turns that held the event loop longer than the watchdog allows.", ("actor",)),
    }

    SCRAPED_COUNTERS: ClassVar[Descriptions] = {
        "messages_handled": ("Messages a handler was given.", ("actor",)),
        "handler_seconds": ("Time in handlers, waiting included, in seconds.", ("actor",)),
        "dead_letters": ("Messages that no actor handled.", ("reason",)),
    }
    SCRAPED_GAUGES: ClassVar[Descriptions] = {
        "actors": (
            "Actors, by the state of their present incarnation; down is between two of them.",
            ("actor", "state"),
        ),
        "mailbox_messages": ("Messages that wait, in all actors.", ("actor",)),
        "quarantine_messages": ("Messages in quarantine.", ()),
        "mailbox_messages_max": ("Messages that wait for the actor with the most of them.", ("actor",)),
    }

    def __init__(self, runtime: Runtime, registry: CollectorRegistry, *, namespace: str = NAME) -> None:
        """Registers with `registry` and begins to count.

        Raises:
            ValueError: the registry has metrics of this namespace already; give each runtime a registry or
                a namespace of its own
        """
        events = (Started, StartFailed, Exited, Survived, Quarantined, Abandoned, LoopBlocked)
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
            case Survived(path=path):
                self.add("survived", self._class_at(path))
            case Quarantined(path=path):
                self.add("quarantined", self._class_at(path))
            case LoopBlocked(path=path):
                self.add("loop_blocked", self._class_at(path))

    def _class_at(self, path: str) -> str:
        cell = self._runtime.cells.get(path)
        return cell.props.kind.actor_class.__qualname__ if cell is not None else "unknown"

    def scrape(self) -> dict[str, dict[Labels, float]]:
        handled: dict[Labels, float] = {}
        seconds: dict[Labels, float] = {}
        queued: dict[Labels, float] = {}
        longest: dict[Labels, float] = {}
        states: dict[Labels, float] = {}

        def know(name: str) -> Labels:
            """A class that ever had an actor keeps its series: a gauge that falls to 0 must say so."""
            label = (name,)
            for each in (handled, seconds, queued, longest):
                each.setdefault(label, 0)
            for state in _LIVE_STATES:
                states.setdefault((name, state), 0)
            return label

        # The totals of closed actors are read before the cells: one that closes in between is then missing for
        # this scrape, not counted twice.
        for kind, totals in self._runtime.totals.copy().items():
            label = know(kind.__qualname__)
            handled[label] += totals["handled"]
            seconds[label] += totals["seconds"]
        for cell in self._runtime.cells.copy().values():
            name = cell.props.kind.actor_class.__qualname__
            label = know(name)
            waiting = queued_for(cell)
            handled[label] += cell.handled
            seconds[label] += cell.seconds
            queued[label] += waiting
            longest[label] = max(longest[label], waiting)
            if cell.state is not State.CLOSED:
                states[name, cell.state.value] += 1
        return {
            # What is just on its way from a cell to the totals must not lower them.
            "messages_handled": self.never_less("messages_handled", handled),
            "handler_seconds": self.never_less("handler_seconds", seconds),
            "dead_letters": {(reason,): count for reason, count in self._runtime.events.dead_letters.copy().items()},
            "actors": states,
            "mailbox_messages": queued,
            "quarantine_messages": {(): float(len(self._runtime.quarantine))},
            "mailbox_messages_max": longest,
        }
