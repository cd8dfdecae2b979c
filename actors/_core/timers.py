"""Timers of actors: a message to oneself later, once or again and again."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, ClassVar

from actors._core.clock import TimerHandle
from actors._core.envelope import BareEnvelope, Envelope
from actors._core.life import ABSENT
from actors._core.messages import Timed, made
from actors._core.outcomes import dead_letter
from actors._core.possessions import has_ended
from actors._user_code.interrupts import hand_on
from actors.errors import BlockingCallError, MailboxFull

if TYPE_CHECKING:
    from actors._core.actor import Actor
    from actors._core.cell import Cell


class Timer:
    """A message that an actor gets later, once or at an interval. It ends with the incarnation that set it."""

    is_keyed: ClassVar[bool] = False

    __slots__ = ("_cell", "_due", "_handle", "_incarnation", "_interval", "_message", "active", "cancelled")

    def __init__(self, actor: Actor, due: float, interval: float | None, message: object) -> None:
        self._cell = cell = actor._cell
        self._due = due
        self._interval = interval
        self._message = message
        self._incarnation = actor._cell_incarnation
        self._handle: TimerHandle | None = None
        self.active = True
        """Whether a message will still come."""
        self.cancelled = False
        """Whether `cancel` was called: not even a message that waits already is handled."""
        cell.runtime.on_loop(self._arm)

    def _arm(self) -> None:
        cell = self._cell
        if not self.active or cell.incarnation != self._incarnation or cell.phase in ABSENT:
            self.active = False
            return
        (cell.possessions or cell.possess()).timers.add(self)
        self._handle = cell.runtime.clock.call_at(self._due, self._fire)

    def _fire(self) -> None:
        cell = self._cell
        if not self.active:
            return
        if self._interval is None:
            self._forget()
        else:
            # From the due time, not from now: an interval does not drift. Missed ticks are left out.
            now = cell.runtime.now()
            self._due += self._interval * max(1, -(-(now - self._due) // self._interval))
            self._handle = cell.runtime.clock.call_at(self._due, self._fire)
        envelope = BareEnvelope()
        envelope.message = made(Timed, (self._incarnation, self._message, self))
        envelope.sender = cell
        try:
            self._put(envelope)
        except BaseException as error:  # noqa: BLE001 - there is no sender to tell
            lose_tick(cell, envelope, self._message, error)
            self.came()

    def _put(self, envelope: Envelope) -> None:
        self._cell.put(envelope)

    def came(self) -> None:
        """Its message is about to be handled, or was lost: it does not wait any more."""

    def cancel(self) -> None:
        """Cancels the timer: its message does not come, even if it waits in the mailbox already. A message that the
        actor has stashed or postponed has come. May be called twice, and from any thread.
        """
        self.cancelled = True
        self.end()

    def end(self) -> None:
        """No further message is sent. One that waits already is left: the end of an incarnation makes it a dead letter
        (`stale_timer`).
        """
        if self.active:
            self.active = False
            self._cell.runtime.on_loop(self._disarm)

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._forget()

    def _forget(self) -> None:
        self.active = False
        if self._cell.possessions is not None:
            self._cell.possessions.timers.discard(self)


class KeyedTimer(Timer):
    """A timer that a new one with the same key replaces."""

    is_keyed = True

    __slots__ = ("key",)

    def __init__(self, actor: Actor, due: float, interval: float | None, message: object, key: Hashable) -> None:
        hash(key)  # before anything is set
        self.key = key
        super().__init__(actor, due, interval, message)
        if has_ended(actor):
            return  # it was never set
        keyed = self._cell.possess().keyed
        earlier = keyed.get(key)
        keyed[key] = self
        if earlier is not None:
            earlier.cancel()

    def came(self) -> None:
        if self._interval is None:
            self._let_go()

    def cancel(self) -> None:
        """The same as for any timer; the key is free."""
        super().cancel()
        self._let_go()

    def _let_go(self) -> None:
        possessions = self._cell.possessions
        if possessions is not None and possessions.keyed.get(self.key) is self:
            del possessions.keyed[self.key]


def lose_tick(cell: Cell, envelope: Envelope, message: object, error: BaseException) -> None:
    """The mailbox has not taken the message of a timer: it is a dead letter. What a priority function of the user's
    raises has no sender to be told.
    """
    full = isinstance(error, MailboxFull | BlockingCallError)
    if not full:
        hand_on(error)
    dead_letter(cell, message, "overflow" if full else "refused", envelope, error)
