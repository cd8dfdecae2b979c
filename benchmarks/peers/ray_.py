"""Ray: a process per actor, an object store between them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping

import ray

from benchmarks import _measure
from benchmarks._works import SENDERS, Figures, Measure

_WAIT = 60.0
_PAUSE = 0.01
_CPUS = 2


class Worker:
    """Counts, echoes, sends; one call at a time."""

    def __init__(self) -> None:
        self.count = 0

    def bump(self, _: int) -> None:
        """Count."""
        self.count += 1

    def total(self) -> int:
        """How many were counted."""
        return self.count

    def echo(self, value: int) -> int:
        """Give it back."""
        return value

    def send(self, sink: ray.actor.ActorHandle, times: int) -> None:
        """Tell the sink so often."""
        for number in range(times):
            sink.bump.remote(number)

    def memory(self) -> float:
        """Resident KiB of the actor's process."""
        return _measure.resident_kib()

    def die(self) -> None:
        """Take the process along: an exception would leave the actor alive."""
        os._exit(1)


def _started(work: Callable[[int], Figures]) -> Measure:
    def measure(size: int) -> Figures:
        ray.init(num_cpus=_CPUS, include_dashboard=False, log_to_driver=False)
        try:
            return work(size)
        finally:
            ray.shutdown()

    return measure


def _create(kind: type, **options: int) -> ray.actor.ActorHandle:
    return ray.remote(num_cpus=0)(kind).options(**options).remote()


def _tell(size: int) -> Figures:
    worker = _create(Worker)
    ray.get(worker.echo.remote(0), timeout=_WAIT)
    started = time.perf_counter()
    for number in range(size):
        worker.bump.remote(number)
    if ray.get(worker.total.remote(), timeout=_WAIT) != size:
        raise AssertionError("messages were lost")
    return _measure.rate(size, started)


def _call(size: int) -> Figures:
    async def run() -> Figures:
        worker = _create(Worker)
        await worker.echo.remote(0)
        started = time.perf_counter()
        for number in range(size):
            await worker.echo.remote(number)
        return _measure.rate(size, started)

    return asyncio.run(run())


def _ask(size: int) -> Figures:
    worker = _create(Worker)
    ray.get(worker.echo.remote(0), timeout=_WAIT)
    started = time.perf_counter()
    for number in range(size):
        ray.get(worker.echo.remote(number), timeout=_WAIT)
    return _measure.rate(size, started)


def _fan_in(size: int) -> Figures:
    each = size // SENDERS
    sink = _create(Worker)
    senders = [_create(Worker) for _ in range(SENDERS)]
    ray.get([one.echo.remote(0) for one in (sink, *senders)], timeout=_WAIT)
    started = time.perf_counter()
    for sender in senders:
        sender.send.remote(sink, each)
    while ray.get(sink.total.remote(), timeout=_WAIT) != each * SENDERS:
        # Asking is itself work for the sink: as seldom as does not show in the figure.
        time.sleep(_PAUSE)
    return _measure.rate(each * SENDERS, started)


def _spawn(size: int) -> Figures:
    started = time.perf_counter()
    workers = [_create(Worker) for _ in range(size)]
    ray.get([worker.echo.remote(0) for worker in workers], timeout=_WAIT)
    return _measure.spawned(size, started, lambda: sum(ray.get([worker.memory.remote() for worker in workers])))


def _restart(size: int) -> Figures:
    worker = _create(Worker, max_restarts=-1, max_task_retries=0)
    ray.get(worker.echo.remote(0), timeout=_WAIT)
    spans = []
    for _ in range(size):
        started = time.perf_counter()
        worker.die.remote()
        while not _answers(worker):
            time.sleep(_PAUSE)
        spans.append(time.perf_counter() - started)
    return _measure.cycle(spans)


def _answers(worker: ray.actor.ActorHandle) -> bool:
    try:
        return bool(ray.get(worker.echo.remote(1), timeout=_WAIT) == 1)
    except ray.exceptions.RayActorError:
        return False


WORKS: Mapping[str, Measure] = {
    "tell": _started(_tell),
    "call": _started(_call),
    "ask": _started(_ask),
    "fan-in": _started(_fan_in),
    "spawn": _started(_spawn),
    "restart": _started(_restart),
}
