"""The waits of requests to a supervisor, as links in the chain of waits by which a deadlock is found.

A supervisor answers between messages, whatever its children do. But some requests it serves only after a start that is
under way. An actor that runs in that start must not wait for such a request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.spi import Cell, State

if TYPE_CHECKING:
    from supervisors._engine.engine import Engine
    from supervisors._supervisor.actor import Supervisor


class Open:
    """A wait that is never done while a link shows it."""

    __slots__ = ()

    def done(self) -> bool:
        """Always false: a link does not show a wait that is done."""
        return False


OPEN = Open()


class QueuedRequest:
    """A request that the supervisor serves after the start under way, as long as `waits` is true."""

    __slots__ = ("_cell", "_waits")

    def __init__(self, cell: Cell, waits: Callable[[Engine], bool]) -> None:
        self._cell = cell
        self._waits = waits

    @property
    def path(self) -> str:
        """The path of the supervisor."""
        return self._cell.path

    @property
    def waiting(self) -> tuple[Cell, Open] | None:
        """The child that the supervisor is starting; if it is a supervisor, the child that it starts, and so on."""
        supervisor: Supervisor | None = self._cell.actor
        if supervisor is None or self._cell.kind.placed or not supervisor.asks(self._waits):
            return None
        cell: Cell | None = supervisor.starting()
        while cell is not None and cell.props.kind.manages_lifecycle:
            supervisor = cell.actor
            cell = None if supervisor is None else supervisor.starting()
        return None if cell is None else (cell, OPEN)


class StartOf:
    """The start of a child."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def path(self) -> str:
        """The path of the child."""
        return self._cell.path

    @property
    def waiting(self) -> tuple[Cell, Open] | None:
        """The child, while its `on_start` runs."""
        return (self._cell, OPEN) if self._cell.state is State.STARTING else None
