"""State as the sum of its events.

An `EventSourced` actor applies one event at a time with a pure function. It holds the state as it is now, so that no
event is ever applied twice in one life; what it reads back when a process begins is the last snapshot and the events
since.

    message                 answer
    RecordEvents(events)    Recorded: all are stored and applied, or none, and the exception of what refused
    Decide(function)        the same, for the events that `function(state)` returns
    Read()                  the state

Promise: what was acknowledged is in the state, once, however often the actor crashes or is killed; and after the end
of the process, if the store is one of files. A store has one owner at a time: a second one does not start. Bounds: the
store holds at most `snapshot_every` events and the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.spi import Actor, ActorRef, Future, handles, when_gone
from teams._checks.fields import count_faults, function_faults, refuse
from teams._state.answering import errors_as_answers
from teams._state.stores import EventLog, EventStore, MemoryStore, Stored
from teams.events import SnapshotFailed, StoreRepaired


class RecordEvents(NamedTuple):
    """These events have happened."""

    events: tuple[object, ...]


class Decide(NamedTuple):
    """Have `function` derive events from the state."""

    function: Callable[[Any], Sequence[object]]


class Read(NamedTuple):
    """Read the state."""


class Recorded(NamedTuple):
    """Events were stored and applied."""

    number: int
    """The number of the last event."""
    state: Any
    """The state after it."""


class _SourcedState:
    """The data that outlives the incarnations."""

    def __init__(self) -> None:
        self.log: EventLog | None = None
        self.state: Any = None


class EventSourcedRef(ActorRef["EventSourced"]):
    """An `EventSourced` actor, from outside. Futures: `await` them, or `.get()` them in a thread."""

    __slots__ = ()

    def record(self, *events: object) -> Future[Recorded]:
        """Stores and applies events: all of them, or none.

        The future raises what the apply function or the store raised.
        """
        return self.ask(RecordEvents(events), block=False)

    def decide(self, function: Callable[[Any], Sequence[object]]) -> Future[Recorded]:
        """Records the events that `function(state)` returns. No other event comes in between.

        It runs in the actor, must not block, and what it raises is the answer. Raises SpecError at once when it is
        `async`, or no function.
        """
        refuse(function_faults(self.path, "function", function, "the state"))
        return self.ask(Decide(function), block=False)

    def read(self) -> Future[Any]:
        """The state: a value, not to be changed."""
        return self.ask(Read(), block=False)


class EventSourced(Actor):
    """Owns a state that only events change."""

    ref_type = EventSourcedRef

    if TYPE_CHECKING:

        @property
        def ref(self) -> EventSourcedRef: ...

    def __init__(
        self,
        apply: Callable[[Any, Any], Any],
        initial: object = None,
        *,
        store: EventStore | None = None,
        snapshot_every: int = 100,
    ) -> None:
        """Takes the rules; the events are read in `on_start`.

        Args:
            apply: `apply(state, event)` returns the state after the event, and changes neither
            initial: the state before the first event
            store: where events and snapshots are written; None: nowhere, they live as long as the actor's place
            snapshot_every: after how many events a snapshot is due

        Raises:
            SpecError: every fault
        """
        refuse(
            function_faults(self.path, "apply", apply, "state and event"),
            count_faults(self.path, "snapshot_every", snapshot_every),
        )
        self._apply = apply
        self._initial = initial
        self._log = EventLog(MemoryStore() if store is None else store, snapshot_every)
        self._kept = self.kept(_SourcedState)

    def on_start(self) -> None:
        """Rebuilds the state, the first time, and owns the store until the actor has terminated.

        Raises `StoreDamaged`, and `StoreInUse` when another owner has it.
        """
        if self._kept.log is not None:
            self._log = self._kept.log
            return
        stored = self._log.load()
        try:
            self._kept.state = self._rebuilt(stored)
        except BaseException:
            self._log.close()  # the next incarnation loads it again
            raise
        self._kept.log = self._log
        close_when_gone(self, self._log)

    def _rebuilt(self, stored: Stored) -> object:
        state = self._initial if stored.number == 0 else stored.snapshot
        for event in stored.events:
            state = self._apply(state, event)
        if stored.dropped:
            self.runtime.events.publish(StoreRepaired(self.path, self.runtime.now(), stored.dropped))
        return state

    @handles
    def read(self, message: Read) -> object:
        return self._kept.state

    @handles
    def decide(self, message: Decide) -> Recorded | None:
        with errors_as_answers(self):
            return self._record(tuple(message.function(self._kept.state)))
        return None

    @handles
    def record(self, message: RecordEvents) -> Recorded | None:
        with errors_as_answers(self):
            return self._record(message.events)
        return None

    def _record(self, events: tuple[object, ...]) -> Recorded:
        kept = self._kept
        state = kept.state
        for event in events:
            state = self._apply(state, event)
        if events:
            self._log.append(events)
        kept.state = state
        save_if_due(self, self._log, state)
        return Recorded(self._log.number, state)


def close_when_gone(actor: Actor, log: EventLog) -> None:
    """Closes the store when the actor has terminated, killed or not. A restart keeps it: another owner in between
    would go unnoticed.
    """
    when_gone(actor, lambda _: log.close())


def save_if_due(actor: Actor, log: EventLog, state: object) -> None:
    """Stores a snapshot when enough has happened. One that fails is reported and tried again with the next event."""
    if log.due:
        try:
            log.save(state)
        except Exception as error:  # noqa: BLE001 - the events are stored, so nothing is lost, whatever the store raised
            actor.runtime.events.publish(SnapshotFailed(actor.path, actor.runtime.now(), error))
