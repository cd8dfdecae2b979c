"""Deliveries: one actor has another handle a message, again after a failure, through crashes of either.

Topics deliver events, chains deliver `Undo`, a courier delivers what it is told to send. Each attempt is a `Delivery`:

    resting --post--> under way --outcome--> in the outbox --> ended, or failed
       ^                  |                                        |
       |                  +--timeout--> failed --more attempts?----+
       +------------------------------------- yes -----------------+

An outcome goes to the outbox of the sender first, and a `OutcomesReady` message says so: the outbox outlives the
incarnations, so an outcome that came before a crash is dealt with after it.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import copy
from typing import Any, Generic, Literal, NamedTuple, Protocol, Self, TypeVar

from actors.spi import (
    Actor,
    ActorCrashed,
    ActorDeadError,
    ActorError,
    ActorRef,
    ExitReason,
    ReplyTo,
    Timer,
    UnhandledMessage,
    post,
    when_gone,
)
from supervisors.spi import Backoff, SpecFault, exponential
from teams._checks.fields import count_faults, seconds_faults
from teams.errors import BadAnswer, NoAcknowledgement
from teams.resilience.errors import Fatal

D = TypeVar("D", bound="Delivery")
BACKOFF = exponential()
"""The wait after each failure, by default: 0.1 s, doubling to 30 s, full jitter."""


class Terms(NamedTuple):
    """How a message is delivered. Times are seconds."""

    attempts: int = 3
    """How often the receiver may fail over one message."""
    backoff: Backoff = BACKOFF
    """The wait after each failure."""
    timeout: float | None = None
    """How long one attempt may take, the wait in the mailbox included. An attempt that takes longer has failed."""

    def faults(self, place: str) -> Iterator[SpecFault]:
        """The faults of the terms."""
        yield from count_faults(place, "attempts", self.attempts)
        if not hasattr(self.backoff, "delay"):
            yield SpecFault(place, f"backoff: must be constant(), linear() or exponential(), got {self.backoff!r}")
        yield from seconds_faults(place, "timeout", self.timeout)


class OutcomesReady(NamedTuple):
    """To the sender, from its own outbox: outcomes have come."""


OUTCOMES_READY = OutcomesReady()


class DeliveryDue(NamedTuple):
    """To the sender, from a timer: a delivery must be posted or took too long, or a deadline has come."""

    what: Any


class HasDueTime(Protocol):
    """Something with a due time, in seconds of the runtime's clock."""

    due: float | None
    timer: Timer | None


def arm(actor: Actor, what: HasDueTime) -> None:
    """Sends the actor a `DeliveryDue` when `what` is due. Each incarnation arms again what is still open."""
    if what.due is not None:
        what.timer = actor.tell_after(max(0.0, what.due - actor.runtime.now()), DeliveryDue(what))


class Outbox(Generic[D]):
    """The state of a sender that outlives its incarnations; a subclass adds what it sends."""

    def __init__(self) -> None:
        self.ref: ActorRef[Any] | None = None
        """The sender; set by its first incarnation."""
        self.settled: deque[D] = deque()
        """Deliveries with an outcome that the sender has not dealt with."""
        self.nudged = False
        """Whether an `OutcomesReady` message is in the mailbox of the sender."""

    def owned_by(self, actor: Actor) -> None:
        """Every incarnation of the sender calls this when it starts."""
        if self.ref is None:
            self.ref = actor.ref
            when_gone(actor, self.gone)

    def nudge(self) -> None:
        """Tells the sender that there are outcomes. Runs in the thread that settled the delivery."""
        # A crash may lose the message: every incarnation looks into the outbox when it starts.
        self.nudged = True
        assert self.ref is not None
        try:
            self.ref.tell(OUTCOMES_READY)
        except ActorError:  # terminated, or its mailbox is full: the next outcome tries again
            self.nudged = False

    def replies(self) -> Iterable[ReplyTo]:
        """The replies that the sender still owes."""
        raise NotImplementedError

    def gone(self, reason: ExitReason) -> None:
        """The sender has terminated: every caller that waits gets an `ActorDeadError`."""
        assert self.ref is not None
        for reply in list(self.replies()):
            if not reply.done():
                with suppress(Exception):  # settled in another thread meanwhile
                    reply.set_exception(ActorDeadError(self.ref.path, reason, None))


