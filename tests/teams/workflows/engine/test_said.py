"""What may be said to a run: decided from rows alone (`_engine/said.py`)."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teams._journal.codec import decode, encode
from teams._journal.rows import Definition, EntryKind, JournalEntry, RunRow
from teams.workflows import AlreadyEnded, CannotMove, NoSuchStep, NotEnded
from teams.workflows._engine.said import move_faults, moved, not_moved, retried
from teams.workflows._run.names import step_of

ROW = RunRow(
    id="r", workflow="w", version="v1", key=None, parent=None, parent_step=None, state="waiting", waiting_for="x",
    priority=0, input=b"null", result=None, error=None, attributes=None, created_at=1, started_at=None, ended_at=None,
    deadline=None, wake_at=None, retain_until=None, owner=None, epoch=7, seq=0, total=1, trace=None,
)  # fmt: skip


def chain(*ids: str, **more: Any) -> dict[str, Any]:
    """A document of a chain; the number of a step is what it does."""
    return {"workflow": "w", "steps": [{"id": id[0], "agent": id} for id in ids], **more}


def definition(document: Any, version: str = "v2") -> Definition:
    body = document if isinstance(document, str) else json.dumps(document)
    return Definition("w", version, body.encode(), 1)


def entries(*said: tuple[EntryKind, str]) -> list[JournalEntry]:
    return [JournalEntry("r", number, kind, step, 1, 1, None, None) for number, (kind, step) in enumerate(said, 1)]


# move


@pytest.mark.parametrize(
    ("touched", "was", "to", "faults"),
    [
        ("a", chain("a", "b"), chain("a", "c"), []),
        ("a", chain("a", "b"), chain("a", "c", "b"), []),
        ("ab", chain("a", "b"), chain("a", "b", "c"), []),
        ("", chain("a", "b"), chain("x"), []),
        ("ab", chain("a", "b"), chain("a", "c", "b"), ["step 'b' comes after c there, it came after a"]),
        ("a", chain("a", "b"), chain("b", "a"), ["step 'a' comes after b there, it came after none"]),
        ("ab", chain("a", "b"), chain("a"), ["step 'b' is missing there"]),
        (
            "ab",
            chain("a1", "b1"),
            chain("a2", "b2"),
            ["step 'a' is another one there", "step 'b' is another one there"],
        ),
        ("", chain("a", input="m:A"), chain("a"), ["its input is any value there, it was m:A"]),
        ("", {}, chain("a"), ["only its code says what it does"]),
        ("z", chain("a"), chain("a"), ["step 'z' is not in the version of the run"]),
    ],
)
def test_a_move_keeps_what_has_begun_as_it_is(touched: str, was: Any, to: Any, faults: list[str]) -> None:
    assert list(move_faults(set(touched), was, to)) == faults


def test_a_chain_does_not_become_a_dag() -> None:
    dag = {"workflow": "w", "tasks": chain("a")["steps"]}
    assert list(move_faults(set(), chain("a"), dag)) == ["one of the versions is a chain, and the other a DAG"]


IDS = "abcdef"
DOCUMENTS = st.lists(
    st.sampled_from([f"{id}{number}" for id in IDS for number in "12"]), unique_by=lambda each: each[0]
)


@given(DOCUMENTS, DOCUMENTS, st.integers(0, 6))
def test_a_chain_moves_where_what_it_has_done_begins_both(was: list[str], to: list[str], done: int) -> None:
    """A run of a chain has done the first steps, in order: those must be the first ones of the other version."""
    touched = {each[0] for each in was[:done]}
    allowed = not list(move_faults(touched, chain(*was), chain(*to)))
    assert allowed is (was[:done] == to[: len(was[:done])])


@given(DOCUMENTS, DOCUMENTS, st.sets(st.sampled_from(IDS)))
def test_a_dag_moves_where_what_it_has_done_is_unchanged(was: list[str], to: list[str], touched: set[str]) -> None:
    one, two = ({"workflow": "w", "tasks": chain(*each)["steps"]} for each in (was, to))
    touched &= {each[0] for each in was}
    before = copy.deepcopy((one, two))
    allowed = not list(move_faults(touched, one, two))
    assert allowed is all(each in to for each in was if each[0] in touched)
    assert (one, two) == before


@pytest.mark.parametrize("name", ["a", "a/b", "a#2", "a[3]", "a/b#2[7]", "a/pause"])
def test_a_part_of_a_step_counts_as_the_step(name: str) -> None:
    assert step_of(name) == "a"
    with pytest.raises(CannotMove, match="step 'a' is another one there"):
        moved(ROW, entries(("began", name)), definition(chain("a1"), "v1"), definition(chain("a2")), 5)


def test_a_move_is_one_unit_that_the_last_owner_may_write() -> None:
    unit = moved(
        ROW._replace(seq=1),
        entries(("done", "a")),
        definition(chain("a", "b")),
        definition(chain("a", "c")),
        5,
    )
    assert unit.epoch == 7
    assert unit.definition is not None
    assert unit.update == {"version": "v2", "total": 2, "owner": None}
    (entry,) = unit.entries
    assert (entry.seq, entry.kind) == (2, "edited")


def test_a_blocked_run_goes_on_after_a_move() -> None:
    row = ROW._replace(state="blocked")
    assert moved(row, [], definition(chain("a")), definition(chain("b")), 5).update["state"] == "created"
    row = ROW._replace(state="paused")
    assert "state" not in moved(row, [], definition(chain("a")), definition(chain("b")), 5).update


def test_a_run_that_has_ended_is_not_moved() -> None:
    with pytest.raises(AlreadyEnded):
        moved(ROW._replace(state="done"), [], definition(chain("a")), definition(chain("b")), 5)


def test_a_pattern_is_not_moved_and_the_reason_is_written() -> None:
    with pytest.raises(CannotMove, match="only its code") as caught:
        moved(ROW, [], definition("Sequential(...)"), definition(chain("b")), 5)
    assert pickle.loads(pickle.dumps(caught.value)).why == caught.value.why
    unit = not_moved(ROW, caught.value, 5)
    assert not unit.update
    assert "only its code" in decode(unit.entries[0].body or b"")["refused"]


# retry


def test_a_retry_from_a_step_begins_with_its_first_entry() -> None:
    row = ROW._replace(state="failed", seq=3, deadline=101, ended_at=50)
    unit = retried(row, entries(("done", "a"), ("began", "b/x"), ("failed", "b/x")), "b", 1000)
    assert unit.entries == (JournalEntry("r", 4, "retried", "", 1, 1000, None, encode(2)),)
    assert unit.update["state"] == "created"
    assert unit.update["deadline"] == 1100


def test_only_a_run_that_failed_or_was_cancelled_is_tried_again() -> None:
    for state in ("created", "running", "waiting", "paused", "blocked", "cancelling"):
        with pytest.raises(NotEnded):
            retried(ROW._replace(state=state), [], None, 1)
    with pytest.raises(AlreadyEnded):
        retried(ROW._replace(state="done"), [], None, 1)
    with pytest.raises(NoSuchStep, match=r"begun: a\)"):
        retried(ROW._replace(state="failed"), entries(("began", "a"), ("done", "a[2]")), "b", 1)
