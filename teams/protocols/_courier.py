"""Reliable send: a courier brings a message to its receiver, and says whether it arrived.

| message | from | to | meaning |
|---|---|---|---|
| `Send` | any | courier | bring this; answered with `Acknowledged` or `Unacknowledged` |
| the message itself | courier | any receiver | what its handler returns is the acknowledgement |
| `Parcel` | courier | a `Receiver` | the message with its correlation id: handled unless it has been |

States of a send: *under way* - *acknowledged*; or *resting* after a failure, and *under way* again; or *given up*.

Promise, under crashes and kills of every participant at any step, the courier included, and with messages lost, doubled
or late on their way to the receiver:

- `at_least_once`: acknowledged means that the handler has returned, at least once. The message is sent again when it
  raised, was interrupted, or did not return within `timeout`.
- `at_most_once`: it is sent once. After giving up it is unknown whether it was handled.
- Every send ends in `Acknowledged` or `Unacknowledged`, which says why.
- Two sends of one correlation id are one: the second gets the outcome of the first, for as long as that is among the
  last `remember` of the courier.
- A receiver that is a `Receiver` completes the handling of a message once, however often it comes, for as long as its
  correlation id is among the last `remembers` that it handled. At any other a message may be handled again when its
  acknowledgement did not come in time.

Bounds: the outcomes that are remembered; the sends under way are bounded by those who wait for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from actors.spi import (
    Actor,
    ActorRef,
    Future,
    ReplyTo,
    Timer,
    answer,
    handler_for,
    handles,
    take_reply,
)
from supervisors.spi import Backoff, SpecError, SpecFault
from teams._checks.fields import count_faults, id_faults, ref_faults, refuse, seconds_faults
from teams.errors import NoAcknowledgement
from teams.protocols._delivery import BACKOFF, Delivery, DeliveryDue, Outbox, OutcomesReady, Terms, arm
from teams.protocols._topics.event import new_id

Guarantee = Literal["at_least_once", "at_most_once"]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The receiver has handled the message."""

    correlation_id: str
    result: object
    """The value that its handler returned."""
    attempts: int
    """How often it was sent."""


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """The courier has given up without an acknowledgement."""

    correlation_id: str
    reason: Literal["spent", "fatal", "gone", "deadline", "unacknowledged"]
    """The attempts are spent; the receiver said that no attempt would help; it has terminated; the deadline has
    passed; or the one attempt of `at_most_once` failed.
    """
    error: BaseException
    attempts: int
    """How often it was sent."""


class Send(NamedTuple):
    """Bring a message to a receiver. Times are seconds."""

    receiver: ActorRef[Any]
    message: object
    correlation_id: str
    guarantee: Guarantee
    terms: Terms
    deadline: float | None


class Parcel(NamedTuple):
    """A message with its correlation id."""

    correlation_id: str
    message: object


class SendAttempt(Delivery):
    """One attempt of a send."""

    __slots__ = ("sending",)

    def __init__(self, outbox: Outbox[Any], sending: Sending) -> None:
        order = sending.order
        parcel = issubclass(order.receiver.actor_class, Receiver)
        message = Parcel(order.correlation_id, order.message) if parcel else order.message
        super().__init__(outbox, order.receiver, message, order.correlation_id, order.terms)
        self.sending = sending


class Sending:
    """The state of one send."""

    __slots__ = ("attempt", "due", "order", "replies", "timer")

    def __init__(self, outbox: Outbox[Any], order: Send, now: float) -> None:
        self.order = order
        self.due = None if order.deadline is None else now + order.deadline
        self.timer: Timer | None = None
        self.replies: list[ReplyTo] = []
        self.attempt = SendAttempt(outbox, self)

    def unacknowledged(self, seconds: float | None) -> NoAcknowledgement:
        """The error of an attempt or a send that took too long."""
        assert seconds is not None
        return NoAcknowledgement(self.order.receiver.path, type(self.order.message).__qualname__, seconds)


