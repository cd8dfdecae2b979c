"""Existing pykka actors, unchanged, as actors of the runtime."""

from __future__ import annotations

import threading
from typing import Any

import pykka
import pytest

from actors import ActorDeadError, Crashed, CrashedExit, Killed, Normal, NotAnActor, Shutdown, bounded
from supervisors import child, start, supervisor
from tests.actors.cast import PATIENCE, Player, ends, events_of, letters, script, seen_by, stage
from tests.support import in_loop


class Plain(pykka.ThreadingActor):
    """A program somebody wrote for pykka."""

    log: list[str] = []

    def __init__(self, greeting: str = "hello") -> None:
        super().__init__()
        self.greeting = greeting
        self.thread = threading.current_thread().name

    def on_start(self) -> None:
        self.log.append("start")

    def on_stop(self) -> None:
        self.log.append("stop")

    def on_failure(self, *_: Any) -> None:
        self.log.append("failure")

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, BaseException):
            raise message
        if message == "stop":
            self.stop()
        return f"{self.greeting} {message}"

    def greet(self, name: str) -> str:
        return f"{self.greeting} {name}"


@pytest.fixture(autouse=True)
def _fresh_log() -> None:
    Plain.log.clear()


def test_a_pykka_actor_runs_unchanged_in_a_thread_of_its_own() -> None:
    """Guards the promise to pykka's users: constructor, hooks, tell, ask, proxy."""
    with script() as runtime:
        ref = runtime.spawn(Plain, args={"greeting": "hi"}).get()
        assert ref.ask("Ada") == "hi Ada"
        assert ref.proxy().greet("Bob").get() == "hi Bob"
        assert ref.proxy().thread.get().startswith("letitcrash:")
        assert ref.stop()
        assert Plain.log == ["start", "stop"]


def test_a_failed_ask_is_answered_and_a_pykka_actor_lives_on_as_in_pykka() -> None:
    """Guards pykka's contract for actors written to it."""
    with script() as runtime:
        ref = runtime.spawn(Plain).get()
        with pytest.raises(ValueError, match="asked"):
            ref.ask(ValueError("asked"))
        assert ref.ask("x") == "hello x"
        assert Plain.log == ["start"]


@pytest.mark.parametrize("error", [ValueError("told"), SystemExit(1), KeyboardInterrupt()])
def test_a_failed_tell_is_the_crash_of_a_pykka_actor_and_of_no_other(error: BaseException) -> None:
    """Guards the neighbours: in pykka, SystemExit stops every actor of the process."""
    with script() as runtime:
        ref, other = runtime.spawn(Plain).get(), runtime.spawn(Plain).get()
        down = ref.monitor()
        ref.tell(error)
        assert down.get(timeout=PATIENCE).reason == Crashed(error)
        assert Plain.log == ["start", "start", "failure"]
        assert other.ask("x") == "hello x"


@in_loop
async def test_the_exit_of_a_supervised_pykka_actor_is_seen_without_polling() -> None:
    """Guards pykka#42: on a clock that stands still, the restart happens, and the queue survives."""
    async with stage() as w:
        tree = supervisor("root", child("a", Plain, backoff=None))
        async with start(tree, runtime=w.runtime) as root:
            ref = root.child("a")
            down = ref.monitor()
            ref.tell(ValueError("x"))
            answer = ref.ask("waits", block=False)
            assert (await down).reason == Crashed(ValueError("x"))
            assert await answer == "hello waits"
            assert ref.incarnation == 2
            assert len(w.seen(CrashedExit)) == 1


def test_a_pykka_actor_exits_normal_by_itself_and_shutdown_when_stopped() -> None:
    """Guards the reasons, which decide over restarts."""
    with script() as runtime:
        ref = runtime.spawn(Plain).get()
        ended = ref.ended()
        ref.tell("stop")
        assert ended.get(timeout=PATIENCE) == Normal()
        ref = runtime.spawn(Plain).get()
        ended = ref.ended()
        ref.stop()
        assert isinstance(ended.get(timeout=PATIENCE), Shutdown)


def test_pykkas_own_ref_and_registry_reach_the_actor() -> None:
    """Guards programs that look actors up, or broadcast, or stop all of them."""
    with script() as runtime:
        events = events_of(runtime)
        ref = runtime.spawn(Plain).get()
        (found,) = pykka.ActorRegistry.get_by_class(Plain)
        assert found.is_alive()
        assert found.ask("x", timeout=PATIENCE) == "hello x"
        with pytest.raises(ValueError, match="y"):
            found.ask(ValueError("y"), timeout=PATIENCE)
        found.tell("told")
        pykka.ActorRegistry.stop_all(timeout=PATIENCE)
        assert ref.wait(timeout=PATIENCE) is not None
        assert not found.is_alive()
        assert pykka.ActorRegistry.get_all() == []
        assert letters(events) == []


def test_a_pykka_actor_that_ends_leaves_pykkas_registry() -> None:
    """Guards the global list: after a crash, a kill and a stop."""
    with script() as runtime:
        for end in ends(lambda ref: ref.tell(ValueError()), lambda ref: ref.kill(), lambda ref: ref.stop()):
            ref = runtime.spawn(Plain).get()
            end(ref)
            ref.wait(timeout=PATIENCE)
            assert pykka.ActorRegistry.get_all() == []
            with pytest.raises(ActorDeadError):
                ref.tell("x")


def test_an_answer_of_a_pykka_actor_that_fails_too_late_does_not_end_it() -> None:
    """Guards the race of its exception with the deadline of the asker."""
    with script() as runtime:
        gate, entered = threading.Event(), threading.Event()

        class Slow(pykka.ThreadingActor):
            def on_receive(self, message: Any) -> Any:
                if message == "slow":
                    entered.set()
                    gate.wait(PATIENCE)
                    raise ValueError("too late")
                return message

        ref = runtime.spawn(Slow).get()
        future = ref.ask("slow", block=False, timeout=None)
        assert entered.wait(PATIENCE)
        future.set_exception(TimeoutError())
        gate.set()
        assert ref.ask("alive") == "alive"


def test_a_pykka_actor_may_have_a_bounded_mailbox_and_still_stop_itself() -> None:
    """Guards its order to stop, which travels as a message."""
    with script() as runtime:
        ref = runtime.spawn(Plain, mailbox=bounded(1)).get()
        ended = ref.ended()
        ref.ask("x")
        ref.tell("stop")
        assert ended.get(timeout=PATIENCE) == Normal()


@in_loop
async def test_a_pykka_actor_is_called_killed_and_watched_like_any_other() -> None:
    """Guards that the kind of an actor does not show at its ref."""
    async with stage() as w:
        ref, watcher = await w.runtime.spawn(Plain), await w.runtime.spawn(Player)
        assert await ref.call("x") == "hello x"
        await watcher.call(lambda self: self.monitor(ref))
        ended = ref.ended()
        ref.kill()
        assert isinstance(await ended, Killed)
        await w.settle()
        assert len(seen_by(watcher)) == 1


def test_what_is_no_actor_class_is_refused_with_what_was_expected() -> None:
    """Guards specs and spawns against nonsense: instances, functions, other classes."""
    with script() as runtime:
        for nonsense in (object, int, Plain.greet, 7, None, "Plain", pykka.Actor):
            with pytest.raises(NotAnActor, match="ThreadingActor"):
                runtime.spawn(nonsense)  # type: ignore[arg-type]
