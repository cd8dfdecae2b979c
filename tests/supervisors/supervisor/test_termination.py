"""SIGTERM in a program with `start`: the block is left, and the tree stops in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import actors
from actors import Actor, Runtime
from supervisors import SpecError, child, start, supervisor
from supervisors._supervisor.signals import ECHO, Termination
from tests import forked

HOME = str(Path(actors.__file__).parents[1])
HEAD = """
    import asyncio, os, signal, sys, threading
    from actors import Actor
    from supervisors import child, start, supervisor

    def say(text):
        print(text, flush=True)

    def send():
        os.kill(os.getpid(), signal.SIGTERM)

    class Quiet(Actor):
        async def on_stop(self):
            await asyncio.sleep(0)
            say(f"{self.path} stopped")

    class Stubborn(Actor):
        async def on_stop(self):
            say(f"{self.path} stops")
            await asyncio.Event().wait()

    tree = supervisor("root", child("a", Quiet), child("b", Quiet))
    stubborn = supervisor("root", child("a", Quiet), child("b", Stubborn, shutdown="infinity"))
"""
SYNC = """
    def main(tree, **options):
        with start(tree, log=False, **options) as root:
            say("up")
            root.ended().get()
        say("after the block")
"""
ASYNC = """
    async def block(tree, **options):
        async with start(tree, log=False, **options) as root:
            say("up")
            await root.ended()
        say("after the block")

    def main(tree, **options):
        asyncio.run(block(tree, **options))
