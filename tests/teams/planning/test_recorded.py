"""Estimates that recorded runs give."""

from __future__ import annotations

from teams._journal.rows import EntryKind
from teams.patterns import Approved, Rejected
from teams.planning import plan, recorded_by
from teams.workflows import JournalEntry, Scores, do, workflow
from teams.workflows._run.values import write

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


def test_scores_give_a_pass_rate_and_are_not_attempts() -> None:
    def scored(step: str, passed: bool) -> JournalEntry:
        scores = Scores("D", 0.9 if passed else 0.1, {}, 0.85)
        body = write(Approved(scores) if passed else Rejected(scores))
        return JournalEntry("run", 1, "done", f"{step}/.quality", 1, 9_000_000, 2.0, body)

    run = [
        entry("split", 4, 3),
        entry("split/.quality/good", 9, 1),
        scored("split", False),
        entry("split#2", 8, 1),
        scored("split#2", True),
        scored("map[0]", True),
        scored("map[1]", True),
    ]
    recorded = recorded_by(FLOW, [run, [scored("split", False)]])
    assert recorded.quality == {"split": (1, 3), "map": (2, 2)}
    assert recorded.failures == {"split": (0, 2)}
    assert recorded.steps["split"][0] == 8
