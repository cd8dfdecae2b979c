"""autogen-core: agents on one asyncio loop. Telling is publishing to a topic whose source is the agent."""

# A peer without types is Any to mypy, whether or not it is installed.
# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TopicId,
    TypeSubscription,
    message_handler,
)

from benchmarks import _measure
from benchmarks._works import AUDIENCE, CHAIN, RING_SIZE, SENDERS, Figures, Measure


@dataclass
class Tell:
    """Counted."""

    number: int


@dataclass
class Ask:
    """Answered with its number."""

    number: int


@dataclass
class Token:
    """Passed on until it is spent."""

    at: int
    left: int


@dataclass
class Send:
    """An order to publish so many."""

    times: int


class Worker(RoutedAgent):
    """Does what the type of the message says; the handlers' argument must have that name here."""

    def __init__(self) -> None:
        super().__init__("worker")
        self.count = 0

    @message_handler
    async def on_tell(self, message: Tell, ctx: MessageContext) -> None:
        """Count."""
        self.count += 1

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> int:
        """Answer; a negative number asks for the count."""
        return self.count if message.number < 0 else message.number

    @message_handler
    async def on_token(self, message: Token, ctx: MessageContext) -> None:
        """Pass it on."""
        if message.left:
            following = (message.at + 1) % RING_SIZE
            await self.publish_message(Token(following, message.left - 1), TopicId("work", f"hop{following}"))

    @message_handler
    async def on_send(self, message: Send, ctx: MessageContext) -> None:
        """Publish to the sink."""
        for number in range(message.times):
            await self.publish_message(Tell(number), TopicId("work", "sink"))


class Hearer(RoutedAgent):
    """Counts what is published on its topic, for all of its kind together."""

    def __init__(self, heard: list[int]) -> None:
        super().__init__("hearer")
        self.heard = heard

    @message_handler
    async def on_tell(self, message: Tell, ctx: MessageContext) -> None:
        """Count."""
        self.heard[0] += 1


def _blocking(
    work: Callable[[int, SingleThreadedAgentRuntime], Coroutine[object, object, Figures]],
) -> Measure:
    def measure(size: int) -> Figures:
        async def run() -> Figures:
            runtime = SingleThreadedAgentRuntime()
            await Worker.register(runtime, "worker", Worker)
            await runtime.add_subscription(TypeSubscription("work", "worker"))
            runtime.start()
            figures = await work(size, runtime)
            await runtime.close()
            return figures

        return asyncio.run(run())

    return measure


async def _handled(runtime: SingleThreadedAgentRuntime, expected: int, started: float) -> Figures:
    """Wait until the sink has handled `expected`; there is no other barrier than an idle runtime."""
    await runtime.stop_when_idle()
    figures = _measure.rate(expected, started)
    runtime.start()
    if await runtime.send_message(Ask(-1), AgentId("worker", "sink")) != expected:
        raise AssertionError("messages were lost")
    return figures


async def _tell(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    started = time.perf_counter()
    for number in range(size):
        await runtime.publish_message(Tell(number), TopicId("work", "sink"))
    return await _handled(runtime, size, started)


async def _call(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    started = time.perf_counter()
    for number in range(size):
        await runtime.send_message(Ask(number), AgentId("worker", "sink"))
    return _measure.rate(size, started)


async def _ring(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    for number in range(RING_SIZE):
        await runtime.send_message(Ask(number), AgentId("worker", f"hop{number}"))
    started = time.perf_counter()
    await runtime.publish_message(Token(0, size), TopicId("work", "hop0"))
    await runtime.stop_when_idle()
    figures = _measure.rate(size, started)
    runtime.start()
    return figures


async def _fan_in(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    each = size // SENDERS
    started = time.perf_counter()
    for number in range(SENDERS):
        await runtime.publish_message(Send(each), TopicId("work", f"sender{number}"))
    return await _handled(runtime, each * SENDERS, started)


async def _spawn(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    memory = _measure.growth()
    started = time.perf_counter()
    for number in range(size):
        await runtime.send_message(Ask(number), AgentId("worker", f"k{number}"))
    return _measure.spawned(size, started, memory)


async def _handoffs(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    """A handoff is a publication to the topic of the next agent; the idle runtime says that the last has it."""
    for number in range(CHAIN + 1):
        await runtime.send_message(Ask(number), AgentId("worker", f"hop{number}"))
    started = time.perf_counter()
    for _ in range(size):
        await runtime.publish_message(Token(0, CHAIN), TopicId("work", "hop0"))
        await runtime.stop_when_idle()
        runtime.start()
    return _measure.rate(size * CHAIN, started)


async def _broadcasts(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    ears = [AgentId("worker", f"ear{number}") for number in range(AUDIENCE)]
    for ear in ears:
        await runtime.send_message(Ask(0), ear)
    started = time.perf_counter()
    for number in range(size):
        await asyncio.gather(*(runtime.send_message(Ask(number), ear) for ear in ears))
    return _measure.rate(size * AUDIENCE, started)


async def _fanout(size: int, runtime: SingleThreadedAgentRuntime) -> Figures:
    heard = [0]
    for number in range(AUDIENCE):
        await Hearer.register(runtime, f"hearer{number}", lambda: Hearer(heard))
        await runtime.add_subscription(TypeSubscription("news", f"hearer{number}"))
    await runtime.publish_message(Tell(0), TopicId("news", "default"))  # agents are made by their first message
    await runtime.stop_when_idle()
    runtime.start()
    heard[0] = 0
    started = time.perf_counter()
    for number in range(size):
        await runtime.publish_message(Tell(number), TopicId("news", "default"))
    await runtime.stop_when_idle()
    figures = _measure.rate(size * AUDIENCE, started)
    runtime.start()
    if heard[0] != size * AUDIENCE:
        raise AssertionError("events were lost")
    return figures


WORKS: Mapping[str, Measure] = {
    "tell": _blocking(_tell),
    "call": _blocking(_call),
    "ring": _blocking(_ring),
    "fan-in": _blocking(_fan_in),
    "spawn": _blocking(_spawn),
    "team-handoff": _blocking(_handoffs),
    "team-broadcast": _blocking(_broadcasts),
    "team-fanout": _blocking(_fanout),
}
