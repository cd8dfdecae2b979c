"""otpylib: gen_servers and supervisors on asyncio. The nearest rival: it has real supervisors."""

# A peer without types is Any to mypy, whether or not it is installed.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping

from otpylib import gen_server, process, supervisor
from otpylib.gen_server import NoReply, Reply
from otpylib.module import GEN_SERVER, SUPERVISOR, OTPModule
from otpylib.runtime import set_runtime
from otpylib.runtime.backends.asyncio_backend.backend import AsyncIOBackend
from otpylib.supervisor import ONE_FOR_ALL, ONE_FOR_ONE, PERMANENT, child_spec, options

from benchmarks import _measure
from benchmarks._works import GROUP_SIZE, RING_SIZE, SENDERS, SIBLINGS, Figures, Measure

_MANY = 1_000_000


class Board:
    """What servers tell the measuring process, past the messages, which are what is measured."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.left = 0
        self.raised = 0.0
        self.decided = 0.0

    def count_down(self) -> None:
        """One of `left` has come."""
        self.left -= 1
        if not self.left:
            self.done.set()

    async def wait(self) -> None:
        """Until `done`, which is then cleared."""
        await self.done.wait()
        self.done.clear()


class Server(metaclass=OTPModule, behavior=GEN_SERVER, version="1.0.0"):  # type: ignore[call-arg]
    """Answers calls; casts are orders by their type. Started with its board."""

    async def init(self, board: Board) -> Board:
        """Each incarnation reports."""
        board.count_down()
        return board

    async def handle_call(self, message: object, caller: object, board: Board) -> tuple[object, Board]:
        """Give it back."""
        return Reply(message), board

    async def handle_cast(self, message: object, board: Board) -> tuple[object, Board]:
        """A number counts, a pair is a token on its way, a triple an order to send, the rest a crash."""
        match message:
            case int():
                board.count_down()
            case (int(at), int(left)):
                if left:
                    following = (at + 1) % RING_SIZE
                    await gen_server.cast(f"hop{following}", (following, left - 1))
                else:
                    board.done.set()
            case ("send", str(target), int(times)):
                for number in range(times):
                    await gen_server.cast(target, number)
            case _:
                board.raised = time.perf_counter()
                raise ValueError(message)
        return NoReply(), board

    async def handle_info(self, message: object, board: Board) -> tuple[object, Board]:
        """Required by the behaviour."""
        return NoReply(), board

    async def terminate(self, reason: object, board: Board) -> None:
        """Required by the behaviour."""


_start_link: Callable[..., Awaitable[object]] = Server.start_link


class Noted:
    """A child's module as its supervisor sees it. Notes when it is started: by then it is decided."""

    @staticmethod
    async def start_link(init_arg: Board, name: str) -> object:
        """Called in the supervisor's own turn."""
        init_arg.decided = time.perf_counter()
        return await _start_link(init_arg=init_arg, name=name)


class Tree(metaclass=OTPModule, behavior=SUPERVISOR, version="1.0.0"):  # type: ignore[call-arg]
    """A supervisor of as many servers as asked."""

    async def init(self, plan: tuple[Board, int, object]) -> tuple[list[object], object]:
        """`plan` is the board, the number of children and the strategy."""
        board, count, strategy = plan
        specs = [
            child_spec(id=f"w{number}", module=Noted, args=board, restart=PERMANENT, name=f"w{number}")
            for number in range(count)
        ]
        return specs, options(max_restarts=_MANY, max_seconds=1, strategy=strategy)

    async def terminate(self, reason: object, state: object) -> None:
        """Required by the behaviour."""


