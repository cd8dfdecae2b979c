"""Whatever would make a run unrepeatable is virtual inside a simulation, or an error that names the call."""

from __future__ import annotations

import _thread
import asyncio
import importlib
import multiprocessing
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    "threading.Thread.start()": lambda: threading.Thread(target=print).start(),
    "time.sleep(1)": lambda: time.sleep(1),  # noqa: TID251 - refused
    "random.random()": lambda: random.random(),  # noqa: TID251 - refused
    "random.choice()": lambda: random.choice([1]),  # noqa: TID251 - refused
    "random.Random()": lambda: random.Random(),
    "os.urandom()": lambda: os.urandom(1),
    "os.getrandom()": lambda: os.getrandom(1),
    "os.fork()": lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    "os.system()": lambda: os.system("true"),
    "os.posix_spawn()": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "_thread.start_new_thread()": lambda: _thread.start_new_thread(print, ()),
    "socket.getaddrinfo()": lambda: socket.create_connection(("localhost", 80)),
    "time.clock_gettime()": lambda: time.clock_gettime(time.CLOCK_MONOTONIC),
    "socket.socket": lambda: socket.socket(),
    "subprocess.Popen": lambda: subprocess.run([sys.executable, "-c", ""], check=False),
    "loop.getaddrinfo()": lambda: asyncio.get_running_loop().getaddrinfo("localhost", 80),
    "loop.create_connection()": lambda: asyncio.open_connection("localhost", 80),
    "loop.subprocess_exec()": lambda: asyncio.create_subprocess_exec("true"),
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


def test_secrets_are_refused_too() -> None:
    """They come from the system's randomness, whatever the call is named."""
    with simulation() as sim:
        sim.spawn(doing(lambda: secrets.token_hex())).tell("go")
        with pytest.raises(FenceError, match="urandom"):
            sim.settle()


def test_the_clocks_of_the_standard_library_are_virtual_inside() -> None:
    """All of them agree, and the wall clock begins at the same moment in every run."""

    async def clocks() -> Any:
        await asyncio.sleep(2.5)
        return (time.monotonic(), time.perf_counter(), time.monotonic_ns(), time.time())  # noqa: TID251 - virtual

    def run() -> Any:
        with simulation() as sim:
            return sim.spawn(doing(clocks)).ask("go")

    first = run()
    assert first[:3] == (2.5, 2.5, 2_500_000_000)
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


def test_uuids_repeat_with_the_seed() -> None:
    """Every actor of pykka is named by one, so they are not refused but drawn from the seed."""

    def run(seed: int) -> object:
        with simulation(seed=seed) as sim:
            return sim.spawn(doing(lambda: uuid.uuid4())).ask("go")

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_the_test_itself_keeps_the_real_clock_and_randomness() -> None:
    """Outside of `run` and the like, the standard library is what it was."""
    with simulation() as sim:
        sim.run(until=1e6)
        assert time.monotonic() != sim.now
        assert 0 <= random.random() < 1  # noqa: TID251 - the real one
        assert len(os.urandom(3)) == 3


def test_a_sleep_of_the_test_is_virtual() -> None:
    """A test that sleeps lets the simulation run for that long."""
    with simulation() as sim:
        time.sleep(5)  # noqa: TID251 - virtual
        assert sim.now == 5.0


def test_a_thread_of_the_test_is_refused() -> None:
    """It would reach into the simulation from outside."""
    with simulation(), pytest.raises(SimulationError, match="starts a thread"):
        threading.Thread(target=print).start()


def test_every_fence_is_down_afterwards() -> None:
    """Whatever happened inside, the standard library is as it was."""
    owners: list[Any] = [time, random, os, uuid, threading, random.Random, socket.socket, threading.Thread]
    before = [dict(vars(owner)) for owner in owners]
    with pytest.raises(KeyError), simulation():
        raise KeyError
    assert [dict(vars(owner)) for owner in owners] == before
