"""`letitcrash pause`, `resume` and `kill`, on processes of their own and with real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import supervisors
from teams.cli._control import is_run
from tests import forked

PACKAGES = str(Path(supervisors.__file__).parents[1])

SCRIPT = """
from actors import Actor
from supervisors import child, supervisor
from teams import Pattern, goal, member, role, team

class Echo(Actor):
    def on_receive(self, message):
        print("heard", message, flush=True)

class Asking(Actor):
    def on_start(self):
        self.tell_after(0.01, "ask")
    def on_receive(self, message):
        if message == "ask":
            print("asking", flush=True)


tree = supervisor("root", child("a", Asking), child("b", Echo))

def loading():
    import sys
    print("loading", flush=True)
    sys.stdin.read()
    return tree

class Both(Pattern):
    def parts(self):
        yield "adder"
    async def play(self, run, value):
        return {"first": await run.do("adder", value), "second": await run.do("adder", 40)}

async def adder(number):
    return number + 2

async def broken(number):
    raise ValueError("no luck \\x1b[31m")

class Say(Pattern):
    def parts(self):
        yield "adder"
    async def play(self, run, value):
        return "two\\nlines \\x1b[31m"

reaching = team("crew", member("adder", adder), goal=goal(Both(), 1))
saying = team("crew", member("adder", adder), goal=goal(Say()))
failing = team("crew", member("adder", broken, backoff=None), goal=goal(Both(), 1), max_restarts=1)
waiting = team("crew", member("adder", adder))
"""


class Program:
    """A `letitcrash run` whose output is read line by line. No fork: its command line says what it is."""

    def __init__(self, folder: Path, *args: str, apart: bool = False) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "teams", "run", *args, "--plain"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": PACKAGES},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            text=True,
        )

    def until(self, text: str) -> str:
        """Reads up to the first line with this text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return line
        raise AssertionError(f"{text!r} never came")

    def until_all(self, *texts: str) -> list[str]:
        """Reads until there was a line with each of these texts, in any order; returns those lines."""
        assert self.process.stdout is not None
        found: dict[str, str] = {}
        for line in self.process.stdout:
            found |= {text: line for text in texts if text in line}
            if len(found) == len(texts):
                return [found[text] for text in texts]
        raise AssertionError(f"{sorted({*texts} - {*found})} never came")

    def end(self) -> tuple[int, str, str]:
        """Exit code, the rest of stdout, stderr."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err or ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the script is."""
    (tmp_path / "job.py").write_text(SCRIPT)
    return tmp_path


@pytest.fixture
def programs() -> Iterator[list[Program]]:
    """Programs that are ended after the test, whatever became of it."""
    found: list[Program] = []
    yield found
    for each in found:
        each.process.kill()
        each.process.communicate()


def command(*args: str) -> subprocess.CompletedProcess[str]:
    """A `letitcrash` command that ends by itself."""
    return forked.run(["-m", "teams", *args], env={**os.environ, "PYTHONPATH": PACKAGES})


@pytest.mark.parametrize("target", ["job.py:tree", "job.py:waiting"])
def test_pause_and_resume_reach_a_running_tree(folder: Path, programs: list[Program], target: str) -> None:
    """Guards the human override: another process says so, and the tree tells that it heard."""
    programs.append(program := Program(folder, target))
    program.until("is up")
    pid = str(program.process.pid)
    said = command("pause", pid)
    assert (said.returncode, said.stderr) == (0, f"letitcrash: sent SIGUSR1 to process {pid}\n")
    logged = target == "job.py:waiting"
    heard = program.until_all("SIGUSR1: ", *["paused path=crew"] * logged)
    assert "begins nothing new until SIGUSR2" in heard[0]
    assert command("resume", pid).returncode == 0
    assert "goes on" in program.until_all("SIGUSR2: ", *["resumed path=crew"] * logged)[0]
    program.process.send_signal(signal.SIGINT)
    assert program.end()[0] == 0


