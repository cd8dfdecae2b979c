"""A cell: one actor's place in the tree, its mailbox, and the lives of the incarnations that live in it.

A restart replaces the instance, not the cell: path, ref, name and queue stay (supervision rule 26). What follows an
event in a life is decided by a table (`life.py`); this class feeds it and carries out its effects. All of that runs on
the runtime's loop thread, as *control*, between turns; only turns, with their hooks and handlers, run on the cell's
host. No code outside of this file writes into a cell.

To avoid lost wake-ups a sender enqueues first and looks at `idle` second; a turn sets `idle` first and looks at the
queue again second.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Container, Coroutine
from contextvars import Context
from enum import Enum
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from pykka.messages import _ActorStop

from actors._core.clock import TimerHandle
from actors._core.current import enter, own_incarnation
from actors._core.envelope import BareEnvelope, Envelope, Reply
from actors._core.handlers import Dispatch
from actors._core.life import A_SUPERVISOR_TAKES_MESSAGES, ABSENT, TABLES, Effect, Event, Phase, shown
from actors._core.mailbox import BoundedQueue, Queue, make_queue, waiting_in, withdraw
from actors._core.messages import (
    ChildDeclined,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    Continue,
    Down,
    Exit,
    StopOrder,
)
from actors._core.observer import Moment
from actors._core.outcomes import (
    Handled,
    answer,
    dead_letter,
    expire,
    kind_name,
    publish_handled,
    refuse,
    settle_failure,
)
from actors._core.props import Props
from actors._core.watchers import Watchers
from actors._user_code.interrupts import hand_on
from actors._user_code.text import type_name
from actors.errors import (
    ActorDeadError,
    HandlerTimeout,
    IgnoreStart,
    IncarnationEnded,
    LinkedExit,
    RuntimeStopped,
    StartTimeout,
    UnhandledMessage,
    gone,
    lost,
)
from actors.events import CrashedExit, Exited, HookFailed, Quarantined, Redelivered, Started, StartFailed
from actors.reasons import Crashed, ExitReason, Killed, Normal, RuntimeLost, Shutdown

if TYPE_CHECKING:
    from actors._core.ref import ActorRef
    from actors._core.timers import Timer
    from actors._core.waits import Edge
    from actors._hosts.host import Host
    from actors._runtime.runtime import Runtime
    from actors.events import Subscription

MOST_CUT_OFF = 10
"""How many times a message is handled again whose handler was cut off by a crash over a message of the actor itself. A
handler that has its own incarnation crash, over and over, would come again without end.
"""
_NOTHING = object()
_NORMAL = Normal()
_OF_THE_SYSTEM_LANE = (Continue, Down, Exit)
"""Messages that do not count as progress, handled or failed."""


class State(Enum):
    """The phase of a life, as it is shown."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DOWN = "down"
    """The incarnation is gone; whether there will be another one is the parent's decision."""
    CLOSED = "stopped"


_STATES = tuple(State(shown(phase)) for phase in Phase)


