"""The ref of an engine, and of a run, for users."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from actors.spi import ActorDeadError, ActorRef, Future, last_reason
from supervisors.spi import SpecError, SpecFault, SupervisorRef
from teams._dispatch.ask import ask_again
from teams._journal.codec import decode, encode, unrecorded
from teams._journal.rows import ENDED, Entry, InboxRow, RunRow
from teams.errors import RunCancelled
from teams.workflows._engine.messages import Answer, AwaitEnd, GetRun, GetRuns, RetryRun, Say, StartRun
from teams.workflows.errors import RunFailure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What is known of a run. Times are seconds since the epoch."""

    id: str
    workflow: str
    version: str
    key: str | None
    state: str
    """created, running, waiting, paused, blocked, cancelling; done, failed, cancelled or continued."""
    waiting_for: str | None
    done: int
    """Steps that are done."""
    failed: int
    total: int | None
    """Steps of the workflow; None: not known before they are done."""
    percentage: float | None
    current_steps: tuple[str, ...]
    questions: Mapping[str, str]
    """Open questions to people, by their step."""
    unread: tuple[str, ...]
    """Signals that no step has taken."""
    created_at: float
    started_at: float | None
    ended_at: float | None
    result: Any
    error: str | None


class WorkflowRun:
    """A run of an engine, for its caller: await it for the result, or call `.get(timeout=...)` in a thread.

    The result is what JSON can say. Raises `RunFailure`, whose cause is the recorded error, or `RunCancelled`.
    """

    __slots__ = ("_engine", "id")

    def __init__(self, engine: EngineRef, id: str) -> None:
        self._engine = engine
        self.id = id
        """The id of the run, under which any process finds it."""

    def result(self) -> Future[Any]:
        """A future of the result."""
        return self._engine.result(self.id)

    def get(self, *, timeout: float | None = None) -> Any:
        """Waits for the result in a thread, for at most `timeout` seconds. Raises `pykka.Timeout` after that."""
        return self.result().get(timeout=timeout)

    def __await__(self) -> Any:
        return self.result().__await__()

    def status(self) -> Future[RunStatus]:
        """How far it is."""
        return self._engine.status(self.id)

    def cancel(self, reason: str = "cancel() was called", *, now: bool = False) -> Future[None]:
        """Ends the run; see `EngineRef.cancel`."""
        return self._engine.cancel(self.id, reason, now=now)

    def __repr__(self) -> str:
        return f"<WorkflowRun {self.id}>"


