"""A function is a child: it runs in every incarnation, returning is `normal`, raising a crash."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import (
    Abandoned,
    Actor,
    Crashed,
    DeadLetter,
    HandlerTimeout,
    HookFailed,
    NoMailbox,
    NotInRuntime,
    Runtime,
    Shutdown,
    UnhandledMessage,
    current_ref,
    sleep,
    stop_requested,
    wait_for_stop,
)
from actors.testing import simulation
from supervisors import (
    ChildStartError,
    Spec,
    SpecError,
    as_tree,
    check,
    child,
    constant,
    dynamic_supervisor,
    load_tree,
    parse_tree,
    partition_supervisor,
    start,
    supervisor,
)
from tests.supervisors.cast import PATIENCE

log: list[Any] = []


@pytest.fixture(autouse=True)
def _empty() -> None:
    log.clear()


async def poll(name: str = "poll", every: float = 1) -> None:
    """Works until it is cancelled."""
    try:
        while True:
            await asyncio.sleep(every)
            log.append(name)
    finally:
        log.append(f"{name} ended")


def watch(name: str = "watch") -> None:
    """Works in a thread until it is told to stop."""
    while not wait_for_stop(1):
        log.append(name)
    log.append(f"{name} ended")


async def once(value: object = "ran") -> object:
    log.append(value)
    return value


def once_in_thread(value: object = "ran") -> object:
    log.append(value)
    return value


async def fails(error: BaseException) -> None:
    await asyncio.sleep(1)
    raise error


def fails_in_thread(error: BaseException) -> None:
    wait_for_stop(1)
    raise error


class Callable_:
    """An object that can be called, plain or `async`."""

    async def __call__(self) -> None:
        await poll("object")

    async def method(self) -> None:
        await poll("method")


FORMS: dict[str, Any] = {
    "async def": poll,
    "partial": functools.partial(poll, "partial"),
    "method": Callable_().method,
    "object": Callable_(),
    "plain": watch,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_function_runs_as_a_child_until_it_is_told_to_stop(form: str) -> None:
    """On the loop or in a thread; its end is that of an orderly stop."""
    name = form if form in ("partial", "method", "object") else "watch" if form == "plain" else "poll"
    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", FORMS[form])))
        sim.advance(2.5)
        assert log == [name, name]
        root.terminate_child("f").get()
        assert log == [name, name, f"{name} ended"]
        assert sim.now == 2.5


@pytest.mark.parametrize("args", [("a", 2), {"name": "a", "every": 2}])
def test_arguments_reach_the_function_in_every_incarnation(args: Any) -> None:
    """By position or by name."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", poll, args=args, backoff=None)))
        sim.advance(3)
        root.child("f").kill()
        sim.advance(3)
        assert log == ["a", "a ended", "a"]


@pytest.mark.parametrize("function", [once, once_in_thread])
@pytest.mark.parametrize(("restart", "runs"), [("permanent", 3), ("transient", 1), ("temporary", 1)])
def test_a_function_that_returns_has_ended_normally(function: Any, restart: Any, runs: int) -> None:
    """Only a permanent child runs again (rule 5)."""
    tree = supervisor("root", child("f", function, restart=restart, backoff=constant(10)), max_restarts=None)
    with simulation() as sim:
        root = sim.start(tree)
        sim.advance(25)
        assert log == ["ran"] * runs
        assert root.is_alive()


@pytest.mark.parametrize("error", [OSError("disk"), SystemExit(2)], ids=repr)
@pytest.mark.parametrize("function", [fails, fails_in_thread])
@pytest.mark.parametrize(("restart", "runs"), [("permanent", 2), ("transient", 2), ("temporary", 1)])
def test_a_function_that_raises_crashes(function: Any, restart: Any, runs: int, error: BaseException) -> None:
    """`SystemExit` too, and no other child is disturbed."""
    tree = supervisor("root", child("f", function, args=[error], restart=restart, backoff=None), child("other", poll))
    with simulation() as sim:
        root = sim.start(tree)
        sim.advance(1.5)
        if runs == 2:
            assert root.child("f").incarnation == 2
        else:
            assert [info.id for info in root.which_children().get()] == ["other"]
        assert root.child("other").incarnation == 1


