"""The cells of inner actors: actors that live in the process of a placed actor, below it, as the program shows them.

A mirror has the path, the ref, the names and the mailbox of the inner actor, so that finding, sending, watching and
looking work as for any other. It has no life of its own: the process says what happens to the inner actor, and orders
to a mirror go there. What waits in its mailbox survives the process.

This is the one place outside of `cell.py` that writes into a cell: the phases of a mirror are shown, not lived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from actors._core.actor_type import ActorType
from actors._core.cell import Cell
from actors._core.current import enter
from actors._core.envelope import Envelope
from actors._core.leftovers import drop_notices
from actors._core.life import ABSENT, Phase
from actors._core.placed import SendingTable
from actors._core.trace import Trace, TraceLine
from actors.events import Exited

if TYPE_CHECKING:
    from actors._core.hooks import Rest
    from actors._core.mailbox import MailboxSpec
    from actors._core.process import PlaceSpec
    from actors._core.props import Props
    from actors._core.ref import ActorRef
    from actors._runtime.runtime import Runtime
    from actors.reasons import ExitReason

_TABLE = SendingTable(everything=True)


class InnerProcess(Protocol):
    """The process of the inner actor, as its mirror needs it."""

    def relay(self, mirror: MirrorCell, envelope: Envelope) -> bool:
        """Sends a message to the inner actor. Returns whether it is under way."""

    def order(self, mirror: MirrorCell, order: str, argument: object = None) -> None:
        """Gives an order to the inner actor."""

    def order_end(self, mirror: MirrorCell, order: str, reason: ExitReason) -> None:
        """Orders an end for this reason."""


class MirrorActor:
    """Stands in a mirror for the present incarnation of the inner actor."""

    __slots__ = ("trap_exits",)

    def __init__(self) -> None:
        self.trap_exits = False


class MirrorType(ActorType):
    """The class of an inner actor."""

    placed = True
    mirrored = True

    def __init__(
        self,
        actor_class: type[Any],
        ref_type: type[ActorRef[Any]],
        host: PlaceSpec,
        concurrency: int,
        mailbox: MailboxSpec | None,
    ) -> None:
        self.actor_class = actor_class
        self.ref_type = ref_type
        self.host = host
        self.concurrency = concurrency
        self.mailbox = mailbox
        self.table = _TABLE
        self.continues = self.carries = self.manages_lifecycle = False
        self.answers = self.resumes = ()
        self.idle_timeout = None

    def construct(self, cell: Cell, args: Sequence[object], kwargs: Mapping[str, object]) -> MirrorActor:
        return MirrorActor()

    def farewell(self, cell: Cell, reason: ExitReason) -> Rest:
        return None


class MirrorCell(Cell):
    """The cell of an inner actor in the program. Every method is called on the loop thread, but those for sending."""

    __slots__ = ("_before", "_inside", "_queued", "process")

    process: InnerProcess
    """The present process, or the last one."""

    def __init__(
        self,
        runtime: Runtime,
        process: InnerProcess,
        props: Props,
        path: str,
        parent: Cell,
        *,
        supervised: bool,
        placed: bool,
    ) -> None:
        self.process = process
        self._before = self._inside = (0, 0, 0, 0.0)
        self._queued = 0
        super().__init__(runtime, props, path, parent, supervised=supervised, placed=placed)
        self.context = runtime.context.copy()
        self.context.run(enter, self)

    def move_to(self, process: InnerProcess) -> None:
        """The inner actor is there again, in this process."""
        self.process = process
        before, inside = self._before, self._inside
        self._before = (before[0] + inside[0], before[1] + inside[1], before[2] + inside[2], before[3] + inside[3])
        self._inside = (0, 0, 0, 0.0)
        self.table, self.concurrency = self.props.kind.table, self.props.kind.concurrency
        if self.suspended:
            process.order(self, "suspend")
        if self.trace is not None:
            self._order_trace()

    # What the process says

    def begun(self, incarnation: int) -> None:
        """An incarnation begins."""
        self.settle_exit()
        self.phase, self.incarnation, self.actor = Phase.STARTING, incarnation, MirrorActor()
        self.kind = self.props.kind

    def up(self, trap_exits: bool) -> None:
        """The incarnation is up."""
        self.actor.trap_exits = trap_exits
        self.phase, self.up_since = Phase.RUNNING, self.runtime.now()
        self.reopen()

    def ends(self) -> None:
        """The incarnation is on its way out."""
        self.phase, self.open = Phase.LEAVING, False

    def ended(self, reason: ExitReason) -> None:
        """The incarnation has ended, or did not come up. Its watchers are told when another one may follow."""
        self.open, self.reason = False, reason
        possessions, self.possessions = self.possessions, None
        if possessions is not None:
            possessions.release()
        self.phase, self.actor = Phase.ENDED, None

    def declined(self) -> None:
        """The incarnation has declined its start."""
        self.phase, self.open, self.actor = Phase.DOWN, False, None

    def lost(self, reason: ExitReason) -> None:
        """The process is gone. What was under way to the inner actor has its end."""
        self.active, self.envelope, self._queued = 0, None, 0
        self.wait_for(None)
        urgent, self.urgent = self.urgent, None
        drop_notices(self, urgent or (), self.possessions)
        if self.phase not in ABSENT:
            self.ended(reason)
            kind = self.props.kind.actor_class
            self.runtime.events.publish(Exited(self.path, self.runtime.now(), kind, self.incarnation, reason))

    def is_suspended(self, suspended: bool) -> None:
        """The inner actor is suspended, or takes messages again."""
        if self.suspended != suspended:
            super().suspend(suspended)

    def count(self, handled: int, crashes: int, resumed: int, seconds: float, queued: int) -> None:
        """The counters of the inner actor in this process."""
        before = self._before
        self._inside, self._queued = (handled, crashes, resumed, seconds), queued
        self.handled, self.crashes = before[0] + handled, before[1] + crashes
        self.resumed, self.seconds = before[2] + resumed, before[3] + seconds

    def add_line(self, line: TraceLine) -> None:
        """The inner actor has handled a message."""
        trace = self.trace  # read once: another thread may take it back
        if trace is not None:
            trace.add(line)

    @property
    def queued_elsewhere(self) -> int:
        return self._queued

    # Messages and orders

    def send_in(self, envelope: Envelope) -> bool:
        """Sends a message to the inner actor. Returns whether it is under way. The process counts what was handled."""
        self.handled -= 1
        return self.process.relay(self, envelope)

    def stop(self, reason: ExitReason, grace: float | None) -> None:
        self.process.order_end(self, "stop_now", reason)

    def kill(self, reason: ExitReason, culprit: Envelope | None = None) -> None:
        self.process.order_end(self, "kill", reason)

    def crash(self, reason: ExitReason, culprit: Envelope | None = None) -> None:
        """A linked actor has ended."""
        self.process.order_end(self, "crash", reason)

    def suspend(self, suspended: bool) -> None:
        super().suspend(suspended)
        self.process.order(self, "suspend" if suspended else "resume")

    def keep_trace(self, last: int) -> None:
        self.trace = Trace(last, self.trace) if last else None
        self.runtime.control_call(self._order_trace)

    def _order_trace(self) -> None:
        trace = self.trace
        self.process.order(self, "trace", 0 if trace is None else trace.most)

    def note_handlers(self) -> None:
        """The process says which messages were handled."""
