"""Restart budgets (supervision rules 8 and 9): how many restarts a child may have without progress, which is the
default, and the sliding window of OTP for where a `period` is given.

OTP's own comparison (erlang/otp `lib/stdlib/src/supervisor.erl`, `add_restart/3`, read at commit 002130b)
keeps a restart `R` while `R >= Now - Period` and gives up when more than `intensity` are kept, the new one
included. So does this window: a restart is inside while its age is `<= period`. What differs is the age:
seconds that its child has been *up* since, not seconds on the wall. A child that is never down for any time
has the same age by both.
"""

from __future__ import annotations

from typing import NamedTuple


class UpClock:
    """A child's time, which stands still while the child is down. Seconds of the monotonic clock.

    It counts the time *down* and not the time up: an age is then one subtraction of two clock readings while
    the child was never down, exact at the edge of the window, where a sum of up times would carry the
    rounding of every restart.
    """

    __slots__ = ("_down", "_since")

    def __init__(self, now: float) -> None:
        self._down = 0.0
        self._since: float | None = now

    def pause(self, now: float) -> None:
        """The child waits or starts from here on. No effect while paused."""
        if self._since is None:
            self._since = now

    def resume(self, now: float) -> None:
        """The child is up, or will not come back and its entries age by the wall. No effect while running."""
        if self._since is not None:
            self._down += now - self._since
            self._since = None

    def down(self, now: float) -> float:
        """For how long the child has been down altogether."""
        return self._down if self._since is None else self._down + (now - self._since)


class GrantedRestart(NamedTuple):
    """One restart: whose time it ages by, and where both clocks stood when it was granted."""

    clock: UpClock
    at: float
    down: float

    def age(self, now: float) -> float:
        """For how long the child has been up since."""
        return (now - self.at) - (self.clock.down(now) - self.down)


class Window:
    """At most `max_restarts` restarts within `period` seconds of running; None is for ever, 0 none."""

    __slots__ = ("_entries", "max_restarts", "period")

    def __init__(self, max_restarts: int | None, period: float) -> None:
        self.max_restarts = max_restarts
        self.period = period
        self._entries: list[GrantedRestart] = []

    def grant(self, clock: UpClock, now: float) -> bool:
        """Whether one more restart, of the child with this clock, is within the budget. Only a granted one is
        kept.

        Old entries are looked at only when the window is full, so a restart costs the same however many there
        were.
        """
        if self.max_restarts is None:
            return True
        if len(self._entries) >= self.max_restarts:
            self._forget_old(now)
        if len(self._entries) >= self.max_restarts:
            return False
        self._entries.append(GrantedRestart(clock, now, clock.down(now)))
        return True

    def change(self, max_restarts: int | None, period: float, now: float) -> None:
        """Another limit from now on. What is inside the window stays so until it is older than the new period."""
        self._forget_old(now)
        self.max_restarts, self.period = max_restarts, period

    def _forget_old(self, now: float) -> None:
        self._entries = [entry for entry in self._entries if entry.age(now) <= self.period]

    def count(self, now: float) -> int:
        """How many granted restarts are inside the window now. Always 0 without a limit, which keeps no
        account.
        """
        return sum(entry.age(now) <= self.period for entry in self._entries)
