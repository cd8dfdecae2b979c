"""The fault by which user code raises whatever Python can raise, wherever it is called from."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Literal

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from actors import Actor, ActorCrashed, Crashed, ExitReason
from actors.testing import (
    BadFaultPlan,
    FaultNotFired,
    FaultPlan,
    InjectedCrash,
    LoopEnded,
    LoopFailure,
    Raise,
    Replay,
    Schedule,
    Simulation,
    faults,
    shrink,
    simulate,
    simulation,
)
from actors.testing._faults.exceptions import make_exception
from actors.testing._sim import observations as seen
from supervisors import ChildStartError, child, supervisor
from tests.actors.testing.cast import Counter

HOSTS: tuple[Literal["loop", "thread"], ...] = ("loop", "thread")


class Everywhere(Actor):
    """Code at every place there is."""

    def __init__(self) -> None:
        self.done: list[object] = []

    async def on_start(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)

    def on_continue(self) -> None:
        self.tell_after(1.0, "tick")

    def carry_over(self, reason: ExitReason) -> object:
        return self.done

    def on_restore(self, carried: Any) -> None:
        self.done = carried

    async def on_receive(self, message: object) -> object:
        if message == "crash":
            raise ZeroDivisionError
        await asyncio.sleep(0)
        self.done.append(message)
        return message


class OnThread(Counter):
    """A plain handler in a thread."""

    host = "thread"


def tree(host: Literal["loop", "thread"]) -> Any:
    """One actor with code at every place, and one beside it."""
    return supervisor("root", child("a", Everywhere, host=host, backoff=None), child("b", Counter))


def play(sim: Simulation, host: Literal["loop", "thread"]) -> list[object]:
    """Comes to every place; returns what the asker of the first messages was told."""
    root = sim.start(tree(host))
    told: list[object] = []
    for message in ("one", "crash", "two"):
        future = root.child("a").ask(message, block=False)
        sim.settle()
        try:
            told.append(future.get())
        except Exception as error:  # noqa: BLE001 - looked at by the test
            told.append(error)
    sim.advance(5)
    assert root.child("b").ask("x") == 1
    root.terminate_child("a").get()
    return told


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("place", faults.PLACES)
def test_every_place_is_reached_and_leaves_evidence(place: faults.Place, host: Literal["loop", "thread"]) -> None:
    """On either host; what it shows says the actor, the place and the moment."""
    with simulation(FaultPlan(Raise("root/a", place))) as sim:
        if place in ("init", "on_start"):
            with pytest.raises(ChildStartError, match="root/a"):
                sim.start(tree(host))
        else:
            play(sim, host)
    sim.require_fired()
    (fired,) = sim.fired
    assert (fired.path, fired.fault) == ("root/a", Raise("root/a", place))
    assert any(isinstance(each, seen.FaultFired) and "Raise" in each.fault for each in sim.observations)


CRASHES = {"handler", "end_of_handler", "task", "on_continue", "timer"}
"""Where what an actor's code raises is the crash of its incarnation."""


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("place", sorted(CRASHES))
def test_what_it_raises_is_the_crash_of_that_actor_alone(place: faults.Place, host: Literal["loop", "thread"]) -> None:
    """By the very exception; the other actor never notices."""
    with simulation(FaultPlan(Raise("root/a", place))) as sim:
        play(sim, host)
    exits = [each for each in sim.observations if isinstance(each, seen.Exited)]
    assert {each.path for each in exits if isinstance(each.reason, Crashed)} == {"root/a"}
    injected = [each for each in exits if isinstance(getattr(each.reason, "exception", None), InjectedCrash)]
    assert len(injected) == 1


def test_the_end_of_a_handler_is_after_what_it_does() -> None:
    """The message was handled, and its asker gets the exception in place of the answer."""
    with simulation(FaultPlan(Raise("root/a", "end_of_handler"))) as sim:
        told = play(sim, "loop")
    assert [type(each) for each in told] == [InjectedCrash, ZeroDivisionError, str]
    with simulation(FaultPlan(Raise("a", "end_of_handler", nth=2))) as sim:
        a = sim.spawn(Everywhere, name="a")
        a.tell("one")
        a.tell("two")
        sim.settle()
    kept = [each for each in sim.observations if isinstance(each, seen.Handled)]
    assert [each.outcome for each in kept] == ["done", "failed"]


def test_an_exit_reaches_the_asker_as_an_error_it_survives() -> None:
    """`SystemExit` in a handler is the crash of its actor."""
    with simulation(FaultPlan(Raise("root/a", "handler", "SystemExit"))) as sim:
        first, *_ = play(sim, "loop")
    assert isinstance(first, ActorCrashed)
    assert isinstance(first.cause, SystemExit)


@pytest.mark.parametrize("place", ["task", "forgotten_task", "call_soon", "call_later"])
def test_plain_code_in_a_thread_comes_to_no_event_loop(place: faults.Place) -> None:
    """What does not come to its place did not fire."""
    with simulation(FaultPlan(Raise("plain", place))) as sim:
        assert sim.spawn(OnThread, name="plain").ask("x") == 1
        with pytest.raises(FaultNotFired):
            sim.require_fired()


def test_after_the_healing_no_callback_raises_any_more() -> None:
    """One that was set before is taken for nothing, too."""

    class Asks(Actor):
        async def on_receive(self, message: object) -> object:
            return asyncio.get_running_loop().get_exception_handler()

    with simulation(FaultPlan(Raise("asks", "call_later", "SystemExit"))) as sim:
        sim.spawn(Asks, name="asks").ask("x")
        sim.heal()
        sim.advance(5)


