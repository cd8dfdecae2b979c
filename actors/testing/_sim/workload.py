"""Load on a simulated tree: many calls from outside, each a client of its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextvars import Context
from typing import Any, NamedTuple

import pykka

from actors.testing._sim.lanes import Lane, current_lane
from actors.testing._sim.runtime import SimRuntime


class Client(NamedTuple):
    """The client that makes one call."""

    lane: Lane


class Workload:
    """`n` calls, one every `every` virtual seconds. A call is done when it has an answer or an exception."""

    def __init__(self, runtime: SimRuntime, name: str, call: Callable[[int], object], n: int, every: float) -> None:
        self.name = name
        self.n = n
        self.results: dict[int, Any] = {}
        """The results of the calls, by their number (from 0)."""
        self.errors: dict[int, BaseException] = {}
        """The exceptions of the calls, by their number."""
        self._runtime = runtime
        self._call = call
        self._begun: list[int] = []
        self._tasks: list[asyncio.Task[object]] = []
        self._timers = [
            runtime.loop.call_later(number * every, self._begin, number, context=Context()) for number in range(n)
        ]

    @property
    def done(self) -> int:
        """How many calls have ended, with a result or an exception."""
        return len(self.results) + len(self.errors)

    @property
    def under_way(self) -> list[int]:
        """The numbers of the calls that have begun and have no answer."""
        return [number for number in self._begun if number not in self.results and number not in self.errors]

    def close(self) -> None:
        """Begins no further call: at the end of a run its timers do not count as orphans."""
        for timer in self._timers:
            timer.cancel()

    def leave(self) -> None:
        """Cancels the clients that still run code of their own: they belong to the test and do not count as orphans."""
        for task in self._tasks:
            task.cancel()

    def _begin(self, number: int) -> None:
        self._begun.append(number)
        self._runtime.start_strand(lambda: self._run(number), f"{self.name}-{number}", outside=True)

    def _run(self, number: int) -> None:
        """Runs in the client's own strand, and may block. An awaitable result is awaited."""
        context = Context()
        context.run(current_lane.set, Client(self._runtime.loop.lane(f"{self.name}-{number}")))
        try:
            answer = context.run(self._call, number)
            if isinstance(answer, pykka.Future):
                answer = context.run(answer.get)
            elif inspect.isawaitable(answer):
                task = self._runtime.loop.create_task(_awaited(answer), context=context)
                self._tasks.append(task)
                task.add_done_callback(lambda task: self._settle(number, task), context=context)
                return
        except Exception as error:  # noqa: BLE001 - a failed call is a result of the workload
            self.errors[number] = error
        else:
            self.results[number] = answer

    def _settle(self, number: int, task: Any) -> None:
        error = RuntimeError("cancelled") if task.cancelled() else task.exception()
        if error is None:
            self.results[number] = task.result()
        else:
            self.errors[number] = error

    def __repr__(self) -> str:
        return f"<Workload {self.name}: {self.done} of {self.n} done, {len(self.errors)} with an exception>"


async def _awaited(answer: Any) -> Any:
    return await answer
