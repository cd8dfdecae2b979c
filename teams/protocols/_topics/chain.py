"""Chains: the events of one correlation id that go through the steps of a choreography, and how they are undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from actors.spi import ReplyTo, Timer
from teams.protocols._delivery import Delivery, Outbox
from teams.protocols._topics.event import Event
from teams.protocols._topics.publication import EventDelivery, Reason

if TYPE_CHECKING:
    from teams.protocols._topics.subscriber import StepTerms, Subscriber

ChainStatus = Literal["completed", "compensated", "compensation_failed", "unheard"]
"""How a chain ended: all of its steps are done; they are undone; some could not be undone; it had none, because its
first event had no subscriber.
"""


@dataclass(frozen=True, slots=True)
class ChainStep:
    """A step that was completed: one subscriber has handled one event."""

    topic: str
    subscriber: str
    event_id: str
    result: object


@dataclass(frozen=True, slots=True)
class ChainFailure:
    """The cause of the failure of a chain."""

    topic: str
    subscriber: str | None
    """None: not a single step, but the deadline of the chain, or a first event without a subscriber."""
    reason: Reason | Literal["deadline"]
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class NotUndone:
    """A completed step that could not be undone: it stays done."""

    step: ChainStep
    error: BaseException
    attempts: int


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """How a chain ended."""

    correlation_id: str
    status: ChainStatus
    steps: tuple[ChainStep, ...]
    """The completed steps, in the order in which they were completed."""
    failure: ChainFailure | None = None
    """The cause of its failure; None: it was completed."""
    undone: tuple[ChainStep, ...] = ()
    """The steps that were undone, in the order in which they were: the reverse."""
    not_undone: tuple[NotUndone, ...] = ()
    under_way: tuple[str, ...] = ()
    """The paths of the subscribers that had not finished by the deadline. A step completed later is undone then."""


@dataclass(frozen=True, slots=True)
class Undo:
    """To the member that undoes a step: take it back. Comes again, with the same id, if it was not acknowledged."""

    id: str
    event: Event
    """The event that was handled."""
    result: object
    """The value that its handler returned."""
    correlation_id: str
    failure: ChainFailure
    """Why the chain failed."""


class Completed(NamedTuple):
    """A completed step, and what undoes it."""

    step: ChainStep
    event: Event
    terms: StepTerms


class UndoDelivery(Delivery):
    """One attempt to undo one step."""

    __slots__ = ("chain", "completed")

    def __init__(self, outbox: Outbox[Any], chain: Chain, completed: Completed) -> None:
        step, event, terms = completed
        assert terms.undo is not None
        assert chain.failure is not None
        message = Undo(f"{event.id}/{step.subscriber}", event, step.result, chain.correlation_id, chain.failure)
        super().__init__(outbox, terms.undo, message, chain.correlation_id, terms.undo_terms)
        self.chain = chain
        self.completed = completed


class Chain:
    """The known facts about one chain.

    *under way* - *failed* (steps that have begun may end) - *undoing* - *ended*. It is under way until nothing of it is
    open; it fails with the first step that fails for good, or at its deadline.
    """

    __slots__ = (
        "abandoned",
        "correlation_id",
        "due",
        "failure",
        "not_undone",
        "open",
        "outcome",
        "replies",
        "seconds",
        "steps",
        "timer",
        "to_undo",
        "undoing",
        "undone",
    )

    def __init__(self, correlation_id: str, seconds: float | None, now: float) -> None:
        self.correlation_id = correlation_id
        self.seconds = seconds
        self.due = None if seconds is None else now + seconds
        self.timer: Timer | None = None
        self.replies: list[ReplyTo] = []
        self.open: dict[tuple[str, Subscriber], EventDelivery] = {}
        """The steps that have not ended, by event and subscriber."""
        self.steps: list[ChainStep] = []
        self.to_undo: list[Completed] = []
        self.failure: ChainFailure | None = None
        self.abandoned = False
        """Whether its deadline has passed. It then waits for steps under way no longer."""
        self.undoing: UndoDelivery | None = None
        self.undone: list[ChainStep] = []
        self.not_undone: list[NotUndone] = []
        self.outcome: ChainOutcome | None = None

    def complete(self, delivery: EventDelivery, terms: StepTerms) -> None:
        """A step is done."""
        event, path = delivery.event, delivery.subscription.subscriber.path
        step = ChainStep(event.topic, path, event.id, delivery.result)
        self.steps.append(step)
        if terms.undo is not None:
            self.to_undo.append(Completed(step, event, terms))

    def fail(self, failure: ChainFailure) -> list[EventDelivery]:
        """The chain has failed, unless it had before. Returns the steps that have not begun, and now will not."""
        if self.failure is not None:
            return []
        self.failure = failure
        withdrawn = [each for each in self.open.values() if not each.posted]
        for each in withdrawn:
            del self.open[each.event.id, each.subscription.subscriber]
        return withdrawn

    @property
    def unheard(self) -> bool:
        """Whether its first event had no subscriber. Events that members emit later do not count."""
        return self.failure is not None and self.failure.reason == "unheard" and self.failure.subscriber is None

    @property
    def may_undo(self) -> bool:
        """Whether the next step may be undone: one at a time, and only when no other may still be completed."""
        return self.failure is not None and self.undoing is None and (self.abandoned or not self.open)

    def end(self) -> ChainOutcome:
        """The outcome of a chain in which nothing is left to do."""
        status: ChainStatus = "completed"
        if self.unheard:
            status = "unheard"
        elif self.failure is not None:
            status = "compensation_failed" if self.not_undone else "compensated"
        self.outcome = ChainOutcome(
            self.correlation_id,
            status,
            tuple(self.steps),
            self.failure,
            tuple(self.undone),
            tuple(self.not_undone),
            self.under_way,
        )
        return self.outcome

    @property
    def under_way(self) -> tuple[str, ...]:
        """The subscribers that have not finished."""
        return tuple(dict.fromkeys(subscriber.path for _, subscriber in self.open))
