"""`start`: from a script, from a coroutine, from whatever can be a tree."""

from __future__ import annotations

import asyncio
import re
import signal
import threading
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors import Actor, Killed, NotAnActor, Runtime, RuntimeStopped, Shutdown
from supervisors import ChildStartError, SpecError, SupervisorRef, as_tree, child, start, supervisor
from tests.supervisors.cast import Play, boom, empty_stage, leave, states, threads_named, worker
from tests.support import in_loop


class Echo(Actor):
    """Answers with what it is told."""

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else message


class OldEcho(pykka.ThreadingActor):
    """The same in pykka's own words."""

    def on_receive(self, message: Any) -> Any:
        return message


def test_with_starts_a_tree_and_leaving_the_block_stops_it_in_order() -> None:
    """In a script: a loop in a background thread, and nothing left of it afterwards."""
    play = Play()
    with start(supervisor("root", worker(play, "a"), worker(play, "b")), log=False) as root:
        assert isinstance(root, SupervisorRef)
        assert root.child("a").ask(lambda actor: actor.id, timeout=10) == "a"
        assert play.take() == "+a +b"
    assert play.take() == "-b -a"
    assert not root.is_alive()
    assert threads_named("letitcrash") == []


def test_an_error_in_the_block_stops_the_tree_in_order_and_goes_on() -> None:
    """It is not swallowed, and not replaced."""
    play = Play()
    with pytest.raises(LookupError), start(supervisor("root", worker(play, "a")), log=False):
        raise LookupError("mine")
    assert play.take() == "+a -a"
    assert threads_named("letitcrash") == []


@in_loop
async def test_async_with_uses_the_running_loop() -> None:
    """In a coroutine: no thread at all."""
    play = Play()
    async with start(supervisor("root", worker(play, "a")), log=False, watchdog=None) as root:
        assert await root.child("a").call(lambda _: asyncio.get_running_loop()) is asyncio.get_running_loop()
        assert threads_named("letitcrash") == []
    assert play.take() == "+a -a"


@in_loop
async def test_with_on_a_thread_that_runs_a_loop_says_what_to_write() -> None:
    """It would block the loop it stands on."""
    with pytest.raises(Exception, match="async with"), start(supervisor("root"), log=False):
        pass


@in_loop
async def test_a_given_runtime_is_used_and_goes_on_afterwards() -> None:
    """The tree is one of several things in it."""
    play = Play()
    async with empty_stage() as w:
        other = await w.runtime.spawn(Echo)
        async with start(supervisor("root", worker(play, "a")), runtime=w.runtime) as root:
            assert w.runtime.find("root/a") is root.child("a")
        assert play.take() == "+a -a"
        assert await other.call("there") == "there"


def test_a_given_runtime_in_a_thread_is_used_too() -> None:
    """Blocks wait for what the background loop does."""
    play = Play()
    with Runtime(log=False) as runtime:
        with start(supervisor("root", worker(play, "a")), runtime=runtime) as root:
            assert root.child("a").ask(lambda _: 1, timeout=10) == 1
        assert play.take() == "+a -a"
        assert runtime.running


def test_a_runtime_that_does_not_run_is_a_typed_error() -> None:
    """It says so, instead of waiting for ever."""
    with Runtime(log=False) as runtime:
        pass
    with pytest.raises(RuntimeStopped), start(supervisor("root"), runtime=runtime):
        pass


def test_a_failing_start_raises_at_the_with_statement_and_leaves_nothing() -> None:
    """Rule 2, as a script sees it."""
    play = Play()
    play.starts["b"] = boom
    with (
        pytest.raises(ChildStartError, match="root/b") as caught,
        start(supervisor("root", worker(play, "a"), worker(play, "b")), log=False),
    ):
        raise AssertionError("never entered")
    assert isinstance(caught.value.__cause__, ValueError)
    assert play.take() == "+a -a"
    assert threads_named("letitcrash") == []


