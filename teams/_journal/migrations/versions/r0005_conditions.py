"""SQLite makes no table in memory for the conditions of indexes each time that a run changes its state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INDEXES = (
    ("run_ready", ["priority", "created_at"], ("created", "running", "cancelling")),
    ("run_wake", ["wake_at"], ("waiting", "paused", "blocked")),
    ("run_retain", ["retain_until"], ("done", "failed", "cancelled", "continued")),
)


def upgrade() -> None:
    """Makes the indexes anew, each with `=` and `OR` in place of `IN`. In Postgres that is the same condition."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for name, columns, states in INDEXES:
        condition = sa.text("(" + " OR ".join(f"state = '{state}'" for state in states) + ")")
        op.drop_index(name, "run")
        op.create_index(name, "run", columns, sqlite_where=condition)
