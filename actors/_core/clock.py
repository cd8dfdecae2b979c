"""Time, as the runtime sees it. The simulation and the tests put their own clock here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from math import inf
from typing import Protocol

from actors._user_code.text import shown


class TimerHandle(Protocol):
    """A call that is due later; `cancel` takes it back."""

    def cancel(self) -> None:
        """Takes the call back. Does nothing if it has run."""
        ...


class Clock(Protocol):
    """Monotonic time in seconds, and calls at a time.

    `now` and `wall` may be called in any thread, `call_at` on the runtime's loop only.
    """

    def now(self) -> float:
        """The present time, in seconds from any start. It never goes back."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch. It may be set back, so only what must outlive the process goes by it."""
        ...

    def call_at(self, when: float, callback: Callable[[], object], /) -> TimerHandle:
        """Calls `callback` at the time `when` of this clock, on the runtime's loop; soon if that has passed. Raises
        ValueError if `when` is NaN.
        """
        ...


def not_a_time() -> ValueError:
    """The error of a clock for NaN, which would put the timers of the loop out of order."""
    return ValueError("call_at(): the time is NaN, which is not a number")


def check_seconds(seconds: object, what: str, *, more_than_0: bool = False, otherwise: str = "") -> None:
    """Raises ValueError unless this is a finite number >= 0, or > 0. `what` and `otherwise`, such as `, or None for no
    limit`, are words of the error. One that is not a number (NaN) would stop every timer of the runtime, so each
    function that takes seconds calls this before anything begins.
    """
    kind = type(seconds)
    if kind is not float and kind is not int and (isinstance(seconds, bool) or not isinstance(seconds, int | float)):
        fits = False
    else:
        fits = 0 <= seconds < inf and (seconds > 0 or not more_than_0)  # type: ignore[operator]
    if not fits:
        least = "> 0" if more_than_0 else ">= 0"
        raise ValueError(f"{what}: seconds must be a number {least}{otherwise}, got {shown(seconds)}")


def check_timeout(timeout: object, what: str) -> None:
    """The same for a limit of time: None is none."""
    if timeout is not None:
        check_seconds(timeout, what, otherwise=", or None for no limit")


class LoopClock:
    """The real clock: the system's monotonic time, timers on an event loop.

    `now` is not `loop.time`, because uvloop's ticks in whole milliseconds and restart windows are kept at full
    resolution (supervision rule 8).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now: Callable[[], float] = time.monotonic
        self.wall: Callable[[], float] = time.time  # noqa: TID251 - this is the runtime's clock

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        if when != when:
            raise not_a_time()
        return self._loop.call_later(when - time.monotonic(), callback)


class ManualClock:
    """A clock for unit tests: it stands still until `advance` is called. Calls that are due run inside `advance`, in
    the order of their times.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._calls: list[_ManualCall] = []
        self._made = 0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        if when != when:
            raise not_a_time()
        self._made += 1
        call = _ManualCall(when, self._made, callback)
        self._calls.append(call)
        return call

    def advance(self, seconds: float) -> None:
        """Moves time by `seconds` and runs the calls that are due, each at its own time. In the calling thread."""
        until = self._now + seconds
        while due := [call for call in self._calls if call.when <= until and not call.cancelled]:
            call = min(due, key=lambda call: (call.when, call.number))
            self._calls.remove(call)
            self._now = max(self._now, call.when)
            call.callback()
        self._calls = [call for call in self._calls if not call.cancelled]
        self._now = until

    @property
    def pending(self) -> int:
        """The number of calls that have not run."""
        return sum(not call.cancelled for call in self._calls)


class _ManualCall:
    def __init__(self, when: float, number: int, callback: Callable[[], object]) -> None:
        self.when = when
        self.number = number
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
