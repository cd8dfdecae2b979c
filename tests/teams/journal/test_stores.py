"""The rules of a store, in memory, in SQLite and in Postgres: starting, owning, writing, messages, claims, purges."""

from __future__ import annotations

import pickle
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from teams._journal.errors import NotStorable, PayloadTooLarge, RecordedError, StoreAway, StoreRefused
from teams._journal.open_store import open_store
from teams._journal.rows import (
    Definition,
    Fenced,
    JournalEntry,
    Known,
    LifeState,
    MessageRefused,
    OtherInput,
    ScheduleRow,
    Unit,
    Written,
)
from teams._journal.store import BLOB, Store
from tests.teams.journal.cast import LEASE, SECOND, Place, begin, entry, message, place, postgres, row

LARGE = b"[" + b"1," * BLOB + b"1]"
"""A body that is stored as a blob."""


def owned(store: Store, *ids: str) -> int:
    """Starts these runs, and makes a new engine their owner."""
    epoch = store.register("host", 1, LEASE)
    store.commit([begin(id) for id in ids])
    assert {run.id for run in store.claim(epoch, 100)} == set(ids)
    return epoch


# Cells

TEXTS = st.sampled_from(["", "NULL", "None", '"', "\\", '{"a","b"}', "\\x41", "é\n\t,"]) | st.text(
    st.characters(exclude_characters="\0", codec="utf-8"), max_size=5
)
SECONDS = st.none() | st.floats(allow_nan=False) | st.integers(0, 3).map(float)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS, st.binary(min_size=1), SECONDS), min_size=1, max_size=4))
@example([('"', None, b"\\", 1e300), ("\\", '"', b"\xff", float("-inf"))])
def test_every_cell_comes_back_as_it_was(
    store: Store, cells: list[tuple[str, str | None, bytes, float | None]]
) -> None:
    with_cells: list[tuple[Unit, JournalEntry]] = []
    for step, waits, body, seconds in cells:
        run = f"run {len(store.runs(limit=10_000))} {len(with_cells)}"
        told = entry(1, run, step=step, body=body)._replace(seconds=seconds)
        unit = Unit(run, start=row(run, waiting_for=waits, input=body, state="done"), entries=(told,))
        with_cells.append((unit, told))
    assert store.commit([unit for unit, _ in with_cells]) == [Written()] * len(cells)
    for unit, told in with_cells:
        assert unit.start is not None
        assert store.run(unit.run) == unit.start._replace(seq=1)
        assert store.entries(unit.run) == [told]


def test_a_text_with_a_zero_byte_is_refused_by_postgres_alone(somewhere: Place) -> None:
    store = somewhere.open()
    epoch = owned(store, "a", "b")
    units = [Unit(run, epoch, update={"waiting_for": text}) for run, text in (("a", "x\0y"), ("b", "z"))]
    if somewhere.kind == "postgres":
        with pytest.raises(NotStorable, match="a cell of a row"):
            store.commit(units)
    else:
        assert store.commit(units) == [Written(), Written()]
    said = [run.waiting_for for run in (store.run("a"), store.run("b")) if run is not None]
    assert said == ([None, None] if somewhere.kind == "postgres" else ["x\0y", "z"])


# Starting


def test_a_start_is_there_with_its_entries(store: Store) -> None:
    assert store.commit([begin(priority=3, attributes=b"{}")]) == [Written()]
    assert store.run("run") == row(priority=3, attributes=b"{}", seq=1)
    assert store.entries("run") == [entry(1, kind="started")]


def test_the_same_key_and_input_give_the_run_that_exists(store: Store) -> None:
    store.commit([begin("first", key="mail")])
    (known,) = store.commit([begin("second", key="mail")])
    assert known == Known(row("first", key="mail", seq=1))
    assert store.run("second") is None
    assert store.entries("second") == []


def test_the_same_key_with_another_input_is_refused(store: Store) -> None:
    store.commit([begin("first", key="mail", input=LARGE)])
    answers = store.commit([begin("second", key="mail", input=b"2"), begin("third", key="mail", input=LARGE)])
    first = row("first", key="mail", input=LARGE, seq=1)
    assert answers == [OtherInput(first), Known(first)]


def test_the_same_key_of_two_workflows_is_two_runs(store: Store) -> None:
    assert store.commit([begin("a", key="k"), begin("b", key="k", workflow="other")]) == [Written(), Written()]


