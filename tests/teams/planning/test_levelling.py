"""Schedules within capacity, against what holds for every schedule, and against the shortest one."""

from __future__ import annotations

from hypothesis import given, settings

from teams.planning._levelling import Problem, level, lower_bound
from tests.teams.planning.networks import length, problems, shortest

NEAR = 1e-6


def overlaps(problem: Problem, starts: list[float], one: int, other: int) -> bool:
    """Whether two tasks run at the same time. A task of no duration runs at none."""
    if not problem.durations[one] or not problem.durations[other]:
        return False
    ends = [start + duration for start, duration in zip(starts, problem.durations, strict=True)]
    return starts[one] < ends[other] - NEAR and starts[other] < ends[one] - NEAR


@settings(max_examples=40)
@given(problems())
def test_each_task_begins_after_all_that_it_needs(problem: Problem) -> None:
    starts = level(problem).starts
    for task, needs in enumerate(problem.network.needs):
        assert all(starts[each] + problem.durations[each] <= starts[task] + NEAR for each in needs)


@settings(max_examples=40)
@given(problems())
def test_no_resource_does_more_tasks_at_once_than_it_can(problem: Problem) -> None:
    starts = level(problem).starts
    count = len(starts)
    for task in range(count):
        use = problem.uses[task]
        if use is None or problem.durations[task] == 0:
            continue
        most = problem.capacity[use]
        assert most is not None
        beside = [
            each
            for each in range(count)
            if problem.uses[each] == use
            and starts[each] <= starts[task] + NEAR < starts[each] + problem.durations[each] - NEAR
        ]
        assert len(beside) <= most


@settings(max_examples=40)
@given(problems())
def test_nothing_runs_beside_a_task_that_is_not_parallel_safe(problem: Problem) -> None:
    starts = level(problem).starts
    for task, is_alone in enumerate(problem.alone):
        if is_alone:
            assert not any(overlaps(problem, starts, task, each) for each in range(len(starts)) if each != task)


@settings(max_examples=40)
@given(problems())
def test_a_schedule_is_at_least_its_bound_and_at_most_the_sum(problem: Problem) -> None:
    levelled = level(problem)
    assert levelled.bound <= levelled.length + NEAR
    assert lower_bound(problem) <= levelled.length + NEAR
    assert levelled.length <= sum(problem.durations) + NEAR
    assert abs(length(problem, levelled.starts) - levelled.length) < NEAR


@settings(max_examples=40)
@given(problems(resources=0, alone=False))
def test_without_scarce_resources_the_schedule_is_the_critical_path(problem: Problem) -> None:
    way = problem.network.longest_way(problem.durations)
    levelled = level(problem)
    assert abs(levelled.length - sum(problem.durations[task] for task in way)) < NEAR
    assert levelled.gap == 0.0


@settings(max_examples=40)
@given(problems(size=6, resources=2))
def test_no_schedule_of_a_small_graph_is_shorter_than_the_bound(problem: Problem) -> None:
    optimum = shortest(problem)
    assert lower_bound(problem) <= optimum + NEAR
    assert optimum <= level(problem).length + NEAR


@settings(max_examples=40)
@given(problems())
def test_the_same_problem_has_the_same_schedule(problem: Problem) -> None:
    assert level(problem, 7) == level(problem, 7)
