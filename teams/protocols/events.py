"""What the protocols tell, as events of the runtime's own stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from actors.spi import ExitReason
from teams.events import TeamEvent

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
