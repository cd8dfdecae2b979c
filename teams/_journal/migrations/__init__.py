"""Alembic migrations: one file in `versions` for each revision. `sql_tables.REVISIONS` lists them."""
