"""An exit in a task or callback of an actor is the crash of that actor: the loop of all others goes on."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from queue import SimpleQueue
from typing import Any

import pytest

from actors import (
    Actor,
    ActorCrashed,
    ActorDeadError,
    Crashed,
    CrashedExit,
    LoopStopRefused,
    ManualClock,
    Runtime,
    Started,
    StartError,
    UncaughtException,
)
from supervisors import child, start, supervisor
from tests.actors.cast import PATIENCE, Host, Player, events_of, forever, script, stage
from tests.actors.hostile import NoClass
from tests.support import in_loop

SILENT: dict[str, Any] = {"log": False, "watchdog": None, "kill_grace": 0.1}
EXITS = [SystemExit(2), KeyboardInterrupt()]
Act = Callable[[Any], Awaitable[Any]]


class Doer(Player):
    """Awaits whatever what it is told to do returns."""

    async def on_receive(self, message: Any) -> Any:
        result = super().on_receive(message)
        return await result if inspect.isawaitable(result) else result


async def tool(error: BaseException) -> None:
    """Exits after a wait, like a command line tool that is used as a library."""
    await asyncio.sleep(0)
    raise error


def awaited(error: BaseException) -> Act:
    return lambda _: asyncio.create_task(tool(error))


def gathered(error: BaseException) -> Act:
    return lambda _: asyncio.gather(tool(error), tool(error))


def waited_for(error: BaseException) -> Act:
    return lambda _: asyncio.wait_for(tool(error), PATIENCE)


def shielded(error: BaseException) -> Act:
    return lambda _: asyncio.shield(tool(error))


def grouped(error: BaseException) -> Act:
    async def act(_: Any) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(tool(error))
            group.create_task(forever())

    return act


AWAITED = [awaited, gathered, waited_for, shielded, grouped]


def in_background(error: BaseException) -> Act:
    async def act(actor: Any) -> None:
        actor.task = asyncio.create_task(tool(error))

    return act


def in_background_noted(error: BaseException) -> Act:
    """The idiom of asyncio's own documentation: a callback that notes the end is none that waits for it."""

    async def act(actor: Any) -> None:
        actor.tasks = {task := asyncio.create_task(tool(error))}
        task.add_done_callback(actor.tasks.discard)

    return act


UNAWAITED = [in_background, in_background_noted]


def in_callback(error: BaseException) -> Act:
    async def act(_: Any) -> None:
        asyncio.get_running_loop().call_soon(_raise, error)

    return act


def in_timer(error: BaseException) -> Act:
    async def act(_: Any) -> None:
        asyncio.get_running_loop().call_later(0, _raise, error)

    return act


def _raise(error: BaseException) -> None:
    raise error


def family(host: Host = "loop") -> Any:
    """An actor that exits, and one beside it."""
    return supervisor("root", child("a", Doer, host=host, backoff=None), child("b", Doer))


def crashes(events: list[Any]) -> list[str]:
    """Path and exception class of each crash."""
    return [
        f"{event.path} {type(event.reason.exception).__name__}"
        for event in events
        if isinstance(event, CrashedExit) and isinstance(event.reason, Crashed)
    ]


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("host", ["loop", "thread"])
@pytest.mark.parametrize("way", AWAITED)
def test_an_exit_in_an_awaited_task_crashes_the_actor_that_awaits_it(
    way: Callable[[BaseException], Act], host: Host, error: BaseException
) -> None:
    """On the loop host as on the thread host: its asker is told, it is restarted, its sibling goes on."""
    with start(family(host), **SILENT) as root:
        events = events_of(root.runtime)
        a, b = root.child("a"), root.child("b")
        with pytest.raises(ActorCrashed) as caught:
            a.ask(way(error), timeout=PATIENCE)
        assert type(caught.value.cause) is type(error)
        assert (a.ask("up", timeout=PATIENCE), b.ask("too", timeout=PATIENCE)) == ("up", "too")
        assert (a.incarnation, b.incarnation) == (2, 1)
        assert crashes(events) == [f"root/a {type(error).__name__}"]
        assert not [event for event in events if isinstance(event, UncaughtException)]


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", AWAITED)
@in_loop
async def test_an_exit_in_an_awaited_task_leaves_the_users_loop_alone(
    way: Callable[[BaseException], Act], error: BaseException
) -> None:
    """The program that embeds the actors must not end by what one of them does."""
    async with start(family(), **SILENT) as root:
        with pytest.raises(ActorCrashed):
            await root.child("a").call(way(error))
        assert await root.child("a").call("up") == "up"
        assert root.child("b").incarnation == 1