@pytest.mark.parametrize("function", [poll, watch])
def test_messages_to_a_function_are_dead_letters_at_once(function: Any) -> None:
    """An asker is told that it takes none, whether the function runs, is restarted or has ended."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", function)))
        ref = root.child("f")
        sim.settle()
        with pytest.raises(NoMailbox, match="root/f takes no messages, got str") as caught:
            ref.ask("hello", timeout=5)
        assert isinstance(caught.value, UnhandledMessage)
        ref.tell("hello")
        sim.settle()
        assert sim.now == 0
        letters = [event for event in sim.runtime.lifecycle if isinstance(event, DeadLetter)]
        assert [(each.message, each.reason) for each in letters] == [("hello", "unhandled")] * 2


@pytest.mark.parametrize("function", [poll, watch])
def test_stop_of_the_ref_ends_a_function_at_once(function: Any) -> None:
    """No message can be ahead of it in the queue; a permanent child runs again."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", function, backoff=None)))
        ref = root.child("f")
        sim.settle()
        down = ref.monitor()
        ref.stop(block=False)
        sim.settle()
        assert isinstance(down.get().reason, Shutdown)
        assert ref.incarnation == 2


def test_an_async_function_has_the_shutdown_to_end_after_its_cancellation() -> None:
    """Then it is killed, and after the grace of a kill left behind."""
    release: list[bool] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(3)
            log.append("flushed")

    async def refuses() -> None:
        while not release:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    with simulation() as sim:
        root = sim.start(supervisor("root", child("slow", slow), child("refuses", refuses, shutdown=2)))
        sim.settle()
        root.terminate_child("slow")
        root.terminate_child("refuses").get()
        assert sim.now == 2 + sim.runtime.kill_grace
        sim.advance(1)
        assert log == ["flushed"]
        assert [event.path for event in sim.runtime.lifecycle if isinstance(event, Abandoned)] == ["root/refuses"]
        release.append(True)
        sim.advance(2)


def test_a_plain_function_that_does_not_ask_is_left_behind() -> None:
    """As every stuck thread, after its `shutdown` and the grace of a kill."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", threading.Event().wait, args=[100], shutdown=2)))
        sim.settle()
        root.terminate_child("f").get()
        assert sim.now == 2 + sim.runtime.kill_grace
        assert [event.what for event in sim.runtime.lifecycle if isinstance(event, Abandoned)] == ["thread"]
        sim.advance(200)


@pytest.mark.parametrize("how", ["crash of a sibling", "kill", "terminate"])
def test_a_function_in_a_thread_hears_of_every_end(how: str) -> None:
    """Of a restart of its group, of a kill, of an order to stop: it can return, and no thread is left."""

    class Sibling(Actor):
        def on_receive(self, message: Any) -> None:
            raise OSError

    children: list[Spec] = [child("f", watch, backoff=None), child("sibling", Sibling, backoff=None)]
    with simulation() as sim:
        root = sim.start(supervisor("root", *children, strategy="one_for_all"))
        sim.advance(1.5)
        match how:
            case "crash of a sibling":
                root.child("sibling").tell("x")
            case "kill":
                root.child("f").kill()
            case _:
                root.terminate_child("f")
        sim.settle()
        assert log == ["watch", "watch ended"]
        assert not [event for event in sim.runtime.lifecycle if isinstance(event, Abandoned)]


def test_stop_requested_is_true_from_the_order_to_stop_on() -> None:
    """In code of an actor as well; outside of actors it is False."""
    seen: list[bool] = []
    entered, gate = threading.Event(), threading.Event()

    def works() -> None:
        seen.append(stop_requested())
        entered.set()
        assert gate.wait(PATIENCE)
        seen.append(stop_requested())

    assert not stop_requested()
    with start(supervisor("root", child("f", works)), log=False) as root:
        assert entered.wait(PATIENCE)
        stopped = root.terminate_child("f")
        root.which_children().get(timeout=PATIENCE)  # by now the order has reached it
        gate.set()
        stopped.get(timeout=PATIENCE)
    assert seen == [False, True]


def test_wait_for_stop_is_for_threads_of_actors() -> None:
    """Elsewhere it would wait for nothing that can come, or hold a loop."""

    async def blocks() -> None:
        wait_for_stop(1)

    with pytest.raises(NotInRuntime, match="wait_for_stop"):
        wait_for_stop(1)
    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", blocks, restart="transient", backoff=None), max_restarts=0))
        reason = root.ended()
        sim.settle()
        assert "await actors.sleep(seconds)" in str(reason.get())


def test_wait_for_stop_without_a_limit_waits_until_the_order() -> None:
    """In a real thread; in an actor's handler, too."""
    told: list[bool] = []

    class Waits(Actor):
        host = "thread"

        def on_receive(self, message: Any) -> None:
            entered.set()
            told.append(wait_for_stop())

    entered = threading.Event()
    with Runtime(log=False) as runtime:
        ref = runtime.spawn(Waits).get(timeout=PATIENCE)
        ref.tell("x")
        assert entered.wait(PATIENCE)
        ref.stop(drain=False, timeout=PATIENCE)
    assert told == [True]


