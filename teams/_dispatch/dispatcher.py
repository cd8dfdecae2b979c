"""The dispatcher: through it, work finds somebody who is able.

It never waits: every handler is one step from one state of its book to the next, and the book outlives it. Whatever it
was told and did not get to before a crash is found again when it starts: outcomes stay with their receipts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    ExitReason,
    Reply,
    answer,
    deliver,
    handles,
    is_up,
    notice,
    settle_failure,
    take_reply,
    when_gone,
    when_terminated,
)
from supervisors.spi import ChildSpec, SpecError, SpecFault
from teams._dispatch.messages import CancelWork, EndRun, MemberGone, WorkDue
from teams._dispatch.roster import Roster, Slot
from teams._dispatch.state import CoordinatorState, may_have
from teams._dispatch.work import Assign, Receipt, Settled, Work
from teams._members.context import Context, Refusal
from teams._members.function import Assignment
from teams._members.handoff import Accept, Decline, HandoffRule, objection, passed_on, requested
from teams._members.member import Member
from teams._members.results import Emit, Handoff, Outcome, answer_fault
from teams._members.role import Role
from teams._members.target import Can, Pool, WorkTarget
from teams.errors import (
    BadAnswer,
    HandoffRefused,
    NoCapableAgent,
    RoutingFailed,
    TeamError,
    TeamHalted,
    WorkCancelled,
    WorkFailed,
    WorkTimeout,
)
from teams.events import HandedOff, HandoffReturned, TeamEvent, WorkBegan, WorkEnded, WorkGivenUp, WorkRetried
from teams.protocols._topics.choreography import Choreography
from teams.protocols._topics.event import topic_fault
from teams.protocols._topics.ref import TopicsRef

OFFERS = 5
"""How often a receiver is asked that crashes over the offer."""
OFFER_AGAIN = 0.2
"""Seconds until a receiver that crashed over an offer is asked again; it is restarted meanwhile."""


@dataclass(frozen=True)
class TeamSpec:
    """What a team is made of, and its rules."""

    team: str
    members: tuple[Member, ...]
    roles: tuple[Role, ...]
    handoffs: tuple[HandoffRule, ...]
    max_hops: int
    ageing: float
    choreographies: tuple[Choreography, ...] = ()
    max_restarts: int | None = None
    """The budget of each member that says none of its own; None: it is never given up."""
    period: float | None = None
    """The seconds in which these restarts count; None: as for any child."""

    @cached_property
    def seats(self) -> Mapping[str, Member]:
        """The member of each seat that the team is made with, by the id of the seat."""
        return {spec.id: member for member in self.members for spec in member.specs}

    def budgeted(self, spec: ChildSpec) -> ChildSpec:
        """The spec of a member, with a budget of its own. When that is spent the member alone is given up, unless it
        says otherwise.
        """
        if spec.restart == "temporary" or (spec.max_restarts is None and self.max_restarts is None):
            return spec
        own: dict[str, object] = {"on_limit": spec.on_limit or "drop"}
        if spec.max_restarts is None:
            own |= {"max_restarts": self.max_restarts, "period": self.period}
        return spec.model_copy(update=own)


class Dispatcher(Actor):
    """Gives work to members, by reservation, and sees it through handoffs, crashes and time limits."""

    answers = (TeamError,)

    def __init__(self, charter: TeamSpec) -> None:
        self.charter = charter
        self.book: CoordinatorState = self.kept(CoordinatorState)
        self.team = self.path.rpartition("/")[0]
        """The path of the team."""

    def on_start(self) -> None:
        book = self.book
        if not book.open:
            book.open = True
            book.roster = Roster(self.charter.roles, up, book.view)
            for member in self.charter.members:
                book.roster.add(member, capacity_of(self, member), self.members.incarnation)
            when_gone(self, partial(abandon, book, self.team))
        self.publish_view(book.view)
        self.find_seats(book.roster.seats.values())
        for receipt in list(book.receipts):
            if receipt.outcome is not None:
                self.settled(Settled(receipt))
        for work in list(book.works.values()):
            if work.state != "ended":
                self.arm(work)
                if work.again is not None:
                    work.again.cancel()
                    work.again = None
                if work.receipt is None:
                    self.place(work)
        self.fail_stranded()

    def find_seats(self, seats: Iterable[Slot]) -> list[Slot]:
        """Has those of these seats whose members there are get work. Returns those that had no member before."""
        found = []
        for seat in seats:
            if seat.ref is not None and seat.ref.is_alive():
                if is_up(seat.ref):
                    self.book.roster.came_up(seat)
            elif not seat.joining:
                ref = self.runtime.find(self.place_of(seat.id))
                if ref is not None:
                    self.book.roster.joined(seat, ref, self.members.incarnation)
                    when_terminated(ref, partial(_tell_gone, self.ref, seat.id, ref))
                    found.append(seat)
        return found

    @property
    def members(self) -> ActorRef[Any]:
        """The supervisor of the members; while it is not there, that of the team."""
        found = self.runtime.find(f"{self.team}/members")
        return found if found is not None else self.supervisor

    @property
    def supervisor(self) -> ActorRef[Any]:
        """The supervisor of the team."""
        found = self.runtime.find(self.team)
        assert found is not None
        return found

    def place_of(self, id: str) -> str:
        """The path of a member."""
        return f"{self.team}/members/{id}"

    # Work

    @handles
    def assign(self, request: Assign) -> None:
        book = self.book
        known = book.works.get(request.id) if request.id is not None else None
        if known is None:
            if book.halted is not None:
                raise TeamHalted(self.team, book.halted)
            known = self.enter(request)
        reply = take_reply(self)
        if reply is not None:
            if known.outcome is not None:
                give(reply, known.outcome, self.path)
            else:
                known.replies.append(reply)

    def enter(self, request: Assign) -> Work:
        """New work. Raises NoCapableAgent, and RoutingFailed when the key function of a pool does."""
        book = self.book
        whom = request.to.whom if isinstance(request.to, Pool) else request.to
        if not book.roster.knows(whom):
            raise NoCapableAgent(self.team, named(whom), tuple(book.roster.seats))
        arrival = book.next_arrival()
        to = self.routed(request.to, request.value)
        work = Work(request.id or f"work-{arrival}", request, to, self.runtime.now(), arrival)
        book.take(work)
        self.arm(work)
        self.place(work)
        return work

    def routed(self, to: WorkTarget, value: object) -> str | Can:
        """Whom work is for. Raises RoutingFailed when the key function of a pool does."""
        try:
            return self.book.roster.routed(to, value, self.runtime.random)
        except Exception as error:
            raise RoutingFailed(self.team, named(to.whom if isinstance(to, Pool) else to), error) from error

    def arm(self, work: Work) -> None:
        """Has the work remembered when its time is up."""
        if work.timer is not None:
            work.timer.cancel()
        if work.deadline is not None:
            ref = self.ref
            work.timer = self.runtime.clock.call_at(work.deadline, lambda: tell(ref, WorkDue(work.id)))

    def place(self, work: Work) -> None:
        """Gives the work to a member that is free and up, or puts it in line: what waits for a member that is being
        restarted is done by another one, if there is one that may.
        """
        book = self.book
        if not book.paused and book.halted is None:
            group = work.handoff.to if work.state == "offered" and work.handoff is not None else work.to
            seat = book.roster.free(group, lambda seat: may_have(work, seat))
            if seat is not None:
                self.give(work, seat)
                return
        book.wait(work, self.charter.ageing)

    def give(self, work: Work, seat: Slot) -> None:
        """Sends the seat the work, or the offer of it."""
        assert seat.ref is not None
        if work.state == "offered":
            if seat.member.takes_offers:
                self.book.roster.reserve(seat, None)
                receipt = work.receipt = Receipt(self.ref, work, seat)
                self.book.receipts[receipt] = None
                deliver(seat.ref, work.offer, receipt)
                return
            self.accepted(work, seat)
        self.begin(work, seat)

    def begin(self, work: Work, seat: Slot) -> None:
        """Reserves the seat and sends it the work."""
        now = self.runtime.now()
        self.book.move(work, "working")
        work.owner, work.began = seat.id, now
        work.chain = (*work.chain[:-1], seat.id)
        work.attempt += 1
        self.book.roster.reserve(seat, now)
        receipt = work.receipt = Receipt(self.ref, work, seat, now)
        self.book.receipts[receipt] = None
        self.tell_event(WorkBegan, work.id, seat.id, work.attempt, now - work.entered)
        message = work.value
        if seat.member.is_function:
            before = work.chain[:-1]
            message = Assignment(
                work.value,
                Context(
                    self.team,
                    seat.id,
                    work.id,
                    work.attempt,
                    before,
                    work.refused,
                    work.deadline,
                    work.cancellation,
                ),
            )
        assert seat.ref is not None
        deliver(seat.ref, message, receipt)

    @handles
    def settled(self, message: Settled) -> None:
        """A member has answered, crashed or gone."""
        receipt = message.receipt
        work, seat, outcome = receipt.work, receipt.seat, receipt.outcome
        assert outcome is not None
        if receipt not in self.book.receipts:
            return
        del self.book.receipts[receipt]
        current = work.receipt is receipt
        self.book.roster.release(seat, receipt.began)
        if seat.ref is not None and not seat.ref.is_alive():
            self.lost(seat)
        if current:
            work.receipt = None
            if work.state == "offered":
                self.answered(work, seat, outcome)
            elif outcome.error is None:
                self.returned(work, seat, outcome.value)
            else:
                self.failed(work, seat, outcome.error)
        if seat.leaving:
            self.fail_stranded(seat.groups)  # it may have come back to be tried again
        self.go_on(seat)

    def go_on(self, seat: Slot) -> None:
        """A seat may be free: it gets what is most urgent of what it can do, or leaves."""
        book = self.book
        while seat.free and not book.paused and book.halted is None and book.roster.runs(seat):
            work = book.waiting_for(seat)
            if work is None:
                return
            self.give(work, seat)

    def returned(self, work: Work, seat: Slot, result: object) -> None:
        """The member did its part: a result, or a handoff."""
        wrong = answer_fault(result)
        if wrong is not None:
            error = BadAnswer(self.place_of(seat.id), work.id, *wrong)
            self.end(work, Outcome(error=WorkFailed(self.team, work.id, seat.id, work.attempt, error)))
            return
        try:
            wanted = requested(result, seat.role, seat.member.id, self.charter.handoffs)
            if wanted is None:
                self.emit(result)
        except Exception as error:  # noqa: BLE001 - a trigger, transformation or topic of the user's
            self.end(work, Outcome(error=WorkFailed(self.team, work.id, seat.id, work.attempt, error)))
            return
        if wanted is not None:
            self.hand_off(work, seat, wanted)
            return
        self.end(work, Outcome(result))

    def failed(self, work: Work, seat: Slot, error: BaseException) -> None:
        """The member crashed over it, or has terminated."""
        if isinstance(error, WorkCancelled) and work.cancellation:
            self.end(work, Outcome(error=error))
            return
        if (
            isinstance(error, ActorDeadError)
            and not (error.begun or alive(seat))
            and error.path == self.place_of(seat.id)
        ):
            work.attempt -= 1  # it had not begun: another member may have it, also at most once
            work.failure = error
            self.book.move(work, "waiting")
            self.place(work)
            return
        if work.attempt < work.attempts:
            self.tell_event(WorkRetried, work.id, seat.id, work.attempt, error)
            work.failure = error
            self.book.move(work, "waiting")
            self.place(work)
            return
        self.end(work, Outcome(error=WorkFailed(self.team, work.id, seat.id, work.attempt, error)))

    def end(self, work: Work, outcome: Outcome) -> None:
        """Everybody who waits for the work hears what became of it."""
        if work.state == "ended":
            return
        now = self.runtime.now()
        self.book.move(work, "ended")
        work.outcome, work.receipt = outcome, None
        for timer in (work.timer, work.again):
            if timer is not None:
                timer.cancel()
        work.timer = work.again = None
        seconds, busy = now - work.entered, 0.0 if work.began is None else now - work.began
        if outcome.error is None:
            self.tell_event(WorkEnded, work.id, work.owner, seconds, busy)
        else:
            self.tell_event(WorkGivenUp, work.id, work.owner, seconds, busy, outcome.error)
        if work.run is None or work.replies:
            del self.book.works[work.id]
        else:
            self.book.ended.setdefault(work.run, []).append(work.id)
        replies, work.replies = work.replies, []
        for reply in replies:
            give(reply, outcome, self.path)

    def go_on_with_all(self) -> None:
        """Places what waits, the most urgent first."""
        for work in self.book.all_waiting():
            self.place(work)

    # Handoffs

    def hand_off(self, work: Work, seat: Slot, wanted: Handoff) -> None:
        """Offers the work to whom its owner names, unless there is an objection."""
        roster = self.book.roster
        known = roster.knows(wanted.to)
        why = objection(work.chain, "", self.charter.max_hops) if known else f"nobody is {named(wanted.to)}"
        if why is None and all(each.id in work.chain for each in roster.able(wanted.to)):
            why = objection(work.chain, next(roster.able(wanted.to)).id, self.charter.max_hops)
        if why is not None:
            self.refuse(work, seat.id, wanted, why)
            return
        self.book.move(work, "offered")
        work.handoff, work.giver = wanted, seat.id
        work.excluded, work.offers = frozenset(), 0
        self.place(work)

    def accepted(self, work: Work, seat: Slot) -> None:
        """From here on the receiver owns the work."""
        assert work.handoff is not None
        assert work.giver is not None
        self.tell_event(HandedOff, work.id, work.giver, seat.id, work.handoff.reason)
        work.value = passed_on(work.handoff, work.value)
        self.book.move(work, "working")
        work.owner, work.to, work.chain = seat.id, seat.id, (*work.chain, seat.id)
        work.pool = None
        work.refused, work.attempt = (), 0

    def answered(self, work: Work, seat: Slot, outcome: Outcome) -> None:
        """A receiver has said yes or no, or crashed over the offer."""
        wanted, giver = work.handoff, work.giver
        assert wanted is not None
        assert giver is not None
        if isinstance(outcome.value, Accept):
            self.accepted(work, seat)
            self.begin(work, seat)
            return
        work.offers += 1
        crashed = outcome.error is not None and alive(seat)
        if isinstance(outcome.value, Decline) or (outcome.error is not None and (not crashed or work.offers >= OFFERS)):
            work.excluded |= {seat.id}
            if any(may_have(work, each) for each in self.book.roster.able(wanted.to)):
                self.place(work)
            else:
                said = outcome.value.reason if isinstance(outcome.value, Decline) else str(outcome.error)
                self.refuse(work, giver, wanted, f"declined by {seat.id}" + (f": {said}" if said else ""))
        elif crashed:
            ref = self.ref
            again = self.runtime.now() + OFFER_AGAIN
            work.again = self.runtime.clock.call_at(again, lambda: tell(ref, WorkDue(work.id)))
        else:
            why = f"{seat.id} answered the offer with {outcome.value!r}, expected Accept or Decline"
            self.refuse(work, giver, wanted, why)

    def refuse(self, work: Work, giver: str, wanted: Handoff, why: str) -> None:
        """The work goes back to its giver; one that insists fails it."""
        to = named(wanted.to)
        seat = self.book.roster.seats.get(giver)
        insists = any(refusal.to == to for refusal in work.refused)
        self.tell_event(HandoffReturned, work.id, giver, to, why)
        if insists or seat is None or not seat.works:
            self.end(work, Outcome(error=HandoffRefused(self.team, work.id, giver, to, why)))
            return
        work.refused = (*work.refused, Refusal(to, why))
        self.book.move(work, "waiting")
        work.to, work.owner, work.pool = giver, giver, None
        work.attempt -= 1
        self.place(work)

    # Time, and calling off

    @handles
    def due(self, message: WorkDue) -> None:
        work = self.book.works.get(message.work)
        if work is None or work.state == "ended":
            return
        now = self.runtime.now()
        if work.deadline is not None and now >= work.deadline:
            assert work.timeout is not None
            owner = work.owner if work.state == "working" else None
            self.call_off(work, WorkTimeout(self.team, work.id, work.timeout, owner))
        elif work.again is not None:
            work.again = None
            self.place(work)

    def call_off(self, work: Work, error: TeamError) -> None:
        """Ends work that nobody wants any more. Whoever is at it is cancelled where it waits, and stays reserved until
        it has stopped.
        """
        seat = work.receipt.seat if work.receipt is not None else None
        work.cancellation.cancel(str(error))
        if seat is not None and seat.member.on_timeout == "kill" and seat.ref is not None:
            seat.ref.kill()
        self.end(work, Outcome(error=error))

    @handles
    def cancel_work(self, message: CancelWork) -> bool:
        work = self.book.works.get(message.work)
        if work is None or work.state == "ended":
            return False
        self.call_off(work, WorkCancelled(work.id, message.reason))
        return True

    @handles
    def end_run(self, message: EndRun) -> None:
        for work in self.book.of_run(message.run):
            self.call_off(work, WorkCancelled(work.id, message.reason))
        self.book.forget(message.run)

    def lost(self, seat: Slot) -> None:
        """A member's place has ended."""
        raise NotImplementedError

    def fail_stranded(self, groups: Iterable[str | Can] | None = None) -> None:
        """Work for these groups, by default for any, ends when no member is left for it; work for a pool that has
        others goes to one of them.
        """
        for work in self.book.stranded(groups):
            if work.state == "offered" and work.handoff is not None and work.giver is not None:
                self.refuse(work, work.giver, work.handoff, f"nobody is {named(work.handoff.to)} any more")
            elif work.pool is not None and self.book.roster.knows(work.pool.whom):
                self.route_again(work, work.pool)
            else:
                error = NoCapableAgent(self.team, named(work.to), tuple(self.book.roster.seats))
                error.__cause__ = work.failure
                self.end(work, Outcome(error=error))

    def route_again(self, work: Work, pool: Pool) -> None:
        """Work whose seat is gone goes to another of its pool."""
        try:
            work.to = self.routed(pool, work.value)
        except RoutingFailed as error:
            self.end(work, Outcome(error=error))
        else:
            self.place(work)

    # Little things

    def emit(self, result: object) -> None:
        """Publishes what a member wants published. Raises SpecError, and publishes nothing, when a topic is none."""
        values = result if isinstance(result, list) else [result]
        emits = [each for each in values if isinstance(each, Emit)]
        found = [topic_fault(each.topic) for each in emits]
        faults = [SpecFault("Emit()", fault) for fault in found if fault is not None]
        if faults:
            raise SpecError(faults)
        for each in emits:
            self.publish(each)

    def publish(self, emit: Emit) -> None:
        """Hands an event to the topics of the team."""
        topics = self.runtime.find(f"{self.team}/topics")
        if isinstance(topics, TopicsRef):
            topics.publish(emit.topic, emit.payload)

    def tell_event(self, kind: Callable[..., TeamEvent], *values: object) -> None:
        """Publishes an event, if anybody wants such."""
        events = self.runtime.events
        if events.sinks(kind):  # type: ignore[arg-type]
            events.publish(kind(self.team, self.runtime.now(), *values))


