"""Output that may go away: what is printed to a pipe without a reader, or to a disk that is full, must not crash
the actor that prints it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TextIO

_MOST = 10_000
"""Lines that may wait to be drawn before who prints more is made to wait."""
_PAUSE = 1.0
"""The most seconds one print is made to wait."""


class GuardedStream(io.TextIOBase):
    """A text stream that notices once that it cannot be written, and from then on takes everything and keeps
    nothing.
    """

    def __init__(self, stream: TextIO, gone: Callable[[OSError], object]) -> None:
        self._stream = stream
        self._gone = gone
        self._broken = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The bytes below; they are not guarded."""
        return self._stream.buffer  # type: ignore[return-value]

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not self._broken:
            with self._guard():
                return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        if not self._broken:
            with self._guard():
                self._stream.flush()

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._broken = True
            discard(self._stream)
            self._gone(error)


class WaitingLine(NamedTuple):
    """A line for the terminal."""

    text: str
    style: str | None
    """The style of a line of the log; None: text of the program, which may have colours of its own."""


class WaitingLines:
    """Lines that wait for the thread that draws, in the order in which they came, whatever stream they came by."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._lines: list[WaitingLine] = []
        self._left_out = 0
        self._room = threading.Event()

    def printed(self, texts: Iterable[str]) -> None:
        """The program has printed these. Where too many lines wait, its thread waits, too, as for a slow terminal."""
        with self._lock:
            self._lines += [WaitingLine(text, None) for text in texts]
            full = len(self._lines) > _MOST
            if full:
                self._room.clear()
        if full and threading.current_thread() is not threading.main_thread():
            self._room.wait(_PAUSE)

    def logged(self, texts: Iterable[str], style: str) -> None:
        """A record of the log. Where too many lines wait, it is only counted: what logs must not wait."""
        with self._lock:
            if len(self._lines) > _MOST:
                self._left_out += 1
            else:
                self._lines += [WaitingLine(text, style) for text in texts]

    @property
    def is_long(self) -> bool:
        """Whether programs will soon have to wait."""
        return len(self._lines) > _MOST // 2

    def take(self) -> list[WaitingLine]:
        """The lines that have come; they are no longer kept here."""
        with self._lock:
            lines, self._lines = self._lines, []
            left_out, self._left_out = self._left_out, 0
        self._room.set()
        if left_out:
            lines.append(
                WaitingLine(f"({left_out} log records came too fast for the terminal; --plain shows all)", "yellow")
            )
        return lines


class Lines(io.TextIOBase):
    """Takes what is printed and has it wait, line by line, for the thread that draws.

    What other threads print while a picture is being drawn would tear it; so one thread alone writes to the
    terminal.
    """

    encoding = "utf-8"

    def __init__(self, terminal: TextIO, waiting: WaitingLines) -> None:
        self._terminal = terminal
        self._waiting = waiting
        self._lock = threading.RLock()
        self._partial = ""
        self._closed = False

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The bytes of the terminal itself."""
        return self._terminal.buffer  # type: ignore[return-value]

    def fileno(self) -> int:
        return self._terminal.fileno()

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._closed:
            return self._terminal.write(text)
        with self._lock:
            *lines, self._partial = (self._partial + text).split("\n")
            self._partial = self._partial.rpartition("\r")[2]
        if lines:
            self._waiting.printed(line.rstrip("\r").rpartition("\r")[2] for line in lines)
        return len(text)

    def release(self) -> str:
        """The line that is not complete; from now on everything goes to the terminal itself, for code that still holds
        this stream.
        """
        with self._lock:
            self._closed = True
            left, self._partial = self._partial, ""
        return left


def discard(stream: TextIO) -> None:
    """Lets what the stream still holds, and all to come, go nowhere, so that the interpreter can close it
    in peace.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextlib.contextmanager
def guarded(gone: Callable[[OSError], object]) -> Iterator[None]:
    """Guards stdout and stderr; each line of stdout goes out at once, so that a pipe sees it when it is
    printed. `gone` is called with the error of a stream that cannot be written, in the thread that wrote.
    """
    before = sys.stdout, sys.stderr
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    if sys.stdout is not None:
        sys.stdout = GuardedStream(sys.stdout, gone)
    if sys.stderr is not None:
        sys.stderr = GuardedStream(sys.stderr, gone)
    try:
        yield
    finally:
        flush()
        sys.stdout, sys.stderr = before


def flush() -> None:
    """Writes what stdout and stderr still hold."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
