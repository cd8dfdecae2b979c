"""The supervisor as a pure, event-driven state machine: supervision rules 1 to 25.

The engine is in three modules: `_engine.state` is what it can do, `_engine.requests` its API, and this one what it
makes of exits.

Every input returns what the edge has to do, in order. Nothing here reads a clock, draws from a global random,
waits or does input or output; `now` is seconds of a monotonic clock. The edge may be late: a notice about an
incarnation that is not the current one, a second notice of the same exit, and a timer that was disarmed are
all without effect.

Three things the rules leave open are decided here. A group restart brings back what was up: a child that
ended for good, was terminated or declined stays as it is. A start asked for by `start_child` or
`restart_child` takes its turn in the operation under way, but does not wait for a backoff; when it fails and is
tried again, nobody waits for it. An exit that comes after the order to stop is the stop's own, whatever its reason.
"""

from __future__ import annotations

from actors.spi import ExitReason, Normal
from supervisors._engine.child import Child, ChildState, DesiredState
from supervisors._engine.effects import Effect, Note, Verdict
from supervisors._engine.operation import Operation
from supervisors._engine.requests import EngineRequests
from supervisors._engine.state import Phase
from supervisors._engine.strategy import group, is_group, verdict
from supervisors.errors import ChildStartError
from supervisors.events import Restarted, RestartFailed


