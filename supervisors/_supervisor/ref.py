"""The ref of a supervisor, with its API as methods."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, Unpack, overload

from actors.spi import (
    A,
    ActorDeadError,
    ActorRef,
    Cell,
    Future,
    HasRef,
    NotSendable,
    RuntimeLost,
    RuntimeStopped,
    Wanted,
    current_cell,
    deadline_of,
    lost,
    of_class,
    pack_call,
    tie,
)
from supervisors._engine.children import ChildCounts, ChildInfo
from supervisors._engine.reconcile import Reconciliation
from supervisors._engine.settings import Settings
from supervisors._engine.waits import restart_waits, start_waits, update_stops, update_waits
from supervisors._specs.fields import Args
from supervisors._specs.spec import Spec, SupervisorSpec, TaskCall
from supervisors._specs.start_kind import task_fault
from supervisors._supervisor.canonical import NotCanonical, canonical
from supervisors._supervisor.ledger import LastLedger, LedgerEntry
from supervisors._supervisor.messages import (
    CountChildren,
    DeleteChild,
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
from supervisors._supervisor.task import Promise, TaskFuture, has_process
from supervisors._supervisor.waits import QueuedRequest
from supervisors.errors import NotFound, PartitionKeyError, SpecError, SpecFault, SupervisorEnded, ended

if TYPE_CHECKING:
    from supervisors._supervisor.results import OnTaskFailure, TaskResults

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
Found = TypeVar("Found", bound=ActorRef[Any])
Started = TypeVar("Started", bound="SupervisorRef")


class SupervisorRef(ActorRef[Any]):
    """The ref of a supervisor. Every operation returns a future: `await` it in a coroutine, call `.get(timeout=...)` in
    a thread.

    The future raises the typed error of its operation (`NotFound`, `AlreadyStarted`, ..., supervision rule 23), or
    `ActorDeadError` if the supervisor terminates first. A handler or hook that waits for an operation that must wait
    for this handler, such as the `start_child` of a sibling in the first `on_start`, gets `DeadlockError` at once.
    """

    __slots__ = ()

    @overload
    def child(self, path: str) -> ActorRef[Any]: ...

    @overload
    def child(self, path: str, expected: type[Found]) -> Found: ...

    @overload
    def child(self, path: str, expected: type[HasRef[Found]]) -> Found: ...

    @overload
    def child(self, path: str, expected: type[A]) -> ActorRef[A]: ...

    def child(self, path: str, expected: type[Any] | None = None) -> Any:
        """The ref of a child by id, or of a descendant by its path below this one (`workers/w1`). It stays valid
        through restarts.

        With `expected`, an actor class or a class of refs, a type checker knows the type of the ref:
        `root.child("clerk", Clerk)` is an `ActorRef[Clerk]`, and `root.child("crew", TeamRef)` a `TeamRef`.

        Raises:
            NotFound: The supervisor has no such child, or the child is stopped.
            SupervisorGaveUp, SupervisorEnded: This supervisor itself has terminated.
            WrongActorClass: The child is not of the class `expected`.
        """
        found = self._cell.runtime.find(f"{self.path}/{path}")
        if found is None:
            raise NotFound(self.path, path) if self.is_alive() else self.ended_error()
        return found if expected is None else of_class(found, expected)

    def ended_error(self) -> SupervisorEnded | RuntimeStopped:
        """The error that says why this supervisor has terminated. Call it only then."""
        reason, kept = self._cell.reason, (self._cell.kept or {}).get(LastLedger)
        if isinstance(reason, RuntimeLost):
            return lost(reason)
        return ended(self.path, reason, kept.ledger.entries() if kept is not None else ())

    def supervisor(self, path: str) -> SupervisorRef:
        """Like `child`, for a child that is a supervisor. Raises `NotFound` also for a worker."""
        found = self.child(path)
        if not isinstance(found, SupervisorRef):
            raise NotFound(self.path, path)
        return found

    @overload
    def start_child(self, what: SupervisorSpec[Started]) -> Future[Started]: ...

    @overload
    def start_child(self, what: Spec | Args = ()) -> Future[ActorRef[Any]]: ...

    def start_child(self, what: Spec | Args = ()) -> Future[Any]:
        """Starts one more child: `what` is a spec for a static supervisor, extra arguments for a dynamic one. The
        future has its ref once it is up.
        """
        future = self._ask(StartChild(what))
        future.concerns(QueuedRequest(self._cell, lambda engine: start_waits(engine, what)))
        return future

    @overload
    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> TaskFuture[T]: ...

    @overload
    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> TaskFuture[T]: ...

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> TaskFuture[Any]:
        """Runs a function under a task supervisor: an `async` function on the event loop, a plain one in a thread. With
        `host=process()` both run in a process of its pool, and get copies of their arguments.

        The future has its result, or the exception of the last attempt. `future.cancel()` terminates the task.

        Raises at once: `SpecError` for a generator function; `NotSendable` if the function or an argument must go to a
        process and cannot be pickled.
        """
        if (problem := task_fault(function)) is not None:
            raise SpecError([SpecFault(f"{self.path}.run()", problem)])
        promise = Promise(self, function, args, kwargs)
        spec = self._cell.props.args[0] if self._cell.props.args else None
        if isinstance(spec, SupervisorSpec) and has_process(spec.template):
            promise.pack()
        started: Future[Any] = self._ask(StartChild(TaskCall(promise)))
        started.add_done_callback(promise.refused)
        return promise.future

    def run_tied(self, function: Callable[..., object], *args: object, **kwargs: object) -> TaskFuture[Any]:
        """Like `run`, for a task that is of no use without the actor that calls this: the end of its present
        incarnation, by a crash and a kill as well, cancels the task. The end of the task does not end the actor, except
        as an exception of the future that the actor waits for.

        Raises `NotInRuntime` outside of an actor.
        """
        future = self.run(function, *args, **kwargs)
        try:
            untie = tie(future.cancel, "run_tied()")
        except BaseException:
            future.cancel()
            raise
        future.add_done_callback(lambda _: untie())
        return future

    @overload
    def map(
        self,
        function: Callable[[T], Coroutine[Any, Any, R]],
        items: Iterable[T],
        *,
        limit: int = 8,
        ordered: bool = True,
        failures: Literal["raise"] = "raise",
    ) -> TaskResults[R]: ...

    @overload
    def map(
        self,
        function: Callable[[T], Coroutine[Any, Any, R]],
        items: Iterable[T],
        *,
        limit: int = 8,
        ordered: bool = True,
        failures: Literal["yield"],
    ) -> TaskResults[R | Exception]: ...

    @overload
    def map(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        limit: int = 8,
        ordered: bool = True,
        failures: Literal["raise"] = "raise",
    ) -> TaskResults[R]: ...

    @overload
    def map(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        *,
        limit: int = 8,
        ordered: bool = True,
        failures: Literal["yield"],
    ) -> TaskResults[R | Exception]: ...

    def map(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        limit: int = 8,
        ordered: bool = True,
        failures: OnTaskFailure = "raise",
    ) -> TaskResults[Any]:
        """Runs a function for each item under a task supervisor, as `run` does, and gives the results to `async for`,
        or to `for` in a thread. `TaskResults` says when tasks start and what ends them.

        Args:
            function: An `async` function, which runs on the event loop, or a plain one, which runs in a thread.
            items: The arguments, one for each task. Taken as needed, by the code that reads the results.
            limit: The most tasks that run at once. Default: 8.
            ordered: True: the results come in the order of the items. False: as they become ready. Default: True.
            failures: "raise": the exception of a task is raised at its place, the tasks that run are terminated, and
                the iteration is over. "yield": the exception is the result of that item. Default: "raise".

        Raises SpecError with every fault of the arguments, also if this is not a task supervisor; `NotSendable` if the
        function must go to a process and cannot be pickled. An item that cannot be is a task that fails.
        """
        from supervisors._supervisor.results import Stream, TaskResults, map_faults

        spec = self._cell.props.args[0] if self._cell.props.args else None
        is_tasks = isinstance(spec, SupervisorSpec) and spec.kind == "tasks"
        map_faults(self.path, function, items, limit, ordered, failures, is_tasks)
        if isinstance(spec, SupervisorSpec) and has_process(spec.template):
            pack_call(self.path, function, (), {})
        stream = Stream(self.path, partial(self._run_item, function), items, limit, ordered, self._cell.runtime.park)
        if current_cell() is not None:
            stream.on_close = tie(stream.cut, "map()")
        return TaskResults(stream, failures)

    def _run_item(self, function: Callable[[Any], Any], item: object) -> TaskFuture[Any]:
        """`run`, for an item that may be refused."""
        try:
            return self.run(function, item)
        except NotSendable as error:
            promise = Promise(self, function, (item,), {})
            promise.future.set_exception(error)
            return promise.future

    # In the methods for one child, a ref stands for the id in its path, even after the child has terminated. So
    # `terminate_child(ref)` and then `restart_child(ref)` concern the same child.

    def terminate_child(self, child: str | ActorRef[Any]) -> Future[None]:
        """Stops a child, given by its id or its ref, without a restart, or cancels its restart. Its spec is kept,
        except that of a temporary or dynamic child. The future raises `NotFound`.
        """
        id, stranger = self._id_of(child)
        if stranger is not None:
            return stranger
        found = self._cell.runtime.find(f"{self.path}/{id}")
        future = self._ask(TerminateChild(id))
        if found is not None:
            _concern_the_end(future, found._cell)
        return future

    def restart_child(self, child: str | ActorRef[Any], *, running: bool = False) -> Future[ActorRef[Any]]:
        """Starts a child, given by its id or its ref, that is stopped or declined. The future has its ref once it is
        up.

        Args:
            child: The id or the ref of the child.
            running: What happens to a child that runs. True: it is stopped in order and started again, alone whatever
                the strategy. Its ref, name and queue stay. Not counted in the budget, but in the ledger. If that start
                fails, the future raises `ChildStartError`, and the supervisor tries again as after any failed restart.
                False: the future raises `ChildRunning`. Default: False.

        The future raises `NotFound`, `ChildRestarting` if the child waits for a restart, and `ChildRunning` if it is
        starting or stopping.
        """
        id, stranger = self._id_of(child)
        if stranger is not None:
            return stranger
        future = self._ask(RestartChild(id, running))
        branch = self._branch_of_caller() if running else None
        if branch is not None and branch.id == id:
            _concern_the_end(future, branch)
        else:
            future.concerns(QueuedRequest(self._cell, lambda engine: restart_waits(engine, id, running)))
        return future

    def delete_child(self, child: str | ActorRef[Any]) -> Future[None]:
        """Forgets the spec of a child, given by its id or its ref, that is stopped or declined. The future raises
        `NotFound`, `ChildRunning` or `ChildRestarting`.
        """
        id, stranger = self._id_of(child)
        return self._ask(DeleteChild(id)) if stranger is None else stranger

    def which_children(self) -> Future[tuple[ChildInfo, ...]]:
        """All children in start order, each with its state."""
        return self._ask(WhichChildren())

    def which_child(self, child: str | ActorRef[Any]) -> Future[ChildInfo]:
        """One child, given by its id or its ref, with its state, at a cost that does not grow with the number of
        children. The future raises `NotFound` or `ShuttingDown`.
        """
        id, stranger = self._id_of(child)
        return self._ask(WhichChild(id)) if stranger is None else stranger

    def count_children(self) -> Future[ChildCounts]:
        """The number of children, in total and by state."""
        return self._ask(CountChildren())

    def get_child_spec(self, child: str | ActorRef[Any]) -> Future[Spec]:
        """The spec of a child, given by its id or its ref. The future raises `NotFound`."""
        id, stranger = self._id_of(child)
        return self._ask(GetChildSpec(id)) if stranger is None else stranger

    def update_specs(self, *specs: Spec) -> Future[Reconciliation]:
        """Replaces the specs of the children of the running supervisor, all of them: stops, starts, restarts and adopts
        those that differ, and returns their ids. An adopted policy is in force at once, except the bounds of a mailbox:
        a child keeps its queue with the old bounds. A supervisor below adopts changed settings; it is restarted for
        another name, class, kind, number of partitions, or other children.
        """
        branch, actor = self._branch_of_caller(), self._cell.actor
        stops = False
        if branch is not None and actor is not None and not self._cell.kind.placed:
            stops = actor.asks(lambda engine: update_stops(engine, branch.id, specs))
        future = self._ask(UpdateSpecs(specs))
        if branch is not None and stops:
            future.concerns(branch, Wanted.FORCED_END)
        else:
            future.concerns(QueuedRequest(self._cell, lambda engine: update_waits(engine, specs)))
        return future

    def update_settings(self, **settings: Unpack[Settings]) -> Future[tuple[str, ...]]:
        """Changes settings of the running supervisor itself, without a restart: `strategy`, `max_restarts`, `period`,
        `auto_shutdown`, `max_children`, `pool`, `on_failure`, `on_give_up`. They are in force at once, `pool` with the
        next task; restarts in the window stay there, and a group restart under way is not changed. The future has the
        names of the settings that differ.

        After a restart a supervisor has the spec that its own supervisor has: to change that, too, give the new spec to
        the `update_specs` of its supervisor, which does not restart it for settings alone.

        The future raises `SpecError` if the settings do not fit the children.
        """
        return self._ask(UpdateSettings(settings))

    def ledger(self) -> Future[tuple[LedgerEntry, ...]]:
        """The last restarts, oldest first (supervision rule 30)."""
        return self._ask(GetLedger())

    def pause_work(self) -> Future[bool]:
        """Suspends every worker below: handlers under way go on, all other messages wait, also through a restart. A
        supervisor with a pause of its own, such as a team, uses that. A child that is added later is not paused.

        The future says whether that changed anything.
        """
        return self._ask(PauseWork(True))

    def resume_work(self) -> Future[bool]:
        """Resumes the workers after `pause_work`. The future says whether that changed anything."""
        return self._ask(PauseWork(False))

    @overload
    def partition(self, key: object) -> ActorRef[Any]: ...

    @overload
    def partition(self, key: object, expected: type[Found]) -> Found: ...

    @overload
    def partition(self, key: object, expected: type[HasRef[Found]]) -> Found: ...

    @overload
    def partition(self, key: object, expected: type[A]) -> ActorRef[A]: ...

    def partition(self, key: object, expected: type[Any] | None = None) -> Any:
        """The child of a partitioned supervisor that is responsible for `key`: the same child for equal keys of one
        type, in every process. The child may be waiting for its restart.

        An integer is taken modulo the number of partitions, any other key by the CRC-32 of a canonical encoding. None,
        numbers, strings, bytes, tuples, lists, sets, dictionaries, enums, UUIDs, dates and times, paths, classes,
        dataclasses and pydantic models have one, unless their class defines `__eq__` itself. `expected` is that of
        `child`.

        Raises:
            PartitionKeyError: The key, or a part of it, has no canonical encoding.
            NotFound: This is not a partitioned supervisor, or the child is stopped.
            WrongActorClass: The child is not of the class `expected`.
        """
        try:
            number = key if isinstance(key, int) else zlib.crc32(canonical(key))
        except NotCanonical as error:
            raise PartitionKeyError(self.path, str(error), _shown(key)) from None
        spec = self._cell.props.args[0]
        assert isinstance(spec, SupervisorSpec)
        if spec.partitions is None:
            raise NotFound(self.path, str(key))
        found = self.child(str(number % spec.partitions))
        return found if expected is None else of_class(found, expected)

    def _branch_of_caller(self) -> Cell | None:
        """The child in which, or below which, the running code is."""
        cell = current_cell()
        while cell is not None and cell.parent is not self._cell:
            cell = cell.parent
        return cell

    def _id_of(self, child: str | ActorRef[Any]) -> tuple[str, Future[Any] | None]:
        """The id of a child, and a failed future if a ref is not that of a child of this supervisor."""
        if not isinstance(child, ActorRef):
            return child, None
        if child.runtime is self.runtime and child.path == f"{self.path}/{child.id}":
            return child.id, None
        refused: Future[Any] = Future(self._cell.runtime.park)
        refused.set_exception(NotFound(self.path, child.id, child.path))
        return child.id, refused

    def _ask(self, message: object) -> Future[Any]:
        """Asks without a deadline of its own: a start may take as long as its spec allows, and the end of the
        supervisor settles every request.
        """
        caller = current_cell()
        deadline = deadline_of(self._cell, caller, None)
        future: Future[Any] = self._put_question(message, False, caller, deadline, deadline, None)
        return future


def _concern_the_end(future: Future[Any], cell: Cell) -> None:
    """The future is settled when this child has ended: code that runs in the child must not wait for it."""
    future.concerns(cell, Wanted.END if cell.props.shutdown is None else Wanted.FORCED_END)


def _shown(key: object) -> str:
    try:
        text = repr(key)
    except Exception:  # noqa: BLE001 - the `repr` of an object of the user may raise
        text = f"<{type(key).__qualname__} that cannot be shown>"
    return text if len(text) <= 60 else f"{text[:57]}..."


def when_all(futures: list[Future[bool]], then: Callable[[bool], object]) -> None:
    """Calls `then` when all futures have settled, with whether one of them is true."""
    left = len(futures)
    news = False

    def settled(future: Future[bool]) -> None:
        nonlocal left, news
        left -= 1
        with contextlib.suppress(ActorDeadError, RuntimeStopped):
            news = future.get() or news
        if left == 0:
            then(news)

    for future in futures:
        future.add_done_callback(settled)
    if not futures:
        then(False)
