"""The stream of lifecycle events. Logs, metrics, traces and views are independent sinks of it."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from types import FunctionType, MethodType
from typing import ClassVar, TypeVar

from actors._record import Record
from actors._user_code.interrupts import hand_on
from actors._user_code.reporting import report
from actors.reasons import Crashed, ExitReason


class LifecycleEvent(Record):
    """Something that happened to an actor. `at` is in seconds of the runtime's monotonic clock.

    An event of your own: derive from this class, annotate the fields and give the level of its log line as in
    `class Halted(LifecycleEvent, level="error")`. Events compare by value. If a message or an error in a field raises
    when it is compared or shown, the event contains that.
    """

    level: ClassVar[str] = "debug"
    """The level of its log line: debug, info, warning or error."""

    path: str
    at: float

    def __init_subclass__(cls, level: str | None = None) -> None:
        super().__init_subclass__()
        if level is not None:
            cls.level = level

    def __hash__(self) -> int:
        return hash((self.path, self.at))

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
        """The exception that this event reports first. A log shows its traceback."""
        return None

    def after_exit(self) -> str | None:
        """The sequel of the end of an incarnation at the same path, in words: `restart 1 in 0.2 s`. A log adds it to
        the line of that end. None: the event has a line of its own.
        """
        return None


class Started(LifecycleEvent):
    """An incarnation runs."""

    actor_class: type
    incarnation: int


class StartFailed(LifecycleEvent, level="error"):
    """An incarnation did not come up."""

    actor_class: type
    incarnation: int
    reason: ExitReason

    @property
    def exception(self) -> BaseException | None:
        """The exception that failed the start."""
        return self.reason.exception if isinstance(self.reason, Crashed) else None


class Exited(LifecycleEvent):
    """An incarnation has ended. A crash has a subclass, so that a log can give it a higher level."""

    actor_class: type
    incarnation: int
    reason: ExitReason


class CrashedExit(Exited, level="error"):
    """An incarnation has ended by an unhandled exception."""

    message_type: str | None = None

    @property
    def exception(self) -> BaseException | None:
        """The exception that ended the incarnation."""
        return self.reason.exception if isinstance(self.reason, Crashed) else None


class HookFailed(LifecycleEvent, level="error"):
    """A hook for the end raised, without effect: `on_failure` or `carry_over` after a crash, or any hook of an
    incarnation that was killed meanwhile. Otherwise an exception of `on_stop` is the reason of the exit.

    Also a callback or context manager of the incarnation that raised at its end (`the end of ...`), and an
    `on_continue` that raised after the order to stop.
    """

    incarnation: int
    hook: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        """The exception of the hook."""
        return self.error


class AskFailed(LifecycleEvent, level="info"):
    """A plain pykka actor raised in an ask: the caller gets the exception, the actor lives (pykka's contract)."""

    incarnation: int
    message_type: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        """The exception that the caller got."""
        return self.error


class Survived(LifecycleEvent, level="warning"):
    """A handler raised an exception of the `resumes` of its class: the actor keeps its state and goes on. The message
    is not delivered again; an asker got the exception.
    """

    incarnation: int
    message: object
    error: BaseException
    sender: str | None = None

    @property
    def exception(self) -> BaseException | None:
        """The exception of the handler."""
        return self.error


class DeadLetter(LifecycleEvent, level="warning"):
    """A message that no actor handled, or an answer that no caller took.

    `reason` is one of: closed, expired, crashed, lost, killed, unhandled, unheard, unsendable, late_reply, overflow,
    refused, dropped, stale_timer, evicted.
    """

    message: object
    reason: str
    sender: str | None = None
    error: BaseException | None = None


class LostInside(LifecycleEvent, level="warning"):
    """The process of an actor with actors below it ended without an order, or by a kill: `waiting` messages that waited
    in mailboxes there are gone with it. Those that came from the program are dead letters besides.
    """

    place: str
    """The process: `process 4711`."""
    waiting: int


class Quarantined(LifecycleEvent, level="error"):
    """A message crashed its actor as often as its spec allows and is not delivered again (supervision rule 27). It is
    in `runtime.quarantine`.
    """

    message: object
    crashes: int
    error: BaseException | None = None


class QuarantineRetried(LifecycleEvent, level="info"):
    """Messages in quarantine were sent to their actor again."""

    count: int
    message_type: str
    """The type of the first."""


class QuarantineDiscarded(LifecycleEvent, level="warning"):
    """Messages in quarantine were discarded."""

    count: int
    message_type: str
    """The type of the first."""


class Redelivered(LifecycleEvent, level="info"):
    """A message that crashed its actor is delivered to the next incarnation."""

    message: object
    crashes: int
    error: BaseException | None = None


class LoopBlocked(LifecycleEvent, level="warning"):
    """One handler or hook of the actor holds the event loop. `where` is the line of the user's code, `stack` the calls
    that led to it.
    """

    seconds: float
    stack: str
    where: str = ""


class PlaceSilent(LifecycleEvent, level="warning"):
    """The process of an actor has messages under way and does not answer: code there computes, or blocks, without
    leaving the event loop of its process. Told once for each silence. Nothing is done about it; a `handler_timeout`
    would end it.
    """

    incarnation: int
    place: str
    """The process: `process 4711`."""
    seconds: float
    """How long it has not answered."""
    message_type: str | None = None
    """The message whose handler began last; None: none has."""


class Abandoned(LifecycleEvent, level="error"):
    """A thread, coroutine or task did not end when it was killed. It runs on; its result is ignored."""

    what: str
    incarnation: int


class UncaughtException(LifecycleEvent, level="error"):
    """An exception outside of handlers and hooks was contained; everything else goes on.

    It came from code on the event loop, such as a callback that calls `sys.exit`, or from the runtime itself. `path` is
    that of the actor to which the code belongs, or else the name of the runtime.
    """

    where: str
    """The code that raised it, such as `task 'Task-7'`."""
    error: BaseException

    @property
    def exception(self) -> BaseException:
        return self.error


class MessageHandled(LifecycleEvent):
    """A handler has ended. Published only while a sink names this very class: it is on the hot path."""

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
        self,
        stream: EventStream,
        sink: Sink[LifecycleEvent],
        types: tuple[type[LifecycleEvent], ...],
        number: int,
        to_actor: bool,
    ) -> None:
        self._stream = stream
        self.sink = sink
        self.types = types
        self.number = number
        """Sinks are called in the order of these numbers."""
        self.to_actor = to_actor
        """Whether the sink sends the events to an actor as messages."""

    def cancel(self) -> None:
        """No further event reaches the sink. May be called twice."""
        self._stream._remove(self)


