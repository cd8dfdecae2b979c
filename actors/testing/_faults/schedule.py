"""The schedule as a value: first come first served, plus a few named moves.

A move names an actor by its path and that actor's own n-th step, so that it keeps its meaning when other parts of a
failing example shrink away. A step is one turn, or one resumption of a coroutine of the actor; the first is number 1.
Moves are preferences: they never block anything, and a move whose step never comes has no effect (`unused_moves`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields

from actors.testing.errors import BadSchedule


def _is_path(value: object) -> bool:
    return isinstance(value, str)


def _is_step(value: object) -> bool:
    return isinstance(value, int) and value >= 1


@dataclass(frozen=True, slots=True)
class Move:
    """Base of all moves: something happens when the actor at `path` is about to take its step number `step`."""

    path: str
    step: int

    def __post_init__(self) -> None:
        if not (_is_path(self.path) and _is_path(getattr(self, "other", ""))):
            raise BadSchedule(f"{self}: a path must be a string; that of the test itself is empty")
        if not (_is_step(self.step) and _is_step(getattr(self, "other_step", 1))):
            raise BadSchedule(f"{self}: a step must be an integer >= 1")


@dataclass(frozen=True, slots=True)
class Demote(Move):
    """From this step on the actor runs only when no other lane can; the one demoted last comes last."""


@dataclass(frozen=True, slots=True)
class Promote(Move):
    """From this step on the actor runs before all others; the one promoted last comes first."""


@dataclass(frozen=True, slots=True)
class After(Move):
    """This one step waits until the actor `other` has taken its step number `other_step`, if anything else can run."""

    other: str
    other_step: int


@dataclass(frozen=True, slots=True)
class TimerFirst(Move):
    """Time moves to the next timer before this one step, which then waits until nothing else can run.

    A slow machine does that: work is waiting, and a timeout is faster.
    """


MOVES: Mapping[str, type[Move]] = {kind.__name__: kind for kind in (Demote, Promote, After, TimerFirst)}


@dataclass(frozen=True, slots=True)
class Schedule:
    """The order in which actors run: first come first served but for the moves."""

    moves: tuple[Move, ...] = ()

    def __init__(self, *moves: Move) -> None:
        given: tuple[object, ...] = moves
        wrong = [each for each in given if not isinstance(each, Move)]
        if wrong:
            raise BadSchedule(f"Schedule takes moves one after another, not {', '.join(map(repr, wrong))}")
        object.__setattr__(self, "moves", tuple(moves))

    def __bool__(self) -> bool:
        return bool(self.moves)

    def __len__(self) -> int:
        return len(self.moves)

    def without(self, index: int) -> Schedule:
        """The schedule with one move less."""
        return Schedule(*self.moves[:index], *self.moves[index + 1 :])

    def as_json(self) -> list[dict[str, object]]:
        """Plain values that `from_json` understands."""
        return [{"move": type(move).__name__, **asdict(move)} for move in self.moves]

    @classmethod
    def from_json(cls, values: Iterable[Mapping[str, object]]) -> Schedule:
        """Reads what `as_json` wrote. Raises `BadSchedule`."""
        moves = []
        for value in values:
            kind = MOVES.get(str(value.get("move")))
            if kind is None:
                raise BadSchedule(f"unknown move {value.get('move')!r}; known: {', '.join(sorted(MOVES))}")
            given = {name: each for name, each in value.items() if name != "move"}
            if set(given) != {field.name for field in fields(kind)}:
                raise BadSchedule(f"{kind.__name__} does not take {sorted(given)}")
            moves.append(kind(**given))  # type: ignore[arg-type]
        return cls(*moves)

    def __repr__(self) -> str:
        return f"Schedule({', '.join(map(repr, self.moves))})"
