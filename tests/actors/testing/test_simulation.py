"""A simulation runs real actors on virtual time, whatever host they have."""

from __future__ import annotations

import asyncio
import gc
import math
import queue
import signal
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, Literal

import pykka
import pytest

from actors import Actor, ActorRef, BlockingCallError, CallTimeout
from actors.testing import (
    BadFaultPlan,
    Crash,
    DeadlockFailure,
    Demote,
    FaultPlan,
    InvariantBroken,
    LivelockFailure,
    NeverHappened,
    Schedule,
    Simulation,
    SimulationError,
    Strategy,
    WrongUse,
    portfolio,
    simulation,
)
from supervisors import ChildStartError, SupervisorSpec, as_tree, child, supervisor
from tests.actors.testing.cast import (
    Blocking,
    Counter,
    Echo,
    Forwarder,
    PlainBlocking,
    Producer,
    Sleepy,
    counters,
)

SLEEP = time.sleep  # noqa: TID251 - virtual


def test_time_passes_only_where_something_waits_for_it() -> None:
    """A handler that sleeps for an hour costs no real time, and the test reads the virtual clock."""

    class Hour(Echo):
        async def on_receive(self, message: object) -> object:
            await asyncio.sleep(3600)
            return time.monotonic()

    with simulation() as sim:
        ref = sim.spawn(Hour)
        assert sim.now == 0.0
        assert sim.call(ref.call("x", timeout=None)) == 3600.0
        assert sim.now == 3600.0


def test_a_tree_starts_and_its_children_are_found() -> None:
    """`start` returns the root when it is up."""
    with simulation() as sim:
        root = sim.start(counters("a", "b"))
        assert root.child("a").ask("x") == 1
        assert [info.id for info in root.which_children().get()] == ["a", "b"]


def test_a_tree_that_does_not_start_raises_what_start_raises() -> None:
    """The supervisor's own account of a failed start reaches the test."""

    class Broken(Counter):
        def on_start(self) -> None:
            raise RuntimeError("no database")

    with simulation() as sim, pytest.raises(ChildStartError, match="no database"):
        sim.start(supervisor("root", child("broken", Broken)))


@pytest.mark.parametrize("tree", ["tree.toml", Counter, SupervisorSpec, None], ids=str)
def test_what_is_not_the_spec_of_a_tree_is_refused_by_its_name(tree: Any) -> None:
    """A simulation knows nothing of files and classes: `as_tree` makes a spec of them."""
    with simulation() as sim, pytest.raises(WrongUse, match=r"sim\.start\(\): a tree is .*as_tree\(\)"):
        sim.start(tree)


def test_the_spec_of_a_child_is_a_tree_of_its_own() -> None:
    """As for `start`: the only child of a supervisor `root`."""
    with simulation() as sim:
        assert sim.start(child("a", Counter)).child("a").is_alive()
        assert sim.start(supervisor("other", child("b", Counter))).child("b").is_alive()


def test_what_as_tree_makes_of_a_class_starts_in_a_simulation() -> None:
    """The way of what is not a spec yet."""
    with simulation() as sim:
        assert sim.start(as_tree(Counter)).child("counter").is_alive()


def test_run_ends_at_its_time() -> None:
    """`run` leaves the clock at the time it was given, whether or not anything happened."""
    with simulation() as sim:
        sim.spawn(Echo)
        sim.run(until=12.5)
        assert sim.now == 12.5
        sim.advance(1.0)
        assert sim.now == 13.5
        with pytest.raises(SimulationError, match=r"13\.5 s already"):
            sim.run(until=1.0)


@pytest.mark.parametrize("actor_class", [Blocking, PlainBlocking])
def test_blocking_actors_are_interleaved_in_virtual_time(actor_class: type[pykka.Actor]) -> None:
    """Two actors that block wait at the same time, not one after the other."""
    with simulation() as sim:
        refs = [sim.spawn(actor_class) for _ in range(2)]
        futures = [ref.ask(1, block=False) for ref in refs]
        for future in futures:
            future.get()
        assert sim.now == (1.0 if actor_class is Blocking else 0.5)


