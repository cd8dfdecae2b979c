"""The interface between a cell and the host that runs its incarnations.

There is one loop host and one thread host in a runtime. The simulation brings its own; a process or cluster host fits
behind the same methods.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from actors._core.envelope import Envelope

if TYPE_CHECKING:
    from actors._core.cell import Cell

Hooks = Callable[[], Coroutine[Any, Any, object] | None]
"""Runs hooks up to the first that is a coroutine; returns what is left of them."""
HookDone = Callable[[BaseException | None], object]


class Host(Protocol):
    """Runs the code of actors. Every method but `ready`, `drive` and `drive_life` is called on the runtime's loop
    thread.
    """

    slice: int
    """How many messages one turn may handle."""
    blocks: bool
    """Whether a turn may take time, so that its limits need a watch from outside."""
    goes_on: bool
    """Whether the turn in which a handler raises goes on with the hook for the end."""

    @property
    def holds(self) -> Container[Cell]:
        """The cells for whose incarnation the host holds something: `retire` takes it back."""
        ...

    def launch(self, cell: Cell, /) -> None:
        """An incarnation begins: gives it its resources, and a first turn."""
        ...

    def ready(self, cell: Cell, /) -> None:
        """Something waits for the cell: gives it a turn soon. From any thread."""
        ...

    def drive(self, cell: Cell, envelope: Envelope, handler: Coroutine[Any, Any, object], context: Context, /) -> None:
        """Runs a handler that is a coroutine to its end, in `context`, and has the cell settle the message. From the
        cell's turn.
        """
        ...

    def drive_life(self, cell: Cell, hooks: Hooks, done: HookDone, /) -> None:
        """Runs hooks to their end, in the context of the incarnation, then `done(error)` on the loop thread. From the
        cell's turn.
        """
        ...

    def under_way(self, cell: Cell, /) -> list[Envelope]:
        """The messages whose handlers wait for something."""
        ...

    def cut_off(self, cell: Cell, /) -> None:
        """Cancels handlers under way, where the host can."""
        ...

    def kill(self, cell: Cell, ended: Callable[[], object], /) -> bool:
        """Ends what runs. True: nothing ran. False: `ended` is called when it has stopped or has been abandoned."""
        ...

    def finish(self, cell: Cell, steps: Iterator[Coroutine[Any, Any, None]], done: Callable[[], object], /) -> None:
        """Runs the end of what the incarnation owns, in its context: each step to its end, one after the other, then
        `done` on the loop thread. Code between two steps may block a thread. Where the thread was left behind, another
        one runs them.
        """
        ...

    def leave_behind(self, cell: Cell, /) -> None:
        """The thread that runs `finish` is stuck: it is left behind, and what it still reports is ignored."""
        ...

    def create_task(
        self, cell: Cell, coroutine: Coroutine[Any, Any, Any], name: str | None, /
    ) -> asyncio.Task[Any] | None:
        """Makes a task on the event loop of the host. None, and nothing is made, in a thread that does not run the
        code of the actor.
        """
        ...

    def drop(self, cell: Cell, /) -> list[Envelope]:
        """Gives up what runs, without waiting for its end. Returns the messages under way."""
        ...

    def retire(self, cell: Cell, /) -> None:
        """Takes back the resources of an incarnation that has ended."""
        ...
