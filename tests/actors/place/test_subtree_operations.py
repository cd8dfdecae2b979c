"""What can be done with a supervisor in a process of its own and with its actors, and what is seen of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pykka
import pytest
from prometheus_client import CollectorRegistry

from actors import (
    ActorDeadError,
    CallTimeout,
    Crashed,
    DeadLetter,
    DeadlockError,
    Killed,
    LinkedExit,
    Lost,
    MailboxFull,
    ManualClock,
    Metrics,
    NoMailbox,
    NotInPlace,
    NotSendable,
    Quarantined,
    RestartLimitExceeded,
    bounded,
    wait_for_stop,
)
from supervisors import (
    ChildRunning,
    ChildSpec,
    ChildStartError,
    ChildState,
    NotFound,
    SupervisorSpec,
    child,
    start,
    supervisor,
)
from teams.cli._snapshot import take
from tests.actors.place import cast
from tests.actors.place.cast import AsyncPerformer, Door, Listener, Performer, Unsendable, noting, pid, placing, stage
from tests.actors.place.subtrees import (
    Registered,
    Watcher,
    called,
    crawl,
    inner,
    tell_many,
    told,
    tree,
    until,
    watch_worker,
    whereis_pid,
)
from tests.actors.place.test_operations import (
    call_out_async,
    call_sibling,
    correlation,
    give,
    give_child,
    link,
    monitor,
    own_ref,
    register,
    sender_of,
    show,
    sibling_of,
    stash,
    stop_self,
    tell_to,
    unstash,
)
from tests.support import in_loop


@in_loop
async def test_every_operation_of_a_supervisor_is_answered_inside() -> None:
    async with tree(crawl(inner("a"), max_restarts=3)) as (_, root):
        crawl_ref = root.supervisor("crawl")
        b = await crawl_ref.start_child(inner("b", args=("note",)))
        assert b is root.child("crawl/b")
        assert await b.call(cast.notes) == ["note"]
        assert await b.call(pid) == await root.child("crawl/a").call(pid)
        assert [(info.id, info.state, info.ref) for info in await crawl_ref.which_children()] == [
            ("a", ChildState.RUNNING, root.child("crawl/a")),
            ("b", ChildState.RUNNING, b),
        ]
        assert (await crawl_ref.which_child(b)).id == "b"
        assert (await crawl_ref.count_children()).active == 2
        kept = await crawl_ref.get_child_spec("b")
        assert isinstance(kept, ChildSpec)
        assert kept.args == ("note",)
        with pytest.raises(ChildRunning):
            await crawl_ref.delete_child("b")
        before = b.incarnation
        assert await crawl_ref.restart_child(b, running=True) is b
        assert b.incarnation == before + 1
        await crawl_ref.terminate_child(b)
        with pytest.raises(NotFound):
            root.child("crawl/b")
        again = await crawl_ref.restart_child("b")
        assert await again.call(cast.notes) == ["note"]
        await crawl_ref.terminate_child("b")
        await crawl_ref.delete_child("b")
        with pytest.raises(NotFound):
            await crawl_ref.restart_child("b")
        assert await crawl_ref.update_settings(max_restarts=4) == ("max_restarts",)
        done = await crawl_ref.update_specs(inner("a"), inner("c"))
        assert done.added == ("c",)
        assert await root.child("crawl/c").call("c") == "c"


@in_loop
async def test_pause_and_resume_reach_the_inner_actors() -> None:
    async with tree(crawl(inner("a"), supervisor("sub", inner("b")))) as (_, root):
        assert await root.pause_work()
        asked = [root.child(f"crawl/{path}").ask(1, block=False) for path in ("a", "sub/b")]
        assert not await root.pause_work()
        await until(lambda: root.child("crawl/sub/b").status().suspended)
        assert not any(each.done() for each in asked)
        assert await root.resume_work()
        assert [await each for each in asked] == [1, 1]


@in_loop
async def test_settings_of_a_subtree_are_adopted_without_a_restart() -> None:
    async with tree(crawl(inner("a"), max_restarts=3)) as (_, root):
        before = await root.child("crawl/a").call(pid)
        done = await root.update_specs(crawl(inner("a"), max_restarts=0))
        assert done.adopted == ("crawl",)
        assert await root.child("crawl/a").call(pid) == before
        down = root.child("crawl").monitor()
        root.child("crawl/a").tell(cast.fail)
        assert isinstance((await down).reason, RestartLimitExceeded)


@in_loop
async def test_a_subtree_moves_between_the_program_and_a_process() -> None:
    async with tree(crawl(inner("a"), host=None)) as (s, root):
        assert await root.child("crawl/a").call(pid) == os.getpid()
        assert (await root.update_specs(crawl(inner("a")))).restarted == ("crawl",)
        await until(lambda: root.child("crawl").status().state == "running")
        moved = root.child("crawl/a")
        assert await moved.call(pid) != os.getpid()
        await root.update_specs(crawl(inner("a"), host=None))
        await until(lambda: root.child("crawl").status().state == "running")
        assert await root.child("crawl/a").call(pid) == os.getpid()


@in_loop
async def test_monitors_of_an_inner_actor_hear_of_each_end() -> None:
    async with tree(crawl(inner("a"), inner("t", restart="temporary"))) as (_, root):
        a, t = root.child("crawl/a"), root.child("crawl/t")
        crashed = a.monitor()
        a.tell(cast.fail)
        assert isinstance((await crashed).reason, Crashed)
        ended = t.ended()
        t.tell(stop_self)
        assert (await ended).kind == "normal"
        assert not t.is_alive()
        with pytest.raises(ActorDeadError):
            t.tell(1)
        lost = a.monitor()
        a.tell(cast.segfault)
        reason = (await lost).reason
        assert isinstance(reason, Lost)
        assert "SIGSEGV" in reason.how


@in_loop
async def test_links_cross_the_process_in_both_directions() -> None:
    async with tree(
        crawl(inner("a"), inner("c")),
        child("b", Performer, backoff=None, restart="temporary"),
        child("d", Performer, backoff=None),
    ) as (_, root):
        a, b, c, d = (root.child(path) for path in ("crawl/a", "b", "crawl/c", "d"))
        await a.call(partial(link, ref=b))
        a.tell(cast.fail)
        reason = await b.ended()
        assert isinstance(cast.crash_of(reason), LinkedExit)
        down = c.monitor()
        await d.call(partial(link, ref=c))
        d.tell(cast.fail)
        assert isinstance(cast.crash_of((await down).reason), LinkedExit)
        assert root.child("crawl").incarnation == 1


@in_loop
async def test_stop_kill_and_suspend_reach_an_inner_actor() -> None:
    async with tree() as (_, root):
        a = root.child("crawl/a")
        a.tell(noting(1))
        assert await a.stop(block=False)
        assert await a.call(cast.where) == ("root/crawl/a", 2, "a")
        assert await a.stop(block=False, drain=False)
        assert await a.call(cast.where) == ("root/crawl/a", 3, "a")
        down = a.monitor()
        a.kill()
        assert isinstance((await down).reason, Killed)
        assert await a.call(cast.where) == ("root/crawl/a", 4, "a")
        a.suspend()
        asked = a.ask(5, block=False)
        await until(lambda: a.status().suspended)
        assert not asked.done()
        a.resume()
        assert await asked == 5
        assert root.child("crawl").incarnation == 1


@in_loop
async def test_a_suspended_inner_actor_stays_so_in_the_next_process() -> None:
    async with tree(crawl(inner("a"), inner("b"))) as (_, root):
        a, b = root.child("crawl/a"), root.child("crawl/b")
        a.suspend()
        b.tell(cast.leave)
        assert await b.call(1) == 1
        asked = a.ask(2, block=False)
        await b.call(3)
        assert not asked.done()
        a.resume()
        assert await asked == 2


@in_loop
async def test_a_deadline_of_an_inner_actor_passes(tmp_path: Path) -> None:
    clock, door, gate = ManualClock(), Door(tmp_path), Door(tmp_path, "gate")
    async with stage(clock=lambda _: clock) as s, start(supervisor("root", crawl()), runtime=s.runtime) as root:
        a = root.child("crawl/a")
        asked = asyncio.ensure_future(a.call(door.then(gate.wait), timeout=10))
        await door.opened()
        clock.advance(11)
        with pytest.raises(CallTimeout):
            await asked
        gate.open()
        assert await a.call("next") == "next"
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["late_reply"]


@in_loop
async def test_what_cannot_travel_to_or_from_an_inner_actor_is_refused() -> None:
    async with tree() as (s, root):
        a = root.child("crawl/a")
        with pytest.raises(NotSendable, match="the message of type Unsendable"):
            await a.call(Unsendable())
        with pytest.raises(NotSendable):
            await a.call(cast.give_unsendable)
        assert await a.call(1) == 1
        assert a.incarnation == 1
        assert [letter.reason for letter in s.seen(DeadLetter)] == ["unsendable"]


@in_loop
async def test_names_and_groups_of_inner_actors_are_those_of_the_program() -> None:
    named = inner("named", name="boss")
    async with tree(crawl(inner("a", Registered), named), child("w", Watcher)) as (s, root):
        a, w = root.child("crawl/a"), root.child("w")
        assert s.runtime.whereis("worker") is a
        assert s.runtime.whereis("boss") is root.child("crawl/named")
        assert s.runtime.members("workers") == [a]
        assert await root.child("crawl/named").call(partial(whereis_pid, name="worker")) == await a.call(pid)
        await w.call(watch_worker)
        assert await w.call(told) == ["NameRegistered"]
        a.tell(cast.leave)
        await a.call("again")
        assert s.runtime.whereis("worker") is a
        assert s.runtime.whereis("boss") is root.child("crawl/named")
        assert await w.call(told) == ["NameRegistered", "NameReleased", "NameRegistered"]
        await root.terminate_child("crawl")
        assert s.runtime.whereis("worker") is s.runtime.whereis("boss") is None
        assert s.runtime.members("workers") == []


@in_loop
async def test_a_name_that_is_taken_in_the_program_fails_the_inner_start() -> None:
    async with tree(child("b", Performer, name="boss")) as (s, root):
        with pytest.raises(ChildStartError, match="boss"):
            await root.start_child(crawl(inner("a", name="boss")))
        assert s.runtime.whereis("boss") is root.child("b")


@in_loop
async def test_inner_actors_watch_names_of_the_program() -> None:
    async with tree(crawl(inner("w", Watcher)), child("b", Performer)) as (_, root):
        w, b = root.child("crawl/w"), root.child("b")
        await w.call(watch_worker)
        await b.call(partial(register, name="worker"))
        while await w.call(told) != ["NameReleased", "NameRegistered"]:
            await asyncio.sleep(0)


@in_loop
async def test_inner_actors_see_outside_by_refs_and_by_name() -> None:
    async with tree(crawl(inner("a", AsyncPerformer), inner("c")), child("listener", Listener)) as (_, root):
        a, c, listener = root.child("crawl/a"), root.child("crawl/c"), root.child("listener")
        assert await a.call(partial(give, value=listener)) is listener
        assert await a.call(own_ref) is a
        await a.call(partial(tell_to, ref=listener, message=("from", a, c)))
        await until(lambda: listener.state()["heard"])
        assert listener.state()["heard"] == [("from", a, c)]
        assert await a.call(partial(call_out_async, ref=listener, message=sender_of)) is a
        assert await a.call(partial(call_sibling, id="c", message=pid)) == await a.call(pid)
        assert await a.call(partial(sibling_of, id="c")) is c
        assert await a.call(correlation, correlation_id="c-1") == "c-1"
        number = await a.call(partial(monitor, ref=listener))
        listener.kill()
        while not (downs := await a.call(cast.downs)):
            await asyncio.sleep(0)
        assert [(down.ref, down.monitor) for down in downs] == [(listener, number)]


@in_loop
async def test_refs_of_inner_actors_work_in_other_processes() -> None:
    async with tree(crawl(inner("a")), supervisor("other", inner("b", AsyncPerformer), host=placing())) as (_, root):
        a, b = root.child("crawl/a"), root.child("other/b")
        assert await b.call(partial(call_out_async, ref=a, message=pid)) == await a.call(pid)


@in_loop
async def test_a_wait_that_would_never_end_is_refused_across_subtrees() -> None:
    async with tree(crawl(inner("a")), child("b", Performer)) as (_, root):
        a, b = root.child("crawl/a"), root.child("b")
        back = partial(call_out_async, ref=a, message="back")
        with pytest.raises(DeadlockError) as caught:
            await a.call(partial(call_out_async, ref=b, message=back))
        assert set(caught.value.chain) == {"root/crawl/a", "root/b"}


@in_loop
async def test_a_stash_of_an_inner_actor_holds_up_no_other_message() -> None:
    async with tree() as (s, root):
        a = root.child("crawl/a")
        a.tell(stash)
        assert await a.call("between") == "between"
        await a.call(unstash)
        assert await a.call(cast.notes) == ["open", "unstashed"]
        assert not s.seen(DeadLetter)


@in_loop
async def test_redelivery_and_quarantine_work_inside(tmp_path: Path) -> None:
    async with tree(crawl(inner("a", redeliver=1))) as (s, root):
        a = root.child("crawl/a")
        a.tell(cast.fail)
        assert await a.call(cast.where) == ("root/crawl/a", 3, "a")
        (event,) = s.seen(Quarantined)
        assert (event.path, event.crashes) == ("root/crawl/a", 2)
        (held,) = s.runtime.quarantine
        assert held.path == "root/crawl/a"
        assert await a.call(1) == 1
        s.runtime.quarantine.retry(held.id)
        assert await a.call(cast.where) == ("root/crawl/a", 5, "a")
        assert not s.seen(DeadLetter)


@in_loop
async def test_the_mailbox_of_an_inner_actor_has_its_bound_in_the_program(tmp_path: Path) -> None:
    door, gate = Door(tmp_path), Door(tmp_path, "gate")
    async with tree(crawl(inner("a", mailbox=bounded(1, "drop_newest")))) as (s, root):
        a = root.child("crawl/a")
        a.tell(door.then(gate.wait))
        await door.opened()
        for number in range(3):
            a.tell(noting(number))
        assert len(s.seen(DeadLetter)) == 2
        gate.open()
        await until(lambda: a.status().queued == 0)
        assert await a.call(cast.notes) == [0]


@in_loop
async def test_the_mirror_shows_counters_traces_views_and_the_live_view() -> None:
    async with tree(crawl(inner("a"), supervisor("sub", inner("b")))) as (s, root):
        registry = CollectorRegistry()
        with Metrics(s.runtime, registry):
            a, b = root.child("crawl/a"), root.child("crawl/sub/b")
            a.trace(2)
            for number in range(3):
                await a.call(number)
            await a.call(partial(tell_many, ref=b, count=4))
            a.tell(cast.fail)
            await a.call(partial(show, value={"seen": 3}))
            await until(lambda: b.statistics().handled == 4)
            await until(lambda: a.statistics().handled == 6)
            assert a.statistics().crashes == 1
            assert a.view() == {"seen": 3}
            assert [(line.message_type, line.outcome) for line in a.last_messages()] == [
                ("function", "failed"),
                ("partial", "done"),
            ]
            view = root.supervisor("crawl/sub").view()
            assert isinstance(view, SupervisorSpec)
            labels = {"actor": "Performer"}
            assert registry.get_sample_value("letitcrash_messages_handled_total", labels) == 10
            assert registry.get_sample_value("letitcrash_actors", {**labels, "state": "running"}) == 2
            assert registry.get_sample_value("letitcrash_exits_total", {**labels, "reason": "crashed"}) == 1
        shown = take(s.runtime, root._cell)
        (crawl_node,) = shown.root.children
        assert (crawl_node.id, crawl_node.state) == ("crawl", "running")
        assert [(node.id, node.state, node.incarnation) for node in crawl_node.children] == [
            ("a", "running", 2),
            ("sub", "running", 1),
        ]
        assert crawl_node.children[1].what == "one_for_one"


@in_loop
async def test_messages_that_wait_inside_are_shown(tmp_path: Path) -> None:
    door, gate = Door(tmp_path), Door(tmp_path, "gate")
    async with tree(crawl(inner("a"), inner("b", host="thread"))) as (_, root):
        a, b = root.child("crawl/a"), root.child("crawl/b")
        b.tell(door.then(gate.wait))
        await door.opened()
        await a.call(partial(tell_many, ref=b, count=3))
        await until(lambda: b.status().queued == 3)
        gate.open()
        await until(lambda: b.status().queued == 0)


@in_loop
async def test_actors_that_inner_actors_spawn_are_shown_and_go_with_the_process() -> None:
    async with tree(crawl(inner("a", AsyncPerformer))) as (s, root):
        a = root.child("crawl/a")
        found = await a.call(give_child)
        assert a.status().children == (found.id,)
        assert s.runtime.find(found.path) == found
        assert await found.call(pid) == await a.call(pid)
        down = a.monitor()
        a.tell(cast.leave)
        await down
        await a.call("again")
        assert not found.is_alive()


@in_loop
async def test_nothing_is_spawned_below_an_inner_actor_from_outside() -> None:
    async with tree() as (s, root):
        with pytest.raises(NotInPlace, match="spawn"):
            s.runtime.spawn(Performer, parent=root.child("crawl/a"))


@in_loop
async def test_a_subtree_leaves_nothing_in_the_runtime() -> None:
    async with tree(child("other", Performer)) as (s, root):
        before = set(s.runtime.cells), s.runtime.registry.size
        await root.start_child(crawl(inner("a", Registered), supervisor("sub", inner("b", name="b"))))
        down = root.child("crawl").monitor()
        root.child("crawl/a").tell(cast.leave)
        await down
        await root.child("crawl/sub/b").call(1)
        await root.terminate_child("crawl")
        await root.delete_child("crawl")
        assert (set(s.runtime.cells), s.runtime.registry.size) == before


@in_loop
async def test_functions_context_managers_threads_and_pykka_actors_run_inside() -> None:
    subtree = crawl(
        inner("coroutine", poll, restart="transient"),
        inner("function", wait_for_the_end),
        inner("resource", resource),
        inner("pykka", Classic),
        inner("thread", Registered, host="thread"),
    )
    async with tree(subtree) as (s, root):
        there = await root.child("crawl/thread").call(pid)
        assert s.runtime.whereis("worker") is root.child("crawl/thread")
        assert await root.child("crawl/pykka").call("pykka") == (there, "pykka")
        assert root.child("crawl/resource").view() == {"pid": there}
        assert root.child("crawl/coroutine").status().state == "running"
        with pytest.raises(NoMailbox):
            await root.child("crawl/function").call(1)
        root.child("crawl/thread").tell(cast.leave)
        assert await root.child("crawl/thread").call(pid) != there
        assert s.runtime.whereis("worker") is root.child("crawl/thread")


async def poll() -> None:
    await asyncio.get_running_loop().create_future()


def wait_for_the_end() -> None:
    wait_for_stop(None)


@asynccontextmanager
async def resource() -> AsyncIterator[dict[str, int]]:
    yield {"pid": os.getpid()}


class Classic(pykka.ThreadingActor):
    def on_receive(self, message: Any) -> Any:
        return os.getpid(), message


@in_loop
async def test_a_full_mailbox_inside_refuses_what_comes_from_outside(tmp_path: Path) -> None:
    door, gate = Door(tmp_path), Door(tmp_path, "gate")
    subtree = crawl(
        inner("a", mailbox=bounded(1), host="thread"),
        inner("b"),
        host=placing(prefetch=2),
    )
    async with tree(subtree) as (s, root):
        a, b = root.child("crawl/a"), root.child("crawl/b")
        a.tell(door.then(gate.wait))
        await door.opened()
        await b.call(partial(tell_many, ref=a, count=1))
        with pytest.raises(MailboxFull):
            await a.call("from outside")
        gate.open()
        await until(lambda: a.statistics().handled == 2)
        assert await a.call("again") == "again"


@in_loop
async def test_a_callback_of_a_placed_supervisor_runs_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETITCRASH_TEST_CALLED", str(tmp_path / "called"))
    async with tree(crawl(inner("a"), on_failure=called)) as (_, root):
        a = root.child("crawl/a")
        there = await a.call(pid)
        a.tell(cast.fail)
        await a.call("again")
        assert (tmp_path / "called").read_text(encoding="utf-8") == f"{there} a"
