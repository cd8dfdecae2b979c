"""Whatever would make a run unrepeatable is virtual inside a simulation, or an error that names the call."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import importlib
import multiprocessing
import os
import random
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from actors import Actor
from actors.testing import FenceError, SimulationError, simulation
from supervisors import child, supervisor


def doing(action: Callable[[], object]) -> type[Actor]:
    """An actor that does this when it is told anything."""

    class Doer(Actor):
        async def on_receive(self, message: object) -> object:
            result = action()
            return await result if asyncio.iscoroutine(result) else result

    return Doer


REFUSED: dict[str, Callable[[], object]] = {
    "time.sleep(1)": lambda: time.sleep(1),  # noqa: TID251 - refused
    "os.fork()": lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    "os.system()": lambda: os.system("true"),
    "os.posix_spawn()": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "_thread.start_new_thread()": lambda: _thread.start_new_thread(print, ()),
    "socket.getaddrinfo()": lambda: socket.create_connection(("localhost", 80)),
    "socket.socket": lambda: socket.socket(),
    "subprocess.Popen": lambda: subprocess.run([sys.executable, "-c", ""], check=False),
    "loop.getaddrinfo()": lambda: asyncio.get_running_loop().getaddrinfo("localhost", 80),
    "loop.create_connection()": lambda: asyncio.open_connection("localhost", 80),
    "loop.subprocess_exec()": lambda: asyncio.create_subprocess_exec("true"),
    "loop.add_signal_handler()": lambda: asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print),
}


@pytest.mark.parametrize("call", REFUSED)
def test_a_call_that_reaches_outside_is_refused_by_name(call: str) -> None:
    """The error says who called what and where, and ends the run: a supervisor would only make a restart of it."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("doer", doing(REFUSED[call]))))
        root.child("doer").tell("go")
        with pytest.raises(FenceError) as caught:
            sim.run(until=10)
        assert caught.value.call == call
        assert caught.value.path == "root/doer"
        assert "test_fences.py:" in caught.value.place


@pytest.mark.parametrize("call", REFUSED)
def test_a_refusal_that_a_library_swallows_is_still_the_verdict(call: str) -> None:
    """The code goes on with a wrong answer, and the run does not."""

    async def swallow() -> object:
        with contextlib.suppress(Exception):
            result = REFUSED[call]()
            return await result if asyncio.iscoroutine(result) else result
        return "no connection"

    def run() -> None:
        with simulation() as sim, contextlib.suppress(Exception):
            sim.spawn(doing(swallow)).tell("go")

    with pytest.raises(FenceError, match=re.escape(call)):
        run()


def talk() -> bytes:
    """Sends a word through a pair of sockets."""
    one, other = socket.socketpair()
    with one, other:
        one.sendall(b"hello")
        return other.recv(9)


@pytest.mark.parametrize(
    ("kind", "action", "result"),
    [
        ("processes", lambda: subprocess.run([sys.executable, "-c", "print(7)"], capture_output=True).stdout, b"7\n"),
        ("network", lambda: socket.gethostbyname("127.0.0.1"), "127.0.0.1"),
        ("network", lambda: talk(), b"hello"),
    ],
)
def test_what_is_allowed_is_the_real_one(
    kind: Literal["network", "processes"], action: Callable[[], object], result: object
) -> None:
    """On the loop and in a thread; what is forbidden again is refused again."""
    with simulation() as sim:
        sim.allow(kind)
        doer = sim.spawn(doing(action))
        assert doer.ask("go") == result
        assert sim.spawn(doing(lambda: asyncio.to_thread(action))).ask("go") == result
        sim.forbid(kind)
        with pytest.raises(FenceError):
            doer.ask("go")


def test_a_look_up_of_the_loop_is_done_by_a_thread_where_it_is_allowed() -> None:
    """`aiohttp` and `anyio` resolve names that way."""
    with simulation() as sim:
        sim.allow("network")
        found = sim.spawn(doing(lambda: asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80))).ask("go")
        assert found[0][4] == ("127.0.0.1", 80)


FILES: dict[str, Callable[[Path], object]] = {
    "builtins.open()": lambda path: open(path, "w").close(),  # noqa: PTH123
    "io.open()": lambda path: path.write_text("x"),
    "os.mkdir()": lambda path: path.mkdir(),
    "os.remove()": lambda path: os.remove(path),  # noqa: PTH107
    "sqlite3.connect()": lambda path: sqlite3.connect(path),
}


