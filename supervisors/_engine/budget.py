"""The sliding window of a restart budget with a `period` (supervision rules 8 and 9).

Without a `period`, `Child.stalls` counts.

OTP (erlang/otp `lib/stdlib/src/supervisor.erl`, `add_restart/3`, read at commit 002130b) keeps a restart `R` while
`R >= Now - Period` and gives up if more than `intensity` are kept, the new one included. This window does the same: a
restart is inside while its age is `<= period`. The difference is the age: seconds that its child has been *up* since,
not seconds of the clock. For a child without down time both are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from supervisors._engine.children import Child, UpClock


class GrantedRestart(NamedTuple):
    """One restart: the clock of its child, and the readings of both clocks when it was granted."""

    clock: UpClock
    at: float
    down: float

    def age(self, now: float) -> float:
        """The seconds that the child has been up since."""
        return (now - self.at) - (self.clock.down(now) - self.down)


class Window:
    """At most `max_restarts` restarts within `period` seconds of running. None: no limit; 0: no restart."""

    __slots__ = ("_entries", "max_restarts", "period")

    def __init__(self, max_restarts: int | None, period: float) -> None:
        self.max_restarts = max_restarts
        self.period = period
        self._entries: list[GrantedRestart] = []

    def grant(self, clock: UpClock, now: float) -> bool:
        """Whether one more restart of the child with this clock is within the budget. Only a granted one is counted.

        Old entries are removed only when the window is full, so a restart costs the same however many there were.
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
        """Sets another limit. Restarts in the window stay until they are older than the new period."""
        self._forget_old(now)
        self.max_restarts, self.period = max_restarts, period

    def _forget_old(self, now: float) -> None:
        self._entries = [entry for entry in self._entries if entry.age(now) <= self.period]

    def count(self, now: float) -> int:
        """The number of granted restarts in the window. Always 0 without a limit, because none are kept then."""
        return sum(entry.age(now) <= self.period for entry in self._entries)


class Budget:
    """The budget of restarts that the children of one supervisor share (rules 8 and 9)."""

    __slots__ = ("window",)

    def __init__(self, max_restarts: int | None, period: float | None) -> None:
        self.window = None if period is None else Window(max_restarts, period)

    def change(self, max_restarts: int | None, period: float | None, now: float) -> None:
        """Sets another limit. The restarts in the window stay there as long as there is a period."""
        if period is None:
            self.window = None
        elif self.window is None:
            self.window = Window(max_restarts, period)
        else:
            self.window.change(max_restarts, period, now)

    def grants(self, child: Child, most: int, period: float | None, now: float) -> bool:
        """Whether one more restart is within the budget; counts it if so.

        Without a period the budget limits the restarts of this child in a row without progress. With a period it limits
        the restarts of all children that draw on it.
        """
        if period is not None:
            window = child.window or self.window
            assert window is not None
            return window.grant(child.measured(now), now)
        return child.stalls(most)
