"""Rule 23: a child by its ref as well as by its id, and the restart of a child that runs."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from actors import ActorDeadError, ActorRef, DeadlockError, Future
from supervisors import (
    ChildRestarting,
    ChildRunning,
    ChildStartError,
    NotFound,
    SupervisorRef,
    constant,
    dynamic_supervisor,
    start,
    supervisor,
    tasks,
)
from tests.supervisors.cast import Play, Worker, boom, hang, running, second_time, states, tell, worker
from tests.support import in_loop

OPERATIONS: list[Callable[[SupervisorRef, ActorRef[Any]], Future[Any]]] = [
    lambda root, ref: root.terminate_child(ref),
    lambda root, ref: root.restart_child(ref),
    lambda root, ref: root.delete_child(ref),
    lambda root, ref: root.which_child(ref),
    lambda root, ref: root.get_child_spec(ref),
]
NAMES = ["terminate_child", "restart_child", "delete_child", "which_child", "get_child_spec"]


@in_loop
async def test_rule_23_a_ref_stands_for_the_child_in_every_operation() -> None:
    """Also after the child has terminated: the ref says which child it was."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (_, root):
        a = root.child("a")
        assert (await root.which_child(a)).ref is a
        assert (await root.get_child_spec(a)).id == "a"
        await root.terminate_child(a)
        assert await states(root) == {"a": "stopped", "b": "running"}
        again = await root.restart_child(a)
        assert again is root.child("a")
        await root.terminate_child(again)
        await root.delete_child(a)
        assert await states(root) == {"b": "running"}


@pytest.mark.parametrize("ask", OPERATIONS, ids=NAMES)
@in_loop
async def test_rule_23_a_ref_of_another_supervisors_child_is_not_found(ask: Any) -> None:
    """The error says where the actor is, and nothing happens to a child with the same id."""
    play = Play()
    tree = supervisor("root", supervisor("s", worker(play, "a")), supervisor("t", worker(play, "a")))
    async with running(tree) as (_, root):
        s, stranger = root.supervisor("s"), root.child("t/a")
        for ref, place in ((stranger, "root/t/a"), (root, "root"), (s, "root/s")):
            with pytest.raises(NotFound, match=f"that of {place}") as caught:
                await ask(s, ref)
            assert (caught.value.supervisor, caught.value.place) == ("root/s", place)
            assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
        assert await states(s) == {"a": "running"}


@in_loop
async def test_rule_23_a_ref_of_another_runtime_is_not_found() -> None:
    """Though its path is the same."""
    play = Play()
    tree = supervisor("root", worker(play, "a"))
    async with running(tree) as (_, one), start(tree, log=False) as other:
        with pytest.raises(NotFound):
            await one.terminate_child(other.child("a"))
        assert await states(one) == await states(other) == {"a": "running"}


@in_loop
async def test_the_id_of_a_ref_is_the_last_step_of_its_path() -> None:
    """Of a root it is the whole path."""
    play = Play()
    async with running(supervisor("root", supervisor("s", worker(play, "a")))) as (_, root):
        assert [ref.id for ref in (root, root.child("s"), root.child("s/a"))] == ["root", "s", "a"]


@in_loop
async def test_rule_23_a_dynamic_child_ends_by_its_ref() -> None:
    """As in Elixir, where it is found by its pid; twice is as good as once."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "w"))) as (_, root):
        ref = await root.start_child()
        await root.terminate_child(ref)
        await root.terminate_child(ref)
        assert not ref.is_alive()


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_23_a_running_child_restarts_on_request_alone(strategy: Any) -> None:
    """In order, with its ref and queue; its siblings go on, whatever the strategy."""
    play = Play()
    tree = supervisor("root", worker(play, "a"), worker(play, "b"), strategy=strategy, max_restarts=0)
    async with running(tree) as (_, root):
        a, b = root.child("a"), root.child("b")
        play.take()
        assert await root.restart_child(a, running=True) is a
        assert play.take() == "-a +a"
        assert (a.incarnation, b.incarnation) == (2, 1)


@in_loop
async def test_rule_23_a_restart_on_request_keeps_what_waits_in_the_queue() -> None:
    """Rule 26: the next incarnation handles it."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        a = root.child("a")
        restarted = root.restart_child("a", running=True)
        a.tell("waits")
        await restarted
        await w.settle()
        assert play.seen[-1][0] == "a"
        assert [content for *_, content in play.seen] == ["waits"]


