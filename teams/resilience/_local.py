"""What a policy remembers, on one event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from actors.spi import Clock, current_clock
from teams.resilience.errors import PolicyInUse

S = TypeVar("S")


class Local(Generic[S]):
    """The state of a policy on the event loop that uses it.

    It is made, with the clock of whoever uses the policy first, on the first loop, and is nobody else's while that loop
    is open: a policy that waits on one loop for what happens on another would wait for ever. On a later loop the policy
    begins afresh.
    """

    def __init__(self, policy: str, make: Callable[[Clock], S]) -> None:
        self._policy = policy
        self._make = make
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.state: S | None = None
        """The state as it is; `None`: nobody has used the policy."""

    def get(self) -> S:
        """The state, for code that runs on a loop. Raises `PolicyInUse`."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self.state is None:
            with self._lock:
                if self._loop is not None and not self._loop.is_closed():
                    raise PolicyInUse(self._policy)
                self._loop = loop
                self.state = self._make(current_clock())
        return self.state