def test_a_function_knows_its_actor_and_the_clock_of_its_runtime() -> None:
    """`current_ref`, and `sleep` in virtual time."""

    async def looks() -> None:
        await sleep(3600)
        ref = current_ref()
        assert ref is not None
        log.append((ref.path, ref.incarnation))

    with simulation() as sim:
        sim.start(supervisor("root", child("f", looks, restart="temporary")))
        sim.advance(3601)
        assert log == [("root/f", 1)]


def test_what_a_function_raises_after_the_order_to_stop_is_an_event() -> None:
    """Its exit stays that of the order; nothing is lost in silence."""

    async def raises() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("while ending")

    def raises_in_thread() -> None:
        wait_for_stop()
        raise LookupError("while ending")

    for function in (raises, raises_in_thread):
        with simulation() as sim:
            root = sim.start(supervisor("root", child("f", function)))
            sim.settle()
            root.terminate_child("f").get()
            (event,) = [event for event in sim.runtime.lifecycle if isinstance(event, HookFailed)]
            assert str(event.error) == "while ending"


@given(
    functions=st.lists(st.sampled_from([poll, watch]), min_size=1, max_size=4),
    order=st.lists(st.tuples(st.sampled_from(["kill", "stop", "wait"]), st.integers(0, 3)), max_size=8),
)
def test_a_stopped_tree_leaves_no_function_running(functions: list[Any], order: list[tuple[str, int]]) -> None:
    """Whatever happens to functions meanwhile: each that began has ended, and nothing is left."""
    log.clear()
    begun: list[str] = []

    def tracked(function: Any, name: str) -> Any:
        @functools.wraps(function)
        def run(*args: Any) -> Any:
            begun.append(name)
            return function(name)

        return run

    specs = [child(str(n), tracked(function, str(n)), backoff=None) for n, function in enumerate(functions)]
    with simulation() as sim:
        root = sim.start(supervisor("root", *specs, max_restarts=None))
        for what, number in order:
            ref = root.child(str(number % len(functions)))
            if what == "kill":
                ref.kill()
            elif what == "stop":
                ref.stop(block=False)
            sim.advance(0.7)
    ended = [each.removesuffix(" ended") for each in log if each.endswith(" ended")]
    assert sorted(ended) == sorted(begun)


# What is refused


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@contextlib.contextmanager
def plain_context() -> Iterator[int]:
    yield 1


class PlainContext:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


