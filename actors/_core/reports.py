"""The reports of a cell about its life: to the observer, to the events, to its parent.

Nothing here changes the cell. On the runtime's loop thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors._core.messages import ChildDeclined, ChildExited, ChildStarted, ChildStartFailed
from actors._core.observer import Moment
from actors.errors import IgnoreStart
from actors.events import CrashedExit, Exited, Started, StartFailed
from actors.reasons import Crashed, ExitReason

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.possessions import Possessions


def progress(cell: Cell) -> int:
    """How many messages the incarnation has handled without failure: what tells one that fails now and then from one
    that always fails. A supervisor says itself what it has achieved.
    """
    if cell.kind.says_progress:
        return int(cell.actor is not None and cell.actor.made_progress())
    unproductive = cell.unproductive - len(cell.urgent or ())  # what still waits there was not handled
    return max(0, cell.handled - unproductive - cell.active)


def healthy(possessions: Possessions) -> bool:
    """Whether the incarnation with these possessions has said that it works."""
    return possessions.healthy


def up(cell: Cell, at: float) -> None:
    """The incarnation is up."""
    runtime = cell.runtime
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.UP)
    if runtime.events.takers[Started]:
        runtime.events.publish(Started(cell.path, at, cell.props.kind.actor_class, cell.incarnation))
    if not cell.supervised:
        runtime.started(cell, None)
    elif cell.parent is not None:
        cell.parent.put_urgent(ChildStarted(cell.id, cell.incarnation))


def exited(cell: Cell, reason: ExitReason, message_type: str | None, progress: int, healthy: bool) -> bool:
    """The incarnation has ended, and had handled so many messages without failure, and said that it works or did not.
    Returns whether its parent was told: otherwise this exit is the last.
    """
    runtime, kind, parent = cell.runtime, cell.props.kind.actor_class, cell.parent
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.EXITED, reason, None, message_type)
    events = runtime.events
    if isinstance(reason, Crashed):
        if events.takers[CrashedExit]:
            events.publish(CrashedExit(cell.path, runtime.now(), kind, cell.incarnation, reason, message_type))
    elif events.takers[Exited]:
        events.publish(Exited(cell.path, runtime.now(), kind, cell.incarnation, reason))
    if not cell.supervised or parent is None or parent.closed:
        return False
    parent.put_urgent(ChildExited(cell.id, cell.incarnation, reason, message_type, progress, healthy))
    return True


def start_failed(cell: Cell, reason: ExitReason) -> None:
    """The incarnation did not come up."""
    runtime, kind = cell.runtime, cell.props.kind.actor_class
    runtime.events.publish(StartFailed(cell.path, runtime.now(), kind, cell.incarnation, reason))
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.START_FAILED, reason)
    if not cell.supervised:
        runtime.started(cell, reason)
    elif cell.parent is not None:
        cell.parent.put_urgent(ChildStartFailed(cell.id, cell.incarnation, reason))


def declined(cell: Cell) -> None:
    """The incarnation has declined its start."""
    runtime = cell.runtime
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.DECLINED)
    if not cell.supervised:
        runtime.started(cell, IgnoreStart())
    elif cell.parent is not None:
        cell.parent.put_urgent(ChildDeclined(cell.id, cell.incarnation))
