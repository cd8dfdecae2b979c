"""The carrier of a place on a node of Ray, and what this program has of the keeper there (`actors._ray.keeper`).

Ray starts the keeper and moves bytes; it restarts nothing. Every call of Ray that may block is made on a thread that
the keeper of this actor has to itself. The keeper stays between incarnations, so that its resources stay reserved; it
ends when the actor terminates, or changes its options.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from actors._core.process import RaySpec
from actors._name import NAME
from actors._place.carrier import VERSION, Carried
from actors._place.link import Frame
from actors._place.process import request_of
from actors._ray.connection import CONNECTION
from actors._user_code.text import described
from actors.errors import PlaceLost, VersionMismatch

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.placed import PlacedType
    from actors._runtime.runtime import Runtime

PATIENCE = 1.5
"""After so many leases without an answer a node is given up: its own lease is over by then."""
_CERTAIN = "worker process has died"
"""What Ray says when the node has told that the process of a Ray actor ended. After anything else, such as `ray.kill`,
the process may still run: it is over when its lease is.
"""


MISTRUST = 120.0
"""For so many seconds no keeper is started on a node that was given up, if another one has the resources. Ray itself
needs about a minute to notice that a node is frozen, and starts Ray actors there until then.
"""


DELAY = 0.5
"""After so many seconds the program knows which message the actor has begun with: five times what it takes at most."""


END_PATIENCE = 10.0
"""So many seconds the stop of a runtime waits for Ray, which needs one to disconnect."""


class GivenUp:
    """The nodes that were given up lately. In any thread."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def add(self, node: str) -> None:
        """A node was given up now."""
        self._until[node] = monotonic() + MISTRUST

    def nodes(self) -> list[str]:
        """The ids of the nodes."""
        now = monotonic()
        return [node for node, until in list(self._until.items()) if until > now]


class RayCarriers:
    """Makes what carries the places of a program that are on nodes of Ray."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._keepers: dict[Cell, KeeperHandle] = {}
        self._threads: set[KeeperHandle] = set()
        """The keepers whose threads have not ended."""
        self._given_up = GivenUp()

    def carrier(self, place: Carried, cell: Cell, kind: PlacedType) -> RayCarrier:
        """Makes the carrier of a place."""
        spec = cast("RaySpec", kind.spec)
        return RayCarrier(partial(self._keeper, cell, spec), place, spec, request_of(place.path, kind))

    def _keeper(self, cell: Cell, spec: RaySpec) -> KeeperHandle:
        """The keeper of this actor: the one it has, where that can go on."""
        keeper = self._keepers.get(cell)
        if keeper is not None and not keeper.over and keeper.spec == spec:
            return keeper
        if keeper is None:
            self._runtime.when_closed(cell, lambda _: self._release(cell))
        else:
            keeper.end()
        made = self._keepers[cell] = KeeperHandle(self._runtime, cell.path, spec, self._given_up, self._threads.discard)
        self._threads.add(made)
        return made

    def _release(self, cell: Cell) -> None:
        keeper = self._keepers.pop(cell, None)
        if keeper is not None:
            keeper.end()

    async def close(self) -> None:
        """Ends every keeper, and waits for its thread. One that does not end in time, because Ray does not answer, is
        told and left behind.
        """
        for keeper in self._keepers.values():
            keeper.end()
        self._keepers.clear()
        ends = {asyncio.wrap_future(keeper.ended): keeper for keeper in list(self._threads)}
        if ends:
            done, left = await asyncio.wait(ends, timeout=max(END_PATIENCE, self._runtime.kill_grace))
            for each in done:
                ends[each].thread.join()
            for each in left:
                logging.getLogger(NAME).warning(
                    "%s: Ray did not answer for %g s; its thread is left behind", ends[each].path, END_PATIENCE
                )

    def abandon(self) -> None:
        """Ends every keeper, and waits for nothing."""
        for keeper in self._keepers.values():
            keeper.end()
        self._keepers.clear()

    def forked_away(self) -> None:
        """This process is a fork of the program, and Ray does not work in it."""
        self._keepers.clear()
        self._threads.clear()


class RayCarrier:
    """Carries one incarnation in a process on a node."""

    delay = DELAY

    def __init__(
        self, keeper: Callable[[], KeeperHandle], place: Carried, spec: RaySpec, request: dict[str, Any]
    ) -> None:
        self._make = keeper
        self._keeper: KeeperHandle | None = None
        self._place = place
        self._request = request
        self.name = f"a node of Ray that has {spec.wanted}"
        self.number = 0
        self._begun = (0, monotonic())
        self.knows_begun = False
        self._inside = (0, 0)
        self._reading = 0
        self._ended = False

    def begin(self, *first: object) -> None:
        """Asks for the process."""
        self._keeper = self._make()
        self._keeper.begin(self, self._request, first)

    def send(self, *frame: object) -> None:
        """Sends a frame, if the process is there."""
        if not self._ended and self._keeper is not None:
            self._keeper.send("send", self.number, *frame)

    def answer(self, *frame: object) -> None:
        """Answers a thread of the process that waits for it."""
        if not self._ended and self._keeper is not None:
            self._keeper.send("answer", self.number, *frame)

    def kill(self) -> None:
        """Ends the process. On a node that does not answer it is over when the lease is."""
        if self._ended or self._keeper is None:
            return
        if self._keeper.up:
            self._keeper.send("kill", self.number)
        else:
            self._keeper.end()
            self.end(None)

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, as far as the node has told, and the seconds
        since then.
        """
        number, at = self._begun
        return number, monotonic() - at

    def being_read(self) -> int:
        """The number of the message that was being read when the process ended; 0: none, or the node is lost."""
        return self._reading

    def noted_inside(self) -> tuple[int, int]:
        """How many messages wait inside, and whether an inner actor has handled one; zeros if the node is lost."""
        return self._inside

    def catch_up(self) -> None:
        """Frames and questions come in one order."""

    def loss(self, how: str) -> PlaceLost:
        """The error for an end of which no more is known."""
        return PlaceLost(self._place.path, self.name, f"{self.name} {how}", None, None, None, None)

    def close(self) -> None:
        """Gives the process up, and ends it if it is there."""
        if not self._ended:
            self._ended = True
            if self._keeper is not None:
                self._keeper.end()

    def forked_away(self) -> None:
        """This process is a fork of the program."""
        self._ended = True

    # What the keeper says

    def heard(self, what: str, rest: list[Any]) -> None:
        """The keeper says something of this process."""
        if self._ended:
            return
        match what, rest:
            case "frame", [frame]:
                self._place.received(frame)
            case "asked", [question]:
                self._place.looked_up(question)
            case "name", [name]:
                self.name = name
            case "begun", [number, seconds]:
                self._begun = (number, monotonic() - seconds)
            case "ended", [error, number, seconds, waiting, handled, reading]:
                self._inside, self._reading = (waiting, handled), reading
                self._begun, self.knows_begun = (number, monotonic() - seconds), True
                self.end(error)

    def end(self, error: BaseException | None) -> None:
        """The process is over, by this error if it was not told to end."""
        if not self._ended:
            self._ended = True
            self._place.ended(error)


