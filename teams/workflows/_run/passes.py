"""Passes of the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context


class Passes:
    """Calls functions so many passes of the event loop later. One call of the loop is under way for all of them, which
    is the code of no actor.
    """

    def __init__(self) -> None:
        self._context = Context()
        self._due: deque[list[Callable[[], object]]] = deque()
        """For each pass that comes, what it calls."""

    def after(self, passes: int, call: Callable[[], object]) -> None:
        """Calls `call` in the pass with this number, 1 is the next."""
        due = self._due
        if not due:
            asyncio.get_running_loop().call_soon(self._pass, context=self._context)
        while len(due) < passes:
            due.append([])
        due[passes - 1].append(call)

    def _pass(self) -> None:
        calls = self._due.popleft()
        if self._due:
            asyncio.get_running_loop().call_soon(self._pass, context=self._context)
        for each in calls:
            try:
                each()
            except Exception as error:  # noqa: BLE001 - a defect of one run is not one of the others
                loop = asyncio.get_running_loop()
                loop.call_exception_handler(
                    {"message": f"a run could not send what it wrote: {error}", "exception": error}
                )
