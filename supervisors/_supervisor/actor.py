"""The supervisor actor: it carries out the decisions of the engine."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from actors.spi import (
    Actor,
    ActorRef,
    Cell,
    ChildDeclined,
    ChildExited,
    ChildResumed,
    ChildStarted,
    ChildStartFailed,
    Crashed,
    ExitReason,
    Future,
    Killed,
    NotAnActor,
    NotSendable,
    ProcessSpec,
    Props,
    ReplyTo,
    RuntimeLost,
    Shutdown,
    State,
    StopOrder,
    StoppedForGood,
    TimerHandle,
    close_or_park,
    concern,
    gone,
    handles,
    process_pool,
    settle_failure,
)
from supervisors._engine.children import ChildCounts, ChildInfo
from supervisors._engine.effects import (
    Adopt,
    Answer,
    Arm,
    Close,
    Disarm,
    Drop,
    Effect,
    ExitSelf,
    FailureDecision,
    Note,
    Ready,
    Refuse,
    Start,
    StartFailedSelf,
    Stop,
)
from supervisors._engine.engine import Engine
from supervisors._engine.reconcile import child_fault
from supervisors._engine.waits import starting
from supervisors._specs.spec import SETTLED, ChildSpec, Spec, SupervisorSpec, TaskCall
from supervisors._specs.start_kind import task_fault
from supervisors._specs.tree import settled_child, unresolved
from supervisors._supervisor.grace import SharedGrace
from supervisors._supervisor.ledger import LastLedger, LedgerEntry, RestartLedger
from supervisors._supervisor.messages import (
    AdoptSpec,
    CountChildren,
    DeleteChild,
    Due,
    Failure,
    GetChildSpec,
    GetLedger,
    PauseWork,
    RestartChild,
    StartChild,
    TerminateChild,
    UpdateSettings,
    UpdateSpecs,
    WhichChild,
    WhichChildren,
)
from supervisors._supervisor.props import props_for
from supervisors._supervisor.ref import SupervisorRef, when_all
from supervisors._supervisor.task import CancelTask, PooledTask, Promise, has_process
from supervisors._supervisor.waits import StartOf
from supervisors.errors import SpecError, SpecFault, SupervisionError
from supervisors.events import BackingOff, CallbackFailed, GaveUp, Restarting

if TYPE_CHECKING:
    from actors.spi import ProcessPool


class Supervisor(Actor):
    """A supervisor. Every input goes to the engine; its effects are carried out in order.

    A handler never waits: a start, a stop or a delay ends with a message to the supervisor itself. So its API and the
    order to stop are served in between (supervision rule 14).
    """

    manages_lifecycle = True
    answers = (SupervisionError,)
    ref_type: ClassVar[type[ActorRef[Any]]] = SupervisorRef
    own_children: ClassVar[bool] = False
    """Whether the class defines its children. The author of a tree cannot change then how they are restarted, and
    `check` has no findings about that.
    """

    if TYPE_CHECKING:

        @property
        def ref(self) -> SupervisorRef: ...

    @classmethod
    def tree(cls) -> SupervisorSpec:
        """The spec of a subclass that is started as a class: `start(MySupervisor)`."""
        raise NotAnActor(cls.__qualname__, "a supervisor class that is started by itself needs a classmethod tree()")

    def __init__(self, spec: SupervisorSpec) -> None:
        self._places = spec.own_ids if spec.keep_children else frozenset()
        numbers = self._cell.numbers_below(but=self._places)
        self._engine = Engine(spec, self.path, self.runtime.random, numbers)
        self._now = self.runtime.now
        self.publish_view(spec)
        self._ledger = RestartLedger()
        self._cells: dict[str, Cell] = {}
        self._timers: dict[int, TimerHandle] = {}
        self._recipe: tuple[Spec, Props] | None = None
        """The spec of the last child that was started, and the props that were made of it."""
        self._recipes: dict[str, tuple[Spec, Props]] = {}
        """The same of each child by id, where each has a spec of its own."""
        self._in_grace: dict[float, SharedGrace] = {}
        """The children that the effects under way tell to stop, by their grace in seconds."""
        self._graces: dict[str, SharedGrace] = {}
        """The shared grace of each unordered child that was told to stop, by id."""
        self._pool: ProcessPool | None = None
        """The processes in which tasks run, if they do."""
        self._inputs: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._working = False

    def on_start(self) -> None:
        self._feed(self._engine.start, self._now())

    def on_gone(self) -> None:
        """The incarnation has ended, killed or not: cancels its timers and settles its requests."""
        self.kept(LastLedger).ledger = self._ledger
        for timer in (*self._timers.values(), *self._graces.values()):
            timer.cancel()
        reason = self._cell.reason
        self._engine.abandon()
        for effect in self._engine.effects:
            if isinstance(effect, Refuse) and isinstance(reason, RuntimeLost):
                settle_failure(cast("ReplyTo", effect.request), gone(self.path, reason, None), self.path)
            else:
                _CARRIED_OUT[type(effect)](self, effect)

    def made_progress(self) -> bool:
        """Whether this life was progress for its own supervisor: the child that made it give up had made progress."""
        return self._engine.made_progress

    def starting(self) -> Cell | None:
        """The child whose start the operation under way waits for. Any thread."""
        id = starting(self._engine)
        cell = None if id is None else self._cells.get(id)
        return cell if cell is not None and cell.state is State.STARTING else None

    def asks(self, question: Callable[[Engine], bool]) -> bool:
        """Asks the engine a question without effects. Any thread."""
        return question(self._engine)

    # Notices

    @handles
    def child_started(self, notice: ChildStarted) -> None:
        cell = self._cells.get(notice.id)
        ref = cell.ref if cell is not None else None
        now = self._now()
        self._ledger.started(notice.id, now)
        self._feed(self._engine.started, notice.id, notice.incarnation, now, ref)

    @handles
    def child_declined(self, notice: ChildDeclined) -> None:
        self._feed(self._engine.declined, notice.id, notice.incarnation, self._now())

    @handles
    def child_start_failed(self, notice: ChildStartFailed) -> None:
        now, cell = self._now(), self._cells.get(notice.id)
        if self._graces:
            self._leave_grace(notice.id)
        decision: FailureDecision | None = None
        if cell is not None and cell.incarnation == notice.incarnation and cell.told_to_stop is None:
            decision = self._failed(notice.id, notice.incarnation, notice.reason, None, now)
        self._feed(self._engine.start_failed, notice.id, notice.incarnation, notice.reason, now, decision)
        if cell is not None:
            cell.settle_exit()

    @handles
    def child_exited(self, notice: ChildExited) -> None:
        id, number, reason, now = notice.id, notice.incarnation, notice.reason, self._now()
        cell = self._cells.get(id)
        if self._graces:
            self._leave_grace(id)
        decision: FailureDecision | None = None
        is_news = cell is not None and cell.incarnation == number and cell.told_to_stop is None
        if is_news and not reason.expected:
            decision = self._failed(id, number, reason, notice.message_type, now)
        elif isinstance(reason, StoppedForGood):
            decision = "stop"
        self._feed(self._engine.exited, id, number, reason, now, decision, notice.handled, notice.healthy)
        if cell is not None and cell.incarnation == number:
            cell.settle_exit()  # it waits for its next incarnation: its monitors and links are notified now

    @handles
    def child_resumed(self, notice: ChildResumed) -> None:
        self._ledger.resumed(notice.id, notice.incarnation, Crashed(notice.error), notice.message_type, self._now())

    @handles
    def due(self, due: Due) -> None:
        self._timers.pop(due.token, None)
        self._feed(self._engine.due, due.token, self._now())

    @handles
    def adopted(self, notice: AdoptSpec) -> None:
        self._feed(self._engine.adopt, notice.spec, self._now())

    @handles
    def stop_order(self, order: StopOrder) -> None:
        self._feed(self._engine.shutdown, order.reason, self._now())

    # API

    @handles
    def start_child(self, request: StartChild) -> None:
        reply, what = self._cell.take_reply(), request.what
        if type(what) is TaskCall and isinstance(what.function, Promise) and what.function.cancelled:
            if reply is not None:
                settle_failure(reply, what.function.cancellation(self.path), self.path)
            return
        if isinstance(what, TaskCall) and has_process(self._engine.template):
            try:
                what = self._packed(what)
            except (NotSendable, SpecError) as error:
                if reply is not None:
                    settle_failure(reply, error, self.path)
                return
        self._feed(self._engine.start_child, what, reply, self._now())

    def _packed(self, what: TaskCall) -> TaskCall:
        """The same call, ready for a process. Raises `NotSendable`, and SpecError."""
        promise = what.function
        if not isinstance(promise, Promise):
            if (problem := task_fault(promise)) is not None:
                raise SpecError([SpecFault(self.path, problem)])
            args, kwargs = ((), what.args) if isinstance(what.args, Mapping) else (tuple(what.args), {})
            promise = Promise(self.ref, what.function, args, kwargs)
        promise.pack()
        return TaskCall(promise)

    @handles
    def cancel_task(self, request: CancelTask) -> None:
        cell = request.promise.cell
        if cell is not None and self._cells.get(cell.id) is cell:
            self._feed(self._engine.terminate_child, cell.id, None, self._now())

    @handles
    def terminate_child(self, request: TerminateChild) -> None:
        reply = self._cell.take_reply()
        self._feed(self._engine.terminate_child, request.id, reply, self._now())

    @handles
    def restart_child(self, request: RestartChild) -> None:
        reply = self._cell.take_reply()
        self._feed(self._engine.restart_child, request.id, reply, self._now(), request.running)

    @handles
    def delete_child(self, request: DeleteChild) -> None:
        reply = self._cell.take_reply()
        self._feed(self._engine.delete_child, request.id, reply, self._now())

    @handles
    def update_specs(self, request: UpdateSpecs) -> None:
        reply = self._cell.take_reply()
        specs = tuple(
            settled_child(each, f"{self.path}/{each.id}") if isinstance(each, ChildSpec) else each
            for each in request.specs
        )
        # A class that is not found, or does not take its arguments, would be found out after the stop of a good child.
        found = [
            fault
            for spec, is_template in self._engine.programs_in(specs)
            for fault in unresolved(spec, f"{self.path}/{spec.id}", is_template=is_template)
        ]
        self._feed(self._engine.update_specs, specs, reply, self._now(), found)

    @handles
    def update_settings(self, request: UpdateSettings) -> None:
        reply = self._cell.take_reply()
        self._feed(self._engine.update_settings, request.settings, reply, self._now())

    @handles
    def which_children(self, _: WhichChildren) -> tuple[ChildInfo, ...]:
        return self._engine.which_children()

    @handles
    def which_child(self, request: WhichChild) -> ChildInfo:
        return self._engine.which_child(request.id)

    @handles
    def count_children(self, _: CountChildren) -> ChildCounts:
        return self._engine.count_children()

    @handles
    def get_child_spec(self, request: GetChildSpec) -> Spec:
        return self._engine.get_child_spec(request.id)

    @handles
    def ledger(self, _: GetLedger) -> tuple[LedgerEntry, ...]:
        return self._ledger.entries()

    @handles
    def pause_work(self, request: PauseWork) -> None:
        reply, paused, news = self._cell.take_reply(), request.paused, False
        below: list[Future[bool]] = []
        for cell in self._cells.values():
            if isinstance(cell.ref, SupervisorRef):
                below.append(cell.ref.pause_work() if paused else cell.ref.resume_work())
            elif cell.suspended != paused:
                cell.suspend(paused)
                news = True
        when_all(below, lambda told: None if reply is None or reply.done() else reply.set_result(news or told))

    # Effects

    def _feed(self, decide: Callable[..., None], *args: object) -> None:
        """Gives the engine an input and carries out the effects; an effect may add an input."""
        self._inputs.append((decide, args))
        if self._working:
            return
        self._working = True
        try:
            effects = self._engine.effects
            while self._inputs:
                decide, args = self._inputs.popleft()
                decide(*args)
                while effects:
                    effect = effects.popleft()
                    _CARRIED_OUT[type(effect)](self, effect)
                if self._in_grace:
                    self._time_graces()
        finally:
            self._working = False

    def _answer(self, effect: Answer) -> None:
        reply = cast("ReplyTo", effect.request)
        if not reply.done():
            reply.set_result(effect.value)

    def _refuse(self, effect: Refuse) -> None:
        settle_failure(cast("ReplyTo", effect.request), effect.error, self.path)

    def _adopt(self, effect: Adopt) -> None:
        cell, spec = self._cells[effect.id], effect.spec
        cell.take_props(props_for(spec, self.runtime, f"{self.path}/{effect.id}"))
        if isinstance(spec, SupervisorSpec):
            cell.put_urgent(AdoptSpec(spec))

    def _say_ready(self, _: Ready) -> None:
        self._cell.ready()

    def _fail(self, effect: StartFailedSelf) -> None:
        self._cell.fail_start(Crashed(effect.error))

    def _exit(self, effect: ExitSelf) -> None:
        self._cell.done(effect.reason)

    def _start_child(self, effect: Start) -> None:
        try:
            recipe = self._recipe
            props = recipe[1] if recipe is not None and recipe[0] is effect.spec else self._props_for(effect)
            cell = self._cells.get(effect.id)
            if cell is None:
                placed = effect.id in self._places
                cell = self.runtime.make_cell(props, effect.id, self._cell, supervised=True, placed=placed)
                self._cells[effect.id] = cell
                self._keep_promise(cell, props)
            elif cell.props is not props:
                cell.take_props(props)
        except Exception as error:  # noqa: BLE001 - a class that is not found or a name that is taken is a failed start
            reason = Crashed(error)
            now = self._now()
            decision = self._failed(effect.id, effect.incarnation, reason, None, now)
            self._inputs.append((self._engine.start_failed, (effect.id, effect.incarnation, reason, now, decision)))
            return
        if effect.request is not None:
            concern(effect.request, StartOf(cell))
        cell.begin(effect.incarnation)

    def _props_for(self, effect: Start) -> Props:
        """The props of a child: those of its last incarnation, if it has the same spec. Children of one template share
        them, as they share its spec.
        """
        spec, recipe = effect.spec, self._recipes.get(effect.id)
        if recipe is None or recipe[0] is not spec:
            if not (spec.is_supervisor or SETTLED in spec.__dict__):
                spec = self._settled(effect.id, cast("ChildSpec", spec))
            recipe = (spec, props_for(spec, self.runtime, f"{self.path}/{effect.id}"))
            if not self._engine.spec.is_dynamic:
                self._recipes[effect.id] = recipe
        self._recipe = recipe
        return recipe[1]

    def _settled(self, id: str, given: ChildSpec) -> ChildSpec:
        """The spec of a child with the defaults of its class, which is found now. The engine goes on with it."""
        spec = given.settled(f"{self.path}/{id}")
        if (fault := child_fault(self._engine.spec, self.path, spec)) is not None:
            raise SpecError([fault])
        if spec is given:
            return spec
        template = self._engine.template
        if template is given:
            template = spec
        elif isinstance(template, ChildSpec) and not template.is_settled and template.start == given.start:
            template = template.settled(f"{self.path}/{id}")
        else:
            template = None
        self._engine.settle(id, spec, template)
        return spec

    def _keep_promise(self, cell: Cell, props: Props) -> None:
        promise = props.args[0] if self._engine.spec.kind == "tasks" and props.args else None
        if isinstance(promise, Promise):
            promise.cell = cell
            if props.kind.actor_class is PooledTask:
                promise.pool = self._pool_of_tasks()
            promise.future.concerns(cell)
            self.runtime.when_closed(cell, lambda reason: promise.broken(cell.path, reason))

    def _pool_of_tasks(self) -> ProcessPool:
        """The processes for tasks, as the present spec wants them."""
        size, template = self._engine.spec.pool, self._engine.template
        host = getattr(template, "host", None)
        assert isinstance(host, ProcessSpec)
        if self._pool is not None and self._pool.spec != host:
            self._pool.close()
            self._pool = None
        if self._pool is None:
            self._pool = process_pool(self, host, size)
        self._pool.resize(size)
        return self._pool

    def _stop_child(self, effect: Stop) -> None:
        cell, incarnation, grace = self._cells[effect.id], effect.incarnation, effect.grace
        if cell.incarnation != incarnation or cell.state is State.DOWN:
            self._inputs.append((self._engine.missed, (cell.id, incarnation)))  # the notice is on its way
            return
        promise = cell.props.args[0] if cell.props.args else None
        if grace == "brutal_kill":
            cell.kill_ordered(Killed("brutal_kill"))
        elif type(promise) is Promise and promise.cancelled and cell.props.host == "loop":
            cell.kill_ordered(Killed("cancelled"))  # a coroutine gets its CancelledError now, and not after the grace
        elif grace == "infinity":
            cell.stop(Shutdown(), None)
        elif self._engine.spec.is_dynamic:
            cell.stop(Shutdown(), None)
            shared = self._graces[cell.id] = self._in_grace.setdefault(float(grace), SharedGrace())
            shared.add(cell, incarnation)
        else:
            cell.stop(Shutdown(), float(grace))

    def _time_graces(self) -> None:
        """Sets one timer for the unordered children that were told to stop together (supervision rule 6)."""
        for grace, shared in self._in_grace.items():
            shared.begin(self.runtime.clock, self._now() + grace)
        self._in_grace.clear()

    def _leave_grace(self, id: str) -> None:
        """The child is gone, or has come to rest: the timer does not wait for it any more."""
        if (shared := self._graces.pop(id, None)) is not None:
            shared.leave(id)

    def _close(self, effect: Close | Drop) -> None:
        id = effect.id
        cell = self._cells.pop(id, None)
        self._recipes.pop(id, None)
        if cell is not None and not cell.closed:
            if self._engine.is_ending:
                close_or_park(cell, cell.reason)
            else:
                cell.close(cell.reason)
        if self._graces:
            self._leave_grace(id)
        if self._recipe is not None and self._recipe[0] is not self._engine.template:
            self._recipe = None  # it may be this child's, with its arguments
        self._ledger.cancel(id, self._now())

    def _arm(self, effect: Arm) -> None:
        token, delay = effect.token, effect.delay
        if delay <= 0:
            self._cell.put_urgent(Due(token))
        else:
            self._timers[token] = self.runtime.clock.call_at(
                self._now() + delay, lambda: self._cell.put_urgent(Due(token))
            )

    def _disarm(self, effect: Disarm) -> None:
        timer = self._timers.pop(effect.token, None)
        if timer is not None:
            timer.cancel()

    # Events and callbacks

    def _note(self, effect: Note) -> None:
        event = effect.event
        if isinstance(event, (BackingOff, Restarting)):
            if not self._ledger.note(event):
                # Its exit was not a failure: a permanent child that ended, or another member of a group restart.
                ended = event.incarnation - isinstance(event, Restarting)
                self._ledger.exited(event.child, ended, self._cells[event.child].reason, None, event.at)
                self._ledger.note(event)
        elif isinstance(event, GaveUp):
            self._ledger.gave_up(event.child, event.at)
        events = self._cell.runtime.events
        if events.takers[type(event)]:
            events.publish(event)
        if isinstance(event, GaveUp) and self._engine.spec.on_give_up is not None:
            self._call_back("on_give_up", self._engine.spec.on_give_up, event)

    def _failed(
        self, id: str, incarnation: int, reason: ExitReason, message_type: str | None, now: float
    ) -> FailureDecision | None:
        """A child has failed: adds it to the ledger and calls `on_failure`, which may decide what follows."""
        self._ledger.exited(id, incarnation, reason, message_type, now)
        if self._engine.spec.on_failure is None:
            return None
        failure = Failure(self.path, id, f"{self.path}/{id}", incarnation, reason, message_type)
        match self._call_back("on_failure", self._engine.spec.on_failure, failure):
            case True | "restart":
                return "restart"
            case False | "stop":
                return "stop"
            case _:
                return None

    def _call_back(self, name: str, callback: Callable[..., object], told: object) -> object:
        """Calls a callback of the user. An exception of it is an event without effect."""
        try:
            said = callback(told)
            if hasattr(said, "__await__"):
                self.runtime.look_after(cast("Any", said), lambda error: self._callback_failed(name, error))
                return None
            return said
        except BaseException as error:  # noqa: BLE001 - a callback of the user must not crash the supervisor
            self._callback_failed(name, error)
            return None

    def _callback_failed(self, name: str, error: BaseException) -> None:
        self.runtime.events.publish(CallbackFailed(self.path, self._now(), name, error))


_CARRIED_OUT: dict[type[Effect], Callable[[Supervisor, Any], None]] = {
    Adopt: Supervisor._adopt,
    Answer: Supervisor._answer,
    Arm: Supervisor._arm,
    Close: Supervisor._close,
    Disarm: Supervisor._disarm,
    Drop: Supervisor._close,
    ExitSelf: Supervisor._exit,
    Note: Supervisor._note,
    Ready: Supervisor._say_ready,
    Refuse: Supervisor._refuse,
    Start: Supervisor._start_child,
    StartFailedSelf: Supervisor._fail,
    Stop: Supervisor._stop_child,
}
"""The method of each effect."""


def tree_of(supervisor_class: type[Supervisor]) -> SupervisorSpec:
    """The spec of a supervisor class that is started as a class: the spec that its `tree()` returns.

    Raises:
        SpecError: `tree()` did not return the spec of a supervisor
        NotAnActor: the class has no `tree()` of its own
    """
    spec: object = supervisor_class.tree()
    if not isinstance(spec, SupervisorSpec):
        if inspect.iscoroutine(spec):
            spec.close()
        problem = f"tree() must return the spec of a supervisor, got {spec!r}"
        raise SpecError([SpecFault(supervisor_class.__qualname__, f"{problem}. Build one with supervisor()")])
    return spec.model_copy(update={"supervisor_class": supervisor_class})