def test_kill_ends_a_running_tree_at_once(folder: Path, programs: list[Program]) -> None:
    """Guards the kill switch: no ordered stop comes first, and the exit code says which signal it was."""
    programs.append(program := Program(folder, "job.py"))
    program.until("root is up")
    assert command("kill", str(program.process.pid)).returncode == 0
    code, output, _ = program.end()
    assert code == 128 + signal.SIGQUIT
    assert "SIGQUIT: killing root" in output
    assert "stopping" not in output


def test_a_process_that_is_not_a_letitcrash_run_gets_no_signal(programs: list[Program]) -> None:
    """Guards everybody else's processes: SIGQUIT would end this one."""
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)
    try:
        said = command("kill", str(stranger.pid))
        assert said.returncode == 2
        assert f"process {stranger.pid} is not a `letitcrash run`" in said.stderr
    finally:
        stranger.communicate("\n")
    assert stranger.returncode == 0
    gone = command("pause", str(stranger.pid))
    assert gone.returncode == 2
    assert f"process {stranger.pid} does not exist" in gone.stderr


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only /proc says which signals a process catches")
def test_a_tree_that_is_still_loading_is_left_alone(folder: Path, programs: list[Program]) -> None:
    """Guards the moments before the handlers are there, in which the signal would end the process."""
    programs.append(program := Program(folder, "job.py:loading"))
    program.until("loading")
    said = command("pause", str(program.process.pid))
    assert said.returncode == 2
    assert "is still loading its tree" in said.stderr
    program.process.send_signal(signal.SIGKILL)
    assert program.end()[0] == -signal.SIGKILL


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/usr/bin/python3", "-m", "teams", "run", "a.py"], True),
        (["/usr/bin/python3", "-m", "letitcrash", "run", "a.py"], True),
        (["/usr/bin/python3", "-m", "letitcrash", "doctor"], False),
        (["python3.11", "-X", "dev", "/venv/bin/letitcrash", "run", "a.py"], True),
        (["/venv/bin/letitcrash", "run", "a.py"], True),
        (["python", "letitcrash.pyz", "run", "a.py"], True),
        (["/venv/bin/letitcrash", "check", "a.py"], False),
        (["python", "-m", "teams", "tree", "a.py"], False),
        (["python", "letitcrash.py", "run"], False),
        (["vim", "letitcrash", "run"], False),
        (["python"], False),
        ([], False),
    ],
)
def test_only_the_command_line_of_a_run_is_one(arguments: list[str], expected: bool) -> None:
    """Guards the recognition: neither another command nor a file of that name is a run."""
    assert is_run(arguments) is expected


def test_the_result_of_a_goal_is_printed_as_json_and_is_all_of_stdout(folder: Path, programs: list[Program]) -> None:
    """Guards `letitcrash run team > result`: logs go elsewhere, and a goal that is reached exits with 0."""
    programs.append(program := Program(folder, "job.py:reaching", apart=True))
    code, output, errors = program.end()
    assert code == 0, errors
    assert output == '{"first":3,"second":42}\n'
    assert "concluded path=crew/goal value=dict" in errors


def test_a_text_is_printed_as_it_is_but_cannot_steer_the_terminal(folder: Path, programs: list[Program]) -> None:
    """Guards the terminal: a model cannot write escape sequences."""
    programs.append(program := Program(folder, "job.py:saying", apart=True))
    code, output, _ = program.end()
    assert code == 0
    assert output == "two\nlines \\x1b[31m\n"


def test_a_team_that_misses_its_goal_exits_with_1_and_prints_no_result(folder: Path, programs: list[Program]) -> None:
    """Guards the exit code of a team that gave up."""
    programs.append(program := Program(folder, "job.py:failing", apart=True))
    code, output, errors = program.end()
    assert code == 1
    assert output == ""
    assert "gave up" in errors
    assert "\x1b" not in errors
