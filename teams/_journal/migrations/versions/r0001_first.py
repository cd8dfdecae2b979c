"""The tables of the first version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

READY = "state IN ('created', 'running', 'cancelling')"
PARKED = "state IN ('waiting', 'paused', 'blocked')"
ENDED = "state IN ('done', 'failed', 'cancelled')"


def upgrade() -> None:
    """Makes all tables and indexes."""
    op.create_table(
        "definition",
        _text("workflow", key=True),
        _text("version", key=True),
        _bytes("body", null=False),
        _number("created_at"),
    )
    op.create_table(
        "run",
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
    )
    _index("run_key", "run", "workflow", "key", where="key IS NOT NULL", unique=True)
    _index("run_ready", "run", "priority", "created_at", where=READY)
    _index("run_wake", "run", "wake_at", where=PARKED)
    _index("run_owner", "run", "owner", where="owner IS NOT NULL")
    _index("run_retain", "run", "retain_until", where=ENDED)
    op.create_index("run_created", "run", ["created_at"])
    op.create_table(
        "entry",
        _text("run", key=True),
        _number("seq", key=True),
        _text("kind"),
        _text("step"),
        _number("attempt"),
        _number("at"),
        sa.Column("seconds", sa.Double, nullable=True),
        _bytes("body"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "blob",
        _bytes("digest", null=False, key=True),
        _number("size"),
        _text("codec"),
        _bytes("data", null=False),
    )
    op.create_table("run_blob", _text("run", key=True), _bytes("digest", null=False, key=True), sqlite_with_rowid=False)
    op.create_index("run_blob_digest", "run_blob", ["digest"])
    op.create_table(
        "inbox",
        _counted("number"),
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
    op.create_index("inbox_id", "inbox", ["id"], unique=True)
    op.create_index("inbox_run", "inbox", ["run"])
    _index("inbox_untaken", "inbox", "run", where="taken IS NULL")
    op.create_table(
        "schedule",
        _text("id", key=True),
        _text("workflow"),
        _text("spec"),
        _text("tz"),
        _bytes("input", null=False),
        _text("overlap"),
        _text("catch_up"),
        sa.Column("jitter", sa.Double, nullable=False),
        _number("next_at", null=True),
        _number("last_slot", null=True),
        sa.Column("paused", sa.Boolean, nullable=False),
    )
    op.create_table(
        "engine",
        _counted("epoch"),
        _text("host"),
        _number("pid"),
        _number("started_at"),
        _number("lease_until"),
        sqlite_autoincrement=True,
    )


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=null, primary_key=key)


def _bytes(name: str, *, null: bool = True, key: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.LargeBinary, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False, key: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger, nullable=null, primary_key=key, autoincrement=False)


def _counted(name: str) -> sa.Column[object]:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, number, sa.Identity(), primary_key=True)


def _index(name: str, table: str, *columns: str, where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, list(columns), unique=unique, sqlite_where=condition, postgresql_where=condition)
