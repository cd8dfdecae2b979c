"""xoscar: INPROC has all actors in this process, PROCESS has them in a sub-process, messages pickled."""

# A peer without types is Any to mypy, whether or not it is installed.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

import xoscar

from benchmarks import _measure
from benchmarks._works import RING_SIZE, SENDERS, Figures, Measure


class Worker(xoscar.Actor):
    """Counts, echoes, passes on, sends: one message at a time, under a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.following: xoscar.ActorRefType[Worker] | None = None

    async def __post_create__(self) -> None:
        """Required nowhere, called after creation: the place for what `__init__` may not await."""
        self.count = 0

    async def bump(self, _: int) -> None:
        """Count."""
        self.count += 1

    async def total(self) -> int:
        """How many were counted."""
        return self.count

    async def echo(self, value: int) -> int:
        """Give it back."""
        return value

    async def join(self, following: xoscar.ActorRefType[Worker], board: xoscar.ActorRefType[Board]) -> None:
        """Take the next of the ring, and the board to tell at its end."""
        self.following, self.board = following, board

    async def hop(self, left: int) -> None:
        """Pass the token on."""
        if left and self.following is not None:
            await self.following.hop.tell(left - 1)
        else:
            await self.board.finish()

    async def send(self, sink: xoscar.ActorRefType[Worker], times: int) -> None:
        """Tell the sink so often."""
        for number in range(times):
            await sink.bump.tell(number)

    async def memory(self) -> float:
        """Resident KiB of the process this actor is in."""
        return _measure.resident_kib()

    async def die(self) -> None:
        """Take the process along: an exception would leave the actor alive."""
        os._exit(1)


class Board(xoscar.StatelessActor):
    """Waits for the end of a ring; without a lock, so that the end can be told meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.done = asyncio.Event()

    async def finish(self) -> None:
        """The token is spent."""
        self.done.set()

    async def wait(self) -> None:
        """Until it is."""
        await self.done.wait()


@dataclass(frozen=True, slots=True)
class Pool:
    """A running pool and where its actors go."""

    address: str
    processes: int

    async def create(self, kind: type[xoscar.Actor], uid: str) -> xoscar.ActorRefType[Worker]:
        """An actor in the sub-process, or in this process where there is none."""
        if not self.processes:
            return await xoscar.create_actor(kind, address=self.address, uid=uid)
        strategy = xoscar.allocate_strategy.RandomSubPool()
        return await xoscar.create_actor(kind, address=self.address, uid=uid, allocate_strategy=strategy)


def _on(processes: int, work: Callable[[int, Pool], Coroutine[object, object, Figures]]) -> Measure:
    def measure(size: int) -> Figures:
        async def run() -> Figures:
            pool = await xoscar.create_actor_pool("127.0.0.1:0", n_process=processes)
            async with pool:
                return await work(size, Pool(pool.external_address, processes))

        return asyncio.run(run())

    return measure


async def _handled(sink: xoscar.ActorRefType[Worker], expected: int, started: float) -> Figures:
    # In the process a tell is a task of its own, so that a question may overtake it: ask until all have been
    # handled.
    while await sink.total() != expected:
        await asyncio.sleep(0)
    return _measure.rate(expected, started)


async def _tell(size: int, pool: Pool) -> Figures:
    worker = await pool.create(Worker, "w")
    started = time.perf_counter()
    for number in range(size):
        await worker.bump.tell(number)
    return await _handled(worker, size, started)


async def _call(size: int, pool: Pool) -> Figures:
    worker = await pool.create(Worker, "w")
    started = time.perf_counter()
    for number in range(size):
        await worker.echo(number)
    return _measure.rate(size, started)


async def _ring(size: int, pool: Pool) -> Figures:
    board = await pool.create(Board, "board")
    hops = [await pool.create(Worker, f"hop{number}") for number in range(RING_SIZE)]
    for number, hop in enumerate(hops):
        await hop.join(hops[(number + 1) % RING_SIZE], board)
    started = time.perf_counter()
    await hops[0].hop.tell(size)
    await board.wait()
    return _measure.rate(size, started)


async def _fan_in(size: int, pool: Pool) -> Figures:
    each = size // SENDERS
    sink = await pool.create(Worker, "sink")
    senders = [await pool.create(Worker, f"sender{number}") for number in range(SENDERS)]
    started = time.perf_counter()
    for sender in senders:
        await sender.send.tell(sink, each)
    return await _handled(sink, each * SENDERS, started)


async def _spawn(size: int, pool: Pool) -> Figures:
    first = await pool.create(Worker, "first")
    before = await first.memory()
    started = time.perf_counter()
    workers = [await pool.create(Worker, f"w{number}") for number in range(size)]
    for worker in workers:
        await worker.echo(0)
    rate = _measure.rate(size, started)
    return {**rate, "memory": (await first.memory() - before) / size, "live": size}


async def _restart(size: int, pool: Pool) -> Figures:
    worker = await pool.create(Worker, "w")
    spans = []
    for _ in range(size):
        home = await xoscar.actor_ref(worker)
        started = time.perf_counter()
        try:
            await worker.die()
        except xoscar.ServerClosed:
            await xoscar.wait_actor_pool_recovered(home.address, pool.address)
        await worker.echo(0)
        spans.append(time.perf_counter() - started)
    return _measure.cycle(spans)


INPROC: Mapping[str, Measure] = {
    "tell": _on(0, _tell),
    "call": _on(0, _call),
    "ring": _on(0, _ring),
    "fan-in": _on(0, _fan_in),
    "spawn": _on(0, _spawn),
}

PROCESS: Mapping[str, Measure] = {
    "tell": _on(1, _tell),
    "call": _on(1, _call),
    "ring": _on(1, _ring),
    "fan-in": _on(1, _fan_in),
    "spawn": _on(1, _spawn),
    "restart": _on(1, _restart),
}
