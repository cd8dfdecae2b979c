"""The ref of an engine, and of a run, for users."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from actors.spi import ActorDeadError, ActorRef, CallbackReply, Future, last_reason
from supervisors.spi import SupervisorRef
from teams._dispatch.ask import ask_again
from teams._journal.codec import decode, encode, unrecorded
from teams._journal.rows import ENDED, InboxRow, JournalEntry, LifeState, RunRow, lasting
from teams._journal.store import Store
from teams.errors import RunCancelled
from teams.workflows._engine.journal import Apply
from teams.workflows._engine.listeners import follower
from teams.workflows._engine.messages import AnswerQuestion, AwaitEnd, EditRun, GetRun, GetRuns, RetryRun, Say, StartRun
from teams.workflows._engine.schedules import (
    ScheduledSlot,
    backfill,
    pause_schedule,
    resume_schedule,
    schedules,
    trigger_schedule,
)
from teams.workflows._engine.settings import EngineSettings
from teams.workflows._engine.stream import AskDesk, RunStream
from teams.workflows._graph.edit import graph_changes
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.node import Node
from teams.workflows._graph.workflow import Workflow
from teams.workflows._quality.domain import Scores
from teams.workflows._run.artifact import MadeArtifact
from teams.workflows._run.execution import CHOICE, ExecutionChoice
from teams.workflows._run.hidden import Hidden
from teams.workflows._run.progress import Remaining, counted, ended_steps, percentage, remaining
from teams.workflows._run.reader import RunReader
from teams.workflows._run.values import artifacts_in, read, scores_in
from teams.workflows._time.schedule import ScheduleStatus
from teams.workflows.errors import BadBackfill, NoSuchSchedule, RunFailure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The status of a run. Times are seconds since the epoch."""

    id: str
    workflow: str
    version: str
    key: str | None
    state: str
    """created, running, waiting, paused, blocked, cancelling; done, failed or cancelled."""
    waiting_for: str | None
    done: int
    """Steps of the workflow that are done or skipped; of a pattern and of code, also those inside of others."""
    failed: int
    """Steps whose last attempt has failed."""
    total: int | None
    """Steps of the workflow; None: not known before they are done."""
    percentage: float | None
    """How much of it has ended; steps weigh by the `estimated_duration` of their metadata, if any step has one."""
    remaining: Remaining | None
    """Seconds until it ends; None: no step of it has an `estimated_duration`, or it has ended without a result."""
    estimated_completion: float | None
    """When it ends, if it takes the time of `remaining.p50`."""
    current_steps: tuple[str, ...]
    active_agents: tuple[str, ...]
    """The members, roles and other targets of the steps under way."""
    questions: Mapping[str, str]
    """Open questions to people, by their step."""
    unread: tuple[str, ...]
    """Signals that no step has taken."""
    created_at: float
    started_at: float | None
    ended_at: float | None
    result: Any
    error: str | None
    quality: Mapping[str, Scores] = field(default_factory=dict)
    """The scores of the results that were scored, by their steps; a step that was done again counts by each round, such
    as `draft#2`."""
    execution: ExecutionChoice | None = None
    """How its steps run, as `execution="auto"` chose it; None: it chose nothing, or not yet."""
    continued_as: str | None = None
    """The id of the run that goes on in its place; None: there is none."""
    parent: str | None = None
    """The id of the run that started it, or in whose place it goes on; None: a caller started it."""
    parent_step: str | None = None
    """The step of that run; "(continued)" if it goes on in its place."""
    waiting_since: float | None = None
    """Since when it waits for `waiting_for`; None: it does not wait."""


