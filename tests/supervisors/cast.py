"""Actors that write down what happens to them, and trees on a runtime whose time stands still."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from actors import Actor, ActorRef, ManualClock, Runtime
from supervisors import ChildSpec, Spec, SupervisorRef, child, start
from tests.support import World, world

PATIENCE = 40.0
"""Seconds after which a test that hangs fails; nothing depends on how much of it is used."""

Act = Callable[[Any], Any]


class Play:
    """What happened to the actors of one test, in order, and what they will do."""

    def __init__(self) -> None:
        self.log: list[str] = []
        """+id when a start is done, -id when a stop begins, !id when a failure is told of."""
        self.begun: list[str] = []
        """The ids of the starts, when they begin."""
        self.seen: list[tuple[str, int, object]] = []
        """Id, incarnation and content of each message that is nothing to call."""
        self.starts: dict[str, Act] = {}
        self.stops: dict[str, Act] = {}
        self.failures: dict[str, Act] = {}
        self.gate = asyncio.Event()
        """What `held` waits for."""

    def take(self) -> str:
        """The log so far in one line; the next one begins empty."""
        taken, self.log[:] = " ".join(self.log), []
        return taken

    def held(self, _: object) -> Any:
        """Waits until the gate opens."""
        return self.gate.wait()


class Worker(Actor):
    """Writes down its life in the play, and calls every message that can be called."""

    def __init__(self, play: Play, *more: object) -> None:
        self.play = play
        self.more = more

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    async def _act(self, acts: dict[str, Act]) -> None:
        act = acts.get(self.id)
        if act is not None:
            done = act(self)
            if inspect.isawaitable(done):
                await done

    async def _start(self) -> None:
        self.play.begun.append(self.id)
        await self._act(self.play.starts)
        self.play.log.append(f"+{self.id}")

    async def _end(self, mark: str, acts: dict[str, Act]) -> None:
        self.play.log.append(f"{mark}{self.id}")
        await self._act(acts)

    # Not `async def`, which a checker that knows pykka's hooks does not take for an override.

    def on_start(self) -> Any:
        return self._start()

    def on_stop(self) -> Any:
        return self._end("-", self.play.stops)

    def on_failure(self, *_: object) -> Any:
        return self._end("!", self.play.failures)

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.play.seen.append((self.id, self.incarnation, message))
        return message


def worker(play: Play, id: str, **options: Any) -> ChildSpec:
    """A worker that restarts at once unless told otherwise."""
    return child(id, Worker, **{"args": (play,), "backoff": None, **options})


def boom(_: Any) -> None:
    """A message that crashes its actor, an act that fails its hook."""
    raise ValueError("boom")


def leave(actor: Any) -> None:
    """A message whose actor ends with `normal`."""
    actor.stop()


async def hang(_: Any = None) -> None:
    """A hook or handler that waits for nothing that could come."""
    await asyncio.get_running_loop().create_future()


async def deaf(_: Any) -> None:
    """A hook that goes on waiting when it is cancelled, once."""
    try:
        await hang()
    except asyncio.CancelledError:
        await hang()


def failing(times: int, error: type[BaseException] = ValueError) -> Act:
    """An act that fails the first `times` it is done."""
    left = [times]

    def act(_: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise error(f"{left[0]} more to come")

    return act


def second_time(act: Act) -> Act:
    """Does nothing the first time, and then what `act` does: for a start that shall fail in restarts only."""
    done: list[Any] = []

    def acting(actor: Any) -> Any:
        done.append(actor)
        return act(actor) if len(done) > 1 else None

    return acting


@asynccontextmanager
async def running(tree: Spec | type, **options: Any) -> AsyncIterator[tuple[World, SupervisorRef]]:
    """A started tree, and the world it is in. Nothing of it may be left when the block has ended."""
    async with empty_stage(**options) as w:
        root = await start(tree, runtime=w.runtime, on_give_up="ignore").__aenter__()
        yield w, root


@asynccontextmanager
async def empty_stage(**options: Any) -> AsyncIterator[World]:
    """A world that checks, when the test has left it, that nothing is left of it."""
    before = asyncio.all_tasks()
    async with world(**options) as w:
        try:
            async with asyncio.timeout(PATIENCE):
                yield w
                await w.runtime.stop()
        except BaseException:
            w.runtime.kill()  # a test that failed must not wait for stops that need time to pass
            for _ in range(20):
                await w.advance(1)
            raise
    for _ in range(5):
        await asyncio.sleep(0)
    left = left_of(w)
    assert not left, left
    assert asyncio.all_tasks() <= before


def left_of(w: World) -> dict[str, object]:
    """What a runtime that has stopped still holds."""
    found: dict[str, object] = {"timers": w.clock.pending, **_held(w.runtime)}
    return {what: value for what, value in found.items() if value}


def _held(runtime: Runtime) -> dict[str, object]:
    return {
        "cells": list(runtime.cells),
        "names": runtime.registry.size,
        "starts": list(runtime._starting),
        "endings": list(runtime._closing),
        "waits for children": list(runtime._childless),
        "under way": list(runtime.loop_host._under_way),
        "workers": list(runtime.thread_host._workers),
        "threads": threads_named("letitcrash:"),
    }


def threads_named(prefix: str) -> list[str]:
    """The threads, of this test or of another one, that are still there after all the patience there is."""
    found = [each for each in threading.enumerate() if each.name.startswith(prefix)]
    for thread in found:
        thread.join(PATIENCE)
    return [each.name for each in found if each.is_alive()]


async def left_behind(ref: ActorRef[Any], clock: ManualClock) -> None:
    """Lets time pass until the incarnation, whose thread holds a message, is left behind and the next one begins."""
    incarnation = ref.incarnation
    while ref.incarnation == incarnation:
        clock.advance(1)
        await asyncio.sleep(0)


async def states(root: SupervisorRef) -> dict[str, str]:
    """The visible state of each child, in start order."""
    return {info.id: str(info.state) for info in await root.which_children()}


async def crash(w: World, ref: ActorRef[Any], message: Any = boom) -> None:
    """Has the actor crash, and everything happen that follows without time passing."""
    ref.tell(message)
    await w.settle()


async def tell(w: World, root: SupervisorRef, *ids: str, message: Any = boom) -> None:
    """Sends the message to each of the children, in this order, before any of them has a turn."""
    for id in ids:
        root.child(id).tell(message)
    await w.settle()