def test_a_unit_sees_the_units_before_it_in_its_batch(store: Store) -> None:
    answers = store.commit([begin("first", key="mail"), begin("second", key="mail"), Unit("first", 0, inbox=())])
    assert [type(answer) for answer in answers] == [Written, Known, Written]


def test_an_engine_can_own_a_run_from_its_start(store: Store) -> None:
    epoch = store.register("host", 1, LEASE)
    start = row(owner=epoch, epoch=epoch)
    more = Unit("run", epoch, entries=(entry(1), entry(2)), update={"state": "running", "total": 2})
    assert store.commit([Unit("run", epoch, start=start), more]) == [Written(), Written()]
    assert store.run("run") == start._replace(state="running", total=2, seq=2)
    assert store.claim(epoch, 10) == []


# Owning


def test_an_engine_that_lost_a_run_is_fenced_and_changes_nothing(somewhere: Place) -> None:
    store = somewhere.open()
    old = owned(store, "run", "other")
    new = store.register("host", 2, LEASE * 10)
    somewhere.now.advance(LEASE)
    (taken,) = store.claim(new, 1)
    answers = store.commit(
        [Unit(id, old, entries=(entry(2, id),), update={"state": "done"}) for id in ("run", "other")]
    )
    assert answers == [Fenced(new) if id == taken.id else Written() for id in ("run", "other")]
    assert store.run(taken.id) == taken
    assert [each.seq for each in store.entries(taken.id)] == [1]


def test_a_run_has_one_owner_until_its_lease_is_over(somewhere: Place) -> None:
    store = somewhere.open()
    first = owned(store, "run")
    rival = somewhere.open() if somewhere.kind != "sqlite" else store
    second = rival.register("host", 2, LEASE * 10)
    if somewhere.kind != "sqlite":  # one engine a file: there the first one is dead for certain
        assert rival.claim(second, 10) == []
        somewhere.now.advance(LEASE - 0.000001)
        assert rival.claim(second, 10) == []
        somewhere.now.advance(0.000001)
    (taken,) = rival.claim(second, 10)
    assert (taken.owner, taken.epoch) == (second, second)
    assert not store.renew(first, LEASE)


def test_a_renewed_lease_keeps_the_runs(somewhere: Place) -> None:
    store = somewhere.open()
    epoch = owned(store, "run")
    somewhere.now.advance(LEASE - 1)
    assert store.renew(epoch, LEASE)
    somewhere.now.advance(LEASE - 1)
    assert store.renew(epoch, LEASE)
    somewhere.now.advance(LEASE)
    assert not store.renew(epoch, LEASE)


def test_a_store_says_when_the_next_lease_of_another_engine_ends(somewhere: Place) -> None:
    store = somewhere.open()
    first = store.register("host", 1, 10.0)
    assert store.lease_left(first) is None
    if somewhere.kind == "sqlite":
        return  # there is no other one
    second, third = store.register("host", 2, 7.0), store.register("host", 3, 20.0)
    assert [store.lease_left(each) for each in (first, second, third)] == [7.0, 10.0, 7.0]
    somewhere.now.advance(6.5)
    assert store.lease_left(first) == 0.5
    somewhere.now.advance(0.5)
    assert [store.lease_left(each) for each in (first, second, third)] == [13.0, 3.0, 3.0]


def test_the_runs_of_an_owner_are_those_it_has_whatever_their_state(store: Store) -> None:
    first, second = (store.register("host", number, LEASE) for number in (1, 2))
    store.commit([begin("a", owner=first, epoch=first, state="paused"), begin("b", owner=second, epoch=second)])
    store.commit([begin("c"), begin("d", owner=first, epoch=first, state="waiting")])
    assert sorted(run.id for run in store.runs(owner=first)) == ["a", "d"]
    assert [run.id for run in store.runs(owner=first, states=["waiting"])] == ["d"]
    assert store.runs(owner=second + 1) == []


def test_an_engine_whose_lease_is_over_claims_nothing(somewhere: Place) -> None:
    store = somewhere.open()
    epoch = store.register("host", 1, LEASE)
    store.commit([begin()])
    somewhere.now.advance(LEASE)
    assert store.claim(epoch, 10) == []


