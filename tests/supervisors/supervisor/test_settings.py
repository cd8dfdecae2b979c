"""The settings of a supervisor change in place (rule 23), as OTP's `code_change` changes them."""

from __future__ import annotations

from typing import Any

import pytest

from supervisors import (
    MaxChildren,
    Reconciliation,
    ShuttingDown,
    SpecError,
    SupervisorRef,
    budget,
    constant,
    dynamic_supervisor,
    partition_supervisor,
    supervisor,
    tasks,
)
from tests.supervisors.cast import Play, boom, leave, running, states, tell, worker
from tests.support import in_loop


async def by_itself(root: SupervisorRef, path: str, **settings: Any) -> None:
    """Tells the supervisor."""
    below = root if path == root.path else root.supervisor(path.removeprefix(f"{root.path}/"))
    await below.update_settings(**settings)


async def by_its_supervisor(root: SupervisorRef, path: str, **settings: Any) -> None:
    """Gives its supervisor a new spec."""
    id = path.rpartition("/")[2]
    before = await root.get_child_spec(id)
    done = await root.update_specs(before.model_copy(update=settings))
    assert done == Reconciliation((), (), (id,), ())


either_way = pytest.mark.parametrize("change", [by_itself, by_its_supervisor])


@either_way
@in_loop
async def test_rule_23_changed_settings_restart_nothing(change: Any) -> None:
    """Neither the supervisor nor anything below it."""
    play = Play()
    below = supervisor("s", worker(play, "a"), supervisor("t", worker(play, "b")))
    async with running(supervisor("root", below)) as (w, root):
        play.take()
        settings = {"strategy": "one_for_all", "max_restarts": 1, "period": 5.0, "on_failure": print}
        await change(root, "root/s", **settings)
        await w.settle()
        assert play.take() == ""
        assert root.child("s").incarnation == 1
        assert await states(root.supervisor("s")) == {"a": "running", "t": "running"}


@either_way
@in_loop
async def test_rule_8_a_changed_budget_counts_at_once(change: Any) -> None:
    """Rules 8 and 23: what is in the window stays there, as in OTP."""
    play = Play()
    below = supervisor("s", worker(play, "a"), max_restarts=5, period=10, backoff=None)
    async with running(supervisor("root", below)) as (w, root):
        await tell(w, root, "s/a")
        await w.advance(11)
        await tell(w, root, "s/a")
        await tell(w, root, "s/a")
        await change(root, "root/s", max_restarts=3, period=100.0)
        await w.settle()
        await tell(w, root, "s/a")
        assert root.child("s").incarnation == 1
        await tell(w, root, "s/a")
        assert root.child("s").incarnation == 2


@either_way
@in_loop
async def test_rule_8_a_budget_may_get_a_period_and_lose_it(change: Any) -> None:
    """Rules 8 and 23: restarts in a row are counted all the time, those within a period only where there is one."""
    play = Play()
    below = supervisor("s", worker(play, "a"), worker(play, "b"), max_restarts=2, backoff=None)
    async with running(supervisor("root", below)) as (w, root):
        await tell(w, root, "s/a", "s/b")
        await change(root, "root/s", period=60.0)
        await w.settle()
        await tell(w, root, "s/a", "s/b")
        assert root.child("s").incarnation == 1
        await change(root, "root/s", period=None)
        await w.settle()
        await tell(w, root, "s/a", "s/b")
        assert root.child("s").incarnation == 1
        await tell(w, root, "s/a")
        assert root.child("s").incarnation == 2


@either_way
@in_loop
async def test_rule_6_a_changed_strategy_counts_from_the_next_failure(change: Any) -> None:
    """Rules 6 and 23."""
    play = Play()
    below = supervisor("s", worker(play, "a"), worker(play, "b"), worker(play, "c"), max_restarts=None)
    async with running(supervisor("root", below)) as (w, root):
        play.take()
        await tell(w, root, "s/b")
        assert play.take() == "!b +b"
        for strategy, log in (
            ("rest_for_one", "!b -c +b +c"),
            ("one_for_all", "!b -c -a +a +b +c"),
            ("one_for_one", "!b +b"),
        ):
            await change(root, "root/s", strategy=strategy)
            await tell(w, root, "s/b")
            assert play.take() == log


