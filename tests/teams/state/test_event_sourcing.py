"""Event sourcing: each event is applied once, and snapshot plus events since are the state."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from actors import ActorError
from actors.testing import FaultPlan, InjectedCrash, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, Kill, KillDuringRestart, Slow
from supervisors import ChildStartError, SpecError, SupervisorSpec, child, supervisor
from teams import (
    EventSourced,
    EventSourcedRef,
    EventStore,
    FileStore,
    MemoryStore,
    Recorded,
    SnapshotFailed,
    StoreDamaged,
    StoreRepaired,
)

OFTEN = 1000


def append(state: tuple[Any, ...], event: Any) -> tuple[Any, ...]:
    """The rule of most tests: the state is the list of its events."""
    if event == "bad":
        raise ValueError("a bad event")
    return (*state, event)


def tree(store: EventStore | None = None, every: int = 3) -> SupervisorSpec:
    """One owner of events."""
    args = {"apply": append, "initial": (), "store": store, "snapshot_every": every}
    return supervisor("sourced", child("owner", EventSourced, args=args, max_restarts=OFTEN), max_restarts=OFTEN)


def owner(sim: Simulation, store: EventStore | None = None, every: int = 3) -> EventSourcedRef:
    """The ref of a new owner."""
    ref = sim.start(tree(store, every)).child("owner")
    assert isinstance(ref, EventSourcedRef)
    return ref


def test_events_are_applied_in_order_and_numbered() -> None:
    """Guards the plain operations."""
    with simulation() as sim:
        ref = owner(sim)
        assert ref.record(1, 2).get() == Recorded(2, (1, 2))
        assert ref.decide(lambda state: [len(state)]).get() == Recorded(3, (1, 2, 2))
        assert ref.decide(lambda state: []).get() == Recorded(3, (1, 2, 2))
        assert ref.read().get() == (1, 2, 2)


def test_events_of_one_message_are_recorded_all_or_none() -> None:
    """Guards that what the rule refuses leaves nothing behind, in memory or in the store."""
    with simulation() as sim:
        store = MemoryStore()
        ref = owner(sim, store)
        with pytest.raises(ValueError, match="a bad event"):
            ref.record(1, "bad").get()
        with pytest.raises(ZeroDivisionError):
            ref.decide(lambda state: [1 / 0]).get()
        assert ref.read().get() == ()
        assert store.load().events == ()
        assert ref.incarnation == 1


@given(
    events=st.lists(st.integers() | st.text() | st.lists(st.none() | st.booleans()), max_size=12),
    every=st.integers(1, 5),
)
@settings(max_examples=20)
def test_snapshot_and_events_since_are_the_state(
    tmp_path_factory: pytest.TempPathFactory, events: list[object], every: int
) -> None:
    """Guards rebuilding, for both stores, with a bounded number of events kept."""
    folder = tmp_path_factory.mktemp("events")
    for store in (MemoryStore(), FileStore(folder / "events", state=tuple[Any, ...])):
        with simulation() as sim:
            ref = owner(sim, store, every)
            for event in events:
                ref.record(event).get()
        assert len(store.load().events) < every + 1
        with simulation() as sim:
            assert owner(sim, store, every).read().get() == tuple(events)


class Paid(BaseModel):
    """An event of a type of its own."""

    amount: int


@dataclass
class Refunded:
    """Another."""

    amount: int


def test_a_file_store_keeps_the_types_it_is_told(tmp_path: Path) -> None:
    """Guards events and states that are more than JSON."""
    store = FileStore(tmp_path / "events", fsync=True, event=Paid | Refunded, state=list[Paid])
    store.append(1, [Paid(amount=1), Refunded(amount=2)])
    assert store.load().events == (Paid(amount=1), Paid(amount=2)), "the first type of a union that fits"
    store.save(2, [Paid(amount=3)])
    store.append(3, [Paid(amount=4)])
    store.close()
    again = FileStore(tmp_path / "events", event=Paid, state=list[Paid]).load()
    assert (again.number, again.snapshot, again.events) == (2, [Paid(amount=3)], (Paid(amount=4),))


@given(cut=st.integers(0, 60))
@settings(max_examples=40)
def test_a_write_that_was_cut_off_is_dropped_whole_and_told(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """Guards every place where a process can die within a write: whole events before, none after, and on it goes."""
    path = tmp_path_factory.mktemp("cut") / "events"
    store = FileStore(path)
    store.append(1, ["one"])
    whole = path.stat().st_size
    store.append(2, ["two", "zwei", "deux"])
    store.close()
    content = path.read_bytes()[: whole + cut]
    path.write_bytes(content)
    complete = content.endswith(b"\n") and len(content) > whole
    with simulation() as sim:
        told: list[StoreRepaired] = []
        sim.runtime.events.subscribe(told.append, StoreRepaired)
        ref = owner(sim, FileStore(path), 100)
        first = ("one", "two", "zwei", "deux") if complete else ("one",)
        assert ref.read().get() == first
        assert [each.dropped for each in told] == ([] if complete or not cut else [content[whole:]])
        ref.record("next").get()
    assert FileStore(path).load() == (0, None, (*first, "next"), b"")


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (b'[1,["a"]]\nrubbish\n[2,["b"]]\n', 2, "Expecting value"),
        (b'[1,["a"]]\n[3,["c"]]\n', 2, "event 2 is missing"),
        (b'{"a":1}\n[1,["a"]]\n', 1, "not a number and a list"),
    ],
)
def test_a_damaged_store_is_refused_with_its_place(tmp_path: Path, content: bytes, line: int, why: str) -> None:
    """Guards against a state that silently lacks events."""
    path = tmp_path / "events"
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=why) as caught:
        FileStore(path).load()
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert "mend the file" in str(pickle.loads(pickle.dumps(caught.value)))
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"{}", b"[1", b'["1",2]', b""])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, content: bytes) -> None:
    """Guards the other file."""
    (tmp_path / "events.snapshot").write_bytes(content)
    with pytest.raises(StoreDamaged, match="snapshot"):
        FileStore(tmp_path / "events").load()


def test_an_owner_of_a_damaged_store_does_not_start(tmp_path: Path) -> None:
    """Guards that the error reaches the caller that starts the tree."""
    (tmp_path / "events").write_bytes(b"rubbish\nrubbish\n")
    with simulation() as sim, pytest.raises(ChildStartError, match="mend the file"):
        owner(sim, FileStore(tmp_path / "events"))


def test_events_that_the_snapshot_includes_are_not_applied_again(tmp_path: Path) -> None:
    """Guards a process that dies between the snapshot and the fresh start of the events."""
    path = tmp_path / "events"
    store = FileStore(path)
    store.append(1, ["a", "b"])
    content = path.read_bytes()
    store.save(2, ["a", "b"])
    store.close()
    path.write_bytes(content)
    again = FileStore(path)
    assert again.load() == (2, ["a", "b"], (), b"")
    again.append(3, ["c"])
    assert again.load().events == ("c",)
    again.close()


class Full(FileStore):
    """A disk that is full now and then."""

    full = False

    def save(self, number: int, state: object) -> None:
        if self.full:
            raise OSError("no space left")
        super().save(number, state)

    def append(self, number: int, events: Any) -> None:
        if self.full and number > 2:
            raise OSError("no space left")
        super().append(number, events)


def test_a_full_disk_is_an_answer_or_an_event_and_loses_nothing(tmp_path: Path) -> None:
    """Guards events that cannot be stored, and snapshots that cannot."""
    with simulation() as sim:
        store = Full(tmp_path / "events")
        failed: list[SnapshotFailed] = []
        sim.runtime.events.subscribe(failed.append, SnapshotFailed)
        ref = owner(sim, store, every=2)
        store.full = True
        ref.record(1).get()
        ref.record(2).get()
        assert len(failed) == 1
        with pytest.raises(OSError, match="no space"):
            ref.record(3).get()
        assert ref.read().get() == (1, 2)
        store.full = False
        ref.record(4).get()
    assert FileStore(tmp_path / "events").load()[:3] == (3, [1, 2, 4], ())


def test_the_rest_of_a_write_that_failed_is_overwritten(tmp_path: Path) -> None:
    """Guards against gluing an event to half of another."""
    path = tmp_path / "events"
    store = FileStore(path)
    store.append(1, ["a"])
    with path.open("ab") as file:
        file.write(b"[2,[half of so")
    store.append(2, ["b"])
    assert store.load() == (0, None, ("a", "b"), b"")
    store.close()


def test_what_is_written_to_a_store_before_load_comes_after_what_it_holds(tmp_path: Path) -> None:
    """Guards what was acknowledged: the first write of a fresh store emptied the file."""
    first, second = FileStore(tmp_path / "log"), FileStore(tmp_path / "log")
    first.append(1, ["a"])
    first.close()
    second.append(2, ["b"])
    assert second.load().events == ("a", "b")
    second.close()


def test_a_bad_interval_of_snapshots_is_named() -> None:
    """Guards the arguments."""
    with simulation() as sim, pytest.raises(ChildStartError, match="snapshot_every: must be an integer >= 1") as caught:
        owner(sim, every=0)
    assert isinstance(caught.value.__cause__, SpecError) or "SpecError" in str(caught.value)


@simulate(
    plan=faults.plans("sourced/owner", kinds=[Crash, Kill, KillDuringRestart, Slow], max_faults=4, seconds=(0.1, 5.0)),
    examples=40,
    every=st.integers(1, 3),
    stored=st.booleans(),
)
def test_what_was_acknowledged_is_applied_once(sim: Simulation, plan: FaultPlan, every: int, stored: bool) -> None:
    """Guards the promise under crashes and kills: the state is the acknowledged events and perhaps some that were not,
    each once, and the store says the same.
    """
    store = MemoryStore()
    ref = owner(sim, store if stored else None, every)
    work = sim.workload(lambda number: ref.record(number), n=8, every=0.5)
    sim.run(until=60)
    sim.heal()
    sim.eventually("all calls have ended", lambda: work.done == 8, within=100)
    state = ref.read().get()
    assert len(set(state)) == len(state)
    assert set(work.results) <= set(state)
    assert all(isinstance(error, InjectedCrash | ActorError) for error in work.errors.values())
    if stored:
        found = store.load()
        snapshot: Any = found.snapshot or ()
        assert (*snapshot, *found.events) == state


async def later(state: Any, event: Any = None) -> Any:
    """A coroutine that is never awaited."""
    return state


@pytest.mark.parametrize("apply", [3, later])
def test_what_cannot_apply_events_is_refused_before_anything_is_stored(apply: Any) -> None:
    """Guards against a coroutine that is acknowledged as the state."""
    spec = supervisor("sourced", child("owner", EventSourced, args=[apply]))
    with simulation() as sim, pytest.raises(ChildStartError, match="apply: .*must be a"):
        sim.start(spec)


@pytest.mark.parametrize("function", [3, later])
def test_what_cannot_decide_is_refused_at_once(function: Any) -> None:
    """Guards against an answer that names neither the value nor what to do."""
    with simulation() as sim:
        sourced = owner(sim)
        with pytest.raises(SpecError, match="function: .*must be a"):
            sourced.decide(function)
