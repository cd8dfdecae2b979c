"""Topics: what is published reaches every subscriber once, in order, under any failures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorDeadError, Runtime, bounded, handles
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from supervisors import SpecError, child, constant
from teams import Emit, TeamEvent
from teams.errors import NoAcknowledgement, SubscriberInQuarantine, TooManyWaiting
from teams.protocols import (
    Event,
    EventUndelivered,
    EventUnheard,
    SubscriberQuarantined,
    Topics,
    TopicsRef,
    choreography,
    on,
)
from teams.protocols._topics.event import pattern_fault, topic_fault, topic_matcher
from teams.resilience import Fatal
from tests.support import in_loop
from tests.teams.protocols.hearers import SOON, Hearer, bus_of, hearer, insist, refuser, tree

TROUBLE = [faults.Crash, faults.Kill, faults.KillDuringRestart, faults.Slow]


def watch(sim: Simulation) -> list[TeamEvent]:
    """Everything that teams tell."""
    seen: list[TeamEvent] = []
    sim.runtime.events.subscribe(seen.append, TeamEvent)
    return seen


@simulate(
    plan=faults.plans("team/*", kinds=TROUBLE, max_faults=4, times=2, most=12, until=12.0, seconds=(0.1, 1.0, 5.0)),
    examples=60,
)
def test_every_event_is_completed_once_by_every_subscriber_in_one_order(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the promise of topics under crashes and kills of the bus and of subscribers at every step."""
    logs: dict[str, list[int]] = {"a": [], "b": [], "slow": []}
    members = [hearer(id, log, 0.3 if id == "slow" else 0.0) for id, log in logs.items()]
    root = sim.start(tree(*members))
    bus = bus_of(root)
    for id in logs:
        insist(partial(bus.subscribe, "order.*", root.child(id), attempts=20, backoff=SOON))
    sim.always("none twice", lambda: all(len(log) == len(set(log)) for log in logs.values()))
    sim.always("one order", lambda: same_order(list(logs.values())))
    answers = sim.workload(
        lambda number: insist(lambda: bus.publish("order.received", number, id=f"n{number}")), n=6, every=0.7
    )
    sim.advance(15)
    sim.heal()
    sim.eventually("published", lambda: answers.done == 6, within=60)
    sim.eventually("handled", lambda: all(sorted(log) == [*range(6)] for log in logs.values()), within=60)
    assert not answers.errors


def same_order(logs: list[list[int]]) -> bool:
    """Whether each of them is the beginning of the longest."""
    longest = max(logs, key=len)
    return all(log == longest[: len(log)] for log in logs)


@simulate(
    plan=faults.plans("team/*", kinds=TROUBLE, max_faults=4, times=2, most=12, until=12.0, seconds=(0.1, 1.0, 5.0)),
    examples=40,
)
def test_a_publisher_that_waits_gets_the_outcome_of_each_subscriber(sim: Simulation, plan: FaultPlan) -> None:
    """Guards `publish(wait=True)`: an outcome for every subscriber, and none before its time."""
    log: list[int] = []
    root = sim.start(
        tree(
            hearer("good", log, 0.2),
            refuser("bad", [], lambda payload: ValueError(str(payload)) if payload == 1 else None),
        )
    )
    bus = bus_of(root)
    for id in ("good", "bad"):
        insist(partial(bus.subscribe, "**", root.child(id), attempts=12 if id == "good" else 9, backoff=SOON))
    found: dict[int, Any] = {}

    def publish(number: int) -> None:
        found[number] = insist(lambda: bus.publish("t", number, id=str(number), wait=True))

    work = sim.workload(publish, n=3, every=1.0)
    sim.always("waited for", lambda: all(number in log for number in found))
    sim.advance(15)
    sim.heal()
    sim.eventually("answered", lambda: work.done == 3, within=120)
    assert not work.errors
    for number, published in found.items():
        assert published.subscribers == 2
        told = {*published.handled, *published.undelivered}
        assert published.duplicate or told == {"team/good", "team/bad"}
        if number == 1 and not published.duplicate:
            assert published.undelivered["team/bad"].reason == "spent"
            assert published.undelivered["team/bad"].attempts == 9


def test_an_event_without_a_subscriber_is_a_dead_event_and_reported() -> None:
    """Guards against silence."""
    with simulation() as sim:
        seen = watch(sim)
        bus = bus_of(sim.start(tree()))
        assert bus.publish("order.received", 1).get().subscribers == 0
        assert [(each.reason, each.subscriber) for each in bus.dead_events().get()] == [("unheard", None)]
        assert [each.topic for each in seen if isinstance(each, EventUnheard)] == ["order.received"]


