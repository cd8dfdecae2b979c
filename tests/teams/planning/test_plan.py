"""Plans of workflows: the figures of the documents, estimates with sources, percentiles, risks, and bad input."""

from __future__ import annotations

from typing import Literal

import pytest

from supervisors import SpecError
from teams.planning import (
    Estimate,
    PlannedQuality,
    RecordedRuns,
    Risk,
    WorkflowPlan,
    choose_execution,
    plan,
    schedule_picture,
)
from teams.workflows import CircularDependency, Workflow, ask, delay, do, quality, workflow, workflow_from


def step(id: str, seconds: object, *after: str, agent: str | None = None, **metadata: object) -> object:
    return do(id, agent or id, after=after, metadata={"estimated_duration": seconds, **metadata})


def flow(*steps: object) -> Workflow:
    return workflow("flow", tasks=steps)  # type: ignore[arg-type]


def orders() -> Workflow:
    """The second example of the documents: 24 s one after another, 13 s by levels."""
    return flow(
        step("planner", 3),
        step("payment", 5, "planner"),
        step("inventory", 4, "planner"),
        step("shipping", 5, "payment", "inventory"),
        step("email", 4, "payment", "inventory"),
        step("sms", 3, "payment", "inventory"),
    )


def pipeline(last: float) -> Workflow:
    """The first examples: a planner, three tasks side by side, and perhaps an aggregation."""
    tasks = [step("planner", 2), *(step(name, seconds, "planner") for name, seconds in (("a", 5), ("b", 4), ("c", 3)))]
    return flow(*tasks, *([step("merge", last, "a", "b", "c")] if last else []))


@pytest.mark.parametrize(
    ("made", "alone", "together"), [(pipeline(1), 15, 8), (pipeline(0), 14, 7), (orders(), 24, 13)]
)
def test_the_timelines_of_the_documents_come_out(made: Workflow, alone: float, together: float) -> None:
    planned = plan(made)
    assert planned.estimated_total_time == alone
    assert planned.estimated_parallel_time == planned.estimated_levels_time == together
    assert planned.estimated_scheduled_time == together
    assert planned.estimated_time_saved == alone - together
    assert planned.coordination_strategy == "parallel"


def test_the_critical_path_is_the_longest_way() -> None:
    planned = plan(orders())
    assert planned.critical_path == ("planner", "payment", "shipping")
    assert [each.id for each in planned.tasks if each.critical] == ["planner", "payment", "shipping"]
    assert planned.task("inventory").slack == 1
    assert planned.task("sms").latest_finish == 13


def test_a_member_with_a_capacity_of_one_makes_the_schedule_longer() -> None:
    steps = [step("split", 1), *(step(f"s{number}", 4, "split", agent="worker") for number in range(3))]
    planned = plan(flow(*steps), capacity={"worker": 1})
    assert planned.estimated_parallel_time == 5
    assert planned.estimated_scheduled_time == planned.lower_bound == 13
    assert planned.resource_breakdown[1].utilization == pytest.approx(12 / 13)


def test_a_step_that_is_not_parallel_safe_runs_alone() -> None:
    planned = plan(flow(step("a", 4), step("b", 4), step("c", 4, parallel_safe=False)))
    assert planned.estimated_parallel_time == 4
    assert planned.estimated_scheduled_time == 8
    assert planned.parallel_groups == (("a", "b"),)


def test_an_estimate_says_where_it_comes_from() -> None:
    made = flow(step("a", 5), step("b", 5), step("c", 5), step("d", 5), do("e", "e"))
    recorded = RecordedRuns(steps={"b": [1.0, 2.0, 9.0]}, members={"c": [3.0], "b": [7.0]})
    planned = plan(made, estimates={"a": (1, 2, 9)}, recorded=recorded)
    assert planned.task("a").estimate == Estimate(1, 2, 9, "given")
    assert planned.task("a").estimated_duration == 3
    assert planned.task("b").estimate.source == "3 recorded runs of this step"
    assert planned.task("b").estimated_duration == 4
    assert planned.task("c").estimate.source == "1 recorded run of c"
    assert planned.task("d").estimate == Estimate(5, 5, 5, "declared")
    assert planned.task("e").estimate == Estimate(60, 60, 60, "assumed")


