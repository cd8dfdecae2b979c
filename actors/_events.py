"""The stream of lifecycle events. Logs, metrics, traces and views are sinks of it and know nothing of each other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from types import FunctionType, MethodType
from typing import ClassVar, TypeVar

from actors._interrupts import hand_on
from actors._reasons import Crashed, ExitReason
from actors._reporting import report
from actors._text import fields_shown, same


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LifecycleEvent:
    """Something that happened to an actor. `at` is the runtime's monotonic clock, in seconds.

    Events compare by value. They hold messages and errors of the user's: what those raise when they are compared or
    shown does not leave the event (_text.py).
    """

    level: ClassVar[str] = "debug"
    """How loud a log should be about it: debug, info, warning or error."""

    path: str
    at: float

    def __init_subclass__(cls) -> None:
        # `dataclass` would write these for each class, and call the user's code unguarded.
        for name in ("__eq__", "__hash__", "__repr__"):
            if name not in vars(cls):
                setattr(cls, name, getattr(LifecycleEvent, name))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(same(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))

    def __hash__(self) -> int:
        return hash((self.path, self.at))

    def __repr__(self) -> str:
        return fields_shown(self)

    @property
    def name(self) -> str:
        """The event in one word, as logs show it."""
        text = type(self).__name__
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in text).lstrip("_")

    def as_dict(self) -> dict[str, object]:
        """The fields of the event."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def exception(self) -> BaseException | None:
        """The exception that this event is the first to tell of. A log shows its traceback."""
        return None

    def after_exit(self) -> str | None:
        """What the event adds to the end of an incarnation just before it at the same path, in words: `restart 1 in
        0.2 s`. A log adds that to the line of the end. None: the event is news of its own.
        """
        return None


@dataclass(frozen=True, slots=True)
class Started(LifecycleEvent):
    """An incarnation runs."""

    actor_class: type
    incarnation: int


@dataclass(frozen=True, slots=True)
class StartFailed(LifecycleEvent):
    """An incarnation did not come up."""

    level: ClassVar[str] = "error"
    actor_class: type
    incarnation: int
    reason: ExitReason

    @property
    def exception(self) -> BaseException | None:
        """The exception that failed the start."""
        return self.reason.exception if isinstance(self.reason, Crashed) else None


@dataclass(frozen=True, slots=True)
class Exited(LifecycleEvent):
    """An incarnation is gone. Crashes have an event of their own type, so that a log can be loud about them alone."""

    actor_class: type
    incarnation: int
    reason: ExitReason


@dataclass(frozen=True, slots=True)
class CrashedExit(Exited):
    """An incarnation is gone by an exception nobody handled."""

    level: ClassVar[str] = "error"
    message_type: str | None = None

    @property
    def exception(self) -> BaseException | None:
        """The exception that ended the incarnation."""
        return self.reason.exception if isinstance(self.reason, Crashed) else None


@dataclass(frozen=True, slots=True)
class HookFailed(LifecycleEvent):
    """A hook for the end raised, and what it raised decides nothing: `on_failure` or `carry_over` after a crash, or any
    of an incarnation that was killed meanwhile. Otherwise what `on_stop` raises is the reason of the exit.
    """

    level: ClassVar[str] = "error"
    incarnation: int
    hook: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        """What the hook raised."""
        return self.error


@dataclass(frozen=True, slots=True)
class AskFailed(LifecycleEvent):
    """A plain pykka actor raised over a question: the asker has the exception, the actor lives (pykka's contract)."""

    level: ClassVar[str] = "info"
    incarnation: int
    message_type: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        """What the asker has got."""
        return self.error


@dataclass(frozen=True, slots=True)
class DeadLetter(LifecycleEvent):
    """A message that no actor handled, or an answer nobody took.

    `reason` is one of: closed, expired, crashed, killed, unhandled, unheard, late_reply, overflow, dropped,
    stale_timer.
    """

    level: ClassVar[str] = "warning"
    message: object
    reason: str
    sender: str | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Quarantined(LifecycleEvent):
    """A message crashed its actor as often as its spec allows and is put aside (supervision rule 27)."""

    level: ClassVar[str] = "error"
    message: object
    crashes: int
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Redelivered(LifecycleEvent):
    """A message that crashed its actor goes to the next incarnation."""

    level: ClassVar[str] = "info"
    message: object
    crashes: int
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class LoopBlocked(LifecycleEvent):
    """One turn of the actor holds the event loop. `where` is the line of the user's own code that does, `stack` how it
    came there.
    """

    level: ClassVar[str] = "warning"
    seconds: float
    stack: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Abandoned(LifecycleEvent):
    """A thread or coroutine did not end when it was killed. It is left behind, its result is ignored."""

    level: ClassVar[str] = "error"
    what: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class UncaughtException(LifecycleEvent):
    """An exception that no handler or hook raised was contained; the rest goes on.

    It came out of code that an actor or a stranger left on the event loop, such as a callback that calls `sys.exit`, or
    out of the runtime itself. `path` is that of the actor the code belongs to, or else the name of the runtime.
    """

    level: ClassVar[str] = "error"
    where: str
    """What raised it, such as `task 'Task-7'`."""
    error: BaseException

    @property
    def exception(self) -> BaseException:
        return self.error


