"""Rules 6 and 7 on the real runtime: what each strategy restarts, in which order, and what merges."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Shutdown
from supervisors import GaveUp, dynamic_supervisor, supervisor
from tests.supervisors.cast import Play, boom, hang, leave, running, states, tell, worker
from tests.support import in_loop


@pytest.mark.parametrize(
    ("strategy", "log"),
    [
        ("one_for_one", "!b +b"),
        ("one_for_all", "!b -d -c -a +a +b +c +d"),
        ("rest_for_one", "!b -d -c +b +c +d"),
    ],
)
@in_loop
async def test_rule_6_what_each_strategy_restarts_and_in_which_order(strategy: Any, log: str) -> None:
    """Rule 6: stops in reverse start order, starts in start order."""
    play = Play()
    children = [worker(play, id) for id in "abcd"]
    async with running(supervisor("root", *children, strategy=strategy)) as (w, root):
        play.take()
        await tell(w, root, "b")
        assert play.take() == log


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@in_loop
async def test_rule_6_members_of_a_group_stop_one_by_one_and_start_one_by_one(strategy: Any) -> None:
    """Rule 6: the next is told to stop only when the last has terminated; no child starts before all have stopped."""
    play = Play()
    play.stops["c"] = play.held
    async with running(supervisor("root", *[worker(play, id) for id in "abc"], strategy=strategy)) as (w, root):
        play.take()
        await tell(w, root, "a")
        assert play.take() == "!a -c"
        assert await states(root) == {"a": "restarting", "b": "running", "c": "stopping"}
        play.gate.set()
        await w.settle()
        assert play.take() == "-b +a +b +c"


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@in_loop
async def test_rule_6_a_temporary_bystander_of_a_group_restart_is_dropped(strategy: Any) -> None:
    """Rule 6: it is stopped and not started again."""
    play = Play()
    children = [worker(play, "a"), worker(play, "t", restart="temporary"), worker(play, "c")]
    async with running(supervisor("root", *children, strategy=strategy)) as (w, root):
        play.take()
        await tell(w, root, "a")
        assert play.take() == "!a -c -t +a +c"
        assert list(await states(root)) == ["a", "c"]


@in_loop
async def test_rule_6_a_transient_bystander_of_a_group_restart_comes_back() -> None:
    """Rule 6: only temporary ones are dropped; that it was told to stop is not its own end."""
    play = Play()
    children = [worker(play, "a"), worker(play, "t", restart="transient")]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        await tell(w, root, "a")
        assert await states(root) == {"a": "running", "t": "running"}


@in_loop
async def test_rule_6_a_group_restart_leaves_those_at_rest_alone() -> None:
    """Rule 6: what was stopped on purpose or has ended for good stays so."""
    play = Play()
    children = [worker(play, "a"), worker(play, "b"), worker(play, "t", restart="transient")]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        await root.terminate_child("b")
        await tell(w, root, "t", message=leave)
        await tell(w, root, "a")
        assert await states(root) == {"a": "running", "b": "stopped", "t": "stopped"}


@in_loop
async def test_rule_6_a_group_restart_kills_a_sibling_that_ignores_its_stop() -> None:
    """Rules 6 and 17: the grace of each member holds during a group restart too."""
    play = Play()
    play.stops["c"] = hang
    children = [worker(play, "a"), worker(play, "b"), worker(play, "c", shutdown=3)]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        play.take()
        await tell(w, root, "a")
        del play.stops["c"]
        assert play.take() == "!a -c"
        await w.advance(3)
        assert play.take() == "-b +a +b +c"


@in_loop
async def test_rule_6_children_of_a_template_take_arguments_and_restart_alone() -> None:
    """Rule 6: simple_one_for_one; each keeps its own arguments over a restart."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t"))) as (w, root):
        refs = [await root.start_child([number]) for number in range(3)]
        refs[1].tell(boom)
        await w.settle()
        assert [ref.incarnation for ref in refs] == [1, 2, 1]
        assert [await ref.call(lambda actor: actor.more) for ref in refs] == [(0,), (1,), (2,)]


