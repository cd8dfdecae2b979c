"""The coordinator of a team: the dispatcher, and all that changes the team while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from teams._actors import ActorRef, DeadLetter, answer, handles, is_up, post, settle_failure, sleep, take_reply
from teams._book import Change, Errand, Returned
from teams._broadcast import Broadcast, BroadcastTo
from teams._dispatcher import Dispatcher, capacity_of, named, tell
from teams._errors import AlreadyMember, NoCapableAgent, RoleFull, TeamHalted, UnknownMember, UnknownRole
from teams._events import Halted, MemberJoined, MemberLeft, MemberLost, Paused, Reset, Resumed
from teams._requests import (
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
    SeatInfo,
)
from teams._roster import Seat
from teams._supervisors import (
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
from teams._target import Can
from teams._work import Outcome
from teams.protocols._subscriber import Terms
from teams.protocols._topics_ref import Choreograph, Subscribe

PARTS = ("members", "topics", "runs", "goal")
"""The children of a team besides the coordinator, in start order."""


TOPICS = "topics"
SO_ALREADY = {"terminate": SupervisionError, "delete": SupervisionError, "restart": ChildRunning}
"""The answers to errands that say that there was nothing to do."""
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
    def roster(self, _: GetRoster) -> tuple[SeatInfo, ...]:
        """Who is in the team."""
        return tuple(
            SeatInfo(
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
        change = Change("join", member, take_reply(self))
        change.left = len(member.specs)
        self.book.changes.append(change)
        self.book.left.difference_update(spec.id for spec in member.specs)
        roster.add(member, capacity, self.members.incarnation, joining=True)
        for spec in member.specs:
            self.send("start", spec.id, change, StartChild(self.charter.budgeted(spec)), self.members)

    @handles
    def let_go(self, request: Leave) -> None:
        """Lets a member go when it has done what it has; answers with the ids of the seats that left."""
        roster = self.book.roster
        seats = roster.of_name(request.id)
        if not seats:
            raise UnknownMember(self.team, request.id, tuple(roster.seats))
        change = Change("leave", seats[0].member, take_reply(self))
        change.seats = [seat.id for seat in seats]
        change.left = len(seats)
        self.book.changes.append(change)
        for seat in seats:
            roster.leave(seat)
        self.fail_stranded(groups_of(seats))
        for seat in seats:
            self.go_on(seat)

    def go_on(self, seat: Seat) -> None:
        """A member that leaves is let go once nothing is reserved for it any more."""
        super().go_on(seat)
        if seat.leaving and seat.reserved == 0:
            for change in self.book.changes:
                if change.what == "leave" and seat.id in change.seats and seat.id not in change.sent:
                    change.sent.add(seat.id)
                    self.send("terminate", seat.id, change, TerminateChild(seat.id), self.members)

    # The kill switch

    @handles
    def halt(self, request: Halt) -> None:
        """Stops everything: work fails, members are killed and stay down."""
        self.switch(Change("halt", None, take_reply(self), request.reason))

    @handles
    def reset(self, _: ResetTeam) -> None:
        """Works again after a halt; answers when everybody is up."""
        self.switch(Change("reset", None, take_reply(self)))

    def switch(self, change: Change) -> None:
        """Halts or resets, once what was asked for before is complete."""
        self.book.changes.append(change)
        if self.book.throw() is change:
            self.flip(change)

    def flip(self, change: Change) -> None:
        """Begins a halt or a reset."""
        if (change.what == "halt") == (self.book.halted is not None):
            self.changed(change)  # it is so already
        elif change.what == "halt":
            self.take_down(change)
        else:
            self.bring_up(change)

    def take_down(self, change: Change) -> None:
        """Ends all work, and has everybody killed."""
        book = self.book
        book.halted = change.reason
        book.view.halt(change.reason)
        self.tell_event(Halted, change.reason)
        for work in list(book.works.values()):
            if work.state != "ended":
                self.call_off(work, TeamHalted(self.team, change.reason))
        book.down = [part for part in PARTS if self.runtime.find(f"{self.team}/{part}") is not None]
        change.left = len(book.down)
        for part in reversed(book.down):
            self.send("terminate", part, change, TerminateChild(part), self.supervisor)
            # Answered once the order before it was taken up: from then on a kill is no failure to restart from.
            self.send("kill", part, change, CountChildren(), self.supervisor)

    def bring_up(self, change: Change) -> None:
        """Has everybody started again."""
        book = self.book
        change.left = len(book.down)
        for part in book.down:
            self.send("restart", part, change, RestartChild(part), self.supervisor)

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

    def wire(self, seats: Iterable[Seat]) -> None:
        """Has these members hear of their topics, and take their steps in choreographies. Said twice it is as said
        once.
        """
        topics = self.runtime.find(f"{self.team}/{TOPICS}")
        if topics is None:
            return
        for order in self.orders(seats):
            self.send("wire", TOPICS, Change("wire", None, None), order, topics)

    def orders(self, seats: Iterable[Seat]) -> list[object]:
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

    def send(self, what: str, child: str, change: Change, order: object, to: ActorRef[Any]) -> None:
        """Asks a supervisor for something; the answer comes back as `Returned`."""
        errand = Errand(self.ref, what, child, change)
        self.book.errands[errand] = None
        post(to, order, errand)

    @handles
    def came_back(self, message: Returned) -> None:
        """A supervisor has answered."""
        errand, book = message.errand, self.book
        if errand not in book.errands:
            return
        del book.errands[errand]
        change, outcome = errand.change, errand.outcome
        assert outcome is not None
        if errand.what == "kill":
            ref = self.runtime.find(f"{self.team}/{errand.child}")
            if ref is not None and book.halted is not None:
                ref.kill()
            return
        if errand.what == "wire":
            if outcome.error is not None and not isinstance(outcome.error, SpecError):
                self.look_later(TOPICS)
            return
        if errand.what == "inquire":
            self.heard_of(errand.child, outcome)
            return
        if errand.what == "rejoin":
            seat = book.roster.seats.get(errand.child)
            if outcome.error is not None and seat is not None and seat.ref is None and book.halted is None:
                self.missed(seat)  # otherwise `MemberUp` has told
            return
        error = outcome.error
        if error is not None and not isinstance(error, SO_ALREADY.get(errand.what, ())):
            change.error = change.error or error
        if change.what == "leave" and errand.what == "terminate":
            self.departed(errand.child)
            self.send("delete", errand.child, change, DeleteChild(errand.child), self.members)
            return
        change.left -= 1
        if change.left == 0:
            self.changed(change)

    @handles
    def gone(self, message: MemberGone) -> None:
        """The place of a member has ended."""
        seat = self.book.roster.seats.get(message.member)
        if seat is not None and seat.ref is message.ref:
            self.lost(seat)

    def lost(self, seat: Seat) -> None:
        """The member's place has ended: it is terminated, or all members are started anew. Their supervisor knows."""
        if self.book.halted is None and self.book.roster.seats.get(seat.id) is seat:
            self.book.roster.vacated(seat)
            self.inquire(seat.id)

    def inquire(self, id: str) -> None:
        """Asks the supervisor of the members what became of one."""
        members = self.runtime.find(f"{self.team}/members")
        if members is not None:
            self.send("inquire", id, Change("inquire", None, None), WhichChild(id), members)
        else:
            self.look_later(id)

    def heard_of(self, id: str, outcome: Outcome) -> None:
        """The supervisor of the members has said what became of one, or is being restarted itself."""
        roster = self.book.roster
        seat = roster.seats.get(id)
        if seat is None or seat.ref is not None or self.book.halted is not None:
            return
        info = outcome.value
        at_rest = isinstance(info, ChildInfo) and info.state not in ALIVE
        if isinstance(outcome.error, NotFound) and seat.born != self.members.incarnation and not seat.leaving:
            # The supervisor has been started anew, and knows only the members that the team was made with.
            spec = next(spec for spec in seat.member.specs if spec.id == id)
            self.send("rejoin", id, Change("rejoin", None, None), StartChild(self.charter.budgeted(spec)), self.members)
        elif at_rest or isinstance(outcome.error, NotFound):
            if at_rest and isinstance(self.members, SupervisorRef):
                self.members.delete_child(id)  # so that one of this id may join
            self.missed(seat)
        elif not self.back(seat) and outcome.error is not None:
            self.look_later(id)  # of a member that is being started, `MemberUp` tells

    def missed(self, seat: Seat) -> None:
        """The member has terminated, and its seat with it."""
        self.book.roster.remove(seat)
        self.tell_event(MemberLost if not seat.leaving else MemberLeft, seat.id)
        self.fail_stranded(seat.groups)

    def back(self, seat: Seat) -> bool:
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

    def departed(self, id: str) -> None:
        """A member has left the team."""
        if id in self.charter.seats:
            self.book.left.add(id)
        seat = self.book.roster.seats.get(id)
        if seat is not None:
            self.book.roster.remove(seat)
            self.tell_event(MemberLeft, id)

    def changed(self, change: Change) -> None:
        """A change is complete, or has failed."""
        book = self.book
        book.changes.remove(change)
        result: object = None
        if change.what == "join":
            result = self.joined(change)
        elif change.what == "leave":
            result = tuple(change.seats)
        elif change.what == "reset" and change.error is None and book.halted is not None:
            self.up_again()
        for reply in change.replies:
            if change.error is not None:
                settle_failure(reply, change.error, self.path)
            else:
                answer(reply, result)
        following = book.throw()
        if change.what in ("halt", "reset") and following is not None:
            self.flip(following)

    def joined(self, change: Change) -> tuple[str, ...]:
        """New seats get work, or are taken back if one of them did not come up."""
        assert change.member is not None
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
            seat.joining = False
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


def groups_of(seats: Iterable[Seat]) -> list[str | Can]:
    """All that work for one of these may be addressed to."""
    return list(dict.fromkeys(group for seat in seats for group in seat.groups))
