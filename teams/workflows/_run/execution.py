"""Whether steps run one after another or side by side, with the reason. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from teams._runs.pattern import work_targets
from teams.workflows._graph.workflow import ChosenExecution
from teams.workflows._run.progress import declared_durations

if TYPE_CHECKING:
    from teams._dispatch.view import TeamCapacity
    from teams.workflows._graph.workflow import Workflow

HIGH_LOAD = 0.8
"""Above this part of the capacity in use, nothing more is run side by side."""
FREE_CAPACITY = 2
"""With less free capacity, nothing is run side by side."""
BENEFIT = 0.3
"""At most this part of the time saved is not worth it."""

CHOICE = "(execution)"
"""The place in a run where the choice is written."""


@dataclass(frozen=True, slots=True)
class ExecutionChoice:
    """How tasks run, and why."""

    execution: ChosenExecution
    reason: str
    """"high_system_load", "insufficient_benefit", "below_parallel_threshold", "parallel_groups" or "parallel"."""
    detail: str
    """The figures that decided, in a sentence."""


def choose_execution(
    ready: int,
    *,
    potential: float,
    load: float = 0.0,
    free: int | None = None,
    threshold: int = 3,
    groups: bool = False,
) -> ExecutionChoice:
    """Decides for tasks that could run side by side.

    Args:
        ready: How many tasks do not depend on each other.
        potential: Which part of the time is saved by running them side by side, from 0 to 1.
        load: Which part of the capacity of the members is in use, from 0 to 1. Default: 0.0.
        free: How many more steps the members can do at once. None: no limit. Default: None.
        threshold: The least number of independent tasks that is worth it. Default: 3.
        groups: Whether the tasks are in groups that must end together. Default: False.
    """
    if load > HIGH_LOAD or (free is not None and free < FREE_CAPACITY):
        left = "any number" if free is None else free
        return ExecutionChoice("sequential", "high_system_load", f"{load:.0%} of the capacity is in use, {left} free")
    if ready < threshold:
        detail = f"{ready} independent {'task' if ready == 1 else 'tasks'}, fewer than {threshold}"
        return ExecutionChoice("sequential", "below_parallel_threshold", detail)
    saved = f"{potential:.0%} of the time is saved"
    if potential <= BENEFIT:
        return ExecutionChoice("sequential", "insufficient_benefit", f"{saved}, at most {BENEFIT:.0%}")
    return (
        ExecutionChoice("hybrid", "parallel_groups", saved) if groups else ExecutionChoice("ready", "parallel", saved)
    )


def choice_of(workflow: Workflow, capacity: TeamCapacity | None = None) -> ExecutionChoice:
    """How the steps of a workflow run: as its `execution` says, or for "auto" by its graph, the durations that its
    steps declare (without any, all count the same), and the capacity of the team. None: there is enough.

    The capacity does not count where no step is work for a member.
    """
    wanted = workflow.execution
    if wanted != "auto":
        return ExecutionChoice(wanted, "declared", f"execution = {wanted!r}")
    graph = workflow.graph
    durations = declared_durations(graph) or dict.fromkeys(graph.by_id, 1.0)
    groups = [[id for id in level if graph[id].parallel_safe] for level in graph.levels]
    alone = [id for level in graph.levels for id in level if not graph[id].parallel_safe]
    total = sum(durations.values())
    together = sum(max(durations[id] for id in group) for group in groups if group) + sum(durations[id] for id in alone)
    widest = max(map(len, groups), default=0)
    scarce = capacity if any(True for _ in work_targets(workflow)) else None
    return choose_execution(
        widest,
        potential=1 - together / total if total else 0.0,
        load=0.0 if scarce is None else scarce.load,
        free=None if scarce is None else scarce.free,
        threshold=workflow.parallel_threshold,
        groups=bool(alone),
    )
