"""The judge of worlds finds each broken promise, by its number; and what no world can show is shown here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from supervisors import start
from teams import member
from teams._journal.codec import encode
from teams._journal.memory import Tables
from teams._journal.open_store import open_store
from teams._journal.rows import EntryKind, InboxRow, JournalEntry, RunRow, Unit, Written
from teams.workflows import do, engine, wait, workflow
from teams.workflows._engine import desk
from teams.workflows._engine.settings import run_row
from teams.workflows.testing import World, sketches, worlds
from teams.workflows.testing import _judge as judge
from teams.workflows.testing._disk import Committed
from teams.workflows.testing._sketch import Ledger


def entries(*said: tuple[EntryKind, str] | tuple[EntryKind, str, Any], run: str = "r") -> list[JournalEntry]:
    """Entries of a run, one a second."""
    return [
        JournalEntry(run, seq, each[0], each[1], 1, seq * 1_000_000, None, encode(each[2]) if len(each) > 2 else None)
        for seq, each in enumerate(said, 1)
    ]


def row(id: str = "r", **columns: Any) -> RunRow:
    given: dict[str, Any] = {"state": "done", **columns}
    key = given.pop("key", None)
    made = run_row(id, "flow", "v", b"null", 0, key=key)
    return made._replace(**given)


UNDO: tuple[EntryKind, str, Any] = ("kept", "a (undo)", {"undo": "flow/a", "step": "a", "value": {}})
OF_RUNS: dict[str, tuple[str, RunRow, list[JournalEntry]]] = {
    "2 done, and begun again": ("2 done and not begun again", row(), entries(("done", "a"), ("began", "a"))),
    "3 two outcomes": ("3 one outcome", row(), entries(("done", "a"), ("failed", "a"))),
    "3 a gap": ("3 entries in order", row(seq=2), entries(("began", "a"), ("done", "a"))[1:]),
    "3 after the end": ("3 entries in order", row(seq=2), entries(("ended", ""), ("began", "a"))),
    "3 decided twice": ("3 decided once", row(), entries(("routed", "(route)", "x"), ("routed", "(route)", "y"))),
    "5 never ended": ("5 begun and ended", row(), entries(("began", "a"))),
    "11 undone twice": ("11 undone in reverse", row(), entries(("done", "a"), ("done", "a/undo"), ("done", "a/undo"))),
    "11 undone, not done": ("11 undone in reverse", row(), entries(("done", "a/undo"))),
    "11 in order": (
        "11 undone in reverse",
        row(),
        entries(("done", "a"), ("done", "b"), ("done", "a/undo"), ("done", "b/undo")),
    ),
    "11 left done": (
        "11 undone when cancelled",
        row(state="cancelled"),
        entries(("done", "a"), UNDO, ("kept", "(cancel)", {"cancel": "enough", "undo": True})),
    ),
    "13 early": ("13 timers", row(), entries(("began", "a", {"until": 9_000_000}), ("slept", "a"))),
}


@pytest.mark.parametrize("name", OF_RUNS)
def test_a_broken_promise_of_a_run_is_found(name: str) -> None:
    promise, of, written = OF_RUNS[name]
    assert {each for each, check in judge.RUNS.items() if [*check(of, written)]} >= {promise}


def _tables(*rows: RunRow, inbox: tuple[InboxRow, ...] = (), **said: list[JournalEntry]) -> Tables:
    found = Tables()
    found.runs.update((each.id, each) for each in rows)
    found.inbox.update((each.id, each) for each in inbox)
    found.entries.update(said)
    return found


def _signal(id: str) -> InboxRow:
    return InboxRow(id, "r", "signal", "paid", None, "", 0)


def _took(*ids: str) -> list[JournalEntry]:
    return entries(*(("signalled", f"wait-{id}-{at}", {"id": id}) for at, id in enumerate(ids)))


def _disk(*processes: int) -> Any:
    unit = Unit("r", 1, entries=tuple(entries(("began", "a"))))
    return SimpleNamespace(acknowledged=[Committed(each, 1, ((unit, Written()),)) for each in processes])


def _ledger(**inputs: list[dict[str, Any]]) -> Ledger:
    return Ledger(inputs={name.replace("_", ":"): list(each) for name, each in inputs.items()})


A, B = {"run": "r", "step": "a"}, {"run": "r", "step": "b"}
OF_WORLDS: dict[str, Callable[[], Iterator[str]]] = {
    "1 not there": lambda: judge.acknowledged(_disk(1), Tables()),
    "4 two writers": lambda: judge.one_writer(_disk(1, 2)),
    "7 another value": lambda: judge.values_as_they_were(_ledger(r_a=[A, {**A, "value": 2}])),
    "8 two keys of a step": lambda: judge.one_key(_ledger(r_a=[A], r_b=[A])),
    "8 two steps of a key": lambda: judge.one_key(_ledger(r_a=[A, B])),
    "12 two runs of a key": lambda: judge.one_run_a_key(_tables(row("r", key="k"), row("s", key="k"))),
    "12 two go on": lambda: judge.goes_on(
        _tables(
            row("r", state="continued", result=encode("s")),
            *(row(each, parent="r", parent_step="(continued)") for each in "st"),
        )
    ),
    "14 taken twice": lambda: judge.signals(_tables(row(), inbox=(_signal("x"),), r=_took("x", "x"))),
    "14 taken too late": lambda: judge.signals(_tables(row(), inbox=(_signal("x"), _signal("y")), r=_took("y", "x"))),
}


@pytest.mark.parametrize("name", OF_WORLDS)
def test_a_broken_promise_of_a_world_is_found(name: str) -> None:
    assert [*OF_WORLDS[name]()]


def test_nothing_is_found_where_nothing_is_broken() -> None:
    assert not [*judge.one_writer(_disk(1, 1))]
    assert not [*judge.signals(_tables(row(), inbox=(_signal("x"), _signal("y")), r=_took("x", "y")))]
    assert not [*judge.one_key(_ledger(r_a=[A], r_b=[B]))]
    done = entries(("began", "a"), ("done", "a"), UNDO, ("done", "a/undo"), ("ended", "", "done"))
    assert not [each for check in judge.RUNS.values() for each in check(row(seq=5), done)]


# 22


@settings(max_examples=16)
@given(worlds(sketches(kinds=["work", "sleep", "wait", "ask", "loop"]), kinds=(), actor_kinds=(), deeds=("say",)))
def test_a_run_that_is_parked_ends_as_one_that_stays_awake(world: World) -> None:
    parked = world.run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk, "PARK", 1e9)
        awake = world.run()
    ends = [{number: (each.state, each.result) for number, each in found.rows.items()} for found in (parked, awake)]
    assert ends[0] == ends[1]


# 21


async def work(value: object) -> object:
    return value


def test_a_stopped_engine_leaves_no_thread_no_file_and_no_lease(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'runs.db'}"
    flow = workflow("flow", do("a", "worker"), wait("go", "go"))
    before = set(threading.enumerate())
    with start(engine("eng", member("worker", work), flow, store=address), log=False) as eng:
        runs = [eng.start_workflow("flow", number).get(timeout=10) for number in range(3)]
        runs[0].signal("go").get(timeout=10)
        runs[0].get(timeout=10)
    begun = set(threading.enumerate()) - before
    for thread in begun:
        thread.join(60)
    assert not [thread for thread in begun if thread.is_alive()]
    opened = Path("/proc/self/fd")
    if opened.exists():
        assert not [each for each in opened.iterdir() if str(tmp_path) in _target(each)]
    store = open_store(address)
    assert [each.state for each in store.runs()].count("done") == 1
    assert all(each.lease_until <= store.now() for each in store.engines())
    store.close()


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # that of the listing itself
        return ""
