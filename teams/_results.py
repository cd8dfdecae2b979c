"""What a member may return besides a result: values that ask for more."""

from __future__ import annotations

from dataclasses import dataclass

from teams._supervisors import SpecError
from teams._target import Can, whom_faults

NOTHING = object()
"""Stands for work that is handed on as it came."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """Returned by a member that hands its work on (_handoff.py). Raises SpecError when `to` names nobody."""

    to: str | Can
    """A member, a role or a capability."""
    work: object = NOTHING
    """What the receiver gets; by default what this member got."""
    reason: str = ""

    def __post_init__(self) -> None:
        faults = list(whom_faults("Handoff()", self.to))
        if faults:
            raise SpecError(faults)


@dataclass(frozen=True, slots=True)
class Emit:
    """Returned by a member that tells the team of something: published on `topic` (protocols/_topics.py)."""

    topic: str
    payload: object = None


@dataclass(frozen=True, slots=True)
class Done:
    """Returned by a member whose result shall trigger a handoff rule: `trigger` is the name the rule waits for."""

    trigger: str
    result: object = None
