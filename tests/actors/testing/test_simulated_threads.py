"""A simulated thread is somebody, and has values of its own, as far as Python code asks for them."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import current_thread
from threading import get_ident as who
from threading import local as own
from typing import Any

import pykka
import pytest

from actors import Actor
from actors.testing import FenceError, InvariantBroken, LoopFailure, OrphanLeft, SimulationError, Strategy, simulation
from supervisors import child, supervisor
from tests.actors.testing.cast import Counter

OWN = threading.local()
OWN.name = "main"


class Session:
    """Something that keeps a connection for each thread."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def name(self, default: str) -> str:
        if not hasattr(self.values, "name"):
            self.values.name = default
        return str(self.values.name)


class Caller(Actor):
    """Says what its thread has, or puts its own path there."""

    host = "thread"

    def __init__(self, session: Session | None = None) -> None:
        self.session = session or Session(OWN)

    def on_receive(self, message: object) -> object:
        return self.session.name(self.path)


class Numbers(Actor):
    """Counts in what is its thread's own."""

    host = "thread"

    def on_receive(self, message: object) -> int:
        OWN.count = getattr(OWN, "count", 0) + 1
        return int(OWN.count)


class LoopCaller(Actor):
    """The same on the event loop."""

    def on_receive(self, message: object) -> object:
        return Session(OWN).name(self.path)


class Asks(Actor):
    """Says who it is."""

    host = "thread"

    def on_receive(self, message: object) -> object:
        assert current_thread() is threading.current_thread()
        assert who() == threading.get_ident() == current_thread().ident
        return current_thread()


class PlainAsks(pykka.ThreadingActor):
    """The same by pykka alone."""

    def on_receive(self, message: object) -> object:
        return threading.current_thread()


class Numbered(threading.local):
    """One that was defined before the simulation is real, and shared."""


def test_what_a_module_has_for_each_thread_is_each_simulated_threads_own() -> None:
    """The test and the loop are the main thread and keep what is theirs, also what they write meanwhile."""
    with simulation() as sim:
        a, b = (sim.spawn(Caller, name=name) for name in "ab")
        loop = sim.spawn(LoopCaller, name="loop")
        assert [a.ask("x"), b.ask("x"), a.ask("x")] == ["a", "b", "a"]
        assert loop.ask("x") == OWN.name == "main"
        OWN.written = 1
    assert type(OWN) is threading.local
    assert OWN.written == 1
    del OWN.written


@pytest.mark.parametrize("make", [lambda: threading.local(), lambda: own()])
def test_thread_locals_made_in_a_run_belong_to_each_simulated_thread(make: Callable[[], object]) -> None:
    """However `threading.local` was imported."""
    with simulation() as sim:
        session = Session(make())
        a, b = (sim.spawn(Caller, args=[session], name=name) for name in "ab")
        assert [a.ask("x"), b.ask("x"), a.ask("x")] == ["a", "b", "a"]


@pytest.mark.parametrize("make", [threading.local, Numbered])
def test_what_was_made_before_and_is_no_global_name_is_shared(make: Callable[[], object]) -> None:
    """The limit that the README names: the C code of `threading.local` knows no simulated threads."""
    session = Session(make())
    with simulation() as sim:
        a, b = (sim.spawn(Caller, args=[session], name=name) for name in "ab")
        assert [a.ask("x"), b.ask("x")] == ["a", "a"]


def test_a_class_of_ones_own_is_made_anew_for_each_simulated_thread() -> None:
    """`threading.local` with a constructor: it runs once in each thread that asks."""
    with simulation() as sim:
        numbers = iter(range(9))

        class Values(threading.local):
            def __init__(self, text: str) -> None:
                self.name = f"{text} {next(numbers)}"

        session = Session(Values("number"))
        a, b = (sim.spawn(Caller, args=[session], name=name) for name in "ab")
        assert [a.ask("x"), b.ask("x"), a.ask("x")] == ["number 1", "number 2", "number 1"]
        assert session.values.name == "number 0"


def test_the_next_incarnation_begins_with_nothing_of_its_own() -> None:
    """It has a thread of its own, as outside of a simulation."""
    with simulation() as sim:
        a = sim.start(supervisor("root", child("a", Numbers))).child("a")
        assert [a.ask("x"), a.ask("x")] == [1, 2]
        sim.crash("root/a")
        sim.run(until=1)
        assert a.ask("x") == 1


@pytest.mark.parametrize("actor", [Asks, PlainAsks])
def test_a_simulated_thread_belongs_to_one_actor(actor: Any) -> None:
    """Its thread has a name and a number, which are the same in every run; it is not the main thread."""

    def names() -> list[tuple[str, int | None]]:
        with simulation() as sim:
            first, second = (sim.spawn(actor) if actor is Asks else actor.start() for _ in range(2))
            one, two = first.ask("x"), second.ask("x")
            assert one is first.ask("x")
            assert one is not two
            assert threading.main_thread() not in {one, two}
            assert threading.current_thread() is threading.main_thread()
            return [(each.name, each.ident) for each in (one, two)]

    found = names()
    assert found == names()
    assert len(set(found)) == 2


