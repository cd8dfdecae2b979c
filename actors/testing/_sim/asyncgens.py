"""The asynchronous generators of a simulated event loop, in an order that repeats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary


class Generators:
    """The asynchronous generators of a loop that are not exhausted, in the order in which they began."""

    def __init__(self) -> None:
        self._begun: WeakKeyDictionary[Any, None] | None = None
        """None: there was none yet, as in most runs."""

    def add(self, generator: Any) -> None:
        if self._begun is None:
            self._begun = WeakKeyDictionary()
        self._begun[generator] = None

    def discard(self, generator: Any) -> None:
        if self._begun is not None:
            self._begun.pop(generator, None)

    def clear(self) -> None:
        self._begun = None

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._begun or ()))

    def __len__(self) -> int:
        return len(self._begun or ())