def test_a_released_engine_gives_up_its_runs_at_once(store: Store) -> None:
    first = owned(store, "run")
    store.release(first)
    second = store.register("host", 2, LEASE)
    assert second > first
    assert [run.id for run in store.claim(second, 10)] == ["run"]
    assert store.commit([Unit("run", first, update={"state": "done"})]) == [Fenced(second)]


def test_no_two_engines_get_the_same_epoch(store: Store) -> None:
    epochs = []
    for _ in range(3):
        epochs.append(store.register("host", 1, LEASE))
        store.release(epochs[-1])
        store.purge(10**18, 10)
    assert sorted(set(epochs)) == epochs


def test_a_parked_run_is_written_by_its_last_owner_until_it_is_claimed(store: Store) -> None:
    epoch = owned(store, "run")
    park = Unit("run", epoch, update={"state": "waiting", "waiting_for": "paid", "owner": None})
    assert store.commit([park]) == store.commit([park]) == [Written()]
    assert store.run("run") == row(state="waiting", waiting_for="paid", seq=1, epoch=epoch)


# Writing


def test_a_unit_of_an_unknown_run_is_refused(store: Store) -> None:
    assert store.commit([Unit("none", 1, entries=(entry(1, "none"),))]) == [MessageRefused("no_such_run", "none")]


def test_a_batch_that_is_sent_again_changes_nothing(store: Store) -> None:
    epoch = owned(store, "run")
    batch = [
        begin("child", parent="run", key="k"),
        Unit("run", epoch, update={"state": "waiting", "wake_at": 9}),
        Unit("run", epoch, entries=(entry(2), entry(3, body=LARGE)), update={"state": "running", "result": LARGE}),
        Unit("child", inbox=(message("m", "child"),)),
    ]
    assert store.commit(batch) == [Written()] * 4
    before = store.runs(), store.entries("run"), store.entries("child"), store.inbox()
    again = store.commit(batch)
    assert [type(answer) for answer in again] == [Known, Written, Written, Written]
    assert (store.runs(), store.entries("run"), store.entries("child"), store.inbox()) == before


def test_a_run_that_goes_on_in_place_of_another_begins_with_its_end(store: Store) -> None:
    epoch = owned(store, "run")
    store.commit([Unit("run", inbox=(message("early"), message("taken")))])
    end = {"state": "continued", "result": b'"next"', "owner": None}
    told = message("told>next", "next")
    follow = row("next", parent="run")
    unit = Unit("run", epoch, None, None, (entry(2, kind="ended"),), end, (told,), ("taken",), follow)
    late = Unit("run", inbox=(message("late"),))
    for _ in range(2):  # sent again, it changes nothing
        assert store.commit([unit, late]) == [Written(), MessageRefused("already_ended", "run")]
        assert store.run("next") == follow
        assert [(each.id, each.run) for each in store.inbox()] == [("early", "next"), ("told>next", "next")]
    assert [each.id for each in store.claim(epoch, 10)] == ["next"]


def test_a_run_that_was_lost_begins_none_in_its_place(store: Store) -> None:
    epoch = owned(store, "run")
    unit = Unit("run", epoch + 1, None, None, (entry(2),), {}, (), (), row("next"))
    assert store.commit([unit]) == [Fenced(epoch)]
    assert store.run("next") is None
    with pytest.raises(ValueError, match="need an epoch"):
        Unit("run", follow=row("next"))


def test_the_entries_of_several_runs_come_by_run(store: Store) -> None:
    epoch = owned(store, "a", "b", "c")
    store.commit([Unit(run, epoch, entries=(entry(2, run), entry(3, run, body=LARGE))) for run in ("b", "a")])
    found = store.entries_of(["b", "a", "c", "unknown"])
    assert found == {run: store.entries(run) for run in ("a", "b", "c")}
    assert store.entries_of([]) == {}


def test_a_batch_sent_again_after_later_entries_changes_nothing(store: Store) -> None:
    epoch = owned(store, "run")
    batch = [Unit("run", epoch, entries=(entry(2),), update={"state": "running"})]
    store.commit(batch)
    store.commit([Unit("run", epoch, entries=(entry(3, kind="ended"),), update={"state": "done"})])
    before = store.run("run")
    assert store.commit(batch) == [Written()]
    assert store.run("run") == before