def test_an_unheard_event_is_redelivered_to_a_later_subscriber() -> None:
    """Guards `redeliver`: a dead event is not lost."""
    log: list[int] = []
    with simulation() as sim:
        root = sim.start(tree(hearer("a", log)))
        bus = bus_of(root)
        bus.publish("x.y", 7).get()
        bus.subscribe("x.*", root.child("a")).get()
        assert bus.redeliver().get() == 1
        sim.settle()
        assert log == [7]
        assert bus.dead_events().get() == ()


def test_a_subscriber_that_always_crashes_is_quarantined_alone() -> None:
    """Guards the bus against its worst subscriber, and its supervisor against too many crashes."""
    log: list[int] = []
    tried: list[Any] = []
    with simulation() as sim:
        seen = watch(sim)
        root = sim.start(
            tree(hearer("good", log), refuser("bad", tried, lambda _: ValueError("always"))).model_copy(
                update={"max_restarts": 5}
            )
        )
        bus = bus_of(root)
        for id in ("bad", "good"):
            bus.subscribe("t", root.child(id), backoff=SOON).get()
        for number in range(4):
            bus.publish("t", number).get()
        sim.advance(30)
        assert log == [0, 1, 2, 3]
        assert tried == [("tried", 0)] * 3 + [("tried", 1)]
        assert [type(each) for each in seen if isinstance(each, SubscriberQuarantined)] == [SubscriberQuarantined]
        dead = bus.dead_events().get()
        assert [(each.event.payload, each.reason, each.attempts) for each in dead] == [
            (0, "spent", 3),
            (1, "spent", 1),
            (2, "quarantined", 0),
            (3, "quarantined", 0),
        ]
        published = bus.publish("t", 4, wait=True).get()
        assert published.undelivered["team/bad"].reason == "quarantined"
        assert isinstance(published.undelivered["team/bad"].error, SubscriberInQuarantine)
        info = {each.path: each.quarantined for each in bus.subscribers().get()}
        assert info == {"team/bad": True, "team/good": False}


