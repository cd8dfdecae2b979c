"""Single calls gathered into one call with a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Set

from actors.spi import Clock, TimerHandle, unowned_context
from supervisors.spi import Positive, builder, checked
from teams.resilience._fields import Delay
from teams.resilience._policy import Batching, Call, Guard, Local, PolicyOptions
from teams.resilience.errors import BatchMismatch, WrongCall

BatchKey = tuple[Callable[..., object], tuple[Guard, ...]]


class BatchOptions(PolicyOptions):
    """The options of `batch`."""

    max_size: Positive
    max_delay: Delay


class _Open:
    """The open batches, one for each function, and their clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.batches: dict[BatchKey, _Gathering] = {}


class _Gathering:
    """Items, each with the caller that waits for its result.

    It runs in its own task, in the context of its first caller, so a cancelled caller does not affect the others. The
    last caller that leaves ends it.
    """

    def __init__(self, first: Call) -> None:
        self.call = first
        self.members: dict[asyncio.Future[object], object] = {}
        self.timer: TimerHandle | None = None
        self._context = unowned_context()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """No further item joins; the function is called."""
        if self.timer is not None:
            self.timer.cancel()
        self._task = asyncio.get_running_loop().create_task(self._run(), context=self._context)

    def leave(self, member: asyncio.Future[object]) -> None:
        """The caller waits no longer; what it brought is left out, unless the function has it already."""
        self.members.pop(member, None)
        if member.done() and not member.cancelled():
            member.exception()  # no caller takes it, and asyncio would report it
        if self.members:
            return
        if self.timer is not None:
            self.timer.cancel()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        items = list(self.members.values())
        waiting = list(self.members)
        try:
            call = Call(self.call.function, (items,), {}, self.call.inner)
            answers = await call.proceed()
            if not isinstance(answers, Collection) or isinstance(answers, str | bytes | Mapping | Set):
                raise WrongCall(
                    self.call.label,
                    f"it returned {type(answers).__qualname__}; a function for batch() returns a list, "
                    "with one result for each item, in their order",
                )
            if len(answers) != len(items):
                raise BatchMismatch(self.call.label, len(items), len(answers))
            for member, answer in zip(waiting, answers, strict=True):
                if not member.done():
                    member.set_result(answer)
        except asyncio.CancelledError:
            for member in waiting:
                member.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - it is the callers', each in its own task; a SystemExit, too
            for member in waiting:
                if not member.done():
                    member.set_exception(error)


class Batch(Batching):
    """Made by `batch`."""

    def __init__(self, options: BatchOptions) -> None:
        self.options: BatchOptions = options
        self._local = Local(repr(self), _Open)

    async def through(self, call: Call) -> object:
        if len(call.args) != 1 or call.kwargs:
            raise WrongCall(call.label, "batch() gathers calls with one positional argument, the item")
        open_ = self._local.get()
        key = (call.function, call.inner)
        gathering = open_.batches.get(key)
        if gathering is None:
            gathering = open_.batches[key] = self._begin(open_, key, call)
        member: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        gathering.members[member] = call.args[0]
        if len(gathering.members) >= self.options.max_size:
            self._close(open_, key, gathering)
        try:
            return await member
        except asyncio.CancelledError:
            gathering.leave(member)
            if not gathering.members and open_.batches.get(key) is gathering:
                del open_.batches[key]
            raise

    def _begin(self, open_: _Open, key: BatchKey, call: Call) -> _Gathering:
        gathering = _Gathering(call)
        due = open_.clock.now() + self.options.max_delay
        gathering.timer = open_.clock.call_at(due, lambda: self._close(open_, key, gathering))
        return gathering

    @staticmethod
    def _close(open_: _Open, key: BatchKey, gathering: _Gathering) -> None:
        if open_.batches.get(key) is gathering:
            del open_.batches[key]
            gathering.start()


@builder("batch()")
def batch(max_size: int, max_delay: float) -> Batch:
    """Makes a function of one item from a function of a list: calls are gathered and go out as one.

        @batch(max_size=32, max_delay=0.05)
        async def embed(texts: list[str]) -> list[Vector]: ...

        vector = await embed("a text")

    The function returns one result for each item, in their order. What it raises reaches each of its callers. A caller
    that is cancelled before the batch goes out is left out of it. `retry(2) | batch(...)` repeats single calls,
    `batch(...) | retry(2)` whole batches.

    Args:
        max_size: a batch of that many items goes out at once
        max_delay: seconds the first item waits for others at most; 0: for those who call in the same instant

    Raises:
        SpecError: at once, with everything that is wrong with the arguments
        BatchMismatch: from each call, the number of results is not that of the items
        WrongCall: from the call, it has more or less than one argument; or the function returned no list
    """
    return Batch(checked(BatchOptions, "batch()", {"max_size": max_size, "max_delay": max_delay}))
