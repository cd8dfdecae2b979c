"""What teams tell: events of the runtime's own stream, so that logs, metrics and views are sinks of all alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from actors.spi import LifecycleEvent


@dataclass(frozen=True, slots=True)
class TeamEvent(LifecycleEvent):
    """Something that happened in a team. `path` is the place of whoever tells it; `at` is in seconds of the runtime's
    clock.
    """


# Work


@dataclass(frozen=True, slots=True)
class WorkBegan(TeamEvent):
    """A member got a piece of work."""

    work: str
    member: str
    attempt: int
    waited: float
    """Seconds since it was given to the team."""


@dataclass(frozen=True, slots=True)
class WorkEnded(TeamEvent):
    """A piece of work was done."""

    work: str
    member: str | None
    seconds: float
    """From the moment it was given to the team to its end."""
    busy: float
    """From the moment the last member got it to its end."""


@dataclass(frozen=True, slots=True)
class WorkGivenUp(WorkEnded):
    """A piece of work ended without a result."""

    level: ClassVar[str] = "warning"
    error: BaseException


@dataclass(frozen=True, slots=True)
class WorkRetried(TeamEvent):
    """A member crashed over its work, and the work has attempts left."""

    level: ClassVar[str] = "warning"
    work: str
    member: str
    attempt: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class HandedOff(TeamEvent):
    """A member took work over from another: from now on it is the owner."""

    level: ClassVar[str] = "info"
    work: str
    giver: str
    receiver: str
    reason: str


@dataclass(frozen=True, slots=True)
class HandoffReturned(TeamEvent):
    """Nobody took the work over; its giver has it again."""

    level: ClassVar[str] = "warning"
    work: str
    giver: str
    to: str
    why: str


# Members


@dataclass(frozen=True, slots=True)
class MemberJoined(TeamEvent):
    """A member came while the team ran."""

    level: ClassVar[str] = "info"
    member: str


@dataclass(frozen=True, slots=True)
class MemberLeft(TeamEvent):
    """A member left in good order."""

    level: ClassVar[str] = "info"
    member: str


@dataclass(frozen=True, slots=True)
class MemberLost(TeamEvent):
    """A member is gone for good, and did not say goodbye."""

    level: ClassVar[str] = "error"
    member: str


# The team


@dataclass(frozen=True, slots=True)
class Paused(TeamEvent):
    """The team begins nothing new."""

    level: ClassVar[str] = "info"


@dataclass(frozen=True, slots=True)
class Resumed(TeamEvent):
    """The team goes on."""

    level: ClassVar[str] = "info"


@dataclass(frozen=True, slots=True)
class Halted(TeamEvent):
    """The kill switch was thrown."""

    level: ClassVar[str] = "error"
    reason: str


@dataclass(frozen=True, slots=True)
class Reset(TeamEvent):
    """The team works again after it was halted."""

    level: ClassVar[str] = "info"


# Runs


@dataclass(frozen=True, slots=True)
class RunEvent(TeamEvent):
    """Something that happened in the run of a pattern."""

    run: str


@dataclass(frozen=True, slots=True)
class RunBegan(RunEvent):
    """A pattern is played."""

    level: ClassVar[str] = "info"
    pattern: str


@dataclass(frozen=True, slots=True)
class RunEnded(RunEvent):
    """The run has its result, or an error."""

    level: ClassVar[str] = "info"
    seconds: float
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class StepBegan(RunEvent):
    """A step of a run was given out."""

    step: str
    target: str


@dataclass(frozen=True, slots=True)
class StepDone(RunEvent):
    """A step of a run has its result."""

    step: str
    seconds: float
    result: object


@dataclass(frozen=True, slots=True)
class StepBroke(RunEvent):
    """A step of a run failed, or was not done in time."""

    level: ClassVar[str] = "warning"
    step: str
    seconds: float
    error: BaseException


@dataclass(frozen=True, slots=True)
class StepSkipped(RunEvent):
    """A run goes on without this step, as its pattern says."""

    level: ClassVar[str] = "info"
    step: str
    why: str


@dataclass(frozen=True, slots=True)
class StepPassedOver(StepSkipped):
    """A step failed, and its input goes on in place of its result."""

    level: ClassVar[str] = "warning"
    error: BaseException


# Shared state


@dataclass(frozen=True, slots=True)
class StoreRepaired(TeamEvent):
    """The last write to a store had not been finished when its process died, and is left out."""

    level: ClassVar[str] = "warning"
    dropped: bytes


@dataclass(frozen=True, slots=True)
class SnapshotFailed(TeamEvent):
    """A snapshot could not be stored. The events are, so nothing is lost; the next event tries again."""

    level: ClassVar[str] = "error"
    error: Exception


@dataclass(frozen=True, slots=True)
class UpdateConflict(TeamEvent):
    """A `compare_and_set` came too late."""

    key: str
    expected: int
    found: int
