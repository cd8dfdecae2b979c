"""The person at the terminal of a running tree: questions to them, and lines that they type."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from actors import Runtime
from actors.spi import NAME
from teams._console import Console


class Front:
    """The questions of a session, and its stdin."""

    def __init__(self) -> None:
        self._console: Console | None = None
        self._typed: TypedLines | None = None

    def attach(self, runtime: Runtime, show: Callable[[str | None], object]) -> None:
        """Questions of this runtime are shown from now on, with None when nothing is left to answer. In any thread."""
        self._console = Console(runtime, show)

    def listen(self, hand: Callable[[str], object]) -> bool:
        """Hands what is typed to `hand` from now on. False: nothing can be typed."""
        if self._typed is None:
            self._typed = TypedLines(hand)
        return self._typed.begin()

    def heard(self, line: str) -> None:
        """The person has typed this."""
        if self._console is not None:
            self._console.heard(line)


class TypedLines:
    """Reads lines from stdin in a thread of its own and hands each to a function; only once a person is asked, for the
    tree may want stdin itself.
    """

    def __init__(self, hand: Callable[[str], object]) -> None:
        self._hand = hand
        self._thread: threading.Thread | None = None

    def begin(self) -> bool:
        """Reads from now on. False: there is nothing to read from, or a terminal that is not ours now (the process is
        in the background, and would be stopped for reading).
        """
        if self._thread is not None:
            return self._thread.is_alive()
        try:
            file = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):  # no stdin, a closed one, or one without a file
            return False
        if _belongs_to_others(file):
            return False
        self._thread = threading.Thread(target=self._read, args=[file], name=f"{NAME}-stdin", daemon=True)
        self._thread.start()
        return True

    def _read(self, file: int) -> None:
        # Not through sys.stdin: a thread that waits in it holds its lock, and the interpreter wants that to end.
        rest = b""
        while True:
            try:
                some = os.read(file, 4096)
            except OSError:
                return
            if not some:
                return
            *lines, rest = (rest + some).split(b"\n")
            for line in lines:
                self._hand(line.decode(errors="replace").rstrip("\r"))


def _belongs_to_others(file: int) -> bool:
    """Whether it is a terminal that another group of processes has in the foreground."""
    try:
        return os.isatty(file) and os.tcgetpgrp(file) != os.getpgrp()
    except OSError:  # a terminal without a process group
        return False
