"""The supervisor as a pure, event-driven state machine: supervision rules 1 to 25.

An input is a notice, a request or a timer. It leaves in `effects` what the edge has to carry out, in order. The engine
reads no clock, uses no global random, does not wait and does no input or output. `now` is in seconds of a monotonic
clock. A late edge does no harm: a notice about an old incarnation, a second notice of the same exit and a disarmed
timer have no effect.

The rules leave three points open. (1) A group restart restarts only children that were up: a child that ended, was
terminated or declined stays so. (2) A start that `start_child` or `restart_child` asks for joins the operation under
way, but does not wait for a backoff; if it fails and is tried again, the others do not wait for it. (3) An exit after
the order to stop counts as that stop, whatever its reason.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Literal

from actors.spi import ExitReason, Normal, RestartLimitExceeded, Shutdown
from supervisors._engine.budget import Budget
from supervisors._engine.children import WAITING, Child, ChildCounts, ChildInfo, Children, ChildState, DesiredState
from supervisors._engine.effects import (
    NO_ANSWER,
    Adopt,
    Close,
    Drop,
    EffectList,
    ExitSelf,
    FailureDecision,
    Note,
    Ready,
    Start,
    StartFailedSelf,
    Stop,
)
from supervisors._engine.operation import Operation
from supervisors._engine.reconcile import Reconciliation, reconcile, start_error, update_faults
from supervisors._engine.settings import NAMES, with_settings
from supervisors._engine.strategy import EXIT_ACTIONS, GROUPS, group, shuts_down
from supervisors._engine.template import Template
from supervisors._specs.fields import Args
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec, TaskCall
from supervisors.errors import (
    ChildRestarting,
    ChildRunning,
    ChildStartError,
    NotFound,
    ShuttingDown,
    SpecError,
    SpecFault,
)
from supervisors.events import AutoShutdown, Dropped, GaveUp, Restarted, Restarting


class SupervisorPhase(Enum):
    """The phase of the supervisor itself."""

    NEW = "new"
    STARTING = "starting"
    UP = "up"
    ENDING = "ending"
    ENDED = "ended"


class Engine:
    """One supervisor's decisions. `random` draws the jitter.

    `started`, `start_failed`, `declined`, `exited` and `missed` carry the incarnation number of their `Start`. A
    `request` is any object; it is returned in exactly one `Answer` or `Refuse`. None asks for neither.
    """

    def __init__(
        self, spec: SupervisorSpec, path: str, random: random.Random, numbers: Mapping[str, int] | None = None
    ) -> None:
        self.spec = spec
        """The spec in force, with the settings that changed since the start."""
        self.path = path
        """The place of the supervisor in the tree."""
        self._random = random
        self._phase = SupervisorPhase.NEW
        self.children = Children(numbers)
        """The children, which only the engine changes."""
        self._budget = Budget(spec.max_restarts, spec.period)
        self.made_progress = False
        """Whether this life of the supervisor was progress: the child that made it give up had made progress."""
        self._template = None if spec.template is None else Template(spec.template)
        self.operation: Operation | None = None
        """The operation under way, which only the engine changes."""
        self._outcome: ExitReason | ChildStartError = Shutdown()
        self.effects = EffectList(path)
        """What the edge has to carry out, in order, before the next input."""

    # Inputs from the edge

    def start(self, now: float) -> None:
        """Starts the children in order (rule 1), for a dynamic supervisor those that it begins with (rule 25). `Ready`
        follows, or `StartFailedSelf` (rule 2).
        """
        if self._phase is SupervisorPhase.NEW:
            self._phase = SupervisorPhase.STARTING
            children = [self.children.add(spec.id, spec) for spec in self.spec.children]
            if self._template is not None:
                for args in self.spec.initial:
                    spec, id = self._template.instance(args)
                    children.append(self.children.add(id, spec))
            self._merge((), children, now)

    def shutdown(self, reason: ExitReason, now: float) -> None:
        """Cancels what waits, stops all children, then exits with this reason (rules 12, 17 and 18)."""
        self._end(reason, now)

    def abandon(self) -> None:
        """Refuses the requests that wait: the supervisor has terminated, perhaps by a kill. What was decided before and
        is not carried out is dropped.
        """
        self.effects.clear()
        self._phase = SupervisorPhase.ENDED
        self._abandon_operation()
        for child in self.children:
            self.effects.refuse_all(child)

    def adopt(self, spec: SupervisorSpec, now: float) -> None:
        """Takes the settings, or the template of a dynamic supervisor, from a spec that its own supervisor gives it."""
        self._take_settings(spec, now)
        if self._template is not None and spec.template is not None:
            self._template.spec = spec.template

    def settle(self, id: str, spec: Spec, template: Spec | None) -> None:
        """The class of a child is found, and has defaults for the options that its spec was not given: `spec` has them,
        and so has `template`, if there is one. Before the incarnation begins that lives by them.
        """
        child = self.children.get(id)
        if child is not None:
            self.children.adopt(child, spec)
            child.lives_by = spec
        if template is not None and self._template is not None:
            self._template.spec = template

    def started(self, id: str, incarnation: int, now: float, ref: object | None = None) -> None:
        """The incarnation is up. `ref` is its address, and the answer to `start_child`."""
        child = self._current(id, incarnation)
        if child is None or child.state is ChildState.RUNNING:
            return
        again, stopping = child.state is ChildState.RESTARTING, child.state is ChildState.STOPPING
        if stopping and not child.missed:
            return
        # If stopping, it came up and terminated before the order to stop reached it: the coming exit is its own.
        operation = None if stopping else self.operation
        if operation is not None:
            if operation.starting is child and child.starter is None:
                operation.started.append(child)
            operation.leave(child)
        child.ever_up, child.coming, child.up_since, child.ref = True, ChildState.RESTARTING, now, ref
        self.children.enter(child, ChildState.STOPPING if stopping else ChildState.RUNNING, now)
        if child.starter is not None:
            self.effects.answer(child.starter, ref)
            child.starter = None
        for request in child.restarters:
            self.effects.answer(request, ref)
        child.restarters = ()
        if again:
            self.effects.append(Note(Restarted(f"{self.path}/{id}", now, id, incarnation, child.attempt)))
        if operation is not None:
            self._advance(now)

    def start_failed(
        self, id: str, incarnation: int, reason: ExitReason, now: float, decision: FailureDecision | None = None
    ) -> None:
        """The incarnation did not come up (rules 2, 4, 14 and 15). The decision "stop" ends the attempts."""
        child = self._current(id, incarnation)
        if child is not None and child.state is not ChildState.RUNNING:
            self._down(child, reason, decision, now)

    def declined(self, id: str, incarnation: int, now: float) -> None:
        """The incarnation raised `IgnoreStart` (rule 3)."""
        child = self._current(id, incarnation)
        if child is None or child.state is ChildState.RUNNING:
            return
        if child.goal is not None:
            # Its stop is under way or queued, and not necessary any more.
            child.missed = False
            self.children.enter(child, ChildState.STOPPING, now)
            self._down(child, Normal(), None, now)
            return
        if self.operation is not None:
            self.operation.leave(child)
        child.live = False
        for request in (child.starter, *child.restarters):
            self.effects.answer(request, None)
        child.starter = None
        child.restarters = ()
        self._rest(child, ChildState.DECLINED, Normal(), now)
        self._advance(now)

    def exited(
        self,
        id: str,
        incarnation: int,
        reason: ExitReason,
        now: float,
        decision: FailureDecision | None = None,
        handled: int = 0,
        healthy: bool = False,
    ) -> None:
        """The incarnation has terminated. `handled` is how many messages it handled without failure; `healthy`: whether
        it said itself that it works.

        `decision` is what an `on_failure` callback returned in place of the table. After "stop" it is not restarted:
        the child stays stopped and its spec is kept; the spec of a temporary child is dropped.
        """
        child = self._current(id, incarnation)
        if child is not None:
            self._down(child, reason, decision, now, handled, healthy)

    def missed(self, id: str, incarnation: int) -> None:
        """The incarnation terminated before the order to stop reached it: the exit that will be reported is its own
        (rules 7 and 12).
        """
        child = self._current(id, incarnation)
        if child is not None:
            child.missed = True

    def due(self, token: int, now: float) -> None:
        """The timer of this token has fired (rules 11, 12 and 14)."""
        owner = self.effects.fired(token)
        if isinstance(owner, Child):
            self._start(owner, now)
        elif owner is not None:
            self._waited(owner, now)

    # Requests (rules 16, 23 and 25)

    def start_child(self, what: Spec | Args | TaskCall, request: object, now: float) -> None:
        """Starts one more child. The answer is its ref once it is up, or None if it declined (rules 1 and 3).

        A static supervisor takes a spec, a dynamic one extra arguments for its template, a task supervisor a
        TaskCall. Refused with AlreadyStarted, AlreadyPresent, MaxChildren, SpecError, ChildStartError or ShuttingDown.
        """
        error = start_error(self.spec, self.path, self.children, what, ending=self.is_ending)
        if error is not None:
            self.effects.refuse(request, error)
            return
        try:
            child = self._new_child(what)
        except SpecError as fault:
            self.effects.refuse(request, fault)
        else:
            child.undo = DesiredState.DROP
            self._start_for(child, request, now)

    def terminate_child(self, id: str, request: object, now: float) -> None:
        """Stops a child without a restart, or cancels its pending restart (rule 16). Idempotent; answered when the
        child has terminated.

        The spec is kept, except that of a temporary child and of a dynamic supervisor's. Refused with NotFound.
        """
        if self._refused_while_ending(request):
            return
        child = self.children.get(id)
        if child is None:
            if self._template is not None and self._template.has_issued(id):
                self.effects.answer(request, None)  # it has terminated already
            else:
                self.effects.refuse(request, NotFound(self.path, id))
        elif child.live:
            child.stoppers += (request,)
            self._terminate(child, now)
        elif child.state in (ChildState.STOPPED, ChildState.DECLINED):
            self.effects.answer(request, None)
        else:
            self._rest(child, ChildState.STOPPED, Shutdown("terminate_child"), now)
            self.effects.answer(request, None)
            self._again(now)

    def restart_child(self, id: str, request: object, now: float, running: bool = False) -> None:
        """Starts a child that is stopped or declined. With `running`, stops a child that runs, and starts it again:
        that is not counted, and a start that fails is tried again as after any restart.

        Refused with ChildRunning, ChildRestarting, NotFound or ChildStartError.
        """
        if running and (up := self.running(id)) is not None:
            up.restarters += (NO_ANSWER if request is None else request,)
            if self.spec.is_dynamic:
                self._stop(up, DesiredState.RESTART, now)
            else:
                up.goal = DesiredState.RESTART
                self._merge((up,), (up,), now)
            return
        child = self._at_rest(id, request)
        if child is not None:
            child.undo = DesiredState.REST
            if self.operation is not None and child in self.operation.started:
                self.operation.started.remove(child)
            self._start_for(child, request, now)

    def delete_child(self, id: str, request: object, now: float) -> None:
        """Forgets the spec of a child that is stopped or declined. Refused with ChildRunning, ChildRestarting or
        NotFound.
        """
        child = self._at_rest(id, request)
        if child is not None:
            self._remove(child, Shutdown("delete_child"), now)
            self.effects.answer(request, None)

    def update_specs(self, specs: Sequence[Spec], request: object, now: float, found: Sequence[SpecFault] = ()) -> None:
        """Replaces the specs: stops removed children in reverse order, restarts changed ones, starts new ones in order.

        A change of policy, or of the settings of a supervisor below, is adopted without a restart. A child that is not
        up stays so. The answer is the Reconciliation, when all of it is done. A dynamic supervisor takes one spec, the
        template of future children. Refused with SpecError, also for the faults that were `found` elsewhere.
        """
        if self._refused_while_ending(request):
            return
        if faults := [*update_faults(self.spec, self.path, specs), *found]:
            self.effects.refuse(request, SpecError(faults))
        elif self._template is not None:
            self._template.spec = specs[0]
            self.effects.answer(request, Reconciliation((), (), (specs[0].id,), ()))
        else:
            self._reconcile(specs, request, now)

    def update_settings(self, given: Mapping[str, object], request: object, now: float) -> None:
        """Changes settings of the supervisor itself, without a restart. The answer names those that differ.

        Refused with SpecError if they do not fit its children.
        """
        if self._refused_while_ending(request):
            return
        try:
            children = [] if self.spec.is_dynamic else [child.own_spec for child in self.children]
            spec = with_settings(self.spec, self.path, children, given)
        except SpecError as error:
            self.effects.refuse(request, error)
        else:
            self.effects.answer(request, self._take_settings(spec, now))

    # Queries

    @property
    def is_ending(self) -> bool:
        """Whether the supervisor ends, and all its children with it."""
        return self._phase in (SupervisorPhase.ENDING, SupervisorPhase.ENDED)

    @property
    def template(self) -> Spec | None:
        """The template for the children of a dynamic supervisor."""
        return None if self._template is None else self._template.spec

    def which_children(self) -> tuple[ChildInfo, ...]:
        """All children in start order."""
        return tuple(child.info for child in self.children)

    def which_child(self, id: str) -> ChildInfo:
        """One child, without a look at the others.

        Raises NotFound, and ShuttingDown while it stops them all: it does not know then what its own restart will
        bring back.
        """
        if self.is_ending:
            raise ShuttingDown(self.path)
        return self._found(id).info

    def count_children(self) -> ChildCounts:
        """The children counted, without a look at each."""
        return self.children.counts()

    def get_child_spec(self, id: str) -> Spec:
        """The spec of a child. Raises NotFound."""
        return self._found(id).own_spec

    def _found(self, id: str) -> Child:
        child = self.children.get(id)
        if child is None:
            raise NotFound(self.path, id)
        return child

    def programs_in(self, specs: Sequence[object]) -> Iterator[tuple[Spec, bool]]:
        """Those of the specs that `update_specs` starts something of: all but those that run the same already. With
        each, whether it is a template.
        """
        for spec in specs:
            if isinstance(spec, ChildSpec | SupervisorSpec):
                child = None if self.spec.is_dynamic else self.children.get(spec.id)
                if child is None or not child.own_spec.runs_like(spec):
                    yield spec, self.spec.is_dynamic

    # How requests are served

    def _refused_while_ending(self, request: object) -> bool:
        if self.is_ending:
            self.effects.refuse(request, ShuttingDown(self.path))
            return True
        return False

    def _new_child(self, what: Spec | Args | TaskCall) -> Child:
        """Raises SpecError if the template does not take these arguments."""
        if self._template is not None:
            spec, id = self._template.instance(what)  # type: ignore[arg-type]  # a spec was refused before
            return self.children.add(id, spec, fresh_id=True)
        assert isinstance(what, Spec)
        return self.children.add(what.id, what)

    def _start_for(self, child: Child, request: object, now: float) -> None:
        """Starts a child for a request: in its turn; at once if the operation under way waits for a delay."""
        child.starter = NO_ANSWER if request is None else request
        child.coming = ChildState.STARTING
        if self.spec.is_dynamic:
            self._start(child, now)
        else:
            self.children.enter(child, ChildState.STARTING, now)
            self._merge((), (child,), now)

    def _terminate(self, child: Child, now: float) -> None:
        """Stops a child that is up, whatever the operation under way intended for it."""
        operation = self.operation
        if operation is not None and operation.starting is child:
            operation.starting, operation.stopping = None, child
        child.queued = False
        self._stop(child, DesiredState.DROP if child.goal is DesiredState.DROP else DesiredState.REST, now)

    def running(self, id: str) -> Child | None:
        """The child if it runs, and nothing is about to stop it."""
        child = None if self.is_ending else self.children.get(id)
        return child if child is not None and child.state is ChildState.RUNNING and child.goal is None else None

    def _at_rest(self, id: str, request: object) -> Child | None:
        """The child if it is stopped or declined; otherwise the request is refused."""
        if self._refused_while_ending(request):
            return None
        child = self.children.get(id)
        if child is None:
            self.effects.refuse(request, NotFound(self.path, id))
        elif child.state in (ChildState.STOPPED, ChildState.DECLINED):
            return child
        elif child.state in WAITING or child.goal is DesiredState.RESTART:
            self.effects.refuse(request, ChildRestarting(self.path, id))
        else:
            self.effects.refuse(request, ChildRunning(self.path, id))
        return None

    def _reconcile(self, specs: Sequence[Spec], request: object, now: float) -> None:
        wanted = {spec.id: spec for spec in specs}
        change = reconcile({child.id: child.spec for child in self.children}, specs)
        stop: list[Child] = []
        start: list[Child] = []
        for id in change.removed:
            self._withdraw(self._found(id), stop, now)
        for id in change.restarted:
            self._replace(self._found(id), wanted[id], stop, start, now)
        for id in change.adopted:
            self._adopt(self._found(id), wanted[id])
        start += [self.children.add(id, wanted[id]) for id in change.added]
        operation = self._under_way()
        # Stops follow the old order, starts the new one: a position is read when a member is added.
        operation.add(stop=stop)
        self.children.reorder(wanted)
        operation.reorder()
        operation.updated.update(start)
        if request is not None:
            operation.requests.append((request, change))
        self._merge((), start, now)

    def _withdraw(self, child: Child, stop: list[Child], now: float) -> None:
        """A child that the new specs do not have."""
        if child.live:
            child.queued, child.goal = False, DesiredState.DROP
            stop.append(child)
        else:
            self._remove(child, Shutdown("update_specs"), now)

    def _adopt(self, child: Child, spec: Spec) -> None:
        """A child with a new policy: in force at once, unless the child is being stopped or will be replaced."""
        self.children.adopt(child, spec)
        if child.live and child.state is not ChildState.STOPPING and child.lives_by.runs_like(spec):
            child.lives_by = spec
            self.effects.append(Adopt(child.id, spec))

    def _replace(self, child: Child, spec: Spec, stop: list[Child], start: list[Child], now: float) -> None:
        """A child that will run something else. A child that is at rest, or is being stopped, stays so."""
        self.children.adopt(child, spec)
        if child.live and child.goal is None:
            child.goal = DesiredState.RESTART
            stop.append(child)
            start.append(child)
        elif child.state in WAITING and not child.live:
            self._cancel(child)
            self.children.enter(child, ChildState.RESTARTING, now)
            start.append(child)

    def _take_settings(self, spec: SupervisorSpec, now: float) -> tuple[str, ...]:
        """Puts the settings of this spec in force; returns the names of those that differ. An operation under way is
        not changed.
        """
        differ = tuple(name for name in NAMES if getattr(spec, name) != getattr(self.spec, name))
        self.spec = self.spec.changed(**{name: getattr(spec, name) for name in differ})
        self._budget.change(spec.max_restarts, spec.period, now)
        return differ

    # Exits and failed starts

    def _current(self, id: str, incarnation: int) -> Child | None:
        """The child of this notice, unless the notice is stale."""
        child = self.children.by_id.get(id)
        return child if child is not None and child.live and child.incarnation == incarnation else None

    def _down(
        self,
        child: Child,
        reason: ExitReason,
        said: FailureDecision | None,
        now: float,
        handled: int = 0,
        healthy: bool = False,
    ) -> None:
        """An incarnation has terminated. The consequence depends on the state of the child."""
        was_up = child.state is ChildState.RUNNING or (child.missed and child.up_since is not None)
        was_stopping = child.state is ChildState.STOPPING and not child.missed
        child.down(now, handled, reason, healthy)
        goal, child.goal, child.live, child.missed = child.goal, None, False, False
        if self.operation is not None:
            self.operation.leave(child)
        if self._phase is SupervisorPhase.ENDING:
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
        """A child that was told to stop has terminated."""
        match goal:
            case DesiredState.RESTART:
                self.children.enter(child, ChildState.RESTARTING, now)
                if self.spec.is_dynamic:
                    self._start(child, now)
            case DesiredState.DROP:
                self._remove(child, reason, now)
            case _:
                self._rest(child, ChildState.STOPPED, reason, now)
        self._advance(now)

    def _exited_by_itself(
        self, child: Child, goal: DesiredState | None, reason: ExitReason, said: FailureDecision | None, now: float
    ) -> None:
        """A running child ended of its own accord. `goal` is set if its stop was already queued."""
        table = EXIT_ACTIONS[child.spec.restart, reason.expected]
        wanted = {"restart": True, "stop": False, None: table == "restart"}[said]
        if wanted and (goal is None or (goal is DesiredState.RESTART and self.spec.is_dynamic)):
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
        """The start failed of a child whose stop was queued."""
        if goal is DesiredState.RESTART and child.starter is None:
            self._join(child, reason, now)
        else:
            self._stopped(child, child.undo if child.starter is not None else goal, reason, now)

    def _join(self, child: Child, cause: ExitReason, now: float) -> None:
        """Merges into the restart under way, which waits for its delay. Not counted (rules 7 and 12)."""
        delay = child.fail(self._random)
        self._hold_if_backoff(child, delay, now)
        self.effects.backing_off(child, cause, now)
        self._again(now)

    def _restart(self, child: Child, cause: ExitReason, now: float) -> None:
        """A new cause of a restart: counted once (rule 8), then carried out by the strategy (rule 6)."""
        if not self._charge(child, cause, now):
            return
        delay = child.fail(self._random)
        if self.spec.strategy in GROUPS:
            self._hold_if_backoff(child, delay, now)
            self.effects.backing_off(child, cause, now)
            self._restart_group(child, now)
        elif child.spec.backoff is None:
            self._start(child, now)
        else:
            self._wait_alone(child, delay, now)
            self.effects.backing_off(child, cause, now)

    def _restart_group(self, cause: Child, now: float) -> None:
        """Stops the members that are up and starts them with the cause (rule 6)."""
        members = group(self.spec.strategy, self.children.order(), self.children.place(cause))
        up = [each for each in members if each.live and each.state is not ChildState.STOPPING]
        for each in up:
            # An update before this restart may have marked the member to be dropped: it stays so.
            dropped = each.spec.restart == "temporary" or each.goal is DesiredState.DROP
            each.goal = DesiredState.DROP if dropped else DesiredState.RESTART
        operation = self._under_way()
        operation.started.clear()
        operation.updated.difference_update((cause, *up))
        self._merge(up, [cause, *(each for each in up if each.goal is DesiredState.RESTART)], now)

    def _start_attempt_failed(self, child: Child, reason: ExitReason, said: FailureDecision | None, now: float) -> None:
        """A start failed: that of a request (rule 1), that of the supervisor itself (rule 2), or an attempt of a
        restart (rule 14).
        """
        retries = child.spec.retry_start and said != "stop"
        if child.starter is not None and not retries:
            self._stopped(child, child.undo, reason, now)
        elif self._phase is SupervisorPhase.STARTING and not child.ever_up and not retries:
            self._end(ChildStartError(self._path_of(child), reason), now)
        elif said == "stop":
            self.effects.restart_failed(child, reason, now)
            self._rest(child, ChildState.STOPPED, reason, now)
            self._after_own_end(child, now)
            self._again(now)
        else:
            self._retry(child, reason, now)

    def _retry(self, child: Child, reason: ExitReason, now: float) -> None:
        """The next attempt comes as a message, even without a delay (rule 14). The strategy decides which children
        start again (rule 15).
        """
        self.effects.restart_failed(child, reason, now)
        self.effects.refuse_restart(child, reason)
        if not self._charge(child, reason, now):
            return
        delay = child.fail(self._random)
        asked = child.starter is not None
        own_start = self._phase is SupervisorPhase.STARTING and not child.ever_up
        if asked or not (self.spec.strategy in GROUPS or own_start):
            self._wait_alone(child, delay, now)
            self.effects.backing_off(child, reason, now)
            self._advance(now)
            return
        self._hold(child, delay, now)
        self.effects.backing_off(child, reason, now)
        operation = self._under_way()
        again: list[Child] = []
        if self.spec.strategy == "one_for_all" and child.ever_up:
            again = [each for each in operation.started if each.live and each.state is ChildState.RUNNING]
            operation.started.clear()
        for each in again:
            each.goal = DesiredState.DROP if each.spec.restart == "temporary" else DesiredState.RESTART
        self._merge(again, [child, *(each for each in again if each.goal is DesiredState.RESTART)], now)

    def _after_own_end(self, child: Child, now: float) -> None:
        """A child ended of its own accord and will not restart: that may end the supervisor (rule 21)."""
        alive = self.children.significant_alive()
        mode = self.spec.auto_shutdown
        if shuts_down(mode, significant=child.spec.significant, others_alive=alive):
            self.effects.append(Note(AutoShutdown(self._path_of(child), now, child.id)))
            self._end(Shutdown("auto_shutdown"), now)

    # The limit of restarts

    def _charge(self, child: Child, cause: ExitReason, now: float) -> bool:
        """Whether the budget allows one more restart of this child. If not, carries out the limit (rules 8 to 10)."""
        budget = self.spec if child.own_budget is None else child.own_budget
        most, period = budget.max_restarts, budget.period
        if most is None or self._budget.grants(child, most, period, now):
            return True
        limit = RestartLimitExceeded(self.path, child.id, most, period, cause)
        dropped = child.spec.dropped_at_limit
        scope: Literal["supervisor", "child"] = "child" if dropped else "supervisor"
        self.effects.append(Note(GaveUp(self._path_of(child), now, child.id, scope, most, period, cause)))
        if dropped:
            self._remove(child, limit, now)
            self._again(now)
        else:
            self.effects.refuse_start(child, limit)
            self._give_up(child, limit, now)
        return False

    def _give_up(self, child: Child, limit: RestartLimitExceeded, now: float) -> None:
        """The supervisor ends abnormally (rule 10). Before it is up, its own start has failed (rule 2). Its life was
        progress if the child that ends it had made any.
        """
        self.made_progress = child.productive
        if self._phase is SupervisorPhase.STARTING:
            self._end(ChildStartError(self._path_of(child), limit), now)
        else:
            self._end(limit, now)

    # The operation under way

    def _under_way(self) -> Operation:
        if self.operation is None:
            self.operation = Operation()
        return self.operation

    def _merge(self, stop: Iterable[Child], start: Iterable[Child], now: float) -> None:
        """Adds members to the operation under way, or begins one."""
        self._under_way().add(stop, start)
        self._again(now)

    def _again(self, now: float) -> None:
        """The members or their delays have changed: measures the wait anew, if there is one."""
        operation = self.operation
        if operation is not None:
            self.effects.disarm(operation)
            operation.show_due()
        self._advance(now)

    def _advance(self, now: float) -> None:
        """The next step of the operation: stop, else wait, else start, else it is complete."""
        operation = self.operation
        if operation is None or operation.busy or operation.token is not None:
            if self._phase is SupervisorPhase.ENDING:
                self._finish_if_empty()
        elif (child := operation.next_to_stop()) is not None:
            operation.stopping = child
            assert child.goal is not None
            self._stop(child, child.goal, now)
        else:
            self._wait_or_start(operation, now)

    def _wait_or_start(self, operation: Operation, now: float) -> None:
        """The step of an operation that has no more stops.

        Under rest_for_one a child that an update adds before the failed members does not wait with them (rule 12).
        """
        until = operation.until()
        if until is None:
            child = operation.next_to_start()
        else:
            child = operation.next_before_the_wait() if self.spec.strategy == "rest_for_one" else None
        if child is not None:
            operation.starting = child
            self._start(child, now)
        elif until is not None:
            self._wait_together(operation, until, now)
        else:
            self._complete(operation)

    def _wait_together(self, operation: Operation, until: float, now: float) -> None:
        """A group waits for the longest delay of its failed members (rule 12)."""
        operation.token = self.effects.arm(operation, max(0.0, until - now))
        waiting = operation.to_start()
        if all(child.starter is not None for child in waiting):
            self._is_ready()  # a start that a request asks for is not part of its own start (rule 1)
        for child in waiting:
            asked = child.starter is not None and child.state is ChildState.STARTING
            if asked or (child.restarters and child.due is None):
                self._start(child, now)  # a request is served while the others wait (rule 12)

    def _waited(self, operation: Operation, now: float) -> None:
        """The longest delay of the group is over."""
        operation.delayed = False
        for child in operation.to_start():
            if child.due is not None:
                child.due = child.until = None
                self.children.enter(child, child.coming, now)
        self._advance(now)

    def _complete(self, operation: Operation) -> None:
        self.operation = None
        for request, value in operation.requests:
            self.effects.answer(request, value)
        self._is_ready()
        self._finish_if_empty()

    def _is_ready(self) -> None:
        """The supervisor's own start is complete, if it was not before."""
        if self._phase is SupervisorPhase.STARTING:
            self._phase = SupervisorPhase.UP
            self.effects.append(Ready())

    # The end of the supervisor

    def _end(self, outcome: ExitReason | ChildStartError, now: float) -> None:
        """Stops all children and then ends with this outcome (rules 10, 17 and 18). The first outcome counts."""
        if self.is_ending:
            return
        self._phase, self._outcome = SupervisorPhase.ENDING, outcome
        self._abandon_operation()
        reason = Shutdown() if isinstance(outcome, ChildStartError) else outcome
        for child in list(self.children):
            self.effects.refuse_all(child)
            if child.live:
                self._cancel(child)
                child.goal = DesiredState.DROP
            else:
                self._remove(child, reason, now)
        if self.spec.is_dynamic:
            # Unordered children stop in parallel, under one timer of the edge (rule 6).
            for child in self.children:
                self._stop(child, DesiredState.DROP, now)
            self._finish_if_empty()
        else:
            self._merge(list(self.children), (), now)

    def _abandon_operation(self) -> None:
        operation, self.operation = self.operation, None
        if operation is not None:
            self.effects.disarm(operation)
            for request, _ in operation.requests:
                self.effects.refuse(request, ShuttingDown(self.path))

    def _finish_if_empty(self) -> None:
        if self._phase is not SupervisorPhase.ENDING or len(self.children) > 0:
            return
        self._phase = SupervisorPhase.ENDED
        if isinstance(self._outcome, ChildStartError):
            self.effects.append(StartFailedSelf(self._outcome))
        else:
            self.effects.append(ExitSelf(self._outcome))

    # One child

    def _path_of(self, child: Child) -> str:
        return f"{self.path}/{child.id}"

    def _start(self, child: Child, now: float) -> None:
        """Starts the next incarnation; the child shows as starting or as restarting (rule 13)."""
        child.queued, child.due, child.until, child.live, child.up_since = False, None, None, True, None
        child.incarnation += 1
        child.lives_by = child.spec
        coming = child.coming
        self.children.enter(child, coming, now)
        if coming is ChildState.RESTARTING:
            child.restarts += 1
            path = f"{self.path}/{child.id}"
            self.effects.append(Note(Restarting(path, now, child.id, child.incarnation, child.attempt)))
        self.effects.append(Start(child.id, child.spec, child.incarnation, child.has_cell, child.starter))
        child.has_cell = True

    def _stop(self, child: Child, goal: DesiredState, now: float) -> None:
        child.goal = goal
        if child.state is not ChildState.STOPPING:
            self.children.enter(child, ChildState.STOPPING, now)
            self.effects.append(Stop(child.id, child.incarnation, child.lives_by.shutdown))

    def _wait_alone(self, child: Child, delay: float, now: float) -> None:
        """The child waits for its next attempt, whatever its siblings do."""
        child.due = child.until = now + delay
        self.children.enter(child, ChildState.BACKING_OFF, now)
        child.token = self.effects.arm(child, delay)

    def _hold(self, child: Child, delay: float, now: float) -> None:
        """The operation under way waits for the delay of this child, and then starts it (rule 12)."""
        child.due = child.until = now + delay
        self._under_way().delayed = True
        self.children.enter(child, ChildState.BACKING_OFF, now)

    def _hold_if_backoff(self, child: Child, delay: float, now: float) -> None:
        """An exit waits only if the spec has a backoff; a failed attempt always does (rule 14)."""
        if child.spec.backoff is None:
            self.children.enter(child, ChildState.RESTARTING, now)
        else:
            self._hold(child, delay, now)

    def _cancel(self, child: Child) -> None:
        """Cancels every planned start of this child."""
        self.effects.disarm(child)
        child.queued, child.due, child.until = False, None, None
        child.forget_failures()

    def _rest(self, child: Child, state: ChildState, reason: ExitReason, now: float) -> None:
        """The child is not up and will not be started by itself. The spec of a temporary child, and of a dynamic
        supervisor's, is dropped (rule 6).
        """
        if child.spec.restart == "temporary" or self.spec.is_dynamic:
            self._remove(child, reason, now)
            return
        self._cancel(child)
        self.children.enter(child, state, now)
        if child.has_cell:
            child.has_cell, child.ref = False, None
            self.effects.append(Close(child.id))
        self.effects.settle(child, reason)

    def _remove(self, child: Child, reason: ExitReason, now: float) -> None:
        """Forgets the child and its spec."""
        self._cancel(child)
        self.children.remove(child, now, fresh_id=self.spec.is_dynamic)
        self.effects.append(Drop(child.id))
        self.effects.append(Note(Dropped(self._path_of(child), now, child.id, reason)))
        self.effects.settle(child, reason)
