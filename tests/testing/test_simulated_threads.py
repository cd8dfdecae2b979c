"""A simulated thread is somebody, and has values of its own, as far as Python code asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from threading import current_thread
from threading import get_ident as who
from threading import local as own
from typing import Any

import pykka
import pytest

from actors import Actor
from actors.testing import simulation
from supervisors import child, supervisor
from tests.testing.cast import Counter

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


def test_a_real_thread_beside_the_run_is_itself() -> None:
    """A thread that began before asks in the middle of a simulated thread's turn, and is not taken for it."""
    asked, answered = threading.Lock(), threading.Lock()
    asked.acquire()
    answered.acquire()
    found: list[threading.Thread] = []

    def beside() -> None:
        asked.acquire()
        found.append(threading.current_thread())
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
    assert found == [thread]