class EngineRef(SupervisorRef):
    """An engine, from outside. Futures: `await` them, or `.get()` them in a thread. Every operation is in the store
    before its future settles, and reaches a run in whatever process it is.
    """

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
            timeout: Seconds for the run. None: those of the workflow, or the default of the engine. Default: None.
            attributes: What the run is listed with; JSON. Default: None.

        Raises from the future:
            NoSuchWorkflow: the engine has none of this name
            BadInput: the input is not what the workflow takes; nothing is stored
            NotStorable: JSON cannot say the input
            KeyTaken: a run with this key has another input
        """
        return self._asked(
            StartRun(workflow, value, key, priority, timeout, attributes), lambda row: WorkflowRun(self, row.id)
        )

    def execute(self, workflow: str, value: object = None, **options: Any) -> Future[Any]:
        """Starts a run and waits for its end: a future of the result. Options and errors as for `start_workflow`, and
        those of `WorkflowRun`.
        """
        future: Future[Any] = Future(self.runtime.park)

        def started(run: Future[WorkflowRun]) -> None:
            try:
                id = run.get().id
            except Exception as error:  # noqa: BLE001 - whatever it is, the caller hears of it
                future.set_exception(error)
            else:
                self._ask_desk(AwaitEnd(id), lambda row: _settle(future, row), future.set_exception)

        self.start_workflow(workflow, value, **options).add_done_callback(started)
        return future

    def run(self, id: str) -> WorkflowRun:  # type: ignore[override]
        """The run with this id."""
        return WorkflowRun(self, id)

    def result(self, run: str) -> Future[Any]:
        """A future of the result of a run. Raises `NoSuchRun`, `RunFailure` or `RunCancelled` from the future."""
        future: Future[Any] = Future(self.runtime.park)
        self._ask_desk(AwaitEnd(run), lambda row: _settle(future, row), future.set_exception)
        return future

    def status(self, run: str) -> Future[RunStatus]:
        """How far a run is. Raises `NoSuchRun` from the future."""
        return self._asked(GetRun(run), lambda found: status_of(*found))

    def history(self, run: str) -> Future[tuple[Entry, ...]]:
        """What is written of a run, in order. Raises `NoSuchRun` from the future."""
        return self._asked(GetRun(run), lambda found: tuple(found[1]))

    def runs(
        self,
        *,
        states: Collection[str] | None = None,
        workflow: str | None = None,
        limit: int = 100,
    ) -> Future[tuple[RunRow, ...]]:
        """Runs, newest first, at most `limit`."""
        options = {"states": None if states is None else tuple(states), "workflow": workflow, "limit": limit}
        return self._asked(GetRuns(options), tuple)

    def signal(self, run: str, name: str, value: object = None) -> Future[None]:
        """Sends a signal, which a step that waits for this name takes, now or when it comes there. Raises `NoSuchRun`,
        `AlreadyEnded` and `NotStorable` from the future.
        """
        return self._asked(Say(run, "signal", name, value), _nothing)

    def answer(self, run: str, step: str, value: object, *, by: str = "") -> Future[None]:
        """Answers the question of a step. Raises `NoOpenQuestion`, `NotAnOption`, `AlreadyAnswered` and `NoSuchRun`
        from the future.
        """
        return self._asked(Answer(run, step, value, by), _nothing)

    def cancel(self, run: str, reason: str = "cancel() was called", *, now: bool = False) -> Future[None]:
        """Ends a run: its steps are called off, then what was done is undone where steps have `undo`, last first; with
        `now`, nothing is undone. The future settles when the order is written. Raises `NoSuchRun` and `AlreadyEnded`.
        """
        return self._asked(Say(run, "cancel", "now" if now else "", reason), _nothing)

    def pause(self, run: str) -> Future[None]:
        """Stops a run where it is, until `resume`. A step under way is begun again then."""
        return self._asked(Say(run, "pause"), _nothing)

    def resume(self, run: str, *, accept_changes: bool = False) -> Future[None]:
        """Goes on with a run that is paused or blocked. `accept_changes` says that a person has looked: an uncertain
        step begins again, and a step that has changed counts as it is now.
        """
        return self._asked(Say(run, "resume", "accept_changes" if accept_changes else ""), _nothing)

    def retry(self, run: str, *, step: str | None = None) -> Future[None]:
        """Goes on with a run that failed or was cancelled. Steps that are done stay done; with `step`, that one and
        those that began after it are done again. Raises `NoSuchRun`, `NotEnded` and `AlreadyEnded` from the future.
        """
        return self._asked(RetryRun(run, step), _nothing)

    def _asked(self, message: object, then: Callable[[Any], T]) -> Future[T]:
        future: Future[T] = Future(self.runtime.park)
        self._ask_desk(message, lambda found: future.set(then(found)), future.set_exception)
        return future

    def _ask_desk(
        self, message: object, on_result: Callable[[Any], object], on_error: Callable[[Any], object]
    ) -> None:
        desk: ActorRef[Any] | None = self.runtime.find(f"{self.path}/desk")
        if desk is None:
            on_error(ActorDeadError(self.path, last_reason(self), message))
        else:
            ask_again(desk, message, on_result, on_error)


def _nothing(_: object) -> None:
    return None


def _settle(future: Future[Any], row: RunRow) -> None:
    """Settles a future with the end of a run."""
    if row.state == "done":
        future.set(None if row.result is None else decode(row.result))
    else:
        future.set_exception(failure_of(row))


def failure_of(row: RunRow) -> Exception:
    """The error of a run that has ended without a result."""
    said = {"type": "", "text": row.state, "step": None, "cause": None} if row.error is None else decode(row.error)
    if row.state == "cancelled" and said["type"] == "RunCancelled":
        return RunCancelled(row.id, said["text"], {})
    error = RunFailure(row.id, row.state, said["text"], said["step"])
    if said["cause"] is not None:
        error.__cause__ = unrecorded(encode(said["cause"]))
    return error


def status_of(row: RunRow, entries: list[Entry], messages: list[InboxRow]) -> RunStatus:
    """What rows say of a run."""
    began: dict[str, Entry] = {}
    done: set[str] = set()
    failed = 0
    questions: dict[str, str] = {}
    for entry in entries:
        match entry.kind:
            case "began":
                began[entry.step] = entry
            case "asked":
                questions[entry.step] = str(decode(entry.body or b"{}")["asks"]["question"])
            case "done" | "failed" | "slept" | "signalled" | "answered" | "expired" | "skipped":
                began.pop(entry.step, None)
                questions.pop(entry.step, None)
                if entry.kind == "failed":
                    failed += 1
                else:
                    done.add(entry.step)
    top = {step for step in done if "/" not in step and "#" not in step and "[" not in step}
    ended = row.state in ENDED
    if row.state == "done":
        share: float | None = 100.0
    else:
        share = None if not row.total else round(100.0 * min(len(top), row.total) / row.total, 1)
    return RunStatus(
        row.id,
        row.workflow,
        row.version,
        row.key,
        row.state,
        row.waiting_for,
        len(done),
        failed,
        row.total,
        share,
        () if ended else tuple(began),
        {} if ended else questions,
        tuple(each.name for each in messages if each.kind == "signal"),
        row.created_at / 1e6,
        None if row.started_at is None else row.started_at / 1e6,
        None if row.ended_at is None else row.ended_at / 1e6,
        None if row.result is None else decode(row.result),
        None if row.error is None else str(decode(row.error)["text"]),
    )
