"""One sequence of calls on two stores at once: a store of SQL answers as the store in memory does, whatever comes.

Beside it stand the promises that both must keep: what was acknowledged is there, and only the owner has written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from teams._journal.memory import MemoryRunStore
from teams._journal.open_store import open_store
from teams._journal.rows import (
    INBOX_KINDS,
    KINDS,
    STATES,
    Definition,
    Fenced,
    InboxRow,
    JournalEntry,
    Known,
    ScheduleRow,
    Unit,
    Written,
)
from tests.teams.journal.cast import LEASE, Now, empty_file, empty_schema, row

RUNS = ("a", "b", "c", "d")
FLOWS = ("flow", "other")
TIMES = st.integers(0, 20)
MAYBE_TIMES = st.none() | TIMES


def body(name: str) -> bytes:
    """A body by a short name: examples are printed."""
    return {"large": b"x" * 9000, "larger": b"y" * 9001, "zero": b"\0" + b"d" * 32}.get(name, name.encode())


BODIES = st.builds(body, st.sampled_from(["1", "2", "large", "larger", "zero"]))
MAYBE_BODIES = st.none() | BODIES

updates = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(STATES),
        "waiting_for": st.sampled_from([None, "timer"]),
        "priority": st.integers(-2, 2),
        "result": MAYBE_BODIES,
        "error": MAYBE_BODIES,
        "started_at": MAYBE_TIMES,
        "wake_at": MAYBE_TIMES,
        "retain_until": MAYBE_TIMES,
        "owner": st.none(),
        "total": st.none() | st.integers(0, 3),
        "trace": st.sampled_from([None, "t"]),
        "version": st.sampled_from(["v1", "v2"]),
    },
)
starts = st.builds(
    row,
    st.sampled_from(RUNS),
    workflow=st.sampled_from(FLOWS),
    key=st.sampled_from([None, "k", "l"]),
    input=BODIES,
    state=st.sampled_from(["created", "created", "waiting", "done"]),
    priority=st.integers(-1, 1),
    attributes=MAYBE_BODIES,
    created_at=st.integers(0, 3),
    wake_at=MAYBE_TIMES,
    retain_until=MAYBE_TIMES,
)
messages = st.builds(
    InboxRow,
    st.sampled_from(["m1", "m2", "m3", "m4", "m5"]),
    st.sampled_from((*RUNS, "none")),
    st.sampled_from(INBOX_KINDS),
    st.just("name"),
    MAYBE_BODIES,
    st.just("by"),
    TIMES,
)
schedules = st.builds(
    ScheduleRow,
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(FLOWS),
    st.just("* * * * *"),
    st.just("UTC"),
    st.just(b"1"),
    st.just("skip"),
    st.just("one"),
    st.floats(0, 5),
    MAYBE_TIMES,
    MAYBE_TIMES,
    st.booleans(),
)
definitions = st.builds(Definition, st.sampled_from(FLOWS), st.sampled_from(["v1", "v2"]), BODIES, TIMES)


class Agreement(RuleBasedStateMachine):
    """The store in memory, and one of SQL, under the same calls."""

    exclusive: ClassVar[bool]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.now = Now(10)
        self.memory = MemoryRunStore(clock=self.now, exclusive=self.exclusive)
        self.url = self.empty()
        self.sql = open_store(self.url, durability="process", clock=self.now)
        self.epochs: list[int] = []
        self.acknowledged: dict[tuple[str, int], JournalEntry] = {}

    def empty(self) -> str:
        """The address of an empty store."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Closes everything."""
        self.sql.close()
        self.stack.close()

    def both(self, call: str, *args: Any, **options: Any) -> Any:
        """The answer, which is the same of both."""
        one, other = (getattr(store, call)(*args, **options) for store in (self.memory, self.sql))
        assert one == other
        return one

    def commit(self, units: Sequence[Unit]) -> list[Any]:
        """Writes units, and remembers what was acknowledged."""
        before = {unit.run: self.memory.run(unit.run) for unit in units}
        results: list[Any] = self.both("commit", units)
        for unit, result in zip(units, results, strict=True):
            run = before[unit.run]
            if isinstance(result, Written):
                self.acknowledged.update(((entry.run, entry.seq), entry) for entry in unit.entries)
                if unit.epoch is not None and unit.start is None and run is not None:
                    assert run.epoch == unit.epoch
            elif isinstance(result, Fenced) and run is not None and not any(each.start for each in units):
                assert result.epoch == run.epoch
        return results

    def content(self) -> list[Any]:
        """All that can be read."""
        return [
            self.both("runs"),
            *(self.both("entries", id) for id in RUNS),
            self.both("inbox"),
            self.both("schedules"),
            *(self.both("definitions", name) for name in FLOWS),
            self.both("counts"),
            self.both("next_wake"),
        ]

    def new_entries(self, data: st.DataObject, run: str, after: int) -> tuple[JournalEntry, ...]:
        """Some entries of a run; mostly its next ones."""
        first = after + 1 + data.draw(st.sampled_from([0, 0, 0, 0, -1, 1]), "shift")
        count = data.draw(st.integers(0, 3), "entries")
        return tuple(
            JournalEntry(
                run, seq, data.draw(st.sampled_from(KINDS)), "step", 1, seq, data.draw(st.sampled_from([None, 0.25])),
                data.draw(MAYBE_BODIES),
            )
            for seq in range(max(first, 1), max(first, 1) + count)
        )  # fmt: skip

    @initialize(bodies=st.lists(BODIES, min_size=3, max_size=3), retain=st.lists(TIMES, min_size=3, max_size=3))
    def begin(self, bodies: list[bytes], retain: list[int]) -> None:
        """An engine with three runs, so that most sequences have something to change."""
        self.register(LEASE * 3)
        runs = zip(RUNS, bodies, retain, strict=False)
        self.commit([Unit(id, start=row(id, result=body, retain_until=end)) for id, body, end in runs])
        self.commit([Unit("a", inbox=(InboxRow("m1", "a", "signal", "name", b"1", "by", 1),))])
        assert len(self.both("claim", self.epochs[-1], 3)) == 3

    @rule(lease=st.sampled_from([LEASE, LEASE * 3]))
    def register(self, lease: float) -> None:
        """One more engine."""
        epoch = self.both("register", "host", 1, lease)
        assert epoch > max(self.epochs, default=0)
        self.epochs.append(epoch)

    @rule(seconds=st.sampled_from([0.000001, 1, LEASE]))
    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.now.advance(seconds)

    @rule(start=starts, data=st.data(), update=updates, definition=st.none() | definitions)
    def start(self, start: Any, data: st.DataObject, update: Any, definition: Definition | None) -> None:
        """A run begins, from outside."""
        entries = self.new_entries(data, start.id, 0)
        self.commit([Unit(start.id, start=start, entries=entries, update=update, definition=definition)])

    @precondition(lambda self: self.epochs)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        """A batch of an engine, mostly of the owner; it may also start runs and send messages."""
        heads = {run.id: (run.seq, run.epoch) for run in self.memory.runs()}
        units = []
        for _ in range(data.draw(st.integers(1, 4), "units")):
            run = data.draw(st.sampled_from(RUNS), "run")
            seq, owner = heads.get(run, (0, 0))
            epoch = data.draw(st.sampled_from([owner or self.epochs[-1]] * 4 + self.epochs), "epoch")
            entries = self.new_entries(data, run, seq)
            inbox = tuple(data.draw(st.lists(messages, max_size=2), "inbox"))
            there = st.sampled_from(["none", *self.memory.tables.inbox])
            taken = tuple(data.draw(st.lists(there, max_size=2), "taken"))
            start = data.draw(st.none() | st.none() | starts, "start")
            update = data.draw(updates, "update")
            start = None if start is None else start._replace(id=run)
            units.append(Unit(run, epoch, start=start, entries=entries, update=update, inbox=inbox, taken=taken))
            heads[run] = (seq + len(entries), owner)
        results = self.commit(units)
        if data.draw(st.booleans(), "its outcome was unknown"):
            before = self.content()
            again = [unit for unit, result in zip(units, results, strict=True) if isinstance(result, Written)]
            for unit, result in zip(again, self.both("commit", again), strict=True):
                assert isinstance(result, Written if unit.start is None else Known)
            assert self.content() == before

    @rule(sent=st.lists(messages, min_size=1, max_size=3))
    def send(self, sent: list[InboxRow]) -> None:
        """Messages from outside."""
        self.commit([Unit(sent[0].run, inbox=tuple(sent))])

    @rule(schedule=schedules)
    def plan(self, schedule: ScheduleRow) -> None:
        """A schedule is written."""
        self.commit([Unit("", schedule=schedule)])

    @precondition(lambda self: self.epochs)
    @rule(
        data=st.data(),
        limit=st.integers(1, 3),
        workflows=st.none() | st.lists(st.sampled_from(FLOWS), max_size=2),
    )
    def claim(self, data: st.DataObject, limit: int, workflows: list[str] | None) -> None:
        """An engine looks for work."""
        epoch = data.draw(st.sampled_from([self.epochs[-1]] * 3 + self.epochs), "epoch")
        for run in self.both("claim", epoch, limit, workflows):
            assert (run.owner, run.epoch) == (epoch, epoch)

    @precondition(lambda self: self.epochs)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """An engine lengthens its lease."""
        self.both("renew", data.draw(st.sampled_from(self.epochs)), LEASE)

    @precondition(lambda self: self.epochs)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """An engine stops."""
        self.both("release", data.draw(st.sampled_from(self.epochs)))

    @rule(data=st.data(), limit=st.integers(1, 3))
    def purge(self, data: st.DataObject, limit: int) -> None:
        """What is over is deleted."""
        self.both("purge", data.draw(TIMES), limit)
        there = {run.id for run in self.memory.runs()}
        self.acknowledged = {place: entry for place, entry in self.acknowledged.items() if place[0] in there}

    @rule()
    def reopen(self) -> None:
        """The process ends, and another one begins."""
        self.sql.close()
        self.sql = open_store(self.url, durability="process", clock=self.now)

    @rule(limit=st.integers(1, 3), states=st.none() | st.lists(st.sampled_from(STATES)), since=MAYBE_TIMES)
    def look(self, limit: int, states: Any, since: int | None) -> None:
        """Runs, page by page."""
        page = self.both("runs", limit=limit, states=states, since=since)
        while page:
            page = self.both("runs", limit=limit, states=states, since=since, after=page[-1])

    @invariant()
    def both_have_the_same(self) -> None:
        """Everything that can be read is the same."""
        self.content()
        now = self.now()
        engines = [[each for each in store.engines() if each.lease_until > now] for store in (self.memory, self.sql)]
        assert engines[0] == engines[1]

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        """Each entry that a unit had when it was answered `Written`."""
        there = {(entry.run, entry.seq): entry for id in RUNS for entry in self.sql.entries(id)}
        assert there == self.acknowledged


class OnSqlite(Agreement):
    """One engine at a time."""

    exclusive = True

    def empty(self) -> str:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        return empty_file(Path(folder) / "runs.db")


class OnPostgres(Agreement):
    """Several engines."""

    exclusive = False

    def empty(self) -> str:
        return empty_schema()


TestSqliteAgrees = OnSqlite.TestCase
TestSqliteAgrees.settings = settings(max_examples=30, stateful_step_count=25)


def test_postgres_answers_as_the_store_in_memory_does() -> None:
    """The same sequence as on SQLite, with fewer examples: each call crosses to the server."""
    assert empty_schema()  # without a server the test is skipped here, not inside of Hypothesis
    run_state_machine_as_test(OnPostgres, settings=settings(max_examples=10, stateful_step_count=25))