def named(whom: str | Can) -> str:
    """Whom work is addressed to, for people."""
    return str(whom)


def up(seat: Slot) -> bool:
    """Whether the seat runs now."""
    return seat.ref is not None and is_up(seat.ref)


def alive(seat: Slot) -> bool:
    """Whether the seat will take messages again."""
    return seat.ref is not None and seat.ref.is_alive()


def capacity_of(dispatcher: Dispatcher, member: Member) -> int:
    """How much a member may do at once."""
    return dispatcher.runtime.kind(member.work).concurrency if isinstance(member.work, type) else member.concurrency


def give(reply: Reply, outcome: Outcome, path: str) -> None:
    """Answers whoever waits."""
    if outcome.error is not None:
        settle_failure(reply, outcome.error, path)
    else:
        answer(reply, outcome.value)


def tell(ref: ActorRef[Any], message: object) -> None:
    """Tells a coordinator that may be gone by now."""
    if ref.is_alive():
        ref.tell(message)


def _tell_gone(coordinator: ActorRef[Any], seat: str, ref: ActorRef[Any], _: ExitReason) -> None:
    notice(coordinator, MemberGone(seat, ref))


def abandon(book: CoordinatorState, team: str, reason: ExitReason) -> None:
    """The team is gone for good: nobody waits for ever, and no timer is left."""
    for work in list(book.works.values()):
        for timer in (work.timer, work.again):
            if timer is not None:
                timer.cancel()
        work.cancellation.cancel("the team is gone")
        replies, work.replies = work.replies, []
        for reply in replies:
            settle_failure(reply, ActorDeadError(team, reason, work.value), team)
    for timer in book.looks.values():
        timer.cancel()
    for change in book.changes:
        for reply in change.replies:
            settle_failure(reply, ActorDeadError(team, reason, change.about), team)
