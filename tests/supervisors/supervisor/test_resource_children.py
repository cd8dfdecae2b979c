"""An asynchronous context manager is a child: it is open as long as its incarnation lives."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any, Literal, Self

import pytest

from actors import Crashed, Killed, NoMailbox, StartTimeout
from actors.testing import simulation
from supervisors import ChildStartError, ResourceEnded, check, child, parse_tree, start, supervisor
from tests.supervisors.cast import PATIENCE

Host = Literal["loop", "thread"]
HOSTS: list[Host] = ["loop", "thread"]
log: list[Any] = []


@pytest.fixture(autouse=True)
def _empty() -> None:
    log.clear()


@contextlib.asynccontextmanager
async def pool(size: int = 1) -> AsyncIterator[dict[str, int]]:
    """Without try and finally, as most are written: what follows the yield runs at an orderly end only."""
    log.append("open")
    yield {"size": size}
    await asyncio.sleep(0)
    log.append("close")


class Connection:
    """A class of context managers."""

    def __init__(self, address: str = "here") -> None:
        self.address = address

    async def __aenter__(self) -> Self:
        self.task = asyncio.current_task()
        log.append("open")
        return self

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        assert asyncio.current_task() is self.task
        log.append(kind)


@pytest.mark.parametrize("host", HOSTS)
def test_a_context_manager_is_open_as_long_as_its_incarnation_lives(host: Host) -> None:
    """Its value is the view of the ref; every incarnation enters a new one; an orderly end leaves it orderly."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("pool", pool, args={"size": 3}, host=host, backoff=None)))
        ref = root.child("pool")
        first: Any = ref.view()
        assert first == {"size": 3}
        ref.stop(block=False)
        sim.settle()
        assert log == ["open", "close", "open"]
        assert ref.view() == {"size": 3}
        assert ref.view() is not first
        root.terminate_child("pool").get()
        assert log == ["open", "close", "open", "close"]
        assert ref.view() is None


