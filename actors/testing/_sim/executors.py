"""The executors of a simulated event loop: what they run, runs in simulated threads."""

from __future__ import annotations

import asyncio
from _thread import LockType
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, Protocol


class InThread(Protocol):
    """Runs a function in a simulated thread, for a coroutine of the loop, and calls `ended` last of all."""

    def __call__(
        self, loop: asyncio.AbstractEventLoop, func: Callable[..., Any], *args: Any, ended: Callable[[], object]
    ) -> asyncio.Future[Any]: ...


class LoopThreads:
    """The threads that one loop has started by `run_in_executor`."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._number = 0
        self._ended: asyncio.Future[None] | None = None

    def run(
        self, executor: Executor | None, in_thread: InThread, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As `run_in_executor` of asyncio: in a thread of the executor, or in a new one. Raises `RuntimeError` after
        the end of the loop or of its executor.
        """
        loop = self._loop
        loop._check_closed()
        if executor is None and loop._executor_shutdown_called:
            raise RuntimeError("Executor shutdown has been called")
        if executor is not None and not _is_real(executor):
            return asyncio.wrap_future(executor.submit(func, *args), loop=loop)
        self._number += 1
        return in_thread(loop, func, *args, ended=self._one_ended)

    def _one_ended(self) -> None:
        self._number -= 1
        if not self._number and self._ended is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_wake, self._ended)

    async def ended(self) -> None:
        """Waits until all have ended, except for those of an executor of the user's."""
        while self._number:
            self._ended = self._loop.create_future()
            await self._ended


def _is_real(executor: Executor) -> bool:
    """Whether its workers are real threads or processes, which cannot work in the simulation's time: each call to it
    is given a simulated thread.
    """
    if isinstance(executor, ThreadPoolExecutor):
        return isinstance(executor._shutdown_lock, LockType)
    return isinstance(executor, ProcessPoolExecutor)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
