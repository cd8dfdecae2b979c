"""Names and groups of one runtime."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from actors.errors import NameTaken

if TYPE_CHECKING:
    from actors._core.cell import Cell


class Registry:
    """The names and the group members of one runtime.

    A name of a spec belongs to the cell and survives restarts (supervision rule 26). A name or membership that an
    incarnation took itself ends with it, before any watcher is told of the exit (rule 32). Every method may be called
    from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, Cell] = {}
        self._groups: dict[str, dict[Cell, None]] = {}

    def register(self, name: str, cell: Cell) -> None:
        """Gives the name to the actor. Raises `NameTaken` when another one has it."""
        with self._lock:
            owner = self._names.setdefault(name, cell)
            if owner is not cell:
                raise NameTaken(name, owner.path)

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

    def whereis(self, name: str) -> Cell | None:
        """The actor of that name."""
        return self._names.get(name)

    def join(self, group: str, cell: Cell) -> None:
        """Adds the actor to the group; joining twice is joining once."""
        with self._lock:
            self._groups.setdefault(group, {})[cell] = None

    def leave(self, group: str, cell: Cell) -> None:
        """Takes the actor out of the group, if it is a member."""
        with self._lock:
            members = self._groups.get(group, {})
            members.pop(cell, None)
            if not members:
                self._groups.pop(group, None)

    def members(self, group: str) -> list[Cell]:
        """The members of the group in the order in which they joined."""
        with self._lock:
            return list(self._groups.get(group, ()))

    @property
    def size(self) -> int:
        """How many names and memberships there are."""
        with self._lock:
            return len(self._names) + sum(map(len, self._groups.values()))
