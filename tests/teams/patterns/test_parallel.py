"""Parallel patterns, the broadcasting router, and what a gathering remembers."""

from __future__ import annotations

from typing import Any

import pytest

from actors.testing import simulation
from supervisors import SpecError
from teams import (
    Failed,
    GatherFailed,
    NoCapableAgent,
    RunFailed,
    StepFailed,
    StepSkipped,
    StepTimeout,
    can,
    collect,
    fail_fast,
    first,
    goal,
    member,
    quorum,
    role,
    step,
    team,
)
from teams.patterns import broadcast_to, parallel, sequential
from tests.teams.cast import begun
from tests.teams.patterns.cast import crew_of, error_of, fails, result_of, seconds_of, takes

quick, slow, bad = member("quick", takes(1.0)), member("slow", takes(9.0)), member("bad", fails("bad"))


def test_all_branches_work_at_once_on_the_same_input() -> None:
    """Guards the pattern: the time of the slowest, and results by name in the order of the branches."""
    with crew_of(quick, slow) as (sim, crew):
        pattern = parallel({"late": "slow", "soon": "quick"})
        assert seconds_of(sim, crew, pattern, 7) == 9.0
        assert list(crew.play(pattern, 7).get().items()) == [("late", 7), ("soon", 7)]


def test_branches_without_names_are_called_by_their_targets() -> None:
    """Guards names: unique ones, also for the same target twice."""
    pattern = parallel("quick", "quick", step("slow", name="other"), str)
    assert result_of(pattern, 1, member("quick", takes(1.0), count=2), slow) == {
        "quick": 1,
        "quick#2": 1,
        "other": 1,
        "str": "1",
    }


def test_a_failure_is_a_value_beside_the_results() -> None:
    """Guards the defect of the sketches: one failing of three does not lose the other two."""
    result = result_of(parallel("quick", "bad", "slow"), 1, quick, bad, slow)
    assert list(result) == ["quick", "bad", "slow"]
    assert result["quick"] == result["slow"] == 1
    assert isinstance(result["bad"], Failed)
    assert isinstance(result["bad"].error, StepFailed)


def test_fail_fast_ends_at_the_first_failure_and_shows_what_is_done() -> None:
    """Guards the policy: nothing finished is lost, what is left is called off, its member is free."""
    with crew_of(quick, slow, member("bad", takes(2.0, lambda value: value / 0))) as (sim, crew):
        with pytest.raises(RunFailed) as caught:
            crew.play(parallel("quick", "bad", "slow", policy=fail_fast()), 1).get()
        assert sim.now == 2.0
        failed = caught.value.error
        assert isinstance(failed, GatherFailed)
        assert failed.gathered.results == {"quick": 1}
        assert list(failed.gathered.failures) == ["bad"]
        assert failed.gathered.unanswered == ("slow",)
        assert "ZeroDivisionError" in str(failed)
        sim.advance(1.0)
        assert all(slot.reserved == 0 for slot in crew.roster().get())


@pytest.mark.parametrize(
    ("policy", "names", "seconds"), [(first(), ["quick"], 1.0), (quorum(2), ["quick", "mid"], 4.0)]
)
def test_a_quorum_ends_as_soon_as_it_is_reached(policy: Any, names: list[str], seconds: float) -> None:
    """Guards the policy: those that are not needed are called off and missing, which an event says."""
    with crew_of(quick, slow, member("mid", takes(4.0))) as (sim, crew):
        handle = crew.play(parallel("quick", "mid", "slow", policy=policy), 1)
        assert list(handle.get()) == names
        assert sim.now == seconds
        told = {each.step for each in handle.stream() if isinstance(each, StepSkipped)}
        assert told == {f"gather/{name}" for name in ("quick", "mid", "slow") if name not in names}


def test_what_is_not_done_within_the_time_is_a_failure_by_timeout() -> None:
    """Guards `within`: the results that are there count, and the others are values, too."""
    with crew_of(quick, slow) as (sim, crew):
        result = crew.play(parallel("quick", "slow", within=3.0), 1).get()
        assert sim.now == 3.0
        assert result["quick"] == 1
        assert isinstance(result["slow"].error, StepTimeout)


def test_the_results_are_merged_by_a_function_or_a_member() -> None:
    """Guards the merge: it gets the mapping of results and makes the result."""
    merge = member("merge", takes(1.0, lambda results: sorted(results)))
    assert result_of(parallel("quick", "slow", merge=lambda results: sum(results.values())), 2, quick, slow) == 4
    assert result_of(parallel("quick", "slow", merge="merge"), 2, quick, slow, merge) == ["quick", "slow"]


def test_a_branch_may_be_a_step_or_a_pattern() -> None:
    """Guards nesting: options of a step hold in a branch, and a sequence may be one."""
    branches = {"ok": step("bad", on_failure="skip"), "both": sequential("quick", str)}
    assert result_of(parallel(branches), 1, quick, bad) == {"ok": 1, "both": "1"}


