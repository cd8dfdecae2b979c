"""Leases: until when an engine owns its runs. Pure; times in microseconds, as a store has them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SECOND = 1_000_000
"""Microseconds."""


def until(now: int, lease: float) -> int:
    """When a lease of `lease` seconds from now ends."""
    return now + round(lease * SECOND)


def over(lease_until: int, now: int) -> bool:
    """Whether a lease has ended. It ends at its very microsecond."""
    return lease_until <= now


def left(ends: Iterable[int], now: int) -> float | None:
    """Seconds until the first of these leases ends that has not ended. None: all have."""
    first = min((each for each in ends if not over(each, now)), default=None)
    return None if first is None else (first - now) / SECOND


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of an engine, as that engine sees it by its own steady clock.

    The store began the lease somewhere between `asked` and the answer. The engine counts from `asked`, so that it stops
    before the store lets another engine have the runs.
    """

    epoch: int
    seconds: float
    asked: float
    """When the engine asked for the lease or its last renewal, in seconds of its clock."""

    def due(self) -> float:
        """When to renew: after a third of the lease, so that two more attempts fit."""
        return self.asked + self.seconds / 3

    def stop(self) -> float:
        """When the engine must have stopped its runs, unless it has renewed: a tenth of the lease before the end."""
        return self.asked + self.seconds * 0.9