@in_loop
async def test_rule_8_restarts_on_request_do_not_count_in_the_budget() -> None:
    """Nor do they count as a failure: the ledger says that the child was told to."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), max_restarts=1, period=60)) as (w, root):
        for _ in range(5):
            await root.restart_child("a", running=True)
        await tell(w, root, "a")
        assert root.is_alive()
        entries = await root.ledger()
        assert [(each.child, each.cause, each.outcome) for each in entries] == [
            *[("a", "shutdown", "restarted")] * 5,
            ("a", "ValueError", "restarted"),
        ]


@in_loop
async def test_rule_14_a_restart_on_request_that_fails_is_tried_again() -> None:
    """The request gets the error; the supervisor goes on as after any failed restart."""
    play = Play()
    play.starts["a"] = second_time(boom)
    async with running(supervisor("root", worker(play, "a", backoff=constant(5)))) as (w, root):
        with pytest.raises(ChildStartError, match="boom"):
            await root.restart_child("a", running=True)
        assert await states(root) == {"a": "backing_off"}
        with pytest.raises(ChildRestarting):
            await root.restart_child("a", running=True)
        play.starts.clear()
        await w.advance(5)
        assert await states(root) == {"a": "running"}


@pytest.mark.parametrize("kind", ["dynamic", "tasks"])
@in_loop
async def test_rule_23_children_of_a_template_restart_on_request(kind: str) -> None:
    """Those that are temporary, too: the request asks for it."""
    play = Play()
    temporary = dynamic_supervisor("root", worker(play, "w", restart="temporary"))
    tree = temporary if kind == "dynamic" else tasks("root", task_shutdown="brutal_kill")
    async with running(tree) as (w, root):
        result = None if kind == "dynamic" else root.run(hang)
        if kind == "dynamic":
            await root.start_child()
        await w.settle()
        ref = root.child("1")
        assert await root.restart_child(ref, running=True) is ref
        assert ref.incarnation == 2
        await root.terminate_child(ref)
        if result is not None:
            with pytest.raises(ActorDeadError):
                await result


@in_loop
async def test_rule_23_a_child_that_is_being_stopped_does_not_restart_on_request() -> None:
    """The first request is carried out; a child at rest starts as it does without the option."""
    play = Play()
    play.stops["a"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        ending = root.terminate_child("a")
        await w.settle()
        with pytest.raises(ChildRunning):
            await root.restart_child("a", running=True)
        play.gate.set()
        await ending
        assert await root.restart_child("a", running=True) is root.child("a")


@in_loop
async def test_rule_26_a_tree_restarts_on_request_and_keeps_its_refs() -> None:
    """A supervisor is a child like any other; those below stop and start in order."""
    play = Play()
    async with running(supervisor("root", supervisor("s", worker(play, "a"), worker(play, "b")))) as (_, root):
        a = root.child("s/a")
        play.take()
        s = await root.restart_child(root.child("s"), running=True)
        assert play.take() == "-b -a +a +b"
        assert (s.incarnation, a.incarnation, root.child("s/a") is a) == (2, 2, True)


@in_loop
async def test_rule_12_a_restart_on_request_waits_for_no_delay_of_others() -> None:
    """A group that waits for its delay keeps it to itself."""
    play = Play()
    tree = supervisor(
        "root", worker(play, "a"), worker(play, "b", backoff=constant(30)), worker(play, "c"), strategy="rest_for_one"
    )
    async with running(tree) as (w, root):
        await tell(w, root, "b")
        await root.restart_child("a", running=True)
        assert root.child("a").incarnation == 2
        assert await states(root) == {"a": "running", "b": "backing_off", "c": "restarting"}


@in_loop
async def test_rule_23_terminate_child_overtakes_a_restart_on_request() -> None:
    """The restart is refused, and the child stays as it was told last."""
    play = Play()
    play.stops["a"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        restarted, ended = root.restart_child("a", running=True), root.terminate_child("a")
        await w.settle()
        play.gate.set()
        await ended
        with pytest.raises(ChildStartError):
            await restarted
        assert await states(root) == {"a": "stopped"}


@in_loop
async def test_a_child_that_waits_for_its_own_restart_gets_a_deadlock_error() -> None:
    """At once: its handler would have to end first."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):

        async def restart_itself(_: Worker) -> None:
            await root.restart_child("a", running=True)

        with pytest.raises(DeadlockError):
            await root.child("a").call(restart_itself)


def test_rule_23_refs_work_in_any_thread() -> None:
    """`.get()` does what `await` does."""
    play = Play()
    with start(supervisor("root", worker(play, "a")), log=False) as root:
        a = root.child("a")
        assert root.restart_child(a, running=True).get(timeout=10) is a
        root.terminate_child(a).get(timeout=10)
        with pytest.raises(NotFound):
            root.which_child(root).get(timeout=10)
