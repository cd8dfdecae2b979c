"""Context managers that are children: open as long as their incarnation lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

from actors.spi import NO_MESSAGES, Actor, stop_requested
from supervisors._specs.resolve import misfit
from supervisors.errors import ResourceEnded, SpecError, SpecFault


class ResourceChild(Actor):
    """The actor of a child whose spec starts an asynchronous context manager.

    One task enters and leaves it, as the cancel scopes of anyio demand.
    """

    mailbox = NO_MESSAGES

    def __init__(self, factory: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]) -> None:
        problem = misfit(factory, kwargs or args)
        if problem is not None:
            raise SpecError([SpecFault(self.path, problem)])
        self.manager = cast("AbstractAsyncContextManager[Any]", factory(*args, **kwargs))
        self.failure: BaseException | None = None

    async def on_start(self) -> None:  # type: ignore[override]
        loop = asyncio.get_running_loop()
        self.entered: asyncio.Future[None] = loop.create_future()
        self.leaving = asyncio.Event()
        self.number = self.incarnation
        self.task = self.create_task(self.hold(), name="the context manager")
        await asyncio.wait([self.entered, self.task], return_when=asyncio.FIRST_COMPLETED)
        if self.failure is not None:
            raise self.failure

    async def hold(self) -> None:
        """Enters the context manager, waits for the end, and leaves it."""
        try:
            async with self.manager as value:
                self.publish_view(value)
                self.entered.set_result(None)
                await self.leaving.wait()
        except BaseException as error:
            told = stop_requested()
            if told and isinstance(error, asyncio.CancelledError):
                raise
            if not self.entered.done() or self.leaving.is_set():
                self.failure = error  # the hook that waits for it raises it
                return
            if isinstance(error, asyncio.CancelledError):
                raise ResourceEnded(self.path) from error
            raise
        finally:
            if self.entered.done() and self.number == self.incarnation:
                self.publish_view(None)
        if not self.leaving.is_set() and not stop_requested():
            raise ResourceEnded(self.path)

    async def on_stop(self) -> None:  # type: ignore[override]
        self.leaving.set()
        await asyncio.wait([self.task])
        if self.failure is not None:
            raise self.failure
