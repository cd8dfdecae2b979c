"""A supervisor's records of its children: the state and the clock of each (rules 8 and 13), and all of them in start
order, with counts that are updated on every change.

No operation on one child looks at the others: a dynamic supervisor may have 100,000.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from operator import attrgetter
from typing import Any, cast

from actors.spi import ActorRef, ExitReason, RestartLimitExceeded
from supervisors._engine.budget import Window
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


class UpClock:
    """A clock of a child that stands still while the child is down. In seconds.

    It counts the time *down*, not the time up. So the age of a restart is a difference of two clock readings if the
    child was never down, exact at the edge of the window. A sum of up times would add the rounding of every restart.
    """

    __slots__ = ("_down", "_since")

    def __init__(self, now: float) -> None:
        self._down = 0.0
        self._since: float | None = now

    def pause(self, now: float) -> None:
        """The child is down from now on. No effect while paused."""
        if self._since is None:
            self._since = now

    def resume(self, now: float) -> None:
        """The child is up from now on, or at rest, where its entries age by the clock. No effect while running."""
        if self._since is not None:
            self._down += now - self._since
            self._since = None

    def down(self, now: float) -> float:
        """The seconds that the child has been down in total."""
        return self._down if self._since is None else self._down + (now - self._since)


@dataclass(slots=True, eq=False)
class Child:
    """One child. Only the engine changes it."""

    id: str
    """Its id within the supervisor. Children of a template share its spec, which has another id."""
    spec: Spec
    position: int
    """Its place in the start order."""
    own_budget: OwnBudget | None
    """The budget of its own, if its spec gives it one (rule 9)."""
    window: Window | None
    incarnation: int
    """The number of its latest start. A notice with another number is stale."""
    lives_by: Spec
    """The spec of its latest incarnation. After `update_specs` it differs from `spec` until the child is restarted."""
    state: ChildState = ChildState.STARTING
    coming: ChildState = ChildState.STARTING
    """Its state during its next start: restarting if it was up before and no request asks for the start."""
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
    clock: UpClock | None = None
    """Its clock, once a restart of it is in a window."""
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

    def measured(self, now: float) -> UpClock:
        """Its clock, for a window that counts a restart of it: the child is down."""
        if self.clock is None:
            self.clock = UpClock(now)
        return self.clock

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


class Children:
    """Children by id, in start order."""

    def __init__(self, numbers: Mapping[str, int] | None = None) -> None:
        """`numbers` has the last incarnation by id, from an earlier life of the supervisor: the next one continues."""
        self._numbers = numbers or {}
        self.by_id: dict[str, Child] = {}
        self._states: Counter[ChildState] = Counter()
        self._supervisors = 0
        self._significant: set[str] = set()
        self._next_position = 0
        self._retired = 0
        self._order: list[Child] | None = None
        """The start order as a list, made when first needed. The order of `by_id` is the same."""

    def __len__(self) -> int:
        return len(self.by_id)

    def __iter__(self) -> Iterator[Child]:
        return iter(self.by_id.values())

    def order(self) -> Sequence[Child]:
        """The start order. Do not change the list; it is stale after the next change of the children."""
        if self._order is None:
            self._order = list(self.by_id.values())
        return self._order

    def place(self, child: Child) -> int:
        """The index of the child in the start order, in logarithmic time."""
        return bisect_left(self.order(), child.position, key=attrgetter("position"))

    def get(self, id: object) -> Child | None:
        """The child with this id, or None (also for an id that is not a string)."""
        return self.by_id.get(id) if isinstance(id, str) else None

    def add(self, id: str, spec: Spec, *, fresh_id: bool = False) -> Child:
        """A new child at the end of the order, not started yet.

        Its incarnations are numbered from 1, or from above those of every removed child, because an id may be used
        again: a late notice of the old child must not be taken for one of the new. `fresh_id`: the id was never used.
        """
        number = 0 if fresh_id else max(self._retired, self._numbers.get(id, 0))
        own = spec.own_restarts
        child = Child(id, spec, self._position(), own, window_of(own), number, spec)
        self.by_id[id] = child
        if self._order is not None:
            self._order.append(child)
        self._count(child, +1)
        return child

    def remove(self, child: Child, now: float, *, fresh_id: bool = False) -> None:
        """Forgets the child. Its entries in the window age by the clock from now on (rule 8)."""
        self._count(child, -1)
        if self._order is not None:
            del self._order[self.place(child)]
        del self.by_id[child.id]
        if child.clock is not None:
            child.clock.resume(now)
        if not fresh_id:
            self._retired = max(self._retired, child.incarnation)

    def enter(self, child: Child, state: ChildState, now: float) -> None:
        """Changes the visible state of a child, and starts or stops its clock (rule 8). A child that is told to stop
        during its start was not up.
        """
        self._states[child.state] -= 1
        self._states[state] += 1
        child.state = state
        if child.clock is not None:
            if state in DOWN or (state is ChildState.STOPPING and child.up_since is None):
                child.clock.pause(now)
            else:
                child.clock.resume(now)
        if child.spec.significant:
            self._watch(child)

    def adopt(self, child: Child, spec: Spec) -> None:
        """Gives a child another spec with the same id. A changed budget of its own starts empty."""
        self._count(child, -1)
        own = spec.own_restarts
        if own != child.own_budget:
            child.own_budget, child.window, child.stalled = own, window_of(own), 0
        child.spec = spec
        self._count(child, +1)

    def reorder(self, ids: Iterable[str]) -> None:
        """Sets the start order. Children that are not named are being removed, and come before the others."""
        named = [self.by_id[id] for id in ids]
        staying = set(named)
        leaving = {child.id: child for child in self if child not in staying}
        for child in named:
            child.position = self._position()
        self.by_id = leaving | {child.id: child for child in named}
        self._order = None

    def significant_alive(self) -> int:
        """The number of significant children that run or will run again (rule 21)."""
        return len(self._significant)

    def counts(self) -> ChildCounts:
        """The children counted."""
        return ChildCounts(
            specs=len(self),
            active=self._states[ChildState.RUNNING],
            supervisors=self._supervisors,
            workers=len(self) - self._supervisors,
            states={state: self._states[state] for state in ChildState},
        )

    def _position(self) -> int:
        self._next_position += 1
        return self._next_position

    def _count(self, child: Child, step: int) -> None:
        self._states[child.state] += step
        self._supervisors += step * child.spec.is_supervisor
        if child.spec.significant and step > 0:
            self._watch(child)
        else:
            self._significant.discard(child.id)

    def _watch(self, child: Child) -> None:
        if child.state in ALIVE:
            self._significant.add(child.id)
        else:
            self._significant.discard(child.id)
