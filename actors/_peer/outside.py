"""The actors outside of a place, as its runtime sees them: each is a cell whose messages are sent to the program.

At most `WINDOW` messages for one of them are on their way that its mailbox has not taken, and as many wait here. Then a
thread waits in `tell`, and a coroutine in `send`. A `tell` on an event loop cannot wait, and never does.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pykka.messages import _ActorStop

from actors._core.actor import Actor
from actors._core.actor_type import ActorType
from actors._core.cell import Cell
from actors._core.envelope import Envelope
from actors._core.mailbox import BoundedQueue, MailboxSpec
from actors._core.outcomes import overflow
from actors._core.placed import SendingTable
from actors._core.props import Props
from actors._core.ref import ActorRef
from actors._place.codec import RefKey

if TYPE_CHECKING:
    from actors._core.hooks import Rest
    from actors._runtime.runtime import Runtime
    from actors.reasons import ExitReason


WINDOW = 1000
"""How many messages for one actor may be on their way to its mailbox."""


class Outbound(Protocol):
    """The peer, which sends what is said to an actor outside."""

    def send_out(self, path: str, message: object, envelope: Envelope) -> bool:
        """Sends a message, a question or an order to stop to the actor at this path. Returns whether its mailbox will
        say that it has taken it.
        """

    def speaks(self, cell: OutsideCell) -> None:
        """A message waits to be sent to the actor of this cell. From any thread."""

    def has_spoken(self, cell: OutsideCell) -> None:
        """What waited for the actor of this cell was sent, as far as there was room for it. On the loop thread."""

    def order(self, path: str, order: str, sender: Cell | None = None) -> None:
        """Kills, suspends or resumes the actor at this path, or stops it at once, as `sender` orders; None: the placed
        actor.
        """


class OutsideActor:
    """Stands in its cell for an actor of the program."""

    trap_exits = False

    def __init__(self, cell: OutsideCell, peer: Outbound) -> None:
        self._cell = cell
        self._peer = peer

    def on_start(self) -> None:
        """There is nothing to start."""

    def send_out(self, message: object) -> None:
        """Sends the message being handled to the program."""
        envelope = self._cell.envelope
        assert envelope is not None
        if self._peer.send_out(self._cell.path, message, envelope):
            self._cell.busy()
        if not self._cell.queue:
            self._peer.has_spoken(self._cell)


class OutsideTable(SendingTable):
    """Every message is sent to the program, and every order to stop that waits its turn."""

    def __init__(self) -> None:
        super().__init__(OutsideActor.send_out)
        self[_ActorStop] = OutsideActor.send_out


class OutsideType(ActorType):
    """The class of an actor of the program, of which this process has no instance."""

    placed = True

    def __init__(self, peer: Outbound, actor_class: type[Any], ref_type: type[ActorRef[Any]]) -> None:
        self.actor_class = actor_class
        self.table = OutsideTable()
        self.concurrency = WINDOW
        self.ref_type = ref_type
        self.continues = False
        self.answers = self.resumes = ()
        self.carries = False
        self.idle_timeout = None
        self.manages_lifecycle = False
        self.host = "loop"
        self.mailbox = None
        self._peer = peer

    def construct(self, cell: Cell, args: Sequence[object], kwargs: Mapping[str, object]) -> OutsideActor:
        assert isinstance(cell, OutsideCell)
        return OutsideActor(cell, self._peer)

    def farewell(self, cell: Cell, reason: ExitReason) -> Rest:
        return None


class OutsideQueue(BoundedQueue):
    """What waits to be sent to one actor. A sender waits that can: one in a thread without an event loop, which does
    not ask.
    """

    speaks: Callable[[], object]
    """Called for each message that comes, when it is here."""

    def append(self, envelope: Envelope) -> None:
        if envelope.reply is not None or asyncio._get_running_loop() is not None:
            self.force(envelope)
        else:
            super().append(envelope)
        self.speaks()

    async def admit(self, envelope: Envelope) -> None:
        await super().admit(envelope)
        self.speaks()


class OutsideCell(Cell):
    """The cell of an actor of the program. Orders to it are sent there."""

    __slots__ = ("_peer",)

    def __init__(self, runtime: Runtime, peer: Outbound, key: RefKey) -> None:
        path, actor_class, ref_type = key
        self._peer = peer
        kind = OutsideType(peer, actor_class or Actor, ref_type or ActorRef)
        super().__init__(runtime, Props(kind), path, None, supervised=False)
        spec = MailboxSpec(capacity=WINDOW, policy="block")
        queue = OutsideQueue(spec, deque(), path, lambda envelope: overflow(self, envelope), runtime.park)
        queue.speaks = partial(peer.speaks, self)
        self.queue = queue

    def taken(self, count: int) -> None:
        """The mailbox over there has taken so many messages more."""
        self.active = max(0, self.active - count)
        if not self.active:
            self.envelope = None
        self.reopen()

    def send_waiting(self) -> None:
        """Sends what waits, as far as there is room in the window: now, and not in its turn. On the loop thread."""
        while (self.open and self.queue) or (self.pending is not None and not self.active):
            self.turn(self.runtime.now())

    def hurry(self) -> None:
        """This process ends: what waits is sent now."""
        self.concurrency = sys.maxsize
        self.reopen()

    def put_stop(self, envelope: Envelope) -> None:
        self.put(envelope)  # behind what was told to the actor before

    def stop(self, reason: ExitReason, grace: float | None) -> None:
        self._peer.order(self.path, "stop_now")

    def kill(self, reason: ExitReason, culprit: Envelope | None = None) -> None:
        self._peer.order(self.path, "kill")

    def order_suspension(self, suspended: bool) -> None:
        self._peer.order(self.path, "suspend" if suspended else "resume")

    def incarnation_ended(self, reason: ExitReason) -> None:
        """An incarnation has ended over there: its watchers here are told."""
        watchers, self.watchers = self.watchers, None
        if watchers is not None:
            watchers.tell(reason)

    def terminated(self, reason: ExitReason) -> None:
        """The actor has terminated over there."""
        super().kill(reason)
