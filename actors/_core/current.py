"""The actor that the running code belongs to, and the message in whose handler it began.

A context variable, so that tasks and threads an actor starts itself (`asyncio.gather`, `asyncio.to_thread`) still count
as its own. A handler runs in a copy of its incarnation's context: a value that it sets there ends with its message, on
every host. Hooks run in the incarnation's context itself: every handler sees the values that `on_start` sets.
"""

from __future__ import annotations

from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, NamedTuple

from actors._name import NAME

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.envelope import Envelope


class Begun:
    """Code that began in the handler of a message and may outlast its turn: a coroutine or a task."""

    __slots__ = ("cell", "message")

    def __init__(self, cell: Cell, message: Envelope) -> None:
        self.cell = cell
        self.message = message


current: ContextVar[Cell | Begun | None] = ContextVar(f"{NAME}_current", default=None)
"""The actor that the running code belongs to. A plain handler runs within one turn, so its message is the one that the
cell handles.
"""
current_incarnation: ContextVar[int] = ContextVar(f"{NAME}_current_incarnation", default=0)
"""The incarnation of that actor to which the running code belongs."""


def enter(cell: Cell) -> None:
    """The context in which this runs is that of the incarnation which begins in `cell`."""
    current.set(cell)
    current_incarnation.set(cell.incarnation)


def current_cell() -> Cell | None:
    """The actor that the running code belongs to."""
    here = current.get()
    return here.cell if type(here) is Begun else here  # type: ignore[return-value]


def own_incarnation(cell: Cell) -> int:
    """The incarnation of `cell` to which the running code belongs; the present one, if it belongs to none."""
    here = current_cell()
    return current_incarnation.get() if here is cell else cell.incarnation


def cell_in(context: Context) -> Cell | None:
    """The actor that code in this context belongs to."""
    here = context.get(current)
    return here.cell if type(here) is Begun else here  # type: ignore[return-value]


def message_of(cell: Cell) -> Envelope | None:
    """The message in whose handler the running code of `cell` began; None: in the handler of none."""
    here = current.get()
    if type(here) is Begun and here.cell is cell:
        return here.message
    message = cell.envelope
    return message if message is not None and cell.runtime.on_turn_of(cell) else None


def correlation_of(caller: Cell | None, correlation_id: str | None = None) -> str | None:
    """The correlation id of a message: the one given, or that of the message in whose handler this code began."""
    if correlation_id is not None or caller is None:
        return correlation_id
    here = current.get()
    message = here.message if type(here) is Begun else caller.envelope
    if message is None or message.correlation_id is None:
        return None  # as for most messages, whether the code began in the handler of this one or not
    message = message_of(caller)
    return None if message is None else message.correlation_id


def detached(context: Context) -> Context:
    """A copy of the context for code that outlasts the incarnation: it belongs to the actor, and its tasks do not end
    with the incarnation.
    """
    copy = context.copy()
    copy.run(current_incarnation.set, 0)
    return copy


def begin_in(context: Context, cell: Cell, message: Envelope) -> None:
    """What runs in this context from now on began in the handler of this message."""
    context.run(current.set, Begun(cell, message))


def tells(message: Envelope) -> bool:
    """Whether there is anything that code can inherit from the message."""
    return message.sender is not None or message.deadline is not None or message.correlation_id is not None


class Owner(NamedTuple):
    """Whose code it is: the actor, its incarnation, and the message in whose handler it began, as far as is known."""

    cell: Cell | None = None
    incarnation: int = 0
    message: Envelope | None = None


def owner_in(context: Context) -> Owner:
    """Whose code runs in this context."""
    here = context.get(current)
    if type(here) is Begun:
        return Owner(here.cell, context.get(current_incarnation, 0), here.message)
    return Owner(here, context.get(current_incarnation, 0))  # type: ignore[arg-type]
