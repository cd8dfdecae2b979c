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
from supervisors.errors import ChildStartError, ShuttingDown, SupervisionError
from supervisors.events import BackingOff, RestartFailed, SupervisionEvent

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

    def __init__(self, path: str) -> None:
        """`path` is the place of the supervisor in the tree."""
        super().__init__()
        self._path = path
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

    # The requests that wait for one child, and its attempts

    def settle(self, child: Child, reason: ExitReason) -> None:
        """Settles the requests that waited for the child: it has stopped, so its start has failed."""
        self.refuse_start(child, reason)
        for request in child.stoppers:
            self.answer(request, None)
        child.stoppers = ()

    def refuse_start(self, child: Child, reason: ExitReason) -> None:
        """The requests for a start of the child have failed."""
        if child.starter is not None:
            self.refuse(child.starter, ChildStartError(f"{self._path}/{child.id}", reason))
            child.starter = None
        if child.restarters:
            self.refuse_restart(child, reason)

    def refuse_restart(self, child: Child, reason: ExitReason) -> None:
        """The requests to stop and start the child have failed."""
        for request in child.restarters:
            self.refuse(request, ChildStartError(f"{self._path}/{child.id}", reason))
        child.restarters = ()

    def refuse_all(self, child: Child) -> None:
        """The supervisor ends: every request that waits for the child has failed."""
        if child.starter is None and not child.stoppers and not child.restarters:
            return
        for request in (child.starter, *child.stoppers, *child.restarters):
            self.refuse(request, ShuttingDown(self._path))
        child.starter = None
        child.stoppers = ()
        child.restarters = ()

    def backing_off(self, child: Child, cause: ExitReason, now: float) -> None:
        """Tells that the child waits for its next attempt, if it does."""
        if child.until is not None and child.delay is not None:
            path, number = f"{self._path}/{child.id}", child.incarnation
            self.append(Note(BackingOff(path, now, child.id, number, cause, child.attempt, child.delay, child.until)))

    def restart_failed(self, child: Child, reason: ExitReason, now: float) -> None:
        """Tells that an attempt has failed."""
        path, number = f"{self._path}/{child.id}", child.incarnation
        self.append(Note(RestartFailed(path, now, child.id, number, reason, child.attempt)))
