"""Who waits for whom: the edge that a handler adds while it waits, and the cycle that it must not close.

Every kind of wait uses the same edge, `Cell.waiting`. Only what the handler or hook itself waits for counts: a task
that it started may go on without it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from actors._current import current_cell
from actors._errors import DeadlockError

if TYPE_CHECKING:
    from actors._cell import Cell


class Wanted(Enum):
    """What a future wants from the actor that it is about."""

    ANSWER = auto()
    """The answer to a message: it comes after the handler that runs now."""
    END = auto()
    """Its end, of its own accord: that comes after the handler that runs now, and after the end of all below it."""
    FORCED_END = auto()
    """Its end within a grace period: that waits for no other actor, but an actor that ends never hears of it."""


class Wait:
    """A handler that waits for a future: an edge, from its beginning to its end."""

    __slots__ = ("_open", "_target", "_waiter")

    def __init__(self, waiter: Cell, target: Cell) -> None:
        self._waiter = waiter
        self._target = target
        self._open = True

    def end(self, _: object = None) -> None:
        """Takes the edge back, once: when the future settles, or when the handler no longer waits."""
        if self._open:
            self._open = False
            if self._waiter.waiting is self._target:
                self._waiter.waiting = None


def begin_wait(target: Cell, wanted: Wanted) -> Wait | None:
    """Notes that the running handler waits for `target`; None where no handler or hook itself waits.

    Raises `DeadlockError` when `target` waits for that handler already, directly or not.
    """
    waiter = current_cell.get()
    if waiter is None:
        return None
    if wanted is not Wanted.ANSWER and _is_within(waiter, target) and waiter.runtime.on_turn_of(waiter):
        raise DeadlockError((waiter.path, target.path) if waiter is target else (waiter.path, target.path, waiter.path))
    if wanted is Wanted.FORCED_END:
        if waiter.concurrency > 1 or not waiter.runtime.on_turn_of(waiter):
            return None
        waiter.waiting = target
    elif not note_wait(waiter, target):
        return None
    return Wait(waiter, target)


def note_wait(waiter: Cell | None, target: Cell) -> bool:
    """Notes that the handler of `waiter` waits for `target`; raises `DeadlockError` when `target` waits for `waiter`
    already.

    The note is written before the chain is read, so that of two threads that close a cycle at once, one at least sees
    it.
    """
    if waiter is None or waiter.concurrency > 1 or not waiter.runtime.on_turn_of(waiter):
        return False
    waiter.waiting = target
    chain = [waiter.path]
    node: Cell | None = target
    while node is not None:
        chain.append(node.path)
        if node is waiter:
            waiter.waiting = None
            raise DeadlockError(tuple(chain))
        if len(chain) > 1000:
            break
        node = node.waiting
    return True


def _is_within(cell: Cell | None, above: Cell) -> bool:
    """Whether `cell` is `above`, or below it: then `above` cannot end before it."""
    while cell is not None:
        if cell is above:
            return True
        cell = cell.parent
    return False
