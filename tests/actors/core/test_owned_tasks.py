"""Tasks belong to an incarnation: they end with it, and the failure of one that it owns is its crash (N4)."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from actors import (
    Abandoned,
    Actor,
    ActorCrashed,
    ActorDeadError,
    Crashed,
    IncarnationEnded,
    ManualClock,
    NotOnHost,
    Runtime,
    Shutdown,
    UncaughtException,
    UnhandledMessage,
    current_correlation_id,
    current_ref,
)
from actors.spi import unowned_context
from actors.testing import simulation
from supervisors import child, supervisor
from tests.actors.cast import PATIENCE, AsyncPlayer, Host, Player, Starter, crash, events_of, script, stage
from tests.support import in_loop

HOSTS: list[Host] = ["loop", "thread"]
ENDS: dict[str, Callable[[Any], object]] = {
    "stop": lambda ref: ref.stop(block=False),
    "crash": lambda ref: ref.tell(crash(OSError("disk"))),
    "kill": lambda ref: ref.kill(),
}


def noting(log: list[str], name: str = "task") -> Callable[[], Coroutine[Any, Any, None]]:
    """A coroutine that waits for ever and notes how it ends."""

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append(f"{name} ended")

    return work


def beginning(work: Callable[[], Any], *, owned: bool) -> Callable[[Any], None]:
    """A message whose handler begins the work as a task, and returns."""

    def begin(actor: Any) -> None:
        if owned:
            actor.create_task(work())
        else:
            asyncio.get_running_loop().create_task(work())

    return begin


@pytest.mark.parametrize("owned", [True, False], ids=["owned", "plain"])
@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("host", HOSTS)
def test_a_task_ends_with_its_incarnation_however_that_ends(host: Host, how: str, owned: bool) -> None:
    """One made by `asyncio.create_task` in a handler, too."""
    log: list[str] = []

    async def begin(actor: Any) -> None:
        beginning(noting(log), owned=owned)(actor)

    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, host=host)
        ref.ask(begin)
        sim.settle()
        assert log == []
        ENDS[how](ref)
        sim.settle()
        assert log == ["task ended"]
        assert not ref.is_alive()


@pytest.mark.parametrize("how", ENDS)
def test_a_task_of_a_real_thread_ends_with_its_incarnation(how: str) -> None:
    """The loop of the thread runs between two messages, so that the task goes on and hears of its end."""
    log: list[str] = []
    with script() as runtime:
        ref = runtime.spawn(Player, host="thread").get(timeout=PATIENCE)
        ref.ask(lambda actor: actor.create_task(noting(log)()) and None)
        ENDS[how](ref)
        assert ref.wait(timeout=PATIENCE) is not None
        assert log == ["task ended"]


@pytest.mark.parametrize("host", HOSTS)
def test_an_owned_task_goes_on_while_no_message_comes(host: Host) -> None:
    """On a thread host the loop of the thread runs it between two messages; a plain class has a loop then, too."""
    done = threading.Event()

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        done.set()

    with script() as runtime:
        ref = runtime.spawn(Player, host=host).get(timeout=PATIENCE)
        ref.tell(lambda actor: actor.create_task(work()))
        assert done.wait(PATIENCE)
        assert ref.ask("still there", timeout=PATIENCE) == "still there"


@pytest.mark.parametrize("error", [OSError("disk"), SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("host", HOSTS)
def test_the_failure_of_an_owned_task_is_a_crash_of_its_actor(host: Host, error: BaseException) -> None:
    """The supervisor restarts it, as after a crash in a handler."""

    async def fails() -> None:
        await asyncio.sleep(1)
        raise error

    with simulation() as sim:
        root = sim.start(supervisor("root", child("a", Player, host=host, backoff=None)))
        ref = root.child("a")
        down = ref.monitor()
        ref.ask(lambda actor: actor.create_task(fails()) and None)
        sim.advance(2)
        reason = down.get().reason
        assert isinstance(reason, Crashed)
        assert reason.exception is error
        assert ref.incarnation == 2


@in_loop
async def test_an_owned_task_that_fails_crashes_though_awaited() -> None:
    """The handler that awaits it does not keep the failure to itself; the asker gets the exception."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("lost")

    async def awaits(actor: Any) -> str:
        with contextlib.suppress(LookupError):
            await actor.create_task(fails())
        return "went on"

    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer)
        with pytest.raises(LookupError, match="lost"):
            await ref.call(awaits)
        reason = await ref.ended()
        assert isinstance(reason, Crashed)


def test_the_failure_of_a_task_does_not_count_against_another_message() -> None:
    """A message that is under way when a task of `on_start` fails is handled again by the next incarnation."""
    with simulation() as sim:
        top = sim.start(supervisor("root", child("a", SlowWorks, backoff=None)))
        assert top.child("a").ask("x") == 2


