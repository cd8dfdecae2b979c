"""Plans: what a run of a workflow will take, computed from estimates of its steps."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Literal

from supervisors.spi import SpecError, SpecFault, builder, nearest
from teams._checks.fields import refuse
from teams.planning._estimates import Duration, Estimate, RecordedRuns, estimates_for, resource_of
from teams.planning._levelling import Problem, level, place
from teams.planning._network import ROUNDING, Network
from teams.planning._risks import Risk, risks_of
from teams.workflows._graph.node import MOST_ITEMS, Node
from teams.workflows._graph.workflow import Workflow
from teams.workflows._run.execution import ExecutionChoice, choose_execution

Coordination = Literal["sequential", "parallel", "hybrid"]

MOST_SECONDS = 1e15
"""The most that all steps together may take, so that figures are exact to a second."""
DRAWS = 2_000
"""How often the run is drawn for the percentiles."""
LEAST_DRAWS = 100
DRAWN_STEPS = 1_000_000
"""How many steps are drawn in all: a large workflow is drawn fewer times."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step in a plan. Times are in seconds from the begin of the run."""

    id: str
    description: str
    agent: str | None
    """The member, role, capability or team that does it; None: a function, a timer, a signal."""
    dependencies: tuple[str, ...]
    quality_domain: str | None
    parallel_safe: bool
    """Whether other steps may run beside it."""
    level: int
    """The number of its level, from 1: steps of one level do not depend on each other."""
    estimate: Estimate
    earliest_start: float
    latest_start: float
    """When it must begin, so that the run is not longer than the critical path."""
    scheduled_start: float
    """When it begins in the levelled schedule."""
    critical: bool
    """Whether it is on the critical path."""

    @property
    def estimated_duration(self) -> float:
        """The expected duration in seconds."""
        return self.estimate.mean

    @property
    def earliest_finish(self) -> float:
        """When it ends if it begins as early as it can."""
        return self.earliest_start + self.estimate.mean

    @property
    def latest_finish(self) -> float:
        """When it must end, so that the run is not longer than the critical path."""
        return self.latest_start + self.estimate.mean

    @property
    def scheduled_finish(self) -> float:
        """When it ends in the levelled schedule."""
        return self.scheduled_start + self.estimate.mean

    @property
    def slack(self) -> float:
        """By how much it may begin later without making the run longer, if no resource is scarce."""
        return self.latest_start - self.earliest_start


@dataclass(frozen=True, slots=True)
class PlannedQuality:
    """How the result of a step is scored, or by what its metadata says that it should be."""

    domain: str | None
    criteria: Mapping[str, float]
    """The threshold of each criterion."""
    threshold: float | None
    """That of the weighted mean. None: its metadata says none."""
    on_low: str | None
    """What follows when the scores are low. None: only metadata says it, and nothing is scored."""


@dataclass(frozen=True, slots=True)
class ResourceUse:
    """How much of a resource a run takes."""

    name: str
    capacity: int | None
    """How many steps it does at once; None: any number."""
    steps: int
    work: float
    """Seconds of work in all."""
    utilization: float | None
    """Which part of its capacity is used in the levelled schedule, from 0 to 1; None without a capacity."""


