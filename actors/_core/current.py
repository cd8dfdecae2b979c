"""Which actor the running code belongs to.

A context variable, so that tasks and threads an actor starts itself (`asyncio.gather`, `asyncio.to_thread`) still
count as its own.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from actors._name import NAME

if TYPE_CHECKING:
    from actors._core.cell import Cell

current_cell: ContextVar[Cell | None] = ContextVar(f"{NAME}_current_cell", default=None)
current_incarnation: ContextVar[int] = ContextVar(f"{NAME}_current_incarnation", default=0)
"""Which incarnation of that actor the running code belongs to."""


def enter(cell: Cell) -> None:
    """The context in which this runs is that of the incarnation which begins in `cell`."""
    current_cell.set(cell)
    current_incarnation.set(cell.incarnation)
