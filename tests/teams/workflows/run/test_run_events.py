"""The events of runs: one for each change of state, and none before what it tells of is in the store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import strategies as st

from actors import LifecycleEvent
from actors.testing import Crash, FaultPlan, Kill, Simulation, faults, simulate, simulation
from teams import Member, RunEnded, RunEvent, StepBegan, StepBroke, StepDone, member
from teams._journal.memory import MemoryRunStore, Tables
from teams._journal.rows import Result, Unit
from teams.workflows import (
    EngineRef,
    RunAccepted,
    RunBlocked,
    RunCancelling,
    RunFailure,
    RunParked,
    RunPaused,
    RunRetried,
    RunsPurged,
    RunTakenUp,
    do,
    engine,
    wait,
    workflow,
)
from teams.workflows._run.names import keyed

TELLS: dict[type[RunEvent], frozenset[str]] = {
    RunAccepted: frozenset({"created", "running"}),
    RunTakenUp: frozenset({"running", "cancelling"}),
    RunParked: frozenset({"waiting"}),
    RunPaused: frozenset({"paused"}),
    RunBlocked: frozenset({"blocked"}),
    RunCancelling: frozenset({"cancelling", "cancelled", "failed"}),  # one commit has both when nothing is undone
    RunEnded: frozenset({"done", "failed", "cancelled"}),
    RunRetried: frozenset({"created"}),
}
"""The states that an event tells of: at least one of them was written."""


class Watched(MemoryRunStore):
    """Knows every state that a run had."""

    def __init__(self, states: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(**options)
        self.states = states

    def commit(self, units: Sequence[Unit]) -> list[Result]:
        results = super().commit(units)
        for unit in units:
            if unit.run in self.tables.runs:
                self.states.append((unit.run, self.tables.runs[unit.run].state))
        return results


class World:
    """An engine, the states that were written, and the events, each with what was written until then."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.tables = Tables()
        self.states: list[tuple[str, str]] = []
        self.events: list[RunEvent] = []
        self.early: list[RunEvent] = []
        self.broken = False
        sim.runtime.events.subscribe(self.seen, RunEvent)
        made = engine(
            "engine",
            self.worker(),
            workflow("two", do("a", "worker"), wait("go", "go"), do("b", "worker")),
            workflow("undone", do("a", "worker", undo="worker"), do("b", "worker", on_failure="undo")),
            workflow("once", do("a", "worker", effects="at_most_once")),
            store=lambda: Watched(self.states, clock=lambda: round(sim.runtime.clock.wall() * 1e6), tables=self.tables),
            max_restarts=None,
        )
        started = sim.start(made)
        assert isinstance(started, EngineRef)
        self.engine = started

    def worker(self) -> Member:
        async def work(value: Any) -> Any:
            if self.broken:
                raise ValueError("broken")
            await asyncio.sleep(0.5)
            return value

        return member("worker", work)

    def seen(self, event: LifecycleEvent) -> None:
        assert isinstance(event, RunEvent)
        self.events.append(event)
        if not self.is_written(event):
            self.early.append(event)

    def is_written(self, event: RunEvent) -> bool:
        entries = {(each.kind, keyed(each.step, each.attempt)) for each in self.tables.entries.get(event.run, ())}
        match event:
            case StepBegan(step=step):
                return ("began", step) in entries
            case StepDone(step=step):
                return ("done", step) in entries
            case StepBroke(step=step):
                return ("failed", step) in entries
        states = {state for run, state in self.states if run == event.run}
        return type(event) not in TELLS or bool(states & TELLS[type(event)])

    def told(self, run: str) -> list[str]:
        return [type(each).__name__ for each in self.events if each.run == run and type(each) in TELLS]


