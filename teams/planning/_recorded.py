"""The record of the runs in a store: durations and failures of steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from teams._journal.rows import JournalEntry
from teams._journal.store import Store
from teams.planning._estimates import LATEST, RecordedRuns, resource_of
from teams.workflows._graph.workflow import Workflow
from teams.workflows._quality.domain import is_of_quality
from teams.workflows._run.names import step_of
from teams.workflows._run.values import scores_in


def recorded_in(store: Store, workflow: Workflow) -> RecordedRuns:
    """The record of the latest runs of a workflow, of every version of it. Reads at most 200 runs."""
    rows = store.runs(workflow=workflow.name, limit=LATEST)
    return recorded_by(workflow, (store.entries(row.id) for row in reversed(rows)))


def recorded_by(workflow: Workflow, runs: Iterable[Iterable[JournalEntry]]) -> RecordedRuns:
    """The record of these runs, oldest first. The duration of a step goes from the begin of its first attempt to the
    end of its last part, with the waits between attempts.
    """
    steps: dict[str, list[float]] = defaultdict(list)
    failures: dict[str, tuple[int, int]] = {}
    quality: dict[str, tuple[int, int]] = {}
    for each in runs:
        entries = tuple(each)
        for part, scores in scores_in(entries).items():
            passed, scored = quality.get(step_of(part), (0, 0))
            quality[step_of(part)] = (passed + scores.passed, scored + 1)
        begins: dict[str, float] = {}
        ends: dict[str, float] = {}
        for entry in entries:
            if entry.kind not in ("done", "failed") or entry.seconds is None or not entry.step:
                continue
            step, at = step_of(entry.step), entry.at / 1e6
            begins[step] = min(begins.get(step, at), at - entry.seconds)
            if not is_of_quality(entry.step):
                failed, attempts = failures.get(step, (0, 0))
                failures[step] = (failed + (entry.kind == "failed"), attempts + 1)
            if entry.kind == "done":
                ends[step] = max(ends.get(step, at), at)
        for step, end in ends.items():
            steps[step].append(max(0.0, end - begins[step]))
    members: dict[str, list[float]] = defaultdict(list)
    for node in workflow.graph.nodes:
        member = resource_of(node)
        if member is not None and node.each is None and node.id in steps:
            members[member] += steps[node.id]
    return RecordedRuns(steps, members, failures, quality)
