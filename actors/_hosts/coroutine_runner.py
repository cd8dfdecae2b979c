"""Carriers: the tasks behind handlers that have to wait.

A handler's first step runs at once, without a task of its own, but with a carrier as the current task:
`asyncio.timeout` and friends remember it. A handler that then has to wait is carried on by that very task.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any

from actors._core.envelope import Envelope
from actors._core.outcomes import overran
from actors._name import NAME
from actors.reasons import Crashed

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._hosts.loop import LoopHost


@types.coroutine
def _step() -> Generator[None, None, None]:
    yield


class CoroutineRunner:
    """A task that takes over coroutines which have to wait, one after another."""

    def __init__(self, host: LoopHost, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._loop = loop
        self._gate: asyncio.Future[None] = loop.create_future()
        work = self._work()
        # Begun before its task is: a cancellation that comes first would otherwise find nothing to be thrown into.
        work.send(None)
        self.task: asyncio.Task[None] = loop.create_task(work, name=f"{NAME}-carrier")
        self._coroutine: Coroutine[Any, Any, object] | None = None
        self._yielded: object = None
        self.cell: Cell | None = None
        self.envelope: Envelope | None = None
        self._context: Context | None = None
        self._done: Callable[[object, BaseException | None], object] | None = None
        self.on_end: Callable[[], object] | None = None
        self._overran = False
        host._carriers[self] = None

    def take(self, coroutine: Coroutine[Any, Any, object], yielded: object) -> None:
        """Takes over a coroutine that has to wait, for what it has yielded."""
        self._coroutine, self._yielded = coroutine, yielded

    def carry(
        self,
        cell: Cell,
        envelope: Envelope | None,
        context: Context,
        done: Callable[[object, BaseException | None], object],
        timeout: float | None,
    ) -> None:
        """Takes the coroutine from its first wait to its end, in `context`, within `timeout` seconds."""
        self.cell, self.envelope, self._context, self._done = cell, envelope, context, done
        self._host.remember(cell, self)
        self._limit = None
        runtime = cell.runtime
        if timeout is not None:
            self._limit = runtime.clock.call_at(runtime.now() + timeout, self._overrun)
        self._began = runtime.now()
        if not self._gate.done():  # it is when the coroutine cancelled its own task before its first wait
            self._gate.set_result(None)

    def _overrun(self) -> None:
        self._overran = True
        self.task.cancel()
        cell = self.cell
        assert cell is not None
        self._limit = cell.runtime.clock.call_at(cell.runtime.now() + cell.runtime.kill_grace, self._insist)

    def relax(self) -> None:
        """Takes the time limit back."""
        if self._limit is not None:
            self._limit.cancel()

    def _insist(self) -> None:
        """The handler goes on in spite of its cancellation: the incarnation ends without it."""
        cell, envelope = self.cell, self.envelope
        assert cell is not None
        assert envelope is not None
        cell.kill(Crashed(overran(cell, envelope)), envelope)

    async def _work(self) -> None:
        begun: Awaitable[None] | None = _step()
        try:
            while True:
                cancelled: BaseException | None = None
                try:
                    if begun is not None:
                        begin, begun = begun, None
                        await begin
                    await self._gate
                except asyncio.CancelledError as error:
                    if self._coroutine is None:
                        return
                    cancelled = error
                result: object = None
                failure: BaseException | None = None
                try:
                    result = await self._carry_on(cancelled)
                except BaseException as error:  # noqa: BLE001 - see _first_step
                    failure = error
                self._finish(result, failure)
                if self.task.cancelling() or not self._host.keep(self):
                    return
        finally:
            self._host._carriers.pop(self, None)
            if self in self._host._idle:
                self._host._idle.remove(self)

    @types.coroutine
    def _carry_on(self, cancelled: BaseException | None) -> Generator[Any, Any, object]:
        host, cell, coroutine, envelope = self._host, self.cell, self._coroutine, self.envelope
        assert cell is not None
        assert coroutine is not None
        assert self._context is not None
        run = self._context.run
        yielded = self._yielded
        if cancelled is not None:
            # It came before the first wait, and belongs to that: what is waited for is cancelled too, as in any task.
            self.task.uncancel()
            self.task.cancel(*cancelled.args)
        while True:
            error, value = None, None
            try:
                value = yield yielded
            except BaseException as thrown:  # noqa: BLE001 - it belongs to the coroutine, not to the carrier
                error = thrown
            host.stepping = cell
            host.turns += 1
            if envelope is not None:
                cell.step(envelope)
            try:
                yielded = run(coroutine.send, value) if error is None else run(coroutine.throw, error)
            except StopIteration as stop:
                return stop.value
            finally:
                host.stepping = None

    def _finish(self, result: object, failure: BaseException | None) -> None:
        cell, envelope, done, on_end = self.cell, self.envelope, self._done, self.on_end
        assert cell is not None
        assert done is not None
        self.relax()
        if self._overran and failure is not None:
            assert envelope is not None
            failure = overran(cell, envelope)
        cell.spent(cell.runtime.now() - self._began)
        try:
            if on_end is not None:
                on_end()
            else:
                self._host.forget(cell, self)
                done(result, failure)
        except BaseException as error:  # noqa: BLE001 - see LoopHost._drain
            cell.runtime.turn_failed(cell, error)
        self.cell = self.envelope = self._coroutine = self._context = self._done = self.on_end = None
        self._yielded = None
        self._overran = False
        self._gate = self._loop.create_future()
