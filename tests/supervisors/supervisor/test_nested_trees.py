"""Trees of several levels: escalation, restarts of whole subtrees, deep lookups."""

from __future__ import annotations

from typing import Any

import pytest

from actors import RestartLimitExceeded
from supervisors import GaveUp, SupervisorSpec, start, supervisor
from tests.supervisors.cast import Play, boom, running, second_time, states, tell, worker
from tests.support import in_loop


def three_levels(play: Play, **options: Any) -> SupervisorSpec:
    """Root / s / t / x, each with room for one restart, and a sibling beside each."""
    t = supervisor("t", worker(play, "x"), worker(play, "y"), max_restarts=1, backoff=None, **options)
    s = supervisor("s", worker(play, "b"), t, max_restarts=1, backoff=None, **options)
    return supervisor("root", worker(play, "a"), s, max_restarts=1)


@in_loop
async def test_a_failure_escalates_level_by_level_as_budgets_are_spent() -> None:
    """Each supervisor gives up when its own window is exceeded, and its own supervisor restarts it whole."""
    play = Play()
    async with running(three_levels(play)) as (w, root):
        crashes = 0
        while root.is_alive():
            await tell(w, root, "s/t/x")
            crashes += 1
        # Two lives of x in each life of t, two lives of t in each of s, two of s in that of root.
        assert crashes == 8
        given_up = [event.path for event in w.seen(GaveUp)]
        assert given_up.count("root/s/t/x") == 4
        assert given_up.count("root/s/t") == 2
        assert given_up.count("root/s") == 1


@in_loop
async def test_the_account_of_an_escalation_goes_down_to_the_first_cause() -> None:
    """Reasons nest: what the root says names each level and the exception at the bottom."""
    play = Play()
    async with running(three_levels(play)) as (w, root):
        ended = root.ended()
        while root.is_alive():
            await tell(w, root, "s/t/x")
        reason: Any = await ended
        children = []
        while isinstance(reason, RestartLimitExceeded):
            children.append(reason.child)
            reason = reason.cause
        assert children == ["s", "t", "x"]
        assert str(reason) == "crashed(ValueError: boom)"


@in_loop
async def test_rule_10_a_transient_supervisor_that_gave_up_is_restarted() -> None:
    """The most quoted trap of OTP: there it exits with `shutdown` and is silently never restarted."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), max_restarts=0, restart="transient", backoff=None)
    async with running(supervisor("root", inner)) as (w, root):
        await tell(w, root, "s/x")
        assert root.child("s").incarnation == 2
        assert await states(root.supervisor("s")) == {"x": "running"}


@in_loop
async def test_a_temporary_supervisor_that_gave_up_is_dropped_with_all_below() -> None:
    """And its sibling goes on."""
    play = Play()
    inner = supervisor("s", worker(play, "x", name="x"), max_restarts=0, restart="temporary")
    async with running(supervisor("root", inner, worker(play, "a"))) as (w, root):
        await tell(w, root, "s/x")
        assert await states(root) == {"a": "running"}
        assert w.runtime.whereis("x") is None
        assert sorted(w.runtime.cells) == ["root", "root/a"]


@in_loop
async def test_a_group_restart_takes_subtrees_along_in_order() -> None:
    """A subtree stops and starts wholly in its place."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), worker(play, "y"))
    tree = supervisor("root", worker(play, "a"), inner, worker(play, "b"), strategy="one_for_all")
    async with running(tree) as (w, root):
        play.take()
        await tell(w, root, "a")
        assert play.take() == "!a -b -y -x +a +x +y +b"
        assert root.child("s").incarnation == 2
        assert root.child("s/x").incarnation == 2


@in_loop
async def test_a_restarted_supervisor_and_its_children_keep_their_refs() -> None:
    """Rule 26 holds for it and for what is below: a place that is there again has the same ref."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), backoff=None)
    async with running(supervisor("root", inner)) as (w, root):
        s, x = root.supervisor("s"), root.child("s/x")
        s.kill()
        await w.settle()
        assert root.supervisor("s") is s
        assert root.child("s/x") is x
        assert x.incarnation == 2


@in_loop
async def test_a_queued_request_to_a_killed_supervisor_is_served_by_the_next_one() -> None:
    """Rule 26 for requests: they are messages like any other."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), backoff=None)
    async with running(supervisor("root", inner)) as (w, root):
        s = root.supervisor("s")
        s.suspend()
        await w.settle()
        asked = s.start_child(worker(play, "y"))
        s.kill()
        await w.settle()
        s.resume()
        assert (await asked).path == "root/s/y"


@in_loop
async def test_a_subtree_that_does_not_come_up_again_escalates() -> None:
    """A restart of a supervisor whose child fails in its start is a failed attempt (rules 2 and 14)."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), backoff=None)
    play.starts["x"] = second_time(boom)
    async with running(supervisor("root", worker(play, "a"), inner, max_restarts=2)) as (w, root):
        root.child("s").kill()
        await w.settle()
        assert not root.is_alive()
        assert play.begun == ["a", "x", "x", "x"]


@pytest.mark.parametrize("depth", [1, 5, 40])
@in_loop
async def test_trees_nest_to_any_depth(depth: int) -> None:
    """They start from the top, and stop from the bottom; a lookup goes all the way."""
    play = Play()
    tree = worker(play, "leaf")
    spec: Any = tree
    for level in range(depth):
        spec = supervisor(f"s{level}", worker(play, f"w{level}"), spec)
    async with running(spec) as (w, root):
        path = "/".join([f"s{level}" for level in reversed(range(depth - 1))] + ["leaf"])
        await tell(w, root, path)
        assert root.child(path).incarnation == 2
        root.stop(block=False)
        await root.ended()
        assert list(w.runtime.cells) == []
        stops = [entry for entry in play.log if entry.startswith("-")]
        assert stops == ["-leaf", *[f"-w{level}" for level in range(depth)]]


@in_loop
async def test_two_trees_in_one_runtime_do_not_touch_each_other() -> None:
    """Not even with the same ids: each lookup stays in its own tree."""
    play, other = Play(), Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, first):
        tree = supervisor("root", worker(other, "a"), max_restarts=0)
        async with start(tree, runtime=w.runtime, on_give_up="ignore") as second:
            assert second.path != first.path
            assert second.child("a") is not first.child("a")
            await tell(w, second, "a")
            assert not second.is_alive()
        assert await states(first) == {"a": "running"}


@in_loop
async def test_an_actor_spawned_under_a_supervisors_own_child_ends_with_it() -> None:
    """Rule 18: what a worker started itself is below the supervisor, too."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):

        async def spawns(actor: Any) -> Any:
            return await actor.spawn(type(actor), args=(play,))

        inner = await root.child("a").call(spawns)
        await tell(w, root, "a")
        assert not inner.is_alive()
        assert root.child("a").incarnation == 2
