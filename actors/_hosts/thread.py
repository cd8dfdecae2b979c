"""The thread host: one thread an incarnation, for code that blocks.

The thread runs hooks and handlers and nothing else; what decides over a life stays on the loop thread. A thread that
is stuck cannot be killed in Python: it is left behind, counted, and whatever it still returns is ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections import deque
from collections.abc import Callable, Container, Coroutine, Iterator
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from actors._core.clock import TimerHandle
from actors._core.current import Owner, begin_in, detached, tells
from actors._core.envelope import Envelope
from actors._core.outcomes import came_late, overran, refuse, settle
from actors._core.task_guard import guard_tasks, owner_of
from actors._hosts.host import HookDone, Hooks
from actors._name import NAME
from actors._user_code.reporting import contain
from actors.errors import ActorDeadError, RuntimeStopped
from actors.events import Abandoned
from actors.reasons import Crashed, Killed

TRIES = 10
"""How many times the end of a loop is begun again when a callback of the actor exits."""

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._runtime.runtime import Runtime


class ThreadHost:
    """Runs each incarnation in a thread of its own."""

    slice = 1
    blocks = True
    goes_on = False

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._workers: dict[Cell, Worker] = {}
        self.holds: Container[Cell] = self._workers
        self._finishing: dict[Worker, None] = {}

    def launch(self, cell: Cell) -> None:
        worker = self._workers[cell] = Worker(self._runtime, cell, self._finishing, self.make_thread(cell))
        self._finishing[worker] = None
        worker.start()
        worker.ring()

    def make_thread(self, cell: Cell) -> WorkerThread:
        """Makes the thread of the incarnation that begins. The simulation has its own kind."""
        return SystemThread()

    def current(self) -> Worker | None:
        """The worker whose code runs in this thread."""
        return getattr(_local, "worker", None)

    def ready(self, cell: Cell) -> None:
        worker = self._workers.get(cell)
        if worker is not None:
            worker.ring()

    def drive(self, cell: Cell, envelope: Envelope, handler: Coroutine[Any, Any, object], context: Context) -> None:
        incarnation = cell.incarnation
        if cell.concurrency > 1 or tells(envelope):
            begin_in(context, cell, envelope)
        try:
            result, error = self._here().run(handler, context), None
        except BaseException as raised:  # noqa: BLE001 - whatever a handler raises is the exit of its actor alone
            result, error = None, raised
        if getattr(envelope, "settled", False):
            came_late(cell, incarnation)
        else:
            settle(cell, envelope, result, error, incarnation)

    def drive_life(self, cell: Cell, hooks: Hooks, done: HookDone) -> None:
        error: BaseException | None = None
        try:
            rest = cell.context.run(hooks)
            if rest is not None:
                self._here().run(rest, cell.context)
        except BaseException as raised:  # noqa: BLE001 - see drive
            if self._runtime.in_fork:
                self._runtime.leave_fork(raised)
            error = raised
        self._here().report(partial(done, error))

    def under_way(self, cell: Cell) -> list[Envelope]:
        return [] if cell.envelope is None else [cell.envelope]

    def cut_off(self, cell: Cell) -> None:
        """Nothing to cut off: the one handler of a thread is the one that crashed."""

    def kill(self, cell: Cell, ended: Callable[[], object]) -> bool:
        worker = self._workers[cell]
        if worker.finishing or not worker.end(ended):
            return True  # what it owns has limits of its own
        worker.grace = self._runtime.clock.call_at(
            self._runtime.now() + self._runtime.kill_grace, lambda: self._abandon(worker)
        )
        return False

    def _abandon(self, worker: Worker) -> None:
        ended = worker.abandon()
        if ended is None:
            return
        cell = worker.cell
        self._runtime.abandoned += 1
        self._runtime.events.publish(Abandoned(worker.path, self._runtime.now(), "thread", worker.incarnation))
        envelope = cell.envelope if cell is not None else None
        if cell is not None and envelope is not None:
            cell.made_no_progress()
            envelope.settled = True  # how its handler ends no longer matters
            if cell.culprit is None:
                error = ActorDeadError(cell.path, Killed(), envelope.message, begun=True)
                refuse(cell, envelope, "killed", error)
        ended()

    def finish(self, cell: Cell, steps: Iterator[Coroutine[Any, Any, None]], done: Callable[[], object]) -> None:
        worker = self._workers.get(cell)
        context = detached(cell.context)
        if worker is None or not worker.finish(partial(_run_steps, context, steps), done):
            name = f"{NAME}:{cell.path} (end)"
            self.start_thread(partial(self._finish_elsewhere, context, steps, done), name)

    def _finish_elsewhere(
        self, context: Context, steps: Iterator[Coroutine[Any, Any, None]], done: Callable[[], object]
    ) -> None:
        """The whole of a thread that takes the place of one that was left behind."""
        loop = _Loop()
        with contextlib.suppress(RuntimeStopped):
            contain("the end of what an actor owned", _run_steps, context, steps, loop)
            self._runtime.control_call(done)
        loop.close(threading.current_thread().name)

    def start_thread(self, work: Callable[[], object], name: str) -> None:
        """Runs `work` in a thread of its own. The simulation has its own kind."""
        threading.Thread(target=work, name=name, daemon=True).start()

    def leave_behind(self, cell: Cell) -> None:
        worker = self._workers.get(cell)
        if worker is not None:
            worker.leave_behind()
            self._finishing.pop(worker, None)
        self._runtime.abandoned += 1
        self._runtime.events.publish(Abandoned(cell.path, self._runtime.now(), "thread", cell.incarnation))

    def create_task(
        self, cell: Cell, coroutine: Coroutine[Any, Any, Any], name: str | None
    ) -> asyncio.Task[Any] | None:
        return self._here().create_task(coroutine, name) if self._runs(cell) else None

    def drop(self, cell: Cell) -> list[Envelope]:
        worker = self._workers.pop(cell, None)
        if worker is not None:
            worker.abandon()
            worker.retire()
        return []  # the one message under way is the cell's own

    def retire(self, cell: Cell) -> None:
        worker = self._workers.pop(cell, None)
        if worker is not None:
            worker.retire()

    def is_current(self, cell: Cell) -> bool:
        """Whether this code is a handler or hook of the cell's present incarnation, and not a task beside it."""
        return self._runs(cell) and self._here().in_turn()

    def forked(self, cell: Cell, leave: Callable[[], object]) -> bool:
        """Code of the cell has forked this process: it is left after the turn. False if that was not its thread."""
        here = self._runs(cell)
        if here:
            self._here().forked(leave)
        return here

    def _runs(self, cell: Cell) -> bool:
        """Whether this thread is the one of the cell's present incarnation."""
        worker = self.current()
        return worker is not None and worker.cell is cell and worker.incarnation == cell.incarnation

    def _here(self) -> Worker:
        worker = self.current()
        assert worker is not None
        return worker

    def watch(self, worker: Worker, timeout: float) -> Callable[[], object]:
        """Has the turn that begins end the incarnation after `timeout` seconds. Returns a function that cancels it."""
        runtime = self._runtime
        timer: list[TimerHandle] = []
        turn = worker.turns
        runtime.control_call(
            lambda: timer.append(runtime.clock.call_at(runtime.now() + timeout, lambda: worker.overran(turn)))
        )
        return lambda: runtime.control_call(lambda: timer[0].cancel())

    def close(self) -> None:
        """Waits for the threads that are on their way out, all together for at most the grace of a kill."""
        until = monotonic() + self._runtime.kill_grace
        for worker in list(self._finishing):
            worker.join(timeout=max(0.0, until - monotonic()))


