"""What teams tell: events of the runtime's own stream, so that logs, metrics and views are sinks of all alike."""

from __future__ import annotations

from actors.spi import LifecycleEvent


class TeamEvent(LifecycleEvent):
    """Something that happened in a team. `path` is the place of whoever tells it; `at` is in seconds of the runtime's
    clock.
    """


# Work


class WorkBegan(TeamEvent):
    """A member got a piece of work."""

    work: str
    member: str
    attempt: int
    waited: float
    """Seconds since it was given to the team."""


class WorkEnded(TeamEvent):
    """A piece of work was done."""

    work: str
    member: str | None
    seconds: float
    """From the moment it was given to the team to its end."""
    busy: float
    """From the moment the last member got it to its end."""


class WorkGivenUp(WorkEnded, level="warning"):
    """A piece of work ended without a result."""

    error: BaseException


class WorkRetried(TeamEvent, level="warning"):
    """A member crashed over its work, and the work has attempts left."""

    work: str
    member: str
    attempt: int
    error: BaseException


class HandedOff(TeamEvent, level="info"):
    """A member took work over from another: from now on it is the owner."""

    work: str
    giver: str
    receiver: str
    reason: str


class HandoffReturned(TeamEvent, level="warning"):
    """Nobody took the work over; its giver has it again."""

    work: str
    giver: str
    to: str
    why: str


# Members


class MemberJoined(TeamEvent, level="info"):
    """A member came while the team ran."""

    member: str


class MemberLeft(TeamEvent, level="info"):
    """A member left in good order."""

    member: str


class MemberLost(TeamEvent, level="error"):
    """A member is gone for good, and did not say goodbye."""

    member: str


# The team


class Paused(TeamEvent, level="info"):
    """The team begins nothing new."""


class Resumed(TeamEvent, level="info"):
    """The team goes on."""


class Halted(TeamEvent, level="error"):
    """The kill switch was thrown."""

    reason: str


class Reset(TeamEvent, level="info"):
    """The team works again after it was halted."""


# Runs


class RunEvent(TeamEvent):
    """Something that happened in the run of a pattern."""

    run: str


class RunBegan(RunEvent, level="info"):
    """A pattern is played."""

    pattern: str


class RunEnded(RunEvent, level="info"):
    """The run has its result, or an error."""

    seconds: float
    error: BaseException | None


class StepBegan(RunEvent):
    """A step of a run was given out."""

    step: str
    target: str


class StepDone(RunEvent):
    """A step of a run has its result."""

    step: str
    seconds: float
    result: object


class StepBroke(RunEvent, level="warning"):
    """A step of a run failed, or was not done in time."""

    step: str
    seconds: float
    error: BaseException


class StepSkipped(RunEvent, level="info"):
    """A run goes on without this step, as its pattern says."""

    step: str
    why: str


class StepPassedOver(StepSkipped, level="warning"):
    """A step failed, and its input goes on in place of its result."""

    error: BaseException


# Shared state


class StoreRepaired(TeamEvent, level="warning"):
    """The last write to a store had not been finished when its process died, and is left out."""

    dropped: bytes


class SnapshotFailed(TeamEvent, level="error"):
    """A snapshot could not be stored. The events are, so nothing is lost; the next event tries again."""

    error: Exception


class UpdateConflict(TeamEvent):
    """A `compare_and_set` came too late."""

    key: str
    expected: int
    found: int
