"""A process that was forked by the code of an actor. It has a copy of the runtime, and must not run it."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn


def leave(error: BaseException | None) -> NoReturn:
    """Ends this process by this error, as Python ends a program that has raised it, but without the handlers of
    `atexit`, which are the program's.
    """
    status = 1
    try:
        if isinstance(error, SystemExit):
            status = _status_of(error)
        elif error is None:
            status = 0
        else:
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        os._exit(status)


def _status_of(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1
