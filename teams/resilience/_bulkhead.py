"""The bulkhead: a bound on how many calls are under way at once."""

from __future__ import annotations

from teams._errors import BulkheadFull
from teams._events import CallRefused
from teams._supervisors import checked
from teams.resilience._fields import Count, Positive
from teams.resilience._line import Line
from teams.resilience._local import Local
from teams.resilience._policy import Call, Options, Policy


class BulkheadOptions(Options):
    """The options of `bulkhead`."""

    limit: Positive
    waiting: Count | None


class _Slots:
    """The slots that are taken. One that becomes free goes to the first who waits."""

    def __init__(self) -> None:
        self.taken = 0
        self.line = Line()

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
        if slots.taken < limit:
            slots.taken += 1
        elif waiting is None or len(slots.line) < waiting:
            await slots.line.wait(slots.leave)
        else:
            refusal = BulkheadFull(call.label, limit, waiting)
            call.tell(CallRefused, refusal)
            raise refusal
        try:
            return await call.proceed()
        finally:
            slots.leave()


def bulkhead(limit: int, *, waiting: int | None = None) -> Bulkhead:
    """Lets at most `limit` calls be under way at once. Further ones wait, first come, first served.

    Args:
        limit: how many at once
        waiting: how many may wait; more are refused. `None`: any number; 0: none

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        BulkheadFull: from the call
    """
    return Bulkhead(checked(BulkheadOptions, "bulkhead()", {"limit": limit, "waiting": waiting}))