def _in_process(work: Callable[[int, Board], Coroutine[object, object, Figures]]) -> Measure:
    """Run `work` in a process of this runtime, which swallows exceptions: they come out through a future."""

    def measure(size: int) -> Figures:
        async def run() -> Figures:
            backend = AsyncIOBackend()
            await backend.initialize()
            set_runtime(backend)
            process.use_runtime(backend)
            found: asyncio.Future[Figures] = asyncio.get_running_loop().create_future()

            async def root() -> None:
                try:
                    found.set_result(await work(size, Board()))
                except Exception as error:  # noqa: BLE001 - it is raised again outside
                    found.set_exception(error)

            await process.spawn(root, mailbox=True)
            return await found

        return asyncio.run(run())

    return measure


async def _tell(size: int, board: Board) -> Figures:
    await gen_server.start(Server, board, name="w")
    board.left = size
    started = time.perf_counter()
    for number in range(size):
        await gen_server.cast("w", number)
    await board.wait()
    return _measure.rate(size, started)


async def _call(size: int, board: Board) -> Figures:
    await gen_server.start(Server, board, name="w")
    started = time.perf_counter()
    for number in range(size):
        await gen_server.call("w", number)
    return _measure.rate(size, started)


async def _ring(size: int, board: Board) -> Figures:
    for number in range(RING_SIZE):
        await gen_server.start(Server, board, name=f"hop{number}")
    started = time.perf_counter()
    await gen_server.cast("hop0", (0, size))
    await board.wait()
    return _measure.rate(size, started)


async def _fan_in(size: int, board: Board) -> Figures:
    each = size // SENDERS
    await gen_server.start(Server, board, name="sink")
    for number in range(SENDERS):
        await gen_server.start(Server, board, name=f"sender{number}")
    board.left = each * SENDERS
    started = time.perf_counter()
    for number in range(SENDERS):
        await gen_server.cast(f"sender{number}", ("send", "sink", each))
    await board.wait()
    return _measure.rate(each * SENDERS, started)


async def _spawn(size: int, board: Board) -> Figures:
    memory = _measure.growth()
    started = time.perf_counter()
    for number in range(size):
        await gen_server.start(Server, board, name=f"w{number}")
    for number in range(size):
        await gen_server.call(f"w{number}", number)
    return _measure.spawned(size, started, memory)


async def _cycles(size: int, board: Board, *, children: int, strategy: object, restarted: int = 1) -> Figures:
    await supervisor.start_link(Tree, (board, children, strategy))
    board.done.clear()
    spans = []
    for _ in range(size):
        board.left = restarted
        started = time.perf_counter()
        await gen_server.cast("w0", "crash")
        await board.wait()
        for number in range(restarted):
            await gen_server.call(f"w{number}", 0)
        spans.append(time.perf_counter() - started)
    return _measure.cycle(spans)


async def _restart(size: int, board: Board) -> Figures:
    return await _cycles(size, board, children=1, strategy=ONE_FOR_ONE)


async def _restart_group(size: int, board: Board) -> Figures:
    return await _cycles(size, board, children=GROUP_SIZE, strategy=ONE_FOR_ALL, restarted=GROUP_SIZE)


async def _restart_crowd(size: int, board: Board) -> Figures:
    return await _cycles(size, board, children=1 + SIBLINGS, strategy=ONE_FOR_ONE)


async def _detection(size: int, board: Board) -> Figures:
    await supervisor.start_link(Tree, (board, 1, ONE_FOR_ONE))
    board.done.clear()
    spans = []
    for _ in range(size):
        board.left = 1
        await gen_server.cast("w0", "crash")
        await board.wait()
        spans.append(board.decided - board.raised)
        await gen_server.call("w0", 0)
    return _measure.detection(spans)


WORKS: Mapping[str, Measure] = {
    "tell": _in_process(_tell),
    "call": _in_process(_call),
    "ring": _in_process(_ring),
    "fan-in": _in_process(_fan_in),
    "spawn": _in_process(_spawn),
    "restart": _in_process(_restart),
    "restart-group": _in_process(_restart_group),
    "restart-crowd": _in_process(_restart_crowd),
    "detection": _in_process(_detection),
}
