"""The faults that raise in the code of one actor, and how each place in it is reached."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NoReturn

from actors._core.handlers import HandlerFunction
from actors.testing._faults.plan import Place
from actors.testing._sim.injector import Armed, Injector

if TYPE_CHECKING:
    from actors._core.cell import Cell


LATER = 1.0
"""Virtual seconds after which a callback of `call_later` raises."""


class Raising:
    """The exceptions that faults raise in the code of one actor. Made only if a fault of the plan names the actor."""

    def __init__(self, cell: Cell, injector: Injector, armed: dict[Place, Armed]) -> None:
        self._cell = cell
        self._injector = injector
        self._armed: Mapping[Any, Armed] = armed

    def error(self, place: str, number: int | None = None) -> BaseException | None:
        """The code comes to this place: what it raises there, if anything."""
        armed = self._armed.get(place)
        return None if armed is None else self._injector.to_raise(armed, self._cell.path, number)

    def at(self, place: str) -> None:
        """The code comes to this place, and raises there where a fault says so."""
        error = self.error(place)
        if error is not None:
            raise error

    def instead(self, place: str, handler: HandlerFunction, number: int | None = None) -> HandlerFunction:
        """The handler, or what raises in its place."""
        error = self.error(place, number)
        return handler if error is None else _raises(error)

    def around(self, handler: HandlerFunction, number: int) -> HandlerFunction:
        """The handler of a message, with what the faults do to it."""
        error = self.error("handler", number)
        if error is not None:
            return _raises(error)
        if not self._armed.keys().isdisjoint(("task", "forgotten_task", "call_soon", "call_later")):
            handler = self._on_its_loop(handler, number)
        return self._in_the_end(handler, number) if "end_of_handler" in self._armed else handler

    def _on_its_loop(self, handler: HandlerFunction, number: int) -> HandlerFunction:
        """The handler, which comes to tasks and callbacks where it has an event loop."""

        async def on_loop(work: Coroutine[Any, Any, object]) -> object:
            try:
                await self._tasks_and_callbacks(number)
            except BaseException:
                work.close()
                raise
            return await work

        async def plain_on_loop(actor: Any, message: object) -> object:
            await self._tasks_and_callbacks(number)
            result = handler(actor, message)
            return await result if type(result) is CoroutineType else result

        def in_thread(actor: Any, message: object) -> object:
            result = handler(actor, message)
            return on_loop(result) if type(result) is CoroutineType else result

        return in_thread if self._cell.host.blocks else plain_on_loop

    async def _tasks_and_callbacks(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        soon, later = self.error("call_soon", number), self.error("call_later", number)
        if soon is not None:
            loop.call_soon(self._call, soon)
        if later is not None:
            self._injector.keep(loop.call_later(LATER, self._call, later))
        forgotten, awaited = self.error("forgotten_task", number), self.error("task", number)
        if forgotten is not None:
            self._injector.remember(loop.create_task(_fail(forgotten)))
        if awaited is not None:
            await loop.create_task(_fail(awaited))

    def _call(self, error: BaseException) -> None:
        if not self._injector.healed:
            raise error

    def _in_the_end(self, handler: HandlerFunction, number: int) -> HandlerFunction:
        """The handler, which may raise when it is done."""

        async def finish(work: Coroutine[Any, Any, object]) -> object:
            result = await work
            error = self.error("end_of_handler", number)
            return result if error is None else await _fail(error)

        def raise_in_the_end(actor: Any, message: object) -> object:
            result = handler(actor, message)
            if type(result) is CoroutineType:
                return finish(result)
            error = self.error("end_of_handler", number)
            if error is None:
                return result
            if self._cell.host.blocks:
                raise error  # plain code in a thread has no event loop to wait on
            return _fail(error)

        return raise_in_the_end


def _raises(error: BaseException) -> HandlerFunction:
    def handler(actor: object, message: object) -> object:
        raise error

    return handler


async def _fail(error: BaseException) -> NoReturn:
    await asyncio.sleep(0)
    raise error
