"""Leader election among a fixed electorate: one leader a term, under any crashes.

One candidate stands for each member, or for itself. The rules are those of Raft (Ongaro and Ousterhout
2014, §5.2) without its log: terms, one vote a term, a majority, randomised timeouts.

    message                          from, to                 meaning
    RequestVote(term, by)            candidate to all         vote for me
    Vote(term, by, granted)          voter to candidate       yes or no; a later term makes the candidate follow
    Leads(term, leader, incarnation) leader to all            I have a majority; this incarnation of me leads
    Who(by)                          new incarnation to all   who leads?
    Resigned(term, by)               leader to all            I lead no more, for the one I stand for has ended
    Ended(path, incarnation)         events to candidate      the leader, or the one it stands for, has ended

    state        goes to        when
    follower     candidate      it knows of no leader for one timeout, and the actor it stands for is up
    candidate    leader         a majority voted for it in this term
    candidate    candidate      no majority within one timeout: the next term
    any          follower       it hears of a later term, or of a leader of this one; it crashed

Promise: no two candidates lead in one term, and a leader that returns from a crash follows until it is elected again;
messages may be lost, doubled and late. Once faults stop and a majority lives, there is a leader. Term and vote outlive
the incarnation (`kept`); who leads does not. Followers hear of the end of the leader's incarnation from the stream of
lifecycle events, at once and not only when it is started again. Bounds: a term costs at most three messages a
candidate, and one timer each while the electorate has no leader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    Exited,
    ExitReason,
    Future,
    ReplyTo,
    Subscription,
    answer,
    handles,
    has_ended,
    is_up,
    notice,
    take_reply,
    when_gone,
)
from teams.protocols.events import LeaderElected, LeaderResigned, StandsForNobody

Part = Literal["follower", "candidate", "leader"]

PATIENCE = 10
"""How many elections the actor that a candidate stands for may miss before an event says so: it may start later."""


class RequestVote(NamedTuple):
    """Vote for me."""

    term: int
    by: str


class Vote(NamedTuple):
    """Yes or no, from a voter whose term this is."""

    term: int
    by: str
    granted: bool


class Leads(NamedTuple):
    """This incarnation of this candidate leads in this term."""

    term: int
    leader: str
    incarnation: int


class Who(NamedTuple):
    """Asks for the leader."""

    by: str


class Resigned(NamedTuple):
    """The leader of this term leads no more."""

    term: int
    by: str


class Ended(NamedTuple):
    """An incarnation has ended."""

    path: str
    incarnation: int


class ElectionDue(NamedTuple):
    """It is time for an election, unless this timer is not the last that was set."""

    number: int


class GetLeader(NamedTuple):
    """Asks for the leader. Answered when there is one."""


class GetStanding(NamedTuple):
    """Asks a candidate for its standing."""


class Leadership(NamedTuple):
    """A candidate leads."""

    term: int
    leader: str
    """The id of the candidate."""


class Standing(NamedTuple):
    """The standing of a candidate."""

    part: Part
    term: int
    leader: str | None
    """The leader of this term, as far as it knows."""


class CandidateRef(ActorRef["Candidate"]):
    """A candidate, from outside. Futures: `await` them, or `.get()` them in a thread."""

    __slots__ = ()

    def leader(self, timeout: float | None = None) -> Future[Leadership]:
        """The leader, as far as this candidate knows, as soon as there is one. `timeout` is in seconds; by default it
        waits for ever. Candidates that cannot stand tell so in a `StandsForNobody`.
        """
        return self.ask(GetLeader(), block=False, timeout=timeout)

    def standing(self) -> Future[Standing]:
        """The present standing of the candidate."""
        return self.ask(GetStanding(), block=False)


class _CandidateState:
    """The data that outlives the incarnations: term, vote, and the answers it owes."""

    def __init__(self) -> None:
        self.term = 0
        self.voted_for: str | None = None
        self.waiting: list[ReplyTo] = []
        self.watched: set[str] = set()
        self.in_vain = 0
        """How many elections in a row the actor that it stands for has missed."""
        self.subscription: Subscription | None = None

    def gone(self, path: str, reason: ExitReason) -> None:
        """There will be no further incarnation."""
        if self.subscription is not None:
            self.subscription.cancel()
        for reply in self.waiting:
            if not reply.done():
                reply.set_exception(ActorDeadError(path, reason, GetLeader()))


class Candidate(Actor):
    """One of an electorate. Override `on_lead` and `on_follow` to react. Runs on the loop."""

    only_host = "loop"
    ref_type: ClassVar[type[ActorRef[Any]]] = CandidateRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> CandidateRef: ...

    def __init__(self, electorate: tuple[str, ...], timeout: float = 0.2, stands_for: str | None = None) -> None:
        """The arguments are those of `teams.recipes.electorate`."""
        self._others = [id for id in electorate if id != self.path.rpartition("/")[2]]
        self._majority = len(electorate) // 2 + 1
        self._timeout = timeout
        self._stands_for = stands_for
        self._kept = self.kept(_CandidateState)
        self._part: Part = "follower"
        self._leader: Leads | None = None
        self._votes: set[str] = set()
        self._timers = 0

    def on_lead(self, term: int) -> None:
        """This candidate leads from now on. Raising is a crash, and ends its leadership."""

    def on_follow(self, term: int, leader: str | None) -> None:
        """Another candidate leads, or none, or this one no longer. Not called for the end of an incarnation."""

    @property
    def id(self) -> str:
        """The id of this candidate."""
        return self.path.rpartition("/")[2]

    def on_start(self) -> None:
        kept = self._kept
        if kept.subscription is None:
            ref: ActorRef[Any] = self.ref
            path = self.path

            def sink(event: Exited) -> None:
                if event.path in kept.watched:
                    notice(ref, Ended(event.path, event.incarnation))

            kept.subscription = self.runtime.events.subscribe(sink, Exited)
            when_gone(self, lambda reason: kept.gone(path, reason))
        self._watch(None)
        self._arm()
        self._tell_others(Who(self.id))

    # Elections

    @handles
    def stand(self, message: ElectionDue) -> None:
        if message.number != self._timers or self._part == "leader" or self._leader is not None:
            return
        if not self._may_stand():
            self._arm()
            return
        kept = self._kept
        kept.term += 1
        kept.voted_for = self.id
        self._part = "candidate"
        self._votes = {self.id}
        self._arm()
        self._tell_others(RequestVote(kept.term, self.id))
        self._count()

    def _may_stand(self) -> bool:
        """Whether the actor that it stands for is up; true if it stands for itself."""
        if self._stands_for is None:
            return True
        kept = self._kept
        member = self.runtime.find(self._stands_for)
        if member is not None:
            kept.in_vain = 0
            return is_up(member)
        kept.in_vain += 1
        if kept.in_vain == PATIENCE:
            self.runtime.events.publish(StandsForNobody(self.path, self.runtime.now(), self._stands_for))
        return False

    @handles
    def give_vote(self, message: RequestVote) -> None:
        kept = self._kept
        self._follow_later(message.term)
        granted = message.term == kept.term and kept.voted_for in (None, message.by)
        if granted:
            kept.voted_for = message.by
        self._tell(message.by, Vote(kept.term, self.id, granted))

    @handles
    def take_vote(self, message: Vote) -> None:
        self._follow_later(message.term)
        if message.granted and message.term == self._kept.term and self._part == "candidate":
            self._votes.add(message.by)
            self._count()

    def _count(self) -> None:
        if len(self._votes) < self._majority:
            return
        term = self._kept.term
        self._part = "leader"
        self._leader = Leads(term, self.id, self.incarnation)
        self._timers += 1
        self.runtime.events.publish(LeaderElected(self.path, self.runtime.now(), term, self.id))
        self._tell_others(self._leader)
        self._settle(self._leader)
        self.on_lead(term)

    # Following

    @handles
    def follow(self, message: Leads) -> None:
        term = self._kept.term
        if message.term < term:
            self._tell(message.leader, Vote(term, self.id, granted=False))  # so that it hears of the later term
            return
        self._follow_later(message.term)
        ref = self.runtime.find(self._path_of(message.leader))
        if message.leader == self.id or message == self._leader or ref is None:
            return
        if has_ended(ref, message.incarnation):
            return
        self._part = "follower"
        self._leader = message
        self._timers += 1
        self._watch(message.leader)
        self._settle(message)
        self.on_follow(message.term, message.leader)

    @handles
    def introduce(self, message: Who) -> None:
        if self._leader is not None:
            self._tell(message.by, self._leader)

    @handles
    def lost(self, message: Ended) -> None:
        leader = self._leader
        if message.path == self._stands_for:
            self._resign()
        elif leader is not None and message == Ended(self._path_of(leader.leader), leader.incarnation):
            self._follow_none()

    @handles
    def resigned(self, message: Resigned) -> None:
        leader = self._leader
        if leader is not None and (leader.term, leader.leader) == message:
            self._follow_none()

    def _resign(self) -> None:
        """The actor that it stands for has ended."""
        leader = self._leader
        if leader is not None and self._part == "leader":
            self.runtime.events.publish(LeaderResigned(self.path, self.runtime.now(), leader.term, self.id))
            for other in self._others:
                ref = self.runtime.find(self._path_of(other))
                if ref is not None:
                    notice(ref, Resigned(leader.term, self.id))
        if self._part != "follower":
            self._follow_none()

    def _follow_later(self, term: int) -> None:
        """A later term: this candidate is a follower now."""
        kept = self._kept
        if term <= kept.term:
            return
        led = self._leader if self._part == "leader" else None
        kept.term, kept.voted_for = term, None
        if led is not None:
            self.runtime.events.publish(LeaderResigned(self.path, self.runtime.now(), led.term, self.id))
        if self._part != "follower" or self._leader is not None:
            self._follow_none()

    def _follow_none(self) -> None:
        self._part = "follower"
        self._leader = None
        self._watch(None)
        self._arm()
        self.on_follow(self._kept.term, None)

    # Questions

    @handles
    def get_leader(self, message: GetLeader) -> Leadership | None:
        if self._leader is not None:
            return Leadership(self._leader.term, self._leader.leader)
        reply = take_reply(self)
        if reply is not None:
            self._kept.waiting = [each for each in self._kept.waiting if not each.done()]
            self._kept.waiting.append(reply)
        return None

    @handles
    def get_standing(self, message: GetStanding) -> Standing:
        leader = self._leader.leader if self._leader is not None else None
        return Standing(self._part, self._kept.term, leader)

    def _settle(self, leader: Leads) -> None:
        waiting, self._kept.waiting = self._kept.waiting, []
        for reply in waiting:
            answer(reply, Leadership(leader.term, leader.leader))

    # Little things

    def _arm(self) -> None:
        """Has an election begin in one to two timeouts, unless there is a leader by then."""
        self._timers += 1
        self.tell_after(self._timeout * (1.0 + self.runtime.random.random()), ElectionDue(self._timers))

    def _watch(self, leader: str | None) -> None:
        """Watches the leader and the actor that it stands for."""
        watched = {self._path_of(leader)} if leader is not None else set()
        self._kept.watched = watched | ({self._stands_for} if self._stands_for is not None else set())

    def _path_of(self, id: str) -> str:
        return f"{self.path.rpartition('/')[0]}/{id}"

    def _tell_others(self, message: object) -> None:
        for other in self._others:
            self._tell(other, message)

    def _tell(self, id: str, message: object) -> None:
        ref = self.runtime.find(self._path_of(id))  # None: not started yet, or terminated
        if ref is not None and ref.is_alive():
            ref.tell(message)
