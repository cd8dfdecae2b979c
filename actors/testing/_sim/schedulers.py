"""Schedulers: they choose the lane that goes next. One object serves one run.

First come, first served with named moves is replayed and shrunk; the others search. A search runs fast and records
nothing: when it has found a failure, the same seed is run again under a `Recorder`, which writes the run down as moves.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import ClassVar

from actors.testing._faults.schedule import After, Demote, Move, Promote, Schedule, TimerFirst
from actors.testing._sim.lanes import Lane, Scheduler
from actors.testing.errors import BadSchedule

LENGTH = 200
"""The number of steps of a run that is assumed where none is given."""


SEARCHES = ("random", "pct3", "pos", "lag", "pct5", "lag2")
"""The kinds of the portfolio, in the order in which they take turns."""


def first_come(lane: Lane) -> int:
    """The arrival number of what the lane would run."""
    return lane.queue[0][0]


class Fifo:
    """First come, first served."""

    plain = True

    def pick(self, lanes: list[Lane]) -> Lane | None:
        return min(lanes, key=first_come)


class Moved:
    """First come, first served, but for the moves of a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.plain = not schedule
        self.lanes: Mapping[str, Lane] = {}
        """All lanes, by path: put here by the code that makes the loop."""
        self._by_path: dict[str, list[tuple[int, Move]]] = {}
        for index, move in enumerate(schedule.moves):
            self._by_path.setdefault(move.path, []).append((index, move))
        for moves in self._by_path.values():
            moves.sort(key=lambda each: (each[1].step, each[0]))
        self._once: dict[str, tuple[int, After | None]] = {}
        self._level = 0
        self.used: set[int] = set()
        """The indices of the moves whose step has come."""

    def pick(self, lanes: list[Lane]) -> Lane | None:
        jump = False
        for lane in lanes:
            moves = self._by_path.get(lane.path)
            while moves and moves[0][1].step <= lane.steps + 1:
                index, move = moves.pop(0)
                if move.step == lane.steps + 1:
                    self.used.add(index)
                    jump = self._apply(move, lane) or jump
        if jump:
            return None
        return min(lanes, key=self._order)

    def _apply(self, move: Move, lane: Lane) -> bool:
        """Does what the move says; returns whether time has to move first."""
        self._level += 1
        match move:
            case Demote():
                lane.level = -self._level
            case Promote():
                lane.level = self._level
            case After():
                self._once[lane.path] = lane.steps, move
            case TimerFirst():
                self._once[lane.path] = lane.steps, None
                return True
        return False

    def _order(self, lane: Lane) -> tuple[bool, int, int]:
        return self._waits(lane), -lane.level, lane.queue[0][0]

    def _waits(self, lane: Lane) -> bool:
        """Whether a move holds this one step back."""
        once = self._once.get(lane.path)
        if once is None:
            return False
        step, after = once
        if step == lane.steps and (after is None or self._steps_of(after.other) < after.other_step):
            return True
        del self._once[lane.path]
        return False

    def _steps_of(self, path: str) -> int:
        lane = self.lanes.get(path)
        return 0 if lane is None else lane.steps


class RandomWalk:
    """Any actor that can run is as likely as any other. The fastest at shallow races."""

    plain = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, lanes: list[Lane]) -> Lane | None:
        return lanes[int(self._random.random() * len(lanes))] if len(lanes) > 1 else lanes[0]


class PCT:
    """Probabilistic concurrency testing: every actor has a random priority, and at `depth - 1` random steps the one
    that would run becomes the last.

    Finds a bug that needs `depth` ordering constraints with a known probability. `length` is a guess at the number of
    steps.
    """

    plain = False

    def __init__(self, seed: int, depth: int = 3, length: int = LENGTH) -> None:
        self._random = random.Random(seed)
        self._changes = sorted(self._random.randrange(length) for _ in range(depth - 1))
        self._picks = 0
        self._lowest = 0.0

    def pick(self, lanes: list[Lane]) -> Lane | None:
        for lane in lanes:
            if not lane.ranked:
                lane.ranked, lane.rank = 1, self._random.random()
        self._picks += 1
        best = max(lanes, key=_rank)
        if self._changes and self._picks > self._changes[0]:
            del self._changes[0]
            self._lowest -= 1.0
            best.rank = self._lowest
            best = max(lanes, key=_rank)
        return best


