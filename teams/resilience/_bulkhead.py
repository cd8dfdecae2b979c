"""The bulkhead: a bound on how many calls are under way at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from supervisors.spi import Count, Positive, builder, checked
from teams.resilience._pace import CallerQueue
from teams.resilience._policy import Call, Local, Policy, PolicyOptions
from teams.resilience.errors import BulkheadFull, CallsItself
from teams.resilience.events import CallRefused


class BulkheadOptions(PolicyOptions):
    """The options of `bulkhead`."""

    limit: Positive
    waiting: Count | None


class _Slots:
    """The slots that are taken. A free slot goes to the caller that has waited longest."""

    def __init__(self) -> None:
        self.taken = 0
        self.line = CallerQueue()
        self.held: Counter[asyncio.Task[Any] | None] = Counter()
        """How many of them each task has: a call that is made inside another one is in the same task."""

    def begin(self, task: asyncio.Task[Any] | None) -> None:
        """A call of this task has its slot."""
        self.held[task] += 1

    def end(self, task: asyncio.Task[Any] | None) -> None:
        """It needs it no more."""
        self.held[task] -= 1
        if not self.held[task]:
            del self.held[task]
        self.leave()

    def leave(self) -> None:
        if not self.line.admit():
            self.taken -= 1


class Bulkhead(Policy):
    """Made by `bulkhead`."""

    once = True

    def __init__(self, options: BulkheadOptions) -> None:
        self.options: BulkheadOptions = options
        self._local = Local(repr(self), lambda _: _Slots())

    async def through(self, call: Call) -> object:
        slots, limit, waiting = self._local.get(), self.options.limit, self.options.waiting
        task = asyncio.current_task()
        if task is not None and slots.held[task] >= limit:
            raise CallsItself(call.label, repr(self))
        if slots.taken < limit:
            slots.taken += 1
        elif waiting is None or len(slots.line) < waiting:
            await slots.line.wait(slots.leave)
        else:
            refusal = BulkheadFull(call.label, limit, waiting)
            call.tell(CallRefused, refusal)
            raise refusal
        slots.begin(task)
        try:
            return await call.proceed()
        finally:
            slots.end(task)


@builder("bulkhead()")
def bulkhead(limit: int, *, waiting: int | None = None) -> Bulkhead:
    """Lets at most `limit` calls be under way at once. Further ones wait, first come, first served.

    A call inside another one takes a slot of its own. When all slots are those of the calls it is inside of, it is an
    error at once; but only in one task. What such a call waits for in a further task (`asyncio.gather`, `wait_for`), or
    in another actor, and what waits for the slots of others that wait likewise, is not seen, and waits until it is
    cancelled: make it without the bulkhead, or put a `timeout` around it.

    Args:
        limit: how many at once
        waiting: how many may wait; more are refused. `None`: any number; 0: none

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        BulkheadFull: from the call
        CallsItself: from the call, all slots are held by the calls it is inside of
    """
    return Bulkhead(checked(BulkheadOptions, "bulkhead()", {"limit": limit, "waiting": waiting}))
