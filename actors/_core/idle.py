"""The idle timeout: a message to an actor that has handled none for some time."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from actors._core.clock import TimerHandle
from actors._core.current import own_incarnation
from actors._core.envelope import Envelope
from actors._core.life import Phase
from actors._core.messages import OF_THE_SYSTEM_LANE, IdleTimeout, Timed
from actors._core.possessions import for_incarnation, is_over
from actors._core.timers import lose_tick

if TYPE_CHECKING:
    from actors._core.cell import Cell

IDLE = IdleTimeout()
"""The message, unless the actor wants another one."""


class IdleTimer:
    """The idle timeout of an incarnation. It has one timer, which is set again when it is due and a message was handled
    meanwhile: a message only notes the time.
    """

    __slots__ = ("_active", "_cell", "_handle", "_incarnation", "_last", "_message", "_seconds", "_tick")

    def __init__(self, cell: Cell, seconds: float, message: object) -> None:
        self._cell = cell
        self._seconds = seconds
        self._message = message
        self._incarnation = own_incarnation(cell)
        self._last = cell.runtime.now()
        """When the last handler ended, or this began."""
        self._tick: IdleTick | None = None
        """The tick that waits in the mailbox."""
        self._handle: TimerHandle | None = None
        self._active = True
        for_incarnation(cell, self._arm)

    def _arm(self) -> None:
        if self._active:
            self._set(self._last + self._seconds)

    def _set(self, due: float) -> None:
        self._handle = self._cell.runtime.clock.call_at(due, self._due)

    def _due(self) -> None:
        if not self._active:
            return
        cell, now = self._cell, self._cell.runtime.now()
        busy = cell.active or cell.envelope is not None or len(cell.queue) or cell.urgent
        if busy or cell.phase is not Phase.RUNNING:
            self._set(now + self._seconds)
        elif now < self._last + self._seconds:
            self._set(self._last + self._seconds)
        else:
            self._set(now + self._seconds)
            self._tick = IdleTick()
            envelope = Envelope(Timed(self._incarnation, self._message, self._tick), cell)
            try:
                cell.put(envelope)
            except BaseException as error:  # noqa: BLE001 - there is no sender to tell
                lose_tick(cell, envelope, self._message, error)

    def handled(self, message: object, now: float) -> None:
        """A handler has ended. On the host."""
        if type(message) in OF_THE_SYSTEM_LANE or (type(message) is Timed and message.cancelled):
            return
        self._last = now
        if self._tick is not None:
            self._tick.cancelled = True  # it waits behind this message: the actor was not idle
            self._tick = None

    def cancel(self) -> None:
        """No tick comes any more, even if one waits already."""
        if self._tick is not None:
            self._tick.cancelled = True
        self.end()

    def end(self) -> None:
        """No further tick is sent."""
        self._active = False
        self._cell.runtime.on_loop(self._disarm)

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class IdleTick:
    """The sender of one message of an idle timeout."""

    is_keyed: ClassVar[bool] = False

    __slots__ = ("cancelled",)

    def __init__(self) -> None:
        self.cancelled = False

    def came(self) -> None:
        """Its message is about to be handled."""


def is_span(seconds: object) -> bool:
    """Whether this is a number of seconds > 0."""
    return type(seconds) in (int, float) and seconds > 0  # type: ignore[operator]


def set_idle_timeout(cell: Cell, seconds: float | None, message: object) -> None:
    """Replaces the idle timeout of the incarnation to which the running code belongs, if it is there."""
    if is_over(cell):
        return
    possessions = cell.possess()
    earlier = possessions.idle
    possessions.idle = None if seconds is None else IdleTimer(cell, seconds, message)
    cell.note_handlers()
    if earlier is not None:
        earlier.cancel()
