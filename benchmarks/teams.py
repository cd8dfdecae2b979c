"""Teams, as users run them: supervised, lifecycle events and metrics on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CollectorRegistry

from actors import Actor, Metrics
from benchmarks import _measure
from benchmarks._works import AUDIENCE, CHAIN, POOL, STAGES, Figures, Measure
from supervisors import SupervisorSpec, start
from teams import Context, Handoff, TeamRef, member, pool, team
from teams._members.target import Route
from teams.patterns import pipeline, stage
from teams.protocols import Event

IN_STAGE = 8


async def _echo(value: object) -> object:
    return value


class Hall:
    """Counts for all who listen."""

    def __init__(self) -> None:
        self.left = 0
        self.full = asyncio.Event()


HALL = Hall()


class Ear(Actor):
    """Hears what is said."""

    def on_receive(self, message: object) -> object:
        """Count an event, give anything else back."""
        if type(message) is not Event:
            return message
        HALL.left -= 1
        if not HALL.left:
            HALL.full.set()
        return None


async def _hop(value: object, context: Context) -> object:
    place = int(context.member[1:])
    return Handoff(f"h{place + 1}") if place < CHAIN else value


def _measured(tree: SupervisorSpec, work: Callable[[int, TeamRef], Awaitable[Figures]]) -> Measure:
    async def run(size: int) -> Figures:
        async with start(tree, log=False) as root:
            assert isinstance(root, TeamRef)
            metrics = Metrics(root.runtime, CollectorRegistry())
            try:
                return await work(size, root)
            finally:
                metrics.close()

    return lambda size: asyncio.run(run(size))


async def _handoffs(size: int, crew: TeamRef) -> Figures:
    started = time.perf_counter()
    for number in range(size):
        await crew.assign(number, "h0")
    return _measure.rate(size * CHAIN, started)


async def _broadcasts(size: int, crew: TeamRef) -> Figures:
    started = time.perf_counter()
    for number in range(size):
        report = await crew.broadcast(number)
        if len(report.results) != AUDIENCE:
            raise AssertionError("a member did not answer")
    return _measure.rate(size * AUDIENCE, started)


async def _events(size: int, crew: TeamRef) -> Figures:
    await crew.roster()  # the coordinator has begun, and with that its members subscribe
    while len(await crew.topics.subscribers()) < AUDIENCE:
        await asyncio.sleep(0.01)
    HALL.left = size * AUDIENCE
    started = time.perf_counter()
    for number in range(size):
        crew.topics.publish("news", number)
    await HALL.full.wait()
    HALL.full.clear()
    return _measure.rate(size * AUDIENCE, started)


async def _items(size: int, crew: TeamRef) -> Figures:
    line = pipeline(*(stage(f"s{place}", f"s{place}", parallel=IN_STAGE) for place in range(STAGES)))
    started = time.perf_counter()
    results = await crew.play(line, range(size))
    if results != list(range(size)):
        raise AssertionError("items were lost")
    return _measure.rate(size, started)


def _pooled(route: Route) -> Measure:
    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def work(size: int, crew: TeamRef) -> Figures:
        workers = pool("worker", route)
        started = time.perf_counter()
        await asyncio.gather(*(crew.assign(seconds, workers) for seconds in _measure.skewed(size)))
        return _measure.makespan(started)

    return _measured(team("crew", member("worker", wait, count=POOL)), work)


_STAGES = (member(f"s{place}", _echo, concurrency=IN_STAGE) for place in range(STAGES))

WORKS: Mapping[str, Measure] = {
    "team-handoff": _measured(team("crew", *(member(f"h{place}", _hop) for place in range(CHAIN + 1))), _handoffs),
    "team-broadcast": _measured(team("crew", member("ear", Ear, count=AUDIENCE)), _broadcasts),
    "team-fanout": _measured(team("crew", member("ear", Ear, count=AUDIENCE, subscribes=["news"])), _events),
    "team-pipeline": _measured(team("crew", *_STAGES), _items),
    "team-pool": _pooled("least_loaded"),
}
ROUND_ROBIN: Mapping[str, Measure] = {"team-pool": _pooled("round_robin")}
