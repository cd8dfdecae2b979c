"""How the steps of a DAG run: ready, sequential, levels, hybrid, auto; and steps that run alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.testing import FaultPlan, Kill, simulation
from supervisors import SpecError
from teams import member, team
from teams.planning import plan
from teams.workflows import Graph, Node, Workflow, ask, delay, do, nested, wait, workflow, workflow_from
from teams.workflows._graph.workflow import EXECUTIONS, Execution
from teams.workflows._run.execution import choice_of
from teams.workflows._run.step_order import StepOrder
from teams.workflows.events import ExecutionChosen, LevelDone
from tests.teams.workflows.cast import Scene, kinds, played

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
    with pytest.raises(SpecError, match="execution: 'levels' is for a DAG"):
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
    order = StepOrder(graph, choice_of(made).execution, made.parallel_threshold)
    running, done = list(order.begin()), list[str]()
    while running:
        assert len(running) == 1 or all(graph[id].parallel_safe for id in running)
        id = running.pop(source.randrange(len(running)))  # type: ignore[attr-defined]
        done.append(id)
        begun = order.ended(id)
        assert all(set(graph.needs(each)) <= set(done) for each in begun)
        running += begun
    assert sorted(done) == sorted(graph.by_id)


# What "auto" chooses when a run begins


FOUR = workflow(
    "flow",
    tasks=[do(name, "worker", input=seconds) for name, seconds in (("a", 4.0), ("b", 3.0), ("c", 2.0), ("d", 1.0))],
    execution="auto",
)
LONG = workflow("long", do("all", "worker", each="$input", max_parallel=100))


async def busy(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def crew(capacity: int) -> object:
    return member("worker", busy, concurrency=capacity)


def choice(scene: Scene) -> tuple[str, str]:
    """What a new run of `flow` chose."""
    run = scene.start("flow")
    scene.sim.advance(0.5)
    found = run.status().get().execution
    assert found is not None
    return found.execution, found.reason


@pytest.mark.parametrize(
    ("capacity", "taken", "chosen"),
    [
        (10, 8, ("ready", "parallel")),
        (10, 9, ("sequential", "high_system_load")),
        (20, 17, ("sequential", "high_system_load")),
        (20, 16, ("ready", "parallel")),
        (3, 1, ("ready", "parallel")),
        (3, 2, ("sequential", "high_system_load")),
        (1, 0, ("sequential", "high_system_load")),
        (2, 0, ("ready", "parallel")),
    ],
)
def test_auto_looks_at_the_capacity_that_is_taken_now(capacity: int, taken: int, chosen: tuple[str, str]) -> None:
    with played(crew(capacity), FOUR, LONG) as scene:
        if taken:
            scene.start("long", [50.0] * taken)
            scene.sim.advance(1.0)
        assert choice(scene) == chosen


def test_capacity_that_is_free_again_counts_as_free() -> None:
    """Guards against a count of what was reserved once."""
    with played(crew(10), FOUR, LONG) as scene:
        long = scene.start("long", [5.0] * 10)
        scene.sim.advance(1.0)
        assert choice(scene) == ("sequential", "high_system_load")
        scene.sim.advance(60.0)
        assert long.status().get().state == "done"
        assert choice(scene) == ("ready", "parallel")


def test_capacity_does_not_count_where_no_member_works() -> None:
    steps = [do(name, partial(_take, 1.0)) for name in "abc"]
    with played(crew(1), workflow("flow", tasks=steps, execution="auto")) as scene:
        assert choice(scene) == ("ready", "parallel")


def test_the_choice_of_a_run_survives_its_process() -> None:
    """Guards a run that would go on in another way where the capacity is free by then."""
    with played(crew(10), FOUR, LONG) as scene:
        assert scene.disk is not None
        scene.start("long", [500.0] * 9)
        scene.sim.advance(1.0)
        run = scene.start("flow")
        scene.sim.advance(1.0)
        before = run.status().get().execution
        tables = scene.disk.durable
        scene.disk.dead.add(1)
    with played(crew(100), FOUR, LONG, tables=tables) as scene:
        heard: list[object] = []
        scene.sim.runtime.events.subscribe(heard.append, ExecutionChosen)
        later = scene.eng.workflow_run(run.id)
        scene.sim.advance(100.0)
        status = later.status().get()
        assert (status.state, status.execution) == ("done", before)
        assert kinds(later, "(execution)") == ["routed"]
        assert not heard
        began = [each.step for each in later.history().get() if each.kind == "began"]
        ended = [each.step for each in later.history().get() if each.kind == "done"]
        assert list(dict.fromkeys(began)) == ended == ["a", "b", "c", "d"]


def test_the_choice_of_a_run_without_a_store_survives_its_actor() -> None:
    heard: list[object] = []
    with simulation(FaultPlan(Kill("crew/runs/*", at=2.5))) as sim:
        sim.runtime.events.subscribe(heard.append, ExecutionChosen)
        crew = sim.start(team("crew", member("worker", busy, concurrency=3)))
        playing = crew.play(FOUR, None)
        sim.settle()
        assert playing.get()["d"] == 1.0
        assert len(sim.fired) == 1
    assert len(heard) == 1


def test_the_choice_costs_no_commit() -> None:
    with played(crew(10), FOUR, LONG) as scene:
        assert scene.disk is not None
        before = len(scene.disk.acknowledged)
        run = scene.start("flow")
        scene.sim.advance(0.5)
        (with_choice,) = [
            commit
            for commit in scene.disk.acknowledged[before:]
            if any(entry.step == "(execution)" for unit, _ in commit.answers for entry in unit.entries)
        ]
        written = [entry.step for unit, _ in with_choice.answers for entry in unit.entries]
        assert written == ["(execution)", "a", "b", "c", "d"]
        assert kinds(run, "(execution)") == ["routed"]


# A chain by data


def chain(*steps: Node) -> Graph:
    return workflow("chain", *steps, execution="auto").graph


def needed(graph: Graph) -> dict[str, tuple[str, ...]]:
    return {id: graph.needs(id) for id in graph.by_id}


def test_a_chain_keeps_the_edges_that_carry_data() -> None:
    free: dict[str, Any] = {"input": "$input"}
    steps = (
        do("a", "x"),
        do("b", "x", **free),
        do("c", "x", input="$a"),
        do("d", "x"),
        do("e", "x", input="$previous"),
    )
    assert needed(chain(*steps)) == {"a": (), "b": (), "c": ("a",), "d": ("c",), "e": ("d",)}
    assert needed(workflow("chain", *steps).graph)["b"] == ("a",)


def test_a_step_comes_after_all_that_may_have_the_result_before_it() -> None:
    free: dict[str, Any] = {"input": "$input"}
    steps = (do("a", "x"), do("b", "x", when="$input", **free), do("c", "x", on_failure="skip", **free), do("d", "x"))
    assert needed(chain(*steps))["d"] == ("c", "b", "a")


@pytest.mark.parametrize(
    "gate",
    [
        ask("gate", "Go on?"),
        wait("gate", "go"),
        delay("gate", 5.0),
        nested("gate", "another"),
        nested("gate", workflow("inner", ask("ask", "Go on?")), input="$input"),
    ],
)
def test_what_comes_after_a_step_that_waits_waits_for_it(gate: Node) -> None:
    """Guards an approval whose answer no later step uses."""
    free: dict[str, Any] = {"input": "$input"}
    steps = (do("a", "x", **free), do("b", "x", **free), gate, do("publish", "x", input="$a"), do("tell", "x", **free))
    found = needed(chain(*steps))
    assert set(found["gate"]) == {"a", "b"}
    assert found["publish"] == ("gate", "a")
    assert found["tell"] == ("gate",)


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int]:
    """The options of steps of a chain, and a threshold for "auto"."""
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 7))):
        step: dict[str, Any] = {"seconds": draw(st.sampled_from((0.5, 1.0, 2.0, 5.0)))}
        earlier = [f"s{each}" for each in range(number)]
        takes = draw(st.sampled_from(("before", "input", "previous", "one")))
        if takes == "input":
            step["input"] = "$input"
        elif takes == "previous" and number:
            step["input"] = {"it": "$previous"}
        elif takes == "one" and earlier:
            step["input"] = {"it": f"${draw(st.sampled_from(earlier))}"}
        if draw(st.integers(0, 3)) == 0:
            step["when"] = "$input.never"
        if draw(st.integers(0, 4)) == 0:
            step["fails"] = step["on_failure"] = "skip"
        if draw(st.integers(0, 4)) == 0:
            step["parallel_safe"] = False
        steps.append(step)
    return steps, draw(st.integers(1, 3))


async def _letter(name: str, fails: bool, seconds: float, value: object) -> object:
    await asyncio.sleep(seconds)
    if fails:
        raise ValueError(name)
    return {"by": name, "of": value}


def chain_of(steps: list[dict[str, Any]], threshold: int, execution: Execution) -> Workflow:
    made = []
    for number, each in enumerate(steps):
        options = dict(each)
        seconds, fails = options.pop("seconds"), bool(options.pop("fails", False))
        metadata = {"estimated_duration": seconds, "parallel_safe": options.pop("parallel_safe", True)}
        work = partial(_letter, f"s{number}", fails, seconds)
        made.append(do(f"s{number}", work, metadata=metadata, **options))
    return workflow("chain", *made, execution=execution, parallel_threshold=threshold)


@settings(max_examples=60)
@given(chains())
def test_a_chain_has_the_same_result_when_its_steps_run_by_data(drawn: tuple[list[dict[str, Any]], int]) -> None:
    results, ends = [], []
    for execution in ("ready", "auto"):
        with simulation() as sim:
            crew = sim.start(team("crew", member("worker", lambda value: value)))
            playing = crew.play(chain_of(*drawn, execution), {"begin": 1})
            sim.settle()
            results.append(playing.get())
            ends.append(sim.now)
    assert results[0] == results[1]
    assert ends[1] <= ends[0] + 1e-9


def test_a_chain_whose_steps_need_nothing_of_each_other_runs_side_by_side() -> None:
    steps = [
        do(name, partial(_take, seconds), input="$input", metadata={"estimated_duration": seconds})
        for name, seconds in (("a", 5.0), ("b", 4.0), ("c", 3.0))
    ]
    heard: list[object] = []
    assert seconds_of(workflow("chain", *steps, execution="auto"), hear=heard.append) == 5.0
    assert [each.reason for each in heard if isinstance(each, ExecutionChosen)] == ["parallel"]
    assert seconds_of(workflow("chain", *steps)) == 12.0
    assert plan(workflow("chain", *steps, execution="auto")).estimated_parallel_time == 5.0


def test_a_chain_in_a_file_may_be_auto() -> None:
    document = {"workflow": "w", "execution": "auto", "steps": [{"id": "a", "agent": "x"}, {"id": "b", "agent": "x"}]}
    made = workflow_from(document)
    assert made.graph.by_data
    assert workflow_from(json.loads(made.body)) == made