@in_loop
async def test_rule_6_children_of_a_template_stop_in_parallel_under_one_timer() -> None:
    """Rule 6: all are told at once, and those that ignore it are killed together after one grace."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t", shutdown=3))) as (w, root):
        for number in range(100):
            await root.start_child([number])
        play.stops = {str(number + 1): hang for number in range(100)}
        play.take()
        before = w.clock.pending
        ended = root.ended()
        root.stop(block=False)
        await w.settle()
        assert len(play.take().split()) == 100
        assert w.clock.pending - before == 1
        await w.advance(2.9)
        assert not ended.done()
        await w.advance(0.1)
        assert ended.done()


@in_loop
async def test_rule_6_a_late_start_is_killed_by_the_shared_timer_too() -> None:
    """Rule 6: one that was still starting when all were told to stop is not forgotten."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t", shutdown=3))) as (w, root):
        await root.start_child([])
        play.starts["2"] = hang
        asked = root.start_child([])
        await w.settle()
        ended = root.ended()
        root.stop(block=False, drain=False)
        await w.advance(3)
        assert ended.done()
        with pytest.raises(Exception, match="shutting down"):
            await asked


@in_loop
async def test_rule_7_exits_during_a_group_restart_merge_into_it() -> None:
    """Rule 7: three crashes at once are one restart, counted once."""
    play = Play()
    children = [worker(play, id) for id in "abcd"]
    async with running(supervisor("root", *children, strategy="one_for_all", max_restarts=1)) as (w, root):
        play.take()
        await tell(w, root, "b", "c", "a")
        assert [root.child(id).incarnation for id in "abcd"] == [2, 2, 2, 2]
        assert play.take().split()[-4:] == ["+a", "+b", "+c", "+d"]


@in_loop
async def test_rule_7_a_bystander_that_crashes_in_its_stop_merges() -> None:
    """Rule 7: an on_stop that raises while the group restarts is not a second cause."""
    play = Play()
    play.stops["b"] = boom
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, strategy="one_for_all", max_restarts=1)) as (w, root):
        play.take()
        await tell(w, root, "a")
        assert play.take() == "!a -c -b +a +b +c"
        assert w.seen(GaveUp) == []


@in_loop
async def test_rule_7_a_member_killed_while_it_waits_for_its_stop_merges() -> None:
    """Rule 7: b goes by itself while c still stops; it is not stopped again and starts once."""
    play = Play()
    play.stops["c"] = play.held
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, strategy="one_for_all", max_restarts=1)) as (w, root):
        play.take()
        await tell(w, root, "a")
        root.child("b").kill()
        await w.settle()
        play.gate.set()
        await w.settle()
        assert play.take() == "!a -c +a +b +c"


@in_loop
async def test_rule_7_an_earlier_sibling_extends_a_rest_for_one_restart() -> None:
    """Rule 7: there is still one restart, from the earlier one on."""
    play = Play()
    play.stops["c"] = play.held
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, strategy="rest_for_one")) as (w, root):
        play.take()
        await tell(w, root, "b")
        await tell(w, root, "a")
        play.gate.set()
        await w.settle()
        assert play.take() == "!b -c !a +a +b +c"
        assert [root.child(id).incarnation for id in "abc"] == [2, 2, 2]


@in_loop
async def test_rule_7_a_stop_of_the_supervisor_ends_a_group_restart() -> None:
    """Rule 7: no child is started any more, and the end is that of the order."""
    play = Play()
    play.stops["c"] = play.held
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        play.take()
        await tell(w, root, "a")
        ended = root.ended()
        root.stop(block=False)
        await w.settle()
        play.gate.set()
        assert isinstance(await ended, Shutdown)
        assert play.take() == "!a -c -b"
