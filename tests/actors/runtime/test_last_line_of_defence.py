"""The last line of defence: whatever ends the loop of a runtime, everything that waits ends, and so does its block."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pykka
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import actors._runtime.runtime
from actors import (
    Abandoned,
    Actor,
    ActorDeadError,
    ActorRef,
    ExitReason,
    Future,
    MailboxSpec,
    RestartLimitExceeded,
    Runtime,
    RuntimeLost,
    RuntimeStopped,
    UncaughtException,
)
from actors._core.cell import Cell
from supervisors import child, start, supervisor
from tests.actors.cast import (
    PATIENCE,
    Host,
    Player,
    blocking,
    crash,
    events_of,
    forever,
    join_threads,
    left_behind,
    script,
)

QUIET: dict[str, Any] = {"log": False, "watchdog": None, "kill_grace": 0.1}


@pytest.fixture(autouse=True, scope="module")
def threads_look_often() -> Iterator[None]:
    """Threads that wait look every 10 ms whether their runtime still runs, instead of every second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actors._runtime.runtime, "LOOK", 0.01)
        yield


class Broken(Exception):
    """What ends the loop in these tests."""


def no_more(*_: object, **__: object) -> Any:
    """Stands for a part of the machinery that fails."""
    raise Broken("no more")


def break_selector(runtime: Runtime, _: pytest.MonkeyPatch) -> None:
    """The loop itself raises, as with a file descriptor that is no more."""
    runtime.loop._selector.select = no_more  # type: ignore[attr-defined]
    runtime.loop.call_soon_threadsafe(lambda: None)


def break_stop(runtime: Runtime, patch: pytest.MonkeyPatch) -> None:
    """The runtime's own task raises."""
    patch.setattr(runtime, "_stop_all", no_more)
    runtime.stop()


def break_turn_and_kill(runtime: Runtime, patch: pytest.MonkeyPatch) -> None:
    """A turn raises, and so does the kill that is to follow."""
    victim = runtime.spawn(Player).get(timeout=PATIENCE)
    patch.setattr(Cell, "kill", no_more)
    patch.setattr("actors._core.outcomes.settle", no_more)
    victim.tell(lambda _: asyncio.sleep(0))


LOSSES = (break_selector, break_stop, break_turn_and_kill)
"""Ways to lose the loop of a runtime."""


class Outcomes:
    """What became of futures, and of calls that block a thread each."""

    def __init__(self) -> None:
        self._found: dict[str, Future[Any]] = {}
        self._threads: list[threading.Thread] = []

    def add(self, name: str, future: Future[Any]) -> None:
        """A future that is open."""
        self._found[name] = future

    def block(self, name: str, call: Callable[[], object]) -> None:
        """Makes a call in a thread of its own."""
        done: Future[Any] = Future()

        def run() -> None:
            try:
                done.set(call())
            except BaseException as error:  # noqa: BLE001 - it is what the test asks for
                done.set_exception(error)

        self.add(name, done)
        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def ends(self) -> dict[str, str]:
        """How each one has ended: the class of the error, and of its cause."""
        ends = {name: outcome_of(partial(future.get, timeout=PATIENCE)) for name, future in self._found.items()}
        for thread in self._threads:
            thread.join(PATIENCE)
        return {name: _classes(end) for name, end in ends.items()}


def _classes(error: BaseException | None) -> str:
    return f"{type(error).__name__} by {type(error.__cause__).__name__}" if error is not None else "no error"


