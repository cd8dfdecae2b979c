"""Ours, as users run it: supervised, lifecycle events and metrics on. BARE has both off, UVLOOP another loop.

Messages are plain objects to `on_receive`, as the peers' are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from prometheus_client import CollectorRegistry

from actors import Actor, ActorRef, Metrics
from benchmarks import _measure
from benchmarks._works import BREATH, GROUP_SIZE, RING_SIZE, SENDERS, SIBLINGS, Figures, Measure
from supervisors import ChildSpec, SupervisorRef, SupervisorSpec, child, dynamic_supervisor, start, supervisor

_CRASH = "crash"
_WAIT = 60.0


@dataclass(slots=True)
class Board:
    """What actors tell the measuring coroutine, past the messages, which are what is measured."""

    left: int = 0
    raised: float = 0.0
    begun: float = 0.0
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Worker(Actor):
    """A tuple is a question, a word an order to crash, a number is counted."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        # The supervisor has decided by now: a little late, which costs us time.
        board.begun = time.perf_counter()
        self.board = board

    def on_receive(self, message: object) -> object:
        """Answer, crash or count."""
        if type(message) is tuple:
            return message[0]
        if message == _CRASH:
            self.board.raised = time.perf_counter()
            raise ValueError(message)
        self.board.left -= 1
        if not self.board.left:
            self.board.done.set()
        return None


