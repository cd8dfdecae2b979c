"""The coordinator of a team: the dispatcher, and all that changes the team while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from actors.spi import ActorRef, DeadLetter, answer, handles, is_up, post, settle_failure, sleep, take_reply
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
from teams._dispatch.broadcast import Broadcast, BroadcastTo
from teams._dispatch.dispatcher import Dispatcher, capacity_of, named, tell
from teams._dispatch.messages import (
    GetRoster,
    Halt,
    Join,
    Leave,
    Look,
    MemberGone,
    MemberUp,
    Pause,
    ResetTeam,
    Resume,
    SlotInfo,
)
from teams._dispatch.roster import Slot
from teams._dispatch.state import Change, Joining, Leaving, PendingRequest, Returned, Switching
from teams._members.target import Can
from teams.errors import AlreadyMember, NoCapableAgent, RoleFull, TeamHalted, UnknownMember, UnknownRole
from teams.events import Halted, MemberJoined, MemberLeft, MemberLost, Paused, Reset, Resumed
from teams.protocols._delivery import Terms
from teams.protocols._topics.ref import Choreograph, Subscribe

PARTS = ("members", "topics", "runs", "goal")
"""The children of a team besides the coordinator, in start order."""


TOPICS = "topics"
ASKED = 20
"""How often members are looked for, and the topics told of them, before a start of the coordinator goes on without."""
LOOK_AGAIN = 0.1
"""Seconds until the coordinator looks again for a member that is being started."""


class Coordinator(Dispatcher):
    """Takes members in and lets them go, pauses and halts."""

    async def on_start(self) -> None:  # type: ignore[override]
        super().on_start()
        for timer in self.book.looks.values():
            timer.cancel()
        self.book.looks.clear()
        for seat in list(self.book.roster.seats.values()):
            if not seat.joining and (seat.ref is None or not seat.ref.is_alive()):
                self.lost(seat)
        for errand in list(self.book.errands):
            if errand.outcome is not None:
                self.came_back(Returned(errand))
        await self.wired()

    @handles
    def roster(self, _: GetRoster) -> tuple[SlotInfo, ...]:
        """Who is in the team."""
        return tuple(
            SlotInfo(
                seat.id,
                seat.member.id,
                seat.role,
                seat.capabilities,
                seat.capacity,
                seat.reserved,
                seat.ref is not None and is_up(seat.ref),
                seat.leaving,
            )
            for seat in self.book.roster.seats.values()
        )

    @handles
    def broadcast(self, request: BroadcastTo) -> None:
        """Sends a message to all that are meant; the report goes to whoever asked."""
        book, to = self.book, request.to
        if book.halted is not None:
            raise TeamHalted(self.team, book.halted)
        seats = [
            seat
            for seat in (book.roster.seats.values() if to is None else book.roster.able(to))
            if not seat.leaving and seat.ref is not None
        ]
        if to is not None and not seats:
            raise NoCapableAgent(self.team, named(to), tuple(book.roster.seats))
        reply = take_reply(self)
        if reply is None:
            for seat in seats:
                if seat.ref is not None:
                    self.pass_on(request.message, seat.ref)
            return
        Broadcast(self.runtime, seats, request.policy, request.within, reply).send(request.message, seats)

    def pass_on(self, message: object, ref: ActorRef[Any]) -> None:
        """Tells a member something. What its mailbox refuses is a dead letter."""
        try:
            ref.tell(message)
        except Exception as error:  # noqa: BLE001 - it is full, or a priority function of the user's raised
            self.runtime.events.publish(DeadLetter(ref.path, self.runtime.now(), message, "overflow", self.path, error))

    # Pause

    @handles
    def pause(self, _: Pause) -> bool:
        """Begins nothing new; what has begun goes on. Answers whether that was news."""
        news = not self.book.paused
        self.book.paused = True
        self.hold_topics()
        if news:
            self.tell_event(Paused)
        return news

    @handles
    def resume(self, _: Resume) -> bool:
        """Goes on. Answers whether that was news."""
        news = self.book.paused
        self.book.paused = False
        self.hold_topics()
        if news:
            self.tell_event(Resumed)
            self.go_on_with_all()
        return news

    def hold_topics(self) -> None:
        """Events wait in the mailbox of the topics while the team is paused, and are not told anybody."""
        topics = self.runtime.find(f"{self.team}/{TOPICS}")
        if topics is not None and self.book.paused:
            topics.suspend()
        elif topics is not None:
            topics.resume()

    # Members come and go

    @handles
    def take_in(self, request: Join) -> None:
        """Takes a member in; answers with the ids of its seats when they are up."""
        member, roster = request.member, self.book.roster
        if self.book.halted is not None:
            raise TeamHalted(self.team, self.book.halted)
        for spec in member.specs:
            if spec.id in roster.seats:
                raise AlreadyMember(self.team, spec.id)
        ambiguous = roster.ambiguous(member)
        if ambiguous is not None:
            raise AlreadyMember(self.team, ambiguous)
        if member.role is not None and self.charter.roles and member.role not in roster.roles:
            raise UnknownRole(self.team, member.role, tuple(roster.roles))
        limit = roster.full(member.role, len(member.specs))
        if limit is not None:
            raise RoleFull(self.team, str(member.role), limit)
        capacity = capacity_of(self, member)
        change = Joining(take_reply(self), member)
        self.book.changes.append(change)
        self.book.left.difference_update(spec.id for spec in member.specs)
        roster.add(member, capacity, self.members.incarnation, joining=True)
        for spec in member.specs:
            start = StartChild(self.charter.budgeted(spec))
            self.send(Coordinator.step_done, spec.id, start, self.members, change)

    @handles
    def let_go(self, request: Leave) -> None:
        """Lets a member go when it has done what it has; answers with the ids of the seats that left."""
        roster = self.book.roster
        seats = roster.of_name(request.id)
        if not seats:
            raise UnknownMember(self.team, request.id, tuple(roster.seats))
        self.book.changes.append(Leaving(take_reply(self), [seat.id for seat in seats]))
        for seat in seats:
            roster.leave(seat)
        self.fail_stranded(groups_of(seats))
        for seat in seats:
            self.go_on(seat)

    def go_on(self, seat: Slot) -> None:
        """A member that leaves is let go once nothing is reserved for it any more."""
        super().go_on(seat)
        if seat.leaving and seat.reserved == 0:
            for change in self.book.changes:
                if isinstance(change, Leaving) and seat.id in change.seats and seat.id not in change.sent:
                    change.sent.add(seat.id)
                    self.send(Coordinator.departed, seat.id, TerminateChild(seat.id), self.members, change)

    def departed(self, errand: PendingRequest) -> None:
        """A member that leaves has been stopped."""
        id, change = errand.child, errand.change
        assert change is not None
        self.note_error(errand, SupervisionError)
        if id in self.charter.seats:
            self.book.left.add(id)
        seat = self.book.roster.seats.get(id)
        if seat is not None:
            self.book.roster.remove(seat)
            self.tell_event(MemberLeft, id)
        self.send(Coordinator.stopped, id, DeleteChild(id), self.members, change)

    # The kill switch

    @handles
    def halt(self, request: Halt) -> None:
        """Stops everything: work fails, members are killed and stay down."""
        self.switch(Switching(take_reply(self), request.reason))

    @handles
    def reset(self, _: ResetTeam) -> None:
        """Works again after a halt; answers when everybody is up."""
        self.switch(Switching(take_reply(self), None))

    def switch(self, change: Switching) -> None:
        """Halts or resets, once what was asked for before is complete."""
        self.book.changes.append(change)
        if self.book.throw() is change:
            self.flip(change)

    def flip(self, change: Switching) -> None:
        """Begins a halt or a reset."""
        if (change.reason is None) == (self.book.halted is None):
            self.changed(change)  # it is so already
        elif change.reason is not None:
            self.take_down(change, change.reason)
        else:
            self.bring_up(change)

    def take_down(self, change: Switching, reason: str) -> None:
        """Ends all work, and has everybody killed."""
        book = self.book
        book.halted = reason
        book.view.halt(reason)
        self.tell_event(Halted, reason)
        for work in list(book.works.values()):
            if work.state != "ended":
                self.call_off(work, TeamHalted(self.team, reason))
        book.down = [part for part in PARTS if self.runtime.find(f"{self.team}/{part}") is not None]
        change.left = len(book.down)
        for part in reversed(book.down):
            self.send(Coordinator.stopped, part, TerminateChild(part), self.supervisor, change)
            # Answered once the order before it was taken up: from then on a kill is no failure to restart from.
            self.send(Coordinator.kill, part, CountChildren(), self.supervisor)

    def kill(self, errand: PendingRequest) -> None:
        """Kills a part that has been told to stop."""
        part = self.runtime.find(f"{self.team}/{errand.child}")
        if part is not None and self.book.halted is not None:
            part.kill()

    def bring_up(self, change: Switching) -> None:
        """Has everybody started again."""
        book = self.book
        change.left = len(book.down)
        for part in book.down:
            self.send(Coordinator.restarted, part, RestartChild(part), self.supervisor, change)

    # Topics

    async def wired(self) -> None:
        """The same, and waits for it: what starts after the coordinator may publish at once."""
        if not self.charter.choreographies and not any(member.subscribes for member in self.charter.members):
            return
        if self.book.paused:
            self.wire(self.book.roster.seats.values())  # answered when the topics go on, not waited for until then
            return
        for _ in range(ASKED):
            self.find_seats(self.book.roster.seats.values())
            if self.everybody_there() and await self.told():
                return
            await sleep(LOOK_AGAIN)
        await self.told()
        self.look_later(TOPICS)

    def everybody_there(self) -> bool:
        """Whether every seat has its member, if only one that is being restarted."""
        seats = self.book.roster.seats.values()
        return all(seat.joining or (seat.ref is not None and seat.ref.is_alive()) for seat in seats)

    async def told(self) -> bool:
        """Tells the topics of the members; whether all was heard, and those are still the members."""
        topics = self.runtime.find(f"{self.team}/{TOPICS}")
        if topics is None:
            return True
        heard = True
        for answered in [topics.ask(order, block=False) for order in self.orders(self.book.roster.seats.values())]:
            try:
                await answered
            except SpecError:
                raise
            except Exception:  # noqa: BLE001 - whatever kept it from being heard, it is said again
                heard = False
        return heard and self.everybody_there()

    def wire(self, seats: Iterable[Slot]) -> None:
        """Has these members hear of their topics, and take their steps in choreographies. Said twice it is as said
        once.
        """
        topics = self.runtime.find(f"{self.team}/{TOPICS}")
        if topics is None:
            return
        for order in self.orders(seats):
            self.send(Coordinator.wiring_done, TOPICS, order, topics)

    def wiring_done(self, errand: PendingRequest) -> None:
        """The topics have been told, or crashed over it."""
        error = errand.result.error
        if error is not None and not isinstance(error, SpecError):
            self.look_later(TOPICS)

    def orders(self, seats: Iterable[Slot]) -> list[object]:
        """What the topics have to be told about these members, those there are, and about choreographies."""
        orders: list[object] = [
            Subscribe(topic, seat.ref, Terms(), 1, 10_000)
            for seat in seats
            if seat.ref is not None
            for topic in seat.member.subscribes
        ]
        if self.charter.choreographies:
            refs = {seat.id: seat.ref for seat in self.book.roster.seats.values() if seat.ref is not None}
            orders += [Choreograph(made, refs) for made in self.charter.choreographies if not made.unknown(refs)]
        return orders

    # Errands

    def send(
        self,
        then: Callable[[Coordinator, PendingRequest], object],
        child: str,
        order: object,
        to: ActorRef[Any],
        change: Change | None = None,
    ) -> None:
        """Asks for something; `then` is called with the errand when it is answered."""
        errand = PendingRequest(self.ref, then, child, change)
        self.book.errands[errand] = None
        post(to, order, errand)

    @handles
    def came_back(self, message: Returned) -> None:
        """An errand has been answered."""
        errand = message.errand
        if errand in self.book.errands:
            del self.book.errands[errand]
            errand.then(self, errand)

    def step_done(self, errand: PendingRequest, *so_already: type[BaseException]) -> None:
        """One step of a change is done, or has failed; errors of these classes say that there was nothing to do."""
        change = errand.change
        assert change is not None
        self.note_error(errand, *so_already)
        change.left -= 1
        if change.left == 0:
            self.changed(change)

    def stopped(self, errand: PendingRequest) -> None:
        """A child has been stopped, or its spec deleted."""
        self.step_done(errand, SupervisionError)

    def restarted(self, errand: PendingRequest) -> None:
        """A part has been started again."""
        self.step_done(errand, ChildRunning)

    @staticmethod
    def note_error(errand: PendingRequest, *so_already: type[BaseException]) -> None:
        """The first error of a change is its outcome."""
        error, change = errand.result.error, errand.change
        if change is not None and error is not None and not isinstance(error, so_already):
            change.error = change.error or error

    # Members that are lost, and found again

    @handles
    def gone(self, message: MemberGone) -> None:
        """The place of a member has ended."""
        seat = self.book.roster.seats.get(message.member)
        if seat is not None and seat.ref is message.ref:
            self.lost(seat)

    def lost(self, seat: Slot) -> None:
        """The member's place has ended: it is terminated, or all members are started anew. Their supervisor knows."""
        if self.book.halted is None and self.book.roster.seats.get(seat.id) is seat:
            self.book.roster.vacated(seat)
            if not seat.leaving:
                self.inquire(seat.id)

    def inquire(self, id: str) -> None:
        """Asks the supervisor of the members what became of one."""
        members = self.runtime.find(f"{self.team}/members")
        if members is not None:
            self.send(Coordinator.heard_of, id, WhichChild(id), members)
        else:
            self.look_later(id)

    def heard_of(self, errand: PendingRequest) -> None:
        """The supervisor of the members has said what became of one, or is being restarted itself."""
        id, outcome = errand.child, errand.result
        seat = self.book.roster.seats.get(id)
        if seat is None or seat.ref is not None or seat.leaving or self.book.halted is not None:
            return
        info, unknown = outcome.value, isinstance(outcome.error, NotFound)
        if unknown and seat.born != self.members.incarnation:
            # The supervisor has been started anew, and knows only the members that the team was made with.
            spec = next(spec for spec in seat.member.specs if spec.id == id)
            self.send(Coordinator.rejoined, id, StartChild(self.charter.budgeted(spec)), self.members)
        elif unknown:
            self.missed(seat)
        elif isinstance(info, ChildInfo) and info.state not in ALIVE:
            if isinstance(self.members, SupervisorRef):
                self.members.delete_child(id)  # so that one of this id may join
            self.missed(seat)
        elif not self.back(seat) and outcome.error is not None:
            self.look_later(id)  # of a member that is being started, `MemberUp` tells

    def rejoined(self, errand: PendingRequest) -> None:
        """A member could not be started in a supervisor that did not know it; of one that was, `MemberUp` has told."""
        seat = self.book.roster.seats.get(errand.child)
        if errand.result.error is not None and seat is not None and seat.ref is None and self.book.halted is None:
            self.missed(seat)

    def missed(self, seat: Slot) -> None:
        """The member has terminated, and its seat with it."""
        self.book.roster.remove(seat)
        self.tell_event(MemberLost, seat.id)
        self.fail_stranded(seat.groups)

    def back(self, seat: Slot) -> bool:
        """Has the seat get work if its member is there again. Returns whether it is."""
        if self.find_seats([seat]):
            self.wire([seat])
        self.go_on(seat)
        return seat.ref is not None

    @handles
    def came_up(self, message: MemberUp) -> None:
        """A member has been started, for the first time or anew."""
        seat = self.book.roster.seats.get(message.member)
        if seat is None:
            self.started_without_a_seat(message.member)
        elif not seat.joining and self.book.halted is None:
            self.back(seat)

    def started_without_a_seat(self, id: str) -> None:
        """A member of those that the team was made with has been started with all others, and is in the team no more:
        one that was lost has its seat again, one that left is stopped.
        """
        member = self.charter.seats.get(id)
        if id in self.book.left:
            self.undo_start(id)
        elif member is not None:
            (seat,) = self.book.roster.add(member, capacity_of(self, member), self.members.incarnation, only=id)
            self.tell_event(MemberJoined, id)
            self.back(seat)

    def look_later(self, id: str) -> None:
        """Looks later for a member that is being started, or for the topics."""
        ref = self.ref
        later = self.runtime.now() + LOOK_AGAIN
        self.book.looks[id] = self.runtime.clock.call_at(later, lambda: tell(ref, Look(id)))

    @handles
    def look(self, message: Look) -> None:
        self.book.looks.pop(message.member, None)
        if message.member == TOPICS:
            self.wire(self.book.roster.seats.values())
        else:
            self.inquire(message.member)

    # Changes that are complete

    def changed(self, change: Change) -> None:
        """A change is complete, or has failed."""
        book = self.book
        book.changes.remove(change)
        result: object = None
        match change:
            case Joining():
                result = self.joined(change)
            case Leaving():
                result = change.seats
            case Switching(reason=None, error=None) if book.halted is not None:
                self.up_again()
        for reply in change.replies:
            if change.error is not None:
                settle_failure(reply, change.error, self.path)
            else:
                answer(reply, result)
        following = book.throw()
        if isinstance(change, Switching) and following is not None:
            self.flip(following)

    def joined(self, change: Joining) -> tuple[str, ...]:
        """New seats get work, or are taken back if one of them did not come up."""
        roster = self.book.roster
        ids = tuple(spec.id for spec in change.member.specs)
        seats = [roster.seats[id] for id in ids if id in roster.seats]
        if change.error is not None:
            for seat in seats:
                roster.remove(seat)
            for id in ids:
                self.undo_start(id)
            self.fail_stranded(groups_of(seats))
            return ()
        for seat in seats:
            roster.came_in(seat)
        self.wire(self.find_seats(seats))
        for id in ids:
            self.tell_event(MemberJoined, id)
        for seat in seats:
            if seat.ref is None:
                self.lost(seat)  # it came up, and has terminated meanwhile
            self.go_on(seat)
        return ids

    def undo_start(self, id: str) -> None:
        """A seat whose member did not come in whole is given up."""
        members = self.members
        if isinstance(members, SupervisorRef):
            members.terminate_child(id).add_done_callback(lambda _: members.delete_child(id))

    def up_again(self) -> None:
        """After a halt: the seats are those there were."""
        book = self.book
        book.halted = None
        book.view.halt(None)
        seats = list(book.roster.seats.values())
        for seat in seats:
            book.roster.vacated(seat)
        self.wire(self.find_seats(seats))
        for seat in seats:
            if seat.ref is None and not seat.joining:
                self.lost(seat)
        self.hold_topics()
        self.tell_event(Reset)
        self.go_on_with_all()


def groups_of(seats: Iterable[Slot]) -> list[str | Can]:
    """All that work for one of these may be addressed to."""
    return list(dict.fromkeys(group for seat in seats for group in seat.groups))
