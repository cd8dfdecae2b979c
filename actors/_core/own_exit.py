"""The end of an incarnation by its own wish: `Actor.exit`, and a stop that it has taken from its mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors._core.current import own_incarnation
from actors._core.life import Phase
from actors._user_code.text import shown
from actors.reasons import Crashed, ExitReason, Normal, Shutdown

if TYPE_CHECKING:
    from actors._core.actor import Actor
    from actors._core.cell import Cell


def end_itself(actor: Actor, reason: ExitReason) -> None:
    """Ends the incarnation whose instance this is, after the handlers under way. No further message is taken. From any
    thread; code and instances of an earlier incarnation change nothing. Raises TypeError for another reason than
    those that an actor can give.
    """
    _check(reason)
    cell, incarnation = actor._cell, actor._cell_incarnation
    if incarnation != own_incarnation(cell):
        return
    if cell.runtime.on_loop_thread:
        _end(cell, incarnation, reason)
        return
    if incarnation == cell.incarnation and not cell.props.kind.manages_lifecycle:
        cell.hold()  # until the loop thread decides
    cell.runtime.control_call(_end, cell, incarnation, reason)


def _end(cell: Cell, incarnation: int, reason: ExitReason) -> None:
    if incarnation != cell.incarnation:
        return
    if not cell.props.kind.manages_lifecycle:
        cell.exit(reason)
    elif isinstance(reason, Crashed):
        cell.crash(reason)
    else:
        cell.stop(reason, cell.props.shutdown)


def leave(cell: Cell, reason: ExitReason) -> None:
    """The incarnation asks for its end as for that by a stop, whatever waits. On the host."""
    cell.hold()
    cell.runtime.control_call(_stop_if_running, cell, cell.incarnation, reason)


def _stop_if_running(cell: Cell, incarnation: int, reason: ExitReason) -> None:
    if incarnation != cell.incarnation:
        return
    supervisor = cell.props.kind.manages_lifecycle
    if cell.phase is Phase.RUNNING or (supervisor and cell.phase is Phase.STARTING):
        by_itself = isinstance(reason, Normal)  # a grace of 0 ("brutal_kill") is for the orders of others
        cell.stop(reason, (cell.props.shutdown or None) if by_itself else cell.props.shutdown)
    elif supervisor:
        cell.reopen()  # it is stopping already, and has to hear of its children until it is done


def _check(reason: object) -> None:
    if isinstance(reason, Crashed):
        if not isinstance(reason.exception, BaseException):
            raise TypeError(f"exit(): Crashed needs an exception, got {shown(reason.exception)}")
    elif not isinstance(reason, Normal | Shutdown):
        raise TypeError(
            f"exit(): reason must be Normal(), Shutdown(detail) or Crashed(exception), got {shown(reason)}. "
            "To be killed, call self.ref.kill()"
        )
