"""The graph of waiting actors: the edge that a handler adds while it waits, and the cycle that it must not close.

Every kind of wait uses the same edge, `Cell.waiting`. Only what the handler or hook itself waits for counts: a task
that it started may go on without it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

from actors._core.current import current_cell
from actors.errors import DeadlockError

if TYPE_CHECKING:
    from actors._core.cell import Cell


class Link(Protocol):
    """A target of a wait: a cell, or an object that stands between two cells."""

    @property
    def path(self) -> str:
        """Its name in an error."""

    @property
    def waiting(self) -> WaitEdge | None:
        """The edge of its own wait, if it waits."""


class AwaitedQuestion(Protocol):
    """The question that is waited for. Once it is done, the edge has no effect, even before the waiter goes on."""

    def done(self) -> bool: ...


WaitEdge = tuple[Link, AwaitedQuestion]
"""The link that must go on first, and the question that it must settle."""


class Wanted(Enum):
    """The event of the actor that a future waits for."""

    ANSWER = auto()
    """The answer to a message: it comes after the handler that runs now."""
    END = auto()
    """Its end, of its own accord: that comes after the handler that runs now, and after the end of all below it."""
    FORCED_END = auto()
    """Its end within a grace period: that waits for no other actor, but an actor that ends never hears of it."""


def concern(future: object, link: Link, wanted: Wanted = Wanted.ANSWER) -> None:
    """From now on `link` settles this future, if it is one that can be told."""
    concerns = getattr(future, "concerns", None)
    if concerns is not None:
        concerns(link, wanted)


class Wait:
    """A handler that waits for a future: an edge, from its beginning to its end."""

    __slots__ = ("_edge", "_waiter")

    def __init__(self, waiter: Cell, edge: WaitEdge) -> None:
        self._waiter = waiter
        self._edge = edge
        waiter.wait_for(edge)

    def turn_to(self, target: Link) -> None:
        """The target of the wait is known now: the edge leads there."""
        if self._waiter.waiting is self._edge:
            self._edge = (target, self._edge[1])
            self._waiter.wait_for(self._edge)

    def end(self) -> None:
        """Takes the edge back."""
        if self._waiter.waiting is self._edge:
            self._waiter.wait_for(None)


def begin_wait(target: Link, wanted: Wanted, question: AwaitedQuestion) -> Wait | None:
    """Notes that the running handler waits for `target`; None where no handler or hook itself waits.

    Raises `DeadlockError` when `target` waits for that handler already, directly or not.
    """
    waiter = current_cell()
    if waiter is None:
        return None
    if wanted is not Wanted.ANSWER and _is_within(waiter, target) and waiter.runtime.on_turn_of(waiter):
        raise DeadlockError((waiter.path, target.path) if waiter is target else (waiter.path, target.path, waiter.path))
    if wanted is Wanted.FORCED_END:
        if waiter.concurrency > 1 or not waiter.runtime.on_turn_of(waiter):
            return None
    elif not note_wait(waiter, target, question):
        return None
    return Wait(waiter, (target, question))


def note_wait(waiter: Cell | None, target: Link, question: AwaitedQuestion) -> bool:
    """Notes that the handler of `waiter` waits for `target`; raises `DeadlockError` when `target` waits for `waiter`
    already.

    The note is written before the chain is read, so that of two threads that close a cycle at once, one at least sees
    it.
    """
    if waiter is None or waiter.concurrency > 1 or not waiter.runtime.on_turn_of(waiter):
        return False
    waiter.wait_for((target, question))
    if target.waiting is None:
        return True  # as mostly: the chain ends there
    cycle = _cycle(waiter, target)
    if cycle is not None:
        waiter.wait_for(None)
        raise DeadlockError(cycle)
    return True


def wait_elsewhere(waiter: Cell, target: Link, question: AwaitedQuestion) -> tuple[str, ...] | None:
    """A handler of `waiter` that runs in another process waits for `target`. Returns the cycle that this would close:
    then it does not wait. `waiter.wait_for(None)` takes the edge back.
    """
    waiter.wait_for((target, question))
    cycle = _cycle(waiter, target)
    if cycle is not None:
        waiter.wait_for(None)
    return cycle


def redirect(asker: Cell | None, target: Link, question: AwaitedQuestion) -> tuple[str, ...] | None:
    """The question was forwarded: from now on `target` must answer it, and a handler of `asker` that waits for it waits
    for `target`. Returns the cycle that this closes, or None. From any thread.
    """
    concern(question, target)
    edge = None if asker is None else asker.waiting
    if asker is None or edge is None or edge[1] is not question:
        return None
    if edge[0] is not target:
        edge = (target, question)
        asker.wait_for(edge)
        if question.done() and asker.waiting is edge:
            asker.wait_for(None)  # it has gone on meanwhile
            return None
    return _cycle(asker, target)


def _cycle(waiter: Cell, target: Link) -> tuple[str, ...] | None:
    """The chain of waits from `waiter` over `target` back to it; None: it does not come back."""
    chain = [waiter.path]
    node = target
    while True:
        chain.append(node.path)
        if node is waiter:
            return tuple(chain)
        edge = node.waiting
        if edge is None or edge[1].done() or len(chain) > 1000:
            return None
        node = edge[0]


def _is_within(cell: Cell | None, above: Link) -> bool:
    """Whether `cell` is `above`, or below it: then `above` cannot end before it."""
    while cell is not None:
        if cell is above:
            return True
        cell = cell.parent
    return False