@pytest.mark.parametrize("host", HOSTS)
def test_one_task_enters_and_leaves_it_and_a_kill_cancels_that(host: Host) -> None:
    """As the cancel scopes of anyio demand."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("c", Connection, args=["there"], host=host, backoff=None)))
        connection: Any = root.child("c").view()
        assert connection.address == "there"
        root.child("c").kill()
        sim.settle()
        assert log == ["open", asyncio.CancelledError, "open"]
        root.terminate_child("c").get()
        assert log == ["open", asyncio.CancelledError, "open", None]


def test_a_partial_of_a_class_and_a_string_are_factories() -> None:
    """With what is given in the spec."""
    made = ModuleType("users_resources")
    made.__dict__.update(Connection=Connection, pool=pool)
    sys.modules["users_resources"] = made
    try:
        tree = parse_tree({"id": "root", "children": [{"id": "pool", "start": "users_resources:pool", "args": [7]}]})
        assert check(tree).errors == ()
        with simulation() as sim:
            assert sim.start(tree).child("pool").view() == {"size": 7}
    finally:
        del sys.modules["users_resources"]
    with simulation() as sim:
        root = sim.start(supervisor("root", child("c", functools.partial(Connection, address="far"))))
        view: Any = root.child("c").view()
        assert view.address == "far"


@pytest.mark.parametrize("host", HOSTS)
def test_entering_is_the_start_and_its_failure_that_of_the_start(host: Host) -> None:
    """The starter waits for it; the next child starts afterwards."""

    @contextlib.asynccontextmanager
    async def slow() -> AsyncIterator[str]:
        await asyncio.sleep(5)
        yield "slow"

    @contextlib.asynccontextmanager
    async def refused() -> AsyncIterator[None]:
        await asyncio.sleep(1)
        raise OSError("refused")
        yield

    with simulation() as sim:
        root = sim.start(supervisor("root", child("slow", slow, host=host), child("pool", pool)))
        assert sim.now == 5
        assert root.child("slow").view() == "slow"
    with simulation() as sim, pytest.raises(ChildStartError, match="refused"):
        sim.start(supervisor("root", child("r", refused, host=host)))
    with simulation() as sim, pytest.raises(ChildStartError) as caught:
        sim.start(supervisor("root", child("slow", slow, host=host, start_timeout=2)))
    assert isinstance(caught.value.reason, Crashed)
    assert isinstance(caught.value.reason.exception, StartTimeout)


def test_a_factory_that_raises_or_takes_other_arguments_fails_the_start() -> None:
    """Before anything is entered."""

    def broken(_: int) -> Any:
        raise OSError("no such host")

    class Broken(Connection):
        def __init__(self) -> None:
            broken(1)

    with simulation() as sim, pytest.raises(ChildStartError, match="no such host"):
        sim.start(supervisor("root", child("c", Broken)))
    with simulation() as sim, pytest.raises(ChildStartError, match="too many positional"):
        sim.start(supervisor("root", child("c", Connection, args=[1, 2])))


@pytest.mark.parametrize("host", HOSTS)
def test_a_task_group_that_fails_inside_is_a_crash(host: Host) -> None:
    """The group cancels the task that holds the context; its exception is the reason."""

    @contextlib.asynccontextmanager
    async def group() -> AsyncIterator[str]:
        async def reads() -> None:
            await asyncio.sleep(1)
            raise OSError("connection reset")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reads())
            yield "group"

    with simulation() as sim:
        root = sim.start(supervisor("root", child("g", group, host=host, backoff=None)))
        down = root.child("g").monitor()
        sim.advance(1.5)
        reason = down.get().reason
        assert isinstance(reason, Crashed)
        assert isinstance(reason.exception, ExceptionGroup)
        assert "connection reset" in repr(reason.exception)
        assert root.child("g").incarnation == 2
        assert root.child("g").view() == "group"


def test_a_context_that_ends_by_itself_is_a_crash() -> None:
    """A time limit around its body leaves it without an exception: the child holds nothing any more."""

    @contextlib.asynccontextmanager
    async def limited() -> AsyncIterator[None]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                yield

    with simulation() as sim:
        root = sim.start(supervisor("root", child("x", limited, backoff=None)))
        down = root.child("x").monitor()
        sim.advance(1.5)
        reason = down.get().reason
        assert isinstance(reason, Crashed)
        assert isinstance(reason.exception, ResourceEnded)
        assert "left before it was told to stop" in str(reason.exception)


def test_the_cancel_scopes_of_anyio_work_on_a_real_loop() -> None:
    """A task group of anyio as a resource: it is entered, fails, crashes the child, and is entered again."""
    anyio: Any = pytest.importorskip("anyio")

    @contextlib.asynccontextmanager
    async def group() -> AsyncIterator[Any]:
        fails = anyio.Event()

        async def reads() -> None:
            await fails.wait()
            raise OSError("connection reset")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reads)
            yield fails
            tasks.cancel_scope.cancel()

    async def main() -> None:
        async with start(supervisor("root", child("g", group, backoff=None)), log=False) as root:
            ref = root.child("g")
            fails: Any = ref.view()
            down = ref.monitor()
            fails.set()
            reason = (await down).reason
            assert isinstance(reason, Crashed)
            assert isinstance(reason.exception, ExceptionGroup)
            await root.which_children()

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await main()

    asyncio.run(bounded())


def test_an_exception_of_leaving_is_the_reason_of_the_exit() -> None:
    """As one of `on_stop`."""

    class Fails(Connection):
        async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
            raise OSError("not flushed")

    with simulation() as sim:
        root = sim.start(supervisor("root", child("c", Fails)))
        down = root.child("c").monitor()
        root.terminate_child("c").get()
        reason = down.get().reason
        assert isinstance(reason, Crashed)
        assert str(reason.exception) == "not flushed"


def test_a_context_that_hangs_at_its_end_is_killed_after_the_shutdown() -> None:
    """Its task is cancelled; the child ends."""

    class Hangs(Connection):
        async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
            await asyncio.Event().wait()

    with simulation() as sim:
        root = sim.start(supervisor("root", child("c", Hangs, shutdown=2)))
        down = root.child("c").monitor()
        root.terminate_child("c").get()
        assert sim.now == 2
        assert isinstance(down.get().reason, Killed)


def test_messages_to_a_context_manager_are_refused_at_once() -> None:
    """It takes none."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("pool", pool)))
        with pytest.raises(NoMailbox):
            root.child("pool").ask("x")
