"""The lifecycle events of supervisors."""

from __future__ import annotations

from typing import Literal

from actors.spi import Crashed, ExitReason, LifecycleEvent, RestartLimitExceeded


class SupervisionEvent(LifecycleEvent, level="info"):
    """A decision of a supervisor about a child. `path` is the path of the child."""

    child: str


class BackingOff(SupervisionEvent, level="debug"):
    """A restart was granted and waits until `until` (rule 11). `attempt` is >= 1 and counts since the child last made
    progress.
    """

    incarnation: int
    cause: ExitReason
    attempt: int
    delay: float
    until: float

    def after_exit(self) -> str:
        """When it will be restarted."""
        return f"restart {self.attempt} in {self.delay:.3g} s" if self.delay else f"restart {self.attempt} now"


class Restarting(SupervisionEvent, level="debug"):
    """A child is being restarted; `incarnation` is the number of the new one."""

    incarnation: int
    attempt: int

    def after_exit(self) -> str:
        """That it is being restarted."""
        return f"restart {self.attempt} now"


class Restarted(SupervisionEvent, level="debug"):
    """A restart succeeded: the child is up again."""

    incarnation: int
    attempt: int


class RestartFailed(SupervisionEvent, level="warning"):
    """A start attempt of a restart, or of a `retry_start`, failed (rule 14)."""

    incarnation: int
    cause: ExitReason
    attempt: int

    def after_exit(self) -> str:
        """The number of the attempt."""
        return f"attempt {self.attempt} failed" if self.attempt else "the first start failed"


class GaveUp(SupervisionEvent, level="error"):
    """A budget is spent (rules 9 and 10): the supervisor ends, or with `scope="child"` only the child is dropped."""

    scope: Literal["supervisor", "child"]
    max_restarts: int
    period: float | None
    """Seconds of running; None: in a row without progress."""
    cause: ExitReason

    def after_exit(self) -> str:
        """That it is not restarted any more, and why."""
        counted = "in a row without progress" if self.period is None else f"within {self.period:g} s of running"
        what = "its supervisor gives up" if self.scope == "supervisor" else "given up"
        limit = f"{self.max_restarts} restart" + ("" if self.max_restarts == 1 else "s")
        return f"{what}: the limit is {limit} {counted}"

    @property
    def exception(self) -> BaseException | None:
        cause = self.cause
        while isinstance(cause, RestartLimitExceeded):
            cause = cause.cause
        return cause.exception if isinstance(cause, Crashed) else None


class Dropped(SupervisionEvent, level="debug"):
    """The supervisor has forgotten a child and its spec."""

    reason: ExitReason

    def after_exit(self) -> str:
        """That it is not restarted."""
        return "not restarted"


class AutoShutdown(SupervisionEvent):
    """The end of a significant child ends the supervisor (rule 21)."""


class CallbackFailed(LifecycleEvent, level="error"):
    """An `on_failure` or `on_give_up` callback raised. The supervisor decided as without the callback."""

    callback: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        """The exception of the callback."""
        return self.error


class Concluded(LifecycleEvent, level="info"):
    """A part of the tree has the result that it exists for. `letitcrash run` prints it."""

    value: object
