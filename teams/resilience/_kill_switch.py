"""The kill switch: ends every call that goes through it, and refuses further ones."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from supervisors.spi import builder
from teams.resilience._policy import Call, Policy
from teams.resilience.errors import SwitchThrown
from teams.resilience.events import CallRefused


class KillSwitch(Policy):
    """Made by `kill_switch`."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._under_way: dict[asyncio.Timeout, asyncio.AbstractEventLoop] = {}

    @property
    def thrown(self) -> str | None:
        """Why it is thrown; `None`: it is not."""
        return self._reason

    def throw(self, reason: str = "it was thrown") -> None:
        """Refuses all calls from now on, and cancels those that are under way. From any thread, and more than once."""
        self._reason = reason or "it was thrown"
        for limit, loop in list(self._under_way.items()):
            if loop is asyncio._get_running_loop():
                self._end(limit)
            else:
                with suppress(RuntimeError):  # closed, perhaps just now: nothing is under way there
                    loop.call_soon_threadsafe(self._end, limit)

    def reset(self) -> None:
        """Lets calls through again. From any thread."""
        self._reason = None

    async def through(self, call: Call) -> object:
        try:
            async with asyncio.timeout(None) as limit:
                # First known, then asked: a switch that is thrown in another thread meanwhile misses no call.
                self._under_way[limit] = asyncio.get_running_loop()
                try:
                    self._ask(call)
                    return await call.proceed()
                finally:
                    del self._under_way[limit]
        except TimeoutError:
            if not limit.expired():  # the call's own
                raise
            refusal = SwitchThrown(call.label, self._reason or "it was thrown, and has been reset since")
            call.tell(CallRefused, refusal)
            raise refusal from None

    def _ask(self, call: Call) -> None:
        if self._reason is not None:
            refusal = SwitchThrown(call.label, self._reason)
            call.tell(CallRefused, refusal)
            raise refusal

    def _end(self, limit: asyncio.Timeout) -> None:
        """Cancels the call in the block of this limit, by making it overdue. On its loop."""
        if limit in self._under_way and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())


@builder("kill_switch()")
def kill_switch() -> KillSwitch:
    """A switch for everything that goes through it: `throw(reason)` ends it all, `reset()` lets it begin again.

    It may be around calls on several event loops, and be thrown from any thread. A call that is under way is cancelled,
    and its caller gets `SwitchThrown`, like every caller from then on.
    """
    return KillSwitch()
