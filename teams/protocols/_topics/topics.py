"""Topics: events are delivered to their subscribers.

| message | from | to | meaning |
|---|---|---|---|
| `Publish` | any | topics | this has happened; answered with `Published` |
| `Event` | topics | subscriber | this has happened; what its handler returns is the acknowledgement |
| `Undo` | topics | the member a step names | the chain has failed: take this step back; acknowledged likewise |
| `Subscribe`, `Unsubscribe`, `Choreograph`, `Redeliver`, ... | any | topics | see `TopicsRef` |

An `Emit` that a handler returns, or a list of them, is published with the correlation id of the event.

States of an event for one subscriber: *waiting* - *under way* - *handled*; or *resting* after a failure, and *under
way* again; or *dead*. Every subscriber has a queue of its own: events in the order of publication, one at a time unless
it says otherwise.

States of a chain (the events of one correlation id on the steps of a choreography): *under way* - *completed*; or
*failed* once a step fails for good or the deadline passes (steps that have not begun are withdrawn, those that have may
end) - *undoing* (what names an `undo` is undone, one by one, in the reverse of the order of completion) -
*compensated* or *compensation failed*. A step completed after the deadline is undone then. A chain whose first event
has no subscriber is *unheard* at once, unless a choreography ends with that topic; an event that is emitted later and
has no subscriber is a dead event and fails nothing.

Promise, under crashes and kills of every participant at any step, the topics included, for as long as the topics have
their place in the tree:

- Every event that was acknowledged as published reaches every subscriber: its handler is begun at least once, and
  completed exactly once, in order; unless it fails `attempts` times, and then it is a dead event. A kill, or a restart
  for the sake of a sibling, does not count as a failure. With a `timeout`, an attempt that is overtaken by the next may
  be completed too.
- An event published again with its id is not delivered again, for as long as the id is among the last `remember`.
- A subscriber that fails over an event gets one attempt for the next one; if it fails again it is quarantined, and what
  comes for it is kept as dead events until `redeliver`. The other subscribers notice nothing.
- A chain that comes to a step whose member has terminated has failed; no other member takes the step.
- Completed steps of a failed chain are undone in reverse, none twice (a timeout excepted, as above), none that was not
  completed; one that cannot be undone is in the outcome, and the others are undone all the same.

Bounds: `max_waiting` for each subscriber, `max_dead` dead events, `remember` ids, 1,000 outcomes of chains. A chain
holds what it needs until its end; its deadline bounds that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from actors.spi import Actor, ActorError, ActorRef, Down, answer, handles, take_reply
from supervisors.spi import SpecError
from teams._checks.fields import count_faults, ref_faults, refuse
from teams._members.results import Emit, Handoff, answer_fault
from teams.errors import BadAnswer, SubscriberInQuarantine, TooManyWaiting, UnknownChain
from teams.protocols._delivery import DeliveryDue, OutcomesReady, arm
from teams.protocols._topics.board import Board
from teams.protocols._topics.chain import Chain, ChainFailure, ChainOutcome
from teams.protocols._topics.compensation import Compensation
from teams.protocols._topics.event import Event, new_id, topic_fault, topic_faults, topic_matcher, topic_pattern_faults
from teams.protocols._topics.publication import DeadEvent, EventDelivery, Publication, Published, Reason, Undelivered
from teams.protocols._topics.ref import (
    AwaitChain,
    Choreograph,
    GetDeadEvents,
    GetSubscribers,
    Publish,
    Redeliver,
    Subscribe,
    TopicsRef,
    Unsubscribe,
)
from teams.protocols._topics.subscriber import StepTerms, Subscriber, SubscriberInfo, TopicSubscription
from teams.protocols.errors import NobodyHears
from teams.protocols.events import EventUndelivered, EventUnheard, SubscriberQuarantined

PROBATION = 2
"""Over how many events, one after another, a subscriber may fail before it is quarantined. With three attempts for the
first and one for the second that makes four crashes, one less than the default budget of a supervisor bears.
"""


class Topics(Actor):
    """The topics of a team or of another tree: `child("topics", Topics)`. Its ref is a `TopicsRef`.

    It runs on the loop. Its state is consistent because none of its handlers waits.
    """

    only_host = "loop"
    answers = (SpecError, UnknownChain)
    ref_type = TopicsRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> TopicsRef: ...

    def __init__(self, remember: int = 10_000, max_dead: int = 1_000) -> None:
        """
        Args:
            remember: of how many published events the id is remembered
            max_dead: how many dead events are kept, the last ones

        Raises:
            SpecError: a number below 1
        """
        refuse(
            count_faults(self.path, "remember", remember),
            count_faults(self.path, "max_dead", max_dead),
        )
        self._remember = remember
        self._max_dead = max_dead
        self._board = self.kept(Board)
        self._compensation = Compensation(self, self._board)

    def on_start(self) -> None:
        board = self._board
        board.owned_by(self)
        for subscriber in list(board.subscribers.values()):
            subscriber.monitor = self.monitor(subscriber.ref)
            for delivery in subscriber.out:
                arm(self, delivery)
        self._compensation.resume()
        self._settle_all()

    # Publishing

    @handles
    def publish(self, request: Publish) -> Published | ChainOutcome | None:
        """Queues an event for every subscriber."""
        event, until, deadline = request
        known = self._board.seen.get(event.id)
        if known is not None:
            return self._published_again(request, known)
        heard, refused = self._tell_all(event, until, deadline)
        if type(heard) is int:
            return Published(event.id, heard, {}, refused)
        assert isinstance(heard, Publication)
        if heard.chain is not None:
            self._compensation.advance(heard.chain)
        if until == "ended":
            return self._await_chain(event.correlation_id)
        if until == "handled" and heard.pending:
            reply = take_reply(self)
            if reply is not None:
                heard.replies.append(reply)
        return heard.report()

    def _published_again(self, request: Publish, known: Publication | int) -> Published | ChainOutcome | None:
        event, until, _ = request
        if until == "ended":
            return self._await_chain(event.correlation_id)
        if isinstance(known, int):
            return Published(event.id, known, duplicate=True)
        if until == "handled":
            reply = take_reply(self)
            if reply is not None:
                known.replies.append(reply)
        return known.report(duplicate=True)

    def _tell_all(
        self, event: Event, until: str = "queued", deadline: float | None = None
    ) -> tuple[Publication | int, dict[str, Undelivered]]:
        """Queues a new event. Returns the publication if a caller or a chain follows it, else the number of
        subscribers; and the subscribers that it was refused for.
        """
        board = self._board
        route = board.route(event.topic)
        subscriptions = route.subscriptions
        heard = len(subscriptions)
        begins = False
        publication = chain = None
        if route.steps or until == "ended":
            begins = event.correlation_id not in board.chains
            chain = self._compensation.begin(event, route, deadline)
        if chain is not None or until == "handled":
            publication = Publication(event, heard, chain)
            publication.pending = heard
        seen = board.seen
        seen[event.id] = publication if publication is not None and heard else heard
        if len(seen) > self._remember:
            del seen[next(iter(seen))]
        if not heard and not route.vacant and not board.ends_with(event.topic):
            self._bury(event, None, "unheard", None, 0)
            if chain is not None and begins:
                error = NobodyHears(self.path, event.topic, board.patterns())
                self._fail_chain(chain, ChainFailure(event.topic, None, "unheard", error))
        refused: dict[str, Undelivered] = {}
        for subscription in subscriptions:
            subscriber = subscription.subscriber
            delivery = EventDelivery(board, subscription, event, publication)
            if publication is None and not (subscriber.out or subscriber.waiting or subscriber.quarantined):
                self._send(delivery)  # the common case, without a detour
                continue
            outcome = self._deliver(delivery)
            if outcome is not None:
                refused[subscriber.path] = outcome
        for vacancy in route.vacant:
            path = vacancy.subscriber.path
            self._bury(event, path, "gone", None, 0)
            if chain is not None:
                self._fail_chain(chain, ChainFailure(event.topic, path, "gone", None))
        return (publication if publication is not None else heard), refused

    def _deliver(self, delivery: EventDelivery) -> Undelivered | None:
        """Sends an event to one subscriber, or queues it. Returns why it does neither."""
        subscription, publication = delivery.subscription, delivery.publication
        subscriber = subscription.subscriber
        if publication is not None and publication.chain is not None and subscription.step is not None:
            chain = publication.chain
            if chain.failure is not None:
                return self._undelivered(delivery, "withdrawn", None)
            chain.open[delivery.event.id, subscriber] = delivery
        if subscriber.quarantined:
            return self._undelivered(delivery, "quarantined", SubscriberInQuarantine(self.path, subscriber.path))
        waiting = subscriber.waiting
        if not waiting and len(subscriber.out) < subscriber.concurrency:
            self._send(delivery)
        elif len(waiting) >= subscriber.max_waiting:
            error = TooManyWaiting(self.path, subscriber.path, subscriber.max_waiting)
            return self._undelivered(delivery, "overflow", error)
        else:
            waiting.append(delivery)
        return None

    def _send(self, delivery: EventDelivery) -> None:
        subscriber = delivery.subscription.subscriber
        subscriber.out[delivery] = None
        error = delivery.post(self)
        if error is not None:
            del subscriber.out[delivery]
            self._failed(delivery, error, interrupted=isinstance(error, ActorError))

    def _pump(self, subscriber: Subscriber) -> None:
        """Gives a subscriber what it has room for."""
        waiting, out = subscriber.waiting, subscriber.out
        while waiting and len(out) < subscriber.concurrency:
            delivery = waiting.popleft()
            if not delivery.settled:  # otherwise it was withdrawn
                self._send(delivery)
        if not out and not waiting and not subscriber.subscriptions:
            self._dismiss(subscriber)

    # Outcomes

    @handles
    def settle(self, _: OutcomesReady) -> None:
        """Deals with the outcomes that have come."""
        self._settle_all()

    def _settle_all(self) -> None:
        board = self._board
        board.nudged = False
        settled = board.settled
        while settled:
            delivery = settled.popleft()
            if isinstance(delivery, EventDelivery):
                self._over(delivery)
            else:
                self._compensation.over(delivery)

    def _over(self, delivery: EventDelivery) -> None:
        """An attempt has ended."""
        subscriber = delivery.subscription.subscriber
        if delivery not in subscriber.out:
            return  # it had taken too long
        del subscriber.out[delivery]
        if delivery.timer is not None:
            delivery.cancel_timer()
        error = delivery.error
        if error is None and delivery.result is not None:
            error = bad_answer(subscriber.path, delivery)
        if error is None:
            subscriber.spent = 0
            if delivery.result is not None or delivery.publication is not None:
                self._handled(delivery)
        else:
            self._failed(delivery, error)
        if subscriber.waiting or not subscriber.subscriptions:
            self._pump(subscriber)

    def _handled(self, delivery: EventDelivery) -> None:
        publication, step = delivery.publication, delivery.subscription.step
        chain = publication.chain if publication is not None and step is not None else None
        if chain is not None and step is not None:
            chain.complete(delivery, step)
        if chain is None or chain.failure is None:
            for emit in emitted(delivery.result):
                self._emit(emit, delivery, chain)
        if publication is not None:
            self._conclude(delivery, publication, None)

    def _emit(self, emit: Emit, cause: EventDelivery, chain: Chain | None) -> None:
        """Publishes what a subscriber returned: it belongs to what the event belongs to."""
        sender = cause.subscription.subscriber.path
        now = self.runtime.now()
        event = Event(new_id(self.runtime.random), emit.topic, emit.payload, sender, cause.event.correlation_id, now)
        faults = topic_faults(sender, emit.topic)
        if not faults:
            self._tell_all(event)
            return
        error = SpecError(faults)
        self._bury(event, None, "unheard", error, 0)
        if chain is not None:
            self._fail_chain(chain, ChainFailure(str(emit.topic), sender, "unheard", error))

    def _failed(self, delivery: EventDelivery, error: BaseException, *, interrupted: bool = False) -> None:
        subscriber = delivery.subscription.subscriber
        reason = delivery.fail(error, subscriber.allowed(delivery.terms), interrupted=interrupted)
        if reason is None:
            self._rest(delivery)
            return
        if reason == "spent":
            subscriber.spent += 1
        self._undelivered(delivery, reason, error)
        if reason == "gone":
            self._forget(subscriber)
        elif subscriber.spent >= PROBATION and not subscriber.quarantined:
            self._quarantine(subscriber, error)

    def _rest(self, delivery: EventDelivery) -> None:
        """The event comes again after a while. Until then it holds its place, and those behind it wait."""
        following = delivery.again(self)
        subscriber = delivery.subscription.subscriber
        subscriber.out[following] = None
        publication = delivery.publication
        key = (delivery.event.id, subscriber)
        if publication is not None and publication.chain is not None and key in publication.chain.open:
            if publication.chain.failure is not None:
                self._withdraw(following)
                return
            publication.chain.open[key] = following
        arm(self, following)

    def _quarantine(self, subscriber: Subscriber, error: BaseException) -> None:
        subscriber.quarantined = True
        self.runtime.events.publish(
            SubscriberQuarantined(self.path, self.runtime.now(), subscriber.path, subscriber.spent, error)
        )
        waiting, subscriber.waiting = subscriber.waiting, deque()
        for each in waiting:
            if not each.settled:
                self._undelivered(each, "quarantined", SubscriberInQuarantine(self.path, subscriber.path))

    def _undelivered(self, delivery: EventDelivery, reason: Reason, error: BaseException | None) -> Undelivered:
        """A subscriber does not get an event, or not again."""
        outcome = Undelivered(reason, error, delivery.failures)
        if reason != "withdrawn":
            path = delivery.subscription.subscriber.path
            self._bury(delivery.event, path, reason, error, delivery.failures)
        if delivery.publication is not None:
            self._conclude(delivery, delivery.publication, outcome)
        return outcome

    def _bury(
        self, event: Event, subscriber: str | None, reason: Reason, error: BaseException | None, attempts: int
    ) -> None:
        now, dead = self.runtime.now(), self._board.dead
        dead.append(DeadEvent(event, subscriber, reason, error, attempts, now))
        if len(dead) > self._max_dead:
            dead.popleft()
        if subscriber is None:
            self.runtime.events.publish(EventUnheard(self.path, now, event.topic, event.id))
        else:
            self.runtime.events.publish(
                EventUndelivered(self.path, now, event.topic, event.id, subscriber, reason, error)
            )

    def _conclude(self, delivery: EventDelivery, publication: Publication, undelivered: Undelivered | None) -> None:
        """One subscriber has dealt with an event that a caller or a chain follows."""
        subscriber, step, event = delivery.subscription.subscriber, delivery.subscription.step, delivery.event
        if undelivered is None:
            publication.handled[subscriber.path] = delivery.result
        else:
            publication.undelivered[subscriber.path] = undelivered
        chain = publication.chain
        if chain is not None and step is not None:
            chain.open.pop((event.id, subscriber), None)
            if undelivered is not None and undelivered.reason != "withdrawn":
                failure = ChainFailure(event.topic, subscriber.path, undelivered.reason, undelivered.error)
                self._fail_chain(chain, failure)
            self._compensation.advance(chain)
        publication.pending -= 1
        if not publication.pending:
            seen = self._board.seen
            if event.id in seen:
                seen[event.id] = publication.subscribers
            report = publication.report()
            for reply in publication.replies:
                answer(reply, report)

    # Chains

    def _await_chain(self, correlation_id: str) -> ChainOutcome | None:
        known = self._board.chains.get(correlation_id)
        if known is None and correlation_id not in self._board.ended:
            raise UnknownChain(self.path, correlation_id)
        return self._compensation.awaited(correlation_id, take_reply(self) if known is not None else None)

    @handles
    def chain_outcome(self, request: AwaitChain) -> ChainOutcome | None:
        """Answers when a chain has ended."""
        return self._await_chain(request.correlation_id)

    def _fail_chain(self, chain: Chain, failure: ChainFailure) -> None:
        for each in chain.fail(failure):
            self._withdraw(each)

    def _withdraw(self, delivery: EventDelivery) -> None:
        """A step of a failed chain has not begun, and now will not."""
        subscriber = delivery.subscription.subscriber
        delivery.settled = True
        delivery.cancel_timer()
        rested = delivery in subscriber.out
        subscriber.out.pop(delivery, None)
        self._undelivered(delivery, "withdrawn", None)
        if rested:
            self._pump(subscriber)

    # Timers

    @handles
    def due(self, due: DeliveryDue) -> None:
        """Tries again, or gives up waiting."""
        what = due.what
        if isinstance(what, Chain):
            for each in self._compensation.overdue(what):
                self._withdraw(each)
            self._compensation.advance(what)
        elif isinstance(what, EventDelivery):
            self._delivery_due(what)
        else:
            self._compensation.due(what)

    def _delivery_due(self, delivery: EventDelivery) -> None:
        subscriber = delivery.subscription.subscriber
        if delivery not in subscriber.out or delivery.settled:
            return
        if not delivery.posted:
            self._send(delivery)
            return
        del subscriber.out[delivery]
        self._failed(delivery, delivery.unacknowledged())
        self._pump(subscriber)

    # Subscribers

    @handles
    def subscribe_to(self, request: Subscribe) -> None:
        """Takes a subscription in."""
        refuse(
            topic_pattern_faults(self.path, request.pattern),
            ref_faults(self.path, "ref", request.ref),
            request.terms.faults(self.path),
            count_faults(self.path, "concurrency", request.concurrency),
            count_faults(self.path, "max_waiting", request.max_waiting),
        )
        subscriber = self._subscriber(request.ref)
        subscriber.concurrency, subscriber.max_waiting = request.concurrency, request.max_waiting
        subscriptions = subscriber.subscriptions
        old = [each for each in subscriptions if each.pattern == request.pattern and each.step is None]
        for each in old:
            subscriptions.remove(each)
        subscriptions.append(
            TopicSubscription(request.pattern, topic_matcher(request.pattern), subscriber, request.terms)
        )
        self._board.routes.clear()
        self._pump(subscriber)

    def _subscriber(self, ref: ActorRef[Any]) -> Subscriber:
        found = self._board.subscribers.get(ref)
        if found is None:
            found = self._board.subscribers[ref] = Subscriber(ref)
            found.monitor = self.monitor(ref)
        return found

    @handles
    def unsubscribe(self, request: Unsubscribe) -> None:
        """Ends subscriptions; what waits is still delivered."""
        subscriber = self._board.subscribers.get(request.ref)
        if subscriber is not None:
            left = [each for each in subscriber.subscriptions if request.pattern not in (None, each.pattern)]
            subscriber.subscriptions = left
            self._board.routes.clear()
            self._pump(subscriber)

    @handles
    def choreograph(self, request: Choreograph) -> None:
        """Takes the steps of a choreography in, in place of those of the same name."""
        board, (made, members) = self._board, request
        faults = made.unknown(members)
        refuse(faults)
        for subscriber in board.subscribers.values():
            kept = [
                each for each in subscriber.subscriptions if each.step is None or each.step.choreography != made.name
            ]
            subscriber.subscriptions = kept
        for each in made.steps:
            subscriber = self._subscriber(members[each.member])
            undo = members[each.undo] if each.undo is not None else None
            terms = StepTerms(made.name, made.deadline, undo, each.undo_terms)
            subscriber.subscriptions.append(
                TopicSubscription(each.topic, topic_matcher(each.topic), subscriber, each.terms, terms)
            )
        board.choreographies[made.name] = frozenset(made.ends)
        board.vacant.pop(made.name, None)
        board.routes.clear()
        for subscriber in list(board.subscribers.values()):
            self._pump(subscriber)

    @handles
    def lost(self, down: Down) -> None:
        """An incarnation of a subscriber has ended. Nothing changes unless the subscriber has terminated."""
        subscriber = self._board.subscribers.get(down.ref)
        if subscriber is None or subscriber.monitor != down.monitor:
            return
        if subscriber.ref.is_alive():
            subscriber.monitor = self.monitor(subscriber.ref)
        else:
            self._forget(subscriber)

    def _forget(self, subscriber: Subscriber) -> None:
        """A subscriber has terminated: its events are dead."""
        self._board.subscribers.pop(subscriber.ref, None)
        self._board.routes.clear()
        left = [*subscriber.out, *(each for each in subscriber.waiting if not each.settled)]
        subscriber.out.clear()
        subscriber.waiting.clear()
        for subscription in subscriber.subscriptions:
            if subscription.step is not None:
                self._board.vacant.setdefault(subscription.step.choreography, []).append(subscription)
        subscriber.subscriptions = []
        for each in left:
            if each.settled and each.error is None:
                subscriber.out[each] = None  # handled, and its outcome has come: it is dealt with in its turn
            else:
                self._undelivered(each, "gone", each.error)

    def _dismiss(self, subscriber: Subscriber) -> None:
        """Forgets a subscriber without subscriptions and events."""
        if self._board.subscribers.get(subscriber.ref) is subscriber:
            del self._board.subscribers[subscriber.ref]
            self.demonitor(subscriber.monitor)

    @handles
    def list_subscribers(self, _: GetSubscribers) -> tuple[SubscriberInfo, ...]:
        """The subscribers."""
        return tuple(each.info() for each in self._board.subscribers.values())

    # Dead events

    @handles
    def list_dead(self, _: GetDeadEvents) -> tuple[DeadEvent, ...]:
        """The dead events."""
        return tuple(self._board.dead)

    @handles
    def redeliver(self, request: Redeliver) -> int:
        """Queues dead events again."""
        board = self._board
        subscribers = {each.path: each for each in board.subscribers.values()}
        for subscriber in subscribers.values():
            if request.path in (None, subscriber.path):
                subscriber.quarantined = False
                subscriber.spent = 0
        again: list[tuple[TopicSubscription, Event]] = []
        left: deque[DeadEvent] = deque()
        for dead in board.dead:
            found = self._hearers(dead, subscribers) if request.path in (None, dead.subscriber) else []
            again += [(each, dead.event) for each in found]
            if not found:
                left.append(dead)
        board.dead = left
        for subscription, event in again:
            self._deliver(EventDelivery(board, subscription, event))
        return len(again)

    def _hearers(self, dead: DeadEvent, subscribers: dict[str, Subscriber]) -> list[TopicSubscription]:
        """The subscriptions that would handle a dead event now."""
        if dead.subscriber is None:
            return (
                list(self._board.route(dead.event.topic).subscriptions) if topic_fault(dead.event.topic) is None else []
            )
        subscriber = subscribers.get(dead.subscriber)
        heard = subscriber.heard(dead.event.topic) if subscriber is not None else None
        return [heard] if heard is not None else []


def bad_answer(path: str, delivery: EventDelivery) -> BadAnswer | None:
    """The error of a subscriber's answer that is not a result; None: it is one."""
    wrong = answer_fault(delivery.result)
    if isinstance(delivery.result, Handoff):
        wrong = "a Handoff", "an event belongs to no member that could hand it on: return Emit(topic, payload)"
    return None if wrong is None else BadAnswer(path, delivery.event.topic, *wrong)


def emitted(result: object) -> tuple[Emit, ...]:
    """The events that a subscriber's result asks to publish."""
    if isinstance(result, Emit):
        return (result,)
    if isinstance(result, list | tuple) and result and all(isinstance(each, Emit) for each in result):
        return tuple(result)
    return ()
