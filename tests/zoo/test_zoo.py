"""The test of the testing kit: it finds every known bug, says which one it is, and accuses nobody else."""

from __future__ import annotations

import pytest

from actors.testing import FaultPlan, InvariantBroken, Schedule, Slow, simulation
from tests.zoo import ZOO, Entry, accuse, hunt, run, shrink
from tests.zoo.asks import Reader, stale_reply

every_entry = pytest.mark.parametrize("entry", ZOO, ids=str)


def test_the_zoo_is_complete() -> None:
    """Guards against an entry that was written and never looked at: twenty-one bugs, each of its own name."""
    assert len({entry.name for entry in ZOO}) == len(ZOO) == 21


@every_entry
def test_a_bug_hides_from_an_ordinary_run(entry: Entry) -> None:
    """Guards the worth of the zoo: a bug that shows first come, first served and without faults needs no hunt."""
    assert run(entry.play, entry.bug, FaultPlan(), schedule=Schedule()).failure is None


@every_entry
@pytest.mark.parametrize("seed", range(3))
def test_a_bug_is_found_within_two_hundred_schedules(entry: Entry, seed: int) -> None:
    """Guards what the kit is for; and the oracle that speaks is the one that knows this bug."""
    found = hunt(entry, seed, schedules=200)
    assert found is not None
    assert type(found.failure) is entry.shows


@every_entry
def test_a_find_replays_and_shrinks(entry: Entry) -> None:
    """Guards that plan and moves are all there is to a run, and that few of them tell the story."""
    found = hunt(entry, 0)
    assert found is not None
    again = run(entry.play, entry.bug, found.plan, schedule=found.schedule)
    assert repr(again.failure) == repr(found.failure)
    least = shrink(entry, found)
    assert type(least.failure) is entry.shows
    assert len(least.plan) <= 2
    assert len(least.schedule) <= 3


@every_entry
def test_a_twin_is_not_accused(entry: Entry) -> None:
    """Guards against false alarms: the twin differs in one thing, and that thing was the bug."""
    assert accuse(entry, 0, schedules=200) is None


def test_a_failed_run_leaves_no_task_behind() -> None:
    """Guards the taking down of a run whose actors still have messages: what begins anew meanwhile is ended, too."""
    sim = simulation(FaultPlan(Slow("library", nth=3, seconds=1.5), Slow("library", nth=4, seconds=1.5)), strict=False)
    with pytest.raises(InvariantBroken), sim:
        stale_reply(sim, Reader)
    assert sim.loop.tasks == []
