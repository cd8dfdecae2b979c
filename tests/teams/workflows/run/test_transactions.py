"""A step that is done in the transaction which writes it: what it writes is there once, and only if its end is."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

import teams
from actors.testing import Crash, FaultPlan, Kill, simulation
from supervisors import SpecError, start
from teams import RunFailed, member, team
from teams._journal.errors import NoDatabase, StoreAway
from teams._journal.open_store import open_store
from teams._journal.rows import Result, Unit
from teams._journal.store import Store
from teams.resilience import retry
from teams.workflows import RunFailure, Transaction, do, engine, workflow
from tests.teams.journal.cast import empty_file, postgres
from tests.teams.workflows.cast import Scene, failure, kinds, played, played_on_sqlite


def table(folder: Path) -> Path:
    """A store with a table of the user's."""
    path = folder / "runs.db"
    if not path.exists():
        empty_file(path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS booking (what TEXT)")
    connection.close()
    return path


def book(step: Transaction) -> str:
    """Writes a row."""
    step.connection.execute(text("INSERT INTO booking VALUES (:what)"), {"what": step.value})
    if step.value == "bad":
        raise LookupError("it is bad")
    return f"booked {step.value}"


def leak(step: Transaction) -> object:
    """Writes a row, and returns what cannot be stored."""
    step.connection.execute(text("INSERT INTO booking VALUES (:what)"), {"what": step.value})
    return float("nan")


async def same(value: object) -> object:
    return value


BOOKING = workflow("booking", do("a", "same"), do("book", book, effects="transaction"), do("z", "same"))
LEAK = workflow("leaking", do("book", leak, effects="transaction"))


def bookings(path: Path) -> list[str]:
    """What is in the table of the user's."""
    with sqlite3.connect(path) as connection:
        found = [what for (what,) in connection.execute("SELECT what FROM booking")]
    connection.close()
    return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    table(tmp_path)
    with played_on_sqlite(tmp_path, member("same", same), BOOKING, LEAK) as found:
        yield found


def test_a_step_writes_in_the_transaction_of_its_end(scene: Scene, tmp_path: Path) -> None:
    run = scene.start("booking", "x")
    assert run.get(timeout=100) == "booked x"
    assert bookings(tmp_path / "runs.db") == ["x"]
    assert kinds(run) == ["began", "done", "began", "done", "began", "done", "ended"]


@pytest.mark.parametrize(("flow", "what", "why"), [("booking", "bad", "it is bad"), ("leaking", "x", "NaN|nan|finite")])
def test_a_step_that_fails_has_written_nothing(scene: Scene, tmp_path: Path, flow: str, what: str, why: str) -> None:
    error = failure(lambda: scene.result(flow, what))
    assert re.search(why, str(error))
    assert bookings(tmp_path / "runs.db") == []


def test_a_failed_step_is_tried_again_in_a_transaction_of_its_own(tmp_path: Path) -> None:
    tried: list[str] = []

    def second(step: Transaction) -> str:
        tried.append(step.value)
        row = {"what": f"{step.value}{len(tried)}"}
        step.connection.execute(text("INSERT INTO booking VALUES (:what)"), row)
        if len(tried) == 1:
            raise ConnectionError("not yet")
        return "x"

    flow = workflow("again", do("book", second, effects="transaction", retry=retry(2)))
    table(tmp_path)
    with played_on_sqlite(tmp_path, flow) as scene:
        assert scene.result("again", "x") == "x"
    assert bookings(tmp_path / "runs.db") == ["x2"]


def test_a_statement_that_fails_fails_the_step_and_not_the_store(tmp_path: Path) -> None:
    def wrong(step: Transaction) -> None:
        step.connection.execute(text("INSERT INTO no_such_table VALUES (1)"))

    flow = workflow("wrong", do("book", wrong, effects="transaction"))
    table(tmp_path)
    with played_on_sqlite(tmp_path, member("same", same), flow, BOOKING) as scene:
        assert "no_such_table" in str(failure(lambda: scene.result("wrong", "x")))
        assert scene.result("booking", "y") == "booked y"


class Doubtful:
    """A store some of whose commits fail, before or after they are written."""

    def __init__(self, store: Store, lost: set[int], unknown: set[int], count: Iterator[int]) -> None:
        self._store = store
        self._lost = lost
        self._unknown = unknown
        self._count = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, units: Sequence[Unit]) -> list[Result]:
        """The `n`th may fail."""
        number = next(self._count)
        if number in self._lost:
            raise StoreAway("here", "it is away", True)
        found = self._store.commit(units)
        if number in self._unknown:
            raise StoreAway("here", "the answer was lost", False)
        return found


