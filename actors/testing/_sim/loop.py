"""The event loop of a simulation: virtual time, one thread, and a scheduler that chooses the next step."""

from __future__ import annotations

import asyncio
import functools
import gc
import heapq
import math
import sys
from asyncio import Handle, TimerHandle
from asyncio.events import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context
from enum import Enum
from itertools import count
from threading import get_ident
from typing import Any, NoReturn, Protocol, TypeVar, TypeVarTuple, Unpack
from weakref import ref

from actors._core.cell import Cell
from actors._core.current import Owner, cell_in, current_cell, owner_in
from actors._core.task_guard import Exits
from actors._user_code.interrupts import is_interrupt
from actors.errors import LoopStopRefused
from actors.testing._sim.asyncgens import Generators
from actors.testing._sim.call_site import fence
from actors.testing._sim.executors import LoopThreads
from actors.testing._sim.lanes import OUTSIDE, Item, Lane, Scheduler, current_lane
from actors.testing._sim.outside import instead_of
from actors.testing._sim.tasks import SimTask, numbered_task
from actors.testing.errors import (
    DeadlockFailure,
    LivelockFailure,
    LoopEnded,
    LoopFailure,
    OracleFailure,
    SimulationError,
)

INSTANT = 100_000
"""How many steps may be taken without time moving before it counts as a livelock."""
COLLECT = 20_000
"""How many steps lie between two collections of garbage."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Why(Enum):
    """Why `run` has returned."""

    DONE = "done"
    TIME = "time"
    IDLE = "idle"
    """Nothing can run, and no timer is set."""


class SimLoop(asyncio.BaseEventLoop):
    """An event loop of asyncio without selector and sockets. Time moves to the next timer when nothing can run.

    Before every step it runs what the runtime wants done (`control`), in order; a step is one callback or one turn of
    one actor. Task factories, exception handlers, executors, debug mode and asynchronous generators are those of
    asyncio. What needs a selector or a process raises `FenceError`.
    """

    # Of asyncio's own class, which has no types for them.
    _check_closed: Callable[[], None]
    _check_running: Callable[[], None]
    _default_executor: Executor | None
    _task_factory: Callable[..., Any] | None

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self.control: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        """The runtime's own work; the runtime puts its own queue here."""
        self.turn_of: Callable[[Any], None] = _no_host
        """Runs one turn of a cell; the host puts itself here."""
        self.escaped: Callable[..., None] = _no_runtime
        """Takes an exit that a callback raised; the runtime puts its own function here."""
        self.after_step: list[Callable[[], None]] = []
        """Called after every step; what they raise ends `run`."""
        self.at_rest: list[Callable[[], None]] = []
        """Called when nothing can run, before time moves; what they raise ends `run`."""
        self.failure: BaseException | None = None
        """Raised from `run` after the step that set it: for failures found where an actor would swallow them."""
        self.errors: list[dict[str, Any]] = []
        """The exceptions of callbacks, and other reports of asyncio."""
        self.steps = 0
        self.trace: list[str] = []
        """The path of the lane of every step."""
        self.allowed: set[str] = {"files"}
        """What code inside may reach of the world outside, by kind."""
        self.instant = INSTANT
        self.outside = Lane(OUTSIDE)
        self.lanes: dict[str, Lane] = {OUTSIDE: self.outside}
        self._scheduler = scheduler
        self._plain = scheduler.plain
        self._fifo: deque[tuple[Lane, Item]] = deque()
        self._waiting: list[Lane] = []
        self._arrived = 0
        self._now = 0.0
        self._moved_at = 0
        self._timers: list[tuple[float, int, TimerHandle, Lane | None]] = []
        self._cancelled = 0
        self._tasks: list[ref[asyncio.Task[Any]]] = []
        self._tasks_due = 64
        self._running = False
        self._driven = False
        """Whether `run_forever` runs it, which `stop` ends."""
        self._home = get_ident()
        # asyncio's own is a set of weak references, whose order is not the same in every run.
        self._asyncgens = Generators()
        self.closers: list[asyncio.Task[Any]] = []
        """The tasks that close the asynchronous generators which their users dropped."""
        self._threads: LoopThreads | None = None
        self._task_factory = numbered_task
        self.task_number = count(1).__next__
        """The number of the next task, of this loop and of those in threads."""

    def __del__(self) -> None:
        """Nothing is open, so nothing needs closing."""

    # Lanes and steps

    def lane(self, path: str) -> Lane:
        """The lane of the actor at this path."""
        lane = self.lanes.get(path)
        if lane is None:
            lane = self.lanes[path] = Lane(path)
        return lane

    def push(self, lane: Lane, item: Item) -> None:
        """The item wants to run."""
        if self._plain:
            self._fifo.append((lane, item))
            return
        self._arrived += 1
        if not lane.queue:
            self._waiting.append(lane)
        lane.queue.append((self._arrived, item))

    def take_back(self, lane: Lane) -> Item:
        """Takes out what was pushed last in this lane. The loop does not run it: the caller does."""
        if self._plain:
            return self._fifo.pop()[1]
        item = lane.queue.pop()[1]
        if not lane.queue:
            self._waiting.remove(lane)
        return item

    def reschedule(self, scheduler: Scheduler) -> None:
        """From here on this scheduler chooses. What waits keeps its order."""
        waiting = [(number, lane, item) for lane in self._waiting for number, item in lane.queue]
        waiting.sort(key=lambda each: each[0])
        ready = [*self._fifo, *((lane, item) for _, lane, item in waiting)]
        for lane in self._waiting:
            lane.queue.clear()
        self._fifo.clear()
        self._waiting.clear()
        for lane in self.lanes.values():
            lane.level, lane.rank, lane.ranked = 0, 0.0, 0
        self._scheduler, self._plain = scheduler, scheduler.plain
        for lane, item in ready:
            self.push(lane, item)

    def _next(self) -> tuple[Lane, Item] | None:
        """The lane that the scheduler wants to run; `None`: none can, or time must move first."""
        if self._plain:
            return self._fifo.popleft() if self._fifo else None
        if not self._waiting:
            return None
        lane = self._scheduler.pick(self._waiting)
        if lane is None:
            return None
        item = lane.queue.popleft()[1]
        if not lane.queue:
            self._waiting.remove(lane)
        return lane, item

    def run(self, until: float | None = None, done: Callable[[], bool] | None = None) -> Why:
        """Takes steps until `done()`, until virtual time would pass `until`, or until nothing is left to do.

        Raises:
            SimulationError: it runs already
            LivelockFailure: very many steps without time moving
            BaseException: what `after_step` raises, and `failure`
        """
        if self._running or _get_running_loop() is not None:
            raise SimulationError("the simulation runs already, or another event loop does in this thread")
        control, trace, turn_of = self.control, self.trace, self.turn_of
        self._moved_at = self.steps
        self._running = True
        _set_running_loop(self)
        try:
            while True:
                try:
                    while control:
                        function, args = control.popleft()
                        function(*args)
                except BaseException as error:  # noqa: BLE001 - an exception is raised again
                    self._step_raised(None, error)
                if self.failure is not None:
                    self._fail()
                if done is not None and done():
                    return Why.DONE
                chosen = self._next()
                if chosen is None:
                    if self.at_rest and not self._waiting and self._asked_at_rest():
                        continue
                    why = self._move_time(until)
                    if why is not None:
                        return why
                    continue
                lane, item = chosen
                handle = None if isinstance(item, Cell) else item
                if handle is not None and handle._cancelled:
                    continue
                self.steps += 1
                lane.steps += 1
                trace.append(lane.path)
                try:
                    if handle is None:
                        turn_of(item)
                    else:
                        handle._run()
                except BaseException as error:
                    if is_interrupt(error):
                        raise
                    self._step_raised(handle, error)
                for check in self.after_step:
                    check()
                if not self.steps % COLLECT:
                    gc.collect(1)
                if self.steps - self._moved_at > self.instant:
                    raise LivelockFailure(self._now, self.steps - self._moved_at, trace[-12:])
        finally:
            self._running = False
            _set_running_loop(None)

    def run_forever(self) -> None:
        """Runs until `stop` is called, as a loop of asyncio does, in virtual time; so `run_until_complete` and
        `asyncio.Runner` work outside of the run.

        Raises what `run` raises, and `DeadlockFailure` when nothing can end it any more.
        """
        self._check_closed()
        self._check_running()
        self._driven, self._stopping = True, False
        try:
            if self.run(done=lambda: self._stopping) is Why.IDLE:
                raise DeadlockFailure(self._now, ["the test waits for a future of the event loop"])
        finally:
            self._driven = self._stopping = False

    def inside(self) -> bool:
        """Whether code that the simulation runs is asking. A real thread from before stands outside, as does the test
        itself.
        """
        return self._running and get_ident() == self._home

    def _asked_at_rest(self) -> bool:
        """Whether something can run once those have looked that wait for the rest."""
        for look in self.at_rest:
            look()
        return bool(self._fifo or self._waiting or self.control)

    def _step_raised(self, handle: Handle | None, error: BaseException) -> None:
        """A step raised what no task and no callback keeps. An exit in a callback of an actor is the crash of that
        actor; any other one ends the run. Raises `error` again where it is an `Exception`.

        `handle` is the callback; `None`: a turn, or what the runtime does between turns.
        """
        owner = Owner() if handle is None else owner_in(handle._context)  # type: ignore[attr-defined]
        if owner.cell is not None:
            self.escaped(error, owner, "a callback of the event loop")
            return
        if isinstance(error, Exception) or self._driven:
            raise error
        what = f"a step of {'the runtime' if handle is None else 'the test'} raised {type(error).__name__}"
        if isinstance(error, Exits):
            self._end(LoopEnded(self._now, f"{what}, which ends the event loop of every actor"), error)
        else:
            self._end(LoopFailure(self._now, what), error)

    def _end(self, failure: OracleFailure, cause: BaseException | None) -> None:
        """The run ends after the present step, unless it ends already."""
        if self.failure is None:
            failure.__cause__ = cause
            self.failure = failure

    def _fail(self) -> NoReturn:
        failure, self.failure = self.failure, None
        assert failure is not None
        raise failure

    # Time

    def time(self) -> float:
        """Virtual seconds since the simulation began."""
        return self._now

    @property
    def timers(self) -> list[TimerHandle]:
        """The timers that are set."""
        return [each[2] for each in sorted(self._timers, key=lambda each: each[:2]) if not each[2]._cancelled]

    def _move_time(self, until: float | None) -> Why | None:
        """Moves time to the next timer and makes everything due at that time ready."""
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
            self._cancelled -= 1
        if not timers or timers[0][0] == math.inf or (until is not None and timers[0][0] > until):
            if self._waiting:
                return None  # a scheduler asked for time to move, and it cannot
            if until is not None and until > self._now:
                self._now = until
            return Why.TIME if timers and timers[0][0] < math.inf else Why.IDLE
        if timers[0][0] > self._now:
            self._now = timers[0][0]
            self._moved_at = self.steps
        self._ring()
        return None

    def _ring(self) -> None:
        timers, now = self._timers, self._now
        while timers and timers[0][0] <= now:
            _, _, timer, lane = heapq.heappop(timers)
            if timer._cancelled:
                self._cancelled -= 1
            else:
                self.push(lane or self._owner(timer._context), timer)  # type: ignore[attr-defined]

    def jump(self, seconds: float) -> None:
        """Time moves while work is waiting, as after a suspended machine: everything that falls due meanwhile is ready
        at once.
        """
        self._now += seconds
        self._moved_at = self.steps
        self._ring()

    def call_soon(self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None) -> Handle:
        handle = Handle(callback, args, self, context)
        cell: Any = current_cell() if context is None else cell_in(context)
        self.push(self._owner(handle._context) if cell is None else cell.attached.lane, handle)  # type: ignore[attr-defined]
        return handle

    call_soon_threadsafe = call_soon

    def hook_generators(self) -> Any:
        """Has Python tell of each asynchronous generator that begins, as while a loop of asyncio runs. Returns what was
        told before, for `sys.set_asyncgen_hooks`.
        """
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)
        return hooks

    def _asyncgen_firstiter_hook(self, generator: Any) -> None:
        self._asyncgens.add(generator)

    def _asyncgen_finalizer_hook(self, generator: Any) -> None:
        self._asyncgens.discard(generator)
        if not self._closed:
            self.closers.append(self.create_task(generator.aclose()))

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        return self._set(TimerHandle(when, callback, args, self, context), None)

    def clock_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        """A timer of the runtime on behalf of an actor, such as the grace of a stop. It races with the actor: its lane
        is `path:clock`.
        """
        cell = current_cell()
        return self._set(
            TimerHandle(when, callback, (), self), self.outside if cell is None else self.lane(f"{cell.path}:clock")
        )

    def lane_at(self, lane: Lane, when: float, callback: Callable[[], object]) -> TimerHandle:
        """A timer of the simulation's own, in this lane. It belongs to no actor."""
        return self._set(TimerHandle(when, callback, (), self, Context()), lane)

    def _set(self, timer: TimerHandle, lane: Lane | None) -> TimerHandle:
        self._arrived += 1
        heapq.heappush(self._timers, (timer.when(), self._arrived, timer, lane))
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now + max(0.0, delay), callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled > len(self._timers) // 2:
            self._timers = [each for each in self._timers if not each[2]._cancelled]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _owner(self, context: Context) -> Lane:
        cell = cell_in(context)
        owner = context.get(current_lane) if cell is None else cell.attached
        lane: Lane | None = owner.lane if owner is not None else None
        return self.outside if lane is None else lane

    # What asyncio needs

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        self._check_closed()
        name = "task" if name is None else str(name)  # asyncio's own has a number, which goes on from run to run
        if self._task_factory is None:
            task: asyncio.Task[T] = SimTask(coro, loop=self, name=name, context=context, **options)
        else:
            # A factory of the user's may know the loop and the coroutine only, as asyncio's documentation has it.
            given = {} if context is None else {"context": context}
            task = self._task_factory(self, coro, **given, **options)
            if hasattr(task, "set_name"):
                task.set_name(name)
        self._tasks.append(ref(task))
        if len(self._tasks) > self._tasks_due:
            self._tasks = [ref(each) for each in self.tasks]
            self._tasks_due = 2 * len(self._tasks) + 64
        return task

    @property
    def tasks(self) -> list[asyncio.Task[Any]]:
        """The tasks that are not done, in the order in which they were made."""
        return [task for each in self._tasks if (task := each()) is not None and not task.done()]

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        if self._threads is None:
            self._threads = LoopThreads(self)
        return self._threads.run(executor or self._default_executor, self.in_thread, func, *args)

    def in_thread(
        self, loop: asyncio.AbstractEventLoop, func: Callable[..., Any], *args: Any, ended: Callable[[], object]
    ) -> asyncio.Future[Any]:
        """Runs `func` where it may block, for a coroutine of `loop`, and then calls `ended`; the runtime puts its own
        way here.
        """
        self.refuse("run_in_executor()", "start the runtime first")

    def refuse(self, call: str, instead: str) -> NoReturn:
        """Raises `FenceError` here and, because a library or a supervisor may swallow it, out of `run` too."""
        error = fence(call, instead)
        if self.failure is None:
            self.failure = error
        raise error

    def refuses(self, kind: str) -> bool:
        """Whether code inside may not reach what is outside and of this kind."""
        return kind not in self.allowed

    def stop(self) -> None:
        """Refused to an actor, as on the loop of a real runtime. The test itself would end every actor."""
        cell = current_cell()
        if cell is not None:
            raise LoopStopRefused(cell.path, "simulation")
        if self._driven:
            self._stopping = True
            return
        self._end(LoopEnded(self._now, "the test called loop.stop(), which ends the event loop of every actor"), None)

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def drain(self) -> None:
        """Runs what can run without time passing, whatever it raises: for taking a run down."""
        steps = self.steps
        while self.steps - steps < 10_000:
            try:
                self.run(self._now)
            except Exception as error:  # noqa: BLE001 - the run is over, and what it had to say was said
                self.errors.append({"message": "while taking the simulation down", "exception": error})
            else:
                return

    def close(self) -> None:
        """Forgets everything that waits. Raises `RuntimeError` inside."""
        if self._running:
            raise RuntimeError("Cannot close a running event loop")
        self._closed = True
        self._fifo.clear()
        self._waiting.clear()
        self._timers.clear()
        self.control.clear()
        self.closers.clear()
        self.call_soon = self.call_soon_threadsafe = self.call_at = _is_closed  # type: ignore[method-assign]

    def set_debug(self, enabled: bool) -> None:
        """As of asyncio, except that it takes no step: tasks, futures and handles note where they were made."""
        self._debug = enabled

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Notes what a callback raised. The oracles fail the run for it at its end."""
        self.errors.append(context)

    def close_generators(self) -> bool:
        """Begins to close the asynchronous generators that are left, as a runtime does at its end. Returns whether
        there are any that close.
        """
        if self._asyncgens:
            self.closers.append(self.create_task(self.shutdown_asyncgens()))
        return bool(self.closers)

    def give_up_generators(self) -> None:
        """Gives up the generators that wait while they close."""
        for task in self.closers:
            task.cancel()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits for the threads of `asyncio.to_thread`. As of asyncio, none is started afterwards."""
        self._executor_shutdown_called = True
        if self._threads is not None:
            await self._threads.ended()


