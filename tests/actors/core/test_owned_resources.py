"""Contexts and callbacks belong to an incarnation: they end with it, whatever ends it (N4)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    Abandoned,
    Actor,
    CleanupTimeout,
    HookFailed,
    IncarnationEnded,
    ManualClock,
    Runtime,
    StartError,
)
from actors.testing import simulation
from supervisors import child, supervisor
from tests.actors.cast import PATIENCE, AsyncPlayer, Host, Player, Starter, crash, events_of, forever, script, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]
Kind = Literal["context", "async context", "callback", "async callback"]
KINDS: list[Kind] = ["context", "async context", "callback", "async callback"]
ENDS: dict[str, Callable[[Any], object]] = {
    "stop": lambda ref: ref.stop(block=False),
    "crash": lambda ref: ref.tell(crash(OSError("disk"))),
    "kill": lambda ref: ref.kill(),
}


class Noting:
    """A context manager of both kinds that notes what happens to it."""

    def __init__(self, log: list[Any], name: object, fails: BaseException | None = None) -> None:
        self.log, self.name, self.fails = log, name, fails

    def __enter__(self) -> object:
        self.log.append(("in", self.name))
        return self.name

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.log.append((self.name, error))
        if self.fails is not None:
            raise self.fails

    async def __aenter__(self) -> object:
        await asyncio.sleep(0)
        return self.__enter__()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        await asyncio.sleep(0)
        self.__exit__(kind, error, trace)


async def take(actor: Any, kind: Kind, log: list[Any], name: object) -> None:
    """The actor takes a resource of this kind."""

    async def later() -> None:
        await asyncio.sleep(0)
        log.append((name, None))

    match kind:
        case "context":
            assert actor.enter_context(Noting(log, name)) == name
        case "async context":
            assert await actor.enter_async_context(Noting(log, name)) == name
        case "callback":
            actor.callback(log.append, (name, None))
        case "async callback":
            actor.push_async_callback(later)


def left(log: list[Any]) -> list[object]:
    """The names of what was left, in order."""
    return [name for name, _ in log if name != "in"]


@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=6),
    how=st.sampled_from([*ENDS, "start"]),
    host=st.sampled_from(HOSTS),
)
def test_every_resource_is_left_once_and_the_last_one_first(kinds: list[Kind], how: str, host: Host) -> None:
    """After a stop, a crash, a kill and a failed start, on every host, in each incarnation."""
    log: list[Any] = []

    class Owner(Actor):
        async def on_start(self) -> None:  # type: ignore[override]
            for number, kind in enumerate(kinds):
                await take(self, kind, log, number)
            if how == "start" and self.incarnation == 1:
                raise OSError("no connection")

        def on_receive(self, message: Any) -> Any:
            return message(self)

        def on_stop(self) -> None:
            log.append(("on_stop", None))

    with simulation() as sim:
        tree = supervisor("root", child("a", Owner, host=host, backoff=None, retry_start=True))
        root = sim.start(tree)
        ref = root.child("a")
        if how != "start":
            assert left(log) == []
            ENDS[how](ref)
        sim.settle()
        down = list(range(len(kinds)))[::-1]
        assert left(log) == (["on_stop", *down] if how == "stop" else down)
        assert ref.incarnation == 2
        assert not [event for event in sim.runtime.lifecycle if isinstance(event, HookFailed | Abandoned)]
        log.clear()
    assert left(log) == ["on_stop", *down]


@pytest.mark.parametrize("kind", ["context", "async context"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_context_is_told_why_it_is_left(host: Host, kind: Kind) -> None:
    """With the exception of a crash, a cancellation after a kill, nothing after a stop: so a transaction knows."""
    told: dict[str, BaseException | None] = {}
    for how, end in ENDS.items():
        log: list[Any] = []

        async def begin(actor: Any, log: list[Any] = log) -> None:
            await take(actor, kind, log, "connection")

        with simulation() as sim:
            ref = sim.spawn(AsyncPlayer, host=host)
            ref.ask(begin)
            end(ref)
            sim.settle()
        ((_, told[how]),) = [each for each in log if each[0] != "in"]
    assert told["stop"] is None
    assert str(told["crash"]) == "disk"
    assert isinstance(told["kill"], asyncio.CancelledError)


@in_loop
async def test_a_generator_as_context_is_left_as_a_with_block_leaves_it() -> None:
    """What it lets out again is not a failure of its own."""
    log: list[str] = []

    @contextlib.contextmanager
    def transaction() -> Iterator[str]:
        try:
            yield "transaction"
        except BaseException:
            log.append("rolled back")
            raise
        else:
            log.append("committed")

    @contextlib.asynccontextmanager
    async def connection() -> AsyncIterator[str]:
        try:
            yield "connection"
        finally:
            log.append("closed")

    async def begin(actor: Any) -> str:
        return f"{await actor.enter_async_context(connection())} {actor.enter_context(transaction())}"

    for end in ENDS.values():
        async with stage() as w:
            ref = await w.runtime.spawn(AsyncPlayer)
            assert await ref.call(begin) == "connection transaction"
            end(ref)
            await ref.ended()
            assert w.seen(HookFailed) == []
    assert log == ["committed", "closed", "rolled back", "closed", "rolled back", "closed"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ENDS)
def test_the_failure_of_one_resource_is_an_event_and_no_end_of_others(how: str, kind: Kind) -> None:
    """The exit keeps its reason."""
    log: list[Any] = []

    def raises() -> None:
        raise LookupError("while closing")

    async def raises_later() -> None:
        raises()

    async def begin(actor: Any) -> None:
        actor.callback(log.append, ("first", None))
        failing = Noting(log, "failing", LookupError("while closing"))
        match kind:
            case "context":
                actor.enter_context(failing)
            case "async context":
                await actor.enter_async_context(failing)
            case "callback":
                actor.callback(raises)
            case "async callback":
                actor.push_async_callback(raises_later)

    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer)
        ref.ask(begin)
        reason = ref.ended()
        ENDS[how](ref)
        sim.settle()
        assert left(log)[-1] == "first"
        (event,) = [event for event in sim.runtime.lifecycle if isinstance(event, HookFailed)]
        assert event.hook.startswith("the end of ")
        assert str(event.error) == "while closing"
        assert str(reason.get()).startswith({"stop": "shutdown", "crash": "crashed", "kill": "killed"}[how])


@pytest.mark.parametrize("how", ["crash", "kill"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_resource_that_does_not_end_is_cancelled_and_the_next_follows(host: Host, how: str) -> None:
    """After the grace of a kill; the event says which."""
    log: list[Any] = []

    async def begin(actor: Any) -> None:
        actor.callback(log.append, ("first", None))
        actor.push_async_callback(forever)

    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, host=host)
        ref.ask(begin)
        sim.settle()
        ENDS[how](ref)
        grace = sim.runtime.kill_grace
        sim.advance(0.9 * grace)
        assert left(log) == []
        sim.advance(0.2 * grace)
        assert left(log) == ["first"]
        assert not ref.is_alive()
        (event,) = [event for event in sim.runtime.lifecycle if isinstance(event, HookFailed)]
        assert isinstance(event.error, CleanupTimeout)
        assert "forever (push_async_callback) did not end within 1 s and was cancelled" in str(event.error)


@pytest.mark.parametrize("host", HOSTS)
def test_after_a_stop_a_resource_has_the_time_to_stop_of_the_actor(host: Host) -> None:
    """It is cancelled when that has passed, with the actor that is killed then."""
    log: list[Any] = []

    async def slow() -> None:
        await asyncio.sleep(4)
        log.append(("slow", None))

    async def begin(actor: Any) -> None:
        actor.push_async_callback(forever)
        actor.push_async_callback(slow)

    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, host=host, shutdown=5)
        ref.ask(begin)
        sim.settle()
        ref.stop(block=False)
        sim.advance(4.5)
        assert left(log) == ["slow"]
        assert ref.is_alive()
        sim.advance(1)
        assert not ref.is_alive()


@pytest.mark.parametrize("how", ["crash", "kill"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_resource_that_ignores_its_cancellation_is_left_behind(host: Host, how: str) -> None:
    """After the grace of a kill for its end and again for its cancellation; the next one follows."""
    log: list[Any] = []
    release: list[bool] = []

    async def refuses() -> None:
        while not release:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def begin(actor: Any) -> None:
        actor.callback(log.append, ("first", None))
        actor.push_async_callback(refuses)

    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, host=host)
        ref.ask(begin)
        sim.settle()
        ENDS[how](ref)
        sim.advance(2.5 * sim.runtime.kill_grace)
        assert left(log) == ["first"]
        assert not ref.is_alive()
        assert [event.what[:4] for event in sim.runtime.lifecycle if isinstance(event, Abandoned)] == ["task"]
        release.append(True)
        sim.advance(3)


def test_a_callback_that_blocks_a_thread_is_left_behind_for_the_next() -> None:
    """Another thread runs what is left, plain and async, in the order in which it would have come."""
    log: list[Any] = []

    async def later() -> None:
        await asyncio.sleep(0)
        log.append(("first", None))

    async def begin(actor: Any) -> None:
        actor.push_async_callback(later)
        actor.callback(log.append, ("second", None))
        actor.callback(threading.Event().wait, 1000)

    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, host="thread")
        ref.ask(begin)
        sim.settle()
        ref.kill()
        sim.advance(2 * sim.runtime.kill_grace)
        assert left(log) == ["second", "first"]
        assert not ref.is_alive()
        assert [event.what for event in sim.runtime.lifecycle if isinstance(event, Abandoned)] == ["thread"]
        sim.advance(2000)
        assert left(log) == ["second", "first"]


def test_a_thread_that_is_stuck_in_its_handler_does_not_keep_its_resources() -> None:
    """A kill leaves the thread behind; its resources end in a thread of their own."""
    gate, entered, closed = threading.Event(), threading.Event(), threading.Event()

    async def begin(actor: Any) -> None:
        actor.push_async_callback(asyncio.sleep, 0)
        actor.callback(closed.set)

    def blocks(_: Any) -> None:
        entered.set()
        gate.wait(PATIENCE)

    clock = ManualClock()
    with script(clock=lambda _: clock, kill_grace=10) as runtime:
        events = events_of(runtime)
        ref = runtime.spawn(AsyncPlayer, host="thread").get(timeout=PATIENCE)
        ref.ask(begin, timeout=PATIENCE)
        ref.tell(blocks)
        assert entered.wait(PATIENCE)
        ref.kill()
        runtime.control_call(clock.advance, 10)  # the time of the thread, and not that of its resources
        assert ref.wait(timeout=PATIENCE) is not None
        assert closed.is_set()
        assert [event.what for event in events if isinstance(event, Abandoned)] == ["thread"]
        gate.set()


def test_plain_resources_of_a_thread_run_where_they_may_block() -> None:
    """No event loop runs around them, after a stop and after a kill."""
    seen: list[str] = []

    def asks(other: Any) -> None:
        seen.append(other.ask("which", timeout=PATIENCE))

    with script() as runtime:
        other = runtime.spawn(Player).get(timeout=PATIENCE)
        for end in ("stop", "kill"):
            ref = runtime.spawn(Player, host="thread").get(timeout=PATIENCE)
            ref.ask(lambda actor: actor.callback(asks, other), timeout=PATIENCE)
            getattr(ref, end)()
            assert ref.wait(timeout=PATIENCE) is not None
    assert seen == ["which", "which"]


def test_a_kill_of_an_actor_ends_its_subprocess() -> None:
    """A real one: its pipe closes, and its exit status says that it was killed."""

    class Shell(Actor):
        async def on_start(self) -> None:  # type: ignore[override]
            code = "import time; print('up', flush=True); time.sleep(600)"
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
            )
            self.push_async_callback(self.process.wait)
            self.callback(self.process.kill)
            assert self.process.stdout is not None
            assert await self.process.stdout.readline() == b"up\n"

        def on_receive(self, message: Any) -> Any:
            return self.process

    for end in ("stop", "kill"):
        with script() as runtime:
            ref = runtime.spawn(Shell).get(timeout=PATIENCE)
            process = ref.ask("process", timeout=PATIENCE)
            assert process.returncode is None
            getattr(ref, end)()
            assert ref.wait(timeout=PATIENCE) is not None
            assert process.returncode == -9


@in_loop
async def test_a_resource_ends_after_the_actors_below() -> None:
    """They may use it until they have ended."""
    log: list[str] = []

    class Below(Actor):
        def on_stop(self) -> None:
            log.append("child")

    class Above(Actor):
        async def on_start(self) -> None:  # type: ignore[override]
            self.callback(log.append, "resource")
            await self.spawn(Below)

    async with stage() as w:
        ref = await w.runtime.spawn(Above)
        ref.stop(block=False)
        await ref.ended()
    assert log == ["child", "resource"]


@pytest.mark.parametrize("method", ["enter_context", "enter_async_context", "callback", "push_async_callback"])
@in_loop
async def test_what_cannot_be_entered_is_refused_with_what_to_use(method: str) -> None:
    """At once, and nothing is kept."""
    hints = {
        "enter_context": (contextlib.AsyncExitStack(), "Use `await self.enter_async_context"),
        "enter_async_context": (contextlib.ExitStack(), "Use `self.enter_context"),
        "callback": (contextlib.ExitStack(), "Use `self.enter_context"),
        "push_async_callback": (7, "takes a function, got 7"),
    }
    thing, hint = hints[method]

    async def begin(actor: Any) -> None:
        made = getattr(actor, method)(thing)
        if made is not None:
            await made

    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer)
        with pytest.raises(TypeError, match=r".*") as caught:
            await ref.call(begin)
        assert hint in str(caught.value)


@in_loop
async def test_what_is_entered_too_late_is_left_at_once() -> None:
    """Code of an incarnation that has ended gets an error, and its context is left again."""
    log: list[Any] = []
    caught: list[str] = []
    release = asyncio.Event()

    class Slow(Noting):
        async def __aenter__(self) -> object:
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await release.wait()
            return self.__enter__()

    async def enters(actor: Any) -> None:
        for manager in (Slow(log, "slow"), Noting(log, "late")):
            try:
                await actor.enter_async_context(manager)
            except IncarnationEnded as error:
                caught.append(str(error))
        with pytest.raises(IncarnationEnded):
            actor.callback(log.append, ("never", None))
        with pytest.raises(IncarnationEnded):
            actor.enter_context(Noting(log, "never"))

    async with stage(kill_grace=1) as w:
        ref = await w.runtime.spawn(AsyncPlayer)
        ref.tell(enters)
        await w.settle()
        ref.kill()
        await w.advance(1)
        assert not ref.is_alive()
        release.set()
        await w.settle()
    assert log == [("in", "slow"), ("slow", None)]
    assert len(caught) == 2


@in_loop
async def test_a_start_that_fails_leaves_what_it_took() -> None:
    """In the constructor already."""
    log: list[Any] = []

    class Opens(Actor):
        def __init__(self) -> None:
            self.enter_context(Noting(log, "file"))
            raise OSError("no")

    async with stage() as w:
        with pytest.raises(StartError):
            await w.runtime.spawn(Opens)
    assert left(log) == ["file"]


def test_a_runtime_that_is_lost_leaves_the_plain_resources() -> None:
    """No coroutine can be awaited then: that one is an event."""
    log: list[Any] = []

    async def main() -> Runtime:
        runtime = Runtime(watchdog=None, log=False)
        await runtime.__aenter__()
        runtime.events.subscribe(log.append, HookFailed)
        ref = await runtime.spawn(Starter, args=(lambda actor: actor.callback(log.append, "left"),))
        await ref.call(lambda actor: actor.push_async_callback(forever))
        runtime.lose("it was lost in a test", None)
        return runtime

    asyncio.run(main())
    event, text = log
    assert isinstance(event, HookFailed)
    assert text == "left"
