"""Hooks: start, stop, failure, and the work that runs before any message that waits."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import Any

import pytest

from actors import (
    Abandoned,
    Actor,
    CallTimeout,
    Crashed,
    CrashedExit,
    HandlerTimeout,
    IgnoreStart,
    Killed,
    Shutdown,
    StartDeclined,
    Started,
    StartError,
    StartFailed,
    StartTimeout,
)
from supervisors import child, start, supervisor
from tests.actors.cast import (
    PATIENCE,
    AsyncPlayer,
    Player,
    Starter,
    crash,
    ends,
    forever,
    join_threads,
    stage,
    stubborn,
)
from tests.support import in_loop


class Hooked:
    """Not an actor: hooks that a class may take from anywhere in its bases."""

    log: list[str]

    def on_start(self) -> None:
        self.log.append("start")

    def on_stop(self) -> None:
        self.log.append("stop")

    def on_failure(self, *_: object) -> None:
        self.log.append("failure")


@pytest.mark.parametrize(("message", "last"), [("crash", "failure"), ("stop", "stop")])
@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_the_hooks_of_a_base_that_is_no_actor_run(host: str, message: str, last: str) -> None:
    """A class that has a hook is told from one that has none by the class, not by its own body alone."""
    async with stage() as w:

        class Mixed(Hooked, Actor):
            def on_receive(self, message: object) -> None:
                if message == "crash":
                    raise ValueError(message)
                self.stop()

        Hooked.log = []
        ref = await w.runtime.spawn(Mixed, host=host)
        ref.tell(message)
        await ref.ended()
        assert Hooked.log == ["start", last]


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_the_hooks_run_in_their_order_around_the_messages(host: str) -> None:
    """Guards the life of an actor: constructed, started, continued, messages, stopped; plain and async hooks alike."""
    async with stage() as w:
        log: list[Any] = []

        class Plain(Actor):
            def __init__(self) -> None:
                log.append(("init", self.path, self.incarnation))

            def on_start(self) -> None:
                log.append("start")
                self.ref.tell("first")

            def on_continue(self) -> None:
                log.append("continue")

            def on_receive(self, message: Any) -> None:
                log.append(message)

            def on_stop(self) -> None:
                log.append("stop")

        class Async(Plain):
            async def on_start(self) -> None:  # type: ignore[override]
                await asyncio.sleep(0)
                super().on_start()

            async def on_continue(self) -> None:  # type: ignore[override]
                await asyncio.sleep(0)
                super().on_continue()

            async def on_stop(self) -> None:  # type: ignore[override]
                await asyncio.sleep(0)
                super().on_stop()

        for cls in (Plain, Async):
            ref = await w.runtime.spawn(cls, host=host)
            await ref.stop(block=False)
            assert log == [("init", ref.path, 1), "start", "continue", "first", "stop"]
            log.clear()


@in_loop
async def test_on_continue_runs_after_the_start_is_reported_before_any_message() -> None:
    """Guards short starts: the starter does not wait for the long work, the messages do."""
    async with stage() as w:
        gate = asyncio.Event()
        log: list[Any] = []

        class Slow(Actor):
            async def on_continue(self) -> None:
                await gate.wait()
                log.append("ready")

            def on_receive(self, message: Any) -> None:
                log.append(message)

        ref = await w.runtime.spawn(Slow)
        ref.tell(1)
        await w.settle()
        assert log == []
        gate.set()
        await w.settle()
        assert log == ["ready", 1]


@in_loop
async def test_on_continue_runs_before_messages_that_survived_a_crash() -> None:
    """Guards the restart: the queue is full already, and still the hook comes first; one that raises is a crash."""
    async with stage() as w:
        log: list[Any] = []

        class Careful(Player):
            async def on_continue(self) -> None:
                await asyncio.sleep(0)
                log.append(self.incarnation)
                if self.incarnation == 2:
                    raise OSError("not yet")

        tree = supervisor("root", child("a", Careful, args={"seen": log}, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            root.child("a").tell(crash(ValueError()))
            root.child("a").tell("waits")
            await w.settle()
        assert log == [1, 2, 3, "waits"]
        assert [event.message_type for event in w.seen(CrashedExit)] == ["function", "Continue"]


@pytest.mark.parametrize("host", ["loop", "thread"])
@pytest.mark.parametrize("where", ["init", "start", "start later"])
@in_loop
async def test_a_start_that_raises_fails_with_an_error_that_carries_the_cause(host: str, where: str) -> None:
    """Guards the starter: typed error, cause, and nothing left of the actor."""
    async with stage() as w:

        class Broken(Actor):
            def __init__(self) -> None:
                if where == "init":
                    raise OSError("no disk")

            async def on_start(self) -> None:  # type: ignore[override]
                if where == "start later":
                    await asyncio.sleep(0)
                if where != "init":
                    raise OSError("no disk")

        with pytest.raises(StartError, match="no disk") as caught:
            await w.runtime.spawn(Broken, host=host, name="n")
        assert caught.value.reason == Crashed(OSError("no disk"))
        assert isinstance(caught.value.__cause__, OSError)
        assert w.runtime.cells == {}
        assert w.runtime.registry.size == 0
        assert len(w.seen(StartFailed)) == 1
        assert w.seen(Started) == []


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_start_that_raises_system_exit_fails_like_any_other(host: str, error: BaseException) -> None:
    """Guards the process: nothing an actor raises ends more than the actor."""
    async with stage() as w:
        with pytest.raises(StartError) as caught:
            await w.runtime.spawn(Starter, args={"on_start": crash(error)}, host=host)
        assert caught.value.reason == Crashed(error)


@pytest.mark.parametrize("host", ["loop", "thread"])
@in_loop
async def test_a_start_may_be_declined(host: str) -> None:
    """Guards rule 3: it is a decision, no failure; nothing is left."""
    async with stage() as w:
        with pytest.raises(StartDeclined):
            await w.runtime.spawn(Starter, args={"on_start": crash(IgnoreStart())}, host=host, name="n")
        assert w.runtime.cells == {}
        assert w.runtime.registry.size == 0
        assert w.seen(StartFailed) == []


@pytest.mark.parametrize("error", [IgnoreStart(), ValueError("no")])
@in_loop
async def test_a_start_that_fails_or_declines_leaves_nothing_below_it(
    error: Exception,
) -> None:
    """Guards against orphans of an actor that never was."""
    async with stage() as w:
        below: list[Any] = []

        async def spawn_and_raise(self: Any) -> None:
            below.append(await self.spawn(Player))
            raise error

        with pytest.raises((StartDeclined, StartError)):
            await w.runtime.spawn(Starter, args={"on_start": spawn_and_raise})
        assert not below[0].is_alive()
        assert w.runtime.cells == {}


@in_loop
async def test_a_start_that_hangs_fails_when_its_time_is_up() -> None:
    """Guards rule 4 on the loop: the coroutine is cancelled, the starter told."""
    async with stage() as w:
        starting = asyncio.ensure_future(_await(w.runtime.spawn(Starter, args={"on_start": forever}, start_timeout=2)))
        await w.advance(1.9)
        assert not starting.done()
        await w.advance(0.2)
        with pytest.raises(StartError) as caught:
            await starting
        assert isinstance(caught.value.__cause__, StartTimeout)
        assert w.runtime.cells == {}


async def _await(awaitable: Any) -> Any:
    return await awaitable


@in_loop
async def test_a_start_that_hangs_in_a_thread_fails_and_its_thread_is_abandoned() -> None:
    """Guards rule 4 on a thread, which cannot be killed."""
    async with stage() as w:
        gate, entered = threading.Event(), threading.Event()

        def hang(_: Any) -> None:
            entered.set()
            gate.wait(PATIENCE)

        starting = w.runtime.spawn(Starter, args={"on_start": hang}, host="thread", start_timeout=2)
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        await w.advance(2)
        await w.advance(w.runtime.kill_grace)
        with pytest.raises(StartError):
            await starting
        assert w.runtime.abandoned == 1
        assert [event.what for event in w.seen(Abandoned)] == ["thread"]
        gate.set()


@in_loop
async def test_a_stop_hook_that_refuses_to_end_is_abandoned_and_counted() -> None:
    """Guards the stop of the rest: cancelled after its time, left behind after the grace."""
    async with stage() as w:
        release = asyncio.Event()
        ref = await w.runtime.spawn(Starter, args={"on_stop": lambda _: stubborn(release)}, shutdown=2)
        ended = ref.ended()
        ref.stop(block=False)
        await w.advance(2)
        assert not ended.done()
        await w.advance(w.runtime.kill_grace)
        assert isinstance(await ended, Killed)
        assert w.runtime.abandoned == 1
        release.set()


@in_loop
async def test_a_stop_hook_that_hangs_in_a_thread_is_abandoned_and_counted() -> None:
    """Guards rule 18 where nothing can be cancelled."""
    async with stage() as w:
        gate, entered = threading.Event(), threading.Event()

        def hang(_: Any) -> None:
            entered.set()
            gate.wait(PATIENCE)

        ref = await w.runtime.spawn(Starter, args={"on_stop": hang}, host="thread", shutdown=2)
        ended = ref.ended()
        ref.stop(block=False)
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        await w.advance(2)
        await w.advance(w.runtime.kill_grace)
        assert isinstance(await ended, Killed)
        assert w.runtime.abandoned == 1
        gate.set()


@in_loop
async def test_a_handler_over_its_limit_on_the_loop_is_cancelled_as_a_crash() -> None:
    """Guards the declared limit: waiting counts, the asker is told, the next actor of the place works."""
    async with stage() as w:
        tree = supervisor("root", child("a", Player, handler_timeout=2, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            answer = ref.ask(forever, block=False)
            await w.advance(1.9)
            assert not answer.done()
            await w.advance(0.2)
            with pytest.raises(HandlerTimeout, match="function"):
                await answer
            assert await ref.call("next") == "next"
            assert ref.incarnation == 2


@in_loop
async def test_a_handler_over_its_time_limit_that_refuses_to_end_is_abandoned() -> None:
    """Guards the limit against a handler that swallows its cancellation."""
    async with stage() as w:
        release = asyncio.Event()
        tree = supervisor("root", child("a", Player, handler_timeout=2, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            message = lambda _: stubborn(release)  # noqa: E731 - it has to be found again
            ref.tell(message)
            await w.advance(2)
            await w.advance(w.runtime.kill_grace)
            await w.advance(w.runtime.kill_grace)
            assert w.runtime.abandoned == 1
            assert await ref.call("next") == "next"
            assert ref.incarnation == 2
            release.set()
            await w.settle()
            assert await ref.call("still") == "still"
            assert w.dead_letters == [("crashed", message)]
            assert isinstance(w.seen(CrashedExit)[0].reason.exception, HandlerTimeout)


@in_loop
async def test_a_handler_over_its_limit_in_a_thread_is_abandoned_as_a_crash() -> None:
    """Guards the limit for code that blocks: its late result or exception is ignored, and no message counts twice."""
    for late in ("returns", "raises"):
        async with stage() as w:
            gate, entered = threading.Event(), threading.Event()

            def block(
                _: Any, late: str = late, gate: threading.Event = gate, entered: threading.Event = entered
            ) -> None:
                entered.set()
                gate.wait(PATIENCE)
                if late == "raises":
                    raise RuntimeError("late")

            tree = supervisor("root", child("a", Player, host="thread", handler_timeout=2, backoff=None))
            async with start(tree, runtime=w.runtime) as root:
                ref = root.child("a")
                ref.tell(block)
                assert await asyncio.to_thread(entered.wait, PATIENCE)
                await w.settle()
                await w.advance(2)
                await w.advance(w.runtime.kill_grace)
                assert await ref.call("next") == "next"
                gate.set()
                assert ref.incarnation == 2
                assert w.runtime.abandoned == 1
                assert w.dead_letters == [("crashed", block)]
            assert w.dead_letters == [("crashed", block)]


@in_loop
async def test_a_handler_within_its_time_limit_leaves_no_timer() -> None:
    """Guards the next message against the limit of the last."""
    for host in ("loop", "thread"):
        async with stage(default_timeout=None) as w:
            ref = await w.runtime.spawn(AsyncPlayer, host=host, handler_timeout=2)
            await ref.call(lambda _: asyncio.sleep(0))
            await ref.call("x")
            await w.advance(1)
            await ref.call("y")
            await w.advance(1.5)
            assert ref.is_alive()
            await ref.stop(block=False)
            await asyncio.to_thread(join_threads, w.runtime)
            await w.settle()
            assert w.clock.pending == 0


@in_loop
async def test_a_kill_ends_a_waiting_handler_and_abandons_one_that_refuses() -> None:
    """Guards kill: cancelled at once; what swallows the cancellation is left behind after the grace, and ignored."""
    async with stage() as w:
        release = asyncio.Event()
        tree = supervisor("root", child("a", Player, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            ref.tell(forever)
            await w.settle()
            ref.kill()
            await w.settle()
            assert ref.incarnation == 2
            assert w.runtime.abandoned == 0
            message = lambda _: stubborn(release)  # noqa: E731 - it has to be found again
            ref.tell(message)
            await w.settle()
            ref.kill()
            await w.advance(w.runtime.kill_grace)
            assert ref.incarnation == 3
            assert w.runtime.abandoned == 1
            release.set()
            await w.settle()
            assert w.dead_letters == [("killed", forever), ("killed", message)]
            assert await ref.call("next") == "next"


@in_loop
async def test_an_abandoned_handler_that_ends_between_incarnations_does_no_harm() -> None:
    """Guards the next incarnation: it starts although its predecessor's handler ended between the two."""
    async with stage() as w:
        release = asyncio.Event()
        async with start(supervisor("root", child("a", Player)), runtime=w.runtime) as root:
            ref = root.child("a")
            ref.tell(lambda _: stubborn(release))
            await w.settle()
            ref.kill()
            await w.advance(w.runtime.kill_grace)
            assert (w.runtime.abandoned, ref.status().state) == (1, "down")
            release.set()
            await w.advance(60)
            assert ref.incarnation == 2
            assert await ref.call("next") == "next"


