"""`update_specs`: a running supervisor takes other specs over (rule 23)."""

from __future__ import annotations

from typing import Any

import pytest

from supervisors import (
    Reconciliation,
    ShuttingDown,
    SpecError,
    SupervisorRef,
    constant,
    dynamic_supervisor,
    supervisor,
)
from tests.supervisors.cast import Play, Worker, boom, failing, running, states, tell, worker
from tests.support import in_loop


class Other(Worker):
    """Another class."""


@in_loop
async def test_rule_23_update_specs_stops_removed_and_starts_new_children_only() -> None:
    """Rule 23: in reverse, then in order; what did not change is not touched."""
    play = Play()
    old = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *old)) as (_, root):
        play.take()
        done = await root.update_specs(worker(play, "x"), old[1], worker(play, "y"))
        assert done == Reconciliation(removed=("a", "c"), restarted=(), adopted=(), added=("x", "y"))
        assert play.take() == "-c -a +x +y"
        assert list(await states(root)) == ["x", "b", "y"]
        assert root.child("b").incarnation == 1


@in_loop
async def test_rule_23_the_new_order_is_the_order_of_the_next_stop() -> None:
    """Rule 23: and of the next group restart."""
    play = Play()
    a, b, c = (worker(play, id) for id in "abc")
    async with running(supervisor("root", a, b, c, strategy="one_for_all")) as (w, root):
        await root.update_specs(c, a, b)
        play.take()
        await tell(w, root, "a")
        assert play.take() == "!a -b -c +c +a +b"
        root.stop(block=False)
        await root.ended()
        assert play.take() == "-b -a -c"


@in_loop
async def test_rule_23_a_supervisor_that_replaces_a_worker_serves_its_api_by_ref() -> None:
    """Rules 23 and 26: who held the ref of the worker reaches it, too."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        before = root.child("a")
        await root.update_specs(supervisor("a", worker(play, "x")))
        after = root.child("a")
        assert isinstance(after, SupervisorRef)
        assert list(await states(after)) == ["x"]
        assert before.is_alive()
        assert before.path == after.path


@in_loop
async def test_rule_23_another_program_is_restarted_and_keeps_its_ref_and_queue() -> None:
    """Rules 23 and 26: the place is the same, and what waits is handled by the new program."""
    play = Play()
    play.stops["a"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        a = root.child("a")
        changing = root.update_specs(worker(play, "a").model_copy(update={"start": Other}))
        await w.settle()
        a.tell("waits")
        play.gate.set()
        assert (await changing).restarted == ("a",)
        assert root.child("a") is a
        assert a.actor_class is Other
        await w.settle()
        assert play.seen == [("a", 2, "waits")]


@in_loop
async def test_rule_23_a_change_of_policy_is_adopted_without_a_restart() -> None:
    """Rule 23: backoff, budget, restart and grace count from then on."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        done = await root.update_specs(worker(play, "a", backoff=constant(7), restart="temporary", shutdown=3))
        assert done.adopted == ("a",)
        assert root.child("a").incarnation == 1
        assert (await root.get_child_spec("a")).shutdown == 3
        await tell(w, root, "a")
        assert await states(root) == {}


@in_loop
async def test_rule_23_what_is_adopted_holds_for_the_incarnation_that_is_there() -> None:
    """Rule 23: the supervisor knew the new policy, and the running child went on by the old one until its restart."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", redeliver=0))) as (w, root):
        await root.update_specs(worker(play, "a", redeliver=1))
        await tell(w, root, "a", message=failing(1))
        assert play.take() == "+a !a +a"
        assert w.dead_letters == []


@in_loop
async def test_rule_23_a_changed_name_is_taken_over_and_the_old_one_is_free() -> None:
    """Rule 32: no name is left behind with an actor that does not have it any more."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", name="old"))) as (w, root):
        done = await root.update_specs(worker(play, "a", name="new"))
        assert done.restarted == ("a",)
        assert w.runtime.whereis("new") is root.child("a")
        assert w.runtime.whereis("old") is None
        await root.terminate_child("a")
        assert w.runtime.registry.size == 0


@in_loop
async def test_rule_23_what_is_at_rest_stays_so() -> None:
    """Rule 23: an update does not start a child that was stopped on purpose."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), worker(play, "b"))) as (_, root):
        await root.terminate_child("a")
        await root.update_specs(worker(play, "a", args=(play, 1)), worker(play, "b"))
        assert await states(root) == {"a": "stopped", "b": "running"}
        ref = await root.restart_child("a")
        assert await ref.call(lambda actor: actor.more) == (1,)


@in_loop
async def test_rule_23_a_child_that_backs_off_comes_back_with_the_new_program() -> None:
    """Rule 23: its old program is what failed; its queue waits for the new one."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", backoff=constant(50)))) as (w, root):
        await tell(w, root, "a")
        root.child("a").tell("waits")
        await root.update_specs(worker(play, "a", args=(play, "new"), backoff=constant(50)))
        await w.settle()
        assert await states(root) == {"a": "running"}
        assert play.seen == [("a", 2, "waits")]
        assert w.clock.pending == 0