def test_a_run_that_waits_is_paused_and_goes_on_tells_each_of_it() -> None:
    with simulation() as sim:
        world = World(sim)
        run = world.engine.start_workflow("two", 1).get()
        sim.advance(5)
        run.pause().get()
        sim.advance(5)
        assert run.status().get().state == "paused"
        run.signal("go", 1).get()
        sim.advance(5)
        assert run.status().get().state == "paused"
        run.resume().get()
        run.get()
        assert world.told(run.id) == ["RunAccepted", "RunParked", "RunPaused", "RunTakenUp", "RunEnded"]
        assert not world.early


def test_a_run_that_is_awake_is_paused_and_goes_on() -> None:
    with simulation() as sim:
        world = World(sim)
        run = world.engine.start_workflow("two", 1).get()
        run.pause().get()
        run.resume().get()
        run.signal("go", 1).get()
        run.get()
        assert world.told(run.id) == ["RunAccepted", "RunPaused", "RunTakenUp", "RunEnded"]
        assert not world.early


def test_a_cancelled_run_and_one_that_is_undone_tell_of_it() -> None:
    with simulation() as sim:
        world = World(sim)
        run = world.engine.start_workflow("two", 1).get()
        run.cancel("not wanted").get()
        sim.advance(5)
        assert world.told(run.id) == ["RunAccepted", "RunCancelling", "RunEnded"]
        assert [each.reason for each in world.events if isinstance(each, RunCancelling)] == ["not wanted"]
        other = world.engine.start_workflow("undone", 1).get()
        sim.advance(0.25)
        world.broken = True
        sim.advance(0.5)
        world.broken = False
        with pytest.raises(RunFailure):
            other.get()
        assert world.told(other.id) == ["RunAccepted", "RunCancelling", "RunEnded"]
        assert not world.early


def test_a_failed_run_that_is_retried_tells_of_it() -> None:
    with simulation() as sim:
        world = World(sim)
        world.broken = True
        run = world.engine.start_workflow("once", 1).get()
        sim.advance(2)
        world.broken = False
        run.retry().get()
        sim.advance(5)
        assert run.status().get().state == "done"
        assert world.told(run.id) == ["RunAccepted", "RunEnded", "RunRetried", "RunTakenUp", "RunEnded"]
        assert not world.early


def test_runs_that_are_not_kept_any_longer_are_deleted() -> None:
    with simulation() as sim:
        world = World(sim)
        purged: list[LifecycleEvent] = []
        sim.runtime.events.subscribe(purged.append, RunsPurged)
        for _ in range(3):
            world.engine.execute("once", 1).get()
        kept = next(iter(world.tables.runs.values()))
        assert kept.retain_until is not None
        assert kept.ended_at is not None
        assert kept.retain_until - kept.ended_at == 30 * 86_400 * 1_000_000
        for id, row in world.tables.runs.items():
            world.tables.runs[id] = row._replace(retain_until=1)
        sim.advance(61)
        assert not world.tables.runs
        assert [each.count for each in purged if isinstance(each, RunsPurged)] == [3]


plans = faults.plans(
    "engine/desk", "engine/journal", "engine/store", "engine/runs/*", kinds=[Crash, Kill], max_faults=3, until=10.0
)
orders = st.lists(st.sampled_from(["pause", "resume", "signal", "cancel"]), max_size=4)


@simulate(plan=plans, examples=40, schedules=2, orders=orders)
def test_no_event_of_a_run_comes_before_what_it_tells_is_written(
    sim: Simulation, plan: FaultPlan, orders: list[str]
) -> None:
    world = World(sim)
    run = world.engine.start_workflow("two", 1, key="k").get()
    for order in orders:
        sim.advance(2)
        try:
            match order:
                case "pause":
                    run.pause().get()
                case "resume":
                    run.resume().get()
                case "signal":
                    run.signal("go", 1).get()
                case "cancel":
                    run.cancel().get()
        except Exception:  # noqa: BLE001 - the run has ended, or the desk was killed meanwhile
            continue
    sim.advance(10)
    sim.heal()
    sim.advance(20)
    assert not world.early
    counted = Counter(type(each) for each in world.events if each.run == run.id)
    assert counted[RunEnded] <= 1
