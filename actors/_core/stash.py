"""The stash: messages that their handlers have put aside, in the order in which they came, and messages whose handlers
were cut off, until the incarnation has ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from actors._core.envelope import Envelope

if TYPE_CHECKING:
    from actors._core.cell import Cell


class Stash:
    """The stashed messages of a cell. Only one that has kept a message has this object."""

    __slots__ = ("_aside", "_cell", "_cut_off")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._aside: deque[Envelope] = deque()
        self._cut_off: list[Envelope] = []
        """In the order in which their handlers ended."""

    def __len__(self) -> int:
        return len(self._aside)

    def __iter__(self) -> Iterator[Envelope]:
        return iter(self._aside)

    def put(self, envelope: Envelope) -> None:
        """Puts the message being handled aside: a copy waits here, and takes over the duty to answer."""
        envelope.aside = True
        aside = Envelope(envelope.message, envelope.sender, envelope.reply, envelope.deadline, envelope.correlation_id)
        aside.crashes = getattr(envelope, "crashes", 0)
        if getattr(envelope, "quiet", False):
            aside.quiet = True
        observer = self._cell.runtime.observer
        self._aside.append(aside if observer is None else observer.stashed(self._cell, envelope, aside))
        if envelope.reply is not None:
            envelope.reply = None

    def keep(self, envelope: Envelope) -> None:
        """Keeps a message whose handler was cut off by the crash of another for the next incarnation."""
        self._cut_off.append(envelope)

    def give_back(self) -> None:
        """Puts the messages that were put aside to the front of the queue."""
        while self._aside:
            self._cell.queue.appendleft(self._aside.pop())

    def empty(self) -> None:
        """The incarnation has ended: puts the messages to the front of the queue, those that were cut off behind those
        that were put aside.
        """
        for envelope in reversed(self._cut_off):
            self._cell.queue.appendleft(envelope)
        self._cut_off.clear()
        self.give_back()

    def recall(self, envelope: Envelope) -> bool:
        """Takes a message out whose own handler put it here and then crashed: the crash decides what becomes of it.
        False where it is not here any more.
        """
        for aside in self._aside:
            if aside.message is envelope.message:
                self._aside.remove(aside)
                envelope.aside = False
                if aside.reply is not None:
                    envelope.reply = aside.reply
                if self._cell.runtime.observer is not None:
                    self._cell.runtime.observer.recalled(self._cell, envelope)
                return True
        return False