def test_another_entry_under_a_number_that_is_taken_is_fenced(store: Store) -> None:
    epoch = owned(store, "run")
    store.commit([Unit("run", epoch, entries=(entry(2),))])
    for wrong in (entry(2, body=b"other"), entry(2, kind="failed"), entry(2, step="other")):
        assert store.commit([Unit("run", epoch, entries=(wrong,), update={"total": 9})]) == [Fenced(epoch)]
    assert store.entries("run", after=1) == [entry(2)]


def test_entries_have_no_gap(store: Store) -> None:
    epoch = owned(store, "run")
    assert store.commit([Unit("run", epoch, entries=(entry(3),))]) == [Fenced(epoch)]
    assert store.commit([Unit("run", epoch, entries=(entry(2), entry(4)))]) == [Fenced(epoch)]
    assert len(store.entries("run")) == 1


def test_a_refused_unit_leaves_the_others_of_its_batch_alone(store: Store) -> None:
    epoch = owned(store, "run")
    answers = store.commit(
        [
            Unit("run", epoch + 1, entries=(entry(2, body=b"stale"),)),
            Unit("none", inbox=(message(run="none"),)),
            Unit("run", epoch, entries=(entry(2),)),
        ]
    )
    assert answers == [Fenced(epoch), MessageRefused("no_such_run", "none"), Written()]
    assert store.entries("run", after=1) == [entry(2)]


@pytest.mark.parametrize("size", [BLOB, BLOB + 1, 200_000])
def test_a_body_of_any_size_comes_back_whole(store: Store, size: int) -> None:
    epoch = owned(store, "run")
    body = b"x" * size
    change = {"result": body, "error": body, "attributes": body}
    store.commit([Unit("run", epoch, entries=(entry(2, body=body),), inbox=(message(body=body),), update=change)])
    run = store.run("run")
    assert run is not None
    assert run.result == run.error == run.attributes == body
    assert [each.body for each in store.entries("run", after=1)] == [body]
    assert [each.body for each in store.inbox("run")] == [body]


def test_a_body_may_begin_with_any_byte(store: Store) -> None:
    epoch = owned(store, "run")
    bodies = [bytes([first]) + b"rest" for first in range(256)]
    store.commit([Unit("run", epoch, entries=tuple(entry(2 + n, body=body) for n, body in enumerate(bodies)))])
    assert [each.body for each in store.entries("run", after=1)] == bodies


def test_entries_updates_and_taken_need_an_epoch() -> None:
    for wrong in ({"entries": (entry(1),)}, {"update": {"total": 1}}, {"taken": ("m",)}):
        with pytest.raises(ValueError, match="need an epoch"):
            Unit("run", **wrong)


@pytest.mark.parametrize("column", ["id", "workflow", "key", "input", "epoch", "seq", "created_at", "nonsense"])
def test_an_update_names_only_columns_that_change(column: str) -> None:
    with pytest.raises(ValueError, match=f"not for `update`: {column}"):
        Unit("run", 1, update={column: 1})


# Messages


def test_messages_wait_in_the_order_of_their_arrival(store: Store) -> None:
    store.commit([begin(), begin("other")])
    sent = [message("z", at=9), message("a", at=1), message("m", run="other", at=5)]
    store.commit([Unit(each.run, inbox=(each,)) for each in sent])
    assert store.inbox() == sent
    assert store.inbox("run") == sent[:2]
    assert store.inbox("none") == []
    assert store.inbox_of(["run", "none"]) == {"run": sent[:2]}
    assert store.inbox_of(["other", "run"]) == {"run": sent[:2], "other": sent[2:]}
    assert store.inbox_of([]) == {}


def test_a_message_is_written_once_and_taken_once(store: Store) -> None:
    epoch = owned(store, "run")
    send = Unit("run", inbox=(message(),))
    assert store.commit([send, send]) == [Written(), Written()]
    assert store.inbox() == [message()]
    take = Unit("run", epoch, entries=(entry(2, kind="signalled"),), taken=("message",))
    assert store.commit([take]) == store.commit([take]) == [Written()]
    assert store.inbox() == []
    assert store.commit([send]) == [Written()]
    assert store.inbox() == []


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_a_message_to_an_ended_run_is_refused(store: Store, state: LifeState) -> None:
    epoch = owned(store, "run")
    store.commit([Unit("run", inbox=(message("early"),)), Unit("run", epoch, update={"state": state})])
    assert store.commit([Unit("run", inbox=(message("late"),))]) == [MessageRefused("already_ended", "run")]
    assert store.commit([Unit("run", inbox=(message("early"),))]) == [Written()]  # which was acknowledged


