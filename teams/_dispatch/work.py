"""Pieces of work: what is to be done, who has it, and who waits for it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from actors.spi import ActorDeadError, ActorRef, Reply, TimerHandle
from teams._members.context import Cancellation, Refusal
from teams._members.results import Outcome
from teams._members.target import Can, Pool, WorkTarget

if TYPE_CHECKING:
    from teams._dispatch.roster import Slot
    from teams._members.handoff import Offer
    from teams._members.results import Handoff


WorkState = Literal["waiting", "working", "offered", "ended"]


class Assign(NamedTuple):
    """To the coordinator: have this done. The answer is the result. Asked again with the id of work that is under way
    or has ended, it is answered with the outcome of that.
    """

    value: object
    to: WorkTarget
    id: str | None = None
    run: str | None = None
    """The run it belongs to; its outcome is kept until that run ends."""
    priority: int = 0
    timeout: float | None = None
    attempts: int = 1
    asked_at: float | None = None
    """From when on the timeout counts, by the runtime's clock; None: from its arrival."""


class Report:
    """Takes an outcome for the coordinator, and tells it.

    It belongs to what it is about, so that the outcome is still there if the coordinator crashes over being told.
    """

    __slots__ = ("coordinator", "outcome")

    def __init__(self, coordinator: ActorRef[Any]) -> None:
        self.coordinator = coordinator
        self.outcome: Outcome | None = None

    @property
    def message(self) -> object:
        """What the coordinator is told."""
        raise NotImplementedError

    @property
    def result(self) -> Outcome:
        """The outcome, of one that the coordinator was told of."""
        assert self.outcome is not None
        return self.outcome

    def done(self) -> bool:
        """Whether the outcome is there."""
        return self.outcome is not None

    def set_result(self, result: object, /) -> None:
        """It was done. In the thread of whoever did it."""
        self._settle(Outcome(result))

    def set_exception(self, exception: BaseException, /) -> None:
        """It was refused, or whoever was to do it crashed or is gone. In the thread that noticed."""
        self._settle(Outcome(error=exception))

    def _settle(self, outcome: Outcome) -> None:
        self.outcome = outcome
        with suppress(ActorDeadError):  # with the team, everybody who waits has been answered
            self.coordinator.tell(self.message)


class Receipt(Report):
    """The outcome of one attempt, or the answer to one offer."""

    __slots__ = ("began", "seat", "work")

    def __init__(self, coordinator: ActorRef[Any], work: Work, seat: Slot, began: float | None = None) -> None:
        super().__init__(coordinator)
        self.work = work
        self.seat = seat
        self.began = began
        """When the attempt began, by the runtime's clock in seconds; None: it is an offer."""

    @property
    def message(self) -> Settled:
        """What the coordinator is told."""
        return Settled(self)


class Settled(NamedTuple):
    """To the coordinator: a receipt has its outcome."""

    receipt: Receipt


class Work:
    """One piece of work, from the moment somebody asked for it. Only the coordinator changes it."""

    __slots__ = (
        "again",
        "arrival",
        "attempt",
        "attempts",
        "began",
        "cancellation",
        "chain",
        "deadline",
        "entered",
        "excluded",
        "failure",
        "giver",
        "handoff",
        "id",
        "offers",
        "outcome",
        "owner",
        "pool",
        "priority",
        "receipt",
        "refused",
        "replies",
        "run",
        "state",
        "timeout",
        "timer",
        "to",
        "value",
    )

    def __init__(self, id: str, assign: Assign, to: str | Can, now: float, arrival: int) -> None:
        self.id = id
        self.run = assign.run
        self.value = assign.value
        self.to = to
        self.pool = assign.to if isinstance(assign.to, Pool) else None
        """What `to` was chosen from, until it is handed on."""
        self.priority = assign.priority
        self.timeout = assign.timeout
        asked_at = now if assign.asked_at is None else assign.asked_at
        self.deadline = None if assign.timeout is None else asked_at + assign.timeout
        self.attempts = assign.attempts
        self.attempt = 0
        self.failure: BaseException | None = None
        """Why it has to be tried again."""
        self.entered = now
        self.arrival = arrival
        self.began: float | None = None
        self.state: WorkState = "waiting"
        self.owner: str | None = None
        """The seat that owns it: the one at work, or the giver of a handoff until it is accepted."""
        self.chain: tuple[str, ...] = ()
        """The seats that have owned it, first to last."""
        self.giver: str | None = None
        self.handoff: Handoff | None = None
        """What the owner wants done with it, while it is offered."""
        self.refused: tuple[Refusal, ...] = ()
        self.excluded: frozenset[str] = frozenset()
        """Seats that declined it."""
        self.offers = 0
        """How many offers of the present handoff came to nothing."""
        self.receipt: Receipt | None = None
        self.again: TimerHandle | None = None
        self.timer: TimerHandle | None = None
        self.cancellation = Cancellation()
        self.replies: list[Reply] = []
        self.outcome: Outcome | None = None

    @property
    def offer(self) -> Offer:
        """What a receiver is asked."""
        from teams._members.handoff import Offer, passed_on

        assert self.handoff is not None
        assert self.owner is not None
        return Offer(passed_on(self.handoff, self.value), self.owner, self.handoff.reason, self.chain)
