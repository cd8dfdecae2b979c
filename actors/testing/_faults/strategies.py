"""Hypothesis strategies for fault plans and schedules. Everything is drawn before a run begins.

Hypothesis is imported where a strategy is made, and not before: the pytest plugin loads this package in every test run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from actors._extras import needs_extra
from actors.testing._faults.exceptions import EXCEPTIONS
from actors.testing._faults.plan import (
    KINDS,
    OF_PROCESSES,
    PLACES,
    ClockJump,
    CutLink,
    DelayMessage,
    Fault,
    FaultPlan,
    FreezePlace,
    Kill,
    KillPlace,
    LoseZygote,
    Raise,
    Slow,
    SlowLink,
)
from actors.testing._faults.schedule import After, Demote, Move, Promote, Schedule, TimerFirst
from actors.testing.errors import BadFaultPlan, BadSchedule

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

ANYBODY: Mapping[str, int] = {"": 20, "client-0": 20}
"""The lanes of every simulation: the test itself, and the first client of a workload."""
REAL: tuple[type[Fault], ...] = tuple(
    kind
    for name, kind in KINDS.items()
    if name not in ("DropMessage", "DuplicateMessage", "DelayMessage") and kind not in OF_PROCESSES
)
"""The kinds that happen in one process. Only messages from another machine are lost, doubled or late."""
FRAMES = 4
"""How many frames there are about for each message: faults count the ones or the others."""
SECONDS = (0.1, 1.0, 5.0, 30.0, 60.0)
"""Spans of time that programs use: times that coincide show more bugs than times that nearly do."""

ORDINARY = ("Exception",)
"""The exceptions that `Raise` raises by default."""

OFTEN = 3
"""The weight of a kill at a moment among all sorts of faults: no other fault reaches an idle actor."""


def plans(
    *paths: str,
    max_faults: int = 3,
    kinds: Iterable[type[Fault]] = REAL,
    most: int = 8,
    times: int = 1,
    until: float = 30.0,
    seconds: Sequence[float] = SECONDS,
    exceptions: Sequence[str] = ORDINARY,
) -> SearchStrategy[FaultPlan]:
    """A strategy of fault plans. The kinds are drawn first, so that one kind cannot hide the bugs of another.

    Args:
        paths: patterns of the actors to aim at, such as `"team/**"`; all by default
        max_faults: how many faults a plan has at most
        kinds: the kinds that may be on; by default all that happen in one process, which is all but messages that are
            dropped, doubled or delayed, and `faults.OF_PROCESSES`, which is for actors with a process of their own
        most: the highest number of the message, start or stop at which a fault happens
        times: how often one fault fires at most; a supervisor's budget allows only so many crashes
        until: the last moment, in virtual seconds, of the faults that come at a time
        seconds: the spans of time that `Slow` and `DelayMessage` may take
        exceptions: the names of what `Raise` may raise; an ordinary exception by default, `faults.EXCEPTIONS` for
            whatever Python can raise

    Raises:
        BadFaultPlan: an empty pattern, no kind or no exception or an unknown one, a number < 1, or a time that is
            negative or infinite; with all faults at once
    """
    with needs_extra():
        from hypothesis import strategies as st

    targets = paths or ("**",)
    chosen, spans, raised = _several(kinds), _several(seconds), _several(exceptions)
    _refuse(
        "plans",
        [
            *_wrong_kinds(chosen, kinds),
            *_wrong_paths(targets),
            *_wrong_counts(max_faults=max_faults, most=most, times=times),
            *_wrong_spans(until, spans, seconds),
            *_wrong_exceptions(raised, exceptions),
        ],
    )

    sorts = [
        sort
        for kind in chosen
        for sort in _sorts(kind, targets, most=most, times=times, until=float(until), seconds=spans, exceptions=raised)
    ]

    @st.composite
    def plans(draw: DrawFn) -> FaultPlan:
        places = st.integers(0, len(sorts) - 1)
        on = draw(st.lists(places, unique=True, max_size=min(len(sorts), max_faults)))
        if not on:
            return FaultPlan()
        one = st.one_of(*(sorts[place] for place in on))
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
    exceptions: Sequence[str] = ORDINARY,
) -> SearchStrategy[Fault]:
    """Faults of one kind; the other arguments, and the errors, are those of `plans`."""
    with needs_extra():
        from hypothesis import strategies as st

    spans, raised = _several(seconds), _several(exceptions)
    _refuse(
        "faults.of_kind",
        [
            *_wrong_kinds((kind,), kind),
            *(_wrong_paths(paths) if not isinstance(paths, str) else [f"paths={paths!r}: give several, as a list"]),
            *_wrong_counts(most=most, times=times),
            *_wrong_spans(until, spans, seconds),
            *_wrong_exceptions(raised, exceptions),
        ],
    )
    return st.one_of(*_sorts(kind, paths, most=most, times=times, until=float(until), seconds=spans, exceptions=raised))


def _sorts(
    kind: type[Fault],
    paths: Sequence[str],
    *,
    most: int,
    times: int,
    until: float,
    seconds: Sequence[float],
    exceptions: Sequence[str],
) -> list[SearchStrategy[Fault]]:
    """The faults of one kind, in as many sorts as there are ways to time them.

    A kill at a message and a kill at a moment are two.
    """
    with needs_extra():
        from hypothesis import strategies as st

    at = st.integers(0, max(1, round(until * 4))).map(lambda quarter: min(until, quarter / 4))
    if kind is ClockJump:
        return [st.builds(ClockJump, at=at, seconds=st.sampled_from((1.0, 60.0, 3600.0, -60.0)))]
    nth = st.integers(1, most)
    where = st.sampled_from(tuple(paths))
    if kind is Kill:
        return [st.builds(Kill, where, nth=nth), *[st.builds(Kill, where, nth=nth, at=at)] * OFTEN]
    if kind is Raise:
        place, exception = st.sampled_from(PLACES), st.sampled_from(tuple(exceptions))
        return [st.builds(Raise, where, place=place, exception=exception, nth=nth, times=st.integers(1, times))]
    frame = st.integers(1, FRAMES * most)
    if kind is KillPlace:
        return [st.builds(KillPlace, where, nth=frame, times=st.integers(1, times)), st.builds(KillPlace, where, at=at)]
    if kind is LoseZygote:
        return [st.builds(LoseZygote, where, nth=nth), st.builds(LoseZygote, where, at=at)]
    if kind in (FreezePlace, CutLink, SlowLink):
        return [st.builds(kind, where, nth=frame, seconds=st.sampled_from(tuple(seconds)))]
    if kind in (Slow, DelayMessage):
        return [st.builds(kind, where, nth=nth, seconds=st.sampled_from(tuple(seconds)))]
    return [st.builds(kind, where, nth=nth, times=st.integers(1, times))]


def _several(given: object) -> tuple[Any, ...]:
    """The given values of an argument that takes several; empty: the argument is not a collection."""
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else ()


def _refuse(call: str, wrong: Sequence[str]) -> None:
    if wrong:
        raise BadFaultPlan(f"{call}: {'; '.join(wrong)}")


def _wrong_kinds(chosen: Sequence[object], given: object) -> Iterator[str]:
    if not chosen or any(kind not in KINDS.values() for kind in chosen):
        yield f"kinds={list(chosen) or given!r}: give a list of some of {', '.join(sorted(KINDS))}"


def _wrong_paths(paths: Iterable[object]) -> Iterator[str]:
    for path in paths:
        if not isinstance(path, str) or not path:
            yield f"{path!r} names no actor: give a path or a pattern such as 'team/**'"


def _wrong_counts(**counts: object) -> Iterator[str]:
    for name, value in counts.items():
        if not isinstance(value, int) or value < 1:
            yield f"{name}={value!r}: must be an integer >= 1"


def _wrong_spans(until: object, spans: Sequence[object], given: object) -> Iterator[str]:
    if not _is_span(until):
        yield f"until={until!r}: must be a finite number of seconds >= 0"
    if not spans or not all(map(_is_span, spans)):
        yield f"seconds={given!r}: give a list of seconds, each a finite number >= 0"


def _wrong_exceptions(exceptions: Sequence[object], given: object) -> Iterator[str]:
    if not exceptions or any(each not in EXCEPTIONS for each in exceptions):
        yield f"exceptions={given!r}: give a list of some of {', '.join(EXCEPTIONS)}"


def _is_span(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def moves(
    cast: Mapping[str, int] = ANYBODY, *, kinds: Iterable[type[Move]] = (Demote, Promote, TimerFirst)
) -> SearchStrategy[Move]:
    """Moves of the actors of `cast`: their paths, each with the number of steps it takes."""
    with needs_extra():
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
    with needs_extra():
        from hypothesis import strategies as st

    most: object = max_moves
    if not isinstance(most, int) or most < 0:
        raise BadSchedule(f"schedules(max_moves={max_moves!r}): must be an integer >= 0")
    return st.lists(moves(cast), max_size=max_moves).map(lambda each: Schedule(*each))
