"""Functions in processes that are kept for the next one: the processes of a pool, and what is sent to them.

Each process is an ordinary placed actor below the actor that has the pool. It runs one function at a time.
"""

from __future__ import annotations

import asyncio
import io
import os
import pickle
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from actors._core.actor import Actor
from actors._core.life import ON_ITS_WAY_OUT
from actors._core.placed import placed_type
from actors._core.process import main_fault, module_of, name_of, sending_fault
from actors._core.props import Props
from actors._core.ref import ActorRef
from actors._place.main import import_main, main_module
from actors._user_code.text import described, is_ctrl_c
from actors.errors import ActorCrashed, ActorDeadError, NotReceivable, NotSendable, PlaceLost, StartError
from actors.reasons import ExitReason, Killed, Shutdown

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.process import ProcessSpec
    from actors._place.host import PlaceHost

_TRIES = 5
"""How many processes a function is sent to that end, one after the other, before they have begun with it."""
_START_TIMEOUT = 30.0


class PooledCall(NamedTuple):
    """A function with its arguments, as it is sent to a process of a pool."""

    body: bytes
    refs: tuple[ActorRef[Any], ...]
    """The refs in the arguments, in the order in which `body` has them."""
    main: tuple[str, str] | None
    """How to import the main module of the program; None: it is not needed."""
    name: str
    """The name of the function."""

    def __repr__(self) -> str:
        return f"<call of {self.name}>"


def pack_call(
    path: str, function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]
) -> PooledCall:
    """The call as it is sent, for the pool of the actor at this path. From any thread. Raises `NotSendable`."""
    named = name_of(function)
    if not callable(function):
        raise NotSendable(path, f"the function {named}", "it cannot be called")
    if (problem := sending_fault(function)) is not None:
        raise NotSendable(path, f"the function {named}", problem)
    stream = io.BytesIO()
    pickler = _CallPickler(stream)
    try:
        pickler.dump((function, tuple(args), dict(kwargs)))
    except BaseException as error:  # of the user's __reduce__, which raises anything
        if is_ctrl_c(error):
            raise
        raise NotSendable(path, f"the function {named} with its arguments", described(error)) from error
    for each in pickler.named:
        if (problem := sending_fault(each)) is not None:
            raise NotSendable(path, f"the function {named} with its arguments", problem)
    body = stream.getvalue()
    in_main = module_of(function) == "__main__" or (b"__main__" in body and main_fault() is None)
    return PooledCall(body, tuple(pickler.refs), main_module() if in_main else None, named)