@dataclass(frozen=True)
class WorkflowPlan:
    """A plan of a run. `plan` makes it. Times are in seconds, and expected values unless said otherwise."""

    workflow: str
    tasks: tuple[PlannedStep, ...]
    """The steps, each after those that it depends on."""
    critical_path: tuple[str, ...]
    """The steps of the longest way through the workflow: none of them can take longer without making the run longer."""
    parallel_groups: tuple[tuple[str, ...], ...]
    """The levels of more than one step that may run side by side."""
    choice: ExecutionChoice
    """How the steps should run, and why."""
    estimated_total_time: float
    """One step after another."""
    estimated_parallel_time: float
    """Each step as soon as it can, with capacity for all."""
    estimated_levels_time: float
    """Level after level, with capacity for all."""
    estimated_scheduled_time: float
    """Each step as soon as it can and its member has free capacity."""
    lower_bound: float
    """No schedule with this capacity is shorter."""
    resource_breakdown: tuple[ResourceUse, ...]
    risks: tuple[Risk, ...]
    quality_validation_plan: Mapping[str, PlannedQuality]
    """By step: how its result is scored. Steps with neither a quality nor thresholds in their metadata are left out."""
    draws: int
    """How often the run is drawn for the percentiles."""
    seed: int
    _problem: Problem = field(repr=False, compare=False)
    _estimates: Sequence[Estimate] = field(repr=False, compare=False)
    _starts: Sequence[float] = field(repr=False, compare=False)

    @property
    def estimated_time_saved(self) -> float:
        """By how much the schedule is shorter than one step after another."""
        return self.estimated_total_time - self.estimated_scheduled_time

    @property
    def parallel_potential(self) -> float:
        """Which part of the time is saved, from 0 to 1."""
        return self.estimated_time_saved / self.estimated_total_time if self.estimated_total_time else 0.0

    @property
    def gap(self) -> float:
        """By which part of the lower bound the schedule is longer than it; 0.0: no schedule is shorter."""
        return max(0.0, self.estimated_scheduled_time / self.lower_bound - 1) if self.lower_bound else 0.0

    @property
    def coordination_strategy(self) -> Coordination:
        """The choice in the words of a planner."""
        match self.choice.execution:
            case "sequential":
                return "sequential"
            case "hybrid":
                return "hybrid"
        return "parallel"

    def task(self, id: str) -> PlannedStep:
        """The step with this id. Raises KeyError."""
        return self._by_id[id]

    @cached_property
    def _by_id(self) -> dict[str, PlannedStep]:
        return {each.id: each for each in self.tasks}

    def percentile(self, part: float) -> float:
        """The time in which this part of the drawn runs ended, such as 0.9. A run is drawn with a duration of each step
        from its estimate, and the order of the schedule.

        The expected longest way is too hopeful where ways merge (MacCrimmon and Ryavec, 1964); this is not.

        Raises:
            ValueError: `part` is not between 0 and 1
        """
        if not 0 <= part <= 1:
            raise ValueError(f"part must be between 0 and 1, got {part!r}")
        drawn = self._drawn
        return drawn[min(len(drawn) - 1, int(part * len(drawn)))]

    @property
    def p50(self) -> float:
        """The time in which half of the drawn runs ended."""
        return self.percentile(0.5)

    @property
    def p90(self) -> float:
        """The time in which nine of ten drawn runs ended."""
        return self.percentile(0.9)

    @cached_property
    def _drawn(self) -> list[float]:
        source, problem = random.Random(self.seed), self._problem
        if all(each.deviation == 0 for each in self._estimates):
            return [self.estimated_scheduled_time]
        tight, found = problem.is_tight, []
        for _ in range(self.draws):
            durations = [each.draw(source) for each in self._estimates]
            if not tight:
                found.append(problem.network.length(durations))
                continue
            drawn = Problem(problem.network, durations, problem.uses, problem.capacity, problem.alone)
            starts = place(drawn, self._starts)
            found.append(max(start + taken for start, taken in zip(starts, durations, strict=True)))
        return sorted(found)


