"""How the steps of a DAG run: ready, sequential, levels, hybrid, auto; and steps that run alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.testing import simulation
from supervisors import SpecError
from teams import member, team
from teams.planning import plan
from teams.workflows import Workflow, do, workflow, workflow_from
from teams.workflows._graph.workflow import EXECUTIONS, Execution
from teams.workflows._run.course import GraphCourse
from teams.workflows._run.execution import choice_of
from teams.workflows.events import ExecutionChosen, LevelDone

Say = tuple[str, float, bool, tuple[str, ...]]
"""A step: its name, its seconds, whether it is safe beside others, and what it needs."""

ORDERS: tuple[Say, ...] = (
    ("planner", 3, True, ()),
    ("payment", 5, True, ("planner",)),
    ("inventory", 4, True, ("planner",)),
    ("shipping", 5, True, ("payment", "inventory")),
    ("email", 4, True, ("payment", "inventory")),
    ("sms", 3, True, ("payment", "inventory")),
)
PIPELINE: tuple[Say, ...] = (
    ("planner", 2, True, ()),
    ("data", 5, True, ("planner",)),
    ("analytics", 4, True, ("planner",)),
    ("mail", 3, True, ("planner",)),
)
MERGED: tuple[Say, ...] = (*PIPELINE, ("merge", 1, True, ("data", "analytics", "mail")))


def flow(steps: tuple[Say, ...], execution: Execution = "ready", threshold: int = 3) -> Workflow:
    return workflow(
        "flow",
        tasks=[
            do(
                name,
                partial(_take, seconds),
                after=after,
                metadata={"estimated_duration": seconds, "parallel_safe": safe},
            )
            for name, seconds, safe, after in steps
        ],
        execution=execution,
        parallel_threshold=threshold,
    )


async def _take(seconds: float, value: object) -> object:
    await asyncio.sleep(seconds)
    return value


def seconds_of(made: Workflow, *, hear: Callable[[object], object] | None = None) -> float:
    """How long a run takes in virtual time."""
    with simulation() as sim:
        if hear is not None:
            sim.runtime.events.subscribe(hear, LevelDone, ExecutionChosen)
        crew = sim.start(team("crew", member("worker", lambda value: value)))
        began = sim.now
        playing = crew.play(made, None)
        sim.settle()
        playing.get()
        return round(sim.now - began, 6)


@pytest.mark.parametrize(("steps", "alone", "together"), [(MERGED, 15, 8), (PIPELINE, 14, 7), (ORDERS, 24, 13)])
def test_the_timelines_of_the_documents_come_out_of_a_run(
    steps: tuple[Say, ...], alone: float, together: float
) -> None:
    assert seconds_of(flow(steps, "sequential")) == alone
    for execution in ("ready", "levels", "hybrid", "auto"):
        assert seconds_of(flow(steps, execution)) == together or execution == "hybrid"
    assert seconds_of(flow(steps, "auto")) == plan(flow(steps)).estimated_scheduled_time


def test_hybrid_runs_a_small_level_one_after_another() -> None:
    assert seconds_of(flow(ORDERS, "hybrid")) == 3 + (5 + 4) + 5
    assert seconds_of(flow(ORDERS, "hybrid", threshold=2)) == 13


def test_levels_wait_for_the_whole_level_where_ready_does_not() -> None:
    steps: tuple[Say, ...] = (("a", 1, True, ()), ("b", 5, True, ()), ("c", 4, True, ("a",)))
    assert seconds_of(flow(steps, "ready")) == 5
    assert seconds_of(flow(steps, "levels")) == 9


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_nothing_runs_beside_a_step_that_is_not_safe(execution: Execution) -> None:
    steps: tuple[Say, ...] = (("a", 2, True, ()), ("alone", 3, False, ()), ("b", 2, True, ()), ("c", 2, True, ()))
    assert seconds_of(flow(steps, execution)) == {"sequential": 9}.get(execution, 5)


def test_each_level_that_ends_is_an_event() -> None:
    heard: list[object] = []
    seconds_of(flow(ORDERS, "levels"), hear=heard.append)
    assert [(each.number, each.steps) for each in heard if isinstance(each, LevelDone)] == [
        (1, ("planner",)),
        (2, ("payment", "inventory")),
        (3, ("shipping", "email", "sms")),
    ]


def test_auto_says_what_it_chose_and_why() -> None:
    heard: list[object] = []
    seconds_of(flow(ORDERS, "auto"), hear=heard.append)
    (chosen,) = [each for each in heard if isinstance(each, ExecutionChosen)]
    assert (chosen.execution, chosen.reason, chosen.detail) == ("ready", "parallel", "46% of the time is saved")


def test_auto_stays_sequential_where_it_does_not_pay() -> None:
    few: tuple[Say, ...] = (("a", 1, True, ()), ("b", 1, True, ()))
    assert choice_of(flow(few, "auto")).reason == "below_parallel_threshold"
    long: tuple[Say, ...] = (("a", 97, True, ()), *((name, 1.0, True, ("a",)) for name in "bcd"))
    assert choice_of(flow(long, "auto")).reason == "insufficient_benefit"
    mixed: tuple[Say, ...] = (("alone", 1, False, ()), *((name, 9.0, True, ()) for name in "bcd"))
    assert choice_of(flow(mixed, "auto")).execution == "hybrid"


def test_a_workflow_says_in_a_file_how_it_runs() -> None:
    made = flow(PIPELINE, "levels", threshold=2)
    plain = flow(PIPELINE)
    assert '"execution":"levels"' in made.body
    assert '"execution":' not in plain.body
    document = {
        "workflow": "w",
        "execution": "auto",
        "parallel_threshold": 2,
        "tasks": [{"id": "a", "agent": "x"}, {"id": "b", "agent": "x"}],
    }
    read = workflow_from(document)
    assert (read.execution, read.parallel_threshold) == ("auto", 2)


def test_a_wrong_execution_is_told_with_the_nearest() -> None:
    with pytest.raises(SpecError) as caught:
        workflow("w", tasks=[do("a", "x")], execution="level", parallel_threshold=0)  # type: ignore[arg-type]
    assert "got 'level'; did you mean 'levels'?" in str(caught.value)
    assert "parallel_threshold" in str(caught.value)
    with pytest.raises(SpecError, match="execution: is for a DAG"):
        workflow("w", do("a", "x"), execution="levels")


@st.composite
def graphs(draw: st.DrawFn) -> Workflow:
    count = draw(st.integers(1, 9))
    steps = [
        do(
            f"s{number}",
            "x",
            after=[f"s{each}" for each in range(number) if draw(st.integers(0, 3)) == 0],
            metadata={"parallel_safe": draw(st.integers(0, 3)) > 0},
        )
        for number in range(count)
    ]
    return workflow(
        "g", tasks=steps, execution=draw(st.sampled_from(EXECUTIONS)), parallel_threshold=draw(st.integers(1, 4))
    )


@given(graphs(), st.randoms(use_true_random=False))
def test_every_step_runs_once_after_its_needs_and_unsafe_ones_alone(made: Workflow, source: object) -> None:
    graph = made.graph
    course = GraphCourse(graph, choice_of(made).execution, made.parallel_threshold)
    running, done = list(course.begin()), list[str]()
    while running:
        assert len(running) == 1 or all(graph[id].parallel_safe for id in running)
        id = running.pop(source.randrange(len(running)))  # type: ignore[attr-defined]
        done.append(id)
        begun = course.ended(id)
        assert all(set(graph.needs(each)) <= set(done) for each in begun)
        running += begun
    assert sorted(done) == sorted(graph.by_id)
