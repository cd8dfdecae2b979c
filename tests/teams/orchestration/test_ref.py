"""An orchestrator from outside: its stream, its result and its health."""

from __future__ import annotations

from typing import Any

import pytest

from teams.orchestration import (
    OrchestrationResult,
    OrchestratorRef,
    PhaseBegan,
    PhaseDone,
    Planned,
    orchestrator,
)
from teams.patterns import Revision
from teams.workflows import (
    Artifact,
    ArtifactMade,
    KeyTaken,
    LevelComplete,
    NodeComplete,
    NoSuchWorkflow,
    RunComplete,
    StreamEvent,
    TaskComplete,
    TaskFailed,
    TaskScoredLow,
    TaskSkipped,
    TaskStarted,
    quality_domain,
)
from tests.teams.orchestration.cast import Crew, again, conducted, planner
from tests.teams.workflows.cast import Scene


def desk(scene: Scene) -> OrchestratorRef:
    return OrchestratorRef(scene.eng, "desk")


def those(events: list[StreamEvent], kind: type[StreamEvent]) -> list[Any]:
    return [each for each in events if isinstance(each, kind)]


def test_the_stream_tells_of_phases_plan_tasks_levels_and_artifacts() -> None:
    crew = Crew(writer=lambda _: Artifact("report", "text", "note"))
    with conducted(crew=crew) as scene:
        events = list(desk(scene).stream_with_artifacts("whales", "session-1", "task-1"))
        phases = ["analysis", "planning", "prediction", "execution", "synthesis", "improvement"]
        assert [each.phase for each in those(events, PhaseBegan)] == phases
        assert [(each.phase, each.number) for each in those(events, PhaseDone)] == list(
            zip(phases, [1, 2, 3, 4, 6, 7], strict=True)
        )
        (planned,) = those(events, Planned)
        assert planned.plan.critical_path == ("search", "chart", "report")
        tasks = [each for each in those(events, TaskStarted) if "/" not in each.task_id]
        assert [(each.task_id, each.agent) for each in tasks] == [
            ("search", "searcher"),
            ("count", "counter"),
            ("chart", "draw"),
            ("report", "writer"),
        ]
        assert [each.duration for each in those(events, NodeComplete)] == [pytest.approx(each) for each in (2, 1, 3, 1)]
        assert [each.nodes for each in those(events, LevelComplete)] == [("search",), ("count", "chart"), ("report",)]
        (made,) = those(events, ArtifactMade)
        assert (made.task_id, made.name, made.type, made.size) == ("report", "report", "note", 6)
        assert events[-1].kind == "run_complete"
        row = scene.eng.workflow_runs().get()[0]
        assert (row.key, row.attributes) == ("task-1", b'{"session_id":"session-1"}')


def test_the_same_task_is_one_run_and_a_reader_goes_on_after_any_event() -> None:
    with conducted() as scene:
        events = list(desk(scene).stream_with_artifacts("whales", task_id="task-1"))
        for number, event in enumerate(events):
            rest = desk(scene).stream_with_artifacts("whales", task_id="task-1", since=event.seq)
            assert list(rest) == events[number + 1 :]
        assert len(scene.eng.workflow_runs().get()) == 1
        with pytest.raises(KeyTaken):
            next(desk(scene).stream_with_artifacts("seals", task_id="task-1"))


def test_a_later_process_tells_the_same() -> None:
    crew = Crew()
    with conducted(crew=crew) as scene:
        stream = desk(scene).stream_with_artifacts("whales", task_id="task-1")
        events = [next(stream) for _ in range(12)]
    with again(scene, *crew.members(), planner(), orchestrator("desk", planner="planner")) as scene:
        whole = list(desk(scene).stream_with_artifacts("whales", task_id="task-1"))
        assert whole[:12] == events
        assert whole[-1].kind == "run_complete"
        assert len([each for each in whole if isinstance(each, NodeComplete)]) == 4


def test_low_scores_and_failures_are_told_by_the_names_of_tasks() -> None:
    def better(given: Any) -> Any:
        return {"good": 0.9 if isinstance(given, Revision) else 0.1}

    def broken(_: Any) -> Any:
        raise ValueError("no ink")

    draft = [
        {"id": "a", "agent": "counter", "on_low": "retry"},
        {"id": "b", "agent": "painter"},
        {"id": "c", "agent": "writer", "dependencies": ["b"]},
    ]
    domain = quality_domain("ONE", good=0.5)
    with conducted(crew=Crew(counter=better, painter=broken), draft=draft, domain=domain) as scene:
        events = list(desk(scene).stream_with_artifacts("whales"))
        assert [(each.task_id, each.quality_score) for each in those(events, TaskScoredLow)] == [("a", 0.1)]
        assert [(each.node_id, each.quality_score) for each in those(events, NodeComplete)] == [("a", 0.9)]
        assert [each.task_id for each in those(events, TaskFailed)] == ["b"]
        assert [each.task_id for each in those(events, TaskSkipped)] == ["b", "c"]
        assert [each.level for each in those(events, LevelComplete)] == [1, 2]
        assert not [each for each in those(events, TaskComplete) if each.task_id.startswith("execution")]


def test_an_unknown_orchestrator_is_told_with_the_first_event() -> None:
    with conducted() as scene, pytest.raises(NoSuchWorkflow):
        next(OrchestratorRef(scene.eng, "other").stream_with_artifacts("whales"))


def test_coroutines_read_the_stream_and_the_result() -> None:
    with conducted() as scene:

        async def read() -> tuple[list[StreamEvent], OrchestrationResult]:
            ref = desk(scene)
            events = [each async for each in ref.stream_with_artifacts("whales", task_id="task-1")]
            return events, await ref.result(await ref.start("whales", task_id="task-1"))

        events, found = scene.sim.call(read())
        assert isinstance(events[-1], RunComplete)
        assert found.successful == ("search", "count", "chart", "report")
        assert found.insights is not None
        assert found.insights.execution_time == pytest.approx(7, abs=0.5)
        assert found.insights.estimate_error == pytest.approx(0, abs=0.05)


def test_health_counts_runs_and_tasks_in_the_store() -> None:
    fails = [False]

    def shaky(_: Any) -> Any:
        if fails[0]:
            raise ValueError("no net")
        return 1

    draft = [{"id": "a", "agent": "counter"}, {"id": "b", "agent": "writer", "dependencies": ["a"]}]
    crew = Crew(counter=shaky)
    with conducted(crew=crew, draft=draft) as scene:
        ref = desk(scene)
        empty = ref.health().get()
        assert (empty.success_rate, empty.average_response_time, empty.strategy) == (None, None, None)
        ref.start("one").get().get(timeout=100)
        fails[0] = True
        failed = ref.start("two").get()
        with pytest.raises(Exception, match="no result"):
            failed.get(timeout=100)
        fails[0] = False
        ref.start("three").get()
        scene.sim.advance(0.5)
        found = ref.health().get()
        assert (found.active_runs, found.active_tasks) == (1, 1)
        assert (found.completed_tasks, found.failed_tasks) == (2, 1)
        assert (found.ended_runs, found.successful_runs, found.success_rate) == (2, 1, 0.5)
        assert found.average_response_time == pytest.approx((2 + 1) / 2, abs=0.2)
        assert found.strategy == "sequential"
    with again(scene, *crew.members(), planner(draft), orchestrator("desk", planner="planner")) as scene:
        scene.sim.advance(20)
        later = desk(scene).health().get()
        assert (later.active_runs, later.active_tasks, later.completed_tasks) == (0, 0, 4)