@builder("plan()")
def plan(
    workflow: Workflow,
    *,
    estimates: Mapping[str, Duration] | None = None,
    recorded: RecordedRuns | None = None,
    capacity: Mapping[str, int] | None = None,
    threshold: int | None = None,
    load: float = 0.0,
    seed: int = 0,
) -> WorkflowPlan:
    """Plans a run: the critical path, a schedule within the capacity of the members, percentiles, and risks.

    Pure: nothing runs, and equal arguments give an equal plan.

    Args:
        workflow: The workflow.
        estimates: By step: seconds, or (low, likely, high). Without one, a step has the estimate that recorded runs
            give, else the `estimated_duration` of its metadata, else 60 s. Default: none.
        recorded: What earlier runs have shown. Default: nothing.
        capacity: By member, role, capability or team: how many steps it does at once. One that is not named does any
            number. Default: none.
        threshold: The least number of independent steps that run side by side. None: the `parallel_threshold` of the
            workflow. Default: None.
        load: Which part of the capacity is in use already, from 0 to 1. Default: 0.0.
        seed: The seed of everything that is drawn. Default: 0.

    Raises:
        SpecError: with all faults of the arguments
        CircularDependency, UnknownDependency: the steps have no order
    """
    refuse(_argument_faults(workflow, estimates, recorded, capacity, load, seed))
    graph, faults = workflow.graph, list[tuple[str, str]]()
    graph.check()
    recorded = recorded or RecordedRuns()
    agents = [resource_of(node) for node in graph.nodes]
    known = estimates_for(workflow, agents, estimates or {}, recorded, faults)
    resources = list(dict.fromkeys(name for name in agents if name is not None))
    limits = _limits(capacity or {}, resources, faults)
    if not 0 <= load <= 1:
        faults.append(("load", f"must be between 0 and 1, got {load!r}"))
    if threshold is None:
        threshold = workflow.parallel_threshold
    if not sum(each.high for each in known) <= MOST_SECONDS:
        faults.append(("estimates", "the durations of all steps together are too long to add up"))
    if type(threshold) is not int or threshold < 1:
        faults.append(("threshold", f"must be an integer >= 1, got {threshold!r}"))
    if faults:
        raise SpecError([SpecFault(f"plan of {workflow.name}: {place}", message) for place, message in faults])

    problem = _problem(workflow, agents, known, limits)
    levelled = level(problem, seed)
    way = problem.network.longest_way(problem.durations)
    tasks = _steps(workflow, problem, agents, known, levelled.starts, frozenset(way))
    total = sum(problem.durations)
    by_level = _by_level(tasks)
    groups = tuple(tuple(each.id for each in row if each.parallel_safe) for row in by_level)
    groups = tuple(each for each in groups if len(each) > 1)
    saved = (total - levelled.length) / total if total else 0.0
    widest = max((len(each) for each in groups), default=1)
    free = None if any(limits.get(name) is None for name in resources) or not resources else sum(limits.values())
    return WorkflowPlan(
        workflow=workflow.name,
        tasks=tasks,
        critical_path=tuple(graph.nodes[index].id for index in way),
        parallel_groups=groups,
        choice=choose_execution(
            widest, potential=saved, load=load, free=free, threshold=threshold, groups=_is_mixed(by_level)
        ),
        estimated_total_time=total,
        estimated_parallel_time=problem.longest,
        estimated_levels_time=sum(max(each.estimated_duration for each in row) for row in by_level),
        estimated_scheduled_time=levelled.length,
        lower_bound=levelled.bound,
        resource_breakdown=_breakdown(tasks, resources, limits, levelled.length),
        risks=tuple(
            risk
            for each in tasks
            for risk in risks_of(graph[each.id], each, recorded, limits.get(each.agent or ""), MOST_ITEMS)
        ),
        quality_validation_plan={node.id: found for node in graph.nodes if (found := _quality(node)) is not None},
        draws=max(LEAST_DRAWS, min(DRAWS, DRAWN_STEPS // max(1, len(tasks)))),
        seed=seed,
        _problem=problem,
        _estimates=known,
        _starts=levelled.starts,
    )


def _problem(
    workflow: Workflow, agents: Sequence[str | None], estimates: Sequence[Estimate], limits: Mapping[str, int]
) -> Problem:
    """The scheduling problem of a workflow. The resources are numbered in the order in which steps name them."""
    graph = workflow.graph
    number = {node.id: index for index, node in enumerate(graph.nodes)}
    names = list(dict.fromkeys(name for name in agents if name is not None))
    places = {name: index for index, name in enumerate(names)}
    return Problem(
        network=Network(
            [[number[each] for each in graph.needs(node.id)] for node in graph.nodes],
            [number[id] for id in graph.order],
        ),
        durations=[each.mean for each in estimates],
        uses=[None if name is None else places[name] for name in agents],
        capacity=[limits.get(name) for name in names],
        alone=[not node.parallel_safe for node in graph.nodes],
    )


def _steps(
    workflow: Workflow,
    problem: Problem,
    agents: Sequence[str | None],
    estimates: Sequence[Estimate],
    starts: Sequence[float],
    critical: frozenset[int],
) -> tuple[PlannedStep, ...]:
    graph, levels, length = workflow.graph, problem.network.levels(), problem.longest
    heads, tails, durations = problem.heads, problem.tails, problem.durations
    return tuple(
        PlannedStep(
            id=node.id,
            description=str(node.metadata.get("description", node.title)),
            agent=agents[index],
            dependencies=graph.needs(node.id),
            quality_domain=_domain(node),
            parallel_safe=not problem.alone[index],
            level=levels[index] + 1,
            estimate=estimates[index],
            earliest_start=heads[index],
            latest_start=max(heads[index], length - tails[index] - durations[index]),
            scheduled_start=starts[index],
            critical=index in critical,
        )
        for index, node in ((index, graph.nodes[index]) for index in problem.network.order)
    )


def _argument_faults(
    workflow: object, estimates: object, recorded: object, capacity: object, load: object, seed: object
) -> Iterator[SpecFault]:
    """The arguments that are of a wrong type, so that the others cannot be checked by them."""
    if not isinstance(workflow, Workflow):
        yield SpecFault("plan()", f"workflow: must be a workflow, got {workflow!r}")
    for name, value in (("estimates", estimates), ("capacity", capacity)):
        if value is not None and not isinstance(value, Mapping):
            yield SpecFault("plan()", f"{name}: must be a mapping, got {value!r}")
    if recorded is not None and not isinstance(recorded, RecordedRuns):
        yield SpecFault("plan()", f"recorded: must be made by recorded_by(), got {recorded!r}")
    if not isinstance(load, int | float):
        yield SpecFault("plan()", f"load: must be between 0 and 1, got {load!r}")
    if type(seed) is not int:
        yield SpecFault("plan()", f"seed: must be an integer, got {seed!r}")


def _limits(capacity: Mapping[str, int], resources: Sequence[str], faults: list[tuple[str, str]]) -> dict[str, int]:
    for name, most in capacity.items():
        if name not in resources:
            faults.append((f"capacity/{name}", f"no step needs it; {nearest(str(name), list(resources))}"))
        if type(most) is not int or most < 1:
            faults.append((f"capacity/{name}", f"must be an integer >= 1, got {most!r}"))
    return dict(capacity)


def _domain(node: Node) -> str | None:
    if node.quality is not None:
        return node.quality.scoring.domain.name
    said = node.metadata.get("quality_domain")
    return None if said is None else str(said)


def _by_level(tasks: Sequence[PlannedStep]) -> list[list[PlannedStep]]:
    """The steps that may share a level; a step that runs alone has one of its own."""
    rows: list[list[PlannedStep]] = []
    for _, row in groupby(sorted(tasks, key=lambda each: each.level), key=lambda each: each.level):
        steps = list(row)
        rows += [[each] for each in steps if not each.parallel_safe]
        if safe := [each for each in steps if each.parallel_safe]:
            rows.append(safe)
    return rows


def _is_mixed(by_level: Sequence[Sequence[PlannedStep]]) -> bool:
    """Whether some steps run alone and others side by side."""
    return any(not each.parallel_safe for row in by_level for each in row)


def _quality(node: Node) -> PlannedQuality | None:
    quality = node.quality
    if quality is not None:
        criteria = {name: each.threshold for name, each in quality.scoring.domain.criteria.items()}
        return PlannedQuality(_domain(node), criteria, quality.scoring.threshold, quality.on_low)
    many = node.metadata.get("quality_thresholds")
    found = {str(name): float(least) for name, least in many.items()} if isinstance(many, Mapping) else {}
    one = node.metadata.get("quality_threshold")
    threshold = float(one) if isinstance(one, int | float) else None
    return PlannedQuality(_domain(node), found, threshold, None) if found or threshold is not None else None


def _breakdown(
    tasks: Sequence[PlannedStep], resources: Sequence[str], limits: Mapping[str, int], length: float
) -> tuple[ResourceUse, ...]:
    found = []
    for name in resources:
        own = [each.estimated_duration for each in tasks if each.agent == name]
        most = limits.get(name)
        used = None if most is None else (sum(own) / (most * length) if length > ROUNDING else 0.0)
        found.append(ResourceUse(name, most, len(own), sum(own), used))
    return tuple(found)
