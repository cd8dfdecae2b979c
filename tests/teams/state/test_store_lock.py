"""One owner at a time: a store that is in use is refused, and free again when its owner is gone, however it went."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import teams
from actors import Actor, Runtime
from actors.testing import FaultPlan, Simulation, simulation
from actors.testing.faults import Crash, CrashInStart, Kill, KillDuringRestart
from supervisors import ChildSpec, ChildStartError, child, start, supervisor
from teams import EventSourced, EventStore, FileStore, MemoryStore, SharedState, StoreInUse
from teams._state import stores
from tests import forked

PACKAGES = str(Path(teams.__file__).parents[1])
OFTEN = 1000
REFUSED = "in use by another owner: stop that one first, or give each a store of its own"
has_locks = pytest.mark.skipif(sys.platform == "win32", reason="the system has no flock")
kinds = pytest.mark.parametrize("kind", [EventSourced, SharedState])


def collect(state: tuple[Any, ...], event: Any) -> tuple[Any, ...]:
    """The state is the list of its events."""
    return (*state, event)


def owner(kind: type[Actor], id: str, store: EventStore) -> ChildSpec:
    """An owner of either kind."""
    args = {"apply": collect, "initial": (), "store": store} if kind is EventSourced else {"store": store}
    return child(id, kind, args=args, max_restarts=OFTEN, retry_start=False)


def change(ref: Any, number: int) -> None:
    """One more thing to remember."""
    (ref.record(number) if hasattr(ref, "record") else ref.set("number", number)).get()


def last(ref: Any) -> object:
    """What was remembered last."""
    return ref.read().get()[-1] if hasattr(ref, "record") else ref.get("number").get()


def is_free(path: Path) -> bool:
    """Whether another process could have it."""
    store = FileStore(path)
    try:
        store.load()
    except StoreInUse:
        return False
    finally:
        store.close()
    return True


@has_locks
@kinds
@pytest.mark.parametrize("same", [False, True])
def test_a_second_owner_of_a_file_is_refused_by_name_the_first_goes_on(
    tmp_path: Path, kind: type[Actor], same: bool
) -> None:
    """Guards one file in two hands, also where both are given the very same store."""
    path = tmp_path / "events"
    stores = [FileStore(path)] * 2 if same else [FileStore(path), FileStore(path)]
    with simulation() as sim:
        root = sim.start(supervisor("root", owner(kind, "a", stores[0])))
        change(root.child("a"), 1)
        with pytest.raises(ChildStartError, match=f"{path} is {REFUSED}"):
            root.start_child(owner(kind, "b", stores[1])).get()
        change(root.child("a"), 2)
        root.terminate_child("a").get()
        root.start_child(owner(kind, "c", stores[1])).get()
        assert last(root.child("c")) == 2


@kinds
def test_a_store_in_memory_has_one_owner_too(kind: type[Actor]) -> None:
    """Guards what two would number twice."""
    store = MemoryStore()
    with simulation() as sim:
        root = sim.start(supervisor("root", owner(kind, "a", store)))
        with pytest.raises(ChildStartError, match=f"MemoryStore is {REFUSED}"):
            root.start_child(owner(kind, "b", store)).get()


def test_the_error_survives_pickling() -> None:
    """Guards an error that another process is told."""
    assert str(pickle.loads(pickle.dumps(StoreInUse("events")))) == f"events is {REFUSED}"


@has_locks
@kinds
@pytest.mark.parametrize(
    "plan",
    [
        FaultPlan(Crash("root/a", nth=2)),
        FaultPlan(Kill("root/a", nth=2)),
        FaultPlan(Kill("root/a", nth=2), KillDuringRestart("root/a")),
        FaultPlan(Kill("root/a", nth=2), CrashInStart("root/a", nth=2)),
        FaultPlan(Crash("root/other", nth=1)),
    ],
    ids=str,
)
def test_an_owner_keeps_its_file_through_crash_kill_and_ordered_restart(
    tmp_path: Path, kind: type[Actor], plan: FaultPlan
) -> None:
    """Guards against another owner in between, whose changes would go unnoticed, and against a lock in its own way."""
    path = tmp_path / "events"
    with simulation(plan) as sim:
        free: list[bool] = []
        root = sim.start(
            supervisor(
                "root",
                owner(kind, "a", FileStore(path)),
                child("other", Actor),
                strategy="one_for_all",
                max_restarts=OFTEN,
            )
        )
        sim.loop.after_step.append(lambda: free.append(is_free(path)))
        change(root.child("a"), 1)
        root.child("other").tell("a message")
        root.child("a").tell("another message")
        sim.run(until=60)
        sim.loop.after_step.pop()
        change(root.child("a"), 2)
        assert last(root.child("a")) == 2
        assert root.child("a").incarnation > 1
        assert set(free) == {False}
    assert is_free(path)


@has_locks
@kinds
def test_a_start_that_failed_leaves_the_file_free(tmp_path: Path, kind: type[Actor]) -> None:
    """Guards against a lock that no process holds: once mended, it opens."""
    path = tmp_path / "events"
    path.write_bytes(b'[1,["a"]]\nrubbish\n[2,["b"]]\n')
    with simulation() as sim:
        root = sim.start(supervisor("root"))
        with pytest.raises(ChildStartError, match="mend the file"):
            root.start_child(owner(kind, "a", FileStore(path))).get()
        assert path.read_bytes() == b'[1,["a"]]\nrubbish\n[2,["b"]]\n'
        path.write_bytes(b"")
        root.start_child(owner(kind, "b", FileStore(path))).get()


@has_locks
def test_a_rule_that_refuses_what_is_stored_leaves_the_file_free(tmp_path: Path) -> None:
    """Guards the other way in which a start can fail, after the file was read."""
    store = FileStore(tmp_path / "events")
    store.append(1, ["bad"])
    store.close()

    def picky(state: object, event: object) -> object:
        raise ValueError("not that")

    with simulation() as sim:
        with pytest.raises(ChildStartError, match="not that"):
            sim.start(supervisor("root", child("a", EventSourced, args={"apply": picky, "store": store})))
        assert is_free(tmp_path / "events")


@has_locks
def test_a_killed_tree_leaves_the_file_free(tmp_path: Path) -> None:
    """Guards an end without a stop, on the real runtime and in a thread."""
    path = tmp_path / "events"
    with (
        Runtime(log=False) as runtime,
        start(
            supervisor("root", owner(EventSourced, "a", FileStore(path)).model_copy(update={"host": "thread"})),
            runtime,
            on_give_up="ignore",
        ) as root,
    ):
        change(root.child("a"), 1)
        assert not is_free(path)
        runtime.kill()
        root.ended().get()
        assert is_free(path)


HOLDER = """
import sys
from teams import FileStore

