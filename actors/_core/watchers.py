"""Monitors and links of one cell (supervision rule 31). Used on the runtime's loop thread only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from actors._core.future import Pending
from actors._core.life import CAN_CRASH
from actors._core.messages import Down, Exit, MonitorDown
from actors.errors import LinkedExit
from actors.reasons import Crashed, ExitReason, NoProc

if TYPE_CHECKING:
    from actors._core.cell import Cell


class Monitoring(NamedTuple):
    """An actor that wants a message when the incarnation ends."""

    cell: Cell
    wanted: object
    """The message in place of the `Down`, or a function that makes it; None: the `Down` itself."""


Monitor = Monitoring | Pending[Down]


class Watchers:
    """The watchers of this cell's incarnation, and the actors that its incarnation watches."""

    __slots__ = ("_cell", "_links", "_monitors", "_watched")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._monitors: dict[int, Monitor] = {}
        self._links: dict[Cell, None] = {}
        self._watched: dict[int, Cell] = {}

    @property
    def counts(self) -> tuple[int, int]:
        """How many links there are, and how many monitors on this cell."""
        return len(self._links), len(self._monitors)

    def add_monitor(self, number: int, watcher: Monitor) -> None:
        """`watcher` is told once when the incarnation ends; between two incarnations, when the next one ends; at once,
        with `NoProc`, when the cell is closed. A future that is dropped before is forgotten.
        """
        if self._cell.closed:
            self._tell_one(number, watcher, NoProc())
            return
        self._monitors[number] = watcher
        if isinstance(watcher, Pending):
            watcher.when_dropped(partial(self._drop, number))
        else:
            watcher.cell.watch()._watched[number] = self._cell

    def _drop(self, number: int) -> None:
        # In any thread: one step of the interpreter, and no code of a user's.
        self._monitors.pop(number, None)

    def remove_monitor(self, number: int) -> bool:
        """Removes the monitor that the incarnation of this cell has under this number. Returns whether it was there:
        otherwise its `Down` was sent, or it never was.
        """
        target = self._watched.pop(number, None)
        if target is not None and target.watchers is not None:
            target.watchers._monitors.pop(number, None)
        return target is not None

    def forget_watched(self) -> None:
        """The incarnation has ended: its successor does not inherit its monitors."""
        for number in list(self._watched):
            self.remove_monitor(number)

    def add_link(self, other: Cell) -> None:
        """Links the two incarnations; between two incarnations, the next one. The exit of a closed cell reaches the
        other at once.
        """
        for gone, left in ((other, self._cell), (self._cell, other)):
            if gone.closed:
                self._share(gone, left, NoProc())
                return
        self._links[other] = None
        other.watch()._links[self._cell] = None

    def remove_link(self, other: Cell) -> None:
        """Removes the link between the two."""
        self._links.pop(other, None)
        if other.watchers is not None:
            other.watchers._links.pop(self._cell, None)

    def tell(self, reason: ExitReason) -> None:
        """The incarnation has ended and its names are released: every watcher is told, once."""
        monitors, self._monitors = self._monitors, {}
        links, self._links = self._links, {}
        for number, watcher in monitors.items():
            if not isinstance(watcher, Pending) and watcher.cell.watchers is not None:
                watcher.cell.watchers._watched.pop(number, None)
            self._tell_one(number, watcher, reason)
        for other in links:
            if other.watchers is not None:
                other.watchers._links.pop(self._cell, None)
            self._share(self._cell, other, reason)

    def _tell_one(self, number: int, watcher: Monitor, reason: ExitReason) -> None:
        down = Down(self._cell.ref, reason, number)
        if isinstance(watcher, Pending):
            watcher.conclude(self._cell.reason, down)
        else:
            watcher.cell.put_urgent(MonitorDown(down, number, watcher.wanted))

    @staticmethod
    def _share(gone: Cell, other: Cell, reason: ExitReason) -> None:
        if not other.kind.foreign and getattr(other.actor, "trap_exits", False):
            other.put_urgent(Exit(gone.ref, reason))
        elif not reason.expected and other.phase in CAN_CRASH:
            other.crash(Crashed(LinkedExit(gone.path, reason)))
