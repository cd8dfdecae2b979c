"""The children of one actor: those that have their place below it, and those that wait for its next incarnation.

Only an actor with children has this object. It is used on the runtime's loop thread, and changes other cells by their
methods only.
"""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import TYPE_CHECKING

from actors._core.life import ABSENT, LifeEvent
from actors.reasons import Killed, Shutdown

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.props import Props
    from actors.reasons import ExitReason

PARENT_ENDED = "its parent ended"
"""Why a child ends with its parent."""


class ChildCells(dict[str, "Cell"]):
    """The children of a cell by id, in the order in which they came."""

    __slots__ = ("_parent", "parked")

    def __init__(self, parent: Cell) -> None:
        super().__init__()
        self._parent = parent
        self.parked: dict[str, Cell] = {}
        """By id, the cells of children whose supervisor has ended and may be started again."""

    def adopt(self, child: Cell) -> None:
        """The cell has its place here."""
        self[child.id] = child

    def here(self) -> list[Cell]:
        """The children that live in this process."""
        return [child for child in self.values() if not child.props.kind.mirrored]

    def remove(self, child: Cell) -> None:
        """The child does not live here any more."""
        if child.closed and self.parked.get(child.id) is child:
            del self.parked[child.id]
        if self.get(child.id) is child:
            del self[child.id]
            if not self:
                self._parent.runtime.childless(self._parent)

    # The end of the parent

    def end(self, reason: ExitReason) -> None:
        """The parent ends for this reason: the children end in an orderly way after an orderly end, at once after any
        other (supervision rule 18). None of them is restarted. Those in a process of the parent are gone with it.
        """
        self._end_mirrored(reason)
        if not reason.expected:
            for child in self.orphans():
                child.kill(Killed(PARENT_ENDED))
            return
        for child in self.here():
            child.supervise(False)
            if child.phase in ABSENT:
                close_or_park(child, Shutdown(PARENT_ENDED))
            elif child.told_to_stop is None:
                child.stop(Shutdown(PARENT_ENDED), child.props.shutdown)

    def _end_mirrored(self, reason: ExitReason) -> None:
        for child in [child for child in self.values() if child.props.kind.mirrored]:
            if child.children is not None:
                child.children.end(reason)
            child.supervise(False)
            close_or_park(child, Shutdown(PARENT_ENDED) if reason.expected else Killed(PARENT_ENDED))

    def orphans(self) -> list[Cell]:
        """The children that live; those between two incarnations end here. None of them is restarted."""
        living = []
        for child in self.here():
            child.supervise(False)
            if child.phase in ABSENT:
                close_or_park(child, Killed(PARENT_ENDED))
            else:
                living.append(child)
        return living

    def close(self, reason: ExitReason) -> None:
        """The parent has terminated: no child has a place any more."""
        for child in [*self.values(), *self.parked.values()]:
            child.close(reason)

    # Between two incarnations of a supervisor

    def park(self, child: Cell) -> None:
        """The child waits for the next incarnation of this supervisor: its ref, name and queue are kept."""
        self.parked[child.id] = child
        child.settle_exit()
        self.remove(child)

    def claim(self, id: str, props: Props) -> Cell | None:
        """The cell that waited for a child of this id since the last incarnation of this supervisor. One of another
        class, or of another process, is closed. If the name is taken, raises `NameTaken` and changes nothing.
        """
        child = self.parked.get(id)
        if child is None:
            return None
        before, after = child.props.kind, props.kind
        if before.actor_class is not after.actor_class or before.mirrored is not after.mirrored:
            child.close(Shutdown("a child of another class takes its place"))
            return None
        child.take_props(props)
        del self.parked[id]
        self.adopt(child)
        child.supervise(True)
        return child

    def close_parked(self, but: Container[str]) -> dict[str, int]:
        """Closes the cells of children whose places are not there any more. Returns the numbers of the last
        incarnations of the others, by id.
        """
        for child in [child for child in self.parked.values() if child.id not in but]:
            child.close(Shutdown("its place is not there any more"))
        return {child.id: child.incarnation for child in self.parked.values()}


def may_return(cell: Cell) -> bool:
    """Whether another incarnation may follow at this place: its supervisor decides on that, or the supervisor has ended
    and the same holds for it.
    """
    while cell.parent is not None and not cell.parent.closed:
        if cell.supervised:
            return True
        if not cell.placed:
            return False
        cell = cell.parent
    # In a process of its own the actor has its supervisor in the program.
    return cell.parent is None and cell.supervised


def close_or_park(cell: Cell, reason: ExitReason) -> None:
    """The supervisor of this place has ended. Where it may be started again, and has this place again then, the cell
    waits for that: ref, name and queue are kept. Otherwise it closes.
    """
    parent = cell.parent
    if parent is not None and parent.children is not None and cell.placed and may_return(parent):
        parent.children.park(cell)
    else:
        cell.close(reason)


def halt(killed: Cell) -> None:
    """Ends what runs of a killed incarnation, after all below it. A loop and not a recursion: a chain of actors may be
    deeper than the interpreter's stack. The handlers under way are cancelled before the tasks, for which they may wait.
    """
    doomed = [killed]
    below = [] if killed.children is None else killed.children.orphans()
    while below:
        cell = below.pop()
        if cell.begin_kill(Killed(PARENT_ENDED)):
            doomed.append(cell)
            below += [] if cell.children is None else cell.children.orphans()
    for cell in reversed(doomed):
        halted = partial(cell.hear, cell.incarnation, LifeEvent.HALTED)
        ended = cell.host.kill(cell, halted)
        if cell.possessions is not None:
            cell.possessions.cancel_tasks()
        if ended:
            halted()
