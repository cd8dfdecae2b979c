"""The view of an actor from outside, at any time and from any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors._core.life import Phase
from actors._core.mailbox import waiting_in
from actors._core.process import host_name

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Status:
    """The state, work and waiting messages of an actor. Each field was read once, without stopping the actor."""

    path: str
    actor_class: type
    host: str
    state: str
    """starting, running, stopping, down (between two incarnations) or stopped (terminated)."""
    incarnation: int
    suspended: bool
    handling: str | None
    """The type of the message being handled."""
    waiting_for: str | None
    """The path of the actor whose answer the handler waits for."""
    queued: int
    stashed: int
    links: int
    monitors: int
    timers: int
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counters of an actor over all its incarnations; they only grow."""

    handled: int
    """Messages a handler was given."""
    crashes: int
    """Incarnations that ended by an exception: of a handler, a hook, a task or a link. Failed starts are included."""
    resumed: int
    """Exceptions of handlers that the actor survived (`Actor.resumes`)."""
    restarts: int
    seconds: float
    """Seconds in handlers, waiting included."""
    uptime: float
    """Seconds since the present incarnation came up; 0 when none runs."""


def status_of(cell: Cell) -> Status:
    """The status of a cell."""
    envelope, waiting, watchers = cell.envelope, cell.waiting, cell.watchers
    links, monitors = watchers.counts if watchers is not None else (0, 0)
    return Status(
        path=cell.path,
        actor_class=cell.props.kind.actor_class,
        host=host_name(cell.props.host),
        state=cell.state.value,
        incarnation=cell.incarnation,
        suspended=cell.suspended,
        handling=type(envelope.message).__qualname__ if envelope is not None else None,
        waiting_for=waiting[0].path if waiting is not None else None,
        queued=queued_for(cell),
        stashed=len(cell.stash or ()),
        links=links,
        monitors=monitors,
        timers=len(cell.possessions.timers) if cell.possessions is not None else 0,
        children=tuple(cell.children or ()),
    )


def queued_for(cell: Cell) -> int:
    """How many messages wait for the actor, those of the system lane included."""
    return len(cell.queue) + len(cell.urgent or ()) + cell.queued_elsewhere


def statistics_of(cell: Cell) -> Statistics:
    """The counters of a cell."""
    running = cell.phase is Phase.RUNNING
    return Statistics(
        handled=cell.handled,
        crashes=cell.crashes,
        resumed=cell.resumed,
        restarts=max(0, cell.incarnation - 1),
        seconds=cell.seconds,
        uptime=cell.runtime.now() - cell.up_since if running else 0.0,
    )


def state_of(cell: Cell) -> dict[str, object]:
    """The attributes of the instance that lives in a cell; empty when none does, or it lives in another process."""
    actor = cell.actor
    if actor is None or cell.kind.placed:
        return {}
    hidden = () if cell.kind.foreign else ("_cell", "_cell_incarnation")
    return {name: value for name, value in list(vars(actor).items()) if name not in hidden}


def waiting_messages(cell: Cell) -> list[Envelope]:
    """Every message that is in the mailbox or in the stash."""
    return [*waiting_in(cell.queue), *(cell.stash or ())]