_local = threading.local()


class _Loop:
    """The event loop of a thread, made when a coroutine has to wait for the first time."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self.driver: asyncio.Task[Any] | None = None
        """The task of the coroutine that `run` runs."""

    @property
    def made(self) -> asyncio.AbstractEventLoop | None:
        """The loop, once it is there."""
        return None if self._runner is None else self._runner.get_loop()

    def get(self) -> asyncio.AbstractEventLoop:
        """The loop. Makes it at the first call. In its thread."""
        if self._runner is None:
            self._runner = asyncio.Runner()
            guard_tasks(self._runner.get_loop())
        return self._runner.get_loop()

    def run(self, coroutine: Coroutine[Any, Any, object], context: Context) -> object:
        """Runs a coroutine to its end, in `context`. Its task is none of the tasks that the actor owns."""
        loop = self.get()
        self.driver = asyncio.Task(_outcome(coroutine), loop=loop, context=context)
        try:
            result, error = loop.run_until_complete(self.driver)
        finally:
            self.driver = None
        if error is not None:
            raise error
        return result

    def close(self, path: str) -> None:
        """Closes the loop, if there is one. What a callback of the actor's raises there goes no further: its
        incarnation is over.
        """
        if self._runner is None:
            return
        what, loop = f"the event loop of {path} was not closed", self._runner.get_loop()
        # Threads that the actor began with `asyncio.to_thread` report to the loop, so it is open until they end. A
        # callback that exits ends the wait for them.
        for _ in range(TRIES):
            if contain(what, loop.run_until_complete, loop.shutdown_default_executor()):
                break
        contain(what, self._runner.close)


def _run_steps(context: Context, steps: Iterator[Coroutine[Any, Any, None]], loop: _Loop) -> None:
    while (step := context.run(next, steps, None)) is not None:
        loop.run(step, context)


class WorkerThread(Protocol):
    """The thread of a worker, and the rings that wait for it. The simulation has its own kind."""

    def start(self, worker: Worker) -> None:
        """Begins a thread that runs `worker.work()`, and `worker.close()` at its end. `ThreadHost.current()` is this
        worker there.
        """
        ...

    def ring(self) -> None:
        """One ring more. From any thread."""
        ...

    def is_rung(self) -> bool:
        """Whether a ring waits. In the thread."""
        ...

    def wait(self) -> None:
        """Takes a ring; waits for the next one if there is none. In the thread."""
        ...

    def join(self, timeout: float) -> None:
        """Waits for the thread to end, for at most `timeout` seconds."""
        ...


class SystemThread:
    """A thread of Python."""

    def __init__(self) -> None:
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, worker: Worker) -> None:
        self._thread = threading.Thread(target=_run, args=(worker,), name=f"{NAME}:{worker.path}", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        self._bell.put(None)

    def is_rung(self) -> bool:
        return not self._bell.empty()

    def wait(self) -> None:
        self._bell.get()

    def join(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)


def _run(worker: Worker) -> None:
    """The whole of a thread of Python."""
    _local.worker = worker
    # A thread that was left behind may outlive its runtime: then it has no place to report its end.
    with contextlib.suppress(RuntimeStopped):
        try:
            worker.work()
        except RuntimeStopped:
            raise
        except BaseException as error:  # noqa: BLE001 - see LoopHost._drain
            worker.turn_failed(error)
    worker.close()


class Worker:
    """The work of the thread of one incarnation. Outside of a turn it keeps nothing of the actor: how long the thread
    takes to end depends on the system.
    """

    def __init__(self, runtime: Runtime, cell: Cell, finishing: dict[Worker, None], thread: WorkerThread) -> None:
        self._runtime = runtime
        self._cell = weakref.ref(cell)
        self._plain = cell.props.kind.plain
        self.path = cell.path
        self.incarnation = cell.incarnation
        self.grace: TimerHandle | None = None
        self.turns = 0
        self._lock = threading.Lock()
        self._over = False
        self._retired = False
        self._behind = False
        self._last: tuple[Callable[[_Loop], object], Callable[[], object]] | None = None
        self.finishing = False
        """Whether it ends, or has ended, what the incarnation owned."""
        self._busy = False
        self._ended: Callable[[], object] | None = None
        self._reports: deque[Callable[[], object]] = deque()
        self._unreported = 0
        self._loop = _Loop()
        self._listening: asyncio.Future[None] | None = None
        """Settled by a ring while the loop of the thread runs between two turns."""
        self._finishing = finishing
        self._thread = thread

    @property
    def cell(self) -> Cell | None:
        """The cell of the incarnation; None: nothing knows it any more."""
        return self._cell()

    def start(self) -> None:
        """Begins to run."""
        self._thread.start(self)

    def join(self, timeout: float) -> None:
        """Waits for the thread to end, for at most `timeout` seconds."""
        self._thread.join(timeout)

    def ring(self) -> None:
        """Has the thread take a turn."""
        self._thread.ring()
        listening = self._listening
        if listening is not None:
            with contextlib.suppress(RuntimeError):  # the thread has ended meanwhile
                listening.get_loop().call_soon_threadsafe(_settle, listening)

    def end(self, ended: Callable[[], object]) -> bool:
        """No further turn. True when one is under way: `ended` is then called on the loop thread after it."""
        with self._lock:
            self._over = True
            if self._busy:
                self._ended = ended
            return self._busy

    def finish(self, work: Callable[[_Loop], object], done: Callable[[], object]) -> bool:
        """Has the thread do the last work of the incarnation, and then calls `done` on the loop thread. False if the
        thread was left behind.
        """
        with self._lock:
            if self._behind:
                return False
            self._over = self.finishing = True
            self._last = work, done
        self.ring()
        return True

    def leave_behind(self) -> None:
        """The thread takes no further work."""
        with self._lock:
            self._behind = True

    def retire(self) -> None:
        """The thread ends after its turn."""
        with self._lock:
            self._over = self._retired = True
        self.ring()

    def abandon(self) -> Callable[[], object] | None:
        """Leaves the thread behind; returns what was to be called after its turn, if that is still to come."""
        with self._lock:
            self._behind = True
            ended, self._ended = self._ended, None
        if ended is not None:
            self._finishing.pop(self, None)
        return ended

    def run(self, coroutine: Coroutine[Any, Any, object], context: Context) -> object:
        """Runs a coroutine to its end, in `context`: without a loop when it never waits, on a loop of this thread's own
        otherwise.
        """
        if self._plain:
            try:
                context.run(coroutine.send, None)
            except StopIteration as stop:
                return stop.value
            coroutine.close()
            raise TypeError(
                f"{self.path}: a plain hook or handler returned an awaitable that waits; declare it `async def`"
            )
        return self._loop.run(coroutine, context)

    def in_turn(self) -> bool:
        """Whether the code that asks is the turn itself, and not a task on the loop of the thread. In the thread."""
        loop = asyncio._get_running_loop()
        return loop is None or (self._loop.driver is not None and asyncio.current_task(loop) is self._loop.driver)

    def create_task(self, coroutine: Coroutine[Any, Any, Any], name: str | None) -> asyncio.Task[Any]:
        """Makes a task on the loop of the thread. In the thread."""
        return self._loop.get().create_task(coroutine, name=name)

    def work(self) -> None:
        """Takes a turn for every ring, until the incarnation is over. In the thread."""
        while True:
            self._listen()
            self._thread.wait()
            if not self._take_turn():
                return

    def close(self) -> None:
        """Closes the loop of the thread, if there is one. Last of all, in the thread."""
        try:
            self._loop.close(self.path)
        finally:
            self._finishing.pop(self, None)

    def forked(self, leave: Callable[[], object]) -> None:
        """The code of the turn has forked this process, which is left after it: nothing may run here then."""
        self._listen = self.close = leave  # type: ignore[method-assign,assignment]

    def turn_failed(self, error: BaseException) -> None:
        """The runtime itself raised in a turn. In the thread. Raises `RuntimeStopped`."""
        self._runtime.control_call(self._turn_failed, error)

    def _listen(self) -> None:
        """Runs the loop of the thread until the next ring, if tasks of the actor live there."""
        loop = self._loop.made
        while loop is not None and not self._retired and self._has_tasks() and not self._thread.is_rung():
            rung = self._listening = loop.create_future()
            try:
                if not self._thread.is_rung():
                    loop.run_until_complete(asyncio.Task(_wait_for(rung), loop=loop))
            except BaseException as error:  # noqa: BLE001 - a callback of the user's has ended the loop, which goes on
                self._runtime.escaped(error, owner_of(error) or Owner(), "a callback of the event loop")
            finally:
                self._listening = None

    def _has_tasks(self) -> bool:
        cell = self._cell()
        if cell is None or cell.incarnation != self.incarnation:
            return False
        possessions = cell.possessions
        owned = None if possessions is None else possessions.owned
        return owned is not None and bool(owned.tasks or owned.looks)

    def _turn_failed(self, error: BaseException) -> None:
        cell = self.cell
        if cell is not None and cell.incarnation == self.incarnation:
            self._runtime.turn_failed(cell, error)

    def _take_turn(self) -> bool:
        """One turn of the cell, in the worker's own thread; returns whether there may be another one."""
        with self._lock:
            if self._retired:
                return False
            last, self._last = self._last, None
            if last is None and self._over:
                return True
            self._busy = True
        try:
            if last is None:
                self._turn()
            else:
                work, done = last
                contain(f"the end of what {self.path} owned", work, self._loop)
                self.report(done)
        finally:
            with self._lock:
                self._busy = False
                if self._ended is not None:
                    self.report(partial(self._ended_late, self._ended))
                    self._ended = None
            while self._unreported:  # by now no frame of this thread holds anything of the actor
                self._unreported -= 1
                self._runtime.control_call(self._take_report)
        return True

    def _turn(self) -> None:
        cell = self.cell
        if cell is None:
            return  # the runtime was lost meanwhile
        timeout = cell.props.handler_timeout
        self.turns += 1
        limit = self._runtime.thread_host.watch(self, timeout) if timeout is not None else None
        cell.turn(self._runtime.now())
        if limit is not None:
            limit()

    def report(self, done: Callable[[], object]) -> None:
        """Has `done` called on the loop thread after the turn. From the turn."""
        self._reports.append(done)
        self._unreported += 1

    def _take_report(self) -> None:
        self._reports.popleft()()

    def _ended_late(self, ended: Callable[[], object]) -> None:
        if self.grace is not None:
            self.grace.cancel()
        ended()

    def overran(self, turn: int) -> None:
        """The handler of that turn passed its time limit: the incarnation ends, the thread is left behind. On the
        loop thread.
        """
        cell = self.cell
        if cell is None or turn != self.turns:
            return  # it is done, and the word of it crossed with the timer
        if cell.incarnation == self.incarnation and cell.envelope is not None and not self._over:
            cell.envelope.settled = True  # how it ends no longer matters
            cell.kill(Crashed(overran(cell, cell.envelope)), cell.envelope)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _wait_for(future: asyncio.Future[None]) -> None:
    await future


async def _outcome(coroutine: Coroutine[Any, Any, object]) -> tuple[object, BaseException | None]:
    """The result or exception of the coroutine, as a value: asyncio lets an exit out of a task and through its loop."""
    try:
        return await coroutine, None
    except BaseException as error:  # noqa: BLE001 - it is raised again outside of the loop
        return None, error
