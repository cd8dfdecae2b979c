"""Prefect: a flow of ten tasks, its own server on SQLite in the same process tree, results persisted as files."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks._durable import STEPS, Place, Sizes, rates_of


def _flow(place: Place) -> Callable[[int], Coroutine[Any, Any, object]]:
    home = f"{place.folder}/prefect"
    os.environ |= {
        "PREFECT_HOME": home,
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    }
    from prefect import flow, task

    @task  # type: ignore[untyped-decorator]
    async def step(value: int) -> int:
        return value

    @flow  # type: ignore[untyped-decorator]
    async def chain(value: int) -> int:
        for _ in range(STEPS):
            value = await step(value)
        return value

    return chain  # type: ignore[no-any-return]


def one(place: Place, sizes: Sizes) -> dict[str, float]:
    """One flow run after the other."""
    chain = _flow(place)

    async def main() -> dict[str, float]:
        await chain(0)
        return await rates_of(sizes.seconds, chain)

    return asyncio.run(main())


def many(place: Place, sizes: Sizes) -> dict[str, float]:
    """A tenth of the runs of the other peers, all at once."""
    chain, runs = _flow(place), max(2, sizes.peer_runs // 10)

    async def main() -> dict[str, float]:
        await chain(0)
        before, cpu, began = place.stored(), time.process_time(), time.perf_counter()
        await asyncio.gather(*(chain(number) for number in range(runs)))
        wall, used = time.perf_counter() - began, time.process_time() - cpu
        steps = runs * STEPS
        bytes_each = (place.stored() - before) / runs
        return {"runs": runs, "rate": steps / wall, "cpu": used / steps * 1e6, "bytes": bytes_each}

    return asyncio.run(main())


WORKS: dict[str, Callable[[Place, Sizes], dict[str, float]]] = {"one": one, "many": many}
