"""What teams tell: events of the runtime's own stream, so that logs, metrics and views are sinks of all alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from teams._actors import ExitReason, LifecycleEvent


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


# Resilience. `call` is the name of the function, or the path of the actor that was called.


@dataclass(frozen=True, slots=True)
class Retried(TeamEvent):
    """A call failed and is made again in `delay` seconds; `attempt` is the one that failed, from 1."""

    level: ClassVar[str] = "warning"
    call: str
    attempt: int
    delay: float
    error: Exception


@dataclass(frozen=True, slots=True)
class CallGivenUp(TeamEvent):
    """A call failed and is not made again."""

    level: ClassVar[str] = "error"
    call: str
    attempts: int
    error: Exception


@dataclass(frozen=True, slots=True)
class CallTimedOut(TeamEvent):
    """A call was not done in time."""

    level: ClassVar[str] = "warning"
    call: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CallRefused(TeamEvent):
    """A policy did not let a call through, or a kill switch ended one that was under way."""

    level: ClassVar[str] = "warning"
    call: str
    error: Exception


@dataclass(frozen=True, slots=True)
class CircuitOpened(TeamEvent):
    """A circuit breaker refuses calls for `seconds` from now on."""

    level: ClassVar[str] = "error"
    call: str
    seconds: float
    error: Exception


@dataclass(frozen=True, slots=True)
class CircuitHalfOpened(TeamEvent):
    """A circuit breaker lets one call through to see whether it may close."""

    level: ClassVar[str] = "info"
    call: str


@dataclass(frozen=True, slots=True)
class CircuitClosed(TeamEvent):
    """A circuit breaker lets calls through again."""

    level: ClassVar[str] = "info"
    call: str


@dataclass(frozen=True, slots=True)
class FellBack(TeamEvent):
    """A call failed, and `to` is tried in its place."""

    level: ClassVar[str] = "warning"
    call: str
    to: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Degraded(TeamEvent):
    """The load is so high that the faster function is called from now on."""

    level: ClassVar[str] = "warning"
    call: str
    load: float


@dataclass(frozen=True, slots=True)
class DegradationEnded(TeamEvent):
    """The load is low enough again for the function itself."""

    level: ClassVar[str] = "info"
    call: str
    load: float


@dataclass(frozen=True, slots=True)
class ResourcesGranted(TeamEvent):
    """Somebody holds resources from now on; `holder` is the path of the actor, `None` for code outside of actors."""

    holder: str | None
    wants: Mapping[str, float]
    waited: float


@dataclass(frozen=True, slots=True)
class ResourcesReleased(TeamEvent):
    """Somebody holds resources no longer, after `held` seconds. `died`: because the holder's incarnation has ended."""

    holder: str | None
    wants: Mapping[str, float]
    held: float
    died: bool


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


# Election


@dataclass(frozen=True, slots=True)
class LeaderElected(TeamEvent):
    """A candidate has the votes of a majority; told by the leader itself, once a term."""

    level: ClassVar[str] = "info"
    term: int
    leader: str


@dataclass(frozen=True, slots=True)
class LeaderResigned(TeamEvent):
    """A leader heard of a later term, or whom it stands for has ended; told by itself. One that crashes says
    nothing.
    """

    level: ClassVar[str] = "info"
    term: int
    leader: str


@dataclass(frozen=True, slots=True)
class StandsForNobody(TeamEvent):
    """A candidate would stand, and at the path of whom it stands for there is no actor, for ten elections by now: it
    cannot lead. Told once, until there is one.
    """

    level: ClassVar[str] = "warning"
    stands_for: str


# Intentions


@dataclass(frozen=True, slots=True)
class IntentionEvent(TeamEvent):
    """Something became of what a peer announced."""

    intention: str
    """The id of the intention."""
    resource: str


@dataclass(frozen=True, slots=True)
class IntentionAnnounced(IntentionEvent):
    """A peer asks its peers whether they object."""

    action: object


@dataclass(frozen=True, slots=True)
class IntentionActed(IntentionEvent):
    """The action is done."""


@dataclass(frozen=True, slots=True)
class IntentionYielded(IntentionEvent):
    """The peer does not act: somebody objected, or did not agree in time."""

    to: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class IntentionFailed(IntentionEvent):
    """The peer crashed or was killed before its action was done."""

    level: ClassVar[str] = "warning"
    reason: ExitReason


# People and conflicts


@dataclass(frozen=True, slots=True)
class QuestionAsked(TeamEvent):
    """A person is to decide. `deadline` is when the default takes effect, by the runtime's clock in seconds."""

    level: ClassVar[str] = "info"
    question: str
    """The id of the question."""
    text: str
    options: tuple[object, ...]
    default: object
    deadline: float | None


@dataclass(frozen=True, slots=True)
class QuestionAnswered(TeamEvent):
    """A question has its answer. `defaulted`: nobody answered, and the default took effect."""

    level: ClassVar[str] = "info"
    question: str
    choice: object
    defaulted: bool
    why: str


@dataclass(frozen=True, slots=True)
class ConflictResolved(TeamEvent):
    """A conflict of members was resolved. `kind` is contention, contradiction or disagreement."""

    level: ClassVar[str] = "info"
    kind: str
    about: str
    winner: object
    why: str


# Topics and choreography


@dataclass(frozen=True, slots=True)
class EventUnheard(TeamEvent):
    """An event was published on a topic to which nobody subscribes; it is among the dead letters of the topics."""

    level: ClassVar[str] = "warning"
    topic: str
    event: str
    """The id of the event."""


@dataclass(frozen=True, slots=True)
class EventUndelivered(TeamEvent):
    """A subscriber did not handle an event and will not get it again; it is among the dead letters of the topics."""

    level: ClassVar[str] = "warning"
    topic: str
    event: str
    """The id of the event."""
    subscriber: str
    reason: str
    """spent, fatal, overflow, quarantined or gone."""
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class SubscriberQuarantined(TeamEvent):
    """A subscriber failed over one event after another and gets none until `redeliver`."""

    level: ClassVar[str] = "error"
    subscriber: str
    events: int
    """How many events it failed over, one after another."""
    error: BaseException


@dataclass(frozen=True, slots=True)
class ChainEnded(TeamEvent):
    """A chain of events has come to its end."""

    level: ClassVar[str] = "info"
    correlation_id: str
    status: str
    """completed, compensated, compensation_failed or unheard."""
    steps: int
    """How many steps were completed."""


@dataclass(frozen=True, slots=True)
class StepUndone(TeamEvent):
    """A completed step of a chain that failed was undone."""

    level: ClassVar[str] = "info"
    correlation_id: str
    topic: str
    subscriber: str


@dataclass(frozen=True, slots=True)
class CompensationFailed(TeamEvent):
    """What should undo a completed step failed for good: the step stays done."""

    level: ClassVar[str] = "error"
    correlation_id: str
    topic: str
    subscriber: str
    error: BaseException
