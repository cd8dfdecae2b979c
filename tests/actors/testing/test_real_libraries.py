"""Libraries that agents are written with run inside a simulation, in virtual time, and every run repeats."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest
import structlog
import tenacity
from aiohttp.client_proto import ResponseHandler
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

from actors import Actor, Runtime
from actors.testing import Crash, FaultPlan, FenceError, Simulation, Strategy, faults, simulate, simulation
from supervisors import child, constant, supervisor

Body = Callable[[], Awaitable[object]]


class Runs(Actor):
    """Awaits what it is told to, on the loop."""

    async def on_receive(self, message: Body) -> object:
        return await message()


class RunsOnThread(Runs):
    """The same on the loop of a thread of its own."""

    host = "thread"


def now() -> float:
    return time.monotonic()


# anyio


async def anyio_groups() -> object:
    """Task groups, streams, limits and cancel scopes."""
    seen: list[object] = []
    send, receive = anyio.create_memory_object_stream[int](1)
    limiter = anyio.CapacityLimiter(2)

    async def produce() -> None:
        async with send:
            for number in range(3):
                await anyio.sleep(1)
                await send.send(number)

    async def limited(number: int) -> None:
        async with limiter:
            await anyio.sleep(10)
            seen.append(number)

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        for number in (10, 11, 12):
            group.start_soon(limited, number)
        async with receive:
            seen.extend([number async for number in receive])
    with anyio.move_on_after(5) as scope:
        await anyio.sleep_forever()
    try:
        with anyio.fail_after(5):
            await anyio.sleep_forever()
    except TimeoutError:
        seen.append("late")
    return seen, scope.cancelled_caught, now()


async def anyio_threads() -> object:
    """Threads that block, and call back."""

    def work() -> float:
        time.sleep(2)  # noqa: TID251 - virtual
        return anyio.from_thread.run(later)

    async def later() -> float:
        await anyio.sleep(3)
        return now()

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(anyio.to_thread.run_sync, work)
    return await anyio.to_thread.run_sync(work)


# httpx


async def application(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that takes four seconds."""
    await anyio.sleep(4)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-path", scope["path"].encode())]})
    await send({"type": "http.response.body", "body": b"hello"})


async def httpx_asgi() -> object:
    """A client of an application in the same process, and a time limit."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://app") as client:
        answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(3)))
        began = now()
        with anyio.move_on_after(1) as scope:
            await client.get("/slow")
        return [each.headers["x-path"] for each in answers], began, now(), scope.cancelled_caught


# aiohttp


class Memory(asyncio.Transport):
    """A connection in memory: it answers each request after the seconds that its connector says."""

    def __init__(self, protocol: asyncio.Protocol, connector: MemoryConnector) -> None:
        super().__init__()
        self.protocol = protocol
        self.connector = connector
        self.answers: list[asyncio.TimerHandle] = []
        self.closing = False

    def write(self, data: Any) -> None:
        loop = asyncio.get_running_loop()
        body = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        self.answers.append(loop.call_later(self.connector.seconds, self.protocol.data_received, body))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.closing:
            self.closing = True
            for each in self.answers:
                each.cancel()
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class MemoryConnector(aiohttp.BaseConnector):
    """Connects to a `Memory`."""

    seconds = 0.0

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        protocol = ResponseHandler(loop=asyncio.get_running_loop())
        protocol.connection_made(Memory(protocol, self))
        return protocol


async def aiohttp_session() -> object:
    """Aiohttp's own parser and time limits over a connection in memory."""
    connector = MemoryConnector()
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        connector.seconds = 7.0
        async with session.get("http://service/") as response:
            text = await response.text()
        quick = now()
        connector.seconds = 60.0
        try:
            await session.get("http://service/slow")
        except TimeoutError:
            return text, quick, now()
    return "no time limit"


# tenacity


async def tenacity_retry() -> object:
    """Retries with random delays, which the seed says."""
    times: list[float] = []

    @tenacity.retry(wait=tenacity.wait_random_exponential(1, 60), stop=tenacity.stop_after_attempt(5), reraise=True)
    async def flaky() -> str:
        times.append(now())
        raise OSError("no connection")

    try:
        await flaky()
    except OSError:
        return times
    return "no error"


# structlog, sqlite3


async def structlog_lines() -> object:
    """Log lines with the simulation's time in them."""
    lines: list[Any] = []

    def keep(logger: object, method: str, event: Any) -> Any:
        lines.append(dict(event))
        raise structlog.DropEvent

    stamper = structlog.processors.TimeStamper(fmt="iso", utc=True)
    log = structlog.wrap_logger(None, processors=[structlog.contextvars.merge_contextvars, stamper, keep])
    with structlog.contextvars.bound_contextvars(run=1):
        log.info("begun")
        await asyncio.sleep(90)
        await log.ainfo("done")
    return lines


