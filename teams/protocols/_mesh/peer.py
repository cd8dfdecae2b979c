"""Intentions: peers without a leader announce what they will do, wait for objections, and act or yield.

    message                          from, to                   answer
    Intend(action, resource, ...)    any to a peer              Acted, Yielded or ActFailed, in the end
    Announcement(intention)          the peer to every peer     Consent or Objection; late, where the answer has to wait
    Reaction(...)                    the answer, to the peer    none
    PeerEnded(path, incarnation)     events to the peer         none: as good as consent
    Go(id)                           the peer to itself         none: it acts now, in a handler of its own

    state       goes to    when
    waiting     acting     every peer has consented, and no intention of its own stands against it
    waiting     yielded    a peer objects, or not all have consented within the deadline
    acting      acted      `act` has returned
    any         failed     the incarnation ends

A peer that gets an announcement objects if its `objection` says so. It keeps the answer to itself while an intention of
its own that conflicts acts or has precedence, and consents otherwise: the rules of Ricart and Agrawala (1981), with
precedence by priority, then time, then path. What priorities add to them: who consents to an announcement that goes
before a waiting intention of its own asks that peer once more, for the consent it has from there was given before.

Promise: two conflicting intentions never act at the same time, under any crashes, and every intention ends
acted, yielded or failed. Acting ends with the incarnation: it is over before the end is reported. Peers are
those whose incarnation lives (a group of the registry), and one that ends while it is asked has consented: its
intentions have ended with it. Precedence is a total order, so no wait is a circle; the deadline bounds every wait,
also behind a peer that acts for ever. Bounds: two messages a peer and intention, one more for each precedence given; an
answer that waits is kept until the own action ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from actors.spi import (
    Actor,
    ActorRef,
    CallbackReply,
    EventStream,
    Exited,
    Future,
    ReplyTo,
    Subscription,
    answer,
    handles,
    has_ended,
    notice,
    post,
    take_reply,
    when_gone,
)
from teams._checks.fields import priority_faults, refuse, seconds_faults
from teams._state.answering import errors_as_answers
from teams.protocols._mesh.intention import (
    Acted,
    ActFailed,
    Announcement,
    Consent,
    ConsentDue,
    Go,
    Intend,
    Intention,
    IntentionOutcome,
    Objection,
    PeerEnded,
    Reaction,
    Yielded,
)
from teams.protocols.events import IntentionActed, IntentionAnnounced, IntentionFailed, IntentionYielded


@dataclass(slots=True)
class _Wish:
    """An intention under way, in one incarnation."""

    intention: Intention
    rounds: dict[ActorRef[Any], int] = field(default_factory=dict)
    """How often each peer was asked: an answer to an earlier question says nothing any more."""
    missing: dict[ActorRef[Any], int] = field(default_factory=dict)
    """The peers whose consent is missing, each with the incarnation that was asked for it."""
    acting: bool = False


class _PeerState:
    """The state that outlives the incarnations: answers it owes, and the peers it asked."""

    def __init__(self) -> None:
        self.made = 0
        self.open: dict[str, tuple[Intention, ReplyTo | None]] = {}
        """Intentions of the peer's own that have not ended."""
        self.deferred: dict[tuple[str, int], tuple[Announcement, ReplyTo]] = {}
        """Announcements that wait for an answer, by the id of the intention and the round."""
        self.asked: set[str] = set()
        """The paths of peers that were asked."""
        self.subscription: Subscription | None = None

    def end(self, event: Exited, events: EventStream) -> None:
        """The incarnation has ended, and its intentions with it: they block no peer."""
        left, self.open = self.open, {}
        for intention, reply in left.values():
            events.publish(IntentionFailed(event.path, event.at, intention.id, intention.resource, event.reason))
            if reply is not None:
                answer(reply, ActFailed(intention, event.reason))
        deferred, self.deferred = self.deferred, {}
        for _, reply in deferred.values():
            answer(reply, Consent())


class PeerRef(ActorRef["Peer"]):
    """A peer, from outside. Futures: `await` them, or `.get()` them in a thread."""

    __slots__ = ()

    def intend(
        self, action: object, resource: str, *, priority: int = 0, within: float | None = None
    ) -> Future[IntentionOutcome]:
        """Has the peer announce this and do it, unless a peer objects. Returns a future of the outcome.

        Args:
            action: what `act` will do
            resource: what it needs for itself alone
            priority: more goes first, among intentions that wait
            within: seconds for the consent of all; None: the peer's own `within`

        The future raises `SpecError` with everything that is wrong with the arguments.
        """
        return self.ask(Intend(action, resource, priority, within), block=False, timeout=None)


