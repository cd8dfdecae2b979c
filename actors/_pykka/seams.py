"""The two places where pykka must know of the runtime, and offers no seam: each is wrapped once, at the first use of a
pykka class as an actor of a runtime.

- `pykka.Actor.__init__` gives an instance its URN, inbox and ref, and the user's constructor may use them at once. An
  instance that a cell constructs gets those of the cell. So it is of the user's own class, not of a subclass.
- `pykka.ActorRegistry.stop_all` ends every actor for good. An actor of a tree must know that it is this that stops it.

Actors that a program starts itself, with pykka's `start()`, are as before.
"""

from __future__ import annotations

import functools
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pykka

if TYPE_CHECKING:
    from actors._core.cell import Cell


class Construction:
    """An instance whose constructor runs, the cell it is for, and the ref of that."""

    __slots__ = ("actor", "cell", "ref")

    def __init__(self, cell: Cell, actor: Any) -> None:
        self.cell = cell
        self.ref: Any = cell.ref
        self.actor = actor


under_construction: ContextVar[Construction | None] = ContextVar("pykka_under_construction", default=None)
"""The construction to which the running code belongs."""
stopping_all: ContextVar[bool] = ContextVar("pykka_stopping_all", default=False)
"""Whether the running code is `ActorRegistry.stop_all`."""
_lock = threading.Lock()
_installed = False


def install() -> None:
    """Wraps both. May be called again, from any thread."""
    global _installed
    with _lock:
        if not _installed:
            _installed = True
            _wrap_constructor()
            _wrap_stop_all()


def _wrap_constructor() -> None:
    original = pykka.Actor.__init__

    @functools.wraps(original)
    def __init__(self: pykka.Actor, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        construction = under_construction.get()
        if construction is not None and construction.actor is self:
            ref = construction.ref
            self.actor_urn = ref.actor_urn
            self.actor_inbox = ref.actor_inbox
            self._actor_ref = ref

    pykka.Actor.__init__ = __init__  # type: ignore[method-assign]


def _wrap_stop_all() -> None:
    original: Any = pykka.ActorRegistry.stop_all.__func__  # type: ignore[attr-defined]

    @functools.wraps(original)
    def stop_all(cls: type[pykka.ActorRegistry], *args: Any, **kwargs: Any) -> Any:
        token = stopping_all.set(True)
        try:
            return original(cls, *args, **kwargs)
        finally:
            stopping_all.reset(token)

    pykka.ActorRegistry.stop_all = classmethod(stop_all)  # type: ignore[method-assign, assignment]
