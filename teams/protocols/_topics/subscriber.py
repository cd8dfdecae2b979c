"""Subscribers: their subscriptions, terms, and waiting events."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from actors.spi import ActorRef
from teams.protocols._delivery import Terms
from teams.protocols._topics.publication import EventDelivery


class StepTerms(NamedTuple):
    """The role of a subscription in a choreography."""

    choreography: str
    deadline: float | None
    undo: ActorRef[Any] | None
    """The member that undoes the step; None: it is not undone."""
    undo_terms: Terms


@dataclass(frozen=True, slots=True, eq=False)
class TopicSubscription:
    """A subscription of one subscriber to one topic, or to many."""

    pattern: str
    matches: re.Pattern[str]
    subscriber: Subscriber
    terms: Terms
    step: StepTerms | None = None


@dataclass(frozen=True, slots=True)
class SubscriberInfo:
    """A subscriber as others see it."""

    path: str
    patterns: tuple[str, ...]
    waiting: int
    """How many events wait for their turn."""
    under_way: int
    """How many were delivered to it, or are delivered again after a while."""
    quarantined: bool


class Subscriber:
    """One subscribed actor: it gets events in the order of publication, `concurrency` at a time."""

    __slots__ = (
        "concurrency",
        "max_waiting",
        "monitor",
        "out",
        "quarantined",
        "ref",
        "spent",
        "subscriptions",
        "waiting",
    )

    def __init__(self, ref: ActorRef[Any]) -> None:
        self.ref = ref
        self.concurrency = 1
        self.max_waiting = 10_000
        self.subscriptions: list[TopicSubscription] = []
        self.waiting: deque[EventDelivery] = deque()
        self.out: dict[EventDelivery, None] = {}
        """The events that it was given, and those that it gets again after a while."""
        self.spent = 0
        """Over how many events, one after another, it failed as often as it may."""
        self.quarantined = False
        self.monitor = 0

    @property
    def path(self) -> str:
        return self.ref.path

    @property
    def idle(self) -> bool:
        return not self.out and not self.waiting

    def heard(self, topic: str) -> TopicSubscription | None:
        """By which subscription it hears of a topic: a step of a choreography goes first, then the oldest."""
        found = [each for each in self.subscriptions if each.matches.fullmatch(topic)]
        return next((each for each in found if each.step is not None), found[0] if found else None)

    def allowed(self, terms: Terms) -> int:
        """How often it may fail over its next event: once only while it is on probation."""
        return 1 if self.spent else terms.attempts

    def info(self) -> SubscriberInfo:
        """The public view of the subscriber."""
        patterns = tuple(each.pattern for each in self.subscriptions)
        return SubscriberInfo(self.path, patterns, len(self.waiting), len(self.out), self.quarantined)
