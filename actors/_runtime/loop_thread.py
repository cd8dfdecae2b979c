"""The thread of a script's runtime: it runs the event loop, whatever tries to end it, until the runtime has stopped."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future as LoopFuture
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from actors._core.current import Owner, current_cell
from actors._core.task_guard import owner_of
from actors._user_code.reporting import contain
from actors.errors import LoopStopRefused
from actors.events import Abandoned

if TYPE_CHECKING:
    from actors._runtime.runtime import Runtime

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class LoopThread:
    """A daemon thread with an event loop of its own.

    An exit in a callback, which asyncio lets out of the loop, is the crash of the actor it belongs to, and the loop
    goes on. `loop.stop()` is refused. Anything else that ends the loop is the end of the runtime.
    """

    def __init__(self, runtime: Runtime, loop_factory: LoopFactory | None) -> None:
        self._runtime = runtime
        self._loop_factory = loop_factory
        self._over = False
        self._ready: LoopFuture[None] = LoopFuture()
        self._thread = threading.Thread(target=self._run, name=runtime.name, daemon=True)

    def start(self, begin: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Starts the thread and runs `begin()` on its loop. Returns when that is done; raises what it raises."""
        self._begin = begin
        self._thread.start()
        self._ready.result()

    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def join(self, timeout: float) -> bool:
        """Waits for the thread to end, for at most `timeout` seconds; returns whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def end(self) -> None:
        """The loop may end: there is nothing left to run. From any thread."""
        self._over = True
        with contextlib.suppress(RuntimeError):  # it is closed already
            self._loop.call_soon_threadsafe(self._halt)

    def _run(self) -> None:
        why, cause = "its event loop ended", None
        executor = None
        try:
            self._loop = loop = self._make_loop()
            executor = ThreadPoolExecutor(thread_name_prefix=f"{self._runtime.name}-executor")
            loop.set_default_executor(executor)
            loop.run_until_complete(self._begin())
            self._ready.set_result(None)
            self._drive(lambda: self._over)
        except BaseException as error:  # noqa: BLE001 - whatever ends the loop ends the runtime, which has to say so
            if not self._ready.done():
                self._ready.set_exception(error)
            why, cause = "its event loop failed", error
        finally:
            self._runtime.lose(why, cause)
            if executor is not None:
                contain("the event loop was not closed", self._close, executor, cause is None)

    def _make_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop_factory is not None:
            return self._loop_factory()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        return loop

    def _drive(self, done: Callable[[], bool]) -> None:
        """Runs the loop until `done()`, through every exit and stop of others."""
        with contextlib.suppress(AttributeError):  # a loop with slots: its stops are survived, not refused
            self._loop.stop = self._refuse_stop  # type: ignore[method-assign]
        while not done():
            try:
                self._loop.run_forever()
            except BaseException as error:
                owner = owner_of(error)
                if owner is None and isinstance(error, Exception):  # of the loop itself
                    raise
                self._runtime.escaped(error, owner or Owner(), "a callback of the event loop")

    def _refuse_stop(self) -> None:
        cell = current_cell()
        raise LoopStopRefused(cell.path if cell is not None else "", self._runtime.name)

    def _halt(self) -> None:
        type(self._loop).stop(self._loop)

    def _close(self, executor: ThreadPoolExecutor, works: bool) -> None:
        """Ends what is left on the loop, if it still works, for at most the grace of a kill, and closes it."""
        loop, grace = self._loop, self._runtime.kill_grace
        try:
            if works:
                task = loop.create_task(self._end_tasks(grace))
                task.add_done_callback(lambda _: self._halt())
                self._drive(task.done)
        finally:
            getattr(loop, "__dict__", {}).pop("stop", None)
            if self._loop_factory is None:
                asyncio.set_event_loop(None)
            loop.close()
            # The threads of `asyncio.to_thread`: one that does not end is waited for when the interpreter ends.
            waits = threading.Thread(target=executor.shutdown, daemon=True)
            waits.start()
            waits.join(grace)

    async def _end_tasks(self, grace: float) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=grace)
        runtime = self._runtime
        for task in left - set(runtime.left_tasks):
            runtime.abandoned += 1
            runtime.events.publish(Abandoned(runtime.name, runtime.now(), f"task {task.get_name()!r}", 0))
        await asyncio.wait([self._loop.create_task(self._loop.shutdown_asyncgens())], timeout=grace)
