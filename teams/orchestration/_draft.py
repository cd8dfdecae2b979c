"""Drafts of plans, as planners write them: what is read of them, and what is wrong with them. Pure.

A draft comes from a model, so it may say anything. A task has the keys of `KEYS` and no others: it names no code, no
file and no type, and is given to a member of the team. Every fault is found at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from actors.spi import shown
from supervisors.spi import SpecError, SpecFault, nearest
from teams.orchestration._adjust import DRAWS, first_limits
from teams.orchestration._values import OrchestrationPlan, PlannedTask, PlanRisk, TeamSituation
from teams.planning._draft import draft_value
from teams.planning._estimates import RecordedRuns, resource_of
from teams.planning._plan import WorkflowPlan, plan
from teams.workflows._graph.file import workflow_from
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import Node
from teams.workflows._graph.workflow import Execution, Workflow
from teams.workflows._quality.domain import part_faults
from teams.workflows._quality.scoring import OnLow, Quality, Scoring

KEYS = (
    "id",
    "description",
    "agent",
    "input",
    "dependencies",
    "condition",
    "timeout",
    "max_retries",
    "priority",
    "on_failure",
    "on_skipped",
    "parallel_safe",
    "estimated_duration",
    "quality_threshold",
    "on_low",
)
"""The keys that a task may have."""
OWN = ("quality_threshold", "on_low")
"""Those of them that are not for the file."""
ON_LOW: tuple[OnLow, ...] = ("warn", "retry", "fail")
MOST_RETRIES = 10
JOIN = "let a member with this capability join the team"
PLAN = "plan"
"""The place of faults of a draft as a whole."""


def read_draft(
    said: object, situation: TeamSituation, scoring: Scoring | None, on_low: OnLow, max_tasks: int
) -> tuple[Workflow, tuple[dict[str, Any], ...]]:
    """The workflow of a draft, and its tasks as they are written down. Raises SpecError with all faults."""
    faults: list[SpecFault] = []
    tasks = _tasks(said, max_tasks, faults)
    made = [_task(task, number, situation, scoring is not None, faults) for number, task in enumerate(tasks)]
    flow = None
    if made:
        try:
            flow = workflow_from({"name": PLAN, "tasks": [_in_file(each) for each in made], "execution": "ready"})
        except SpecError as error:
            faults += error.faults
    if faults or flow is None:
        raise SpecError(tuple(dict.fromkeys(faults)))
    return flow_of(made, "ready", scoring, on_low), tuple(made)


def _tasks(said: object, max_tasks: int, faults: list[SpecFault]) -> list[Any]:
    try:
        said = draft_value(said)
    except SpecError as error:
        faults += error.faults
        return []
    if isinstance(said, Mapping):
        faults += (SpecFault(PLAN, f"{key!r}: {nearest(str(key), ['tasks'])}") for key in said if key != "tasks")
        said = said.get("tasks")
    if not isinstance(said, list | tuple) or not said:
        faults.append(SpecFault(PLAN, f'must be {{"tasks": [...]}} with at least one task, got {shown(said)}'))
        return []
    if len(said) > max_tasks:
        faults.append(SpecFault(PLAN, f"has {len(said)} tasks, the most are {max_tasks}"))
    return list(said[:max_tasks])


def _task(
    task: object, number: int, situation: TeamSituation, is_scored: bool, faults: list[SpecFault]
) -> dict[str, Any]:
    """A task with what it does not say filled in. Stands for the task where that has faults."""
    if not isinstance(task, Mapping):
        faults.append(SpecFault(f"{PLAN}/[{number}]", f"must be a mapping with the keys of a task, got {shown(task)}"))
        return {"id": f"task-{number}", "agent": "agent"}
    id = task.get("id")
    path = f"{PLAN}/{id}" if isinstance(id, str) and id else f"{PLAN}/[{number}]"
    faults += (
        SpecFault(path, f"{key!r} is not a key of a planned task; {nearest(str(key), KEYS)}")
        for key in task
        if key not in KEYS
    )
    made = {key: task[key] for key in KEYS if key in task}
    made["agent"] = _agent(path, task.get("agent"), situation, faults)
    faults += _value_faults(path, made, is_scored)
    made.setdefault("description", id if isinstance(id, str) else "")
    made.setdefault("on_failure", "skip")
    made.setdefault("on_skipped", "skip")
    if "input" not in made:
        after = made.get("dependencies", ())
        names = [after] if isinstance(after, str) else after if isinstance(after, list | tuple) else ()
        results = {each: f"${each}" for each in names if isinstance(each, str)}
        task_text = str(made["description"]).replace("$", "$$")
        made["input"] = {"query": "$input", "task": task_text, "results": results}
    return made


def _agent(path: str, agent: object, situation: TeamSituation, faults: list[SpecFault]) -> Any:
    if isinstance(agent, Mapping) and set(agent) == {"can"}:
        known, name, what = situation.capabilities, agent["can"], "a capability"
    else:
        known, name, what = situation.agents, agent, "a member or a role"
    if isinstance(name, str) and name in known:
        return agent
    if not isinstance(name, str) or not name:
        faults.append(
            SpecFault(path, f'agent: must be a member, a role or {{"can": "capability"}}, got {shown(agent)}')
        )
    else:
        faults.append(SpecFault(path, f"agent: {shown(name)} is not {what} of the team; {nearest(name, known)}"))
    return "agent"


def _value_faults(path: str, task: Mapping[str, Any], is_scored: bool) -> Iterator[SpecFault]:
    if not isinstance(task.get("description", ""), str):
        yield SpecFault(path, f"description: must be a string, got {shown(task['description'])}")
    if type(task.get("parallel_safe", True)) is not bool:
        yield SpecFault(path, f"parallel_safe: must be true or false, got {shown(task['parallel_safe'])}")
    retries = task.get("max_retries", 0)
    if type(retries) is not int or not 0 <= retries <= MOST_RETRIES:
        yield SpecFault(path, f"max_retries: must be an integer from 0 to {MOST_RETRIES}, got {shown(retries)}")
    if "quality_threshold" in task:
        yield from part_faults(path, "quality_threshold", task["quality_threshold"])
    if "on_low" in task and task["on_low"] not in ON_LOW:
        yield SpecFault(path, f"on_low: must be one of {', '.join(ON_LOW)}, got {shown(task['on_low'])}")
    if not is_scored:
        yield from (
            SpecFault(path, f"{key}: the results of tasks are not scored; leave it out") for key in OWN if key in task
        )


def _in_file(task: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in task.items() if key not in OWN and not (key == "max_retries" and each == 0)}


def flow_of(
    tasks: tuple[Mapping[str, Any], ...] | list[dict[str, Any]],
    execution: Execution,
    scoring: Scoring | None,
    on_low: OnLow,
    gates: tuple[str, ...] = (),
) -> Workflow:
    """The workflow of tasks that passed the checks. `gates` are those whose results must pass."""
    given = {task["id"]: task for task in tasks}
    flow = workflow_from({"name": PLAN, "tasks": [_in_file(each) for each in tasks]})

    def scored(node: Node) -> Node:
        if scoring is None:
            return node
        threshold = float(given[node.id].get("quality_threshold", scoring.threshold))
        low: OnLow = "retry" if node.id in gates else given[node.id].get("on_low", on_low)
        return replace(node, quality=Quality(replace(scoring, threshold=threshold), low))

    return replace(flow, graph=Graph(tuple(map(scored, flow.graph.nodes)), chain=False), execution=execution)


def planned(
    flow: Workflow,
    tasks: tuple[dict[str, Any], ...],
    situation: TeamSituation,
    recorded: RecordedRuns,
    threshold: int,
    rounds: int,
) -> OrchestrationPlan:
    """The plan of a workflow. It may take a second. Raises SpecError with all faults of its estimates."""
    capacity = _capacity(flow, situation)
    found = plan(flow, recorded=recorded, capacity=capacity, threshold=threshold, load=situation.load)
    found = replace(found, draws=min(DRAWS, found.draws))
    definitions = {task["id"]: task for task in tasks}
    return OrchestrationPlan(
        tuple(_planned_task(found, flow.graph[each.id], definitions[each.id]) for each in found.tasks),
        found.choice.execution,
        found.choice.reason,
        found.choice.detail,
        found.critical_path,
        found.parallel_groups,
        found.estimated_total_time,
        found.estimated_parallel_time,
        found.estimated_scheduled_time,
        found.p50,
        found.p90,
        (
            *(PlanRisk(each.step, each.kind, each.figure, each.message, each.remedy) for each in found.risks),
            *(
                PlanRisk(None, "missing_capability", None, f"no member can {each!r}", JOIN)
                for each in situation.missing
            ),
        ),
        rounds,
        capacity,
        first_limits(flow, found, capacity),
    )


def _planned_task(found: WorkflowPlan, node: Node, definition: dict[str, Any]) -> PlannedTask:
    step = found.task(node.id)
    return PlannedTask(
        node.id,
        step.description,
        step.agent or node.title,
        definition,
        None if node.quality is None else node.quality.scoring.threshold,
        None if node.quality is None else node.quality.on_low,
        step.estimated_duration,
        step.estimate.source,
        step.scheduled_start,
        step.slack,
        step.critical,
    )


def _capacity(flow: Workflow, situation: TeamSituation) -> dict[str, int]:
    """The capacity of those that have tasks. A member that is being restarted has its capacity again soon."""
    found: dict[str, int] = {}
    for node in flow.graph.nodes:
        name = resource_of(node)
        agent = situation.agents.get(name or "") or situation.capabilities.get(name or "")
        if name is not None and agent is not None:
            found[name] = max(1, agent.capacity)
    return found
