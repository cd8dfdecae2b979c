"""The flows whose cost is counted: what goes through the code for one message, one start, one crash, one piece of work.

Each `Flow` opens a tree on the running loop, without log sink and metrics unless it says so, and yields a function that
makes the flow happen a number of times. Only public names are used.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from actors import Actor, ActorRef, LoopClock, Metrics, Runtime
from benchmarks._works import CHAIN, RING_SIZE, STAGES
from supervisors import Restarted, SupervisorRef, SupervisorSpec, child, dynamic_supervisor, start, supervisor
from teams import Context, Handoff, TeamRef, member, team
from teams.patterns import pipeline, sequential, stage
from teams.protocols import Event
from teams.workflows import EngineRef, do, engine, workflow

LISTENERS = 100
"""Members that hear an event or a broadcast."""
GROUP = 10
"""Children that are restarted together."""
DURABLE = 10
"""Steps of a run of an engine."""
TICK = 1e-6
"""Seconds between two readings of the clock."""
QUESTION, CRASH = object(), object()

Repeat = Callable[[int], Awaitable[None]]
"""Makes the flow happen so many times; returns when the last is over."""


class SteadyClock(LoopClock):
    """The same time at the same reading in every run, however slow the machine: a pass of the run queue ends by time.

    Timers stay those of the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.now = itertools.count(1.0, TICK).__next__

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        return self._loop.call_later(when - self.now(), callback)


@dataclass(frozen=True, slots=True)
class World:
    """A tree that runs, and how the measuring coroutine hears from its actors."""

    root: SupervisorRef
    runtime: Runtime
    left: Countdown

    @property
    def crew(self) -> TeamRef:
        """The root of a tree that is a team."""
        assert isinstance(self.root, TeamRef)
        return self.root


class Countdown:
    """Counts what is handled, past the messages, which are what is measured."""

    def __init__(self) -> None:
        self.left = 0
        self.done = asyncio.Event()

    def one(self) -> None:
        """One less is left."""
        self.left -= 1
        if not self.left:
            self.done.set()

    async def count(self, count: int) -> None:
        """Returns when `one` was called `count` times from here on."""
        self.left = count
        self.done.clear()
        await self.done.wait()


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow. `times` is how often it happens for a count of instructions, `least` the smallest number of times."""

    name: str
    about: str
    times: int
    open: Callable[[], AbstractAsyncContextManager[tuple[World, Repeat]]]
    least: int = 1


class Plain(Actor):
    """Answers a question, crashes on demand, counts everything else."""

    def __init__(self, left: Countdown) -> None:
        super().__init__()
        self.left = left

    def on_receive(self, message: object) -> object:
        """Answer, crash or count."""
        if message is QUESTION:
            return message
        if message is CRASH:
            raise ValueError("on demand")
        self.left.one()
        return None


class Async(Actor):
    """Counts, in a coroutine that does not wait."""

    def __init__(self, left: Countdown) -> None:
        super().__init__()
        self.left = left

    async def on_receive(self, message: object) -> None:
        """Count."""
        self.left.one()


class Asker(Actor):
    """Calls another actor."""

    async def on_receive(self, message: tuple[ActorRef[Any], int]) -> None:
        """Call it so many times."""
        other, times = message
        for _ in range(times):
            await other.call(QUESTION)


class Hop(Actor):
    """Passes a token on until it is spent. A ref is the next in the ring."""

    def __init__(self, left: Countdown) -> None:
        super().__init__()
        self.left = left
        self.following: ActorRef[Any] | None = None

    def on_receive(self, message: object) -> None:
        """Join the ring, or pass on."""
        if isinstance(message, int) and message and self.following is not None:
            self.following.tell(message - 1)
        elif isinstance(message, ActorRef):
            self.following = message
        else:
            self.left.one()


class Ticker(Actor):
    """Sets as many timers as it is told, and counts those that fire."""

    def __init__(self, left: Countdown) -> None:
        super().__init__()
        self.left = left

    def on_receive(self, message: int) -> None:
        """Set the timers, or count."""
        for _ in range(message):
            self.tell_after(0, 0)
        if not message:
            self.left.one()


class Ear(Actor):
    """Gives back what is said to it."""

    heard: Countdown

    def on_receive(self, message: object) -> object:
        """Count an event, give anything else back."""
        if type(message) is not Event:
            return message
        self.heard.one()
        return None


async def _echo(value: object) -> object:
    return value


async def _hop(value: object, context: Context) -> object:
    place = int(context.member[1:])
    return Handoff(f"h{place + 1}") if place < CHAIN else value


@asynccontextmanager
async def _running(tree: SupervisorSpec, left: Countdown, *, watched: bool = False) -> AsyncIterator[World]:
    # No watchdog: its thread wakes up by the system's clock, and its instructions would be counted.
    starting = start(tree, log=watched, clock=SteadyClock, watchdog=None, default_timeout=1e6)
    async with starting as root:
        metrics = Metrics(starting.runtime, CollectorRegistry()) if watched else None
        try:
            yield World(root, starting.runtime, left)
        finally:
            if metrics is not None:
                metrics.close()


def _of_actors(
    repeat: Callable[[World, int], Awaitable[None]], *kinds: type[Actor], watched: bool = False
) -> Callable[[], AbstractAsyncContextManager[tuple[World, Repeat]]]:
    """A flow among permanent children `a0`, `a1`, ... of one supervisor; each is given the countdown."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[World, Repeat]]:
        left = Countdown()
        children = [
            child(f"a{number}", kind, args=[] if kind is Asker else [left], backoff=None)
            for number, kind in enumerate(kinds)
        ]
        pool = dynamic_supervisor("pool", child("p", Plain, args=[left]), max_restarts=None)
        mates = (child(f"g{number}", Plain, args=[left]) for number in range(GROUP))
        group = supervisor("group", *mates, strategy="one_for_all", max_restarts=None, backoff=None)
        tree = supervisor("root", *children, pool, group, max_restarts=None)
        async with _running(tree, left, watched=watched) as world:
            yield world, lambda times: repeat(world, times)

    return opened