def test_only_the_owner_takes_a_message(store: Store) -> None:
    epoch = owned(store, "run", "other")
    store.commit([Unit("run", inbox=(message(),))])
    assert store.commit([Unit("run", epoch + 1, taken=("message",))]) == [Fenced(epoch)]
    assert store.commit([Unit("other", epoch, taken=("message",))]) == [Written()]
    assert store.inbox("run") == [message()]


# Claims


def test_claims_go_by_priority_and_then_by_age(store: Store) -> None:
    epoch = store.register("host", 1, LEASE)
    store.commit(
        [
            begin("late", created_at=3),
            begin("early", created_at=2),
            begin("urgent", priority=5, created_at=9),
            begin("low", priority=-1),
        ]
    )
    assert [run.id for run in store.claim(epoch, 2)] == ["urgent", "early"]
    assert [run.id for run in store.claim(epoch, 9)] == ["late", "low"]


def test_claims_are_of_the_workflows_that_are_asked_for(store: Store) -> None:
    epoch = store.register("host", 1, LEASE)
    store.commit([begin("a"), begin("b", workflow="other")])
    assert store.claim(epoch, 9, []) == []
    assert [run.id for run in store.claim(epoch, 9, ["other", "none"])] == ["b"]


@pytest.mark.parametrize("state", ["waiting", "paused", "blocked"])
def test_a_parked_run_is_claimed_when_it_is_due_or_called(somewhere: Place, state: LifeState) -> None:
    store = somewhere.open()
    epoch = store.register("host", 1, LEASE * 10)
    due = somewhere.now.at + 5 * SECOND
    store.commit([begin("due", state=state, wake_at=due), begin("called", state=state), begin("idle", state=state)])
    assert store.claim(epoch, 9) == []
    assert store.next_wake() == due
    store.commit([Unit("called", inbox=(message(run="called"),))])
    assert [run.id for run in store.claim(epoch, 9)] == ["called"]
    somewhere.now.advance(5)
    assert [run.id for run in store.claim(epoch, 9)] == ["due"]
    assert store.next_wake() is None


def test_a_run_that_was_cancelling_when_its_owner_died_is_claimed(somewhere: Place) -> None:
    store = somewhere.open()
    epoch = owned(store, "run")
    store.commit([Unit("run", epoch, update={"state": "cancelling"})])
    somewhere.now.advance(LEASE)
    assert [run.id for run in store.claim(store.register("host", 2, LEASE), 9)] == ["run"]


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
def test_an_ended_run_is_not_claimed(store: Store, state: LifeState) -> None:
    epoch = store.register("host", 1, LEASE)
    store.commit([begin(state=state, wake_at=1)])
    assert store.claim(epoch, 9) == []
    assert store.next_wake() is None


@pytest.mark.parametrize("somewhere", ["memory", "postgres"], indirect=True)  # an SQLite file has one engine
def test_two_engines_on_one_store_share_the_runs(somewhere: Place) -> None:
    one, other = somewhere.open(), somewhere.open()
    first, second = one.register("host", 1, LEASE), other.register("host", 2, LEASE)
    one.commit([begin(str(number)) for number in range(20)])
    taken = [run.id for run in one.claim(first, 7)] + [run.id for run in other.claim(second, 100)]
    assert sorted(taken) == sorted(str(number) for number in range(20))
    answers = other.commit([Unit(id, first, update={"total": 1}) for id in taken])
    assert answers == [Written()] * 7 + [Fenced(second)] * 13


# Reading


