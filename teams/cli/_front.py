"""The person at the terminal of a running tree: questions to them, lines that they type, and keys that they press."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

try:
    import termios
    import tty
except ImportError:  # Windows has no such terminals
    _HAS_KEYS = False
else:
    _HAS_KEYS = True

from actors import Runtime
from actors.spi import NAME
from teams._console import Console

_KEYS = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "k": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "j": "down",
    "\x1b[5~": "page up",
    "b": "page up",
    "\x1b[6~": "page down",
    " ": "page down",
    "\x1b[H": "home",
    "\x1bOH": "home",
    "\x1b[1~": "home",
    "g": "home",
    "\x1b[F": "end",
    "\x1bOF": "end",
    "\x1b[4~": "end",
    "G": "end",
    "a": "all",
}
"""The characters that a terminal sends for a key, and the name of the key."""
_KEY = re.compile(r"\x1b(?:\[[0-9;]*[@-~]|O.)|[^\x1b]", re.DOTALL)
_BEGUN = re.compile(r"\x1b(?:\[[0-9;]*|O)?\Z")
"""A key of which a part has come."""


class InputListener(Protocol):
    """Where input goes. Called in the thread that reads."""

    def line(self, line: str) -> None:
        """A line of input."""

    def key(self, name: str) -> None:
        """A key, by its name."""

    def ended(self) -> None:
        """No more input comes."""


class Front:
    """The questions of a session, and its stdin. Used in the main thread."""

    def __init__(self, input: Callable[[InputListener], Input] | None = None) -> None:
        self._console: Console | None = None
        self._make: Callable[[InputListener], Input] = input or Input
        self._input: Input | None = None
        self._ended = False
        self._wanted = False
        """Whether a question is shown that has no answer yet."""
        self._lines: deque[str] = deque()
        """Lines of a pipe or a file that came when no question was open: each is for the next question."""

    def attach(self, runtime: Runtime, show: Callable[[str | None], object]) -> None:
        """Questions of this runtime are shown from now on, with None when nothing is left to answer. In any thread."""
        self._console = Console(runtime, show)

    def prepare(self) -> None:
        """A question will be shown: from now on the terminal shows what is typed, and keys are not read."""
        self.close()

    def listen(self, listener: InputListener) -> bool:
        """A question is shown: what is typed answers it, or the next line of a pipe or a file. False: nothing comes."""
        self._wanted = True
        self._give()
        if not self._wanted:
            return True
        return not self._ended and self._opened(listener).read_lines()

    def quiet(self) -> None:
        """No question is open."""
        self._wanted = False

    def heard(self, line: str) -> None:
        """A line has come."""
        if self._input is not None and self._input.is_terminal:
            if self._console is not None:
                self._console.heard(line)
        else:
            self._lines.append(line)
            self._give()

    def ended(self) -> bool:
        """The input has ended. Returns whether a question waits for it."""
        self._ended = True
        return self._wanted

    def read_keys(self, listener: InputListener) -> bool:
        """Hands keys to the listener from now on, until a question is asked. False: there is no keyboard."""
        return not self._ended and self._opened(listener).read_keys()

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self._input is not None:
            self._input.restore()

    def _opened(self, listener: InputListener) -> Input:
        if self._input is None:
            self._input = self._make(listener)
        return self._input

    def _give(self) -> None:
        """Answers the open question with the line whose turn it is. An empty line is not an answer."""
        while self._wanted and self._lines and self._console is not None:
            line = self._lines.popleft()
            if not line.strip():
                continue
            self._wanted = False
            if not self._console.heard(line):
                self._lines.appendleft(line)  # the question has just ended
        if self._wanted and self._input is not None and not self._ended:
            self._input.read_lines()


class Input:
    """Reads stdin in a thread of its own; only once a person is asked or keys are of use, for the tree may want stdin
    itself. Of a pipe or a file it takes one line for each `read_lines`.
    """

    def __init__(self, listener: InputListener) -> None:
        self._listener = listener
        self._file = _file_of_stdin()
        self.is_terminal = self._file is not None and os.isatty(self._file)
        self._thread: threading.Thread | None = None
        self._wanted = threading.Event()
        self._keys = False
        self._before: list[Any] | None = None

    def read_lines(self) -> bool:
        """Hands over what is typed, line by line, or the next line. False: there is nothing to read from, or a terminal
        that is not ours now (the process is in the background, and would be stopped for reading).
        """
        if self._file is None or _belongs_to_others(self._file):
            return False
        self.restore()
        self._wanted.set()
        self._begin(self._file)
        return True  # also where all of it was read meanwhile: the listener is told of the end

    def read_keys(self) -> bool:
        """Hands over keys as they are pressed, unseen. False: stdin is not a terminal, or not ours now."""
        if self._file is None or not _HAS_KEYS or not self.is_terminal or _belongs_to_others(self._file):
            return False
        self._keys = True
        try:
            present = termios.tcgetattr(self._file)
            if present[3] & termios.ICANON:  # also after a stop: the shell takes the terminal back
                self._before = present if self._before is None else self._before
                tty.setcbreak(self._file, termios.TCSADRAIN)
        except termios.error:
            return False
        self._begin(self._file)
        return True

    def restore(self) -> None:
        """Leaves the terminal as it was found. Keys that are not read yet are forgotten: they are not a line."""
        before, self._before = self._before, None
        if before is not None and self._file is not None and not _belongs_to_others(self._file):
            with contextlib.suppress(termios.error):  # the terminal is closed
                termios.tcsetattr(self._file, termios.TCSAFLUSH, before)
        self._keys = False

    def _begin(self, file: int) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, args=[file], name=f"{NAME}-stdin", daemon=True)
            self._thread.start()

    def _read(self, file: int) -> None:
        # Not through sys.stdin: a thread that waits in it holds its lock, and the interpreter wants that to end.
        rest = b""
        while some := _read(file):
            rest += some
            if self._keys:
                rest = self._hand_keys(rest)
                continue
            *lines, rest = rest.split(b"\n")
            for line in lines:
                self._hand(line)
        if rest and not self._keys:
            self._hand(rest)
        self._listener.ended()

    def _hand(self, line: bytes) -> None:
        if not self.is_terminal:
            self._wanted.wait()
            self._wanted.clear()
        self._listener.line(line.decode(errors="replace").rstrip("\r"))

    def _hand_keys(self, some: bytes) -> bytes:
        text = some.decode(errors="replace")
        begun = _BEGUN.search(text)
        for key in _KEY.findall(text if begun is None else text[: begun.start()]):
            if key in _KEYS:
                self._listener.key(_KEYS[key])
        return b"" if begun is None else begun.group().encode()


def _read(file: int) -> bytes:
    """The next bytes; none at the end."""
    try:
        return os.read(file, 4096)
    except OSError:
        return b""


def _file_of_stdin() -> int | None:
    """None: no stdin, a closed one, or one without a file."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _belongs_to_others(file: int) -> bool:
    """Whether it is a terminal that another group of processes has in the foreground."""
    try:
        return os.isatty(file) and os.tcgetpgrp(file) != os.getpgrp()
    except (AttributeError, OSError):  # a system without process groups, a terminal without one
        return False
