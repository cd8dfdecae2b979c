"""Runs of patterns: what can be seen of one while it goes on, cancelling, crashes at known moments, and goals."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import ActorDeadError
from actors.spi import EventStream
from actors.testing import Crash, FaultPlan, Kill, Slow, simulation
from supervisors import constant
from teams import (
    RunBegan,
    RunCancelled,
    RunEnded,
    RunEvent,
    RunFailed,
    StepBegan,
    StepDone,
    StepFailed,
    StepSkipped,
    TeamHalted,
    TeamRef,
    fail_fast,
    first,
    goal,
    member,
    step,
    team,
)
from teams._members.results import Outcome
from teams._runs.state import EVENTS, RunState
from teams.patterns import parallel, pipeline, sequential, stage
from tests.teams.cast import begun
from tests.teams.patterns.cast import Ledger, crew_of, error_of, idle, takes

a, b, slow = member("a", takes(1.0)), member("b", takes(1.0)), member("slow", takes(100.0))


def test_events_tell_of_every_step_in_order_with_results() -> None:
    """Guards the stream: typed events, from the beginning of the run to its end, for one who comes late, too."""
    with crew_of(a, b) as (_, crew):
        handle = crew.play(sequential("a", "b"), 5)
        handle.get()
        told = list(handle.stream())
    assert [type(event) for event in told] == [RunBegan, StepBegan, StepDone, StepBegan, StepDone, RunEnded]
    assert [event.result for event in told if isinstance(event, StepDone)] == [5, 5]
    assert {event.run for event in told} == {handle.id}


class Looked(deque[Any]):
    """The kept events of a run, where something happens when a reader has looked at them."""

    then: Callable[[], object] | None = None

    def copy(self) -> Looked:
        found, then = Looked(self), self.then
        self.then = None
        if then is not None:
            then()
        return found


def record_of_a_run() -> RunState:
    """A run without a runtime around it."""
    runtime: Any = SimpleNamespace(events=EventStream(), park=None)
    return RunState("r", sequential("a"), None, runtime)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12), st.booleans())
def test_a_reader_gets_every_event_once_whenever_it_looks(batches: list[tuple[int, int]], ends: bool) -> None:
    """Guards the handshake without a lock: events, and the end, between the look of a reader and its wait for more."""
    record = record_of_a_run()
    kept = record._events = Looked()
    told: list[RunEvent] = []
    index = published = 0

    def publish(count: int) -> None:
        nonlocal published
        for _ in range(count):
            published += 1
            record.publish(StepBegan, float(published), "s", "t")

    def end() -> None:
        publish(1)
        record.settle(Outcome("done"))

    for before, meanwhile in batches:
        publish(before)
        kept.then = partial(publish, meanwhile)
        new, index, waiter = record.since(index)
        kept.then = None
        told += new
        assert (waiter is None) == bool(new)
        if waiter is not None:
            assert index == published
            publish(1)
            assert waiter.done()
    kept.then = end if ends else None
    if not ends:
        end()
    over = False
    while not over:
        new, index, waiter = record.since(index)
        told += new
        assert waiter is None or waiter.done()
        over = waiter is None and not new
    assert [event.at for event in told] == [float(number) for number in range(1, published + 1)]


def test_a_reader_that_comes_late_gets_the_last_events() -> None:
    """Guards the bound: a long run keeps its last events, and a reader goes on behind them."""
    record = record_of_a_run()
    for number in range(EVENTS + 7):
        record.publish(StepBegan, float(number), "s", "t")
    new, index, _ = record.since(0)
    assert [event.at for event in new] == [float(number) for number in range(7, EVENTS + 7)]
    assert index == EVENTS + 7


def test_progress_and_partial_results_can_be_seen_under_way() -> None:
    """Guards the handle: what is done, what is under way, and the results so far."""
    with crew_of(a, b, slow) as (sim, crew):
        handle = crew.play(sequential("a", parallel("b", "slow")), 5)
        sim.advance(2.5)
        assert handle.partial == {"a": 5, "parallel/gather/b": 5}
        assert handle.progress.done == 2
        assert handle.progress.under_way == ("parallel", "parallel/gather/slow")
        assert not handle.done()


@pytest.mark.parametrize(
    "pattern",
    [
        "slow",
        sequential("a", "slow"),
        parallel("a", "slow", step("slow", timeout=500.0)),
        pipeline("a", stage("s", "slow", parallel=2)),
        sequential(parallel(sequential("slow"), "a")),
    ],
    ids=["step", "sequential", "parallel", "pipeline", "nested"],
)
def test_cancelling_a_run_cancels_what_it_started(pattern: Any) -> None:
    """Guards cancelling: the error has what was done, no work goes on, every slot is free at once."""
    with crew_of(a, slow) as (sim, crew):
        handle = crew.play(sequential(pattern), [1, 2])
        sim.advance(2.5)
        handle.cancel("not needed")
        with pytest.raises(RunCancelled) as caught:
            handle.get()
        assert caught.value.reason == "not needed"
        sim.settle()
        assert idle(crew)
        assert sim.now == 2.5


def test_a_run_that_is_cancelled_before_it_began_does_nothing() -> None:
    """Guards the first moment."""
    ledger = Ledger()
    with crew_of(ledger.member("a")) as (sim, crew):
        handle = crew.play(sequential("a"), 1)
        handle.cancel()
        with pytest.raises(RunCancelled):
            handle.get()
        sim.advance(5.0)
        assert not ledger.begun


def test_a_halt_ends_the_run_and_its_results_are_kept() -> None:
    """Guards the kill switch: the run fails with what was done by then."""
    with crew_of(a, slow) as (sim, crew):
        handle = crew.play(sequential("a", "slow"), 1)
        sim.advance(2.0)
        crew.halt("fire").get()
        with pytest.raises(RunFailed) as caught:
            handle.get()
        assert caught.value.partial == {"a": 1}
        cause = caught.value.error
        assert isinstance(cause, ActorDeadError) or isinstance(getattr(cause, "error", None), TeamHalted)


def test_a_team_that_dies_while_it_plays_is_a_typed_error() -> None:
    """Guards the bad input: the team is stopped while a caller waits for a run of it."""
    with crew_of(a, slow) as (sim, crew):
        handle = crew.play(sequential("a", "slow"), 1)
        sim.advance(2.0)
        crew.stop()
        with pytest.raises(RunFailed) as caught:
            handle.get()
        assert caught.value.partial == {"a": 1}


def test_a_gathering_that_has_ended_is_the_same_when_the_run_plays_again() -> None:
    """Guards determinism: after a kill of the run, a quorum that was reached is not asked for again, and those that
    were called off stay so.
    """
    ledger = Ledger()
    people = [ledger.member("quick"), ledger.member("late", 5.0), ledger.member("after", 10.0)]
    with simulation(FaultPlan(Kill("crew/runs/*", at=4.0))) as sim:
        crew = begun(sim, team("crew", *people))
        assert crew is not None
        handle = crew.play(parallel("quick", "late", policy=first(), merge="after"), "x")
        assert handle.get() == {"quick": "x"}
        sim.require_fired()
        steps = [event.step for event in handle.stream() if isinstance(event, StepBegan)]
        assert sorted(steps) == ["gather/late", "gather/quick", "merge"]
    assert ledger.begun == Counter({("quick", "'x'"): 1, ("late", "'x'"): 1, ("after", "{'quick': 'x'}"): 1})
    assert sum(ledger.finished.values()) == 2


def test_a_run_that_is_killed_while_it_calls_off_the_rest_has_decided() -> None:
    """Guards the moment of the decision: what was called off is not begun again by the next incarnation."""
    ledger = Ledger()
    with crew_of(ledger.member("quick"), ledger.member("late", 5.0)) as (sim, crew):
        told: list[StepSkipped] = []

        def kill_once(event: StepSkipped) -> None:
            told.append(event)
            if len(told) == 1:
                crew.child("runs/1").kill()

        sim.runtime.events.subscribe(kill_once, StepSkipped)
        assert crew.play(parallel("quick", "late", policy=first()), "x").get() == {"quick": "x"}
        sim.advance(20.0)
        assert idle(crew)
        assert len(told) == 1
    assert ledger.begun == Counter({("quick", "'x'"): 1, ("late", "'x'"): 1})


def test_work_that_is_under_way_goes_on_while_the_run_is_restarted() -> None:
    """Guards the journal: a kill of the run neither calls its work off nor begins it again, and no time is lost."""
    ledger = Ledger()
    with simulation(FaultPlan(Kill("crew/runs/*", at=2.0))) as sim:
        crew = begun(sim, team("crew", ledger.member("a", 5.0)))
        assert crew is not None
        assert crew.play(sequential(step("a", timeout=6.0)), 1).get() == 1
        assert sim.now == 5.0
        sim.require_fired()
    assert ledger.begun == ledger.finished == Counter({("a", "1"): 1})


def test_an_outcome_that_comes_while_the_run_is_down_is_not_lost() -> None:
    """Guards the answer: it belongs to the record of the run, and not to the actor that crashed."""
    ledger = Ledger()
    with simulation(FaultPlan(Kill("crew/runs/*", at=4.995))) as sim:
        crew = begun(sim, team("crew", ledger.member("a", 5.0)))
        assert crew is not None
        assert crew.play(sequential("a"), 1).get() == 1
        sim.require_fired()
    assert ledger.begun == Counter({("a", "1"): 1})


def test_limits_of_time_do_not_begin_anew_when_the_run_plays_again() -> None:
    """Guards timeouts of patterns and gatherings against crashes of the run."""
    with simulation(FaultPlan(Kill("crew/runs/1", at=2.0), Kill("crew/runs/2", at=2.0))) as sim:
        crew = begun(sim, team("crew", member("slow", takes(100.0), concurrency=2)))
        assert crew is not None
        gathering = crew.play(parallel("slow", within=3.0, policy=fail_fast()), 1)
        nested = crew.play(step(sequential("slow"), timeout=3.0), 1)
        for handle in (gathering, nested):
            with pytest.raises(RunFailed):
                handle.get()
            assert sim.now == 3.0
        sim.require_fired()


def test_a_goal_that_failed_is_tried_again_and_what_was_done_stays_done() -> None:
    """Guards goals: after the failure only what failed is done again, in gatherings and pipelines, too."""
    seen: list[object] = []

    def shaky(value: object) -> object:
        seen.append(value)
        if len(seen) == 1:
            raise OSError("the first time")
        return value

    ledger = Ledger()
    pattern = sequential("a", parallel("b", "shaky", policy=fail_fast()), lambda both: both["b"])
    people = [ledger.member(name) for name in "ab"]
    with simulation() as sim:
        crew = sim.start(team("crew", *people, member("shaky", takes(2.0, shaky)), goal=goal(pattern, "x")))
        assert isinstance(crew, TeamRef)
        sim.eventually("the goal is reached", lambda: not crew.is_alive(), within=60)
    assert seen == ["x", "x"]
    assert all(count == 1 for count in ledger.finished.values())


def test_a_goal_that_is_a_pipeline_goes_on_with_the_item_that_failed() -> None:
    """Guards goals: items that came out are not there again, and those that were called off are begun anew."""
    seen: list[int] = []

    async def work(value: int) -> int:
        seen.append(value)
        await asyncio.sleep((0.5, 1.0, 3.0, 3.0)[value])
        if value == 1 and seen.count(1) == 1:
            raise OSError("the first time")
        return value

    with simulation() as sim:
        results: list[object] = []
        pattern = sequential(pipeline(stage("s", "worker", parallel=3)), results.append)
        crew = sim.start(team("crew", member("worker", work, concurrency=3), goal=goal(pattern, range(4))))
        sim.eventually("the goal is reached", lambda: not crew.is_alive(), within=60)
    assert results == [[0, 1, 2, 3]]
    assert sorted(seen) == [0, 1, 1, 2, 2, 3, 3]


def test_a_listener_from_outside_sees_the_events_of_all_runs() -> None:
    """Guards the one stream: events of runs are lifecycle events like any other."""
    with crew_of(a) as (sim, crew):
        seen: list[RunEnded] = []
        sim.runtime.events.subscribe(seen.append, RunEnded)
        crew.play(sequential("a"), 1).get()
        crew.play(sequential("a"), 2).get()
        sim.settle()
    assert [event.error for event in seen] == [None, None]


def test_errors_of_runs_survive_pickling() -> None:
    """Guards errors on their way to another process: every field is there again."""
    error = error_of(parallel("a", step((3).__truediv__, name="bad"), policy=fail_fast()), 0, a)
    assert isinstance(error, RunFailed)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.error.gathered.unanswered == ("a",)


@pytest.mark.parametrize(
    "plan",
    [
        FaultPlan(Crash("crew/coordinator", nth=1), Crash("crew/coordinator", nth=3)),
        FaultPlan(Slow("crew/coordinator", nth=1, seconds=0.5), Kill("crew/coordinator", nth=1)),
    ],
    ids=["crash", "kill"],
)
def test_a_coordinator_that_crashes_over_a_step_is_asked_again(plan: FaultPlan) -> None:
    """Guards steps against the dispatcher's own crash: the step is neither lost nor failed nor done twice."""
    ledger = Ledger()
    with simulation(plan) as sim:
        crew = begun(sim, team("crew", ledger.member("a", 1.0), ledger.member("b", 1.0)))
        assert crew is not None
        assert crew.play(sequential("a", "b"), 1).get() == 1
        sim.require_fired()
    assert ledger.begun == Counter({("a", "1"): 1, ("b", "1"): 1})


