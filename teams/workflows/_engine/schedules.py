"""The operations on schedules, as functions over an open store, in its thread. An engine need not be up: what they
write is found by those that are.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from itertools import islice

from teams._journal.rows import Known, OtherInput, Result, RunRow, ScheduleRow, Unit
from teams._journal.store import Store
from teams.workflows._engine.settings import EngineSettings, run_row
from teams.workflows._time.cron import SECOND, between, iso
from teams.workflows._time.schedule import (
    MOST,
    ScheduleStatus,
    paused,
    run_key,
    schedule_of,
    spec_of,
    status_of,
)
from teams.workflows.errors import BadBackfill, NoSuchSchedule

PAGE = 1_000
"""Runs that are read at once."""


@dataclass(frozen=True, slots=True)
class ScheduledSlot:
    """A slot of a schedule, and its run."""

    slot: float
    """Seconds since the epoch."""
    key: str
    """The key of its run."""
    run: str | None
    """The id of its run; None: it has none."""
    started: bool
    """Whether this call started it."""


def schedules(store: Store) -> tuple[ScheduleStatus, ...]:
    """All schedules of the store, by id."""
    return tuple(status_of(row) for row in store.schedules())


def pause_schedule(store: Store, id: str) -> ScheduleStatus:
    """No slot starts until `resume_schedule`; what falls into the pause is left out. Raises NoSuchSchedule."""
    return _paused(store, id, pause=True)


def resume_schedule(store: Store, id: str) -> ScheduleStatus:
    """Slots start again, from now on. Raises NoSuchSchedule."""
    return _paused(store, id, pause=False)


def _paused(store: Store, id: str, *, pause: bool) -> ScheduleStatus:
    row = _row(store, id)
    if row.paused != pause:
        row = paused(row, store.now(), pause=pause)
        store.commit([Unit("", schedule=row)])
    return status_of(row)


def trigger_schedule(store: Store, id: str, run: str) -> RunRow:
    """Starts a run with this id now, besides the slots, also of a schedule that is paused. Raises NoSuchSchedule."""
    made = _run(_row(store, id), f"{id}/now/{run}", run, store.now())
    store.commit([Unit(run, start=made)])
    return made


def backfill(
    store: Store, id: str, since: float, until: float, source: random.Random, *, dry: bool = True
) -> tuple[ScheduledSlot, ...]:
    """Starts the slots of a time that is over, which have no run yet; with `dry`, only tells which. Their runs start
    at once, whatever `overlap` says.

    Args:
        store: An open store.
        id: The schedule.
        since: From here on, in seconds since the epoch.
        until: To here, the end included.
        source: Where ids of runs come from.
        dry: Whether nothing is started. Default: True.

    Raises:
        NoSuchSchedule: the store has none of this id
        BadBackfill: the time is not over, or has more than 1,000 slots
    """
    row, now = _row(store, id), store.now()
    if not since <= until:
        begin, end = iso(round(since * SECOND)), iso(round(until * SECOND))
        raise BadBackfill(id, f"the begin {begin} must not be after the end {end}")
    if round(until * SECOND) > now:
        raise BadBackfill(id, f"the end must not lie ahead: it is {iso(now)} now")
    found = between(schedule_of(row).timing, round(since * SECOND) - 1, round(until * SECOND))
    slots = tuple(islice(found, MOST + 1))
    if len(slots) > MOST:
        raise BadBackfill(id, f"there are more than {MOST} slots; fill in a shorter time first")
    if dry:
        there = {run.key: run.id for run in _runs(store, row.workflow, round(since * SECOND))}
        keys = [run_key(id, slot) for slot in slots]
        return tuple(
            ScheduledSlot(slot / SECOND, key, there.get(key), False) for slot, key in zip(slots, keys, strict=True)
        )
    runs = [_run(row, run_key(id, slot), EngineSettings.new_id(now, source), now) for slot in slots]
    results = store.commit([Unit(run.id, start=run) for run in runs])
    return tuple(map(_slot_of, slots, runs, results))


def _slot_of(slot: int, run: RunRow, result: Result) -> ScheduledSlot:
    assert run.key is not None
    if isinstance(result, Known | OtherInput):
        return ScheduledSlot(slot / SECOND, run.key, result.run.id, False)
    return ScheduledSlot(slot / SECOND, run.key, run.id, True)


def _row(store: Store, id: str) -> ScheduleRow:
    rows = {row.id: row for row in store.schedules()}
    if id not in rows:
        raise NoSuchSchedule(id, tuple(rows))
    return rows[id]


def _runs(store: Store, workflow: str, since: int) -> list[RunRow]:
    found: list[RunRow] = []
    page = partial(store.runs, workflow=workflow, since=since, limit=PAGE)
    rows = page()
    while rows:
        found += rows
        rows = page(after=rows[-1])
    return found


def _run(row: ScheduleRow, key: str, run: str, now: int) -> RunRow:
    spec = spec_of(row)
    return run_row(
        run,
        row.workflow,
        spec["version"],
        row.input,
        now,
        key=key,
        timeout=spec["timeout"],
        total=spec["total"],
        attributes={"schedule": row.id},
    )
