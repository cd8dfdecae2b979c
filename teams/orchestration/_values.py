"""The results of the phases of an orchestration. Every value is written down with its phase.

Annotations are types here and not strings: pydantic reads them, and the facade is the module of these classes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from teams.workflows._graph.workflow import ChosenExecution
from teams.workflows._quality.scoring import OnLow

OrchestratorMode = Literal["enhanced", "lightweight"]
PhaseName = Literal["analysis", "planning", "prediction", "execution", "adjustment", "synthesis", "improvement"]
PHASES: Mapping[PhaseName, int] = {
    "analysis": 1,
    "planning": 2,
    "prediction": 3,
    "execution": 4,
    "adjustment": 5,
    "synthesis": 6,
    "improvement": 7,
}
"""The phases by name, with their numbers. "lightweight" has 2, 4 and 6."""


@dataclass(frozen=True, slots=True)
class AgentCapacity:
    """A member, a role or a capability of the team."""

    capabilities: tuple[str, ...]
    capacity: int
    """How many tasks it does at once: the capacity of its members that are up."""
    reserved: int
    """How many of them are in use."""


@dataclass(frozen=True, slots=True)
class TeamSituation:
    """The team as it was when it was asked."""

    agents: Mapping[str, AgentCapacity]
    """By the names that work can be given to: members and roles."""
    capabilities: Mapping[str, AgentCapacity]
    missing: tuple[str, ...]
    """The wanted capabilities that no member has."""
    capacity: int
    """Of all members that are up."""
    reserved: int

    @property
    def free(self) -> int:
        """How many more tasks it can do at once."""
        return max(0, self.capacity - self.reserved)

    @property
    def load(self) -> float:
        """Which part of the capacity is in use, from 0 to 1."""
        return min(1.0, self.reserved / self.capacity) if self.capacity else 1.0


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """The question to a planner. It answers `{"tasks": [...]}`, as a mapping or as JSON. Each task is a mapping with
    `id`, `agent` and other keys of a task in a file. A draft with faults comes back as a `Revision` with the faults.
    """

    query: Any
    agents: Mapping[str, tuple[str, ...]]
    """The members and roles that tasks can be given to, with their capabilities."""
    missing: tuple[str, ...]
    """Capabilities that are wanted and that no member has."""
    keys: tuple[str, ...]
    """The keys that a task may have."""
    max_tasks: int


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task of a plan. Times are in seconds from the begin of the execution."""

    id: str
    description: str
    agent: str
    """The member, role or capability that does it."""
    definition: Mapping[str, Any]
    """The task as in a file."""
    threshold: float | None
    """The least score that passes. None: it is not scored."""
    on_low: OnLow | None
    estimated_duration: float
    source: str
    """Where the estimate comes from."""
    start: float
    """When it begins in the schedule."""
    slack: float
    """By how much it may begin later without making the run longer."""
    critical: bool


@dataclass(frozen=True, slots=True)
class PlanRisk:
    """A risk: a `Risk` of the plan, or a capability that the team does not have. It may make a run longer or fail."""

    task: str | None
    """None: it is of the whole plan."""
    kind: str
    figure: float | None
    """The figure that shows it; None: it is a fact without one."""
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class OrchestrationPlan:
    """The plan of an orchestration: tasks that passed every check, and what they will take."""

    tasks: tuple[PlannedTask, ...]
    execution: ChosenExecution
    reason: str
    """Why they run like this."""
    detail: str
    critical_path: tuple[str, ...]
    parallel_groups: tuple[tuple[str, ...], ...]
    estimated_total_time: float
    """One task after another."""
    estimated_parallel_time: float
    """Each task as soon as it can, with capacity for all."""
    estimated_scheduled_time: float
    """Each task as soon as it can and its agent has free capacity."""
    p50: float
    p90: float
    risks: tuple[PlanRisk, ...]
    rounds: int
    """How often the planner was asked."""
    capacity: Mapping[str, int]
    """That of the agents of the tasks."""
    limits: Mapping[str, float]
    """By task: when half of its slack is gone, in seconds from the begin of the execution."""

    @property
    def estimated_time_saved(self) -> float:
        """By how much the schedule is shorter than one task after another."""
        return self.estimated_total_time - self.estimated_scheduled_time


