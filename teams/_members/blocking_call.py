"""A function that blocks, called from the event loop: in a thread of its own, while the policy around it stays on the
loop.

A policy is shared by members and lives on one event loop. So a member with a policy runs on the loop, and only its
function runs elsewhere.
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


class FunctionCall:
    """One call of a function, and its outcome."""

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
        """The actor has terminated: a call that had not begun fails; one that had begun returns, in its thread."""
        if not self._begun:
            self._settle(Outcome(error=ActorDeadError(path, reason, None)))

    def _settle(self, outcome: Outcome) -> None:
        with contextlib.suppress(queue.Full):  # it was killed when it began
            self.outcome.set(outcome)


class BlockingCall(Actor):
    """The actor around one call. It ends with the call."""

    host = "thread"

    def __init__(self, call: FunctionCall) -> None:
        self._call = call

    def on_continue(self) -> None:
        self._call.make()
        finish(self)


def in_a_thread(function: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """The function as a coroutine function, for members: each call has a thread of its own, below the member.

    A function that blocks cannot be cancelled. A caller that is cancelled meanwhile ends when the function returns, and
    until then holds what it holds, a slot for instance.
    """

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        member = current_cell()
        assert member is not None
        runtime = member.runtime
        made = FunctionCall(function, args, kwargs, Future(runtime.park))
        _, ref = runtime.spawn_nowait(Props(runtime.kind(BlockingCall), (made,), host="thread"), member)
        when_terminated(ref, functools.partial(made.closed, ref.path))
        outcome = await _outlast(made.outcome)
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
