"""Makes a find small: the fewest faults and moves that still show it, at the earliest places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain

from actors.testing._faults.plan import FaultPlan
from actors.testing._faults.schedule import After, Demote, Schedule

Fails = Callable[[FaultPlan, Schedule], bool]
"""Runs the test once; whether it still fails in the same way."""


def shrink(fails: Fails, plan: FaultPlan, schedule: Schedule) -> tuple[FaultPlan, Schedule]:
    """Returns the plan and the schedule with only the faults and moves that the failure needs.

    The record of a search may have hundreds of moves; one `Demote` with the same effect is tried first. Runs the test
    some dozens of times, at most about twice as often as there are moves.
    """
    schedule = fewer_moves(lambda less: fails(plan, less), schedule)
    for index in reversed(range(len(plan))):
        if fails(plan.without(index), schedule):
            plan = plan.without(index)
    plan = next((one for one in _alone(plan) if fails(one, schedule)), plan)
    return plan, fewer_moves(lambda less: fails(plan, less), schedule)


def _alone(plan: FaultPlan) -> Iterator[FaultPlan]:
    """One fault alone, at another message: it may have the same effect as several."""
    if len(plan) < 2:
        return
    numbers = [number for each in plan.faults if (number := getattr(each, "nth", None)) is not None]
    for fault in plan.faults:
        if hasattr(fault, "nth"):
            for nth in range(1, max(numbers) + 3):
                yield FaultPlan(replace(fault, nth=nth))  # type: ignore[call-arg]


def fewer_moves(fails: Callable[[Schedule], bool], schedule: Schedule) -> Schedule:
    """The same for the moves alone."""
    if not schedule or fails(Schedule()):
        return Schedule()
    simple = next((less for less in _simple(schedule) if fails(less)), None)
    return _earlier(fails, simple or _halved(fails, schedule))


def _simple(schedule: Schedule) -> Iterator[Schedule]:
    """Schedules that hold back one of the overtaken lanes, to the end."""
    if len(schedule) > 1 or any(isinstance(move, After) for move in schedule.moves):
        for path, step in dict.fromkeys((move.path, move.step) for move in schedule.moves):
            yield Schedule(Demote(path, step))


def _halved(fails: Callable[[Schedule], bool], schedule: Schedule) -> Schedule:
    """Takes halves, quarters and so on away, as long as the failure stays."""
    size = max(1, len(schedule) // 2)
    while size and schedule:
        first = 0
        while first < len(schedule):
            less = Schedule(*schedule.moves[:first], *schedule.moves[first + size :])
            if fails(less):
                schedule = less
            else:
                first += size
        size //= 2
    return schedule


def _earlier(fails: Callable[[Schedule], bool], schedule: Schedule) -> Schedule:
    """Puts every move at the earliest step of its actor that still shows the failure."""
    for index, move in enumerate(schedule.moves):
        for step in chain(range(1, min(move.step, 4)), (move.step // 2, move.step - 1)):
            if not 0 < step < move.step:
                continue
            less = Schedule(*schedule.moves[:index], replace(move, step=step), *schedule.moves[index + 1 :])
            if fails(less):
                schedule = less
                break
    return schedule
