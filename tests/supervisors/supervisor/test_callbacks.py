"""`on_failure` and `on_give_up`: callbacks that decide, observe, or start something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors import Crashed, Killed
from supervisors import (
    CallbackFailed,
    ChildStartError,
    Failure,
    GaveUp,
    SpecError,
    budget,
    child,
    constant,
    start,
    supervisor,
)
from tests.supervisors.cast import Play, boom, empty_stage, failing, leave, running, states, tell, worker
from tests.support import in_loop


class Order:
    """A message that crashes the actor that handles it."""

    def __call__(self, _: Any) -> None:
        raise LookupError("lost")


@in_loop
async def test_on_failure_is_told_what_failed() -> None:
    """Which child, which incarnation, why, and by which message."""
    told: list[Failure] = []
    play = Play()
    async with running(supervisor("root", worker(play, "a"), on_failure=told.append)) as (w, root):
        await tell(w, root, "a", message=Order())
        root.child("a").kill()
        await w.settle()
        first, second = told
        assert (first.supervisor, first.child, first.path) == ("root", "a", "root/a")
        assert (first.incarnation, first.reason, first.message_type) == (1, Crashed(LookupError("lost")), "Order")
        assert (second.incarnation, type(second.reason), second.message_type) == (2, Killed, None)


@in_loop
async def test_on_failure_hears_of_failures_only() -> None:
    """Neither of normal ends nor of stops."""
    told: list[Failure] = []
    play = Play()
    tree = supervisor("root", worker(play, "a"), worker(play, "b"), on_failure=told.append)
    async with running(tree) as (w, root):
        await tell(w, root, "a", message=leave)
        await root.terminate_child("b")
        assert told == []


@pytest.mark.parametrize(
    ("restart", "said", "after"),
    [
        ("permanent", None, "running"),
        ("permanent", "restart", "running"),
        ("permanent", "stop", "stopped"),
        ("permanent", False, "stopped"),
        ("temporary", None, "dropped"),
        ("temporary", "restart", "running"),
        ("temporary", True, "running"),
        ("temporary", "stop", "dropped"),
    ],
)
@in_loop
async def test_on_failure_may_decide_in_place_of_the_table(restart: Any, said: object, after: str) -> None:
    """`restart` or `stop`; nothing leaves it to the table."""
    play = Play()
    tree = supervisor("root", worker(play, "a", restart=restart), on_failure=lambda _: said)
    async with running(tree) as (w, root):
        await tell(w, root, "a")
        assert (await states(root)).get("a", "dropped") == after


@pytest.mark.parametrize("said", ["maybe", 7, [], {}, pytest.param(object(), id="object")], ids=str)
@in_loop
async def test_on_failure_that_says_nonsense_leaves_it_to_the_table(said: object) -> None:
    """Whatever a callback returns, the supervisor and the siblings outlive it."""
    play = Play()
    tree = supervisor("root", worker(play, "a"), worker(play, "b"), on_failure=lambda _: said)
    async with running(tree) as (w, root):
        await tell(w, root, "a")
        assert await states(root) == {"a": "running", "b": "running"}
        assert root.incarnation == 1
        assert root.child("b").incarnation == 1


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("name", ["on_failure", "on_give_up"])
@in_loop
async def test_a_callback_that_raises_is_an_event_and_decides_nothing(name: Any, error: BaseException) -> None:
    """The supervisor goes on with what it would have done without it."""
    play = Play()

    def fails(_: object) -> None:
        raise error

    options: Any = {name: fails, "max_restarts": 1}
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"), **options)) as (w, root):
        await tell(w, root, "a")
        assert await states(root) == {"a": "running", "b": "running"}
        await tell(w, root, "a")
        assert not root.is_alive()
        assert play.log[-1] == "-b"
        failed = w.seen(CallbackFailed)
        assert {(event.path, event.callback, event.error) for event in failed} == {("root", name, error)}


@pytest.mark.parametrize("error", [ValueError("the pager is down"), SystemExit(1)], ids=repr)
@in_loop
async def test_an_async_callback_runs_beside_the_supervisor(error: BaseException) -> None:
    """It does not hold up the restart, and decides nothing; what it raises is an event."""
    play = Play()
    done: list[str] = []

    async def notify(failure: Failure) -> str:
        await play.gate.wait()
        done.append(failure.child)
        raise error

    async with running(supervisor("root", worker(play, "a"), on_failure=notify)) as (w, root):
        await tell(w, root, "a")
        assert await states(root) == {"a": "running"}
        assert done == []
        play.gate.set()
        await w.settle()
        assert done == ["a"]
        assert [event.callback for event in w.seen(CallbackFailed)] == ["on_failure"]


@in_loop
async def test_an_async_callback_that_never_ends_does_not_keep_the_runtime() -> None:
    """It is cancelled when the runtime stops."""
    play = Play()

    async def never(_: Failure) -> None:
        await play.gate.wait()

    async with running(supervisor("root", worker(play, "a"), on_failure=never)) as (w, root):
        await tell(w, root, "a")
        assert root.is_alive()


@in_loop
async def test_on_give_up_is_told_once_with_the_account() -> None:
    """Which child, which budget, and the last cause; before the children stop."""
    play = Play()
    told: list[tuple[GaveUp, str]] = []
    tree = supervisor(
        "root",
        worker(play, "a"),
        worker(play, "b"),
        max_restarts=1,
        on_give_up=lambda event: told.append((event, play.take())),
    )
    async with running(tree) as (w, root):
        await tell(w, root, "a")
        await tell(w, root, "a")
        ((event, log),) = told
        assert (event.child, event.scope, event.max_restarts) == ("a", "supervisor", 1)
        assert event.cause == Crashed(ValueError("boom"))
        assert "-b" not in log


@in_loop
async def test_on_give_up_hears_of_a_child_that_is_given_up_alone() -> None:
    """The scope says that the supervisor goes on."""
    told: list[GaveUp] = []
    play = Play()
    spec = worker(play, "a", max_restarts=0, on_limit="drop")
    async with running(supervisor("root", spec, on_give_up=told.append)) as (w, root):
        await tell(w, root, "a")
        assert [(event.child, event.scope) for event in told] == [("a", "child")]


@in_loop
async def test_a_callback_may_deploy_a_replacement_through_the_api() -> None:
    """Giving up a child is the moment to put another in its place."""
    play = Play()
    async with running(
        supervisor(
            "root",
            worker(play, "a", max_restarts=0, on_limit="drop"),
            on_give_up=lambda _: replace[0](),
        )
    ) as (w, root):
        replace: list[Callable[[], object]] = [lambda: root.start_child(worker(play, "spare"))]
        await tell(w, root, "a")
        assert await states(root) == {"spare": "running"}


@in_loop
async def test_on_failure_stop_inside_a_group_leaves_the_siblings_alone() -> None:
    """An exit without a restart touches no sibling (rule 5), also if a callback decided so."""
    play = Play()
    tree = supervisor("root", worker(play, "a"), worker(play, "b"), strategy="one_for_all", on_failure=lambda _: "stop")
    async with running(tree) as (w, root):
        await tell(w, root, "a")
        assert await states(root) == {"a": "stopped", "b": "running"}
        assert root.child("b").incarnation == 1


@in_loop
async def test_a_supervisor_that_failed_is_a_failure_to_its_own_supervisor() -> None:
    """The reason says that it gave up, and why."""
    told: list[Failure] = []
    play = Play()
    inner = supervisor("s", worker(play, "x"), max_restarts=0, backoff=constant(1), own_budget=budget(5))
    async with running(supervisor("root", inner, on_failure=told.append)) as (w, root):
        await tell(w, root, "s/x")
        (failure,) = told
        assert (failure.child, failure.reason.kind) == ("s", "restart_limit_exceeded")
        await w.advance(1)
        assert root.child("s").incarnation == 2


def test_a_callback_that_cannot_be_called_is_a_fault() -> None:
    """Rule 24: when the spec is built."""
    with pytest.raises(SpecError, match="on_failure"):
        supervisor("root", on_failure="call me")  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_on_failure_hears_of_each_restart_that_fails_in_its_start(strategy: Any) -> None:
    """A crash and two failed attempts are three failures, each of an incarnation of its own."""
    told: list[Failure] = []
    play = Play()
    tree = supervisor("root", worker(play, "a"), worker(play, "b"), strategy=strategy, on_failure=told.append)
    async with running(tree) as (w, root):
        play.starts["a"] = failing(2, OSError)
        await tell(w, root, "a", message=Order())
        assert await states(root) == {"a": "running", "b": "running"}
        assert [(each.incarnation, str(each.reason).partition(":")[0], each.message_type) for each in told] == [
            (1, "crashed(LookupError", "Order"),
            (2, "crashed(OSError", None),
            (3, "crashed(OSError", None),
        ]


@in_loop
async def test_on_failure_hears_of_a_first_start_and_of_a_class_not_found() -> None:
    """Whatever it says then, the start has failed (rules 1 and 2)."""
    told: list[Failure] = []
    play = Play()
    play.starts["a"] = boom
    async with empty_stage() as w:
        with pytest.raises(ChildStartError):
            await start(supervisor("root", worker(play, "a"), on_failure=told.append), runtime=w.runtime).__aenter__()
    assert [(each.child, each.incarnation) for each in told] == [("a", 1)]

    def again(failure: Failure) -> str:
        told.append(failure)
        return "restart"

    async with running(supervisor("root", on_failure=again)) as (_, root):
        with pytest.raises(ChildStartError):
            await root.start_child(child("b", "no_such_module:B"))
    assert [(each.child, each.incarnation) for each in told] == [("a", 1), ("b", 1)]


@pytest.mark.parametrize(("restart", "after"), [("permanent", "stopped"), ("transient", "stopped")])
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_on_failure_may_end_the_attempts_of_a_restart(strategy: Any, restart: Any, after: str) -> None:
    """With "stop" the child stays down, and the others of its group come up without it."""
    play = Play()
    children = [worker(play, id, restart=restart) for id in "abc"]
    tree = supervisor(
        "root",
        *children,
        strategy=strategy,
        on_failure=lambda failure: "stop" if failure.message_type is None else None,
    )
    async with running(tree) as (w, root):
        play.starts["b"] = boom
        await tell(w, root, "b", message=Order())
        assert await states(root) == {"a": "running", "b": after, "c": "running"}
        play.starts.clear()
        await root.restart_child("b")
        assert await states(root) == {"a": "running", "b": "running", "c": "running"}


@in_loop
async def test_on_failure_may_end_a_significant_child_and_so_the_supervisor() -> None:
    """Rule 21: it will not come back, so it counts."""
    play = Play()
    significant = worker(play, "a", restart="transient", significant=True)
    tree = supervisor(
        "root",
        significant,
        worker(play, "b"),
        auto_shutdown="any_significant",
        on_failure=lambda failure: "stop" if failure.incarnation == 3 else None,
    )
    async with running(tree) as (w, root):
        play.starts["a"] = boom
        await tell(w, root, "a")
        assert not root.is_alive()


@in_loop
async def test_on_failure_may_end_the_attempts_of_retry_start() -> None:
    """Rule 2: the first start has failed then, as without it."""
    play = Play()
    play.starts["a"] = boom
    told: list[Failure] = []

    def stop_at_three(failure: Failure) -> str | None:
        told.append(failure)
        return "stop" if len(told) == 3 else None

    tree = supervisor("root", worker(play, "a", retry_start=True), on_failure=stop_at_three)
    async with empty_stage() as w:
        with pytest.raises(ChildStartError):
            await start(tree, runtime=w.runtime).__aenter__()
    assert len(told) == 3