class KeeperHandle:
    """The keeper of one actor, as the program has it. On the loop thread, unless a method says otherwise."""

    def __init__(
        self,
        runtime: Runtime,
        path: str,
        spec: RaySpec,
        given_up: GivenUp,
        thread_ended: Callable[[KeeperHandle], object],
    ) -> None:
        self._runtime = runtime
        self.path = path
        self.spec = spec
        self._given_up = given_up
        self._node = ""
        self.up = self.over = False
        self.ended: Future[None] = Future()
        """Settled when its thread has ended."""
        self.ended.add_done_callback(lambda _: thread_ended(self))
        self._carriers: dict[int, RayCarrier] = {}
        self._waiting: list[tuple[Any, ...]] = []
        """What the keeper will hear when it is up."""
        self._out: list[tuple[Any, ...]] = []
        self._number = self._batch = 0
        self._why = ""
        self._broken = False
        """Whether a call has failed, and the keeper did not end by that as far as is known."""
        self._last = monotonic()
        """When the keeper answered last. Written on a thread of Ray: the loop may have been blocked."""
        self._timer: asyncio.TimerHandle | None = None
        self._joined = False
        self._handle: Any = None
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._run, name=f"{NAME}-ray-{path}", daemon=True)
        self.thread.start()

    # What the program says

    def begin(self, carrier: RayCarrier, request: dict[str, Any], first: Frame) -> None:
        """Asks for a process."""
        self._number += 1
        carrier.number = self._number
        self._carriers[self._number] = carrier
        self.send("begin", self._number, request, first)

    def send(self, what: str, which: int, *rest: object) -> None:
        """Says something to the keeper, at the latest in the next pass of the loop; when it is up, if it is not yet."""
        if self.over:
            return
        if not self.up:
            self._waiting.append((what, which, rest))
            return
        self._out.append((what, which, rest))
        if len(self._out) == 1:
            self._runtime.loop.call_soon(self._flush, context=self._runtime.context.copy())

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and not self.over:
            self._batch += 1
            self._calls.put(partial(self._deliver, self._batch, out))

    def end(self) -> None:
        """Ends the keeper, and with it its process. Nothing is told any more."""
        if not self.over:
            self.over = True
            self._carriers.clear()
            if self._timer is not None:
                self._timer.cancel()
            self._calls.put(self._kill)
            self._calls.put(None)

    # What the keeper says

    def _heard(self, body: bytes) -> None:
        if self.over:
            return
        if self._timer is None:
            self._watch()
        for what, which, *rest in pickle.loads(body):  # noqa: S301 - our own keeper
            if what == "up":
                self._is_up(*rest)
            elif which in self._carriers:
                carrier = self._carriers[which]
                if what == "ended":
                    del self._carriers[which]
                carrier.heard(what, rest)
            if self.over:
                return

    def _is_up(self, version: str, address: str, node: str) -> None:
        if version != VERSION:
            self._give_up(lambda _: VersionMismatch(self.path, VERSION, version))
            return
        self.up, self._node = True, node
        for carrier in self._carriers.values():
            carrier.name = f"a process on the node {address}"
        waiting, self._waiting = self._waiting, []
        for what, which, rest in waiting:
            self.send(what, which, *rest)

    # The lease

    def _watch(self) -> None:
        left = self._last + PATIENCE * self.spec.lease - monotonic()
        if left <= 0:
            self._silent()
        else:
            self._timer = self._runtime.loop.call_later(left, self._watch, context=self._runtime.context.copy())

    def _silent(self) -> None:
        seconds = PATIENCE * self.spec.lease
        self._given_up.add(self._node)
        self._lose(self._why or f"the node has not answered for {seconds:g} s")

    def _failed(self, error: BaseException) -> None:
        """Ray says that the keeper has died, or that it cannot be started."""
        if self.over:
            return
        text = " ".join(str(error).split()) or described(error)
        if not self.up:
            failure = error if isinstance(error, OSError) else OSError(f"{self.path} has no keeper on Ray: {text}")
            self._give_up(lambda _: failure)
        elif _CERTAIN in text:
            self._lose(text)
        else:
            # What was said may be lost. The process may run until its lease is over, which is not renewed any more.
            self._why, self._broken = text, True

    def _lose(self, how: str) -> None:
        self._give_up(lambda carrier: carrier.loss(f"is lost: {how}"))

    def _give_up(self, error: Callable[[RayCarrier], BaseException]) -> None:
        carriers = list(self._carriers.values())
        self.end()
        for carrier in carriers:
            carrier.end(error(carrier))

    # On its thread, where calls of Ray may block

    def _run(self) -> None:
        call: Callable[[], None] | None = self._start
        try:
            while call is not None:
                try:
                    call()
                except BaseException as error:  # noqa: BLE001 - what Ray raises is told
                    self._tell(self._failed, error)
                call = self._calls.get()
            if self._joined:
                self._handle = None
                CONNECTION.leave()
        finally:
            self.ended.set_result(None)

    def _start(self) -> None:
        spec = self.spec
        CONNECTION.join(spec)
        self._joined = True
        import ray
        from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

        from actors._ray.keeper import NodeKeeper

        avoided = self._given_up.nodes()
        elsewhere = NodeLabelSchedulingStrategy(hard={}, soft={"ray.io/node-id": NotIn(*avoided)}) if avoided else None

        actor_class = ray.remote(NodeKeeper).options(
            num_cpus=spec.num_cpus,
            num_gpus=spec.num_gpus,
            resources=dict(spec.resources) or None,
            memory=spec.memory,
            runtime_env=spec.runtime_env,
            scheduling_strategy=elsewhere,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=1000,
        )
        self._handle = actor_class.remote(spec.lease, [str(Path(each).absolute()) for each in sys.path])
        self._take(0)

    def _take(self, heard: int) -> None:
        future: Future[tuple[int, bytes]] = self._handle.take.remote(heard).future()
        future.add_done_callback(self._taken)

    def _deliver(self, number: int, out: list[tuple[Any, ...]]) -> None:
        self._handle.deliver.remote(number, pickle.dumps(out, 5)).future().add_done_callback(self._delivered)

    def _kill(self) -> None:
        if self._handle is not None:
            import ray

            with contextlib.suppress(Exception):  # it has ended, or Ray has
                ray.kill(self._handle)

    # On a thread of Ray

    def _taken(self, future: Future[tuple[int, bytes]]) -> None:
        try:
            number, body = future.result()
        except BaseException as error:  # noqa: BLE001 - what Ray raises is told
            self._tell(self._failed, error)
            return
        self._last = monotonic()
        if not self._broken:  # asked from here and not by the loop: one that is blocked must not end the lease
            self._calls.put(partial(self._take, number))
        self._tell(self._heard, body)

    def _delivered(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            self._tell(self._failed, error)

    def _tell(self, function: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._runtime.loop.call_soon_threadsafe(function, *args, context=self._runtime.context.copy())
