"""A process of an actor's own in the simulation: virtual time, runs that repeat, frames that are really pickled."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import (
    Actor,
    ActorRef,
    CallTimeout,
    Crashed,
    DeadLetter,
    HandlerTimeout,
    Lost,
    NotSendable,
    PlaceLost,
    Quarantined,
    Redelivered,
    StartError,
)
from actors.testing import (
    BadFaultPlan,
    CutLink,
    Fault,
    FaultPlan,
    FreezePlace,
    Hang,
    InjectedCrash,
    KillPlace,
    LoseZygote,
    Raise,
    Simulation,
    SlowLink,
    faults,
    portfolio,
    simulate,
    simulation,
)
from actors.testing._sim import observations as seen
from supervisors import ChildSpec, SupervisorRef, child, process, supervisor
from tests.actors.testing.cast import Counter, Echo

FRAMES = 24
"""More than there are in a life of the test below."""
INNER_FRAMES = 45
"""Nearly as many as there are in a life of inner actors in the test below."""


class Keeper(Actor):
    """Keeps what it was told, and what it was made with."""

    def __init__(self, *held: Any) -> None:
        self.held = list(held)

    def on_receive(self, message: Any) -> Any:
        if message == "show":
            return self.held
        self.held.append(message)
        return None


class Teller(Actor):
    """Tells another one what it handles."""

    def __init__(self, to: ActorRef[Any]) -> None:
        self.to = to

    def on_receive(self, message: Any) -> Any:
        self.to.tell((self.incarnation, message))
        return message


class TellerInThread(Teller):
    """The same in a thread of its process."""

    host = "thread"


class Sleeper(Actor):
    """Blocks its process for as many seconds as it is told."""

    def on_receive(self, message: float) -> float:
        time.sleep(message)  # noqa: TID251 - virtual
        return time.monotonic()


class SleeperInThread(Sleeper):
    """The same in a thread of its process."""

    host = "thread"


class Quitter(Actor):
    """Ends its process with the exit code that it is told."""

    def on_receive(self, message: int) -> None:
        os._exit(message)


class Exiting(Actor):
    """Ends the event loop of its process by an exit in a callback of its own."""

    def on_start(self) -> None:
        raise SystemExit(3)


class Starter(Actor):
    """Starts a thread, which goes on while the handler waits for it."""

    def on_receive(self, message: float) -> list[float]:
        times: list[float] = []

        def work() -> None:
            time.sleep(message)  # noqa: TID251 - virtual
            times.append(time.monotonic())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return times


def placed(id: str = "a", start: Any = Echo, **options: Any) -> ChildSpec:
    """A child in a process of its own that is restarted at once."""
    return child(id, start, **{"host": process(), "backoff": None, **options})


def tree(*children: ChildSpec, **options: Any) -> Any:
    return supervisor("root", *children, **{"max_restarts": None, **options})


def test_what_is_sent_is_a_copy() -> None:
    """State that two processes would share by accident is not shared here, either."""
    with simulation() as sim:
        given: list[int] = []
        root = sim.start(tree(placed(start=Keeper, args=[given])))
        a, told = root.child("a"), [1]
        a.tell(told)
        sim.settle()
        told.append(2)
        given.append(3)
        assert a.ask("show") == [[], [1]]
        a.ask("show").append(4)
        assert a.ask("show") == [[], [1]]


def test_what_cannot_be_sent_is_found() -> None:
    """It would work with any other host."""
    with simulation() as sim:
        root = sim.start(tree(placed(), child("b", Echo)))
        lock = threading.Lock()
        assert root.child("b").ask(lock) is lock
        with pytest.raises(NotSendable, match="lock"):
            root.child("a").ask(lock)


@pytest.mark.parametrize("sleeper", [Sleeper, SleeperInThread])
def test_a_process_that_blocks_holds_up_no_other(sleeper: type[Actor]) -> None:
    """The time that it takes is virtual, and passes for all."""
    with simulation() as sim:
        root = sim.start(tree(placed("a", sleeper), placed("b")))
        began = sim.now
        sleeps = root.child("a").ask(5.0, block=False)
        assert root.child("b").ask("quick") == "quick"
        assert sim.now < began + 1
        assert sleeps.get() >= began + 5


def test_a_handler_that_blocks_is_ended_by_its_handler_timeout() -> None:
    """A thread of the program would be left behind."""
    with simulation() as sim:
        a = sim.start(tree(placed(start=Sleeper, handler_timeout=3))).child("a")
        with pytest.raises(HandlerTimeout):
            a.ask(1000.0)
        assert sim.now < 4
        assert a.ask(0.0) < 5
        assert a.incarnation == 2


def test_threads_of_a_process_take_virtual_time() -> None:
    with simulation() as sim:
        a = sim.start(tree(placed(start=Starter))).child("a")
        (at,) = a.ask(2.0)
        assert 2 <= at <= sim.now < 4


def test_a_process_ends_itself_and_nothing_else() -> None:
    """`os._exit` would end the tests."""
    with simulation() as sim:
        a = sim.start(tree(placed(start=Quitter))).child("a")
        with pytest.raises(PlaceLost) as caught:
            a.ask(7)
        assert (caught.value.exit_code, caught.value.signal) == (7, None)
        sim.advance(1)
        assert a.incarnation == 2
    assert os.getpid() < 10_000_000


def test_an_exit_in_the_start_is_told_as_of_a_real_process() -> None:
    with simulation() as sim:
        with pytest.raises(StartError) as caught:
            sim.spawn(Exiting, host=process())
        assert isinstance(caught.value.reason, Crashed)


def test_a_process_that_is_never_stopped_is_not_left_behind() -> None:
    """Guards the taking down of a run that failed: the threads of its processes end."""
    with pytest.raises(ZeroDivisionError), simulation() as sim:
        root = sim.start(tree(placed("a", Sleeper), placed("b", SleeperInThread), placed("c", Starter)))
        for each in "abc":
            root.child(each).tell(1000.0)
        sim.advance(1)
        raise ZeroDivisionError
    assert not sim.strands.alive


def use_processes(sim: Simulation) -> SupervisorRef:
    """Starts two actors in processes and one beside them, and has them talk."""
    root: SupervisorRef = sim.start(tree(child("to", Keeper, backoff=None)))
    for id in "ab":
        root.start_child(placed(id, Teller, args=(root.child("to"),), retry_start=True)).get()
    for number in range(6):
        root.child("ab"[number % 2]).tell(number)
    sim.advance(3)
    return root


@given(st.integers(0, 1000), st.integers(0, 7))
@settings(max_examples=10)
def test_equal_seeds_give_equal_runs_of_processes(seed: int, search: int) -> None:
    """Latencies are drawn from the seed, and every step is one of the schedule."""
    plan = FaultPlan(KillPlace("root/a", nth=9), SlowLink("root/b", nth=8, seconds=0.5))
    prints = []
    for _ in range(2):
        with simulation(plan, seed=seed, search=portfolio(8, seed, 100)[search]) as sim:
            use_processes(sim)
        prints.append((sim.trace_hash, sim.now))
    assert prints[0] == prints[1]


def test_a_search_over_processes_is_replayed_from_its_moves() -> None:
    for search in portfolio(6, 0, 100):
        with simulation(FaultPlan(KillPlace("root/*", nth=12)), seed=3, search=search) as sim:
            use_processes(sim)
        with simulation(sim.plan, sim.schedule, 3) as again:
            use_processes(again)
        assert again.trace_hash == sim.trace_hash


def test_the_seed_draws_how_long_frames_take() -> None:
    def time_of(seed: int) -> float:
        with simulation(seed=seed) as sim:
            use_processes(sim)
            return max(each.at for each in sim.observations if isinstance(each, seen.Started))

    assert time_of(1) == time_of(1) != time_of(2)


# Faults


@given(st.integers(1, FRAMES), st.integers(0, 1000), st.sampled_from([1, 4]), st.sampled_from([Teller, TellerInThread]))
@settings(max_examples=40)
def test_a_process_killed_at_any_frame_loses_nothing_in_silence(
    nth: int, seed: int, prefetch: int, teller: type[Teller]
) -> None:
    """Every message is handled or a dead letter, in order, and every question is settled."""
    search = portfolio(8, seed, 100)[seed % 8]
    with simulation(FaultPlan(KillPlace("root/a", nth=nth)), seed=seed, search=search, strict=False) as sim:
        root = sim.start(tree(child("to", Keeper)))
        to = root.child("to")
        a = root.start_child(placed(start=teller, args=(to,), host=process(prefetch=prefetch), retry_start=True)).get()
        for number in range(5):
            a.tell(number)
        asked = a.ask("asked", block=False)
        sim.advance(60)
        told = [message for _, message in to.ask("show")]
        lost = [
            each.message for each in sim.runtime.lifecycle if isinstance(each, DeadLetter) and each.reason == "lost"
        ]
        assert asked.done()
        assert set(told) | set(lost) >= set(range(5))
        assert [each for each in told if each != "asked"] == sorted({each for each in told if each != "asked"})
        assert len(lost) <= len(sim.fired)


def test_what_an_inner_actor_has_told_is_not_lost_with_its_process(caplog: pytest.LogCaptureFixture) -> None:
    """An answer, too, is sent after what its handler has told: the asker may count on that. A process that is killed
    while it tells of an event is not a sink that fails.
    """
    for nth in range(1, INNER_FRAMES):
        with simulation(FaultPlan(KillPlace("root/sub", nth=nth)), seed=nth, strict=False) as sim:
            root = sim.start(tree(child("to", Keeper)))
            to = root.child("to")
            inner = [child(id, Teller, args=(to,), backoff=None) for id in "ab"]
            root.start_child(supervisor("sub", *inner, host=process(prefetch=4), backoff=None, retry_start=True)).get()
            a, b = root.child("sub/a"), root.child("sub/b")
            sent = {f"{what} {number}" for number in range(5) for what in ("asked", "told")}
            for number in range(5):
                a.ask(f"asked {number}", block=False)
                b.tell(f"told {number}")
            sim.advance(60)
            sim.require_fired()
            heard = {message for _, message in to.ask("show")}
            letters = [each for each in sim.runtime.lifecycle if isinstance(each, DeadLetter)]
            assert heard | {each.message for each in letters if each.reason == "lost"} == sent, nth
    assert "failed on" not in caplog.text


def test_a_kill_of_a_process_at_a_time_reaches_every_target() -> None:
    def killed(nth: int) -> list[str]:
        with simulation(FaultPlan(KillPlace("root/*", nth=nth, at=2.0))) as sim:
            root = sim.start(tree(placed("a"), placed("b"), child("c", Counter)))
            sim.run(until=10)
            assert [root.child(each).incarnation for each in "abc"].count(2) == 1
            (reason,) = [each.reason for each in sim.observations if isinstance(each, seen.Exited)]
            assert isinstance(reason, Lost)
            assert isinstance(reason.exception, PlaceLost)
            assert reason.exception.signal == 9
            return [each.path for each in sim.fired]

    assert [killed(nth) for nth in (1, 2, 3)] == [["root/a"], ["root/b"], ["root/a"]]


def test_a_frozen_process_goes_on_later_and_others_meanwhile() -> None:
    with simulation(FaultPlan(FreezePlace("root/a", nth=4, seconds=5))) as sim:
        root = sim.start(tree(placed("a"), placed("b")))
        began = sim.now
        asked = root.child("a").ask("slow", block=False)
        assert root.child("b").ask("quick") == "quick"
        assert sim.now < began + 1
        assert asked.get() == "slow"
        assert began + 5 <= sim.now < began + 6
        sim.require_fired()


def test_a_frozen_process_is_ended_by_the_handler_timeout() -> None:
    with simulation(FaultPlan(FreezePlace("root/a", nth=4, seconds=1000))) as sim:
        a = sim.start(tree(placed("a", handler_timeout=2))).child("a")
        with pytest.raises(HandlerTimeout):
            a.ask("frozen")
        assert a.ask("next") == "next"
        assert sim.now < 5
        assert a.statistics().handled == 2


def test_nothing_crosses_a_link_that_is_cut_and_nothing_is_lost() -> None:
    with simulation(FaultPlan(CutLink("root/a", nth=4, seconds=5))) as sim:
        a = sim.start(tree(placed("a", Keeper))).child("a")
        began = sim.now
        for number in range(3):
            a.tell(number)
        assert a.ask("show") == [0, 1, 2]
        assert began + 5 <= sim.now < began + 6


def test_a_slow_frame_holds_up_those_behind_it() -> None:
    with simulation(FaultPlan(SlowLink("root/a", nth=4, seconds=5))) as sim:
        a = sim.start(tree(placed("a", Keeper, host=process(prefetch=4)))).child("a")
        for number in range(3):
            a.tell(number)
        sim.advance(4)
        assert a.statistics().handled == 4 - 1
        with pytest.raises(CallTimeout):
            a.ask("show", timeout=0.5)
        assert a.ask("show") == [0, 1, 2]


@pytest.mark.parametrize(
    "fault", [FreezePlace("root/a", 4, 1000), CutLink("root/a", 4, 1000), SlowLink("root/a", 4, 1000)]
)
def test_healing_ends_what_holds_a_process_up(fault: Fault) -> None:
    with simulation(FaultPlan(fault)) as sim:
        a = sim.start(tree(placed("a"))).child("a")
        asked = a.ask("x", block=False, timeout=None)
        sim.advance(60)
        assert not asked.done()
        sim.heal()
        sim.eventually("it is answered", asked.done, within=1)
        sim.require_fired()


def test_a_start_without_a_zygote_is_refused_and_tried_again() -> None:
    with simulation(FaultPlan(LoseZygote("root/a"))) as sim:
        a = sim.start(tree(placed("a", retry_start=True))).child("a")
        assert a.ask("x") == "x"
        assert a.incarnation == 2
        (failed,) = [each for each in sim.observations if isinstance(each, seen.StartFailed)]
        assert "the process that forks others has ended" in str(failed.reason)


def test_how_a_process_ends_is_not_known_without_its_zygote() -> None:
    plan = FaultPlan(LoseZygote("root/*", at=1.0), KillPlace("root/a", at=2.0))
    with simulation(plan) as sim:
        root = sim.start(tree(placed("a"), placed("b")))
        sim.run(until=5)
        assert [root.child(each).incarnation for each in "ab"] == [2, 1]
        (exited,) = [each for each in sim.observations if isinstance(each, seen.Exited)]
        assert "how is not known" in str(exited.reason)


class Failing(Actor):
    """Raises over every message, in a thread of its process."""

    host = "thread"

    def on_receive(self, message: object) -> None:
        raise ValueError(message)


def test_a_thread_of_a_process_that_raises_is_crashed_by_its_message() -> None:
    """Guards the order of what a thread says: the error for the asker, the crash, the message that did it."""
    for number, search in enumerate(portfolio(12, 0, 100)):
        with simulation(seed=number, search=search) as sim:
            a = sim.start(tree(placed(start=Failing, redeliver=1))).child("a")
            with pytest.raises(ValueError, match="asked"):
                a.ask("asked")
            a.tell("told")
            sim.advance(5)
            assert a.incarnation == 4
            told = [each for each in sim.runtime.lifecycle if isinstance(each, Redelivered | Quarantined)]
            assert [each.message for each in told] == ["told", "told"]


@pytest.mark.parametrize("start", [Counter, Sleeper, SleeperInThread])
def test_faults_in_a_handler_happen_in_the_process(start: type[Actor]) -> None:
    """The stand-in in the program runs no code of the actor."""
    plan = FaultPlan(Raise("root/a", "handler"), Hang("root/a", nth=2))
    with simulation(plan) as sim:
        a = sim.start(tree(placed("a", start))).child("a")
        with pytest.raises(InjectedCrash) as caught:
            a.ask(0.0)
        assert "In process" in caught.value.__notes__[0]
        sim.advance(1)
        assert a.incarnation == 2
        hung = a.ask(0.0, block=False, timeout=None)
        sim.advance(100)
        assert not hung.done()
        sim.heal()
        hung.get()


@pytest.mark.parametrize("place", ["init", "on_start", "on_stop"])
def test_faults_in_a_hook_happen_in_the_process(place: Any) -> None:
    with simulation(FaultPlan(Raise("root/a", place))) as sim:
        root = sim.start(tree(placed("a", Counter, retry_start=True)))
        a = root.child("a")
        assert a.ask(1) == 1
        root.terminate_child("a").get()
        sim.require_fired()
        crashes = [each for each in sim.observations if "InjectedCrash" in str(getattr(each, "reason", ""))]
        assert len(crashes) >= 1


def test_a_fault_of_processes_needs_one() -> None:
    """It would show a system that survives everything."""
    with (
        pytest.raises(BadFaultPlan, match="KillPlace.* names no actor"),
        simulation(FaultPlan(KillPlace("root/a"))) as s,
    ):
        s.start(tree(child("a", Counter)))


@simulate(plan=faults.plans("root/*", kinds=faults.OF_PROCESSES), examples=15)
def test_drawn_faults_of_processes_lose_nothing(sim: Simulation, plan: FaultPlan) -> None:
    root = use_processes(sim)
    sim.heal()
    sim.advance(60)
    for id in "ab":
        assert root.child(id).ask("x", timeout=30) == "x"


def test_plans_draw_faults_of_processes_only_where_they_are_asked_for() -> None:
    @given(faults.plans(max_faults=5), faults.plans(max_faults=5, kinds=faults.OF_PROCESSES))
    @settings(max_examples=30)
    def drawn(ordinary: FaultPlan, of_processes: FaultPlan) -> None:
        assert not any(isinstance(each, faults.OF_PROCESSES) for each in ordinary.faults)
        assert all(isinstance(each, faults.OF_PROCESSES) for each in of_processes.faults)

    drawn()
