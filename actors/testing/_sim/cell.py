"""The cell of a simulation: the real one, watched, and with faults where the plan wants them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from pykka.messages import _ActorStop

from actors._core.cell import _NOTHING, Cell
from actors._core.envelope import Envelope
from actors._core.future import Future
from actors._core.handlers import Dispatch
from actors._core.loop import State
from actors._core.mailbox import BoundedQueue, PriorityQueue, Queue, waiting_in
from actors._core.messages import ChildDeclined, ChildExited, ChildStarted, ChildStartFailed, Continue, StopOrder, Timed
from actors._core.props import Props
from actors.errors import ActorDeadError
from actors.reasons import Crashed, ExitReason, Killed
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
from actors.testing._sim.raising import Handler, Raising
from actors.testing.errors import InjectedCrash

if TYPE_CHECKING:
    from actors.testing._sim.runtime import SimRuntime


class SimCell(Cell):
    """A cell that tells the journal of everything that happens to it. It decides nothing that the real one does not."""

    __slots__ = ("_table", "aimed", "disposed_of", "lane", "raising", "supervisor", "took")

    runtime: SimRuntime

    def __init__(
        self,
        runtime: SimRuntime,
        props: Props,
        path: str,
        parent: Cell | None,
        *,
        supervised: bool,
        placed: bool = False,
    ) -> None:
        self.lane: Lane = runtime.loop.lane(path)
        self.supervisor = props.kind.manages_lifecycle
        self.took: SimEnvelope | None = None
        """The message whose handler was looked up last and is not done: a timer's message is looked up twice."""
        self.disposed_of: Envelope | None = None
        """The message that crashed the incarnation, while its fate is decided."""
        injector = runtime.injector
        self.aimed = {kind: injector.aimed_at(path, kind) for kind in AIMS} if injector.plan else NOTHING_AIMED
        raises = injector.raising_at(path) if injector.plan else None
        self.raising = Raising(self, raises) if raises else None
        super().__init__(runtime, props, path, parent, supervised=supervised, placed=placed)
        self.queue = _watched(self, self.queue)
        runtime.journal.note(seen.Made, path, parent.path if parent is not None else None, supervised, self.supervisor)

    # Handlers

    @property
    def table(self) -> Dispatch:
        """The handlers, behind a look at every message."""
        return self._table

    @table.setter
    def table(self, table: Dispatch) -> None:
        self._table = _WatchedTable(self, table)

    def is_user_message(self, envelope: Envelope) -> bool:
        """Whether somebody sent it, rather than a timer or the runtime."""
        return type(envelope) is SimEnvelope and not isinstance(envelope.message, Timed | _ActorStop)

    def faulty(self, handler: Handler, envelope: SimEnvelope, faults: list[Fault]) -> Handler:
        """The handler with what the faults do to it."""
        for fault in faults:
            match fault:
                case Crash():
                    where = f"at message {envelope.number} ({type(envelope.message).__qualname__})"
                    handler = partial(_crash, InjectedCrash(self.path, where))
                case Kill():
                    self.runtime.control_call(self._kill_if, self.incarnation)
                case Slow(seconds=seconds):
                    handler = self._late(handler, partial(self.runtime.injector.pause, self.runtime, seconds))
                case Hang():
                    handler = self._late(handler, partial(self.runtime.injector.hang, self.runtime))
        return handler

    def with_raising(self, handler: Handler, envelope: SimEnvelope) -> Handler:
        """The handler with what faults raise in it."""
        assert self.raising is not None
        if self.is_user_message(envelope):
            return self.raising.around(handler, envelope.number)
        timed = envelope.message
        if isinstance(timed, Timed) and timed.incarnation == self.incarnation and not timed.cancelled:
            return self.raising.instead("timer", handler, envelope.number)
        return handler

    def _late(self, handler: Handler, wait: Callable[[], Future[None]]) -> Handler:
        """The handler, after a wait: the actor is as busy as if the handler itself waited."""

        def in_thread(actor: Any, message: object) -> object:
            wait().get()
            return handler(actor, message)

        async def on_loop(actor: Any, message: object) -> object:
            await wait()
            result = handler(actor, message)
            return await result if type(result) is CoroutineType else result

        return in_thread if self.host.blocks else on_loop

    def _kill_if(self, incarnation: int) -> None:
        if self.incarnation == incarnation:
            self.kill(Killed("by a fault"))

    # Messages

    def tampered(self, envelope: SimEnvelope, put: Callable[[SimEnvelope], object]) -> None:
        """Puts a message in the way the plan wants it."""
        runtime, journal = self.runtime, self.runtime.journal
        faults = runtime.injector.due(self.aimed[ON_THE_WAY], self.path, envelope.number)
        copies, delay = 1, 0.0
        for fault in faults:
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
            journal.delayed[envelope.number] = runtime.loop.call_later(delay, self._delivered, envelope, put)
        else:
            put(envelope)
        for _ in range(copies - 1):
            put(journal.arrived(self, Envelope(envelope.message, envelope.sender, None, None, envelope.correlation_id)))

    def _delivered(self, envelope: SimEnvelope, put: Callable[[SimEnvelope], object]) -> None:
        if self.runtime.journal.delayed.pop(envelope.number, None) is None:
            return  # it came before its time, at the end of the run
        if self.closed:
            self.refuse(envelope, "closed", ActorDeadError(self.path, self.reason, envelope.message))
            return
        put(envelope)
        if self.idle:
            self.wake()

    def note(self, envelope: Envelope, outcome: str) -> None:
        if type(envelope) is SimEnvelope:
            self.took = None
            self.runtime.journal.handled(self, envelope, outcome)
        if self.trace is not None or self.runtime.wants_messages:
            super().note(envelope, outcome)

    def dead_letter(
        self, message: object, why: str, envelope: Envelope | None = None, error: BaseException | None = None
    ) -> None:
        self.runtime.journal.refused(self.path, message, why, envelope)
        super().dead_letter(message, why, envelope, error)

    def recall(self, envelope: Envelope) -> bool:
        found = super().recall(envelope)
        if found and isinstance(envelope, SimEnvelope):
            self.runtime.journal.open[envelope.number] = envelope
        return found

    def put_aside(self, envelope: Envelope) -> None:
        again = getattr(envelope, "aside", False)
        super().put_aside(envelope)
        if isinstance(envelope, SimEnvelope) and self.stash and not again:
            aside = self.stash[-1]
            kept = SimEnvelope(aside.message, aside.sender, aside.reply, aside.deadline, aside.correlation_id)
            kept.crashes, kept.number, kept.aside, kept.loose = aside.crashes, envelope.number, False, True
            if getattr(aside, "quiet", False):
                kept.quiet = True
            self.stash[-1] = self.runtime.journal.open[envelope.number] = kept

    # Life

    def take_props(self, props: Props) -> None:
        super().take_props(props)
        self.supervisor = props.kind.manages_lifecycle  # another class may have come

    def begin(self) -> None:
        journal = self.runtime.journal
        journal.note(seen.Starting, self.path, self.incarnation + 1)
        again = self.incarnation > 0
        super().begin()
        if again and self.aimed[RESTARTS] and self.runtime.injector.due(self.aimed[RESTARTS], self.path, None):
            self.runtime.control_call(self._kill_if, self.incarnation)

    async def _come_up(self) -> None:
        if self.aimed[STARTS] and self.runtime.injector.due(self.aimed[STARTS], self.path, None):
            raise InjectedCrash(self.path, f"at start {self.incarnation}")
        raising = self.raising
        if raising is None:
            return await super()._come_up()
        raising.at("init")
        if self.carried is not _NOTHING:
            error = raising.error("on_restore")
            if error is not None:
                self.carried = _NOTHING
                self.actor = self.props.construct(self)
                raise error
        await super()._come_up()
        raising.at("on_start")

    async def _farewell(self, reason: ExitReason) -> None:
        if self.aimed[STOPS] and self.runtime.injector.due(self.aimed[STOPS], self.path, None):
            raise InjectedCrash(self.path, f"at the end of incarnation {self.incarnation}")
        raising = self.raising
        if raising is None:
            return await super()._farewell(reason)
        if self.supervised and self.props.kind.carries:
            raising.at("carry_over")
        await super()._farewell(reason)
        raising.at("on_failure" if isinstance(reason, Crashed) else "on_stop")

    def _tell_parent(self, notice: object) -> None:
        journal = self.runtime.journal
        match notice:
            case ChildStarted(incarnation=incarnation):
                journal.note(seen.Started, self.path, incarnation)
            case ChildDeclined(incarnation=incarnation):
                journal.note(seen.Declined, self.path, incarnation)
            case ChildStartFailed(incarnation=incarnation, reason=reason):
                journal.note(seen.StartFailed, self.path, incarnation, reason)
        super()._tell_parent(notice)

    def _dispose_of(self, culprit: Envelope | None, reason: ExitReason) -> None:
        self.disposed_of = culprit
        super()._dispose_of(culprit, reason)
        self.disposed_of = None

    def _publish_exit(self, reason: ExitReason, culprit: Envelope | None) -> None:
        kind = type(culprit.message).__qualname__ if culprit is not None else None
        self.runtime.journal.note(seen.Exited, self.path, self.incarnation, reason, kind)
        super()._publish_exit(reason, culprit)

    def stop(self, reason: ExitReason, grace: float | None) -> None:
        self.runtime.journal.note(seen.StopOrdered, self.path, self.incarnation, reason, grace)
        super().stop(reason, grace)

    def doom(self, reason: ExitReason) -> Callable[[], object] | None:
        if self.state not in (State.DOWN, State.CLOSED):
            self.runtime.journal.note(seen.KillOrdered, self.path, self.incarnation, reason)
        return super().doom(reason)

    def close(self, reason: ExitReason) -> None:
        if not self.closed:
            self.runtime.journal.note(seen.Closed, self.path, reason)
        super().close(reason)

    def withdraw(self, envelope: Envelope) -> None:
        super().withdraw(envelope)
        if isinstance(envelope, SimEnvelope):
            self.runtime.journal.open.pop(envelope.number, None)

    def _drop_waiting(self, why: str) -> None:
        for envelope in self.waiting_messages():
            if isinstance(envelope, SimEnvelope) and type(envelope.message) is _ActorStop:
                self.runtime.journal.open.pop(envelope.number, None)  # a request to stop has come true
        super()._drop_waiting(why)

    # What waits, for the oracles

    def waiting_messages(self) -> list[Envelope]:
        """Every message that is in the mailbox, in the stash or being handled."""
        return [*waiting_in(self.queue), *(self.stash or ())]


