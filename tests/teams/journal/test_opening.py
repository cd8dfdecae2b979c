"""Opening a store: what is created, what is refused and left as it was, and that no password is shown."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import teams
from teams._journal import sql_dialects
from teams._journal.errors import NotStorable, StoreAway, StoreRefused, without_password
from teams._journal.memory import MemoryRunStore
from teams._journal.open_store import open_store
from teams._journal.rows import Unit, Written
from teams._journal.sql import SqlStore
from teams._journal.sql_tables import ENDED_STATE, METADATA, PARKED, READY, REVISIONS, RUN, VERSION_TABLE
from teams._journal.store import Durability
from tests import forked
from tests.teams.journal import cast
from tests.teams.journal.cast import LEASE, begin, empty_file, entry, message, place, postgres, row

PACKAGES = str(Path(teams.__file__).parents[1])
SCRIPTS = Path(teams.__file__).parent / "_journal" / "migrations"


def refused(url: str) -> str:
    """Why this address is refused."""
    with pytest.raises(StoreRefused) as error:
        open_store(url)
    return error.value.why


def content(path: Path) -> dict[str, bytes]:
    """Each file of a folder."""
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def differences(url: str) -> list[object]:
    """Where the tables of a database differ from those of the code."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)

    def ours(thing: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
        return name != VERSION_TABLE

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "version_table": VERSION_TABLE})
        return list(compare_metadata(context, METADATA))


# Migrations


def test_the_migrations_make_the_tables_of_the_code_in_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    open_store(url).close()
    assert differences(url) == []
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        made = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
        assert made["entry"].rstrip().endswith("WITHOUT ROWID")
        assert "AUTOINCREMENT" in made["engine"]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()


def test_a_change_of_state_makes_no_table_in_memory_in_sqlite(tmp_path: Path) -> None:
    url = empty_file(tmp_path / "runs.db")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        sql = "EXPLAIN UPDATE run SET state = ?, owner = ?, wake_at = ?, retain_until = ? WHERE id = ?"
        steps = {row[1] for row in connection.execute(sql, ("done", None, None, 1, "run"))}
        assert "IdxInsert" in steps
        assert "OpenEphemeral" not in steps
    connection.close()


def test_looks_for_runs_use_the_indexes_of_their_states(tmp_path: Path) -> None:
    url = empty_file(tmp_path / "runs.db")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        for condition, index in (
            (f"{READY} ORDER BY priority DESC", "run_ready"),
            (f"{PARKED} AND wake_at <= 1", "run_wake"),
            (f"{ENDED_STATE} AND retain_until <= 1", "run_retain"),
        ):
            (plan,) = connection.execute(f"EXPLAIN QUERY PLAN SELECT id FROM run WHERE {condition}").fetchall()
            assert f"USING INDEX {index}" in plan[-1]
    connection.close()


def test_the_migrations_make_the_tables_of_the_code_in_postgres() -> None:
    with postgres() as url:
        open_store(url).close()
        assert differences(url.replace("postgresql:", "postgresql+psycopg:", 1)) == []


def test_postgres_leaves_room_to_change_rows_of_runs_in_place() -> None:
    with postgres() as url, psycopg.connect(url) as connection:
        open_store(url).close()
        options = connection.execute("SELECT reloptions FROM pg_class WHERE oid = 'run'::regclass").fetchone()
        wanted = RUN.dialect_options["postgresql"]["with"]["fillfactor"]
        assert options == ([f"fillfactor={wanted}"],)
        assert wanted <= 50