class _Takers(dict[type[LifecycleEvent], tuple[Subscription, ...]]):
    """The subscriptions that get events of a class: a cache, for the classes asked for since the last change. It is a
    mapping, so that to ask costs no call: every crash asks often.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_type: dict[type[LifecycleEvent], dict[int, Subscription]] = {}
        """The subscriptions that name a class."""

    def __missing__(self, kind: type[LifecycleEvent]) -> tuple[Subscription, ...]:
        with self.lock:
            found = self[kind] = self._find(kind)
        return found

    def _find(self, kind: type[LifecycleEvent]) -> tuple[Subscription, ...]:
        named = (kind,) if kind is MessageHandled else kind.__mro__
        groups = [self.by_type[each] for each in named if each in self.by_type]
        if len(groups) < 2:
            return tuple(groups[0].values()) if groups else ()
        found = {number: each for group in groups for number, each in group.items()}
        return tuple(found[number] for number in sorted(found))


class EventStream:
    """Publishes events to sinks.

    A sink runs in the thread that publishes: the runtime's loop for most events, an actor's own thread for some. A
    sink that raises any exception stays subscribed; the publisher and the other sinks go on. Its first failure of each
    class is reported to the logger `letitcrash`, or to stderr if the logger fails, too.
    """

    def __init__(
        self, changed: Callable[[], object] = lambda: None, *, unreported: tuple[type[BaseException], ...] = ()
    ) -> None:
        """`changed` is called after every change of the subscriptions. An exception of `unreported` that a sink raises
        is not its failure: it ends the thread that runs the sink.
        """
        self._changed = changed
        self._unreported = unreported
        self._numbers = itertools.count(1)
        self._subscriptions: dict[int, Subscription] = {}
        self.takers = takers = _Takers()
        """The subscriptions that get events of a class, by class. Ask before you build an event that is expensive."""
        self._by_type, self._lock = takers.by_type, takers.lock
        self._reported: dict[int, set[type[BaseException]]] = {}
        """The classes of failures already reported, by the number of the subscription."""
        self.dead_letters: Counter[str] = Counter()
        """The number of dead letters, by reason. Only grows."""

    def subscribe(self, sink: Callable[[E], object], *types: type[E]) -> Subscription:
        """Calls `sink(event)` for every event of these classes and their subclasses; without classes, for every event.

        `MessageHandled` reaches only sinks that name it. Raises TypeError if one of `types` is not a class of events.
        """
        return self._add(sink, types, to_actor=False)  # type: ignore[arg-type]

    def subscribe_actor(self, sink: Sink[LifecycleEvent], *types: type[LifecycleEvent]) -> Subscription:
        """The same for a sink that sends the events to an actor as messages: it does not get events published as
        `quiet`.
        """
        return self._add(sink, types, to_actor=True)

    def _add(
        self, sink: Sink[LifecycleEvent], types: tuple[type[LifecycleEvent], ...], *, to_actor: bool
    ) -> Subscription:
        given: tuple[object, ...] = types
        for kind in given:
            if not (isinstance(kind, type) and issubclass(kind, LifecycleEvent)):
                raise TypeError(f"subscribe(): types must be subclasses of LifecycleEvent, got {kind!r}")
        types = types or (LifecycleEvent,)
        subscription = Subscription(self, sink, types, next(self._numbers), to_actor)
        with self._lock:
            self._subscriptions[subscription.number] = subscription
            for kind in types:
                self._by_type.setdefault(kind, {})[subscription.number] = subscription
            self._forget_takers(subscription)
        self._changed()
        return subscription

    def _remove(self, subscription: Subscription) -> None:
        with self._lock:
            if self._subscriptions.pop(subscription.number, None) is None:
                return
            for kind in set(subscription.types):
                named = self._by_type[kind]
                del named[subscription.number]
                if not named:
                    del self._by_type[kind]
            self._reported.pop(subscription.number, None)
            self._forget_takers(subscription)
        self._changed()

    def _forget_takers(self, subscription: Subscription) -> None:
        types = subscription.types
        for kind in [kind for kind in self.takers if issubclass(kind, types)]:
            del self.takers[kind]

    def sinks(self, kind: type[LifecycleEvent]) -> tuple[Subscription, ...]:
        """The subscriptions that get events of this class. Ask before you build an event that is expensive."""
        return self.takers[kind]

    def wants_messages(self) -> bool:
        """Whether a sink names `MessageHandled`."""
        return MessageHandled in self._by_type

    def count_dead_letter(self, reason: str) -> None:
        """Counts a dead letter of which no sink wants to hear."""
        with self._lock:
            self.dead_letters[reason] += 1

    def publish(self, event: LifecycleEvent, *, quiet: bool = False) -> None:
        """Calls every sink that subscribed to the class of the event.

        `quiet`: the event was caused by sending an event to an actor. Sinks of actors do not get it, because each event
        could cause the next one for ever.
        """
        if type(event) is DeadLetter:
            with self._lock:
                self.dead_letters[event.reason] += 1
        for each in self.takers[type(event)]:
            if quiet and each.to_actor:
                continue
            try:
                each.sink(event)
            except BaseException as error:  # noqa: BLE001 - code that observes must not disturb what it observes
                hand_on(error)
                self._report(each, event, error)

    def _report(self, subscription: Subscription, event: LifecycleEvent, error: BaseException) -> None:
        """Reports the first failure of each class of a sink: more would flood the log."""
        kind, sink = type(error), subscription.sink
        if issubclass(kind, self._unreported):
            return
        with self._lock:
            known = self._reported.setdefault(subscription.number, set())
            if kind in known:
                return
            known.add(kind)
        of = sink if isinstance(sink, FunctionType | MethodType) else type(sink)
        report(
            f"event sink {of.__qualname__} failed on {type(event).__name__} of {event.path}; its further failures by "
            f"{kind.__qualname__} are not reported",
            error,
        )