class Cell:
    """The whole of an actor but its instance. Created on the runtime's loop thread."""

    __slots__ = (
        "__weakref__",
        "active",
        "actor",
        "attached",
        "carried",
        "children",
        "closed",
        "concurrency",
        "context",
        "crashes",
        "culprit",
        "envelope",
        "grace",
        "groups",
        "handled",
        "host",
        "id",
        "idle",
        "incarnation",
        "kept",
        "names",
        "open",
        "parent",
        "parked",
        "path",
        "pending",
        "phase",
        "placed",
        "props",
        "queue",
        "reason",
        "ref",
        "runtime",
        "seconds",
        "spared",
        "stash",
        "stop_next",
        "subscriptions",
        "supervised",
        "suspended",
        "table",
        "timers",
        "told_to_stop",
        "trace",
        "unproductive",
        "up_since",
        "urgent",
        "view",
        "waiting",
        "watchers",
    )

    runtime: Runtime
    props: Props
    path: str
    ref: ActorRef[Any]
    host: Host
    table: Dispatch
    concurrency: int
    context: Context
    """The context of the incarnation."""
    attached: Any
    """Kept here by the observer of the runtime."""

    # The tree

    parent: Cell | None
    children: dict[str, Cell] | None
    parked: dict[str, Cell] | None
    """By id, the cells of children whose supervisor, this cell, has ended and may be started again."""
    supervised: bool
    """Whether the parent decides what follows an exit; otherwise the first exit is the last."""
    placed: bool
    """Whether its place is there again, with the same id and class, when its supervisor is started again."""

    # The life

    phase: Phase
    closed: bool
    """Whether the phase is `CLOSED`; read by every sender."""
    incarnation: int
    actor: Any
    reason: ExitReason
    """Why the incarnation ends, or why the last one ended."""
    told_to_stop: ExitReason | None
    stop_next: ExitReason | None
    """The order to stop that came between two incarnations: the next one leaves as soon as it is up."""
    culprit: Envelope | None
    """The message that crashed the incarnation, until its fate is decided."""
    grace: TimerHandle | None
    up_since: float
    carried: object
    kept: dict[object, Any] | None

    # The mailbox

    queue: Queue
    urgent: deque[Envelope] | None
    """The system lane: notices of exits and the like, handled before any user message."""
    stash: deque[Envelope] | None
    spared: list[Envelope] | None
    """The messages whose handlers were cut off by the crash of another, in the order in which they ended."""
    open: bool
    """Whether the next message may be taken."""
    idle: bool
    """Whether a sender has to wake the host."""
    suspended: bool

    # The turn

    envelope: Envelope | None
    """The message being handled."""
    pending: Callable[[], object] | None
    """The first step of the next turn, once no handler is under way: start or leave."""
    active: int
    """How many handlers wait for something."""
    waiting: Edge | None
    """The edge of the running handler or hook, if it waits."""

    # What belongs to the incarnation

    watchers: Watchers | None
    timers: set[Timer] | None
    names: list[str] | None
    groups: list[str] | None
    subscriptions: list[Subscription] | None
    view: object
    """The value that the actor published last (`Actor.publish_view`); None: none. It belongs to the place."""

    # Counters, over all incarnations

    handled: int
    """How many messages a handler was given."""
    unproductive: int
    """How many of those do not count as progress of the present incarnation: all of the incarnations before, those of
    the system lane, and messages that failed, were stashed, or that no handler takes.
    """
    crashes: int
    seconds: float
    trace: deque[Handled] | None

    def __init__(
        self, runtime: Runtime, props: Props, path: str, parent: Cell | None, *, supervised: bool, placed: bool = False
    ) -> None:
        self.runtime = runtime
        self.props = props
        self.path = path
        self.id = path.rpartition("/")[2]
        self.parent = parent
        self.supervised = supervised
        self.placed = placed
        self.host = runtime.host(props.host)
        self.actor = None
        self.table = props.kind.table
        self.concurrency = props.kind.concurrency
        self.urgent = self.stash = self.envelope = self.pending = self.trace = self.culprit = self.view = None
        self.open = self.idle = self.closed = self.suspended = False
        self.active = self.incarnation = self.handled = self.unproductive = self.crashes = 0
        self.seconds = self.up_since = 0.0
        self.phase = Phase.NEW
        self.reason = _NORMAL
        self.carried, self.kept = _NOTHING, None
        self.children = self.watchers = self.timers = self.names = self.groups = self.waiting = self.subscriptions = (
            self.parked
        ) = self.spared = self.grace = self.told_to_stop = self.stop_next = self.attached = None
        self.ref = props.kind.ref_type(self)
        observer = runtime.observer
        if observer is not None:
            observer.made(self)
        if observer is None and props.mailbox is None:
            self.queue = deque()
        else:
            inner = None if observer is None else partial(observer.queue, self)
            self.queue = make_queue(props.mailbox, path, self._overflowed, runtime.park, inner)
        runtime.cells[path] = self
        if parent is not None:
            parent.adopt(self)

    def attach(self, value: object) -> None:
        """Keeps a value for the observer of the runtime."""
        self.attached = value

    def adopt(self, child: Cell) -> None:
        """The cell has its place below this one."""
        if self.children is None:
            self.children = {}
        self.children[child.id] = child

    @property
    def state(self) -> State:
        """The phase of the life, as it is shown."""
        return _STATES[self.phase]

    @property
    def is_absent(self) -> bool:
        """Whether no incarnation is there: none has begun, or the last one has ended."""
        return self.phase in ABSENT and self.phase is not Phase.NEW

    def take_props(self, props: Props) -> None:
        """Replaces the props. Timeouts apply at once, class and arguments from the next incarnation. If the name is
        taken, raises `NameTaken` and changes nothing.
        """
        old = self.props.name
        if props.name != old:
            if props.name is not None:
                self.runtime.registry.register(props.name, self)
            if old is not None:
                self.runtime.registry.unregister(old, self)
        self.props = props
        if type(self.ref) is not props.kind.ref_type:
            self.ref = props.kind.ref_type(self)  # more can be asked of it, and the old ref reaches it, too

    # The mailbox

    def put(self, envelope: Envelope) -> None:
        """Takes a message into the mailbox. From any thread."""
        self.queue.append(envelope)
        if self.idle:
            self.wake()

    def put_urgent(self, message: object) -> None:
        """Takes a message into the system lane. On the runtime's loop thread only."""
        if self.closed:
            return
        if self.urgent is None:
            self.urgent = deque()
        self.urgent.append(Envelope(message))
        self.unproductive += 1
        if self.idle:
            self.wake()

    def put_stop(self, envelope: Envelope) -> None:
        """Takes a stop that waits its turn like any message. From any thread."""
        self.put(envelope)
        if self.suspended:
            self.runtime.control_call(self._stop_suspended)

    def wake(self) -> None:
        """Has the host give the cell a turn. From any thread."""
        self.idle = False
        if self.closed:
            self.idle = True  # so that every late sender comes here
            self._refuse_waiting()
        else:
            self.host.ready(self)

    def reopen(self) -> None:
        """Lets the next message in, if nothing stands against it, and has the host give a turn."""
        self.open = self.active < self.concurrency and not self.suspended and self.takes_messages
        if self.pending is None:
            if not self.open:
                return
            self.idle = True
            if not (self.queue or self.urgent):
                return
        self.idle = False
        self.host.ready(self)

    @property
    def takes_messages(self) -> bool:
        """Whether the incarnation is in the part of its life in which it takes messages."""
        if self.props.kind.manages_lifecycle:
            return self.phase in A_SUPERVISOR_TAKES_MESSAGES and self.actor is not None
        return self.phase is Phase.RUNNING

    def withdraw(self, envelope: Envelope) -> None:
        """Takes a message that waits out of the mailbox."""
        withdraw(self.queue, envelope)
        if self.runtime.observer is not None:
            self.runtime.observer.withdrawn(self, envelope)

    def waiting_messages(self) -> list[Envelope]:
        """Every message that is in the mailbox or in the stash."""
        return [*waiting_in(self.queue), *(self.stash or ())]

    def _overflowed(self, envelope: Envelope) -> None:
        refuse(self, envelope, "overflow", ActorDeadError(self.path, Normal(), envelope.message))

    def _refuse_waiting(self) -> None:
        """Empties the mailbox of a cell that is closed."""
        if isinstance(self.queue, BoundedQueue):
            self.queue.close()
        self._drop_waiting("closed")

    def _drop_waiting(self, why: str) -> None:
        observer = self.runtime.observer
        while True:
            try:
                envelope = self.queue.popleft()
            except IndexError:
                return
            if type(envelope.message) is not _ActorStop:
                refuse(self, envelope, why, gone(self.path, self.reason, envelope.message))
            elif observer is not None:
                observer.withdrawn(self, envelope)  # a request of the runtime's own, and it has come true

    # The turn. On the cell's host.

    def turn(self, began: float) -> float:
        """Handles waiting messages: the system lane, then user messages, at most one slice of them. `began` is the time
        on the runtime's clock; returns the time at the end.
        """
        pending = self.pending  # read once: a kill takes it back from another thread
        if pending is not None and not self.active:
            self.pending = None
            pending()
        runtime = self.runtime
        queue, table, actor, incarnation = self.queue, self.table, self.actor, self.incarnation
        take, control, observed = queue.popleft, runtime.control, runtime.observed or self.trace is not None
        left, limit, blocks = self.host.slice, self.host.slice, self.host.blocks
        while left and self.open:
            try:
                envelope = self.urgent.popleft() if self.urgent else take()
            except IndexError:
                break
            left -= 1
            bare = type(envelope) is BareEnvelope
            if not bare and envelope.deadline is not None and envelope.deadline <= runtime.now():
                self.handled -= 1
                expire(self, envelope)
                continue
            self.envelope = envelope
            message = envelope.message
            own = self.context.copy()  # what the handler sets there ends with the message
            try:
                if observed:
                    result = own.run(self._observed_handler(envelope, table), actor, message)
                else:
                    result = own.run(table[type(message)], actor, message)
            except BaseException as error:  # noqa: BLE001 - any exception, SystemExit included, ends this actor alone
                self._failed(envelope, error, incarnation)
            else:
                if type(result) is CoroutineType:
                    self.host.drive(self, envelope, result, own)
                elif blocks and getattr(envelope, "settled", False):
                    self.came_late(incarnation)
                else:
                    if not bare and envelope.reply is not None:
                        answer(self, envelope, result)
                    if observed:
                        self._note(envelope, "done")
            if control:
                break
        self.handled += limit - left
        ended = runtime.now()
        self.seconds += ended - began
        if incarnation != self.incarnation:
            self.unproductive += limit - left  # a thread that was left behind has come back
            return ended
        if not self.active:
            self.envelope = None
            if self.host.goes_on and self.pending is not None:
                pending, self.pending = self.pending, None
                pending()  # a handler has raised: the hook for the end follows in the same turn
                return ended
        if self.open:
            self.idle = True
            if queue or self.urgent:
                self.idle = False
                self.host.ready(self)
        return ended

    def _observed_handler(self, envelope: Envelope, table: Dispatch) -> Callable[[Any, Any], object]:
        envelope.began = self.runtime.now()
        handler, observer = table[type(envelope.message)], self.runtime.observer
        return handler if observer is None else observer.taken(self, envelope, handler)

    def busy(self) -> None:
        """A handler waits for something: no further message while as many wait as the class allows."""
        self.active += 1
        if self.active >= self.concurrency:
            self.open = False

    def step(self, envelope: Envelope) -> None:
        """A handler that had to wait goes on with its message."""
        self.envelope = envelope

    def spent(self, seconds: float) -> None:
        """Adds the seconds that a handler has waited."""
        self.seconds += seconds

    def finished(self, envelope: Envelope, result: object, error: BaseException | None, incarnation: int) -> None:
        """A handler that had to wait is done."""
        if incarnation != self.incarnation:
            return
        self.active -= 1
        self.settle(envelope, result, error, incarnation)
        if not self.active:
            self.envelope = None
        self.reopen()

    def settle(self, envelope: Envelope, result: object, error: BaseException | None, incarnation: int) -> None:
        """The coroutine of a handler has ended, one way or the other."""
        if error is not None:
            self._failed(envelope, error, incarnation)
            return
        if envelope.reply is not None:
            answer(self, envelope, result)
        if self.trace is not None or self.runtime.observed:
            self._note(envelope, "done")

    def _failed(self, envelope: Envelope, error: BaseException, incarnation: int) -> None:
        """A handler raised: an answer where the class says so, a crash otherwise. A Ctrl-C goes on to the program."""
        hand_on(error)
        if getattr(envelope, "settled", False):
            self.came_late(incarnation)
            return
        if incarnation == self.incarnation and type(envelope.message) not in _OF_THE_SYSTEM_LANE:
            self.unproductive += 1
        if self.trace is not None or self.runtime.observed:
            self._note(envelope, "failed")
        if self.actor is not None and isinstance(error, self.actor.answers):
            if envelope.reply is None:
                dead_letter(self, envelope.message, "unheard", envelope, error)
            else:
                settle_failure(envelope.reply, error, self.path)
        elif incarnation == self.incarnation:
            self.crash(envelope, error)
        else:
            refuse(self, envelope, "killed", error)

    def _note(self, envelope: Envelope, outcome: str) -> None:
        """Adds a handled message to the trace of the cell, and tells the observers."""
        runtime = self.runtime
        if runtime.observer is not None:
            runtime.observer.handled(self, envelope, outcome)
        now = runtime.now()
        seconds = now - getattr(envelope, "began", now)
        if self.trace is not None:
            self.trace.append(Handled(now, type_name(envelope.message), seconds, outcome, self.incarnation))
        publish_handled(self, envelope, seconds, outcome)

    # Calls of a handler about its message

    def unhandled(self) -> None:
        """Nothing in the class takes the message being handled."""
        envelope = self.envelope
        if envelope is None:
            return
        self.unproductive += 1
        error = UnhandledMessage(self.path, kind_name(envelope.message))
        if envelope.reply is not None:
            settle_failure(envelope.reply, error, self.path)
            envelope.reply = None  # what on_receive returns is not an answer
        dead_letter(self, envelope.message, "unhandled", envelope)

    def skipped(self) -> None:
        """The message being handled was the tick of a timer that is cancelled: it does not count as progress."""
        self.unproductive += 1

    def came_late(self, incarnation: int) -> None:
        """A handler that overran its time limit in a thread has ended. The fate of its message is decided already."""
        if incarnation == self.incarnation:
            self.unproductive += 1

    def take_reply(self) -> Reply | None:
        """Takes the duty to answer the message being handled from its handler."""
        envelope = self.envelope
        if envelope is None:
            return None
        reply = envelope.reply
        if reply is not None:
            envelope.reply = None
        return reply

    def put_aside(self, envelope: Envelope) -> None:
        """The message being handled waits until `take_back`; the value that its handler returns is not an answer to it.
        Once for each message: a second call does nothing.
        """
        if getattr(envelope, "aside", False):
            return
        envelope.aside = True
        self.unproductive += 1
        if self.stash is None:
            self.stash = deque()
        aside = Envelope(envelope.message, envelope.sender, envelope.reply, envelope.deadline, envelope.correlation_id)
        aside.crashes = getattr(envelope, "crashes", 0)
        if getattr(envelope, "quiet", False):
            aside.quiet = True
        if self.runtime.observer is not None:
            aside = self.runtime.observer.stashed(self, envelope, aside)
        self.stash.append(aside)
        if envelope.reply is not None:
            envelope.reply = None

    def take_back(self) -> None:
        """Puts the stashed messages to the front of the queue."""
        while self.stash:
            self.queue.appendleft(self.stash.pop())

    def _recall(self, envelope: Envelope) -> bool:
        """Takes a message out of the stash whose own handler put it there and then crashed: the crash decides what
        becomes of it. False where it is not there any more.
        """
        for aside in self.stash or ():
            if aside.message is envelope.message:
                assert self.stash is not None
                self.stash.remove(aside)
                envelope.aside = False
                if aside.reply is not None:
                    envelope.reply = aside.reply
                if self.runtime.observer is not None:
                    self.runtime.observer.recalled(self, envelope)
                return True
        return False

    # The possessions of the incarnation

    # A thread that was left behind may ask while the loop ends the incarnation, so each notes first and looks then.

    def take_name(self, name: str) -> None:
        """Registers a name until the incarnation ends. Raises `NameTaken` and `IncarnationEnded`."""
        if name == self.props.name:
            return
        self.runtime.registry.register(name, self)
        self.names = [*(self.names or ()), name]
        if self._is_over_for_caller():
            self.runtime.registry.unregister(name, self)
            raise IncarnationEnded(self.path, own_incarnation(self), f"register({name!r})")

    def join_group(self, group: str) -> None:
        """Makes the actor a member of the group until the incarnation ends. Raises `IncarnationEnded`."""
        self.runtime.registry.join(group, self)
        self.groups = [*(self.groups or ()), group]
        if self._is_over_for_caller():
            self.runtime.registry.leave(group, self)
            raise IncarnationEnded(self.path, own_incarnation(self), f"join({group!r})")

    def keep_subscription(self, subscription: Subscription) -> None:
        """The subscription ends with the incarnation. Raises `IncarnationEnded`."""
        self.subscriptions = [*(self.subscriptions or ()), subscription]
        if self._is_over_for_caller():
            subscription.cancel()
            raise IncarnationEnded(self.path, own_incarnation(self), "subscribe()")

    def _is_over_for_caller(self) -> bool:
        return self.phase in ABSENT or own_incarnation(self) != self.incarnation

    def for_incarnation(self, step: Callable[[], object]) -> None:
        """Has the loop thread do something for the incarnation to which the running code belongs, if it is there."""
        incarnation = own_incarnation(self)

        def do() -> None:
            if incarnation == self.incarnation and self.phase not in ABSENT:
                step()

        self.runtime.on_loop(do)

    def keep_timer(self, timer: Timer) -> None:
        """The timer ends with the incarnation."""
        if self.timers is None:
            self.timers = set()
        self.timers.add(timer)

    def forget_timer(self, timer: Timer) -> None:
        """The timer has ended."""
        if self.timers is not None:
            self.timers.discard(timer)

    def kept_by(self, make: Callable[[], Any]) -> Any:
        """The object that `make` returned the first time; it belongs to the place."""
        if self.kept is None:
            self.kept = {}
        if make not in self.kept:
            self.kept[make] = make()
        return self.kept[make]

    def publish_view(self, view: object) -> None:
        """Shows a value to every thread."""
        self.view = view

    def watch(self) -> Watchers:
        """The monitors and links of the cell."""
        if self.watchers is None:
            self.watchers = Watchers(self)
        return self.watchers

    def wait_for(self, edge: Edge | None) -> None:
        """Notes what the running handler or hook waits for."""
        self.waiting = edge

    def suspend(self, suspended: bool) -> None:
        """Has the actor stop taking messages, or take them again."""
        self.suspended = suspended
        self._stop_suspended()
        self.reopen()

    def keep_trace(self, last: int) -> None:
        """Remembers the last messages handled; 0: no longer."""
        self.trace = deque(self.trace or (), maxlen=last) if last else None

    # Events of the life. On the loop thread, unless a method says otherwise.

    def _feed(
        self,
        event: Event,
        reason: ExitReason | None = None,
        grace: float | None = None,
        culprit: Envelope | None = None,
    ) -> bool:
        """Has the table decide, and carries out its effects. Returns whether what runs must be halted now."""
        found = TABLES[self.props.kind.manages_lifecycle][self.phase][event]
        if found is None:
            return False
        halt = False
        self.phase, effects = found
        for effect in effects:
            if effect is Effect.HALT:
                halt = True
            else:
                _CARRY_OUT[effect](self, reason, grace, culprit)
        return halt

    def begin_below(self) -> None:
        """Starts the one incarnation of a spawned actor. Its parent may have ended since it was spawned."""
        parent = self.parent
        if parent is not None and parent.is_absent and not self.closed:
            self.close(Killed("its parent ended"))
            return
        self.begin()

    def begin(self, number: int | None = None) -> None:
        """Starts the next incarnation, with this number where its supervisor counts them."""
        if self.closed:
            return  # before it began
        if number is not None:
            self.incarnation = number - 1
        if self.runtime.observer is not None:
            self.runtime.observer.lived(self, Moment.BEGINS)
        self._feed(Event.SETTLE)
        self._feed(Event.BEGIN)
        order, self.stop_next = self.stop_next, None
        if order is not None:
            self.stop(order, self.props.shutdown)

    def ready(self) -> None:
        """A supervisor says that its start is complete."""
        self._feed(Event.READY)

    def fail_start(self, reason: ExitReason) -> None:
        """A supervisor says that its start has failed."""
        self._feed(Event.FAILED, reason)

    def done(self, reason: ExitReason) -> None:
        """A supervisor has stopped its children, and ends."""
        self._feed(Event.DONE, reason)

    def stop(self, reason: ExitReason, grace: float | None) -> None:
        """Tells the incarnation to leave, and kills it when it is still there after `grace` seconds (`None`: never).

        Travels as control, ahead of every message (supervision rule 19).
        """
        if self.runtime.observer is not None:
            self.runtime.observer.lived(self, Moment.STOP_ORDERED, reason, grace)
        self._feed(Event.STOP, reason, grace)

    def stop_by_message(self) -> None:
        """A stop that waited in the queue like any message, as pykka's does. On the host."""
        sender = self.envelope.sender if self.envelope is not None else None
        self.unproductive += 1
        self._ask_to_leave(Normal() if sender is self else Shutdown("stop() was called"))

    def finish(self) -> None:
        """Its work is done: the incarnation ends with `normal`, whatever waits. On the host."""
        self._ask_to_leave(Normal())

    def _ask_to_leave(self, reason: ExitReason) -> None:
        self.open = False
        self.runtime.control_call(self._leave_if_running, self.incarnation, reason)

    def _leave_if_running(self, incarnation: int, reason: ExitReason) -> None:
        if incarnation != self.incarnation:
            return
        supervisor = self.props.kind.manages_lifecycle
        if self.phase is Phase.RUNNING or (supervisor and self.phase is Phase.STARTING):
            self.stop(reason, self.props.shutdown)
        elif supervisor:
            self.reopen()  # it is stopping already, and has to hear of its children until it is done

    def _stop_suspended(self) -> None:
        """While the cell is suspended no message is handled: a stop that waits among them counts at once."""
        if not self.suspended:
            return
        stops = [envelope for envelope in waiting_in(self.queue) if type(envelope.message) is _ActorStop]
        for envelope in stops:
            self.withdraw(envelope)
        if stops:
            self.stop(Shutdown("stop() was called"), self.props.shutdown)

    def crash(self, envelope: Envelope | None, error: BaseException) -> None:
        """The incarnation ends by `error`; the rest of the handlers under way are cut off. On the host."""
        self.open = False
        if envelope is not None and envelope is self.culprit:
            return  # its fate is decided already: a task of its own has crashed the incarnation
        if envelope is not None and isinstance(error, asyncio.CancelledError) and self.crashes_by_another():
            if self.spare(envelope):
                return
            error = ActorDeadError(self.path, self.reason, envelope.message, begun=True)
        if envelope is not None and envelope.reply is not None:
            settle_failure(envelope.reply, error, self.path)
        if self.host.blocks:
            self.runtime.control_call(self._crashed, self.incarnation, envelope, error)
        else:
            self._crashed(self.incarnation, envelope, error)

    def _crashed(self, incarnation: int, envelope: Envelope | None, error: BaseException) -> None:
        if incarnation == self.incarnation:
            self._end_at_once(Event.CRASH, Crashed(error), envelope)
        elif envelope is not None:
            refuse(self, envelope, "killed", error)

    def crashes_by_another(self) -> bool:
        """Whether the incarnation ends by a crash, which cuts off the handlers beside the one that raised."""
        return self.phase in _ON_ITS_WAY_OUT and isinstance(self.reason, Crashed)

    def spare(self, envelope: Envelope) -> bool:
        """Keeps a message whose handler was cut off by the crash of another for the next incarnation, which handles it
        again: the asker waits on, and the crash does not count against the message. False where no incarnation can
        follow. A notice of the system lane is for this incarnation alone, and the next one has a `Continue` of its own.
        """
        if not self.supervised:
            return False
        if type(envelope.message) in _OF_THE_SYSTEM_LANE:
            if type(envelope.message) is not Continue:
                dead_letter(self, envelope.message, "dropped", envelope)
            return True
        if self.culprit is not None and self.culprit.sender is self:
            envelope.cut_off = getattr(envelope, "cut_off", 0) + 1
        if getattr(envelope, "cut_off", 0) > MOST_CUT_OFF:
            error = ActorDeadError(self.path, self.reason, envelope.message, begun=True)
            refuse(self, envelope, "crashed", error)
            return True
        if self.spared is None:
            self.spared = []
        self.spared.append(envelope)
        return True

    def crash_by_task(self, incarnation: int, error: BaseException, message: Envelope | None) -> bool:
        """A task or callback of the incarnation has raised an exit: it crashes. Returns False, and does nothing, when
        the incarnation is not there, or is a supervisor, which no callback of the user's may end.

        The crash counts against the message in whose handler that began, if it is under way; where that is not known,
        against the one that is. Otherwise the message would come again, and crash again, without end.
        """
        if incarnation != self.incarnation or self.props.kind.manages_lifecycle or self.phase not in _CAN_CRASH:
            return False
        under_way = self.host.under_way(self)
        if message is None and len(under_way) == 1:
            message = under_way[0]
        self.crash(message if any(each is message for each in under_way) else None, error)
        return True

    def linked_exit(self, source: Cell, reason: ExitReason) -> None:
        """A linked actor ended abnormally and this one does not trap exits: it shares the fate."""
        if self.phase in _CAN_CRASH:
            self._end_at_once(Event.CRASH, Crashed(LinkedExit(source.path, reason)))

    def kill(self, reason: ExitReason) -> None:
        """Ends the incarnation without asking it, and everything below it (supervision rule 20)."""
        self._end_at_once(Event.KILL, reason)

    def kill_ordered(self, reason: ExitReason) -> None:
        """A supervisor stops this child by a kill: its exit is that of the stop."""
        self.told_to_stop = reason
        self.kill(reason)

    def kill_by(self, envelope: Envelope | None, error: BaseException, *, settled: bool = False) -> None:
        """The handler of this message passed its limits: the incarnation is killed by that. `settled`: the handler may
        go on, and how it ends no longer matters.
        """
        if settled and envelope is not None:
            envelope.settled = True
        self.culprit = envelope
        self.kill(Crashed(error))

    def break_off(self, error: BaseException) -> bool:
        """Kills the incarnation because a turn failed outside of its handler. Returns False, and does nothing, if it
        is ending already.
        """
        if self.phase in ABSENT or self.phase in _BEING_KILLED:
            return False
        if self.culprit is None:
            self.culprit = self.envelope
        self.kill(Crashed(error))
        return True

    def _end_at_once(self, event: Event, reason: ExitReason, culprit: Envelope | None = None) -> None:
        """A loop and not a recursion: a chain of actors may be deeper than the interpreter's stack. What is below ends
        first.
        """
        doomed: list[Cell] = []
        below: list[tuple[Cell, Event, ExitReason]] = [(self, event, reason)]
        while below:
            cell, event, reason = below.pop()
            observer = cell.runtime.observer
            if observer is not None and event is Event.KILL and cell.phase not in ABSENT:
                observer.lived(cell, Moment.KILL_ORDERED, reason)
            if cell._feed(event, reason, None, culprit if cell is self else None):
                doomed.append(cell)
                below += [(child, Event.KILL, Killed("its parent ended")) for child in cell._orphans()]
        for cell in reversed(doomed):
            halted = partial(cell._halted, cell.incarnation)
            if cell.host.kill(cell, halted):
                halted()

    def _halted(self, incarnation: int) -> None:
        """Nothing of the incarnation runs any more."""
        if incarnation == self.incarnation:
            self._feed(Event.HALTED)

    def _orphans(self) -> list[Cell]:
        """The children that live; those between two incarnations end here. None of them is restarted."""
        living = []
        for child in list((self.children or {}).values()):
            child.supervised = False
            if child.phase in ABSENT:
                child.close_or_park(Killed("its parent ended"))
            else:
                living.append(child)
        return living

    def lose(self, reason: RuntimeLost) -> None:
        """The runtime has lost its loop: the cell closes, whatever phase it is in, and every question has an answer. No
        code of the actor runs, and a step that fails does not keep the others from being taken.
        """
        if self.closed:
            return
        self.reason = reason
        self.phase, self.open, self.pending = Phase.HALTING, False, None
        attempt = self.runtime.attempt
        under_way = {id(each): each for each in (self.envelope, self.culprit) if each is not None}
        attempt(self.path, "its end", lambda: under_way.update((id(each), each) for each in self.host.drop(self)))
        for envelope in under_way.values():
            if not getattr(envelope, "settled", False):
                envelope.settled = True
                attempt(self.path, "its end", refuse, self, envelope, "killed", lost(reason))
        attempt(self.path, "its end", self._clear)
        self.phase = Phase.ENDED
        attempt(self.path, "its end", self.close, reason)

    def forked(self, reason: ExitReason) -> None:
        """This process is a fork of the one in which the cell lives."""
        self.reason, self.closed = reason, True

    # The hooks of a life. On the host.

    # A hook that is not a coroutine runs without a task, as a plain handler does.

    def _start(self) -> None:
        self.host.drive_life(self, self._come_up, partial(self._came_up, self.incarnation))
        if self.phase in (Phase.STARTING, Phase.RECALLED) and not self.host.blocks and self.grace is None:
            self._time_start()  # only a start that has to wait needs a timer, unless its time to stop runs already

    def _come_up(self) -> Coroutine[Any, Any, None] | None:
        """Constructor and hooks of the start. Returns what is left of them from the first that is a coroutine."""
        observer = self.runtime.observer
        if observer is not None:
            observer.hook(self, "init")
        actor = self.actor = self.props.construct(self)
        if self.carried is not _NOTHING:
            carried, self.carried = self.carried, _NOTHING
            if observer is not None:
                observer.hook(self, "on_restore")
            restored = actor.on_restore(carried)
            if type(restored) is CoroutineType:
                return self._come_up_after(restored)
        return self._run_on_start()

    async def _come_up_after(self, restored: Coroutine[Any, Any, object]) -> None:
        await restored
        rest = self._run_on_start()
        if rest is not None:
            await rest

    def _run_on_start(self) -> Coroutine[Any, Any, None] | None:
        started = self.actor.on_start()
        if type(started) is CoroutineType:
            return self._await_on_start(started)
        if self.runtime.observer is not None:
            self.runtime.observer.hook(self, "on_start")
        return None

    async def _await_on_start(self, started: Coroutine[Any, Any, object]) -> None:
        await started
        if self.runtime.observer is not None:
            self.runtime.observer.hook(self, "on_start")

    def _came_up(self, incarnation: int, error: BaseException | None) -> None:
        """Constructor and hooks of the start have ended. On the loop thread."""
        if incarnation != self.incarnation:
            return
        if error is None:
            self._feed(Event.BUILT)
        elif isinstance(error, IgnoreStart):
            self._feed(Event.DECLINED, Normal())
        else:
            self._feed(Event.FAILED, Crashed(error))

    def _time_start(self) -> None:
        if self.props.start_timeout is not None:
            self._arm_grace(self.props.start_timeout, self._start_overdue)

    def _start_overdue(self) -> None:
        assert self.props.start_timeout is not None
        if self.up_since == math.inf:  # otherwise it came up in time, and has been told to stop since
            self.kill(Crashed(StartTimeout(self.path, self.props.start_timeout)))

    def _leave(self, reason: ExitReason) -> None:
        self.host.drive_life(self, partial(self._farewell, reason), partial(self._left, self.incarnation, reason))
        if self.host.goes_on and self.phase is Phase.LEAVING and self.grace is None and isinstance(reason, Crashed):
            self._time_leaving(reason)  # only a hook that has to wait needs a timer

    def _farewell(self, reason: ExitReason) -> Coroutine[Any, Any, None] | None:
        """The hooks of the end. Returns what is left of them from the first that is a coroutine."""
        if self.runtime.observer is not None:
            self.runtime.observer.hook(self, "end")
        if not (self.supervised and self.props.kind.carries):
            return self._run_last_hook(reason)
        try:
            if self.runtime.observer is not None:
                self.runtime.observer.hook(self, "carry_over")
            carried = self.actor.carry_over(reason)
            if type(carried) is CoroutineType:
                return self._farewell_after(carried, reason)
            self.carried = carried
        except BaseException as raised:
            self._hook_failed("carry_over", reason, raised)
            raise
        return self._run_last_hook(reason)

    async def _farewell_after(self, carried: Coroutine[Any, Any, object], reason: ExitReason) -> None:
        try:
            self.carried = await carried
        except BaseException as raised:
            self._hook_failed("carry_over", reason, raised)
            raise
        rest = self._run_last_hook(reason)
        if rest is not None:
            await rest

    def _run_last_hook(self, reason: ExitReason) -> Coroutine[Any, Any, None] | None:
        """`on_failure` after a crash, `on_stop` otherwise."""
        hook = "on_failure" if isinstance(reason, Crashed) else "on_stop"
        try:
            if isinstance(reason, Crashed):
                error = reason.exception
                done = self.actor.on_failure(type(error), error, error.__traceback__)
            else:
                done = self.actor.on_stop()
            if type(done) is CoroutineType:
                return self._await_last_hook(done, hook, reason)
            if self.runtime.observer is not None:
                self.runtime.observer.hook(self, hook)
        except BaseException as raised:
            self._hook_failed(hook, reason, raised)
            raise
        return None

    async def _await_last_hook(self, done: Coroutine[Any, Any, object], hook: str, reason: ExitReason) -> None:
        try:
            await done
            if self.runtime.observer is not None:
                self.runtime.observer.hook(self, hook)
        except BaseException as raised:
            self._hook_failed(hook, reason, raised)
            raise

    def _hook_failed(self, hook: str, reason: ExitReason, raised: BaseException) -> None:
        """What a hook of the end raises is the reason of the exit, or else an event."""
        unheard = isinstance(reason, Crashed) or self.phase in _BEING_KILLED
        if unheard and not isinstance(raised, asyncio.CancelledError | GeneratorExit):
            failed = HookFailed(self.path, self.runtime.now(), self.incarnation, hook, raised)
            self.runtime.events.publish(failed)

    def _left(self, incarnation: int, reason: ExitReason, error: BaseException | None) -> None:
        """The hook for the end is done; one that raised makes the exit a crash. On the loop thread."""
        if incarnation == self.incarnation:
            crashed = error is not None and not isinstance(reason, Crashed)
            self._feed(Event.LEFT, Crashed(error) if crashed else reason)  # type: ignore[arg-type]

    # The effects

    def _launch(self, *_: object) -> None:
        self.incarnation += 1
        self.unproductive = self.handled + len(self.urgent or ())
        self.up_since = math.inf
        self.told_to_stop = None
        kind = self.props.kind  # an updated spec may have brought another class
        self.host, self.table, self.concurrency = self.runtime.host(self.props.host), kind.table, kind.concurrency
        self.context = self.runtime.context.copy()
        self.context.run(enter, self)
        self.pending = self._start
        if self.host.blocks:
            self._time_start()
        self.host.launch(self)

    def _open(self, *_: object) -> None:
        self.reopen()

    def _shut(self, reason: ExitReason | None, *_: object) -> None:
        assert reason is not None
        self.open = False
        self.reason = reason
        self.pending = None
        self._disarm_grace()

    def _report_up(self, *_: object) -> None:
        runtime, kind = self.runtime, self.props.kind
        self.up_since = runtime.now()
        if runtime.observer is not None:
            runtime.observer.lived(self, Moment.UP)
        if runtime.events.sinks(Started):
            runtime.events.publish(Started(self.path, self.up_since, kind.actor_class, self.incarnation))
        self._tell_parent(ChildStarted(self.id, self.incarnation))
        if not self.supervised:
            runtime.started(self, None)
        if kind.continues:
            self.put_urgent(Continue())

    def _untime(self, *_: object) -> None:
        self._disarm_grace()

    def _keep_order(self, reason: ExitReason | None, *_: object) -> None:
        self.stop_next = reason

    def _note_order(self, reason: ExitReason | None, *_: object) -> None:
        self.told_to_stop = reason

    def _time_order(self, _: ExitReason | None, grace: float | None, *__: object) -> None:
        if grace is not None:
            self._arm_grace(grace, partial(self.kill, Killed("did not stop in time")))

    def _order(self, reason: ExitReason | None, *_: object) -> None:
        assert reason is not None
        self.put_urgent(StopOrder(reason))

    def _cut(self, *_: object) -> None:
        self.host.cut_off(self)

    def _time_crash(self, reason: ExitReason | None, *_: object) -> None:
        assert reason is not None
        if not self._goes_on:
            self._time_leaving(reason)

    def _time_leaving(self, reason: ExitReason) -> None:
        if self.props.shutdown is not None:
            self._arm_grace(self.props.shutdown, partial(self.kill, reason))

    def _say_farewell(self, reason: ExitReason | None, _: float | None = None, culprit: Envelope | None = None) -> None:
        reason = reason if reason is not None else self.told_to_stop
        assert reason is not None
        self.open = False
        self.reason = reason
        self.culprit = culprit
        self.pending = partial(self._leave, reason)
        if not self._goes_on:
            self.host.ready(self)

    @property
    def _goes_on(self) -> bool:
        """Whether the turn that runs now ends with what is pending."""
        return self.host.goes_on and not self.active and self.runtime.on_turn_of(self)

    def _refuse_culprit(self, reason: ExitReason | None, _: float | None, culprit: Envelope | None) -> None:
        if culprit is not None:
            assert isinstance(reason, Crashed)
            refuse(self, culprit, "killed", reason.exception)

    def _end_below(self, reason: ExitReason | None = None, *_: object) -> None:
        """In an orderly way after an orderly end, at once after any other (supervision rule 18)."""
        if reason is not None:
            self.reason = reason
        self.open = False
        if self.reason.expected:
            for child in list((self.children or {}).values()):
                child.supervised = False
                if child.phase in ABSENT:
                    child.close_or_park(Shutdown("its parent ended"))
                elif child.told_to_stop is None:
                    child.stop(Shutdown("its parent ended"), child.props.shutdown)
        else:
            for child in self._orphans():
                child.kill(Killed("its parent ended"))
        if self.children:
            self.runtime.when_childless(self, partial(self._childless, self.incarnation))
        else:
            self._feed(Event.CHILDLESS)

    def _childless(self, incarnation: int) -> None:
        if incarnation == self.incarnation:
            self._feed(Event.CHILDLESS)

    def _report_exit(self, *_: object) -> None:
        reason, culprit, runtime = self.reason, self.culprit, self.runtime
        progress = self._progress()
        self._dispose_of(culprit, reason)
        self._clear()
        message_type = kind_name(culprit.message) if culprit is not None else None
        if runtime.observer is not None:
            runtime.observer.lived(self, Moment.EXITED, reason, None, message_type)
        kind, now = self.props.kind.actor_class, runtime.now()
        if isinstance(reason, Crashed):
            runtime.events.publish(CrashedExit(self.path, now, kind, self.incarnation, reason, message_type))
        elif runtime.events.sinks(Exited):
            runtime.events.publish(Exited(self.path, now, kind, self.incarnation, reason))
        if self.supervised and self.parent is not None and not self.parent.closed:
            self._tell_parent(ChildExited(self.id, self.incarnation, reason, message_type, progress))
        else:
            self.close_or_park(reason)

    def _report_failed(self, *_: object) -> None:
        reason, runtime = self.reason, self.runtime
        self._clear()
        kind = self.props.kind.actor_class
        runtime.events.publish(StartFailed(self.path, runtime.now(), kind, self.incarnation, reason))
        if runtime.observer is not None:
            runtime.observer.lived(self, Moment.START_FAILED, reason)
        self._tell_parent(ChildStartFailed(self.id, self.incarnation, reason))
        if not self.supervised:
            runtime.started(self, reason)
            self.close_or_park(reason)

    def _report_declined(self, *_: object) -> None:
        self._clear()
        if self.runtime.observer is not None:
            self.runtime.observer.lived(self, Moment.DECLINED)
        self._tell_parent(ChildDeclined(self.id, self.incarnation))
        if not self.supervised:
            self.runtime.started(self, IgnoreStart())
            self.close_or_park(Normal())

    def _tell_watchers(self, *_: object) -> None:
        """Tells the watchers of the last incarnation only. A later watcher is told of the next end."""
        if self.props.mailbox is not None and self.props.mailbox.on_restart == "drop":
            self._drop_waiting("dropped")
        if self.watchers is not None:
            watchers, self.watchers = self.watchers, None
            watchers.tell(self.reason)

    def _shut_down(self, reason: ExitReason | None, *_: object) -> None:
        """Releases the names first, then tells the watchers (supervision rule 32)."""
        assert reason is not None
        runtime, parent = self.runtime, self.parent
        self.reason = reason
        if self.props.name is not None:
            runtime.registry.unregister(self.props.name, self)
        self.closed = self.idle = True
        self.view = None
        runtime.attempt(self.path, "its mailbox", self._refuse_waiting)
        for child in [*(self.children or {}).values(), *(self.parked or {}).values()]:
            child.close(Killed("its parent ended"))
        runtime.forget(self)
        if parent is not None:
            parent.remove(self)
        if self.watchers is not None:
            watchers, self.watchers = self.watchers, None
            watchers.tell(reason)

    # Shared by the effects

    def _progress(self) -> int:
        """How many messages the incarnation has handled without failure: what tells one that fails now and then from
        one that always fails. A supervisor says itself what it has achieved.
        """
        if self.props.kind.manages_lifecycle:
            return int(self.actor is not None and self.actor.made_progress())
        unproductive = self.unproductive - len(self.urgent or ())  # what still waits there was not handled
        return max(0, self.handled - unproductive - self.active)

    def _dispose_of(self, culprit: Envelope | None, reason: ExitReason) -> None:
        """Decides on the message that was being handled when the incarnation ended (supervision rule 27)."""
        if culprit is None or type(culprit.message) in (Continue, StopOrder):
            return
        if getattr(culprit, "aside", False) and not self._recall(culprit):
            return  # its handler took it back from the stash already: it waits in the queue
        error = (
            reason.exception
            if isinstance(reason, Crashed)
            else ActorDeadError(self.path, reason, culprit.message, begun=True)
        )
        self.crashes += isinstance(reason, Crashed)
        if culprit.reply is not None or not isinstance(reason, Crashed):
            refuse(self, culprit, "crashed" if isinstance(reason, Crashed) else "killed", error)
            return
        culprit.crashes = getattr(culprit, "crashes", 0) + 1
        now, quiet = self.runtime.now(), getattr(culprit, "quiet", False)
        if culprit.crashes <= self.props.redeliver and self.supervised:
            redelivered = Redelivered(self.path, now, culprit.message, culprit.crashes, error)
            self.runtime.events.publish(redelivered, quiet=quiet)
            # A thread that was left behind may still hold the envelope whose fate is decided.
            self.queue.appendleft(culprit.again() if getattr(culprit, "settled", False) else culprit)
        elif self.props.redeliver:
            quarantined = Quarantined(self.path, now, culprit.message, culprit.crashes, error)
            self.runtime.events.publish(quarantined, quiet=quiet)
        else:
            dead_letter(self, culprit.message, "crashed", culprit, error)

    def _clear(self) -> None:
        """Gives up what belongs to the incarnation: timers, groups, the names it took itself, the instance."""
        self._disarm_grace()
        for timer in list(self.timers or ()):
            timer.end()
        self.timers = None
        for group in self.groups or ():
            self.runtime.registry.leave(group, self)
        for name in self.names or ():
            self.runtime.registry.unregister(name, self)
        for subscription in self.subscriptions or ():
            subscription.cancel()
        self.names = self.groups = self.subscriptions = None
        if self.actor is not None:
            self.props.kind.dispose(self.actor)
        self.actor = None
        urgent, self.urgent = self.urgent, None
        for envelope in urgent or ():
            if isinstance(envelope.message, Down | Exit):  # the rest is the runtime's own bookkeeping
                dead_letter(self, envelope.message, "dropped", envelope)
        self.envelope = self.pending = self.culprit = self.waiting = None
        self.open = False
        self.active = 0
        if self.watchers is not None:
            self.watchers.forget_watched()
        spared, self.spared = self.spared, None
        for envelope in reversed(spared or ()):
            self.queue.appendleft(envelope)
        self.take_back()
        self.stash = None
        self.host.retire(self)

    def _tell_parent(self, notice: object) -> None:
        if self.supervised and self.parent is not None:
            self.parent.put_urgent(notice)

    def _arm_grace(self, seconds: float, then: Callable[[], object]) -> None:
        self._disarm_grace()
        self.grace = self.runtime.clock.call_at(self.runtime.now() + seconds, then)

    def _disarm_grace(self) -> None:
        if self.grace is not None:
            self.grace.cancel()
            self.grace = None

    # After the end: the decisions of the parent

    def settle_exit(self) -> None:
        """Another incarnation may follow: the watchers of the last one are told now."""
        self._feed(Event.SETTLE)

    def close(self, reason: ExitReason) -> None:
        """The actor terminates."""
        if self.closed:
            return
        assert self.phase in ABSENT, f"{self.path} was closed while {self.phase.name}"
        if self.runtime.observer is not None:
            self.runtime.observer.lived(self, Moment.CLOSED, reason)
        self._feed(Event.CLOSE, reason)

    def close_or_park(self, reason: ExitReason) -> None:
        """The supervisor of this place has ended. Where it may be started again, and has this place again then, the
        cell waits for that: ref, name and queue are kept.
        """
        parent = self.parent
        if parent is None or not self.placed or not parent.may_return():
            self.close(reason)
            return
        parent.park(self)
        self.settle_exit()
        parent.remove(self)

    def park(self, child: Cell) -> None:
        """The cell of a child waits for the next incarnation of this supervisor."""
        if self.parked is None:
            self.parked = {}
        self.parked[child.id] = child

    def remove(self, child: Cell) -> None:
        """The child does not live here any more."""
        if child.closed and self.parked is not None and self.parked.get(child.id) is child:
            del self.parked[child.id]
        if self.children is not None and self.children.get(child.id) is child:
            del self.children[child.id]
            if not self.children:
                self.runtime.childless(self)

    def may_return(self) -> bool:
        """Whether another incarnation may follow at this place: its supervisor decides on that, or the supervisor has
        ended and the same holds for it.
        """
        cell, parent = self, self.parent
        while parent is not None and not parent.closed:
            if cell.supervised:
                return True
            if not cell.placed:
                return False
            cell, parent = parent, parent.parent
        return False

    def claim(self, id: str, props: Props) -> Cell | None:
        """The cell that waited for a child of this id since the last incarnation of this supervisor. One of another
        class is closed. If the name is taken, raises `NameTaken` and changes nothing.
        """
        cell = self.parked.get(id) if self.parked else None
        if cell is None:
            return None
        assert self.parked is not None
        if cell.props.kind.actor_class is not props.kind.actor_class:
            cell.close(Shutdown("a child of another class takes its place"))
            return None
        cell.take_props(props)
        del self.parked[id]
        self.adopt(cell)
        cell.supervised = True
        return cell

    def close_parked(self, but: Container[str]) -> dict[str, int]:
        """Closes the cells of children whose places are not there any more. Returns the numbers of the last
        incarnations of the others, by id.
        """
        for cell in [cell for cell in (self.parked or {}).values() if cell.id not in but]:
            cell.close(Shutdown("its place is not there any more"))
        return {cell.id: cell.incarnation for cell in (self.parked or {}).values()}

    # Errors about the cell

    def gone(self, message: object) -> ActorDeadError | RuntimeStopped:
        """The error for a sender to the closed cell. If the actor was told to end because an actor above it ended
        abnormally, the error names that actor.
        """
        reason, above = self.reason, self.parent
        while reason.expected and above is not None and above.closed:
            if not above.reason.expected:
                reason = Shutdown(f"{above.path} ended: {above.reason}")
            above = above.parent
        return gone(self.path, reason, message)

    def overran(self, envelope: Envelope) -> HandlerTimeout:
        """The error for a handler that passed its time limit."""
        assert self.props.handler_timeout is not None
        return HandlerTimeout(self.path, kind_name(envelope.message), self.props.handler_timeout)

    def __repr__(self) -> str:
        return f"<Cell {self.path} #{self.incarnation} {self.phase.name.lower()}>"


