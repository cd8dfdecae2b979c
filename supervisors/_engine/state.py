"""The moves of the engine: what it can do to a child, to the operation under way and to itself.

Decisions stand in `_engine/decisions.py`. A move changes the records and says what the edge has to do; it never decides
whether.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Literal

from actors.spi import ExitReason, RestartLimitExceeded, Shutdown
from supervisors._engine.budget import Window
from supervisors._engine.child import NOBODY, Child, ChildState, DesiredState
from supervisors._engine.children import Children
from supervisors._engine.effects import (
    Answer,
    Arm,
    Close,
    Disarm,
    Drop,
    Effect,
    Exit,
    Note,
    Ready,
    Refuse,
    Start,
    StartFailedSelf,
    Stop,
)
from supervisors._engine.operation import Operation
from supervisors._engine.settings import NAMES
from supervisors._engine.strategy import shuts_down
from supervisors._specs.spec import Spec, SupervisorSpec
from supervisors.errors import ChildStartError, ShuttingDown, SupervisionError
from supervisors.events import AutoShutdown, BackingOff, Dropped, GaveUp, Restarting


class Phase(Enum):
    """Where the supervisor itself is."""

    NEW = "new"
    STARTING = "starting"
    UP = "up"
    ENDING = "ending"
    ENDED = "ended"


class EngineState:
    """The state of a supervisor and the moves on it."""

    def __init__(
        self, spec: SupervisorSpec, path: str, random: random.Random, numbers: Mapping[str, int] | None = None
    ) -> None:
        self._spec = spec
        self._path = path
        self._random = random
        self._phase = Phase.NEW
        self._roster = Children(numbers)
        self._window = None if spec.period is None else Window(spec.max_restarts, spec.period)
        self._made_progress = False
        self._template = spec.template
        self._operation: Operation | None = None
        self._timers: dict[int, Child | Operation] = {}
        self._last_token = 0
        self._issued = 0
        self._outcome: ExitReason | ChildStartError = Shutdown()
        self._effects: list[Effect] = []

    @property
    def is_ending(self) -> bool:
        """Whether the supervisor ends, and all its children with it."""
        return self._phase in (Phase.ENDING, Phase.ENDED)

    @property
    def spec(self) -> SupervisorSpec:
        """What the supervisor lives by, with the settings that it was given since."""
        return self._spec

    def _take_settings(self, spec: SupervisorSpec, now: float) -> tuple[str, ...]:
        """Lives by the settings of this spec from now on; returns the names of those that differ. What is under way
        goes on as it began.
        """
        differ = tuple(name for name in NAMES if getattr(spec, name) != getattr(self._spec, name))
        self._spec = self._spec.changed(**{name: getattr(spec, name) for name in differ})
        if spec.period is None:
            self._window = None
        elif self._window is None:
            self._window = Window(spec.max_restarts, spec.period)
        else:
            self._window.change(spec.max_restarts, spec.period, now)
        return differ

    # Effects

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _take(self) -> list[Effect]:
        effects, self._effects = self._effects, []
        return effects

    def _answer(self, request: object | None, value: object) -> None:
        if request is not None and request is not NOBODY:
            self._emit(Answer(request, value))

    def _refuse(self, request: object | None, error: SupervisionError) -> None:
        if request is not None and request is not NOBODY:
            self._emit(Refuse(request, error))

    def _arm(self, owner: Child | Operation, delay: float) -> int:
        self._last_token += 1
        self._timers[self._last_token] = owner
        self._emit(Arm(self._last_token, delay))
        return self._last_token

    def _disarm(self, owner: Child | Operation) -> None:
        if owner.token is not None:
            del self._timers[owner.token]
            self._emit(Disarm(owner.token))
            owner.token = None

    # One child

    def _child_path(self, id: str) -> str:
        return f"{self._path}/{id}"

    def _add(self, spec: Spec, now: float, id: str | None = None) -> Child:
        return self._roster.add(spec.id if id is None else id, spec, now, fresh_id=id is not None)

    def _start(self, child: Child, now: float) -> None:
        """Starts the next incarnation; it shows as starting or as restarting (rule 13)."""
        child.queued, child.due, child.until, child.live, child.up_since = False, None, None, True, None
        child.incarnation += 1
        child.lives_by = child.spec
        self._roster.enter(child, child.coming, now)
        if child.coming is ChildState.RESTARTING:
            child.restarts += 1
            event = Restarting(self._child_path(child.id), now, child.id, child.incarnation, child.attempt)
            self._emit(Note(event))
        self._emit(Start(child.id, child.spec, child.incarnation, child.has_cell))
        child.has_cell = True

    def _stop(self, child: Child, goal: DesiredState, now: float) -> None:
        child.goal = goal
        if child.state is not ChildState.STOPPING:
            self._roster.enter(child, ChildState.STOPPING, now)
            self._emit(Stop(child.id, child.incarnation, child.lives_by.shutdown))

    def _wait_alone(self, child: Child, delay: float, now: float) -> None:
        """The child waits for its next attempt, whatever its siblings do."""
        child.due = child.until = now + delay
        self._roster.enter(child, ChildState.BACKING_OFF, now)
        child.token = self._arm(child, delay)

    def _hold(self, child: Child, delay: float, now: float) -> None:
        """The operation under way waits for the delay of this child, and then starts it (rule 12)."""
        child.due = child.until = now + delay
        self._under_way().delayed = True
        self._roster.enter(child, ChildState.BACKING_OFF, now)

    def _note_backing_off(self, child: Child, cause: ExitReason, now: float) -> None:
        if child.until is not None and child.delay is not None:
            path, number = self._child_path(child.id), child.incarnation
            event = BackingOff(path, now, child.id, number, cause, child.attempt, child.delay, child.until)
            self._emit(Note(event))

    def _cancel(self, child: Child) -> None:
        """Nothing is to be started for this child any more."""
        self._disarm(child)
        child.queued, child.due, child.until = False, None, None
        child.forget_failures()

    def _rest(self, child: Child, state: ChildState, reason: ExitReason, now: float) -> None:
        """The child is not up and will not be started by itself. What has no spec worth keeping is dropped
        (rule 6).
        """
        if child.spec.restart == "temporary" or self._spec.is_dynamic:
            self._remove(child, reason, now)
            return
        self._cancel(child)
        self._roster.enter(child, state, now)
        if child.has_cell:
            child.has_cell, child.ref = False, None
            self._emit(Close(child.id))
        self._settle(child, reason)

    def _remove(self, child: Child, reason: ExitReason, now: float) -> None:
        """The child and its spec are gone."""
        self._cancel(child)
        self._roster.remove(child, now, fresh_id=self._spec.is_dynamic)
        self._emit(Drop(child.id))
        self._emit(Note(Dropped(self._child_path(child.id), now, child.id, reason)))
        self._settle(child, reason)

    def _settle(self, child: Child, reason: ExitReason) -> None:
        """The requests that waited for the child: it has stopped, so its start has failed."""
        if child.starter is not None:
            self._refuse(child.starter, ChildStartError(self._child_path(child.id), reason))
            child.starter = None
        for request in child.stoppers:
            self._answer(request, None)
        child.stoppers.clear()

    # The operation under way

    def _under_way(self) -> Operation:
        if self._operation is None:
            self._operation = Operation()
        return self._operation

    def _merge(self, stop: Iterable[Child], start: Iterable[Child], now: float) -> None:
        """Adds to the operation under way, or begins one, and looks at its wait anew."""
        operation = self._under_way()
        operation.add(stop, start)
        self._again(now)

    def _again(self, now: float) -> None:
        """The members or their delays have changed: the wait, if there is one, is measured anew."""
        operation = self._operation
        if operation is not None:
            self._disarm(operation)
            self._show_due(operation)
        self._advance(now)

    def _advance(self, now: float) -> None:
        """The next step of the operation: stop, else wait, else start, else it is complete."""
        operation = self._operation
        if operation is None or operation.busy or operation.token is not None:
            self._finish_if_gone()
        elif (child := operation.next_to_stop()) is not None:
            operation.stopping = child
            assert child.goal is not None
            self._stop(child, child.goal, now)
        else:
            self._go_on(operation, now)

    def _go_on(self, operation: Operation, now: float) -> None:
        """What the operation does when its stops are done."""
        until = operation.until()
        child = operation.next_to_start() if until is None else self._before_the_group(operation)
        if child is not None:
            operation.starting = child
            self._start(child, now)
        elif until is not None:
            self._wait_together(operation, until, now)
        else:
            self._complete(operation)

    def _before_the_group(self, operation: Operation) -> Child | None:
        """Takes a child that an update starts and that no failed member concerns: rest_for_one leaves alone what comes
        before, so that it does not wait with the group (rule 12).
        """
        return operation.next_before_the_wait() if self._spec.strategy == "rest_for_one" else None

    def _wait_together(self, operation: Operation, until: float, now: float) -> None:
        """A group waits for the longest delay of its failed members (rule 12)."""
        operation.token = self._arm(operation, max(0.0, until - now))
        waiting = operation.to_start()
        if all(child.starter is not None for child in waiting):
            self._is_ready()  # what requests ask for is no part of its own start (rule 1)
        for child in waiting:
            if child.starter is not None and child.state is ChildState.STARTING:
                self._start(child, now)  # a request is served while the others wait (rule 12)

    def _show_due(self, operation: Operation) -> None:
        """What others see of each failed member, from the moment on that it is known (rule 13)."""
        until = operation.until()
        if until is not None:
            for child in operation.to_start():
                if child.due is not None:
                    child.until = until

    def _complete(self, operation: Operation) -> None:
        self._operation = None
        for request, value in operation.requests:
            self._answer(request, value)
        self._is_ready()
        self._finish_if_gone()

    def _is_ready(self) -> None:
        """Its own start is complete, if it was not before."""
        if self._phase is Phase.STARTING:
            self._phase = Phase.UP
            self._emit(Ready())

    def _leave(self, child: Child) -> None:
        """The edge has reported this child: the operation does not wait for it any more."""
        operation = self._operation
        if operation is None:
            return
        if operation.stopping is child:
            operation.stopping = None
        if operation.starting is child:
            operation.starting = None

    # The supervisor itself

    def _after_own_end(self, child: Child, now: float) -> None:
        """A child ended for good of its own accord: that may be the end of the supervisor (rule 21)."""
        alive = self._roster.significant_alive()
        mode = self._spec.auto_shutdown
        if shuts_down(mode, significant=child.spec.significant, others_alive=alive):
            self._emit(Note(AutoShutdown(self._child_path(child.id), now, child.id)))
            self._end(Shutdown("auto_shutdown"), now)

    def _charge(self, child: Child, cause: ExitReason, now: float) -> bool:
        """Whether the budget allows one more restart of this child; if not, carries out the limit (rules 8 to
        10).
        """
        own = child.spec.own_restarts
        budget = self._spec if own is None else own
        most, period = budget.max_restarts, budget.period
        if most is None or self._grants(child, most, period, now):
            return True
        limit = RestartLimitExceeded(self._path, child.id, most, period, cause)
        dropped = child.spec.dropped_at_limit
        scope: Literal["supervisor", "child"] = "child" if dropped else "supervisor"
        path = self._child_path(child.id)
        self._emit(Note(GaveUp(path, now, child.id, scope, most, period, cause)))
        if dropped:
            self._remove(child, limit, now)
            self._again(now)
        else:
            if child.starter is not None:
                self._refuse(child.starter, ChildStartError(self._child_path(child.id), limit))
                child.starter = None
            self._give_up(child, limit, now)
        return False

    def _grants(self, child: Child, most: int, period: float | None, now: float) -> bool:
        """Whether one more restart is within the budget: of this child alone, in a row without progress, or of all that
        draw on it, within the period. Counts it if it is.
        """
        if period is not None:
            window = child.window or self._window
            assert window is not None
            return window.grant(child.clock, now)
        if child.stalled >= most:
            return False
        child.stalled += 1
        return True

    def _give_up(self, child: Child, limit: RestartLimitExceeded, now: float) -> None:
        """The supervisor ends abnormally (rule 10); before it is up, its own start has failed (rule 2). Its life was
        progress if the child that ends it had made any.
        """
        self._made_progress = child.productive
        if self._phase is Phase.STARTING:
            self._end(ChildStartError(self._child_path(child.id), limit), now)
        else:
            self._end(limit, now)

    def _end(self, outcome: ExitReason | ChildStartError, now: float) -> None:
        """Stops everything and then ends so (rules 10, 17 and 18). Of two ends the first counts."""
        if self._phase in (Phase.ENDING, Phase.ENDED):
            return
        self._phase, self._outcome = Phase.ENDING, outcome
        self._abandon_operation()
        reason = Shutdown() if isinstance(outcome, ChildStartError) else outcome
        for child in list(self._roster):
            self._refuse_all(child)
            if child.live:
                self._cancel(child)
                child.goal = DesiredState.DROP
            else:
                self._remove(child, reason, now)
        if self._spec.is_dynamic:
            # Unordered children stop in parallel, under one timer of the edge (rule 6).
            for child in self._roster:
                self._stop(child, DesiredState.DROP, now)
            self._finish_if_gone()
        else:
            self._merge(list(self._roster), (), now)

    def _abandon_operation(self) -> None:
        operation, self._operation = self._operation, None
        if operation is not None:
            self._disarm(operation)
            for request, _ in operation.requests:
                self._refuse(request, ShuttingDown(self._path))

    def _refuse_all(self, child: Child) -> None:
        for request in (child.starter, *child.stoppers):
            self._refuse(request, ShuttingDown(self._path))
        child.starter = None
        child.stoppers.clear()

    def _finish_if_gone(self) -> None:
        if self._phase is not Phase.ENDING or len(self._roster) > 0:
            return
        self._phase = Phase.ENDED
        if isinstance(self._outcome, ChildStartError):
            self._emit(StartFailedSelf(self._outcome))
        else:
            self._emit(Exit(self._outcome))