def test_the_code_knows_exactly_the_migrations_there_are() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    store = open_store(url)
    store.commit([begin()])
    store.close()
    before = content(tmp_path / "runs.db")
    open_store(url).close()
    assert content(tmp_path / "runs.db") == before


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_processes_that_open_an_empty_store_at_once_all_succeed(kind: str, tmp_path: Path) -> None:
    code = (
        "import sys; from teams._journal.open_store import open_store; print('ready', flush=True); input(); "
        "store = open_store(sys.argv[1]); print(store.counts()); store.close()"
    )

    def race(url: str) -> None:
        environment = {**os.environ, "PYTHONPATH": PACKAGES}
        racers = [
            forked.start(["-c", code, url], stdin=forked.PIPE, stdout=forked.PIPE, stderr=forked.PIPE, env=environment)
            for _ in range(4)
        ]
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        assert [racer.communicate() for racer in racers] == [("{}\n", "")] * 4

    if kind == "sqlite":
        race(f"sqlite:///{tmp_path}/runs.db")
    else:
        with postgres() as url:
            race(url)


# Durability


@pytest.mark.parametrize(("durability", "level"), [("disk", 2), ("process", 1)])
def test_durability_is_the_level_of_synchronous_in_sqlite(durability: Durability, level: int, tmp_path: Path) -> None:
    store = open_store(empty_file(tmp_path / "runs.db"), durability=durability)
    assert isinstance(store, SqlStore)
    assert store._connected().exec_driver_sql("PRAGMA synchronous").scalar_one() == level
    store.close()


@pytest.mark.parametrize(("durability", "level"), [("disk", "on"), ("process", "off")])
def test_durability_is_the_synchronous_commit_of_postgres(durability: Durability, level: str) -> None:
    with postgres() as url:
        store = open_store(url, durability=durability)
        assert isinstance(store, SqlStore)
        assert store._connected().exec_driver_sql("SHOW synchronous_commit").scalar_one() == level
        store.close()


# What is refused


def test_a_database_that_is_newer_than_the_code_is_refused(tmp_path: Path) -> None:
    url = empty_file(tmp_path / "runs.db")
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    connection.close()
    known = f"this one knows up to {REVISIONS[-1]}"
    assert f"it is of a newer version of letitcrash (revision 9999, {known})" in refused(url)


