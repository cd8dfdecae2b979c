"""The reports of a cell about its life: to the observer, to the events, to its parent. Those of an end are effects of
the table.

Nothing here writes into the cell. On the runtime's loop thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors._core import outcomes
from actors._core.messages import WRAPPERS, ChildDeclined, ChildExited, ChildStarted, ChildStartFailed, unwrapped
from actors._core.observer import Moment
from actors._user_code.text import type_name
from actors.errors import IgnoreStart
from actors.events import CrashedExit, Exited, Started, StartFailed
from actors.reasons import Crashed, Normal

if TYPE_CHECKING:
    from actors._core.cell import Cell


def progress(cell: Cell) -> int:
    """How many messages the incarnation has handled without failure: what tells one that fails now and then from one
    that always fails. A supervisor says itself what it has achieved.
    """
    if cell.kind.says_progress:
        return int(cell.actor is not None and cell.actor.made_progress())
    unproductive = cell.unproductive - len(cell.urgent or ())  # what still waits there was not handled
    return max(0, cell.handled - unproductive - cell.active)


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


def exited(cell: Cell, *_: object) -> None:
    """The incarnation has ended: has the message that was being handled decided on, and what belongs to it given up."""
    runtime, parent = cell.runtime, cell.parent
    reason, culprit, possessions, message_type = cell.reason, cell.culprit, cell.possessions, None
    handled, healthy = progress(cell), possessions is not None and possessions.healthy
    if culprit is not None:
        again = outcomes.dispose_of(cell, culprit, reason)
        if again is not None:
            cell.queue.appendleft(again)
        message = culprit.message
        message_type = type_name(unwrapped(message) if type(message) in WRAPPERS else message)
    crashed = isinstance(reason, Crashed)
    cell.clear(crashed=crashed)
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.EXITED, reason, None, message_type)
    events, actor_class = runtime.events, cell.props.kind.actor_class
    if isinstance(reason, Crashed):
        if events.takers[CrashedExit]:
            at = runtime.now()
            events.publish(CrashedExit(cell.path, at, actor_class, cell.incarnation, reason, message_type))
    elif events.takers[Exited]:
        events.publish(Exited(cell.path, runtime.now(), actor_class, cell.incarnation, reason))
    if cell.supervised and parent is not None and not parent.closed:
        parent.put_urgent(ChildExited(cell.id, cell.incarnation, reason, message_type, handled, healthy))
    else:
        cell.close_or_park(reason)


def start_failed(cell: Cell, *_: object) -> None:
    """The incarnation did not come up: has what belongs to it given up."""
    runtime, kind, reason = cell.runtime, cell.props.kind.actor_class, cell.reason
    cell.clear(crashed=isinstance(reason, Crashed))
    runtime.events.publish(StartFailed(cell.path, runtime.now(), kind, cell.incarnation, reason))
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.START_FAILED, reason)
    if not cell.supervised:
        runtime.started(cell, reason)
        cell.close_or_park(reason)
    elif cell.parent is not None:
        cell.parent.put_urgent(ChildStartFailed(cell.id, cell.incarnation, reason))


def declined(cell: Cell, *_: object) -> None:
    """The incarnation has declined its start: has what belongs to it given up."""
    runtime = cell.runtime
    cell.clear()
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.DECLINED)
    if not cell.supervised:
        runtime.started(cell, IgnoreStart())
        cell.close_or_park(Normal())
    elif cell.parent is not None:
        cell.parent.put_urgent(ChildDeclined(cell.id, cell.incarnation))
