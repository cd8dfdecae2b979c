"""Effects: what the engine asks its edge to do. All times are seconds of the monotonic clock.

The edge keeps a child's cell (ref, path, name, queue) from its first `Start` until `Close` or `Drop`.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from actors.spi import ExitReason, Record
from supervisors._engine.children import Child
from supervisors._engine.operation import Operation
from supervisors._specs.spec import Grace, Spec
from supervisors.errors import ChildStartError, SupervisionError
from supervisors.events import SupervisionEvent

FailureDecision = Literal["restart", "stop"]
"""The values that an `on_failure` callback may return in place of the table."""

NO_ANSWER = object()
"""The request of a start that wants no answer. None means that there was no request."""


class Start(Record):
    """Start an incarnation, then report `started`, `start_failed`, `declined` or `exited` with its number.

    With `keep` it goes into the cell the child has; otherwise it gets a fresh one.
    """

    id: str
    spec: Spec
    incarnation: int
    keep: bool
    request: object | None
    """The request that it is started for; None: there is none."""


class Stop(Record):
    """Tell it to shut down, wait `grace`, kill it, and report `exited` when it has terminated (rule 17).

    It may still be starting. Many of these in one answer share one timer (rule 6).
    """

    id: str
    incarnation: int
    grace: Grace


class Adopt(Record):
    """Put this policy in force for the running incarnation, and these settings if it is a supervisor. What it runs does
    not change (rule 23).
    """

    id: str
    spec: Spec


class Close(Record):
    """The child is at rest and its spec is kept: close its cell (dead letters, names, monitors)."""

    id: str


class Drop(Record):
    """The child is forgotten, with its spec: its cell, if it has one, closes."""

    id: str


class Arm(Record):
    """Call `due(token, now)` after `delay` seconds; 0 is a message to itself (rule 14)."""

    token: int
    delay: float


class Disarm(Record):
    """Cancel the timer of this token."""

    token: int


class Answer(Record):
    """The request succeeded with this value."""

    request: object
    value: object


class Refuse(Record):
    """The request failed."""

    request: object
    error: SupervisionError


class Ready(Record):
    """The supervisor's own start is complete (rule 1)."""


class StartFailedSelf(Record):
    """The supervisor's own start failed (rule 2). The last effect: every child has terminated."""

    error: ChildStartError


class ExitSelf(Record):
    """The supervisor ends with this reason. The last effect: every child has terminated (rule 18)."""

    reason: ExitReason


class Note(Record):
    """An event for the ledger and the lifecycle stream (rule 30)."""

    event: SupervisionEvent


Effect = (
    Start | Stop | Adopt | Close | Drop | Arm | Disarm | Answer | Refuse | Ready | StartFailedSelf | ExitSelf | Note
)


class EffectList(deque[Effect]):
    """The effects of one input in order: the edge takes them from the left. Keeps the owners of the timers that are
    armed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._owners: dict[int, Child | Operation] = {}
        self._last_token = 0

    def answer(self, request: object | None, value: object) -> None:
        """The request succeeded, if there is one."""
        if request is not None and request is not NO_ANSWER:
            self.append(Answer(request, value))

    def refuse(self, request: object | None, error: SupervisionError) -> None:
        """The request failed, if there is one."""
        if request is not None and request is not NO_ANSWER:
            self.append(Refuse(request, error))

    def arm(self, owner: Child | Operation, delay: float) -> int:
        """Arms a timer for this owner; returns its token."""
        self._last_token += 1
        self._owners[self._last_token] = owner
        self.append(Arm(self._last_token, delay))
        return self._last_token

    def disarm(self, owner: Child | Operation) -> None:
        """Disarms the timer of this owner, if it has one."""
        if owner.token is not None:
            del self._owners[owner.token]
            self.append(Disarm(owner.token))
            owner.token = None

    def fired(self, token: int) -> Child | Operation | None:
        """The owner of the timer that has fired; None if it was disarmed before."""
        owner = self._owners.pop(token, None)
        if owner is not None:
            owner.token = None
        return owner
