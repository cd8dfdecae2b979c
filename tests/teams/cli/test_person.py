"""A person at the terminal of `letitcrash run` is asked, and what is typed is the answer."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

import supervisors
from tests import forked

PACKAGES = Path(supervisors.__file__).parents[1]

SCRIPT = """
from actors import Actor
from supervisors import child, supervisor
from teams.protocols import Person

class Asking(Actor):
    async def on_continue(self):
        person = self.runtime.find("root/person")
        first = await person.consult("Refund 300 EUR? \\x1b[31m", ["yes", "no"], default="no", within=600)
        second = await person.consult("Why?")
        print(f"{type(first).__name__} {first.choice}, {second.choice}", flush=True)
        self.stop()

class Silent(Actor):
    async def on_continue(self):
        answer = await self.runtime.find("root/person").consult("Anybody?", default="none", within=0.05)
        print(f"{type(answer).__name__} {answer.choice}", flush=True)
        self.stop()

asking = supervisor("root", child("person", Person), child("asking", Asking, restart="transient", significant=True),
    auto_shutdown="any_significant")
silent = supervisor("root", child("person", Person), child("silent", Silent, restart="transient", significant=True),
    auto_shutdown="any_significant")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the script is."""
    (tmp_path / "job.py").write_text(SCRIPT)
    return tmp_path


@pytest.fixture
def programs() -> Iterator[list[forked.Process]]:
    """Programs that are ended after the test, whatever became of it."""
    found: list[forked.Process] = []
    yield found
    for each in found:
        each.kill()
        each.communicate()


def begin(
    folder: Path, target: str, view: str = "--plain", stdin: int = forked.PIPE, stdout: int = forked.PIPE
) -> forked.Process:
    """A `letitcrash run` with a stdin of its own."""
    return forked.start(
        ["-m", "teams", "run", target, view],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{folder}"},
        stdin=stdin,
        stdout=stdout,
        stderr=forked.STDOUT,
    )


def until(program: forked.Process, text: str) -> list[str]:
    """Reads up to the first line with this text."""
    assert program.stdout is not None
    seen: list[str] = []
    for line in program.stdout:
        seen.append(line)
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came:\n{''.join(seen)}")


def test_what_is_typed_answers_the_oldest_question(folder: Path, programs: list[forked.Process]) -> None:
    """Guards the override at the terminal: options by number or name, a wrong one is refused and asked again, and a
    question cannot steer the terminal.
    """
    programs.append(program := begin(folder, "job.py:asking"))
    assert program.stdin is not None
    shown = "".join(until(program, "(type one of these"))
    assert "root/person asks: Refund 300 EUR? \\x1b[31m" in shown
    assert "  1) yes\n  2) no\n" in shown
    assert "s it is 'no')" in shown
    program.stdin.write("maybe\n")
    program.stdin.flush()
    again = "".join(until(program, "(type one of these"))
    assert "'maybe'" in again
    program.stdin.write("1\n")
    program.stdin.flush()
    until(program, "root/person asks: Why?")
    program.stdin.write("  because \n")
    program.stdin.flush()
    until(program, "Answered yes, because")
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 0, output


@pytest.mark.parametrize("typed", ["yes\nbecause\n", "maybe\n\n2\nbecause", "1\r\nbecause\r\nleft over\n"])
def test_each_question_takes_the_next_line_of_a_pipe(folder: Path, programs: list[forked.Process], typed: str) -> None:
    """Guards scripts: lines that came before their question, and a last one without an end. An empty line is none."""
    programs.append(program := begin(folder, "job.py:asking"))
    output, _ = program.communicate(typed, timeout=60)
    assert program.returncode == 0, output
    assert f"Answered {'no' if '2' in typed else 'yes'}, because" in output


def test_the_end_of_a_pipe_is_said_where_a_question_waits_for_it(folder: Path, programs: list[forked.Process]) -> None:
    """Guards a script with a line too few: it does not wait in silence."""
    programs.append(program := begin(folder, "job.py:asking"))
    assert program.stdin is not None
    program.stdin.write("yes\n")
    program.stdin.close()
    program.stdin = None
    shown = "".join(until(program, "cannot be answered here: stdin has ended"))
    assert "root/person asks: Why?" in shown


def test_a_question_without_a_person_to_answer_still_ends(folder: Path, programs: list[forked.Process]) -> None:
    """Guards a program without a terminal: the end of its input is not an answer, and the default takes effect."""
    programs.append(program := begin(folder, "job.py:silent", stdin=subprocess.DEVNULL))
    output, _ = program.communicate(timeout=60)
    assert program.returncode == 0, output
    assert "root/person asks: Anybody?" in output
    assert "Defaulted none" in output


def test_the_live_view_makes_room_for_a_question_and_comes_back(folder: Path, programs: list[forked.Process]) -> None:
    """Guards the terminal while a person types: the tree is not drawn over it, and is drawn again afterwards."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    programs.append(program := begin(folder, "job.py:asking", "--live", stdin=theirs, stdout=theirs))
    os.close(theirs)
    shown = ""
    decoded = codecs.getincrementaldecoder("utf-8")()  # a read may end in the middle of a character

    def read_until(text: str) -> None:
        nonlocal shown
        while text not in shown:
            shown += decoded.decode(os.read(ours, 65536))

    read_until("'no')\r\n")
    os.write(ours, b"1\n")
    read_until("asks: Why?")
    os.write(ours, b"because\n")
    read_until("Answered yes, because")
    with contextlib.suppress(OSError):  # how Linux reports the end of a pseudo-terminal
        while data := os.read(ours, 65536):
            shown += decoded.decode(data)
    os.close(ours)
    assert program.wait(timeout=60) == 0, shown[-3000:]
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is shown again"
    # This line may come at any time: the first question is asked while the tree starts.
    asked, answer, after = shown.replace("letitcrash: root is up\r\n", "").partition("'no')\r\n1\r\n")
    assert answer, f"something was drawn between the question and the answer: {asked[-500:]!r}"
    assert "incarnation" in after, "the tree is drawn again"
