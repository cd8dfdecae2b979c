"""An engine says which process it is: one that has ended needs no lease to end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the process of an engine; those of before have none."""
    op.add_column("engine", sa.Column("process", sa.Text, nullable=True))
