"""How fast calls may begin: a token bucket, a sliding window, and the queue before them."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

from actors.spi import Clock, TimerHandle


class Pace(Protocol):
    """Says when the next one may begin. Times are seconds of a monotonic clock, passed in."""

    def ready_at(self) -> float:
        """The earliest time for the next one."""
        ...

    def take(self, now: float) -> None:
        """One begins, no earlier than `ready_at`."""
        ...


class TokenBucket:
    """A bucket of `burst` tokens, into which `calls` drip evenly within `per` seconds. Each call takes one.

    Kept as the time at which the bucket will be full again, which is one number in place of a level and its time (the
    generic cell rate algorithm of ITU-T I.371).
    """

    def __init__(self, calls: int, per: float, burst: int) -> None:
        self._interval = per / calls
        self._tolerance = (burst - 1) * self._interval
        self._full_at = -math.inf

    def ready_at(self) -> float:
        return self._full_at - self._tolerance

    def take(self, now: float) -> None:
        self._full_at = max(now, self._full_at) + self._interval


class SlidingWindow:
    """At most `calls` in any `per` seconds: each may begin `per` seconds after the one that many places before it."""

    def __init__(self, calls: int, per: float) -> None:
        self._per = per
        self._taken: deque[float] = deque(maxlen=calls)

    def ready_at(self) -> float:
        return self._taken[0] + self._per if len(self._taken) == self._taken.maxlen else -math.inf

    def take(self, now: float) -> None:
        self._taken.append(now)


class CallerQueue:
    """First come, first served. On one event loop."""

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
        """Lets the first in; false when no caller waits."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():  # one that was cancelled has yet to run to leave the queue
                turn.set_result(None)
                return True
        return False


class Pacer:
    """A pace and the callers that wait for it, first come, first served. On one event loop.

    A caller released from the queue counts when it actually resumes, and only then the next one is released. So the
    rate limit holds even when the loop is busy.
    """

    def __init__(self, pace: Pace, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._queue = CallerQueue()
        self._timer: TimerHandle | None = None
        self._called = False
        """Whether the first of the queue has been called, and has not begun yet."""

    def wait_of(self) -> float:
        """The seconds until a next call could begin, if no caller waited."""
        return max(0.0, self._pace.ready_at() - self._clock.now())

    def begin(self) -> bool:
        """Begins at once if that is possible; returns whether it was."""
        now = self._clock.now()
        if self._queue or self._called or self._pace.ready_at() > now:
            return False
        self._pace.take(now)
        return True

    async def wait(self) -> None:
        """Returns when the caller begins."""
        if self.begin():
            return
        if not self._queue and not self._called:
            self._set_timer()
        try:
            await self._queue.wait(self._call_next)
        finally:
            if not self._queue:
                self._clear_timer()
        self._pace.take(self._clock.now())
        self._call_next()

    def _call_next(self) -> None:
        """Releases the first caller, now or when it is time. The one released before has begun, or has left."""
        self._called = False
        if self._pace.ready_at() <= self._clock.now():
            self._called = self._queue.admit()
        elif self._queue:
            self._set_timer()

    def _set_timer(self) -> None:
        self._clear_timer()
        self._timer = self._clock.call_at(self._pace.ready_at(), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._call_next()

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
