"""The common parts of the measured functions: rates, quantiles of spans, and the memory of this process."""

from __future__ import annotations

import gc
import math
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks._works import Figures

_KIB = 1024


def rate(count: int, started: float) -> Figures:
    """`count` things done since `started` (a reading of `time.perf_counter`), per second."""
    return {"rate": count / (time.perf_counter() - started)}


def spawned(count: int, started: float, memory: Callable[[], float]) -> Figures:
    """The figures of the works spawn and million: rate, KiB per live actor, and how many live.

    `memory` says how many KiB all actors take. It is asked after the clock is read: its cost is not part of
    the work.
    """
    return {**rate(count, started), "memory": memory() / count, "live": count}


def growth() -> Callable[[], float]:
    """What to ask how much this process has grown since, in KiB."""
    before = resident_kib()
    return lambda: resident_kib() - before


def skewed(count: int) -> list[float]:
    """How long `count` pieces of work take, in seconds: every tenth, beginning with the first, a hundred times as long
    as the others. Round robin over a multiple of ten members gives the same members all the long ones.
    """
    return [0.1 if number % 10 == 0 else 0.001 for number in range(count)]


def makespan(started: float) -> Figures:
    """Milliseconds since `started`."""
    return {"makespan": (time.perf_counter() - started) * 1e3}


def cycle(spans: Sequence[float]) -> Figures:
    """The median of `spans` (seconds), in microseconds."""
    return {"cycle": statistics.median(spans) * 1e6}


def detection(spans: Sequence[float]) -> Figures:
    """p50 and p99 of `spans` (seconds), in microseconds."""
    return {"p50": quantile(spans, 0.50) * 1e6, "p99": quantile(spans, 0.99) * 1e6}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` (0 to 1) of them do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def branches(count: int) -> list[int]:
    """How many leaves each branch of a tree of `count` gets: about as many branches as leaves on each."""
    width = max(1, math.isqrt(count))
    return [count // width + (index < count % width) for index in range(width)]


def resident_kib() -> float:
    """Resident memory of this process in KiB, after a garbage collection."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / _KIB
    # Without /proc there is the peak only, which serves: a child that measures a spawn does nothing else.
    # macOS counts bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _KIB if sys.platform == "darwin" else float(peak)
