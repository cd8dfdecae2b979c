"""The lock on a file that one owner at a time may use.

It is the system's own (`flock`), on the open file: whoever opens the file again gets it only when it is free, in this
process as in any other, and it goes when the file is closed or the process ends, by `kill -9` too. A process that is
forked from this one shares it. Where the system has no `flock`, as on Windows, there is no lock at all.
"""

from __future__ import annotations

from io import FileIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def lock(file: FileIO) -> bool:
    """Locks an open file without waiting. Returns whether it is ours now; always, where there are no locks.

    Raises OSError when the file cannot be locked at all, as on some network drives.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