class WorkflowRun:
    """A run of an engine, from outside: await it for the result, or call `.get(timeout=...)` in a thread.

    The result is what JSON can say. Futures: `await` them, or `.get()` them in a thread. Every operation is in the
    store before its future settles, and reaches the run in whatever process it is. Each raises `NoSuchRun` from its
    future if the store does not have the run.
    """

    __slots__ = ("_ask", "id")

    def __init__(self, ask: AskDesk, id: str) -> None:
        self._ask = ask
        self.id = id
        """The id of the run, under which any process finds it."""

    def result(self) -> Future[Any]:
        """A future of the result. Raises `RunFailure`, whose cause is the recorded error, or `RunCancelled` from the
        future.
        """
        return self._ask(AwaitEnd(self.id), _result_of)

    def get(self, *, timeout: float | None = None) -> Any:
        """Waits for the result in a thread, for at most `timeout` seconds. Raises `pykka.Timeout` after that."""
        return self.result().get(timeout=timeout)

    def __await__(self) -> Any:
        return self.result().__await__()

    def status(self) -> Future[RunStatus]:
        """How far it is. Its result is shown without what its steps redact."""
        return self._ask(GetRun(self.id), lambda found: status_of(*found))

    def history(self) -> Future[tuple[JournalEntry, ...]]:
        """Its entries, in order, without what its steps redact."""
        return self._ask(GetRun(self.id), lambda found: tuple(found[5].entries(found[1])))

    def artifacts(self) -> Future[tuple[MadeArtifact, ...]]:
        """The artifacts that its steps have returned so far, in the order in which they were made, without what the
        steps redact.
        """
        return self._ask(GetRun(self.id), lambda found: artifacts_in(found[5].entries(found[1])))

    def stream(self, since: int = 0) -> RunStream:
        """Its events from the beginning, or after the event with this `seq`, until it has ended: for `async for`, or
        for `for` in a thread. They are read from the journal, so they are there after a restart, too, and for runs of
        other processes. The next event raises `NoSuchRun` if the store does not have the run, and `ActorDeadError`
        when the engine has terminated.

        Raises:
            ValueError: `since` is not the `seq` of an event
        """
        return RunStream(self._ask, self.id, since, RunReader())

    def signal(self, name: str, value: object = None) -> Future[None]:
        """Sends a signal, which a step that waits for this name takes, now or when it comes there. Raises
        `AlreadyEnded` and `NotStorable` from the future.
        """
        return self._ask(Say(self.id, "signal", name, value), _nothing)

    def answer(self, step: str, value: object, *, by: str = "") -> Future[None]:
        """Answers the question of a step; `by` is the person. Raises `NoOpenQuestion`, `NotAnOption` and
        `AlreadyAnswered` from the future.
        """
        return self._ask(AnswerQuestion(self.id, step, value, by), _nothing)

    def cancel(self, reason: str = "cancel() was called", *, now: bool = False) -> Future[None]:
        """Ends it: its steps are called off, then what was done is undone where steps have `undo`, last first; with
        `now`, nothing is undone. The future settles when the order is written. Raises `AlreadyEnded` from the future.
        """
        return self._ask(Say(self.id, "cancel", "now" if now else "", reason), _nothing)

    def pause(self) -> Future[None]:
        """Stops it where it is, until `resume`. A step under way is begun again then. Raises `AlreadyEnded` from the
        future.
        """
        return self._ask(Say(self.id, "pause"), _nothing)

    def resume(self, *, accept_changes: bool = False) -> Future[None]:
        """Goes on with it where it is paused or blocked. `accept_changes` says that a person has looked: an uncertain
        step begins again, and a step that has changed counts as it is now. Raises `AlreadyEnded` from the future.
        """
        return self._ask(Say(self.id, "resume", "accept_changes" if accept_changes else ""), _nothing)

    def edit(
        self,
        *,
        add_node: Node | Iterable[Node] = (),
        add_edge: Iterable[tuple[str, str]] = (),
        remove: str | Iterable[str] = (),
        replace: Node | Iterable[Node] = (),
        add_subgraph: Mapping[str, Workflow] | None = None,
    ) -> Future[None]:
        """Changes what it does next: all of the changes or none. They are checked like a new workflow, and written in
        one commit, so that they survive the death of the process. The future settles when they are decided.

        What has begun does not change, nor what it needed. Functions of new steps are found by "module:name", as those
        in files are.

        Args:
            add_node: New steps, made by `do`, `wait`, ...; in a chain `after` names the step that one comes after, and
                without it comes at the end. Default: ().
            add_edge: Pairs of steps of a DAG: the second begins after the first has ended. Default: ().
            remove: Ids of steps. What refers to them must be replaced in the same edit. Default: ().
            replace: Steps in place of those with their ids. Default: ().
            add_subgraph: The steps of workflows, by a prefix for their ids (`subgraph`). None: none. Default: None.

        Raises:
            SpecError: an argument is not what it must be; all faults at once

        Raises from the future:
            AlreadyBegun: a step that has begun would change, or would need another one
            CannotEdit: what comes of it has faults; or it is the run of a pattern or of code
            AlreadyEnded: it has ended, or all its steps have
        """
        changes = graph_changes(
            add_node=add_node, add_edge=add_edge, remove=remove, replace=replace, add_subgraph=add_subgraph
        )
        return self._ask(EditRun(self.id, changes.document()), _nothing)

    def retry(self, *, step: str | None = None) -> Future[None]:
        """Goes on with it after it failed or was cancelled. Steps that are done stay done; with `step`, that one and
        those that began after it are done again. Raises `NotEnded`, `AlreadyEnded` and `NoSuchStep` from the future.
        """
        return self._ask(RetryRun(self.id, step), _nothing)

    def __repr__(self) -> str:
        return f"<WorkflowRun {self.id}>"


