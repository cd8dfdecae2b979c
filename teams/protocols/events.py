"""The events of the protocols."""

from __future__ import annotations

from actors.spi import ExitReason
from teams.events import TeamEvent

# Election


class LeaderElected(TeamEvent, level="info"):
    """A candidate has the votes of a majority. The leader publishes it, once in its term."""

    term: int
    leader: str


class LeaderResigned(TeamEvent, level="info"):
    """A leader heard of a later term, or the actor that it stands for has ended. The leader publishes it; a leader that
    crashes does not.
    """

    term: int
    leader: str


class StandsForNobody(TeamEvent, level="warning"):
    """A candidate cannot lead, because the path that it stands for has had no actor for ten elections. Published once,
    until the path has an actor.
    """

    stands_for: str


# Intentions


class IntentionEvent(TeamEvent):
    """Something happened to the intention of a peer."""

    intention: str
    """The id of the intention."""
    resource: str


class IntentionAnnounced(IntentionEvent):
    """A peer asks its peers whether they object."""

    action: object


class IntentionActed(IntentionEvent):
    """The action is done."""


class IntentionYielded(IntentionEvent):
    """The peer does not act: another peer objected, or did not agree in time."""

    to: tuple[str, ...]
    why: str


class IntentionFailed(IntentionEvent, level="warning"):
    """The peer crashed or was killed before its action was done."""

    reason: ExitReason


# People and conflicts


class QuestionAsked(TeamEvent, level="info"):
    """A person was asked to decide. At `deadline`, in seconds of the runtime's clock, the default takes effect."""

    question: str
    """The id of the question."""
    text: str
    options: tuple[object, ...]
    default: object
    deadline: float | None


class QuestionAnswered(TeamEvent, level="info"):
    """A question has its answer. `defaulted`: it was not answered in time, and the default took effect."""

    question: str
    choice: object
    defaulted: bool
    why: str


class ConflictResolved(TeamEvent, level="info"):
    """A conflict of members was resolved. `kind` is contention, contradiction or disagreement."""

    kind: str
    about: str
    winner: object
    why: str


# Topics and choreography


class EventUnheard(TeamEvent, level="warning"):
    """An event was published on a topic without a subscriber; it is among the dead letters of the topics."""

    topic: str
    event: str
    """The id of the event."""


class EventUndelivered(TeamEvent, level="warning"):
    """A subscriber did not handle an event and will not get it again; it is among the dead letters of the topics."""

    topic: str
    event: str
    """The id of the event."""
    subscriber: str
    reason: str
    """spent, fatal, overflow, quarantined or gone."""
    error: BaseException | None


class SubscriberQuarantined(TeamEvent, level="error"):
    """A subscriber failed over several events in a row and gets none until `redeliver`."""

    subscriber: str
    events: int
    """How many events it failed over in a row."""
    error: BaseException


class ChainEnded(TeamEvent, level="info"):
    """A chain of events has ended."""

    correlation_id: str
    status: str
    """completed, compensated, compensation_failed or unheard."""
    steps: int
    """How many steps were completed."""


class StepUndone(TeamEvent, level="info"):
    """A completed step of a chain that failed was undone."""

    correlation_id: str
    topic: str
    subscriber: str


class CompensationFailed(TeamEvent, level="error"):
    """The undoing of a completed step failed in every attempt: the step stays done."""

    correlation_id: str
    topic: str
    subscriber: str
    error: BaseException
