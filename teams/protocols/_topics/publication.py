"""Publications: an event, its delivery to each subscriber, and what the publisher is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from actors.spi import ReplyTo
from teams.protocols._delivery import Delivery, Outbox
from teams.protocols._topics.event import Event

if TYPE_CHECKING:
    from teams.protocols._topics.chain import Chain
    from teams.protocols._topics.subscriber import TopicSubscription

Reason = Literal["spent", "fatal", "overflow", "quarantined", "gone", "unheard", "withdrawn"]
"""Why an event was not handled: its attempts are spent; the subscriber said that no attempt would help; too many wait
for it; it is in quarantine; it has terminated; there are none; the chain failed before its turn came.
"""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A subscriber did not handle an event, and will not get it again unless it is redelivered."""

    reason: Reason
    error: BaseException | None
    attempts: int
    """How often the subscriber failed over it."""


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of a published event."""

    event_id: str
    subscribers: int
    """How many subscribe to its topic."""
    handled: Mapping[str, object] = field(default_factory=dict)
    """The results of the subscribers, by path; only for `publish(wait=True)`."""
    undelivered: Mapping[str, Undelivered] = field(default_factory=dict)
    """The subscribers that did not handle it, by path. Without `wait`: those it was refused for at once."""
    duplicate: bool = False
    """It had been published before, and was not delivered again."""


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that was not handled, kept to be looked at and redelivered."""

    event: Event
    subscriber: str | None
    """The path of the subscriber; None: there were none."""
    reason: Reason
    error: BaseException | None
    attempts: int
    at: float
    """When it was given up, in seconds of the runtime's clock."""


class Publication:
    """An event that a caller waits for, or of a chain: the subscribers still to come, and the outcomes so far."""

    __slots__ = ("chain", "event", "handled", "pending", "replies", "subscribers", "undelivered")

    def __init__(self, event: Event, subscribers: int, chain: Chain | None) -> None:
        self.event = event
        self.subscribers = subscribers
        self.chain = chain
        self.pending = 0
        self.handled: dict[str, object] = {}
        self.undelivered: dict[str, Undelivered] = {}
        self.replies: list[ReplyTo] = []

    def report(self, *, duplicate: bool = False) -> Published:
        """The outcome so far."""
        return Published(self.event.id, self.subscribers, dict(self.handled), dict(self.undelivered), duplicate)


class EventDelivery(Delivery):
    """One attempt to have one subscriber handle one event."""

    __slots__ = ("event", "publication", "subscription")

    def __init__(
        self, outbox: Outbox[Any], subscription: TopicSubscription, event: Event, publication: Publication | None = None
    ) -> None:
        super().__init__(outbox, subscription.subscriber.ref, event, event.correlation_id, subscription.terms)
        self.subscription = subscription
        self.event = event
        self.publication = publication
