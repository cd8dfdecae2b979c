"""The tasks of orchestrations, read from their journals. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from teams._journal.codec import decode, encode, unrecorded
from teams._journal.errors import NotReadable
from teams._journal.rows import JournalEntry
from teams.orchestration._values import QualityPrediction
from teams.planning._estimates import RecordedRuns
from teams.planning._risks import FEWEST, PASSES
from teams.workflows._quality.domain import QUALITY, is_of_quality
from teams.workflows._run.progress import base_of
from teams.workflows._run.reader import scores_of
from teams.workflows._run.values import read

TASKS = "execution/"
"""The prefix of the names of the steps of tasks."""
ADJUSTMENT = ".adjustment"
"""The step that decides about a change. No task has a dot in its id."""

TaskState = Literal["done", "failed", "skipped"]


@dataclass
class TaskReport:
    """A task, read from the journal."""

    id: str
    agent: str = ""
    began: int | None = None
    ended: int | None = None
    """When its last part was done."""
    attempts: int = 0
    failures: int = 0
    passed: int = 0
    scored: int = 0
    quality_score: float | None = None
    left_out: str | None = None
    """Why the run went on without it."""
    error: str | None = None
    """Of its last attempt, if that failed."""
    body: bytes | None = None
    done: bool = False

    @property
    def state(self) -> TaskState:
        """How it ended. One that was called off, or has not ended, is skipped."""
        if self.error is not None or (self.left_out is not None and self.began is not None):
            return "failed"
        return "done" if self.done and self.left_out is None else "skipped"

    @property
    def why(self) -> str:
        """Why it has no result."""
        if self.error is not None or self.left_out is not None:
            return str(self.error or self.left_out)
        return "it did not begin" if self.began is None else "it was called off"

    @property
    def duration(self) -> float | None:
        """Seconds from its first begin to the end of its last part; None: no part of it is done."""
        return None if self.began is None or self.ended is None else max(0, self.ended - self.began) / 1e6

    def result(self) -> Any:
        """Its result."""
        return read(self.body)


def task_reports(entries: Iterable[JournalEntry]) -> dict[str, TaskReport]:
    """By task, in the order in which they began or were left out."""
    found: dict[str, TaskReport] = {}
    for entry in entries:
        part = entry.step.removeprefix(TASKS)
        id = base_of(part)
        if part == entry.step or id == ADJUSTMENT:
            continue
        report = found.setdefault(id, TaskReport(id))
        if entry.kind == "done" and part.endswith(f"/{QUALITY}"):
            _add_scores(report, entry)
        elif not is_of_quality(part):
            _add(report, part, entry)
    return found


def _add_scores(report: TaskReport, entry: JournalEntry) -> None:
    scores = scores_of(entry)
    if scores is not None:
        report.passed += scores.passed
        report.scored += 1
        report.quality_score = scores.score


def _add(report: TaskReport, part: str, entry: JournalEntry) -> None:
    if "/" in part:
        return  # a pause before another attempt
    match entry.kind:
        case "began":
            said = decode(entry.body) if entry.body is not None else ""
            report.agent = report.agent or str(said)
            report.began = entry.at if report.began is None else report.began
        case "done":
            report.attempts += 1
            report.done, report.error, report.body, report.ended = True, None, entry.body, entry.at
        case "failed":
            report.attempts += 1
            report.failures += 1
            report.done, report.error = False, str(unrecorded(encode(decode(entry.body or b"{}")["error"])))
        case "skipped":
            report.left_out = str(decode(entry.body or b'""'))


@dataclass(frozen=True)
class PastRuns:
    """The record of earlier runs of an orchestrator, by task and by agent."""

    recorded: RecordedRuns
    agents: Mapping[str, tuple[int, int]]
    """By agent: how many scored results were good enough, and of how many."""

    def predicted(self, task: str, agent: str) -> QualityPrediction:
        """How likely the result of a task is good enough: by its own scores, else by those of its agent."""
        passed, scored = self.recorded.quality.get(task, (0, 0))
        source = "this task"
        if not scored:
            passed, scored = self.agents.get(agent, (0, 0))
            source = agent if scored else "nothing yet"
        rate = (passed + 1) / (scored + 2)
        return QualityPrediction(task, passed, scored, source, scored >= FEWEST and rate < PASSES)


def past_of(runs: Iterable[Iterable[JournalEntry]]) -> PastRuns:
    """The record of these runs, oldest first."""
    steps: dict[str, list[float]] = defaultdict(list)
    members: dict[str, list[float]] = defaultdict(list)
    failures: dict[str, tuple[int, int]] = {}
    quality: dict[str, tuple[int, int]] = {}
    agents: dict[str, tuple[int, int]] = {}
    for entries in runs:
        try:
            reports = task_reports(entries)
        except NotReadable:
            continue  # it is damaged, or of a later version: nothing is learned from it
        for id, report in reports.items():
            if report.state == "done" and report.duration is not None:
                steps[id].append(report.duration)
                members[report.agent].append(report.duration)
            _count(failures, id, report.failures, report.attempts)
            _count(quality, id, report.passed, report.scored)
            _count(agents, report.agent, report.passed, report.scored)
    return PastRuns(RecordedRuns(steps, members, failures, quality), agents)


def _count(counts: dict[str, tuple[int, int]], key: str, some: int, all: int) -> None:
    if all:
        before = counts.get(key, (0, 0))
        counts[key] = (before[0] + some, before[1] + all)