"""


class Program:
    """A script that runs, line by line."""

    def __init__(self, *parts: str) -> None:
        code = "".join(map(textwrap.dedent, parts))
        environment = {**os.environ, "PYTHONPATH": HOME}
        self.process = forked.start(["-c", code], env=environment, stdout=forked.PIPE, stderr=forked.PIPE)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> tuple[int, list[str], str]:
        """Its exit code, the rest of its output, and what it said on stderr."""
        output, errors = self.process.communicate(timeout=60)
        return self.process.wait(), output.splitlines(), errors


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


both = pytest.mark.parametrize("kind", [SYNC, ASYNC], ids=["with", "async with"], indirect=True)


@both
def test_sigterm_stops_the_tree_in_order_and_exits_with_143(kind: str) -> None:
    """Guards a container: without it no `on_stop` runs."""
    program = Program(HEAD, kind, "main(tree)")
    assert program.line() == "up"
    program.terminate()
    assert program.end() == (143, ["root/b stopped", "root/a stopped"], "")


@both
def test_sigterm_during_the_start_stops_what_has_started(kind: str) -> None:
    """The child that starts sends it itself, and would never be up."""
    starting = """
    class Starting(Actor):
        async def on_start(self):
            send()
            await asyncio.Event().wait()

    main(supervisor("root", child("a", Quiet), child("b", Starting, start_timeout=None, shutdown="brutal_kill")))
    """
    assert Program(HEAD, kind, starting).end() == (143, ["root/a stopped"], "")


@both
def test_a_second_sigterm_kills_a_tree_that_does_not_stop(kind: str) -> None:
    """It counts when it is no echo of the first; here every signal counts."""
    program = Program(HEAD, "import supervisors._supervisor.signals as s; s.ECHO = 0\n", kind, "main(stubborn)")
    assert program.line() == "up"
    program.terminate()
    assert program.line() == "root/b stops"
    program.terminate()
    assert program.end() == (143, [], "")


@both
def test_a_second_sigterm_at_once_is_the_same_order(kind: str) -> None:
    """GNU timeout signals the process and its group. Here the second one always comes within `ECHO`."""
    echo = """
    import supervisors._supervisor.signals as s
    s.ECHO = 1e9

    class Echo(Quiet):
        async def on_stop(self):
            send()
            await super().on_stop()

    main(supervisor("root", child("a", Quiet), child("b", Echo)))
    """
    program = Program(HEAD, kind, echo)
    assert program.line() == "up"
    program.terminate()
    assert program.end() == (143, ["root/b stopped", "root/a stopped"], "")


@both
def test_a_third_sigterm_ends_the_process_as_without_a_handler(kind: str) -> None:
    """Guards a thread that cannot be killed."""
    stuck = """
    import supervisors._supervisor.signals as s
    s.ECHO = 0

    class Stuck(Actor):
        def on_stop(self):
            say("stuck")
            while True:
                try:
                    threading.Event().wait()
                except BaseException:
                    pass

    main(supervisor("root", child("a", Stuck, host="thread", shutdown="infinity")), kill_grace=1000.0)
    """
    program = Program(HEAD, kind, stuck)
    assert program.line() == "up"
    program.terminate()
    assert program.line() == "stuck"
    while program.process.poll() is None:
        program.terminate()
    assert program.end()[0] == -signal.SIGTERM


def test_a_body_that_catches_the_exit_ends_with_it_all_the_same() -> None:
    """The order is not lost."""
    code = """
    with start(tree, log=False):
        try:
            send()
            threading.Event().wait()
        except SystemExit:
            say("caught")
    say("after the block")
    """
    assert Program(HEAD, code).end() == (143, ["caught", "root/b stopped", "root/a stopped"], "")


@both
def test_a_handler_of_the_program_stays_and_is_called(kind: str) -> None:
    """As of a web server that has a tree in it."""
    code = "signal.signal(signal.SIGTERM, lambda *_: os._exit(7)); main(tree)"
    program = Program(HEAD, kind, code)
    assert program.line() == "up"
    program.terminate()
    assert program.end() == (7, [], "")


def test_the_clean_up_of_the_program_around_the_block_runs() -> None:
    """SIGTERM is an exception in the block, so `finally` and the blocks around it come in order."""
    code = """
    try:
        with start(supervisor("outer", child("a", Quiet)), log=False), start(tree, log=False):
            send()
            threading.Event().wait()
    finally:
        say("cleaned up")
    """
    said = ["root/b stopped", "root/a stopped", "outer/a stopped", "cleaned up"]
    assert Program(HEAD, code).end() == (143, said, "")


@both
def test_a_fork_of_the_program_ends_by_sigterm_at_once(kind: str) -> None:
    """Guards `Process.terminate()` of a worker that was forked inside of the block: it has no tree to stop."""
    code = """
    class Forking(Quiet):
        async def on_continue(self):
            child = os.fork()
            if child == 0:
                send()
                os._exit(0)
            _, status = os.waitpid(child, 0)
            say(f"child {os.waitstatus_to_exitcode(status)}")
            self.stop()

    main(child("a", Forking, restart="transient"))  # ends with it
    """
    exit, output, errors = Program(HEAD, kind, code).end()
    assert (exit, errors) == (0, "")
    assert "child -15" in output


# In this process


class Quiet(Actor):
    """Waits for messages."""


TREE = supervisor("root", child("a", Quiet))


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    yield
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def handler() -> Any:
    return signal.getsignal(signal.SIGTERM)


def test_sigterm_has_its_default_again_after_the_block() -> None:
    """Also when the start fails."""
    with start(TREE, log=False):
        assert callable(handler())
    assert handler() is signal.SIG_DFL

    class Broken(Actor):
        def on_start(self) -> None:
            raise ValueError("broken")

    with pytest.raises(actors.ActorError), start(supervisor("root", child("a", Broken)), log=False):
        pass
    assert handler() is signal.SIG_DFL


def test_a_handler_that_is_set_in_the_block_stays() -> None:
    """It is the program's."""

    def mine(number: int, frame: FrameType | None) -> None: ...

    with start(TREE, log=False):
        signal.signal(signal.SIGTERM, mine)
    try:
        assert handler() is mine
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.mark.parametrize("wanted", [None, False])
def test_a_block_with_a_runtime_of_the_caller_takes_no_signal(wanted: bool | None) -> None:
    """Whoever made the runtime stops it; so does one with signals=False."""
    with Runtime(log=False) as runtime, start(TREE, runtime, signals=wanted):
        assert handler() is signal.SIG_DFL
    with start(TREE, signals=False, log=False):
        assert handler() is signal.SIG_DFL


