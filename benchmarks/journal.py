"""`python -m benchmarks.journal`: durable entries a second of each store, by the number of rows in a commit.

A row is what a step of a run writes: one entry, and the new counters of its run. Beside the stores stands the module
`sqlite3` alone with the same rows. `--seconds` is the time for each figure; figures of one machine compare, no others.
`--postgres` is the address of a server; each measurement makes a schema there and drops it.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from teams._journal.memory import MemoryRunStore
from teams._journal.open_store import open_store
from teams._journal.rows import JournalEntry, RunRow, Unit, Value, Written
from teams._journal.store import Durability, Store

SIZES = (1, 100, 1000)
"""Rows in a commit."""
RUNS = 1000
STEPS = 10
BODY = b'{"value": 12345678}'
POSTGRES = "postgresql://postgres@127.0.0.1:5432/test"


def run_row(id: str, epoch: int) -> RunRow:
    """A run that its engine has begun."""
    return RunRow(
        id=id,
        workflow="flow",
        version="0" * 64,
        key=None,
        parent=None,
        parent_step=None,
        state="running",
        waiting_for=None,
        priority=0,
        input=BODY,
        result=None,
        error=None,
        attributes=None,
        created_at=1_700_000_000_000_000,
        started_at=1_700_000_000_000_000,
        ended_at=None,
        deadline=None,
        wake_at=None,
        retain_until=None,
        owner=epoch,
        epoch=epoch,
        seq=0,
        total=STEPS,
        trace=None,
    )


def through(store: Store, rows: int) -> Callable[[], int]:
    """One commit of a store, again and again; gives the number of entries."""
    epoch = store.register("benchmark", os.getpid(), 3600)
    ids = [str(uuid4()) for _ in range(RUNS)]
    store.commit([Unit(id, epoch, start=run_row(id, epoch)) for id in ids])
    numbers = dict.fromkeys(ids, 0)
    turn = 0

    def commit() -> int:
        nonlocal turn
        units = []
        for _ in range(rows):
            id = ids[turn % RUNS]
            turn += 1
            numbers[id] = seq = numbers[id] + 1
            entry = JournalEntry(id, seq, "done", "classify", 1, 1_700_000_000_000_000 + seq, 0.25, BODY)
            units.append(Unit(id, epoch, entries=(entry,), update={"total": seq, "wake_at": None}))
        results = store.commit(units)
        if any(type(each) is not Written for each in results):
            raise AssertionError(results)
        return rows

    return commit


@contextmanager
def plain_sqlite(folder: Path, durability: Durability, rows: int) -> Iterator[Callable[[], int]]:
    """The same rows by `sqlite3` alone: no epochs, no digests, no answers."""
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durability == 'disk' else 'NORMAL'}")
    connection.execute("CREATE TABLE run (id TEXT PRIMARY KEY, done INTEGER, seq INTEGER)")
    connection.execute(
        "CREATE TABLE entry (run TEXT, seq INTEGER, kind TEXT, step TEXT, attempt INTEGER, at INTEGER, seconds DOUBLE,"
        " body BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID"
    )
    ids = [str(uuid4()) for _ in range(RUNS)]
    connection.executemany("INSERT INTO run VALUES (?, 0, 0)", [(id,) for id in ids])
    turn = 0

    def commit() -> int:
        nonlocal turn
        entries, updates = [], []
        for _ in range(rows):
            id, seq = ids[turn % RUNS], turn // RUNS + 1
            turn += 1
            entries.append((id, seq, "done", "classify", 1, 1_700_000_000_000_000 + seq, 0.25, BODY))
            updates.append((seq, seq, id))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entries)
        connection.executemany("UPDATE run SET done = ?, seq = ? WHERE id = ?", updates)
        connection.execute("COMMIT")
        return rows

    yield commit
    connection.close()


@contextmanager
def sqlite(folder: Path, durability: Durability, rows: int) -> Iterator[Callable[[], int]]:
    """A store in an SQLite file."""
    store = open_store(f"sqlite:///{folder}/runs.db", durability=durability)
    yield through(store, rows)
    store.close()


@contextmanager
def postgres(server: str, durability: Durability, rows: int) -> Iterator[Callable[[], int]]:
    """A store in a schema of its own."""
    import psycopg

    schema = f"benchmark_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        store = open_store(f"{server}?options=-csearch_path%3D{schema}", durability=durability)
        try:
            yield through(store, rows)
        finally:
            store.close()
            connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@contextmanager
def memory(rows: int) -> Iterator[Callable[[], int]]:
    """The store in memory."""
    yield through(MemoryRunStore(), rows)


def figures(commit: Callable[[], int], seconds: float) -> str:
    """Entries a second, CPU an entry, and how long a commit takes."""
    for _ in range(3):
        commit()
    entries, times = 0, []
    begin, cpu = time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) < begin + seconds:
        entries += commit()
        times.append(time.perf_counter() - now)
    wall, used = time.perf_counter() - begin, time.process_time() - cpu
    return f"{entries / wall:>12,.0f} {used / entries * 1e6:>10.1f} {statistics.median(times) * 1e3:>12.2f}"


def bytes_of_a_run(folder: Path) -> float:
    """The size of a run of ten steps in an SQLite file, with `began` and `done` of each."""
    store = open_store(f"sqlite:///{folder}/size.db", durability="process")
    path = folder / "size.db"
    epoch = store.register("benchmark", os.getpid(), 3600)
    store.release(epoch)
    store.close()
    empty = path.stat().st_size
    store = open_store(f"sqlite:///{path}", durability="process")
    epoch = store.register("benchmark", os.getpid(), 3600)
    for _ in range(RUNS):
        id = str(uuid4())
        at = 1_700_000_000_000_000
        steps = [("began", None, None), ("done", 0.25, BODY)] * STEPS
        lines = [("started", None, None), *steps, ("ended", None, None)]
        entries = tuple(
            JournalEntry(id, seq, kind, f"step_{seq // 2}" if 1 < seq < len(lines) else "", 1, at + seq, seconds, body)  # type: ignore[arg-type]
            for seq, (kind, seconds, body) in enumerate(lines, start=1)
        )
        end: dict[str, Value] = {
            "state": "done",
            "total": STEPS,
            "ended_at": at,
            "result": BODY,
            "owner": None,
            "retain_until": at,
        }
        store.commit([Unit(id, epoch, start=run_row(id, epoch), entries=entries, update=end)])
    store.close()
    return (path.stat().st_size - empty) / RUNS


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure (default 2)")
    parser.add_argument("--postgres", default=POSTGRES, help=f"default {POSTGRES}; empty: none")
    options = parser.parse_args()
    print(f"{'store':<24} {'rows/commit':>12} {'entries/s':>12} {'CPU us/row':>10} {'commit ms':>12}")
    durabilities: tuple[Durability, ...] = ("disk", "process")
    for rows in SIZES:
        with memory(rows) as commit:
            print(f"{'memory':<24} {rows:>12} {figures(commit, options.seconds)}", flush=True)
        for durability in durabilities:
            for name, made in (("sqlite3 alone", plain_sqlite), ("SQLite store", sqlite)):
                with tempfile.TemporaryDirectory() as folder, made(Path(folder), durability, rows) as commit:
                    print(f"{name + ' ' + durability:<24} {rows:>12} {figures(commit, options.seconds)}", flush=True)
            if options.postgres:
                with postgres(options.postgres, durability, rows) as commit:
                    line = figures(commit, options.seconds)
                    print(f"{'Postgres store ' + durability:<24} {rows:>12} {line}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(f"a run of {STEPS} steps in SQLite: {bytes_of_a_run(Path(folder)):,.0f} bytes")


if __name__ == "__main__":
    main()
