"""How what a team does grows with its number of members: seconds for one operation, at a size.

The choices are measured on the roster alone, everything else on a team that runs.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from random import Random

from supervisors import start
from teams import TeamRef, member, pool, team
from teams._dispatch.roster import Roster, Slot
from teams._dispatch.view import TeamView
from teams._members.target import Route

CHOICES = 2_000
"""How many choices one measurement makes."""
CHANGES = 40
"""How many members join and leave in one measurement."""
WORKS = 400
"""How many pieces of work one measurement has done, one after another."""


async def _act(value: object) -> object:
    return value


def _chosen(route: Route) -> Callable[[int], float]:
    def row(size: int) -> float:
        roster = Roster((), lambda slot: True, TeamView(lambda: (0, 0)))
        for slot in roster.add(member("w", _act, role="r", count=size), 1):
            roster.joined(slot, slot)  # type: ignore[arg-type]
        target, random = pool("r", route), Random(1)

        def choose(key: int) -> None:
            if route != "least_loaded":
                roster.routed(target, key, random)
                return
            slot: Slot | None = roster.free("r")
            assert slot is not None
            roster.reserve(slot, None)
            roster.release(slot, None)

        choose(0)
        gc.collect()
        began = time.perf_counter()
        for key in range(CHOICES):
            choose(key)
        return (time.perf_counter() - began) / CHOICES

    return row


def _of_a_team(operation: Callable[[TeamRef], Awaitable[None]], times: int) -> Callable[[int], float]:
    async def measure(size: int) -> float:
        spec = team("crew", member("w", _act, role="r", count=size))
        async with start(spec, log=False) as crew:
            assert isinstance(crew, TeamRef)
            await operation(crew)
            gc.collect()
            gc.freeze()  # what the team itself is made of is not what the operation costs
            try:
                began = time.perf_counter()
                for _ in range(times):
                    await operation(crew)
                return (time.perf_counter() - began) / times
            finally:
                gc.unfreeze()

    return lambda size: asyncio.run(measure(size))


async def _join_and_leave(crew: TeamRef) -> None:
    await crew.join(member("new", _act, role="r"))
    await crew.leave("new")


def _worked(route: Route) -> Callable[[TeamRef], Awaitable[None]]:
    target = pool("r", route)

    async def work(crew: TeamRef) -> None:
        await crew.assign(7, target)

    return work


ROWS: Mapping[str, Callable[[int], float]] = {
    "choose a member of a pool, round_robin": _chosen("round_robin"),
    "choose a member of a pool, random": _chosen("random"),
    "choose a member of a pool, consistent_hash": _chosen("consistent_hash"),
    "choose a member of a pool, least_loaded": _chosen("least_loaded"),
    "assign work to a pool, round_robin": _of_a_team(_worked("round_robin"), WORKS),
    "assign work to a pool, consistent_hash": _of_a_team(_worked("consistent_hash"), WORKS),
    "a member joins a team and leaves it": _of_a_team(_join_and_leave, CHANGES),
}
