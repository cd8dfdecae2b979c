"""A place for stores, of every kind in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from teams._journal.store import Store
from tests.teams.journal.cast import Place, place


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def somewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place, of every kind in turn."""
    with place(request.param, tmp_path) as there:
        yield there


@pytest.fixture
def store(somewhere: Place) -> Store:
    """An open store, of every kind in turn."""
    return somewhere.open()
