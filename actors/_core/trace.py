"""The trace: the last messages that an actor has handled."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class TraceLine(NamedTuple):
    """One line of the trace of an actor's last messages; times in seconds."""

    at: float
    message_type: str
    seconds: float
    outcome: str
    """done or failed."""
    incarnation: int


class Trace:
    """The last messages of a cell. Only one that is told to remember them (`ActorRef.trace`) has this object."""

    __slots__ = ("_lines",)

    def __init__(self, last: int, earlier: Trace | None = None) -> None:
        """Remembers at most `last` messages, those of `earlier` included."""
        self._lines: deque[TraceLine] = deque(() if earlier is None else earlier._lines, maxlen=last)

    @property
    def most(self) -> int:
        """How many messages are remembered at most."""
        return self._lines.maxlen or 0

    def add(self, line: TraceLine) -> None:
        """Adds a message."""
        self._lines.append(line)

    def lines(self) -> list[TraceLine]:
        """The messages, the oldest first."""
        return list(self._lines)
