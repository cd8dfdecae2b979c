"""Orchestrators: workflows that plan their own tasks, and carry them out in phases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from supervisors.spi import SpecError, SpecFault, builder
from teams._checks.fields import count_faults, refuse, seconds_faults, several_faults
from teams._runs.context import RunContext
from teams._runs.pattern import Target, label, target_faults
from teams.errors import StepFailed
from teams.orchestration._phases import (
    Analysis,
    Conductor,
    Improvement,
    Planning,
    Prediction,
    Summary,
    TaskExecution,
)
from teams.orchestration._values import (
    ExecutionOutcome,
    Insights,
    OrchestrationPlan,
    OrchestrationResult,
    OrchestratorMode,
    QualityPrediction,
    Synthesized,
    TeamSituation,
)
from teams.orchestration.errors import OrchestrationFailed
from teams.workflows._graph.check import id_faults
from teams.workflows._graph.workflow import PARALLEL_THRESHOLD, location
from teams.workflows._quality.domain import THRESHOLD, QualityDomain
from teams.workflows._quality.scoring import MAX_ROUNDS, OnLow, Scorer, scored
from teams.workflows._run.code import CodeWorkflow, WorkflowContext
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows.errors import NeedsEngine

MODES: tuple[OrchestratorMode, ...] = get_args(OrchestratorMode)
MAX_TASKS = 100
ON_LOW: tuple[OnLow, ...] = ("warn", "retry", "fail")


@dataclass(frozen=True)
class Orchestrator(CodeWorkflow):
    """A workflow that plans its own tasks and carries them out in phases. `orchestrator` makes it."""

    conductor: Conductor | None = None

    async def play(self, run: RunContext, value: object) -> object:
        assert self.conductor is not None
        if not isinstance(run.keeper, DurableKeeper):
            raise StepFailed(run.run, run.key("planning"), NeedsEngine(self.name, "planning"))
        return await conduct(WorkflowContext(run, self.name), self.conductor, value)

    def parts(self) -> Iterator[Target]:
        """The targets that must be members of the engine itself. Those of another team are looked for when they are
        needed.
        """
        conductor = self.conductor
        assert conductor is not None
        if conductor.team == "agents":
            yield conductor.planner
            if conductor.aggregator is not None:
                yield conductor.aggregator
            if conductor.scoring is not None:
                yield conductor.scoring

    @property
    def body(self) -> str:
        """Its parts."""
        conductor = self.conductor
        assert conductor is not None
        return f"orchestrator {conductor.mode} of {conductor.team}, planned by {_named(conductor.planner)}"


def _named(target: Target) -> str:
    return label(target) if not callable(target) or isinstance(target, type) else location(target)


async def conduct(run: WorkflowContext, conductor: Conductor, query: object) -> OrchestrationResult:
    """The phases, one after another. Each is a step: a run that goes on elsewhere does none of them again.

    Raises:
        PlanRefused: the planner made no plan that passes the checks
        OrchestrationFailed: no task of the plan is done
    """
    enhanced = conductor.mode == "enhanced"
    situation: TeamSituation | None = None
    predictions: tuple[QualityPrediction, ...] = ()
    insights: Insights | None = None
    if enhanced:
        situation = await run.do(Analysis(conductor), name="analysis", returns=TeamSituation)
    plan: OrchestrationPlan = await run.do(
        Planning(conductor, situation), query, name="planning", returns=OrchestrationPlan
    )
    if enhanced:
        predictions = await run.do(
            Prediction(conductor, plan), name="prediction", returns=tuple[QualityPrediction, ...]
        )
    outcome: ExecutionOutcome = await run.do(
        TaskExecution(conductor, plan, predictions), query, name="execution", returns=ExecutionOutcome
    )
    found: Synthesized = await run.do(Summary(conductor, plan, outcome), query, name="synthesis", returns=Synthesized)
    if enhanced:
        insights = await run.do(Improvement(conductor, plan, predictions), name="improvement", returns=Insights)
    if not found.successful and found.failed:
        raise OrchestrationFailed(run.id, dict(found.failed))
    return OrchestrationResult(
        found.result,
        found.successful,
        found.failed,
        found.skipped,
        insights,
        outcome.adjustments,
        partial_completion=bool(found.failed),
    )


@builder("{id}")
def orchestrator(
    name: str,
    team: str = "agents",
    *,
    planner: Target,
    aggregator: Target | None = None,
    mode: OrchestratorMode = "enhanced",
    domain: QualityDomain | str | None = None,
    scorers: Scorer | Mapping[str, Scorer] | None = None,
    threshold: float = THRESHOLD,
    on_low: OnLow = "warn",
    capabilities: Iterable[str] = (),
    max_rounds: int = MAX_ROUNDS,
    max_tasks: int = MAX_TASKS,
    parallel_threshold: int = PARALLEL_THRESHOLD,
    timeout: float | None = None,
) -> Orchestrator:
    """A workflow that plans its own tasks, for `engine`. Its input is a query, any JSON value; its result is an
    `OrchestrationResult`. Raises SpecError with all faults at once.

    Args:
        name: Its name for the engine.
        team: The team of the engine whose members do the tasks. Default: "agents", the members of the engine itself.
        planner: What drafts the plan: a member, a role, `can(...)`, a pool, a pattern or a function. It gets a
            `PlanRequest`, and a `Revision` with the faults while its draft has some.
        aggregator: What makes one result of those of the tasks. It gets a `Synthesis`. None: the result is that of the
            tasks that no other needs, by id. Default: None.
        mode: "enhanced" has all phases; "lightweight" plans, executes and synthesises. Default: "enhanced".
        domain: The quality of the results of tasks: `quality_domain(...)`, or the name of one that comes along. None:
            they are not scored. Default: None.
        scorers: What scores them, as in `quality`. Default: None.
        threshold: The least score that passes, from 0 to 1, of tasks that do not have their own. Default: 0.85.
        on_low: What follows when a score is low, of tasks that do not say so: "warn", "retry" or
            "fail". Default: "warn".
        capabilities: Capabilities that the work needs. Those that no member has are told to the planner. Default: ().
        max_rounds: How many drafts the planner may make until one passes the checks. Default: 3.
        max_tasks: How many tasks a plan may have. Default: 100.
        parallel_threshold: The least number of independent tasks that run side by side. Default: 3.
        timeout: Seconds for a run. None: the default of the engine. Default: None.
    """
    unlisted = list(several_faults(name, "capabilities", capabilities))
    wanted = [] if unlisted else list(capabilities)
    faults = [
        *id_faults("orchestrator", name, "name"),
        *target_faults(f"{name}/planner", planner),
        *(() if aggregator is None else target_faults(f"{name}/aggregator", aggregator)),
        *unlisted,
        *count_faults(name, "max_rounds", max_rounds),
        *count_faults(name, "max_tasks", max_tasks),
        *count_faults(name, "parallel_threshold", parallel_threshold),
        *seconds_faults(name, "timeout", timeout),
        *_choice_faults(name, team, mode, on_low, wanted),
    ]
    scoring = None
    if domain is not None:
        try:
            scoring = scored(domain, scorers, threshold=threshold)
        except SpecError as error:
            faults += (SpecFault(name, each.message) for each in error.faults)
    elif scorers is not None:
        faults.append(SpecFault(name, "scorers: need a domain"))
    refuse(faults)
    conductor = Conductor(
        name,
        team,
        planner,
        aggregator,
        mode,
        scoring,
        on_low,
        tuple(wanted),
        max_rounds,
        max_tasks,
        parallel_threshold,
    )
    return Orchestrator(name, _not_called, None, OrchestrationResult, timeout, conductor)


async def _not_called(run: WorkflowContext, query: object) -> object:
    raise AssertionError("an orchestrator is played by its phases")


def _choice_faults(name: str, team: object, mode: object, on_low: object, wanted: list[Any]) -> Iterator[SpecFault]:
    if not (isinstance(team, str) and team):
        yield SpecFault(name, f"team: must be the id of a team of the engine, got {team!r}")
    if mode not in MODES:
        yield SpecFault(name, f"mode: must be one of {', '.join(MODES)}, got {mode!r}")
    if on_low not in ON_LOW:
        yield SpecFault(name, f"on_low: must be one of {', '.join(ON_LOW)}, got {on_low!r}")
    for each in wanted:
        if not (isinstance(each, str) and each):
            yield SpecFault(name, f"capabilities: must be names, got {each!r}")
