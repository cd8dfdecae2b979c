"""Hypothesis strategies for fault plans and schedules. Everything is drawn before a run begins.

Hypothesis is imported where a strategy is made, and not before: the pytest plugin loads this package in every test run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from actors.testing._errors import BadPlan, BadSchedule
from actors.testing._faults import KINDS, ClockJump, DelayMessage, Fault, FaultPlan, Kill, Slow
from actors.testing._schedule import After, Demote, Move, Promote, Schedule, TimerFirst

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

ANYBODY: Mapping[str, int] = {"": 20, "client-0": 20}
"""Who takes steps in every simulation: the test itself, and the first client of a workload."""
REAL: tuple[type[Fault], ...] = tuple(
    kind for name, kind in KINDS.items() if name not in ("DropMessage", "DuplicateMessage", "DelayMessage")
)
"""The kinds that happen in one process. Messages are lost, doubled and late only on their way from another machine."""
SECONDS = (0.1, 1.0, 5.0, 30.0, 60.0)
"""Spans of time that programs are written with: what coincides shows more than what nearly does."""


def plans(
    *paths: str,
    max_faults: int = 3,
    kinds: Iterable[type[Fault]] = REAL,
    most: int = 8,
    times: int = 1,
    until: float = 30.0,
    seconds: Sequence[float] = SECONDS,
) -> SearchStrategy[FaultPlan]:
    """Fault plans. Which kinds are on is drawn first, so that a kind that is off cannot hide what another would show.

    Args:
        paths: patterns of the actors to aim at, such as `"team/**"`; everybody by default
        max_faults: how many faults a plan has at most
        kinds: the kinds that may be on; by default all that happen in one process, which is all but messages that are
            dropped, doubled or delayed
        most: the highest message, start or stop that a fault waits for
        times: how often one fault fires at most; a supervisor's budget bears only so many crashes
        until: the last moment, in virtual seconds, of the faults that come at a time
        seconds: the spans of time that `Slow` and `DelayMessage` may take

    Raises:
        BadPlan: no kind, an unknown one, or a number below one
    """
    from hypothesis import strategies as st

    chosen = tuple(kinds)
    targets = paths or ("**",)
    unknown = [kind for kind in chosen if kind not in KINDS.values()]
    if unknown or not chosen:
        raise BadPlan(f"plans(kinds={list(kinds)!r}): give some of {', '.join(sorted(KINDS))}")
    if min(max_faults, most, times) < 1 or until < 0 or not seconds:
        raise BadPlan(
            f"plans(max_faults={max_faults}, most={most}, times={times}, until={until}, seconds={seconds}): "
            "at least one of each, and times from zero"
        )
    for path in targets:
        Fault(path)  # refuses an empty pattern here, and not in the middle of a search

    @st.composite
    def plans(draw: DrawFn) -> FaultPlan:
        on = draw(st.lists(st.sampled_from(chosen), unique=True, max_size=min(len(chosen), max_faults)))
        if not on:
            return FaultPlan()
        one = st.one_of(*(faults(kind, targets, most=most, times=times, until=until, seconds=seconds) for kind in on))
        return FaultPlan(*draw(st.lists(one, min_size=1, max_size=max_faults)))

    return plans()


def faults(
    kind: type[Fault],
    paths: Sequence[str] = ("**",),
    *,
    most: int = 8,
    times: int = 1,
    until: float = 30.0,
    seconds: Sequence[float] = SECONDS,
) -> SearchStrategy[Fault]:
    """Faults of one kind; the arguments are those of `plans`."""
    from hypothesis import strategies as st

    at = st.integers(0, max(1, round(until * 4))).map(lambda quarter: min(until, quarter / 4))
    if kind is ClockJump:
        return st.builds(ClockJump, at=at, seconds=st.sampled_from((1.0, 60.0, 3600.0, -60.0)))
    nth = st.integers(1, most)
    where = st.sampled_from(tuple(paths))
    if kind is Kill:
        return st.one_of(st.builds(Kill, where, nth=nth), st.builds(Kill, where, nth=nth, at=at))
    if kind in (Slow, DelayMessage):
        return st.builds(kind, where, nth=nth, seconds=st.sampled_from(tuple(seconds)))
    return st.builds(kind, where, nth=nth, times=st.integers(1, times))


def moves(
    cast: Mapping[str, int] = ANYBODY, *, kinds: Iterable[type[Move]] = (Demote, Promote, TimerFirst)
) -> SearchStrategy[Move]:
    """Moves of the actors of `cast`: their paths, each with the number of steps it takes."""
    from hypothesis import strategies as st

    chosen = tuple(kinds)
    if not cast or not chosen or any(steps < 1 for steps in cast.values()):
        raise BadSchedule(f"moves({dict(cast)!r}): give paths, each with its number of steps, at least one")

    @st.composite
    def moves(draw: DrawFn) -> Move:
        kind = draw(st.sampled_from(chosen))
        path = draw(st.sampled_from(sorted(cast)))
        step = draw(st.integers(1, cast[path]))
        if kind is not After:
            return kind(path, step)
        other = draw(st.sampled_from(sorted(cast)))
        return After(path, step, other, draw(st.integers(1, cast[other])))

    return moves()


def schedules(cast: Mapping[str, int] = ANYBODY, *, max_moves: int = 3) -> SearchStrategy[Schedule]:
    """Schedules of few named moves; none is the simplest. `cast` as for `moves`."""
    from hypothesis import strategies as st

    if max_moves < 0:
        raise BadSchedule(f"schedules(max_moves={max_moves}): at least zero")
    return st.lists(moves(cast), max_size=max_moves).map(lambda each: Schedule(*each))
