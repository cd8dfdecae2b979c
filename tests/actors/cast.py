"""Actors for the tests of `actors`, and worlds that check that nothing is left when they end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Literal, cast

from actors import Actor, ActorRef, DeadLetter, LifecycleEvent, ManualClock, Runtime
from tests.support import World, world

Host = Literal["loop", "thread"]
PATIENCE = 40.0
"""Seconds a test waits for a thread before it fails; nothing depends on how much of it is used."""


class Player(Actor):
    """Plays what it is told: a message that can be called is called with the actor, anything else is noted and
    returned.
    """

    def __init__(self, seen: list[Any] | None = None) -> None:
        self.seen: list[Any] = [] if seen is None else seen

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.seen.append(message)
        return message


class AsyncPlayer(Player):
    """A player whose handlers are coroutines, on any host."""

    async def on_receive(self, message: Any) -> Any:
        result = super().on_receive(message)
        return await result if asyncio.iscoroutine(result) else result


class Starter(Actor):
    """Its hooks are given to it: each is called with the actor."""

    def __init__(
        self,
        on_start: Callable[[Any], Any] | None = None,
        on_stop: Callable[[Any], Any] | None = None,
        on_failure: Callable[[Any], Any] | None = None,
    ) -> None:
        self._on_start, self._on_stop, self._on_failure = on_start, on_stop, on_failure

    def on_start(self) -> Any:
        return self._on_start(self) if self._on_start is not None else None

    def on_stop(self) -> Any:
        return self._on_stop(self) if self._on_stop is not None else None

    def on_failure(self, *_: object) -> Any:
        return self._on_failure(self) if self._on_failure is not None else None

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else message


def seen_by(ref: ActorRef[Any]) -> list[Any]:
    """What the present incarnation of a player has noted."""
    return cast("list[Any]", ref.state()["seen"])


def ends(*acts: Callable[[ActorRef[Any]], object]) -> tuple[Callable[[ActorRef[Any]], object], ...]:
    """Ways to end an actor."""
    return acts


def blocking(entered: threading.Event, gate: threading.Event) -> Callable[[Any], Any]:
    """A message whose handler says that it has begun, and blocks its thread until the gate opens."""

    def act(_: Any) -> bool:
        entered.set()
        return gate.wait(PATIENCE)

    return act


def crash(error: BaseException) -> Callable[[Any], Any]:
    """A message that raises `error` in its handler."""

    def act(_: Any) -> Any:
        raise error

    return act


def wait_then_crash(error: BaseException) -> Callable[[Any], Any]:
    """A message whose handler waits once and then raises `error`."""

    async def act(_: Any) -> Any:
        await asyncio.sleep(0)
        raise error

    return act


async def forever(_: Any = None) -> None:
    """A handler or hook that waits for nothing that could come."""
    await asyncio.get_running_loop().create_future()


async def stubborn(release: asyncio.Event) -> None:
    """Goes on waiting for `release`, whoever cancels it."""
    while not release.is_set():
        try:
            await release.wait()
        except asyncio.CancelledError:
            continue


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[World]:
    """A world that checks, when its test has left it, that the runtime has left nothing behind."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(3 * PATIENCE), world(**options) as w:
        try:
            yield w
        except BaseException:
            w.runtime.kill()  # the test has failed: an orderly stop could wait for ever
            await w.advance(1000)
            raise
    for _ in range(5):
        await asyncio.sleep(0)
    assert w.clock.pending == 0, "timers are left"
    assert asyncio.all_tasks() <= before, "tasks are left"
    assert left_behind(w.runtime) == {}


@contextmanager
def script(**options: Any) -> Iterator[Runtime]:
    """A runtime as a script has it, on real time, which leaves nothing behind."""
    with Runtime(watchdog=None, log=False, **options) as runtime:
        yield runtime
    assert left_behind(runtime) == {}


def left_behind(runtime: Runtime) -> dict[str, object]:
    """What a runtime that has stopped still holds: empty, if it keeps its promise."""
    found: dict[str, object] = {
        "cells": list(runtime.cells),
        "names": runtime.registry.size,
        "starts": list(runtime._starting),
        "endings": list(runtime._closing),
        "waits for children": list(runtime._childless),
        "under way": list(runtime.loop_host._under_way),
        "carriers": list(runtime.loop_host._carriers),
        "workers": list(runtime.thread_host._workers),
        "threads": [thread.name for thread in own_threads(runtime) if ended_late(thread)],
    }
    return {what: value for what, value in found.items() if value}


def own_threads(runtime: Runtime) -> list[threading.Thread]:
    """The threads of actors, and of the runtime itself."""
    here = threading.current_thread()
    return [
        thread
        for thread in threading.enumerate()
        if thread is not here and thread.name.startswith(("letitcrash:", runtime.name))
    ]


def join_threads(runtime: Runtime) -> None:
    """Waits until the threads of the runtime have ended."""
    for thread in own_threads(runtime):
        thread.join(PATIENCE)


def ended_late(thread: threading.Thread) -> bool:
    """Whether the thread is still there after all the patience there is."""
    thread.join(PATIENCE)
    return thread.is_alive()


def events_of(runtime: Runtime) -> list[LifecycleEvent]:
    """A list that gets every event of the runtime from now on."""
    events: list[LifecycleEvent] = []
    runtime.events.subscribe(events.append)
    return events


def letters(events: list[LifecycleEvent]) -> list[tuple[str, object]]:
    """Reason and message of the dead letters among these events."""
    return [(event.reason, event.message) for event in events if isinstance(event, DeadLetter)]


def manual(clock: ManualClock) -> dict[str, Any]:
    """Options of a runtime on this clock."""
    return {"clock": lambda _: clock, "watchdog": None, "log": False}
