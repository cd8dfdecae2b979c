"""The messages that are left when an incarnation ends, or its runtime: each has an end here.

Nothing here changes a cell but its mailbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pykka.messages import _ActorStop

from actors._core.envelope import Envelope
from actors._core.mailbox import waiting_in, withdraw
from actors._core.messages import NOTICES, Continue, MonitorDown, StopOrder
from actors._core.outcomes import dead_letter, dispose, refuse
from actors.errors import lost
from actors.reasons import Crashed, ExitReason, RuntimeLost

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.possessions import Possessions


def refuse_under_way(cell: Cell, reason: RuntimeLost) -> None:
    """The runtime is lost: the messages whose handlers were under way are refused. A step that fails does not keep the
    others from being taken.
    """
    attempt = cell.runtime.attempt
    under_way = {id(each): each for each in (cell.envelope, cell.culprit) if each is not None}
    attempt(cell.path, "its end", lambda: under_way.update((id(each), each) for each in cell.host.drop(cell)))
    for envelope in under_way.values():
        if not getattr(envelope, "settled", False):
            envelope.settled = True
            attempt(cell.path, "its end", refuse, cell, envelope, "killed", lost(reason))


def drop_notices(cell: Cell, urgent: Iterable[Envelope], possessions: Possessions | None) -> None:
    """The incarnation has ended: the notices that wait in the system lane are dead letters. The rest of the lane is the
    runtime's own bookkeeping, and the `Down` of a monitor that was taken back is never heard of.
    """
    for envelope in urgent:
        notice = envelope.message
        if type(notice) is MonitorDown and not notice.is_wanted_by(possessions):
            continue
        if type(notice) in NOTICES:
            dead_letter(cell, notice, "dropped", envelope)


def withdraw_stops(cell: Cell) -> Envelope | None:
    """Takes the orders to stop out of the mailbox that wait there. Returns the last of them, if there was one."""
    stops = [envelope for envelope in waiting_in(cell.queue) if type(envelope.message) is _ActorStop]
    for envelope in stops:
        withdraw(cell.queue, envelope)
        if cell.runtime.observer is not None:
            cell.runtime.observer.withdrawn(cell, envelope)
    return stops[-1] if stops else None


def dispose_of(cell: Cell, culprit: Envelope, reason: ExitReason) -> Envelope | None:
    """Decides on the message that was being handled when the incarnation ended (supervision rule 27). Returns its
    envelope for the next incarnation; None: that does not handle it.
    """
    if type(culprit.message) in (Continue, StopOrder):
        return None
    if getattr(culprit, "aside", False):
        if not isinstance(reason, Crashed) or cell.stash is None:
            return None  # a kill is not its doing: it stays where its handler has put it
        if not cell.stash.recall(culprit):
            return None  # its handler took it back from the stash already: it waits in the queue
    if not dispose(cell, culprit, reason):
        return None
    # A thread that was left behind may still hold the envelope whose fate is decided.
    return culprit.again() if getattr(culprit, "settled", False) else culprit
