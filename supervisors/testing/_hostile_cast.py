"""The actors of a hostile world: they raise whatever they are told to, in every way that Python has.

`Calm` ones live beside them and must never notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from actors.spi import Actor, DeadLetter, ExitReason, LifecycleEvent
from actors.testing.spi import hostile

NAP = 0.25
"""Virtual seconds that whatever takes time takes."""

Make = Callable[[], BaseException]
Way = Callable[["Wild", "HostileOrder"], Awaitable[object]]


class HostileOrder(hostile.Awaitable):
    """Tells an actor what to do, and is hostile itself where `looks` say so."""

    def __init__(
        self, way: str, exception: str = "Exception", looks: tuple[hostile.Look, ...] = (), rank: str = ""
    ) -> None:
        super().__init__(*looks, exception=exception)
        self._looks = looks
        self.way = way
        self.exception = exception
        self.rank = rank
        """The result of the priority function: a key of `RANKS`."""

    def error(self) -> BaseException:
        """A fresh exception."""
        return hostile.raising(self.exception, f"by {self.way}")


RANKS: Mapping[str, object] = {
    "": 0.0,
    "low": 1,
    "true": True,
    "infinite": math.inf,
    "nan": math.nan,
    "none": None,
    "text": "text",
    "hostile": hostile.Hostile("eq", "bool", "getattr"),
    "complex": 1j,
}
"""The values that a priority function may return."""


def priority(message: Any) -> Any:
    """A priority function of the user's, which raises for some messages and returns nonsense for others."""
    rank = message.rank if type(message) is HostileOrder else ""
    if rank == "raise":
        raise message.error()
    return RANKS[rank]


# Ways to raise, or to misbehave otherwise


def _fail(deed: HostileOrder) -> NoReturn:
    raise deed.error()


async def _tool(deed: HostileOrder, seconds: float = NAP) -> NoReturn:
    await asyncio.sleep(seconds)
    raise deed.error()


async def _at_once(actor: Wild, deed: HostileOrder) -> object:
    _fail(deed)


async def _after_a_wait(actor: Wild, deed: HostileOrder) -> object:
    await _tool(deed)


async def _task(actor: Wild, deed: HostileOrder) -> object:
    return await asyncio.create_task(_tool(deed))


async def _gather(actor: Wild, deed: HostileOrder) -> object:
    return await asyncio.gather(_tool(deed), asyncio.sleep(NAP), _tool(deed, 0))


async def _gather_all(actor: Wild, deed: HostileOrder) -> object:
    return await asyncio.gather(_tool(deed), _tool(deed, 0), return_exceptions=True)


async def _task_group(actor: Wild, deed: HostileOrder) -> object:
    async with asyncio.TaskGroup() as group:
        group.create_task(_tool(deed))
        group.create_task(asyncio.sleep(2 * NAP))
    return None


async def _wait_for(actor: Wild, deed: HostileOrder) -> object:
    return await asyncio.wait_for(_tool(deed), 1.0)


async def _wait(actor: Wild, deed: HostileOrder) -> object:
    done, _ = await asyncio.wait([asyncio.create_task(_tool(deed)), asyncio.create_task(asyncio.sleep(2 * NAP))])
    return [each.exception() for each in done]


async def _timeout(actor: Wild, deed: HostileOrder) -> object:
    try:
        async with asyncio.timeout(NAP):
            await asyncio.sleep(4 * NAP)
    except TimeoutError:
        _fail(deed)
    return None


async def _shield(actor: Wild, deed: HostileOrder) -> object:
    return await asyncio.shield(_tool(deed))


async def _forgotten(actor: Wild, deed: HostileOrder) -> object:
    actor.tasks.append(asyncio.create_task(_tool(deed)))
    return None


async def _call_soon(actor: Wild, deed: HostileOrder) -> object:
    asyncio.get_running_loop().call_soon(_fail, deed)
    return None


async def _call_later(actor: Wild, deed: HostileOrder) -> object:
    asyncio.get_running_loop().call_later(NAP, _fail, deed)
    return None


async def _done_callback(actor: Wild, deed: HostileOrder) -> object:
    task = asyncio.create_task(asyncio.sleep(NAP))
    task.add_done_callback(lambda _: _fail(deed))
    await task
    return None


async def _with(actor: Wild, deed: HostileOrder) -> object:
    with hostile.ContextManager(deed.exception):
        await asyncio.sleep(NAP)
    return None


async def _async_with(actor: Wild, deed: HostileOrder) -> object:
    async with hostile.ContextManager(deed.exception):
        await asyncio.sleep(0)
        raise ZeroDivisionError
    return None