class EngineRef(SupervisorRef):
    """An engine, from outside. Futures: `await` them, or `.get()` them in a thread."""

    __slots__ = ()

    def start_workflow(
        self,
        workflow: str,
        value: object = None,
        *,
        key: str | None = None,
        priority: int = 0,
        timeout: float | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Future[WorkflowRun]:
        """Starts a run. When the future settles, the run is in the store and will end, whatever happens to this
        process.

        Args:
            workflow: The name of a workflow or pattern of the engine.
            value: The input.
            key: An idempotency key: a second start with the same workflow, key and input is the same run. None: a new
                run at each call. Default: None.
            priority: More is sooner where runs wait for a place. Default: 0.
            timeout: Seconds for the run, more than 0. None: those of the workflow, or the default of the engine.
                Default: None.
            attributes: What the run is listed with; JSON. Default: None.

        Raises from the future:
            NoSuchWorkflow: the engine has none of this name
            BadInput: the input is not what the workflow takes; nothing is stored
            NotStorable: JSON cannot say the input
            SpecError: the timeout is not more than 0 seconds, or the attributes are not a mapping; nothing is stored
            KeyTaken: a run with this key has another input
        """
        message = StartRun(workflow, value, key, priority, timeout, attributes)
        return self._asked(message, lambda row: self.workflow_run(row.id))

    def execute(
        self,
        workflow: str,
        value: object = None,
        *,
        key: str | None = None,
        priority: int = 0,
        timeout: float | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Future[Any]:
        """Starts a run and waits for its end: a future of the result. Options and errors as for `start_workflow`, and
        those of `WorkflowRun.result`.
        """
        return self._asked(StartRun(workflow, value, key, priority, timeout, attributes, until_end=True), _result_of)

    def workflow_run(self, id: str) -> WorkflowRun:
        """The run with this id, whichever process started it."""
        return WorkflowRun(self._asked, id)

    def stream(self, run_id: str, since: int = 0) -> RunStream:
        """The events of a run, as `WorkflowRun.stream` tells them."""
        return self.workflow_run(run_id).stream(since)

    def workflow_runs(
        self, *, states: Collection[LifeState] | None = None, workflow: str | None = None, limit: int = 100
    ) -> Future[tuple[RunRow, ...]]:
        """Runs, newest first, at most `limit`; of these states and of this workflow, where they are given."""
        options = {"states": None if states is None else tuple(states), "workflow": workflow, "limit": limit}
        return self._asked(GetRuns(options), tuple)

    def schedules(self) -> Future[tuple[ScheduleStatus, ...]]:
        """The schedules of the store, by id, also those of other engines. Of an engine that has none of its own:
        nothing.
        """
        future: Future[tuple[ScheduleStatus, ...]] = Future(self.runtime.park)
        if self.runtime.find(f"{self.path}/scheduler") is None and self.runtime.find(f"{self.path}/desk") is not None:
            future.set(())
            return future
        return self._applied("", schedules)

    def pause_schedule(self, id: str) -> Future[ScheduleStatus]:
        """No slot of the schedule starts until `resume_schedule`. What falls into the pause, and what waits for another
        run, is left out. Raises `NoSuchSchedule` from the future.
        """
        return self._applied(id, partial(pause_schedule, id=id))

    def resume_schedule(self, id: str) -> Future[ScheduleStatus]:
        """The slots of the schedule start again, from now on. Raises `NoSuchSchedule` from the future."""
        return self._applied(id, partial(resume_schedule, id=id))

    def trigger_schedule(self, id: str) -> Future[WorkflowRun]:
        """Starts a run of the schedule now, besides its slots and whatever `overlap` says, also while it is paused.
        Raises `NoSuchSchedule` from the future.
        """
        run = EngineSettings.new_id(round(self.runtime.clock.wall() * 1e6), self.runtime.random)
        return self._applied(id, partial(trigger_schedule, id=id, run=run), lambda row: self.workflow_run(row.id))

    def backfill_schedule(
        self, id: str, since: datetime, until: datetime, *, dry: bool = True
    ) -> Future[tuple[ScheduledSlot, ...]]:
        """Starts the slots of a time that is over which have no run, all at once. The answer tells of each slot of that
        time, in order.

        Args:
            id: The schedule.
            since: From here on; with a zone.
            until: To here, the end included; with a zone.
            dry: Only tell what would be started. Default: True.

        Raises from the future:
            NoSuchSchedule: there is none of this id
            BadBackfill: the time is not over, has more than 1,000 slots, or has no zone
        """
        if since.tzinfo is None or until.tzinfo is None:
            future: Future[tuple[ScheduledSlot, ...]] = Future(self.runtime.park)
            future.set_exception(BadBackfill(id, "the times need a zone, such as datetime(2026, 1, 31, tzinfo=UTC)"))
            return future
        source = random.Random(self.runtime.random.getrandbits(64))
        begin, end = since.timestamp(), until.timestamp()
        return self._applied(id, partial(backfill, id=id, since=begin, until=end, source=source, dry=dry))

    def _applied(
        self, id: str, function: Callable[[Store], Any], then: Callable[[Any], T] | None = None
    ) -> Future[Any]:
        future: Future[Any] = Future(self.runtime.park)
        scheduler: ActorRef[Any] | None = self.runtime.find(f"{self.path}/scheduler")
        if scheduler is not None:
            done = future.set if then is None else lambda found: future.set(then(found))
            ask_again(scheduler, Apply(function), CallbackReply(done, future.set_exception))
        elif self.runtime.find(f"{self.path}/desk") is None:
            future.set_exception(ActorDeadError(self.path, last_reason(self), Apply(function)))
        else:
            future.set_exception(NoSuchSchedule(id, ()))
        return future

    def _asked(self, message: object, then: Callable[[Any], T]) -> Future[T]:
        future: Future[T] = Future(self.runtime.park)

        def answered(found: Any) -> None:
            try:
                future.set(then(found))
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller hears of it
                future.set_exception(error)

        self._ask_desk(message, answered, future.set_exception)
        return future

    def _ask_desk(self, message: object, on_result: Callable[[Any], object], on_error: Callable[[Any], object]) -> None:
        desk: ActorRef[Any] | None = self.runtime.find(f"{self.path}/desk")
        if desk is None:
            on_error(ActorDeadError(self.path, last_reason(self), message))
        else:
            ask_again(desk, message, CallbackReply(on_result, on_error))


def _nothing(_: object) -> None:
    return None


def _result_of(row: RunRow) -> Any:
    """The result of a run that has ended. Raises RunFailure, RunCancelled."""
    if row.state != "done":
        raise failure_of(row)
    return read(row.result)


def failure_of(row: RunRow) -> Exception:
    """The error of a run that has ended without a result."""
    said: dict[str, Any] = {"type": "", "text": row.state, "step": None, "cause": None}
    if row.error is not None:
        said = decode(row.error)
    if row.state == "cancelled" and said["type"] == "RunCancelled":
        return RunCancelled(row.id, said["text"], {})
    error = RunFailure(row.id, row.state, said["text"], said["step"])
    if said["cause"] is not None:
        error.__cause__ = unrecorded(encode(said["cause"]))
    return error


def _target_of(entry: JournalEntry) -> str:
    """What a step that has begun was given to; empty: it waits."""
    said = None if entry.body is None else decode(entry.body)
    return said if isinstance(said, str) else ""


def status_of(
    row: RunRow,
    entries: Sequence[JournalEntry],
    messages: Sequence[InboxRow],
    graph: Graph | None = None,
    now: int | None = None,
    hidden: Hidden | None = None,
) -> RunStatus:
    """The status of a run, by its rows. With the graph of its workflow and the time in UTC microseconds, also how long
    it will take. `hidden` is what it does not show; None: it shows everything.
    """
    body = row.result
    if hidden is not None:
        hidden.entries(entries)
        body = hidden.result(body)
    began: dict[str, JournalEntry] = {}
    done, failed = counted(entries, parts=row.total is None)
    questions: dict[str, str] = {}
    execution: ExecutionChoice | None = None
    waiting = {each.id: (each.kind, each.name) for each in messages}
    for entry in entries:
        match entry.kind:
            case "kept":
                said = decode(entry.body or b"{}").get("message")
                if said is not None:
                    waiting[said["id"]] = (said["kind"], said["name"])
            case "signalled" | "answered":
                waiting.pop(decode(entry.body or b"{}").get("id"), None)
        match entry.kind:
            case "routed" if entry.step == CHOICE:
                execution = ExecutionChoice(**decode(entry.body or b"{}"))
            case "began":
                began[entry.step] = entry
            case "asked":
                questions[entry.step] = str(decode(entry.body or b"{}")["asks"]["question"])
            case "done" | "failed" | "slept" | "signalled" | "answered" | "expired" | "skipped":
                began.pop(entry.step, None)
                questions.pop(entry.step, None)
    for kind, name in waiting.values():
        if kind == "answer":
            questions.pop(name, None)
    ended = row.state in ENDED
    over = frozenset() if graph is None else ended_steps(graph, entries)
    if row.state in ("done", "continued"):
        share: float | None = 100.0
    elif graph is not None:
        share = percentage(graph, over)
    else:
        share = None if not row.total else round(100.0 * min(done, row.total) / row.total, 1)
    left: Remaining | None = None
    if row.state == "done":
        left = Remaining(0.0, 0.0)
    elif graph is not None and now is not None and not ended:
        left = remaining(graph, over, {entry.step: (now - entry.at) / 1e6 for entry in began.values()})
    finish = None
    if ended:
        finish = row.ended_at
    elif left is not None and now is not None:
        finish = now + lasting(left.p50)
    return RunStatus(
        row.id,
        row.workflow,
        row.version,
        row.key,
        row.state,
        row.waiting_for,
        done,
        failed,
        row.total,
        share,
        left,
        None if finish is None else finish / 1e6,
        () if ended else tuple(began),
        () if ended else tuple(dict.fromkeys(each for each in map(_target_of, began.values()) if each)),
        {} if ended else questions,
        tuple(name for kind, name in waiting.values() if kind == "signal"),
        row.created_at / 1e6,
        None if row.started_at is None else row.started_at / 1e6,
        None if row.ended_at is None else row.ended_at / 1e6,
        None if row.state == "continued" else read(body),
        None if row.error is None else str(decode(row.error)["text"]),
        scores_in(entries),
        execution,
        follower(row),
        row.parent,
        row.parent_step,
        None if row.waiting_for is None else _waiting_since(row, entries) / 1e6,
    )


def _waiting_since(row: RunRow, entries: Sequence[JournalEntry]) -> int:
    """Since when a run waits, in UTC microseconds: since the last of its waits began, or else since it did something
    last. What was told to it meanwhile is set aside in entries of its own.
    """
    waits: dict[tuple[str, int], int] = {}
    last = row.created_at
    for entry in entries:
        key = entry.step, entry.attempt
        if entry.kind in ("began", "asked") and not _target_of(entry):
            waits[key] = entry.at
        else:
            waits.pop(key, None)
        if not entry.step.startswith("(message "):
            last = entry.at
    return max(waits.values()) if waits and row.state == "waiting" else last
