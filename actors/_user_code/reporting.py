"""Reports of failures that must not become failures of the reporter.

Log handlers, filters, event sinks and callbacks are code of the user's that observes. Its exceptions are reported here.
Neither they nor the report disturb the code that was observed.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable

from actors._name import NAME
from actors._user_code.interrupts import hand_on

logger = logging.getLogger(NAME)


def report(text: str, error: BaseException) -> None:
    """Logs `text` with the traceback of `error`; what the logger refuses is written to stderr. Never raises."""
    try:
        logger.error("%s", text, exc_info=error)
    except BaseException as refusal:  # noqa: BLE001 - a handler or filter of the user's, which may raise anything
        hand_on(refusal)
        _write(text, error)


def contain(text: str, function: Callable[..., object], *args: object) -> bool:
    """Calls `function(*args)`; what it raises is reported as `text`. Returns whether it raised nothing."""
    try:
        function(*args)
    except BaseException as error:  # noqa: BLE001 - that is what this function is for
        hand_on(error)
        report(text, error)
        return False
    return True


def _write(text: str, error: BaseException) -> None:
    """Writes to stderr, to that of the interpreter's start where the present one fails, or else not at all."""
    try:
        lines = "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001 - an exception of the user's that cannot be shown still has a class
        lines = f"{type(error).__name__}\n"
    for stream in (sys.stderr, sys.__stderr__):
        try:
            stream.write(f"{NAME}: {text}\n{lines}")  # type: ignore[union-attr]
            stream.flush()  # type: ignore[union-attr]
        except BaseException:  # noqa: BLE001, S112 - no stream, a closed one, one of the user's: the next is tried
            continue
        return
