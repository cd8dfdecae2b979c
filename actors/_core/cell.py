"""A cell: one actor's place in the tree, its mailbox, and the lives of the incarnations that live in it.

A restart replaces the instance, not the cell: path, ref, name and queue stay (supervision rule 26). What follows an
event in a life is decided by a table (`life.py`); this class feeds it and carries out its effects. All of that runs on
the runtime's loop thread, as *control*, between turns; only turns, with their hooks and handlers, run on the cell's
host. No code outside of this file writes into a cell.

What a cell has only at times are objects of their own: its children, the possessions of an incarnation, the stash. The
order of the hooks (`hooks.py`), the reports of an end (`reports.py`) and the outcomes of messages (`outcomes.py`) are
functions that read a cell and call its methods.

To avoid lost wake-ups a sender enqueues first and looks at `idle` second; a turn sets `idle` first and looks at the
queue again second.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Sequence
from contextvars import Context
from functools import partial
from threading import Lock  # by its own name: a simulation puts another one into `threading`
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from actors._core import hooks, leftovers, outcomes, reports
from actors._core.children import PARENT_ENDED, ChildCells, halt
from actors._core.clock import TimerHandle
from actors._core.current import current, current_incarnation
from actors._core.envelope import BareEnvelope, Envelope, ReplyTo, SystemEnvelope
from actors._core.handlers import Dispatch
from actors._core.life import ABSENT, OPEN, STATES, TABLES, LifeEffect, LifeEvent, Phase, State
from actors._core.mailbox import NO_MESSAGES, Queue
from actors._core.messages import ChildStarted, Continue, StopOrder
from actors._core.observer import Moment
from actors._core.outcomes import answer, failed
from actors._core.possessions import Possessions, is_over
from actors._core.props import Props
from actors._core.stash import Stash
from actors._core.trace import Trace
from actors._core.watchers import Watchers
from actors.errors import IgnoreStart, crashed_by
from actors.events import Started
from actors.reasons import Crashed, ExitReason, Killed, Normal, RuntimeLost

if TYPE_CHECKING:
    from actors._core.actor_type import ActorType
    from actors._core.owned import Owned
    from actors._core.ref import ActorRef
    from actors._core.waits import WaitEdge
    from actors._hosts.host import Host
    from actors._runtime.runtime import Runtime

_NORMAL = Normal()
_making = Lock()
"""Held while a cell gets its possessions, which its thread and the loop's may both want."""


