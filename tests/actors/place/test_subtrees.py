"""A supervisor in a process of its own: the whole subtree runs there, and is used from the program as any other."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from actors import (
    Crashed,
    DeadLetter,
    Exited,
    Killed,
    Lost,
    LostInside,
    PlaceLost,
    RestartLimitExceeded,
    Shutdown,
    Started,
    StartFailed,
    UnhandledMessage,
)
from supervisors import (
    ChildStartError,
    GaveUp,
    NotFound,
    SupervisorRef,
    dynamic_supervisor,
    partition_supervisor,
    start,
    supervisor,
)
from tests.actors.place import cast
from tests.actors.place.cast import AsyncPerformer, Door, noting, pid, placing, stage
from tests.actors.place.subtrees import (
    Hung,
    crawl,
    ids,
    inner,
    tell_and_die,
    tree,
)
from tests.actors.place.test_operations import (
    Broken,
    Counting,
    Parser,
)
from tests.support import in_loop


@in_loop
async def test_the_supervisor_and_all_its_children_run_in_one_process() -> None:
    async with tree(crawl(inner("a"), supervisor("sub", inner("b")))) as (s, root):
        a, b = root.child("crawl/a"), root.child("crawl/sub/b")
        assert await a.call(pid) == await b.call(pid) != os.getpid()
        assert await a.call(cast.where) == ("root/crawl/a", 1, "a")
        assert root.child("crawl").status().host == "process"
        assert a.status().host == "process"
        assert s.runtime.find("root/crawl/sub/b") is b
        assert isinstance(root.child("crawl/sub"), SupervisorRef)
        with pytest.raises(NotFound):
            root.child("crawl/stranger")


@in_loop
async def test_start_returns_when_the_whole_subtree_is_up() -> None:
    async with tree(crawl(inner("a"), supervisor("sub", inner("b")))) as (s, root):
        assert ids(s, Started)[-4:] == ["root/crawl/sub/b", "root/crawl/sub", "root/crawl", "root"]
        assert root.child("crawl/sub/b").status().state == "running"


@in_loop
async def test_a_failing_inner_start_is_that_of_the_outer_child_with_its_cause() -> None:
    async with stage() as s:
        with pytest.raises(ChildStartError) as caught:
            async with start(supervisor("root", crawl(inner("a"), inner("b", Broken))), runtime=s.runtime):
                pass
        assert caught.value.path == "root/crawl"
        reason = caught.value.reason
        assert isinstance(reason, Crashed)
        assert isinstance(reason.exception, ChildStartError)
        assert reason.exception.path == "root/crawl/b"
        assert "no start" in str(caught.value)
        assert ids(s, StartFailed)[:2] == ["root/crawl/b", "root/crawl"]
        assert s.runtime.find("root/crawl/a") is None


@in_loop
async def test_tell_ask_call_and_proxy_reach_an_inner_actor() -> None:
    async with tree(crawl(inner("a", Parser, args={"factor": 3}), inner("c", Counting))) as (s, root):
        a, c = root.child("crawl/a", Parser), root.child("crawl/c")
        assert await a.call(cast.Load(number=2)) == 6
        assert await asyncio.to_thread(a.ask, cast.Load(number=3)) == 9
        assert await a.ask(cast.Load(number=4), block=False) == 12
        with pytest.raises(UnhandledMessage):
            await a.call(3.5)
        with pytest.raises(KeyError):
            await a.call("answer")
        with pytest.raises(ZeroDivisionError):
            await a.call("resume")
        a.tell("answer")
        assert await a.call("heard") == ["resume"]
        proxy = c.proxy()
        assert await proxy.count == 3
        assert await proxy.double(4) == 8
        assert root.child("crawl").incarnation == a.incarnation == 1
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["unhandled", "unheard"]


@in_loop
async def test_an_inner_crash_is_decided_inside_and_the_process_stays() -> None:
    async with tree() as (s, root):
        a = root.child("crawl/a")
        before = await a.call(pid)
        with pytest.raises(ValueError, match="no luck") as caught:
            await a.call(cast.fail)
        assert "In process" in caught.value.__notes__[0]
        assert await a.call(cast.where) == ("root/crawl/a", 2, "a")
        assert await a.call(pid) == before
        assert root.child("crawl").incarnation == 1
        assert [entry.child for entry in await root.supervisor("crawl").ledger()] == ["a"]
        assert await root.ledger() == ()
        assert ids(s, Exited) == ["root/crawl/a"]


@in_loop
async def test_the_death_of_the_process_restarts_the_whole_subtree() -> None:
    async with tree(crawl(inner("a"), supervisor("sub", inner("b")))) as (s, root):
        a, b = root.child("crawl/a"), root.child("crawl/sub/b")
        before = await a.call(pid)
        with pytest.raises(PlaceLost, match="killed by SIGKILL") as caught:
            await a.call(cast.kill_nine)
        assert caught.value.path == "root/crawl/a"
        assert await b.call(cast.where) == ("root/crawl/sub/b", 2, "b")
        assert root.child("crawl/a") is a
        assert await a.call(pid) == await b.call(pid) != before
        (entry,) = await root.ledger()
        assert entry.child == "crawl"
        assert "killed by SIGKILL" in entry.reason
        assert before not in s.pids()


@in_loop
async def test_what_waits_in_the_program_is_handled_by_the_next_process(tmp_path: Path) -> None:
    door = Door(tmp_path)
    async with tree() as (_, root):
        a = root.child("crawl/a")
        a.tell(door.then(cast.kill_nine))
        asked = [a.ask(noting(number), block=False) for number in range(3)]
        assert [await each for each in asked] == [[0], [0, 1], [0, 1, 2]]
        assert a.incarnation == 2


@in_loop
async def test_what_was_under_way_when_the_process_died_is_told() -> None:
    async with tree(crawl(inner("a"), inner("b", AsyncPerformer))) as (s, root):
        a, b = root.child("crawl/a"), root.child("crawl/b")
        waits = b.ask(cast.wait_long, block=False)
        assert await b.call(1) == 1
        b.tell(cast.wait_long)
        assert await b.call(2) == 2
        a.tell(cast.leave)
        with pytest.raises(PlaceLost, match="exit code 7"):
            await waits
        assert await b.call(3) == 3
        lost = [(letter.path, letter.reason) for letter in s.seen(DeadLetter)]
        assert sorted(lost) == [("root/crawl/a", "lost"), ("root/crawl/b", "lost"), ("root/crawl/b", "lost")]


@in_loop
async def test_the_event_says_how_many_messages_waited_inside() -> None:
    async with tree(crawl(inner("a"), inner("b"))) as (s, root):
        a, b = root.child("crawl/a"), root.child("crawl/b")
        down = a.monitor()
        b.tell(partial(tell_and_die, id="a", count=5))
        await down
        (lost,) = s.seen(LostInside)
        assert (lost.path, lost.waiting) == ("root/crawl", 5)
        assert lost.place


@in_loop
async def test_what_no_handler_has_begun_with_survives_an_end_in_order(tmp_path: Path) -> None:
    door, gate = Door(tmp_path), Door(tmp_path, "gate")
    subtree = crawl(inner("a"), inner("b", host="thread"), max_restarts=0, host=placing(prefetch=4))
    async with tree(subtree) as (s, root):
        a, b = root.child("crawl/a"), root.child("crawl/b")
        b.tell(door.then(gate.wait))
        await door.opened()
        asked = [b.ask(noting(number), block=False) for number in range(6)]
        await a.call("the others are there")
        ends = asyncio.Event()
        s.runtime.events.subscribe(lambda _: ends.set(), GaveUp)
        a.tell(cast.fail)
        await ends.wait()
        gate.open()
        assert [(await each)[-1] for each in asked] == [0, 1, 2, 3, 4, 5]  # by one process or the next
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["crashed"]


@in_loop
async def test_inner_giving_up_reaches_the_ledger_outside() -> None:
    async with tree(crawl(inner("a"), max_restarts=1)) as (_, root):
        a = root.child("crawl/a")
        down = root.child("crawl").monitor()
        for _ in range(2):
            a.tell(cast.fail)
        reason = (await down).reason
        assert isinstance(reason, RestartLimitExceeded)
        assert (reason.path, reason.child, reason.max_restarts) == ("root/crawl", "a", 1)
        assert isinstance(reason.cause, Crashed)
        assert await a.call("again") == "again"
        (entry,) = await root.ledger()
        assert entry.cause == "restart_limit_exceeded"


@in_loop
async def test_an_outer_supervisor_gives_up_over_a_subtree_without_progress() -> None:
    async with stage() as s:
        spec = supervisor("root", crawl(), max_restarts=2)
        async with start(spec, runtime=s.runtime, on_give_up="ignore") as root:
            a = root.child("crawl/a")
            a.tell(cast.leave)
            again = s.runtime.events.subscribe(
                lambda event: a.tell(cast.leave) if event.path == "root/crawl" else None, Started
            )
            reason = await root.ended()
            again.cancel()
        assert isinstance(reason, RestartLimitExceeded)
        assert isinstance(reason.cause, Lost)
        assert len([path for path in ids(s, Started) if path == "root/crawl"]) == 3


@in_loop
async def test_what_an_inner_actor_has_handled_is_progress_of_the_subtree() -> None:
    async with tree(max_restarts=1) as (_, root):
        a = root.child("crawl/a")
        for number in range(1, 4):
            assert await a.call(noting(number)) == [number]
            down = a.monitor()
            a.tell(cast.leave)
            await down
        assert await a.call(cast.where) == ("root/crawl/a", 4, "a")


@in_loop
async def test_kill_ends_the_process_of_the_subtree() -> None:
    async with tree() as (s, root):
        down = root.child("crawl/a").monitor()
        before = await root.child("crawl/a").call(pid)
        root.child("crawl").kill()
        assert isinstance((await down).reason, Killed)
        assert await root.child("crawl/a").call(pid) != before
        assert cast.wait_for_end(before)


@in_loop
async def test_a_subtree_stops_in_order() -> None:
    async with tree(crawl(inner("a"), inner("b"))) as (s, root):
        a = root.child("crawl/a")
        await root.terminate_child("crawl")
        assert [(event.path, event.reason) for event in s.seen(Exited)] == [
            ("root/crawl/b", Shutdown()),
            ("root/crawl/a", Shutdown()),
            ("root/crawl", Shutdown()),
        ]
        assert not a.is_alive()
        with pytest.raises(NotFound):
            root.child("crawl/a")
        crawl_again = await root.restart_child("crawl")
        assert isinstance(crawl_again, SupervisorRef)
        assert await root.child("crawl/a").call("again") == "again"


@in_loop
async def test_a_stop_breaks_off_the_start_of_the_subtree() -> None:
    async with stage() as s:
        begun = asyncio.Event()
        s.runtime.events.subscribe(lambda event: begun.set() if event.path == "root/crawl/a" else None, Started)
        spec = supervisor("root", crawl(inner("a"), inner("b", Hung, shutdown="brutal_kill"), retry_start=True))
        starting = asyncio.ensure_future(start(spec, runtime=s.runtime).__aenter__())
        await begun.wait()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert [event.path for event in s.seen(Exited)] == ["root/crawl/a", "root"]
        assert s.runtime.find("root") is None


@in_loop
async def test_a_root_may_have_the_process() -> None:
    async with stage() as s, start(crawl(inner("a")), runtime=s.runtime) as root:
        assert await root.child("a").call(pid) != os.getpid()
        assert (await root.count_children()).active == 1


@in_loop
async def test_a_partitioned_and_a_dynamic_supervisor_may_have_it() -> None:
    many = partition_supervisor("many", inner("x"), partitions=2, host=placing())
    more = dynamic_supervisor("more", inner("x"), host=placing())
    async with tree(many, more) as (_, root):
        one = root.supervisor("many").partition(1)
        assert one.path == "root/many/1"
        assert await one.call(pid) == await root.child("many/0").call(pid)
        added = await root.supervisor("more").start_child(("note",))
        assert await added.call(cast.notes) == ["note"]
        assert await added.call(pid) not in (os.getpid(), await one.call(pid))
