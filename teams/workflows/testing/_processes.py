"""Processes on one disk, in one simulation: engines that are killed with kill -9 and started again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.testing.spi import Simulation
from supervisors.spi import SupervisorSpec, props_for
from teams._journal.store import Store
from teams.workflows._engine.ref import EngineRef
from teams.workflows.testing._disk import Disk
from teams.workflows.testing._faults import LeaseEnds, Reboot

AGAIN = 1.0
"""Seconds after which an engine that did not come up, or gave up, is started again."""


@dataclass(eq=False)
class Process:
    """One place for an engine: its path, and the process that has it now."""

    path: str
    number: int = 0
    """The number of the process on the disk; 0: none runs."""
    up_at: float | None = 0.0
    """When the next process starts here; None: one runs."""


class Processes:
    """Engines at `engine-0`, `engine-1`, ..., each of `spec(path, opens its store)`. The first start is at 0 s.

    Time passes in `run` alone: it carries out what the faults of the disk do to processes.
    """

    def __init__(
        self,
        sim: Simulation,
        disk: Disk,
        spec: Callable[[str, Callable[[], Store]], SupervisorSpec],
        count: int = 1,
    ) -> None:
        self._sim = sim
        self._disk = disk
        self._spec = spec
        self.places = [Process(f"engine-{number}") for number in range(count)]
        self._due = sorted(
            ((each.at, each) for each in disk.faults if isinstance(each, Reboot | LeaseEnds) and each.at is not None),
            key=lambda pair: pair[0],
        )
        self.reboots = 0
        """Processes that were killed."""

    def ref(self, place: int) -> EngineRef | None:
        """The engine at this place, if it is up."""
        found = self._sim.runtime.find(self.places[place].path)
        return found if isinstance(found, EngineRef) and self._is_up(found) else None

    def _is_up(self, found: EngineRef) -> bool:
        return found.is_alive() and self._sim.runtime.find(f"{found.path}/desk") is not None

    def run(self, until: float) -> None:
        """Lets everything happen until the virtual time `until`."""
        while True:
            self._start_those_due()
            times = [each.up_at for each in self.places if each.up_at is not None]
            times += [at for at, _ in self._due] if not self._disk.healed else []
            self._sim.loop.run(max(self._sim.now, min([until, *times])), lambda: bool(self._disk.killed))
            for number, fault in self._disk.killed:
                place = next((each for each in self.places if each.number == number), None)
                if place is not None:
                    self.kill(place, fault.seconds, power=fault.power)
            self._disk.killed.clear()
            while self._due and self._due[0][0] <= self._sim.now:
                _, fault_due = self._due.pop(0)
                if not self._disk.healed:
                    self._carry_out(fault_due)
            self._look_for_those_that_gave_up()
            if self._sim.now >= until and not any(each.up_at == self._sim.now for each in self.places):
                return

    def heal(self) -> None:
        """Ends all faults."""
        self._disk.heal()
        self._sim.heal()

    def _start_those_due(self) -> None:
        for place in self.places:
            if place.up_at is not None and place.up_at <= self._sim.now:
                place.up_at = None
                place.number = self._disk.process()
                spec = self._spec(place.path, self._disk.opened_by(place.number))
                # Not `sim.start`, which waits: an engine that fails to start, or tries for ever, is one of the cases.
                self._sim.runtime.spawn_nowait(props_for(spec, self._sim.runtime, place.path), None, place.path)

    def _carry_out(self, fault: Reboot | LeaseEnds) -> None:
        self._disk.fired.append(fault)
        place = self.places[fault.engine % len(self.places)]
        if isinstance(fault, Reboot):
            self.kill(place, fault.seconds, power=fault.power)
        elif place.number:
            engines = self._disk.volatile.engines.values()
            self._disk.end_leases([each.epoch for each in engines if each.pid == place.number])

    def kill(self, place: Process, seconds: float, *, power: bool = False) -> None:
        """Kill -9 of the process at this place. After `seconds` another one starts. With `power`, of all processes: the
        machine loses its power.
        """
        for each in self.places if power else (place,):
            if each.number:
                self._end(each)
                each.up_at = self._sim.now + seconds
        if power:
            self._disk.lose_power()

    def _end(self, place: Process) -> None:
        self.reboots += 1
        self._disk.dead.add(place.number)
        place.number = 0
        found = self._sim.runtime.find(place.path)
        if found is not None:
            found.kill()
        self._sim.loop.run(None, lambda: not self._actors(place))

    def _actors(self, place: Process) -> bool:
        return any(path == place.path or path.startswith(f"{place.path}/") for path in self._sim.runtime.cells)

    def _look_for_those_that_gave_up(self) -> None:
        for place in self.places:
            if place.up_at is None and not self._actors(place):
                place.number = 0
                place.up_at = self._sim.now + AGAIN
