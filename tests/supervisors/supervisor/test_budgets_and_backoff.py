"""Rules 8 to 12 on the real runtime: how often, how late, and what happens meanwhile."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import Crashed, RestartLimitExceeded, Shutdown
from supervisors import (
    AlreadyPresent,
    BackingOff,
    GaveUp,
    budget,
    child,
    constant,
    exponential,
    linear,
    supervisor,
)
from tests.supervisors.cast import Play, Worker, boom, hang, leave, running, states, tell, worker
from tests.support import World, in_loop


def delays(w: World) -> list[float]:
    """The delays that were drawn, in order."""
    return [event.delay for event in w.seen(BackingOff)]


@in_loop
async def test_rule_8_the_default_is_fifteen_restarts_in_a_row_without_progress() -> None:
    """Rule 8: the sixteenth is one too many."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"))) as (w, root):
        for _ in range(15):
            await tell(w, root, "a")
        assert await states(root) == {"a": "running"}
        ended = root.ended()
        await tell(w, root, "a")
        reason = await ended
        assert isinstance(reason, RestartLimitExceeded)
        assert (reason.path, reason.child, reason.max_restarts, reason.period) == ("root", "a", 15, None)
        assert isinstance(reason.cause, Crashed)
        assert len(w.seen(GaveUp)) == 1


@pytest.mark.parametrize(("after", "survives"), [(10.0, False), (10.0 + 2**-20, True)])
@in_loop
async def test_rule_8_the_window_is_exact_at_its_edge(after: float, survives: bool) -> None:
    """Rule 8: a restart of exactly `period` seconds ago still counts, one that is any older does not."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), max_restarts=2, period=10)) as (w, root):
        await tell(w, root, "a")
        await tell(w, root, "a")
        await w.advance(after)
        await tell(w, root, "a")
        assert root.is_alive() is survives


@in_loop
async def test_rule_8_the_window_slides() -> None:
    """Rule 8: it is not a counter that is reset at fixed times."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), max_restarts=2, period=10)) as (w, root):
        for _ in range(20):
            await tell(w, root, "a")
            await w.advance(5.5)
        await tell(w, root, "a")
        assert root.is_alive()
        await tell(w, root, "a")
        assert not root.is_alive()


@in_loop
async def test_rule_8_zero_makes_the_first_crash_fatal_and_none_is_for_ever() -> None:
    """Rule 8: both are said on purpose."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), max_restarts=0)) as (w, root):
        await tell(w, root, "a")
        assert not root.is_alive()
    async with running(supervisor("root", worker(play, "a"), max_restarts=None)) as (w, root):
        for _ in range(200):
            await tell(w, root, "a")
        assert root.child("a").incarnation == 201


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@in_loop
async def test_rule_8_a_group_restart_counts_once(strategy: Any) -> None:
    """Rule 8: for the child whose exit caused it, and not for each member."""
    play = Play()
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, strategy=strategy, max_restarts=2)) as (w, root):
        await tell(w, root, "a")
        await tell(w, root, "a")
        assert root.is_alive()
        await tell(w, root, "a")
        assert not root.is_alive()


@in_loop
async def test_rule_8_a_delay_longer_than_the_window_does_not_hide_a_crash_loop() -> None:
    """Rule 8: only time spent up lets a restart leave the window."""
    play = Play()
    tree = supervisor("root", worker(play, "a", backoff=constant(100)), max_restarts=3, period=10)
    async with running(tree) as (w, root):
        for _ in range(3):
            await tell(w, root, "a")
            await w.advance(100)
        assert root.is_alive()
        await tell(w, root, "a")
        assert not root.is_alive()


@in_loop
async def test_rule_8_each_failed_attempt_counts_once() -> None:
    """Rule 8: one crash and two failed attempts are three."""
    play = Play()
    async with running(supervisor("root", worker(play, "a"), max_restarts=3)) as (w, root):
        play.starts["a"] = boom
        await tell(w, root, "a")
        assert play.begun == ["a"] * 4
        assert not root.is_alive()


@in_loop
async def test_rule_9_a_budget_of_its_own_costs_its_siblings_nothing() -> None:
    """Rule 9: one flaky child cannot spend what the others need."""
    play = Play()
    children = [worker(play, "flaky", max_restarts=10), worker(play, "a")]
    async with running(supervisor("root", *children, max_restarts=1)) as (w, root):
        for _ in range(10):
            await tell(w, root, "flaky")
        await tell(w, root, "a")
        assert await states(root) == {"flaky": "running", "a": "running"}


@in_loop
async def test_rule_9_a_spent_own_budget_drops_the_child_or_escalates() -> None:
    """Rule 9: the spec chooses; escalation is the default, so that no child goes missing unsaid."""
    play = Play()
    dropped = worker(play, "d", max_restarts=1, on_limit="drop", name="d")
    async with running(supervisor("root", dropped, worker(play, "a"))) as (w, root):
        await tell(w, root, "d")
        await tell(w, root, "d")
        assert await states(root) == {"a": "running"}
        assert w.runtime.whereis("d") is None
        assert [event.scope for event in w.seen(GaveUp)] == ["child"]
    async with running(supervisor("root", worker(play, "e", max_restarts=1), worker(play, "a"))) as (w, root):
        await tell(w, root, "e")
        await tell(w, root, "e")
        assert not root.is_alive()


@in_loop
async def test_rule_9_an_own_budget_has_its_own_period() -> None:
    """Rule 9: it slides as the supervisor's does."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", max_restarts=1, period=10))) as (w, root):
        for _ in range(5):
            await tell(w, root, "a")
            await w.advance(10.5)
        assert root.is_alive()