def _of_team(
    repeat: Callable[[World, int], Awaitable[None]], tree: Callable[[], SupervisorSpec]
) -> Callable[[], AbstractAsyncContextManager[tuple[World, Repeat]]]:
    """A flow in a team."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[tuple[World, Repeat]]:
        left = Ear.heard = Countdown()
        async with _running(tree(), left) as world:
            await world.crew.roster()
            yield world, lambda times: repeat(world, times)

    return opened


async def _tell(world: World, times: int) -> None:
    worker = world.root.child("a0")
    for _ in range(times):
        worker.tell(None)
    await world.left.count(times)


async def _call(world: World, times: int) -> None:
    worker = world.root.child("a0")
    for _ in range(times):
        await worker.call(QUESTION)


async def _call_from_handler(world: World, times: int) -> None:
    await world.root.child("a0").call((world.root.child("a1"), times))


async def _ring(world: World, times: int) -> None:
    first = world.root.child("a0")
    if not world.left.done.is_set():
        hops = [world.root.child(f"a{number}") for number in range(RING_SIZE)]
        for number, hop in enumerate(hops):
            hop.tell(hops[(number + 1) % RING_SIZE])
    first.tell(times - 1)
    await world.left.count(1)


async def _timer(world: World, times: int) -> None:
    world.root.child("a0").tell(times)
    await world.left.count(times)


async def _start_supervised(world: World, times: int) -> None:
    pool = world.root.supervisor("pool")
    for future in [pool.start_child() for _ in range(times)]:
        await future


async def _start_bare(world: World, times: int) -> None:
    for future in [world.runtime.spawn(Plain, args=[world.left]) for _ in range(times)]:
        await future


async def _restart(world: World, times: int) -> None:
    worker = world.root.child("a0")
    for _ in range(times):
        worker.tell(CRASH)
        await worker.call(QUESTION)


async def _start_and_stop(world: World, times: int) -> None:
    spec = supervisor("branch", *(child(f"c{number}", Plain, args=[world.left]) for number in range(times)))
    await world.root.start_child(spec)
    await world.root.terminate_child("branch")
    await world.root.delete_child("branch")


async def _restart_group(world: World, times: int) -> None:
    group = world.root.supervisor("group")
    workers = [group.child(f"g{number}") for number in range(GROUP)]
    for _ in range(times // GROUP):
        workers[0].tell(CRASH)
        for worker in workers:
            await worker.call(QUESTION)


async def _restart_known(world: World, times: int) -> None:
    worker = world.root.child("a0")
    if not world.left.done.is_set():
        world.runtime.events.subscribe(lambda _: world.left.one(), Restarted)
    for _ in range(times):
        worker.tell(CRASH)
        await world.left.count(1)


async def _assign(world: World, times: int) -> None:
    for number in range(times):
        await world.crew.assign(number, "m")


async def _handoff(world: World, times: int) -> None:
    for number in range(times // CHAIN):
        await world.crew.assign(number, "h0")


async def _pipeline(world: World, times: int) -> None:
    await world.crew.play(pipeline(*(stage(f"s{place}", f"s{place}") for place in range(STAGES))), range(times))


async def _event(world: World, times: int) -> None:
    topics = world.crew.topics
    while len(await topics.subscribers()) < LISTENERS:
        await asyncio.sleep(0)
    for number in range(times // LISTENERS):
        topics.publish("news", number)
    await world.left.count(times // LISTENERS * LISTENERS)


async def _broadcast(world: World, times: int) -> None:
    for number in range(times // LISTENERS):
        await world.crew.broadcast(number)


async def _play(world: World, times: int) -> None:
    pattern = sequential("m", "n")
    for number in range(times):
        await world.crew.play(pattern, number)


async def _durable(world: World, times: int) -> None:
    assert isinstance(world.root, EngineRef)
    for run in [world.root.execute("chain", number) for number in range(times // DURABLE)]:
        await run


@asynccontextmanager
async def _engine_up() -> AsyncIterator[tuple[World, Repeat]]:
    """A flow in an engine whose store is in memory."""
    chain = workflow("chain", *(do(f"s{number}", "echo") for number in range(DURABLE)))
    echo = member("echo", _echo, concurrency=1_000)
    tree = engine("engine", echo, chain, store="memory:", max_concurrent_workflows=1_000)
    async with _running(tree, Countdown()) as world:
        yield world, lambda times: _durable(world, times)


def _two() -> SupervisorSpec:
    return team("crew", member("m", _echo), member("n", _echo))


def _chain() -> SupervisorSpec:
    return team("crew", *(member(f"h{place}", _hop) for place in range(CHAIN + 1)))


def _stages() -> SupervisorSpec:
    return team("crew", *(member(f"s{place}", _echo) for place in range(STAGES)))


def _ears() -> SupervisorSpec:
    return team("crew", member("ear", Ear, count=LISTENERS, subscribes=["news"]))


_CALLED = (Asker, Plain)

FLOWS: Mapping[str, Flow] = {
    flow.name: flow
    for flow in (
        Flow("tell", "tell -> plain handler", 1_000, _of_actors(_tell, Plain)),
        Flow("tell-async", "tell -> async handler that does not wait", 500, _of_actors(_tell, Async)),
        Flow("call", "awaited call from a coroutine", 300, _of_actors(_call, Plain)),
        Flow("call-from-handler", "awaited call from a handler", 200, _of_actors(_call_from_handler, *_CALLED)),
        Flow("ring", "hop in a ring of 100", 500, _of_actors(_ring, *[Hop] * RING_SIZE)),
        Flow("timer", "timer set -> fired -> handled", 200, _of_actors(_timer, Ticker)),
        Flow("start-supervised", "start under a supervisor", 60, _of_actors(_start_supervised, Plain)),
        Flow("start", "start without a supervisor", 100, _of_actors(_start_bare, Plain)),
        Flow("restart", "crash -> restarted -> answer", 60, _of_actors(_restart, Plain)),
        Flow("restart-known", "raise -> the supervisor knows of the restart", 60, _of_actors(_restart_known, Plain)),
        Flow(
            "restart-watched",
            "restart with log sink and metrics, the log's level off",
            60,
            _of_actors(_restart, Plain, watched=True),
        ),
        Flow("start-stop", "a child of a branch started, and stopped in order", 100, _of_actors(_start_and_stop)),
        Flow(
            "restart-group",
            f"restart of one of {GROUP} for whose crash all are restarted",
            20 * GROUP,
            _of_actors(_restart_group),
            GROUP,
        ),
        Flow("assign", "assign -> member -> result", 60, _of_team(_assign, _two)),
        Flow("handoff", f"handoff, {CHAIN} in a row", 100, _of_team(_handoff, _chain), CHAIN),
        Flow("pipeline", f"item of a pipeline with {STAGES} stages", 40, _of_team(_pipeline, _stages)),
        Flow("event", f"event of a topic, per receiver of {LISTENERS}", 500, _of_team(_event, _ears), LISTENERS),
        Flow("broadcast", f"broadcast, per receiver of {LISTENERS}", 500, _of_team(_broadcast, _ears), LISTENERS),
        Flow("play", "play of two trivial steps", 20, _of_team(_play, _two)),
        Flow("durable", f"step of a run of {DURABLE} in an engine, in memory", 1_000, _engine_up, DURABLE),
    )
}
