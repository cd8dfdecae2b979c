"""A process that has ended on this machine needs no lease to end; of any other one nothing is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import teams
from teams._journal.process import is_there, own_name
from tests import forked
from tests.teams.journal.cast import LEASE, begin, place

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whether a process has ended")

PACKAGES = str(Path(teams.__file__).parents[1])
NAME = "from teams._journal.process import own_name; print(own_name(), flush=True); input()"
OWNER = """
import os, sys
from teams._journal.open_store import open_store

store = open_store(sys.argv[1])
epoch = store.register("host", os.getpid(), 15)
print(epoch, [run.id for run in store.claim(epoch, 10)], flush=True)
input()
"""


def own() -> str:
    """The name of this process."""
    name = own_name()
    assert name is not None
    return name


def test_a_process_has_ended_when_it_was_killed_and_not_before() -> None:
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    running = subprocess.Popen(
        [sys.executable, "-c", NAME], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    with running:
        assert running.stdout is not None
        name = running.stdout.readline().strip()
        assert name != own()
        assert is_there(name)
        running.send_signal(signal.SIGSTOP)
        assert is_there(name)
        running.kill()
        os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOWAIT)
        assert is_there(name) is False  # its parent has not asked about it yet
        running.wait()
        assert is_there(name) is False


def test_a_process_with_the_number_of_an_ended_one_is_another_one() -> None:
    where, number, started = own().rsplit(" ", 2)
    assert is_there(f"{where} {number} {started}")
    assert is_there(f"{where} {number} {int(started) - 1}") is False


def test_of_processes_elsewhere_nothing_is_known() -> None:
    boot, rest = own().split(" ", 1)
    assert is_there(f"{boot[::-1]} {rest}") is None
    where, _, started = own().rsplit(" ", 2)
    assert is_there(f"{where}x {own().split()[-2]} {started}") is None
    for number in ("x", "0", str(1 << 70)):
        assert is_there(f"{where} {number} {started}") is None
    assert is_there("") is None
    assert is_there(None) is None


def test_the_runs_of_a_killed_process_are_free_on_its_machine(tmp_path: Path) -> None:
    with place("postgres", tmp_path) as there:
        store = there.open()
        store.commit([begin("one"), begin("two")])
        epoch = store.register("host", os.getpid(), LEASE)
        environment = {**os.environ, "PYTHONPATH": PACKAGES}
        command = ["-c", OWNER, there.url]
        with forked.start(command, stdin=forked.PIPE, stdout=forked.PIPE, env=environment) as running:
            assert running.stdout is not None
            assert running.stdout.readline().endswith("['one', 'two']\n")
            assert store.claim(epoch, 10) == []
            running.send_signal(signal.SIGSTOP)
            assert store.claim(epoch, 10) == []  # it may come back
            running.send_signal(signal.SIGKILL)
            running.wait()
        assert [run.id for run in store.claim(epoch, 10)] == ["one", "two"]


def test_the_runs_of_a_process_elsewhere_are_kept_for_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place("postgres", tmp_path) as there:
        dead, store = there.open(), there.open()
        store.commit([begin()])
        monkeypatch.setattr("teams._journal.sql.own_name", lambda: "another-boot pid:[1] 1 1")
        assert [run.id for run in dead.claim(dead.register("other", 1, LEASE), 10)] == ["run"]
        monkeypatch.undo()
        epoch = store.register("host", os.getpid(), 2 * LEASE)
        assert store.claim(epoch, 10) == []
        there.now.advance(LEASE)
        assert [run.id for run in store.claim(epoch, 10)] == ["run"]
