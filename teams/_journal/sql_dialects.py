"""The differences between SQLite and Postgres: how a connection is made, and statements over many rows.

Statements of a commit are texts that are made once for each shape and run by the driver: a commit costs no more
SQLAlchemy than one call a statement, whatever the number of its rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from sqlalchemy import (
    ARRAY,
    URL,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    LargeBinary,
    NullPool,
    Table,
    Text,
    any_,
    create_engine,
    event,
    func,
    inspect,
    literal,
    select,
)
from sqlalchemy.exc import DataError, DBAPIError

from actors.spi import NAME
from teams._journal.sql_tables import APPLICATION_ID, METADATA, STORED_NAME, VERSION_TABLE
from teams._journal.store import Durability

Cells: TypeAlias = Sequence[object]

BUSY: Final = 10
"""Seconds that a statement waits for a lock of another process."""
_CHANNEL: Final = STORED_NAME
_VACUUM: Final = 2000
"""The most pages that are given back after a purge, so that it ends soon."""


class Dialect(Protocol):
    """One kind of database."""

    exclusive: ClassVar[bool]
    """Whether the database has one engine at a time."""

    def engine(self, url: URL, durability: Durability) -> Engine:
        """An SQLAlchemy engine whose connections commit by themselves unless `BEGIN` was sent."""
        ...

    def foreign(self, connection: Connection, names: set[str]) -> str | None:
        """Why a database with these tables, and without a version of ours, must not be written to. None: it may."""
        ...

    def prepare(self, connection: Connection) -> None:
        """Makes a connection ready, once the database is known not to be foreign."""
        ...

    def begin(self, connection: Connection) -> None:
        """Begins a transaction that writes."""
        ...

    def lock_tables(self, connection: Connection) -> None:
        """Keeps other processes from migrating until the transaction ends."""
        ...

    def lock_blobs(self, connection: Connection, *, delete: bool) -> None:
        """Keeps blobs that this transaction refers to from being deleted; with `delete`, from being referred to."""
        ...

    def read_only(self, connection: Connection) -> bool:
        """Whether the database takes no writes."""
        ...

    def among(self, column: Column[Any], values: Iterable[str]) -> ColumnElement[bool]:
        """Whether the column has one of these values, which are one parameter together."""
        ...

    def heads(self, connection: Connection, ids: Iterable[str]) -> Sequence[Any]:
        """Rows of id, epoch, seq and state of these runs, which stay as they are until the transaction ends."""
        ...

    def keyed(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> Sequence[str]:
        """The ids of the runs with these workflows and keys."""
        ...

    def insert(self, connection: Connection, table: Table, rows: Sequence[Cells], *, ignore: bool = False) -> None:
        """Inserts rows with all columns that the database does not count; with `ignore` those that are not there."""
        ...

    def update(self, connection: Connection, columns: tuple[str, ...], rows: Sequence[Cells]) -> None:
        """Sets columns of runs; the last cell of a row is the id."""
        ...

    def take(self, connection: Connection, rows: Sequence[tuple[int, str, str]]) -> None:
        """Marks messages as taken: number of the entry, id of the message, run."""
        ...

    def announce(self) -> None:
        """Has the commit of the transaction tell other processes that there is something new."""
        ...

    def commit(self, connection: Connection) -> None:
        """Commits the transaction."""
        ...

    def changed(self, connection: Connection) -> bool:
        """Whether another process may have written since the last call."""
        ...

    def now(self, connection: Connection) -> int | None:
        """The clock of the database in microseconds. None: that of the machine serves."""
        ...

    def shrink(self, connection: Connection) -> None:
        """Gives space of deleted rows back to the machine, inside the transaction."""
        ...

    def why(self, error: DBAPIError) -> str:
        """The meaning of an error, and its remedy."""
        ...

    def again(self, error: DBAPIError) -> bool:
        """Whether the transaction met another one, and may succeed when it is tried again."""
        ...

    def untaken(self, error: DBAPIError) -> bool:
        """Whether the database never takes these cells, however often they are sent."""
        ...


def columns_of(table: Table) -> list[str]:
    """The columns that an insert names: those that the database does not count."""
    return [column.name for column in table.columns if column.identity is None]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


class Sqlite:
    """A file, or several connections to it: one writes, any number read."""

    exclusive: ClassVar[bool] = True

    def __init__(self) -> None:
        self._version: int | None = None

    def engine(self, url: URL, durability: Durability) -> Engine:
        """Connections may move from thread to thread: a store is used by one thread at a time."""
        arguments = {"timeout": BUSY, "check_same_thread": False}
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments, isolation_level="AUTOCOMMIT")
        safe = durability == "disk"

        @event.listens_for(engine, "connect")
        def _settle(connection: Any, _: object) -> None:
            connection.execute(f"PRAGMA synchronous = {'FULL' if safe else 'NORMAL'}")
            if safe:  # macOS: fsync alone leaves the data in the cache of the drive
                connection.execute("PRAGMA fullfsync = 1")
            self._version = None

        return engine

    def foreign(self, connection: Connection, names: set[str]) -> str | None:
        mark = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
        if names or mark not in (0, APPLICATION_ID):
            return "the file is a database of another program. Name a file of its own for the runs"
        return None

    def prepare(self, connection: Connection) -> None:
        if connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal":
            return
        connection.exec_driver_sql("PRAGMA auto_vacuum = INCREMENTAL")
        for attempt in range(100):
            try:
                mode = connection.exec_driver_sql("PRAGMA journal_mode = WAL").scalar_one()
                if mode != "wal":
                    connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
                return
            except DBAPIError as error:
                if attempt == 99 or not _says(error, "locked", "busy"):
                    raise
                self.begin(connection)  # which waits, as the pragma does not
                connection.exec_driver_sql("ROLLBACK")

    def begin(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def lock_tables(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")  # the transaction itself is the lock

    def lock_blobs(self, connection: Connection, *, delete: bool) -> None:
        pass  # a transaction that writes is alone

    def read_only(self, connection: Connection) -> bool:
        try:
            self.begin(connection)
            connection.exec_driver_sql("ROLLBACK")
        except DBAPIError as error:
            if not _says(error, "readonly"):
                raise
            return True
        return False

    def among(self, column: Column[Any], values: Iterable[str]) -> ColumnElement[bool]:
        found = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(found.c.value))

    def heads(self, connection: Connection, ids: Iterable[str]) -> Sequence[Any]:
        sql = "SELECT id, epoch, seq, state FROM run WHERE id IN (SELECT value FROM json_each(?))"
        return connection.exec_driver_sql(sql, (json.dumps(list(ids)),)).all()

    def keyed(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> Sequence[str]:
        sql = (
            "SELECT run.id FROM json_each(?) AS wanted CROSS JOIN run ON run.key IS NOT NULL"
            " AND run.workflow = json_extract(wanted.value, '$[0]') AND run.key = json_extract(wanted.value, '$[1]')"
        )
        return connection.exec_driver_sql(sql, (json.dumps(list(keys)),)).scalars().all()

    def insert(self, connection: Connection, table: Table, rows: Sequence[Cells], *, ignore: bool = False) -> None:
        verb = "INSERT OR IGNORE" if ignore else "INSERT"
        cells = _filled(columns_of(table), rows)
        marks = ", ".join("?" * len(cells))
        sql = f'{verb} INTO "{table.name}" ({_quoted(cells)}) VALUES ({marks})'
        connection.exec_driver_sql(sql, list(zip(*cells.values(), strict=True)))

    def update(self, connection: Connection, columns: tuple[str, ...], rows: Sequence[Cells]) -> None:
        cells = _filled((*columns, "id"), rows)
        values = ", ".join(f"{name} = {'?' if name in cells else 'NULL'}" for name in columns)
        sql = f"UPDATE run SET {values} WHERE id = ?"  # noqa: S608  # our names
        connection.exec_driver_sql(sql, list(zip(*cells.values(), strict=True)))

    def take(self, connection: Connection, rows: Sequence[tuple[int, str, str]]) -> None:
        sql = "UPDATE inbox SET taken = ? WHERE id = ? AND run = ? AND taken IS NULL"
        connection.exec_driver_sql(sql, list(rows))

    def announce(self) -> None:
        pass  # SQLite counts by itself

    def commit(self, connection: Connection) -> None:
        connection.exec_driver_sql("COMMIT")

    def changed(self, connection: Connection) -> bool:
        before = self._version
        self._version = connection.exec_driver_sql("PRAGMA data_version").scalar_one()
        return before != self._version

    def now(self, connection: Connection) -> int | None:
        return None

    def shrink(self, connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        for _ in range(min(pages, _VACUUM)):
            connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")  # of more, the driver takes only the first step

    def why(self, error: DBAPIError) -> str:
        text = str(error.orig)
        if _says(error, "locked", "busy"):
            return f"another process has kept the file locked for {BUSY} s ({text})"
        if _says(error, "readonly"):
            return f"the file or its folder is read-only ({text})"
        if _says(error, "full"):
            return f"the disk is full ({text}). Free some space"
        if _says(error, "not a database", "malformed"):
            return f"the file is damaged, or not an SQLite database ({text}). Restore a copy, or name another file"
        if _says(error, "unable to open"):
            return f"the file cannot be opened ({text}). Check that its folder exists and may be written to"
        return text

    def again(self, error: DBAPIError) -> bool:
        return False

    def untaken(self, error: DBAPIError) -> bool:
        return isinstance(error, DataError) or _says(error, "NOT NULL constraint", "binding parameter")


def _says(error: DBAPIError, *words: str) -> bool:
    return any(word in str(error.orig) for word in words)


def _filled(names: Iterable[str], rows: Iterable[Cells]) -> dict[str, Sequence[object]]:
    """The columns of rows by their names, without the empty ones. The driver looks for an adapter of each None and of
    bytes, which takes longer than to write the cell, and of a `bytearray` it does not.
    """
    filled: dict[str, Sequence[object]] = {}
    for name, column in zip(names, zip(*rows, strict=True), strict=True):
        first = column[0]
        if type(first) is bytes:
            filled[name] = [None if cell is None else bytearray(cell) for cell in column]
        elif first is not None or any(cell is not None for cell in column):
            filled[name] = column
    return filled


class Postgres:
    """A server, shared by any number of engines."""

    exclusive: ClassVar[bool] = False

    def __init__(self) -> None:
        self._new = True
        self._news = False
        """Whether the transaction tells others."""
        self._own = 0
        """The process of the server behind the connection."""
        self._schema = ""
        """That of the tables. A notification reaches every schema of the database, and names its own."""
        self._tell = ""
        """The end of a transaction that tells others."""

    def engine(self, url: URL, durability: Durability) -> Engine:
        """Prepared statements are off: behind pgbouncer they meet another session's."""
        arguments = {
            "connect_timeout": 10,
            "tcp_user_timeout": 30_000,
            "prepare_threshold": None,
            "application_name": NAME,
        }
        arguments = {name: value for name, value in arguments.items() if name not in url.query}
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments, isolation_level="AUTOCOMMIT")

        @event.listens_for(engine, "connect")
        def _settle(connection: Any, _: object) -> None:
            connection.autocommit = True
            answers = connection.execute(
                f"SET synchronous_commit = {'on' if durability == 'disk' else 'off'}; "
                f"SET lock_timeout = '{BUSY}s'; LISTEN {_CHANNEL}; SELECT current_schema()"
            )
            while answers.nextset():
                pass
            self._schema = answers.fetchone()[0] or ""
            quoted = self._schema.replace("'", "''").replace("%", "%%")
            self._tell = f"NOTIFY {_CHANNEL}, '{quoted}'; COMMIT"
            connection.add_notify_handler(self._notified)
            self._own = connection.info.backend_pid
            self._new = True

        return engine

    def _notified(self, notify: Any) -> None:
        self._new |= notify.pid != self._own and notify.payload in ("", self._schema)  # earlier versions name none

    def foreign(self, connection: Connection, names: set[str]) -> str | None:
        if ours := sorted(names & set(METADATA.tables)):
            return (
                f"the schema has tables of another program ({', '.join(ours)}). Name a schema of its own for the runs: "
                "?options=-csearch_path%3Dname"
            )
        return None

    def prepare(self, connection: Connection) -> None:
        pass

    def begin(self, connection: Connection) -> None:
        self._news = False
        connection.exec_driver_sql("BEGIN")

    def lock_tables(self, connection: Connection) -> None:
        sql = f"SELECT pg_advisory_xact_lock({APPLICATION_ID}, hashtext(current_schema()))"
        connection.exec_driver_sql(sql)

    def lock_blobs(self, connection: Connection, *, delete: bool) -> None:
        kind = "" if delete else "_shared"
        sql = f"SELECT pg_advisory_xact_lock{kind}({APPLICATION_ID + 1}, hashtext(current_schema()))"
        connection.exec_driver_sql(sql)

    def read_only(self, connection: Connection) -> bool:
        return bool(connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on")

    def among(self, column: Column[Any], values: Iterable[str]) -> ColumnElement[bool]:
        return column == any_(literal(list(values), ARRAY(Text)))

    def heads(self, connection: Connection, ids: Iterable[str]) -> Sequence[Any]:
        # In the order of the ids: two batches that lock the same runs do not deadlock.
        sql = "SELECT id, epoch, seq, state FROM run WHERE id = ANY(%s::text[]) ORDER BY id FOR UPDATE"
        return connection.exec_driver_sql(sql, (_literal(tuple(ids)),)).all()

    def keyed(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> Sequence[str]:
        sql = (
            "SELECT run.id FROM unnest(%s::text[], %s::text[]) AS wanted(workflow, key)"
            " JOIN run ON run.key IS NOT NULL AND run.workflow = wanted.workflow AND run.key = wanted.key"
        )
        return connection.exec_driver_sql(sql, _literals(list(keys))).scalars().all()

    def insert(self, connection: Connection, table: Table, rows: Sequence[Cells], *, ignore: bool = False) -> None:
        connection.exec_driver_sql(_postgres_insert(table, ignore), _literals(rows))

    def update(self, connection: Connection, columns: tuple[str, ...], rows: Sequence[Cells]) -> None:
        connection.exec_driver_sql(_postgres_update(columns), _literals(rows))

    def take(self, connection: Connection, rows: Sequence[tuple[int, str, str]]) -> None:
        sql = (
            "UPDATE inbox SET taken = new.taken"
            " FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new(taken, id, run)"
            " WHERE inbox.id = new.id AND inbox.run = new.run AND inbox.taken IS NULL"
        )
        connection.exec_driver_sql(sql, _literals(rows))

    def announce(self) -> None:
        self._news = True

    def commit(self, connection: Connection) -> None:
        connection.exec_driver_sql(self._tell if self._news else "COMMIT")

    def changed(self, connection: Connection) -> bool:
        connection.exec_driver_sql("SELECT 1")  # reads what the server has sent meanwhile
        before, self._new = self._new, False
        return before

    def now(self, connection: Connection) -> int | None:
        sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        return int(connection.exec_driver_sql(sql).scalar_one())

    def shrink(self, connection: Connection) -> None:
        pass  # autovacuum does

    def why(self, error: DBAPIError) -> str:
        return " ".join(str(error.orig).split()) or type(error.orig).__name__

    def again(self, error: DBAPIError) -> bool:
        # Of another process: a run with the same key, a deadlock, a serialization failure.
        return getattr(error.orig, "sqlstate", None) in ("23505", "40P01", "40001")

    def untaken(self, error: DBAPIError) -> bool:
        # No value where there must be one, text beside a number, and what is over a limit, such as that of an index.
        state = getattr(error.orig, "sqlstate", None) or ""
        return isinstance(error, DataError) or state in ("23502", "42804", "42883") or state.startswith("54")


def _literals(rows: Sequence[Cells]) -> tuple[str | list[Any], ...]:
    """The columns of rows, each as the text of an array. The driver would make these texts cell by cell, which takes
    three times as long.
    """
    return tuple(map(_literal, zip(*rows, strict=True)))


def _literal(column: tuple[Any, ...]) -> str | list[Any]:
    """A column as an array in the input syntax of Postgres (8.15.2 of its manual)."""
    kinds = set(map(type, column))
    kinds.discard(NoneType)
    if kinds == {str}:
        if None not in column:
            text = "\0".join(column)
            if text.count("\0") != len(column) - 1:
                return list(column)  # the driver refuses the text that has one
            if "\\" in text or '"' in text:
                text = text.replace("\\", "\\\\").replace('"', '\\"')
            return '{"' + text.replace("\0", '","') + '"}'
    elif kinds == {bytes}:
        return "{" + ",".join(["NULL" if cell is None else f'"\\\\x{cell.hex()}"' for cell in column]) + "}"
    elif kinds <= _NUMBERS:
        text = ",".join(map(str, column))
        return "{" + (text.replace("None", "NULL") if None in column else text) + "}"
    return list(column)


_NUMBERS: Final = frozenset({int, float, bool})
_ARRAYS: Final = {Text: "text", BigInteger: "bigint", LargeBinary: "bytea", Double: "double precision", Boolean: "bool"}


def _arrays(table: Table, names: Iterable[str]) -> str:
    """The arguments of `unnest` for these columns."""
    return ", ".join(f"%s::{_ARRAYS[type(table.c[name].type)]}[]" for name in names)


@cache
def _postgres_insert(table: Table, ignore: bool) -> str:
    names = columns_of(table)
    end = " ON CONFLICT DO NOTHING" if ignore else ""
    return f'INSERT INTO "{table.name}" ({_quoted(names)}) SELECT * FROM unnest({_arrays(table, names)}){end}'  # noqa: S608


@cache
def _postgres_update(columns: tuple[str, ...]) -> str:
    names = (*columns, "id")
    values = ", ".join(f"{name} = new.{name}" for name in columns)
    return (
        f"UPDATE run SET {values} FROM unnest({_arrays(METADATA.tables['run'], names)})"  # noqa: S608
        f" AS new({', '.join(names)}) WHERE run.id = new.id"
    )


def tables_of(connection: Connection) -> set[str]:
    """The names of the tables that the connection sees first."""
    return set(inspect(connection).get_table_names())


def revisions_of(connection: Connection) -> list[str]:
    """The content of the version table; one row, in a sound database."""
    return list(connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalars())  # noqa: S608


def file_of(url: URL) -> Path:
    """The file of an SQLite address."""
    assert url.database is not None
    return Path(url.database)