def _is_closed(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("Event loop is closed")


def _no_runtime(error: BaseException, *_: object) -> NoReturn:
    raise error


def _no_host(_: object) -> None:
    raise SimulationError("the simulation has no runtime yet")


class Refusing(Protocol):
    """A loop with fences around it."""

    def refuse(self, call: str, instead: str, /) -> NoReturn: ...

    def refuses(self, kind: str, /) -> bool: ...


_NO_SELECTOR = "the loop of a simulation has no selector: put a double in its place"
_NO_PROCESS = f"{_NO_SELECTOR}, or let asyncio.to_thread run a process, after sim.allow('processes')"
REFUSED = {
    "add_reader": _NO_SELECTOR,
    "add_signal_handler": "signals come from outside: call the handler itself",
    "add_writer": _NO_SELECTOR,
    "connect_accepted_socket": _NO_SELECTOR,
    "connect_read_pipe": _NO_SELECTOR,
    "connect_write_pipe": _NO_SELECTOR,
    "create_connection": _NO_SELECTOR,
    "create_datagram_endpoint": _NO_SELECTOR,
    "create_server": _NO_SELECTOR,
    "create_unix_connection": _NO_SELECTOR,
    "create_unix_server": _NO_SELECTOR,
    "sendfile": _NO_SELECTOR,
    "sock_accept": _NO_SELECTOR,
    "sock_connect": _NO_SELECTOR,
    "sock_recv": _NO_SELECTOR,
    "sock_recv_into": _NO_SELECTOR,
    "sock_recvfrom": _NO_SELECTOR,
    "sock_recvfrom_into": _NO_SELECTOR,
    "sock_sendall": _NO_SELECTOR,
    "sock_sendfile": _NO_SELECTOR,
    "sock_sendto": _NO_SELECTOR,
    "start_tls": _NO_SELECTOR,
    "subprocess_exec": _NO_PROCESS,
    "subprocess_shell": _NO_PROCESS,
}
"""The methods of an event loop that need a selector or a signal, and what to do instead."""
REMOVALS = ("remove_reader", "remove_signal_handler", "remove_writer")
"""Those that take back what was never there."""
LOOKUPS = ("getaddrinfo", "getnameinfo")
"""Those that a thread does: they are refused unless the network is allowed."""


def refuse_outside(loop_class: type[asyncio.BaseEventLoop]) -> None:
    """Has every method of the class that reaches outside raise `FenceError`."""
    for name, instead in REFUSED.items():
        setattr(loop_class, name, _refusal(name, instead))
    for name in REMOVALS:
        setattr(loop_class, name, _nothing_removed)
    for name in LOOKUPS:
        setattr(loop_class, name, _lookup(name, getattr(asyncio.BaseEventLoop, name)))


def _refusal(name: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: Refusing, *_: object, **__: object) -> NoReturn:
        self.refuse(f"loop.{name}()", instead)

    refuse.__name__ = name
    return refuse


def _nothing_removed(self: object, *_: object) -> bool:
    """False, as asyncio has it where there is nothing to remove."""
    return False


def _lookup(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def look_up(self: Refusing, *args: object, **options: object) -> Any:
        if self.refuses("network"):
            self.refuse(f"loop.{name}()", instead_of("network"))
        return real(self, *args, **options)

    return look_up


refuse_outside(SimLoop)
