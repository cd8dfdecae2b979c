"""The reads of a run from the store of its engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from actors.spi import ActorDeadError, ActorRef, sleep
from teams._dispatch.ask import asked
from teams._dispatch.messages import GetRoster, SlotInfo
from teams._journal.errors import StoreAway
from teams._journal.rows import JournalEntry
from teams._journal.store import Store
from teams._runs.context import RunContext
from teams.orchestration._tasks import PastRuns, past_of
from teams.workflows._engine.journal import Apply
from teams.workflows._run.keeper import DurableKeeper

T = TypeVar("T")

PAUSE = 0.5
"""Seconds before the store is asked again when it did not answer."""
LATEST = 50
"""How many of the latest runs count."""


def keeper_of(run: RunContext) -> DurableKeeper:
    """The keeper of a run of an engine."""
    assert isinstance(run.keeper, DurableKeeper)
    return run.keeper


async def coordinator(run: RunContext, team: str) -> ActorRef[Any]:
    """The coordinator of a team of the engine. Raises AgentMissing."""
    return await keeper_of(run).team(team)


async def roster(run: RunContext, team: str) -> tuple[SlotInfo, ...]:
    """The slots of a team of the engine, of the one that is started in its place if it terminates meanwhile. Raises
    AgentMissing.
    """
    while True:
        try:
            found: tuple[SlotInfo, ...] = await asked(await coordinator(run, team), GetRoster())
        except ActorDeadError:
            await sleep(PAUSE)
        else:
            return found


async def in_store(run: RunContext, function: Callable[[Store], T]) -> T:
    """The result of a function of the store, in the thread of the store, with everything that the run has done so far.
    Waits while the store is away.
    """
    keeper = keeper_of(run)
    await keeper.written()
    player = keeper.player
    assert player is not None
    engine = player.path.rpartition("/runs/")[0]
    while True:
        store: ActorRef[Any] | None = player.runtime.find(f"{engine}/store")
        try:
            if store is not None:
                found: T = await asked(store, Apply(function))
                return found
        except (StoreAway, ActorDeadError):
            pass  # it comes back, or the engine ends and this with it
        await sleep(PAUSE)


async def own_entries(run: RunContext, after: int = 0) -> list[JournalEntry]:
    """The entries of this run after the one with this number."""
    return await in_store(run, lambda store: store.entries(run.run, after))


async def past_runs(run: RunContext, workflow: str) -> PastRuns:
    """The record of the latest other runs of a workflow."""

    def read(store: Store) -> PastRuns:
        rows = [each for each in store.runs(workflow=workflow, limit=LATEST) if each.id != run.run]
        return past_of(store.entries(row.id) for row in reversed(rows))

    return await in_store(run, read)