class Cell:
    """The whole of an actor but its instance. Created on the runtime's loop thread."""

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

    id: str
    parent: Cell | None
    children: ChildCells | None
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
    kind: ActorType
    """The kind of the present instance. New props may have brought another one."""
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
    """The value that `carry_over` has returned for the next incarnation."""
    kept: dict[object, Any] | None

    # The mailbox

    queue: Queue
    urgent: deque[Envelope] | None
    """The system lane: notices of exits and the like, handled before any user message."""
    stash: Stash | None
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
    waiting: WaitEdge | None
    """The edge of the running handler or hook, if it waits."""

    # What it has

    watchers: Watchers | None
    possessions: Possessions | None
    """What the incarnation has taken."""
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
    """How many incarnations have ended by an exception, failed starts included."""
    resumed: int
    """How many handlers raised an exception that the incarnation survived (`resumes`)."""
    seconds: float
    trace: Trace | None
    noted: bool
    """Whether the end of each handler is noted: for the trace, or for the idle timeout."""

    __slots__ = ("__weakref__", *__annotations__)  # the fields above, and no others

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
        self.kind = kind = props.kind
        self.table = kind.table
        self.concurrency = kind.concurrency
        self.urgent = self.stash = self.envelope = self.pending = self.trace = self.culprit = self.view = None
        self.open = self.idle = self.closed = self.suspended = self.noted = False
        self.active = self.incarnation = self.handled = self.unproductive = self.crashes = self.resumed = 0
        self.seconds = self.up_since = 0.0
        self.phase = Phase.NEW
        self.reason = _NORMAL
        self.carried, self.kept = hooks.NOTHING, None
        self.children = self.watchers = self.possessions = self.waiting = None
        self.grace = self.told_to_stop = self.stop_next = self.attached = None
        self.ref = kind.ref_type(self)
        if runtime.observer is not None:
            runtime.observer.made(self)
        plain = runtime.observer is None and props.mailbox is None
        self.queue = deque() if plain else outcomes.make_mailbox(self)
        runtime.cells[path] = self
        if parent is not None:
            parent.adopt(self)

    def attach(self, value: object) -> None:
        """Keeps a value for the observer of the runtime."""
        self.attached = value

    def adopt(self, child: Cell) -> None:
        """The cell has its place below this one."""
        if self.children is None:
            self.children = ChildCells(self)
        self.children.adopt(child)

    def supervise(self, supervised: bool) -> None:
        """Its parent decides what follows an exit, or decides no more: then the next exit is the last."""
        self.supervised = supervised

    @property
    def state(self) -> State:
        """The phase of the life, as it is shown."""
        return STATES[self.phase]

    @property
    def above(self) -> str | None:
        """The path of the actor above; None: there is none."""
        return None if self.parent is None else self.parent.path

    @property
    def queued_elsewhere(self) -> int:
        """How many messages wait for the actor in another process."""
        return 0

    def numbers_below(self, but: Container[str]) -> dict[str, int]:
        """For a new incarnation of a supervisor: the numbers of the last incarnations of the children with these ids.
        Those of other children that wait for it are closed.
        """
        return {} if self.children is None else self.children.close_parked(but)

    @property
    def is_absent(self) -> bool:
        """Whether no incarnation is there: none has begun, or the last one has ended."""
        return self.phase in ABSENT and self.phase is not Phase.NEW

    def take_props(self, props: Props) -> None:
        """Replaces the props. Timeouts apply at once, class and arguments from the next incarnation. If the name is
        taken, raises `NameTaken` and changes nothing.
        """
        self.runtime.registry.rename(self, self.props.name, props.name)
        before, self.props = self.props, props
        if (before.mailbox is NO_MESSAGES) != (props.mailbox is NO_MESSAGES):
            outcomes.refuse_waiting(self, "dropped")
            self.queue = outcomes.make_mailbox(self)
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
        envelope = SystemEnvelope()
        envelope.message = message
        self.urgent.append(envelope)
        self.unproductive += 1
        if self.idle:
            self.idle = False
            self.host.ready(self)

    def put_stop(self, envelope: Envelope) -> None:
        """Takes a stop that waits its turn like any message. From any thread."""
        self.put(envelope)
        if self.suspended or self.props.mailbox is NO_MESSAGES:
            self.runtime.control_call(leftovers.heed_stops, self)

    def wake(self) -> None:
        """Has the host give the cell a turn. From any thread."""
        try:
            self.idle = False
            if self.closed:
                self.idle = True  # so that every late sender comes here
                outcomes.close_mailbox(self)
            else:
                self.host.ready(self)
        except BaseException:  # a Ctrl-C of the calling thread: the next sender wakes it
            self.idle = True
            raise

    def reopen(self, *_: object) -> None:
        """Lets the next message in, if nothing stands against it, and has the host give a turn."""
        taking = self.phase in OPEN[self.props.kind.manages_lifecycle] and self.actor is not None
        self.open = taking and self.active < self.concurrency and not self.suspended
        if self.pending is None:
            if not self.open:
                return
            self.idle = True
            if not (self.queue or self.urgent):
                return
        self.idle = False
        self.host.ready(self)

    # The turn. On the cell's host.

    def turn(self, began: float) -> float:
        """Handles waiting messages: the system lane, then user messages, at most one slice of them. `began` is the time
        on the runtime's clock; returns the time at the end.
        """
        pending = self.pending  # read once: a kill takes it back from another thread
        if pending is not None and not self.active:
            self.pending = None
            pending()
        runtime, host, queue = self.runtime, self.host, self.queue
        table, actor, incarnation = self.table, self.actor, self.incarnation
        take, control, observed = queue.popleft, runtime.control, runtime.observed or self.noted
        blocks, context = host.blocks, self.context
        left = counted = host.slice
        while left and self.open:
            try:
                envelope = self.urgent.popleft() if self.urgent else take()
            except IndexError:
                break
            left -= 1
            bare = type(envelope) is BareEnvelope
            if blocks or not bare:
                if envelope.deadline is not None and envelope.deadline <= runtime.now():
                    counted -= 1
                    outcomes.expire(self, envelope)
                    continue
                self.handled += counted - left  # now: its asker may be in another thread, and look when it is answered
                counted = left
            self.envelope = envelope
            message = envelope.message
            own = context.copy()  # what the handler sets there ends with the message
            try:
                if observed:
                    result = own.run(outcomes.observed_handler(self, envelope, table), actor, message)
                else:
                    result = own.run(table[type(message)], actor, message)
            except BaseException as error:  # noqa: BLE001 - any exception, SystemExit included, ends this actor alone
                if failed(self, envelope, error, incarnation):
                    self.unproductive += 1
            else:
                if type(result) is CoroutineType:
                    host.drive(self, envelope, result, own)
                elif blocks and getattr(envelope, "settled", False):
                    outcomes.came_late(self, incarnation)
                elif observed:
                    outcomes.settle(self, envelope, result, None, incarnation)
                elif not bare and envelope.reply is not None:
                    answer(self, envelope, result)
            if control or not (queue or self.urgent):
                break
        self.handled += counted - left
        ended = runtime.now()
        self.seconds += ended - began
        if incarnation != self.incarnation:
            self.unproductive += counted - left  # a thread that was left behind has come back
            return ended
        if not self.active:
            self.envelope = None
            if self.pending is not None and host.goes_on:
                pending, self.pending = self.pending, None
                pending()  # a handler has raised: the hook for the end follows in the same turn
                return ended
        if self.open:
            self.idle = True
            if queue or self.urgent:
                self.idle = False
                self.host.ready(self)
        return ended

    def hold(self) -> None:
        """No further message is taken: the incarnation ends."""
        self.open = False

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
        outcomes.settle(self, envelope, result, error, incarnation)
        if not self.active:
            self.envelope = None
        self.reopen()

    def ended_elsewhere(self, envelopes: Sequence[Envelope]) -> None:
        """These messages were under way in another process. They have their end: no handler here answers them."""
        self.active -= len(envelopes)
        if not self.active or any(each is self.envelope for each in envelopes):
            self.envelope = None
        self.reopen()

    def hand_back(self, envelopes: Sequence[Envelope]) -> None:
        """These messages were taken, and no handler has begun with them: they wait again, in this order and ahead of
        all others.
        """
        self.handled -= len(envelopes)
        for envelope in reversed(envelopes):
            self.queue.appendleft(envelope)
        self.ended_elsewhere(envelopes)

    # Calls of a handler about its message

    def made_no_progress(self) -> None:
        """The message being handled does not count as progress."""
        self.unproductive += 1

    def count_resumed(self) -> None:
        """A handler has raised an exception that the incarnation survives."""
        self.resumed += 1

    def take_reply(self) -> ReplyTo | None:
        """Takes the duty to answer the message being handled from its handler."""
        return None if self.envelope is None else self.envelope.take_reply()

    def put_aside(self, envelope: Envelope) -> None:
        """The message being handled waits until `unstash`; the value that its handler returns is not an answer to it.
        Once for each message: a second call does nothing.
        """
        if getattr(envelope, "aside", False):
            return
        self.unproductive += 1
        self._own_stash().put(envelope)

    def _own_stash(self) -> Stash:
        if self.stash is None:
            self.stash = Stash(self)
        return self.stash

    # What the actor has

    def possess(self) -> Possessions:
        """What the incarnation has taken until its end. From any thread."""
        if self.possessions is None:
            with _making:
                if self.possessions is None:
                    self.possessions = Possessions(self)
        return self.possessions

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

    def wait_for(self, edge: WaitEdge | None) -> None:
        """Notes what the running handler or hook waits for."""
        self.waiting = edge

    def order_suspension(self, suspended: bool) -> None:
        """Has the actor stop taking messages, or take them again. From any thread."""
        if suspended:  # at once: its thread may be about to take the next message
            self.suspended, self.open = True, False
        self.runtime.control_call(self.suspend, suspended)

    def suspend(self, suspended: bool) -> None:
        """The same, on the loop thread."""
        self.suspended = suspended
        leftovers.heed_stops(self)
        self.reopen()

    def keep_trace(self, last: int) -> None:
        """Remembers the last messages handled, from the next one on; 0: no longer. From any thread."""
        self.trace = Trace(last, self.trace) if last else None
        self.noted = self.noted or last > 0  # at once: its thread may be about to take the next message
        self.runtime.control_call(self.note_handlers)

    def note_handlers(self) -> None:
        """Looks again whether the end of each handler is noted."""
        self.noted = self.trace is not None or (self.possessions is not None and self.possessions.idle is not None)

    # Events of the life. On the loop thread, unless a method says otherwise.

    def _feed(
        self,
        event: LifeEvent,
        reason: ExitReason | None = None,
        grace: float | None = None,
        culprit: Envelope | None = None,
    ) -> bool:
        """Has the table decide, and carries out its effects. Returns whether what runs must be halted now. An effect
        that is over at once returns the event that it would else report later, which is fed next.
        """
        table, halt = TABLES[self.props.kind.manages_lifecycle], False
        following: LifeEvent | None = event
        while following is not None:
            found, following = table[self.phase][following], None
            if found is None:
                break
            self.phase, effects = found
            for effect in effects:
                if effect is LifeEffect.HALT:
                    halt = True
                else:
                    following = _CARRY_OUT[effect](self, reason, grace, culprit)
        return halt

    def hear(self, incarnation: int, event: LifeEvent) -> None:
        """An event of this incarnation, unless it has ended meanwhile."""
        if incarnation == self.incarnation:
            self._feed(event)

    def begin(self, number: int | None = None) -> None:
        """Starts the next incarnation, with this number where its supervisor counts them."""
        if self.closed:
            return  # before it began
        if number is not None:
            self.incarnation = number - 1
        if self.runtime.observer is not None:
            self.runtime.observer.lived(self, Moment.BEGINS)
        if self.phase is Phase.ENDED:
            self._feed(LifeEvent.SETTLE)  # first: the actor may be linked to itself
        self._feed(LifeEvent.BEGIN)
        order, self.stop_next = self.stop_next, None
        if order is not None:
            self.stop(order, self.props.shutdown)

    def ready(self) -> None:
        """A supervisor says that its start is complete."""
        self._feed(LifeEvent.READY)

    def fail_start(self, reason: ExitReason) -> None:
        """A supervisor says that its start has failed."""
        self._feed(LifeEvent.FAILED, reason)

    def done(self, reason: ExitReason) -> None:
        """A supervisor has stopped its children, and ends."""
        self._feed(LifeEvent.DONE, reason)

    def stop(self, reason: ExitReason, grace: float | None) -> None:
        """Tells the incarnation to leave, and kills it when it is still there after `grace` seconds (`None`: never).

        Travels as control, ahead of every message (supervision rule 19).
        """
        if self.runtime.observer is not None:
            self.runtime.observer.lived(self, Moment.STOP_ORDERED, reason, grace)
        self._feed(LifeEvent.STOP, reason, grace)

    def exit(self, reason: ExitReason) -> None:
        """The incarnation itself ends, for this reason, as soon as the handlers under way have ended; in its start, as
        soon as that is completed.
        """
        if self.phase is Phase.STARTING:
            self.possess().leave_later(reason)
            return
        self._feed(LifeEvent.EXIT, reason, self.props.shutdown or None)  # a grace of 0 is for the orders of others

    def crash(self, reason: Crashed, culprit: Envelope | None = None) -> None:
        """The incarnation ends by an exception, that of the handler of `culprit` if there is one; the rest of the
        handlers under way are cut off.
        """
        if self._feed(LifeEvent.CRASH, reason, None, culprit):
            halt(self)

    def spare(self, envelope: Envelope) -> bool:
        """Keeps a message whose handler was cut off by the crash of another for the next incarnation, which handles it
        again: the asker waits on, and the crash does not count against the message. False where no incarnation can
        follow. A notice of the system lane is for this incarnation alone, and the next one has a `Continue` of its own.
        """
        if not self.supervised:
            return False
        if outcomes.comes_again(self, envelope):
            self._own_stash().keep(envelope)
        return True

    def kill(self, reason: ExitReason, culprit: Envelope | None = None) -> None:
        """Ends the incarnation without asking it, and everything below it (supervision rule 20). `culprit`: the message
        whose handler is the reason.
        """
        if culprit is not None:
            self.culprit = culprit
        if self.begin_kill(reason):
            halt(self)

    def kill_ordered(self, reason: ExitReason) -> None:
        """A supervisor stops this child by a kill: its exit is that of the stop."""
        self.told_to_stop = reason
        self.kill(reason)

    def begin_kill(self, reason: ExitReason) -> bool:
        """The incarnation is killed. Returns whether code of it must be halted now."""
        observer = self.runtime.observer
        if observer is not None and self.phase not in ABSENT:
            observer.lived(self, Moment.KILL_ORDERED, reason)
        return self._feed(LifeEvent.KILL, reason)

    def lose(self, reason: RuntimeLost) -> None:
        """The runtime has lost its loop: the cell closes, whatever phase it is in, and every question has an answer. No
        code of the actor runs, and a step that fails does not keep the others from being taken.
        """
        if self.closed:
            return
        self.reason = reason
        self.phase, self.open, self.pending = Phase.HALTING, False, None
        leftovers.refuse_under_way(self, reason)
        self.runtime.attempt(self.path, "its end", self.clear)
        self.phase = Phase.ENDED
        self.runtime.attempt(self.path, "its end", self.close, reason)

    def forked(self, reason: ExitReason) -> None:
        """This process is a fork of the one in which the cell lives."""
        self.reason, self.closed = reason, True

    # The hooks of a life. On the host.

    def _start(self) -> None:
        self.host.drive_life(self, self._come_up, partial(self._came_up, self.incarnation))
        if self.phase in (Phase.STARTING, Phase.RECALLED) and not self.host.blocks and self.grace is None:
            self._time_start()  # only a start that has to wait needs a timer, unless its time to stop runs already

    def _come_up(self) -> hooks.Rest:
        """Constructor and hooks of the start. Returns what is left of them from the first that is a coroutine."""
        if self.runtime.observer is not None:
            self.runtime.observer.hook(self, "init")
        props = self.props
        actor = props.kind.construct(self, props.args, props.kwargs)
        if self.host.blocks and is_over(self):
            return None  # the thread was left behind, and another incarnation may be here
        self.actor, self.kind = actor, props.kind
        if self.carried is hooks.NOTHING:
            return hooks.start(self) if props.kind.starts or self.runtime.observer is not None else None
        carried, self.carried = self.carried, hooks.NOTHING
        return hooks.restore(self, carried)

    def _came_up(self, incarnation: int, error: BaseException | None) -> None:
        """Constructor and hooks of the start have ended. On the loop thread."""
        if incarnation != self.incarnation:
            return
        if error is None:
            self._feed(LifeEvent.BUILT)
            if self.possessions is not None and self.possessions.exit_reason is not None:
                self.exit(self.possessions.exit_reason)
        elif issubclass(type(error), IgnoreStart):  # as `except` does: `__class__` may raise
            self._feed(LifeEvent.DECLINED, Normal())
        else:
            self._feed(LifeEvent.FAILED, crashed_by(self.path, error))

    def _time_start(self) -> None:
        if self.props.start_timeout is not None:
            self._arm_grace(self.props.start_timeout, partial(outcomes.start_overdue, self))

    def _leave(self, reason: ExitReason) -> None:
        farewell = self.kind.farewell if self.runtime.observer is None else hooks.observed_farewell
        self.host.drive_life(self, partial(farewell, self, reason), partial(self._left, self.incarnation, reason))
        late = self.host.goes_on and self.phase is Phase.LEAVING and self.grace is None and isinstance(reason, Crashed)
        if late and self.props.shutdown is not None:  # only a hook that has to wait needs a timer
            self._arm_grace(self.props.shutdown, partial(self.kill, reason))

    def carry(self, carried: object) -> None:
        """Keeps a value for the next incarnation."""
        self.carried = carried

    def _left(self, incarnation: int, reason: ExitReason, error: BaseException | None) -> None:
        """The hook for the end is done; one that raised makes the exit a crash. On the loop thread."""
        if incarnation == self.incarnation:
            crashed = error is not None and not isinstance(reason, Crashed)
            self._feed(LifeEvent.LEFT, crashed_by(self.path, error) if crashed else reason)  # type: ignore[arg-type]

    # The effects

    def _launch(self, *_: object) -> None:
        self.incarnation += 1
        self.unproductive = self.handled + len(self.urgent or ())
        self.up_since = math.inf
        self.told_to_stop = None
        runtime, choice, kind = self.runtime, self.props.host, self.props.kind
        # An updated spec may have brought another class and another host.
        self.host = runtime.loop_host if choice == "loop" else runtime.host(choice)
        self.table, self.concurrency = kind.table, kind.concurrency
        self.context = context = runtime.context.copy()
        context.run(current.set, self)
        context.run(current_incarnation.set, self.incarnation)
        self.pending = self._start
        if self.host.blocks:
            self._time_start()
        self.host.launch(self)

    def _shut(self, reason: ExitReason | None, *_: object) -> None:
        assert reason is not None
        self.open = False
        self.reason = reason
        self.pending = None
        self._disarm_grace()
        if self.possessions is not None:
            self.possessions.tell()

    def _report_up(self, *_: object) -> None:
        if self.grace is not None and self.told_to_stop is None:
            self._disarm_grace()  # it was that of the start, and not that of an order to stop
        self.up_since = self.runtime.now()
        runtime, parent, observer = self.runtime, self.parent, self.runtime.observer
        if observer is not None:
            observer.lived(self, Moment.UP)
        if runtime.events.takers[Started]:
            runtime.events.publish(Started(self.path, self.up_since, self.props.kind.actor_class, self.incarnation))
        if not self.supervised:
            runtime.started(self, None)
        elif parent is not None:
            parent.put_urgent(ChildStarted(self.id, self.incarnation))
        if self.props.kind.continues:
            self.put_urgent(Continue())

    def _keep_order(self, reason: ExitReason | None, *_: object) -> None:
        self.stop_next = reason

    def _note_order(self, reason: ExitReason | None, *_: object) -> None:
        self.told_to_stop = reason
        if self.possessions is not None:
            self.possessions.tell()

    def _time_order(self, reason: ExitReason | None, grace: float | None, *_: object) -> None:
        if grace is not None:
            late = reason if isinstance(reason, Crashed) else Killed("did not stop in time")
            self._arm_grace(grace, partial(self.kill, late))

    def _order(self, reason: ExitReason | None, *_: object) -> None:
        assert reason is not None
        self.put_urgent(StopOrder(reason))

    def _say_farewell(
        self,
        reason: ExitReason | None,
        _: float | None = None,
        culprit: Envelope | None = None,
        *,
        breaks: bool = False,
    ) -> None:
        """Has the hook for the end run. `breaks`: what runs beside it is cut off, and its time is limited."""
        reason = reason if reason is not None else self.told_to_stop
        assert reason is not None
        host, active = self.host, self.active
        if breaks and active:
            host.cut_off(self)
        if breaks and self.possessions is not None:
            self.possessions.tell()
            self.possessions.cancel_tasks()
        self.open = False
        self.reason, self.culprit = reason, culprit
        kind = self.kind
        hears = kind.carries or (kind.hears_of_its_crash if isinstance(reason, Crashed) else kind.hears_of_its_end)
        if hears or host.blocks or self.runtime.observer is not None:
            self.pending = partial(self._leave, reason)
        else:
            self.pending = partial(self._feed, LifeEvent.LEFT, reason)
        if active or not host.goes_on or self.runtime.loop_host.stepping is not self:
            host.ready(self)
            if breaks and self.props.shutdown is not None:
                self._arm_grace(self.props.shutdown, partial(self.kill, reason))

    def _end_below(self, reason: ExitReason | None = None, *_: object) -> LifeEvent | None:
        """In an orderly way after an orderly end, at once after any other (supervision rule 18)."""
        if reason is not None:
            self.reason = reason
        self.open = False
        if self.possessions is not None and self.possessions.owned is not None:
            self._end_owned(self.possessions.owned)
            return None
        if self.children is not None:
            self.children.end(self.reason)
        if not self.children:
            return LifeEvent.CHILDLESS
        self.runtime.when_childless(self, partial(self.hear, self.incarnation, LifeEvent.CHILDLESS))
        return None

    def _end_owned(self, owned: Owned) -> None:
        """Its tasks end first, then what lives below it, then its resources. An orderly end has the time to stop that
        the actor has; after any other end each of them has the grace of a kill.
        """
        orderly = self.phase is Phase.ENDING and self.reason.expected
        if orderly and self.grace is None and self.props.shutdown:  # 0 is for orders, which have set a time already
            self._arm_grace(self.props.shutdown, partial(self.kill, Killed("did not stop in time")))
        owned.end(hurry=not orderly, ended=partial(self.hear, self.incarnation, LifeEvent.CHILDLESS))

    def _tell_watchers(self, *_: object) -> None:
        """Tells the watchers of the last incarnation only. A later watcher is told of the next end."""
        if self.props.mailbox is not None and self.props.mailbox.on_restart == "drop":
            outcomes.refuse_waiting(self, "dropped")
        watchers, self.watchers = self.watchers, None
        if watchers is not None:
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
        runtime.attempt(self.path, "its mailbox", outcomes.close_mailbox, self)
        if self.children is not None:
            self.children.close(Killed(PARENT_ENDED))
        runtime.forget(self)
        if parent is not None and parent.children is not None:
            parent.children.remove(self)
        watchers, self.watchers = self.watchers, None
        if watchers is not None:
            watchers.tell(reason)

    # Shared by the effects

    def clear(self, *, crashed: bool = False) -> None:
        """Gives up what belongs to the incarnation: what it has taken, the instance. `crashed`: it counts as one that
        has ended by an exception.
        """
        self.crashes += crashed
        if self.grace is not None:
            self._disarm_grace()
        possessions, self.possessions = self.possessions, None
        if possessions is not None:
            possessions.release()
            self.note_handlers()
        if self.kind.disposes and self.actor is not None:
            self.kind.dispose(self.actor)
        self.actor = None
        urgent, self.urgent = self.urgent, None
        if urgent:
            leftovers.drop_notices(self, urgent, possessions)
        self.envelope = self.pending = self.culprit = self.waiting = None
        self.open = False
        self.active = 0
        if self.watchers is not None:
            self.watchers.forget_watched()
        if self.stash is not None:
            self.stash.empty()
        self.stash = None
        if self in self.host.holds:
            self.host.retire(self)

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
        if self.phase is Phase.ENDED:
            self._feed(LifeEvent.SETTLE)

    def close(self, reason: ExitReason) -> None:
        """The actor terminates."""
        if self.closed:
            return
        assert self.phase in ABSENT, f"{self.path} was closed while {self.phase.name}"
        if self.runtime.observer is not None:
            self.runtime.observer.lived(self, Moment.CLOSED, reason)
        self._feed(LifeEvent.CLOSE, reason)

    def __repr__(self) -> str:
        return f"<Cell {self.path} #{self.incarnation} {self.phase.name.lower()}>"