def test_cancelled_work_frees_its_slot_when_the_coordinator_crashes() -> None:
    """Guards reservations: what a member still did when it was called off is given back, whatever message was lost."""
    with crew_of(member("a", takes(5.0), backoff=constant(0.1))) as (sim, crew):
        busy = sim.runtime.cells["crew/coordinator"]
        handle = crew.play(sequential("a"), 1)
        sim.advance(1.0)
        handled = busy.handled
    # The messages after the first are EndRun and the Settled of the work that was called off.
    for nth in (handled + 1, handled + 2, handled + 3):
        with simulation(FaultPlan(Crash("crew/coordinator", nth=nth))) as sim:
            crew = begun(sim, team("crew", member("a", takes(5.0), backoff=constant(0.1))))
            assert crew is not None
            handle = crew.play(sequential("a"), 1)
            sim.advance(1.0)
            handle.cancel()
            sim.advance(10.0)
            sim.heal()
            assert crew.roster().get()[0].reserved == 0
            assert crew.play(sequential("a"), 2).get() == 2


def test_a_step_after_a_failed_one_is_not_begun() -> None:
    """Guards "stop": nothing follows a failure."""
    ledger = Ledger()
    with crew_of(ledger.member("a")) as (_, crew):
        with pytest.raises(RunFailed) as caught:
            crew.play(sequential(step(str.upper), "a"), 3).get()
        assert isinstance(caught.value.error, StepFailed)
    assert not ledger.begun


@pytest.mark.parametrize("end", ["halt", "stop", "kill"])
def test_a_caller_that_waits_for_a_goal_is_answered_when_the_team_ends(end: str) -> None:
    """Guards the handle of a goal: its place may go before it has a result."""

    async def long(value: object) -> object:
        await asyncio.sleep(1000.0)
        return value

    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("long", long), goal=goal(sequential("long")), restart="temporary"))
        sim.advance(1.0)
        handle = crew.goal()
        match end:
            case "halt":
                crew.halt().get()
            case "stop":
                crew.stop(block=False)
            case _:
                crew.kill()
        sim.advance(60.0)
        with pytest.raises(RunFailed):
            handle.get(timeout=1)


def test_a_run_of_a_halted_team_says_that_it_is_halted() -> None:
    """Guards the reason: a halted team is not gone, and may be reset."""
    with simulation() as sim:
        crew: Any = sim.start(team("crew", member("idle", idle)))
        crew.halt("fire").get()
        with pytest.raises(RunFailed, match="fire") as caught:
            crew.play(sequential("idle")).get()
        assert isinstance(caught.value.error, TeamHalted)
        crew.reset().get()
        assert crew.check(sequential("idle", "zoe")) == ("zoe",)
