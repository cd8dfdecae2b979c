"""The faults of a disk and of the processes on it, as values.

Times are virtual seconds from the beginning of the simulation. `nth` counts the commits of all engines together, from
1; a fault fires at the `nth` and the following ones, `times` in all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from actors.testing.spi import SimulationError


@dataclass(frozen=True, slots=True)
class DiskFault:
    """Base of the faults of a disk."""

    def __post_init__(self) -> None:
        wrong = [*self._wrong()]
        if wrong:
            raise SimulationError(f"{self!r} {'; '.join(wrong)}")

    def _wrong(self) -> Iterator[str]:
        for name in ("nth", "times"):
            value = getattr(self, name, 1)
            if value is not None and (not isinstance(value, int) or value < 1):
                yield f"takes an integer for {name}: {name} must be >= 1"
        for name in ("at", "seconds"):
            value = getattr(self, name, 0.0)
            if value is not None and not (isinstance(value, int | float) and 0 <= value < math.inf):
                yield f"takes a span of time for {name}: {name} must be at least 0 and finite"
        engine = getattr(self, "engine", 0)
        if not isinstance(engine, int) or engine < 0:
            yield "takes the number of an engine for engine: engine must be an integer >= 0"


@dataclass(frozen=True, slots=True)
class FailCommit(DiskFault):
    """The commit fails, and nothing of it is written."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class UnknownCommit(DiskFault):
    """The commit is written, and its answer is lost: the engine hears that the outcome is not known."""

    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class SlowCommit(DiskFault):
    """The answer to the commit comes `seconds` late. `written` says whether it is written before that time or after it,
    which a kill within that time shows.
    """

    nth: int = 1
    seconds: float = 1.0
    written: bool = True
    times: int = 1


@dataclass(frozen=True, slots=True)
class StoreGone(DiskFault):
    """From `at` on, no call to the store is answered for `seconds`."""

    at: float = 0.0
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class LeaseEnds(DiskFault):
    """At `at` the lease of the engine with the number `engine` is over, as after a suspended machine."""

    at: float = 0.0
    engine: int = 0


@dataclass(frozen=True, slots=True)
class Reboot(DiskFault):
    """The process of an engine is killed with kill -9: nothing of it does anything any more, no hook runs. After
    `seconds` another process starts in its place.

    It happens at the time `at`, to the engine with the number `engine`; or at the `nth` commit, to the engine that
    commits, and `written` says whether that commit is in the store. With `power`, the whole machine goes: the disk
    loses what was not synced.
    """

    at: float | None = None
    nth: int | None = None
    engine: int = 0
    seconds: float = 0.5
    written: bool = True
    power: bool = False

    def _wrong(self) -> Iterator[str]:
        yield from DiskFault._wrong(self)
        if (self.at is None) is (self.nth is None):
            yield "takes either a time or the number of a commit: give at or nth"