def test_a_mended_subscriber_gets_its_dead_events_again_in_their_order() -> None:
    """Guards `redeliver` after a quarantine."""
    broken = [True]
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(refuser("a", log, lambda _: ValueError("x") if broken[0] else None)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a"), attempts=1).get()
        for number in range(4):
            bus.publish("t", number).get()
        sim.advance(10)
        broken[0] = False
        log.clear()
        assert bus.redeliver("team/a").get() == 4
        bus.publish("t", 4).get()
        sim.advance(1)
        assert log == [0, 1, 2, 3, 4]
        assert bus.dead_events().get() == ()


def test_one_success_ends_the_probation_of_a_subscriber() -> None:
    """Guards against quarantine for single bad events far apart."""
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(refuser("a", log, lambda payload: ValueError("odd") if payload % 2 else None)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a"), attempts=2, backoff=SOON).get()
        for number in range(6):
            bus.publish("t", number).get()
        sim.advance(30)
        assert [each for each in log if isinstance(each, int)] == [0, 2, 4]
        assert [each.event.payload for each in bus.dead_events().get()] == [1, 3, 5]


def test_a_fatal_failure_is_not_retried_nor_held_against_the_subscriber() -> None:
    """Guards `Fatal`: the event is at fault."""
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(refuser("a", log, lambda payload: Fatal("no") if payload < 3 else None)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a"), backoff=SOON).get()
        for number in range(4):
            bus.publish("t", number).get()
        sim.advance(10)
        assert log == [("tried", 0), ("tried", 1), ("tried", 2), 3]
        assert {each.reason for each in bus.dead_events().get()} == {"fatal"}


def test_an_actor_without_a_handler_for_events_is_not_asked_again() -> None:
    """Guards `UnhandledMessage`: no attempt would help."""

    class Deaf(Actor):
        pass

    with simulation() as sim:
        root = sim.start(tree(child("deaf", Deaf)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("deaf")).get()
        published = bus.publish("t", wait=True).get()
        assert published.undelivered["team/deaf"].reason == "fatal"


def test_events_beyond_the_bound_of_a_slow_subscriber_are_refused_by_type() -> None:
    """Guards the memory of the bus against a slow subscriber."""
    log: list[int] = []
    with simulation() as sim:
        root = sim.start(tree(hearer("slow", log, 5.0)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("slow"), max_waiting=2).get()
        answers = [bus.publish("t", number).get() for number in range(5)]
        refused = [each.undelivered for each in answers]
        assert [bool(each) for each in refused] == [False, False, False, True, True]
        assert isinstance(refused[4]["team/slow"].error, TooManyWaiting)
        sim.advance(60)
        assert log == [0, 1, 2]
        assert [each.reason for each in bus.dead_events().get()] == ["overflow", "overflow"]


def test_a_full_mailbox_makes_an_event_wait_and_is_not_a_failure() -> None:
    """Guards a subscriber that others keep busy against a quarantine."""
    log: list[int] = []
    with simulation() as sim:
        root = sim.start(tree(hearer("a", log, 1.0, mailbox=bounded(1))))
        bus, a = bus_of(root), root.child("a")
        bus.subscribe("t", a, attempts=1, backoff=SOON).get()
        outside = Event("o", "t", "outside", None, "o", 0.0)
        a.tell(outside)
        sim.settle()
        a.tell(outside)
        bus.publish("t", 1).get()
        sim.advance(10)
        assert log == ["outside", "outside", 1]


def test_an_event_with_a_remembered_id_is_published_once() -> None:
    """Guards the removal of duplicates, and the bound of its memory."""
    log: list[int] = []
    with simulation() as sim:
        root = sim.start(tree(hearer("a", log), args={"remember": 2}))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a")).get()
        assert not bus.publish("t", 1, id="one").get().duplicate
        assert bus.publish("t", 1, id="one").get().duplicate
        bus.publish("t", 2, id="two").get()
        bus.publish("t", 3, id="three").get()
        assert not bus.publish("t", 1, id="one").get().duplicate
        sim.settle()
        assert log == [1, 2, 3, 1]


def test_a_second_wait_for_an_event_under_way_gets_the_same_answer() -> None:
    """Guards an asker that asks again: it neither waits for ever nor has it handled twice."""
    log: list[int] = []
    with simulation() as sim:
        root = sim.start(tree(hearer("a", log, 2.0)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a")).get()
        first = bus.publish("t", 1, id="one", wait=True)
        second = bus.publish("t", 1, id="one", wait=True)
        assert first.get().handled == second.get().handled == {"team/a": None}
        assert log == [1]


def test_events_of_a_terminated_subscriber_are_dead() -> None:
    """Guards the bus against refs that lead nowhere."""
    with simulation() as sim:
        seen = watch(sim)
        root = sim.start(tree(hearer("a", [], 5.0, restart="temporary", shutdown="brutal_kill")))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a")).get()
        waiting = [bus.publish("t", number, wait=True) for number in range(3)]
        sim.advance(1)
        root.terminate_child("a").get()
        assert {each.get().undelivered["team/a"].reason for each in waiting} == {"gone"}
        assert bus.subscribers().get() == ()
        assert bus.publish("t", 3).get().subscribers == 0
        assert [each.reason for each in seen if isinstance(each, EventUndelivered)] == ["gone"] * 3


@pytest.mark.parametrize(("ends", "failures"), [("crash", 1), ("kill", 0)])
def test_only_a_crash_over_an_event_counts_when_the_subscriber_ends(ends: str, failures: int) -> None:
    """Guards `attempts` of a dead event: how often the subscriber failed over it."""

    class Fragile(Actor):
        def on_receive(self, event: object) -> None:
            assert isinstance(event, Event)
            if event.payload == "crash":
                raise ValueError

    with simulation() as sim:
        root = sim.start(tree(child("a", Fragile, restart="temporary", shutdown="brutal_kill")))
        bus, a = bus_of(root), root.child("a")
        bus.subscribe("t", a).get()
        if ends == "kill":
            a.suspend()
            sim.settle()
        published = bus.publish("t", ends, wait=True)
        sim.settle()
        if ends == "kill":
            root.terminate_child("a").get()
        outcome = published.get().undelivered["team/a"]
        assert (outcome.reason, outcome.attempts) == ("gone", failures)


def test_unsubscribing_ends_what_is_published_later_and_not_what_waits() -> None:
    """Guards `unsubscribe`."""
    log: list[int] = []
    with simulation() as sim:
        root = sim.start(tree(hearer("a", log, 1.0)))
        bus, a = bus_of(root), root.child("a")
        bus.subscribe("t", a).get()
        bus.subscribe("u.*", a).get()
        for number in range(2):
            bus.publish("t", number).get()
        bus.unsubscribe(a, "t").get()
        bus.publish("t", 8).get()
        bus.publish("u.v", 2).get()
        bus.unsubscribe(a).get()
        bus.publish("u.v", 9).get()
        sim.advance(10)
        assert log == [0, 1, 2]
        assert bus.subscribers().get() == ()


def test_a_subscriber_of_two_matching_patterns_gets_an_event_once() -> None:
    """Guards "once per subscriber"."""
    log: list[int] = []
    with simulation() as sim:
        root = sim.start(tree(hearer("a", log)))
        bus = bus_of(root)
        for pattern in ("**", "order.*", "order.received"):
            bus.subscribe(pattern, root.child("a")).get()
        assert bus.publish("order.received", 1, wait=True).get().subscribers == 1
        assert log == [1]


def test_an_attempt_that_is_not_acknowledged_in_time_has_failed() -> None:
    """Guards the time limit of a delivery: a subscriber that hangs is given up."""
    with simulation() as sim:
        root = sim.start(tree(hearer("a", [], 1e6, shutdown="brutal_kill")))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a"), attempts=2, timeout=3.0, backoff=SOON).get()
        began = sim.now
        published = bus.publish("t", 1, wait=True).get()
        outcome = published.undelivered["team/a"]
        assert isinstance(outcome.error, NoAcknowledgement)
        assert (outcome.reason, outcome.attempts) == ("spent", 2)
        assert sim.now - began == pytest.approx(6.1)


def test_what_a_subscriber_emits_is_published_with_the_same_correlation_id() -> None:
    """Guards chains of events: what follows belongs to what it follows from."""
    seen: list[tuple[str, object, str, str | None]] = []

    class Teller(Actor):
        @handles
        def hear(self, event: Event) -> Any:
            seen.append((event.topic, event.payload, event.correlation_id, event.sender))
            if event.topic == "a":
                return [Emit("b", 1), Emit("b", 2)]
            return Emit("c", event.payload) if event.topic == "b" else None

    with simulation() as sim:
        root = sim.start(tree(child("teller", Teller)))
        bus = bus_of(root)
        bus.subscribe("*", root.child("teller")).get()
        bus.publish("a", 0, correlation_id="order-7").get()
        sim.settle()
        assert [(topic, payload) for topic, payload, _, _ in seen] == [("a", 0), ("b", 1), ("b", 2), ("c", 1), ("c", 2)]
        assert {each[2] for each in seen} == {"order-7"}
        assert {each[3] for each in seen[1:]} == {"team/teller"}


def test_an_emitted_event_with_an_impossible_topic_is_a_dead_event() -> None:
    """Guards against silence about what a subscriber returned."""

    class Teller(Actor):
        @handles
        def hear(self, event: Event) -> Emit:
            return Emit("not a topic", 1)

    with simulation() as sim:
        root = sim.start(tree(child("teller", Teller)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("teller")).get()
        bus.publish("t").get()
        sim.settle()
        (dead,) = bus.dead_events().get()
        assert isinstance(dead.error, SpecError)
        assert bus.redeliver().get() == 0


def test_waiting_callers_hear_of_the_end_of_the_topics() -> None:
    """Guards every question: the bus that dies while it is asked answers by its end."""
    with simulation() as sim:
        root = sim.start(tree(hearer("a", [], 100.0, shutdown="brutal_kill")))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a")).get()
        waiting = bus.publish("t", 1, wait=True)
        sim.advance(1)
        root.terminate_child("bus").get()
        with pytest.raises(ActorDeadError):
            waiting.get()


def test_a_subscriber_gets_as_many_events_at_once_as_its_concurrency() -> None:
    """Guards `concurrency`."""
    log: list[int] = []

    class Wide(Hearer):
        concurrency = 3

    with simulation() as sim:
        root = sim.start(tree(child("a", Wide, args=[log, 1.0])))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a"), concurrency=3).get()
        for number in range(6):
            bus.publish("t", number).get()
        sim.advance(1.5)
        assert sorted(log) == [0, 1, 2]


def test_topics_that_are_killed_during_a_retry_go_on_with_it() -> None:
    """Guards what a new incarnation of the bus begins with: a rest that is not over, and one that is."""
    log: list[Any] = []
    errors = [ValueError("once"), None]
    with simulation() as sim:
        root = sim.start(tree(refuser("a", log, lambda _: errors.pop(0)), hearer("slow", log, 5.0)))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a"), backoff=constant(3.0)).get()
        bus.publish("t", 1).get()
        sim.advance(1)
        bus.kill()
        sim.advance(5)
        assert log == [("tried", 1), 1]
        bus.subscribe("u", root.child("slow"), backoff=SOON).get()
        root.child("slow").kill()
        bus.publish("u", 2).get()
        sim.advance(1)
        root.child("slow").kill()  # what is under way is interrupted, rests, and is posted again
        sim.advance(1)
        bus.kill()
        sim.advance(20)
        assert log == [("tried", 1), 1, 2]
        assert bus.incarnation == 3


def test_a_bus_that_was_killed_still_hears_of_the_end_of_its_subscribers() -> None:
    """Guards the monitors of a new incarnation."""
    with simulation() as sim:
        root = sim.start(tree(hearer("a", [])))
        bus = bus_of(root)
        bus.subscribe("t", root.child("a")).get()
        bus.kill()
        sim.advance(1)
        root.child("a").kill()
        sim.advance(1)
        assert len(bus.subscribers().get()) == 1
        root.terminate_child("a").get()
        assert bus.subscribers().get() == ()


@in_loop
async def test_subscribers_in_threads_of_their_own_acknowledge_from_there() -> None:
    """Guards what crosses threads: outcomes come from many at once, and none is lost."""
    logs: list[list[int]] = [[] for _ in range(4)]
    async with Runtime(log=False) as runtime:
        bus = await runtime.spawn(Topics)
        assert isinstance(bus, TopicsRef)
        for log in logs:
            await bus.subscribe("t", await runtime.spawn(Hearer, args=[log], host="thread"))
        for number in range(50):
            bus.publish("t", number)
        last = await bus.publish("t", 50, wait=True)
        assert len(last.handled) == 4
        assert logs == [[*range(51)]] * 4


def test_bad_subscriptions_are_refused_with_all_faults_and_crash_nothing() -> None:
    """Guards the values of `subscribe`, `publish` and the constructor."""
    with simulation() as sim:
        root = sim.start(tree(hearer("a", [])))
        bus, a = bus_of(root), root.child("a")
        with pytest.raises(SpecError) as refused:
            bus.subscribe("a b", a, attempts=0, timeout=-1.0, concurrency=0, max_waiting=True).get()
        assert len(refused.value.faults) == 5
        to: Any = bus  # as a stranger does, who reads no annotations
        wrongs: list[Callable[[], Any]] = [
            lambda: to.subscribe("a", "a"),
            lambda: to.unsubscribe("a"),
            lambda: to.choreograph("a", {}),
            lambda: to.choreograph(choreography("c", on("t", "a")), ["a"]),
            lambda: to.choreograph(choreography("c", on("t", "a")), {"a": "a"}),
            lambda: to.chain_outcome([]),
            lambda: to.publish("a", id=[]),
            lambda: to.publish("a", correlation_id=7),
            lambda: to.chain("a", deadline="soon"),
        ]
        for wrong in wrongs:
            with pytest.raises(SpecError) as refused:
                wrong().get()
            assert len(refused.value.faults) == 1
        with pytest.raises(SpecError) as refused:
            to.chain("a b", id=[], correlation_id="", deadline=float("inf"))
        assert len(refused.value.faults) == 4
        for topic in ("", "a..b", "order.*", "two words", None):
            with pytest.raises(SpecError):
                bus.publish(topic)  # type: ignore[arg-type]
        assert bus.incarnation == 1
        with pytest.raises(Exception, match="remember"):
            sim.spawn(Topics, args={"remember": 0})


words = st.text(st.characters(codec="utf-8", exclude_characters=".*", exclude_categories=("Z", "C")), min_size=1)


@given(st.lists(words, min_size=1, max_size=5), st.data())
def test_a_pattern_names_the_topics_it_reads_as(topic: list[str], data: st.DataObject) -> None:
    """Guards `*` for one word and `**` for many against a model over lists of words."""
    pattern = data.draw(st.lists(st.sampled_from(["*", "**", *topic, "other"]), min_size=1, max_size=5))

    def fits(pattern: list[str], words: list[str]) -> bool:
        if not pattern or not words:
            return not pattern and not words
        if pattern[0] == "**":
            return any(fits(pattern[1:], words[count:]) for count in range(1, len(words) + 1))
        return pattern[0] in ("*", words[0]) and fits(pattern[1:], words[1:])

    name = ".".join(topic)
    assert topic_fault(name) is None
    assert pattern_fault(".".join(pattern)) is None
    assert (topic_matcher(".".join(pattern)).fullmatch(name) is not None) == fits(pattern, topic)