def test_levels_of_dependence_are_nested_sequences() -> None:
    """Guards the form that waves of tasks take: one level after the other, each at once."""
    with crew_of(quick, slow) as (sim, crew):
        pattern = sequential(parallel("quick", "slow"), parallel("quick", "slow", merge=len))
        assert seconds_of(sim, crew, pattern, 1) == 18.0


@pytest.mark.parametrize(
    ("branches", "options", "says"),
    [
        ((), {}, "no branches"),
        (({"a": "x", "b": 3},), {}, "must be a member"),
        (({"a": "x"}, {"a": "y"}), {}, "two branches"),
        (({"a/b": "x"},), {}, "without '/'"),
        (("a", "b"), {"policy": quorum(3)}, "never be reached"),
        (("a", "b"), {"policy": "all"}, "policy"),
        (("a", "b"), {"within": -1}, "within"),
        (("a", "b"), {"merge": 5}, "merge"),
    ],
)
def test_bad_branches_and_options_are_refused(branches: Any, options: Any, says: str) -> None:
    """Guards bad arguments: each names what it refused."""
    with pytest.raises(SpecError, match=says):
        parallel(*branches, **options)


def test_an_unknown_member_in_a_pattern_is_found_before_it_is_played() -> None:
    """Guards bad input: the goal of a team is checked, patterns and steps inside included."""
    pattern = sequential("quick", parallel(step("zoe", fallback=("ghost",)), can("fly")))
    with pytest.raises(SpecError) as caught:
        team("crew", quick, goal=goal(pattern))
    text = str(caught.value)
    assert all(name in text for name in ("zoe", "ghost", "can('fly')"))


def test_everybody_of_a_role_gets_what_is_broadcast() -> None:
    """Guards the router: a result for each slot, by role or by capability."""
    people = [member("ann", takes(1.0), role="tester", capabilities={"test"}), member("bob", takes(2.0), role="tester")]
    assert result_of(broadcast_to("tester"), 5, *people) == {"ann": 5, "bob": 5}
    assert result_of(broadcast_to(can("test")), 5, *people) == {"ann": 5}
    assert list(result_of(broadcast_to("tester", policy=first()), 5, *people)) == ["ann"]


def test_a_broadcast_to_a_role_without_members_is_a_typed_failure() -> None:
    """Guards the bad input: a role of a team without members."""
    with crew_of(quick) as (_, crew), pytest.raises(RunFailed) as caught:
        crew.play(broadcast_to("tester"), 5).get()
    assert isinstance(caught.value.error, StepFailed)
    assert isinstance(caught.value.error.error, NoCapableAgent)
    assert caught.value.error.error.members == ("quick",)


def test_a_dead_member_does_not_stop_a_broadcast() -> None:
    """Guards the defect of the sketches: the failure of one is a value, the others have their results."""
    people = [member("ann", fails(), role="tester"), member("bob", takes(2.0), role="tester")]
    result = result_of(broadcast_to("tester"), 5, *people)
    assert isinstance(result["ann"], Failed)
    assert result["bob"] == 5


@pytest.mark.parametrize("target", [3, str, "", parallel("a")], ids=str)
def test_a_broadcast_to_what_is_not_a_group_is_refused(target: Any) -> None:
    """Guards bad arguments."""
    with pytest.raises(SpecError):
        broadcast_to(target)


def test_a_thousand_tasks_at_once_all_come_back() -> None:
    """The load test: a thousand branches on ten slots, each with its result, in the time that ten slots take."""
    workers = member("worker", takes(1.0, lambda value: value + 1), count=10)
    names = [f"task-{number}" for number in range(1000)]
    with crew_of(workers) as (sim, crew):
        pattern = parallel({name: step("worker", transform=int(name[5:]).__add__) for name in names})
        result = crew.play(pattern, 0).get()
        assert result == {name: int(name[5:]) + 1 for name in names}
        assert sim.now == 100.0


def test_a_thousand_runs_at_once_all_come_back() -> None:
    """The load test from outside: a thousand callers of one team."""
    with crew_of(member("worker", takes(1.0), count=10)) as (sim, crew):
        handles = [crew.play(sequential("worker", "worker"), number) for number in range(1000)]
        assert [handle.get() for handle in handles] == list(range(1000))
        assert sim.now == 200.0


def test_collect_is_satisfied_by_failures_alone() -> None:
    """Guards the policy that is the default: all failures are an answer."""
    result = result_of(parallel("bad", policy=collect()), 1, bad)
    assert isinstance(result["bad"], Failed)


def test_a_role_without_members_is_known() -> None:
    """Guards the difference between a role and its members: work for it fails by name, and does not wait for ever."""
    with simulation() as sim:
        crew = begun(sim, team("crew", role("tester"), member("ann", takes(1.0))))
        assert crew is not None
        with pytest.raises(RunFailed) as caught:
            crew.play(parallel("tester", policy=fail_fast()), 1).get()
    assert isinstance(caught.value.error, GatherFailed)


def test_an_error_of_a_gathering_says_all_of_it() -> None:
    """Guards the text: results, failures and what was called off."""
    error = error_of(parallel("quick", "bad", policy=quorum(2)), 1, quick, bad)
    assert isinstance(error, RunFailed)
    assert "done: " in str(error)
    assert "bad: StepFailed" in str(error)
