"""The dispatcher: gives work to members by reservation, and follows it through handoffs, crashes and time limits.

It decides, and its `TeamEdge` acts: the coordinator, or a stand-in of a test. No operation waits. Each leads from one
state to the next, and the state outlives the dispatcher: a new one takes up what the last one left (`recover`).

A piece of work: `assign` - `place` - `begin` (a member has it) - `settled` (it answered) - `end`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Protocol

from actors.spi import ActorDeadError, ReplyTo, TimerHandle
from supervisors.spi import SpecFault
from teams._checks.fields import refuse
from teams._dispatch.messages import CancelWork, EndRun
from teams._dispatch.roster import Slot
from teams._dispatch.spec import TeamSpec
from teams._dispatch.state import DispatchState
from teams._dispatch.work import Assign, Reservation, Work
from teams._members.context import Context, Refusal
from teams._members.function import Assignment
from teams._members.handoff import Accept, Decline, objection, passed_on, requested
from teams._members.results import Emit, Handoff, Outcome, answer_fault
from teams._members.target import Can, Pool
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
from teams.protocols._topics.event import topic_fault

OFFERS = 5
"""How often a receiver that crashes over an offer gets it."""
OFFER_AGAIN = 0.2
"""Seconds until a receiver that crashed over an offer gets it again; it is restarted meanwhile."""


_EMITTING = (Emit, list)
"""The types of results that may publish events."""


class TeamEdge(Protocol):
    """The effects of a dispatcher on other actors."""

    def deliver(self, slot: Slot, message: object, reservation: Reservation) -> None:
        """Sends a message to a member. What the member answers comes back as `settled(reservation)`."""

    def call_due(self, work: str, at: float) -> TimerHandle:
        """Calls `due(work)` at this time."""

    def answer(self, reply: ReplyTo, outcome: Outcome) -> None:
        """Answers a caller that waits for work."""

    def publish(self, emit: Emit) -> None:
        """Publishes on a topic of the team."""

    def tell_event(self, kind: Callable[..., TeamEvent], *values: object) -> None:
        """Publishes an event of the team."""

    def lost(self, slot: Slot) -> None:
        """The actor of a member has terminated."""

    def idle(self, slot: Slot) -> None:
        """A slot that leaves has no work any more."""


class Dispatcher:
    """Gives work to members, and settles it."""

    def __init__(
        self,
        spec: TeamSpec,
        team: str,
        state: DispatchState,
        edge: TeamEdge,
        now: Callable[[], float],
        random: Random,
    ) -> None:
        """`team` is the path of the team."""
        self.spec = spec
        self.team = team
        self.state = state
        self.edge = edge
        self.now = now
        self.random = random

    def recover(self) -> None:
        """Takes up what the last dispatcher left: outcomes that it was not told of, timers, and work that waits."""
        state = self.state
        for reservation in list(state.reservations):
            if reservation.outcome is not None:
                self.settled(reservation)
        state.queues.clear()
        for work in list(state.works.values()):
            if work.state != "ended":
                self.arm(work)
                if work.again is not None:
                    work.again.cancel()
                    work.again = None
                if work.reservation is None:
                    state.wait(work, self.spec.ageing)
        self.place_all()
        self.fail_stranded()

    # Work comes in

    def assign(self, request: Assign) -> Work:
        """The work of a request: new, or what its id says. Raises TeamHalted, NoCapableAgent, and RoutingFailed if the
        key function of a pool fails.
        """
        state, to = self.state, request.to
        if request.id is not None:
            known = state.works.get(request.id)
            if known is not None:
                return known
        if state.halted is not None:
            raise TeamHalted(self.team, state.halted)
        target = to.target if isinstance(to, Pool) else to
        if not state.roster.knows(target):
            raise NoCapableAgent(self.team, str(target), tuple(state.roster.slots))
        arrival = state.next_arrival()
        if isinstance(to, Pool):
            target = self.routed(to, request.value)
        work = Work(request.id or f"work-{arrival}", request, target, self.now(), arrival)
        state.take(work)
        if work.deadline is not None:
            self.arm(work)
        self.place(work)
        return work

    def wait_for(self, work: Work, reply: ReplyTo) -> None:
        """Has a caller answered with the outcome of the work."""
        if work.outcome is not None:
            self.edge.answer(reply, work.outcome)
        else:
            work.replies.append(reply)

    def routed(self, pool: Pool, value: object) -> str | Can:
        """The target of work for a pool. Raises RoutingFailed when the key function of the pool fails."""
        try:
            return self.state.roster.routed(pool, value, self.random)
        except Exception as error:
            raise RoutingFailed(self.team, str(pool.target), error) from error

    def arm(self, work: Work) -> None:
        """Sets the timer of the time limit anew."""
        if work.timer is not None:
            work.timer.cancel()
        if work.deadline is not None:
            work.timer = self.edge.call_due(work.id, work.deadline)

    # Work goes to a member

    def place(self, work: Work) -> None:
        """Gives the work to a member that is free and up, or queues it. Work that waits for a member that is
        being restarted goes to another one of its target, if there is one.
        """
        state = self.state
        if not state.paused and state.halted is None:
            slot = state.roster.free(work.target, work.barred)
            if slot is not None:
                self.give(work, slot)
                return
        state.wait(work, self.spec.ageing)

    def place_all(self) -> None:
        """Places what waits, the most urgent first."""
        for work in self.state.take_all():
            self.place(work)

    def go_on(self, slot: Slot) -> None:
        """A slot may be free: it gets the most urgent work that it can do, or leaves."""
        state = self.state
        while state.queues and slot.free and not state.paused and state.halted is None and state.roster.runs(slot):
            work = state.next_for(slot)
            if work is None:
                break
            self.give(work, slot)
        if slot.leaving and slot.reserved == 0:
            self.edge.idle(slot)

    def give(self, work: Work, slot: Slot) -> None:
        """Sends the slot the work, or the offer of it."""
        if work.state == "offered":
            if slot.member.takes_offers:
                self.edge.deliver(slot, work.offer, self.reserve(work, slot, None))
                return
            self.accepted(work, slot)
        self.begin(work, slot)

    def begin(self, work: Work, slot: Slot) -> None:
        """Reserves the slot and sends it the work."""
        now = self.now()
        self.state.move(work, "working")
        work.owner, work.began = slot.id, now
        before = work.chain[:-1]
        work.chain = (*before, slot.id)
        work.attempt += 1
        reservation = self.reserve(work, slot, now)
        self.edge.tell_event(WorkBegan, work.id, slot.id, work.attempt, now - work.entered)
        message = work.value
        if slot.takes_context:
            context = Context(
                self.team, slot.id, work.id, work.attempt, before, work.refused, work.deadline, work.cancellation
            )
            message = tuple.__new__(Assignment, (message, context))  # half the time of Assignment(...), for each work
        self.edge.deliver(slot, message, reservation)

    def reserve(self, work: Work, slot: Slot, began: float | None) -> Reservation:
        """Reserves room in the slot: for an attempt that begins now, or (None) for an offer."""
        self.state.roster.reserve(slot, began)
        reservation = work.reservation = Reservation(work, slot, began)
        self.state.reservations[reservation] = None
        return reservation

    # A member answers

    def settled(self, reservation: Reservation) -> None:
        """A member has answered, crashed or terminated."""
        state, work, slot = self.state, reservation.work, reservation.slot
        outcome = reservation.outcome
        assert outcome is not None
        if reservation not in state.reservations:
            return
        del state.reservations[reservation]
        state.roster.release(slot, reservation.began)
        if slot.ref is not None and not slot.ref.is_alive():
            self.edge.lost(slot)
        if work.reservation is reservation:
            work.reservation = None
            if work.state == "offered":
                self.answered(work, slot, outcome)
            elif outcome.error is None:
                self.returned(work, slot, outcome)
            else:
                self.failed(work, slot, outcome.error)
        if slot.leaving:
            self.fail_stranded(slot.targets)  # the work may have come back for another attempt
        self.go_on(slot)

    def returned(self, work: Work, slot: Slot, outcome: Outcome) -> None:
        """The member returned a result, or a handoff."""
        result = outcome.value
        wrong = answer_fault(result)
        if wrong is not None:
            self.give_up(work, slot, BadAnswer(self.place_of(slot.id), work.id, *wrong))
            return
        try:
            handoff = None
            if self.spec.handoffs or isinstance(result, Handoff):
                handoff = requested(result, slot.role, slot.member.id, self.spec.handoffs)
            if handoff is None and isinstance(result, _EMITTING):
                self.emit(result)
        except Exception as error:  # noqa: BLE001 - a trigger, transformation or topic of the user's
            self.give_up(work, slot, error)
            return
        if handoff is not None:
            self.hand_off(work, slot, handoff)
        else:
            self.end(work, outcome)

    def failed(self, work: Work, slot: Slot, error: BaseException) -> None:
        """The member crashed over it, or has terminated."""
        if isinstance(error, WorkCancelled) and work.cancellation:
            self.end(work, Outcome(error=error))
            return
        if (
            isinstance(error, ActorDeadError)
            and not (error.begun or alive(slot))
            and error.path == self.place_of(slot.id)
        ):
            work.attempt -= 1  # it had not begun: another member may have it, also at most once
        elif work.attempt < work.attempts:
            self.edge.tell_event(WorkRetried, work.id, slot.id, work.attempt, error)
        else:
            self.give_up(work, slot, error)
            return
        work.failure = error
        self.state.move(work, "waiting")
        self.place(work)

    def give_up(self, work: Work, slot: Slot, error: BaseException) -> None:
        """The work fails: this was its last attempt."""
        self.end(work, Outcome(error=WorkFailed(self.team, work.id, slot.id, work.attempt, error)))

    def end(self, work: Work, outcome: Outcome) -> None:
        """Answers every caller that waits for the work."""
        if work.state == "ended":
            return
        now = self.now()
        self.state.move(work, "ended")
        work.outcome, work.reservation = outcome, None
        for timer in (work.timer, work.again):
            if timer is not None:
                timer.cancel()
        work.timer = work.again = None
        seconds, busy = now - work.entered, 0.0 if work.began is None else now - work.began
        if outcome.error is None:
            self.edge.tell_event(WorkEnded, work.id, work.owner, seconds, busy)
        else:
            self.edge.tell_event(WorkGivenUp, work.id, work.owner, seconds, busy, outcome.error)
        if work.cancellation.questions is not None:
            work.cancellation.questions.withdraw()
        if work.run is None or work.replies:
            self.state.forget(work)
        replies, work.replies = work.replies, []
        for reply in replies:
            self.edge.answer(reply, outcome)

    def emit(self, result: object) -> None:
        """Publishes what a member returned for that. Raises SpecError, and publishes nothing, if a topic is not one."""
        values = result if isinstance(result, list) else [result]
        emits = [each for each in values if isinstance(each, Emit)]
        found = [topic_fault(each.topic) for each in emits]
        refuse(SpecFault("Emit()", fault) for fault in found if fault is not None)
        for each in emits:
            self.edge.publish(each)

    # Handoffs

    def hand_off(self, work: Work, slot: Slot, handoff: Handoff) -> None:
        """Offers the work to the target that its owner names, unless there is an objection."""
        roster = self.state.roster
        if not roster.knows(handoff.to):
            why: str | None = f"the team has no member {handoff.to}"
        else:
            why = objection(work.chain, "", self.spec.max_hops)
            if why is None and all(each.id in work.chain for each in roster.able(handoff.to)):
                why = objection(work.chain, next(roster.able(handoff.to)).id, self.spec.max_hops)
        if why is not None:
            self.refuse(work, slot.id, handoff, why)
            return
        self.state.move(work, "offered")
        work.handoff, work.giver = handoff, slot.id
        work.excluded, work.offers = frozenset(), 0
        self.place(work)

    def accepted(self, work: Work, slot: Slot) -> None:
        """From here on the receiver owns the work."""
        assert work.handoff is not None
        assert work.giver is not None
        self.edge.tell_event(HandedOff, work.id, work.giver, slot.id, work.handoff.reason)
        work.value = passed_on(work.handoff, work.value)
        self.state.move(work, "working")
        work.owner, work.to, work.chain = slot.id, slot.id, (*work.chain, slot.id)
        work.pool = None
        work.refused, work.attempt = (), 0

    def answered(self, work: Work, slot: Slot, outcome: Outcome) -> None:
        """A receiver accepted or declined, or crashed over the offer."""
        handoff, giver = work.handoff, work.giver
        assert handoff is not None
        assert giver is not None
        if isinstance(outcome.value, Accept):
            self.accepted(work, slot)
            self.begin(work, slot)
            return
        work.offers += 1
        crashed = outcome.error is not None and alive(slot)
        if isinstance(outcome.value, Decline) or (outcome.error is not None and (not crashed or work.offers >= OFFERS)):
            work.excluded |= {slot.id}
            if self.state.may_be_done(work):
                self.place(work)
            else:
                said = outcome.value.reason if isinstance(outcome.value, Decline) else str(outcome.error)
                self.refuse(work, giver, handoff, f"declined by {slot.id}" + (f": {said}" if said else ""))
        elif crashed:
            work.again = self.edge.call_due(work.id, self.now() + OFFER_AGAIN)
        else:
            why = f"{slot.id} answered the offer with {outcome.value!r}, expected Accept or Decline"
            self.refuse(work, giver, handoff, why)

    def refuse(self, work: Work, giver: str, handoff: Handoff, why: str) -> None:
        """The work goes back to its giver. A giver that insists fails it."""
        to = str(handoff.to)
        slot = self.state.roster.slots.get(giver)
        insists = any(refusal.to == to for refusal in work.refused)
        self.edge.tell_event(HandoffReturned, work.id, giver, to, why)
        if insists or slot is None or not slot.works:
            self.end(work, Outcome(error=HandoffRefused(self.team, work.id, giver, to, why)))
            return
        work.refused = (*work.refused, Refusal(to, why))
        self.state.move(work, "waiting")
        work.to, work.owner, work.pool = giver, giver, None
        work.attempt -= 1
        self.place(work)

    # Time limits, and cancelling

    def due(self, id: str) -> None:
        """A timer of a piece of work has fired."""
        work = self.state.works.get(id)
        if work is None or work.state == "ended":
            return
        if work.deadline is not None and self.now() >= work.deadline:
            assert work.timeout is not None
            owner = work.owner if work.state == "working" else None
            self.call_off(work, WorkTimeout(self.team, work.id, work.timeout, owner))
        elif work.again is not None:
            work.again = None
            self.place(work)

    def call_off(self, work: Work, error: TeamError) -> None:
        """Ends work that is not wanted any more. The member that has it is cancelled where it waits, and its slot stays
        reserved until it has stopped.
        """
        slot = work.reservation.slot if work.reservation is not None else None
        work.cancellation.cancel(str(error))
        if slot is not None and slot.member.on_timeout == "kill" and slot.ref is not None:
            slot.ref.kill()
        self.end(work, Outcome(error=error))

    def call_all_off(self, error: Callable[[], TeamError]) -> None:
        """Ends all work."""
        for work in list(self.state.works.values()):
            if work.state != "ended":
                self.call_off(work, error())

    def cancel(self, request: CancelWork) -> bool:
        """Calls one piece of work off. Returns whether it was still under way."""
        work = self.state.works.get(request.work)
        if work is None or work.state == "ended":
            return False
        self.call_off(work, WorkCancelled(work.id, request.reason))
        return True

    def end_run(self, request: EndRun) -> None:
        """Calls off what is left of a run, and forgets the rest."""
        for work in self.state.of_run(request.run):
            self.call_off(work, WorkCancelled(work.id, request.reason))
        self.state.forget_run(request.run)

    # Members leave or terminate

    def fail_stranded(self, targets: Iterable[str | Can] | None = None) -> None:
        """Ends work for these targets, by default for any, that no member is left for. Work for a pool that has other
        members goes to one of them.
        """
        roster = self.state.roster
        for work in self.state.stranded(targets):
            if work.state == "offered" and work.handoff is not None and work.giver is not None:
                self.refuse(work, work.giver, work.handoff, f"the team has no member {work.handoff.to} any more")
            elif work.pool is not None and roster.knows(work.pool.target):
                self.route_again(work, work.pool)
            else:
                error = NoCapableAgent(self.team, str(work.to), tuple(roster.slots))
                error.__cause__ = work.failure
                self.end(work, Outcome(error=error))

    def route_again(self, work: Work, pool: Pool) -> None:
        """Work whose slot was removed goes to another one of its pool."""
        try:
            work.to = self.routed(pool, work.value)
        except RoutingFailed as error:
            self.end(work, Outcome(error=error))
        else:
            self.place(work)

    def place_of(self, id: str) -> str:
        """The path of a member."""
        return f"{self.team}/members/{id}"


def alive(slot: Slot) -> bool:
    """Whether the member of the slot will take messages again."""
    return slot.ref is not None and slot.ref.is_alive()
