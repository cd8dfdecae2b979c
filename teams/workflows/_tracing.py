"""Traces of runs by OpenTelemetry, from their events. Needs the extra `otel`.

    span                       is                              name and attributes (GenAI conventions 0.1.0)
    run                        a run while it is awake here    `invoke_workflow NAME`, gen_ai.agent.name = the workflow
    step                       from its beginning to its end   `invoke_agent TARGET`, gen_ai.agent.name = the target

All spans of a run are in one trace. A run that was parked, paused or taken over goes on as a new span, a child of its
first one and linked to it; the store keeps which that was. A step inside another is the child of that step. Errors are
recorded, and set the status of the span. The conventions are in development: names follow them when this package says
so in its changelog, and not before.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple, Self

from actors.spi import NAME, ActorDeadError, LifecycleEvent, Runtime, described, needs_extra, type_name
from teams._journal.errors import RecordedError
from teams.events import RunBegan, RunEnded, RunEvent, StepBegan, StepBroke, StepDone
from teams.workflows._engine.desk import Desk
from teams.workflows._engine.messages import Traced
from teams.workflows.events import LeaseLost, RunBlocked, RunLost, RunParked, RunPaused, RunTakenUp

with needs_extra():
    from opentelemetry import trace
    from opentelemetry.trace import (
        Link,
        NonRecordingSpan,
        Span,
        SpanContext,
        SpanKind,
        Status,
        StatusCode,
        TraceFlags,
        TracerProvider,
        set_span_in_context,
    )

_RUN_ID, _RUN_LEFT, _RESUMED, _WAITING_FOR = (f"{NAME}.run.{each}" for each in ("id", "left", "resumed", "waiting_for"))
_STEP, _CUT_OFF = f"{NAME}.step", f"{NAME}.step.cut_off"
"""The attributes of our own. Like the names of metrics they begin with the name of the project."""
TEXT = 1_000
"""Characters of the text of an error."""


class _Awake(NamedTuple):
    """The spans of a run that is awake here."""

    engine: str
    span: Span
    steps: dict[str, Span]


class WorkflowTracing:
    """Makes spans of the runs of all engines of one runtime, until it is closed. `engine(..., tracing=True)` makes one
    for its own runs.

    Spans that are open when it is closed end there.
    """

    def __init__(
        self, runtime: Runtime, tracer_provider: TracerProvider | None = None, *, engine: str | None = None
    ) -> None:
        """Begins at once.

        Args:
            runtime: The runtime of the engines.
            tracer_provider: Where spans go. None: the global one of OpenTelemetry. Default: None.
            engine: The path of the engine whose runs are traced. None: those of all engines. Default: None.
        """
        self._runtime = runtime
        self._engine = engine
        provider = trace.get_tracer_provider() if tracer_provider is None else tracer_provider
        self._tracer = provider.get_tracer(NAME)
        self._lock = threading.RLock()
        self._awake: dict[str, _Awake] = {}
        self._first: dict[str, SpanContext] = {}
        """The first spans of runs that are about to go on here."""
        self._subscription = runtime.events.subscribe(self._seen, RunEvent, LeaseLost)

    def close(self) -> None:
        """Makes no further span, and ends those that are open. May be called twice."""
        self._subscription.cancel()
        with self._lock:
            awake, self._awake = self._awake, {}
        for each in awake.values():
            self._end(each, self._runtime.now(), {_RUN_LEFT: "closed"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _seen(self, event: LifecycleEvent) -> None:
        with self._lock:
            match event:
                case RunTakenUp(run=run, trace=header):
                    first = None if header is None else read_traceparent(header)
                    if first is not None and self._is_ours(event.path.rpartition("/")[0]):
                        self._first[run] = first
                case RunBegan():
                    self._begin(event)
                case RunEnded(run=run, error=error):
                    self._leave(run, event.at, {}, error)
                case RunBlocked(run=run, error=error) | RunLost(run=run, error=error):
                    self._leave(run, event.at, {_RUN_LEFT: event.name}, error)
                case RunParked(run=run, waiting_for=what):
                    said = {_RUN_LEFT: event.name, _WAITING_FOR: what}
                    self._leave(run, event.at, said)
                case RunPaused(run=run):
                    self._leave(run, event.at, {_RUN_LEFT: event.name})
                case LeaseLost():
                    engine = event.path.rpartition("/")[0]
                    for run in [run for run, each in self._awake.items() if each.engine == engine]:
                        self._leave(run, event.at, {_RUN_LEFT: event.name})
                case StepBegan():
                    self._begin_step(event)
                case StepDone(run=run, step=step):
                    self._end_step(run, step, event.at)
                case StepBroke(run=run, step=step, error=error):
                    self._end_step(run, step, event.at, error)
                case _:
                    pass

    # Runs

    def _is_ours(self, engine: str) -> bool:
        if self._engine is not None:
            return engine == self._engine
        found = self._runtime.find(f"{engine}/desk")
        return found is not None and found.actor_class is Desk

    def _begin(self, event: RunBegan) -> None:
        engine = event.path.rpartition("/runs/")[0]
        if event.run in self._awake or not self._is_ours(engine):
            return
        first = self._first.pop(event.run, None)
        span = self._tracer.start_span(
            f"invoke_workflow {event.pattern}",
            context=None if first is None else set_span_in_context(NonRecordingSpan(first)),
            kind=SpanKind.INTERNAL,
            links=() if first is None else (Link(first),),
            start_time=self._nanoseconds(event.at),
            attributes={
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.agent.name": event.pattern,
                _RUN_ID: event.run,
                _RESUMED: first is not None,
            },
        )
        self._awake[event.run] = _Awake(engine, span, {})
        context = span.get_span_context()
        desk = self._runtime.find(f"{engine}/desk")
        if first is None and desk is not None and context.is_valid:
            try:
                desk.tell(Traced(event.run, traceparent(context)))
            except ActorDeadError:
                return  # the run goes on in another process, as a trace of its own

    def _leave(self, run: str, at: float, attributes: Mapping[str, str], error: BaseException | None = None) -> None:
        self._first.pop(run, None)
        awake = self._awake.pop(run, None)
        if awake is not None:
            self._end(awake, at, attributes, error)

    def _end(self, awake: _Awake, at: float, attributes: Mapping[str, str], error: BaseException | None = None) -> None:
        when = self._nanoseconds(at)
        for step in awake.steps.values():
            step.set_attribute(_CUT_OFF, True)
            step.end(when)
        awake.span.set_attributes(dict(attributes))
        _finish(awake.span, when, error)

    # Steps

    def _begin_step(self, event: StepBegan) -> None:
        awake = self._awake.get(event.run)
        if awake is None:
            return
        around, parent = event.step, awake.span
        while "/" in around:
            around = around.rpartition("/")[0]
            if around in awake.steps:
                parent = awake.steps[around]
                break
        awake.steps[event.step] = self._tracer.start_span(
            f"invoke_agent {event.target}",
            context=set_span_in_context(parent),
            kind=SpanKind.INTERNAL,
            start_time=self._nanoseconds(event.at),
            attributes={
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": event.target,
                _RUN_ID: event.run,
                _STEP: event.step,
            },
        )

    def _end_step(self, run: str, step: str, at: float, error: BaseException | None = None) -> None:
        awake = self._awake.get(run)
        span = None if awake is None else awake.steps.pop(step, None)
        if span is not None:
            _finish(span, self._nanoseconds(at), error)

    def _nanoseconds(self, at: float) -> int:
        """A time of the runtime's clock, as the clock on the wall shows it."""
        return round((self._runtime.clock.wall() - (self._runtime.now() - at)) * 1e9)


def _finish(span: Span, when: int, error: BaseException | None) -> None:
    if error is not None:
        span.set_attribute("error.type", _type_of(error))
        span.record_exception(error, timestamp=when)
        span.set_status(Status(StatusCode.ERROR, described(error, TEXT)))
    span.end(when)


def _type_of(error: BaseException) -> str:
    """The class of the exception that is the cause of all, also where only its record is left."""
    for _ in range(20):
        if error.__cause__ is None:
            break
        error = error.__cause__
    return error.type if isinstance(error, RecordedError) else type_name(error)


def traceparent(context: SpanContext) -> str:
    """A span as the header `traceparent` of W3C names it."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def read_traceparent(header: str) -> SpanContext | None:
    """The span of a header. None: it is not one."""
    try:
        version, trace_id, span_id, flags = header.split("-")
        made = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    except ValueError:
        return None
    return made if version == "00" and made.is_valid else None