def beside_a_run(work: Callable[[], object]) -> tuple[object, threading.Thread]:
    """What `work` gives, or raises, in a real thread in the middle of a simulated thread's turn; and that thread."""
    asked, answered = _thread.allocate_lock(), _thread.allocate_lock()
    asked.acquire()
    answered.acquire()
    found: list[object] = []

    def beside() -> None:
        asked.acquire()
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - told to the test
            found.append(error)
        answered.release()

    thread = threading.Thread(target=beside)
    thread.start()

    class Waits(Counter):
        host = "thread"

        def on_receive(self, message: object) -> int:
            asked.release()
            answered.acquire()
            return super().on_receive(message)

    with simulation() as sim:
        assert sim.spawn(Waits).ask("x") == 1
    thread.join()
    return found[0], thread


def test_a_real_thread_beside_the_run_is_itself() -> None:
    """A thread that began before asks in the middle of a simulated thread's turn, and is not taken for it."""
    found, thread = beside_a_run(threading.current_thread)
    assert found is thread


GLOBAL = threading.Lock()


def waits_for_an_event() -> object:
    return threading.Event().wait(0.001)


def waits_for_a_condition() -> object:
    condition = threading.Condition()
    with condition:
        return condition.wait_for(bool, timeout=0.001)


def waits_for_a_queue() -> object:
    with contextlib.suppress(queue.Empty):
        return queue.Queue[int]().get(timeout=0.001)
    return False


def waits_for_a_simple_queue() -> object:
    with contextlib.suppress(queue.Empty):
        return queue.SimpleQueue[int]().get(timeout=0.001)
    return False


def takes_locks() -> object:
    with threading.Lock(), threading.RLock(), GLOBAL:
        return GLOBAL.acquire(blocking=False)


def uses_a_pool() -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(bool).result()


def runs_a_loop() -> object:
    return asyncio.run(asyncio.sleep(0.001, False))


REAL = [
    waits_for_an_event,
    waits_for_a_condition,
    waits_for_a_queue,
    waits_for_a_simple_queue,
    takes_locks,
    uses_a_pool,
    runs_a_loop,
]


@pytest.mark.parametrize("work", REAL)
def test_a_real_thread_beside_the_run_waits_for_real(work: Callable[[], object]) -> None:
    """Guards what runs for the whole session, such as a real tree: it broke, and the simulation failed at random."""
    assert beside_a_run(work)[0] is False


# Threads that code of the user's starts


class Does(Actor):
    """Does on the loop what it is told to."""

    async def on_receive(self, message: Callable[[], Any]) -> object:
        result = message()
        return await result if asyncio.iscoroutine(result) else result


class DoesOnThread(Does):
    """The same on a thread of its own."""

    host = "thread"


def test_a_thread_that_is_started_inside_is_a_simulated_one() -> None:
    """It runs in virtual time, has a name and values of its own, and is waited for by `join`."""
    seen: list[object] = []

    class Worker(threading.Thread):
        def run(self) -> None:
            OWN.name = self.name
            assert current_thread() is self
            assert self.is_alive()
            assert self in threading.enumerate()
            time.sleep(5)  # noqa: TID251 - virtual
            seen.append((OWN.name, who() == self.ident, time.monotonic()))

    def work() -> object:
        workers = [Worker(), Worker(name="second")]
        assert not any(each.is_alive() for each in workers)
        for each in workers:
            each.start()
        with pytest.raises(RuntimeError, match="only be started once"):
            workers[0].start()
        workers[0].join(timeout=1)
        assert workers[0].is_alive()
        assert time.monotonic() == 1.0
        for each in workers:
            each.join()
        return [each.is_alive() for each in workers]

    for _ in range(2):
        seen.clear()
        with simulation() as sim:
            assert sim.spawn(DoesOnThread).ask(work) == [False, False]
        assert seen == [("Thread-1", True, 5.0), ("second", True, 5.0)], "the same names in every run"
    assert OWN.name == "main"


def test_a_thread_joins_neither_itself_nor_what_was_not_started() -> None:
    """As with real threads."""
    with simulation() as sim:
        doer = sim.spawn(DoesOnThread)
        with pytest.raises(RuntimeError, match="before it is started"):
            doer.ask(threading.Thread(target=print).join)
        doer = sim.spawn(DoesOnThread)
        errors: list[object] = []

        def join_itself() -> None:
            try:
                threading.current_thread().join()
            except RuntimeError as error:
                errors.append(str(error))

        def start() -> None:
            thread = threading.Thread(target=join_itself)
            thread.start()
            thread.join()

        doer.ask(start)
        assert errors == ["cannot join current thread"]