@in_loop
async def test_a_thread_that_is_killed_is_waited_for_and_then_left_behind() -> None:
    """Guards both ends of a kill on a thread: it ends in time, or it is abandoned, counted and ignored."""
    async with stage() as w:
        gate, entered = threading.Event(), threading.Event()

        def block(_: Any) -> None:
            entered.set()
            gate.wait(PATIENCE)
            raise RuntimeError("late")

        ref = await w.runtime.spawn(Player, host="thread")
        ended = ref.ended()
        answer = ref.ask(block, block=False)
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        ref.kill()
        await w.settle()
        assert not ended.done()
        await w.advance(w.runtime.kill_grace)
        assert isinstance(await ended, Killed)
        with pytest.raises(Exception, match="has terminated"):
            await answer
        assert w.runtime.abandoned == 1
        gate.set()
    assert [reason for reason, _ in w.dead_letters] == ["killed"]


@in_loop
async def test_an_order_to_stop_does_not_wait_behind_the_queue() -> None:
    """Guards rule 19: a long queue does not hold up a shutdown; what waits is not handled."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        ended = ref.ended()
        for number in range(100_000 // 1000):
            ref.tell(number)
        stopped = ref.stop(block=False, drain=False)
        assert await stopped
        assert isinstance(await ended, Shutdown)
        assert len(w.dead_letters) == 100


@in_loop
async def test_a_stop_that_drains_lets_the_messages_that_wait_be_handled_first() -> None:
    """Guards pykka's meaning of stop."""
    async with stage() as w:
        seen: list[int] = []
        ref = await w.runtime.spawn(Player, args={"seen": seen})
        for number in range(100):
            ref.tell(number)
        await ref.stop(block=False)
        assert seen == list(range(100))
        assert w.dead_letters == []


