"""`letitcrash workflow` in processes of their own: killed, interrupted, steered from another one. A test waits for a
line of output, never for time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import supervisors
from tests.cli.test_run import Program
from tests.cli.workflows import INPUT, folder

__all__ = ["folder"]

PACKAGES = str(Path(supervisors.__file__).parents[1])

WORK = """
import os, sys

def classify(asked):
    print("classify", flush=True)
    with open("classified", "a") as file:
        file.write("x")
    return {"category": "billing"}

def process(asked):
    print("process begins", flush=True)
    if os.path.exists("hang"):
        sys.stdin.read()
        import threading
        threading.Event().wait()
    return {"result": asked["category"] + " desk"}

def respond(asked):
    print("respond", flush=True)
    return asked["processed"]
"""


@pytest.fixture
def desk(folder: Path) -> Path:
    (folder / "desk_agents.py").write_text(WORK)
    return folder


def letitcrash(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "teams", "workflow", *args],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_run_goes_on_after_kill_9_and_asks_and_ends(desk: Path) -> None:
    """The promise: what was acknowledged survives `kill -9`; a person answers from another process."""
    (desk / "hang").touch()
    run = letitcrash(desk, "start", "support.toml", "--input", INPUT).stdout.strip()
    with closing(Program(desk, "workflow", "serve", "support.toml")) as engine:
        engine.until("process begins")
        engine.signal(signal.SIGKILL)
    (desk / "hang").unlink()
    status = json.loads(letitcrash(desk, "status", run, "--json").stdout)
    assert (status["state"], status["done"]) == ("running", 1)
    with closing(Program(desk, "workflow", "serve", "support.toml")) as engine:
        engine.until("process begins")
        asked = letitcrash(desk, "status", run, "--wait")
        assert asked.returncode == 5, asked.stderr
        assert "approve: Send it?" in asked.stdout
        other = letitcrash(desk, "start", "support.toml", "--input", INPUT, "--key", "k", "--wait", "--timeout", "60")
        assert other.returncode == 5, other.stderr  # the engine in the other process plays it
        assert letitcrash(desk, "answer", run, "approve", "yes", "--by", "ann").returncode == 0
        done = letitcrash(desk, "status", run, "--wait")
        assert (done.returncode, done.stdout) == (0, "billing desk\n")
        history = letitcrash(desk, "history", run, "--follow", "--json")
        assert history.returncode == 0
        engine.signal(signal.SIGTERM)
        code, _ = engine.end()
    assert code == 0
    kinds = [(each["kind"], each["step"]) for each in map(json.loads, history.stdout.splitlines())]
    assert kinds.count(("done", "classify")) == 1
    assert kinds[-1] == ("ended", "")
    assert (desk / "classified").read_text() == "xx"  # once a run


def test_ctrl_c_of_a_wait_leaves_the_run_to_the_next_engine(desk: Path) -> None:
    (desk / "hang").touch()
    with closing(
        Program(desk, "workflow", "start", "support.toml", "--input", INPUT, "--key", "k", "--wait")
    ) as waiting:
        waiting.until("process begins")
        waiting.signal(signal.SIGINT)
        waiting.signal(signal.SIGINT)
        code, output = waiting.end()
    assert code == 130, output
    (desk / "hang").unlink()
    again = letitcrash(desk, "start", "support.toml", "--input", INPUT, "--key", "k", "--wait")
    assert again.returncode == 5, again.stderr
    assert len(letitcrash(desk, "list").stdout.splitlines()) == 1


def test_a_pause_and_a_move_reach_a_run_that_is_awake(desk: Path) -> None:
    text = (desk / "support.toml").read_text()
    (desk / "next.toml").write_text(text.replace('id = "respond"', 'id = "reply"'))
    run = letitcrash(desk, "start", "support.toml", "--input", INPUT).stdout.strip()
    with closing(Program(desk, "workflow", "serve", "support.toml")) as engine:
        engine.until("process begins")
        assert letitcrash(desk, "status", run, "--wait").returncode == 5
        assert letitcrash(desk, "move", run, "--to", "next.toml").returncode == 0
        assert letitcrash(desk, "pause", run).returncode == 0
        paused = letitcrash(desk, "status", run, "--wait", "--json")
        assert json.loads(paused.stdout)["state"] == "paused", paused.stdout
        assert letitcrash(desk, "answer", run, "approve", "yes").returncode == 0
        assert letitcrash(desk, "resume", run).returncode == 0
        assert letitcrash(desk, "status", run, "--wait").returncode == 0
        history = letitcrash(desk, "history", run, "--json").stdout
        engine.signal(signal.SIGINT)
        code, _ = engine.end()
    assert code == 0
    steps = [each["step"] for each in map(json.loads, history.splitlines()) if each["kind"] == "done"]
    assert steps == ["classify", "process", "reply"]


def test_a_reader_that_closes_the_output_ends_a_command_with_141(desk: Path) -> None:
    for _ in range(3):
        letitcrash(desk, "start", "support.toml", "--input", INPUT)
    said = subprocess.run(
        ["bash", "-c", '"$@" | true; exit ${PIPESTATUS[0]}', "bash", sys.executable, "-m", "teams", "workflow", "list"],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode in (0, 141)
    assert said.stderr == ""