def test_code_on_the_loop_may_not_wait_for_a_thread_that_takes_time() -> None:
    """One that only has to end, as those of a pool that is shut down, takes none."""

    def join_at_once() -> float:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        return time.monotonic()

    def join(seconds: float) -> object:
        threads = [threading.Thread(target=time.sleep, args=[seconds], daemon=True) for _ in range(3)]  # noqa: TID251
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        return time.monotonic()

    with simulation() as sim:
        assert sim.spawn(Does).ask(join_at_once) == 0.0
        with pytest.raises(FenceError, match="the end of thread"):
            sim.spawn(Does).ask(lambda: join(1))


def test_a_thread_that_outlives_the_tree_is_an_orphan() -> None:
    """Unless it is a daemon, which nothing waits for."""

    def leave(*, daemon: bool) -> None:
        threading.Thread(target=time.sleep, args=[1000], daemon=daemon).start()  # noqa: TID251 - virtual

    with simulation() as sim:
        sim.spawn(Does).ask(lambda: leave(daemon=True))
    with pytest.raises(OrphanLeft, match="thread thread/sleep-1"), simulation() as sim:
        sim.spawn(Does).ask(lambda: leave(daemon=False))


def test_an_idle_pool_that_is_left_ends_as_with_the_process() -> None:
    """Its threads are not orphans, and nothing of them reaches the next run or the end of the process."""
    before = threading.enumerate()
    for _ in range(2):
        with simulation() as sim:
            pool = sim.spawn(Does).ask(lambda: ThreadPoolExecutor(3))
            sim.spawn(DoesOnThread).ask(lambda: list(pool.map(int, "1234")))
            assert [each.name for each in pool._threads]
        assert not any(each.is_alive() for each in pool._threads)
    assert threading.enumerate() == before
    with ThreadPoolExecutor(1) as real:
        assert real.submit(int, "5").result() == 5


def test_what_a_thread_raises_fails_the_run() -> None:
    """A real one would end with a note on stderr; an exit ends it in silence, as in Python."""

    def raises(error: BaseException) -> None:
        def run() -> None:
            raise error

        threading.Thread(target=run).start()

    with simulation() as sim:
        sim.spawn(Does).ask(lambda: raises(SystemExit(3)))
    with pytest.raises(LoopFailure, match="KeyError"), simulation() as sim:
        sim.spawn(Does).ask(lambda: raises(KeyError("x")))


def test_a_lock_that_a_thread_is_about_to_release_does_not_stop_the_loop() -> None:
    """The thread was overtaken between two locks. A real loop would wait for an instant."""
    first, second = [list[threading.Lock]() for _ in range(2)]

    def make() -> None:
        first.append(threading.Lock())
        second.append(threading.Lock())

    def take() -> None:
        with first[0], second[0]:
            pass

    async def both() -> str:
        take()
        return "taken"

    for seed in range(20):
        first.clear()
        second.clear()
        with simulation(search=Strategy("random", seed)) as sim:
            doer = sim.spawn(Does)
            doer.ask(make)
            threads = [sim.spawn(DoesOnThread) for _ in range(3)]
            answers = [each.ask(take, block=False) for each in threads]
            assert doer.ask(both) == "taken"
            for each in answers:
                each.get()


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Condition", "Event", "Semaphore"])
def test_a_lock_that_outlives_its_simulation_is_a_real_one(kind: str) -> None:
    """A library may keep it for the process; then threads of the machine use it."""
    kept: list[Any] = []

    def make() -> None:
        kept.append(getattr(threading, kind)())
        with contextlib.suppress(TypeError), kept[0]:
            pass

    with simulation() as sim:
        sim.spawn(Does).ask(make)
    lock, order, at_work = kept[0], list[str](), threading.Event()

    def work() -> None:
        if kind == "Event":
            at_work.set()
            lock.wait()
        else:
            with lock:
                at_work.set()
                order.append("thread begins")
                go_on.wait()
                order.append("thread ends")

    go_on = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    at_work.wait()
    if kind == "Event":
        lock.set()
    else:
        assert not lock.acquire(blocking=False)
        go_on.set()
        with lock:
            order.append("test")
        assert order == ["thread begins", "thread ends", "test"]
    thread.join()


def test_a_real_thread_from_before_is_not_joined_inside() -> None:
    """It does not end in virtual time, so that the run would stand still."""
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="exporter", daemon=True)
    thread.start()
    try:
        with simulation() as sim:
            assert thread.is_alive()
            with pytest.raises(SimulationError, match="join.. of 'exporter'"):
                thread.join()
            sim.spawn(Does).tell(thread.join)
            with pytest.raises(FenceError, match="join.. of 'exporter'"):
                sim.settle()
    finally:
        end.set()
        thread.join()


def test_a_thread_that_never_ran_leaves_nothing_behind() -> None:
    """The run fails at the very step that started it; the process can end."""
    before = threading.enumerate()
    made: list[threading.Thread] = []

    def start() -> None:
        made.append(threading.Thread(target=int))
        made[0].start()

    with pytest.raises(InvariantBroken), simulation() as sim:
        sim.always("no thread was made", lambda: not made)
        sim.spawn(Does).tell(start)
        sim.settle()
    assert threading.enumerate() == before
    assert not made[0].is_alive()
    made[0].join()
