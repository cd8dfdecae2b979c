"""What the tests of stores share: rows, a clock that a test moves, and stores of every kind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from teams._journal.memory import MemoryRunStore
from teams._journal.open_store import open_store
from teams._journal.rows import EntryKind, InboxRow, JournalEntry, RunRow, Unit
from teams._journal.sql_tables import METADATA
from teams._journal.store import Durability, Store

SERVER = os.environ.get("LETITCRASH_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/test")
LEASE = 15.0
SECOND = 1_000_000


@dataclass
class Now:
    """A clock in microseconds that stands still unless a test moves it."""

    at: int = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.at

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.at += round(seconds * SECOND)


@cache
def server_fault() -> str | None:
    """Why there is no Postgres to test with; None if there is one."""
    try:
        psycopg.connect(SERVER, connect_timeout=60).close()
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        return f"no Postgres answers at {SERVER} ({text}). Start one, or set LETITCRASH_TEST_POSTGRES to its address"
    return None


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty schema, dropped at the end. Without a server a test is skipped; in CI it fails."""
    if (fault := server_fault()) is not None:
        if os.environ.get("CI") == "true":
            pytest.fail(fault)
        pytest.skip(fault)
    schema = f"journal_{uuid4().hex}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        try:
            mark = "&" if "?" in SERVER else "?"
            yield f"{SERVER}{mark}options=-csearch_path%3D{schema}"
        finally:
            connection.execute(f"DROP SCHEMA {schema} CASCADE")


shared = ExitStack()
"""Closed at the end of the session, by a fixture of `tests/teams/conftest.py`."""


def empty_schema() -> str:
    """The address of a schema with tables and nothing in them. Its migration ran once for all tests of this process."""
    url = _schema()
    with psycopg.connect(url, autocommit=True) as connection:
        names = ", ".join(f'"{name}"' for name in METADATA.tables)
        connection.execute(f"TRUNCATE {names} RESTART IDENTITY".encode())
    return url


@cache
def _schema() -> str:
    url = shared.enter_context(postgres())
    open_store(url).close()
    return url


def empty_file(path: Path) -> str:
    """The address of a store of SQLite with tables and nothing in them. Its migration ran once for all tests."""
    path.write_bytes(_tables())
    return f"sqlite:///{path}"


@cache
def _tables() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        open_store(f"sqlite:///{path}").close()
        return path.read_bytes()


@dataclass
class Place:
    """Where a store is kept. `open` gives a store of one more process."""

    kind: str
    url: str
    now: Now = field(default_factory=Now)
    first: MemoryRunStore | None = None
    opened: list[Store] = field(default_factory=list)

    def open(self, durability: Durability = "process") -> Store:
        """One more store in this place, open."""
        store: Store
        if self.kind == "memory":
            tables = None if self.first is None else self.first.tables
            self.first = MemoryRunStore(clock=self.now, tables=tables)
            store = self.first
        else:
            store = open_store(self.url, durability=durability, clock=self.now)
        self.opened.append(store)
        return store

    def close(self) -> None:
        """Closes all stores of this place."""
        for store in self.opened:
            store.close()


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    """An empty place of this kind."""
    match kind:
        case "postgres":
            url = empty_schema()
        case "sqlite":
            url = empty_file(folder / "runs.db")
        case _:
            url = "memory:"
    there = Place(kind, url)
    try:
        yield there
    finally:
        there.close()


def row(id: str = "run", **fields: Any) -> RunRow:
    """A new run, not owned."""
    plain = RunRow(
        id=id,
        workflow="flow",
        version="v1",
        key=None,
        parent=None,
        parent_step=None,
        state="created",
        waiting_for=None,
        priority=0,
        input=b"1",
        result=None,
        error=None,
        attributes=None,
        created_at=1,
        started_at=None,
        ended_at=None,
        deadline=None,
        wake_at=None,
        retain_until=None,
        owner=None,
        epoch=0,
        seq=0,
        total=None,
        trace=None,
    )
    return plain._replace(**fields)


def entry(
    seq: int, run: str = "run", kind: EntryKind = "done", step: str = "step", body: bytes | None = b"{}"
) -> JournalEntry:
    """An entry of a run."""
    return JournalEntry(run, seq, kind, step, 1, 5, 0.5, body)


def message(id: str = "message", run: str = "run", body: bytes | None = b"12", at: int = 7) -> InboxRow:
    """A signal to a run."""
    return InboxRow(id, run, "signal", "paid", body, "tester", at)


def begin(id: str = "run", **fields: Any) -> Unit:
    """The unit that starts a run from outside, with its first entry."""
    return Unit(id, start=row(id, **fields), entries=(entry(1, id, "started"),))
