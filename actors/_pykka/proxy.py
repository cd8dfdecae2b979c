"""pykka's proxy on a stable ref."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pykka
from pykka._introspection import AttrInfo, introspect_attrs
from pykka.messages import ProxyGetAttr

from actors._core.outcomes import dead
from actors._core.ref import ActorRef
from actors._pykka.seams import under_construction

if TYPE_CHECKING:
    from actors._core.cell import Cell

A = TypeVar("A", bound=pykka.Actor)

_VALUE = AttrInfo(callable=False, traversable=False)


def present(cell: Cell) -> Any:
    """The present instance of a cell, or the one whose constructor this is; None: there is none now."""
    actor = None if cell.kind.placed else cell.actor  # in another process, the class alone tells
    if actor is None:
        construction = under_construction.get()
        if construction is not None and construction.cell is cell:
            return construction.actor
    return actor


class PresentInstance:
    """Stands for the present instance of a place, or for the class while there is none. It is equal to itself through
    every restart, and keeps no instance alive.

    `pykka.ActorProxy` holds one where it holds the instance of an actor of its own.
    """

    __slots__ = ("_cell_of",)

    def __init__(self, cell: Cell) -> None:
        object.__setattr__(self, "_cell_of", cell)

    def __getattribute__(self, name: str) -> Any:
        cell: Cell = object.__getattribute__(self, "_cell_of")
        actor, actor_class = present(cell), cell.props.kind.actor_class
        if name == "__class__":
            return actor_class if actor is None else type(actor)
        if name == "__dict__":
            return {} if actor is None else vars(actor)
        return getattr(actor_class if actor is None else actor, name)

    def __dir__(self) -> list[str]:
        cell: Cell = object.__getattribute__(self, "_cell_of")
        actor = present(cell)
        return dir(cell.props.kind.actor_class if actor is None else actor)

    def __eq__(self, other: object) -> bool:
        return type(other) is PresentInstance and _cell_of(other) is _cell_of(self)

    def __hash__(self) -> int:
        return hash(_cell_of(self))


def _cell_of(stand_in: PresentInstance) -> Any:
    return object.__getattribute__(stand_in, "_cell_of")


class Proxy(pykka.ActorProxy[A]):
    """A pykka proxy of a place: it is equal to itself through every restart, and keeps no instance alive.

    Its attributes are those of the present instance. While there is none, methods and other attributes of the class are
    known, and any other attribute waits in this thread for the next incarnation. An event loop must not wait: there, an
    attribute that only instances have is taken for a value, whose future waits. So it is for an actor in a process of
    its own.
    """

    actor_ref: ActorRef[A]

    def __init__(self, *, actor_ref: ActorRef[A], attr_path: tuple[str, ...] = ()) -> None:
        if not actor_ref.is_alive():
            raise dead(actor_ref._cell, None)
        self.actor_ref = actor_ref
        self._attr_path = attr_path
        self._known_attrs = {}
        self._actor_proxies = {}
        self._callable_proxies = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{self} has no attribute {name!r}: names that begin with an underscore are private")
        path = (*self._attr_path, name)
        info = self._known_attrs.get(path) or self._look_up(path)
        if info is None:
            raise AttributeError(f"{self} has no attribute {name!r}")
        if info.callable:
            call = self._callable_proxies.get(path)
            if call is None:
                call = pykka.CallableProxy(actor_ref=self.actor_ref, attr_path=path)
                self._callable_proxies[path] = call
            return call
        if info.traversable:
            nested = self._actor_proxies.get(path)
            if nested is None:
                nested = self._actor_proxies[path] = Proxy(actor_ref=self.actor_ref, attr_path=path)
            return nested
        return self.actor_ref.ask(ProxyGetAttr(attr_path=path), block=False)

    def _look_up(self, path: tuple[str, ...]) -> AttrInfo | None:
        """The facts about an attribute of the present instance; None: it has none of this name."""
        cell = self.actor_ref._cell
        actor = present(cell)
        if actor is None:
            of_class = introspect_attrs(root=PresentInstance(cell), proxy=self).get(path)
            if of_class is not None:
                return of_class
            if cell.closed or cell.kind.placed or asyncio._get_running_loop() is not None:
                return _VALUE  # its future waits for the next incarnation, or says that there is none
            actor = self.actor_ref.ask(ProxyGetAttr(attr_path=()), timeout=None)
        self._known_attrs = introspect_attrs(root=actor, proxy=self)
        return self._known_attrs.get(path)

    def __dir__(self) -> list[str]:
        self._known_attrs = introspect_attrs(root=PresentInstance(self.actor_ref._cell), proxy=self)
        return super().__dir__()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, pykka.ActorProxy):
            return False
        return other.actor_ref is self.actor_ref and other._attr_path == self._attr_path

    def __hash__(self) -> int:
        return hash((PresentInstance(self.actor_ref._cell), self._attr_path))
