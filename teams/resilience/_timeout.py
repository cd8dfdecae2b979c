"""A time limit on a call."""

from __future__ import annotations

import asyncio

from supervisors.spi import Seconds, builder, checked
from teams.resilience._policy import Call, Policy, PolicyOptions
from teams.resilience.errors import TimedOut
from teams.resilience.events import CallTimedOut


class TimeoutOptions(PolicyOptions):
    """The options of `timeout`."""

    seconds: Seconds


class Timeout(Policy):
    """Made by `timeout`."""

    def __init__(self, options: TimeoutOptions) -> None:
        self.options: TimeoutOptions = options

    async def through(self, call: Call) -> object:
        try:
            async with asyncio.timeout(self.options.seconds) as limit:
                return await call.proceed()
        except TimeoutError:
            if not limit.expired():  # the call's own
                raise
            call.tell(CallTimedOut, self.options.seconds)
            raise TimedOut(call.label, self.options.seconds) from None


@builder("timeout()")
def timeout(seconds: float) -> Timeout:
    """Cancels a call that takes longer than `seconds`, waits in the policies inside of it included.

    Raises:
        SpecError: at once, for a bad value
        TimedOut: from the call
    """
    return Timeout(checked(TimeoutOptions, "timeout()", {"seconds": seconds}))
