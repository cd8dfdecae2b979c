"""The commands of `letitcrash workflow schedule`. They work through the store, whether an engine is up or not."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from actors._user_code.text import printable
from actors.spi import ENVIRONMENT, NAME
from teams._journal.store import Store
from teams.cli._text import json_line
from teams.cli._workflow_outcome import outcome, refuse
from teams.cli._workflow_store import DEFAULT, opened
from teams.workflows._engine import schedules
from teams.workflows._engine.settings import EngineSettings
from teams.workflows._time.schedule import ScheduleStatus

ScheduleArgument = Annotated[str, typer.Argument(metavar="SCHEDULE", help="The id of a schedule.")]
ScheduleStore = Annotated[
    str, typer.Option("--store", envvar=f"{ENVIRONMENT}STORE", metavar="URL", help="The store of the engine.")
]
ScheduleJson = Annotated[bool, typer.Option("--json", help="Write JSON, one object a line.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="From here on: 2026-01-31T08:00:00Z.")]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="To here, the end included. [default: now]", show_default=False),
]
StartOption = Annotated[
    bool, typer.Option("--start", help="Start the slots that have no run; without it, only list them.")
]


def app() -> typer.Typer:
    """The commands, to be added to others."""
    made = typer.Typer(
        help="Schedules: what starts workflows again and again.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    )
    made.command("list")(_list)
    made.command("pause")(_pause)
    made.command("resume")(_resume)
    made.command("trigger")(_trigger)
    made.command("backfill")(_backfill)
    return made


def _list(store: ScheduleStore = DEFAULT, as_json: ScheduleJson = False) -> None:
    """Lists the schedules of a store, and when each starts its next run."""
    with _opened(store) as found:
        _show(schedules.schedules(found), as_json=as_json)


def _pause(schedule: ScheduleArgument, store: ScheduleStore = DEFAULT, as_json: ScheduleJson = False) -> None:
    """Has a schedule start nothing until it is resumed. What falls into the pause is left out.

    Exits with 3 when there is no such schedule.
    """
    with _opened(store) as found:
        _show([schedules.pause_schedule(found, schedule)], as_json=as_json)


def _resume(schedule: ScheduleArgument, store: ScheduleStore = DEFAULT, as_json: ScheduleJson = False) -> None:
    """Has a schedule that is paused go on, from now on.

    Exits with 3 when there is no such schedule.
    """
    with _opened(store) as found:
        _show([schedules.resume_schedule(found, schedule)], as_json=as_json)


def _trigger(schedule: ScheduleArgument, store: ScheduleStore = DEFAULT, as_json: ScheduleJson = False) -> None:
    """Starts a run of a schedule now, besides its slots, and writes the id of the run. An engine takes it up.

    Exits with 3 when there is no such schedule.
    """
    with _opened(store) as found:
        run = schedules.trigger_schedule(found, schedule, EngineSettings.new_id(found.now(), random.SystemRandom()))
        typer.echo(json_line({"schedule": schedule, "run": run.id, "key": run.key}) if as_json else run.id)


def _backfill(
    schedule: ScheduleArgument,
    since: From,
    until: To = None,
    start: StartOption = False,
    store: ScheduleStore = DEFAULT,
    as_json: ScheduleJson = False,
) -> None:
    """Lists the slots of a time that is over, each with its run; with `--start`, starts those that have none.

    Exits with 2 when the time is not over or has more than 1,000 slots, and with 3 when there is no such schedule.
    """
    with _opened(store) as found:
        begin = _time("--from", since)
        end = found.now() / 1e6 if until is None else _time("--to", until)
        slots = schedules.backfill(found, schedule, begin, end, random.SystemRandom(), dry=not start)
        for each in slots:
            if as_json:
                typer.echo(json_line(dataclasses.asdict(each)))
            else:
                said = "started" if each.started else "has a run" if each.run is not None else "has no run"
                typer.echo("  ".join([_at(each.slot), said, *([each.run] if each.run is not None else [])]))
        left = sum(each.run is None for each in slots)
        if left and not as_json:
            typer.echo(f"{NAME}: {left} of {len(slots)} slots have no run; --start starts them", err=True)


def _show(found: Iterable[ScheduleStatus], *, as_json: bool) -> None:
    for each in found:
        if as_json:
            typer.echo(json_line(dataclasses.asdict(each)))
            continue
        when = f"every {each.every:g} s" if each.cron is None else f"{each.cron} ({each.tz})"
        then = "paused" if each.paused else "ended" if each.next_at is None else f"next {_at(each.next_at)}"
        waits = [f"{len(each.queued)} wait"] if each.queued else []
        typer.echo("  ".join([printable(each.id), printable(each.workflow), when, then, *waits]))


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _time(option: str, text: str) -> float:
    """Seconds since the epoch."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min  # noqa: DTZ901 - without a zone, as what is refused below
    if found.tzinfo is None:
        refuse(f"{option}: must be a time with an offset, such as 2026-01-31T08:00:00Z, got {text!r}")
    return found.timestamp()


@contextlib.contextmanager
def _opened(url: str) -> Iterator[Store]:
    """The store, and the exit codes of what goes wrong with it."""
    with outcome(), opened(url) as store:
        yield store
