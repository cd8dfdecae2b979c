"""What the tests of patterns share: workers that take their time, and a look at what is left of a run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import Any

from actors.testing import Simulation, simulation
from supervisors import constant
from teams import Member, Pattern, RunHandle, TeamRef, member, team
from tests.teams.cast import begun

Work = Callable[[Any], Awaitable[object]]

crew_parts = ("crew/members/*", "crew/coordinator", "crew/runs/*")
"""Everybody who has a part in a run."""


def takes(seconds: float, then: Callable[[Any], object] = lambda value: value) -> Work:
    """A worker that needs so many seconds."""

    async def work(value: Any) -> object:
        await asyncio.sleep(seconds)
        return then(value)

    return work


def fails(text: str = "no") -> Work:
    """A worker that cannot."""

    async def work(value: Any) -> object:
        raise ValueError(text)

    return work


class Ledger:
    """Counts finished work, by member and input."""

    def __init__(self) -> None:
        self.begun: Counter[tuple[str, object]] = Counter()
        self.finished: Counter[tuple[str, object]] = Counter()

    def worker(self, name: str, seconds: float = 1.0, then: Callable[[Any], object] = lambda value: value) -> Work:
        """A worker whose work is counted."""

        async def work(value: Any) -> object:
            self.begun[name, repr(value)] += 1
            await asyncio.sleep(seconds)
            self.finished[name, repr(value)] += 1
            return then(value)

        return work

    def member(self, name: str, seconds: float = 1.0, **options: Any) -> Member:
        """The same as a member, which comes back quickly."""
        then = options.pop("then", lambda value: value)
        return member(name, self.worker(name, seconds, then), backoff=constant(0.1), max_restarts=1000, **options)


@contextmanager
def crew_of(*members: Member) -> Any:
    """A simulation with a team `crew` of these."""
    with simulation() as sim:
        crew = begun(sim, team("crew", *members))
        assert crew is not None
        yield sim, crew


def result_of(pattern: Pattern, value: object = None, *members: Member) -> Any:
    """What a pattern makes of a value."""
    with crew_of(*members) as (_, crew):
        return crew.play(pattern, value).get()


def error_of(pattern: Pattern, value: object = None, *members: Member) -> BaseException:
    """Why a pattern fails."""
    with crew_of(*members) as (_, crew):
        handle: RunHandle = crew.play(pattern, value)
        try:
            result = handle.get()
        except Exception as error:  # noqa: BLE001 - it is the answer
            return error
        raise AssertionError(f"it has a result: {result!r}")


def idle(crew: TeamRef) -> bool:
    """Whether no slot is reserved and no run is left."""
    return (
        all(slot.reserved == 0 for slot in crew.roster().get()) and not crew.supervisor("runs").which_children().get()
    )


def seconds_of(sim: Simulation, crew: TeamRef, pattern: Pattern, value: object = None) -> float:
    """How long a pattern takes."""
    before = sim.now
    crew.play(pattern, value).get()
    return sim.now - before