def test_runs_come_newest_first_page_by_page(store: Store) -> None:
    store.commit([begin(f"{number:02}", created_at=number // 2, workflow="ab"[number % 2]) for number in range(10)])
    found = store.runs(limit=4)
    while page := store.runs(limit=4, after=found[-1]):
        found += page
    assert [run.id for run in found] == [f"{number:02}" for number in reversed(range(10))]
    assert [run.id for run in store.runs(workflow="a", since=3)] == ["08", "06"]
    assert store.runs(states=["running"]) == []
    assert len(store.runs(states=["running", "created"])) == 10


def test_runs_are_counted_by_state(store: Store) -> None:
    assert store.counts() == {}
    store.commit([begin("a"), begin("b"), begin("c", state="done")])
    assert store.counts() == {"created": 2, "done": 1}


def test_a_start_that_is_refused_leaves_its_definition_to_the_next(store: Store) -> None:
    second = Definition("flow", "v2", b"two", 5)
    store.commit([begin("first", key="k")])
    known = begin("other", key="k")
    known.definition = second
    assert isinstance(store.commit([known])[0], Known)
    fresh = begin("third", version="v2")
    fresh.definition = second
    for _ in range(2):
        store.commit([fresh])
    assert store.definition("flow", "v2") == second


def test_a_definition_is_kept_as_it_was_first_written(store: Store) -> None:
    first = Definition("flow", "v1", b"{}", 1)
    second = replace(first, version="v2", created_at=2)
    store.commit([Unit("", definition=first), Unit("", definition=replace(first, body=b"other"))])
    store.commit([Unit("", definition=second)])
    assert store.definition("flow", "v1") == first
    assert store.definition("flow", "v3") is None
    assert store.definitions("flow") == [second, first]


def test_a_schedule_does_not_go_back(store: Store) -> None:
    plan = ScheduleRow("nightly", "flow", "30 2 * * *", "UTC", b"1", "skip", "one", 0.5, 100, None, False)
    later = replace(plan, last_slot=100, next_at=200)
    for written in (plan, later, plan, replace(later, paused=True)):
        assert store.commit([Unit("", schedule=written)]) == [Written()]
    assert store.schedules() == [replace(later, paused=True)]


def test_what_another_process_wrote_is_noticed_once(somewhere: Place) -> None:
    one, other = somewhere.open(), somewhere.open()
    one.changed()
    assert not one.changed()
    one.commit([begin()])
    assert not one.changed()
    other.commit([Unit("run", inbox=(message(),))])
    assert one.changed()
    assert not one.changed()


def test_what_is_written_in_another_schema_of_a_database_is_not_news(tmp_path: Path) -> None:
    """Guards engines that share a server: each would look for news that are of another one."""
    with place("postgres", tmp_path) as there, postgres() as url, closing(open_store(url)) as elsewhere:
        one = there.open()
        one.changed()
        elsewhere.commit([begin()])
        assert not one.changed()
        there.open().commit([begin()])
        assert one.changed()


# Purges


def test_a_purge_deletes_ended_runs_with_all_that_is_theirs(store: Store) -> None:
    epoch = owned(store, "old", "kept", "open")
    for id in ("old", "kept", "open"):
        store.commit([Unit(id, epoch, entries=(entry(2, id, body=LARGE),), inbox=(message(id, id),))])
    store.commit(
        [
            Unit("old", epoch, update={"state": "done", "retain_until": 5}),
            Unit("kept", epoch, update={"state": "done", "retain_until": 6}),
            Unit("open", epoch, update={"retain_until": 1}),
        ]
    )
    assert store.purge(5, 10) == 1
    assert store.run("old") is None
    assert store.entries("old") == []
    assert [each.run for each in store.inbox()] == ["kept", "open"]
    assert [each.body for each in store.entries("kept", after=1)] == [LARGE]  # which it shared with the old one
    assert store.purge(5, 10) == 0


def test_a_purge_deletes_no_more_than_its_limit(store: Store) -> None:
    store.commit([begin(str(number), state="done", retain_until=number) for number in range(5)])
    assert store.purge(10, 2) == 2
    assert {run.id for run in store.runs()} == {"2", "3", "4"}


def test_a_key_is_free_again_when_its_run_is_purged(store: Store) -> None:
    store.commit([begin("first", key="mail", state="done", retain_until=1)])
    store.purge(2, 10)
    assert store.commit([begin("second", key="mail")]) == [Written()]


@pytest.mark.parametrize(
    "error",
    [
        StoreRefused("sqlite:///runs.db", "why"),
        StoreAway("sqlite:///runs.db", "why", True),
        NotStorable("$.a", "what"),
        PayloadTooLarge("$.a", 20, 10),
        RecordedError("ValueError", "no", "Traceback"),
    ],
)
def test_the_errors_of_a_store_survive_pickle(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
