"""What a module imported by name, and the locks it made, are those of the simulation while one runs."""

from __future__ import annotations

import asyncio
import datetime as calendar
import pickle
import signal
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from os import system
from random import choice  # noqa: TID251 - seeded inside
from threading import Lock, RLock
from time import monotonic, sleep  # noqa: TID251 - virtual inside
from typing import Any

import pykka
import pytest

from actors import Actor
from actors.testing import FenceError, SimulationError, simulation
from actors.testing._sim import imported
from actors.testing._sim.watch import watch
from supervisors import child, process, supervisor

LOCK = Lock()
ONCE_MORE = LOCK
REENTRANT = RLock()
BEGAN = datetime.fromtimestamp(1_700_000_000, UTC)


def doing(action: Callable[[], object]) -> type[Actor]:
    """An actor that does this, a quarter of a second after it was told."""

    class Doer(Actor):
        async def on_receive(self, message: object) -> object:
            await asyncio.sleep(0.25)
            return action()

    return Doer


@pytest.mark.parametrize(
    "now",
    [
        lambda: datetime.now(UTC),
        lambda: datetime.now(tz=UTC),
        lambda: datetime.utcnow().replace(tzinfo=UTC),  # noqa: DTZ003 - virtual
        lambda: datetime.now().astimezone(UTC),
        lambda: datetime.today().astimezone(UTC),
        lambda: calendar.datetime.now(UTC),
    ],
)
def test_the_calendar_is_virtual_however_it_was_imported(now: Callable[[], datetime]) -> None:
    """`datetime.now()` reads the machine's clock past `time.time`: it would make every run another one."""
    with simulation() as sim:
        assert sim.spawn(doing(now)).ask("go") == BEGAN + timedelta(seconds=0.25)
        assert now() > BEGAN + timedelta(days=300), "the test itself keeps the real one"


def test_today_is_virtual() -> None:
    """`date.today()` is the day on which every simulation begins."""
    with simulation() as sim:
        today = sim.spawn(doing(lambda: date.today())).ask("go")  # noqa: DTZ011 - virtual
        assert abs(today - BEGAN.date()) <= timedelta(days=1)


def test_moments_are_of_the_real_class_whatever_made_them() -> None:
    """They go to other modules and outlive the simulation: nothing of it may cling to them."""

    def made() -> list[datetime]:
        one = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
        return [
            one,
            datetime.fromisoformat(one.isoformat()),
            datetime.fromtimestamp(one.timestamp(), UTC),
            datetime.combine(one.date(), one.time(), UTC),
            one.replace(microsecond=6),
            pickle.loads(pickle.dumps(one)),
        ]

    with simulation() as sim:
        found = sim.spawn(doing(made)).ask("go")
        assert all(isinstance(each, datetime) for each in found)
        assert not isinstance(BEGAN.date(), datetime)
        assert not issubclass(date, datetime)
    assert found == made()
    assert {type(each) for each in found} == {datetime}


def test_a_subclass_of_the_calendar_is_made_outside() -> None:
    """Instances of one made inside could not be made at all; the error says what to do."""
    with simulation(), pytest.raises(TypeError, match="define it outside"):
        type("Mine", (datetime,), {})


def test_clocks_and_sleeps_imported_by_name_are_virtual() -> None:
    """`from time import monotonic` is as good as `time.monotonic`."""
    with simulation() as sim:
        assert sim.spawn(doing(monotonic)).ask("go") == 0.25
        sleep(5)
        assert sim.now == 5.25


def test_what_is_refused_is_refused_by_any_name() -> None:
    """`from os import system` starts the same process."""
    with simulation() as sim:
        sim.spawn(doing(lambda: system("true"))).tell("go")
        with pytest.raises(FenceError, match=r"os\.system"):
            sim.run(until=1)