async def _generator(actor: Wild, deed: HostileOrder) -> object:
    numbers = hostile.closing(deed.exception)
    next(numbers)
    numbers.close()
    return None


async def _dropped_generator(actor: Wild, deed: HostileOrder) -> object:
    return next(hostile.closing(deed.exception))


async def _async_generator(actor: Wild, deed: HostileOrder) -> object:
    async def numbers() -> Any:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            _fail(deed)

    # A handler that is cut off closes it, too. Left behind, it belongs to no actor, and its exit ends the whole loop.
    async with contextlib.aclosing(numbers()) as running:
        async for number in running:
            await asyncio.sleep(NAP)
            if number:
                break
    return None


async def _on_cancel(actor: Wild, deed: HostileOrder) -> object:
    """Raises something else where it is cancelled: at a kill, a crash beside it, a time limit."""
    try:
        await asyncio.sleep(4 * NAP)
    except asyncio.CancelledError:
        _fail(deed)
    return None


async def _no_cancel(actor: Wild, deed: HostileOrder) -> object:
    """Does not end where it is cancelled, for a while."""
    for _ in range(3):
        try:
            await asyncio.sleep(NAP)
        except asyncio.CancelledError:
            continue
    return None


async def _cancel_itself(actor: Wild, deed: HostileOrder) -> object:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return None


async def _cancel_itself_and_wait(actor: Wild, deed: HostileOrder) -> object:
    await _cancel_itself(actor, deed)
    await asyncio.sleep(NAP)
    return None


async def _cancel_itself_and_raise(actor: Wild, deed: HostileOrder) -> object:
    await _cancel_itself(actor, deed)
    _fail(deed)


async def _to_thread(actor: Wild, deed: HostileOrder) -> object:
    def work() -> None:
        if deed.exception != "StopIteration":  # asyncio itself hangs by it before Python 3.12
            _fail(deed)

    return await asyncio.to_thread(work)


async def _nap(actor: Wild, deed: HostileOrder) -> object:
    await asyncio.sleep(NAP)
    return None


async def _answer(actor: Wild, deed: HostileOrder) -> object:
    return hostile.Awaitable(exception=deed.exception)


async def _timer(actor: Wild, deed: HostileOrder) -> object:
    actor.tell_after(NAP, HostileOrder("at_once", deed.exception))
    return None


async def _timers(actor: Wild, deed: HostileOrder) -> object:
    actor.tell_every(NAP, HostileOrder("nothing", deed.exception, ("repr", "eq", "hash")))
    return None


async def _spawn(actor: Wild, deed: HostileOrder) -> object:
    return (await actor.spawn(Newborn, args=(deed.exception,))).path


async def _spawn_calm(actor: Wild, deed: HostileOrder) -> object:
    return (await actor.spawn(Calm)).path


async def _call_sibling(actor: Wild, deed: HostileOrder) -> object:
    return await actor.other().call(HostileOrder("at_once", deed.exception, ("repr", "eq")), timeout=1.0)


async def _call_itself(actor: Wild, deed: HostileOrder) -> object:
    return await actor.ref.call(HostileOrder("nothing"), timeout=1.0)


async def _tell_sibling(actor: Wild, deed: HostileOrder) -> object:
    actor.other().tell(HostileOrder("after_a_wait", deed.exception))
    return None


async def _send_sibling(actor: Wild, deed: HostileOrder) -> object:
    await actor.other().send(HostileOrder("nap", deed.exception, rank="raise"))
    return None


async def _monitor(actor: Wild, deed: HostileOrder) -> object:
    return actor.monitor(actor.other())


async def _link(actor: Wild, deed: HostileOrder) -> object:
    actor.link(actor.other())
    return None


async def _stash(actor: Wild, deed: HostileOrder) -> object:
    if actor.incarnation < 3:
        actor.stash()
    return None


async def _stash_and_raise(actor: Wild, deed: HostileOrder) -> object:
    if not any(each is deed for each in actor.unstashed):  # two such messages would take each other back for ever
        actor.unstashed.append(deed)
        actor.unstash()
    await _stash(actor, deed)
    _fail(deed)


async def _unstash(actor: Wild, deed: HostileOrder) -> object:
    actor.unstash()
    return None


async def _register(actor: Wild, deed: HostileOrder) -> object:
    actor.register("hostile")
    actor.join("hostile")
    return None


async def _subscribe(actor: Wild, deed: HostileOrder) -> object:
    actor.subscribe(DeadLetter)
    return None


async def _finish(actor: Wild, deed: HostileOrder) -> object:
    actor.stop()
    return None