class Echo(Actor):
    """An actor class."""


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "called": (lambda: once(), "was called already: give the function itself, and its arguments in `args`"),
    "generator function": (lambda: generator, "loop in a plain or `async def` function"),
    "generator": (lambda: generator(), "was called already"),
    "async generator": (lambda: async_generator, "decorate it with contextlib.asynccontextmanager"),
    "@contextmanager": (lambda: plain_context, "use contextlib.asynccontextmanager"),
    "plain context": (lambda: PlainContext, "is a class of plain context managers"),
    "made context": (lambda: contextlib.AsyncExitStack(), "made already, which every incarnation needs anew"),
    "partial class": (lambda: functools.partial(Echo), "give the class, and its arguments in `args`"),
    "class": (lambda: dict, "is not an actor class"),
    "value": (lambda: 7, "must be an actor class, an `async def` or plain function"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_to_be_started_says_what_to_write_instead(what: str) -> None:
    """In code."""
    make, message = WRONG[what]
    start = make()
    with pytest.raises(SpecError) as caught:
        child("f", start)
    assert message in str(caught.value)
    if asyncio.iscoroutine(start):
        start.close()


def test_options_that_mean_nothing_to_a_function_are_refused_together() -> None:
    """It takes no messages; a plain one would block the loop."""
    with pytest.raises(SpecError) as caught:
        child("f", watch, host="loop", redeliver=1, mailbox="drop")
    assert [fault.message.partition(" with ")[0] for fault in caught.value.faults] == [
        "host='loop'",
        "redeliver=1",
        "mailbox",
    ]


@pytest.mark.parametrize("function", [poll, watch])
def test_arguments_that_do_not_fit_fail_the_start(function: Any) -> None:
    """The tree does not come up, rather than crash again and again."""
    with simulation() as sim, pytest.raises(ChildStartError, match="too many positional arguments"):
        sim.start(supervisor("root", child("f", function, args=[1, 2, 3])))


def test_a_function_that_returns_a_spec_or_a_context_is_a_mistake() -> None:
    """It was meant to be called, or to be the factory of a resource."""

    async def tree() -> Spec:
        return supervisor("inner")

    def connect() -> Any:
        return contextlib.AsyncExitStack()

    for function, message in ((tree, "call it to build the tree"), (connect, "functools.partial of it")):
        with simulation() as sim:
            root = sim.start(supervisor("root", child("f", function), max_restarts=0))
            reason = root.ended()
            sim.settle()
            assert message in str(reason.get())


# Files, trees, templates


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of the user's."""
    made = ModuleType("users_functions")
    made.__dict__.update(poll=poll, watch=watch, generator=generator, ran=once)
    monkeypatch.setitem(sys.modules, "users_functions", made)
    return made


@pytest.mark.usefixtures("module")
def test_functions_come_from_files(tmp_path: Path) -> None:
    """`start = "module:function"`; `check` looks whether it can run."""
    file = tmp_path / "tree.toml"
    file.write_text(
        'id = "root"\n[[children]]\nid = "poll"\nstart = "users_functions:poll"\nargs = ["p", 1]\n'
        '[[children]]\nid = "watch"\nstart = "users_functions:watch"\n'
    )
    tree = load_tree(file)
    assert check(tree).errors == ()
    with simulation() as sim:
        sim.start(tree)
        sim.advance(1.5)
        assert sorted(log) == ["p", "watch"]


@pytest.mark.usefixtures("module")
def test_check_says_what_a_function_in_a_file_cannot_do() -> None:
    """Which is known only when the module is imported."""
    tree = parse_tree(
        {
            "id": "root",
            "children": [
                {"id": "a", "start": "users_functions:generator"},
                {"id": "b", "start": "users_functions:watch", "host": "loop"},
            ],
        }
    )
    a, b = check(tree).errors
    assert "generator function" in a.message
    assert "host='loop' with a plain function" in b.message


def test_a_coroutine_function_is_a_tree_of_its_own() -> None:
    """It ends with it: `with start(main)`. A plain function may build a spec, and needs a child."""
    with start(once, log=False) as root:
        assert root.wait(timeout=PATIENCE) == Shutdown("auto_shutdown")
    assert log == ["ran"]
    assert as_tree(poll).children[0].restart == "transient"
    with pytest.raises(SpecError, match="run a plain function with child"):
        as_tree(watch)


def test_functions_are_templates() -> None:
    """Of a dynamic and of a partitioned supervisor, with arguments of each child."""
    dynamic = dynamic_supervisor("jobs", child("job", poll))
    parts = partition_supervisor("parts", child("part", watch, args=["part"]), partitions=2)
    with simulation() as sim:
        root = sim.start(supervisor("root", dynamic, parts))
        root.supervisor("jobs").start_child(["a"]).get()
        root.supervisor("jobs").start_child({"name": "b", "every": 2}).get()
        sim.advance(2.5)
        assert sorted(log) == ["a", "a", "b", "part", "part", "part", "part"]


def test_an_update_may_turn_an_actor_into_a_function_and_back() -> None:
    """The place keeps its ref; messages are taken again by the actor."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("x", Answers)))
        ref = root.child("x")
        assert ref.ask("hello") == "hello"
        ref.suspend()
        ref.tell("waits")
        ref.resume()
        root.update_specs(child("x", poll)).get()
        with pytest.raises(NoMailbox):
            ref.ask("hello")
        root.update_specs(child("x", Answers)).get()
        assert ref.ask("hello") == "hello"


class Answers(Actor):
    def on_receive(self, message: Any) -> Any:
        return message


def test_an_async_function_may_run_in_a_thread() -> None:
    """With `host="thread"`: the order to stop cancels it there."""

    async def blocks_now_and_then() -> None:
        try:
            while True:
                time.sleep(0)  # noqa: TID251 - what such a function is for
                await asyncio.sleep(1)
                log.append(threading.current_thread().name.partition(" ")[0])
        finally:
            log.append("ended")

    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", blocks_now_and_then, host="thread")))
        sim.advance(1.5)
        root.terminate_child("f").get()
        assert sim.now == 1.5
        assert log == ["root/f", "ended"]


@pytest.mark.parametrize("function", [poll, watch])
def test_a_handler_timeout_limits_a_function_as_a_whole(function: Any) -> None:
    """It crashes when it runs longer, and is restarted."""
    with simulation() as sim:
        root = sim.start(supervisor("root", child("f", function, handler_timeout=2.5, backoff=None)))
        down = root.child("f").monitor()
        sim.advance(3)
        reason = down.get().reason
        assert isinstance(reason, Crashed)
        assert isinstance(reason.exception, HandlerTimeout)
        assert root.child("f").incarnation == 2
