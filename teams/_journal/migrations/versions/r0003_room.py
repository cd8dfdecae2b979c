"""A row of a run in Postgres has room beside it, so that a step changes it in place and no index (a HOT update)."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Leaves half of each new page free. SQLite changes rows in place by itself."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE run SET (fillfactor = 50)")
