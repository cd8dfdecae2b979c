"""The adaptive mesh: peers look at a shared state, decide for themselves what to do next, and do it unless one objects.

    mesh(id, ...)        id/state (a `SharedState`), and beside it one `MeshMember` for each name

    state       goes to     when
    looking     waiting     `decide` names a move: it is announced as an intention
    looking     idle        `decide` names none, or `until` holds
    waiting     acting      its peers have consented, and on the state as it is by then `decide` names the same move
    waiting     looking     the state has changed so that it does not
    acting      looking     the action is done
    idle        looking     the state changes

Promise: that of `Peer` for the resources of moves, and of `SharedState` for the state. A member that crashes looks
again when it is back; no member waits for it. The mesh comes to rest when `until` holds or no member has a move.
Bounds: one move under way a member; an action that changes nothing is not tried again before something else changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Unpack

from actors.spi import Future, handles
from supervisors.spi import SpecFault, SupervisorSpec, WorkerOptions, builder, child, supervisor
from teams._checks.fields import function_faults, mapping_faults, refuse
from teams._state.shared_state import SharedState, SharedStateRef
from teams._state.watch import Change
from teams.protocols._mesh.intention import Intention, IntentionOutcome, Yielded
from teams.protocols._mesh.peer import Peer

Values = Mapping[str, Any]
"""A state: values by key."""


class MeshMove(NamedTuple):
    """The next action of a member."""

    action: Any
    resource: str
    """The resource that it needs exclusively meanwhile."""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a member of a mesh behaves."""

    decide: Callable[[Values], MeshMove | None]
    """Returns the next action, from the state alone; None: nothing for now. It runs in the actor and must not block."""
    act: Callable[[MeshMove, SharedStateRef], object]
    """Does it, and tells the state; plain or async. Plain ones must not block."""


class IntentionEnded(NamedTuple):
    """An intention of this incarnation has ended."""

    incarnation: int
    outcome: IntentionOutcome


class MeshMember(Peer):
    """One of a mesh."""

    def __init__(self, behaviour: Behaviour, until: Callable[[Values], object], state: str = "state") -> None:
        """Takes the rules; `state` is the id of the shared state among its siblings."""
        super().__init__()
        self._behaviour = behaviour
        self._until = until
        self._state_id = state
        self._values: dict[str, Any] = {}
        self._changes = 0
        self._busy = False
        self._looked_at = -1

    @property
    def _state(self) -> SharedStateRef:
        found = self.sibling(self._state_id)
        assert isinstance(found, SharedStateRef)
        return found

    async def on_continue(self) -> None:
        await self._state.tell_changes(self.ref, current=True)

    @handles
    def see(self, change: Change) -> None:
        if change.deleted:
            self._values.pop(change.key, None)
        else:
            self._values[change.key] = change.value
        self._changes += 1
        self._look()

    @handles
    def moved(self, message: IntentionEnded) -> None:
        if message.incarnation == self.incarnation:
            self._busy = False
            if isinstance(message.outcome, Yielded) and not message.outcome.objected:
                self._looked_at = -1  # its time was up: no peer has objected
            self._look()

    def _look(self) -> None:
        """Decides, unless a move is under way or nothing has changed since the last look."""
        if self._busy or self._looked_at == self._changes:
            return
        self._looked_at = self._changes
        move = None if self._until(self._values) else self._behaviour.decide(self._values)
        if move is None:
            return
        self._busy = True
        ref, incarnation = self.ref, self.incarnation

        def ended(future: Future[IntentionOutcome]) -> None:
            if ref.is_alive():
                ref.tell(IntentionEnded(incarnation, future.get()))

        self.intend(move, move.resource, priority=move.priority).add_done_callback(ended)

    async def act(self, intention: Intention) -> object:
        """Does the move, if it is still the one to make."""
        entries = await self._state.get_all()
        values = {key: entry.value for key, entry in entries.items()}
        if self._until(values) or self._behaviour.decide(values) != intention.action:
            return None
        result = self._behaviour.act(intention.action, self._state)
        return await result if inspect.isawaitable(result) else result


@builder("{id}", WorkerOptions, {"args": "is what the mesh gives each member"})
def mesh(
    id: str,
    members: Mapping[str, Behaviour],
    *,
    until: Callable[[Values], object],
    initial: Mapping[str, object] | None = None,
    **options: Unpack[WorkerOptions],
) -> SupervisorSpec:
    """A supervisor of a shared state, its child `state`, and of members that act on it until `until(values)` holds.

    `await rest(root.child("state"), until)` waits for that from outside.

    Args:
        id: of the supervisor
        members: how each behaves, by id
        until: whether there is nothing left to do; pure, as it is asked often
        initial: what the state begins with
        options: those of `supervisors.child` without `args`, for every member

    Raises:
        SpecError: every fault
    """
    refuse(mapping_faults(id, "members", members, "{id: Behaviour(...)}"))
    faults = [SpecFault(f"{id}/{each}", "this is the id of the shared state") for each in members if each == "state"]
    faults += [
        SpecFault(f"{id}/{name}", f"must be a Behaviour(decide=..., act=...), got {behaviour!r}")
        for name, behaviour in members.items()
        if not all(callable(getattr(behaviour, each, None)) for each in ("decide", "act"))
    ]
    refuse(faults, function_faults(id, "until", until, "the values"))
    children = [child("state", SharedState, args={"initial": initial})]
    for name, behaviour in members.items():
        children.append(child(name, MeshMember, args={"behaviour": behaviour, "until": until}, **options))
    # A member gets every change, which does not count as progress: its decision may crash it again and again.
    return supervisor(id, *children, period=60.0)


async def rest(state: SharedStateRef, until: Callable[[Values], object]) -> dict[str, Any]:
    """Waits until `until(values)` holds for a shared state, and returns the values.

    Raises:
        ActorDeadError: the state has terminated
        WatchOverrun: this code did not run often enough
    """
    watch = await state.watch()
    try:
        while True:
            values = {key: entry.value for key, entry in (await state.get_all()).items()}
            if until(values):
                return values
            await anext(watch)
    finally:
        watch.cancel()
