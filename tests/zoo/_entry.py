"""What an entry of the zoo is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from actors.testing import Fault, FaultPlan, OracleFailure, Simulation

Play = Callable[[Simulation, Any], None]
"""Starts a program in a simulation, loads it and says what must hold. The second argument is the part with the bug, or
the mended one.
"""


@dataclass(frozen=True)
class Entry:
    """A known bug and its fixed twin: the same program with one change."""

    name: str
    play: Play
    bug: Any
    """The part with the bug; nearly always an actor class."""
    fix: Any
    """The same part, mended."""
    shows: type[OracleFailure]
    """What the oracle says when it sees the bug. Anything else would be another bug."""
    faults: tuple[Callable[[Random], Fault | tuple[Fault, ...]], ...] = ()
    """The kinds of fault that may be switched on. None: the order of steps alone brings the bug out."""
    most: int = 2
    """How many faults of each kind that is on at most."""

    def plan(self, draw: Random) -> FaultPlan:
        """A fault plan: first which kinds are on (one that is off cannot hide another), then how often each."""
        on = [make for make in self.faults if draw.random() < 0.5]
        if self.faults and not on:
            on = [draw.choice(self.faults)]
        made = [make(draw) for make in on for _ in range(draw.randint(1, self.most))]
        return FaultPlan(*(fault for each in made for fault in (each if isinstance(each, tuple) else (each,))))

    def __str__(self) -> str:
        return self.name