def test_a_blocking_ask_between_thread_hosted_actors_parks_only_the_asker() -> None:
    """Pykka's own `ask` inside an actor lets everybody else run meanwhile."""
    with simulation() as sim:
        target = sim.spawn(PlainBlocking)
        asker = sim.spawn(Forwarder, args=(target,))
        other = sim.spawn(Counter)
        future = asker.ask("x", block=False)
        assert other.ask("y") == 1
        assert sim.now == 0.0
        assert future.get() == "x"
        assert sim.now == 0.5


def test_the_standard_librarys_queues_and_events_park_the_greenlet() -> None:
    """A consumer that blocks on an event and a queue goes on when a producer has slept."""
    with simulation() as sim:
        items: queue.Queue[int] = queue.Queue()
        gate = threading.Event()
        consumer = sim.spawn(Producer, args=(items, gate))
        producer = sim.spawn(Producer, args=(items, gate))
        got = consumer.ask(-1, block=False)
        assert producer.ask(3) == 3
        assert got.get() == 3
        assert sim.now == 3.0


def test_a_queue_that_stays_empty_times_out_in_virtual_time() -> None:
    """The timeouts of the standard library are virtual too."""
    with simulation() as sim:
        gate = threading.Event()
        gate.set()
        consumer = sim.spawn(Producer, args=(queue.Queue(), gate))
        with pytest.raises(queue.Empty):
            consumer.ask(-1)
        assert sim.now == 5.0


def test_work_given_to_a_thread_pool_is_simulated() -> None:
    """`asyncio.to_thread` runs on a greenlet, so that what blocks there lets time pass."""

    class Offloader(Echo):
        async def on_receive(self, message: object) -> object:
            await asyncio.to_thread(time.sleep, 2.0)  # noqa: TID251 - virtual
            return message

    with simulation() as sim:
        assert sim.spawn(Offloader).ask("x") == "x"
        assert sim.now == 2.0


def test_an_async_handler_on_a_thread_host_runs_to_its_end() -> None:
    """A coroutine of a thread-hosted actor waits on the loop of its thread, in virtual time."""
    with simulation() as sim:
        assert sim.spawn(Sleepy, host="thread").ask("x") == "x"
        assert sim.now == 1.0


def test_blocking_on_the_loop_is_refused() -> None:
    """An actor on the loop that asks and blocks gets the runtime's own error, as in production."""

    class Rude(Echo):
        def on_receive(self, message: object) -> object:
            return self.ref.ask("myself")

    with simulation() as sim, pytest.raises(BlockingCallError):
        sim.spawn(Rude).ask("x")


def test_an_actor_of_pykkas_own_runs_in_the_simulation() -> None:
    """`SomeActor.start()` starts no thread: its loop is a greenlet, its inbox and futures park it."""
    with simulation() as sim:
        target = PlainBlocking.start()
        asker = Forwarder.start(target)
        assert asker.ask("x") == "x"
        assert sim.now == 0.5
        asker.stop()
        target.stop()


def test_pykkas_registry_is_as_it_was_afterwards() -> None:
    """Actors that a run leaves behind do not reach the next one."""
    before = pykka.ActorRegistry.get_all()
    with simulation():
        PlainBlocking.start()
    assert pykka.ActorRegistry.get_all() == before


def test_a_workload_calls_on_time_and_collects_what_comes_back() -> None:
    """Calls begin at their times; results and exceptions are kept by number."""
    with simulation() as sim:
        ref = sim.spawn(Sleepy)
        work = sim.workload(lambda i: ref.call(i, timeout=2.5), n=4, every=0.5)
        sim.run(until=10)
        assert work.done == 4
        assert work.results == {0: 0, 1: 1, 2: 2}
        assert isinstance(work.errors[3], CallTimeout)