class SlowWorks(Actor):
    """Its first incarnation has a task that fails while a message is handled."""

    async def on_start(self) -> None:  # type: ignore[override]
        if self.incarnation == 1:
            self.create_task(self.fails())

    async def fails(self) -> None:
        await asyncio.sleep(1)
        raise OSError("of the task")

    async def on_receive(self, message: Any) -> int:
        await asyncio.sleep(2)
        return self.incarnation


@in_loop
async def test_a_cancelled_task_is_not_a_failure() -> None:
    """Nor is one that returns."""

    async def cancels(actor: Any) -> str:
        task = actor.create_task(asyncio.sleep(1000), name="nap")
        assert task.get_name() == "nap"
        other = actor.create_task(asyncio.sleep(0, "slept"))
        task.cancel()
        assert await other == "slept"
        return "done"

    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer)
        assert await ref.call(cancels) == "done"
        await w.settle()
        assert ref.is_alive()
        assert w.seen(UncaughtException) == []


@pytest.mark.parametrize("host", HOSTS)
def test_a_stop_cancels_tasks_after_on_stop_and_waits_within_the_grace(host: Host) -> None:
    """`on_stop` may still use them; what they do after their cancellation has the time to stop that the spec gives."""
    log: list[str] = []

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)
            log.append("flushed")

    class Owner(Actor):
        def on_start(self) -> None:
            self.create_task(slow_to_end())

        def on_stop(self) -> None:
            log.append("on_stop")

    with simulation() as sim:
        ref = sim.spawn(Owner, host=host, shutdown=5)
        sim.settle()
        ref.stop(block=False)
        sim.advance(2)
        assert log == ["on_stop"]
        assert ref.is_alive()
        sim.advance(2)
        assert log == ["on_stop", "flushed"]
        assert not ref.is_alive()


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("host", HOSTS)
def test_a_task_that_ignores_its_end_is_left_behind_and_reported(host: Host, how: str) -> None:
    """After a stop when the time to stop and the grace of a kill have passed, after a crash or kill when the grace
    has.
    """
    release: list[bool] = []

    async def refuses() -> None:
        while not release:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    with simulation() as sim:
        ref = sim.spawn(Player, host=host, shutdown=5)
        ref.ask(lambda actor: actor.create_task(refuses(), name="stubborn") and None)
        sim.settle()
        ENDS[how](ref)
        grace = sim.runtime.kill_grace
        sim.advance((5 if how == "stop" else 0) + 0.9 * grace)
        assert ref.is_alive()
        sim.advance(0.2 * grace)
        assert not ref.is_alive()
        left = [event for event in sim.runtime.lifecycle if isinstance(event, Abandoned)]
        assert [(each.what, each.incarnation) for each in left] == [("task 'stubborn'", 1)]
        release.append(True)
        sim.advance(2)


@in_loop
async def test_a_failed_start_ends_the_tasks_it_began() -> None:
    """Nothing of a start that fails is left."""
    log: list[str] = []

    def begins(actor: Any) -> None:
        actor.create_task(noting(log)())
        raise OSError("no connection")

    async def waits_and_fails(actor: Any) -> None:
        actor.create_task(noting(log)())
        await asyncio.sleep(0)
        raise OSError("no connection")

    async with stage() as w:
        for start in (begins, waits_and_fails):
            with pytest.raises(Exception, match="no connection"):
                await w.runtime.spawn(Starter, args=(start,))
            await w.settle()
    assert log == ["task ended"] or log == ["task ended", "task ended"]


@in_loop
async def test_a_task_that_raises_unheard_is_an_event() -> None:
    """Of a plain task, once nothing can take the exception any more; the actor goes on."""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("unheard")

    def begin(actor: Any) -> None:
        actor.task = asyncio.get_running_loop().create_task(fails(), name="poller")

    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.call(begin)
        for _ in range(20):
            await asyncio.sleep(0)
        (event,) = w.seen(UncaughtException)
        assert (event.path, event.where) == (ref.path, "task 'poller'")
        assert str(event.error) == "unheard"
        assert ref.is_alive()


@pytest.mark.parametrize("host", HOSTS)
def test_a_task_that_its_handler_awaits_later_is_no_event(host: Host) -> None:
    """Its exception is the handler's to take while that is under way."""

    async def fails() -> None:
        raise LookupError("taken")

    async def takes(_: Any) -> str:
        task = asyncio.create_task(fails())
        await asyncio.sleep(5)
        with pytest.raises(LookupError):
            await task
        return "taken"

    with simulation() as sim:
        ref = sim.spawn(AsyncPlayer, host=host)
        assert ref.ask(takes) == "taken"
        sim.advance(10)
        assert not [event for event in sim.runtime.lifecycle if isinstance(event, UncaughtException)]


