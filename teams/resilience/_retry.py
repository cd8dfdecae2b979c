"""Trying again.

| the call raises                             | then |
|---------------------------------------------|------|
| a cancellation, or no `Exception` at all    | it is raised |
| a `Fatal`, or what `fatal` means            | it is raised |
| a `Recoverable`, or what `on` means         | the call is made again, if `max_retries` and `deadline` allow |
| anything else                               | it is raised |
"""

from __future__ import annotations

import asyncio
import re
from random import Random

from actors.spi import current_clock, current_random, sleep
from supervisors.spi import Backoff, Count, Seconds, builder, checked, exponential
from teams.resilience._fields import Exceptions, Which, is_meant
from teams.resilience._policy import Call, Policy, PolicyOptions
from teams.resilience.errors import Fatal, Recoverable, Refused, TimedOut
from teams.resilience.events import CallGivenUp, CallTimedOut, Retried


class RetryOptions(PolicyOptions):
    """The options of `retry`."""

    max_retries: Count
    backoff: Backoff | None
    on: Exceptions
    fatal: Exceptions
    deadline: Seconds | None

    def delay(self, error: Exception, attempt: int, previous: float | None, random: Random) -> float | None:
        """Seconds before the attempt after number `attempt` (>= 1), which failed; None: no further attempt.

        `previous` is the delay before that attempt, None for the first.
        """
        if attempt > self.max_retries or isinstance(error, Fatal) or is_meant(error, self.fatal):
            return None
        if not isinstance(error, Recoverable) and not is_meant(error, self.on):
            return None
        delay = 0.0 if self.backoff is None else self.backoff.delay(attempt, previous, random)
        if isinstance(error, Refused) and error.retry_after is not None:
            delay = max(delay, error.retry_after)  # before that it would be refused again
        return delay


class Retry(Policy):
    """Made by `retry`."""

    def __init__(self, options: RetryOptions) -> None:
        self.options: RetryOptions = options

    async def through(self, call: Call) -> object:
        clock = current_clock()
        began = clock.now()
        delay: float | None = None
        last: Exception | None = None
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(call, began, clock.now())
            except _DeadlinePassed as passed:
                raise self._given_up(call, attempt, clock.now() - began, passed.error) from last
            except Exception as error:
                last = error
                delay = self.options.delay(error, attempt, delay, current_random())
                if delay is None or not self._fits(clock.now() + delay - began):
                    self._given_up(call, attempt, clock.now() - began, error)
                    raise
                call.tell(Retried, attempt, delay, error)
            if delay > 0:
                await sleep(delay)

    async def _attempt(self, call: Call, began: float, now: float) -> object:
        """One call, which ends no later than the deadline. Raises `_DeadlinePassed` in place of the cancelled call."""
        deadline = self.options.deadline
        if deadline is None:
            return await call.proceed()
        try:
            async with asyncio.timeout(began + deadline - now) as limit:
                return await call.proceed()
        except TimeoutError:
            if not limit.expired():  # the call's own
                raise
            call.tell(CallTimedOut, deadline)
            raise _DeadlinePassed(TimedOut(call.label, deadline)) from None

    def _fits(self, seconds: float) -> bool:
        """Whether an attempt that many seconds after the first begins before the deadline."""
        return self.options.deadline is None or seconds < self.options.deadline

    def _given_up(self, call: Call, attempts: int, seconds: float, error: Exception) -> Exception:
        made = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        _note(error, call, f"gave up after {made} in {seconds:.3g} s")
        call.tell(CallGivenUp, attempts, error)
        return error


def _note(error: Exception, call: Call, what: str) -> None:
    """Notes what became of the call, in place of what an earlier call of the same function noted: one exception may be
    raised over and over.
    """
    notes: list[str] = getattr(error, "__notes__", [])
    earlier = re.compile(rf"{re.escape(call.name)}( \(called in .*\))?: gave up after \d+ attempts? in \S+ s")
    notes[:] = [note for note in notes if not earlier.fullmatch(note)]
    error.add_note(f"{call.label}: {what}")


class _DeadlinePassed(Exception):
    """Carries the error past the handler of the call's own exceptions."""

    def __init__(self, error: TimedOut) -> None:
        super().__init__(error)
        self.error = error


@builder("retry()")
def retry(
    max_retries: int = 3,
    *,
    backoff: Backoff | None = exponential(),  # noqa: B008 - frozen
    on: Which = Exception,
    fatal: Which = (),
    deadline: float | None = None,
) -> Retry:
    """Makes a call that failed again, at most `max_retries` times, so at most `max_retries + 1` times in all.

    The last exception is raised as it is, with a note of how many attempts there were. A cancellation is never taken
    for a failure. `Recoverable` is always worth another attempt and `Fatal` never: `on` and `fatal` do not change that.

    Args:
        max_retries: 0 makes one attempt
        backoff: the seconds before each further attempt, with jitter from the randomness of the actor's runtime;
            `None`: none. A refusal that says when the call may be let through is waited for as long
        on: which exceptions are worth another attempt, as classes or a predicate
        fatal: which of them are not
        deadline: seconds for all attempts and the waits between them; an attempt that is under way then is cancelled,
            and none begins that could not begin before. `None`: any time

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        TimedOut: from the call, cancelled by the deadline
    """
    values = {"max_retries": max_retries, "backoff": backoff, "on": on, "fatal": fatal, "deadline": deadline}
    return Retry(checked(RetryOptions, "retry()", values))
