"""Passes of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context


class Passes:
    """Calls functions in the next pass of the event loop. One call of the loop is under way for all of them, which is
    the code of no actor.
    """

    def __init__(self) -> None:
        self._context = Context()
        self._next: list[Callable[[], object]] = []
        """The functions that the next pass calls."""

    def soon(self, call: Callable[[], object]) -> None:
        """Calls `call` in the next pass."""
        if not self._next:
            asyncio.get_running_loop().call_soon(self._pass, context=self._context)
        self._next.append(call)

    def _pass(self) -> None:
        calls, self._next = self._next, []
        for each in calls:
            try:
                each()
            except Exception as error:  # noqa: BLE001 - a defect of one run is not one of the others
                loop = asyncio.get_running_loop()
                loop.call_exception_handler(
                    {"message": f"a run could not send what it wrote: {error}", "exception": error}
                )