def test_a_store_of_the_first_revision_is_brought_to_the_last(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    url = empty_file(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX run_retain")
        connection.execute("ALTER TABLE engine DROP COLUMN process")
        old = "state IN ('done', 'failed', 'cancelled')"
        connection.execute(f"CREATE INDEX run_retain ON run (retain_until) WHERE {old}")
        connection.execute("DROP INDEX run_ready")
        old = "state IN ('created', 'running', 'cancelling')"
        connection.execute(f"CREATE INDEX run_ready ON run (priority, created_at) WHERE {old}")
        connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
    connection.close()
    store = open_store(url)
    epoch = store.register("host", 1, 10)
    start = row(owner=epoch, epoch=epoch, state="continued", retain_until=1)
    store.commit([Unit("run", epoch, start=start)])
    assert store.purge(2, 10) == 1
    store.close()
    with sqlite3.connect(path) as connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'run_retain'").fetchone()
        assert "'continued'" in sql
        (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'run_ready'").fetchone()
        assert READY in sql
        assert connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone() == (REVISIONS[-1],)
    connection.close()


def test_a_newer_postgres_schema_is_refused() -> None:
    with postgres() as url:
        open_store(url).close()
        with psycopg.connect(url) as connection:
            connection.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
        assert "newer version" in refused(url)


def test_a_file_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")
    connection.close()
    before = content(path)
    assert "a database of another program" in refused(f"sqlite:///{path}")
    assert content(path) == before


def test_a_schema_with_tables_of_the_same_name_is_refused() -> None:
    with postgres() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE run (miles float); CREATE TABLE users (name text)")
        assert "tables of another program (run)" in refused(url)
        with psycopg.connect(url) as connection:
            connection.execute("DROP TABLE run")
        open_store(url).close()  # other tables of the user are no harm


def test_a_file_that_is_not_a_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(b"dear diary " * 1000)
    before = content(path)
    assert "the file is damaged, or not an SQLite database" in refused(f"sqlite:///{path}")
    assert content(path) == before


@pytest.mark.parametrize("table", sorted(METADATA.tables))
def test_a_store_that_lacks_a_table_is_refused_as_damaged(table: str, tmp_path: Path) -> None:
    url = empty_file(tmp_path / "runs.db")
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute(f'DROP TABLE "{table}"')
    connection.close()
    assert refused(url) == f"it is damaged: the tables {table} are missing. Restore a copy"


def test_a_store_without_its_version_is_refused_as_damaged(tmp_path: Path) -> None:
    url = empty_file(tmp_path / "runs.db")
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute(f"DELETE FROM {VERSION_TABLE}")
    connection.close()
    assert refused(url) == f"it is damaged: {VERSION_TABLE} has 0 rows, not 1. Restore a copy"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "Check that its folder exists" in refused(f"sqlite:///{tmp_path}/none/runs.db")


def test_a_file_that_is_read_only_is_refused(tmp_path: Path) -> None:
    code = (
        "import os, sys; from teams._journal.errors import StoreRefused\n"
        "from teams._journal.open_store import open_store; open_store(sys.argv[2]).close()\n"
        "if os.getuid() == 0: os.setuid(65534)  # the superuser may write to anything\n"
        "try: open_store(sys.argv[1])\n"
        "except StoreRefused as error: print(error.why)"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        url = empty_file(path)
        path.chmod(0o444)
        path.parent.chmod(0o555)
        arguments = ["-c", code, url, empty_file(tmp_path / "any.db")]
        run = forked.run(arguments, env={**os.environ, "PYTHONPATH": PACKAGES})
        path.parent.chmod(0o755)
    assert "read-only" in run.stdout, run.stderr


def test_a_postgres_that_is_read_only_is_refused() -> None:
    with postgres() as url:
        assert "it is read-only" in refused(f"{url}%20-cdefault_transaction_read_only%3Don")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_an_sqlite_store_needs_a_file(url: str) -> None:
    assert refused(url) == "an SQLite store needs a file: sqlite:///runs.db. A store in memory is memory:"


@pytest.mark.parametrize("option", ["timeout=abc", "b=c", "uri=true&mode=ro"])
def test_an_address_of_sqlite_takes_no_options(tmp_path: Path, option: str) -> None:
    assert "an SQLite address takes no options" in refused(f"sqlite:///{tmp_path / 'runs.db'}?{option}")
    assert not [*tmp_path.iterdir()]


def test_no_part_of_a_password_with_an_at_is_shown() -> None:
    with pytest.raises(StoreRefused) as caught:
        open_store("postgresql://ann:sec@ret@host/db")
    assert str(caught.value) == "store postgresql://ann:***@host/db: it has two @. Write one in a password as %40"


@pytest.mark.parametrize("url", ["", "runs.db", "mysql://root@host/db", "memory://", "redis:"])
def test_an_address_of_nothing_that_is_known_is_refused(url: str) -> None:
    assert refused(url).startswith("not an address of a store. Use memory:, sqlite:///runs.db or postgresql://")


def test_the_store_in_memory_needs_no_extra() -> None:
    assert isinstance(open_store("memory:"), MemoryRunStore)
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['sqlalchemy', 'alembic', 'psycopg']))\n"
        "from teams._journal.open_store import open_store; open_store('memory:')\n"
        "try: open_store('sqlite:///runs.db')\n"
        "except Exception as error: print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": PACKAGES},
        check=False,
    )
    assert "pip install 'letitcrash[workflows]'" in run.stdout, run.stderr


