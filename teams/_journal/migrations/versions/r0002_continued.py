"""Runs that were continued by another one are purged like those that ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ENDED = sa.text("state IN ('done', 'failed', 'cancelled', 'continued')")


def upgrade() -> None:
    """Makes the index of ended runs anew."""
    op.drop_index("run_retain", "run")
    op.create_index("run_retain", "run", ["retain_until"], sqlite_where=ENDED, postgresql_where=ENDED)
