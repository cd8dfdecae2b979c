"""What the tests of stores share is ended with the session."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def schema_is_dropped() -> Iterator[None]:
    """Drops the schema of Postgres that the tests of this process share, if a test has made it."""
    yield
    cast = sys.modules.get("tests.teams.journal.cast")
    if cast is not None:
        cast.shared.close()