class Hop(Actor):
    """Passes a token on until it is spent; a ref is the next in the ring."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board
        self.following: ActorRef[Any] | None = None

    def on_receive(self, message: object) -> None:
        """Join the ring, or pass on."""
        if isinstance(message, ActorRef):
            self.following = message
        elif isinstance(message, int) and message and self.following is not None:
            self.following.tell(message - 1)
        else:
            self.board.done.set()


class Sender(Actor):
    """Tells the ref it is given as often as it is told."""

    def on_receive(self, message: tuple[ActorRef[Any], int]) -> None:
        """Send them all."""
        sink, times = message
        for number in range(times):
            sink.tell(number)


def _specs(count: int, kind: type[Actor], board: Board) -> Iterable[ChildSpec]:
    # The default backoff is a wait by design; the cycle is compared to OTP's, which restarts at once.
    return (child(f"w{number}", kind, args={"board": board}, backoff=None) for number in range(count))


def _tree(
    *children: ChildSpec | SupervisorSpec, strategy: Literal["one_for_one", "one_for_all"] = "one_for_one"
) -> SupervisorSpec:
    return supervisor("root", *children, strategy=strategy, max_restarts=None)


def _one_worker(board: Board) -> SupervisorSpec:
    return _tree(*_specs(1, Worker, board))


async def _rest(board: Board) -> None:
    await board.done.wait()
    board.done.clear()


@dataclass(frozen=True, slots=True)
class Setup:
    """Whether a sink hears of the events, and which loop it all runs on."""

    watched: bool = True
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None

    def measured(self, work: Callable[[Setup, int, Board], Awaitable[Figures]]) -> Measure:
        """`work` as a plain function of its size."""

        async def run(size: int) -> Figures:
            return await work(self, size, Board())

        def measure(size: int) -> Figures:
            with asyncio.Runner(loop_factory=self.new_loop) as runner:
                return runner.run(run(size))

        return measure

    @asynccontextmanager
    async def open(self, tree: SupervisorSpec) -> AsyncIterator[SupervisorRef]:
        """The tree, running on this loop; watched, its events go to the log sink and to the metrics."""
        starting = start(tree, log=self.watched)
        async with starting as root:
            if not self.watched:
                yield root
                return
            metrics = Metrics(starting.runtime, CollectorRegistry())
            try:
                yield root
            finally:
                metrics.close()

    async def tell(self, size: int, board: Board) -> Figures:
        """One sender outside any actor."""
        async with self.open(_one_worker(board)) as root:
            worker = root.child("w0")
            board.left = size
            started = time.perf_counter()
            for number in range(size):
                worker.tell(number)
                if not number % BREATH:
                    await asyncio.sleep(0)
            await _rest(board)
            return _measure.rate(size, started)

    async def call(self, size: int, board: Board) -> Figures:
        """One round trip after another."""
        async with self.open(_one_worker(board)) as root:
            worker = root.child("w0")
            started = time.perf_counter()
            for number in range(size):
                await worker.call((number,))
            return _measure.rate(size, started)

    async def ring(self, size: int, board: Board) -> Figures:
        """The token is a message from actor to actor."""
        async with self.open(_tree(*_specs(RING_SIZE, Hop, board))) as root:
            hops = [root.child(f"w{number}") for number in range(RING_SIZE)]
            for number, hop in enumerate(hops):
                hop.tell(hops[(number + 1) % RING_SIZE])
            started = time.perf_counter()
            hops[0].tell(size)
            await _rest(board)
            return _measure.rate(size, started)

    async def fan_in(self, size: int, board: Board) -> Figures:
        """Each sender is an actor."""
        each = size // SENDERS
        senders = (child(f"s{number}", Sender) for number in range(SENDERS))
        async with self.open(_tree(*_specs(1, Worker, board), *senders)) as root:
            sink = root.child("w0")
            board.left = each * SENDERS
            started = time.perf_counter()
            for number in range(SENDERS):
                root.child(f"s{number}").tell((sink, each))
            await _rest(board)
            return _measure.rate(each * SENDERS, started)

    async def spawn(self, size: int, board: Board) -> Figures:
        """Children of a dynamic supervisor, each start awaited after all have been asked for."""
        pool = dynamic_supervisor("pool", child("w", Worker, args={"board": board}), max_restarts=None)
        async with self.open(_tree(pool)) as root:
            workers = root.supervisor("pool")
            memory = _measure.growth()
            started = time.perf_counter()
            starts = [workers.start_child() for _ in range(size)]
            refs = [await start for start in starts]
            for ref in refs:
                await ref.call((0,))
            return _measure.spawned(size, started, memory)

    async def start(self, size: int, board: Board) -> Figures:
        """Straight from the runtime, each start awaited after all have been asked for."""
        async with self.open(_one_worker(board)) as root:
            runtime = root.runtime
            memory = _measure.growth()
            started = time.perf_counter()
            starts = [runtime.spawn(Worker, args={"board": board}) for _ in range(size)]
            refs = [await start for start in starts]
            for ref in refs:
                await ref.call((0,))
            return _measure.spawned(size, started, memory)

    async def _cycles(self, size: int, tree: SupervisorSpec, restarted: int = 1) -> Figures:
        async with self.open(tree) as root:
            workers = [root.child(f"w{number}") for number in range(restarted)]
            spans = []
            for _ in range(size):
                started = time.perf_counter()
                workers[0].tell(_CRASH)
                # The queue outlives the crash: the question waits in it for the new incarnation. The first
                # answers only when it runs anew, and by then the others have been stopped.
                for worker in workers:
                    await worker.call((0,))
                spans.append(time.perf_counter() - started)
            return _measure.cycle(spans)

    async def restart(self, size: int, board: Board) -> Figures:
        """One worker alone."""
        return await self._cycles(size, _one_worker(board))

    async def restart_group(self, size: int, board: Board) -> Figures:
        """All for one."""
        tree = _tree(*_specs(GROUP_SIZE, Worker, board), strategy="one_for_all")
        return await self._cycles(size, tree, GROUP_SIZE)

    async def restart_crowd(self, size: int, board: Board) -> Figures:
        """One worker among many."""
        return await self._cycles(size, _tree(*_specs(1 + SIBLINGS, Worker, board)))

    async def stop(self, size: int, board: Board) -> Figures:
        """Two levels of supervisors over the workers."""
        branches = [
            supervisor(f"b{number}", *_specs(leaves, Worker, board))
            for number, leaves in enumerate(_measure.branches(size))
        ]
        async with self.open(_tree(*branches)):
            started = time.perf_counter()
        return _measure.rate(size, started)

    async def detection(self, size: int, board: Board) -> Figures:
        """To the construction of the next incarnation, which follows the decision."""
        async with self.open(_one_worker(board)) as root:
            worker = root.child("w0")
            spans = []
            for _ in range(size):
                worker.tell(_CRASH)
                await worker.call((0,))
                spans.append(board.begun - board.raised)
            return _measure.detection(spans)


def _ask(size: int) -> Figures:
    with start(_one_worker(Board())) as root:
        worker = root.child("w0")
        started = time.perf_counter()
        for number in range(size):
            worker.ask((number,), timeout=_WAIT)
        return _measure.rate(size, started)


def _works(setup: Setup) -> dict[str, Measure]:
    return {
        "tell": setup.measured(Setup.tell),
        "call": setup.measured(Setup.call),
        "ring": setup.measured(Setup.ring),
        "fan-in": setup.measured(Setup.fan_in),
        "spawn": setup.measured(Setup.spawn),
        "start": setup.measured(Setup.start),
        "crowd": setup.measured(Setup.spawn),
        "million": setup.measured(Setup.spawn),
        "restart": setup.measured(Setup.restart),
        "restart-group": setup.measured(Setup.restart_group),
        "restart-crowd": setup.measured(Setup.restart_crowd),
        "stop": setup.measured(Setup.stop),
        "detection": setup.measured(Setup.detection),
    }


def _uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


WORKS: Mapping[str, Measure] = {**_works(Setup()), "ask": _ask}
BARE: Mapping[str, Measure] = _works(Setup(watched=False))
UVLOOP: Mapping[str, Measure] = _works(Setup(new_loop=_uvloop))
