"""Orchestrators: the phases of a run, what each finds out, and what goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supervisors import SpecError
from teams import member, team
from teams.errors import RunFailed
from teams.orchestration import TeamSituation, orchestrator
from teams.patterns import Revision, Synthesis
from teams.workflows import Artifact, quality_domain
from tests.teams.orchestration.cast import TASKS, Crew, again, conducted, plan_of, planner, said
from tests.teams.workflows.cast import failure, kinds, played

ONE = quality_domain("ONE", good=0.5)


def test_a_query_is_planned_carried_out_and_summed_up() -> None:
    crew = Crew()
    with conducted(crew=crew) as scene:
        found = scene.result("desk", "whales")
        assert found["result"] == {"report": "by writer"}
        assert found["successful"] == ["search", "count", "chart", "report"]
        assert (found["failed"], found["skipped"], found["partial_completion"]) == ({}, {}, False)
        assert crew.given["counter"] == [{"query": "whales", "task": "count", "results": {"search": "by searcher"}}]
        assert set(crew.asked.values()) == {1}


def test_enhanced_has_all_phases_and_lightweight_three() -> None:
    top = ["analysis", "planning", "prediction", "execution", "synthesis", "improvement"]
    for mode, phases in (("enhanced", top), ("lightweight", ["planning", "execution", "synthesis"])):
        with conducted(mode=mode) as scene:
            run = scene.start("desk", "whales")
            found = run.get(timeout=100)
            ended = [each.step for each in run.history().get() if each.kind == "done" and "/" not in each.step]
            assert ended == phases
            assert (found["insights"] is None) == (mode == "lightweight")


def test_the_analysis_holds_what_is_wanted_against_the_roster() -> None:
    with conducted(capabilities=["draw", "fly"]) as scene:
        run = scene.start("desk", "whales")
        run.get(timeout=100)
        found = said(run, "analysis", TeamSituation)
        assert found.missing == ("fly",)
        (risk,) = [each for each in plan_of(run).risks if each.kind == "missing_capability"]
        assert "'fly'" in risk.message
        assert found.agents["painter"].capabilities == ("draw",)
        assert found.capabilities["search"].capacity == found.agents["searcher"].capacity > 0
        assert 0.0 <= found.load <= 1.0


def test_the_plan_has_the_critical_path_and_the_choice_with_its_reason() -> None:
    with conducted(parallel_threshold=2) as scene:
        run = scene.start("desk", "whales")
        run.get(timeout=100)
        plan = plan_of(run)
        assert plan.critical_path == ("search", "chart", "report")
        assert (plan.estimated_total_time, plan.estimated_parallel_time) == (7, 6)
        assert (plan.execution, plan.reason) == ("sequential", "insufficient_benefit")
        assert [each.slack for each in plan.tasks] == [0, 2, 0, 0]


def test_a_plan_worth_it_runs_side_by_side() -> None:
    agents = ("searcher", "counter", "painter", "writer")  # each does one task at a time
    wide = [{"id": each[0], "agent": each, "estimated_duration": 2} for each in agents]
    with conducted(crew=Crew(2.0), draft=wide) as scene:
        run = scene.start("desk", "whales")
        run.get(timeout=100)
        assert plan_of(run).execution == "ready"
        assert said(run, "improvement")["execution_time"] == pytest.approx(2, abs=0.5)


def test_faults_of_a_draft_go_back_to_the_planner_all_at_once() -> None:
    asked: list[Any] = []

    def plans(value: Any) -> Any:
        asked.append(value)
        if not isinstance(value, Revision):
            return {
                "tasks": [
                    {"id": "a", "agent": "nobody", "run": "os:system", "estimated_duration": -1},
                    {"id": "b", "agent": "counter", "dependencies": ["c"], "max_retries": 10**9},
                ]
            }
        return {"tasks": TASKS}

    with conducted(plan=member("planner", plans)) as scene:
        run = scene.start("desk", "whales")
        assert run.get(timeout=100)["partial_completion"] is False
        assert plan_of(run).rounds == 2
        _, revision = asked
        faults = "\n".join(revision.feedback)
        for each in ("'nobody' is not a member or a role", "'run' is not a key", "'c' is not a step", "max_retries"):
            assert each in faults
        assert revision.work.query == "whales"
        assert revision.work.agents["searcher"] == ("search",)
        assert revision.round == 2


@pytest.mark.parametrize(
    ("draft", "fault"),
    [
        ([{"id": "a", "agent": "counter", "estimated_duration": -1}], "must be more than 0 seconds"),
        ([{"id": "a", "agent": "counter", "estimated_duration": float("nan")}], "JSON has no nan"),
        ([{"id": "a", "agent": "counter", "estimated_duration": [3, 2, 1]}], "in order"),
        ([{"id": "a", "agent": "counter", "dependencies": ["a"]}], "cycle"),
        ([{"id": "a", "agent": "counter"}, {"id": "a", "agent": "counter"}], "2 steps have it"),
        ([{"id": "a", "agent": {"can": "fly"}}], "'fly' is not a capability"),
        ([{"id": "a", "agent": "tests.teams.orchestration.cast:planner"}], "is not a member or a role"),
        ([{"id": "a", "agent": {"pattern": "sequential"}}], "agent: must be"),
        ([{"id": "a/b", "agent": "counter"}], "id: must be"),
        ([{"id": "a", "agent": "counter", "undo": "os:system"}], "'undo' is not a key"),
        ([{"id": "a", "agent": "counter", "quality_threshold": 0.5}], "not scored"),
        ([{"id": "a", "agent": "counter", "input": "$b.x"}], "'b' is not a step"),
        ([{"id": "a", "agent": "counter", "condition": "__import__('os')"}], "condition"),
        ([{"id": "a", "agent": "counter", "parallel_safe": 1}], "true or false"),
        ([{"id": str(n), "agent": "counter"} for n in range(5)], "has 5 tasks, the most are 4"),
        ([], "at least one task"),
        ([7], "must be a mapping"),
        ("soon", "at least one task"),
    ],
)
def test_a_plan_that_does_not_pass_the_checks_begins_nothing(draft: Any, fault: str) -> None:
    crew = Crew()
    with conducted(crew=crew, draft=draft, max_rounds=2, max_tasks=4) as scene:
        run = scene.start("desk", "whales")
        error = failure(lambda: run.get(timeout=100))
        assert error.type == "teams.orchestration.PlanRefused"  # type: ignore[attr-defined]
        assert fault in str(error)
        assert not crew.asked
        drafts = [each.step for each in run.history().get() if each.kind == "began" and "draft" in each.step]
        assert drafts == ["planning/draft", "planning/draft#2"]


@pytest.mark.parametrize("text", ["not json", '{"tasks": [{"id": "a", "estimated_duration": NaN}]}', "[" * 100_000])
def test_a_draft_that_is_not_json_goes_back(text: str) -> None:
    def plans(value: Any) -> Any:
        return json.dumps({"tasks": TASKS}) if isinstance(value, Revision) else text

    with conducted(plan=member("planner", plans)) as scene:
        run = scene.start("desk", "whales")
        run.get(timeout=100)
        assert plan_of(run).rounds == 2


def test_a_failed_task_leaves_the_others_and_skips_what_needs_it() -> None:
    def broken(_: Any) -> Any:
        raise ValueError("no ink")

    heard: list[Any] = []

    def sum_up(value: Synthesis) -> Any:
        heard.append(value)
        return f"{len(value.results)} results"

    aggregator = member("chief", sum_up)
    with conducted(aggregator, crew=Crew(painter=broken), aggregator="chief") as scene:
        found = scene.result("desk", "whales")
        assert found["result"] == "2 results"
        assert found["successful"] == ["search", "count"]
        assert "no ink" in found["failed"]["chart"]
        assert set(found["skipped"]) == {"report"}
        assert found["partial_completion"] is True
        (given,) = heard
        assert (given.task, given.unanswered) == ("whales", ("report",))
        assert "no ink" in str(given.failures["chart"].error)


def test_a_run_with_no_task_done_fails_and_says_why() -> None:
    def broken(_: Any) -> Any:
        raise ValueError("no net")

    with conducted(crew=Crew(searcher=broken)) as scene:
        error = failure(lambda: scene.result("desk", "whales"))
        assert error.type == "teams.orchestration.OrchestrationFailed"  # type: ignore[attr-defined]
        assert "search" in str(error)
        assert "no net" in str(error)


def test_a_failed_task_is_tried_again_on_request_with_what_follows() -> None:
    fails = [True]

    def shaky(_: Any) -> Any:
        if fails[0]:
            raise ValueError("no net")
        return "found"

    crew = Crew(painter=shaky)
    draft = [
        {"id": "search", "agent": "searcher"},
        {"id": "chart", "agent": "painter", "dependencies": ["search"], "on_failure": "stop"},
    ]
    with conducted(crew=crew, draft=draft, aggregator=lambda _: 1 / 0) as scene:
        run = scene.start("desk", "whales")
        failure(lambda: run.get(timeout=100))
        fails[0] = False
        run.retry(step="execution/chart").get()
        failure(lambda: run.get(timeout=100))  # the aggregator fails in any case
        assert dict(crew.asked) == {"searcher": 1, "painter": 2}
        kinds_of = kinds(run, "execution/chart")
        assert kinds_of == ["began", "failed", "began", "done"]


def test_a_task_that_says_stop_ends_the_execution() -> None:
    def broken(_: Any) -> Any:
        raise ValueError("no ink")

    draft = [
        {"id": "first", "agent": "counter"},
        {"id": "chart", "agent": "painter", "dependencies": ["first"], "on_failure": "stop"},
        {"id": "last", "agent": "writer", "dependencies": ["chart"]},
    ]
    with conducted(crew=Crew(painter=broken), draft=draft) as scene:
        found = scene.result("desk", "whales")
        assert found["successful"] == ["first"]
        assert set(found["failed"]) == {"chart"}
        assert found["skipped"] == {"last": "it did not begin"}


def test_results_are_scored_and_low_ones_done_again() -> None:
    def better(given: Any) -> Any:
        return {"good": 0.9 if isinstance(given, Revision) else 0.1}

    draft = [
        {"id": "a", "agent": "counter", "on_low": "retry"},
        {"id": "b", "agent": "writer", "quality_threshold": 0.05},
    ]
    crew = Crew(counter=better, writer=better)
    with conducted(crew=crew, draft=draft, domain=quality_domain("ONE", good=0.0), threshold=0.8) as scene:
        run = scene.start("desk", "whales")
        found = run.get(timeout=100)
        assert found["successful"] == ["a", "b"]
        assert dict(crew.asked) == {"counter": 2, "writer": 1}
        scores = {each["task"]: each["quality_score"] for each in found["insights"]["tasks"]}
        assert scores == {"a": 0.9, "b": 0.1}
        assert found["result"] == {"a": {"good": 0.9}, "b": {"good": 0.1}}


def test_the_next_run_learns_durations_and_scores_of_this_one() -> None:
    draft = [{"id": "a", "agent": "counter"}, {"id": "b", "agent": "writer"}]
    crew = Crew(2.0, counter=lambda _: {"good": 0.2}, writer=lambda _: {"good": 1.0})
    with conducted(crew=crew, draft=draft, domain=ONE) as scene:
        first = scene.start("desk", "whales")
        found = first.get(timeout=100)
        assert [each.source for each in plan_of(first).tasks] == ["assumed", "assumed"]
        assert [each["scored"] for each in said(first, "prediction")] == [0, 0]
        assert any("a took 2 s" in each for each in found["insights"]["learned"])
        for number in range(4):
            scene.start("desk", number).get(timeout=100)
        last = scene.start("desk", "seals")
        last.get(timeout=100)
        plan = plan_of(last)
        assert [each.source for each in plan.tasks] == ["5 recorded runs of this step"] * 2
        assert plan.tasks[0].estimated_duration == pytest.approx(2, abs=0.1)
        low, high = said(last, "prediction")
        assert (low["passed"], low["scored"], low["low"]) == (0, 5, True)
        assert (high["passed"], high["scored"], high["low"]) == (5, 5, False)
        assert "low_pass_rate" in {each.kind for each in plan.risks if each.task == "a"}


def test_a_new_task_learns_from_its_agent() -> None:
    drafts = [[{"id": "a", "agent": "counter"}], [{"id": "z", "agent": "counter"}]]
    crew = Crew(counter=lambda _: {"good": 1.0})
    with conducted(crew=crew, plan=member("planner", lambda _: drafts.pop(0)), domain=ONE) as scene:
        scene.start("desk", 1).get(timeout=100)
        run = scene.start("desk", 2)
        run.get(timeout=100)
        (task,) = plan_of(run).tasks
        assert task.source == "1 recorded run of counter"
        (prediction,) = said(run, "prediction")
        assert (prediction["source"], prediction["passed"], prediction["scored"]) == ("counter", 1, 1)


def test_the_tasks_may_be_those_of_another_team() -> None:
    crew = Crew()
    desk = orchestrator("desk", "others", planner="planner", aggregator="writer")
    with played(desk, team("others", *crew.members(), planner())) as scene:
        assert scene.result("desk", "whales")["result"] == "by writer"


def test_artifacts_of_tasks_are_artifacts_of_the_run() -> None:
    crew = Crew(writer=lambda _: Artifact("report", "text", "note"))
    with conducted(crew=crew) as scene:
        run = scene.start("desk", "whales")
        run.get(timeout=100)
        assert [(each.step, each.name) for each in run.artifacts().get()] == [("execution/report", "report")]


def test_a_capability_whose_member_is_gone_blocks_the_run() -> None:
    def plans(_: Any) -> Any:
        return {"tasks": [{"id": "a", "agent": "counter"}, {"id": "b", "agent": "painter", "dependencies": ["a"]}]}

    crew = Crew()
    with conducted(crew=crew, plan=member("planner", plans)) as scene:
        run = scene.start("desk", "whales")
        scene.sim.advance(0.5)
        leaving = next(each for each in scene.sim.actors("eng/agents"))
        leaving.leave("painter").get()
        scene.sim.advance(5)
        assert scene.state(run) == "blocked"
    with again(scene, *crew.members(), planner(), orchestrator("desk", planner="planner")) as scene:
        taken = scene.eng.workflow_run(run.id)
        taken.resume().get()
        assert taken.get(timeout=100)["successful"] == ["a", "b"]
        assert kinds(taken, "execution/a") == ["began", "done"]
        assert crew.asked == {"counter": 1, "painter": 1}


def test_an_orchestrator_in_memory_says_that_it_needs_an_engine() -> None:
    from actors.testing import simulation

    with simulation() as sim:
        crew = sim.start(team("crew", planner()))
        with pytest.raises(RunFailed, match="engine"):
            crew.play(orchestrator("desk", planner="planner"), "whales").get(timeout=60)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"planner": 7}, "planner"),
        ({"aggregator": 7}, "aggregator"),
        ({"mode": "heavy"}, "mode"),
        ({"domain": "NONE"}, "domain"),
        ({"scorers": "judge"}, "need a domain"),
        ({"domain": ONE, "threshold": 2}, "threshold"),
        ({"on_low": "ask"}, "on_low"),
        ({"capabilities": "draw"}, "capabilities"),
        ({"max_rounds": 0}, "max_rounds"),
        ({"max_tasks": 0}, "max_tasks"),
        ({"parallel_threshold": 0}, "parallel_threshold"),
        ({"timeout": -1}, "timeout"),
        ({"team": ""}, "team"),
    ],
)
def test_an_option_with_a_fault_is_refused(options: Any, fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        orchestrator("desk", **{"planner": "planner", **options})


def test_an_engine_without_the_planner_is_refused() -> None:
    with pytest.raises(SpecError, match="no member or role planner"), played(orchestrator("desk", planner="planner")):
        pass
