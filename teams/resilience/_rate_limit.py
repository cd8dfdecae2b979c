"""The rate limit: a bound on how many calls begin in a time."""

from __future__ import annotations

from pydantic import StrictBool

from supervisors.spi import Positive, Seconds, builder, checked
from teams.resilience._pace import Pacer, TokenBucket
from teams.resilience._policy import Call, Local, Policy, PolicyOptions
from teams.resilience.errors import RateLimited
from teams.resilience.events import CallRefused


class RateLimitOptions(PolicyOptions):
    """The options of `rate_limit`."""

    calls: Positive
    per: Seconds
    burst: Positive
    wait: StrictBool


class RateLimit(Policy):
    """Made by `rate_limit`."""

    once = True

    def __init__(self, options: RateLimitOptions) -> None:
        self.options: RateLimitOptions = options
        self._local = Local(
            repr(self), lambda clock: Pacer(TokenBucket(options.calls, options.per, options.burst), clock)
        )

    async def through(self, call: Call) -> object:
        pacer = self._local.get()
        if self.options.wait:
            await pacer.wait()
        elif not pacer.begin():
            refusal = RateLimited(call.label, pacer.wait_of())
            call.tell(CallRefused, refusal)
            raise refusal
        return await call.proceed()


@builder("rate_limit()")
def rate_limit(calls: int, *, per: float = 1.0, burst: int = 1, wait: bool = True) -> RateLimit:
    """Lets `calls` begin within `per` seconds, evenly, and up to `burst` at once after a pause (a token bucket).

    In any `per` seconds at most `calls + burst` begin, and with the default `burst` no more than `calls` unless one
    begins at the very end of them. Calls that come too early wait, first come, first served.

    Args:
        calls: how many
        per: seconds
        burst: the size of the bucket
        wait: `False` refuses what comes too early, with how long to wait

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        RateLimited: from the call, without `wait`
    """
    values = {"calls": calls, "per": per, "burst": burst, "wait": wait}
    return RateLimit(checked(RateLimitOptions, "rate_limit()", values))
