"""The place host: each incarnation runs in a runtime of its own elsewhere, such as a process.

What this process has of the actor is a stand-in, whose hooks run on the loop host. A message is not handled here: it is
sent, and counts as under way until the place says that it was handled.
"""

from __future__ import annotations

import asyncio
import logging
from collections import ChainMap
from collections.abc import Callable, Container, Coroutine, Iterator
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from actors._core.envelope import Envelope
from actors._core.placed import PlacedStart, PlacedType
from actors._hosts.host import HookDone, Hooks
from actors._place.carrier import Carriers
from actors._place.mirror import MirrorCell
from actors._place.place import ActorPlace

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._runtime.runtime import Runtime
    from actors.reasons import ExitReason


class PlaceHost:
    """Runs incarnations in runtimes of their own."""

    blocks = False

    def __init__(self, runtime: Runtime, carriers: Carriers) -> None:
        self._runtime = runtime
        self._loop_host = runtime.loop_host
        self.slice, self.goes_on = runtime.loop_host.slice, runtime.loop_host.goes_on
        self._places: dict[Cell, ActorPlace] = {}
        self.holds: Container[Cell] = ChainMap[Any, Any](self._places, runtime.loop_host.holds)
        self.carriers = carriers
        """Makes what carries each place."""

    # Turns

    def launch(self, cell: Cell) -> None:
        self._loop_host.launch(cell)

    def ready(self, cell: Cell) -> None:
        self._loop_host.ready(cell)

    def drive(self, cell: Cell, envelope: Envelope, handler: Coroutine[Any, Any, object], context: Context) -> None:
        handler.close()
        if isinstance(cell, MirrorCell):
            if cell.send_in(envelope):
                cell.busy()
            return
        place = self._places[cell]
        if place.traffic.send(envelope):
            cell.busy()
            place.is_busy()

    def drive_life(self, cell: Cell, hooks: Hooks, done: HookDone) -> None:
        def ended(error: BaseException | None) -> None:
            done(error)
            place = self._places.get(cell)
            if place is not None:
                place.go_on()

        self._loop_host.drive_life(cell, hooks, ended)

    # The life of a place, as the stand-in asks for it

    async def begin_place(self, cell: Cell, start: PlacedStart) -> None:
        """Starts the place, and returns when the actor there is up. Raises what failed the start, when the place is
        over.
        """
        place = self._places[cell] = ActorPlace(self, cell, cast("PlacedType", cell.props.kind))
        place.begin(start)
        if cell.kind.says_progress:  # a supervisor: its start may take as long as those of its children
            cell.possess().when_told(partial(self._told, cell, place))
        try:
            await asyncio.shield(place.started)
        except asyncio.CancelledError:
            raise  # the incarnation is killed, and with it the place
        except BaseException:
            await asyncio.shield(place.over)
            raise

    def _told(self, cell: Cell, place: ActorPlace) -> None:
        """The supervisor is told to stop while it starts: it breaks off the start, as any supervisor does."""
        if cell.told_to_stop is not None and not place.started.done():
            place.stop(cell.told_to_stop)

    def waits_for(self, cell: Cell) -> str:
        """What the start of the incarnation waits for over there."""
        place = self._places.get(cell)
        return "" if place is None else place.waits_for

    async def end_place(self, cell: Cell, reason: ExitReason) -> None:
        """Ends the place in order, and returns when it is gone. Raises what the hook of the end has raised."""
        place = self._places[cell]
        place.stop(reason)
        await asyncio.shield(place.over)
        place.outcome(reason)

    def heed(self, cell: Cell, reason: ExitReason) -> None:
        """Tells the code that runs in the process that it was told to stop, for this reason. It goes on."""
        place = self._places.get(cell)
        if place is not None:
            place.send("heed", *place.codec.encode_reason(place.path, reason))

    # Ends

    def under_way(self, cell: Cell) -> list[Envelope]:
        place = self._places.get(cell)
        return [] if place is None else place.traffic.under_way()

    def cut_off(self, cell: Cell) -> None:
        """The runtime over there cuts off the handlers that run there."""

    def kill(self, cell: Cell, ended: Callable[[], object]) -> bool:
        left = {"place", "hooks"}

        def one_ended(which: str) -> None:
            left.discard(which)
            if not left:
                ended()

        place = self._places.get(cell)
        if place is None or place.kill():
            left.discard("place")
        else:
            place.over.add_done_callback(lambda _: one_ended("place"), context=self._runtime.context)
        if self._loop_host.kill(cell, lambda: one_ended("hooks")):
            left.discard("hooks")
        return not left

    def finish(self, cell: Cell, steps: Iterator[Coroutine[Any, Any, None]], done: Callable[[], object]) -> None:
        self._loop_host.finish(cell, steps, done)

    def leave_behind(self, cell: Cell) -> None:
        """A place can be killed: none is left behind."""

    def create_task(
        self, cell: Cell, coroutine: Coroutine[Any, Any, Any], name: str | None
    ) -> asyncio.Task[Any] | None:
        return None  # the code of the actor runs elsewhere

    def held(self) -> list[Envelope]:
        """The messages that places have, in whatever state."""
        return [envelope for place in self._places.values() for envelope in place.traffic.everything()]

    def drop(self, cell: Cell) -> list[Envelope]:
        place = self._places.pop(cell, None)
        return [*self._loop_host.drop(cell), *(() if place is None else place.drop())]

    def retire(self, cell: Cell) -> None:
        self._loop_host.retire(cell)
        place = self._places.pop(cell, None)
        if place is not None:
            for envelope in reversed(place.traffic.give_back()):
                cell.queue.appendleft(envelope)

    async def close(self) -> None:
        """Ends what starts the runtimes. Every place has ended."""
        await self.carriers.close()

    def abandon(self) -> None:
        """Ends every place at once. Nothing is told of it."""
        for place in self._places.values():
            place.drop()
        self._places.clear()
        self.carriers.abandon()

    def forked(self) -> None:
        """This process is a fork of the program: it keeps no place alive."""
        for place in self._places.values():
            place.forked_away()
        self._places.clear()
        self.carriers.forked_away()

    # Logs

    def log_levels(self) -> dict[str, int]:
        """The level of each logger that has one of its own. A place logs what the program would."""
        loggers = logging.root.manager.loggerDict
        named = {name: each.level for name, each in loggers.items() if isinstance(each, logging.Logger) and each.level}
        return {"": logging.root.level, **named}

    def write_log(self, fields: dict[str, Any]) -> None:
        """Writes a record of a place to the logger of the same name."""
        record = logging.makeLogRecord(fields)
        logger = logging.getLogger(record.name)
        if logger.isEnabledFor(record.levelno):
            self._runtime.attempt(self._runtime.name, "a log handler", logger.handle, record)
