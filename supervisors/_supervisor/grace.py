"""The grace that unordered children share (supervision rule 6)."""

from __future__ import annotations

from actors.spi import Cell, Clock, Killed, State, TimerHandle


class SharedGrace:
    """Children that were told to stop together, under one timer. Forgets a child that has left."""

    __slots__ = ("_cells", "_timer")

    def __init__(self) -> None:
        self._cells: dict[str, tuple[Cell, int]] = {}
        self._timer: TimerHandle | None = None

    def add(self, cell: Cell, incarnation: int) -> None:
        """Adds a child that was told to stop."""
        self._cells[cell.id] = cell, incarnation

    def leave(self, id: str) -> None:
        """The child has terminated. The last one cancels the timer."""
        self._cells.pop(id, None)
        if not self._cells:
            self.cancel()

    def begin(self, clock: Clock, at: float) -> None:
        """Sets the time at which the remaining children are killed, if any are left."""
        if self._cells:
            self._timer = clock.call_at(at, self._kill_late)

    def cancel(self) -> None:
        """Cancels the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _kill_late(self) -> None:
        for cell, incarnation in list(self._cells.values()):
            if cell.incarnation == incarnation and cell.state in (State.STARTING, State.STOPPING):
                cell.kill(Killed("did not stop in time"))
