"""Lanes: the steps that are ready to run, by their owner."""

from __future__ import annotations

from asyncio import Handle
from collections import deque
from contextvars import ContextVar
from typing import Protocol

from actors._core.cell import Cell
from actors._name import NAME

Item = Handle | Cell
"""A step that can run next: a callback of the loop, or a turn of an actor."""

OUTSIDE = ""
"""The name of the lane of everything that belongs to no actor: the test's own tasks, the runtime's services."""


class Lane:
    """The steps that wait to run on behalf of one actor, first come, first served. Lives as long as the simulation.

    Its order is never changed: messages of one sender keep their order (supervision rule 33), and so does what asyncio
    assumes of
    the callbacks of one task. A schedule only chooses between lanes.
    """

    __slots__ = ("level", "path", "queue", "rank", "ranked", "steps")

    def __init__(self, path: str) -> None:
        self.path = path
        self.steps = 0
        """How many steps this actor has taken."""
        self.queue: deque[tuple[int, Item]] = deque()
        """The waiting steps, each with its arrival number; unused if the schedule is plain first come, first served."""
        self.level = 0
        """Lanes of a higher level go first; set by moves."""
        self.rank = 0.0
        """A scheduler's own."""
        self.ranked = 0
        """The arrival number `rank` was drawn for."""

    def __repr__(self) -> str:
        return f"<Lane {self.path or 'outside'} at step {self.steps}>"


class HasLane(Protocol):
    """Something whose work is done in a lane."""

    @property
    def lane(self) -> Lane | None: ...


current_lane: ContextVar[HasLane | None] = ContextVar(f"{NAME}_current_lane", default=None)
"""The owner of the running code, if it does not belong to an actor: a client of a workload, or a carrier."""


class Scheduler(Protocol):
    """Chooses which lane goes next. One object serves one run."""

    plain: bool
    """Whether this is first come, first served, which the loop does by itself."""

    def pick(self, lanes: list[Lane], /) -> Lane | None:
        """One of these lanes, none of which is empty; `None`: let time move to the next timer first."""
        ...
