"""The runtime: in a script, in an application, several in one process, forked, and stopped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from actors import (
    Actor,
    ActorDeadError,
    BlockingCallError,
    Exited,
    Killed,
    NotInRuntime,
    Runtime,
    RuntimeStopped,
    Shutdown,
)
from tests.actors.cast import PATIENCE, Player, Starter, crash, events_of, forever, left_behind, script, stage
from tests.support import in_loop

ROOT = Path(__file__).parents[3]


def test_in_a_script_the_loop_runs_in_a_background_thread() -> None:
    """Guards scripts: blocking forms work, and the thread is gone after the block."""
    with Runtime(log=False) as runtime:
        assert runtime.running
        ref = runtime.spawn(Player).get()
        assert ref.ask(1) == 1
        assert ref.ask(lambda _: threading.current_thread().name) == runtime.name
    assert not runtime.running
    assert left_behind(runtime) == {}


@in_loop
async def test_in_an_application_the_running_loop_is_used() -> None:
    """Guards services: no thread is started, the loop is the application's own, with its watchdog or without."""
    before = set(threading.enumerate())  # one that an earlier test has left may end meanwhile
    async with Runtime(log=False, watchdog=None) as runtime:
        ref = await runtime.spawn(Player)
        assert await ref.call(lambda _: threading.current_thread()) is threading.current_thread()
        assert set(threading.enumerate()) <= before
        assert runtime.loop is asyncio.get_running_loop()


@in_loop
async def test_the_blocking_form_on_a_loop_is_refused_and_names_the_other() -> None:
    """Guards applications against a script's habit."""
    with pytest.raises(BlockingCallError, match="async with"), Runtime():
        pass


def test_what_needs_a_running_runtime_says_so() -> None:
    """Guards the first steps of a newcomer."""
    runtime = Runtime()
    with pytest.raises(NotInRuntime, match="with Runtime"):
        runtime.spawn(Player)
    with pytest.raises(NotInRuntime, match=r"runtime\.spawn"):
        Player.start()
    assert runtime.stop().get() is None
    runtime.kill()


def test_a_runtime_that_has_stopped_starts_nothing() -> None:
    """Guards against actors that nobody would run."""
    with script() as runtime:
        ref = runtime.spawn(Player).get()
    with pytest.raises(RuntimeStopped):
        runtime.spawn(Player)
    with pytest.raises(ActorDeadError):
        ref.tell(1)
    runtime.stop().get()
    runtime.kill()


def test_two_runtimes_live_side_by_side_and_call_each_other() -> None:
    """Guards isolation: same names, same paths, other actors; and calls across in every direction."""
    with script() as one, script() as two:
        here, there = one.spawn(Player, name="n").get(), two.spawn(Player, name="n").get()
        assert here.path == there.path
        assert here is not there
        assert one.whereis("n") is here
        assert here.ask(lambda _: there.call("over")) == "over"
        in_thread = two.spawn(Player, host="thread").get()
        assert in_thread.ask(lambda _: here.ask("back")) == "back"
        events = events_of(two)
        here.stop()
        assert [event for event in events if isinstance(event, Exited)] == []
        assert there.ask("alive") == "alive"


@in_loop
async def test_two_runtimes_on_one_loop_do_not_meet() -> None:
    """Guards an application that embeds two libraries, each with a runtime of its own."""
    async with stage() as one, stage() as two:
        here, there = await one.runtime.spawn(Player, name="n"), await two.runtime.spawn(Player, name="n")
        assert await here.call(lambda _: there.call("over")) == "over"
        await one.runtime.stop()
        assert not here.is_alive()
        assert await there.call("alive") == "alive"


@in_loop
async def test_the_runtime_stops_every_actor_in_order_the_youngest_tree_first() -> None:
    """Guards an orderly shutdown: stop hooks run, later trees before earlier ones."""
    log: list[str] = []
    async with stage() as w:
        for name in ("a", "b", "c"):
            await w.runtime.spawn(Starter, args={"on_stop": lambda self: log.append(self.path)}, name=name)
    assert log == ["c", "b", "a"]


@in_loop
async def test_a_second_stop_waits_for_the_first() -> None:
    """Guards two who stop at once."""
    async with stage() as w:
        log: list[str] = []
        await w.runtime.spawn(Starter, args={"on_stop": lambda _: log.append("stop")})
        await asyncio.gather(*(_await(w.runtime.stop()) for _ in range(3)))
        assert log == ["stop"]


async def _await(awaitable: Any) -> Any:
    return await awaitable


@in_loop
async def test_a_runtime_told_to_kill_ends_a_stop_that_waits_for_ever() -> None:
    """Guards the second Ctrl-C."""
    async with stage() as w:
        ref = await w.runtime.spawn(Starter, args={"on_stop": forever}, shutdown=None)
        ended = ref.ended()
        stopping = w.runtime.stop()
        await w.settle()
        assert not stopping.done()
        w.runtime.kill()
        await stopping
        assert isinstance(await ended, Killed)


@in_loop
async def test_nothing_can_be_started_while_the_runtime_stops() -> None:
    """Guards the order of the shutdown against a hook that starts more."""
    async with stage() as w:
        refused: list[BaseException] = []

        def spawn_more(self: Any) -> None:
            try:
                self.spawn(Player)
            except RuntimeStopped as error:
                refused.append(error)

        await w.runtime.spawn(Starter, args={"on_stop": spawn_more})
        await w.runtime.stop()
        assert len(refused) == 1


