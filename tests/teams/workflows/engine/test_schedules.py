"""Schedules of an engine, in virtual time and with the clock on the wall that jumps: one run a slot, at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from pydantic import BaseModel

from actors import ActorDeadError
from actors.testing import ClockJump, Crash, FaultPlan, Kill, Simulation, faults, simulate, simulation
from supervisors import SpecError
from teams import Member, member
from teams._journal.memory import MemoryRunStore, Tables
from teams._journal.store import Store
from teams.workflows import (
    BadBackfill,
    EngineRef,
    NoSuchSchedule,
    RunAccepted,
    SlotsLeftOut,
    SlotStarted,
    Workflow,
    WorkflowSchedule,
    delay,
    do,
    engine,
    schedule,
    workflow,
)

SECOND = 1_000_000


async def work(value: Any) -> Any:
    return value


def worker() -> Member:
    return member("worker", work)


def flow(seconds: float | None = None) -> Workflow:
    rest = [] if seconds is None else [delay("rest", seconds)]
    return workflow("w", do("a", "worker"), *rest)


def store_of(sim: Simulation, tables: Tables) -> Callable[[], Store]:
    return lambda: MemoryRunStore(clock=lambda: round(sim.runtime.clock.wall() * SECOND), tables=tables)


def begin(
    sim: Simulation,
    *schedules: WorkflowSchedule,
    tables: Tables | None = None,
    id: str = "engine",
    seconds: float | None = None,
) -> EngineRef:
    made = engine(id, worker(), flow(seconds), *schedules, store=store_of(sim, tables or Tables()))
    started = sim.start(made)
    assert isinstance(started, EngineRef)
    return started


def keys(tables: Tables) -> list[str]:
    return sorted(run.key or "" for run in tables.runs.values())


def wall(sim: Simulation) -> datetime:
    return datetime.fromtimestamp(sim.runtime.clock.wall(), UTC)


def slots(sim: Simulation, seconds: int, every: int = 10) -> list[str]:
    """The keys of the slots since the begin of the simulation, whose clock begins at a multiple of 10 seconds."""
    first = datetime.fromtimestamp(1_700_000_000, UTC)
    times = [first + timedelta(seconds=n) for n in range(every, seconds + 1, every)]
    return [f"s/{each.isoformat().replace('+00:00', 'Z')}" for each in times]


# In order


def test_each_slot_has_a_run_with_its_key_and_the_input() -> None:
    with simulation() as sim:
        tables = Tables()
        begin(sim, schedule("s", "w", every=10, input={"x": 1}), tables=tables)
        sim.advance(35)
        assert keys(tables) == slots(sim, 30)
        assert {run.result for run in tables.runs.values()} == {b'{"x":1}'}
        assert {run.state for run in tables.runs.values()} == {"done"}


def test_cron_slots_start_at_their_minute() -> None:
    with simulation() as sim:
        tables = Tables()
        begin(sim, schedule("s", flow(), cron="* * * * *", tz="Europe/Berlin"), tables=tables)
        sim.advance(150)
        assert keys(tables) == ["s/2023-11-14T22:14:00Z", "s/2023-11-14T22:15:00Z"]


def test_two_engines_on_one_store_start_each_slot_once() -> None:
    with simulation() as sim:
        tables = Tables()
        started: list[SlotStarted] = []
        sim.runtime.events.subscribe(started.append, SlotStarted)
        for id in ("one", "two"):
            begin(sim, schedule("s", "w", every=10), tables=tables, id=id)
        sim.advance(65)
        assert keys(tables) == slots(sim, 60)
        assert [run.key for run in tables.runs.values()] == [tables.runs[each.run].key for each in started]


def test_a_slot_that_has_its_run_already_is_done_with() -> None:
    """A backfill or another engine has started it: no second run, and the schedule goes on behind it."""
    with simulation() as sim:
        tables = Tables()
        started: list[SlotStarted] = []
        sim.runtime.events.subscribe(started.append, SlotStarted)
        eng = begin(sim, schedule("s", "w", every=10, input=1), tables=tables)
        eng.start_workflow("w", 1, key=slots(sim, 10)[0]).get()
        eng.start_workflow("w", "another input", key=slots(sim, 20)[1]).get()
        sim.advance(25)
        assert keys(tables) == slots(sim, 20)
        assert not started
        assert tables.schedules["s"].last_slot == (1_700_000_000 + 20) * SECOND
        sim.advance(10)
        assert [tables.runs[each.run].key for each in started] == [slots(sim, 30)[-1]]


def test_slots_while_no_engine_was_there_are_caught_up_with() -> None:
    tables = Tables()
    with simulation() as sim:
        begin(sim, schedule("s", "w", every=10, overlap="allow", catch_up=3), tables=tables)
        sim.advance(15)
    for run in tables.runs:
        assert tables.runs[run].state == "done"
    with simulation(FaultPlan(ClockJump(at=0.5, seconds=3_600.0))) as sim:
        out: list[SlotsLeftOut] = []
        sim.runtime.events.subscribe(out.append, SlotsLeftOut)
        sim.advance(1.0)
        begin(sim, schedule("s", "w", every=600, overlap="allow", catch_up=3), tables=tables)
        sim.advance(1.0)
        assert keys(tables)[1:] == ["s/2023-11-14T22:50:00Z", "s/2023-11-14T23:00:00Z", "s/2023-11-14T23:10:00Z"]
        assert [each.why for each in out] == ["no engine was there in time"]


@pytest.mark.parametrize(
    ("overlap", "count", "states"),
    [
        ("skip", 2, {"done", "waiting"}),
        ("queue", 3, {"done", "waiting"}),
        ("allow", 6, {"done", "waiting"}),
        ("cancel", 6, {"cancelled", "waiting"}),
    ],
)
def test_overlap_is_kept_in_the_engine(overlap: Any, count: int, states: set[str]) -> None:
    """Runs of 25 seconds and a slot each 10 seconds, for a minute."""
    with simulation() as sim:
        tables = Tables()
        eng = begin(sim, schedule("s", "w", every=10, overlap=overlap), tables=tables, seconds=24.5)
        sim.advance(64)
        assert len(tables.runs) == count
        assert {run.state for run in tables.runs.values()} == states
        (status,) = eng.schedules().get()
        assert len(status.queued) == (3 if overlap == "queue" else 0)


def test_a_row_with_other_options_takes_those_of_the_code_and_goes_on() -> None:
    tables = Tables()
    with simulation() as sim:
        begin(sim, schedule("s", "w", every=10), tables=tables)
        sim.advance(15)
    with simulation() as sim:
        sim.advance(25)
        eng = begin(sim, schedule("s", "w", every=20, overlap="allow"), tables=tables)
        sim.advance(20)
        (status,) = eng.schedules().get()
        assert (status.every, status.overlap) == (20.0, "allow")
        assert keys(tables) == [slots(sim, 10)[0], *slots(sim, 40, 20)]


# People


def test_a_paused_schedule_starts_nothing_until_it_goes_on() -> None:
    with simulation() as sim:
        tables = Tables()
        eng = begin(sim, schedule("s", "w", every=10), tables=tables)
        sim.advance(15)
        assert eng.pause_schedule("s").get().paused
        sim.advance(40)
        assert keys(tables) == slots(sim, 10)
        assert eng.schedules().get()[0].next_at is None
        assert not eng.resume_schedule("s").get().paused
        sim.advance(10)
        assert keys(tables) == [slots(sim, 10)[0], slots(sim, 60)[-1]]


def test_a_pause_by_another_process_is_found() -> None:
    with simulation() as sim:
        tables = Tables()
        begin(sim, schedule("s", "w", every=10), tables=tables, id="one")
        sim.advance(5)
        other = begin(sim, schedule("s", "w", every=10), tables=tables, id="two")
        other.pause_schedule("s").get()
        sim.advance(20)
        assert not tables.runs
        other.resume_schedule("s").get()
        sim.advance(10)
        assert len(tables.runs) == 1


def test_a_trigger_starts_a_run_besides_the_slots() -> None:
    with simulation() as sim:
        tables = Tables()
        eng = begin(sim, schedule("s", "w", every=10, input=7), tables=tables)
        eng.pause_schedule("s").get()
        run = eng.trigger_schedule("s").get()
        assert run.get() == 7
        assert keys(tables) == [f"s/now/{run.id}"]


def test_a_backfill_tells_first_and_starts_what_has_no_run() -> None:
    with simulation() as sim:
        tables = Tables()
        eng = begin(sim, schedule("s", "w", every=10), tables=tables)
        sim.advance(25)
        span = (wall(sim) - timedelta(seconds=45), wall(sim))
        told = eng.backfill_schedule("s", *span).get()
        assert [each.run is None for each in told] == [True, True, True, False, False]
        assert len(tables.runs) == 2
        done = eng.backfill_schedule("s", *span, dry=False).get()
        assert [each.started for each in done] == [True, True, True, False, False]
        sim.advance(2)
        assert {run.state for run in tables.runs.values()} == {"done"}
        again = eng.backfill_schedule("s", *span, dry=False).get()
        assert [(each.key, each.run) for each in again] == [(each.key, each.run) for each in done]
        assert not any(each.started for each in again)


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        (timedelta(seconds=-10), timedelta(seconds=10), "must not lie ahead"),
        (timedelta(), timedelta(seconds=-10), "must not be after"),
        (timedelta(days=-1), timedelta(), "more than 1000 slots"),
    ],
)
def test_a_backfill_that_cannot_be_is_refused(since: timedelta, until: timedelta, said: str) -> None:
    with simulation() as sim:
        eng = begin(sim, schedule("s", "w", every=10))
        with pytest.raises(BadBackfill, match=said):
            eng.backfill_schedule("s", wall(sim) + since, wall(sim) + until).get()
        with pytest.raises(BadBackfill, match="need a zone"):
            eng.backfill_schedule("s", wall(sim).replace(tzinfo=None), wall(sim)).get()


def test_an_unknown_schedule_is_named_with_those_that_there_are() -> None:
    with simulation() as sim:
        eng = begin(sim, schedule("s", "w", every=10))
        for call in (eng.pause_schedule, eng.resume_schedule, eng.trigger_schedule):
            with pytest.raises(NoSuchSchedule, match=r"'t' \(known: s\)"):
                call("t").get()
        bare = begin(sim, id="bare")
        assert bare.schedules().get() == ()
        with pytest.raises(NoSuchSchedule, match="known: none"):
            bare.pause_schedule("s").get()


def test_runs_of_a_schedule_say_so_when_they_are_accepted() -> None:
    with simulation() as sim:
        seen: list[RunAccepted] = []
        sim.runtime.events.subscribe(seen.append, RunAccepted)
        begin(sim, schedule("s", "w", every=10))
        sim.advance(15)
        assert [(each.workflow, each.schedule, each.key) for each in seen] == [("w", "s", slots(sim, 10)[0])]


# Faults


class Asked(BaseModel):
    size: int


def test_faults_of_schedules_are_told_before_anything_starts() -> None:
    typed = workflow("typed", do("a", "worker"), input=Asked)
    parts = (worker(), flow(), typed)
    with pytest.raises(SpecError) as caught:
        engine(
            "engine",
            *parts,
            schedule("s", "ww", every=5),
            schedule("t", typed, every=5, input={"size": "x"}),
            schedule("u", "w", every=5),
            schedule("u", "w", every=6),
            store="memory:",
        )
    text = str(caught.value)
    assert "the engine has no workflow 'ww'; did you mean 'w'" in text
    assert "engine/schedule t: input:" in text
    assert "engine/schedule u: 2 schedules have this id" in text


options: dict[str, Any] = {
    "overlap": st.sampled_from(["skip", "queue", "allow", "cancel"]),
    "catch_up": st.sampled_from(["none", "one", 5]),
    "engines": st.sampled_from([1, 2]),
}
parts = ("*/scheduler", "*/desk", "*/journal", "*/store")
anything = faults.plans(*parts, kinds=[Crash, Kill, ClockJump], max_faults=4, until=40.0)
schedulers = faults.plans("*/scheduler", kinds=[Crash, Kill, ClockJump], max_faults=4, until=40.0)


def several(sim: Simulation, tables: Tables, engines: int, overlap: Any, catch_up: Any) -> None:
    """Engines on one store, for three quarters of a minute."""
    for number in range(engines):
        spec = engine(
            f"e{number}",
            worker(),
            flow(),
            schedule("s", "w", every=7, overlap=overlap, catch_up=catch_up, jitter=2.0),
            store=store_of(sim, tables),
            max_restarts=None,
        )
        sim.start(spec)
    sim.advance(45)


@simulate(plan=anything, examples=12, **options)
def test_a_slot_has_one_run_through_crashes_kills_and_clock_jumps(
    sim: Simulation, plan: FaultPlan, overlap: Any, catch_up: Any, engines: int
) -> None:
    """Invariant 12, with one engine and with two on one store."""
    tables = Tables()
    several(sim, tables, engines, overlap, catch_up)
    sim.heal()
    sim.advance(20)
    counted = Counter(run.key for run in tables.runs.values())
    assert all(count == 1 for count in counted.values())
    for run in tables.runs.values():
        assert run.key is not None
        slot = datetime.fromisoformat(run.key.removeprefix("s/")).timestamp()
        assert slot % 7 == 0


@simulate(plan=schedulers, examples=8, **options)
def test_slots_start_again_after_crashes_kills_and_clock_jumps(
    sim: Simulation, plan: FaultPlan, overlap: Any, catch_up: Any, engines: int
) -> None:
    tables = Tables()
    several(sim, tables, engines, overlap, catch_up)
    sim.heal()
    before = len(tables.runs)
    sim.eventually("slots start after the faults", lambda: len(tables.runs) > before, within=400)


@simulate(plan=faults.plans("*/scheduler", "*/desk", "*/store", kinds=[Crash, Kill], max_faults=3), examples=12)
def test_a_trigger_starts_one_run_however_often_it_is_asked_again(sim: Simulation, plan: FaultPlan) -> None:
    tables = Tables()
    spec = engine(
        "engine",
        worker(),
        flow(),
        schedule("s", "w", every=3_600),
        store=store_of(sim, tables),
        max_restarts=None,
    )
    eng = sim.start(spec)
    assert isinstance(eng, EngineRef)
    future = eng.trigger_schedule("s")
    sim.advance(5)
    sim.heal()
    sim.eventually("the caller is answered", future.done, within=60)
    assert len(tables.runs) <= 1
    try:
        run = future.get()
    except (ActorDeadError, NoSuchSchedule):  # the first read of the rows was not done yet
        return
    assert list(tables.runs) == [run.id]
