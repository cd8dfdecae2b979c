"""Names and groups of one runtime."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from actors._core.current import own_incarnation
from actors._core.life import ABSENT
from actors._core.messages import Joined, Left, NameRegistered, NameReleased
from actors._core.possessions import WatchedName
from actors.errors import NameTaken, RuntimeStopped

if TYPE_CHECKING:
    from actors._core.cell import Cell


class Registry:
    """The names and the group members of one runtime.

    A name of a spec belongs to the cell and survives restarts (supervision rule 26). A name or membership that an
    incarnation took itself ends with it, before any watcher is told of the exit (rule 32). Every method may be called
    from any thread.

    An actor that watches a name or a group gets each change as a message of the system lane, in the order of the
    changes.
    """

    def __init__(self, control_call: Callable[..., None]) -> None:
        """`control_call(function, *args)` has a function called on the loop thread, one after another."""
        self._control_call = control_call
        self._watches: dict[WatchedName, dict[Cell, int]] = {}
        """The actors that watch, with the incarnation that does."""
        self._lock = threading.Lock()
        self._names: dict[str, Cell] = {}
        self._groups: dict[str, dict[Cell, None]] = {}

    def register(self, name: str, cell: Cell) -> None:
        """Gives the name to the actor. Raises `NameTaken` when another one has it."""
        with self._lock:
            taken = self._names.get(name)
            if taken is cell:
                return
            if taken is not None:
                raise NameTaken(name, taken.path)
            self._names[name] = cell
            if self._watches:
                self._changed(WatchedName("name", name), NameRegistered(name, cell.ref))

    def rename(self, cell: Cell, old: str | None, new: str | None) -> None:
        """Gives the actor another name. If that is taken, raises `NameTaken` and changes nothing."""
        if new != old:
            if new is not None:
                self.register(new, cell)
            if old is not None:
                self.unregister(old, cell)

    def unregister(self, name: str, cell: Cell) -> None:
        """Takes the name from the actor, if it has it."""
        with self._lock:
            if self._names.get(name) is cell:
                del self._names[name]
                if self._watches:
                    self._changed(WatchedName("name", name), NameReleased(name, cell.ref))

    def whereis(self, name: str) -> Cell | None:
        """The actor of that name."""
        return self._names.get(name)

    def join(self, group: str, cell: Cell) -> None:
        """Adds the actor to the group; joining twice is joining once."""
        with self._lock:
            members = self._groups.setdefault(group, {})
            if cell in members:
                return
            members[cell] = None
            if self._watches:
                self._changed(WatchedName("group", group), Joined(group, cell.ref))

    def leave(self, group: str, cell: Cell) -> None:
        """Takes the actor out of the group, if it is a member."""
        with self._lock:
            members = self._groups.get(group, {})
            if cell not in members:
                return
            del members[cell]
            if not members:
                del self._groups[group]
            if self._watches:
                self._changed(WatchedName("group", group), Left(group, cell.ref))

    def members(self, group: str) -> list[Cell]:
        """The members of the group in the order in which they joined."""
        with self._lock:
            return list(self._groups.get(group, ()))

    # Watches

    def watch(self, watched: WatchedName, cell: Cell) -> None:
        """Tells the actor the present state of a name or group, and each change from now on. Watching twice is watching
        once.
        """
        incarnation = own_incarnation(cell)
        with self._lock:
            watches = self._watches.setdefault(watched, {})
            if watches.get(cell) == incarnation:
                return
            watches[cell] = incarnation
            name = watched.name
            if watched.kind == "group":
                for member in self._groups.get(name, ()):
                    self._tell(cell, incarnation, Joined(name, member.ref))
                return
            owner = self._names.get(name)
            state = NameReleased(name, None) if owner is None else NameRegistered(name, owner.ref)
            self._tell(cell, incarnation, state)

    def unwatch(self, watched: WatchedName, cell: Cell) -> None:
        """The changes of a name or group are not told to the actor any more."""
        with self._lock:
            watches = self._watches.get(watched, {})
            watches.pop(cell, None)
            if not watches:
                self._watches.pop(watched, None)

    def _changed(self, watched: WatchedName, message: object) -> None:
        for cell, incarnation in self._watches.get(watched, {}).items():
            self._tell(cell, incarnation, message)

    def _tell(self, cell: Cell, incarnation: int, message: object) -> None:
        """Called with the lock: so messages about one name come in the order of its changes."""
        with suppress(RuntimeStopped):  # every actor is gone
            self._control_call(_put, cell, incarnation, message)

    @property
    def size(self) -> int:
        """How many names, memberships and watches there are."""
        with self._lock:
            return len(self._names) + sum(
                len(each) for group in (self._groups, self._watches) for each in group.values()
            )


def _put(cell: Cell, incarnation: int, message: object) -> None:
    if cell.incarnation == incarnation and cell.phase not in ABSENT:
        cell.put_urgent(message)
