"""When the runs of a process that died go on in another one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors import sleep
from actors.testing import simulation
from supervisors.spi import SupervisorSpec
from teams import member
from teams._journal.lease import SECOND
from teams._journal.store import Store
from teams.workflows import do, engine, workflow
from teams.workflows._engine.desk import LEASE
from teams.workflows.testing import Disk, Processes


@pytest.mark.parametrize("killed_at", [2.0, 6.0, 11.0])
def test_a_run_is_taken_over_as_soon_as_the_lease_ends(killed_at: float) -> None:
    begun: list[tuple[str, float]] = []

    def spec(path: str, store: Callable[[], Store]) -> SupervisorSpec:
        async def work(value: str) -> str:
            begun.append((path, sim.now))
            await sleep(100.0)
            return value

        return engine(path, member("worker", work), workflow("flow", do("step", "worker")), store=store)

    with simulation(strict=False) as sim:
        disk = Disk(sim)
        processes = Processes(sim, disk, spec, count=2)
        processes.places[1].up_at = 0.75  # its looks are not those of the first engine
        processes.run(until=1.0)
        first = processes.ref(0)
        assert first is not None
        first.start_workflow("flow", "value")
        processes.run(until=killed_at)
        processes.kill(processes.places[0], seconds=3600.0)
        (run,) = disk.volatile.runs.values()
        assert run.owner is not None
        ends = sim.now + (disk.volatile.engines[run.owner].lease_until - disk.now()) / SECOND
        processes.run(until=killed_at + LEASE + 1.0)
    ((_, _), (path, at)) = begun
    assert path == "engine-1"
    assert ends <= at < ends + 0.1
