"""What the engine asks its edge to do, and what it has to tell. All times are seconds of the monotonic clock.

The edge keeps a child's cell (ref, path, name, queue) from its first `Start` until `Close` or `Drop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from supervisors._actors import Crashed, ExitReason, LifecycleEvent, RestartLimitExceeded
from supervisors._errors import StartFailed, SupervisionError
from supervisors._spec import Grace, Spec

Verdict = Literal["restart", "stop"]
"""What an `on_failure` callback may say in place of the table."""


@dataclass(frozen=True, slots=True)
class SupervisionEvent(LifecycleEvent):
    """Something a supervisor decided about a child. `path` is the child's place in the tree."""

    level: ClassVar[str] = "info"
    child: str


@dataclass(frozen=True, slots=True)
class BackingOff(SupervisionEvent):
    """A restart was granted and waits until `until` (rule 11). `attempt` counts from 1 since the child last made
    progress.
    """

    level: ClassVar[str] = "debug"
    incarnation: int
    cause: ExitReason
    attempt: int
    delay: float
    until: float

    def after_exit(self) -> str:
        """When it is started again."""
        return f"restart {self.attempt} in {self.delay:.3g} s" if self.delay else f"restart {self.attempt} now"


@dataclass(frozen=True, slots=True)
class Restarting(SupervisionEvent):
    """A child is started again; `incarnation` is the one that is to come."""

    level: ClassVar[str] = "debug"
    incarnation: int
    attempt: int

    def after_exit(self) -> str:
        """That it is started again."""
        return f"restart {self.attempt} now"


@dataclass(frozen=True, slots=True)
class Restarted(SupervisionEvent):
    """A restart succeeded: the child is up again. The log of the crash said that this was to come."""

    level: ClassVar[str] = "debug"
    incarnation: int
    attempt: int


@dataclass(frozen=True, slots=True)
class RestartFailed(SupervisionEvent):
    """A start attempt of a restart, or of a `retry_start`, failed (rule 14)."""

    level: ClassVar[str] = "warning"
    incarnation: int
    cause: ExitReason
    attempt: int

    def after_exit(self) -> str:
        """Which attempt it was."""
        return f"attempt {self.attempt} failed" if self.attempt else "the first start failed"


@dataclass(frozen=True, slots=True)
class GaveUp(SupervisionEvent):
    """A budget is spent (rules 9 and 10): the supervisor ends, or with `scope="child"` only the child is dropped."""

    level: ClassVar[str] = "error"
    scope: Literal["supervisor", "child"]
    max_restarts: int
    period: float | None
    """Seconds of running, or None: in a row without progress."""
    cause: ExitReason

    @property
    def exception(self) -> BaseException | None:
        cause = self.cause
        while isinstance(cause, RestartLimitExceeded):
            cause = cause.cause
        return cause.exception if isinstance(cause, Crashed) else None


@dataclass(frozen=True, slots=True)
class Dropped(SupervisionEvent):
    """A child and its spec are gone from the supervisor."""

    level: ClassVar[str] = "debug"
    reason: ExitReason

    def after_exit(self) -> str:
        """That nothing follows."""
        return "not restarted"


@dataclass(frozen=True, slots=True)
class AutoShutdown(SupervisionEvent):
    """The end of a significant child ends the supervisor (rule 21)."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start an incarnation, then report `started`, `start_failed`, `declined` or `exited` with its number.

    With `keep` it goes into the cell the child has; otherwise it gets a fresh one.
    """

    id: str
    spec: Spec
    incarnation: int
    keep: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """Tell it to shut down, wait `grace`, kill it, and report `exited` when it is gone (rule 17).

    It may still be starting. Many of these in one answer share one timer (rule 6).
    """

    id: str
    incarnation: int
    grace: Grace


@dataclass(frozen=True, slots=True)
class Adopt:
    """The incarnation that is there lives by this policy from now on, a supervisor also by these settings; its program
    is the same (rule 23).
    """

    id: str
    spec: Spec


@dataclass(frozen=True, slots=True)
class Close:
    """The child has come to rest and its spec is kept: its cell closes (dead letters, names, monitors)."""

    id: str


@dataclass(frozen=True, slots=True)
class Drop:
    """The child's place is gone for good: its cell, if it has one, closes, and its spec is forgotten."""

    id: str


@dataclass(frozen=True, slots=True)
class Arm:
    """Call `due(token, now)` after `delay` seconds; 0 is a message to itself (rule 14)."""

    token: int
    delay: float


@dataclass(frozen=True, slots=True)
class Disarm:
    """The timer of this token is not wanted any more."""

    token: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The request succeeded with this value."""

    request: object
    value: object


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request failed."""

    request: object
    error: SupervisionError


@dataclass(frozen=True, slots=True)
class Ready:
    """The supervisor's own start is complete (rule 1)."""


@dataclass(frozen=True, slots=True)
class StartFailedSelf:
    """The supervisor's own start failed (rule 2). The last effect: nothing of it is left."""

    error: StartFailed


@dataclass(frozen=True, slots=True)
class Exit:
    """The supervisor ends with this reason. The last effect: every child is gone (rule 18)."""

    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the ledger and the lifecycle stream (rule 30)."""

    event: SupervisionEvent


Effect = Start | Stop | Adopt | Close | Drop | Arm | Disarm | Answer | Refuse | Ready | StartFailedSelf | Exit | Note