@in_loop
async def test_a_runtime_leaves_nothing_behind_whatever_went_on_in_it() -> None:
    """Guards the promise of the block: no cell, name, timer, task, thread or pending ask survives it."""
    async with stage() as w:
        gate = asyncio.Event()
        tall = await w.runtime.spawn(Player)
        below = await tall.call(lambda self: _await(self.spawn(Player, name="below")))
        threaded = await w.runtime.spawn(Player, host="thread")
        asked = [tall.ask(lambda _: gate.wait(), block=False), tall.ask("waits", block=False)]
        await below.call(lambda self: (self.register("x"), self.join("g"), self.tell_every(5, "tick")))
        threaded.link(below)
        tall.monitor()
        tall.tell(crash(ValueError()))
        await w.settle()
        gate.set()
    for each in asked:
        assert each.done()


@in_loop
async def test_an_exception_in_the_block_stops_the_runtime_all_the_same() -> None:
    """Guards the actors of an application that fails."""
    ref = None
    with pytest.raises(ZeroDivisionError):
        async with Runtime(watchdog=None, log=False) as runtime:
            ref = await runtime.spawn(Player)
            _ = 1 / 0
    assert ref is not None
    assert not ref.is_alive()


def test_an_actor_may_stop_the_runtime_it_lives_in() -> None:
    """Guards programs that end themselves: the one that asks must not wait for itself."""
    with script() as runtime:
        ref = runtime.spawn(Player).get()
        ended = ref.ended()
        ref.tell(lambda self: self.runtime.stop())
        assert isinstance(ended.get(timeout=PATIENCE), Shutdown)


@in_loop
async def test_start_in_an_actor_gives_a_ref_at_once_as_in_pykka() -> None:
    """Guards code written for pykka that starts actors in handlers."""
    async with stage() as w:
        ref = await w.runtime.spawn(Player)
        started = await ref.call(lambda _: Player.start(["before"]))
        assert await started.call("m") == "m"
        assert started.state() == {"seen": ["before", "m"]}


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process of its own, with the packages of this one."""
    prelude = f"import sys; sys.path[:] = {sys.path!r}\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )


FORK = """
import os, sys
from actors import Actor, ActorDeadError, NoProc, Runtime, RuntimeStopped

class Echo(Actor):
    def on_receive(self, message):
        return message

def check(ref, runtime):
    attempts = [lambda: ref.tell(1), lambda: ref.ask(1), lambda: runtime.spawn(Echo), ref.kill, ref.suspend]
    for attempt in attempts:
        try:
            attempt()
        except (ActorDeadError, RuntimeStopped) as error:
            assert "fork" in str(error), error
        else:
            raise AssertionError("no error")
    assert ref.monitor().get(timeout=10).reason == NoProc()
    assert "fork" in str(ref.wait(timeout=10))
    assert ref.stop() is False
    with Runtime(log=False) as mine:
        assert mine.spawn(Echo).get().ask(2) == 2

with Runtime(log=False) as runtime:
    ref = runtime.spawn(Echo, name="n").get()
    assert ref.ask(1) == 1
    child = os.fork()
    if child == 0:
        check(ref, runtime)
        sys.exit(7)  # leaves the block of the parent's runtime, which is not here
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7, status
    assert ref.ask(3) == 3
print("parent fine")
"""


def test_in_a_fork_the_parents_actors_are_gone_and_a_new_runtime_works() -> None:
    """Guards forks: typed errors that say so, instead of a wait for a loop that is in another process."""
    done = run(FORK)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "parent fine\n"


def test_importing_starts_no_thread_and_touches_no_logging() -> None:
    """Guards the importer: nothing runs and nothing is configured until a runtime begins."""
    done = run(
        "import logging, threading; before = logging.root.handlers[:], logging.root.level\n"
        "import actors\n"
        "assert threading.active_count() == 1\n"
        "assert (logging.root.handlers[:], logging.root.level) == before\n"
        "assert logging.getLogger('letitcrash').handlers == []\n"
    )
    assert done.returncode == 0, done.stderr


def test_a_ref_cannot_be_pickled_and_is_its_own_copy() -> None:
    """Guards refs that are sent where they mean nothing: the error says to send the path."""
    import copy
    import pickle

    with script() as runtime:
        ref = runtime.spawn(Player).get()
        with pytest.raises(TypeError, match="path"):
            pickle.dumps(ref)
        assert copy.copy(ref) is ref
        assert copy.deepcopy({"ref": ref})["ref"] is ref


def test_the_constructor_runs_on_the_host_and_knows_its_place() -> None:
    """Guards `__init__`: it runs over there, not in the starter's thread, with ref and path in place."""
    with script() as runtime:

        class Curious(Actor):
            def __init__(self) -> None:
                self.found = (self.path, self.ref.path, self.incarnation, threading.get_ident())

        for host in ("loop", "thread"):
            ref: Any = runtime.spawn(Curious, host=host).get()
            path, ref_path, incarnation, thread = ref.state()["found"]
            assert (path, ref_path, incarnation) == (ref.path, ref.path, 1)
            assert thread != threading.get_ident()
