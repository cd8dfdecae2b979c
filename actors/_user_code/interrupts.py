"""Ctrl-C and what only looks like it.

A handler that raises `KeyboardInterrupt` crashes its actor, as with any other exception. A Ctrl-C, which Python raises
wherever the main thread happens to be, belongs to the program: it reaches the program even if it hits code of an actor.
"""

from __future__ import annotations

import _thread
import asyncio
import dis
import functools
import signal
import threading
from threading import get_ident  # by its own name: a simulation puts another one into `threading`

_RAISE = dis.opmap["RAISE_VARARGS"]
_ON_ITS_WAY = "__on_its_way_to_the_program__"


def is_interrupt(error: BaseException) -> bool:
    """Whether a signal handler raised this error in the main thread, rather than a `raise` of the user's code."""
    if not isinstance(error, KeyboardInterrupt) or get_ident() != threading.main_thread().ident:
        return False
    trace, handler = error.__traceback__, signal.getsignal(signal.SIGINT)
    if isinstance(handler, functools.partial):
        handler = handler.func
    code = getattr(handler, "__code__", None)
    raised = False
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code is code:
            return True
        raised = frame.f_code.co_code[trace.tb_lasti] == _RAISE
        trace = trace.tb_next
    return not raised


def hand_on(error: BaseException) -> None:
    """Has a Ctrl-C that was caught on its way reach the program: out of the running loop, or at the next chance. Once:
    what awaits the task it hit gets the same exception.
    """
    if type(error) is KeyboardInterrupt and not getattr(error, _ON_ITS_WAY, False) and is_interrupt(error):
        on_its_way(error)
        loop = asyncio._get_running_loop()
        if loop is None:
            _thread.interrupt_main()
        else:
            loop.call_soon(_raise, error)


def on_its_way(error: BaseException) -> None:
    """Notes that this Ctrl-C reaches the program already."""
    setattr(error, _ON_ITS_WAY, True)


def _raise(error: BaseException) -> None:
    raise error