def ends_once(folder: Path, plan: FaultPlan, lost: set[int], unknown: set[int]) -> None:
    """Plays a run, whatever fails, and looks at what it has written."""
    path, count = table(folder), itertools.count(1)
    with simulation(plan) as sim:

        def opened() -> Any:
            clock = lambda: round(sim.runtime.clock.wall() * 1e6)  # noqa: E731
            return Doubtful(open_store(f"sqlite:///{path}", durability="process", clock=clock), lost, unknown, count)

        eng: Any = sim.start(engine("eng", member("same", same), BOOKING, store=opened))
        eng.start_workflow("booking", "x", key="k")
        sim.advance(60)
        sim.heal()
        run = eng.start_workflow("booking", "x", key="k").get()
        assert run.get(timeout=1_000) == "booked x"
        done = Counter(each.step for each in run.history().get() if each.kind == "done")
    assert done == {"a": 1, "book": 1, "z": 1}
    assert bookings(path) == ["x"]


NUMBERS = st.sets(st.integers(1, 8), max_size=3)


@settings(max_examples=40)
@given(lost=NUMBERS, unknown=NUMBERS)
def test_what_a_step_writes_is_there_once_whatever_commits_fail(lost: set[int], unknown: set[int]) -> None:
    with TemporaryDirectory() as folder:
        ends_once(Path(folder), FaultPlan(), lost, unknown)


@pytest.mark.parametrize("kind", [Crash, Kill])
@pytest.mark.parametrize("path", ["eng/desk", "eng/journal", "eng/store", "eng/runs/*"])
@pytest.mark.parametrize("nth", range(1, 9))
def test_what_a_step_writes_is_there_once_whatever_actor_ends(
    tmp_path: Path, kind: type[Crash | Kill], path: str, nth: int
) -> None:
    ends_once(tmp_path, FaultPlan(kind(path, nth=nth)), set(), {nth % 5 + 1})


def test_a_store_without_a_database_fails_the_step() -> None:
    with played(member("same", same), BOOKING) as scene:
        error = failure(lambda: scene.result("booking", "x"))
        assert NoDatabase.__name__ in str(error)
        assert "sqlite:///runs.db" in str(error)


def test_a_run_without_an_engine_fails_the_step() -> None:
    with start(team("crew", member("same", same)), log=False) as crew, pytest.raises(RunFailed, match="engine"):
        crew.play(BOOKING, "x").get(timeout=10)


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        (lambda: do("a", "member", effects="transaction"), "is for a function"),
        (lambda: do("a", same, effects="transaction"), "not async"),
        (lambda: do("a", book, effects="transaction", timeout=1), "set a limit in the database"),
    ],
)
def test_what_cannot_be_in_a_transaction_is_refused_when_built(step: Callable[[], object], fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        step()


def test_postgres_has_what_a_step_wrote_with_its_end() -> None:
    with postgres() as url:
        with start(engine("eng", member("same", same), BOOKING, store=url), log=False) as eng:
            open_table(url)
            assert eng.execute("booking", "x").get(timeout=60) == "booked x"
            with pytest.raises(RunFailure):
                eng.execute("booking", "bad").get(timeout=60)
        assert rows_of(url) == ["x"]


def open_table(url: str) -> None:
    """A table of the user's."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS booking (what TEXT)")


def rows_of(url: str) -> list[str]:
    """What is in it."""
    with psycopg.connect(url) as connection:
        return [what for (what,) in connection.execute("SELECT what FROM booking ORDER BY what")]


# A process that is killed

PROGRAM = """
import os, signal, sys
from sqlalchemy import text
from supervisors import start
from teams.workflows import do, engine, workflow
where, url = sys.argv[1:3]

def book(step):
    if where == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    step.connection.execute(text("INSERT INTO booking VALUES (:what)"), {"what": step.value})
    if where == "within":
        os.kill(os.getpid(), signal.SIGKILL)
    return step.value

def last(what):
    if where == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return what

flow = workflow("flow", do("book", book, effects="transaction"), do("last", last))
with start(engine("eng", flow, store=url), log=False) as eng:
    print(eng.start_workflow("flow", "x", key="k").get(timeout=60).get(timeout=60))
"""


def program(where: str, url: str) -> subprocess.CompletedProcess[str]:
    """A process that plays the run, and may kill itself."""
    environment = {**os.environ, "PYTHONPATH": str(Path(teams.__file__).parents[1])}
    arguments = [sys.executable, "-c", PROGRAM, where, url]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("where", ["before", "within", "after"])
def test_a_process_killed_around_its_transaction_has_written_once(tmp_path: Path, where: str) -> None:
    path = table(tmp_path)
    url = f"sqlite:///{path}"
    assert program(where, url).returncode == -signal.SIGKILL
    assert bookings(path) == (["x"] if where == "after" else [])
    ended = program("never", url)
    assert (ended.returncode, ended.stdout) == (0, "x\n"), ended.stderr
    assert bookings(path) == ["x"]
