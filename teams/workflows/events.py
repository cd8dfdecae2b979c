"""Every event of an engine, besides those of the runs of patterns (`teams.events`)."""

from __future__ import annotations

from teams.events import RunEvent, TeamEvent


class StoreLost(TeamEvent, level="error"):
    """The store does not answer. Runs wait, and nothing is acknowledged until it does."""

    error: BaseException


class StoreBack(TeamEvent, level="info"):
    """The store answers again."""


class RunTakenUp(RunEvent, level="info"):
    """A run goes on in this process: it was parked, or the process that had it is gone."""

    workflow: str
    state: str
    done: int
    """Steps that are done."""


class RunParked(RunEvent):
    """A run waits for something that may take long, and costs no actor until then."""

    waiting_for: str
    wake_at: float | None
    """Seconds since the epoch; None: no time wakes it."""


class RunBlocked(RunEvent, level="error"):
    """A run cannot go on by itself: it waits for `resume`."""

    error: BaseException


class RunLost(RunEvent, level="warning"):
    """This process does not own a run any more: another one goes on with it."""

    error: BaseException


class StepUndone(RunEvent, level="info"):
    """What a step had done is undone."""

    step: str


class EngineTookOver(TeamEvent, level="info"):
    """The engine has its lease."""

    epoch: int


class LeaseLost(TeamEvent, level="error"):
    """The lease of the engine was not renewed in time. It has stopped its runs, and takes a new one."""

    epoch: int