class Sends(Outbox[SendAttempt]):
    """The state of a courier."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, Sending] = {}
        self.ended: dict[str, Acknowledged | Unacknowledged] = {}

    def replies(self) -> Iterator[ReplyTo]:
        for sending in self.open.values():
            yield from sending.replies


class CourierRef(ActorRef[Any]):
    """A courier, from outside."""

    __slots__ = ()

    def reliable_send(
        self,
        receiver: ActorRef[Any],
        message: object,
        *,
        guarantee: Guarantee = "at_least_once",
        correlation_id: str | None = None,
        attempts: int = 5,
        backoff: Backoff = BACKOFF,
        timeout: float | None = 30.0,
        deadline: float | None = None,
    ) -> Future[Acknowledged | Unacknowledged]:
        """Sends a message reliably. A future of the outcome: `await` it or `.get()` it.

        Args:
            receiver: any actor; one that is a `Receiver` tells duplicates apart
            message: what it gets
            guarantee: whether it may be sent again
            correlation_id: the same for a message that is sent again; by default a new one
            attempts: how often the receiver may fail over it
            backoff: how long the receiver is left alone after each failure
            timeout: seconds each attempt may take, waiting in the mailbox included; None: any time
            deadline: seconds the whole may take; None: any time

        The future raises `SpecError` for values that cannot be, and `ActorDeadError` when the courier goes first.
        """
        id = correlation_id if correlation_id is not None else new_id(self.runtime.random)
        order = Send(receiver, message, id, guarantee, Terms(attempts, backoff, timeout), deadline)
        # No deadline of the question's own: the end of the courier settles it.
        return self.ask(order, block=False, timeout=None)


class Courier(Actor):
    """Sends messages reliably: `child("courier", Courier)`. Its ref is a `CourierRef`. It runs on the loop."""

    only_host = "loop"
    answers = (SpecError,)
    ref_type = CourierRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> CourierRef: ...

    def __init__(self, remember: int = 10_000) -> None:
        """
        Args:
            remember: of how many ended sends the outcome is remembered

        Raises:
            SpecError: it is below one
        """
        refuse(count_faults(self.path, "remember", remember))
        self._remember = remember
        self._sends = self.kept(Sends)

    def on_start(self) -> None:
        sends = self._sends
        sends.owned_by(self)
        for sending in sends.open.values():
            arm(self, sending)
            arm(self, sending.attempt)
        self._settle_all()

    @handles
    def send(self, order: Send) -> Acknowledged | Unacknowledged | None:
        """Begins a send, or joins the one there is."""
        sends, id = self._sends, order.correlation_id
        faults = [
            *ref_faults(self.path, "receiver", order.receiver),
            *id_faults(self.path, "correlation_id", id),
            *order.terms.faults(self.path),
            *seconds_faults(self.path, "deadline", order.deadline),
        ]
        if order.guarantee not in ("at_least_once", "at_most_once"):
            faults.append(SpecFault(self.path, f"guarantee: at_least_once or at_most_once, not {order.guarantee!r}"))
        refuse(faults)
        if id in sends.ended:
            return sends.ended[id]
        sending = sends.open.get(id)
        begins = sending is None
        if sending is None:
            sending = sends.open[id] = Sending(sends, order, self.runtime.now())
        reply = take_reply(self)
        if reply is not None:
            sending.replies.append(reply)
        if begins:
            arm(self, sending)
            self._post(sending.attempt)
        return None

    def _post(self, attempt: SendAttempt) -> None:
        error = attempt.post(self)
        if error is not None:
            self._failed(attempt, error)

    @handles
    def settle(self, _: OutcomesReady) -> None:
        """Deals with the outcomes that have come."""
        self._settle_all()

    def _settle_all(self) -> None:
        sends = self._sends
        sends.nudged = False
        while sends.settled:
            attempt = sends.settled.popleft()
            sending = attempt.sending
            if sends.open.get(sending.order.correlation_id) is not sending:
                continue
            if attempt.error is None:  # of any attempt: it was handled
                self._end(
                    sending, Acknowledged(sending.order.correlation_id, attempt.result, sending.attempt.tries + 1)
                )
            elif attempt is sending.attempt:
                self._failed(attempt, attempt.error)

    def _failed(self, attempt: SendAttempt, error: BaseException) -> None:
        sending = attempt.sending
        order, sent = sending.order, attempt.tries + 1
        reason: Literal["spent", "fatal", "gone", "unacknowledged"] | None
        reason = attempt.fail(error, order.terms.attempts)
        if reason != "gone" and order.guarantee == "at_most_once":
            reason = "unacknowledged"
        if reason is None:
            sending.attempt = attempt.again(self)
            arm(self, sending.attempt)
            return
        self._end(sending, Unacknowledged(order.correlation_id, reason, error, sent))

    def _end(self, sending: Sending, outcome: Acknowledged | Unacknowledged) -> None:
        sends = self._sends
        for timer in (sending.timer, sending.attempt.timer):
            if timer is not None:
                timer.cancel()
        del sends.open[outcome.correlation_id]
        sends.ended[outcome.correlation_id] = outcome
        if len(sends.ended) > self._remember:
            del sends.ended[next(iter(sends.ended))]
        for reply in sending.replies:
            answer(reply, outcome)

    @handles
    def due(self, due: DeliveryDue) -> None:
        """Tries again, or stops waiting."""
        what = due.what
        sending: Sending = what if isinstance(what, Sending) else what.sending
        order, attempt = sending.order, sending.attempt
        if self._sends.open.get(order.correlation_id) is not sending:
            return
        if what is sending:
            error = sending.unacknowledged(order.deadline)
            self._end(sending, Unacknowledged(order.correlation_id, "deadline", error, attempt.tries + attempt.posted))
        elif attempt.settled:
            self._settle_all()
        elif what is attempt:
            if attempt.posted:
                self._failed(attempt, sending.unacknowledged(order.terms.timeout))
            else:
                self._post(attempt)


class HandledMessages:
    """The state of a receiver: the last results, by correlation id."""

    def __init__(self) -> None:
        self.results: dict[str, object] = {}

    def remember(self, correlation_id: str, result: object, most: int) -> None:
        """Keeps one result more, and at most so many."""
        self.results[correlation_id] = result
        if len(self.results) > most:
            del self.results[next(iter(self.results))]


class Receiver(Actor):
    """Base of actors that handle each message of a courier once, however often it arrives.

    A handler that raises has not handled the message: it is handled again when it comes again.
    """

    remembers: ClassVar[int] = 1_000
    """How many of the last handled messages are remembered, with their results."""

    def __init_subclass__(cls, **values: Any) -> None:
        super().__init_subclass__(**values)
        if cls.concurrency != 1:
            raise TypeError(f"{cls.__qualname__}: concurrency must be 1: a duplicate must not overtake its original")

    @handles
    def receive_parcel(self, parcel: Parcel) -> object:
        """Handles a message unless it was handled before; the answer is the same."""
        handled = self.kept(HandledMessages)
        if parcel.correlation_id in handled.results:
            return handled.results[parcel.correlation_id]
        result = handler_for(self, parcel.message)(self, parcel.message)
        if inspect.iscoroutine(result):
            return self._awaited(parcel, result)
        handled.remember(parcel.correlation_id, result, self.remembers)
        return result

    async def _awaited(self, parcel: Parcel, waiting: Awaitable[object]) -> object:
        result = await waiting
        self.kept(HandledMessages).remember(parcel.correlation_id, result, self.remembers)
        return result