async def sqlite_rows() -> object:
    """A database in memory, used in a thread."""

    def work() -> object:
        with contextlib.closing(sqlite3.connect(":memory:", check_same_thread=False)) as connection:
            connection.execute("create table calls (at real)")
            for _ in range(3):
                time.sleep(1)  # noqa: TID251 - virtual
                connection.execute("insert into calls values (?)", (now(),))
            return connection.execute("select at from calls order by at").fetchall()

    return await asyncio.to_thread(work)


# pydantic-ai


@dataclass
class Shop:
    stock: int = 3


def weather_agent() -> Agent[Shop, str]:
    agent = Agent(TestModel(), deps_type=Shop)

    @agent.tool
    async def order(context: RunContext[Shop], count: int) -> float:
        """Orders, which takes a while."""
        await asyncio.sleep(20)
        context.deps.stock -= 1
        return now()

    @agent.tool_plain
    def look_up(name: str) -> float:
        """Looks something up, and blocks."""
        time.sleep(5)  # noqa: TID251 - virtual
        return now()

    return agent


async def pydantic_ai_tools() -> object:
    """An agent with a tool that awaits and one that blocks."""
    shop = Shop()
    result = await weather_agent().run("order three", deps=shop)
    # The identifiers of the messages hold a counter that the library keeps for the process.
    return result.output, shop.stock, now(), [repr(each.parts) for each in result.all_messages()]


async def pydantic_ai_retries() -> object:
    """A model that is told what was wrong, and calls its tool again."""
    asked: list[int] = []

    def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(asked) < 3:
            return ModelResponse(parts=[ToolCallPart("roll", {})])
        return ModelResponse(parts=[TextPart(f"rolled at {asked}")])

    agent = Agent(FunctionModel(model), retries=3)

    @agent.tool_plain
    async def roll() -> str:
        await asyncio.sleep(1)
        asked.append(int(now()))
        if len(asked) < 3:
            raise ModelRetry("not yet")
        return "six"

    return (await agent.run("roll")).output


BODIES: dict[Body, object] = {
    anyio_groups: ([0, 1, 2, 10, 11, 12, "late"], True, 30.0),
    anyio_threads: 10.0,
    httpx_asgi: (["/0", "/1", "/2"], 4.0, 5.0, True),
    aiohttp_session: ("hello", 7.0, 37.0),
    sqlite_rows: [(1.0,), (2.0,), (3.0,)],
    structlog_lines: [
        {"run": 1, "event": "begun", "timestamp": "2023-11-14T22:13:20Z"},
        {"run": 1, "event": "done", "timestamp": "2023-11-14T22:14:50Z"},
    ],
    pydantic_ai_retries: "rolled at [1, 2, 3]",
}


@pytest.mark.parametrize("actor", [Runs, RunsOnThread])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_a_library_does_inside_what_it_does_outside_in_virtual_time(body: Body, actor: type[Runs]) -> None:
    """On the loop, and on the loop of a thread of the actor's own."""
    with simulation() as sim:
        assert sim.spawn(actor).ask(body, timeout=1000) == BODIES[body]


@pytest.mark.parametrize("body", [*BODIES, tenacity_retry, pydantic_ai_tools], ids=lambda body: body.__name__)
@pytest.mark.parametrize("kind", ["fifo", "random", "pos"])
def test_a_run_with_a_library_repeats_to_the_last_step(body: Body, kind: str) -> None:
    """The values of the run, too: delays, identifiers and moments."""

    def run() -> object:
        with simulation(seed=5, search=Strategy(kind, 5)) as sim:
            first, second = (sim.spawn(Runs).ask(body, timeout=1000, block=False) for _ in range(2))
            answers = [first.get(), second.get()]
        return sim.trace_hash, answers

    assert run() == run()


def test_the_delays_of_a_retry_come_from_the_seed() -> None:
    """Tenacity draws them from the `random` module."""

    def delays(seed: int) -> Any:
        with simulation(seed=seed) as sim:
            return sim.spawn(Runs).ask(tenacity_retry, timeout=1000)

    assert len(delays(1)) == 5
    assert delays(1) == delays(1) != delays(2)


