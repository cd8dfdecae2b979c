"""Phase 5: when and how the rest of a plan is carried out in another way. Pure.

A plan is late when half of the slack of a task is gone: its own slack, and what the run may take longer than expected.
Capacity is lost when the agents of what is left have less capacity than before. A result is low when it was scored
below its threshold and the run went on with it. Each time the rest is planned anew, with the capacity that there is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import NamedTuple

from teams._journal.rows import JournalEntry
from teams.orchestration._tasks import TASKS
from teams.orchestration._values import Adjustment, AdjustmentReason, OrchestrationPlan, TeamSituation
from teams.planning._estimates import Duration, resource_of
from teams.planning._plan import WorkflowPlan, plan
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.workflow import ChosenExecution, Workflow
from teams.workflows._quality.domain import QUALITY
from teams.workflows._run.progress import base_of
from teams.workflows._run.reader import GraphReader, scores_of
from teams.workflows._run.step_order import StepOrder

DRAWS = 200
"""How often a run is drawn for P50 and P90."""
LEAST = 0.1
"""The least part of the planned time by which a run may be late before that counts."""


@dataclass
class TaskProgress:
    """How far the tasks of a run are, by its entries."""

    reader: GraphReader
    last: int = 0
    """The number of the last entry that was read."""
    execution_began: int | None = None
    began: dict[str, int] = field(default_factory=dict)
    low: set[str] = field(default_factory=set)
    """Tasks whose last result is low."""

    def read(self, entries: Collection[JournalEntry]) -> None:
        """Takes new entries in."""
        for entry in entries:
            self.last = entry.seq
            for _ in (*self.reader.before(entry), *self.reader.after(entry)):
                pass  # only what has ended counts
            part = entry.step.removeprefix(TASKS)
            if entry.step == "execution" and entry.kind == "began":
                self.execution_began = entry.at
            elif part != entry.step and entry.kind == "began" and base_of(part) in self.reader.graph:
                self.began.setdefault(base_of(part), entry.at)
            elif part != entry.step and entry.kind == "done" and part.endswith(f"/{QUALITY}"):
                scores = scores_of(entry)
                if scores is not None:
                    (self.low.discard if scores.passed else self.low.add)(base_of(part))

    def seconds(self, now: int) -> float:
        """Seconds since the execution began."""
        return 0.0 if self.execution_began is None else max(0, now - self.execution_began) / 1e6

    def left(self) -> list[str]:
        """The tasks that have not ended."""
        return [id for id in self.reader.graph.by_id if id not in self.reader.over]

    def waiting(self) -> list[str]:
        """The tasks that have not begun."""
        return [id for id in self.left() if id not in self.began]


def first_limits(flow: Workflow, found: WorkflowPlan, capacity: Mapping[str, int]) -> dict[str, float]:
    """By task: when half of its slack is gone, in seconds from the begin of the execution."""
    return _limits(flow, found, found.choice.execution, capacity, 0.0)


def _limits(
    flow: Workflow, found: WorkflowPlan, execution: ChosenExecution, capacity: Mapping[str, int], begin: float
) -> dict[str, float]:
    drawn = replace(found, draws=min(DRAWS, found.draws))
    margin = max(drawn.p90 - drawn.p50, LEAST * found.estimated_scheduled_time)
    durations = {each.id: each.estimated_duration for each in found.tasks}
    ends = finishes(flow, execution, durations, capacity)
    slack = {each.id: each.slack if execution == "ready" else 0.0 for each in found.tasks}
    return {id: begin + end + (slack[id] + margin) / 2 for id, end in ends.items()}


def finishes(
    flow: Workflow, execution: ChosenExecution, durations: Mapping[str, float], capacity: Mapping[str, int]
) -> dict[str, float]:
    """When each task ends, if it takes as long as expected and waits for a free agent as it does in a run."""
    graph = flow.graph
    order = StepOrder(graph, execution, flow.parallel_threshold)
    agents = {node.id: resource_of(node) for node in graph.nodes}
    free = dict(capacity)
    queues: dict[str, deque[str]] = {}
    running: list[tuple[float, int, str]] = []
    found: dict[str, float] = {}
    now, number = 0.0, 0

    def begin(id: str) -> None:
        nonlocal number
        number += 1
        heappush(running, (now + durations[id], number, id))

    def ready(ids: list[str]) -> None:
        for id in ids:
            agent = agents[id]
            if agent is None or agent not in free:
                begin(id)
            elif free[agent] > 0:
                free[agent] -= 1
                begin(id)
            else:
                queues.setdefault(agent, deque()).append(id)

    ready(order.begin())
    while running:
        now, _, id = heappop(running)
        found[id] = now
        agent = agents[id]
        if agent is not None and agent in free:
            free[agent] += 1
            if queues.get(agent):
                free[agent] -= 1
                begin(queues[agent].popleft())
        ready(order.ended(id))
    return found


def lost_capacity(
    flow: Workflow, before: Mapping[str, int], standing: TaskProgress, situation: TeamSituation
) -> dict[str, tuple[int, int]]:
    """The agents of what is left that have less capacity than before: how many they had, and how many they have."""
    wanted = {resource_of(flow.graph[id]) for id in standing.left()}
    now = {name: capacity_of(name, situation) for name in before if name in wanted}
    return {name: (before[name], capacity) for name, capacity in now.items() if capacity < before[name]}


def capacity_of(name: str, situation: TeamSituation) -> int:
    """How many tasks a member, role or capability does at once."""
    found = situation.agents.get(name) or situation.capabilities.get(name)
    return 0 if found is None else found.capacity


class AdjustmentCause(NamedTuple):
    """Why the rest is carried out in another way."""

    kind: AdjustmentReason
    detail: str
    gates: tuple[str, ...]
    """All tasks whose results must pass from now on."""


def reason_for(
    planned: OrchestrationPlan,
    last: Adjustment | None,
    standing: TaskProgress,
    lost: Mapping[str, tuple[int, int]],
    now: int,
) -> AdjustmentCause | None:
    """Why something has to change now; None: nothing has to. `lost` is the capacity that does not come back, `now` is
    in UTC microseconds.
    """
    waiting = standing.waiting()
    if not waiting:
        return None
    gates = () if last is None else last.gates
    limits = planned.limits if last is None else last.limits
    seconds = standing.seconds(now)
    if lost:
        said = ", ".join(f"{name} has capacity {have} of {had}" for name, (had, have) in sorted(lost.items()))
        return AdjustmentCause("capacity_lost", said, gates)
    more = tuple(_gates(planned, standing, waiting, gates))
    if more:
        said = f"the results of {', '.join(sorted(standing.low))} are low, so those of {', '.join(more)} must pass"
        return AdjustmentCause("low_quality", said, (*gates, *more))
    late = next((id for id in standing.left() if seconds > limits.get(id, math.inf)), None)
    if late is not None:
        said = f"{late} has not ended after {seconds:.3g} s; half of its slack was gone after {limits[late]:.3g} s"
        return AdjustmentCause("late", said, gates)
    return None


def _gates(
    planned: OrchestrationPlan, standing: TaskProgress, waiting: Collection[str], gates: Collection[str]
) -> Iterator[str]:
    """Tasks that have not begun, of agents whose results were low and were taken."""
    low = {each.agent for each in planned.tasks if each.id in standing.low and each.id in standing.reader.over}
    for each in planned.tasks:
        if each.id in waiting and each.agent in low and each.on_low == "warn" and each.id not in gates:
            yield each.id


def adjusted(
    planned: OrchestrationPlan,
    flow: Workflow,
    reason: AdjustmentCause,
    standing: TaskProgress,
    situation: TeamSituation,
    now: int,
    threshold: int,
) -> Adjustment:
    """The rest, planned with the capacity that there is. It may take a second."""
    left = standing.left()
    rest = _rest(flow, left)
    estimates = _estimates(planned, standing, now)
    names = dict.fromkeys(name for id in left if (name := resource_of(flow.graph[id])) is not None)
    capacity = {name: capacity_of(name, situation) for name in names}
    under_way = len(left) - len(standing.waiting())
    others = max(0, situation.reserved - under_way)
    found = plan(
        rest,
        estimates=estimates,
        capacity={name: max(1, count) for name, count in capacity.items()},
        threshold=threshold,
        load=min(1.0, others / situation.capacity) if situation.capacity else 1.0,
    )
    execution = found.choice.execution
    limits = _limits(rest, found, execution, {name: max(1, n) for name, n in capacity.items()}, standing.seconds(now))
    detail = f"{reason.detail}. {found.choice.reason}: {found.choice.detail}"
    return Adjustment(reason.kind, detail, execution, reason.gates, capacity, limits)


def _rest(flow: Workflow, left: Collection[str]) -> Workflow:
    """The rest of the workflow, without conditions and inputs."""
    keep = set(left)
    nodes = tuple(
        replace(
            node,
            input=None,
            when=None,
            after=tuple(each for each in flow.graph.needs(node.id) if each in keep),
        )
        for node in flow.graph.nodes
        if node.id in keep
    )
    return replace(flow, graph=Graph(nodes, chain=False), output=None)


def _estimates(planned: OrchestrationPlan, standing: TaskProgress, now: int) -> dict[str, Duration]:
    """The seconds that each task still takes. One that takes longer than expected is expected to take as long again."""
    found: dict[str, Duration] = {}
    seconds = {each.id: each.estimated_duration for each in planned.tasks}
    for id in standing.left():
        expected = seconds[id]
        began = standing.began.get(id)
        if began is not None:
            taken = max(0, now - began) / 1e6
            expected = expected - taken if taken < expected else taken
        found[id] = expected
    return found
