"""The simulation of `actors.testing`, measured: no peer does the same, so its rows have none.

Everything is as in a user's test: the real runtime, the oracles on. Searches do not record their moves, as the first
runs of an example do not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from actors import Actor
from actors.testing import Strategy, simulation
from benchmarks import _measure, determinism
from benchmarks._works import Figures, Measure

SOURCES = 5
ENOUGH = 10**9
"""More steps than any work takes within one instant: the livelock oracle looks at the rest."""


class Count(Actor):
    """Answers with how many messages it had."""

    def __init__(self) -> None:
        self.seen = 0

    def on_receive(self, message: object) -> int:
        """Count."""
        self.seen += 1
        return self.seen


class Relay(Actor):
    """Asks another actor, and passes the answer on."""

    def __init__(self, source: str) -> None:
        self.source = source

    async def on_receive(self, message: object) -> object:
        """Ask."""
        return await self.sibling(self.source).call(message)


class Ticker(Actor):
    """Ticks once a second."""

    def on_start(self) -> None:
        """Set the timer."""
        self.tell_every(1.0, "tick")

    def on_receive(self, message: object) -> None:
        """A tick."""


def _world(tells: int, asks: int) -> int:
    """Ten actors on a schedule of its own; returns how many messages there were."""
    with simulation(search=Strategy("random", 1), record=False) as sim:
        sim.loop.instant = ENOUGH
        counts = [sim.spawn(Count, name=f"count{number}") for number in range(SOURCES)]
        relays = [sim.spawn(Relay, args=(f"count{number}",), name=f"relay{number}") for number in range(SOURCES)]
        for number in range(tells):
            counts[number % SOURCES].tell(number)
        answers = [relays[number % SOURCES].ask(number, block=False) for number in range(asks)]
        sim.run(until=1)
        assert all(answer.done() for answer in answers)
        return tells + 2 * asks


def _messages(size: int) -> Figures:
    started = time.perf_counter()
    return _measure.rate(_world(size // 2, size // 4), started)


def _worlds(size: int) -> Figures:
    started = time.perf_counter()
    for _ in range(size):
        _world(30, 15)
    return _measure.rate(size, started)


def _virtual(size: int) -> Figures:
    started = time.perf_counter()
    with simulation() as sim:
        for number in range(SOURCES):
            sim.spawn(Ticker, name=f"ticker{number}")
        sim.run(until=float(size))
    return {"ratio": size / (time.perf_counter() - started)}


WORKS: Mapping[str, Measure] = {
    "sim-messages": _messages,
    "sim-worlds": _worlds,
    "sim-time": _virtual,
    "sim-determinism": determinism.measure,
}