@in_loop
async def test_rule_9_a_supervisor_may_have_a_budget_of_its_own_too() -> None:
    """Rule 9: a subtree that keeps giving up is dropped, and its siblings never hear of it."""
    play = Play()
    inner = supervisor("s", worker(play, "x"), max_restarts=0, backoff=None, own_budget=budget(1, on_limit="drop"))
    async with running(supervisor("root", inner, worker(play, "a"), max_restarts=0)) as (w, root):
        await tell(w, root, "s/x")
        assert root.child("s").incarnation == 2
        await tell(w, root, "s/x")
        assert await states(root) == {"a": "running"}


@in_loop
async def test_rule_10_giving_up_stops_children_in_reverse_and_exits_abnormally() -> None:
    """Rule 10: in order, and with a reason that is not a shutdown."""
    play = Play()
    children = [worker(play, id) for id in "abc"]
    async with running(supervisor("root", *children, max_restarts=0)) as (w, root):
        play.take()
        ended = root.ended()
        await tell(w, root, "b")
        assert play.take() == "!b -c -a"
        reason = await ended
        assert isinstance(reason, RestartLimitExceeded)
        assert not reason.expected


@in_loop
async def test_rule_10_giving_up_waits_for_children_that_are_slow_to_stop() -> None:
    """Rules 10 and 17: the grace of each child holds, and the exit comes after it."""
    play = Play()
    play.stops["a"] = hang
    children = [worker(play, "a", shutdown=4), worker(play, "b")]
    async with running(supervisor("root", *children, max_restarts=0)) as (w, root):
        ended = root.ended()
        await tell(w, root, "b")
        assert not ended.done()
        await w.advance(4)
        assert isinstance(await ended, RestartLimitExceeded)


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        (constant(2), [2, 2, 2, 2, 2]),
        (linear(1, step=3, cap=8, jitter="none"), [1, 4, 7, 8, 8]),
        (exponential(1, cap=8, jitter="none"), [1, 2, 4, 8, 8]),
    ],
    ids=["constant", "linear", "exponential"],
)
@in_loop
async def test_rule_11_each_kind_of_backoff_waits_as_it_says(backoff: Any, expected: list[float]) -> None:
    """Rule 11: the child is down for exactly that long, and not restarted a moment earlier."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", backoff=backoff))) as (w, root):
        for count, delay in enumerate(expected, start=1):
            await tell(w, root, "a")
            await w.advance(delay - 0.25)
            assert play.begun == ["a"] * count
            await w.advance(0.25)
            assert play.begun == ["a"] * (count + 1)
        assert delays(w) == expected


@given(
    jitter=st.sampled_from(["full", "equal", "decorrelated"]),
    seed=st.integers(0, 2**32),
    cap=st.floats(0.5, 20),
)
def test_rule_11_jitter_never_exceeds_the_cap(jitter: Any, seed: int, cap: float) -> None:
    """Rule 11: whatever is drawn, and it is drawn from the randomness of the runtime."""

    @in_loop
    async def play_it() -> None:
        play = Play()
        spec = worker(play, "a", backoff=exponential(0.5, cap=cap, jitter=jitter))
        tree = supervisor("root", spec, max_restarts=None)
        async with running(tree, random=random.Random(seed)) as (w, root):
            for _ in range(8):
                await tell(w, root, "a")
                await w.advance(cap)
            assert root.child("a").incarnation == 9
            assert all(0 <= delay <= cap for delay in delays(w))

    play_it()


@in_loop
async def test_rule_11_the_attempts_start_again_after_reset_after_of_being_up() -> None:
    """Rule 11: not after that long of backing off."""
    play = Play()
    backoff = exponential(1, cap=8, jitter="none", reset_after=20)
    async with running(supervisor("root", worker(play, "a", backoff=backoff), max_restarts=None)) as (w, root):
        for up in (0.0, 19.9, 19.9, 20.0, 0.0):
            await tell(w, root, "a")
            await w.advance(delays(w)[-1])
            await w.advance(up)
        await tell(w, root, "a")
        assert delays(w) == [1, 2, 4, 8, 1, 2]


@in_loop
async def test_rule_11_the_default_is_exponential_from_0_1_s_with_full_jitter() -> None:
    """Rule 11: not a hot loop."""
    play = Play()
    async with running(supervisor("root", child("a", Worker, args=(play,)), max_restarts=None)) as (w, root):
        for _ in range(12):
            await tell(w, root, "a")
            await w.advance(30)
        drawn = delays(w)
        assert len(set(drawn)) > 1
        assert drawn[0] <= 0.1


@in_loop
async def test_rule_11_none_restarts_at_once() -> None:
    """Rule 11: as OTP does; no time passes."""
    play = Play()
    async with running(supervisor("root", worker(play, "a", backoff=None))) as (w, root):
        await tell(w, root, "a")
        assert root.child("a").incarnation == 2
        assert delays(w) == []


@in_loop
async def test_rule_12_a_group_waits_for_the_longest_delay_of_those_that_failed() -> None:
    """Rule 12: the bystanders have stopped by then, and all start together in order."""
    play = Play()
    play.stops["c"] = play.held
    children = [
        worker(play, "a", backoff=constant(2)),
        worker(play, "b", backoff=constant(7)),
        worker(play, "c", backoff=constant(100)),
    ]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        play.take()
        await tell(w, root, "a", "b")
        play.gate.set()
        await w.advance(6.9)
        assert play.take() == "!a !b -c"
        assert await states(root) == {"a": "backing_off", "b": "backing_off", "c": "restarting"}
        assert len({info.until for info in await root.which_children() if info.until}) == 1
        await w.advance(0.1)
        assert play.take() == "+a +b +c"


@in_loop
async def test_rule_12_a_member_that_exits_during_the_wait_joins_it() -> None:
    """Rule 12: under rest_for_one an earlier sibling may still crash while the later ones wait."""
    play = Play()
    children = [worker(play, "a", backoff=constant(5)), worker(play, "b", backoff=constant(4))]
    async with running(supervisor("root", *children, strategy="rest_for_one", max_restarts=2)) as (w, root):
        play.take()
        await tell(w, root, "b")
        await w.advance(3)
        await tell(w, root, "a")
        await w.advance(4.9)
        assert play.take() == "!b !a"
        await w.advance(0.1)
        assert play.take() == "+a +b"
        assert [root.child(id).incarnation for id in "ab"] == [2, 2]


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_12_the_api_is_served_during_a_wait(strategy: Any) -> None:
    """Rule 12: the supervisor does not sleep; a child asked for meanwhile does not wait either."""
    play = Play()
    children = [worker(play, "a", backoff=constant(50)), worker(play, "b")]
    async with running(supervisor("root", *children, strategy=strategy)) as (w, root):
        await tell(w, root, "a")
        assert (await root.count_children()).states[next(iter(await root.which_children())).state] >= 1
        with pytest.raises(AlreadyPresent):
            await root.start_child(worker(play, "a"))
        assert await root.start_child(worker(play, "c")) is root.child("c")
        await root.terminate_child("c")
        await root.delete_child("c")
        assert (await root.get_child_spec("a")).id == "a"
        await w.advance(50)
        assert await states(root) == {"a": "running", "b": "running"}


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@in_loop
async def test_rule_12_a_shutdown_cancels_a_wait_at_once(strategy: Any) -> None:
    """Rule 12: no time passes, no child is started, no timer is left."""
    play = Play()
    children = [worker(play, "a", backoff=constant(50)), worker(play, "b")]
    async with running(supervisor("root", *children, strategy=strategy)) as (w, root):
        await tell(w, root, "a")
        play.take()
        ended = root.ended()
        root.stop(block=False)
        await w.settle()
        assert isinstance(await ended, Shutdown)
        assert play.take() == ("-b" if strategy == "one_for_one" else "")
        assert w.clock.pending == 0


@in_loop
async def test_rule_12_a_group_goes_on_when_the_child_it_waits_for_is_terminated() -> None:
    """Rules 12 and 16: the wait is measured anew when its reason is gone."""
    play = Play()
    children = [worker(play, "a", backoff=constant(50)), worker(play, "b", backoff=constant(3))]
    async with running(supervisor("root", *children, strategy="one_for_all")) as (w, root):
        await tell(w, root, "a")
        await root.terminate_child("a")
        await w.settle()
        assert await states(root) == {"a": "stopped", "b": "running"}


@in_loop
async def test_a_normal_exit_of_a_permanent_child_waits_like_any_other() -> None:
    """Rules 8 and 11: what makes a restart does not matter to its backoff or its budget."""
    play = Play()
    tree = supervisor("root", worker(play, "a", backoff=constant(3)), max_restarts=1, period=60)
    async with running(tree) as (w, root):
        await tell(w, root, "a", message=leave)
        assert await states(root) == {"a": "backing_off"}
        await w.advance(3)
        await tell(w, root, "a", message=leave)
        assert not root.is_alive()
