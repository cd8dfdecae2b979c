"""What a process of its own costs, beside `multiprocessing` and `concurrent.futures` in the same run.

    python -m benchmarks.places [--rounds N]

Each figure is the median of its rounds, in milliseconds, but for the rows of messages a second. A row of a peer that
has no such thing is left out: neither tells which message ended a process, nor starts another one for the next.
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
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from actors import Actor, ActorRef, PlaceLost, Runtime, process
from supervisors import child, start, supervisor


class Echo(Actor):
    """Answers with what it gets, and ends its process when it is told."""

    def on_receive(self, message: Any) -> Any:
        if message == "die":
            os._exit(1)
        return os.getpid() if message == "pid" else message


def echo(message: Any) -> Any:
    """The same as a function."""
    if message == "die":
        os._exit(1)
    return message


def serve(pipe: Connection) -> None:
    """The same as a loop of a process."""
    while True:
        pipe.send(echo(pipe.recv()))


async def median(rounds: int, work: Callable[[], Awaitable[float]]) -> float:
    """The median of the seconds that `work` says, in milliseconds."""
    return statistics.median([await work() for _ in range(rounds)]) * 1000


async def ours(rounds: int, messages: int) -> dict[str, float]:
    """The figures of an actor with `host=process()`."""
    found: dict[str, float] = {}
    async with Runtime(log=False) as runtime:
        await runtime.spawn(Echo, host=process())  # the zygote is there

        async def spawn() -> float:
            began = perf_counter()
            ref = await runtime.spawn(Echo, host=process())
            await ref.call(1)
            took = perf_counter() - began
            await ref.stop(block=False)
            return took

        found["spawn to first answer, ms"] = await median(rounds, spawn)
        ref = await runtime.spawn(Echo, host=process())

        async def call() -> float:
            began = perf_counter()
            await ref.call(1)
            return perf_counter() - began

        found["call, ms"] = await median(10 * rounds, call)
        for prefetch in (1, 16, 256):
            found[f"tells a second, prefetch {prefetch}"] = await rate(runtime, prefetch, messages)
        spec = supervisor("root", child("a", Echo, host=process(), backoff=None), max_restarts=None)
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


async def rate(runtime: Runtime, prefetch: int, messages: int) -> float:
    """Messages told and handled a second."""
    ref: ActorRef[Echo] = await runtime.spawn(Echo, host=process(prefetch=prefetch))
    await ref.call(1)
    began = perf_counter()
    for number in range(messages):
        ref.tell(number)
    await ref.call(1)
    took = perf_counter() - began
    await ref.stop(block=False)
    return messages / took


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
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    width = max(map(len, rows))
    print(" " * width, *(f"{name:>20}" for name in columns))
    for row in rows:
        cells = (f"{column[row]:>20,.2f}" if row in column else f"{'-':>20}" for column in columns.values())
        print(f"{row:<{width}}", *cells)


if __name__ == "__main__":
    main()
