"""The data that the topics keep through crashes and kills: subscribers, waiting events, publications, results."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from actors.spi import ActorRef, ReplyTo
from teams.protocols._delivery import Outbox
from teams.protocols._topics.chain import Chain, ChainOutcome, UndoDelivery
from teams.protocols._topics.publication import DeadEvent, EventDelivery, Publication
from teams.protocols._topics.subscriber import Subscriber, TopicSubscription

ROUTES = 4_096
"""For how many topics it is remembered who hears of them."""
ENDED = 1_000
"""Of how many chains that ended the outcome is remembered."""


class TopicRoute(NamedTuple):
    """The subscribers of a topic."""

    subscriptions: tuple[TopicSubscription, ...]
    steps: bool
    """Whether a step of a choreography is among them."""
    vacant: tuple[TopicSubscription, ...] = ()
    """Steps of choreographies whose member has terminated."""


class Board(Outbox[EventDelivery | UndoDelivery]):
    """One for each place of topics in the tree."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribers: dict[ActorRef[Any], Subscriber] = {}
        self.choreographies: dict[str, frozenset[str]] = {}
        """The topics with which a choreography ends, by its name."""
        self.vacant: dict[str, list[TopicSubscription]] = {}
        """The steps whose member has terminated, by the name of the choreography, until it is set again."""
        self.routes: dict[str, TopicRoute] = {}
        self.seen: dict[str, Publication | int] = {}
        """The last events, by id: the publication while a caller waits for it, else its number of subscribers."""
        self.dead: deque[DeadEvent] = deque()
        self.chains: dict[str, Chain] = {}
        """The chains under way, by correlation id."""
        self.active: dict[Chain, None] = {}
        """The chains with something left to do: besides those under way, those that ended with a step unfinished."""
        self.ended: dict[str, ChainOutcome] = {}

    def route(self, topic: str) -> TopicRoute:
        """The subscribers of a topic, in the order in which they subscribed."""
        found = self.routes.get(topic)
        if found is None:
            heard = (each.heard(topic) for each in self.subscribers.values())
            subscriptions = tuple(each for each in heard if each is not None)
            steps = any(each.step is not None for each in subscriptions)
            lost = (each for vacant in self.vacant.values() for each in vacant)
            vacant = tuple(each for each in lost if each.matches.fullmatch(topic))
            found = TopicRoute(subscriptions, steps or bool(vacant), vacant)
            if len(self.routes) >= ROUTES:
                self.routes.clear()
            self.routes[topic] = found
        return found

    def ends_with(self, topic: str) -> bool:
        """Whether a choreography ends with this topic, so that it needs no subscriber."""
        return any(topic in ends for ends in self.choreographies.values())

    def patterns(self) -> tuple[str, ...]:
        """The patterns of all subscriptions."""
        subscriptions = (each for subscriber in self.subscribers.values() for each in subscriber.subscriptions)
        return tuple(sorted({each.pattern for each in subscriptions}))

    def remember_end(self, outcome: ChainOutcome) -> None:
        """Keeps the outcome of a chain for those who ask later."""
        self.ended.pop(outcome.correlation_id, None)
        self.ended[outcome.correlation_id] = outcome
        if len(self.ended) > ENDED:
            del self.ended[next(iter(self.ended))]

    def replies(self) -> Iterator[ReplyTo]:
        for each in self.seen.values():
            if isinstance(each, Publication):
                yield from each.replies
        for chain in self.active:
            yield from chain.replies
