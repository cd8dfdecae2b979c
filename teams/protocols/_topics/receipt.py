"""Receipts: where the outcome of something that was posted goes, so that no crash of whoever posted it loses it."""

from __future__ import annotations

from collections import deque
from typing import Any, Generic, NamedTuple, TypeVar

from actors.spi import ActorError, ActorRef

R = TypeVar("R", bound="Receipt")


class Settled(NamedTuple):
    """To an actor, from its own tray: outcomes have come."""


SETTLED = Settled()


class Tray(Generic[R]):
    """The outcomes that have come for an actor. Kept, so that an incarnation finds what the last one did not get to."""

    def __init__(self) -> None:
        self.ref: ActorRef[Any] | None = None
        """Whose it is; set by its first incarnation."""
        self.settled: deque[R] = deque()
        """What is not yet dealt with."""
        self.nudged = False
        """Whether a message that says so is on its way."""

    def nudge(self) -> None:
        """Tells the actor that there is something. In the thread of whoever it came from."""
        # The message may be lost in a crash: every incarnation looks into the tray when it starts.
        self.nudged = True
        assert self.ref is not None
        try:
            self.ref.tell(SETTLED)
        except ActorError:  # gone, or its mailbox is full: the next outcome tries again
            self.nudged = False


class Receipt:
    """One outcome: settled in the thread of whoever handled the message, and then in the tray."""

    __slots__ = ("_tray", "error", "result", "settled")

    result: Any

    def __init__(self, tray: Tray[Any]) -> None:
        self._tray = tray
        self.settled = False
        self.error: BaseException | None = None

    def done(self) -> bool:
        return self.settled

    def set_result(self, result: object, /) -> None:
        self.result = result
        self.settled = True
        tray = self._tray
        tray.settled.append(self)
        if not tray.nudged:
            tray.nudge()

    def set_exception(self, exception: BaseException, /) -> None:
        self.error = exception
        self.settled = True
        tray = self._tray
        tray.settled.append(self)
        if not tray.nudged:
            tray.nudge()