class Engine(EngineRequests):
    """One supervisor's decisions. `path` is its place in the tree; `random` draws the jitter.

    `started`, `start_failed`, `declined` and `exited` carry the incarnation number of the `Start` they are
    about. A `request` is whatever the edge wants back in exactly one `Answer` or `Refuse`; None asks for
    neither.
    """

    def start(self, now: float) -> list[Effect]:
        """Starts the children in order (rule 1). `Ready` follows, or `StartFailedSelf` (rule 2)."""
        if self._phase is Phase.NEW:
            self._phase = Phase.STARTING
            self._merge((), [self._add(spec, now) for spec in self._spec.children], now)
        return self._take()

    def shutdown(self, reason: ExitReason, now: float) -> list[Effect]:
        """Cancels what waits, stops all children, then exits with this reason (rules 12, 17 and 18)."""
        self._end(reason, now)
        return self._take()

    def abandon(self) -> list[Effect]:
        """The supervisor is gone, perhaps without having ended: refuses the requests that wait."""
        self._phase = Phase.ENDED
        self._abandon_operation()
        for child in self._roster:
            self._refuse_all(child)
        return self._take()

    # What the edge reports

    def started(self, id: str, incarnation: int, now: float, ref: object | None = None) -> list[Effect]:
        """The incarnation is up; `ref` is how others reach it, which `start_child` answers with."""
        child = self._current(id, incarnation)
        if child is None or child.state is ChildState.RUNNING:
            return self._take()
        if child.state is not ChildState.STOPPING:
            operation = self._operation
            if operation is not None and operation.starting is child and child.starter is None:
                operation.started.append(child)
            self._leave(child)
            again = child.state is ChildState.RESTARTING
            self._is_up(child, ChildState.RUNNING, now, ref)
            if again:
                self._emit(Note(Restarted(self._child_path(id), now, id, incarnation, child.attempt)))
            self._advance(now)
        elif child.missed:
            # It came up, and was gone again before the order to stop could reach it: the exit to come is its own.
            self._is_up(child, ChildState.STOPPING, now, ref)
        return self._take()

    def _is_up(self, child: Child, state: ChildState, now: float, ref: object | None) -> None:
        child.ever_up, child.up_since, child.ref = True, now, ref
        self._roster.enter(child, state, now)
        self._answer(child.starter, ref)
        child.starter = None

    def start_failed(
        self, id: str, incarnation: int, reason: ExitReason, now: float, verdict: Verdict | None = None
    ) -> list[Effect]:
        """The incarnation did not come up (rules 2, 4, 14 and 15). A `verdict` of "stop" ends the attempts."""
        child = self._current(id, incarnation)
        if child is not None and child.state is not ChildState.RUNNING:
            self._down(child, reason, verdict, now)
        return self._take()

    def declined(self, id: str, incarnation: int, now: float) -> list[Effect]:
        """The incarnation raised `IgnoreStart` (rule 3)."""
        child = self._current(id, incarnation)
        if child is None or child.state is ChildState.RUNNING:
            return self._take()
        if child.goal is not None:
            # Its stop is under way or in line, and not needed any more.
            child.missed = False
            self._roster.enter(child, ChildState.STOPPING, now)
            self._down(child, Normal(), None, now)
            return self._take()
        self._leave(child)
        child.live = False
        self._answer(child.starter, None)
        child.starter = None
        self._rest(child, ChildState.DECLINED, Normal(), now)
        self._advance(now)
        return self._take()

    def exited(
        self,
        id: str,
        incarnation: int,
        reason: ExitReason,
        now: float,
        verdict: Verdict | None = None,
        handled: int = 0,
    ) -> list[Effect]:
        """The incarnation is gone. `verdict` is what an `on_failure` callback said in place of the table; `handled` is
        how many messages the incarnation handled without failure.

        With "stop" no restart is wanted: the spec is kept and the child stopped, a temporary one is dropped.
        """
        child = self._current(id, incarnation)
        if child is not None:
            self._down(child, reason, verdict, now, handled)
        return self._take()

    def missed(self, id: str, incarnation: int) -> list[Effect]:
        """The incarnation was gone before the order to stop could reach it: the exit to be reported is its own (rules
        7 and 12).
        """
        child = self._current(id, incarnation)
        if child is not None:
            child.missed = True
        return self._take()

    def due(self, token: int, now: float) -> list[Effect]:
        """The timer of this token has fired (rules 11, 12 and 14)."""
        owner = self._timers.pop(token, None)
        if owner is None:
            return self._take()
        owner.token = None
        if isinstance(owner, Child):
            self._start(owner, now)
        else:
            self._waited(owner, now)
        return self._take()

    # Exits and failed starts

    def _current(self, id: str, incarnation: int) -> Child | None:
        """The child this notice is about, unless the notice is stale."""
        child = self._roster.get(id)
        return child if child is not None and child.live and child.incarnation == incarnation else None

    def _down(self, child: Child, reason: ExitReason, said: Verdict | None, now: float, handled: int = 0) -> None:
        """An incarnation is gone, one way or another: what that means depends on where the child was."""
        was_up = child.state is ChildState.RUNNING or (child.missed and child.up_since is not None)
        was_stopping = child.state is ChildState.STOPPING and not child.missed
        child.down(now, handled, reason)
        goal, child.goal, child.live, child.missed = child.goal, None, False, False
        self._leave(child)
        if self._phase is Phase.ENDING:
            self._remove(child, reason, now)
            self._advance(now)
        elif was_stopping:
            self._stopped(child, goal, reason, now)
        elif was_up:
            self._exited_by_itself(child, goal, reason, said, now)
        elif goal is not None:
            self._failed_before_its_stop(child, goal, reason, now)
        else:
            self._start_attempt_failed(child, reason, said, now)

    def _stopped(self, child: Child, goal: DesiredState | None, reason: ExitReason, now: float) -> None:
        """A child that was told to stop is gone."""
        match goal:
            case DesiredState.RESTART:
                self._roster.enter(child, ChildState.RESTARTING, now)
            case DesiredState.DROP:
                self._remove(child, reason, now)
            case _:
                self._rest(child, ChildState.STOPPED, reason, now)
        self._advance(now)

    def _exited_by_itself(
        self,
        child: Child,
        goal: DesiredState | None,
        reason: ExitReason,
        said: Verdict | None,
        now: float,
    ) -> None:
        """A running child ended of its own accord; `goal` is set where its stop was already due."""
        table = verdict(child.spec.restart, reason)
        wanted = {"restart": True, "stop": False, None: table == "restart"}[said]
        if wanted and goal is None:
            self._restart(child, reason, now)
        elif wanted and goal is DesiredState.RESTART:
            self._join(child, reason, now)
        else:
            if goal is DesiredState.DROP:
                self._remove(child, reason, now)
            else:
                self._rest(child, ChildState.STOPPED, reason, now)
            if not wanted:
                self._after_own_end(child, now)
            self._again(now)

    def _failed_before_its_stop(self, child: Child, goal: DesiredState, reason: ExitReason, now: float) -> None:
        """A start failed of a child that the operation was about to stop."""
        if goal is DesiredState.RESTART and child.starter is None:
            self._join(child, reason, now)
        else:
            undo = child.undo if child.starter is not None else goal
            self._stopped(child, undo, reason, now)

    def _join(self, child: Child, cause: ExitReason, now: float) -> None:
        """Merges into the restart under way: not counted, but its delay is waited for (rules 7 and 12)."""
        delay = child.fail(self._random)
        self._hold_if_backoff(child, delay, now)
        self._note_backing_off(child, cause, now)
        self._again(now)

    def _hold_if_backoff(self, child: Child, delay: float, now: float) -> None:
        """An exit waits only where the spec has a backoff; a failed attempt always does (rule 14)."""
        if child.spec.backoff is None:
            self._roster.enter(child, ChildState.RESTARTING, now)
        else:
            self._hold(child, delay, now)

    def _restart(self, child: Child, cause: ExitReason, now: float) -> None:
        """A fresh cause of a restart: counted once (rule 8), then carried out by strategy (rule 6)."""
        if not self._charge(child, cause, now):
            return
        delay = child.fail(self._random)
        if is_group(self._spec.strategy):
            self._hold_if_backoff(child, delay, now)
            self._note_backing_off(child, cause, now)
            self._restart_group(child, now)
        elif child.spec.backoff is None:
            self._start(child, now)
        else:
            self._wait_alone(child, delay, now)
            self._note_backing_off(child, cause, now)

    def _restart_group(self, cause: Child, now: float) -> None:
        """Stops the members that are up and starts them with the cause (rule 6)."""
        members = group(self._spec.strategy, self._roster.order(), self._roster.place(cause))
        up = [each for each in members if each.live and each.state is not ChildState.STOPPING]
        for each in up:
            # What is to be forgotten anyway stays so: an update may have marked it before this restart.
            dropped = each.spec.restart == "temporary" or each.goal is DesiredState.DROP
            each.goal = DesiredState.DROP if dropped else DesiredState.RESTART
        operation = self._under_way()
        operation.started.clear()
        operation.updated.difference_update((cause, *up))
        self._merge(up, [cause, *(each for each in up if each.goal is DesiredState.RESTART)], now)

    def _start_attempt_failed(self, child: Child, reason: ExitReason, said: Verdict | None, now: float) -> None:
        """A start failed: the request's (rule 1), the supervisor's own (rule 2), or an attempt of a restart
        (rule 14).
        """
        retries = child.spec.retry_start and said != "stop"
        if child.starter is not None and not retries:
            self._stopped(child, child.undo, reason, now)
        elif self._phase is Phase.STARTING and not child.ever_up and not retries:
            self._end(ChildStartError(self._child_path(child.id), reason), now)
        elif said == "stop":
            self._note_restart_failed(child, reason, now)
            self._rest(child, ChildState.STOPPED, reason, now)
            self._after_own_end(child, now)
            self._again(now)
        else:
            self._retry(child, reason, now)

    def _note_restart_failed(self, child: Child, reason: ExitReason, now: float) -> None:
        path, number = self._child_path(child.id), child.incarnation
        self._emit(Note(RestartFailed(path, now, child.id, number, reason, child.attempt)))

    def _retry(self, child: Child, reason: ExitReason, now: float) -> None:
        """The next attempt comes as a message, even after no delay at all (rule 14), and by strategy (rule
        15).
        """
        self._note_restart_failed(child, reason, now)
        if not self._charge(child, reason, now):
            return
        delay = child.fail(self._random)
        asked = child.starter is not None
        own_start = self._phase is Phase.STARTING and not child.ever_up
        if asked or not (is_group(self._spec.strategy) or own_start):
            self._wait_alone(child, delay, now)
            self._note_backing_off(child, reason, now)
            self._advance(now)
            return
        self._hold(child, delay, now)
        self._note_backing_off(child, reason, now)
        operation = self._under_way()
        again: list[Child] = []
        if self._spec.strategy == "one_for_all" and child.ever_up:
            again = [each for each in operation.started if each.live and each.state is ChildState.RUNNING]
            operation.started.clear()
        for each in again:
            each.goal = DesiredState.DROP if each.spec.restart == "temporary" else DesiredState.RESTART
        self._merge(again, [child, *(each for each in again if each.goal is DesiredState.RESTART)], now)

    def _waited(self, operation: Operation, now: float) -> None:
        """The longest delay of the group is over."""
        operation.delayed = False
        for child in operation.to_start():
            if child.due is not None:
                child.due = child.until = None
                self._roster.enter(child, child.coming, now)
        self._advance(now)
