"""The watchdog: says which actor holds the event loop, and where."""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING

from actors._events import LoopBlocked

if TYPE_CHECKING:
    from actors._runtime import Runtime


class Watchdog:
    """A thread that looks at the loop host several times per limit. It costs the loop nothing."""

    def __init__(self, runtime: Runtime, limit: float) -> None:
        self._runtime = runtime
        self._limit = limit
        self._loop_thread = threading.get_ident()
        self._end = threading.Event()
        self._reported = -1
        self._thread = threading.Thread(target=self._watch, name=f"{runtime.name}-watchdog", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(self._limit / 4):
            self.look()

    def look(self) -> None:
        """Reports the turn that is under way if it is over the limit; each turn once."""
        host = self._runtime.loop_host
        cell, since, turn = host.stepping, host.stepping_since, host.turns
        seconds = self._runtime.now() - since
        if cell is None or seconds < self._limit or turn == self._reported:
            return
        self._reported = turn
        frame = sys._current_frames().get(self._loop_thread)
        stack = "".join(traceback.format_stack(frame)[-6:]) if frame is not None else ""
        self._runtime.events.publish(LoopBlocked(cell.path, self._runtime.now(), seconds, stack))
