"""What the engine asks its edge to do, and what it has to tell. All times are seconds of the monotonic clock.

The edge keeps a child's cell (ref, path, name, queue) from its first `Start` until `Close` or `Drop`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from actors.spi import ExitReason
from supervisors._specs.spec import Grace, Spec
from supervisors.errors import ChildStartError, SupervisionError
from supervisors.events import SupervisionEvent

Verdict = Literal["restart", "stop"]
"""What an `on_failure` callback may say in place of the table."""


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

    error: ChildStartError


@dataclass(frozen=True, slots=True)
class Exit:
    """The supervisor ends with this reason. The last effect: every child is gone (rule 18)."""

    reason: ExitReason


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the ledger and the lifecycle stream (rule 30)."""

    event: SupervisionEvent


Effect = Start | Stop | Adopt | Close | Drop | Arm | Disarm | Answer | Refuse | Ready | StartFailedSelf | Exit | Note