@pytest.mark.parametrize("forgiven", [True, False])
@in_loop
async def test_rule_23_the_new_backoff_measures_the_run_it_ends(forgiven: bool) -> None:
    """Rule 23: whether the failures of a child that ran for a second are forgotten, the new spec says."""
    play, backoffs = Play(), [None, constant(1, reset_after=1)]
    old, new = backoffs if forgiven else reversed(backoffs)
    first = worker(play, "a", backoff=old)
    async with running(supervisor("root", first, max_restarts=1)) as (w, root):
        await tell(w, root, "a")
        await w.advance(2.5)
        assert root.child("a").incarnation == 2
        await root.update_specs(worker(play, "a", args=(play, "new"), backoff=new))
        await tell(w, root, "a")
        assert root.is_alive() is forgiven


@in_loop
async def test_rule_23_a_bad_update_changes_nothing() -> None:
    """Rules 22 to 24: all faults at once, and every child goes on."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        goal = worker(play, "g", restart="transient", significant=True)
        with pytest.raises(SpecError) as caught:
            await root.update_specs(worker(play, "b"), worker(play, "b"), goal)
        assert len(caught.value.faults) == 2
        assert await states(root) == {"a": "running"}


@in_loop
async def test_rule_23_an_update_refuses_the_spec_of_the_supervisor_itself() -> None:
    """Guards the children: all of them stopped, and the tree began again below itself, without an error."""
    play = Play()
    tree = supervisor("root", worker(play, "a"), supervisor("b", worker(play, "c")))
    async with running(tree) as (_, root):
        with pytest.raises(SpecError, match=r"root: update_specs takes the specs of its children"):
            await root.update_specs(tree)
        assert await states(root) == {"a": "running", "b": "running"}
        assert await root.update_specs(*tree.children) == Reconciliation((), (), (), ())


@in_loop
async def test_rule_23_a_child_may_have_the_id_of_its_supervisor() -> None:
    play = Play()
    async with running(supervisor("root", supervisor("root", worker(play, "a")))) as (_, root):
        done = await root.update_specs(supervisor("root", worker(play, "b")))
        assert done.restarted == ("root",)


@in_loop
async def test_rule_23_the_update_answers_when_all_of_it_is_done() -> None:
    """Rule 23: not while something still starts."""
    play = Play()
    play.starts["b"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        asked = root.update_specs(worker(play, "a"), worker(play, "b"), worker(play, "c"))
        await w.settle()
        assert not asked.done()
        assert play.begun == ["a", "b"]
        play.gate.set()
        await asked
        assert play.take() == "+a +b +c"


@in_loop
async def test_rule_23_an_update_is_refused_when_the_supervisor_ends_meanwhile() -> None:
    """Rule 23: no caller waits for ever."""
    play = Play()
    play.starts["b"] = play.held
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        asked = root.update_specs(worker(play, "a"), worker(play, "b"))
        await w.settle()
        root.stop(block=False, drain=False)
        with pytest.raises(ShuttingDown):
            await asked
        play.gate.set()


@in_loop
async def test_rule_23_an_added_child_whose_start_fails_is_restarted_like_any() -> None:
    """Rules 14 and 23: the update is complete when it is up."""
    play = Play()
    left = [2]

    def fails(_: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise ValueError("not yet")

    play.starts["b"] = fails
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        asked = root.update_specs(worker(play, "a"), worker(play, "b", backoff=constant(5)))
        for _ in range(3):
            await w.advance(5)
        assert asked.done()
        assert await states(root) == {"a": "running", "b": "running"}


@in_loop
async def test_a_dynamic_supervisor_takes_another_template_for_children_to_come() -> None:
    """Those that run are left as they are."""
    play = Play()
    async with running(dynamic_supervisor("root", worker(play, "t"))) as (w, root):
        first = await root.start_child()
        await root.update_specs(worker(play, "t").model_copy(update={"start": Other}))
        second = await root.start_child()
        first.tell(boom)
        await w.settle()
        assert (first.actor_class, second.actor_class) == (Worker, Other)
        with pytest.raises(SpecError, match="one template"):
            await root.update_specs()


@in_loop
async def test_a_nested_tree_that_changes_inside_is_restarted_as_one_child() -> None:
    """What is below belongs to what the child runs."""
    play = Play()
    before = supervisor("s", worker(play, "x"), backoff=None)
    after = supervisor("s", worker(play, "x"), worker(play, "y"), backoff=None)
    async with running(supervisor("root", before, worker(play, "a"))) as (_, root):
        play.take()
        done = await root.update_specs(after, worker(play, "a"))
        assert done.restarted == ("s",)
        assert play.take() == "-x +x +y"
        assert root.child("s").incarnation == 2
