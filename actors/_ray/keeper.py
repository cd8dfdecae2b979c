"""The keeper: the Ray actor on a node that holds the resources of one actor of the program, and starts its processes.

It runs no code of the user's: each incarnation has a process of its own, as `host=process()` gives it. So a segfault
ends that process and not the keeper, which tells how it ended, and whose resources stay reserved for the next one.

The program asks for what there is to say, over and over (`take`). Each question says which answer came before it, and
so renews the lease: the keeper goes on for one lease after it has sent an answer that the program got. When the lease
is over, the keeper ends itself, and with it the process: the kernel kills a process whose lifeline is cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import sys
import time
import traceback
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any

from actors._core.clock import Clock, LoopClock
from actors._place.carrier import VERSION
from actors._place.launcher import Launcher
from actors._place.link import Frame
from actors._place.process import ProcessCarrier

_LOOK = 0.1
"""Seconds between two looks at what the actor has begun with."""
KILL_GRACE = 5.0
"""Seconds after which what forks processes is killed when it does not end."""


def now() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


class NodeKeeper:
    """Starts the processes of one actor on this node. Everything runs on the event loop of the Ray actor."""

    kill_grace = KILL_GRACE

    def __init__(self, lease: float, path: list[str]) -> None:
        """`path`: where the program finds modules. Its folders that exist on this node are searched here, too."""
        sys.path += [each for each in path if each not in sys.path and Path(each).exists()]
        self.loop: asyncio.AbstractEventLoop
        self.clock: Clock
        self.context: Context = copy_context()
        self._lease = lease
        self._until = now() + lease
        self._launcher = Launcher(self)
        self._kept: dict[int, _Kept] = {}
        self._out: list[tuple[Any, ...]] = []
        self._more: asyncio.Event
        self._answers = 0
        self._sent_at: dict[int, float] = {}
        """By number, when an answer was sent that the program may not have."""
        self._batches: dict[int, bytes] = {}
        """By number, the batches that came before an earlier one."""
        self._next = 1

    # The program asks

    async def take(self, heard: int) -> tuple[int, bytes]:
        """Returns the number of the answer, and what there is to say, pickled: at the latest after a third of the
        lease. `heard`: the number of the last answer that the program has; 0: none.
        """
        if heard == 0:
            self._begin()
        else:
            self._renew(heard)
            if not self._out:
                self._more.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._more.wait(), self._lease / 3)
        out, self._out = self._out, []
        body = pickle.dumps(out, 5)
        self._answers += 1
        self._sent_at[self._answers] = now()
        return self._answers, body

    async def deliver(self, number: int, batch: bytes) -> None:
        """Takes what the program says, pickled. Ray does not keep the order of calls: `number` puts them in order."""
        self._check()
        self._batches[number] = batch
        try:
            while self._next in self._batches:
                for what, which, rest in pickle.loads(self._batches.pop(self._next)):  # noqa: S301 - the program
                    self._do(what, which, rest)
                self._next += 1
        except BaseException:  # noqa: BLE001 - what is lost here must not be lost in silence
            traceback.print_exc()
            os._exit(1)

    def _begin(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = LoopClock(self.loop)
        self._more = asyncio.Event()
        self._until = now() + self._lease
        self._watch()
        self._look()
        self.say("up", 0, VERSION, node_address(), node_id())

    def _do(self, what: str, which: int, rest: tuple[Any, ...]) -> None:
        if what == "begin":
            request, first = rest
            self._kept[which] = _Kept(self, self._launcher, which, request, first)
            return
        kept = self._kept.get(which)
        if kept is None:
            return  # it has ended
        if what == "send":
            kept.carrier.send(*rest)
        elif what == "answer":
            kept.carrier.answer(*rest)
        else:
            kept.carrier.kill()

    def say(self, what: str, which: int, *rest: object) -> None:
        """Says something to the program."""
        self._out.append((what, which, *rest))
        self._more.set()

    def forget(self, which: int) -> None:
        """The process of this number has ended."""
        self._kept.pop(which, None)

    # The lease

    def _renew(self, heard: int) -> None:
        self._check()
        sent = self._sent_at.get(heard)
        for each in [each for each in self._sent_at if each <= heard]:
            del self._sent_at[each]
        if sent is not None:
            self._until = sent + self._lease

    def _check(self) -> None:
        if now() > self._until:
            os._exit(1)  # the program has given this node up, or will

    def _watch(self) -> None:
        self._check()
        self.loop.call_later(self._until - now() + 0.001, self._watch)

    def _look(self) -> None:
        """Says what the actor has begun with, so that the program knows it if this node is lost."""
        for kept in self._kept.values():
            kept.look()
        self.loop.call_later(_LOOK, self._look)


class _Kept:
    """One process, and what is said of it to the program."""

    def __init__(
        self, keeper: NodeKeeper, launcher: Launcher, number: int, request: dict[str, Any], first: Frame
    ) -> None:
        self._keeper = keeper
        self._number = number
        self._begun = 0
        self.path: str = request["path"]
        where = f" on the node {node_address()}"
        self.carrier = ProcessCarrier(keeper, launcher, self, {**request, "main": local(request["main"])}, where)
        try:
            self.carrier.begin(*first)
        except OSError as error:
            self._over(error, (0, 0.0))

    def received(self, frame: Frame) -> None:
        """A frame of the process."""
        if frame[0] == "hello":
            self._keeper.say("name", self._number, self.carrier.name)
        self._keeper.say("frame", self._number, frame)

    def looked_up(self, question: Frame) -> None:
        """A thread of the process waits for the answer of the program, which hears first what was said before."""
        self.carrier.catch_up()
        self._keeper.say("asked", self._number, question)

    def ended(self, error: BaseException | None) -> None:
        """The process was reaped."""
        self._over(error, self.carrier.last_begun(), self.carrier.noted_inside(), self.carrier.being_read())

    def _over(
        self,
        error: BaseException | None,
        begun: tuple[int, float],
        inside: tuple[int, int] = (0, 0),
        reading: int = 0,
    ) -> None:
        self.carrier.close()
        self._keeper.forget(self._number)
        self._keeper.say("ended", self._number, error, *begun, *inside, reading)

    def look(self) -> None:
        """Says the number of the last message that the actor has begun with, if it is a new one."""
        number, seconds = self.carrier.last_begun()
        if number != self._begun:
            self._begun = number
            self._keeper.say("begun", self._number, number, seconds)


def node_address() -> str:
    """The address of this node, as Ray knows it."""
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())


def node_id() -> str:
    """The id of this node in its cluster."""
    from ray import get_runtime_context

    return str(get_runtime_context().get_node_id())


def local(main: tuple[str, str] | None) -> tuple[str, str] | None:
    """The main module of the program as this node finds it: by its path, or by its name in the working directory."""
    if main is None or main[0] != "path" or Path(main[1]).exists():
        return main
    return "path", str(Path.cwd() / Path(main[1]).name)