def test_an_unknown_durability_is_refused() -> None:
    with pytest.raises(ValueError, match="durability must be 'disk' or 'process', got 'paper'"):
        open_store("memory:", durability="paper")  # type: ignore[arg-type]


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_postgres_these_tests_fail_in_ci_and_are_skipped_elsewhere(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(cast, "SERVER", "postgresql://postgres@127.0.0.1:1/test")
    cast.server_fault.cache_clear()
    try:
        with (
            pytest.raises(outcome, match=r"no Postgres answers at .*:1/test .* set LETITCRASH_TEST_POSTGRES"),
            postgres(),
        ):
            raise AssertionError("there was a Postgres")
    finally:
        cast.server_fault.cache_clear()


# Passwords


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@127.0.0.1:1/test",
        "postgresql://ann:hun%40ter2@127.0.0.1:1/test?connect_timeout=1",
        "postgresql://127.0.0.1:1/test?user=ann&password=hunter2",
        "mysql://ann:hunter2@host/db",
        "postgresql://ann:hunter2@host:port/db",
        "postgresql://ann:hunter2@127.0.0.1:1/test?password=hunter2",
    ],
)
def test_no_text_of_a_refusal_shows_the_password(url: str) -> None:
    with pytest.raises(StoreRefused) as error:
        open_store(url)
    for text in (str(error.value), repr(error.value), error.value.url, error.value.why):
        assert "hunter2" not in text
        assert "hun%40ter2" not in text
        assert "hun@ter2" not in text
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_an_address_without_a_password_is_shown_as_it_is() -> None:
    for url in ("sqlite:///runs.db", "postgresql://ann@host:5432/db?options=-csearch_path%3Da", "memory:"):
        assert without_password(url) == url


def test_a_purge_gives_the_space_back_to_the_machine(tmp_path: Path) -> None:
    store = open_store(empty_file(tmp_path / "runs.db"))
    start = [begin(str(number), state="done", retain_until=1, input=os.urandom(20_000)) for number in range(50)]
    store.commit(start)
    store.close()
    before = (tmp_path / "runs.db").stat().st_size
    store = open_store(f"sqlite:///{tmp_path}/runs.db")
    assert store.purge(1, 100) == 50
    store.close()
    assert (tmp_path / "runs.db").stat().st_size < before / 2


# Locks, and a store that is away


def test_a_second_engine_on_a_file_is_refused_with_the_owner(tmp_path: Path) -> None:
    url = empty_file(tmp_path / "runs.db")
    one, other = open_store(url), open_store(url)
    epoch = one.register("ada", 4711, LEASE)
    with pytest.raises(StoreRefused, match=r"locked by another engine \(pid 4711 on ada\)"):
        other.register("bob", 1, LEASE)
    assert other.commit([begin(), Unit("run", inbox=(message(),))]) == [Written(), Written()]
    assert [run.id for run in one.claim(epoch, 5)] == ["run"]
    assert other.entries("run") == [entry(1, kind="started")]
    one.release(epoch)
    assert other.register("bob", 1, LEASE) > epoch
    one.close()
    other.close()


def test_a_closed_store_gives_up_its_lock(tmp_path: Path) -> None:
    url = empty_file(tmp_path / "runs.db")
    one = open_store(url)
    first = one.register("ada", 1, LEASE)
    one.commit([begin()])
    one.claim(first, 1)
    one.close()
    other = open_store(url)
    second = other.register("bob", 2, LEASE)
    assert [run.id for run in other.claim(second, 1)] == ["run"]  # its owner cannot be alive
    other.close()


def test_a_closed_store_says_that_it_is_closed(tmp_path: Path) -> None:
    store = open_store(empty_file(tmp_path / "runs.db"))
    store.close()
    store.close()
    with pytest.raises(StoreAway, match="the store is closed; nothing was written"):
        store.commit([begin()])


