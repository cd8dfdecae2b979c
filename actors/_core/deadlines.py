"""Deadlines of calls. A timer for each call would cost more than the call."""

from __future__ import annotations

import math

from actors._core.clock import Clock, TimerHandle
from actors._core.envelope import ReplyTo
from actors._core.outcomes import settle_failure
from actors.errors import CallTimeout

TICK = 1 / 64
"""Seconds. A deadline is kept to the next multiple of it: never early, at most one tick late."""

Waiting = tuple[ReplyTo, str, object]
"""The reply that is waited for, the path of the actor that was asked, and the message."""


def expire(reply: ReplyTo, path: str, message: object) -> None:
    """Fails the reply: its deadline has passed."""
    settle_failure(reply, CallTimeout(path, type(message).__qualname__), path)


class Deadlines:
    """Answers that are waited for, in buckets of one tick with one timer each.

    Adding and removing are constant time, and a call that is answered leaves no timer behind. Used from the runtime's
    loop only.
    """

    def __init__(self, clock: Clock, tick: float = TICK) -> None:
        self._clock = clock
        self._tick = tick
        self._buckets: dict[int, dict[int, Waiting]] = {}
        self._timers: dict[int, TimerHandle] = {}
        self._made = 0

    def add(self, deadline: float, waiting: Waiting) -> tuple[int, int]:
        """Fails the reply when `deadline` (of the runtime's clock) has passed. Returns an entry for `discard`."""
        bucket = math.ceil(deadline / self._tick)
        self._made += 1
        entries = self._buckets.get(bucket)
        if entries is None:
            entries = self._buckets[bucket] = {}
            self._timers[bucket] = self._clock.call_at(bucket * self._tick, lambda: self._ring(bucket))
        entries[self._made] = waiting
        return bucket, self._made

    def discard(self, entry: tuple[int, int]) -> None:
        """Forgets an entry; one that has expired is forgotten already.

        The timer of a bucket that is empty now is left to ring: one call after another would make and cancel a timer
        each.
        """
        entries = self._buckets.get(entry[0])
        if entries is not None:
            entries.pop(entry[1], None)

    def waiting(self) -> list[ReplyTo]:
        """Every reply that is waited for."""
        return [reply for entries in self._buckets.values() for reply, _, _ in entries.values()]

    def _ring(self, bucket: int) -> None:
        del self._timers[bucket]
        for waiting in self._buckets.pop(bucket).values():
            expire(*waiting)

    def close(self) -> None:
        """Cancels every timer."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._buckets.clear()