store = FileStore(sys.argv[1])
store.load()
store.append(1, ["theirs"])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path) -> Iterator[forked.Process]:
    """Another process that has the store."""
    environment = {**os.environ, "PYTHONPATH": PACKAGES}
    process = forked.start(["-c", HOLDER, str(path)], env=environment, stdin=forked.PIPE, stdout=forked.PIPE)
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def try_to_own(sim: Simulation, path: Path) -> Any:
    """The ref of a new owner."""
    return sim.start(supervisor("root", owner(EventSourced, "a", FileStore(path)))).child("a")


@has_locks
def test_another_process_keeps_the_file_until_it_is_killed(tmp_path: Path) -> None:
    """Guards two processes on one file, and that `kill -9` leaves no lock behind."""
    path = tmp_path / "events"
    with holder(path) as process:
        with simulation() as sim, pytest.raises(ChildStartError, match=REFUSED):
            try_to_own(sim, path)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with simulation() as sim:
            assert try_to_own(sim, path).read().get() == ("theirs",)


def test_without_flock_a_store_has_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards Windows, where the store works as it does elsewhere."""
    monkeypatch.setattr(stores, "fcntl", None)
    one, two = FileStore(tmp_path / "events"), FileStore(tmp_path / "events")
    one.append(1, ["a"])
    assert two.load().events == ("a",)
    one.close()
    two.close()
