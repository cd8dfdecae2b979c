"""pykka's `actor_stopped`, without a `threading.Event` for each actor."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from actors.errors import RuntimeStopped

if TYPE_CHECKING:
    from actors._core.cell import Cell


class StoppedFlag(threading.Event):
    """Set once the actor has terminated. It only mirrors the cell: setting it by hand changes nothing."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self._cell = cell

    def is_set(self) -> bool:
        """Whether the actor has terminated."""
        return self._cell.closed

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the actor has terminated, for at most `timeout` seconds; returns whether it has."""
        with contextlib.suppress(RuntimeStopped):  # it is gone, with its runtime
            self._cell.ref.wait(timeout=timeout)
        return self._cell.closed
