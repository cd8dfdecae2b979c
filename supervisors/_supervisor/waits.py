"""What a request to a supervisor waits for: the links in a chain of waits that are no handlers.

A supervisor answers between messages, whatever its children do. Some requests it serves only after a start that is
under way, so that what runs in that start must not wait for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.spi import Cell, State

if TYPE_CHECKING:
    from supervisors._engine.engine import Engine
    from supervisors._supervisor.actor import Supervisor


class Open:
    """A question that has no answer as long as it is put."""

    __slots__ = ()

    def done(self) -> bool:
        """No: what is done is not put any more."""
        return False


OPEN = Open()


class QueuedRequest:
    """A request that the supervisor serves after the start that is under way, while `waits` says so."""

    __slots__ = ("_cell", "_waits")

    def __init__(self, cell: Cell, waits: Callable[[Engine], bool]) -> None:
        self._cell = cell
        self._waits = waits

    @property
    def path(self) -> str:
        """The place of the supervisor."""
        return self._cell.path

    @property
    def waiting(self) -> tuple[Cell, Open] | None:
        """The child in whose start the code runs that the supervisor waits for; that of a supervisor below it, where
        one starts.
        """
        supervisor: Supervisor | None = self._cell.actor
        if supervisor is None or not supervisor.asks(self._waits):
            return None
        cell: Cell | None = supervisor.starting()
        while cell is not None and cell.props.kind.manages_lifecycle:
            supervisor = cell.actor
            cell = None if supervisor is None else supervisor.starting()
        return None if cell is None else (cell, OPEN)


class StartOf:
    """The start of a child, as long as it lasts."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        """The place of the child."""
        return self._cell.path

    @property
    def waiting(self) -> tuple[Cell, Open] | None:
        """The child, while its `on_start` runs."""
        return (self._cell, OPEN) if self._cell.state is State.STARTING else None
