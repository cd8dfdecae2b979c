"""The carrier of a place: it starts the runtime elsewhere, moves the frames between the two, and tells its end.

A carrier knows nothing of actors and messages. The place and its peer know nothing of processes and sockets.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping, MutableSequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.clock import Clock
    from actors._core.placed import PlacedType
    from actors._place.link import Frame
    from actors.errors import PlaceLost

PROTOCOL = 3
"""The version of the frames between a place and its peer."""
VERSION = f"Python {sys.version.split()[0]} with protocol {PROTOCOL}"


class LoopOwner(Protocol):
    """The owner of an event loop on which processes are started: the runtime of a program, or a keeper."""

    loop: asyncio.AbstractEventLoop
    context: Context
    """What runs on the loop runs in a copy of it."""
    clock: Clock
    kill_grace: float
    """The seconds that the end of what it kills may take."""


class Carried(Protocol):
    """The place, as its carrier tells it. Everything is called on the loop thread of the program."""

    path: str

    def received(self, frame: Frame, /) -> None:
        """A frame of the peer."""

    def looked_up(self, question: Frame, /) -> None:
        """A thread of the peer asks, and waits for the answer."""

    def ended(self, error: BaseException | None, /) -> None:
        """The runtime over there is gone, by this error if it was not told to end. Called once, and last."""


class Carrier(Protocol):
    """Carries one incarnation. Everything is called on the loop thread of the program."""

    name: str
    """Its description, such as `process 4711`."""
    knows_begun: bool
    """Whether `last_begun` is certain, now that the runtime is gone. Otherwise a later message may have been begun."""

    delay: float
    """How many seconds old `last_begun` may be while the runtime is there."""

    def begin(self, *first: object) -> None:
        """Asks for the runtime, and sends it this frame. Raises OSError. Returns before the runtime is up."""

    def send(self, *frame: object) -> None:
        """Sends a frame, at the latest in the next pass of the loop. Does nothing when the runtime is gone."""

    def answer(self, *frame: object) -> None:
        """Answers the thread of the peer that has asked."""

    def kill(self) -> None:
        """Ends the runtime, in whatever state it is. `ended` is called when it is gone, which may be at once."""

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, and the seconds since then. It is known when
        the runtime is gone, too.
        """

    def being_read(self) -> int:
        """The number of the message that was being read when the runtime ended, known then; 0: none, or that cannot be
        known.
        """

    def noted_inside(self) -> tuple[int, int]:
        """How many messages wait in the mailboxes of inner actors, and whether those have handled one (1 or 0). It is
        known when the runtime is gone, too; 0 where that cannot be known.
        """

    def catch_up(self) -> None:
        """Hands over what the peer has sent until now: before a question of a thread there is answered."""

    def loss(self, how: str) -> PlaceLost:
        """The error for an end of which no more is known, in these words."""

    def close(self) -> None:
        """Gives up what it has of the runtime, and ends it if it is there. Nothing is told any more."""

    def forked_away(self) -> None:
        """This process is a fork of the program: it keeps no runtime alive."""


class Carriers(Protocol):
    """Makes the carriers of one kind for a program."""

    def carrier(self, place: Carried, cell: Cell, kind: PlacedType) -> Carrier:
        """Makes the carrier of a place, which is begun with `begin`."""

    async def close(self) -> None:
        """Ends what starts the runtimes. Every place has ended."""

    def abandon(self) -> None:
        """Ends it at once."""

    def forked_away(self) -> None:
        """This process is a fork of the program."""


class PeerConnection(Protocol):
    """The other end of a carrier, as the peer has it. Everything but `look_up` is called on the loop thread there."""

    @property
    def has_output(self) -> bool:
        """Whether a frame waits to be written."""

    def open(self, peer: Any, /) -> None:
        """Begins to hand over frames, each to `peer.received`."""

    def log_by(self, handler: logging.Handler, levels: Mapping[str, int]) -> None:
        """What is logged over there is written by this handler, at the levels of the program's loggers."""

    def send(self, *frame: object) -> None:
        """Sends a frame, at the latest in the next pass of the loop."""

    def write_now(self) -> None:
        """Writes what waits, as far as the program takes it."""

    def begins(self, number: int) -> None:
        """Notes the number of the message that the actor begins with, so that the program has it if this ends."""

    def reads(self, number: int) -> None:
        """Notes the number of the message that is being read, which may end this; 0: that was read."""

    def write_all(self) -> None:
        """Writes what waits, and blocks until the program's end has it: a question about that follows."""

    def inner_notes(self) -> MutableSequence[int]:
        """Three numbers that the program knows if this ends: how many messages came into the mailboxes of inner actors,
        how many were taken out, and whether one was handled (1 or 0). Written from any thread.
        """

    def look_up(self, *question: object) -> tuple[bool, Any]:
        """Asks the program, and blocks this thread until it answers: whether there is a result, and the result or the
        encoded error.
        """

    def end(self) -> None:
        """Sends what waits, and ends the runtime. Returns only if the runtime is not a process of its own."""
