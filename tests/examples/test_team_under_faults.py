"""The team under faults: its race is found whatever the seed, becomes small, and is gone from the mended team."""

from __future__ import annotations

import pytest

from actors.testing import FaultPlan, InvariantBroken, Schedule
from examples.team_under_faults import Payer, PreparingPayer, Run, failure_of, find, smallest


def test_an_ordinary_run_shows_nothing() -> None:
    """Guards that the race is one that a plain test would miss."""
    assert failure_of(Payer, Run(FaultPlan()))[0] is None


@pytest.mark.parametrize("seed", range(5))
def test_the_race_is_found_and_becomes_small(seed: int) -> None:
    """Guards that the find does not hang on a lucky seed, and that its smallest form replays."""
    found = find(Payer, seed, count=200)
    assert found is not None
    least = smallest(Payer, found)
    assert len(least.plan) <= 2
    assert least.schedule == Schedule()
    assert isinstance(failure_of(Payer, least)[0], InvariantBroken)


def test_the_mended_team_stands_the_same_search() -> None:
    """Guards the fix that the example teaches."""
    assert find(PreparingPayer, seed=0, count=400) is None