@in_loop
async def test_a_task_inherits_its_actor_and_the_message_it_began_with() -> None:
    """`current_ref`, and the correlation id."""
    seen: list[object] = []

    async def looks() -> None:
        await asyncio.sleep(0)
        seen.extend((current_ref(), current_correlation_id()))

    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        await ref.call(lambda actor: actor.create_task(looks()) and None, correlation_id="order-7")
        await w.settle()
        assert seen == [ref, "order-7"]


@in_loop
async def test_code_of_an_ended_incarnation_cannot_begin_a_task() -> None:
    """A coroutine that was left behind gets an error, and the coroutine that it brought is closed."""
    caught: list[BaseException] = []
    release = asyncio.Event()

    async def stays(actor: Any) -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        try:
            actor.create_task(asyncio.sleep(0))
        except IncarnationEnded as error:
            caught.append(error)

    async with stage(kill_grace=1) as w:
        ref = await w.runtime.spawn(AsyncPlayer)
        ref.tell(stays)
        await w.settle()
        ref.kill()
        await w.advance(1)
        release.set()
        await w.settle()
    assert [str(error).partition(" was refused")[0] for error in caught] == [f"create_task() of {ref.path}"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_task_begun_in_a_thread_of_another_is_refused(host: Host) -> None:
    """The thread of an executor has no loop of the actor's."""

    async def elsewhere(actor: Any) -> str:
        try:
            await asyncio.to_thread(actor.create_task, asyncio.sleep(0))
        except NotOnHost as error:
            return str(error)
        return "made"

    with script() as runtime:
        ref = runtime.spawn(AsyncPlayer, host=host).get(timeout=PATIENCE)
        assert "create_task() was called in another thread" in ref.ask(elsewhere, timeout=PATIENCE)


@in_loop
async def test_what_is_no_coroutine_is_refused_as_asyncio_does() -> None:
    """The asker gets asyncio's TypeError."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        with pytest.raises(TypeError, match="coroutine was expected"):
            await ref.call(lambda actor: actor.create_task(len))


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("host", HOSTS)
def test_a_task_made_by_an_ending_task_ends_too(host: Host, how: str) -> None:
    """Each is cancelled, however many begin while others end."""
    made: list[asyncio.Task[None]] = []

    async def ends_by_beginning(depth: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if depth < 4:
                made.append(asyncio.create_task(ends_by_beginning(depth + 1)))
                await asyncio.sleep(0.1)

    with simulation() as sim:
        ref = sim.spawn(Player, host=host)
        ref.ask(lambda actor: actor.create_task(ends_by_beginning(0)) and None)
        sim.settle()
        ENDS[how](ref)
        sim.advance(1)
        assert not ref.is_alive()
        assert made
        assert all(task.done() for task in made)


def test_a_runtime_that_loses_its_loop_leaves_no_owned_task_unended() -> None:
    """The end of the program's loop cancels every task of it."""
    log: list[str] = []

    async def main() -> None:
        clock = ManualClock()
        runtime = Runtime(clock=lambda _: clock, watchdog=None, log=False)
        await runtime.__aenter__()
        ref = await runtime.spawn(Player)
        await ref.call(beginning(noting(log), owned=True))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert log == ["task ended"]


def test_an_actor_that_stops_itself_ends_its_tasks() -> None:
    """`self.stop()`, from a task as well."""
    log: list[str] = []

    class Once(Actor):
        def on_start(self) -> None:
            self.create_task(noting(log)())
            self.create_task(self.work())

        async def work(self) -> None:
            await asyncio.sleep(1)
            self.stop()

    with simulation() as sim:
        ref = sim.spawn(Once)
        reason = ref.ended()
        sim.advance(2)
        assert isinstance(reason.get(), Shutdown) or reason.get().expected
        assert log == ["task ended"]


def test_the_end_of_an_actor_waits_for_its_tasks_before_its_children() -> None:
    """A task may use the actors below its own until it has ended."""
    log: list[str] = []

    class Below(Actor):
        def on_stop(self) -> None:
            log.append("child")

    class Above(Actor):
        async def on_start(self) -> None:  # type: ignore[override]
            self.below = await self.spawn(Below)
            self.create_task(self.work())

        async def work(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                with pytest.raises(UnhandledMessage):
                    await self.below.call("still there?")
                log.append("task")

    with simulation() as sim:
        ref = sim.spawn(Above)
        sim.settle()
        ref.stop(block=False)
        sim.settle()
        assert log == ["task", "child"]


@in_loop
async def test_an_asker_is_told_when_a_task_ends_the_actor_over_its_message() -> None:
    """The crash counts against the message in whose handler the task began."""

    async def exits() -> None:
        raise SystemExit(2)

    async def begins(actor: Any) -> None:
        actor.create_task(exits())
        await asyncio.Event().wait()

    async with stage() as w:
        ref = await w.runtime.spawn(AsyncPlayer)
        with pytest.raises((ActorCrashed, ActorDeadError)):
            await ref.call(begins)


def test_events_of_a_thread_say_which_task_failed() -> None:
    """A plain task in a thread, too."""

    async def fails() -> None:
        raise LookupError("unheard")

    async def begin(actor: Any) -> None:
        actor.task = asyncio.create_task(fails(), name="poller")

    heard = threading.Event()
    with script() as runtime:
        events = events_of(runtime)
        runtime.events.subscribe(lambda _: heard.set(), UncaughtException)
        ref = runtime.spawn(AsyncPlayer, host="thread").get(timeout=PATIENCE)
        ref.ask(begin, timeout=PATIENCE)
        ref.tell(lambda _: None)
        ref.stop(timeout=PATIENCE)
    assert heard.is_set()
    assert [event.where for event in events if isinstance(event, UncaughtException)] == ["task 'poller'"]


def test_a_task_on_the_loop_of_the_runtime_ends_with_an_actor_on_a_thread() -> None:
    """`run_coroutine_threadsafe`: it is cancelled there; the thread cannot await it."""
    log: list[str] = []
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("task ended")
            ended.set()

    def begin(actor: Any) -> None:
        asyncio.run_coroutine_threadsafe(work(), actor.runtime.loop)

    with script() as runtime:
        ref = runtime.spawn(Player, host="thread").get(timeout=PATIENCE)
        ref.ask(begin, timeout=PATIENCE)
        assert begun.wait(PATIENCE)
        ref.stop(timeout=PATIENCE)
        assert ended.wait(PATIENCE)
    assert log == ["task ended"]


def test_a_second_cancellation_does_not_cut_off_the_cleanup_of_a_task() -> None:
    """A kill cancels it at once; what ends the incarnation afterwards waits, and does not cancel it again."""
    log: list[str] = []

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.5)
            log.append("flushed")

    with simulation() as sim:
        ref = sim.spawn(Player)
        ref.ask(lambda actor: actor.create_task(slow_to_end()) and None)
        sim.settle()
        ref.kill()
        sim.advance(0.6)
        assert log == ["flushed"]
        assert not ref.is_alive()


@pytest.mark.parametrize("host", HOSTS)
def test_a_failed_task_that_no_handler_awaits_is_an_event_at_its_end(host: Host) -> None:
    """Also when the incarnation ends before; no timer is left."""

    async def fails() -> None:
        raise LookupError("unheard")

    async def forgets(_: Any) -> None:
        asyncio.create_task(fails())  # noqa: RUF006 - that is what the test is about
        await asyncio.sleep(0.5)

    for end in (None, *ENDS.values()):
        with simulation() as sim:
            ref = sim.spawn(AsyncPlayer, host=host)
            ref.tell(forgets)
            sim.advance(0.1)
            if end is not None:
                end(ref)
            sim.advance(2)
            (event,) = [event for event in sim.runtime.lifecycle if isinstance(event, UncaughtException)]
            assert str(event.error) == "unheard"


@pytest.mark.parametrize("host", HOSTS)
def test_a_task_that_waits_is_no_wait_of_its_actor(host: Host) -> None:
    """What it calls may call back: the actor itself is free to answer."""
    answers: list[object] = []

    async def calls_back(ref: Any) -> object:
        return await ref.call("which", timeout=5)

    async def work(other: Any, own: Any) -> None:
        answers.append(await other.call(lambda _: calls_back(own), timeout=5))

    with simulation() as sim:
        other = sim.spawn(AsyncPlayer)
        ref = sim.spawn(Player, host=host)
        ref.ask(lambda actor: actor.create_task(work(other, actor.ref)) and None)
        sim.settle()
        assert answers == ["which"]


def test_a_task_in_a_context_of_its_own_outlasts_its_actor() -> None:
    """For what several actors share: the context of `unowned_context` still belongs to the actor."""
    log: list[object] = []

    async def work() -> None:
        await asyncio.sleep(5)
        log.append(current_ref())

    def begin(_: Any) -> None:
        asyncio.get_running_loop().create_task(work(), context=unowned_context())

    with simulation() as sim:
        ref = sim.spawn(Player)
        ref.ask(begin)
        ref.kill()
        sim.advance(6)
        assert log == [ref]
