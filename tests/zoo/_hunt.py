"""Hunting a bug: fault plans and schedules, until an oracle speaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from actors.testing import FaultPlan, OracleFailure, Schedule, Strategy, portfolio, simulation
from tests.zoo._entry import Entry, Play

PER_PLAN = 3
"""How many schedules each fault plan is tried under."""


@dataclass(frozen=True)
class Found:
    """A bug was found."""

    schedules: int
    """The number of the schedule that showed it, from 1."""
    plan: FaultPlan
    schedule: Schedule
    """The order of steps as moves; replayed, they are the same run."""
    failure: OracleFailure


@dataclass(frozen=True)
class Try:
    """What one run is made of."""

    plan: FaultPlan
    search: Strategy


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    failure: OracleFailure | None
    """What an oracle said."""
    schedule: Schedule
    """The order of steps, where it was recorded."""
    steps: int


FIRST = Try(FaultPlan(), Strategy("fifo"))
"""Every campaign begins with an ordinary run, which shows nothing but how long a run is."""


def run(
    play: Play,
    part: Any,
    plan: FaultPlan,
    *,
    search: Strategy | None = None,
    schedule: Schedule | None = None,
    record: bool = False,
) -> Outcome:
    """Runs a program once, with a part that has the bug or with its twin."""
    sim = simulation(plan, schedule, search=search, strict=False, record=record)
    failure = None
    try:
        with sim:
            play(sim, part)
    except OracleFailure as error:
        failure = error
    return Outcome(failure, sim.schedule, sim.loop.steps)


def campaign(entry: Entry, seed: int, schedules: int, length: int) -> Iterator[Try]:
    """The runs of one campaign: several searches for each plan, and no second plan where there is nothing to plan."""
    draw = Random(f"{entry.name}, campaign {seed}")
    plan = entry.plan(draw)
    for number, each in enumerate(portfolio(schedules, draw.getrandbits(32), length)):
        if number and number % PER_PLAN == 0 and entry.faults:
            plan = entry.plan(draw)
        yield Try(plan, each)


def search(entry: Entry, part: Any, seed: int, schedules: int) -> tuple[int, Try, Outcome] | None:
    """Runs a campaign until an oracle speaks: the number of that run, what it was made of, and what came of it."""
    outcome = run(entry.play, part, FIRST.plan, search=FIRST.search)
    if outcome.failure is not None:
        return 1, FIRST, outcome
    for number, each in enumerate(campaign(entry, seed, schedules - 1, outcome.steps), start=2):
        outcome = run(entry.play, part, each.plan, search=each.search)
        if outcome.failure is not None:
            return number, each, outcome
    return None


def hunt(entry: Entry, seed: int, schedules: int = 200) -> Found | None:
    """Looks for the bug; `None` when it does not show in so many schedules. Equal seeds hunt equally."""
    hit = search(entry, entry.bug, seed, schedules)
    if hit is None:
        return None
    number, made_of, _ = hit
    again = run(entry.play, entry.bug, made_of.plan, search=made_of.search, record=True)
    if again.failure is None:
        raise AssertionError(f"{entry}: {made_of} showed the bug once and not again")
    return Found(number, made_of.plan, again.schedule, again.failure)


def accuse(entry: Entry, seed: int, schedules: int) -> tuple[Try, OracleFailure] | None:
    """Hunts the twin, which has no bug: what this returns is a false alarm."""
    hit = search(entry, entry.fix, seed, schedules)
    if hit is None:
        return None
    _, made_of, outcome = hit
    assert outcome.failure is not None
    return made_of, outcome.failure