@dataclass(frozen=True, slots=True)
class MessageHandled(LifecycleEvent):
    """A handler is done. Published only while somebody subscribes to this very type: it is on the hot path."""

    message: object
    sender: str | None
    seconds: float
    outcome: str
    """done or failed."""
    correlation_id: str | None = None


E = TypeVar("E", bound=LifecycleEvent)
Sink = Callable[[E], object]


class Subscription:
    """A sink in a stream; `cancel` takes it out."""

    def __init__(
        self, stream: EventStream, sink: Sink[LifecycleEvent], types: tuple[type[LifecycleEvent], ...]
    ) -> None:
        self._stream = stream
        self.sink = sink
        self.types = types

    def takes(self, kind: type[LifecycleEvent]) -> bool:
        """Whether the sink is told of events of this class."""
        if kind is MessageHandled:
            return MessageHandled in self.types
        return issubclass(kind, self.types)

    def cancel(self) -> None:
        """No further event reaches the sink. May be called twice."""
        self._stream._remove(self)


class EventStream:
    """Publishes events to sinks.

    A sink runs in the thread that publishes: the runtime's loop for most events, an actor's own thread for some. A
    sink that raises, whatever it raises, stays subscribed, and the publisher and the other sinks go on. Its first
    failure of each class is reported to the logger `understudy`, or to stderr where the logger fails too.
    """

    def __init__(self, changed: Callable[[], object] = lambda: None) -> None:
        """`changed` is called after every change of the subscriptions."""
        self._changed = changed
        self._subscriptions: tuple[Subscription, ...] = ()
        self._sinks: dict[type[LifecycleEvent], tuple[Sink[LifecycleEvent], ...]] = {}
        self._lock = threading.Lock()
        self._reported: dict[int, set[type[BaseException]]] = {}
        """What each sink, by its id, was reported for."""
        self.dead_letters: Counter[str] = Counter()
        """How many dead letters there were, by reason. Only grows."""

    def subscribe(self, sink: Callable[[E], object], *types: type[E]) -> Subscription:
        """Calls `sink(event)` for every event of these classes and their subclasses; of all classes when none is named.

        `MessageHandled` reaches only those who name it. Raises TypeError when one of `types` is not a class of events.
        """
        given: tuple[object, ...] = types
        for kind in given:
            if not (isinstance(kind, type) and issubclass(kind, LifecycleEvent)):
                raise TypeError(f"subscribe(): types must be subclasses of LifecycleEvent, got {kind!r}")
        subscription = Subscription(self, sink, types or (LifecycleEvent,))  # type: ignore[arg-type]
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
            self._sinks = {}
        self._changed()
        return subscription

    def _remove(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = tuple(each for each in self._subscriptions if each is not subscription)
            self._sinks = {}
            self._reported.pop(id(subscription.sink), None)
        self._changed()

    def sinks(self, kind: type[LifecycleEvent]) -> tuple[Sink[LifecycleEvent], ...]:
        """Who wants events of this class. Ask before building an event where building it costs."""
        found = self._sinks.get(kind)
        if found is None:
            with self._lock:
                found = tuple(each.sink for each in self._subscriptions if each.takes(kind))
                self._sinks[kind] = found
        return found

    def publish(self, event: LifecycleEvent) -> None:
        """Tells every sink that subscribed to the class of the event."""
        if type(event) is DeadLetter:
            with self._lock:
                self.dead_letters[event.reason] += 1
        for sink in self.sinks(type(event)):
            try:
                sink(event)
            except BaseException as error:  # noqa: BLE001 - code that observes must not disturb what it observes
                hand_on(error)
                self._report(sink, event, error)

    def _report(self, sink: Sink[LifecycleEvent], event: LifecycleEvent, error: BaseException) -> None:
        """Reports the first failure of each class that a sink shows: more would drown the log."""
        kind = type(error)
        with self._lock:
            known = self._reported.setdefault(id(sink), set())
            if kind in known:
                return
            known.add(kind)
        of = sink if isinstance(sink, FunctionType | MethodType) else type(sink)
        report(
            f"event sink {of.__qualname__} failed on {type(event).__name__} of {event.path}; its further failures by "
            f"{kind.__qualname__} are not reported",
            error,
        )