@in_loop
async def test_a_stop_waits_for_the_handler_under_way() -> None:
    """Guards work in progress: told to stop, an actor finishes the message it is at."""
    async with stage() as w:
        gate = asyncio.Event()
        log: list[str] = []
        ref = await w.runtime.spawn(Starter, args={"on_stop": lambda _: log.append("stop")})

        async def work(_: Any) -> str:
            await gate.wait()
            log.append("worked")
            return "done"

        answer = ref.ask(work, block=False)
        await w.settle()
        stopped = ref.stop(block=False, drain=False)
        await w.settle()
        assert log == []
        gate.set()
        assert await answer == "done"
        assert await stopped
        assert log == ["worked", "stop"]


@in_loop
async def test_a_crash_is_not_held_up_by_a_handler_beside_it_that_refuses_to_end() -> None:
    """Guards the supervisor's ear with `concurrency`: the crash is heard of, with its cause, when the time is up."""

    class Wide(Player):
        concurrency = 2

    async with stage() as w:
        release = asyncio.Event()
        ref = await w.runtime.spawn(Wide, shutdown=3)
        ended = ref.ended()
        ref.tell(lambda _: stubborn(release))
        await w.settle()
        ref.tell(crash(ValueError("cause")))
        await w.advance(3)
        await w.advance(w.runtime.kill_grace)
        assert await ended == Crashed(ValueError("cause"))
        release.set()


