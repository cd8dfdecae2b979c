"""One direction of a simulated link: pickled frames, which arrive in order, each at its time."""

from __future__ import annotations

import pickle
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from actors.testing._sim.lanes import Lane
from actors.testing._sim.loop import SimLoop

if TYPE_CHECKING:
    from actors._place.link import Frame


class OnTheWay(NamedTuple):
    """A frame that has left one end."""

    due: float
    """The time at which it arrives, if the one before it has."""
    body: bytes
    late: bool
    """Whether a fault holds it up: it is not there yet when the process ends."""


class Wire:
    """Carries frames to one end. Every arrival is a step of its own."""

    def __init__(self, loop: SimLoop, lane: Lane, arrived: Callable[[Frame], object]) -> None:
        """`arrived` gets each frame, on the simulated event loop and in no context of an actor."""
        self._loop = loop
        self._lane = lane
        self._arrived = arrived
        self._frames: deque[OnTheWay] = deque()
        self._timer: TimerHandle | None = None
        self._cut_until = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether no frame is on its way."""
        return not self._frames

    @property
    def last_due(self) -> float:
        """The time at which the last frame arrives that is on its way; 0: none is."""
        return self._frames[-1].due if self._frames else 0.0

    def put(self, body: bytes, delay: float, *, late: bool) -> None:
        """Takes a frame, which arrives after so many seconds, and after those before it."""
        now = self._loop.time()
        due = max(now + delay, self._cut_until)
        late = late or self._cut_until > now
        if self._frames:
            last = self._frames[-1]
            due, late = max(due, last.due), late or last.late
        self._frames.append(OnTheWay(due, body, late))
        if len(self._frames) == 1:
            self._arm()

    def cut(self, until: float) -> None:
        """Nothing arrives before that time."""
        self._cut_until = max(self._cut_until, until)
        self._put_off(self._cut_until)

    def heal(self) -> None:
        """Every frame that a fault holds up arrives now."""
        now = self._loop.time()
        self._cut_until = 0.0
        self._frames = deque(OnTheWay(min(each.due, now), each.body, late=False) for each in self._frames)
        self._arm()

    def arrive_now(self) -> None:
        """The frames that are there are taken at once: the other end is gone. Those that are held up come later."""
        while self._frames and not self._frames[0].late:
            self._arrived(pickle.loads(self._frames.popleft().body))  # noqa: S301 - the simulation's own
        self._arm()

    def close(self) -> None:
        """Nothing arrives any more."""
        self._frames.clear()
        self._arm()

    def _put_off(self, until: float) -> None:
        self._frames = deque(
            OnTheWay(max(each.due, until), each.body, late=each.late or each.due < until) for each in self._frames
        )
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._frames:
            self._timer = self._loop.lane_at(self._lane, self._frames[0].due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        body = self._frames.popleft().body
        self._arm()
        self._arrived(pickle.loads(body))  # noqa: S301 - the simulation's own
