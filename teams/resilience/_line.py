"""A line of callers that wait for their turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable


class Line:
    """Whoever came first is first. On one event loop."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, give_back: Callable[[], object]) -> None:
        """Returns when it is the caller's turn. `give_back` is called when the caller is cancelled although its turn
        had come.
        """
        turn = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except BaseException:
            self._waiting.pop(turn, None)
            if turn.done() and not turn.cancelled():
                give_back()
            raise

    def admit(self) -> bool:
        """Lets the first in; false when nobody waits."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():  # one that was cancelled has yet to run to leave the line
                turn.set_result(None)
                return True
        return False