@pytest.mark.parametrize("how", ["crash", "kill"])
@in_loop
async def test_handlers_that_have_only_just_begun_to_wait_are_cut_off_too(how: str) -> None:
    """Guards an end in the same breath as the first wait: the cancellation is not lost on a task not yet begun."""

    class Wide(Player):
        concurrency = 40

    async with stage() as w:
        ref = await w.runtime.spawn(Wide)
        ended = ref.ended()
        for _ in range(20):
            ref.tell(forever)
        if how == "crash":
            ref.tell(crash(ValueError("cause")))
        else:
            ref.tell(lambda self: self.ref.kill())
        await w.settle()
        assert ended.done()
        assert [reason for reason, message in w.dead_letters if message is forever] == ["killed"] * 20
        assert w.runtime.abandoned == 0


@in_loop
async def test_on_continue_of_a_killed_actor_is_not_a_lost_message() -> None:
    """Guards dead letters: they are messages that somebody sent."""

    class Continues(Player):
        async def on_continue(self) -> None:
            await forever(self)

    async with stage() as w:
        ref = await w.runtime.spawn(Continues)
        await w.settle()
        ref.kill()
        await w.settle()
        assert not ref.is_alive()
        assert w.dead_letters == []


@in_loop
async def test_the_end_of_an_actor_ends_what_it_spawned() -> None:
    """Guards rules 18 and 20: those below are gone when its end is told, after any kind of end."""
    async with stage() as w:
        for end in ends(
            lambda ref: ref.kill(),
            lambda ref: ref.stop(block=False),
            lambda ref: ref.tell(crash(ValueError())),
        ):
            ref = await w.runtime.spawn(Player)
            below = await ref.call(lambda self: _spawn_below(self, 3))
            alive: list[bool] = []
            ref.monitor().add_done_callback(partial(_note_alive, below, alive))
            end(ref)
            await w.settle()
            assert alive == [False] * 3