def open_everything(runtime: Runtime) -> tuple[Outcomes, ActorRef[Any]]:
    """One of everything that a caller may wait for, and an actor that never answers."""
    found = Outcomes()
    root: Any = start(supervisor("root", child("a", Player, host="thread")), runtime=runtime).__enter__()
    deaf = runtime.spawn(Player).get(timeout=PATIENCE)
    deaf.tell(forever)
    full = runtime.spawn(Player, mailbox=MailboxSpec(capacity=1, policy="block")).get(timeout=PATIENCE)
    full.tell(forever)
    asked = full.ask("fills it", block=False, timeout=None)
    slow = runtime.spawn(Slow)
    found.add("spawn", slow)
    found.add("ask without end", deaf.ask(1, block=False, timeout=None))
    found.add("ask with a deadline", deaf.ask(1, block=False, timeout=1000))
    found.add("ask that fills a mailbox", asked)
    found.add("ended", deaf.ended())
    found.add("monitor", deaf.monitor())
    found.add("stop", deaf.stop(block=False))
    found.add("start_child", root.start_child(child("b", Slow)))
    found.add("ended of a supervisor", root.ended())
    found.block("blocking ask", lambda: deaf.ask(2, timeout=None))
    found.block("wait", root.child("a").wait)
    found.block("tell to a full mailbox", lambda: full.tell("waits"))
    found.block("a future that nobody settles", lambda: Future(runtime.park).get())
    return found, deaf


