"""pykka's proxy on a stable ref."""

from __future__ import annotations

from typing import Any, TypeVar

import pykka

from actors._core.outcomes import dead
from actors._core.ref import ActorRef

A = TypeVar("A", bound=pykka.Actor)


class Proxy(pykka.ActorProxy[A]):
    """A pykka proxy that looks at the present instance, so that it survives restarts and keeps no dead instance
    alive.
    """

    actor_ref: ActorRef[A]

    def __init__(self, *, actor_ref: ActorRef[A], attr_path: tuple[str, ...] | None = None) -> None:
        if not actor_ref.is_alive():
            raise dead(actor_ref._cell, None)
        self.actor_ref = actor_ref
        self._attr_path = attr_path or ()
        self._known_attrs = {}
        self._actor_proxies = {}
        self._callable_proxies = {}

    @property
    def _actor(self) -> Any:
        # Between two incarnations the class has to do: its methods are the same.
        actor = self.actor_ref._cell.actor
        return actor if actor is not None else object.__new__(self.actor_ref.actor_class)

    @_actor.setter
    def _actor(self, _: Any) -> None:
        """Pykka sets it once; ours is always the present one."""
