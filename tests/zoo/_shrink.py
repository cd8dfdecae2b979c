"""Shrinking a find: the fewest faults and moves that still show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from actors.testing import Demote, FaultPlan, Schedule
from tests.zoo._entry import Entry
from tests.zoo._hunt import Found, run

Fails = Callable[[FaultPlan, Schedule], bool]


def shrink(entry: Entry, found: Found) -> Found:
    """The find with every fault and every move taken away that it can do without."""
    kind = type(found.failure)
    last = found.failure

    def fails(plan: FaultPlan, schedule: Schedule) -> bool:
        nonlocal last
        failure = run(entry.play, entry.bug, plan, schedule=schedule).failure
        if type(failure) is not kind:
            return False
        assert failure is not None
        last = failure
        return True

    schedule = _fewer_moves(found.plan, found.schedule, fails)
    plan = _fewer_faults(found.plan, schedule, fails)
    schedule = _fewer_moves(plan, schedule, fails)
    fails(plan, schedule)
    return replace(found, plan=plan, schedule=schedule, failure=last)


def _fewer_faults(plan: FaultPlan, schedule: Schedule, fails: Fails) -> FaultPlan:
    for index in reversed(range(len(plan))):
        less = plan.without(index)
        if fails(less, schedule):
            plan = less
    return plan


def _fewer_moves(plan: FaultPlan, schedule: Schedule, fails: Fails) -> Schedule:
    for simple in _simple(schedule):
        if len(simple) < len(schedule) and fails(plan, simple):
            return simple
    # Halves, quarters and so on of what is left, for as long as something goes.
    size = len(schedule) // 2
    while size:
        first = 0
        while first < len(schedule):
            less = Schedule(*schedule.moves[:first], *schedule.moves[first + size :])
            if fails(plan, less):
                schedule = less
            else:
                first += size
        size //= 2
    return schedule


def _simple(schedule: Schedule) -> Iterator[Schedule]:
    """No move at all; then one of those who were overtaken, held back for good."""
    yield Schedule()
    for move in schedule.moves:
        yield Schedule(Demote(move.path, move.step))