@either_way
@in_loop
async def test_rule_6_a_restart_under_way_ends_as_it_began(change: Any) -> None:
    """Rules 7 and 23: the group waits together, though the strategy is another one by then."""
    play = Play()
    below = supervisor("s", worker(play, "a", backoff=constant(5)), worker(play, "b"), strategy="one_for_all")
    async with running(supervisor("root", below)) as (w, root):
        play.take()
        await tell(w, root, "s/a")
        await change(root, "root/s", strategy="one_for_one")
        await w.settle()
        assert play.take() == "!a -b"
        await w.advance(5)
        assert play.take() == "+a +b"


@either_way
@in_loop
async def test_rule_21_a_changed_auto_shutdown_counts_from_the_next_end(change: Any) -> None:
    """Rules 21 and 23: the ends before it are past."""
    play = Play()
    children = [worker(play, id, restart="transient", significant=True) for id in "abc"]
    below = supervisor("s", *children, auto_shutdown="all_significant", restart="transient")
    async with running(supervisor("root", below)) as (w, root):
        await tell(w, root, "s/a", message=leave)
        await change(root, "root/s", auto_shutdown="any_significant")
        await w.settle()
        assert await states(root) == {"s": "running"}
        await tell(w, root, "s/b", message=leave)
        assert await states(root) == {"s": "stopped"}


@either_way
@in_loop
async def test_rule_25_a_changed_max_children_stops_no_child(change: Any) -> None:
    """Rules 23 and 25: it counts for the next."""
    play = Play()
    async with running(supervisor("root", dynamic_supervisor("s", worker(play, "t")))) as (w, root):
        pool = root.supervisor("s")
        for _ in range(3):
            await pool.start_child()
        await change(root, "root/s", max_children=2)
        await w.settle()
        assert len(await states(pool)) == 3
        with pytest.raises(MaxChildren):
            await pool.start_child()
        await change(root, "root/s", max_children=4)
        await w.settle()
        await pool.start_child()


@either_way
@in_loop
async def test_changed_callbacks_are_called_from_then_on(change: Any) -> None:
    """The old ones are not."""
    play = Play()
    told: list[str] = []
    below = supervisor("s", worker(play, "a"), max_restarts=1, backoff=None, on_failure=lambda _: told.append("old"))
    async with running(supervisor("root", below)) as (w, root):
        await tell(w, root, "s/a")
        callbacks = {"on_failure": lambda _: told.append("new"), "on_give_up": lambda _: told.append("given up")}
        await change(root, "root/s", **callbacks)
        await w.settle()
        await tell(w, root, "s/a")
        assert told == ["old", "new", "given up"]


@in_loop
async def test_a_parent_gives_a_dynamic_supervisor_another_template_in_place() -> None:
    """Rule 23: for children to come; those that run are left as they are."""
    play = Play()
    async with running(supervisor("root", dynamic_supervisor("s", worker(play, "t")))) as (w, root):
        pool = root.supervisor("s")
        await pool.start_child()
        await root.update_specs(dynamic_supervisor("s", worker(play, "t", restart="temporary")))
        await w.settle()
        await pool.start_child()
        assert root.child("s").incarnation == 1
        assert [info.spec.restart for info in await pool.which_children()] == ["permanent", "temporary"]


@in_loop
async def test_settings_by_the_parent_stay_after_a_restart_and_others_do_not() -> None:
    """Rule 23: a supervisor that is restarted begins with the spec that its own supervisor has."""
    play = Play()
    spec = supervisor("s", worker(play, "a"), backoff=None, max_restarts=5, period=60)
    async with running(supervisor("root", spec, max_restarts=None)) as (w, root):
        below = root.supervisor("s")
        await below.update_settings(max_restarts=0)
        await tell(w, root, "s/a")
        assert below.incarnation == 2
        await tell(w, root, "s/a")
        assert below.incarnation == 2
        await root.update_specs(spec.model_copy(update={"max_restarts": 0}))
        for incarnation in (3, 4):
            await w.settle()
            await tell(w, root, "s/a")
            assert below.incarnation == incarnation


