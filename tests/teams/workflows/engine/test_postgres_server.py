"""A Postgres that is stopped and started again, that refuses, or whose notifications do not come."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from supervisors import start
from teams import member
from teams._journal.errors import StoreRefused
from teams._journal.open_store import open_store
from teams._journal.rows import InboxRow, Unit
from teams._journal.sql_dialects import Postgres
from teams.workflows import EngineRef, do, engine, wait, workflow
from teams.workflows._engine import desk, lookout
from teams.workflows.events import StoreBack, StoreLost
from tests.teams.journal.cast import postgres
from tests.teams.journal.cluster import Cluster, cluster


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as found:
        yield found


def test_runs_wait_for_a_postgres_that_is_restarted_and_lose_nothing(
    server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "LEASE", 600.0)  # no server takes so long to start
    began, go_on, lost, back = (threading.Event() for _ in range(4))
    calls: Counter[str] = Counter()

    def first(value: str) -> str:
        calls[f"first {value}"] += 1
        return value

    async def second(value: str) -> str:
        calls[f"second {value}"] += 1
        began.set()
        assert await asyncio.to_thread(go_on.wait, 60)
        return value

    flow = workflow("flow", do("first", "first"), do("second", "second"), do("third", "first"))
    members = member("first", first), member("second", second)
    with start(engine("eng", *members, flow, store=server.url()), log=False) as eng:
        assert isinstance(eng, EngineRef)
        eng.runtime.events.subscribe(lambda _: lost.set(), StoreLost)
        eng.runtime.events.subscribe(lambda _: back.set(), StoreBack)
        run = eng.start_workflow("flow", "x").get(timeout=60)
        assert began.wait(60)
        server.stop()
        go_on.set()  # the end of the second step meets no server
        assert lost.wait(60)
        server.start()
        assert back.wait(60)
        assert run.get(timeout=60) == "x"
        kinds = [(each.kind, each.step) for each in run.history().get(timeout=60)]
    assert kinds == [
        ("began", "first"),
        ("done", "first"),
        ("began", "second"),
        ("done", "second"),
        ("began", "third"),
        ("done", "third"),
        ("ended", ""),
    ]
    assert calls == {"first x": 2, "second x": 1}


def test_a_wrong_password_is_refused_and_not_shown(server: Cluster) -> None:
    with pytest.raises(StoreRefused, match="password authentication failed") as caught:
        open_store(server.url("battery staple"))
    assert "staple" not in str(caught.value)


def test_an_engine_without_notifications_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind pgbouncer in its transaction mode, where LISTEN is another session's."""
    monkeypatch.setattr(Postgres, "_notified", lambda *_: None)
    monkeypatch.setattr(lookout, "LOOK", 0.2)
    with postgres() as url, start(engine("eng", workflow("flow", wait("go", "go")), store=url), log=False) as eng:
        run = eng.start_workflow("flow").get(timeout=60)
        other = open_store(url)
        row = InboxRow("message", run.id, "signal", "go", b"7", "tester", other.now())
        other.commit([Unit(run.id, inbox=(row,))])
        other.close()
        assert run.get(timeout=60) == 7
