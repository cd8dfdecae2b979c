"""Pauses and resumes that meet: a run belongs to its engine or to none, and is never left behind."""

from __future__ import annotations

import pytest

from teams import member
from teams._journal.codec import encode
from teams._journal.rows import JournalEntry, Unit, Written
from teams.workflows import RunLost, do, workflow
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
