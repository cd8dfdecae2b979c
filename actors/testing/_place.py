"""Where in the user's code something was called, and in which simulation."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import FrameType

from actors._current import current_cell
from actors._future import Parking
from actors.testing._errors import FenceError

parking: list[Parking] = []
"""How to block in the simulation that is under way; empty: none is."""
_STDLIB = sysconfig.get_path("stdlib")
_OURS = str(Path(__file__).parents[1])


def place() -> str:
    """File and line of the innermost frame that is neither ours nor the standard library's."""
    innermost: FrameType | None = sys._getframe(1)
    frame = innermost
    while frame is not None:
        file = frame.f_code.co_filename
        library = file.startswith((_OURS, "<")) or (file.startswith(_STDLIB) and "site-packages" not in file)
        if not library:
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    assert innermost is not None
    return f"{innermost.f_code.co_filename}:{innermost.f_lineno}"


def fence(call: str, instead: str) -> FenceError:
    """The error for a call that may not be made inside a simulation."""
    cell = current_cell.get()
    return FenceError(call, place(), cell.path if cell is not None else "", instead)