@dataclass(frozen=True, slots=True)
class QualityPrediction:
    """How likely the result of a task is good enough: the posterior of its pass rate, from a uniform prior (a Beta
    distribution) and the scores of earlier runs.
    """

    task: str
    passed: int
    scored: int
    """How many results of earlier runs were scored. 0: nothing is known, and the rate is 0.5."""
    source: str
    """Whose scores these are."""
    low: bool
    """Whether it is a risk: at least 5 results were scored, and the rate is below 0.8."""

    @property
    def pass_rate(self) -> float:
        """The mean of the posterior, from 0 to 1."""
        return (self.passed + 1) / (self.scored + 2)

    @property
    def deviation(self) -> float:
        """The standard deviation of the posterior."""
        rate = self.pass_rate
        return math.sqrt(rate * (1 - rate) / (self.scored + 3))


AdjustmentReason = Literal["late", "capacity_lost", "low_quality"]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change to the rest of a plan while it is carried out."""

    reason: AdjustmentReason
    detail: str
    """The figures that decided."""
    execution: ChosenExecution
    """How the tasks that have not begun run from now on."""
    gates: tuple[str, ...] = ()
    """Tasks whose results must pass from now on: they are done again while their scores are low."""
    capacity: Mapping[str, int] = field(default_factory=dict)
    """That of the agents of what is left."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """By task: when half of its slack is gone, in seconds from the begin of the execution."""


@dataclass(frozen=True, slots=True)
class ExecutionOutcome:
    """How the execution of a plan ended."""

    stopped: str | None
    """Why it was ended before all tasks were. None: it was not."""
    adjustments: tuple[Adjustment, ...] = ()


@dataclass(frozen=True, slots=True)
class Synthesized:
    """The result of the tasks."""

    result: Any
    """Of the aggregator; without one, the results of the last tasks by id."""
    successful: tuple[str, ...]
    failed: Mapping[str, str]
    """Why, by task."""
    skipped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TaskInsight:
    """The figures of a task, beside the planned ones."""

    task: str
    agent: str
    state: str
    """done, failed or skipped."""
    estimated_duration: float
    source: str
    duration: float | None
    """Seconds. None: it did not begin."""
    attempts: int
    failures: int
    quality_score: float | None
    predicted_pass_rate: float | None
    """None: nothing was predicted."""


@dataclass(frozen=True, slots=True)
class Insights:
    """The insights of a run. The next run of the orchestrator learns its durations, failures and scores."""

    tasks: tuple[TaskInsight, ...]
    estimated_time: float
    """Seconds of the schedule."""
    execution_time: float
    """Seconds that it took."""
    phases: Mapping[str, float]
    """Seconds of each phase so far."""
    learned: tuple[str, ...]
    """In words: where the next plan will differ."""

    @property
    def estimate_error(self) -> float | None:
        """The mean of abs(actual - estimated) / estimated of the tasks that are done. None: none is."""
        found = [
            abs(each.duration - each.estimated_duration) / each.estimated_duration
            for each in self.tasks
            if each.state == "done" and each.duration is not None and each.estimated_duration > 0
        ]
        return sum(found) / len(found) if found else None


@dataclass(frozen=True, slots=True)
class OrchestrationResult:
    """The result of an orchestration."""

    result: Any
    """Of the aggregator; without one, the results of the last tasks by id."""
    successful: tuple[str, ...]
    """The tasks that are done."""
    failed: Mapping[str, str]
    """Why, by task."""
    skipped: Mapping[str, str]
    """The tasks that were left out: by their condition, or because a task that they need failed."""
    insights: Insights | None = None
    """None: the mode is "lightweight"."""
    adjustments: tuple[Adjustment, ...] = field(default=())
    partial_completion: bool = False
    """Whether some tasks failed and others are done."""
