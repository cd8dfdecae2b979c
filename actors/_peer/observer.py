"""The observer of the runtime of an actor in its process: each step of the actor, and what it logs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from actors._core.cell import Cell
from actors._core.envelope import Envelope
from actors._core.handlers import HandlerFunction
from actors._core.mailbox import Queue
from actors._core.messages import Continue
from actors._core.observer import Moment
from actors._peer.below import Below, RelayedEnvelope
from actors._peer.inside import InnerCell, NumberedEnvelope
from actors.reasons import ExitReason


class ObservedPeer(Protocol):
    """The peer, as its observers tell it."""

    inner: Below

    def lived(self, cell: Cell, moment: Moment, reason: ExitReason | None) -> None:
        """An actor has come to this moment of its life."""

    def ends(self, cell: Cell) -> None:
        """The first hook of the end is about to run."""

    def begins(self, number: int) -> None:
        """A handler begins with this message."""

    def handled(self, envelope: Envelope, outcome: str) -> None:
        """A handler has ended."""

    def decided(self, envelope: Envelope) -> None:
        """A handler has raised, and what follows is decided."""

    def refused(self, why: str, envelope: Envelope | None) -> None:
        """A message is a dead letter."""

    def write_now(self) -> None:
        """Sends what waits to be sent."""

    def send(self, *frame: object) -> None:
        """Sends a frame."""

    def send_now(self, *frame: object) -> None:
        """Sends a frame, at once where it can."""


class PeerObserver:
    """Sees every step of the runtime of this process, and tells the peer of those of its actor."""

    def __init__(self, peer: ObservedPeer) -> None:
        self._peer = peer

    def made(self, cell: Cell, /) -> None:
        self._peer.inner.made(cell)

    def lived(
        self,
        cell: Cell,
        moment: Moment,
        /,
        reason: ExitReason | None = None,
        grace: float | None = None,
        message_type: str | None = None,
    ) -> None:
        self._peer.inner.lived(cell, moment, reason)
        self._peer.lived(cell, moment, reason)

    def hook(self, cell: Cell, place: str, /) -> None:
        if place == "end":
            self._peer.ends(cell)
            self._peer.inner.ends(cell)
        if isinstance(cell, InnerCell):
            self._peer.write_now()

    def queue(self, cell: Cell, priority: Callable[[Any], float] | None, /) -> Queue:
        return self._peer.inner.queue(cell, priority)

    def taken(self, cell: Cell, envelope: Envelope, handler: HandlerFunction, /) -> HandlerFunction:
        if type(envelope) is NumberedEnvelope:
            self._peer.begins(envelope.number)
        else:
            self._peer.inner.begins(cell)
        return handler

    def handled(self, cell: Cell, envelope: Envelope, outcome: str, /) -> None:
        if type(envelope.message) is Continue and isinstance(cell, InnerCell):
            self._peer.send("continued")
        self._peer.inner.handled(cell, envelope, outcome)
        self._peer.handled(envelope, outcome)

    def decided(self, cell: Cell, envelope: Envelope, /) -> None:
        self._peer.decided(envelope)

    def refused(self, cell: Cell, message: object, why: str, envelope: Envelope | None, /) -> None:
        self._peer.inner.refused(envelope)
        self._peer.refused(why, envelope)

    def stashed(self, cell: Cell, envelope: Envelope, copy: Envelope, /) -> Envelope:
        if isinstance(envelope, RelayedEnvelope):
            return envelope.copied(copy)
        if not isinstance(envelope, NumberedEnvelope):
            return copy
        kept = NumberedEnvelope(copy.message, copy.sender, copy.reply, copy.deadline, copy.correlation_id)
        kept.number, kept.crashes = envelope.number, copy.crashes
        return kept

    def recalled(self, cell: Cell, envelope: Envelope, /) -> None:
        """The program decides on it."""

    def withdrawn(self, cell: Cell, envelope: Envelope, /) -> None:
        """An order to stop waits in the program."""


class LinkLogHandler(logging.Handler):
    """Sends log records to the logger of the same name in the program."""

    def __init__(self, peer: ObservedPeer) -> None:
        super().__init__()
        self._peer = peer

    def emit(self, record: logging.LogRecord) -> None:
        """Sends the record. What cannot be sent of it is shown as text."""
        try:
            fields = dict(record.__dict__, msg=record.getMessage(), args=None)
            if record.exc_info:
                fields["exc_text"] = record.exc_text or logging.Formatter().formatException(record.exc_info)
                fields["exc_info"] = None
            for name, value in fields.items():
                if not isinstance(value, str | int | float | None):
                    fields[name] = str(value)
            self._peer.send_now("log", fields)
        except Exception:  # noqa: BLE001 - as every handler does
            self.handleError(record)
