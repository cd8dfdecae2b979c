"""Reliable send: every send ends in an acknowledgement or in the reason why not."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Actor, ActorDeadError, bounded, handles, sleep
from actors.testing import FaultPlan, Simulation, faults, simulate, simulation
from supervisors import SpecError, SupervisorSpec, child, constant, supervisor
from teams.errors import NoAcknowledgement
from teams.protocols import Acknowledged, Courier, CourierRef, Receiver, Unacknowledged
from teams.resilience import Fatal
from tests.teams.protocols.hearers import SOON, insist

LOSSY = [
    faults.Crash,
    faults.Kill,
    faults.KillDuringRestart,
    faults.Slow,
    faults.DropMessage,
    faults.DuplicateMessage,
    faults.DelayMessage,
]


class Job(Actor):
    """Does what it is told and writes it down; raises an exception that it is told."""

    def __init__(self, log: list[Any], seconds: float = 0.0) -> None:
        self.log = log
        self.seconds = seconds

    async def on_receive(self, message: Any) -> Any:
        if self.seconds:
            await sleep(self.seconds)
        self.log.append(message)
        if isinstance(message, Exception):
            raise message
        return ("did", message)


class SureJob(Receiver):
    """The same, once."""

    def __init__(self, log: list[Any], seconds: float = 0.0) -> None:
        self.log = log
        self.seconds = seconds

    @handles
    async def work(self, number: int) -> Any:
        if self.seconds:
            await sleep(self.seconds)
        self.log.append(number)
        return ("did", number)

    @handles
    def note(self, text: str) -> str:
        self.log.append(text)
        return text


def tree(job: type[Actor], log: list[Any], seconds: float = 0.0, **options: Any) -> SupervisorSpec:
    """A courier and a receiver."""
    courier = child("courier", Courier, backoff=SOON)
    member = child("job", job, args=[log, seconds], backoff=SOON, **options)
    return supervisor("team", courier, member, max_restarts=None)


def courier_of(root: Any) -> CourierRef:
    found = root.child("courier")
    assert isinstance(found, CourierRef)
    return found


@simulate(
    plan=faults.plans("team/job", kinds=LOSSY, max_faults=4, times=2, most=10, until=8.0, seconds=(0.1, 1.0, 5.0)),
    examples=60,
)
def test_a_receiver_completes_every_message_once_whatever_happens_to_it(sim: Simulation, plan: FaultPlan) -> None:
    """Guards at-least-once with a `Receiver`, under lost, doubled and late messages, crashes and kills."""
    log: list[int] = []
    root = sim.start(tree(SureJob, log, 0.1))
    courier, job = courier_of(root), root.child("job")
    sim.always("none twice", lambda: len(log) == len(set(log)))
    work = sim.workload(
        lambda number: courier.reliable_send(job, number, attempts=20, timeout=2.0, backoff=SOON), n=5, every=0.5
    )
    sim.always("acknowledged means done", lambda: all(number in log for number in work.results))
    sim.advance(12)
    sim.heal()
    sim.eventually("acknowledged", lambda: work.done == 5, within=120)
    assert {number: each.result for number, each in work.results.items()} == {n: ("did", n) for n in range(5)}
    sim.advance(10)  # what is late comes now


@simulate(
    plan=faults.plans(
        "team/*",
        kinds=[faults.Crash, faults.Kill, faults.KillDuringRestart, faults.Slow],
        max_faults=4,
        times=2,
        most=10,
        until=8.0,
        seconds=(0.1, 1.0),
    ),
    examples=60,
)
def test_no_crash_of_the_courier_loses_a_send(sim: Simulation, plan: FaultPlan) -> None:
    """Guards what the courier keeps: every send it has taken on ends, and no handler completes twice."""
    log: list[int] = []
    root = sim.start(tree(Job, log, 0.1))
    courier, job = courier_of(root), root.child("job")
    sim.always("none twice", lambda: len(log) == len(set(log)))

    def send(number: int) -> Acknowledged | Unacknowledged:
        return insist(
            lambda: courier.reliable_send(
                job, number, correlation_id=f"c{number}", attempts=20, timeout=None, backoff=SOON
            )
        )

    work = sim.workload(send, n=5, every=0.5)
    sim.advance(12)
    sim.heal()
    sim.eventually("acknowledged", lambda: work.done == 5, within=120)
    assert all(isinstance(each, Acknowledged) for each in work.results.values())
    assert sorted(log) == [*range(5)]


@simulate(
    plan=faults.plans(
        "team/job", kinds=[faults.Crash, faults.Kill, faults.DropMessage, faults.DelayMessage], most=6, until=4.0
    ),
    examples=60,
)
def test_at_most_once_is_never_sent_twice(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the other guarantee: given up means unknown, acknowledged means handled."""
    log: list[int] = []
    root = sim.start(tree(Job, log, 0.1))
    courier, job = courier_of(root), root.child("job")
    sim.always("never twice", lambda: len(log) == len(set(log)))
    work = sim.workload(
        lambda number: courier.reliable_send(job, number, guarantee="at_most_once", timeout=3.0), n=4, every=0.5
    )
    sim.advance(10)
    sim.heal()
    sim.eventually("ended", lambda: work.done == 4, within=60)
    assert all(isinstance(each, Unacknowledged) or number in log for number, each in work.results.items())
    assert all(each.attempts == 1 for each in work.results.values())
    sim.advance(80)


