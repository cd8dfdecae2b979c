"""Where in the user's code something was called, and in which simulation."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from traceback import walk_tb
from types import FrameType

from actors._core.current import current_cell
from actors._core.future import Parking
from actors.testing.errors import FenceError

parking: list[Parking] = []
"""How to block in the simulation that is under way; empty: none is."""
_STDLIB = sysconfig.get_path("stdlib")
_OURS = str(Path(__file__).parents[2])


def is_library(file: str) -> bool:
    """Whether a file is ours, Hypothesis's, pytest's or the standard library's."""
    if file.startswith((_OURS, "<")) or (file.startswith(_STDLIB) and "site-packages" not in file):
        return True
    parts = set(Path(file).parts)
    return "site-packages" in parts and not parts.isdisjoint(("hypothesis", "_pytest"))


def place() -> str:
    """File and line of the innermost frame of the user's; where there is none, of a library."""
    innermost: FrameType | None = sys._getframe(1)
    frame, found = innermost, ""
    while frame is not None:
        file = frame.f_code.co_filename
        if not is_library(file):
            found = found or f"{file}:{frame.f_lineno}"
            if "site-packages" not in file:
                return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    assert innermost is not None
    return found or f"{innermost.f_code.co_filename}:{innermost.f_lineno}"


def raised_at(error: BaseException) -> str:
    """File and line of the innermost frame of the user's that the error came through."""
    found = ""
    for frame, line in walk_tb(error.__traceback__):
        if not is_library(frame.f_code.co_filename):
            found = f"{frame.f_code.co_filename}:{line}"
    return found


def fence(call: str, instead: str) -> FenceError:
    """The error for a call that may not be made inside a simulation."""
    cell = current_cell()
    return FenceError(call, place(), cell.path if cell is not None else "", instead)
