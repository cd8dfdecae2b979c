"""A function that blocks, called from the event loop: in a thread of its own, with a policy around it on the loop.

A policy is shared by all who use it, and lives on one loop. So the loop is where a member with a policy runs, and only
its function runs elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import queue
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from actors.spi import Actor, ActorDeadError, ExitReason, Future, Props, current_cell, finish, when_terminated
from teams._members.results import Outcome


class Visit:
    """One call on its way to its outcome."""

    def __init__(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], outcome: Future[Outcome]
    ) -> None:
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._begun = False
        self.outcome = outcome

    def make(self) -> None:
        """Calls the function. In the thread."""
        self._begun = True
        try:
            outcome = Outcome(self._function(*self._args, **self._kwargs))
        except BaseException as error:  # noqa: BLE001 - it is the caller's, SystemExit included
            outcome = Outcome(error=error)
        self._settle(outcome)

    def closed(self, path: str, reason: ExitReason) -> None:
        """Nothing begins any more. What had begun in a thread that is left behind still returns."""
        if not self._begun:
            self._settle(Outcome(error=ActorDeadError(path, reason, None)))

    def _settle(self, outcome: Outcome) -> None:
        with contextlib.suppress(queue.Full):  # killed just when it began
            self.outcome.set(outcome)


class BlockingCall(Actor):
    """The actor around one call. It ends with it."""

    host = "thread"

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def on_continue(self) -> None:
        self._visit.make()
        finish(self)


def in_a_thread(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function as a coroutine function, for members: each call has a thread of its own, below the member.

    Nothing calls off a function that blocks: whoever is cancelled meanwhile is cancelled when it has returned, and
    holds until then what it holds, a slot for instance.
    """

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        member = current_cell()
        assert member is not None
        runtime = member.runtime
        visit = Visit(function, args, kwargs, Future(runtime.park))
        _, ref = runtime.spawn_nowait(Props(runtime.kind(BlockingCall), (visit,), host="thread"), member)
        when_terminated(ref, functools.partial(visit.closed, ref.path))
        outcome = await _outlast(visit.outcome)
        if outcome.error is not None:
            raise outcome.error
        return await outcome.value if inspect.isawaitable(outcome.value) else outcome.value

    return call


async def _outlast(outcome: Future[Outcome]) -> Outcome:
    cancelled: asyncio.CancelledError | None = None
    while not outcome.done():
        try:
            await outcome
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return outcome.get()
