"""The messages that are left when an incarnation ends, or its runtime: each has an end here.

Nothing here changes a cell but its mailbox.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pykka.messages import _ActorStop

from actors._core.envelope import Envelope
from actors._core.mailbox import NO_MESSAGES, waiting_in, withdraw
from actors._core.messages import NOTICES, MonitorDown
from actors._core.outcomes import dead_letter, refuse, stop_reason
from actors.errors import lost
from actors.reasons import RuntimeLost

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


def heed_stops(cell: Cell) -> None:
    """While the cell is suspended, and where it takes no message at all, none is handled: orders to stop that wait in
    the mailbox are taken out of it, and the last of them counts at once.
    """
    if not cell.suspended and cell.props.mailbox is not NO_MESSAGES:
        return
    stops = [envelope for envelope in waiting_in(cell.queue) if type(envelope.message) is _ActorStop]
    for envelope in stops:
        withdraw(cell.queue, envelope)
        if cell.runtime.observer is not None:
            cell.runtime.observer.withdrawn(cell, envelope)
    if stops:
        cell.stop(stop_reason(cell, stops[-1]), cell.props.shutdown)