def test_a_declared_estimate_may_have_three_points() -> None:
    planned = plan(flow(step("a", [1, 2, 9])))
    assert planned.task("a").estimate == Estimate(1, 2, 9, "declared")
    assert planned.task("a").estimate.deviation == pytest.approx(8 / 6)


def test_where_ways_merge_most_runs_are_longer_than_the_critical_path() -> None:
    made = flow(*(step(f"s{number}", [1, 3, 11]) for number in range(8)))
    planned = plan(made)
    assert planned.estimated_parallel_time == 4
    assert planned.p50 > 5
    assert planned.p50 < planned.p90 <= 11
    assert plan(made).p90 == planned.p90
    assert plan(made, seed=1).p90 != planned.p90


def test_the_percentiles_of_certain_steps_are_the_schedule() -> None:
    planned = plan(orders())
    assert planned.p50 == planned.p90 == 13


def test_a_part_outside_of_0_to_1_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="part must be between 0 and 1, got 90"):
        plan(orders()).percentile(90)


def kinds(planned: WorkflowPlan) -> set[tuple[str, str]]:
    return {(each.step, each.kind) for each in planned.risks}


def test_each_risk_has_its_figure_and_a_remedy() -> None:
    made = workflow(
        "risky",
        tasks=[
            do("one", "worker", timeout=9, metadata={"estimated_duration": [1, 2, 9]}),
            do("map", "worker", after="one", each="$one", effects="at_most_once"),
            ask("person", "Go on?", after="map"),
        ],
    )
    recorded = RecordedRuns(failures={"one": (2, 10)})
    planned = plan(made, capacity={"worker": 1}, recorded=recorded)
    assert kinds(planned) == {
        ("one", "one_at_a_time"),
        ("one", "uncertain"),
        ("one", "fails_often"),
        ("map", "one_at_a_time"),
        ("map", "no_timeout"),
        ("map", "at_most_once"),
        ("map", "unbounded_map"),
        ("map", "assumed"),
        ("person", "no_timeout"),
        ("person", "person"),
        ("person", "assumed"),
    }
    uncertain = next(each for each in planned.risks if each.kind == "uncertain")
    assert uncertain == Risk(
        "one", "uncertain", 4.5, "it may take 4.5 times its likely 2 s", "set a timeout with retry=, or split the step"
    )


def test_the_quality_criteria_of_steps_are_part_of_the_plan() -> None:
    planned = plan(flow(step("a", 1, quality_threshold=0.9, quality_domain="ANALYTICAL"), step("b", 1)))
    assert planned.quality_validation_plan == {"a": PlannedQuality("ANALYTICAL", {}, 0.9, None)}
    assert planned.task("a").quality_domain == "ANALYTICAL"


def test_bad_arguments_are_told_all_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        plan(
            orders(),
            estimates={"plannr": 3, "sms": (3, 2, 1), "email": float("nan")},
            capacity={"nobody": 1, "sms": 0},
            load=2,
            threshold=0,
        )
    faults = [f"{each.path}: {each.message}" for each in caught.value.faults]
    assert len(faults) == 7
    assert any("estimates/plannr: not a step of the workflow" in each and "planner" in each for each in faults)


@pytest.mark.parametrize("long", [1e16, 1e306, 1e308, (1, 2, 1e308)])
@pytest.mark.parametrize("count", [1, 2])
def test_durations_that_do_not_add_up_to_a_number_are_a_fault(long: object, count: int) -> None:
    with pytest.raises(SpecError, match="too long to add up"):
        plan(flow(*(step(f"s{number}", long) for number in range(count))))


@pytest.mark.parametrize("drawing", ["text", "mermaid"])
@pytest.mark.parametrize("long", [1e16, 1e306, 1e308])
def test_a_sleep_longer_than_any_is_planned_as_long_as_it_takes(
    drawing: Literal["text", "mermaid"], long: float
) -> None:
    planned = plan(workflow("flow", delay("long", long), delay("again", long)))
    assert planned.estimated_scheduled_time == 2e12
    assert "again" in schedule_picture(planned, drawing)


