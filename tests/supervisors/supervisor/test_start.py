"""Rules 1 to 4 on the real runtime: how a tree comes up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import Actor, Crashed, IgnoreStart, RestartLimitExceeded, StartTimeout
from supervisors import AlreadyPresent, ChildStartError, constant, start, supervisor
from tests.supervisors.cast import (
    Play,
    Worker,
    boom,
    empty_stage,
    failing,
    hang,
    running,
    states,
    worker,
)
from tests.support import in_loop


def decline(_: Any) -> None:
    """A start that declines."""
    raise IgnoreStart


@in_loop
async def test_rule_1_the_next_child_starts_only_when_the_last_one_has_started() -> None:
    """Rule 1: start order is spec order, and an on_start that waits holds the next one up."""
    play = Play()
    play.starts["a"] = play.held
    async with empty_stage() as w:
        coming = asyncio.ensure_future(
            start(supervisor("root", worker(play, "a"), worker(play, "b")), runtime=w.runtime).__aenter__()
        )
        await w.settle()
        assert play.begun == ["a"]
        assert not coming.done()
        play.gate.set()
        await coming
        assert play.take() == "+a +b"


@in_loop
async def test_rule_1_a_nested_supervisor_is_up_only_when_all_below_it_is() -> None:
    """Rule 1: a subtree is one child, and starts wholly before what follows it."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), worker(play, "y"))
    async with running(supervisor("root", worker(play, "a"), inner, worker(play, "b"))):
        assert play.take() == "+a +x +y +b"