async def _stop_and_raise(actor: Wild, deed: HostileOrder) -> object:
    actor.stop()
    await _tool(deed)


async def _nothing(actor: Wild, deed: HostileOrder) -> object:
    return None


WAYS: Mapping[str, Way] = {
    way.__name__.removeprefix("_"): way
    for way in (
        _at_once,
        _after_a_wait,
        _task,
        _gather,
        _gather_all,
        _task_group,
        _wait_for,
        _wait,
        _timeout,
        _shield,
        _forgotten,
        _call_soon,
        _call_later,
        _done_callback,
        _with,
        _async_with,
        _generator,
        _dropped_generator,
        _async_generator,
        _on_cancel,
        _no_cancel,
        _cancel_itself,
        _cancel_itself_and_wait,
        _cancel_itself_and_raise,
        _to_thread,
        _nap,
        _answer,
        _timer,
        _timers,
        _spawn,
        _spawn_calm,
        _call_sibling,
        _call_itself,
        _tell_sibling,
        _send_sibling,
        _monitor,
        _link,
        _stash,
        _stash_and_raise,
        _unstash,
        _register,
        _subscribe,
        _finish,
        _stop_and_raise,
        _nothing,
    )
}
"""The actions that a message may request of an actor, by name; the simplest first."""


def do_in_plain_code(deed: HostileOrder) -> object:
    """Run by a task supervisor in a thread."""
    if deed.way == "nap":
        time.sleep(NAP)  # noqa: TID251 - virtual where it runs
        return hostile.Hostile(exception=deed.exception)
    _fail(deed)


async def do_later(deed: HostileOrder) -> object:
    """Run by a task supervisor on the loop, or returned by a callback."""
    return await _tool(deed)


class Wild(Actor):
    """Does what it is told, in coroutines."""

    def __init__(self, concurrency: int = 1) -> None:
        super().__init__()
        self.tasks: list[asyncio.Task[object]] = []
        self.unstashed: list[HostileOrder] = []
        """The messages that have unstashed the others."""
        self.looked_at = hostile.Hostile()
        """An attribute that introspection comes upon."""

    def other(self) -> Any:
        """Another actor beside it, or itself."""
        above = self._cell.parent
        below = [] if above is None else [each for each in (above.children or {}).values() if each is not self._cell]
        return below[0].ref if below else self.ref

    async def on_receive(self, message: Any) -> object:
        return await WAYS[message.way](self, message) if type(message) is HostileOrder else None


class Keen(Wild):
    """Handles several messages at once, takes some exceptions for answers, and carries its state over."""

    concurrency = 3
    answers = (KeyError, hostile.Unprintable, hostile.Incomparable)
    trap_exits = True

    def carry_over(self, reason: ExitReason) -> object:
        return hostile.Hostile()

    def on_restore(self, carried: Any) -> None:
        self.carried = carried

    async def on_continue(self) -> None:
        await asyncio.sleep(NAP)


class Plain(Actor):
    """Does what it is told in plain code, which blocks where it waits."""

    host = only_host = "thread"

    def on_receive(self, message: Any) -> object:
        if type(message) is not HostileOrder:
            return None
        match message.way:
            case "after_a_wait" | "nap" | "timeout":
                time.sleep(NAP)  # noqa: TID251 - virtual where it runs
            case "with":
                with hostile.ContextManager(message.exception):
                    return None
            case "generator" | "dropped_generator":
                next(numbers := hostile.closing(message.exception))
                numbers.close()
            case "answer":
                return hostile.Hostile(exception=message.exception)
            case "finish":
                self.stop()
                return None
            case "stash":
                if self.incarnation < 3:
                    self.stash()
                return None
            case "nothing" | "unstash":
                self.unstash()
                return None
        if message.way != "nap":
            _fail(message)
        return None


class Newborn(Actor):
    """Raises in its start."""

    def __init__(self, exception: str) -> None:
        super().__init__()
        self.exception = exception

    async def on_start(self) -> None:  # type: ignore[override]  # pykka declares it plain
        await asyncio.sleep(NAP)
        raise hostile.raising(self.exception, "in a start")


class Calm(Actor):
    """Answers, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: object) -> int:
        self.count += 1
        return self.count


class Listener(Actor):
    """Wants to hear of everything, and raises at what it hears."""

    def on_start(self) -> None:
        self.subscribe()

    def on_receive(self, message: object) -> object:
        if isinstance(message, LifecycleEvent):
            raise ValueError(message)
        return None


CLASSES: Mapping[str, type[Actor]] = {kind.__name__: kind for kind in (Wild, Keen, Plain)}
