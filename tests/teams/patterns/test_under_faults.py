"""Patterns while anybody crashes or is killed at any step: members, the coordinator, and the run itself.

What holds for every pattern: a run ends with a result or a typed error; a step that has ended is not done again by the
run; nothing is left reserved or running.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.testing import Crash, FaultPlan, Kill, Simulation, Slow, faults, simulate
from supervisors import SupervisorSpec
from teams import Failed, RunFailed, RunHandle, SourceLost, StepBegan, StepDone, TeamRef, quorum, step, team
from teams.patterns import (
    Approved,
    Plan,
    Rejected,
    Revision,
    Subtask,
    Synthesis,
    broadcast_to,
    delegate,
    hierarchical,
    parallel,
    pipeline,
    quality_gate,
    sequential,
    stage,
)
from tests.teams.cast import begun
from tests.teams.patterns.cast import Ledger, crew_parts, idle

anything = faults.plans(*crew_parts, kinds=[Crash, Kill, Slow], max_faults=4, until=6.0, seconds=(0.5, 3.0))
not_members = faults.plans(
    "crew/coordinator", "crew/runs/*", kinds=[Crash, Kill, Slow], max_faults=4, until=6.0, seconds=(0.5, 3.0)
)


def crew(ledger: Ledger, *names: str, seconds: float = 1.0, **options: Any) -> SupervisorSpec:
    """A team of workers that come back quickly."""
    return team("crew", *(ledger.member(name, seconds, **options) for name in names), max_restarts=None)


def played_out(sim: Simulation, crew: TeamRef, handle: RunHandle) -> object:
    """The result, or the typed error, once all faults are over."""
    sim.advance(30)
    sim.heal()
    sim.eventually("the run has ended", handle.done, within=300)
    sim.advance(20)
    assert idle(crew), "something is left"
    try:
        return handle.get()
    except RunFailed as error:
        return error


@simulate(plan=not_members, examples=25)
def test_a_run_that_crashes_at_any_step_does_every_step_once(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the journal: while only the run and the coordinator crash, no member sees anything twice, and the result
    is the one of a quiet run.
    """
    ledger = Ledger()
    root = begun(sim, crew(ledger, *"abcdef"))
    if root is None:
        return
    pattern = sequential("a", parallel("b", "c", "d", policy=quorum(2)), "e", lambda value: [value, "end"], "f")
    handle = root.play(pattern, 1)
    sim.always("no work twice", lambda: all(count == 1 for count in ledger.begun.values()))
    result = played_out(sim, root, handle)
    assert isinstance(result, list)
    value, end = result
    assert end == "end"
    assert len(value) >= 2
    assert set(value.values()) == {1}


@simulate(plan=anything, examples=25)
def test_a_step_that_is_done_is_never_begun_again(sim: Simulation, plan: FaultPlan) -> None:
    """Guards results against every crash, those of members included: what was done is done, with the value that was
    told, and what was not has its attempts.
    """
    ledger = Ledger()
    root = begun(sim, crew(ledger, *"abc"))
    if root is None:
        return
    told: Counter[tuple[str, str]] = Counter()
    sim.runtime.events.subscribe(lambda event: told.update([("StepBegan", event.step)]), StepBegan)
    sim.runtime.events.subscribe(lambda event: told.update([("StepDone", event.step)]), StepDone)
    steps = [step(name, attempts=10) for name in "abc"]
    handle = root.play(sequential(*steps, parallel(*steps)), "x")
    sim.always("no step is told of twice", lambda: all(count == 1 for count in told.values()))
    result = played_out(sim, root, handle)
    assert result == {"a": "x", "b": "x", "c": "x"}
    assert sum(name == "StepDone" for name, _ in told) == 7


