"""The observer of a runtime: it sees every step of every actor.

One for a runtime, set before its first actor. The simulation is one; a trace or a live view is another. Without an
observer nothing of this runs. Every call is made on the thread on which the thing happens, before its consequences.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.envelope import Envelope
    from actors._core.handlers import HandlerFunction
    from actors._core.mailbox import Queue
    from actors.reasons import ExitReason


class Moment(Enum):
    """Where an actor is in its life when the observer is called."""

    BEGINS = "begins"
    """An incarnation is told to begin."""
    UP = "up"
    DECLINED = "declined"
    START_FAILED = "start_failed"
    STOP_ORDERED = "stop_ordered"
    KILL_ORDERED = "kill_ordered"
    EXITED = "exited"
    """An incarnation that was up is gone, and everything below it. The parent has not been told."""
    HEALTHY = "healthy"
    """The incarnation says that it works. On its own host, at any time of its life."""
    CLOSED = "closed"
    """The actor terminates."""


class Observer(Protocol):
    """The calls that a runtime makes. An exception of a method is raised at the place of the call."""

    def made(self, cell: Cell, /) -> None:
        """A cell was made; no incarnation has begun."""

    def lived(
        self,
        cell: Cell,
        moment: Moment,
        /,
        reason: ExitReason | None = None,
        grace: float | None = None,
        message_type: str | None = None,
    ) -> None:
        """An actor has come to this moment of its life."""

    def hook(self, cell: Cell, place: str, /) -> None:
        """A hook comes: `init` before the constructor, `on_restore` and `carry_over` before the hook, `on_start`,
        `on_stop` and `on_failure` after it, `end` before the first hook of the end. In the context of the hook.
        """

    def queue(self, cell: Cell, priority: Callable[[Any], float] | None, /) -> Queue:
        """The queue of a mailbox, below its bound: it sees every message that arrives, and every one that is put back.
        Without a priority first come, first served.
        """

    def taken(self, cell: Cell, envelope: Envelope, handler: HandlerFunction, /) -> HandlerFunction:
        """A message, or a notice of the system lane, is about to be handled. Returns the handler to call."""

    def handled(self, cell: Cell, envelope: Envelope, outcome: str, /) -> None:
        """A handler is done with a message: `done` or `failed`."""

    def decided(self, cell: Cell, envelope: Envelope, /) -> None:
        """A handler has raised, and what becomes of its message and of the incarnation is decided, or will be by the
        next steps of the loop thread.
        """

    def refused(self, cell: Cell, message: object, why: str, envelope: Envelope | None, /) -> None:
        """A message is a dead letter."""

    def stashed(self, cell: Cell, envelope: Envelope, copy: Envelope, /) -> Envelope:
        """A handler puts its message aside. Returns the envelope for the stash: as a rule the copy."""

    def recalled(self, cell: Cell, envelope: Envelope, /) -> None:
        """A message is taken out of the stash, because the handler that put it there has crashed."""

    def withdrawn(self, cell: Cell, envelope: Envelope, /) -> None:
        """A waiting message was taken out of the mailbox unhandled: an order to stop that has come true."""