def test_calls_of_a_workload_that_were_not_begun_are_not_orphans() -> None:
    """A test may end before its load does; the tree has nothing to do with that."""
    with simulation() as sim:
        ref = sim.spawn(Echo)
        work = sim.workload(lambda i: ref.call(i), n=5, every=1.0)
        sim.run(until=2.5)
    assert (work.done, sim.now) == (3, 2.5)


def test_a_client_of_a_workload_that_goes_on_is_not_an_orphan() -> None:
    """It may have something to do between its calls; the tree has nothing to do with that."""

    async def client(ref: ActorRef[Any]) -> None:
        await ref.call("x")
        await asyncio.sleep(100)

    with simulation() as sim:
        ref = sim.spawn(Echo)
        work = sim.workload(lambda i: client(ref), n=1)
        sim.run(until=5)
        assert work.under_way == [0]


def test_a_workload_may_block() -> None:
    """A client that blocks is a simulated thread of its own."""
    with simulation() as sim:
        ref = sim.spawn(Blocking)
        work = sim.workload(lambda i: ref.ask(i), n=2)
        sim.run(until=10)
        assert work.results == {0: 1.0, 1: 2.0}


def test_always_fails_at_the_step_that_breaks_it() -> None:
    """An invariant is looked at after every step, so the failure has the time of its cause."""

    class Late(Counter):
        def on_start(self) -> None:
            self.tell_after(5.0, "tick")

    def run() -> None:
        with simulation() as sim:
            ref = sim.spawn(Late)
            sim.always("no tick", lambda: ref.statistics().handled == 0)
            sim.run(until=100)

    with pytest.raises(InvariantBroken, match=r"at 5 s: 'no tick'"):
        run()


def test_eventually_lets_time_pass_and_no_more_than_needed() -> None:
    """A liveness property ends the wait as soon as it is true, and fails when its time is over."""
    with simulation() as sim:
        work = sim.workload(sim.spawn(Sleepy).call, n=1)
        sim.eventually("answered", lambda: work.done == 1, within=60)
        assert sim.now == 1.0
        with pytest.raises(NeverHappened, match="'more' did not come true within 5 s"):
            sim.eventually("more", lambda: work.done == 2, within=5)


