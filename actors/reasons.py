"""Exit reasons: why an incarnation ended, as values.

`Normal` and `Shutdown` are *expected*; `Killed`, `Crashed`, `Lost`, `NoProc`, `RuntimeLost` and `RestartLimitExceeded`
are *abnormal* (supervision rules, "Exit reasons"). Reasons compare by value and survive pickling.

A reason may hold an exception of a user. `str`, `repr`, `==` and `hash` of a reason work even if those of the exception
raise or do not end (_user_code/text.py, _user_code/equality.py). A long text is cut; in a long chain of reasons the
middle is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from itertools import zip_longest
from typing import ClassVar, cast

from actors._record import Record
from actors._user_code.text import LONGEST, TEXT, args_of, attribute, cut, described, key_of, said, shown


class ExitReason(Record):
    """Base of all exit reasons."""

    expected: ClassVar[bool] = False
    """Whether a transient child is not restarted after this exit."""

    @property
    def kind(self) -> str:
        """The class of the reason in one word, as in metric labels."""
        return type(self).__name__.lower()

    @property
    def came_from(self) -> ExitReason | None:
        """The reason of another exit that caused this one."""
        return None

    def __str__(self) -> str:
        return _fitted(self.kind)


class Normal(ExitReason):
    """The actor asked to stop."""

    expected: ClassVar[bool] = True


class Shutdown(ExitReason):
    """The actor was told to stop; `detail` says why, if the caller gave a reason."""

    expected: ClassVar[bool] = True
    detail: str | None = None

    def __str__(self) -> str:
        return "shutdown" if self.detail is None else _fitted(f"shutdown({said(self.detail, TEXT)})")


class StoppedForGood(Shutdown):
    """The actor was told to stop, and is not started again, whatever its spec says: `ActorRegistry.stop_all` of pykka
    was called.
    """

    @property
    def kind(self) -> str:
        """A shutdown like others, for metrics."""
        return "shutdown"


class Killed(ExitReason):
    """The actor was killed: no handler or hook of it ran any more."""

    detail: str | None = None

    def __str__(self) -> str:
        return "killed" if self.detail is None else _fitted(f"killed({said(self.detail, TEXT)})")


class NoProc(ExitReason):
    """The actor does not exist, or has terminated."""


class Crashed(ExitReason):
    """An unhandled exception, `SystemExit` and `KeyboardInterrupt` included.

    Two crashes are equal if their exceptions have the same type and arguments with the same `repr`. Exceptions
    themselves compare by identity, so a pickled copy would not be equal.
    """

    exception: BaseException

    @property
    def came_from(self) -> ExitReason | None:
        found = attribute(self.exception, "reason")
        return found if isinstance(found, ExitReason) else None

    def _key(self) -> tuple[object, ...]:
        return (id(type(self.exception)), *map(key_of, args_of(self.exception)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crashed) and (self.exception is other.exception or self._key() == other._key())

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        # Short enough to need no second cut: a supervisor notes the text of each crash.
        return f"crashed({described(self.exception, TEXT - LONGEST)})"


class Lost(Crashed):
    """The process of the actor ended, and the actor with it: a segfault, `os._exit`, a `kill -9`. It is a crash whose
    exception is a `PlaceLost`, which says how the process ended.
    """

    @property
    def place(self) -> str:
        """The process: `process 4711`."""
        return str(attribute(self.exception, "place"))

    @property
    def how(self) -> str:
        """The end of the process in words: `process 4711 was killed by SIGSEGV`."""
        return str(attribute(self.exception, "how"))

    @property
    def signal(self) -> int | None:
        """The number of the signal that killed the process; None: no signal did, or that is not known."""
        return cast("int | None", attribute(self.exception, "signal"))

    @property
    def exit_code(self) -> int | None:
        """The exit code of the process; None: a signal killed it, or that is not known."""
        return cast("int | None", attribute(self.exception, "exit_code"))

    @property
    def max_rss(self) -> int | None:
        """The most memory that the process had in RAM, in bytes; None: not known."""
        return cast("int | None", attribute(self.exception, "max_rss"))

    @property
    def cpu(self) -> float | None:
        """The seconds of CPU time that the process used; None: not known."""
        return cast("float | None", attribute(self.exception, "cpu"))

    def __str__(self) -> str:
        return _fitted(f"lost({said(self.how, TEXT)})")


class RuntimeLost(ExitReason):
    """The event loop of the runtime ended, or could not go on, while the actor existed. `why` says what happened."""

    runtime: str
    why: str
    cause: BaseException | None = field(default=None, compare=False)

    @property
    def kind(self) -> str:
        return "runtime_lost"

    def __str__(self) -> str:
        return _fitted(f"runtime_lost({said(self.runtime)}: {said(self.why)})")


class RestartLimitExceeded(ExitReason):
    """A supervisor gave up: `child` needed more than `max_restarts` restarts within `period` seconds of running; with a
    `period` of None, in a row without progress.

    OTP exits with `shutdown` here, after which a transient supervisor is not restarted. This reason is abnormal.
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
        """The span in which the restarts were counted, in words."""
        return "in a row without progress" if self.period is None else f"within {self.period:g} s of running"

    @property
    def came_from(self) -> ExitReason | None:
        return self.cause

    def _steps(self) -> Iterator[object]:
        """The values to compare, level by level: a supervisor may give up because one below it gave up, and so on."""
        step: ExitReason = self
        while isinstance(step, RestartLimitExceeded):
            yield step.path, step.child, step.max_restarts, step.period
            step = step.cause
        yield step

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RestartLimitExceeded) and all(
            one == two for one, two in zip_longest(self._steps(), other._steps())
        )

    def __hash__(self) -> int:
        return hash((self.path, self.child, self.max_restarts))

    def __str__(self) -> str:
        return _fitted(
            f"restart_limit_exceeded({said(self.path)}: child {shown(self.child)} needed more than "
            f"{said(self.max_restarts)} restarts {self.span}; last cause: {within(self.cause)})"
        )


def _fitted(text: str) -> str:
    """The text in one line, cut if it is too long."""
    return text if len(text) <= TEXT and text.isprintable() else cut(text, TEXT)


def causes(reason: ExitReason) -> Iterator[ExitReason]:
    """The reason, its cause, and so on to the first one."""
    seen: set[int] = set()
    step: ExitReason | None = reason
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.came_from


def within(reason: ExitReason) -> str:
    """A reason as part of a longer text. Of a long chain it shows the last two causes, which say what began it."""
    steps = list(causes(reason))
    if len(steps) <= 2:
        return said(reason, TEXT)
    return f"{said(steps[-2], TEXT)} ({len(steps) - 2} between)"
