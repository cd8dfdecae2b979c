"""mode: services under asyncio supervisors. There are no messages, so restarts only."""

# A peer without types is Any to mypy, whether or not it is installed.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from mode import Service
from mode.supervisors import OneForAllSupervisor, OneForOneSupervisor, SupervisorStrategy

from benchmarks import _measure
from benchmarks._works import GROUP_SIZE, Figures, Measure

# mode's bucket is asked to allow what a benchmark needs: every restart, at once.
_MANY = 1_000_000.0


class Part(Service):
    """Says that it has started: the nearest thing to an answer a service has."""

    def __init__(self, started: asyncio.Semaphore) -> None:
        super().__init__()
        self.told = started

    async def on_start(self) -> None:
        """Called at the first start and at each restart."""
        self.told.release()


class Watching(OneForOneSupervisor):
    """Notes the moment it takes up a restart."""

    def __init__(self) -> None:
        super().__init__(max_restarts=_MANY, over=1.0)
        self.decided = 0.0

    async def restart_service(self, service: Service) -> None:
        """The decision is made when this is called."""
        self.decided = time.perf_counter()
        await super().restart_service(service)


async def _started(told: asyncio.Semaphore, count: int) -> None:
    for _ in range(count):
        await told.acquire()


async def _cycles(size: int, parts: int, make: Callable[[], SupervisorStrategy]) -> Figures:
    told = asyncio.Semaphore(0)
    supervisor = make()
    services = [Part(told) for _ in range(parts)]
    for service in services:
        # Services given to the constructor are looked at every five seconds only; added ones wake the
        # supervisor.
        supervisor.add(service)
    await supervisor.start()
    await _started(told, parts)
    spans = []
    for _ in range(size):
        # The supervisor must be waiting again, or it would be woken before it can be.
        while supervisor._please_wakeup is None:
            await asyncio.sleep(0)
        started = time.perf_counter()
        await services[0].crash(ValueError("crash"))
        await _started(told, parts)
        spans.append(time.perf_counter() - started)
    await supervisor.stop()
    return _measure.cycle(spans)


def _restart(size: int) -> Figures:
    return asyncio.run(_cycles(size, 1, lambda: OneForOneSupervisor(max_restarts=_MANY, over=1.0)))


def _restart_group(size: int) -> Figures:
    return asyncio.run(_cycles(size, GROUP_SIZE, lambda: OneForAllSupervisor(max_restarts=_MANY, over=1.0)))


def _detection(size: int) -> Figures:
    async def run() -> Figures:
        told = asyncio.Semaphore(0)
        supervisor = Watching()
        service = Part(told)
        supervisor.add(service)
        await supervisor.start()
        await _started(told, 1)
        spans = []
        for _ in range(size):
            while supervisor._please_wakeup is None:
                await asyncio.sleep(0)
            raised = time.perf_counter()
            await service.crash(ValueError("crash"))
            await _started(told, 1)
            spans.append(supervisor.decided - raised)
        await supervisor.stop()
        return _measure.detection(spans)

    return asyncio.run(run())


WORKS: Mapping[str, Measure] = {"restart": _restart, "restart-group": _restart_group, "detection": _detection}
