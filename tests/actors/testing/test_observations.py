"""What a simulation saw is written down where it happens, in order."""

from __future__ import annotations

from typing import Any

from actors import Actor, IgnoreStart
from actors.testing import Crash, FaultPlan, Simulation, simulation
from actors.testing._sim import observations as seen
from supervisors import child, supervisor
from supervisors._supervisor.messages import Due
from supervisors.events import BackingOff
from tests.actors.testing.cast import Counter, Echo, counters


def kinds(sim: Simulation, path: str) -> list[str]:
    """The names of the observations about one actor, without those about messages."""
    others = (seen.Sent, seen.Taken, seen.Handled, seen.Replied, seen.FaultFired, seen.DeadLettered, seen.Healed)
    return [type(each).__name__ for each in sim.observations if not isinstance(each, others) and each.path == path]


def of(sim: Simulation, kind: type[Any]) -> list[Any]:
    """The observations of one kind."""
    return [each for each in sim.observations if isinstance(each, kind)]


def test_the_life_of_a_child_is_seen_from_its_cell() -> None:
    """Start, exit, restart, stop, close: each once, in order."""
    with simulation(FaultPlan(Crash("root/a"))) as sim:
        sim.start(counters("a")).child("a").tell("x")
        sim.run(until=60)
    first, second = ["Starting", "Started", "Exited"], ["Starting", "Started", "StopOrdered", "Exited", "Closed"]
    assert kinds(sim, "root/a") == ["Made", *first, *second]
    assert of(sim, seen.Exited)[0].message_type == "str"


def test_a_supervisor_is_seen_when_it_hears_and_not_when_it_happened() -> None:
    """Between an exit and its notice lies the time in which the supervisor does not know."""
    with simulation(FaultPlan(Crash("root/a"))) as sim:
        sim.start(counters("a")).child("a").tell("x")
        sim.run(until=60)
    exited = of(sim, seen.Exited)[0]
    heard = next(each for each in of(sim, seen.Noticed) if each.notice == "exited")
    assert (heard.path, heard.child, heard.incarnation, heard.reason) == ("root", "a", 1, exited.reason)
    assert heard.step > exited.step
    backed_off = next(each for each in of(sim, seen.Noted) if isinstance(each.event, BackingOff))
    due = next(each for each in of(sim, seen.OtherNoticed) if isinstance(each.message, Due))
    assert due.at == backed_off.event.until == backed_off.at + backed_off.event.delay
    assert of(sim, seen.Starting)[-1].at == due.at


def test_requests_to_a_supervisor_and_their_answers_belong_together() -> None:
    """A request is seen when it is taken, its answer when it is given, by the same number."""
    with simulation() as sim:
        root = sim.start(counters("a"))
        root.terminate_child("a").get()
        root.delete_child("b")
        sim.settle()
    requests = {each.number: type(each.request).__name__ for each in of(sim, seen.ApiRequest)}
    answers = {each.number: type(each.error).__name__ for each in of(sim, seen.ApiAnswer)}
    assert list(requests.values()) == ["TerminateChild", "DeleteChild"]
    assert dict(zip(requests.values(), answers.values(), strict=True)) == {
        "TerminateChild": "NoneType",
        "DeleteChild": "NotFound",
    }


def test_starts_that_fail_or_are_declined_are_seen() -> None:
    """A failed start carries its reason, a declined one is no failure."""

    class Declines(Echo):
        def on_start(self) -> None:
            raise IgnoreStart

    class Fails(Echo):
        tries = 0

        def on_start(self) -> None:
            type(self).tries += 1
            if self.tries < 2:
                raise OSError("not yet")

    with simulation() as sim:
        sim.start(supervisor("root", child("no", Declines), child("late", Fails, retry_start=True)))
        sim.run(until=60)
    assert [each.path for each in of(sim, seen.Declined)] == ["root/no"]
    assert [(each.path, each.incarnation) for each in of(sim, seen.StartFailed)] == [("root/late", 1)]


def test_a_message_keeps_its_number_through_stash_and_redelivery() -> None:
    """One message is one number from `Sent` to its end, however often it is taken."""

    class Stasher(Actor):
        def __init__(self) -> None:
            self.ready = False

        def on_receive(self, message: object) -> None:
            if message == "open":
                self.ready = True
                self.unstash()
            elif not self.ready:
                self.stash()

    with simulation(FaultPlan(Crash("root/poor", nth=1))) as sim:
        stasher = sim.spawn(Stasher, name="stasher")
        stasher.tell("early")
        stasher.tell("open")
        poor = sim.start(supervisor("root", child("poor", Counter, redeliver=1, backoff=None))).child("poor")
        poor.tell("again")
        sim.run(until=60)
    taken = [(each.path, each.number, each.incarnation) for each in of(sim, seen.Taken)]
    assert taken == [
        ("stasher", 1, 1),
        ("stasher", 2, 1),
        ("stasher", 1, 1),
        ("root/poor", 3, 1),
        ("root/poor", 3, 2),
    ]
    assert [(each.number, each.crashes) for each in of(sim, seen.Redelivered)] == [(3, 1)]
