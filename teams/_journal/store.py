"""The interface of a store. One thread at a time uses it; every call blocks that thread.

Every call except `open` and `close` raises `StoreAway` when the store does not answer; nothing is acknowledged then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol, TypeAlias

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

WallClock: TypeAlias = Callable[[], int]
"""UTC microseconds since the epoch."""

Durability = Literal["disk", "process"]
"""Whether what was acknowledged survives a power loss, or the death of the process only."""

BLOB: int = 8 * 1024
"""Bytes; a longer body is stored compressed, once."""


class Store(Protocol):
    """Keeps runs, their entries and their messages, for one or more engines in one or more processes."""

    @property
    def url(self) -> str:
        """The address of the store, without its password."""
        ...

    def open(self) -> None:
        """Connects, and creates or migrates the tables if that is needed. Raises `StoreRefused`."""
        ...

    def close(self) -> None:
        """Disconnects, and gives up the lock on an SQLite file. Leases stay as they are."""
        ...

    def register(self, host: str, pid: int, lease: float) -> int:
        """Makes the caller an engine for `lease` seconds, and returns its epoch, which no other engine ever gets.

        An SQLite file has one engine; the leases of earlier ones end here. Raises `StoreRefused`, which names the
        owner.
        """
        ...

    def renew(self, epoch: int, lease: float) -> bool:
        """Lengthens the lease to `lease` seconds from now. False: it is over already; register again."""
        ...

    def release(self, epoch: int) -> None:
        """Ends the lease, and gives up the runs of this engine."""
        ...

    def commit(self, units: Sequence[Unit]) -> list[Result]:
        """Writes units in one transaction, in order, each seeing what the ones before it wrote; answers one by one.

        A unit that is not `Written` is left out, and the others are written. The same units again change nothing.

        Raises `NotStorable` when the database does not take a cell, such as an integer of more than 64 bits, or a NUL
        in a text on Postgres; nothing is written then. The units one by one tell which it is.
        """
        ...

    def claim(self, epoch: int, limit: int, workflows: Collection[str] | None = None) -> list[RunRow]:
        """Takes at most `limit` open runs without a living owner that can go on now (`RUNNABLE`), of these workflows.

        None: of all workflows. Higher priority first, then older first. Their `owner` and `epoch` are `epoch` from now
        on. An engine whose lease is over gets none.
        """
        ...

    def run(self, id: str) -> RunRow | None:
        """The run, if there is one."""
        ...

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
        """Runs, newest first, created at `since` or later, of the engine with the epoch `owner`; for the next page,
        `after` is the last run of the page.
        """
        ...

    def entries(self, run: str, after: int = 0) -> list[JournalEntry]:
        """The entries of a run with a number above `after`, in order."""
        ...

    def entries_of(self, runs: Collection[str]) -> dict[str, list[JournalEntry]]:
        """The entries of several runs, in order; no key for a run that has none."""
        ...

    def definition(self, workflow: str, version: str) -> Definition | None:
        """One version of a workflow, if it is stored."""
        ...

    def definitions(self, workflow: str) -> list[Definition]:
        """All stored versions of a workflow, newest first."""
        ...

    def inbox(self, run: str | None = None) -> list[InboxRow]:
        """The untaken messages to a run, or to all runs, in the order of their arrival."""
        ...

    def inbox_of(self, runs: Collection[str]) -> dict[str, list[InboxRow]]:
        """The untaken messages to several runs, each in the order of arrival; no key for a run that has none."""
        ...

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by id."""
        ...

    def engines(self) -> list[EngineRow]:
        """All engines, by epoch. Those whose lease is over may be missing."""
        ...

    def counts(self) -> dict[LifeState, int]:
        """The number of runs in each state that has one."""
        ...

    def next_wake(self) -> int | None:
        """The earliest `wake_at` of the runs without owner that wait, are paused or blocked."""
        ...

    def lease_left(self, epoch: int) -> float | None:
        """Seconds until the next lease of another engine than this one ends, unless that is renewed. None: no other
        engine has one.
        """
        ...

    def changed(self) -> bool:
        """Whether something may be new since the last call that another process wrote. Cheap: call it often."""
        ...

    def purge(self, now: int, limit: int) -> int:
        """Deletes at most `limit` ended runs whose `retain_until` is over, and their rows; returns how many."""
        ...

    def now(self) -> int:
        """The clock of the store, which leases go by."""
        ...