@pytest.mark.parametrize("host", ["loop", "thread"])
@pytest.mark.parametrize("way", [*AWAITED, awaited])
def test_a_handler_may_catch_the_exit_of_what_it_awaits(way: Callable[[BaseException], Act], host: Host) -> None:
    """`except SystemExit` around a tool is how a program uses it."""

    async def careful(actor: Any) -> str:
        try:
            await way(SystemExit(3))(actor)
        except SystemExit as exit:
            return f"exited with {exit.code}"
        return "no exit"

    with start(family(host), **SILENT) as root:
        assert root.child("a").ask(careful, timeout=PATIENCE) == "exited with 3"
        assert root.child("a").incarnation == 1


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("way", [*UNAWAITED, in_callback, in_timer])
def test_an_exit_that_nothing_awaits_crashes_its_owner(
    way: Callable[[BaseException], Act], error: BaseException
) -> None:
    """A task in the background, a callback, a timer of the loop: whose code it is, that one crashes."""
    with start(family(), **SILENT) as root:
        events = events_of(root.runtime)
        a, b = root.child("a"), root.child("b")
        down = a.monitor()
        a.ask(way(error), timeout=PATIENCE)
        assert down.get(timeout=PATIENCE).reason == Crashed(error)
        assert (a.ask("up", timeout=PATIENCE), b.ask("too", timeout=PATIENCE)) == ("up", "too")
        assert (a.incarnation, b.incarnation) == (2, 1)
        assert crashes(events) == [f"root/a {type(error).__name__}"]


@pytest.mark.parametrize("way", UNAWAITED)
@in_loop
async def test_an_exit_that_nothing_awaits_crashes_its_owner_on_the_users_loop(
    way: Callable[[BaseException], Act],
) -> None:
    """Tasks are guarded there too; bare callbacks are the program's."""
    async with start(family(), **SILENT) as root:
        down = root.child("a").monitor()
        await root.child("a").call(way(SystemExit(2)))
        assert (await down).reason == Crashed(SystemExit(2))
        assert await root.child("a").call("up") == "up"


def test_an_exit_left_by_an_earlier_incarnation_is_an_event_and_no_crash() -> None:
    """A timer of the loop outlives the incarnation that set it: the next one did nothing."""
    with start(family(), **SILENT) as root:
        events = events_of(root.runtime)
        a, loop = root.child("a"), root.runtime.loop
        fire: list[Callable[[], object]] = []

        async def prepare(_: Any) -> None:
            handle: Any = asyncio.get_running_loop().call_later(1000, sys.exit)
            fire.append(lambda: loop.call_soon(sys.exit, context=handle._context))
            handle.cancel()

        down = a.monitor()
        a.ask(prepare, timeout=PATIENCE)
        a.kill()
        down.get(timeout=PATIENCE)
        assert a.ask("up", timeout=PATIENCE) == "up"
        uncaught = threading.Event()
        root.runtime.events.subscribe(lambda _: uncaught.set(), UncaughtException)
        root.runtime.on_loop(fire[0])
        assert uncaught.wait(PATIENCE)
        assert a.ask("still", timeout=PATIENCE) == "still"
        assert [(each.path, type(each.error)) for each in events if isinstance(each, UncaughtException)] == [
            ("root/a", SystemExit)
        ]
        assert a.incarnation == 2


def test_an_exit_of_no_actor_is_an_event_and_the_loop_goes_on() -> None:
    """Code of a stranger on the runtime's own loop cannot end it either."""
    with script() as runtime:
        events = events_of(runtime)
        ref = runtime.spawn(Player).get(timeout=PATIENCE)
        runtime.loop.call_soon_threadsafe(sys.exit, 3)
        assert ref.ask(1, timeout=PATIENCE) == 1
        done = asyncio.run_coroutine_threadsafe(tool(SystemExit(4)), runtime.loop)
        with pytest.raises(SystemExit):
            done.result(timeout=PATIENCE)
        assert ref.ask(2, timeout=PATIENCE) == 2
        assert [(event.path, event.error.args) for event in events if isinstance(event, UncaughtException)] == [
            (runtime.name, (3,)),
            (runtime.name, (4,)),
        ]


