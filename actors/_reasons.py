"""Exit reasons: why an incarnation ended, as values.

`Normal`, `Shutdown` are *expected*; `Killed`, `Crashed`, `NoProc`, `RuntimeLost` and `RestartLimitExceeded` are
*abnormal* (supervision.md, "Exit reasons"). Reasons compare by value and survive pickling.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ExitReason:
    """Base of all exit reasons."""

    expected: ClassVar[bool] = False
    """Whether a transient child that exits so is left alone."""

    @property
    def kind(self) -> str:
        """The class of the reason in one word, as used for metric labels."""
        return type(self).__name__.lower()

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class Normal(ExitReason):
    """The actor asked to stop."""

    expected: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Shutdown(ExitReason):
    """The actor was told to stop; `detail` says why, where anybody said so."""

    expected: ClassVar[bool] = True
    detail: str | None = None

    def __str__(self) -> str:
        return "shutdown" if self.detail is None else f"shutdown({self.detail})"


@dataclass(frozen=True, slots=True)
class Killed(ExitReason):
    """The actor had no say."""

    detail: str | None = None

    def __str__(self) -> str:
        return "killed" if self.detail is None else f"killed({self.detail})"


@dataclass(frozen=True, slots=True)
class NoProc(ExitReason):
    """Asked about an actor that does not exist (any more)."""


@dataclass(frozen=True, slots=True, eq=False)
class Crashed(ExitReason):
    """An exception nobody handled, `SystemExit` and `KeyboardInterrupt` included.

    Two crashes are equal when their exceptions have the same type and the same arguments: an exception compares by
    identity, which a value that was pickled, or that two incarnations raised alike, would fail.
    """

    exception: BaseException

    def _key(self) -> tuple[type[BaseException], str]:
        return type(self.exception), repr(self.exception.args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crashed) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        name = type(self.exception).__name__
        try:
            text = str(self.exception)
        except Exception:  # noqa: BLE001 - an exception of the user's whose own __str__ fails still has a class
            text = "it cannot be shown"
        return f"crashed({name}: {text})" if text else f"crashed({name})"


@dataclass(frozen=True, slots=True)
class RuntimeLost(ExitReason):
    """The event loop of the runtime ended, or could not go on, while the actor was there. `why` says what happened."""

    runtime: str
    why: str
    cause: BaseException | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return "runtime_lost"

    def __str__(self) -> str:
        return f"runtime_lost({self.runtime}: {self.why})"


@dataclass(frozen=True, slots=True)
class RestartLimitExceeded(ExitReason):
    """A supervisor gave up: `child` was to be restarted more than `max_restarts` times within `period` seconds of
    running; with a `period` of None: more than `max_restarts` times in a row without progress.

    OTP exits with `shutdown` here, which a transient supervisor's own supervisor takes for a wish; ours is abnormal.
    """

    path: str
    child: str
    max_restarts: int
    period: float | None
    cause: ExitReason

    @property
    def kind(self) -> str:
        return "restart_limit_exceeded"

    @property
    def span(self) -> str:
        """How the restarts were counted, in words."""
        return "in a row without progress" if self.period is None else f"within {self.period:g} s of running"

    def __str__(self) -> str:
        return (
            f"restart_limit_exceeded({self.path}: child {self.child!r} needed more than {self.max_restarts} restarts "
            f"{self.span}; last cause: {self.cause})"
        )
