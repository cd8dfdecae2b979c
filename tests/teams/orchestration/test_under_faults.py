"""Orchestrators under generated faults: of the disk, of processes and of every part of an engine but the members."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.testing import Crash, FaultPlan, Kill, faults, simulation
from supervisors import SupervisorSpec
from teams._journal.codec import decode
from teams._journal.rows import ENDED, JournalEntry, RunRow
from teams._journal.store import Store
from teams.orchestration import PhaseBegan, PhaseDone, Planned, orchestrator
from teams.orchestration._reader import OrchestrationReader
from teams.workflows import NodeComplete, StreamEvent, engine
from teams.workflows.testing import (
    Disk,
    DiskFault,
    FailCommit,
    Processes,
    Reboot,
    SlowCommit,
    StoreGone,
    UnknownCommit,
    disk_faults,
)
from tests.teams.orchestration.cast import Crew, planner

PARTS = [f"engine-0/{part}" for part in ("agents/coordinator", "desk", "journal", "store", "runs/*")]
TASKS = ("search", "count", "chart", "report")


def ended(plan: FaultPlan, *disk_faults: DiskFault) -> tuple[RunRow, list[JournalEntry]]:
    """How one orchestration ended, with these faults."""
    crew = Crew()
    desk = orchestrator("desk", planner="planner", aggregator="writer", timeout=10_000.0)

    def served(path: str, store: Callable[[], Store]) -> SupervisorSpec:
        return engine(path, *crew.members(), planner(), desk, store=store, max_restarts=None)

    with simulation(plan, strict=False, record=False) as sim:
        disk = Disk(sim, *disk_faults, exclusive=True)
        processes = Processes(sim, disk, served)
        processes.run(0.5)
        while not disk.volatile.runs:
            eng = processes.ref(0)
            if eng is not None:
                eng.start_workflow("desk", "whales", key="task-1")
            processes.run(sim.now + 1.0)
        processes.run(max(20.0, sim.now))
        processes.heal()
        healed = sim.now
        while any(each.state not in ENDED for each in disk.volatile.runs.values()):
            assert sim.now < healed + 100, "it has not ended 100 s after all faults"
            processes.run(sim.now + 2.0)
        ((id, row),) = disk.volatile.runs.items()
        return row, disk.volatile.entries[id]


kinds = [FailCommit, Reboot, SlowCommit, StoreGone, UnknownCommit]


@settings(max_examples=30)
@given(
    faults.plans(*PARTS, kinds=[Crash, Kill], until=12.0),
    st.lists(disk_faults(kinds=kinds, until=12.0), max_size=3),
)
def test_whatever_fails_each_phase_and_each_task_is_done_once(plan: FaultPlan, on_disk: list[DiskFault]) -> None:
    row, entries = ended(plan, *on_disk)
    assert row.state == "done"
    assert decode(row.result or b"")["successful"] == list(TASKS)
    steps = [each.step for each in entries if each.kind == "done"]
    assert len(steps) == len(set(steps))
    began = [each.step for each in entries if each.kind == "began"]
    assert len(began) == len(set(began))

    reader = OrchestrationReader()
    events: list[StreamEvent] = [event for entry in entries for event in reader.read(entry, row)]
    places = [each.seq for each in events]
    assert places == sorted(set(places))
    assert {each.node_id for each in events if isinstance(each, NodeComplete)} == set(TASKS)
    assert sum(isinstance(each, Planned) for each in events) == 1
    phases: Any = [[each.phase for each in events if isinstance(each, kind)] for kind in (PhaseBegan, PhaseDone)]
    once = [each for each in phases[1] if each != "adjustment"]
    assert once == ["analysis", "planning", "prediction", "execution", "synthesis", "improvement"]
    assert sorted(phases[0]) == sorted(phases[1])
