"""The observer of a simulation: it tells the journal of everything that happens to an actor, and makes the faults of
the plan happen. It decides nothing that the real runtime does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from pykka.messages import _ActorStop

from actors._core.cell import Cell
from actors._core.envelope import Envelope
from actors._core.future import Future
from actors._core.handlers import HandlerFunction
from actors._core.mailbox import PriorityFunction, PriorityQueue, Queue, make_queue
from actors._core.messages import ChildDeclined, ChildExited, ChildStarted, ChildStartFailed, Continue, StopOrder, Timed
from actors._core.observer import Moment
from actors._core.outcomes import refuse
from actors.errors import ActorDeadError
from actors.reasons import ExitReason, Killed
from actors.testing._faults.plan import (
    AskTimeout,
    Crash,
    CrashInStart,
    CrashInStop,
    DelayMessage,
    DropMessage,
    DuplicateMessage,
    Fault,
    Hang,
    Kill,
    KillDuringRestart,
    Slow,
)
from actors.testing._sim import observations as seen
from actors.testing._sim.injector import IN_HANDLER, ON_THE_WAY
from actors.testing._sim.journal import SimEnvelope
from actors.testing._sim.lanes import Lane
from actors.testing._sim.raising import Raising
from actors.testing.errors import InjectedCrash

if TYPE_CHECKING:
    from actors.testing._sim.runtime import SimRuntime

RESTARTS, STARTS, STOPS = (KillDuringRestart,), (CrashInStart,), (CrashInStop,)
IN_PROCESS: tuple[tuple[type[Fault], ...], ...] = (IN_HANDLER, STARTS, STOPS)
"""Those that happen in the code of the actor, which may be in a process of its own."""
AIMS: tuple[tuple[type[Fault], ...], ...] = (ON_THE_WAY, RESTARTS, *IN_PROCESS)
NOTHING_AIMED: dict[tuple[type[Fault], ...], tuple[tuple[int, Fault], ...]] = dict.fromkeys(AIMS, ())


class Attached:
    """The data of the simulation about one cell."""

    __slots__ = ("aimed", "lane", "raising")

    def __init__(self, runtime: SimRuntime, cell: Cell) -> None:
        self.lane: Lane = runtime.loop.lane(cell.path)
        injector = runtime.injector
        planned = bool(injector.plan)
        self.aimed = {kind: injector.aimed_at(cell.path, kind) for kind in AIMS} if planned else NOTHING_AIMED
        raises = injector.raising_at(cell.path) if planned else None
        self.raising = Raising(cell, injector, raises) if raises else None
        if planned and cell.props.kind.placed:  # what happens in its code happens in its process
            self.aimed = {**self.aimed, **dict.fromkeys(IN_PROCESS, ())}
            self.raising = None


def is_user_message(envelope: Envelope) -> bool:
    """Whether an actor or the test sent it, and not a timer or the runtime."""
    return type(envelope) is SimEnvelope and not isinstance(envelope.message, Timed | _ActorStop)


class SimObserver:
    """Looks at every actor of a simulated runtime."""

    def __init__(self, runtime: SimRuntime) -> None:
        self._runtime = runtime

    # Life

    def made(self, cell: Cell) -> None:
        cell.attach(Attached(self._runtime, cell))
        if cell.props.kind.mirrored:
            return  # an actor of a process: what the program has of it is told by that process
        parent = cell.parent.path if cell.parent is not None else None
        self._runtime.journal.note(seen.Made, cell.path, parent, cell.supervised, cell.props.kind.manages_lifecycle)

    def lived(
        self,
        cell: Cell,
        moment: Moment,
        reason: ExitReason | None = None,
        grace: float | None = None,
        message_type: str | None = None,
    ) -> None:
        note, path, incarnation = self._runtime.journal.note, cell.path, cell.incarnation
        match moment:
            case Moment.BEGINS:
                note(seen.Starting, path, incarnation + 1)
                self._kill_in_restart(cell, incarnation + 1)
            case Moment.UP:
                note(seen.Started, path, incarnation)
            case Moment.DECLINED:
                note(seen.Declined, path, incarnation)
            case Moment.START_FAILED:
                note(seen.StartFailed, path, incarnation, reason)
            case Moment.STOP_ORDERED:
                note(seen.StopOrdered, path, incarnation, reason, grace)
            case Moment.KILL_ORDERED:
                note(seen.KillOrdered, path, incarnation, reason)
            case Moment.EXITED:
                note(seen.Exited, path, incarnation, reason, message_type)
            case Moment.HEALTHY:
                note(seen.Healthy, path, incarnation)
            case Moment.CLOSED:
                note(seen.Closed, path, reason)

    def _kill_in_restart(self, cell: Cell, incarnation: int) -> None:
        armed = cell.attached.aimed[RESTARTS]
        if incarnation > 1 and armed and self._runtime.injector.due(armed, cell.path, None):
            self._runtime.control_call(_kill_if, cell, incarnation)

    def hook(self, cell: Cell, place: str) -> None:
        attached, due = cell.attached, self._runtime.injector.due
        if place == "init" and attached.aimed[STARTS] and due(attached.aimed[STARTS], cell.path, None):
            raise InjectedCrash(cell.path, f"at start {cell.incarnation}")
        if place == "end":
            if attached.aimed[STOPS] and due(attached.aimed[STOPS], cell.path, None):
                raise InjectedCrash(cell.path, f"at the end of incarnation {cell.incarnation}")
        elif attached.raising is not None:
            attached.raising.at(place)

    # Messages

    def queue(self, cell: Cell, priority: PriorityFunction | None) -> Queue:
        if cell.props.kind.mirrored:
            return make_queue(None, cell.path, lambda _: None, cell.runtime.park)
        return ArrivalQueue(cell, self) if priority is None else ArrivalPriorityQueue(cell, self, priority)

    def taken(self, cell: Cell, envelope: Envelope, handler: HandlerFunction) -> HandlerFunction:
        raising: Raising | None = cell.attached.raising
        if type(envelope) is not SimEnvelope:
            if cell.props.kind.manages_lifecycle:
                self._notice(cell, envelope.message)
            if raising is not None and type(envelope.message) is Continue:
                return raising.instead("on_continue", handler)
            return handler
        self._runtime.journal.taken(cell, envelope)
        armed = cell.attached.aimed[IN_HANDLER]
        if armed and is_user_message(envelope):
            for fault in self._runtime.injector.due(armed, cell.path, envelope.number):
                handler = faulty(self._runtime, cell, cell, handler, envelope.message, envelope.number, fault)
        return handler if raising is None else with_raising(cell, raising, handler, envelope.message, envelope.number)

    def handled(self, cell: Cell, envelope: Envelope, outcome: str) -> None:
        if type(envelope) is SimEnvelope:
            self._runtime.journal.handled(cell, envelope, outcome)

    def decided(self, cell: Cell, envelope: Envelope) -> None:
        """What follows is observed where it happens."""

    def refused(self, cell: Cell, message: object, why: str, envelope: Envelope | None) -> None:
        self._runtime.journal.refused(cell.path, message, why, envelope)

    def stashed(self, cell: Cell, envelope: Envelope, copy: Envelope) -> Envelope:
        if not isinstance(envelope, SimEnvelope):
            return copy
        kept = SimEnvelope(copy.message, copy.sender, copy.reply, copy.deadline, copy.correlation_id)
        kept.crashes, kept.number, kept.aside, kept.loose = copy.crashes, envelope.number, False, True
        if getattr(copy, "quiet", False):
            kept.quiet = True
        self._runtime.journal.open[envelope.number] = kept
        return kept

    def recalled(self, cell: Cell, envelope: Envelope) -> None:
        if isinstance(envelope, SimEnvelope):
            self._runtime.journal.open[envelope.number] = envelope

    def withdrawn(self, cell: Cell, envelope: Envelope) -> None:
        if isinstance(envelope, SimEnvelope):
            self._runtime.journal.open.pop(envelope.number, None)

    def _notice(self, cell: Cell, message: object) -> None:
        """A supervisor hears of something."""
        child, incarnation, reason = None, 0, None
        match message:
            case ChildStarted():
                name, child, incarnation = "started", message.id, message.incarnation
            case ChildDeclined():
                name, child, incarnation = "declined", message.id, message.incarnation
            case ChildStartFailed():
                name, child, incarnation, reason = "start_failed", message.id, message.incarnation, message.reason
            case ChildExited():
                name, child, incarnation, reason = "exited", message.id, message.incarnation, message.reason
            case StopOrder():
                name, reason = "stop_order", message.reason
            case _:
                self._runtime.journal.note(seen.OtherNoticed, cell.path, message)
                return
        self._runtime.journal.note(seen.Noticed, cell.path, name, child, incarnation, reason)

    # Arrivals

    def arrives(self, cell: Cell, envelope: Envelope, put: Callable[[SimEnvelope], object], *, loose: bool) -> None:
        """A message comes into the mailbox: it gets its number, and is put in the way the plan wants it."""
        sim = self._runtime.journal.arrived(cell, envelope)
        sim.loose = loose
        if cell.attached.aimed[ON_THE_WAY] and is_user_message(sim):
            self._tamper(cell, sim, put)
        else:
            put(sim)

    def _tamper(self, cell: Cell, envelope: SimEnvelope, put: Callable[[SimEnvelope], object]) -> None:
        runtime, journal = self._runtime, self._runtime.journal
        copies, delay = 1, 0.0
        for fault in runtime.injector.due(cell.attached.aimed[ON_THE_WAY], cell.path, envelope.number):
            match fault:
                case DropMessage():
                    copies -= 1
                case DuplicateMessage():
                    copies += 1
                case DelayMessage(seconds=seconds):
                    delay += seconds
                case AskTimeout():
                    reply = journal.asks.get(envelope.number)
                    if reply is not None and envelope.deadline is not None:
                        reply.muted = True
        if copies < 1:
            journal.open.pop(envelope.number, None)
            journal.asks.pop(envelope.number, None)
        elif delay:
            envelope.loose = True
            deliver = partial(self._delivered, cell, envelope, put)
            journal.delayed[envelope.number] = runtime.loop.call_later(delay, deliver)
        else:
            put(envelope)
        for _ in range(copies - 1):
            put(journal.arrived(cell, Envelope(envelope.message, envelope.sender, None, None, envelope.correlation_id)))

    def _delivered(self, cell: Cell, envelope: SimEnvelope, put: Callable[[SimEnvelope], object]) -> None:
        if self._runtime.journal.delayed.pop(envelope.number, None) is None:
            return  # it came before its time, at the end of the run
        if cell.closed:
            refuse(cell, envelope, "closed", ActorDeadError(cell.path, cell.reason, envelope.message))
            return
        put(envelope)
        if cell.idle:
            cell.wake()

    def put_back(self, cell: Cell, envelope: Envelope) -> None:
        """A message goes back to the front of the queue."""
        if not isinstance(envelope, SimEnvelope):
            return
        journal, culprit = self._runtime.journal, cell.culprit
        journal.back(envelope)
        if isinstance(culprit, SimEnvelope) and culprit.number == envelope.number:
            # Otherwise it was stashed, or is an order to stop that others overtook.
            journal.note(seen.Redelivered, cell.path, envelope.number, envelope.crashes)


def faulty(
    runtime: SimRuntime,
    cell: Cell,
    doomed: Cell,
    handler: HandlerFunction,
    message: object,
    number: int,
    fault: Fault,
) -> HandlerFunction:
    """The handler of a message in this cell, with what the fault does to it. A kill ends the cell `doomed`."""
    match fault:
        case Crash():
            where = f"at message {number} ({type(message).__qualname__})"
            return partial(_crash, InjectedCrash(cell.path, where))
        case Kill():
            runtime.control_call(_kill_if, doomed, cell.incarnation)
        case Slow(seconds=seconds):
            return _late(cell, handler, partial(runtime.injector.pause, runtime, seconds))
        case Hang():
            return _late(cell, handler, partial(runtime.injector.hang, runtime))
    return handler


def with_raising(
    cell: Cell, raising: Raising, handler: HandlerFunction, message: object, number: int
) -> HandlerFunction:
    """The handler with what faults raise in it."""
    if not isinstance(message, Timed | _ActorStop):
        return raising.around(handler, number)
    if isinstance(message, Timed) and message.incarnation == cell.incarnation and not message.cancelled:
        return raising.instead("timer", handler, number)
    return handler


def _late(cell: Cell, handler: HandlerFunction, wait: Callable[[], Future[None]]) -> HandlerFunction:
    """The handler, after a wait: the actor is as busy as if the handler itself waited."""

    def in_thread(actor: Any, message: object) -> object:
        wait().get()
        return handler(actor, message)

    async def on_loop(actor: Any, message: object) -> object:
        await wait()
        result = handler(actor, message)
        return await result if type(result) is CoroutineType else result

    return in_thread if cell.host.blocks else on_loop


def _kill_if(cell: Cell, incarnation: int) -> None:
    if cell.incarnation == incarnation:
        cell.kill(Killed("by a fault"))


def _crash(error: BaseException, actor: object, message: object) -> None:
    raise error


class ArrivalQueue(deque[Envelope]):
    """A mailbox without bound, first come, first served."""

    def __init__(self, cell: Cell, observer: SimObserver) -> None:
        super().__init__()
        self._cell = cell
        self._observer = observer

    def copy(self) -> deque[Envelope]:  # type: ignore[override]
        return deque(self)

    def append(self, envelope: Envelope) -> None:
        self._observer.arrives(self._cell, envelope, super().append, loose=False)

    def appendleft(self, envelope: Envelope) -> None:
        self._observer.put_back(self._cell, envelope)
        super().appendleft(envelope)


class ArrivalPriorityQueue(PriorityQueue):
    """A mailbox with priorities."""

    def __init__(self, cell: Cell, observer: SimObserver, priority: PriorityFunction) -> None:
        super().__init__(priority, cell.path)
        self._cell = cell
        self._observer = observer

    def append(self, envelope: Envelope, rank: float | None = None) -> None:
        rank = self.rank(envelope) if rank is None else rank
        self._observer.arrives(self._cell, envelope, partial(self._push, rank), loose=True)

    def force(self, envelope: Envelope) -> None:
        self._observer.arrives(self._cell, envelope, super().force, loose=False)

    def appendleft(self, envelope: Envelope) -> None:
        self._observer.put_back(self._cell, envelope)
        super().appendleft(envelope)