def test_an_estimate_that_no_float_holds_is_a_fault() -> None:
    with pytest.raises(SpecError, match="estimates/a: must be numbers of seconds"):
        plan(flow(step("a", 1)), estimates={"a": 10**400})


def test_a_workflow_with_a_cycle_has_no_plan() -> None:
    document = {
        "workflow": "round",
        "tasks": [{"id": "a", "agent": "a", "dependencies": ["b"]}, {"id": "b", "agent": "b", "dependencies": ["a"]}],
    }
    with pytest.raises((CircularDependency, SpecError)):
        plan(workflow_from(document))


@pytest.mark.parametrize(
    ("ready", "potential", "load", "free", "reason", "execution"),
    [
        (5, 0.5, 0.9, None, "high_system_load", "sequential"),
        (5, 0.5, 0.8, 1, "high_system_load", "sequential"),
        (2, 0.5, 0.0, None, "below_parallel_threshold", "sequential"),
        (3, 0.3, 0.0, None, "insufficient_benefit", "sequential"),
        (3, 0.31, 0.8, 2, "parallel", "ready"),
    ],
)
def test_steps_run_side_by_side_only_where_it_pays(
    ready: int, potential: float, load: float, free: int | None, reason: str, execution: str
) -> None:
    choice = choose_execution(ready, potential=potential, load=load, free=free)
    assert (choice.reason, choice.execution) == (reason, execution)


def test_a_picture_shows_when_each_step_runs() -> None:
    lines = schedule_picture(plan(orders())).splitlines()
    assert lines[0].startswith("planner ")
    assert lines[-1].endswith("| 8 to 13 s  shipping")
    assert all(line.count("|") == 2 for line in lines)


def test_a_mermaid_chart_has_every_step_and_no_stray_marks() -> None:
    made = flow(step("a", 1, agent="one: two; #three"), step("b", 2, "a"))
    drawn = schedule_picture(plan(made), "mermaid").splitlines()
    assert drawn[:2] == ["gantt", "    title flow"]
    assert "    section one  two   three" in drawn
    assert "    b :crit, s1, 1000, 3000" in drawn


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="must be one of text, mermaid, got 'mermad'"):
        schedule_picture(plan(orders()), "mermad")  # type: ignore[arg-type]


def test_a_quality_is_part_of_the_plan() -> None:
    how = quality("ANALYTICAL", threshold=0.9, on_low="retry")
    planned = plan(workflow("flow", do("a", "x", quality=how), do("b", "x")))
    criteria = {"accuracy": 0.95, "completeness": 0.9}
    assert planned.quality_validation_plan == {"a": PlannedQuality("ANALYTICAL", criteria, 0.9, "retry")}
    assert planned.task("a").quality_domain == "ANALYTICAL"


@pytest.mark.parametrize(("passed", "scored", "rate"), [(3, 5, 4 / 7), (0, 5, 1 / 7), (10, 15, 11 / 17)])
def test_a_low_pass_rate_is_a_risk_with_its_probability(passed: int, scored: int, rate: float) -> None:
    planned = plan(workflow("flow", do("a", "x", timeout=1)), recorded=RecordedRuns(quality={"a": (passed, scored)}))
    risk = next(each for each in planned.risks if each.kind == "low_pass_rate")
    assert risk.step == "a"
    assert risk.figure == pytest.approx(rate)
    assert f"{passed} of {scored}" in risk.message


@pytest.mark.parametrize(("passed", "scored"), [(0, 0), (0, 4), (4, 4), (15, 16), (16, 18)])
def test_few_scores_and_a_high_pass_rate_are_not_a_risk(passed: int, scored: int) -> None:
    planned = plan(workflow("flow", do("a", "x")), recorded=RecordedRuns(quality={"a": (passed, scored)}))
    assert "low_pass_rate" not in {each.kind for each in planned.risks}
