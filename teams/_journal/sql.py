"""A store in an SQLite file or a Postgres schema. Nothing but this and `sql_*.py` imports SQLAlchemy and Alembic."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    func,
    insert,
    make_url,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from actors.spi import NAME
from teams._journal import lease as leases
from teams._journal.codec import lost
from teams._journal.decide import Head, Heads, Write, begun, decide, transacted
from teams._journal.errors import NotStorable, StoreAway, StoreRefused, without_password
from teams._journal.memory import wall
from teams._journal.process import is_there, own_name
from teams._journal.rows import (
    ENDED,
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
    Value,
)
from teams._journal.sql_dialects import (
    Dialect,
    Postgres,
    Sqlite,
    columns_of,
    file_of,
    revisions_of,
    tables_of,
)
from teams._journal.sql_tables import (
    BLOB,
    DEFINITION,
    ENDED_STATE,
    ENGINE,
    ENTRY,
    INBOX,
    METADATA,
    PARKED,
    READY,
    REVISIONS,
    RUN,
    RUN_BLOB,
    SCHEDULE,
    VERSION_TABLE,
)
from teams._journal.store import BLOB as BLOB_ABOVE
from teams._journal.store import Durability, WallClock

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

R = TypeVar("R")

_ATTEMPTS: Final = 10
"""How often a transaction is tried that meets those of other processes."""
_MOST: Final = 10_000
"""Of rows that are claimed or purged at once: each is a parameter of a statement."""
_LEVEL: Final = 3
"""Of zlib: a third of the time of the default, for a tenth more bytes."""
_REFERENCE: Final = b"\0"
"""Begins a cell that is the digest of a blob. JSON never begins so, and a body that does is stored as a blob."""
_PURGED: Final = "runs were deleted each time that they were read"
_BODIES: Final = ("input", "result", "error", "attributes")
_UPGRADING = threading.Lock()
"""Alembic keeps the migration that is going on in globals."""


def sql_store(url: str, *, durability: Durability, clock: WallClock | None) -> SqlStore:
    """The store behind an SQL address, not yet open. Raises `StoreRefused` when it is not an address."""
    try:
        address = make_url(url.replace("postgres:", "postgresql:", 1) if url.startswith("postgres:") else url)
    except (ArgumentError, ValueError):
        why = "not an address of a store. Use sqlite:///runs.db or postgresql://user@host/name"
        raise StoreRefused(without_password(url), why) from None
    if address.get_backend_name() == "sqlite":
        if address.database in (None, "", ":memory:") or "memory" in str(address.query.get("mode")):
            why = "an SQLite store needs a file: sqlite:///runs.db. A store in memory is memory:"
            raise StoreRefused(without_password(url), why)
        if address.query:
            why = f"an SQLite address takes no options, got {', '.join(sorted(address.query))}. Use sqlite:///runs.db"
            raise StoreRefused(without_password(url), why)
        return SqlStore(address.set(drivername="sqlite"), Sqlite(), durability, clock)
    if "@" in (address.host or ""):  # what stands before it is a part of the password, and would be shown with the host
        raise StoreRefused(without_password(url), "it has two @. Write one in a password as %40")
    return SqlStore(address.set(drivername="postgresql+psycopg"), Postgres(), durability, clock)


class SqlStore:
    """Keeps one connection, made when it is needed; after an error of the connection, the next call makes another."""

    def __init__(self, url: URL, dialect: Dialect, durability: Durability, clock: WallClock | None) -> None:
        self.url = without_password(url.render_as_string(hide_password=True).replace("+psycopg:", ":", 1))
        self._address = url
        self._dialect = dialect
        self._durability = durability
        self._clock = clock
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._lock: _FileLock | None = None
        self._epoch = 0
        """The last epoch that was registered."""
        self._definitions: set[tuple[str, str]] = set()
        """The workflows and versions that this connection has seen stored: no call deletes one."""
        self._unsure: set[str] = set()
        """Runs that were claimed, unless the commit failed whose outcome is unknown."""
        self._missing: set[bytes] = set()
        """Digests of blobs that were not there. A row that still refers to one when it is read again is damaged."""

    # Opening

    def open(self) -> None:
        """Connects, and creates or migrates the tables under a lock. Raises `StoreRefused`; nothing is open then."""
        try:
            self._engine = self._dialect.engine(self._address, self._durability)
            self._connection = self._engine.connect()
            self._migrate(self._connection)
        except BaseException as error:
            self.close()
            if isinstance(error, DBAPIError):
                raise StoreRefused(self.url, self._hidden(self._dialect.why(error))) from None
            raise

    def close(self) -> None:
        """Disconnects, and gives up the lock on the file."""
        self._drop()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        self._unlock()

    def _migrate(self, connection: Connection) -> None:
        dialect = self._dialect
        names = tables_of(connection)
        if VERSION_TABLE not in names and (why := dialect.foreign(connection, names)) is not None:
            raise self._refused(why)
        dialect.prepare(connection)
        if dialect.read_only(connection):
            raise self._refused("it is read-only. Make the file and its folder, or the database, writable")
        if self._revision(connection, names) == REVISIONS[-1]:
            return
        dialect.begin(connection)
        try:
            dialect.lock_tables(connection)
            if self._revision(connection, tables_of(connection)) != REVISIONS[-1]:
                _upgrade(connection)
        except BaseException:
            with contextlib.suppress(DBAPIError):
                connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")

    def _revision(self, connection: Connection, names: set[str]) -> str | None:
        """The revision of the database, if it has one; raises unless this code can use it or make it usable."""
        if VERSION_TABLE not in names:
            return None
        found = revisions_of(connection)
        if len(found) != 1:
            raise self._refused(f"it is damaged: {VERSION_TABLE} has {len(found)} rows, not 1. Restore a copy")
        if found[0] not in REVISIONS:
            why = (
                f"it is of a newer version of {NAME} (revision {found[0]}, this one knows up to {REVISIONS[-1]}). "
                "Install that version, or name another store"
            )
            raise self._refused(why)
        missing = sorted(set(METADATA.tables) - names)
        if missing and found[0] == REVISIONS[-1]:
            raise self._refused(f"it is damaged: the tables {', '.join(missing)} are missing. Restore a copy")
        return found[0]

    # Calls to the database

    def _connected(self) -> Connection:
        if self._engine is None:
            raise StoreAway(self.url, "the store is closed", True)
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _drop(self) -> None:
        """Closes the connection, which also ends its transaction."""
        connection, self._connection = self._connection, None
        self._definitions.clear()
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                connection.invalidate()
            with contextlib.suppress(SQLAlchemyError):
                connection.close()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            yield self._connected()
        except (OverflowError, UnicodeError) as error:
            self._drop()
            raise self._untaken("what is looked for", error) from None
        except DBAPIError as error:
            self._drop()
            if self._dialect.untaken(error):
                raise self._untaken("what is looked for", error) from None
            raise self._away(error, known_lost=True) from None
        except BaseException:
            self._drop()  # an interrupt may come between a question and its answer
            raise

    def _transact(self, work: Callable[[Connection], R]) -> R:
        """Does work in a transaction that writes; again, when it meets one of another process."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                connection = self._connected()
                self._dialect.begin(connection)
                result = work(connection)
            except (OverflowError, UnicodeError) as error:
                self._undo()
                raise self._untaken("a cell of a row", error) from None
            except DBAPIError as error:
                self._undo()
                if self._dialect.untaken(error):
                    raise self._untaken("a cell of a row", error) from None
                if attempt == _ATTEMPTS or not self._dialect.again(error):
                    raise self._away(error, known_lost=True) from None
            except _BlobMissing:
                self._undo()
                if attempt == _ATTEMPTS:
                    raise StoreAway(self.url, _PURGED, True) from None
            except BaseException:
                self._undo()
                raise
            else:
                break
        try:
            self._dialect.commit(connection)
        except DBAPIError as error:
            self._drop()
            raise self._away(error, known_lost=False) from None
        except BaseException:
            self._drop()  # an interrupt may come between a question and its answer
            raise
        return result

    def _undo(self) -> None:
        try:
            if self._connection is not None:
                self._connection.exec_driver_sql("ROLLBACK")
        except SQLAlchemyError:  # also of SQLAlchemy itself: it sees that the connection was lost
            self._drop()

    def _away(self, error: DBAPIError, *, known_lost: bool) -> StoreAway:
        return StoreAway(self.url, self._hidden(self._dialect.why(error)), known_lost)

    def _untaken(self, what: str, error: Exception) -> NotStorable:
        why = self._dialect.why(error) if isinstance(error, DBAPIError) else str(error)
        return NotStorable(what, f"the database does not take it ({self._hidden(why)})")

    def _refused(self, why: str) -> StoreRefused:
        return StoreRefused(self.url, self._hidden(why))

    def _hidden(self, text: str) -> str:
        """The text of an error without the password, however the driver writes it."""
        password = self._address.password
        return text.replace(str(password), "***") if password else without_password(text)

    def now(self) -> int:
        """The clock of the store."""
        with self._reading() as connection:
            return self._now(connection)

    def _now(self, connection: Connection) -> int:
        if self._clock is not None:
            return self._clock()
        now = self._dialect.now(connection)
        return wall() if now is None else now

    # Engines

    def register(self, host: str, pid: int, lease: float) -> int:
        """Makes the caller an engine for `lease` seconds; of an SQLite file, the only one."""
        if self._dialect.exclusive and self._lock is None:
            self._lock = self._locked(host, pid)

        def work(connection: Connection) -> int:
            now = self._now(connection)
            if self._dialect.exclusive:
                connection.execute(update(ENGINE).where(ENGINE.c.lease_until > now).values(lease_until=now))
            row: dict[str, object] = {
                "host": host,
                "pid": pid,
                "started_at": now,
                "lease_until": leases.until(now, lease),
                "process": own_name(),
            }
            epoch: int = connection.execute(insert(ENGINE).values(row).returning(ENGINE.c.epoch)).scalar_one()
            return epoch

        self._epoch = self._transact(work)
        return self._epoch

    def _locked(self, host: str, pid: int) -> _FileLock:
        path = file_of(self._address)
        try:
            lock = _FileLock(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise self._refused(f"the lock beside the file cannot be opened: {error}") from None
        owner = lock.take(host, pid)
        if owner is not None:
            raise self._refused(
                f"it is locked by another engine ({owner}); an SQLite file has one engine at a time. End that one, or "
                "use postgresql:// for several"
            )
        return lock

    def _unlock(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def renew(self, epoch: int, lease: float) -> bool:
        """Lengthens the lease, unless it is over."""
        return self._transact(lambda connection: self._set_lease(connection, epoch, lease))

    def _set_lease(self, connection: Connection, epoch: int, lease: float) -> bool:
        now = self._now(connection)
        mine = and_(ENGINE.c.epoch == epoch, ENGINE.c.lease_until > now)
        lease_until = leases.until(now, lease)
        return connection.execute(update(ENGINE).where(mine).values(lease_until=lease_until)).rowcount == 1

    def release(self, epoch: int) -> None:
        """Ends the lease, and gives up the runs of this engine; of an SQLite file, also the lock."""

        def work(connection: Connection) -> None:
            self._set_lease(connection, epoch, 0)
            connection.execute(update(RUN).where(RUN.c.owner == epoch).values(owner=None))
            self._dialect.announce()

        self._transact(work)
        if epoch == self._epoch:
            self._unlock()

    def engines(self) -> list[EngineRow]:
        """All engines, by epoch."""
        with self._reading() as connection:
            rows = connection.execute(select(ENGINE).order_by(ENGINE.c.epoch)).all()
        return [EngineRow(f"{row.host}:{row.pid}:{row.epoch}", *row) for row in rows]

    # Writing

    def commit(self, units: Sequence[Unit]) -> list[Result]:
        """Writes units in one transaction."""
        if not units:
            return []

        def work(connection: Connection) -> tuple[list[Result], list[Definition]]:
            results, writes = decide(units, self._heads(connection, units))
            transacted(results, units, writes, partial(self._done, connection))
            return results, self._write(connection, writes) if writes else []

        results, definitions = self._transact(work)
        self._definitions.update(map(_name_of, definitions))
        return results

    def _done(self, connection: Connection, step: Transact) -> JournalEntry:
        """Does a step in the transaction. What it wrote is taken back if it fails, also by a result that cannot be
        stored.
        """
        connection.exec_driver_sql("SAVEPOINT step")
        try:
            entry = step(connection)
            connection.exec_driver_sql("RELEASE SAVEPOINT step")
        except Exception as error:
            if isinstance(error, DBAPIError) and (error.connection_invalidated or self._dialect.again(error)):
                raise  # not the step failed, but the transaction
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT step")
            connection.exec_driver_sql("RELEASE SAVEPOINT step")
            return step.failed(error)
        return entry

    def _heads(self, connection: Connection, units: Sequence[Unit]) -> Heads:
        ids: set[str] = set()
        messages: list[str] = []
        starts: list[str] = []
        keys: list[tuple[str, str]] = []
        for unit in units:
            if unit.run:
                ids.add(unit.run)
            if unit.inbox:
                ids.update(row.run for row in unit.inbox)
                messages += [row.id for row in unit.inbox]
            if unit.follow is not None:
                ids.add(unit.follow.id)
            if (start := unit.start) is not None:
                starts.append(start.id)
                if start.key is not None:
                    keys.append((start.workflow, start.key))
        heads = Heads()
        if ids:
            for id, epoch, seq, state in self._dialect.heads(connection, sorted(ids)):
                heads.runs[id] = Head(epoch, seq, state in ENDED)
        wanted = {id for id in starts if id in heads.runs}
        if keys:
            wanted.update(self._dialect.keyed(connection, sorted(set(keys))))
        if wanted:
            for run in self._runs_of(connection, select(RUN).where(RUN.c.id.in_(sorted(wanted)))):
                heads.known[run.id] = run
                if run.key is not None:
                    heads.keys[run.workflow, run.key] = run
        for unit in units:
            head = heads.runs.get(unit.run)
            if head is not None and unit.entries and unit.entries[0].seq <= head.seq:
                numbers = [entry.seq for entry in unit.entries]
                there = select(ENTRY).where(ENTRY.c.run == unit.run, ENTRY.c.seq.in_(numbers))
                for entry in self._entries_of(connection, there):
                    heads.entries[entry.run, entry.seq] = entry
        if messages:
            there = select(INBOX.c.id).where(INBOX.c.id.in_(messages))
            heads.inbox.update(connection.execute(there).scalars())
        return heads

    def _write(self, connection: Connection, writes: Sequence[Write]) -> list[Definition]:
        """Returns the definitions that are stored when this is."""
        insert = self._dialect.insert
        batch = _Batch()
        for write in writes:
            batch.add(write)
        starts, updates = batch.rows(), batch.updates()
        definitions = [each for each in batch.definitions if _name_of(each) not in self._definitions]
        if definitions:
            insert(connection, DEFINITION, list(map(_DEFINITION_CELLS, definitions)), ignore=True)
        if starts:
            insert(connection, RUN, starts)
        if batch.entries:
            insert(connection, ENTRY, batch.entries)
        for columns, rows in updates.items():
            self._dialect.update(connection, columns, rows)
        if batch.inbox:
            insert(connection, INBOX, batch.inbox)
        if batch.taken:
            self._dialect.take(connection, batch.taken)
        if batch.blobs:
            self._dialect.lock_blobs(connection, delete=False)
            insert(connection, BLOB, [_blob(digest, body) for digest, body in batch.blobs.items()], ignore=True)
            insert(connection, RUN_BLOB, sorted(batch.run_blobs), ignore=True)
        for schedule in batch.schedules:
            self._schedule(connection, schedule)
        for run, before in batch.moved:
            waiting = and_(INBOX.c.run == before, INBOX.c.kind == "signal", text("taken IS NULL"))
            connection.execute(update(INBOX).where(waiting).values(run=run))
        if batch.inbox or starts or batch.schedules or batch.parked:
            self._dialect.announce()
        return batch.definitions

    def _schedule(self, connection: Connection, row: ScheduleRow) -> None:
        cells = {name: getattr(row, name) for name in ScheduleRow.__slots__}
        earlier = func.coalesce(SCHEDULE.c.last_slot, 0) <= (row.last_slot or 0)
        there = connection.execute(select(SCHEDULE.c.id).where(SCHEDULE.c.id == row.id).with_for_update()).first()
        if there is None:
            connection.execute(insert(SCHEDULE).values(cells))
        else:
            connection.execute(update(SCHEDULE).where(SCHEDULE.c.id == row.id, earlier).values(cells))

    def claim(self, epoch: int, limit: int, workflows: Collection[str] | None = None) -> list[RunRow]:
        """Takes open runs without a living owner that can go on now."""

        def work(connection: Connection) -> list[RunRow]:
            ids = self._claim(connection, epoch, limit, workflows)
            self._unsure |= ids
            return self._runs_of(connection, select(RUN).where(self._dialect.among(RUN.c.id, ids))) if ids else []

        claimed = self._transact(work)
        self._unsure.clear()
        return sorted(claimed, key=_first)

    def _claim(self, connection: Connection, epoch: int, limit: int, workflows: Collection[str] | None) -> set[str]:
        now = self._now(connection)
        alive = select(ENGINE.c.epoch).where(ENGINE.c.lease_until > now)
        if epoch not in self._living(connection, now):
            return set()
        free: list[ColumnElement[bool]] = [or_(RUN.c.owner.is_(None), RUN.c.owner.not_in(alive))]
        if workflows is not None:
            free.append(RUN.c.workflow.in_(sorted(workflows)))
        called = RUN.c.id.in_(select(INBOX.c.run).where(text("taken IS NULL")))
        ways = (text(READY), and_(text(PARKED), RUN.c.wake_at <= now), and_(text(PARKED), called))
        found: dict[str, Any] = {}
        for way in ways:  # one query each: every one has an index
            query = (
                select(RUN.c.id, RUN.c.priority, RUN.c.created_at)
                .where(way, *free)
                .order_by(RUN.c.priority.desc(), RUN.c.created_at, RUN.c.id)
                .limit(min(limit, _MOST))
                .with_for_update(skip_locked=True)
            )
            found.update((row.id, row) for row in connection.execute(query))
        ids = {row.id for row in sorted(found.values(), key=_first)[: min(limit, _MOST)]}
        if ids:
            mine = self._dialect.among(RUN.c.id, ids)
            connection.execute(update(RUN).where(mine).values(owner=epoch, epoch=epoch))
        if self._unsure:
            again = select(RUN.c.id).where(self._dialect.among(RUN.c.id, self._unsure), RUN.c.owner == epoch)
            ids |= set(connection.execute(again).scalars())
        return ids

    def _living(self, connection: Connection, now: int) -> set[int]:
        """The engines that have a lease. The lease of one whose process has ended on this machine ends here."""
        leased = select(ENGINE.c.epoch, ENGINE.c.process).where(ENGINE.c.lease_until > now).order_by(ENGINE.c.epoch)
        found = {row.epoch: row.process for row in connection.execute(leased)}
        gone = [epoch for epoch, process in found.items() if is_there(process) is False]
        if gone:
            connection.execute(update(ENGINE).where(ENGINE.c.epoch.in_(gone)).values(lease_until=now))
        return found.keys() - gone

    def purge(self, now: int, limit: int) -> int:
        """Deletes at most `limit` ended runs whose `retain_until` is over."""

        def work(connection: Connection) -> int:
            self._dialect.lock_blobs(connection, delete=True)
            due = (
                select(RUN.c.id)
                .where(text(ENDED_STATE), RUN.c.retain_until <= now)
                .order_by(RUN.c.retain_until, RUN.c.id)
                .limit(min(limit, _MOST))
                .with_for_update(skip_locked=True)
            )
            ids = list(connection.execute(due).scalars())
            if ids:
                mine = RUN_BLOB.c.run.in_(ids)
                digests = list(connection.execute(select(RUN_BLOB.c.digest).where(mine).distinct()).scalars())
                connection.execute(delete(RUN_BLOB).where(mine))
                connection.execute(delete(ENTRY).where(ENTRY.c.run.in_(ids)))
                connection.execute(delete(INBOX).where(INBOX.c.run.in_(ids)))
                connection.execute(delete(RUN).where(RUN.c.id.in_(ids)))
                if digests:
                    used = select(RUN_BLOB.c.digest).where(RUN_BLOB.c.digest == BLOB.c.digest).exists()
                    connection.execute(delete(BLOB).where(BLOB.c.digest.in_(digests), ~used))
            gone = ENGINE.c.epoch.not_in(select(RUN.c.owner).where(RUN.c.owner.is_not(None)))
            connection.execute(delete(ENGINE).where(ENGINE.c.lease_until <= self._now(connection), gone))
            if ids:
                self._dialect.shrink(connection)
            return len(ids)

        return self._transact(work)

    # Reading

    def run(self, id: str) -> RunRow | None:
        """The run, if there is one."""
        found = self._read(lambda connection: self._runs_of(connection, select(RUN).where(RUN.c.id == id)))
        return found[0] if found else None

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
        query = select(RUN).order_by(RUN.c.created_at.desc(), RUN.c.id.desc()).limit(limit)
        if states is not None:
            query = query.where(RUN.c.state.in_(sorted(states)))
        if workflow is not None:
            query = query.where(RUN.c.workflow == workflow)
        if since is not None:
            query = query.where(RUN.c.created_at >= since)
        if owner is not None:
            query = query.where(RUN.c.owner == owner)
        if after is not None:
            same = and_(RUN.c.created_at == after.created_at, RUN.c.id < after.id)
            query = query.where(or_(RUN.c.created_at < after.created_at, same))
        return self._read(lambda connection: self._runs_of(connection, query))

    def entries(self, run: str, after: int = 0) -> list[JournalEntry]:
        """The entries of a run with a number above `after`, in order."""
        query = select(ENTRY).where(ENTRY.c.run == run, ENTRY.c.seq > after).order_by(ENTRY.c.seq)
        return self._read(lambda connection: self._entries_of(connection, query))

    def entries_of(self, runs: Collection[str]) -> dict[str, list[JournalEntry]]:
        """The entries of several runs, in order; no key for a run that has none."""
        query = select(ENTRY).where(self._dialect.among(ENTRY.c.run, runs)).order_by(ENTRY.c.run, ENTRY.c.seq)
        found: dict[str, list[JournalEntry]] = {}
        for entry in self._read(lambda connection: self._entries_of(connection, query)):
            found.setdefault(entry.run, []).append(entry)
        return found

    def inbox(self, run: str | None = None) -> list[InboxRow]:
        """The untaken messages, in the order of their arrival."""
        return self._messages(*(() if run is None else (INBOX.c.run == run,)))

    def inbox_of(self, runs: Collection[str]) -> dict[str, list[InboxRow]]:
        """The untaken messages to several runs; no key for a run that has none."""
        found: dict[str, list[InboxRow]] = {}
        for row in self._messages(self._dialect.among(INBOX.c.run, runs)):
            found.setdefault(row.run, []).append(row)
        return found

    def _messages(self, *those: ColumnElement[bool]) -> list[InboxRow]:
        columns = [INBOX.c[name] for name in InboxRow.__slots__]
        query = select(*columns).where(text("taken IS NULL"), *those).order_by(INBOX.c.number)

        def found(connection: Connection) -> list[InboxRow]:
            rows: Sequence[Any] = connection.execute(query).all()
            whole = self._whole(connection, (row.body for row in rows))
            return [InboxRow(*_with(row, 4, whole)) for row in rows]

        return self._read(found)

    def definition(self, workflow: str, version: str) -> Definition | None:
        """One version of a workflow, if it is stored."""
        query = select(DEFINITION).where(DEFINITION.c.workflow == workflow, DEFINITION.c.version == version)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Definition(*row)

    def definitions(self, workflow: str) -> list[Definition]:
        """All stored versions of a workflow, newest first."""
        newest = DEFINITION.c.created_at.desc(), DEFINITION.c.version.desc()
        with self._reading() as connection:
            rows = connection.execute(select(DEFINITION).where(DEFINITION.c.workflow == workflow).order_by(*newest))
            return [Definition(*row) for row in rows]

    def schedules(self) -> list[ScheduleRow]:
        """All schedules, by id."""
        with self._reading() as connection:
            return [ScheduleRow(*row) for row in connection.execute(select(SCHEDULE).order_by(SCHEDULE.c.id))]

    def counts(self) -> dict[LifeState, int]:
        """The number of runs in each state that has one."""
        query = select(RUN.c.state, func.count().label("number")).group_by(RUN.c.state)
        with self._reading() as connection:
            return {row.state: row.number for row in connection.execute(query)}

    def next_wake(self) -> int | None:
        """The earliest `wake_at` of the parked runs."""
        query = select(func.min(RUN.c.wake_at)).where(text(PARKED), RUN.c.owner.is_(None))
        with self._reading() as connection:
            wake: int | None = connection.execute(query).scalar_one()
            return wake

    def lease_left(self, epoch: int) -> float | None:
        """Seconds until the next lease of another engine ends."""
        query = select(ENGINE.c.lease_until).where(ENGINE.c.epoch != epoch)
        with self._reading() as connection:
            now = self._now(connection)
            return leases.left(connection.execute(query.where(ENGINE.c.lease_until > now)).scalars(), now)

    def changed(self) -> bool:
        """Whether another process may have written since the last call."""
        with self._reading() as connection:
            return self._dialect.changed(connection)

    # Bodies

    def _read(self, found: Callable[[Connection], list[R]]) -> list[R]:
        """Reads rows and their blobs; again, when a purge comes between."""
        for _ in range(_ATTEMPTS):
            with self._reading() as connection, contextlib.suppress(_BlobMissing):
                return found(connection)
        raise StoreAway(self.url, _PURGED, True)

    def _runs_of(self, connection: Connection, query: Select[Any]) -> list[RunRow]:
        rows: Sequence[Any] = connection.execute(query).all()
        whole = self._whole(connection, (getattr(row, name) for row in rows for name in _BODIES))
        return [RunRow(*row[:9], *map(whole, row[9:13]), *row[13:]) for row in rows]

    def _entries_of(self, connection: Connection, query: Select[Any]) -> list[JournalEntry]:
        rows: Sequence[Any] = connection.execute(query).all()
        whole = self._whole(connection, (row[7] for row in rows))
        return [JournalEntry._make((*row[:7], whole(row[7]))) for row in rows]

    def _whole(self, connection: Connection, cells: Iterable[bytes | None]) -> Callable[[Any], Any]:
        """Turns the cell of a body into the body. One that is damaged harms its run alone: see `lost`."""
        digests = {cell[1:] for cell in cells if cell is not None and cell[:1] == _REFERENCE}
        if not digests:
            return _same
        rows = connection.execute(select(BLOB.c.digest, BLOB.c.data).where(BLOB.c.digest.in_(sorted(digests))))
        bodies = {digest: _unpacked(digest, data) for digest, data in rows}
        missing = digests - bodies.keys()
        if not missing <= self._missing:
            self._missing |= missing
            raise _BlobMissing
        bodies.update({digest: _damaged(digest, "is missing") for digest in missing})
        return lambda cell: bodies[cell[1:]] if cell is not None and cell[:1] == _REFERENCE else cell


class _BlobMissing(Exception):
    """A row refers to a blob that is not there: the row was purged meanwhile, or the store is damaged."""


def _unpacked(digest: bytes, data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        return _damaged(digest, f"cannot be unpacked ({error})")


def _damaged(digest: bytes, how: str) -> bytes:
    return lost(f"the store is damaged: the blob {digest.hex()} {how}. Restore a copy")


def _same(cell: Any) -> Any:
    return cell


def _with(row: Any, index: int, whole: Callable[[Any], Any]) -> list[Any]:
    """The cells of a row, with the body in one of them."""
    cells = list(row)
    cells[index] = whole(cells[index])
    return cells


class _Batch:
    """The rows of a commit, table by table. Several writes to one run become one."""

    def __init__(self) -> None:
        self.definitions: list[Definition] = []
        self.starts: dict[str, RunRow] = {}
        self.entries: list[tuple[object, ...]] = []
        self.inbox: list[tuple[object, ...]] = []
        self.taken: list[tuple[int, str, str]] = []
        self.schedules: list[ScheduleRow] = []
        self.blobs: dict[bytes, bytes] = {}
        self.run_blobs: set[tuple[str, bytes]] = set()
        self.moved: list[tuple[str, str]] = []
        """Runs that go on in place of others, with those."""
        self.parked = False
        """Whether a run has no owner any more."""
        self._changes: dict[str, dict[str, Value]] = {}
        self._numbers: dict[str, int] = {}
        """Of the last entries of runs of which nothing else changes."""

    def add(self, write: Write) -> None:
        """Adds what one unit writes."""
        unit, seq, instead_of = write
        run = unit.run
        if instead_of is not None:
            self.moved.append((run, instead_of))
        if unit.definition is not None:
            self.definitions.append(unit.definition)
        if unit.start is not None:
            self.starts[run] = begun(unit, unit.start)
        elif unit.entries or unit.update:
            self._change(run, unit.update, seq)
        for entry in unit.entries:
            body = entry.body
            if body is None or (len(body) <= BLOB_ABOVE and body[:1] != _REFERENCE):
                self.entries.append(entry)
            else:
                self.entries.append((*entry[:7], self._packed(run, body)))
        for row in unit.inbox:
            self.inbox.append((row.id, row.run, row.kind, row.name, self._packed(row.run, row.body), *_INBOX_END(row)))
        if unit.taken:
            self.taken += [(seq, id, run) for id in unit.taken]
        if unit.schedule is not None:
            self.schedules.append(unit.schedule)

    def _change(self, run: str, change: Mapping[str, Value], seq: int) -> None:
        if (start := self.starts.get(run)) is not None:
            self.starts[run] = start._replace(seq=seq, **change)  # type: ignore[arg-type]  # `Unit` has checked the names
            return
        cells = self._changes.get(run)
        if cells is None and not change:
            self._numbers[run] = seq
            return
        if cells is None:
            self._numbers.pop(run, None)
            self._changes[run] = {**change, "seq": seq}
        else:
            cells.update(change)
            cells["seq"] = seq
        self.parked |= change.get("owner", run) is None

    def updates(self) -> dict[tuple[str, ...], list[tuple[object, ...]]]:
        """The new cells of runs, by the columns they are in; each row ends with the id."""
        updates: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
        if self._numbers:
            updates["seq",] = [(seq, run) for run, seq in self._numbers.items()]
        for run, cells in self._changes.items():
            if not _BODY_NAMES.isdisjoint(cells):
                for name in _BODY_NAMES.intersection(cells):
                    cells[name] = self._packed(run, cells[name])
            updates.setdefault(tuple(cells), []).append((*cells.values(), run))
        return updates

    def rows(self) -> list[tuple[object, ...]]:
        """The new runs."""
        return [
            (*row[:9], *(self._packed(row.id, body) for body in row[9:13]), *row[13:]) for row in self.starts.values()
        ]

    def _packed(self, run: str, body: Any) -> Any:
        """The cell of a body: itself, or the digest of a blob."""
        if body is None or (len(body) <= BLOB_ABOVE and body[:1] != _REFERENCE):
            return body
        digest = hashlib.sha256(body).digest()
        self.blobs[digest] = body
        self.run_blobs.add((run, digest))
        return _REFERENCE + digest


_DEFINITION_CELLS = attrgetter(*columns_of(DEFINITION))
_INBOX_END = attrgetter("by", "at", "taken")
_BODY_NAMES = frozenset(_BODIES)


def _name_of(definition: Definition) -> tuple[str, str]:
    return definition.workflow, definition.version


def _blob(digest: bytes, body: bytes) -> tuple[bytes, int, str, bytes]:
    return digest, len(body), "zlib", zlib.compress(body, _LEVEL)


def _first(row: Any) -> tuple[int, int, str]:
    """The order of claims."""
    return -row.priority, row.created_at, row.id


def _upgrade(connection: Connection) -> None:
    """Brings the tables to the last revision."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    with _UPGRADING:
        command.upgrade(config, "head")


class _FileLock:
    """A lock on a file beside the database, which names its owner. The system takes it back when the process ends."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def take(self, host: str, pid: int) -> str | None:
        """Takes the lock, and returns None; or returns what the file says of the owner, and is closed."""
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._file, 1000, 0).decode(errors="replace").strip()
            os.close(self._file)
            return owner or "which has not yet said its name"
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"pid {pid} on {host}\n".encode(), 0)
        return None

    def release(self) -> None:
        """Gives up the lock. The file stays: another process may be waiting to open it."""
        os.ftruncate(self._file, 0)
        os.close(self._file)
