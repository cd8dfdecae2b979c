"""The coordinator of a team: the actor around the dispatcher. It takes messages, and changes the team while it runs.

Members come and go by requests to their supervisor. Nothing is polled: `MemberUp`, `MemberGone` and `PartUp` tell of
every member and part that starts or terminates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    CallbackReply,
    DeadLetter,
    ExitReason,
    LifecycleEvent,
    ReplyTo,
    Started,
    TimerHandle,
    answer,
    deliver,
    handles,
    is_up,
    notice,
    post,
    settle_failure,
    take_reply,
    when_gone,
    when_terminated,
)
from supervisors.spi import (
    ALIVE,
    ChildInfo,
    ChildRunning,
    CountChildren,
    DeleteChild,
    NotFound,
    RestartChild,
    SpecError,
    StartChild,
    SupervisionError,
    SupervisorRef,
    TerminateChild,
    WhichChild,
)
from teams._dispatch.ask import asked
from teams._dispatch.broadcast import Broadcast, SendToAll
from teams._dispatch.changes import CoordinatorState, Joining, Leaving, PendingRequest, Switching, TeamChange
from teams._dispatch.dispatcher import Dispatcher
from teams._dispatch.messages import (
    CancelWork,
    EndRun,
    GetRoster,
    Halt,
    Join,
    Leave,
    MemberGone,
    MemberUp,
    PartUp,
    PauseTeam,
    ResetTeam,
    ResumeTeam,
    SlotInfo,
    WorkDue,
)
from teams._dispatch.roster import Roster, Slot
from teams._dispatch.spec import TeamSpec
from teams._dispatch.work import Assign, Reservation
from teams._members.member import WORK_AT_ONCE, Member
from teams._members.results import Emit, Outcome
from teams._members.target import Can
from teams.errors import AlreadyMember, NoCapableAgent, RoleFull, TeamError, TeamHalted, UnknownMember, UnknownRole
from teams.events import Halted, MemberJoined, MemberLeft, MemberLost, Paused, Reset, Resumed, TeamEvent
from teams.protocols._delivery import Terms
from teams.protocols._topics.ref import Choreograph, Subscribe, TopicsRef

MEMBERS, TOPICS = "members", "topics"
HALTED_PARTS = (MEMBERS, TOPICS, "runs", "goal")
"""The children of a team besides the coordinator, in start order."""
START_WITHIN = 2.0
"""Seconds that a start of the coordinator waits for all members to be up and known to the topics."""


class Coordinator(Actor):
    """Takes requests for a team, has its dispatcher give out the work, and changes the team while it runs."""

    answers = (TeamError,)

    def __init__(self, spec: TeamSpec) -> None:
        self.spec = spec
        self.team = self.path.rpartition("/")[0]
        """The path of the team."""
        self.state: CoordinatorState = self.kept(CoordinatorState)
        runtime = self.runtime
        self.events = runtime.events
        self.me: ActorRef[Any] = self.ref
        self.dispatcher = Dispatcher(spec, self.team, self.state.dispatch, self, runtime.now, runtime.random)

    async def on_start(self) -> None:  # type: ignore[override]
        state, dispatch = self.state, self.state.dispatch
        if not state.open:
            state.open = True
            dispatch.roster = Roster(self.spec.roles, is_up, dispatch.view)
            for member in self.spec.members:
                dispatch.roster.add(member, self.capacity_of(member), self.members.incarnation)
            when_gone(self, partial(abandon, state, self.team))
        self.publish_view(dispatch.view)
        self.find_members(self.roster.slots.values())
        self.dispatcher.recover()
        self.miss(self.roster.slots.values())
        for request in list(state.requests):
            if request.outcome is not None:
                self.came_back(request)
        await self.start_topics()

    # Names

    @property
    def roster(self) -> Roster:
        """The members of the team."""
        return self.state.dispatch.roster

    @property
    def members(self) -> ActorRef[Any]:
        """The supervisor of the members; while that does not exist, the supervisor of the team."""
        found = self.part(MEMBERS)
        return found if found is not None else self.supervisor

    @property
    def supervisor(self) -> ActorRef[Any]:
        """The supervisor of the team."""
        found = self.runtime.find(self.team)
        assert found is not None
        return found

    def part(self, id: str) -> ActorRef[Any] | None:
        """A child of the team, or a descendant by its path."""
        return self.runtime.find(f"{self.team}/{id}")

    def capacity_of(self, member: Member) -> int:
        """How many pieces of work a slot of this member may have at once."""
        if not isinstance(member.work, type):
            return member.concurrency
        return WORK_AT_ONCE if member.takes_context else self.runtime.kind(member.work).concurrency

    # Work

    @handles
    def assign(self, request: Assign) -> None:
        """Has work done; answers with its outcome."""
        work = self.dispatcher.assign(request)
        reply = take_reply(self)
        if reply is not None:
            self.dispatcher.wait_for(work, reply)

    @handles
    def settled(self, reservation: Reservation) -> None:
        """A member has answered, crashed or terminated."""
        self.dispatcher.settled(reservation)

    @handles
    def due(self, message: WorkDue) -> None:
        """A timer of a piece of work has fired."""
        self.dispatcher.due(message.work)

    @handles
    def cancel_work(self, request: CancelWork) -> bool:
        """Calls work off. Answers whether it was still under way."""
        return self.dispatcher.cancel(request)

    @handles
    def end_run(self, request: EndRun) -> None:
        """A run has ended."""
        self.dispatcher.end_run(request)

    # What the dispatcher does to others (`TeamEdge`)

    def deliver(self, slot: Slot, message: object, reservation: Reservation) -> None:
        assert slot.ref is not None
        deliver(slot.ref, message, reservation.to(self.me))

    def call_due(self, work: str, at: float) -> TimerHandle:
        ref = self.me

        def due() -> None:
            if ref.is_alive():
                ref.tell(WorkDue(work))

        return self.runtime.clock.call_at(at, due)

    def answer(self, reply: ReplyTo, outcome: Outcome) -> None:
        if outcome.error is not None:
            settle_failure(reply, outcome.error, self.path)
        else:
            answer(reply, outcome.value)

    def publish(self, emit: Emit) -> None:
        topics = self.part(TOPICS)
        if isinstance(topics, TopicsRef):
            topics.publish(emit.topic, emit.payload)

    def tell_event(self, kind: Callable[..., TeamEvent], *values: object) -> None:
        if self.events.takers[kind]:  # type: ignore[index]
            self.events.publish(kind(self.team, self.runtime.now(), *values))

    def lost(self, slot: Slot) -> None:
        """The actor of a member has terminated: it will not be restarted, or all members are started anew. The
        supervisor of the members knows which.
        """
        if self.state.dispatch.halted is None and self.roster.slots.get(slot.id) is slot:
            self.roster.vacated(slot)
            if not slot.leaving:
                self.inquire(slot.id)

    def idle(self, slot: Slot) -> None:
        """A slot that leaves has no work any more: it is stopped."""
        for change in self.state.changes:
            if isinstance(change, Leaving) and slot.id in change.slots and slot.id not in change.sent:
                change.sent.add(slot.id)
                self.send(Coordinator.departed, slot.id, TerminateChild(slot.id), self.members, change)

    # The team as a whole

    @handles
    def slots(self, _: GetRoster) -> tuple[SlotInfo, ...]:
        """The slots of the team."""
        return tuple(
            SlotInfo(
                slot.id,
                slot.member.id,
                slot.role,
                slot.capabilities,
                slot.capacity,
                slot.reserved,
                slot.ref is not None and is_up(slot.ref),
                slot.leaving,
            )
            for slot in self.roster.slots.values()
        )

    @handles
    def broadcast(self, request: SendToAll) -> None:
        """Sends a message to all members of a target; answers with the report."""
        halted, to = self.state.dispatch.halted, request.to
        if halted is not None:
            raise TeamHalted(self.team, halted)
        slots = [
            slot
            for slot in (self.roster.slots.values() if to is None else self.roster.able(to))
            if not slot.leaving and slot.ref is not None
        ]
        if to is not None and not slots:
            raise NoCapableAgent(self.team, str(to), tuple(self.roster.slots))
        reply = take_reply(self)
        if reply is None:
            for slot in slots:
                if slot.ref is not None:
                    self.pass_on(request.message, slot.ref)
            return
        Broadcast(self.runtime, slots, request.policy, request.within, reply).send(request.message, slots)

    def pass_on(self, message: object, ref: ActorRef[Any]) -> None:
        """Tells a member something. If its mailbox refuses the message, that is a dead letter."""
        try:
            ref.tell(message)
        except Exception as error:  # noqa: BLE001 - it is full, or a priority function of the user's raised
            self.events.publish(DeadLetter(ref.path, self.runtime.now(), message, "overflow", self.path, error))

    @handles
    def pause(self, _: PauseTeam) -> bool:
        """Begins nothing new; what has begun goes on. Answers whether that was news."""
        news = not self.state.dispatch.paused
        self.state.dispatch.paused = True
        self.hold_topics()
        if news:
            self.tell_event(Paused)
        return news

    @handles
    def resume(self, _: ResumeTeam) -> bool:
        """Goes on. Answers whether that was news."""
        news = self.state.dispatch.paused
        self.state.dispatch.paused = False
        self.hold_topics()
        if news:
            self.tell_event(Resumed)
            self.dispatcher.place_all()
        return news

    def hold_topics(self) -> None:
        """While the team is paused, events wait in the mailbox of the topics."""
        topics = self.part(TOPICS)
        if topics is not None and self.state.dispatch.paused:
            topics.suspend()
        elif topics is not None:
            topics.resume()

    # Members join and leave

    @handles
    def add_member(self, request: Join) -> None:
        """Takes a member in; answers with the ids of its slots when they are up."""
        member, roster = request.member, self.roster
        halted = self.state.dispatch.halted
        if halted is not None:
            raise TeamHalted(self.team, halted)
        for spec in member.specs:
            if spec.id in roster.slots:
                raise AlreadyMember(self.team, spec.id)
        ambiguous = roster.ambiguous(member)
        if ambiguous is not None:
            raise AlreadyMember(self.team, ambiguous)
        if member.role is not None and self.spec.roles and member.role not in roster.roles:
            raise UnknownRole(self.team, member.role, tuple(roster.roles))
        limit = roster.full(member.role, len(member.specs))
        if limit is not None:
            raise RoleFull(self.team, str(member.role), limit)
        capacity = self.capacity_of(member)
        change = Joining(take_reply(self), member)
        self.state.changes.append(change)
        self.state.left.difference_update(spec.id for spec in member.specs)
        roster.add(member, capacity, self.members.incarnation, joining=True)
        for spec in member.specs:
            start = StartChild(self.spec.budgeted(spec))
            self.send(Coordinator.step_done, spec.id, start, self.members, change)

    def joined(self, change: Joining) -> tuple[str, ...]:
        """New slots get work, or are removed if one of them did not come up."""
        roster = self.roster
        ids = tuple(spec.id for spec in change.member.specs)
        slots = [roster.slots[id] for id in ids if id in roster.slots]
        if change.error is not None:
            for slot in slots:
                roster.remove(slot)
            for id in ids:
                self.undo_start(id)
            self.dispatcher.fail_stranded(targets_of(slots))
            return ()
        for slot in slots:
            roster.came_in(slot)
        self.tell_topics(self.find_members(slots))
        for id in ids:
            self.tell_event(MemberJoined, id)
        for slot in slots:
            if slot.ref is None:
                self.lost(slot)  # it came up, and has terminated meanwhile
            self.dispatcher.go_on(slot)
        return ids

    @handles
    def remove_member(self, request: Leave) -> None:
        """Stops a member when it has done its work; answers with the ids of the slots that left."""
        roster = self.roster
        slots = roster.of_name(request.id)
        if not slots:
            raise UnknownMember(self.team, request.id, tuple(roster.slots))
        self.state.changes.append(Leaving(take_reply(self), [slot.id for slot in slots]))
        for slot in slots:
            roster.leave(slot)
        self.dispatcher.fail_stranded(targets_of(slots))
        for slot in slots:
            self.dispatcher.go_on(slot)

    def departed(self, request: PendingRequest) -> None:
        """A member that leaves has been stopped."""
        id, change = request.child, request.change
        assert change is not None
        self.note_error(request, SupervisionError)
        if id in self.spec.slots:
            self.state.left.add(id)
        slot = self.roster.slots.get(id)
        if slot is not None:
            self.roster.remove(slot)
            self.tell_event(MemberLeft, id)
        self.send(Coordinator.stopped, id, DeleteChild(id), self.members, change)

    # The kill switch

    @handles
    def halt(self, request: Halt) -> None:
        """Stops everything: work fails, members are killed and stay down."""
        self.switch(Switching(take_reply(self), request.reason))

    @handles
    def reset(self, _: ResetTeam) -> None:
        """Works again after a halt; answers when all members are up."""
        self.switch(Switching(take_reply(self), None))

    def switch(self, change: Switching) -> None:
        """Halts or resets, once the halts and resets before it are complete."""
        self.state.changes.append(change)
        if self.state.switching() is change:
            self.begin_switch(change)

    def begin_switch(self, change: Switching) -> None:
        """Begins a halt or a reset."""
        if (change.reason is None) == (self.state.dispatch.halted is None):
            self.changed(change)  # it is so already
        elif change.reason is not None:
            self.take_down(change, change.reason)
        else:
            self.bring_up(change)

    def take_down(self, change: Switching, reason: str) -> None:
        """Ends all work, and kills the members and all other parts."""
        state, dispatch = self.state, self.state.dispatch
        dispatch.halted = dispatch.view.halted = reason
        self.tell_event(Halted, reason)
        self.dispatcher.call_all_off(lambda: TeamHalted(self.team, reason))
        state.down = [part for part in HALTED_PARTS if self.part(part) is not None]
        change.left = len(state.down)
        for part in reversed(state.down):
            self.send(Coordinator.stopped, part, TerminateChild(part), self.supervisor, change)
            # Answered after the order before it was taken up: from then on the supervisor restarts no part that is
            # killed.
            self.send(Coordinator.kill, part, CountChildren(), self.supervisor)

    def kill(self, request: PendingRequest) -> None:
        """Kills a part that has been told to stop."""
        part = self.part(request.child)
        if part is not None and self.state.dispatch.halted is not None:
            part.kill()

    def bring_up(self, change: Switching) -> None:
        """Has all parts started again."""
        change.left = len(self.state.down)
        for part in self.state.down:
            self.send(Coordinator.restarted, part, RestartChild(part), self.supervisor, change)

    def up_again(self) -> None:
        """The team works again after a halt, with the slots it had."""
        dispatch = self.state.dispatch
        dispatch.halted = dispatch.view.halted = None
        slots = list(self.roster.slots.values())
        for slot in slots:
            self.roster.vacated(slot)
        self.tell_topics(self.find_members(slots))
        self.miss(slots)
        self.hold_topics()
        self.tell_event(Reset)
        self.dispatcher.place_all()

    # Topics

    async def start_topics(self) -> None:
        """Tells the topics of the members, and waits until they know: what starts after the coordinator may publish at
        once. A member that is being restarted is waited for, at most for `START_WITHIN` seconds.
        """
        if not self.spec.uses_topics:
            return
        if self.state.dispatch.paused:
            self.tell_topics(self.roster.slots.values())  # they answer when the work is resumed
            return
        started, on_loop = asyncio.Event(), self.runtime.on_loop

        def note(_: LifecycleEvent) -> None:
            on_loop(started.set)

        subscription = self.events.subscribe(note, Started)
        try:
            async with asyncio.timeout(START_WITHIN):
                while not await self.topics_know_all():
                    await started.wait()
                    started.clear()
        except TimeoutError:
            self.tell_topics(self.roster.slots.values())
        finally:
            subscription.cancel()

    async def topics_know_all(self) -> bool:
        """Tells the topics of the members that exist. Returns whether these are all members, now and afterwards."""
        self.find_members(self.roster.slots.values())
        topics = self.part(TOPICS)
        if topics is None:
            return True
        if not self.all_exist():
            return False
        heard = True
        for answered in [asked(topics, order) for order in self.orders(self.roster.slots.values())]:
            try:
                await answered
            except SpecError:
                raise
            except Exception:  # noqa: BLE001 - the topics crash over it, and will be started again
                heard = False
        return heard and self.all_exist()

    def all_exist(self) -> bool:
        """Whether every slot has its member, running or being restarted."""
        return all(
            slot.joining or (slot.ref is not None and slot.ref.is_alive()) for slot in self.roster.slots.values()
        )

    def tell_topics(self, slots: Iterable[Slot]) -> None:
        """Subscribes these members to their topics, and gives them their steps of choreographies. To do so again
        changes nothing. If the topics crash over it, `PartUp` tells when they are up again.
        """
        topics = self.part(TOPICS)
        if topics is not None:
            for order in self.orders(slots):
                post(topics, order, CallbackReply(ignore, ignore))

    def orders(self, slots: Iterable[Slot]) -> list[object]:
        """The facts for the topics about the given slots that have a member, and about choreographies."""
        orders: list[object] = [
            Subscribe(topic, slot.ref, Terms(), 1, 10_000)
            for slot in slots
            if slot.ref is not None
            for topic in slot.member.subscribes
        ]
        if self.spec.choreographies:
            refs = {slot.id: slot.ref for slot in self.roster.slots.values() if slot.ref is not None}
            orders += [Choreograph(made, refs) for made in self.spec.choreographies if not made.unknown(refs)]
        return orders

    # Requests to supervisors

    def send(
        self,
        then: Callable[[Coordinator, PendingRequest], object],
        child: str,
        order: object,
        to: ActorRef[Any],
        change: TeamChange | None = None,
    ) -> None:
        """Asks for something; `then` is called with the request when it is answered."""
        request = PendingRequest(then, child, change)
        self.state.requests[request] = None
        post(to, order, request.to(self.me))

    @handles
    def came_back(self, request: PendingRequest) -> None:
        """A request has been answered."""
        if request in self.state.requests:
            del self.state.requests[request]
            request.then(self, request)

    def step_done(self, request: PendingRequest, *so_already: type[BaseException]) -> None:
        """One step of a change is done, or has failed; errors of these classes say that there was nothing to do."""
        change = request.change
        assert change is not None
        self.note_error(request, *so_already)
        change.left -= 1
        if change.left == 0:
            self.changed(change)

    def stopped(self, request: PendingRequest) -> None:
        """A child has been stopped, or its spec deleted."""
        self.step_done(request, SupervisionError)

    def restarted(self, request: PendingRequest) -> None:
        """A part has been started again."""
        self.step_done(request, ChildRunning)

    @staticmethod
    def note_error(request: PendingRequest, *so_already: type[BaseException]) -> None:
        """The first error of a change is its outcome."""
        error, change = request.result.error, request.change
        if change is not None and error is not None and not isinstance(error, so_already):
            change.error = change.error or error

    def changed(self, change: TeamChange) -> None:
        """A change is complete, or has failed."""
        state = self.state
        state.changes.remove(change)
        result: object = None
        match change:
            case Joining():
                result = self.joined(change)
            case Leaving():
                result = change.slots
            case Switching(reason=None, error=None) if state.dispatch.halted is not None:
                self.up_again()
        for reply in change.replies:
            self.answer(reply, Outcome(result, change.error))
        following = state.switching()
        if isinstance(change, Switching) and following is not None:
            self.begin_switch(following)

    # Members terminate, and come up again

    def find_members(self, slots: Iterable[Slot]) -> list[Slot]:
        """Has those of these slots whose member exists get work. Returns those that had no member before."""
        found = []
        for slot in slots:
            if slot.ref is not None and slot.ref.is_alive():
                if is_up(slot.ref):
                    self.roster.came_up(slot)
            elif not slot.joining:
                ref = self.part(f"{MEMBERS}/{slot.id}")
                if ref is not None:
                    self.roster.joined(slot, ref, self.members.incarnation)
                    when_terminated(ref, partial(tell_gone, self.me, slot.id, ref))
                    found.append(slot)
        return found

    def miss(self, slots: Iterable[Slot]) -> None:
        """Looks into those of these slots that have no member, except those that join."""
        for slot in list(slots):
            if not slot.joining and (slot.ref is None or not slot.ref.is_alive()):
                self.lost(slot)

    @handles
    def gone(self, message: MemberGone) -> None:
        """The actor of a member has terminated."""
        slot = self.roster.slots.get(message.member)
        if slot is not None and slot.ref is message.ref:
            self.lost(slot)

    @handles
    def part_up(self, message: PartUp) -> None:
        """A part of the team has been started again."""
        if self.state.dispatch.halted is not None:
            return  # `up_again` does the same for all parts
        if message.part == TOPICS:
            self.tell_topics(self.roster.slots.values())
        elif message.part == MEMBERS:
            for slot in list(self.roster.slots.values()):
                if slot.ref is None and not slot.joining and not slot.leaving:
                    self.inquire(slot.id)

    @handles
    def member_up(self, message: MemberUp) -> None:
        """A member has been started, for the first time or anew."""
        slot = self.roster.slots.get(message.member)
        if slot is None:
            self.started_without_a_slot(message.member)
        elif not slot.joining and self.state.dispatch.halted is None:
            self.back(slot)

    def inquire(self, id: str) -> None:
        """Asks the supervisor of the members what became of a member. If that does not exist, `PartUp` tells when it is
        up again.
        """
        members = self.part(MEMBERS)
        if members is not None:
            self.send(Coordinator.heard_of, id, WhichChild(id), members)

    def heard_of(self, request: PendingRequest) -> None:
        """The supervisor of the members has reported on a member, or crashed over the request: then `PartUp` tells when
        it is up again.
        """
        id, outcome = request.child, request.result
        slot = self.roster.slots.get(id)
        if slot is None or slot.ref is not None or slot.leaving or self.state.dispatch.halted is not None:
            return
        info, unknown = outcome.value, isinstance(outcome.error, NotFound)
        if unknown and slot.born != self.members.incarnation:
            # The supervisor has been started anew, and knows only the members that the team was made with.
            spec = next(spec for spec in slot.member.specs if spec.id == id)
            self.send(Coordinator.rejoined, id, StartChild(self.spec.budgeted(spec)), self.members)
        elif unknown:
            self.missed(slot)
        elif isinstance(info, ChildInfo) and info.state not in ALIVE:
            if isinstance(self.members, SupervisorRef):
                self.members.delete_child(id)  # so that another member of this id may join
            self.missed(slot)
        else:
            self.back(slot)  # of a member that is being started, `MemberUp` tells

    def rejoined(self, request: PendingRequest) -> None:
        """A member could not be started in a supervisor that did not know it; of one that was, `MemberUp` has told."""
        slot = self.roster.slots.get(request.child)
        error = request.result.error
        if error is not None and slot is not None and slot.ref is None and self.state.dispatch.halted is None:
            self.missed(slot)

    def missed(self, slot: Slot) -> None:
        """The member has terminated, and its slot is removed."""
        self.roster.remove(slot)
        self.tell_event(MemberLost, slot.id)
        self.dispatcher.fail_stranded(slot.targets)

    def back(self, slot: Slot) -> None:
        """Has the slot get work if its member exists again."""
        if self.find_members([slot]):
            self.tell_topics([slot])
        self.dispatcher.go_on(slot)

    def started_without_a_slot(self, id: str) -> None:
        """A member that the team was made with has been started with all others, and has no slot: a member that was
        lost gets its slot again, one that left is stopped.
        """
        member = self.spec.slots.get(id)
        if id in self.state.left:
            self.undo_start(id)
        elif member is not None:
            (slot,) = self.roster.add(member, self.capacity_of(member), self.members.incarnation, only=id)
            self.tell_event(MemberJoined, id)
            self.back(slot)

    def undo_start(self, id: str) -> None:
        """Stops a member that has no slot."""
        members = self.members
        if isinstance(members, SupervisorRef):
            members.terminate_child(id).add_done_callback(lambda _: members.delete_child(id))


def ignore(_: object) -> None:
    """Takes an answer that changes nothing."""


def targets_of(slots: Iterable[Slot]) -> list[str | Can]:
    """Every target of these slots."""
    return list(dict.fromkeys(target for slot in slots for target in slot.targets))


def tell_gone(coordinator: ActorRef[Any], slot: str, ref: ActorRef[Any], _: ExitReason) -> None:
    """Tells the coordinator that the actor of a member has terminated."""
    notice(coordinator, MemberGone(slot, ref))


def abandon(state: CoordinatorState, team: str, reason: ExitReason) -> None:
    """The team has terminated: every caller is answered, and no timer is left."""
    for work in list(state.dispatch.works.values()):
        for timer in (work.timer, work.again):
            if timer is not None:
                timer.cancel()
        work.cancellation.cancel("the team has terminated")
        if work.cancellation.questions is not None:
            work.cancellation.questions.withdraw()
        replies, work.replies = work.replies, []
        for reply in replies:
            settle_failure(reply, ActorDeadError(team, reason, work.value), team)
    for change in state.changes:
        for reply in change.replies:
            settle_failure(reply, ActorDeadError(team, reason, change.about), team)