def test_a_predicate_that_raises_is_named() -> None:
    """An oracle of the user's that is itself broken is told apart from a finding, with the place where it broke."""
    text = r"always\('broken'\) raised ZeroDivisionError.* at .*test_simulation\.py:\d+"
    with simulation() as sim, pytest.raises(SimulationError, match=text):
        sim.always("broken", lambda: 1 // 0)


def test_simulations_do_not_nest() -> None:
    """A second simulation in the same process is refused, and leaves the first one as it was."""
    with simulation() as sim:
        with pytest.raises(SimulationError, match="do not nest"), simulation():
            pass
        assert sim.spawn(Echo).ask("x") == "x"


def test_a_livelock_is_found() -> None:
    """Two actors that keep each other busy without time moving are an error, not a hang."""

    class Busy(Echo):
        def on_receive(self, message: object) -> None:
            self.ref.tell(message)

    def run() -> None:
        with simulation() as sim:
            sim.loop.instant = 1000
            sim.spawn(Busy, name="busy").tell("x")
            sim.run(until=1)

    with pytest.raises(LivelockFailure, match="busy"):
        run()


def test_a_test_that_waits_for_what_cannot_come_is_a_deadlock() -> None:
    """`future.get()` with nobody left to settle it raises at once and says who waits."""

    class Silent(Echo):
        async def on_receive(self, message: object) -> None:
            await asyncio.get_running_loop().create_future()

    with simulation(default_timeout=None) as sim:
        ref = sim.spawn(Silent)
        with pytest.raises(DeadlockFailure, match="the test waits for"):
            ref.ask("x")


def test_a_test_that_waits_for_ever_while_a_timer_repeats_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heartbeat keeps time moving, so that nothing ever looks like a deadlock."""
    monkeypatch.setattr("actors.testing._sim.strands.PATIENCE", 100)

    class Beating(Echo):
        def on_start(self) -> None:
            self.tell_every(1.0, "beat")

    class Silent(Echo):
        async def on_receive(self, message: object) -> None:
            await asyncio.get_running_loop().create_future()

    with simulation(default_timeout=None) as sim:
        sim.spawn(Beating)
        with pytest.raises(NeverHappened, match="the test still waits for"):
            sim.spawn(Silent).ask("x")


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (lambda sim: sim.run(until=math.inf), r"run\(until=inf\)"),
        (lambda sim: sim.run(until="5"), r"run\(until='5'\)"),
        (lambda sim: sim.advance(-1), r"advance\(-1\)"),
        (lambda sim: sim.eventually("x", lambda: False, within=math.nan), r"eventually\('x', within=nan\)"),
        (lambda sim: sim.workload(print, n=-1), r"workload\(n=-1\)"),
        (lambda sim: sim.workload(print, n=1, every=-1), r"workload\(every=-1\)"),
        (lambda sim: sim.require_fired(2), r"require_fired\(2\): there are 0 faults"),
    ],
)
def test_a_number_that_says_nothing_is_refused_with_its_value(use: Callable[[Simulation], object], text: str) -> None:
    """Time that never ends would be a hang, and what is no number would fail somewhere inside."""
    with simulation() as sim, pytest.raises(SimulationError, match=text):
        use(sim)


def test_a_simulation_is_one_run() -> None:
    """Before and after its block it says so."""
    sim = simulation()
    with pytest.raises(SimulationError, match="has not begun"):
        sim.spawn(Echo)
    with sim:
        pass
    with pytest.raises(SimulationError, match="make another"), sim:
        pass


@pytest.mark.parametrize("host", ["loop", "thread"])
def test_ctrl_c_ends_the_run_wherever_it_comes(host: Literal["loop", "thread"]) -> None:
    """Raised inside a handler alone, it would be a crash of that actor, and the search would go on."""

    class Interrupted(Echo):
        def on_receive(self, message: object) -> None:
            signal.raise_signal(signal.SIGINT)

    Interrupted.host = host
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), simulation() as sim:
        root = sim.start(supervisor("root", child("a", Interrupted)))
        root.child("a").tell("go")
        sim.run(until=10)
    assert signal.getsignal(signal.SIGINT) is before


def test_everything_that_says_nothing_is_told_at_once() -> None:
    """All faults and all moves, in one error."""
    plan, schedule = FaultPlan(Crash("x"), Crash("y")), Schedule(Demote("z", 1))
    texts = r"'x'.* names no actor.*'y'.* names no actor.*'z'.* names a step"
    with pytest.raises(BadFaultPlan, match=texts), simulation(plan, schedule) as sim:
        sim.spawn(Echo)


def test_a_circle_of_asks_is_a_deadlock() -> None:
    """Actors that wait for each other without a deadline hang in production; here the circle is named.

    The runtime refuses a circle itself, but not one through an actor that handles several messages at once.
    """

    class Asker(Actor):
        concurrency = 2

        def __init__(self) -> None:
            self.other: ActorRef[Any] = self.ref

        async def on_receive(self, message: Any) -> object:
            if isinstance(message, ActorRef):
                self.other = message
                return None
            return await self.other.call(message, timeout=None)

    with simulation(default_timeout=None) as sim:
        first, second = sim.spawn(Asker, name="first"), sim.spawn(Asker, name="second")
        first.ask(second)
        second.ask(first)
        first.tell("begin")
        sim.loop.instant = 50
        with pytest.raises((DeadlockFailure, LivelockFailure), match="first"):
            sim.run(until=100)


def test_an_ask_cycle_of_pykkas_own_actors_is_a_deadlock() -> None:
    """The runtime knows nothing of pykka's own actors, but a client that gets no answer is seen."""

    class Caller(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> object:
            if isinstance(message, pykka.ActorRef):
                self.other = message
                return None
            return self.other.ask(message)

    def run() -> None:
        with simulation() as sim:
            first, second = Caller.start(), Caller.start()
            first.ask(second)
            second.ask(first)
            sim.workload(lambda _: first.ask("begin"), n=1)
            sim.run(until=100)

    with pytest.raises(DeadlockFailure, match="call 0 of workload client has no answer"):
        run()


def pykka_hangs(strategy: Strategy) -> Schedule | None:
    """Runs an ask against a stop, on pykka's own classes; returns the schedule of a hang."""
    with simulation(search=strategy) as sim:
        ref = PlainBlocking.start()
        sim.workload(lambda number: ref.ask(number) if number else ref.stop(), n=2)
        try:
            sim.run(until=60)
        except DeadlockFailure:
            return sim.schedule
    return None


def test_pykkas_ask_versus_stop_hang_is_found() -> None:
    """An actor that ends between pykka's look at `is_alive` and its put leaves the asker waiting for ever."""
    found = (pykka_hangs(strategy) for strategy in portfolio(400, seed=0, length=45))
    schedule = next(each for each in found if each)

    def run() -> None:
        with simulation(schedule=schedule) as sim:
            ref = PlainBlocking.start()
            sim.workload(lambda number: ref.ask(number) if number else ref.stop(), n=2)
            sim.run(until=60)

    with pytest.raises(DeadlockFailure):
        run()


def test_nothing_of_a_failed_run_reaches_the_next() -> None:
    """A test body that raises in the middle of everything leaves clean ground."""

    def run() -> None:
        with simulation() as sim:
            ref = sim.spawn(Blocking)
            ref.tell(1)
            sim.spawn(Sleepy).tell(1)
            sim.settle()
            raise KeyError("the test's own")

    with pytest.raises(KeyError):
        run()
    assert time.sleep is SLEEP  # noqa: TID251 - virtual
    with simulation() as sim:
        assert sim.spawn(Echo).ask("x") == "x"


def test_a_finished_simulation_is_freed_without_a_collection() -> None:
    """A search drops thousands of runs with all they saw: the garbage collector must not be what frees them."""
    gc.disable()
    try:
        with simulation() as sim:
            ref = sim.spawn(Counter)
            sim.always("it counts", ref.is_alive)
            ref.tell("x")
        assert sim.observations
        dropped = weakref.ref(sim)
        del sim
        assert dropped() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("before", [True, False])
def test_the_garbage_collector_is_off_during_a_run_and_restored_after_it(before: bool) -> None:
    """What finalizers do must not depend on how much was allocated; a run that fails leaves it as it was, too."""
    (gc.enable if before else gc.disable)()
    try:
        with simulation() as sim:
            assert not gc.isenabled()
            sim.spawn(Counter).ask("x")
            assert not gc.isenabled()
        assert gc.isenabled() is before
        with pytest.raises(KeyError), simulation():
            raise KeyError
        assert gc.isenabled() is before
    finally:
        gc.enable()


def test_a_put_never_waits_for_a_get() -> None:
    """As the real `SimpleQueue`, whose `put` a signal handler may call while the very same thread is inside `get`."""
    for step in range(1, 7):
        with simulation() as sim:
            waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
            got: list[int] = []

            def look(step: int = step, waiting: queue.SimpleQueue[int] = waiting, sim: Simulation = sim) -> None:
                if sim.steps == step:
                    waiting.put(step)

            sim.loop.after_step.append(look)
            sim.workload(lambda _, got=got, waiting=waiting: got.append(waiting.get(timeout=2)), n=1)  # type: ignore[misc]
            sim.loop.call_later(0.5, int)
            sim.loop.call_later(1.0, int)
            sim.loop.call_later(1.5, int)
            sim.run(until=5)
            assert got == [step]


def test_the_timer_of_an_abandoned_thread_is_not_an_orphan() -> None:
    """The thread is left behind and counted; what it waits for is left with it."""

    class Asleep(Actor):
        host = "thread"

        def on_stop(self) -> None:
            while True:
                time.sleep(3600)  # noqa: TID251 - virtual

    with simulation() as sim:
        sim.spawn(Asleep)
    assert sim.runtime.abandoned == 1