_CARRIED_OUT: dict[LifeEffect, Callable[..., LifeEvent | None]] = {
    LifeEffect.LAUNCH: Cell._launch,
    LifeEffect.OPEN: Cell.reopen,
    LifeEffect.SHUT: Cell._shut,
    LifeEffect.REPORT_UP: Cell._report_up,
    LifeEffect.KEEP: Cell._keep_order,
    LifeEffect.NOTE: Cell._note_order,
    LifeEffect.TIME: Cell._time_order,
    LifeEffect.ORDER: Cell._order,
    LifeEffect.FAREWELL: Cell._say_farewell,
    LifeEffect.BREAK: partial(Cell._say_farewell, breaks=True),
    LifeEffect.REFUSE: outcomes.refuse_culprit,
    LifeEffect.END_BELOW: Cell._end_below,
    LifeEffect.REPORT_EXIT: reports.exited,
    LifeEffect.REPORT_FAILED: reports.start_failed,
    LifeEffect.REPORT_DECLINED: reports.declined,
    LifeEffect.TELL: Cell._tell_watchers,
    LifeEffect.SHUT_DOWN: Cell._shut_down,
}
_CARRY_OUT = tuple(_CARRIED_OUT.get(effect, Cell._launch) for effect in LifeEffect)
"""The method of each effect, by its number; `HALT` is carried out by `halt`."""
