"""How many statements a store needs: no more for many runs than for few."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from teams._journal.rows import Unit
from teams._journal.sql import SqlStore
from tests.teams.journal.cast import LEASE, begin, entry, message, place


def statements(store: SqlStore, call: Callable[..., object], *args: object) -> list[str]:
    """What the store sends to the database meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
        sent.append(statement)

    engine = store._engine
    assert engine is not None
    event.listen(engine, "before_cursor_execute", note)
    try:
        call(*args)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return sent


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_many_runs_take_no_more_statements_than_few(kind: str, tmp_path: Path) -> None:
    with place(kind, tmp_path) as there:
        store = there.open()
        assert isinstance(store, SqlStore)
        counts: list[tuple[int, list[str], list[str], list[str], list[str]]] = []
        for number in (3, 300):
            runs = [f"{number}-{each:03}" for each in range(number)]
            started = statements(store, store.commit, [begin(run) for run in runs])
            store.commit([Unit(run, inbox=(message(run, run),)) for run in runs])
            epoch = store.register("host", 1, LEASE)
            claimed = statements(store, store.claim, epoch, number)
            read = statements(store, store.entries_of, runs) + statements(store, store.inbox_of, runs)
            ends = [Unit(run, epoch, entries=(entry(2, run),), update={"state": "done"}) for run in runs]
            ended = statements(store, store.commit, ends)
            assert len(store.entries_of(runs)) == len(store.inbox_of(runs)) == number
            assert store.counts()["done"] == number + sum(each[0] for each in counts)
            counts.append((number, started, claimed, read, ended))
        few, many = counts
        assert few[1:] == many[1:]
