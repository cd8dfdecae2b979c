"""Traces of runs: spans in the memory of an exporter, in virtual time."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanContext, StatusCode

from actors.testing import Simulation, simulation
from supervisors import SpecError, SupervisorSpec
from teams import TeamRef, member, team
from teams._journal.memory import MemoryRunStore, Tables
from teams.workflows import EngineRef, RunFailure, WorkflowTracing, do, engine, in_team, wait, workflow
from teams.workflows._tracing import read_traceparent, traceparent


async def work(value: Any) -> Any:
    if value == "boom":
        raise ValueError("no luck")
    await asyncio.sleep(1.0)
    return value


class Ids(IdGenerator):
    """Ids that no other test or process has, and that a simulation repeats."""

    def __init__(self, seed: int) -> None:
        self._source = random.Random(seed)

    def generate_trace_id(self) -> int:
        return self._source.getrandbits(128)

    def generate_span_id(self) -> int:
        return self._source.getrandbits(64)


class World:
    """An engine whose runs are traced into memory."""

    def __init__(self, sim: Simulation, tables: Tables | None = None) -> None:
        self.sim = sim
        self.tables = tables or Tables()
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(
            resource=Resource.get_empty(), shutdown_on_exit=False, id_generator=Ids(len(self.tables.runs))
        )
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        started = sim.start(self.spec())
        assert isinstance(started, EngineRef)
        self.engine = started

    def spec(self, id: str = "engine", **options: Any) -> SupervisorSpec:
        return engine(
            id,
            member("worker", work),
            team("crew", member("one", work)),
            workflow("plain", do("a", "worker"), do("b", "worker")),
            workflow("waits", do("a", "worker"), wait("go", "go"), do("b", "worker", input=1)),
            workflow("inside", in_team("part", "crew", [{"role": "one", "action": "look"}])),
            store=lambda: MemoryRunStore(clock=lambda: round(self.sim.runtime.clock.wall() * 1e6), tables=self.tables),
            **options,
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [each for each in self.spans if each.name == name]


@contextmanager
def traced() -> Iterator[World]:
    with simulation() as sim:
        world = World(sim)
        with WorkflowTracing(sim.runtime, world.provider):
            yield world


def context(span: ReadableSpan) -> SpanContext:
    found = span.get_span_context()
    assert found is not None
    return found


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def test_a_run_is_a_span_with_a_child_for_each_step() -> None:
    with traced() as world:
        run = world.engine.start_workflow("plain", 1).get()
        run.get()
        (root,) = world.named("invoke_workflow plain")
        steps = world.named("invoke_agent worker")
        assert [dict(each.attributes or {})["letitcrash.step"] for each in steps] == ["a", "b"]
        assert {each.parent.span_id for each in steps if each.parent is not None} == {context(root).span_id}
        assert {context(each).trace_id for each in world.spans} == {context(root).trace_id}
        assert dict(root.attributes or {}) == {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.agent.name": "plain",
            "letitcrash.run.id": run.id,
            "letitcrash.run.resumed": False,
        }
        assert seconds(root) == pytest.approx(2.0, abs=0.01)
        assert [seconds(each) for each in steps] == pytest.approx([1.0, 1.0], abs=0.01)
        assert root.start_time == pytest.approx(1_700_000_000 * 1e9, abs=1e7)


def test_a_run_that_waited_goes_on_in_its_trace_linked_to_its_first_span() -> None:
    with traced() as world:
        run = world.engine.start_workflow("waits", 1).get()
        world.sim.advance(30)
        run.signal("go").get()
        run.get()
        first, second = world.named("invoke_workflow waits")
        assert dict(first.attributes or {})["letitcrash.run.left"] == "run_parked"
        assert context(second).trace_id == context(first).trace_id
        assert second.parent is not None
        assert second.parent.span_id == context(first).span_id
        assert [each.context.span_id for each in second.links] == [context(first).span_id]
        stored = world.tables.runs[run.id].trace
        assert stored == traceparent(context(first))


def test_a_run_goes_on_in_its_trace_in_another_process() -> None:
    tables = Tables()
    with simulation() as sim:
        world = World(sim, tables)
        with WorkflowTracing(sim.runtime, world.provider):
            run = world.engine.start_workflow("plain", 1).get()
            sim.advance(1.5)
        spans = world.spans
    assert {each.name for each in spans} == {"invoke_workflow plain", "invoke_agent worker"}
    (first,) = [each for each in spans if each.name == "invoke_workflow plain"]
    with simulation() as sim:
        world = World(sim, tables)
        with WorkflowTracing(sim.runtime, world.provider):
            sim.advance(40)
        assert tables.runs[run.id].state == "done"
        (second,) = world.named("invoke_workflow plain")
        assert context(second).trace_id == context(first).trace_id
        assert dict(second.attributes or {})["letitcrash.run.resumed"] is True


def test_errors_are_recorded_in_the_step_and_the_run() -> None:
    with traced() as world:
        with pytest.raises(RunFailure):
            world.engine.execute("plain", "boom").get()
        (root,), (step,) = world.named("invoke_workflow plain"), world.named("invoke_agent worker")
        for span in (root, step):
            assert span.status.status_code is StatusCode.ERROR
            assert [each.name for each in span.events] == ["exception"]
            assert dict(span.attributes or {})["error.type"] == "ValueError"


def test_steps_in_a_team_are_spans_of_the_run() -> None:
    with traced() as world:
        world.engine.execute("inside", 1).get()
        (step,) = world.named("invoke_agent one")
        (root,) = world.named("invoke_workflow inside")
        assert dict(step.attributes or {})["letitcrash.step"] == "part/look"
        assert context(step).trace_id == context(root).trace_id


def test_spans_that_are_open_end_with_the_sink() -> None:
    with simulation() as sim:
        world = World(sim)
        tracing = WorkflowTracing(sim.runtime, world.provider)
        world.engine.start_workflow("plain", 1).get()
        sim.advance(0.5)
        assert not world.spans
        tracing.close()
        tracing.close()
        assert [each.name for each in world.spans] == ["invoke_agent worker", "invoke_workflow plain"]
        assert dict(world.spans[0].attributes or {})["letitcrash.step.cut_off"] is True
        sim.advance(10)
        assert len(world.spans) == 2


def test_runs_of_teams_and_of_other_engines_are_not_traced() -> None:
    with simulation() as sim:
        world = World(sim)
        other = sim.start(world.spec("other"))
        crew = sim.start(team("lone", member("worker", work)))
        assert isinstance(other, EngineRef)
        assert isinstance(crew, TeamRef)
        with WorkflowTracing(sim.runtime, world.provider, engine="other"):
            crew.play(workflow("plain", do("a", "worker")), 1).get()
            assert not world.spans
            world.sim.start(world.spec("third", tracing=False))
            other.execute("plain", 1).get()
        assert {each.name for each in world.spans} == {"invoke_workflow plain", "invoke_agent worker"}


def test_an_engine_traces_its_runs_to_the_global_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with simulation() as sim:
        world = World(sim)
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: world.provider)
        made = sim.start(world.spec("traced", tracing=True))
        assert isinstance(made, EngineRef)
        made.execute("plain", 1).get()
        assert [each.name for each in world.spans][-1] == "invoke_workflow plain"
        open_run = made.start_workflow("waits", 1).get()
        assert open_run.id
        made.stop()
        assert world.named("invoke_workflow waits"), "it ends with the engine"


def test_tracing_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="tracing: must be True or False"):
        engine("engine", store="memory:", tracing=1)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "opentelemetry", None)  # as if it were not there
    with pytest.raises(SpecError, match=r"letitcrash\[otel\]"):
        engine("engine", store="memory:", tracing=True)


@pytest.mark.parametrize("header", ["", "00-1-2", "00-xx-yy-01", f"01-{1:032x}-{2:016x}-01", "00-0-0-00"])
def test_a_header_that_is_not_one_starts_a_new_trace(header: str) -> None:
    assert read_traceparent(header) is None
