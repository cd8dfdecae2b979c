"""The ref of a team: the operations of a team, as methods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar, cast, overload

from actors.spi import (
    A,
    ActorDeadError,
    ActorRef,
    CallTimeout,
    Crashed,
    DeadLetter,
    ExitReason,
    Future,
    HasRef,
    last_reason,
    of_class,
    when_terminated,
)
from supervisors.spi import SpecFault, SupervisorRef
from teams._checks.fields import count_faults, priority_faults, refuse, seconds_faults
from teams._dispatch.ask import ask_again
from teams._dispatch.broadcast import SendToAll
from teams._dispatch.gather import Gathered, GatherPolicy, collect, gather_faults
from teams._dispatch.messages import (
    AwaitPart,
    EndRun,
    GetRoster,
    Halt,
    Join,
    Leave,
    PauseTeam,
    ResetTeam,
    ResumeTeam,
    SlotInfo,
)
from teams._dispatch.view import TeamView
from teams._dispatch.work import Assign
from teams._members.member import Member
from teams._members.results import Outcome
from teams._members.target import Can, Pool, WorkTarget, work_target_faults
from teams._runs.pattern import Pattern, pattern_faults, work_targets
from teams._runs.run import broken
from teams._runs.state import RunHandle, RunState
from teams.errors import RunFailed, TeamHalted, WorkTimeout
from teams.protocols._topics.ref import TopicsRef

R = TypeVar("R", bound=ActorRef[Any])

STARTS = 3
"""How often the start of a run is asked for."""


class TeamRef(SupervisorRef):
    """A team, from outside or from one of its members. Operations return a future: `await` it in a coroutine,
    `.get(timeout=...)` it in a thread. A team that is being started again answers when it is up. A team that has
    terminated, or that was started again after it took the request, answers `ActorDeadError`.
    """

    __slots__ = ()

    def assign(
        self,
        work: object,
        to: WorkTarget,
        *,
        timeout: float | None = None,
        priority: int = 0,
        attempts: int = 1,
    ) -> Future[Any]:
        """Has one member of `to` work on `work`. A future of the result.

        Args:
            work: What the function is called with, or the message the actor gets.
            to: A member, a role, `can("capability")` or a `pool(...)`.
            timeout: Seconds from now until the result is not wanted any more. None: any time. Default: None.
            priority: More is sooner where work has to wait. It grows by one for every `ageing` seconds of waiting.
                Default: 0.
            attempts: How often it may be tried when its member crashes. 1 is at most once. Default: 1.

        Raises:
            SpecError: at once, with the faults of all arguments

        Raises, from the future:
            NoCapableAgent: no member of the team belongs to `to`
            WorkFailed: every attempt failed; the cause is the last failure
            WorkTimeout: it was not done in time
            HandoffRefused: a member insists on a handoff that was refused
            TeamHalted: the kill switch was thrown
        """
        path, urgency = f"{self.path}.assign()", cast("object", priority)
        refuse(
            work_target_faults(path, to) if not isinstance(to, Pool) else (),
            seconds_faults(path, "timeout", timeout),
            _wrong(path, "priority", "an integer", None) if urgency is None else priority_faults(path, urgency),
            count_faults(path, "attempts", attempts),
        )
        asked_at = None if timeout is None else self.runtime.now()
        return self._coordinate(Assign(work, to, None, None, priority, timeout, attempts, asked_at))

    def play(self, pattern: Pattern, value: object = None) -> RunHandle:
        """Plays a pattern with this input. The handle is awaited for the result, shows the events, and cancels.
        Raises SpecError if it is not a pattern.
        """
        refuse(pattern_faults(f"{self.path}.play()", pattern))
        runtime = self.runtime
        record = RunState(f"run-{runtime.next_number()}", pattern, value, runtime)
        handle = RunHandle(record, partial(self._cancel, record))
        self._start(record, STARTS)
        return handle

    def _start(self, record: RunState, tries: int) -> None:
        view = self._view
        if view is not None and view.halted is not None:
            record.settle(Outcome(error=RunFailed(record.id, TeamHalted(self.path, view.halted), {})))
        else:
            self._reach("runs", partial(self._begin, record, tries), partial(self._broken, record))

    def _begin(self, record: RunState, tries: int, runs: ActorRef[Any]) -> None:
        assert isinstance(runs, SupervisorRef)
        runs.start_child({"record": record}).add_done_callback(partial(self._started, record, tries - 1))

    def _started(self, record: RunState, tries: int, started: Future[ActorRef[Any]]) -> None:
        try:
            run = started.get()
        except Exception as error:  # noqa: BLE001 - whatever kept the run from starting is its outcome
            if tries and self.is_alive():
                self._start(record, tries)  # the supervisor of runs has crashed over it; the record knows what was done
            else:
                self._broken(record, error)
            return
        when_terminated(run, partial(self._run_terminated, record, run.path))

    def _broken(self, record: RunState, error: Exception) -> None:
        broken(record, self.path, error.reason if isinstance(error, ActorDeadError) else Crashed(error))

    def _run_terminated(self, record: RunState, path: str, reason: ExitReason) -> None:
        broken(record, path, reason)
        coordinator = self.runtime.find(f"{self.path}/coordinator")
        if coordinator is not None and coordinator.is_alive():
            coordinator.tell(EndRun(record.id, "its run has terminated"))

    def _cancel(self, record: RunState, reason: str) -> None:
        def cancel() -> None:
            if record.cancelled is None and not record.future.done():
                record.cancelled = reason
                if record.task is not None:
                    record.task.cancel()

        self.runtime.on_loop(cancel)

    def broadcast(
        self,
        message: object,
        to: str | Can | None = None,
        *,
        policy: GatherPolicy | None = None,
        within: float | None = None,
    ) -> Future[Gathered]:
        """Sends a message to every member, or to those of a role or capability. A future of their answers.

        The `Gathered` has the results and failures by slot, and the slots that had not answered when `policy` was
        satisfied or `within` seconds had passed. None: `collect()`, which waits for all. Raises `NoCapableAgent` from
        the future if the team has no such member, and SpecError at once, with the faults of all arguments.
        """
        path = f"{self.path}.broadcast()"
        refuse(work_target_faults(path, to) if to is not None else (), gather_faults(path, policy, within))
        return self._coordinate(SendToAll(message, to, policy or collect(), within))

    def tell_all(self, message: object, to: str | Can | None = None) -> None:
        """Sends a message to every member, or to those of a role or capability, and does not wait. If the team is being
        started again and does not come back, the message is a dead letter.

        Raises:
            SpecError: `to` is not a member, a role or a capability
            ActorDeadError: the team has terminated
        """
        refuse(work_target_faults(f"{self.path}.tell_all()", to) if to is not None else ())
        if not self.is_alive():
            raise ActorDeadError(self.path, last_reason(self), message)

        def tell(coordinator: ActorRef[Any]) -> None:
            try:
                coordinator.tell(SendToAll(message, to, collect(), None))
            except ActorDeadError as error:
                undelivered(error)

        def undelivered(error: Exception) -> None:
            self.runtime.events.publish(DeadLetter(self.path, self.runtime.now(), message, "closed", None, error))

        self._reach("coordinator", tell, undelivered)

    def goal(self) -> RunHandle | None:
        """The run of the goal of the team; None if it has no goal, or has not started yet."""
        found = self.runtime.find(f"{self.path}/goal")
        record = found.view() if found is not None else None
        return RunHandle(record, partial(self._cancel, record)) if isinstance(record, RunState) else None

    @overload
    def member(self, id: str) -> ActorRef[Any]: ...

    @overload
    def member(self, id: str, expected: type[R]) -> R: ...

    @overload
    def member(self, id: str, expected: type[HasRef[R]]) -> R: ...

    @overload
    def member(self, id: str, expected: type[A]) -> ActorRef[A]: ...

    def member(self, id: str, expected: type[Any] | None = None) -> Any:
        """The ref of one slot, stable across restarts; of the class `expected`, as that of `child`. Raises `NotFound`
        and `WrongActorClass`.
        """
        found = self.child(f"members/{id}")
        return found if expected is None else of_class(found, expected)

    @property
    def topics(self) -> TopicsRef:
        """The topics of the team: publish, subscribe, begin a chain of a choreography. Raises `NotFound`."""
        found = self.child("topics")
        assert isinstance(found, TopicsRef)
        return found

    def roster(self) -> Future[tuple[SlotInfo, ...]]:
        """The slots of the team, and how much work each has."""
        return self._coordinate(GetRoster())

    def join(self, member: Member) -> Future[tuple[str, ...]]:
        """Takes a member in while the team runs. A future of its slots, which settles when they are up.

        Raises SpecError at once if it was not made by `member()`, and from the future: `AlreadyMember`, `RoleFull`,
        `UnknownRole`, `TeamHalted`, or the error of its start.
        """
        given: object = member
        if not isinstance(given, Member):
            refuse(_wrong(f"{self.path}.join()", "member", "made by member()", given))
        return self._coordinate(Join(member))

    def leave(self, id: str) -> Future[tuple[str, ...]]:
        """Has a member leave, by its id or that of one slot. It gets nothing new, and leaves when it has done its work.
        A member that has itself leave must not wait for that. A future of the slots that left. Raises `UnknownMember`
        from the future.
        """
        return self._coordinate(Leave(id))

    def pause_work(self) -> Future[bool]:
        """Begins no new work and delivers no new events; what has begun goes on. A future of whether that was news."""
        return self._coordinate(PauseTeam())

    def resume_work(self) -> Future[bool]:
        """Goes on after `pause_work`. A future of whether that was news."""
        return self._coordinate(ResumeTeam())

    def halt(self, reason: str = "halt() was called") -> Future[None]:
        """The kill switch: all work fails with `TeamHalted`, runs end, members are killed and stay down until `reset`.
        The future settles when they have terminated. Raises SpecError if the reason is not a string.
        """
        given: object = reason
        if not isinstance(given, str):
            refuse(_wrong(f"{self.path}.halt()", "reason", "a string", given))
        return self._coordinate(Halt(reason))

    def reset(self) -> Future[None]:
        """Works again after `halt`, with the same members, started afresh."""
        return self._coordinate(ResetTeam())

    def check(self, pattern: Pattern) -> tuple[str, ...]:
        """The targets of a pattern that no member belongs to now. Raises SpecError if it is not a pattern."""
        refuse(pattern_faults(f"{self.path}.check()", pattern))
        view = self._view
        return tuple(str(target) for target in work_targets(pattern) if view is None or not view.knows(target))

    @property
    def _view(self) -> TeamView | None:
        """The view of the coordinator; None without a coordinator, or before it has started."""
        found = self.runtime.find(f"{self.path}/coordinator")
        view = found.view() if found is not None else None
        return view if isinstance(view, TeamView) else None

    def _reach(
        self,
        part: str,
        on_part: Callable[[ActorRef[Any]], object],
        on_error: Callable[[Exception], object],
        timeout: float | None = None,
    ) -> None:
        """Calls `on_part` with a part of the team: at once if it exists; while the team is being started again, as soon
        as that part is up. Calls `on_error` if the team terminates (`ActorDeadError`) or `timeout` seconds pass
        (`CallTimeout`) before. What is called later runs on the loop thread.
        """
        found = self.runtime.find(f"{self.path}/{part}")
        if found is not None:
            on_part(found)
            return

        def answered(asked: Future[ActorRef[Any]]) -> None:
            try:
                found = asked.get()
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller hears of it
                on_error(error)
            else:
                on_part(found)

        self.ask(AwaitPart(part), block=False, timeout=timeout).add_done_callback(answered)

    def _coordinate(self, message: object) -> Future[Any]:
        """Asks the coordinator, again if it crashed over the question. It is not asked again when it has terminated:
        then it is not known any more what its members had begun.
        """
        runtime = self.runtime
        future: Future[Any] = Future(runtime.park)
        coordinator = runtime.find(f"{self.path}/coordinator")
        if coordinator is not None:
            ask_again(coordinator, message, future)
        else:
            self._coordinate_later(message, future)
        return future

    def _coordinate_later(self, message: object, future: Future[Any]) -> None:
        """The same while the team is being started again. The time limit of work counts already."""
        timeout = message.timeout if isinstance(message, Assign) else None

        def failed(error: Exception) -> None:
            if isinstance(error, ActorDeadError):
                error = ActorDeadError(self.path, error.reason, message)
            elif isinstance(error, CallTimeout) and timeout is not None:
                error = WorkTimeout(self.path, "work", timeout, None)
            future.set_exception(error)

        self._reach("coordinator", lambda found: ask_again(found, message, future), failed, timeout)


def _wrong(path: str, name: str, wanted: str, value: object) -> Iterator[SpecFault]:
    yield SpecFault(path, f"{name}: must be {wanted}, got {value!r}")
