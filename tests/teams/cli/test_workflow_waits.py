"""Waiting for runs: every wait ends. The clock and the pauses are the test's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from teams._journal.errors import StoreAway
from teams._journal.memory import MemoryRunStore
from teams._journal.open_store import open_store
from teams._journal.rows import InboxRow, JournalEntry, RunRow, Unit, Value
from teams.cli._workflow_outcome import code_of
from teams.cli._workflow_store import engine_of, status_in
from teams.cli._workflow_wait import can_serve, end_of, follow, looks

ROW = RunRow(
    id="r", workflow="w", version="v", key=None, parent=None, parent_step=None, state="created", waiting_for=None,
    priority=0, input=b"null", result=None, error=None, attributes=None, created_at=1, started_at=None, ended_at=None,
    deadline=None, wake_at=None, retain_until=None, owner=None, epoch=0, seq=0, total=1, trace=None,
)  # fmt: skip


class World:
    """A store, an engine that writes to it while the command pauses, and the time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.store = MemoryRunStore(clock=lambda: 1)
        self.engine = MemoryRunStore(clock=lambda: 1, tables=self.store.tables)
        self.engine.commit([Unit("r", start=ROW)])
        self.epoch = self.engine.register("host", 1, 60.0)
        self.engine.claim(self.epoch, 1)
        self.later: list[Callable[[], object]] = []
        self.pauses = 0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        assert 0 < seconds <= 0.1
        self.pauses += 1
        self.now += seconds
        if self.later:
            self.later.pop(0)()

    def writes(self, **update: Any) -> Callable[[], object]:
        return lambda: self.engine.commit([Unit("r", epoch=self.epoch, update=update)])

    @property
    def options(self) -> dict[str, Any]:
        return {"clock": self.clock, "pause": self.pause}


def test_a_wait_ends_with_the_run() -> None:
    world = World()
    world.later = [lambda: None, world.writes(state="running"), world.writes(state="done", ended_at=5, result=b"1")]
    status = end_of(world.store, "r", 10.0, **world.options)
    assert status is not None
    assert (status.state, status.result, code_of(status)) == ("done", 1, 0)
    assert world.pauses == 3


def test_a_wait_goes_on_with_the_run_that_goes_on_in_its_place() -> None:
    world = World()
    follow = ROW._replace(id="next", parent="r")

    def continued() -> object:
        end: dict[str, Value] = {"state": "continued", "result": b'"next"', "ended_at": 5}
        return world.engine.commit([Unit("r", world.epoch, update=end, follow=follow)])

    def ended() -> object:
        (run,) = world.engine.claim(world.epoch, 1)
        return world.engine.commit([Unit(run.id, world.epoch, update={"state": "done", "result": b"2", "ended_at": 6})])

    world.later = [lambda: None, continued, lambda: None, ended]
    status = end_of(world.store, "r", 10.0, **world.options)
    assert status is not None
    assert (status.id, status.state, status.result) == ("next", "done", 2)


def test_a_wait_ends_when_its_time_is_up() -> None:
    world = World()
    assert end_of(world.store, "r", 0.95, **world.options) is None
    assert world.pauses == 10
    assert world.now == pytest.approx(0.95)
    assert end_of(world.store, "r", 0.0, **world.options) is None


@pytest.mark.parametrize("state", ["blocked", "paused"])
def test_a_wait_ends_where_a_person_is_needed(state: str) -> None:
    world = World()
    world.later = [world.writes(state=state, owner=None)]
    status = end_of(world.store, "r", 10.0, **world.options)
    assert status is not None
    assert (status.state, code_of(status)) == (state, 5)


def test_a_wait_goes_on_while_what_a_person_said_is_not_taken_up() -> None:
    world = World()
    world.engine.commit([Unit("r", inbox=(InboxRow("m", "r", "resume", "", None, "", 1),))])
    world.later = [world.writes(state="blocked"), lambda: None, world.writes(state="failed", ended_at=2)]
    status = end_of(world.store, "r", 10.0, **world.options)
    assert status is not None
    assert code_of(status) == 1


