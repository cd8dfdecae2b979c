"""Every event of an engine, besides those of the runs of patterns (`teams.events`)."""

from __future__ import annotations

from collections.abc import Mapping

from teams.events import RunEvent, TeamEvent


class StoreLost(TeamEvent, level="error"):
    """The store does not answer. Runs wait, and nothing is acknowledged until it does."""

    error: BaseException


class StoreBack(TeamEvent, level="info"):
    """The store answers again."""


class RunTakenUp(RunEvent, level="info"):
    """A run begins or goes on in this process: it waited for a place, was parked, or its process is gone."""

    workflow: str
    state: str
    """Its state until now; "running": the process that had it is gone."""
    done: int
    """Steps that are done."""
    age: float
    """Seconds since it was started."""
    trace: str | None
    """The span of its begin, as the header `traceparent` of W3C; None: it is not traced, or begins now."""


class RunParked(RunEvent):
    """A run waits for something that may take long, and costs no actor until then."""

    waiting_for: str
    wake_at: float | None
    """Seconds since the epoch; None: no time wakes it."""


class RunBlocked(RunEvent, level="error"):
    """A run cannot go on by itself: it waits for `resume`."""

    error: BaseException


class RunContinued(RunEvent, level="info"):
    """A run has ended itself with `continue_as_new`: another run goes on in its place."""

    next: str
    """The id of that run."""


class RunLost(RunEvent, level="warning"):
    """This process does not own a run any more: another one goes on with it."""

    error: BaseException


class RunStepUndone(RunEvent, level="info"):
    """What a step had done is undone."""

    step: str


class EngineTookOver(TeamEvent, level="info"):
    """The engine has its lease."""

    epoch: int


class LeaseLost(TeamEvent, level="error"):
    """The lease of the engine was not renewed in time. It has stopped its runs, and takes a new one."""

    epoch: int


class ExecutionChosen(RunEvent, level="info"):
    """How the steps of a run with `execution="auto"` run."""

    execution: str
    """"sequential", "ready" or "hybrid"."""
    reason: str
    detail: str
    """The figures that decided."""


class LevelDone(RunEvent, level="info"):
    """Every step of a level has ended, in a run that goes by levels. Once in each process that plays the run."""

    number: int
    """1, 2, 3, ..."""
    steps: tuple[str, ...]


class QualityScored(RunEvent):
    """The result of a step was scored. It comes from the process that scored; a process that dies before the scores are
    written lets another one score again.
    """

    step: str
    """The step, or the gate."""
    domain: str
    score: float
    """The weighted mean of the criteria, from 0 to 1."""
    scores: Mapping[str, float]
    threshold: float
    """The least mean that passes."""
    low: tuple[str, ...]
    """The criteria below their thresholds."""
    missing: tuple[str, ...]
    """The criteria without a score."""


class LowQuality(QualityScored, level="warning"):
    """The result of a step was scored, and is not good enough."""


# Runs, in the order of their lives


class RunAccepted(RunEvent, level="info"):
    """A run is in the store: it will end, whatever happens to this process. `path` is the desk of the engine."""

    workflow: str
    key: str | None
    schedule: str | None
    """The schedule that started it; None: a caller did."""


class RunPaused(RunEvent, level="info"):
    """A run stays where it is until `resume`."""


class RunCancelling(RunEvent, level="info"):
    """A run was cancelled: its steps are called off, and what was done is undone where steps say how."""

    reason: str


class RunRetried(RunEvent, level="info"):
    """A run that had failed or was cancelled goes on."""


class RunEdited(RunEvent, level="info"):
    """The graph of a run was edited."""

    version: str
    """That of its workflow now."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    replaced: tuple[str, ...]


class RunsPurged(TeamEvent, level="info"):
    """Ended runs were deleted, because the time for which they are kept is over."""

    count: int


class BatchWritten(TeamEvent):
    """The journal has written what had gathered."""

    rows: int
    """What runs and callers had to write; one a step."""
    seconds: float
    """Seconds until the store had written it."""


# Schedules


class SlotStarted(TeamEvent, level="info"):
    """A slot of a schedule has its run."""

    schedule: str
    slot: float
    """Seconds since the epoch."""
    run: str


class SlotsLeftOut(TeamEvent, level="warning"):
    """Slots of a schedule have no run: they were missed while no engine was there, or another run was open."""

    schedule: str
    first: float
    """Seconds since the epoch."""
    last: float
    why: str
