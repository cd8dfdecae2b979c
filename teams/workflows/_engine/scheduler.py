"""The scheduler: starts the runs of schedules at their slots.

    message              from, to             answer
    StartRun(slot)       it to the desk       the row of the run, written together with how far the schedule has come
    Apply(function)      the ref to it        what the function returns, called with the store

Every second it compares the clock on the wall with when the next slot starts; so a machine that was suspended, or a
clock that was set, is one late look. Before anything is decided the rows are read again, so several engines on one
store, and people who pause a schedule, agree. Promise: a slot has one run at most, because the run has the key of the
slot; and one, if an engine is there in time and no other run is open, or as `catch_up` and `overlap` say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, ClassVar, NamedTuple

from actors.spi import Actor, ActorDeadError, handles
from supervisors.spi import SupervisionError
from teams._dispatch.ask import asked
from teams._journal.codec import encode
from teams._journal.errors import JournalError, StoreAway
from teams._journal.rows import OPEN, RunRow, ScheduleRow, Unit
from teams.errors import TeamError
from teams.workflows._engine.journal import Apply, Query, written
from teams.workflows._engine.messages import RunsWaiting, Say, ScheduledStart, StartRun
from teams.workflows._engine.settings import EngineSettings
from teams.workflows._time.cron import SECOND
from teams.workflows._time.schedule import (
    ScheduleStanding,
    WorkflowSchedule,
    decide,
    moved,
    row_of,
    run_key,
    standing_of,
)
from teams.workflows.errors import AlreadyEnded, KeyTaken
from teams.workflows.events import SlotsLeftOut

LOOK = 1.0
"""Seconds at most between two looks at the clock on the wall, which may be set."""
READ = 5.0
"""Seconds after which the rows are read in any case: a person may have paused a schedule, or have it go on."""
PAGE = 1_000
"""Runs that are read at once."""


class _Look(NamedTuple):
    """Look whether a slot is due."""


class ScheduleActor(Actor):
    """Starts runs at their slots. Runs on the loop."""

    only_host = "loop"
    answers: ClassVar[tuple[type[BaseException], ...]] = (TeamError, SupervisionError, JournalError)

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._rows: dict[str, ScheduleRow] = {}
        self._read_at: float | None = None

    def on_start(self) -> None:
        self.ref.tell(_Look())

    @handles
    async def look(self, _: _Look) -> None:
        try:
            if self._reads():
                await self._read()
            for schedule in self._settings.schedules.values():
                await self._run_due(schedule)
        except (StoreAway, ActorDeadError):
            self._read_at = None  # it is looked at again in a second
        finally:
            self.tell_after(self._pause(), _Look())

    @handles
    async def apply(self, message: Apply) -> Any:
        """What a person does with a schedule."""
        found = await self.sibling("store").call(message, timeout=None)
        self._read_at = None
        desk = self.runtime.find(f"{self.path.rpartition('/')[0]}/desk")
        if desk is not None and desk.is_alive():
            desk.tell(RunsWaiting())
        return found

    def _now(self) -> int:
        return round(self.runtime.clock.wall() * SECOND)

    def _pause(self) -> float:
        now = self._now()
        times = [row.next_at for row in self._rows.values() if row.next_at is not None]
        return min([LOOK, *(max(0.001, (at - now) / SECOND) for at in times if at > now)])

    # The rows

    def _reads(self) -> bool:
        now = self._now()
        old = self._read_at is None or self.runtime.now() - self._read_at >= READ
        return old or any(self._is_due(row, now) for row in self._rows.values())

    def _is_due(self, row: ScheduleRow, now: int) -> bool:
        return not row.paused and (bool(standing_of(row).queued) or (row.next_at is not None and row.next_at <= now))

    async def _read(self) -> None:
        """Reads the rows, and writes those that are new or have changed."""
        rows: list[ScheduleRow] = await self.sibling("store").call(Query("schedules"), timeout=None)
        self._read_at = self.runtime.now()
        stored = {row.id: row for row in rows}
        for id, schedule in self._settings.schedules.items():
            there = stored.get(id)
            standing = ScheduleStanding(self._now()) if there is None else standing_of(there)
            row = self._row(schedule, standing, is_paused=there is not None and there.paused)
            if row != there:
                definition = self._settings.definition(schedule.workflow, self._now())
                await written(self.sibling("journal"), Unit("", definition=definition, schedule=row))
            self._rows[id] = row

    def _row(self, schedule: WorkflowSchedule, standing: ScheduleStanding, *, is_paused: bool) -> ScheduleRow:
        settings = self._settings
        pattern = settings.workflows[schedule.workflow]
        return row_of(
            schedule,
            standing,
            version=settings.version(schedule.workflow),
            timeout=settings.timeout(pattern, None),
            total=settings.total(pattern),
            paused=is_paused,
        )

    # What is due

    async def _run_due(self, schedule: WorkflowSchedule) -> None:
        row, now = self._rows[schedule.id], self._now()
        if not self._is_due(row, now):
            return
        standing = standing_of(row)
        runs = [] if schedule.overlap == "allow" else [run async for run in self._open(schedule)]
        decision = decide(schedule, standing, now, is_open=bool(runs))
        if decision.cancels:
            for run in runs:
                await self._cancel(run)
        queued = (*decision.starts, *decision.standing.queued)
        for slot in decision.starts:
            queued = queued[1:]
            await self._start(schedule, slot, moved(row, ScheduleStanding(decision.standing.last, queued)))
        row = moved(row, decision.standing)
        if not decision.starts and decision.standing != standing:
            await self._write(row)
        self._rows[schedule.id] = row
        for first, last, why in decision.left_out:
            self._publish_left_out(schedule, first, last, why)

    async def _start(self, schedule: WorkflowSchedule, slot: int, row: ScheduleRow) -> None:
        message = StartRun(
            schedule.workflow,
            schedule.input,
            run_key(schedule.id, slot),
            attributes={"schedule": schedule.id},
            slot=ScheduledStart(slot, row),
        )
        try:
            await asked(self.sibling("desk"), message)
        except KeyTaken as error:  # the schedule has another input now: the slot has its run
            await self._write(row)
            self._publish_left_out(schedule, slot, slot, str(error))

    async def _write(self, row: ScheduleRow) -> None:
        await written(self.sibling("journal"), Unit("", schedule=row))

    async def _open(self, schedule: WorkflowSchedule) -> AsyncIterator[RunRow]:
        """The runs of a schedule that have not ended."""
        said = encode({"schedule": schedule.id})
        after: RunRow | None = None
        while True:
            options = {"states": tuple(OPEN), "workflow": schedule.workflow, "limit": PAGE, "after": after}
            query = Query("runs", options=tuple(options.items()))
            page: list[RunRow] = await self.sibling("store").call(query, timeout=None)
            for run in page:
                if run.attributes == said:
                    yield run
            if len(page) < PAGE:
                return
            after = page[-1]

    async def _cancel(self, run: RunRow) -> None:
        if run.state == "cancelling":
            return
        try:
            await asked(self.sibling("desk"), Say(run.id, "cancel", value="a later slot of its schedule is due"))
        except AlreadyEnded:
            return

    def _publish_left_out(self, schedule: WorkflowSchedule, first: int, last: int, why: str) -> None:
        event = SlotsLeftOut(self.path, self.runtime.now(), schedule.id, first / SECOND, last / SECOND, why)
        self.runtime.events.publish(event)
