"""The floor under `benchmarks.workflows`: what durable steps cost when nothing but their parts is done.

    rows      the rows that the engine writes for the same runs, by the driver alone, in commits of 250 steps
    messages  the four messages of a step (to the team, to its member, and back), between plain actors, nothing written

A step of an engine does both, and what makes it a step besides: inputs, results as JSON, events, restarts.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import uuid4

from actors import Actor, ActorRef
from benchmarks._durable import STEPS, Place, Sizes
from supervisors import child, start, supervisor

IN_ONE_COMMIT = 250
AT = 1_700_000_000_000_000
RUN = "id, workflow, version, state, priority, input, created_at, started_at, deadline, owner, epoch, seq, total"
ENTRY = "run, seq, kind, step, attempt, at, seconds, body"


class Database(Protocol):
    """A driver, with the statements of a commit."""

    def commit(
        self, runs: Sequence[tuple[Any, ...]], entries: Sequence[tuple[Any, ...]], seqs: Sequence[tuple[int, str]]
    ) -> None:
        """Reads the epochs of the runs, and writes all this, in one transaction."""
        ...


class _Sqlite:
    def __init__(self, place: Place) -> None:
        self.connection = sqlite3.connect(f"{place.folder}/floor.db", isolation_level=None)
        self.connection.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
            "CREATE TABLE run (id TEXT PRIMARY KEY, workflow TEXT, version TEXT, state TEXT, priority INTEGER,"
            " input BLOB, created_at INTEGER, started_at INTEGER, deadline INTEGER, owner INTEGER, epoch INTEGER,"
            " seq INTEGER, total INTEGER) WITHOUT ROWID;"
            "CREATE TABLE entry (run TEXT, seq INTEGER, kind TEXT, step TEXT, attempt INTEGER, at INTEGER,"
            " seconds DOUBLE, body BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID;"
        )

    def commit(
        self, runs: Sequence[tuple[Any, ...]], entries: Sequence[tuple[Any, ...]], seqs: Sequence[tuple[int, str]]
    ) -> None:
        execute, many = self.connection.execute, self.connection.executemany
        execute("BEGIN IMMEDIATE")
        marks = ", ".join("?" * len(seqs))
        execute(f"SELECT id, epoch FROM run WHERE id IN ({marks})", [id for _, id in seqs]).fetchall()
        if runs:
            many(f"INSERT INTO run ({RUN}) VALUES ({', '.join('?' * 13)})", runs)
        many(f"INSERT INTO entry ({ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", entries)
        many("UPDATE run SET seq = ? WHERE id = ?", seqs)
        execute("COMMIT")


class _Postgres:
    def __init__(self, place: Place) -> None:
        import psycopg

        self.connection = psycopg.connect(place.url, autocommit=True)
        self.connection.execute(
            "CREATE TABLE run (id text PRIMARY KEY, workflow text, version text, state text, priority bigint,"
            " input bytea, created_at bigint, started_at bigint, deadline bigint, owner bigint, epoch bigint,"
            " seq bigint, total bigint);"
            "CREATE TABLE entry (run text, seq bigint, kind text, step text, attempt bigint, at bigint,"
            " seconds double precision, body bytea, PRIMARY KEY (run, seq))"
        )

    def commit(
        self, runs: Sequence[tuple[Any, ...]], entries: Sequence[tuple[Any, ...]], seqs: Sequence[tuple[int, str]]
    ) -> None:
        execute = self.connection.execute
        execute("BEGIN")
        ids = [id for _, id in seqs]
        execute("SELECT id, epoch FROM run WHERE id = ANY(%s) ORDER BY id FOR UPDATE", (ids,)).fetchall()
        if runs:
            types = "text, text, text, text, bigint, bytea, bigint, bigint, bigint, bigint, bigint, bigint, bigint"
            execute(_unnested("run", RUN, types), _turned(runs))
        types = "text, bigint, text, text, bigint, bigint, double precision, bytea"
        execute(_unnested("entry", ENTRY, types), _turned(entries))
        new = "unnest(%s::bigint[], %s::text[]) AS new(seq, id)"
        execute(f"UPDATE run SET seq = new.seq FROM {new} WHERE run.id = new.id".encode(), _turned(seqs))
        execute("COMMIT")


def _unnested(table: str, columns: str, types: str) -> bytes:
    arrays = ", ".join(f"%s::{each}[]" for each in types.split(", "))
    return f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays})".encode()


def _turned(rows: Sequence[tuple[Any, ...]]) -> tuple[list[Any], ...]:
    return tuple(map(list, zip(*rows, strict=True)))


@contextmanager
def _opened(place: Place) -> Iterator[Database]:
    database: _Sqlite | _Postgres = _Sqlite(place) if place.schema is None else _Postgres(place)
    yield database
    database.connection.close()


def rows(place: Place, sizes: Sizes) -> dict[str, float]:
    """Every step is in one commit with those of other runs."""
    ids = [str(uuid4()) for _ in range(sizes.runs)]
    with _opened(place) as database:
        cpu, began = time.process_time(), time.perf_counter()
        for step in range(STEPS + 1):
            for first in range(0, sizes.runs, IN_ONE_COMMIT):
                part = ids[first : first + IN_ONE_COMMIT]
                runs = [_run(id) for id in part] if step == 0 else []
                entries = [entry for id in part for entry in _entries(id, step)]
                database.commit(runs, entries, [(2 * step + 1, id) for id in part])
        wall, used = time.perf_counter() - began, time.process_time() - cpu
    steps = sizes.runs * STEPS
    return {"runs": sizes.runs, "rate": steps / wall, "cpu": used / steps * 1e6}


def _run(id: str) -> tuple[Any, ...]:
    return id, "chain", "0" * 64, "running", 0, b"1", AT, AT, AT, 1, 1, 0, STEPS


def _entries(id: str, step: int) -> Iterator[tuple[Any, ...]]:
    """What a step that has ended writes together with the next one that begins."""
    if step:
        yield id, 2 * step, "done", f"s{step - 1}", 1, AT, 0.25, b"1"
    if step < STEPS:
        yield id, 2 * step + 1, "began", f"s{step}", 1, AT, None, b'"same"'
    else:
        yield id, 2 * step + 1, "ended", "", 1, AT, None, b'"done"'


class _Member(Actor):
    def on_receive(self, message: tuple[ActorRef[Any], ActorRef[Any]]) -> None:
        """Does it, and answers the team."""
        team, run = message
        team.tell(run)


class _Team(Actor):
    def __init__(self) -> None:
        self._member: ActorRef[Any] | None = None

    def on_receive(self, message: ActorRef[Any] | tuple[ActorRef[Any]]) -> None:
        """Hands work to the member, and the answer back to the run."""
        if isinstance(message, tuple):
            if self._member is None:
                self._member = self.sibling("member")
            self._member.tell((self.ref, message[0]))
        else:
            message.tell(None)


class _Run(Actor):
    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._left = STEPS

    def on_receive(self, message: object) -> None:
        """The next step."""
        if not self._left:
            self._ended()
            return
        self._left -= 1
        self.sibling("team").tell((self.ref,))


def messages(_: Place, sizes: Sizes) -> dict[str, float]:
    """All runs at once."""

    async def main() -> dict[str, float]:
        left, over = sizes.runs, asyncio.Event()

        def ended() -> None:
            nonlocal left
            left -= 1
            if not left:
                over.set()

        runs = [child(f"run-{number}", _Run, args=[ended]) for number in range(sizes.runs)]
        async with start(supervisor("floor", child("team", _Team), child("member", _Member), *runs), log=False) as root:
            refs = [root.child(each.id) for each in runs]
            cpu, began = time.process_time(), time.perf_counter()
            for ref in refs:
                ref.tell(None)
            await over.wait()
            wall, used = time.perf_counter() - began, time.process_time() - cpu
        steps = sizes.runs * STEPS
        return {"runs": sizes.runs, "rate": steps / wall, "cpu": used / steps * 1e6}

    return asyncio.run(main())


WORKS: dict[str, Callable[[Place, Sizes], dict[str, float]]] = {"many": rows}
MESSAGES: dict[str, Callable[[Place, Sizes], dict[str, float]]] = {"many": messages}
