"""The watchdog: says which actor holds the event loop, and where."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from actors._user_code.account import users_frame, users_stack
from actors._user_code.reporting import contain
from actors.events import LoopBlocked

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime


class Watchdog:
    """A thread that looks at the loop host several times per limit. It costs the loop nothing."""

    def __init__(self, runtime: Runtime, limit: float) -> None:
        self._runtime = runtime
        self._limit = limit
        self._loop_thread = threading.get_ident()
        self._end = threading.Event()
        self._turn = -1
        self._since = 0.0
        self._reported = False
        self._thread = threading.Thread(target=self._watch, name=f"{runtime.name}-watchdog", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and waits for that for a while: a sink of the user's may hold it."""
        self._end.set()
        if self._thread is not threading.current_thread():
            self._thread.join(self._runtime.kill_grace)

    def _watch(self) -> None:
        while not self._end.wait(self._limit / 4) and not self._runtime.is_over():
            contain("the watchdog failed", self.look)

    def look(self) -> None:
        """Reports the turn that is under way if it was seen for longer than the limit; each turn once."""
        host, now = self._runtime.loop_host, self._runtime.now()
        cell, turn = host.stepping, host.turns
        if cell is None or turn != self._turn:
            self._turn, self._since, self._reported = turn, now, False
        elif not self._reported and now - self._since >= self._limit:
            self._reported = True
            frame = sys._current_frames().get(self._loop_thread)
            blocked = LoopBlocked(cell.path, now, now - self._since, users_stack(frame), users_frame(frame))
            self._runtime.events.publish(blocked)