def test_a_class_is_a_tree_of_one_actor() -> None:
    """Named after the class, under a supervisor `root`."""
    with start(Echo, log=False) as root:
        assert root.path == "root"
        assert root.child("echo").ask("hi", timeout=10) == "hi"


def test_a_pykka_class_is_a_tree_too() -> None:
    """Unchanged."""
    with start(OldEcho, log=False) as root:
        assert root.child("oldecho").ask("hi", timeout=10) == "hi"


@pytest.mark.parametrize("restart", ["transient", "temporary"])
@in_loop
async def test_a_bare_spec_is_a_tree_that_ends_with_its_only_child(restart: Any) -> None:
    """A script waits for its one worker, and is done."""
    play = Play()
    async with empty_stage() as w:
        root = await start(worker(play, "a", restart=restart), runtime=w.runtime).__aenter__()
        root.child("a").tell(leave)
        assert await root.ended() == Shutdown("auto_shutdown")


@in_loop
async def test_a_bare_spec_of_a_permanent_child_is_restarted_for_ever() -> None:
    """Its end never comes."""
    play = Play()
    async with empty_stage() as w:
        root = await start(worker(play, "a"), runtime=w.runtime).__aenter__()
        root.child("a").tell(leave)
        await w.settle()
        assert await states(root) == {"a": "running"}


@pytest.mark.parametrize("wrong", [int, dict, Exception], ids=lambda kind: kind.__name__)
def test_a_class_that_is_no_actor_is_refused(wrong: type) -> None:
    """Before anything starts."""
    with pytest.raises(NotAnActor):
        start(wrong)
    assert threads_named("letitcrash") == []


TOML = """
id = "root"
strategy = "rest_for_one"

[[children]]
id = "echo"
start = "tests.supervisors.supervisor.test_starting_a_tree:Echo"

[[children]]
id = "inner"
children = [{ id = "old", start = "tests.supervisors.supervisor.test_starting_a_tree:OldEcho" }]
"""

YAML = """
id: root
strategy: rest_for_one
children:
  - id: echo
    start: tests.supervisors.supervisor.test_starting_a_tree:Echo
  - id: inner
    children:
      - {id: old, start: "tests.supervisors.supervisor.test_starting_a_tree:OldEcho"}
"""


@pytest.mark.parametrize(("name", "text"), [("tree.toml", TOML), ("tree.yaml", YAML), ("tree.yml", YAML)])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_is_a_tree(tmp_path: Path, name: str, text: str, kind: Any) -> None:
    """TOML and YAML say the same, by string and by path."""
    file = tmp_path / name
    file.write_text(text)
    with start(kind(file), log=False) as root:
        assert root.child("echo").ask("hi", timeout=10) == "hi"
        assert root.child("inner/old").ask("ho", timeout=10) == "ho"
        assert root.which_children().get(timeout=10)[0].spec.id == "echo"


def test_a_file_that_is_not_there_is_a_spec_error_with_its_name(tmp_path: Path) -> None:
    """Before anything starts."""
    with pytest.raises(SpecError, match=r"nowhere\.toml.*cannot be read"):
        start(tmp_path / "nowhere.toml")
    assert threads_named("letitcrash") == []


@pytest.mark.parametrize("tree", [None, 3])
def test_what_is_no_tree_is_refused_with_its_value(tree: Any) -> None:
    """Before anything is started."""
    with pytest.raises(SpecError, match=re.escape(f"{tree!r}: not a tree")):
        start(tree)


def test_a_function_that_builds_a_tree_is_to_be_called() -> None:
    """The easiest thing to forget."""
    with pytest.raises(SpecError, match="call the function that builds the spec"):
        start(lambda: supervisor("root"))


def test_as_tree_takes_a_supervisor_as_it_is() -> None:
    """Nothing is wrapped twice."""
    spec = supervisor("mine", child("a", Echo))
    assert as_tree(spec) is spec


