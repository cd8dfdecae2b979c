"""When the desk of an engine looks into the store for runs: now, again, later, and when something there is due."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from actors.spi import Timer
from teams._journal.errors import StoreAway
from teams.workflows._engine.records import Records

POLL = 0.25
"""Seconds between two looks at whether another process wrote something."""
LOOK = 5.0
"""Seconds after which the desk looks for runs in any case: the lease of a process that died ends without a word."""
PAUSE = 0.5
"""Seconds before the store is asked again when it did not answer."""


class Seen(NamedTuple):
    """The outcome of a look."""

    epoch: int
    claimed: int
    """The runs that were claimed."""
    room: int
    """How many there was room for."""
    left: int
    """How many there is room for now."""


class Lookout:
    """Sees to it that no look is missed, and that there is one at a time."""

    def __init__(
        self,
        records: Records,
        now: Callable[[], int],
        once: Callable[[], Awaitable[Seen | None]],
        after: Callable[[float], Timer],
        stops: Callable[[], bool],
    ) -> None:
        """`once` is one look; None: it was given up. `after` has the desk asked for a look in so many
        seconds. `stops` says whether the engine stops.
        """
        self._records = records
        self._now = now
        self._once = once
        self._after = after
        self.stops = stops
        self.looks = False
        """Whether a look is under way."""
        self.crowded = True
        """Whether runs may wait for a place here: the last look had no room for all, or did not get to its end."""
        self._again = False
        self._doubtful = False
        self._later: Timer | None = None
        self._due: Timer | None = None

    async def look(self) -> None:
        """Looks until there is nothing more to do."""
        self._again = True
        if self.looks:
            return
        self.looks = True
        try:
            while self._again and not self.stops():
                self._again, self.crowded = False, True
                seen = await self._once()
                if seen is not None:
                    self._again = self._again or 0 < seen.room == seen.claimed
                    await self._look_in_time(seen)
                    self.crowded = seen.claimed >= seen.room
                    self._records.looked()
        except StoreAway as error:
            self._records.looked(error)
            self.doubt()
            self.later(PAUSE)
        finally:
            self.looks = False

    def later(self, seconds: float) -> None:
        """One more look, for however many reasons."""
        if not self.stops() and (self._later is None or not self._later.active):
            self._later = self._after(seconds)

    def doubt(self) -> None:
        """Runs may be ours in the store and not known here: the store was away after it may have written, or the last
        incarnation of the desk ended just then.
        """
        self._doubtful = True

    def is_in_doubt(self) -> bool:
        """Whether there was doubt. What comes into doubt from now on is for the next look."""
        doubtful, self._doubtful = self._doubtful, False
        return doubtful

    async def _look_in_time(self, seen: Seen) -> None:
        """The next look comes when a parked run is due, or the lease of an engine ends that has died."""
        times: list[float] = []
        wake = await self._records.query("next_wake") if seen.left > 0 else None
        if wake is not None:
            left = (wake - self._now()) / 1e6
            # What is due and was not claimed is not ours to claim: the lease is over, or another engine has just died.
            times.append(min(LOOK, left) if left > 0 else POLL)
        free = await self._records.query("lease_left", seen.epoch) if seen.left > 0 else None
        if free is not None and free < LOOK:  # one that lives has renewed it by then
            times.append(free)
        if self._due is not None:
            self._due.cancel()
        if times:
            self._due = self._after(min(times))
