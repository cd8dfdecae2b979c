"""The cost of a process of its own, beside `multiprocessing`, `concurrent.futures` and xoscar in the same run.

    python -m benchmarks.places [--rounds N]

Each figure is the median of its rounds, in milliseconds, but for the rows that say otherwise. A row of a peer that has
no such thing is left out. xoscar is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import signal
import statistics
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from importlib.util import find_spec
from multiprocessing.connection import Connection
from time import perf_counter, sleep
from typing import Any

from actors import Actor, ActorDeadError, ActorRef, PlaceLost, PlaceSpec, Runtime, process
from supervisors import child, start, supervisor, tasks


class Echo(Actor):
    """Answers with what it gets, and ends its process when it is told."""

    def on_receive(self, message: Any) -> Any:
        if message == "die":
            os._exit(1)
        while message == "compute":
            pass
        return os.getpid() if message == "pid" else message


def echo(message: Any) -> Any:
    """The same as a function."""
    if message == "die":
        os._exit(1)
    return message


def slow(message: Any) -> Any:
    """The same, and takes 10 ms."""
    sleep(0.01)
    return echo(message)


def serve(pipe: Connection) -> None:
    """The same as a loop of a process."""
    while True:
        pipe.send(echo(pipe.recv()))


async def median(rounds: int, work: Callable[[], Awaitable[float]]) -> float:
    """The median of the seconds that `work` says, in milliseconds."""
    return statistics.median([await work() for _ in range(rounds)]) * 1000


async def ours(rounds: int, messages: int) -> dict[str, float]:
    """The figures of an actor with `host=process()`."""
    async with Runtime(log=False) as runtime:
        await runtime.spawn(Echo, host=process())  # the zygote is there
        found = await figures_of(runtime, process, rounds, messages, rounds)
        found["call while another computes, 99th percentile, ms"] = await beside(runtime, 10 * rounds)
        return found | await pooled(runtime, messages // 10)


async def figures_of(
    runtime: Runtime, host: Callable[..., PlaceSpec], rounds: int, messages: int, spawns: int
) -> dict[str, float]:
    """The figures of an actor in such a place. `spawns`: how many rounds start one."""
    found: dict[str, float] = {}

    async def spawn() -> float:
        began = perf_counter()
        ref = await runtime.spawn(Echo, host=host())
        await ref.call(1)
        took = perf_counter() - began
        await ref.stop(block=False)
        return took

    found["spawn to first answer, ms"] = await median(spawns, spawn)
    ref = await runtime.spawn(Echo, host=host())

    async def call() -> float:
        began = perf_counter()
        await ref.call(1)
        return perf_counter() - began

    found["call, ms"] = await median(10 * rounds, call)
    await ref.stop(block=False)
    for prefetch in (1, 16, 256):
        count = messages if prefetch > 1 else messages // 10
        found[f"tells a second, prefetch {prefetch}"] = await rate(runtime, host(prefetch=prefetch), count)
    spec = supervisor("root", child("a", Echo, host=host(), backoff=None), max_restarts=None)
    async with start(spec, runtime=runtime) as root:
        a = root.child("a")

        async def crash() -> float:
            began = perf_counter()
            with suppress(PlaceLost):
                await a.call("die")
            await a.call(1)
            return perf_counter() - began

        async def notice() -> float:
            down = a.monitor()
            number = await a.call("pid")
            began = perf_counter()
            os.kill(number, signal.SIGKILL)
            await down
            took = perf_counter() - began
            await a.call(1)
            return took

        found["crash to answer of the next, ms"] = await median(rounds, crash)
        found["kill -9 noticed, ms"] = await median(rounds, notice)
    return found


async def rate(runtime: Runtime, host: PlaceSpec, messages: int) -> float:
    """Messages told and handled a second."""
    ref: ActorRef[Echo] = await runtime.spawn(Echo, host=host)
    await ref.call(1)
    began = perf_counter()
    for number in range(messages):
        ref.tell(number)
    await ref.call(1, timeout=120)
    took = perf_counter() - began
    await ref.stop(block=False)
    return messages / took


async def beside(runtime: Runtime, calls: int) -> float:
    """The 99th percentile of a call to one actor, in milliseconds, while another one computes."""
    busy = await runtime.spawn(Echo, host=process())
    sibling = await runtime.spawn(Echo, host=process())
    await sibling.call(1)
    held = busy.ask("compute", block=False, timeout=None)
    took = []
    for number in range(calls):
        began = perf_counter()
        await sibling.call(number)
        took.append(perf_counter() - began)
    busy.kill()
    with suppress(ActorDeadError):
        await held
    return statistics.quantiles(took, n=100)[98] * 1000


async def pooled(runtime: Runtime, count: int) -> dict[str, float]:
    """The figures of a pool of two processes."""
    found: dict[str, float] = {}
    async with start(tasks("cpu", host=process(), pool=2), runtime=runtime) as cpu:
        await asyncio.gather(*[cpu.run(echo, number) for number in range(8)])
        took = []
        for number in range(100):
            began = perf_counter()
            await cpu.run(echo, number)
            took.append(perf_counter() - began)
        found["task of a warm process, ms"] = statistics.median(took) * 1000
        began = perf_counter()
        async for _ in cpu.map(echo, range(count), limit=32):
            pass
        found["tasks a second, 2 processes"] = count / (perf_counter() - began)
        waiting = [cpu.run(slow, "die" if number == 3 else number) for number in range(20)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        found[OTHERS] = sum(not isinstance(each, BaseException) for each in results)
    return found


OTHERS = "results of 20 tasks, one of which ends its process"


async def of_multiprocessing(rounds: int, messages: int) -> dict[str, float]:
    """The figures of a process behind a pipe, forked from multiprocessing's server."""
    context = multiprocessing.get_context("forkserver")
    os.environ["PYTHONWARNINGS"] = "ignore::RuntimeWarning"  # this module is the main one, too
    context.set_forkserver_preload(["benchmarks.places"])
    found: dict[str, float] = {}

    def begin() -> tuple[Any, Connection]:
        here, there = context.Pipe()
        worker = context.Process(target=serve, args=(there,), daemon=True)
        worker.start()
        there.close()
        return worker, here

    def end(worker: Any, pipe: Connection) -> None:
        worker.kill()
        worker.join()
        pipe.close()

    end(*begin())  # the server is there

    async def spawn() -> float:
        began = perf_counter()
        worker, pipe = begin()
        pipe.send(1)
        pipe.recv()
        took = perf_counter() - began
        end(worker, pipe)
        return took

    async def notice() -> float:
        worker, pipe = begin()
        pipe.send(1)
        pipe.recv()
        began = perf_counter()
        worker.kill()
        with suppress(EOFError, OSError):
            pipe.recv()
        worker.join()
        took = perf_counter() - began
        pipe.close()
        return took

    found["spawn to first answer, ms"] = await median(rounds, spawn)
    found["kill -9 noticed, ms"] = await median(rounds, notice)
    with context.Pool(2) as pool:
        pool.map(echo, range(8), chunksize=1)
        began = perf_counter()
        for _ in pool.imap(echo, range(messages // 10)):
            pass
        found["tasks a second, 2 processes"] = messages // 10 / (perf_counter() - began)
        waiting = [pool.apply_async(slow, ("die" if number == 3 else number,)) for number in range(20)]
        done = 0
        for each in waiting:
            with suppress(multiprocessing.TimeoutError):
                each.get(1)  # that of the task whose process has ended never comes
                done += 1
        found[OTHERS] = done
    worker, pipe = begin()

    async def call() -> float:
        began = perf_counter()
        pipe.send(1)
        pipe.recv()
        return perf_counter() - began

    found["call, ms"] = await median(10 * rounds, call)
    end(worker, pipe)
    return found


async def of_futures(rounds: int, messages: int) -> dict[str, float]:
    """The figures of `ProcessPoolExecutor` with one worker."""
    context = multiprocessing.get_context("forkserver")
    found: dict[str, float] = {}

    async def spawn() -> float:
        began = perf_counter()
        with ProcessPoolExecutor(1, context) as pool:
            pool.submit(echo, 1).result()
            return perf_counter() - began

    async def crash() -> float:
        with ProcessPoolExecutor(1, context) as pool:
            pool.submit(echo, 1).result()
            began = perf_counter()
            with suppress(BrokenProcessPool):
                pool.submit(echo, "die").result()
        with ProcessPoolExecutor(1, context) as pool:
            pool.submit(echo, 1).result()
            return perf_counter() - began

    found["spawn to first answer, ms"] = await median(rounds, spawn)
    found["crash to answer of the next, ms"] = await median(rounds, crash)
    with ProcessPoolExecutor(1, context) as pool:

        async def call() -> float:
            began = perf_counter()
            pool.submit(echo, 1).result()
            return perf_counter() - began

        found["call, ms"] = await median(10 * rounds, call)
        began = perf_counter()
        waiting = [pool.submit(echo, number) for number in range(messages)]
        for each in waiting:
            each.result()
        found["tells a second, prefetch 1"] = messages / (perf_counter() - began)
    with ProcessPoolExecutor(2, context) as pool:
        list(pool.map(echo, range(8)))
        took = []
        for number in range(100):
            began = perf_counter()
            pool.submit(echo, number).result()
            took.append(perf_counter() - began)
        found["task of a warm process, ms"] = statistics.median(took) * 1000
        began = perf_counter()
        for _ in pool.map(echo, range(messages // 10)):
            pass
        found["tasks a second, 2 processes"] = messages // 10 / (perf_counter() - began)
        waiting = [pool.submit(slow, "die" if number == 3 else number) for number in range(20)]
        found[OTHERS] = sum(each.exception() is None for each in waiting)
    return found


async def of_xoscar(rounds: int, messages: int) -> dict[str, float]:
    """The figures of xoscar, with one process for actors."""
    import xoscar

    from benchmarks.peers.xoscar_ import Worker

    found: dict[str, float] = {}

    async def spawn() -> float:
        began = perf_counter()
        async with await xoscar.create_actor_pool("127.0.0.1:0", n_process=1) as pool:
            where = xoscar.allocate_strategy.RandomSubPool()
            worker = await xoscar.create_actor(Worker, address=pool.external_address, allocate_strategy=where)
            await worker.echo(1)
            return perf_counter() - began

    found["spawn to first answer, ms"] = await median(max(2, rounds // 10), spawn)
    async with await xoscar.create_actor_pool("127.0.0.1:0", n_process=1) as pool:
        where = xoscar.allocate_strategy.RandomSubPool()
        worker = await xoscar.create_actor(Worker, address=pool.external_address, uid="w", allocate_strategy=where)

        async def call() -> float:
            began = perf_counter()
            await worker.echo(1)
            return perf_counter() - began

        async def crash() -> float:
            home = await xoscar.actor_ref(worker)
            began = perf_counter()
            try:
                await worker.die()
            except xoscar.ServerClosed:
                await xoscar.wait_actor_pool_recovered(home.address, pool.external_address)
            await worker.echo(0)
            return perf_counter() - began

        found["call, ms"] = await median(10 * rounds, call)
        began = perf_counter()
        for number in range(messages // 10):
            await worker.bump.tell(number)
        while await worker.total() != messages // 10:
            await asyncio.sleep(0)
        found["tells a second, prefetch 1"] = messages // 10 / (perf_counter() - began)
        found["crash to answer of the next, ms"] = await median(max(2, rounds // 10), crash)
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="how often each is measured")
    parser.add_argument("--messages", type=int, default=20_000, help="how many messages a rate is measured with")
    given = parser.parse_args()
    columns = {
        "host=process()": asyncio.run(ours(given.rounds, given.messages)),
        "multiprocessing": asyncio.run(of_multiprocessing(given.rounds, given.messages)),
        "concurrent.futures": asyncio.run(of_futures(given.rounds, given.messages)),
    }
    if find_spec("xoscar") is not None:
        columns["xoscar"] = asyncio.run(of_xoscar(given.rounds, given.messages))
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    width = max(map(len, rows))
    print(" " * width, *(f"{name:>20}" for name in columns))
    for row in rows:
        cells = (f"{column[row]:>20,.2f}" if row in column else f"{'-':>20}" for column in columns.values())
        print(f"{row:<{width}}", *cells)


if __name__ == "__main__":
    main()