def test_tools_of_an_agent_take_virtual_time() -> None:
    """A tool that blocks runs in a simulated thread; tools of one answer run side by side."""
    with simulation() as sim:
        output, stock, ended, _ = sim.spawn(Runs).ask(pydantic_ai_tools, timeout=1000)
        assert (stock, ended) == (2, 20.0)
        assert output == '{"order":20.0,"look_up":5.0}'


async def httpx_outside() -> object:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get("http://127.0.0.1:1/")).text


async def aiohttp_outside() -> object:
    async with aiohttp.ClientSession() as session, session.get("http://127.0.0.1:1/") as response:
        return await response.text()


async def aiohttp_look_up() -> object:
    async with aiohttp.ClientSession() as session, session.get("http://example.invalid/") as response:
        return await response.text()


async def anyio_outside() -> object:
    return await anyio.connect_tcp("127.0.0.1", 1)


async def anyio_process() -> object:
    return await anyio.run_process(["true"])


def httpx_plain() -> object:
    with httpx.Client(trust_env=False) as client:
        return client.get("http://127.0.0.1:1/").text


async def httpx_in_a_thread() -> object:
    return await asyncio.to_thread(httpx_plain)


OUTSIDE = (
    httpx_outside,
    httpx_in_a_thread,
    aiohttp_outside,
    aiohttp_look_up,
    anyio_outside,
    anyio_process,
)


@pytest.mark.parametrize("body", OUTSIDE, ids=lambda body: body.__name__)
def test_a_library_that_reaches_outside_fails_the_test(body: Body) -> None:
    """Though the code takes every error as one of the network, the supervisor would restart it, and nothing asks."""

    async def swallow() -> object:
        try:
            return await body()
        except BaseException as error:  # noqa: BLE001 - as some do
            return f"no connection: {error}"

    @simulate(examples=1)
    def test(sim: Simulation) -> None:
        root = sim.start(supervisor("root", child("agent", Runs, backoff=constant(1))))
        root.child("agent").tell(swallow)
        sim.run(until=60)

    with pytest.raises(FenceError) as caught:
        test()
    if body is not httpx_in_a_thread:  # a thread begins with the code of the library
        assert "test_real_libraries.py:" in caught.value.place, "the line of the user's, not that of the library"
    assert caught.value.path == "root/agent"


class AgentActor(Actor):
    """An agent that is an actor: each message is a run of it."""

    def __init__(self) -> None:
        self.agent = weather_agent()

    async def on_receive(self, message: str) -> str:
        return (await self.agent.run(message, deps=Shop())).output


# A kill drops the tasks that a library has made and not begun: their coroutines say so when they are freed.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@simulate(plan=faults.plans("root/*", max_faults=2), examples=8, schedules=2)
def test_a_supervised_agent_answers_again_after_its_faults(sim: Simulation, plan: FaultPlan) -> None:
    """Under crashes, kills, lost messages and slow handlers, drawn by Hypothesis."""
    root = sim.start(supervisor("root", child("agent", AgentActor, backoff=constant(1)), max_restarts=100))
    work = sim.workload(lambda number: root.child("agent").call(f"order {number}", timeout=60), n=4, every=30)
    sim.run(until=200)
    sim.heal()
    sim.eventually("every call has ended", lambda: work.done == 4, within=300)
    assert root.child("agent").ask("order", timeout=60).startswith('{"order"')
    gc.collect()  # here, and not in another test


def test_an_agent_that_crashes_in_its_run_is_restarted() -> None:
    """Its caller is told, and the next run is a new one."""
    with simulation(FaultPlan(Crash("root/agent", nth=1))) as sim:
        root = sim.start(supervisor("root", child("agent", AgentActor, backoff=constant(1))))
        agent = root.child("agent")
        with pytest.raises(Exception, match="injected"):
            agent.ask("order")
        sim.require_fired()
        assert agent.ask("order").startswith('{"order"')
        assert agent.incarnation == 2


@pytest.mark.parametrize("actor", [Runs, RunsOnThread])
@pytest.mark.parametrize("body", [anyio_groups], ids=lambda body: body.__name__)
def test_a_cancel_scope_of_anyio_in_a_handler_works_on_a_real_loop(body: Body, actor: type[Runs]) -> None:
    """The carrier of the handler is its host task, inside and outside of a simulation."""

    async def quick() -> object:
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
            group.start_soon(anyio.sleep_forever)
            group.cancel_scope.cancel()
        return scope.cancelled_caught

    with Runtime(log=False, watchdog=None) as runtime:
        assert runtime.spawn(actor).get().ask(quick) is True
    with simulation() as sim:
        assert sim.spawn(actor).ask(quick) is True
