"""The engine of this project under `benchmarks.workflows`, as its users run it: supervised, metrics on, no log."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks._durable import STEPS, Place, Sizes, percentiles, rates_of
from benchmarks._measure import resident_kib
from supervisors import start
from teams import member
from teams._journal.open_store import open_store
from teams._journal.rows import EntryKind, JournalEntry, Unit
from teams.workflows import do, engine, wait, workflow
from teams.workflows._engine.settings import run_row
from teams.workflows.events import RunTakenUp


async def same(value: object) -> object:
    """One step."""
    return value


CHAIN = workflow("chain", *[do(f"s{number}", "same") for number in range(STEPS)])
MAP = workflow("map", do("each", "same", each="$input", max_parallel=100))
PARKED = workflow("parked", do("first", "same"), wait("go", "go"))


def _url(place: Place) -> str:
    if place.schema is not None:
        return place.url
    return f"sqlite:///{place.folder}/runs.db" if place.folder else "memory:"


def _opened(place: Place) -> Callable[[], Any] | str:
    url = _url(place)
    if place.durability == "disk" or url == "memory:":
        return url
    return lambda: open_store(url, durability="process")


@asynccontextmanager
async def _engine(place: Place, runs: int, *parts: Any) -> AsyncIterator[Any]:
    spec = engine("measured", *parts, store=_opened(place), max_concurrent_workflows=runs)
    async with start(spec, log=False) as eng:
        yield eng


def _chain(place: Place, runs: int) -> Any:
    return _engine(place, runs, member("same", same, concurrency=1_000), CHAIN)


def one(place: Place, sizes: Sizes) -> dict[str, float]:
    """One run after the other."""

    async def main() -> dict[str, float]:
        async with _chain(place, 10) as eng:
            await eng.execute("chain", 0)
            return await rates_of(sizes.seconds, lambda number: eng.execute("chain", number))

    return asyncio.run(main())


def many(place: Place, sizes: Sizes) -> dict[str, float]:
    """All at once."""

    async def go(eng: Any, runs: int) -> None:
        for each in [eng.execute("chain", number) for number in range(runs)]:
            await each

    async def main() -> dict[str, float]:
        async with _chain(place, sizes.runs) as eng:
            await go(eng, 10)
        before = place.stored()  # of a closed file: the log of SQLite is folded into it
        async with _chain(place, sizes.runs) as eng:
            await go(eng, 10)
            cpu, began = time.process_time(), time.perf_counter()
            await go(eng, sizes.runs)
            wall, used = time.perf_counter() - began, time.process_time() - cpu
        steps = sizes.runs * STEPS
        figures = {"runs": sizes.runs, "rate": steps / wall, "cpu": used / steps * 1e6}
        return figures | {"bytes": (place.stored() - before) / (sizes.runs + 10)}

    return asyncio.run(main())


def acknowledged(place: Place, sizes: Sizes) -> dict[str, float]:
    """From the call until the run is stored, beyond which no kill loses it; one after the other, each run ended."""

    async def main() -> dict[str, float]:
        async with _chain(place, 10) as eng:
            await eng.execute("chain", 0)
            spans = []
            for number in range(sizes.starts):
                began = time.perf_counter()
                run = await eng.start_workflow("chain", number)
                spans.append(time.perf_counter() - began)
                await run
            return percentiles(spans)

    return asyncio.run(main())


def mapped(place: Place, sizes: Sizes) -> dict[str, float]:
    """A map over many items, and as many items in maps over 100, each the median of three."""

    async def main() -> dict[str, float]:
        async with _engine(place, 10, member("same", same, concurrency=1_000), MAP) as eng:
            await eng.execute("map", list(range(100)))
            spans: dict[int, list[float]] = {100: [], sizes.items: []}
            for _ in range(3):
                for items, found in spans.items():
                    times = sizes.items // items
                    gc.collect()
                    began = time.process_time()
                    for _ in range(times):
                        await eng.execute("map", list(range(items)))
                    found.append((time.process_time() - began) / sizes.items * 1e6)
            few, all_ = (sorted(each)[1] for each in spans.values())
            return {"few": few, "all": all_, "ratio": all_ / few}

    return asyncio.run(main())


# Runs that a process had begun which was killed

INTERRUPTED = """
import asyncio, json, os, signal, sys
from benchmarks._durable import Place
from benchmarks._durable_ours import begin
asyncio.run(begin(Place(**json.loads(sys.argv[1])), int(sys.argv[2])))
"""


def _waiting(place: Place, runs: int, release: asyncio.Event, begun: Callable[[], object]) -> Any:
    async def held(value: object) -> object:
        begun()
        await release.wait()
        return value

    flow = workflow("held", do("first", "same"), do("second", "held"))
    members = member("same", same, concurrency=1_000), member("held", held, concurrency=runs)
    return _engine(place, runs, *members, flow)


async def begin(place: Place, runs: int) -> None:
    """Starts runs of two steps, and kills this process with -9 when each is in its second step."""
    count, all_ = 0, asyncio.Event()

    def begun() -> None:
        nonlocal count
        count += 1
        if count == runs:
            all_.set()

    async with _waiting(place, runs, asyncio.Event(), begun) as eng:
        for each in [eng.start_workflow("held", number) for number in range(runs)]:
            await each
        await all_.wait()
        os.kill(os.getpid(), signal.SIGKILL)


def restarted(place: Place, sizes: Sizes) -> dict[str, float]:
    """Seconds from the start of the engine until the process has taken all of them up, until 100 have begun their
    second step again, until all have, and until all have ended. The imports are done before.
    """
    runs = sizes.interrupted
    where = {name: getattr(place, name) for name in Place.__slots__}
    child = subprocess.run([sys.executable, "-c", INTERRUPTED, json.dumps(where), str(runs)], check=False)
    if child.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the process to be killed ended with {child.returncode}")

    async def main() -> dict[str, float]:
        began = time.perf_counter()
        marks: dict[str, float] = {}
        counts = {"taken": 0, "begun": 0}
        all_ = asyncio.Event()

        def count(what: str) -> None:
            counts[what] += 1
            if what == "begun" and counts[what] == min(100, runs):
                marks["first"] = time.perf_counter() - began
            if counts[what] == runs:
                marks[what] = time.perf_counter() - began
            if marks.keys() >= counts.keys():
                all_.set()

        release = asyncio.Event()
        async with _waiting(place, runs, release, lambda: count("begun")) as eng:
            eng.runtime.events.subscribe(lambda _: count("taken"), RunTakenUp)
            await all_.wait()
            release.set()
            for run in await eng.workflow_runs(limit=runs):
                await eng.workflow_run(run.id)
            return marks | {"ended": time.perf_counter() - began}

    return asyncio.run(main())


def parked(place: Place, sizes: Sizes) -> dict[str, float]:
    """The growth of this process when its store has runs that are parked, over an engine whose store is empty. The rows
    are written as an engine writes them, by the store itself.
    """

    def fill() -> None:
        store = open_store(_url(place), durability="process")
        epoch, now = store.register("benchmark", os.getpid(), 3600), store.now()
        for first in range(0, sizes.parked, 1_000):
            units = []
            for number in range(first, min(first + 1_000, sizes.parked)):
                id = f"run-{number}"
                row = run_row(id, "parked", PARKED.version, b"1", now, total=2)
                told: tuple[tuple[EntryKind, str, bytes], ...] = (
                    ("began", "first", b'"same"'),
                    ("done", "first", b"1"),
                    ("began", "go", b'{"until":null}'),
                )
                entries = tuple(
                    JournalEntry(id, seq, kind, step, 1, now, None, body)
                    for seq, (kind, step, body) in enumerate(told, start=1)
                )
                units.append(Unit(id, start=row, entries=entries, update={"state": "waiting", "waiting_for": "go"}))
            store.commit(units)
        store.release(epoch)
        store.close()

    async def size() -> float:
        async with _engine(place, 1_000, member("same", same, concurrency=1_000), PARKED) as eng:
            run = await eng.start_workflow("parked", 1)
            await asyncio.sleep(6.0)  # more than one look for runs that can go on
            assert (await run.status()).state == "waiting"
            return resident_kib()

    empty = asyncio.run(size())
    fill()
    gc.collect()
    return {"runs": sizes.parked, "grown": (asyncio.run(size()) - empty) / 1024}


WORKS: dict[str, Callable[[Place, Sizes], dict[str, float]]] = {
    "one": one,
    "many": many,
    "start": acknowledged,
    "restart": restarted,
    "parked": parked,
    "map": mapped,
}