def test_an_acknowledgement_brings_the_result_and_how_often_it_was_sent() -> None:
    """Guards the ordinary case."""
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(Job, log))
        outcome = courier_of(root).reliable_send(root.child("job"), "x", correlation_id="c").get()
        assert outcome == Acknowledged("c", ("did", "x"), 1)


def test_a_receiver_that_fails_as_often_as_it_may_is_given_up() -> None:
    """Guards the bound of the attempts, and the reason."""
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(Job, log))
        poison = ValueError("always")
        outcome = courier_of(root).reliable_send(root.child("job"), poison, attempts=3, backoff=SOON).get()
        assert isinstance(outcome, Unacknowledged)
        assert (outcome.reason, outcome.error, outcome.attempts) == ("spent", poison, 3)
        assert len(log) == 3


def test_a_fatal_failure_or_a_missing_handler_ends_a_send_at_once() -> None:
    """Guards against attempts that cannot help."""
    with simulation() as sim:
        root = sim.start(tree(SureJob, []))
        courier, job = courier_of(root), root.child("job")
        unhandled = courier.reliable_send(job, 1.5).get()
        assert isinstance(unhandled, Unacknowledged)
        assert (unhandled.reason, unhandled.attempts) == ("fatal", 1)
        fatal = courier.reliable_send(sim.start(tree(Job, []).renamed("other")).child("job"), Fatal("no")).get()
        assert isinstance(fatal, Unacknowledged)
        assert fatal.reason == "fatal"


def test_a_receiver_that_hangs_is_given_up_in_time() -> None:
    """Guards against a send that never ends: by its attempts, and by its deadline."""
    with simulation() as sim:
        root = sim.start(tree(Job, [], 1e6, shutdown="brutal_kill"))
        courier, job = courier_of(root), root.child("job")
        outcome = courier.reliable_send(job, 1, attempts=2, timeout=3.0, backoff=SOON).get()
        assert isinstance(outcome, Unacknowledged)
        assert isinstance(outcome.error, NoAcknowledgement)
        assert (outcome.reason, outcome.attempts) == ("spent", 2)
        assert sim.now == pytest.approx(6.1)
        outcome = courier.reliable_send(job, 1, timeout=None, deadline=5.0).get()
        assert isinstance(outcome, Unacknowledged)
        assert outcome.reason == "deadline"
        assert sim.now == pytest.approx(11.1)


def test_an_acknowledgement_that_comes_late_is_one() -> None:
    """Guards against giving up what was done."""
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(Job, log, 4.0))
        outcome = courier_of(root).reliable_send(root.child("job"), 1, timeout=3.0, backoff=SOON).get()
        assert isinstance(outcome, Acknowledged)
        assert sim.now == pytest.approx(4.0)