@pytest.mark.parametrize("call", FILES)
def test_a_file_is_free_until_it_is_forbidden(call: str, tmp_path: Path) -> None:
    """Files of the test itself are free all the time."""
    path = tmp_path / "file"
    with simulation() as sim:
        sim.forbid("files")
        (tmp_path / "mine").write_text("x")
        sim.spawn(doing(lambda: FILES[call](path))).tell("go")
        with pytest.raises(FenceError, match=re.escape(call)):
            sim.settle()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine"]


def test_reading_code_and_a_database_in_memory_are_not_files() -> None:
    """An import, a traceback and `:memory:` do not reach what could differ between two runs."""

    def harmless() -> object:
        importlib.reload(importlib.import_module("json.tool"))
        try:
            raise KeyError
        except KeyError:
            text = traceback.format_exc()
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            return "KeyError" in text, connection.execute("select 3").fetchall()

    with simulation() as sim:
        sim.forbid("files")
        assert sim.spawn(doing(harmless)).ask("go") == (True, [(3,)])


def test_a_kind_of_things_outside_that_is_not_known_is_refused() -> None:
    """The error lists those that are."""
    with simulation() as sim, pytest.raises(SimulationError, match=r"allow\('dns'\): known are 'files', 'network'"):
        sim.allow("dns")  # type: ignore[arg-type]


RANDOM: dict[str, Callable[[], object]] = {
    "os.urandom": lambda: os.urandom(8),
    "os.getrandom": lambda: os.getrandom(8),
    "secrets.token_hex": lambda: secrets.token_hex(),
    "secrets.choice": lambda: [secrets.choice("abcdefgh") for _ in range(9)],
    "random.random": lambda: random.random(),  # noqa: TID251 - seeded
    "random.choice": lambda: [random.choice("abcdefgh") for _ in range(9)],  # noqa: TID251 - seeded
    "random.seed": lambda: (random.seed(), random.random()),  # noqa: TID251 - seeded
    "random.Random": lambda: random.Random().random(),
    "random.SystemRandom": lambda: random.SystemRandom().random(),
    "uuid.uuid1": lambda: uuid.uuid1(),
    "uuid.uuid4": lambda: uuid.uuid4(),
}


@pytest.mark.parametrize("call", RANDOM)
def test_randomness_repeats_with_the_seed(call: str) -> None:
    """Libraries draw where no seed can be given: what the system gives elsewhere comes from the seed inside."""

    def run(seed: int) -> object:
        with simulation(seed=seed) as sim:
            return sim.spawn(doing(lambda: (RANDOM[call](), RANDOM[call]()))).ask("go")

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_two_random_values_of_a_run_differ() -> None:
    """They come from one generator, and not each from the seed anew."""
    with simulation() as sim:
        for action in RANDOM.values():
            doer = sim.spawn(doing(action))
            assert doer.ask("go") != doer.ask("go")


def test_randomness_inside_does_not_move_the_runtimes_own() -> None:
    """A value more in a library is not another delay of a restart."""

    def drawn(action: Callable[[], object]) -> object:
        with simulation(seed=7) as sim:
            sim.spawn(doing(action)).ask("go")
            return sim.random.random(), sim.spawn(doing(lambda: uuid.uuid4())).ask("go")

    assert drawn(lambda: None) == drawn(lambda: (os.urandom(9), random.random(), random.Random()))  # noqa: TID251


def test_the_clocks_of_the_standard_library_are_virtual_inside() -> None:
    """All of them agree, and the wall clock begins at the same moment in every run."""

    async def clocks() -> Any:
        await asyncio.sleep(2.5)
        steady = (time.monotonic(), time.perf_counter(), time.clock_gettime(time.CLOCK_MONOTONIC))
        return (*steady, time.monotonic_ns(), time.clock_gettime(time.CLOCK_REALTIME), time.time())  # noqa: TID251

    def run() -> Any:
        with simulation() as sim:
            return sim.spawn(doing(clocks)).ask("go")

    first = run()
    assert first[:4] == (2.5, 2.5, 2.5, 2_500_000_000)
    assert first[4] == first[5]
    assert run() == first


