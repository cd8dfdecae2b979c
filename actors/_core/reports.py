"""The reports of a cell about the end of an incarnation: to the observer, to the events, to its parent. They are
effects of the table.

Nothing here writes into the cell. On the runtime's loop thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors._core import outcomes
from actors._core.children import close_or_park
from actors._core.life import LifeEvent
from actors._core.messages import WRAPPERS, ChildDeclined, ChildExited, ChildStartFailed, unwrapped
from actors._core.observer import Moment
from actors._user_code.text import type_name
from actors.errors import IgnoreStart
from actors.events import CrashedExit, Exited, StartFailed
from actors.reasons import Crashed, Normal

if TYPE_CHECKING:
    from actors._core.cell import Cell


def exited(cell: Cell, *_: object) -> LifeEvent | None:
    """The incarnation has ended: has the message that was being handled decided on, and what belongs to it given up.
    Its progress is how many messages it has handled without failure: that tells an actor that fails now and then from
    one that always fails. A supervisor says itself what it has achieved. Returns what follows at once.
    """
    runtime, parent = cell.runtime, cell.parent
    reason, culprit, possessions, message_type = cell.reason, cell.culprit, cell.possessions, None
    if cell.kind.says_progress:
        handled = int(cell.actor is not None and cell.actor.made_progress())
    else:
        unproductive = cell.unproductive - len(cell.urgent or ())  # what still waits there was not handled
        handled = max(0, cell.handled - unproductive - cell.active)
    healthy = possessions is not None and possessions.healthy
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
        mailbox = cell.props.mailbox
        drops = mailbox is not None and mailbox.on_restart == "drop"
        return LifeEvent.UNWATCHED if cell.watchers is None and not drops else None
    close_or_park(cell, reason)
    return None


def start_failed(cell: Cell, *_: object) -> None:
    """The incarnation did not come up: has what belongs to it given up."""
    runtime, kind, reason = cell.runtime, cell.props.kind.actor_class, cell.reason
    cell.clear(crashed=isinstance(reason, Crashed))
    runtime.events.publish(StartFailed(cell.path, runtime.now(), kind, cell.incarnation, reason))
    if runtime.observer is not None:
        runtime.observer.lived(cell, Moment.START_FAILED, reason)
    if not cell.supervised:
        runtime.started(cell, reason)
        close_or_park(cell, reason)
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
        close_or_park(cell, Normal())
    elif cell.parent is not None:
        cell.parent.put_urgent(ChildDeclined(cell.id, cell.incarnation))
