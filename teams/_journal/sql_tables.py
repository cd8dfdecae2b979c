"""The tables, for SQLite and Postgres alike. The migrations make them; a test holds both against each other."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005")
"""The migrations this code knows, oldest first. A database of another revision is newer than the code."""
STORED_NAME: Final = "letitcrash"
"""In every database that exists: the table of the version begins with it, and engines of all versions wake each other
by this channel. It stays if the project gets another name.
"""
VERSION_TABLE: Final = f"{STORED_NAME}_version"
APPLICATION_ID: Final = 0x4C495443
"""Of an SQLite file: `LITC`."""

READY: Final = "(state = 'created' OR state = 'running' OR state = 'cancelling')"
"""`RUNNABLE` in SQL. The conditions of the partial indexes stand in the queries word for word, or SQLite uses none. For
`IN` with more than two values SQLite makes a table in memory, each time that a row of an index changes.
"""
PARKED: Final = "(state = 'waiting' OR state = 'paused' OR state = 'blocked')"
ENDED_STATE: Final = "(state = 'done' OR state = 'failed' OR state = 'cancelled' OR state = 'continued')"

METADATA = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # only an INTEGER counts by itself in SQLite


def _partial(name: str, *columns: Column[object], where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def _text(name: str, *, null: bool = False, key: bool = False) -> Column[object]:
    return Column(name, Text, nullable=null, primary_key=key)


def _bytes(name: str, *, null: bool = True, key: bool = False) -> Column[object]:
    return Column(name, LargeBinary, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False, key: bool = False) -> Column[object]:
    return Column(name, BigInteger, nullable=null, primary_key=key, autoincrement=False)


DEFINITION = Table(
    "definition",
    METADATA,
    _text("workflow", key=True),
    _text("version", key=True),
    _bytes("body", null=False),
    _number("created_at"),
)
RUN = Table(
    "run",
    METADATA,
    _text("id", key=True),
    _text("workflow"),
    _text("version"),
    _text("key", null=True),
    _text("parent", null=True),
    _text("parent_step", null=True),
    _text("state"),
    _text("waiting_for", null=True),
    _number("priority"),
    _bytes("input", null=False),
    _bytes("result"),
    _bytes("error"),
    _bytes("attributes"),
    _number("created_at"),
    _number("started_at", null=True),
    _number("ended_at", null=True),
    _number("deadline", null=True),
    _number("wake_at", null=True),
    _number("retain_until", null=True),
    _number("owner", null=True),
    _number("epoch"),
    _number("seq"),
    _number("total", null=True),
    _text("trace", null=True),
    postgresql_with={"fillfactor": 50},  # each step of a run changes its row
)
_partial("run_key", RUN.c.workflow, RUN.c.key, where="key IS NOT NULL", unique=True)
_partial("run_ready", RUN.c.priority, RUN.c.created_at, where=READY)
_partial("run_wake", RUN.c.wake_at, where=PARKED)
_partial("run_owner", RUN.c.owner, where="owner IS NOT NULL")
_partial("run_retain", RUN.c.retain_until, where=ENDED_STATE)
Index("run_created", RUN.c.created_at)
ENTRY = Table(
    "entry",
    METADATA,
    _text("run", key=True),
    _number("seq", key=True),
    _text("kind"),
    _text("step"),
    _number("attempt"),
    _number("at"),
    Column("seconds", Double, nullable=True),
    _bytes("body"),
    sqlite_with_rowid=False,  # the entries of a run lie side by side
)
BLOB = Table(
    "blob",
    METADATA,
    _bytes("digest", null=False, key=True),
    _number("size"),
    _text("codec"),
    _bytes("data", null=False),
)
RUN_BLOB = Table(
    "run_blob",
    METADATA,
    _text("run", key=True),
    _bytes("digest", null=False, key=True),
    sqlite_with_rowid=False,
)
Index("run_blob_digest", RUN_BLOB.c.digest)
INBOX = Table(
    "inbox",
    METADATA,
    Column("number", _NUMBER, Identity(), primary_key=True),
    _text("id"),
    _text("run"),
    _text("kind"),
    _text("name"),
    _bytes("body"),
    _text("by"),
    _number("at"),
    _number("taken", null=True),
    sqlite_autoincrement=True,
)
Index("inbox_id", INBOX.c.id, unique=True)
Index("inbox_run", INBOX.c.run)
_partial("inbox_untaken", INBOX.c.run, where="taken IS NULL")
SCHEDULE = Table(
    "schedule",
    METADATA,
    _text("id", key=True),
    _text("workflow"),
    _text("spec"),
    _text("tz"),
    _bytes("input", null=False),
    _text("overlap"),
    _text("catch_up"),
    Column("jitter", Double, nullable=False),
    _number("next_at", null=True),
    _number("last_slot", null=True),
    Column("paused", Boolean, nullable=False),
)
ENGINE = Table(
    "engine",
    METADATA,
    Column("epoch", _NUMBER, Identity(), primary_key=True),
    _text("host"),
    _number("pid"),
    _number("started_at"),
    _number("lease_until"),
    _text("process", null=True),
    sqlite_autoincrement=True,  # an epoch is given out once, also when its row is deleted
)