def test_a_callback_of_the_users_own_that_raises_is_found() -> None:
    """Only what a fault made is not held against the run."""

    class Careless(Actor):
        async def on_receive(self, message: object) -> None:
            asyncio.get_running_loop().call_soon(lambda: 1 / 0)

    with pytest.raises(LoopFailure, match="ZeroDivisionError"), simulation() as sim:
        sim.spawn(Careless).ask("x")


@pytest.mark.parametrize("exception", faults.EXCEPTIONS)
@pytest.mark.parametrize("place", ["init", "on_start"])
def test_a_start_that_a_fault_undid_is_told_from_one_that_failed(place: faults.Place, exception: str) -> None:
    """Whatever it raised, and whatever that says of itself."""
    with simulation(FaultPlan(Raise("root/a", place, exception))) as sim:
        with pytest.raises(ChildStartError) as caught:
            sim.start(tree("loop"))
        assert sim.undone is caught.value


@given(st.builds(Raise, st.just("root/a"), st.sampled_from(faults.PLACES), st.sampled_from(faults.EXCEPTIONS)))
@settings(max_examples=50)
def test_a_fault_that_raises_is_a_plain_value(fault: Raise) -> None:
    """It can be printed and pasted, and a replay blob holds it."""
    plan = FaultPlan(fault)
    assert eval(repr(plan)) == plan
    replay = Replay(plan, Schedule(), 0, "LoopEnded", "")
    assert Replay.decode(replay.encode()) == replay


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Raise("a", "nowhere"), "no such place: give one of handler, .*, sink"),  # type: ignore[arg-type]
        (lambda: Raise("a", exception="Exceptional"), "no such exception: give one of Exception, "),
        (lambda: Raise("", "handler", nth=0), "names no actor.*nth"),
        (lambda: faults.plans(exceptions=["Exceptional"]), "exceptions=.*Exceptional"),
        (lambda: faults.plans(exceptions=()), "exceptions="),
        (lambda: faults.plans(exceptions="Exception"), "exceptions='Exception'"),
    ],
)
def test_a_fault_that_raises_nothing_known_is_refused(make: Any, text: str) -> None:
    """What there is, is listed."""
    with pytest.raises(BadFaultPlan, match=text):
        make()


@given(
    faults.plans("a", max_faults=8),
    faults.plans("a", kinds=[Raise], exceptions=["SystemExit", "GeneratorExit"]),
)
@settings(max_examples=50)
def test_plans_draw_only_the_exceptions_asked_for(by_default: FaultPlan, asked_for: FaultPlan) -> None:
    """An ordinary one by default."""
    assert all(each.exception == "Exception" for each in by_default.faults if isinstance(each, Raise))
    assert {each.exception for each in asked_for.faults if isinstance(each, Raise)} <= {"SystemExit", "GeneratorExit"}


@pytest.mark.parametrize("place", faults.PLACES)
def test_faults_that_raise_are_drawn_for_every_place(place: faults.Place) -> None:
    """The least of them raises an ordinary exception the first time."""
    found = find(faults.of_kind(Raise), lambda fault: isinstance(fault, Raise) and fault.place == place, settings=_MANY)
    assert found == Raise("**", place)


_MANY = settings(max_examples=1_000, database=None, deadline=None, phases=(Phase.generate, Phase.shrink))


def test_a_plan_with_a_fault_that_raises_is_made_small() -> None:
    """By the search's own shrinker, as every other."""
    needed = Raise("root/b", "on_stop", "SystemExit", nth=3)
    plan = FaultPlan(Raise("root/a", "sink"), needed)
    found, _ = shrink(lambda plan, _: needed in plan.faults, plan, Schedule())
    assert found == FaultPlan(needed)


@pytest.mark.parametrize("exception", faults.EXCEPTIONS)
def test_a_report_shows_every_exception(exception: str) -> None:
    """Cut to a length, without what a terminal cannot show, and quickly."""
    with (
        pytest.raises(ZeroDivisionError) as caught,
        simulation(FaultPlan(Raise("root/a", "handler", exception))) as sim,
    ):
        play(sim, "loop")
        raise ZeroDivisionError
    (report,) = caught.value.__notes__
    assert "fired at 0 s in root/a" in report
    assert len(report) < 20_000
    report.encode()


def test_what_ends_the_event_loop_is_a_finding_with_a_report() -> None:
    """An exit in a callback that belongs to no actor, and `loop.stop()`; a test by `@simulate` finds it, too."""

    async def leave() -> None:
        asyncio.get_running_loop().call_soon(sys.exit)
        await asyncio.sleep(1)

    async def stop() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(1)

    for way in (leave, stop):
        with pytest.raises(LoopEnded, match="ends the event loop of every actor") as caught, simulation() as sim:
            sim.call(way())
        assert "to run it again" in caught.value.__notes__[0]

        @simulate(examples=1)
        def test(sim: Simulation, way: Any = way) -> None:
            sim.call(way())

        with pytest.raises(LoopEnded):
            test()


def test_exceptions_are_fresh_each_time() -> None:
    """One that is raised twice would carry the traceback of the first time."""
    for name in faults.EXCEPTIONS:
        assert make_exception(name, "a", "here") is not make_exception(name, "a", "here")