@in_loop
async def test_rule_1_start_child_answers_only_when_the_child_has_started() -> None:
    """Rule 1: the answer is the ref of a child that is up."""
    play = Play()
    play.starts["b"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        asked = root.start_child(worker(play, "b"))
        await w.settle()
        assert not asked.done()
        assert await states(root) == {"a": "running", "b": "starting"}
        play.gate.set()
        assert await asked is root.child("b")
        assert play.take() == "+a +b"


@in_loop
async def test_rule_1_requests_during_a_start_do_not_start_the_next_child_early() -> None:
    """Rule 1: two children asked for come up one after the other, whatever else is asked or crashes."""
    play = Play()
    play.starts["b"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        both = [root.start_child(worker(play, id)) for id in "bc"]
        await w.settle()
        third = root.start_child(worker(play, "d"))
        root.child("a").tell(boom)
        await w.settle()
        assert play.begun == ["a", "b", "a"]
        play.gate.set()
        assert [(await each).path for each in (*both, third)] == ["root/b", "root/c", "root/d"]
        assert play.begun == ["a", "b", "a", "c", "d"]


@in_loop
async def test_rule_2_a_failed_start_stops_others_in_reverse_and_fails_the_tree() -> None:
    """Rule 2: the error names the child, carries the cause, and nothing is left behind."""
    play = Play()
    play.starts["c"] = boom
    children = [worker(play, id, name=f"name of {id}") for id in "abcd"]
    async with empty_stage() as w:
        with pytest.raises(ChildStartError, match="root/c") as caught:
            await start(supervisor("root", *children), runtime=w.runtime).__aenter__()
        assert isinstance(caught.value.__cause__, ValueError)
        assert play.take() == "+a +b -b -a"
        assert not w.runtime.cells
        assert w.runtime.registry.size == 0
        assert w.clock.pending == 0


@in_loop
async def test_rule_2_a_failed_start_deep_down_undoes_the_whole_tree() -> None:
    """Rule 2: each supervisor on the way up fails in turn, and the error still names the place."""
    play = Play()
    play.starts["y"] = boom
    inner = supervisor("s", worker(play, "x"), worker(play, "y"))
    async with empty_stage() as w:
        with pytest.raises(ChildStartError) as caught:
            await start(supervisor("root", worker(play, "a"), inner), runtime=w.runtime).__aenter__()
        cause = caught.value.__cause__
        assert isinstance(cause, ChildStartError)
        assert (caught.value.path, cause.path) == ("root/s", "root/s/y")
        assert play.take() == "+a +x -x -a"
        assert not w.runtime.cells


@in_loop
async def test_rule_2_a_constructor_that_raises_is_a_failed_start_too() -> None:
    """Rule 2: what `__init__` raises counts like what on_start raises; so do SystemExit and wrong arguments."""

    class Wrong(Actor):
        def __init__(self, error: BaseException) -> None:
            raise error

    async with empty_stage() as w:
        for error in (ValueError("x"), SystemExit(3), KeyboardInterrupt()):
            spec = supervisor("root", worker(Play(), "w").model_copy(update={"start": Wrong, "args": (error,)}))
            with pytest.raises(ChildStartError) as caught:
                await start(spec, runtime=w.runtime).__aenter__()
            assert caught.value.reason == Crashed(error)
        with pytest.raises(ChildStartError):
            await start(supervisor("root", worker(Play(), "w", args=())), runtime=w.runtime).__aenter__()
        assert not w.runtime.cells


@in_loop
async def test_rule_2_a_taken_name_fails_the_start_and_stays_with_its_owner() -> None:
    """Rule 2: the second owner of a name does not come up, and undoing it must not take the name away."""
    play = Play()
    async with running(supervisor("first", worker(play, "a", name="one"))) as (w, first):
        second = supervisor("second", worker(play, "b"), worker(play, "c", name="one"))
        with pytest.raises(ChildStartError, match="second/c"):
            await start(second, runtime=w.runtime).__aenter__()
        assert w.runtime.whereis("one") is first.child("a")
        assert play.take() == "+a +b -b"


@in_loop
async def test_rule_2_retry_start_backs_off_a_start_and_the_next_child_waits() -> None:
    """Rule 2: one unreachable database at boot need not fail the whole application."""
    play = Play()
    play.starts["db"] = failing(2)
    tree = supervisor("root", worker(play, "db", retry_start=True, backoff=constant(5)), worker(play, "b"))
    async with empty_stage() as w:
        coming = asyncio.ensure_future(start(tree, runtime=w.runtime).__aenter__())
        await w.advance(4.9)
        assert play.begun == ["db"]
        await w.advance(0.1)
        assert play.begun == ["db", "db"]
        await w.advance(5)
        root = await coming
        assert play.take() == "+db +b"
        assert root.child("db").incarnation == 3


@in_loop
async def test_rule_2_retry_start_is_bounded_by_the_budget() -> None:
    """Rules 2 and 8: every failed attempt counts, and in the end the supervisor's own start has failed."""
    play = Play()
    play.starts["db"] = boom
    tree = supervisor("root", worker(play, "db", retry_start=True, backoff=constant(1)), max_restarts=2)
    async with empty_stage() as w:
        coming = asyncio.ensure_future(start(tree, runtime=w.runtime).__aenter__())
        await w.advance(1)
        await w.advance(1)
        with pytest.raises(ChildStartError) as caught:
            await coming
        assert isinstance(caught.value.reason, RestartLimitExceeded)
        assert play.begun == ["db"] * 3


@in_loop
async def test_rule_2_retry_start_waits_for_a_name_until_it_is_free() -> None:
    """Rule 2: a child that has not even a cell yet is tried again like any other."""
    play = Play()
    async with running(supervisor("first", worker(play, "a", name="one"))) as (w, first):
        spec = worker(play, "b", name="one", retry_start=True, backoff=constant(5))
        second = asyncio.ensure_future(start(supervisor("second", spec), runtime=w.runtime).__aenter__())
        await w.settle()
        assert not second.done()
        await first.terminate_child("a")
        await w.advance(5)
        assert w.runtime.whereis("one") is (await second).child("b")
        assert [entry.outcome for entry in await (await second).ledger()] == ["restarted"]


@in_loop
async def test_rule_2_a_failed_start_child_leaves_no_trace() -> None:
    """Rule 2: neither cell, nor name, nor spec; the siblings run on."""
    play = Play()
    play.starts["b"] = failing(1)
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        with pytest.raises(ChildStartError, match="root/b"):
            await root.start_child(worker(play, "b", name="bee"))
        assert w.runtime.whereis("bee") is None
        assert await states(root) == {"a": "running"}
        assert await root.start_child(worker(play, "b", name="bee")) is w.runtime.whereis("bee")


@in_loop
async def test_rule_3_a_child_that_declines_is_kept_but_dropped_if_temporary() -> None:
    """Rule 3: IgnoreStart fails nothing; the spec of a temporary child goes."""
    play = Play()
    play.starts = {"a": decline, "t": decline}
    tree = supervisor("root", worker(play, "a", name="a"), worker(play, "t", restart="temporary"), worker(play, "b"))
    async with running(tree) as (w, root):
        assert await states(root) == {"a": "declined", "b": "running"}
        assert w.runtime.whereis("a") is None
        with pytest.raises(AlreadyPresent):
            await root.start_child(worker(play, "a"))


@in_loop
async def test_rule_3_a_declined_child_can_be_started_later() -> None:
    """Rule 3: the spec is kept for that; start_child of one that declines answers with None."""
    play = Play()
    play.starts = {"a": decline, "b": decline}
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        assert await root.restart_child("a") is None
        assert await root.start_child(worker(play, "b")) is None
        del play.starts["a"]
        assert await root.restart_child("a") is root.child("a")
        assert await states(root) == {"a": "running", "b": "declined"}


@in_loop
async def test_rule_3_a_restart_may_decline_too() -> None:
    """Rule 3: the child comes to rest without another attempt, and the siblings are left alone."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (w, root):
        play.starts["a"] = decline
        root.child("a").tell(boom)
        await w.settle()
        assert await states(root) == {"a": "declined", "b": "running"}


@in_loop
async def test_rule_4_a_start_that_passes_its_time_limit_has_failed() -> None:
    """Rule 4: the limit is the spec's, and the error says so."""
    play = Play()
    play.starts["b"] = hang
    tree = supervisor("root", worker(play, "a"), worker(play, "b", start_timeout=3))
    async with empty_stage() as w:
        coming = asyncio.ensure_future(start(tree, runtime=w.runtime).__aenter__())
        await w.advance(2.9)
        assert not coming.done()
        await w.advance(0.1)
        with pytest.raises(ChildStartError) as caught:
            await coming
        assert isinstance(caught.value.__cause__, StartTimeout)
        assert play.take() == "+a -a"


@in_loop
async def test_rule_4_the_time_limit_of_a_restart_counts_as_a_failed_attempt() -> None:
    """Rules 4 and 14: the next attempt follows after the backoff, and the time spent hanging is over."""
    play = Play()
    spec = worker(play, "a", start_timeout=3, backoff=constant(10))
    async with running(supervisor("root", spec)) as (w, root):
        play.starts["a"] = hang
        root.child("a").tell(boom)
        await w.advance(10)
        assert await states(root) == {"a": "restarting"}
        await w.advance(3)
        assert await states(root) == {"a": "backing_off"}
        del play.starts["a"]
        await w.advance(10)
        assert await states(root) == {"a": "running"}


@in_loop
async def test_rule_4_a_start_in_time_leaves_no_timer() -> None:
    """Rule 4: the limit is for the start alone; a child that came up is not killed by it later."""
    play = Play()
    play.starts["a"] = play.held
    async with empty_stage() as w:
        coming = asyncio.ensure_future(
            start(supervisor("root", worker(play, "a", start_timeout=3)), runtime=w.runtime).__aenter__()
        )
        await w.advance(2)
        play.gate.set()
        await coming
        assert w.clock.pending == 0
        await w.advance(100)
        assert play.take() == "+a"


@in_loop
async def test_a_start_that_is_cancelled_undoes_what_it_started() -> None:
    """A caller that stops waiting for a start leaves it in order: nothing stays."""
    play = Play()
    play.starts["b"] = play.held
    async with empty_stage() as w:
        tree = supervisor("root", worker(play, "a"), worker(play, "b", shutdown=2))
        coming = asyncio.ensure_future(start(tree, runtime=w.runtime).__aenter__())
        await w.settle()
        coming.cancel()
        await w.advance(2)
        with pytest.raises(asyncio.CancelledError):
            await coming
        assert play.take() == "+a -a"
        assert not w.runtime.cells
        assert not w.runtime._starting


@in_loop
async def test_a_root_that_is_stopped_while_it_starts_ends_the_wait_for_it() -> None:
    """The caller that waits for the start gets an error, and does not wait for ever."""
    play = Play()
    play.starts["a"] = play.held
    async with empty_stage() as w:
        coming = asyncio.ensure_future(
            start(supervisor("root", worker(play, "a", shutdown=2)), runtime=w.runtime).__aenter__()
        )
        await w.settle()
        root = w.runtime.find("root")
        assert root is not None
        root.stop(block=False, drain=False)
        await w.advance(2)
        with pytest.raises(Exception, match="root did not start"):
            await coming
        assert not w.runtime._starting


@in_loop
async def test_rule_2_a_start_that_fails_with_all_it_started_itself() -> None:
    """Rule 2: what an actor spawned in its failing on_start goes with it."""
    play = Play()

    async def spawns(actor: Any) -> None:
        await actor.spawn(Worker, args=(play,), name="inner")
        raise ValueError("after all")

    play.starts["a"] = spawns
    async with empty_stage() as w:
        with pytest.raises(ChildStartError):
            await start(supervisor("root", worker(play, "a")), runtime=w.runtime).__aenter__()
        assert not w.runtime.cells
        assert w.runtime.whereis("inner") is None
