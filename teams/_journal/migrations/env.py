"""Runs the migrations on the connection that the store passes in, inside the store's transaction."""

from __future__ import annotations

from alembic import context

from teams._journal.sql_tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
context.run_migrations()