class Lag:
    """First come, first served, but at a few random steps the one that would run becomes the last, as by one
    named move.

    Finds bugs that need one actor to stop at one place for long.
    """

    plain = False

    def __init__(self, seed: int, lags: int = 1, length: int = LENGTH) -> None:
        drawn = random.Random(seed)
        self._changes = sorted(drawn.randrange(length) for _ in range(lags))
        self._picks = 0
        self._lowest = 0

    def pick(self, lanes: list[Lane]) -> Lane | None:
        self._picks += 1
        best = min(lanes, key=_level)
        if self._changes and self._picks > self._changes[0]:
            del self._changes[0]
            self._lowest -= 1
            best.level = self._lowest
            best = min(lanes, key=_level)
        return best


class POS:
    """Partial order sampling: every single step has a random priority."""

    plain = False

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, lanes: list[Lane]) -> Lane | None:
        for lane in lanes:
            if lane.ranked != lane.queue[0][0]:
                lane.ranked, lane.rank = lane.queue[0][0], self._random.random()
        return max(lanes, key=_rank)


def _level(lane: Lane) -> tuple[int, int]:
    return -lane.level, lane.queue[0][0]


def _rank(lane: Lane) -> float:
    return lane.rank


class Recorder:
    """Lets another scheduler choose and writes down, as moves, what it did differently from first come, first served.

    Every step that was overtaken waits for the last step that overtook it. Replayed, this is the same run exactly.
    """

    plain = False

    def __init__(self, inner: Scheduler) -> None:
        self._inner = inner
        self._waits: dict[tuple[str, int], tuple[str, int]] = {}

    def pick(self, lanes: list[Lane]) -> Lane | None:
        chosen = Fifo().pick(lanes) if self._inner.plain else self._inner.pick(lanes)
        if chosen is not None and len(lanes) > 1:
            number = first_come(chosen)
            for lane in lanes:
                if first_come(lane) < number:
                    self._waits[lane.path, lane.steps + 1] = chosen.path, chosen.steps + 1
        return chosen

    @property
    def schedule(self) -> Schedule:
        """The run so far."""
        return Schedule(*(After(*step, *other) for step, other in self._waits.items()))


class Strategy:
    """A kind of search and its seed, as a value. It makes a new scheduler for each run."""

    KINDS: ClassVar[dict[str, Callable[[int, int], Scheduler]]] = {
        "fifo": lambda seed, length: Fifo(),
        "lag": lambda seed, length: Lag(seed, 1, length),
        "lag2": lambda seed, length: Lag(seed, 2, length),
        "random": lambda seed, length: RandomWalk(seed),
        "pct2": lambda seed, length: PCT(seed, 2, length),
        "pct3": lambda seed, length: PCT(seed, 3, length),
        "pct5": lambda seed, length: PCT(seed, 5, length),
        "pos": lambda seed, length: POS(seed),
    }

    def __init__(self, kind: str, seed: int = 0, length: int = LENGTH) -> None:
        """`kind` is one of `KINDS`; `length` is a guess at the number of steps of a run."""
        if kind not in self.KINDS:
            raise BadSchedule(f"unknown search {kind!r}; known: {', '.join(sorted(self.KINDS))}")
        self.kind = kind
        self.seed = seed
        self.length = max(1, length)

    def make(self) -> Scheduler:
        """A scheduler for one run."""
        return self.KINDS[self.kind](self.seed, self.length)

    def __repr__(self) -> str:
        return self.kind if self.kind == "fifo" else f"{self.kind}(seed={self.seed})"


def portfolio(count: int, seed: int, length: int = LENGTH) -> tuple[Strategy, ...]:
    """Returns `count` searches: first come, first served once, then each kind in turn. No kind finds every bug.

    `length` is the assumed number of steps of a run.
    """
    found = [Strategy("fifo")]
    found += [Strategy(SEARCHES[index % len(SEARCHES)], seed + index, length) for index in range(count - 1)]
    return tuple(found[:count])
