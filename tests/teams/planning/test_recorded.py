"""Estimates that recorded runs give."""

from __future__ import annotations

from teams._journal.rows import EntryKind
from teams.planning import plan, recorded_by
from teams.workflows import JournalEntry, do, workflow

FLOW = workflow("flow", do("split", "worker"), do("map", "worker", each="$split"), do("end", "closer"))


def entry(step: str, at: float, seconds: float | None, kind: EntryKind = "done", attempt: int = 1) -> JournalEntry:
    return JournalEntry("run", 1, kind, step, attempt, int(at * 1e6), seconds, None)


def test_a_step_takes_from_its_first_begin_to_its_last_end() -> None:
    run = [
        entry("split", 10, 4),
        entry("map[0]", 12, 1, "failed"),
        entry("map[0]", 20, 3),
        entry("map[1]", 15, 3),
        entry("end", 21, 0.5),
    ]
    recorded = recorded_by(FLOW, [run])
    assert recorded.steps["split"] == [4]
    assert recorded.failures["split"] == (0, 1)
    assert recorded.steps["map"] == [9]
    assert recorded.failures["map"] == (1, 3)
    assert recorded.steps["end"] == [0.5]


def test_a_step_that_did_not_end_has_no_duration() -> None:
    recorded = recorded_by(FLOW, [[entry("split", 3, 1, "failed"), entry("split", 5, None, "began")]])
    assert "split" not in recorded.steps
    assert recorded.failures["split"] == (1, 1)


def test_members_learn_from_their_steps_but_not_from_maps() -> None:
    recorded = recorded_by(FLOW, [[entry("split", 4, 4), entry("end", 9, 2)], [entry("split", 2, 1)]])
    assert recorded.members == {"worker": [4, 1], "closer": [2]}


def test_recorded_durations_make_the_plan() -> None:
    runs = [[entry("split", seconds, seconds)] for seconds in (1.0, 2.0, 3.0, 4.0, 30.0)]
    planned = plan(FLOW, recorded=recorded_by(FLOW, runs))
    assert planned.task("split").estimated_duration == 8
    assert planned.task("split").estimate.likely == 3
    assert planned.task("map").estimate.source == "5 recorded runs of worker"
