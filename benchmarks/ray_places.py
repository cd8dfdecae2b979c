"""The cost of an actor on a node of Ray, beside Ray's own actors in the same run and cluster.

    python -m benchmarks.ray_places [--rounds N]

Each figure is the median of its rounds, in milliseconds, but for messages a second. Ray's own actors restart
by `max_restarts=-1`; after a crash they are asked until they answer. The cluster is started here, on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from contextlib import suppress
from time import perf_counter
from typing import Any

from actors import Runtime, ray
from benchmarks.places import Echo, figures_of, median


async def ours(rounds: int, messages: int) -> dict[str, float]:
    """The figures of an actor with `host=ray()`."""
    async with Runtime(log=False) as runtime:
        first = await runtime.spawn(Echo, host=ray())  # the program is connected
        await first.stop(block=False)
        return await figures_of(runtime, ray, rounds, messages, max(3, rounds // 10))


class Plain:
    """The same as an actor of Ray's."""

    async def echo(self, message: Any) -> Any:
        """Answers with what it gets, and ends its process when it is told."""
        if message == "die":
            os._exit(1)
        return os.getpid() if message == "pid" else message


async def of_ray(rounds: int, messages: int) -> dict[str, float]:
    """The figures of Ray's own actors."""
    import ray as library

    found: dict[str, float] = {}
    made = library.remote(Plain).options(num_cpus=1, max_restarts=-1, max_task_retries=0)

    async def spawn() -> float:
        began = perf_counter()
        plain = made.remote()
        await plain.echo.remote(1)
        took = perf_counter() - began
        library.kill(plain)
        return took

    found["spawn to first answer, ms"] = await median(max(3, rounds // 10), spawn)
    plain = made.remote()

    async def call() -> float:
        began = perf_counter()
        await plain.echo.remote(1)
        return perf_counter() - began

    found["call, ms"] = await median(10 * rounds, call)
    began = perf_counter()
    waiting = [plain.echo.remote(number) for number in range(messages // 4)]
    await asyncio.gather(*waiting)
    found["tells a second, prefetch 256"] = messages // 4 / (perf_counter() - began)

    async def again() -> None:
        while True:
            try:
                await plain.echo.remote(1)
            except library.exceptions.RayActorError:
                await asyncio.sleep(0.005)
            else:
                return

    async def crash() -> float:
        began = perf_counter()
        with suppress(library.exceptions.RayActorError):
            await plain.echo.remote("die")
        await again()
        return perf_counter() - began

    async def notice() -> float:
        number = await plain.echo.remote("pid")
        pending = plain.echo.remote("wait")
        await pending
        began = perf_counter()
        os.kill(number, signal.SIGKILL)
        with suppress(library.exceptions.RayActorError):
            while True:
                await plain.echo.remote(1)
        took = perf_counter() - began
        await again()
        return took

    few = max(3, rounds // 10)
    found["crash to answer of the next, ms"] = await median(few, crash)
    found["kill -9 noticed, ms"] = await median(few, notice)
    library.kill(plain)
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="how often each is measured")
    parser.add_argument("--messages", type=int, default=20_000, help="how many messages a rate is measured with")
    given = parser.parse_args()
    import ray as library

    library.init(num_cpus=4, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
    try:
        columns = {
            "host=ray()": asyncio.run(ours(given.rounds, given.messages)),
            "Ray's own actors": asyncio.run(of_ray(given.rounds, given.messages)),
        }
    finally:
        library.shutdown()
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    width = max(map(len, rows))
    print(" " * width, *(f"{name:>20}" for name in columns))
    for row in rows:
        cells = (f"{column[row]:>20,.2f}" if row in column else f"{'-':>20}" for column in columns.values())
        print(f"{row:<{width}}", *cells)


if __name__ == "__main__":
    main()
