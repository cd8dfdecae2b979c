"""The life of an actor as a table: in which phase which event leads to which phase, with which effects.

Pure: nothing here runs code of an actor, reads a clock or changes a cell. `Cell` feeds the events and carries out the
effects, in the order in which they stand. An event without a row changes nothing.

The rows of an actor come first. A supervisor (`manages_lifecycle`) shares them; `OF_A_SUPERVISOR` holds those that
differ: it says itself when its start is complete and when it has stopped its children, and takes the order to stop as a
message.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, auto


class Phase(IntEnum):
    """Where the incarnation of an actor is in its life."""

    NEW = 0
    """No incarnation has begun."""
    STARTING = auto()
    """It is being constructed, or `on_start` runs; a supervisor starts its children."""
    RECALLED = auto()
    """It was told to stop while it starts: the start is completed first."""
    RUNNING = auto()
    """It handles messages."""
    ORDERED = auto()
    """A supervisor was told to stop: it stops its children, and goes on hearing of them."""
    LEAVING = auto()
    """It takes no further message. The handlers under way end, then the hook for the end runs."""
    HALTING = auto()
    """It is killed: what runs of it is being ended."""
    ABORTING = auto()
    """It is killed in its start: what runs of it is being ended."""
    ENDING = auto()
    """No handler or hook of it runs any more. Its tasks end, then what lives below it, then its resources."""
    FAILING = auto()
    """Its start has failed; what it has started and what lives below it ends."""
    DECLINING = auto()
    """It has declined its start; what it has started and what lives below it ends."""
    ENDED = auto()
    """It is gone, and its parent decides what follows. Those who watch it have not been told."""
    DOWN = auto()
    """It is gone, and those who watched it have been told. Another incarnation may begin."""
    CLOSED = auto()
    """The actor has terminated: no incarnation will begin."""


class LifeEvent(IntEnum):
    """The events of the life of an incarnation."""

    BEGIN = 0
    """The parent wants an incarnation."""
    BUILT = auto()
    """Constructor and `on_start` have returned."""
    READY = auto()
    """A supervisor says that all its children are up."""
    FAILED = auto()
    """Constructor or `on_start` has raised, or a supervisor says that a child did not come up."""
    DECLINED = auto()
    """It has raised `IgnoreStart`."""
    STOP = auto()
    """It is told to stop within a time."""
    DONE = auto()
    """A supervisor has stopped its children, and ends."""
    EXIT = auto()
    """It ends itself, for a reason of its own (`Actor.exit`)."""
    CRASH = auto()
    """A handler or task of it has raised, a callback of it on the event loop has exited, or a linked actor has ended
    abnormally.
    """
    KILL = auto()
    """It is killed."""
    HALTED = auto()
    """After a kill: nothing of it runs any more, or what does not end was abandoned."""
    LEFT = auto()
    """The hook for the end has returned or raised."""
    CHILDLESS = auto()
    """Nothing lives below it any more, and its tasks and resources have ended."""
    UNWATCHED = auto()
    """It has ended without watchers, and its mailbox drops nothing: the end is settled already."""
    SETTLE = auto()
    """Another incarnation may follow: the watchers of the last one must be told."""
    CLOSE = auto()
    """There will be no other incarnation."""


class LifeEffect(IntEnum):
    """The actions of a cell when a phase changes."""

    LAUNCH = 0
    """Make an incarnation on its host: number, context, first turn. Time the start where the host blocks."""
    OPEN = auto()
    """Take messages, as far as nothing else stands against it."""
    SHUT = auto()
    """Take no further message; forget what the next turn was to do, and the time limit."""
    REPORT_UP = auto()
    """Take the time limit of the start back. Tell the parent and the events that the incarnation is up; have
    `on_continue` run.
    """
    KEEP = auto()
    """Remember the order to stop for the incarnation to come."""
    NOTE = auto()
    """Remember that the end was ordered, and why."""
    TIME = auto()
    """Kill the incarnation when it is still there after the time that the order gives it."""
    ORDER = auto()
    """Put the order to stop into the system lane."""
    FAREWELL = auto()
    """Run the hook for the end as soon as no handler is under way."""
    BREAK = auto()
    """Cancel the handlers beside the one that raised, and the tasks; then as `FAREWELL`. Kill the incarnation when it
    is still there after the time it has to stop in: a hook or handler may never end.
    """
    REFUSE = auto()
    """The message whose handler raised is refused: the incarnation is on its way out already."""
    HALT = auto()
    """End the running code, after all below it: the host reports `HALTED`."""
    END_BELOW = auto()
    """End the tasks, what lives below, and the resources: in order after an orderly end, at once after any other.
    Reports `CHILDLESS`.
    """
    REPORT_EXIT = auto()
    """Decide on the message that was being handled, give up what belongs to the incarnation, tell the parent."""
    REPORT_FAILED = auto()
    """Give up what belongs to the incarnation, tell the parent that it did not come up."""
    REPORT_DECLINED = auto()
    """Give up what belongs to the incarnation, tell the parent that it declined."""
    TELL = auto()
    """Tell those who watch: monitors, links."""
    SHUT_DOWN = auto()
    """Release the name, refuse what waits, close what is below, tell those who watch."""


Transition = tuple[Phase, tuple[LifeEffect, ...]]
Rows = Mapping[Phase, Mapping[LifeEvent, Transition]]

P, E, F = Phase, LifeEvent, LifeEffect

_HALTED: Mapping[LifeEvent, Transition] = {
    E.STOP: (P.HALTING, (F.NOTE,)),
    E.CRASH: (P.HALTING, (F.REFUSE,)),
    E.HALTED: (P.ENDING, (F.END_BELOW,)),
}

OF_AN_ACTOR: Rows = {
    P.NEW: {
        E.BEGIN: (P.STARTING, (F.LAUNCH,)),
        E.STOP: (P.NEW, (F.KEEP,)),
        E.CLOSE: (P.CLOSED, (F.SHUT_DOWN,)),
    },
    P.STARTING: {
        E.BUILT: (P.RUNNING, (F.REPORT_UP, F.OPEN)),
        E.FAILED: (P.FAILING, (F.END_BELOW,)),
        E.DECLINED: (P.DECLINING, (F.END_BELOW,)),
        E.STOP: (P.RECALLED, (F.NOTE, F.TIME)),
        E.CRASH: (P.ABORTING, (F.SHUT, F.HALT)),
        E.KILL: (P.ABORTING, (F.SHUT, F.HALT)),
    },
    P.RECALLED: {
        E.BUILT: (P.LEAVING, (F.REPORT_UP, F.FAREWELL)),
        E.FAILED: (P.FAILING, (F.END_BELOW,)),
        E.DECLINED: (P.DECLINING, (F.END_BELOW,)),
        E.STOP: (P.RECALLED, (F.NOTE, F.TIME)),
        E.CRASH: (P.HALTING, (F.SHUT, F.HALT)),
        E.KILL: (P.HALTING, (F.SHUT, F.HALT)),
    },
    P.RUNNING: {
        E.STOP: (P.LEAVING, (F.NOTE, F.FAREWELL, F.TIME)),
        E.EXIT: (P.LEAVING, (F.FAREWELL, F.TIME)),
        E.CRASH: (P.LEAVING, (F.BREAK,)),
        E.KILL: (P.HALTING, (F.SHUT, F.HALT)),
    },
    P.LEAVING: {
        E.STOP: (P.LEAVING, (F.NOTE, F.TIME)),
        E.CRASH: (P.LEAVING, (F.REFUSE,)),
        E.LEFT: (P.ENDING, (F.END_BELOW,)),
        E.KILL: (P.HALTING, (F.SHUT, F.HALT)),
    },
    P.HALTING: _HALTED,
    P.ABORTING: {
        **_HALTED,
        E.STOP: (P.ABORTING, (F.NOTE,)),
        E.CRASH: (P.ABORTING, (F.REFUSE,)),
        E.HALTED: (P.FAILING, (F.END_BELOW,)),
    },
    P.ENDING: {
        E.STOP: (P.ENDING, (F.NOTE, F.TIME)),
        E.CRASH: (P.ENDING, (F.REFUSE,)),
        E.KILL: (P.HALTING, (F.SHUT, F.HALT)),
        E.CHILDLESS: (P.ENDED, (F.REPORT_EXIT,)),
    },
    P.FAILING: {
        E.STOP: (P.FAILING, (F.NOTE, F.TIME)),
        E.CRASH: (P.FAILING, (F.REFUSE,)),
        E.KILL: (P.ABORTING, (F.SHUT, F.HALT)),
        E.CHILDLESS: (P.ENDED, (F.REPORT_FAILED,)),
    },
    P.DECLINING: {
        E.STOP: (P.DECLINING, (F.NOTE, F.TIME)),
        E.CRASH: (P.DECLINING, (F.REFUSE,)),
        E.KILL: (P.ABORTING, (F.SHUT, F.HALT)),
        E.CHILDLESS: (P.DOWN, (F.REPORT_DECLINED,)),
    },
    P.ENDED: {
        E.STOP: (P.ENDED, (F.KEEP,)),
        E.CRASH: (P.ENDED, (F.REFUSE,)),
        E.UNWATCHED: (P.DOWN, ()),
        E.SETTLE: (P.DOWN, (F.TELL,)),
        E.CLOSE: (P.CLOSED, (F.SHUT_DOWN,)),
    },
    P.DOWN: {
        E.BEGIN: (P.STARTING, (F.LAUNCH,)),
        E.STOP: (P.DOWN, (F.KEEP,)),
        E.CRASH: (P.DOWN, (F.REFUSE,)),
        E.CLOSE: (P.CLOSED, (F.SHUT_DOWN,)),
    },
    P.CLOSED: {
        E.CRASH: (P.CLOSED, (F.REFUSE,)),
    },
}
"""The rows of an actor."""

_OF_ONE_THAT_LIVES: Mapping[LifeEvent, Transition] = {
    E.FAILED: (P.FAILING, (F.END_BELOW,)),
    E.DECLINED: (P.DECLINING, (F.END_BELOW,)),
    E.DONE: (P.LEAVING, (F.FAREWELL,)),
    E.CRASH: (P.LEAVING, (F.BREAK,)),
}

OF_A_SUPERVISOR: Rows = {
    P.STARTING: {
        **_OF_ONE_THAT_LIVES,
        E.BUILT: (P.STARTING, (F.OPEN,)),
        E.READY: (P.RUNNING, (F.REPORT_UP, F.OPEN)),
        E.STOP: (P.ORDERED, (F.NOTE, F.ORDER, F.OPEN, F.TIME)),
        E.CRASH: (P.FAILING, (F.END_BELOW,)),
    },
    P.RUNNING: {
        **_OF_ONE_THAT_LIVES,
        E.STOP: (P.ORDERED, (F.NOTE, F.ORDER, F.OPEN, F.TIME)),
    },
    P.ORDERED: {
        **_OF_ONE_THAT_LIVES,
        E.BUILT: (P.ORDERED, (F.OPEN,)),
        E.READY: (P.ORDERED, (F.REPORT_UP,)),
        E.STOP: (P.ORDERED, (F.NOTE, F.TIME)),
        E.KILL: (P.HALTING, (F.SHUT, F.HALT)),
    },
}
"""Where the life of a supervisor differs."""


def transition(phase: Phase, event: LifeEvent, *, supervisor: bool) -> Transition | None:
    """The transition of this event in this phase; None: it changes nothing."""
    found = OF_A_SUPERVISOR.get(phase, {}).get(event) if supervisor else None
    return found if found is not None else OF_AN_ACTOR.get(phase, {}).get(event)


def _compiled(*tables: Rows) -> tuple[tuple[Transition | None, ...], ...]:
    """The rows of these tables by phase and event; those of a later table go before those of an earlier one."""
    compiled: list[tuple[Transition | None, ...]] = []
    for phase in Phase:
        row: dict[LifeEvent, Transition] = {}
        for table in tables:
            row.update(table.get(phase, {}))
        compiled.append(tuple(map(row.get, LifeEvent)))
    return tuple(compiled)


TABLES = (_compiled(OF_AN_ACTOR), _compiled(OF_AN_ACTOR, OF_A_SUPERVISOR))
"""The table of an actor and that of a supervisor, by phase and event."""

TAKES_MESSAGES = frozenset({P.RUNNING})
"""The phases in which an actor takes messages."""
A_SUPERVISOR_TAKES_MESSAGES = frozenset({P.STARTING, P.RUNNING, P.ORDERED})
"""The phases in which a supervisor takes messages, once it is constructed."""
OPEN = (TAKES_MESSAGES, A_SUPERVISOR_TAKES_MESSAGES)
"""The phases in which an actor, and a supervisor, takes messages."""
ABSENT = frozenset({P.NEW, P.ENDED, P.DOWN, P.CLOSED})
"""The phases in which no incarnation is there."""
CAN_CRASH = frozenset({P.STARTING, P.RECALLED, P.RUNNING})
"""The phases in which a task or a link may crash the incarnation."""
STARTS = frozenset({Phase.STARTING, Phase.RECALLED})
"""The phases in which the hooks of the start run."""
BEING_KILLED = frozenset({P.HALTING, P.ABORTING})
"""The phases in which what runs of the incarnation is being ended."""
ON_ITS_WAY_OUT = frozenset({P.LEAVING, P.HALTING, P.ABORTING, P.ENDING, P.FAILING, P.DECLINING})
"""The phases between the decision that the incarnation ends and its end."""


class State(Enum):
    """The phase of a life, as it is shown."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DOWN = "down"
    """The incarnation is gone; whether there will be another one is the parent's decision."""
    CLOSED = "stopped"


_SHOWN: Mapping[Phase, State] = {
    P.NEW: State.DOWN,
    P.STARTING: State.STARTING,
    P.RECALLED: State.STARTING,
    P.RUNNING: State.RUNNING,
    P.ENDED: State.DOWN,
    P.DOWN: State.DOWN,
    P.CLOSED: State.CLOSED,
}
STATES = tuple(_SHOWN.get(phase, State.STOPPING) for phase in Phase)
"""The state of each phase, by its number."""