@simulate(plan=anything, examples=25)
def test_a_pipeline_has_every_item_in_its_place_under_any_crashes(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the flow: no item is lost, doubled or out of order, and none goes through a stage again that it has
    passed.
    """
    ledger = Ledger()
    root = begun(sim, team("crew", *(ledger.member(name, 0.5, then=grown(name)) for name in "abc"), max_restarts=None))
    if root is None:
        return
    pattern = pipeline(*(stage(name, name, parallel=2, attempts=10) for name in "abc"))
    handle = root.play(pattern, iter(range(6)))
    sim.always("no stage is done twice", lambda: all(count == 1 for count in ledger.finished.values()))
    assert played_out(sim, root, handle) == [f"{number}abc" for number in range(6)]


@simulate(plan=anything, examples=20)
def test_a_pipeline_has_a_result_or_a_failure_for_every_item(sim: Simulation, plan: FaultPlan) -> None:
    """Guards "skip": a member that crashes costs the item it had, and no other."""
    ledger = Ledger()
    root = begun(sim, team("crew", *(ledger.member(name, 0.5, then=grown(name)) for name in "ab"), max_restarts=None))
    if root is None:
        return
    pattern = pipeline(*(stage(name, name, parallel=2, on_failure="skip") for name in "ab"))
    result = played_out(sim, root, root.play(pattern, range(5)))
    assert isinstance(result, list)
    assert len(result) == 5
    for number, each in enumerate(result):
        assert each == f"{number}ab" or isinstance(each, Failed)
    assert sum(isinstance(each, Failed) for each in result) <= len(plan)
    assert all(count == 1 for count in ledger.begun.values())


@simulate(plan=faults.plans("crew/runs/1", "crew/runs/2", kinds=[Kill], max_faults=3, until=4.0), examples=20)
def test_a_pipeline_reads_an_async_source_again_or_says_that_it_cannot(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the source: an async iterable is begun anew and goes on where it was; an async generator that was cut off
    is a typed error, and not a short result.
    """
    ledger = Ledger()
    root = begun(sim, crew(ledger, "a", seconds=0.5))
    if root is None:
        return

    class Rows:
        async def __aiter__(self) -> AsyncIterator[int]:
            for number in range(4):
                await asyncio.sleep(1.0)
                yield number

    pattern = pipeline("a")
    again = root.play(pattern, Rows())
    once = root.play(pattern, aiter(Rows()))
    assert played_out(sim, root, again) == [0, 1, 2, 3]
    result = played_out(sim, root, once)
    assert result == [0, 1, 2, 3] or (isinstance(result, RunFailed) and isinstance(result.error, SourceLost))


@simulate(plan=anything, examples=20)
def test_a_hierarchy_has_one_result_of_what_everybody_did(sim: Simulation, plan: FaultPlan) -> None:
    """Guards delegation: the leader hears of every subtask, done or failed, under any crashes."""

    def lead(value: Any) -> object:
        if isinstance(value, Synthesis):
            return dict(value.results), {name: each.error for name, each in value.failures.items()}
        return Plan(Subtask(number, "worker", f"part {number}") for number in range(3))

    ledger = Ledger()
    members = [ledger.member("lead", then=lead), ledger.member("worker", count=2)]
    root = begun(sim, team("crew", *members, max_restarts=None))
    if root is None:
        return
    result = played_out(sim, root, root.play(hierarchical(step("lead", attempts=10)), "task"))
    assert isinstance(result, tuple)
    results, failures = result
    assert {*results, *failures} == {"part 0", "part 1", "part 2"}
    assert all(results[name] == int(name[-1]) for name in results)
    assert len(failures) <= len(plan)


@simulate(plan=anything, examples=20)
def test_a_gate_lets_pass_what_was_approved_and_nothing_else(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the rounds: every revision has the feedback of the round before, under any crashes."""

    def write(value: Any) -> object:
        return f"{value.previous}+{value.feedback}" if isinstance(value, Revision) else value

    def judge(value: str) -> object:
        return Approved() if value.count("+") == 2 else Rejected(f"more {value.count('+')}")

    ledger = Ledger()
    members = [ledger.member("writer", then=write), ledger.member("judge", then=judge)]
    root = begun(sim, team("crew", *members, max_restarts=None))
    if root is None:
        return
    pattern = quality_gate(step("writer", attempts=10), step("judge", attempts=10))
    assert played_out(sim, root, root.play(pattern, "draft")) == "draft+more 0+more 1"
    assert all(count == 1 for count in ledger.finished.values())


@simulate(plan=anything, examples=20)
def test_everybody_of_a_role_works_once_on_what_is_broadcast(sim: Simulation, plan: FaultPlan) -> None:
    """Guards the broadcasting router: one step for each slot there was, done or failed."""
    ledger = Ledger()
    root = begun(sim, team("crew", ledger.member("worker", count=3), max_restarts=None))
    if root is None:
        return
    result = played_out(sim, root, root.play(broadcast_to("worker"), "x"))
    assert isinstance(result, dict)
    assert list(result) == ["worker-1", "worker-2", "worker-3"]
    assert sum(isinstance(each, Failed) for each in result.values()) <= len(plan)


@simulate(plan=anything, examples=20)
@pytest.mark.parametrize("pattern", [sequential("a", "b"), parallel("a", "b"), pipeline("a", "b"), delegate("a", "b")])
def test_a_run_that_is_cancelled_leaves_nothing_behind(sim: Simulation, plan: FaultPlan, pattern: Any) -> None:
    """Guards cancelling: under any crashes, no work goes on and every slot is free."""
    ledger = Ledger()
    root = begun(sim, crew(ledger, "a", "b", seconds=4.0))
    if root is None:
        return
    handle = root.play(pattern, [1, 2, 3])
    sim.advance(2.5)
    handle.cancel("enough")
    sim.heal()
    sim.eventually("it has ended", handle.done, within=10)
    sim.advance(10)
    assert idle(root), "something is left"
    begun_by_then = sum(ledger.begun.values())
    sim.advance(60)
    assert sum(ledger.begun.values()) == begun_by_then


def grown(name: str) -> Any:
    """Adds a letter."""
    return lambda value: f"{value}{name}"
