"""A process that the code of an actor forks: it ends with that code, and never runs the actors of its parent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.actors.place import cast
from tests.actors.place.cast import placed, tree
from tests.support import in_loop

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, os, sys
from actors import Actor
from supervisors import child, start, supervisor

host, how, hook, is_async = sys.argv[1:]


class Forker(Actor):
    def on_start(self):
        if hook == "on_start" and self.incarnation == 2:
            self.fork()

    def on_receive(self, message):
        if message == "crash":
            raise KeyError
        if message != "fork":
            return message
        self.sibling("other").tell("waits in the queue of the loop")
        self.fork()

    def fork(self):
        pid = os.fork()
        if pid == 0:
            self.in_the_child()
            return
        os.write(1, f"ended with {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\\n".encode())

    def in_the_child(self):
        os.write(1, b"forked\\n")
        if how == "exits":
            sys.exit(5)
        if how == "execs":
            os.execvp("there-is-no-such-program", ["it"])


class Awaits(Forker):
    async def on_receive(self, message):
        if message != "fork":
            return super().on_receive(message)
        self.sibling("other").tell("waits in the queue of the loop")
        await asyncio.sleep(0)
        pid = os.fork()
        if pid == 0:
            self.in_the_child()
            if how == "awaits":
                await asyncio.sleep(0)
            return
        os.write(1, f"ended with {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\\n".encode())


class Other(Actor):
    def on_receive(self, message):
        os.write(1, b"heard\\n")


tree = supervisor(
    "root",
    child("forker", Awaits if is_async == "async" else Forker, host=host, backoff=None),
    child("other", Other),
)
with start(tree, log=False) as root:
    forker = root.child("forker")
    if hook == "on_start":
        forker.tell("crash")
    else:
        forker.ask("fork", timeout=60)
    assert forker.ask("goes on", timeout=60) == "goes on"
"""


def run(*args: str) -> tuple[list[str], str]:
    """The lines of a program with these arguments, and what it has said to stderr."""
    prelude = f"import sys; sys.path[:] = {sys.path!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", prelude + PROGRAM, *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize(("how", "status"), [("returns", 0), ("exits", 5), ("execs", 1)])
@pytest.mark.parametrize(("host", "kind"), [("loop", "plain"), ("thread", "plain"), ("loop", "async")])
def test_a_process_that_an_actor_forks_ends_with_its_handler(host: str, kind: str, how: str, status: int) -> None:
    """Guards the parent: the fork lived on with a copy of its event loop, and the handler waited for its end."""
    said, errors = run(host, how, "on_receive", kind)
    assert sorted(said) == [f"ended with {status}", "forked", "heard"]
    assert ("FileNotFoundError" in errors) is (how == "execs")


@pytest.mark.parametrize("host", ["loop", "thread"])
def test_a_process_that_a_hook_forks_ends_with_it(host: str) -> None:
    """The status is that of the exit."""
    said, _ = run(host, "exits", "on_start", "plain")
    assert said == ["forked", "ended with 5"]


def test_a_handler_that_awaits_in_its_fork_ends_it_with_an_error() -> None:
    """Guards against an end in silence: what follows the `await` never runs."""
    said, errors = run("loop", "awaits", "on_receive", "async")
    assert sorted(said) == ["ended with 1", "forked", "heard"]
    assert "end the fork with os._exit() before that" in errors


@in_loop
async def test_a_process_that_a_placed_actor_forks_says_nothing_to_the_program() -> None:
    """Guards the link: its crash was taken for one of the actor."""
    async with tree(placed()) as (_, root):
        a = root.child("a")
        before = await a.call(cast.pid)
        assert await a.call(cast.fork_and_exit) == 4
        assert await a.call(cast.pid) == before
