"""`letitcrash workflow schedule`, on an SQLite file without an engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teams._journal.open_store import open_store
from teams._journal.rows import ScheduleRow, Unit
from teams._journal.store import Store
from teams.cli._workflow_schedule import app
from teams.workflows import schedule
from teams.workflows._time.schedule import ScheduleStanding, row_of

NOW = 1_700_000_000 * 1_000_000
"""A multiple of ten seconds: 2023-11-14T22:13:20Z."""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("LETITCRASH_STORE", url)
    monkeypatch.setattr("teams._journal.sql.wall", lambda: NOW)
    found = open_store(url, clock=lambda: NOW)
    found.commit([Unit("", schedule=row())])
    yield found
    found.close()


def row(id: str = "nightly") -> ScheduleRow:
    made = schedule(id, "report", cron="30 2 * * *", tz="Europe/Berlin", input={"day": 1})
    return row_of(made, ScheduleStanding(NOW), version="v1", timeout=60.0, total=2, paused=False)


def said(*args: str) -> Result:
    return CliRunner().invoke(app(), args)


@pytest.mark.usefixtures("store")
def test_list_shows_each_schedule_with_its_next_run() -> None:
    result = said("list")
    assert result.exit_code == 0
    assert result.stdout == "nightly  report  30 2 * * * (Europe/Berlin)  next 2023-11-15T01:30:00Z\n"
    (found,) = map(json.loads, said("list", "--json").stdout.splitlines())
    assert (found["id"], found["next_at"], found["paused"]) == ("nightly", 1_700_011_800.0, False)


def test_pause_and_resume_are_written(store: Store) -> None:
    assert said("pause", "nightly").stdout.endswith("paused\n")
    assert store.schedules()[0].paused
    assert "next" in said("resume", "nightly").stdout
    assert not store.schedules()[0].paused


def test_trigger_starts_a_run_with_the_options_of_the_schedule(store: Store) -> None:
    result = said("trigger", "nightly")
    found = store.run(result.stdout.strip())
    assert found is not None
    assert (found.workflow, found.version, found.input, found.total) == ("report", "v1", b'{"day":1}', 2)
    assert found.state == "created"
    assert found.deadline is not None
    assert found.deadline - found.created_at == 60_000_000


def test_backfill_lists_first_and_starts_when_told(store: Store) -> None:
    span = ("--from", "2023-11-12T00:00:00Z", "--to", "2023-11-14T00:00:00+00:00")
    listed = said("backfill", "nightly", *span)
    assert listed.stdout.splitlines() == ["2023-11-12T01:30:00Z  has no run", "2023-11-13T01:30:00Z  has no run"]
    assert "2 of 2 slots have no run" in listed.stderr
    assert not store.runs()
    started = said("backfill", "nightly", *span, "--start", "--json")
    found = [json.loads(line) for line in started.stdout.splitlines()]
    assert [each["started"] for each in found] == [True, True]
    assert {run.key for run in store.runs()} == {each["key"] for each in found}
    again = said("backfill", "nightly", *span, "--start")
    assert [line.split("  ")[1] for line in again.stdout.splitlines()] == ["has a run", "has a run"]
    assert len(store.runs()) == 2


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("command", ["pause", "resume", "trigger"])
def test_an_unknown_schedule_exits_with_3(command: str) -> None:
    result = said(command, "weekly")
    assert result.exit_code == 3
    assert result.stderr == "letitcrash: there is no schedule 'weekly' (known: nightly)\n"


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("since", "until", "text"),
    [
        ("yesterday", "2023-11-14T00:00:00Z", "--from: must be a time with an offset"),
        ("2023-11-12T00:00:00Z", "2023-11-14T00:00:00", "--to: must be a time with an offset"),
        ("2023-11-12T00:00:00Z", "2999-11-14T00:00:00Z", "must not lie ahead"),
        ("2023-11-14T00:00:00Z", "2023-11-12T00:00:00Z", "must not be after"),
        ("1970-01-02T00:00:00Z", "2023-11-12T00:00:00Z", "more than 1000 slots"),
    ],
)
def test_a_time_that_cannot_be_exits_with_2(since: str, until: str, text: str) -> None:
    result = said("backfill", "nightly", "--from", since, "--to", until)
    assert result.exit_code == 2
    assert text in result.stderr


def test_a_store_that_cannot_be_opened_exits_with_4() -> None:
    result = said("list", "--store", "redis://nowhere")
    assert result.exit_code == 4
    assert "not an address of a store" in result.stderr


@pytest.mark.parametrize("args", [("list",), ("pause", "nightly"), ("trigger", "nightly")], ids=" ".join)
def test_a_store_that_is_not_there_is_refused_and_not_made(args: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    result = said(*args, "--store", f"sqlite:///{path}")
    assert (result.exit_code, result.stdout) == (4, "")
    assert "there is no such file" in result.stderr
    assert not path.exists()


@pytest.mark.usefixtures("store")
def test_the_times_of_a_backfill_that_is_refused_are_told_as_times() -> None:
    result = said("backfill", "nightly", "--from", "2023-11-10T00:00:00Z", "--to", "2023-11-09T00:00:00Z")
    assert result.exit_code == 2
    assert "the begin 2023-11-10T00:00:00Z must not be after the end 2023-11-09T00:00:00Z" in result.stderr
