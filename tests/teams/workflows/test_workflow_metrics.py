"""The metrics of engines, in virtual time: every figure is exact."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from actors.testing import Simulation, simulation
from teams import TeamRef, member, team
from teams._journal.memory import MemoryRunStore, Tables
from teams.workflows import EngineRef, RunFailure, WorkflowMetrics, delay, do, engine, schedule, wait, workflow


async def work(seconds: Any) -> Any:
    if seconds == "boom":
        raise ValueError(seconds)
    await asyncio.sleep(seconds)
    return seconds


class Measured(NamedTuple):
    sim: Simulation
    engine: EngineRef
    registry: CollectorRegistry
    tables: Tables

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"letitcrash_workflow_{name}", labels)


@contextmanager
def measured(*parts: Any, **options: Any) -> Iterator[Measured]:
    registry, tables = CollectorRegistry(), Tables()
    with simulation() as sim:
        made = engine(
            "engine",
            member("worker", work),
            workflow("one", do("a", "worker")),
            workflow("two", do("a", "worker"), wait("go", "go"), do("b", "worker", input=1)),
            *parts,
            store=lambda: MemoryRunStore(clock=lambda: round(sim.runtime.clock.wall() * 1e6), tables=tables),
            **options,
        )
        eng = sim.start(made)
        assert isinstance(eng, EngineRef)
        with WorkflowMetrics(sim.runtime, registry):
            yield Measured(sim, eng, registry, tables)


def test_runs_and_steps_are_counted_by_workflow_and_outcome() -> None:
    with measured() as m:
        m.engine.execute("one", 2.0).get()
        with pytest.raises(RunFailure):
            m.engine.execute("one", "boom").get()
        cancelled = m.engine.start_workflow("one", 100.0).get()
        cancelled.cancel().get()
        m.sim.advance(5)
        for outcome in ("done", "failed", "cancelled"):
            assert m.value("runs_total", engine="engine", workflow="one", outcome=outcome) == 1, outcome
        assert m.value("steps_total", engine="engine", workflow="one", outcome="done") == 1
        assert m.value("step_seconds_sum", workflow="one") == pytest.approx(2.0, abs=0.01)


def test_the_time_of_a_run_includes_its_waiting() -> None:
    with measured() as m:
        run = m.engine.start_workflow("two", 1.0).get()
        m.sim.advance(30)
        assert run.status().get().state == "waiting"
        run.signal("go").get()
        run.get()
        assert m.value("run_seconds_sum", workflow="two") == pytest.approx(31.0, abs=0.5)
        assert m.value("takeovers_total", engine="engine") is None


def test_open_runs_are_those_of_the_store_at_the_scrape_before() -> None:
    with measured() as m:
        m.engine.start_workflow("two", 1.0).get()
        m.sim.advance(10)
        m.value("open_runs", engine="engine", state="waiting")
        m.sim.advance(1)
        assert m.value("open_runs", engine="engine", state="waiting") == 1


def test_commits_are_counted_with_what_they_wrote() -> None:
    with measured() as m:
        m.engine.execute("one", 1.0).get()
        commits, rows = m.value("commit_seconds_count", engine="engine"), m.value("commit_rows_total", engine="engine")
        assert commits is not None
        assert rows is not None
        assert rows >= commits >= 3


def test_a_run_whose_owner_lost_its_lease_counts_as_taken_over() -> None:
    """Two engines on one store; the lease of the first is ended behind its back."""
    with measured() as m:
        run = m.engine.start_workflow("one", 20.0).get()
        m.sim.advance(2)
        row = m.tables.runs[run.id]
        assert row.owner is not None
        m.tables.engines.clear()
        other = engine(
            "other",
            member("worker", work),
            workflow("one", do("a", "worker")),
            store=lambda: MemoryRunStore(clock=lambda: round(m.sim.runtime.clock.wall() * 1e6), tables=m.tables),
        )
        m.sim.start(other)
        m.sim.advance(60)
        assert m.tables.runs[run.id].state == "done"
        assert m.value("takeovers_total", engine="other") == 1
        assert m.value("runs_total", engine="other", workflow="one", outcome="done") == 1
        assert m.value("runs_total", engine="engine", workflow="one", outcome="done") is None


def test_slots_and_purged_runs_are_counted() -> None:
    with measured(schedule("s", "one", every=10, input=0), retain={"done": 5.0}) as m:
        m.sim.advance(61.5)
        assert m.value("slots_total", engine="engine", schedule="s") == 6
        assert m.value("purged_total", engine="engine") == 5
        assert len(m.tables.runs) == 1


def test_no_run_is_a_label_and_no_family_has_two_kinds() -> None:
    with measured() as m:
        run = m.engine.start_workflow("two", 1.0).get()
        m.sim.advance(10)
        assert run.id not in generate_latest(m.registry).decode()
        families = [each.name for each in m.registry.collect()]
        assert len(families) == len(set(families))
        assert "letitcrash_workflow_open_runs" in families


def test_series_end_with_the_sink_and_the_global_registry_is_untouched() -> None:
    with measured() as m:
        m.engine.execute("one", 1.0).get()
        registry = m.registry
        with pytest.raises(ValueError, match="Duplicated"):
            WorkflowMetrics(m.sim.runtime, registry)
    assert generate_latest(registry) == b""
    assert b"letitcrash_workflow" not in generate_latest(prometheus_client.REGISTRY)


def test_runs_of_teams_are_not_counted() -> None:
    with measured() as m:
        crew = m.sim.start(team("crew", member("worker", work)))
        assert isinstance(crew, TeamRef)
        crew.play(workflow("one", do("a", "worker"), delay("rest", 1)), 1.0).get()
        assert m.value("runs_total", engine="crew", workflow="one", outcome="done") is None
