"""The common parts of the subjects of `benchmarks.workflows`: where they store, how much they do, and their figures."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._measure import quantile

STEPS = 10
"""Steps of a run."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done."""

    seconds: float
    """For one run after the other."""
    runs: int
    """At once, of ours."""
    peer_runs: int
    """At once, of the peers, which are slower."""
    starts: int
    interrupted: int
    parked: int
    items: int


FULL = Sizes(3.0, 1_000, 100, 300, 10_000, 100_000, 10_000)
QUICK = Sizes(1.0, 200, 20, 50, 500, 5_000, 1_000)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subject stores what it must not forget: in a folder, in a schema of a Postgres server, or nowhere."""

    folder: str = ""
    address: str = ""
    """Of the server."""
    schema: str | None = None
    durability: str = "disk"

    @property
    def url(self) -> str:
        """The address with the schema."""
        return f"{self.address}?options=-csearch_path%3D{self.schema}"

    def stored(self) -> int:
        """The bytes that are stored there."""
        if self.schema is not None:
            import psycopg

            sizes = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c"
            ours = "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'"
            with psycopg.connect(self.address) as connection:
                row = connection.execute(f"{sizes} {ours}".encode(), (self.schema,)).fetchone()
            assert row is not None
            return int(row[0])
        return sum(each.stat().st_size for each in Path(self.folder).rglob("*") if each.is_file()) if self.folder else 0


def rates(seconds: float, run: Callable[[int], object]) -> dict[str, float]:
    """One run after the other, for so many seconds."""
    number, cpu, began = 0, time.process_time(), time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        number += 1
        run(number)
        now = time.perf_counter()
    return _rates(number, now - began, time.process_time() - cpu)


async def rates_of(seconds: float, run: Callable[[int], Awaitable[object]]) -> dict[str, float]:
    """The same for a coroutine."""
    number, cpu, began = 0, time.process_time(), time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        number += 1
        await run(number)
        now = time.perf_counter()
    return _rates(number, now - began, time.process_time() - cpu)


def _rates(runs: int, wall: float, used: float) -> dict[str, float]:
    steps = runs * STEPS
    return {"runs": runs, "rate": steps / wall, "cpu": used / steps * 1e6}


def percentiles(spans: Sequence[float]) -> dict[str, float]:
    """Milliseconds."""
    return {"p50": quantile(spans, 0.5) * 1e3, "p99": quantile(spans, 0.99) * 1e3}
