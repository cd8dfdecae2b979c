"""The events of teams. They go to the runtime's own stream, so logs, metrics and views get them like all others."""

from __future__ import annotations

from actors.spi import LifecycleEvent


class TeamEvent(LifecycleEvent):
    """Something that happened in a team. `path` is the actor that publishes it; `at` is in seconds of the runtime's
    clock.
    """


# Work


class WorkBegan(TeamEvent):
    """A member got work."""

    work: str
    member: str
    attempt: int
    waited: float
    """Seconds since the team got it."""


class WorkEnded(TeamEvent):
    """Work was done."""

    work: str
    member: str | None
    seconds: float
    """Seconds from the moment the team got it to its end."""
    busy: float
    """Seconds from the moment the last member got it to its end."""


class WorkGivenUp(WorkEnded, level="warning"):
    """Work ended without a result."""

    error: BaseException


class WorkRetried(TeamEvent, level="warning"):
    """A member crashed over its work, and the work has attempts left."""

    work: str
    member: str
    attempt: int
    error: BaseException


class HandedOff(TeamEvent, level="info"):
    """A member took work over from another, and owns it from now on."""

    work: str
    giver: str
    receiver: str
    reason: str


class HandoffReturned(TeamEvent, level="warning"):
    """No member took the work over; its giver has it again."""

    work: str
    giver: str
    to: str
    why: str


# Members


class MemberJoined(TeamEvent, level="info"):
    """A member joined while the team ran."""

    member: str


class MemberLeft(TeamEvent, level="info"):
    """A member left in order."""

    member: str


class MemberLost(TeamEvent, level="error"):
    """A member terminated without leaving."""

    member: str


# The team


class Paused(TeamEvent, level="info"):
    """The team starts no new work."""


class Resumed(TeamEvent, level="info"):
    """The team starts new work again."""


class Halted(TeamEvent, level="error"):
    """The kill switch of the team was used."""

    reason: str


class Reset(TeamEvent, level="info"):
    """A halted team works again."""


# Runs


class RunEvent(TeamEvent):
    """Something that happened in the run of a pattern."""

    run: str


class RunBegan(RunEvent, level="info"):
    """The run of a pattern began."""

    pattern: str


class RunEnded(RunEvent, level="info"):
    """The run has its result, or an error."""

    seconds: float
    error: BaseException | None


class StepBegan(RunEvent):
    """A step of a run was given to its target."""

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
    """A run goes on without this step, as its pattern allows."""

    step: str
    why: str


class StepPassedOver(StepSkipped, level="warning"):
    """A step failed, and its input is passed on in place of its result."""

    error: BaseException


# Shared state


class StoreRepaired(TeamEvent, level="warning"):
    """The last write to a store was incomplete, because its process died, and is left out."""

    dropped: bytes


class SnapshotFailed(TeamEvent, level="error"):
    """A snapshot could not be stored. Nothing is lost, because the events are stored; the next event tries again."""

    error: Exception


class UpdateConflict(TeamEvent):
    """A `compare_and_set` was refused: the entry had changed."""

    key: str
    expected: int
    found: int
