"""The lifecycle events of supervisors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from actors.spi import Crashed, ExitReason, LifecycleEvent, RestartLimitExceeded


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

    observed_as: ClassVar[str] = "backed_off"
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
class CallbackFailed(LifecycleEvent):
    """An `on_failure` or `on_give_up` callback raised. It decided nothing; the supervisor went on as its spec says."""

    level: ClassVar[str] = "error"
    callback: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        """What the callback raised."""
        return self.error


@dataclass(frozen=True, slots=True)
class Concluded(LifecycleEvent):
    """Somebody has the result that a part of the tree exists for. `letitcrash run` prints it."""

    level: ClassVar[str] = "info"
    value: object
