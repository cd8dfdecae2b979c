"""`letitcrash workflow` in processes of their own: killed, interrupted, steered from another one. A test waits for a
line of output, never for time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import supervisors
from tests.teams.cli.test_run import Program
from tests.teams.cli.workflows import INPUT, Letitcrash, folder, letitcrash

__all__ = ["folder", "letitcrash"]

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


def test_a_run_goes_on_after_kill_9_and_asks_and_ends(letitcrash: Letitcrash, desk: Path) -> None:
    """The promise: what was acknowledged survives `kill -9`; a person answers from another process."""
    (desk / "hang").touch()
    run = letitcrash("start", "support.toml", "--input", INPUT).out.strip()
    with closing(Program(desk, "workflow", "serve", "support.toml")) as engine:
        engine.until("process begins")
        engine.signal(signal.SIGKILL)
    (desk / "hang").unlink()
    status = json.loads(letitcrash("status", run, "--json").out)
    assert (status["state"], status["done"]) == ("running", 1)
    with closing(Program(desk, "workflow", "serve", "support.toml")) as engine:
        engine.until("process begins")
        asked = letitcrash("status", run, "--wait")
        assert asked.code == 5, asked.err
        assert "approve: Send it?" in asked.out
        other = letitcrash("start", "support.toml", "--input", INPUT, "--key", "k", "--wait", "--timeout", "60")
        assert other.code == 5, other.err  # the engine in the other process plays it
        assert letitcrash("answer", run, "approve", "yes", "--by", "ann").code == 0
        done = letitcrash("status", run, "--wait")
        assert (done.code, done.out) == (0, "billing desk\n")
        history = letitcrash("history", run, "--follow", "--json")
        assert history.code == 0
        engine.signal(signal.SIGTERM)
        code, _ = engine.end()
    assert code == 0
    kinds = [(each["kind"], each["step"]) for each in map(json.loads, history.out.splitlines())]
    assert kinds.count(("done", "classify")) == 1
    assert kinds[-1] == ("ended", "")
    assert (desk / "classified").read_text() == "xx"  # once a run


def test_a_wait_that_is_interrupted_leaves_the_run_to_the_next_engine(letitcrash: Letitcrash, desk: Path) -> None:
    """By SIGINT and by SIGTERM: two programs with a store each, which wait for their agents at the same time."""
    codes = {signal.SIGINT: 130, signal.SIGTERM: 143}
    (desk / "hang").touch()
    with ExitStack() as stack:
        programs = {
            number: stack.enter_context(closing(Program(desk, "workflow", *waited_for(number)))) for number in codes
        }
        for number, program in programs.items():
            program.until("process begins")
            program.signal(number)
        ended = {number: program.end() for number, program in programs.items()}
    assert {number: code for number, (code, _) in ended.items()} == codes, ended
    (desk / "hang").unlink()
    for number in codes:
        again = letitcrash(*waited_for(number))
        assert again.code == 5, again.err
        assert len(letitcrash("list", *waited_for(number)[-2:]).out.splitlines()) == 1


def waited_for(number: signal.Signals) -> tuple[str, ...]:
    """A start whose command waits, in the store of this signal."""
    return "start", "support.toml", "--input", INPUT, "--key", "k", "--wait", "--store", f"sqlite:///{number.name}.db"


def test_a_pause_and_a_move_reach_a_run_that_is_awake(letitcrash: Letitcrash, desk: Path) -> None:
    text = (desk / "support.toml").read_text()
    (desk / "next.toml").write_text(text.replace('id = "respond"', 'id = "reply"'))
    run = letitcrash("start", "support.toml", "--input", INPUT).out.strip()
    with closing(Program(desk, "workflow", "serve", "support.toml")) as engine:
        engine.until("process begins")
        assert letitcrash("status", run, "--wait").code == 5
        assert letitcrash("move", run, "--to", "next.toml").code == 0
        assert letitcrash("pause", run).code == 0
        paused = letitcrash("status", run, "--wait", "--json")
        assert json.loads(paused.out)["state"] == "paused", paused.out
        assert letitcrash("answer", run, "approve", "yes").code == 0
        assert letitcrash("resume", run).code == 0
        assert letitcrash("status", run, "--wait").code == 0
        history = letitcrash("history", run, "--json").out
        engine.signal(signal.SIGINT)
        code, _ = engine.end()
    assert code == 0
    steps = [each["step"] for each in map(json.loads, history.splitlines()) if each["kind"] == "done"]
    assert steps == ["classify", "process", "reply"]


def test_a_reader_that_has_closed_the_output_ends_a_command_with_141(letitcrash: Letitcrash, desk: Path) -> None:
    letitcrash("start", "support.toml", "--input", INPUT)
    reads, writes = os.pipe()
    os.close(reads)
    said = subprocess.run(
        [sys.executable, "-m", "teams", "workflow", "list"],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        stdout=writes,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(writes)
    assert (said.returncode, said.stderr) == (141, "")