def test_dates_and_processor_time_are_virtual_inside() -> None:
    """Where a call is given no moment it takes the present one, and that is the simulation's."""

    def dates() -> list[object]:
        return [time.localtime(), time.gmtime(), time.ctime(), time.asctime(), time.strftime("%c")]

    with simulation() as sim:
        inside, wall, used = sim.spawn(doing(lambda: (dates(), time.time(), time.process_time()))).ask("go")  # noqa: TID251
        assert used == 0.0
        then = time.localtime(wall)
        assert inside == [then, time.gmtime(wall), time.ctime(wall), time.asctime(then), time.strftime("%c", then)]
        assert time.gmtime()[:3] != time.gmtime(wall)[:3], "the test itself has the real ones"


LATE = """
import os, threading
from threading import Lock
from time import monotonic
LOCK, REENTRANT = threading.Lock(), threading.RLock()
os.register_at_fork(after_in_child=LOCK._at_fork_reinit)
"""


def test_a_module_that_is_imported_inside_keeps_nothing_of_the_simulation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that imports late, as libraries do, would leave simulated locks to whoever runs next."""
    (tmp_path / "imported_late.py").write_text(LATE)
    monkeypatch.syspath_prepend(tmp_path)
    with simulation() as sim:
        late = sim.spawn(doing(lambda: importlib.import_module("imported_late"))).ask("go")
    monkeypatch.delitem(sys.modules, "imported_late")
    assert (late.Lock, late.monotonic) == (threading.Lock, time.monotonic)
    assert (type(late.LOCK), type(late.REENTRANT)) == (type(threading.Lock()), type(threading.RLock()))


def test_the_loop_of_a_simulation_is_not_closed_from_inside() -> None:
    """As with a real one: everything that waits would be forgotten."""
    with simulation() as sim, pytest.raises(RuntimeError, match="Cannot close a running event loop"):
        sim.spawn(doing(lambda: asyncio.get_running_loop().close())).ask("go")


def test_seeded_randomness_is_free() -> None:
    """A generator of one's own with a seed repeats, and so does the runtime's."""
    with simulation(seed=7) as sim:
        seeded = sim.spawn(doing(lambda: random.Random(3).random())).ask("go")
        assert seeded == random.Random(3).random()
        assert sim.random.random() == random.Random(7).random()


def test_the_test_itself_keeps_the_real_clock_and_randomness() -> None:
    """Outside of `run` and the like, the standard library is what it was."""
    before = random.getstate()
    with simulation() as sim:
        sim.run(until=1e6)
        assert time.monotonic() != sim.now
        assert os.urandom(16) != os.urandom(16)
        assert uuid.uuid4() != uuid.uuid4()
        random.random()  # noqa: TID251 - one generator serves all, and is seeded for all
    assert random.getstate() == before


def test_a_real_thread_from_before_stands_outside() -> None:
    """An exporter of metrics, say: it keeps its clock and its sockets, whatever the simulation does."""
    go, done, found = _thread.allocate_lock(), _thread.allocate_lock(), list[object]()
    go.acquire()
    done.acquire()

    def export() -> None:
        go.acquire()
        try:
            found.extend([time.monotonic() > 1, talk(), len(os.urandom(3))])
        except BaseException as error:  # noqa: BLE001 - told to the test
            found.append(error)
        done.release()

    _thread.start_new_thread(export, ())
    with simulation() as sim:

        def let_it_work() -> None:
            go.release()
            done.acquire()

        sim.spawn(doing(let_it_work)).ask("go")
    assert found == [True, b"hello", 3]


def test_a_sleep_of_the_test_is_virtual() -> None:
    """A test that sleeps lets the simulation run for that long."""
    with simulation() as sim:
        time.sleep(5)  # noqa: TID251 - virtual
        assert sim.now == 5.0


def test_a_thread_of_the_test_is_refused() -> None:
    """It would reach into the simulation from outside."""
    with simulation(), pytest.raises(SimulationError, match="starts a thread"):
        threading.Thread(target=print).start()


def test_a_clock_kept_by_another_name_is_real_when_the_run_is_over() -> None:
    before = time.monotonic()
    with simulation():
        now, pause = time.monotonic, time.sleep  # noqa: TID251 - kept, as a library may
    assert before <= now() <= time.monotonic()
    pause(0)
    with simulation() as sim:
        began = sim.now
        pause(3600)
        assert sim.now == began + 3600


def test_every_fence_is_down_afterwards() -> None:
    """Whatever happened inside, the standard library is as it was."""
    owners: list[Any] = [time, random, os, uuid, threading, random.Random, socket.socket, threading.Thread]
    before = [dict(vars(owner)) for owner in owners]
    with pytest.raises(KeyError), simulation():
        raise KeyError
    assert [dict(vars(owner)) for owner in owners] == before
