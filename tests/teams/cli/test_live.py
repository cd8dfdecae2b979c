"""The live view on a real terminal: what stays on the screen, the keys, and what is written where there is none."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

import supervisors
from tests import forked

PACKAGES = Path(supervisors.__file__).parents[1]

SCRIPT = """
import asyncio, logging
from pathlib import Path
from actors import Actor
from supervisors import child, constant, supervisor
from teams.protocols import Person

class Quiet(Actor):
    pass

class Bad(Actor):
    async def on_continue(self):
        print(f"printed by incarnation {self.ref.incarnation}", flush=True)
        logging.getLogger("app").warning("logged by incarnation %s", self.ref.incarnation)
        if self.ref.incarnation < 3:
            raise ConnectionError("no answer from " + "api.example.org " * 8)

many = supervisor(
    "root",
    *(child(f"w{number}", Quiet) for number in range(499)),
    child("bad", Bad, backoff=constant(0.01)),
    max_restarts=50,
)
class Asking(Actor):
    async def on_continue(self):
        for question in ("first", "second"):
            while not Path(question).exists():
                await asyncio.sleep(0.01)
            answer = await self.runtime.find("root/person").consult(question)
            print(f"{question}: {answer.choice}!", flush=True)

asking = supervisor(
    "root",
    *(child(f"w{number}", Quiet) for number in range(99)),
    child("person", Person),
    child("asking", Asking),
)
class Chatty(Actor):
    said = 0
    def on_start(self):
        self.tell_after(0.001, "chat")
    def on_receive(self, message):
        for number in range(self.said, self.said + 100):
            print(f"chat {number}")
        self.said += 100
        if self.said < 18_000:  # more than the 12,000 and the 5,000 lines that may wait for the answer
            self.tell_after(0.001, "chat")

class Once(Actor):
    async def on_continue(self):
        answer = await self.runtime.find("root/person").consult("Well?")
        print(f"answer {answer.choice}!", flush=True)

chatty = supervisor("root", child("person", Person), child("once", Once), child("chatty", Chatty))
few = supervisor("root", child("w", Quiet), child("bad", Bad, backoff=constant(0.01)), max_restarts=50)
"""
_STEP = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


FOOT = re.compile(r"lines \d+ to (\d+) of (\d+)")


class Screen:
    """What a terminal shows of the bytes sent to it, with all that has scrolled off it."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = self.column = 0

    def feed(self, text: str) -> None:
        for code, letter, home, down, plain in _STEP.findall(text):
            if letter == "A":
                self.row = max(0, self.row - int(code or 1))
            elif letter == "K":
                self.lines[self.row] = "" if code == "2" else self.lines[self.row][: self.column]
            elif home:
                self.column = 0
            elif down:
                self.row += 1
                self.lines += [""] * (self.row - len(self.lines) + 1)
            elif plain:
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + plain + line[self.column + len(plain) :]
                self.column += len(plain)

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines)


