"""Which process this is, and whether such a process has ended: its lease ends with it then.

Only Linux tells that for certain, and only of processes that the caller shares the machine and the namespace with. Of
all others nothing is known, and their lease counts.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_ENDED: Final = ("Z", "X", "x")
"""The states of a process that has ended, and that its parent has not asked about."""


def own_name() -> str | None:
    """A name of this process that no other one has, on any machine, before or after. None: the system has none."""
    pid = os.getpid()
    try:
        if (_PROC / "self").readlink().name != str(pid):
            return None  # the processes that are seen here are those of another namespace
        return f"{_here()} {pid} {_stat(pid)[_STARTED]}"
    except (OSError, IndexError):
        return None


def is_there(name: str | None) -> bool | None:
    """Whether the process with this name runs. False: it has ended. None: that is not known here."""
    try:
        where, pid, started = (name or "").rsplit(" ", 2)
        if where != _here():
            return None
        with contextlib.suppress(PermissionError):  # it is there, and another user's
            os.kill(int(pid), 0)
        stat = _stat(int(pid))
        if stat[_STARTED] != started:
            return False  # the number was given to another process
        return stat[_STATE] not in _ENDED or stat[_THREADS] not in ("0", "1")
    except ProcessLookupError:
        return False
    except (OSError, IndexError, ValueError, OverflowError):
        return None


def _here() -> str:
    """The machine since it was booted, and the namespaces of numbers and of times: those who share all of them see the
    same number and the same beginning of a process.
    """
    boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    spaces = (_PROC / "self/ns" / each for each in ("pid", "time"))
    return " ".join([boot, *(str(each.readlink()) for each in spaces if each.is_symlink())])


_STATE: Final = 0
_THREADS: Final = 17
_STARTED: Final = 19
"""Places in what the system says of a process, after its number and its name."""


def _stat(pid: int) -> list[str]:
    text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()