class _CallPickler(pickle.Pickler):
    """Pickles a call. Its refs are left to the link of the process that gets it."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, 5)
        self.refs: list[ActorRef[Any]] = []
        self.named: list[Any] = []
        """The classes and functions in it, which a process finds by their names."""

    def persistent_id(self, value: Any) -> int | None:
        kind = type(value)
        if not issubclass(kind, ActorRef):
            if kind is FunctionType or issubclass(kind, type):
                self.named.append(value)
            return None
        self.refs.append(value)
        return len(self.refs) - 1


class _CallUnpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, refs: tuple[ActorRef[Any], ...]) -> None:
        super().__init__(stream)
        self._refs = refs

    def persistent_load(self, number: Any) -> ActorRef[Any]:
        found: ActorRef[Any] = self._refs[number]
        return found


class PoolWorker(Actor):
    """Runs the functions that are sent to a process of a pool. What they raise is an answer: the process goes on."""

    host = "thread"  # while a plain function runs, the process hears the order to stop
    answers = (BaseException,)

    def on_receive(self, call: PooledCall) -> Any:
        """Returns what the function returns; a coroutine is awaited."""
        if call.main is not None:
            import_main(call.main)
        try:
            function, args, kwargs = _CallUnpickler(io.BytesIO(call.body), call.refs).load()
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise NotReceivable(self.path, "the function or its arguments", described(error)) from error
        return function(*args, **kwargs)

    async def awaits(self) -> None:
        """Never called: it says that a handler may be a coroutine, for which the thread has an event loop."""


class ProcessPool:
    """The processes of one actor for functions. They start when they are needed, and end with the actor. On the loop
    thread of the runtime.
    """

    def __init__(self, owner: Cell, spec: ProcessSpec, size: int | None) -> None:
        """`size`: how many processes there may be; None: as many as the program may use processors."""
        self.spec = spec
        self._wanted, self.size = size, size_of_pool(size)
        self._owner = owner
        self._runtime = owner.runtime
        self._workers: dict[Cell, bool] = {}
        """Whether it is up, by process."""
        self._idle: list[Cell] = []
        self._waiting: deque[tuple[asyncio.Future[Cell], Callable[..., object]]] = deque()
        """Those who wait for a process, in order, each with its function."""
        self._told: set[Cell] = set()
        """The processes whose function was told to stop."""
        self._made = 0
        self._closed = False

    async def run(self, task: Actor, function: Callable[..., object], call: PooledCall) -> Any:
        """Runs the function in a process that is free, and returns its result. The actor `task` waits for it: its end
        ends the process; an order to stop is told to the function.

        Raises:
            PlaceLost: the process has ended, in the name of the task
            StartError: no process came up
            Exception: that of the function, or why its result cannot be sent
        """
        for left in reversed(range(_TRIES)):
            try:
                worker = await self._take(function)
            except StartError as error:
                # It was killed while it started, and that was not the doing of this function.
                if not left or not isinstance(error.__cause__, PlaceLost):
                    raise
                continue
            try:
                return await self._run_in(worker, task, call)
            except ActorDeadError as error:
                # It had ended before it began with the function, and that was not known.
                if not left or error.begun or error.path != worker.path:
                    raise
            finally:
                self._give_back(worker)
        raise AssertionError("unreachable")

    async def _run_in(self, worker: Cell, task: Actor, call: PooledCall) -> Any:
        forget = task._cell.possess().when_told(partial(self._heed, worker))
        try:
            return await worker.ref.call(call, timeout=None)
        except asyncio.CancelledError:
            worker.kill(Killed("its task was ended"))
            await self._end_of(worker)
            raise
        except PlaceLost as error:
            raise _in_the_name_of(task.path, worker.path, error) from None
        except ActorCrashed as error:
            if error.path != worker.path or error.__cause__ is None:
                raise
            raise error.__cause__ from None  # such as a SystemExit, which the worker has survived
        finally:
            forget()

    def _heed(self, worker: Cell) -> None:
        """The task was told to stop: its function may ask for that. The process ends after it."""
        if worker in self._workers:
            self._told.add(worker)
            cast("PlaceHost", worker.host).heed(worker, Shutdown("its task was told to stop"))

    def _end_of(self, worker: Cell) -> asyncio.Future[None]:
        """Settled when the process was reaped."""
        ended: asyncio.Future[None] = self._runtime.loop.create_future()
        self._runtime.when_closed(worker, lambda _: None if ended.done() else ended.set_result(None))
        return ended

    # The processes

    async def _take(self, function: Callable[..., object]) -> Cell:
        """The next process that is free, in the order of those who wait."""
        if self._idle:
            return self._idle.pop()  # the one that ran last
        turn: asyncio.Future[Cell] = self._runtime.loop.create_future()
        self._waiting.append((turn, function))
        self._balance()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._give_back(turn.result())
            raise

    def _balance(self) -> None:
        """Starts as many processes as are waited for, and may be there."""
        if len(self._workers) >= self.size:
            return  # as nearly always: however many wait, this costs the same
        waiting = [function for turn, function in self._waiting if not turn.done()]
        starting = sum(not up for up in self._workers.values())
        for function in waiting[starting:]:
            if len(self._workers) >= self.size or self._owner.is_absent:
                return
            self._begin(function)

    def _begin(self, function: Callable[..., object]) -> None:
        kind = placed_type(self._runtime.kind(PoolWorker), self.spec, function)
        props = Props(kind, host=self.spec, start_timeout=_START_TIMEOUT, shutdown=self._runtime.kill_grace)
        self._made += 1
        try:
            started, ref = self._runtime.spawn_nowait(props, self._owner, f"process-{self._made}")
        except Exception as error:  # noqa: BLE001 - the task that waits for it is told
            self._hand(error)
            return
        worker = ref._cell
        self._workers[worker] = False
        started.add_done_callback(lambda future: self._runtime.on_loop(partial(self._started, worker, future)))

    def _started(self, worker: Cell, started: Any) -> None:
        try:
            started.get()
        except Exception as error:  # noqa: BLE001 - a start fails by anything
            self._workers.pop(worker, None)
            self._hand(error)
            self._balance()
            return
        if worker in self._workers:
            self._workers[worker] = True
            self._runtime.when_closed(worker, partial(self._ended, worker))
            self._give_back(worker)

    def _ended(self, worker: Cell, _: ExitReason) -> None:
        self._workers.pop(worker, None)
        self._told.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self._balance()

    def _give_back(self, worker: Cell) -> None:
        """The process is free: the next one who waits has it."""
        if worker not in self._workers or worker.phase in ON_ITS_WAY_OUT or worker.is_absent:
            return
        if self._closed or len(self._workers) > self.size or worker in self._told:
            self._retire(worker)
        elif not self._hand(worker):
            self._idle.append(worker)

    def _hand(self, what: Cell | Exception) -> bool:
        """Gives a process, or the error of its start, to the first who waits. Returns whether there was one."""
        while self._waiting:
            turn, _ = self._waiting.popleft()
            if turn.done():
                continue  # it waits no longer
            if isinstance(what, Exception):
                turn.set_exception(what)
            else:
                turn.set_result(what)
            return True
        return False

    def _retire(self, worker: Cell) -> None:
        worker.stop(Shutdown("it is not needed"), worker.props.shutdown)

    def resize(self, size: int | None) -> None:
        """There may be so many processes. More than that end when they are free."""
        if size == self._wanted:
            return
        self._wanted, self.size = size, size_of_pool(size)
        while self._idle and len(self._workers) > self.size:
            worker = self._idle.pop(0)
            self._retire(worker)
        self._balance()

    def close(self) -> None:
        """No function is run in these processes any more: each ends when it is free."""
        self._closed = True
        for worker in self._idle:
            self._retire(worker)
        self._idle.clear()


def size_of_pool(size: int | None) -> int:
    """The number of processes; by default that of the processors that this program may use."""
    if size is not None:
        return size
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_the_name_of(path: str, worker: str, error: PlaceLost) -> PlaceLost:
    """The loss of a process as that of the task which ran there."""
    if error.path != worker:
        return error
    lost = PlaceLost(path, error.place, error.how, error.signal, error.exit_code, error.max_rss, error.cpu)
    for note in getattr(error, "__notes__", ()):
        lost.add_note(note)
    return lost
