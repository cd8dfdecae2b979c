"""Pauses and resumes that meet: a run belongs to its engine or to none, and is never left behind."""

from __future__ import annotations

from typing import Any

import pytest

from teams import member
from teams._journal.codec import encode
from teams._journal.rows import JournalEntry, RunRow, Unit, Written
from teams.workflows import RunLost, do, wait, workflow
from teams.workflows._engine.records import Records
from tests.teams.patterns.cast import takes
from tests.teams.workflows.cast import played

slow = member("slow", takes(1.0, lambda value: value + 1))
FLOW = workflow("flow", *(do(name, "slow") for name in "abcd"))


def test_a_run_that_is_lost_here_and_still_owned_here_goes_on() -> None:
    """Its writes are refused because another wrote in its name: two claims of one engine that met were such a case."""
    with played(slow, FLOW) as scene:
        lost: list[RunLost] = []
        scene.sim.runtime.events.subscribe(lost.append, RunLost)
        run = scene.start("flow", 0)
        scene.sim.advance(1.5)
        row = scene.row(run)
        entry = JournalEntry(row.id, row.seq + 1, "kept", "(go on)", 1, row.created_at, None, encode({"go_on": 0}))
        (written,) = scene.open().commit([Unit(row.id, epoch=row.epoch, entries=(entry,))])
        assert isinstance(written, Written)
        assert run.get(timeout=100) == 4
        assert [each.run for each in lost] == [run.id]


@pytest.mark.parametrize("pairs", [1, 2, 7])
def test_pauses_and_resumes_at_one_moment_end_as_the_last_one_says(pairs: int) -> None:
    with played(slow, FLOW) as scene:
        run = scene.start("flow", 0)
        scene.sim.advance(1.5)
        said = [order for _ in range(pairs) for order in (run.pause(), run.resume())]
        assert [each.get() for each in said] == [None] * 2 * pairs
        assert run.get(timeout=100) == 4


def test_a_paused_run_is_read_again_when_its_last_write_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was claimed because of a message, and set aside by a keeper that did not know the last entry."""
    with played(slow, FLOW) as scene:
        run = scene.start("flow", 0)
        scene.sim.advance(1.5)
        run.pause().get()
        scene.sim.advance(1.0)
        row = scene.row(run)
        assert (row.state, row.owner) == ("paused", None)
        whole = Records.written_of

        async def before(records: Records, found: list[RunRow]) -> list[Any]:
            monkeypatch.setattr(Records, "written_of", whole)
            return [
                (each._replace(seq=each.seq - 1), entries[:-1], said)
                for each, entries, said in await whole(records, found)
            ]

        monkeypatch.setattr(Records, "written_of", before)
        run.signal("word").get()
        scene.sim.advance(10.0)
        assert Records.written_of is whole
        assert (scene.row(run).state, scene.row(run).owner) == ("paused", None)
        run.resume().get()
        assert run.get(timeout=100) == 4


@pytest.mark.parametrize("state", ["paused", "waiting"])
def test_a_desk_that_crashes_over_a_claim_has_the_run_again(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """The store says that the run is ours, and the desk that claimed it did not come to play it."""
    flow = FLOW if state == "paused" else workflow("flow", wait("w", "word"), do("a", "slow"))
    with played(slow, flow) as scene:
        run = scene.start("flow", 0)
        scene.sim.advance(1.5)
        if state == "paused":
            run.pause().get()
        scene.sim.advance(2.0)
        assert (scene.row(run).state, scene.row(run).owner) == (state, None)
        whole = Records.written_of

        async def crash(_: Records, found: list[RunRow]) -> list[Any]:
            monkeypatch.setattr(Records, "written_of", whole)
            raise RuntimeError

        monkeypatch.setattr(Records, "written_of", crash)
        (run.resume() if state == "paused" else run.signal("word", 0)).get()
        assert run.get(timeout=100) == (4 if state == "paused" else 1)
        assert Records.written_of is whole
