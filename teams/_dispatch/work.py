"""Pieces of work: what must be done, which member has it, and which callers wait for it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from actors.spi import ActorDeadError, ActorRef, ReplyTo, TimerHandle
from teams._dispatch.ask import OutcomeReply
from teams._members.context import Cancellation, Refusal
from teams._members.handoff import Offer, passed_on
from teams._members.results import Outcome
from teams._members.target import Can, Pool, WorkTarget

if TYPE_CHECKING:
    from teams._dispatch.roster import Slot
    from teams._members.results import Handoff


WorkState = Literal["waiting", "working", "offered", "ended"]


class Assign(NamedTuple):
    """To the coordinator: have this done. The answer is the result. A request with the id of work that is under way or
    has ended is answered with the outcome of that work.
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
    """When the timeout began, by the runtime's clock; None: when the request arrives."""


class Receipt(OutcomeReply):
    """The reply to a message of the coordinator, and the message that tells the coordinator of the outcome.

    The outcome stays here, so a coordinator that crashes over that message still finds it.
    """

    __slots__ = ("_coordinator",)

    def to(self, coordinator: ActorRef[Any]) -> Self:
        """Itself, from now on to be told to this actor."""
        self._coordinator = coordinator
        return self

    def settled(self) -> None:
        try:
            self._coordinator.tell(self)
        except ActorDeadError:
            return  # with the team, every caller has been answered


class Reservation(Receipt):
    """Room for one piece of work in one slot: an attempt, or an offer. The roster counts it until the member
    answers.
    """

    __slots__ = ("began", "slot", "work")

    def __init__(self, work: Work, slot: Slot, began: float | None) -> None:
        self.outcome = None
        self.work = work
        self.slot = slot
        self.began = began
        """When the attempt began, by the runtime's clock in seconds; None: it is an offer."""

    def __repr__(self) -> str:
        return f"<Reservation {self.work.id} {self.slot.id}>"


class Work:
    """One piece of work, from the request to the outcome. Only the dispatcher changes it."""

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
        "refused",
        "replies",
        "reservation",
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
        """The target from which `to` was chosen, until the work is handed on."""
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
        """The slot that owns it: the one at work, or the giver of a handoff until it is accepted."""
        self.chain: tuple[str, ...] = ()
        """The slots that have owned it, first to last."""
        self.giver: str | None = None
        self.handoff: Handoff | None = None
        """The owner's wish for it, while it is offered."""
        self.refused: tuple[Refusal, ...] = ()
        self.excluded: frozenset[str] = frozenset()
        """Slots that declined it."""
        self.offers = 0
        """How many offers of the present handoff failed."""
        self.reservation: Reservation | None = None
        self.again: TimerHandle | None = None
        self.timer: TimerHandle | None = None
        self.cancellation = Cancellation()
        self.replies: list[ReplyTo] = []
        self.outcome: Outcome | None = None

    @property
    def target(self) -> str | Can:
        """The members that may have it next: those of the handoff while it is offered."""
        return self.handoff.to if self.state == "offered" and self.handoff is not None else self.to

    @property
    def barred(self) -> AbstractSet[str]:
        """The slots that must not get it: those that declined it, and in a handoff those that had it."""
        return self.excluded.union(self.chain) if self.state == "offered" else self.excluded

    @property
    def waits(self) -> bool:
        """Whether it is queued: no member has it, and no timer runs until it is offered again."""
        return self.reservation is None and self.again is None and self.state in ("waiting", "offered")

    @property
    def offer(self) -> Offer:
        """The question to a receiver."""
        assert self.handoff is not None
        assert self.owner is not None
        return Offer(passed_on(self.handoff, self.value), self.owner, self.handoff.reason, self.chain)
