"""The team under faults: its race is found, becomes small, replays, and is gone from the mended team."""

from __future__ import annotations

import re

from actors.testing import FaultPlan, InvariantBroken, Replay, Simulation, simulate, simulation
from examples import team_under_faults as example
from examples.team_under_faults import Payer, PreparingPayer, outcome, play, trouble


def test_an_ordinary_run_shows_nothing() -> None:
    """Guards that the race is one that a plain test would miss."""
    with simulation() as sim:
        play(sim, Payer)


def test_the_race_is_found_and_becomes_one_fault() -> None:
    """Guards that the find does not hang on luck, and that its smallest form is small."""
    failure = outcome(example.test_the_team)
    assert isinstance(failure, InvariantBroken)
    found = re.search(r"--sim-replay (\S+)", failure.__notes__[0])
    assert found is not None
    replay = Replay.decode(found.group(1))
    assert len(replay.plan) + len(replay.schedule) == 1


def test_the_pasted_example_still_shows_it() -> None:
    """Guards the line that the example teaches a reader to paste."""
    assert isinstance(outcome(example.test_what_was_found), InvariantBroken)


def test_the_mended_team_stands_the_same_search() -> None:
    """Guards the fix that the example teaches."""

    @simulate(plan=trouble, examples=100, schedules=4)
    def mended(sim: Simulation, plan: FaultPlan) -> None:
        play(sim, PreparingPayer)

    mended()
