"""The events of the stream of a run, as the journal tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from teams.workflows._quality.domain import Scores


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Base of what the stream of a run tells. It is read from the journal, so any process may read it, at any time."""

    kind: ClassVar[str] = ""
    """The kind of event as a string, for those that send events on."""
    seq: int
    """Grows along the stream. `stream(since=seq)` goes on after this event."""
    run: str
    at: float
    """When it was written, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class TaskStarted(StreamEvent):
    """A step of the run began. Its items, rounds and attempts begin and end on their own."""

    kind: ClassVar[str] = "task_start"
    task_id: str
    """The step, as the run names it: `draft`, `draft#2`, `draft[7]`."""
    agent: str
    """The member, role or other target that it was given to, or what it waits for."""


@dataclass(frozen=True, slots=True)
class TaskComplete(StreamEvent):
    """A step of the run has its result."""

    kind: ClassVar[str] = "task_complete"
    task_id: str
    duration: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class TaskFailed(StreamEvent):
    """A step of the run failed, or was not done in time."""

    kind: ClassVar[str] = "task_failed"
    task_id: str
    duration: float
    """Seconds."""
    error: str
    again_in: float | None
    """After how many seconds it is tried again; None: it is not."""


@dataclass(frozen=True, slots=True)
class TaskSkipped(StreamEvent):
    """The run goes on without this step."""

    kind: ClassVar[str] = "task_skipped"
    task_id: str
    why: str


@dataclass(frozen=True, slots=True)
class TaskScored(StreamEvent):
    """The result of a step was scored."""

    kind: ClassVar[str] = "quality"
    task_id: str
    scores: Scores

    @property
    def quality_score(self) -> float:
        """The weighted mean of the criteria, from 0 to 1."""
        return self.scores.score


@dataclass(frozen=True, slots=True)
class TaskScoredLow(TaskScored):
    """The result of a step was scored, and is not good enough."""

    kind: ClassVar[str] = "low_quality"


@dataclass(frozen=True, slots=True)
class NodeComplete(StreamEvent):
    """A step of the workflow is done, with all its items, rounds and attempts."""

    kind: ClassVar[str] = "node_complete"
    node_id: str
    """The step, as the workflow names it."""
    duration: float
    """Seconds from its begin to its end, with the waits between attempts."""
    quality_score: float | None
    """That of its last result, from 0 to 1. None: it was not scored."""


@dataclass(frozen=True, slots=True)
class LevelComplete(StreamEvent):
    """Every step of a level of a DAG, and of those before it, is done or was skipped. Steps of one level do not depend
    on each other.
    """

    kind: ClassVar[str] = "level_complete"
    level: int
    """1, 2, 3, ..."""
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArtifactMade(StreamEvent):
    """A step returned an artifact. One that is handed on from step to step is told once."""

    kind: ClassVar[str] = "artifact"
    task_id: str
    name: str
    type: str
    """The kind that the step gave it, such as "report"."""
    size: int
    """Bytes of the data as JSON."""
    data: object


@dataclass(frozen=True, slots=True)
class RunComplete(StreamEvent):
    """The run has ended. A run that is tried again goes on, and ends once more."""

    kind: ClassVar[str] = "run_complete"
    state: str
    """"done", "failed", "cancelled" or "continued"."""
    error: str | None
    """Why it has no result. None: it has one, or it was tried again since."""