class Delivery:
    """One attempt to have an actor handle a message. It is also the reply of that message.

    The next attempt is another object, so a late outcome of an earlier one is told apart.
    """

    __slots__ = (
        "correlation_id",
        "due",
        "error",
        "failures",
        "message",
        "outbox",
        "posted",
        "result",
        "settled",
        "terms",
        "timer",
        "to",
        "tries",
    )

    result: Any

    def __init__(
        self, outbox: Outbox[Any], to: ActorRef[Any], message: object, correlation_id: str, terms: Terms
    ) -> None:
        self.outbox = outbox
        self.to = to
        self.message = message
        self.correlation_id = correlation_id
        self.terms = terms
        self.tries = 0
        """How often the message was posted before this attempt."""
        self.failures = 0
        """How often the receiver failed over it. An interruption is not a failure."""
        self.posted = False
        self.due: float | None = None
        """When it must be posted, while it rests; when the attempt has taken too long, once it is posted."""
        self.timer: Timer | None = None
        self.settled = False
        self.error: BaseException | None = None

    # A reply

    def done(self) -> bool:
        return self.settled

    def set_result(self, result: object, /) -> None:
        self.result = result
        self.settled = True
        outbox = self.outbox
        outbox.settled.append(self)
        if not outbox.nudged:
            outbox.nudge()

    def set_exception(self, exception: BaseException, /) -> None:
        self.error = exception
        self.settled = True
        outbox = self.outbox
        outbox.settled.append(self)
        if not outbox.nudged:
            outbox.nudge()

    # What the sender does with it

    def post(self, sender: Actor) -> Exception | None:
        """Sends the message. Returns why the mailbox refused it."""
        self.posted = True
        timeout = self.terms.timeout
        if timeout is not None:
            self.due = sender.runtime.now() + timeout
            arm(sender, self)
        else:
            self.due = None
        try:
            post(self.to, self.message, self, None, self.correlation_id)
        except Exception as error:  # noqa: BLE001 - a priority function of the user's may raise anything
            self.error, self.settled = error, True
            return error
        return None

    def fail(
        self, error: BaseException, allowed: int, *, interrupted: bool = False
    ) -> Literal["gone", "fatal", "spent"] | None:
        """Counts a failure, unless the attempt was interrupted. Returns why it was the last attempt; None: the next
        one follows.
        """
        interrupted = interrupted or self.was_interrupted(error)
        self.failures += not interrupted
        if not self.to.is_alive():
            return "gone"
        if isinstance(error, Fatal | UnhandledMessage | BadAnswer):
            return "fatal"
        return None if interrupted or self.failures < allowed else "spent"

    def was_interrupted(self, error: BaseException) -> bool:
        """Whether the receiver was stopped by others while it handled the message, or before: no fault of the
        message.
        """
        if isinstance(error, ActorDeadError):
            return error.path == self.to.path
        return isinstance(error, ActorCrashed) and isinstance(error.cause, CancelledError)

    def again(self, sender: Actor) -> Self:
        """The next attempt, which rests for the backoff. The sender arms it."""
        self.cancel_timer()
        following = copy(self)
        following.tries += 1
        following.posted = following.settled = False
        following.error = following.timer = None
        delay = self.terms.backoff.delay(following.tries, None, sender.runtime.random)
        following.due = sender.runtime.now() + delay
        return following

    def unacknowledged(self) -> NoAcknowledgement:
        """The error of an attempt that took too long."""
        assert self.terms.timeout is not None
        return NoAcknowledgement(self.to.path, type(self.message).__qualname__, self.terms.timeout)

    def cancel_timer(self) -> None:
        """Cancels the timer."""
        if self.timer is not None:
            self.timer.cancel()
