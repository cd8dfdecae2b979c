"""Rules 14 to 16 on the real runtime: restarts whose start fails."""

from __future__ import annotations

from typing import Any

import pytest

from supervisors import (
    AlreadyPresent,
    ChildRestarting,
    NotFound,
    RestartFailed,
    constant,
    supervisor,
)
from tests.supervisors.cast import Play, boom, failing, running, states, tell, worker
from tests.support import in_loop


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_14_the_api_is_served_between_attempts_that_follow_at_once(strategy: Any) -> None:
    """Rule 14: each attempt is a message to itself; the supervisor never loops inside a restart."""
    play = Play()
    asked: list[Any] = []
    async with running(supervisor("root", worker(play, "a"), strategy=strategy, max_restarts=None)) as (w, root):

        def fails(_: object) -> None:
            asked.append(root.count_children())
            if len(asked) == 4:
                del play.starts["a"]
            raise ValueError("again")

        play.starts["a"] = fails
        await tell(w, root, "a")
        assert await states(root) == {"a": "running"}
        assert all(each.done() for each in asked)
        assert [(await each).active for each in asked[:-1]] == [0, 0, 0]


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_14_a_shutdown_is_served_between_attempts_that_never_succeed(strategy: Any) -> None:
    """Rule 14: an endless restart without backoff does not keep the supervisor from stopping."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), strategy=strategy, max_restarts=None)) as (w, root):
        ended = root.ended()

        def fails(_: object) -> None:
            if len(play.begun) == 50:
                root.stop(block=False, drain=False)
            raise ValueError("again")

        play.starts["a"] = fails
        root.child("a").tell(boom)
        assert (await ended).expected
        assert len(play.begun) == 50
        assert w.clock.pending == 0


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        ("one_for_one", "!b +b"),
        ("rest_for_one", "!b -d -c +b +c +d"),
        ("one_for_all", "!b -d -c -a +a +b -b -a +a +b +c +d"),
    ],
)
@in_loop
async def test_rule_15_where_a_failed_restart_goes_on(strategy: Any, log: str) -> None:
    """Rule 15: of that child; from the one that failed, with those before it running; or all anew."""
    play = Play()
    children = [worker(play, id) for id in "abcd"]
    async with running(supervisor("root", *children, strategy=strategy)) as (w, root):
        play.take()
        play.starts["b" if strategy == "one_for_one" else "c"] = failing(1)
        await tell(w, root, "b")
        assert play.take() == log
        assert len(w.seen(RestartFailed)) == 1


@in_loop
async def test_rule_15_a_group_stays_stopped_during_the_backoff_of_its_retry() -> None:
    """Rules 12 and 15: one_for_all stops again what it had started, waits, and starts all."""
    play = Play()
    children = [worker(play, "a"), worker(play, "b", backoff=constant(5))]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        play.take()
        play.starts["b"] = failing(1)
        await tell(w, root, "a")
        assert play.take() == "!a -b +a -a"
        assert await states(root) == {"a": "restarting", "b": "backing_off"}
        await w.advance(5)
        assert play.take() == "+a +b"


@in_loop
async def test_rule_15_rest_for_one_keeps_what_came_up_before_the_failed_one() -> None:
    """Rule 15: those before it go on handling messages while it is tried again."""
    play = Play()
    children = [worker(play, "a"), worker(play, "b", backoff=constant(5)), worker(play, "c")]
    async with running(supervisor("root", *children, strategy="rest_for_one")) as (w, root):
        play.starts["b"] = failing(2)
        await tell(w, root, "a")
        assert await states(root) == {"a": "running", "b": "backing_off", "c": "restarting"}
        await root.child("a").call("still there")
        assert play.seen == [("a", 2, "still there")]
        await w.advance(5)
        await w.advance(5)
        assert await states(root) == {"a": "running", "b": "running", "c": "running"}
        assert root.child("a").incarnation == 2


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_16_what_is_refused_while_a_child_waits_for_its_next_attempt(strategy: Any) -> None:
    """Rule 16: start_child, restart_child and delete_child, each with its own error."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", backoff=constant(5)), strategy=strategy)) as (w, root):
        await tell(w, root, "a")
        with pytest.raises(AlreadyPresent):
            await root.start_child(worker(play, "a"))
        with pytest.raises(ChildRestarting):
            await root.restart_child("a")
        with pytest.raises(ChildRestarting):
            await root.delete_child("a")
        assert await states(root) == {"a": "backing_off"}


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_16_terminate_child_cancels_the_pending_attempt(strategy: Any) -> None:
    """Rule 16: it succeeds at once, nothing starts later, and the child can be started or deleted again."""
    play = Play()
    spec = worker(play, "a", backoff=constant(5), name="a")
    async with running(supervisor("root", spec, strategy=strategy)) as (w, root):
        before = root.child("a")
        await tell(w, root, "a")
        await root.terminate_child("a")
        assert await states(root) == {"a": "stopped"}
        assert not before.is_alive()
        assert w.runtime.whereis("a") is None
        assert w.clock.pending == 0
        await w.advance(50)
        assert play.begun == ["a"]
        again = await root.restart_child("a")
        assert again is not before
        assert again.incarnation > before.incarnation
        await root.terminate_child("a")
        await root.delete_child("a")
        with pytest.raises(NotFound):
            await root.get_child_spec("a")


@in_loop
async def test_rule_16_terminate_child_cancels_an_attempt_that_is_under_way() -> None:
    """Rule 16: a restart that hangs in its start is stopped like any start."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", shutdown=2))) as (w, root):
        play.starts["a"] = play.held
        await tell(w, root, "a")
        assert await states(root) == {"a": "restarting"}
        gone = root.terminate_child("a")
        await w.advance(2)
        await gone
        assert await states(root) == {"a": "stopped"}
