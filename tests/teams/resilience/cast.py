"""A service that is called through policies, a crowd that calls it, and a stage in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from actors import Actor, LifecycleEvent, sleep
from actors.testing import Simulation, simulation

T = TypeVar("T")

QUARTERS = st.integers(0, 24).map(lambda quarters: quarters / 4)
"""Times that floats hold exactly, so that a bound is tested at its very edge."""


class Broken(Exception):
    """What the service raises."""


@dataclass(frozen=True)
class Visit:
    """One call: when it is made, how long it takes, how it ends, and when its caller is cancelled."""

    at: float = 0.0
    takes: float = 1.0
    fails: bool = False
    leaves_after: float | None = None
    key: int = 0


VISITS = st.lists(
    st.builds(
        Visit,
        at=QUARTERS,
        takes=QUARTERS,
        fails=st.booleans(),
        leaves_after=st.none() | QUARTERS,
        key=st.integers(0, 2),
    ),
    max_size=16,
)


class Service:
    """What is called. It notes when calls begin, and how many are under way."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.seen: list[Visit] = []
        self.under_way = 0
        self.peak = 0
        self.of_key: Counter[int] = Counter()
        self.peak_of_key: Counter[int] = Counter()

    async def call(self, visit: Visit) -> int:
        """Takes its time, and answers with the number of the call."""
        number = len(self.begun)
        self.begun.append(asyncio.get_running_loop().time())
        self.seen.append(visit)
        self.under_way += 1
        self.of_key[visit.key] += 1
        self.peak = max(self.peak, self.under_way)
        self.peak_of_key[visit.key] = max(self.peak_of_key[visit.key], self.of_key[visit.key])
        try:
            await sleep(visit.takes)
            if visit.fails:
                raise Broken(number)
            return number
        finally:
            self.under_way -= 1
            self.of_key[visit.key] -= 1

    def most_within(self, seconds: float) -> int:
        """The most calls that began within any so many seconds, the end of them left out."""
        return max((sum(first <= each < first + seconds for each in self.begun) for first in self.begun), default=0)


async def crowd(call: Callable[[Visit], Awaitable[T]], visits: Sequence[Visit]) -> list[T | BaseException]:
    """Makes all the calls, each at its time, and returns what became of them."""

    async def one(visit: Visit) -> T:
        await sleep(visit.at)
        return await call(visit)

    async def leave(task: asyncio.Task[T], seconds: float) -> None:
        await sleep(seconds)
        task.cancel()

    tasks = [asyncio.ensure_future(one(visit)) for visit in visits]
    leavers = [
        asyncio.ensure_future(leave(task, visit.at + visit.leaves_after))
        for task, visit in zip(tasks, visits, strict=True)
        if visit.leaves_after is not None
    ]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.gather(*leavers)
    return outcomes


class Stage(Actor):
    """Runs what it is told, as code of its own."""

    async def on_receive(self, play: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await play()


class Seen:
    """What a play left: its result, its events and the time it took."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.events: list[Any] = []
        sim.runtime.events.subscribe(self.events.append)

    def of(self, *types: type[LifecycleEvent]) -> list[Any]:
        """The events of these types, in order."""
        return [event for event in self.events if isinstance(event, types)]


def play(main: Callable[[], Coroutine[Any, Any, T]], *, seed: int = 0) -> tuple[T, Seen]:
    """Runs a coroutine inside an actor in virtual time. What it raises, it raises here; nothing may be left over."""
    with simulation(seed=seed) as sim:
        seen = Seen(sim)
        stage = sim.spawn(Stage)

        async def kept() -> tuple[T | None, BaseException | None]:
            try:
                return await main(), None
            except Exception as error:  # noqa: BLE001 - the test looks at it
                return None, error

        result, error = stage.ask(kept, timeout=None)
        if error is not None:
            raise error
        return result, seen