class Slow(Actor):
    """Never comes up."""

    async def on_start(self) -> None:  # type: ignore[override]
        await forever()


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_loop_settles_everything_and_leaving_says_why(
    lose: Callable[[Runtime, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every question, start and end is answered with the cause; so are later calls, at once; no thread is left."""
    with pytest.raises(RuntimeStopped) as left, Runtime(**QUIET) as runtime:
        found, ref = open_everything(runtime)
        lose(runtime, monkeypatch)
        ends = found.ends()
        later = [_classes(outcome_of(call)) for call in late_calls(runtime, ref)]
    assert isinstance(left.value.__cause__, Broken)
    # Who waits for room is let in when a mailbox closes: what it sends is a dead letter.
    assert ends.pop("tell to a full mailbox") == "no error"
    assert {name: end for name, end in ends.items() if end != "RuntimeStopped by Broken"} == {}
    assert set(later) == {"RuntimeStopped by Broken"}
    assert not runtime.running
    join_threads(runtime)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("letitcrash:", runtime.name))]
    assert list(runtime.cells) == []


def outcome_of(call: Callable[[], object]) -> BaseException | None:
    """What a call raises."""
    try:
        call()
    except BaseException as error:  # noqa: BLE001 - it is what the test asks for
        return error
    return None


def late_calls(runtime: Runtime, ref: ActorRef[Any]) -> tuple[Callable[[], object], ...]:
    """What a caller may still try."""
    return (
        lambda: ref.tell(1),
        lambda: ref.ask(1),
        lambda: runtime.spawn(Player),
        lambda: ref.ended().get(timeout=PATIENCE),
        lambda: ref.monitor().get(timeout=PATIENCE),
        ref.wait,
        ref.kill,
        ref.proxy,
    )


def test_an_end_of_an_actor_that_cannot_complete_loses_the_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not leave its asker, its supervisor and the block waiting."""
    with pytest.raises(RuntimeStopped, match="could not be ended") as left, Runtime(**QUIET) as runtime:
        victim = runtime.spawn(Player).get(timeout=PATIENCE)
        ended = victim.ended()
        monkeypatch.setattr("actors._core.outcomes.dispose_of", no_more)
        victim.tell(crash(ValueError()))
        error = outcome_of(lambda: ended.get(timeout=PATIENCE))
    assert isinstance(left.value.__cause__, Broken)
    assert isinstance(error, RuntimeStopped)


def test_a_step_that_raises_is_an_event_and_the_rest_of_the_queue_is_done() -> None:
    """One of the runtime's own calls fails: those behind it are made all the same."""
    with script() as runtime:
        events = events_of(runtime)
        done: Future[str] = Future()
        ready = threading.Event()
        runtime.control_call(ready.wait, PATIENCE)  # so that both wait in one pass
        runtime.control_call(no_more)
        runtime.control_call(done.set, "done")
        ready.set()
        assert done.get(timeout=PATIENCE) == "done"
        assert runtime.spawn(Player).get(timeout=PATIENCE).ask(1) == 1
        uncaught = [event for event in events if isinstance(event, UncaughtException)]
        assert [(event.path, type(event.error)) for event in uncaught] == [(runtime.name, Broken)]


def test_a_turn_that_raises_ends_its_incarnation_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machinery of one actor fails: it crashes, its asker is told, its supervisor restarts it."""
    with start(supervisor("root", child("a", Player, backoff=None), child("b", Player)), **QUIET) as root:
        events = events_of(root.runtime)
        with monkeypatch.context() as patch:
            patch.setattr("actors._core.cell.answer", no_more)
            with pytest.raises(Broken):
                root.child("a").ask(1, timeout=PATIENCE)
        assert root.child("a").ask(2, timeout=PATIENCE) == 2
        assert (root.child("a").incarnation, root.child("b").incarnation) == (2, 1)
        assert [event.path for event in events if isinstance(event, UncaughtException)] == ["root/a"]


def test_a_callback_of_an_end_that_raises_keeps_nothing_from_the_others() -> None:
    """Each one who waits for an end is told."""
    with script() as runtime:
        ref = runtime.spawn(Player).get(timeout=PATIENCE)
        runtime.on_loop(lambda: runtime.when_closed(ref._cell, no_more))
        ended = ref.ended()
        ref.stop()
        assert ended.get(timeout=PATIENCE).expected


# On a loop of the user's


def test_asyncio_run_that_ends_under_the_block_stops_the_runtime_in_order() -> None:
    """The main task is cancelled, as by a Ctrl-C; hooks run, and nothing is left."""
    stopped: list[str] = []

    class Polite(Actor):
        def on_stop(self) -> None:
            stopped.append(self.path)

    async def main() -> None:
        async with Runtime(**QUIET) as runtime:
            await runtime.spawn(Polite)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await forever()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert stopped == ["Polite-1"]


def test_asyncio_run_that_ends_before_the_block_is_left_stops_the_runtime() -> None:
    """Entered by hand, and forgotten: the runtime is among the tasks that `asyncio.run` cancels at its end."""
    stopped: list[str] = []

    class Polite(Actor):
        def on_stop(self) -> None:
            stopped.append(self.path)

    async def main() -> tuple[Runtime, Future[Any]]:
        runtime = await Runtime(**QUIET).__aenter__()
        ref = await runtime.spawn(Polite)
        return runtime, ref.ended()

    runtime, ended = asyncio.run(main())
    assert stopped == ["Polite-1"]
    assert ended.done()
    assert not runtime.running
    assert left_behind(runtime) == {}


def test_a_program_that_exits_from_a_callback_is_ended_as_asyncio_does() -> None:
    """The loop is the program's: an exit in a bare callback is an exit of the program, and the block is left."""
    found: list[Any] = []

    async def main() -> None:
        async with Runtime(**QUIET) as runtime:
            ref = await runtime.spawn(Player)
            found.append(ref.ended())
            asyncio.get_running_loop().call_soon(sys.exit, 7)
            await forever()

    with pytest.raises(SystemExit) as caught:
        asyncio.run(main())
    assert caught.value.code == 7
    assert found[0].done()


def test_a_stop_that_is_cancelled_ends_everything_at_once() -> None:
    """`asyncio.run` cancels it when the program does not wait any longer."""

    async def main() -> Future[Any]:
        runtime = await Runtime(**QUIET).__aenter__()
        ref = await runtime.spawn(Player, shutdown=None)
        ref.tell(forever)
        ended = ref.ended()
        runtime.stop()
        await asyncio.sleep(0)
        return ended

    ended = asyncio.run(main())
    with pytest.raises(RuntimeStopped, match="its stop was cancelled") as caught:
        ended.get(timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_closed_under_a_runtime_is_noticed_by_waiting_callers() -> None:
    """Nobody cancelled anything, nobody left the block: a thread that waits looks by itself, and a sender is told."""
    loop = asyncio.new_event_loop()
    runtime: Runtime = loop.run_until_complete(Runtime(**QUIET).__aenter__())
    ref = loop.run_until_complete(_ref_of(runtime))
    found = Outcomes()
    found.block("ask", lambda: ref.ask(forever, timeout=None))
    found.block("wait", ref.wait)
    loop.close()
    for future in found._found.values():
        with pytest.raises(RuntimeStopped, match="its event loop was closed"):
            future.get(timeout=PATIENCE)
    with pytest.raises(RuntimeStopped):
        ref.tell(1)
    with pytest.raises(RuntimeStopped):
        runtime.spawn(Player)
    found._found.clear()
    del loop, runtime
    gc.collect()


async def _ref_of(runtime: Runtime) -> ActorRef[Any]:
    return await runtime.spawn(Player)


# Leaving is bounded


def test_a_turn_that_holds_the_loop_for_ever_does_not_hold_the_block() -> None:
    """It gets the time to stop that its actor has; then its thread is left behind, and the error names the actor."""
    entered, gate = threading.Event(), threading.Event()
    runtime = Runtime(**QUIET)
    with pytest.raises(RuntimeStopped, match="Player-1 holds its event loop"), runtime:
        ref = runtime.spawn(Player, shutdown=0.1).get(timeout=PATIENCE)
        asked = ref.ask(blocking(entered, gate), block=False, timeout=None)
        entered.wait(PATIENCE)
    assert asked.done()
    assert runtime.abandoned == 1
    gate.set()
    join_threads(runtime)


def test_a_task_that_refuses_to_be_cancelled_does_not_hold_the_block() -> None:
    """It is counted and left behind, as a coroutine of an actor is."""
    left: list[Any] = []

    async def refuses() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await forever()

    def begin(_: Any) -> None:
        left.append(asyncio.get_running_loop().create_task(refuses()))

    with Runtime(**QUIET) as runtime:
        events = events_of(runtime)
        runtime.spawn(Player, shutdown=0.1).get(timeout=PATIENCE).ask(begin)
    assert [event.what for event in events if isinstance(event, Abandoned)] == [f"task {left[0].get_name()!r}"]
    left[0]._log_destroy_pending = False


def test_a_thread_of_to_thread_that_does_not_end_does_not_hold_the_block() -> None:
    """What an actor left in the executor of the loop is waited for when the interpreter ends, not here."""
    entered, gate = threading.Event(), threading.Event()
    with Runtime(**QUIET) as runtime:
        ref = runtime.spawn(Player, shutdown=0.1).get(timeout=PATIENCE)
        ref.tell(lambda _: asyncio.to_thread(blocking(entered, gate), None))
        assert entered.wait(PATIENCE)
    gate.set()
    join_threads(runtime)


def test_a_thread_that_waits_for_an_unsettled_future_is_told_of_the_stop() -> None:
    """An orderly stop, too: afterwards nothing of the runtime can settle anything."""
    found = Outcomes()
    with Runtime(**QUIET) as runtime:
        found.block("a future", lambda: Future(runtime.park).get())
    with pytest.raises(RuntimeStopped, match="it has stopped"):
        found._found["a future"].get(timeout=PATIENCE)


def test_a_lost_runtime_is_a_reason_of_its_own() -> None:
    """A value: it compares without its cause, and reads well."""
    reason = RuntimeLost("r", "its event loop failed", Broken())
    assert reason == RuntimeLost("r", "its event loop failed")
    assert (reason.kind, reason.expected) == ("runtime_lost", False)
    assert str(reason) == "runtime_lost(r: its event loop failed)"


# Whatever code of a user's raises, and wherever


class Weird(BaseException):
    """An exception that is no `Exception`, and none that Python knows."""


ERRORS: tuple[type[BaseException], ...] = (
    SystemExit,
    KeyboardInterrupt,
    GeneratorExit,
    asyncio.CancelledError,
    StopIteration,
    Weird,
    RuntimeError,
)
EXITS = (SystemExit, KeyboardInterrupt)


class Message:
    """A message whose own methods raise."""

    armed = False
    """Whether an example is under way: a log may hold a message for longer."""

    def __init__(self, error: type[BaseException], where: str) -> None:
        self.error, self.where = error, where

    def _raise(self, where: str) -> None:
        if where == self.where and self.armed:
            raise self.error

    def __repr__(self) -> str:
        self._raise("repr")
        return "Message()"

    def __eq__(self, other: object) -> bool:
        self._raise("eq")
        return self is other

    def __hash__(self) -> int:
        self._raise("hash")
        return 1

    def __del__(self) -> None:
        self._raise("del")


class Misbehaved(Actor):
    """Raises where it is told to."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        self.where, self.error = where, error
        self._here("construction", self.incarnation > 1)

    def _here(self, where: str, when: bool = True) -> None:
        if self.where == where and when:
            raise self.error

    def on_start(self) -> None:
        self._here("start", self.incarnation > 1)

    def on_stop(self) -> None:
        self._here("stop")

    def on_failure(self, *_: object) -> None:
        self._here("failure")

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        self._here("context exit")

    async def _task(self) -> None:
        raise self.error

    async def on_receive(self, message: Any) -> None:
        loop = asyncio.get_running_loop()
        match self.where:
            case "before await":
                raise self.error
            case "after await":
                await asyncio.sleep(0)
                raise self.error
            case "context exit":
                async with self:
                    await asyncio.sleep(0)
            case "awaited task":
                await asyncio.create_task(self._task())
            case "gather":
                await asyncio.gather(self._task(), asyncio.sleep(0))
            case "group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._task())
            case "wait_for":
                await asyncio.wait_for(self._task(), 10)
            case "task":
                self.task = asyncio.create_task(self._task())
                await asyncio.sleep(0)
            case "call_soon":
                loop.call_soon(_raise, self.error)
                await asyncio.sleep(0)
            case "call_later":
                loop.call_later(0, _raise, self.error)
                await asyncio.sleep(0)
            case "self-cancelled":
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
                await asyncio.sleep(0)
            case "loop.stop" if self.runtime.on_loop_thread:
                loop.stop()
            case "timer":
                self.tell_after(0, "ping")
            case "crash" | "failure" | "construction" | "start" | "eq" | "repr" | "hash" | "del":
                raise ValueError
            case _:
                pass


def _raise(error: type[BaseException], *_: object) -> Any:
    raise error


def _priority(error: type[BaseException], message: object) -> float:
    if message == "ping":
        raise error
    return 0.0


IN_HANDLERS = (
    "before await",
    "after await",
    "context exit",
    "awaited task",
    "gather",
    "group",
    "wait_for",
    "task",
    "call_soon",
    "call_later",
    "self-cancelled",
    "loop.stop",
    "timer",
    "construction",
    "start",
    "stop",
    "failure",
    "repr",
    "eq",
    "hash",
    "del",
)
AROUND = ("log handler", "log filter", "sink", "metric", "priority", "done callback", "on_failure callback")


class RaisingHandler(logging.Handler):
    """A log handler, and a filter, of the user's."""

    def __init__(self, where: str, error: type[BaseException]) -> None:
        super().__init__()
        self.where, self.error = where, error
        self.addFilter(self.judge)

    def judge(self, record: logging.LogRecord) -> bool:
        if self.where == "log filter":
            raise self.error
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if self.where == "log handler":
            raise self.error


@contextlib.contextmanager
def observed(where: str, error: type[BaseException]) -> Iterator[None]:
    """Log handlers that raise, and no reports of what `__del__` raises: Python makes them, and pytest fails by them."""
    logger, hook = logging.getLogger("letitcrash"), sys.unraisablehook
    handler = RaisingHandler(where, error)
    logger.addHandler(handler)
    level, logger.level = logger.level, logging.DEBUG
    sys.unraisablehook = lambda _: None
    Message.armed = True
    try:
        yield
    finally:
        gc.collect()
        Message.armed = False
        logger.removeHandler(handler)
        logger.setLevel(level)
        sys.unraisablehook = hook


class Settled:
    """The futures of one example, and whether the block was left."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.futures: list[Future[Any]] = []
        self.answers: list[Any] = []
        self.raised: BaseException | None = None

    def given_up(self, error: ActorDeadError, ended: ExitReason) -> str:
        """The answer of `b` in a tree that has given up before. A tree without a limit must not give up."""
        if self.limit is None or not isinstance(ended, RestartLimitExceeded):
            raise error
        return "given up"


def tree_for(where: str, error: type[BaseException], host: Host, limit: int | None) -> Any:
    """The tree of an example."""
    mailbox: Any = MailboxSpec(priority=lambda message: _priority(error, message)) if where == "priority" else "keep"
    told = (lambda failure: _raise(error)) if where == "on_failure callback" else None
    misbehaved = child("a", Misbehaved, args=(where, error), host=host, backoff=None, mailbox=mailbox)
    return supervisor("root", misbehaved, child("b", Player), max_restarts=limit, on_failure=told)


def provoke(root: Any, where: str, error: type[BaseException], found: Settled) -> None:
    """Opens one of each kind of future, and has the actor do what it is there for."""
    runtime, a, b = root.runtime, root.child("a"), root.child("b")
    if where in ("sink", "metric"):
        runtime.events.subscribe(lambda _: _raise(error))
    found.futures += [a.ended(), a.monitor(), b.ended(), root.ended(), root.which_children()]
    if where == "done callback":
        for future in found.futures:
            future.add_done_callback(lambda _: _raise(error))
    found.futures.append(a.ask("go", block=False, timeout=None))
    found.futures.append(a.ask(Message(error, where), block=False, timeout=None))
    with contextlib.suppress(BaseException):  # the priority of a message is told to its sender
        a.tell("ping")
    with contextlib.suppress(ActorDeadError):  # a tree with a limit may have given up already
        a.tell(Message(error, where))
    found.futures.append(root.start_child(child("c", Player)))
    found.futures.append(b.ask("ping", block=False, timeout=None))


OPTIONS: dict[str, Any] = {"watchdog": None, "kill_grace": 0.1, "on_give_up": "ignore"}


def in_script(where: str, error: type[BaseException], host: Host, found: Settled) -> None:
    """The example with a loop of the runtime's own."""
    with start(tree_for(where, error, host, found.limit), **OPTIONS) as root:
        provoke(root, where, error, found)
        try:
            found.answers.append(found.futures[-1].get(timeout=PATIENCE))
        except ActorDeadError as dead:
            found.answers.append(found.given_up(dead, root.ended().get(timeout=PATIENCE)))


def in_program(where: str, error: type[BaseException], host: Host, found: Settled) -> None:
    """The example on a loop of the user's."""

    async def main() -> None:
        async with start(tree_for(where, error, host, found.limit), **OPTIONS) as root:
            provoke(root, where, error, found)
            try:
                found.answers.append(await found.futures[-1])
            except ActorDeadError as dead:
                found.answers.append(found.given_up(dead, await root.ended()))

    asyncio.run(main())


@settings(max_examples=60)
@given(
    st.sampled_from((*IN_HANDLERS, *AROUND)),
    st.sampled_from(ERRORS),
    st.sampled_from(("loop", "thread")),
    st.sampled_from((in_script, in_program)),
    st.sampled_from((2, None)),
)
@example("call_soon", SystemExit, "loop", in_program, 2)
@example("priority", SystemExit, "loop", in_script, 2)
@example("log handler", Weird, "thread", in_script, 2)
@example("repr", asyncio.CancelledError, "loop", in_script, 2)
@example("repr", asyncio.CancelledError, "loop", in_script, None)
def test_every_future_settles_and_the_block_is_left_whatever_raises(
    where: str, error: type[BaseException], host: Host, run: Callable[..., None], limit: int | None
) -> None:
    """The promise itself, over generated places, exceptions, hosts, loops and limits of restarts."""
    assume(where != "loop.stop" or run is in_script)  # a program may stop its own loop
    found = Settled(limit)

    def work() -> None:
        try:
            with observed(where, error):
                run(where, error, host, found)
        except BaseException as raised:  # noqa: BLE001 - it is judged below
            found.raised = raised

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(3 * PATIENCE)
    assert not thread.is_alive(), "the block is not left"
    if run is in_program and host == "loop" and where in ("call_soon", "call_later") and error in EXITS:
        # A bare callback ends the program whose loop it is. One exit more, and asyncio leaves its tasks as they are:
        # those who wait find out that the loop is closed.
        assert isinstance(found.raised, error)
        ends = [type(outcome_of(partial(future.get, timeout=PATIENCE))) for future in found.futures]
        assert pykka.Timeout not in ends
    else:
        assert found.raised is None
        assert found.answers in (["ping"], [] if limit is None else ["given up"])
        assert [index for index, future in enumerate(found.futures) if not future.done()] == []
