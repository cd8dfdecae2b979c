"""A supervisor's record of one child, and the child's visible state (rule 13)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, cast

from actors.spi import ActorRef, ExitReason, RestartLimitExceeded
from supervisors._engine.budget import UpClock, Window
from supervisors._specs.spec import ChildSpec, OwnBudget, Spec, SupervisorSpec


class ChildState(StrEnum):
    """The state of a child; it always has exactly one (rule 13)."""

    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DECLINED = "declined"

    # Enum hashes a name in Python code; states are keys on the path of every restart.
    __hash__ = str.__hash__


ALIVE = frozenset(set(ChildState) - {ChildState.STOPPED, ChildState.DECLINED})
"""States in which a child is up or will be: it counts as alive for automatic shutdown (rule 21)."""

WAITING = frozenset({ChildState.BACKING_OFF, ChildState.RESTARTING})
"""States in which a child waits for its next attempt, or is in it (rule 16)."""

STABLE_AFTER = 30.0
"""Seconds that a child without a backoff must stay up for its attempts to be forgotten: as in the default backoff."""

DOWN = frozenset({ChildState.STARTING, ChildState.RESTARTING, ChildState.BACKING_OFF})
"""States in which the up time of a child stands still (rule 8). At rest it does not: entries age by the clock."""


class DesiredState(Enum):
    """The state that a child will have once it has stopped."""

    REST = "rest"
    RESTART = "restart"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class ChildInfo:
    """One child as `which_children` shows it. `until` is when its backoff ends, in seconds of the monotonic clock."""

    id: str
    state: ChildState
    until: float | None
    incarnation: int
    restarts: int
    is_supervisor: bool
    spec: ChildSpec | SupervisorSpec
    ref: ActorRef[Any] | None
    """None: it has not been up yet, or it is stopped."""


@dataclass(frozen=True, slots=True)
class ChildCounts:
    """The number of children, counted as in OTP. `active` are those that run."""

    specs: int
    active: int
    supervisors: int
    workers: int
    states: dict[ChildState, int]


@dataclass(slots=True, eq=False)
class Child:
    """One child. Only the engine changes it."""

    id: str
    """Its id within the supervisor. Children of a template share its spec, which has another id."""
    spec: Spec
    position: int
    """Its place in the start order."""
    clock: UpClock
    own_budget: OwnBudget | None
    """The budget of its own, if its spec gives it one (rule 9)."""
    window: Window | None
    incarnation: int
    """The number of its latest start. A notice with another number is stale."""
    lives_by: Spec
    """The spec of its latest incarnation. After `update_specs` it differs from `spec` until the child is restarted."""
    state: ChildState = ChildState.STARTING
    live: bool = False
    """The edge has an incarnation whose end it has not reported."""
    has_cell: bool = False
    ever_up: bool = False
    queued: bool = False
    """The operation under way will start it."""
    missed: bool = False
    """It terminated before the order to stop reached it."""
    goal: DesiredState | None = None
    """Set while its stop is queued or under way."""
    due: float | None = None
    """When its own delay ends."""
    until: float | None = None
    """When it will be started, as others see it: in a group after the longest delay (rule 12)."""
    attempt: int = 0
    delay: float | None = None
    stalled: int = 0
    """The number of its restarts in a row without progress (rule 8)."""
    productive: bool = False
    """Whether one of its incarnations has made progress."""
    up_since: float | None = None
    restarts: int = 0
    token: int | None = None
    """The timer of a wait outside of an operation."""
    ref: object | None = None
    starter: object | None = None
    """The request that waits for its start."""
    restarters: tuple[object, ...] = ()
    """Requests that wait until it has been stopped and is up again."""
    undo: DesiredState = DesiredState.REST
    """Its state after a failed start that a request asked for."""
    stoppers: tuple[object, ...] = ()
    """Requests that wait until it has stopped."""

    @property
    def coming(self) -> ChildState:
        """The state during its next start: restarting if it was up before and no request asks for the start."""
        return ChildState.RESTARTING if self.ever_up and self.starter is None else ChildState.STARTING

    @property
    def awaits_start(self) -> bool:
        """Whether a request to start it waits for its turn."""
        return self.starter is not None and not self.live

    @property
    def info(self) -> ChildInfo:
        """The child as others see it."""
        until = self.until if self.state is ChildState.BACKING_OFF else None
        is_supervisor = self.spec.is_supervisor
        return ChildInfo(
            self.id,
            self.state,
            until,
            self.incarnation,
            self.restarts,
            is_supervisor,
            self.own_spec,
            cast("ActorRef[Any] | None", self.ref),
        )

    @property
    def own_spec(self) -> Spec:
        """Its spec, with its own id."""
        return self.spec if self.spec.id == self.id else self.spec.renamed(self.id)

    def down(self, now: float, handled: int, reason: ExitReason, healthy: bool = False) -> None:
        """An incarnation has ended. If it made progress, the failures of the child are forgotten (rules 8 and 11).

        Progress is that it said itself that it works, and, unless its backoff says that only this counts, a message
        handled without failure or a stable run. The run of a supervisor that gave up does not
        count, because it was spent on restarts; its `handled` is 1 if the child that ended it had made progress.
        """
        backoff = self.spec.backoff
        if self.up_since is not None:
            stable_after = STABLE_AFTER if backoff is None else backoff.stable_after
            stable = now - self.up_since >= stable_after and not isinstance(reason, RestartLimitExceeded)
            if healthy or (backoff is not None and backoff.reset == "healthy"):
                handled, stable = int(healthy), False
            if handled or stable:
                self.productive = True
                self.forget_failures()
        self.up_since = None

    def stalls(self, most: int) -> bool:
        """Whether it may be restarted without progress once more, at most so often; counts it if so."""
        if self.stalled >= most:
            return False
        self.stalled += 1
        return True

    def forget_failures(self) -> None:
        """Its attempts and its restarts without progress count from 0 again."""
        self.attempt, self.delay, self.stalled = 0, None, 0

    def fail(self, random: random.Random) -> float:
        """Counts a failure; draws and returns the delay before the next attempt, in seconds (rule 11)."""
        backoff = self.spec.backoff
        self.attempt += 1
        self.delay = 0.0 if backoff is None else backoff.delay(self.attempt, self.delay, random)
        return self.delay


def window_of(own: OwnBudget | None) -> Window | None:
    """The window of a child with a budget of its own and a period (rule 9)."""
    return None if own is None or own.period is None else Window(own.max_restarts, own.period)
