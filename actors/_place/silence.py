"""The watch for a place that has messages under way and does not answer: code there computes or blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from actors._core.clock import TimerHandle
from actors._core.outcomes import kind_name
from actors.events import PlaceSilent

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._place.inward import Inward
    from actors._place.traffic import Traffic


class AskedPlace(Protocol):
    """The place, as the watch needs it."""

    traffic: Traffic
    inward: Inward

    @property
    def name(self) -> str:
        """Its description, such as `process 4711`."""

    def send(self, *frame: object) -> None:
        """Sends a frame."""

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, and the seconds since then."""


class SilenceWatch:
    """Asks a place for a sign of life every `limit` seconds while messages are under way to it, and tells once when it
    has not answered for so long. On the loop thread.
    """

    def __init__(self, place: AskedPlace, cell: Cell, limit: float) -> None:
        self._place = place
        self._cell = cell
        self._limit = limit
        self._timer: TimerHandle | None = None
        self._asked: float | None = None
        """Since when it has not answered."""
        self._told = False

    def is_busy(self) -> None:
        """A message is under way."""
        if self._timer is None:
            self._arm()

    def answered(self) -> None:
        """It has answered."""
        self._asked, self._told = None, False

    def _arm(self) -> None:
        clock = self._cell.runtime.clock
        self._timer = clock.call_at(clock.now() + self._limit, self._look)

    def _look(self) -> None:
        under_way = self._place.traffic.numbered()
        if not under_way and not self._place.inward.is_busy:
            self._timer = self._asked = None
            return
        now = self._cell.runtime.now()
        if self._asked is None:
            self._asked = now
            self._place.send("ping")
        elif not self._told:
            self._told = True
            begun = under_way.get(self._place.last_begun()[0])
            silent = PlaceSilent(
                self._cell.path,
                now,
                self._cell.incarnation,
                self._place.name,
                now - self._asked,
                None if begun is None else kind_name(begun.message),
            )
            self._cell.runtime.events.publish(silent)
        self._arm()

    def close(self) -> None:
        """The place is gone."""
        if self._timer is not None:
            self._timer.cancel()
