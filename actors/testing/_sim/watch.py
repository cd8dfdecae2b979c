"""The watch: code that really blocks inside a simulation would block for ever, since nothing else runs.

A lock that was made before the simulation, and is not a global name of a module, is a real one. When a simulated thread
holds it and another one wants it, the process stands still. A thread of its own looks now and then; when a run has
neither moved on nor used the processor it sends the main thread a signal, which ends the wait with an error.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.testing._sim.loop import SimLoop

LOOKS = 5
"""How often in a row nothing must have moved."""
SIGNAL = getattr(signal, "SIGURG", None)
"""A signal that has no other use and no effect by itself; None where signals do not end a wait."""
_process_time = time.process_time
_DEBUGGERS = ("bdb", "pdb", "code")


class StallWatch:
    """Looks after the runs of this process, one at a time."""

    def __init__(self, every: float = 1.0) -> None:
        """`every` is the time between two looks, in seconds of the machine's clock."""
        self.every = every
        self._loop: SimLoop | None = None
        self._blocked: Callable[[], object] = _nothing
        self._before: Any = None
        self._interrupt: Any = None
        self._under_way = False
        self._pause = _thread.allocate_lock()
        self._pause.acquire()

    def begin(self, loop: SimLoop, blocked: Callable[[], object]) -> None:
        """Calls `blocked` in the middle of what blocks. Only the main thread can be told: others are not watched."""
        if SIGNAL is None or threading.current_thread() is not threading.main_thread():
            return
        self._blocked = blocked
        self._before = signal.signal(SIGNAL, self._told)
        self._loop = loop
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._interrupt = signal.signal(signal.SIGINT, self._interrupted)
        if not self._under_way:
            self._under_way = True
            # Not a `threading.Thread`: a thread that only looks must not be counted, nor waited for.
            _thread.start_new_thread(self._look, ())

    def end(self) -> None:
        """The run is over."""
        if self._loop is not None:
            assert SIGNAL is not None
            self._loop = None
            signal.signal(SIGNAL, self._before)
            if self._interrupt is not None:
                signal.signal(signal.SIGINT, self._interrupt)
            self._before, self._interrupt, self._blocked = None, None, _nothing

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C ends the run. Raised in a handler alone it would be a crash of that actor."""
        if self._loop is not None and self._loop.is_running():
            self._loop.failure = KeyboardInterrupt()
        signal.default_int_handler(number, frame)

    def _told(self, number: int, frame: FrameType | None) -> None:
        if self._loop is not None and self._loop.is_running():
            self._blocked()

    def _look(self) -> None:
        main = threading.main_thread().ident
        assert main is not None
        assert SIGNAL is not None
        last: tuple[object, int, float] | None = None
        same = idle = 0
        while idle < LOOKS:  # a process that simulates no more is left alone
            self._pause.acquire(timeout=self.every)
            loop = self._loop
            idle = idle + 1 if loop is None else 0
            if loop is None or not loop.is_running():
                last = None
                continue
            used = _process_time()
            if last is None or last[:2] != (loop, loop.steps) or used - last[2] > self.every / 100 * (same + 1):
                last, same = (loop, loop.steps, used), 0
                continue
            same += 1
            if same >= LOOKS and not _debugged(main):
                last = None
                signal.pthread_kill(main, SIGNAL)
        self._under_way = False


def _nothing() -> None:
    """No run is under way."""


def _debugged(thread: int) -> bool:
    """Whether a debugger runs: a person may take any time."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_globals.get("__name__") in _DEBUGGERS:
            return True
        frame = frame.f_back
    return False


watch = StallWatch()
"""That of this process. Nothing runs before a simulation does."""