class Peer(Actor):
    """One of a mesh of peers: say in `act` how it acts, and in `objection` to what of others it objects.

    Runs on the loop. Its handlers overlap, as `concurrency` says: the state of a subclass is its own care.
    """

    only_host = "loop"
    concurrency = 16
    ref_type: ClassVar[type[ActorRef[Any]]] = PeerRef
    within: ClassVar[float] = 30.0
    """Seconds for the consent of all, where an intention does not say."""

    if TYPE_CHECKING:

        @property
        def ref(self) -> PeerRef: ...

    def __init__(self, mesh: str | None = None) -> None:
        """`mesh` names the group of peers that ask each other; by default the children of one supervisor."""
        self.mesh = mesh if mesh is not None else f"{self.path.rpartition('/')[0]} (peers)"
        self._kept = self.kept(_PeerState)
        self._wishes: dict[str, _Wish] = {}
        if self._kept.subscription is None:
            self._watch_ends(self._kept)
        self.join(self.mesh)

    def _watch_ends(self, kept: _PeerState) -> None:
        """Hears of the ends of peers and of its own, as long as there are incarnations of it."""
        ref: ActorRef[Any] = self.ref
        path, events = self.path, self.runtime.events

        def ended(event: Exited) -> None:
            if event.path == path:
                kept.end(event, events)
            elif event.path in kept.asked:
                notice(ref, PeerEnded(event.path, event.incarnation))

        kept.subscription = subscription = events.subscribe(ended, Exited)
        when_gone(self, lambda _: subscription.cancel())

    # What the subclass fills in

    async def act(self, intention: Intention) -> object:
        """Does it. No peer with a conflicting intention acts meanwhile. Raising is a crash; cancelled when it ends."""
        raise NotImplementedError

    def objection(self, intention: Intention) -> str | None:
        """Why another peer should not do this at all; None: it may. By default it always may."""
        return None

    def conflicts(self, mine: Intention, other: Intention) -> bool:
        """Whether two intentions must not act at the same time: by default, if they need the same resource. It must
        be symmetric.
        """
        return mine.resource == other.resource

    # What it can use

    def intend(
        self, action: object, resource: str, *, priority: int = 0, within: float | None = None
    ) -> Future[IntentionOutcome]:
        """The same as `PeerRef.intend`, for the peer's own handlers, which await it."""
        message = Intend(action, resource, priority, within)
        _given(self.path, message)
        future: Future[Any] = Future(self.runtime.park)
        self._announce(message, future)
        return future

    # The protocol

    @handles
    def intend_for(self, message: Intend) -> None:
        with errors_as_answers(self):
            _given(self.path, message)
            self._announce(message, take_reply(self))

    @handles
    def consider(self, message: Announcement) -> Consent | Objection | None:
        theirs = message.intention
        why = self.objection(theirs)
        if why is not None:
            return Objection(self.path, why)
        if self._stands_against(theirs):
            reply = take_reply(self)
            if reply is not None:
                self._kept.deferred[theirs.id, message.round] = message, reply
            return None
        self._give_way(message)
        return Consent()

    @handles
    def hear(self, message: Reaction) -> None:
        wish = self._wishes.get(message.id)
        if wish is None or wish.rounds.get(message.peer) != message.round or message.peer not in wish.missing:
            return
        outcome = message.outcome
        if isinstance(outcome, Objection):
            self._yield(wish, (outcome.by,), outcome.why, objected=True)
        elif isinstance(outcome, Consent):
            del wish.missing[message.peer]
            self._go_on()
        else:  # it crashed over the question, or was killed, and may have been acting until then
            self._ask(wish, message.peer)

    @handles
    def miss(self, message: PeerEnded) -> None:
        """Its intentions have ended with it: that is as good as consent, for questions to it or one before it."""
        for wish in self._wishes.values():
            for peer, incarnation in list(wish.missing.items()):
                if peer.path == message.path and incarnation <= message.incarnation:
                    del wish.missing[peer]
        self._go_on()

    @handles
    def overdue(self, message: ConsentDue) -> None:
        wish = self._wishes.get(message.id)
        if wish is not None and not wish.acting:
            before = [each.by for each in self._before(wish.intention)]
            to = tuple(dict.fromkeys([*(peer.path for peer in wish.missing), *before]))
            self._yield(wish, to, "not all peers consented in time", objected=False)

    @handles
    async def go(self, message: Go) -> None:
        wish = self._wishes.get(message.id)
        if wish is None:
            return
        result = await self.act(wish.intention)
        now = self.runtime.now()
        self.runtime.events.publish(IntentionActed(self.path, now, wish.intention.id, wish.intention.resource))
        self._end(wish, Acted(wish.intention, result))

    # The rules

    def _announce(self, message: Intend, reply: ReplyTo | None) -> None:
        kept, now = self._kept, self.runtime.now()
        kept.made += 1
        id = f"{self.path}#{kept.made}"
        intention = Intention(id, self.path, message.action, message.resource, message.priority, now)
        wish = self._wishes[id] = _Wish(intention)
        kept.open[id] = intention, reply
        self.runtime.events.publish(IntentionAnnounced(self.path, now, id, message.resource, message.action))
        for peer in self.runtime.members(self.mesh):
            if peer is not self.ref:
                self._ask(wish, peer)
        self.tell_after(self.within if message.within is None else message.within, ConsentDue(id))
        self._go_on()

    def _ask(self, wish: _Wish, peer: ActorRef[Any]) -> None:
        round = wish.rounds[peer] = wish.rounds.get(peer, 0) + 1
        wish.missing.pop(peer, None)
        if has_ended(peer, peer.incarnation):
            return
        self._kept.asked.add(peer.path)
        wish.missing[peer] = peer.incarnation
        me, id = self.ref, wish.intention.id

        def react(answer: object) -> None:
            if me.is_alive():
                me.tell(Reaction(id, peer, round, answer))

        post(peer, Announcement(wish.intention, me, round), CallbackReply(react, react))

    def _stands_against(self, theirs: Intention) -> bool:
        """Whether an intention of this peer's goes before theirs."""
        return any(
            self.conflicts(wish.intention, theirs) and (wish.acting or wish.intention.precedence < theirs.precedence)
            for wish in self._wishes.values()
        )

    def _give_way(self, announcement: Announcement) -> None:
        """The effect of a consent on the intentions that wait here: they need that peer's consent from now on."""
        for wish in self._wishes.values():
            if self.conflicts(wish.intention, announcement.intention):
                self._ask(wish, announcement.by)

    def _before(self, mine: Intention) -> Iterator[Intention]:
        """The other intentions of this very peer that go before this one."""
        for wish in self._wishes.values():
            other = wish.intention
            first = wish.acting or other.precedence < mine.precedence
            if first and other.id != mine.id and self.conflicts(mine, other):
                yield other

    def _go_on(self) -> None:
        """Starts the actions that may run."""
        for wish in self._wishes.values():
            if not wish.acting and not wish.missing and not any(self._before(wish.intention)):
                wish.acting = True
                self.ref.tell(Go(wish.intention.id))

    def _yield(self, wish: _Wish, to: tuple[str, ...], why: str, *, objected: bool) -> None:
        intention, now = wish.intention, self.runtime.now()
        self.runtime.events.publish(IntentionYielded(self.path, now, intention.id, intention.resource, to, why))
        self._end(wish, Yielded(intention, to, why, objected))

    def _end(self, wish: _Wish, outcome: IntentionOutcome) -> None:
        """The intention has ended: those that waited for it go on."""
        kept, id = self._kept, wish.intention.id
        del self._wishes[id]
        _, reply = kept.open.pop(id)
        if reply is not None:
            answer(reply, outcome)
        for other, (announcement, waiting) in list(kept.deferred.items()):
            if not self._stands_against(announcement.intention):
                del kept.deferred[other]
                self._give_way(announcement)
                answer(waiting, Consent())
        self._go_on()


def _given(path: str, message: Intend) -> None:
    """Refuses an intention that would crash every peer that compares it with one of its own."""
    refuse(seconds_faults(path, "within", message.within), priority_faults(path, message.priority))


class FunctionPeer(Peer):
    """A peer whose action is a function."""

    def __init__(self, function: Callable[[Intention], Any], mesh: str | None = None) -> None:
        """Calls `function(intention)`, awaited where it is async; a plain one must not block."""
        super().__init__(mesh)
        self._function = function

    async def act(self, intention: Intention) -> object:
        result = self._function(intention)
        return await result if hasattr(result, "__await__") else result
