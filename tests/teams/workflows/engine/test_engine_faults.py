"""Engines: runs that are blocked, and the ends of processes, stores and actors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from actors.testing import Crash, FaultPlan, Kill
from supervisors import constant
from teams._journal.errors import StoreAway
from teams._journal.rows import RunRow
from teams.patterns import sequential
from teams.resilience import retry
from teams.workflows import (
    RunBlocked,
    StoreBack,
    StoreLost,
    delay,
    do,
    wait,
    workflow,
)
from teams.workflows._engine.records import Records
from teams.workflows.testing import FailCommit, StoreGone, UnknownCommit
from tests.teams.patterns.cast import Ledger
from tests.teams.workflows.cast import kinds, played, played_on_sqlite
from tests.teams.workflows.steps import a, adds, b, c

# Blocked


def test_a_run_whose_team_is_missing_is_blocked_until_it_is_there() -> None:
    flow = workflow("flow", do("a", "a"), wait("go", "go"))
    with played(a, flow) as scene:
        assert scene.disk is not None
        run = scene.start("flow", [])
        scene.sim.advance(5.0)
        tables = scene.disk.volatile
    with played(a, workflow("other", do("a", "a")), tables=tables) as scene:
        scene.sim.advance(10.0)
        later = scene.eng.workflow_run(run.id)
        later.signal("go", 1).get()
        scene.sim.advance(10.0)
        assert later.status().get().state == "waiting"  # it is of a workflow that this engine does not know


def test_a_store_that_is_away_while_a_run_is_taken_up_does_not_block_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards runs of an earlier version, whose definition is read from the store."""
    pattern, away = Records.pattern, [True]

    async def gone_once(records: Records, row: RunRow) -> Any:
        if away:
            away.pop()
            raise StoreAway("store", "it does not answer", True)
        return await pattern(records, row)

    slow = adds("slow", 10.0)
    tables, run = killed(slow, workflow("flow", do("slow", "slow")), step="slow")
    monkeypatch.setattr(Records, "pattern", gone_once)
    with played(slow, workflow("flow", do("slow", "slow")), tables=tables) as scene:
        assert scene.eng.workflow_run(run.id).get(timeout=100) == ["slow"]
        assert away == []


def test_a_run_of_a_pattern_that_has_become_a_workflow_is_blocked_alone(tmp_path: Path) -> None:
    slow = adds("slow", 100.0)
    with played_on_sqlite(tmp_path, slow, a, patterns={"flow": sequential("slow")}) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(5.0)
    with played_on_sqlite(tmp_path, slow, a, workflow("flow", do("a", "a"))) as scene:
        scene.sim.advance(5.0)  # ids are of the time
        assert scene.result("flow", []) == ["a"]
        status = scene.eng.workflow_run(run.id).status().get()
        assert status.state == "blocked"
        assert "flow" in str(status.waiting_for)


def killed(*parts: Any, step: str, **options: Any) -> tuple[Any, Any]:
    """The tables, and the run, of an engine that was killed when `step` had begun."""
    with played(*parts, **options) as scene:
        assert scene.disk is not None
        run = scene.start("flow", [])
        scene.sim.advance(1.5)
        assert kinds(run, step) == ["began"]
        tables = scene.disk.durable
        scene.disk.dead.add(1)
    return tables, run


def test_a_step_that_may_be_done_once_at_most_is_not_begun_again() -> None:
    ledger = Ledger()
    once = ledger.member("once", 10.0)
    flow = workflow("flow", do("a", "a"), do("once", "once", effects="at_most_once"))
    tables, run = killed(a, once, flow, step="once")
    with played(a, once, flow, tables=tables) as scene:
        told: list[object] = []
        scene.sim.runtime.events.subscribe(told.append, RunBlocked)
        scene.sim.advance(60.0)
        later = scene.eng.workflow_run(run.id)
        status = later.status().get()
        assert status.state == "blocked"
        assert "may be done once at most" in (status.waiting_for or "")
        assert sum(ledger.begun.values()) == 1
        assert len(told) == 1
        later.resume().get()
        scene.sim.advance(30.0)
        assert later.status().get().state == "blocked"
        later.resume(accept_changes=True).get()
        assert later.get(timeout=60) == ["a"]
        assert sum(ledger.begun.values()) == 2


# The process, the store, and actors