def test_wait_returns_when_the_tree_ends_by_itself() -> None:
    """A script says `root.wait()` and goes on when the work is done."""
    with start(child("a", Echo, restart="transient"), log=False) as root:
        assert root.wait(timeout=0) is None
        root.child("a").tell(leave)
        assert root.wait(timeout=10) == Shutdown("auto_shutdown")
    assert root.wait() == Shutdown("auto_shutdown")


# Ctrl-C, which Python raises as KeyboardInterrupt in the main thread


def ctrl_c(_: object = None) -> None:
    """What a terminal does, from another thread: it breaks into what the main thread waits for."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_ctrl_c_in_the_block_stops_the_tree_in_order() -> None:
    """One Ctrl-C is an order to shut down."""
    play = Play()
    with pytest.raises(KeyboardInterrupt), start(supervisor("root", worker(play, "a"), worker(play, "b")), log=False):
        raise KeyboardInterrupt
    assert play.take() == "+a +b -b -a"


def test_ctrl_c_while_the_block_waits_stops_the_tree_in_order() -> None:
    """It interrupts `root.wait()`."""
    play = Play()

    def waits() -> None:
        with start(supervisor("root", worker(play, "a")), log=False) as root:
            root.child("a").tell(ctrl_c)
            root.wait()

    with pytest.raises(KeyboardInterrupt):
        waits()
    assert play.take() == "+a -a"


async def interrupted_for_ever(_: Any) -> None:
    """A stop in which a Ctrl-C comes, and which never ends."""
    ctrl_c()
    await asyncio.get_running_loop().create_future()


def test_a_second_ctrl_c_kills_what_does_not_stop() -> None:
    """No more patience: a child that would never stop is killed, and the process is free."""
    play = Play()
    play.stops["a"] = interrupted_for_ever
    tree = supervisor("root", worker(play, "a", shutdown="infinity"))
    with pytest.raises(KeyboardInterrupt), start(tree, log=False) as root:
        raise KeyboardInterrupt
    assert isinstance(root.wait(), Killed)
    assert threads_named("letitcrash") == []


def test_a_ctrl_c_while_the_kill_is_asked_for_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards an impatient user: the tree ran on, and the block was left as if it had ended."""
    play, kill, asked = Play(), Runtime.kill, []

    def interrupted(runtime: Runtime) -> None:
        asked.append(runtime)
        if len(asked) <= 2:
            raise KeyboardInterrupt
        kill(runtime)

    monkeypatch.setattr(Runtime, "kill", interrupted)
    play.stops["a"] = interrupted_for_ever
    tree = supervisor("root", worker(play, "a", shutdown="infinity"))
    with pytest.raises(KeyboardInterrupt), start(tree, log=False) as root:
        raise KeyboardInterrupt
    assert isinstance(root.wait(), Killed)
    assert threads_named("letitcrash") == []


def test_ctrl_c_during_the_start_undoes_it() -> None:
    """What has started stops, and nothing is left."""
    play = Play()

    async def slow(_: Any) -> None:
        ctrl_c()
        await asyncio.get_running_loop().create_future()

    play.starts["b"] = slow
    tree = supervisor("root", worker(play, "a"), worker(play, "b", shutdown="brutal_kill"))
    with pytest.raises(KeyboardInterrupt), start(tree, log=False):
        raise AssertionError("never entered")
    assert play.take() == "+a -a"
    assert threads_named("letitcrash") == []


def test_two_trees_in_two_runtimes_live_side_by_side() -> None:
    """The same ids and names in both; refs of one are used from the other."""
    first, second = Play(), Play()
    with (
        start(supervisor("root", worker(first, "a", name="one")), log=False) as one,
        start(supervisor("root", worker(second, "a", name="one")), log=False) as two,
    ):
        one.child("a").ask(lambda _: two.child("a").tell("from one"), timeout=10)
        two.child("a").ask(lambda _: None, timeout=10)
        assert second.seen == [("a", 1, "from one")]
        one.child("a").kill()
        assert two.child("a").incarnation == 1