@pytest.mark.parametrize("reads", range(1, 5))
def test_a_wait_goes_on_when_an_order_is_taken_up_between_its_reads(reads: int) -> None:
    """Guards `status --wait` after `resume`: it saw the state before the order was taken up, and the inbox after it."""
    world = World()
    world.engine.commit([Unit("r", epoch=world.epoch, update={"state": "paused"})])
    world.engine.commit([Unit("r", inbox=(InboxRow("m", "r", "resume", "", None, "", 1),))])
    taken_up = [lambda: world.engine.commit([Unit("r", epoch=world.epoch, taken=("m",), update={"state": "running"})])]

    class Racing:
        """The engine takes the order up right after one of the reads."""

        left = reads

        def __getattr__(self, name: str) -> Any:
            def read(*args: Any) -> Any:
                found = getattr(world.store, name)(*args)
                self.left -= name in ("run", "entries", "inbox")
                if self.left == 0 and taken_up:
                    taken_up.pop()()
                return found

            return read

    world.later = [lambda: None, world.writes(state="done", ended_at=5, result=b"1")]
    store: Any = Racing()
    status = end_of(store, "r", 10.0, **world.options)
    assert status is not None
    assert status.state == "done"
    assert not taken_up


def test_a_wait_ends_with_the_engine_of_this_process() -> None:
    world = World()
    alive = iter([True, True, False])
    assert end_of(world.store, "r", 10.0, alive=lambda: next(alive), **world.options) is None
    assert world.pauses == 2


def test_a_wait_outlives_a_store_that_is_away_for_a_while() -> None:
    world = World()
    changed, calls = world.store.changed, 0

    def away() -> bool:
        nonlocal calls
        calls += 1
        if calls in (2, 3):
            raise StoreAway("memory:", "no answer", True)
        return changed()

    world.store.changed = away  # type: ignore[method-assign]
    world.later = [world.writes(state="done", ended_at=5)]
    status = end_of(world.store, "r", 10.0, **world.options)
    assert status is not None
    assert calls == 4


def test_a_store_that_stays_away_is_told_when_the_time_is_up() -> None:
    world = World()

    def away() -> bool:
        raise StoreAway("memory:", "no answer", True)

    world.store.changed = away  # type: ignore[method-assign]
    with pytest.raises(StoreAway):
        list(looks(world.store, lambda: status_in(world.store, "r"), 0.5, **world.options))


def test_follow_tells_each_entry_once_and_ends_with_the_run() -> None:
    world = World()

    def adds(*numbers: int, **update: Any) -> Callable[[], object]:
        entries = tuple(JournalEntry("r", each, "began", f"s{each}", 1, 1, None, None) for each in numbers)
        return lambda: world.engine.commit([Unit("r", epoch=world.epoch, entries=entries, update=update)])

    adds(1)()
    world.later = [lambda: None, adds(2, 3), adds(4, state="done", ended_at=3)]
    assert [each.seq for each in follow(world.store, "r", 10.0, **world.options)] == [1, 2, 3, 4]
    assert [each.seq for each in follow(world.store, "r", 10.0, **world.options)] == [1, 2, 3, 4]


def test_follow_misses_no_entry_that_comes_with_the_end() -> None:
    """Guards the order of reading: whether it has ended, then its entries."""
    world = World()
    entries = world.store.entries

    def late(run: str, after: int = 0) -> list[JournalEntry]:
        last = JournalEntry("r", 1, "ended", "", 1, 1, None, None)
        world.engine.commit([Unit("r", epoch=world.epoch, entries=(last,), update={"state": "done", "ended_at": 3})])
        return entries(run, after)

    world.store.entries = late  # type: ignore[method-assign]
    assert [each.seq for each in follow(world.store, "r", 0.3, **world.options)] == [1]


def test_a_process_can_serve_a_file_that_no_engine_has(tmp_path: Path) -> None:
    """The question leaves neither a lock nor a lease."""
    one, two = (open_store(f"sqlite:///{tmp_path}/runs.db") for _ in range(2))
    epoch = one.register("host", 1, 60.0)
    assert not can_serve(two)
    one.release(epoch)
    assert can_serve(two)
    assert engine_of(one) is None
    one.release(one.register("host", 1, 60.0))
    one.close()
    two.close()