_CAN_CRASH = frozenset({Phase.STARTING, Phase.RECALLED, Phase.RUNNING})
_BEING_KILLED = frozenset({Phase.HALTING, Phase.ABORTING})
_ON_ITS_WAY_OUT = frozenset(
    {Phase.LEAVING, Phase.HALTING, Phase.ABORTING, Phase.ENDING, Phase.FAILING, Phase.DECLINING}
)

_CARRIED_OUT: dict[Effect, Callable[..., None]] = {
    Effect.LAUNCH: Cell._launch,
    Effect.OPEN: Cell._open,
    Effect.SHUT: Cell._shut,
    Effect.REPORT_UP: Cell._report_up,
    Effect.UNTIME: Cell._untime,
    Effect.KEEP: Cell._keep_order,
    Effect.NOTE: Cell._note_order,
    Effect.TIME: Cell._time_order,
    Effect.ORDER: Cell._order,
    Effect.CUT: Cell._cut,
    Effect.TIME_CRASH: Cell._time_crash,
    Effect.FAREWELL: Cell._say_farewell,
    Effect.REFUSE: Cell._refuse_culprit,
    Effect.END_BELOW: Cell._end_below,
    Effect.REPORT_EXIT: Cell._report_exit,
    Effect.REPORT_FAILED: Cell._report_failed,
    Effect.REPORT_DECLINED: Cell._report_declined,
    Effect.TELL: Cell._tell_watchers,
    Effect.SHUT_DOWN: Cell._shut_down,
}
_CARRY_OUT = tuple(_CARRIED_OUT.get(effect, Cell._open) for effect in Effect)
"""The method of each effect, by its number; `HALT` is carried out by `_end_at_once`."""
