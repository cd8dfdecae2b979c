"""Phase 5: a plan that is late, has lost capacity or gives low results is carried out in another way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teams import member, role
from teams.orchestration import OrchestratorRef, PlanAdjusted, orchestrator
from teams.orchestration._adjust import finishes
from teams.patterns import Revision
from teams.workflows import do, quality_domain, workflow
from tests.teams.orchestration.cast import Crew, again, conducted, planner
from tests.teams.workflows.cast import Scene, kinds, played

ONE = quality_domain("ONE", good=0.5)
DESK = orchestrator("desk", planner="planner")


def adjustments(scene: Scene, **options: Any) -> tuple[Any, list[PlanAdjusted]]:
    """The result of a run, and how its plan was adjusted."""
    ref = OrchestratorRef(scene.eng, "desk")
    events = list(ref.stream_with_artifacts("whales", task_id="task-1", **options))
    found = ref.result(ref.start("whales", task_id="task-1").get()).get()
    return found, [each for each in events if isinstance(each, PlanAdjusted)]


def crowd(seconds: float, count: int = 4) -> list[Any]:
    """A role with so many members, whose tasks take so long, and what they were asked."""
    crew = Crew(seconds)
    return [role("worker"), *(member(f"w{n}", crew._work(f"w{n}"), role="worker") for n in range(count))]


def spread(count: int, expected: float) -> list[dict[str, Any]]:
    """A task, and then so many that do not depend on each other."""
    rest = [
        {"id": f"t{n}", "agent": "worker", "dependencies": ["first"], "estimated_duration": expected}
        for n in range(count)
    ]
    return [{"id": "first", "agent": "worker", "estimated_duration": expected}, *rest]


def test_a_plan_that_keeps_its_times_is_not_adjusted() -> None:
    with played(*crowd(3.0), planner(spread(6, 3.0)), DESK) as scene:
        found, changes = adjustments(scene)
        assert len(found.successful) == 7
        assert not changes
        assert found.adjustments == ()


def test_a_plan_is_late_when_half_of_the_slack_is_gone() -> None:
    with played(*crowd(9.0), planner(spread(4, 3.0)), DESK) as scene:
        found, changes = adjustments(scene)
        assert len(found.successful) == 5
        assert changes[0].adjustment.reason == "late"
        assert "first has not ended after" in changes[0].adjustment.detail
        assert found.adjustments == tuple(each.adjustment for each in changes)
        run = scene.eng.workflow_runs().get()[0]
        for id in found.successful:
            assert kinds(scene.eng.workflow_run(run.id), f"execution/{id}") == ["began", "done"]


def test_lateness_is_told_more_and_more_seldom() -> None:
    """A task that takes two hundred times what was expected is planned anew about eight times."""
    draft = [
        {"id": "a", "agent": "worker", "estimated_duration": 1},
        {"id": "b", "agent": "worker", "dependencies": ["a"], "estimated_duration": 1},
    ]
    desk = orchestrator("desk", planner="planner", timeout=10_000.0)
    with played(*crowd(200.0), planner(draft), desk) as scene:
        found, changes = adjustments(scene)
        assert found.successful == ("a", "b")
        assert 4 <= len(changes) <= 12


def test_lost_capacity_makes_the_rest_go_one_after_another() -> None:
    with played(*crowd(6.0), planner(spread(6, 6.0)), DESK) as scene:
        ref = OrchestratorRef(scene.eng, "desk")
        run = ref.start("whales", task_id="task-1").get()
        scene.sim.advance(1)
        (team,) = scene.sim.actors("eng/agents")
        for n in (1, 2, 3):
            team.leave(f"w{n}")  # type: ignore[attr-defined]
        found, changes = adjustments(scene)
        assert len(found.successful) == 7
        change = changes[0].adjustment
        assert (change.reason, change.execution) == ("capacity_lost", "sequential")
        assert "worker has capacity 1 of 4" in change.detail
        assert "high_system_load" in change.detail
        assert kinds(run, "execution/first") == ["began", "done"]
        steps = [(each.kind, each.step) for each in run.history().get() if each.step.startswith("execution/t")]
        order = [step for kind, step in steps if kind == "began"]
        assert steps == [(kind, step) for step in order for kind in ("began", "done")]  # none beside another


def test_a_member_that_is_restarted_is_not_lost_capacity() -> None:
    crashed: list[int] = []

    def shaky(_: Any) -> Any:
        if not crashed:
            crashed.append(1)
            raise ValueError("once")
        return {}

    draft = [
        {"id": "a", "agent": "counter", "max_retries": 1, "estimated_duration": 2},
        {"id": "b", "agent": "writer", "dependencies": ["a"], "estimated_duration": 60},
    ]
    with conducted(crew=Crew(2.0, counter=shaky), draft=draft) as scene:
        found, changes = adjustments(scene)
        assert found.successful == ("a", "b")
        assert [each for each in changes if each.adjustment.reason == "capacity_lost"] == []


def test_a_low_result_makes_the_later_ones_of_its_agent_pass() -> None:
    def better(given: Any) -> Any:
        return {"good": 0.9 if isinstance(given, Revision) else 0.1}

    draft = [
        {"id": "a", "agent": "counter", "estimated_duration": 2},
        {"id": "b", "agent": "writer", "dependencies": ["a"], "estimated_duration": 5},
        {"id": "c", "agent": "counter", "dependencies": ["b"], "estimated_duration": 2},
    ]
    crew = Crew(2.0, counter=better, writer=lambda _: {"good": 1.0})
    with conducted(crew=crew, draft=draft, domain=ONE) as scene:
        found, changes = adjustments(scene)
        (change,) = changes
        assert (change.adjustment.reason, change.adjustment.gates) == ("low_quality", ("c",))
        assert dict(crew.asked) == {"counter": 3, "writer": 1}
        scores = {each.task: each.quality_score for each in found.insights.tasks}
        assert scores == {"a": 0.1, "b": 1.0, "c": 0.9}


def test_lightweight_adjusts_nothing() -> None:
    desk = orchestrator("desk", planner="planner", mode="lightweight")
    with played(*crowd(9.0), planner(spread(4, 3.0)), desk) as scene:
        assert adjustments(scene)[1] == []


def test_another_process_carries_on_as_it_was_decided() -> None:
    """The decision is in the journal: it is not taken again, and what was done is not done again."""
    people = crowd(6.0)
    with played(*people, planner(spread(6, 6.0)), DESK) as scene:
        ref = OrchestratorRef(scene.eng, "desk")
        run = ref.start("whales", task_id="task-1").get()
        scene.sim.advance(1)
        (team,) = scene.sim.actors("eng/agents")
        for n in (1, 2, 3):
            team.leave(f"w{n}")  # type: ignore[attr-defined]
        scene.sim.advance(8)
        assert "done" in kinds(run, "execution/.adjustment")
        done = {each.step for each in run.history().get() if each.kind == "done"}
    with again(scene, *people, planner(spread(6, 6.0)), DESK) as scene:
        found, changes = adjustments(scene)
        assert len(found.successful) == 7
        assert [each.adjustment.execution for each in changes] == ["sequential"]
        history = scene.eng.workflow_run(run.id).history().get()
        for step in done:
            assert [each.kind for each in history if each.step == step] == ["began", "done"]


# When tasks end


@st.composite
def plans(draw: st.DrawFn) -> tuple[Any, dict[str, float], dict[str, int]]:
    ids = [f"s{n}" for n in range(draw(st.integers(1, 8)))]
    agents = draw(st.lists(st.sampled_from(["a", "b"]), min_size=len(ids), max_size=len(ids)))
    nodes = [
        do(
            id,
            agents[n],
            after=draw(st.lists(st.sampled_from(ids[:n]), unique=True)) if n else [],
            metadata={"parallel_safe": draw(st.booleans())},
        )
        for n, id in enumerate(ids)
    ]
    flow = workflow("flow", tasks=nodes)
    durations = {id: float(draw(st.integers(0, 9))) for id in ids}
    return flow, durations, {"a": draw(st.integers(1, 3)), "b": draw(st.integers(1, 3))}


@given(plans(), st.sampled_from(["ready", "sequential", "levels", "hybrid"]))
def test_expected_ends_respect_order_capacity_and_tasks_that_run_alone(made: Any, execution: Any) -> None:
    flow, durations, capacity = made
    ends = finishes(flow, execution, durations, capacity)
    assert ends.keys() == durations.keys()
    begins = {id: end - durations[id] for id, end in ends.items()}
    for id, begin in begins.items():
        assert all(ends[need] <= begin for need in flow.graph.needs(id))
    for moment in sorted(set(begins.values())):
        at_once = [id for id in begins if begins[id] <= moment < ends[id]]
        for agent, most in capacity.items():
            assert sum(flow.graph[id].title == agent for id in at_once) <= most
        if any(not flow.graph[id].parallel_safe for id in at_once):
            assert len(at_once) == 1
    if execution == "sequential":
        assert max(ends.values()) == sum(durations.values())


@pytest.mark.parametrize(("capacity", "last"), [({"a": 1}, 6.0), ({"a": 2}, 4.0), ({}, 2.0)])
def test_tasks_wait_for_a_free_agent(capacity: dict[str, int], last: float) -> None:
    flow = workflow("flow", tasks=[do(f"s{n}", "a") for n in range(3)])
    assert max(finishes(flow, "ready", dict.fromkeys(("s0", "s1", "s2"), 2.0), capacity).values()) == last
