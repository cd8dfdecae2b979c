"""Shrinking a find: the fewest faults and moves that still show it."""

from __future__ import annotations

from dataclasses import replace

from actors.testing import FaultPlan, OracleFailure, Schedule
from actors.testing import shrink as shrink_values
from tests.zoo._entry import Entry
from tests.zoo._hunt import Found, run


def shrink(entry: Entry, found: Found) -> Found:
    """The find with every fault and every move taken away that it can do without."""

    def failure(plan: FaultPlan, schedule: Schedule) -> OracleFailure | None:
        return run(entry.play, entry.bug, plan, schedule=schedule).failure

    def fails(plan: FaultPlan, schedule: Schedule) -> bool:
        return type(failure(plan, schedule)) is type(found.failure)

    plan, schedule = shrink_values(fails, found.plan, found.schedule)
    last = failure(plan, schedule)
    assert last is not None, f"{entry}: what shrank showed the bug once and not again"
    return replace(found, plan=plan, schedule=schedule, failure=last)
