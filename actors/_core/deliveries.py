"""Lifecycle events as messages of an actor (`Actor.subscribe`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors._core.envelope import Envelope
from actors._core.mailbox import put_now
from actors._core.outcomes import dead_letter, refuse
from actors._user_code.interrupts import hand_on
from actors.errors import ActorDeadError
from actors.events import LifecycleEvent
from actors.reasons import Normal

if TYPE_CHECKING:
    from actors._core.cell import Cell


class EventForwarder:
    """A sink that sends events to one actor. Never waits; may be called in any thread.

    Such a message is quiet, and so is a message whose place it takes in a full mailbox: an event about it reaches
    functions, such as the log, but not actors. Otherwise an actor would get events about its own handling of events,
    for ever.
    """

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def __call__(self, event: LifecycleEvent) -> None:
        cell = self._cell
        if cell.closed:
            return
        envelope = Envelope(event)
        envelope.quiet = True
        try:
            lost = put_now(cell.queue, envelope)
        except BaseException as error:  # noqa: BLE001 - the user's priority function; there is no sender to tell
            hand_on(error)
            dead_letter(cell, event, "refused", envelope, error)
            return
        for each in lost:
            each.quiet = True
            refuse(cell, each, "overflow", ActorDeadError(cell.path, Normal(), each.message))
        if cell.idle:
            cell.wake()
