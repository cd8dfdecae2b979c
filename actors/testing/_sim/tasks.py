"""Tasks, and what else libraries keep in sets, whose order in a set is the same in every run.

The hash of an object is its place in memory. Task groups keep their tasks in a set, and cancel them in its order.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable
from itertools import count
from typing import Any
from weakref import ref


class SimTask(asyncio.Task[Any]):
    """A task whose hash is its number."""

    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            loop: Any = self.get_loop()
            self._number = number = loop.task_number()
            return int(number)


def numbered_task(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> SimTask:
    """The task factory of the loops of a simulation."""
    return SimTask(coro, loop=loop, **options)


def hash_patches() -> list[tuple[Any, str, object]]:
    """The same for the cancel scopes of anyio, which are kept in a set as well: owner, name, replacement."""
    if "anyio" not in sys.modules:
        return []
    backend = importlib.import_module("anyio._backends._asyncio")  # which anyio imports at its first use
    return [(backend.CancelScope, "__hash__", _numbering())]


def _numbering() -> Callable[[Any], int]:
    """A hash that is a number, for objects that may have no attribute for it."""
    numbers: dict[int, tuple[int, ref[Any]]] = {}
    following = count(1).__next__

    def number(self: Any) -> int:
        place = id(self)
        found = numbers.get(place)
        if found is None:
            found = numbers[place] = following(), ref(self, lambda _: numbers.pop(place))
        return found[0]

    return number
