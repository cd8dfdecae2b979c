"""The event loop of a simulated thread: asyncio's own, which parks a strand where a real one blocks a thread."""

from __future__ import annotations

import asyncio
import sys
from asyncio import runners
from asyncio.events import _set_running_loop
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from actors.testing._sim.asyncgens import Generators
from actors.testing._sim.executors import LoopThreads
from actors.testing._sim.loop import refuse_outside
from actors.testing._sim.strands import Sleeper
from actors.testing._sim.tasks import numbered_task

if TYPE_CHECKING:
    from actors.testing._sim.runtime import SimRuntime

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class StrandLoop(asyncio.BaseEventLoop):
    """The loop that `asyncio.run` and an `async` handler run on inside a simulated thread.

    Time is virtual. While nothing is ready the strand waits, and the rest of the simulation goes on; before each pass
    over what is ready the strand may be overtaken. A callback that blocks holds up this loop alone.
    """

    _default_executor: Executor | None  # of asyncio's own class, which has no type for it

    def __init__(self, runtime: SimRuntime) -> None:
        self._runtime = runtime
        self._strands = runtime.strands
        self._sleeper: Sleeper | None = None
        self._made: list[asyncio.Task[Any]] = []
        self._made_due = 64
        self._threads = LoopThreads(self)
        super().__init__()
        self._selector = _Selector(self)
        self._task_factory = numbered_task
        self.task_number = runtime.loop.task_number
        # asyncio's own are sets of weak references, whose order is not the same in every run.
        self._asyncgens = Generators()

    def __del__(self, _warn: object = None) -> None:
        """Nothing is open, so nothing needs closing."""

    def time(self) -> float:
        return self._strands.loop.time()

    def refuse(self, call: str, instead: str) -> NoReturn:
        """Raises `FenceError`, as the simulation's own loop does."""
        self._strands.loop.refuse(call, instead)

    def refuses(self, kind: str) -> bool:
        """Whether code inside may not reach what is outside and of this kind."""
        return self._strands.loop.refuses(kind)

    def run_forever(self) -> None:
        strand = self._strands.current
        if strand is None:
            raise RuntimeError("the event loop of a simulated thread runs in one")
        strand.running = self
        try:
            super().run_forever()
        finally:
            strand.running = None

    # Waiting, which a real loop does by its selector

    def wait(self, seconds: float | None) -> None:
        """Lets the others go on: for so long, until something becomes ready (`None`), or for a moment (0)."""
        if seconds == 0:
            self._strands.give_way()
            return
        sleeper = self._sleeper = Sleeper("its event loop")
        try:
            self._strands.block(sleeper, seconds)
        finally:
            self._sleeper = None

    def _write_to_self(self) -> None:
        if self._sleeper is not None:
            self._strands.wake(self._sleeper)

    def _process_events(self, event_list: object) -> None:
        """There are no sockets."""

    def step_aside(self) -> Callable[[], None]:
        """Puts the thread's data of this loop away while its strand waits; returns a function that puts it back."""
        task = asyncio.current_task(self)
        hooks = sys.get_asyncgen_hooks()
        if task is not None:
            _leave_task(self, task)
        sys.set_asyncgen_hooks(None, None)

        def back() -> None:
            _set_running_loop(self)
            sys.set_asyncgen_hooks(*hooks)
            if task is not None:
                _enter_task(self, task)

        return back

    # Tasks, generators and threads

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if options.get("name") is None:
            options["name"] = "task"  # asyncio's own has a number, which goes on from run to run
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        self._made.append(task)
        if len(self._made) > self._made_due:
            self._made = [each for each in self._made if not each.done()]
            self._made_due = 2 * len(self._made) + 64
        return task

    def cancel_all(self) -> None:
        """Cancels the tasks that are left, in the order in which they were made."""
        for task in self._made:
            task.cancel()

    def give_up(self) -> None:
        """Closes the tasks that are left: their process has ended, or the run has."""
        for task in self._made:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                work: Any = task.get_coro()
                with suppress(BaseException):  # of the user's, in a process that is not there any more
                    work.close()
        self._made.clear()

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        return self._threads.run(executor or self._default_executor, self._runtime.in_thread, func, *args)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits for the threads of `asyncio.to_thread`, as asyncio does."""
        self._executor_shutdown_called = True
        await self._threads.ended()

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self._strands.loop.call_exception_handler(context)


class _Selector:
    """The selector by which asyncio's loop waits."""

    def __init__(self, loop: StrandLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        self._loop.wait(timeout)
        return []


refuse_outside(StrandLoop)


def loop_patches(runtime: SimRuntime) -> list[tuple[Any, str, object]]:
    """The replacements in asyncio while a simulation runs: module, name, replacement."""
    strands = runtime.strands
    real_new, real_set = asyncio.new_event_loop, asyncio.set_event_loop
    real_cancel: Callable[[asyncio.AbstractEventLoop], None] = runners._cancel_all_tasks  # type: ignore[attr-defined]

    def new_event_loop() -> asyncio.AbstractEventLoop:
        return real_new() if strands.mine is None else StrandLoop(runtime)

    def set_event_loop(loop: asyncio.AbstractEventLoop | None) -> None:
        if strands.mine is None:  # a thread that is simulated has no other way to its loop than to run it
            real_set(loop)

    def cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
        if isinstance(loop, StrandLoop):
            loop.cancel_all()
        real_cancel(loop)

    return [
        (asyncio, "new_event_loop", new_event_loop),
        (asyncio.events, "new_event_loop", new_event_loop),
        (asyncio, "set_event_loop", set_event_loop),
        (asyncio.events, "set_event_loop", set_event_loop),
        (runners, "_cancel_all_tasks", cancel_all_tasks),
    ]
