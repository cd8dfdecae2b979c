"""The rows of runs in the store, as the desk of an engine asks for it and has it written."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from actors.spi import TEXT, ActorDeadError, ActorRef, RuntimeStopped, described
from supervisors.spi import SpecError
from teams._journal.codec import decode
from teams._journal.errors import JournalError, NotStorable, StoreAway
from teams._journal.rows import OPEN, Definition, InboxRow, JournalEntry, Result, RunRow, Unit
from teams._journal.store import Store
from teams._runs.pattern import Pattern
from teams.errors import TeamError
from teams.workflows._engine.journal import Apply, CommitQueue, LookDone, LookFailed, Query, written
from teams.workflows._engine.said import edited_run, moved, not_edited, not_moved, read_changes
from teams.workflows._engine.settings import EngineSettings
from teams.workflows._graph.graph import Graph
from teams.workflows._graph.workflow import Workflow
from teams.workflows._run.hidden import Hidden
from teams.workflows.errors import AgentMissing, Blocked, CannotMove, NoSuchRun

CHANGES = ("move", "edit")
"""The messages that change the workflow of a run."""


class Records:
    """The rows of runs, behind the actors of the store and of the journal."""

    def __init__(
        self,
        settings: EngineSettings,
        store: Callable[[], ActorRef[Any]],
        journal: Callable[[], ActorRef[Any]],
        now: Callable[[], int],
    ) -> None:
        """`store` and `journal` find the actors that there are now; `now` is in UTC microseconds."""
        self._settings = settings
        self._store = store
        self._journal = journal
        self._now = now

    async def query(self, method: str, *args: object, **options: object) -> Any:
        """The result of a method of the store. Raises StoreAway, also where the actor of the store broke over it."""
        return await self.called(method, Query(method, args, tuple(options.items())))

    async def called(self, method: str, message: Query | Apply) -> Any:
        try:
            return await self._store().call(message, timeout=None)
        except JournalError:
            raise
        except Exception as error:
            raise StoreAway("of the engine", f"{method}() failed: {described(error, TEXT)}", False) from error

    async def row(self, run: str) -> RunRow | None:
        """The row of a run that a caller named. No run has a name that the store does not take."""
        try:
            found: RunRow | None = await self.query("run", run)
        except NotStorable:
            return None
        return found

    async def found(self, run: str) -> RunRow:
        """The same; raises NoSuchRun."""
        row = await self.row(run)
        if row is None:
            raise NoSuchRun(run)
        return row

    async def write(self, unit: Unit) -> Result:
        return await written(self._journal(), unit)

    def looked(self, error: StoreAway | None = None) -> None:
        """Tells the journal of a look that failed, and of the first one that does not: it says whether the store is
        away.
        """
        journal = self._journal()
        queue = journal.view()
        lost = isinstance(queue, CommitQueue) and queue.lost
        if lost == (error is not None):
            return
        with contextlib.suppress(ActorDeadError, RuntimeStopped):  # it ends with the engine
            journal.tell(LookDone() if error is None else LookFailed(error))

    async def give_up(self, epoch: int, is_known: Callable[[str], bool]) -> None:
        """Runs that are the engine's in the store and not known to it: any engine may take them up.

        The last incarnation of the desk was about to begin them, or the store was away just after it had given them to
        this engine. What that incarnation had sent to the journal may still be on its way, behind a commit that failed:
        the journal writes in order, so all of it is there when this unit is.
        """
        # While the store is away, nothing is written that the unit could wait for.
        await self.query("runs", limit=1)
        await self.write(Unit(""))
        for row in await self.query("runs", owner=epoch, limit=100_000):
            if row.state in OPEN and not is_known(row.id):
                await self.write(Unit(row.id, epoch=epoch, update={"owner": None}))

    # Changes of runs that are not awake

    async def change(
        self, row: RunRow, entries: list[JournalEntry], messages: list[InboxRow]
    ) -> tuple[RunRow, list[JournalEntry], list[InboxRow]]:
        """Brings a run that is not awake to the version or the graph it was told, if what it has done allows that."""
        for message in messages:
            if message.kind in CHANGES:
                move = message.kind == "move"
                unit = await (self._moved(row, entries, message) if move else self._edited(row, entries, message))
                update = {key: value for key, value in unit.update.items() if key != "owner"}
                await self.write(dataclasses.replace(unit, update=update))
                row, entries = await self.query("run", row.id), await self.query("entries", row.id)
        return row, entries, [each for each in messages if each.kind not in CHANGES]

    async def _moved(self, row: RunRow, entries: list[JournalEntry], message: InboxRow) -> Unit:
        was: Definition | None = await self.query("definition", row.workflow, row.version)
        to: Definition | None = await self.query("definition", row.workflow, message.name)
        try:
            if was is None or to is None:
                raise CannotMove(row.id, message.name, ("the store does not have both versions",))
            unit = moved(row, entries, was, to, self._now())
        except CannotMove as error:
            unit = not_moved(row, error, self._now())
        return dataclasses.replace(unit, taken=(message.id,))

    async def _edited(self, row: RunRow, entries: list[JournalEntry], message: InboxRow) -> Unit:
        now, names = self._now(), self._settings.names
        try:
            changes = read_changes(row.id, decode(message.body or b"{}"))
            pattern = await self.pattern(row)
            return edited_run(row, entries, pattern, changes, message.id, now, names=names, message=message)
        except StoreAway:
            raise  # and no fault of the edit
        except (TeamError, JournalError, SpecError) as error:
            return not_edited(row, error, message.id, now)

    async def pattern(self, row: RunRow) -> Pattern:
        """The definition of a run, as it was when the run was started. Raises Blocked."""
        found = self._settings.workflows.get(row.workflow)
        if found is None:
            raise AgentMissing(row.id, f"workflow {row.workflow!r}")
        if self._settings.version(row.workflow) == row.version:
            return found
        stored: Definition | None = await self.query("definition", row.workflow, row.version)
        if stored is None:
            raise AgentMissing(row.id, f"version {row.version[:12]} of workflow {row.workflow!r}")
        return self._settings.restored(row.id, stored)

    async def written_of(self, claimed: list[RunRow]) -> list[tuple[RunRow, list[JournalEntry], list[InboxRow]]]:
        """Runs with their entries and messages. What is said to them from now on comes with the next look."""

        def found(store: Store) -> list[tuple[RunRow, list[JournalEntry], list[InboxRow]]]:
            runs = [row.id for row in claimed]
            said, entries = store.inbox_of(runs), store.entries_of(runs)
            return [(row, entries.get(row.id, []), said.get(row.id, [])) for row in claimed]

        return await self.called("entries_of", Apply(found))  # type: ignore[no-any-return]

    async def said_of(self, run: str) -> tuple[list[JournalEntry], list[InboxRow]]:
        """The entries of a run, and the messages that it has not taken up."""
        waiting: list[InboxRow] = await self.query("inbox", run)
        entries: list[JournalEntry] = await self.query("entries", run)
        return entries, waiting

    async def graph(self, row: RunRow) -> Graph | None:
        """The graph of a run that is not awake; None: it is the run of a pattern or of code, or what its steps name is
        not there. Raises StoreAway.
        """
        try:
            pattern = await self.pattern(row)
        except StoreAway:
            raise
        except (Blocked, JournalError):
            return None
        return graph_of(pattern)

    async def hidden(self, row: RunRow) -> Hidden:
        """The hidden parts of a run. Raises StoreAway."""
        stored: Definition | None = await self.query("definition", row.workflow, row.version)
        return Hidden(None if stored is None else stored.body)


def graph_of(pattern: Pattern) -> Graph | None:
    """The graph of a workflow; None: it is another pattern."""
    return pattern.graph if isinstance(pattern, Workflow) else None
