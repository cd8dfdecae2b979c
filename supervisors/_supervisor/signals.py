"""SIGTERM during the block of `start`: the block is left, so that the tree stops in order.

Without a handler SIGTERM ends a process at once, and no `on_stop` runs. Ctrl-C needs none: Python raises
KeyboardInterrupt in the block, and asyncio cancels it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

from supervisors.errors import SpecError, SpecFault

ECHO = 0.5
"""Seconds within which a second signal is the same order: GNU timeout signals the process and then its group."""
TERMINATED = 128 + signal.SIGTERM
"""The exit code of a program that SIGTERM has ended, as a shell shows it."""


class Termination:
    """Takes SIGTERM for one block. The first signal leaves the block; a second one kills the tree, and a third one ends
    the process, as without a handler.
    """

    def __init__(self, wanted: bool | None, *, default: bool, clock: Callable[[], float] = time.monotonic) -> None:
        """`wanted` is the `signals` of `start`; None means `default`, and leaves a handler of the program alone."""
        self._wanted = default if wanted is None else wanted
        self._required = wanted is True
        self._clock = clock
        self._leave: Callable[[], object] | None = None
        self._kill: Callable[[], object] | None = None
        self._leaving: tuple[CodeType, ...] = ()
        self._at: float | None = None
        self._is_installed = False
        self._process = 0

    @property
    def came(self) -> bool:
        """Whether the signal came."""
        return self._at is not None

    def install(self, leave: Callable[[], object], kill: Callable[[], object], *leaving: CodeType) -> None:
        """Takes SIGTERM from now on, unless the program or a block around this one takes it.

        `leave` and `kill` are called in the main thread, between two instructions of whatever runs there: a loop that
        waits must be woken. `leave` may raise; it is not called within the code of `leaving`: the block is being left
        already. Raises SpecError if `signals=True` cannot be followed.
        """
        if not self._wanted:
            return
        problem = _problem()
        if problem is not None:
            if self._required:
                raise SpecError([SpecFault("start()", f"signals=True: {problem}")])
        elif not _is_taken():
            self._leave, self._kill, self._leaving, self._process = leave, kill, leaving, os.getpid()
            signal.signal(signal.SIGTERM, self._received)
            self._is_installed = True

    def uninstall(self) -> None:
        """Leaves SIGTERM to its default again, unless the program has set a handler meanwhile."""
        if self._is_installed and signal.getsignal(signal.SIGTERM) == self._received:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._is_installed = False

    def _received(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a fork has the handler, and not the tree
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            return
        now = self._clock()
        if self._at is None:
            self._at = now
            if self._leave is not None and not self._is_leaving(frame):
                self._leave()
        elif now - self._at >= ECHO:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if self._kill is not None:
                self._kill()

    def _is_leaving(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code in self._leaving:
                return True
            frame = frame.f_back
        return False


def terminate() -> None:
    """Leaves the block in the main thread."""
    raise SystemExit(TERMINATED)


def _is_taken() -> bool:
    """Whether a block around this one takes the signal."""
    return isinstance(getattr(signal.getsignal(signal.SIGTERM), "__self__", None), Termination)


def _problem() -> str | None:
    """Why SIGTERM cannot be taken here."""
    if threading.current_thread() is not threading.main_thread():
        return "signals arrive in the main thread only, and this is another one. Leave signals out"
    handler = signal.getsignal(signal.SIGTERM)
    if handler is not signal.SIG_DFL and not _is_taken():
        return f"SIGTERM has the handler {handler!r} already. Leave signals out, and have it leave the block"
    return None