def test_a_callback_that_exits_does_not_end_its_supervisor() -> None:
    """What `on_failure` leaves behind decides nothing."""
    left: list[Any] = []

    async def told(_: object) -> None:
        left.append(asyncio.create_task(tool(SystemExit(2))))

    tree = supervisor("root", child("a", Player, backoff=None), on_failure=told)
    with start(tree, **SILENT) as root:
        uncaught = threading.Event()
        root.runtime.events.subscribe(lambda _: uncaught.set(), UncaughtException)
        with pytest.raises(ZeroDivisionError):
            root.child("a").ask(lambda _: 1 / 0, timeout=PATIENCE)
        assert uncaught.wait(PATIENCE)
        assert root.child("a").ask("up", timeout=PATIENCE) == "up"
        assert root.incarnation == 1


@pytest.mark.parametrize("way", ["loop.stop", "loop.close"])
def test_an_actor_cannot_stop_or_close_the_loop_of_all(way: str) -> None:
    """It crashes with an error that says what to do instead."""

    async def act(_: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.stop() if way == "loop.stop" else loop.close()

    with start(family(), **SILENT) as root:
        with pytest.raises(RuntimeError, match="stop" if way == "loop.stop" else "running") as caught:
            root.child("a").ask(act, timeout=PATIENCE)
        assert isinstance(caught.value, LoopStopRefused) is (way == "loop.stop")
        assert root.child("a").ask("up", timeout=PATIENCE) == "up"
        assert root.child("b").incarnation == 1


def test_a_loop_that_is_stopped_all_the_same_goes_on() -> None:
    """Past the refusal, by the method of the class."""
    with script() as runtime:
        ref = runtime.spawn(Player).get(timeout=PATIENCE)
        for number in range(3):
            runtime.loop.call_soon_threadsafe(type(runtime.loop).stop, runtime.loop)
            assert ref.ask(number, timeout=PATIENCE) == number


def test_an_event_sink_that_exits_does_not_end_the_loop() -> None:
    """Code that observes is nobody's crash."""
    with script() as runtime:
        runtime.events.subscribe(lambda _: sys.exit(1))
        assert runtime.spawn(Player).get(timeout=PATIENCE).ask(1, timeout=PATIENCE) == 1


# The task factory of the user's loop


@in_loop
async def test_a_task_factory_of_the_users_stays_in_use_and_comes_back() -> None:
    """The guard is in force while a runtime lives, and asks the factory that was there."""
    made: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    async with Runtime(**SILENT) as one:
        async with Runtime(**SILENT) as two:
            assert loop.get_task_factory() is not factory
            for runtime in (one, two):
                ref = await runtime.spawn(Doer)
                count = len(made)
                with pytest.raises(ActorCrashed):
                    await ref.call(awaited(SystemExit(1)))
                assert len(made) > count
        assert loop.get_task_factory() is not factory
    assert loop.get_task_factory() is factory


@in_loop
async def test_the_guard_is_taken_back_in_whatever_order_runtimes_end() -> None:
    """The first of two on one loop ends first; what the user set meanwhile is left alone."""
    loop = asyncio.get_running_loop()
    one, two = Runtime(**SILENT), Runtime(**SILENT)
    await one.__aenter__()
    await two.__aenter__()
    await one.__aexit__(None, None, None)
    ref = await two.spawn(Doer)
    with pytest.raises(ActorCrashed):
        await ref.call(awaited(SystemExit(1)))
    await two.__aexit__(None, None, None)
    assert loop.get_task_factory() is None
    async with Runtime(**SILENT):
        mine = asyncio.Task
        loop.set_task_factory(lambda loop, coro, **options: mine(coro, loop=loop, **options))
        set_by_user = loop.get_task_factory()
    assert loop.get_task_factory() is set_by_user


@in_loop
async def test_tasks_of_no_actor_are_left_as_they_are() -> None:
    """The program's own tasks are none of the runtime's business."""
    async with Runtime(**SILENT) as runtime:
        task = asyncio.create_task(forever())
        assert isinstance(task.get_coro(), Coroutine)
        assert type(task.get_coro()).__name__ == "coroutine"
        ref = await runtime.spawn(Doer)

        async def looks(_: Any) -> tuple[str, bool, list[Any]]:
            own = asyncio.create_task(forever(), name="own")
            await asyncio.sleep(0)
            shown = repr(own), asyncio.iscoroutine(own.get_coro()), own.get_stack()
            own.cancel()
            return shown

        text, is_coroutine, stack = await ref.call(looks)
        assert "forever" in text
        assert is_coroutine
        assert stack[0].f_code is forever.__code__
        task.cancel()


@in_loop
async def test_a_task_cancelled_before_its_first_step_leaves_no_warning() -> None:
    """A coroutine that was never awaited is a warning, and a warning fails this test."""
    async with Runtime(**SILENT) as runtime:
        ref = await runtime.spawn(Doer)

        async def cancels(_: Any) -> str:
            task = asyncio.create_task(forever())
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return "cancelled" if task.cancelled() else "not cancelled"

        assert await ref.call(cancels) == "cancelled"


# Ctrl-C


@pytest.mark.parametrize("where", ["plain", "coroutine", "task", "start", "sink"])
def test_a_ctrl_c_that_hits_code_of_an_actor_reaches_the_program(where: str) -> None:
    """Python raises it wherever the main thread is: the program must not be the one that never hears of it."""

    def interrupt() -> None:
        signal.raise_signal(signal.SIGINT)

    async def later(_: Any) -> None:
        await asyncio.sleep(0)
        interrupt()

    async def in_task(_: Any) -> None:
        await asyncio.create_task(later(None))

    class Starting(Actor):
        async def on_start(self) -> None:  # type: ignore[override]
            interrupt()

    async def main() -> None:
        async with Runtime(**SILENT) as runtime:
            ref = await runtime.spawn(Doer)
            match where:
                case "plain":
                    (await runtime.spawn(Player)).tell(lambda _: interrupt())
                case "coroutine":
                    ref.tell(later)
                case "task":
                    ref.tell(in_task)
                case "start":
                    runtime.spawn(Starting)
                case "sink":
                    runtime.events.subscribe(lambda _: interrupt(), Started)
                    runtime.spawn(Player)
            await forever()

    # Not `asyncio.run`, which turns the first Ctrl-C into a cancellation: the interrupt is raised where the code is.
    loop = asyncio.new_event_loop()
    task = loop.create_task(main())
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
    finally:
        loop.close()


def test_a_ctrl_c_under_asyncio_run_cancels_the_program_and_stops_in_order() -> None:
    """The usual case: the handlers of actors notice nothing of it."""
    stopped: list[str] = []

    class Polite(Player):
        def on_stop(self) -> None:
            stopped.append(self.path)

    async def main() -> None:
        async with Runtime(**SILENT) as runtime:
            ref = await runtime.spawn(Polite)
            ref.tell(lambda _: signal.raise_signal(signal.SIGINT))
            await forever()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert stopped == ["Polite-1"]


@in_loop
async def test_a_keyboard_interrupt_that_an_actor_raises_is_its_crash() -> None:
    """`raise KeyboardInterrupt` is code, and no Ctrl-C."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)

        def act(_: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(ActorCrashed):
            await ref.call(act)
        await w.settle()
        assert not ref.is_alive()


# A handler that cancels its own task


@pytest.mark.parametrize("host", ["loop", "thread"])
def test_a_handler_that_cancels_itself_is_cancelled_at_its_first_await(host: Host) -> None:
    """As asyncio does: the code up to there runs, what is awaited is cancelled, and the handler may catch it."""
    seen: list[str] = []

    async def cancels(_: Any) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        seen.append("before")
        inner = asyncio.create_task(forever())
        try:
            await inner
        except asyncio.CancelledError:
            seen.append(f"cancelled, and what it awaited: {inner.cancelled()}")
            task.uncancel()
        await asyncio.sleep(0)
        return f"{task.cancelling()} left"

    with script() as runtime:
        ref = runtime.spawn(Doer, host=host).get(timeout=PATIENCE)
        assert ref.ask(cancels, timeout=PATIENCE) == "0 left"
        assert ref.ask("next", timeout=PATIENCE) == "next"
    assert seen == ["before", "cancelled, and what it awaited: True"]


@in_loop
async def test_others_are_served_while_a_handler_has_cancelled_itself() -> None:
    """With `concurrency`, neither the host nor the other handlers are disturbed."""
    gate = asyncio.Event()

    class Four(Doer):
        concurrency = 4

    async def cancels(_: Any) -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        task.uncancel()
        await gate.wait()
        return "done"

    async with stage() as w:
        ref = await w.runtime.spawn(Four)
        events = events_of(w.runtime)
        slow = asyncio.create_task(ref.call(cancels))
        await w.settle()
        assert [await ref.call(number) for number in range(8)] == list(range(8))
        gate.set()
        assert await slow == "done"
        assert not [event for event in events if isinstance(event, UncaughtException)]


@pytest.mark.parametrize("host", ["loop", "thread"])
def test_a_cancellation_that_a_handler_brings_on_itself_is_its_crash(host: Host) -> None:
    """Not that of the host, and its asker does not have to wait."""
    with start(family(host), **SILENT) as root:

        async def cancels(_: Any) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)

        with pytest.raises(ActorCrashed) as caught:
            root.child("a").ask(cancels, timeout=PATIENCE)
        assert isinstance(caught.value.cause, asyncio.CancelledError)
        assert root.child("a").ask("up", timeout=PATIENCE) == "up"


@in_loop
async def test_what_a_killed_handler_has_begun_to_await_is_cancelled_with_it() -> None:
    """Also between the first step of the handler and the moment its task takes over."""
    clock, inner = ManualClock(), []

    async def begins(_: Any) -> None:
        inner.append(asyncio.create_task(forever()))
        await inner[0]

    async with Runtime(clock=lambda _: clock, **SILENT) as runtime:
        ref = await runtime.spawn(Doer)
        asked = ref.ask(begins, block=False, timeout=None)
        runtime.control_call(runtime.control_call, ref._cell.kill, Crashed(ValueError()))
        with pytest.raises(ActorDeadError):
            await asked
        assert inner == [] or inner[0].cancelled()


class Unshowable:
    """An argument that asyncio shows when it reports what a callback raised."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error

    @property
    def __class__(self) -> Any:
        raise self.error

    @__class__.setter
    def __class__(self, _: Any) -> None:
        raise self.error


@pytest.mark.parametrize("error", [GeneratorExit, ValueError])
def test_a_callback_that_cannot_be_shown_ends_its_actor_and_not_the_loop(error: type[BaseException]) -> None:
    """Asyncio reports what a callback raised, and what its report raises goes through the loop."""

    def fail(_: object) -> None:
        raise KeyError

    def act(_: object) -> None:
        asyncio.get_running_loop().call_soon(fail, Unshowable(error))

    with script(kill_grace=0.1) as runtime:
        one, two = runtime.spawn(Player).get(timeout=PATIENCE), runtime.spawn(Player).get(timeout=PATIENCE)
        ended = one.ended()
        one.ask(act)
        reason = ended.get(timeout=PATIENCE)
        assert isinstance(reason, Crashed)
        assert isinstance(reason.exception, error)
        assert two.ask(1, timeout=PATIENCE) == 1


def test_what_a_callback_of_an_actor_raises_goes_to_its_loop() -> None:
    """As in every program of asyncio: only an exit is a crash."""
    told: SimpleQueue[dict[str, Any]] = SimpleQueue()
    error = ValueError("in a callback")

    def fail() -> None:
        raise error

    with script(kill_grace=0.1) as runtime:
        runtime.loop.set_exception_handler(lambda _, context: told.put(context))
        ref = runtime.spawn(Player).get(timeout=PATIENCE)
        ref.ask(lambda _: asyncio.get_running_loop().call_soon(fail), timeout=PATIENCE)
        assert told.get(timeout=PATIENCE)["exception"] is error
        assert ref.ask("goes on", timeout=PATIENCE) == "goes on"
        assert ref.incarnation == 1


@pytest.mark.parametrize("host", ["loop", "thread"])
@pytest.mark.parametrize("hook", ["on_start", "on_receive", "on_stop"])
def test_an_exception_whose_class_cannot_be_asked_for_is_a_crash(host: str, hook: str) -> None:
    """Guards the end of the incarnation: the step that decides on it must not raise, or nothing ends it."""

    class Raises(Actor):
        def on_start(self) -> None:
            self.raise_in("on_start")

        def on_receive(self, message: Any) -> None:
            self.raise_in("on_receive")
            self.stop()

        def on_stop(self) -> None:
            self.raise_in("on_stop")

        def raise_in(self, present: str) -> None:
            if present == hook:
                raise NoClass

    with script(kill_grace=0.1) as runtime:
        if hook == "on_start":
            with pytest.raises(StartError) as caught:
                runtime.spawn(Raises, host=host).get(timeout=PATIENCE)
            reason: Any = caught.value.reason
        else:
            ref = runtime.spawn(Raises, host=host).get(timeout=PATIENCE)
            ended = ref.ended()
            ref.tell("end")
            reason = ended.get(timeout=PATIENCE)
        assert type(reason) is Crashed
        assert type(reason.exception) is NoClass