def test_a_file_that_stays_locked_is_away_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_dialects, "BUSY", 0)
    store = open_store(empty_file(tmp_path / "runs.db"))
    other = sqlite3.connect(tmp_path / "runs.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreAway, match="kept the file locked") as away:
        store.commit([begin()])
    assert away.value.known_lost
    assert store.counts() == {}
    other.execute("ROLLBACK")
    other.close()
    assert store.commit([begin()]) == [Written()]
    store.close()


def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    store = open_store(empty_file(tmp_path / "runs.db"))
    assert isinstance(store, SqlStore)
    connection = store._connection
    assert connection is not None
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")
    acknowledged = 0
    with pytest.raises(StoreAway, match="the disk is full") as away:
        for number in range(1000):
            store.commit([begin(str(number), input=os.urandom(4000))])
            acknowledged += 1
    assert away.value.known_lost
    assert 0 < acknowledged < 1000
    assert len(store.runs(limit=1000)) == acknowledged
    assert store.commit([begin("more")]) == [Written()]
    store.close()


def test_a_postgres_that_ends_the_connection_is_away_and_comes_back() -> None:
    with postgres() as url:
        store = open_store(url)
        store.commit([begin()])
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (backend(store),))
        with pytest.raises(StoreAway) as away:
            store.commit([begin("other")])
        assert away.value.known_lost
        assert store.commit([begin("other")]) == [Written()]
        assert store.changed()
        store.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.parametrize("wrong", [{"total": 2**63}, {"trace": "\ud800"}, {"workflow": None}])
def test_a_cell_that_no_column_takes_is_not_a_store_that_is_away(
    kind: str, wrong: dict[str, Any], tmp_path: Path
) -> None:
    with place(kind, tmp_path) as there:
        store = there.open()
        with pytest.raises(NotStorable, match="the database does not take it"):
            store.commit([begin("good"), begin("bad", **wrong)])
        assert store.runs() == []
        assert store.commit([begin("good")]) == [Written()]


def test_a_text_that_is_too_long_for_an_index_is_not_a_postgres_away() -> None:
    with postgres() as url:
        store = open_store(url)
        with pytest.raises(NotStorable, match="index row size"):
            store.commit([begin("good"), begin("bad", key=random.Random(0).randbytes(4_000).hex())])
        assert store.commit([begin("good")]) == [Written()]
        store.close()


def test_a_number_in_place_of_a_text_is_not_a_postgres_that_is_away() -> None:
    with postgres() as url:
        store = open_store(url)
        with pytest.raises(NotStorable, match="what is looked for"):
            store.run(5)  # type: ignore[arg-type]
        store.close()


def test_a_text_with_nul_is_not_a_postgres_that_is_away() -> None:
    with postgres() as url:
        store = open_store(url)
        with pytest.raises(NotStorable, match="NUL"):
            store.commit([begin(key="a\0b")])
        assert store.commit([begin()]) == [Written()]
        store.close()


def test_a_postgres_database_that_is_not_there_is_refused() -> None:
    with postgres() as url:
        address = sa.make_url(url).set(database="none").render_as_string(hide_password=False)
        assert 'database "none" does not exist' in refused(address)


def backend(store: object) -> int:
    """The process of the server that serves a store."""
    assert isinstance(store, SqlStore)
    assert store._connection is not None
    pid: int = store._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    return pid


def test_a_commit_with_unknown_outcome_says_so_and_is_sent_again(tmp_path: Path) -> None:
    store = open_store(empty_file(tmp_path / "runs.db"))
    epoch = store.register("host", 1, LEASE)
    store.commit([begin("run"), begin("other")])
    lose_answers(store)
    with pytest.raises(StoreAway) as away:
        store.claim(epoch, 1)
    assert not away.value.known_lost
    assert {run.id for run in store.claim(epoch, 1)} == {"run", "other"}  # the one that was claimed unheard, too
    batch = [Unit(id, epoch, entries=(entry(2, id),), update={"total": 1}) for id in ("run", "other")]
    lose_answers(store)
    with pytest.raises(StoreAway, match="whether it was written is unknown"):
        store.commit(batch)
    before = store.runs(), store.entries("run")
    assert store.commit(batch) == [Written(), Written()]
    assert (store.runs(), store.entries("run")) == before
    store.close()


def lose_answers(store: object) -> None:
    """Lets the next commit succeed, and its answer be lost."""
    assert isinstance(store, SqlStore)
    connection = store._connected()

    @sa.event.listens_for(connection, "after_cursor_execute")
    def _lost(_: object, cursor: object, statement: str, *rest: object) -> None:
        if statement == "COMMIT":
            raise sa.exc.OperationalError(statement, None, Exception("the connection was lost"))
