"""The ref of topics, and their messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from actors.spi import ActorRef, Future, current_cell, current_correlation_id
from supervisors.spi import Backoff, SpecError, SpecFault
from teams._checks.fields import id_faults, ref_faults, refuse, seconds_faults
from teams.protocols._delivery import BACKOFF, Terms
from teams.protocols._topics.chain import ChainOutcome
from teams.protocols._topics.choreography import Choreography
from teams.protocols._topics.event import Event, new_id, topic_faults
from teams.protocols._topics.publication import DeadEvent, Published
from teams.protocols._topics.subscriber import SubscriberInfo


class Publish(NamedTuple):
    """Tell all who subscribe. `until` says when to answer; `deadline` is seconds for the chain that begins here."""

    event: Event
    until: Literal["queued", "handled", "ended"] = "queued"
    deadline: float | None = None


class Subscribe(NamedTuple):
    """Have `ref` told of events from now on."""

    pattern: str
    ref: ActorRef[Any]
    terms: Terms
    concurrency: int
    max_waiting: int


class Unsubscribe(NamedTuple):
    """Tell `ref` nothing that is published from now on, on this pattern or (None) on any."""

    ref: ActorRef[Any]
    pattern: str | None


class Choreograph(NamedTuple):
    """Have these members take the steps of a choreography."""

    choreography: Choreography
    members: Mapping[str, ActorRef[Any]]


class AwaitChain(NamedTuple):
    """How did, or will, this chain end?"""

    correlation_id: str


class GetDeadEvents(NamedTuple):
    """Which events were not handled, and why?"""


class Redeliver(NamedTuple):
    """Try again what was not handled, by this subscriber or (None) by any."""

    path: str | None


class GetSubscribers(NamedTuple):
    """List the subscribers."""


class TopicsRef(ActorRef[Any]):
    """Topics, from outside. Every operation returns a future: `await` it in a coroutine, `.get(timeout=...)` it in a
    thread.

    A future raises `SpecError` for values that cannot be, and `ActorDeadError` when the topics go first.
    """

    __slots__ = ()

    def publish(
        self,
        topic: str,
        payload: object = None,
        *,
        id: str | None = None,
        correlation_id: str | None = None,
        wait: bool = False,
    ) -> Future[Published]:
        """Tells all who subscribe to `topic`.

        Answers once the event is queued for every subscriber; with `wait`, once each of them has handled it or will
        not. A member that waits for an event it subscribes to itself waits for ever.

        Args:
            topic: words with dots between them
            payload: what happened
            id: the same for an event that is published again, which is then handled once; by default a new one
            correlation_id: by default that of the message being handled, else the event's own id
            wait: whether to wait for the subscribers

        Raises:
            SpecError: at once, with everything that is wrong with the arguments
        """
        event = self._event(topic, payload, id, correlation_id)
        return self._ask(Publish(event, "handled" if wait else "queued"))

    def chain(
        self,
        topic: str,
        payload: object = None,
        *,
        id: str | None = None,
        correlation_id: str | None = None,
        deadline: float | None = None,
    ) -> Future[ChainOutcome]:
        """Begins a chain: like `publish`, and answers when the steps of the choreographies have come to their end.

        If `topic` has no subscriber the outcome is `unheard`, with a `NobodyHears` as the error of its failure, which
        names the nearest topic there is; unless a choreography ends with it.
        `deadline` is in seconds; by default that of the choreography. Raises SpecError at once, with everything that
        is wrong with the arguments.
        """
        # A chain that begins inside another one is of its own.
        faults = seconds_faults(self.path, "deadline", deadline)
        event = self._event(topic, payload, id, correlation_id, faults, inherit=False)
        return self._ask(Publish(event, "ended", deadline))

    def chain_outcome(self, correlation_id: str) -> Future[ChainOutcome]:
        """How a chain ends, or has ended; the last 1,000 are remembered. The future raises `UnknownChain`."""
        refuse(id_faults(self.path, "correlation_id", correlation_id))
        return self._ask(AwaitChain(correlation_id))

    def subscribe(
        self,
        pattern: str,
        ref: ActorRef[Any],
        *,
        attempts: int = 3,
        backoff: Backoff = BACKOFF,
        timeout: float | None = None,
        concurrency: int = 1,
        max_waiting: int = 10_000,
    ) -> Future[None]:
        """Delivers every event on the topics that `pattern` names to `ref`, until it has terminated.

        Args:
            pattern: a topic in which `*` may stand for one word and `**` for any number of them
            ref: gets the `Event` as a message; what its handler returns is the outcome, and an `Emit` (or a list of
                them) is published
            attempts: how often it may fail over one event
            backoff: how long it is left alone after each failure
            timeout: seconds it may take for an event, waiting in its mailbox included; None: any time
            concurrency: how many events it may be given at once; beyond 1 they may be handled in any order
            max_waiting: how many may wait for their turn here; what does not fit becomes a dead letter

        The last `concurrency` and `max_waiting` count for the subscriber, on all its patterns.
        """
        return self._ask(Subscribe(pattern, ref, Terms(attempts, backoff, timeout), concurrency, max_waiting))

    def unsubscribe(self, ref: ActorRef[Any], pattern: str | None = None) -> Future[None]:
        """Ends one subscription of `ref`, or all. What was published before is still delivered."""
        refuse(ref_faults(self.path, "ref", ref))
        return self._ask(Unsubscribe(ref, pattern))

    def choreograph(self, choreography: Choreography, members: Mapping[str, ActorRef[Any]]) -> Future[None]:
        """Has the members take the steps of a choreography, in place of an earlier one of the same name.

        The future raises `SpecError` with every member and compensation that `members` does not name. Another type of
        argument raises it at once.
        """
        given: object = members
        if not isinstance(given, Mapping):
            raise SpecError([SpecFault(self.path, f"members: must be a mapping {{id: ref}}, got {members!r}")])
        faults = [fault for name, ref in given.items() for fault in ref_faults(f"{self.path}/{name}", "member", ref)]
        if not isinstance(choreography, Choreography):
            faults.append(SpecFault(self.path, f"choreography: must be made by choreography(), got {choreography!r}"))
        refuse(faults)
        return self._ask(Choreograph(choreography, dict(members)))

    def dead_events(self) -> Future[tuple[DeadEvent, ...]]:
        """The events that were not handled, oldest first; by default the last 1,000."""
        return self._ask(GetDeadEvents())

    def redeliver(self, subscriber: str | None = None) -> Future[int]:
        """Tries again what was not handled, by the subscriber of this path or by any, and takes it out of quarantine.

        Returns how many events were queued again. Those of terminated subscribers stay dead.
        """
        return self._ask(Redeliver(subscriber))

    def subscribers(self) -> Future[tuple[SubscriberInfo, ...]]:
        """The subscribers, with their waiting events."""
        return self._ask(GetSubscribers())

    def _event(
        self,
        topic: str,
        payload: object,
        id: str | None,
        correlation_id: str | None,
        faults: Iterable[SpecFault] = (),
        *,
        inherit: bool = True,
    ) -> Event:
        refuse(
            topic_faults(self.path, topic),
            id_faults(self.path, "id", id),
            id_faults(self.path, "correlation_id", correlation_id),
            faults,
        )
        cell = current_cell()
        id = id if id is not None else new_id(self.runtime.random)
        if correlation_id is None and inherit:
            correlation_id = current_correlation_id()
        sender = cell.path if cell is not None else None
        return Event(id, topic, payload, sender, correlation_id or id, self.runtime.now())

    def _ask(self, message: object) -> Future[Any]:
        # No deadline: how long subscribers take is their affair, and the end of the topics settles every request.
        return self.ask(message, block=False, timeout=None)
