"""Rules 21 and 22 on the real runtime: a team that ends when its goal is reached."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Shutdown
from supervisors import (
    AutoShutdown,
    SpecError,
    constant,
    dynamic_supervisor,
    supervisor,
)
from tests.supervisors.cast import Play, boom, leave, running, states, tell, worker
from tests.support import in_loop


@pytest.mark.parametrize(
    ("restart", "message", "ends"),
    [
        ("transient", leave, True),
        ("transient", boom, False),
        ("temporary", leave, True),
        ("temporary", boom, True),
    ],
)
@in_loop
async def test_rule_21_which_end_of_a_significant_child_counts(restart: Any, message: Any, ends: bool) -> None:
    """Rule 21: a transient one when it ends normally, a temporary one however it ends."""
    play = Play()
    children = [worker(play, "a"), worker(play, "s", restart=restart, significant=True)]
    async with running(supervisor("root", *children, auto_shutdown="any_significant")) as (w, root):
        play.take()
        ended = root.ended()
        await tell(w, root, "s", message=message)
        assert root.is_alive() is not ends
        if ends:
            assert await ended == Shutdown("auto_shutdown")
            assert play.take().endswith("-a")
            assert [event.child for event in w.seen(AutoShutdown)] == ["s"]


@in_loop
async def test_rule_21_all_significant_waits_for_the_last() -> None:
    """Rule 21: and those that are not significant do not matter."""
    play = Play()
    goals = [worker(play, id, restart="transient", significant=True) for id in "stu"]
    tree = supervisor("root", *goals, worker(play, "a", restart="transient"), auto_shutdown="all_significant")
    async with running(tree) as (w, root):
        await tell(w, root, "a", "s", "t", message=leave)
        assert root.is_alive()
        await tell(w, root, "u", message=leave)
        assert not root.is_alive()


@in_loop
async def test_rule_21_a_child_that_waits_for_a_restart_counts_as_alive() -> None:
    """Rule 21: its work is not done."""
    play = Play()
    goals = [worker(play, id, restart="transient", significant=True, backoff=constant(9)) for id in "st"]
    async with running(supervisor("root", *goals, auto_shutdown="all_significant")) as (w, root):
        await tell(w, root, "s")
        await tell(w, root, "t", message=leave)
        assert await states(root) == {"s": "backing_off", "t": "stopped"}
        await w.advance(9)
        await tell(w, root, "s", message=leave)
        assert not root.is_alive()


@in_loop
async def test_rule_21_terminate_child_does_not_count() -> None:
    """Rule 21: only an exit of its own accord does."""
    play = Play()
    goals = [worker(play, "s", restart="transient", significant=True)]
    async with running(supervisor("root", *goals, auto_shutdown="any_significant")) as (_, root):
        await root.terminate_child("s")
        assert await states(root) == {"s": "stopped"}


@pytest.mark.parametrize("restart", ["transient", "temporary"])
@in_loop
async def test_rule_21_a_siblings_restart_does_not_count(restart: Any) -> None:
    """Rule 21: a stop by a group restart is not an end of its own, even if it drops the child."""
    play = Play()
    children = [worker(play, "a"), worker(play, "s", restart=restart, significant=True)]
    tree = supervisor("root", *children, strategy="one_for_all", auto_shutdown="any_significant")
    async with running(tree) as (w, root):
        await tell(w, root, "a")
        assert root.is_alive()
        assert ("s" in await states(root)) is (restart == "transient")


@in_loop
async def test_rule_21_a_subtree_that_reached_its_goal_ends_as_transient_ones_do() -> None:
    """Rule 21: `shutdown` is expected, so its own supervisor leaves it at that, and may end for it in turn."""
    play = Play()
    inner = supervisor(
        "s",
        worker(play, "goal", restart="transient", significant=True),
        restart="transient",
        significant=True,
        auto_shutdown="any_significant",
    )
    tree = supervisor("root", worker(play, "a"), inner, auto_shutdown="any_significant")
    async with running(tree) as (w, root):
        play.take()
        await tell(w, root, "s/goal", message=leave)
        assert not root.is_alive()
        assert play.take() == "-goal -a"


@in_loop
async def test_rule_22_impossible_combinations_are_refused_with_both_names() -> None:
    """Rule 22: when the spec is built, not when it runs."""
    play = Play()
    with pytest.raises(SpecError, match=r"significant.*permanent"):
        worker(play, "s", significant=True)
    with pytest.raises(SpecError, match=r"significant.*auto_shutdown='never'"):
        supervisor("root", worker(play, "s", restart="transient", significant=True))
    with pytest.raises(SpecError, match=r"auto_shutdown: .*simple_one_for_one"):
        dynamic_supervisor("d", worker(play, "t"), auto_shutdown="any_significant")  # type: ignore[call-arg]


@in_loop
async def test_rule_22_a_running_supervisor_refuses_an_impossible_combination() -> None:
    """Rule 22: a child given later is held to the same."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (_, root):
        with pytest.raises(SpecError, match="auto_shutdown='never'"):
            await root.start_child(worker(play, "s", restart="transient", significant=True))
        assert list(await states(root)) == ["a"]