def test_a_courier_that_is_killed_keeps_its_rests_and_its_deadlines() -> None:
    """Guards what a new incarnation of the courier begins with."""
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(Job, log))
        courier, job = courier_of(root), root.child("job")
        poison = ValueError("always")
        resting = courier.reliable_send(job, poison, attempts=2, backoff=constant(5.0))
        ending = courier.reliable_send(sim.spawn(Job, args=[[], 1e6], shutdown=0.0), 1, timeout=None, deadline=8.0)
        sim.advance(1)
        courier.kill()
        assert isinstance(resting.get(), Unacknowledged)
        assert log == [poison, poison]
        outcome = ending.get()
        assert isinstance(outcome, Unacknowledged)
        assert outcome.reason == "deadline"
        assert sim.now == pytest.approx(8.0)


def test_two_sends_of_one_correlation_id_are_one() -> None:
    """Guards the removal of duplicates at the courier, and the bound of its memory."""
    log: list[Any] = []
    with simulation() as sim:
        courier = sim.spawn(Courier, args={"remember": 1})
        assert isinstance(courier, CourierRef)
        job = sim.spawn(Job, args=[log, 1.0])
        first, second = (courier.reliable_send(job, 1, correlation_id="one") for _ in range(2))
        assert first.get() == second.get() == courier.reliable_send(job, 1, correlation_id="one").get()
        assert log == [1]
        courier.reliable_send(job, 2, correlation_id="two").get()
        courier.reliable_send(job, 1, correlation_id="one").get()
        assert log == [1, 2, 1]


def test_a_receiver_forgets_the_oldest_beyond_what_it_remembers() -> None:
    """Guards the bound of a receiver's memory, and plain handlers in a receiver."""

    class Forgetful(SureJob):
        remembers = 1

    log: list[Any] = []
    with simulation() as sim:
        job = sim.spawn(Forgetful, args=[log])
        for text in ("a", "a", "b", "a"):
            courier = sim.spawn(Courier)
            assert isinstance(courier, CourierRef)
            outcome = courier.reliable_send(job, text, correlation_id=text).get()
            assert isinstance(outcome, Acknowledged)
            assert outcome.result == text
        assert log == ["a", "b", "a"]


def test_a_full_mailbox_makes_a_send_wait() -> None:
    """Guards against giving up because others keep the receiver busy."""
    log: list[Any] = []
    with simulation() as sim:
        root = sim.start(tree(Job, log, 1.0, mailbox=bounded(1)))
        job = root.child("job")
        job.tell("first")
        sim.settle()
        job.tell("second")
        outcome = courier_of(root).reliable_send(job, "third", attempts=50, backoff=SOON).get()
        assert isinstance(outcome, Acknowledged)
        assert log == ["first", "second", "third"]


def test_waiting_callers_hear_of_the_end_of_the_courier() -> None:
    """Guards every question."""
    with simulation() as sim:
        root = sim.start(tree(Job, [], 100.0, shutdown="brutal_kill"))
        waiting = courier_of(root).reliable_send(root.child("job"), 1)
        sim.advance(1)
        root.terminate_child("courier").get()
        with pytest.raises(ActorDeadError):
            waiting.get()


def test_bad_values_are_refused_with_all_their_faults() -> None:
    """Guards the values of a send, of a courier and of a receiver."""
    with simulation() as sim:
        root = sim.start(tree(Job, []))
        courier = courier_of(root)
        with pytest.raises(SpecError) as refused:
            courier.reliable_send(
                root.child("job"),
                1,
                guarantee="twice",  # type: ignore[arg-type]
                attempts=0,
                timeout=0.0,
                deadline=-1.0,
            ).get()
        assert len(refused.value.faults) == 4
        with pytest.raises(SpecError) as refused:
            courier.reliable_send("job", 1, correlation_id=[], timeout=10**400).get()  # type: ignore[arg-type]
        assert len(refused.value.faults) == 3
        assert courier.incarnation == 1
        with pytest.raises(Exception, match="remember"):
            sim.spawn(Courier, args={"remember": 0})
    with pytest.raises(TypeError, match="concurrency must be 1"):
        type("Wide", (Receiver,), {"concurrency": 2})
