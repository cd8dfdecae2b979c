"""The messages to the desk of an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from teams._journal.rows import InboxKind, InboxRow, JournalEntry, RunRow, ScheduleRow
from teams.workflows._graph.graph import Graph
from teams.workflows._run.hidden import Hidden


class ScheduledStart(NamedTuple):
    """A slot whose run starts."""

    at: int
    """UTC microseconds."""
    schedule: ScheduleRow
    """How far the schedule has come then; written together with the run."""


class StartRun(NamedTuple):
    """Start a run. The answer is its row, as soon as it is written; with `until_end` as soon as the run has ended."""

    workflow: str
    value: object
    key: str | None = None
    priority: int = 0
    timeout: float | None = None
    attributes: Mapping[str, Any] | None = None
    slot: ScheduledStart | None = None
    """The slot of a schedule that starts it."""
    until_end: bool = False
    parent: str | None = None
    """The run that starts it; None: a caller does."""
    parent_step: str | None = None


class RunsWaiting(NamedTuple):
    """There may be new runs in the store."""


class Traced(NamedTuple):
    """A run has its first span. It is written with what is written next."""

    run: str
    trace: str
    """As the header `traceparent` of W3C."""


class Say(NamedTuple):
    """Say something to a run, whichever process has it. Answered as soon as it is written."""

    run: str
    kind: InboxKind
    name: str = ""
    value: object = None
    by: str = ""


class AnswerQuestion(NamedTuple):
    """Answer a question of a run."""

    run: str
    step: str
    value: object
    by: str


class EditRun(NamedTuple):
    """Change the graph of a run. Answered as soon as it is decided."""

    run: str
    changes: Mapping[str, Any]
    """With the keys of a file."""


class RetryRun(NamedTuple):
    """Go on with a run that failed or was cancelled: steps that are done stay done."""

    run: str
    step: str | None
    """This step and those after it are done again; None: those that failed."""


class AwaitEnd(NamedTuple):
    """Answer with the row of the run when it has ended."""

    run: str


class AwaitNews(NamedTuple):
    """Answer with `RunNews` when the run has entries after this one, or has ended; None: the reader has left."""

    run: str
    after: int
    reader: object
    """Who asks: a later question of the same one takes the place of this one."""


class StopReading(NamedTuple):
    """The one that asked for news does not wait any more."""

    run: str
    reader: object


class RunNews(NamedTuple):
    """The row and the new entries of a run."""

    row: RunRow
    entries: Sequence[JournalEntry]
    graph: Graph | None
    """That of its workflow; None: this process does not know it."""
    hidden: Hidden
    """Its hidden parts."""


class GetRun(NamedTuple):
    """Asks for the rows of a run in the store. The answer is a `FoundRun`."""

    run: str


class FoundRun(NamedTuple):
    """A run as the store has it."""

    row: RunRow
    entries: list[JournalEntry]
    messages: list[InboxRow]
    """Those that wait."""
    graph: Graph | None
    """That of its workflow; None: this process does not know it."""
    now: int
    """UTC microseconds."""
    hidden: Hidden
    """Its hidden parts."""


class GetRuns(NamedTuple):
    """Rows of runs, newest first."""

    options: Mapping[str, Any]
