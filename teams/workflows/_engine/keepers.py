"""Keepers of runs, as the desk of an engine has them made: they tell the desk what becomes of their runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from actors.spi import ActorDeadError, ActorRef, sleep
from teams._dispatch.ask import asked
from teams._journal.errors import StoreAway
from teams._journal.rows import JournalEntry, RunRow
from teams.workflows._engine.journal import put
from teams.workflows._engine.messages import StartRun
from teams.workflows._engine.notices import KeeperLost, RunWaits
from teams.workflows._engine.settings import EngineSettings
from teams.workflows._run.detached import DetachedRun
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows._run.passes import Passes

PAUSE = 0.5
"""Seconds before a run is started again that the store was away for."""


class Keepers:
    """Makes the keepers of the runs of one engine."""

    def __init__(
        self,
        settings: EngineSettings,
        desk: ActorRef[Any],
        journal: Callable[[], ActorRef[Any]],
        now: Callable[[], int],
        passes: Passes,
    ) -> None:
        """`journal` finds the actor that there is now; `now` is in UTC microseconds."""
        self._settings = settings
        self._desk = desk
        self._journal = journal
        self._now = now
        self._passes = passes

    def make(self, row: RunRow, entries: list[JournalEntry]) -> DurableKeeper:
        """The keeper of a run that has these entries."""
        settings = self._settings
        return DurableKeeper(
            row,
            entries,
            self._now,
            partial(put, self._journal()),
            self._passes,
            self._lost,
            self._waits,
            self._started,
            settings.workflows,
            settings.patterns,
            settings.retain,
            settings.max_value_bytes,
        )

    def _lost(self, keeper: DurableKeeper, error: BaseException) -> None:
        if self._desk.is_alive():
            self._desk.tell(KeeperLost(keeper.row.id, keeper, error))

    def _waits(self, keeper: DurableKeeper) -> None:
        if self._desk.is_alive():
            self._desk.tell(RunWaits(keeper.row.id, keeper))

    async def _started(self, run: DetachedRun) -> str:
        """Starts a run, and returns its id when it is written. The second time, it is the same run."""
        message = StartRun(
            run.workflow, run.input, run.key, run.priority, parent=run.parent, parent_step=run.parent_step
        )
        while True:
            try:
                row: RunRow = await asked(self._desk, message)
                return row.id
            except StoreAway:
                await sleep(PAUSE)
            except ActorDeadError:
                await _until_the_end()


async def _until_the_end() -> NoReturn:
    """The engine stops, and ends the actor that waits here."""
    while True:
        await asyncio.get_running_loop().create_future()
