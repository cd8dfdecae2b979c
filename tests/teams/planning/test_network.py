"""The critical path and the schedule of a plan, against what a count of all ways through a small graph says."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from teams.planning import WorkflowPlan, plan
from teams.workflows import Workflow, do, workflow

NEAR = 1e-6
MOST = 8


@st.composite
def flows(draw: st.DrawFn, agents: int = 0, alone: bool = False) -> Workflow:
    """Workflows of up to 8 steps in any order of writing, with whole seconds."""
    count = draw(st.integers(1, MOST))
    steps = []
    for number in range(count):
        after = [f"s{each}" for each in range(number) if draw(st.integers(0, 2)) == 0]
        metadata: dict[str, Any] = {"estimated_duration": draw(st.integers(1, 9))}
        if alone and draw(st.integers(0, 3)) == 0:
            metadata["parallel_safe"] = False
        agent = f"m{draw(st.integers(0, agents - 1))}" if agents else f"own{number}"
        steps.append(do(f"s{number}", agent, after=after, metadata=metadata))
    return workflow("flow", tasks=draw(st.permutations(steps)))


def seconds(flow: Workflow) -> dict[str, float]:
    return {node.id: float(node.metadata["estimated_duration"]) for node in flow.graph.nodes}  # type: ignore[arg-type]


def ways(flow: Workflow) -> list[list[str]]:
    """Every way from a step that needs nothing to one that nothing needs, read off the options of the steps."""
    needs = {node.id: node.after for node in flow.graph.nodes}
    later: dict[str, list[str]] = {id: [each for each, those in needs.items() if id in those] for id in needs}

    def on(way: list[str]) -> list[list[str]]:
        return [longer for each in later[way[-1]] for longer in on([*way, each])] or [way]

    return [way for id, those in needs.items() if not those for way in on([id])]


@settings(max_examples=200)
@given(flows())
def test_the_critical_path_is_the_longest_of_all_ways(flow: Workflow) -> None:
    times, planned = seconds(flow), plan(flow)
    every = ways(flow)
    lengths = [sum(times[id] for id in way) for way in every]
    assert planned.estimated_parallel_time == max(lengths)
    assert list(planned.critical_path) in every
    assert sum(times[id] for id in planned.critical_path) == max(lengths)
    assert {each.id for each in planned.tasks if each.critical} == set(planned.critical_path)


@settings(max_examples=200)
@given(flows())
def test_times_and_slack_of_a_step_are_those_of_the_ways_through_it(flow: Workflow) -> None:
    times, planned = seconds(flow), plan(flow)
    every = ways(flow)
    longest = max(sum(times[id] for id in way) for way in every)
    for each in planned.tasks:
        through = [(way, way.index(each.id)) for way in every if each.id in way]
        before = max(sum(times[id] for id in way[:place]) for way, place in through)
        behind = max(sum(times[id] for id in way[place:]) for way, place in through)
        assert each.earliest_start == before
        assert each.latest_start == longest - behind
        assert each.slack == longest - max(sum(times[id] for id in way) for way, _ in through)
        assert each.level == max(place for _, place in through) + 1


def at_once(planned: WorkflowPlan, agent: str) -> int:
    """How many steps of a member run at once at most: that changes where one begins."""
    own = [each for each in planned.tasks if each.agent == agent]
    return max(
        sum(each.scheduled_start <= at + NEAR < each.scheduled_finish - NEAR for each in own)
        for at in (each.scheduled_start for each in own)
    )


@settings(max_examples=150)
@given(flows(agents=3, alone=True), st.lists(st.integers(1, 3), min_size=3, max_size=3))
def test_a_schedule_keeps_order_and_capacity_and_is_not_below_its_bound(flow: Workflow, limits: list[int]) -> None:
    times = seconds(flow)
    used = {each.agent for each in plan(flow).tasks if each.agent is not None}
    capacity = {f"m{number}": most for number, most in enumerate(limits) if f"m{number}" in used}
    planned = plan(flow, capacity=capacity)
    by_id = {each.id: each for each in planned.tasks}
    for node in flow.graph.nodes:
        assert all(by_id[id].scheduled_finish <= by_id[node.id].scheduled_start + NEAR for id in node.after)
        if node.metadata.get("parallel_safe") is False:
            one = by_id[node.id]
            others = [each for each in planned.tasks if each.id != node.id]
            assert all(
                each.scheduled_finish <= one.scheduled_start + NEAR
                or one.scheduled_finish <= each.scheduled_start + NEAR
                for each in others
            )
    for agent, most in capacity.items():
        assert at_once(planned, agent) <= most
    length = max(each.scheduled_finish for each in planned.tasks)
    work = {name: sum(times[each.id] for each in planned.tasks if each.agent == name) for name in capacity}
    least = max(max(sum(times[id] for id in way) for way in ways(flow)), *(work[n] / capacity[n] for n in work))
    assert abs(planned.estimated_scheduled_time - length) < NEAR
    assert least - NEAR <= planned.lower_bound <= length + NEAR
    assert length <= planned.estimated_total_time + NEAR == sum(times.values()) + NEAR
