"""The view of a session while it runs, and the plain implementation of it."""

from __future__ import annotations

import sys
from typing import Protocol

from actors import Runtime
from actors._user_code.text import printable
from actors.spi import NAME
from supervisors import SupervisorRef
from teams.cli._logs import LineHandler, LogFormat, record_of, send_logs_to


class View(Protocol):
    """How a person follows a session. Used from the main thread."""

    every: float | None
    """Seconds between two calls of `refresh`; None: it wants none."""

    @property
    def wants_keys(self) -> bool:
        """Whether keys are of use to it now: not all that it shows fits."""

    def open(self) -> None:
        """Begins to show."""

    def begun(self, runtime: Runtime) -> None:
        """The runtime runs; nothing is started in it yet. Called in the thread that starts the tree."""

    def up(self, root: SupervisorRef) -> None:
        """The tree is up."""

    def refresh(self) -> None:
        """Time has passed."""

    def pressed(self, key: str) -> None:
        """A key was pressed: `up`, `down`, `page up`, `page down`, `home`, `end` or `all`."""

    def say(self, text: str) -> None:
        """Shows a sentence of ours."""

    def ask(self, text: str) -> None:
        """Shows a question; a line that is typed may follow."""

    def answered(self) -> None:
        """Nothing is asked any more."""

    def close(self) -> None:
        """Ends the view; later lines go to stderr."""


class PlainView:
    """Log lines on stderr."""

    every: float | None = None
    wants_keys: bool = False

    def __init__(self, level: str, format: LogFormat = LogFormat.text) -> None:
        self._level = level
        self._format = format
        self._handler = LineHandler(lambda _, line: write(line))

    def open(self) -> None:
        """Sends the logs to stderr."""
        send_logs_to(self._handler, self._level, self._format)

    def begun(self, runtime: Runtime) -> None:
        """Nothing to do: events come as log lines."""

    def up(self, root: SupervisorRef) -> None:
        """Says so."""
        self.say(f"{printable(root.path)} is up")

    def refresh(self) -> None:
        """Nothing to do: lines are written when something happens."""

    def pressed(self, key: str) -> None:
        """Nothing to do: lines stay where they are."""

    def say(self, text: str) -> None:
        """Writes it to stderr, at every level."""
        if self._format is LogFormat.text or self._handler.formatter is None:
            write(f"{NAME}: {text}")
        else:
            self._handler.handle(record_of(text))

    def ask(self, text: str) -> None:
        """Writes it to stderr."""
        self.say(text)

    def answered(self) -> None:
        """Nothing to do: it is in the log."""

    def close(self) -> None:
        """Nothing to do."""


def write(line: str) -> None:
    """A line on stderr, if there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