class Session:
    """A `letitcrash run` on a terminal of its own."""

    def __init__(self, folder: Path, *args: str, stderr: IO[str] | None = None, rows: int = 24) -> None:
        self.ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 80, 0, 0))
        self.process = forked.start(
            ["-m", "teams", "run", *args],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{folder}", "TERM": "xterm"},
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=stderr.fileno() if stderr else self.theirs,
        )
        self.shown = ""
        self._decoded = codecs.getincrementaldecoder("utf-8")()  # a read may end in the middle of a character
        self._read_until = 0

    def until(self, text: str) -> None:
        """Reads until this is shown after what was read until before."""
        while (found := self.shown.find(text, self._read_until)) < 0:
            self._read()
        self._read_until = found + len(text)

    def _read(self) -> None:
        self.shown += self._decoded.decode(os.read(self.ours, 65536))

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def stop(self) -> Screen:
        """Stops it, and returns the screen as it is left."""
        self.process.send_signal(signal.SIGINT)
        self.until("root has stopped")
        assert self.process.wait() == 0
        screen = Screen()
        screen.feed(self.shown)
        return screen

    def modes(self) -> int:
        """The local modes of the terminal."""
        found: int = termios.tcgetattr(self.theirs)[3]
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self.theirs)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the script is."""
    (tmp_path / "job.py").write_text(SCRIPT)
    return tmp_path


@pytest.fixture
def sessions() -> Iterator[list[Session]]:
    """Sessions that are ended after the test."""
    found: list[Session] = []
    yield found
    for each in found:
        each.close()


def test_the_log_and_the_last_picture_stay_after_ctrl_c(folder: Path, sessions: list[Session]) -> None:
    """Guards what a person wants to read afterwards: the whole log, the prints, and how the tree was."""
    sessions.append(session := Session(folder, "job.py:few"))
    session.until("logged by incarnation 3")
    session.until("root")
    text = session.stop().text
    for number in (1, 2, 3):
        assert text.count(f"printed by incarnation {number}") == 1
        assert text.count(f"logged by incarnation {number}") == 1
    assert text.count("crashed_exit path=root/bad") == 2
    assert text.count("Traceback (most recent call last)") == 2
    assert text.count("job.py:few ·") == 1, f"one picture is left:\n{text}"
    assert text.index("logged by incarnation 3") < text.index("job.py:few ·") < text.index("root has stopped")
    assert "└─ w" in text.split("job.py:few ·")[1]


def test_keys_reach_every_one_of_five_hundred_actors(folder: Path, sessions: list[Session]) -> None:
    """Guards large trees: what crashed comes first, `a` shows all, keys scroll, and the terminal is left as it was."""
    sessions.append(session := Session(folder, "job.py:many"))
    before = session.modes()
    assert before & termios.ICANON
    assert before & termios.ECHO
    session.until("499 more")
    session.until("a: all 501 actors")
    session.press("a")
    session.until("lines 1 to 20")
    assert session.modes() & termios.ICANON == 0
    last, total = 20, 501
    while last < total:
        session.press("\x1b[6~")
        page = last
        while last == page:
            session.until("a: fold")
            last, total = map(int, FOOT.findall(session.shown)[-1])
    assert set(re.findall(r"w\d+", session.shown)) == {f"w{number}" for number in range(499)}
    session.press("g")
    session.until("lines 1 to 20")
    session.press("a")
    session.until("499 more")
    text = session.stop().text
    picture = text.split("job.py:many ·")[-1]
    lines = picture.splitlines()
    assert "root" in lines[2]
    assert "bad" in lines[3]
    assert "ConnectionError: no answer from" in picture
    assert session.modes() == before


def test_a_question_takes_the_keyboard_and_gives_it_back(folder: Path, sessions: list[Session]) -> None:
    """Guards the modes of the terminal: what is typed is seen and read by lines, then keys are read again."""
    sessions.append(session := Session(folder, "job.py:asking"))
    for question, typed, answer in (("first", "bad\x7f\x7fecause", "because"), ("second", "a", "a")):
        session.until("a: all 102 actors")
        session.press("a")
        session.until("lines 1 to 20")
        session.press("a")
        session.until("a: all 102 actors")
        (folder / question).touch()
        session.until(f"root/person asks: {question}")
        session.until("(type the answer)")
        session.press(f"{typed}\n")
        session.until(f"{question}: {answer}!")
    session.stop()


def test_an_open_question_does_not_hold_up_a_program_that_prints(folder: Path, sessions: list[Session]) -> None:
    """Guards actors on the event loop: few lines wait for the answer, many are shown at once."""
    sessions.append(session := Session(folder, "job.py:chatty"))
    session.until("(type the answer)")
    session.until("chat 12000")
    session.press("yes\n")
    session.until("answer yes!")
    session.stop()


def test_a_redirected_stderr_has_the_log_and_the_screen_has_not(folder: Path, sessions: list[Session]) -> None:
    """Guards `2>err.log`."""
    with (folder / "err.log").open("w") as file:
        sessions.append(session := Session(folder, "job.py:few", stderr=file))
    session.until("printed by incarnation 3")
    session.process.send_signal(signal.SIGINT)
    session.until("\x1b[?25h")
    assert session.process.wait() == 0
    screen = Screen()
    screen.feed(session.shown)
    log = (folder / "err.log").read_text()
    assert log.count("crashed_exit path=root/bad") == 2
    assert log.count("logged by incarnation") == 3
    assert "\x1b" not in log
    assert "crashed_exit" not in screen.text
    assert "└─ w" in screen.text


def test_without_a_terminal_no_line_has_colours_or_cursor_codes(folder: Path) -> None:
    """Guards `--live | cat` and CI logs: the prints, the log on stderr, and the last picture."""
    with (folder / "err.log").open("w") as file:
        process = forked.start(
            ["-m", "teams", "run", "job.py:few", "--live"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{folder}"},
            stdin=forked.DEVNULL,
            stdout=forked.PIPE,
            stderr=file.fileno(),
        )
    assert process.stdout is not None
    printed = ""
    while "incarnation 3" not in printed:
        printed += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    printed += process.stdout.read()
    process.stdout.close()
    assert process.wait() == 0
    log = (folder / "err.log").read_text()
    assert "\x1b" not in printed + log
    assert printed.count("job.py:few ·") == 1
    assert "└─ w" in printed
    assert log.count("crashed_exit path=root/bad") == 2