RESTARTS, STARTS, STOPS = (KillDuringRestart,), (CrashInStart,), (CrashInStop,)
AIMS: tuple[tuple[type[Fault], ...], ...] = (ON_THE_WAY, IN_HANDLER, RESTARTS, STARTS, STOPS)
NOTHING_AIMED: dict[tuple[type[Fault], ...], tuple[tuple[int, Fault], ...]] = dict.fromkeys(AIMS, ())


def _crash(error: BaseException, actor: object, message: object) -> None:
    raise error


class _WatchedTable(Dispatch):
    """The handlers of one cell. The loop of the cell looks up every message here when it takes it."""

    def __init__(self, cell: SimCell, table: Dispatch) -> None:
        self._cell = cell
        self._real = table

    def __getitem__(self, kind: type) -> Handler:
        handler = self._real[kind]
        cell = self._cell
        envelope = cell.envelope
        if type(envelope) is not SimEnvelope:
            if cell.supervisor and envelope is not None:
                _notice(cell, envelope.message)
            if cell.raising is not None and kind is Continue:
                return cell.raising.instead("on_continue", handler)
            return handler
        if envelope is cell.took:
            return handler
        cell.took = envelope
        cell.runtime.journal.taken(cell, envelope)
        armed = cell.aimed[IN_HANDLER]
        if armed and cell.is_user_message(envelope):
            faults = cell.runtime.injector.due(armed, cell.path, envelope.number)
            if faults:
                handler = cell.faulty(handler, envelope, faults)
        return handler if cell.raising is None else cell.with_raising(handler, envelope)


