"""Prefect: a flow of ten tasks, its own server on SQLite in the same process tree, results persisted as files."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from benchmarks._durable import STEPS, Place, Sizes, rates_of


def _flow(place: Place) -> Callable[[int], object]:
    home = f"{place.folder}/prefect"
    os.environ |= {
        "PREFECT_HOME": home,
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    }
    from prefect import flow, task

    @task
    async def step(value: int) -> int:
        return value

    @flow
    async def chain(value: int) -> int:
        for _ in range(STEPS):
            value = await step(value)
        return value

    return chain


def one(place: Place, sizes: Sizes) -> dict[str, float]:
    """One flow run after the other."""
    chain = _flow(place)

    async def main() -> dict[str, float]:
        await chain(0)  # type: ignore[misc]
        return await rates_of(sizes.seconds, chain)  # type: ignore[arg-type]

    return asyncio.run(main())


def many(place: Place, sizes: Sizes) -> dict[str, float]:
    """A tenth of the runs of the other peers, all at once."""
    chain, runs = _flow(place), max(2, sizes.peer_runs // 10)

    async def main() -> dict[str, float]:
        await chain(0)  # type: ignore[misc]
        before, cpu, began = place.stored(), time.process_time(), time.perf_counter()
        await asyncio.gather(*(chain(number) for number in range(runs)))  # type: ignore[arg-type]
        wall, used = time.perf_counter() - began, time.process_time() - cpu
        steps = runs * STEPS
        bytes_each = (place.stored() - before) / runs
        return {"runs": runs, "rate": steps / wall, "cpu": used / steps * 1e6, "bytes": bytes_each}

    return asyncio.run(main())


WORKS: dict[str, Callable[[Place, Sizes], dict[str, float]]] = {"one": one, "many": many}
