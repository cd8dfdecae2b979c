"""A disk for the simulation: a store with a durable and a volatile half, and with faults.

A commit goes to the volatile half, and `sync` makes it durable; on a disk of `durability="disk"` each commit syncs
before its answer. Every process has a connection of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pykka

from actors.spi import Future
from actors.testing.spi import Simulation
from teams._journal.errors import StoreAway
from teams._journal.memory import MemoryRunStore, Tables
from teams._journal.rows import (
    Definition,
    EngineRow,
    InboxRow,
    JournalEntry,
    LifeState,
    Result,
    RunRow,
    ScheduleRow,
    Unit,
)
from teams._journal.store import Durability
from teams.workflows.testing._faults import DiskFault, FailCommit, Reboot, SlowCommit, StoreGone, UnknownCommit

LOOK = 0.5
"""Seconds between two looks whether the faults have ended."""
URL = "disk:"
"""What errors of a disk name as its address."""


class Committed(NamedTuple):
    """A commit that was acknowledged: its units, with what each was answered."""

    process: int
    epoch: int | None
    answers: tuple[tuple[Unit, Result], ...]


class Disk:
    """The tables of one machine, in the simulation `sim`. Open connections with `connection`."""

    def __init__(
        self,
        sim: Simulation,
        *faults: DiskFault,
        durability: Durability = "disk",
        exclusive: bool = False,
        tables: Tables | None = None,
    ) -> None:
        """`exclusive`: one engine at a time, as on an SQLite file. `tables`: what a disk had before."""
        self.sim = sim
        self.faults = faults
        self.durability = durability
        self.exclusive = exclusive
        self.volatile = Tables() if tables is None else copy_of(tables)
        self.durable = copy_of(self.volatile)
        self.commits = 0
        """The commits that were asked for."""
        self.acknowledged: list[Committed] = []
        """What engines were told that it is written, in order."""
        self.killed: list[tuple[int, Reboot]] = []
        """Processes that a commit has killed and that have not been buried: number and fault."""
        self.dead: set[int] = set()
        """Processes that are killed."""
        self.fired: list[DiskFault] = []
        self.healed = False
        self._processes = 0

    def now(self) -> int:
        """The clock of the store, in UTC microseconds."""
        return round(self.sim.runtime.clock.wall() * 1e6)

    def process(self) -> int:
        """The number of a new process."""
        self._processes += 1
        return self._processes

    def opened_by(self, process: int) -> Callable[[], Connection]:
        """What opens a connection of a process, for `engine(store=...)`."""
        return lambda: Connection(self, process)

    def connection(self) -> Connection:
        """A connection of a new process."""
        return Connection(self, self.process())

    def sync(self) -> None:
        """Makes durable what was written."""
        self.durable = copy_of(self.volatile)

    def lose_power(self) -> None:
        """The volatile half is lost."""
        self.volatile = copy_of(self.durable)

    def end_leases(self, epochs: Collection[int]) -> None:
        """The leases with these epochs are over."""
        engines = self.volatile.engines
        for epoch in epochs:
            if epoch in engines:
                engines[epoch] = replace(engines[epoch], lease_until=min(engines[epoch].lease_until, self.now()))
        self.sync()

    def heal(self) -> None:
        """Ends all faults."""
        self.healed = True

    def is_gone(self) -> bool:
        """Whether the store does not answer now."""
        now = self.sim.now
        return not self.healed and any(
            isinstance(each, StoreGone) and each.at <= now < each.at + each.seconds for each in self.faults
        )

    def at_commit(self, number: int) -> list[DiskFault]:
        """The faults that fire at this commit."""
        if self.healed:
            return []
        found: list[DiskFault] = []
        for each in self.faults:
            match each:
                case FailCommit(nth, times) | UnknownCommit(nth, times) if nth <= number < nth + times:
                    found.append(each)
                case SlowCommit(nth=nth, times=times) if nth <= number < nth + times:
                    found.append(each)
                case Reboot(nth=nth) if nth == number:
                    found.append(each)
        self.fired += found
        return found


@dataclass(eq=False)
class Connection:
    """The store of one process on a disk."""

    disk: Disk
    process: int

    def __post_init__(self) -> None:
        self._writes = self.disk.volatile.writes
        self._own = 0

    @property
    def url(self) -> str:
        return URL

    def open(self) -> None:
        """Does nothing: a disk has its tables."""

    def close(self) -> None:
        """Does nothing: what was written stays."""

    def commit(self, units: Sequence[Unit]) -> list[Result]:
        """Writes units in one transaction, unless a fault says otherwise."""
        disk = self.disk
        self._refuse()
        disk.commits += 1
        faults = disk.at_commit(disk.commits)
        slow = [each for each in faults if isinstance(each, SlowCommit)]
        self._pause(sum(each.seconds for each in slow if not each.written))
        reboot = next((each for each in faults if isinstance(each, Reboot)), None)
        if reboot is not None and not reboot.written:
            self._die(reboot)
        if any(isinstance(each, FailCommit) for each in faults):
            raise StoreAway(URL, "the commit failed", True)
        self._refuse()
        results: list[Result] = self._writing("commit", units)
        if reboot is not None:
            self._die(reboot)
        self._pause(sum(each.seconds for each in slow if each.written))
        if any(isinstance(each, UnknownCommit) for each in faults):
            raise StoreAway(URL, "the connection was lost during the commit", False)
        self._refuse()
        epoch = next((unit.epoch for unit in units if unit.epoch is not None), None)
        disk.acknowledged.append(Committed(self.process, epoch, tuple(zip(units, results, strict=True))))
        return results

    def _pause(self, seconds: float) -> None:
        """Blocks the thread of the store, until the faults have ended at most."""
        until = self.disk.sim.now + seconds
        while not self.disk.healed and self.disk.sim.now < until:
            never: Future[None] = Future(self.disk.sim.runtime.park)
            with suppress(pykka.Timeout):
                never.get(timeout=min(LOOK, until - self.disk.sim.now))

    def _refuse(self) -> None:
        """A process that is dead writes nothing, and reads nothing."""
        if self.process in self.disk.dead or self.disk.is_gone():
            raise StoreAway(URL, "the store does not answer", True)

    def _die(self, reboot: Reboot) -> None:
        self.disk.dead.add(self.process)
        self.disk.killed.append((self.process, reboot))
        raise StoreAway(URL, "this process is killed", False)

    def _memory(self) -> MemoryRunStore:
        return MemoryRunStore(clock=self.disk.now, tables=self.disk.volatile, exclusive=self.disk.exclusive)

    def _writing(self, method: str, *args: Any) -> Any:
        before = self.disk.volatile.writes
        found = getattr(self._memory(), method)(*args)
        self._own += self.disk.volatile.writes - before
        if self.disk.durability == "disk":
            self.disk.sync()
        return found

    def _reading(self, method: str, *args: Any, **options: Any) -> Any:
        self._refuse()
        return getattr(self._memory(), method)(*args, **options)

    def register(self, host: str, pid: int, lease: float) -> int:
        """Makes the caller an engine."""
        self._refuse()
        found: int = self._writing("register", f"process-{self.process}", self.process, lease)
        return found

    def renew(self, epoch: int, lease: float) -> bool:
        """Lengthens the lease, unless it is over."""
        self._refuse()
        found: bool = self._writing("renew", epoch, lease)
        return found

    def release(self, epoch: int) -> None:
        """Ends the lease, and gives up the runs of this engine."""
        self._refuse()
        self._writing("release", epoch)

    def claim(self, epoch: int, limit: int, workflows: Collection[str] | None = None) -> list[RunRow]:
        """Takes open runs without a living owner that can go on now."""
        self._refuse()
        found: list[RunRow] = self._writing("claim", epoch, limit, workflows)
        return found

    def run(self, id: str) -> RunRow | None:
        """The run, if there is one."""
        found: RunRow | None = self._reading("run", id)
        return found

    def runs(
        self,
        *,
        states: Collection[LifeState] | None = None,
        workflow: str | None = None,
        since: int | None = None,
        owner: int | None = None,
        limit: int = 100,
        after: RunRow | None = None,
    ) -> list[RunRow]:
        """Runs, newest first."""
        found: list[RunRow] = self._reading(
            "runs", states=states, workflow=workflow, since=since, owner=owner, limit=limit, after=after
        )
        return found

    def entries(self, run: str, after: int = 0) -> list[JournalEntry]:
        """The entries of a run with a number above `after`, in order."""
        found: list[JournalEntry] = self._reading("entries", run, after)
        return found

    def entries_of(self, runs: Collection[str]) -> dict[str, list[JournalEntry]]:
        """The entries of several runs, in order; no key for a run that has none."""
        found: dict[str, list[JournalEntry]] = self._reading("entries_of", runs)
        return found

    def definition(self, workflow: str, version: str) -> Definition | None:
        """One version of a workflow, if it is stored."""
        found: Definition | None = self._reading("definition", workflow, version)
        return found

    def definitions(self, workflow: str) -> list[Definition]:
        """All stored versions of a workflow, newest first."""
        found: list[Definition] = self._reading("definitions", workflow)
        return found

    def inbox(self, run: str | None = None) -> list[InboxRow]:
        """The untaken messages, in the order of their arrival."""
        found: list[InboxRow] = self._reading("inbox", run)
        return found

    def inbox_of(self, runs: Collection[str]) -> dict[str, list[InboxRow]]:
        """The untaken messages to several runs; no key for a run that has none."""
        found: dict[str, list[InboxRow]] = self._reading("inbox_of", runs)
        return found

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by id."""
        found: list[ScheduleRow] = self._reading("schedules")
        return found

    def engines(self) -> list[EngineRow]:
        """All engines, by epoch."""
        found: list[EngineRow] = self._reading("engines")
        return found

    def counts(self) -> dict[LifeState, int]:
        """The number of runs in each state that has one."""
        found: dict[LifeState, int] = self._reading("counts")
        return found

    def next_wake(self) -> int | None:
        """The earliest `wake_at` of the parked runs."""
        found: int | None = self._reading("next_wake")
        return found

    def lease_left(self, epoch: int) -> float | None:
        """Seconds until the next lease of another engine ends."""
        found: float | None = self._reading("lease_left", epoch)
        return found

    def changed(self) -> bool:
        """Whether another process has written since the last call."""
        self._refuse()
        before, self._writes = self._writes, self.disk.volatile.writes - self._own
        return before != self._writes

    def purge(self, now: int, limit: int) -> int:
        """Deletes ended runs whose `retain_until` is over."""
        self._refuse()
        found: int = self._writing("purge", now, limit)
        return found

    def now(self) -> int:
        """The clock of the store."""
        return self.disk.now()


def copy_of(tables: Tables) -> Tables:
    """The same content, in tables of its own. Rows are values, and are shared."""
    return Tables(
        dict(tables.runs),
        {run: list(entries) for run, entries in tables.entries.items()},
        dict(tables.inbox),
        dict(tables.definitions),
        dict(tables.schedules),
        dict(tables.engines),
        dict(tables.keys),
        tables.epoch,
        tables.writes,
    )
