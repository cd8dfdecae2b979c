"""Reading the journal of an orchestration as events. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

from teams._journal.codec import decode
from teams._journal.rows import JournalEntry, RunRow
from teams.orchestration._draft import flow_of
from teams.orchestration._tasks import ADJUSTMENT, TASKS
from teams.orchestration._values import PHASES, Adjustment, ExecutionOutcome, OrchestrationPlan, PhaseName
from teams.orchestration.events import PhaseBegan, PhaseDone, PlanAdjusted, Planned
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import Node
from teams.workflows._quality.domain import GENERIC
from teams.workflows._quality.scoring import Quality, Scoring
from teams.workflows._run.names import keyed
from teams.workflows._run.progress import base_of
from teams.workflows._run.reader import GraphReader, RunReader, Told
from teams.workflows._run.values import read

_UNKNOWN = Scoring(GENERIC, ())
"""Stands for how results are scored, which only the orchestrator knows."""


class OrchestrationReader(RunReader):
    """Reads the entries of one orchestration, in order, from the first. Tasks have the names that the plan gives."""

    def __init__(self) -> None:
        super().__init__()
        self._plan: OrchestrationPlan | None = None
        self._tasks: GraphReader | None = None

    def told(self, entry: JournalEntry, row: RunRow) -> Iterator[Told]:
        """The events of an entry, without their places."""
        part = entry.step.removeprefix(TASKS)
        if entry.step in PHASES:
            yield from self._phase(entry, cast("PhaseName", entry.step))
        elif part == entry.step:
            if entry.kind == "retried" and self._tasks is not None:
                self._tasks.retried(int(decode(entry.body or b"0")) or entry.seq)
            yield from super().told(entry, row)
        elif base_of(part) == ADJUSTMENT:
            yield from self._adjustment(entry)
        else:
            tasks = self._tasks
            if tasks is not None:
                yield from tasks.before(entry)
            yield from self.step(entry, keyed(part, entry.attempt))
            if tasks is not None:
                yield from tasks.after(entry)

    def _phase(self, entry: JournalEntry, phase: PhaseName) -> Iterator[Told]:
        number = PHASES[phase]
        if entry.kind == "began":
            yield PhaseBegan, (phase, number)
        elif entry.kind != "done":
            yield from self.step(entry, phase)
        else:
            duration = entry.seconds or 0.0
            if phase == "planning":
                self._plan = read(entry.body, OrchestrationPlan)
                self._tasks = GraphReader(_graph(self._plan), TASKS)
                yield Planned, (self._plan, duration)
            if phase == "execution" and self._tasks is not None:
                outcome: ExecutionOutcome = read(entry.body, ExecutionOutcome)
                yield from self._tasks.ended(entry, done=outcome.stopped is None)
            yield PhaseDone, (phase, number, duration)

    def _adjustment(self, entry: JournalEntry) -> Iterator[Told]:
        if entry.kind == "began":
            yield PhaseBegan, ("adjustment", PHASES["adjustment"])
        elif entry.kind == "done":
            found: Adjustment = read(entry.body, Adjustment)
            if self._tasks is not None and self._plan is not None:
                self._tasks.use(_graph(self._plan, found.gates))
            yield PlanAdjusted, (found,)
            yield PhaseDone, ("adjustment", PHASES["adjustment"], entry.seconds or 0.0)


def _graph(plan: OrchestrationPlan, gates: tuple[str, ...] = ()) -> Graph:
    """The graph of a plan, with what follows when scores are low."""
    tasks = {each.id: each for each in plan.tasks}
    flow = flow_of([dict(each.definition) for each in plan.tasks], plan.execution, None, "warn")

    def scored(node: Node) -> Node:
        low = "retry" if node.id in gates else tasks[node.id].on_low
        return node if low is None else replace(node, quality=Quality(_UNKNOWN, low))

    return Graph(tuple(map(scored, flow.graph.nodes)), chain=False)
