"""A blob that is lost or damaged harms the runs that have it, and no others."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from teams._journal.codec import decode
from teams._journal.errors import NotReadable
from teams._journal.rows import Unit
from teams._journal.store import BLOB
from teams.workflows import RunBlocked, do, wait, workflow
from tests.teams.journal.cast import LEASE, Place, begin, entry, message, place, row
from tests.teams.workflows.cast import played_on_sqlite
from tests.teams.workflows.steps import a

LARGE = b"[" + b"1," * BLOB + b"1]"
"""A body that is stored as a blob."""
DAMAGE = ("DELETE FROM blob", "UPDATE blob SET data = substr(data, 1, 20)")


@pytest.fixture(params=["sqlite", "postgres"])
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty place of every kind that has blobs."""
    with place(request.param, tmp_path) as found:
        yield found


def harm(url: str, how: str) -> None:
    """Another program damages the blobs of a store."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(how)
    else:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(how.encode())


def unreadable(body: bytes | None) -> str:
    """Why a body cannot be read."""
    assert body is not None
    with pytest.raises(NotReadable) as caught:
        decode(body)
    return caught.value.what


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_blob_is_told_where_its_body_is_read(there: Place, how: str) -> None:
    store = there.open()
    epoch = store.register("host", 1, LEASE)
    store.commit([begin("bad", input=LARGE, key="k"), begin("good")])
    store.commit([begin("told")])
    store.commit([Unit("told", inbox=(message("m", "told", body=LARGE),))])
    harm(there.url, how)
    store = there.open()
    assert sorted(run.id for run in store.runs()) == ["bad", "good", "told"]
    run = store.run("bad")
    assert run is not None
    for body in (run.input, store.inbox()[0].body):
        assert "the store is damaged: the blob" in unreadable(body)
        assert "Restore a copy" in unreadable(body)
    assert {run.id for run in store.claim(epoch, 10)} == {"bad", "good", "told"}


def test_the_entries_beside_a_damaged_one_are_read(there: Place) -> None:
    store = there.open()
    entries = (entry(1, body=LARGE), entry(2, body=b"2"))
    store.commit([Unit("run", start=row(), entries=entries)])
    harm(there.url, DAMAGE[0])
    first, second = there.open().entries("run")
    assert "is missing" in unreadable(first.body)
    assert second.body == b"2"


def flow() -> Any:
    """It waits, and then has a step."""
    return workflow("flow", wait("go", "go"), do("a", "a", input=["$input"]))


@pytest.mark.parametrize("how", DAMAGE)
def test_a_run_that_is_damaged_is_blocked_and_the_others_go_on(tmp_path: Path, how: str) -> None:
    with played_on_sqlite(tmp_path, a, flow()) as scene:
        bad, good = scene.start("flow", "x" * BLOB * 2), scene.start("flow", "y")
        scene.sim.advance(5.0)
    harm(f"sqlite:///{tmp_path / 'runs.db'}", how)
    with played_on_sqlite(tmp_path, a, flow()) as scene:
        told: list[RunBlocked] = []
        scene.sim.runtime.events.subscribe(told.append, RunBlocked)
        for run in (bad, good):
            scene.eng.workflow_run(run.id).signal("go").get()
        assert scene.eng.workflow_run(good.id).get(timeout=60) == ["y", "a"]
        assert [each.run for each in told] == [bad.id]
        assert "the store is damaged" in str(scene.eng.workflow_run(bad.id).status().get().waiting_for)


def test_a_cancellation_counts_although_its_reason_is_damaged(tmp_path: Path) -> None:
    with played_on_sqlite(tmp_path, a, flow()) as scene:
        bad, good = scene.start("flow", "x"), scene.start("flow", "y")
        scene.sim.advance(5.0)
        with closing(scene.open()) as store:
            said = replace(message("m", bad.id, body=LARGE), kind="cancel", name="")
            store.commit([Unit(bad.id, inbox=(said,))])
    harm(f"sqlite:///{tmp_path / 'runs.db'}", DAMAGE[0])
    with played_on_sqlite(tmp_path, a, flow()) as scene:
        scene.eng.workflow_run(good.id).signal("go").get()
        assert scene.eng.workflow_run(good.id).get(timeout=60) == ["y", "a"]
        assert scene.eng.workflow_run(bad.id).status().get().state == "cancelled"
