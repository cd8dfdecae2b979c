"""What the tests of engines share: an engine in a simulation, on stores of every kind that the simulation knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from actors.testing import FaultPlan, Simulation, simulation
from teams._journal.memory import Tables
from teams._journal.open_store import open_store
from teams._journal.rows import JournalEntry, RunRow
from teams._journal.store import Store
from teams.workflows import EngineRef, RunFailure, WorkflowRun, engine
from teams.workflows.testing import Disk, DiskFault


@dataclass
class Scene:
    """An engine at `eng`, in a simulation."""

    sim: Simulation
    eng: EngineRef
    disk: Disk | None
    open: Callable[[], Store]
    """Opens the store of the engine once more; of SQLite to read."""

    def start(self, workflow: str, value: object = None, **options: Any) -> WorkflowRun:
        """A run that was acknowledged."""
        run: WorkflowRun = self.eng.start_workflow(workflow, value, **options).get()
        return run

    def result(self, workflow: str, value: object = None, **options: Any) -> Any:
        """What a run makes of a value."""
        return self.eng.execute(workflow, value, **options).get(timeout=100_000)

    def row(self, run: WorkflowRun) -> RunRow:
        """The row of a run."""
        rows: tuple[RunRow, ...] = self.eng.workflow_runs(limit=10_000).get()
        return next(each for each in rows if each.id == run.id)

    def state(self, run: WorkflowRun) -> str:
        """The state of a run."""
        return self.row(run).state

    def awake(self) -> int:
        """How many runs have an actor."""
        return len(self.sim.actors("eng/runs/*"))


def failure(call: Callable[[], object]) -> BaseException:
    """Why a run failed, as it was recorded: the cause of its `RunFailure`."""
    with pytest.raises(RunFailure) as caught:
        call()
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


def kinds(run: WorkflowRun, step: str | None = None) -> list[str]:
    """The kinds of the entries of a run, or of one step of it, in order."""
    entries: tuple[JournalEntry, ...] = run.history().get()
    return [each.kind for each in entries if step is None or each.step == step]


@contextmanager
def played(
    *parts: Any,
    faults: tuple[DiskFault, ...] = (),
    plan: FaultPlan | None = None,
    tables: Tables | None = None,
    seed: int = 0,
    **options: Any,
) -> Iterator[Scene]:
    """An engine on a disk of the simulation."""
    with simulation(plan, seed=seed) as sim:
        disk = Disk(sim, *faults, tables=tables)
        opened = disk.opened_by(disk.process())
        yield Scene(sim, sim.start(engine("eng", *parts, store=opened, **options)), disk, opened)


@contextmanager
def played_on_sqlite(folder: Path, *parts: Any, **options: Any) -> Iterator[Scene]:
    """An engine on an SQLite file."""
    path = folder / "runs.db"
    if not path.exists():
        path.write_bytes(_tables())
    with simulation() as sim:

        def opened() -> Store:
            return open_store(
                f"sqlite:///{path}", durability="process", clock=lambda: round(sim.runtime.clock.wall() * 1e6)
            )

        yield Scene(sim, sim.start(engine("eng", *parts, store=opened, **options)), None, opened)


@cache
def _tables() -> bytes:
    """A file with tables and nothing in them. Its migration ran once for all tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        open_store(f"sqlite:///{path}").close()
        return path.read_bytes()
