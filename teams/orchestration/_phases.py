"""The phases of an orchestration. Each is a pattern, and a step of the run.

| phase | what it does | what is written |
|---|---|---|
| 1 analysis | asks the team for its members, and looks for the wanted capabilities | `TeamSituation` |
| 2 planning | has the planner draft tasks until they pass the checks, and plans them | `OrchestrationPlan` |
| 3 prediction | the pass rates of the tasks, by the scores of earlier runs | `QualityPrediction` |
| 4 execution | carries out the plan | `ExecutionOutcome`, and every task |
| 5 adjustment | changes how the rest is carried out | `Adjustment` |
| 6 synthesis | makes one result | `Synthesized` |
| 7 improvement | compares the plan with what it took | `Insights` |
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.spi import sleep
from supervisors.spi import SpecError
from teams._dispatch.gather import Failed
from teams._dispatch.messages import SlotInfo
from teams._journal.errors import RecordedError
from teams._runs.context import RunContext, end_all
from teams._runs.pattern import Pattern, Target
from teams.errors import RunError, StepFailed
from teams.orchestration._adjust import TaskProgress, adjusted, lost_capacity, reason_for
from teams.orchestration._draft import KEYS, flow_of, planned, read_draft
from teams.orchestration._store import coordinator, keeper_of, own_entries, past_runs, roster
from teams.orchestration._tasks import ADJUSTMENT, TASKS, TaskReport, task_reports
from teams.orchestration._values import (
    PHASES,
    Adjustment,
    AgentCapacity,
    ExecutionOutcome,
    Insights,
    OrchestrationPlan,
    OrchestratorMode,
    PlanRequest,
    QualityPrediction,
    Synthesized,
    TaskInsight,
    TeamSituation,
)
from teams.orchestration.errors import PlanRefused
from teams.patterns import Revision, Synthesis
from teams.planning._estimates import RecordedRuns
from teams.workflows._graph.workflow import ChosenExecution, Workflow
from teams.workflows._quality.scoring import OnLow, Scoring
from teams.workflows._run.reader import GraphReader
from teams.workflows.errors import Blocked

LOOK = 1.0
"""Seconds between two looks at how far the tasks are."""


@dataclass(frozen=True)
class Conductor:
    """The parts of an orchestrator."""

    name: str
    team: str
    planner: Target
    aggregator: Target | None
    mode: OrchestratorMode
    scoring: Scoring | None
    on_low: OnLow
    capabilities: tuple[str, ...]
    max_rounds: int
    max_tasks: int
    parallel_threshold: int

    def flow(
        self, plan: OrchestrationPlan, execution: ChosenExecution | None = None, gates: Iterable[str] = ()
    ) -> Workflow:
        """The workflow of a plan, as it is carried out now. Steps that have begun keep their names, so a run goes on
        with another one.
        """
        tasks = [dict(each.definition) for each in plan.tasks]
        made = flow_of(tasks, execution or plan.execution, self.scoring, self.on_low, tuple(gates))
        return replace(made, parallel_threshold=self.parallel_threshold)


@dataclass(frozen=True)
class _Phase(Pattern):
    conductor: Conductor

    def parts(self) -> Iterator[Target]:
        return iter(())


@dataclass(frozen=True)
class Analysis(_Phase):
    """Phase 1: who is there."""

    async def play(self, run: RunContext, value: object) -> TeamSituation:
        return situation_of(await roster(run, self.conductor.team), self.conductor.capabilities)


def situation_of(slots: Iterable[SlotInfo], wanted: Iterable[str] = ()) -> TeamSituation:
    """The situation of a team, by its slots. Of a member that is being restarted the capacity does not count."""
    agents: dict[str, list[SlotInfo]] = {}
    able: dict[str, list[SlotInfo]] = {}
    staying = [each for each in slots if not each.leaving]
    for slot in staying:
        for name in dict.fromkeys([slot.role or slot.member, slot.member]):
            agents.setdefault(name, []).append(slot)
        for skill in slot.capabilities:
            able.setdefault(skill, []).append(slot)
    return TeamSituation(
        {name: _capacity_of(own) for name, own in agents.items()},
        {name: _capacity_of(able[name]) for name in sorted(able)},
        tuple(each for each in wanted if each not in able),
        sum(each.capacity for each in staying if each.up),
        sum(each.reserved for each in staying if each.up),
    )


def _capacity_of(slots: list[SlotInfo]) -> AgentCapacity:
    up = [each for each in slots if each.up]
    skills = sorted({skill for each in slots for skill in each.capabilities})
    return AgentCapacity(tuple(skills), sum(each.capacity for each in up), sum(each.reserved for each in up))


@dataclass(frozen=True)
class Planning(_Phase):
    """Phase 2: the tasks, their agents, and how long they take."""

    situation: TeamSituation | None

    async def play(self, run: RunContext, value: object) -> OrchestrationPlan:
        """Raises PlanRefused."""
        own = self.conductor
        situation = self.situation
        if situation is None:
            situation = await run.do(Analysis(own), None, name="team", returns=TeamSituation)
        past = await past_runs(run, own.name)
        team = run.of(await coordinator(run, own.team))
        agents = {name: each.capabilities for name, each in situation.agents.items()}
        request = PlanRequest(value, agents, situation.missing, KEYS, own.max_tasks)
        asks: object = request
        faults: tuple[str, ...] = ()
        for number in range(1, own.max_rounds + 1):
            said: object = None
            try:
                said = await team.do(own.planner, asks, name="draft")
                return await asyncio.to_thread(self._plan, said, situation, past.recorded, number)
            except SpecError as error:
                faults = tuple(map(str, error.faults))
            except StepFailed as error:
                if not _is_not_storable(error):
                    raise
                faults = (str(error.error),)
            asks = Revision(request, faults, said, number + 1)
        raise PlanRefused(run.run, own.max_rounds, faults)

    def _plan(self, said: object, situation: TeamSituation, recorded: RecordedRuns, rounds: int) -> OrchestrationPlan:
        """The plan of a draft. In a thread: it may take a second. Raises SpecError with all faults."""
        own = self.conductor
        flow, tasks = read_draft(said, situation, own.scoring, own.on_low, own.max_tasks)
        return planned(flow, tasks, situation, recorded, own.parallel_threshold, rounds)


def _is_not_storable(error: StepFailed) -> bool:
    """Whether the draft is a value that JSON cannot say, such as one with NaN."""
    wrong = error.error
    return isinstance(wrong, RecordedError) and wrong.type.rpartition(".")[2] in ("NotStorable", "PayloadTooLarge")


@dataclass(frozen=True)
class Prediction(_Phase):
    """Phase 3: how good the results will be."""

    plan: OrchestrationPlan

    async def play(self, run: RunContext, value: object) -> tuple[QualityPrediction, ...]:
        past = await past_runs(run, self.conductor.name)
        return tuple(past.predicted(each.id, each.agent) for each in self.plan.tasks)


@dataclass(frozen=True)
class TaskExecution(_Phase):
    """Phases 4 and 5: the tasks."""

    plan: OrchestrationPlan
    predictions: tuple[QualityPrediction, ...]

    async def play(self, run: RunContext, value: object) -> ExecutionOutcome:
        adjustments: list[Adjustment] = []
        while True:
            number = len(adjustments) + 1
            name = ADJUSTMENT if number == 1 else f"{ADJUSTMENT}#{number}"
            change: Adjustment | None = None
            if not run.knows(name):
                try:
                    change = await self._until_changed(run, value, adjustments)
                except Blocked:
                    raise
                except RunError as error:  # a task that says on_failure = "stop"
                    run.call_off("", "another task has failed")
                    return ExecutionOutcome(str(error), tuple(adjustments))
                if change is None:
                    return ExecutionOutcome(None, tuple(adjustments))

            def decided(_: object, change: Adjustment | None = change) -> Adjustment | None:
                return change

            # It is written before the rest is played, so another process carries it out in the same way.
            adjustments.append(await run.do(decided, None, name=name, returns=Adjustment))

    async def _until_changed(
        self, run: RunContext, value: object, adjustments: Sequence[Adjustment]
    ) -> Adjustment | None:
        """Plays what is left until the plan changes; None: until all tasks have ended. What has begun goes on while
        the rest is played in another way: the journal of the run knows it.
        """
        own, last = self.conductor, adjustments[-1] if adjustments else None
        flow = own.flow(self.plan, last.execution if last else None, last.gates if last else ())
        team = run.of(await coordinator(run, own.team))
        playing = asyncio.ensure_future(flow.play(team, value))
        tasks: list[asyncio.Task[Any]] = [playing]
        if own.mode == "enhanced":
            tasks.append(asyncio.ensure_future(self._watch(run, flow, last)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                playing.result()
                return None
            changed: Adjustment = tasks[1].result()
            return changed
        finally:
            await end_all(tasks)

    async def _watch(self, run: RunContext, flow: Workflow, last: Adjustment | None) -> Adjustment:
        """Looks how far the tasks are and who is there, until something has to change."""
        own, keeper = self.conductor, keeper_of(run)
        standing = TaskProgress(GraphReader(flow.graph, TASKS))
        before = self.plan.capacity if last is None else last.capacity
        lost: Mapping[str, tuple[int, int]] = {}
        while True:
            await sleep(LOOK)
            standing.read(await own_entries(run, standing.last))
            situation = situation_of(await roster(run, own.team))
            found = lost_capacity(flow, before, standing, situation)
            gone = {name: change for name, change in found.items() if name in lost}  # not only just being restarted
            lost = found
            now = round(keeper.wall() * 1e6)
            reason = reason_for(self.plan, last, standing, gone, now)
            if reason is not None:
                # In a thread: a plan may take a second.
                return await asyncio.to_thread(
                    adjusted, self.plan, flow, reason, standing, situation, now, own.parallel_threshold
                )


@dataclass(frozen=True)
class Summary(_Phase):
    """Phase 6: one result."""

    plan: OrchestrationPlan
    outcome: ExecutionOutcome

    async def play(self, run: RunContext, value: object) -> Synthesized:
        found = task_reports(await own_entries(run))
        reports = {each.id: found.get(each.id) or TaskReport(each.id) for each in self.plan.tasks}
        done = {id: each for id, each in reports.items() if each.state == "done"}
        failed = {id: each.why for id, each in reports.items() if each.state == "failed"}
        skipped = {id: each.why for id, each in reports.items() if each.state == "skipped"}
        return Synthesized(await self._result(run, value, done, failed, skipped), tuple(done), failed, skipped)

    async def _result(
        self,
        run: RunContext,
        query: object,
        done: dict[str, TaskReport],
        failed: dict[str, str],
        skipped: dict[str, str],
    ) -> Any:
        aggregator = self.conductor.aggregator
        if aggregator is None:
            last = self.conductor.flow(self.plan).graph.sinks
            return {id: done[id].result() for id in last if id in done}
        if not done:
            return None
        failures = {id: Failed.by(RecordedError("TaskFailed", why, "")) for id, why in failed.items()}
        results = {id: each.result() for id, each in done.items()}
        team = run.of(await coordinator(run, self.conductor.team))
        return await team.do(aggregator, Synthesis(query, results, failures, tuple(skipped)), name="aggregate")


@dataclass(frozen=True)
class Improvement(_Phase):
    """Phase 7: what the next run learns."""

    plan: OrchestrationPlan
    predictions: tuple[QualityPrediction, ...]

    async def play(self, run: RunContext, value: object) -> Insights:
        entries = await own_entries(run)
        reports = task_reports(entries)
        expected = {each.task: each for each in self.predictions}
        tasks = []
        for each in self.plan.tasks:
            report, prediction = reports.get(each.id) or TaskReport(each.id), expected.get(each.id)
            rate = None if prediction is None or not prediction.scored else prediction.pass_rate
            tasks.append(
                TaskInsight(
                    each.id,
                    each.agent,
                    report.state,
                    each.estimated_duration,
                    each.source,
                    report.duration,
                    report.attempts,
                    report.failures,
                    report.quality_score,
                    rate,
                )
            )
        phases = {
            each.step: each.seconds
            for each in entries
            if each.kind == "done" and each.step in PHASES and each.seconds is not None
        }
        return Insights(
            tuple(tasks),
            self.plan.estimated_scheduled_time,
            phases.get("execution", 0.0),
            phases,
            tuple(_learned(tasks)),
        )


TELLING = 1.5
"""An estimate that was wrong by more than this factor is told."""


def _learned(tasks: Iterable[TaskInsight]) -> Iterator[str]:
    for each in tasks:
        if each.state == "failed":
            yield f"{each.task} failed in {each.failures} of {each.attempts} attempts; it is recorded now"
        if each.state != "done" or each.duration is None:
            continue
        estimated, took = each.estimated_duration, each.duration
        if estimated > TELLING * took or took > TELLING * estimated:
            yield f"{each.task} took {took:.3g} s, estimated were {estimated:.3g} s ({each.source}); it is recorded now"
