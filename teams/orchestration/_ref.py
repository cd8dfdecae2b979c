"""An orchestrator of a running engine, for users."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from actors.spi import ActorDeadError, ActorRef, CallbackReply, Future, last_reason
from teams._dispatch.ask import ask_again
from teams.orchestration._health import OrchestratorHealth, health_in
from teams.orchestration._reader import OrchestrationReader
from teams.orchestration._values import OrchestrationResult
from teams.workflows._engine.journal import Apply
from teams.workflows._engine.ref import EngineRef, WorkflowRun
from teams.workflows._engine.stream import RunStream
from teams.workflows._run.stream_events import StreamEvent


class OrchestratorRef:
    """An orchestrator of an engine, from outside. Futures: `await` them, or `.get()` them in a thread."""

    __slots__ = ("_engine", "name")

    def __init__(self, engine: EngineRef, name: str) -> None:
        """`name` is that of an orchestrator of the engine."""
        self._engine = engine
        self.name = name

    def start(
        self,
        query: object,
        *,
        session_id: str | None = None,
        task_id: str | None = None,
        priority: int = 0,
        timeout: float | None = None,
    ) -> Future[WorkflowRun]:
        """Starts a run. When the future settles, the run is in the store and will end, whatever happens to this
        process. The future raises what that of `EngineRef.start_workflow` raises.

        Args:
            query: The query, any JSON value.
            session_id: What the run is listed with. Default: None.
            task_id: An idempotency key: a second start with the same one and the same query is the same run. None: a
                new run at each call. Default: None.
            priority: More is sooner where runs wait for a place. Default: 0.
            timeout: Seconds for the run. None: those of the orchestrator. Default: None.
        """
        attributes = None if session_id is None else {"session_id": session_id}
        return self._engine.start_workflow(
            self.name, query, key=task_id, priority=priority, timeout=timeout, attributes=attributes
        )

    def result(self, run: WorkflowRun) -> Future[OrchestrationResult]:
        """The result of a run, with its type. Raises `RunFailure` and `RunCancelled` from the future."""
        found: Future[OrchestrationResult] = run.result().map(TypeAdapter(OrchestrationResult).validate_python)
        return found

    def stream(self, run_id: str, since: int = 0) -> RunStream:
        """The events of a run from its beginning, or after the event with this `seq`, as `WorkflowRun.stream` tells
        them: its phases and its plan, and its tasks under the names that the plan gives. Raises ValueError for a
        `since` that is not the `seq` of an event.
        """
        ask = self._engine.workflow_run(run_id)._ask
        return RunStream(ask, run_id, since, OrchestrationReader())

    def stream_with_artifacts(
        self, query: object, session_id: str | None = None, task_id: str | None = None, *, since: int = 0
    ) -> OrchestrationStream:
        """Starts a run, and tells what it does. With the `task_id` of a run that was started, the events of that run:
        a reader that was interrupted goes on with `since=seq`. The first event raises what `start` raises.
        """
        begin = partial(self.start, query, session_id=session_id, task_id=task_id)
        return OrchestrationStream(begin, partial(self.stream, since=since))

    def health(self) -> Future[OrchestratorHealth]:
        """How it does, by what the store has of its latest runs, those of other processes included."""
        future: Future[OrchestratorHealth] = Future(self._engine.runtime.park)
        message = Apply(partial(health_in, workflow=self.name))
        store: ActorRef[Any] | None = self._engine.runtime.find(f"{self._engine.path}/store")
        if store is None:
            future.set_exception(ActorDeadError(self._engine.path, last_reason(self._engine), message))
        else:
            ask_again(store, message, CallbackReply(future.set, future.set_exception))
        return future

    def __repr__(self) -> str:
        return f"<OrchestratorRef {self.name} of {self._engine.path}>"


class OrchestrationStream:
    """The events of a run that starts with the first of them: for `async for`, or for `for` in a thread. Made by
    `OrchestratorRef.stream_with_artifacts`.
    """

    __slots__ = ("_begin", "_stream", "_tell")

    def __init__(self, begin: Callable[[], Future[WorkflowRun]], tell: Callable[[str], RunStream]) -> None:
        self._begin = begin
        self._tell = tell
        self._stream: RunStream | None = None

    def __aiter__(self) -> OrchestrationStream:
        return self

    async def __anext__(self) -> StreamEvent:
        if self._stream is None:
            self._stream = self._tell((await self._begin()).id)
        return await self._stream.__anext__()

    def __iter__(self) -> OrchestrationStream:
        return self

    def __next__(self) -> StreamEvent:
        if self._stream is None:
            self._stream = self._tell(self._begin().get().id)
        return next(self._stream)