def _note_alive(refs: list[Any], alive: list[bool], _: object) -> None:
    alive.extend(ref.is_alive() for ref in refs)


async def _spawn_below(self: Actor, depth: int) -> list[Any]:
    ref = await self.spawn(Player)
    rest = await ref.call(lambda child: _spawn_below(child, depth - 1)) if depth > 1 else []
    return [ref, *rest]


@in_loop
async def test_an_actor_cannot_be_spawned_below_one_that_is_gone() -> None:
    """Guards against orphans: nobody would ever end them."""
    async with stage() as w:
        gone = await w.runtime.spawn(Player)
        await gone.stop(block=False)
        with pytest.raises(Exception, match="has terminated"):
            await w.runtime.spawn(Player, parent=gone)
        assert w.runtime.cells == {}


@in_loop
async def test_a_call_to_an_actor_that_still_starts_waits_for_the_start() -> None:
    """Guards messages sent early: they are handled first come first served, once it runs."""
    async with stage() as w:
        gate = asyncio.Event()

        async def slow(_: Any) -> None:
            await gate.wait()

        starting = w.runtime.spawn(Starter, args={"on_start": slow}, name="n")
        await w.settle()
        ref = w.runtime.whereis("n")
        assert ref is not None
        answer = ref.ask("early", block=False)
        await w.settle()
        assert not answer.done()
        gate.set()
        assert await answer == "early"
        assert await starting is ref


def test_the_timeouts_of_starts_handlers_and_calls_are_all_timeout_errors() -> None:
    """Guards code that catches TimeoutError."""
    assert all(issubclass(error, TimeoutError) for error in (StartTimeout, HandlerTimeout, CallTimeout))