@in_loop
async def test_settings_may_change_while_the_supervisor_starts_or_waits() -> None:
    """Rule 23: they reach whichever incarnation comes up."""
    play = Play()
    play.starts["a"] = play.held
    spec = supervisor("s", worker(play, "a"), backoff=constant(5), max_restarts=0)
    async with running(supervisor("root")) as (w, root):
        asked = root.start_child(spec)
        await w.settle()
        updated = root.update_specs(spec.model_copy(update={"max_restarts": 1}))
        await w.settle()
        play.gate.set()
        await asked
        await updated
        await tell(w, root, "s/a")
        assert root.child("s").incarnation == 1
        await tell(w, root, "s/a")
        assert await states(root) == {"s": "backing_off"}
        await root.update_specs(spec.model_copy(update={"max_restarts": 2}))
        await w.advance(5)
        await tell(w, root, "s/a")
        await tell(w, root, "s/a")
        assert root.child("s").incarnation == 2


@in_loop
async def test_settings_that_cannot_be_are_refused_with_every_fault() -> None:
    """Rules 22 to 24: nothing changes then."""
    play = Play()
    goal = worker(play, "g", restart="transient", significant=True)
    async with running(supervisor("root", worker(play, "a"), auto_shutdown="any_significant")) as (_, root):
        await root.start_child(goal)
        options: dict[str, Any] = {"auto_shutdown": "never", "max_restart": 1, "children": (), "period": -1}
        with pytest.raises(SpecError) as caught:
            await root.update_settings(**options)
        told = [str(fault) for fault in caught.value.faults]
        assert "root: max_restart: unknown key; did you mean 'max_restarts'?" in told
        assert any(each.startswith("root: children: does not change in place; ") for each in told)
        assert any(each.startswith("root: period: ") for each in told)
        assert any(each.startswith("root/g: significant=True under auto_shutdown='never'") for each in told)
        assert await root.update_settings() == ()
        assert await root.update_settings(max_restarts=7, strategy="one_for_one") == ("max_restarts",)


@pytest.mark.parametrize(
    ("tree", "settings"),
    [
        (supervisor("root"), {"strategy": "simple_one_for_one"}),
        (supervisor("root"), {"max_children": 3}),
        (tasks("root"), {"strategy": "one_for_all"}),
        (tasks("root"), {"auto_shutdown": "any_significant"}),
    ],
)
@in_loop
async def test_a_kind_of_supervisor_is_no_setting(tree: Any, settings: Any) -> None:
    """Rule 22: what it is made of differs."""
    async with running(tree) as (_, root):
        with pytest.raises(SpecError):
            await root.update_settings(**settings)


@in_loop
async def test_partitions_and_an_ending_supervisor() -> None:
    """A partitioned supervisor is a static one; one that ends refuses as it refuses everything."""
    play = Play()
    async with running(partition_supervisor("root", worker(play, "t"), partitions=2)) as (w, root):
        assert await root.update_settings(strategy="one_for_all") == ("strategy",)
        await tell(w, root, "1")
        assert [root.child(id).incarnation for id in "01"] == [2, 2]
        play.stops["0"] = play.held
        root.stop(block=False, drain=False)
        await w.settle()
        with pytest.raises(ShuttingDown):
            await root.update_settings(max_restarts=1)
        play.gate.set()


@in_loop
async def test_a_supervisor_with_a_budget_of_its_own_takes_that_over_as_policy() -> None:
    """Rules 9 and 23: it is its supervisor's to count."""
    play = Play()
    below = supervisor("s", worker(play, "a"), max_restarts=0, backoff=None)
    async with running(supervisor("root", below)) as (w, root):
        await root.update_specs(below.model_copy(update={"own_budget": budget(1, on_limit="drop")}))
        root.child("s/a").tell(boom)
        await w.settle()
        root.child("s/a").tell(boom)
        await w.settle()
        assert await states(root) == {}