def test_randomness_imported_by_name_repeats() -> None:
    """`from random import choice` draws from the same generator."""

    def run() -> object:
        with simulation() as sim:
            return sim.spawn(doing(lambda: [choice("abcdefgh") for _ in range(9)])).ask("go")

    assert run() == run()


class Guarded(Actor):
    """Does something slow under a lock of its module."""

    host = "thread"
    lock: Any = None

    def on_receive(self, message: Any) -> list[float]:
        lock = LOCK if message == "plain" else REENTRANT
        assert LOCK is ONCE_MORE, "one lock is one lock, by whichever name"
        with lock:
            began = monotonic()
            sleep(1)
            return [began, monotonic()]


@pytest.mark.parametrize("kind", ["plain", "reentrant"])
def test_a_lock_of_a_module_keeps_simulated_threads_apart(kind: str) -> None:
    """The real one would stand the process still (a plain one), or let everybody in (a reentrant one)."""
    with simulation() as sim:
        first, second = (sim.spawn(Guarded) for _ in range(2))
        spans = sorted(future.get() for future in [first.ask(kind, block=False), second.ask(kind, block=False)])
        assert spans == [[0.0, 1.0], [1.0, 2.0]]


def test_every_name_is_as_it_was_afterwards() -> None:
    """Also when the run fails."""
    names = ("calendar", "LOCK", "ONCE_MORE", "REENTRANT", "Lock", "RLock", "datetime", "monotonic", "sleep", "system")
    before = {name: globals()[name] for name in names}
    with pytest.raises(KeyError), simulation():
        assert all(globals()[name] is not before[name] for name in names)
        raise KeyError
    assert all(globals()[name] is before[name] for name in names)


class Hidden(pykka.ThreadingActor):
    """Holds a real lock while it waits: it is in a class body, where nobody looks."""

    lock = threading.Lock()

    def on_receive(self, message: object) -> None:
        with self.lock:
            sleep(1)


@pytest.mark.parametrize("supervised", [True, False])
def test_what_blocks_for_real_is_an_error_at_its_place_and_never_a_hang(
    monkeypatch: pytest.MonkeyPatch, supervised: bool
) -> None:
    """Nobody else runs, so that it would block for ever; the signal that ends it is nobody's afterwards."""
    monkeypatch.setattr(watch, "every", 0.05)
    before = signal.getsignal(signal.SIGURG)
    with simulation() as sim:
        if supervised:
            root = sim.start(supervisor("root", child("a", Hidden), child("b", Hidden)))
            refs = [root.child("a"), root.child("b")]
        else:
            refs = [sim.spawn(Hidden, name="a"), sim.spawn(Hidden, name="b")]
        for ref in refs:
            ref.tell("go")
        with pytest.raises(FenceError, match="blocks for real") as caught:
            sim.run(until=10)
        assert caught.value.path in ("root/a", "root/b", "a", "b")
        assert "test_imported_names.py:" in caught.value.place
        assert "before the simulation" in str(caught.value)
    assert signal.getsignal(signal.SIGURG) is before


def test_a_simulation_in_another_thread_goes_without_the_watch() -> None:
    """Python hands signals to the main thread alone."""
    found: list[object] = []

    def run() -> None:
        try:
            with simulation() as sim:
                found.append(sim.spawn(doing(monotonic)).ask("go"))
        except SimulationError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    join = thread.join  # the real one: the simulation in the other thread puts up its fences for all
    thread.start()
    join()
    assert found == [0.25]


def test_runs_with_processes_search_the_modules_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be thousands of modules, and a run looks for other names in them when its first process begins."""
    searches: list[object] = []
    modules = imported._modules

    def counted() -> Any:
        searches.append(None)
        return modules()

    def run() -> None:
        with simulation() as sim:
            root = sim.start(supervisor("root", child("a", Actor, host=process())))
            assert root.child("a").is_alive()

    run()
    monkeypatch.setattr(imported, "_modules", counted)
    run()
    assert searches == []