def test_another_process_goes_on_with_a_run_whose_process_died() -> None:
    flow = workflow("flow", do("a", "a"), do("b", "b"), do("c", "c"))
    tables, run = killed(a, b, c, flow, step="b")
    with played(a, b, c, flow, tables=tables) as scene:
        scene.sim.advance(20.0)
        later = scene.eng.workflow_run(run.id)
        assert later.get(timeout=60) == ["a", "b", "c"]
        assert kinds(later, "a") == ["began", "done"]
        assert kinds(later, "b")[-1] == "done"
        assert kinds(later, "b").count("done") == 1


def test_a_run_goes_on_when_its_engine_is_started_again(tmp_path: Path) -> None:
    flow = workflow("flow", do("a", "a"), delay("nap", 100.0), do("b", "b", input="$a"))
    with played_on_sqlite(tmp_path, a, b, flow) as scene:
        run = scene.start("flow", [])
        scene.sim.advance(10.0)
    with played_on_sqlite(tmp_path, a, b, flow) as scene:
        later = scene.eng.workflow_run(run.id)
        assert later.get(timeout=200) == ["a", "b"]
        assert scene.sim.now == pytest.approx(101.0 + 1.0, abs=1.0)  # the clock of each simulation begins anew


@pytest.mark.parametrize("fault", [StoreGone(at=2.5, seconds=8.0), FailCommit(3, times=4), UnknownCommit(3, times=4)])
def test_runs_wait_while_the_store_is_away_and_go_on_then(fault: Any) -> None:
    ledger = Ledger()
    members = [ledger.member(name) for name in "xyz"]
    flow = workflow("flow", *(do(name, name) for name in "xyz"))
    with played(*members, flow, faults=(fault,)) as scene:
        told: list[object] = []
        scene.sim.runtime.events.subscribe(told.append, StoreLost, StoreBack)
        run = scene.start("flow", 5)
        assert run.get(timeout=100) == 5
        assert [type(each) for each in told] == [StoreLost, StoreBack]
        assert set(ledger.begun.values()) == {1}


def test_an_engine_without_work_tells_that_the_store_is_away() -> None:
    with played(a, workflow("flow", do("a", "a")), faults=(StoreGone(at=2.5, seconds=8.0),)) as scene:
        told: list[object] = []
        scene.sim.runtime.events.subscribe(told.append, StoreLost, StoreBack)
        scene.sim.advance(9.0)
        assert [type(each) for each in told] == [StoreLost]
        scene.sim.advance(9.0)
        assert [type(each) for each in told] == [StoreLost, StoreBack]
        assert scene.result("flow", []) == ["a"]


def test_a_start_is_not_acknowledged_while_the_store_is_away() -> None:
    with played(a, workflow("flow", do("a", "a")), faults=(StoreGone(at=1.0, seconds=10.0),)) as scene:
        scene.sim.advance(2.0)
        future = scene.eng.start_workflow("flow", [])
        scene.sim.advance(5.0)
        assert not future.done()
        assert future.get(timeout=20).get(timeout=20) == ["a"]


@pytest.mark.parametrize("path", ["eng/desk", "eng/journal", "eng/store", "eng/runs/*", "eng/runs", "eng/agents"])
@pytest.mark.parametrize("at", [0.5, 1.0, 1.5, 2.0])
def test_a_part_of_the_engine_may_be_killed_at_any_time(path: str, at: float) -> None:
    ledger = Ledger()
    members = [ledger.member(name) for name in "xyz"]
    flow = workflow("flow", *(do(name, name, retry=retry(9, backoff=constant(0.5))) for name in "xyz"))
    with played(*members, flow, plan=FaultPlan(Kill(path, at=at))) as scene:
        run = scene.start("flow", 5)
        scene.sim.advance(60.0)
        scene.sim.require_fired()
        scene.sim.heal()
        assert run.get(timeout=100) == 5
        assert max(Counter(each.step for each in run.history().get() if each.kind == "done").values()) == 1
        if path not in ("eng/agents", "eng/store"):
            assert set(ledger.finished.values()) == {1}


@pytest.mark.parametrize("path", ["eng/desk", "eng/journal", "eng/store"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_a_part_of_the_engine_may_crash_at_any_message(path: str, nth: int) -> None:
    flow = workflow("flow", do("a", "a"), do("b", "b"))
    with played(a, b, flow, plan=FaultPlan(Crash(path, nth=nth))) as scene:
        run = scene.eng.start_workflow("flow", [])
        scene.sim.advance(60.0)
        scene.sim.heal()
        try:
            started = run.get()
        except Exception:  # noqa: BLE001 - the desk crashed over the start itself, which is a typed answer
            started = scene.eng.start_workflow("flow", []).get()
        assert started.get(timeout=100) == ["a", "b"]