def _notice(cell: SimCell, message: object) -> None:
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
        case _ if type(message).__name__ == "Due":
            name = "due"
        case _ if type(message).__name__ == "Adopted":
            cell.runtime.journal.note(seen.Adopted, cell.path, message.spec)  # type: ignore[attr-defined]
            return
        case _:
            return
    cell.runtime.journal.note(seen.Noticed, cell.path, name, child, incarnation, reason)


class WatchedQueue(deque[Envelope]):
    """A mailbox without bound."""

    cell: SimCell

    def append(self, envelope: Envelope) -> None:
        cell = self.cell
        sim = cell.runtime.journal.arrived(cell, envelope)
        if cell.aimed[ON_THE_WAY] and cell.is_user_message(sim):
            cell.tampered(sim, super().append)
        else:
            super().append(sim)

    def appendleft(self, envelope: Envelope) -> None:
        _back(self.cell, envelope)
        super().appendleft(envelope)


class WatchedPriorityQueue(PriorityQueue):
    """A mailbox with priorities."""

    cell: SimCell

    def append(self, envelope: Envelope, rank: float | None = None) -> None:
        cell = self.cell
        rank = self.rank(envelope) if rank is None else rank
        sim = cell.runtime.journal.arrived(cell, envelope)
        sim.loose = True
        if cell.aimed[ON_THE_WAY] and cell.is_user_message(sim):
            cell.tampered(sim, partial(self._push, rank))
        else:
            self._push(rank, sim)

    def force(self, envelope: Envelope) -> None:
        super().force(self.cell.runtime.journal.arrived(self.cell, envelope))

    def appendleft(self, envelope: Envelope) -> None:
        _back(self.cell, envelope)
        super().appendleft(envelope)


def _back(cell: SimCell, envelope: Envelope) -> None:
    cell.took = None
    if isinstance(envelope, SimEnvelope):
        cell.runtime.journal.back(envelope)
        disposed = cell.disposed_of
        if (
            isinstance(disposed, SimEnvelope) and disposed.number == envelope.number
        ):  # else it was stashed, or an order to stop that others overtook
            cell.runtime.journal.note(seen.Redelivered, cell.path, envelope.number, envelope.crashes)


def _watched(cell: SimCell, queue: Queue) -> Queue:
    if isinstance(queue, BoundedQueue):
        queue._inner = _watched(cell, queue._inner)
        return queue
    watched: WatchedQueue | WatchedPriorityQueue
    watched = WatchedPriorityQueue(queue._priority, cell.path) if isinstance(queue, PriorityQueue) else WatchedQueue()
    watched.cell = cell
    return watched
