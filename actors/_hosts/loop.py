"""The loop host: many thousands of actors on one event loop.

One run queue, drained by one `call_soon`. No task for a message: the first step of a coroutine runs at once, and only
one that has to wait is handed to a carrier, a pooled task that was the current task already during that first step
(`asyncio.timeout` and friends remember it).
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import Context
from functools import partial
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any, Protocol

from actors._core.current import begin_in, detached, tells
from actors._core.envelope import BareEnvelope, Envelope
from actors._core.outcomes import crashes_by_another, refuse, settle
from actors._hosts.coroutine_runner import CoroutineRunner
from actors._hosts.host import HookDone, Hooks
from actors._user_code.interrupts import hand_on
from actors.errors import ActorDeadError
from actors.events import Abandoned

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._runtime.runtime import Runtime

PASS = 0.01
"""Seconds of turns before the event loop gets to look at its sockets and timers.

Must exceed `sys.getswitchinterval()`, 5 ms: a waiting thread requests the GIL only after that time without a release.
With shorter passes, which release it for a moment only, other threads starved for seconds.
"""
TURNS = 16_384
"""The most turns of a pass, for a clock that stands still."""
IDLE_CARRIERS = 32
"""How many idle carriers are kept for the next handler that has to wait."""


class RunQueue(Protocol):
    """The cells that want a turn, and the choice of the next. A `collections.deque` chooses the first that came."""

    def append(self, cell: Cell, /) -> None: ...

    def popleft(self) -> Cell: ...

    def __len__(self) -> int: ...


class LoopHost:
    """Runs cells on the event loop of the runtime."""

    slice = 32
    blocks = False
    goes_on = True

    def __init__(self, runtime: Runtime, loop: asyncio.AbstractEventLoop, run_queue: RunQueue | None = None) -> None:
        self.slice, self.blocks = self.slice, self.blocks  # every turn reads them, and a field of a class takes longer
        self._runtime = runtime
        self._loop = loop
        self._thread = get_ident()
        self._queue: RunQueue = deque() if run_queue is None else run_queue
        self._scheduled = False
        self._ended = False
        self._lock = Lock()
        self._time_due = 0.0
        self._turns_due = 0
        self._idle: list[CoroutineRunner] = []
        self._carriers: dict[CoroutineRunner, None] = {}  # no sets: their order is not the same in every run
        self._under_way: dict[Cell, list[CoroutineRunner]] = {}
        self.holds = self._under_way
        self.stepping: Cell | None = None
        """The cell whose code runs at this moment."""
        self.turns = 0

    # Turns

    def ready(self, cell: Cell) -> None:
        self._queue.append(cell)
        if not self._scheduled:
            self.schedule()

    launch = ready
    """An incarnation has no resources here but its turns. A subclass with another `ready` has another `launch`."""

    def run_now(self) -> None:
        """Runs what is ready without a detour through the event loop: for a coroutine of the loop that is about to
        wait for it.

        Not from inside a turn, where it would nest, and for no longer than one pass since the loop last had its turn,
        so that sockets and timers get theirs. The task of the caller steps aside meanwhile: handlers have one of
        their own.
        """
        if self.stepping is not None or self.turns > self._turns_due or self._runtime.now() > self._time_due:
            return
        task = asyncio.current_task(self._loop)
        if task is None:
            return
        _leave_task(self._loop, task)
        try:
            self._runtime.context.run(self._drain)
        finally:
            _enter_task(self._loop, task)

    def schedule(self) -> None:
        """Has the loop drain the run queue. From any thread.

        Not needed while a pass is due or under way: `_scheduled` is taken back only before the queue is looked at for
        the last time.
        """
        try:
            # Two threads that both found nothing due would each start a chain of passes, and both chains would go on.
            with self._lock:
                if self._scheduled and not self._ended and not self._loop.is_closed():
                    return
                ended, self._scheduled = self._ended, True
            if not ended:
                if get_ident() == self._thread:
                    self._loop.call_soon(self._run, context=self._runtime.context)
                else:
                    self._loop.call_soon_threadsafe(self._run, context=self._runtime.context)
        except RuntimeError:
            self._runtime.lose("its event loop was closed", None)
            raise self._runtime.stopped_error() from None
        except BaseException:  # a Ctrl-C of the calling thread: the next caller asks for the pass again
            self._scheduled = self._ended
            raise
        if ended:
            raise self._runtime.stopped_error()

    def forked(self, leave: Callable[[], object]) -> None:
        """Code that runs here has forked this process: it is left when control comes back, before all else."""
        self._runtime.control.appendleft((leave, ()))
        ready = getattr(self._loop, "_ready", None)  # what follows in this pass, of asyncio's own loop
        if isinstance(ready, deque):
            ready.clear()
        self._loop.call_soon(leave)

    def end(self) -> None:
        """The loop is lost: no pass any more. What comes late is left where it is; its cells are closed."""
        with self._lock:
            self._ended = self._scheduled = True
        while self._queue:
            self._queue.popleft()

    def _run(self) -> None:
        self._time_due = self._runtime.now() + PASS
        self._turns_due = self.turns + TURNS
        try:
            self._drain()
        finally:
            self._scheduled = self._ended
            if not self._ended and (self._queue or self._runtime.control):
                self.schedule()

    def _drain(self) -> None:
        queue, control = self._queue, self._runtime.control
        now = self._runtime.now
        then = now()
        end, last = then + PASS, self.turns + TURNS
        try:
            while queue or control:
                while control:
                    self.stepping = None
                    function, args = control.popleft()
                    try:
                        function(*args)
                    except BaseException as error:  # noqa: BLE001 - the steps after this one must not be lost
                        self._runtime.uncaught(self._runtime.name, "a step of its own", error)
                if not queue:
                    break
                cell = queue.popleft()
                self.stepping = cell
                try:
                    then = cell.turn(then)
                except BaseException as error:  # noqa: BLE001 - the end of one actor, not of the loop of all
                    self._runtime.turn_failed(cell, error)
                    then = now()
                self.turns += 1
                if then > end or self.turns > last:
                    break
        finally:
            self.stepping = None

    # Coroutines

    def drive(self, cell: Cell, envelope: Envelope, handler: Coroutine[Any, Any, object], context: Context) -> None:
        # Asked here as far as possible, because most messages are bare: the two functions are calls in Python.
        bare = type(envelope) is BareEnvelope
        if cell.concurrency > 1 or envelope.sender is not None or (not bare and tells(envelope)):
            begin_in(context, cell, envelope)
        carrier, result, error = self._first_step(handler, context)
        if carrier is not None:
            cell.busy()
            incarnation = cell.incarnation
            timeout = cell.props.handler_timeout
            carrier.carry(
                cell,
                envelope,
                context,
                lambda result, error: cell.finished(envelope, result, error, incarnation),
                timeout,
            )
        elif not bare or error is not None or cell.noted or self._runtime.observed:
            settle(cell, envelope, result, error, cell.incarnation)

    def drive_life(self, cell: Cell, hooks: Hooks, done: HookDone) -> None:
        def ended(_: object, error: BaseException | None) -> None:
            if error is not None:
                if self._runtime.in_fork:
                    self._runtime.leave_fork(error)
                hand_on(error)
            done(error)

        try:
            rest = cell.context.run(hooks)
        except BaseException as error:  # noqa: BLE001 - whatever a hook raises is the exit of its actor alone
            ended(None, error)
            return
        if rest is None:
            done(None)
            return
        carrier, result, raised = self._first_step(rest, cell.context)
        if carrier is not None:
            carrier.carry(cell, None, cell.context, ended, None)
        else:
            ended(result, raised)
            raised = None  # its traceback has this frame, and would be kept by it

    def drop(self, cell: Cell) -> list[Envelope]:
        under_way = []
        for carrier in self._under_way.pop(cell, ()):
            carrier.on_end = _ignore
            carrier.relax()
            if carrier.envelope is not None:
                under_way.append(carrier.envelope)
            with suppress(RuntimeError):  # the loop is closed
                carrier.task.cancel()
        return under_way

    def _first_step(
        self, coroutine: Coroutine[Any, Any, object], context: Context
    ) -> tuple[CoroutineRunner | None, object, BaseException | None]:
        """Runs a coroutine to its first wait. Returns the carrier that carries it on, or else its result or error."""
        carrier = self._idle.pop() if self._idle else self.make_carrier()
        waits = False
        _enter_task(self._loop, carrier.task)
        try:
            yielded = context.run(coroutine.send, None)
        except StopIteration as stop:
            return None, stop.value, None
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is the exit of its actor alone
            return None, None, error
        else:
            waits = True
            carrier.take(coroutine, yielded)
            return carrier, None, None
        finally:
            _leave_task(self._loop, carrier.task)
            # One that its coroutine cancelled would hand the cancellation on to the next.
            if not waits and (carrier.task.cancelling() or not self.keep(carrier)):
                carrier.task.cancel()

    def make_carrier(self) -> CoroutineRunner:
        """A new carrier. Its task belongs to no actor."""
        return self._runtime.context.copy().run(CoroutineRunner, self, self._loop)

    def keep(self, carrier: CoroutineRunner) -> bool:
        """Takes a carrier back into the pool, unless it is full."""
        if len(self._idle) < IDLE_CARRIERS:
            self._idle.append(carrier)
            return True
        return False

    # Ends

    def under_way(self, cell: Cell) -> list[Envelope]:
        return [each.envelope for each in self._under_way.get(cell, ()) if each.envelope is not None]

    def cut_off(self, cell: Cell) -> None:
        for carrier in self._under_way.get(cell, ()):
            carrier.task.cancel()

    def kill(self, cell: Cell, ended: Callable[[], object]) -> bool:
        carriers = list(self._under_way.get(cell, ()))
        if not carriers:
            return True
        left = dict.fromkeys(carriers)
        clock = self._runtime.clock

        def one_ended(carrier: CoroutineRunner) -> None:
            left.pop(carrier, None)
            self._end_of(cell, carrier, spare=crashes_by_another(cell))
            if not left:
                timer.cancel()
                ended()

        def abandon() -> None:
            for carrier in list(left):
                now = self._runtime.now()
                self._runtime.abandoned += 1
                self._runtime.events.publish(Abandoned(cell.path, now, "coroutine", cell.incarnation))
                carrier.on_end = _ignore
                carrier.relax()
                self._end_of(cell, carrier, spare=False)  # it may still be at work on the message
            left.clear()
            ended()

        timer = clock.call_at(self._runtime.now() + self._runtime.kill_grace, abandon)
        for carrier in carriers:
            carrier.on_end = partial(one_ended, carrier)
            carrier.task.cancel()
        return False

    def finish(self, cell: Cell, steps: Iterator[Coroutine[Any, Any, None]], done: Callable[[], object]) -> None:
        first = self._next_step(cell, steps)
        if first is None:
            done()
        else:
            context = detached(cell.context)
            self._loop.create_task(self._go_through(cell, first, steps, done), context=context)

    async def _go_through(
        self,
        cell: Cell,
        step: Coroutine[Any, Any, None] | None,
        steps: Iterator[Coroutine[Any, Any, None]],
        done: Callable[[], object],
    ) -> None:
        while step is not None:
            # The end of the program's loop cancels every task; what was taken is given up all the same.
            with suppress(asyncio.CancelledError):
                await step
            step = self._next_step(cell, steps)
        self._runtime.control_call(done)

    def _next_step(self, cell: Cell, steps: Iterator[Coroutine[Any, Any, None]]) -> Coroutine[Any, Any, None] | None:
        """Code of the user's runs here: it belongs to the cell for a watchdog."""
        before, self.stepping = self.stepping, cell
        try:
            return cell.context.copy().run(next, steps, None)
        finally:
            self.stepping = before

    def leave_behind(self, cell: Cell) -> None:
        """No thread runs here."""

    def create_task(
        self, cell: Cell, coroutine: Coroutine[Any, Any, Any], name: str | None
    ) -> asyncio.Task[Any] | None:
        if not self._runtime.on_loop_thread:
            return None
        return self._loop.create_task(coroutine, name=name)

    def _end_of(self, cell: Cell, carrier: CoroutineRunner, *, spare: bool) -> None:
        self.forget(cell, carrier)
        if carrier.envelope is not None and carrier.envelope is not cell.culprit:
            if spare and cell.spare(carrier.envelope):
                return
            error = ActorDeadError(cell.path, cell.reason, carrier.envelope.message, begun=True)
            refuse(cell, carrier.envelope, "killed", error)

    def retire(self, cell: Cell) -> None:
        self._under_way.pop(cell, None)

    def remember(self, cell: Cell, carrier: CoroutineRunner) -> None:
        """The carrier works for the cell."""
        self._under_way.setdefault(cell, []).append(carrier)

    def forget(self, cell: Cell, carrier: CoroutineRunner) -> None:
        """The carrier no longer works for the cell."""
        carriers = self._under_way.get(cell)
        if carriers is not None and carrier in carriers:
            carriers.remove(carrier)
            if not carriers:
                del self._under_way[cell]

    async def close(self) -> None:
        """Ends every carrier."""
        carriers = list(self._carriers)
        for carrier in carriers:
            carrier.task.cancel()
        if carriers:
            await asyncio.wait([carrier.task for carrier in carriers], timeout=self._runtime.kill_grace)


def _ignore() -> None:
    """Takes the end of a coroutine that was left behind: its result is ignored."""
