"""A store in memory: for runs that need not survive the process, for tests and for the simulation."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from teams._journal import lease as leases
from teams._journal.decide import Head, Heads, Write, begun, decide, transacted
from teams._journal.errors import NoDatabase
from teams._journal.process import own_name
from teams._journal.rows import (
    ENDED,
    OPEN,
    RUNNABLE,
    Definition,
    EngineRow,
    InboxRow,
    JournalEntry,
    LifeState,
    Result,
    RunRow,
    ScheduleRow,
    Transact,
    Unit,
)
from teams._journal.store import WallClock

_PARKED = OPEN - RUNNABLE


def wall() -> int:
    """The time of the machine, in UTC microseconds."""
    return time.time_ns() // 1000


def _without_database(step: Transact) -> JournalEntry:
    return step.failed(NoDatabase(step.entry.step))


@dataclass(slots=True)
class Tables:
    """The content of a store in memory. Rows are values, and are replaced, not changed."""

    runs: dict[str, RunRow] = field(default_factory=dict)
    entries: dict[str, list[JournalEntry]] = field(default_factory=dict)
    inbox: dict[str, InboxRow] = field(default_factory=dict)
    """By id, in the order of arrival."""
    definitions: dict[tuple[str, str], Definition] = field(default_factory=dict)
    schedules: dict[str, ScheduleRow] = field(default_factory=dict)
    engines: dict[int, EngineRow] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    """Workflow and key to the id of the run."""
    epoch: int = 0
    """The last epoch that was given out."""
    writes: int = 0
    """The number of calls that wrote."""


class MemoryRunStore:
    """Keeps everything in `tables`, which several stores may share: they are then as stores of several processes.

    `exclusive`: one engine at a time, as in an SQLite file; an engine that registers ends the leases of all others.
    """

    url = "memory:"

    def __init__(
        self, *, clock: WallClock | None = None, tables: Tables | None = None, exclusive: bool = False
    ) -> None:
        self.tables = Tables() if tables is None else tables
        self._clock = wall if clock is None else clock
        self._exclusive = exclusive
        self._others = self.tables.writes
        """The writes of other stores that `changed` has told."""
        self._own = 0

    def open(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing: the tables stay as they are."""

    def register(self, host: str, pid: int, lease: float) -> int:
        """Makes the caller an engine for `lease` seconds."""
        tables, now = self.tables, self.now()
        if self._exclusive:
            for engine in tables.engines.values():
                tables.engines[engine.epoch] = replace(engine, lease_until=min(engine.lease_until, now))
        tables.epoch += 1
        epoch = tables.epoch
        until = leases.until(now, lease)
        tables.engines[epoch] = EngineRow(f"{host}:{pid}:{epoch}", epoch, host, pid, now, until, own_name())
        return epoch

    def renew(self, epoch: int, lease: float) -> bool:
        """Lengthens the lease, unless it is over."""
        if not self._alive(epoch):
            return False
        engine = self.tables.engines[epoch]
        self.tables.engines[epoch] = replace(engine, lease_until=leases.until(self.now(), lease))
        return True

    def release(self, epoch: int) -> None:
        """Ends the lease, and gives up the runs of this engine."""
        tables = self.tables
        if (engine := tables.engines.get(epoch)) is not None:
            tables.engines[epoch] = replace(engine, lease_until=min(engine.lease_until, self.now()))
        for run in tables.runs.values():
            if run.owner == epoch:
                tables.runs[run.id] = run._replace(owner=None)
        self._wrote()

    def commit(self, units: Sequence[Unit]) -> list[Result]:
        """Writes units, in order."""
        results, writes = decide(units, self._heads(units))
        transacted(results, units, writes, _without_database)
        for write in writes:
            self._write(write)
        if writes:
            self._wrote()
        return results

    def claim(self, epoch: int, limit: int, workflows: Collection[str] | None = None) -> list[RunRow]:
        """Takes open runs without a living owner that can go on now."""
        if not self._alive(epoch):
            return []
        tables, now = self.tables, self.now()
        called = {row.run for row in tables.inbox.values() if row.taken is None}
        free = [
            run
            for run in tables.runs.values()
            if run.state in OPEN
            and (workflows is None or run.workflow in workflows)
            and (run.owner is None or not self._alive(run.owner))
            and (run.state in RUNNABLE or (run.wake_at is not None and run.wake_at <= now) or run.id in called)
        ]
        free.sort(key=lambda run: (-run.priority, run.created_at, run.id))
        taken = [run._replace(owner=epoch, epoch=epoch) for run in free[:limit]]
        for run in taken:
            tables.runs[run.id] = run
        return taken

    def run(self, id: str) -> RunRow | None:
        """The run, if there is one."""
        return self.tables.runs.get(id)

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
        found = [
            run
            for run in self.tables.runs.values()
            if (states is None or run.state in states)
            and (workflow is None or run.workflow == workflow)
            and (since is None or run.created_at >= since)
            and (owner is None or run.owner == owner)
            and (after is None or (run.created_at, run.id) < (after.created_at, after.id))
        ]
        found.sort(key=lambda run: (run.created_at, run.id), reverse=True)
        return found[:limit]

    def entries(self, run: str, after: int = 0) -> list[JournalEntry]:
        """The entries of a run with a number above `after`, in order."""
        return [entry for entry in self.tables.entries.get(run, ()) if entry.seq > after]

    def entries_of(self, runs: Collection[str]) -> dict[str, list[JournalEntry]]:
        """The entries of several runs, in order; no key for a run that has none."""
        return {run: list(found) for run in runs if (found := self.tables.entries.get(run))}

    def definition(self, workflow: str, version: str) -> Definition | None:
        """One version of a workflow, if it is stored."""
        return self.tables.definitions.get((workflow, version))

    def definitions(self, workflow: str) -> list[Definition]:
        """All stored versions of a workflow, newest first."""
        found = [each for each in self.tables.definitions.values() if each.workflow == workflow]
        return sorted(found, key=lambda each: (each.created_at, each.version), reverse=True)

    def inbox(self, run: str | None = None) -> list[InboxRow]:
        """The untaken messages, in the order of their arrival."""
        return [row for row in self.tables.inbox.values() if row.taken is None and (run is None or row.run == run)]

    def inbox_of(self, runs: Collection[str]) -> dict[str, list[InboxRow]]:
        """The untaken messages to several runs; no key for a run that has none."""
        found: dict[str, list[InboxRow]] = {}
        for row in self.inbox():
            if row.run in runs:
                found.setdefault(row.run, []).append(row)
        return found

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by id."""
        return [row for _, row in sorted(self.tables.schedules.items())]

    def engines(self) -> list[EngineRow]:
        """All engines, by epoch."""
        return [row for _, row in sorted(self.tables.engines.items())]

    def counts(self) -> dict[LifeState, int]:
        """The number of runs in each state that has one."""
        counts: dict[LifeState, int] = {}
        for run in self.tables.runs.values():
            counts[run.state] = counts.get(run.state, 0) + 1
        return counts

    def next_wake(self) -> int | None:
        """The earliest `wake_at` of the parked runs."""
        return min(self._wakes(), default=None)

    def lease_left(self, epoch: int) -> float | None:
        """Seconds until the next lease of another engine ends."""
        ends = [each.lease_until for each in self.tables.engines.values() if each.epoch != epoch]
        return leases.left(ends, self.now())

    def changed(self) -> bool:
        """Whether another store has written since the last call."""
        before, self._others = self._others, self.tables.writes - self._own
        return before != self._others

    def purge(self, now: int, limit: int) -> int:
        """Deletes at most `limit` ended runs whose `retain_until` is over."""
        tables = self.tables
        due = sorted(
            (run.retain_until, run.id)
            for run in tables.runs.values()
            if run.state in ENDED and run.retain_until is not None and run.retain_until <= now
        )
        for _, id in due[:limit]:
            run = tables.runs.pop(id)
            tables.entries.pop(id, None)
            if run.key is not None:
                del tables.keys[run.workflow, run.key]
            for row in [row for row in tables.inbox.values() if row.run == id]:
                del tables.inbox[row.id]
        return min(len(due), limit)

    def now(self) -> int:
        """The clock of the store."""
        return self._clock()

    def _alive(self, epoch: int) -> bool:
        engine = self.tables.engines.get(epoch)
        return engine is not None and not leases.over(engine.lease_until, self.now())

    def _wakes(self) -> Iterator[int]:
        for run in self.tables.runs.values():
            if run.state in _PARKED and run.owner is None and run.wake_at is not None:
                yield run.wake_at

    def _wrote(self) -> None:
        self.tables.writes += 1
        self._own += 1

    def _heads(self, units: Sequence[Unit]) -> Heads:
        tables, heads = self.tables, Heads()
        for unit in units:
            ids = {unit.run, *(row.run for row in unit.inbox)}
            if unit.follow is not None:
                ids.add(unit.follow.id)
            if unit.start is not None and unit.start.key is not None:
                key = unit.start.workflow, unit.start.key
                if (id := tables.keys.get(key)) is not None:
                    heads.keys[key] = tables.runs[id]
            for id in ids:
                if (run := tables.runs.get(id)) is not None:
                    heads.runs[id] = Head(run.epoch, run.seq, run.state in ENDED)
                    heads.known[id] = run
            stored = tables.entries.get(unit.run, ())
            for entry in unit.entries:
                if 0 < entry.seq <= len(stored):
                    heads.entries[entry.run, entry.seq] = stored[entry.seq - 1]
            heads.inbox.update(row.id for row in unit.inbox if row.id in tables.inbox)
        return heads

    def _write(self, write: Write) -> None:
        tables, unit = self.tables, write.unit
        if (definition := unit.definition) is not None:
            tables.definitions.setdefault((definition.workflow, definition.version), definition)
        if (start := unit.start) is not None:
            run = begun(unit, start)
            tables.runs[run.id] = run
            if run.key is not None:
                tables.keys[run.workflow, run.key] = run.id
            for row in tables.inbox.values() if write.instead_of is not None else ():
                if row.run == write.instead_of and row.taken is None and row.kind == "signal":
                    tables.inbox[row.id] = replace(row, run=run.id)
        elif unit.entries or unit.update:
            run = tables.runs[unit.run]
            tables.runs[run.id] = run._replace(seq=write.seq, **unit.update)  # type: ignore[arg-type]  # checked names
        if unit.entries:
            tables.entries.setdefault(unit.run, []).extend(unit.entries)
        for row in unit.inbox:
            tables.inbox[row.id] = row
        for id in unit.taken:
            message = tables.inbox.get(id)
            if message is not None and message.run == unit.run and message.taken is None:
                tables.inbox[id] = replace(message, taken=write.seq)
        if (schedule := unit.schedule) is not None:
            old = tables.schedules.get(schedule.id)
            if old is None or (old.last_slot or 0) <= (schedule.last_slot or 0):
                tables.schedules[schedule.id] = schedule
