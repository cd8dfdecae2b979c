"""The API of a running supervisor (rules 16, 23 and 25): the engine's answers to requests and queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.spi import Shutdown
from supervisors._engine.child import NOBODY, WAITING, Child, ChildCounts, ChildInfo, ChildState, DesiredState
from supervisors._engine.effects import Adopt, Effect
from supervisors._engine.reconcile import Reconciliation, child_fault, reconcile, update_faults
from supervisors._engine.settings import with_settings
from supervisors._engine.state import EngineState, Phase
from supervisors._specs.fields import Args
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec, TaskCall
from supervisors.errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildRestarting,
    ChildRunning,
    MaxChildren,
    NotFound,
    ShuttingDown,
    SpecError,
    SpecFault,
    SupervisionError,
)


class EngineRequests(EngineState):
    """Answers requests. A request is given back in exactly one Answer or Refuse; None wants neither."""

    def start_child(self, what: Spec | Args | TaskCall, request: object, now: float) -> list[Effect]:
        """Starts one more child; answered with its ref when it is up, with None when it declined (rules 1 and
        3).

        A static supervisor takes a spec, a dynamic one extra arguments for its template, a task supervisor a
        TaskCall. Refused with AlreadyStarted, AlreadyPresent, MaxChildren, SpecError, StartFailed or
        ShuttingDown.
        """
        if (error := self._why_no_child(what)) is not None:
            self._refuse(request, error)
            return self._take()
        try:
            spec, id = self._instance(what)
        except SpecError as fault:
            self._refuse(request, fault)
            return self._take()
        child = self._add(spec, now, id)
        child.undo = DesiredState.DROP
        self._start_for(child, request, now)
        return self._take()

    def terminate_child(self, id: str, request: object, now: float) -> list[Effect]:
        """Stops a child for good, or cancels its pending restart (rule 16). Idempotent; answered when it is
        gone.

        The spec is kept, except that of a temporary child and of a dynamic supervisor's. Refused with
        NotFound.
        """
        if self._refused_while_ending(request):
            return self._take()
        child = self._roster.get(id)
        if child is None:
            if self._was_issued(id):
                self._answer(request, None)
            else:
                self._refuse(request, NotFound(self._path, id))
        elif child.live:
            child.stoppers.append(request)
            self._terminate(child, now)
        elif child.state in (ChildState.STOPPED, ChildState.DECLINED):
            self._answer(request, None)
        else:
            self._rest(child, ChildState.STOPPED, Shutdown("terminate_child"), now)
            self._answer(request, None)
            self._again(now)
        return self._take()

    def restart_child(self, id: str, request: object, now: float) -> list[Effect]:
        """Starts a child that is stopped or declined. Refused with ChildRunning, ChildRestarting, NotFound or
        StartFailed.
        """
        child = self._at_rest(id, request)
        if child is not None:
            child.undo = DesiredState.REST
            if self._operation is not None and child in self._operation.started:
                self._operation.started.remove(child)
            self._start_for(child, request, now)
        return self._take()

    def delete_child(self, id: str, request: object, now: float) -> list[Effect]:
        """Forgets the spec of a child that is stopped or declined. Refused with ChildRunning, ChildRestarting or
        NotFound.
        """
        child = self._at_rest(id, request)
        if child is not None:
            self._remove(child, Shutdown("delete_child"), now)
            self._answer(request, None)
        return self._take()

    def update_specs(self, specs: Sequence[Spec], request: object, now: float) -> list[Effect]:
        """Makes these the specs: stops what is gone in reverse order, restarts what changed, starts what is
        new, in order.

        A change of policy, or of the settings of a supervisor below, is adopted without a restart; what is not up stays
        so. Answered with the
        Reconciliation when all of it is done. A dynamic supervisor takes one spec, the template of children
        to come. Refused with SpecError.
        """
        if self._refused_while_ending(request):
            return self._take()
        if faults := update_faults(self._spec, self._path, specs):
            self._refuse(request, SpecError(faults))
        elif self._spec.is_dynamic:
            self._template = specs[0]
            self._answer(request, Reconciliation((), (), (specs[0].id,), ()))
        else:
            self._reconcile(specs, request, now)
        return self._take()

    def update_settings(self, given: Mapping[str, object], request: object, now: float) -> list[Effect]:
        """Changes settings of the supervisor itself, and restarts nothing. Answered with the names of those that
        differ.

        Refused with SpecError, when it cannot have them with the children that it has.
        """
        if self._refused_while_ending(request):
            return self._take()
        try:
            children = [] if self._spec.is_dynamic else [child.own_spec for child in self._roster]
            spec = with_settings(self._spec, self._path, children, given)
        except SpecError as error:
            self._refuse(request, error)
        else:
            self._answer(request, self._take_settings(spec, now))
        return self._take()

    # Which requests wait for the start that is under way. What runs in that start may ask, in any thread.

    @property
    def starting(self) -> str | None:
        """The child whose start the operation under way waits for."""
        operation = self._operation
        child = None if operation is None else operation.starting
        return None if child is None else child.id

    def start_waits(self, what: object) -> bool:
        """Whether a request to start this child is served in its turn, rather than at once or not at all: it waits
        already, or has not come yet.
        """
        if self._spec.is_dynamic or not isinstance(what, ChildSpec | SupervisorSpec):
            return False
        return self._waits_for_its_start(what.id) or self._why_no_child(what) is None

    def restart_waits(self, id: str) -> bool:
        """Whether a request to start this child again is served in its turn."""
        child = self._roster.get(id)
        if child is None or self._spec.is_dynamic:
            return False
        return self._waits_for_its_start(id) or child.state in (ChildState.STOPPED, ChildState.DECLINED)

    def update_waits(self, specs: Sequence[Spec]) -> bool:
        """Whether `update_specs` is answered after what is under way, rather than at once."""
        return not self._spec.is_dynamic and not update_faults(self._spec, self._path, specs)

    def update_stops(self, id: str, specs: Sequence[Spec]) -> bool:
        """Whether `update_specs` stops this child."""
        child = self._roster.get(id)
        if child is None or not self.update_waits(specs):
            return False
        return not any(spec.id == id and child.spec.runs_like(spec) for spec in specs)

    def starter(self, id: str) -> object | None:
        """The request that this child is started for."""
        child = self._roster.get(id)
        return None if child is None else child.starter

    def _waits_for_its_start(self, id: str) -> bool:
        child = self._roster.get(id)
        return child is not None and child.starter is not None and not child.live

    def adopt(self, spec: SupervisorSpec, now: float) -> list[Effect]:
        """Its own supervisor has given it a spec in which settings differ, or the template of a dynamic supervisor."""
        self._take_settings(spec, now)
        if spec.is_dynamic:
            self._template = spec.template
        return self._take()

    @property
    def template(self) -> Spec | None:
        """What the children of a dynamic supervisor are made from."""
        return self._template

    @property
    def made_progress(self) -> bool:
        """Whether this life of the supervisor was progress: it gave up because of a child that had made any."""
        return self._made_progress

    def which_children(self) -> tuple[ChildInfo, ...]:
        """All children in start order."""
        return tuple(child.info for child in self._roster)

    def which_child(self, id: str) -> ChildInfo:
        """One child; does not look at the others. Raises NotFound, and ShuttingDown while it stops them all: then it
        does not know what its own restart will bring back.
        """
        if self._phase in (Phase.ENDING, Phase.ENDED):
            raise ShuttingDown(self._path)
        child = self._roster.get(id)
        if child is None:
            raise NotFound(self._path, id)
        return child.info

    def count_children(self) -> ChildCounts:
        """The children counted; does not look at each."""
        return self._roster.counts()

    def get_child_spec(self, id: str) -> Spec:
        """The spec of a child. Raises NotFound."""
        child = self._roster.get(id)
        if child is None:
            raise NotFound(self._path, id)
        return child.own_spec

    def _refused_while_ending(self, request: object) -> bool:
        if self._phase in (Phase.ENDING, Phase.ENDED):
            self._refuse(request, ShuttingDown(self._path))
            return True
        return False

    def _start_for(self, child: Child, request: object, now: float) -> None:
        """Starts a child because a request asks for it: in its turn, while the operation under way waits at once."""
        child.starter = NOBODY if request is None else request
        if self._spec.is_dynamic:
            self._start(child, now)
        else:
            self._roster.enter(child, ChildState.STARTING, now)
            self._merge((), (child,), now)

    def _terminate(self, child: Child, now: float) -> None:
        """Stops a child that is up, whatever the operation under way had in mind for it."""
        operation = self._operation
        if operation is not None and operation.starting is child:
            operation.starting, operation.stopping = None, child
        child.queued = False
        self._stop(child, DesiredState.DROP if child.goal is DesiredState.DROP else DesiredState.REST, now)

    def _at_rest(self, id: str, request: object) -> Child | None:
        """The child if it is stopped or declined; otherwise the request is refused."""
        if self._refused_while_ending(request):
            return None
        child = self._roster.get(id)
        if child is None:
            self._refuse(request, NotFound(self._path, id))
        elif child.state in (ChildState.STOPPED, ChildState.DECLINED):
            return child
        elif child.state in WAITING or child.goal is DesiredState.RESTART:
            self._refuse(request, ChildRestarting(self._path, id))
        else:
            self._refuse(request, ChildRunning(self._path, id))
        return None

    def _why_no_child(self, what: Spec | Args | TaskCall) -> SupervisionError | None:
        """Why `start_child` cannot be served, if so."""
        if self._phase in (Phase.ENDING, Phase.ENDED):
            return ShuttingDown(self._path)
        if self._spec.is_dynamic:
            limit = self._spec.max_children
            full = limit is not None and len(self._roster) >= limit
            return MaxChildren(self._path, limit) if full else None
        if not isinstance(what, ChildSpec | SupervisorSpec):
            kind = type(what).__name__
            return SpecError([SpecFault(self._path, f"start_child takes a spec here, got {kind}")])
        if (fault := child_fault(self._spec, self._path, what)) is not None:
            return SpecError([fault])
        present = self._roster.get(what.id)
        if present is None:
            return None
        if present.live and present.state not in WAITING:
            return AlreadyStarted(self._path, what.id, present.ref)
        return AlreadyPresent(self._path, what.id)

    def _instance(self, what: Spec | Args | TaskCall) -> tuple[Spec, str | None]:
        """The spec of a child to be started, and its id where the spec does not say it. Raises SpecError when the
        template does not take these arguments.
        """
        if not self._spec.is_dynamic:
            assert isinstance(what, ChildSpec | SupervisorSpec)
            return what, None
        if isinstance(what, ChildSpec | SupervisorSpec):
            message = "start_child takes arguments for the template here, not a spec"
            raise SpecError([SpecFault(self._path, message)])
        assert self._template is not None
        spec = self._template.instance(what)
        self._issued += 1
        return spec, str(self._issued)

    def _was_issued(self, id: object) -> bool:
        """Whether a child of a dynamic supervisor had this id: it is gone, so its termination is done (rule
        23).
        """
        return isinstance(id, str) and id.isdecimal() and str(int(id)) == id and 0 < int(id) <= self._issued

    def _reconcile(self, specs: Sequence[Spec], request: object, now: float) -> None:
        wanted = {spec.id: spec for spec in specs}
        change = reconcile({child.id: child.spec for child in self._roster}, specs)
        stop: list[Child] = []
        start: list[Child] = []
        for id in change.removed:
            self._withdraw(self._member(id), stop, now)
        for id in change.restarted:
            self._replace(self._member(id), wanted[id], stop, start, now)
        for id in change.adopted:
            self._adopt(self._member(id), wanted[id])
        start += [self._add(wanted[id], now) for id in change.added]
        operation = self._under_way()
        # Stops go by the old order, starts by the new: the positions are read when a member is added.
        operation.add(stop=stop)
        self._roster.reorder(wanted)
        operation.reorder()
        operation.updated.update(start)
        if request is not None:
            operation.requests.append((request, change))
        self._merge((), start, now)

    def _member(self, id: str) -> Child:
        child = self._roster.get(id)
        assert child is not None
        return child

    def _withdraw(self, child: Child, stop: list[Child], now: float) -> None:
        """A child that the new specs do not have."""
        if child.live:
            child.queued, child.goal = False, DesiredState.DROP
            stop.append(child)
        else:
            self._remove(child, Shutdown("update_specs"), now)

    def _adopt(self, child: Child, spec: Spec) -> None:
        """A child that is to live by another policy: at once, unless it is on its way out or is to be replaced."""
        self._roster.adopt(child, spec)
        if child.live and child.state is not ChildState.STOPPING and child.lives_by.runs_like(spec):
            child.lives_by = spec
            self._emit(Adopt(child.id, spec))

    def _replace(self, child: Child, spec: Spec, stop: list[Child], start: list[Child], now: float) -> None:
        """A child that is to run something else. One that is at rest, or on its way there, stays so."""
        self._roster.adopt(child, spec)
        if child.live and child.goal is None:
            child.goal = DesiredState.RESTART
            stop.append(child)
            start.append(child)
        elif child.state in WAITING and not child.live:
            self._cancel(child)
            self._roster.enter(child, ChildState.RESTARTING, now)
            start.append(child)
