"""Shared state: nothing acknowledged is lost, nothing is done twice, watchers see every version in order."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from actors import Actor, ActorError, Runtime
from actors.testing import FaultPlan, InjectedCrash, Simulation, faults, simulate, simulation
from actors.testing.faults import Crash, CrashInStart, Kill, KillDuringRestart, Slow
from supervisors import ChildStartError, SpecError, SupervisorSpec, child, supervisor
from teams import (
    Change,
    Entry,
    EventStore,
    FileStore,
    MemoryStore,
    SharedState,
    SharedStateRef,
    UpdateConflict,
    VersionConflict,
    Watch,
    WatchOverrun,
)

OFTEN = 1000
"""Restarts that no plan uses up."""


class Witness(Actor):
    """Writes down the changes it is told of, in the world outside."""

    def __init__(self, seen: list[Change]) -> None:
        self.seen = seen

    async def on_continue(self) -> None:
        state: Any = self.sibling("state")
        await state.tell_changes(self.ref)

    def on_receive(self, message: Any) -> None:
        self.seen.append(message)


def tree(seen: list[Change], *, retry_start: bool = False, **options: Any) -> SupervisorSpec:
    """A state and an actor that watches it."""
    return supervisor(
        "shared",
        child("state", SharedState, args=options, max_restarts=OFTEN, retry_start=retry_start),
        child("witness", Witness, args=[seen], max_restarts=OFTEN, retry_start=retry_start),
        max_restarts=OFTEN,
    )


def state_of(sim: Simulation, **options: Any) -> SharedStateRef:
    """A state in a tree of its own."""
    ref = sim.start(tree([], **options)).child("state")
    assert isinstance(ref, SharedStateRef)
    return ref


def test_values_are_set_read_and_deleted() -> None:
    """Guards the plain operations and their versions."""
    with simulation() as sim:
        state = state_of(sim, initial={"a": 1})
        assert state.get("a").get() == 1
        assert state.set("b", 2).get() == 2
        assert state.entry("b").get() == Entry(2, 2)
        assert state.get("c", "none").get() == "none"
        assert state.delete("a").get() is True
        assert state.delete("a").get() is False
        assert state.set("a", 3).get() == 4, "a key that comes again never has an old version"
        assert state.get_all().get() == {"b": Entry(2, 2), "a": Entry(3, 4)}


def test_an_update_that_raises_changes_nothing_and_is_the_answer() -> None:
    """Guards atomic updates, in-place changes of the value included."""

    def spoil(value: list[int]) -> list[int]:
        value.append(2)
        raise LookupError("no")

    with simulation() as sim:
        state = state_of(sim, initial={"a": [1]})
        with pytest.raises(LookupError, match="no"):
            state.update("a", spoil).get()
        assert state.entry("a").get() == Entry([1], 1)
        assert state.incarnation == 1, "it is not a crash"
        assert state.update("a", lambda value: [*value, 2]).get() == Entry([1, 2], 2)
        assert state.update("n", lambda n: n + 1, 0).get() == Entry(1, 3)


def test_an_async_function_is_not_an_update() -> None:
    """Guards against a coroutine as a value."""

    async def later(value: object) -> object:
        return value

    with simulation() as sim:
        state = state_of(sim)
        with pytest.raises(TypeError, match="async"):
            state.update("a", later).get()


def test_what_the_state_owns_changes_only_by_a_message() -> None:
    """Guards the copies at the border, in all directions."""
    with simulation() as sim:
        state = state_of(sim)
        mine = [1]
        state.set("a", mine).get()
        mine.append(2)
        state.get("a").get().append(3)
        state.get_all().get()["a"].value.append(4)
        state.update("a", lambda value: value).get().value.append(5)
        watch = state.watch("a", current=True).get()
        change = watch.get()
        assert change is not None
        change.value.append(6)
        assert state.get("a").get() == [1]


def test_compare_and_set_refuses_what_has_changed_since() -> None:
    """Guards optimistic updates: version 0 means absent, and a conflict is an event, too."""
    with simulation() as sim:
        state = state_of(sim)
        events: list[UpdateConflict] = []
        sim.runtime.events.subscribe(events.append, UpdateConflict)
        version = state.compare_and_set("a", 1, 0).get()
        state.set("a", 2).get()
        with pytest.raises(VersionConflict) as caught:
            state.compare_and_set("a", 3, version).get()
        assert (caught.value.expected, caught.value.found) == (1, 2)
        assert "read it again" in str(pickle.loads(pickle.dumps(caught.value)))
        assert [(each.key, each.found) for each in events] == [("a", 2)]
        with pytest.raises(VersionConflict, match="absent"):
            state.compare_and_set("b", 3, 1).get()


def test_a_watch_tells_every_change_of_its_key_in_order() -> None:
    """Guards watches from a thread, and their end."""
    with simulation() as sim:
        state = state_of(sim, initial={"a": 0, "b": 0})
        watch = state.watch("a", current=True).get()
        for value in (1, 2):
            state.set("a", value).get()
            state.set("b", value).get()
        state.delete("a").get()
        changes = [watch.get() for _ in range(4)]
        assert changes == [Change("a", 0, 1), Change("a", 1, 3), Change("a", 2, 5), Change("a", None, 7, True)]
        watch.cancel()
        assert watch.get() is None
        assert watch.get() is None
        state.set("a", 3).get()


def test_a_watch_is_an_async_iterator_that_a_timeout_does_not_harm() -> None:
    """Guards that a change is not lost to a reader who gave up waiting."""

    async def read(state: SharedStateRef) -> list[object]:
        import asyncio

        watch = await state.watch()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await anext(watch)
        await state.set("a", 1)
        await state.set("a", 2)
        found: list[object] = []
        async for change in watch:
            found.append(change.value)
            if len(found) == 2:
                watch.cancel()
        return found

    with simulation() as sim:
        assert sim.call(read(state_of(sim))) == [1, 2]


def test_a_watch_whose_reader_falls_behind_ends_with_an_error() -> None:
    """Guards the bound: what came before is read, then the error."""
    with simulation() as sim:
        state = state_of(sim)
        watch = state.watch(limit=2).get()
        for value in range(4):
            state.set("a", value).get()
        assert [watch.get(), watch.get()] == [Change("a", 0, 1), Change("a", 1, 2)]
        for _ in range(2):
            with pytest.raises(WatchOverrun):
                watch.get()
        with pytest.raises(ValueError, match="at least 1"):
            state.watch(limit=0)


def test_a_watch_ends_with_the_state() -> None:
    """Guards against waiting for ever for an actor that has terminated."""
    from actors import ActorDeadError

    with simulation() as sim:
        root = sim.start(tree([]))
        watch = root.child("state", SharedStateRef).watch().get()
        root.terminate_child("state").get()
        with pytest.raises(ActorDeadError):
            watch.get()


def test_an_actor_that_stopped_watching_is_not_told() -> None:
    """Guards stop_telling."""
    with simulation() as sim:
        seen: list[Change] = []
        root = sim.start(tree(seen))
        state = root.child("state")
        assert isinstance(state, SharedStateRef)
        state.set("a", 1).get()
        state.stop_telling(root.child("witness")).get()
        state.set("a", 2).get()
        sim.settle()
        assert [each.value for each in seen] == [1]


@pytest.mark.parametrize("every", [1, 2, 1000])
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_state_with_a_store_is_there_again_after_its_end(tmp_path: Path, kind: str, every: int) -> None:
    """Guards event sourcing: snapshot and events since are the state, versions included."""
    store: EventStore = MemoryStore() if kind == "memory" else FileStore(tmp_path / "state.jsonl")
    with simulation() as sim:
        state = state_of(sim, initial={"z": 0}, store=store, snapshot_every=every)
        for number in range(5):
            state.set(f"k{number % 2}", [number]).get()
        state.delete("k0").get()
        before = state.get_all().get()
    with simulation() as sim:
        state = state_of(sim, initial={"z": 1}, store=store, snapshot_every=every)
        assert state.get_all().get() == before == {"z": Entry(0, 1), "k1": Entry([3], 5)}
        assert state.set("new", 1).get() == 8


def test_a_value_that_the_store_cannot_hold_is_refused(tmp_path: Path) -> None:
    """Guards that memory and store never differ."""
    with simulation() as sim:
        state = state_of(sim, store=FileStore(tmp_path / "state.jsonl"))
        with pytest.raises(TypeError):
            state.set("a", object()).get()
        assert state.get_all().get() == {}
        assert state.set("a", 1).get() == 1


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda state: state.set(3, 1), "shared/state: key: must be a string, got 3"),
        (lambda state: state.get(["a"]), r"key: must be a string, got \['a'\]"),
        (lambda state: state.entry(None), "key: must be a string, got None"),
        (lambda state: state.delete(["a"]), "key: must be a string"),
        (lambda state: state.update(["a"], 3), "2 faults"),
        (lambda state: state.compare_and_set("a", 1, "1"), "version: must be an integer, got '1'"),
        (lambda state: state.watch(["a"], limit="9"), "2 faults"),
        (lambda state: state.tell_changes(None), "to: must be the ref of an actor, got None"),
        (lambda state: state.stop_telling("me"), "to: must be the ref of an actor, got 'me'"),
    ],
)
def test_a_bad_argument_is_refused_at_once_and_does_not_crash_the_state(ask: Any, named: str) -> None:
    """Guards all others that share it, and keys that a store could not give back."""
    with simulation() as sim:
        state = state_of(sim, initial={"a": 1})
        with pytest.raises(SpecError, match=named):
            ask(state)
        state.set("a", 2).get()
        assert state.get("a").get() == 2
        assert state.incarnation == 1


@pytest.mark.parametrize("initial", [[1], {1: 2}])
def test_bad_initial_entries_are_named(initial: Any) -> None:
    """Guards against keys that a store could not give back."""
    with simulation() as sim, pytest.raises(ChildStartError, match="initial: .*1"):
        state_of(sim, initial=initial)


def test_a_bad_interval_of_state_snapshots_is_named() -> None:
    """Guards the arguments."""
    with simulation() as sim, pytest.raises(Exception, match="snapshot_every") as caught:
        state_of(sim, snapshot_every=0)
    found: BaseException | None = caught.value
    while found is not None and not isinstance(found, SpecError):
        found = found.__cause__ or getattr(getattr(found, "reason", None), "exception", None)
    assert isinstance(found, SpecError)


def test_it_works_on_the_real_runtime() -> None:
    """Guards what the simulation cannot: other threads."""
    with Runtime(log=False) as runtime:
        state = runtime.spawn(SharedState).get()
        assert isinstance(state, SharedStateRef)
        watch = state.watch().get()
        for number in range(100):
            state.set("a", number)
        changes = [watch.get(timeout=10) for _ in range(100)]
        assert [each.version for each in changes if each is not None] == list(range(1, 101))


operations = st.lists(
    st.tuples(st.sampled_from(["set", "add", "cas", "delete", "raise"]), st.sampled_from("ab")), min_size=1, max_size=12
)
KINDS = [Crash, CrashInStart, Kill, KillDuringRestart, Slow]


@pytest.mark.parametrize("stored", [False, True])
@simulate(
    plan=faults.plans("shared/**", kinds=KINDS, max_faults=4, seconds=(0.1, 1.0, 5.0)), examples=30, todo=operations
)
def test_no_acknowledged_change_is_lost_and_none_is_done_twice(
    sim: Simulation, plan: FaultPlan, todo: list[tuple[str, str]], stored: bool
) -> None:
    """Guards the promise against a dictionary, under crashes and kills of the state and its watcher."""
    seen: list[Change] = []
    store = MemoryStore()
    root = sim.start(tree(seen, retry_start=True, **({"store": store, "snapshot_every": 2} if stored else {})))
    state = root.child("state")
    assert isinstance(state, SharedStateRef)

    async def work(number: int) -> object:
        what, key = todo[number]
        match what:
            case "set":
                return await state.set(key, [number])
            case "add":
                return (await state.update(key, lambda value: [*value, number], [])).version
            case "cas":
                entry = await state.entry(key)
                old = [] if entry is None else entry.value
                return await state.compare_and_set(key, [*old, number], 0 if entry is None else entry.version)
            case "raise":
                return await state.update(key, lambda value: 1 / 0)
        return await state.delete(key)

    watch = opened(state)
    changes: dict[int, Change] = {}
    done = sim.workload(work, n=len(todo), every=1.0)
    sim.run(until=60)
    sim.heal()
    sim.eventually("all calls have ended", lambda: done.done == len(todo), within=100)
    entries = state.get_all().get()
    state.set("end", None).get()
    while (change := watch.get()) is not None and change.key != "end":
        assert change.version == len(changes) + 1, "a version is missing, doubled or out of order"
        changes[change.version] = change
    model: dict[str, Entry] = {}
    for change in changes.values():
        model.pop(change.key, None)
        if not change.deleted:
            model[change.key] = Entry(change.value, change.version)
    assert entries == model
    made = [change.value[-1] for change in changes.values() if not change.deleted]
    assert len(made) == len(set(made)), "a change was done twice"
    for number, result in done.results.items():
        if type(result) is int:
            assert (changes[result].key, changes[result].value[-1]) == (todo[number][1], number), "a change is lost"
    assert sum(change.deleted for change in changes.values()) >= sum(result is True for result in done.results.values())
    versions = [change.version for change in seen if change.key != "end"]
    assert versions == sorted(set(versions)), "a watcher saw versions out of order or twice"
    if stored:
        again = [entry for entry in rebuilt(store).items() if entry[0] != "end"]
        assert dict(again) == entries, "the store tells another story"


def opened(state: SharedStateRef) -> Watch:
    """A watch from the very beginning. Asking for it may meet a fault."""
    while True:
        try:
            return state.watch(limit=1000).get()
        except (InjectedCrash, ActorError):
            assert state.is_alive()


def rebuilt(store: MemoryStore) -> dict[str, Entry]:
    """What a new process would find."""
    stored = store.load()
    snapshot: Any = stored.snapshot or {}
    entries = dict(snapshot)
    for version, event in enumerate(stored.events, start=stored.number + 1):
        assert isinstance(event, list)
        entries.pop(event[0], None)
        if len(event) == 2:
            entries[event[0]] = Entry(event[1], version)
    return entries
