"""`python -m benchmarks.collector`: what Python's cyclic garbage collector costs with many actors, as a Markdown table.

The figures are CPU time, which a busy machine changes less than elapsed time, yet does change. Each row is measured in
a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

from actors import Actor
from benchmarks._machine import THRESHOLDS, pin, where
from benchmarks._table import quantity
from supervisors import SupervisorRef, child, dynamic_supervisor, start

SIZES = (10_000, 100_000)
MESSAGES = 200_000


class Idle(Actor):
    """Counts what it is told."""

    count = 0

    def on_receive(self, message: object) -> int:
        """Count, and answer with the count."""
        self.count += 1
        return self.count


async def _with_actors(size: int, then: Callable[[SupervisorRef, float], Awaitable[float]]) -> float:
    async with start(dynamic_supervisor("root", child("a", Idle), max_restarts=None), log=False) as root:
        began = time.process_time()
        for starting in [root.start_child() for _ in range(size)]:
            await starting
        return await then(root, time.process_time() - began)


def _collection() -> float:
    began = time.process_time()
    gc.collect()
    return time.process_time() - began


async def _pause(_: SupervisorRef, __: float) -> float:
    gc.collect()
    return min(_collection() for _ in range(3))


async def _frozen_pause(root: SupervisorRef, taken: float) -> float:
    gc.collect()
    gc.freeze()
    return await _pause(root, taken)


async def _start(_: SupervisorRef, taken: float) -> float:
    return taken


async def _told(root: SupervisorRef, _: float) -> float:
    one = await root.start_child()
    began = time.process_time()
    for number in range(MESSAGES):
        one.tell(number)
    await one.call(None)
    return time.process_time() - began


async def _told_to_frozen(root: SupervisorRef, taken: float) -> float:
    gc.collect()
    gc.freeze()
    return await _told(root, taken)


async def _told_seldom(root: SupervisorRef, taken: float) -> float:
    gc.set_threshold(*THRESHOLDS)
    return await _told(root, taken)


def _started_without(size: int) -> float:
    gc.disable()
    return asyncio.run(_with_actors(size, _start))


def _measured(then: Callable[[SupervisorRef, float], Awaitable[float]]) -> Callable[[int], float]:
    return lambda size: asyncio.run(_with_actors(size, then))


ROWS: Mapping[str, Callable[[int], float]] = {
    "full collection": _measured(_pause),
    "full collection after `gc.freeze()`": _measured(_frozen_pause),
    "start of them all": _measured(_start),
    "start of them all after `gc.disable()`": _started_without,
    f"{MESSAGES:,} messages told to one at once": _measured(_told),
    "the same after `gc.freeze()`": _measured(_told_to_frozen),
    f"the same with `gc.set_threshold{THRESHOLDS}`": _measured(_told_seldom),
}
"""By name what returns the CPU time in seconds, given the number of actors."""


def _in_child(name: str, size: int) -> float:
    command = [sys.executable, "-m", "benchmarks.collector", "--row", name, "--sizes", str(size)]
    root = Path(__file__).resolve().parent.parent
    return float(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout)


def lines(sizes: Sequence[int], measured: Callable[[str, int], float] = _in_child) -> Iterator[str]:
    """The table, a line each, as the rows are measured."""
    yield f"{where()}\n"
    yield f"| CPU time | {' | '.join(f'{size:,} actors' for size in sizes)} |"
    yield "|---|" + "---|" * len(sizes)
    for name in ROWS:
        figures = " | ".join(quantity(measured(name, size) * 1e6, "us") for size in sizes)
        yield f"| {name} | {figures} |"


def main(arguments: Sequence[str]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collector", description=__doc__, allow_abbrev=False)
    parser.add_argument("--sizes", metavar="N", type=int, nargs="+", default=SIZES, help="how many actors")
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.row is not None:
        pin()
        print(ROWS[options.row](options.sizes[0]))
        return 0
    for line in lines(options.sizes):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
