"""What the tests share: a runtime on a manual clock, and a way to let everything happen that can happen without time
passing.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any, ParamSpec

from actors import DeadLetter, LifecycleEvent, ManualClock, Runtime

P = ParamSpec("P")


def in_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Runs an async test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        asyncio.run(main())

    return run


class World:
    """A runtime whose time stands still unless the test moves it, and everything it published."""

    def __init__(self, runtime: Runtime, clock: ManualClock) -> None:
        self.runtime = runtime
        self.clock = clock
        self.events: list[LifecycleEvent] = []
        runtime.events.subscribe(self.events.append)

    def seen(self, *types: type[LifecycleEvent]) -> list[Any]:
        """The events of these types, in order."""
        return [event for event in self.events if isinstance(event, types)]

    @property
    def dead_letters(self) -> list[tuple[str, object]]:
        """Reason and message of every dead letter."""
        return [(event.reason, event.message) for event in self.seen(DeadLetter)]

    async def settle(self) -> None:
        """Returns when nothing is left to do but wait for time or for a thread."""
        quiet = 0
        while quiet < 10:
            turns = self.runtime.loop_host.turns
            await asyncio.sleep(0)
            idle = turns == self.runtime.loop_host.turns and not self.runtime.control
            quiet = quiet + 1 if idle else 0

    async def advance(self, seconds: float) -> None:
        """Lets time pass, and everything happen that falls due."""
        await self.settle()
        self.clock.advance(seconds)
        await self.settle()


@asynccontextmanager
async def world(**options: Any) -> AsyncIterator[World]:
    """A world for one test. Its runtime stops when the test leaves the block."""
    clock = ManualClock()
    async with Runtime(clock=lambda _: clock, watchdog=None, log=False, **options) as runtime:
        yield World(runtime, clock)


def steps(work: Callable[[], object]) -> int:
    """How many lines of Python this runs."""
    seen = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        seen += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
    return seen