def test_signals_true_takes_it_with_a_runtime_of_the_caller_too() -> None:
    """And inside of another block, which takes it already."""
    with Runtime(log=False) as runtime, start(TREE, runtime, signals=True):
        before = handler()
        assert callable(before)
        with start(TREE, signals=True, log=False):
            assert handler() == before


def test_signals_true_is_an_error_where_it_cannot_be() -> None:
    """In another thread, or beside a handler of the program; by default neither is touched."""

    def block(signals: bool | None) -> str:
        try:
            with start(TREE, signals=signals, log=False):
                return "up"
        except SpecError as error:
            return str(error)

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend([block(None), block(True)]))
    with start(TREE, log=False):  # which takes the signal, but leaves no block of another thread
        thread.start()
        thread.join()
    assert found[0] == "up"
    assert "start(): signals=True: signals arrive in the main thread only" in found[1]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        assert block(None) == "up"
        assert "start(): signals=True: SIGTERM has the handler" in block(True)
        assert handler() is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_an_async_block_in_another_thread_takes_no_signal() -> None:
    """Its loop cannot hear of any."""

    async def block() -> None:
        async with start(TREE, log=False):
            assert handler() is signal.SIG_DFL

    thread = threading.Thread(target=lambda: asyncio.run(block()))
    thread.start()
    thread.join()


def test_the_second_signal_kills_once_it_is_no_echo() -> None:
    """The first one leaves the block, those within half a second of it do nothing, and the next one kills."""
    done: list[str] = []
    now = [0.0]
    termination = Termination(None, default=True, clock=lambda: now[0])
    termination.install(lambda: done.append("leave"), lambda: done.append("kill"))
    for now[0] in (1.0, 1.0, 1.0 + ECHO / 2):
        signal.raise_signal(signal.SIGTERM)
        assert done == ["leave"]
    now[0] = 1.0 + ECHO
    signal.raise_signal(signal.SIGTERM)
    assert done == ["leave", "kill"]
    assert handler() is signal.SIG_DFL, "the next one ends the process"


def test_a_signal_while_the_block_is_left_does_not_leave_it_again() -> None:
    """An exception there would keep the tree from its stop."""
    done: list[str] = []
    termination = Termination(None, default=True)

    def leaving() -> None:
        signal.raise_signal(signal.SIGTERM)

    termination.install(lambda: done.append("leave"), lambda: done.append("kill"), leaving.__code__)
    leaving()
    termination.uninstall()
    assert termination.came
    assert done == []


def sent_at(number: int) -> tuple[int, BaseException | None, bool]:
    """Runs a block, with a SIGTERM at the line of this number of those that enter and leave it. Returns how many lines
    there were with a handler, what the block raised, and whether its runtime still runs.
    """
    context = start(TREE, log=False)
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:  # Python runs no handler between a return and the caller
        nonlocal lines
        if frame.f_code.co_filename != start.__code__.co_filename:
            return None
        if event in ("call", "line") and handler() is not signal.SIG_DFL:
            lines += 1
            if lines == number:
                signal.raise_signal(signal.SIGTERM)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with context:
            pass
    except BaseException as error:  # noqa: BLE001 - it is looked at
        return lines, error, context.runtime.running
    finally:
        sys.settrace(before)
    return lines, None, context.runtime.running


def test_a_signal_at_any_line_of_entering_or_leaving_stops_the_tree() -> None:
    """Guards the edges of the block: an exception there would leave the tree running."""
    lines, error, runs = sent_at(0)
    assert (error, runs) == (None, False)
    assert lines > 10
    for number in range(1, lines + 1):
        _, error, runs = sent_at(number)
        assert isinstance(error, SystemExit), number
        assert (error.code, runs) == (143, False), number
